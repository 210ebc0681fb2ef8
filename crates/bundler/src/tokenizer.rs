//! Splits JavaScript into tokens: enough to remove comments and spaces, and to find imports, exports and names.
//!
//! Invariant: the tokens and their gaps make up the source without its comments. If a `/` could start a regular
//! expression or divide, and the token before does not decide it, the source is refused.

use crate::names::Role;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, a keyword, a number, or a private name with its `#`.
    Word,
    /// A quoted string.
    Text,
    /// A part of a template: from a backtick or `}` to the next `${` or backtick.
    Template,
    /// A regular expression with its flags.
    Pattern,
    /// One character of an operator or a bracket.
    Sign,
}

/// The gap between a token and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    Nothing,
    Space,
    Line,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'source> {
    pub(crate) kind: Kind,
    pub(crate) text: &'source str,
    pub(crate) gap: Gap,
    /// From 1.
    pub(crate) line: usize,
    /// The number of open brackets around it. A bracket is outside of itself.
    pub(crate) depth: usize,
    /// `Fixed` until `names` sets it.
    pub(crate) role: Role,
    /// The function or other part of the module that it belongs to, by number; 0 until `names` sets it.
    pub(crate) part: usize,
    /// The brace of the innermost block or class around it, by its place among the tokens; `None` until `names` sets it.
    pub(crate) block: Option<usize>,
}

impl Token<'_> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Sign)
    }
}

/// The line where tokenizing fails, and why.
pub(crate) type Refused = (usize, &'static str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenBracket {
    /// `(`, and whether a statement follows `)`: after `if`, `for`, `while` and `with`.
    Round {
        begins_statement: bool,
    },
    Square,
    Curly,
    /// `${` in a template.
    Hole,
}

/// Keywords after which an expression starts.
const BEFORE_EXPRESSION: [&str; 15] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "do",
    "else",
    "await",
    "yield",
    "instanceof",
    "default",
];

struct Scanner<'source> {
    source: &'source str,
    at: usize,
    line: usize,
    open: Vec<OpenBracket>,
    tokens: Vec<Token<'source>>,
    /// Whether the last closed bracket was the head of `if`, `for`, `while` or `with`.
    closed_head: bool,
}

/// Splits a source into tokens.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token<'_>>, Refused> {
    let mut scanner = Scanner { source, at: 0, line: 1, open: Vec::new(), tokens: Vec::new(), closed_head: false };
    while scanner.next()? {}
    if scanner.open.is_empty() { Ok(scanner.tokens) } else { Err((scanner.line, "a bracket is not closed")) }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

