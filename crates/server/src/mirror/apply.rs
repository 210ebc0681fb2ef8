//! Makes the store equal to rows of the host.
//!
//! Invariants: a row is read just before it is applied, by one task for all rows, so an older state never follows a
//! newer one; a row that cannot be applied stops no other; each row that is new is published to the old sockets of both
//! people once, after its commit.

use super::{
    MirrorError,
    contexts::HostContexts,
    host_tables::{HostTables, Page, ROWS_MAX, TableRow},
    import::Import,
    keys,
    message_row::{HostFile, HostMessageRow, HostPerson},
    schema::TableColumns,
};
use crate::{
    bridge::Bridge,
    channel_layer::{ChannelLayer, Message, Publication, Topic},
    commit::Commit,
    domain::{
        change::{Change, HostMessage, HostRowKey, Outcome},
        rows::{HostRow, MessageRow},
    },
    environment::Environment,
    identity::host_users::HostUsers,
    metrics::Metrics,
    store::Store,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId},
    model::{Attachment, ContextKey},
};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};
use tracing::warn;

/// How many refused rows are remembered, so that each is logged once.
const REFUSED_MAX: usize = 10_000;

/// How many reasons are kept for a report.
pub(super) const REASONS_MAX: usize = 100;

/// Which new rows are published to old sockets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Announce {
    /// All of them.
    All,
    /// Those that were sent after this time: a scan may find very old ones.
    SentAfterMs(i64),
    /// None.
    Nothing,
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Rows that were new.
    pub(crate) new: BTreeSet<i64>,
    /// Known rows whose message changed, or was removed.
    pub(crate) changed: u64,
    /// Rows that cannot be applied.
    pub(crate) refused: u64,
    /// Files that were copied.
    pub(crate) files: u64,
    /// Files that could not be copied.
    pub(crate) files_refused: u64,
    /// Why the first of these rows and files could not be applied.
    pub(crate) reasons: Vec<String>,
}

impl Applied {
    /// Keeps a reason, unless there are many.
    pub(super) fn explain(&mut self, reason: String) {
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(reason);
        }
    }
}

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
    /// Rows that were logged as refused.
    pub(super) refused: HashSet<i64>,
    /// Rows that the host made unread again.
    pub(super) unread_again: Vec<i64>,
    /// Rows are imported: Parlor has written none of them.
    pub(super) import: Option<Import>,
}

/// Where the rows that Parlor wrote came from.
type Places = HashMap<i64, (ConversationId, Seq)>;

/// A row that can be committed.
#[derive(Debug)]
pub(super) struct PreparedRow {
    row: TableRow,
    message: Box<HostMessage>,
}

/// What belongs to rows, each by its id in the host's tables.
struct Related {
    users: HashMap<String, UserId>,
    contexts: HashMap<String, ContextKey>,
    places: Places,
    uploads: HashMap<i64, Vec<FileId>>,
}

impl Applier {
    /// Applies the current state of rows. Those in `replaced` were deleted and have come again with the same id: the
    /// old ones are removed first.
    pub(super) async fn apply(
        &mut self,
        ids: &[i64],
        replaced: &BTreeSet<i64>,
        announce: Announce,
    ) -> Result<Applied, MirrorError> {
        let mut applied = Applied::default();
        for ids in ids.chunks(ROWS_MAX) {
            let rows = self.tables.read(ids).await?;
            let gone: Vec<i64> =
                ids.iter().filter(|id| !rows.contains_key(id) || replaced.contains(id)).copied().collect();
            self.remove(&gone, &mut applied).await?;
            self.put(rows, announce, &mut applied).await?;
        }
        Ok(applied)
    }

    /// Looks at the next rows of the table of contexts. Returns whether there may be more.
    pub(super) async fn scan_contexts(&mut self) -> Result<bool, MirrorError> {
        let parts = (&self.tables, &self.columns, &self.store, &self.commit, &*self.users);
        self.contexts.scan(parts).await
    }

