//! Which connections of this node are told whether a person is here.
//!
//! Invariants: a connection is in the topic `presence:…` of a person only while its own person may see that one, and
//! leaves it before anything is told from which this may follow no longer; whoever looks after them then asks the store
//! anew. Absent on purpose: the asking (it is `presence`'s).

use super::{Attached, Connection, Hub, Inner, leave};
use crate::channel_layer::{Topic, Unavailable};
use bytes::Bytes;
use parlor_protocol::ids::UserId;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
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
        self.urgent().unseen.extend(users);
        self.wake.notify_one();
    }

    /// These could not be looked at; the next look takes them.
    pub fn put_back(&self, suspects: HashSet<Pair>) {
        self.urgent().suspects.extend(suspects);
    }

    /// Wakes the task for what it knows itself.
    pub fn wake(&self) {
        self.wake.notify_one();
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

fn hide(
    connections: &mut HashMap<u64, Connection>,
    topics: &mut HashMap<Topic, Vec<u64>>,
    id: u64,
    user: UserId,
) -> Vec<Topic> {
    let Some(connection) = connections.get_mut(&id) else { return Vec::new() };
    for watch in connection.watched.iter_mut().filter(|watch| watch.user == user) {
        watch.is_seen = false;
    }
    leave(topics, &[Topic::Presence(user)], id)
}

impl Attached {
    /// The connection's number on this node.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Replaces the people whom the connection watches; each is named once. Of those in `seen` it is told from the
    /// return on. The caller has checked that the connection's person may see these, and checks it again after.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn watch(&self, users: &[UserId], seen: &HashSet<UserId>) -> Result<(), Unavailable> {
        let emptied = {
            let mut inner = self.hub.lock();
            let Some(connection) = inner.connections.get_mut(&self.id) else { return Ok(()) };
            let watched = users.iter().map(|user| Watch { user: *user, is_seen: false }).collect();
            let before = std::mem::replace(&mut connection.watched, watched);
            let gone: Vec<Topic> = before.iter().map(|watch| Topic::Presence(watch.user)).collect();
            leave(&mut inner.topics, &gone, self.id)
        };
        for user in users.iter().filter(|user| seen.contains(user)) {
            self.hub.see(self.id, *user).await?;
        }
        self.hub.left(emptied).await;
        Ok(())
    }
}

impl Hub {
    /// Puts a connection that watches a person into that one's topic. Says whether it is there now and was not before.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn see(&self, id: u64, user: UserId) -> Result<bool, Unavailable> {
        let topic = Topic::Presence(user);
        {
            let mut inner = self.lock();
            let Some(connection) = inner.connections.get_mut(&id) else { return Ok(false) };
            let Some(watch) = connection.watched.iter_mut().find(|watch| watch.user == user) else { return Ok(false) };
            if std::mem::replace(&mut watch.is_seen, true) {
                return Ok(false);
            }
            inner.topics.entry(topic).or_default().push(id);
        }
        self.layer.join(topic).await?;
        Ok(true)
    }

    /// Takes a connection out of the topic of a person whom its own may not see after all.
    pub async fn unsee(&self, id: u64, user: UserId) {
        let emptied = {
            let mut inner = self.lock();
            let Inner { connections, topics, .. } = &mut *inner;
            hide(connections, topics, id, user)
        };
        self.left(emptied).await;
    }

    /// Tells nobody any more of these people, and these of nobody, until it is known who may still see whom.
    pub fn suspect(&self, users: &[UserId]) {
        let mut inner = self.lock();
        let Inner { connections, topics, .. } = &mut *inner;
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

    /// Tells one connection what it is to know of somebody whom it watches.
    pub fn tell(&self, pair: Pair, text: &Bytes) {
        let inner = self.lock();
        let Some(connection) = inner.connections.get(&pair.connection) else { return };
        if connection.watched.iter().any(|watch| watch.user == pair.user) {
            connection.outbox.push(text, &self.limits);
        }
    }
}
