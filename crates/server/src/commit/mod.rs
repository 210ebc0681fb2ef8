//! The one writer: what people see changes only by a [`Change`] handed in here (I1).
//!
//! While one commit is in flight, changes queue; when it returns, what queued goes into the next (I3).
//! Invariants: an answer leaves after COMMIT (I4); nothing else publishes durable events; the queue, a person's
//! share of it and a batch are bounded.

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

/// What became of a change.
pub type Result = std::result::Result<Outcome, Problem>;

/// Everything that the writer works with.
#[derive(Clone, Debug)]
pub struct CommitOptions {
    /// Where it writes.
    pub store: Store,
    /// Where it tells.
    pub layer: Arc<dyn ChannelLayer>,
    /// What it decides by.
    pub rules: Arc<Rules>,
    /// Time and chance.
    pub environment: Environment,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The start of this server.
    pub node: Epoch,
    /// Outgoing of what is to be gone for good.
    pub erasure: WalErasure,
    /// How long a change may wait for its turn to be queued.
    pub patience: Duration,
    /// Least time between two changes of one member's markers.
    pub marker_interval: Duration,
    /// Outgoing the last version of each commit: followers wait for it.
    pub committed: watch::Sender<Version>,
}

/// A change on its way, with the share of its person that it holds until it is answered.
#[derive(Debug)]
struct Submission {
    change: Change,
    reply: oneshot::Sender<Result>,
    share: Option<OwnedSemaphorePermit>,
}

/// The handle by which edges hand in changes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Commit {
    queue: mpsc::Sender<Submission>,
    patience: Duration,
    shares: Arc<UserLimiter>,
    markers: Arc<Markers>,
}

/// The running writer.
#[derive(Debug)]
pub struct Writer {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    /// Takes nothing more in, and waits until all that was handed in is committed, answered and told.
    pub async fn stop(self) {
        // If the writer is gone already, there is nothing to wait for.
        _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::error!("the writer failed");
        }
    }
}

/// A change that was handed in, in order; its answer comes after its commit.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result>);

impl Pending {
    /// Waits for the commit.
    ///
    /// # Errors
    /// The refusal; `unknown` if the writer ended without an answer.
    pub async fn outcome(self) -> Result {
        self.0.await.unwrap_or_else(|_| Err(Code::Unknown.into()))
    }
}

impl Commit {
    /// Starts the writer.
    #[must_use]
    pub fn start(settings: CommitOptions, supervisor: &Supervisor) -> (Self, Writer) {
        let limits = &settings.rules.limits;
        let (queue, receiver) = mpsc::channel(limits.commit_queue_max as usize);
        let shares = Arc::new(UserLimiter::new(limits.user_changes_max, settings.patience));
        let markers = Arc::new(Markers::new(settings.marker_interval, limits.markers_max as usize));
        let (stop, stopped) = oneshot::channel();
        let patience = settings.patience;
        let task = supervisor.run_until_stopped("writer", writer::run(settings, receiver, stopped));
        (Self { queue, patience, shares, markers }, Writer { stop, task })
    }

    /// Hands a change in and waits for its commit.
    ///
    /// # Errors
    /// See [`Pending::outcome`].
    pub async fn submit(&self, change: Change) -> Result {
        self.begin(change).await?.outcome().await
    }

    /// Hands a change in. Changes handed in one after the other are decided in that order; markers, which never
    /// move back, may come later. Waits while the queue, or the person's share of it, is full.
    ///
    /// # Errors
    /// `draining` when the server stops; `unavailable` when there was no room in time.
    pub async fn begin(&self, change: Change) -> std::result::Result<Pending, Problem> {
        if let Change::Mark { actor, conversation, delivered, read } = change {
            return self.mark(actor, conversation, delivered, read);
        }
        self.enqueue(change).await
    }

    async fn enqueue(&self, change: Change) -> std::result::Result<Pending, Problem> {
        let share = match change.actor() {
            Some(person) => Some(self.shares.take(person).await?),
            None => None,
        };
        let (reply, receiver) = oneshot::channel();
        let submission = Submission { change, reply, share };
        match self.queue.send_timeout(submission, self.patience).await {
            Ok(()) => Ok(Pending(receiver)),
            Err(SendTimeoutError::Timeout(_)) => Err(user_limits::overloaded()),
            Err(SendTimeoutError::Closed(_)) => Err(Code::Draining.into()),
        }
    }

    /// How many changes of people wait for their answer.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.limiter.in_use()
    }

    fn mark(
        &self,
        actor: UserId,
        conversation: ConversationId,
        delivered: Seq,
        read: Seq,
    ) -> std::result::Result<Pending, Problem> {
        let (reply, receiver) = oneshot::channel();
        self.markers.mark(self.clone(), (conversation, actor), (delivered, read), reply)?;
        Ok(Pending(receiver))
    }
}