    async fn remove(&self, ids: &[i64], applied: &mut Applied) -> Result<(), MirrorError> {
        self.tables.forget(ids).await?;
        let mut pending = Vec::with_capacity(ids.len());
        for id in ids {
            pending.push(self.commit.begin(Change::RemoveHostMessage { row: self.key(*id) }).await?);
        }
        for pending in pending {
            if let Outcome::Mirrored(mirrored) = pending.outcome().await? {
                applied.changed += u64::from(mirrored.changed);
                self.metrics.mirror.removed.inc_by(u64::from(mirrored.changed));
            }
        }
        Ok(())
    }

    /// Applies rows that were just read.
    pub(super) async fn put(
        &mut self,
        rows: Page,
        announce: Announce,
        applied: &mut Applied,
    ) -> Result<(), MirrorError> {
        let prepared = self.prepare(rows, applied).await?;
        self.submit(prepared, announce, applied).await
    }

    /// Finds what belongs to rows that were just read. Nothing of the rows themselves is written yet.
    pub(super) async fn prepare(&mut self, rows: Page, applied: &mut Applied) -> Result<Vec<PreparedRow>, MirrorError> {
        let mut readable = Vec::with_capacity(rows.len());
        for (id, row) in rows {
            match row {
                Ok(row) => readable.push(row),
                Err(error) => self.refuse(id, &error.to_string(), applied),
            }
        }
        let people: BTreeSet<&String> = readable.iter().flat_map(|row| [&row.sender, &row.recipient]).collect();
        let people: Vec<String> = people.into_iter().cloned().collect();
        let users = self.users.ensure(&people).await?;
        let about = readable.iter().filter_map(|row| row.context.clone()).collect();
        let parts = (&self.tables, &self.columns, &self.store, &self.commit, &*self.users);
        let contexts = self.contexts.ensure(parts, about).await?;
        let known = self.known(&readable).await?;
        let places = self.places(&readable, &known).await?;
        let uploads = self.copy_files(&readable, &known, &users, applied).await?;
        let related = Related { users, contexts, places, uploads };
        let mut prepared = Vec::with_capacity(readable.len());
        for row in readable {
            match self.host_message(&row, &related) {
                Ok(message) => prepared.push(PreparedRow { row, message: Box::new(message) }),
                Err(reason) => self.refuse(row.id, reason, applied),
            }
        }
        Ok(prepared)
    }

    /// Commits rows and publishes those that are new.
    pub(super) async fn submit(
        &mut self,
        rows: Vec<PreparedRow>,
        announce: Announce,
        applied: &mut Applied,
    ) -> Result<(), MirrorError> {
        let mut pending = Vec::with_capacity(rows.len());
        for PreparedRow { row, message } in rows {
            let (sender, recipient) = (message.sender, message.recipient);
            pending.push((row, sender, recipient, self.commit.begin(Change::PutHostMessage(message)).await?));
        }
        let mut new = Vec::new();
        let mut failed = None;
        for (row, sender, recipient, pending) in pending {
            match pending.outcome().await {
                Ok(Outcome::Mirrored(mirrored)) if mirrored.is_new => new.push((row, sender, recipient)),
                Ok(Outcome::Mirrored(mirrored)) => applied.changed += u64::from(mirrored.changed),
                Ok(_) => return Err(Problem::from(Code::Internal).into()),
                Err(problem) if is_transient(&problem) => failed = Some(problem),
                Err(problem) => self.refuse(row.id, problem.detail.as_ref().unwrap_or(&problem.title), applied),
            }
        }
        applied.new.extend(new.iter().map(|(row, ..)| row.id));
        self.metrics.mirror.rows.inc_by(new.len() as u64);
        self.publish(new, announce).await?;
        failed.map_or(Ok(()), |problem| Err(problem.into()))
    }

