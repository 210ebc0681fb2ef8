//! Searches messages.
//!
//! The index (`store/index`, maintained by `consumers/search`) only names candidates: results are read from the
//! messages in their current state, compared with the query, and reached through the viewer's membership. So nothing
//! that was edited away, deleted, hidden or left is found, however far the index lags.
//!
//! Invariants: results are ordered by id, newest first, so pages neither repeat nor skip any; a query looks at a
//! bounded number of messages, bytes and index rows, then returns what it has and where to continue; it is one unit of
//! work of the store; searches never occupy all of the store's threads; the position to continue from is a message that
//! the viewer sees or the beginning of a block, so it reveals nothing about others' messages.

mod candidates;
pub mod excerpt;
pub mod fold;
mod limiter;
pub mod names;
pub mod units;
pub mod words;

use crate::{
    consumers::search::searchable_texts,
    domain::rows::MessageRow,
    store::{
        Result, Store,
        index::Index,
        snapshot::{SearchScope, Snapshot},
    },
};
use candidates::{Candidates, IndexAccess};
use limiter::SearchLimiter;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{MessageId, UserId},
    limits::Limits,
    params::Search,
    reply::{Found, Hit},
};
use std::{collections::BTreeSet, time::Duration};
use words::Words;

/// How many messages are compared first; then twice as many each time, up to the maximum.
const CHUNK_MIN: usize = 64;
const CHUNK_MAX: usize = 512;
/// How many bytes of text one query may compare.
const COMPARED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many messages are scanned for each that the viewer sees and that may be compared.
const SCANNED_FACTOR: usize = 4;

/// Searches messages on behalf of users.
#[derive(Debug)]
pub struct Searcher {
    store: Store,
    /// Absent where search is disabled.
    index: Option<Index>,
    limiter: SearchLimiter,
    limits: Limits,
}

/// A parsed search.
#[derive(Debug)]
struct SearchRequest {
    words: Words,
    scope: SearchScope,
    sender: Option<UserId>,
    has_file: bool,
    /// Only messages with lower ids.
    after: MessageId,
    /// From (inclusive) and until (exclusive), in milliseconds.
    written: (i64, i64),
    rows: usize,
}

impl Searcher {
    /// Creates a searcher for a store with this many reading connections. A search that waits longer than `wait_max` is
    /// refused.
    #[must_use]
    pub fn new(store: Store, index: Option<Index>, limits: Limits, readers: u32, wait_max: Duration) -> Self {
        Self { store, index, limiter: SearchLimiter::new(readers, wait_max), limits }
    }

    /// Searches messages.
    ///
    /// # Errors
    /// The query is invalid, or the store is unavailable.
    pub async fn search(&self, user: UserId, search: Search, rows: u32) -> std::result::Result<Found, Problem> {
        let Some(index) = &self.index else {
            return Err(Problem::new(Code::NotAllowed).with_detail("search is disabled on this server"));
        };
        let request = parse_request(&self.limits, search, rows)?;
        let permits = self.limiter.acquire(user).await?;
        let (index, bounds) = (index.clone(), SearchBounds::of(&self.limits));
        let found = self.store.read(move |snapshot| {
            // Held until the work is done, even if the caller is gone.
            let _permits = permits;
            if let Some(conversation) = request.scope.conversation
                && !snapshot.is_member(user, conversation)?
            {
                return Ok(None);
            }
            let index = IndexAccess::open(index, snapshot)?;
            let (hits, next) = collect_hits(snapshot, index, user, &request, bounds)?;
            build_reply(snapshot, user, &request, &hits, next).map(Some)
        });
        found.await?.ok_or(Code::NotFound.into())
    }
}

/// How much one search may process.
#[derive(Clone, Copy)]
struct SearchBounds {
    unindexed: i64,
    candidates: usize,
    bytes: usize,
}

impl SearchBounds {
    fn of(limits: &Limits) -> Self {
        Self {
            unindexed: limits.search_unindexed_max.into(),
            candidates: limits.search_candidates_max as usize,
            bytes: limits.page_bytes_max as usize,
        }
    }
}

fn parse_request(limits: &Limits, search: Search, rows: u32) -> std::result::Result<SearchRequest, Problem> {
    if search.query.chars().nth(limits.search_query_chars_max as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong).with_limit(limits.search_query_chars_max.into()));
    }
    let words = Words::new(&search.query);
    if words.len() > limits.search_words_max as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(limits.search_words_max.into()));
    }
    let invalid = |detail: &str| Problem::new(Code::InvalidField).with_detail(detail);
    let is_control = |character: char| character.is_control() && !character.is_whitespace();
    if search.query.contains(is_control) {
        return Err(invalid("`query`: control characters are not allowed"));
    }
    if search
        .context
        .as_ref()
        .is_some_and(|key| key.kind.contains(char::is_control) || key.id.contains(char::is_control))
    {
        return Err(invalid("`context`: control characters are not allowed"));
    }
    let time = |name: &str, text: Option<&String>, absent: i64| match text.map(|text| text.parse::<jiff::Timestamp>()) {
        None => Ok(absent),
        Some(Ok(time)) => Ok(time.as_millisecond()),
        Some(Err(_)) => Err(invalid(&format!("`{name}`: expected a time such as 2026-11-22T09:12:03Z"))),
    };
    let written = (time("from", search.from.as_ref(), i64::MIN)?, time("until", search.until.as_ref(), i64::MAX)?);
    let is_filtered = search.conversation.is_some()
        || search.sender.is_some()
        || search.context.is_some()
        || search.from.is_some()
        || search.until.is_some()
        || search.has_file;
    if words.is_empty() && (!is_filtered || !search.query.trim().is_empty()) {
        return Err(invalid("`query`: expected a word or another filter"));
    }
    let after = match search.after.as_deref().map(str::parse) {
        None => MessageId(i64::MAX),
        Some(Ok(id)) => MessageId(id),
        Some(Err(_)) => return Err(invalid("`after`: expected the `next` of the previous page")),
    };
    let scope = SearchScope { conversation: search.conversation, context: search.context };
    let (sender, has_file) = (search.sender, search.has_file);
    Ok(SearchRequest { words, scope, sender, has_file, after, written, rows: rows as usize })
}

