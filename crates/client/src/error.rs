//! The error of a request or a command.

use parlor_protocol::error::{Code, Problem};

/// Why a request or a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused it.
    #[error("{}: {}", .0.code.name(), .0.detail.as_deref().unwrap_or(&.0.title))]
    Refused(Box<Problem>),
    /// The connection ended or was never established. It is unknown whether the command took effect.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// No answer came in time. It is unknown whether the command took effect.
    #[error("no answer in time")]
    TimedOut,
    /// The answer violates the protocol.
    #[error("unexpected answer: {0}")]
    Unreadable(String),
}

impl Error {
    /// Returns the code, if the server refused the request.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// Whether the command may have taken effect nevertheless.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Refused(problem) => matches!(problem.code, Code::Unknown | Code::Internal),
            Self::Interrupted(_) | Self::TimedOut | Self::Unreadable(_) => true,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}
