//! Videos and HEIC pictures with all the metadata that has to go.

use super::*;
use std::io::Cursor;

/// Small files into which exiftool wrote places and names.
const TAGGED: [(&str, &[u8]); 4] = [
    ("mov", include_bytes!("../../../../../fixtures/fuzz/film/tagged.mov")),
    ("mp4", include_bytes!("../../../../../fixtures/fuzz/film/tagged.mp4")),
    ("heic", include_bytes!("../../../../../fixtures/fuzz/film/tagged.heic")),
    ("avif", include_bytes!("../../../../../fixtures/fuzz/film/tagged.avif")),
];

/// The file after redaction; none if it cannot be walked.
fn redacted(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut disk = RecordingTarget { bytes: bytes.to_vec(), ..RecordingTarget::default() };
    found(bytes).ok()?.apply(&mut disk).expect("it is written");
    Some(disk.bytes)
}

fn found(bytes: &[u8]) -> Result<Redactions, String> {
    find(&mut Cursor::new(bytes), bytes.len() as u64).expect("memory is read")
}

/// Records what was written between two syncs.
#[derive(Default)]
struct RecordingTarget {
    bytes: Vec<u8>,
    safe: Vec<Vec<u8>>,
    puts: Vec<Vec<(usize, Vec<u8>)>>,
    since: Vec<(usize, Vec<u8>)>,
}

impl super::RedactionTarget for &mut RecordingTarget {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).expect("short");
        if self.since.is_empty() {
            self.safe.push(self.bytes.clone());
        }
        self.since.push((at, bytes.to_vec()));
        self.bytes[at..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.since.is_empty() {
            self.puts.push(std::mem::take(&mut self.since));
        }
        Ok(())
    }
}

fn has(bytes: &[u8], mp4_box: &[u8]) -> bool {
    bytes.windows(mp4_box.len()).any(|window| window == mp4_box)
}

