//! The collector: removes deleted files, abandoned uploads, and blobs that no row refers to.

use super::{Files, storage::preview_of};
use crate::store;
use futures_util::TryStreamExt as _;
use parlor_protocol::ids::FileId;
use std::{
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// How many rows are processed in one round.
const BATCH: i64 = 200;

/// How long an ingest gets to give way.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long pictures that no user or group uses are kept: they are stored a moment before they are assigned.
const UNUSED_MS: i64 = 10 * 60 * 1000;

/// Why a step ended early; the next round retries.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Storage(#[from] io::Error),
}

/// Runs forever, one round at a time.
pub(crate) async fn run(files: Arc<Files>) {
    let mut interval = tokio::time::interval(Duration::from_millis(files.config.collect_ms));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut swept, mut pictures_checked) = (Instant::now(), None::<Instant>);
    loop {
        interval.tick().await;
        // Deleted files come first, and no step depends on the success of another.
        log_failure(files.remove_freed()).await;
        log_failure(files.remove_stale_uploads()).await;
        log_failure(files.remove_orphaned_partials()).await;
        if pictures_checked.is_none_or(|pictures_checked| {
            pictures_checked.elapsed() >= Duration::from_millis(UNUSED_MS.unsigned_abs())
        }) {
            pictures_checked = Some(Instant::now());
            log_failure(files.remove_unused_pictures()).await;
        }
        if swept.elapsed() >= Duration::from_millis(files.config.unsent_ms) {
            swept = Instant::now();
            log_failure(files.sweep()).await;
        }
    }
}

async fn log_failure(step: impl Future<Output = Result<(), CollectError>>) {
    if let Err(error) = step.await {
        tracing::warn!(%error, "Some files that are no longer needed could not be removed");
    }
}

impl Files {
    /// Removes abandoned uploads.
    async fn remove_stale_uploads(&self) -> Result<(), CollectError> {
        let before = self.unsent_before();
        self.store.clamp_future_uploads(self.environment.now_ms()).await?;
        let mut last = (i64::MIN, FileId(0));
        loop {
            let page = self.store.stale_uploads(before, last, BATCH).await?;
            // Uploads that are being received stay, so the next page starts after them.
            let Some(end) = page.last() else { return Ok(()) };
            last = *end;
            for (_, id) in page {
                if self.live_received(id).is_some() {
                    continue;
                }
                let Ok(_lock) = timeout(LOCK_TIMEOUT, self.lock_upload(id)).await else { continue };
                if self.store.remove_stale_upload(id, before).await? {
                    self.remove_partials(id).await;
                    self.metrics.files_collected.inc();
                }
            }
        }
    }

    /// Removes pictures that no user or group uses any more.
    async fn remove_unused_pictures(&self) -> Result<(), CollectError> {
        let (before, now_ms) = (self.environment.ageing_ms() - UNUSED_MS, self.environment.now_ms());
        self.store.remove_unused_pictures(before, now_ms).await?;
        Ok(())
    }

    /// Removes partial files of uploads that ended while they could not be removed.
    async fn remove_orphaned_partials(&self) -> Result<(), CollectError> {
        let partials = self.partials.clone();
        let there = tokio::task::spawn_blocking(move || partials.list()).await.map_err(io::Error::other)??;
        for id in there {
            if self.live_received(id).is_none() && !self.store.is_uploading(id).await? {
                let Ok(_lock) = timeout(LOCK_TIMEOUT, self.lock_upload(id)).await else { continue };
                if !self.store.is_uploading(id).await? {
                    self.remove_partials(id).await;
                }
            }
        }
        Ok(())
    }

    async fn remove_freed(&self) -> Result<(), CollectError> {
        if !self.store.has_freed_blobs().await? {
            return Ok(());
        }
        let mut last = String::new();
        loop {
            let page = self.store.freed_blobs(last.clone(), BATCH).await?;
            let Some(end) = page.last() else { return Ok(()) };
            end.clone_into(&mut last);
            for blob in page {
                if let Err(error) = self.remove_blob(&blob).await {
                    tracing::warn!(%error, blob, "A deleted file could not be removed from the storage");
                    continue;
                }
                self.store.remove_freed_blob(blob).await?;
                self.metrics.files_collected.inc();
            }
        }
    }

    async fn remove_blob(&self, blob: &str) -> io::Result<()> {
        self.storage.remove(&preview_of(blob)).await?;
        self.storage.remove(blob).await
    }

    /// Removes old blobs that no row refers to. They remain when an older copy of the database was restored.
    async fn sweep(&self) -> Result<(), CollectError> {
        let before = self.unsent_before();
        if !self.is_exclusive().await? {
            return Ok(());
        }
        let mut names = self.storage.list()?;
        while let Some((name, came)) = names.try_next().await? {
            if came >= before || self.store.has_blob(blob_of(&name).to_owned()).await? {
                continue;
            }
            match self.storage.remove(&name).await {
                Ok(()) => drop(self.metrics.files_collected.inc()),
                Err(error) => tracing::warn!(%error, name, "An unknown file could not be removed from the storage"),
            }
        }
        Ok(())
    }

    /// Returns whether only this database uses the storage: its mark is there, and no other.
    async fn is_exclusive(&self) -> Result<bool, CollectError> {
        let own = self.mark().await?;
        let marks = self.storage.marks().await?;
        let is_exclusive = marks == [own.clone()];
        if !is_exclusive && !marks.is_empty() {
            tracing::warn!(own, ?marks, "Another database uses the same file storage: unknown files are not removed");
        }
        Ok(is_exclusive)
    }

    /// Returns the name of this database's mark in the storage.
    async fn mark(&self) -> Result<String, CollectError> {
        let secret = self.store.secret("files", self.environment.random()).await?;
        Ok(secret.iter().take(16).fold(String::with_capacity(32), |text, byte| format!("{text}{byte:02x}")))
    }

    /// Marks the storage as this database's, once before the first file is stored.
    pub(super) async fn mark_storage(&self) -> io::Result<()> {
        let marking = async {
            let mark = self.mark().await.map_err(io::Error::other)?;
            self.storage.put_mark(&mark).await
        };
        self.marked.get_or_try_init(|| marking).await?;
        Ok(())
    }

    /// Removes all partial files of an upload on this machine.
    pub(super) async fn remove_partials(&self, id: FileId) {
        let partials = self.partials.clone();
        if tokio::task::spawn_blocking(move || partials.remove(id)).await.is_err() {
            tracing::warn!("The partial files of an upload could not be removed");
        }
    }

    fn unsent_before(&self) -> i64 {
        self.environment.ageing_ms() - i64::try_from(self.config.unsent_ms).unwrap_or(i64::MAX)
    }

    /// Compares the rows with the storage without changing anything.
    ///
    /// # Errors
    /// The store or the storage is unavailable.
    pub(crate) async fn verify(&self) -> Result<StorageReport, super::storage::StorageError> {
        let mut verified = StorageReport::default();
        let mut after = String::new();
        loop {
            let page = self.store.stored_blobs(after.clone(), BATCH).await?;
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
            if !self.store.has_blob(blob_of(&name).to_owned()).await? {
                verified.unknown += 1;
            }
        }
        Ok(verified)
    }
}

/// The result of comparing the rows with the storage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StorageReport {
    /// Complete.
    pub(crate) whole: u64,
    /// Missing from the storage.
    pub(crate) missing: u64,
    /// Of a different size.
    pub(crate) wrong: u64,
    /// In the storage but in no row: the collector will remove them.
    pub(crate) unknown: u64,
}

fn blob_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
