//! Rate limits: how often something may be done, on average over a window (the generic cell rate algorithm).
//!
//! For each key one number is kept, the time at which its allowance is full again; each use moves it forward by one
//! interval. The map is bounded: when it is full, the keys whose allowance is fullest are forgotten first. Times come
//! from the steady clock, so that setting the wall clock gives no user more and locks none out.

use parlor_protocol::error::{Code, Problem};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// A limit for each key: `burst` uses at once, and one more every `each_us`.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    each_us: i64,
    burst: i64,
    keys_max: usize,
    full_at: Mutex<HashMap<K, i64>>,
}

/// What a key has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining {
    /// Uses of a full allowance.
    pub(crate) of: i64,
    /// Uses that are left.
    pub(crate) uses: i64,
    /// Time until the allowance is full again.
    pub(crate) full_in_ms: u64,
    /// Time in which an empty allowance fills up.
    pub(crate) window_ms: u64,
}

impl<K: Hash + Eq + Clone> RateLimiter<K> {
    /// Allows `uses` per `window_ms`, also all of them at once.
    pub(crate) fn new(uses: u32, window_ms: u64, keys_max: u32) -> Self {
        let whole = i64::try_from(window_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        let each_us = (whole / i64::from(uses.max(1))).max(1);
        Self {
            each_us,
            burst: i64::from(uses),
            keys_max: usize::try_from(keys_max).unwrap_or(usize::MAX),
            full_at: Mutex::default(),
        }
    }

    /// Takes one use, or returns after how many milliseconds one will be available.
    pub(crate) fn take(&self, key: &K, steady_ms: i64) -> Result<(), u64> {
        let now = steady_ms.saturating_mul(1000);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.get(key).copied().unwrap_or(now).max(now) + self.each_us;
        let over = full - now - self.each_us.saturating_mul(self.burst);
        if over > 0 {
            return Err(u64::try_from(over).unwrap_or(0).div_ceil(1000).max(1));
        }
        if full_at.len() >= self.keys_max && !full_at.contains_key(key) {
            forget_some(&mut full_at, now);
        }
        full_at.insert(key.clone(), full);
        Ok(())
    }

    /// Returns what a key has left.
    pub(crate) fn remaining(&self, key: &K, steady_ms: i64) -> Remaining {
        let now = steady_ms.saturating_mul(1000);
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let used = full_at.get(key).map_or(0, |full| (full - now).max(0));
        let remaining = self.burst - used.div_euclid(self.each_us) - i64::from(used % self.each_us > 0);
        Remaining {
            of: self.burst,
            uses: remaining.max(0),
            full_in_ms: u64::try_from(used).unwrap_or(0).div_ceil(1000),
            window_ms: u64::try_from(self.each_us.saturating_mul(self.burst)).unwrap_or(0).div_ceil(1000),
        }
    }

    /// Returns a use that turned out not to count.
    pub(crate) fn give_back(&self, key: &K) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full_at.get_mut(key) {
            *full -= self.each_us;
        }
    }
}

/// Refuses a request until the limit allows it.
pub(super) fn too_many(retry_after_ms: u64) -> Problem {
    Problem::new(Code::TooMany).with_retry_after_ms(retry_after_ms)
}

fn forget_some<K: Hash + Eq>(full_at: &mut HashMap<K, i64>, now: i64) {
    let before = full_at.len();
    full_at.retain(|_, full| *full > now);
    if full_at.len() == before {
        let mut moments: Vec<i64> = full_at.values().copied().collect();
        let quarter = moments.len() / 4;
        let (_, bound, _) = moments.select_nth_unstable(quarter);
        let bound = *bound;
        full_at.retain(|_, full| *full > bound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_then_one_use_per_interval() {
        let limiter = RateLimiter::new(3, 900_000, 10);
        for _ in 0..3 {
            assert_eq!(limiter.take(&"ada", 0), Ok(()));
        }
        assert_eq!(limiter.take(&"ada", 0), Err(300_000));
        assert_eq!(limiter.take(&"ben", 0), Ok(()), "other keys are independent");
        assert_eq!(limiter.take(&"ada", 299_999), Err(1));
        assert_eq!(limiter.take(&"ada", 300_000), Ok(()));
        assert_eq!(limiter.take(&"ada", 300_000), Err(300_000), "a refusal costs nothing");
    }

    #[test]
    fn the_remaining_uses_can_be_taken() {
        let limiter = RateLimiter::new(3, 900, 10);
        let left = |now| {
            let left = limiter.remaining(&"ada", now);
            (left.uses, left.full_in_ms)
        };
        assert_eq!(left(0), (3, 0));
        assert_eq!((limiter.take(&"ada", 0), left(0)), (Ok(()), (2, 300)));
        assert_eq!((limiter.take(&"ada", 0), left(0)), (Ok(()), (1, 600)));
        assert_eq!(left(299), (1, 301), "not yet one more");
        assert_eq!(left(300), (2, 300));
        assert_eq!((left(600), left(10_000)), ((3, 0), (3, 0)));
        let whole = limiter.remaining(&"ben", 0);
        assert_eq!((whole.of, whole.window_ms), (3, 900));
    }

    #[test]
    fn a_use_that_was_given_back_can_be_taken_again() {
        let limiter = RateLimiter::new(1, 1000, 10);
        for _ in 0..5 {
            assert_eq!(limiter.take(&1, 0), Ok(()));
            limiter.give_back(&1);
        }
        assert_eq!(limiter.take(&1, 0), Ok(()));
        assert_eq!(limiter.take(&1, 0), Err(1000));
    }

    #[test]
    fn the_map_stays_within_its_limit_and_keeps_the_heaviest_users() {
        let limiter = RateLimiter::new(2, 1_000_000, 8);
        assert_eq!((limiter.take(&0, 0), limiter.take(&0, 0)), (Ok(()), Ok(())));
        for key in 1..1000 {
            assert_eq!(limiter.take(&key, key), Ok(()));
            assert!(limiter.full_at.lock().expect("nobody panicked").len() <= 8);
        }
        assert!(limiter.take(&0, 1000).is_err(), "the heaviest user is not forgotten");
    }
}
