//! What changed in a conversation since a version.

use super::{Page, Snapshot, sight::Window};
use crate::{
    domain::rows::MessageRow,
    store::{
        Result, query,
        rows::{MESSAGE, Reader},
    },
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
        if let Some(after) = self.changed_after(&window, since).await? {
            let rows = self.changed(&window, since, after).await?;
            let count = rows.len();
            let page = rows.into_iter().take(self.limits.page_rows_max as usize).collect();
            let shown = self.shown(&window, page).await?;
            changes.messages = super::messages::within_bytes(shown, self.limits.page_bytes_max as usize);
            changes.more = changes.messages.len() < count;
            changes.quoted = self.quoted(&window, &changes.messages).await?;
            changes.users = self.people_in(changes.messages.iter().chain(&changes.quoted)).await?;
            if let Some(last) = changes.messages.last().filter(|_| changes.more) {
                changes.version = last.version;
                return Ok(Some(changes));
            }
        } else {
            changes.reset = true;
            if let Some(page) = self.messages(user, conversation, Page::Newest, self.limits.page_rows).await? {
                (changes.messages, changes.quoted, changes.users) = (page.messages, page.quoted, page.users);
            }
        }
        changes.conversation = self.conversation(user, conversation).await?;
        Ok(Some(changes))
    }

    /// The `seq` after which all messages are new since a version; none when so many are new or changed that the
    /// newest page is to be told instead.
    async fn changed_after(&mut self, window: &Window, since: Version) -> Result<Option<i64>> {
        let most = i64::from(self.limits.changes_rows_max);
        // Versions and seqs grow together, so the new messages are those after the newest that is not.
        let row =
            query("SELECT max(g.seq) FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.id <= $3")
                .bind(window.conversation.0)
                .bind((window.last_seq - most).max(window.history_from))
                .bind(since.0)
                .fetch_one(self.connection())
                .await?;
        let after = Reader::new(&row).optional_int()?.unwrap_or(window.history_from - 1);
        let room = most - (window.last_seq - after);
        if room < 0 {
            return Ok(None);
        }
        let row = query(
            "SELECT count(*) FROM (SELECT 1 FROM messages g WHERE g.conversation_id = $1 AND g.changed_version > $2 \
             AND g.id <= $2 AND +g.seq >= $3 LIMIT $4) AS counted",
        )
        .bind(window.conversation.0)
        .bind(since.0)
        .bind(window.history_from)
        .bind(room + 1)
        .fetch_one(self.connection())
        .await?;
        Ok(Some(after).filter(|_| Reader::new(&row).int().is_ok_and(|changed| changed <= room)))
    }

    /// Messages that are new or changed since a version, in the order of their versions: one more than a page has,
    /// if there are.
    async fn changed(&mut self, window: &Window, since: Version, after: i64) -> Result<Vec<MessageRow>> {
        let limit = i64::from(self.limits.page_rows_max) + 1;
        let new = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq > $3 \
             AND g.changed_version IS NULL ORDER BY g.seq LIMIT $4"
        );
        let changed = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND +g.seq >= $2 \
             AND g.changed_version > $3 ORDER BY g.changed_version LIMIT $4"
        );
        let mut rows = self.rows(new, [window.conversation.0, window.history_from, after, limit]).await?;
        rows.extend(self.rows(changed, [window.conversation.0, window.history_from, since.0, limit]).await?);
        rows.sort_unstable_by_key(MessageRow::version);
        rows.truncate(self.limits.page_rows_max as usize + 1);
        Ok(rows)
    }
}
