//! Commands that tests and the bench send most.

use super::Client;
use crate::error::Error;
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, Seq, UserId},
    params::Open,
    reply::{Changed, Marked, Opened, Sent},
};
use serde::de::DeserializeOwned;

impl Client {
    /// Sends a command and waits for its answer; events are applied meanwhile.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn call<T: DeserializeOwned>(&mut self, command: Command) -> Result<T, Error> {
        let id = self.send_command(command).await?;
        self.replies.insert(id, None);
        let answer = self.wait_for_reply(id).await?;
        serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()))
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn send(&mut self, conversation: ConversationId, client_id: &str, text: &str) -> Result<Sent, Error> {
        self.call(Command::send_text(conversation, client_id, text)).await
    }

    /// Opens a conversation, or finds the one that exists.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn open_conversation(&mut self, open: Open) -> Result<Opened, Error> {
        self.call(Command::Open(open)).await
    }

    /// Marks a conversation as read up to `seq`.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn mark_read(&mut self, conversation: ConversationId, seq: Seq) -> Result<Marked, Error> {
        self.call(Command::Mark { conversation, delivered: None, read: Some(seq) }).await
    }

    /// Adds members to a group.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn add_members(&mut self, conversation: ConversationId, users: Vec<UserId>) -> Result<Changed, Error> {
        self.call(Command::AddMembers { conversation, users, history: None }).await
    }

    /// Removes a member from a group, or leaves it.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn remove_member(&mut self, conversation: ConversationId, user: UserId) -> Result<Changed, Error> {
        self.call(Command::RemoveMember { conversation, user }).await
    }

    /// Subscribes this connection to exactly these conversations.
    ///
    /// # Errors
    /// The server refused it, or its outcome is unknown.
    pub async fn show(&mut self, conversations: Vec<ConversationId>) -> Result<(), Error> {
        let shown = self.call(Command::Show { conversations }).await?;
        self.state.apply_shown(&shown);
        Ok(())
    }
}
