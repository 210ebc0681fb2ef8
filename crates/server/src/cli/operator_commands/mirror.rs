//! `parlor mirror`: the triggers in the host's database, which need no data folder; the initial copy and the check.

use super::mirror_copy;
use crate::{
    cli::{CliError, CliErrorKind, ConfigArgs, OperatorArgs, block_on, print_line},
    config::Config,
    host::{HostDatabase, HostError, HostKind, HostOptions},
    mirror::triggers::{self, WatchedTable},
    profile::Profile,
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;

/// Changing a schema may have to wait for the host, so these commands wait at least this long.
const TIMEOUT_MIN_MS: u64 = 10_000;

/// `parlor mirror …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MirrorCommand {
    /// Create the triggers in the host's database, or replace them.
    Install {
        /// Print the SQL and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        args: MirrorArgs,
    },
    /// Show which triggers exist, and what in the host's tables does not match the profile.
    Status {
        #[command(flatten)]
        args: MirrorArgs,
    },
    /// Remove the triggers and Parlor's tables from the host's database.
    Uninstall {
        /// Print the SQL and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        args: MirrorArgs,
    },
    /// Copy all messages of the application. No server may be running.
    Backfill {
        /// Only count.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Mirror the database and the message table that the configuration names, whatever was mirrored before. Messages
    /// that the application no longer has are removed. No server may be running.
    Adopt {
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Compare all messages of the application with Parlor's. No server may be running.
    Check {
        #[command(flatten)]
        args: OperatorArgs,
    },
}

/// The arguments that these commands share.
#[derive(Debug, Args)]
pub(in crate::cli) struct MirrorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print one line of JSON instead of text, including errors.
    #[arg(long)]
    json: bool,
}

/// What the configuration says about the host.
struct Host {
    database: HostDatabase,
    profile: Profile,
    tables: Vec<WatchedTable>,
}

pub(in crate::cli) fn run_mirror(command: &MirrorCommand) -> Result<(), CliError> {
    match command {
        MirrorCommand::Install { dry_run, args } => with_host(args, |host| install(host, *dry_run, args.json)),
        MirrorCommand::Status { args } => with_host(args, |host| status(host, args.json)),
        MirrorCommand::Uninstall { dry_run, args } => with_host(args, |host| uninstall(host, *dry_run, args.json)),
        MirrorCommand::Backfill { dry_run, args } => mirror_copy::backfill(*dry_run, args),
        MirrorCommand::Adopt { args } => mirror_copy::adopt(args),
        MirrorCommand::Check { args } => mirror_copy::check(args),
    }
}

fn with_host(args: &MirrorArgs, work: impl FnOnce(&Host) -> Result<(), CliError>) -> Result<(), CliError> {
    let answer = args.config.load([]).and_then(|(config, _)| work(&Host::of(&config)?));
    answer.map_err(|error| CliError { is_json: args.json, ..error })
}

impl Host {
    fn of(config: &Config) -> Result<Self, CliError> {
        let url = config.host.database.clone();
        let url =
            url.ok_or_else(|| CliError::usage("host.database is not set: it is the database of the application"))?;
        let profile = config.compat.profile.as_ref();
        let profile = profile.ok_or_else(|| CliError::usage("compat.profile is not set: it names the tables"))?;
        let profile = Profile::load(profile).map_err(CliError::usage)?;
        let timeout = Duration::from_millis(config.host.timeout_ms.max(TIMEOUT_MIN_MS));
        let database = HostDatabase::new(HostOptions { url, connections: 1, timeout });
        Ok(Self { tables: triggers::watched_tables(&profile), database, profile })
    }
}

fn install(host: &Host, is_dry_run: bool, is_json: bool) -> Result<(), CliError> {
    let sql = triggers::install_sql(host.database.kind(), &host.tables).map_err(host_error)?;
    if is_dry_run {
        print_sql(host.database.kind(), &sql, is_json);
        return Ok(());
    }
    let missing = block_on(async {
        let errors = triggers::table_errors(&host.database, &host.profile).await.map_err(host_error)?;
        if !errors.is_empty() {
            return Err(CliError::of(CliErrorKind::Refused, errors.join("\n")));
        }
        triggers::run_all(&host.database, sql).await.map_err(host_error)?;
        Ok(triggers::status(&host.database, &host.tables).await.map_err(host_error)?.missing)
    })?;
    if !missing.is_empty() {
        return Err(CliError::new(format!("these triggers were not created: {}", missing.join(", "))));
    }
    let tables: Vec<_> = host.tables.iter().map(|table| table.table.as_str()).collect();
    let text = format!("The triggers on {} are installed.", tables.join(" and "));
    print(is_json, &text, &json!({ "installed": tables }));
    Ok(())
}

fn uninstall(host: &Host, is_dry_run: bool, is_json: bool) -> Result<(), CliError> {
    let sql = triggers::uninstall_sql(host.database.kind(), &host.tables);
    if is_dry_run {
        print_sql(host.database.kind(), &sql, is_json);
        return Ok(());
    }
    block_on(async {
        let others = triggers::drop_others_sql(&host.database, &host.tables).await.map_err(host_error)?;
        triggers::run_all(&host.database, others.into_iter().chain(sql).collect()).await.map_err(host_error)
    })?;
    print(is_json, "The triggers and Parlor's tables are removed.", &json!({ "uninstalled": true }));
    Ok(())
}

fn status(host: &Host, is_json: bool) -> Result<(), CliError> {
    let (found, errors) = block_on(async {
        let found = triggers::status(&host.database, &host.tables).await.map_err(host_error)?;
        Ok((found, triggers::table_errors(&host.database, &host.profile).await.map_err(host_error)?))
    })?;
    let mut lines: Vec<String> = found.present.iter().map(|name| format!("installed  {name}")).collect();
    lines.extend(found.missing.iter().map(|name| format!("missing    {name}")));
    if !found.has_tables {
        lines.push("missing    the outbox and the map".to_owned());
    }
    lines.extend(errors.iter().cloned());
    let is_complete = found.is_complete() && errors.is_empty();
    if !is_complete && is_json {
        return Err(CliError::of(CliErrorKind::Damaged, lines.join("\n")));
    }
    let value = json!({ "installed": found.present, "missing": found.missing, "errors": errors });
    print(is_json, &lines.join("\n"), &value);
    if is_complete {
        return Ok(());
    }
    let advice =
        if errors.is_empty() { "run `parlor mirror install`" } else { "the profile does not match the tables" };
    Err(CliError::of(CliErrorKind::Damaged, format!("the mirror would miss changes: {advice}")))
}

fn host_error(error: HostError) -> CliError {
    let kind = if matches!(error, HostError::Refused(_)) { CliErrorKind::Refused } else { CliErrorKind::Failed };
    CliError::of(kind, error)
}

/// Prints statements as the command-line client of the database reads them.
fn print_sql(kind: HostKind, sql: &[String], is_json: bool) {
    if is_json {
        return print_line(&json!({ "sql": sql }).to_string());
    }
    // The triggers of MySQL contain semicolons, which its client takes for the end of a statement.
    let end = if kind == HostKind::MySql { "//" } else { ";" };
    if kind == HostKind::MySql {
        print_line("DELIMITER //");
    }
    for statement in sql {
        print_line(&format!("{statement}{end}"));
    }
}

fn print(is_json: bool, text: &str, value: &serde_json::Value) {
    print_line(&if is_json { value.to_string() } else { text.to_owned() });
}
