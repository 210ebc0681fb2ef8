//! The loaded messages of a conversation: the newest run without gaps, and the messages that these answer.
//!
//! Invariants: of two copies of a message the one with the higher version wins; a hidden message stays hidden until its
//! user's scope reports that it is shown again; a page
//! that was read before the change of a message not loaded is ignored, because that change is reported only once.

use parlor_protocol::{
    ids::{Seq, Version},
    model::Message,
    reply::MessagePage,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(super) struct MessageRun {
    /// Consecutive messages.
    pub(super) run: BTreeMap<Seq, Message>,
    /// Messages outside of the run that messages of the run answer; `None` for those that the user may not see.
    pub(super) quoted: BTreeMap<Seq, Option<Message>>,
    /// Messages that the user deleted for themselves, or that the host removed.
    hidden: BTreeSet<Seq>,
    /// The newest version reported of a message that was not loaded.
    missed_version: Version,
}

impl MessageRun {
    pub(super) fn is_hidden(&self, seq: Seq) -> bool {
        self.hidden.contains(&seq)
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.run.first_key_value().map(|(seq, _)| *seq)
    }

    pub(super) fn last(&self) -> Option<Seq> {
        self.run.last_key_value().map(|(seq, _)| *seq)
    }

    /// Whether no message is loaded, so that changes do not matter.
    pub(super) fn is_empty(&self) -> bool {
        self.run.is_empty() && self.quoted.is_empty()
    }

    /// Hides a message: only its place remains.
    pub(super) fn hide(&mut self, seq: Seq) {
        self.hidden.insert(seq);
        if let Some(message) = self.run.get_mut(&seq) {
            *message = redacted(message);
        }
        if let Some(Some(message)) = self.quoted.get_mut(&seq) {
            *message = redacted(message);
        }
    }

    /// Forgets that a message is hidden.
    pub(super) fn unhide(&mut self, seq: Seq) {
        self.hidden.remove(&seq);
    }

    /// Redacts a message that is hidden.
    fn redact_if_hidden(&mut self, message: Message) -> Message {
        if message.hidden {
            self.hidden.insert(message.seq);
        }
        if self.is_hidden(message.seq) { redacted(&message) } else { message }
    }

    /// Replaces older copies of a message. False if none is loaded.
    fn replace(&mut self, message: &Message) -> bool {
        let message = self.redact_if_hidden(message.clone());
        let quoted = self.quoted.get_mut(&message.seq).and_then(Option::as_mut);
        let mut is_loaded = false;
        for copy in self.run.get_mut(&message.seq).into_iter().chain(quoted) {
            is_loaded = true;
            if copy.version < message.version {
                *copy = message.clone();
            }
        }
        is_loaded
    }

    /// Applies a change of an existing message, loaded or not.
    pub(super) fn update(&mut self, message: &Message) {
        if !self.replace(message) {
            self.missed_version = self.missed_version.max(message.version);
        }
    }

    /// Adds a message, or updates its copy. `next` is where an empty run starts; `None` if messages are not loaded.
    pub(super) fn add(&mut self, message: Message, next: Option<Seq>, shown: &mut Vec<Message>) {
        let (version, was_there) = (message.version, message.version.0 != message.id.0);
        if !self.put(message, next, shown) && was_there {
            self.missed_version = self.missed_version.max(version);
        }
    }

    /// Like [`MessageRun::add`]; false if the message does not follow the run.
    fn put(&mut self, message: Message, next: Option<Seq>, shown: &mut Vec<Message>) -> bool {
        let follows = self.last().map_or(next, |last| next.and(Some(Seq(last.0 + 1))));
        if self.run.contains_key(&message.seq) || follows != Some(message.seq) {
            return self.replace(&message);
        }
        let message = self.redact_if_hidden(message);
        shown.push(message.clone());
        self.quoted.remove(&message.seq);
        self.run.insert(message.seq, message);
        true
    }

    /// Replaces all messages by the newest page, read at this version.
    pub(super) fn reset(&mut self, page: Vec<Message>, version: Version, shown: &mut Vec<Message>) {
        let before = std::mem::take(&mut self.run);
        self.quoted.clear();
        self.missed_version = version;
        for message in page {
            let message = self.redact_if_hidden(message);
            if !before.contains_key(&message.seq) {
                shown.push(message.clone());
            }
            self.run.insert(message.seq, message);
        }
    }

    /// Adds a page that overlaps the run or adjoins it. `next` as in [`MessageRun::add`].
    pub(super) fn apply_page(&mut self, page: MessagePage, next: Option<Seq>, shown: &mut Vec<Message>) {
        if page.version < self.missed_version || (self.run.is_empty() && page.next.is_some()) {
            return;
        }
        let begins = self.run.is_empty().then(|| page.messages.first().map(|message| message.seq)).flatten();
        let below = self.first().filter(|first| page.messages.last().is_some_and(|last| last.seq.0 + 1 >= first.0));
        for message in page.messages {
            if below.is_some_and(|below| message.seq < below) {
                let message = self.redact_if_hidden(message);
                self.quoted.remove(&message.seq);
                self.run.insert(message.seq, message);
            } else {
                let next = if Some(message.seq) == begins { begins } else { next };
                self.put(message, next, shown);
            }
        }
        self.apply_quoted(page.quoted);
    }

    /// Adds the answered messages that came with a page.
    pub(super) fn apply_quoted(&mut self, quoted: Vec<Message>) {
        for message in quoted {
            if !self.replace(&message) {
                let message = self.redact_if_hidden(message);
                self.quoted.insert(message.seq, Some(message));
            }
        }
    }

    /// Applies the page fetched for one message that others answer.
    pub(super) fn apply_quote_page(&mut self, seq: Seq, page: MessagePage) {
        if page.version < self.missed_version {
            return;
        }
        match page.messages.into_iter().find(|message| message.seq == seq) {
            Some(message) => self.apply_quoted(vec![message]),
            None => drop(self.quoted.insert(seq, None)),
        }
    }

    /// Iterates over the answered messages that are not loaded.
    pub(super) fn unknown_quotes(&self) -> impl Iterator<Item = Seq> {
        let answered = self.run.values().filter_map(|message| message.reply_to);
        answered.filter(|seq| !self.run.contains_key(seq) && !self.quoted.contains_key(seq))
    }

    /// Returns an answered message, if it is known and visible.
    pub(super) fn quote(&self, seq: Seq) -> Option<&Message> {
        self.run.get(&seq).or_else(|| self.quoted.get(&seq).and_then(Option::as_ref))
    }

    /// Drops messages from before the start of the user's history.
    pub(super) fn retain_from(&mut self, from: Seq) {
        self.run.retain(|seq, _| *seq >= from);
        self.quoted.retain(|seq, message| *seq >= from || message.is_none());
    }

    /// Drops all messages, so that they are fetched again.
    pub(super) fn clear(&mut self) {
        self.run.clear();
        self.quoted.clear();
    }
}

/// A hidden message as the server returns it: only its place.
fn redacted(message: &Message) -> Message {
    Message {
        subject: None,
        text: String::new(),
        attachments: Vec::new(),
        reply_to: None,
        mentions: Vec::new(),
        forwarded: false,
        reactions: Vec::new(),
        edited_at: None,
        deleted: false,
        hidden: true,
        system: None,
        client_id: message.client_id.clone(),
        created_at: message.created_at.clone(),
        ..*message
    }
}
