//! Finding messages by what they say.
//!
//! The index (`store/index`, fed by `consumers/search`) names candidates, nothing more: what is shown was read, and
//! compared with the query, from the messages as they are now, through the asker's membership. So nothing that was
//! edited away, deleted, hidden or left behind is found, however far the index lags.
//!
//! Invariants: the newest first, by id, so that pages neither repeat nor leave out; one query looks at a bounded number
//! of messages, bytes and rows of the index, and then answers what it has, with where to go on; it is one unit of work of
//! the store; searches never take all of its threads; where to go on is a message that the asker sees or where
//! a block begins, so that it tells nothing of what others wrote.

mod candidates;
pub mod excerpt;
pub mod fold;
pub mod names;
pub mod units;
pub mod words;

use crate::{
    app::App,
    consumers::search::texts,
    domain::rows::MessageRow,
    store::{
        Result,
        snapshot::{Snapshot, Where},
    },
    user_limits::{self, Shares},
};
use candidates::{Candidates, Index};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{MessageId, UserId},
    limits::Limits,
    params::Search,
    reply::{Found, Hit},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use words::Words;

/// Messages compared at first; then twice as many each time, up to the most.
const CHUNK_MIN: usize = 64;
const CHUNK_MAX: usize = 512;
/// Bytes of text compared for one query.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Messages looked at for each that the asker sees and that may be compared.
const LOOKED_AT_FACTOR: usize = 4;

/// Who may search now: one search of each person at a time, and of all together so many that the store has
/// connections left for everything else.
#[derive(Debug)]
pub struct Turns {
    people: Shares,
    all: Arc<Semaphore>,
    patience: Duration,
}

impl Turns {
    /// For a store with so many connections that read; whoever waits longer than `patience` is refused.
    #[must_use]
    pub fn new(readers: u32, patience: Duration) -> Self {
        let most = readers.saturating_sub(2).max(1);
        Self { people: Shares::new(1, patience), all: Arc::new(Semaphore::new(most as usize)), patience }
    }

    async fn take(&self, person: UserId) -> std::result::Result<[OwnedSemaphorePermit; 2], Problem> {
        let turn = async {
            // First the own: whoever searches twice waits for himself and not before others.
            let own = self.people.take(person).await?;
            Ok([own, self.all.clone().acquire_owned().await.expect("it is never closed")])
        };
        timeout(self.patience, turn).await.unwrap_or_else(|_| Err(user_limits::full()))
    }
}

/// What is looked for.
#[derive(Debug)]
struct Asked {
    words: Words,
    r#where: Where,
    sender: Option<UserId>,
    has_file: bool,
    /// Lower ids only.
    after: MessageId,
    /// From, and before.
    written: (i64, i64),
    rows: usize,
}

/// Looks for messages.
///
/// # Errors
/// The query is refused, or the store is not there.
pub async fn search(app: &App, user: UserId, search: Search, rows: u32) -> std::result::Result<Found, Problem> {
    let Some(index) = &app.index else {
        return Err(Problem::new(Code::NotAllowed).with_detail("search is switched off here"));
    };
    let asked = asked(app, search, rows)?;
    let turn = app.searches.take(user).await?;
    let (index, bounds) = (index.clone(), Bounds::of(&app.config.limits));
    let found = app.store.read(move |snapshot| {
        // Held until the work is done, whoever still waits for it.
        let _turn = turn;
        if let Some(conversation) = asked.r#where.conversation
            && !snapshot.is_member(user, conversation)?
        {
            return Ok(None);
        }
        let index = Index::open(index, snapshot)?;
        let (hits, next) = look(snapshot, index, user, &asked, bounds)?;
        found(snapshot, user, &asked, &hits, next).map(Some)
    });
    found.await?.ok_or(Code::NotFound.into())
}

/// How much one search may take.
#[derive(Clone, Copy)]
struct Bounds {
    unindexed: i64,
    candidates: usize,
    bytes: usize,
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        Self {
            unindexed: limits.search_unindexed_max.into(),
            candidates: limits.search_candidates_max as usize,
            bytes: limits.page_bytes_max as usize,
        }
    }
}

