//! Reports of messages, as the moderators see them, and warnings, as the warned users see them.

use crate::{
    ids::{ConversationId, ReportId, Seq, UserId, Version},
    model::{ConversationKind, Message, User},
    reply::Changed,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a message was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    /// Unwanted advertising.
    Spam,
    /// Harassment of a person.
    Harassment,
    /// Hatred of a group of people.
    Hate,
    /// Violence, or a threat of it.
    Violence,
    /// Sexual content.
    Sexual,
    /// Fraud.
    Fraud,
    /// Something else, which the note says.
    Other,
}

/// Whether moderators still have to decide about a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Nobody has decided about it.
    Open,
    /// A moderator has decided about it. There is no copy of the message any more.
    Settled,
}

/// A report of a message, without the copies: what moderators know of it. Only users with `moderator` receive it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 4741, "version": 4741, "state": "open", "created_at": "2026-11-22T09:20:00.000Z", "sender": {"id": 9, "name": "Ben", "picture": null, "version": 12}, "conversation": 12, "conversation_kind": "direct", "title": null, "seq": 4, "text": "Pay first.", "reasons": [{"reporter": {"id": 7, "name": "Ada Lovelace", "picture": null, "version": 31}, "reason": "fraud", "note": "", "at": "2026-11-22T09:20:00.000Z"}], "reason_count": 1, "settled_at": null, "settled_by": null, "removed": false, "warned": false, "note": null}))]
pub struct Report {
    /// The version that created it.
    pub id: ReportId,
    /// The version of its last change: of two copies, the one with the higher version is current.
    pub version: Version,
    /// Open or settled.
    pub state: ReportState,
    /// When the message was first reported.
    pub created_at: String,
    /// The sender of the message.
    pub sender: User,
    /// The conversation of the message. A moderator who is no member cannot read it.
    pub conversation: ConversationId,
    /// Its kind.
    pub conversation_kind: ConversationKind,
    /// Its name, if it is a group, as it was then.
    pub title: Option<String>,
    /// The message.
    pub seq: Seq,
    /// The beginning of its text, as it was then; empty once the report is settled.
    pub text: String,
    /// Who reported it, and why: the newest 20, the newest first.
    pub reasons: Vec<ReportedBy>,
    /// How many users reported it.
    pub reason_count: u32,
    /// When it was settled.
    pub settled_at: Option<String>,
    /// The moderator who settled it.
    pub settled_by: Option<User>,
    /// Whether the message was removed.
    pub removed: bool,
    /// Whether the sender was warned.
    pub warned: bool,
    /// The note of the moderator who settled it, for moderators only.
    pub note: Option<String>,
}

/// Who reported a message, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportedBy {
    /// The user.
    pub reporter: User,
    /// Why.
    pub reason: ReportReason,
    /// In their own words; empty if they wrote nothing, and once the report is settled.
    pub note: String,
    /// When.
    pub at: String,
}

/// A copy of the reported message, or of one near it, as it was when the message was first reported, and as the first
/// reporter saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportCopy {
    /// The message. Of its attachments there are names, types and sizes, and no bytes.
    pub message: Message,
    /// Its sender, as they were then.
    pub sender: User,
    /// It is the reported message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
}

/// A warning of a moderator to the sender of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"report": 4741, "conversation": 12, "seq": 4, "at": "2026-11-22T09:30:00.000Z"}))]
pub struct Warning {
    /// The report that led to it.
    pub report: ReportId,
    /// The conversation of the message.
    pub conversation: ConversationId,
    /// The message.
    pub seq: Seq,
    /// When the moderator warned.
    pub at: String,
}

/// How many reports there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportCounts {
    /// The open ones.
    pub open: u32,
}

/// The answer to `message.report`. It has no id, which would tell whether somebody else reported the message before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reported {
    /// The user reported this message before, and the report is still open: nothing changed.
    pub duplicate: bool,
}

/// The answer to `report.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reports {
    /// Open ones: the oldest first. Settled ones: those settled last first.
    pub reports: Vec<Report>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// The answer to `report.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportAnswer {
    /// The report.
    pub report: Report,
    /// The copies, in the order of their `seq`; none once the report is settled.
    pub copies: Vec<ReportCopy>,
}

/// The answer to `report.settle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportSettled {
    /// The report as it is now.
    pub report: Report,
    /// The position of the change in the scope `user:…` of the moderator.
    #[serde(flatten)]
    pub change: Changed,
}

/// The evidence of a report as one file: everything that moderators see of it while it is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The edition of the server that wrote it.
    pub server: String,
    /// When it was written.
    pub exported_at: String,
    /// The user who asked for it; null for the operator.
    pub exported_by: Option<UserId>,
    /// The report.
    pub report: Report,
    /// The copies.
    pub copies: Vec<ReportCopy>,
    /// The SHA-256, in hexadecimal digits, of the rest as JSON in UTF-8 without spaces, the names of each object in the
    /// order of their code points.
    pub sha256: String,
}
