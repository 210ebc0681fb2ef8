//! Why a socket was closed. 4000 to 4499 mean "come back and resume", 4500 to 4999 "stay away". 1002 and 1007 are the
//! standard's own, for a client that does not keep to it.

/// A reason to close a socket, with its code (RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The server stops or restarts; the reason says after how many milliseconds to come back.
    Restarting,
    /// The reader was too slow: its queue is full.
    SlowReader,
    /// No frame came within the heartbeat's time.
    Silent,
    /// The server ends the connection for a fault of its own.
    Failed,
    /// Frames came faster than the limit for long.
    TooFast,
    /// The sign-in ended: signed out, revoked, or replaced by a new password.
    SessionEnded,
    /// The person is disabled.
    Disabled,
    /// A binary frame where no upload was begun.
    Unsupported,
    /// A frame over the limit.
    TooLarge,
    /// The frames are not those of a WebSocket.
    ProtocolError,
    /// Text that is not UTF-8.
    NotUtf8,
}

impl Close {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Restarting,
        Self::SlowReader,
        Self::Silent,
        Self::Failed,
        Self::TooFast,
        Self::SessionEnded,
        Self::Disabled,
        Self::Unsupported,
        Self::TooLarge,
        Self::ProtocolError,
        Self::NotUtf8,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Restarting => 4000,
            Self::SlowReader => 4001,
            Self::Silent => 4002,
            Self::Failed => 4003,
            Self::TooFast => 4004,
            Self::SessionEnded => 4500,
            Self::Disabled => 4501,
            Self::Unsupported => 4502,
            Self::TooLarge => 4503,
            Self::ProtocolError => 1002,
            Self::NotUtf8 => 1007,
        }
    }

    /// Its name, in metrics and in the book.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restarting => "restarting",
            Self::SlowReader => "slow_reader",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::TooFast => "too_fast",
            Self::SessionEnded => "session_ended",
            Self::Disabled => "disabled",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::ProtocolError => "protocol_error",
            Self::NotUtf8 => "not_utf8",
        }
    }
}
