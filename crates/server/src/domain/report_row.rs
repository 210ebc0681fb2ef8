//! Reports of messages, as rules and snapshots use them, and their form on the wire.
#![expect(missing_docs, reason = "the columns are described in the migrations")]

use super::rows::Named;
use crate::environment::rfc3339;
use parlor_protocol::{
    ids::{ConversationId, ReportId, Seq, UserId, Version},
    model::{ConversationKind, Message, User},
    report::{Report, ReportReason, ReportState, ReportedBy, Warning},
};

/// How many reporters of a report are shown: the newest.
pub const REASONS_SHOWN_MAX: usize = 20;
/// Open reports are counted up to here.
pub const OPEN_REPORTS_MAX: u32 = 10_000;

/// A report.
#[derive(Clone, Debug)]
pub struct ReportRow {
    pub id: ReportId,
    pub version: Version,
    pub conversation: ConversationId,
    pub kind: ConversationKind,
    pub title: Option<String>,
    pub seq: Seq,
    pub sender: UserId,
    pub created_at: i64,
    pub text: String,
    pub reason_count: u32,
    pub settled_at: Option<i64>,
    pub settled_by: Option<UserId>,
    pub removed: bool,
    pub warned: bool,
    pub warning_unread: bool,
    pub note: Option<String>,
    /// In their order; perhaps only the newest.
    pub reasons: Vec<ReasonRow>,
    /// Only of a new one.
    pub copies: Option<Vec<Message>>,
    /// Only of one that was just reported again.
    pub edited: Option<Message>,
}

/// A user who reported a message, and why.
#[derive(Clone, Debug)]
pub struct ReasonRow {
    pub reporter: UserId,
    pub reason: ReportReason,
    pub note: String,
    pub created_at: i64,
}

impl ReportRow {
    /// Returns its form on the wire. `shown` returns users as others see them.
    #[must_use]
    pub fn report(&self, shown: impl Fn(UserId) -> User) -> Report {
        let reasons = self.reasons.iter().rev().take(REASONS_SHOWN_MAX).map(|row| ReportedBy {
            reporter: shown(row.reporter),
            reason: row.reason,
            note: row.note.clone(),
            at: rfc3339(row.created_at),
        });
        Report {
            id: self.id,
            version: self.version,
            state: if self.settled_at.is_some() { ReportState::Settled } else { ReportState::Open },
            created_at: rfc3339(self.created_at),
            sender: shown(self.sender),
            conversation: self.conversation,
            conversation_kind: self.kind,
            title: self.title.clone(),
            seq: self.seq,
            text: self.text.clone(),
            reasons: reasons.collect(),
            reason_count: self.reason_count,
            settled_at: self.settled_at.map(rfc3339),
            settled_by: self.settled_by.map(&shown),
            removed: self.removed,
            warned: self.warned,
            note: self.note.clone(),
        }
    }

    /// Returns the users whom its form on the wire names.
    pub fn users(&self) -> impl Iterator<Item = UserId> {
        let reporters = self.reasons.iter().rev().take(REASONS_SHOWN_MAX).map(|row| row.reporter);
        reporters.chain([self.sender]).chain(self.settled_by)
    }

    /// Returns the warning that it led to, as its user sees it.
    #[must_use]
    pub fn warning(&self) -> Warning {
        Warning {
            report: self.id,
            conversation: self.conversation,
            seq: self.seq,
            at: rfc3339(self.settled_at.unwrap_or(self.created_at)),
        }
    }
}

impl Named for ReportReason {
    fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Harassment => "harassment",
            Self::Hate => "hate",
            Self::Violence => "violence",
            Self::Sexual => "sexual",
            Self::Fraud => "fraud",
            Self::Other => "other",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Spam, Self::Harassment, Self::Hate, Self::Violence, Self::Sexual, Self::Fraud, Self::Other];
        all.into_iter().find(|reason| reason.name() == name)
    }
}
