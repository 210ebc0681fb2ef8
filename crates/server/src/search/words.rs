//! What a message is found by: the terms under which the index keeps it, what a query asks the index for, and
//! whether a message's text as it is now really has what was asked.
//!
//! Words are looked for by their beginnings. From wherever a word or a part of it begins, the index keeps what is joined
//! to it as one word: of `INV-2026/0042` that is `inv20260042`, `20260042` and `0042`, so that it is found with and without
//! its signs. What is asked for with a sign that people do not leave out, such as `C++`, `#tag` or `R&D`, is found with
//! that sign only. Of scripts without spaces the index keeps pairs of characters, so that any two or more in a row can be
//! looked for; since pairs may stand in different places, the text itself decides.

use super::{
    fold::{Class, Letter, fold, pieces, span},
    units::{Joint, Unit, is_kept, is_start, is_switch, units},
};
use parlor_protocol::ids::{ConversationId, UserId};
use std::{collections::BTreeSet, ops::Range};

/// Characters of a word that the index keeps; what lies beyond is compared in the text itself.
const WORD_CHARS_MAX: usize = 32;
/// Beginnings of words up to so many characters are terms of their own: too many words begin with them.
const BEGINNING_CHARS: usize = 2;
/// Numbers that are asked for with so many characters are found across their spaces.
const NUMBER_CHARS_MIN: usize = 6;
/// A word with a hyphen is found in two words, if so many letters come before.
const APART_CHARS_MIN: usize = 3;

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
    let units = units(&letters);
    for start in (0..units.len()).filter(|&at| is_start(&units, at)) {
        let said = joined(&units[start..]);
        if let Some((sign, _)) = units[start].sign.filter(|(sign, _)| is_kept(*sign)) {
            terms.insert(word(&format!("{sign}{said}")));
        }
        for (end, _) in said.char_indices().skip(1).take(BEGINNING_CHARS) {
            terms.insert(beginning(&said[..end]));
        }
        let whole = if said.chars().nth(BEGINNING_CHARS).is_some() { word(&said) } else { beginning(&said) };
        terms.insert(whole);
    }
    for piece in pieces(&letters) {
        match piece.class {
            Class::Sign => drop(terms.insert(word(&string(piece.letters)))),
            Class::Run => {
                for letter in piece.letters {
                    terms.insert(beginning(&string(std::slice::from_ref(letter))));
                }
                for pair in piece.letters.windows(2) {
                    terms.insert(word(&string(pair)));
                }
            }
            Class::Word | Class::Gap => {}
        }
    }
}

fn string(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.folded).collect()
}

/// What a text says from a start on: the word, and what is joined to it.
fn joined(units: &[Unit]) -> String {
    let is_joined = |unit: &&Unit| !matches!(unit.joint, Joint::Space | Joint::End);
    let rest = units[1..].iter().take_while(is_joined).take(WORD_CHARS_MAX - 1);
    units[..1].iter().chain(rest).map(|unit| unit.folded).collect()
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
    /// Of a word, what stands before each of its letters.
    joints: Vec<Joint>,
    /// What must stand before it.
    sign: Option<char>,
}

/// A word as it was asked for, or, of a number with spaces, all its parts in whatever places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Token {
    whole: Wanted,
    parts: Vec<Wanted>,
}

/// What somebody looks for, as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Token>);

