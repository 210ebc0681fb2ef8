//! Makes the store equal to rows of the host.
//!
//! Invariants: a row is read just before it is applied, by one task for all rows, so an older state never follows a
//! newer one; a row that cannot be applied stops no other; each row that is new is published to the old sockets of both
//! users once, after its commit.

use super::{
    MirrorError,
    applied::{Announce, Applied, is_transient},
    contexts::HostContexts,
    host_tables::{HostTables, ROWS_MAX, TableRow, TableRows},
    import::Import,
    keys,
    message_row::HostFile,
    schema::TableColumns,
};
use crate::{
    bridge::Bridge,
    channel_layer::ChannelLayer,
    commit::Commit,
    domain::{
        Rules,
        change::{Change, HostMessage, HostRowKey, Outcome},
        rows::HostRowCopy,
    },
    environment::Environment,
    identity::host_users::HostUsers,
    metrics::Metrics,
    store::{Store, snapshot::UnmirroredMessage},
};
use parlor_protocol::{
    error::Code,
    ids::{ConversationId, FileId, Seq, UserId},
    model::{Attachment, ContextKey},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use tracing::warn;

/// How many refused rows are remembered, so that each is logged once.
const REFUSED_MAX: usize = 10_000;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Applier {
    pub(super) tables: HostTables,
    pub(super) columns: TableColumns,
    pub(super) store: Store,
    pub(super) commit: Commit,
    pub(super) users: Arc<HostUsers>,
    pub(super) layer: Arc<dyn ChannelLayer>,
    pub(super) bridge: Option<Arc<Bridge>>,
    pub(super) environment: Environment,
    pub(super) metrics: Arc<Metrics>,
    pub(super) contexts: HostContexts,
    /// Rows that were logged as refused, and are still.
    pub(super) refused: HashSet<i64>,
    pub(super) rules: Arc<Rules>,
    /// When the lease ends, on the steady clock: nothing is applied after it, because another node may do it.
    pub(super) lease_ends_at: i64,
    /// Rows that the host made unread again.
    pub(super) unread_again: Vec<i64>,
    /// Rows are imported: Parlor has written none of them.
    pub(super) import: Option<Import>,
}

/// What Parlor knows of rows.
#[derive(Debug, Default)]
struct KnownRows {
    /// The rows as they were last read.
    rows: HashMap<i64, HostRowCopy>,
    /// The messages that Parlor wrote rows for, by the keys of these rows.
    own: HashMap<i64, UnmirroredMessage>,
}

impl KnownRows {
    fn own_place(&self, id: i64) -> Option<(ConversationId, Seq)> {
        self.own.get(&id).map(|own| (own.message.conversation, own.message.seq))
    }

    fn place(&self, id: i64) -> Option<(ConversationId, Seq)> {
        self.rows.get(&id)?.place
    }
}

/// A row that can be committed.
#[derive(Debug)]
pub(super) struct PreparedRow {
    row: TableRow,
    message: Box<HostMessage>,
}

/// What belongs to rows, each by its id in the host's tables.
struct RowReferences {
    users: HashMap<String, UserId>,
    contexts: HashMap<String, ContextKey>,
    known: KnownRows,
    uploads: HashMap<i64, Vec<FileId>>,
}

impl Applier {
    /// Applies the current state of rows. Those in `deleted` were deleted; if they are there all the same, they may be
    /// other rows with the same id.
    pub(super) async fn apply(
        &mut self,
        ids: &[i64],
        deleted: &BTreeSet<i64>,
        announce: Announce,
    ) -> Result<Applied, MirrorError> {
        let mut applied = Applied::default();
        for ids in ids.chunks(ROWS_MAX) {
            let rows = self.tables.read(ids).await?;
            let gone: Vec<i64> = ids.iter().filter(|id| !rows.contains_key(id)).copied().collect();
            self.remove(&gone, &mut applied).await?;
            self.put(rows, deleted, announce, &mut applied).await?;
        }
        Ok(applied)
    }

    /// Looks at the next rows of the table of contexts. Returns whether there may be more.
    pub(super) async fn scan_contexts(&mut self) -> Result<bool, MirrorError> {
        let parts = (&self.tables, &self.columns, &self.store, &self.commit, &*self.users);
        self.contexts.scan(parts).await
    }

    /// Removes the messages of rows that the host no longer has. A row that Parlor inserted may be gone before it was
    /// read: its key names the message.
    async fn remove(&self, ids: &[i64], applied: &mut Applied) -> Result<(), MirrorError> {
        if ids.is_empty() {
            return Ok(());
        }
        let known = self.known(ids).await?;
        let unread: Vec<(i64, &UnmirroredMessage)> =
            known.own.iter().filter(|(id, _)| !known.rows.contains_key(id)).map(|(id, own)| (*id, own)).collect();
        let places: Vec<_> = unread.iter().map(|(_, own)| (own.message.conversation, own.message.seq)).collect();
        let bound = self.store.read(move |snapshot| snapshot.host_rows_by_message(&places)).await?;
        let bound: HashSet<_> = bound.into_iter().filter_map(|row| row.place).collect();
        let is_bound = |own: &UnmirroredMessage| bound.contains(&(own.message.conversation, own.message.seq));
        let rows_of_own = unread.into_iter().filter(|(_, own)| !is_bound(own) && !own.message.is_uncounted());
        let rows_of_own = rows_of_own.map(|(id, own)| Change::PutHostMessage(Box::new(self.inserted(id, own))));
        let removals = ids.iter().map(|id| Change::RemoveHostMessage { row: self.key(*id) });
        self.submit_removals(rows_of_own.chain(removals).collect(), applied).await?;
        // Afterwards, so that what is interrupted begins with the key again.
        self.tables.forget(ids).await?;
        Ok(())
    }

    async fn submit_removals(&self, changes: Vec<Change>, applied: &mut Applied) -> Result<(), MirrorError> {
        self.check_lease()?;
        let mut pending = Vec::with_capacity(changes.len());
        for change in changes {
            let is_removal = matches!(change, Change::RemoveHostMessage { .. });
            pending.push((is_removal, self.commit.begin(change).await?));
        }
        for (is_removal, pending) in pending {
            match pending.outcome().await {
                Ok(Outcome::Mirrored(mirrored)) if is_removal => {
                    applied.changed += u64::from(mirrored.changed);
                    self.metrics.mirror.removed.inc_by(u64::from(mirrored.changed));
                }
                Ok(_) => {}
                Err(problem) if is_transient(&problem) => return Err(problem.into()),
                Err(problem) => warn!(reason = super::problem_text(&problem), "the message of a row is not removed"),
            }
        }
        Ok(())
    }

    /// Returns the row that Parlor inserted for a message, as it was then.
    fn inserted(&self, id: i64, own: &UnmirroredMessage) -> HostMessage {
        let UnmirroredMessage { message, recipient, context } = own;
        HostMessage {
            row: self.key(id),
            sender: message.sender,
            recipient: *recipient,
            context: context.clone(),
            text: message.text.clone(),
            subject: message.details.subject.clone(),
            created_at: message.created_at,
            is_read: false,
            hidden_by_sender: false,
            hidden_by_recipient: false,
            attachments: Vec::new(),
            files: None,
            sent_as: Some((message.conversation, message.seq)),
        }
    }

    /// Fails if the lease may be over.
    fn check_lease(&self) -> Result<(), MirrorError> {
        if self.environment.steady_ms() < self.lease_ends_at { Ok(()) } else { Err(MirrorError::LeaseOver) }
    }

    /// Applies rows that were just read. Those in `deleted` may be other ones than before.
    async fn put(
        &mut self,
        rows: TableRows,
        deleted: &BTreeSet<i64>,
        announce: Announce,
        applied: &mut Applied,
    ) -> Result<(), MirrorError> {
        let prepared = self.prepare(rows, deleted, applied).await?;
        self.submit(prepared, announce, applied).await
    }

    /// Finds what belongs to rows that were just read. Nothing of the rows themselves is written yet; the messages of
    /// earlier rows that had their ids are removed.
    pub(super) async fn prepare(
        &mut self,
        rows: TableRows,
        deleted: &BTreeSet<i64>,
        applied: &mut Applied,
    ) -> Result<Vec<PreparedRow>, MirrorError> {
        let mut readable = Vec::with_capacity(rows.len());
        for (id, row) in rows {
            match row {
                Ok(row) => readable.push(row),
                Err(error) => self.refuse(id, &error.to_string(), applied),
            }
        }
        if readable.is_empty() {
            return Ok(Vec::new());
        }
        let people: BTreeSet<&String> = readable.iter().flat_map(|row| [&row.sender, &row.recipient]).collect();
        let people: Vec<String> = people.into_iter().cloned().collect();
        let users = self.users.ensure(&people).await?;
        let about = readable.iter().filter_map(|row| row.context.clone()).collect();
        let parts = (&self.tables, &self.columns, &self.store, &self.commit, &*self.users);
        let contexts = self.contexts.ensure(parts, about).await?;
        let known = self.known(&readable.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
        let was_marked_unread =
            |row: &&TableRow| !row.is_read && known.rows.get(&row.id).is_some_and(|known| known.is_read);
        self.unread_again.extend(readable.iter().filter(was_marked_unread).map(|row| row.id));
        self.remove_replaced(&readable, &known, deleted, applied).await?;
        let uploads = self.copy_files(&readable, &known, &users, applied).await?;
        let references = RowReferences { users, contexts, known, uploads };
        let mut prepared = Vec::with_capacity(readable.len());
        for row in readable {
            match self.host_message(&row, &references) {
                Ok(message) => prepared.push(PreparedRow { row, message: Box::new(message) }),
                Err(reason) => self.refuse(row.id, reason, applied),
            }
        }
        Ok(prepared)
    }

    /// Removes the messages of earlier rows that had the ids of these.
    async fn remove_replaced(
        &self,
        rows: &[TableRow],
        known: &KnownRows,
        deleted: &BTreeSet<i64>,
        applied: &mut Applied,
    ) -> Result<(), MirrorError> {
        let is_replaced = |row: &&TableRow| {
            let Some(before) = known.rows.get(&row.id) else { return false };
            let own = known.own_place(row.id);
            own.is_some_and(|own| before.place != Some(own))
                || deleted.contains(&row.id) && !self.is_as_read(row, before)
        };
        let replaced: Vec<i64> = rows.iter().filter(is_replaced).map(|row| row.id).collect();
        if replaced.is_empty() {
            return Ok(());
        }
        let removals = replaced.iter().map(|id| Change::RemoveHostMessage { row: self.key(*id) });
        self.submit_removals(removals.collect(), applied).await?;
        let old_keys: Vec<i64> = replaced.into_iter().filter(|id| known.own_place(*id) == known.place(*id)).collect();
        Ok(self.tables.forget(&old_keys).await?)
    }

    /// Returns whether a row has the content that it had when it was last read.
    fn is_as_read(&self, row: &TableRow, before: &HostRowCopy) -> bool {
        let fingerprints = &self.rules.fingerprints;
        let attachments: Vec<Attachment> = row.files.iter().map(HostFile::attachment).collect();
        fingerprints.of_host_text(&row.text, row.subject.as_deref()) == before.text_fingerprint
            && fingerprints.of_host_rest(row.created_at_ms, &attachments) == before.rest_fingerprint
    }

    /// Commits rows and publishes those that are new, even if others fail.
    pub(super) async fn submit(
        &mut self,
        rows: Vec<PreparedRow>,
        announce: Announce,
        applied: &mut Applied,
    ) -> Result<(), MirrorError> {
        self.check_lease()?;
        let mut pending = Vec::with_capacity(rows.len());
        let mut failure = None;
        for PreparedRow { row, message } in rows {
            let (sender, recipient) = (message.sender, message.recipient);
            match self.commit.begin(Change::PutHostMessage(message)).await {
                Ok(submission) => pending.push((row, sender, recipient, submission)),
                Err(problem) => {
                    failure = Some(problem);
                    break;
                }
            }
        }
        let mut new = Vec::new();
        for (row, sender, recipient, pending) in pending {
            match pending.outcome().await {
                Ok(Outcome::Mirrored(mirrored)) => {
                    self.refused.remove(&row.id);
                    if mirrored.is_new {
                        new.push((row, sender, recipient));
                    } else {
                        applied.changed += u64::from(mirrored.changed);
                    }
                }
                Ok(_) => failure = Some(Code::Internal.into()),
                Err(problem) if is_transient(&problem) => failure = Some(problem),
                Err(problem) => self.refuse(row.id, problem.detail.as_ref().unwrap_or(&problem.title), applied),
            }
        }
        applied.new.extend(new.iter().map(|(row, ..)| row.id));
        self.metrics.mirror.rows.inc_by(new.len() as u64);
        self.announce(new, announce).await?;
        failure.map_or(Ok(()), |problem| Err(problem.into()))
    }

    fn host_message(&self, row: &TableRow, references: &RowReferences) -> Result<HostMessage, &'static str> {
        let user = |id: &String| references.users.get(id).copied();
        let copies_files = self.import.as_ref().is_some_and(|import| import.files.is_some());
        let uploads = || references.uploads.get(&row.id).cloned().unwrap_or_default();
        let absent = "what it is about does not exist, or cannot be shown";
        let context = match &row.context {
            Some(id) if self.tables.profile.context.is_some() => {
                Some(references.contexts.get(id).cloned().ok_or(absent)?)
            }
            _ => None,
        };
        let sender = user(&row.sender).ok_or("its sender does not exist")?;
        let recipient = user(&row.recipient).ok_or("its recipient does not exist")?;
        Ok(HostMessage {
            context,
            files: copies_files.then(uploads),
            sent_as: references.known.own_place(row.id),
            ..row.as_message(self.key(row.id), (sender, recipient))
        })
    }

    /// Reads what is known of rows, whether or not the host still has them.
    async fn known(&self, ids: &[i64]) -> Result<KnownRows, MirrorError> {
        let rows: Vec<HostRowKey> = ids.iter().map(|id| self.key(*id)).collect();
        let rows = self.store.read(move |snapshot| snapshot.host_rows(&rows)).await?;
        let rows = rows.into_iter().map(|row| (row.key.id, row)).collect();
        if self.import.is_some() {
            return Ok(KnownRows { rows, own: HashMap::new() });
        }
        let keys = self.tables.keys_of(ids).await?;
        let claimed: Vec<(i64, String, (ConversationId, Seq))> =
            keys.into_iter().filter_map(|(id, key)| keys::place(&key).map(|place| (id, key, place))).collect();
        if claimed.is_empty() {
            return Ok(KnownRows { rows, own: HashMap::new() });
        }
        let places: Vec<(ConversationId, Seq)> = claimed.iter().map(|(_, _, place)| *place).collect();
        let messages = self.store.read(move |snapshot| snapshot.direct_messages_at(&places)).await?;
        let messages: HashMap<(ConversationId, Seq), UnmirroredMessage> =
            messages.into_iter().map(|own| ((own.message.conversation, own.message.seq), own)).collect();
        let own = claimed.into_iter().filter_map(|(id, key, place)| {
            let own = messages.get(&place).filter(|own| {
                // The row of a message that was removed here is another one by now, or moved.
                !own.message.details.removed && keys::of_message(&own.message) == key
            })?;
            Some((id, own.clone()))
        });
        Ok(KnownRows { rows, own: own.collect() })
    }

    /// Copies the files of rows that are not known yet, if files are to be copied.
    async fn copy_files(
        &self,
        rows: &[TableRow],
        known: &KnownRows,
        users: &HashMap<String, UserId>,
        applied: &mut Applied,
    ) -> Result<HashMap<i64, Vec<FileId>>, MirrorError> {
        let mut uploads = HashMap::new();
        let Some(files) = self.import.as_ref().and_then(|import| import.files.as_ref()) else { return Ok(uploads) };
        for row in rows.iter().filter(|row| !row.files.is_empty() && !known.rows.contains_key(&row.id)) {
            // A message to oneself has no conversation.
            let Some(sender) = users.get(&row.sender).filter(|_| row.sender != row.recipient) else { continue };
            let copied = files.copy(row, *sender, applied).await?;
            uploads.insert(row.id, copied);
        }
        Ok(uploads)
    }

    fn refuse(&mut self, id: i64, reason: &str, applied: &mut Applied) {
        applied.refused += 1;
        applied.explain(format!("row {id}: {reason}"));
        self.metrics.mirror.rows_refused.inc();
        if self.refused.len() < REFUSED_MAX && self.refused.insert(id) {
            warn!(table = self.tables.name(), row = id, reason, "a row of the host is not mirrored");
        }
    }

    fn key(&self, id: i64) -> HostRowKey {
        HostRowKey { table: self.tables.name().to_owned(), id }
    }
}
