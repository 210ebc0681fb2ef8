//! How many messages a channel's queue holds: Channels' `channel_capacity`, patterns of which the first that matches
//! the full name of a channel counts.

use regex_lite::Regex;
use std::str::FromStr;

/// A pattern and its capacity: `PATTERN=NUMBER`, where the pattern is a glob as of Python's `fnmatch`, or `re:` and a
/// regular expression that matches from the beginning of a name.
#[derive(Clone, Debug)]
pub struct CapacityRule {
    pattern: Regex,
    capacity: u32,
}

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// There is no `=` with a number behind it.
    #[error("expected PATTERN=NUMBER")]
    Number,
    /// The pattern cannot be read.
    #[error("the pattern is not a valid regular expression")]
    Pattern,
}

impl FromStr for CapacityRule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let (pattern, capacity) = text.rsplit_once('=').ok_or(InvalidRule::Number)?;
        let capacity = capacity.trim().parse().map_err(|_| InvalidRule::Number)?;
        let pattern = match pattern.trim().strip_prefix("re:") {
            Some(expression) => format!("^(?:{expression})"),
            None => of_glob(pattern.trim()),
        };
        Ok(Self { pattern: Regex::new(&pattern).map_err(|_| InvalidRule::Pattern)?, capacity })
    }
}

/// Returns the capacity of a channel.
#[must_use]
pub fn capacity_of(channel: &str, rules: &[CapacityRule], default: u32) -> u32 {
    rules.iter().find(|rule| rule.pattern.is_match(channel)).map_or(default, |rule| rule.capacity)
}

/// Translates a glob as `fnmatch.translate` does: `*`, `?` and `[…]`, which `!` negates.
fn of_glob(glob: &str) -> String {
    let mut expression = String::from("(?s)^");
    let mut rest = glob.chars();
    while let Some(sign) = rest.next() {
        match sign {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match class(rest.as_str()) {
                Some((class, after)) => {
                    expression.push_str(&class);
                    rest = after.chars();
                }
                None => expression.push_str("\\["),
            },
            _ => expression.push_str(&regex_lite::escape(&sign.to_string())),
        }
    }
    expression.push('$');
    expression
}

/// Translates what follows a `[`, and returns what follows its `]`. A `]` right behind the `[` belongs to the class.
fn class(rest: &str) -> Option<(String, &str)> {
    let (negation, rest) = rest.strip_prefix('!').map_or(("", rest), |rest| ("^", rest));
    let from = usize::from(rest.starts_with(']'));
    let end = rest[from..].find(']')? + from;
    let (content, after) = (&rest[..end], &rest[end + 1..]);
    let content = content.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace('^', "\\^");
    Some((format!("[{negation}{content}]"), after))
}
