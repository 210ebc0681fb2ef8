//! Bodies of HTTP requests, and answers that only HTTP gives.

use crate::{
    ids::{Seq, UserId},
    model::{Me, Session},
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

/// `PATCH /v1/me`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMe {
    /// The new name.
    pub name: String,
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
}

/// `POST /v1/conversations/{id}/messages`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "text": "Is it yours?"}))]
pub struct PostMessage {
    /// See `message.send`.
    pub client_id: String,
    /// What it says.
    pub text: String,
}

/// `PUT /v1/conversations/{id}/read` and `…/delivered`
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"seq": 3}))]
pub struct PutMarker {
    /// Up to here.
    pub seq: Seq,
}

/// `POST /v1/conversations/{id}/members`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMembers {
    /// Who joins.
    pub users: Vec<UserId>,
}

/// `GET /livez` and `GET /readyz`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or in one word what is wrong: `draining`, `store`.
    pub status: String,
}
