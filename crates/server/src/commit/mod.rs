//! The one writer: what users see changes only by a [`Change`] submitted here (I1).
//!
//! While one commit is in progress, changes queue; the next commit takes as many of them as its limits allow (I3).
//! Invariants: an answer leaves after COMMIT (I4); nothing else publishes durable events; the queue, each user's changes
//! in it and a batch are bounded.

mod markers;
mod publisher;
mod writer;

use crate::{
    channel_layer::ChannelLayer,
    domain::{
        Rules,
        change::{Change, Outcome},
    },
    environment::Environment,
    metrics::Metrics,
    store::Store,
    supervisor::Supervisor,
    user_limits::{self, UserLimiter},
    wal_erasure::WalErasure,
};
use markers::Markers;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, Epoch, Seq, UserId, Version},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{self, error::SendTimeoutError},
    oneshot, watch,
};

/// The outcome of a change.
pub type ChangeResult = Result<Outcome, Problem>;

/// Everything that the writer uses.
#[derive(Clone, Debug)]
pub struct CommitOptions {
    /// The store.
    pub store: Store,
    /// The channel layer.
    pub layer: Arc<dyn ChannelLayer>,
    /// The rules.
    pub rules: Arc<Rules>,
    /// Time and chance.
    pub environment: Environment,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// This start of the server.
    pub node: Epoch,
    /// Erases deleted data from the log.
    pub erasure: WalErasure,
    /// How long a change may wait for room in the queue.
    pub patience: Duration,
    /// The minimum time between two changes of one member's markers.
    pub marker_interval: Duration,
    /// Receives the last version of each commit. Consumers wait for it.
    pub committed: watch::Sender<Version>,
}

/// A submitted change, with the permit of its user that it holds until it is answered.
#[derive(Debug)]
struct Submission {
    change: Change,
    reply: oneshot::Sender<ChangeResult>,
    permit: Option<OwnedSemaphorePermit>,
}

/// The handle by which changes are submitted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Commit {
    queue: mpsc::Sender<Submission>,
    patience: Duration,
    limiter: Arc<UserLimiter>,
    markers: Arc<Markers>,
}

/// The running writer.
#[derive(Debug)]
pub struct Writer {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    /// Accepts no more changes, and waits until all submitted ones are committed, answered and published.
    pub async fn stop(self) {
        // If the writer is gone already, there is nothing to wait for.
        _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::error!("the writer failed");
        }
    }
}

/// A change in the queue. Its answer comes after its commit.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<ChangeResult>);

impl Pending {
    /// Waits for the commit.
    ///
    /// # Errors
    /// The refusal; `unknown` if the writer ended without an answer.
    pub async fn outcome(self) -> ChangeResult {
        self.0.await.unwrap_or_else(|_| Err(Code::Unknown.into()))
    }
}

impl Commit {
    /// Starts the writer.
    #[must_use]
    pub fn start(settings: CommitOptions, supervisor: &Supervisor) -> (Self, Writer) {
        let limits = &settings.rules.limits;
        let (queue, receiver) = mpsc::channel(limits.commit_queue_max as usize);
        let limiter = Arc::new(UserLimiter::new(limits.user_changes_max, settings.patience));
        let markers = Arc::new(Markers::new(settings.marker_interval, limits.markers_max as usize));
        let (stop, stopped) = oneshot::channel();
        let patience = settings.patience;
        let task = supervisor.run_until_stopped("writer", writer::run(settings, receiver, stopped));
        (Self { queue, patience, limiter, markers }, Writer { stop, task })
    }

    /// Submits a change and waits for its commit.
    ///
    /// # Errors
    /// See [`Pending::outcome`].
    pub async fn submit(&self, change: Change) -> ChangeResult {
        self.begin(change).await?.outcome().await
    }

    /// Queues a change. Changes queued one after the other are decided in that order; markers, which never move back,
    /// may come later. Waits while the queue is full or the user has too many changes in it.
    ///
    /// # Errors
    /// `draining` when the server stops; `unavailable` when there was no room in time.
    pub async fn begin(&self, change: Change) -> Result<Pending, Problem> {
        if let Change::Mark { actor, conversation, delivered, read } = change {
            return self.mark(actor, conversation, delivered, read);
        }
        self.enqueue(change).await
    }

    async fn enqueue(&self, change: Change) -> Result<Pending, Problem> {
        let permit = match change.actor() {
            Some(user) => Some(self.limiter.take(user).await?),
            None => None,
        };
        let (reply, receiver) = oneshot::channel();
        let submission = Submission { change, reply, permit };
        match self.queue.send_timeout(submission, self.patience).await {
            Ok(()) => Ok(Pending(receiver)),
            Err(SendTimeoutError::Timeout(_)) => Err(user_limits::overloaded()),
            Err(SendTimeoutError::Closed(_)) => Err(Code::Draining.into()),
        }
    }

    /// Returns how many changes of users wait for their answer.
    #[must_use]
    pub fn in_progress(&self) -> usize {
        self.limiter.in_use()
    }

    fn mark(&self, actor: UserId, conversation: ConversationId, delivered: Seq, read: Seq) -> Result<Pending, Problem> {
        let (reply, receiver) = oneshot::channel();
        self.markers.mark(self.clone(), (conversation, actor), (delivered, read), reply)?;
        Ok(Pending(receiver))
    }
}
