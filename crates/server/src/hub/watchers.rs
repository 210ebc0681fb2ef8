//! Which connections of this node receive the presence of which users.
//!
//! A connection watches users, and is subscribed to those whom its own user (the viewer) may see:
//!
//! ```text
//!   watch ──► check (store) ──► subscribe_presence ──► Added: presence events
//!                ▲                    └─ Stale: visibility changed during the check, so check again
//!                │
//!   recheck ◄── suspend_presence ◄── visibility may have changed (removal, setting, …)
//! ```
//!
//! Invariants: a connection is in the topic `presence:…` of a user only while the viewer may see that user; it leaves
//! the topic before any event is delivered after which this may no longer hold, and is subscribed again only after a
//! new check. A check counts only if no visibility of the two has changed since it began. Absent on purpose: reading
//! the store (`presence` does it).

use super::{Attached, Hub, HubConnection, HubState, leave};
use crate::channel_layer::{Topic, Unavailable};
use bytes::Bytes;
use parlor_protocol::ids::{ConversationId, UserId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// A user that a connection watches.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchedUser {
    pub(super) user: UserId,
    /// The connection is in the user's topic.
    is_subscribed: bool,
}

/// A connection, its user, and a user that it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PresenceWatch {
    /// The connection.
    pub connection: u64,
    /// Its user.
    pub viewer: UserId,
    /// The user that it watches.
    pub user: UserId,
}

/// The users whose visibility has changed, and the removals from conversations, since the oldest check in progress
/// began.
#[derive(Debug, Default)]
pub(super) struct VisibilityChanges {
    version: u64,
    checks: usize,
    /// Users with their last change; forgotten when no check is in progress.
    changed: HashMap<UserId, u64>,
    /// Members with their last removal; forgotten likewise.
    removed: HashMap<(ConversationId, UserId), u64>,
}

impl VisibilityChanges {
    fn add(&mut self, users: &[UserId]) {
        if self.checks > 0 {
            self.version += 1;
            self.changed.extend(users.iter().map(|user| (*user, self.version)));
        }
    }

    pub(super) fn remove(&mut self, conversation: ConversationId, users: &[UserId]) {
        if self.checks > 0 {
            self.version += 1;
            self.removed.extend(users.iter().map(|user| ((conversation, *user), self.version)));
        }
    }

    /// Returns whether a user was removed from a conversation after a version.
    pub(super) fn is_removed_since(&self, version: u64, conversation: ConversationId, user: UserId) -> bool {
        self.removed.get(&(conversation, user)).is_some_and(|at| *at > version)
    }

    fn is_changed_since(&self, version: u64, viewer: UserId, user: UserId) -> bool {
        [viewer, user].iter().any(|one| self.changed.get(one).is_some_and(|at| *at > version))
    }
}

/// A check in the store of who may see whom, or who is a member of what. It begins before the store is read, and ends
/// when its result has been applied.
#[derive(Debug)]
pub struct VisibilityCheck {
    hub: Arc<Hub>,
    /// The version of the changes when it began.
    pub(super) since: u64,
}

impl VisibilityCheck {
    /// Returns whether the visibility of one of the two has changed since the check began.
    #[must_use]
    pub fn is_stale_for(&self, viewer: UserId, user: UserId) -> bool {
        self.hub.lock().changes.is_changed_since(self.since, viewer, user)
    }
}

impl Drop for VisibilityCheck {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.changes.checks -= 1;
        if state.changes.checks == 0 {
            state.changes.changed = HashMap::new();
            state.changes.removed = HashMap::new();
        }
    }
}

/// The result of subscribing a connection to a user's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// It is subscribed from now on.
    Added,
    /// It was subscribed already.
    Already,
    /// It is not, because the check is stale and must be repeated.
    Stale,
    /// It no longer watches that user.
    NotWatching,
}

/// What a connection watched before.
#[derive(Debug, Default)]
pub struct ReplacedWatches {
    /// The users that it watched before, for [`Hub::leave_presence_topics`].
    pub users: Vec<UserId>,
    /// Frames that were waiting then; they may be about these users, and so are written first.
    pub pending_frames: VecDeque<Bytes>,
}

/// What presence has to check soon.
#[derive(Debug, Default)]
pub struct PresenceQueue {
    pending: Mutex<PendingChecks>,
    wake: Notify,
}

