//! The old sockets of an application, as its profile declares them: paths, the frames that come and go, answers and
//! errors. Nothing about an application's protocol is code.

use super::{
    frame_template::{FieldPath, FrameTemplate, TemplateScope},
    path_template::PathTemplate,
    write_rule::WriteRule,
    write_view::WriteView,
};
use jiff::{fmt::strtime, tz::TimeZone};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// One kind of socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SocketFile")]
pub struct SocketProfile {
    /// Its path.
    pub path: PathTemplate,
    /// The part of the path that is the id of the context.
    pub context: Option<String>,
    /// The part of the path that is the id of the other user. With it the socket is about one conversation: it sends
    /// and receives nothing else.
    pub other: Option<String>,
    /// How times are written.
    pub time_format: TimeFormat,
    /// The zone in which they are written, if not the profile's.
    pub time_zone: Option<TimeZone>,
    /// What frames of the client mean. The first that fits counts.
    pub receive: Vec<ReceiveRule>,
    /// What becomes a frame to the client.
    pub send: Vec<SendRule>,
    /// How each attachment is written; none is the form of an attachment in the application's HTTP lists.
    pub attachment: Option<FrameTemplate>,
    /// How errors are sent.
    pub errors: ErrorFrames,
    /// The codes with which sockets are closed.
    pub close: CloseCodes,
}

/// The same, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketFile {
    path: PathTemplate,
    context: Option<String>,
    other: Option<String>,
    #[serde(default)]
    time_format: TimeFormat,
    #[serde(default, deserialize_with = "time_zone")]
    time_zone: Option<TimeZone>,
    #[serde(default)]
    receive: Vec<ReceiveRule>,
    #[serde(default)]
    send: Vec<SendRule>,
    attachment: Option<FrameTemplate>,
    #[serde(default)]
    errors: ErrorFrames,
    #[serde(default)]
    close: CloseCodes,
}

/// What a frame of the client means.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "ReceiveFile")]
pub struct ReceiveRule {
    /// The fields by which such frames are recognised, and their values.
    pub when: Vec<(FieldPath, serde_json::Value)>,
    /// What is done.
    pub action: Action,
    /// What is answered.
    pub answer: Option<FrameTemplate>,
}

/// What a frame of the client does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sends a message.
    Send(Box<SendAction>),
    /// Marks a message as read.
    MarkRead {
        /// The field with the id of its row, or with a list of ids.
        message: FieldPath,
    },
    /// Counts unread messages.
    CountUnread,
    /// Only answers.
    Answer,
}

/// The fields of a frame that sends a message.
#[derive(Clone, Debug, PartialEq)]
pub struct SendAction {
    /// The field with the text.
    pub text: FieldPath,
    /// The field with the subject.
    pub subject: Option<FieldPath>,
    /// The field with the id of the recipient. Where the path names the other user, it may be absent, and may name
    /// nobody else.
    pub recipient: Option<FieldPath>,
    /// The field with the id of the context, likewise.
    pub context: Option<FieldPath>,
    /// The field with the id of the sender. It may be absent, and may name only the signed-in user.
    pub sender: Option<FieldPath>,
    /// Who may write to whom. Without a rule nothing can be sent, unless a view of the host sends it.
    pub allow: Option<WriteRule>,
    /// The view of the host that sends the message; none if Parlor writes the row.
    pub view: Option<WriteView>,
}

impl SendAction {
    /// Returns whether the host is asked on behalf of the user, with the cookies of their page.
    #[must_use]
    pub fn needs_cookies(&self) -> bool {
        self.view.is_some() || self.allow == Some(WriteRule::Callback)
    }
}

/// How a message gets into the host's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WriteWay {
    Row,
    View,
}

/// An entry of `[[sockets.receive]]`, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiveFile {
    #[serde(default)]
    when: BTreeMap<String, serde_json::Value>,
    action: ActionName,
    text: Option<FieldPath>,
    subject: Option<FieldPath>,
    recipient: Option<FieldPath>,
    context: Option<FieldPath>,
    sender: Option<FieldPath>,
    message: Option<FieldPath>,
    allow: Option<WriteRule>,
    write: Option<WriteWay>,
    view: Option<WriteView>,
    answer: Option<FrameTemplate>,
}

/// The names of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionName {
    Send,
    MarkRead,
    CountUnread,
    Answer,
}

