//! Users of the host: they are added at first sight, and follow the host's row about them.

use super::{
    change::{Outcome, Which},
    decide::{At, Decided, Outgoing, Rules},
    host_user::HostUser,
    rows::UserRow,
    state::{Ending, State},
    text,
};
use crate::channel_layer::NodeMessage;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{Scope, SessionId, UserId, Version},
};

/// Characters of the host's ids.
const EXTERNAL_ID_CHARS_MAX: u32 = 255;

impl HostUser {
    /// Returns whether a user is already equal to this row.
    #[must_use]
    pub fn is_equal(&self, row: &UserRow, chars_max: u32) -> bool {
        row.external_id.as_ref() == Some(&self.external_id)
            && row.name == self.shown_name(chars_max)
            && row.disabled == self.disabled
            && self.logins().contains(&row.login)
            && (self.password_hash.is_none() || row.host_password == self.password_digest())
    }
}

impl State {
    pub(super) fn put_user(&mut self, host: &HostUser, rules: &Rules, at: At) -> Result<Decided, Problem> {
        if text::key(&host.external_id, EXTERNAL_ID_CHARS_MAX)? != host.external_id {
            return Err(Problem::new(Code::InvalidField).with_detail("an id of the host has no white space around it"));
        }
        match self.external_users.get(&host.external_id).copied() {
            Some(user) => Ok(self.follow_host(user, host, rules, at)),
            None => Ok(self.add_host_user(host, rules, at)),
        }
    }

    fn add_host_user(&mut self, host: &HostUser, rules: &Rules, at: At) -> Decided {
        let id = UserId(at.version.0);
        let login = self.free_login(host, id);
        let row = UserRow {
            id,
            external_id: Some(host.external_id.clone()),
            login: login.clone(),
            name: host.shown_name(rules.limits.name_chars_max),
            password_hash: host.password(),
            host_password: host.password_digest(),
            picture: None,
            disabled: host.disabled,
            profile_version: at.version,
            version: at.version,
            created_at: at.now_ms,
            receipts: true,
            presence: true,
            blocks_version: Version(0),
            moderator: false,
            warnings_version: Version(0),
        };
        self.logins.insert(login, id);
        self.external_users.insert(host.external_id.clone(), id);
        self.users.insert(id, row);
        self.changed_users.insert(id);
        self.scopes.insert(Scope::User(id), at.version);
        Decided::quietly(Outcome::UserPut(id))
    }

    fn follow_host(&mut self, user: UserId, host: &HostUser, rules: &Rules, at: At) -> Decided {
        let login = self.free_login(host, user);
        let name = host.shown_name(rules.limits.name_chars_max);
        let row = self.users.get_mut(&user).expect("a known id of the host comes with its user");
        let (is_renamed, was_disabled) = (row.name != name, row.disabled);
        let has_new_password = host.password_hash.is_some() && row.host_password != host.password_digest();
        if !is_renamed && row.login == login && was_disabled == host.disabled && !has_new_password {
            return Decided::quietly(Outcome::UserPut(user));
        }
        (row.name, row.disabled) = (name, host.disabled);
        if is_renamed {
            row.profile_version = at.version;
        }
        if has_new_password {
            (row.password_hash, row.host_password) = (host.password(), host.password_digest());
        }
        let before = std::mem::replace(&mut row.login, login.clone());
        let shown = row.user();
        self.logins.remove(&before);
        self.logins.insert(login, user);
        // Later changes of this batch are decided on this, too.
        for member in self.members.values_mut().filter_map(|members| members.get_mut(&user)) {
            member.disabled = host.disabled;
            member.user = shown.clone();
        }
        let mut outgoing = Vec::new();
        if has_new_password || (host.disabled && !was_disabled) {
            self.endings.push(Ending { user, which: Which::All, keep: None });
            let (only, keep) = (None::<SessionId>, None);
            outgoing.push(Outgoing::Nodes(NodeMessage::SessionsEnded { user, only, keep, disabled: host.disabled }));
        }
        outgoing.push(self.notify_me(user, rules, at).1);
        if is_renamed {
            for conversation in self.conversations_of(user) {
                self.member_mut(conversation, user).version = at.version;
                outgoing.extend(self.notify_profile(conversation, user, false, rules, at));
            }
        }
        Decided { outcome: Outcome::UserPut(user), outgoing }
    }

    fn free_login(&self, host: &HostUser, user: UserId) -> String {
        let is_free = |login: &String| self.logins.get(login).is_none_or(|holder| *holder == user);
        host.logins().into_iter().find(is_free).expect("the last one is nobody else's")
    }

    /// Sessions stay: it is the same password.
    pub(super) fn upgrade_password(
        &mut self,
        user: UserId,
        from: &str,
        to: &str,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.users.get_mut(&user).ok_or(Problem::from(Code::NotFound))?;
        if row.password_hash.as_deref() != Some(from) {
            return Ok(Decided::quietly(Outcome::Done));
        }
        row.password_hash = Some(to.to_owned());
        let (_, outgoing) = self.notify_me(user, rules, at);
        Ok(Decided { outcome: Outcome::Done, outgoing: vec![outgoing] })
    }
}
