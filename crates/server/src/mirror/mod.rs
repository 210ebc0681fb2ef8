//! The mirror keeps Parlor's store and the host's message table equal, both ways, while both are written.
//!
//! One task on one node does it (`task.rs`): it makes the store equal to rows that the host wrote (`apply.rs`), writes
//! to the host what Parlor's own clients did (`outbound.rs`), and scans the table for what was missed (`scan.rs`).
//! Invariants: whatever is repeated changes nothing; a row is applied by this task only, one state after the other;
//! the host's database may be slow or gone, and no connected user waits for it.
//!
//! Absent on purpose: an order of rows other than that of their ids, and cursors over the host's changes.

mod announce;
mod applied;
mod apply;
pub(crate) mod backfill;
pub(crate) mod check;
mod contexts;
mod host_tables;
pub(crate) mod host_token;
mod id_forms;
pub(crate) mod import;
mod key_table;
mod keys;
pub mod message_row;
mod old_pages;
mod outbound;
mod outbound_flags;
pub mod outbox;
mod retry;
mod scan;
mod schema;
mod task;
pub mod triggers;

use crate::{
    bridge::Bridge,
    channel_layer::ChannelLayer,
    commit::{Commit, CommitOptions},
    config::{Config, MirrorConfig},
    domain::Rules,
    environment::Environment,
    host::{HostDatabase, HostError, HostOptions, django::UserTable},
    identity::host_users::HostUsers,
    metrics::Metrics,
    profile::Profile,
    store::{
        self, Store,
        consumers::{ConsumerPosition, Lease},
    },
    supervisor::Supervisor,
};
use apply::Applier;
use contexts::HostContexts;
use futures_util::future::join_all;
use host_tables::{HostTables, NewRow};
use message_row::{HostMessageRow, HostPerson};
use parlor_protocol::{
    cursor::Cursor,
    error::{Code, Problem},
    ids::{Epoch, UserId, Version},
    model::ContextKey,
};
use schema::TableColumns;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use task::ApplyRequest;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::warn;

/// How many rows may wait to be applied at once for callers.
const REQUESTS_MAX: usize = 1000;
/// How long a caller waits for its row to be applied, which happens anyway.
const APPLY_WAIT: Duration = Duration::from_secs(2);

/// Everything that the mirror uses.
#[derive(Clone, Debug)]
pub(crate) struct MirrorOptions {
    pub(crate) config: MirrorConfig,
    pub(crate) host: HostDatabase,
    pub(crate) profile: Arc<Profile>,
    pub(crate) tables: HostTables,
    pub(crate) user_table: UserTable,
    pub(crate) users: Arc<HostUsers>,
    pub(crate) store: Store,
    pub(crate) commit: Commit,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    /// Sends new rows to the application's consumers.
    pub(crate) bridge: Option<Arc<Bridge>>,
    pub(crate) environment: Environment,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) node: Epoch,
}

impl MirrorOptions {
    /// Returns what the mirror uses, if there is an application to mirror. It has connections of its own to the host's
    /// database.
    pub(crate) fn new(
        config: &Config,
        profile: Option<&Arc<Profile>>,
        with: CommitOptions,
        commit: &Commit,
        users: &Arc<HostUsers>,
        bridge: Option<&Arc<Bridge>>,
    ) -> Option<Self> {
        let (profile, url) = profile.cloned().zip(config.host.database.clone())?;
        let timeout = Duration::from_millis(config.host.timeout_ms);
        let host = HostDatabase::new(HostOptions { url, connections: config.host.connections, timeout });
        let user_table = config.django.user_table();
        let tables = HostTables {
            database: host.clone(),
            profile: profile.clone(),
            id_type: user_table.id_type,
            forms: Arc::default(),
        };
        Some(Self {
            config: config.mirror.clone(),
            host,
            profile,
            tables,
            user_table,
            users: users.clone(),
            store: with.store,
            commit: commit.clone(),
            layer: with.layer,
            bridge: bridge.cloned(),
            environment: with.environment,
            metrics: with.metrics,
            rules: with.rules,
            node: with.node,
        })
    }
}

/// The mirror, as the old sockets use it.
#[derive(Debug)]
pub struct Mirror {
    options: MirrorOptions,
    tables: HostTables,
    requests: mpsc::Sender<ApplyRequest>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A row to be sent.
#[derive(Clone, Debug)]
pub struct NewHostRow {
    /// Who sends it.
    pub sender: UserId,
    /// To whom.
    pub recipient: UserId,
    /// What it is about.
    pub context: Option<ContextKey>,
    /// Its text.
    pub text: String,
    /// Its subject.
    pub subject: Option<String>,
}

/// Why the mirror cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error("{}", problem_text(.0))]
    Problem(Problem),
    /// The tables are not as the profile says, or not those that are mirrored.
    #[error("{0}")]
    Tables(String),
    /// Another node may have taken over.
    #[error("the lease of the mirror is over, because a step took too long")]
    LeaseOver,
}

impl From<Problem> for MirrorError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn problem_text(problem: &Problem) -> &str {
    problem.detail.as_deref().unwrap_or(&problem.title)
}

/// How far the mirror has read the store's changes, and its lease.
#[derive(Debug)]
struct Position {
    lease: Lease,
    durable: ConsumerPosition,
    cursor: Cursor,
}

