//! What a message is found by: the terms in the index, the lookups of a query, and whether a message's current text
//! matches.
//!
//! Words are found by their prefixes. From wherever a word or a part of it begins, the index has everything joined to
//! it as one word: for `INV-2026/0042` these are `inv20260042`, `20260042` and `0042`, so it is found with and without
//! its signs. A query with a sign that is not usually left out, such as `C++`, `#tag` or `R&D`, only matches with that
//! sign. For scripts without spaces the index has pairs of characters, so that any two or more in a row can be found;
//! since pairs may be in different places, the text itself decides.

use super::{
    fold::{Class, Letter, fold, pieces, span},
    units::{Joint, Unit, is_kept, is_start, is_switch, units},
};
use parlor_protocol::ids::{ConversationId, UserId};
use std::{collections::BTreeSet, ops::Range};

/// How many characters of a word the index has; the rest is compared in the text itself.
const WORD_CHARS_MAX: usize = 32;
/// Prefixes up to this length are terms of their own, because too many words begin with them.
const PREFIX_CHARS: usize = 2;
/// Numbers in a query with at least this many digits are found across spaces.
const NUMBER_CHARS_MIN: usize = 6;
/// A hyphenated word also matches two separate words, if at least this many letters come before.
const APART_CHARS_MIN: usize = 3;

/// A term of the index: a letter for its kind, then its content.
pub type Term = Vec<u8>;

/// The term of a word, or of a pair, run or sign.
fn word(text: &str) -> Term {
    term(b'w', text.as_bytes())
}

/// The term of everything with this prefix.
fn prefix(text: &str) -> Term {
    term(b'b', text.as_bytes())
}

/// Returns the term of all messages.
#[must_use]
pub fn anything() -> Term {
    vec![b'a']
}

/// Returns the term of messages with a file.
#[must_use]
pub fn has_file() -> Term {
    vec![b'f']
}

/// Returns the term of messages in a conversation.
#[must_use]
pub fn in_conversation(conversation: ConversationId) -> Term {
    numbered(b'c', conversation.0)
}

