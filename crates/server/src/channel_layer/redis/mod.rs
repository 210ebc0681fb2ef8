//! The channel layer over the pub/sub of one Redis server (6.2 or later) or Valkey.
//!
//! Each topic is a channel. What this node publishes reaches its own connections at once and without Redis; other
//! nodes receive it through Redis, once: copies that arrive through further topics are recognised by their number.
//! Publications to many topics, and those to all nodes, go through the channel of the nodes alone.
//!
//! Invariants: nothing waits for a Redis that does not answer for longer than its timeout; while it is away, joining
//! succeeds and publishing fails at once, and [`super::LayerStatus`] says so; what waits to be published is bounded.
//! Absent on purpose: queues in Redis, acknowledgements, retries. What is lost is found in the store.

mod frame;
mod presence;
mod publisher;
mod subscriber;

use super::{ChannelLayer, Deliver, LayerStatus, PresenceAnswer, PresenceEntry, Publication, Topic, Unavailable};
use crate::{environment::Environment, redis_server::Outage, supervisor::Supervisor};
use frame::FrameCodec;
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{Epoch, UserId};
use presence::RedisPresence;
use publisher::PublishQueue;
use redis::Client;
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use subscriber::TopicChange;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

/// Publications to more topics than this go through the channel of the nodes, so that no node receives many copies.
const OWN_CHANNELS_MAX: usize = 8;

/// What the layer needs.
#[derive(Clone)]
pub struct RedisLayerOptions {
    /// The server: `redis://`, `rediss://` or `unix://`. It may contain a password.
    pub url: String,
    /// The beginning of the names of all channels and keys.
    pub prefix: String,
    /// The texts from which keys are made. The first encrypts, each decrypts; without any, nothing is encrypted.
    pub encryption_keys: Vec<String>,
    /// Time and chance.
    pub environment: Environment,
}

/// See the module documentation.
#[derive(Debug)]
pub struct RedisLayer {
    shared: Arc<RedisState>,
    entries: RedisPresence,
    requests: mpsc::UnboundedSender<TopicChange>,
    queue: PublishQueue,
    tasks: [JoinHandle<()>; 2],
}

/// What the layer and its tasks share.
struct RedisState {
    client: Client,
    prefix: String,
    codec: FrameCodec,
    publisher: u64,
    topics: Mutex<Topics>,
    deliver: Mutex<Option<Deliver>>,
    status: watch::Sender<LayerStatus>,
    /// Whether this node receives.
    receiving: Outage,
    /// Whether this node publishes.
    publishing: Outage,
    /// Whether this node writes and reads entries.
    entries: Outage,
    /// When entries were last lost.
    entries_lost: Mutex<Option<Instant>>,
    environment: Environment,
}

/// What this node has joined.
#[derive(Debug, Default)]
struct Topics {
    joined: HashSet<Topic>,
    /// Whether joining waits for Redis. Otherwise Redis is away, and topics are joined in it when it is back.
    is_connected: bool,
}

impl fmt::Debug for RedisState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisState").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisLayer {
    /// Starts the layer. It connects by itself, now or when Redis is there.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn start(options: RedisLayerOptions, supervisor: &Supervisor) -> Result<Self, Unavailable> {
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let RedisLayerOptions { url, prefix, encryption_keys, environment } = options;
        let client = Client::open(url).map_err(|cause| Unavailable(format!("channel_layer.url: {cause}")))?;
        let shared = Arc::new(RedisState {
            prefix,
            codec: FrameCodec::new(&encryption_keys, environment.clone()),
            publisher: u64::from_le_bytes(environment.random()),
            topics: Mutex::default(),
            deliver: Mutex::default(),
            status: watch::Sender::new(LayerStatus { is_publishing: true, ..LayerStatus::default() }),
            receiving: Outage::new("receiving from other nodes", 1),
            publishing: Outage::new("publishing to other nodes", 1),
            entries: Outage::new("presence", 1),
            entries_lost: Mutex::default(),
            client,
            environment,
        });
        let (requests, requested) = mpsc::unbounded_channel();
        let (queue, queued) = publisher::queue();
        let tasks = [
            supervisor.run("channel layer subscriber", subscriber::run(shared.clone(), requested)),
            supervisor.run("channel layer publisher", publisher::run(shared.clone(), queued)),
        ];
        Ok(Self { entries: RedisPresence::new(shared.clone()), shared, requests, queue, tasks })
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl ChannelLayer for RedisLayer {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        for publication in &publications {
            self.shared.deliver_joined(publication);
        }
        let queued = if publications.is_empty() { Ok(()) } else { self.queue.put(publications) };
        Box::pin(async move { queued })
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        let joined = {
            let mut topics = self.shared.topics();
            topics.joined.insert(topic);
            topics.is_connected.then(|| {
                let (done, joined) = oneshot::channel();
                // If the task has ended, so does the server.
                let _ = self.requests.send(TopicChange { topic, done: Some(done) });
                joined
            })
        };
        Box::pin(async move {
            if let Some(joined) = joined {
                // An error means that Redis is away; the topic is joined in it when it is back.
                let _ = joined.await;
            }
            Ok(())
        })
    }

    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        let mut topics = self.shared.topics();
        topics.joined.remove(&topic);
        if topics.is_connected {
            let _ = self.requests.send(TopicChange { topic, done: None });
        }
        Box::pin(async { Ok(()) })
    }

    fn put_presence(&self, node: Epoch, entries: Vec<PresenceEntry>) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { self.entries.put_presence(node, &entries).await.map_err(|cause| unavailable(&cause)) })
    }

    fn presence_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<PresenceAnswer, Unavailable>> {
        Box::pin(async move { self.entries.presence_of(&users).await.map_err(|cause| unavailable(&cause)) })
    }

    fn deliver_to(&self, deliver: Deliver) {
        *self.shared.deliver.lock().unwrap_or_else(PoisonError::into_inner) = Some(deliver);
    }

    fn status(&self) -> watch::Receiver<LayerStatus> {
        self.shared.status.subscribe()
    }
}

fn unavailable(cause: &redis::RedisError) -> Unavailable {
    Unavailable(cause.to_string())
}

impl RedisState {
    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that entries may have been lost; called before any is read again.
    fn note_lost_entries(&self) {
        *self.entries_lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn channel(&self, topic: Topic) -> String {
        format!("{}:{topic}", self.prefix)
    }

    /// Returns the channels that a publication to these topics goes through.
    fn channels(&self, topics: &[Topic]) -> Vec<String> {
        if topics.len() > OWN_CHANNELS_MAX || topics.contains(&Topic::Nodes) {
            return vec![self.channel(Topic::Nodes)];
        }
        topics.iter().map(|topic| self.channel(*topic)).collect()
    }

    /// Delivers a publication to the topics among its own that this node has joined.
    fn deliver_joined(&self, publication: &Publication) {
        let joined: Vec<Topic> = {
            let topics = self.topics();
            publication.topics.iter().copied().filter(|topic| topics.joined.contains(topic)).collect()
        };
        if joined.is_empty() {
            return;
        }
        let deliver = self.deliver.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(deliver) = deliver {
            deliver(Publication { topics: joined, payload: publication.payload.clone() });
        }
    }
}
