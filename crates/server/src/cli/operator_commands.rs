//! The operator's commands: sent to the running server, or executed here if there is none.

use super::{CliError, CliErrorKind, OperatorArgs, block_on, eprint_line, print_line};
use crate::{
    admin::{self, AdminCommand, AdminReply},
    app,
    config::Config,
    data_folder::{DATABASE, DataFolder, DataFolderError},
    environment::Environment,
    files::Files,
    server,
    store::{Store, backup},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand, ValueEnum};
use parlor_protocol::{
    error::{Code, Problem},
    model::{Context as ContextRow, ContextKey, Tone},
};
use serde_json::json;
use std::{fmt::Write as _, io::BufRead as _, path::Path, sync::Arc};

/// `parlor user …`
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
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
    /// Enable a disabled user again.
    Enable {
        /// The login name.
        login: String,
        #[command(flatten)]
        args: OperatorArgs,
    },
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// `parlor context …`
#[derive(Debug, Subcommand)]
pub(super) enum ContextCommand {
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
pub(super) struct PutContextArgs {
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

impl UserCommand {
    fn args(&self) -> &OperatorArgs {
        match self {
            Self::Add { args, .. }
            | Self::Rename { args, .. }
            | Self::Delete { args, .. }
            | Self::List { args }
            | Self::Passwd { args, .. }
            | Self::Disable { args, .. }
            | Self::Enable { args, .. } => args,
        }
    }
}

pub(super) fn user(command: UserCommand) -> Result<(), CliError> {
    let is_json = command.args().json;
    change_user(command).map_err(|error| CliError { is_json, ..error })
}

fn change_user(command: UserCommand) -> Result<(), CliError> {
    match command {
        UserCommand::Add { login, name, if_absent, password, args } => {
            add_user(&login, name, if_absent, &password, &args)?
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

pub(super) fn context(command: ContextCommand) -> Result<(), CliError> {
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
            let context = ContextRow {
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

pub(super) fn backup(file: &Path, args: &OperatorArgs) -> Result<(), CliError> {
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

pub(super) fn restore(file: &Path, force: bool, args: &OperatorArgs) -> Result<(), CliError> {
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

pub(super) fn verify(args: &OperatorArgs) -> Result<(), CliError> {
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
                let app = server::open(&folder, config, Environment::real()).await.map_err(CliError::new)?;
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
        Code::Unavailable | Code::Draining | Code::Internal | Code::Unknown | Code::TimedOut => CliErrorKind::Failed,
        _ => CliErrorKind::Refused,
    };
    CliError::of(kind, problem.detail.unwrap_or(problem.title))
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
