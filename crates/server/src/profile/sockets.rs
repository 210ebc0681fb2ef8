//! The old sockets of an application, as its profile declares them.

use serde::Deserialize;

/// One kind of socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketProfile {
    /// Its path, such as `/ws/messages/`.
    pub path: String,
}
