//! Puts the server together: what all parts need, then the parts in the order in which they need each other.

use super::{App, AppError, HOST_REQUESTS_MAX, start_record::note_start, store_options};
use crate::{
    bridge::Bridge,
    channel_layer::{ChannelLayer, NodeMessage, Topic},
    coalesce::Coalescer,
    commit::{Commit, CommitOptions},
    config::Config,
    consumers::{
        ConsumerHandle,
        search::{SearchIndexer, SearchIndexerOptions},
    },
    domain::{Rules, fingerprint::FingerprintKey},
    environment::Environment,
    files::{self, Files},
    handover::Holding,
    host_pages::HostPages,
    host_side::HostSide,
    hub::{
        Hub,
        recovery::{Recovery, RecoveryOptions},
    },
    identity::{self, assembly::Started},
    metrics::Metrics,
    mirror::{Mirror, MirrorOptions},
    presence::{Presence, PresenceOptions},
    profile::Profile,
    search::Searcher,
    store::{Store, StoreError, index::Index, sessions::ActiveSession, snapshot::SyncStatus},
    supervisor::Supervisor,
    typing::Typing,
    user_limits::UserLimiter,
    wal_erasure::WalErasure,
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, UserId, Version},
};
use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{mpsc::UnboundedReceiver, watch},
    task::JoinHandle,
};

/// What all parts need.
struct Foundation {
    config: Config,
    environment: Environment,
    metrics: Arc<Metrics>,
    supervisor: Supervisor,
    store: Store,
    layer: Arc<dyn ChannelLayer>,
    hub: Arc<Hub>,
    rules: Arc<Rules>,
    node: Epoch,
    /// The store's version, read after joining the layer, so that a later commit is either delivered or noticed.
    version: Version,
}

/// Opens the store and starts all parts but the listeners.
pub(super) async fn assemble(
    config: Config,
    environment: Environment,
    layer: Arc<dyn ChannelLayer>,
    (supervisor, holding): (Supervisor, Holding),
) -> Result<Arc<App>, AppError> {
    let (profile, host_pages) = load_profile(&config)?;
    let (base, node_messages) = Foundation::open(config, environment, layer, supervisor, &holding).await?;
    let late_start = note_start(&base.store, &base.hub, &base.environment, base.node).await?;
    let files = Arc::new(base.files()?);
    let (sessions, resumes, mut tasks) = base.start_coalescers();
    let erasure = WalErasure::default();
    let presence = Arc::new(base.presence());
    tasks.extend(base.start_tasks(node_messages, &files, &presence, &erasure));
    tasks.extend(late_start.map(|late| base.supervisor.run("start", late)));
    let bridge = Bridge::start(&base.config, profile.as_deref(), &base.environment, &base.metrics, &base.supervisor)?;
    let (committed, followed) = watch::channel(base.version);
    let commit_options = base.commit_options(erasure, committed);
    let (commit, writer) = Commit::start(commit_options.clone(), &base.supervisor);
    let Started { identity, host_users, tasks: identity_tasks } =
        base.start_identity(&commit, &files, sessions).await?;
    tasks.extend(identity_tasks);
    let mirror_options =
        MirrorOptions::new(&base.config, profile.as_ref(), commit_options, &commit, &host_users, bridge.as_ref());
    let mirror = base.start_mirror(mirror_options.as_ref(), &followed);
    let (index, consumer) = base.start_index(followed).await?.unzip();
    Ok(Arc::new(App {
        resumes,
        queries: UserLimiter::new(base.config.limits.user_queries_max, base.store_timeout()),
        host_requests: UserLimiter::new(HOST_REQUESTS_MAX, base.store_timeout()),
        search: base.searcher(index.as_ref()),
        identity,
        host_users,
        typing: Arc::new(base.typing()),
        layer_status: base.layer.status(),
        commit,
        files,
        presence,
        profile,
        bridge,
        mirror_options,
        host_side: mirror.clone().map_or_else(OnceLock::new, |mirror| OnceLock::from(mirror as Arc<dyn HostSide>)),
        host_pages,
        mirror,
        index,
        holding,
        consumers: Mutex::new(consumer.into_iter().collect()),
        is_draining: watch::Sender::new(false),
        writer: Mutex::new(Some(writer)),
        tasks: Mutex::new(tasks),
        config: base.config,
        environment: base.environment,
        store: base.store,
        hub: base.hub,
        metrics: base.metrics,
        rules: base.rules,
        supervisor: base.supervisor,
    }))
}

/// Reads the profile, and makes what it needs to call the host.
fn load_profile(config: &Config) -> Result<(Option<Arc<Profile>>, Option<HostPages>), AppError> {
    let profile = config.compat.profile.as_deref().map(Profile::load).transpose()?.map(Arc::new);
    let host_pages = HostPages::new(&config.host, profile.as_deref())?;
    Ok((profile, host_pages))
}

/// The look-ups that concurrent requests share: of sessions, and of whether a user has anything new.
type Coalescers = (
    Coalescer<[u8; 32], Option<ActiveSession>>,
    Coalescer<(UserId, Option<Cursor>), (Cursor, SyncStatus)>,
    Vec<JoinHandle<()>>,
);

impl Foundation {
    /// Opens the store and joins the layer. `holding` has the sockets that were taken over.
    async fn open(
        config: Config,
        environment: Environment,
        layer: Arc<dyn ChannelLayer>,
        supervisor: Supervisor,
        holding: &Holding,
    ) -> Result<(Self, UnboundedReceiver<NodeMessage>), AppError> {
        let store = Store::open(&store_options(&config)).await?;
        let (node, metrics) = (Epoch(environment.random_id()), Arc::new(Metrics::new()));
        let rules = Arc::new(rules(&config, &store.secret("fingerprints", environment.random()).await?));
        let (hub, node_messages) = Hub::new(layer.clone(), config.limits.clone(), metrics.clone());
        layer.join(Topic::Nodes).await?;
        holding.attach(&hub).await;
        let version = store.version().await?;
        let base = Self { config, environment, metrics, supervisor, store, layer, hub, rules, node, version };
        Ok((base, node_messages))
    }

