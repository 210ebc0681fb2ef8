//! What the operator does from the command line: the same commands whether a server runs or not.
//!
//! When one runs, a command goes to it as one line of JSON through the socket in the data folder, and the answer
//! comes back as another; who can open that folder is the operator. When none runs, the command line opens the
//! store and carries the command out itself. Either way what people see changes through `commit` only.

use crate::{
    app::App,
    domain::change::{Change, Outcome, Profile},
    identity,
    listener::{not_accepted, told},
    store::users::UserSummary,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    model::{Context, ContextKey},
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// Bytes of a command or an answer.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a command may take to come, and its answer to be taken.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take from locking the folder to hearing commands.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Accounts read at once.
const USERS_PER_PAGE: i64 = 1000;

/// A command of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdminCommand {
    /// Makes an account.
    AddUser {
        /// The name used to sign in.
        login: String,
        /// What others see.
        name: String,
        /// The password.
        password: String,
        /// An account of that name that is there already is left as it is.
        #[serde(default)]
        if_absent: bool,
    },
    /// Lists accounts in the order of their names to sign in with, a page of them.
    ListUsers {
        /// Begins after this name.
        #[serde(default)]
        after: String,
    },
    /// Sets a password and ends every session.
    SetPassword {
        /// Whose.
        login: String,
        /// The new one.
        password: String,
    },
    /// Disables a person or enables them again.
    SetDisabled {
        /// Whom.
        login: String,
        /// Which of the two.
        disabled: bool,
    },
    /// Gives a person another name to sign in with, or another name that others see.
    RenameUser {
        /// Whom.
        login: String,
        /// The new name to sign in with.
        to: Option<String>,
        /// The new name that others see.
        name: Option<String>,
    },
    /// Deletes an account. What it wrote stays for others.
    DeleteUser {
        /// Whose.
        login: String,
    },
    /// Makes or replaces a context with all its roles.
    PutContext {
        /// The context.
        context: Context,
        /// Who is what in it, by login name.
        roles: Vec<(String, String)>,
    },
    /// Closes or reopens a context.
    CloseContext {
        /// Which.
        key: ContextKey,
        /// Which of the two.
        closed: bool,
    },
    /// Writes a copy of the database, whole as of one moment.
    Backup {
        /// Where to; there must be no such file.
        file: PathBuf,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminReply {
    /// It is done.
    Done,
    /// The account was made.
    UserAdded(UserId),
    /// The account was there already.
    UserFound(UserId),
    /// A page of the accounts; after the last it is empty.
    Users(Vec<UserSummary>),
    /// The copy was written; its size in bytes.
    BackedUp(u64),
    /// It was refused.
    Refused(Problem),
}

/// Carries a command out, of a list all pages.
///
/// # Errors
/// The refusal.
pub async fn run(app: &App, command: AdminCommand) -> Result<AdminReply, Problem> {
    collect_pages(command, async |command| execute(app, command).await).await
}

/// Asks until the list is whole, if the answer is a page of one: no answer grows with the number of accounts.
async fn collect_pages<E>(
    mut command: AdminCommand,
    send: impl AsyncFn(AdminCommand) -> Result<AdminReply, E>,
) -> Result<AdminReply, E> {
    let mut all = Vec::new();
    loop {
        let page = match send(command).await? {
            AdminReply::Users(page) => page,
            answer => return Ok(answer),
        };
        let Some(last) = page.last() else { return Ok(AdminReply::Users(all)) };
        command = AdminCommand::ListUsers { after: last.login.clone() };
        all.extend(page);
    }
}

async fn execute(app: &App, command: AdminCommand) -> Result<AdminReply, Problem> {
    match command {
        AdminCommand::AddUser { login, name, password, if_absent } => {
            add_user(app, &login, name, password, if_absent).await
        }
        AdminCommand::ListUsers { after } => Ok(AdminReply::Users(app.store.list_users(after, USERS_PER_PAGE).await?)),
        AdminCommand::SetPassword { login, password } => {
            let user = find_user(app, &login).await?;
            let password_hash = identity::new_hash(app, password).await?;
            submit(app, Change::SetPassword { user, password_hash, keep: None }).await
        }
        AdminCommand::SetDisabled { login, disabled } => {
            let user = find_user(app, &login).await?;
            submit(app, Change::SetDisabled { user, disabled }).await
        }
        AdminCommand::RenameUser { login, to, name } => rename_user(app, &login, to, name).await,
        AdminCommand::DeleteUser { login } => {
            let user = find_user(app, &login).await?;
            app.commit.submit(Change::DeleteUser { user }).await?;
            app.store.forget_places(user).await?;
            Ok(AdminReply::Done)
        }
        AdminCommand::PutContext { context, roles } => {
            let mut ids = Vec::with_capacity(roles.len());
            for (login, role) in roles {
                ids.push((find_user(app, &login).await?, role));
            }
            submit(app, Change::PutContext { context, roles: ids }).await
        }
        AdminCommand::CloseContext { key, closed } => submit(app, Change::CloseContext { key, closed }).await,
        AdminCommand::Backup { file } => app.store.backup(&file).await.map(AdminReply::BackedUp).map_err(|error| {
            tracing::warn!(%error, "A backup failed");
            Problem::new(Code::Unavailable).with_detail(error.to_string())
        }),
    }
}

async fn add_user(
    app: &App,
    login: &str,
    name: String,
    password: String,
    if_absent: bool,
) -> Result<AdminReply, Problem> {
    let login = identity::checked_login(login)?;
    let found = async || {
        let account = app.store.credentials(login.clone()).await?;
        Ok::<_, Problem>(account.map(|account| AdminReply::UserFound(account.user)))
    };
    if if_absent && let Some(found) = found().await? {
        return Ok(found);
    }
    let password_hash = Some(identity::new_hash(app, password).await?);
    match app.commit.submit(Change::AddUser { login: login.clone(), name, password_hash }).await {
        Ok(Outcome::UserAdded(user)) => Ok(AdminReply::UserAdded(user)),
        // Somebody else made it meanwhile.
        Err(problem) if if_absent && problem.code == Code::NameTaken => found().await?.ok_or(problem),
        Err(problem) => Err(problem),
        Ok(_) => Err(Code::Internal.into()),
    }
}

async fn rename_user(app: &App, login: &str, to: Option<String>, name: Option<String>) -> Result<AdminReply, Problem> {
    let user = find_user(app, login).await?;
    if let Some(name) = name {
        app.commit.submit(Change::UpdateProfile { user, profile: Profile::named(name) }).await?;
    }
    if let Some(to) = to {
        app.commit.submit(Change::SetLogin { user, login: identity::checked_login(&to)? }).await?;
    }
    Ok(AdminReply::Done)
}

async fn submit(app: &App, change: Change) -> Result<AdminReply, Problem> {
    app.commit.submit(change).await.map(|_| AdminReply::Done)
}

async fn find_user(app: &App, login: &str) -> Result<UserId, Problem> {
    let folded = identity::checked_login(login)?;
    let account = app.store.credentials(folded).await?;
    let unknown = || Problem::new(Code::NotFound).with_detail(format!("there is no account {login:?}"));
    account.map(|account| account.user).ok_or_else(unknown)
}

/// Serves the socket in the data folder until `stop` becomes true, and carries out to the end what came by then.
pub(crate) async fn listen(app: Arc<App>, listener: UnixListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = told(&mut stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    if let Err(error) = serve_connection(&app, stream, stop).await {
                        tracing::debug!(%error, "A command from the command line broke off");
                    }
                });
            }
            Err(error) => not_accepted(&error).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(app: &App, stream: UnixStream, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LINE_BYTES_MAX));
    let read = timeout(LINE_TIMEOUT, reader.read_line(&mut line));
    tokio::select! {
        // What has come is answered.
        biased;
        read = read => {
            read??;
        }
        () = told(&mut stop) => return Ok(()),
    }
    let answer = match serde_json::from_str(&line) {
        Ok(command) => execute(app, command).await.unwrap_or_else(AdminReply::Refused),
        Err(error) => AdminReply::Refused(
            Problem::new(Code::InvalidField)
                .with_detail(format!("the server and the command are of different versions: {error}")),
        ),
    };
    let mut line = serde_json::to_string(&answer).expect("answers have string keys only");
    line.push('\n');
    let written = async {
        writer.write_all(line.as_bytes()).await?;
        writer.shutdown().await
    };
    timeout(LINE_TIMEOUT, written).await?
}

/// A server that has just begun opens its socket a moment after it has the folder.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    let deadline = tokio::time::Instant::now() + START_TIMEOUT;
    loop {
        match UnixStream::connect(path).await {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(START_TIMEOUT / 50).await;
            }
            connected => return connected,
        }
    }
}

/// Hands a command to the server that has the data folder. Of a list it asks for all pages.
///
/// # Errors
/// It does not answer.
pub async fn send(folder: &Path, command: AdminCommand) -> io::Result<AdminReply> {
    collect_pages(command, async |command| send_once(folder, &command).await).await
}

async fn send_once(folder: &Path, command: &AdminCommand) -> io::Result<AdminReply> {
    let (path, _handle) = crate::data_folder::socket_path(folder)?;
    let (reader, mut writer) = connect(&path).await?.into_split();
    let mut line = serde_json::to_string(command).expect("commands have string keys only");
    line.push('\n');
    writer.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(reader.take(LINE_BYTES_MAX)).read_line(&mut answer).await?;
    serde_json::from_str(&answer).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the server's answer cannot be read: {error}"))
    })
}
