//! Shortens the names that a module declares.
//!
//! Every occurrence of a name in a module gets the same short name, whichever scope it is in. Where a name shadows
//! another one, so does its short name; therefore scopes need no analysis. Two names that never occur in the same part of
//! the module, such as locals of two functions, may share a short name. What is needed is the role of each occurrence: a
//! property or a key is no such name and keeps its text, and `{ a }` becomes `{a:b}`.
//!
//! Invariants: a name that some module uses where it does not declare it belongs to the browser, and no module shortens
//! it. What cannot be told from the tokens is refused.

use crate::{
    declarations::Declared,
    tokenizer::{Gap, Kind, Refused, Token},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Short names of a module, by the names in its source.
pub(crate) type LocalNames<'source> = HashMap<&'source str, String>;

/// What is known about a name in a module.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) count: usize,
    /// The parts of the module in which it occurs. Names that the module itself declares also occur in `OUTER`.
    pub(crate) parts: BTreeSet<usize>,
}

/// The part that all names of the module itself occur in.
pub(crate) const OUTER: usize = 0;

/// What a name stands for where it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A keyword, a number, a property, a key, a method; or not a name at all.
    Fixed,
    /// A declaration or a use of a name.
    Name,
    /// Both a key and a name: `a` in `{ a }`.
    Shorthand,
}

/// Words that are never shortened. Some of them are keywords only in places.
const KEYWORDS: [&str; 49] = [
    "arguments",
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "from",
    "function",
    "get",
    "if",
    "import",
    "in",
    "instanceof",
    "let",
    "new",
    "null",
    "of",
    "return",
    "set",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "enum",
    "eval",
];

/// What the innermost open bracket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Round, square, or a hole in a template.
    Expression,
    /// An object or a pattern.
    Object,
    Block,
    /// The body of a class, whether the class is a statement, and whether the value of a field is being read.
    Class {
        is_statement: bool,
        in_value: bool,
    },
}

/// A class whose body has not begun yet.
#[derive(Clone, Copy)]
struct ClassHead {
    depth: usize,
    is_statement: bool,
}

