//! Bodies of HTTP requests, and answers that only HTTP gives.

use crate::{
    ids::{FileId, Seq, UserId},
    model::{Me, Role, Session},
    params::{History, MessagePlace},
    patch,
};
use serde::{Deserialize, Serialize};
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

/// `POST /v1/users`, where signing up is on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// The name used to sign in.
    pub login: String,
    /// What others see.
    pub name: String,
    /// The password.
    pub password: String,
}

/// The answer to signing in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    /// Who.
    #[serde(flatten)]
    pub me: Me,
    /// The bearer token, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// `PUT /v1/me/password`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPassword {
    /// The password until now.
    pub current: String,
    /// The password from now on. Every other session ends.
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
    /// What it says; may be empty where there are attachments.
    #[serde(default)]
    pub text: String,
    /// What stands above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message of this conversation that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// Finished uploads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<FileId>,
}

/// `POST /v1/conversations/{id}/forwards`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b54", "from": {"conversation": 12, "seq": 3}}))]
pub struct PostForward {
    /// See `message.send`.
    pub client_id: String,
    /// What is sent again.
    pub from: MessagePlace,
}

/// `PATCH /v1/conversations/{id}/messages/{seq}`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "Is it really yours?"}))]
pub struct PatchMessage {
    /// What it says from now on; absent: as before.
    #[schema(value_type = String)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::named")]
    pub text: Option<String>,
    /// What stands above the text from now on; null for nothing; absent: as before.
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
    /// Up to here.
    pub seq: Seq,
}

/// `PUT /v1/conversations/{id}/typing`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"typing": true}))]
pub struct PutTyping {
    /// Whether the asker is writing.
    pub typing: bool,
}

/// `POST /v1/conversations/{id}/members`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMembers {
    /// Who joins.
    pub users: Vec<UserId>,
    /// What they see of what was written before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// `GET /livez` and `GET /readyz`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or in one word what is wrong: `draining`, `store`.
    pub status: String,
}
