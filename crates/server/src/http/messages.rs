//! The paths of messages: each becomes a command.

use super::{
    Edge, JsonAnswer,
    extract::{Id, Ids, Json, Page, Query, Three},
    run,
};
use crate::identity::actor::Actor;
use axum::extract::State;
use parlor_protocol::{
    command::Command,
    http::{PatchMessage, PostForward, PostMessage},
    ids::{ConversationId, Seq},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/conversations/{id}/messages`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    /// The newest messages with a lower `seq`.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    before: Option<Seq>,
    /// The oldest messages with a higher `seq`.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    after: Option<Seq>,
    /// The messages around this `seq`.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    around: Option<Seq>,
    /// The maximum number of rows: 1 to `page_rows_max`.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

pub(super) async fn list(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Query(query): Query<Messages>,
) -> JsonAnswer {
    let Messages { before, after, around, limit } = query;
    run(&edge, actor, Command::ListMessages { conversation, before, after, around, limit }).await
}

pub(super) async fn send(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PostMessage>,
) -> JsonAnswer {
    let PostMessage { client_id, text, mentions, subject, reply_to, attachments, draft } = body;
    run(&edge, actor, Command::Send { conversation, client_id, text, mentions, subject, reply_to, attachments, draft })
        .await
}

pub(super) async fn forward(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PostForward>,
) -> JsonAnswer {
    let PostForward { client_id, from } = body;
    run(&edge, actor, Command::Forward { conversation, client_id, from }).await
}

pub(super) async fn edit(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, seq): Ids<ConversationId, Seq>,
    Json(body): Json<PatchMessage>,
) -> JsonAnswer {
    let PatchMessage { text, mentions, subject } = body;
    run(&edge, actor, Command::Edit { conversation, seq, text, mentions, subject }).await
}

pub(super) async fn delete(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, seq): Ids<ConversationId, Seq>,
) -> JsonAnswer {
    run(&edge, actor, Command::Delete { conversation, seq }).await
}

pub(super) async fn hide(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, seq): Ids<ConversationId, Seq>,
) -> JsonAnswer {
    run(&edge, actor, Command::Hide { conversation, seq }).await
}

pub(super) async fn reactions(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, seq): Ids<ConversationId, Seq>,
    Query(page): Query<Page>,
) -> JsonAnswer {
    let Page { after, limit } = page;
    run(&edge, actor, Command::ListReactions { conversation, seq, after, limit }).await
}

pub(super) async fn react(
    State(edge): State<Edge>,
    actor: Actor,
    Three(conversation, seq, emoji): Three<ConversationId, Seq, String>,
) -> JsonAnswer {
    run(&edge, actor, Command::React { conversation, seq, emoji, on: true }).await
}

pub(super) async fn take_back(
    State(edge): State<Edge>,
    actor: Actor,
    Three(conversation, seq, emoji): Three<ConversationId, Seq, String>,
) -> JsonAnswer {
    run(&edge, actor, Command::React { conversation, seq, emoji, on: false }).await
}

pub(super) async fn cancel(State(edge): State<Edge>, actor: Actor, Id(client_id): Id<String>) -> JsonAnswer {
    run(&edge, actor, Command::Cancel { client_id }).await
}
