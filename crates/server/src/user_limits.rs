//! Limits how much each user may have in progress at once, so that one user does not block the others.
//!
//! Waiting for a permit is bounded and ends with a refusal, because the work in progress may itself be stuck.

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

/// Users that are remembered before those with nothing in progress are removed.
const FORGOTTEN_FROM: usize = 1024;
/// When a user that has reached the limit should try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// Permits for each user.
#[derive(Debug)]
pub struct UserLimiter {
    max: usize,
    wait_max: Duration,
    users: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

impl UserLimiter {
    /// Allows each user `max` permits at once. Waiting for one ends after `wait_max`.
    #[must_use]
    pub fn new(max: u32, wait_max: Duration) -> Self {
        Self { max: max as usize, wait_max, users: Mutex::default() }
    }

    /// Waits for a permit of the user.
    ///
    /// # Errors
    /// `unavailable`: no permit became free in time.
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

    /// Returns how many permits of all users are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.values().map(|permits| self.max - permits.available_permits()).sum()
    }
}

/// Refuses a user whose permits stayed in use.
#[must_use]
pub fn overloaded() -> Problem {
    let mut problem = Problem::new(Code::Unavailable).with_detail("you have too many requests in progress");
    problem.retry_after_ms = Some(RETRY_AFTER_MS);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn a_user_waits_only_for_themselves() {
        let limiter = UserLimiter::new(2, Duration::MAX);
        let permits = [limiter.take(UserId(1)).await, limiter.take(UserId(1)).await];
        assert!(limiter.take(UserId(1)).now_or_never().is_none());
        assert!(limiter.take(UserId(2)).now_or_never().is_some());
        assert_eq!(limiter.in_use(), 2);
        drop(permits);
        assert!(limiter.take(UserId(1)).now_or_never().is_some());
        assert_eq!(limiter.in_use(), 0);
    }

    #[tokio::test]
    async fn waiting_for_a_permit_ends() {
        let limiter = UserLimiter::new(1, Duration::from_millis(1));
        let _held = limiter.take(UserId(1)).await.expect("room");
        let refused = limiter.take(UserId(1)).await.expect_err("no room");
        assert_eq!((refused.code, refused.retry_after_ms), (Code::Unavailable, Some(RETRY_AFTER_MS)));
    }

    #[tokio::test]
    async fn users_with_nothing_in_progress_are_forgotten() {
        let limiter = UserLimiter::new(1, Duration::MAX);
        for user in 1..=2000 {
            drop(limiter.take(UserId(user)).await);
        }
        assert!(limiter.users.lock().expect("not poisoned").len() <= FORGOTTEN_FROM);
    }
}
