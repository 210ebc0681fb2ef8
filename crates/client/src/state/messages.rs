//! The messages of one conversation as a client holds them: the newest run, and what its messages answer.
//!
//! Invariants: of two copies of a message the one with the higher version is kept; what is hidden stays hidden; a page
//! that was read before a change of a message which was not held is not taken, since that change is told only once.

use parlor_protocol::{
    ids::{Seq, Version},
    model::Message,
    reply::MessagePage,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    /// Without gaps.
    pub(super) run: BTreeMap<Seq, Message>,
    /// What messages of the run answer and is not in it; nothing where the person may not see it.
    pub(super) quoted: BTreeMap<Seq, Option<Message>>,
    /// Deleted for oneself.
    hidden: BTreeSet<Seq>,
    /// The newest change that was told of a message which was not held.
    missed: Version,
}

impl Messages {
    pub(super) fn is_hidden(&self, seq: Seq) -> bool {
        self.hidden.contains(&seq)
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.run.first_key_value().map(|(seq, _)| *seq)
    }

    pub(super) fn last(&self) -> Option<Seq> {
        self.run.last_key_value().map(|(seq, _)| *seq)
    }

    /// Whether something is held whose changes must be heard of.
    pub(super) fn is_empty(&self) -> bool {
        self.run.is_empty() && self.quoted.is_empty()
    }

    /// Deleted for oneself: only the place is left.
    pub(super) fn hide(&mut self, seq: Seq) {
        self.hidden.insert(seq);
        if let Some(message) = self.run.get_mut(&seq) {
            *message = bare(message);
        }
        if let Some(Some(message)) = self.quoted.get_mut(&seq) {
            *message = bare(message);
        }
    }

    /// A message as it is to be kept.
    fn kept(&mut self, message: Message) -> Message {
        if message.hidden {
            self.hidden.insert(message.seq);
        }
        if self.is_hidden(message.seq) { bare(&message) } else { message }
    }

    /// Puts a message in the place of an older copy of it. False if there is none.
    fn replace(&mut self, message: &Message) -> bool {
        let message = self.kept(message.clone());
        let quoted = self.quoted.get_mut(&message.seq).and_then(Option::as_mut);
        let mut is_held = false;
        for held in self.run.get_mut(&message.seq).into_iter().chain(quoted) {
            is_held = true;
            if held.version < message.version {
                *held = message.clone();
            }
        }
        is_held
    }

    /// Takes a change of a message that was there before, whether it is held or not.
    pub(super) fn update(&mut self, message: &Message) {
        if !self.replace(message) {
            self.missed = self.missed.max(message.version);
        }
    }

    /// Takes a message that may be new: to the end of the run, if it belongs there. `next` is what an empty run begins
    /// with; none where messages are not wanted.
    pub(super) fn add(&mut self, message: Message, next: Option<Seq>, shown: &mut Vec<Message>) {
        let (version, was_there) = (message.version, message.version.0 != message.id.0);
        if !self.put(message, next, shown) && was_there {
            self.missed = self.missed.max(version);
        }
    }

    /// The same; false if there is no place for it.
    fn put(&mut self, message: Message, next: Option<Seq>, shown: &mut Vec<Message>) -> bool {
        let follows = self.last().map_or(next, |last| next.and(Some(Seq(last.0 + 1))));
        if self.run.contains_key(&message.seq) || follows != Some(message.seq) {
            return self.replace(&message);
        }
        let message = self.kept(message);
        shown.push(message.clone());
        self.quoted.remove(&message.seq);
        self.run.insert(message.seq, message);
        true
    }

    /// Begins anew with the newest page, which is true at this version.
    pub(super) fn begin_anew(&mut self, page: Vec<Message>, version: Version, shown: &mut Vec<Message>) {
        let before = std::mem::take(&mut self.run);
        self.quoted.clear();
        self.missed = version;
        for message in page {
            let message = self.kept(message);
            if !before.contains_key(&message.seq) {
                shown.push(message.clone());
            }
            self.run.insert(message.seq, message);
        }
    }

    /// Adds a page to the run where it follows on it or lies in it. `next` as in [`Messages::add`].
    pub(super) fn take_page(&mut self, page: MessagePage, next: Option<Seq>, shown: &mut Vec<Message>) {
        if page.version < self.missed || (self.run.is_empty() && page.next.is_some()) {
            return;
        }
        let begins = self.run.is_empty().then(|| page.messages.first().map(|message| message.seq)).flatten();
        let below = self.first().filter(|first| page.messages.last().is_some_and(|last| last.seq.0 + 1 >= first.0));
        for message in page.messages {
            if below.is_some_and(|below| message.seq < below) {
                let message = self.kept(message);
                self.quoted.remove(&message.seq);
                self.run.insert(message.seq, message);
            } else {
                let next = if Some(message.seq) == begins { begins } else { next };
                self.put(message, next, shown);
            }
        }
        self.take_quoted(page.quoted);
    }

    /// Takes what came along with messages.
    pub(super) fn take_quoted(&mut self, quoted: Vec<Message>) {
        for message in quoted {
            if !self.replace(&message) {
                let message = self.kept(message);
                self.quoted.insert(message.seq, Some(message));
            }
        }
    }

    /// Takes the answer about one message that others answer.
    pub(super) fn take_quote(&mut self, seq: Seq, page: MessagePage) {
        if page.version < self.missed {
            return;
        }
        match page.messages.into_iter().find(|message| message.seq == seq) {
            Some(message) => self.take_quoted(vec![message]),
            None => drop(self.quoted.insert(seq, None)),
        }
    }

    /// What messages of the run answer and is not known.
    pub(super) fn unknown_quotes(&self) -> impl Iterator<Item = Seq> {
        let asked = self.run.values().filter_map(|message| message.reply_to);
        asked.filter(|seq| !self.run.contains_key(seq) && !self.quoted.contains_key(seq))
    }

    /// What a message answers, as far as it is known and may be seen.
    pub(super) fn quote(&self, seq: Seq) -> Option<&Message> {
        self.run.get(&seq).or_else(|| self.quoted.get(&seq).and_then(Option::as_ref))
    }

    /// Drops what lies before the history that the person may see.
    pub(super) fn retain_from(&mut self, from: Seq) {
        self.run.retain(|seq, _| *seq >= from);
        self.quoted.retain(|seq, message| *seq >= from || message.is_none());
    }

    /// Drops all messages, which are to be asked for again.
    pub(super) fn clear(&mut self) {
        self.run.clear();
        self.quoted.clear();
    }
}

/// The place of a message, as the server gives it to whoever hid it.
fn bare(message: &Message) -> Message {
    Message {
        subject: None,
        text: String::new(),
        attachments: Vec::new(),
        reply_to: None,
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
