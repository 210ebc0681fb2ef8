//! The collector: removes what was deleted, what nobody goes on with, and what no row knows.

use super::{Files, storage::preview_of};
use crate::store;
use futures_util::TryStreamExt as _;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

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
    let mut swept = Instant::now();
    loop {
        interval.tick().await;
        let mut done = files.round().await;
        if done.is_ok() && swept.elapsed() >= Duration::from_millis(files.config.unsent_ms) {
            swept = Instant::now();
            done = files.sweep().await;
        }
        if let Err(error) = done {
            tracing::warn!(%error, "Files that are no longer needed could not all be removed");
        }
    }
}

impl Files {
    async fn round(&self) -> Result<(), Error> {
        for id in self.store.stale_uploads(self.unsent_before(), ROUND).await? {
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

    /// What is in the storage and in no row for long: an older copy of the database was put back.
    async fn sweep(&self) -> Result<(), Error> {
        let before = self.unsent_before();
        let mut names = self.storage.list()?;
        while let Some((name, came)) = names.try_next().await? {
            if came < before && !self.store.knows_blob(blob_of(&name).to_owned()).await? {
                self.storage.remove(&name).await?;
                self.metrics.files_collected.inc();
            }
        }
        Ok(())
    }

    fn unsent_before(&self) -> i64 {
        self.environment.now_ms() - i64::try_from(self.config.unsent_ms).unwrap_or(i64::MAX)
    }

    /// Compares the rows with the storage. Changes nothing.
    ///
    /// # Errors
    /// The store or the storage is not there.
    pub(crate) async fn verify(&self) -> Result<Verified, super::storage::Error> {
        let mut verified = Verified::default();
        let mut after = String::new();
        loop {
            let page = self.store.kept_blobs(after.clone(), ROUND).await?;
            let Some((last, ..)) = page.last() else { break };
            last.clone_into(&mut after);
            for (blob, bytes, has_preview) in page {
                match self.storage.bytes(&blob).await? {
                    None => verified.missing += 1,
                    Some(found) if found != bytes => verified.wrong += 1,
                    Some(_) => verified.whole += 1,
                }
                if has_preview && self.storage.bytes(&preview_of(&blob)).await?.is_none() {
                    verified.missing += 1;
                }
            }
        }
        let mut names = self.storage.list()?;
        while let Some((name, _)) = names.try_next().await? {
            if !self.store.knows_blob(blob_of(&name).to_owned()).await? {
                verified.unknown += 1;
            }
        }
        Ok(verified)
    }
}

/// What comparing the rows with the storage brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verified {
    /// As they should be.
    pub(crate) whole: u64,
    /// Not in the storage.
    pub(crate) missing: u64,
    /// Of another size.
    pub(crate) wrong: u64,
    /// In the storage and in no row: the collector removes them in time.
    pub(crate) unknown: u64,
}

fn blob_of(name: &str) -> &str {
    name.strip_suffix(".preview").unwrap_or(name)
}
