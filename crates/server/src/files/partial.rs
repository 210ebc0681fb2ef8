//! Uploads in progress: a file each, named by its id and readable by its owner only.

use parlor_protocol::ids::FileId;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The folder of uploads in progress.
#[derive(Clone, Debug)]
pub(super) struct PartialFiles {
    folder: PathBuf,
}

impl PartialFiles {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the path of an upload.
    pub(super) fn path(&self, id: FileId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Returns the path of a derived file, before it is stored.
    pub(super) fn path_beside(&self, id: FileId, end: &str) -> PathBuf {
        self.folder.join(format!("{id}.{end}"))
    }

    /// Opens an upload to continue after `received` bytes, and returns how many there really are: none if the file is
    /// not on this machine. Bytes beyond that are cut off, because after a power cut they may be anything.
    pub(super) fn open(&self, id: FileId, received: u64) -> io::Result<(File, u64)> {
        self.make()?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.path(id))?;
        let length = file.metadata()?.len();
        let start = if length < received { 0 } else { received };
        if length != start {
            file.set_len(start)?;
        }
        if length == 0 {
            sync_folder(&self.folder)?;
        }
        Ok((file, start))
    }

    /// Returns how much of an upload is on this machine.
    pub(super) fn stored_length(&self, id: FileId, received: u64) -> u64 {
        let length = fs::metadata(self.path(id)).map_or(0, |file| file.len());
        if length < received { 0 } else { received }
    }

    /// Writes a derived file.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        use io::Write as _;
        let mut file = self.create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Creates an empty derived file.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.make()?;
        OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(path)
    }

    /// Creates an unnamed file, which is deleted when it is closed.
    pub(super) fn scratch(&self) -> io::Result<File> {
        self.make()?;
        tempfile::tempfile_in(&self.folder)
    }

    /// Creates the folder durably.
    fn make(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        create_folder(&self.folder)?;
        sync_folder(self.folder.parent().unwrap_or(Path::new(".")))
    }

    /// Removes all files of an upload.
    pub(super) fn remove(&self, id: FileId) {
        for path in [self.path(id), self.path_beside(id, "kept"), self.path_beside(id, "preview")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "A partial file of an upload could not be removed");
                }
                _ => {}
            }
        }
    }

    /// Returns the uploads that have any files.
    pub(super) fn list(&self) -> io::Result<Vec<FileId>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let id = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.split('.').next()?.parse().ok();
        Ok(entries.filter_map(id).collect())
    }

    /// Returns how many bytes are free on the disk.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        free_bytes(&self.folder)
    }
}

/// Creates a folder that only its owner can access.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Syncs the names in a folder to disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Returns how many bytes are free on the disk of a folder or its nearest existing ancestor.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
