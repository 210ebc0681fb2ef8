//! The channel layer within one process: publications are delivered to each node that has joined one of their topics.
//!
//! A server has one node. Tests add others on the same memory.

use super::{ChannelLayer, Deliver, LayerStatus, Publication, Seen, SeenUsers, Sign, Topic, Unavailable};
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{Epoch, UserId};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::watch, time::Instant};

/// Users whose signs are kept before expired ones are removed.
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
    signs: Mutex<SignTable>,
}

/// Each sign, and when it expires.
#[derive(Debug, Default)]
struct SignTable {
    of: HashMap<UserId, HashMap<Epoch, (Sign, Instant)>>,
    /// The number of users at which expired signs are next removed.
    swept_at: usize,
}

impl SignTable {
    fn sweep(&mut self, now: Instant) {
        if self.of.len() < self.swept_at.max(SWEPT_FROM) {
            return;
        }
        self.of.retain(|_, signs| {
            signs.retain(|_, (_, until)| *until > now);
            !signs.is_empty()
        });
        self.swept_at = self.of.len() * 2;
    }

    fn seen(&self, user: UserId, now: Instant) -> Option<Seen> {
        let signs = self.of.get(&user)?.values().filter(|(_, until)| *until > now).map(|(sign, _)| sign);
        let seen = signs.map(|sign| Seen { user, here: sign.here, seen_ms: sign.seen_ms });
        seen.reduce(|one, other| Seen { user, here: one.here.max(other.here), seen_ms: one.seen_ms.max(other.seen_ms) })
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
        let status = LayerStatus { is_connected: true, is_publishing: true, interruptions: 0, sign_losses: 0 };
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

    fn say(&self, node: Epoch, signs: Vec<Sign>) -> BoxFuture<'_, Result<(), Unavailable>> {
        let now = Instant::now();
        let mut kept = lock(&self.shared.signs);
        for sign in signs {
            kept.of.entry(sign.user).or_default().insert(node, (sign, now + sign.lasts));
        }
        kept.sweep(now);
        Box::pin(async { Ok(()) })
    }

    fn seen(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<SeenUsers, Unavailable>> {
        let now = Instant::now();
        let kept = lock(&self.shared.signs);
        let seen = users.into_iter().filter_map(|user| kept.seen(user, now)).collect();
        Box::pin(async { Ok(SeenUsers { seen, is_complete: true }) })
    }

    fn deliver_to(&self, deliver: Deliver) {
        lock(&self.shared.nodes)[self.node].deliver = Some(deliver);
    }

    fn status(&self) -> watch::Receiver<LayerStatus> {
        self.status.subscribe()
    }
}
