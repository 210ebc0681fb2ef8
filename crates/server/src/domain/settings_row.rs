//! The row of a user's settings of a conversation, and its form on the wire.
#![expect(missing_docs, reason = "the columns are described in the migrations")]

use crate::environment::rfc3339;
use parlor_protocol::{
    ids::{Seq, Version},
    model::ConversationSettings,
};

/// How a user keeps a conversation in their own list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsRow {
    pub pinned: bool,
    /// It is archived while its newest message is not after this one, and while it is muted.
    pub archived_seq: Option<Seq>,
    /// In milliseconds since 1970; 0 if it is not muted, [`MUTED_FOR_GOOD`] for good.
    pub muted_until: i64,
    pub marked_unread: bool,
    /// As in the row of the member.
    pub cleared_seq: Seq,
    pub version: Version,
}

/// The value of `muted_until` that no time reaches.
pub const MUTED_FOR_GOOD: i64 = i64::MAX;

impl SettingsRow {
    /// Returns their form on the wire.
    #[must_use]
    pub fn settings(&self) -> ConversationSettings {
        ConversationSettings {
            pinned: self.pinned,
            archived_seq: self.archived_seq,
            muted: self.muted_until > 0,
            muted_until: (1..MUTED_FOR_GOOD).contains(&self.muted_until).then(|| rfc3339(self.muted_until)),
            marked_unread: self.marked_unread,
            cleared_seq: self.cleared_seq,
            version: self.version,
        }
    }
}
