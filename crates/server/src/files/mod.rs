//! Files that people send: taken in, looked at, kept, served and forgotten.
//!
//! An upload in progress is a file in the folder `uploads` of the data folder. What is finished is in the storage: a
//! folder, or an S3-compatible bucket. The rows of both are `store::files`; what messages carry is `commit`'s.
//!
//! Invariants: every name in the storage is in a row before it is there, so nothing in it is unknown; a row says
//! `finished` only after its bytes are safely kept; what a row loses is first listed as freed, then removed; names
//! that people gave never become paths; memory does not grow with a file's size, but for pictures that are looked at and
//! the tables of videos, which have limits.
//!
//! Absent on purpose: links that work without a session; scanning for malware; archives are never opened.

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

use crate::{config::Config, environment::Environment, metrics::Metrics, store::Store, user_limits::Shares};
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

/// Everything about files. Shared by the edges and the collector.
#[derive(Debug)]
pub struct Files {
    pub(crate) storage: Storage,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    partials: PartialFiles,
    environment: Environment,
    limits: Limits,
    config: crate::config::FilesConfig,
    /// Uploads that are fed right now.
    active: Mutex<HashMap<FileId, Weak<ActiveUpload>>>,
    /// Turns to look at a picture.
    image_permits: Arc<Semaphore>,
    /// Of each person one picture at a time.
    user_limits: Shares,
    /// Set once the storage says whose it is.
    marked: OnceCell<()>,
}

impl Files {
    /// For a server with this configuration. Folders are made when first needed.
    ///
    /// # Errors
    /// The bucket's settings make no sense.
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
            user_limits: Shares::new(1, Duration::from_millis(config.files.image_ms) * finish::WAIT_FACTOR),
            marked: OnceCell::new(),
        })
    }

    /// A file without a name, which is gone when it is closed.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn scratch(&self) -> io::Result<std::fs::File> {
        self.partials.scratch()
    }

    /// Uploads that one socket sends at the same time.
    pub(crate) fn uploads_of_a_socket_max(&self) -> u32 {
        self.limits.connection_uploads_max
    }

    /// How much of a file one binary frame of a socket carries at the most.
    pub(crate) fn chunk_bytes_max(&self) -> u32 {
        let fits = self.limits.frame_bytes_max.saturating_sub(ingest::FRAME_HEAD_BYTES).max(1);
        self.limits.upload_chunk_bytes_max.min(fits)
    }
}

/// What the asker is told when the disk or the bucket failed; the cause goes to the log.
pub(crate) fn storage_problem(error: &io::Error) -> Problem {
    tracing::warn!(%error, "A file cannot be kept or read");
    let detail = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk for files is full",
        _ => "the storage for files cannot be reached",
    };
    Problem::new(Code::Unavailable).with_detail(detail)
}
