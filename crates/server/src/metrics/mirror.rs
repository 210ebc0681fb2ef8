//! Metrics of the mirror.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// Metrics of the mirror.
#[derive(Debug, Default)]
pub struct MirrorMetrics {
    /// Whether the mirror runs on this node and the host's database answers.
    pub connected: Gauge,
    /// Rows of the host that became messages.
    pub rows: Counter,
    /// Messages removed because the host deleted their rows.
    pub removed: Counter,
    /// Times a row of the host could not be mirrored.
    pub rows_refused: Counter,
    /// Rows inserted into the host's table.
    pub written: Counter,
    /// Messages and changes of users that the host's database refused.
    pub refused: Counter,
    /// Rows that a scan found to be different.
    pub repaired: Counter,
}
