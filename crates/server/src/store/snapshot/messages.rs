//! Pages of messages.

use super::Snapshot;
use crate::{
    domain::rows::MessageRow,
    store::{
        Result, query,
        rows::{MESSAGE, Reader},
        values::{Value, bind},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    reply::MessagePage,
};

/// Which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The newest ones with a lower `seq`.
    Before(Seq),
    /// The oldest ones with a higher `seq`.
    After(Seq),
    /// Half of them up to here, half after.
    Around(Seq),
    /// The newest ones.
    Newest,
}

/// What a member may see of a conversation, and its version.
pub(super) struct Window {
    pub history_from: i64,
    pub last_seq: i64,
    pub version: Version,
}

impl Snapshot<'_> {
    /// A page, if the person is in the conversation. It ends early rather than pass `page_bytes_max`.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn messages(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        page: Page,
        limit: u32,
    ) -> Result<Option<MessagePage>> {
        let Some(window) = self.window(user, conversation).await? else { return Ok(None) };
        let limit = i64::from(limit);
        let rows = match page {
            Page::Newest => self.older(conversation, &window, i64::MAX, limit).await?,
            Page::Before(seq) => self.older(conversation, &window, seq.0, limit).await?,
            Page::After(seq) => self.newer(conversation, &window, seq.0, limit).await?,
            Page::Around(seq) => {
                let mut rows = self.older(conversation, &window, seq.0.saturating_add(1), limit - limit / 2).await?;
                rows.extend(self.newer(conversation, &window, seq.0, limit / 2).await?);
                rows
            }
        };
        let rows = within(rows, self.limits.page_bytes_max as usize, page);
        let (first, last) = match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => (first.seq.0, last.seq.0),
            // An empty page lies at one of the ends.
            _ => match page {
                Page::After(_) => (window.last_seq + 1, window.last_seq),
                _ => (window.history_from, window.history_from - 1),
            },
        };
        let senders = rows.iter().map(|row| row.sender);
        Ok(Some(MessagePage {
            users: self.users_by_id(senders).await?,
            messages: rows.iter().map(MessageRow::message).collect(),
            quoted: Vec::new(),
            more_before: first > window.history_from,
            more_after: last < window.last_seq,
            version: window.version,
            cursor: self.cursor,
        }))
    }

    pub(super) async fn window(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<Window>> {
        let row = query(
            "SELECT m.history_from, c.last_seq, c.version FROM members m \
             JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.conversation_id = $1 AND m.user_id = $2 AND m.has_left = 0",
        )
        .bind(conversation.0)
        .bind(user.0)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut reader = Reader::new(&row);
        Ok(Some(Window { history_from: reader.int()?, last_seq: reader.int()?, version: Version(reader.int()?) }))
    }

    async fn older(
        &mut self,
        conversation: ConversationId,
        window: &Window,
        before: i64,
        limit: i64,
    ) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq < $3 \
             ORDER BY g.seq DESC LIMIT $4"
        );
        let mut rows = self.rows(sql, [conversation.0, window.history_from, before, limit]).await?;
        rows.reverse();
        Ok(rows)
    }

    pub(super) async fn newer(
        &mut self,
        conversation: ConversationId,
        window: &Window,
        after: i64,
        limit: i64,
    ) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq > $3 \
             ORDER BY g.seq LIMIT $4"
        );
        self.rows(sql, [conversation.0, window.history_from, after, limit]).await
    }

    async fn rows(&mut self, sql: String, parameters: [i64; 4]) -> Result<Vec<MessageRow>> {
        let mut statement = query(sql);
        for parameter in parameters {
            statement = bind(statement, Value::from(parameter));
        }
        let rows = statement.fetch_all(self.connection()).await?;
        rows.iter().map(|row| Reader::new(row).message()).collect()
    }
}

/// As many from the first on as fit in the bytes, at least one.
pub(super) fn within_bytes(rows: Vec<MessageRow>, bytes_max: usize) -> Vec<MessageRow> {
    within(rows, bytes_max, Page::After(Seq(0)))
}

/// As many as fit in the bytes, at least one, kept at the end that the page hangs on.
fn within(mut rows: Vec<MessageRow>, bytes_max: usize, page: Page) -> Vec<MessageRow> {
    let mut bytes = 0;
    let mut fits = |row: &MessageRow| {
        bytes += row.text.len();
        bytes <= bytes_max
    };
    match page {
        Page::After(_) => {
            let count = rows.iter().take_while(|row| fits(row)).count().max(1);
            rows.truncate(count);
        }
        Page::Before(_) | Page::Newest => {
            let count = rows.iter().rev().take_while(|row| fits(row)).count().max(1);
            rows.drain(..rows.len().saturating_sub(count));
        }
        Page::Around(seq) => {
            // From the middle outwards, so that the message asked for is in it.
            let middle = rows.partition_point(|row| row.seq <= seq).saturating_sub(1);
            let (mut low, mut high) = (middle, middle);
            let mut size = rows.get(middle).map_or(0, |row| row.text.len());
            while low > 0 || high + 1 < rows.len() {
                let is_low = low > 0 && (middle - low <= high - middle || high + 1 == rows.len());
                let next = if is_low { low - 1 } else { high + 1 };
                size += rows[next].text.len();
                if size > bytes_max {
                    break;
                }
                (low, high) = if is_low { (next, high) } else { (low, next) };
            }
            rows.truncate(high + 1);
            rows.drain(..low.min(rows.len()));
        }
    }
    rows
}
