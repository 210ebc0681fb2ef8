//! The operator's commands: handed to the server that runs, or carried out here when none does.

use super::{Failure, Place, block_on, tell};
use crate::{
    admin::{self, Answer, Command},
    app,
    config::Config,
    environment::Environment,
    files::Files,
    folder::{DATABASE, DataFolder, Error as FolderError},
    server,
    store::{Store, backup},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand, ValueEnum};
use parlor_protocol::model::{Context as ContextRow, ContextKey, Tone};
use std::{io::BufRead as _, path::Path, sync::Arc};

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
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        place: Place,
    },
    /// List accounts.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Set a password and end every session. Prints a password, unless one is given.
    Passwd {
        /// Whose.
        login: String,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        place: Place,
    },
    /// End every session of a person and let them sign in no more.
    Disable {
        /// Whom.
        login: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let a disabled person sign in again.
    Enable {
        /// Whom.
        login: String,
        #[command(flatten)]
        place: Place,
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
        place: Place,
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
    place: Place,
}

/// [`Tone`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ToneFlag {
    Plain,
    Asks,
    Settled,
}

pub(super) fn user(command: User) -> Result<(), Failure> {
    match command {
        User::Add { login, name, password, place } => {
            let name = name.unwrap_or_else(|| login.clone());
            let (password, is_new) = password.get()?;
            let answer = run(&place, Command::AddUser { login: login.clone(), name, password: password.clone() })?;
            if let Answer::UserAdded(id) = answer {
                tell(&format!("The account {login} was made; its id is {id}."));
                tell_password(is_new, &password);
            }
        }
        User::List { place } => list_users(&place)?,
        User::Passwd { login, password, place } => {
            let (password, is_new) = password.get()?;
            run(&place, Command::SetPassword { login: login.clone(), password: password.clone() })?;
            tell(&format!("The password of {login} was set; every session ended."));
            tell_password(is_new, &password);
        }
        User::Disable { login, place } => {
            run(&place, Command::SetDisabled { login: login.clone(), disabled: true })?;
            tell(&format!("{login} is disabled; every session ended."));
        }
        User::Enable { login, place } => {
            run(&place, Command::SetDisabled { login: login.clone(), disabled: false })?;
            tell(&format!("{login} is enabled."));
        }
    }
    Ok(())
}

fn list_users(place: &Place) -> Result<(), Failure> {
    if let Answer::Users(users) = run(place, Command::ListUsers {})? {
        tell(&format!("{:<24} {:>8} {:>8}  {:<9} name", "login", "id", "sessions", "state"));
        for user in users {
            let state = if user.is_disabled { "disabled" } else { "enabled" };
            let (login, id, sessions, name) = (user.login, user.id.0, user.sessions, user.name);
            tell(&format!("{login:<24} {id:>8} {sessions:>8}  {state:<9} {name}"));
        }
    }
    Ok(())
}

pub(super) fn context(command: Context) -> Result<(), Failure> {
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
            run(&put.place, Command::PutContext { context, roles })?;
            tell("The context is there.");
        }
        Context::Close { kind, id, reopen, place } => {
            run(&place, Command::CloseContext { key: ContextKey { kind, id }, closed: !reopen })?;
            tell(if reopen { "The context is open." } else { "The context is closed." });
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

pub(super) fn backup(file: &Path, place: &Place) -> Result<(), Failure> {
    // The server has a working folder of its own.
    let file = std::path::absolute(file).map_err(Failure::new)?;
    if let Answer::BackedUp(bytes) = run(place, Command::Backup { file: file.clone() })? {
        tell(&format!("{} was written: {bytes} bytes.", file.display()));
        let (config, _) = place.load([])?;
        let files = &config.files;
        let folder = files.folder.clone().unwrap_or_else(|| config.data.join("files"));
        let from =
            files.s3_bucket.as_ref().map_or_else(|| folder.display().to_string(), |name| format!("bucket {name}"));
        tell(&format!("Files that people sent are not in it: copy them now, from {from}."));
    }
    Ok(())
}

pub(super) fn restore(file: &Path, force: bool, place: &Place) -> Result<(), Failure> {
    let (config, _) = place.load([])?;
    if config.store.url.is_some() {
        return Err(Failure::new(backup::CopyError::Postgres));
    }
    let folder = lock(&config)?;
    let database = folder.path().join(DATABASE);
    if database.exists() && !force {
        let folder = folder.path().display();
        return Err(Failure::new(format!("{folder} has a database; with --force it is replaced and the old one kept")));
    }
    let suffix = format!(".before-restore-{}", Environment::real().now_ms());
    let kept = backup::restore(file, &database, &suffix).map_err(Failure::new)?;
    tell(&format!("{} is the database now.", file.display()));
    if let Some(kept) = kept {
        tell(&format!("The old one is kept as {}.", kept.display()));
    }
    Ok(())
}

pub(super) fn verify(place: &Place) -> Result<(), Failure> {
    let (config, _) = place.load([])?;
    let folder = lock(&config)?;
    if config.store.url.is_none() && !folder.path().join(DATABASE).exists() {
        return Err(Failure::new(format!("{} has no database", folder.path().display())));
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
    for (table, count) in &report.counts {
        tell(&format!("{count:>10} {table}"));
    }
    tell(&format!("{:>10} files in the storage", files.whole));
    if files.unknown != 0 {
        tell(&format!(
            "{:>10} files in the storage that nothing knows of: a running server removes them",
            files.unknown
        ));
    }
    if report.faults.is_empty() {
        tell("The store is whole.");
        return Ok(());
    }
    Err(Failure::new(report.faults.join("\n")))
}

fn lock(config: &Config) -> Result<DataFolder, Failure> {
    DataFolder::lock(&config.data).map_err(|error| match error {
        FolderError::Locked(_) => Failure::new(format!("{error}: stop it first")),
        FolderError::Unusable(..) => Failure::new(error),
    })
}

/// Hands a command to the server that runs on the data folder, or carries it out here.
fn run(place: &Place, command: Command) -> Result<Answer, Failure> {
    let (config, _) = place.load([])?;
    block_on(async {
        let answer = match DataFolder::lock(&config.data) {
            Ok(folder) => {
                let app = server::open(&folder, config, Environment::real()).await.map_err(Failure::new)?;
                let answer = admin::execute(&app, command).await.unwrap_or_else(Answer::Refused);
                app.stop().await;
                answer
            }
            Err(FolderError::Locked(folder)) => admin::ask(&folder, &command).await.map_err(|error| {
                Failure::new(format!("the server that has {} does not answer: {error}", folder.display()))
            })?,
            Err(error) => return Err(Failure::new(error)),
        };
        match answer {
            Answer::Refused(problem) => Err(Failure::new(problem.detail.unwrap_or(problem.title))),
            answer => Ok(answer),
        }
    })
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

fn tell_password(is_new: bool, password: &str) {
    if is_new {
        tell(&format!("Its password is {password}"));
    }
}
