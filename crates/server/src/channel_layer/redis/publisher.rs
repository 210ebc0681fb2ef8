//! Publishes what is queued, many publications in one round trip.
//!
//! Invariants: publications are numbered in the order in which they are sent; what one call published is in one pipeline,
//! so that the message that announces a commit, which is the last of it, is never sent without the events before it.

use super::{
    super::{Publication, Unavailable},
    RedisState,
    frame::Frame,
};
use crate::redis_server::{Backoff, RedisServer, TIMEOUT};
use redis::{Pipeline, RedisResult};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// Bytes that may wait for Redis.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes after which a pipeline takes no more.
const PIPELINE_BYTES: usize = 1024 * 1024;
/// Bytes that are counted for each copy of a publication, besides its payload.
const COPY_BYTES: usize = 64;

/// Publications that wait for Redis.
#[derive(Debug)]
pub(super) struct PublishQueue {
    sender: mpsc::UnboundedSender<Vec<Publication>>,
    state: Arc<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    bytes: AtomicUsize,
    /// Redis does not answer, so nothing is queued.
    is_out: AtomicBool,
}

/// The end of the queue that the task reads.
#[derive(Debug)]
pub(super) struct Queued {
    receiver: mpsc::UnboundedReceiver<Vec<Publication>>,
    state: Arc<QueueState>,
}

pub(super) fn queue() -> (PublishQueue, Queued) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let state = Arc::new(QueueState::default());
    (PublishQueue { sender, state: state.clone() }, Queued { receiver, state })
}

/// Returns about how many bytes go to Redis.
fn size(publications: &[Publication]) -> usize {
    let copies = |publication: &Publication| publication.topics.len().clamp(1, super::OWN_CHANNELS_MAX);
    publications.iter().map(|publication| copies(publication) * (publication.payload.len() + COPY_BYTES)).sum()
}

impl PublishQueue {
    /// Queues publications.
    ///
    /// # Errors
    /// Redis is away, or too much waits already.
    pub(super) fn put(&self, publications: Vec<Publication>) -> Result<(), Unavailable> {
        if self.state.is_out.load(Ordering::Relaxed) {
            return Err(Unavailable("Redis does not answer".to_owned()));
        }
        let size = size(&publications);
        if self.state.bytes.fetch_add(size, Ordering::Relaxed) + size > QUEUE_BYTES_MAX {
            self.state.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(Unavailable("too much waits for Redis".to_owned()));
        }
        self.sender.send(publications).map_err(|_| Unavailable("the server stops".to_owned()))
    }
}

/// Publishes until the task is aborted.
pub(super) async fn run(shared: Arc<RedisState>, mut queued: Queued) {
    let mut redis = RedisServer::new(shared.client.clone(), TIMEOUT);
    let mut number = 0;
    while let Some(first) = queued.receiver.recv().await {
        let mut bytes = size(&first);
        let mut pipeline = redis::pipe();
        shared.add(&mut pipeline, first, &mut number);
        while bytes < PIPELINE_BYTES
            && let Ok(more) = queued.receiver.try_recv()
        {
            bytes += size(&more);
            shared.add(&mut pipeline, more, &mut number);
        }
        if let Err(cause) = send(&mut redis, &pipeline).await {
            queued.state.is_out.store(true, Ordering::Relaxed);
            shared.publishing.begin(&cause);
            shared.set_publishing(false);
            while let Ok(dropped) = queued.receiver.try_recv() {
                bytes += size(&dropped);
            }
            shared.until_published(&mut redis).await;
            shared.publishing.end();
            shared.set_publishing(true);
            queued.state.is_out.store(false, Ordering::Relaxed);
        }
        queued.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Sends a pipeline, once more if the server had closed the connection since it was last used. Receivers recognise what
/// arrives twice by its number.
async fn send(redis: &mut RedisServer, pipeline: &Pipeline) -> RedisResult<()> {
    let was_connected = redis.is_connected();
    match redis.run(pipeline).await {
        Err(cause) if was_connected && !cause.is_timeout() => redis.run(pipeline).await.map(drop),
        sent => sent.map(drop),
    }
}

impl RedisState {
    fn add(&self, pipeline: &mut Pipeline, publications: Vec<Publication>, number: &mut u64) {
        for publication in publications {
            let channels = self.channels(&publication.topics);
            *number += 1;
            let bytes = self.codec.encode(&Frame { publisher: self.publisher, number: *number, publication });
            for channel in channels {
                pipeline.cmd("PUBLISH").arg(channel).arg(bytes.as_slice());
            }
        }
    }

    /// Publishes to a channel that nobody reads, until the server accepts it.
    async fn until_published(&self, redis: &mut RedisServer) {
        let mut probe = redis::pipe();
        probe.cmd("PUBLISH").arg(format!("{}:probe", self.prefix)).arg("");
        let mut backoff = Backoff::new();
        loop {
            backoff.pause(&self.environment).await;
            if redis.run(&probe).await.is_ok() {
                return;
            }
        }
    }

    fn set_publishing(&self, is_publishing: bool) {
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.is_publishing, is_publishing) != is_publishing);
    }
}
