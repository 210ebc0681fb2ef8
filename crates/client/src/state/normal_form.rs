//! The normal form of a state: what two clients of one user must agree on.
//!
//! In a conversation of more than `conversation_fan_out_max` members only the user's own row of `members` is compared:
//! the others are fetched, not synchronized.

use super::State;
use parlor_protocol::{
    ids::{ConversationId, ReportId, Seq, UserId},
    model::{Conversation, Draft, Me, Message},
    reply::Unread,
    report::{ReportCounts, Warning},
};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A state that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalForm {
    /// The user.
    pub me: Option<Me>,
    /// Each conversation, with members in the order of ids, and its messages.
    pub conversations: BTreeMap<ConversationId, (Conversation, Vec<Message>)>,
    /// The unread totals.
    pub unread: Unread,
    /// The users whom the user has blocked.
    pub blocks: BTreeSet<UserId>,
    /// The drafts that are not empty.
    pub drafts: BTreeMap<ConversationId, Draft>,
    /// How many reports there are, for a moderator.
    pub reports: Option<ReportCounts>,
    /// The warnings that the user has not seen.
    pub warnings: BTreeMap<ReportId, Warning>,
    /// The messages that loaded messages answer; `None` for those that the user may not see.
    pub quotes: BTreeMap<(ConversationId, Seq), Option<Message>>,
}

impl State {
    /// Returns the normal form.
    #[must_use]
    pub fn normal_form(&self) -> NormalForm {
        let conversations = self.conversations.iter().map(|(id, copy)| {
            let mut conversation = copy.conversation.clone();
            conversation.settings = self.settings(*id);
            if conversation.member_count > self.fan_out_max {
                conversation.members.retain(|member| member.user.id == self.user);
            }
            conversation.members.sort_by_key(|member| member.user.id);
            (*id, (conversation, copy.messages.run.values().cloned().collect()))
        });
        let mut quotes = BTreeMap::new();
        for (id, copy) in &self.conversations {
            for seq in copy.messages.run.values().filter_map(|message| message.reply_to) {
                quotes.insert((*id, seq), copy.messages.quote(seq).cloned());
            }
        }
        NormalForm {
            me: self.me.clone(),
            conversations: conversations.collect(),
            unread: self.unread(),
            blocks: self.blocks.clone(),
            drafts: self.drafts().map(|(id, draft)| (id, draft.clone())).collect(),
            reports: self.reports,
            warnings: self.warnings.clone(),
            quotes,
        }
    }
}

/// The fields in which two conversations differ.
fn differing_fields(copy: &Conversation, fresh: &Conversation) -> impl Iterator<Item = String> + use<> {
    let object = |conversation| match serde_json::to_value(conversation) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let (copy, fresh) = (object(copy), object(fresh));
    copy.into_iter().filter_map(move |(name, value)| {
        let there = &fresh[&name];
        (value != *there).then(|| format!("`{name}` is {value} here, but {there} on the server"))
    })
}

impl NormalForm {
    /// Lists the differences to a fresh state with all messages. Messages older than the oldest of this state do not
    /// count.
    #[must_use]
    pub fn differences_from(&self, fresh: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.me != fresh.me {
            found.push(format!("me: {:?} is {:?}", self.me, fresh.me));
        }
        if self.unread != fresh.unread {
            found.push(format!("unread: {:?} is {:?}", self.unread, fresh.unread));
        }
        if self.blocks != fresh.blocks {
            found.push(format!("blocks: {:?} is {:?}", self.blocks, fresh.blocks));
        }
        if self.drafts != fresh.drafts {
            found.push(format!("drafts: {:?} are {:?}", self.drafts, fresh.drafts));
        }
        if self.reports != fresh.reports {
            found.push(format!("reports: {:?} is {:?}", self.reports, fresh.reports));
        }
        if self.warnings != fresh.warnings {
            found.push(format!("warnings: {:?} is {:?}", self.warnings, fresh.warnings));
        }
        for (id, (conversation, messages)) in &self.conversations {
            let Some((fresh_conversation, fresh_messages)) = fresh.conversations.get(id) else {
                found.push(format!("conversation {id} does not exist on the server"));
                continue;
            };
            if conversation != fresh_conversation {
                found.extend(
                    differing_fields(conversation, fresh_conversation).map(|text| format!("conversation {id}: {text}")),
                );
            }
            let oldest = messages.first().map(|message| message.seq);
            let expected: Vec<_> =
                fresh_messages.iter().filter(|message| oldest.is_some_and(|oldest| message.seq >= oldest)).collect();
            if !messages.iter().eq(expected.iter().copied()) {
                let copy = messages.iter().map(|message| (message.seq.0, message.version.0)).collect::<Vec<_>>();
                let there = expected.iter().map(|message| (message.seq.0, message.version.0)).collect::<Vec<_>>();
                found.push(format!("conversation {id}: messages are {copy:?} here, but {there:?} on the server"));
                for (copy, there) in messages.iter().zip(&expected).filter(|(copy, there)| copy != *there) {
                    found.push(format!("conversation {id}: {copy:?} should be {there:?}"));
                }
            }
        }
        for ((id, seq), quote) in &self.quotes {
            let messages = fresh.conversations.get(id).map_or(&[][..], |(_, messages)| messages);
            let there = messages.iter().find(|message| message.seq == *seq);
            if quote.as_ref() != there {
                found.push(format!(
                    "conversation {id}: the answered message is {quote:?} here, but {there:?} on the server"
                ));
            }
        }
        for id in fresh.conversations.keys().filter(|id| !self.conversations.contains_key(id)) {
            found.push(format!("conversation {id} is missing"));
        }
        found
    }
}
