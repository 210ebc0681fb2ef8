//! Carries out commands, the same for every edge: an edge makes a command and writes its answer.

use crate::{
    app::App,
    domain::{Change, Outcome},
    identity::actor::Actor,
    queries,
    request::{Request, SubscriptionRequest},
    store,
    task::to_its_end,
};
use futures_util::future::BoxFuture;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::ConversationId,
    reply::{Answer, Done, Opened, Watched},
};
use std::sync::Arc;
use tracing::error;

/// The answer, or the refusal.
pub type CommandResult = Result<Answer, Problem>;

/// Carries out a command that came on no socket.
///
/// # Errors
/// The refusal.
pub async fn execute(app: &Arc<App>, actor: Actor, command: Command) -> CommandResult {
    match Request::of(command, actor.user, &app.config.limits)? {
        Request::Change(change) => begin(app.clone(), actor, change).await?.await,
        Request::Query(query) => queries::answer(app, actor, query).await,
        Request::Subscription(request) => once(app, actor, request).await,
        Request::Connection(_) => Err(socket_only()),
    }
}

/// Hands in a change. It is queued when this returns, so that changes begun one after the other are decided in that
/// order; the returned future, which gives the answer, may be awaited together with others. Neither holds anything
/// that others wait for.
///
/// # Errors
/// The refusal.
pub(crate) async fn begin(
    app: Arc<App>,
    actor: Actor,
    change: Change,
) -> Result<BoxFuture<'static, CommandResult>, Problem> {
    let pending = app.commit.begin(change).await?;
    Ok(Box::pin(async move {
        match pending.outcome().await? {
            Outcome::Answer(answer) => {
                if let Answer::Sent(sent) = &answer {
                    app.typing.sent((sent.message.conversation, actor.user));
                }
                Ok(answer)
            }
            Outcome::Opened { conversation, found } => read_opened(&app, actor, conversation, found).await,
            Outcome::UserAdded(_) | Outcome::UserPut(_) | Outcome::Mirrored(_) | Outcome::Done => {
                Err(Code::Internal.into())
            }
        }
    }))
}

/// Does without a socket what makes sense without one: reads presence once, and publishes that the user is typing.
async fn once(app: &Arc<App>, actor: Actor, request: SubscriptionRequest) -> CommandResult {
    let permit = app.queries.take(actor.user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _permit = permit;
        match request {
            SubscriptionRequest::Show { .. } => Err(socket_only()),
            SubscriptionRequest::SetTyping { conversation, typing } => {
                app.typing.set((conversation, actor.user), typing, None).await?;
                Ok(Answer::Done(Done {}))
            }
            SubscriptionRequest::WatchPresence { users } => {
                Ok(Answer::Watched(Watched { presence: app.presence.read(actor.user, &users).await? }))
            }
        }
    })
    .await
}

fn socket_only() -> Problem {
    Problem::new(Code::NotAllowed).with_detail("this command exists on a socket only")
}

async fn read_opened(app: &App, actor: Actor, conversation: ConversationId, found: bool) -> CommandResult {
    // The conversation is open by now: a failure to read it must not read as if nothing had happened.
    let unknown = |cause: store::StoreError| {
        error!(%cause, "an opened conversation could not be read");
        Problem::from(Code::Unknown)
    };
    let conversation = app.store.read(move |snapshot| snapshot.conversation(actor.user, conversation));
    let conversation = conversation.await.map_err(unknown)?.ok_or(Problem::from(Code::NotFound))?;
    Ok(Answer::Opened(Box::new(Opened { conversation, found })))
}
