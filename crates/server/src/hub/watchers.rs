//! Which connections of this node are told whether a person is here.
//!
//! Invariants: a connection is in the topic `presence:…` of a person only while its own person may see that one, and
//! leaves it before anything is told from which this may follow no longer; whoever looks after them then asks the store
//! anew. An answer of the store counts only while nobody came into doubt since it was asked for. Absent on purpose: the
//! asking (it is `presence`'s).

use super::{Attached, Connection, Hub, Inner, leave};
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
pub(super) struct Watch {
    pub(super) user: UserId,
    /// The connection is in the topic.
    is_seen: bool,
}

/// A connection, whose it is, and one whom it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The connection.
    pub connection: u64,
    /// Whose it is.
    pub watcher: UserId,
    /// Whom it watches.
    pub user: UserId,
}

/// About whom it came into doubt whom they may see, or who may see them, and who was removed from what, while the store
/// was being asked.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    count: u64,
    inquiries: usize,
    /// Each with the last doubt; forgotten when nobody asks.
    of: HashMap<UserId, u64>,
    /// Each with the last removal; forgotten likewise.
    removed: HashMap<(ConversationId, UserId), u64>,
}

impl Doubts {
    fn add(&mut self, users: &[UserId]) {
        if self.inquiries > 0 {
            self.count += 1;
            self.of.extend(users.iter().map(|user| (*user, self.count)));
        }
    }

    pub(super) fn remove(&mut self, conversation: ConversationId, users: &[UserId]) {
        if self.inquiries > 0 {
            self.count += 1;
            self.removed.extend(users.iter().map(|user| ((conversation, *user), self.count)));
        }
    }

    /// Whether somebody was removed after so many doubts.
    pub(super) fn is_removed_since(&self, count: u64, conversation: ConversationId, user: UserId) -> bool {
        self.removed.get(&(conversation, user)).is_some_and(|at| *at > count)
    }

    fn is_since(&self, count: u64, watcher: UserId, user: UserId) -> bool {
        [watcher, user].iter().any(|one| self.of.get(one).is_some_and(|at| *at > count))
    }
}

/// A question to the store of who may see whom, or who is in what. It begins before the store is asked, and ends with
/// what follows from the answer.
#[derive(Debug)]
pub struct Inquiry {
    hub: Arc<Hub>,
    /// So many doubts came before.
    pub(super) after: u64,
}

impl Inquiry {
    /// Whether the answer about these two may be old: something came since from which another may follow.
    #[must_use]
    pub fn is_doubted(&self, watcher: UserId, user: UserId) -> bool {
        self.hub.lock().doubts.is_since(self.after, watcher, user)
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        let mut inner = self.hub.lock();
        inner.doubts.inquiries -= 1;
        if inner.doubts.inquiries == 0 {
            inner.doubts.of = HashMap::new();
            inner.doubts.removed = HashMap::new();
        }
    }
}

/// What came of putting a connection into a person's topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in the topic from now on.
    Now,
    /// It was before.
    Before,
    /// It is not: the store is to be asked anew.
    Doubted,
    /// It does not watch that one any more.
    Elsewhere,
}

/// What another set of watched people took the place of.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Those whom the connection watched before, for [`Hub::leave_unwatched`].
    pub before: Vec<UserId>,
    /// What was to be written until then; it may tell of these, and so goes out first.
    pub waiting: VecDeque<Bytes>,
}

/// What the task of presence is to look at soon.
#[derive(Debug, Default)]
pub struct Agenda {
    urgent: Mutex<Urgent>,
    wake: Notify,
}

/// What is on the agenda.
#[derive(Debug, Default)]
pub struct Urgent {
    /// People about whom something is news.
    pub users: HashSet<UserId>,
    /// Those who may see each other no longer.
    pub suspects: HashSet<Pair>,
    /// Who may now see those, or be seen by those, with whom that was not so.
    pub unseen: HashSet<UserId>,
}

impl Agenda {
    /// Something about this person changed.
    pub fn look_at(&self, user: UserId) {
        self.urgent().users.insert(user);
        self.wake.notify_one();
    }

