//! The excerpt of a message around the first match, in pieces.

use parlor_protocol::reply::Piece;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// The length of an excerpt in graphemes.
const LENGTH: usize = 160;
/// How many of them precede the first match.
const BEFORE: usize = 40;
/// Marks where text was left out.
const LEFT_OUT: &str = "…";

/// Returns the excerpt of a text around the first match; matches are in order and do not overlap.
#[must_use]
pub fn excerpt(text: &str, hits: &[Range<usize>]) -> Vec<Piece> {
    let first = hits.first().map_or(0, |hit| hit.start);
    let start = text[..first].grapheme_indices(true).rev().take(BEFORE).last().map_or(first, |(at, _)| at);
    let start = word_start(text, start, first);
    let end = text[start..].grapheme_indices(true).nth(LENGTH).map_or(text.len(), |(at, _)| start + at);
    let mut pieces = Vec::new();
    if start > 0 {
        push(&mut pieces, LEFT_OUT, false);
    }
    let mut at = start;
    for hit in hits.iter().filter(|hit| hit.start < end) {
        push(&mut pieces, &text[at..hit.start], false);
        at = hit.end.min(end);
        push(&mut pieces, &text[hit.start..at], true);
    }
    push(&mut pieces, &text[at..end], false);
    if end < text.len() {
        push(&mut pieces, LEFT_OUT, false);
    }
    pieces
}

/// Moves to after the first space following `start`, if there is one before `first`, so that words are not cut
/// needlessly.
fn word_start(text: &str, start: usize, first: usize) -> usize {
    if start == 0 {
        return 0;
    }
    let space = text[start..first].char_indices().find(|(_, character)| character.is_whitespace());
    space.map_or(start, |(at, character)| start + at + character.len_utf8())
}

/// Merges neighbouring pieces of the same kind.
fn push(pieces: &mut Vec<Piece>, text: &str, hit: bool) {
    if text.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(last) if last.hit == hit => last.text.push_str(text),
        _ => pieces.push(Piece { text: text.to_owned(), hit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::words::Words;
    use proptest::prelude::*;

    /// The excerpt as one text, with matches in brackets.
    fn marked(text: &str, query: &str) -> String {
        let hits = Words::new(query).find(&[text]).expect("it is there").remove(0);
        let marked = |piece: Piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text };
        excerpt(text, &hits).into_iter().map(marked).collect()
    }

    #[test]
    fn a_short_text_is_shown_whole_with_every_hit() {
        assert_eq!(marked("On tram 18, under the seat ☂️", "tram seat ☂"), "On [tram] 18, under the [seat] [☂️]");
        assert_eq!(marked("黒い傘を電車で", "傘を"), "黒い[傘を]電車で");
        assert_eq!(marked("nothing asked", ""), "nothing asked");
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_hit() {
        let text = format!("{}the umbrella is here {}", "before ".repeat(50), "after ".repeat(50));
        let shown = marked(&text, "umbr");
        assert!(shown.starts_with("…before before"), "{shown}");
        assert!(shown.contains("the [umbr]ella is here after"), "{shown}");
        assert!(shown.ends_with('…') && shown.chars().count() <= LENGTH + 4, "{shown}");
        let text = format!("{}傘を{}", "黒".repeat(300), "白".repeat(300));
        assert!(marked(&text, "傘を").starts_with(&format!("…{}[傘を]白", "黒".repeat(BEFORE))));
    }

    proptest! {
        #[test]
        fn an_excerpt_is_part_of_its_text(text in "[aé 傘👩‍👧b]{0,400}", query in "[aé傘b]{1,2}") {
            let Some(hits) = Words::new(&query).find(&[&text]) else { return Ok(()) };
            let whole: String = excerpt(&text, &hits[0]).into_iter().map(|piece| piece.text).collect();
            prop_assert!(text.contains(whole.trim_matches('…')));
        }
    }
}
