//! Writes to the host what Parlor's own clients did: sent, edited, deleted, hidden and read messages.
//!
//! It reads the store's changes from a durable position. Invariants: a message has one row, whatever is repeated,
//! because its key is inserted with the row; a row that the host has changed since it was last read is left to be read
//! first; what the host refuses stops nothing else, and is tried again by [`super::retry`].

use super::{
    MirrorError,
    applied::Announce,
    apply::Applier,
    host_tables::{NewRow, TableRow},
    keys,
};
use crate::{
    domain::{
        Rules,
        host_content::{HostContent, host_text},
        rows::{HostRowCopy, MessageRow, UserRow},
    },
    store::snapshot::{Snapshot, UnmirroredMessage, UnmirroredMessages},
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::ContextKey,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use tracing::warn;

/// How many messages one step reads.
const MESSAGES_MAX: usize = 200;
/// How many bytes of text end a step.
const BYTES_MAX: usize = 1024 * 1024;
/// How many commits one step reads.
const COMMITS_MAX: i64 = 1000;
/// How many refused messages, refused rows, and rows that the host made unread again are remembered.
pub(super) const REMEMBERED_MAX: usize = 10_000;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) rules: Arc<Rules>,
    /// Messages that the host refused, each logged once.
    pub(super) refused: HashSet<(ConversationId, Seq)>,
    /// Rows whose flags the host refused to change: they are left alone until the next retry.
    pub(super) refused_rows: HashSet<i64>,
    /// Rows that were marked as read since the position moved last: a host that makes them unread at once has the last
    /// word.
    pub(super) just_marked: HashSet<i64>,
    /// The first version of what the host refused; none if it has everything up to the position.
    pub(super) first_refused: Option<Version>,
    /// Rows that the host made unread again: they stay so, although they are before the reader's marker.
    pub(super) unread_again: HashSet<i64>,
    /// Rows cannot be inserted, because a column of the table is not in the profile.
    pub(super) cannot_insert: bool,
}

/// What happened in the store after a position.
struct OutboundChanges {
    unmirrored: Vec<UnmirroredMessage>,
    changed: Vec<MessageRow>,
    scopes: BTreeSet<Scope>,
    users: HashMap<UserId, UserRow>,
    /// Up to here everything was read, of the epoch in which it was read: an older one ends before these versions.
    to: Cursor,
    is_all: bool,
}

impl Outbound {
    /// Does one step from a cursor on, and moves it. Returns whether there may be more to do; none if the cursor is not
    /// one of this store, which was restored from a backup.
    pub(super) async fn step(
        &mut self,
        applier: &mut Applier,
        cursor: &mut Cursor,
    ) -> Result<Option<bool>, MirrorError> {
        self.note_unread_again(applier);
        let Some(news) = read(applier, *cursor).await? else { return Ok(None) };
        let from = cursor.version;
        let mut is_all_read = true;
        let mut inserted = Vec::new();
        for unmirrored in &news.unmirrored {
            inserted.extend(self.insert(applier, unmirrored, &news.users).await?);
        }
        let announce = Announce::recent(applier.environment.now_ms());
        applier.apply(&inserted, &BTreeSet::new(), announce).await?;
        let mut touched = self.change(applier, &news.changed).await?;
        for scope in &news.scopes {
            let (read, is_more) = self.mark_read(applier, *scope, from).await?;
            is_all_read &= !is_more;
            touched.extend(read);
            if let Scope::User(user) = *scope {
                touched.extend(self.hide(applier, user, from).await?);
            }
        }
        let touched: Vec<i64> = touched.into_iter().collect();
        applier.apply(&touched, &BTreeSet::new(), announce).await?;
        self.note_unread_again(applier);
        if is_all_read {
            *cursor = news.to;
            self.just_marked.clear();
        }
        Ok(Some(!(news.is_all && is_all_read)))
    }

    fn note_unread_again(&mut self, applier: &mut Applier) {
        if self.unread_again.len() + applier.unread_again.len() > REMEMBERED_MAX {
            self.unread_again.clear();
        }
        self.unread_again.extend(applier.unread_again.drain(..));
    }

    /// Inserts the row of a message, unless the conversation is none of the host's; returns its id.
    async fn insert(
        &mut self,
        applier: &Applier,
        unmirrored: &UnmirroredMessage,
        users: &HashMap<UserId, UserRow>,
    ) -> Result<Option<i64>, MirrorError> {
        let UnmirroredMessage { message, recipient, context } = unmirrored;
        let external = |user: &UserId| users.get(user).and_then(|row| row.external_id.clone());
        let (Some(sender), Some(recipient)) = (external(&message.sender), external(recipient)) else { return Ok(None) };
        if !has_rows_about(applier, context.as_ref()) {
            return Ok(None);
        }
        let version = Version(message.id.0);
        if self.cannot_insert {
            self.refuse(applier, message, version, "a column of the table is not in the profile");
            return Ok(None);
        }
        let row = NewRow {
            sender,
            recipient,
            context: context.as_ref().map(|key| key.id.clone()),
            text: host_text(message),
            subject: message.details.subject.clone(),
            created_at_ms: message.created_at,
            is_read: false,
        };
        let key = keys::of_message(message);
        match applier.tables.insert_once(&key, &row, applier.environment.now_ms()).await {
            Ok(id) => {
                applier.metrics.mirror.written.inc();
                Ok(Some(id))
            }
            Err(error) if error.is_outage() => Err(error.into()),
            Err(error) => {
                self.refuse(applier, message, version, &error.to_string());
                Ok(None)
            }
        }
    }

