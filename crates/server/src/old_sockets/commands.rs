//! Carries out what a frame of an old socket means.

use super::{
    OldSocketRoute,
    incoming::{self, IncomingMessage},
    own_rows::{OwnRows, Posted},
};
use crate::{
    app::App,
    domain::text,
    host_pages::{HostPages, NewPost, PageHeaders},
    host_side::{HostSide, MessageTarget, NewHostMessage},
    mirror::message_row::HostMessageRow,
    profile::{
        sockets::{Action, SendAction, SocketError},
        write_rule::WriteRule,
        write_view::WriteView,
    },
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
};
use serde_json::Value;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tracing::warn;

/// What has been done.
#[derive(Debug)]
pub(super) enum Done {
    /// The message is in the host's table.
    Sent(Box<HostMessageRow>),
    /// Messages are read; the id, where the frame names one message.
    Read(Option<i64>),
    /// How many messages of the user are unread.
    Counted(i64),
    /// Nothing: the frame is only answered.
    Answered,
}

/// The user on whose behalf frames are carried out.
#[derive(Clone, Debug)]
pub(super) struct SocketUser {
    pub(super) user: UserId,
    /// Their id in the host.
    pub(super) id: String,
    /// Headers for requests to the host on their behalf; none where the profile does not need them.
    pub(super) page: Option<PageHeaders>,
}

/// Carries out a frame, within the limit of what the user has in progress. `rows` is needed to send by a view; a message
/// that is not yet being sent at the deadline is not sent.
pub(super) async fn run(
    (app, host): (&App, &dyn HostSide),
    route: &OldSocketRoute,
    me: &SocketUser,
    (action, frame): (&Action, &Value),
    (rows, deadline): (Option<OwnRows>, Instant),
) -> Result<Done, SocketError> {
    let permit = app.host_requests.take(me.user).await.map_err(error_of)?;
    match action {
        Action::Send(send) => {
            let new = incoming::new_message(route.profile(), &route.path, &me.id, send, frame)?;
            // What is no longer answered is not sent either: the page has shown an error, and its user sends it again.
            let new = timeout_at(deadline, checked((app, host), me, new, send)).await;
            let new = new.map_err(|_| SocketError::Unavailable)??;
            let row = match &send.view {
                None => host.send(new).await.map_err(error_of)?,
                Some(view) => {
                    let rows = rows.ok_or(SocketError::Unavailable)?;
                    send_by_view(app, me, (new, view), rows, permit).await?
                }
            };
            Ok(Done::Sent(Box::new(row)))
        }
        Action::MarkRead { message } => {
            let ids = incoming::message_ids(frame, message)?;
            // The row of another user, or none, changes nothing, and the answer is the same.
            host.mark_read(me.user, &ids).await.map_err(error_of)?;
            Ok(Done::Read(ids.first().copied().filter(|_| ids.len() == 1)))
        }
        Action::CountUnread => host.unread_count(me.user).await.map(Done::Counted).map_err(error_of),
        Action::Answer => Ok(Done::Answered),
    }
}

/// Checks a message by Parlor's limits and by the host's rule.
async fn checked(
    (app, host): (&App, &dyn HostSide),
    me: &SocketUser,
    IncomingMessage { target, text, subject }: IncomingMessage,
    send: &SendAction,
) -> Result<NewHostMessage, SocketError> {
    let limits = &app.config.limits;
    let text = text::message(&text, limits.text_chars_max).map_err(error_of)?;
    let subject = subject.filter(|subject| !subject.trim().is_empty());
    let subject = subject.map(|subject| text::subject(&subject, limits.subject_chars_max));
    let subject = subject.transpose().map_err(error_of)?;
    if target.recipient == me.id {
        return Err(SocketError::NotAllowed);
    }
    if !host.has_person(&target.recipient).await.map_err(error_of)? {
        return Err(SocketError::NotFound);
    }
    if !is_allowed((app, host), send, me, &target).await? {
        return Err(SocketError::NotAllowed);
    }
    Ok(NewHostMessage { sender: me.user, target, text, subject })
}

async fn is_allowed(
    (app, host): (&App, &dyn HostSide),
    send: &SendAction,
    me: &SocketUser,
    target: &MessageTarget,
) -> Result<bool, SocketError> {
    match &send.allow {
        Some(WriteRule::Anyone) => Ok(true),
        Some(WriteRule::Query(query)) => host.is_allowed(query, &me.id, target).await.map_err(error_of),
        Some(WriteRule::Callback) => {
            let (pages, page) = pages(app, me)?;
            pages.may_write(page, &me.id, target).await.map_err(error_of)
        }
        // The view decides.
        None if send.view.is_some() => Ok(true),
        None => {
            warn!("a message was refused: the profile has no rule about who may write to whom (`allow`)");
            Ok(false)
        }
    }
}

fn pages<'a>(app: &'a App, me: &'a SocketUser) -> Result<(&'a HostPages, &'a PageHeaders), SocketError> {
    app.host_pages.as_ref().zip(me.page.as_ref()).ok_or(SocketError::Unavailable)
}

/// Sends a message by the host's own view, and waits for its row. What the view does with it is not repeated.
async fn send_by_view(
    app: &App,
    me: &SocketUser,
    (new, view): (NewHostMessage, &WriteView),
    rows: OwnRows,
    permit: OwnedSemaphorePermit,
) -> Result<HostMessageRow, SocketError> {
    let (pages, page) = pages(app, me)?;
    let sent_at_ms = app.environment.now_ms();
    let NewHostMessage { target, text, subject, .. } = new;
    let post = NewPost { sender: &me.id, target: &target, text: &text, subject: subject.as_deref() };
    let posting = timeout_at(rows.deadline(), pages.post((page, &app.environment), view, &post));
    posting.await.map_err(|_| SocketError::Unavailable)?.map_err(error_of)?;
    // The row comes by the mirror, and other frames of this user need not wait for it.
    drop(permit);
    rows.find(pages, &Posted { sender: me.id.clone(), target, text, sent_at_ms }).await
}

/// Returns the error for a refusal.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn error_of(problem: Problem) -> SocketError {
    match problem.code {
        Code::NotFound => SocketError::NotFound,
        Code::NotAllowed | Code::Blocked | Code::ContextClosed => SocketError::NotAllowed,
        Code::TextEmpty => SocketError::Empty,
        Code::TextTooLong | Code::TooLarge => SocketError::TooLong,
        Code::TextControl | Code::InvalidField => SocketError::InvalidFrame,
        // Outages, and what no frame of an old socket leads to.
        Code::InvalidJson
        | Code::UnknownCommand
        | Code::NotResumed
        | Code::NotSignedIn
        | Code::WrongCredentials
        | Code::WrongPassword
        | Code::WrongOrigin
        | Code::SignUpOff
        | Code::MethodNotAllowed
        | Code::WrongUser
        | Code::Conflict
        | Code::Cancelled
        | Code::NameTaken
        | Code::TooLate
        | Code::UploadUnfinished
        | Code::WrongOffset
        | Code::RangeNotSatisfiable
        | Code::OwnRole
        | Code::RoleVacant
        | Code::LimitReached
        | Code::UnsupportedType
        | Code::UnsupportedVersion
        | Code::TooMany
        | Code::Internal
        | Code::Unavailable
        | Code::Unknown
        | Code::Draining
        | Code::TimedOut
        | Code::Unlisted => SocketError::Unavailable,
    }
}
