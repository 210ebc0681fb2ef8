//! Writing the lines of the access log: where they go, and the thread that writes them.

use super::Entry;
use crate::metrics::Metrics;
use rustix::fs::{Access, OFlags, access};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    iter, mem,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

/// How often a file is looked for that was moved away.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How often a warning says that the log cannot be written.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;

/// Checks that a file can be opened, or made.
pub(super) fn check_file(path: &Path) -> io::Result<()> {
    match open_file(OpenOptions::new().append(true), path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
        }
        opened => opened.map(drop),
    }
}

/// Opens a regular file, without waiting for the reader of a pipe.
fn open_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let is_regular = |is_file: bool| if is_file { Ok(()) } else { Err(io::Error::other("it is not a regular file")) };
    if let Ok(found) = std::fs::metadata(path) {
        is_regular(found.is_file())?;
    }
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    is_regular(file.metadata()?.is_file())?;
    Ok(file)
}

/// Where the thread writes.
#[derive(Debug)]
pub(super) enum LogOutput {
    Standard,
    File { path: PathBuf, file: File, identity: (u64, u64), checked: Option<Instant> },
}

impl LogOutput {
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let file = open_file(OpenOptions::new().create(true).append(true).mode(0o640), path)?;
        let found = file.metadata()?;
        let identity = (found.dev(), found.ino());
        Ok(Self::File { path: path.to_owned(), file, identity, checked: None })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Standard => io::stdout().lock().write_all(bytes),
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    /// Opens the file again if it was moved away.
    fn follow(&mut self) -> io::Result<()> {
        let Self::File { path, identity, checked, .. } = self else { return Ok(()) };
        if checked.is_some_and(|checked| checked.elapsed() < REOPEN_INTERVAL) {
            return Ok(());
        }
        *checked = Some(Instant::now());
        let is_same = std::fs::metadata(&*path).is_ok_and(|found| (found.dev(), found.ino()) == *identity);
        if !is_same {
            *self = Self::file(&path.clone())?;
        }
        Ok(())
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct LineWriter {
    output: LogOutput,
    metrics: Arc<Metrics>,
    /// When a warning last said that something fails.
    last_warned: Option<Instant>,
    /// Whether the last line may be there in part.
    is_cut: bool,
}

impl LineWriter {
    pub(super) fn new(output: LogOutput, metrics: Arc<Metrics>) -> Self {
        Self { output, metrics, last_warned: None, is_cut: false }
    }

    /// Writes lines until the end, or until nobody can send any more.
    pub(super) fn run(&mut self, queue: &Receiver<Entry>) {
        while let Ok(first) = queue.recv() {
            // A file that was moved away is noticed before its successor's first line.
            if let Err(error) = self.output.follow() {
                self.say(&error);
            }
            let (mut text, mut lines) = (String::new(), 0);
            for entry in iter::once(first).chain(queue.try_iter()) {
                match entry {
                    Entry::Line(line) => {
                        text.push_str(&line);
                        text.push('\n');
                        lines += 1;
                    }
                    Entry::End(answer) => {
                        self.write(text, lines);
                        // Nobody may wait any more.
                        _ = answer.send(());
                        return;
                    }
                }
                if text.len() >= WRITE_BYTES {
                    self.write(mem::take(&mut text), mem::take(&mut lines));
                }
            }
            self.write(text, lines);
        }
    }

    fn write(&mut self, mut text: String, lines: u64) {
        if lines == 0 {
            return;
        }
        if self.is_cut {
            text.insert(0, '\n');
        }
        let written = self.output.write(text.as_bytes());
        self.is_cut = written.is_err();
        if let Err(error) = written {
            self.metrics.access_lines_dropped.inc_by(lines);
            self.say(&error);
        }
    }

    fn say(&mut self, error: &io::Error) {
        if self.last_warned.is_none_or(|then| then.elapsed() >= WARNING_INTERVAL) {
            tracing::warn!(%error, "The access log cannot be written");
            self.last_warned = Some(Instant::now());
        }
    }
}
