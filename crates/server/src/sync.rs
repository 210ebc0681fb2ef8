//! Synchronization: what changed since a cursor, for resumes on the socket and for polls (I6).

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

/// Returns the scopes of a user that changed since the cursor, from one snapshot; `reset` if there is no cursor, it is
/// not valid here, or too much changed.
///
/// # Errors
/// The store is not available.
pub async fn heads(app: &App, user: UserId, cursor: Option<Cursor>) -> Result<Heads, Problem> {
    let (now, status) = app.resumes.ask((user, cursor)).await?;
    let answer = match cursor {
        Some(cursor) if status == SyncStatus::Behind => read_changes(app, user, cursor).await?,
        _ => Heads { reset: status == SyncStatus::Reset, ..no_changes(user, now) },
    };
    let result = if answer.reset { "reset" } else { "resumed" };
    app.metrics.resumes.get_or_create(&ResumeLabels { result }).inc();
    Ok(answer)
}

fn no_changes(user: UserId, cursor: Cursor) -> Heads {
    Heads { user, cursor, reset: false, heads: vec![], gone: vec![], changes: vec![] }
}

/// Reads the answer for a user that has missed something, in one snapshot.
async fn read_changes(app: &App, user: UserId, cursor: Cursor) -> Result<Heads, Problem> {
    let (heads_max, bytes_max) =
        (app.config.limits.heads_changes_max as usize, app.config.limits.page_bytes_max as usize);
    let answer = app.store.read(move |snapshot| {
        let mut answer = Heads { reset: true, ..no_changes(user, snapshot.cursor) };
        if !snapshot.is_valid(cursor)? {
            return Ok(answer);
        }
        let Some((heads, gone)) = snapshot.heads(user, cursor.version)? else { return Ok(answer) };
        let mut bytes = 0;
        for head in heads.iter().take(heads_max) {
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

/// Does the same for a client without a socket, and waits up to `wait` until something has changed. The session was
/// looked up when the hub had counted `ends` ended sessions.
///
/// # Errors
/// The store is not available, the session ended, the server is stopping, or the user has too many connections.
pub async fn poll(
    app: &Arc<App>,
    (actor, ends): (Actor, u64),
    cursor: Option<Cursor>,
    wait: Duration,
) -> Result<Heads, Problem> {
    // Attached before reading, so that no change falls between.
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
        let answer = read_heads(app, actor.user, cursor).await?;
        let is_news = answer.reset || !answer.heads.is_empty() || !answer.gone.is_empty();
        if is_news || Instant::now() >= until {
            return Ok(answer);
        }
        match tokio::time::timeout_at(until, attached.send_queue.take()).await {
            Ok(Taken::Closed(Close::SessionEnded | Close::Disabled)) => return Err(Code::NotSignedIn.into()),
            Ok(Taken::Closed(Close::Restarting)) => return Err(Code::Draining.into()),
            // Any other reason, such as a full send queue, means that there is something to read.
            Ok(Taken::Closed(_)) => return read_heads(app, actor.user, cursor).await,
            Ok(Taken::Frames(_)) => {}
            Err(_) => return Ok(answer),
        }
    }
}

/// Reads within the user's limit of concurrent reads, and runs to the end once begun.
async fn read_heads(app: &Arc<App>, user: UserId, cursor: Option<Cursor>) -> Result<Heads, Problem> {
    let permit = app.queries.take(user).await?;
    let app = app.clone();
    to_its_end(async move {
        let _permit = permit;
        heads(&app, user, cursor).await
    })
    .await
}
