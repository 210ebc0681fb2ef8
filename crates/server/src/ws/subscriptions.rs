//! The subscriptions of a connection: the conversations that it shows, the users whose presence it watches, and whether
//! its user is typing. They end with the connection.

use crate::{
    app::App, channel_layer::Unavailable, commands::CommandResult, hub::Attached, identity::actor::Actor,
    request::SubscriptionRequest, task::to_its_end,
};
use bytes::Bytes;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, Scope, UserId},
    reply::{Answer, Done, Head, Shown, Watched},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};
use tracing::warn;

/// What a command is answered with.
pub(super) struct Response {
    /// Events that are written before the answer.
    pub(super) events: VecDeque<Bytes>,
    pub(super) answer: CommandResult,
}

impl Response {
    /// An answer without events before it.
    pub(super) fn of(answer: CommandResult) -> Self {
        Self { events: VecDeque::new(), answer }
    }
}

/// Carries out a subscription request. The connection starts the next one when this has returned. A request that has
/// begun runs to its end, even if the connection ends before.
pub(super) async fn execute(
    app: Arc<App>,
    actor: Actor,
    attached: Arc<Attached>,
    request: SubscriptionRequest,
) -> Response {
    let permit = match app.queries.take(actor.user).await {
        Ok(permit) => permit,
        Err(problem) => return Response::of(Err(problem)),
    };
    let response = to_its_end(async move {
        let _permit = permit;
        Ok(match request {
            SubscriptionRequest::Show { conversations } => {
                Response::of(show(&app, actor, &attached, &conversations).await)
            }
            SubscriptionRequest::SetTyping { conversation, typing } => {
                let set = app.typing.set((conversation, actor.user), typing, Some(attached.id())).await;
                Response::of(set.map(|()| Answer::Done(Done {})))
            }
            SubscriptionRequest::WatchPresence { users } => watch(&app, actor, &attached, &users).await,
        })
    });
    response.await.unwrap_or_else(|problem| Response::of(Err(problem)))
}

/// Replaces the users whose presence the connection watches. Events about the users that it watched before are written
/// before the answer, later events after it.
async fn watch(app: &App, actor: Actor, attached: &Attached, users: &[UserId]) -> Response {
    let (events, watched) = app.presence.watch(actor.user, attached, users).await;
    Response { events, answer: watched.map(|presence| Answer::Watched(Watched { presence })) }
}

/// Replaces the conversations that the connection shows. Joins their topics before it reads their heads, so that no
/// change falls between.
async fn show(app: &App, actor: Actor, attached: &Attached, conversations: &[ConversationId]) -> CommandResult {
    let max = app.config.limits.shown_max;
    if conversations.len() > max as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(max.into()));
    }
    let wanted: BTreeSet<ConversationId> = conversations.iter().copied().collect();
    let wanted: Vec<ConversationId> = wanted.into_iter().collect();
    let mut is_joined = false;
    loop {
        let check = app.hub.begin_check();
        let present = match heads_of_members(app, actor, &wanted).await {
            Ok(present) => present,
            Err(problem) if is_joined => {
                attached.show(&check, &[]).await.map_err(not_joined)?;
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        let (ids, heads): (Vec<ConversationId>, Vec<Head>) = present.into_iter().unzip();
        // Read again if the user was removed from a conversation in between, or added.
        if is_joined && attached.is_showing(&ids) {
            return Ok(Answer::Shown(Shown { heads }));
        }
        attached.show(&check, &ids).await.map_err(not_joined)?;
        is_joined = true;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn not_joined(cause: Unavailable) -> Problem {
    warn!(%cause, "a connection could not join the topics of the conversations that it shows");
    Code::Unavailable.into()
}

/// Returns the heads of those of the conversations that the user is a member of.
async fn heads_of_members(
    app: &App,
    actor: Actor,
    conversations: &[ConversationId],
) -> Result<Vec<(ConversationId, Head)>, Problem> {
    let conversations = conversations.to_vec();
    let heads = app.store.read(move |snapshot| snapshot.current_heads(actor.user, &conversations));
    let heads = heads.await?;
    let with_id = |head: Head| match head.scope {
        Scope::Conversation(id) => Some((id, head)),
        Scope::User(_) => None,
    };
    Ok(heads.into_iter().filter_map(with_id).collect())
}
