//! Publishes what is queued, many publications in one round trip.
//!
//! Invariants: publications are numbered in the order in which they are sent; what one call published is sent as a whole
//! or dropped as a whole, so that the message that announces a commit is never sent without the events before it.

use super::{
    super::{Publication, Unavailable},
    Shared,
    frame::Frame,
};
use crate::redis_server::{Backoff, RedisServer, TIMEOUT};
use redis::{Pipeline, RedisError};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{sync::mpsc, time::Instant};

/// Bytes that may wait for Redis.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes after which a pipeline takes no more.
const PIPELINE_BYTES: usize = 1024 * 1024;
/// Bytes that are counted for each copy of a publication, besides its payload.
const COPY_BYTES: usize = 64;

/// Publications that wait for Redis.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Vec<Publication>>,
    state: Arc<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    bytes: AtomicUsize,
    /// Until when nothing is tried, because Redis does not answer.
    out_until: Mutex<Option<Instant>>,
}

/// The end of the queue that the task reads.
#[derive(Debug)]
pub(super) struct Queued {
    receiver: mpsc::UnboundedReceiver<Vec<Publication>>,
    state: Arc<QueueState>,
}

pub(super) fn queue() -> (Queue, Queued) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let state = Arc::new(QueueState::default());
    (Queue { sender, state: state.clone() }, Queued { receiver, state })
}

/// Returns about how many bytes go to Redis.
fn size(publications: &[Publication]) -> usize {
    let copies = |publication: &Publication| publication.topics.len().clamp(1, super::OWN_CHANNELS_MAX);
    publications.iter().map(|publication| copies(publication) * (publication.payload.len() + COPY_BYTES)).sum()
}

impl QueueState {
    fn out_until(&self) -> Option<Instant> {
        *self.out_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_out_until(&self, until: Option<Instant>) {
        *self.out_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Queue {
    /// Queues publications.
    ///
    /// # Errors
    /// Redis is away, or too much waits already.
    pub(super) fn put(&self, publications: Vec<Publication>) -> Result<(), Unavailable> {
        if self.state.out_until().is_some_and(|until| Instant::now() < until) {
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
pub(super) async fn run(shared: Arc<Shared>, mut queued: Queued) {
    let mut redis = RedisServer::new(shared.client.clone(), TIMEOUT);
    let mut backoff = Backoff::new();
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
        match redis.run(&pipeline).await {
            Ok(_) => {
                backoff.reset();
                queued.state.set_out_until(None);
                shared.set_publishing(None);
            }
            Err(cause) => {
                queued.state.set_out_until(Some(Instant::now() + backoff.next(&shared.environment)));
                shared.set_publishing(Some(&cause));
            }
        }
        queued.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Shared {
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

    fn set_publishing(&self, failed: Option<&RedisError>) {
        if let Some(cause) = failed {
            tracing::debug!(%cause, "events were not published to Redis");
        }
        let is_publishing = failed.is_none();
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.is_publishing, is_publishing) != is_publishing);
    }
}
