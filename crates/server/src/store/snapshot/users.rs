//! Users: the viewer, senders, and those the viewer may write to.

use super::{Snapshot, conversations::unread};
use crate::{
    domain::{
        WhoMayWrite,
        rows::{UNREAD_MAX, UserRow},
    },
    environment::rfc3339,
    paging::UserPosition,
    search::names::{self, NameTerm},
    store::{
        Result,
        bulk_params::BulkParams,
        param::Param,
        rows::{self, DRAFT, RowReader, SETTINGS, USER},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    model::User,
    params::MessagePlace,
    reply::{DraftOf, Marker, SettingsOf, Unread},
};
use std::{collections::BTreeSet, fmt::Write as _};

/// Whether the viewer and a user `u` have roles in the same context.
const SHARES_CONTEXT: &str = "EXISTS (SELECT 1 FROM context_roles q JOIN context_roles r ON r.context_id = q.context_id \
                      WHERE q.user_id = $1 AND r.user_id = u.id)";

impl Snapshot<'_> {
    /// Returns a user's own row.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn me(&mut self, user: UserId) -> Result<Option<UserRow>> {
        self.connection().query_optional(
            &format!("SELECT {USER} FROM users u WHERE u.id = $1"),
            &[user.0.into()],
            |row| RowReader::new(row).user(),
        )
    }

    /// Returns the user's markers that moved without a change of their conversation.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn markers(&mut self, user: UserId) -> Result<Vec<Marker>> {
        let most = i64::from(self.limits.conversations_max);
        self.connection().query(&format!(
            "SELECT c.id, m.read_seq, m.read_at, m.delivered_seq, {} FROM members m \
             JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND m.personal_version > 0 ORDER BY m.personal_version DESC LIMIT $2",
            rows::unread()
        ), &[user.0.into(), most.into()], |row| {
                let mut reader = RowReader::new(row);
                Ok(Marker {
                    conversation: ConversationId(reader.int()?),
                    read_seq: Seq(reader.int()?),
                    read_at: reader.optional_int()?.map(rfc3339),
                    delivered_seq: Seq(reader.int()?),
                    unread: unread(reader.int()?),
                })
            })
    }

    /// Returns the number of unread messages in the conversations of the user that are neither archived nor muted at this
    /// time. A conversation that was read to its end costs three look-ups, any other at most a count up to
    /// [`UNREAD_MAX`].
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn unread(&mut self, user: UserId, now_ms: i64) -> Result<Unread> {
        let sql = format!(
            "SELECT CAST(count(*) AS BIGINT), CAST(COALESCE(sum(counted.unread), 0) AS BIGINT) FROM \
             (SELECT CASE WHEN one.unread > {UNREAD_MAX} THEN {UNREAD_MAX} ELSE one.unread END AS unread, one.marked FROM \
             (SELECT {} AS unread, COALESCE(s.marked_unread, 0) AS marked \
             FROM members m JOIN conversations c ON c.id = m.conversation_id \
             LEFT JOIN conversation_settings s ON s.user_id = m.user_id AND s.conversation_id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND (c.last_seq > m.read_seq OR s.marked_unread = 1) \
             AND COALESCE(s.muted_until, 0) <= $2 AND COALESCE(s.archived_seq, -1) < c.last_seq) AS one \
             WHERE one.unread > 0 OR one.marked = 1) AS counted",
            rows::unread()
        );
        let counted = self.connection().query_optional(&sql, &[user.0.into(), now_ms.into()], |row| {
            let mut reader = RowReader::new(row);
            let mut count = || reader.int().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            Ok(Unread { conversations: count()?, messages: count()? })
        })?;
        Ok(counted.unwrap_or_default())
    }

    /// Returns the settings that the user changed after a version; without one, those of their pinned conversations. None
    /// if these are more than `changes_rows_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn settings(&mut self, user: UserId, since: Option<Version>) -> Result<Option<Vec<SettingsOf>>> {
        let most = self.limits.changes_rows_max;
        let rows: Vec<SettingsOf> = self.connection().query(
            &format!(
                "SELECT s.conversation_id, {SETTINGS} FROM conversation_settings s \
                 JOIN members m ON m.conversation_id = s.conversation_id AND m.user_id = s.user_id AND m.has_left = 0 \
                 WHERE s.user_id = $1 AND s.version > $2 AND s.pinned >= $3 ORDER BY s.version LIMIT $4"
            ),
            &[
                user.0.into(),
                since.unwrap_or_default().0.into(),
                i64::from(since.is_none()).into(),
                (i64::from(most) + 1).into(),
            ],
            |row| {
                let mut reader = RowReader::new(row);
                let conversation = ConversationId(reader.int()?);
                Ok(SettingsOf { conversation, settings: reader.settings()?.settings() })
            },
        )?;
        Ok(Some(rows).filter(|rows| rows.len() <= most as usize))
    }

    /// Returns the drafts that changed after a version, deleted ones too; without one, those that are not empty. None if
    /// these are more than `changes_rows_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn drafts(&mut self, user: UserId, since: Option<Version>) -> Result<Option<Vec<DraftOf>>> {
        let most = self.limits.changes_rows_max.max(self.limits.drafts_max);
        let rows: Vec<DraftOf> = self.connection().query(
            &format!(
                "SELECT d.conversation_id, {DRAFT} FROM drafts d \
                 WHERE d.user_id = $1 AND d.version > $2 AND ($3 = 0 OR d.text <> '' OR d.details IS NOT NULL) \
                 ORDER BY d.version LIMIT $4"
            ),
            &[
                user.0.into(),
                since.unwrap_or_default().0.into(),
                i64::from(since.is_none()).into(),
                (i64::from(most) + 1).into(),
            ],
            |row| {
                let mut reader = RowReader::new(row);
                let conversation = ConversationId(reader.int()?);
                Ok(DraftOf { conversation, draft: reader.draft()?.draft() })
            },
        )?;
        Ok(Some(rows).filter(|rows| rows.len() <= most as usize))
    }

    /// Returns what the user hid after a version, in that order; none if it is more than `changes_rows_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn hidden(&mut self, user: UserId, since: Version) -> Result<Option<Vec<MessagePlace>>> {
        self.places_since("hidden_messages", user, since)
    }

    /// Returns what the user had hidden and was shown again after a version, in the same way.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn unhidden(&mut self, user: UserId, since: Version) -> Result<Option<Vec<MessagePlace>>> {
        self.places_since("unhidden_messages", user, since)
    }

    fn places_since(&mut self, table: &str, user: UserId, since: Version) -> Result<Option<Vec<MessagePlace>>> {
        let most = self.limits.changes_rows_max;
        let places: Vec<MessagePlace> = self.connection().query(
            &format!(
                "SELECT h.conversation_id, h.seq FROM {table} h WHERE h.user_id = $1 AND h.version > $2 \
                 ORDER BY h.version LIMIT $3"
            ),
            &[user.0.into(), since.0.into(), (i64::from(most) + 1).into()],
            |row| {
                let mut reader = RowReader::new(row);
                Ok(MessagePlace { conversation: ConversationId(reader.int()?), seq: Seq(reader.int()?) })
            },
        )?;
        Ok(Some(places).filter(|places| places.len() <= most as usize))
    }

    /// Returns users by id, each once.
    pub(crate) fn users_by_id(&mut self, ids: impl Iterator<Item = UserId>) -> Result<Vec<User>> {
        let mut params = BulkParams::new(["id"]);
        for id in ids.collect::<BTreeSet<_>>() {
            params.push([id.0.into()]);
        }
        let sql = format!("SELECT {USER} FROM v JOIN users u ON u.id = v.id ORDER BY u.id");
        params.query(self.connection(), &sql, |row| Ok(RowReader::new(row).user()?.user()))
    }

    /// Returns a page of the users with whom the viewer may open a conversation and whose names match the query, in the
    /// order of their names, and the position of the last one if there are more.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn users_to_write_to(
        &mut self,
        viewer: UserId,
        words: &str,
        who: WhoMayWrite,
        after: Option<UserPosition>,
        limit: u32,
    ) -> Result<(Vec<User>, Option<UserPosition>)> {
        let mut sql = format!("SELECT u.name_words, {USER} FROM users u WHERE u.id <> $1 AND u.disabled = 0");
        let _ = write!(sql, " AND {}", rows::unblocked("$1", "u.id"));
        let mut parameters = vec![Param::from(viewer.0), Param::from(i64::from(limit) + 1)];
        match who {
            WhoMayWrite::Nobody => return Ok((Vec::new(), None)),
            WhoMayWrite::Everyone => {}
            WhoMayWrite::SharedContext => {
                let _ = write!(sql, " AND (NOT EXISTS (SELECT 1 FROM contexts) OR {SHARES_CONTEXT})");
            }
            WhoMayWrite::BothInContext => {
                let _ = write!(sql, " AND {SHARES_CONTEXT}");
            }
        }
        let mut has = |word: &str| {
            // Of LIKE's special characters, a word can only contain this one.
            parameters.push(Param::from(format!("% {}%", word.replace('%', ""))));
            format!("u.name_words LIKE ${}", parameters.len())
        };
        for NameTerm { whole, parts } in names::name_terms(words) {
            let whole = has(&whole);
            let parts = parts.iter().map(|part| has(part)).collect::<Vec<_>>().join(" AND ");
            let either = if parts.is_empty() { String::new() } else { format!(" OR ({parts})") };
            let _ = write!(sql, " AND ({whole}{either})");
        }
        if let Some(UserPosition { words, id }) = after {
            let (words_at, id_at) = (parameters.len() + 1, parameters.len() + 2);
            parameters.extend([Param::from(words), Param::from(id.0)]);
            let _ = write!(sql, " AND (u.name_words, u.id) > (${words_at}, ${id_at})");
        }
        sql.push_str(" ORDER BY u.name_words, u.id LIMIT $2");
        self.page_of_users(&sql, &parameters, limit)
    }

    /// Returns a page of the users whom the user has blocked, in the same order.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn blocked_users(
        &mut self,
        user: UserId,
        after: Option<UserPosition>,
        limit: u32,
    ) -> Result<(Vec<User>, Option<UserPosition>)> {
        let position = after.map_or((String::new(), 0), |UserPosition { words, id }| (words, id.0));
        let sql = format!(
            "SELECT u.name_words, {USER} FROM blocks b JOIN users u ON u.id = b.blocked_id WHERE b.user_id = $1 \
             AND (u.name_words, u.id) > ($3, $4) ORDER BY u.name_words, u.id LIMIT $2"
        );
        let parameters = [user.0.into(), (i64::from(limit) + 1).into(), position.0.into(), position.1.into()];
        self.page_of_users(&sql, &parameters, limit)
    }

    /// Returns the users whom the user has blocked, by their ids.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn blocks(&mut self, user: UserId) -> Result<Vec<UserId>> {
        let sql = "SELECT b.blocked_id FROM blocks b WHERE b.user_id = $1 ORDER BY b.blocked_id";
        self.connection().query(sql, &[user.0.into()], |row| RowReader::new(row).int().map(UserId))
    }

    fn page_of_users(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        limit: u32,
    ) -> Result<(Vec<User>, Option<UserPosition>)> {
        let rows = self.connection().query(sql, parameters, |row| {
            let mut reader = RowReader::new(row);
            let words = reader.text()?;
            Ok((reader.user()?.user(), words))
        })?;
        let is_last = rows.len() <= limit as usize;
        let rows = rows.into_iter().take(limit as usize);
        let (users, words): (Vec<User>, Vec<String>) = rows.unzip();
        let last = users.last().zip(words.last()).filter(|_| !is_last);
        let next = last.map(|(user, words)| UserPosition { words: words.clone(), id: user.id });
        Ok((users, next))
    }
}
