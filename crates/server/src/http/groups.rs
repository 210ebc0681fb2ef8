//! The paths of groups: their members, title and picture.

use super::{
    Edge, JsonAnswer, bodies,
    errors::Refusal,
    extract::{Id, Ids, Json, Page, Query},
    run,
};
use crate::{
    domain::{Change, GroupUpdate, Outcome},
    identity::actor::Actor,
};
use axum::extract::{Request, State};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    http::{PatchConversation, PatchMember, PostMembers},
    ids::{ConversationId, UserId},
};

pub(super) async fn update(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PatchConversation>,
) -> JsonAnswer {
    run(&edge, actor, Command::UpdateConversation { conversation, title: body.title }).await
}

/// A user that may not set it is refused before the picture is read, and again by the change.
pub(super) async fn put_picture(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    request: Request,
) -> JsonAnswer {
    let manages = edge.app.store.read(move |snapshot| snapshot.can_manage(actor.user, conversation));
    let manages = manages.await?;
    if !manages.ok_or(Problem::from(Code::NotFound))? {
        return Err(Code::NotAllowed.into());
    }
    edge.app.identity.count_picture(actor.user)?;
    let (file, _share) = bodies::picture(&edge, request).await?;
    let id = edge.app.identity.set_picture(actor.user, file).await?;
    show_picture(&edge, actor, conversation, Some(id)).await
}

pub(super) async fn delete_picture(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
) -> JsonAnswer {
    show_picture(&edge, actor, conversation, None).await
}

async fn show_picture(edge: &Edge, actor: Actor, conversation: ConversationId, picture: Option<String>) -> JsonAnswer {
    let update = GroupUpdate::Picture(picture);
    match edge.app.commit.submit(Change::UpdateConversation { actor: actor.user, conversation, update }).await? {
        Outcome::Answer(answer) => Ok(axum::Json(answer)),
        _ => Err(Refusal::from(Code::Internal)),
    }
}

pub(super) async fn members(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Query(page): Query<Page>,
) -> JsonAnswer {
    run(&edge, actor, Command::ListMembers { conversation, after: page.after, limit: page.limit }).await
}

pub(super) async fn add_members(
    State(edge): State<Edge>,
    actor: Actor,
    Id(conversation): Id<ConversationId>,
    Json(body): Json<PostMembers>,
) -> JsonAnswer {
    run(&edge, actor, Command::AddMembers { conversation, users: body.users, history: body.history }).await
}

pub(super) async fn update_member(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, user): Ids<ConversationId, UserId>,
    Json(body): Json<PatchMember>,
) -> JsonAnswer {
    run(&edge, actor, Command::UpdateMember { conversation, user, role: body.role }).await
}

pub(super) async fn remove_member(
    State(edge): State<Edge>,
    actor: Actor,
    Ids(conversation, user): Ids<ConversationId, UserId>,
) -> JsonAnswer {
    run(&edge, actor, Command::RemoveMember { conversation, user }).await
}
