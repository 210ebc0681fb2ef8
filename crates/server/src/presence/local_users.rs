//! The users present at this node: their connections, whether each is idle, and how long ended ones still count.
//!
//! A page that is reloaded is gone for a moment, which is not published. A status that keeps changing is published at
//! intervals. Pure: the time is passed in.

use crate::channel_layer::{PresenceEntry, PresenceLevel, UserPresence};
use parlor_protocol::ids::UserId;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The users of this node, and the entries that were written for them.
#[derive(Debug, Default)]
pub(super) struct LocalUsers {
    users: HashMap<UserId, LocalUser>,
    /// Users that have changed since entries were last written.
    touched: HashSet<UserId>,
    last_connection: u64,
    /// When users were last active, to be written.
    unwritten: HashMap<UserId, i64>,
}

#[derive(Debug, Default)]
struct LocalUser {
    connections: HashMap<u64, LocalConnection>,
    /// Until when connections that have ended still count, as they were.
    online_until: Option<Instant>,
    idle_until: Option<Instant>,
    /// When a page was last in use.
    last_seen_ms: i64,
    last_entry: Option<LastEntry>,
    written_ms: Option<i64>,
}

#[derive(Debug)]
struct LocalConnection {
    /// The user is idle at it.
    is_idle: bool,
    /// When something was last received from it.
    heard_ms: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug)]
struct LastEntry {
    level: PresenceLevel,
    last_seen_ms: i64,
    /// Not set if it was lost.
    at: Option<Instant>,
}

/// Intervals and lifetimes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PresenceTiming {
    /// How long an entry lasts. It is renewed three times in that time.
    pub(super) entry_ttl: Duration,
    /// Between two observations, and between two published changes of one user.
    pub(super) interval: Duration,
    /// How precisely the store keeps when users were last active.
    pub(super) kept_ms: i64,
}

/// How long the entry of a user that has gone lasts: until their last activity is surely in the store.
const GONE_TTL: Duration = Duration::from_mins(10);
/// Users whose last activity is waiting to be written; beyond this, none is recorded.
const PENDING_WRITES_MAX: usize = 100_000;

impl LocalUser {
    fn level(&self, now: Instant) -> PresenceLevel {
        let lasts = |until: Option<Instant>| until.is_some_and(|until| until > now);
        if self.is_in_use() || lasts(self.online_until) {
            PresenceLevel::Online
        } else if !self.connections.is_empty() || lasts(self.idle_until) {
            PresenceLevel::Idle
        } else {
            PresenceLevel::Gone
        }
    }

    fn is_in_use(&self) -> bool {
        self.connections.values().any(|connection| !connection.is_idle)
    }

    /// Returns when a page was last in use. A connection counts until it was last heard, because it may be dead
    /// unnoticed.
    fn last_used_ms(&self) -> i64 {
        let used = self.connections.values().filter(|connection| !connection.is_idle);
        used.map(|connection| connection.heard_ms.load(Ordering::Relaxed)).fold(self.last_seen_ms, i64::max)
    }
}

impl LocalUsers {
    /// Adds a connection, which is not idle.
    pub(super) fn connect(&mut self, user: UserId, heard_ms: Arc<AtomicI64>) -> u64 {
        self.last_connection += 1;
        let user_state = self.users.entry(user).or_default();
        user_state.connections.insert(self.last_connection, LocalConnection { is_idle: false, heard_ms });
        self.touched.insert(user);
        self.last_connection
    }

    /// Sets whether the user is idle at a connection.
    pub(super) fn set_idle(&mut self, user: UserId, connection: u64, is_idle: bool, now_ms: i64) {
        let Some(user_state) = self.users.get_mut(&user) else { return };
        let Some(before) = user_state.connections.get_mut(&connection) else { return };
        if std::mem::replace(&mut before.is_idle, is_idle) != is_idle {
            user_state.last_seen_ms = now_ms;
            self.touched.insert(user);
        }
    }

