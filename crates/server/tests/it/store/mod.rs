//! The store's conformance suite: each case runs on SQLite and on PostgreSQL.

mod blocks;
mod clear;
mod commits;
mod cursors;
mod drafts;
mod erasure;
mod files;
mod first_contact;
mod groups;
mod host_convergence;
mod host_reads;
mod host_rows;
mod host_users;
mod idempotency_keys;
mod large_conversations;
mod limits;
mod mentions;
mod message_actions;
mod message_edits;
mod names;
mod outages;
mod paging;
mod presence;
mod presence_races;
mod receipts;
mod report_limits;
mod reports;
mod search;
mod search_index;
mod settings;
mod unread_totals;
mod visibility;

use crate::postgres::{database, fast_folder};
use parlor::{
    app::App,
    channel_layer::{ChannelLayer, memory::MemoryLayer},
    config::Config,
    domain::{Change, Content, Decided, Now, Outcome, decide, load_plan::LoadPlan},
    environment::Environment,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, Epoch, Seq, UserId, Version},
    model::{Context, ContextKey, Tone},
    params::{Group, Open},
    reply::{Answer, Marked, Sent},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

/// Defines each case as a test on both databases.
macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::store::TestCluster::sqlite().await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(cluster) = crate::store::TestCluster::postgres().await { super::$case(cluster).await; }
            })+
        }
    };
}
pub(crate) use conformance;

/// A database connection of a test.
pub(crate) enum SqlConnection {
    Sqlite(rusqlite::Connection),
    Postgres(sqlx::PgConnection),
}

impl SqlConnection {
    pub(crate) fn file(path: impl AsRef<std::path::Path>) -> Self {
        let connection = rusqlite::Connection::open(path).expect("the database exists");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("set");
        Self::Sqlite(connection)
    }

    pub(crate) async fn server(url: &str) -> Self {
        use sqlx::Connection as _;
        Self::Postgres(sqlx::PgConnection::connect(url).await.expect("the database exists"))
    }

    /// Runs SQL of one or more statements.
    pub(crate) async fn execute(&mut self, text: &str) {
        use sqlx::Executor as _;
        match self {
            Self::Sqlite(connection) => connection.execute_batch(text).expect("the SQL is right"),
            Self::Postgres(connection) => {
                let statements = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()));
                connection.execute(statements).await.expect("the SQL is right");
            }
        }
    }

    /// Queries rows of two byte columns.
    pub(crate) async fn pairs(&mut self, sql: &'static str) -> Vec<(Vec<u8>, Vec<u8>)> {
        use sqlx::Row as _;
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).expect("the SQL is right");
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
                rows.map(|row| row.expect("bytes")).collect()
            }
            Self::Postgres(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.expect("rows");
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }
}

/// One or more nodes on one database.
pub(crate) struct TestCluster {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<AtomicI64>,
    layer: MemoryLayer,
    settings: Vec<(&'static str, String)>,
    folder: Option<tempfile::TempDir>,
    keys: AtomicI64,
    users: Mutex<HashMap<String, UserId>>,
}

impl TestCluster {
    pub(crate) async fn sqlite() -> Self {
        Self::in_folder(tempfile::tempdir_in(fast_folder()).expect("a folder")).await
    }