/// The contents of the queue.
#[derive(Debug, Default)]
pub struct PendingChecks {
    /// Users whose presence may have changed.
    pub users: HashSet<UserId>,
    /// Watches that were suspended because the viewer may no longer see the user.
    pub recheck: HashSet<PresenceWatch>,
    /// Users for whom hidden watches may become visible.
    pub hidden: HashSet<UserId>,
}

impl PresenceQueue {
    /// Queues a user whose presence may have changed.
    pub fn user_changed(&self, user: UserId) {
        self.pending().users.insert(user);
        self.wake.notify_one();
    }

    fn recheck(&self, pairs: Vec<PresenceWatch>) {
        self.pending().recheck.extend(pairs);
        self.wake.notify_one();
    }

    /// Queues users for whom hidden watches may become visible.
    pub fn check_hidden(&self, users: &[UserId]) {
        if users.is_empty() {
            return;
        }
        self.pending().hidden.extend(users);
        self.wake.notify_one();
    }

    /// Puts back what could not be checked.
    pub fn put_back(&self, recheck: HashSet<PresenceWatch>, hidden: HashSet<UserId>) {
        let mut pending = self.pending();
        pending.recheck.extend(recheck);
        pending.hidden.extend(hidden);
    }

    /// Waits until something is queued.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Takes everything that is queued.
    #[must_use]
    pub fn take(&self) -> PendingChecks {
        std::mem::take(&mut *self.pending())
    }

    fn pending(&self) -> MutexGuard<'_, PendingChecks> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hide(connections: &mut HashMap<u64, HubConnection>, topics: &mut HashMap<Topic, Vec<u64>>, id: u64, user: UserId) {
    let Some(connection) = connections.get_mut(&id) else { return };
    for watch in connection.watched.iter_mut().filter(|watch| watch.user == user) {
        watch.is_subscribed = false;
    }
    leave(topics, &[Topic::Presence(user)], id);
}

impl Attached {
    /// Returns the connection's number on this node.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replaces the users that the connection watches; each is named once. It is subscribed to none of them before
    /// [`Hub::subscribe_presence`].
    #[must_use]
    pub fn replace_watches(&self, users: &[UserId]) -> ReplacedWatches {
        let mut state = self.hub.lock();
        let HubState { connections, topics, .. } = &mut *state;
        let Some(connection) = connections.get_mut(&self.id) else { return ReplacedWatches::default() };
        let watched = users.iter().map(|user| WatchedUser { user: *user, is_subscribed: false }).collect();
        let before = std::mem::replace(&mut connection.watched, watched);
        for watch in &before {
            leave(topics, &[Topic::Presence(watch.user)], self.id);
        }
        let pending_frames = connection.send_queue.take_ready();
        ReplacedWatches { users: before.into_iter().map(|watch| watch.user).collect(), pending_frames }
    }

    /// Returns the users that it is subscribed to.
    #[must_use]
    pub fn subscribed_users(&self) -> HashSet<UserId> {
        let state = self.hub.lock();
        let watched = state.connections.get(&self.id).map(|connection| connection.watched.iter());
        watched.into_iter().flatten().filter(|watch| watch.is_subscribed).map(|watch| watch.user).collect()
    }
}

impl Hub {
    /// Begins a check. Called before the store is read.
    #[must_use]
    pub fn begin_check(self: &Arc<Self>) -> VisibilityCheck {
        let mut state = self.lock();
        state.changes.checks += 1;
        VisibilityCheck { hub: self.clone(), since: state.changes.version }
    }

