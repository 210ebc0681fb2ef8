//! Bodies of HTTP requests, and of answers that exist over HTTP only.

use crate::{
    ids::{FileId, Seq, UserId, Version},
    model::{Me, Mention, Role, Session},
    params::{History, MessagePlace},
    patch,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// `POST /v1/session`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"login": "ada", "password": "correct horse battery staple"}))]
pub struct SignIn {
    /// The name used to sign in.
    pub login: String,
    /// The password.
    pub password: String,
    /// Answer with a bearer token in the body and set no cookie.
    #[serde(default)]
    pub token: bool,
}

/// `POST /v1/host/recheck`
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"users": [7, "8"]}))]
pub struct Recheck {
    /// The host's ids of users; none means all.
    #[serde(default)]
    pub users: Vec<HostId>,
}

/// The host's id of a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum HostId {
    /// A number.
    Number(i64),
    /// A text, such as a UUID.
    Text(String),
}

impl fmt::Display for HostId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(formatter),
            Self::Text(id) => formatter.write_str(id),
        }
    }
}

/// `POST /v1/reports/{id}/settlement`
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"remove": true, "warn": true, "note": "The second time."}))]
pub struct PostSettlement {
    /// Remove the message for everyone.
    #[serde(default)]
    pub remove: bool,
    /// Warn its sender.
    #[serde(default)]
    pub warn: bool,
    /// A note for the record, which only moderators see.
    #[serde(default)]
    pub note: String,
}

/// `POST /v1/users`, if sign-up is enabled.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// The name used to sign in.
    pub login: String,
    /// The display name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// The answer to a sign-in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    /// The user.
    #[serde(flatten)]
    pub me: Me,
    /// The bearer token, if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// `PUT /v1/me/password`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPassword {
    /// The current password.
    pub current: String,
    /// The new password. Every other session ends.
    pub new: String,
}

/// `GET /v1/me/sessions`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// The newest first.
    pub sessions: Vec<Session>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
}

/// `POST /v1/conversations/{id}/messages`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "text": "Is it yours?"}))]
pub struct PostMessage {
    /// See `message.send`.
    pub client_id: String,
    /// The text; may be empty if there are attachments.
    #[serde(default)]
    pub text: String,
    /// The members of the group that the text mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The subject, shown above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message of this conversation that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// Finished uploads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<FileId>,
    /// The version of the user's draft that this message was; see `message.send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Version>,
}

/// `POST /v1/conversations/{id}/forwards`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b54", "from": {"conversation": 12, "seq": 3}}))]
pub struct PostForward {
    /// See `message.send`.
    pub client_id: String,
    /// The message to forward.
    pub from: MessagePlace,
}

/// `PATCH /v1/conversations/{id}/messages/{seq}`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "Is it really yours?"}))]
pub struct PatchMessage {
    /// The new text; absent to keep it.
    #[schema(value_type = String)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
    pub text: Option<String>,
    /// The members that the new text mentions; only with `text`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The new subject; null to remove it, absent to keep it.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::clearable")]
    pub subject: Option<Option<String>>,
}

/// `PATCH /v1/conversations/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"title": "The lost umbrellas"}))]
pub struct PatchConversation {
    /// The group's new name.
    pub title: String,
}

/// `PATCH /v1/conversations/{id}/members/{user}`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "moderator"}))]
pub struct PatchMember {
    /// The member's new role.
    pub role: Role,
}

/// `PUT /v1/conversations/{id}/read` and `…/delivered`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"seq": 3}))]
pub struct PutMarker {
    /// Read or delivered up to this message.
    pub seq: Seq,
}

/// `PUT /v1/conversations/{id}/typing`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"typing": true}))]
pub struct PutTyping {
    /// Whether the user is typing.
    pub typing: bool,
}

/// `POST /v1/conversations/{id}/members`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMembers {
    /// The new members.
    pub users: Vec<UserId>,
    /// What they see of earlier messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// `GET /livez` and `GET /readyz`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is wrong in one word: `draining`, `store`; or `degraded`, if everything works, but slower, because
    /// nodes cannot reach each other.
    pub status: String,
}
