//! Rows read from their columns. Each column list is defined once, beside the function that reads it.

use super::{
    Result, StoreError, column,
    row::{Column, Row},
};
use crate::domain::{
    HostRowKey,
    blocking::Blocking,
    draft_row::DraftRow,
    report_row::{ReasonRow, ReportRow},
    rows::{
        ContextRow, ConversationRow, Counting, Details, FileRow, HostRowCopy, MemberRow, MessageRow, Named, Preview,
        UNREAD_MAX, UserRow,
    },
    settings_row::SettingsRow,
};
use parlor_protocol::{
    ids::{ConversationId, FileId, MessageId, ReportId, Seq, UserId, Version},
    model::{Context, ContextKey, User},
};

/// The columns of a user, from `users u`.
pub(super) const USER: &str = "u.id, u.external_id, u.login, u.name, u.password_hash, u.host_password, u.picture, u.disabled, u.profile_version, u.version, u.created_at, \
     u.receipts, u.presence, u.blocks_version, u.moderator, u.warnings_version";
/// The columns of a conversation, from `conversations c` and `contexts x`.
pub(super) const CONVERSATION: &str = "c.id, c.kind, c.direct_key, c.title, c.context_id, COALESCE(x.closed, 0), \
     c.created_by, c.client_id, c.fingerprint, c.created_at, c.version, c.activity, c.last_seq, c.last_message_id, \
     c.member_count, c.picture, c.uncounted_seq, c.history_from_max, c.blocking";
/// The number of columns of a conversation.
pub(super) const CONVERSATION_COLUMNS: usize = 19;
/// The columns of a member, from `members m`, `users u` and `context_roles r`.
pub(super) const MEMBER: &str = "u.id, u.name, u.picture, u.profile_version, u.disabled, u.receipts, m.role, \
     r.role, m.joined_version, m.history_from, m.read_seq, m.delivered_seq, m.sent_seq, m.has_left, m.version, \
     m.personal_version, m.read_at, m.hidden_seq, m.cleared_seq";
/// The columns of a user's settings of a conversation, from `members m` and `conversation_settings s`, which may lack the
/// row.
pub(super) const SETTINGS: &str = "s.pinned, s.archived_seq, s.muted_until, s.marked_unread, m.cleared_seq, s.version";
/// The first message that member `m` may see.
pub(super) const HISTORY_START: &str =
    "CASE WHEN m.cleared_seq >= m.history_from THEN m.cleared_seq + 1 ELSE m.history_from END";
/// The columns of a draft, from `drafts d`.
pub(super) const DRAFT: &str = "d.text, d.details, d.version";
/// The columns of a message, from `messages g`.
pub(super) const MESSAGE: &str = "g.id, g.conversation_id, g.seq, g.sender_id, g.client_id, g.fingerprint, g.text, g.created_at, g.details, \
     g.changed_version, g.uncounted";
/// The columns of a row of the host, from `host_rows h`.
pub(super) const HOST_ROW: &str = "h.table_name, h.row_id, h.conversation_id, h.seq, h.sender_id, h.recipient_id, \
     h.text_fingerprint, h.rest_fingerprint, h.is_read, h.hidden_by_sender, h.hidden_by_recipient";
/// The columns of a report, from `reports p`.
pub(super) const REPORT: &str = "p.id, p.version, p.conversation_id, p.kind, p.title, p.seq, p.sender_id, p.created_at, p.text, \
     p.reason_count, p.settled_at, p.settled_by, p.removed, p.warned, p.warning_unread, p.note";
/// The columns of a context, from `contexts x`.
pub(super) const CONTEXT: &str = "x.id, x.kind, x.external_id, x.title, x.detail, x.url, x.image, x.status, x.tone, \
     x.closed, x.version";

/// How many messages after a `seq` member `m` has not read, counted one by one up to `most`: messages of others that
/// are neither deleted, hidden by the member, nor system messages.
pub(super) fn unread_after(seq: &str, most: i64) -> String {
    format!("(SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {most}) AS counted)", counted_after(seq))
}

/// The messages after a `seq` that count as unread for member `m`.
fn counted_after(seq: &str) -> String {
    format!(
        "messages g WHERE g.conversation_id = m.conversation_id AND g.seq > {seq} \
         AND g.sender_id <> m.user_id AND g.uncounted = 0 AND NOT EXISTS (SELECT 1 FROM hidden_messages h \
         WHERE h.user_id = m.user_id AND h.conversation_id = m.conversation_id AND h.seq = g.seq)"
    )
}

/// The first `most` of these messages, by their `seq`, in any order, as a text that [`RowReader::ints`] reads.
pub(super) fn unread_seqs_after(seq: &str, most: usize) -> String {
    format!(
        "(SELECT string_agg(CAST(unread.seq AS TEXT), ',') FROM (SELECT g.seq FROM {} ORDER BY g.seq LIMIT {most}) \
         AS unread)",
        counted_after(seq)
    )
}

