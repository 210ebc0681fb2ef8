//! What a client may ask for. The HTTP edge makes the same values out of paths and bodies.

use crate::{
    cursor::Cursor,
    error::{Code, Problem},
    ids::{ConversationId, Seq, UserId, Version},
    model::ContextKey,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One command of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Command {
    /// Says whose page this is and asks what changed since the cursor. The first command on a socket; later
    /// as often as wanted. Answer: [`Heads`](crate::reply::Heads).
    #[serde(rename = "session.resume")]
    Resume {
        /// Whose page this is.
        user: UserId,
        /// How far the client's state goes; absent when it holds nothing.
        #[schema(value_type = Option<String>)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cursor>,
    },
    /// The conversations of the asker, the one with the newest activity first.
    #[serde(rename = "conversation.list")]
    ListConversations {
        /// Only those whose `activity` is less.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Version>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// One conversation.
    #[serde(rename = "conversation.get")]
    GetConversation {
        /// Which.
        conversation: ConversationId,
    },
    /// What changed in a conversation since a version.
    #[serde(rename = "conversation.changes")]
    GetChanges {
        /// Which.
        conversation: ConversationId,
        /// The version at which the asker's state of it is true.
        since: Version,
    },
    /// Finds or opens a direct conversation, or opens a group.
    #[serde(rename = "conversation.open")]
    Open(Open),
    /// Replaces the set of conversations that this connection shows, so that it hears large ones live too.
    #[serde(rename = "conversation.show")]
    Show {
        /// All that are on the screen.
        conversations: Vec<ConversationId>,
    },
    /// Moves the asker's own markers forward; never back.
    #[serde(rename = "conversation.mark")]
    Mark {
        /// Where.
        conversation: ConversationId,
        /// Received up to here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<Seq>,
        /// Read up to here; includes `delivered`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<Seq>,
    },
    /// Adds people to a group. Owners only.
    #[serde(rename = "member.add")]
    AddMembers {
        /// Where.
        conversation: ConversationId,
        /// Who.
        users: Vec<UserId>,
    },
    /// Removes a person from a group (owners only), or oneself (leaving).
    #[serde(rename = "member.remove")]
    RemoveMember {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
    },
    /// Sends a message.
    #[serde(rename = "message.send")]
    Send {
        /// Where to.
        conversation: ConversationId,
        /// The sender's own name for it: 1 to 64 visible ASCII characters, the same in every retry.
        /// Ids that begin with the time (UUID version 7) are the fastest to store.
        client_id: String,
        /// What it says.
        text: String,
    },
    /// Gives up a command whose outcome is unknown: it either has happened, or never will.
    #[serde(rename = "message.cancel")]
    Cancel {
        /// The `client_id` that it was sent with.
        client_id: String,
    },
    /// Messages of a conversation, in the order of `seq`. At most one of `before`, `after`, `around`;
    /// none means the newest.
    #[serde(rename = "message.list")]
    ListMessages {
        /// Where.
        conversation: ConversationId,
        /// The newest of those with a lower `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// The oldest of those with a higher `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
        /// Those around this `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<Seq>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// The signed-in person.
    #[serde(rename = "me.get")]
    GetMe {},
    /// Changes the asker's own name.
    #[serde(rename = "me.update")]
    UpdateMe {
        /// The new name.
        name: String,
    },
    /// People whom the asker may write to and whose name has a word that begins so.
    #[serde(rename = "user.list")]
    ListUsers {
        /// Beginnings of words, in any order; empty for everybody.
        #[serde(default)]
        query: String,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

/// Whom to open a conversation with: exactly one of `user`, `role` and `group`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "role": "owner", "context": {"type": "item", "id": "5"}}))]
pub struct Open {
    /// The opener's own name for it, the same in every retry.
    pub client_id: String,
    /// The one other person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The one other person who has this role in the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Several people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// What it is about. Two people have one conversation for each context, and one without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextKey>,
}

/// A new group; the opener is its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub title: String,
    /// The others.
    pub users: Vec<UserId>,
}

/// Every command's name, in the order of [`Command`].
pub const NAMES: [&str; 15] = [
    "session.resume",
    "conversation.list",
    "conversation.get",
    "conversation.changes",
    "conversation.open",
    "conversation.show",
    "conversation.mark",
    "member.add",
    "member.remove",
    "message.send",
    "message.cancel",
    "message.list",
    "me.get",
    "me.update",
    "user.list",
];

/// A command on the socket: `{"id": 1, "type": "message.send", …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFrame {
    /// The client's number for it, from 0 to 2^53 − 1, echoed in the reply's `re`.
    pub id: i64,
    /// What is asked.
    pub command: Command,
}

/// A frame that is no command: what to answer, and to which `id` if one could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The frame's `id`, if it had a valid one.
    pub re: Option<i64>,
    /// Why.
    pub problem: Problem,
}

impl CommandFrame {
    /// Reads a text frame.
    ///
    /// # Errors
    /// What is not JSON, has no valid `id`, names no command, or does not fit that command.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        use serde_json::Value;
        let refuse = |re, code, detail: String| Err(Refused { re, problem: Problem::new(code).with_detail(detail) });
        let mut object = match serde_json::from_str(text) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return refuse(None, Code::InvalidJson, "an object is expected".to_owned()),
            Err(error) => return refuse(None, Code::InvalidJson, error.to_string()),
        };
        let id =
            object.remove("id").as_ref().and_then(Value::as_i64).filter(|id| (0..=crate::ids::ID_MAX).contains(id));
        let Some(id) = id else {
            return refuse(None, Code::InvalidField, "`id`: a whole number from 0 on is expected".to_owned());
        };
        match object.get("type").and_then(Value::as_str) {
            None => {
                return refuse(Some(id), Code::InvalidField, "`type`: the name of a command is expected".to_owned());
            }
            Some(name) if !NAMES.contains(&name) => {
                return refuse(Some(id), Code::UnknownCommand, "this server knows no command of that name".to_owned());
            }
            Some(_) => {}
        }
        match Command::deserialize(Value::Object(object)) {
            Ok(command) => Ok(Self { id, command }),
            Err(error) => refuse(Some(id), Code::InvalidField, error.to_string()),
        }
    }

    /// The text frame of this command.
    #[must_use]
    pub fn to_text(&self) -> String {
        #[derive(Serialize)]
        struct Frame<'a> {
            id: i64,
            #[serde(flatten)]
            command: &'a Command,
        }
        serde_json::to_string(&Frame { id: self.id, command: &self.command }).expect("commands have string keys only")
    }
}
