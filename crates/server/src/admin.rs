//! The operator's commands, which are the same whether or not a server is running.
//!
//! If one is running, a command goes to it as a line of JSON through the socket in the data folder, and so does the
//! reply; a user of the machine who can open that folder is the operator. If none is running, the command line opens the store and
//! executes the command itself. Either way, what users see changes through `commit` only.

use crate::{
    app::App,
    domain::{
        change::{Change, Outcome, ProfileUpdate},
        login,
    },
    listener::{handle_accept_error, until_stopped},
    paging, queries,
    store::users::UserSummary,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ReportId, UserId},
    model::{Context, ContextKey},
    report::{Evidence, ReportState, Reports},
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

/// The maximum size of a command or a reply in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a command may take to arrive, and a reply to be read.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take between locking the folder and accepting commands.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How many users a page of the list has.
const USERS_PER_PAGE: i64 = 1000;

/// An operator command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdminCommand {
    /// Adds a user.
    AddUser {
        /// The login name.
        login: String,
        /// What others see.
        name: String,
        /// The password.
        password: String,
        /// Whether an existing user of that name is left unchanged.
        #[serde(default)]
        if_absent: bool,
    },
    /// Lists a page of users in the order of their login names.
    ListUsers {
        /// Starts after this login name.
        #[serde(default)]
        after: String,
    },
    /// Sets a password and ends all sessions.
    SetPassword {
        /// The login name.
        login: String,
        /// The new password.
        password: String,
    },
    /// Disables a user or enables them again.
    SetDisabled {
        /// The login name.
        login: String,
        /// The new state.
        disabled: bool,
    },
    /// Changes a user's login name or display name.
    RenameUser {
        /// The login name.
        login: String,
        /// The new login name.
        to: Option<String>,
        /// The new display name.
        name: Option<String>,
    },
    /// Deletes a user. Their messages stay for others.
    DeleteUser {
        /// The login name.
        login: String,
    },
    /// Creates or replaces a context with all its roles.
    PutContext {
        /// The context.
        context: Context,
        /// Login names and their roles.
        roles: Vec<(String, String)>,
    },
    /// Closes or reopens a context.
    CloseContext {
        /// The context.
        key: ContextKey,
        /// The new state.
        closed: bool,
    },
    /// Makes a user a moderator, or ends that.
    SetModerator {
        /// The login name.
        login: String,
        /// The new state.
        on: bool,
    },
    /// Lists a page of reports.
    ListReports {
        /// Which ones.
        state: ReportState,
        /// The `next` of the page before.
        #[serde(default)]
        after: Option<String>,
    },
    /// Returns the evidence of an open report.
    ExportReport {
        /// The report.
        report: ReportId,
    },
    /// Writes a consistent copy of the database.
    Backup {
        /// The file to write, which must not exist yet.
        file: PathBuf,
    },
    /// Restarts the server in place, with the program that is installed now.
    Restart,
}

/// The reply to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminReply {
    /// Done.
    Done,
    /// The user was added.
    UserAdded(UserId),
    /// The user already existed.
    UserFound(UserId),
    /// A page of users; the page after the last one is empty.
    Users(Vec<UserSummary>),
    /// A page of reports.
    Reports(Reports),
    /// The evidence of a report.
    Evidence(Box<Evidence>),
    /// The copy was written; its size in bytes.
    BackedUp(u64),
    /// The server restarts.
    Restarting,
    /// The command was refused.
    Refused(Problem),
}

/// Executes a command; a list is returned with all its pages.
///
/// # Errors
/// The refusal.
pub async fn run(app: &App, command: AdminCommand) -> Result<AdminReply, Problem> {
    collect_pages(command, async |command| execute(app, command).await).await
}

/// Requests all pages if the reply is a page of a list: no reply grows with the number of users.
async fn collect_pages<E>(
    mut command: AdminCommand,
    send: impl AsyncFn(AdminCommand) -> Result<AdminReply, E>,
) -> Result<AdminReply, E> {
    let (mut users, mut reports) = (Vec::new(), Vec::new());
    loop {
        let listed = if let AdminCommand::ListReports { state, .. } = &command { Some(*state) } else { None };
        match (send(command).await?, listed) {
            (AdminReply::Users(page), _) => {
                let Some(last) = page.last() else { return Ok(AdminReply::Users(users)) };
                command = AdminCommand::ListUsers { after: last.login.clone() };
                users.extend(page);
            }
            (AdminReply::Reports(page), Some(state)) => {
                reports.extend(page.reports);
                let Some(next) = page.next else { return Ok(AdminReply::Reports(Reports { reports, next: None })) };
                command = AdminCommand::ListReports { state, after: Some(next) };
            }
            (answer, _) => return Ok(answer),
        }
    }
}

