//! Opening conversations: two users have one for each context, and one without; a group is new each time.

use super::{
    blocking::Blocking,
    change::Outcome,
    decide::{At, Decided, Rules, WhoMayWrite},
    fingerprint::Fingerprint,
    rows::{ContextRow, ConversationRow, MemberRow, UserRow},
    state::{ClientIdUse, State},
    text,
};
use crate::environment::rfc3339;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::{Conversation, ConversationKind, ConversationSettings, Role},
    params::{Group, Open},
};
use std::collections::BTreeSet;

const HOUR_MS: u64 = 3_600_000;

/// Returns a command in the form in which it is stored, by which repeats are compared.
fn kept(open: &Open, actor: UserId) -> Open {
    let mut open = open.clone();
    if let Some(group) = &mut open.group {
        group.title = group.title.trim().to_owned();
        group.users.retain(|user| *user != actor);
        group.users.sort_unstable();
        group.users.dedup();
    }
    open
}

/// Returns the key of a direct conversation.
#[must_use]
pub fn direct_key(context: Option<i64>, one: UserId, other: UserId) -> String {
    let context = context.map_or_else(String::new, |id| id.to_string());
    format!("{context}:{}:{}", one.min(other), one.max(other))
}

/// Returns the user that a role names: its holder with the lowest id, other than the actor.
#[must_use]
pub fn holder(context: &ContextRow, role: &str, opener: UserId) -> Option<UserId> {
    context.roles.iter().filter(|(user, name)| name == role && *user != opener).map(|(user, _)| *user).min()
}

impl State {
    pub(super) fn open(&mut self, actor: UserId, open: &Open, rules: &Rules, at: At) -> Result<Decided, Problem> {
        text::client_id(&open.client_id, rules.limits.client_id_chars_max)?;
        let came = open;
        let open = &kept(came, actor);
        match self.keys.get(&(actor, open.client_id.clone())) {
            // Earlier versions stored the fingerprint of the command as it came.
            Some(ClientIdUse::Conversation(conversation, made_by))
                if [open, came].iter().any(|open| *made_by == rules.fingerprints.of_open(open)) =>
            {
                return Ok(found(*conversation));
            }
            Some(ClientIdUse::Cancelled) => return Err(Code::Cancelled.into()),
            Some(_) => return Err(Code::Conflict.into()),
            None => {}
        }
        let context = match &open.context {
            Some(key) => Some(self.contexts.get(key).cloned().ok_or_else(|| absent(rules))?),
            None => None,
        };
        match (&open.user, &open.role, &open.group) {
            (Some(user), None, None) => self.open_direct(actor, *user, context.as_ref(), open, rules, at),
            (None, Some(role), None) => {
                let context = context.ok_or_else(|| field("`role` needs a `context`"))?;
                let user = holder(&context, role, actor).ok_or_else(|| vacant(&context, role, actor, rules))?;
                self.open_direct(actor, user, Some(&context), open, rules, at)
            }
            (None, None, Some(group)) => self.open_group(actor, group, context.as_ref(), open, rules, at),
            _ => Err(field("exactly one of `user`, `role` and `group` is expected")),
        }
    }

    fn open_direct(
        &mut self,
        actor: UserId,
        user: UserId,
        context: Option<&ContextRow>,
        open: &Open,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        if user == actor {
            return Err(field("a conversation needs another user"));
        }
        let key = direct_key(context.map(|context| context.id), actor, user);
        if let Some(conversation) = self.directs.get(&key) {
            return Ok(found(*conversation));
        }
        self.may_write(actor, user, context, rules)?;
        self.check_blocks(actor, user)?;
        self.check_openings(actor, rules, at)?;
        self.room_for_more(&[actor, user], context, rules)?;
        let users = [self.user(actor)?.clone(), self.user(user)?.clone()];
        let name = (open.client_id.clone(), rules.fingerprints.of_open(open));
        let row = new_row(ConversationKind::Direct, actor, name, context, users.len(), at);
        self.directs.insert(key.clone(), row.id);
        self.openings.entry(actor).or_default().push(at.now_ms);
        let row = ConversationRow { direct_key: Some(key), ..row };
        Ok(self.insert(row, &users, context, rules, at))
    }

