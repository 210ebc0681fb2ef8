//! Erases for good: what was deleted or edited away leaves the SQLite files within a minute.
//!
//! SQLite overwrites what it frees in the database (`secure_delete`), but its write-ahead log keeps the old pages until
//! it is truncated. So after each commit that erased something, and once at startup for what a killed server left, the
//! log is checkpointed and truncated. On PostgreSQL the next vacuum frees the space.

use crate::{
    metrics::Metrics,
    store::{Dialect, Store},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};
use tracing::warn;

/// Notified by the writer when something was erased. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct WalErasure(Arc<Notify>);

/// The pause between attempts while a reader still uses the log.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// After this long without success the operator is warned.
const WARN_AFTER: Duration = Duration::from_secs(30);

impl WalErasure {
    /// Requests that the log is cleared.
    pub fn request(&self) {
        self.0.notify_one();
    }

    /// Clears the log `delay` after the first request; runs until it is aborted.
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
            Ok(false) => "it is still being read".to_owned(),
            Err(cause) => cause.to_string(),
        };
        if Instant::now() > warn_at {
            warn!(%cause, "the database's log could not be cleared of deleted data; retrying");
            warn_at = Instant::now() + WARN_AFTER;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}
