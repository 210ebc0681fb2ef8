//! Observes watched users and publishes changes of their presence to the connections that may see them.
//!
//! ```text
//!   entries (channel layer) ──► observe ──► changed? ──► deliver to the topic `presence:…` on this node
//!   visibility (store)    ──► check_visibility ──► subscribe, then send the current presence
//!                                              └─► send `unknown`, if the viewer could see the user before
//! ```

use super::Presence;
use crate::{
    channel_layer::{PresenceLevel, Topic, Unavailable, UserPresence},
    environment::rfc3339,
    hub::{Attached, PendingChecks, PresenceWatch, ReplacedWatches, Subscription},
    store,
};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use parlor_protocol::{
    error::{Code, Problem},
    event::Event,
    ids::UserId,
    model::{self, PresenceStatus},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};
use tokio::time::timeout;
use tracing::warn;

/// Hidden watches that are checked at once.
const HIDDEN_CHECKED_MAX: usize = 10_000;

/// How long to wait for the store to say when users were last active.
const LAST_SEEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How often visibility is checked for one answer. Users whose visibility keeps changing are then `unknown`.
const CHECKS_MAX: usize = 3;

/// A user's presence, as far as this node knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObservedPresence {
    level: PresenceLevel,
    /// When a page of theirs was last in use, if that is known.
    last_seen_ms: Option<i64>,
    /// Whether the store was asked, too, since they are offline.
    is_last_seen_loaded: bool,
}

impl ObservedPresence {
    fn of(seen: Option<UserPresence>, before_ms: Option<i64>, is_last_seen_loaded: bool) -> Self {
        let level = seen.map_or(PresenceLevel::Gone, |seen| seen.level);
        let last_seen_ms = seen.map(|seen| seen.last_seen_ms);
        let last_seen_ms = if level == PresenceLevel::Idle { last_seen_ms } else { last_seen_ms.max(before_ms) };
        Self { level, last_seen_ms, is_last_seen_loaded: is_last_seen_loaded && level == PresenceLevel::Gone }
    }

    fn presence(self, user: UserId) -> model::Presence {
        let (status, last_seen_ms) = match self.level {
            PresenceLevel::Online => (PresenceStatus::Online, None),
            PresenceLevel::Idle => (PresenceStatus::Idle, self.last_seen_ms),
            PresenceLevel::Gone => (PresenceStatus::Offline, self.last_seen_ms),
        };
        model::Presence { user, status, seen_at: last_seen_ms.map(rfc3339) }
    }

    /// Returns whether watchers see a difference.
    fn differs_visibly(self, other: Self) -> bool {
        self.level != other.level || (self.level != PresenceLevel::Online && self.last_seen_ms != other.last_seen_ms)
    }
}

/// A user's presence, and whether it was published just now because it changed.
#[derive(Clone, Copy, Debug)]
struct Observation {
    known: ObservedPresence,
    is_published: bool,
}

fn unknown(user: UserId) -> model::Presence {
    model::Presence { user, status: PresenceStatus::Unknown, seen_at: None }
}

fn event(presence: model::Presence) -> Bytes {
    let event = Event::PresenceChanged { presence };
    serde_json::to_vec(&event).expect("an event has string keys only").into()
}

/// Why presence cannot be read.
#[derive(Debug, thiserror::Error)]
enum ObserveError {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Layer(#[from] Unavailable),
}

impl From<ObserveError> for Problem {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Store(cause) => cause.into(),
            ObserveError::Layer(cause) => {
                warn!(%cause, "presence could not be read");
                Code::Unavailable.into()
            }
        }
    }
}

