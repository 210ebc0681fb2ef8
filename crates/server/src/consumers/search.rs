//! The consumer that maintains the search index. It reads new messages by id, edited and deleted ones by the version of
//! the change.

use super::{Consumer, StepResult};
use crate::{
    domain::{
        files::is_stored,
        rows::{Details, MessageRow},
    },
    environment::Environment,
    metrics::Metrics,
    search::words::{self, Term, terms_of},
    store::{
        Result, Store,
        consumers::{ConsumerPosition, LeaseRequest},
        index::{Document, FORMAT, Index, IndexWriter},
    },
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, MessageId, Version},
    model::Attachment,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};
use tracing::info;

/// How many messages one step reads.
const MESSAGES_MAX: usize = 1000;
/// How many bytes of text end a step. Texts are never split, so this bounds the terms of a step: in Chinese, every
/// character and every pair of neighbours is a term, two for three bytes.
const BYTES_MAX: usize = 256 * 1024;
/// How long a lease lasts; it is renewed after half of that time.
const LEASE_MS: i64 = 10_000;

/// What the search indexer needs.
#[derive(Clone, Debug)]
pub struct SearchIndexerOptions {
    /// The store it reads.
    pub store: Store,
    /// The index it writes.
    pub index: Index,
    /// Clock and randomness.
    pub environment: Environment,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The epoch of this server.
    pub node: Epoch,
}

/// Maintains the search index.
#[derive(Debug)]
pub struct SearchIndexer {
    options: SearchIndexerOptions,
    writer: Option<IndexWriter>,
    /// When the lease is to be renewed, on the steady clock.
    renew_at: i64,
    /// On SQLite no other server can have the lease when this one starts, because the data folder is locked.
    is_first: bool,
    /// Whether text that left the index may still be in its log.
    needs_checkpoint: bool,
}

/// What one step read.
struct IndexBatch {
    documents: Vec<Document>,
    position: ConsumerPosition,
    /// When the oldest message that is not yet in the index was sent.
    waiting_since: Option<i64>,
    is_all: bool,
    now: Version,
}

impl SearchIndexer {
    /// Creates an indexer that has not started.
    #[must_use]
    pub fn new(options: SearchIndexerOptions) -> Self {
        let is_first = options.index.is_file();
        // Also removes what an earlier server left in the log.
        Self { options, writer: None, renew_at: 0, is_first, needs_checkpoint: true }
    }

    async fn read(&self, position: ConsumerPosition) -> Result<Option<IndexBatch>> {
        let found = self.options.store.read(move |snapshot| {
            if position.format != FORMAT || !snapshot.is_valid(position.cursor)? {
                return Ok(None);
            }
            let from = position.cursor.version;
            let created = snapshot.messages_created_after(from, MESSAGES_MAX, BYTES_MAX)?;
            let changed = snapshot.messages_changed_after(from.max(position.base), MESSAGES_MAX, BYTES_MAX)?;
            Ok(Some((snapshot.cursor, created, changed)))
        });
        let Some((now, (mut created, is_created_cut), (mut changed, is_changed_cut))) = found.await? else {
            return Ok(None);
        };
        let mut upto = now.version;
        for (is_cut, last) in [
            (is_created_cut, created.last().map(|row| Version(row.id.0))),
            (is_changed_cut, changed.last().map(MessageRow::version)),
        ] {
            if let Some(last) = last.filter(|_| is_cut) {
                upto = upto.min(last);
            }
        }
        let is_all = upto == now.version;
        let waiting_since = created.first().map(|row| row.created_at);
        created.retain(|row| row.id.0 <= upto.0);
        changed.retain(|row| row.version() <= upto);
        let analysed = tokio::task::spawn_blocking(move || documents(&created, &changed));
        let documents = analysed.await.map_err(|error| crate::store::StoreError::Corrupt(error.to_string()))?;
        let cursor = Cursor { epoch: now.epoch, version: upto };
        let position = ConsumerPosition { cursor, ..position };
        Ok(Some(IndexBatch { documents, position, waiting_since, is_all, now: now.version }))
    }

    /// Starts over: the cursor is from another database, or the index has another format.
    async fn rebuild(&mut self, position: ConsumerPosition) -> Result<StepResult> {
        let SearchIndexerOptions { store, index, metrics, .. } = &self.options;
        let now = store.read(|snapshot| Ok(snapshot.cursor)).await?;
        if position.cursor.epoch != Epoch(0) {
            metrics.search_rebuilds.inc();
            info!("the search index belongs to another database or version; rebuilding it");
        }
        let cursor = Cursor { epoch: now.epoch, version: Version(0) };
        let position = ConsumerPosition { format: FORMAT, cursor, base: now.version };
        let until = self.options.environment.now_ms() + LEASE_MS;
        let Some(writer) = &mut self.writer else { return Ok(StepResult::Lost) };
        if !index.clear(writer, position, until).await? {
            return Ok(StepResult::Lost);
        }
        self.schedule_renewal();
        self.needs_checkpoint = true;
        Ok(StepResult::More)
    }

