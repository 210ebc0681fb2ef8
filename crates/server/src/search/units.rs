//! The letters of words in one sequence, each with what precedes it, so that `e-mail`, `email` and `e mail`, or `1,299`
//! and `1299`, can be compared.
//!
//! Signs that are part of a word are letters of it: `+` and `#` after a letter (`C++`, `C#`), a currency or `%` after a
//! number. Of the signs directly before a word, [`Unit::sign`] keeps those that change its meaning: `#tag`, `@name`,
//! `$5`, `.NET`.

use super::fold::{Class, JOINT, Letter};

/// What is between a letter and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Joint {
    /// Nothing: both belong to one word.
    None,
    /// Something often left out: an apostrophe, a hyphen, a separator between digits.
    Soft,
    /// Something that joins two different words: `@`, `/`, `&`, a full stop.
    Hard,
    /// A space within a long number, such as a telephone or account number.
    Spaced,
    /// A space before the last three digits of a number of thousands.
    Thousand,
    /// A space between two words.
    Space,
    /// Anything else, or the beginning of the text.
    End,
}

/// A letter of a word.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// The folded letter.
    pub folded: char,
    /// What is between it and the unit before.
    pub joint: Joint,
    /// A sign directly before it, and where that begins in the text, in bytes.
    pub sign: Option<(char, usize)>,
    /// Where its grapheme begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The length of the shortest international account number (IBAN).
const ACCOUNT_CHARS_MIN: usize = 15;
/// At most how many characters separate two groups of digits of one number.
const SPACED_MAX: usize = 3;

/// Returns the units of folded letters.
#[must_use]
pub fn units(letters: &[Letter]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::with_capacity(letters.len());
    let mut gap: Vec<Letter> = Vec::new();
    for letter in letters {
        let joint = match (letter.class, units.last()) {
            (Class::Word, None) => Joint::End,
            (Class::Word, Some(before)) => joint(*before, &gap, letter.folded),
            _ if is_affix(&units, &gap, letter.folded) => {
                if gap.is_empty() {
                    Joint::None
                } else {
                    Joint::Soft
                }
            }
            _ => {
                gap.push(*letter);
                continue;
            }
        };
        let sign = gap.last().filter(|gap| is_sign(gap.folded)).map(|gap| (gap.folded, gap.start));
        let hash = units.last().filter(|before| joint == Joint::None && before.folded == '#');
        let sign = sign.or(hash.map(|before| (before.folded, before.start)));
        units.push(Unit { folded: letter.folded, joint, sign, start: letter.start, end: letter.end });
        gap.clear();
    }
    join_numbers(&mut units);
    units
}

/// Returns whether a match may begin at this unit: at the beginning of a word or of a part of it, and between letters
/// and digits.
#[must_use]
pub fn is_start(units: &[Unit], at: usize) -> bool {
    at == 0 || units[at].joint != Joint::None || is_switch(units[at - 1].folded, units[at].folded)
}

/// Returns whether one is a letter and the other a digit.
#[must_use]
pub fn is_switch(before: char, after: char) -> bool {
    let is_sign = |character: char| matches!(character, '+' | '#');
    if is_sign(after) || is_suffix(after) {
        return false;
    }
    is_sign(before) || is_suffix(before) || before.is_ascii_digit() != after.is_ascii_digit()
}

fn joint(before: Unit, gap: &[Letter], after: char) -> Joint {
    let is_number = before.folded.is_ascii_digit() && after.is_ascii_digit();
    let [sign] = gap else {
        let is_spaced = |letter: &Letter| matches!(letter.folded, ' ' | '/' | '-' | '‐' | '–' | '(' | ')');
        return match gap.len() {
            0 => Joint::None,
            2..=SPACED_MAX if is_number && gap.iter().all(is_spaced) => Joint::Spaced,
            _ => Joint::End,
        };
    };
    match sign.folded {
        '\'' | '’' | '‘' | '´' | '`' | '′' | '-' | '‐' | '‒' | '–' | '−' | '־' | JOINT => Joint::Soft,
        '.' | ',' | ':' | '/' | '_' | '·' | '٫' | '٬' if is_number => Joint::Soft,
        ' ' if is_number => Joint::Spaced,
        ' ' => Joint::Space,
        // U.S.A.
        '.' if before.joint != Joint::None && !before.folded.is_ascii_digit() => Joint::Soft,
        '.' | ':' | '/' | '_' | '&' | '@' | '\\' | '=' | '~' => Joint::Hard,
        sign if is_currency(sign) => Joint::Hard,
        _ => Joint::End,
    }
}

