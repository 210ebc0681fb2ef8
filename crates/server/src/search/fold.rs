//! Folds texts for comparison while tracking where each folded character came from.
//!
//! Folding replaces compatibility forms (NFKD), converts to lower case, removes accents and invisible characters,
//! spells out letters that Unicode does not decompose (ß is ss, ø is o), and composes the result (NFC), so that kana
//! keep their marks and Hangul its syllables. Every grapheme is folded separately, and each folded character remembers
//! the whole grapheme, so a grapheme is never split. A ZERO WIDTH NON-JOINER after a letter stays as a gap without
//! width: it joins the parts of a word like a hyphen. `folding.js` in the web client folds the same way, and
//! `fixtures/folding.json` checks both.
//!
//! Absent on purpose: stemming, and anything that depends on a language.

use std::ops::Range;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation as _;

/// ZERO WIDTH NON-JOINER.
pub(super) const JOINT: char = '\u{200c}';

/// The role of a character in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Part of a word in a script with spaces between words.
    Word,
    /// Part of a script without spaces, or of Hangul, whose words are rarely searched by their beginning.
    Run,
    /// A symbol or emoji, which stands for itself.
    Sign,
    /// Anything in between.
    Gap,
}

/// A folded character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The character.
    pub folded: char,
    /// Its class.
    pub class: Class,
    /// Where its grapheme begins in the text, in bytes.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// Consecutive letters of one class; a sign is always alone.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Their class.
    pub class: Class,
    /// The letters, at least one.
    pub letters: &'a [Letter],
}

/// Returns the bytes of the text that these letters came from.
#[must_use]
pub fn span(letters: &[Letter]) -> Range<usize> {
    letters.first().map_or(0..0, |first| first.start..letters.last().map_or(first.end, |last| last.end))
}

/// Returns the folded letters of a text.
#[must_use]
pub fn fold(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    if text.is_ascii() {
        for (start, byte) in text.bytes().enumerate() {
            let folded = char::from(byte.to_ascii_lowercase());
            let class = if byte.is_ascii_alphanumeric() { Class::Word } else { Class::Gap };
            letters.push(Letter { folded, class, start, end: start + 1 });
        }
        return letters;
    }
    let mut plain = String::new();
    for (start, grapheme) in text.grapheme_indices(true) {
        let end = start + grapheme.len();
        plain.clear();
        plain.extend(grapheme.nfkd().flat_map(char::to_lowercase).nfkd().filter(|&character| !is_dropped(character)));
        for composed in plain.nfc() {
            let mut push = |folded| letters.push(Letter { folded, class: class(folded), start, end });
            match spelled_out(composed) {
                Some(letters) => letters.chars().for_each(push),
                None => push(composed),
            }
        }
        if grapheme.contains(JOINT) && letters.last().is_some_and(|letter| letter.class == Class::Word) {
            letters.push(Letter { folded: JOINT, class: Class::Gap, start, end });
        }
    }
    letters
}

/// Returns the pieces of folded letters, without gaps.
pub fn pieces(letters: &[Letter]) -> impl Iterator<Item = Piece<'_>> {
    let same = |one: &Letter, other: &Letter| one.class == other.class && one.class != Class::Sign;
    let pieces = letters.chunk_by(same).map(|letters| Piece { class: letters[0].class, letters });
    pieces.filter(|piece| piece.class != Class::Gap)
}

/// Letters that no normal form decomposes.
fn spelled_out(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ŧ' => "t",
        'ŋ' => "n",
        'ĸ' => "k",
        'ς' => "σ",
        // Persian and Urdu keyboards have separate letters for these.
        'ی' | 'ى' => "ي",
        'ک' => "ك",
        'ھ' | 'ہ' => "ه",
        // Letters typed instead of an apostrophe.
        '\u{2b9}'..='\u{2bc}' | '\u{2be}' | '\u{2bf}' | '\u{2c8}' | '\u{2ca}' | '\u{2cb}' => "'",
        '٠'..='٩' => DIGITS[(u32::from(letter) - 0x660) as usize],
        '۰'..='۹' => DIGITS[(u32::from(letter) - 0x6F0) as usize],
        _ => return None,
    })
}

/// Arabic and Persian digits equal the ASCII ones.
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Accents and vowel points that are often left out, and invisible characters.
fn is_dropped(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    matches!(
        u32::from(character),
        // Latin, Greek and Cyrillic accents, and those of symbols.
        0x300..=0x36F | 0x483..=0x487 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F
        // Hebrew and Arabic points, and the tatweel, which stretches Arabic words.
        | 0x591..=0x5BD | 0x5BF | 0x5C1 | 0x5C2 | 0x5C4 | 0x5C5 | 0x5C7
        | 0x610..=0x61A | 0x640 | 0x64B..=0x65F | 0x670 | 0x6D6..=0x6DC | 0x6DF..=0x6E4 | 0x6E7 | 0x6E8
        | 0x6EA..=0x6ED
        // Soft hyphens, joiners, direction marks, variation selectors, tags, skin tones.
        | 0xAD | 0x61C | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0xFE00..=0xFE0F | 0xFEFF | 0x1F3FB..=0x1F3FF | 0xE0000..=0xE01EF
    )
}

