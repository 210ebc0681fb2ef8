//! `parlor context`: creates, replaces, closes and reopens contexts.

use super::{print_result, run};
use crate::{
    admin::AdminCommand,
    cli::{CliError, OperatorArgs},
};
use clap::{Args, Subcommand, ValueEnum};
use parlor_protocol::model::{Context, ContextKey, Tone};
use serde_json::json;

/// `parlor context …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ContextCommand {
    /// Create a context, or replace it along with all its roles.
    Put(Box<PutContextArgs>),
    /// Close a context: nobody can write about it any more.
    Close {
        /// The kind of thing.
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        /// Its id in the host application.
        #[arg(long)]
        id: String,
        /// Reopen it instead.
        #[arg(long)]
        reopen: bool,
        #[command(flatten)]
        args: OperatorArgs,
    },
}

/// `parlor context put`
#[derive(Debug, Args)]
pub(in crate::cli) struct PutContextArgs {
    /// The kind of thing.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Its id in the host application.
    #[arg(long)]
    id: String,
    /// Its title.
    #[arg(long)]
    title: String,
    /// One more line of description.
    #[arg(long)]
    detail: Option<String>,
    /// The URL of its page.
    #[arg(long)]
    url: Option<String>,
    /// The URL of its picture.
    #[arg(long)]
    image: Option<String>,
    /// Its status in one or two words.
    #[arg(long)]
    status: Option<String>,
    /// How the status is displayed.
    #[arg(long, value_enum, default_value = "plain")]
    tone: ToneFlag,
    /// Who has which role, such as owner=ada; can be repeated.
    #[arg(long, value_name = "ROLE=LOGIN")]
    role: Vec<String>,
    #[command(flatten)]
    args: OperatorArgs,
}

/// [`Tone`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ToneFlag {
    Plain,
    Asks,
    Settled,
}

pub(in crate::cli) fn run_context(command: ContextCommand) -> Result<(), CliError> {
    let is_json = match &command {
        ContextCommand::Put(put) => put.args.json,
        ContextCommand::Close { args, .. } => args.json,
    };
    change_context(command).map_err(|error| CliError { is_json, ..error })
}

fn change_context(command: ContextCommand) -> Result<(), CliError> {
    match command {
        ContextCommand::Put(put) => {
            let tone = match put.tone {
                ToneFlag::Plain => Tone::Plain,
                ToneFlag::Asks => Tone::Asks,
                ToneFlag::Settled => Tone::Settled,
            };
            let roles = put.role.iter().map(|text| role(text)).collect::<Result<_, CliError>>()?;
            let context = Context {
                key: ContextKey { kind: put.kind, id: put.id },
                title: put.title,
                detail: put.detail,
                url: put.url,
                image: put.image,
                status: put.status,
                tone,
                closed: false,
            };
            let key = context.key.clone();
            run(&put.args, AdminCommand::PutContext { context, roles })?;
            print_result(&put.args, "The context was saved.", json!({ "context": key }));
        }
        ContextCommand::Close { kind, id, reopen, args } => {
            let key = ContextKey { kind, id };
            run(&args, AdminCommand::CloseContext { key: key.clone(), closed: !reopen })?;
            let text = if reopen { "The context is open." } else { "The context is closed." };
            print_result(&args, text, json!({ "context": key, "closed": !reopen }));
        }
    }
    Ok(())
}

/// Parses ROLE=LOGIN into the login name and the role.
fn role(text: &str) -> Result<(String, String), CliError> {
    let (role, login) = text.split_once('=').ok_or_else(|| CliError::usage(format!("{text}: expected ROLE=LOGIN")))?;
    Ok((login.to_owned(), role.to_owned()))
}