/// Sets the roles, the parts and the blocks of a module's tokens. Refuses what cannot be told apart.
pub(crate) fn set_roles(tokens: &mut [Token<'_>]) -> Result<(), Refused> {
    let mut open: Vec<Bracket> = Vec::new();
    let mut head: Option<ClassHead> = None;
    let mut part = OUTER + 1;
    // The brace of each open bracket, if it opens a block or a class.
    let mut braces: Vec<Option<usize>> = Vec::new();
    for at in 0..tokens.len() {
        let token = tokens[at];
        match (token.kind, token.text) {
            (Kind::Template, text) => {
                if text.starts_with('}') {
                    open.pop();
                }
                if text.ends_with("${") {
                    open.push(Bracket::Expression);
                }
            }
            (Kind::Sign, "(" | "[") => open.push(Bracket::Expression),
            (Kind::Sign, "{") => {
                let class = head.take_if(|head| head.depth == token.depth);
                open.push(match class {
                    Some(ClassHead { is_statement, .. }) => Bracket::Class { is_statement, in_value: false },
                    None if begins_after_a_line(tokens, at) => {
                        return Err((token.line, "a brace begins no line, unless the line before it ends with `;`"));
                    }
                    None => brace(tokens, at, open.last()),
                });
            }
            (Kind::Sign, ")" | "]" | "}") => drop(open.pop()),
            (Kind::Sign, "=" | ";") => {
                if let Some(Bracket::Class { in_value, .. }) = open.last_mut() {
                    *in_value = token.text == "=";
                }
            }
            (Kind::Word, "class") if !is_property(tokens, at) && !is_followed(tokens, at, &[":"]) => {
                if head.is_some() {
                    return Err((token.line, "a class in the head of a class cannot be joined"));
                }
                head = Some(ClassHead { depth: token.depth, is_statement: begins_statement(tokens, at) });
            }
            (Kind::Word | Kind::Text, _) => {
                let inside = open.last().copied();
                if matches!(inside, Some(Bracket::Class { in_value: true, .. })) && begins_member(tokens, at) {
                    return Err((token.line, "the field before this one must end with `;`"));
                }
                if matches!(inside, None | Some(Bracket::Block)) && is_label(tokens, at) {
                    return Err((token.line, "a label cannot be joined"));
                }
                if token.kind == Kind::Word {
                    tokens[at].role = role(tokens, at, inside);
                }
            }
            _ => {}
        }
        tokens[at].part = part;
        braces.truncate(open.len());
        tokens[at].block = braces.iter().rev().find_map(|brace| *brace);
        while braces.len() < open.len() {
            let is_block = matches!(open[braces.len()], Bracket::Block | Bracket::Class { .. });
            braces.push(is_block.then_some(at));
        }
        let is_outside = matches!(open.as_slice(), [] | [Bracket::Class { is_statement: true, .. }]);
        if is_outside && ends_part(tokens, at) {
            part += 1;
        }
    }
    Ok(())
}

/// Whether a statement, or a member of a class, ends here, or a class begins. A function never reaches beyond it.
fn ends_part(tokens: &[Token<'_>], at: usize) -> bool {
    let next = tokens.get(at + 1);
    let begins_line = next.is_none_or(|next| next.gap == Gap::Line && next.kind == Kind::Word);
    tokens[at].is(";") || tokens[at].is("{") || (tokens[at].is("}") && begins_line)
}

/// Whether a statement begins with this word, or its `export`. False where it cannot be told.
pub(crate) fn begins_statement(tokens: &[Token<'_>], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| [";", "}", "export"].iter().any(|end| tokens[before].is(end)))
}

/// Whether a brace is on the line after something that it may or may not belong to.
fn begins_after_a_line(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| tokens[before]) else { return false };
    tokens[at].gap == Gap::Line && (before.kind != Kind::Sign || matches!(before.text, ")" | "]"))
}

/// Whether a member of a class may begin here, on the line after the value of a field.
fn begins_member(tokens: &[Token<'_>], at: usize) -> bool {
    let goes_on = tokens[at].is("in") || tokens[at].is("instanceof") || follows_sign(tokens, at);
    tokens[at].gap == Gap::Line && !goes_on
}

/// Whether this word at the beginning of a statement is a label.
fn is_label(tokens: &[Token<'_>], at: usize) -> bool {
    let begins = at.checked_sub(1).is_none_or(|before| {
        let before = tokens[before];
        let ends = before.kind == Kind::Sign && matches!(before.text, ";" | "{" | "}" | ")");
        ends || (tokens[at].gap == Gap::Line && !follows_sign(tokens, at))
    });
    begins && tokens[at].kind == Kind::Word && tokens[at].text != "default" && is_followed(tokens, at, &[":"])
}

fn role(tokens: &[Token<'_>], at: usize, inside: Option<Bracket>) -> Role {
    let text = tokens[at].text;
    let is_name =
        !text.is_empty() && !text.starts_with(|first: char| first == '#' || first == '$' || first.is_ascii_digit());
    if !is_name || KEYWORDS.contains(&text) || is_property(tokens, at) || is_method(tokens, at) {
        return Role::Fixed;
    }
    match inside {
        Some(Bracket::Class { in_value: false, .. }) => Role::Fixed,
        Some(Bracket::Object) if at > 0 && (tokens[at - 1].is("{") || tokens[at - 1].is(",")) => {
            if is_followed(tokens, at, &[",", "}", "="]) { Role::Shorthand } else { Role::Fixed }
        }
        _ => Role::Name,
    }
}

/// Whether this follows the dot of a property, not the last one of `...`.
pub(crate) fn is_property(tokens: &[Token<'_>], at: usize) -> bool {
    let dot = |back: usize| at.checked_sub(back).is_some_and(|before| tokens[before].is("."));
    dot(1) && !dot(2)
}

/// Whether this is the name of a method: `a(…) {`.
fn is_method(tokens: &[Token<'_>], at: usize) -> bool {
    if !is_followed(tokens, at, &["("]) || !tokens.get(closing(tokens, at + 1) + 1).is_some_and(|next| next.is("{")) {
        return false;
    }
    let before = |back: usize, text| at.checked_sub(back).is_some_and(|before| tokens[before].is(text));
    !(before(1, "function") || before(1, "extends") || (before(1, "*") && before(2, "function")))
}

pub(crate) fn is_followed(tokens: &[Token<'_>], at: usize, signs: &[&str]) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.kind == Kind::Sign && signs.contains(&next.text))
}

/// Whether an operator before this continues the line.
fn follows_sign(tokens: &[Token<'_>], at: usize) -> bool {
    at > 0 && tokens[at - 1].kind == Kind::Sign && !matches!(tokens[at - 1].text, ")" | "]" | "}")
}

/// The bracket that closes the one at `open`, or the end.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let depth = tokens[open].depth;
    let closes =
        |token: &Token<'_>| token.depth == depth && matches!(token.text, ")" | "]" | "}") && token.kind == Kind::Sign;
    (open + 1..tokens.len()).find(|at| closes(&tokens[*at])).unwrap_or(tokens.len())
}

/// What a brace that opens no class opens.
fn brace(tokens: &[Token<'_>], at: usize, around: Option<&Bracket>) -> Bracket {
    let Some(before) = at.checked_sub(1).map(|before| tokens[before]) else { return Bracket::Block };
    let is_arrow = before.is(">") && before.gap == Gap::Nothing && at > 1 && tokens[at - 2].is("=");
    let is_block = match (before.kind, before.text) {
        (Kind::Sign, ")" | ";" | "{" | "}") | (Kind::Word, "else" | "do" | "try" | "finally" | "catch" | "static") => {
            true
        }
        (Kind::Sign, ":") => around != Some(&Bracket::Object) && ends_case(tokens, at - 1),
        _ => is_arrow,
    };
    if is_block { Bracket::Block } else { Bracket::Object }
}

/// Whether this colon ends a `case`, and not the middle of a condition.
fn ends_case(tokens: &[Token<'_>], colon: usize) -> bool {
    let depth = tokens[colon].depth;
    let before = (0..colon).rev().take_while(|at| tokens[*at].depth >= depth).filter(|at| tokens[*at].depth == depth);
    // The colons whose question marks are further in front.
    let mut pending = 0_usize;
    for at in before {
        match tokens[at].text {
            ":" => pending += 1,
            "?" if is_condition(tokens, at) => match pending.checked_sub(1) {
                Some(rest) => pending = rest,
                None => return false,
            },
            "case" | "default" if !is_property(tokens, at) => return true,
            ";" | "}" => return false,
            _ => {}
        }
    }
    false
}

/// Whether this question mark is neither that of `?.` nor one of `??`.
fn is_condition(tokens: &[Token<'_>], at: usize) -> bool {
    let joins = |at: usize, text| tokens.get(at).is_some_and(|token| token.is(text) && token.gap == Gap::Nothing);
    let is_second = tokens[at].gap == Gap::Nothing && at > 0 && tokens[at - 1].is("?");
    !(joins(at + 1, ".") || joins(at + 1, "?") || is_second)
}

/// Adds the names that these tokens use.
pub(crate) fn count<'source>(tokens: &[Token<'source>], uses: &mut BTreeMap<&'source str, Usage>) {
    for token in tokens.iter().filter(|token| token.role != Role::Fixed) {
        let usage = uses.entry(token.text).or_default();
        usage.count += 1;
        usage.parts.insert(token.part);
    }
}

/// Short names for what a module declares, the most frequent first. `kept` are the names of the browser.
pub(crate) fn shorten<'source>(
    uses: &BTreeMap<&'source str, Usage>,
    declared: &Declared<'source>,
    kept: &BTreeSet<&str>,
) -> LocalNames<'source> {
    let own = uses.iter().filter(|(name, _)| declared.contains_key(*name) && !kept.contains(*name));
    let mut names: Vec<_> = own.collect();
    names.sort_by(|(one, ones), (other, others)| others.count.cmp(&ones.count).then(one.cmp(other)));
    let is_free = |short: &String| !kept.contains(short.as_str()) && !KEYWORDS.contains(&short.as_str());
    let mut free = (0..).map(crate::minify::short).filter(is_free);
    // Each short name, with the parts in which it stands for something.
    let mut taken: Vec<(String, BTreeSet<usize>)> = Vec::new();
    let mut short_names = LocalNames::new();
    for (name, usage) in names {
        let mut parts = usage.parts.clone();
        parts.extend(declared[name].then_some(OUTER));
        let known = taken.iter_mut().find(|(_, taken)| taken.is_disjoint(&parts));
        if let Some((short, taken)) = known {
            taken.append(&mut parts);
            short_names.insert(*name, short.clone());
        } else {
            let short = free.next().expect("there are names without end");
            short_names.insert(*name, short.clone());
            taken.push((short, parts));
        }
    }
    short_names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        declarations::declared,
        minify::{Names, PrivateNames, print},
        tokenizer::tokens,
    };

    /// The source with its own names shortened.
    fn shortened(source: &str) -> String {
        let mut tokens = tokens(source).expect("it can be split");
        set_roles(&mut tokens).expect("its fields end");
        let (mut uses, declared) = (BTreeMap::new(), declared(&tokens));
        count(&tokens, &mut uses);
        let kept = declared.foreign(&tokens);
        let (private, local) = (PrivateNames::new(), shorten(&uses, &declared.names, &kept));
        let mut text = String::new();
        print(&tokens, Names { private: &private, local: &local }, &mut text);
        text
    }

    #[test]
    fn names_are_shortened_wherever_they_are_declared() {
        for (source, wanted) in [
            ("const one = 1, [two, { three: four = one }] = x;", "const a=1,[c,{three:b=a}]=x;"),
            ("function one(two, { three }, ...four) { return two; }", "function c(a,{three:d},...b){return a;}"),
            ("const one = async (two = window) => two;", "const b=async(a=window)=>a;"),
            ("for (const one of two => two) { one; }", "for(const a of b=>b){a;}"),
            ("try { x(); } catch (one) { one; }", "try{x();}catch(a){a;}"),
            (
                "const one = 1; function two(three) { three; }\nfunction four(five) { one; five; }",
                "const b=1;function d(a){a;}\nfunction c(a){b;a;}",
            ),
            ("class One {\n  a(two) { two; }\n  b(three) { One; three; }\n}", "class a{a(a){a;}\nb(b){a;b;}}"),
            ("class One extends Two { }", "class a extends Two{}"),
            ("let one; one = `a${one}b${{ one }}`;", "let a;a=`a${a}b${{one:a}}`;"),
        ] {
            assert_eq!(shortened(source), wanted);
        }
    }

    #[test]
    fn properties_keys_methods_and_names_of_the_browser_are_kept() {
        for (source, wanted) in [
            ("const one = { one: 1, two: one.one }; two;", "const a={one:1,two:a.one};two;"),
            ("const one = 1; f({ one, two: one ? one : 2, ...one });", "const a=1;f({one:a,two:a?a:2,...a});"),
            (
                "const one = 1; x = { one() { return one; }, get two() { return one; } };",
                "const a=1;x={one(){return a;},get two(){return a;}};",
            ),
            (
                "const one = 1; class Two { one = one; three; static one = one; one() { one(); } }",
                "const a=1;class b{one=a;three;static one=a;one(){a();}}",
            ),
            ("const one = 1; h({ class: { one } });", "const a=1;h({class:{one:a}});"),
            ("switch (x) { case 1: { const one = 1; one, two; } }", "switch(x){case 1:{const a=1;a,two;}}"),
            ("const one = x?.one; b;", "const a=x?.one;b;"),
            ("const one = 1; a(one);", "const b=1;a(b);"),
        ] {
            assert_eq!(shortened(source), wanted);
        }
    }

    #[test]
    fn a_name_is_kept_where_it_may_be_that_of_the_browser() {
        for (source, wanted) in [
            (
                "const one = (room) => { const top = room; return top; };\nconst two = () => top;",
                "const b=(a)=>{const top=a;return top;};const a=()=>top;",
            ),
            (
                "function one(two) { if (two) { const top = two; top; }\ntop; }",
                "function b(a){if(a){const top=a;top;}\ntop;}",
            ),
            ("const one = class URL { };\nnew URL();", "const a=class URL{};new URL();"),
            ("const one = class Two { };\none;", "const a=class b{};a;"),
            ("class One extends two(top) { }\ntop;", "class a extends two(top){}\ntop;"),
            ("const one = ({ [Symbol.iterator]: two }) => two; Symbol;", "const b=({[Symbol.iterator]:a})=>a;Symbol;"),
            (
                "const one = (two) => class extends two {\n  x() { three(); }\n};\nfunction three(four) { four; }",
                "const c=(a)=>class extends a{x(){b();}};function b(a){a;}",
            ),
            (
                "const one = (two, x) => { return x ? x.default : { two }; };",
                "const c=(b,a)=>{return a?a.default:{two:b};};",
            ),
            ("switch (x) { case 1 ? 2 : 3: { const one = 1; one; } }", "switch(x){case 1?2:3:{const a=1;a;}}"),
        ] {
            assert_eq!(shortened(source), wanted);
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for source in [
            "class A {\n  a = 1\n  b = 2;\n}",
            "class A {\n  a = 1\n  b() {}\n}",
            "class A {\n  a = 1\n  static b = 2;\n}",
            "class A {\n  a = 1\n  'b' = 2;\n}",
            "a;\nb();\nc: { break c; }",
            "a;\nb();\nfor (;;) c: for (;;) break c;",
            "a;\nb(c)\n{ const d = 1; }",
            "a;\nb = c\n{ const d = 1; }",
            "a;\nb;\nclass A extends class { } { }",
        ] {
            let refused = set_roles(&mut tokens(source).expect("it can be split"));
            assert_eq!(refused.map_err(|(line, _)| line), Err(3), "{source}");
        }
    }
}
