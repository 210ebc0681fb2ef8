//! Selects the messages to compare with a query, newest first.
//!
//! If the viewer can see only a few messages, all of them are compared. Otherwise the index is read in groups of
//! blocks, the rarest word first, and each further lookup only where the ones before it found something. If the viewer
//! is in a few conversations, these are looked up before any word; if in more, only where the words leave too many
//! messages. If the viewer can see no more than some thousands of messages, their ids are read at once instead of
//! looking up conversations in each block.

use super::{
    SearchRequest,
    words::{self, Lookup},
};
use crate::store::{
    self, Result,
    connection::DatabaseConnection,
    index::{
        block_bitmap::{BLOCK, block_of, message_at, slot_of},
        read::{self, BlockHits},
    },
    snapshot::{SEARCHED_CONVERSATIONS_MAX, SearchedConversation, Snapshot},
};
use parlor_protocol::ids::{ConversationId, MessageId, UserId};
use std::collections::{HashSet, VecDeque};

/// If the viewer is in at most this many conversations, these are looked up first.
const CONVERSATIONS_FIRST_MAX: usize = 16;
/// If the viewer can see at most this many times the messages that are compared without the index, the ids of all of
/// them are read at once, instead of looking up conversations in each block.
const ALL_VISIBLE_FACTOR: i64 = 20;
/// If a group of blocks has more candidates than this, they are first filtered by conversation.
const UNCHECKED_MAX: usize = 256;
/// At most how many terms of conversations are looked up for one group of blocks.
const CONVERSATION_TERMS_MAX: usize = 8192;
/// How many blocks are scanned together: few at first, since most results are recent.
const GROUP_MIN: usize = 4;
const GROUP_MAX: usize = 64;
/// How many blocks one query may scan.
const BLOCKS_MAX: u32 = 4096;
/// How many rows of the index one query may read.
const ROWS_MAX: usize = 50_000;

/// How many rows of the index one lookup may read; if there are more, fewer blocks are scanned together.
const LOOKUP_MAX: usize = 20_000;

/// Access to the index: through its own connection or the snapshot's.
pub(super) struct IndexAccess {
    index: store::index::Index,
    reader: Option<store::index::IndexReader>,
}

impl IndexAccess {
    pub(super) fn open(index: store::index::Index, snapshot: &mut Snapshot<'_>) -> Result<Self> {
        Ok(Self { reader: index.reader(snapshot)?, index })
    }

    fn connection<'a>(&'a mut self, snapshot: &'a mut Snapshot<'_>) -> &'a mut DatabaseConnection {
        match &mut self.reader {
            Some(reader) => reader.connection(),
            None => snapshot.connection(),
        }
    }
}

/// The messages still to be compared.
pub(super) struct Candidates {
    index: IndexAccess,
    ready: VecDeque<MessageId>,
    /// The blocks still to be scanned, newest first.
    blocks: VecDeque<i64>,
    /// Whether there are older blocks than those in `blocks`.
    is_cut: bool,
    lookups: Vec<Lookup>,
    /// The viewer's conversations; none if there are too many to look up each of them.
    conversations: Option<Vec<SearchedConversation>>,
    /// Whether the viewer can see so few messages that all their ids may be read at once.
    has_few_messages: bool,
    /// All of them, once the newest blocks were not enough or left too many candidates.
    all_visible: Option<BlockHits>,
    /// The only conversations to be searched, if the query names any.
    within: Option<HashSet<ConversationId>>,
    after: MessageId,
    group: usize,
    rows: usize,
    /// The oldest block that was scanned.
    reached: Option<i64>,
}