async fn execute(app: &App, command: AdminCommand) -> Result<AdminReply, Problem> {
    match command {
        AdminCommand::AddUser { login, name, password, if_absent } => {
            add_user(app, &login, name, password, if_absent).await
        }
        AdminCommand::ListUsers { after } => Ok(AdminReply::Users(app.store.list_users(after, USERS_PER_PAGE).await?)),
        AdminCommand::SetPassword { login, password } => {
            app.identity.check_accounts()?;
            let user = find_user(app, &login).await?;
            let password_hash = app.identity.hash_password(password).await?;
            submit(app, Change::SetPassword { user, password_hash, keep: None }).await
        }
        AdminCommand::SetDisabled { login, disabled } => {
            let user = find_user(app, &login).await?;
            submit(app, Change::SetDisabled { user, disabled }).await
        }
        AdminCommand::SetModerator { login, on } => {
            let user = find_user(app, &login).await?;
            submit(app, Change::SetModerator { user, on }).await
        }
        AdminCommand::ListReports { state, after } => {
            let (after, limit) = (paging::position(after.as_deref())?, app.config.limits.page_rows_max);
            let (reports, next) = app.store.read(move |snapshot| snapshot.list_reports(state, after, limit)).await?;
            Ok(AdminReply::Reports(Reports { reports, next: next.map(|place| place.to_string()) }))
        }
        AdminCommand::ExportReport { report } => {
            let found = app.store.read(move |snapshot| snapshot.report(report)).await?;
            queries::open_evidence(app, found, None).map(|evidence| AdminReply::Evidence(Box::new(evidence)))
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
        AdminCommand::Restart => {
            let refused = |why| Problem::new(Code::NotAllowed).with_detail(why);
            app.holding.request_restart().await.map(|()| AdminReply::Restarting).map_err(refused)
        }
    }
}

async fn add_user(
    app: &App,
    login: &str,
    name: String,
    password: String,
    if_absent: bool,
) -> Result<AdminReply, Problem> {
    app.identity.check_accounts()?;
    let login = login::validate(login)?;
    let found = async || {
        let account = app.store.credentials(login.clone()).await?;
        Ok::<_, Problem>(account.map(|account| AdminReply::UserFound(account.user)))
    };
    if if_absent && let Some(found) = found().await? {
        return Ok(found);
    }
    let password_hash = Some(app.identity.hash_password(password).await?);
    match app.commit.submit(Change::AddUser { login: login.clone(), name, password_hash }).await {
        Ok(Outcome::UserAdded(user)) => Ok(AdminReply::UserAdded(user)),
        // Another command added it meanwhile.
        Err(problem) if if_absent && problem.code == Code::NameTaken => found().await?.ok_or(problem),
        Err(problem) => Err(problem),
        Ok(_) => Err(Code::Internal.into()),
    }
}

async fn rename_user(app: &App, login: &str, to: Option<String>, name: Option<String>) -> Result<AdminReply, Problem> {
    let user = find_user(app, login).await?;
    if let Some(name) = name {
        app.commit.submit(Change::UpdateProfile { user, profile: ProfileUpdate::named(name) }).await?;
    }
    if let Some(to) = to {
        app.commit.submit(Change::SetLogin { user, login: login::validate(&to)? }).await?;
    }
    Ok(AdminReply::Done)
}

async fn submit(app: &App, change: Change) -> Result<AdminReply, Problem> {
    app.commit.submit(change).await.map(|_| AdminReply::Done)
}

async fn find_user(app: &App, login: &str) -> Result<UserId, Problem> {
    let folded = login::validate(login)?;
    let account = app.store.credentials(folded).await?;
    let unknown = || Problem::new(Code::NotFound).with_detail(format!("there is no user {login:?}"));
    account.map(|account| account.user).ok_or_else(unknown)
}

/// Serves the socket in the data folder until `stop` becomes true, then completes the commands that have arrived.
pub(crate) async fn listen(app: Arc<App>, listener: UnixListener, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = until_stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, stop) = (app.clone(), stop.clone());
                connections.spawn(async move {
                    if let Err(error) = serve_connection(&app, stream, stop).await {
                        tracing::debug!(%error, "A command from the command line was interrupted");
                    }
                });
            }
            Err(error) => handle_accept_error(&error).await,
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
        // A command that has arrived is answered.
        biased;
        read = read => {
            read??;
        }
        () = until_stopped(&mut stop) => return Ok(()),
    }
    let answer = match serde_json::from_str(&line) {
        Ok(command) => execute(app, command).await.unwrap_or_else(AdminReply::Refused),
        Err(error) => AdminReply::Refused(
            Problem::new(Code::InvalidField)
                .with_detail(format!("the server and the command line have different versions: {error}")),
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

/// A starting server opens its socket a moment after it has locked the folder.
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

/// Sends a command to the server that runs on the data folder. A list is requested with all its pages.
///
/// # Errors
/// The server does not answer.
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
        io::Error::new(io::ErrorKind::InvalidData, format!("the server's reply cannot be parsed: {error}"))
    })
}
