//! The properties of the fuzz targets for files, checked on their whole corpus and on mutations of it.

use parlor::files::{pictures, videos};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{fs, path::PathBuf};

#[expect(unreachable_pub, reason = "it is a part of the fuzz package")]
#[path = "../../../fuzz/src/file_checks.rs"]
mod file_checks;

fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz").join(folder);
    let paths = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let files: Vec<_> = paths.map(|path| fs::read(path).expect("a readable file")).collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn the_corpus_of_pictures_has_the_properties() {
    for bytes in corpus("picture") {
        file_checks::picture(&bytes);
    }
}

#[test]
fn the_corpus_of_videos_has_the_properties() {
    for bytes in corpus("film") {
        file_checks::film(&bytes);
    }
}

/// Mutates bytes: replaces some, repeats a part, removes a part.
fn changed(mut bytes: Vec<u8>, cuts: &[(Index, Index, u8)]) -> Vec<u8> {
    for (one, other, byte) in cuts {
        if bytes.is_empty() {
            break;
        }
        let (one, other) = (one.index(bytes.len()), other.index(bytes.len()));
        let part = one.min(other)..one.max(other);
        match byte % 8 {
            0 => drop(bytes.drain(part)),
            1 => bytes.extend_from_within(part),
            _ => bytes[one] = *byte,
        }
    }
    bytes
}

proptest! {
    // A failure prints its smallest input; it belongs into the corpus, not into a file beside the tests.
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_picture_has_the_properties(at in any::<Index>(), cuts in vec(any::<(Index, Index, u8)>(), 1..6)) {
        let corpus = corpus("picture");
        file_checks::picture(&changed(at.get(&corpus).clone(), &cuts));
    }

    #[test]
    fn a_mutated_video_has_the_properties(at in any::<Index>(), cuts in vec(any::<(Index, Index, u8)>(), 1..6)) {
        let corpus = corpus("film");
        file_checks::film(&changed(at.get(&corpus).clone(), &cuts));
    }
}
