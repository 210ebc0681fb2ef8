//! Typing and presence, for clients without a socket.

use super::{
    Edge, JsonAnswer,
    extract::{Id, Json, Query},
    run,
};
use crate::identity::actor::Actor;
use axum::extract::State;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::PutTyping,
    ids::{ConversationId, UserId},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/presence`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PresenceQuery {
    /// Their ids, with commas between.
    #[param(example = "9,13")]
    users: String,
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Query(query): Query<PresenceQuery>) -> JsonAnswer {
    let users = query.users.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<Vec<UserId>, _>>();
    let users = users.map_err(|error| Problem::new(Code::InvalidField).with_detail(format!("`users`: {error}")))?;
    run(&edge, actor, Command::WatchPresence { users }).await
}

pub(super) async fn set_typing(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutTyping>,
) -> JsonAnswer {
    run(&edge, actor, Command::SetTyping { conversation, typing: body.typing }).await
}
