//! What each step costs, in microseconds, and where the figure comes from.
//!
//! "Measured" is the table of `docs/operate/figures.md`, of one core of that machine, with SQLite.

/// Reading and checking a command. With the next five: 93.4 µs a message in "500 pairs, window 4", measured; the parts
/// follow the profile on that page.
pub(super) const RECEIVE: f64 = 20.0;
/// Encoding the event, and writing the reply.
pub(super) const REPLY: f64 = 16.0;
/// Waking a socket's task and one write of the system, however many events it has. From the two rows of the group of
/// 1,000: 11.6 and 2.0 µs a delivery with two and sixteen messages in flight, measured.
pub(super) const WAKE: f64 = 20.1;
/// Each event of such a write, from the same rows.
pub(super) const EVENT: f64 = 0.56;
/// A copy that comes to a node through Redis: reading it and finding its sockets. An assumption.
pub(super) const COPY: f64 = 10.0;
/// The processor of Redis for a publication: `redis-benchmark -P 16 publish ch …` with 600 bytes on the same machine.
pub(super) const PUBLISH: f64 = 1.8;
/// And for each copy of it to a subscriber, from the same with 0 to 50 subscribers.
pub(super) const PUBLISHED_COPY: f64 = 0.85;
/// Changes in one commit: `limits.commit_changes_max`.
pub(super) const CHANGES_MAX: usize = 1000;
/// From a node to Redis and on to another node. An assumption.
pub(super) const HOP: f64 = 500.0;

/// What a commit costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    /// The node's processor, for each commit.
    pub(super) fixed: f64,
    /// And for each of its changes.
    pub(super) change: f64,
    /// Waiting for the database, for each commit.
    pub(super) wait: f64,
    /// And for each of its changes.
    pub(super) wait_change: f64,
    /// Waiting for the disk, on average.
    pub(super) disk: f64,
}

impl Commit {
    /// SQLite on the same machine. A message alone costs 19 % of a core at 100 a second, measured, and the disk 0.38 ms
    /// (p99 1.97), measured.
    pub(super) fn sqlite() -> Self {
        Self { fixed: 1808.0, change: 35.0, wait: 0.0, wait_change: 0.0, disk: 450.0 }
    }

    /// PostgreSQL: nine round trips (BEGIN with the clock, the statements of a batch of sends, COMMIT), each with 0.1 ms
    /// of its own, and 40 µs for the rows of a message. Assumptions, as is that the node spends half as long on a commit
    /// as with SQLite, since the database is elsewhere.
    pub(super) fn postgres(round_trip_ms: f64) -> Self {
        let wait = 9.0 * (round_trip_ms * 1000.0 + 100.0);
        Self { fixed: 904.0, change: 35.0, wait, wait_change: 40.0, disk: 1000.0 }
    }
}
