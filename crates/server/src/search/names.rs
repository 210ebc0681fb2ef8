//! What a user is found by: the beginnings of the words of their name, and any part of it in a script without spaces.
//!
//! `O'Brien` is found by "obrien", "o'brien" and "brien", `Jean-Pierre` by "jean pierre", `김철수` by "철수". The web client
//! filters its list in the same way (`folding.js`).

use super::{
    fold::{Class, Letter, fold, pieces},
    units::{Joint, Unit, is_start, units},
};

/// The format of [`name_words`]. Raising it recomputes what the store has.
pub const FORM: i64 = 1;
/// How many characters of a word are compared.
const WORD_CHARS_MAX: usize = 32;

/// Returns what a name is found by, each part after a space.
#[must_use]
pub fn name_words(name: &str) -> String {
    let letters = fold(name);
    let units = units(&letters);
    let mut words = String::with_capacity(2 * name.len());
    for start in (0..units.len()).filter(|&at| is_start(&units, at)) {
        let end = (start + 1..units.len()).find(|&at| matches!(units[at].joint, Joint::Space | Joint::End));
        words.push(' ');
        words.push_str(&folded_word(&units[start..end.unwrap_or(units.len())]));
    }
    for piece in pieces(&letters).filter(|piece| piece.class != Class::Word) {
        for start in 0..piece.letters.len() {
            words.push(' ');
            words.push_str(&folded_letters(&piece.letters[start..]));
        }
    }
    words
}

/// Something that a name must contain: the whole, or all of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTerm {
    /// A word of the query, without what joins its parts.
    pub whole: String,
    /// Its parts, if it has several.
    pub parts: Vec<String>,
}

/// Returns what a query requires of a name.
#[must_use]
pub fn name_terms(query: &str) -> Vec<NameTerm> {
    let letters = fold(query);
    let units = units(&letters);
    let words = units.chunk_by(|_, unit| !matches!(unit.joint, Joint::Space | Joint::End)).map(|word| {
        let parts = word.chunk_by(|_, unit| unit.joint == Joint::None);
        let parts: Vec<_> = parts.map(folded_word).collect();
        NameTerm { whole: folded_word(word), parts: if parts.len() > 1 { parts } else { Vec::new() } }
    });
    let rest = pieces(&letters).filter(|piece| piece.class != Class::Word);
    words.chain(rest.map(|piece| NameTerm { whole: folded_letters(piece.letters), parts: Vec::new() })).collect()
}

fn folded_word(units: &[Unit]) -> String {
    units.iter().take(WORD_CHARS_MAX).map(|unit| unit.folded).collect()
}

fn folded_letters(letters: &[Letter]) -> String {
    letters.iter().take(WORD_CHARS_MAX).map(|letter| letter.folded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::{fs, path::Path};

    #[derive(Deserialize)]
    struct FoldingFixture {
        folded: Vec<(String, String)>,
        words: Vec<(String, String)>,
        matches: Vec<(String, Vec<String>, Vec<String>)>,
    }

    fn fixture() -> FoldingFixture {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/folding.json");
        serde_json::from_str(&fs::read_to_string(path).expect("the fixture")).expect("as it is described")
    }

    fn finds(query: &str, name: &str) -> bool {
        let words = name_words(name);
        let has = |part: &String| words.contains(&format!(" {part}"));
        let is_there = |one: &NameTerm| has(&one.whole) || (!one.parts.is_empty() && one.parts.iter().all(has));
        name_terms(query).iter().all(is_there)
    }

    #[test]
    fn texts_are_folded_as_in_the_fixture() {
        let fixture = fixture();
        assert!(fixture.folded.len() > 500, "generated ones among them");
        for (text, expected) in fixture.folded {
            assert_eq!(fold(&text).iter().map(|letter| letter.folded).collect::<String>(), expected, "{text:?}");
        }
        for (name, expected) in fixture.words {
            assert_eq!(name_words(&name), expected, "{name:?}");
        }
    }

    #[test]
    fn names_are_found_as_in_the_fixture() {
        for (name, found, missed) in fixture().matches {
            for query in found {
                assert!(finds(&query, &name), "{query:?} finds {name:?}");
            }
            for query in missed {
                assert!(!finds(&query, &name), "{query:?} does not find {name:?}");
            }
        }
    }
}
