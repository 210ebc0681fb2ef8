//! The error codes, and their form on the wire: RFC 9457 problem details, on the socket too.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The default retry delay.
pub const RETRY_AFTER_MS: u64 = 1000;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $status:literal $retry:literal $title:literal;)+) => {
        /// A stable code. New ones may be added; these keep their names and meanings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
            /// A code that this version does not know, of a newer server: `status` and `retryable` of the problem say
            /// how to treat it. Never sent.
            #[serde(other)]
            Unlisted,
        }

        impl Code {
            /// Every code that the server sends.
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
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title,)+ Self::Unlisted => "An unknown error occurred." } }
        }
    };
}

codes! {
    /// Not JSON, or nested too deeply.
    InvalidJson "invalid_json" 400 false "The body is not the expected JSON.";
    /// A field is missing, unknown, of the wrong type or out of range.
    InvalidField "invalid_field" 400 false "A field is missing, unknown or invalid.";
    /// No command has this name.
    UnknownCommand "unknown_command" 400 false "This command does not exist.";
    /// The first command on a socket must be `session.resume`.
    NotResumed "not_resumed" 400 false "The first command on a socket must be session.resume.";
    /// A text is empty.
    TextEmpty "text_empty" 400 false "The text is empty.";
    /// A text exceeds its limit, which `limit` contains.
    TextTooLong "text_too_long" 400 false "The text is too long.";
    /// A text contains a control character other than newline and tab.
    TextControl "text_control" 400 false "The text contains control characters.";
    /// There is no session, or it ended.
    NotSignedIn "not_signed_in" 401 false "Sign in first.";
    /// The login or the password is wrong.
    WrongCredentials "wrong_credentials" 401 false "The login or the password is wrong.";
    /// The current password in a password change is wrong; the session continues.
    WrongPassword "wrong_password" 403 false "The current password is wrong.";
    /// The request's Origin is not allowed to use this server with a cookie.
    WrongOrigin "wrong_origin" 403 false "Requests from this site are not accepted.";
    /// The user does not have the permission.
    NotAllowed "not_allowed" 403 false "This is not allowed.";
    /// The user has blocked the other one.
    Blocked "blocked" 403 false "You have blocked this user.";
    /// Sign-up is disabled.
    SignUpOff "sign_up_off" 403 false "Only the operator creates users.";
    /// It does not exist, or the user is not a member.
    NotFound "not_found" 404 false "This does not exist.";
    /// The path does not support this method.
    MethodNotAllowed "method_not_allowed" 405 false "This path does not support the method.";
    /// The page belongs to another user than the session.
    WrongUser "wrong_user" 409 false "Another user is signed in.";
    /// The `client_id` was used for another command.
    Conflict "conflict" 409 false "This client_id was used for another command.";
    /// The `client_id` was cancelled.
    Cancelled "cancelled" 409 false "This client_id was cancelled.";
    /// The name is taken.
    NameTaken "name_taken" 409 false "The name is taken.";
    /// The time limit for changing this message has passed.
    TooLate "too_late" 409 false "It is too late to change this message.";
    /// The upload is incomplete, or still being processed.
    UploadUnfinished "upload_unfinished" 409 false "The upload is not complete.";
    /// The bytes do not start at the end of the upload so far; see `received` of the upload.
    WrongOffset "wrong_offset" 409 false "The upload continues at another offset.";
    /// The range of bytes is outside of the file.
    RangeNotSatisfiable "range_not_satisfiable" 416 false "The range is outside of the file.";
    /// The context is closed.
    ContextClosed "context_closed" 409 false "This is closed for new messages.";
    /// The user themselves has this role in the context.
    OwnRole "own_role" 409 false "You have this role yourself.";
    /// No user has this role in the context.
    RoleVacant "role_vacant" 409 false "No user has this role.";
    /// A limit on a number is reached; `limit` contains it.
    LimitReached "limit_reached" 409 false "The limit is reached.";
    /// The body or frame exceeds its limit, which `limit` contains.
    TooLarge "too_large" 413 false "The content is too large.";
    /// The body has the wrong media type.
    UnsupportedType "unsupported_type" 415 false "The body has the wrong media type.";
    /// The WebSocket version of the handshake is not 13.
    UnsupportedVersion "unsupported_version" 426 false "This WebSocket version is not supported.";
    /// Too many requests, or sign-in attempts; see `retry_after_ms`.
    TooMany "too_many" 429 true "Too many at once. Try again later.";
    /// The server failed; its log contains the request id.
    Internal "internal" 500 false "The server failed.";
    /// The database is unreachable or full. Nothing happened.
    Unavailable "unavailable" 503 true "The server cannot do this now.";
    /// It is unknown whether it happened: retry with the same `client_id`.
    Unknown "unknown" 503 true "It is unknown whether this happened. Retry.";
    /// The server is stopping.
    Draining "draining" 503 true "The server is stopping.";
    /// The request took too long to arrive.
    TimedOut "timed_out" 408 true "The request took too long to arrive.";
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
    /// The details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// When to retry, in milliseconds; present whenever `retryable` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The id of this request in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// Creates the problem of a code, without details. If it is retryable, it says when to retry.
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

    /// Adds details.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the limit that was exceeded.
    #[must_use]
    pub fn with_limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets when to retry, in milliseconds.
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
    fn a_code_of_a_newer_server_parses_as_unlisted() {
        let text = r#"{"type": "/errors/asleep", "title": "Asleep.", "status": 503, "code": "asleep", "retryable": true,
            "retry_after_ms": 5, "more": 1}"#;
        let problem: Problem = serde_json::from_str(text).expect("still a problem");
        assert_eq!((problem.code, problem.status, problem.retryable), (Code::Unlisted, 503, true));
        assert!(!Code::ALL.contains(&Code::Unlisted));
    }

    #[test]
    fn every_retryable_problem_says_when_to_retry() {
        for &code in Code::ALL {
            let problem = Problem::from(code);
            assert_eq!(problem.retry_after_ms.is_some(), problem.retryable, "{}", code.name());
        }
    }
}
