//! What a text may be.

use super::visible;
use parlor_protocol::error::{Code, Problem};
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization as _;

/// A message's text, as it is kept: CRLF and CR become LF, all else stays.
///
/// # Errors
/// Empty or with nothing that can be seen, longer than `chars_max` Unicode scalar values, or with control characters other
/// than newline and tab.
pub fn message(text: &str, chars_max: u32) -> Result<String, Problem> {
    let text = with_newlines(text);
    checked(&text, chars_max, |character| character == '\n' || character == '\t')?;
    Ok(text.into_owned())
}

/// A text in which CRLF and CR are LF.
#[must_use]
pub fn with_newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

/// What stands above a message's text: one line, without white space around it.
///
/// # Errors
/// As for [`message`], with no control character allowed; the field is named.
pub fn subject(text: &str, chars_max: u32) -> Result<String, Problem> {
    line(text, chars_max).map_err(|problem| {
        let detail = problem.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
        problem.with_detail(format!("`subject`{detail}"))
    })
}

/// One line, without white space around it.
///
/// # Errors
/// As for [`message`], with no control character allowed.
pub fn line(text: &str, chars_max: u32) -> Result<String, Problem> {
    let text = text.trim();
    checked(text, chars_max, |_| false)?;
    Ok(text.to_owned())
}

/// One emoji: a sequence that Unicode recommends for interchange (Unicode Technical Standard 51), in its full form, so
/// that one emoji is one text however a keyboard wrote it.
///
/// # Errors
/// Anything else: letters, digits, several emoji, sequences of one's own, other variation selectors.
pub fn emoji(text: &str) -> Result<&'static str, Problem> {
    emojis::get(text)
        .map(emojis::Emoji::as_str)
        .ok_or_else(|| Problem::new(Code::InvalidField).with_detail("`emoji`: one emoji is expected"))
}

/// A name: one line in the composed form of Unicode (NFC), with one space wherever there is white space inside and none
/// around it. So no two names look alike that differ only in what cannot be seen.
///
/// # Errors
/// As for [`line`], and characters that cannot be seen where they have no meaning: see [`visible`].
pub fn name(text: &str, chars_max: u32) -> Result<String, Problem> {
    let text = spaced(text);
    checked(&text, chars_max, |_| false)?;
    visible::named(&text).map_err(|character| {
        let detail = format!("U+{:04X} cannot be seen, so it has no place in a name", u32::from(character));
        Problem::new(Code::TextControl).with_detail(detail)
    })
}

/// The title of a thing, which another program wrote: as a [`name`], but what cannot be seen is left out.
///
/// # Errors
/// As for [`line`].
pub fn title(text: &str, chars_max: u32) -> Result<String, Problem> {
    line(text, chars_max)?;
    line(&spaced(&visible::strip_invisible(text)), chars_max)
}

/// What another program calls a thing: as a [`line`], in which everything can be seen.
///
/// # Errors
/// As for [`line`], and any character that cannot be seen.
pub fn key(text: &str, chars_max: u32) -> Result<String, Problem> {
    let text = line(text, chars_max)?;
    match text.chars().find(|&character| visible::is_hidden(character)) {
        Some(character) => {
            Err(Problem::new(Code::TextControl).with_detail(format!("U+{:04X} cannot be seen", u32::from(character))))
        }
        None => Ok(text),
    }
}

/// Returns whether a URL of another program can be a link: http, https, or a path on this origin.
#[must_use]
pub fn is_link(url: &str) -> bool {
    // Browsers read a backslash as a slash, and drop control characters.
    let is_plain = !url.contains(|sign: char| sign == '\\' || sign.is_control());
    let is_local = url.starts_with('/') && !url.starts_with("//") && is_plain;
    is_local || url.starts_with("https://") || url.starts_with("http://")
}

/// Composed, with one space wherever there is white space.
#[must_use]
pub fn spaced(text: &str) -> String {
    let is_space = |character: char| character.is_whitespace() && !character.is_control();
    let words = text.trim().split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").nfc().collect()
}

fn checked(text: &str, chars_max: u32, allowed: impl Fn(char) -> bool) -> Result<(), Problem> {
    if visible::is_blank(text) && text.chars().all(|character| !character.is_control() || character.is_whitespace()) {
        let problem = Problem::from(Code::TextEmpty);
        let is_empty = text.trim().is_empty();
        return Err(if is_empty { problem } else { problem.with_detail("nothing of it can be seen") });
    }
    if text.chars().nth(chars_max as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong).with_limit(chars_max.into()));
    }
    match text.chars().find(|&character| character.is_control() && !allowed(character)) {
        Some(character) => {
            Err(Problem::new(Code::TextControl)
                .with_detail(format!("U+{:04X} is a control character", character as u32)))
        }
        None => Ok(()),
    }
}