fn asked(app: &App, search: Search, rows: u32) -> std::result::Result<Asked, Problem> {
    let limits = &app.config.limits;
    if search.query.chars().nth(limits.search_query_chars_max as usize).is_some() {
        return Err(Problem::new(Code::TextTooLong).with_limit(limits.search_query_chars_max.into()));
    }
    let words = Words::new(&search.query);
    if words.len() > limits.search_words_max as usize {
        return Err(Problem::new(Code::LimitReached).with_limit(limits.search_words_max.into()));
    }
    let wrong = |detail: &str| Problem::new(Code::InvalidField).with_detail(detail);
    let is_control = |character: char| character.is_control() && !character.is_whitespace();
    if search.query.contains(is_control) {
        return Err(wrong("`query`: no control characters are expected"));
    }
    if search
        .context
        .as_ref()
        .is_some_and(|key| key.kind.contains(char::is_control) || key.id.contains(char::is_control))
    {
        return Err(wrong("`context`: no control characters are expected"));
    }
    let time = |name: &str, text: Option<&String>, absent: i64| match text.map(|text| text.parse::<jiff::Timestamp>()) {
        None => Ok(absent),
        Some(Ok(time)) => Ok(time.as_millisecond()),
        Some(Err(_)) => Err(wrong(&format!("`{name}`: a time such as 2026-11-22T09:12:03Z is expected"))),
    };
    let written = (time("from", search.from.as_ref(), i64::MIN)?, time("until", search.until.as_ref(), i64::MAX)?);
    let is_filtered = search.conversation.is_some()
        || search.sender.is_some()
        || search.context.is_some()
        || search.from.is_some()
        || search.until.is_some()
        || search.has_file;
    if words.is_empty() && (!is_filtered || !search.query.trim().is_empty()) {
        return Err(wrong("`query`: a word is expected, or something else to look for"));
    }
    let after = match search.after.as_deref().map(str::parse) {
        None => MessageId(i64::MAX),
        Some(Ok(id)) => MessageId(id),
        Some(Err(_)) => return Err(wrong("`after`: the `next` of the page before is expected")),
    };
    let r#where = Where { conversation: search.conversation, context: search.context };
    let (sender, has_file) = (search.sender, search.has_file);
    Ok(Asked { words, r#where, sender, has_file, after, written, rows: rows as usize })
}

/// The newest hits, and where to go on if that may not be all.
fn look(
    snapshot: &mut Snapshot<'_>,
    index: Index,
    user: UserId,
    asked: &Asked,
    bounds: Bounds,
) -> Result<(Vec<MessageRow>, Option<MessageId>)> {
    let mut candidates = Candidates::new(snapshot, index, user, asked, bounds.unindexed)?;
    let most = bounds.candidates;
    let (mut hits, mut bytes) = (Vec::new(), 0);
    let (mut looked_at, mut compared, mut compared_bytes) = (0, 0, 0);
    let mut chunk = CHUNK_MIN;
    loop {
        // Between two chunks texts are compared, which may take long.
        snapshot.connection().go_on()?;
        let ids = candidates.next(snapshot, chunk)?;
        if ids.is_empty() {
            return Ok((hits, candidates.stopped_at()));
        }
        looked_at += ids.len();
        let rows = snapshot.visible(user, &ids)?;
        // Nothing that others wrote has a say in where this ends.
        let last = rows.last().map(|row| row.id);
        compared += rows.len();
        let chunk_bytes = rows.iter().flat_map(texts).map(str::len).sum::<usize>();
        compared_bytes += chunk_bytes;
        let rows = rows.into_iter().filter(|row| candidates.may_be_in(row.conversation));
        for row in rows.filter(|row| is_hit(row, asked)) {
            bytes += row.text.len();
            let is_full = hits.len() == asked.rows || bytes > bounds.bytes;
            if let Some(MessageRow { id, .. }) = hits.last().filter(|_| is_full) {
                let next = *id;
                return Ok((hits, Some(next)));
            }
            hits.push(row);
        }
        if last.is_some() && (compared >= most || compared_bytes >= BYTES_MAX) {
            return Ok((hits, last));
        }
        if looked_at >= most.saturating_mul(LOOKED_AT_FACTOR)
            && let Some(next) = candidates.block_done(&ids)
        {
            return Ok((hits, Some(next)));
        }
        chunk = if chunk_bytes > BYTES_MAX / 8 { CHUNK_MIN } else { (chunk * 2).min(CHUNK_MAX) };
    }
}

/// Whether a message that the asker may see is what was looked for.
fn is_hit(row: &MessageRow, asked: &Asked) -> bool {
    row.created_at >= asked.written.0
        && row.created_at < asked.written.1
        && asked.sender.is_none_or(|sender| row.sender == sender)
        && (!asked.has_file || !row.details.attachments.is_empty())
        && (asked.words.is_empty() || asked.words.find(&texts(row)).is_some())
}

fn found(
    snapshot: &mut Snapshot<'_>,
    user: UserId,
    asked: &Asked,
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
    let hit = |row: &MessageRow| Hit { message: row.message(), excerpt: shown(row, &asked.words) };
    let results = hits.iter().map(hit).collect();
    let mut conversations = snapshot.conversations(user, &order)?;
    conversations.sort_by_key(|one| order.iter().position(|id| *id == one.id));
    Ok(Found { results, conversations, users, next: next.map(|id| id.0.to_string()) })
}

/// The excerpt of that part of the message in which most was found.
fn shown(row: &MessageRow, words: &Words) -> Vec<parlor_protocol::reply::Piece> {
    let texts = texts(row);
    let hits = words.find(&texts).unwrap_or_else(|| vec![Vec::new(); texts.len()]);
    let parts = texts.into_iter().zip(hits).filter(|(text, _)| !text.is_empty());
    // Of equal ones the first, which max_by_key would not take.
    let best = parts.rev().max_by_key(|(_, hits)| hits.len());
    best.map(|(text, hits)| excerpt::excerpt(text, &hits)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn searches_leave_connections_to_others_and_each_person_has_one() {
        let turns = Turns::new(4, Duration::from_mins(1));
        let one = turns.take(UserId(1)).now_or_never().expect("free").expect("in time");
        assert!(turns.take(UserId(1)).now_or_never().is_none(), "a second search of one person");
        let other = turns.take(UserId(2)).now_or_never().expect("free").expect("in time");
        assert!(turns.take(UserId(3)).now_or_never().is_none(), "a third search of four connections");
        drop((one, other));
        assert!(turns.take(UserId(1)).now_or_never().is_some());
        let impatient = Turns::new(1, Duration::from_millis(1));
        let _held = impatient.take(UserId(1)).await.expect("free");
        assert_eq!(impatient.take(UserId(2)).await.expect_err("held").code, Code::Unavailable);
    }
}
