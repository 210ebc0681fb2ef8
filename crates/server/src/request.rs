//! What a command asks for: a change, a query, or something of the connection that it came on.
//!
//! Every command has its place in [`Request::of`]: a new one does not compile without one.

use crate::{
    domain::{
        Change, Content, GroupUpdate, ProfileUpdate, SettingsPatch, Settlement, settings_row::MUTED_FOR_GOOD, text,
    },
    queries::QueryRequest,
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, FileId, ReportId, Seq, UserId},
    limits::Limits,
    model::Mention,
    params::{DraftUpdate, History, MeUpdate, Open, SettingsUpdate},
};

/// A command, by what carries it out.
#[derive(Debug)]
pub(crate) enum Request {
    /// Something is to change, through `commit`.
    Change(Change),
    /// Something is to be read.
    Query(QueryRequest),
    /// What a connection follows, or that its user is typing.
    Subscription(SubscriptionRequest),
    /// Something that exists on a socket only.
    Connection(ConnectionRequest),
}

/// Sets what a connection follows and shows others. A socket carries these out in their order.
#[derive(Debug)]
pub(crate) enum SubscriptionRequest {
    /// `conversation.show`
    Show { conversations: Vec<ConversationId> },
    /// `presence.watch`
    WatchPresence { users: Vec<UserId> },
    /// `conversation.typing`
    SetTyping { conversation: ConversationId, typing: bool },
}

/// Concerns nothing but the socket that it came on.
#[derive(Debug)]
pub(crate) enum ConnectionRequest {
    /// `presence.set`
    SetPresence { idle: bool },
    /// `upload.begin`
    BeginUpload { client_id: String, name: String, bytes: u64 },
    /// `upload.end`
    EndUpload { upload: FileId },
    /// `upload.cancel`
    CancelUpload { upload: FileId },
}