    fn open_group(
        &mut self,
        actor: UserId,
        group: &Group,
        context: Option<&ContextRow>,
        open: &Open,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let title = text::name(&group.title, rules.limits.name_chars_max)?;
        let others: BTreeSet<UserId> = group.users.iter().copied().filter(|user| *user != actor).collect();
        if others.is_empty() {
            return Err(field("a group needs another user"));
        }
        if others.len() >= rules.limits.group_members_max as usize {
            return Err(Problem::new(Code::LimitReached).with_limit(rules.limits.group_members_max.into()));
        }
        for &user in &others {
            self.may_write(actor, user, None, rules)?;
            self.check_blocks(actor, user)?;
        }
        let mut users = vec![self.user(actor)?.clone()];
        for &user in &others {
            users.push(self.user(user)?.clone());
        }
        let everybody: Vec<_> = users.iter().map(|user| user.id).collect();
        if let Some(context) = context {
            if context.role_of(actor).is_none() {
                return Err(Code::NotAllowed.into());
            }
            if context.context.closed {
                return Err(Code::ContextClosed.into());
            }
        }
        self.check_openings(actor, rules, at)?;
        self.room_for_more(&everybody, context, rules)?;
        self.openings.entry(actor).or_default().push(at.now_ms);
        let name = (open.client_id.clone(), rules.fingerprints.of_open(open));
        let row = new_row(ConversationKind::Group, actor, name, context, users.len(), at);
        let row = ConversationRow { title: Some(title), ..row };
        Ok(self.insert(row, &users, context, rules, at))
    }

    /// Checks whether the rules let one user write to another about the context. This comes first: if they forbid it,
    /// users and contexts that exist look like those that do not (I9).
    pub(super) fn may_write(
        &self,
        actor: UserId,
        user: UserId,
        context: Option<&ContextRow>,
        rules: &Rules,
    ) -> Result<(), Problem> {
        let has_role = |user| context.is_some_and(|context| context.role_of(user).is_some());
        let allowed = match rules.who_may_write {
            WhoMayWrite::Nobody => false,
            WhoMayWrite::Everyone | WhoMayWrite::SharedContext if context.is_some() => {
                has_role(actor) || has_role(user)
            }
            WhoMayWrite::BothInContext if context.is_some() => has_role(actor) && has_role(user),
            WhoMayWrite::Everyone => true,
            WhoMayWrite::SharedContext if !self.has_contexts && self.contexts.is_empty() => true,
            WhoMayWrite::SharedContext | WhoMayWrite::BothInContext => {
                self.sharing.contains(&(actor.min(user), actor.max(user)))
            }
        };
        if !allowed {
            return Err(Code::NotAllowed.into());
        }
        self.user(actor)?;
        self.user(user)?;
        if context.is_some_and(|context| context.context.closed) {
            return Err(Code::ContextClosed.into());
        }
        Ok(())
    }

    /// Checks whether the actor may open one more conversation in this hour. Times that lie further ahead are from
    /// before the clock was set back.
    fn check_openings(&self, actor: UserId, rules: &Rules, at: At) -> Result<(), Problem> {
        let most = rules.limits.openings_per_hour_max;
        let times = self.openings.get(&actor).into_iter().flatten().copied();
        let recent: Vec<i64> = times.filter(|time| at.now_ms.abs_diff(*time) < HOUR_MS).collect();
        let Some(oldest) = recent.iter().min().filter(|_| recent.len() >= most as usize) else { return Ok(()) };
        let wait_ms = HOUR_MS.saturating_sub(at.now_ms.abs_diff(*oldest));
        Err(Problem::new(Code::TooMany).with_limit(most.into()).with_retry_after_ms(wait_ms))
    }

    /// Checks whether the users and the context may have one more conversation.
    pub(super) fn room_for_more(
        &mut self,
        users: &[UserId],
        context: Option<&ContextRow>,
        rules: &Rules,
    ) -> Result<(), Problem> {
        let full = |limit: u32| Err(Problem::new(Code::LimitReached).with_limit(limit.into()));
        let (of_user, about) = (rules.limits.conversations_max, rules.limits.context_conversations_max);
        if users.iter().any(|user| self.conversation_counts.get(user).copied().unwrap_or(0) >= of_user.into()) {
            return full(of_user);
        }
        if let Some(context) = context {
            let count = self.context_conversations.entry(context.id).or_default();
            if *count >= about.into() {
                return full(about);
            }
            *count += 1;
        }
        for user in users {
            *self.conversation_counts.entry(*user).or_default() += 1;
        }
        Ok(())
    }

