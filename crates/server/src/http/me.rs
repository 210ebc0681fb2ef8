//! `/v1/me`: the signed-in user, their settings, password and picture.

use super::{
    Edge, JsonAnswer, bodies,
    errors::Refusal,
    extract::{Id, Json, Page, Query},
    run,
};
use crate::{
    app::App,
    domain::change::{Change, Outcome, ProfileUpdate},
    identity::actor::Actor,
};
use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use parlor_protocol::{
    command::Command,
    error::Code,
    http::PutPassword,
    ids::{UserId, Version},
    params::MeUpdate,
    reply::{Answer, Changed},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// `GET /v1/me`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct HiddenSince {
    /// The version of the client's `user:…` scope: messages that were hidden since are returned.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    since: Option<Version>,
}

pub(super) async fn get(State(edge): State<Edge>, actor: Actor, Query(query): Query<HiddenSince>) -> JsonAnswer {
    run(&edge, actor, Command::GetMe { since: query.since }).await
}

pub(super) async fn update(State(edge): State<Edge>, actor: Actor, Json(body): Json<MeUpdate>) -> JsonAnswer {
    run(&edge, actor, Command::UpdateMe(body)).await
}

pub(super) async fn list_blocks(State(edge): State<Edge>, actor: Actor, Query(page): Query<Page>) -> JsonAnswer {
    run(&edge, actor, Command::ListBlocks { after: page.after, limit: page.limit }).await
}

pub(super) async fn block(State(edge): State<Edge>, actor: Actor, Id(user): Id<UserId>) -> JsonAnswer {
    run(&edge, actor, Command::Block { user }).await
}

pub(super) async fn unblock(State(edge): State<Edge>, actor: Actor, Id(user): Id<UserId>) -> JsonAnswer {
    run(&edge, actor, Command::Unblock { user }).await
}

pub(super) async fn put_password(
    State(edge): State<Edge>,
    actor: Actor,
    Json(body): Json<PutPassword>,
) -> Result<StatusCode, Refusal> {
    edge.app.identity.change_password(actor, body.current, body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn put_picture(
    State(edge): State<Edge>,
    actor: Actor,
    request: Request,
) -> Result<axum::Json<Changed>, Refusal> {
    edge.app.identity.count_picture(actor.user)?;
    let (file, _share) = bodies::picture(&edge, request).await?;
    let id = edge.app.identity.set_picture(actor.user, file).await?;
    show_picture(&edge.app, actor, Some(id)).await
}

pub(super) async fn delete_picture(State(edge): State<Edge>, actor: Actor) -> Result<axum::Json<Changed>, Refusal> {
    show_picture(&edge.app, actor, None).await
}

async fn show_picture(app: &App, actor: Actor, picture: Option<String>) -> Result<axum::Json<Changed>, Refusal> {
    let change = Change::UpdateProfile { user: actor.user, profile: ProfileUpdate::pictured(picture) };
    match app.commit.submit(change).await? {
        Outcome::Answer(Answer::Changed(changed)) => Ok(axum::Json(changed)),
        Outcome::Answer(_)
        | Outcome::Opened { .. }
        | Outcome::UserAdded(_)
        | Outcome::UserPut(_)
        | Outcome::Mirrored(_)
        | Outcome::Done => Err(Code::Internal.into()),
    }
}
