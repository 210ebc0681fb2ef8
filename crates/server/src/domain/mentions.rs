//! Mentions: the places of a text that name members of a group.
//!
//! Only members of a group are mentioned. Other users are left out and the text stays, so that a message that waited for a
//! connection is not refused because somebody has left meanwhile. Mentions of the sender count for nobody.

use super::{
    conversations::field,
    state::{MessageKey, State},
};
use parlor_protocol::{
    error::Problem,
    ids::ConversationId,
    model::{ConversationKind, Mention},
};
use std::collections::{BTreeSet, HashSet};

impl State {
    /// Returns the mentions of a text, in its order, without users who are no members. `before` are those of the message
    /// until now: who left since stays mentioned.
    ///
    /// # Errors
    /// `invalid_field` if a place is not within the text, divides a character, or overlaps another one.
    pub(super) fn checked_mentions(
        &self,
        conversation: ConversationId,
        mentions: &[Mention],
        text: &str,
        before: &[Mention],
    ) -> Result<Vec<Mention>, Problem> {
        if mentions.is_empty() {
            return Ok(Vec::new());
        }
        let mut mentions = mentions.to_vec();
        mentions.sort_by_key(|mention| mention.at);
        check_places(&mentions, text)?;
        let is_group = self.conversations.get(&conversation).is_some_and(|row| row.kind == ConversationKind::Group);
        mentions.retain(|mention| {
            let was_mentioned = before.iter().any(|other| other.user == mention.user);
            is_group && (was_mentioned || self.place(conversation, mention.user).is_ok())
        });
        Ok(mentions)
    }

    /// Notes which users a message will mention, before its details change.
    pub(super) fn put_mentions(&mut self, key: MessageKey, after: &[Mention]) {
        let row = &self.messages[&key];
        let users = |mentions: &[Mention]| -> BTreeSet<_> {
            mentions.iter().map(|mention| mention.user).filter(|user| *user != row.sender).collect()
        };
        let (before, after) = (users(&row.details.mentions), users(after));
        self.changed_mentions.extend(before.difference(&after).map(|user| ((*user, key), false)));
        self.changed_mentions.extend(after.iter().map(|user| ((*user, key), true)));
    }
}

/// Checks places in their order.
fn check_places(mentions: &[Mention], text: &str) -> Result<(), Problem> {
    let mut units = 0_u64;
    let mut borders = HashSet::from([units]);
    borders.extend(text.chars().map(|character| {
        units += character.len_utf16() as u64;
        units
    }));
    let mut end = 0;
    for mention in mentions {
        let at = u64::from(mention.at);
        if at < end {
            return Err(field("`mentions`: places overlap"));
        }
        end = at + u64::from(mention.length);
        if mention.length == 0 || !borders.contains(&at) || !borders.contains(&end) {
            return Err(field("`mentions`: a place is not within the text, or divides a character"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::ids::UserId;

    fn check(text: &str, places: &[(u32, u32)]) -> bool {
        let mentions: Vec<_> = places.iter().map(|&(at, length)| Mention { user: UserId(1), at, length }).collect();
        check_places(&mentions, text).is_ok()
    }

    #[test]
    fn places_lie_within_the_text_between_characters_and_do_not_overlap() {
        assert!(check("@Ada", &[(0, 4)]));
        assert!(check("☂ @Zoë and @آدا", &[(2, 4), (11, 4)]));
        assert!(check("🙂@Ada🙂", &[(2, 4), (6, 2)]), "an emoji is two units, and places may touch");
        for (text, places) in [
            ("@Ada", &[(0, 5)][..]),
            ("@Ada", &[(4, 1)]),
            ("@Ada", &[(0, 0)]),
            ("@Ada", &[(0, 3), (2, 2)]),
            ("@Ada", &[(u32::MAX, u32::MAX)]),
            ("🙂@Ada", &[(1, 5)]),
            ("@🙂", &[(0, 2)]),
            ("", &[(0, 1)]),
        ] {
            assert!(!check(text, places), "{text:?} {places:?}");
        }
    }
}
