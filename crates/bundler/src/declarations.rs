//! Finds the names that a module declares, and those that it uses without declaring them there.

use crate::{
    names::{Role, begins_statement, closing, is_followed, is_property},
    tokenizer::{Gap, Kind, Token},
};
use std::collections::{BTreeMap, BTreeSet};

/// Keywords before a bracket that holds no parameters, although a block follows it.
const HEADS: [&str; 6] = ["if", "for", "while", "switch", "with", "await"];

/// The names that a module declares, and whether it does so outside of all functions.
pub(crate) type Declared<'source> = BTreeMap<&'source str, bool>;

/// Where a module declares its names, by the places of the tokens.
#[derive(Debug, Default)]
pub(crate) struct Declarations<'source> {
    pub(crate) names: Declared<'source>,
    places: BTreeMap<&'source str, Vec<usize>>,
}

impl<'source> Declarations<'source> {
    fn add(&mut self, tokens: &[Token<'source>], at: usize, is_outer: bool) {
        *self.names.entry(tokens[at].text).or_default() |= is_outer;
        self.places.entry(tokens[at].text).or_default().push(at);
    }

    /// The names that are used where no declaration of the module reaches. Imported names are among them.
    pub(crate) fn foreign(&self, tokens: &[Token<'source>]) -> BTreeSet<&'source str> {
        let mut names = BTreeSet::new();
        let mut in_import = false;
        for (at, token) in tokens.iter().enumerate() {
            let imports = token.depth == 0 && token.is("import") && !is_followed(tokens, at, &["(", "."]);
            in_import = (in_import && !token.is(";")) || (imports && !is_property(tokens, at));
            if in_import || token.role == Role::Fixed || self.names.get(token.text) == Some(&true) {
                continue;
            }
            let reaches = |place: &usize| {
                let block = tokens[*place].block;
                let mut around = std::iter::successors(token.block, |brace| tokens[*brace].block);
                tokens[*place].part == token.part && (block.is_none() || around.any(|brace| Some(brace) == block))
            };
            if !self.places.get(token.text).is_some_and(|places| places.iter().any(reaches)) {
                names.insert(token.text);
            }
        }
        names
    }
}

/// The names that a module declares. Leaves out what it cannot recognise as a declaration.
pub(crate) fn declared<'source>(tokens: &[Token<'source>]) -> Declarations<'source> {
    let mut names = Declarations::default();
    for (at, token) in tokens.iter().enumerate() {
        if token.role == Role::Name {
            let before = |back: usize, text| at.checked_sub(back).is_some_and(|before| tokens[before].is(text));
            let stars = usize::from(before(1, "*"));
            if before(1, "class") || before(1 + stars, "function") {
                let word = at - 1 - stars;
                let word = word - usize::from(word > 0 && tokens[word - 1].is("async"));
                names.add(tokens, at, token.depth == 0 && begins_statement(tokens, word));
            }
        } else if (token.is("const") || token.is("let")) && !is_property(tokens, at) {
            declarators(tokens, at + 1, token.depth == 0, &mut names);
        } else if token.is("=") && is_followed(tokens, at, &[">"]) && tokens[at + 1].gap == Gap::Nothing && at > 0 {
            if tokens[at - 1].is(")") {
                let depth = token.depth;
                let open = (0..at).rev().find(|open| tokens[*open].depth == depth && tokens[*open].is("("));
                bind(tokens, (open.map_or(at, |open| open + 1), at - 1), false, &mut names);
            } else {
                bind(tokens, (at - 1, at), false, &mut names);
            }
        } else if token.is("(") && !(at > 0 && HEADS.contains(&tokens[at - 1].text)) && !is_in_head(tokens, at) {
            let end = closing(tokens, at);
            if tokens.get(end + 1).is_some_and(|next| next.is("{")) {
                bind(tokens, (at + 1, end), false, &mut names);
            }
        }
    }
    names
}

/// Whether this bracket belongs to what a class extends.
fn is_in_head(tokens: &[Token<'_>], at: usize) -> bool {
    let depth = tokens[at].depth;
    let before = (0..at).rev().take_while(|before| tokens[*before].depth >= depth);
    let mut same = before.filter(|before| tokens[*before].depth == depth).take_while(|before| {
        tokens[*before].kind == Kind::Word || [".", "(", ")", "[", "]"].iter().any(|sign| tokens[*before].is(sign))
    });
    same.any(|before| tokens[before].is("extends") && !is_property(tokens, before))
}

/// Adds the names of `a = 1, { b } = c`, which begins at `at`.
fn declarators<'source>(tokens: &[Token<'source>], mut at: usize, is_outer: bool, names: &mut Declarations<'source>) {
    let Some(depth) = tokens.get(at).map(|token| token.depth) else { return };
    loop {
        let is_pattern = tokens.get(at).is_some_and(|token| token.is("{") || token.is("["));
        let end = if is_pattern { closing(tokens, at) + 1 } else { at + 1 };
        bind(tokens, (at, end.min(tokens.len())), is_outer, names);
        let ends =
            |token: &Token<'_>| token.depth < depth || (token.depth == depth && (token.is(";") || token.is(",")));
        let Some(next) = (end..tokens.len()).find(|next| ends(&tokens[*next])) else { return };
        if tokens[next].depth < depth || !tokens[next].is(",") {
            return;
        }
        at = next + 1;
    }
}

/// Adds the names that a pattern or a list of parameters binds.
fn bind<'source>(
    tokens: &[Token<'source>],
    (from, to): (usize, usize),
    is_outer: bool,
    names: &mut Declarations<'source>,
) {
    let mut at = from;
    while at < to {
        let token = &tokens[at];
        let is_in_object = from > 0 && tokens[from - 1].is("{");
        if token.is("=") {
            // The default value binds nothing.
            at = (at..to).find(|next| tokens[*next].depth == token.depth && tokens[*next].is(",")).unwrap_or(to);
        } else if token.is("[") && is_in_object && !tokens[at - 1].is(":") {
            // Nor does a computed key.
            at = closing(tokens, at).min(to);
        } else if token.is("{") || token.is("[") {
            let end = closing(tokens, at).min(to);
            bind(tokens, (at + 1, end), is_outer, names);
            at = end;
        } else if token.role != Role::Fixed {
            names.add(tokens, at, is_outer);
        }
        at += 1;
    }
}
