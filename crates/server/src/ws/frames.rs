//! Text frames: reading commands, writing replies.

use crate::app::App;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use bytes::Bytes;
use parlor_protocol::{close::Close, error::Problem, event::Event, reply::Answer, reply::ReplyFrame};

/// The heartbeat, both ways.
pub(super) const HEARTBEAT: &str = "{}";

/// The reply to a command.
pub(super) fn reply(re: Option<i64>, result: &Result<Answer, Problem>) -> Message {
    let frame = match result {
        Ok(answer) => ReplyFrame { re, answer: Some(answer), error: None },
        Err(problem) => ReplyFrame { re, answer: None, error: Some(problem) },
    };
    Message::Text(serde_json::to_string(&frame).expect("a reply has string keys only").into())
}

/// An event, whose text many sockets share.
pub(super) fn event(text: Bytes) -> Option<Message> {
    Utf8Bytes::try_from(text).ok().map(Message::Text)
}

/// An event of this connection's own.
pub(super) fn told(event: &Event) -> Message {
    Message::Text(serde_json::to_string(event).expect("an event has string keys only").into())
}

/// The closing frame. `restarting` says when to come back.
pub(super) fn close(why: Close, retry_after_ms: u64) -> Message {
    let reason = match why {
        Close::Restarting => format!(r#"{{"retry_after_ms":{retry_after_ms}}}"#),
        _ => why.name().to_owned(),
    };
    Message::Close(Some(CloseFrame { code: why.code(), reason: reason.into() }))
}

/// A delay that differs for each connection.
pub(super) fn retry_after_ms(app: &App) -> u64 {
    let stop = &app.config.stop;
    stop.retry_after_min_ms + app.environment.jitter(stop.retry_after_max_ms.saturating_sub(stop.retry_after_min_ms))
}
