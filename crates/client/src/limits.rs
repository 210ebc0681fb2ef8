//! What a client goes by of `GET /v1/limits`. Numbers that it does not know are ignored, and those that an older server
//! does not tell are as they are by default.

use serde::Deserialize;
use std::time::Duration;

/// Longer than the heartbeat's interval by so much, nothing was heard: the connection is given up.
const SLACK: Duration = Duration::from_secs(10);

/// The numbers that this client needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// People in a conversation up to which every change is told to each of them by name.
    pub conversation_fan_out_max: u32,
    /// Rows of one page, at the most.
    pub page_rows_max: u32,
    /// The server sends a heartbeat when it has sent nothing else for so long, in milliseconds.
    pub ping_interval_ms: u64,
    /// The longest that a poll may wait, in milliseconds.
    pub poll_wait_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { conversation_fan_out_max: 64, page_rows_max: 200, ping_interval_ms: 25_000, poll_wait_max_ms: 25_000 }
    }
}

impl Limits {
    /// After so long without a frame a connection is given up.
    #[must_use]
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms) + SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_newer_and_older_servers_are_borne() {
        let limits: Limits = serde_json::from_str(r#"{"ping_interval_ms": 5, "beards_max": 3}"#).expect("borne");
        assert_eq!(limits, Limits { ping_interval_ms: 5, ..Limits::default() });
        assert_eq!(limits.silence(), Duration::from_millis(10_005));
        assert_eq!(Limits::default().silence(), Duration::from_secs(35));
    }
}
