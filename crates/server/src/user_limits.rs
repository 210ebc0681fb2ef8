//! What one user may have under way at once, so that nobody holds up everybody.
//!
//! Whoever waits for room waits for a bounded time, and is then refused: what is under way may itself be stuck.

use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// People remembered before those with nothing under way are looked for and forgotten.
const FORGOTTEN_FROM: usize = 1024;
/// When a user whose permits is full should try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// A permits for each user.
#[derive(Debug)]
pub struct UserLimiter {
    max: usize,
    wait_max: Duration,
    users: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

impl UserLimiter {
    /// UserLimiter of `max` things at once; waiting for room ends after `wait_max`.
    #[must_use]
    pub fn new(max: u32, wait_max: Duration) -> Self {
        Self { max: max as usize, wait_max, users: Mutex::default() }
    }

    /// Waits for room in the user's permits and takes it until the permit is dropped.
    ///
    /// # Errors
    /// `unavailable`: there was no room in time.
    pub async fn take(&self, user: UserId) -> Result<OwnedSemaphorePermit, Problem> {
        let permits = {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            if users.len() >= FORGOTTEN_FROM && users.len().is_power_of_two() {
                users.retain(|_, permits| permits.available_permits() < self.max || Arc::strong_count(permits) > 1);
            }
            users.entry(user).or_insert_with(|| Arc::new(Semaphore::new(self.max))).clone()
        };
        if let Ok(permit) = permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(self.wait_max, permits.acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the permits is never closed")),
            Err(_) => Err(overloaded()),
        }
    }

    /// How many things of everybody are under way.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.values().map(|permits| self.max - permits.available_permits()).sum()
    }
}

/// The refusal of somebody whose permits stayed full.
#[must_use]
pub fn overloaded() -> Problem {
    let mut problem = Problem::new(Code::Unavailable).with_detail("too much of yours is under way");
    problem.retry_after_ms = Some(RETRY_AFTER_MS);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn one_person_waits_for_himself_and_for_nobody_else() {
        let limiter = UserLimiter::new(2, Duration::MAX);
        let held = [limiter.take(UserId(1)).await, limiter.take(UserId(1)).await];
        assert!(limiter.take(UserId(1)).now_or_never().is_none());
        assert!(limiter.take(UserId(2)).now_or_never().is_some());
        assert_eq!(limiter.in_use(), 2);
        drop(held);
        assert!(limiter.take(UserId(1)).now_or_never().is_some());
        assert_eq!(limiter.in_use(), 0);
    }

    #[tokio::test]
    async fn waiting_for_a_share_that_stays_full_ends() {
        let limiter = UserLimiter::new(1, Duration::from_millis(1));
        let _held = limiter.take(UserId(1)).await.expect("room");
        let refused = limiter.take(UserId(1)).await.expect_err("no room");
        assert_eq!((refused.code, refused.retry_after_ms), (Code::Unavailable, Some(RETRY_AFTER_MS)));
    }

    #[tokio::test]
    async fn people_with_nothing_under_way_are_forgotten() {
        let limiter = UserLimiter::new(1, Duration::MAX);
        for user in 1..=2000 {
            drop(limiter.take(UserId(user)).await);
        }
        assert!(limiter.users.lock().expect("not poisoned").len() <= FORGOTTEN_FROM);
    }
}