/// A `client_id`: 1 to `chars_max` visible ASCII characters.
///
/// # Errors
/// Anything else.
pub fn client_id(text: &str, chars_max: u32) -> Result<(), Problem> {
    if !text.is_empty() && text.len() <= chars_max as usize && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Problem::new(Code::InvalidField)
        .with_detail(format!("`client_id`: 1 to {chars_max} visible ASCII characters are expected"))
        .with_limit(chars_max.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<String, Problem>) -> Option<Code> {
        result.err().map(|problem| problem.code)
    }

    #[test]
    fn line_ends_become_newlines_and_all_else_stays() {
        assert_eq!(
            message("a\r\nb\rc\n\td \u{202e}e\u{301} 🌂", 99).expect("fine"),
            "a\nb\nc\n\td \u{202e}e\u{301} 🌂"
        );
        assert_eq!(message("  two spaces  ", 99).expect("fine"), "  two spaces  ");
    }

    #[test]
    fn a_text_is_counted_in_scalar_values_up_to_its_limit() {
        assert!(message("🌂🌂🌂", 3).is_ok());
        let refused = message("🌂🌂🌂🌂", 3).expect_err("one too many");
        assert_eq!((refused.code, refused.limit), (Code::TextTooLong, Some(3)));
    }

    #[test]
    fn empty_texts_and_control_characters_are_refused() {
        for text in ["", " ", "\n\t", "\u{3000}"] {
            assert_eq!(code(message(text, 9)), Some(Code::TextEmpty), "{text:?}");
        }
        for text in ["a\0", "\u{1b}[31m", "a\u{7f}", "a\u{85}", "a\u{8}"] {
            assert_eq!(code(message(text, 9)), Some(Code::TextControl), "{text:?}");
        }
        assert_eq!(code(name("a\nb", 9)), Some(Code::TextControl));
        assert_eq!(name("  Ada ", 3).expect("trimmed"), "Ada");
    }

    #[test]
    fn a_subject_is_one_line_and_is_named_where_it_is_wrong() {
        assert_eq!(subject(" The umbrella ", 12).expect("trimmed"), "The umbrella");
        for (text, expected) in
            [("", Code::TextEmpty), ("two\nlines", Code::TextControl), ("thirteen char", Code::TextTooLong)]
        {
            let problem = subject(text, 12).expect_err("refused");
            assert_eq!(problem.code, expected, "{text:?}");
            assert!(problem.detail.is_some_and(|detail| detail.starts_with("`subject`")));
        }
    }

    #[test]
    fn one_emoji_is_one_sequence_in_its_full_form() {
        // Plain, with a skin tone, families, flags of both kinds, a keycap, a role, hair, a direction.
        for text in ["👍", "👍🏽", "👩‍👩‍👧", "👨‍👩‍👧‍👦", "👩🏽‍❤️‍💋‍👨🏿", "🇩🇪", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏳️‍🌈", "5️⃣", "#️⃣", "👩🏾‍🚀", "🧑‍🦰", "🏃‍♀️‍➡️", "☂️", "❤️", "😮‍💨"]
        {
            assert_eq!(emoji(text).ok(), Some(text), "{text}");
        }
        assert_eq!(emoji("❤").ok(), Some("❤\u{fe0f}"), "what a keyboard left out is put back");
        assert_eq!(emoji("🏳\u{200d}🌈").ok(), Some("🏳️‍🌈"));
    }

    #[test]
    fn what_is_not_one_emoji_is_refused() {
        let chain = "👩\u{200d}".repeat(200);
        let long = format!("{chain}👩");
        for text in [
            "",
            " ",
            "a",
            "ok",
            "5",
            "#",
            "©a",
            "👍👍",
            "👍 ",
            " 👍",
            "👍\u{fe0e}",
            "👍\u{fe0f}\u{fe0f}",
            "👍\u{200d}",
            "\u{200d}",
            "\u{fe0f}",
            "\u{20e3}",
            "🏽👍",
            "👍🏽🏽",
            "🇩",
            "🇽🇽",
            "🇩🇪🇫🇷",
            "👍\u{200d}🚀",
            "👍\u{202e}",
            "👍\0",
            "<img src=x>",
            ":+1:",
            "🏴󠁧󠁢",
            long.as_str(),
        ] {
            assert!(emoji(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_client_id_is_short_visible_ascii() {
        assert!(client_id("0192f0c1-7e2b", 64).is_ok());
        for text in ["", " ", "a b", "é", "a\n"] {
            assert!(client_id(text, 64).is_err(), "{text:?}");
        }
        assert!(client_id("aaaa", 3).is_err());
    }

    #[test]
    fn what_cannot_be_seen_is_empty() {
        for text in ["\u{200b}", "\u{2800}\u{3164}", "\u{115f}", "\u{ad}", "\u{fe0f}", "\u{e0041}", " \u{200d} \n\t"] {
            assert_eq!(code(message(text, 9)), Some(Code::TextEmpty), "{text:?}");
            for one in [name, line, title, key] {
                assert!(one(text, 9).is_err(), "{text:?}");
            }
        }
        assert!(message("a\u{200b}", 9).is_ok(), "a text keeps what was pasted into it");
    }

    #[test]
    fn names_differ_in_what_can_be_seen() {
        for text in ["Ada\u{200b}", "A\u{ad}da", "\u{202e}adA", "Ada\u{2066}", "\u{3164}Ada", "Ada\u{e0061}"] {
            let problem = name(text, 99).expect_err("hidden");
            assert_eq!(problem.code, Code::TextControl, "{text:?}");
            assert!(problem.detail.is_some_and(|detail| detail.contains("U+")));
            assert!(title(text, 99).is_ok_and(|title| name(&title, 99).as_ref() == Ok(&title)), "{text:?}");
            assert!(key(text, 99).is_err());
        }
        assert_eq!(title("Um\u{ad}brel\u{200b}la", 99).as_deref().ok(), Some("Umbrella"));
        assert_eq!(name("Je\u{301}re\u{301}mie", 99).as_deref().ok(), Some("Jérémie"));
        assert_eq!(name("Ada \u{a0}\u{3000} Winter", 99).as_deref().ok(), Some("Ada Winter"));
        assert_eq!(key("a  b", 99).as_deref().ok(), Some("a  b"), "what a program calls a thing stays as it is");
    }
}
