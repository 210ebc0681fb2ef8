//! Writes the index: one transaction adds documents and records how far was read.
//!
//! Invariant: memory holds the terms of the added documents, at most [`TERMS_MAX`] terms of the newest block, and pages
//! of terms that are scanned; never a whole block, which long messages can make arbitrarily large.

use super::{
    Index,
    block_bitmap::{Slots, StoredSlots, block_of, slot_of},
};
use crate::{
    search::words::Term,
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        connection::DatabaseConnection,
        consumers::{self, ConsumerPosition, Lease},
        param::Param,
    },
};
use parlor_protocol::ids::MessageId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A message as the index stores it.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id.
    pub message: MessageId,
    /// When it was sent.
    pub created_at: i64,
    /// Its terms; none if it must not be found.
    pub terms: BTreeSet<Term>,
    /// A digest of its terms, if it was edited or deleted.
    pub digest: Option<Vec<u8>>,
    /// Whether it is already in the index, with other terms unless the digest is the same.
    pub is_kept: bool,
}

/// How many terms of the newest block are cached. Of a larger block, only the terms that a step touches are read.
const TERMS_MAX: usize = 100_000;
/// How many terms of a block are scanned at a time when messages were edited or deleted.
const PAGE: i64 = 4096;

/// Writes the index under a lease, and caches the newest block, which most new messages belong to.
#[derive(Debug)]
pub struct IndexWriter {
    lease: Lease,
    /// How far has been read.
    pub position: ConsumerPosition,
    newest: Option<(i64, TermBlock)>,
}

/// The terms of a block.
#[derive(Debug, Default)]
struct TermBlock {
    terms: HashMap<Term, StoredSlots>,
    /// Whether the block has no other terms.
    is_whole: bool,
    written: Option<(i64, i64)>,
}

impl IndexWriter {
    /// Creates a writer that continues from a position.
    #[must_use]
    pub fn new(lease: Lease, position: ConsumerPosition) -> Self {
        Self { lease, position, newest: None }
    }

    /// Returns the lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl Index {
    /// Adds documents and records how far was read. Returns whether this node still had the lease; without it nothing
    /// happens.
    ///
    /// # Errors
    /// The database is unavailable. Nothing was written, and the caller has to read from its position again.
    pub async fn write_documents(
        &self,
        writer: &mut IndexWriter,
        documents: Vec<Document>,
        position: ConsumerPosition,
        until_ms: i64,
    ) -> Result<bool> {
        let (lease, newest) = (writer.lease.clone(), writer.newest.take());
        let fed = self.write(move |transaction| {
            if !consumers::advance(transaction, &lease, &position, until_ms)? {
                return Ok(None);
            }
            add_documents(transaction, newest, documents).map(Some)
        });
        let Some(newest) = fed.await? else { return Ok(false) };
        writer.newest = newest;
        writer.position = position;
        Ok(true)
    }

    /// Empties the index and restarts from a position; returns whether this node still had the lease.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn clear(&self, writer: &mut IndexWriter, position: ConsumerPosition, until_ms: i64) -> Result<bool> {
        let lease = writer.lease.clone();
        let erased = self.write(move |transaction| {
            if !consumers::advance(transaction, &lease, &position, until_ms)? {
                return Ok(false);
            }
            // In the order in which searches read them, so that the two never deadlock.
            for table in ["search_blocks", "search_terms", "search_changed"] {
                let sql = if transaction.is_sqlite() { "DELETE FROM" } else { "TRUNCATE" };
                transaction.execute(&format!("{sql} {table}"), &[])?;
            }
            Ok(true)
        });
        if !erased.await? {
            return Ok(false);
        }
        *writer = IndexWriter::new(writer.lease.clone(), position);
        Ok(true)
    }
}

