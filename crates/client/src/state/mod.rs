//! What a client holds, and how it follows the server: the rules of `docs/reference/protocol.md`, without IO.
//!
//! Whoever drives it hands in what came and asks [`State::needs`] what to fetch. Only [`State::heads`] and what it
//! leads to moves the cursor. An answer that was asked for before its conversation was dropped is not applied.
//!
//! Absent on purpose: time (the driver waits before it fetches), runs of messages other than the newest, and the
//! optimistic showing of what is being sent.

mod events;
mod held;
mod messages;
pub mod normal;
mod totals;

pub use events::place;
use held::Held;
use parlor_protocol::{
    cursor::Cursor,
    event::Event,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::{Conversation, Me, Message},
    params::MessagePlace,
    reply::{Changes, ConversationAnswer, ConversationPage, Heads, MeAnswer, MessagePage, Shown},
};
use std::collections::{BTreeMap, BTreeSet};
use totals::{Row, Totals};

/// Something to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `conversation.list`, all pages that are wanted.
    List,
    /// `me.get`
    Me,
    /// `conversation.get`
    Conversation(ConversationId),
    /// `conversation.changes`
    Changes(ConversationId, Version),
    /// `message.list` after this `seq`; the newest page when none is held.
    Messages(ConversationId, Option<Seq>),
    /// `message.list` of this one message, which another answers.
    Quote(ConversationId, Seq),
}

/// When something was asked for, in the state's own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(u64);

/// What heads still wait for.
#[derive(Clone, Debug)]
struct Goal {
    cursor: Cursor,
    scopes: BTreeMap<Scope, Version>,
}

/// The state of one person's client.
#[derive(Clone, Debug)]
pub struct State {
    user: UserId,
    fan_out_max: u32,
    cursor: Option<Cursor>,
    goal: Option<Goal>,
    is_loaded: bool,
    me: Option<Me>,
    conversations: BTreeMap<ConversationId, Held>,
    /// Events that are ahead of their scope.
    ahead: BTreeMap<Scope, Vec<Event>>,
    /// Versions that scopes are known to have reached.
    reached: BTreeMap<Scope, Version>,
    /// Conversations to be asked for anew as a whole.
    renew: BTreeSet<ConversationId>,
    /// Counts droppings and takings.
    tick: u64,
    dropped: BTreeMap<ConversationId, u64>,
    taken: BTreeMap<ConversationId, u64>,
    dropped_all: u64,
    /// When something of a conversation, or of all, was last hidden: what was asked for before may not know it.
    hidden: BTreeMap<ConversationId, u64>,
    hidden_all: u64,
    resets: u32,
    totals: Totals,
    shown: Vec<Message>,
}

impl State {
    /// Of somebody who holds nothing. `fan_out_max` is `conversation_fan_out_max` of `GET /v1/limits`.
    #[must_use]
    pub fn new(user: UserId, fan_out_max: u32) -> Self {
        Self {
            user,
            fan_out_max,
            cursor: None,
            goal: None,
            is_loaded: false,
            me: None,
            conversations: BTreeMap::new(),
            ahead: BTreeMap::new(),
            reached: BTreeMap::new(),
            renew: BTreeSet::new(),
            tick: 0,
            dropped: BTreeMap::new(),
            taken: BTreeMap::new(),
            dropped_all: 0,
            hidden: BTreeMap::new(),
            hidden_all: 0,
            resets: 0,
            totals: Totals::default(),
            shown: Vec::new(),
        }
    }

