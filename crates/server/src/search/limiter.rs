//! Limits how many searches run at once: one for each user, and in total so few that the store has threads left for
//! everything else.

use crate::user_limits::{self, UserLimiter};
use parlor_protocol::{error::Problem, ids::UserId};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Hands out permits to search.
#[derive(Debug)]
pub(super) struct SearchLimiter {
    users: UserLimiter,
    all: Arc<Semaphore>,
    wait_max: Duration,
}

impl SearchLimiter {
    /// For a store with this many threads that read. A search that waits longer than `wait_max` is refused.
    pub(super) fn new(readers: u32, wait_max: Duration) -> Self {
        let max = readers.saturating_sub(2).max(1);
        Self { users: UserLimiter::new(1, wait_max), all: Arc::new(Semaphore::new(max as usize)), wait_max }
    }

    /// Waits for permission to search, which holds until the permits are dropped.
    pub(super) async fn acquire(&self, user: UserId) -> Result<[OwnedSemaphorePermit; 2], Problem> {
        let permits = async {
            // The user's own permit first, so that a second search of theirs waits without taking a place of others.
            let own = self.users.take(user).await?;
            Ok([own, self.all.clone().acquire_owned().await.expect("it is never closed")])
        };
        timeout(self.wait_max, permits).await.unwrap_or_else(|_| Err(user_limits::overloaded()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use parlor_protocol::error::Code;

    #[tokio::test]
    async fn searches_leave_threads_to_others_and_each_user_has_one() {
        let limiter = SearchLimiter::new(4, Duration::from_mins(1));
        let one = limiter.acquire(UserId(1)).now_or_never().expect("free").expect("in time");
        assert!(limiter.acquire(UserId(1)).now_or_never().is_none(), "a second search of one user");
        let other = limiter.acquire(UserId(2)).now_or_never().expect("free").expect("in time");
        assert!(limiter.acquire(UserId(3)).now_or_never().is_none(), "a third search on four threads");
        drop((one, other));
        assert!(limiter.acquire(UserId(1)).now_or_never().is_some());
        let impatient = SearchLimiter::new(1, Duration::from_millis(1));
        let _held = impatient.acquire(UserId(1)).await.expect("free");
        assert_eq!(impatient.acquire(UserId(2)).await.expect_err("held").code, Code::Unavailable);
    }
}
