//! Loads the state that a batch is decided on.

use super::{BatchTransaction, host_rows::host_conversation};
use crate::{
    domain::{
        direct_key, holder,
        load_plan::{Direct, DirectTarget, LoadPlan},
        rows::UNREAD_MAX,
        state::{ClientIdUse, State},
    },
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        rows::{CONTEXT, CONVERSATION, CONVERSATION_COLUMNS, MEMBER, MESSAGE, RowReader, USER, unread_after},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId},
    limits::Limits,
    model::ContextKey,
};
use std::collections::{BTreeSet, hash_map::Entry};

impl BatchTransaction<'_> {
    /// Loads everything that the plan names and that exists.
    ///
    /// # Errors
    /// The store failed; the batch has to be abandoned.
    pub fn load(&mut self, plan: &LoadPlan, limits: &Limits) -> Result<State> {
        let mut state = State::default();
        self.load_host_rows(plan, &mut state)?;
        let plan = &*plan.with_host_rows(&state.host_rows);
        self.load_reports(plan, limits, &mut state)?;
        let plan = &*plan.with_reports(&state);
        self.load_keys(plan, &mut state)?;
        self.load_messages(plan, &mut state)?;
        self.load_files(plan, &mut state)?;
        self.load_users(plan, &mut state)?;
        self.load_contexts(plan, &mut state)?;
        self.load_contexts_of(plan, &mut state)?;
        self.load_directs(plan, &mut state)?;
        self.load_blocks(plan, &mut state)?;
        self.load_openings(plan, limits, &mut state)?;
        self.load_shared_contexts(plan, &mut state)?;
        self.load_memberships(plan, &mut state)?;
        let places = places(plan, &state);
        // A change of a context may change the roles of all members.
        let about = state.about.values().flatten();
        let whole = plan.whole.iter().chain(about).copied().collect();
        self.load_conversations(&places, &whole, limits, &mut state)?;
        self.load_joining_roles(plan, &mut state)?;
        self.load_hidden(plan, &mut state)?;
        self.load_settings(plan, &mut state)?;
        self.load_drafts(plan, &mut state)?;
        self.load_unread(plan, limits, &mut state)?;
        self.load_first_unread(plan, &mut state)?;
        Ok(state)
    }

    fn load_keys(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["client_id", "sender_id"]);
        for (sender, client_id) in &plan.keys {
            params.push([client_id.as_str().into(), sender.0.into()]);
        }
        self.for_each(
            params,
            &format!(
                "SELECT 0, {MESSAGE} FROM v \
                     JOIN messages g ON g.client_id = v.client_id AND g.sender_id = v.sender_id \
                     UNION ALL SELECT 1, c.id, 0, 0, c.created_by, c.client_id, c.fingerprint, '', 0, NULL, NULL, 0 \
                     FROM v JOIN conversations c ON c.client_id = v.client_id AND c.created_by = v.sender_id \
                     UNION ALL SELECT 2, 0, 0, 0, k.sender_id, k.client_id, NULL, '', 0, NULL, NULL, 0 \
                     FROM v JOIN cancelled_keys k ON k.client_id = v.client_id AND k.sender_id = v.sender_id"
            ),
            |row| {
                let kind: i64 = column(row, 0)?;
                let key = (UserId(column(row, 4)?), column(row, 5)?);
                let used = match kind {
                    0 => {
                        let message = RowReader::at(row, 1).message()?;
                        let place = (message.conversation, message.seq);
                        state.messages.insert(place, message);
                        ClientIdUse::Message(place.0, place.1)
                    }
                    1 => ClientIdUse::Conversation(ConversationId(column(row, 1)?), RowReader::at(row, 6).bytes()?),
                    _ => ClientIdUse::Cancelled,
                };
                state.keys.insert(key, used);
                Ok(())
            },
        )
    }

    fn load_messages(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for (conversation, seq) in &plan.messages {
            params.push([conversation.0.into(), seq.0.into()]);
        }
        self.for_each(
            params,
            &format!(
                "SELECT {MESSAGE} FROM v \
                     JOIN messages g ON g.conversation_id = v.conversation_id AND g.seq = v.seq"
            ),
            |row| {
                let message = RowReader::new(row).message()?;
                state.messages.insert((message.conversation, message.seq), message);
                Ok(())
            },
        )
    }

    fn load_users(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        if plan.users.is_empty() && plan.logins.is_empty() && plan.external_users.is_empty() {
            return Ok(());
        }
        let mut params = BulkParams::new(["id", "login", "external_id"]);
        for user in &plan.users {
            params.push([user.0.into(), None::<String>.into(), None::<String>.into()]);
        }
        for login in &plan.logins {
            params.push([None::<i64>.into(), login.as_str().into(), None::<String>.into()]);
        }
        for external in &plan.external_users {
            params.push([None::<i64>.into(), None::<String>.into(), external.as_str().into()]);
        }
        self.for_each(
            params,
            &format!(
                "SELECT {USER} FROM v JOIN users u ON u.id = v.id \
                     UNION ALL SELECT {USER} FROM v JOIN users u ON u.login = v.login \
                     UNION ALL SELECT {USER} FROM v JOIN users u ON u.external_id = v.external_id"
            ),
            |row| {
                let user = RowReader::new(row).user()?;
                state.logins.insert(user.login.clone(), user.id);
                state.external_users.extend(user.external_id.clone().map(|external| (external, user.id)));
                state.users.insert(user.id, user);
                Ok(())
            },
        )?;
        if plan.counted.is_empty() {
            return Ok(());
        }
        let mut params = BulkParams::new(["id"]);
        for user in &plan.counted {
            params.push([user.0.into()]);
        }
        self.for_each(
            params,
            "SELECT m.user_id, count(*) FROM v JOIN members m ON m.user_id = v.id AND m.has_left = 0 \
                 GROUP BY m.user_id",
            |row| {
                let mut reader = RowReader::new(row);
                state.conversation_counts.insert(UserId(reader.int()?), reader.int()?);
                Ok(())
            },
        )
    }

    fn load_contexts(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        const JOIN: &str = "FROM v JOIN contexts x ON x.kind = v.kind AND x.external_id = v.external_id";
        if plan.contexts.is_empty() {
            return Ok(());
        }
        self.for_each(
            context_keys(&plan.contexts),
            &format!(
                "SELECT {CONTEXT}, (SELECT count(*) FROM conversations c WHERE c.context_id = x.id), \
                     r.user_id, r.role {JOIN} LEFT JOIN context_roles r ON r.context_id = x.id"
            ),
            |row| {
                let mut reader = RowReader::new(row);
                let context = reader.context()?;
                state.context_conversations.insert(context.id, reader.int()?);
                let role = reader.optional_int()?.map(UserId).zip(reader.optional_text()?);
                state.contexts.entry(context.context.key.clone()).or_insert(context).roles.extend(role);
                Ok(())
            },
        )?;
        if plan.about.is_empty() {
            return Ok(());
        }
        self.for_each(
            context_keys(&plan.about),
            &format!("SELECT x.kind, x.external_id, c.id {JOIN} JOIN conversations c ON c.context_id = x.id"),
            |row| {
                let mut reader = RowReader::new(row);
                let key = ContextKey { kind: reader.text()?, id: reader.text()? };
                state.about.entry(key).or_default().push(ConversationId(reader.int()?));
                Ok(())
            },
        )
    }

    /// Loads the contexts of conversations. A context that is only loaded here comes without its roles, which are not
    /// needed.
    fn load_contexts_of(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["id"]);
        for conversation in &plan.contexts_of {
            params.push([conversation.0.into()]);
        }
        let sql = format!(
            "SELECT {CONTEXT}, c.id FROM v JOIN conversations c ON c.id = v.id JOIN contexts x ON x.id = c.context_id"
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            let context = reader.context()?;
            let key = context.context.key.clone();
            state.context_of.insert(ConversationId(reader.int()?), key.clone());
            state.contexts.entry(key).or_insert(context);
            Ok(())
        })
    }

    fn load_directs(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["direct_key"]);
        for direct in &plan.directs {
            let context = direct.context.as_ref().map(|key| state.contexts.get(key));
            let user = target(direct, state);
            // A context that does not exist has no conversations either.
            if let (Some(user), Some(Some(_)) | None) = (user, context) {
                let id = context.flatten().map(|context| context.id);
                params.push([direct_key(id, direct.actor, user).into()]);
            }
        }
        if params.is_empty() {
            return Ok(());
        }
        self.for_each(
            params,
            "SELECT c.direct_key, c.id FROM v JOIN conversations c ON c.direct_key = v.direct_key",
            |row| {
                let mut reader = RowReader::new(row);
                state.directs.insert(reader.text()?, ConversationId(reader.int()?));
                Ok(())
            },
        )?;
        // The user who opens a conversation by role also receives the user who has that role.
        let mut holders = LoadPlan::default();
        for direct in &plan.directs {
            if let DirectTarget::Role(_) = direct.target {
                let holder = target(direct, state);
                holders.users.extend(holder);
                holders.counted.extend(holder);
            }
        }
        self.load_users(&holders, state)
    }

    fn load_shared_contexts(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["a", "b"]);
        for (one, other) in &plan.pairs {
            params.push([one.0.into(), other.0.into()]);
        }
        if params.is_empty() {
            return Ok(());
        }
        self.connection().for_each("SELECT 1 FROM contexts LIMIT 1", &[], |_| {
            state.has_contexts = true;
            Ok(false)
        })?;
        self.for_each(
            params,
            "SELECT DISTINCT v.a, v.b FROM v JOIN context_roles q ON q.user_id = v.a \
                 JOIN context_roles r ON r.user_id = v.b AND r.context_id = q.context_id",
            |row| {
                let mut reader = RowReader::new(row);
                state.sharing.insert((UserId(reader.int()?), UserId(reader.int()?)));
                Ok(())
            },
        )
    }

    fn load_memberships(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["id"]);
        let external = plan.external_users.iter().filter_map(|external| state.external_users.get(external));
        for user in plan.memberships_of.iter().chain(external).collect::<BTreeSet<_>>() {
            params.push([user.0.into()]);
        }
        self.for_each(
            params,
            "SELECT m.user_id, m.conversation_id FROM v JOIN members m ON m.user_id = v.id AND m.has_left = 0",
            |row| {
                let mut reader = RowReader::new(row);
                let user = UserId(reader.int()?);
                state.memberships_of.entry(user).or_default().push(ConversationId(reader.int()?));
                Ok(())
            },
        )
    }

    /// Loads conversations and members in one statement: a member's row is loaded where there are few members, where it
    /// was requested, or where all were.
    fn load_conversations(
        &mut self,
        places: &BTreeSet<(ConversationId, UserId)>,
        whole: &BTreeSet<ConversationId>,
        limits: &Limits,
        state: &mut State,
    ) -> Result<()> {
        // The first row of a conversation also brings the other members, up to a limit; further rows bring only
        // themselves.
        let few = i64::from(limits.conversation_fan_out_max);
        let mut params = BulkParams::new(["conversation_id", "user_id", "others_max"]);
        let mut before = None;
        for (conversation, user) in places {
            let is_first = before.replace(*conversation) != Some(*conversation);
            let most = if whole.contains(conversation) { i64::from(u32::MAX) } else { few };
            params.push([conversation.0.into(), user.0.into(), if is_first { most } else { -1 }.into()]);
        }
        self.for_each(
            params,
            &format!(
                "SELECT {CONVERSATION}, {MEMBER} FROM v \
                     JOIN conversations c ON c.id = v.conversation_id \
                     LEFT JOIN contexts x ON x.id = c.context_id \
                     LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = v.user_id \
                     LEFT JOIN users u ON u.id = m.user_id \
                     LEFT JOIN context_roles r ON r.context_id = c.context_id AND r.user_id = m.user_id \
                     UNION ALL SELECT {CONVERSATION}, {MEMBER} FROM v \
                     JOIN conversations c ON c.id = v.conversation_id AND c.member_count <= v.others_max \
                     LEFT JOIN contexts x ON x.id = c.context_id \
                     JOIN members m ON m.conversation_id = c.id AND m.has_left = 0 AND m.user_id <> v.user_id \
                     JOIN users u ON u.id = m.user_id \
                     LEFT JOIN context_roles r ON r.context_id = c.context_id AND r.user_id = m.user_id"
            ),
            |row| {
                let id = ConversationId(column(row, 0)?);
                if let Entry::Vacant(entry) = state.conversations.entry(id) {
                    entry.insert(RowReader::new(row).conversation()?);
                }
                let members = state.members.entry(id).or_default();
                if column::<Option<i64>>(row, CONVERSATION_COLUMNS)?.is_some() {
                    let member = RowReader::at(row, CONVERSATION_COLUMNS).member()?;
                    members.insert(member.user.id, member);
                }
                Ok(())
            },
        )
    }

    fn load_joining_roles(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["conversation_id", "user_id"]);
        for (conversation, user) in &plan.coming {
            params.push([conversation.0.into(), user.0.into()]);
        }
        self.for_each(
            params,
            "SELECT c.id, v.user_id, r.role FROM v JOIN conversations c ON c.id = v.conversation_id \
                 LEFT JOIN context_roles r ON r.context_id = c.context_id AND r.user_id = v.user_id",
            |row| {
                let mut reader = RowReader::new(row);
                let place = (ConversationId(reader.int()?), UserId(reader.int()?));
                state.coming_roles.insert(place, reader.optional_text()?);
                Ok(())
            },
        )
    }

    /// Loads the requested hidden markers, and, for messages found by their `client_id`, whether their senders hid
    /// them.
    fn load_hidden(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut ranges = plan.hidden.clone();
        for ((sender, _), used) in &state.keys {
            if let ClientIdUse::Message(conversation, seq) = used {
                ranges.insert((*sender, *conversation, *seq, *seq));
            }
        }
        let mut params = BulkParams::new(["user_id", "conversation_id", "first_seq", "last_seq"]);
        for (user, conversation, first, last) in ranges {
            params.push([user.0.into(), conversation.0.into(), first.0.into(), last.0.into()]);
        }
        self.for_each(
            params,
            "SELECT h.user_id, h.conversation_id, h.seq FROM v JOIN hidden_messages h ON h.user_id = v.user_id \
                 AND h.conversation_id = v.conversation_id AND h.seq >= v.first_seq AND h.seq <= v.last_seq",
            |row| {
                let mut reader = RowReader::new(row);
                let user = UserId(reader.int()?);
                state.hidden.insert((user, (ConversationId(reader.int()?), Seq(reader.int()?))));
                Ok(())
            },
        )
    }

    fn load_unread(&mut self, plan: &LoadPlan, limits: &Limits, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["conversation_id", "user_id", "read_seq"]);
        for (conversation, user, read) in &plan.marks {
            params.push([conversation.0.into(), user.0.into(), read.0.into()]);
        }
        // Messages that the batch may remove from the count need as many more to fill up.
        let most = UNREAD_MAX + if plan.uncounting == 0 { 0 } else { i64::from(limits.commit_changes_max) };
        let count = unread_after("m.after_seq", most);
        self.for_each(
            params,
            &format!(
                "SELECT m.conversation_id, m.user_id, m.after_seq, {count} FROM (\
                     SELECT m.conversation_id, m.user_id, CASE WHEN v.read_seq <= m.read_seq THEN m.read_seq \
                     WHEN v.read_seq < c.last_seq THEN v.read_seq ELSE c.last_seq END AS after_seq \
                     FROM v JOIN members m ON m.conversation_id = v.conversation_id AND m.user_id = v.user_id \
                     JOIN conversations c ON c.id = m.conversation_id) AS m"
            ),
            |row| {
                let mut reader = RowReader::new(row);
                let place = (ConversationId(reader.int()?), UserId(reader.int()?), Seq(reader.int()?));
                state.unread.insert(place, reader.int()?);
                Ok(())
            },
        )
    }
}

