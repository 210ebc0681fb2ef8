//! Time and chance, handed in so that tests are exact (I10).
//!
//! This is the only file that asks the machine for either. Deadlines are tokio's affair and follow its clock.

use rand::RngExt;
use std::{fmt, sync::Arc};

/// Where a server gets the time and randomness from.
#[derive(Clone)]
pub struct Environment {
    now: Arc<Now>,
    fill: Arc<Fill>,
}

type Now = dyn Fn() -> i64 + Send + Sync;
type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Environment {
    /// The machine's clock and its source of cryptographic randomness.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time and chance are asked for")]
    pub fn real() -> Self {
        Self::new(|| jiff::Timestamp::now().as_millisecond(), |bytes| rand::rng().fill(bytes))
    }

    /// A clock and a source of randomness of one's own.
    pub fn new(
        now: impl Fn() -> i64 + Send + Sync + 'static,
        fill: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), fill: Arc::new(fill) }
    }

    /// Milliseconds since 1970 in UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.now)()
    }

    /// Random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.fill)(&mut bytes);
        bytes
    }

    /// A random id from 1 to 2^53 − 1.
    #[must_use]
    pub fn random_id(&self) -> i64 {
        let number = u64::from_le_bytes(self.random::<8>()) >> 11;
        i64::try_from(number).expect("53 bits fit").max(1)
    }

    /// A random share of `most`, for delays that must not coincide.
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

/// A time of the store on the wire: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_three_digits_after_the_second() {
        assert_eq!(super::rfc3339(1_795_337_523_120), "2026-11-22T08:52:03.120Z");
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
