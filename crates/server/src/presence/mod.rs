//! Presence: whether users are online, for those who may know it.
//!
//! Each node writes entries for its own users in the channel layer (`local_users.rs`). An entry expires unless it is
//! renewed, so a killed node is forgotten. Changes are announced, and all watched users are observed at intervals
//! anyway (`observe.rs`), so a lost announcement only costs a moment. `hub/watchers.rs` keeps who receives what.
//!
//! Invariants: a viewer that may not see a user gets `unknown`, as for one that does not exist; no viewer receives a
//! user's presence after this node knows that they may not; a connection receives changes in the order in which they
//! were observed; writing entries waits for nothing, so that a slow store ends no entry. Absent on purpose: versions,
//! and a count of connections.

mod local_users;
mod observe;

use crate::{
    channel_layer::{ChannelLayer, LayerMessage, NodeMessage, PresenceEntry, Publication, Topic},
    config::Config,
    environment::Environment,
    hub::Hub,
    metrics::Metrics,
    store::Store,
};
use local_users::{LocalUsers, PresenceTiming};
use observe::ObservedPresence;
use parlor_protocol::ids::{Epoch, UserId};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tracing::{debug, warn};

/// Users whose last activity is written by one statement.
const WRITE_BATCH_MAX: usize = 1000;
/// Observations between two checks of hidden watches.
const HIDDEN_EVERY: u64 = 10;

/// Everything that presence uses.
#[derive(Clone, Debug)]
pub struct PresenceOptions {
    /// The connections of this node.
    pub hub: Arc<Hub>,
    /// The channel layer, which keeps the entries.
    pub layer: Arc<dyn ChannelLayer>,
    /// The store: who may see whom, and when users were last active.
    pub store: Store,
    /// Time.
    pub environment: Environment,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// This start of the server.
    pub node: Epoch,
}

/// See the module documentation.
#[derive(Debug)]
pub struct Presence {
    with: PresenceOptions,
    timing: PresenceTiming,
    socket_grace: Duration,
    poll_grace: Duration,
    watched_max: u32,
    local: Mutex<LocalUsers>,
    /// Wakes the task that writes entries.
    changed: Notify,
    /// The last observed presence of every watched user. Locked during an observation, so that they do not overlap.
    known: tokio::sync::Mutex<HashMap<UserId, ObservedPresence>>,
}

/// A connection that makes its user present, until shortly after it is dropped.
#[derive(Debug)]
pub struct PresentConnection {
    presence: Arc<Presence>,
    user: UserId,
    connection: u64,
    grace: Duration,
    /// When something was last received from it.
    heard_ms: Arc<AtomicI64>,
    /// Whether its end is noticed at once. Otherwise it may have ended at any time since it was last heard.
    has_visible_end: bool,
}

impl Presence {
    /// Creates it with no users present.
    #[must_use]
    pub fn new(with: PresenceOptions, config: &Config) -> Self {
        let presence = &config.presence;
        let entry = Duration::from_millis(presence.entry_ms);
        let timing = PresenceTiming {
            entry_ttl: entry,
            interval: entry / 8,
            kept_ms: i64::try_from(presence.kept_ms).unwrap_or(i64::MAX),
        };
        Self {
            with,
            timing,
            socket_grace: Duration::from_millis(presence.socket_grace_ms),
            poll_grace: Duration::from_millis(presence.poll_grace_ms),
            watched_max: config.limits.watched_max,
            local: Mutex::default(),
            changed: Notify::new(),
            known: tokio::sync::Mutex::default(),
        }
    }

    /// Registers a socket of a user.
    #[must_use]
    pub fn connect(self: &Arc<Self>, user: UserId) -> PresentConnection {
        self.register(user, self.socket_grace, true)
    }

    /// Registers a poll of a user. The next one is expected some time after it ends.
    #[must_use]
    pub fn poll(self: &Arc<Self>, user: UserId) -> PresentConnection {
        self.register(user, self.poll_grace, false)
    }

    fn register(self: &Arc<Self>, user: UserId, grace: Duration, has_visible_end: bool) -> PresentConnection {
        let heard_ms = Arc::new(AtomicI64::new(self.with.environment.ageing_ms()));
        let connection = self.local().connect(user, heard_ms.clone());
        self.changed.notify_one();
        PresentConnection { presence: self.clone(), user, connection, grace, heard_ms, has_visible_end }
    }

