//! `parlor import`: everything of an application's messages, for a site that uses Parlor's inbox from then on.

use super::mirror_copy::{self, import_files};
use crate::{
    cli::{CliError, OperatorArgs},
    mirror::{backfill::CopyOptions, import::Import},
};
use clap::Subcommand;
use std::path::PathBuf;

/// `parlor import …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImportCommand {
    /// Import the users, contexts and messages of a Django application. No server may be running.
    Django {
        /// Only count.
        #[arg(long)]
        dry_run: bool,
        /// The application's media folder, from which files are copied; without it, and without `media_root` in the
        /// profile, files stay where the application has them.
        #[arg(long, value_name = "FOLDER")]
        media_root: Option<PathBuf>,
        #[command(flatten)]
        args: OperatorArgs,
    },
}

pub(in crate::cli) fn run_import(command: &ImportCommand) -> Result<(), CliError> {
    let ImportCommand::Django { dry_run, media_root, args } = command;
    let copied = mirror_copy::copy(args, |app| {
        let declared = app.profile.as_ref().and_then(|profile| profile.media_root.clone());
        let files = media_root.clone().or(declared).map(|root| import_files(app, &root)).transpose()?;
        Ok(CopyOptions { is_dry_run: *dry_run, import: Some(Import { files }) })
    });
    copied.map_err(|error| CliError { is_json: args.json, ..error })
}
