//! The limits of `GET /v1/limits` that the client uses. Unknown fields are ignored; missing ones get their defaults.

use serde::Deserialize;
use std::time::Duration;

/// How much longer than the heartbeat's interval the server may be silent.
const SILENCE_MARGIN: Duration = Duration::from_secs(10);

/// The limits that this client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Members up to which every member of a conversation receives every change.
    pub conversation_fan_out_max: u32,
    /// Maximum rows per page.
    pub page_rows_max: u32,
    /// The server sends a heartbeat after this many milliseconds of silence.
    pub ping_interval_ms: u64,
    /// How long a poll may wait, in milliseconds.
    pub poll_wait_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { conversation_fan_out_max: 64, page_rows_max: 200, ping_interval_ms: 25_000, poll_wait_max_ms: 25_000 }
    }
}

impl Limits {
    /// How long the server may be silent before the connection is closed.
    #[must_use]
    pub fn silence_timeout(&self) -> Duration {
        Duration::from_millis(self.ping_interval_ms) + SILENCE_MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_newer_and_older_servers_are_accepted() {
        let limits: Limits = serde_json::from_str(r#"{"ping_interval_ms": 5, "beards_max": 3}"#).expect("accepted");
        assert_eq!(limits, Limits { ping_interval_ms: 5, ..Limits::default() });
        assert_eq!(limits.silence_timeout(), Duration::from_millis(10_005));
        assert_eq!(Limits::default().silence_timeout(), Duration::from_secs(35));
    }
}
