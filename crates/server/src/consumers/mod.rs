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
const REST_MIN: Duration = Duration::from_millis(30);
/// The rest after a failure.
const REST_FAILED: Duration = Duration::from_secs(1);

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to read.
    More,
    /// Everything was read.
    Idle,
    /// Another node has the lease.
    Lost,
}

/// Something that follows the store.
pub trait Follower: Send + 'static {
    /// What it is called in the log.
    const NAME: &'static str;

    /// Takes the lease and reads the cursor, if it is free.
    fn take(&mut self) -> impl Future<Output = Result<bool>> + Send;

    /// Reads a little and feeds it. After an error the lease is taken anew, and with it the durable cursor.
    fn step(&mut self) -> impl Future<Output = Result<Step>> + Send;

    /// Gives the lease back.
    fn release(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A follower that runs.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a follower. It is woken when `committed` changes, and looks by itself after each `interval`: other
    /// nodes commit, too.
    pub fn start<F: Follower>(
        follower: F,
        committed: watch::Receiver<Version>,
        interval: Duration,
        supervisor: &Supervisor,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = supervisor.run_until_told(F::NAME, run(follower, committed, interval, stopped));
        Self { stop, task }
    }

    /// Lets it finish its step and give its lease back.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It has no result; that it failed was told when it did.
        drop(self.task.await);
    }
}

async fn run<F: Follower>(
    mut follower: F,
    mut committed: watch::Receiver<Version>,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) -> bool {
    let mut has_lease = false;
    let mut is_failing = false;
    while !*stopped.borrow() {
        committed.mark_unchanged();
        let began = Instant::now();
        let step = step(&mut follower, &mut has_lease).await;
        tell::<F>(&mut is_failing, step.as_ref().err());
        has_lease &= step.is_ok();
        let rest = if step.is_ok() { began.elapsed().max(REST_MIN) } else { REST_FAILED };
        tokio::select! {
            () = sleep(rest) => {}
            _ = stopped.changed() => break,
        }
        if matches!(step, Ok(Step::Idle | Step::Lost)) {
            tokio::select! {
                // Whoever commits may be gone before the followers are.
                _ = timeout(interval, committed.changed()) => {}
                _ = stopped.changed() => break,
            }
        }
    }
    if has_lease && let Err(cause) = follower.release().await {
        info!(follower = F::NAME, %cause, "a lease was not given back; it runs out");
    }
    true
}

async fn step<F: Follower>(follower: &mut F, has_lease: &mut bool) -> Result<Step> {
    if !*has_lease {
        *has_lease = follower.take().await?;
        if !*has_lease {
            return Ok(Step::Lost);
        }
    }
    let step = follower.step().await?;
    if step == Step::Lost {
        *has_lease = false;
    }
    Ok(step)
}

/// Says once that a follower fails, and once that it goes on.
fn tell<F: Follower>(is_failing: &mut bool, cause: Option<&Error>) {
    match (cause, *is_failing) {
        (Some(cause), false) => warn!(follower = F::NAME, %cause, "a follower cannot go on; it tries again"),
        (None, true) => info!(follower = F::NAME, "a follower goes on"),
        _ => {}
    }
    *is_failing = cause.is_some();
}
