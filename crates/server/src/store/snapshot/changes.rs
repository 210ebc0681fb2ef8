//! What changed in a conversation since a version.

use super::{Page, Snapshot};
use crate::{
    domain::rows::MessageRow,
    store::{Result, query, rows::Reader},
};
use parlor_protocol::{
    ids::{ConversationId, Scope, UserId, Version},
    reply::Changes,
};

impl Snapshot<'_> {
    /// The newest state of each changed row, or the newest page when too much changed; none if the person is
    /// not in the conversation.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn changes(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        since: Version,
    ) -> Result<Option<Changes>> {
        let Some(window) = self.window(user, conversation).await? else { return Ok(None) };
        let scope = Scope::Conversation(conversation);
        let most = i64::from(self.limits.changes_rows_max);
        // Versions and seqs grow together, so the changed messages are those after the newest unchanged one.
        let row =
            query("SELECT max(g.seq) FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.id <= $3")
                .bind(conversation.0)
                .bind((window.last_seq - most).max(window.history_from))
                .bind(since.0)
                .fetch_one(self.connection())
                .await?;
        let unchanged = Reader::new(&row).optional_int()?;
        let reset = unchanged.is_none() && window.last_seq - (window.history_from - 1) > most;
        let mut changes = Changes {
            scope,
            since,
            version: window.version,
            reset,
            more: false,
            conversation: None,
            messages: Vec::new(),
            quoted: Vec::new(),
            users: Vec::new(),
        };
        if reset {
            let page = self.messages(user, conversation, Page::Newest, self.limits.page_rows).await?;
            (changes.messages, changes.users) = page.map(|page| (page.messages, page.users)).unwrap_or_default();
        } else {
            let after = unchanged.unwrap_or(window.history_from - 1);
            let limit = self.limits.page_rows_max;
            let rows = self.newer(conversation, &window, after, i64::from(limit)).await?;
            let rows = super::messages::within_bytes(rows, self.limits.page_bytes_max as usize);
            let last = rows.last().map(|row| (row.seq.0, Version(row.id.0)));
            changes.users = self.users_by_id(rows.iter().map(|row| row.sender)).await?;
            changes.messages = rows.iter().map(MessageRow::message).collect();
            if let Some((_, version)) = last.filter(|(seq, _)| *seq < window.last_seq) {
                changes.version = version;
                changes.more = true;
                return Ok(Some(changes));
            }
        }
        changes.conversation = self.conversation(user, conversation).await?;
        Ok(Some(changes))
    }
}
