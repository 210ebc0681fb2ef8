//! Films and pictures of the MP4 family (MP4, `QuickTime`, HEIC, AVIF): what tells where and with what they were taken is
//! overwritten where it is (ISO/IEC 14496-12 and 23008-12, `QuickTime` File Format).
//!
//! Invariants: nothing moves and nothing changes its length, so every place that the file names stays right; a part that
//! is not known to draw or sound becomes free space, with zeros in it; what cannot be walked through is none of them.
//!
//! Absent on purpose: parts of fragments (`moof`), what is written into the streams themselves, and tracks of texts,
//! which are subtitles.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::FileExt as _,
};

/// Tables larger than this are no film's that is sent.
const TABLES_BYTES_MAX: u64 = 8 * 1024 * 1024;
const PIECE_BYTES: usize = 64 * 1024;
/// An empty directory, where EXIF was: readers that look for one find it.
const EMPTY_EXIF: (u64, &[u8; 8]) = (4, b"II*\0\x08\0\0\0");
const EMPTY_EXIF_BYTES: u64 = 18;

/// What stays of each part; all else is blanked.
const FILE: [&[u8; 4]; 9] = [b"ftyp", b"styp", b"pdin", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"prft"];
const MOVIE: [&[u8; 4]; 4] = [b"mvex", b"iods", b"pssh", b"rmra"];
const TRACK: [&[u8; 4]; 6] = [b"edts", b"tref", b"tapt", b"load", b"txas", b"trgr"];
const MEDIA: [&[u8; 4]; 1] = [b"elng"];
const MEDIA_INFO: [&[u8; 4]; 7] = [b"vmhd", b"smhd", b"sthd", b"nmhd", b"hmhd", b"gmhd", b"dinf"];
const ITEMS: [&[u8; 4]; 8] = [b"hdlr", b"pitm", b"iref", b"iprp", b"idat", b"dinf", b"grpl", b"ipro"];
/// Tracks that are seen or heard; others measure (places, movements) or say when.
const SHOWN: [&[u8]; 8] = [b"vide", b"soun", b"subt", b"sbtl", b"text", b"clcp", b"auxv", b"pict"];
/// Items that are pictures or put together of them.
const PICTURES: [&[u8]; 14] = [
    b"hvc1", b"lhv1", b"av01", b"avc1", b"vvc1", b"evc1", b"jpeg", b"j2k1", b"unci", b"grid", b"iovl", b"iden",
    b"tmap", b"mski",
];

/// What is to be overwritten.
#[derive(Debug, Default)]
pub struct Blanks {
    /// Filled with a byte each, in order and apart from each other.
    pub fills: Vec<(Range<u64>, u8)>,
    /// Then written.
    pub writes: Vec<(u64, Vec<u8>)>,
}