    fn store_timeout(&self) -> Duration {
        Duration::from_millis(self.config.store.timeout_ms)
    }

    fn recovery_options(&self) -> RecoveryOptions {
        RecoveryOptions {
            interval: Duration::from_millis(self.config.sync.clock_check_ms),
            commits_kept: Duration::from_millis(self.config.sync.commits_kept_ms),
        }
    }

    fn files(&self) -> Result<Files, AppError> {
        let (environment, metrics) = (self.environment.clone(), self.metrics.clone());
        Ok(Files::new(&self.config, self.store.clone(), environment, metrics)?)
    }

    fn presence(&self) -> Presence {
        let options = PresenceOptions {
            hub: self.hub.clone(),
            layer: self.layer.clone(),
            store: self.store.clone(),
            environment: self.environment.clone(),
            metrics: self.metrics.clone(),
            node: self.node,
        };
        Presence::new(options, &self.config)
    }

    fn typing(&self) -> Typing {
        Typing::new(self.layer.clone(), self.store.clone(), self.metrics.clone(), &self.config.limits)
    }

    fn searcher(&self, index: Option<&Index>) -> Searcher {
        let (limits, readers) = (self.config.limits.clone(), self.config.store.readers);
        Searcher::new(self.store.clone(), index.cloned(), limits, readers, self.store_timeout())
    }

    fn start_coalescers(&self) -> Coalescers {
        let reader = self.store.clone();
        let (sessions, sessions_task) = Coalescer::start("sessions", &self.supervisor, move |hashes: Vec<[u8; 32]>| {
            let store = reader.clone();
            async move { Ok(store.find_sessions(hashes).await?) }
        });
        let reader = self.store.clone();
        let (resumes, resumes_task) =
            Coalescer::start("resumes", &self.supervisor, move |cursors: Vec<(UserId, Option<Cursor>)>| {
                let store = reader.clone();
                async move { Ok(store.sync_statuses(cursors).await?) }
            });
        (sessions, resumes, vec![sessions_task, resumes_task])
    }

    /// Starts what runs on its own.
    fn start_tasks(
        &self,
        node_messages: UnboundedReceiver<NodeMessage>,
        files: &Arc<Files>,
        presence: &Arc<Presence>,
        erasure: &WalErasure,
    ) -> [JoinHandle<()>; 4] {
        let start = (self.node, self.version, self.layer.status());
        let (hub, store, environment) = (self.hub.clone(), self.store.clone(), self.environment.clone());
        let recovery = Recovery::new(hub, store, environment, self.recovery_options(), start);
        let erase_after = Duration::from_millis(self.config.store.erase_after_ms);
        let erasure = erasure.clone().run(self.store.clone(), self.metrics.clone(), erase_after);
        [
            self.supervisor.run("recovery", recovery.run(node_messages)),
            self.supervisor.run("erasure", erasure),
            self.supervisor.run("collector", files::collect(files.clone())),
            self.supervisor.run("presence", presence.clone().run()),
        ]
    }

    fn commit_options(&self, erasure: WalErasure, committed: watch::Sender<Version>) -> CommitOptions {
        CommitOptions {
            store: self.store.clone(),
            layer: self.layer.clone(),
            rules: self.rules.clone(),
            environment: self.environment.clone(),
            metrics: self.metrics.clone(),
            node: self.node,
            erasure,
            patience: self.store_timeout(),
            marker_interval: Duration::from_millis(self.config.sync.marker_interval_ms),
            committed,
        }
    }

    /// Starts what finds out who somebody is.
    async fn start_identity(
        &self,
        commit: &Commit,
        files: &Arc<Files>,
        sessions: Coalescer<[u8; 32], Option<ActiveSession>>,
    ) -> Result<Started, AppError> {
        let secret = self.store.secret("places", self.environment.random()).await?;
        let host_secret = self.store.secret("host_sessions", self.environment.random()).await?;
        let with = identity::Dependencies {
            store: self.store.clone(),
            commit: commit.clone(),
            environment: self.environment.clone(),
            metrics: self.metrics.clone(),
            files: files.clone(),
            sessions,
            secret,
        };
        Ok(identity::assembly::start(&self.config, with, (self.hub.clone(), host_secret), &self.supervisor)?)
    }

    fn start_mirror(
        &self,
        options: Option<&MirrorOptions>,
        committed: &watch::Receiver<Version>,
    ) -> Option<Arc<Mirror>> {
        let options = options.filter(|options| options.config.enabled)?;
        Some(Arc::new(Mirror::start(options.clone(), committed.clone(), &self.supervisor)))
    }

    /// Opens the index and starts the consumer that maintains it, unless search is switched off.
    async fn start_index(
        &self,
        committed: watch::Receiver<Version>,
    ) -> Result<Option<(Index, ConsumerHandle)>, StoreError> {
        if !self.config.search.enabled {
            return Ok(None);
        }
        let index = Index::open(&self.store, &store_options(&self.config)).await?;
        let indexer = SearchIndexer::new(SearchIndexerOptions {
            store: self.store.clone(),
            index: index.clone(),
            environment: self.environment.clone(),
            metrics: self.metrics.clone(),
            node: self.node,
        });
        let interval = self.recovery_options().interval;
        let consumer = ConsumerHandle::start(indexer, committed, interval, &self.supervisor);
        Ok(Some((index, consumer)))
    }
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
