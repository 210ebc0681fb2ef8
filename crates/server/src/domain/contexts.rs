//! Contexts: created and closed by the operator or the host, never by a user.

use super::{
    change::Outcome,
    decide::{At, Decided, Rules},
    rows::ContextRow,
    state::State,
    text,
};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{Scope, UserId, Version},
    model::{Context, ContextKey},
};
use std::collections::BTreeSet;

impl State {
    pub(super) fn put_context(
        &mut self,
        context: &Context,
        holders: &[(UserId, String)],
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let context = valid(context, rules.limits.name_chars_max)?;
        let mut roles = Vec::with_capacity(holders.len());
        for (user, role) in holders {
            if !self.users.contains_key(user) {
                return Err(Problem::new(Code::NotFound).with_detail(format!("there is no user {user}")));
            }
            roles.push((*user, text::key(role, rules.limits.name_chars_max)?));
        }
        let id = self.contexts.get(&context.key).map_or(at.version.0, |row| row.id);
        let row = ContextRow { id, context: context.clone(), roles, version: at.version };
        self.contexts.insert(context.key.clone(), row);
        Ok(self.context_changed(&context.key, rules, at))
    }

    pub(super) fn close_context(
        &mut self,
        key: &ContextKey,
        closed: bool,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.contexts.get_mut(key).ok_or(Problem::from(Code::NotFound))?;
        row.context.closed = closed;
        row.version = at.version;
        Ok(self.context_changed(key, rules, at))
    }

    /// Publishes it in the scope of each conversation about it.
    fn context_changed(&mut self, key: &ContextKey, rules: &Rules, at: At) -> Decided {
        self.changed_contexts.insert(key.clone());
        let context = self.contexts[key].clone();
        // Later changes of this batch are decided on this, too.
        for ((conversation, user), role) in &mut self.coming_roles {
            if self.conversations.get(conversation).is_some_and(|row| row.context_id == Some(context.id)) {
                *role = context.role_of(*user).map(str::to_owned);
            }
        }
        let mut outgoing = Vec::new();
        let mut conversations: BTreeSet<_> = self.about.get(key).into_iter().flatten().copied().collect();
        // Including those that were opened in this batch.
        conversations
            .extend(self.conversations.values().filter(|row| row.context_id == Some(context.id)).map(|row| row.id));
        for conversation in conversations {
            let prev = self.raise_conversation(conversation, at.version);
            let row = self.conversations.get_mut(&conversation).expect("just raised");
            row.context_closed = context.context.closed;
            let (count, title, picture) = (row.member_count, row.title.clone(), row.picture());
            let changed = self.changed_roles(conversation, &context, at.version);
            let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
            let context = Some(context.context.clone());
            outgoing.extend(self.notify_rows(place, count, &changed, rules, |members, _| Event::ConversationUpdated {
                place,
                title: title.clone(),
                picture: picture.clone(),
                context: context.clone(),
                members,
                message: None,
            }));
        }
        Decided { outcome: Outcome::Done, outgoing }
    }

    /// Returns the users whose role in the context has changed.
    fn changed_roles(
        &mut self,
        conversation: parlor_protocol::ids::ConversationId,
        context: &ContextRow,
        version: Version,
    ) -> Vec<UserId> {
        let mut changed = Vec::new();
        let users: Vec<UserId> = self.present(conversation).map(|member| member.user.id).collect();
        for user in users {
            let role = context.role_of(user);
            if self.members[&conversation][&user].context_role.as_deref() != role {
                let member = self.member_mut(conversation, user);
                member.context_role = role.map(str::to_owned);
                member.version = version;
                changed.push(user);
            }
        }
        changed
    }
}

/// Checks the texts of a context.
pub(super) fn valid(context: &Context, chars_max: u32) -> Result<Context, Problem> {
    let field = |detail: &str| Problem::new(Code::InvalidField).with_detail(detail);
    let optional = |text: &Option<String>| text.as_ref().map(|text| text::title(text, chars_max)).transpose();
    if context.url.as_ref().is_some_and(|url| !text::is_link(url)) {
        return Err(field("`url`: http://, https:// or a path on this server is expected"));
    }
    if context.image.as_ref().is_some_and(|url| !text::is_link(url)) {
        return Err(field("`image`: http://, https:// or a path on this server is expected"));
    }
    Ok(Context {
        key: ContextKey { kind: text::key(&context.key.kind, chars_max)?, id: text::key(&context.key.id, chars_max)? },
        title: text::title(&context.title, chars_max)?,
        detail: optional(&context.detail)?,
        url: context.url.clone(),
        image: context.image.clone(),
        status: optional(&context.status)?,
        tone: context.tone,
        closed: context.closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_protocol::model::Tone;

    #[test]
    fn the_page_of_a_thing_is_on_the_web_or_on_this_server() {
        let takes = |url: &str| {
            let context = Context {
                key: ContextKey { kind: "item".to_owned(), id: "5".to_owned() },
                title: "Umbrella".to_owned(),
                detail: None,
                url: Some(url.to_owned()),
                image: None,
                status: None,
                tone: Tone::Plain,
                closed: false,
            };
            valid(&context, 200).is_ok()
        };
        assert!(["https://found.example/5", "http://found.example", "/items/5"].into_iter().all(takes));
        let wrong = ["javascript:alert(1)", "//found.example", "/\\found.example", "/\t/found.example", "items/5", ""];
        assert!(!wrong.into_iter().any(takes));
    }
}