impl Words {
    /// Those of a query, each once.
    #[must_use]
    pub fn new(query: &str) -> Self {
        let letters = fold(query);
        let mut tokens = BTreeSet::new();
        for units in units(&letters).chunk_by(|_, unit| !matches!(unit.joint, Joint::Space | Joint::End)) {
            let parts = units.chunk_by(|_, unit| !matches!(unit.joint, Joint::Spaced | Joint::Thousand));
            let mut parts: Vec<_> = parts.map(Wanted::word).collect();
            let is_long = units.len() >= NUMBER_CHARS_MIN || units.iter().any(|unit| unit.joint == Joint::Thousand);
            if parts.len() > 1 && !is_long {
                tokens.extend(parts.into_iter().map(|whole| Token { whole, parts: Vec::new() }));
            } else {
                if parts.len() == 1 {
                    parts.clear();
                }
                tokens.insert(Token { whole: Wanted::word(units), parts });
            }
        }
        for piece in pieces(&letters).filter(|piece| piece.class != Class::Word) {
            let letters = piece.letters.iter().map(|letter| letter.folded).collect();
            let whole = Wanted { class: piece.class, letters, joints: Vec::new(), sign: None };
            tokens.insert(Token { whole, parts: Vec::new() });
        }
        Self(tokens.into_iter().collect())
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
        for Token { whole, parts } in &self.0 {
            // The whole and all parts have only the first part's letters in common.
            parts.first().unwrap_or(whole).look_up(&mut lookups);
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
        let wanted: Vec<&Wanted> =
            self.0.iter().flat_map(|token| std::iter::once(&token.whole).chain(&token.parts)).collect();
        let mut found = vec![false; wanted.len()];
        let hits = texts.iter().map(|text| find_in(text, &wanted, &mut found)).collect();
        let mut found = found.into_iter();
        let mut is_there = |token: &Token| {
            let whole = found.next().unwrap_or_default();
            let parts = found.by_ref().take(token.parts.len()).fold(true, |all, found| all && found);
            whole || (parts && !token.parts.is_empty())
        };
        self.0.iter().fold(true, |all, token| is_there(token) && all).then_some(hits)
    }
}

impl Wanted {
    fn word(units: &[Unit]) -> Self {
        let mut joints: Vec<_> = units.iter().map(|unit| unit.joint).collect();
        joints[0] = Joint::End;
        let letters = units.iter().map(|unit| unit.folded).collect();
        Self { class: Class::Word, letters, joints, sign: units[0].sign.map(|(sign, _)| sign) }
    }

    /// Adds what every text has in which this is found.
    fn look_up(&self, lookups: &mut BTreeSet<Lookup>) {
        match self.class {
            Class::Gap => {}
            Class::Sign => drop(lookups.insert(Lookup::Exact(word(&self.letters.iter().collect::<String>())))),
            Class::Word => self.look_up_word(lookups),
            Class::Run if self.letters.len() == 1 => {
                lookups.insert(Lookup::Exact(beginning(&self.letters[0].to_string())));
            }
            Class::Run => {
                for pair in self.letters.windows(2) {
                    lookups.insert(Lookup::Exact(word(&pair.iter().collect::<String>())));
                }
            }
        }
    }

    /// A word that may also be written in two is looked up in parts, each from where a text surely has a start.
    fn look_up_word(&self, lookups: &mut BTreeSet<Lookup>) {
        let mut from = Some(0);
        for at in 1..=self.letters.len() {
            let is_end = at == self.letters.len();
            let is_cut = !is_end && self.may_be_apart(at);
            let is_switch = !is_end && is_switch(self.letters[at - 1], self.letters[at]);
            if let Some(start) = from.filter(|_| is_end || is_cut) {
                let sign = self.sign.filter(|sign| start == 0 && is_kept(*sign));
                lookups.insert(lookup(sign, &self.letters[start..at]));
                from = None;
            }
            if is_switch && from.is_none() {
                from = Some(at);
            }
        }
    }

    /// Whether a text may have a space there: `follow-up` finds "follow up".
    fn may_be_apart(&self, at: usize) -> bool {
        let is_number = self.letters[at - 1].is_ascii_digit() && self.letters[at].is_ascii_digit();
        self.joints[at] == Joint::Soft && at >= APART_CHARS_MIN && !is_number
    }

    /// Whether this word stands at a start of a text.
    fn is_at(&self, units: &[Unit]) -> bool {
        let count = self.letters.len();
        let is_same = |(at, unit): (usize, &Unit)| unit.folded == self.letters[at] && (at == 0 || self.joins(at, unit));
        let has_sign = self.sign.is_none_or(|sign| units[0].sign.is_some_and(|(other, _)| other == sign));
        units.len() >= count && has_sign && units[..count].iter().enumerate().all(is_same)
    }