impl Candidates {
    pub(super) fn new(
        snapshot: &mut Snapshot<'_>,
        mut index: IndexAccess,
        user: UserId,
        request: &SearchRequest,
        unindexed_max: i64,
    ) -> Result<Self> {
        let conversations = snapshot.searched_conversations(user, &request.scope)?;
        let is_within = request.scope.conversation.is_some() || request.scope.context.is_some();
        let within = is_within.then(|| conversations.iter().map(|conversation| conversation.id).collect());
        let conversations = (conversations.len() <= SEARCHED_CONVERSATIONS_MAX as usize).then_some(conversations);
        let (mut ready, mut blocks, mut is_cut) = (VecDeque::new(), VecDeque::new(), false);
        let visible = conversations.iter().flatten().map(|conversation| conversation.visible).sum::<i64>();
        if let Some(conversations) = conversations.as_ref().filter(|_| visible <= unindexed_max) {
            let mut all = snapshot.message_ids_in(conversations, request.after)?;
            all.sort_unstable_by(|one, other| other.cmp(one));
            ready = all.into();
        } else {
            let newest = conversations
                .as_ref()
                .and_then(|conversations| conversations.iter().map(|conversation| conversation.activity.0).max());
            let highest = block_of(MessageId(request.after.0.saturating_sub(1).min(newest.unwrap_or(i64::MAX))));
            let hits = read::blocks(index.connection(snapshot), highest, request.written, BLOCKS_MAX.into());
            let hits = index.index.note_damage(hits)?;
            is_cut = hits.len() >= BLOCKS_MAX as usize;
            blocks = hits.into();
        }
        Ok(Self {
            index,
            ready,
            blocks,
            is_cut,
            lookups: lookups(request),
            has_few_messages: conversations.is_some() && visible <= unindexed_max.saturating_mul(ALL_VISIBLE_FACTOR),
            conversations,
            all_visible: None,
            within,
            after: request.after,
            group: GROUP_MIN,
            rows: 0,
            reached: None,
        })
    }

    /// Returns the next candidates, newest first, at most `limit`; none at the end.
    pub(super) fn next(&mut self, snapshot: &mut Snapshot<'_>, limit: usize) -> Result<Vec<MessageId>> {
        while self.ready.is_empty() && !self.blocks.is_empty() && self.rows < ROWS_MAX {
            self.scan_next_blocks(snapshot)?;
        }
        Ok(self.ready.drain(..limit.min(self.ready.len())).collect())
    }