/// Returns the term of messages from a sender.
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
        let text = joined(&units[start..]);
        if let Some((sign, _)) = units[start].sign.filter(|(sign, _)| is_kept(*sign)) {
            terms.insert(word(&format!("{sign}{text}")));
        }
        for (end, _) in text.char_indices().skip(1).take(PREFIX_CHARS) {
            terms.insert(prefix(&text[..end]));
        }
        let whole = if text.chars().nth(PREFIX_CHARS).is_some() { word(&text) } else { prefix(&text) };
        terms.insert(whole);
    }
    for piece in pieces(&letters) {
        match piece.class {
            Class::Sign => drop(terms.insert(word(&string(piece.letters)))),
            Class::Run => {
                for letter in piece.letters {
                    terms.insert(prefix(&string(std::slice::from_ref(letter))));
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

/// Returns the word at the start, with everything joined to it.
fn joined(units: &[Unit]) -> String {
    let is_joined = |unit: &&Unit| !matches!(unit.joint, Joint::Space | Joint::End);
    let rest = units[1..].iter().take_while(is_joined).take(WORD_CHARS_MAX - 1);
    units[..1].iter().chain(rest).map(|unit| unit.folded).collect()
}

/// An index lookup. Every message that a query finds matches all of its lookups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// This term.
    Exact(Term),
    /// Any term from the first up to, but excluding, the second.
    Between(Term, Term),
}

/// Something that a text must contain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    class: Class,
    letters: Vec<char>,
    /// For a word, what precedes each of its letters.
    joints: Vec<Joint>,
    /// The sign that must precede it.
    sign: Option<char>,
}

/// A word of a query, or, for a number with spaces, all its parts in any place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct QueryWord {
    whole: Pattern,
    parts: Vec<Pattern>,
}

/// The words of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<QueryWord>);

impl Words {
    /// Parses a query; each word counts once.
    #[must_use]
    pub fn new(query: &str) -> Self {
        let letters = fold(query);
        let mut words = BTreeSet::new();
        for units in units(&letters).chunk_by(|_, unit| !matches!(unit.joint, Joint::Space | Joint::End)) {
            let parts = units.chunk_by(|_, unit| !matches!(unit.joint, Joint::Spaced | Joint::Thousand));
            let mut parts: Vec<_> = parts.map(Pattern::word).collect();
            let is_long = units.len() >= NUMBER_CHARS_MIN || units.iter().any(|unit| unit.joint == Joint::Thousand);
            if parts.len() > 1 && !is_long {
                words.extend(parts.into_iter().map(|whole| QueryWord { whole, parts: Vec::new() }));
            } else {
                if parts.len() == 1 {
                    parts.clear();
                }
                words.insert(QueryWord { whole: Pattern::word(units), parts });
            }
        }
        for piece in pieces(&letters).filter(|piece| piece.class != Class::Word) {
            let letters = piece.letters.iter().map(|letter| letter.folded).collect();
            let whole = Pattern { class: piece.class, letters, joints: Vec::new(), sign: None };
            words.insert(QueryWord { whole, parts: Vec::new() });
        }
        Self(words.into_iter().collect())
    }

    /// Returns whether there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the index lookups, the longest and therefore rarest first.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut lookups = BTreeSet::new();
        for QueryWord { whole, parts } in &self.0 {
            // The whole and the parts only have the first part's letters in common.
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

    /// Returns where the words of the query are in each text, if all of them are found.
    #[must_use]
    pub fn find(&self, searchable_texts: &[&str]) -> Option<Vec<Vec<Range<usize>>>> {
        let patterns: Vec<&Pattern> = self
            .0
            .iter()
            .flat_map(|word_of_query| std::iter::once(&word_of_query.whole).chain(&word_of_query.parts))
            .collect();
        let mut found = vec![false; patterns.len()];
        let hits = searchable_texts.iter().map(|text| find_in(text, &patterns, &mut found)).collect();
        let mut found = found.into_iter();
        let mut is_there = |word_of_query: &QueryWord| {
            let whole = found.next().unwrap_or_default();
            let parts = found.by_ref().take(word_of_query.parts.len()).filter(|found| !found).count() == 0;
            whole || (parts && !word_of_query.parts.is_empty())
        };
        // Each word consumes its own entries of `found`, so all must be visited.
        let missing = self.0.iter().filter(|word_of_query| !is_there(word_of_query)).count();
        (missing == 0).then_some(hits)
    }
}

impl Pattern {
    fn word(units: &[Unit]) -> Self {
        let mut joints: Vec<_> = units.iter().map(|unit| unit.joint).collect();
        joints[0] = Joint::End;
        let letters = units.iter().map(|unit| unit.folded).collect();
        Self { class: Class::Word, letters, joints, sign: units[0].sign.map(|(sign, _)| sign) }
    }

    /// Adds lookups that match every text in which this is found.
    fn look_up(&self, lookups: &mut BTreeSet<Lookup>) {
        match self.class {
            Class::Gap => {}
            Class::Sign => drop(lookups.insert(Lookup::Exact(word(&self.letters.iter().collect::<String>())))),
            Class::Word => self.look_up_word(lookups),
            Class::Run if self.letters.len() == 1 => {
                lookups.insert(Lookup::Exact(prefix(&self.letters[0].to_string())));
            }
            Class::Run => {
                for pair in self.letters.windows(2) {
                    lookups.insert(Lookup::Exact(word(&pair.iter().collect::<String>())));
                }
            }
        }
    }

    /// Looks up a word that may also be written as two by its parts, each from a position where a text certainly has a
    /// start.
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

    /// Returns whether a text may have a space there: `follow-up` finds "follow up".
    fn may_be_apart(&self, at: usize) -> bool {
        let is_number = self.letters[at - 1].is_ascii_digit() && self.letters[at].is_ascii_digit();
        self.joints[at] == Joint::Soft && at >= APART_CHARS_MIN && !is_number
    }

    /// Returns whether the word is at this start in a text.
    fn is_at(&self, units: &[Unit]) -> bool {
        let count = self.letters.len();
        let is_same =
            |(at, unit): (usize, &Unit)| unit.folded == self.letters[at] && (at == 0 || self.allows_joint(at, unit));
        let has_sign = self.sign.is_none_or(|sign| units[0].sign.is_some_and(|(other, _)| other == sign));
        units.len() >= count && has_sign && units[..count].iter().enumerate().all(is_same)
    }

    /// Returns whether what precedes a letter in a text equals the query's joint, or may be left out.
    fn allows_joint(&self, at: usize, unit: &Unit) -> bool {
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
    let text: String = letters.iter().take(WORD_CHARS_MAX).collect();
    if sign.is_none() && letters.len() <= PREFIX_CHARS {
        return Lookup::Exact(prefix(&text));
    }
    let low = word(&sign.into_iter().collect::<String>()).into_iter().chain(text.into_bytes()).collect::<Term>();
    let mut high = low.clone();
    // This byte never occurs in UTF-8.
    high.push(0xff);
    Lookup::Between(low, high)
}

fn find_in(text: &str, patterns: &[&Pattern], found: &mut [bool]) -> Vec<Range<usize>> {
    let letters = fold(text);
    let units = units(&letters);
    let mut hits = Vec::new();
    for start in (0..units.len()).filter(|&at| is_start(&units, at)) {
        for (index, patterns) in patterns.iter().enumerate().filter(|(_, patterns)| patterns.class == Class::Word) {
            if patterns.is_at(&units[start..]) {
                found[index] = true;
                let begin = patterns.sign.and(units[start].sign).map_or(units[start].start, |(_, begin)| begin);
                hits.push(begin..units[start + patterns.letters.len() - 1].end);
            }
        }
    }
    for piece in pieces(&letters).filter(|piece| piece.class != Class::Word) {
        for (index, patterns) in patterns.iter().enumerate().filter(|(_, patterns)| patterns.class == piece.class) {
            let is_same =
                |here: &[Letter]| here.iter().map(|letter| letter.folded).eq(patterns.letters.iter().copied());
            for here in piece.letters.windows(patterns.letters.len()).filter(|here| is_same(here)) {
                found[index] = true;
                hits.push(span(here));
            }
        }
    }
    merged(hits)
}

/// Sorts and merges overlapping matches.
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
mod tests;