    /// Whether what stands before a letter in a text is what was asked for, or left out there.
    fn joins(&self, at: usize, unit: &Unit) -> bool {
        match unit.joint {
            Joint::None => self.joints[at] != Joint::Hard,
            Joint::Soft | Joint::Hard | Joint::Thousand => true,
            Joint::Spaced => self.joints[at] != Joint::None || self.letters.len() >= NUMBER_CHARS_MIN,
            Joint::Space => self.may_be_apart(at),
            Joint::End => false,
        }
    }
}

fn lookup(sign: Option<char>, letters: &[char]) -> Lookup {
    let said: String = letters.iter().take(WORD_CHARS_MAX).collect();
    if sign.is_none() && letters.len() <= BEGINNING_CHARS {
        return Lookup::Exact(beginning(&said));
    }
    let low = word(&sign.into_iter().collect::<String>()).into_iter().chain(said.into_bytes()).collect::<Term>();
    let mut high = low.clone();
    // No UTF-8 has this byte.
    high.push(0xff);
    Lookup::Between(low, high)
}

fn find_in(text: &str, wanted: &[&Wanted], found: &mut [bool]) -> Vec<Range<usize>> {
    let letters = fold(text);
    let units = units(&letters);
    let mut hits = Vec::new();
    for start in (0..units.len()).filter(|&at| is_start(&units, at)) {
        for (index, wanted) in wanted.iter().enumerate().filter(|(_, wanted)| wanted.class == Class::Word) {
            if wanted.is_at(&units[start..]) {
                found[index] = true;
                let begin = wanted.sign.and(units[start].sign).map_or(units[start].start, |(_, begin)| begin);
                hits.push(begin..units[start + wanted.letters.len() - 1].end);
            }
        }
    }
    for piece in pieces(&letters).filter(|piece| piece.class != Class::Word) {
        for (index, wanted) in wanted.iter().enumerate().filter(|(_, wanted)| wanted.class == piece.class) {
            let is_same = |here: &[Letter]| here.iter().map(|letter| letter.folded).eq(wanted.letters.iter().copied());
            for here in piece.letters.windows(wanted.letters.len()).filter(|here| is_same(here)) {
                found[index] = true;
                hits.push(span(here));
            }
        }
    }
    merged(hits)
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
    fn words_are_found_with_and_without_what_joins_their_parts() {
        for (text, queries) in [
            ("We run v3.14.2 now", &["3.14.2", "v3.14.2", "v3.14", "14.2", "3142", "v3"][..]),
            ("I don't know", &["dont", "don't", "don’t", "DON'T", "don"]),
            ("I dont know", &["don't", "dont"]),
            ("I don’t know", &["don't", "dont"]),
            ("it costs 1,299 in all", &["1299", "1,299", "1.299", "1 299", "1'299"]),
            ("it costs 1299 in all", &["1,299", "1299", "1.299", "1 299"]),
            ("kostet 1 299,00 €", &["1299", "1,299", "1 299", "129900"]),
            ("kostet 1\u{202f}299 €", &["1299"]),
            ("send an e-mail", &["email", "e-mail", "mail"]),
            ("send an email", &["e-mail"]),
            ("a follow-up", &["followup", "follow-up", "follow up", "up"]),
            ("a follow up", &["follow-up"]),
            ("a followup", &["follow-up"]),
            ("see INV-2026/0042 please", &["INV-2026/0042", "inv2026", "2026/0042", "0042", "inv 0042", "INV-2026-0042"]),
            ("see INV 2026/0042 please", &["INV-2026/0042", "INV-2026"]),
            ("see INV20260042", &["INV-2026/0042"]),
            ("call +49 30 1234567", &["301234567", "+49301234567", "30 1234567", "+49 30 123"]),
            ("call 030/123 45 67", &["0301234567", "030 1234567", "030-1234567", "(030) 1234567", "1234567"]),
            ("call 0301234567", &["030 1234567", "030/123 45 67", "030-123-4567"]),
            ("DE89 3704 0044 0532 0130 00", &["DE89370400440532013000", "DE89 3704", "3704 0044", "370400440532", "de89 3704 0044 0532 0130 00"]),
            ("DE89370400440532013000", &["DE89 3704 0044 0532 0130 00", "DE89 3704 0044", "DE89"]),
            ("GB29 NWBK 6016 1331 9268 19", &["GB29NWBK60161331926819", "NWBK 6016", "6016"]),
            ("GB29NWBK60161331926819", &["GB29 NWBK 6016 1331 9268 19", "nwbk"]),
            ("می\u{200c}خواهم", &["میخواهم", "می\u{200c}خواهم", "می خواهم", "خواهم"]),
            ("میخواهم", &["می\u{200c}خواهم"]),
            ("كتابي يكون", &["کتابی", "یکون"]),
            ("سال ۱۴۰۳", &["1403", "١٤٠٣"]),
            ("from the U.S.A.", &["usa", "U.S.A.", "u.s."]),
            ("in the USA", &["U.S.A."]),
            ("mail ada.l@mail.example", &["ada.l@mail.example", "mail.example", "@mail", "ada", "ada.l"]),
            ("https://found.example/items/5?a=b_c", &["found.example", "items/5", "https://found.example/items/5", "b_c"]),
            ("IMG_2041.jpg", &["IMG_2041", "2041", ".jpg", "jpg", "img 2041", "IMG-2041"]),
            ("iPhone15 Pro", &["iphone 15", "15", "iphone15"]),
            ("O'Brien and Jean-Pierre", &["obrien", "o'brien", "brien", "jean pierre", "jeanpierre"]),
        ] {
            for query in queries {
                assert!(finds(query, text), "{query:?} in {text:?}");
            }
        }
    }

    #[test]
    fn signs_that_people_do_not_leave_out_are_found_as_such() {
        for (text, found, missed) in [
            ("in C++ or C#", &["C++", "c#", "C", "c+"][..], &["d++", "c#+"][..]),
            ("C++17 and F#", &["C++", "c++17", "17", "f#"], &["c#", "c17"]),
            ("the car can", &["c", "ca"], &["C++", "c#", "c+"]),
            ("use .NET or ASP.NET", &[".NET", "net", "asp.net", "aspnet"], &["#net"]),
            ("a net and a network", &["net"], &[".net", "@net"]),
            ("ask @ada about #umbrella", &["@ada", "ada", "#umbrella", "#umb", "@a"], &["#ada", "@umbrella", "@da"]),
            ("ask ada about an umbrella", &["ada"], &["@ada", "#umbrella"]),
            ("it is $5 or €20", &["$5", "5", "€20", "€2", "20"], &["$2", "€5", "£5", "$20"]),
            ("5 people, 20 bags", &["5"], &["$5", "€20", "5€", "20%"]),
            ("it is 5€, or 20 %", &["5€", "5 €", "20%", "20 %", "5"], &["€5", "20€"]),
            ("item#5 here", &["item", "#5", "5", "item#5"], &["item5"]),
            ("AT&T and R&D", &["at&t", "R&D", "att", "d"], &["a&t"]),
            ("attach the attic", &["att"], &["AT&T"]),
            ("red 3, then 14 and 2", &["3", "14 2"], &["3.14.2", "3.14"]),
            ("2,4,6", &["2", "6"], &["26"]),
            ("a, b", &["a b"], &["ab"]),
            ("one two", &["one two"], &["onetwo", "one/two", "one@two"]),
            ("12 34", &["12 34", "34 12", "12-34"], &["1234"]),
        ] {
            for query in found {
                assert!(finds(query, text), "{query:?} in {text:?}");
            }
            for query in missed {
                assert!(!finds(query, text), "{query:?} not in {text:?}");
            }
        }
    }

    #[test]
    fn numbers_with_spaces_are_found_apart_too() {
        assert!(finds("030 1234567", "room 030, number 1234567"));
        assert!(finds("2026 000042", "000042 in 2026"));
        assert!(!finds("030 1234567", "room 030"));
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
        let marked = |query: &str, text: &str| -> Vec<String> {
            let hits = Words::new(query).find(&[text]).expect("all there").remove(0);
            hits.into_iter().map(|hit| text[hit].to_owned()).collect()
        };
        assert_eq!(marked("stras ete い傘", text), ["Straß", "ÉTÉ", "い傘"]);
        assert_eq!(marked("dont 1299", "I don't pay 1,299.50"), ["don't", "1,299"]);
        assert_eq!(marked("3.14.2 c++", "v3.14.2 of C++"), ["3.14.2", "C++"]);
        assert_eq!(marked("#tag $5", "a #tagged $5 thing"), ["#tag", "$5"]);
        assert_eq!(marked("0301234567", "call 030/123 45 67 now"), ["030/123 45 67"]);
        assert_eq!(marked("خواهم", "می\u{200c}خواهم"), ["خواهم"]);
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
        fn the_index_never_misses_what_is_joined(
            text in "[a-c1-3 .,'’/@#+$€%&()_\u{200c}-]{0,24}",
            query in "[a-c1-3 .,'/@#+$€%&_\u{200c}-]{0,8}",
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
