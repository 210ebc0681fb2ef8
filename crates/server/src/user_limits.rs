//! What one person may have under way at once, so that nobody holds up everybody.
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
/// When a person whose share is full should try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// A share for each person.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    patience: Duration,
    people: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

impl Shares {
    /// Shares of `most` things at once; waiting for room ends after `patience`.
    #[must_use]
    pub fn new(most: u32, patience: Duration) -> Self {
        Self { most: most as usize, patience, people: Mutex::default() }
    }

    /// Waits for room in the person's share and takes it until the permit is dropped.
    ///
    /// # Errors
    /// `unavailable`: there was no room in time.
    pub async fn take(&self, person: UserId) -> Result<OwnedSemaphorePermit, Problem> {
        let share = {
            let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
            if people.len() >= FORGOTTEN_FROM && people.len().is_power_of_two() {
                people.retain(|_, share| share.available_permits() < self.most || Arc::strong_count(share) > 1);
            }
            people.entry(person).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone()
        };
        if let Ok(permit) = share.clone().try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(self.patience, share.acquire_owned()).await {
            Ok(permit) => Ok(permit.expect("the share is never closed")),
            Err(_) => Err(full()),
        }
    }

    /// How many things of everybody are under way.
    #[must_use]
    pub fn taken(&self) -> usize {
        let people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.values().map(|share| self.most - share.available_permits()).sum()
    }
}

/// The refusal of somebody whose share stayed full.
#[must_use]
pub fn full() -> Problem {
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
        let shares = Shares::new(2, Duration::MAX);
        let held = [shares.take(UserId(1)).await, shares.take(UserId(1)).await];
        assert!(shares.take(UserId(1)).now_or_never().is_none());
        assert!(shares.take(UserId(2)).now_or_never().is_some());
        assert_eq!(shares.taken(), 2);
        drop(held);
        assert!(shares.take(UserId(1)).now_or_never().is_some());
        assert_eq!(shares.taken(), 0);
    }

    #[tokio::test]
    async fn waiting_for_a_share_that_stays_full_ends() {
        let shares = Shares::new(1, Duration::from_millis(1));
        let _held = shares.take(UserId(1)).await.expect("room");
        let refused = shares.take(UserId(1)).await.expect_err("no room");
        assert_eq!((refused.code, refused.retry_after_ms), (Code::Unavailable, Some(RETRY_AFTER_MS)));
    }

    #[tokio::test]
    async fn people_with_nothing_under_way_are_forgotten() {
        let shares = Shares::new(1, Duration::MAX);
        for person in 1..=2000 {
            drop(shares.take(UserId(person)).await);
        }
        assert!(shares.people.lock().expect("not poisoned").len() <= FORGOTTEN_FROM);
    }
}
