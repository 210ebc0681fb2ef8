//! The paths of conversations: each becomes a command.

use super::{
    Edge, JsonAnswer,
    extract::{Id, Json, Page, Query},
    run,
};
use crate::identity::actor::Actor;
use axum::extract::State;
use parlor_protocol::{
    command::Command,
    http::PutMarker,
    ids::{ConversationId, Version},
    params::{DraftUpdate, Open, SettingsUpdate},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/conversations/{id}/changes`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesSince {
    /// The version of the client's state.
    #[param(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    since: Version,
}

pub(super) async fn list(State(edge): State<Edge>, actor: Actor, Query(page): Query<Page>) -> JsonAnswer {
    run(&edge, actor, Command::ListConversations { after: page.after, limit: page.limit }).await
}

pub(super) async fn open(State(edge): State<Edge>, actor: Actor, Json(open): Json<Open>) -> JsonAnswer {
    run(&edge, actor, Command::Open(open)).await
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Id(conversation): Id<ConversationId>) -> JsonAnswer {
    run(&edge, actor, Command::GetConversation { conversation }).await
}

pub(super) async fn changes(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Query(query): Query<ChangesSince>,
) -> JsonAnswer {
    run(&edge, actor, Command::GetChanges { conversation, since: query.since }).await
}

pub(super) async fn update_settings(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(settings): Json<SettingsUpdate>,
) -> JsonAnswer {
    run(&edge, actor, Command::UpdateSettings { conversation, settings }).await
}

pub(super) async fn clear(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutMarker>,
) -> JsonAnswer {
    run(&edge, actor, Command::ClearConversation { conversation, seq: body.seq }).await
}

pub(super) async fn save_draft(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(draft): Json<DraftUpdate>,
) -> JsonAnswer {
    run(&edge, actor, Command::SaveDraft { conversation, draft }).await
}

pub(super) async fn read(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutMarker>,
) -> JsonAnswer {
    run(&edge, actor, Command::Mark { conversation, delivered: None, read: Some(body.seq) }).await
}

pub(super) async fn delivered(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PutMarker>,
) -> JsonAnswer {
    run(&edge, actor, Command::Mark { conversation, delivered: Some(body.seq), read: None }).await
}
