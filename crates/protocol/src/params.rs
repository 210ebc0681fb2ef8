//! The parameters of commands that are objects of their own.

use crate::{
    ids::{ConversationId, Seq, UserId, Version},
    model::{ContextKey, Mention},
    patch,
    report::ReportReason,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What new members see of the messages sent before they joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Nothing.
    FromJoining,
    /// Everything.
    FromStart,
}

/// A reference to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"conversation": 12, "seq": 3}))]
pub struct MessagePlace {
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
}

/// A report of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"conversation": 12, "seq": 4, "reason": "fraud", "note": "They want money first."}))]
pub struct NewReport {
    /// The conversation.
    pub conversation: ConversationId,
    /// The message: another user's, which the user can see.
    pub seq: Seq,
    /// Why.
    pub reason: ReportReason,
    /// In the user's own words, up to `report_note_chars_max`; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A change of the user's own name or settings. Absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada King"}))]
pub struct MeUpdate {
    /// The new name.
    #[schema(value_type = String)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub name: Option<String>,
    /// See [`Me::receipts`](crate::model::Me::receipts).
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub receipts: Option<bool>,
    /// See [`Me::presence`](crate::model::Me::presence).
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub presence: Option<bool>,
}

/// A change of the user's own [`ConversationSettings`](crate::model::ConversationSettings). Absent fields stay as they
/// are; one is required.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"muted": true, "muted_until": "2026-11-22T17:00:00.000Z"}))]
pub struct SettingsUpdate {
    /// Whether it is pinned.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub pinned: Option<bool>,
    /// Archives it up to this message, which is the newest one that the user knows; null to take it out of the archive.
    #[schema(value_type = Option<i64>)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::clearable")]
    pub archived_seq: Option<Option<Seq>>,
    /// Whether it is muted; without `muted_until`, for good.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub muted: Option<bool>,
    /// When it is no longer muted (RFC 3339); only with `muted`.
    #[schema(value_type = String)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub muted_until: Option<String>,
    /// Whether it is marked as unread.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub marked_unread: Option<bool>,
}

/// What a user is writing; see [`Draft`](crate::model::Draft).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "On tram 18, under", "reply_to": 3, "since": 4738}))]
pub struct DraftUpdate {
    /// The text.
    #[serde(default)]
    pub text: String,
    /// The members that the text mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The version of the draft that was changed; 0 for a new one. If the draft has changed since, nothing is saved.
    pub since: Version,
}

/// A search. A message must match everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "black umbr", "has_file": true}))]
pub struct Search {
    /// Prefixes of words in any order, ignoring case and accents; in scripts without spaces, any two or more
    /// consecutive characters. May be empty if there is another criterion.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Only in this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Only from this sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
    /// Only in conversations with this context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextKey>,
    /// Only sent at or after this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only sent before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only with an attachment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_file: bool,
    /// The `next` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Maximum rows: 1 to `page_rows_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// With whom to open a conversation: exactly one of `user`, `role` and `group`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "role": "owner", "context": {"type": "item", "id": "5"}}))]
pub struct Open {
    /// A key chosen by the client, the same in every retry.
    pub client_id: String,
    /// The other user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The other user, by their role in the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A new group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// What it is about. Two users have one conversation for each context, and one without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextKey>,
}

/// A new group, owned by the user who opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub title: String,
    /// The other members.
    pub users: Vec<UserId>,
}
