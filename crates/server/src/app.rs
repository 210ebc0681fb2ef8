//! The running server, as its edges see it. `assembly.rs` puts it together.

mod assembly;
mod layer;
mod start_record;

use crate::{
    bridge::{Bridge, BridgeError},
    channel_layer::{ChannelLayer, LayerStatus, Unavailable},
    coalesce::Coalescer,
    commit::{Commit, Writer},
    config::Config,
    consumers::ConsumerHandle,
    domain::Rules,
    environment::Environment,
    files::{self, Files},
    handover::Holding,
    host_pages::{HostPages, HostPagesError},
    host_side::HostSide,
    hub::Hub,
    identity::{Identity, actor::Actor, host_users::HostUsers},
    metrics::Metrics,
    mirror::{Mirror, MirrorOptions},
    presence::Presence,
    profile::{Profile, ProfileError},
    search::Searcher,
    store::{self, Store, StoreOptions, index::Index, snapshot::SyncStatus},
    supervisor::Supervisor,
    typing::Typing,
    user_limits::UserLimiter,
};
use parlor_protocol::{close::Close, cursor::Cursor, error::Problem, ids::UserId};
use prometheus_client::metrics::gauge::Gauge;
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// Frames of old sockets that one user may have in progress, on all their sockets.
const HOST_REQUESTS_MAX: u32 = 2;

