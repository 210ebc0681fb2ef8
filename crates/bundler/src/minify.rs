//! Writes tokens with as few characters in between as possible.
//!
//! Invariant: a line break is omitted only where no semicolon could be inserted for it.

use crate::{
    names::{LocalNames, Role},
    tokenizer::{Gap, Kind, Token},
};
use std::collections::HashMap;

/// Shortened private names, by their original names. One map serves all modules: a private name is local to its
/// class.
pub(crate) type PrivateNames<'source> = HashMap<&'source str, String>;

/// The short names that apply to a module.
#[derive(Clone, Copy)]
pub(crate) struct Names<'names, 'source> {
    pub(crate) private: &'names PrivateNames<'source>,
    pub(crate) local: &'names LocalNames<'source>,
}

/// Keywords after which a line break ends the statement.
const ENDS_WITH_LINE: [&str; 6] = ["return", "break", "continue", "throw", "yield", "async"];

/// Appends tokens. The caller writes the gap before the first one.
pub(crate) fn print(tokens: &[Token<'_>], names: Names<'_, '_>, into: &mut String) {
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 {
            into.push_str(between(tokens, at));
        }
        let short = match token.role {
            Role::Fixed if token.kind == Kind::Word => names.private.get(token.text),
            Role::Fixed => None,
            Role::Name | Role::Shorthand => names.local.get(token.text),
        };
        if let (Role::Shorthand, Some(_)) = (token.role, short) {
            into.push_str(token.text);
            into.push(':');
        }
        into.push_str(short.map_or(token.text, String::as_str));
    }
}

/// The characters needed before the token at this index.
fn between(tokens: &[Token<'_>], at: usize) -> &'static str {
    let (before, token) = (&tokens[at - 1], &tokens[at]);
    match token.gap {
        Gap::Line if !is_joined(before, token) => "\n",
        Gap::Line | Gap::Space if would_merge(before, token) => " ",
        Gap::Nothing | Gap::Line | Gap::Space => "",
    }
}

/// Whether no statement can end between these two tokens.
fn is_joined(before: &Token<'_>, token: &Token<'_>) -> bool {
    if before.kind == Kind::Word && ENDS_WITH_LINE.contains(&before.text) {
        return false;
    }
    let goes_on = before.kind == Kind::Sign
        && matches!(before.text, "{" | "(" | "[" | "," | ";" | ":" | "=" | "&" | "|" | "?" | ">" | "<");
    let belongs_to_it = token.kind == Kind::Sign
        && matches!(token.text, "}" | ")" | "]" | "," | ";" | "." | "?" | ":" | "=" | "&" | "|" | ">" | "<");
    goes_on || belongs_to_it || before.text.ends_with("${")
}

/// Whether the two tokens would merge without a space.
fn would_merge(before: &Token<'_>, token: &Token<'_>) -> bool {
    let is_word = |token: &Token<'_>| matches!(token.kind, Kind::Word | Kind::Pattern);
    match (before.kind, token.kind) {
        (_, Kind::Word) if is_word(before) => true,
        (Kind::Sign, Kind::Sign) => {
            // Operators of two and three characters, and the dots of `1 .a` and `...`.
            let is_operator =
                |text| matches!(text, "+" | "-" | "/" | "*" | "=" | "<" | ">" | "&" | "|" | "?" | "!" | ".");
            is_operator(before.text) && is_operator(token.text)
        }
        (Kind::Sign, Kind::Pattern) => matches!(before.text, "/" | "<"),
        (Kind::Pattern, Kind::Sign) => token.text == "/",
        (Kind::Word, Kind::Sign) => token.text == "." && before.text.starts_with(|first: char| first.is_ascii_digit()),
        (Kind::Sign, Kind::Word) => before.text == "." && token.text.starts_with(|first: char| first.is_ascii_digit()),
        _ => false,
    }
}

/// Short names for all private names in these tokens, the most frequent first.
pub(crate) fn private_names<'source>(modules: &[&[Token<'source>]]) -> PrivateNames<'source> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let words = modules.iter().flat_map(|tokens| tokens.iter()).filter(|token| token.kind == Kind::Word);
    for token in words.filter(|token| token.text.starts_with('#')) {
        *counts.entry(token.text).or_default() += 1;
    }
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by(|(one, ones), (other, others)| others.cmp(ones).then(one.cmp(other)));
    names.into_iter().enumerate().map(|(number, (name, _))| (name, format!("#{}", short(number)))).collect()
}

/// `a`, `b`, … `Z`, `aa`, …
pub(crate) fn short(number: usize) -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut name = String::new();
    let mut rest = number + 1;
    while rest > 0 {
        rest -= 1;
        name.insert(0, char::from(LETTERS[rest % LETTERS.len()]));
        rest /= LETTERS.len();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::tokens;

    fn printed(source: &str) -> String {
        let tokens = tokens(source).expect("it can be split");
        let mut text = String::new();
        let names = Names { private: &private_names(&[&tokens]), local: &LocalNames::new() };
        print(&tokens, names, &mut text);
        text
    }

    #[test]
    fn significant_spaces_are_kept() {
        for (source, wanted) in [
            ("const a = b  +  +c - -d;", "const a=b+ +c- -d;"),
            ("typeof a in b", "typeof a in b"),
            ("return /a/u in b", "return/a/u in b"),
            ("1 .toFixed()", "1 .toFixed()"),
            ("a ? .5 : b", "a? .5:b"),
            ("a / /b/.source", "a/ /b/.source"),
            ("a => ({ ...b })", "a=>({...b})"),
            ("`a ${ b } c`", "`a ${b} c`"),
            ("'a' + \"b  c\"", "'a'+\"b  c\""),
        ] {
            assert_eq!(printed(source), wanted);
        }
    }

    #[test]
    fn line_breaks_that_may_end_a_statement_are_kept() {
        for (source, wanted) in [
            ("a\nb", "a\nb"),
            ("a = {}\n(b)", "a={}\n(b)"),
            ("a\n++b", "a\n++b"),
            ("a++\nb", "a++\nb"),
            ("return\n[a]", "return\n[a]"),
            ("a(\n  b,\n  c\n)\n  .d;\n\ne", "a(b,c).d;e"),
            ("class A {\n  a\n  b = 1;\n}\nc", "class A{a\nb=1;}\nc"),
            ("a\n  ? b\n  : c", "a?b:c"),
        ] {
            assert_eq!(printed(source), wanted);
        }
    }

    #[test]
    fn private_names_are_short_and_unique() {
        assert_eq!(
            printed("class A { #long = 1; #other; a() { return this.#long + '#long'; } }"),
            "class A{#a=1;#b;a(){return this.#a+'#long';}}"
        );
        let all: std::collections::BTreeSet<_> = (0..3_000).map(short).collect();
        assert_eq!(all.len(), 3_000);
    }
}