impl<'source> Scanner<'source> {
    fn rest(&self) -> &'source str {
        &self.source[self.at..]
    }

    /// Reads a token; false at the end.
    fn next(&mut self) -> Result<bool, Refused> {
        let gap = self.gap()?;
        let Some(first) = self.rest().chars().next() else { return Ok(false) };
        let depth = self.open.len();
        match first {
            '"' | '\'' => {
                let bytes = self.text(first)?;
                self.push(Kind::Text, bytes, gap, depth);
            }
            '`' => self.template(gap, 1)?,
            '/' if self.begins_pattern()? => {
                let bytes = self.pattern()?;
                self.push(Kind::Pattern, bytes, gap, depth);
            }
            '\\' => return Err((self.line, "a name with `\\` in it cannot be joined; write the character itself")),
            '#' => {
                let bytes = 1 + word_bytes(&self.rest()[1..]);
                self.push(Kind::Word, bytes, gap, depth);
            }
            first if is_word(first) => {
                let bytes = word_bytes(self.rest());
                self.push(Kind::Word, bytes, gap, depth);
            }
            first => self.sign(first, gap)?,
        }
        Ok(true)
    }

    fn push(&mut self, kind: Kind, bytes: usize, gap: Gap, depth: usize) {
        let text = &self.source[self.at..self.at + bytes];
        self.tokens.push(Token { kind, text, gap, line: self.line, depth, role: Role::Fixed, part: 0, block: None });
        self.line += text.matches('\n').count();
        self.at += bytes;
    }

    /// Skips spaces and comments.
    fn gap(&mut self) -> Result<Gap, Refused> {
        let start = self.at;
        loop {
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.at += 4 + comment.find("*/").ok_or((self.line, "a comment is not closed"))?;
            } else {
                match rest.chars().next() {
                    Some(space) if space.is_whitespace() || space == '\u{feff}' => self.at += space.len_utf8(),
                    _ => break,
                }
            }
        }
        let passed = &self.source[start..self.at];
        let lines = passed.matches('\n').count();
        self.line += lines;
        Ok(match (passed, lines) {
            ("", _) => Gap::Nothing,
            (_, 0) => Gap::Space,
            _ => Gap::Line,
        })
    }

    /// The length of a string.
    fn text(&self, quote: char) -> Result<usize, Refused> {
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '\n' => break,
                character if character == quote => return Ok(at + 1),
                _ => {}
            }
        }
        Err((self.line, "a string is not closed"))
    }

    /// Reads a part of a template; the first `skipped` bytes open it.
    fn template(&mut self, gap: Gap, skipped: usize) -> Result<(), Refused> {
        let depth = self.open.len();
        let rest = self.rest();
        let mut characters = rest[skipped..].char_indices();
        while let Some((at, character)) = characters.next() {
            let end = skipped + at + 1;
            if character == '\\' {
                characters.next();
            } else if character == '`' {
                self.push(Kind::Template, end, gap, depth);
                return Ok(());
            } else if character == '$' && rest[end..].starts_with('{') {
                self.push(Kind::Template, end + 1, gap, depth);
                self.open.push(OpenBracket::Hole);
                return Ok(());
            }
        }
        Err((self.line, "a template is not closed"))
    }

    /// Whether the `/` here starts a regular expression.
    fn begins_pattern(&self) -> Result<bool, Refused> {
        let Some(before) = self.tokens.last() else { return Ok(true) };
        Ok(match before.kind {
            Kind::Text | Kind::Pattern => false,
            Kind::Template => before.text.ends_with("${"),
            Kind::Word => BEFORE_EXPRESSION.contains(&before.text) && !self.follows_dot(),
            Kind::Sign => match before.text {
                ")" => self.closed_head,
                "]" => false,
                "}" => {
                    let what = "`/` after `}` may divide or begin a regular expression; put it in brackets";
                    return Err((self.line, what));
                }
                "+" | "-" if self.is_doubled(before.text) => {
                    return Err((self.line, "`/` after `++` or `--`; put it in brackets"));
                }
                _ => true,
            },
        })
    }

    /// Whether the last token is a name after a dot, as in `a.of`.
    fn follows_dot(&self) -> bool {
        self.tokens.len() > 1 && self.tokens[self.tokens.len() - 2].is(".")
    }

    fn is_doubled(&self, sign: &str) -> bool {
        let count = self.tokens.len();
        count > 1 && self.tokens[count - 1].gap == Gap::Nothing && self.tokens[count - 2].is(sign)
    }

    /// The length of a regular expression.
    fn pattern(&self) -> Result<usize, Refused> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        let mut in_class = false;
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => drop(characters.next()),
                '[' => in_class = true,
                ']' => in_class = false,
                '\n' => break,
                '/' if !in_class => return Ok(at + 1 + word_bytes(&rest[at + 1..])),
                _ => {}
            }
        }
        Err((self.line, "a regular expression is not closed"))
    }

    fn sign(&mut self, sign: char, gap: Gap) -> Result<(), Refused> {
        let not_open = (self.line, "a bracket closes that was not opened");
        match sign {
            '(' => {
                let heads = ["if", "for", "while", "with"];
                let is_head = self.tokens.last().is_some_and(|before| heads.iter().any(|head| before.is(head)));
                let awaits = self.tokens.last().is_some_and(|before| before.is("await"))
                    && self.tokens.len() > 1
                    && self.tokens[self.tokens.len() - 2].is("for");
                let begins_statement = (is_head && !self.follows_dot()) || awaits;
                self.open_with(sign, gap, OpenBracket::Round { begins_statement });
            }
            '[' => self.open_with(sign, gap, OpenBracket::Square),
            '{' => self.open_with(sign, gap, OpenBracket::Curly),
            ')' | ']' | '}' => {
                let open = self.open.pop().ok_or(not_open)?;
                match (sign, open) {
                    ('}', OpenBracket::Hole) => return self.template(gap, 1),
                    (')', OpenBracket::Round { begins_statement }) => self.closed_head = begins_statement,
                    (']', OpenBracket::Square) | ('}', OpenBracket::Curly) => {}
                    _ => return Err(not_open),
                }
                self.push(Kind::Sign, 1, gap, self.open.len());
            }
            _ if sign.is_ascii_punctuation() => self.push(Kind::Sign, 1, gap, self.open.len()),
            _ => return Err((self.line, "a character that belongs to no token")),
        }
        Ok(())
    }

    fn open_with(&mut self, sign: char, gap: Gap, open: OpenBracket) {
        self.push(Kind::Sign, sign.len_utf8(), gap, self.open.len());
        self.open.push(open);
    }
}