/// How many messages of conversation `c` member `m` has not read: a subtraction, unless the member's own, deleted,
/// hidden or system messages follow their read marker; then a count.
pub(super) fn unread() -> String {
    let count = unread_after("m.read_seq", UNREAD_MAX);
    format!(
        "CASE WHEN m.sent_seq <= m.read_seq AND c.uncounted_seq <= m.read_seq AND m.hidden_seq <= m.read_seq \
         THEN c.last_seq - m.read_seq ELSE {count} END"
    )
}

/// The newest message that mentions member `m`, of those that they may see; 0 if there is none.
pub(super) const NEWEST_MENTION: &str = "COALESCE((SELECT n.seq FROM mentions n WHERE n.user_id = m.user_id \
     AND n.conversation_id = m.conversation_id AND n.seq >= m.history_from AND n.seq > m.cleared_seq AND NOT EXISTS \
     (SELECT 1 FROM hidden_messages h WHERE h.user_id = n.user_id AND h.conversation_id = n.conversation_id \
     AND h.seq = n.seq) ORDER BY n.seq DESC LIMIT 1), 0)";

/// Whether neither of two users, given as SQL, has blocked the other.
pub(super) fn unblocked(one: &str, other: &str) -> String {
    let by = |user: &str, other: &str| {
        format!("NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = {user} AND b.blocked_id = {other})")
    };
    format!("{} AND {}", by(one, other), by(other, one))
}

/// The columns of a file, from `files f`.
pub(super) const FILE: &str = "f.id, f.owner, f.client_id, f.name, f.bytes, f.announced_bytes, f.received, f.state, \
     f.media_type, f.width, f.height, f.blur_hash, f.blob, f.has_preview, f.touched_at";

/// Reads a row's columns one after the other.
pub(super) struct RowReader<'row> {
    row: Row<'row>,
    next: usize,
}

