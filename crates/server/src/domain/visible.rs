//! What can be seen of a text, and which characters that cannot be seen have a meaning where they stand.
//!
//! A joiner has one between letters of Arabic and Indic scripts and within an emoji, a variation selector after an
//! emoji or a Han character. Everywhere else what cannot be seen makes one name look like another.
//! `visible-text.js` and `name-rules.js` in `web/src/inbox/view` say the same; `fixtures/visible.json` holds all to it.

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// The flags that are made of tags: England, Scotland, Wales.
const TAGGED_FLAGS: [&str; 3] = [
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// What is to become of a character that cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CharacterUse {
    /// It changes how its neighbours look.
    Kept,
    /// It changes nothing, and users' keyboards put it there.
    Dropped,
    /// It does not belong there.
    Refused,
}

/// Whether nothing of a text can be seen.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || character.is_control() || is_hidden(character))
}

/// A text without the characters that cannot be seen and have no meaning where they stand, control characters among
/// them.
#[must_use]
pub fn strip_invisible(text: &str) -> String {
    let mut refused = Vec::new();
    sifted(text, &mut refused)
}

/// A name as it is kept: the first character that cannot be seen and does not belong there, if there is one.
///
/// # Errors
/// That character.
pub fn named(text: &str) -> Result<String, char> {
    let mut refused = Vec::new();
    let sifted = sifted(text, &mut refused);
    refused.first().map_or(Ok(sifted), |character| Err(*character))
}

fn sifted(text: &str, refused: &mut Vec<char>) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    for (at, &character) in characters.iter().enumerate() {
        if !character.is_control() && !is_hidden(character) {
            kept.push(character);
            continue;
        }
        match use_of(&characters, at) {
            CharacterUse::Kept => kept.push(character),
            CharacterUse::Dropped => {}
            CharacterUse::Refused => refused.push(character),
        }
    }
    kept
}

/// Takes no room, fills room without being seen, or turns or joins others.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let point = u32::from(character);
    matches!(point,
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
        | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x13430..=0x1343F | 0x16FE4 | 0x1BCA0..=0x1BCA3 | 0x1D159 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
        || point & 0xFFFE == 0xFFFE
}

fn use_of(characters: &[char], at: usize) -> CharacterUse {
    let before = at.checked_sub(1).map_or(' ', |at| characters[at]);
    let after = characters.get(at + 1).copied().unwrap_or(' ');
    let kept = |is_kept: bool| if is_kept { CharacterUse::Kept } else { CharacterUse::Refused };
    match u32::from(characters[at]) {
        0x200C | 0x200D if is_virama(before) || is_virama(after) => CharacterUse::Kept,
        0x200C | 0x200D => joiner(characters, at, before, after),
        0xFE0E | 0xFE0F => kept(is_pictograph(before) || ("0123456789#*".contains(before) && after == '\u{20e3}')),
        0xE0100..=0xE01EF => {
            kept(matches!(u32::from(before), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF))
        }
        0x180B..=0x180F => kept(matches!(u32::from(before), 0x1820..=0x18AA)),
        0xE0020..=0xE007F => kept(is_in_flag(characters, at)),
        _ => CharacterUse::Refused,
    }
}

fn joiner(characters: &[char], at: usize, before: char, after: char) -> CharacterUse {
    let base = characters[..at].iter().rev().copied().find(|&character| !is_mark(character)).unwrap_or(' ');
    if characters[at] == ZERO_WIDTH_JOINER && is_pictograph(base) && is_pictograph(after) {
        return CharacterUse::Kept;
    }
    let is_joining = |character| matches!(u32::from(character), 0x700..=0x74F | 0x7C0..=0x7FF | 0x1820..=0x18AA);
    if is_joining(base) && is_joining(after) {
        return CharacterUse::Kept;
    }
    if is_arabic(base) && is_arabic(after) {
        let joins = characters[at] == ZERO_WIDTH_NON_JOINER && !joins_only_before(base);
        return if joins { CharacterUse::Kept } else { CharacterUse::Dropped };
    }
    let is_indic = |character| matches!(u32::from(character), 0x900..=0xDFF | 0xF00..=0x109F | 0x1780..=0x17FF);
    if is_indic(before) && is_indic(after) { CharacterUse::Dropped } else { CharacterUse::Refused }
}

