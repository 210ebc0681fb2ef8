//! What became of rows that were applied, and which of them are announced.

use parlor_protocol::error::Problem;
use std::collections::BTreeSet;

/// How many reasons are kept for a report.
pub(super) const REASONS_MAX: usize = 100;
/// Up to which age a message is shown as new by old sockets, and again when its files come.
pub(super) const RECENT_MS: i64 = 10 * 60 * 1000;

/// Which new rows are published to old sockets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Announce {
    /// Those that were sent after this time: after an outage there may be very old ones.
    SentAfterMs(i64),
    /// None.
    Nothing,
}

impl Announce {
    /// Publishes what was sent in the last ten minutes.
    pub(super) fn recent(now_ms: i64) -> Self {
        Self::SentAfterMs(now_ms - RECENT_MS)
    }
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Rows that were new.
    pub(crate) new: BTreeSet<i64>,
    /// Known rows whose message changed, or was removed.
    pub(crate) changed: u64,
    /// Rows that cannot be applied.
    pub(crate) refused: u64,
    /// Files that were copied.
    pub(crate) files: u64,
    /// Files that could not be copied.
    pub(crate) files_refused: u64,
    /// Why the first of these rows and files could not be applied.
    pub(crate) reasons: Vec<String>,
}

impl Applied {
    /// Keeps a reason, unless there are many.
    pub(super) fn explain(&mut self, reason: String) {
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason);
        }
    }
}

/// Returns whether the same change may succeed later.
pub(super) fn is_transient(problem: &Problem) -> bool {
    problem.status >= 500
}