    /// Writes entries, observes watched users and writes last activity, forever.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.run_entries(), self.run_observation(), self.run_last_seen());
    }

    async fn run_entries(&self) {
        let mut ticks = ticks(self.timing.interval);
        let mut layer = self.with.layer.status();
        let mut losses = layer.borrow_and_update().entry_losses;
        loop {
            let all = tokio::select! {
                _ = ticks.tick() => true,
                () = self.changed.notified() => false,
                Ok(()) = layer.changed() => {
                    let before = std::mem::replace(&mut losses, layer.borrow_and_update().entry_losses);
                    if losses == before {
                        continue;
                    }
                    self.local().mark_entries_lost();
                    true
                }
            };
            self.publish_entries(all).await;
        }
    }

    async fn run_observation(&self) {
        let mut observation_ticks = ticks(self.timing.interval);
        let mut count = 0_u64;
        loop {
            let is_tick = tokio::select! {
                _ = observation_ticks.tick() => true,
                () = self.with.hub.presence_queue.changed() => false,
            };
            count += u64::from(is_tick);
            self.run_checks(is_tick, is_tick && count.is_multiple_of(HIDDEN_EVERY)).await;
        }
    }

    async fn run_last_seen(&self) {
        let mut ticks = ticks(Duration::from_millis(u64::try_from(self.timing.kept_ms / 3).unwrap_or(0)));
        loop {
            ticks.tick().await;
            self.write_last_seen().await;
        }
    }

    /// Writes the entries that are due, and announces changes.
    async fn publish_entries(&self, all: bool) {
        let (entries, count) = {
            let mut local = self.local();
            let entries = local.due_entries(all, Instant::now(), self.with.environment.ageing_ms(), self.timing);
            (entries, local.count())
        };
        self.with.metrics.present.set(i64::try_from(count).unwrap_or(i64::MAX));
        if entries.is_empty() {
            return;
        }
        let announcement = |entry: &PresenceEntry| Publication {
            topics: vec![Topic::Presence(entry.user)],
            payload: LayerMessage::node(&NodeMessage::Presence { user: entry.user }),
        };
        let news = entries.iter().filter(|(_, is_news)| *is_news).map(|(entry, _)| announcement(entry)).collect();
        let result =
            self.with.layer.put_presence(self.with.node, entries.into_iter().map(|(entry, _)| entry).collect()).await;
        let result = match result {
            Ok(()) => self.with.layer.publish(news).await,
            failed => failed,
        };
        if let Err(cause) = result {
            debug!(%cause, "presence could not be published to other nodes");
        }
    }

    /// Writes when users were last active, before the store is closed.
    pub async fn finish(&self) {
        self.local().queue_all();
        self.write_last_seen().await;
    }

    /// Writes pending last activity. May be cancelled: what was not surely written stays pending.
    async fn write_last_seen(&self) {
        loop {
            let some = self.local().pending_writes(WRITE_BATCH_MAX);
            if some.is_empty() {
                return;
            }
            let store = &self.with.store;
            if let Err(cause) = store.save_last_seen(some.clone()).await {
                warn!(%cause, "when users were last active was not written");
                return;
            }
            self.local().mark_written(&some);
        }
    }

    fn local(&self) -> MutexGuard<'_, LocalUsers> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl PresentConnection {
    /// Notes that something was received from the connection.
    pub fn touch(&self) {
        self.heard_ms.store(self.presence.with.environment.ageing_ms(), Ordering::Relaxed);
    }

    /// Sets whether the user is idle at this connection.
    pub fn set_idle(&self, is_idle: bool) {
        let now_ms = self.presence.with.environment.ageing_ms();
        self.presence.local().set_idle(self.user, self.connection, is_idle, now_ms);
        self.presence.changed.notify_one();
    }

    /// Ends the presence of a connection that was closed for its silence: the user was gone before.
    pub fn expire(mut self) {
        self.has_visible_end = false;
        self.grace = Duration::ZERO;
    }
}

impl Drop for PresentConnection {
    fn drop(&mut self) {
        if self.has_visible_end {
            self.touch();
        }
        let (heard_ms, until) = (self.heard_ms.load(Ordering::Relaxed), Instant::now() + self.grace);
        self.presence.local().disconnect(self.user, self.connection, heard_ms, until);
        self.presence.changed.notify_one();
    }
}
