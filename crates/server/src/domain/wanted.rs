//! What a batch of changes must be decided on, said before anything is loaded.
//!
//! Each set is loaded by one statement, so their number follows from the kinds of change, not from how many.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::change::Change;
use parlor_protocol::{
    command::Open,
    ids::{ConversationId, Seq, UserId},
    model::ContextKey,
};
use std::collections::BTreeSet;

/// Whom an opener wants to write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This person.
    User(UserId),
    /// Whoever has this role in the context.
    Role(String),
}

/// A direct conversation that may be there already.
#[derive(Clone, Debug)]
pub struct Direct {
    pub actor: UserId,
    pub context: Option<ContextKey>,
    pub target: Target,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Uses of a `client_id`.
    pub keys: BTreeSet<(UserId, String)>,
    /// People by id.
    pub users: BTreeSet<UserId>,
    /// People by the name they sign in with.
    pub logins: BTreeSet<String>,
    /// Contexts with their roles.
    pub contexts: BTreeSet<(String, String)>,
    /// Conversations with the rows of these people, and of all members where they are few.
    pub places: BTreeSet<(ConversationId, UserId)>,
    /// Conversations with the rows of all members, however many: somebody may leave, and the oldest of the rest inherits.
    pub whole: BTreeSet<ConversationId>,
    /// People who may come to a conversation: what they are to its context.
    pub coming: BTreeSet<(ConversationId, UserId)>,
    /// All conversations of these people.
    pub memberships_of: BTreeSet<UserId>,
    /// All conversations about these contexts.
    pub about: BTreeSet<(String, String)>,
    /// Direct conversations.
    pub directs: Vec<Direct>,
    /// Pairs of whom it matters whether they share a context, the lower id first.
    pub pairs: BTreeSet<(UserId, UserId)>,
    /// People whose conversations are counted.
    pub counted: BTreeSet<UserId>,
    /// Messages by their place.
    pub messages: BTreeSet<(ConversationId, Seq)>,
    /// Markers: what would be unread after them.
    pub marks: Vec<(ConversationId, UserId, Seq)>,
}

impl Wanted {
    /// By these changes.
    #[must_use]
    pub fn by<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut wanted = Self::default();
        for change in changes {
            wanted.add(change);
        }
        wanted
    }

    fn add(&mut self, change: &Change) {
        match change {
            Change::Send { actor, conversation, client_id, .. } => {
                self.keys.insert((*actor, client_id.clone()));
                self.places.insert((*conversation, *actor));
            }
            Change::Cancel { actor, client_id } => {
                self.keys.insert((*actor, client_id.clone()));
            }
            Change::Open { actor, open } => self.add_open(*actor, open),
            Change::Mark { actor, conversation, read, .. } => {
                self.places.insert((*conversation, *actor));
                self.users.insert(*actor);
                self.marks.push((*conversation, *actor, *read));
            }
            Change::AddMembers { actor, conversation, users, .. } => {
                self.places.insert((*conversation, *actor));
                self.places.extend(users.iter().map(|user| (*conversation, *user)));
                self.coming.extend(users.iter().map(|user| (*conversation, *user)));
                self.add_people(*actor, users);
            }
            Change::RemoveMember { actor, conversation, user } => {
                self.places.extend([(*conversation, *actor), (*conversation, *user)]);
                self.whole.insert(*conversation);
            }
            Change::AddUser { login, .. } => {
                self.logins.insert(login.clone());
            }
            Change::UpdateProfile { user, .. } => {
                self.users.insert(*user);
                self.memberships_of.insert(*user);
            }
            Change::SetPassword { user, .. } | Change::EndSessions { user, .. } | Change::SetDisabled { user, .. } => {
                self.users.insert(*user);
            }
            Change::PutContext { context, roles } => {
                self.about.insert(pair(&context.key));
                self.contexts.insert(pair(&context.key));
                self.users.extend(roles.iter().map(|(user, _)| *user));
            }
            Change::CloseContext { key, .. } => {
                self.about.insert(pair(key));
                self.contexts.insert(pair(key));
            }
        }
    }

    fn add_open(&mut self, actor: UserId, open: &Open) {
        self.keys.insert((actor, open.client_id.clone()));
        self.users.insert(actor);
        self.counted.insert(actor);
        self.contexts.extend(open.context.as_ref().map(pair));
        let target = match (&open.user, &open.role) {
            (Some(user), _) => Some(Target::User(*user)),
            (None, Some(role)) => Some(Target::Role(role.clone())),
            (None, None) => None,
        };
        if let Some(user) = open.user {
            self.add_people(actor, &[user]);
        }
        if let Some(target) = target {
            self.directs.push(Direct { actor, context: open.context.clone(), target });
        }
        if let Some(group) = &open.group {
            self.add_people(actor, &group.users);
        }
    }

    fn add_people(&mut self, actor: UserId, users: &[UserId]) {
        self.users.insert(actor);
        for &user in users {
            self.users.insert(user);
            self.counted.insert(user);
            self.pairs.insert((actor.min(user), actor.max(user)));
        }
    }
}

fn pair(key: &ContextKey) -> (String, String) {
    (key.kind.clone(), key.id.clone())
}