    /// Whose.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// How far the state is known to equal the store.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// How often the server said `reset` about everything, the first time included.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// The conversations that are held.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.values().map(|held| &held.conversation)
    }

    /// A conversation that is held.
    #[must_use]
    pub fn conversation(&self, conversation: ConversationId) -> Option<&Conversation> {
        self.conversations.get(&conversation).map(|held| &held.conversation)
    }

    /// The newest messages that are held of a conversation, without gaps.
    pub fn messages(&self, conversation: ConversationId) -> impl Iterator<Item = &Message> {
        self.conversations.get(&conversation).into_iter().flat_map(|held| held.messages.run.values())
    }

    /// What a message that is held answers, as far as it is known and may be seen.
    #[must_use]
    pub fn quote(&self, conversation: ConversationId, seq: Seq) -> Option<&Message> {
        self.conversations.get(&conversation).and_then(|held| held.messages.quote(seq))
    }

    /// The person, when known.
    #[must_use]
    pub fn me(&self) -> Option<&Me> {
        self.me.as_ref()
    }

    /// Messages added to the end of what is held since this was last asked, in the order of adding.
    pub fn take_shown(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.shown)
    }

    /// To be called when something is asked for; goes with the answer.
    #[must_use]
    pub fn asking(&self) -> Asked {
        Asked(self.tick)
    }

    /// Holds the messages of a conversation from now on, beginning with the newest page.
    pub fn open(&mut self, conversation: ConversationId) {
        if let Some(held) = self.conversations.get_mut(&conversation) {
            held.is_open = true;
        }
    }

    /// Whether heads wait for nothing, nothing is ahead and nothing is to be fetched.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.goal.is_none() && self.ahead.is_empty() && self.needs().is_empty()
    }

    /// What to fetch, as things stand.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        if self.me.is_none() {
            // First of all: what is hidden later than this is told by its scope, what was hidden before is in all answers.
            return vec![Need::Me];
        }
        if !self.is_loaded {
            return vec![Need::List];
        }
        // Changes bring the whole, too.
        let is_behind = |id: &&ConversationId| {
            let scope = Scope::Conversation(**id);
            self.reached.get(&scope) > self.version(scope).as_ref() && self.conversations.contains_key(*id)
        };
        let renewed = self.renew.iter().filter(|id| !is_behind(id));
        let mut needs: BTreeSet<Need> = renewed.map(|id| Need::Conversation(*id)).collect();
        if self.totals.are_wanted() {
            needs.insert(Need::Me);
        }
        for (scope, version) in &self.reached {
            if self.version(*scope).is_some_and(|held| held >= *version) {
                continue;
            }
            needs.insert(match scope {
                Scope::User(_) => Need::Me,
                Scope::Conversation(id) => match self.conversations.get(id) {
                    Some(held) => Need::Changes(*id, held.through()),
                    None => Need::Conversation(*id),
                },
            });
        }
        for (id, held) in &self.conversations {
            if held.is_open && !held.reaches_end(self.user) {
                needs.insert(Need::Messages(*id, held.messages.last()));
            }
            needs.extend(held.messages.unknown_quotes().map(|seq| Need::Quote(*id, seq)));
        }
        needs.into_iter().collect()
    }

    fn version(&self, scope: Scope) -> Option<Version> {
        match scope {
            Scope::User(_) => self.me.as_ref().map(|me| me.scope_version),
            Scope::Conversation(id) => self.conversations.get(&id).map(|held| held.conversation.version),
        }
    }

    fn reach(&mut self, scope: Scope, version: Version) {
        let reached = self.reached.entry(scope).or_default();
        *reached = version.max(*reached);
    }

    /// Applies the answer to `session.resume` or `GET /v1/events`.
    pub fn heads(&mut self, heads: Heads, asked: Asked) {
        if heads.reset {
            self.drop_everything();
            self.cursor = Some(heads.cursor);
            return;
        }
        for scope in heads.gone {
            let Scope::Conversation(id) = scope else { continue };
            if self.taken.get(&id).is_some_and(|tick| *tick > asked.0) {
                self.renew.insert(id);
            } else {
                self.drop_conversation(id);
            }
        }
        let scopes: BTreeMap<_, _> = heads.heads.iter().map(|head| (head.scope, head.version)).collect();
        for (scope, version) in &scopes {
            self.reach(*scope, *version);
        }
        self.goal = Some(Goal { cursor: heads.cursor, scopes });
        for changes in heads.changes {
            // Asked for since the cursor, at which every copy that is held was true.
            self.take_changes(changes, asked, true);
        }
        self.settle();
    }

    fn drop_everything(&mut self) {
        let (user, fan_out_max, tick, resets) = (self.user, self.fan_out_max, self.tick + 1, self.resets + 1);
        let shown = self.take_shown();
        *self = Self { tick, dropped_all: tick, resets, shown, ..Self::new(user, fan_out_max) };
    }

    /// Takes the answer to `conversation.show`: live events follow from these versions.
    pub fn shown(&mut self, shown: &Shown) {
        for head in &shown.heads {
            self.event(Event::ScopeChanged { scope: head.scope, version: head.version });
        }
    }

    /// Forgets a conversation: left, removed, or not there.
    pub fn drop_conversation(&mut self, id: ConversationId) {
        let scope = Scope::Conversation(id);
        self.want_totals();
        self.dropped.insert(id, self.tick);
        self.taken.remove(&id);
        self.conversations.remove(&id);
        self.ahead.remove(&scope);
        self.reached.remove(&scope);
        self.renew.remove(&id);
        if let Some(goal) = &mut self.goal {
            goal.scopes.remove(&scope);
        }
        self.settle();
    }

    /// Takes the answer `not_found` about a conversation that was asked for.
    pub fn not_found(&mut self, id: ConversationId, asked: Asked) {
        if self.taken.get(&id).is_none_or(|tick| *tick <= asked.0) {
            self.drop_conversation(id);
        } else {
            self.renew.insert(id);
        }
    }

    /// Moves the cursor when all that heads named is there, and forgets what is done.
    fn settle(&mut self) {
        let mut reached = std::mem::take(&mut self.reached);
        reached.retain(|scope, reached| self.version(*scope).is_none_or(|held| held < *reached));
        self.reached = reached;
        let Some(goal) = &self.goal else { return };
        if goal.scopes.iter().all(|(scope, reached)| self.version(*scope).is_some_and(|held| held >= *reached)) {
            self.cursor = Some(goal.cursor);
            self.goal = None;
        }
    }

    /// Applies a page of the list; gives what to ask for next. A page that a reset has overtaken is void: the list
    /// begins anew.
    pub fn page(&mut self, page: ConversationPage, asked: Asked) -> Option<String> {
        if self.dropped_all > asked.0 {
            return None;
        }
        self.cursor = self.cursor.or(Some(page.cursor));
        for conversation in page.conversations {
            self.take_conversation(conversation, asked);
        }
        self.settle();
        page.next
    }

    /// To be called when all pages of the list that are wanted are there, the last of them asked for then.
    pub fn loaded(&mut self, asked: Asked) {
        self.is_loaded = self.dropped_all <= asked.0;
    }

    /// Applies the answer to `conversation.get`.
    pub fn answer(&mut self, answer: ConversationAnswer, asked: Asked) {
        self.take_conversation(answer.conversation, asked);
        self.settle();
    }

    fn is_stale(&self, id: ConversationId, asked: Asked) -> bool {
        self.dropped_all > asked.0 || self.dropped.get(&id).is_some_and(|tick| *tick > asked.0)
    }

    /// Takes a whole conversation, from wherever it came.
    pub fn take_conversation(&mut self, conversation: Conversation, asked: Asked) {
        let id = conversation.id;
        if self.is_stale(id, asked) {
            return;
        }
        let before = self.conversation(id).map(Row::of);
        match self.conversations.get_mut(&id) {
            Some(held) if conversation.version < held.conversation.version => return,
            Some(held) if conversation.version > held.conversation.version && !held.messages.is_empty() => {
                // Messages that are held may have changed meanwhile: they are asked for, and bring the whole with them.
                return self.reach(Scope::Conversation(id), conversation.version);
            }
            Some(held) => {
                if held.replace(conversation, self.user) {
                    self.renew.remove(&id);
                } else {
                    self.renew.insert(id);
                }
            }
            None => {
                self.renew.remove(&id);
                self.tick += 1;
                self.taken.insert(id, self.tick);
                self.conversations.insert(id, Held::new(conversation));
            }
        }
        self.count_row(id, before, false);
        self.renew_if_hidden(id, asked);
        self.look_again(Scope::Conversation(id));
    }

    /// Applies the answer to `conversation.changes`.
    pub fn changes(&mut self, changes: Changes, asked: Asked) {
        self.take_changes(changes, asked, false);
    }

    fn take_changes(&mut self, changes: Changes, asked: Asked, follows: bool) {
        let Scope::Conversation(id) = changes.scope else { return };
        if self.is_stale(id, asked) || self.hidden_all > asked.0 {
            return;
        }
        let at = self.totals_at();
        match self.conversations.get_mut(&id) {
            Some(held) => {
                let before = Row::of(&held.conversation);
                let is_all_told = at.is_some_and(|at| held.changed_after(at, &changes, self.user));
                let is_whole = held.take_changes(changes, follows, self.user, &mut self.shown);
                self.count_row(id, Some(before), is_all_told);
                if is_whole {
                    self.renew.remove(&id);
                    self.renew_if_hidden(id, asked);
                    self.look_again(Scope::Conversation(id));
                }
            }
            None => {
                if let Some(conversation) = changes.conversation {
                    self.take_conversation(conversation, asked);
                }
            }
        }
        self.settle();
    }

    /// Applies a page of messages.
    pub fn messages_page(&mut self, id: ConversationId, page: MessagePage, asked: Asked) {
        if self.is_stale(id, asked) || self.hidden_all > asked.0 {
            return;
        }
        if let Some(held) = self.conversations.get_mut(&id) {
            held.take_page(page, self.user, &mut self.shown);
        }
    }

    /// Applies the page that was asked for because of one message that others answer.
    pub fn quote_page(&mut self, id: ConversationId, seq: Seq, page: MessagePage, asked: Asked) {
        if self.is_stale(id, asked) || self.hidden_all > asked.0 {
            return;
        }
        if let Some(held) = self.conversations.get_mut(&id) {
            held.messages.take_quote(seq, page);
        }
    }

    /// Something of it is hidden from now on.
    fn note_hidden(&mut self, id: ConversationId) {
        self.tick += 1;
        self.hidden.insert(id, self.tick);
    }

    /// A whole copy that was asked for before something of it was hidden may not know that.
    fn renew_if_hidden(&mut self, id: ConversationId, asked: Asked) {
        if self.hidden.get(&id).is_some_and(|tick| *tick > asked.0) || self.hidden_all > asked.0 {
            self.renew.insert(id);
        }
    }

    fn take_hidden(&mut self, places: Vec<MessagePlace>, is_all: bool) {
        for MessagePlace { conversation, seq } in places {
            self.note_hidden(conversation);
            if let Some(held) = self.conversations.get_mut(&conversation) {
                held.hide(seq);
                self.renew.insert(conversation);
            }
        }
        if is_all {
            self.tick += 1;
            self.hidden_all = self.tick;
            for (id, held) in &mut self.conversations {
                held.clear();
                self.renew.insert(*id);
            }
        }
    }

    /// Applies the answer to `me.get`, asked for with the version of `user:…` that was held.
    pub fn me_answer(&mut self, answer: MeAnswer, asked: Asked) {
        if self.dropped_all > asked.0 {
            return;
        }
        self.take_totals(&answer, asked);
        if answer.me.scope_version < self.me.as_ref().map_or(Version(0), |me| me.scope_version) {
            return;
        }
        self.me = Some(answer.me);
        self.take_hidden(answer.hidden, answer.hidden_reset);
        for marker in answer.markers {
            let held = self.conversations.get_mut(&marker.conversation);
            // What is unread was counted at another moment than `scope_version`.
            if held.is_some_and(|held| !held.take_marker(&marker, Version(0), self.user)) {
                self.renew.insert(marker.conversation);
            }
        }
        self.look_again(Scope::User(self.user));
        self.settle();
    }
}
