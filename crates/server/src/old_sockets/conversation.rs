//! Which messages a socket is about, and which of them it has shown.

use super::incoming::canonical;
use crate::{
    mirror::message_row::HostMessageRow,
    profile::{
        path_template::PathParts,
        sockets::{SendRule, Side, SocketProfile},
    },
};
use std::collections::VecDeque;

/// How many messages a socket remembers to have shown.
const SHOWN_MAX: usize = 128;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct SocketConversation {
    /// The host's id of the signed-in user.
    me: String,
    /// The host's id of the other user, on a socket about one conversation.
    other: Option<String>,
    /// The id of the context, likewise.
    context: Option<String>,
    shown: VecDeque<i64>,
}

impl SocketConversation {
    /// Reads it from the path of a socket.
    pub(super) fn new(profile: &SocketProfile, path: &PathParts, me: String) -> Self {
        let part = |name: &Option<String>| name.as_ref().and_then(|name| path.get(name)).map(|part| canonical(part));
        Self { me, other: part(&profile.other), context: part(&profile.context), shown: VecDeque::new() }
    }

    /// Returns the rules by which a message is sent to this socket: none if it belongs to other users, or to another
    /// conversation than the socket. A message that was shown is shown again only by rules that repeat.
    pub(super) fn rules<'a>(&mut self, profile: &'a SocketProfile, row: &HostMessageRow) -> Vec<&'a SendRule> {
        let is_sender = row.sender.id == self.me;
        let is_recipient = row.recipient.id == self.me;
        if !(is_sender || is_recipient) || !self.is_about(row) {
            return Vec::new();
        }
        let is_for = |side: &Side| match side {
            Side::Sender => is_sender,
            Side::Recipient => is_recipient,
        };
        let was_shown = self.shown.contains(&row.row_id);
        let fits = |rule: &&SendRule| rule.to.iter().any(is_for) && (rule.repeats || !was_shown);
        let rules = profile.send.iter().filter(fits).collect();
        if !was_shown {
            if self.shown.len() == SHOWN_MAX {
                self.shown.pop_front();
            }
            self.shown.push_back(row.row_id);
        }
        rules
    }

    /// Returns the rows that were shown, the oldest first.
    pub(super) fn shown(&self) -> Vec<i64> {
        self.shown.iter().copied().collect()
    }

    /// Remembers rows that were shown on the same socket.
    pub(super) fn resume(&mut self, shown: Vec<i64>) {
        self.shown = shown.into_iter().take(SHOWN_MAX).collect();
    }

    fn is_about(&self, row: &HostMessageRow) -> bool {
        let Some(other) = &self.other else { return true };
        let pair = [&row.sender.id, &row.recipient.id];
        let is_pair = pair == [&self.me, other] || pair == [other, &self.me];
        is_pair && (self.context.is_none() || self.context == row.context)
    }
}
