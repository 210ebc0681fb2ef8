//! What is on the screen of a connection: conversations that it shows, people whom it watches, whether somebody is at it
//! and writes. It ends with the connection.

use super::{
    connection::{Connection, End},
    frames,
};
use crate::{
    app::{Actor, App},
    channel_layer::Unavailable,
    commands,
};
use axum::extract::ws::Message;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, Scope, UserId},
    reply::{Answer, Done, Head, Shown, Watched},
};
use std::collections::BTreeSet;
use tracing::warn;

impl Connection {
    /// Carries such a command out.
    pub(super) async fn on_screen(&mut self, command: Command) -> commands::Result {
        let _share = self.app.queries.take(self.actor.user).await;
        match command {
            Command::Show { conversations } => self.show(&conversations).await,
            Command::SetPresence { idle } => {
                if let Some(present) = &self.present {
                    present.set_idle(idle);
                }
                Ok(Answer::Done(Done {}))
            }
            Command::SetTyping { conversation, typing } => {
                self.typist.set(conversation, typing).await?;
                Ok(Answer::Done(Done {}))
            }
            _ => Err(Code::UnknownCommand.into()),
        }
    }

    /// Replaces the people whom it watches. What it was told of those before goes out before the answer, and what it is
    /// told from now on after it.
    pub(super) async fn watch(&mut self, id: i64, users: &[UserId]) -> Result<(), End> {
        let share = self.app.queries.take(self.actor.user).await;
        let (waiting, watched) = self.app.presence.watch(self.actor.user, &self.attached, users).await;
        drop(share);
        let answer = watched.map(|presence| Answer::Watched(Watched { presence }));
        let mut written: Vec<Message> = waiting.into_iter().filter_map(frames::event).collect();
        written.push(frames::reply(Some(id), &answer));
        self.write(written).await
    }

    /// Joins the topics first and reads then, so that nothing falls between.
    async fn show(&mut self, conversations: &[ConversationId]) -> commands::Result {
        let most = self.app.config.limits.shown_max;
        if conversations.len() > most as usize {
            return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
        }
        let asked: BTreeSet<ConversationId> = conversations.iter().copied().collect();
        let asked: Vec<ConversationId> = asked.into_iter().collect();
        let allowed = present_in(&self.app, self.actor, &asked).await?;
        let ids: Vec<ConversationId> = allowed.iter().map(|(id, _)| *id).collect();
        self.attached.show(&ids).await.map_err(unjoined)?;
        // Once more: a removal may have come between the look and the joining.
        let still = match present_in(&self.app, self.actor, &ids).await {
            Ok(still) => still,
            Err(problem) => {
                self.attached.show(&[]).await.map_err(unjoined)?;
                return Err(problem);
            }
        };
        if still.len() < ids.len() {
            let ids: Vec<ConversationId> = still.iter().map(|(id, _)| *id).collect();
            self.attached.show(&ids).await.map_err(unjoined)?;
        }
        Ok(Answer::Shown(Shown { heads: still.into_iter().map(|(_, head)| head).collect() }))
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
    let mut snapshot = app.store.snapshot(&app.config.limits).await.map_err(commands::failed)?;
    let heads = snapshot.present_in(actor.user, conversations).await.map_err(commands::failed)?;
    let with_id = |head: Head| match head.scope {
        Scope::Conversation(id) => Some((id, head)),
        Scope::User(_) => None,
    };
    Ok(heads.into_iter().filter_map(with_id).collect())
}
