//! Counting, without a count: how much anybody may do, on average over a time.
//!
//! For each key one number is kept, the moment at which its allowance is full again; each use moves it on by one
//! interval. The map is bounded: when it is full, those whose allowance is fullest are forgotten first. Times are those of
//! the steady clock, so that setting the wall clock gives nobody more and locks nobody out.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// An allowance for each key: `burst` uses at once, one more each `each_us`.
#[derive(Debug)]
pub(crate) struct Allowance<K> {
    each_us: i64,
    burst: i64,
    keys_max: usize,
    full_at: Mutex<HashMap<K, i64>>,
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Uses of a whole allowance.
    pub(crate) of: i64,
    /// Uses that are left.
    pub(crate) uses: i64,
    /// Time until all of them are there again.
    pub(crate) full_in_ms: u64,
    /// Time in which a whole allowance comes.
    pub(crate) window_ms: u64,
}

impl<K: Hash + Eq + Clone> Allowance<K> {
    /// `uses` in `window_ms`, all of them at once if wanted.
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

    /// Uses one, or says after how many milliseconds one will be there.
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

    /// What is left for a key, and in how many milliseconds all of it is there again.
    pub(crate) fn left(&self, key: &K, steady_ms: i64) -> Left {
        let now = steady_ms.saturating_mul(1000);
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let used = full_at.get(key).map_or(0, |full| (full - now).max(0));
        let remaining = self.burst - used.div_euclid(self.each_us) - i64::from(used % self.each_us > 0);
        Left {
            of: self.burst,
            uses: remaining.max(0),
            full_in_ms: u64::try_from(used).unwrap_or(0).div_ceil(1000),
            window_ms: u64::try_from(self.each_us.saturating_mul(self.burst)).unwrap_or(0).div_ceil(1000),
        }
    }

    /// Gives back what was taken and turned out not to count.
    pub(crate) fn give_back(&self, key: &K) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full_at.get_mut(key) {
            *full -= self.each_us;
        }
    }
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
    fn so_many_at_once_then_one_for_each_interval() {
        let allowance = Allowance::new(3, 900_000, 10);
        for _ in 0..3 {
            assert_eq!(allowance.take(&"ada", 0), Ok(()));
        }
        assert_eq!(allowance.take(&"ada", 0), Err(300_000));
        assert_eq!(allowance.take(&"ben", 0), Ok(()), "another key is not touched");
        assert_eq!(allowance.take(&"ada", 299_999), Err(1));
        assert_eq!(allowance.take(&"ada", 300_000), Ok(()));
        assert_eq!(allowance.take(&"ada", 300_000), Err(300_000), "a refusal costs nothing");
    }

    #[test]
    fn what_is_left_is_what_can_still_be_taken() {
        let allowance = Allowance::new(3, 900, 10);
        let left = |now| {
            let left = allowance.left(&"ada", now);
            (left.uses, left.full_in_ms)
        };
        assert_eq!(left(0), (3, 0));
        assert_eq!((allowance.take(&"ada", 0), left(0)), (Ok(()), (2, 300)));
        assert_eq!((allowance.take(&"ada", 0), left(0)), (Ok(()), (1, 600)));
        assert_eq!(left(299), (1, 301), "not yet one more");
        assert_eq!(left(300), (2, 300));
        assert_eq!((left(600), left(10_000)), ((3, 0), (3, 0)));
        let whole = allowance.left(&"ben", 0);
        assert_eq!((whole.of, whole.window_ms), (3, 900));
    }

    #[test]
    fn what_was_given_back_can_be_used_again() {
        let allowance = Allowance::new(1, 1000, 10);
        for _ in 0..5 {
            assert_eq!(allowance.take(&1, 0), Ok(()));
            allowance.give_back(&1);
        }
        assert_eq!(allowance.take(&1, 0), Ok(()));
        assert_eq!(allowance.take(&1, 0), Err(1000));
    }

    #[test]
    fn never_more_keys_are_remembered_than_allowed_and_the_worst_are_kept() {
        let allowance = Allowance::new(2, 1_000_000, 8);
        assert_eq!((allowance.take(&0, 0), allowance.take(&0, 0)), (Ok(()), Ok(())));
        for key in 1..1000 {
            assert_eq!(allowance.take(&key, key), Ok(()));
            assert!(allowance.full_at.lock().expect("nobody panicked").len() <= 8);
        }
        assert!(allowance.take(&0, 1000).is_err(), "who used most is not forgotten");
    }
}