/// What becomes a frame to the client.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SendFile")]
pub struct SendRule {
    /// On what occasion.
    pub on: Occasion,
    /// To whose sockets.
    pub to: Vec<Side>,
    /// Whether a message is sent again when its attachments have changed.
    pub repeats: bool,
    /// The frame.
    pub frame: FrameTemplate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendFile {
    on: Occasion,
    to: Vec<Side>,
    #[serde(default)]
    repeats: bool,
    frame: FrameTemplate,
}

/// An occasion for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// There is a new message, whichever way it was sent.
    Message,
}

/// A side of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The user who wrote it.
    Sender,
    /// The user to whom it was written.
    Recipient,
}

/// How errors are sent. Where no frame is declared, the socket is closed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorFrames {
    /// The frame for a refused frame.
    pub frame: Option<FrameTemplate>,
    /// The frame for a text that is not JSON, if it differs.
    pub invalid_json: Option<FrameTemplate>,
    /// Whether a frame that no rule fits is an error. Otherwise it is ignored.
    #[serde(default)]
    pub unknown_frames: bool,
    /// Sentences to use instead of Parlor's, by the name of the error.
    #[serde(default)]
    pub texts: BTreeMap<SocketError, String>,
}

/// An error of an old socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketError {
    /// The text is not JSON.
    InvalidJson,
    /// No rule fits the frame.
    UnknownFrame,
    /// A field is absent or of the wrong type, or names somebody else.
    InvalidFrame,
    /// The text is empty.
    Empty,
    /// The text or the subject is too long.
    TooLong,
    /// There is no such user or context.
    NotFound,
    /// The host does not allow to write to this user.
    NotAllowed,
    /// The host's database or Parlor's store is not available.
    Unavailable,
}

impl SocketError {
    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::UnknownFrame => "unknown_frame",
            Self::InvalidFrame => "invalid_frame",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::NotFound => "not_found",
            Self::NotAllowed => "not_allowed",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns a sentence about it.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::InvalidJson => "Invalid JSON",
            Self::UnknownFrame => "Unknown message type",
            Self::InvalidFrame => "The message is not valid",
            Self::Empty => "The message is empty",
            Self::TooLong => "The message is too long",
            Self::NotFound => "Recipient not found",
            Self::NotAllowed => "You may not write to this person",
            Self::Unavailable => "Messages cannot be sent at the moment. Try again later",
        }
    }
}

/// The codes with which sockets are closed (RFC 6455, section 7.4.2). The defaults are the registered ones, which any
/// page can know.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloseCodes {
    /// The server stops or restarts.
    #[serde(deserialize_with = "close_code")]
    pub restarting: u16,
    /// The session has ended.
    #[serde(deserialize_with = "close_code")]
    pub session_ended: u16,
    /// A frame was refused, and there is no frame for errors.
    #[serde(deserialize_with = "close_code")]
    pub refused: u16,
    /// The host's database is not available, and there is no frame for errors.
    #[serde(deserialize_with = "close_code")]
    pub unavailable: u16,
}

impl Default for CloseCodes {
    fn default() -> Self {
        Self { restarting: 1012, session_ended: 1008, refused: 1008, unavailable: 1013 }
    }
}

/// How times are written: a format of `strftime`, or RFC 3339 without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeFormat(Option<String>);

impl TimeFormat {
    /// Writes a time, in milliseconds since 1970.
    #[must_use]
    pub fn write(&self, ms: i64, zone: &TimeZone) -> String {
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let Some(format) = &self.0 else { return format!("{time:.3}") };
        strtime::format(format, &time.to_zoned(zone.clone())).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for TimeFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let format = String::deserialize(deserializer)?;
        match strtime::format(&format, &jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)) {
            Ok(_) => Ok(Self(Some(format))),
            Err(error) => Err(de::Error::custom(format_args!("{format:?} is no time format: {error}"))),
        }
    }
}

impl SocketProfile {
    /// Returns whether the host is asked on behalf of users, with the cookies of their pages.
    #[must_use]
    pub fn needs_cookies(&self) -> bool {
        self.receive.iter().any(|rule| matches!(&rule.action, Action::Send(send) if send.needs_cookies()))
    }
}

impl TryFrom<SocketFile> for SocketProfile {
    type Error = String;