    /// Returns whether the query includes this conversation.
    pub(super) fn includes(&self, conversation: ConversationId) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(&conversation))
    }

    /// Returns where the next page starts, unless everything was scanned.
    pub(super) fn stopped_at(&self) -> Option<MessageId> {
        let reached = self.reached.filter(|_| self.is_cut || !self.blocks.is_empty())?;
        Some(message_at(reached, 0))
    }

    /// Returns where to continue after the last of these ids, if its block ends there.
    pub(super) fn end_of_block(&self, ids: &[MessageId]) -> Option<MessageId> {
        let block = block_of(*ids.last()?);
        let is_done = self.ready.front().is_none_or(|next| block_of(*next) < block);
        is_done.then(|| message_at(block, 0))
    }

    /// Scans the next group of blocks.
    fn scan_next_blocks(&mut self, snapshot: &mut Snapshot<'_>) -> Result<()> {
        let mut group: Vec<i64> = self.blocks.drain(..self.group.min(self.blocks.len())).collect();
        self.group = (self.group * 2).min(GROUP_MAX);
        let is_in_few =
            self.conversations.as_ref().is_some_and(|conversations| conversations.len() <= CONVERSATIONS_FIRST_MAX);
        let mut hits: Option<BlockHits> = None;
        if is_in_few || self.all_visible.is_some() || (self.has_few_messages && self.reached.is_some()) {
            self.keep_viewer_conversations(snapshot, &group, &mut hits)?;
        }
        for lookup in &self.lookups {
            // If too many words have this prefix, fewer blocks are scanned now and the rest later.
            let slots = loop {
                let blocks = blocks_left(&group, hits.as_ref());
                let connection = self.index.connection(snapshot);
                let answer = read::look_up(connection, blocks.into_iter(), lookup, LOOKUP_MAX);
                if let Some((slots, rows)) = self.index.index.note_damage(answer)? {
                    self.rows += rows;
                    break Some(slots);
                }
                self.rows += LOOKUP_MAX;
                if group.len() == 1 {
                    // Then the comparison of texts decides.
                    break None;
                }
                for block in group.drain(group.len() / 2..).rev() {
                    self.blocks.push_front(block);
                    if let Some(hits) = &mut hits {
                        hits.remove(&block);
                    }
                }
                self.group = group.len();
            };
            if let Some(slots) = slots {
                intersect(&mut hits, slots);
            }
        }
        self.reached = group.last().copied();
        if hits.is_none() {
            let all = Lookup::Exact(words::anything());
            let connection = self.index.connection(snapshot);
            let answer = read::look_up(connection, group.iter().copied(), &all, LOOKUP_MAX);
            hits = self.index.index.note_damage(answer)?.map(|(slots, _)| slots);
        }
        let count: usize = hits.iter().flatten().map(|(_, slots)| slots.len()).sum();
        if !is_in_few && self.all_visible.is_none() && count > UNCHECKED_MAX {
            self.keep_viewer_conversations(snapshot, &group, &mut hits)?;
        }
        for (block, slots) in hits.unwrap_or_default().into_iter().rev() {
            let ids = slots.descending().map(|slot| message_at(block, slot));
            self.ready.extend(ids.filter(|id| *id < self.after));
        }
        Ok(())
    }

    /// Keeps what is in the viewer's conversations, unless that takes too many lookups.
    fn keep_viewer_conversations(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        group: &[i64],
        hits: &mut Option<BlockHits>,
    ) -> Result<()> {
        let Some(conversations) = &self.conversations else { return Ok(()) };
        if self.has_few_messages {
            if self.all_visible.is_none() {
                self.all_visible = Some(by_block(snapshot.message_ids_in(conversations, self.after)?));
            }
            let all_visible = self
                .all_visible
                .iter()
                .flat_map(|all_visible| group.iter().filter_map(|block| all_visible.get_key_value(block)));
            intersect(hits, all_visible.map(|(block, slots)| (*block, slots.clone())).collect());
            return Ok(());
        }
        let mut terms = Vec::new();
        for block in blocks_left(group, hits.as_ref()) {
            let (first, last) = (block * BLOCK, (block + 1) * BLOCK);
            let alive = conversations
                .iter()
                .filter(|conversation| conversation.id.0 < last && conversation.activity.0 >= first);
            terms.extend(alive.map(|conversation| (block, words::in_conversation(conversation.id))));
        }
        if terms.len() > CONVERSATION_TERMS_MAX {
            return Ok(());
        }
        let answer = read::any_of(self.index.connection(snapshot), terms.into_iter());
        let (slots, rows) = self.index.index.note_damage(answer)?;
        self.rows += rows;
        intersect(hits, slots);
        Ok(())
    }
}

/// Returns the lookups of a query, rarest first.
fn lookups(request: &SearchRequest) -> Vec<Lookup> {
    let mut lookups = request.words.lookups();
    lookups.extend(request.sender.map(|sender| Lookup::Exact(words::of_sender(sender))));
    if request.has_file {
        lookups.push(Lookup::Exact(words::has_file()));
    }
    if lookups.is_empty() {
        lookups.push(Lookup::Exact(words::anything()));
    }
    lookups
}

/// Returns the blocks that still have candidates.
fn blocks_left(group: &[i64], hits: Option<&BlockHits>) -> Vec<i64> {
    group.iter().copied().filter(|block| hits.is_none_or(|hits| hits.contains_key(block))).collect()
}

fn by_block(ids: Vec<MessageId>) -> BlockHits {
    let mut hits = BlockHits::new();
    for id in ids {
        hits.entry(block_of(id)).or_default().insert(slot_of(id));
    }
    hits
}

fn intersect(hits: &mut Option<BlockHits>, mut other: BlockHits) {
    if let Some(hits) = hits {
        hits.retain(|block, slots| {
            let Some(other) = other.remove(block) else { return false };
            slots.intersect(&other);
            !slots.is_empty()
        });
    } else {
        *hits = Some(other);
    }
}