/// Returns the newest hits, and where to continue if there may be more.
fn collect_hits(
    snapshot: &mut Snapshot<'_>,
    index: IndexAccess,
    user: UserId,
    request: &SearchRequest,
    bounds: SearchBounds,
) -> Result<(Vec<MessageRow>, Option<MessageId>)> {
    let mut candidates = Candidates::new(snapshot, index, user, request, bounds.unindexed)?;
    let most = bounds.candidates;
    let (mut hits, mut bytes) = (Vec::new(), 0);
    let (mut scanned, mut compared, mut compared_bytes) = (0, 0, 0);
    let mut chunk = CHUNK_MIN;
    loop {
        // Comparing the texts of a chunk may take long, so the caller is checked in between.
        snapshot.connection().check_caller()?;
        let ids = candidates.next(snapshot, chunk)?;
        if ids.is_empty() {
            return Ok((hits, candidates.stopped_at()));
        }
        scanned += ids.len();
        let rows = snapshot.visible_messages(user, &ids)?;
        // Messages of others must not influence where this ends.
        let last = rows.last().map(|row| row.id);
        compared += rows.len();
        let chunk_bytes = rows.iter().flat_map(searchable_texts).map(str::len).sum::<usize>();
        compared_bytes += chunk_bytes;
        let rows = rows.into_iter().filter(|row| candidates.includes(row.conversation));
        for row in rows.filter(|row| is_hit(row, request)) {
            bytes += row.text.len();
            let is_full = hits.len() == request.rows || bytes > bounds.bytes;
            if let Some(MessageRow { id, .. }) = hits.last().filter(|_| is_full) {
                let next = *id;
                return Ok((hits, Some(next)));
            }
            hits.push(row);
        }
        if last.is_some() && (compared >= most || compared_bytes >= COMPARED_BYTES_MAX) {
            return Ok((hits, last));
        }
        if scanned >= most.saturating_mul(SCANNED_FACTOR)
            && let Some(next) = candidates.end_of_block(&ids)
        {
            return Ok((hits, Some(next)));
        }
        chunk = if chunk_bytes > COMPARED_BYTES_MAX / 8 { CHUNK_MIN } else { (chunk * 2).min(CHUNK_MAX) };
    }
}

/// Returns whether a message that the viewer may see matches the search.
fn is_hit(row: &MessageRow, request: &SearchRequest) -> bool {
    row.created_at >= request.written.0
        && row.created_at < request.written.1
        && request.sender.is_none_or(|sender| row.sender == sender)
        && (!request.has_file || !row.details.attachments.is_empty())
        && (request.words.is_empty() || request.words.find(&searchable_texts(row)).is_some())
}

fn build_reply(
    snapshot: &mut Snapshot<'_>,
    user: UserId,
    request: &SearchRequest,
    hits: &[MessageRow],
    next: Option<MessageId>,
) -> Result<Found> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for hit in hits {
        if seen.insert(hit.conversation) {
            order.push(hit.conversation);
        }
    }
    let users = snapshot.users_by_id(hits.iter().map(|hit| hit.sender))?;
    let hit = |row: &MessageRow| Hit { message: row.message(), excerpt: excerpt_of(row, &request.words) };
    let results = hits.iter().map(hit).collect();
    let mut conversations = snapshot.conversations(user, &order)?;
    conversations.sort_by_key(|one| order.iter().position(|id| *id == one.id));
    Ok(Found { results, conversations, users, next: next.map(|id| id.0.to_string()) })
}

/// Returns the excerpt of the part of the message with the most matches.
fn excerpt_of(row: &MessageRow, words: &Words) -> Vec<parlor_protocol::reply::Piece> {
    let searchable_texts = searchable_texts(row);
    let hits = words.find(&searchable_texts).unwrap_or_else(|| vec![Vec::new(); searchable_texts.len()]);
    let parts = searchable_texts.into_iter().zip(hits).filter(|(text, _)| !text.is_empty());
    // Of equal parts the first; max_by_key alone would return the last.
    let best = parts.rev().max_by_key(|(_, hits)| hits.len());
    best.map(|(text, hits)| excerpt::excerpt(text, &hits)).unwrap_or_default()
}
