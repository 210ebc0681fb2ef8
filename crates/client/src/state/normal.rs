//! The normal form of a state: what two clients of one person must agree on, whatever way they came to it.
//!
//! In a conversation of more than `conversation_fan_out_max` people only one's own row of `members` is compared:
//! others' are asked for, not synchronised.

use super::State;
use parlor_protocol::{
    ids::{ConversationId, Seq},
    model::{Conversation, Me, Message},
    reply::Unread,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A state in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normal {
    /// The person.
    pub me: Option<Me>,
    /// What is held of each conversation: itself, with members in the order of ids, and messages.
    pub conversations: BTreeMap<ConversationId, (Conversation, Vec<Message>)>,
    /// What is unread in all conversations.
    pub unread: Unread,
    /// What messages that are held answer: nothing where the person may not see it.
    pub quotes: BTreeMap<(ConversationId, Seq), Option<Message>>,
}

impl State {
    /// The normal form.
    #[must_use]
    pub fn normal(&self) -> Normal {
        let conversations = self.conversations.iter().map(|(id, held)| {
            let mut conversation = held.conversation.clone();
            if conversation.member_count > self.fan_out_max {
                conversation.members.retain(|member| member.user.id == self.user);
            }
            conversation.members.sort_by_key(|member| member.user.id);
            (*id, (conversation, held.messages.run.values().cloned().collect()))
        });
        let mut quotes = BTreeMap::new();
        for (id, held) in &self.conversations {
            for seq in held.messages.run.values().filter_map(|message| message.reply_to) {
                quotes.insert((*id, seq), held.messages.quote(seq).cloned());
            }
        }
        Normal { me: self.me.clone(), conversations: conversations.collect(), unread: self.unread(), quotes }
    }
}

/// The fields in which two conversations differ.
fn fields(held: &Conversation, fresh: &Conversation) -> impl Iterator<Item = String> + use<> {
    let object = |conversation| match serde_json::to_value(conversation) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let (held, fresh) = (object(held), object(fresh));
    held.into_iter().filter_map(move |(name, value)| {
        let there = &fresh[&name];
        (value != *there).then(|| format!("`{name}` is held as {value}, and is {there}"))
    })
}

impl Normal {
    /// In what this state differs from a fresh one that holds all messages; empty when it does not. Messages older
    /// than the oldest that this state holds are not asked for.
    #[must_use]
    pub fn differences_from(&self, fresh: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.me != fresh.me {
            found.push(format!("me: {:?} is {:?}", self.me, fresh.me));
        }
        if self.unread != fresh.unread {
            found.push(format!("unread: {:?} is {:?}", self.unread, fresh.unread));
        }
        for (id, (conversation, messages)) in &self.conversations {
            let Some((fresh_conversation, fresh_messages)) = fresh.conversations.get(id) else {
                found.push(format!("conversation {id} is not there"));
                continue;
            };
            if conversation != fresh_conversation {
                found.extend(fields(conversation, fresh_conversation).map(|text| format!("conversation {id}: {text}")));
            }
            let oldest = messages.first().map(|message| message.seq);
            let expected: Vec<_> =
                fresh_messages.iter().filter(|message| oldest.is_some_and(|oldest| message.seq >= oldest)).collect();
            if !messages.iter().eq(expected.iter().copied()) {
                let held = messages.iter().map(|message| (message.seq.0, message.version.0)).collect::<Vec<_>>();
                let there = expected.iter().map(|message| (message.seq.0, message.version.0)).collect::<Vec<_>>();
                found.push(format!("conversation {id}: held are {held:?}, there are {there:?}"));
                for (held, there) in messages.iter().zip(&expected).filter(|(held, there)| held != *there) {
                    found.push(format!("conversation {id}: {held:?} is {there:?}"));
                }
            }
        }
        for ((id, seq), quote) in &self.quotes {
            let messages = fresh.conversations.get(id).map_or(&[][..], |(_, messages)| messages);
            let there = messages.iter().find(|message| message.seq == *seq);
            if quote.as_ref() != there {
                found.push(format!("conversation {id}: what is answered is held as {quote:?}, and is {there:?}"));
            }
        }
        for id in fresh.conversations.keys().filter(|id| !self.conversations.contains_key(id)) {
            found.push(format!("conversation {id} is missing"));
        }
        found
    }
}