    /// Writes changed texts and deletes rows of deleted messages; returns the rows that it touched.
    async fn change(&mut self, applier: &Applier, changed: &[MessageRow]) -> Result<BTreeSet<i64>, MirrorError> {
        let of_users = |row: &&MessageRow| row.details.edited_at.is_some() || row.details.deleted;
        let changed: BTreeMap<(ConversationId, Seq), &MessageRow> =
            changed.iter().filter(of_users).map(|row| ((row.conversation, row.seq), row)).collect();
        let places: Vec<(ConversationId, Seq)> = changed.keys().copied().collect();
        let rows = applier.store.read(move |snapshot| snapshot.host_rows_by_message(&places)).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.key.id).collect();
        let current = applier.tables.read(&ids).await?;
        let mut touched = BTreeSet::new();
        for known in rows {
            let Some(message) = known.place.and_then(|place| changed.get(&place)) else { continue };
            let Some(row) = current.get(&known.key.id) else { continue };
            touched.insert(known.key.id);
            let now_ms = applier.environment.now_ms();
            let written = match row {
                _ if message.details.deleted => applier.tables.delete(known.key.id, now_ms).await,
                Ok(row) if self.is_changed_here(message, row, &known) => {
                    let subject = message.details.subject.as_deref();
                    applier.tables.write_text(row.id, &host_text(message), subject, now_ms).await
                }
                _ => continue,
            };
            match written {
                Ok(()) => {}
                Err(error) if error.is_outage() => return Err(error.into()),
                Err(error) => self.refuse(applier, message, message.version(), &error.to_string()),
            }
        }
        Ok(touched)
    }

    /// Returns whether a message differs from its row, and the row is as it was last read.
    fn is_changed_here(&self, message: &MessageRow, row: &TableRow, known: &HostRowCopy) -> bool {
        let put = row.as_message(known.key.clone(), (known.sender, known.recipient));
        let limits = &self.rules.limits;
        let shown = HostContent::of(&put, limits.text_chars_max, limits.subject_chars_max);
        let is_same = shown.text == host_text(message) && shown.subject == message.details.subject;
        let fingerprint = self.rules.fingerprints.of_host_text(&row.text, row.subject.as_deref());
        !is_same && fingerprint == known.text_fingerprint
    }

    fn refuse(&mut self, applier: &Applier, message: &MessageRow, version: Version, reason: &str) {
        self.note_refused(applier, version);
        let place = (message.conversation, message.seq);
        if self.refused.len() < REMEMBERED_MAX && self.refused.insert(place) {
            warn!(conversation = %place.0, seq = %place.1, reason, "a message is not written to the host yet");
        }
    }

    /// Notes that the host refused what has a version.
    pub(super) fn note_refused(&mut self, applier: &Applier, version: Version) {
        applier.metrics.mirror.refused.inc();
        self.first_refused = Some(self.first_refused.map_or(version, |first| first.min(version)));
    }
}

/// Reads what happened after a position; none if the position is not one of this store.
async fn read(applier: &Applier, from: Cursor) -> Result<Option<OutboundChanges>, MirrorError> {
    let read = applier.store.read(move |snapshot| {
        if !snapshot.is_valid(from)? {
            return Ok(None);
        }
        let UnmirroredMessages { messages, to, more } =
            snapshot.messages_without_host_row(from.version, MESSAGES_MAX, BYTES_MAX)?;
        let (changed, is_changed_cut) = snapshot.messages_changed_after(from.version, MESSAGES_MAX, BYTES_MAX)?;
        let changed_to = changed.last().filter(|_| is_changed_cut).map(MessageRow::version);
        let people = messages.iter().flat_map(|found| [found.message.sender, found.recipient]);
        let users = snapshot.user_rows(people)?;
        Ok(Some(OutboundChanges {
            unmirrored: messages,
            changed,
            scopes: BTreeSet::new(),
            users: users.into_iter().map(|row| (row.id, row)).collect(),
            to: Cursor { epoch: snapshot.cursor.epoch, version: changed_to.map_or(to, |cut| cut.min(to)) },
            is_all: !more && !is_changed_cut,
        }))
    });
    let Some(mut news) = read.await? else { return Ok(None) };
    // Read after the messages, so that no commit up to `to` is left out.
    let commits = applier.store.commits_after(from.version, COMMITS_MAX).await?;
    if i64::try_from(commits.len()).is_ok_and(|count| count == COMMITS_MAX)
        && let Some(last) = commits.last()
    {
        (news.to.version, news.is_all) = (news.to.version.min(last.last), false);
    }
    let to = news.to.version;
    news.unmirrored.retain(|found| found.message.id.0 <= to.0);
    news.changed.retain(|row| row.version() <= to);
    // Commits are remembered for minutes only. After a longer outage the scopes of all users are looked at.
    let is_complete = commits.first().map_or(from.version >= to, |first| first.first.0 <= from.version.0 + 1);
    if !is_complete {
        let read = |snapshot: &mut Snapshot<'_>| {
            Ok(snapshot.mirrored_users()?.into_iter().map(Scope::User).collect::<Vec<_>>())
        };
        news.scopes.extend(applier.store.read(read).await?);
    }
    news.scopes.extend(commits.into_iter().flat_map(|commit| commit.scopes).map(|(scope, _)| scope));
    Ok(Some(news))
}

/// Returns whether the host can have a row for a message about this.
pub(super) fn has_rows_about(applier: &Applier, context: Option<&ContextKey>) -> bool {
    match (&applier.tables.profile.context, context) {
        (None, context) => context.is_none(),
        (Some(table), Some(key)) => table.kind == key.kind,
        (Some(_), None) => applier.columns.is_context_optional(&applier.tables.profile),
    }
}