impl Mirror {
    /// Starts the mirror. `committed` changes with each commit.
    pub(crate) fn start(options: MirrorOptions, committed: watch::Receiver<Version>, supervisor: &Supervisor) -> Self {
        let tables = options.tables.clone();
        let (requests, received) = mpsc::channel(REQUESTS_MAX);
        let (stop, stopped) = watch::channel(false);
        let task = task::MirrorTask::new(options.clone());
        let task = supervisor.run_until_stopped("mirror", task.run(received, committed, stopped));
        Self { options, tables, requests, stop, task: Mutex::new(Some(task)) }
    }

    /// Lets it finish its step and release its lease.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It has no result; a failure was logged when it happened.
            drop(task.await);
        }
    }

    /// Returns the user of an id in the host's user table; none if there is no such user.
    ///
    /// # Errors
    /// `unavailable`: the host's database does not answer.
    pub async fn user_of(&self, external_id: &str) -> Result<Option<UserId>, Problem> {
        Ok(self.options.users.ensure(&[external_id.to_owned()]).await?.remove(external_id))
    }

    /// Sends a message: its row is committed in the host's table first, then applied to the store. Returns the row.
    ///
    /// # Errors
    /// `unavailable`: the host's database does not answer, and the row may exist; `not_found`: one of the two is not a
    /// user of the host; `blocked` and `not_allowed`: the sender has blocked the other, or is blocked; `invalid_field`:
    /// the database refuses the row.
    pub async fn send(&self, new: NewHostRow) -> Result<HostMessageRow, Problem> {
        let blockers = self.options.store.blockers(new.sender, new.recipient).await?;
        if !blockers.is_empty() {
            return Err(if blockers.contains(&new.sender) { Code::Blocked } else { Code::NotAllowed }.into());
        }
        let people = self.people(&[new.sender, new.recipient]).await?;
        let person = |user: UserId| people.get(&user).cloned().ok_or(Problem::from(Code::NotFound));
        let (sender, recipient) = (person(new.sender)?, person(new.recipient)?);
        let now_ms = self.options.environment.now_ms();
        let row = NewRow {
            sender: sender.id.clone(),
            recipient: recipient.id.clone(),
            context: new.context.map(|key| key.id),
            text: new.text,
            subject: new.subject,
            created_at_ms: now_ms,
            is_read: false,
        };
        let key = keys::of_send(self.options.environment.random());
        let row_id = self.tables.insert_once(&key, &row, now_ms).await.map_err(|error| refusal(&error))?;
        self.options.metrics.mirror.written.inc();
        self.apply(row_id).await;
        Ok(HostMessageRow {
            row_id,
            sender,
            recipient,
            context: row.context,
            text: row.text,
            subject: row.subject,
            created_at_ms: now_ms,
            is_read: false,
            attachments: Vec::new(),
        })
    }

    /// Marks those of the rows as read whose recipient the reader is, in the host's table first. Returns how many these
    /// are.
    ///
    /// # Errors
    /// `unavailable`: the host's database does not answer.
    pub async fn mark_read(&self, reader: UserId, row_ids: &[i64]) -> Result<u64, Problem> {
        let reader = self.external_id(reader).await?;
        let marked = self.tables.mark_read(&reader, row_ids).await.map_err(|error| refusal(&error))?;
        if marked > 0 {
            join_all(row_ids.iter().map(|row_id| self.apply(*row_id))).await;
        }
        Ok(marked)
    }

    /// Returns how many rows a user has not read, as the application counts them.
    ///
    /// # Errors
    /// `unavailable`: the host's database does not answer.
    pub async fn unread_count(&self, user: UserId) -> Result<i64, Problem> {
        let user = self.external_id(user).await?;
        self.tables.unread_count(&user).await.map_err(|error| refusal(&error))
    }

    /// Asks the task to apply a row, and waits until it did. If it does not in time, the row is applied later.
    async fn apply(&self, row_id: i64) {
        let (done, applied) = oneshot::channel();
        if self.requests.try_send(ApplyRequest { row_id, done }).is_ok() {
            drop(timeout(APPLY_WAIT, applied).await);
        }
    }

    async fn external_id(&self, user: UserId) -> Result<String, Problem> {
        self.options.users.external_id_of(user).await?.ok_or_else(|| Code::NotFound.into())
    }

    async fn people(&self, users: &[UserId]) -> Result<HashMap<UserId, HostPerson>, Problem> {
        let users = users.to_vec();
        let rows = self.options.store.read(move |snapshot| snapshot.user_rows(users.into_iter())).await?;
        let people = rows.into_iter().filter_map(|row| {
            let id = row.external_id?;
            Some((row.id, HostPerson { id, name: row.name, login: row.login }))
        });
        Ok(people.collect())
    }
}

/// What a user reads of an error. The log has its text, which may name tables and addresses.
fn refusal(error: &HostError) -> Problem {
    if error.is_outage() {
        return Problem::new(Code::Unavailable).with_detail("the application's database does not answer");
    }
    warn!(%error, "the host's database refused what an old socket asked of it");
    Problem::new(Code::InvalidField).with_detail("the application's database refuses it")
}

fn applier(options: &MirrorOptions) -> Applier {
    Applier {
        tables: options.tables.clone(),
        columns: TableColumns::default(),
        store: options.store.clone(),
        commit: options.commit.clone(),
        users: options.users.clone(),
        layer: options.layer.clone(),
        bridge: options.bridge.clone(),
        environment: options.environment.clone(),
        metrics: options.metrics.clone(),
        contexts: HostContexts::new(options.rules.limits.name_chars_max),
        refused: HashSet::new(),
        rules: options.rules.clone(),
        // The mirror's task sets it; a command runs alone.
        lease_ends_at: i64::MAX,
        unread_again: Vec::new(),
        import: None,
    }
}
