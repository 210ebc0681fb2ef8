//! What a message is found by: the terms under which the index keeps it, what a query asks the index for, and
//! whether a message's text as it is now really has what was asked.
//!
//! Words are looked for by their beginnings. Of scripts without spaces the index keeps pairs of characters, so that
//! any two or more in a row can be looked for; since pairs may stand in different places, the text itself decides.

use super::fold::{Class, Letter, fold, pieces, span};
use parlor_protocol::ids::{ConversationId, UserId};
use std::{collections::BTreeSet, ops::Range};

/// Characters of a word that the index keeps; what lies beyond is compared in the text itself.
const WORD_CHARS_MAX: usize = 32;
/// Beginnings of words up to so many characters are terms of their own: too many words begin with them.
const BEGINNING_CHARS: usize = 2;

/// A term of the index: one letter for its kind, then what it says.
pub type Term = Vec<u8>;

/// The term of a word, or of a pair, run or sign.
fn word(text: &str) -> Term {
    term(b'w', text.as_bytes())
}

/// The term of everything that begins so.
fn beginning(text: &str) -> Term {
    term(b'b', text.as_bytes())
}

/// The term of everything.
#[must_use]
pub fn anything() -> Term {
    vec![b'a']
}

/// The term of what carries a file.
#[must_use]
pub fn has_file() -> Term {
    vec![b'f']
}

/// The term of what stands in a conversation.
#[must_use]
pub fn in_conversation(conversation: ConversationId) -> Term {
    numbered(b'c', conversation.0)
}

/// The term of what a person wrote.
#[must_use]
pub fn of_sender(sender: UserId) -> Term {
    numbered(b's', sender.0)
}

fn numbered(kind: u8, id: i64) -> Term {
    let bytes = id.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    term(kind, &bytes[zeros..])
}

fn term(kind: u8, rest: &[u8]) -> Term {
    let mut term = Vec::with_capacity(1 + rest.len());
    term.push(kind);
    term.extend_from_slice(rest);
    term
}

/// Adds the terms of a text.
pub fn terms_of(text: &str, terms: &mut BTreeSet<Term>) {
    let letters = fold(text);
    for piece in pieces(&letters) {
        match piece.class {
            Class::Word => {
                for count in 1..=BEGINNING_CHARS.min(piece.letters.len()) {
                    terms.insert(beginning(&string(&piece.letters[..count])));
                }
                if piece.letters.len() > BEGINNING_CHARS {
                    terms.insert(word(&string(&piece.letters[..piece.letters.len().min(WORD_CHARS_MAX)])));
                }
            }
            Class::Sign => drop(terms.insert(word(&string(piece.letters)))),
            Class::Run => {
                for letter in piece.letters {
                    terms.insert(beginning(&string(std::slice::from_ref(letter))));
                }
                for pair in piece.letters.windows(2) {
                    terms.insert(word(&string(pair)));
                }
            }
            Class::Gap => {}
        }
    }
}

fn string(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.folded).collect()
}

/// What the index is asked for: every message that it finds must have all of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// This term.
    Exact(Term),
    /// Any term from the first up to, and without, the second.
    Between(Term, Term),
}

/// One thing that must be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    class: Class,
    letters: Vec<char>,
}

/// What somebody looks for, as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Wanted>);

impl Words {
    /// Those of a query, each once.
    #[must_use]
    pub fn new(query: &str) -> Self {
        let letters = fold(query);
        let mut wanted = BTreeSet::new();
        for piece in pieces(&letters) {
            let letters = piece.letters.iter().map(|letter| letter.folded).collect();
            wanted.insert(Wanted { class: piece.class, letters });
        }
        Self(wanted.into_iter().collect())
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What to ask the index for, the longest and so the rarest first.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut lookups = BTreeSet::new();
        for Wanted { class, letters } in &self.0 {
            match class {
                Class::Gap => {}
                Class::Sign => drop(lookups.insert(Lookup::Exact(word(&letters.iter().collect::<String>())))),
                Class::Word if letters.len() <= BEGINNING_CHARS => {
                    lookups.insert(Lookup::Exact(beginning(&letters.iter().collect::<String>())));
                }
                Class::Word => {
                    let low = word(&letters.iter().take(WORD_CHARS_MAX).collect::<String>());
                    let mut high = low.clone();
                    // No UTF-8 has this byte.
                    high.push(0xff);
                    lookups.insert(Lookup::Between(low, high));
                }
                Class::Run if letters.len() == 1 => {
                    lookups.insert(Lookup::Exact(beginning(&letters[0].to_string())));
                }
                Class::Run => {
                    for pair in letters.windows(2) {
                        lookups.insert(Lookup::Exact(word(&pair.iter().collect::<String>())));
                    }
                }
            }
        }
        let mut lookups: Vec<_> = lookups.into_iter().collect();
        lookups.sort_by_key(|lookup| match lookup {
            Lookup::Exact(term) | Lookup::Between(term, _) => {
                (std::cmp::Reverse(term.first().copied()), std::cmp::Reverse(term.len()))
            }
        });
        lookups
    }

    /// Where in each of the texts something stands that is looked for, if all of it stands somewhere.
    #[must_use]
    pub fn find(&self, texts: &[&str]) -> Option<Vec<Vec<Range<usize>>>> {
        let mut found = vec![false; self.0.len()];
        let hits = texts.iter().map(|text| self.find_in(text, &mut found)).collect();
        found.into_iter().all(|found| found).then_some(hits)
    }

