//! Pages of messages.

use super::{Snapshot, visible_messages::Window};
use crate::{
    domain::rows::{MessageRow, weight},
    store::{
        Result,
        param::Param,
        rows::{MESSAGE, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId},
    model::Message,
    reply::MessagePage,
};

/// Where a page of messages lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAnchor {
    /// The newest messages with a lower `seq`.
    Before(Seq),
    /// The oldest messages with a higher `seq`.
    After(Seq),
    /// Half of the page up to this `seq`, half after it.
    Around(Seq),
    /// The newest messages.
    Newest,
}

impl Snapshot<'_> {
    /// Returns a page if the user is in the conversation. The page ends early rather than exceed `page_bytes_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn messages(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        page: PageAnchor,
        limit: u32,
    ) -> Result<Option<MessagePage>> {
        let Some(window) = self.window(user, conversation)? else { return Ok(None) };
        let limit = i64::from(limit);
        let rows = match page {
            PageAnchor::Newest => self.older(&window, i64::MAX, limit)?,
            PageAnchor::Before(seq) => self.older(&window, seq.0, limit)?,
            PageAnchor::After(seq) => self.newer(&window, seq.0, limit)?,
            PageAnchor::Around(seq) => {
                let mut rows = self.older(&window, seq.0.saturating_add(1), limit - limit / 2)?;
                rows.extend(self.newer(&window, seq.0, limit / 2)?);
                rows
            }
        };
        let messages = within(self.messages_for_viewer(&window, &rows)?, self.limits.page_bytes_max as usize, page);
        let (first, last) = match (messages.first(), messages.last()) {
            (Some(first), Some(last)) => (first.seq.0, last.seq.0),
            // An empty page is at one of the ends.
            _ => match page {
                PageAnchor::After(_) => (window.last_seq + 1, window.last_seq),
                _ => (window.history_from, window.history_from - 1),
            },
        };
        let quoted = self.quoted_messages(&window, &messages)?;
        Ok(Some(MessagePage {
            users: self.users_in(messages.iter().chain(&quoted))?,
            messages,
            quoted,
            previous: (first > window.history_from).then_some(Seq(first)),
            next: (last < window.last_seq).then_some(Seq(last)),
            version: window.version,
            cursor: self.cursor,
        }))
    }

    fn older(&mut self, window: &Window, before: i64, limit: i64) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq < $3 \
             ORDER BY g.seq DESC LIMIT $4"
        );
        let mut rows = self.rows(&sql, [window.conversation.0, window.history_from, before, limit])?;
        rows.reverse();
        Ok(rows)
    }

    fn newer(&mut self, window: &Window, after: i64, limit: i64) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq >= $2 AND g.seq > $3 \
             ORDER BY g.seq LIMIT $4"
        );
        self.rows(&sql, [window.conversation.0, window.history_from, after, limit])
    }

    pub(super) fn rows(&mut self, sql: &str, parameters: [i64; 4]) -> Result<Vec<MessageRow>> {
        self.connection().query(sql, &parameters.map(Param::from), |row| RowReader::new(row).message())
    }
}

/// Returns as many messages as fit into the bytes, from the first on, at least one.
pub(super) fn within_bytes(messages: Vec<Message>, bytes_max: usize) -> Vec<Message> {
    within(messages, bytes_max, PageAnchor::After(Seq(0)))
}

/// Keeps as many messages as fit into the bytes, at least one, starting from the end where the page is anchored.
fn within(mut messages: Vec<Message>, bytes_max: usize, page: PageAnchor) -> Vec<Message> {
    let mut bytes = 0;
    let mut fits = |message: &Message| {
        bytes += weight(message);
        bytes <= bytes_max
    };
    match page {
        PageAnchor::After(_) => {
            let count = messages.iter().take_while(|message| fits(message)).count().max(1);
            messages.truncate(count);
        }
        PageAnchor::Before(_) | PageAnchor::Newest => {
            let count = messages.iter().rev().take_while(|message| fits(message)).count().max(1);
            messages.drain(..messages.len().saturating_sub(count));
        }
        PageAnchor::Around(seq) => {
            // From the middle outwards, so that the requested message is included.
            let middle = messages.partition_point(|message| message.seq <= seq).saturating_sub(1);
            let (mut low, mut high) = (middle, middle);
            let mut size = messages.get(middle).map_or(0, weight);
            while low > 0 || high + 1 < messages.len() {
                let is_low = low > 0 && (middle - low <= high - middle || high + 1 == messages.len());
                let next = if is_low { low - 1 } else { high + 1 };
                size += weight(&messages[next]);
                if size > bytes_max {
                    break;
                }
                (low, high) = if is_low { (next, high) } else { (low, next) };
            }
            messages.truncate(high + 1);
            messages.drain(..low.min(messages.len()));
        }
    }
    messages
}
