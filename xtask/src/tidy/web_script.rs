//! Splits a script of the web client into words, texts and marks, with what rules need to find their way: the end of a
//! bracket, and the texts of which an expression consists.

/// A part of a script. Comments and regular expressions are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScriptToken {
    pub(super) kind: ScriptTokenKind,
    /// The content of a text without its quotes; for a template its fixed parts.
    pub(super) text: String,
    pub(super) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptTokenKind {
    /// A name, a keyword or a number.
    Word,
    Text,
    /// One character.
    Mark,
}

impl ScriptToken {
    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.kind == ScriptTokenKind::Mark && self.text == mark
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == ScriptTokenKind::Word && self.text == word
    }
}

struct Scanner<'source> {
    rest: std::iter::Peekable<std::str::Chars<'source>>,
    line: usize,
    tokens: Vec<ScriptToken>,
}

/// Returns the tokens of a script. The code within a template follows the template.
pub(super) fn tokens(source: &str) -> Vec<ScriptToken> {
    let mut scanner = Scanner { rest: source.chars().peekable(), line: 1, tokens: Vec::new() };
    scanner.code(None);
    scanner.tokens
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let sign = self.rest.next()?;
        self.line += usize::from(sign == '\n');
        Some(sign)
    }

    fn push(&mut self, kind: ScriptTokenKind, text: String, line: usize) {
        self.tokens.push(ScriptToken { kind, text, line });
    }

    /// Reads code, up to the bracket that closes it if there is one.
    fn code(&mut self, end: Option<char>) {
        let mut depth = 0_usize;
        while let Some(sign) = self.next() {
            let line = self.line;
            match sign {
                '/' if self.rest.peek() == Some(&'/') => while self.next().is_some_and(|sign| sign != '\n') {},
                '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
                '/' if self.begins_value() => self.regular_expression(),
                '\'' | '"' => self.text(sign, line),
                '`' => self.template(line),
                _ if is_word(sign) => {
                    let mut word = String::from(sign);
                    while let Some(more) = self.rest.next_if(|more| is_word(*more)) {
                        word.push(more);
                    }
                    self.push(ScriptTokenKind::Word, word, line);
                }
                _ if sign.is_whitespace() => {}
                _ => {
                    if end == Some(sign) && depth == 0 {
                        return;
                    }
                    depth = match sign {
                        '{' => depth + 1,
                        '}' => depth.saturating_sub(1),
                        _ => depth,
                    };
                    self.push(ScriptTokenKind::Mark, sign.to_string(), line);
                }
            }
        }
    }

    /// Whether a value may begin here, so that a slash is no division.
    fn begins_value(&self) -> bool {
        self.tokens.last().is_none_or(|token| match token.kind {
            ScriptTokenKind::Word => matches!(token.text.as_str(), "return" | "typeof" | "case" | "in" | "of"),
            ScriptTokenKind::Text => false,
            ScriptTokenKind::Mark => !matches!(token.text.as_str(), ")" | "]" | "}"),
        })
    }

    fn block_comment(&mut self) {
        let mut last = ' ';
        self.next();
        while let Some(sign) = self.next() {
            if last == '*' && sign == '/' {
                return;
            }
            last = sign;
        }
    }

    fn regular_expression(&mut self) {
        let mut in_class = false;
        while let Some(sign) = self.next() {
            match sign {
                '\\' => drop(self.next()),
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => break,
                _ => {}
            }
        }
        while self.rest.next_if(char::is_ascii_alphabetic).is_some() {}
        self.push(ScriptTokenKind::Word, "regular expression".to_owned(), self.line);
    }

    fn text(&mut self, quote: char, line: usize) {
        let mut text = String::new();
        while let Some(sign) = self.next().filter(|sign| *sign != quote) {
            match sign {
                '\\' => drop(self.next()),
                _ => text.push(sign),
            }
        }
        self.push(ScriptTokenKind::Text, text, line);
    }

    fn template(&mut self, line: usize) {
        let place = self.tokens.len();
        self.push(ScriptTokenKind::Text, String::new(), line);
        let mut text = String::new();
        while let Some(sign) = self.next().filter(|sign| *sign != '`') {
            match sign {
                '\\' => drop(self.next()),
                '$' if self.rest.peek() == Some(&'{') => {
                    self.next();
                    self.push(ScriptTokenKind::Mark, "(".to_owned(), self.line);
                    self.code(Some('}'));
                    self.push(ScriptTokenKind::Mark, ")".to_owned(), self.line);
                    text.push(' ');
                }
                _ => text.push(sign),
            }
        }
        self.tokens[place].text = text;
    }
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '$' | '#')
}

/// Returns the place after the bracket that closes the one at `open`, or the end.
pub(super) fn after_bracket(tokens: &[ScriptToken], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.kind != ScriptTokenKind::Mark {
            continue;
        }
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Returns the place where the expression at `from` ends: a comma, a semicolon or a closing bracket around it.
pub(super) fn end_of_expression(tokens: &[ScriptToken], from: usize) -> usize {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if token.kind == ScriptTokenKind::Mark {
            match token.text.as_str() {
                "," | ";" | ")" | "]" | "}" => return at,
                "(" | "[" | "{" => {
                    at = after_bracket(tokens, at);
                    continue;
                }
                _ => {}
            }
        }
        at += 1;
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().filter(|token| token.kind == ScriptTokenKind::Text).map(|token| token.text).collect()
    }

    #[test]
    fn texts_are_told_from_comments_and_regular_expressions() {
        let source = "// 'a'\n/* 'b' */ f('c', \"d\\\"e\", /['\"]/u) / 2 / g('h');\nreturn /'i'/u.test('j');";
        assert_eq!(texts(source), ["c", "de", "h", "j"]);
    }

    #[test]
    fn the_code_in_a_template_is_read_too() {
        assert_eq!(texts("`a ${b ? `c ${'d'}` : { e: 'f' }.e} g`"), ["a   g", "c  ", "d", "f"]);
        assert_eq!(tokens("a\n\n`b\n`\nc").iter().map(|token| token.line).collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn brackets_and_expressions_end_where_they_do() {
        let tokens = tokens("f(a, [b, c], d ? e : g(h)), i");
        assert!(tokens[after_bracket(&tokens, 1)].is_mark(","));
        assert!(tokens[end_of_expression(&tokens, 4)].is_mark(","));
    }
}
