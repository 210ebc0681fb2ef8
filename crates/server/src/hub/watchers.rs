//! Which connections of this node are told whether a person is here.
//!
//! Invariants: a connection is in the topic `presence:…` of a person only while its own person may see that one, and
//! leaves it before anything is told from which this may follow no longer; whoever looks after them then asks the store
//! anew. An answer of the store counts only while nobody came into doubt since it was asked for. Absent on purpose: the
//! asking (it is `presence`'s).

use super::{Attached, Hub, HubConnection, HubState, leave};
use crate::channel_layer::{Topic, Unavailable};
use bytes::Bytes;
use parlor_protocol::ids::{ConversationId, UserId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// A person on a connection's screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchedUser {
    pub(super) user: UserId,
    /// The connection is in the topic.
    is_subscribed: bool,
}

/// A connection, whose it is, and one whom it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PresenceWatch {
    /// The connection.
    pub connection: u64,
    /// Whose it is.
    pub viewer: UserId,
    /// Whom it watches.
    pub user: UserId,
}

/// About whom it came into doubt whom they may see, or who may see them, and who was removed from what, while the store
/// was being asked.
#[derive(Debug, Default)]
pub(super) struct VisibilityChanges {
    version: u64,
    checks: usize,
    /// Each with the last doubt; forgotten when nobody asks.
    changed: HashMap<UserId, u64>,
    /// Each with the last removal; forgotten likewise.
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

    /// Whether somebody was removed after so many doubts.
    pub(super) fn is_removed_since(&self, version: u64, conversation: ConversationId, user: UserId) -> bool {
        self.removed.get(&(conversation, user)).is_some_and(|at| *at > version)
    }

    fn is_changed_since(&self, version: u64, viewer: UserId, user: UserId) -> bool {
        [viewer, user].iter().any(|one| self.changed.get(one).is_some_and(|at| *at > version))
    }
}

/// A question to the store of who may see whom, or who is in what. It begins before the store is asked, and ends with
/// what follows from the answer.
#[derive(Debug)]
pub struct VisibilityCheck {
    hub: Arc<Hub>,
    /// So many doubts came before.
    pub(super) since: u64,
}

impl VisibilityCheck {
    /// Whether the answer about these two may be old: something came since from which another may follow.
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

/// What came of putting a connection into a person's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// It is in the topic from now on.
    Added,
    /// It was before.
    Already,
    /// It is not: the store is to be asked anew.
    Stale,
    /// It does not watch that one any more.
    NotWatching,
}

/// What another set of watched people took the place of.
#[derive(Debug, Default)]
pub struct ReplacedWatches {
    /// Those whom the connection watched before, for [`Hub::leave_unwatched`].
    pub users: Vec<UserId>,
    /// What was to be written until then; it may tell of these, and so goes out first.
    pub pending_frames: VecDeque<Bytes>,
}

/// What the task of presence is to look at soon.
#[derive(Debug, Default)]
pub struct PresenceQueue {
    pending: Mutex<PendingChecks>,
    wake: Notify,
}

/// What is on the agenda.
#[derive(Debug, Default)]
pub struct PendingChecks {
    /// People about whom something is news.
    pub users: HashSet<UserId>,
    /// Those who may see each other no longer.
    pub recheck: HashSet<PresenceWatch>,
    /// Who may now see those, or be seen by those, with whom that was not so.
    pub hidden: HashSet<UserId>,
}

impl PresenceQueue {
    /// Something about this person changed.
    pub fn user_changed(&self, user: UserId) {
        self.pending().users.insert(user);
        self.wake.notify_one();
    }

    fn recheck(&self, pairs: Vec<PresenceWatch>) {
        self.pending().recheck.extend(pairs);
        self.wake.notify_one();
    }

    /// These may now see, and be seen by, whoever was hidden from them.
    pub fn check_hidden(&self, users: &[UserId]) {
        if users.is_empty() {
            return;
        }
        self.pending().hidden.extend(users);
        self.wake.notify_one();
    }

    /// These could not be looked at; the next look takes them.
    pub fn put_back(&self, recheck: HashSet<PresenceWatch>, hidden: HashSet<UserId>) {
        let mut pending = self.pending();
        pending.recheck.extend(recheck);
        pending.hidden.extend(hidden);
    }

    /// Waits until there is something.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Takes what there is.
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
    /// The connection's number on this node.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replaces the people whom the connection watches; each is named once. It is told of none of them before
    /// [`Hub::see`].
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
        let pending_frames = connection.outbox.take_ready();
        ReplacedWatches { users: before.into_iter().map(|watch| watch.user).collect(), pending_frames }
    }

    /// Whom it watches and is told of.
    #[must_use]
    pub fn subscribed_users(&self) -> HashSet<UserId> {
        let state = self.hub.lock();
        let watched = state.connections.get(&self.id).map(|connection| connection.watched.iter());
        watched.into_iter().flatten().filter(|watch| watch.is_subscribed).map(|watch| watch.user).collect()
    }
}

impl Hub {
    /// Begins to ask the store.
    #[must_use]
    pub fn begin_check(self: &Arc<Self>) -> VisibilityCheck {
        let mut state = self.lock();
        state.changes.checks += 1;
        VisibilityCheck { hub: self.clone(), since: state.changes.version }
    }

    /// Puts a connection that watches a person into that one's topic, for the store said that it may be.
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

    /// Takes a connection out of the topic of a person.
    pub fn unsubscribe_presence(&self, id: u64, user: UserId) {
        let mut state = self.lock();
        let HubState { connections, topics, .. } = &mut *state;
        hide(connections, topics, id, user);
    }

    /// Tells nobody any more of these people, and these of nobody, until it is known who may still see whom.
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

    /// Leaves the topics of those whom nobody here is told of any more.
    pub async fn leave_presence_topics(&self, users: impl Iterator<Item = UserId>) {
        self.leave_empty_topics(users.map(Topic::Presence).collect()).await;
    }

    /// Everybody whom connections of this node are told of.
    #[must_use]
    pub fn presence_topics(&self) -> Vec<UserId> {
        let state = self.lock();
        let user = |topic: &Topic| if let Topic::Presence(user) = topic { Some(*user) } else { None };
        state.topics.keys().filter_map(user).collect()
    }

    /// Whom connections watch and are not told of: of whole connections, in the order of their numbers, until there are
    /// so many pairs; the next call goes on after the last, so that everybody's turn comes.
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

    /// Whom connections watch and are not told of, where one of these people watches or is watched.
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

    /// Tells one connection how somebody is whom it watches, if it is told of that one now.
    pub fn send_presence(&self, pair: PresenceWatch, text: &Bytes) {
        self.send_if(pair, true, text);
    }

    /// Tells one connection that it is not told of somebody whom it watches, if that is so now.
    pub fn send_hidden(&self, pair: PresenceWatch, text: &Bytes) {
        self.send_if(pair, false, text);
    }

    fn send_if(&self, pair: PresenceWatch, is_subscribed: bool, text: &Bytes) {
        let state = self.lock();
        let Some(connection) = state.connections.get(&pair.connection) else { return };
        if connection.watched.iter().any(|watch| watch.user == pair.user && watch.is_subscribed == is_subscribed) {
            connection.outbox.push(text, &self.limits);
        }
    }
}
