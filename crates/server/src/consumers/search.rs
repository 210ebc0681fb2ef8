//! The follower that keeps the search index: new messages by their ids, edited and deleted ones by the versions of
//! their changes.

use super::{Follower, Step};
use crate::{
    domain::rows::MessageRow,
    environment::Environment,
    metrics::Metrics,
    search::words::{self, Term, terms_of},
    store::{
        Result, Store,
        consumers::{Place, Taker},
        index::{Document, FORMAT, Index, Writing},
    },
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, MessageId, Version},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};
use tracing::info;

/// Messages read in one step.
const MESSAGES_MAX: usize = 1000;
/// Bytes of text after which a step ends. Every text is kept whole, so this is what bounds the terms of a step: of
/// Chinese, every character and every two in a row are terms, two for three bytes.
const BYTES_MAX: usize = 256 * 1024;
/// How long a lease lasts; it is renewed when half of it is over.
const LEASE_MS: i64 = 10_000;

/// What the follower works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it follows.
    pub store: Store,
    /// What it feeds.
    pub index: Index,
    /// Time.
    pub environment: Environment,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The start of this server.
    pub node: Epoch,
}

/// See the file.
#[derive(Debug)]
pub struct Search {
    settings: Settings,
    writing: Option<Writing>,
    /// When the lease is to be renewed, by the steady clock.
    renewed_from: i64,
    /// On SQLite nobody else can hold the lease when a server starts: the data folder is locked.
    is_first: bool,
    /// Text left the index and may still stand in its log.
    is_unfolded: bool,
}

/// What was read in one step.
struct Read {
    documents: Vec<Document>,
    place: Place,
    /// When the oldest message that is not in the index yet was written.
    waiting_since: Option<i64>,
    is_all: bool,
    now: Version,
}

impl Search {
    /// A follower that has not begun.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let is_first = settings.index.is_file();
        // What a server before this one left in the log is folded, too.
        Self { settings, writing: None, renewed_from: 0, is_first, is_unfolded: true }
    }

    async fn read(&self, place: Place) -> Result<Option<Read>> {
        let found = self.settings.store.read(move |snapshot| {
            if place.format != FORMAT || !snapshot.is_good(place.cursor)? {
                return Ok(None);
            }
            let from = place.cursor.version;
            let made = snapshot.made_after(from, MESSAGES_MAX, BYTES_MAX)?;
            let changed = snapshot.touched_after(from.max(place.base), MESSAGES_MAX, BYTES_MAX)?;
            Ok(Some((snapshot.cursor, made, changed)))
        });
        let Some((now, (mut made, is_made_cut), (mut changed, is_changed_cut))) = found.await? else {
            return Ok(None);
        };
        let mut upto = now.version;
        for (is_cut, last) in [
            (is_made_cut, made.last().map(|row| Version(row.id.0))),
            (is_changed_cut, changed.last().map(MessageRow::version)),
        ] {
            if let Some(last) = last.filter(|_| is_cut) {
                upto = upto.min(last);
            }
        }
        let is_all = upto == now.version;
        let waiting_since = made.first().map(|row| row.created_at);
        made.retain(|row| row.id.0 <= upto.0);
        changed.retain(|row| row.version() <= upto);
        let analysed = tokio::task::spawn_blocking(move || documents(&made, &changed));
        let documents = analysed.await.map_err(|error| crate::store::Error::Corrupt(error.to_string()))?;
        let cursor = Cursor { epoch: now.epoch, version: upto };
        let place = Place { cursor, ..place };
        Ok(Some(Read { documents, place, waiting_since, is_all, now: now.version }))
    }

    /// Begins from nothing: the database is another one than the cursor is of, or the index has another form.
    async fn begin_anew(&mut self, place: Place) -> Result<Step> {
        let Settings { store, index, metrics, .. } = &self.settings;
        let now = store.read(|snapshot| Ok(snapshot.cursor)).await?;
        if place.cursor.epoch != Epoch(0) {
            metrics.search_rebuilds.inc();
            info!("the search index is of another database or version; it is built anew");
        }
        let cursor = Cursor { epoch: now.epoch, version: Version(0) };
        let place = Place { format: FORMAT, cursor, base: now.version };
        let until = self.settings.environment.now_ms() + LEASE_MS;
        let Some(writing) = &mut self.writing else { return Ok(Step::Lost) };
        if !index.erase(writing, place, until).await? {
            return Ok(Step::Lost);
        }
        self.renewed();
        self.is_unfolded = true;
        Ok(Step::More)
    }

    async fn write(&mut self, read: Read) -> Result<bool> {
        let Settings { index, environment, metrics, .. } = &self.settings;
        let until = environment.now_ms() + LEASE_MS;
        let Some(writing) = &mut self.writing else { return Ok(false) };
        if read.documents.is_empty() {
            // Nothing is lost if the cursor stays: what lies between has nothing to read.
            writing.place = read.place;
            if environment.steady_ms() < self.renewed_from {
                return Ok(true);
            }
            let is_held = index.advance(writing.lease(), &read.place, until).await?;
            self.renewed();
            return Ok(is_held);
        }
        let count = read.documents.len() as u64;
        self.is_unfolded |= read.documents.iter().any(|document| document.is_kept);
        if !index.feed(writing, read.documents, read.place, until).await? {
            return Ok(false);
        }
        metrics.search_indexed.inc_by(count);
        self.renewed();
        Ok(true)
    }

    fn renewed(&mut self) {
        self.renewed_from = self.settings.environment.steady_ms() + LEASE_MS / 2;
    }

    fn tell_lag(&self, version: Version, now: Version, waiting_since: Option<i64>) {
        let metrics = &self.settings.metrics;
        metrics.search_lag_versions.set(now.0 - version.0);
        let ms = waiting_since.map_or(0, |since| (self.settings.environment.now_ms() - since).max(0));
        #[expect(clippy::cast_precision_loss, reason = "a time that is shown")]
        metrics.search_lag_seconds.set(ms as f64 / 1000.0);
    }
}

