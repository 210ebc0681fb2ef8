//! Erasing for good: what was deleted, or edited away, leaves the files of SQLite within a minute.
//!
//! SQLite overwrites what it frees in the database (`secure_delete`), but its log keeps the pages as they were until it
//! is emptied. So whenever a commit has erased something, and once at the start for what a killed server left, the log
//! is folded into the database and cut to nothing. On PostgreSQL the space is the next vacuum's affair.

use crate::{
    metrics::Metrics,
    store::{Dialect, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};
use tracing::warn;

/// Told by the writer that something is to be gone. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct WalErasure(Arc<Notify>);

/// As often it is tried again while somebody still reads what lies in the log.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// After so long without success the operator is told.
const WARN_AFTER: Duration = Duration::from_secs(30);

impl WalErasure {
    /// Something was erased.
    pub fn request(&self) {
        self.0.notify_one();
    }

    /// Clears the log `delay` after each first erasure; ends only by being aborted.
    pub async fn run(self, store: Store, metrics: Arc<Metrics>, delay: Duration) {
        if store.dialect() != Dialect::Sqlite {
            return std::future::pending().await;
        }
        self.request();
        loop {
            self.0.notified().await;
            tokio::time::sleep(delay).await;
            clear(&store).await;
            metrics.erasures.inc();
        }
    }
}

async fn clear(store: &Store) {
    let mut warn_at = Instant::now() + WARN_AFTER;
    loop {
        let cause = match store.truncate_log().await {
            Ok(true) => return,
            Ok(false) => "somebody still reads what lies in it".to_owned(),
            Err(cause) => cause.to_string(),
        };
        if Instant::now() > warn_at {
            warn!(%cause, "the database's log could not be cleared of what was deleted; it is tried again");
            warn_at = Instant::now() + WARN_AFTER;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}
