//! What holds for every input, whatever it is. The fuzz targets ask it of inputs they make up;
//! `crates/protocol/tests/corpus.rs` asks it of the corpus and of mutated frames on every run of the tests.

use parlor_protocol::{cursor::Cursor, frame::CommandFrame};
use std::str;

/// Parsing never panics; a refusal has an `id` from its range; what parses is written and read back equal.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match CommandFrame::parse(text) {
        Ok(command) => assert_eq!(CommandFrame::parse(&command.to_text()), Ok(command), "{text}"),
        Err(refused) => {
            assert!(refused.re.is_none_or(|id| (0..1 << 53).contains(&id)), "{text}");
            assert!(refused.problem.detail.is_some(), "{text}");
        }
    }
}

/// What parses is written and read back equal.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor), "{text}");
    }
}