    fn host_message(&self, row: &TableRow, related: &Related) -> Result<HostMessage, &'static str> {
        let user = |id: &String| related.users.get(id).copied();
        let copies_files = self.import.as_ref().is_some_and(|import| import.files.is_some());
        let uploads = || related.uploads.get(&row.id).cloned().unwrap_or_default();
        let context = match &row.context {
            Some(id) if self.tables.profile.context.is_some() => {
                Some(related.contexts.get(id).cloned().ok_or("what it is about does not exist")?)
            }
            _ => None,
        };
        Ok(HostMessage {
            row: self.key(row.id),
            sender: user(&row.sender).ok_or("its sender does not exist")?,
            recipient: user(&row.recipient).ok_or("its recipient does not exist")?,
            context,
            text: row.text.clone(),
            subject: row.subject.clone(),
            created_at: row.created_at_ms,
            is_read: row.is_read,
            hidden_by_sender: row.hidden_by_sender,
            hidden_by_recipient: row.hidden_by_recipient,
            attachments: row.files.iter().map(attachment).collect(),
            files: copies_files.then(uploads),
            sent_as: related.places.get(&row.id).copied(),
        })
    }

    /// Returns those of the rows that the store knows, and notes which have become unread again.
    async fn known(&mut self, rows: &[TableRow]) -> Result<HashMap<i64, HostRow>, MirrorError> {
        let ids: Vec<HostRowKey> = rows.iter().map(|row| self.key(row.id)).collect();
        let known = self.store.read(move |snapshot| snapshot.host_rows(&ids)).await?;
        let known: HashMap<i64, HostRow> = known.into_iter().map(|row| (row.key.id, row)).collect();
        let is_again = |row: &&TableRow| !row.is_read && known.get(&row.id).is_some_and(|known| known.is_read);
        self.unread_again.extend(rows.iter().filter(is_again).map(|row| row.id));
        Ok(known)
    }

    /// Copies the files of rows that are not known yet, if files are to be copied.
    async fn copy_files(
        &self,
        rows: &[TableRow],
        known: &HashMap<i64, HostRow>,
        users: &HashMap<String, UserId>,
        applied: &mut Applied,
    ) -> Result<HashMap<i64, Vec<FileId>>, MirrorError> {
        let mut uploads = HashMap::new();
        let Some(files) = self.import.as_ref().and_then(|import| import.files.as_ref()) else { return Ok(uploads) };
        for row in rows.iter().filter(|row| !row.files.is_empty() && !known.contains_key(&row.id)) {
            // A message to oneself has no conversation.
            let Some(sender) = users.get(&row.sender).filter(|_| row.sender != row.recipient) else { continue };
            let copied = files.copy(row, *sender, applied).await?;
            uploads.insert(row.id, copied);
        }
        Ok(uploads)
    }

    /// Finds the messages for which Parlor wrote those of the rows that are not known yet.
    async fn places(&self, rows: &[TableRow], known: &HashMap<i64, HostRow>) -> Result<Places, MirrorError> {
        let unknown: Vec<i64> = rows.iter().map(|row| row.id).filter(|id| !known.contains_key(id)).collect();
        if unknown.is_empty() || self.import.is_some() {
            return Ok(Places::new());
        }
        let keys = self.tables.keys_of(&unknown).await?;
        let claimed: Vec<(i64, String, (ConversationId, Seq))> =
            keys.into_iter().filter_map(|(id, key)| keys::place(&key).map(|place| (id, key, place))).collect();
        if claimed.is_empty() {
            return Ok(Places::new());
        }
        let places: Vec<(ConversationId, Seq)> = claimed.iter().map(|(_, _, place)| *place).collect();
        let messages = self.store.read(move |snapshot| snapshot.messages_at(&places)).await?;
        let messages: HashMap<(ConversationId, Seq), MessageRow> =
            messages.into_iter().map(|row| ((row.conversation, row.seq), row)).collect();
        let is_own = |key: &str, place: &(ConversationId, Seq)| {
            messages.get(place).is_some_and(|row| keys::of_message(row) == key)
        };
        let own = claimed.into_iter().filter(|(_, key, place)| is_own(key, place));
        Ok(own.map(|(id, _, place)| (id, place)).collect())
    }

    /// Publishes new rows to the old sockets of their people, and to the application's consumers.
    async fn publish(&self, new: Vec<(TableRow, UserId, UserId)>, announce: Announce) -> Result<(), MirrorError> {
        let is_shown = |row: &TableRow| match announce {
            Announce::All => true,
            Announce::SentAfterMs(ms) => row.created_at_ms > ms,
            Announce::Nothing => false,
        };
        let new: Vec<_> = new.into_iter().filter(|(row, ..)| is_shown(row)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let people = self.people_of(&new).await?;
        if let Some(bridge) = &self.bridge {
            for (row, ..) in &new {
                bridge.host_message_is_new(&as_json(&shown(row.clone(), &people)));
            }
        }
        self.publish_rows(new, &people).await;
        Ok(())
    }

    /// Publishes rows that were sent after a time again, because files have been added to them.
    pub(super) async fn publish_again(&self, ids: &[i64], sent_after_ms: i64) -> Result<(), MirrorError> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = self.tables.read(ids).await?.into_values().filter_map(Result::ok);
        let rows: Vec<TableRow> = rows.filter(|row| row.created_at_ms > sent_after_ms).collect();
        let people: Vec<String> = rows.iter().flat_map(|row| [row.sender.clone(), row.recipient.clone()]).collect();
        let users = self.users.ensure(&people).await?;
        let known = rows.into_iter().filter_map(|row| {
            let (sender, recipient) = (*users.get(&row.sender)?, *users.get(&row.recipient)?);
            Some((row, sender, recipient))
        });
        let known: Vec<_> = known.collect();
        let people = self.people_of(&known).await?;
        self.publish_rows(known, &people).await;
        Ok(())
    }

    async fn people_of(&self, rows: &[(TableRow, UserId, UserId)]) -> Result<HashMap<String, HostPerson>, MirrorError> {
        self.people(rows.iter().flat_map(|(_, sender, recipient)| [*sender, *recipient])).await
    }

    async fn publish_rows(&self, rows: Vec<(TableRow, UserId, UserId)>, people: &HashMap<String, HostPerson>) {
        let publications = rows.into_iter().map(|(row, sender, recipient)| {
            let topics = if sender == recipient { vec![sender] } else { vec![sender, recipient] };
            let text = as_json(&shown(row, people)).to_string();
            Publication { topics: topics.into_iter().map(Topic::Host).collect(), payload: Message::event(&text) }
        });
        if let Err(cause) = self.layer.publish(publications.collect()).await {
            // The pages of the application show the rows when they are loaded again.
            warn!(%cause, "new rows of the host were not published to old sockets");
        }
    }

    /// Reads users as the host knows them.
    pub(super) async fn people(
        &self,
        ids: impl Iterator<Item = UserId>,
    ) -> Result<HashMap<String, HostPerson>, MirrorError> {
        let ids: BTreeSet<UserId> = ids.collect();
        let rows = self.store.read(move |snapshot| snapshot.user_rows(ids.into_iter())).await?;
        let people = rows.into_iter().filter_map(|row| {
            let id = row.external_id?;
            Some((id.clone(), HostPerson { id, name: row.name, login: row.login }))
        });
        Ok(people.collect())
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

/// Returns a row as old sockets show it.
pub(super) fn shown(row: TableRow, people: &HashMap<String, HostPerson>) -> HostMessageRow {
    let person = |id: String| {
        people.get(&id).cloned().unwrap_or_else(|| HostPerson { id, name: String::new(), login: String::new() })
    };
    HostMessageRow {
        row_id: row.id,
        sender: person(row.sender),
        recipient: person(row.recipient),
        context: row.context,
        text: row.text,
        subject: row.subject,
        created_at_ms: row.created_at_ms,
        is_read: row.is_read,
        attachments: row.files,
    }
}

/// Returns whether the same change may succeed later.
pub(super) fn is_transient(problem: &Problem) -> bool {
    problem.status >= 500 || problem.code == Code::Draining
}

pub(super) fn attachment(file: &HostFile) -> Attachment {
    Attachment {
        id: FileId(file.id),
        name: file.filename.clone(),
        media_type: media_type(&file.filename).to_owned(),
        bytes: u64::try_from(file.file_size).unwrap_or_default(),
        url: file.url.clone(),
        width: None,
        height: None,
        blur_hash: None,
        preview: None,
    }
}

/// Guesses the type of a file that the host serves by its name, for the picture that stands for it.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

fn as_json(row: &HostMessageRow) -> Value {
    serde_json::to_value(row).expect("it has string keys only")
}
