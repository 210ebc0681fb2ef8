//! Reads the frames of the clients of an old socket, by its profile.

use crate::{
    host_side::MessageTarget,
    profile::{
        frame_template::FieldPath,
        path_template::PathParts,
        sockets::{ReceiveRule, SendAction, SocketError, SocketProfile},
    },
};
use serde_json::Value;

/// Characters of an id of the host, at most: more than any key has.
const ID_CHARS_MAX: usize = 64;
/// Messages that one frame can mark as read.
const READ_MAX: usize = 100;
/// What scripts send for an id that they do not have.
const ABSENT: [&str; 4] = ["", "null", "undefined", "None"];

/// A frame, and what it means.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) rule: &'a ReceiveRule,
    pub(super) frame: Value,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IncomingMessage {
    pub(super) target: MessageTarget,
    pub(super) text: String,
    pub(super) subject: Option<String>,
}

/// Reads a frame. None: no rule fits, and that is no error.
pub(super) fn parse<'a>(profile: &'a SocketProfile, text: &[u8]) -> Result<Option<Incoming<'a>>, SocketError> {
    let frame: Value = serde_json::from_slice(text).map_err(|_| SocketError::InvalidJson)?;
    if !frame.is_object() {
        return Err(SocketError::InvalidFrame);
    }
    let fits = |rule: &&ReceiveRule| rule.when.iter().all(|(field, value)| field.find(&frame) == Some(value));
    match profile.receive.iter().find(fits) {
        Some(rule) => Ok(Some(Incoming { rule, frame })),
        None if profile.errors.unknown_frames => Err(SocketError::UnknownFrame),
        None => Ok(None),
    }
}

/// Reads a message. Whatever the frame names, the path and the session decide.
pub(super) fn new_message(
    profile: &SocketProfile,
    path: &PathParts,
    me: &str,
    action: &SendAction,
    frame: &Value,
) -> Result<IncomingMessage, SocketError> {
    if optional_id(frame, action.sender.as_ref())?.is_some_and(|sender| sender != me) {
        return Err(SocketError::InvalidFrame);
    }
    let target = target(profile, path, action.recipient.as_ref(), action.context.as_ref(), frame)?;
    let text = optional_text(frame, &action.text)?.unwrap_or_default();
    let subject = action.subject.as_ref().map(|subject| optional_text(frame, subject));
    Ok(IncomingMessage { target, text, subject: subject.transpose()?.flatten() })
}

/// Reads whom a frame is for: the path's user and context, which the frame may only repeat, or those of the frame.
fn target(
    profile: &SocketProfile,
    path: &PathParts,
    recipient: Option<&FieldPath>,
    context: Option<&FieldPath>,
    frame: &Value,
) -> Result<MessageTarget, SocketError> {
    let one = |part: Option<&String>, field: Option<&FieldPath>| {
        let of_path = part.and_then(|part| path.get(part)).map(|part| canonical(part));
        match (of_path, optional_id(frame, field)?) {
            (Some(of_path), Some(of_frame)) if of_path != of_frame => Err(SocketError::InvalidFrame),
            (of_path, of_frame) => Ok(of_path.or(of_frame)),
        }
    };
    let recipient = one(profile.other.as_ref(), recipient)?.ok_or(SocketError::InvalidFrame)?;
    Ok(MessageTarget { recipient, context: one(profile.context.as_ref(), context)? })
}

/// Reads the ids of the messages that a frame marks as read.
pub(super) fn message_ids(frame: &Value, field: &FieldPath) -> Result<Vec<i64>, SocketError> {
    let one = |value: &Value| {
        let text = id_of(value)?.ok_or(SocketError::InvalidFrame)?;
        text.parse().map_err(|_| SocketError::InvalidFrame)
    };
    match field.find(frame) {
        Some(Value::Array(list)) if list.len() <= READ_MAX => list.iter().map(one).collect(),
        Some(value) => one(value).map(|id| vec![id]),
        None => Err(SocketError::InvalidFrame),
    }
}

fn optional_id(frame: &Value, field: Option<&FieldPath>) -> Result<Option<String>, SocketError> {
    field.and_then(|field| field.find(frame)).map_or(Ok(None), id_of)
}

/// An id is a number or a string, and a number has one spelling.
fn id_of(value: &Value) -> Result<Option<String>, SocketError> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Value::String(text) if ABSENT.contains(&text.trim()) => Ok(None),
        Value::String(text) if text.chars().count() <= ID_CHARS_MAX && !text.contains(char::is_control) => {
            Ok(Some(canonical(text.trim())))
        }
        _ => Err(SocketError::InvalidFrame),
    }
}

/// Returns an id as the host writes it: a number without zeros before it.
pub(super) fn canonical(id: &str) -> String {
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    match id.parse::<i64>() {
        Ok(number) if is_number => number.to_string(),
        _ => id.to_owned(),
    }
}

fn optional_text(frame: &Value, field: &FieldPath) -> Result<Option<String>, SocketError> {
    match field.find(frame) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(SocketError::InvalidFrame),
    }
}
