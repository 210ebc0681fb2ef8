//! The texts of frames that the server writes.

use parlor_protocol::{close::Close, error::Problem, event::Event, frame::ReplyFrame, reply::Answer};

/// The heartbeat, both ways.
pub(super) const HEARTBEAT: &[u8] = b"{}";

/// Encodes the reply to a command.
pub(super) fn reply(re: Option<i64>, result: &Result<Answer, Problem>) -> Vec<u8> {
    let frame = match result {
        Ok(answer) => ReplyFrame { re, answer: Some(answer), error: None },
        Err(problem) => ReplyFrame { re, answer: None, error: Some(problem) },
    };
    serde_json::to_vec(&frame).expect("a reply has string keys only")
}

/// Encodes an event for one connection.
pub(super) fn event(event: &Event) -> Vec<u8> {
    serde_json::to_vec(event).expect("an event has string keys only")
}

/// Returns the reason in the close frame. That of `restarting` says when to reconnect.
pub(super) fn reason(why: Close, retry_after_ms: u64) -> String {
    match why {
        Close::Restarting => format!(r#"{{"retry_after_ms":{retry_after_ms}}}"#),
        _ => why.name().to_owned(),
    }
}