    /// Subscribes a connection to a user that it watches and may see according to the check.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn subscribe_presence(
        &self,
        check: &VisibilityCheck,
        id: u64,
        user: UserId,
    ) -> Result<Subscription, Unavailable> {
        let topic = Topic::Presence(user);
        {
            let mut state = self.lock();
            let HubState { connections, topics, changes, .. } = &mut *state;
            let Some(connection) = connections.get_mut(&id) else { return Ok(Subscription::NotWatching) };
            let watch = connection.watched.iter_mut().find(|watch| watch.user == user);
            let Some(watch) = watch else { return Ok(Subscription::NotWatching) };
            if watch.is_subscribed {
                return Ok(Subscription::Already);
            }
            if changes.is_changed_since(check.since, connection.user, user) {
                return Ok(Subscription::Stale);
            }
            watch.is_subscribed = true;
            topics.entry(topic).or_default().push(id);
        }
        let joined = self.join(topic).await;
        if joined.is_err() {
            self.unsubscribe_presence(id, user);
        }
        joined.map(|()| Subscription::Added)
    }

    /// Unsubscribes a connection from a user.
    pub fn unsubscribe_presence(&self, id: u64, user: UserId) {
        let mut state = self.lock();
        let HubState { connections, topics, .. } = &mut *state;
        hide(connections, topics, id, user);
    }

    /// Suspends all subscriptions of and to these users until it is checked who may still see whom.
    pub fn suspend_presence(&self, users: &[UserId]) {
        let mut state = self.lock();
        let HubState { connections, topics, changes, .. } = &mut *state;
        changes.add(users);
        let mut pairs = Vec::new();
        for &user in users {
            let own = topics.get(&Topic::User(user)).into_iter().flatten();
            for (id, connection) in own.filter_map(|id| Some((*id, connections.get(id)?))) {
                let seen = connection.watched.iter().filter(|watch| watch.is_subscribed);
                pairs.extend(seen.map(|watch| PresenceWatch { connection: id, viewer: user, user: watch.user }));
            }
            let watching = topics.get(&Topic::Presence(user)).into_iter().flatten();
            let watching = watching.filter_map(|id| Some((*id, connections.get(id)?.user)));
            pairs.extend(watching.map(|(connection, viewer)| PresenceWatch { connection, viewer, user }));
        }
        for pair in &pairs {
            hide(connections, topics, pair.connection, pair.user);
        }
        drop(state);
        if !pairs.is_empty() {
            self.presence_queue.recheck(pairs);
        }
    }

    /// Leaves the topics of those of the users that no connection is subscribed to.
    pub async fn leave_presence_topics(&self, users: impl Iterator<Item = UserId>) {
        self.leave_empty_topics(users.map(Topic::Presence).collect()).await;
    }

    /// Returns all users that connections of this node are subscribed to.
    #[must_use]
    pub fn presence_topics(&self) -> Vec<UserId> {
        let state = self.lock();
        let user = |topic: &Topic| if let Topic::Presence(user) = topic { Some(*user) } else { None };
        state.topics.keys().filter_map(user).collect()
    }

    /// Returns watches without a subscription: those of whole connections, in the order of their numbers, until there
    /// are `max`. The next call continues after the last connection, so that all are reached.
    #[must_use]
    pub fn hidden_watches(&self, max: usize) -> Vec<PresenceWatch> {
        let mut state = self.lock();
        let HubState { connections, hidden_watches_after, .. } = &mut *state;
        let after = *hidden_watches_after;
        let mut ids: Vec<u64> =
            connections.iter().filter(|(_, one)| !one.watched.is_empty()).map(|(id, _)| *id).collect();
        ids.sort_unstable_by_key(|id| (*id <= after, *id));
        let mut pairs = Vec::new();
        for id in ids {
            if pairs.len() >= max {
                break;
            }
            *hidden_watches_after = id;
            let Some(connection) = connections.get(&id) else { continue };
            let hidden = connection.watched.iter().filter(|watch| !watch.is_subscribed);
            pairs.extend(hidden.map(|watch| PresenceWatch {
                connection: id,
                viewer: connection.user,
                user: watch.user,
            }));
        }
        pairs
    }

    /// Returns watches without a subscription in which one of these users is the viewer or the watched user.
    #[must_use]
    pub fn hidden_watches_of(&self, users: &HashSet<UserId>) -> Vec<PresenceWatch> {
        let state = self.lock();
        let pairs = state.connections.iter().flat_map(|(id, connection)| {
            let is_own = users.contains(&connection.user);
            let hidden = connection
                .watched
                .iter()
                .filter(move |watch| !watch.is_subscribed && (is_own || users.contains(&watch.user)));
            hidden.map(|watch| PresenceWatch { connection: *id, viewer: connection.user, user: watch.user })
        });
        pairs.collect()
    }

    /// Sends a user's presence to one connection, if it is subscribed.
    pub fn send_presence(&self, pair: PresenceWatch, text: &Bytes) {
        self.send_if(pair, true, text);
    }

    /// Sends one connection that a user's presence is unknown, if it watches the user and is not subscribed.
    pub fn send_hidden(&self, pair: PresenceWatch, text: &Bytes) {
        self.send_if(pair, false, text);
    }

    fn send_if(&self, pair: PresenceWatch, is_subscribed: bool, text: &Bytes) {
        let state = self.lock();
        let Some(connection) = state.connections.get(&pair.connection) else { return };
        if connection.watched.iter().any(|watch| watch.user == pair.user && watch.is_subscribed == is_subscribed) {
            connection.send_queue.push(text, &self.limits);
        }
    }
}
