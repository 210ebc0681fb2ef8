//! Files that users send: received, processed, stored, served and deleted.
//!
//! An upload in progress is a file in the folder `uploads` of the data folder. Finished files are in the storage: a
//! folder or an S3-compatible bucket. `store::files` has the rows of both; the files that messages carry are
//! `commit`'s.
//!
//! Invariants: every name in the storage is in a row first, so nothing in it is unknown; a row becomes `finished` only
//! after its bytes are safely stored; a blob that a row loses is first listed as freed, then removed; names given by
//! users never become paths; memory does not grow with the size of a file, except for pictures being processed and the
//! tables of videos, which have limits.
//!
//! Absent on purpose: links that work without a session; malware scanning; archives are never opened.

mod collector;
pub(crate) mod disposition;
pub mod file_name;
mod finish;
pub(crate) mod ingest;
mod partial;
pub mod pictures;
pub mod sniff;
pub mod storage;
mod uploads;
pub mod videos;

use crate::{config::Config, environment::Environment, metrics::Metrics, store::Store, user_limits::UserLimiter};
use ingest::ActiveUpload;
use parlor_protocol::{
    error::{Code, Problem},
    ids::FileId,
    limits::Limits,
};
use partial::PartialFiles;
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use storage::Storage;
use tokio::sync::{OnceCell, Semaphore};

pub(crate) use collector::run as collect;

/// Files and their storage, shared by the edges and the collector.
#[derive(Debug)]
pub struct Files {
    pub(crate) storage: Storage,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    partials: PartialFiles,
    environment: Environment,
    limits: Limits,
    config: crate::config::FilesConfig,
    /// Uploads that are being received.
    active: Mutex<HashMap<FileId, Weak<ActiveUpload>>>,
    /// Limits how many pictures are processed at the same time.
    image_permits: Arc<Semaphore>,
    /// Limits each user to one picture at a time.
    user_limits: UserLimiter,
    /// Set once the storage is marked as this database's.
    marked: OnceCell<()>,
}

impl Files {
    /// Creates the file service. Folders are created when they are first needed.
    ///
    /// # Errors
    /// The settings of the bucket are invalid.
    pub(crate) fn new(
        config: &Config,
        store: Store,
        environment: Environment,
        metrics: Arc<Metrics>,
    ) -> Result<Self, storage::StorageError> {
        Ok(Self {
            storage: Storage::new(config)?,
            store,
            metrics,
            partials: PartialFiles::new(config.data.join("uploads")),
            environment,
            limits: config.limits.clone(),
            config: config.files.clone(),
            active: Mutex::default(),
            image_permits: Arc::new(Semaphore::new(config.limits.image_checks_max as usize)),
            user_limits: UserLimiter::new(1, Duration::from_millis(config.files.image_ms) * finish::WAIT_FACTOR),
            marked: OnceCell::new(),
        })
    }

    /// Creates an unnamed file, which is deleted when it is closed.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn scratch(&self) -> io::Result<std::fs::File> {
        self.partials.scratch()
    }

    /// Returns how many uploads a socket may send at the same time.
    pub(crate) fn uploads_of_a_socket_max(&self) -> u32 {
        self.limits.connection_uploads_max
    }

    /// Returns how much of a file a binary frame of a socket can carry.
    pub(crate) fn chunk_bytes_max(&self) -> u32 {
        let fits = self.limits.frame_bytes_max.saturating_sub(ingest::FRAME_HEAD_BYTES).max(1);
        self.limits.upload_chunk_bytes_max.min(fits)
    }
}

/// Returns the error for clients when the disk or the bucket failed; the cause goes to the log.
pub(crate) fn storage_problem(error: &io::Error) -> Problem {
    tracing::warn!(%error, "A file could not be stored or read");
    let detail = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk for files is full",
        _ => "the file storage cannot be reached",
    };
    Problem::new(Code::Unavailable).with_detail(detail)
}