/// Returns whether a sign counts as a letter of the word before it.
fn is_affix(units: &[Unit], gap: &[Letter], sign: char) -> bool {
    let before = |back: usize| units.len().checked_sub(back).map_or(' ', |at| units[at].folded);
    match sign {
        '+' => gap.is_empty() && (before(1) == '+' && before(2) != '+' || before(1).is_alphanumeric()),
        '#' => gap.is_empty() && before(1).is_alphanumeric(),
        sign if is_suffix(sign) => before(1).is_ascii_digit() && matches!(gap, [] | [Letter { folded: ' ', .. }]),
        _ => false,
    }
}

/// Signs that change the meaning of the word they precede.
fn is_sign(sign: char) -> bool {
    sign == '.' || is_kept(sign)
}

/// Those of them that the index keeps; `.` is too frequent.
#[must_use]
pub fn is_kept(sign: char) -> bool {
    matches!(sign, '#' | '@') || is_currency(sign)
}

fn is_suffix(sign: char) -> bool {
    sign == '%' || is_currency(sign)
}

fn is_currency(sign: char) -> bool {
    matches!(
        sign,
        '$' | '¢' | '£' | '¤' | '¥' | '\u{58f}' | '\u{60b}' | '\u{9f2}' | '\u{9f3}' | '\u{e3f}' | '\u{20a0}'
            ..='\u{20cf}'
    )
}

/// Classifies spaces within numbers that only the following digits can explain: thousands, and account numbers.
fn join_numbers(units: &mut [Unit]) {
    let starts: Vec<usize> = (0..units.len()).filter(|&at| units[at].joint != Joint::None).collect();
    let end = |group: usize, units: &[Unit]| starts.get(group + 1).copied().unwrap_or(units.len());
    let digits = |from: usize, to: usize, units: &[Unit]| {
        units[from..to].iter().take_while(|unit| unit.folded.is_ascii_digit()).count()
    };
    for group in 1..starts.len() {
        let (before, from, to) = (starts[group - 1], starts[group], end(group, units));
        let is_short = from - before <= 3 && digits(before, from, units) == from - before;
        if units[from].joint == Joint::Spaced && is_short && digits(from, to, units) == 3 {
            units[from].joint = Joint::Thousand;
        }
    }
    let mut group = 0;
    while group < starts.len() {
        let last = account_end(units, &starts, group);
        for &at in &starts[group + 1..=last.max(group)] {
            units[at].joint = Joint::Spaced;
        }
        group = last.max(group) + 1;
    }
}

/// Returns the last group of the account number that begins with this group, or the group itself: two letters and two
/// digits, then groups of four.
fn account_end(units: &[Unit], starts: &[usize], group: usize) -> usize {
    let from = starts[group];
    let end = |group: usize| starts.get(group + 1).copied().unwrap_or(units.len());
    let is_head = end(group) - from == 4
        && matches!(units[from].joint, Joint::End | Joint::Space)
        && units[from..from + 2].iter().all(|unit| unit.folded.is_ascii_lowercase())
        && units[from + 2..from + 4].iter().all(|unit| unit.folded.is_ascii_digit());
    if !is_head {
        return group;
    }
    let is_next = |next: usize| {
        starts.get(next).is_some_and(|&at| {
            let is_spaced = matches!(units[at].joint, Joint::Space | Joint::Spaced | Joint::Thousand);
            let is_ascii = units[at..end(next)].iter().all(|unit| unit.folded.is_ascii_alphanumeric());
            is_spaced && is_ascii && end(next) - at <= 4 && at - starts[next - 1] == 4
        })
    };
    let last = (group + 1..starts.len()).take_while(|&next| is_next(next)).last().unwrap_or(group);
    if end(last) - from >= ACCOUNT_CHARS_MIN { last } else { group }
}
