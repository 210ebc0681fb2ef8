//! Accounts: made, renamed, signed out, disabled.

use super::{
    change::{Outcome, Which},
    decide::{At, Decided, Rules, Told},
    rows::UserRow,
    state::{Ending, State},
    text,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{Scope, SessionId, UserId},
};
use std::collections::BTreeSet;

impl State {
    pub(super) fn add_user(
        &mut self,
        login: &str,
        name: &str,
        password_hash: Option<&str>,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let name = text::name(name, rules.limits.name_chars_max)?;
        if self.logins.contains_key(login) {
            return Err(Code::NameTaken.into());
        }
        let id = UserId(at.version.0);
        let row = UserRow {
            id,
            login: login.to_owned(),
            name,
            password_hash: password_hash.map(str::to_owned),
            picture: None,
            disabled: false,
            profile_version: at.version,
            version: at.version,
            created_at: at.now_ms,
            receipts: true,
            presence: true,
        };
        self.logins.insert(login.to_owned(), id);
        self.users.insert(id, row);
        self.changed_users.insert(id);
        self.scopes.insert(Scope::User(id), at.version);
        Ok(Decided::quietly(Outcome::UserAdded(id)))
    }

    /// Told in the person's own scope and in that of each conversation.
    pub(super) fn update_profile(
        &mut self,
        user: UserId,
        name: Option<&str>,
        picture: Option<&Option<String>>,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        self.person(user)?;
        let name = name.map(|name| text::name(name, rules.limits.name_chars_max)).transpose()?;
        let row = self.users.get_mut(&user).expect("just seen");
        row.name = name.unwrap_or_else(|| row.name.clone());
        row.picture = picture.cloned().unwrap_or_else(|| row.picture.clone());
        row.profile_version = at.version;
        let shown = row.user();
        let (place, told_me) = self.tell_me(user, at);
        let mut told = vec![told_me];
        let mut conversations: BTreeSet<_> = self.memberships_of.get(&user).into_iter().flatten().copied().collect();
        // Those that the person came to in this batch, too.
        conversations.extend(self.members.iter().filter(|(_, rows)| rows.contains_key(&user)).map(|(id, _)| *id));
        for conversation in conversations {
            let member = self.member_mut(conversation, user);
            if member.has_left {
                continue;
            }
            member.user = shown.clone();
            member.version = at.version;
            let members = vec![member.member()];
            let prev = self.raise_conversation(conversation, at.version);
            let count = self.conversations[&conversation].member_count;
            let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
            let event = Event::MembersUpdated { place, members, member_count: count, unread: None, message: None };
            told.extend(self.tell(conversation, count, &[], rules, event, at.version));
        }
        let change = parlor_protocol::reply::Changed::of(&place);
        Ok(Decided { outcome: Outcome::Answer(parlor_protocol::reply::Answer::Changed(change)), told })
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        password_hash: &str,
        keep: Option<SessionId>,
        at: At,
    ) -> Result<Decided, Problem> {
        self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?.password_hash = Some(password_hash.to_owned());
        Ok(self.end(Ending { user, which: Which::All, keep }, false, at))
    }

    pub(super) fn end_sessions(&mut self, user: UserId, which: Which, at: At) -> Result<Decided, Problem> {
        if !self.users.contains_key(&user) {
            return Err(Code::NotFound.into());
        }
        Ok(self.end(Ending { user, which, keep: None }, false, at))
    }

    pub(super) fn set_disabled(&mut self, user: UserId, disabled: bool, at: At) -> Result<Decided, Problem> {
        let row = self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?;
        row.disabled = disabled;
        // What later changes of this batch are decided on, too.
        for member in self.members.values_mut().filter_map(|members| members.get_mut(&user)) {
            member.disabled = disabled;
        }
        if disabled {
            return Ok(self.end(Ending { user, which: Which::All, keep: None }, true, at));
        }
        let (_, told) = self.tell_me(user, at);
        Ok(Decided { outcome: Outcome::Done, told: vec![told] })
    }

    fn end(&mut self, ending: Ending, disabled: bool, at: At) -> Decided {
        let only = match ending.which {
            Which::One(session) => Some(session),
            Which::All => None,
        };
        let ended = NodeMessage::SessionsEnded { user: ending.user, only, keep: ending.keep, disabled };
        let (_, told) = self.tell_me(ending.user, at);
        self.endings.push(ending);
        Decided { outcome: Outcome::Done, told: vec![Told::Nodes(ended), told] }
    }

    fn tell_me(&mut self, user: UserId, at: At) -> (Scoped, Told) {
        let place = Scoped { scope: Scope::User(user), version: at.version, prev: self.raise_user(user, at.version) };
        let event = Event::MeUpdated { place, me: self.users[&user].me() };
        (place, Told::Event(vec![Topic::User(user)], Box::new(event)))
    }
}