impl<'row> RowReader<'row> {
    pub(super) fn new(row: Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn at(row: Row<'row>, next: usize) -> Self {
        Self { row, next }
    }

    fn take<T: Column>(&mut self) -> Result<T> {
        self.next += 1;
        column(self.row, self.next - 1)
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        self.take()
    }

    pub(super) fn optional_int(&mut self) -> Result<Option<i64>> {
        self.take()
    }

    pub(super) fn text(&mut self) -> Result<String> {
        self.take()
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>> {
        self.take()
    }

    /// Reads integers that are separated by commas; none if the column is NULL.
    pub(super) fn ints(&mut self) -> Result<Vec<i64>> {
        let text = self.optional_text()?.unwrap_or_default();
        let numbers = text.split(',').filter(|number| !number.is_empty()).map(str::parse);
        numbers.collect::<std::result::Result<_, _>>().map_err(|_| StoreError::Corrupt(format!("not numbers: {text}")))
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes: Vec<u8> = self.take()?;
        bytes.try_into().map_err(|_| StoreError::Corrupt(format!("expected {N} bytes")))
    }

    pub(super) fn named<T: Named>(&mut self) -> Result<T> {
        let name = self.text()?;
        T::named(&name).ok_or_else(|| StoreError::Corrupt(format!("{name:?} is not a known name")))
    }

    pub(super) fn user(&mut self) -> Result<UserRow> {
        Ok(UserRow {
            id: UserId(self.int()?),
            external_id: self.optional_text()?,
            login: self.text()?,
            name: self.text()?,
            password_hash: self.optional_text()?,
            host_password: self.optional_text()?,
            picture: self.optional_text()?,
            disabled: self.flag()?,
            profile_version: Version(self.int()?),
            version: Version(self.int()?),
            created_at: self.int()?,
            receipts: self.flag()?,
            presence: self.flag()?,
            blocks_version: Version(self.int()?),
            moderator: self.flag()?,
            warnings_version: Version(self.int()?),
        })
    }

    pub(super) fn conversation(&mut self) -> Result<ConversationRow> {
        Ok(ConversationRow {
            id: ConversationId(self.int()?),
            kind: self.named()?,
            direct_key: self.optional_text()?,
            title: self.optional_text()?,
            context_id: self.optional_int()?,
            context_closed: self.flag()?,
            created_by: UserId(self.int()?),
            client_id: self.text()?,
            fingerprint: self.bytes()?,
            created_at: self.int()?,
            version: Version(self.int()?),
            activity: Version(self.int()?),
            last_seq: Seq(self.int()?),
            last_message_id: self.optional_int()?.map(MessageId),
            member_count: u32::try_from(self.int()?).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            picture: self.optional_text()?,
            uncounted_seq: Seq(self.int()?),
            history_from_max: Seq(self.int()?),
            blocking: Blocking::numbered(self.int()?),
        })
    }

    pub(super) fn member(&mut self) -> Result<MemberRow> {
        let user = User {
            id: UserId(self.int()?),
            name: self.text()?,
            picture: self.optional_text()?.map(|id| format!("/v1/pictures/{id}")),
            version: Version(self.int()?),
        };
        Ok(MemberRow {
            user,
            disabled: self.flag()?,
            receipts: self.flag()?,
            role: self.named()?,
            context_role: self.optional_text()?,
            joined_version: Version(self.int()?),
            history_from: Seq(self.int()?),
            read_seq: Seq(self.int()?),
            delivered_seq: Seq(self.int()?),
            sent_seq: Seq(self.int()?),
            has_left: self.flag()?,
            version: Version(self.int()?),
            personal_version: Version(self.int()?),
            read_at: self.optional_int()?,
            hidden_seq: Seq(self.int()?),
            cleared_seq: Seq(self.int()?),
        })
    }

    /// Reads settings, which are the default if there is no row.
    pub(super) fn settings(&mut self) -> Result<SettingsRow> {
        Ok(SettingsRow {
            pinned: self.optional_int()? == Some(1),
            archived_seq: self.optional_int()?.filter(|seq| *seq >= 0).map(Seq),
            muted_until: self.optional_int()?.unwrap_or_default(),
            marked_unread: self.optional_int()? == Some(1),
            cleared_seq: Seq(self.int()?),
            version: Version(self.optional_int()?.unwrap_or_default()),
        })
    }

    pub(super) fn draft(&mut self) -> Result<DraftRow> {
        Ok(DraftRow { text: self.text()?, details: self.details()?, version: Version(self.int()?) })
    }

    pub(super) fn message(&mut self) -> Result<MessageRow> {
        Ok(MessageRow {
            id: MessageId(self.int()?),
            conversation: ConversationId(self.int()?),
            seq: Seq(self.int()?),
            sender: UserId(self.int()?),
            client_id: self.text()?,
            fingerprint: self.bytes()?,
            text: self.text()?,
            created_at: self.int()?,
            details: self.details()?,
            changed_version: self.optional_int()?.map(Version),
            is_read: self.int()? == Counting::Read as i64,
        })
    }

    pub(super) fn host_row(&mut self) -> Result<HostRowCopy> {
        Ok(HostRowCopy {
            key: HostRowKey { table: self.text()?, id: self.int()? },
            place: self.optional_int()?.map(ConversationId).zip(self.optional_int()?.map(Seq)),
            sender: UserId(self.int()?),
            recipient: UserId(self.int()?),
            text_fingerprint: self.bytes()?,
            rest_fingerprint: self.bytes()?,
            is_read: self.flag()?,
            hidden_by_sender: self.flag()?,
            hidden_by_recipient: self.flag()?,
        })
    }

    pub(super) fn file(&mut self) -> Result<FileRow> {
        Ok(FileRow {
            id: FileId(self.int()?),
            owner: UserId(self.int()?),
            client_id: self.text()?,
            name: self.text()?,
            bytes: self.count()?,
            announced_bytes: self.count()?,
            received: self.count()?,
            state: self.named()?,
            media_type: self.optional_text()?,
            size: self.side()?.zip(self.side()?),
            blur_hash: self.optional_text()?,
            blob: self.text()?,
            preview: Preview::numbered(self.int()?),
            touched_at: self.int()?,
        })
    }

    /// Reads a report without its reasons and copies.
    pub(super) fn report(&mut self) -> Result<ReportRow> {
        Ok(ReportRow {
            id: ReportId(self.int()?),
            version: Version(self.int()?),
            conversation: ConversationId(self.int()?),
            kind: self.named()?,
            title: self.optional_text()?,
            seq: Seq(self.int()?),
            sender: UserId(self.int()?),
            created_at: self.int()?,
            text: self.text()?,
            reason_count: u32::try_from(self.int()?).map_err(|error| StoreError::Corrupt(error.to_string()))?,
            settled_at: self.optional_int()?,
            settled_by: self.optional_int()?.map(UserId),
            removed: self.flag()?,
            warned: self.flag()?,
            warning_unread: self.flag()?,
            note: self.optional_text()?,
            reasons: Vec::new(),
            copies: None,
            edited: None,
        })
    }

    /// Reads who reported a message, and why: `reporter_id`, `reason`, `note`, `created_at`.
    pub(super) fn reason(&mut self) -> Result<ReasonRow> {
        Ok(ReasonRow {
            reporter: UserId(self.int()?),
            reason: self.named()?,
            note: self.text()?,
            created_at: self.int()?,
        })
    }

    fn count(&mut self) -> Result<u64> {
        u64::try_from(self.int()?).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    fn side(&mut self) -> Result<Option<u32>> {
        let side = self.optional_int()?.map(u32::try_from).transpose();
        side.map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    fn details(&mut self) -> Result<Details> {
        let Some(text) = self.optional_text()? else { return Ok(Details::default()) };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("a message's details: {error}")))
    }

    /// Reads a context without its roles.
    pub(super) fn context(&mut self) -> Result<ContextRow> {
        let id = self.int()?;
        let context = Context {
            key: ContextKey { kind: self.text()?, id: self.text()? },
            title: self.text()?,
            detail: self.optional_text()?,
            url: self.optional_text()?,
            image: self.optional_text()?,
            status: self.optional_text()?,
            tone: self.named()?,
            closed: self.flag()?,
        };
        Ok(ContextRow { id, context, roles: Vec::new(), version: Version(self.int()?) })
    }
}
