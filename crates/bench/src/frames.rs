//! Writes the few commands and reads the few fields that are needed, without intermediate JSON values.
//!
//! A message's text starts with its send time, so that every receiver can compute the latency.

use crate::{Result, websocket};
use parlor_protocol::{
    cursor::Cursor,
    ids::{ConversationId, UserId},
};
use std::{
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The size of a message's text.
const TEXT_BYTES: usize = 128;
/// Digits of the send time.
const TIME_DIGITS: usize = 20;
/// The first timestamp of client ids; any day would do.
const DAY_MS: u128 = 0x0192_f0c1_0000;

/// Client ids issued by all clocks of this program, so that none repeats.
static IDS: AtomicU64 = AtomicU64::new(0);

/// Measures the time since its creation, and creates ids that start with it.
pub(crate) struct Clock {
    began: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now() }
    }

    fn nanoseconds(&self) -> u128 {
        self.began.elapsed().as_nanos()
    }

    /// Returns how long ago a message was sent.
    pub(crate) fn since(&self, sent_ns: u64) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_nanos(sent_ns))
    }

    /// A UUID of version 7, as clients create them.
    pub(crate) fn client_id(&self) -> String {
        let count = IDS.fetch_add(1, Ordering::Relaxed);
        let ms = DAY_MS + self.began.elapsed().as_millis();
        format!("{:08x}-{:04x}-7000-8000-{count:012x}", ms >> 16, ms & 0xffff)
    }
}

/// `session.resume`
pub(crate) fn resume(out: &mut Vec<u8>, user: UserId, cursor: Option<Cursor>) {
    let cursor = cursor.map(|cursor| format!(r#","cursor":"{cursor}""#)).unwrap_or_default();
    websocket::put_text(out, format!(r#"{{"id":0,"type":"session.resume","user":{user}{cursor}}}"#).as_bytes());
}

/// `conversation.show`
pub(crate) fn show(out: &mut Vec<u8>, conversation: ConversationId) {
    websocket::put_text(
        out,
        format!(r#"{{"id":1,"type":"conversation.show","conversations":[{conversation}]}}"#).as_bytes(),
    );
}

/// `message.send`
pub(crate) fn send(out: &mut Vec<u8>, conversation: ConversationId, clock: &Clock) {
    let mut text = Vec::with_capacity(320);
    let (client_id, now) = (clock.client_id(), clock.nanoseconds());
    write!(
        text,
        r#"{{"id":2,"type":"message.send","conversation":{conversation},"client_id":"{client_id}","text":"{now:020}{:x<108}"}}"#,
        ""
    )
    .expect("memory takes it");
    websocket::put_text(out, &text);
}

/// `message.send` of a text that needs no JSON escapes.
pub(crate) fn send_text(out: &mut Vec<u8>, conversation: ConversationId, clock: &Clock, text: &str) {
    let client_id = clock.client_id();
    let command = format!(
        r#"{{"id":2,"type":"message.send","conversation":{conversation},"client_id":"{client_id}","text":"{text}"}}"#
    );
    websocket::put_text(out, command.as_bytes());
}

/// `conversation.mark`, received and read.
pub(crate) fn mark(out: &mut Vec<u8>, conversation: ConversationId, seq: u64) {
    let text = format!(
        r#"{{"id":3,"type":"conversation.mark","conversation":{conversation},"delivered":{seq},"read":{seq}}}"#
    );
    websocket::put_text(out, text.as_bytes());
}

/// `{}`
pub(crate) fn heartbeat(out: &mut Vec<u8>) {
    websocket::put_text(out, b"{}");
}

/// The kinds of server frames that matter here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerFrame {
    Heartbeat,
    /// The reply to the command with this `id`.
    Reply(u64),
    Message,
    /// Any other event.
    Other,
}

/// Classifies a frame; a refusal is an error.
pub(crate) fn sort(frame: &[u8]) -> Result<ServerFrame> {
    if let Some(rest) = frame.strip_prefix(br#"{"re":"#) {
        let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        if rest[comma..].starts_with(br#","error""#) {
            return Err(format!("the server refused a command: {}", String::from_utf8_lossy(frame)));
        }
        return Ok(ServerFrame::Reply(number(&rest[..comma])));
    }
    if frame.starts_with(br#"{"type":"message.created""#) {
        return Ok(ServerFrame::Message);
    }
    Ok(if frame == b"{}" { ServerFrame::Heartbeat } else { ServerFrame::Other })
}

/// Reads a message's `seq` and send time.
pub(crate) fn message(frame: &[u8]) -> Result<(u64, u64)> {
    let after = |name: &[u8]| websocket::find(frame, name).map(|at| &frame[at + name.len()..]);
    let (Some(seq), Some(text)) = (after(br#""seq":"#), after(br#""text":""#)) else {
        return Err(format!("an event without a message: {}", String::from_utf8_lossy(frame)));
    };
    Ok((number(seq), number(&text[..TIME_DIGITS.min(text.len())])))
}

/// Reads the number at the start.
fn number(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

const _: () = assert!(TEXT_BYTES == TIME_DIGITS + 108);

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::command::Command;
    use parlor_protocol::frame::CommandFrame;

    fn text(put: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        let head = if out[1] == 0xfe { 8 } else { 6 };
        String::from_utf8(out.split_off(head)).unwrap()
    }

    #[test]
    fn commands_are_those_of_the_protocol() {
        let clock = Clock::new();
        let conversation = ConversationId(12);
        let sent = CommandFrame::parse(&text(|out| send(out, conversation, &clock))).unwrap();
        let Command::Send { text: body, client_id, .. } = sent.command else { panic!("not a send") };
        assert_eq!((body.len(), client_id.len(), sent.id), (TEXT_BYTES, 36, 2));
        for other in [
            text(|out| resume(out, UserId(7), Some("81.9".parse().unwrap()))),
            text(|out| resume(out, UserId(7), None)),
            text(|out| show(out, conversation)),
            text(|out| send_text(out, conversation, &clock, "傘 and tram")),
            text(|out| mark(out, conversation, 3)),
        ] {
            assert!(CommandFrame::parse(&other).is_ok(), "{other}");
        }
    }

    #[test]
    fn server_frames_are_classified() {
        assert_eq!(sort(b"{}"), Ok(ServerFrame::Heartbeat));
        assert_eq!(sort(br#"{"re":12,"version":3}"#), Ok(ServerFrame::Reply(12)));
        assert!(sort(br#"{"re":12,"error":{}}"#).is_err());
        let event = br#"{"type":"message.created","message":{"seq":41,"text":"00000000000000000123xxx"}}"#;
        assert_eq!(sort(event), Ok(ServerFrame::Message));
        assert_eq!(message(event), Ok((41, 123)));
        assert_eq!(sort(br#"{"type":"member.updated"}"#), Ok(ServerFrame::Other));
    }
}
