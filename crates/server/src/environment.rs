//! Time and randomness, passed in so that tests are exact (I10).
//!
//! This is the only file that reads the machine's clock or randomness. Deadlines follow tokio's clock.

use rand::RngExt;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

/// The source of time and randomness.
#[derive(Clone)]
pub struct Environment {
    now: Arc<ReadClock>,
    steady: Arc<ReadClock>,
    fill: Arc<Fill>,
    /// How far the two clocks were apart when they were last read, see [`Environment::ageing_ms`].
    apart_ms: Arc<AtomicI64>,
}

type ReadClock = dyn Fn() -> i64 + Send + Sync;
type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Environment {
    /// Returns the machine's clock and cryptographic randomness.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time and chance are asked for")]
    pub fn real() -> Self {
        Self::new(|| jiff::Timestamp::now().as_millisecond(), |bytes| rand::rng().fill(bytes))
    }

    /// Creates an environment with a given wall clock and randomness. The steady clock is the machine's.
    pub fn new(
        now: impl Fn() -> i64 + Send + Sync + 'static,
        fill: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        let started = Instant::now();
        let steady = move || i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Self {
            now: Arc::new(now),
            steady: Arc::new(steady),
            fill: Arc::new(fill),
            apart_ms: AtomicI64::new(i64::MAX).into(),
        }
    }

    /// Replaces the steady clock, which must never go back.
    #[must_use]
    pub fn with_steady(self, steady: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { steady: Arc::new(steady), apart_ms: AtomicI64::new(i64::MAX).into(), ..self }
    }

    /// Returns milliseconds since 1970 in UTC, as the machine believes: for times that are displayed. The clock may be
    /// set at any moment, so nothing is measured by it.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.now)()
    }

    /// Returns milliseconds on a clock that is never set: for rates, leases and intervals.
    #[must_use]
    pub fn steady_ms(&self) -> i64 {
        (self.steady)()
    }

    /// Returns milliseconds since 1970, for deciding whether something durable is too old. It follows the wall clock
    /// back at once but forward only as time really passes, so a clock that leaps ahead expires nothing early. Until
    /// the server restarts, things last longer instead.
    #[must_use]
    pub fn ageing_ms(&self) -> i64 {
        let steady_ms = self.steady_ms();
        let apart_ms = self.now_ms().saturating_sub(steady_ms);
        let apart_ms = self.apart_ms.fetch_min(apart_ms, Ordering::Relaxed).min(apart_ms);
        steady_ms.saturating_add(apart_ms)
    }

    /// Returns random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.fill)(&mut bytes);
        bytes
    }

    /// Returns a random id from 1 to 2^53 − 1.
    #[must_use]
    pub fn random_id(&self) -> i64 {
        let number = u64::from_le_bytes(self.random::<8>()) >> 11;
        i64::try_from(number).expect("53 bits fit").max(1)
    }

    /// Returns a random share of `most`, for delays that must not coincide.
    #[must_use]
    pub fn jitter(&self, most: u64) -> u64 {
        u64::from_le_bytes(self.random::<8>()) % most.saturating_add(1)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Environment")
    }
}

/// Formats a time for the wire: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: i64 = 365 * 24 * 60 * 60 * 1000;

    #[test]
    fn ageing_follows_the_clock_back_at_once_and_forward_only_as_time_passes() {
        let (wall, steady) = (Arc::new(AtomicI64::new(YEAR_MS)), Arc::new(AtomicI64::new(5)));
        let (read_wall, read_steady) = (wall.clone(), steady.clone());
        let environment = Environment::new(move || read_wall.load(Ordering::Relaxed), |_| {})
            .with_steady(move || read_steady.load(Ordering::Relaxed));
        assert_eq!(environment.ageing_ms(), YEAR_MS);
        let pass = |ms: i64| {
            wall.fetch_add(ms, Ordering::Relaxed);
            steady.fetch_add(ms, Ordering::Relaxed);
        };
        pass(1000);
        assert_eq!(environment.ageing_ms(), YEAR_MS + 1000);
        wall.fetch_add(10 * YEAR_MS, Ordering::Relaxed);
        pass(1000);
        assert_eq!(environment.ageing_ms(), YEAR_MS + 2000, "ten years ahead");
        wall.fetch_sub(10 * YEAR_MS, Ordering::Relaxed);
        assert_eq!(environment.ageing_ms(), YEAR_MS + 2000, "and back");
        wall.fetch_sub(7_200_000, Ordering::Relaxed);
        assert_eq!(environment.ageing_ms(), YEAR_MS + 2000 - 7_200_000, "two hours back");
        assert_eq!(environment.now_ms(), YEAR_MS + 2000 - 7_200_000);
    }

    #[test]
    fn times_have_three_digits_after_the_second() {
        assert_eq!(super::rfc3339(1_795_337_523_120), "2026-11-22T08:52:03.120Z");
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