/// Everything that the edges share.
#[derive(Debug)]
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// Time and chance.
    pub environment: Environment,
    /// The database.
    pub store: Store,
    /// The one writer.
    pub commit: Commit,
    /// Local delivery.
    pub hub: Arc<Hub>,
    /// Sign-ins and sessions.
    pub identity: Identity,
    /// The host's users as users here.
    pub host_users: Arc<HostUsers>,
    /// The files of messages.
    pub files: Arc<Files>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The rules by which changes are decided.
    pub rules: Arc<Rules>,
    /// Presence.
    pub presence: Arc<Presence>,
    /// Typing indicators.
    pub typing: Arc<Typing>,
    /// Whether a user has anything new after a cursor; concurrent questions share a statement.
    pub(crate) resumes: Coalescer<(UserId, Option<Cursor>), (Cursor, SyncStatus)>,
    /// Limits how much each user reads at once.
    pub queries: UserLimiter,
    /// Limits how many frames of old sockets each user has in progress, since they use the host's database.
    pub host_requests: UserLimiter,
    /// Search.
    pub search: Searcher,
    /// Notices when a part of the server ends by itself.
    pub supervisor: Supervisor,
    /// What is known about the web application beside Parlor, if there is one.
    pub profile: Option<Arc<Profile>>,
    /// The host as old sockets see it; none without an application beside Parlor.
    pub host_side: OnceLock<Arc<dyn HostSide>>,
    /// The host over HTTP; none if the profile does not need it.
    pub host_pages: Option<HostPages>,
    /// The bridge to the channel layer of the web application, if there is one.
    pub bridge: Option<Arc<Bridge>>,
    /// What the mirror uses; none without an application beside Parlor.
    pub(crate) mirror_options: Option<MirrorOptions>,
    /// The mirror of the application's messages.
    pub mirror: Option<Arc<Mirror>>,
    /// What messages are found by; none where search is switched off.
    pub index: Option<Index>,
    /// Sockets between two programs.
    pub holding: Holding,
    consumers: Mutex<Vec<ConsumerHandle>>,
    is_draining: watch::Sender<bool>,
    layer_status: watch::Receiver<LayerStatus>,
    writer: Mutex<Option<Writer>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The channel layer.
    #[error(transparent)]
    Layer(#[from] Unavailable),
    /// The storage of files.
    #[error(transparent)]
    Files(#[from] files::storage::StorageError),
    /// The profile of the web application beside Parlor.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The bridge to the channel layer of that application.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The host over HTTP.
    #[error(transparent)]
    HostPages(#[from] HostPagesError),
    /// The client of the callback.
    #[error("the callback cannot be used: {0}")]
    Callback(#[from] reqwest::Error),
}

impl App {
    /// Opens the store and starts everything but the listeners. `holding` has the sockets that were taken over.
    ///
    /// # Errors
    /// The store or the channel layer is not available.
    pub async fn start(config: Config, environment: Environment, holding: Holding) -> Result<Arc<Self>, AppError> {
        let supervisor = Supervisor::default();
        let layer = layer::start(&config.channel_layer, &environment, &supervisor)?;
        Box::pin(assembly::assemble(config, environment, layer, (supervisor, holding))).await
    }

    /// Starts the same on another channel layer.
    ///
    /// # Errors
    /// As for [`App::start`].
    pub async fn start_on(
        config: Config,
        environment: Environment,
        layer: Arc<dyn ChannelLayer>,
    ) -> Result<Arc<Self>, AppError> {
        Box::pin(assembly::assemble(config, environment, layer, (Supervisor::default(), Holding::default()))).await
    }

    /// Returns whether a session is still alive that was looked up when the hub had counted `ends` ended sessions.
    /// Called after attaching: from then on the hub hears of an end. An end in between has raised the count, so the
    /// session is looked up again. An end before had been committed when the session was first looked up.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn is_signed_in(&self, actor: Actor, ends: u64) -> Result<bool, Problem> {
        if self.hub.session_ends() == ends {
            return Ok(true);
        }
        let living = self.store.active_sessions(actor.user).await?;
        Ok(living.contains(&actor.session))
    }

    /// Sets the gauges of what is in progress.
    pub fn update_gauges(&self) {
        let count = |gauge: &Gauge, held: usize| {
            gauge.set(i64::try_from(held).unwrap_or(i64::MAX));
        };
        self.metrics.channel_layer_connected.set(self.is_layer_connected().into());
        count(&self.metrics.queries_under_way, self.queries.in_use());
        count(&self.metrics.changes_under_way, self.commit.in_progress());
        count(&self.metrics.store_connections_busy, self.store.busy());
        count(&self.metrics.tasks, tokio::runtime::Handle::current().metrics().num_alive_tasks());
    }

    /// Returns whether deliveries between nodes work, in both directions.
    #[must_use]
    pub fn is_layer_connected(&self) -> bool {
        let status = self.layer_status.borrow();
        status.is_connected && status.is_publishing
    }

    /// Returns whether the server is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.is_draining.borrow()
    }

    /// Returns a receiver that becomes true when the server stops.
    #[must_use]
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.is_draining.subscribe()
    }

    /// Asks all sockets and polls to reconnect later, and accepts no new ones. Accepted work is finished. Old sockets
    /// are held, if the server restarts in place.
    pub fn drain(&self) {
        self.is_draining.send_replace(true);
        if self.holding.is_on() {
            self.hub.drain_but_old_sockets(Close::Restarting);
        } else {
            self.hub.drain(Close::Restarting);
        }
    }

    /// Commits everything in the queue and closes the store. Called after [`App::drain`], when the edges are done.
    pub async fn stop(&self) {
        self.drain();
        if let Some(mirror) = &self.mirror {
            mirror.stop().await;
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.stop().await;
        }
        let consumers = std::mem::take(&mut *self.consumers.lock().unwrap_or_else(PoisonError::into_inner));
        for consumer in consumers {
            consumer.stop().await;
        }
        if let Some(bridge) = &self.bridge {
            bridge.stop().await;
        }
        if let Some(index) = &self.index {
            index.close().await;
        }
        for task in std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner)) {
            task.abort();
        }
        self.presence.finish().await;
        self.store.close().await;
    }
}

/// What the store is opened with.
pub(crate) fn store_options(config: &Config) -> StoreOptions {
    let url = config.store.url.as_ref().map(|url| url.0.clone());
    StoreOptions {
        url: url.unwrap_or_else(|| StoreOptions::sqlite_url(&config.data)),
        durability: config.store.durability,
        readers: config.store.readers,
        timeout: Duration::from_millis(config.store.timeout_ms),
        receipts: config.messages.receipts,
        limits: config.limits.clone(),
    }
}
