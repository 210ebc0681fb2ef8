//! Consumers: parts that read on from a durable cursor and maintain data derived from the store. The write path bears
//! none of their cost.
//!
//! Invariants: a cursor is written in the same transaction and file as the derived data, so a crash repeats a little
//! work and loses nothing; one node at a time runs a consumer, under a lease that every write checks
//! (`store/consumers.rs`); a consumer sees states, not individual changes; its failures are logged, counted, retried,
//! and affect nothing else.
//!
//! Absent on purpose: an order among consumers, and any consumer that a commit waits for.

pub mod search;

use crate::{
    store::{Result, StoreError},
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

/// The shortest pause between two steps. After a longer step the pause is as long as the step, so that a busy consumer
/// leaves at least half a core to others.
const PAUSE_MIN: Duration = Duration::from_millis(30);
/// The pause after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// There is more to read.
    More,
    /// Everything was read.
    Idle,
    /// Another node has the lease.
    Lost,
}

/// A part that consumes the store's changes.
pub trait Consumer: Send + 'static {
    /// Its name in the log.
    const NAME: &'static str;

    /// Acquires the lease, if it is free, and reads the cursor.
    fn acquire_lease(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// Reads some changes and processes them. After an error the lease is acquired again, and the durable cursor read
    /// with it.
    fn step(&mut self) -> impl Future<Output = Result<StepResult>> + Send;

    /// Releases the lease.
    fn release(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A running consumer.
#[derive(Debug)]
pub struct ConsumerHandle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ConsumerHandle {
    /// Starts a consumer. It wakes up when `committed` changes, and after each `interval`, because other nodes commit
    /// too.
    pub fn start<F: Consumer>(
        consumer: F,
        committed: watch::Receiver<Version>,
        interval: Duration,
        supervisor: &Supervisor,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = supervisor.run_until_stopped(F::NAME, run(consumer, committed, interval, stopped));
        Self { stop, task }
    }

    /// Lets it finish its step and release its lease.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It has no result; a failure was logged when it happened.
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
                // The committing part may end before the consumers do.
                _ = timeout(interval, committed.changed()) => {}
                _ = stopped.changed() => break,
            }
        }
    }
    if has_lease && let Err(cause) = consumer.release().await {
        info!(consumer = F::NAME, %cause, "a lease was not released; it will expire");
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

/// Logs when a consumer starts to fail and when it recovers.
fn log_transition<F: Consumer>(is_failing: &mut bool, cause: Option<&StoreError>) {
    match (cause, *is_failing) {
        (Some(cause), false) => warn!(consumer = F::NAME, %cause, "a consumer failed; it will retry"),
        (None, true) => info!(consumer = F::NAME, "a consumer has recovered"),
        _ => {}
    }
    *is_failing = cause.is_some();
}
