//! The boxes that files of the MP4 family consist of: each has a name and a length, and some contain further boxes.

use std::ops::Range;

/// Reads bytes from the front.
pub(super) struct ByteReader<'file>(pub(super) &'file [u8]);

impl ByteReader<'_> {
    pub(super) fn number(&mut self, width: u64) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(width).ok()?)?;
        self.0 = rest;
        Some(number(bytes))
    }

    pub(super) fn skip(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }
}

pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A box, and where it is in the file.
pub(super) struct Mp4Box<'file> {
    pub(super) kind: [u8; 4],
    pub(super) at: u64,
    pub(super) body: &'file [u8],
    pub(super) body_at: u64,
}

impl Mp4Box<'_> {
    pub(super) fn range(&self) -> Range<u64> {
        self.body_at..self.body_at + self.body.len() as u64
    }
}

/// Returns a box's name, the length of its header and its total length.
pub(super) fn head_of(bytes: &[u8], left: u64) -> Option<([u8; 4], u64, u64)> {
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match number(&bytes[..4]) {
        0 => Some((kind, 8, left)),
        1 => Some((kind, 16, number(bytes.get(8..16)?))).filter(|(_, head, size)| size >= head),
        size => (size >= 8).then_some((kind, 8, size)),
    }
}

/// Returns the boxes one after the other, and none where one is truncated. Fewer bytes than a header are padding.
pub(super) fn boxes(bytes: &[u8], base: u64) -> impl Iterator<Item = Option<Mp4Box<'_>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &bytes[at..];
        if rest.len() < 8 {
            return None;
        }
        let mp4_box = head_of(rest, rest.len() as u64).and_then(|(kind, head, size)| {
            let (head, size) = (usize::try_from(head).ok()?, usize::try_from(size).ok()?);
            let body = rest.get(head..size)?;
            Some((Mp4Box { kind, at: base + at as u64, body, body_at: base + (at + head) as u64 }, size))
        });
        at = mp4_box.as_ref().map_or(bytes.len(), |(_, size)| at + size);
        Some(mp4_box.map(|(mp4_box, _)| mp4_box))
    })
}

pub(super) fn child(bytes: &[u8], base: u64, kind: [u8; 4]) -> Option<Mp4Box<'_>> {
    boxes(bytes, base).flatten().find(|mp4_box| mp4_box.kind == kind)
}
