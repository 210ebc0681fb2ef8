//! Which messages to compare with a query, the newest first.
//!
//! Whoever sees few messages has all of them compared. Otherwise the index is read in groups of blocks, the rarest
//! word first, and each further lookup only where the ones before found something. Whoever is in few conversations
//! has these looked up before any word; whoever is in more, where the words leave too many messages. Whoever sees
//! no more than some thousands has these read at once, instead of looking for his conversations in each block.

use super::{
    Asked,
    words::{self, Lookup},
};
use crate::store::{
    self, Result,
    connection::Connection,
    index::{
        block_bitmap::{BLOCK, block_of, message_at, slot_of},
        read::{self, Found},
    },
    snapshot::{PLACES_MAX, Place, Snapshot},
};
use parlor_protocol::ids::{ConversationId, MessageId, UserId};
use std::collections::{HashSet, VecDeque};

/// In no more conversations than this, they are looked up first.
const PLACES_FIRST_MAX: usize = 16;
/// Whoever sees no more than so many times what is compared without the index has the ids of it all read at once,
/// instead of having his conversations looked up in each block.
const OWN_FACTOR: i64 = 20;
/// More candidates of one group of blocks than this are compared with the conversations first.
const UNCHECKED_MAX: usize = 256;
/// Terms of conversations looked up for one group of blocks, at the most.
const PLACE_TERMS_MAX: usize = 8192;
/// Blocks looked at together: few at first, since most of what is looked for is recent.
const GROUP_MIN: usize = 4;
const GROUP_MAX: usize = 64;
/// Blocks of one query.
const BLOCKS_MAX: u32 = 4096;
/// Rows of the index read for one query.
const ROWS_MAX: usize = 50_000;

/// Rows of the index that one lookup takes; more, and fewer blocks are looked at together.
const LOOKUP_MAX: usize = 20_000;

/// Where the index is read: by a connection of its own, or by the snapshot's.
pub(super) struct Index {
    index: store::index::Index,
    reading: Option<store::index::Reading>,
}

impl Index {
    pub(super) fn open(index: store::index::Index, snapshot: &mut Snapshot<'_>) -> Result<Self> {
        Ok(Self { reading: index.reading(snapshot)?, index })
    }

    fn connection<'a>(&'a mut self, snapshot: &'a mut Snapshot<'_>) -> &'a mut Connection {
        match &mut self.reading {
            Some(reading) => reading.connection(),
            None => snapshot.connection(),
        }
    }
}

/// What is still to be compared.
pub(super) struct Candidates {
    index: Index,
    ready: VecDeque<MessageId>,
    /// Blocks to be looked at, the newest first.
    blocks: VecDeque<i64>,
    /// There are older blocks than `blocks` has.
    is_cut: bool,
    lookups: Vec<Lookup>,
    /// The asker's conversations; none if there are too many to look each of them up.
    places: Option<Vec<Place>>,
    /// The asker sees so few messages that all of them may be read at once.
    sees_few: bool,
    /// All of them, once the newest blocks were not enough or left too much.
    own: Option<Found>,
    /// Only these conversations, where some were asked for.
    within: Option<HashSet<ConversationId>>,
    after: MessageId,
    group: usize,
    rows: usize,
    /// The oldest block that was looked at.
    reached: Option<i64>,
}

