//! The time of a connection: when a heartbeat is due, and when the client is silent for too long.

use crate::config::SocketConfig;
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, Sleep};

/// What a connection's timer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    /// When bytes were last sent.
    pub(super) last_sent: Instant,
    /// When bytes were last received.
    pub(super) last_received: Instant,
    /// Whether the client has not yet asked to resume, so that it may be closed for that.
    pub(super) is_new: bool,
}

/// What is to be done when the timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// A heartbeat.
    Heartbeat,
    /// The client is silent for too long, or has not resumed.
    Close,
}

/// The timer of one connection.
pub(super) struct Heartbeat {
    opened: Instant,
    paused_until: Instant,
    ping_interval: Duration,
    silence: Duration,
    resume: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Heartbeat {
    /// The timer of a connection that opens now. It fires at once.
    pub(super) fn new(config: &SocketConfig) -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            paused_until: now,
            ping_interval: Duration::from_millis(config.ping_interval_ms),
            silence: Duration::from_millis(config.silence_ms),
            resume: Duration::from_millis(config.resume_ms),
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    /// Notes that nothing is read at the moment, so that nothing can be received.
    pub(super) fn pause(&mut self) {
        self.paused_until = Instant::now();
    }

    /// Waits until the timer fires. Deadlines mostly move later without setting it, so it may fire early.
    pub(super) async fn fired(&mut self) {
        self.timer.as_mut().await;
    }

    /// Sets the timer to the next deadline.
    pub(super) fn reset(&mut self, activity: Activity) {
        let deadline = self.deadline(activity, Instant::now());
        self.timer.as_mut().reset(deadline);
    }

    /// Returns what is due at `now`.
    pub(super) fn due(&self, activity: Activity, now: Instant) -> Due {
        if now >= self.silent_from(activity) || (activity.is_new && now >= self.opened + self.resume) {
            Due::Close
        } else if now >= activity.last_sent + self.ping_interval {
            Due::Heartbeat
        } else {
            Due::Nothing
        }
    }

    /// Returns when something is due next. A heartbeat that is due already comes an interval later: what is still being
    /// written serves as one.
    fn deadline(&self, activity: Activity, now: Instant) -> Instant {
        let due = activity.last_sent + self.ping_interval;
        let ping = if now >= due { now + self.ping_interval } else { due };
        let next = ping.min(self.silent_from(activity));
        if activity.is_new { next.min(self.opened + self.resume) } else { next }
    }

    fn silent_from(&self, activity: Activity) -> Instant {
        activity.last_received.max(self.paused_until) + self.silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Heartbeats every 10 seconds, closes after 30 seconds of silence or 20 seconds without a resume.
    fn heartbeat() -> Heartbeat {
        let now = Instant::now();
        Heartbeat {
            opened: now,
            paused_until: now,
            ping_interval: 10 * SECOND,
            silence: 30 * SECOND,
            resume: 20 * SECOND,
            // waits for: nothing, the tests pass times in
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    fn activity(heartbeat: &Heartbeat, sent: u32, received: u32, is_new: bool) -> Activity {
        let at = |seconds| heartbeat.opened + seconds * SECOND;
        Activity { last_sent: at(sent), last_received: at(received), is_new }
    }

    #[tokio::test]
    async fn a_heartbeat_is_due_an_interval_after_the_last_bytes() {
        let heartbeat = heartbeat();
        let activity = activity(&heartbeat, 5, 5, false);
        let at = |seconds| heartbeat.opened + seconds * SECOND;
        assert_eq!(heartbeat.due(activity, at(14)), Due::Nothing);
        assert_eq!(heartbeat.due(activity, at(15)), Due::Heartbeat);
        assert_eq!(heartbeat.deadline(activity, at(6)), at(15));
        assert_eq!(heartbeat.deadline(activity, at(16)), at(26), "what is due already does not fire at once");
    }

    #[tokio::test]
    async fn a_silent_client_is_closed_but_not_for_a_pause_of_ours() {
        let mut heartbeat = heartbeat();
        let activity = activity(&heartbeat, 31, 2, false);
        let opened = heartbeat.opened;
        assert_eq!(heartbeat.due(activity, opened + 31 * SECOND), Due::Nothing);
        assert_eq!(heartbeat.due(activity, opened + 32 * SECOND), Due::Close);
        assert_eq!(heartbeat.deadline(activity, opened + 31 * SECOND), opened + 32 * SECOND);
        heartbeat.paused_until = opened + 20 * SECOND;
        assert_eq!(heartbeat.due(activity, opened + 32 * SECOND), Due::Nothing);
        assert_eq!(heartbeat.due(activity, opened + 50 * SECOND), Due::Close);
    }

    #[tokio::test]
    async fn a_client_that_does_not_resume_is_closed() {
        let heartbeat = heartbeat();
        let opened = heartbeat.opened;
        let at = opened + 20 * SECOND;
        assert_eq!(heartbeat.due(activity(&heartbeat, 19, 19, true), at), Due::Close);
        assert_eq!(heartbeat.due(activity(&heartbeat, 19, 19, false), at), Due::Nothing);
        assert_eq!(heartbeat.deadline(activity(&heartbeat, 15, 19, true), opened + 16 * SECOND), at);
    }
}
