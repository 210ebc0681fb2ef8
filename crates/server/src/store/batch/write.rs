//! Writes what a batch decided.

use super::BatchTransaction;
use crate::{
    domain::{
        change::Which,
        rows::{ConversationRow, Details, Named},
        state::State,
    },
    search::names::name_words,
    store::{Result, bulk_params::BulkParams, param::Param},
};
use parlor_protocol::ids::{Epoch, Scope, Version};

impl BatchTransaction<'_> {
    /// Writes every changed row and the row of the commit itself.
    ///
    /// # Errors
    /// The store failed or rejected a row; the batch has to be abandoned.
    pub fn write(&mut self, state: &State, first: Version, last: Version, node: Epoch, now_ms: i64) -> Result<()> {
        self.write_users(state)?;
        self.write_contexts(state)?;
        self.insert_conversations(state)?;
        self.insert_messages(state)?;
        self.update_messages(state)?;
        self.write_hidden(state)?;
        self.write_mentions(state)?;
        self.write_host_rows(state)?;
        self.write_files(state)?;
        self.update_conversations(state)?;
        self.write_members(state)?;
        self.write_settings(state)?;
        self.write_blocks(state)?;
        self.write_drafts(state)?;
        self.write_reports(state)?;
        self.end_sessions(state)?;
        self.insert_cancelled(state, now_ms)?;
        let scopes: Vec<String> = state.scopes.iter().map(|(scope, version)| format!("{scope}@{version}")).collect();
        let sql = "INSERT INTO commits (last_version, first_version, node, scopes, committed_at) \
                   VALUES ($1, $2, $3, $4, $5)";
        let parameters = [last.0.into(), first.0.into(), node.0.into(), scopes.join(" ").into(), now_ms.into()];
        self.connection().execute(sql, &parameters).map(drop)
    }

    fn write_users(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "external_id",
            "login",
            "name",
            "name_words",
            "password_hash",
            "host_password",
            "picture",
            "disabled",
            "profile_version",
            "version",
            "created_at",
            "receipts",
            "presence",
            "blocks_version",
            "moderator",
            "warnings_version",
        ]);
        for user in state.changed_users.iter().map(|user| &state.users[user]) {
            params.push([
                user.id.0.into(),
                (&user.external_id).into(),
                user.login.as_str().into(),
                user.name.as_str().into(),
                name_words(&user.name).into(),
                (&user.password_hash).into(),
                (&user.host_password).into(),
                (&user.picture).into(),
                user.disabled.into(),
                user.profile_version.0.into(),
                user.version.0.into(),
                user.created_at.into(),
                user.receipts.into(),
                user.presence.into(),
                user.blocks_version.0.into(),
                user.moderator.into(),
                user.warnings_version.0.into(),
            ]);
        }
        self.upsert(params, "users", 1)
    }

    fn write_contexts(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "kind",
            "external_id",
            "title",
            "detail",
            "url",
            "image",
            "status",
            "tone",
            "closed",
            "version",
        ]);
        let mut ids = BulkParams::new(["id"]);
        let mut roles = BulkParams::new(["context_id", "user_id", "role"]);
        for row in state.changed_contexts.iter().map(|key| &state.contexts[key]) {
            let context = &row.context;
            params.push([
                row.id.into(),
                context.key.kind.as_str().into(),
                context.key.id.as_str().into(),
                context.title.as_str().into(),
                (&context.detail).into(),
                (&context.url).into(),
                (&context.image).into(),
                (&context.status).into(),
                context.tone.name().into(),
                context.closed.into(),
                row.version.0.into(),
            ]);
            ids.push([row.id.into()]);
            for (user, role) in &row.roles {
                roles.push([row.id.into(), user.0.into(), role.as_str().into()]);
            }
        }
        self.upsert(params, "contexts", 1)?;
        self.execute(ids, "DELETE FROM context_roles WHERE context_id IN (SELECT id FROM v)")?;
        self.insert(roles, "context_roles")
    }

    fn insert_conversations(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "kind",
            "direct_key",
            "title",
            "context_id",
            "created_by",
            "client_id",
            "fingerprint",
            "created_at",
            "version",
            "activity",
            "member_count",
            "blocking",
        ]);
        for row in state.new_conversations.iter().map(|id| &state.conversations[id]) {
            params.push(conversation_params(row));
        }
        self.insert(params, "conversations")
    }

    fn update_conversations(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "title",
            "version",
            "activity",
            "last_seq",
            "last_message_id",
            "member_count",
            "picture",
            "uncounted_seq",
            "history_from_max",
            "blocking",
        ]);
        for row in state.changed_conversations.iter().map(|id| &state.conversations[id]) {
            params.push([
                row.id.0.into(),
                (&row.title).into(),
                row.version.0.into(),
                row.activity.0.into(),
                row.last_seq.0.into(),
                row.last_message_id.map(|id| id.0).into(),
                i64::from(row.member_count).into(),
                (&row.picture).into(),
                row.uncounted_seq.0.into(),
                row.history_from_max.0.into(),
                row.blocking.number().into(),
            ]);
        }
        self.update(params, "conversations")
    }

    fn insert_messages(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "conversation_id",
            "seq",
            "sender_id",
            "client_id",
            "fingerprint",
            "text",
            "created_at",
            "details",
            "uncounted",
        ]);
        for message in state.new_messages.iter().map(|place| &state.messages[place]) {
            params.push([
                message.id.0.into(),
                message.conversation.0.into(),
                message.seq.0.into(),
                message.sender.0.into(),
                message.client_id.as_str().into(),
                message.fingerprint.as_slice().into(),
                message.text.as_str().into(),
                message.created_at.into(),
                details(&message.details).into(),
                (message.counting() as i64).into(),
            ]);
        }
        self.insert(params, "messages")
    }

    fn update_messages(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new(["id", "text", "created_at", "details", "uncounted", "changed_version"]);
        for message in state.changed_messages.iter().map(|place| &state.messages[place]) {
            params.push([
                message.id.0.into(),
                message.text.as_str().into(),
                message.created_at.into(),
                details(&message.details).into(),
                (message.counting() as i64).into(),
                message.changed_version.map(|version| version.0).into(),
            ]);
        }
        self.update(params, "messages")
    }

    /// Writes which messages users hide, and since when they no longer hide those that they hid before.
    fn write_hidden(&mut self, state: &State) -> Result<()> {
        for (is_hidden, table, other) in
            [(true, "hidden_messages", "unhidden_messages"), (false, "unhidden_messages", "hidden_messages")]
        {
            let mut params = BulkParams::new(["user_id", "conversation_id", "seq", "version"]);
            for (place, change) in &state.changed_hidden {
                if state.hidden.contains(place) == is_hidden {
                    let (user, (conversation, seq)) = place;
                    params.push([user.0.into(), conversation.0.into(), seq.0.into(), change.version.0.into()]);
                }
            }
            self.upsert(params.clone(), table, 3)?;
            self.execute(
                params,
                &format!(
                    "DELETE FROM {other} WHERE (user_id, conversation_id, seq) IN \
                     (SELECT v.user_id, v.conversation_id, v.seq FROM v)"
                ),
            )?;
        }
        Ok(())
    }

    fn write_members(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "conversation_id",
            "user_id",
            "role",
            "joined_version",
            "history_from",
            "read_seq",
            "delivered_seq",
            "sent_seq",
            "has_left",
            "version",
            "personal_version",
            "read_at",
            "hidden_seq",
            "cleared_seq",
        ]);
        for (conversation, user) in &state.changed_members {
            let member = &state.members[conversation][user];
            params.push([
                conversation.0.into(),
                user.0.into(),
                member.role.name().into(),
                member.joined_version.0.into(),
                member.history_from.0.into(),
                member.read_seq.0.into(),
                member.delivered_seq.0.into(),
                member.sent_seq.0.into(),
                member.has_left.into(),
                member.version.0.into(),
                member.personal_version.0.into(),
                member.read_at.into(),
                member.hidden_seq.0.into(),
                member.cleared_seq.0.into(),
            ]);
        }
        self.upsert(params, "members", 2)
    }

    fn end_sessions(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "only_id", "keep_id"]);
        for ending in &state.endings {
            let only = match ending.which {
                Which::One(session) => Some(session.0),
                Which::All => None,
            };
            params.push([ending.user.0.into(), only.into(), ending.keep.map(|session| session.0).into()]);
        }
        self.execute(
            params,
            "DELETE FROM sessions WHERE EXISTS (SELECT 1 FROM v WHERE v.user_id = sessions.user_id \
                 AND (v.only_id IS NULL OR v.only_id = sessions.id) \
                 AND (v.keep_id IS NULL OR v.keep_id <> sessions.id))",
        )
    }

    fn insert_cancelled(&mut self, state: &State, now_ms: i64) -> Result<()> {
        let mut params = BulkParams::new(["client_id", "sender_id", "cancelled_at"]);
        for (sender, client_id) in &state.new_cancelled {
            params.push([client_id.as_str().into(), sender.0.into(), now_ms.into()]);
        }
        self.insert(params, "cancelled_keys")
    }
}

/// Returns the details as JSON, or none if they are empty.
pub(super) fn details(details: &Details) -> Option<String> {
    (*details != Details::default()).then(|| serde_json::to_string(details).expect("details have string keys only"))
}

fn conversation_params(row: &ConversationRow) -> [Param<'_>; 13] {
    [
        row.id.0.into(),
        row.kind.name().into(),
        (&row.direct_key).into(),
        (&row.title).into(),
        row.context_id.into(),
        row.created_by.0.into(),
        row.client_id.as_str().into(),
        row.fingerprint.as_slice().into(),
        row.created_at.into(),
        row.version.0.into(),
        row.activity.0.into(),
        i64::from(row.member_count).into(),
        row.blocking.number().into(),
    ]
}

/// Parses the scopes of a row of `commits`, as `write` stored them.
pub(crate) fn scopes(text: &str) -> impl Iterator<Item = (Scope, Version)> {
    text.split(' ').filter_map(|part| {
        let (scope, version) = part.split_once('@')?;
        Some((scope.parse().ok()?, version.parse().ok()?))
    })
}
