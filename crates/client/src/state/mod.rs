//! A client's state and how it follows the server: the rules of `docs/reference/protocol.md`, without IO.
//!
//! The driver passes in answers and events and asks [`State::needs`] what to fetch. Only [`State::apply_heads`] and the
//! fetches that follow from it move the cursor. An answer requested before its conversation was dropped is ignored.
//!
//! Absent on purpose: time (the driver waits before it fetches), runs of messages other than the newest, and
//! optimistic display of unsent messages.

mod answers;
mod conversation_copy;
mod drafts;
pub mod events;
mod hidden;
mod message_run;
pub mod needs;
pub mod normal_form;
mod settings;
mod unread_totals;

use conversation_copy::ConversationCopy;
use parlor_protocol::{
    cursor::Cursor,
    event::Event,
    ids::{ConversationId, ReportId, Scope, Seq, UserId, Version},
    model::{Conversation, ConversationSettings, Draft, Me, Message},
    report::{ReportCounts, Warning},
};
use std::collections::{BTreeMap, BTreeSet};
use unread_totals::UnreadTotals;

/// When a request was sent, on the state's own logical clock. It goes with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestTick(u64);

/// Heads whose cursor is adopted once every scope has reached its version.
#[derive(Clone, Debug)]
struct PendingHeads {
    cursor: Cursor,
    scopes: BTreeMap<Scope, Version>,
}

/// The state of one user's client.
#[derive(Clone, Debug)]
pub struct State {
    user: UserId,
    fan_out_max: u32,
    cursor: Option<Cursor>,
    pending_heads: Option<PendingHeads>,
    is_list_loaded: bool,
    me: Option<Me>,
    conversations: BTreeMap<ConversationId, ConversationCopy>,
    /// Events that arrived before the ones they follow.
    pending_events: BTreeMap<Scope, Vec<Event>>,
    /// The newest version known of each scope whose copy is older.
    known_versions: BTreeMap<Scope, Version>,
    /// Conversations to fetch again as a whole.
    stale: BTreeSet<ConversationId>,
    /// The logical clock: it advances when a conversation is added, dropped or hidden in part.
    tick: u64,
    dropped_at: BTreeMap<ConversationId, u64>,
    added_at: BTreeMap<ConversationId, u64>,
    reset_at: u64,
    /// When a message of a conversation, or of all, was last hidden. Answers requested before may still show it.
    hidden_at: BTreeMap<ConversationId, u64>,
    all_hidden_at: u64,
    /// When a message of a conversation was last shown again. Answers requested before may have only its place.
    unhidden_at: BTreeMap<ConversationId, u64>,
    resets: u32,
    unread_totals: UnreadTotals,
    /// The settings of conversations, loaded or not, as far as they are known.
    settings: BTreeMap<ConversationId, ConversationSettings>,
    /// The users whom the user has blocked.
    blocks: BTreeSet<UserId>,
    /// The drafts, as far as they are known; those that were deleted are empty.
    drafts: BTreeMap<ConversationId, Draft>,
    /// How many reports there are, if the user is a moderator.
    reports: Option<ReportCounts>,
    /// The warnings that the user has not seen, by the reports that led to them.
    warnings: BTreeMap<ReportId, Warning>,
    /// The server's time of the unread totals.
    now: String,
    appended: Vec<Message>,
}

impl State {
    /// Creates an empty state. `fan_out_max` is `conversation_fan_out_max` of `GET /v1/limits`.
    #[must_use]
    pub fn new(user: UserId, fan_out_max: u32) -> Self {
        Self {
            user,
            fan_out_max,
            cursor: None,
            pending_heads: None,
            is_list_loaded: false,
            me: None,
            conversations: BTreeMap::new(),
            pending_events: BTreeMap::new(),
            known_versions: BTreeMap::new(),
            stale: BTreeSet::new(),
            tick: 0,
            dropped_at: BTreeMap::new(),
            added_at: BTreeMap::new(),
            reset_at: 0,
            hidden_at: BTreeMap::new(),
            all_hidden_at: 0,
            unhidden_at: BTreeMap::new(),
            resets: 0,
            unread_totals: UnreadTotals::default(),
            settings: BTreeMap::new(),
            blocks: BTreeSet::new(),
            drafts: BTreeMap::new(),
            reports: None,
            warnings: BTreeMap::new(),
            now: String::new(),
            appended: Vec::new(),
        }
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Returns the version up to which the state is known to equal the store.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// Returns how often the server has reset the whole state, the first load included.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Iterates over the loaded conversations.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.values().map(|copy| &copy.conversation)
    }