    pub(crate) async fn sqlite_with(more: &[(&'static str, &str)]) -> Self {
        Self::in_folder_with(tempfile::tempdir_in(fast_folder()).expect("a folder"), more).await
    }

    pub(crate) async fn in_folder(folder: tempfile::TempDir) -> Self {
        Self::in_folder_with(folder, &[]).await
    }

    pub(crate) async fn in_folder_with(folder: tempfile::TempDir, more: &[(&'static str, &str)]) -> Self {
        let mut settings = vec![("data", folder.path().display().to_string())];
        settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        Self::on(settings, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let url = database()?;
        Some(Self::on(vec![("store.url", url)], None).await)
    }

    async fn on(settings: Vec<(&'static str, String)>, folder: Option<tempfile::TempDir>) -> Self {
        let clock = Arc::new(AtomicI64::new(1_795_000_000_000));
        let layer = MemoryLayer::default();
        let app = node(&settings, &clock, Arc::new(layer.beside())).await;
        Self { app, clock, layer, settings, folder, keys: AtomicI64::new(0), users: Mutex::default() }
    }

    /// Starts another node on the same database, on a separate layer.
    pub(crate) async fn another_node(&self) -> Arc<App> {
        node(&self.settings, &self.clock, Arc::new(MemoryLayer::default())).await
    }

    /// Starts another node on the same database and layer.
    pub(crate) async fn node_beside(&self) -> Arc<App> {
        node(&self.settings, &self.clock, Arc::new(self.layer.beside())).await
    }

    /// Starts another node on the same database, on this layer.
    pub(crate) async fn node_on(&self, layer: Arc<dyn ChannelLayer>) -> Arc<App> {
        node(&self.settings, &self.clock, layer).await
    }

    /// Starts another node on the same database, with other settings.
    pub(crate) async fn node_with(&self, more: &[(&'static str, &str)]) -> Arc<App> {
        let mut settings = self.settings.clone();
        settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        node(&settings, &self.clock, Arc::new(MemoryLayer::default())).await
    }

    pub(crate) fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_ref().map(tempfile::TempDir::path)
    }

    /// Opens a database connection beside the server.
    pub(crate) async fn connect(&self) -> SqlConnection {
        let (key, value) = &self.settings[0];
        if *key == "data" {
            SqlConnection::file(format!("{value}/parlor.db"))
        } else {
            SqlConnection::server(value).await
        }
    }

    /// Opens a connection to the search index.
    pub(crate) async fn connect_to_index(&self) -> SqlConnection {
        match self.folder() {
            Some(folder) => SqlConnection::file(folder.join("search.db")),
            None => self.connect().await,
        }
    }

    /// Runs SQL directly.
    pub(crate) async fn sql(&self, text: &str) {
        self.connect().await.execute(text).await;
    }

    pub(crate) fn key(&self) -> String {
        format!("key-{:08}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the user of this name, created on first use.
    pub(crate) async fn user(&self, name: &str) -> UserId {
        if let Some(user) = self.users.lock().expect("not poisoned").get(name) {
            return *user;
        }
        let change = Change::AddUser { login: name.to_lowercase(), name: name.to_owned(), password_hash: None };
        let Ok(Outcome::UserAdded(user)) = self.app.commit.submit(change).await else {
            panic!("{name} cannot be added")
        };
        self.users.lock().expect("not poisoned").insert(name.to_owned(), user);
        user
    }

    pub(crate) async fn direct(&self, one: &str, other: &str) -> ConversationId {
        let (actor, user) = (self.user(one).await, self.user(other).await);
        self.open(actor, Open { user: Some(user), ..self.opening() }).await.expect("they may write").0
    }

    pub(crate) async fn group(&self, owner: &str, others: &[&str]) -> ConversationId {
        let actor = self.user(owner).await;
        let mut users = Vec::new();
        for other in others {
            users.push(self.user(other).await);
        }
        let group = Group { title: "Night desk".to_owned(), users };
        self.open(actor, Open { group: Some(group), ..self.opening() }).await.expect("they may write").0
    }

    pub(crate) fn opening(&self) -> Open {
        Open { client_id: self.key(), user: None, role: None, group: None, context: None }
    }

    pub(crate) async fn open(&self, actor: UserId, open: Open) -> Result<(ConversationId, bool), Problem> {
        match self.app.commit.submit(Change::Open { actor, open }).await? {
            Outcome::Opened { conversation, found } => Ok((conversation, found)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn context(&self, id: &str, roles: &[(&str, &str)]) -> ContextKey {
        let key = ContextKey { kind: "item".to_owned(), id: id.to_owned() };
        let mut holders = Vec::new();
        for (name, role) in roles {
            holders.push((self.user(name).await, (*role).to_owned()));
        }
        let context = Context {
            key: key.clone(),
            title: "Black umbrella".to_owned(),
            detail: None,
            url: None,
            image: None,
            status: Some("Lost".to_owned()),
            tone: Tone::Asks,
            closed: false,
        };
        self.app.commit.submit(Change::PutContext { context, roles: holders }).await.expect("the context is valid");
        key
    }

    pub(crate) async fn send(&self, name: &str, conversation: ConversationId, text: &str) -> Sent {
        let actor = self.user(name).await;
        send(&self.app, actor, conversation, &self.key(), text).await.expect("the message is sent")
    }

    pub(crate) async fn read(&self, name: &str, conversation: ConversationId, seq: i64) -> Marked {
        let actor = self.user(name).await;
        let change = Change::Mark { actor, conversation, delivered: Seq(0), read: Seq(seq) };
        match self.app.commit.submit(change).await {
            Ok(Outcome::Answer(Answer::Marked(marked))) => marked,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn remove(&self, by: &str, conversation: ConversationId, name: &str) -> Result<Outcome, Problem> {
        let (actor, user) = (self.user(by).await, self.user(name).await);
        self.app.commit.submit(Change::RemoveMember { actor, conversation, user }).await
    }
}

/// Commits these changes as one batch; all must be allowed. Returns how many statements it took.
pub(crate) async fn commit_together(app: &App, changes: &[Change]) -> (Vec<Decided>, u32) {
    let (rules, changes) = (app.rules.clone(), changes.to_vec());
    let committing = app.store.commit(changes.len(), move |batch| {
        let mut state = batch.load(&LoadPlan::by(&changes), &rules.limits)?;
        let mut version = batch.before;
        let mut decided = Vec::new();
        for change in &changes {
            version = Version(version.0 + 1);
            decided.push(decide(&mut state, change, &rules, version, Now::default()).expect("allowed"));
        }
        batch.write(&state, Version(batch.before.0 + 1), version, Epoch(1), 0)?;
        Ok(((decided, batch.statements), true))
    });
    let (answer, committed) = committing.await.expect("the store is available");
    committed.expect("it is durable");
    answer
}

async fn node(settings: &[(&'static str, String)], clock: &Arc<AtomicI64>, layer: Arc<dyn ChannelLayer>) -> Arc<App> {
    let settings: Vec<(&'static str, &str)> = [
        ("sync.clock_check_ms", "50"),
        ("who_may_write", "everyone"),
        ("sync.marker_interval_ms", "1"),
        ("store.readers", "4"),
        // Uses the index even for a few messages.
        ("limits.search_unindexed_max", "1"),
        ("presence.entry_ms", "400"),
        ("presence.socket_grace_ms", "1"),
    ]
    .into_iter()
    .chain(settings.iter().map(|(key, value)| (*key, value.as_str())))
    .collect();
    let config = Config::with(&settings).expect("the settings are valid");
    let (clock, steady) = (clock.clone(), clock.clone());
    let real = Environment::real();
    let environment = Environment::new(
        move || clock.fetch_add(1, Ordering::Relaxed),
        move |bytes| {
            for byte in bytes {
                *byte = real.random::<1>()[0];
            }
        },
    );
    let environment = environment.with_steady(move || steady.load(Ordering::Relaxed));
    App::start_on(config, environment, layer).await.expect("the server starts")
}

pub(crate) async fn send(
    app: &App,
    actor: UserId,
    conversation: ConversationId,
    client_id: &str,
    text: &str,
) -> Result<Sent, Problem> {
    let (client_id, text) = (client_id.to_owned(), text.to_owned());
    match app.commit.submit(Change::Send { actor, conversation, client_id, content: Content::text(text) }).await? {
        Outcome::Answer(Answer::Sent(sent)) => Ok(sent),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Problem>) -> Code {
    result.expect_err("it is refused").code
}