    fn suspect(&self, pairs: Vec<Pair>) {
        self.urgent().suspects.extend(pairs);
        self.wake.notify_one();
    }

    /// These may now see, and be seen by, whoever was hidden from them.
    pub fn look_at_unseen(&self, users: &[UserId]) {
        if users.is_empty() {
            return;
        }
        self.urgent().unseen.extend(users);
        self.wake.notify_one();
    }

    /// These could not be looked at; the next look takes them.
    pub fn put_back(&self, suspects: HashSet<Pair>, unseen: HashSet<UserId>) {
        let mut urgent = self.urgent();
        urgent.suspects.extend(suspects);
        urgent.unseen.extend(unseen);
    }

    /// Waits until there is something.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes what there is.
    #[must_use]
    pub fn take(&self) -> Urgent {
        std::mem::take(&mut *self.urgent())
    }

    fn urgent(&self) -> MutexGuard<'_, Urgent> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hide(connections: &mut HashMap<u64, Connection>, topics: &mut HashMap<Topic, Vec<u64>>, id: u64, user: UserId) {
    let Some(connection) = connections.get_mut(&id) else { return };
    for watch in connection.watched.iter_mut().filter(|watch| watch.user == user) {
        watch.is_seen = false;
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
    pub fn watch(&self, users: &[UserId]) -> Replaced {
        let mut inner = self.hub.lock();
        let Inner { connections, topics, .. } = &mut *inner;
        let Some(connection) = connections.get_mut(&self.id) else { return Replaced::default() };
        let watched = users.iter().map(|user| Watch { user: *user, is_seen: false }).collect();
        let before = std::mem::replace(&mut connection.watched, watched);
        for watch in &before {
            leave(topics, &[Topic::Presence(watch.user)], self.id);
        }
        let waiting = connection.outbox.take_ready();
        Replaced { before: before.into_iter().map(|watch| watch.user).collect(), waiting }
    }

    /// Whom it watches and is told of.
    #[must_use]
    pub fn told_of(&self) -> HashSet<UserId> {
        let inner = self.hub.lock();
        let watched = inner.connections.get(&self.id).map(|connection| connection.watched.iter());
        watched.into_iter().flatten().filter(|watch| watch.is_seen).map(|watch| watch.user).collect()
    }
}

impl Hub {
    /// Begins to ask the store.
    #[must_use]
    pub fn inquire(self: &Arc<Self>) -> Inquiry {
        let mut inner = self.lock();
        inner.doubts.inquiries += 1;
        Inquiry { hub: self.clone(), after: inner.doubts.count }
    }

    /// Puts a connection that watches a person into that one's topic, for the store said that it may be.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn see(&self, inquiry: &Inquiry, id: u64, user: UserId) -> Result<Entered, Unavailable> {
        let topic = Topic::Presence(user);
        {
            let mut inner = self.lock();
            let Inner { connections, topics, doubts, .. } = &mut *inner;
            let Some(connection) = connections.get_mut(&id) else { return Ok(Entered::Elsewhere) };
            let watch = connection.watched.iter_mut().find(|watch| watch.user == user);
            let Some(watch) = watch else { return Ok(Entered::Elsewhere) };
            if watch.is_seen {
                return Ok(Entered::Before);
            }
            if doubts.is_since(inquiry.after, connection.user, user) {
                return Ok(Entered::Doubted);
            }
            watch.is_seen = true;
            topics.entry(topic).or_default().push(id);
        }
        let joined = self.join(topic).await;
        if joined.is_err() {
            self.unsee(id, user);
        }
        joined.map(|()| Entered::Now)
    }

    /// Takes a connection out of the topic of a person.
    pub fn unsee(&self, id: u64, user: UserId) {
        let mut inner = self.lock();
        let Inner { connections, topics, .. } = &mut *inner;
        hide(connections, topics, id, user);
    }

