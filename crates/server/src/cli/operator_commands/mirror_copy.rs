//! `parlor mirror backfill`, `parlor mirror adopt` and `parlor mirror check`, and the copy of `parlor import`. No server
//! may be running: one that runs copies and compares by
//! itself, and would change what is compared.

use super::{lock, print_result};
use crate::{
    app::App,
    cli::{CliError, CliErrorKind, OperatorArgs, block_on, eprint_line},
    config::Config,
    environment::Environment,
    handover::Holding,
    mirror::{
        MirrorError, MirrorOptions,
        backfill::{self, CopyOptions, Progress},
        check::{self, CheckReport},
        host_token,
        import::FileImport,
    },
    server,
};
use serde_json::json;
use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    path::Path,
};

pub(in crate::cli) fn backfill(is_dry_run: bool, args: &OperatorArgs) -> Result<(), CliError> {
    let copied = copy(args, |_| Ok(CopyOptions { is_dry_run, import: None }));
    copied.map_err(|error| CliError { is_json: args.json, ..error })
}

/// Prepares to copy files from a media folder.
pub(super) fn import_files(app: &App, root: &Path) -> Result<FileImport, CliError> {
    let most = app.rules.limits.message_attachments_max;
    let files = FileImport::new(app.files.clone(), root, most);
    files.map_err(|error| CliError::usage(format!("the media folder {}: {error}", root.display())))
}

/// Copies messages and prints what was copied.
pub(super) fn copy(
    args: &OperatorArgs,
    options: impl FnOnce(&App) -> Result<CopyOptions, CliError>,
) -> Result<(), CliError> {
    let is_quiet = args.json;
    let report = |progress: &Progress| {
        if !is_quiet {
            show(progress);
        }
    };
    let (copied, is_dry_run) = with_mirror(args, async |app, mirror| {
        let options = options(app)?;
        let is_dry_run = options.is_dry_run;
        Ok((backfill::run(mirror, options, report).await.map_err(failure)?, is_dry_run))
    })?;
    let (rate, _) = copied.rate();
    let Progress { total, before, done, new, refused, files, files_refused, reasons, .. } = copied;
    let mut text = if is_dry_run {
        let total = total
            .map_or_else(|| "more messages than it can count in time".to_owned(), |total| format!("{total} messages"));
        format!("The host has {total}, of which {before} are here. Nothing was copied.")
    } else {
        format!("{done} messages were copied, {rate} a second: {new} were new, {refused} cannot be copied.")
    };
    if files + files_refused > 0 {
        let _ = write!(text, " {files} files were copied, {files_refused} cannot be.");
    }
    if !is_quiet {
        for reason in &reasons {
            eprint_line(&format!("parlor: {reason}"));
        }
    }
    let value = json!({
        "total": total, "known": before, "copied": done, "new": new, "refused": refused, "files": files,
        "files_refused": files_refused, "reasons": reasons, "dry_run": is_dry_run,
    });
    print_result(args, &text, value);
    Ok(())
}

/// Shows a bar on a terminal, and lines elsewhere.
fn show(progress: &Progress) {
    const WIDTH: u64 = 30;
    let (rate, left) = progress.rate();
    let left = left.map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
    let Some(total) = progress.total else {
        return eprint_line(&format!("parlor: {} messages, {rate} a second", progress.before + progress.done));
    };
    // Some of the rows before the position were counted as known and are read again.
    let at = (progress.before + progress.done).min(total);
    let filled = (at * WIDTH / total.max(1)).min(WIDTH);
    let counts = format!("{at} of {total} messages, {rate} a second{left}");
    if std::io::stderr().is_terminal() {
        let bar = "#".repeat(usize::try_from(filled).unwrap_or_default());
        let line = format!("\r[{bar:30}] {counts}   {}", if at >= total { "\n" } else { "" });
        // It is not an error if nobody reads it.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    } else {
        eprint_line(&format!("parlor: {counts}"));
    }
}

pub(in crate::cli) fn adopt(args: &OperatorArgs) -> Result<(), CliError> {
    with_mirror(args, async |_, options| host_token::adopt(options).await.map_err(failure))
        .map_err(|error| CliError { is_json: args.json, ..error })?;
    let text = "This database is mirrored from now on. What it does not have is removed by the first scan.";
    print_result(args, text, json!({ "adopted": true }));
    Ok(())
}

pub(in crate::cli) fn check(args: &OperatorArgs) -> Result<(), CliError> {
    compare(args).map_err(|error| CliError { is_json: args.json, ..error })
}

fn compare(args: &OperatorArgs) -> Result<(), CliError> {
    let report = with_mirror(args, async |_, mirror| check::run(mirror).await.map_err(failure))?;
    let CheckReport { host_rows, known_rows, host_checksum, known_checksum, differences, different } = report;
    let mut text = format!(
        "The host has {host_rows} messages (checksum {host_checksum:016x}), of which {known_rows} are known here \
         (checksum {known_checksum:016x}).\n"
    );
    for difference in &differences {
        let _ = writeln!(text, "{difference}");
    }
    let _ = match different {
        0 => write!(text, "Both sides are equal."),
        1 => write!(text, "There is one difference."),
        _ => write!(text, "There are {different} differences."),
    };
    let value = json!({
        "host_rows": host_rows,
        "known_rows": known_rows,
        "host_checksum": format!("{host_checksum:016x}"),
        "known_checksum": format!("{known_checksum:016x}"),
        "different": different,
        "differences": differences,
    });
    print_result(args, &text, value);
    if different == 0 {
        return Ok(());
    }
    Err(CliError::of(CliErrorKind::Damaged, "the two sides are not equal"))
}

/// Opens the store without a server and without a running mirror.
fn with_mirror<T>(
    args: &OperatorArgs,
    work: impl AsyncFnOnce(&App, &MirrorOptions) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let (config, _) = args.load([])?;
    let folder = lock(&config, args)?;
    let mirror = crate::config::MirrorConfig { enabled: false, ..config.mirror.clone() };
    let config = Config { mirror, ..config };
    block_on(async {
        let app =
            server::open(&folder, config, Environment::real(), Holding::default()).await.map_err(CliError::new)?;
        let done = match &app.mirror_options {
            Some(options) => work(&app, options).await,
            None => Err(CliError::usage("set compat.profile and host.database first")),
        };
        app.stop().await;
        done
    })
}

fn failure(error: MirrorError) -> CliError {
    let kind = if matches!(error, MirrorError::Tables(_)) { CliErrorKind::Refused } else { CliErrorKind::Failed };
    CliError::of(kind, error)
}
