//! Who writes and who is here, for clients without a socket.

use super::{
    Edge,
    errors::Refusal,
    extract::{Id, Json, Query},
};
use crate::{app::Actor, commands};
use axum::extract::State;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::PutTyping,
    ids::{ConversationId, UserId},
    reply::Answer,
};
use serde::Deserialize;
use utoipa::IntoParams;

type Answered = Result<axum::Json<Answer>, Refusal>;

/// `GET /v1/presence`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Their ids, with commas between.
    #[param(example = "9,13")]
    users: String,
}

pub(super) async fn ask(State(edge): State<Edge>, actor: Actor, Query(asked): Query<Asked>) -> Answered {
    let users = asked.users.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<Vec<UserId>, _>>();
    let users = users.map_err(|error| Problem::new(Code::InvalidField).with_detail(format!("`users`: {error}")))?;
    Ok(axum::Json(commands::execute(&edge.app, actor, Command::WatchPresence { users }).await?))
}

pub(super) async fn set_typing(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutTyping>,
) -> Answered {
    let command = Command::SetTyping { conversation, typing: body.typing };
    Ok(axum::Json(commands::execute(&edge.app, actor, command).await?))
}
