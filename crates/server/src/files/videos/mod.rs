//! Redacts media files of the MP4 family (MP4, `QuickTime`, HEIC, AVIF): overwrites in place where and with what they
//! were recorded (ISO/IEC 14496-12 and 23008-12, `QuickTime` File Format).
//!
//! Invariants: nothing moves or changes its length, so every offset in the file stays valid; a box that is not known to
//! affect pictures or sound becomes free space filled with zeros; a file that cannot be walked is rejected. What is
//! overwritten in the streams lies within `mdat` or `idat`, so it never changes how the file is walked, and it is on
//! disk before a box loses its name: after an interruption, starting over overwrites the same bytes. The duration and
//! memory of a walk are bounded.
//!
//! Absent on purpose: boxes of fragments (`moof`), data within the streams themselves, text tracks, which are
//! subtitles, and samples of tracks that are not declared to be in this file.

mod boxes;
mod items;
mod samples;

use boxes::{Mp4Box, boxes, child, head_of};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::FileExt as _,
};

/// No video that is shared has larger tables than this.
const TABLES_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How many boxes and ranges a walk may process. Videos of several hours have fewer.
const STEPS_MAX: u32 = 100_000;
const PIECE_BYTES: usize = 64 * 1024;
/// An empty EXIF directory, for readers that expect one.
const EMPTY_EXIF: (u64, &[u8; 8]) = (4, b"II*\0\x08\0\0\0");
const EMPTY_EXIF_BYTES: u64 = 18;

/// The boxes that stay at each level; all others are redacted.
const FILE: [&[u8; 4]; 8] = [b"ftyp", b"styp", b"pdin", b"mdat", b"moof", b"mfra", b"sidx", b"ssix"];
const MOVIE: [&[u8; 4]; 4] = [b"mvex", b"iods", b"pssh", b"rmra"];
const TRACK: [&[u8; 4]; 6] = [b"edts", b"tref", b"tapt", b"load", b"txas", b"trgr"];
const MEDIA: [&[u8; 4]; 1] = [b"elng"];
const MEDIA_INFO: [&[u8; 4]; 7] = [b"vmhd", b"smhd", b"sthd", b"nmhd", b"hmhd", b"gmhd", b"dinf"];
/// Kinds of tracks that are seen or heard; other tracks contain measurements (places, movements) or timecodes.
const PLAYABLE: [&[u8]; 8] = [b"vide", b"auxv", b"pict", b"soun", b"subt", b"sbtl", b"text", b"clcp"];
/// The visual ones among them, whose sample descriptions name an encoder.
const VISUAL: [&[u8]; 3] = [b"vide", b"auxv", b"pict"];

/// Where the overwritten bytes go.
pub trait RedactionTarget {
    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// The disk failed.
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Syncs everything that was written.
    ///
    /// # Errors
    /// The disk failed.
    fn sync(&mut self) -> io::Result<()>;
}

