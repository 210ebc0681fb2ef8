//! Pagination, the same for every list: `limit` is the maximum number of rows, `after` where the page starts, and
//! `next` in a reply is the `after` of the following page, null at the end.
//!
//! Absent on purpose: pages of messages, whose positions are numbers that clients know, and which go both ways.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    limits::Limits,
    reply::{ReactionBy, Reactions},
};
use std::{fmt, str::FromStr};

/// Returns the number of rows of a page.
///
/// # Errors
/// `invalid_field` with the limit: none, or more than `page_rows_max`.
pub(crate) fn page_size(limits: &Limits, requested: Option<u32>) -> Result<u32, Problem> {
    let most = limits.page_rows_max;
    match requested {
        None => Ok(limits.page_rows.min(most)),
        Some(page_size) if (1..=most).contains(&page_size) => Ok(page_size),
        Some(_) => Err(Problem::new(Code::InvalidField)
            .with_detail(format!("`limit`: expected 1 to {most}"))
            .with_limit(most.into())),
    }
}

/// Parses the position where a page starts, as the client sends it.
///
/// # Errors
/// `invalid_field`: the position is not the `next` of a page of this list.
pub(crate) fn position<T: FromStr>(after: Option<&str>) -> Result<Option<T>, Problem> {
    let unknown =
        |_| Problem::new(Code::InvalidField).with_detail("`after`: expected the `next` of a page of this list");
    after.map(str::parse).transpose().map_err(unknown)
}

/// A user's position in the list of users, which is ordered by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPosition {
    /// The words of the name, which determine the order.
    pub words: String,
    /// The user, to tell equal names apart.
    pub id: UserId,
}

impl fmt::Display for UserPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.id, URL_SAFE_NO_PAD.encode(&self.words))
    }
}

/// The text is not the position of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPosition;

impl FromStr for UserPosition {
    type Err = InvalidPosition;
    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (id, words) = text.split_once('.').ok_or(InvalidPosition)?;
        let words = URL_SAFE_NO_PAD.decode(words).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // PostgreSQL does not accept U+0000 in text.
        let words = words.filter(|words| !words.contains(char::is_control)).ok_or(InvalidPosition)?;
        Ok(Self { words, id: id.parse().map_err(|_| InvalidPosition)? })
    }
}

/// Returns a page of the reactions to a message, counted by users: the rest of a popular emoji is on the next page. The
/// position is a number of users, so reactions added or removed meanwhile may be missed.
pub(crate) fn reactions(all: Vec<ReactionBy>, after: Option<u32>, page_size: u32) -> Reactions {
    let (mut skip, mut left) = (after.unwrap_or(0) as usize, page_size as usize);
    let mut is_cut = false;
    let mut reactions = Vec::new();
    for ReactionBy { emoji, users } in all {
        let before = users.len();
        let users: Vec<_> = users.into_iter().skip(skip).collect();
        skip = skip.saturating_sub(before);
        is_cut |= users.len() > left;
        let users: Vec<_> = users.into_iter().take(left).collect();
        left -= users.len();
        if !users.is_empty() {
            reactions.push(ReactionBy { emoji, users });
        }
    }
    let next = is_cut.then(|| (u64::from(after.unwrap_or(0)) + u64::from(page_size)).to_string());
    Reactions { reactions, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use parlor_protocol::{ids::Version, model::User};

    #[test]
    fn a_page_size_over_the_limit_is_refused_with_the_limit() {
        let limits = Config::default().limits;
        assert_eq!(page_size(&limits, None).ok(), Some(limits.page_rows));
        assert_eq!(page_size(&limits, Some(limits.page_rows_max)).ok(), Some(limits.page_rows_max));
        for requested in [0, limits.page_rows_max + 1, u32::MAX] {
            let refused = page_size(&limits, Some(requested)).expect_err("out of its range");
            assert_eq!((refused.code, refused.limit), (Code::InvalidField, Some(limits.page_rows_max.into())));
        }
    }

    #[test]
    fn a_user_position_round_trips_and_nonsense_is_refused() {
        for words in ["", " ada", " 田中 由紀"] {
            let position = UserPosition { words: words.to_owned(), id: UserId(7) };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        let nul = format!("7.{}", URL_SAFE_NO_PAD.encode("a\0"));
        for text in ["", "7", "7.!", "0.", "x.", "7.gA", nul.as_str()] {
            assert_eq!(text.parse::<UserPosition>(), Err(InvalidPosition), "{text}");
        }
    }

    #[test]
    fn pages_of_reactions_contain_every_user_once() {
        let person = |id| User { id: UserId(id), name: String::new(), picture: None, version: Version(1) };
        let by = |emoji: &str, ids: &[i64]| ReactionBy {
            emoji: emoji.to_owned(),
            users: ids.iter().map(|id| person(*id)).collect(),
        };
        let all = vec![by("👍", &[1, 2, 3]), by("🎉", &[2]), by("☂️", &[1, 3])];
        for size in 1..=7 {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = reactions(all.clone(), after, size);
                let of = |by: &ReactionBy| by.users.iter().map(|user| (by.emoji.clone(), user.id)).collect::<Vec<_>>();
                let shown: Vec<_> = page.reactions.iter().flat_map(of).collect();
                assert!(shown.len() <= size as usize && !shown.is_empty());
                seen.extend(shown);
                let Some(next) = page.next else { break };
                after = position(Some(&next)).expect("its own");
            }
            let everybody: Vec<_> =
                all.iter().flat_map(|by| by.users.iter().map(|user| (by.emoji.clone(), user.id))).collect();
            assert_eq!(seen, everybody, "{size}");
        }
    }
}