impl Request {
    /// Sorts a command of this user.
    ///
    /// # Errors
    /// Whatever can be refused without reading the store.
    pub(crate) fn of(command: Command, actor: UserId, limits: &Limits) -> Result<Self, Problem> {
        Ok(match command {
            Command::Send { conversation, client_id, text, mentions, subject, reply_to, attachments, draft } => {
                let content = Content { text, mentions, subject, reply_to, attachments, draft };
                send(actor, conversation, client_id, content, limits)?
            }
            Command::SaveDraft { conversation, draft } => save_draft(actor, conversation, draft, limits)?,
            Command::Forward { conversation, client_id, from } => {
                Change::Forward { actor, conversation, client_id: checked(client_id, limits)?, from }.into()
            }
            Command::Cancel { client_id } => Change::Cancel { actor, client_id: checked(client_id, limits)? }.into(),
            Command::Edit { conversation, seq, text, mentions, subject } => {
                check_edit(text.as_deref(), &mentions, subject.is_some(), limits)?;
                Change::Edit { actor, conversation, seq, text, mentions, subject }.into()
            }
            Command::Delete { conversation, seq } => Change::Delete { actor, conversation, seq }.into(),
            Command::Hide { conversation, seq } => Change::Hide { actor, conversation, seq }.into(),
            Command::React { conversation, seq, emoji, on } => {
                Change::React { actor, conversation, seq, emoji, on }.into()
            }
            Command::Open(open) => open_conversation(actor, open, limits)?,
            Command::Mark { conversation, delivered, read } => mark(actor, conversation, delivered, read)?,
            Command::UpdateSettings { conversation, settings } => update_settings(actor, conversation, settings)?,
            Command::Block { user } => Change::SetBlocked { actor, user, on: true }.into(),
            Command::Unblock { user } => Change::SetBlocked { actor, user, on: false }.into(),
            Command::Report(report) => Change::Report { actor, report }.into(),
            Command::SettleReport { report, remove, warn, note } => settle(actor, report, remove, warn, note),
            Command::ReadWarning { report } => Change::ReadWarning { actor, report }.into(),
            Command::ListReports { state, after, limit } => QueryRequest::ListReports { state, after, limit }.into(),
            Command::GetReport { report } => QueryRequest::GetReport { report }.into(),
            Command::ClearConversation { conversation, seq } => Change::Clear { actor, conversation, seq }.into(),
            Command::AddMembers { conversation, users, history } => {
                add_members(actor, conversation, users, history, limits)?
            }
            Command::UpdateConversation { conversation, title } => rename(actor, conversation, title),
            Command::UpdateMember { conversation, user, role } => {
                Change::UpdateMember { actor, conversation, user, role }.into()
            }
            Command::RemoveMember { conversation, user } => Change::RemoveMember { actor, conversation, user }.into(),
            Command::UpdateMe(update) => update_me(actor, update)?,
            Command::Resume { user, cursor } => QueryRequest::Resume { user, cursor }.into(),
            Command::ListConversations { after, limit } => QueryRequest::ListConversations { after, limit }.into(),
            Command::GetConversation { conversation } => QueryRequest::GetConversation { conversation }.into(),
            Command::GetChanges { conversation, since } => QueryRequest::GetChanges { conversation, since }.into(),
            Command::ListMessages { conversation, before, after, around, limit } => {
                QueryRequest::ListMessages { conversation, before, after, around, limit }.into()
            }
            Command::ListReactions { conversation, seq, after, limit } => {
                QueryRequest::ListReactions { conversation, seq, after, limit }.into()
            }
            Command::GetMe { since } => QueryRequest::GetMe { since }.into(),
            Command::ListMembers { conversation, after, limit } => {
                QueryRequest::ListMembers { conversation, after, limit }.into()
            }
            Command::ListUsers { query, after, limit } => QueryRequest::ListUsers { query, after, limit }.into(),
            Command::ListBlocks { after, limit } => QueryRequest::ListBlocks { after, limit }.into(),
            Command::Search(search) => QueryRequest::Search(search).into(),
            Command::Show { conversations } => SubscriptionRequest::Show { conversations }.into(),
            Command::WatchPresence { users } => SubscriptionRequest::WatchPresence { users }.into(),
            Command::SetTyping { conversation, typing } => {
                SubscriptionRequest::SetTyping { conversation, typing }.into()
            }
            Command::SetPresence { idle } => ConnectionRequest::SetPresence { idle }.into(),
            Command::BeginUpload { client_id, name, bytes } => {
                ConnectionRequest::BeginUpload { client_id, name, bytes }.into()
            }
            Command::EndUpload { upload } => ConnectionRequest::EndUpload { upload }.into(),
            Command::CancelUpload { upload } => ConnectionRequest::CancelUpload { upload }.into(),
        })
    }
}

fn settle(actor: UserId, report: ReportId, remove: bool, warn: bool, note: String) -> Request {
    Change::SettleReport { actor, report, settlement: Settlement { remove, warn, note } }.into()
}

fn rename(actor: UserId, conversation: ConversationId, title: String) -> Request {
    Change::UpdateConversation { actor, conversation, update: GroupUpdate::Title(title) }.into()
}

fn update_settings(actor: UserId, conversation: ConversationId, settings: SettingsUpdate) -> Result<Request, Problem> {
    Ok(Change::UpdateSettings { actor, conversation, patch: settings_patch(settings)? }.into())
}

fn add_members(
    actor: UserId,
    conversation: ConversationId,
    users: Vec<UserId>,
    history: Option<History>,
    limits: &Limits,
) -> Result<Request, Problem> {
    check_count(&users, limits)?;
    Ok(Change::AddMembers { actor, conversation, users, history }.into())
}

fn send(
    actor: UserId,
    conversation: ConversationId,
    client_id: String,
    content: Content,
    limits: &Limits,
) -> Result<Request, Problem> {
    check_mentions(&content.mentions, limits)?;
    Ok(Change::Send { actor, conversation, client_id: checked(client_id, limits)?, content }.into())
}

fn save_draft(
    actor: UserId,
    conversation: ConversationId,
    draft: DraftUpdate,
    limits: &Limits,
) -> Result<Request, Problem> {
    check_mentions(&draft.mentions, limits)?;
    Ok(Change::SaveDraft { actor, conversation, draft }.into())
}

