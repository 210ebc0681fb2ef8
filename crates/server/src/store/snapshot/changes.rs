//! What changed in a conversation since a version.

use super::{PageAnchor, Snapshot, visible_messages::Window};
use crate::{
    domain::rows::MessageRow,
    store::{Result, column, rows::MESSAGE},
};
use parlor_protocol::{
    ids::{ConversationId, Scope, UserId, Version},
    reply::Changes,
};

impl Snapshot<'_> {
    /// Returns the newest state of each changed row, or the newest page if too much changed; none if the user is not in
    /// the conversation.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn changes(&mut self, user: UserId, conversation: ConversationId, since: Version) -> Result<Option<Changes>> {
        let Some(window) = self.window(user, conversation)? else { return Ok(None) };
        let mut changes = Changes {
            scope: Scope::Conversation(conversation),
            since,
            version: window.version,
            reset: false,
            more: false,
            conversation: None,
            messages: Vec::new(),
            quoted: Vec::new(),
            users: Vec::new(),
        };
        // A version beyond the clock comes from another store, or from commits that this one has lost.
        let after = if since > self.cursor.version { None } else { self.last_known_seq(&window, since)? };
        if let Some(after) = after {
            let rows = self.changed_messages(&window, since, after)?;
            let count = rows.len();
            let page: Vec<MessageRow> = rows.into_iter().take(self.limits.page_rows_max as usize).collect();
            let shown = self.messages_for_viewer(&window, &page)?;
            changes.messages = super::messages::within_bytes(shown, self.limits.page_bytes_max as usize);
            changes.more = changes.messages.len() < count;
            changes.quoted = self.quoted_messages(&window, &changes.messages)?;
            changes.users = self.users_in(changes.messages.iter().chain(&changes.quoted))?;
            if let Some(last) = changes.messages.last().filter(|_| changes.more) {
                changes.version = last.version;
                return Ok(Some(changes));
            }
        } else {
            changes.reset = true;
            if let Some(page) = self.messages(user, conversation, PageAnchor::Newest, self.limits.page_rows)? {
                (changes.messages, changes.quoted, changes.users) = (page.messages, page.quoted, page.users);
            }
        }
        changes.conversation = self.conversation(user, conversation)?;
        Ok(Some(changes))
    }

    /// Returns the `seq` after which all messages are new since a version; none if so many are new or changed that the
    /// newest page is sent instead.
    fn last_known_seq(&mut self, window: &Window, since: Version) -> Result<Option<i64>> {
        let most = i64::from(self.limits.changes_rows_max);
        // Versions and seqs grow together, so the new messages are those after the newest one that is not new.
        let after = self
            .connection()
            .query_one(
                "SELECT max(g.seq) FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.id <= $3",
                &[
                    window.conversation.0.into(),
                    (window.last_seq - most).max(window.history_from).into(),
                    since.0.into(),
                ],
                |row| column::<Option<i64>>(row, 0),
            )?
            .unwrap_or(window.history_from - 1);
        let room = most - (window.last_seq - after);
        if room < 0 {
            return Ok(None);
        }
        let changed: i64 = self.connection().query_one(
            "SELECT count(*) FROM (SELECT 1 FROM messages g WHERE g.conversation_id = $1 AND g.changed_version > $2 \
             AND g.id <= $2 AND +g.seq >= $3 LIMIT $4) AS counted",
            &[window.conversation.0.into(), since.0.into(), window.history_from.into(), (room + 1).into()],
            |row| column(row, 0),
        )?;
        Ok(Some(after).filter(|_| changed <= room))
    }

    /// Returns messages that are new or changed since a version, ordered by version: up to one more than a page holds.
    fn changed_messages(&mut self, window: &Window, since: Version, after: i64) -> Result<Vec<MessageRow>> {
        let limit = i64::from(self.limits.page_rows_max) + 1;
        let new = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq > $3 \
             AND g.changed_version IS NULL ORDER BY g.seq LIMIT $4"
        );
        let changed = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND +g.seq >= $2 \
             AND g.changed_version > $3 ORDER BY g.changed_version LIMIT $4"
        );
        let mut rows = self.rows(&new, [window.conversation.0, window.history_from, after, limit])?;
        rows.extend(self.rows(&changed, [window.conversation.0, window.history_from, since.0, limit])?);
        rows.sort_unstable_by_key(MessageRow::version);
        rows.truncate(self.limits.page_rows_max as usize + 1);
        Ok(rows)
    }
}
