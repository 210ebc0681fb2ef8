//! The paths of conversations and people: each becomes a command.

use super::{
    Edge,
    credentials::SocketActor,
    errors::Refusal,
    extract::{Id, Json, Page, Query},
    handshake::Handshake,
};
use crate::{app::Actor, commands, ws};
use axum::{extract::State, http::HeaderValue, response::Response};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::PutMarker,
    ids::{ConversationId, Version},
    params::Open,
    reply::Answer,
};
use serde::Deserialize;
use utoipa::IntoParams;

pub(super) type Answered = Result<axum::Json<Answer>, Refusal>;

/// `GET /v1/conversations/{id}/changes`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// The version at which the asker's state is true.
    #[param(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    since: Version,
}

/// `GET /v1/me`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct MeSince {
    /// The version of the scope `user:…` at which the asker's state is true: what was hidden since is told.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    since: Option<Version>,
}

/// `GET /v1/users`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    /// Beginnings of words, in any order.
    #[serde(default)]
    query: String,
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

pub(super) async fn run(edge: &Edge, actor: Actor, command: Command) -> Answered {
    Ok(axum::Json(commands::execute(&edge.app, actor, command).await?))
}

pub(super) async fn me(State(edge): State<Edge>, actor: Actor, Query(query): Query<MeSince>) -> Answered {
    run(&edge, actor, Command::GetMe { since: query.since }).await
}

pub(super) async fn users(State(edge): State<Edge>, actor: Actor, Query(query): Query<Users>) -> Answered {
    run(&edge, actor, Command::ListUsers { query: query.query, after: query.after, limit: query.limit }).await
}

pub(super) async fn list(State(edge): State<Edge>, actor: Actor, Query(page): Query<Page>) -> Answered {
    run(&edge, actor, Command::ListConversations { after: page.after, limit: page.limit }).await
}

pub(super) async fn open(State(edge): State<Edge>, actor: Actor, Json(open): Json<Open>) -> Answered {
    run(&edge, actor, Command::Open(open)).await
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Id(conversation): Id<ConversationId>) -> Answered {
    run(&edge, actor, Command::GetConversation { conversation }).await
}

pub(super) async fn changes(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Query(query): Query<Since>,
) -> Answered {
    run(&edge, actor, Command::GetChanges { conversation, since: query.since }).await
}

pub(super) async fn read(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutMarker>,
) -> Answered {
    run(&edge, actor, Command::Mark { conversation, delivered: None, read: Some(body.seq) }).await
}

pub(super) async fn delivered(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutMarker>,
) -> Answered {
    run(&edge, actor, Command::Mark { conversation, delivered: Some(body.seq), read: None }).await
}

pub(super) async fn socket(
    State(edge): State<Edge>,
    SocketActor(actor, ends): SocketActor,
    handshake: Handshake,
) -> Result<Response, Refusal> {
    if !handshake.offers(ws::SUBPROTOCOL) {
        return Err(Problem::new(Code::InvalidField).with_detail("the subprotocol parlor.v1 is expected").into());
    }
    let (response, upgrade) = handshake.accept(Some(HeaderValue::from_static(ws::SUBPROTOCOL)));
    tokio::spawn(ws::serve(edge.app, (actor, ends), upgrade));
    Ok(response)
}
