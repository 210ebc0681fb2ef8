//! `parlor backup`, `restore` and `verify`.

use super::{lock, print_result, run};
use crate::{
    admin::{AdminCommand, AdminReply},
    app,
    cli::{CliError, CliErrorKind, OperatorArgs, block_on},
    data_folder::DATABASE,
    environment::Environment,
    files::Files,
    store::{Store, backup},
};
use serde_json::json;
use std::{fmt::Write as _, path::Path, sync::Arc};

pub(in crate::cli) fn backup(file: &Path, args: &OperatorArgs) -> Result<(), CliError> {
    write_backup(file, args).map_err(|error| CliError { is_json: args.json, ..error })
}

fn write_backup(file: &Path, args: &OperatorArgs) -> Result<(), CliError> {
    // The server's working directory may be a different one.
    let file = std::path::absolute(file).map_err(CliError::new)?;
    if file.exists() {
        return Err(CliError::of(CliErrorKind::Exists, format!("{} already exists", file.display())));
    }
    if let AdminReply::BackedUp(bytes) = run(args, AdminCommand::Backup { file: file.clone() })? {
        let (config, _) = args.load([])?;
        let files = &config.files;
        let folder = files.folder.clone().unwrap_or_else(|| config.data.join("files"));
        let from =
            files.s3_bucket.as_ref().map_or_else(|| folder.display().to_string(), |name| format!("bucket {name}"));
        let text = format!(
            "{} was written: {bytes} bytes.\nIt does not contain the files that users sent: copy them now, from {from}.",
            file.display()
        );
        print_result(args, &text, json!({ "file": file, "bytes": bytes, "files": from }));
    }
    Ok(())
}

pub(in crate::cli) fn restore(file: &Path, force: bool, args: &OperatorArgs) -> Result<(), CliError> {
    restore_copy(file, force, args).map_err(|error| CliError { is_json: args.json, ..error })
}

fn restore_copy(file: &Path, force: bool, args: &OperatorArgs) -> Result<(), CliError> {
    let (config, _) = args.load([])?;
    if config.store.url.is_some() {
        return Err(CliError::new(backup::CopyError::Postgres));
    }
    let folder = lock(&config, args)?;
    let database = folder.path().join(DATABASE);
    if database.exists() && !force {
        let folder = folder.path().display();
        let message = format!("{folder} already has a database; use --force to replace it and keep the old one");
        return Err(CliError::of(CliErrorKind::Exists, message));
    }
    let suffix = format!(".before-restore-{}", Environment::real().now_ms());
    let kept = backup::restore(file, &database, &suffix).map_err(CliError::new)?;
    let mut text = format!("{} is the database now.", file.display());
    if let Some(kept) = &kept {
        let _ = write!(text, "\nThe old one was kept as {}.", kept.display());
    }
    print_result(args, &text, json!({ "file": file, "kept": kept }));
    Ok(())
}

pub(in crate::cli) fn verify(args: &OperatorArgs) -> Result<(), CliError> {
    verify_all(args).map_err(|error| CliError { is_json: args.json, ..error })
}

fn verify_all(args: &OperatorArgs) -> Result<(), CliError> {
    let (config, _) = args.load([])?;
    let folder = lock(&config, args)?;
    if config.store.url.is_none() && !folder.path().join(DATABASE).exists() {
        return Err(CliError::of(CliErrorKind::NotFound, format!("{} has no database", folder.path().display())));
    }
    let report = block_on(async {
        let store = Store::open(&app::store_options(&config)).await.map_err(CliError::new)?;
        let report = store.verify().await.map_err(CliError::new);
        let files = Files::new(&config, store.clone(), Environment::real(), Arc::default()).map_err(CliError::new)?;
        let verified = files.verify().await.map_err(CliError::new);
        store.close().await;
        Ok((report?, verified?))
    })?;
    let (mut report, files) = report;
    for (count, what) in
        [(files.missing, "are missing from the storage"), (files.wrong, "have a different size in the storage")]
    {
        if count != 0 {
            report.faults.push(format!("{count} files that messages carry {what}"));
        }
    }
    if !report.faults.is_empty() && args.json {
        return Err(CliError::of(CliErrorKind::Damaged, report.faults.join("\n")));
    }
    let mut text = String::new();
    for (table, count) in &report.counts {
        let _ = writeln!(text, "{count:>10} {table}");
    }
    let _ = write!(text, "{:>10} files in the storage", files.whole);
    if files.unknown != 0 {
        let _ = write!(text, "\n{:>10} unknown files in the storage: a running server removes them", files.unknown);
    }
    if report.faults.is_empty() {
        text.push_str("\nThe store is intact.");
    }
    let rows: serde_json::Map<_, _> =
        report.counts.iter().map(|(table, count)| ((*table).to_string(), json!(count))).collect();
    print_result(args, &text, json!({ "rows": rows, "files": files.whole, "unknown_files": files.unknown }));
    if report.faults.is_empty() { Ok(()) } else { Err(CliError::of(CliErrorKind::Damaged, report.faults.join("\n"))) }
}