impl Presence {
    /// Replaces the users that a connection watches. Returns the frames that were waiting, which must be written before
    /// the answer because they may contain older presence.
    ///
    /// If there are too many users, the connection still watches the former ones. If the store or the layer is not
    /// available, it watches none.
    pub async fn watch(
        &self,
        viewer: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> (VecDeque<Bytes>, Result<Vec<model::Presence>, Problem>) {
        let users = match self.unique(users) {
            Ok(users) => users,
            Err(problem) => return (VecDeque::new(), Err(problem)),
        };
        let ReplacedWatches { users: mut before, pending_frames: mut waiting } = attached.replace_watches(&users);
        let answer = self.subscribe(viewer, attached, &users).await;
        if answer.is_err() {
            let replaced = attached.replace_watches(&[]);
            before.extend(replaced.users);
            waiting.extend(replaced.pending_frames);
        }
        self.with.hub.leave_presence_topics(before.into_iter()).await;
        (waiting, answer.map_err(Problem::from))
    }

    async fn subscribe(
        &self,
        viewer: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> Result<Vec<model::Presence>, ObserveError> {
        let hub = &self.with.hub;
        let mut remaining = users.to_vec();
        for _ in 0..CHECKS_MAX {
            let check = hub.begin_check();
            let visible = self.visible_users(viewer, &remaining).await?;
            // Together, which costs a layer on the network one round trip.
            let subscribing = visible.into_iter().map(async |user| {
                let subscribed = hub.subscribe_presence(&check, attached.id(), user).await?;
                Ok::<_, Unavailable>((subscribed == Subscription::Stale).then_some(user))
            });
            remaining = try_join_all(subscribing).await?.into_iter().flatten().collect();
            if remaining.is_empty() {
                break;
            }
        }
        hub.presence_queue.check_hidden(&remaining);
        let known = self.observe(attached.subscribed_users().into_iter().collect()).await;
        // Those whose visibility has changed since are checked again, and sent then.
        Ok(presences(users, &known, &attached.subscribed_users()))
    }

    /// Reads the presence of users once.
    ///
    /// # Errors
    /// There are too many users, or the store or the layer is not available.
    pub async fn read(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, Problem> {
        let users = self.unique(users)?;
        Ok(self.read_visible(viewer, &users).await?)
    }

    async fn read_visible(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, ObserveError> {
        let mut more = 1..CHECKS_MAX;
        loop {
            let check = self.with.hub.begin_check();
            let seen = self.visible_users(viewer, users).await?;
            let known = self.observe(seen.iter().copied().collect()).await;
            let certain: HashSet<UserId> =
                seen.iter().copied().filter(|user| !check.is_stale_for(viewer, *user)).collect();
            if certain.len() == seen.len() || more.next().is_none() {
                return Ok(presences(users, &known, &certain));
            }
        }
    }

    /// Returns each user once, in the order of their ids.
    fn unique(&self, users: &[UserId]) -> Result<Vec<UserId>, Problem> {
        if users.len() > self.watched_max as usize {
            return Err(Problem::new(Code::LimitReached).with_limit(self.watched_max.into()));
        }
        Ok(users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn visible_users(&self, viewer: UserId, users: &[UserId]) -> Result<HashSet<UserId>, ObserveError> {
        let store = &self.with.store;
        let visible = store.visible_pairs(users.iter().map(|user| (viewer, *user))).await?;
        Ok(visible.into_iter().map(|(_, user)| user).collect())
    }

    async fn observe(&self, users: Vec<UserId>) -> HashMap<UserId, Observation> {
        let written = self.load_last_seen(&users).await;
        let mut known = self.known.lock().await;
        self.observe_locked(&mut known, users, &written).await
    }

    /// Loads when offline users were last active, unless it is known. Called before the lock is taken.
    async fn load_last_seen(&self, users: &[UserId]) -> HashMap<UserId, Option<i64>> {
        let answer = self.with.layer.presence_of(users.to_vec()).await.unwrap_or_default();
        let present: HashSet<UserId> =
            answer.users.iter().filter(|seen| seen.level != PresenceLevel::Gone).map(|seen| seen.user).collect();
        let gone: Vec<UserId> = {
            let known = self.known.lock().await;
            let is_known = |user: &UserId| {
                // Those who stay as they were are not gone.
                let stays = |known: &ObservedPresence| !answer.is_complete && known.level != PresenceLevel::Gone;
                known.get(user).is_some_and(|known| known.is_last_seen_loaded || stays(known))
            };
            users.iter().copied().filter(|user| !present.contains(user) && !is_known(user)).collect()
        };
        self.read_last_seen(&gone).await
    }

    /// Observes users and publishes what has changed.
    async fn observe_locked(
        &self,
        known: &mut HashMap<UserId, ObservedPresence>,
        users: Vec<UserId>,
        written: &HashMap<UserId, Option<i64>>,
    ) -> HashMap<UserId, Observation> {
        // Without the layer, users of other nodes stay as they were last known.
        let answer = self.with.layer.presence_of(users.clone()).await.unwrap_or_default();
        let is_partial = !answer.is_complete;
        let mut seen: HashMap<UserId, UserPresence> = answer.users.into_iter().map(|seen| (seen.user, seen)).collect();
        self.add_local(&users, &mut seen);
        let mut found = HashMap::with_capacity(users.len());
        for user in users {
            let before = known.get(&user).copied();
            let read = written.get(&user);
            let before_ms = read.copied().flatten().max(before.and_then(|before| before.last_seen_ms));
            let is_last_seen_loaded = read.is_some() || before.is_some_and(|before| before.is_last_seen_loaded);
            let of_user = seen.get(&user).copied();
            let kept = before.filter(|_| is_partial && of_user.is_none());
            let now = kept.unwrap_or_else(|| ObservedPresence::of(of_user, before_ms, is_last_seen_loaded));
            known.insert(user, now);
            // A new watcher gets the state as an answer.
            let is_published = before.is_some_and(|before| now.differs_visibly(before));
            if is_published {
                self.with.metrics.presence_told.inc();
                self.with.hub.deliver(&[Topic::Presence(user)], &event(now.presence(user)));
            }
            found.insert(user, Observation { known: now, is_published });
        }
        found
    }

    /// Adds the users of this node, whose entries may have expired because the node was late.
    fn add_local(&self, users: &[UserId], seen: &mut HashMap<UserId, UserPresence>) {
        let local = self.local();
        for own in users.iter().filter_map(|user| local.last_entry(*user)) {
            let seen = seen.entry(own.user).or_insert(own);
            seen.level = seen.level.max(own.level);
            seen.last_seen_ms = seen.last_seen_ms.max(own.last_seen_ms);
        }
    }

    /// Reads when users were last active, or returns nothing on failure: their status is known without it, and the next
    /// observation tries again.
    async fn read_last_seen(&self, users: &[UserId]) -> HashMap<UserId, Option<i64>> {
        match timeout(LAST_SEEN_TIMEOUT, self.with.store.last_seen(users)).await {
            Ok(Ok(seen)) => return users.iter().map(|user| (*user, seen.get(user).copied())).collect(),
            Ok(Err(cause)) => warn!(%cause, "when users were last active could not be read"),
            Err(_) => warn!("when users were last active was not read in time"),
        }
        HashMap::new()
    }

    /// Observes the queued users, or `all` watched ones, and checks the visibility of queued watches.
    pub(super) async fn run_checks(&self, all: bool, all_hidden: bool) {
        let PendingChecks { mut users, recheck, hidden } = self.with.hub.presence_queue.take();
        if all {
            let mut known = self.known.lock().await;
            users = self.with.hub.presence_topics().into_iter().collect();
            known.retain(|user, _| users.contains(user));
        }
        let mut pairs = recheck.clone();
        if !hidden.is_empty() {
            pairs.extend(self.with.hub.hidden_watches_of(&hidden));
        }
        if all_hidden {
            pairs.extend(self.with.hub.hidden_watches(HIDDEN_CHECKED_MAX));
        }
        if let Err(cause) = self.check_visibility(&pairs, &recheck).await {
            warn!(%cause, "the visibility of users could not be checked");
            self.with.hub.presence_queue.put_back(recheck, hidden);
        }
        self.observe(users.into_iter().collect()).await;
    }

    /// Subscribes watches that are visible according to the store. Watches that were suspended (`recheck`) and are no
    /// longer visible get `unknown`.
    async fn check_visibility(
        &self,
        pairs: &HashSet<PresenceWatch>,
        recheck: &HashSet<PresenceWatch>,
    ) -> Result<(), ObserveError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let hub = &self.with.hub;
        let check = hub.begin_check();
        let seen = self.visible_watches(pairs).await?;
        let (mut coming, mut stale) = (HashSet::new(), HashSet::new());
        let entering = async {
            let check = &check;
            let subscribing =
                seen.iter().map(async |pair| (pair, hub.subscribe_presence(check, pair.connection, pair.user).await));
            let mut failed = None;
            for (pair, subscribed) in join_all(subscribing).await {
                match subscribed {
                    Ok(Subscription::Added) => drop(coming.insert(*pair)),
                    Ok(Subscription::Stale) => drop(stale.insert(*pair)),
                    Ok(Subscription::Already | Subscription::NotWatching) => {}
                    Err(cause) => failed = Some(cause),
                }
            }
            match failed {
                Some(cause) => Err(cause.into()),
                None => self.send_current(&coming).await,
            }
        };
        if let Err(cause) = entering.await {
            // Nothing was sent yet, and the next run checks them again.
            for pair in &coming {
                hub.unsubscribe_presence(pair.connection, pair.user);
            }
            return Err(cause);
        }
        for pair in recheck.difference(&seen) {
            hub.send_hidden(*pair, &event(unknown(pair.user)));
        }
        drop(check);
        if !stale.is_empty() {
            let again: Vec<UserId> = stale.iter().map(|pair| pair.user).collect();
            hub.presence_queue.put_back(stale.intersection(recheck).copied().collect(), HashSet::new());
            hub.presence_queue.check_hidden(&again);
        }
        hub.leave_presence_topics(pairs.iter().map(|pair| pair.user)).await;
        Ok(())
    }

    /// Sends new subscriptions the current presence.
    async fn send_current(&self, coming: &HashSet<PresenceWatch>) -> Result<(), ObserveError> {
        let users: Vec<UserId> = coming.iter().map(|pair| pair.user).collect::<HashSet<_>>().into_iter().collect();
        let written = self.load_last_seen(&users).await;
        // Held until all is sent, so that nothing newer is sent before.
        let mut known = self.known.lock().await;
        let found = self.observe_locked(&mut known, users, &written).await;
        for pair in coming {
            if let Some(Observation { known, is_published: false }) = found.get(&pair.user) {
                self.with.hub.send_presence(*pair, &event(known.presence(pair.user)));
            }
        }
        Ok(())
    }

    async fn visible_watches(&self, pairs: &HashSet<PresenceWatch>) -> Result<HashSet<PresenceWatch>, ObserveError> {
        let store = &self.with.store;
        let visible = store.visible_pairs(pairs.iter().map(|pair| (pair.viewer, pair.user))).await?;
        Ok(pairs.iter().filter(|pair| visible.contains(&(pair.viewer, pair.user))).copied().collect())
    }
}

fn presences(users: &[UserId], known: &HashMap<UserId, Observation>, shown: &HashSet<UserId>) -> Vec<model::Presence> {
    let presence = |user: &UserId| {
        let found = known.get(user).filter(|_| shown.contains(user));
        found.map_or_else(|| unknown(*user), |found| found.known.presence(*user))
    };
    users.iter().map(presence).collect()
}
