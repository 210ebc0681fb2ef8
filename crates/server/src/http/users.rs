//! `/v1/users`: finding users, and signing up.

use super::{
    Edge, JsonAnswer,
    credentials::Anybody,
    errors::Refusal,
    extract::{Json, Query},
    run,
    sessions::respond_signed_in,
};
use crate::identity::actor::Actor;
use axum::{extract::State, http::request::Parts, response::Response};
use parlor_protocol::{command::Command, http::SignUp};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/users`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQuery {
    /// Prefixes of words, in any order.
    #[serde(default)]
    query: String,
    /// The `next` of the previous page.
    after: Option<String>,
    /// The maximum number of rows: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

pub(super) async fn list(State(edge): State<Edge>, actor: Actor, Query(query): Query<UserQuery>) -> JsonAnswer {
    run(&edge, actor, Command::ListUsers { query: query.query, after: query.after, limit: query.limit }).await
}

pub(super) async fn sign_up(
    State(edge): State<Edge>,
    Anybody(caller): Anybody,
    parts: Parts,
    Json(body): Json<SignUp>,
) -> Result<Response, Refusal> {
    let client = caller.client(&edge.app, &parts).await?;
    let session = edge.app.identity.sign_up(&body.login, body.name, body.password, client).await?;
    respond_signed_in(&edge.app, &parts, session, false).await
}
