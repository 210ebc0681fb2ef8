//! `parlor report`: lists reports of messages, and writes the evidence of one.

use super::{print_result, run};
use crate::{
    admin::{AdminCommand, AdminReply},
    cli::{CliError, OperatorArgs, print_line},
};
use clap::Subcommand;
use parlor_protocol::{
    ids::ReportId,
    report::{Report, ReportState},
};
use serde_json::json;
use std::fmt::Write as _;

/// `parlor report …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ReportCommand {
    /// List the open reports, the oldest first.
    List {
        /// List the settled ones instead, those settled last first.
        #[arg(long)]
        settled: bool,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Print the evidence of an open report: the report, and the copies of the message and of those near it, as JSON.
    Export {
        /// The id of the report.
        report: i64,
        #[command(flatten)]
        args: OperatorArgs,
    },
}

pub(in crate::cli) fn run_report(command: &ReportCommand) -> Result<(), CliError> {
    let (ReportCommand::List { args, .. } | ReportCommand::Export { args, .. }) = command;
    let done = match command {
        ReportCommand::List { settled, args } => list_reports(*settled, args),
        ReportCommand::Export { report, args } => export_report(ReportId(*report), args),
    };
    done.map_err(|error| CliError { is_json: args.json, ..error })
}

fn list_reports(settled: bool, args: &OperatorArgs) -> Result<(), CliError> {
    let state = if settled { ReportState::Settled } else { ReportState::Open };
    let AdminReply::Reports(found) = run(args, AdminCommand::ListReports { state, after: None })? else {
        return Ok(());
    };
    let mut text = format!("{:>10}  {:<24}  {:<24} {:>9}  outcome", "id", "reported at", "sender", "reporters");
    for report in &found.reports {
        let (id, at, sender, count) = (report.id.0, &report.created_at, &report.sender.name, report.reason_count);
        let _ = write!(text, "\n{id:>10}  {at:<24}  {sender:<24} {count:>9}  {}", outcome(report));
    }
    print_result(args, &text, json!({ "reports": found.reports }));
    Ok(())
}

fn outcome(report: &Report) -> &'static str {
    match (report.state, report.removed, report.warned) {
        (ReportState::Open, ..) => "open",
        (ReportState::Settled, true, true) => "removed, sender warned",
        (ReportState::Settled, true, false) => "removed",
        (ReportState::Settled, false, true) => "sender warned",
        (ReportState::Settled, false, false) => "dismissed",
    }
}

fn export_report(report: ReportId, args: &OperatorArgs) -> Result<(), CliError> {
    if let AdminReply::Evidence(evidence) = run(args, AdminCommand::ExportReport { report })? {
        let text = if args.json { serde_json::to_string(&evidence) } else { serde_json::to_string_pretty(&evidence) };
        print_line(&text.expect("evidence has string keys only"));
    }
    Ok(())
}
