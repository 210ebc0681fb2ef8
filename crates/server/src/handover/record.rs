//! What is handed over about a held socket.

use crate::{host_pages::PageHeaders, identity::host_sessions::HostSessionRecord};
use bytes::BytesMut;
use parlor_protocol::ids::{SessionId, UserId};
use serde::{Deserialize, Serialize};

/// An old socket between two programs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketRecord {
    /// The path of the request that opened it, as it was sent.
    pub(crate) path: String,
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    /// The host's id of the user.
    pub(crate) external_id: String,
    /// With what the host is asked on the user's behalf, where the profile needs it.
    pub(crate) page: Option<PageHeaders>,
    /// Bytes that were received and not processed; half a frame, perhaps.
    #[serde(with = "base64_text")]
    pub(crate) input: BytesMut,
    /// Bytes that are not written; they may begin within a frame.
    #[serde(with = "base64_text")]
    pub(crate) output: BytesMut,
    /// Rows of the host that it has shown.
    pub(crate) shown: Vec<i64>,
    /// Rows that wait for it, as the mirror publishes them. They follow `output`.
    pub(crate) rows: Vec<String>,
    /// How the session is checked at the host; none for a session of Parlor's own.
    pub(crate) host_session: Option<HostSessionRecord>,
    /// For how much longer it may live, if not forever.
    pub(crate) life_left_ms: Option<u64>,
}

impl SocketRecord {
    /// Returns the text of which the state consists: a line.
    pub(crate) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Returns how many bytes it takes in the state, whatever it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.line().map_or(usize::MAX, |line| line.len())
    }
}

mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::BytesMut;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &BytesMut, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BytesMut, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        Ok(BytesMut::from(&bytes[..]))
    }
}
