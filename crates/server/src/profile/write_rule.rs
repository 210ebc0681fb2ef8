//! Who may write to whom: `"anyone"`, `"callback"`, or a query on the host's database with `$sender`, `$recipient` and
//! `$context`.
//!
//! A message may be sent if the query returns a row. Identifiers are in double quotes, whatever the database; those that
//! begin with `$` are the user table and its columns, which the configuration names. The parameters are never put into
//! the text of the query.

use serde::{Deserialize, Deserializer, de};
use std::str::FromStr;

/// See the module documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteRule {
    /// Every user of the host may write to every other one.
    Anyone,
    /// A URL of the host decides.
    Callback,
    /// The host's database decides.
    Query(RuleQuery),
}

/// A query with named parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleQuery(Vec<RulePiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum RulePiece {
    Text(String),
    Name(RuleName),
    Parameter(RuleParameter),
}

/// An identifier in a [`RuleQuery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleName {
    /// This one, without its quotes.
    Plain(String),
    /// `"$users"`: the user table.
    Users,
    /// `"$users.id"`: the column of the user's id.
    UserId,
    /// `"$users.is_active"`: the column that says whether the user may sign in.
    UserIsActive,
}

/// A parameter of a [`RuleQuery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleParameter {
    /// The id of the signed-in user.
    Sender,
    /// The id of the user to whom they write.
    Recipient,
    /// The id of the context's row, or NULL.
    Context,
}

impl RuleQuery {
    /// Returns the query with the placeholders `$1`, `$2` and so on, and what each of them stands for.
    #[must_use]
    pub fn sql(&self, quoted: impl Fn(&RuleName) -> String) -> (String, Vec<RuleParameter>) {
        let mut parameters = Vec::new();
        let pieces = self.0.iter().map(|piece| match piece {
            RulePiece::Text(text) => text.clone(),
            RulePiece::Name(name) => quoted(name),
            RulePiece::Parameter(parameter) => {
                parameters.push(*parameter);
                format!("${}", parameters.len())
            }
        });
        let sql = pieces.collect();
        (sql, parameters)
    }
}

impl FromStr for WriteRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "anyone" {
            return Ok(Self::Anyone);
        }
        if text == "callback" {
            return Ok(Self::Callback);
        }
        let is_select = text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
        if !is_select || text[6..].starts_with(|sign: char| sign.is_alphanumeric() || sign == '_') {
            return Err("expected \"anyone\", \"callback\", or a query that begins with SELECT".to_owned());
        }
        read(text).map(RuleQuery).map(Self::Query)
    }
}

fn read(text: &str) -> Result<Vec<RulePiece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let (piece, end) = match sign {
            '\'' => {
                let end = quoted_end(rest, '\'').ok_or("a text in the query does not end")?;
                (RulePiece::Text(rest[..end].to_owned()), end)
            }
            '"' => {
                let end = quoted_end(rest, '"').ok_or("a name in the query does not end")?;
                (RulePiece::Name(name(&rest[1..end - 1])?), end)
            }
            '$' => {
                let name = rest[1..].split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').next();
                let name = name.unwrap_or_default();
                (RulePiece::Parameter(parameter(name)?), 1 + name.len())
            }
            ';' | '`' | '?' | '\\' => return Err(format!("`{sign}` cannot be in a query")),
            _ => {
                plain.push(sign);
                rest = &rest[sign.len_utf8()..];
                continue;
            }
        };
        if !plain.is_empty() {
            pieces.push(RulePiece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
        rest = &rest[end..];
    }
    if !plain.is_empty() {
        pieces.push(RulePiece::Text(plain));
    }
    Ok(pieces)
}

/// Returns where a quoted text ends, after its last quote. A quote within is doubled.
fn quoted_end(text: &str, quote: char) -> Option<usize> {
    let mut from = 1;
    loop {
        let end = from + text[from..].find(quote)? + 1;
        if !text[end..].starts_with(quote) {
            return Some(end);
        }
        from = end + 1;
    }
}

fn name(text: &str) -> Result<RuleName, String> {
    match text {
        "" => Err("a name in the query is empty".to_owned()),
        "$users" => Ok(RuleName::Users),
        "$users.id" => Ok(RuleName::UserId),
        "$users.is_active" => Ok(RuleName::UserIsActive),
        _ if text.starts_with('$') => {
            Err(format!("the name {text} does not exist; there are $users, $users.id and $users.is_active"))
        }
        _ => Ok(RuleName::Plain(text.replace("\"\"", "\""))),
    }
}

fn parameter(name: &str) -> Result<RuleParameter, String> {
    match name {
        "sender" => Ok(RuleParameter::Sender),
        "recipient" => Ok(RuleParameter::Recipient),
        "context" => Ok(RuleParameter::Context),
        _ => Err(format!("the parameter ${name} does not exist; there are $sender, $recipient and $context")),
    }
}

impl<'de> Deserialize<'de> for WriteRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_placeholders_and_names_are_quoted_for_the_database() {
        let text = "SELECT 1 FROM \"A\"\"b\" a, \"$users\" WHERE a.id = $recipient AND a.x <> '$sender ''\"' AND $sender <> \
                    $recipient AND a.item = $context";
        let Ok(WriteRule::Query(query)) = text.parse() else { panic!("a query") };
        let (sql, parameters) = query.sql(|name| match name {
            RuleName::Plain(name) => format!("`{name}`"),
            RuleName::Users => "`auth_user`".to_owned(),
            RuleName::UserId | RuleName::UserIsActive => "`id`".to_owned(),
        });
        assert_eq!(
            sql,
            "SELECT 1 FROM `A\"b` a, `auth_user` WHERE a.id = $1 AND a.x <> '$sender ''\"' AND $2 <> $3 AND a.item = $4"
        );
        let recipient = RuleParameter::Recipient;
        assert_eq!(parameters, [recipient, RuleParameter::Sender, recipient, RuleParameter::Context]);
        assert_eq!(" anyone ".parse(), Ok(WriteRule::Anyone));
        assert_eq!("callback".parse(), Ok(WriteRule::Callback));
    }

    #[test]
    fn anything_but_one_query_is_refused() {
        for (text, reason) in [
            ("everyone", "begins with SELECT"),
            ("", "begins with SELECT"),
            ("DELETE FROM a", "begins with SELECT"),
            ("SELECTED", "begins with SELECT"),
            ("SELECT 1; SELECT 2", "cannot be in a query"),
            ("SELECT `a`", "cannot be in a query"),
            ("SELECT ?", "cannot be in a query"),
            ("SELECT $1", "the parameter $1 does not exist"),
            ("SELECT $sende", "the parameter $sende does not exist"),
            ("SELECT 'a", "does not end"),
            ("SELECT \"a", "does not end"),
            ("SELECT \"\"", "is empty"),
            ("SELECT \"$user\"", "the name $user does not exist"),
        ] {
            let error = text.parse::<WriteRule>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
