//! The items of HEIC and AVIF pictures (ISO/IEC 23008-12): those that are not pictures contain metadata.

use super::{
    EMPTY_EXIF_BYTES, Redactions,
    boxes::{ByteReader, Mp4Box, boxes, child},
};
use std::{collections::BTreeMap, ops::Range};

/// The boxes of a picture that stay; all others are redacted.
const ITEMS: [&[u8; 4]; 6] = [b"pitm", b"iref", b"idat", b"dinf", b"grpl", b"ipro"];
/// Item properties that are redacted: descriptions, times, and vendor extensions. The others keep their indexes.
const DESCRIPTIVE: [&[u8; 4]; 6] = [b"udes", b"crtt", b"mdft", b"uuid", b"free", b"skip"];
/// Items that are pictures or composed of pictures.
const PICTURES: [&[u8]; 15] = [
    b"hvc1", b"hvt1", b"lhv1", b"av01", b"avc1", b"vvc1", b"evc1", b"jpeg", b"j2k1", b"unci", b"grid", b"iovl",
    b"iden", b"tmap", b"mski",
];

impl Redactions {
    /// Walks the items of a picture; other metadata of the whole file is redacted.
    pub(super) fn items(&mut self, meta: &Mp4Box<'_>, length: u64) -> Option<()> {
        let (inside, at) = (meta.body.get(4..)?, meta.body_at + 4);
        if child(inside, at, *b"hdlr").is_none_or(|handler| handler.body.get(8..12) != Some(b"pict")) {
            self.free(meta.at, meta.range());
            return Some(());
        }
        for once in [*b"iinf", *b"iloc", *b"idat"] {
            if boxes(inside, at).flatten().filter(|mp4_box| mp4_box.kind == once).count() > 1 {
                return None;
            }
        }
        let metadata_items =
            child(inside, at, *b"iinf").map_or(Some(BTreeMap::new()), |list| self.metadata_items(&list))?;
        let data = child(inside, at, *b"idat").map(|data| data.range());
        self.streams.extend(data.clone());
        for mp4_box in boxes(inside, at) {
            let mp4_box = self.step(mp4_box)?;
            match &mp4_box.kind {
                b"iloc" => self.places(&mut ByteReader(mp4_box.body), &metadata_items, data.as_ref(), length)?,
                b"hdlr" => self.zero(&mp4_box, 12..usize::MAX),
                b"iprp" => self.properties(&mp4_box)?,
                b"iinf" => {}
                kind if ITEMS.contains(&kind) => {}
                _ => self.free(mp4_box.at, mp4_box.range()),
            }
        }
        Some(())
    }

    /// Redacts item properties that do not affect how items are drawn.
    fn properties(&mut self, all: &Mp4Box<'_>) -> Option<()> {
        for mp4_box in boxes(all.body, all.body_at) {
            let mp4_box = self.step(mp4_box)?;
            if &mp4_box.kind != b"ipco" {
                continue;
            }
            for property in boxes(mp4_box.body, mp4_box.body_at) {
                let property = self.step(property)?;
                if DESCRIPTIVE.contains(&&property.kind) {
                    self.free(property.at, property.range());
                }
            }
        }
        Some(())
    }

    /// Walks the item locations; items with metadata are overwritten.
    fn places(
        &mut self,
        list: &mut ByteReader<'_>,
        metadata_items: &BTreeMap<u64, bool>,
        data: Option<&Range<u64>>,
        length: u64,
    ) -> Option<()> {
        let version = list.number(1)?;
        list.skip(3)?;
        let (sizes, more) = (list.number(1)?, list.number(1)?);
        let (of_offset, of_length, of_base) = (sizes >> 4, sizes & 15, more >> 4);
        let of_index = if version > 0 { more & 15 } else { 0 };
        let width = if version < 2 { 2 } else { 4 };
        for _ in 0..list.number(width)? {
            let id = list.number(width)?;
            let method = if version > 0 { list.number(2)? & 15 } else { 0 };
            let elsewhere = list.number(2)?;
            let base = list.number(of_base)?;
            let places = list.number(2)?;
            let Some(is_exif) = metadata_items.get(&id) else {
                list.skip(places * (of_index + of_offset + of_length))?;
                continue;
            };
            if elsewhere != 0 {
                return None;
            }
            for mp4_box in 0..places {
                self.step(Some(()))?;
                list.skip(of_index)?;
                let (offset, bytes) = (list.number(of_offset)?, list.number(of_length)?);
                let whole = match method {
                    0 => 0..length,
                    1 => data?.clone(),
                    _ => return None,
                };
                let start = whole.start.checked_add(base)?.checked_add(offset)?;
                let end = start.checked_add(bytes).filter(|end| bytes > 0 && *end <= whole.end)?;
                self.samples.push((start..end, if *is_exif { 0 } else { b' ' }));
                if *is_exif && mp4_box == 0 && bytes >= EMPTY_EXIF_BYTES {
                    self.exifs.push(start);
                }
            }
        }
        Some(())
    }

    /// Returns the items that are not pictures, and whether each is EXIF. All items lose their names.
    fn metadata_items(&mut self, list: &Mp4Box<'_>) -> Option<BTreeMap<u64, bool>> {
        let before = if *list.body.first()? == 0 { 6 } else { 8 };
        let mut metadata_items = BTreeMap::new();
        for entry in boxes(list.body.get(before..)?, list.body_at + before as u64) {
            let entry = self.step(entry)?;
            let mut bytes = ByteReader(entry.body);
            let width = match bytes.number(1)? {
                2 => 2,
                3 => 4,
                _ => return None,
            };
            bytes.skip(3)?;
            let id = bytes.number(width)?;
            bytes.skip(2)?;
            let (kind, name) = bytes.0.split_at_checked(4)?;
            if !PICTURES.contains(&kind) {
                metadata_items.insert(id, kind == b"Exif");
            }
            // Keeps the length, so that nothing after it moves.
            let end = entry.range().end - name.len() as u64;
            let letters = name.iter().take_while(|byte| **byte != 0).count() as u64;
            self.fills.push((end..end + letters, b' '));
        }
        Some(metadata_items)
    }
}
