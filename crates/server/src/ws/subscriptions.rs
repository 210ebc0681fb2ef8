//! What is on the screen of a connection: conversations that it shows, people whom it watches, and that somebody writes
//! at it. It ends with the connection.

use crate::{
    app::{Actor, App},
    channel_layer::Unavailable,
    commands,
    hub::Attached,
    task::to_its_end,
};
use bytes::Bytes;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, Scope, UserId},
    reply::{Answer, Done, Head, Shown, Watched},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};
use tracing::warn;

/// What came of a command.
pub(super) struct Carried {
    /// Events that are written before the answer.
    pub(super) before: VecDeque<Bytes>,
    pub(super) answer: commands::Result,
}

impl Carried {
    /// An answer, and nothing before it.
    pub(super) fn of(answer: commands::Result) -> Self {
        Self { before: VecDeque::new(), answer }
    }
}

/// Carries a command about a connection's screen out. The connection begins the next one when this has returned. What has
/// begun comes to its end, also if the connection has ended.
pub(super) async fn carry_out(app: Arc<App>, actor: Actor, attached: Arc<Attached>, command: Command) -> Carried {
    let share = match app.queries.take(actor.user).await {
        Ok(share) => share,
        Err(problem) => return Carried::of(Err(problem)),
    };
    let carried = to_its_end(async move {
        let _share = share;
        Ok(match command {
            Command::Show { conversations } => Carried::of(show(&app, actor, &attached, &conversations).await),
            Command::SetTyping { conversation, typing } => {
                let place = (conversation, actor.user);
                let set = app.typing.set(place, typing, Some(attached.id())).await;
                Carried::of(set.map(|()| Answer::Done(Done {})))
            }
            Command::WatchPresence { users } => watch(&app, actor, &attached, &users).await,
            _ => Carried::of(Err(Code::UnknownCommand.into())),
        })
    });
    carried.await.unwrap_or_else(|problem| Carried::of(Err(problem)))
}

/// Replaces the people whom the connection watches. What it was told of those before goes out before the answer, and
/// what it is told from now on after it.
async fn watch(app: &App, actor: Actor, attached: &Attached, users: &[UserId]) -> Carried {
    let (before, watched) = app.presence.watch(actor.user, attached, users).await;
    Carried { before, answer: watched.map(|presence| Answer::Watched(Watched { presence })) }
}

/// Joins the topics first and reads then, so that nothing falls between: what is told is what the store says of
/// conversations that are joined already.
async fn show(app: &App, actor: Actor, attached: &Attached, conversations: &[ConversationId]) -> commands::Result {
    let most = app.config.limits.shown_max;
    if conversations.len() > most as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
    }
    let asked: BTreeSet<ConversationId> = conversations.iter().copied().collect();
    let asked: Vec<ConversationId> = asked.into_iter().collect();
    let mut is_joined = false;
    loop {
        let inquiry = app.hub.inquire();
        let present = match present_in(app, actor, &asked).await {
            Ok(present) => present,
            Err(problem) if is_joined => {
                attached.show(&inquiry, &[]).await.map_err(unjoined)?;
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        let (ids, heads): (Vec<ConversationId>, Vec<Head>) = present.into_iter().unzip();
        // Once more where somebody left or was removed in between, or came back.
        if is_joined && attached.is_showing(&ids) {
            return Ok(Answer::Shown(Shown { heads }));
        }
        attached.show(&inquiry, &ids).await.map_err(unjoined)?;
        is_joined = true;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unjoined(cause: Unavailable) -> Problem {
    warn!(%cause, "a connection could not join what it shows");
    Code::Unavailable.into()
}

/// Those of the conversations that the person is in.
async fn present_in(
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