/// Returns the user with whom a direct conversation is opened, if there is one.
pub(super) fn target(direct: &Direct, state: &State) -> Option<UserId> {
    match &direct.target {
        DirectTarget::User(user) => Some(*user),
        DirectTarget::Role(role) => {
            let context = state.contexts.get(direct.context.as_ref()?)?;
            holder(context, role, direct.actor)
        }
    }
}

/// Keys of contexts as parameters.
fn context_keys(keys: &BTreeSet<(String, String)>) -> BulkParams<'_, 2> {
    let mut params = BulkParams::new(["kind", "external_id"]);
    for (kind, id) in keys {
        params.push([kind.as_str().into(), id.as_str().into()]);
    }
    params
}

/// Returns the conversations to load, including those that only became known while loading.
fn places(plan: &LoadPlan, state: &State) -> BTreeSet<(ConversationId, UserId)> {
    let mut places = plan.places.clone();
    for (user, conversations) in &state.memberships_of {
        places.extend(conversations.iter().map(|conversation| (*conversation, *user)));
    }
    // The answer to a repeated send depends on what its sender may see now.
    places.extend(state.keys.iter().filter_map(|((sender, _), used)| match used {
        ClientIdUse::Message(conversation, _) => Some((*conversation, *sender)),
        ClientIdUse::Conversation(..) | ClientIdUse::Cancelled => None,
    }));
    for put in &plan.host_puts {
        if let Some(conversation) = host_conversation(put, state) {
            places.extend([(conversation, put.direct.actor), (conversation, put.recipient)]);
        }
    }
    for ((one, other), conversations) in &state.directs_of {
        places.extend(conversations.iter().flat_map(|id| [(*id, *one), (*id, *other)]));
    }
    // These need no particular member: user 0 does not exist, and all members are loaded where there are few.
    places.extend(state.about.values().flatten().map(|conversation| (*conversation, UserId(0))));
    places
}
