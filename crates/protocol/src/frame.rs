//! The text frames of the socket: commands from the client, replies from the server.

use crate::{
    command::Command,
    command_names,
    error::{Code, Problem},
    reply::Answer,
    strict_json,
};
use serde::{Deserialize, Serialize};

/// A command on the socket: `{"id": 1, "type": "message.send", …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandFrame {
    /// The number that the client gives it, from 0 to 2^53 − 1; the reply's `re` repeats it.
    pub id: i64,
    /// The command.
    #[serde(flatten)]
    pub command: Command,
}

/// A frame that is not a valid command, with the problem to reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFrame {
    /// The frame's `id`, if it has a valid one.
    pub re: Option<i64>,
    /// What is wrong with it.
    pub problem: Problem,
}

impl CommandFrame {
    /// Parses a text frame.
    ///
    /// # Errors
    /// The frame is not JSON, has no valid `id`, repeats a field, names no known command, or does not fit that command.
    pub fn parse(text: &str) -> Result<Self, InvalidFrame> {
        use serde_json::Value;
        let refuse =
            |re, code, detail: String| Err(InvalidFrame { re, problem: Problem::new(code).with_detail(detail) });
        let read = match strict_json::parse(text) {
            Ok(read) => read,
            Err(error) => return refuse(None, Code::InvalidJson, error.to_string()),
        };
        let Value::Object(mut object) = read.value else {
            return refuse(None, Code::InvalidJson, "an object is expected".to_owned());
        };
        let id = object.remove("id").filter(|_| !read.outer_duplicates.iter().any(|name| name == "id"));
        let id = id.as_ref().and_then(Value::as_i64).filter(|id| (0..=crate::ids::ID_MAX).contains(id));
        let Some(id) = id else {
            return refuse(None, Code::InvalidField, "`id`: one whole number from 0 on is expected".to_owned());
        };
        if let Some(name) = read.duplicate {
            return refuse(Some(id), Code::InvalidField, format!("duplicate field `{name}`"));
        }
        let Some(name) = object.get("type").and_then(Value::as_str) else {
            return refuse(Some(id), Code::InvalidField, "`type`: the name of a command is expected".to_owned());
        };
        if !command_names::NAMES.contains(&name) {
            return refuse(Some(id), Code::UnknownCommand, "this server knows no command of that name".to_owned());
        }
        match Command::deserialize(Value::Object(object)) {
            Ok(command) => Ok(Self { id, command }),
            Err(error) => refuse(Some(id), Code::InvalidField, error.to_string()),
        }
    }

    /// Formats the command as a text frame.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("commands have string keys only")
    }
}

/// A reply on the socket: `{"re": 1, …}` with the answer's fields beside `re`, or with `error`.
/// `re` is null when no `id` could be read.
#[derive(Clone, Debug, Serialize)]
pub struct ReplyFrame<'a> {
    /// The command's `id`.
    pub re: Option<i64>,
    /// The answer.
    #[serde(flatten)]
    pub answer: Option<&'a Answer>,
    /// The error, instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a Problem>,
}