    /// Tells nobody any more of these people, and these of nobody, until it is known who may still see whom.
    pub fn suspect(&self, users: &[UserId]) {
        let mut inner = self.lock();
        let Inner { connections, topics, doubts, .. } = &mut *inner;
        doubts.add(users);
        let mut pairs = Vec::new();
        for &user in users {
            let own = topics.get(&Topic::User(user)).into_iter().flatten();
            for (id, connection) in own.filter_map(|id| Some((*id, connections.get(id)?))) {
                let seen = connection.watched.iter().filter(|watch| watch.is_seen);
                pairs.extend(seen.map(|watch| Pair { connection: id, watcher: user, user: watch.user }));
            }
            let watching = topics.get(&Topic::Presence(user)).into_iter().flatten();
            let watching = watching.filter_map(|id| Some((*id, connections.get(id)?.user)));
            pairs.extend(watching.map(|(connection, watcher)| Pair { connection, watcher, user }));
        }
        for pair in &pairs {
            hide(connections, topics, pair.connection, pair.user);
        }
        drop(inner);
        if !pairs.is_empty() {
            self.agenda.suspect(pairs);
        }
    }

    /// Leaves the topics of those whom nobody here is told of any more.
    pub async fn leave_unwatched(&self, users: impl Iterator<Item = UserId>) {
        self.left(users.map(Topic::Presence).collect()).await;
    }

    /// Everybody whom connections of this node are told of.
    #[must_use]
    pub fn watched(&self) -> Vec<UserId> {
        let inner = self.lock();
        let user = |topic: &Topic| if let Topic::Presence(user) = topic { Some(*user) } else { None };
        inner.topics.keys().filter_map(user).collect()
    }

    /// Whom connections watch and are not told of: of whole connections, in the order of their numbers, until there are
    /// so many pairs; the next call goes on after the last, so that everybody's turn comes.
    #[must_use]
    pub fn unseen(&self, most: usize) -> Vec<Pair> {
        let mut inner = self.lock();
        let Inner { connections, unseen_to, .. } = &mut *inner;
        let after = *unseen_to;
        let mut ids: Vec<u64> =
            connections.iter().filter(|(_, one)| !one.watched.is_empty()).map(|(id, _)| *id).collect();
        ids.sort_unstable_by_key(|id| (*id <= after, *id));
        let mut pairs = Vec::new();
        for id in ids {
            if pairs.len() >= most {
                break;
            }
            *unseen_to = id;
            let Some(connection) = connections.get(&id) else { continue };
            let unseen = connection.watched.iter().filter(|watch| !watch.is_seen);
            pairs.extend(unseen.map(|watch| Pair { connection: id, watcher: connection.user, user: watch.user }));
        }
        pairs
    }

    /// Whom connections watch and are not told of, where one of these people watches or is watched.
    #[must_use]
    pub fn unseen_with(&self, users: &HashSet<UserId>) -> Vec<Pair> {
        let inner = self.lock();
        let pairs = inner.connections.iter().flat_map(|(id, connection)| {
            let is_own = users.contains(&connection.user);
            let unseen = connection
                .watched
                .iter()
                .filter(move |watch| !watch.is_seen && (is_own || users.contains(&watch.user)));
            unseen.map(|watch| Pair { connection: *id, watcher: connection.user, user: watch.user })
        });
        pairs.collect()
    }

    /// Tells one connection how somebody is whom it watches, if it is told of that one now.
    pub fn tell(&self, pair: Pair, text: &Bytes) {
        self.tell_where(pair, true, text);
    }

    /// Tells one connection that it is not told of somebody whom it watches, if that is so now.
    pub fn tell_nothing_of(&self, pair: Pair, text: &Bytes) {
        self.tell_where(pair, false, text);
    }

    fn tell_where(&self, pair: Pair, is_seen: bool, text: &Bytes) {
        let inner = self.lock();
        let Some(connection) = inner.connections.get(&pair.connection) else { return };
        if connection.watched.iter().any(|watch| watch.user == pair.user && watch.is_seen == is_seen) {
            connection.outbox.push(text, &self.limits);
        }
    }
}