    /// Adds a new conversation, and publishes it.
    fn insert(
        &mut self,
        row: ConversationRow,
        users: &[UserRow],
        context: Option<&ContextRow>,
        rules: &Rules,
        at: At,
    ) -> Decided {
        let conversation = row.id;
        self.keys
            .insert((row.created_by, row.client_id.clone()), ClientIdUse::Conversation(conversation, row.fingerprint));
        self.add_conversation(row, users, context, at);
        let row = &self.conversations[&conversation];
        let shown = Conversation {
            id: conversation,
            version: at.version,
            kind: row.kind,
            title: row.title.clone(),
            picture: None,
            context: context.map(|context| context.context.clone()),
            created_by: row.created_by,
            created_at: rfc3339(row.created_at),
            activity: row.activity,
            last_seq: Seq(0),
            last_message: None,
            member_count: row.member_count,
            members: self.members[&conversation].values().map(MemberRow::member).collect(),
            unread: 0,
            mention_seq: Seq(0),
            settings: ConversationSettings::default(),
        };
        let count = row.member_count;
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev: Version(0) };
        let outgoing = if count <= rules.limits.conversation_fan_out_max {
            let event = Event::ConversationCreated { place, conversation: Box::new(shown) };
            self.notify(conversation, count, &[], rules, event, at.version)
        } else {
            // Too many to list in an event: each is told to fetch.
            let topics = users.iter().map(|user| crate::channel_layer::Topic::User(user.id)).collect();
            let event = Event::ScopeChanged { scope: place.scope, version: at.version };
            vec![super::decide::Outgoing::Event(topics, Box::new(event))]
        };
        Decided { outcome: Outcome::Opened { conversation, found: false }, outgoing }
    }

    /// Adds a new conversation and its members.
    pub(super) fn add_conversation(
        &mut self,
        row: ConversationRow,
        users: &[UserRow],
        context: Option<&ContextRow>,
        at: At,
    ) {
        let (conversation, opener) = (row.id, row.created_by);
        let members = users.iter().map(|user| {
            let owns = row.kind == ConversationKind::Group && user.id == opener;
            let role = if owns { Role::Owner } else { Role::Member };
            (user.id, new_member(user, role, context, Seq(0), at.version))
        });
        self.members.insert(conversation, members.collect());
        self.changed_members.extend(users.iter().map(|user| (conversation, user.id)));
        if let (ConversationKind::Direct, [one, other]) = (row.kind, users) {
            self.directs_of.entry((one.id.min(other.id), one.id.max(other.id))).or_default().push(conversation);
        }
        self.conversations.insert(conversation, row);
        self.new_conversations.push(conversation);
        self.scopes.insert(Scope::Conversation(conversation), at.version);
    }
}

/// Returns the row of a new conversation.
pub(super) fn new_row(
    kind: ConversationKind,
    actor: UserId,
    (client_id, fingerprint): (String, Fingerprint),
    context: Option<&ContextRow>,
    members: usize,
    at: At,
) -> ConversationRow {
    ConversationRow {
        id: ConversationId(at.version.0),
        kind,
        direct_key: None,
        title: None,
        context_id: context.map(|context| context.id),
        context_closed: context.is_some_and(|context| context.context.closed),
        created_by: actor,
        client_id,
        fingerprint,
        created_at: at.now_ms,
        version: at.version,
        activity: at.version,
        last_seq: Seq(0),
        last_message_id: None,
        member_count: u32::try_from(members).expect("limited by group_members_max"),
        picture: None,
        uncounted_seq: Seq(0),
        history_from_max: Seq(1),
        blocking: Blocking::default(),
    }
}

/// Returns the row of a member that joins now and sees what is written after `last_seq`.
pub(super) fn new_member(
    user: &UserRow,
    role: Role,
    context: Option<&ContextRow>,
    last_seq: Seq,
    version: Version,
) -> MemberRow {
    MemberRow {
        user: user.user(),
        disabled: user.disabled,
        receipts: user.receipts,
        role,
        context_role: context.and_then(|context| context.role_of(user.id)).map(str::to_owned),
        joined_version: version,
        history_from: Seq(last_seq.0 + 1),
        read_seq: last_seq,
        delivered_seq: last_seq,
        sent_seq: Seq(0),
        has_left: false,
        version,
        personal_version: Version(0),
        read_at: None,
        hidden_seq: Seq(0),
        cleared_seq: Seq(0),
    }
}

/// Refuses a context or a role that does not exist in the way that an existing one would be refused.
fn absent(rules: &Rules) -> Problem {
    match rules.who_may_write {
        WhoMayWrite::Everyone | WhoMayWrite::SharedContext => Code::NotFound.into(),
        WhoMayWrite::BothInContext | WhoMayWrite::Nobody => Code::NotAllowed.into(),
    }
}

/// Refuses a role that no other user has, to users that may know of the context.
fn vacant(context: &ContextRow, role: &str, opener: UserId, rules: &Rules) -> Problem {
    let is_known = match rules.who_may_write {
        WhoMayWrite::Everyone | WhoMayWrite::SharedContext => true,
        WhoMayWrite::BothInContext => context.role_of(opener).is_some(),
        WhoMayWrite::Nobody => false,
    };
    if context.roles.iter().any(|(user, name)| *user == opener && name == role) {
        Code::OwnRole.into()
    } else if is_known {
        Code::RoleVacant.into()
    } else {
        absent(rules)
    }
}

fn found(conversation: ConversationId) -> Decided {
    Decided::quietly(Outcome::Opened { conversation, found: true })
}

pub(super) fn field(detail: &str) -> Problem {
    Problem::new(Code::InvalidField).with_detail(detail)
}