fn mp4_box(kind: [u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&u32::try_from(body.len() + 8).expect("short").to_be_bytes()[..], &kind, &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

#[test]
fn all_metadata_is_removed_and_nothing_moves() {
    for (kind, file) in TAGGED {
        assert!(has(file, b"Fernwerk"), "the {kind} tells something");
        let kept = redacted(file).unwrap_or_else(|| panic!("the {kind} can be walked"));
        assert_eq!(kept.len(), file.len(), "{kind}");
        for metadata in [&b"Fernwerk"[..], b"+52.5", b"ExifTool", b"Lavc", b"GPS", b"com.apple"] {
            assert!(!has(&kept, metadata), "{kind} {}", String::from_utf8_lossy(metadata));
        }
        assert_eq!(redacted(&kept).as_ref(), Some(&kept), "{kind}: there is nothing more to take");
        let stays = ["ftyp", "moov", "mdat", "stco", "iloc", "iprp"].map(str::as_bytes);
        for stays in stays.iter().filter(|stays| has(file, stays)) {
            assert!(has(&kept, stays), "{kind} {}", String::from_utf8_lossy(stays));
        }
    }
}

/// A video with one track of this kind, whose two chunks of data are in the middle of the file.
fn video(handler: [u8; 4], with_sizes: bool) -> Vec<u8> {
    video_with(handler, with_sizes, &[1])
}

fn video_with(handler: [u8; 4], with_sizes: bool, references: &[u8]) -> Vec<u8> {
    let sizes = if with_sizes { numbers(&[0, 0, 3, 4, 4, 5]) } else { numbers(&[0, 4, 3]) };
    video_of(handler, &mp4_box(*b"stsz", &[&sizes]), references, [16 + 8 + 11, 16 + 8 + 11 + 8 + 7])
}

fn video_of(handler: [u8; 4], sizes: &[u8], references: &[u8], [first, second]: [u32; 2]) -> Vec<u8> {
    let data = mp4_box(*b"mdat", &[b"seen before", b"52.5200N", b"between", b"13.4E", b"seen after"]);
    let table = mp4_box(
        *b"stbl",
        &[
            sizes,
            &mp4_box(*b"stsc", &[&numbers(&[0, 2, 1, 2, 1, 2, 1, 1])]),
            &mp4_box(*b"stco", &[&numbers(&[0, 2, first, second])]),
        ],
    );
    let references: Vec<_> = references.iter().flat_map(|flags| mp4_box(*b"url ", &[&[0, 0, 0, *flags]])).collect();
    let places = mp4_box(*b"dinf", &[&mp4_box(*b"dref", &[&[0; 8], &references])]);
    let hdlr = mp4_box(*b"hdlr", &[&[0; 8], &handler, &[0; 12], b"Fernwerk\0"]);
    let track = mp4_box(*b"trak", &[&mp4_box(*b"mdia", &[&hdlr, &mp4_box(*b"minf", &[&places, &table])])]);
    [mp4_box(*b"ftyp", &[b"isom\0\0\0\0"]), data, mp4_box(*b"moov", &[&track])].concat()
}

#[test]
fn a_measuring_track_loses_its_samples_and_a_visible_track_keeps_them() {
    for with_sizes in [true, false] {
        let kept = redacted(&video(*b"meta", with_sizes)).expect("it can be walked");
        assert!(has(&kept, b"seen before\0\0\0\0\0\0\0\0between\0\0\0\0"), "{with_sizes}");
        assert!(has(&kept, b"seen after") && !has(&kept, b"trak") && !has(&kept, b"13."));
        let kept = redacted(&video(*b"vide", with_sizes)).expect("it can be walked");
        assert!(has(&kept, b"52.5200Nbetween13.4E") && has(&kept, b"trak") && !has(&kept, b"Fernwerk"));
    }
}

#[test]
fn a_truncated_movie_is_accepted_if_only_its_streams_are_cut() {
    let whole = video(*b"vide", true);
    let tables = whole.windows(4).position(|bytes| bytes == b"moov").expect("tables") - 4;
    assert!(redacted(&whole[..tables - 3]).is_some(), "a film of which the end did not come");
    assert!(redacted(&whole[..whole.len() - 3]).is_none(), "its tables are cut");
    let more = [&whole[..], b"SEFT: 52.5200N 13.4050E"].concat();
    assert!(!has(&redacted(&more).expect("it can be walked"), b"52.5200N 13"), "what follows the end");
    let between =
        [mp4_box(*b"uuid", &[b"Fernwerk"]), mp4_box(*b"free", &[b"Fernwerk"]), mp4_box(*b"mpvd", &[b"Fernwerk"])]
            .concat();
    let kept = redacted(&[&whole[..16], &between].concat()).expect("it can be walked");
    assert!(!has(&kept, b"Fernwerk") && !has(&kept, b"uuid") && has(&kept, b"ftyp"));
}

/// Returns the video after each write, in order, and after power cuts: of the writes since the last sync, either only
/// one arrived, or all but one.
fn cut_off(video: &[u8]) -> Vec<Vec<u8>> {
    let mut disk = RecordingTarget { bytes: video.to_vec(), ..RecordingTarget::default() };
    found(video).expect("it can be walked").apply(&mut disk).expect("it is written");
    assert!(disk.since.is_empty(), "in the end all is safe");
    let mut all = Vec::new();
    for (safe, puts) in disk.safe.iter().zip(&disk.puts) {
        let with = |is_there: &dyn Fn(usize) -> bool| {
            let mut bytes = safe.clone();
            for (_, (at, put)) in puts.iter().enumerate().filter(|(index, _)| is_there(*index)) {
                bytes[*at..][..put.len()].copy_from_slice(put);
            }
            bytes
        };
        for cut in 0..puts.len() {
            all.extend([with(&|put| put < cut), with(&|put| put == cut), with(&|put| put != cut)]);
        }
    }
    all
}

#[test]
fn an_interrupted_redaction_gives_the_same_result_when_started_over() {
    let measured = video(*b"meta", true);
    let trailing = [&measured[..], b"\0\0\0\x04: 52.5200N"].concat();
    let tagged = TAGGED.map(|(_, file)| file.to_vec());
    for video in tagged.iter().chain([&measured, &trailing]) {
        let end = redacted(video);
        assert!(end.is_some());
        let cuts = cut_off(video);
        assert!(cuts.len() > 10);
        for cut in cuts {
            assert!(redacted(&cut) == end, "it comes to something else");
        }
    }
}

#[test]
fn the_length_and_memory_of_a_walk_are_bounded() {
    let empty = mp4_box(*b"iloc", &[&[0; 8]]);
    let handler = mp4_box(*b"hdlr", &[&[0; 8], b"pict"]);
    let twice = mp4_box(*b"meta", &[&[0; 4], &handler, &empty, &empty]);
    assert!(found(&twice).expect_err("two lists").contains("broken"));
    let many = |kind| mp4_box(kind, &[]).repeat(STEPS_MAX as usize);
    let too_many = |video: &[u8]| found(video).expect_err("too many").contains(&STEPS_MAX.to_string());
    assert!(too_many(&many(*b"uuid")) && too_many(&many(*b"mdat")));
    assert!(too_many(&mp4_box(*b"moov", &[&many(*b"udta")])));
    let item = mp4_box(*b"infe", &[b"\x02\0\0\0\0\x01\0\0Exif\0"]);
    let list = mp4_box(*b"iinf", &[&[0; 6], &item]);
    let places: Vec<_> = (0..60_000_u32).flat_map(|place| place.to_be_bytes().into_iter().chain([1])).collect();
    let place = [&b"\0\x01\0\0\xea\x60"[..], &places].concat();
    let places = mp4_box(*b"iloc", &[b"\0\0\0\0\x41\0\0\x02", &place, &place]);
    assert!(too_many(&mp4_box(*b"meta", &[&[0; 4], &handler, &list, &places])));
    let large = mp4_box(*b"moov", &[&vec![0; 8 * 1024 * 1024]]);
    assert!(found(&large).expect_err("too large").contains("8388608"));
}

#[test]
fn items_lose_their_names_and_metadata_and_external_items_are_refused() {
    let item = |kind: &[u8]| mp4_box(*b"infe", &[b"\x02\0\0\0\0\x01\0\0", kind, b"Fernwerk\0type\0"]);
    let file = |kind: &[u8], elsewhere: u8| {
        let metadata = [*b"udes", *b"crtt", *b"mdft", *b"uuid"].map(|kind| mp4_box(kind, &[b"Fernwerk"])).concat();
        let inside = [
            mp4_box(*b"hdlr", &[&[0; 8], b"pict", &[0; 12], b"Fernwerk\0"]),
            mp4_box(*b"iinf", &[&[0, 0, 0, 0, 0, 1], &item(kind)]),
            mp4_box(*b"iloc", &[&[0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, elsewhere, 0, 1], &numbers(&[8, 8])]),
            mp4_box(
                *b"iprp",
                &[&mp4_box(*b"ipco", &[&mp4_box(*b"ispe", &[b"12345678"]), &metadata, &mp4_box(*b"irot", &[b"1"])])],
            ),
        ];
        [mp4_box(*b"mdat", &[b"52.5200N"]), mp4_box(*b"meta", &[&[0; 4], &inside.concat()])].concat()
    };
    let kept = redacted(&file(b"mime", 0)).expect("it can be walked");
    assert!(!has(&kept, b"Fernwerk") && !has(&kept, b"52.5") && !has(&kept, b"udes"));
    assert!(has(&kept, b"mime        \0type\0") && has(&kept, b"ispe12345678") && has(&kept, b"irot1"));
    assert!(redacted(&file(b"mime", 1)).is_none(), "it is elsewhere");
    let kept = redacted(&file(b"hvt1", 1)).expect("a picture may be elsewhere");
    assert!(has(&kept, b"52.5200N"), "a tile is a picture");
}

#[test]
fn a_track_with_data_in_another_file_redacts_nothing_in_this_one() {
    for references in [&[0][..], &[1, 0], &[]] {
        let kept = redacted(&video_with(*b"meta", true, references)).expect("it can be walked");
        assert!(has(&kept, b"52.5200Nbetween13.4E") && !has(&kept, b"trak"), "{references:?}");
    }
}

#[test]
fn compact_sample_sizes_are_read_and_samples_outside_of_streams_stay() {
    let sizes = |bits: u8, each: &[u8]| mp4_box(*b"stz2", &[&[0, 0, 0, 0, 0, 0, 0, bits, 0, 0, 0, 3], each]);
    for (bits, each) in [(4, &[0x44, 0x50][..]), (8, &[4, 4, 5]), (16, &[0, 4, 0, 4, 0, 5])] {
        let small = sizes(bits, each);
        let kept = redacted(&video_of(*b"meta", &small, &[1], [35, 50])).expect("it can be walked");
        assert!(has(&kept, b"seen before\0\0\0\0\0\0\0\0between\0\0\0\0\0seen after"), "{bits}");
    }
    let kept = redacted(&video_of(*b"meta", &sizes(8, &[4, 4, 5]), &[1], [0, 20])).expect("it can be walked");
    assert!(has(&kept, b"ftypisom") && has(&kept, b"mdat\0een before"), "only what is in the stream");
}