impl RedactionTarget for &File {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A range and the byte it is filled with.
type FilledRange = (Range<u64>, u8);

/// What is to be overwritten.
#[derive(Debug, Default)]
pub struct Redactions {
    /// Ranges within the streams.
    samples: Vec<FilledRange>,
    /// Where EXIF begins within the streams.
    exifs: Vec<u64>,
    /// Where the names of boxes are that become free space.
    names: Vec<u64>,
    /// Ranges within boxes.
    fills: Vec<FilledRange>,
    /// The ranges of the streams, in order.
    streams: Vec<Range<u64>>,
    /// How many more steps the walk may take.
    left: u32,
}

/// Finds what has to be redacted, or returns why the file cannot be walked.
///
/// # Errors
/// The file cannot be read.
pub fn find(file: &mut (impl Read + Seek), length: u64) -> io::Result<Result<Redactions, String>> {
    let mut redactions = Redactions { left: STEPS_MAX, ..Redactions::default() };
    let mut tables = Vec::new();
    let mut at = 0;
    while at < length {
        let mut head = vec![0; usize::try_from(length - at).unwrap_or(16).min(16)];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let step = redactions.step(Some(()));
        let Some((kind, head, size)) = head_of(&head, length - at) else {
            redactions.free_rest(at..length);
            break;
        };
        let end = at.saturating_add(size).min(length);
        let mut walked = step;
        match &kind {
            b"moov" | b"meta" => {
                if size > TABLES_BYTES_MAX {
                    return Ok(Err(format!("has tables larger than {TABLES_BYTES_MAX} bytes")));
                }
                if size > length - at || tables.contains(&kind) {
                    return Ok(Err(redactions.reason()));
                }
                tables.push(kind);
                let mut body = vec![0; usize::try_from(size - head).expect("it was compared")];
                file.seek(SeekFrom::Start(at + head))?;
                file.read_exact(&mut body)?;
                let mp4_box = Mp4Box { kind, at, body: &body, body_at: at + head };
                let tables =
                    if &kind == b"moov" { redactions.movie(&mp4_box) } else { redactions.items(&mp4_box, length) };
                walked = walked.and(tables);
            }
            b"mdat" => redactions.streams.push(at + head..end),
            kind if FILE.contains(&kind) => {}
            _ => redactions.free(at, at + head..end),
        }
        if walked.is_none() {
            return Ok(Err(redactions.reason()));
        }
        at = end;
    }
    redactions.normalize();
    Ok(Ok(redactions))
}

impl Redactions {
    /// Overwrites everything. If interrupted anywhere and started over with `find`, the result is the same.
    ///
    /// # Errors
    /// The disk failed.
    pub fn apply(&self, mut disk: impl RedactionTarget) -> io::Result<()> {
        fill(&mut disk, &self.samples)?;
        for at in &self.exifs {
            disk.put(at + EMPTY_EXIF.0, EMPTY_EXIF.1)?;
        }
        // Samples cannot be found once their track has lost its name, nor tracks once their body is gone.
        disk.sync()?;
        self.names.iter().try_for_each(|at| disk.put(*at, b"free"))?;
        disk.sync()?;
        fill(&mut disk, &self.fills)?;
        disk.sync()
    }

    /// Returns why the file cannot be walked.
    fn reason(&self) -> String {
        match self.left {
            0 => format!("has more than {STEPS_MAX} boxes and metadata ranges"),
            _ => "is broken".to_owned(),
        }
    }

    /// Counts a step of the walk, which fails when there were too many.
    fn step<T>(&mut self, walked: Option<T>) -> Option<T> {
        self.left = self.left.saturating_sub(1);
        walked.filter(|_| self.left > 0)
    }

    /// Merges overlapping ranges, and clips samples to the streams.
    fn normalize(&mut self) {
        self.fills = merged(std::mem::take(&mut self.fills));
        let mut samples = Vec::new();
        for (range, byte) in merged(std::mem::take(&mut self.samples)) {
            let first = self.streams.partition_point(|stream| stream.end <= range.start);
            for stream in self.streams[first..].iter().take_while(|stream| stream.start < range.end) {
                samples.push((range.start.max(stream.start)..range.end.min(stream.end), byte));
            }
        }
        self.samples = samples;
        self.exifs.sort_unstable();
        self.exifs.dedup();
        self.exifs.retain(|at| {
            let stream = self.streams.get(self.streams.partition_point(|stream| stream.end <= *at));
            stream.is_some_and(|stream| stream.start <= *at && at + EMPTY_EXIF_BYTES <= stream.end)
        });
    }

    /// Turns a box into free space.
    fn free(&mut self, at: u64, body: Range<u64>) {
        self.names.push(at + 4);
        self.fills.push((body, 0));
    }

    /// Turns whatever follows the last box into free space.
    fn free_rest(&mut self, free_rest: Range<u64>) {
        if free_rest.end - free_rest.start < 8 {
            self.fills.push((free_rest, 0));
        } else {
            self.free(free_rest.start, free_rest.start + 8..free_rest.end);
            // A size of zero means up to the end of the file.
            self.fills.push((free_rest.start..free_rest.start + 4, 0));
        }
    }

    /// Zeroes a range of a box's body, as far as the body goes.
    fn zero(&mut self, mp4_box: &Mp4Box<'_>, range: Range<usize>) {
        let end = range.end.min(mp4_box.body.len());
        if range.start < end {
            self.fills.push((mp4_box.body_at + range.start as u64..mp4_box.body_at + end as u64, 0));
        }
    }

