//! Everything that changes what people see (I1). The edges make these; `commit` decides and writes them.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::text;
use parlor_protocol::{
    ids::{ConversationId, FileId, Seq, SessionId, UserId},
    model::{Context, ContextKey, Role},
    params::{History, MessagePlace, Open},
    reply::Answer,
};
use std::borrow::Cow;

/// One change, asked for. Who asks is `actor`; identity comes from the session, never from a frame.
#[derive(Clone, Debug)]
pub enum Change {
    /// Sends a message.
    Send { actor: UserId, conversation: ConversationId, client_id: String, content: Content },
    /// Sends again what another message says and carries.
    Forward { actor: UserId, conversation: ConversationId, client_id: String, from: MessagePlace },
    /// Changes the text or the subject of one's own message; what is absent stays, and `Some(None)` removes the subject.
    Edit {
        actor: UserId,
        conversation: ConversationId,
        seq: Seq,
        text: Option<String>,
        subject: Option<Option<String>>,
    },
    /// Deletes a message for everyone.
    Delete { actor: UserId, conversation: ConversationId, seq: Seq },
    /// Deletes a message for the actor alone.
    Hide { actor: UserId, conversation: ConversationId, seq: Seq },
    /// Puts the actor's reaction under a message, or takes it away.
    React { actor: UserId, conversation: ConversationId, seq: Seq, emoji: String, on: bool },
    /// Burns a `client_id`, unless it was used.
    Cancel { actor: UserId, client_id: String },
    /// Finds or opens a conversation.
    Open { actor: UserId, open: Open },
    /// Moves the actor's markers forward.
    Mark { actor: UserId, conversation: ConversationId, delivered: Seq, read: Seq },
    /// Adds people to a group.
    AddMembers { actor: UserId, conversation: ConversationId, users: Vec<UserId>, history: Option<History> },
    /// Names a group, or gives it another picture.
    UpdateConversation { actor: UserId, conversation: ConversationId, update: GroupUpdate },
    /// Gives a member another role.
    UpdateMember { actor: UserId, conversation: ConversationId, user: UserId, role: Role },
    /// Removes a person from a group, or leaves it.
    RemoveMember { actor: UserId, conversation: ConversationId, user: UserId },
    /// Makes an account. By the operator, or by signing up.
    AddUser { login: String, name: String, password_hash: Option<String> },
    /// Changes a person's name, picture or settings.
    UpdateProfile { user: UserId, profile: Profile },
    /// Sets a password and ends every session but one.
    SetPassword { user: UserId, password_hash: String, keep: Option<SessionId> },
    /// Ends sessions.
    EndSessions { user: UserId, which: Which },
    /// Disables a person, ending every session, or enables again.
    SetDisabled { user: UserId, disabled: bool },
    /// Gives a person another name to sign in with. By the operator.
    SetLogin { user: UserId, login: String },
    /// Deletes an account: it signs in no more, and its name and picture are erased. What it wrote stays for others.
    DeleteUser { user: UserId },
    /// Makes or replaces a context with all its roles. By the operator or the host.
    PutContext { context: Context, roles: Vec<(UserId, String)> },
    /// Closes or reopens a context.
    CloseContext { key: ContextKey, closed: bool },
}

/// A change of how a group appears.
#[derive(Clone, Debug)]
pub enum GroupUpdate {
    /// Another title.
    Title(String),
    /// Another picture, by its id, or none.
    Picture(Option<String>),
}

/// What to change of a person; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: Option<String>,
    /// `Some(None)` removes it.
    pub picture: Option<Option<String>>,
    pub receipts: Option<bool>,
    pub presence: Option<bool>,
}

impl Profile {
    /// Another name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Another picture, or none.
    #[must_use]
    pub fn pictured(picture: Option<String>) -> Self {
        Self { picture: Some(picture), ..Self::default() }
    }

    /// Whether others are shown something else than before.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.name.is_some() || self.picture.is_some()
    }
}

/// What a message says and carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub text: String,
    pub subject: Option<String>,
    pub reply_to: Option<Seq>,
    pub attachments: Vec<FileId>,
}

impl Content {
    /// A text and nothing else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// As it is kept: two that differ only in what is not kept are the same.
    #[must_use]
    pub fn kept(&self) -> Cow<'_, Self> {
        let is_blank = !self.attachments.is_empty() && self.text.trim().is_empty();
        let text = if is_blank { Cow::Borrowed("") } else { text::with_newlines(&self.text) };
        let subject = self.subject.as_deref().map(str::trim);
        if text == self.text && subject == self.subject.as_deref() {
            return Cow::Borrowed(self);
        }
        let (text, subject) = (text.into_owned(), subject.map(str::to_owned));
        Cow::Owned(Self { text, subject, reply_to: self.reply_to, attachments: self.attachments.clone() })
    }
}

/// Which sessions of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// Every one.
    All,
}

/// What a committed change is answered with.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are answers")]
pub enum Outcome {
    /// The answer of a person's command.
    Answer(Answer),
    /// The conversation was found or opened; who asked reads it from the store.
    Opened { conversation: ConversationId, found: bool },
    /// An account was made.
    UserAdded(UserId),
    /// The operator's or the account's change was made.
    Done,
}

impl Change {
    /// The person whose share of the queue it takes; none for the operator's.
    #[must_use]
    pub fn actor(&self) -> Option<UserId> {
        match self {
            Self::Send { actor, .. }
            | Self::Forward { actor, .. }
            | Self::Edit { actor, .. }
            | Self::Delete { actor, .. }
            | Self::Hide { actor, .. }
            | Self::React { actor, .. }
            | Self::Cancel { actor, .. }
            | Self::Open { actor, .. }
            | Self::Mark { actor, .. }
            | Self::UpdateConversation { actor, .. }
            | Self::UpdateMember { actor, .. }
            | Self::AddMembers { actor, .. }
            | Self::RemoveMember { actor, .. } => Some(*actor),
            Self::UpdateProfile { user, .. } | Self::SetPassword { user, .. } | Self::EndSessions { user, .. } => {
                Some(*user)
            }
            Self::AddUser { .. }
            | Self::SetDisabled { .. }
            | Self::SetLogin { .. }
            | Self::DeleteUser { .. }
            | Self::PutContext { .. }
            | Self::CloseContext { .. } => None,
        }
    }
}
