//! Changes: everything that changes what users see (I1). The edges make them; `commit` decides and writes them.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{host_user::HostUser, text};
use parlor_protocol::{
    ids::{ConversationId, FileId, ReportId, Seq, SessionId, UserId, Version},
    model::{Attachment, Context, ContextKey, Mention, Message, Role},
    params::{DraftUpdate, History, MessagePlace, NewReport, Open},
    reply::Answer,
};
use std::borrow::Cow;

/// A requested change. `actor` is the user that requests it, as the session says, never as a frame says.
#[derive(Clone, Debug)]
pub enum Change {
    /// Sends a message.
    Send { actor: UserId, conversation: ConversationId, client_id: String, content: Content },
    /// Saves what the actor is writing, unless their draft has changed since a version.
    SaveDraft { actor: UserId, conversation: ConversationId, draft: DraftUpdate },
    /// Sends the content of another message again.
    Forward { actor: UserId, conversation: ConversationId, client_id: String, from: MessagePlace },
    /// Changes the text with its mentions, or the subject, of the actor's own message; an absent field stays, and
    /// `Some(None)` removes the subject.
    Edit {
        actor: UserId,
        conversation: ConversationId,
        seq: Seq,
        text: Option<String>,
        mentions: Vec<Mention>,
        subject: Option<Option<String>>,
    },
    /// Deletes a message for everyone.
    Delete { actor: UserId, conversation: ConversationId, seq: Seq },
    /// Deletes a message for the actor alone.
    Hide { actor: UserId, conversation: ConversationId, seq: Seq },
    /// Adds the actor's reaction to a message, or removes it.
    React { actor: UserId, conversation: ConversationId, seq: Seq, emoji: String, on: bool },
    /// Cancels a `client_id`, unless it was used.
    Cancel { actor: UserId, client_id: String },
    /// Finds or opens a conversation.
    Open { actor: UserId, open: Open },
    /// Moves the actor's markers forward.
    Mark { actor: UserId, conversation: ConversationId, delivered: Seq, read: Seq },
    /// Changes how the actor keeps a conversation in their own list.
    UpdateSettings { actor: UserId, conversation: ConversationId, patch: SettingsPatch },
    /// Blocks a user for the actor, or ends that.
    SetBlocked { actor: UserId, user: UserId, on: bool },
    /// Reports a message to the moderators.
    Report { actor: UserId, report: NewReport },
    /// Settles a report. By a moderator.
    SettleReport { actor: UserId, report: ReportId, settlement: Settlement },
    /// Takes a warning from the list of those that the actor has not seen.
    ReadWarning { actor: UserId, report: ReportId },
    /// Makes a user a moderator, or ends that. By the operator.
    SetModerator { user: UserId, on: bool },
    /// Clears a conversation for the actor alone, up to a message.
    Clear { actor: UserId, conversation: ConversationId, seq: Seq },
    /// Adds users to a group.
    AddMembers { actor: UserId, conversation: ConversationId, users: Vec<UserId>, history: Option<History> },
    /// Changes the title or the picture of a group.
    UpdateConversation { actor: UserId, conversation: ConversationId, update: GroupUpdate },
    /// Changes the role of a member.
    UpdateMember { actor: UserId, conversation: ConversationId, user: UserId, role: Role },
    /// Removes a member from a group; the actor themselves leaves.
    RemoveMember { actor: UserId, conversation: ConversationId, user: UserId },
    /// Adds a user. By the operator, or by signing up.
    AddUser { login: String, name: String, password_hash: Option<String> },
    /// Changes a user's name, picture or settings.
    UpdateProfile { user: UserId, profile: ProfileUpdate },
    /// Sets a password and ends every session but one.
    SetPassword { user: UserId, password_hash: String, keep: Option<SessionId> },
    /// Ends sessions.
    EndSessions { user: UserId, which: Which },
    /// Disables a user and ends all their sessions, or enables them again.
    SetDisabled { user: UserId, disabled: bool },
    /// Changes a user's login name. By the operator.
    SetLogin { user: UserId, login: String },
    /// Deletes a user: they cannot sign in, and their name and picture are erased. Their messages stay for others.
    DeleteUser { user: UserId },
    /// Makes a user equal to the host's row about them; one that is new is added. By the host.
    PutUser(HostUser),
    /// Replaces a user's password hash by another one of the same password, unless it is no longer `from`.
    UpgradePassword { user: UserId, from: String, to: String },
    /// Adds or replaces a context with all its roles. By the operator or the host.
    PutContext { context: Context, roles: Vec<(UserId, String)> },
    /// Closes or reopens a context.
    CloseContext { key: ContextKey, closed: bool },
    /// Makes the store equal to a row of the host's message table. By the host.
    PutHostMessage(Box<HostMessage>),
    /// Removes the message of a row that the host no longer has. By the host.
    RemoveHostMessage { row: HostRowKey },
}

/// Identifies a row of the host's message table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostRowKey {
    pub table: String,
    pub id: i64,
}

