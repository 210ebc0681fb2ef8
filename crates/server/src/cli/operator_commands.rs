//! The operator's commands: handed to the server that runs, or carried out here when none does.

use super::{Failure, Kind, Target, block_on, tell, tell_error};
use crate::{
    admin::{self, Answer, Command},
    app,
    config::Config,
    data_folder::{DATABASE, DataFolder, Error as FolderError},
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
pub(super) enum User {
    /// Make an account. Prints a password, unless one is given.
    Add {
        /// The name used to sign in.
        login: String,
        /// What others see; the login name if not given.
        #[arg(long)]
        name: Option<String>,
        /// Leave an account of that name as it is, if there is one.
        #[arg(long)]
        if_absent: bool,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        place: Target,
    },
    /// Give a person another name to sign in with, or another name that others see.
    Rename {
        /// The name used to sign in.
        login: String,
        /// The new name to sign in with.
        #[arg(long, required_unless_present = "name")]
        to: Option<String>,
        /// The new name that others see.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        place: Target,
    },
    /// Delete an account for good: its sessions end, its name and picture are erased, and its messages stay for others.
    Delete {
        /// Whose.
        login: String,
        #[command(flatten)]
        place: Target,
    },
    /// List accounts.
    List {
        #[command(flatten)]
        place: Target,
    },
    /// Set a password and end every session. Prints a password, unless one is given.
    Passwd {
        /// Whose.
        login: String,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        place: Target,
    },
    /// End every session of a person and let them sign in no more.
    Disable {
        /// Whom.
        login: String,
        #[command(flatten)]
        place: Target,
    },
    /// Let a disabled person sign in again.
    Enable {
        /// Whom.
        login: String,
        #[command(flatten)]
        place: Target,
    },
}

/// Where a password comes from.
#[derive(Debug, Args)]
pub(super) struct Password {
    /// Read the password from the first line of the standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// `parlor context …`
#[derive(Debug, Subcommand)]
pub(super) enum Context {
    /// Make a context, or replace it with all its roles.
    Put(Box<PutContext>),
    /// Close a context: nothing more is written about it.
    Close {
        /// The kind of thing.
        #[arg(long = "type", value_name = "TYPE")]
        kind: String,
        /// Its id in the host application.
        #[arg(long)]
        id: String,
        /// Open it again instead.
        #[arg(long)]
        reopen: bool,
        #[command(flatten)]
        place: Target,
    },
}

/// `parlor context put`
#[derive(Debug, Args)]
pub(super) struct PutContext {
    /// The kind of thing.
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Its id in the host application.
    #[arg(long)]
    id: String,
    /// Its name.
    #[arg(long)]
    title: String,
    /// One more line about it.
    #[arg(long)]
    detail: Option<String>,
    /// Its page.
    #[arg(long)]
    url: Option<String>,
    /// Its picture.
    #[arg(long)]
    image: Option<String>,
    /// Its state in one or two words.
    #[arg(long)]
    status: Option<String>,
    /// How the status is meant.
    #[arg(long, value_enum, default_value = "plain")]
    tone: ToneFlag,
    /// Who is what in it, such as owner=ada; may be given several times.
    #[arg(long, value_name = "ROLE=LOGIN")]
    role: Vec<String>,
    #[command(flatten)]
    place: Target,
}

/// [`Tone`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ToneFlag {
    Plain,
    Asks,
    Settled,
}

impl User {
    fn place(&self) -> &Target {
        match self {
            Self::Add { place, .. }
            | Self::Rename { place, .. }
            | Self::Delete { place, .. }
            | Self::List { place }
            | Self::Passwd { place, .. }
            | Self::Disable { place, .. }
            | Self::Enable { place, .. } => place,
        }
    }
}

pub(super) fn user(command: User) -> Result<(), Failure> {
    let is_json = command.place().json;
    change_user(command).map_err(|failure| Failure { is_json, ..failure })
}

fn change_user(command: User) -> Result<(), Failure> {
    match command {
        User::Add { login, name, if_absent, password, place } => add_user(&login, name, if_absent, &password, &place)?,
        User::List { place } => list_users(&place)?,
        User::Passwd { login, password, place } => {
            let (password, is_new) = password.get()?;
            run(&place, Command::SetPassword { login: login.clone(), password: password.clone() })?;
            let said =
                format!("The password of {login} was set; every session ended.{}", told_password(is_new, &password));
            say(&place, &said, json!({ "login": login, "password": is_new.then_some(password) }));
        }
        User::Rename { login, to, name, place } => {
            run(&place, Command::RenameUser { login: login.clone(), to: to.clone(), name })?;
            let login = to.unwrap_or(login);
            say(&place, &format!("{login} was renamed."), json!({ "login": login }));
        }
        User::Delete { login, place } => {
            run(&place, Command::DeleteUser { login: login.clone() })?;
            say(
                &place,
                &format!("The account {login} was deleted; what it wrote stays for others."),
                json!({ "login": login }),
            );
        }
        User::Disable { login, place } => {
            run(&place, Command::SetDisabled { login: login.clone(), disabled: true })?;
            say(
                &place,
                &format!("{login} is disabled; every session ended."),
                json!({ "login": login, "disabled": true }),
            );
        }
        User::Enable { login, place } => {
            run(&place, Command::SetDisabled { login: login.clone(), disabled: false })?;
            say(&place, &format!("{login} is enabled."), json!({ "login": login, "disabled": false }));
        }
    }
    Ok(())
}

fn add_user(
    login: &str,
    name: Option<String>,
    if_absent: bool,
    password: &Password,
    place: &Target,
) -> Result<(), Failure> {
    let name = name.unwrap_or_else(|| login.to_owned());
    let (password, is_new) = password.get()?;
    let command = Command::AddUser { login: login.to_owned(), name, password: password.clone(), if_absent };
    match run(place, command)? {
        Answer::UserAdded(id) => {
            let said = format!("The account {login} was made; its id is {id}.{}", told_password(is_new, &password));
            let password = is_new.then_some(password);
            say(place, &said, json!({ "login": login, "id": id, "added": true, "password": password }));
        }
        Answer::UserFound(id) => {
            let said = format!("The account {login} is there already and was left as it is; its id is {id}.");
            say(place, &said, json!({ "login": login, "id": id, "added": false }));
        }
        _ => {}
    }
    Ok(())
}

fn list_users(place: &Target) -> Result<(), Failure> {
    let Answer::Users(users) = run(place, Command::ListUsers { after: String::new() })? else { return Ok(()) };
    let mut said = format!("{:<24} {:>8} {:>8}  {:<9} name", "login", "id", "sessions", "state");
    for user in &users {
        let state = if user.is_disabled { "disabled" } else { "enabled" };
        let (login, id, sessions, name) = (&user.login, user.id.0, user.sessions, &user.name);
        let _ = write!(said, "\n{login:<24} {id:>8} {sessions:>8}  {state:<9} {name}");
    }
    say(place, &said, json!({ "users": users }));
    Ok(())
}

pub(super) fn context(command: Context) -> Result<(), Failure> {
    let is_json = match &command {
        Context::Put(put) => put.place.json,
        Context::Close { place, .. } => place.json,
    };
    change_context(command).map_err(|failure| Failure { is_json, ..failure })
}

fn change_context(command: Context) -> Result<(), Failure> {
    match command {
        Context::Put(put) => {
            let tone = match put.tone {
                ToneFlag::Plain => Tone::Plain,
                ToneFlag::Asks => Tone::Asks,
                ToneFlag::Settled => Tone::Settled,
            };
            let roles = put.role.iter().map(|text| role(text)).collect::<Result<_, Failure>>()?;
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
            run(&put.place, Command::PutContext { context, roles })?;
            say(&put.place, "The context is there.", json!({ "context": key }));
        }
        Context::Close { kind, id, reopen, place } => {
            let key = ContextKey { kind, id };
            run(&place, Command::CloseContext { key: key.clone(), closed: !reopen })?;
            let said = if reopen { "The context is open." } else { "The context is closed." };
            say(&place, said, json!({ "context": key, "closed": !reopen }));
        }
    }
    Ok(())
}

/// Login name and role.
fn role(text: &str) -> Result<(String, String), Failure> {
    let (role, login) =
        text.split_once('=').ok_or_else(|| Failure::of_use(format!("{text}: ROLE=LOGIN is expected")))?;
    Ok((login.to_owned(), role.to_owned()))
}

pub(super) fn backup(file: &Path, place: &Target) -> Result<(), Failure> {
    write_backup(file, place).map_err(|failure| Failure { is_json: place.json, ..failure })
}

fn write_backup(file: &Path, place: &Target) -> Result<(), Failure> {
    // The server has a working folder of its own.
    let file = std::path::absolute(file).map_err(Failure::new)?;
    if file.exists() {
        return Err(Failure::of(Kind::Exists, format!("{} is there already", file.display())));
    }
    if let Answer::BackedUp(bytes) = run(place, Command::Backup { file: file.clone() })? {
        let (config, _) = place.load([])?;
        let files = &config.files;
        let folder = files.folder.clone().unwrap_or_else(|| config.data.join("files"));
        let from =
            files.s3_bucket.as_ref().map_or_else(|| folder.display().to_string(), |name| format!("bucket {name}"));
        let said = format!(
            "{} was written: {bytes} bytes.\nFiles that people sent are not in it: copy them now, from {from}.",
            file.display()
        );
        say(place, &said, json!({ "file": file, "bytes": bytes, "files": from }));
    }
    Ok(())
}

pub(super) fn restore(file: &Path, force: bool, place: &Target) -> Result<(), Failure> {
    put_back(file, force, place).map_err(|failure| Failure { is_json: place.json, ..failure })
}

fn put_back(file: &Path, force: bool, place: &Target) -> Result<(), Failure> {
    let (config, _) = place.load([])?;
    if config.store.url.is_some() {
        return Err(Failure::new(backup::CopyError::Postgres));
    }
    let folder = lock(&config, place)?;
    let database = folder.path().join(DATABASE);
    if database.exists() && !force {
        let folder = folder.path().display();
        let message = format!("{folder} has a database; with --force it is replaced and the old one kept");
        return Err(Failure::of(Kind::Exists, message));
    }
    let suffix = format!(".before-restore-{}", Environment::real().now_ms());
    let kept = backup::restore(file, &database, &suffix).map_err(Failure::new)?;
    let mut said = format!("{} is the database now.", file.display());
    if let Some(kept) = &kept {
        let _ = write!(said, "\nThe old one is kept as {}.", kept.display());
    }
    say(place, &said, json!({ "file": file, "kept": kept }));
    Ok(())
}

pub(super) fn verify(place: &Target) -> Result<(), Failure> {
    look_through(place).map_err(|failure| Failure { is_json: place.json, ..failure })
}

fn look_through(place: &Target) -> Result<(), Failure> {
    let (config, _) = place.load([])?;
    let folder = lock(&config, place)?;
    if config.store.url.is_none() && !folder.path().join(DATABASE).exists() {
        return Err(Failure::of(Kind::NotFound, format!("{} has no database", folder.path().display())));
    }
    let report = block_on(async {
        let store = Store::open(&app::settings(&config)).await.map_err(Failure::new)?;
        let report = store.verify().await.map_err(Failure::new);
        let files = Files::new(&config, store.clone(), Environment::real(), Arc::default()).map_err(Failure::new)?;
        let verified = files.verify().await.map_err(Failure::new);
        store.close().await;
        Ok((report?, verified?))
    })?;
    let (mut report, files) = report;
    for (count, what) in [(files.missing, "are not in the storage"), (files.wrong, "have another size in the storage")]
    {
        if count != 0 {
            report.faults.push(format!("{count} files that messages carry {what}"));
        }
    }
    if !report.faults.is_empty() && place.json {
        return Err(Failure::of(Kind::Damaged, report.faults.join("\n")));
    }
    let mut said = String::new();
    for (table, count) in &report.counts {
        let _ = writeln!(said, "{count:>10} {table}");
    }
    let _ = write!(said, "{:>10} files in the storage", files.whole);
    if files.unknown != 0 {
        let _ = write!(
            said,
            "\n{:>10} files in the storage that nothing knows of: a running server removes them",
            files.unknown
        );
    }
    if report.faults.is_empty() {
        said.push_str("\nThe store is whole.");
    }
    let rows: serde_json::Map<_, _> =
        report.counts.iter().map(|(table, count)| ((*table).to_string(), json!(count))).collect();
    say(place, &said, json!({ "rows": rows, "files": files.whole, "unknown_files": files.unknown }));
    if report.faults.is_empty() { Ok(()) } else { Err(Failure::of(Kind::Damaged, report.faults.join("\n"))) }
}

fn lock(config: &Config, place: &Target) -> Result<DataFolder, Failure> {
    let folder = DataFolder::lock(&config.data).map_err(|error| match error {
        FolderError::Locked { .. } => Failure::of(Kind::InUse, format!("{error}: stop it first")),
        error => Failure::new(error),
    })?;
    tell_folder(place, &folder);
    Ok(folder)
}

/// Says which data folder a command works on, beside its output.
fn tell_folder(place: &Target, folder: &DataFolder) {
    if !place.json {
        tell_error(&format!("parlor: the data folder is {}", folder.path().display()));
    }
    if let Some(note) = folder.note() {
        tell_error(&format!("parlor: {note}"));
    }
}

/// Prints what came of a command: as text, or as JSON with the data folder in it.
fn say(place: &Target, text: &str, mut value: serde_json::Value) {
    if !place.json {
        return tell(text);
    }
    let folder = place.load([]).ok().map(|(config, _)| config.data.canonicalize().unwrap_or(config.data));
    value["data"] = json!(folder);
    tell(&value.to_string());
}

/// Hands a command to the server that runs on the data folder, or carries it out here.
fn run(place: &Target, command: Command) -> Result<Answer, Failure> {
    let (config, _) = place.load([])?;
    block_on(async {
        let answer = match DataFolder::lock(&config.data) {
            Ok(folder) => {
                tell_folder(place, &folder);
                let app = server::open(&folder, config, Environment::real()).await.map_err(Failure::new)?;
                let answer = admin::carry_out(&app, command).await.unwrap_or_else(Answer::Refused);
                app.stop().await;
                answer
            }
            Err(FolderError::Locked { path, holder }) => {
                if !place.json {
                    tell_error(&format!("parlor: the data folder is {}, of {holder}", path.display()));
                }
                admin::ask(&path, command).await.map_err(|error| {
                    let message = format!("{holder}, which has {}, does not answer: {error}", path.display());
                    Failure::of(Kind::InUse, message)
                })?
            }
            Err(error) => return Err(Failure::new(error)),
        };
        match answer {
            Answer::Refused(problem) => Err(refused(problem)),
            answer => Ok(answer),
        }
    })
}

fn refused(problem: Problem) -> Failure {
    let kind = match problem.code {
        Code::NotFound => Kind::NotFound,
        Code::NameTaken => Kind::Exists,
        Code::Unavailable | Code::Draining | Code::Internal | Code::Unknown | Code::TimedOut => Kind::Failed,
        _ => Kind::Refused,
    };
    Failure::of(kind, problem.detail.unwrap_or(problem.title))
}

impl Password {
    /// The password, and whether it was made here.
    fn get(&self) -> Result<(String, bool), Failure> {
        if !self.password_stdin {
            return Ok((URL_SAFE_NO_PAD.encode(Environment::real().random::<15>()), true));
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Failure::new)?;
        Ok((line.trim_end_matches(['\r', '\n']).to_owned(), false))
    }
}

fn told_password(is_new: bool, password: &str) -> String {
    if is_new { format!("\nIts password is {password}") } else { String::new() }
}
