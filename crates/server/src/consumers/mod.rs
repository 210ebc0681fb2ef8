//! Followers: parts that read on from a durable cursor and feed something that can be made again, or told, from
//! what the store holds. The hot path carries none of their cost.
//!
//! Invariants: a cursor is written in the same transaction and file as what it feeds, so a crash repeats a little and
//! loses nothing; one node at a time runs a follower, by a lease that every write demands (`store/consumers.rs`);
//! a follower sees states, never steps; what goes wrong with it is told in the log and the metrics, tried again, and
//! harms nothing else.
//!
//! Absent on purpose: an order among followers, and any follower that a commit waits for.

pub mod search;

use crate::{
    store::{Error, Result},
    supervisor::Supervisor,
};
use parlor_protocol::ids::Version;
use std::time::Duration;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

/// The shortest rest between two steps; longer ones are followed by a rest as long, so that a follower that has much
/// to do leaves at least half of a core to others.
const PAUSE_MIN: Duration = Duration::from_millis(30);
/// The rest after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// There is more to read.
    More,
    /// Everything was read.
    Idle,
    /// Another node has the lease.
    Lost,
}

/// Something that follows the store.
pub trait Consumer: Send + 'static {
    /// What it is called in the log.
    const NAME: &'static str;

    /// Takes the lease and reads the cursor, if it is free.
    fn acquire_lease(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// Reads a little and feeds it. After an error the lease is taken anew, and with it the durable cursor.
    fn step(&mut self) -> impl Future<Output = Result<StepResult>> + Send;

    /// Gives the lease back.
    fn release(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A follower that runs.
#[derive(Debug)]
pub struct ConsumerHandle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ConsumerHandle {
    /// Starts a follower. It is woken when `committed` changes, and looks by itself after each `interval`: other
    /// nodes commit, too.
    pub fn start<F: Consumer>(
        consumer: F,
        committed: watch::Receiver<Version>,
        interval: Duration,
        supervisor: &Supervisor,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = supervisor.run_until_told(F::NAME, run(consumer, committed, interval, stopped));
        Self { stop, task }
    }

    /// Lets it finish its step and give its lease back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It has no result; that it failed was told when it did.
        drop(self.task.await);
    }
}

async fn run<F: Consumer>(
    mut consumer: F,
    mut committed: watch::Receiver<Version>,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) -> bool {
    let mut has_lease = false;
    let mut is_failing = false;
    while !*stopped.borrow() {
        committed.mark_unchanged();
        let began = Instant::now();
        let step = step(&mut consumer, &mut has_lease).await;
        log_transition::<F>(&mut is_failing, step.as_ref().err());
        has_lease &= step.is_ok();
        let pause = if step.is_ok() { began.elapsed().max(PAUSE_MIN) } else { PAUSE_AFTER_FAILURE };
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopped.changed() => break,
        }
        if matches!(step, Ok(StepResult::Idle | StepResult::Lost)) {
            tokio::select! {
                // Whoever commits may be gone before the followers are.
                _ = timeout(interval, committed.changed()) => {}
                _ = stopped.changed() => break,
            }
        }
    }
    if has_lease && let Err(cause) = consumer.release().await {
        info!(consumer = F::NAME, %cause, "a lease was not given back; it runs out");
    }
    true
}

async fn step<F: Consumer>(consumer: &mut F, has_lease: &mut bool) -> Result<StepResult> {
    if !*has_lease {
        *has_lease = consumer.acquire_lease().await?;
        if !*has_lease {
            return Ok(StepResult::Lost);
        }
    }
    let step = consumer.step().await?;
    if step == StepResult::Lost {
        *has_lease = false;
    }
    Ok(step)
}

/// Says once that a follower fails, and once that it goes on.
fn log_transition<F: Consumer>(is_failing: &mut bool, cause: Option<&Error>) {
    match (cause, *is_failing) {
        (Some(cause), false) => warn!(consumer = F::NAME, %cause, "a follower cannot go on; it tries again"),
        (None, true) => info!(consumer = F::NAME, "a follower goes on"),
        _ => {}
    }
    *is_failing = cause.is_some();
}
