//! The parameters of commands that are objects of their own.

use crate::{
    ids::{ConversationId, Seq, UserId},
    model::ContextKey,
    patch,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What newcomers see of what was written before they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// Nothing.
    FromJoining,
    /// Everything.
    FromStart,
}

/// A message, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"conversation": 12, "seq": 3}))]
pub struct MessagePlace {
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
}

/// What to change of oneself; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada King"}))]
pub struct MeUpdate {
    /// The new name.
    #[schema(value_type = String)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::named")]
    pub name: Option<String>,
    /// See [`Me::receipts`](crate::model::Me::receipts).
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::named")]
    pub receipts: Option<bool>,
    /// See [`Me::presence`](crate::model::Me::presence).
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::named")]
    pub presence: Option<bool>,
}

/// What to look for. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"query": "black umbr", "has_file": true}))]
pub struct Search {
    /// Beginnings of words, in any order, without regard to case and accents; of scripts without spaces any two or
    /// more characters in a row. May be empty where there is something else to look for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Only here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Only what this person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
    /// Only in conversations about this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextKey>,
    /// Only what was written at or after this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only what was written before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only messages that carry a file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_file: bool,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many: 1 to `page_rows_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
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
