//! Subscribes to what this node has joined, and receives.
//!
//! Invariants: while the layer is connected, a topic is joined in Redis before `join` returns; the layer is connected
//! only once every joined topic is; each loss of the connection counts as an interruption before anything is received
//! again.

use super::{super::Topic, RedisState};
use crate::redis_server::{Backoff, TIMEOUT};
use futures_util::StreamExt as _;
use redis::{ErrorKind, RedisError, aio::PubSubSink};
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

/// How often the connection is checked.
const CHECK: Duration = Duration::from_secs(2);
/// Topics in one command.
const TOPICS_PER_COMMAND: usize = 1000;
/// Publishers whose last number is remembered. Beyond it, all are forgotten: at worst a publication arrives twice.
const PUBLISHERS_MAX: usize = 10_000;

/// A topic that was joined or left; [`super::Topics`] has which of the two.
#[derive(Debug)]
pub(super) struct TopicChange {
    pub topic: Topic,
    /// Answered when Redis has carried it out; dropped if Redis is away.
    pub done: Option<oneshot::Sender<()>>,
}

/// Receives until the task is aborted.
pub(super) async fn run(shared: Arc<RedisState>, mut requests: mpsc::UnboundedReceiver<TopicChange>) {
    let mut backoff = Backoff::new();
    let mut numbers = HashMap::new();
    loop {
        let Err(cause) = receive(&shared, &mut requests, &mut backoff, &mut numbers).await;
        shared.disconnect(&cause);
        // Nobody waits for a Redis that is away.
        while requests.try_recv().is_ok() {}
        backoff.pause(&shared.environment).await;
    }
}

async fn receive(
    shared: &RedisState,
    requests: &mut mpsc::UnboundedReceiver<TopicChange>,
    backoff: &mut Backoff,
    numbers: &mut HashMap<u64, u64>,
) -> Result<Infallible, RedisError> {
    let (sink, mut messages) = within(shared.client.get_async_pubsub()).await?.split();
    let mut subscriptions = TopicSubscriptions { shared, sink, topics: HashSet::new() };
    while let Some(missing) = shared.missing(&subscriptions.topics) {
        subscriptions.subscribe(&missing).await?;
    }
    subscriptions.leave_surplus().await?;
    shared.receiving.end();
    let mut check = interval(CHECK);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            message = messages.next() => {
                let message = message.ok_or_else(|| RedisError::from((ErrorKind::Io, "the connection has ended")))?;
                shared.receive(message.get_payload_bytes(), numbers);
            }
            _ = requests.recv_many(&mut batch, TOPICS_PER_COMMAND) => {
                subscriptions.update(&batch).await?;
                for request in batch.drain(..) {
                    if let Some(done) = request.done {
                        // It may have been given up.
                        let _ = done.send(());
                    }
                }
            }
            _ = check.tick() => {
                within(subscriptions.sink.ping::<redis::Value>()).await?;
                backoff.reset();
            }
        }
    }
}

/// What is subscribed on one connection.
struct TopicSubscriptions<'a> {
    shared: &'a RedisState,
    sink: PubSubSink,
    topics: HashSet<Topic>,
}

impl TopicSubscriptions<'_> {
    async fn subscribe(&mut self, topics: &[Topic]) -> Result<(), RedisError> {
        let channels: Vec<String> = topics.iter().map(|topic| self.shared.channel(*topic)).collect();
        within(self.sink.subscribe(&channels)).await?;
        self.topics.extend(topics);
        Ok(())
    }

    async fn update(&mut self, requests: &[TopicChange]) -> Result<(), RedisError> {
        let (mut coming, mut going) = (HashSet::new(), HashSet::new());
        {
            let wanted = self.shared.topics();
            for TopicChange { topic, .. } in requests {
                match (wanted.joined.contains(topic), self.topics.contains(topic)) {
                    (true, false) => drop(coming.insert(*topic)),
                    (false, true) => drop(going.insert(*topic)),
                    _ => {}
                }
            }
        }
        if !coming.is_empty() {
            self.subscribe(&coming.into_iter().collect::<Vec<_>>()).await?;
        }
        self.unsubscribe(&going).await
    }

    async fn unsubscribe(&mut self, topics: &HashSet<Topic>) -> Result<(), RedisError> {
        if topics.is_empty() {
            return Ok(());
        }
        let channels: Vec<String> = topics.iter().map(|topic| self.shared.channel(*topic)).collect();
        within(self.sink.unsubscribe(&channels)).await?;
        self.topics.retain(|topic| !topics.contains(topic));
        Ok(())
    }

    /// Leaves what was left here while the layer connected.
    async fn leave_surplus(&mut self) -> Result<(), RedisError> {
        let surplus = self.topics.difference(&self.shared.topics().joined).copied().collect();
        self.unsubscribe(&surplus).await
    }
}

impl RedisState {
    /// Returns some of the joined topics that are not subscribed. If there are none, the layer is connected.
    fn missing(&self, subscribed: &HashSet<Topic>) -> Option<Vec<Topic>> {
        let mut topics = self.topics();
        let missing: Vec<Topic> = topics.joined.difference(subscribed).copied().take(TOPICS_PER_COMMAND).collect();
        if missing.is_empty() {
            // Entries could not be renewed meanwhile, and Redis may have come back empty.
            self.note_lost_entries();
            topics.is_connected = true;
            self.status.send_modify(|status| {
                status.is_connected = true;
                status.entry_losses += 1;
            });
            return None;
        }
        Some(missing)
    }

    fn disconnect(&self, cause: &RedisError) {
        self.topics().is_connected = false;
        self.status.send_if_modified(|status| {
            let was_connected = std::mem::replace(&mut status.is_connected, false);
            status.interruptions += u64::from(was_connected);
            was_connected
        });
        self.receiving.begin(cause);
    }

    /// Delivers what another node has published, unless a copy of it was delivered before.
    fn receive(&self, bytes: &[u8], numbers: &mut HashMap<u64, u64>) {
        let Ok(frame) = self.codec.decode(bytes) else {
            tracing::warn!("a message in Redis is of another version, or encrypted with another key");
            return;
        };
        if frame.publisher == self.publisher {
            return;
        }
        if numbers.len() >= PUBLISHERS_MAX {
            numbers.clear();
        }
        let last = numbers.entry(frame.publisher).or_default();
        if frame.number <= *last {
            return;
        }
        *last = frame.number;
        self.deliver_joined(&frame.publication);
    }
}

async fn within<T>(work: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    timeout(TIMEOUT, work).await.unwrap_or_else(|_| Err((ErrorKind::Io, "the server does not answer in time").into()))
}
