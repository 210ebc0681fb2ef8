//! The row of a draft, and its form on the wire.

use super::rows::Details;
use parlor_protocol::{ids::Version, model::Draft};

/// A draft. One that was sent or deleted has no content, and keeps its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftRow {
    /// The text.
    pub text: String,
    /// Subject, mentions, and what it replies to.
    pub details: Details,
    /// The version of its last change.
    pub version: Version,
}

/// What all drafts of a user take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DraftSizes {
    /// Those that are not empty.
    pub count: i64,
    /// The characters of their texts.
    pub chars: i64,
}

impl DraftSizes {
    /// Returns them after a change of one draft.
    #[must_use]
    pub(super) fn changed(self, before: &DraftRow, after: &DraftRow) -> Self {
        Self {
            count: self.count + i64::from(before.is_empty()) - i64::from(after.is_empty()),
            chars: self.chars + after.chars() - before.chars(),
        }
    }
}

impl DraftRow {
    pub(super) fn chars(&self) -> i64 {
        i64::try_from(self.text.chars().count()).unwrap_or(i64::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.details == Details::default()
    }

    /// Returns whether words of it are gone if this text and this subject are what is left of it.
    pub(super) fn loses(&self, text: &str, subject: Option<&str>) -> bool {
        !text.starts_with(&self.text) || self.details.subject.as_deref().is_some_and(|before| subject != Some(before))
    }

    /// Returns its form on the wire.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let Details { subject, mentions, reply_to, .. } = self.details.clone();
        Draft { text: self.text.clone(), mentions, subject, reply_to, version: self.version }
    }
}