    fn find_in(&self, text: &str, found: &mut [bool]) -> Vec<Range<usize>> {
        let letters = fold(text);
        let mut hits = Vec::new();
        for piece in pieces(&letters) {
            for (index, wanted) in self.0.iter().enumerate() {
                let count = wanted.letters.len();
                let is_at = |start: usize| {
                    let here = piece.letters[start..].iter().map(|letter| letter.folded);
                    piece.letters.len() - start >= count && here.take(count).eq(wanted.letters.iter().copied())
                };
                let starts = match (piece.class, wanted.class) {
                    (Class::Word, Class::Word) | (Class::Sign, Class::Sign) => 0..1,
                    (Class::Run, Class::Run) => 0..piece.letters.len(),
                    _ => continue,
                };
                for start in starts.filter(|&start| is_at(start)) {
                    found[index] = true;
                    hits.push(span(&piece.letters[start..start + count]));
                }
            }
        }
        merged(hits)
    }
}

/// In their order, without overlap.
fn merged(mut hits: Vec<Range<usize>>) -> Vec<Range<usize>> {
    hits.sort_unstable_by_key(|hit| hit.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.start < last.end => last.end = last.end.max(hit.end),
            _ => merged.push(hit),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(query: &str, text: &str) -> bool {
        let found = Words::new(query).find(&[text]).is_some();
        if found {
            assert!(is_kept_for(query, text), "the index leads from {query:?} to {text:?}");
        }
        found
    }

    /// Whether the index, asked for the query, would name the text.
    fn is_kept_for(query: &str, text: &str) -> bool {
        let mut terms = BTreeSet::new();
        terms_of(text, &mut terms);
        Words::new(query).lookups().iter().all(|lookup| match lookup {
            Lookup::Exact(term) => terms.contains(term),
            Lookup::Between(low, high) => terms.range(low.clone()..high.clone()).next().is_some(),
        })
    }

    #[test]
    fn words_are_found_by_their_beginnings_in_any_order() {
        let text = "Did you lose a BLACK umbrella on tram 18?";
        for query in ["umbrella", "umb black", "tram 18", "u", "um", "BLÄCK", "", "?", "tram 1 18"] {
            assert!(finds(query, text), "{query}");
        }
        for query in ["brella", "umbrellas", "black dog", "8", "傘"] {
            assert!(!finds(query, text), "{query}");
        }
    }

    #[test]
    fn two_characters_in_a_row_are_found_where_there_are_no_spaces() {
        for (text, query) in [
            ("電車で黒い傘をなくしました", "傘を"),
            ("電車で黒い傘をなくしました", "黒い傘"),
            ("電車で黒い傘をなくしました", "傘"),
            ("我在电车上丢了一把黑色雨伞", "雨伞"),
            ("我在电车上丢了一把黑色雨伞", "伞"),
            ("ฉันทำร่มหายบนรถราง", "ร่ม"),
            ("전차에서 우산을 잃어버렸어요", "우산"),
            ("ខ្ញុំបានបាត់ឆ័ត្រ", "ឆ័ត្រ"),
            ("iPhoneを買う", "iph 買う"),
        ] {
            assert!(finds(query, text), "{query} in {text}");
        }
        // Both pairs stand there, and not in a row.
        assert!(is_kept_for("東京都", "東京と京都"));
        assert!(!finds("東京都", "東京と京都"));
        assert!(!finds("傘を", "傘、を"));
    }

    #[test]
    fn emoji_and_long_words_are_found() {
        assert!(finds("☂", "under the seat ☂️"));
        assert!(finds("👍", "fine 👍🏽"));
        assert!(!finds("👎", "fine 👍🏽"));
        let long = "x".repeat(500);
        assert!(finds(&long, &format!("a {long}yz")));
        assert!(!finds(&format!("{long}z"), &format!("a {long}yz")));
    }

    #[test]
    fn hits_lie_where_they_were_written() {
        let text = "Straße, ÉTÉ und 黒い傘";
        let hits = Words::new("stras ete い傘").find(&[text]).expect("all there").remove(0);
        assert_eq!(hits.iter().map(|hit| &text[hit.clone()]).collect::<Vec<_>>(), ["Straß", "ÉTÉ", "い傘"]);
    }

    #[test]
    fn what_is_looked_for_may_stand_in_several_texts() {
        let words = Words::new("black umbrella jpg");
        assert!(words.find(&["a black one", "Umbrella", "it.jpg"]).is_some());
        assert!(words.find(&["a black one", "Umbrella"]).is_none());
    }

    proptest! {
        #[test]
        fn the_index_never_misses_what_the_text_has(
            text in "[a-eé ßあい傘伞ร่ม한국☂👍._-]{0,24}",
            query in "[a-eé ßあい傘伞ร่ม한국☂👍._-]{0,5}",
        ) {
            finds(&query, &text);
        }

        #[test]
        fn any_text_is_folded_without_harm(text in any::<String>(), query in any::<String>()) {
            let words = Words::new(&query);
            let lookups = words.lookups();
            prop_assert_eq!(lookups.is_empty(), words.is_empty());
            for hit in words.find(&[&text]).into_iter().flatten().flatten() {
                prop_assert!(text.get(hit).is_some_and(|hit| !hit.is_empty()));
            }
            prop_assert!(Words::new(&text).find(&[&text]).is_some());
        }
    }
}
