//! The one table of errors, and their form on the wire: RFC 9457 problem details, on the socket too.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When to try again what may succeed later, where nothing better is known.
pub const RETRY_AFTER_MS: u64 = 1000;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:literal $retry:literal $title:literal;)+) => {
        /// A stable code. New ones may come; these keep their names and meanings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
            /// One that this version does not know, of a newer server: `status` and `retryable` of the problem say what
            /// to make of it. Never sent.
            #[serde(other)]
            Unlisted,
        }

        impl Code {
            /// Every code that is sent.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)+ Self::Unlisted => "unlisted" } }
            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)+ Self::Unlisted => 500 } }
            /// Whether the same request may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool { match self { $(Self::$variant => $retry,)+ Self::Unlisted => false } }
            /// One sentence for people.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title,)+ Self::Unlisted => "Something else is wrong." } }
        }
    };
}

codes! {
    /// Not JSON, or nested too deep.
    InvalidJson "invalid_json" 400 false "The body is not the JSON that is expected.";
    /// A field is missing, unknown, of another type or out of its range.
    InvalidField "invalid_field" 400 false "A field is missing, unknown or not of its form.";
    /// No command has this name.
    UnknownCommand "unknown_command" 400 false "There is no such command.";
    /// The first command on a socket must be `session.resume`.
    NotResumed "not_resumed" 400 false "The first command on a socket is session.resume.";
    /// A text is empty.
    TextEmpty "text_empty" 400 false "The text is empty.";
    /// A text is longer than its limit, which `limit` names.
    TextTooLong "text_too_long" 400 false "The text is too long.";
    /// A text has a control character other than newline and tab.
    TextControl "text_control" 400 false "The text has control characters.";
    /// No session, or one that ended.
    NotSignedIn "not_signed_in" 401 false "Sign in first.";
    /// Name or password is wrong.
    WrongCredentials "wrong_credentials" 401 false "Name or password is not right.";
    /// The current password that came with a change of it is wrong; the session lives on.
    WrongPassword "wrong_password" 403 false "The current password is not right.";
    /// The request's Origin is not allowed to use this server with a cookie.
    WrongOrigin "wrong_origin" 403 false "Requests from this site are not accepted.";
    /// The rules do not allow it to this person.
    NotAllowed "not_allowed" 403 false "This is not allowed.";
    /// People cannot sign up here.
    SignUpOff "sign_up_off" 403 false "Accounts are made by the operator.";
    /// It does not exist, or the asker is not in it.
    NotFound "not_found" 404 false "There is no such thing here.";
    /// The path does not take this method.
    MethodNotAllowed "method_not_allowed" 405 false "The method is not one of this path.";
    /// The page belongs to another person than the session.
    WrongUser "wrong_user" 409 false "Another person is signed in.";
    /// The `client_id` was used for something else.
    Conflict "conflict" 409 false "This client_id was used for something else.";
    /// The `client_id` was cancelled.
    Cancelled "cancelled" 409 false "This client_id was cancelled.";
    /// The name is taken.
    NameTaken "name_taken" 409 false "The name is taken.";
    /// The time in which this message can be changed is over.
    TooLate "too_late" 409 false "It is too late to change this message.";
    /// The file was not sent to its end, or is still looked at.
    UploadUnfinished "upload_unfinished" 409 false "The file is not there to its end.";
    /// The bytes do not begin where the file ends so far; `received` of the upload says where.
    WrongOffset "wrong_offset" 409 false "The file goes on at another place.";
    /// The range of bytes lies outside the file.
    RangeNotSatisfiable "range_not_satisfiable" 416 false "The file has no such part.";
    /// The context is closed.
    ContextClosed "context_closed" 409 false "Nothing more is written about this.";
    /// The one who has this role in the context is the asker.
    OwnRole "own_role" 409 false "You are that person yourself.";
    /// Nobody has this role in the context.
    RoleVacant "role_vacant" 409 false "Nobody has this role.";
    /// A limit on how many there may be is reached; `limit` names it.
    LimitReached "limit_reached" 409 false "There are as many as there may be.";
    /// The body or frame is over its limit, which `limit` names.
    TooLarge "too_large" 413 false "That is too large.";
    /// The body is not of the type that is expected.
    UnsupportedType "unsupported_type" 415 false "The body is not of the type that is expected.";
    /// The handshake of a socket is of another version than 13.
    UnsupportedVersion "unsupported_version" 426 false "Sockets of this version are not spoken here.";
    /// Too many requests, or attempts to sign in; see `retry_after_ms`.
    TooMany "too_many" 429 true "Too many at once. Try again later.";
    /// A fault of the server's own; its log has the request id.
    Internal "internal" 500 false "The server failed.";
    /// The store cannot be reached or is full. Nothing happened.
    Unavailable "unavailable" 503 true "The server cannot do this now.";
    /// It is not known whether it happened: ask again with the same `client_id`.
    Unknown "unknown" 503 true "It is not known whether this happened. Ask again.";
    /// The server is stopping.
    Draining "draining" 503 true "The server is stopping.";
    /// The request took too long to come.
    TimedOut "timed_out" 408 true "The request took too long to come.";
}

/// Problem details (RFC 9457) with Parlor's own members; on the socket the value of `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "/errors/text_too_long", "title": "The text is too long.", "status": 400, "code": "text_too_long", "retryable": false, "limit": 10000}))]
pub struct Problem {
    /// The page of the code, on this server.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: Code,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What exactly was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The limit that was passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// When to try again, in milliseconds; there whenever `retryable` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The name of this request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// The problem of a code, without details. If it may succeed later, it says when to try again.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            kind: format!("/errors/{}", code.name()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            retryable: code.retryable(),
            detail: None,
            limit: None,
            retry_after_ms: code.retryable().then_some(RETRY_AFTER_MS),
            request_id: None,
        }
    }

    /// Says what exactly was wrong.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names the limit that was passed.
    #[must_use]
    pub fn with_limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Says when to try again, in milliseconds.
    #[must_use]
    pub fn with_retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_newer_server_reads_as_one_that_is_not_listed() {
        let text = r#"{"type": "/errors/asleep", "title": "Asleep.", "status": 503, "code": "asleep", "retryable": true,
            "retry_after_ms": 5, "more": 1}"#;
        let problem: Problem = serde_json::from_str(text).expect("still a problem");
        assert_eq!((problem.code, problem.status, problem.retryable), (Code::Unlisted, 503, true));
        assert!(!Code::ALL.contains(&Code::Unlisted));
    }

    #[test]
    fn whatever_may_be_tried_again_says_when() {
        for &code in Code::ALL {
            let problem = Problem::from(code);
            assert_eq!(problem.retry_after_ms.is_some(), problem.retryable, "{}", code.name());
        }
    }
}
