//! Why a request or a command brought no answer.

use parlor_protocol::error::{Code, Problem};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused it.
    #[error("{}: {}", .0.code.name(), .0.detail.as_deref().unwrap_or(&.0.title))]
    Refused(Box<Problem>),
    /// The connection ended or never came about: whether the command happened is not known.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// No answer came in time: whether the command happened is not known.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is not what the protocol says.
    #[error("not the answer that the protocol names: {0}")]
    Unreadable(String),
}

impl Error {
    /// The refusal's code, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// Whether the command may have happened all the same.
    #[must_use]
    pub fn leaves_unknown(&self) -> bool {
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