/// Vowel points of Arabic, variation selectors and tones of skin: what may stand between a base and a joiner.
fn is_mark(character: char) -> bool {
    matches!(u32::from(character), 0x610..=0x61A | 0x64B..=0x65F | 0x670 | 0x6D6..=0x6ED | 0xFE0F | 0x1F3FB..=0x1F3FF)
}

fn is_arabic(character: char) -> bool {
    matches!(u32::from(character), 0x620..=0x64A | 0x66E | 0x66F | 0x671..=0x6D3 | 0x6D5 | 0x6EE | 0x6EF | 0x6FA..=0x6FF
        | 0x750..=0x77F | 0x8A0..=0x8C9)
}

/// Letters of Arabic that never join with the next one, so that a non-joiner after them changes nothing.
fn joins_only_before(character: char) -> bool {
    matches!(u32::from(character), 0x621..=0x625 | 0x627 | 0x629 | 0x62F..=0x632 | 0x648 | 0x671..=0x677 | 0x688..=0x699
        | 0x6C0 | 0x6C3..=0x6CB | 0x6CD | 0x6CF | 0x6D2 | 0x6D3 | 0x6D5 | 0x6EE | 0x6EF | 0x759..=0x75B | 0x76B | 0x76C
        | 0x771 | 0x773 | 0x774 | 0x778 | 0x779)
}

/// Signs that kill the vowel of an Indic letter, after and before which a joiner chooses the letter's form.
fn is_virama(character: char) -> bool {
    matches!(
        u32::from(character),
        0x94D
            | 0x9CD
            | 0xA4D
            | 0xACD
            | 0xB4D
            | 0xBCD
            | 0xC4D
            | 0xCCD
            | 0xD3B
            | 0xD3C
            | 0xD4D
            | 0xDCA
            | 0xF84
            | 0x1039
            | 0x103A
            | 0x17D2
            | 0x1A60
            | 0x1B44
            | 0x1BAA
            | 0xA806
            | 0xA8C4
            | 0xA953
            | 0xA9C0
            | 0xAAF6
            | 0x11046
            | 0x1107F
            | 0x110B9
            | 0x11133
            | 0x111C0
    )
}

fn is_pictograph(character: char) -> bool {
    matches!(u32::from(character), 0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2190..=0x2BFF | 0x3030 | 0x303D
        | 0x3297 | 0x3299 | 0x1F000..=0x1FAFF)
}

fn is_in_flag(characters: &[char], at: usize) -> bool {
    let Some(start) = characters[..at].iter().rposition(|&character| character == '🏴') else { return false };
    let end = characters.len().min(start + 7);
    at < end && TAGGED_FLAGS.contains(&characters[start..end].iter().collect::<String>().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::{fs, path::Path};

    #[derive(Deserialize)]
    struct CharacterFixture {
        blank: Vec<String>,
        visible: Vec<String>,
        refused: Vec<String>,
        kept: Vec<String>,
        changed: Vec<(String, String)>,
    }

    fn fixture() -> CharacterFixture {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/visible.json");
        serde_json::from_str(&fs::read_to_string(path).expect("the fixture")).expect("as it is described")
    }

    #[test]
    fn what_cannot_be_seen_is_told_from_what_can() {
        let fixture = fixture();
        for text in fixture.blank {
            assert!(is_blank(&text), "{text:?}");
            assert!(is_blank(&strip_invisible(&text)), "{text:?}");
        }
        for text in fixture.visible {
            assert!(!is_blank(&text), "{text:?}");
        }
    }

    #[test]
    fn hidden_characters_stay_in_names_only_where_they_mean_something() {
        let fixture = fixture();
        for text in fixture.refused {
            assert!(named(&text).is_err(), "{text:?}");
        }
        for text in fixture.kept {
            assert_eq!(named(&text).as_deref(), Ok(text.as_str()));
        }
        for (text, expected) in fixture.changed {
            assert_eq!(named(&text), Ok(expected), "{text:?}");
        }
    }
}