/// Checks that an edit changes something, and that its mentions have a text and are not too many.
fn check_edit(text: Option<&str>, mentions: &[Mention], has_subject: bool, limits: &Limits) -> Result<(), Problem> {
    match text {
        None if !has_subject => Err(expected("`text` or `subject`")),
        None if !mentions.is_empty() => Err(expected("`text` with `mentions`")),
        _ => check_mentions(mentions, limits),
    }
}

/// Checks a client id before it reaches the store: PostgreSQL takes no text with U+0000, and one of these among the
/// parameters would fail the whole batch.
fn checked(client_id: String, limits: &Limits) -> Result<String, Problem> {
    text::client_id(&client_id, limits.client_id_chars_max)?;
    Ok(client_id)
}

/// Checks the number of mentions before the users are loaded: as many as fit into a frame would slow the commits of
/// everybody.
fn check_mentions(mentions: &[Mention], limits: &Limits) -> Result<(), Problem> {
    let max = limits.message_mentions_max;
    if mentions.len() > max as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(max.into()));
    }
    Ok(())
}

fn check_count(users: &[UserId], limits: &Limits) -> Result<(), Problem> {
    let max = limits.page_rows_max;
    if users.len() > max as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(max.into()));
    }
    Ok(())
}

fn open_conversation(actor: UserId, open: Open, limits: &Limits) -> Result<Request, Problem> {
    let names = open.context.iter().flat_map(|key| [&key.kind, &key.id]).chain(&open.role);
    if names.into_iter().any(|name| name.contains(char::is_control)) {
        return Err(Problem::new(Code::InvalidField).with_detail("a name has control characters"));
    }
    text::client_id(&open.client_id, limits.client_id_chars_max)?;
    if let Some(group) = &open.group {
        check_count(&group.users, limits)?;
    }
    Ok(Change::Open { actor, open }.into())
}

fn mark(
    actor: UserId,
    conversation: ConversationId,
    delivered: Option<Seq>,
    read: Option<Seq>,
) -> Result<Request, Problem> {
    if delivered.is_none() && read.is_none() {
        return Err(expected("`delivered` or `read`"));
    }
    let [delivered, read] = [delivered, read].map(|seq| seq.unwrap_or(Seq(0)));
    Ok(Change::Mark { actor, conversation, delivered, read }.into())
}

fn update_me(user: UserId, MeUpdate { name, receipts, presence }: MeUpdate) -> Result<Request, Problem> {
    if name.is_none() && receipts.is_none() && presence.is_none() {
        return Err(expected("`name`, `receipts` or `presence`"));
    }
    Ok(Change::UpdateProfile { user, profile: ProfileUpdate { name, receipts, presence, picture: None } }.into())
}

fn settings_patch(update: SettingsUpdate) -> Result<SettingsPatch, Problem> {
    let SettingsUpdate { pinned, archived_seq, muted, muted_until, marked_unread } = update;
    let muted_until = match (muted, muted_until) {
        (Some(true), Some(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| expected("`muted_until`: a time (RFC 3339)"))?;
            // A time that is over is stored as one; 0 would mean that it is not muted.
            Some(time.as_millisecond().max(1))
        }
        (Some(true), None) => Some(MUTED_FOR_GOOD),
        (Some(false), None) => Some(0),
        (None, None) => None,
        (Some(false) | None, Some(_)) => return Err(expected("`muted`: true with `muted_until`")),
    };
    let patch = SettingsPatch { pinned, archived_seq, muted_until, marked_unread };
    if patch == SettingsPatch::default() {
        return Err(expected("`pinned`, `archived_seq`, `muted` or `marked_unread`"));
    }
    Ok(patch)
}

fn expected(fields: &str) -> Problem {
    Problem::new(Code::InvalidField).with_detail(format!("{fields} is expected"))
}

impl From<Change> for Request {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<QueryRequest> for Request {
    fn from(query: QueryRequest) -> Self {
        Self::Query(query)
    }
}

impl From<SubscriptionRequest> for Request {
    fn from(request: SubscriptionRequest) -> Self {
        Self::Subscription(request)
    }
}

impl From<ConnectionRequest> for Request {
    fn from(request: ConnectionRequest) -> Self {
        Self::Connection(request)
    }
}