    async fn write(&mut self, read: IndexBatch) -> Result<bool> {
        let SearchIndexerOptions { index, environment, metrics, .. } = &self.options;
        let until = environment.now_ms() + LEASE_MS;
        let Some(writer) = &mut self.writer else { return Ok(false) };
        if read.documents.is_empty() {
            // The stored cursor can stay behind, because there is nothing to index in between.
            writer.position = read.position;
            if environment.steady_ms() < self.renew_at {
                return Ok(true);
            }
            let is_held = index.advance(writer.lease(), &read.position, until).await?;
            self.schedule_renewal();
            return Ok(is_held);
        }
        let count = read.documents.len() as u64;
        self.needs_checkpoint |= read.documents.iter().any(|document| document.is_kept);
        if !index.write_documents(writer, read.documents, read.position, until).await? {
            return Ok(false);
        }
        metrics.search_indexed.inc_by(count);
        self.schedule_renewal();
        Ok(true)
    }

    fn schedule_renewal(&mut self) {
        self.renew_at = self.options.environment.steady_ms() + LEASE_MS / 2;
    }

    fn report_lag(&self, version: Version, now: Version, waiting_since: Option<i64>) {
        let metrics = &self.options.metrics;
        metrics.search_lag_versions.set(now.0 - version.0);
        let ms = waiting_since.map_or(0, |since| (self.options.environment.now_ms() - since).max(0));
        #[expect(clippy::cast_precision_loss, reason = "a time that is shown")]
        metrics.search_lag_seconds.set(ms as f64 / 1000.0);
    }
}

impl Consumer for SearchIndexer {
    const NAME: &'static str = "search index";

    async fn acquire_lease(&mut self) -> Result<bool> {
        let is_damaged = self.options.index.is_damaged();
        if is_damaged {
            self.writer = None;
            self.options.index.rebuild().await?;
            if self.options.index.is_file() {
                self.options.metrics.search_rebuilds.inc();
            }
        }
        let now_ms = self.options.environment.now_ms();
        let until_ms = now_ms + LEASE_MS;
        let request = LeaseRequest { holder: self.options.node, now_ms, until_ms, is_alone: self.is_first };
        let given = self.options.index.acquire_lease(request).await?;
        self.is_first = false;
        self.schedule_renewal();
        self.writer = given.map(|(lease, mut position)| {
            if is_damaged {
                // No format has this number, so the index is rebuilt.
                position.format = 0;
            }
            IndexWriter::new(lease, position)
        });
        Ok(self.writer.is_some())
    }

    async fn step(&mut self) -> Result<StepResult> {
        if self.options.index.is_damaged() {
            // A search found the damage. The index is rebuilt when the lease is acquired again.
            return Ok(StepResult::Lost);
        }
        let Some(position) = self.writer.as_ref().map(|writer| writer.position) else { return Ok(StepResult::Lost) };
        let Some(read) = self.read(position).await? else { return self.rebuild(position).await };
        let (now, is_all) = (read.now, read.is_all);
        self.report_lag(position.cursor.version, now, read.waiting_since);
        if !self.write(read).await? {
            self.writer = None;
            return Ok(StepResult::Lost);
        }
        if self.needs_checkpoint && is_all {
            self.needs_checkpoint = !self.options.index.checkpoint().await?;
        }
        if is_all {
            self.report_lag(now, now, None);
        }
        Ok(if is_all { StepResult::Idle } else { StepResult::More })
    }

    async fn release(&mut self) -> Result<()> {
        match &self.writer {
            Some(writer) => self.options.index.release(writer.lease()).await,
            None => Ok(()),
        }
    }
}

/// Returns documents for new messages and for those whose text may have changed, not for other changes.
fn documents(created: &[MessageRow], changed: &[MessageRow]) -> Vec<Document> {
    let new: HashSet<MessageId> = created.iter().map(|row| row.id).collect();
    // A message of the host may have lost its files, and nothing of them is left in its row.
    let is_of_host = |row: &MessageRow| row.client_id.starts_with(' ');
    let was_changed = |row: &&MessageRow| (may_be_rewritten(row) || is_of_host(row)) && !new.contains(&row.id);
    let created = created.iter().map(|row| document(row, false));
    created.chain(changed.iter().filter(was_changed).map(|row| document(row, true))).collect()
}

/// Returns whether what it is found by may have changed since it was created.
fn may_be_rewritten(row: &MessageRow) -> bool {
    let is_of_host = |attachment: &Attachment| !is_stored(attachment);
    let Details { edited_at, deleted, removed, attachments, .. } = &row.details;
    edited_at.is_some() || *deleted || *removed || attachments.iter().any(is_of_host)
}

fn document(row: &MessageRow, is_kept: bool) -> Document {
    let terms = if row.is_uncounted() { BTreeSet::new() } else { terms(row) };
    let digest = (is_kept || may_be_rewritten(row)).then(|| {
        let mut digest = Sha256::new();
        for term in &terms {
            digest.update(u64::try_from(term.len()).unwrap_or_default().to_be_bytes());
            digest.update(term);
        }
        digest.finalize()[..16].to_vec()
    });
    Document { message: row.id, created_at: row.created_at, terms, digest, is_kept }
}

fn terms(row: &MessageRow) -> BTreeSet<Term> {
    let mut terms = BTreeSet::from([words::anything(), words::in_conversation(row.conversation)]);
    terms.insert(words::of_sender(row.sender));
    if !row.details.attachments.is_empty() {
        terms.insert(words::has_file());
    }
    for text in searchable_texts(row) {
        terms_of(text, &mut terms);
    }
    terms
}

/// Returns the searchable parts of a message: its text, its subject, and the names of its files.
pub(crate) fn searchable_texts(row: &MessageRow) -> Vec<&str> {
    let details = &row.details;
    let names = details.attachments.iter().map(|attachment| attachment.name.as_str());
    std::iter::once(row.text.as_str()).chain(details.subject.as_deref()).chain(names).collect()
}