    /// Returns a conversation, if it is loaded.
    #[must_use]
    pub fn conversation(&self, conversation: ConversationId) -> Option<&Conversation> {
        self.conversations.get(&conversation).map(|copy| &copy.conversation)
    }

    /// Iterates over the newest loaded messages of a conversation, without gaps.
    pub fn messages(&self, conversation: ConversationId) -> impl Iterator<Item = &Message> {
        self.conversations.get(&conversation).into_iter().flat_map(|copy| copy.messages.run.values())
    }

    /// Returns the message at `seq` that a loaded message answers, if it is known and visible.
    #[must_use]
    pub fn quote(&self, conversation: ConversationId, seq: Seq) -> Option<&Message> {
        self.conversations.get(&conversation).and_then(|copy| copy.messages.quote(seq))
    }

    /// Returns the user's own profile and settings, once loaded.
    #[must_use]
    pub fn me(&self) -> Option<&Me> {
        self.me.as_ref()
    }

    /// Returns the users whom the user has blocked.
    #[must_use]
    pub fn blocks(&self) -> &BTreeSet<UserId> {
        &self.blocks
    }

    /// Returns how many reports there are; none if the user is no moderator.
    #[must_use]
    pub fn reports(&self) -> Option<ReportCounts> {
        self.reports
    }

    /// Returns the warnings that the user has not seen.
    #[must_use]
    pub fn warnings(&self) -> &BTreeMap<ReportId, Warning> {
        &self.warnings
    }

    /// Takes the messages appended since the last call, in the order in which they were appended.
    pub fn take_appended(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.appended)
    }

    /// Returns the tick to pass back with the answer to a request that is sent now.
    #[must_use]
    pub fn request_tick(&self) -> RequestTick {
        RequestTick(self.tick)
    }

    /// Loads the messages of a conversation from now on, starting with the newest page.
    pub fn open(&mut self, conversation: ConversationId) {
        if let Some(copy) = self.conversations.get_mut(&conversation) {
            copy.is_open = true;
        }
    }

    fn version(&self, scope: Scope) -> Option<Version> {
        match scope {
            Scope::User(_) => self.me.as_ref().map(|me| me.scope_version),
            Scope::Conversation(id) => self.conversations.get(&id).map(|copy| copy.conversation.version),
        }
    }

    fn note_version(&mut self, scope: Scope, version: Version) {
        let reached = self.known_versions.entry(scope).or_default();
        *reached = version.max(*reached);
    }

    fn reset(&mut self) {
        let (user, fan_out_max, tick, resets) = (self.user, self.fan_out_max, self.tick + 1, self.resets + 1);
        let shown = self.take_appended();
        *self = Self { tick, reset_at: tick, resets, appended: shown, ..Self::new(user, fan_out_max) };
    }

    /// Drops a conversation that the user left or that does not exist.
    pub fn drop_conversation(&mut self, id: ConversationId) {
        let scope = Scope::Conversation(id);
        self.mark_totals_stale();
        self.dropped_at.insert(id, self.tick);
        self.added_at.remove(&id);
        self.conversations.remove(&id);
        self.pending_events.remove(&scope);
        self.known_versions.remove(&scope);
        self.stale.remove(&id);
        if let Some(goal) = &mut self.pending_heads {
            goal.scopes.remove(&scope);
        }
        self.advance_cursor();
    }

    /// Adopts the cursor of the pending heads once every scope has reached its version.
    fn advance_cursor(&mut self) {
        let mut reached = std::mem::take(&mut self.known_versions);
        reached.retain(|scope, reached| self.version(*scope).is_none_or(|current| current < *reached));
        self.known_versions = reached;
        let Some(goal) = &self.pending_heads else { return };
        if goal.scopes.iter().all(|(scope, reached)| self.version(*scope).is_some_and(|current| current >= *reached)) {
            self.cursor = Some(goal.cursor);
            self.pending_heads = None;
        }
    }

    fn is_stale(&self, id: ConversationId, requested_at: RequestTick) -> bool {
        self.reset_at > requested_at.0 || self.dropped_at.get(&id).is_some_and(|tick| *tick > requested_at.0)
    }
}