fn word_bytes(text: &str) -> usize {
    text.find(|character| !is_word(character)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).expect("it can be split").into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_spaces_are_removed_and_strings_are_kept() {
        assert_eq!(texts("a /* b */ . c // d\n;'// \\' e'"), ["a", ".", "c", ";", "'// \\' e'"]);
        assert_eq!(texts("#a in b"), ["#a", "in", "b"]);
    }

    #[test]
    fn a_slash_divides_after_a_value_and_starts_a_pattern_elsewhere() {
        assert_eq!(texts("a / b / c"), ["a", "/", "b", "/", "c"]);
        assert_eq!(texts("a(/[/\\]]\\//gu, b)"), ["a", "(", "/[/\\]]\\//gu", ",", "b", ")"]);
        assert_eq!(texts("return /'/u.test(a)"), ["return", "/'/u", ".", "test", "(", "a", ")"]);
        assert_eq!(
            texts("(a) / 2; if (a) /b/.test(c)"),
            ["(", "a", ")", "/", "2", ";", "if", "(", "a", ")", "/b/", ".", "test", "(", "c", ")"]
        );
        assert_eq!(texts("a.of / b; a[0] / 2"), ["a", ".", "of", "/", "b", ";", "a", "[", "0", "]", "/", "2"]);
    }

    #[test]
    fn templates_and_expressions_nest() {
        assert_eq!(
            texts("`a ${b({c: `d${e}`})} \\` f`+g"),
            ["`a ${", "b", "(", "{", "c", ":", "`d${", "e", "}`", "}", ")", "} \\` f`", "+", "g"]
        );
        assert_eq!(texts("`${/}/u.source}`"), ["`${", "/}/u", ".", "source", "}`"]);
    }

    #[test]
    fn tokens_know_their_line_and_depth() {
        let tokens = tokens("a(\n/* b\n */ [c]`\n`)\nd").expect("it can be split");
        let found: Vec<_> = tokens.iter().map(|token| (token.text, token.line, token.depth)).collect();
        assert_eq!(
            found,
            [("a", 1, 0), ("(", 1, 0), ("[", 3, 1), ("c", 3, 2), ("]", 3, 1), ("`\n`", 3, 1), (")", 4, 0), ("d", 5, 0)]
        );
    }

    #[test]
    fn ambiguous_code_is_refused() {
        for source in
            ["'a\n'", "`a", "/* a", "{}\n/a/.test(b)", "a++ / b", "(]", "(", ")", "\\u0061 = 1", "a = /b\n/", "\u{7f}"]
        {
            assert!(tokens(source).is_err(), "{source:?}");
        }
    }
}
