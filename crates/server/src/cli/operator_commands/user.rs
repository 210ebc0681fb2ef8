//! `parlor user`: adds, lists and changes users.

use super::{print_result, run};
use crate::{
    admin::{AdminCommand, AdminReply},
    cli::{CliError, OperatorArgs},
    environment::Environment,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::{fmt::Write as _, io::BufRead as _};

/// `parlor user …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Add a user. Prints a password unless one is given.
    Add {
        /// The login name.
        login: String,
        /// The display name; the login name if not given.
        #[arg(long)]
        name: Option<String>,
        /// Leave an existing user of that name unchanged.
        #[arg(long)]
        if_absent: bool,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Change a user's login name or display name.
    Rename {
        /// The login name.
        login: String,
        /// The new login name.
        #[arg(long, required_unless_present = "name")]
        to: Option<String>,
        /// The new display name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Delete a user for good: their sessions end, their name and picture are erased, and their messages stay for
    /// others.
    Delete {
        /// The login name.
        login: String,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// List all users.
    List {
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Set a password and end all sessions. Prints a password unless one is given.
    Passwd {
        /// The login name.
        login: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Disable a user: end all sessions and prevent signing in.
    Disable {
        /// The login name.
        login: String,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Make a user a moderator, who decides about reported messages, or end that.
    Moderator {
        /// The login name.
        login: String,
        /// Whether they are a moderator.
        state: Switch,
        #[command(flatten)]
        args: OperatorArgs,
    },
    /// Enable a disabled user again.
    Enable {
        /// The login name.
        login: String,
        #[command(flatten)]
        args: OperatorArgs,
    },
}

/// A state that is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Switch {
    On,
    Off,
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(in crate::cli) struct PasswordArgs {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl UserCommand {
    fn args(&self) -> &OperatorArgs {
        match self {
            Self::Add { args, .. }
            | Self::Rename { args, .. }
            | Self::Delete { args, .. }
            | Self::List { args }
            | Self::Passwd { args, .. }
            | Self::Disable { args, .. }
            | Self::Moderator { args, .. }
            | Self::Enable { args, .. } => args,
        }
    }
}

pub(in crate::cli) fn run_user(command: UserCommand) -> Result<(), CliError> {
    let is_json = command.args().json;
    change_user(command).map_err(|error| CliError { is_json, ..error })
}

fn change_user(command: UserCommand) -> Result<(), CliError> {
    match command {
        UserCommand::Add { login, name, if_absent, password, args } => {
            add_user(&login, name, if_absent, &password, &args)?;
        }
        UserCommand::List { args } => list_users(&args)?,
        UserCommand::Passwd { login, password, args } => {
            let (password, is_new) = password.get()?;
            run(&args, AdminCommand::SetPassword { login: login.clone(), password: password.clone() })?;
            let text = format!(
                "The password of {login} was set; all sessions were ended.{}",
                password_line(is_new, &password)
            );
            print_result(&args, &text, json!({ "login": login, "password": is_new.then_some(password) }));
        }
        UserCommand::Rename { login, to, name, args } => {
            run(&args, AdminCommand::RenameUser { login: login.clone(), to: to.clone(), name })?;
            let login = to.unwrap_or(login);
            print_result(&args, &format!("{login} was renamed."), json!({ "login": login }));
        }
        UserCommand::Delete { login, args } => {
            run(&args, AdminCommand::DeleteUser { login: login.clone() })?;
            print_result(
                &args,
                &format!("The user {login} was deleted; their messages stay for others."),
                json!({ "login": login }),
            );
        }
        UserCommand::Disable { login, args } => {
            run(&args, AdminCommand::SetDisabled { login: login.clone(), disabled: true })?;
            print_result(
                &args,
                &format!("{login} is disabled; all sessions were ended."),
                json!({ "login": login, "disabled": true }),
            );
        }
        UserCommand::Moderator { login, state, args } => {
            let on = state == Switch::On;
            run(&args, AdminCommand::SetModerator { login: login.clone(), on })?;
            let text = format!("{login} is {} a moderator.", if on { "now" } else { "no longer" });
            print_result(&args, &text, json!({ "login": login, "moderator": on }));
        }
        UserCommand::Enable { login, args } => {
            run(&args, AdminCommand::SetDisabled { login: login.clone(), disabled: false })?;
            print_result(&args, &format!("{login} is enabled."), json!({ "login": login, "disabled": false }));
        }
    }
    Ok(())
}

fn add_user(
    login: &str,
    name: Option<String>,
    if_absent: bool,
    password: &PasswordArgs,
    args: &OperatorArgs,
) -> Result<(), CliError> {
    let name = name.unwrap_or_else(|| login.to_owned());
    let (password, is_new) = password.get()?;
    let command = AdminCommand::AddUser { login: login.to_owned(), name, password: password.clone(), if_absent };
    match run(args, command)? {
        AdminReply::UserAdded(id) => {
            let text = format!("The user {login} was added; the id is {id}.{}", password_line(is_new, &password));
            let password = is_new.then_some(password);
            print_result(args, &text, json!({ "login": login, "id": id, "added": true, "password": password }));
        }
        AdminReply::UserFound(id) => {
            let text = format!("The user {login} already exists and was left unchanged; the id is {id}.");
            print_result(args, &text, json!({ "login": login, "id": id, "added": false }));
        }
        _ => {}
    }
    Ok(())
}

fn list_users(args: &OperatorArgs) -> Result<(), CliError> {
    let AdminReply::Users(users) = run(args, AdminCommand::ListUsers { after: String::new() })? else { return Ok(()) };
    let mut text = format!("{:<24} {:>8} {:>8}  {:<9} name", "login", "id", "sessions", "state");
    for user in &users {
        let state = if user.is_disabled { "disabled" } else { "enabled" };
        let (login, id, sessions, name) = (&user.login, user.id.0, user.sessions, &user.name);
        let _ = write!(text, "\n{login:<24} {id:>8} {sessions:>8}  {state:<9} {name}");
    }
    print_result(args, &text, json!({ "users": users }));
    Ok(())
}

impl PasswordArgs {
    /// Returns the password, and whether it was generated here.
    fn get(&self) -> Result<(String, bool), CliError> {
        if !self.password_stdin {
            return Ok((URL_SAFE_NO_PAD.encode(Environment::real().random::<15>()), true));
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(CliError::new)?;
        Ok((line.trim_end_matches(['\r', '\n']).to_owned(), false))
    }
}

fn password_line(is_new: bool, password: &str) -> String {
    if is_new { format!("\nThe password is {password}") } else { String::new() }
}
