//! Properties that hold for every input. The fuzz targets check generated inputs;
//! `crates/protocol/tests/corpus.rs` checks the corpus and mutated frames on every test run.

use parlor_protocol::{cursor::Cursor, frame::CommandFrame};
use std::str;

/// Parsing never panics; a refusal has an `id` in range; a parsed frame round-trips.
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

/// A parsed cursor round-trips.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor), "{text}");
    }
}