fn class(folded: char) -> Class {
    if folded.is_ascii() {
        return if folded.is_ascii_alphanumeric() { Class::Word } else { Class::Gap };
    }
    let is_letter = folded.is_alphanumeric() || is_combining_mark(folded);
    match (is_letter, is_without_spaces(folded)) {
        (true, true) => Class::Run,
        (true, false) => Class::Word,
        _ if matches!(u32::from(folded), 0x2190..=0x2BFF | 0x1F000..=0x1FAFF) => Class::Sign,
        _ => Class::Gap,
    }
}

/// Letters of scripts that do not separate words by spaces; their digits count as words.
fn is_without_spaces(letter: char) -> bool {
    matches!(
        u32::from(letter),
        // Thai and Lao.
        0xE00..=0xE4F | 0xE80..=0xECF | 0xEDC..=0xEFF
        // Myanmar.
        | 0x1000..=0x103F | 0x1050..=0x108F | 0x109A..=0x109F | 0xA9E0..=0xA9EF | 0xA9FA..=0xA9FF | 0xAA60..=0xAA7F
        // Khmer.
        | 0x1780..=0x17DF
        // Hangul.
        | 0x1100..=0x11FF | 0x3130..=0x318F | 0xA960..=0xA97F | 0xAC00..=0xD7FF
        // Kana, Bopomofo, and Han punctuation.
        | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3031..=0x3035 | 0x3041..=0x312F | 0x31A0..=0x31BF | 0x31F0..=0x31FF
        | 0x1AFF0..=0x1B16F
        // Han and Yi.
        | 0x2E80..=0x2FDF | 0x3400..=0x4DBF | 0x4E00..=0xA4CF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folded pieces of a text, separated by spaces.
    fn folded(text: &str) -> String {
        let letters = fold(text);
        let pieces = pieces(&letters).map(|piece| piece.letters.iter().map(|letter| letter.folded).collect::<String>());
        pieces.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn case_accents_and_forms_make_no_difference() {
        for (text, expected) in [
            ("Black UMBRELLA, tram 18!", "black umbrella tram 18"),
            ("Élodie e\u{301}tait à l’hôtel", "elodie etait a l hotel"),
            ("Straße STRASSE GROẞ", "strasse strasse gross"),
            ("Ørsted Łódź Đorđe Þór Æsir œuvre", "orsted lodz dorde thor aesir oeuvre"),
            ("İstanbul ISPARTA ışık", "istanbul isparta isik"),
            ("ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ σισυφοσ"),
            ("Ёлка йод", "елка иод"),
            ("ＦＵＬＬ ｗｉｄｔｈ ２ ﬁne x² Ⅳ", "full width 2 fine x2 iv"),
            ("مُحَمَّد محـمد أحمد", "محمد محمد احمد"),
            ("שָׁלוֹם", "שלום"),
            ("soft\u{ad}hyphen zero\u{200b}width", "softhyphen zerowidth"),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_and_numbers_are_split_into_their_parts() {
        assert_eq!(folded("ada.l@example.com"), "ada l example com");
        assert_eq!(folded("https://found.example/items/5?a=b_c"), "https found example items 5 a b c");
        assert_eq!(folded("IMG_2041.jpg 3.14 don't A4"), "img 2041 jpg 3 14 don t a4");
    }

    #[test]
    fn marks_that_are_part_of_a_letter_stay() {
        assert_eq!(folded("がは ぱば ｶﾞ か\u{3099}"), "がは ぱば ガ が");
        assert_eq!(folded("हिन्दी में"), "हिन्दी में");
        assert_eq!(folded("ร่ม ที่"), "ร่ม ที่");
        assert_eq!(folded("\u{1112}\u{1161}\u{11ab}글"), "한글");
    }

    #[test]
    fn scripts_and_signs_are_distinguished() {
        let letters = fold("iPhoneを買う☂️👍🏽x");
        let classes: Vec<_> = pieces(&letters).map(|piece| (piece.class, span(piece.letters))).collect();
        let expected = [
            (Class::Word, 0..6),
            (Class::Run, 6..15),
            (Class::Sign, 15..21),
            (Class::Sign, 21..29),
            (Class::Word, 29..30),
        ];
        assert_eq!(classes, expected);
    }

    #[test]
    fn every_letter_knows_its_whole_grapheme() {
        let text = "a e\u{301} ß 👩‍👩‍👧 ที่ ﬁ";
        for letter in fold(text) {
            assert!(text.is_char_boundary(letter.start) && text.is_char_boundary(letter.end));
            assert!(letter.start < letter.end);
        }
        assert_eq!(fold("xß").iter().map(|letter| letter.start..letter.end).collect::<Vec<_>>(), [0..1, 1..3, 1..3]);
    }
}
