//! Films and HEIC pictures with everything in them that must not stay.

use super::*;
use std::io::Cursor;

/// Small ones, into which exiftool wrote places and names.
const TAGGED: [(&str, &[u8]); 4] = [
    ("mov", include_bytes!("../../../../../fixtures/fuzz/film/tagged.mov")),
    ("mp4", include_bytes!("../../../../../fixtures/fuzz/film/tagged.mp4")),
    ("heic", include_bytes!("../../../../../fixtures/fuzz/film/tagged.heic")),
    ("avif", include_bytes!("../../../../../fixtures/fuzz/film/tagged.avif")),
];

/// As it is afterwards. None: it is not walked through.
fn blanked(bytes: &[u8]) -> Option<Vec<u8>> {
    let blanks = find(&mut Cursor::new(bytes), bytes.len() as u64).expect("memory is read")?;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    blanks.apply(file.as_file()).expect("it is written");
    Some(std::fs::read(file.path()).expect("it is there"))
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn part(kind: [u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&u32::try_from(body.len() + 8).expect("short").to_be_bytes()[..], &kind, &body].concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

#[test]
fn nothing_that_tells_stays_and_nothing_moves() {
    for (kind, file) in TAGGED {
        assert!(has(file, b"Fernwerk"), "the {kind} tells something");
        let kept = blanked(file).unwrap_or_else(|| panic!("the {kind} is walked through"));
        assert_eq!(kept.len(), file.len(), "{kind}");
        for told in [&b"Fernwerk"[..], b"+52.5", b"ExifTool", b"Lavc", b"GPS", b"com.apple"] {
            assert!(!has(&kept, told), "{kind} {}", String::from_utf8_lossy(told));
        }
        assert_eq!(blanked(&kept).as_ref(), Some(&kept), "{kind}: there is nothing more to take");
        let stays = ["ftyp", "moov", "mdat", "stco", "iloc", "iprp"].map(str::as_bytes);
        for stays in stays.iter().filter(|stays| has(file, stays)) {
            assert!(has(&kept, stays), "{kind} {}", String::from_utf8_lossy(stays));
        }
    }
}

/// A film of one track of this kind, which has its two pieces of data in the middle of the file.
fn film(handler: [u8; 4], with_sizes: bool) -> Vec<u8> {
    let data = part(*b"mdat", &[b"seen before", b"52.5200N", b"between", b"13.4E", b"seen after"]);
    let (first, second) = (16 + 8 + 11, 16 + 8 + 11 + 8 + 7);
    let sizes = if with_sizes { numbers(&[0, 0, 3, 4, 4, 5]) } else { numbers(&[0, 4, 3]) };
    let table = part(
        *b"stbl",
        &[
            &part(*b"stsz", &[&sizes]),
            &part(*b"stsc", &[&numbers(&[0, 2, 1, 2, 1, 2, 1, 1])]),
            &part(*b"stco", &[&numbers(&[0, 2, first, second])]),
        ],
    );
    let hdlr = part(*b"hdlr", &[&[0; 8], &handler, &[0; 12], b"Fernwerk\0"]);
    let track = part(*b"trak", &[&part(*b"mdia", &[&hdlr, &part(*b"minf", &[&table])])]);
    [part(*b"ftyp", &[b"isom\0\0\0\0"]), data, part(*b"moov", &[&track])].concat()
}

#[test]
fn a_track_that_measures_loses_what_it_measured_and_one_that_is_seen_does_not() {
    for with_sizes in [true, false] {
        let kept = blanked(&film(*b"meta", with_sizes)).expect("it is walked through");
        assert!(has(&kept, b"seen before\0\0\0\0\0\0\0\0between\0\0\0\0"), "{with_sizes}");
        assert!(has(&kept, b"seen after") && !has(&kept, b"trak") && !has(&kept, b"13."));
        let kept = blanked(&film(*b"vide", with_sizes)).expect("it is walked through");
        assert!(has(&kept, b"52.5200Nbetween13.4E") && has(&kept, b"trak") && !has(&kept, b"Fernwerk"));
    }
}

#[test]
fn what_is_cut_off_is_kept_where_only_what_is_seen_is_cut() {
    let whole = film(*b"vide", true);
    let tables = whole.windows(4).position(|bytes| bytes == b"moov").expect("tables") - 4;
    assert!(blanked(&whole[..tables - 3]).is_some(), "a film of which the end did not come");
    assert!(blanked(&whole[..whole.len() - 3]).is_none(), "its tables are cut");
    let more = [&whole[..], b"SEFT: 52.5200N 13.4050E"].concat();
    assert!(!has(&blanked(&more).expect("it is walked through"), b"52.5200N 13"), "what follows the end");
    let between =
        [part(*b"uuid", &[b"Fernwerk"]), part(*b"free", &[b"Fernwerk"]), part(*b"mpvd", &[b"Fernwerk"])].concat();
    let kept = blanked(&[&whole[..16], &between].concat()).expect("it is walked through");
    assert!(!has(&kept, b"Fernwerk") && !has(&kept, b"uuid") && has(&kept, b"ftyp"));
}

#[test]
fn no_bytes_make_it_panic_or_write_elsewhere() {
    let mut state = 1_u32;
    for (_, sample) in TAGGED {
        for _ in 0..2000 {
            let mut bytes = sample.to_vec();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = state.to_be_bytes()[0];
            }
            let length = bytes.len() as u64;
            let Some(blanks) = find(&mut Cursor::new(&bytes), length).expect("memory is read") else { continue };
            assert!(blanks.fills.iter().all(|(range, _)| range.end <= length));
            assert!(blanks.fills.windows(2).all(|two| two[0].0.end <= two[1].0.start));
            assert!(blanks.writes.iter().all(|(at, bytes)| at + bytes.len() as u64 <= length));
        }
    }
}
