//! Close codes of the socket. After 4000 to 4499 a client reconnects and resumes, after 4500 to 4999 it does not. 1002
//! and 1007 are the standard's codes for clients that violate it.

/// The reason for closing a socket (RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The server stops or restarts; the reason says after how many milliseconds to reconnect.
    Restarting,
    /// The client reads too slowly: its queue is full.
    SlowReader,
    /// No frame arrived within the heartbeat timeout.
    Silent,
    /// The server failed.
    Failed,
    /// The client kept sending frames faster than the limit.
    TooFast,
    /// The socket has lived as long as the server lets sockets live.
    Expired,
    /// The session ended: signed out, revoked, or ended by a new password.
    SessionEnded,
    /// The user is disabled.
    Disabled,
    /// A binary frame without an upload.
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
    pub const ALL: [Self; 12] = [
        Self::Restarting,
        Self::SlowReader,
        Self::Silent,
        Self::Failed,
        Self::TooFast,
        Self::Expired,
        Self::SessionEnded,
        Self::Disabled,
        Self::Unsupported,
        Self::TooLarge,
        Self::ProtocolError,
        Self::NotUtf8,
    ];

    /// Returns the code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Restarting => 4000,
            Self::SlowReader => 4001,
            Self::Silent => 4002,
            Self::Failed => 4003,
            Self::TooFast => 4004,
            Self::Expired => 4005,
            Self::SessionEnded => 4500,
            Self::Disabled => 4501,
            Self::Unsupported => 4502,
            Self::TooLarge => 4503,
            Self::ProtocolError => 1002,
            Self::NotUtf8 => 1007,
        }
    }

    /// Returns the name used in metrics and in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restarting => "restarting",
            Self::SlowReader => "slow_reader",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::TooFast => "too_fast",
            Self::Expired => "expired",
            Self::SessionEnded => "session_ended",
            Self::Disabled => "disabled",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::ProtocolError => "protocol_error",
            Self::NotUtf8 => "not_utf8",
        }
    }
}
