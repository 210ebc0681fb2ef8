//! Carries out what a frame of an old socket means.

use super::{
    Route,
    incoming::{self, NewMessage},
};
use crate::{
    app::App,
    domain::text,
    host_side::{HostSide, MessageTarget, NewHostMessage},
    mirror::message_row::HostMessageRow,
    profile::{
        sockets::{Action, SocketError},
        write_rule::WriteRule,
    },
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    limits::Limits,
};
use serde_json::Value;
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

/// The person on whose behalf frames are carried out.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) user: UserId,
    /// Their id in the host.
    pub(super) id: String,
}

/// Carries out a frame, within the limit of what the user has in progress.
pub(super) async fn run(
    (app, host): (&App, &dyn HostSide),
    route: &Route,
    me: &Person,
    action: &Action,
    frame: &Value,
) -> Result<Done, SocketError> {
    let _permit = app.host_requests.take(me.user).await.map_err(error_of)?;
    match action {
        Action::Send(send) => {
            let new = incoming::new_message(route.profile(), &route.path, &me.id, send, frame)?;
            let row = send_message((host, &app.config.limits), me, new, send.allow.as_ref()).await?;
            Ok(Done::Sent(Box::new(row)))
        }
        Action::MarkRead { message } => {
            let ids = incoming::message_ids(frame, message)?;
            for id in &ids {
                // The row of somebody else, or none, changes nothing, and the answer is the same.
                host.mark_read(me.user, *id).await.map_err(error_of)?;
            }
            Ok(Done::Read(ids.first().copied().filter(|_| ids.len() == 1)))
        }
        Action::CountUnread => host.unread_count(me.user).await.map(Done::Counted).map_err(error_of),
        Action::Answer => Ok(Done::Answered),
    }
}

async fn send_message(
    (host, limits): (&dyn HostSide, &Limits),
    me: &Person,
    NewMessage { target, text, subject }: NewMessage,
    rule: Option<&WriteRule>,
) -> Result<HostMessageRow, SocketError> {
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
    if !is_allowed(host, rule, &me.id, &target).await? {
        return Err(SocketError::NotAllowed);
    }
    host.send(NewHostMessage { sender: me.user, target, text, subject }).await.map_err(error_of)
}

async fn is_allowed(
    host: &dyn HostSide,
    rule: Option<&WriteRule>,
    sender: &str,
    target: &MessageTarget,
) -> Result<bool, SocketError> {
    match rule {
        Some(WriteRule::Anyone) => Ok(true),
        Some(WriteRule::Query(query)) => host.is_allowed(query, sender, target).await.map_err(error_of),
        None => {
            warn!("a message was refused: the profile has no rule about who may write to whom (`allow`)");
            Ok(false)
        }
    }
}

/// The codes of refusals that are not outages, by the error that the page is sent.
const REFUSALS: [(SocketError, &[Code]); 5] = [
    (SocketError::NotFound, &[Code::NotFound]),
    (SocketError::NotAllowed, &[Code::NotAllowed, Code::ContextClosed]),
    (SocketError::Empty, &[Code::TextEmpty]),
    (SocketError::TooLong, &[Code::TextTooLong, Code::TooLarge]),
    (SocketError::InvalidFrame, &[Code::TextControl, Code::InvalidField]),
];

/// Returns the error for a refusal.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn error_of(problem: Problem) -> SocketError {
    let refusal = REFUSALS.iter().find(|(_, codes)| codes.contains(&problem.code));
    refusal.map_or(SocketError::Unavailable, |(error, _)| *error)
}