/// Adds documents; returns the newest block.
fn add_documents(
    transaction: &mut DatabaseConnection,
    mut newest: Option<(i64, TermBlock)>,
    documents: Vec<Document>,
) -> Result<Option<(i64, TermBlock)>> {
    for (block, documents) in by_block(changed_documents(transaction, documents)?) {
        let mut content = match newest.take_if(|(newest, _)| *newest == block) {
            Some((_, content)) => content,
            None => load(transaction, block)?,
        };
        content.read(transaction, block, &documents)?;
        let touched = content.add_documents(&documents);
        store(transaction, block, &mut content, touched)?;
        note_digests(transaction, &documents)?;
        content.forget_many();
        if newest.as_ref().is_none_or(|(newest, _)| *newest < block) {
            newest = Some((block, content));
        }
    }
    Ok(newest)
}

/// Returns the documents whose terms differ from the stored ones.
fn changed_documents(connection: &mut DatabaseConnection, documents: Vec<Document>) -> Result<Vec<Document>> {
    let mut params = BulkParams::new(["id"]);
    for document in documents.iter().filter(|document| document.is_kept) {
        params.push([document.message.0.into()]);
    }
    let sql = "SELECT c.message_id, c.digest FROM v JOIN search_changed c ON c.message_id = v.id";
    let known = params.query(connection, sql, |row| Ok((MessageId(column(row, 0)?), column::<Vec<u8>>(row, 1)?)))?;
    let known: HashMap<MessageId, Vec<u8>> = known.into_iter().collect();
    let is_unlike = |document: &Document| !document.is_kept || known.get(&document.message) != document.digest.as_ref();
    Ok(documents.into_iter().filter(is_unlike).collect())
}

fn by_block(documents: Vec<Document>) -> BTreeMap<i64, Vec<Document>> {
    let mut blocks: BTreeMap<i64, Vec<Document>> = BTreeMap::new();
    for document in documents {
        blocks.entry(block_of(document.message)).or_default().push(document);
    }
    blocks
}

/// Loads when the messages of a block were sent; a block that does not exist has no terms.
fn load(connection: &mut DatabaseConnection, block: i64) -> Result<TermBlock> {
    let sql = "SELECT first_at, last_at FROM search_blocks WHERE block = $1";
    let written = connection.query_optional(sql, &[block.into()], |row| Ok((column(row, 0)?, column(row, 1)?)))?;
    Ok(TermBlock { is_whole: written.is_none(), written, ..TermBlock::default() })
}

/// Removes slots from all terms of a block, page by page.
fn clear(connection: &mut DatabaseConnection, block: i64, slots: &Slots) -> Result<()> {
    let mut after = Term::new();
    loop {
        let sql = "SELECT term, slots FROM search_terms WHERE block = $1 AND term > $2 ORDER BY term LIMIT $3";
        let parameters = [block.into(), after.as_slice().into(), PAGE.into()];
        let rows =
            connection.query(sql, &parameters, |row| Ok((column::<Term>(row, 0)?, StoredSlots(column(row, 1)?))))?;
        let count = rows.len();
        let mut changed = Vec::new();
        for (term, mut kept) in rows {
            after.clone_from(&term);
            if kept.remove(slots) {
                changed.push((term, kept));
            }
        }
        write_terms(connection, block, changed.into_iter())?;
        if count < usize::try_from(PAGE).expect("a page is small") {
            return Ok(());
        }
    }
}

/// Writes terms and deletes those without slots.
fn write_terms(
    connection: &mut DatabaseConnection,
    block: i64,
    terms: impl Iterator<Item = (Term, StoredSlots)>,
) -> Result<()> {
    let mut kept = BulkParams::new(["block", "term", "slots"]);
    let mut emptied = BulkParams::new(["block", "term"]);
    for (term, slots) in terms {
        if slots.0.is_empty() {
            emptied.push([block.into(), term.into()]);
        } else {
            kept.push([block.into(), term.into(), slots.0.into()]);
        }
    }
    kept.execute(
        connection,
        "INSERT INTO search_terms (block, term, slots) SELECT block, term, slots FROM v WHERE block IS NOT NULL \
         ON CONFLICT (block, term) DO UPDATE SET slots = excluded.slots",
    )?;
    emptied.execute(connection, "DELETE FROM search_terms WHERE (block, term) IN (SELECT block, term FROM v)")
}

