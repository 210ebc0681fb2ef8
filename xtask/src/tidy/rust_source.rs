//! A Rust file as the rules see it: its items, and a flat list of its tokens, including those inside macros.

use super::source_tree::Finding;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::RangeInclusive;
use syn::{Attribute, Item, Lit, spanned::Spanned, visit::Visit};

pub(super) struct Rust {
    pub(super) items: syn::File,
    /// Comments are omitted, including doc comments.
    pub(super) tokens: Vec<Token>,
}

pub(super) struct Token {
    /// Its text; of a string literal, the value.
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) line: usize,
    /// It is compiled for tests only.
    pub(super) in_test: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Sign,
    Text,
    Other,
}

pub(super) fn read(path: &str, text: &str) -> Result<Rust, Finding> {
    let refuse = |error: &syn::Error| Finding {
        path: path.to_owned(),
        line: error.span().start().line,
        what: format!("not readable as Rust: {error}"),
    };
    let items = syn::parse_file(text).map_err(|error| refuse(&error))?;
    let stream: TokenStream = syn::parse_str(text).map_err(|error| refuse(&error))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let mut tests = TestItems::default();
    tests.visit_file(&items);
    let all = of_tests(path);
    for token in &mut tokens {
        token.in_test = all || tests.lines.iter().any(|lines| lines.contains(&token.line));
    }
    Ok(Rust { items, tokens })
}

/// Whether a file belongs to tests only, by its path.
pub(super) fn of_tests(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("web/test/")
}

/// Every position of this sequence of tokens: the tokens from there to the end of the file.
pub(super) fn find<'a>(rust: &'a Rust, pattern: &'a [&str]) -> impl Iterator<Item = &'a [Token]> {
    let same = |(token, part): (&Token, &&str)| matches!(token.kind, Kind::Word | Kind::Sign) && token.text == *part;
    let starts = 0..(rust.tokens.len() + 1).saturating_sub(pattern.len());
    starts.map(|start| &rust.tokens[start..]).filter(move |tokens| tokens.iter().zip(pattern).all(same))
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        let mut push =
            |text: &str, kind, line| tokens.push(Token { text: text.to_owned(), kind, line, in_test: false });
        match tree {
            TokenTree::Ident(word) => push(&word.to_string(), Kind::Word, line),
            TokenTree::Punct(sign) if sign.as_char() == '#' => {
                trees.next_if(|next| matches!(next, TokenTree::Punct(sign) if sign.as_char() == '!'));
                if trees.next_if(is_comment).is_none() {
                    push("#", Kind::Sign, line);
                }
            }
            TokenTree::Punct(sign) => push(&sign.to_string(), Kind::Sign, line),
            TokenTree::Literal(literal) => match Lit::new(literal) {
                Lit::Str(text) => push(&text.value(), Kind::Text, line),
                other => push(&quoted(&other), Kind::Other, line),
            },
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(open, Kind::Sign, line);
                flatten(group.stream(), tokens);
                let line = group.span_close().start().line;
                tokens.push(Token { text: close.to_owned(), kind: Kind::Sign, line, in_test: false });
            }
        }
    }
}

fn quoted(literal: &Lit) -> String {
    match literal {
        Lit::Int(number) => number.to_string(),
        Lit::Bool(truth) => truth.value.to_string(),
        _ => String::new(),
    }
}

/// `[doc = "…"]`, which is what a doc comment becomes.
fn is_comment(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else { return false };
    let mut inside = group.stream().into_iter();
    let first = matches!(inside.next(), Some(TokenTree::Ident(word)) if word == "doc");
    first && matches!(inside.next(), Some(TokenTree::Punct(sign)) if sign.as_char() == '=')
}

/// The lines of code compiled for tests only.
#[derive(Default)]
struct TestItems {
    lines: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(module) => &module.attrs,
            Item::Fn(function) => &function.attrs,
            Item::Impl(implementation) => &implementation.attrs,
            Item::Struct(structure) => &structure.attrs,
            Item::Use(import) => &import.attrs,
            Item::Macro(invocation) => &invocation.attrs,
            _ => return syn::visit::visit_item(self, item),
        };
        if attributes.iter().any(is_of_tests) {
            let span = item.span();
            self.lines.push(span.start().line..=span.end().line);
        } else {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if function.attrs.iter().any(is_of_tests) {
            let span = function.span();
            self.lines.push(span.start().line..=span.end().line);
        }
    }
}

/// `#[cfg(test)]`, `#[test]`, `#[tokio::test]`
pub(super) fn is_of_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("cfg") {
        return attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test");
    }
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_macros_are_included_and_comments_are_not() {
        let text = "//! One\n/// Two\n#[test]\nfn three() { four!(five, \"six\"); }\nfn seven() {}\n";
        let rust = read("crates/x/src/x.rs", text).unwrap_or_else(|finding| panic!("{finding}"));
        let words: Vec<_> =
            rust.tokens.iter().filter(|token| token.kind == Kind::Word).map(|token| &token.text).collect();
        assert_eq!(words, ["test", "fn", "three", "four", "five", "fn", "seven"]);
        assert!(rust.tokens.iter().any(|token| token.kind == Kind::Text && token.text == "six" && token.line == 4));
        assert!(rust.tokens.iter().all(|token| token.in_test == (token.line < 5)));
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported_with_its_line() {
        assert_eq!(read("x.rs", "fn one() {}\nfn {}\n").err().map(|finding| finding.line), Some(2));
    }
}
