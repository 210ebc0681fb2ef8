//! One at a time joins or leaves a topic in the channel layer, so that a leave never undoes a later join.
//!
//! Whoever has a turn waits for the layer, and for nothing else. Topics share a few turns: those of different topics
//! then wait for each other at times, which costs them one call of the layer.

use crate::channel_layer::Topic;
use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct TopicLocks([Mutex<()>; LOCKS]);

impl Default for TopicLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl TopicLocks {
    /// Waits for the topic's turn, which ends with the guard.
    pub(super) async fn lock(&self, topic: Topic) -> MutexGuard<'_, ()> {
        let id = match topic {
            Topic::User(id) | Topic::Presence(id) => id.0,
            Topic::Conversation(id) => id.0,
            Topic::Nodes => 0,
        };
        self.0[usize::try_from(id.unsigned_abs() % LOCKS as u64).unwrap_or_default()].lock().await
    }
}
