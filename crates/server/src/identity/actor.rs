//! The signed-in user on whose behalf something is done.

use parlor_protocol::ids::{SessionId, UserId};

/// The user of a request or a connection, as its session says; never as a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}