/// Returns the slots of messages that are already in the index.
fn replaced(documents: &[Document]) -> Slots {
    let mut replaced = Slots::default();
    for document in documents.iter().filter(|document| document.is_kept) {
        replaced.insert(slot_of(document.message));
    }
    replaced
}

impl TermBlock {
    /// Loads the terms of these documents, and removes their old slots from all other terms.
    fn read(&mut self, connection: &mut DatabaseConnection, block: i64, documents: &[Document]) -> Result<()> {
        if self.is_whole {
            return Ok(());
        }
        let replaced = replaced(documents);
        if !replaced.is_empty() {
            self.terms = HashMap::new();
            clear(connection, block, &replaced)?;
        }
        let wanted: BTreeSet<&Term> = documents.iter().flat_map(|document| &document.terms).collect();
        let mut params = BulkParams::new(["block", "term"]);
        for term in wanted.into_iter().filter(|term| !self.terms.contains_key(*term)) {
            params.push([block.into(), term.clone().into()]);
        }
        let sql = "SELECT t.term, t.slots FROM v CROSS JOIN search_terms t WHERE t.block = v.block AND t.term = v.term";
        let found = params.query(connection, sql, |row| Ok((column(row, 0)?, StoredSlots(column(row, 1)?))))?;
        self.terms.extend(found);
        Ok(())
    }

    /// Drops the cached terms if there are too many.
    fn forget_many(&mut self) {
        if self.terms.len() > TERMS_MAX {
            self.terms = HashMap::new();
            self.is_whole = false;
        }
    }

    /// Adds documents; returns the terms whose slots changed.
    fn add_documents(&mut self, documents: &[Document]) -> BTreeSet<Term> {
        let mut touched = BTreeSet::new();
        let replaced = replaced(documents);
        if !replaced.is_empty() {
            for (term, kept) in &mut self.terms {
                if kept.remove(&replaced) {
                    touched.insert(term.clone());
                }
            }
        }
        for document in documents {
            let slot = slot_of(document.message);
            for term in &document.terms {
                if self.terms.entry(term.clone()).or_default().insert(slot) && !touched.contains(term) {
                    touched.insert(term.clone());
                }
            }
            let (first, last) = self.written.unwrap_or((i64::MAX, i64::MIN));
            self.written = Some((first.min(document.created_at), last.max(document.created_at)));
        }
        touched
    }
}

fn store(
    connection: &mut DatabaseConnection,
    block: i64,
    content: &mut TermBlock,
    touched: BTreeSet<Term>,
) -> Result<()> {
    let terms: Vec<_> = touched
        .into_iter()
        .map(|term| {
            let slots = content.terms.get(&term).cloned().unwrap_or_default();
            if slots.0.is_empty() {
                content.terms.remove(&term);
            }
            (term, slots)
        })
        .collect();
    write_terms(connection, block, terms.into_iter())?;
    let Some((first, last)) = content.written else { return Ok(()) };
    let sql = "INSERT INTO search_blocks (block, first_at, last_at) VALUES ($1, $2, $3) \
               ON CONFLICT (block) DO UPDATE SET first_at = excluded.first_at, last_at = excluded.last_at";
    connection.execute(sql, &[block.into(), first.into(), last.into()]).map(drop)
}

fn note_digests(connection: &mut DatabaseConnection, documents: &[Document]) -> Result<()> {
    let mut params = BulkParams::new(["id", "digest"]);
    for document in documents {
        if let Some(digest) = &document.digest {
            params.push([document.message.0.into(), Param::from(digest.as_slice())]);
        }
    }
    params.execute(
        connection,
        "INSERT INTO search_changed (message_id, digest) SELECT id, digest FROM v WHERE id IS NOT NULL \
             ON CONFLICT (message_id) DO UPDATE SET digest = excluded.digest",
    )
}