    /// Removes a connection that was in use until `last_seen_ms`. It still counts until `until`.
    pub(super) fn disconnect(&mut self, user: UserId, connection: u64, last_seen_ms: i64, until: Instant) {
        let Some(user_state) = self.users.get_mut(&user) else { return };
        let Some(LocalConnection { is_idle, .. }) = user_state.connections.remove(&connection) else { return };
        let lingering = if is_idle { &mut user_state.idle_until } else { &mut user_state.online_until };
        *lingering = Some(lingering.map_or(until, |before| before.max(until)));
        if !is_idle {
            user_state.last_seen_ms = user_state.last_seen_ms.max(last_seen_ms);
        }
        self.touched.insert(user);
    }

    /// Returns the entries that are due, each with whether it is a change: for users that have changed, or with `all`
    /// also for those whose last entry will expire.
    pub(super) fn due_entries(
        &mut self,
        all: bool,
        now: Instant,
        now_ms: i64,
        timing: PresenceTiming,
    ) -> Vec<(PresenceEntry, bool)> {
        let touched = std::mem::take(&mut self.touched);
        let candidates: Vec<UserId> =
            if all { self.users.keys().copied().collect() } else { touched.into_iter().collect() };
        let mut entries = Vec::new();
        for user in candidates {
            let Some(user_state) = self.users.get_mut(&user) else { continue };
            let level = user_state.level(now);
            // The clock may have been set back since.
            user_state.last_seen_ms = user_state.last_used_ms().min(now_ms);
            let is_news = user_state.last_entry.is_none_or(|last| last.level != level);
            let last_at = user_state.last_entry.and_then(|last| last.at);
            let since = last_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
            // A change soon after the last one waits until `all` are checked again.
            if (is_news && since >= timing.interval) || since >= timing.entry_ttl / 3 {
                let expires_after = if level == PresenceLevel::Gone { GONE_TTL } else { timing.entry_ttl };
                entries.push((
                    PresenceEntry { user, level, last_seen_ms: user_state.last_seen_ms, expires_after },
                    is_news,
                ));
                user_state.last_entry = Some(LastEntry { level, last_seen_ms: user_state.last_seen_ms, at: Some(now) });
            }
            let is_due = user_state.written_ms.is_none_or(|at| (now_ms - at).abs() >= timing.kept_ms)
                || level == PresenceLevel::Gone;
            if is_due
                && user_state.written_ms != Some(user_state.last_seen_ms)
                && self.unwritten.len() < PENDING_WRITES_MAX
            {
                user_state.written_ms = Some(user_state.last_seen_ms);
                self.unwritten.insert(user, user_state.last_seen_ms);
            }
            if level == PresenceLevel::Gone
                && user_state.last_entry.is_some_and(|last| last.level == PresenceLevel::Gone)
            {
                self.users.remove(&user);
            }
        }
        entries
    }

    /// Notes that all entries were lost, so that they are due.
    pub(super) fn mark_entries_lost(&mut self) {
        for last in self.users.values_mut().filter_map(|user| user.last_entry.as_mut()) {
            last.at = None;
        }
    }

    /// Returns the last entry of a user that is present, even if the entry has expired.
    pub(super) fn last_entry(&self, user: UserId) -> Option<UserPresence> {
        let last = self.users.get(&user)?.last_entry.filter(|last| last.level != PresenceLevel::Gone)?;
        Some(UserPresence { user, level: last.level, last_seen_ms: last.last_seen_ms })
    }

    /// Queues the last activity of all users, before the server ends.
    pub(super) fn queue_all(&mut self) {
        for (user, user_state) in &self.users {
            self.unwritten.insert(*user, user_state.last_used_ms());
        }
    }

    /// Returns up to `max` users with when they were last active, to be written.
    pub(super) fn pending_writes(&self, max: usize) -> Vec<(UserId, i64)> {
        self.unwritten.iter().take(max).map(|(user, last_seen_ms)| (*user, *last_seen_ms)).collect()
    }

