//! The host as old sockets see it: its users, its rule about who may write to whom, and its table of messages.
//!
//! Every call ends by itself within the timeouts of the host's database and of the store.

use crate::{mirror::message_row::HostMessageRow, profile::write_rule::RuleQuery};
use futures_util::future::BoxFuture;
use parlor_protocol::{error::Problem, ids::UserId};
use std::fmt;

/// A message of one user to another. Ids are the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHostMessage {
    /// The user who sends it.
    pub sender: UserId,
    /// To whom, and about what.
    pub target: MessageTarget,
    /// The text.
    pub text: String,
    /// The subject.
    pub subject: Option<String>,
}

/// To whom a user writes, and about what. Ids are the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTarget {
    /// The user to whom they write.
    pub recipient: String,
    /// The row that they write about.
    pub context: Option<String>,
}

/// See the module documentation.
pub trait HostSide: fmt::Debug + Send + Sync {
    /// Returns the host's id of a user; none if the host does not have them.
    fn id_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, Problem>>;

    /// Returns whether there is a user with an id.
    fn has_person<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Problem>>;

    /// Returns whether a query of the profile lets a user, named by their id, write a message.
    fn is_allowed<'a>(
        &'a self,
        query: &'a RuleQuery,
        sender: &'a str,
        target: &'a MessageTarget,
    ) -> BoxFuture<'a, Result<bool, Problem>>;

    /// Stores a message in the host's table, and then in Parlor's store. When this returns, both are committed.
    fn send(&self, message: NewHostMessage) -> BoxFuture<'_, Result<HostMessageRow, Problem>>;

    /// Marks those of the rows as read whose recipient the user is, together.
    fn mark_read<'a>(&'a self, reader: UserId, row_ids: &'a [i64]) -> BoxFuture<'a, Result<(), Problem>>;

    /// Counts the rows that a user has received and not read, as the host counts them.
    fn unread_count(&self, user: UserId) -> BoxFuture<'_, Result<i64, Problem>>;
}