/// A row of the host's message table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMessage {
    pub row: HostRowKey,
    pub sender: UserId,
    pub recipient: UserId,
    /// What it is about. The context exists.
    pub context: Option<ContextKey>,
    pub text: String,
    pub subject: Option<String>,
    /// In milliseconds since 1970, by the host's clock.
    pub created_at: i64,
    /// Whether the recipient has read it.
    pub is_read: bool,
    pub hidden_by_sender: bool,
    pub hidden_by_recipient: bool,
    /// Files that the host serves, with its own URLs: http, https or a path on the same origin.
    pub attachments: Vec<Attachment>,
    /// Finished uploads of the sender that a new message has instead of these.
    pub files: Option<Vec<FileId>>,
    /// The message that Parlor wrote this row for.
    pub sent_as: Option<(ConversationId, Seq)>,
}

/// What a moderator decides about a report.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Remove the message for everyone.
    pub remove: bool,
    /// Warn its sender.
    pub warn: bool,
    /// For moderators alone.
    pub note: String,
}

/// A change of how a group appears.
#[derive(Clone, Debug)]
pub enum GroupUpdate {
    /// Another title.
    Title(String),
    /// Another picture, by its id, or none.
    Picture(Option<String>),
}

/// A change of a user's profile and settings. An absent field stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileUpdate {
    pub name: Option<String>,
    /// `Some(None)` removes it.
    pub picture: Option<Option<String>>,
    pub receipts: Option<bool>,
    pub presence: Option<bool>,
}

impl ProfileUpdate {
    /// Changes the name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Changes or removes the picture.
    #[must_use]
    pub fn pictured(picture: Option<String>) -> Self {
        Self { picture: Some(picture), ..Self::default() }
    }

    /// Returns whether it changes what others see.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.name.is_some() || self.picture.is_some()
    }
}

/// A change of the settings of a conversation. An absent field stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsPatch {
    pub pinned: Option<bool>,
    /// `Some(None)` takes it out of the archive.
    pub archived_seq: Option<Option<Seq>>,
    /// As in `SettingsRow`.
    pub muted_until: Option<i64>,
    pub marked_unread: Option<bool>,
}

/// The content of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub text: String,
    pub mentions: Vec<Mention>,
    pub subject: Option<String>,
    pub reply_to: Option<Seq>,
    pub attachments: Vec<FileId>,
    /// The version of the sender's draft that this was.
    pub draft: Option<Version>,
}

impl Content {
    /// A text only.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Returns the content in the form in which it is stored, by which repeats are compared.
    #[must_use]
    pub fn kept(&self) -> Cow<'_, Self> {
        let is_blank = !self.attachments.is_empty() && self.text.trim().is_empty();
        let text = if is_blank { Cow::Borrowed("") } else { text::with_newlines(&self.text) };
        let subject = self.subject.as_deref().map(str::trim);
        if text == self.text && subject == self.subject.as_deref() {
            return Cow::Borrowed(self);
        }
        let (text, subject) = (text.into_owned(), subject.map(str::to_owned));
        Cow::Owned(Self { text, subject, ..self.clone() })
    }
}

/// Which sessions of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// Every one.
    All,
}

/// The outcome of a committed change.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are answers")]
pub enum Outcome {
    /// The answer to a command.
    Answer(Answer),
    /// The conversation was found or opened; the edge reads it from the store.
    Opened { conversation: ConversationId, found: bool },
    /// A user was added.
    UserAdded(UserId),
    /// A user is equal to the host's row.
    UserPut(UserId),
    /// The store equals a row of the host's message table.
    Mirrored(Mirrored),
    /// Another change was made.
    Done,
}

/// The message of a row of the host's message table.
#[derive(Clone, Debug)]
pub struct Mirrored {
    /// As everybody sees it who has not hidden it. None if the row is gone, or is a message to its own sender: that one
    /// has no conversation.
    pub message: Option<Box<Message>>,
    /// Whether the row was not known before.
    pub is_new: bool,
    /// Whether users see a change.
    pub changed: bool,
}

impl Change {
    /// Returns the user whose limit it counts against; none for changes by the operator.
    #[must_use]
    pub fn actor(&self) -> Option<UserId> {
        match self {
            Self::Send { actor, .. }
            | Self::SaveDraft { actor, .. }
            | Self::Forward { actor, .. }
            | Self::Edit { actor, .. }
            | Self::Delete { actor, .. }
            | Self::Hide { actor, .. }
            | Self::React { actor, .. }
            | Self::Cancel { actor, .. }
            | Self::Open { actor, .. }
            | Self::Mark { actor, .. }
            | Self::UpdateSettings { actor, .. }
            | Self::SetBlocked { actor, .. }
            | Self::Report { actor, .. }
            | Self::SettleReport { actor, .. }
            | Self::ReadWarning { actor, .. }
            | Self::Clear { actor, .. }
            | Self::UpdateConversation { actor, .. }
            | Self::UpdateMember { actor, .. }
            | Self::AddMembers { actor, .. }
            | Self::RemoveMember { actor, .. } => Some(*actor),
            Self::UpdateProfile { user, .. } | Self::SetPassword { user, .. } | Self::EndSessions { user, .. } => {
                Some(*user)
            }
            Self::AddUser { .. }
            | Self::SetDisabled { .. }
            | Self::SetModerator { .. }
            | Self::SetLogin { .. }
            | Self::DeleteUser { .. }
            | Self::PutUser(_)
            | Self::UpgradePassword { .. }
            | Self::PutContext { .. }
            | Self::CloseContext { .. }
            | Self::PutHostMessage(_)
            | Self::RemoveHostMessage { .. } => None,
        }
    }
}