impl Follower for Search {
    const NAME: &'static str = "search index";

    async fn take(&mut self) -> Result<bool> {
        let is_damaged = self.settings.index.is_damaged();
        if is_damaged {
            self.writing = None;
            self.settings.index.mend().await?;
            if self.settings.index.is_file() {
                self.settings.metrics.search_rebuilds.inc();
            }
        }
        let now_ms = self.settings.environment.now_ms();
        let until_ms = now_ms + LEASE_MS;
        let taker = Taker { holder: self.settings.node, now_ms, until_ms, is_alone: self.is_first };
        let given = self.settings.index.take(taker).await?;
        self.is_first = false;
        self.renewed();
        self.writing = given.map(|(lease, mut place)| {
            if is_damaged {
                // Of no form that is known: it is built anew.
                place.format = 0;
            }
            Writing::new(lease, place)
        });
        Ok(self.writing.is_some())
    }

    async fn step(&mut self) -> Result<Step> {
        if self.settings.index.is_damaged() {
            // A search found it so. It is mended with the next lease.
            return Ok(Step::Lost);
        }
        let Some(place) = self.writing.as_ref().map(|writing| writing.place) else { return Ok(Step::Lost) };
        let Some(read) = self.read(place).await? else { return self.begin_anew(place).await };
        let (now, is_all) = (read.now, read.is_all);
        self.tell_lag(place.cursor.version, now, read.waiting_since);
        if !self.write(read).await? {
            self.writing = None;
            return Ok(Step::Lost);
        }
        if self.is_unfolded && is_all {
            self.is_unfolded = !self.settings.index.fold().await?;
        }
        if is_all {
            self.tell_lag(now, now, None);
        }
        Ok(if is_all { Step::Idle } else { Step::More })
    }

    async fn release(&mut self) -> Result<()> {
        match &self.writing {
            Some(writing) => self.settings.index.release(writing.lease()).await,
            None => Ok(()),
        }
    }
}

/// New messages and those whose text may be another; a change that left the text alone is none here.
fn documents(made: &[MessageRow], changed: &[MessageRow]) -> Vec<Document> {
    let new: HashSet<MessageId> = made.iter().map(|row| row.id).collect();
    let is_other = |row: &&MessageRow| was_rewritten(row) && !new.contains(&row.id);
    let made = made.iter().map(|row| document(row, false));
    made.chain(changed.iter().filter(is_other).map(|row| document(row, true))).collect()
}

fn was_rewritten(row: &MessageRow) -> bool {
    row.details.edited_at.is_some() || row.details.deleted
}

fn document(row: &MessageRow, is_kept: bool) -> Document {
    let terms = if row.is_uncounted() { BTreeSet::new() } else { terms(row) };
    let digest = was_rewritten(row).then(|| {
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
    for text in texts(row) {
        terms_of(text, &mut terms);
    }
    terms
}

/// What is looked through: the text, the subject, the names of files.
pub(crate) fn texts(row: &MessageRow) -> Vec<&str> {
    let details = &row.details;
    let names = details.attachments.iter().map(|attachment| attachment.name.as_str());
    std::iter::once(row.text.as_str()).chain(details.subject.as_deref()).chain(names).collect()
}
