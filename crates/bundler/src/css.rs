//! Joins style sheets, without comments and needless spaces.

use crate::BundleError;

/// Minifies a style sheet.
pub(crate) fn shorten(path: &str, source: &str) -> Result<String, BundleError> {
    let mut text = String::with_capacity(source.len());
    let mut characters = source.char_indices().peekable();
    let mut had_space = false;
    let fault = |at: usize, what: &str| BundleError::new(path, source[..at].matches('\n').count() + 1, what);
    while let Some((at, character)) = characters.next() {
        let rest = &source[at..];
        if let Some(comment) = rest.strip_prefix("/*") {
            let end = at + 4 + comment.find("*/").ok_or_else(|| fault(at, "a comment is not closed"))?;
            while characters.next_if(|(at, _)| *at < end).is_some() {}
            had_space = true;
        } else if character.is_whitespace() {
            had_space = true;
        } else {
            if rest.starts_with("@import") {
                return Err(fault(at, "`@import` would be another request; add the style sheet to index.html"));
            }
            if rest.starts_with("url(") && !rest.starts_with("url(\"data:") && !rest.starts_with("url(\"#") {
                return Err(fault(at, "the joined style sheet has another path: a `url()` may hold `\"data:…\"` only"));
            }
            if had_space && is_needed(text.chars().next_back(), character) {
                text.push(' ');
            }
            had_space = false;
            if character == '}' && text.ends_with(';') {
                text.pop();
            }
            text.push(character);
            if matches!(character, '"' | '\'') {
                copy_text(character, &mut characters, &mut text).ok_or_else(|| fault(at, "a string is not closed"))?;
            }
        }
    }
    text.push('\n');
    Ok(text)
}

/// Whether a space between these two may be significant. A space before a colon may be (`a :hover`), one after it never
/// is; around `+`, `-`, `*`, `/`, `>` and brackets it is kept, for `calc()`, `and (` and the like.
fn is_needed(before: Option<char>, next: char) -> bool {
    let ends = matches!(before, None | Some('{' | '}' | ';' | ',' | ':' | '('));
    !ends && !matches!(next, '{' | '}' | ';' | ',' | ')')
}

fn copy_text(
    quote: char,
    characters: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
    text: &mut String,
) -> Option<()> {
    loop {
        let (_, character) = characters.next()?;
        text.push(character);
        match character {
            '\\' => text.push(characters.next()?.1),
            '\n' => return None,
            character if character == quote => return Some(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insignificant_characters_are_removed() {
        let source = "/* a */\n.b > .c,\n  .d :hover {\n  e: f( g + 1px ) ;\n  h: \"i  /* j */\";\n}\n\
                      @media (k: l) and (m) { .n { o: p } }\n";
        assert_eq!(
            shorten("a.css", source).expect("it can be joined"),
            ".b > .c,.d :hover{e:f(g + 1px);h:\"i  /* j */\"}@media (k:l) and (m){.n{o:p}}\n"
        );
    }

    #[test]
    fn paths_outside_the_sources_are_refused() {
        for source in ["@import 'b.css';", ".a { b: url(c.png); }", "/* a", ".a { b: 'c\n'; }"] {
            assert!(shorten("a.css", source).is_err(), "{source}");
        }
        assert!(shorten("a.css", ".a { b: url(\"data:image/png;base64,AA\"); }").is_ok());
    }
}
