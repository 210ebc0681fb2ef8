//! Reads a file of any size through a window, and copies parts of it.

use super::PictureError;
use std::io::{Read, Seek, SeekFrom, Write};

/// How many bytes are read at once. Nothing that is inspected in one piece is larger.
const WINDOW_BYTES: usize = 128 * 1024;

/// A file with a window of it in memory.
#[derive(Debug)]
pub(super) struct WindowedFile<R> {
    file: R,
    length: usize,
    /// Where the window begins.
    start: usize,
    window: Vec<u8>,
}

impl<R: Read + Seek> WindowedFile<R> {
    /// Opens a file at its beginning.
    pub(super) fn new(mut file: R) -> Result<Self, PictureError> {
        let length = usize::try_from(file.seek(SeekFrom::End(0))?).map_err(|_| PictureError::BROKEN)?;
        Ok(Self { file, length, start: 0, window: Vec::new() })
    }

    /// Returns the length of the file in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Returns the byte at a position.
    pub(super) fn byte(&mut self, at: usize) -> Result<u8, PictureError> {
        Ok(self.slice(at, 1)?[0])
    }

    /// Returns a few bytes.
    pub(super) fn array<const N: usize>(&mut self, at: usize) -> Result<[u8; N], PictureError> {
        self.slice(at, N)?.try_into().map_err(|_| PictureError::BROKEN)
    }

    /// Returns up to [`WINDOW_BYTES`]; a file that ends before is broken.
    pub(super) fn slice(&mut self, at: usize, length: usize) -> Result<&[u8], PictureError> {
        let end = at.checked_add(length).filter(|end| *end <= self.length && length <= WINDOW_BYTES);
        let end = end.ok_or(PictureError::BROKEN)?;
        if at < self.start || end > self.start + self.window.len() {
            self.read(at)?;
        }
        self.window.get(at - self.start..end - self.start).ok_or(PictureError::BROKEN)
    }

    /// Returns what is in memory from a position on: at least one byte, unless the file ends there.
    pub(super) fn rest(&mut self, at: usize) -> Result<&[u8], PictureError> {
        if at >= self.length {
            return Ok(&[]);
        }
        self.slice(at, 1)?;
        Ok(&self.window[at - self.start..])
    }

    /// Copies a part of any length.
    pub(super) fn copy(&mut self, from: usize, to: usize, output: &mut impl Write) -> Result<(), PictureError> {
        if from > to || to > self.length {
            return Err(PictureError::BROKEN);
        }
        let mut at = from;
        while at < to {
            let rest = self.rest(at)?;
            let piece = &rest[..rest.len().min(to - at)];
            output.write_all(piece)?;
            at += piece.len();
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<(), PictureError> {
        let length = WINDOW_BYTES.min(self.length - at);
        self.window.resize(length, 0);
        // Invalidates the window until the read has succeeded.
        self.start = self.length;
        self.file.seek(SeekFrom::Start(at as u64))?;
        let read = self.file.read_exact(&mut self.window);
        if let Err(error) = read {
            self.window.clear();
            return Err(error.into());
        }
        self.start = at;
        Ok(())
    }
}
