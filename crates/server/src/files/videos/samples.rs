//! Where the samples of a measuring track are in the file.

use super::{
    Redactions,
    boxes::{Mp4Box, boxes, child, number},
};
use std::ops::Range;

impl Redactions {
    /// Redacts the samples of a track that is neither seen nor heard.
    pub(super) fn samples(&mut self, media: &Mp4Box<'_>) -> Option<()> {
        let info = child(media.body, media.body_at, *b"minf")?;
        if !is_here(&info) {
            return Some(());
        }
        let table = child(info.body, info.body_at, *b"stbl")?;
        let mp4_box = |kind| child(table.body, table.body_at, kind);
        let (width, chunks) =
            mp4_box(*b"stco").map(|mp4_box| (4, mp4_box)).or_else(|| mp4_box(*b"co64").map(|mp4_box| (8, mp4_box)))?;
        let offsets = chunks.body.get(8..)?.chunks_exact(width).map(number);
        let sizes = mp4_box(*b"stsz").map(|mp4_box| Sizes::of(mp4_box.body, true)).or_else(|| {
            let mp4_box = mp4_box(*b"stz2")?;
            Some(Sizes::of(mp4_box.body, false))
        })??;
        let runs = mp4_box(*b"stsc")?;
        let mut runs = runs.body.get(8..)?.chunks_exact(12).peekable();
        let (mut in_chunk, mut next) = (0, 0);
        for (index, offset) in (1..).zip(offsets) {
            self.step(Some(()))?;
            while let Some(run) = runs.next_if(|run| number(&run[..4]) <= index) {
                in_chunk = number(&run[4..8]);
            }
            let end = sizes.count.min(next + in_chunk);
            self.samples.push((offset..offset.saturating_add(sizes.sum(next..end)?), 0));
            next = end;
        }
        Some(())
    }
}

/// Returns whether a track declares that all its data is in this file.
fn is_here(info: &Mp4Box<'_>) -> bool {
    let places = child(info.body, info.body_at, *b"dinf").and_then(|all| child(all.body, all.body_at, *b"dref"));
    let Some(entries) = places.as_ref().and_then(|places| places.body.get(8..)) else { return false };
    let is_here =
        |entry: Option<Mp4Box<'_>>| entry.is_some_and(|entry| entry.body.get(3).is_some_and(|flags| flags & 1 == 1));
    let mut entries = boxes(entries, 0);
    entries.next().is_some_and(is_here) && entries.all(is_here)
}

/// The sizes of a track's samples.
struct Sizes<'file> {
    count: u64,
    same: u64,
    bits: u64,
    each: &'file [u8],
}

impl<'file> Sizes<'file> {
    fn of(body: &'file [u8], is_wide: bool) -> Option<Self> {
        let before = number(body.get(4..8)?);
        let (same, bits) = if is_wide { (before, 32) } else { (0, before & 255) };
        let sizes = Self { count: number(body.get(8..12)?), same, bits, each: body.get(12..)? };
        [4, 8, 16, 32].contains(&bits).then_some(sizes)
    }

    fn sum(&self, samples: Range<u64>) -> Option<u64> {
        if self.same > 0 {
            return Some(self.same.saturating_mul(samples.end - samples.start));
        }
        samples.map(|sample| self.get(sample)).sum()
    }

    fn get(&self, sample: u64) -> Option<u64> {
        let at = usize::try_from(sample * self.bits / 8).ok()?;
        let bytes = self.each.get(at..)?.get(..usize::try_from(self.bits.div_ceil(8)).ok()?)?;
        Some(match (self.bits, sample % 2) {
            (4, 0) => number(bytes) >> 4,
            (4, _) => number(bytes) & 15,
            _ => number(bytes),
        })
    }
}