    fn try_from(file: SocketFile) -> Result<Self, String> {
        let SocketFile { path, context, other, time_format, time_zone, .. } = file;
        let SocketFile { receive, send, attachment, errors, close, .. } = file;
        for part in [&context, &other].into_iter().flatten() {
            if !path.has_part(part) {
                return Err(format!("the path {} has no part {{{part}}}", path.as_str()));
            }
        }
        if other.is_none() && context.is_some() {
            return Err("a path with a context names the other person, too".to_owned());
        }
        for rule in &receive {
            let needs_recipient = match &rule.action {
                Action::Send(send) => send.recipient.is_none(),
                Action::MarkRead { .. } | Action::CountUnread | Action::Answer => false,
            };
            if needs_recipient && other.is_none() {
                return Err("`recipient` is missing: the path does not name the other person".to_owned());
            }
        }
        if let Some(attachment) = &attachment {
            attachment.check(TemplateScope::Attachment)?;
        }
        for frame in errors.frame.iter().chain(&errors.invalid_json) {
            frame.check(TemplateScope::Error)?;
        }
        Ok(Self { path, context, other, time_format, time_zone, receive, send, attachment, errors, close })
    }
}

impl TryFrom<ReceiveFile> for ReceiveRule {
    type Error = String;

    fn try_from(file: ReceiveFile) -> Result<Self, String> {
        file.refuse_unused()?;
        let missing = |field: &str| format!("`{field}` is missing");
        let (action, scope) = match file.action {
            ActionName::Send => {
                let send = SendAction {
                    text: file.text.ok_or_else(|| missing("text"))?,
                    subject: file.subject,
                    recipient: file.recipient,
                    context: file.context,
                    sender: file.sender,
                    allow: file.allow,
                    view: match (file.write, file.view) {
                        (Some(WriteWay::View), None) => return Err(missing("view")),
                        (Some(WriteWay::View), view @ Some(_)) => view,
                        (_, None) => None,
                        (_, Some(_)) => return Err("`view` has no meaning without write = \"view\"".to_owned()),
                    },
                };
                (Action::Send(Box::new(send)), TemplateScope::SendAnswer)
            }
            ActionName::MarkRead => {
                let message = file.message.ok_or_else(|| missing("message"))?;
                (Action::MarkRead { message }, TemplateScope::ReadAnswer)
            }
            ActionName::CountUnread => (Action::CountUnread, TemplateScope::CountAnswer),
            ActionName::Answer => (Action::Answer, TemplateScope::Answer),
        };
        if let Some(answer) = &file.answer {
            answer.check(scope)?;
        } else if matches!(action, Action::CountUnread) {
            return Err(missing("answer"));
        }
        let when = file.when.into_iter().map(|(field, value)| Ok((field.parse()?, value)));
        let when = when.collect::<Result<_, String>>()?;
        Ok(Self { when, action, answer: file.answer })
    }
}

impl ReceiveFile {
    /// Refuses keys that the action does not use.
    fn refuse_unused(&self) -> Result<(), String> {
        use ActionName::{MarkRead, Send};
        let keys: [(&str, bool, &[ActionName]); 9] = [
            ("text", self.text.is_some(), &[Send]),
            ("subject", self.subject.is_some(), &[Send]),
            ("context", self.context.is_some(), &[Send]),
            ("sender", self.sender.is_some(), &[Send]),
            ("allow", self.allow.is_some(), &[Send]),
            ("write", self.write.is_some(), &[Send]),
            ("view", self.view.is_some(), &[Send]),
            ("recipient", self.recipient.is_some(), &[Send]),
            ("message", self.message.is_some(), &[MarkRead]),
        ];
        match keys.iter().find(|(_, is_there, actions)| *is_there && !actions.contains(&self.action)) {
            Some((key, ..)) => Err(format!("`{key}` has no meaning for this action")),
            None => Ok(()),
        }
    }
}

impl TryFrom<SendFile> for SendRule {
    type Error = String;

    fn try_from(SendFile { on, to, repeats, frame }: SendFile) -> Result<Self, String> {
        frame.check(match on {
            Occasion::Message => TemplateScope::Message,
        })?;
        if to.is_empty() {
            return Err("`to` names nobody".to_owned());
        }
        Ok(Self { on, to, repeats, frame })
    }
}

fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = |_| de::Error::custom(format_args!("{name:?} is no time zone of the IANA database"));
    TimeZone::get(&name).map(Some).map_err(unknown)
}

fn close_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
        code => Err(de::Error::custom(format_args!("{code} is no code that a server may close with"))),
    }
}

#[cfg(test)]
mod tests;
