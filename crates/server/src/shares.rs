//! What one person may have under way at once, so that nobody holds up everybody.

use parlor_protocol::ids::UserId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// People remembered before those with nothing under way are looked for and forgotten.
const FORGOTTEN_FROM: usize = 1024;

/// A share for each person.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    people: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

impl Shares {
    /// Shares of `most` things at once.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most: most as usize, people: Mutex::default() }
    }

    /// Waits for room in the person's share and takes it until the permit is dropped.
    pub async fn take(&self, person: UserId) -> OwnedSemaphorePermit {
        let share = {
            let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
            if people.len() >= FORGOTTEN_FROM && people.len().is_power_of_two() {
                people.retain(|_, share| share.available_permits() < self.most || Arc::strong_count(share) > 1);
            }
            people.entry(person).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone()
        };
        share.acquire_owned().await.expect("the share is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn one_person_waits_for_himself_and_for_nobody_else() {
        let shares = Shares::new(2);
        let held = (shares.take(UserId(1)).await, shares.take(UserId(1)).await);
        assert!(shares.take(UserId(1)).now_or_never().is_none());
        assert!(shares.take(UserId(2)).now_or_never().is_some());
        drop(held);
        assert!(shares.take(UserId(1)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn people_with_nothing_under_way_are_forgotten() {
        let shares = Shares::new(1);
        for person in 1..=2000 {
            drop(shares.take(UserId(person)).await);
        }
        assert!(shares.people.lock().expect("not poisoned").len() <= FORGOTTEN_FROM);
    }
}
