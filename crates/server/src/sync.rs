//! Synchronising: what changed since a cursor, asked for over the socket or waited for by a poll (I6).

use crate::{
    app::App,
    domain::rows::weight,
    hub::{AttachError, Taken},
    identity::actor::Actor,
    metrics::ResumeLabels,
    store::snapshot::SyncStatus,
    task::to_its_end,
};
use parlor_protocol::{
    close::Close,
    cursor::Cursor,
    error::{Code, Problem},
    ids::{Scope, UserId},
    reply::Heads,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::warn;

/// The scopes of a person that changed since the cursor, in one snapshot; `reset` if there is no cursor, or it
/// is not good here, or too much changed.
///
/// # Errors
/// The store is not there.
pub async fn heads(app: &App, user: UserId, cursor: Option<Cursor>) -> Result<Heads, Problem> {
    let (now, news) = app.resumes.ask((user, cursor)).await?;
    let answer = match cursor {
        Some(cursor) if news == SyncStatus::Behind => changed(app, user, cursor).await?,
        _ => Heads { reset: news == SyncStatus::Reset, ..nothing(user, now) },
    };
    let result = if answer.reset { "reset" } else { "resumed" };
    app.metrics.resumes.get_or_create(&ResumeLabels { result }).inc();
    Ok(answer)
}

fn nothing(user: UserId, cursor: Cursor) -> Heads {
    Heads { user, cursor, reset: false, heads: vec![], gone: vec![], changes: vec![] }
}

/// The answer for somebody who missed something, read as a whole in a snapshot of its own.
async fn changed(app: &App, user: UserId, cursor: Cursor) -> Result<Heads, Problem> {
    let (most, bytes_max) = (app.config.limits.heads_changes_max as usize, app.config.limits.page_bytes_max as usize);
    let answer = app.store.read(move |snapshot| {
        let mut answer = Heads { reset: true, ..nothing(user, snapshot.cursor) };
        if !snapshot.is_valid(cursor)? {
            return Ok(answer);
        }
        let Some((heads, gone)) = snapshot.heads(user, cursor.version)? else { return Ok(answer) };
        let mut bytes = 0;
        for head in heads.iter().take(most) {
            if let Scope::Conversation(conversation) = head.scope
                && bytes < bytes_max
                && let Some(changes) = snapshot.changes(user, conversation, cursor.version)?
            {
                bytes += changes.messages.iter().chain(&changes.quoted).map(weight).sum::<usize>();
                answer.changes.push(changes);
            }
        }
        (answer.heads, answer.gone, answer.reset) = (heads, gone, false);
        Ok(answer)
    });
    Ok(answer.await?)
}

/// The same for a client without a socket, whose session was looked up when the hub counted so many ends: waits up to
/// `wait` until there is something.
///
/// # Errors
/// The store is not there, the session ended, the server is stopping, or the person polls too often at once.
pub async fn poll(
    app: &Arc<App>,
    (actor, ends): (Actor, u64),
    cursor: Option<Cursor>,
    wait: Duration,
) -> Result<Heads, Problem> {
    // Attached before reading, so that nothing falls between.
    let attached = match app.hub.attach(actor.user, actor.session).await {
        Ok(attached) => attached,
        Err(AttachError::TooMany) => return Err(Code::TooMany.into()),
        Err(AttachError::Draining) => return Err(Code::Draining.into()),
        Err(AttachError::Layer(cause)) => {
            warn!(%cause, "a poll could not join its topic");
            return Err(Code::Unavailable.into());
        }
    };
    if !app.is_signed_in(actor, ends).await? {
        return Err(Code::NotSignedIn.into());
    }
    let _present = app.presence.poll(actor.user);
    let until = Instant::now() + wait;
    loop {
        let answer = look(app, actor.user, cursor).await?;
        let is_news = answer.reset || !answer.heads.is_empty() || !answer.gone.is_empty();
        if is_news || Instant::now() >= until {
            return Ok(answer);
        }
        match tokio::time::timeout_at(until, attached.outbox.take()).await {
            Ok(Taken::Closed(Close::SessionEnded | Close::Disabled)) => return Err(Code::NotSignedIn.into()),
            Ok(Taken::Closed(Close::Restarting)) => return Err(Code::Draining.into()),
            // Anything else, and too much of it, is a reason to look.
            Ok(Taken::Closed(_)) => return look(app, actor.user, cursor).await,
            Ok(Taken::Frames(_)) => {}
            Err(_) => return Ok(answer),
        }
    }
}

/// Reads within the person's share of what is read at once and within the store's patience, to the end.
async fn look(app: &Arc<App>, user: UserId, cursor: Option<Cursor>) -> Result<Heads, Problem> {
    let share = app.queries.take(user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _share = share;
        heads(&app, user, cursor).await
    })
    .await
}
