//! Uploads in progress, each a file of its own, named by its id, readable by its owner only.

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

    /// Where the bytes of an upload are.
    pub(super) fn path(&self, id: FileId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Where what was made of them is written, before it is kept.
    pub(super) fn path_beside(&self, id: FileId, end: &str) -> PathBuf {
        self.folder.join(format!("{id}.{end}"))
    }

    /// Opens an upload to go on after `received` bytes, and says how many there really are: none where the file is
    /// not on this machine. What was written beyond and not counted is cut off: after a power cut it may be anything.
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

    /// How much of an upload is kept on this machine.
    pub(super) fn kept(&self, id: FileId, received: u64) -> u64 {
        let length = fs::metadata(self.path(id)).map_or(0, |file| file.len());
        if length < received { 0 } else { received }
    }

    /// Writes what was made of an upload.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        use io::Write as _;
        let mut file = self.create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Makes an empty file for what is made of an upload.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.make()?;
        OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(path)
    }

    /// A file without a name, which is gone when it is closed.
    pub(super) fn scratch(&self) -> io::Result<File> {
        self.make()?;
        tempfile::tempfile_in(&self.folder)
    }

    /// Makes the folder, and sees to it that its name is on the disk.
    fn make(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        create_folder(&self.folder)?;
        sync_folder(self.folder.parent().unwrap_or(Path::new(".")))
    }

    /// Removes all that there is of an upload.
    pub(super) fn remove(&self, id: FileId) {
        for path in [self.path(id), self.path_beside(id, "kept"), self.path_beside(id, "preview")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "A part of an upload cannot be removed");
                }
                _ => {}
            }
        }
    }

    /// The uploads of which there is anything.
    pub(super) fn list(&self) -> io::Result<Vec<FileId>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let id = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.split('.').next()?.parse().ok();
        Ok(entries.filter_map(id).collect())
    }

    /// Bytes that the disk has free.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        free_bytes(&self.folder)
    }
}

/// Makes a folder for its owner only.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes sure that the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Bytes that the disk of a folder, or of the nearest one above it that is there, has free.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
