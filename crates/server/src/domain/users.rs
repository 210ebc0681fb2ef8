//! Users: adding, renaming, signing out, disabling, deleting.

use super::{
    change::{Outcome, ProfileUpdate, Which},
    decide::{At, Decided, Outgoing, Rules},
    rows::UserRow,
    state::{Ending, State},
    text,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, SessionId, UserId, Version},
    reply::{Answer, Changed},
};
use std::collections::BTreeSet;

/// The name that is shown for a deleted user.
const DELETED_NAME: &str = "Deleted user";

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
            external_id: None,
            login: login.to_owned(),
            name,
            password_hash: password_hash.map(str::to_owned),
            host_password: None,
            picture: None,
            disabled: false,
            profile_version: at.version,
            version: at.version,
            created_at: at.now_ms,
            receipts: true,
            presence: true,
            blocks_version: Version(0),
            moderator: false,
            warnings_version: Version(0),
        };
        self.logins.insert(login.to_owned(), id);
        self.users.insert(id, row);
        self.changed_users.insert(id);
        self.scopes.insert(Scope::User(id), at.version);
        Ok(Decided::quietly(Outcome::UserAdded(id)))
    }

    /// Name and picture are published in the user's own scope and in that of each conversation; so is a switch of
    /// receipts, which changes what the user sees everywhere.
    pub(super) fn update_profile(
        &mut self,
        user: UserId,
        profile: &ProfileUpdate,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.user(user)?;
        let (receipts, presence) = (row.receipts, row.presence);
        if profile.name.is_some() && row.external_id.is_some() {
            return Err(Problem::new(Code::NotAllowed).with_detail("the name is that in the application"));
        }
        let name = profile.name.as_ref().map(|name| text::name(name, rules.limits.name_chars_max)).transpose()?;
        if profile.receipts == Some(true) && !rules.messages.receipts {
            return Err(Problem::new(Code::NotAllowed).with_detail("receipts are off for everybody here"));
        }
        let row = self.users.get_mut(&user).expect("just seen");
        row.name = name.unwrap_or_else(|| row.name.clone());
        row.picture = profile.picture.clone().unwrap_or_else(|| row.picture.clone());
        row.receipts = profile.receipts.unwrap_or(row.receipts);
        row.presence = profile.presence.unwrap_or(row.presence);
        if profile.is_shown() {
            row.profile_version = at.version;
        }
        let (is_switched, is_hidden_or_shown) = (row.receipts != receipts, row.presence != presence);
        let (shown, receipts) = (row.user(), row.receipts);
        let (place, outgoing_me) = self.notify_me(user, rules, at);
        let mut outgoing = vec![outgoing_me];
        if is_hidden_or_shown {
            outgoing.push(Outgoing::Nodes(NodeMessage::Visibility { users: vec![user] }));
        }
        if profile.is_shown() || is_switched {
            for conversation in self.conversations_of(user) {
                let member = self.member_mut(conversation, user);
                member.user = shown.clone();
                member.receipts = receipts;
                member.version = at.version;
                outgoing.extend(self.notify_profile(conversation, user, is_switched, rules, at));
            }
        }
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// Returns the conversations of a user, including those they joined in this batch.
    pub(super) fn conversations_of(&self, user: UserId) -> BTreeSet<ConversationId> {
        let loaded = self.members.iter().filter(|(_, rows)| rows.contains_key(&user)).map(|(id, _)| *id);
        let before = self.memberships_of.get(&user).into_iter().flatten().copied();
        loaded.chain(before).filter(|conversation| !self.members[conversation][&user].has_left).collect()
    }

    pub(super) fn notify_profile(
        &mut self,
        conversation: ConversationId,
        user: UserId,
        is_switched: bool,
        rules: &Rules,
        at: At,
    ) -> Vec<Outgoing> {
        let prev = self.raise_conversation(conversation, at.version);
        let count = self.conversations[&conversation].member_count;
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        if is_switched {
            return self.notify_receipts_setting(place, user, rules);
        }
        self.notify_rows(place, count, &[user], rules, |members, _| Event::MembersUpdated {
            place,
            members,
            member_count: count,
            unread: None,
            message: None,
        })
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        password_hash: &str,
        keep: Option<SessionId>,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?.password_hash = Some(password_hash.to_owned());
        Ok(self.end(Ending { user, which: Which::All, keep }, false, rules, at))
    }

    pub(super) fn end_sessions(
        &mut self,
        user: UserId,
        which: Which,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        if !self.users.contains_key(&user) {
            return Err(Code::NotFound.into());
        }
        Ok(self.end(Ending { user, which, keep: None }, false, rules, at))
    }

    pub(super) fn set_disabled(
        &mut self,
        user: UserId,
        disabled: bool,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?;
        row.disabled = disabled;
        // Later changes of this batch are decided on this, too.
        for member in self.members.values_mut().filter_map(|members| members.get_mut(&user)) {
            member.disabled = disabled;
        }
        if disabled {
            return Ok(self.end(Ending { user, which: Which::All, keep: None }, true, rules, at));
        }
        let (_, outgoing) = self.notify_me(user, rules, at);
        Ok(Decided { outcome: Outcome::Done, outgoing: vec![outgoing] })
    }

    pub(super) fn set_login(&mut self, user: UserId, login: &str, rules: &Rules, at: At) -> Result<Decided, Problem> {
        if self.logins.get(login).is_some_and(|holder| *holder != user) {
            return Err(Code::NameTaken.into());
        }
        let row = self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?;
        let before = std::mem::replace(&mut row.login, login.to_owned());
        self.logins.remove(&before);
        self.logins.insert(login.to_owned(), user);
        let (_, outgoing) = self.notify_me(user, rules, at);
        Ok(Decided { outcome: Outcome::Done, outgoing: vec![outgoing] })
    }

    /// Memberships and messages stay: others see them as those of a deleted user. The login name is free again.
    pub(super) fn delete_user(&mut self, user: UserId, rules: &Rules, at: At) -> Result<Decided, Problem> {
        let row = self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?;
        // No login name can have a colon, so this one is free.
        let login = std::mem::replace(&mut row.login, format!("deleted:{user}"));
        DELETED_NAME.clone_into(&mut row.name);
        (row.picture, row.password_hash) = (None, None);
        let external = std::mem::take(&mut row.external_id);
        row.host_password = None;
        (row.disabled, row.presence, row.moderator) = (true, false, false);
        row.profile_version = at.version;
        let shown = row.user();
        self.deleted_users.push(user);
        self.erases = true;
        self.logins.remove(&login);
        if let Some(external) = external {
            self.external_users.remove(&external);
        }
        for member in self.members.values_mut().filter_map(|members| members.get_mut(&user)) {
            member.disabled = true;
            member.user = shown.clone();
        }
        let mut decided = self.end(Ending { user, which: Which::All, keep: None }, true, rules, at);
        decided.outgoing.push(Outgoing::Nodes(NodeMessage::Visibility { users: vec![user] }));
        for conversation in self.conversations_of(user) {
            self.member_mut(conversation, user).version = at.version;
            decided.outgoing.extend(self.notify_profile(conversation, user, false, rules, at));
        }
        Ok(decided)
    }

    fn end(&mut self, ending: Ending, disabled: bool, rules: &Rules, at: At) -> Decided {
        let only = match ending.which {
            Which::One(session) => Some(session),
            Which::All => None,
        };
        let ended = NodeMessage::SessionsEnded { user: ending.user, only, keep: ending.keep, disabled };
        let (_, outgoing) = self.notify_me(ending.user, rules, at);
        self.endings.push(ending);
        Decided { outcome: Outcome::Done, outgoing: vec![Outgoing::Nodes(ended), outgoing] }
    }

    pub(super) fn notify_me(&mut self, user: UserId, rules: &Rules, at: At) -> (Scoped, Outgoing) {
        let place = Scoped { scope: Scope::User(user), version: at.version, prev: self.raise_user(user, at.version) };
        let event = Event::MeUpdated { place, me: self.users[&user].me(rules.messages.receipts) };
        (place, Outgoing::Event(vec![Topic::User(user)], Box::new(event)))
    }
}