/// Finds what tells. None: this is not walked through, so it is not known what it tells.
///
/// # Errors
/// It cannot be read.
pub fn find(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<Blanks>> {
    let mut blanks = Blanks::default();
    let mut at = 0;
    while at < length {
        let mut head = vec![0; usize::try_from(length - at).unwrap_or(16).min(16)];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let Some((kind, head, size)) = head_of(&head, length - at) else {
            // What stands behind the end of the last part.
            blanks.fills.push((at..length, 0));
            break;
        };
        let end = at.saturating_add(size).min(length);
        match &kind {
            b"moov" | b"meta" => {
                if size > TABLES_BYTES_MAX || size > length - at {
                    return Ok(None);
                }
                let mut body = vec![0; usize::try_from(size - head).expect("it was compared")];
                file.seek(SeekFrom::Start(at + head))?;
                file.read_exact(&mut body)?;
                let part = Part { kind, at, body: &body, body_at: at + head };
                let walked = if &kind == b"moov" { blanks.movie(&part) } else { blanks.items(&part, length) };
                if walked.is_none() {
                    return Ok(None);
                }
            }
            kind if FILE.contains(&kind) => {}
            _ => blanks.blank(at, at + head..end),
        }
        at = end;
    }
    blanks.put_in_order(length);
    Ok(Some(blanks))
}

impl Blanks {
    /// Overwrites it.
    ///
    /// # Errors
    /// The disk failed.
    pub fn apply(&self, file: &File) -> io::Result<()> {
        for (range, byte) in &self.fills {
            let piece = vec![*byte; PIECE_BYTES.min(usize::try_from(range.end - range.start).unwrap_or(PIECE_BYTES))];
            for at in range.clone().step_by(PIECE_BYTES) {
                let left = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES);
                file.write_all_at(&piece[..left.min(piece.len())], at)?;
            }
        }
        self.writes.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
    }

    /// So that what overlaps is written once, and nothing behind the end.
    fn put_in_order(&mut self, length: u64) {
        self.fills.sort_by_key(|(range, _)| range.start);
        let mut apart: Vec<(Range<u64>, u8)> = Vec::new();
        for (range, byte) in self.fills.drain(..) {
            let range = range.start..range.end.min(length);
            match apart.last_mut() {
                Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
                _ if range.is_empty() => {}
                _ => apart.push((range, byte)),
            }
        }
        self.fills = apart;
    }

    /// Makes a part free space.
    fn blank(&mut self, at: u64, body: Range<u64>) {
        self.writes.push((at + 4, b"free".to_vec()));
        self.fills.push((body, 0));
    }

    /// Zeros in a range of a part's body, as far as it goes.
    fn zero(&mut self, part: &Part<'_>, range: Range<usize>) {
        let end = range.end.min(part.body.len());
        if range.start < end {
            self.fills.push((part.body_at + range.start as u64..part.body_at + end as u64, 0));
        }
    }

    fn movie(&mut self, movie: &Part<'_>) -> Option<()> {
        for part in parts(movie.body, movie.body_at) {
            let part = part?;
            match &part.kind {
                b"mvhd" => self.times(&part)?,
                b"trak" => self.track(&part)?,
                // Packed: what is in there is not seen.
                b"cmov" => return None,
                kind if MOVIE.contains(&kind) => {}
                _ => self.blank(part.at, part.range()),
            }
        }
        Some(())
    }

    fn track(&mut self, track: &Part<'_>) -> Option<()> {
        let media = child(track.body, track.body_at, *b"mdia")?;
        let handler = child(media.body, media.body_at, *b"hdlr")?;
        let kind = handler.body.get(8..12)?;
        if !SHOWN.contains(&kind) {
            self.samples(&media)?;
            self.blank(track.at, track.range());
            return Some(());
        }
        for part in parts(track.body, track.body_at) {
            let part = part?;
            match &part.kind {
                b"tkhd" => self.times(&part)?,
                b"mdia" => self.media(&part, kind == b"vide")?,
                kind if TRACK.contains(&kind) => {}
                _ => self.blank(part.at, part.range()),
            }
        }
        Some(())
    }

    fn media(&mut self, media: &Part<'_>, is_seen: bool) -> Option<()> {
        for part in parts(media.body, media.body_at) {
            let part = part?;
            match &part.kind {
                b"mdhd" => self.times(&part)?,
                b"hdlr" => self.zero(&part, 12..usize::MAX),
                b"minf" => {
                    for part in parts(part.body, part.body_at) {
                        let part = part?;
                        match &part.kind {
                            b"hdlr" => self.zero(&part, 12..usize::MAX),
                            b"stbl" if is_seen => self.descriptions(&part)?,
                            b"stbl" => {}
                            kind if MEDIA_INFO.contains(&kind) => {}
                            _ => self.blank(part.at, part.range()),
                        }
                    }
                }
                kind if MEDIA.contains(&kind) => {}
                _ => self.blank(part.at, part.range()),
            }
        }
        Some(())
    }

    /// The names of what made the pictures: a vendor and an encoder.
    fn descriptions(&mut self, table: &Part<'_>) -> Option<()> {
        let Some(descriptions) = child(table.body, table.body_at, *b"stsd") else { return Some(()) };
        for entry in parts(descriptions.body.get(8..)?, descriptions.body_at + 8) {
            let entry = entry?;
            self.zero(&entry, 12..16);
            self.zero(&entry, 42..74);
        }
        Some(())
    }

    /// When it was made and changed.
    fn times(&mut self, part: &Part<'_>) -> Option<()> {
        let end = if *part.body.first()? == 1 { 20 } else { 12 };
        self.zero(part, 4..end);
        Some(())
    }

    /// What a track that nobody sees or hears has in the file.
    fn samples(&mut self, media: &Part<'_>) -> Option<()> {
        let info = child(media.body, media.body_at, *b"minf")?;
        let table = child(info.body, info.body_at, *b"stbl")?;
        let part = |kind| child(table.body, table.body_at, kind);
        let (wide, chunks) = part(*b"stco").map(|part| (4, part)).or_else(|| part(*b"co64").map(|part| (8, part)))?;
        let offsets = chunks.body.get(8..)?.chunks_exact(wide).map(number);
        let sizes = part(*b"stsz")?.body;
        let same = number(sizes.get(4..8)?);
        let mut each = sizes.get(12..)?.chunks_exact(4).map(number);
        let runs = part(*b"stsc")?;
        let mut runs = runs.body.get(8..)?.chunks_exact(12).peekable();
        let mut in_chunk = 0;
        for (index, offset) in (1..).zip(offsets) {
            while let Some(run) = runs.next_if(|run| number(&run[..4]) <= index) {
                in_chunk = number(&run[4..8]);
            }
            let count = usize::try_from(in_chunk).unwrap_or(usize::MAX);
            let bytes = if same > 0 { same.saturating_mul(in_chunk) } else { each.by_ref().take(count).sum() };
            self.fills.push((offset..offset.saturating_add(bytes), 0));
        }
        Some(())
    }

    /// The items of a picture, or what else is told of the whole file.
    fn items(&mut self, meta: &Part<'_>, length: u64) -> Option<()> {
        let (inside, at) = (meta.body.get(4..)?, meta.body_at + 4);
        if child(inside, at, *b"hdlr").is_none_or(|handler| handler.body.get(8..12) != Some(b"pict")) {
            self.blank(meta.at, meta.range());
            return Some(());
        }
        let telling = child(inside, at, *b"iinf").map_or(Some(BTreeMap::new()), |list| telling(&list))?;
        for part in parts(inside, at) {
            let part = part?;
            match &part.kind {
                b"iloc" => {
                    let data = child(inside, at, *b"idat").map(|data| data.range());
                    self.places(&mut Bytes(part.body), &telling, data.as_ref(), length)?;
                }
                b"iinf" => {}
                kind if ITEMS.contains(&kind) => {}
                _ => self.blank(part.at, part.range()),
            }
        }
        Some(())
    }

    /// Where the items are; those that tell are overwritten.
    fn places(
        &mut self,
        list: &mut Bytes<'_>,
        telling: &BTreeMap<u64, bool>,
        data: Option<&Range<u64>>,
        length: u64,
    ) -> Option<()> {
        let version = list.number(1)?;
        list.skip(3)?;
        let (sizes, more) = (list.number(1)?, list.number(1)?);
        let (of_offset, of_length, of_base) = (sizes >> 4, sizes & 15, more >> 4);
        let of_index = if version > 0 { more & 15 } else { 0 };
        let wide = if version < 2 { 2 } else { 4 };
        for _ in 0..list.number(wide)? {
            let id = list.number(wide)?;
            let method = if version > 0 { list.number(2)? & 15 } else { 0 };
            let elsewhere = list.number(2)?;
            let base = list.number(of_base)?;
            let places = list.number(2)?;
            let Some(is_exif) = telling.get(&id).filter(|_| elsewhere == 0) else {
                list.skip(places * (of_index + of_offset + of_length))?;
                continue;
            };
            for part in 0..places {
                list.skip(of_index)?;
                let (offset, bytes) = (list.number(of_offset)?, list.number(of_length)?);
                let whole = match method {
                    0 => 0..length,
                    1 => data?.clone(),
                    _ => return None,
                };
                let start = whole.start.checked_add(base)?.checked_add(offset)?;
                let end = start.checked_add(bytes).filter(|end| bytes > 0 && *end <= whole.end)?;
                self.fills.push((start..end, if *is_exif { 0 } else { b' ' }));
                if *is_exif && part == 0 && bytes >= EMPTY_EXIF_BYTES {
                    self.writes.push((start + EMPTY_EXIF.0, EMPTY_EXIF.1.to_vec()));
                }
            }
        }
        Some(())
    }
}