    fn movie(&mut self, movie: &Mp4Box<'_>) -> Option<()> {
        for mp4_box in boxes(movie.body, movie.body_at) {
            let mp4_box = self.step(mp4_box)?;
            match &mp4_box.kind {
                b"mvhd" => self.times(&mp4_box)?,
                b"trak" => self.track(&mp4_box)?,
                // Compressed: its content cannot be checked.
                b"cmov" => return None,
                kind if MOVIE.contains(&kind) => {}
                _ => self.free(mp4_box.at, mp4_box.range()),
            }
        }
        Some(())
    }

    fn track(&mut self, track: &Mp4Box<'_>) -> Option<()> {
        let media = child(track.body, track.body_at, *b"mdia")?;
        let handler = child(media.body, media.body_at, *b"hdlr")?;
        let kind = handler.body.get(8..12)?;
        if !PLAYABLE.contains(&kind) {
            self.samples(&media)?;
            self.free(track.at, track.range());
            return Some(());
        }
        for mp4_box in boxes(track.body, track.body_at) {
            let mp4_box = self.step(mp4_box)?;
            match &mp4_box.kind {
                b"tkhd" => self.times(&mp4_box)?,
                b"mdia" => self.media(&mp4_box, VISUAL.contains(&kind))?,
                kind if TRACK.contains(&kind) => {}
                _ => self.free(mp4_box.at, mp4_box.range()),
            }
        }
        Some(())
    }

    fn media(&mut self, media: &Mp4Box<'_>, is_visual: bool) -> Option<()> {
        for mp4_box in boxes(media.body, media.body_at) {
            let mp4_box = self.step(mp4_box)?;
            match &mp4_box.kind {
                b"mdhd" => self.times(&mp4_box)?,
                b"hdlr" => self.zero(&mp4_box, 12..usize::MAX),
                b"minf" => {
                    for mp4_box in boxes(mp4_box.body, mp4_box.body_at) {
                        let mp4_box = self.step(mp4_box)?;
                        match &mp4_box.kind {
                            b"hdlr" => self.zero(&mp4_box, 12..usize::MAX),
                            b"stbl" if is_visual => self.descriptions(&mp4_box)?,
                            b"stbl" => {}
                            kind if MEDIA_INFO.contains(&kind) => {}
                            _ => self.free(mp4_box.at, mp4_box.range()),
                        }
                    }
                }
                kind if MEDIA.contains(&kind) => {}
                _ => self.free(mp4_box.at, mp4_box.range()),
            }
        }
        Some(())
    }

    /// Zeroes the vendor and encoder names in sample descriptions.
    fn descriptions(&mut self, table: &Mp4Box<'_>) -> Option<()> {
        let Some(descriptions) = child(table.body, table.body_at, *b"stsd") else { return Some(()) };
        for entry in boxes(descriptions.body.get(8..)?, descriptions.body_at + 8) {
            let entry = self.step(entry)?;
            self.zero(&entry, 12..16);
            self.zero(&entry, 42..74);
        }
        Some(())
    }

    /// Zeroes the times of creation and modification.
    fn times(&mut self, mp4_box: &Mp4Box<'_>) -> Option<()> {
        let end = if *mp4_box.body.first()? == 1 { 20 } else { 12 };
        self.zero(mp4_box, 4..end);
        Some(())
    }
}

/// Sorts the ranges and merges overlapping ones.
fn merged(mut fills: Vec<FilledRange>) -> Vec<FilledRange> {
    fills.retain(|(range, _)| !range.is_empty());
    fills.sort_by_key(|(range, _)| range.start);
    fills.dedup_by(|(next, _), (last, _)| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    fills
}

fn fill(disk: &mut impl RedactionTarget, fills: &[FilledRange]) -> io::Result<()> {
    for (range, byte) in fills {
        let piece = vec![*byte; PIECE_BYTES.min(usize::try_from(range.end - range.start).unwrap_or(PIECE_BYTES))];
        for at in range.clone().step_by(PIECE_BYTES) {
            let left = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES);
            disk.put(at, &piece[..left.min(piece.len())])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
