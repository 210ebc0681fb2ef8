//! The running server, as its edges see it: everything is put together, started and stopped here.

mod start_record;

mod layer;

use crate::{
    bridge::{Bridge, BridgeError},
    channel_layer::{ChannelLayer, LayerStatus, Topic, Unavailable},
    coalesce::Coalescer,
    commit::{self, Commit, Writer},
    config::Config,
    consumers::{self, ConsumerHandle, search::SearchIndexer},
    domain::{Rules, fingerprint::FingerprintKey},
    environment::Environment,
    files::{self, Files},
    handover::Holding,
    host_pages::{HostPages, HostPagesError},
    host_side::HostSide,
    hub::{
        Hub,
        recovery::{self, Recovery},
    },
    identity::{self, Identity, actor::Actor, host_users::HostUsers},
    metrics::Metrics,
    mirror::{Mirror, MirrorOptions},
    presence::{self, Presence},
    profile::{Profile, ProfileError},
    search::Searcher,
    store::{self, Store, StoreOptions, index::Index, sessions::ActiveSession, snapshot::SyncStatus},
    supervisor::Supervisor,
    typing::Typing,
    user_limits::UserLimiter,
    wal_erasure::WalErasure,
};
use parlor_protocol::{
    close::Close,
    cursor::Cursor,
    error::Problem,
    ids::{Epoch, UserId, Version},
};
use prometheus_client::metrics::gauge::Gauge;
use start_record::note_start;
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
        Self::start_with(config, environment, layer, (supervisor, holding)).await
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
        Self::start_with(config, environment, layer, (Supervisor::default(), Holding::default())).await
    }

    async fn start_with(
        config: Config,
        environment: Environment,
        layer: Arc<dyn ChannelLayer>,
        (supervisor, holding): (Supervisor, Holding),
    ) -> Result<Arc<Self>, AppError> {
        let (profile, host_pages) = load_profile(&config)?;
        let store = Store::open(&store_options(&config)).await?;
        let (node, metrics) = (Epoch(environment.random_id()), Arc::new(Metrics::new()));
        let rules = Arc::new(rules(&config, &store.secret("fingerprints", environment.random()).await?));
        let (hub, node_messages) = Hub::new(layer.clone(), config.limits.clone(), metrics.clone());
        layer.join(Topic::Nodes).await?;
        holding.attach(&hub).await;
        let version = store.version().await?;
        let late = note_start(&store, &hub, &environment, node).await?;
        let (layer_status, erasure) = (layer.status(), WalErasure::default());
        let files = Arc::new(Files::new(&config, store.clone(), environment.clone(), metrics.clone())?);
        let presence = presence((hub.clone(), layer.clone(), node), &store, &environment, &metrics, &config);
        let typing = Arc::new(Typing::new(layer.clone(), store.clone(), metrics.clone(), &config.limits));
        let (sessions, resumes, mut tasks) = start_coalescers(&store, &supervisor);
        let recovery = recovery((&hub, &layer), (&store, &environment, &config), (node, version));
        tasks.push(supervisor.run("recovery", recovery.run(node_messages)));
        tasks.push(start_erasure(&erasure, (&store, &metrics, &config), &supervisor));
        tasks.push(supervisor.run("collector", files::collect(files.clone())));
        tasks.push(supervisor.run("presence", presence.clone().run()));
        let bridge = Bridge::start(&config, profile.as_deref(), &environment, &metrics, &supervisor)?;
        let (committed, followed) = watch::channel(version);
        let with = commit_options(&config, (&store, layer), &rules, &environment, &metrics, (node, erasure, committed));
        let (commit, writer) = Commit::start(with.clone(), &supervisor);
        let parts = (&store, &commit, &files, &hub);
        let started = start_identity((&config, &environment, &metrics), parts, sessions, &supervisor).await?;
        tasks.extend(started.tasks.into_iter().chain(late.map(|late| supervisor.run("start", late))));
        let users = &started.host_users;
        let mirror_options = MirrorOptions::new(&config, profile.as_ref(), with, &commit, users, bridge.as_ref());
        let mirror = start_mirror(mirror_options.as_ref(), &followed, &supervisor);
        let (index, consumer) = start_index(&config, &environment, &store, &metrics, node).await?.unzip();
        let consumers = consumer.map(|consumer| start_consumer(consumer, &config, followed, &supervisor));
        Ok(Arc::new(Self {
            resumes,
            queries: UserLimiter::new(config.limits.user_queries_max, store_timeout(&config)),
            host_requests: UserLimiter::new(HOST_REQUESTS_MAX, store_timeout(&config)),
            search: searcher(&config, &store, index.as_ref()),
            identity: started.identity,
            host_users: started.host_users,
            config,
            environment,
            store,
            commit,
            hub,
            files,
            metrics,
            rules,
            layer_status,
            presence,
            typing,
            supervisor,
            profile,
            bridge,
            mirror_options,
            host_side: mirror.clone().map_or_else(OnceLock::new, |mirror| OnceLock::from(mirror as Arc<dyn HostSide>)),
            host_pages,
            mirror,
            index,
            holding,
            consumers: Mutex::new(consumers.into_iter().collect()),
            is_draining: watch::Sender::new(false),
            writer: Mutex::new(Some(writer)),
            tasks: Mutex::new(tasks),
        }))
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

/// Reads the profile, and makes what it needs to call the host.
fn load_profile(config: &Config) -> Result<(Option<Arc<Profile>>, Option<HostPages>), AppError> {
    let profile = config.compat.profile.as_deref().map(Profile::load).transpose()?.map(Arc::new);
    let host_pages = HostPages::new(&config.host, profile.as_deref())?;
    Ok((profile, host_pages))
}

/// Starts what finds out who somebody is.
async fn start_identity(
    (config, environment, metrics): (&Config, &Environment, &Arc<Metrics>),
    (store, commit, files, hub): (&Store, &Commit, &Arc<Files>, &Arc<Hub>),
    sessions: Coalescer<[u8; 32], Option<ActiveSession>>,
    supervisor: &Supervisor,
) -> Result<identity::assembly::Started, AppError> {
    let secret = store.secret("places", environment.random()).await?;
    let host_secret = store.secret("host_sessions", environment.random()).await?;
    let with = identity::Dependencies {
        store: store.clone(),
        commit: commit.clone(),
        environment: environment.clone(),
        metrics: metrics.clone(),
        files: files.clone(),
        sessions,
        secret,
    };
    Ok(identity::assembly::start(config, with, (hub.clone(), host_secret), supervisor)?)
}

/// The index, and the consumer that feeds it.
async fn start_index(
    config: &Config,
    environment: &Environment,
    store: &Store,
    metrics: &Arc<Metrics>,
    node: Epoch,
) -> Result<Option<(Index, SearchIndexer)>, store::StoreError> {
    if !config.search.enabled {
        return Ok(None);
    }
    let index = Index::open(store, &store_options(config)).await?;
    let consumer = SearchIndexer::new(consumers::search::SearchIndexerOptions {
        store: store.clone(),
        index: index.clone(),
        environment: environment.clone(),
        metrics: metrics.clone(),
        node,
    });
    Ok(Some((index, consumer)))
}

fn start_consumer(
    consumer: SearchIndexer,
    config: &Config,
    committed: watch::Receiver<Version>,
    supervisor: &Supervisor,
) -> ConsumerHandle {
    ConsumerHandle::start(consumer, committed, intervals(config).interval, supervisor)
}

fn start_mirror(
    options: Option<&MirrorOptions>,
    committed: &watch::Receiver<Version>,
    supervisor: &Supervisor,
) -> Option<Arc<Mirror>> {
    let options = options.filter(|options| options.config.enabled)?;
    Some(Arc::new(Mirror::start(options.clone(), committed.clone(), supervisor)))
}

/// The look-ups that concurrent requests share.
type Coalescers = (
    Coalescer<[u8; 32], Option<ActiveSession>>,
    Coalescer<(UserId, Option<Cursor>), (Cursor, SyncStatus)>,
    Vec<JoinHandle<()>>,
);

fn start_coalescers(store: &Store, supervisor: &Supervisor) -> Coalescers {
    let reader = store.clone();
    let (sessions, sessions_task) = Coalescer::start("sessions", supervisor, move |hashes: Vec<[u8; 32]>| {
        let store = reader.clone();
        async move { Ok(store.find_sessions(hashes).await?) }
    });
    let reader = store.clone();
    let (resumes, resumes_task) =
        Coalescer::start("resumes", supervisor, move |asked: Vec<(UserId, Option<Cursor>)>| {
            let store = reader.clone();
            async move { Ok(store.sync_statuses(asked).await?) }
        });
    (sessions, resumes, vec![sessions_task, resumes_task])
}

/// `version` was read after joining, so that a later commit is either delivered or noticed.
fn recovery(
    (hub, layer): (&Arc<Hub>, &Arc<dyn ChannelLayer>),
    (store, environment, config): (&Store, &Environment, &Config),
    (node, version): (Epoch, Version),
) -> Recovery {
    let start = (node, version, layer.status());
    Recovery::new(hub.clone(), store.clone(), environment.clone(), intervals(config), start)
}

fn start_erasure(
    erasure: &WalErasure,
    (store, metrics, config): (&Store, &Arc<Metrics>, &Config),
    supervisor: &Supervisor,
) -> JoinHandle<()> {
    supervisor.run("erasure", erasure.clone().run(store.clone(), metrics.clone(), erase_after(config)))
}

fn searcher(config: &Config, store: &Store, index: Option<&Index>) -> Searcher {
    let wait_max = Duration::from_millis(config.store.timeout_ms);
    Searcher::new(store.clone(), index.cloned(), config.limits.clone(), config.store.readers, wait_max)
}

fn commit_options(
    config: &Config,
    (store, layer): (&Store, Arc<dyn ChannelLayer>),
    rules: &Arc<Rules>,
    environment: &Environment,
    metrics: &Arc<Metrics>,
    (node, erasure, committed): (Epoch, WalErasure, watch::Sender<Version>),
) -> commit::CommitOptions {
    commit::CommitOptions {
        store: store.clone(),
        layer,
        rules: rules.clone(),
        environment: environment.clone(),
        metrics: metrics.clone(),
        node,
        erasure,
        patience: store_timeout(config),
        marker_interval: Duration::from_millis(config.sync.marker_interval_ms),
        committed,
    }
}

fn store_timeout(config: &Config) -> Duration {
    Duration::from_millis(config.store.timeout_ms)
}

fn erase_after(config: &Config) -> Duration {
    Duration::from_millis(config.store.erase_after_ms)
}

fn rules(config: &Config, fingerprints: &[u8]) -> Rules {
    Rules {
        limits: config.limits.clone(),
        who_may_write: config.who_may_write,
        fingerprints: FingerprintKey::new(fingerprints),
        messages: config.messages,
        history: config.groups.history,
    }
}

fn presence(
    (hub, layer, node): (Arc<Hub>, Arc<dyn ChannelLayer>, Epoch),
    store: &Store,
    environment: &Environment,
    metrics: &Arc<Metrics>,
    config: &Config,
) -> Arc<Presence> {
    let (store, environment, metrics) = (store.clone(), environment.clone(), metrics.clone());
    Arc::new(Presence::new(presence::PresenceOptions { hub, layer, store, environment, metrics, node }, config))
}

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

fn intervals(config: &Config) -> recovery::RecoveryOptions {
    recovery::RecoveryOptions {
        interval: Duration::from_millis(config.sync.clock_check_ms),
        commits_kept: Duration::from_millis(config.sync.commits_kept_ms),
    }
}