/// Items that are no pictures, and whether each is EXIF.
fn telling(list: &Part<'_>) -> Option<BTreeMap<u64, bool>> {
    let count_bytes = if *list.body.first()? == 0 { 2 } else { 4 };
    let mut telling = BTreeMap::new();
    for entry in parts(list.body.get(4 + count_bytes..)?, 0) {
        let entry = entry?;
        let mut bytes = Bytes(entry.body);
        let wide = match bytes.number(1)? {
            2 => 2,
            3 => 4,
            _ => return None,
        };
        bytes.skip(3)?;
        let id = bytes.number(wide)?;
        bytes.skip(2)?;
        let kind = bytes.0.get(..4)?;
        if !PICTURES.contains(&kind) {
            telling.insert(id, kind == b"Exif");
        }
    }
    Some(telling)
}

/// Bytes that are taken from the front.
struct Bytes<'file>(&'file [u8]);

impl Bytes<'_> {
    fn number(&mut self, wide: u64) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(wide).ok()?)?;
        self.0 = rest;
        Some(number(bytes))
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A part, and where it is in the file.
struct Part<'file> {
    kind: [u8; 4],
    at: u64,
    body: &'file [u8],
    body_at: u64,
}

impl Part<'_> {
    fn range(&self) -> Range<u64> {
        self.body_at..self.body_at + self.body.len() as u64
    }
}

/// A part's name, and how long its head and all of it are.
fn head_of(bytes: &[u8], left: u64) -> Option<([u8; 4], u64, u64)> {
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match number(&bytes[..4]) {
        0 => Some((kind, 8, left)),
        1 => Some((kind, 16, number(bytes.get(8..16)?))).filter(|(_, head, size)| size >= head),
        size => (size >= 8).then_some((kind, 8, size)),
    }
}

/// One after the other; nothing where one is cut short. Fewer bytes than a head has are padding.
fn parts(bytes: &[u8], base: u64) -> impl Iterator<Item = Option<Part<'_>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &bytes[at..];
        if rest.len() < 8 {
            return None;
        }
        let part = head_of(rest, rest.len() as u64).and_then(|(kind, head, size)| {
            let (head, size) = (usize::try_from(head).ok()?, usize::try_from(size).ok()?);
            let body = rest.get(head..size)?;
            Some((Part { kind, at: base + at as u64, body, body_at: base + (at + head) as u64 }, size))
        });
        at = part.as_ref().map_or(bytes.len(), |(_, size)| at + size);
        Some(part.map(|(part, _)| part))
    })
}

fn child(bytes: &[u8], base: u64, kind: [u8; 4]) -> Option<Part<'_>> {
    parts(bytes, base).flatten().find(|part| part.kind == kind)
}

#[cfg(test)]
mod tests;
