//! The caller of a unit of work: whether it still waits, and how long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// The caller of a unit of work, as the thread sees it.
#[derive(Debug)]
pub(super) struct JobCaller {
    is_gone: AtomicBool,
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
}

impl JobCaller {
    /// Creates a caller that waits until a deadline.
    pub(super) fn new(deadline: Instant) -> Self {
        Self { is_gone: AtomicBool::new(false), deadline }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed) && Instant::now() < self.deadline
    }
}

/// The caller's side: dropping it means that nobody waits any more.
pub(super) struct CallerGuard(pub(super) Arc<JobCaller>);

impl Drop for CallerGuard {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }
}