    /// Removes what was written. What is newer stays pending.
    pub(super) fn mark_written(&mut self, written: &[(UserId, i64)]) {
        for (user, last_seen_ms) in written {
            if self.unwritten.get(user) == Some(last_seen_ms) {
                self.unwritten.remove(user);
            }
        }
    }

    /// Returns how many users are present.
    pub(super) fn count(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId(7);
    const TIMING: PresenceTiming =
        PresenceTiming { entry_ttl: Duration::from_secs(8), interval: Duration::from_secs(1), kept_ms: 60_000 };

    /// A node in the middle of its life, and what it says at a time.
    struct TestNode {
        local: LocalUsers,
        start: Instant,
    }

    impl TestNode {
        fn new() -> Self {
            Self { local: LocalUsers::default(), start: Instant::now() }
        }

        fn arrives(&mut self, ms: i64) -> (u64, Arc<AtomicI64>) {
            let heard_ms = Arc::new(AtomicI64::new(ms));
            (self.local.connect(USER, heard_ms.clone()), heard_ms)
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn says(&mut self, all: bool, ms: u64) -> Vec<(PresenceLevel, bool)> {
            let entries = self.local.due_entries(all, self.at(ms), i64::try_from(ms).expect("small"), TIMING);
            entries.into_iter().map(|(entry, is_news)| (entry.level, is_news)).collect()
        }
    }

    #[test]
    fn entries_are_renewed_before_they_expire() {
        let mut node = TestNode::new();
        node.arrives(0);
        assert_eq!(node.says(false, 0), [(PresenceLevel::Online, true)]);
        assert_eq!(node.says(true, 1000), []);
        assert_eq!(node.says(true, 2700), [(PresenceLevel::Online, false)]);
        assert_eq!(node.says(true, 3700), []);
    }

    #[test]
    fn lost_entries_are_written_again_at_once_and_are_no_news() {
        let mut node = TestNode::new();
        node.arrives(0);
        node.says(false, 0);
        node.local.mark_entries_lost();
        assert_eq!(node.says(true, 100), [(PresenceLevel::Online, false)]);
        assert_eq!(node.says(true, 200), []);
    }

    #[test]
    fn a_user_that_leaves_counts_a_little_longer_with_the_same_status() {
        let mut node = TestNode::new();
        let ((one, _), (other, _)) = (node.arrives(0), node.arrives(0));
        node.says(false, 0);
        node.local.set_idle(USER, one, true, 0);
        assert_eq!(node.says(true, 1000), [], "the other is in use");
        let until = node.at(9000);
        node.local.disconnect(USER, other, 5000, until);
        assert_eq!(node.says(true, 8999), [(PresenceLevel::Online, false)]);
        assert_eq!(node.says(true, 9000), []);
        assert_eq!(node.says(true, 10_000), [(PresenceLevel::Idle, true)]);
        let until = node.at(20_000);
        node.local.disconnect(USER, one, 16_000, until);
        assert_eq!(node.says(true, 19_999), [(PresenceLevel::Idle, false)]);
        let gone = node.local.due_entries(true, node.at(21_000), 21_000, TIMING);
        assert_eq!(gone.len(), 1);
        assert_eq!(
            (gone[0].0.level, gone[0].0.last_seen_ms),
            (PresenceLevel::Gone, 5000),
            "nobody was at the idle page"
        );
        assert_eq!((node.says(true, 30_000), node.local.count()), (vec![], 0));
    }

    #[test]
    fn a_silent_user_was_last_active_when_last_heard() {
        let mut node = TestNode::new();
        let (connection, heard_ms) = node.arrives(0);
        heard_ms.store(20_000, Ordering::Relaxed);
        for second in 0..55_u64 {
            node.says(true, second * 1000);
        }
        let now = node.at(55_000);
        node.local.disconnect(USER, connection, heard_ms.load(Ordering::Relaxed), now);
        let gone = node.local.due_entries(true, node.at(56_000), 56_000, TIMING);
        assert_eq!(
            gone.iter().map(|(entry, _)| (entry.level, entry.last_seen_ms)).collect::<Vec<_>>(),
            [(PresenceLevel::Gone, 20_000)]
        );
    }

    #[test]
    fn after_a_crash_nobodys_last_time_is_older_than_a_silence() {
        let config = crate::config::Config::default();
        let (kept_ms, heartbeat_ms) = (config.presence.kept_ms, config.socket.ping_interval_ms);
        let timing = PresenceTiming { kept_ms: i64::try_from(kept_ms).expect("small"), ..TIMING };
        // One page answers heartbeats alone, the other is in use all the time.
        for heard_every_ms in [heartbeat_ms, 100] {
            let mut node = TestNode::new();
            let (_, heard_ms) = node.arrives(0);
            let mut kept = 0;
            for now in (0..120_000_u64).step_by(100) {
                let now_ms = i64::try_from(now).expect("small");
                if now.is_multiple_of(heard_every_ms) {
                    heard_ms.store(now_ms, Ordering::Relaxed);
                }
                if now % 1000 == 900 {
                    node.local.due_entries(true, node.at(now), now_ms, timing);
                }
                if now.is_multiple_of(kept_ms / 3) {
                    let some = node.local.pending_writes(1);
                    node.local.mark_written(&some);
                    kept = some.first().map_or(kept, |(_, last_seen_ms)| *last_seen_ms);
                }
                let age = now - u64::try_from(kept).expect("small");
                assert!(age <= config.socket.silence_ms, "{age} ms old after {now} ms");
            }
        }
    }

    #[test]
    fn what_is_not_said_yet_is_not_known_either() {
        let mut node = TestNode::new();
        let (connection, _) = node.arrives(0);
        node.says(false, 0);
        node.local.set_idle(USER, connection, true, 5000);
        assert_eq!(node.says(true, 5000), [(PresenceLevel::Idle, true)]);
        let last_entry = |node: &TestNode| node.local.last_entry(USER).map(|seen| (seen.level, seen.last_seen_ms));
        node.local.set_idle(USER, connection, false, 5100);
        assert_eq!(node.says(false, 5100), [], "it waits for the next look");
        assert_eq!(last_entry(&node), Some((PresenceLevel::Idle, 5000)));
        node.says(true, 6000);
        assert_eq!(last_entry(&node).map(|(level, _)| level), Some(PresenceLevel::Online));
    }

    #[test]
    fn a_user_who_comes_and_goes_is_published_at_intervals() {
        let mut node = TestNode::new();
        let (connection, _) = node.arrives(0);
        node.says(false, 0);
        let mut count = 0;
        for step in 1..=1000_u64 {
            node.local.set_idle(USER, connection, step % 2 == 1, 0);
            count += node.says(step % 100 == 0, step * 10).len();
        }
        assert!(count <= 10, "in ten seconds: {count}");
    }

    #[test]
    fn when_people_were_here_is_written_at_coming_at_going_and_at_intervals() {
        let mut node = TestNode::new();
        let (_, heard_ms) = node.arrives(10);
        node.says(false, 10);
        assert_eq!(node.local.pending_writes(10), [(USER, 10)]);
        assert_eq!(node.local.pending_writes(10), [(USER, 10)], "until it is surely written");
        node.local.mark_written(&[(USER, 10)]);
        heard_ms.store(61_000, Ordering::Relaxed);
        node.says(true, 59_000);
        assert_eq!(node.local.pending_writes(10), []);
        node.says(true, 61_000);
        assert_eq!(node.local.pending_writes(10), [(USER, 61_000)]);
        heard_ms.store(62_000, Ordering::Relaxed);
        node.local.queue_all();
        node.local.mark_written(&[(USER, 61_000)]);
        assert_eq!(node.local.pending_writes(10), [(USER, 62_000)], "what came while it was being written waits on");
    }
}
