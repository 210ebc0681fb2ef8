//! The collector: removes what was deleted, what nobody goes on with, and what no row knows.

use super::{Files, storage::preview_of};
use crate::store;
use futures_util::TryStreamExt as _;
use std::{io, sync::Arc, time::Duration};

/// Rows looked at in one round.
const ROUND: i64 = 200;

/// Why a round ended early; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Storage(#[from] io::Error),
}

/// Runs for ever, a round at a time.
pub(crate) async fn run(files: Arc<Files>) {
    let mut interval = tokio::time::interval(Duration::from_millis(files.config.collect_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = files.round().await {
            tracing::warn!(%error, "Files that are no longer needed could not all be removed");
        }
    }
}

impl Files {
    async fn round(&self) -> Result<(), Error> {
        let before = self.environment.now_ms() - i64::try_from(self.config.unsent_ms).unwrap_or(i64::MAX);
        for id in self.store.stale_uploads(before, ROUND).await? {
            let _turn = self.turn(id).await;
            if self.store.remove_upload(id).await? {
                self.parts.remove(id);
                self.metrics.files_collected.inc();
            }
        }
        self.remove_parts().await?;
        self.remove_freed().await
    }

    /// Parts of uploads that ended while nobody could remove them.
    async fn remove_parts(&self) -> Result<(), Error> {
        let parts = self.parts.clone();
        let there = tokio::task::spawn_blocking(move || parts.list()).await.map_err(io::Error::other)??;
        for id in there {
            if self.received_now(id).is_none() && !self.store.is_uploading(id).await? {
                let _turn = self.turn(id).await;
                if !self.store.is_uploading(id).await? {
                    self.parts.remove(id);
                }
            }
        }
        Ok(())
    }

    async fn remove_freed(&self) -> Result<(), Error> {
        while self.store.has_freed_blobs().await? {
            for blob in self.store.freed_blobs(ROUND).await? {
                self.storage.remove(&preview_of(&blob)).await?;
                self.storage.remove(&blob).await?;
                self.store.forget_blob(blob).await?;
                self.metrics.files_collected.inc();
            }
        }
        Ok(())
    }

    /// What is in the storage and in no row: after an older copy of the database was put back.
    pub(crate) async fn unknown_blobs(&self) -> Result<Vec<String>, super::storage::Error> {
        let mut unknown = Vec::new();
        let mut names = self.storage.list().map_err(super::storage::Error::from)?;
        while let Some(name) = names.try_next().await.map_err(super::storage::Error::from)? {
            let blob = name.strip_suffix(".preview").unwrap_or(&name).to_owned();
            if !self.store.knows_blob(blob).await.map_err(super::storage::Error::from)? {
                unknown.push(name);
            }
        }
        Ok(unknown)
    }
}
