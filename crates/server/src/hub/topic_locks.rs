//! Locks under which topics are joined and left in the channel layer, so that a leave never undoes a later join.
//!
//! A holder waits for the layer and for nothing else. Topics share locks, so different topics sometimes wait for each
//! other, which costs them one call of the layer.

use crate::channel_layer::Topic;
use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 1024;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct TopicLocks(Box<[Mutex<()>]>);

impl Default for TopicLocks {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(LOCKS).collect())
    }
}

impl TopicLocks {
    /// Locks a topic until the guard is dropped.
    pub(super) async fn lock(&self, topic: Topic) -> MutexGuard<'_, ()> {
        let id = match topic {
            Topic::User(id) | Topic::Presence(id) | Topic::Host(id) | Topic::Rooms(id) => id.0,
            Topic::Conversation(id) => id.0,
            Topic::Nodes => 0,
        };
        self.0[usize::try_from(id.unsigned_abs() % LOCKS as u64).unwrap_or_default()].lock().await
    }
}