impl Candidates {
    pub(super) fn new(
        snapshot: &mut Snapshot<'_>,
        mut index: Index,
        user: UserId,
        asked: &Asked,
        unindexed_max: i64,
    ) -> Result<Self> {
        let places = snapshot.places(user, &asked.r#where)?;
        let is_within = asked.r#where.conversation.is_some() || asked.r#where.context.is_some();
        let within = is_within.then(|| places.iter().map(|place| place.id).collect());
        let places = (places.len() <= PLACES_MAX as usize).then_some(places);
        let (mut ready, mut blocks, mut is_cut) = (VecDeque::new(), VecDeque::new(), false);
        let visible = places.iter().flatten().map(|place| place.visible).sum::<i64>();
        if let Some(places) = places.as_ref().filter(|_| visible <= unindexed_max) {
            let mut all = snapshot.all_in(places, asked.after)?;
            all.sort_unstable_by(|one, other| other.cmp(one));
            ready = all.into();
        } else {
            let newest = places.as_ref().and_then(|places| places.iter().map(|place| place.activity.0).max());
            let highest = block_of(MessageId(asked.after.0.saturating_sub(1).min(newest.unwrap_or(i64::MAX))));
            let found = read::blocks(index.connection(snapshot), highest, asked.written, BLOCKS_MAX.into());
            let found = index.index.heed(found)?;
            is_cut = found.len() >= BLOCKS_MAX as usize;
            blocks = found.into();
        }
        Ok(Self {
            index,
            ready,
            blocks,
            is_cut,
            lookups: lookups(asked),
            sees_few: places.is_some() && visible <= unindexed_max.saturating_mul(OWN_FACTOR),
            places,
            own: None,
            within,
            after: asked.after,
            group: GROUP_MIN,
            rows: 0,
            reached: None,
        })
    }

    /// The next ones, the newest first, at most `limit`; none at the end.
    pub(super) fn next(&mut self, snapshot: &mut Snapshot<'_>, limit: usize) -> Result<Vec<MessageId>> {
        while self.ready.is_empty() && !self.blocks.is_empty() && self.rows < ROWS_MAX {
            self.look_further(snapshot)?;
        }
        Ok(self.ready.drain(..limit.min(self.ready.len())).collect())
    }

    /// Whether a message of this conversation was asked for.
    pub(super) fn may_be_in(&self, conversation: ConversationId) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(&conversation))
    }

    /// Where to go on, if not everything was looked at.
    pub(super) fn stopped_at(&self) -> Option<MessageId> {
        let reached = self.reached.filter(|_| self.is_cut || !self.blocks.is_empty())?;
        Some(message_at(reached, 0))
    }

    /// Where to go on after the last of these, if that is where its block ends.
    pub(super) fn block_done(&self, ids: &[MessageId]) -> Option<MessageId> {
        let block = block_of(*ids.last()?);
        let is_done = self.ready.front().is_none_or(|next| block_of(*next) < block);
        is_done.then(|| message_at(block, 0))
    }

    /// Looks at the next group of blocks.
    fn look_further(&mut self, snapshot: &mut Snapshot<'_>) -> Result<()> {
        let mut group: Vec<i64> = self.blocks.drain(..self.group.min(self.blocks.len())).collect();
        self.group = (self.group * 2).min(GROUP_MAX);
        let is_few = self.places.as_ref().is_some_and(|places| places.len() <= PLACES_FIRST_MAX);
        let mut found: Option<Found> = None;
        if is_few || self.own.is_some() || (self.sees_few && self.reached.is_some()) {
            self.keep_own(snapshot, &group, &mut found)?;
        }
        for lookup in &self.lookups {
            // Too many words that begin so: fewer blocks, the rest later.
            let slots = loop {
                let blocks = left(&group, found.as_ref());
                let connection = self.index.connection(snapshot);
                let answer = read::look_up(connection, blocks.into_iter(), lookup, LOOKUP_MAX);
                if let Some((slots, rows)) = self.index.index.heed(answer)? {
                    self.rows += rows;
                    break Some(slots);
                }
                self.rows += LOOKUP_MAX;
                if group.len() == 1 {
                    // Then the texts decide.
                    break None;
                }
                for block in group.drain(group.len() / 2..).rev() {
                    self.blocks.push_front(block);
                    if let Some(found) = &mut found {
                        found.remove(&block);
                    }
                }
                self.group = group.len();
            };
            if let Some(slots) = slots {
                keep(&mut found, slots);
            }
        }
        self.reached = group.last().copied();
        if found.is_none() {
            let all = Lookup::Exact(words::anything());
            let connection = self.index.connection(snapshot);
            let answer = read::look_up(connection, group.iter().copied(), &all, LOOKUP_MAX);
            found = self.index.index.heed(answer)?.map(|(slots, _)| slots);
        }
        let count: usize = found.iter().flatten().map(|(_, slots)| slots.len()).sum();
        if !is_few && self.own.is_none() && count > UNCHECKED_MAX {
            self.keep_own(snapshot, &group, &mut found)?;
        }
        for (block, slots) in found.unwrap_or_default().into_iter().rev() {
            let ids = slots.descending().map(|slot| message_at(block, slot));
            self.ready.extend(ids.filter(|id| *id < self.after));
        }
        Ok(())
    }

    /// Keeps what stands in the asker's conversations, unless that takes too many lookups.
    fn keep_own(&mut self, snapshot: &mut Snapshot<'_>, group: &[i64], found: &mut Option<Found>) -> Result<()> {
        let Some(places) = &self.places else { return Ok(()) };
        if self.sees_few {
            if self.own.is_none() {
                self.own = Some(by_block(snapshot.all_in(places, self.after)?));
            }
            let own = self.own.iter().flat_map(|own| group.iter().filter_map(|block| own.get_key_value(block)));
            keep(found, own.map(|(block, slots)| (*block, slots.clone())).collect());
            return Ok(());
        }
        let mut terms = Vec::new();
        for block in left(group, found.as_ref()) {
            let (first, last) = (block * BLOCK, (block + 1) * BLOCK);
            let alive = places.iter().filter(|place| place.id.0 < last && place.activity.0 >= first);
            terms.extend(alive.map(|place| (block, words::in_conversation(place.id))));
        }
        if terms.len() > PLACE_TERMS_MAX {
            return Ok(());
        }
        let answer = read::any_of(self.index.connection(snapshot), terms.into_iter());
        let (slots, rows) = self.index.index.heed(answer)?;
        self.rows += rows;
        keep(found, slots);
        Ok(())
    }
}

/// What to look up, the rarest first.
fn lookups(asked: &Asked) -> Vec<Lookup> {
    let mut lookups = asked.words.lookups();
    lookups.extend(asked.sender.map(|sender| Lookup::Exact(words::of_sender(sender))));
    if asked.has_file {
        lookups.push(Lookup::Exact(words::has_file()));
    }
    if lookups.is_empty() {
        lookups.push(Lookup::Exact(words::anything()));
    }
    lookups
}

/// The blocks in which something is left.
fn left(group: &[i64], found: Option<&Found>) -> Vec<i64> {
    group.iter().copied().filter(|block| found.is_none_or(|found| found.contains_key(block))).collect()
}

fn by_block(ids: Vec<MessageId>) -> Found {
    let mut found = Found::new();
    for id in ids {
        found.entry(block_of(id)).or_default().insert(slot_of(id));
    }
    found
}

fn keep(found: &mut Option<Found>, mut other: Found) {
    if let Some(found) = found {
        found.retain(|block, slots| {
            let Some(other) = other.remove(block) else { return false };
            slots.keep(&other);
            !slots.is_empty()
        });
    } else {
        *found = Some(other);
    }
}
