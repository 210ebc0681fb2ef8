//! The operator's commands: sent to the running server, or executed here if there is none.

pub(super) mod context;
pub(super) mod database;
pub(super) mod import;
pub(super) mod mirror;
mod mirror_copy;
pub(super) mod report;
pub(super) mod user;

use super::{CliError, CliErrorKind, OperatorArgs, block_on, eprint_line, print_line};
use crate::{
    admin::{self, AdminCommand, AdminReply},
    config::Config,
    data_folder::{DataFolder, DataFolderError},
    environment::Environment,
    handover::Holding,
    server,
};
use parlor_protocol::error::{Code, Problem};
use serde_json::json;

/// Restarts the running server in place.
pub(super) fn restart(args: &OperatorArgs) -> Result<(), CliError> {
    let restarted = || {
        let (config, _) = args.load([])?;
        if let Ok(folder) = DataFolder::lock(&config.data) {
            let message = format!("no server uses {}", folder.path().display());
            return Err(CliError::of(CliErrorKind::NotFound, message));
        }
        run(args, AdminCommand::Restart)
    };
    restarted().map_err(|error| CliError { is_json: args.json, ..error })?;
    print_result(args, "The server restarts.", json!({ "restarts": true }));
    Ok(())
}

fn lock(config: &Config, args: &OperatorArgs) -> Result<DataFolder, CliError> {
    let folder = DataFolder::lock(&config.data).map_err(|error| match error {
        DataFolderError::Locked { .. } => CliError::of(CliErrorKind::InUse, format!("{error}: stop it first")),
        error => CliError::new(error),
    })?;
    print_folder(args, &folder);
    Ok(folder)
}

/// Prints which data folder a command uses, to standard error.
fn print_folder(args: &OperatorArgs, folder: &DataFolder) {
    if !args.json {
        eprint_line(&format!("parlor: the data folder is {}", folder.path().display()));
    }
    if let Some(note) = folder.note() {
        eprint_line(&format!("parlor: {note}"));
    }
}

/// Prints the result of a command, as text or as JSON that includes the data folder.
fn print_result(args: &OperatorArgs, text: &str, mut value: serde_json::Value) {
    if !args.json {
        return print_line(text);
    }
    let folder = args.load([]).ok().map(|(config, _)| config.data.canonicalize().unwrap_or(config.data));
    value["data"] = json!(folder);
    print_line(&value.to_string());
}

/// Sends a command to the server that runs on the data folder, or executes it here.
fn run(args: &OperatorArgs, command: AdminCommand) -> Result<AdminReply, CliError> {
    let (config, _) = args.load([])?;
    block_on(async {
        let answer = match DataFolder::lock(&config.data) {
            Ok(folder) => {
                print_folder(args, &folder);
                let app = server::open(&folder, config, Environment::real(), Holding::default())
                    .await
                    .map_err(CliError::new)?;
                let answer = admin::run(&app, command).await.unwrap_or_else(AdminReply::Refused);
                app.stop().await;
                answer
            }
            Err(DataFolderError::Locked { path, holder }) => {
                if !args.json {
                    eprint_line(&format!("parlor: the data folder is {}, used by {holder}", path.display()));
                }
                admin::send(&path, command).await.map_err(|error| {
                    let message = format!("{holder}, which uses {}, does not answer: {error}", path.display());
                    CliError::of(CliErrorKind::InUse, message)
                })?
            }
            Err(error) => return Err(CliError::new(error)),
        };
        match answer {
            AdminReply::Refused(problem) => Err(refusal(problem)),
            answer => Ok(answer),
        }
    })
}

fn refusal(problem: Problem) -> CliError {
    let kind = match problem.code {
        Code::NotFound => CliErrorKind::NotFound,
        Code::NameTaken => CliErrorKind::Exists,
        Code::Internal | Code::Unavailable | Code::Unknown | Code::Draining | Code::TimedOut => CliErrorKind::Failed,
        // The code of a newer server that runs on the folder.
        Code::Unlisted if problem.status >= 500 => CliErrorKind::Failed,
        Code::InvalidJson
        | Code::InvalidField
        | Code::UnknownCommand
        | Code::NotResumed
        | Code::TextEmpty
        | Code::TextTooLong
        | Code::TextControl
        | Code::NotSignedIn
        | Code::WrongCredentials
        | Code::WrongPassword
        | Code::WrongOrigin
        | Code::NotAllowed
        | Code::Blocked
        | Code::SignUpOff
        | Code::MethodNotAllowed
        | Code::WrongUser
        | Code::Conflict
        | Code::Cancelled
        | Code::TooLate
        | Code::UploadUnfinished
        | Code::WrongOffset
        | Code::RangeNotSatisfiable
        | Code::ContextClosed
        | Code::OwnRole
        | Code::RoleVacant
        | Code::LimitReached
        | Code::TooLarge
        | Code::UnsupportedType
        | Code::UnsupportedVersion
        | Code::TooMany
        | Code::Unlisted => CliErrorKind::Refused,
    };
    CliError::of(kind, problem.detail.unwrap_or(problem.title))
}
