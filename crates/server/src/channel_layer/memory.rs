//! The channel layer within one process: publications are delivered to each node that has joined one of their topics.
//!
//! A server has one node. Tests add others on the same memory.

use super::{
    ChannelLayer, Deliver, LayerStatus, PresenceAnswer, PresenceEntry, Publication, Topic, Unavailable, UserPresence,
};
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{Epoch, UserId};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::watch, time::Instant};

/// Users whose entries are kept before expired ones are removed.
const SWEPT_FROM: usize = 1024;

/// One node's side of it; see the module documentation.
#[derive(Debug)]
pub struct MemoryLayer {
    shared: Arc<MemoryState>,
    /// The index of this node.
    node: usize,
    status: watch::Sender<LayerStatus>,
}

#[derive(Debug, Default)]
struct MemoryState {
    nodes: Mutex<Vec<Node>>,
    entries: Mutex<EntryTable>,
}

/// Each entry, and when it expires.
#[derive(Debug, Default)]
struct EntryTable {
    of: HashMap<UserId, HashMap<Epoch, (PresenceEntry, Instant)>>,
    /// The number of users at which expired entries are next removed.
    swept_at: usize,
}

impl EntryTable {
    fn sweep(&mut self, now: Instant) {
        if self.of.len() < self.swept_at.max(SWEPT_FROM) {
            return;
        }
        self.of.retain(|_, entries| {
            entries.retain(|_, (_, until)| *until > now);
            !entries.is_empty()
        });
        self.swept_at = self.of.len() * 2;
    }

    fn presence_of(&self, user: UserId, now: Instant) -> Option<UserPresence> {
        let entries = self.of.get(&user)?.values().filter(|(_, until)| *until > now).map(|(entry, _)| entry);
        let seen = entries.map(|entry| UserPresence { user, level: entry.level, last_seen_ms: entry.last_seen_ms });
        seen.reduce(|one, other| UserPresence {
            user,
            level: one.level.max(other.level),
            last_seen_ms: one.last_seen_ms.max(other.last_seen_ms),
        })
    }
}

#[derive(Default)]
struct Node {
    joined: HashSet<Topic>,
    deliver: Option<Deliver>,
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Node").field("joined", &self.joined).finish_non_exhaustive()
    }
}

impl Default for MemoryLayer {
    fn default() -> Self {
        Self::on(Arc::default())
    }
}

impl MemoryLayer {
    /// Creates another node on the same memory.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::on(self.shared.clone())
    }

    fn on(shared: Arc<MemoryState>) -> Self {
        let node = {
            let mut nodes = lock(&shared.nodes);
            nodes.push(Node::default());
            nodes.len() - 1
        };
        let status = LayerStatus { is_connected: true, is_publishing: true, interruptions: 0, entry_losses: 0 };
        Self { shared, node, status: watch::Sender::new(status) }
    }

    /// Returns which nodes receive a publication.
    fn shares(&self, publication: &Publication) -> Vec<(Deliver, Publication)> {
        let nodes = lock(&self.shared.nodes);
        let share = |node: &Node| {
            let topics: Vec<Topic> =
                publication.topics.iter().copied().filter(|topic| node.joined.contains(topic)).collect();
            let payload = publication.payload.clone();
            let deliver = node.deliver.as_ref().filter(|_| !topics.is_empty())?;
            Some((deliver.clone(), Publication { topics, payload }))
        };
        nodes.iter().filter_map(share).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChannelLayer for MemoryLayer {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        for publication in publications {
            for (deliver, share) in self.shares(&publication) {
                deliver(share);
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        lock(&self.shared.nodes)[self.node].joined.insert(topic);
        Box::pin(async { Ok(()) })
    }

    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        lock(&self.shared.nodes)[self.node].joined.remove(&topic);
        Box::pin(async { Ok(()) })
    }

    fn put_presence(&self, node: Epoch, entries: Vec<PresenceEntry>) -> BoxFuture<'_, Result<(), Unavailable>> {
        let now = Instant::now();
        let mut kept = lock(&self.shared.entries);
        for entry in entries {
            kept.of.entry(entry.user).or_default().insert(node, (entry, now + entry.expires_after));
        }
        kept.sweep(now);
        Box::pin(async { Ok(()) })
    }

    fn presence_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<PresenceAnswer, Unavailable>> {
        let now = Instant::now();
        let kept = lock(&self.shared.entries);
        let seen = users.into_iter().filter_map(|user| kept.presence_of(user, now)).collect();
        Box::pin(async { Ok(PresenceAnswer { users: seen, is_complete: true }) })
    }

    fn deliver_to(&self, deliver: Deliver) {
        lock(&self.shared.nodes)[self.node].deliver = Some(deliver);
    }

    fn status(&self) -> watch::Receiver<LayerStatus> {
        self.status.subscribe()
    }
}
