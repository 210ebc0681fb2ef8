//! Fetches what the state needs, and applies what arrives on the socket.

use super::{Client, REPLY_TIMEOUT};
use crate::{
    error::Error,
    socket::Incoming,
    state::{RequestTick, needs::Need},
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    event::Event,
    ids::{Scope, Version},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

/// A request that the client sent on its own, rather than for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    Resume,
    List,
    Need(Need),
}

impl Client {
    pub(super) async fn wait_for_reply(&mut self, id: i64) -> Result<Value, Error> {
        let deadline = Instant::now() + REPLY_TIMEOUT;
        loop {
            match self.replies.get_mut(&id).map(Option::take) {
                None => return Err(Error::Interrupted("the connection ended".to_owned())),
                Some(Some(answer)) => {
                    self.replies.remove(&id);
                    return answer.map_err(Error::Refused);
                }
                Some(None) if Instant::now() >= deadline => {
                    self.disconnect();
                    return Err(Error::TimedOut);
                }
                Some(None) => self.step(deadline).await?,
            }
        }
    }

    /// Sends a command. A failed write ends the connection, even if there is more to read from it.
    pub(super) async fn send_command(&mut self, command: Command) -> Result<i64, Error> {
        let socket = self.socket.as_mut().ok_or_else(|| Error::Interrupted("not connected".to_owned()))?;
        let sent = socket.send(command).await;
        if sent.is_err() {
            self.disconnect();
        }
        sent
    }

    pub(super) async fn send_fetch(&mut self, fetch: Fetch, command: Command) -> Result<i64, Error> {
        let id = self.send_command(command).await?;
        self.pending_fetches.insert(id, (fetch, self.state.request_tick()));
        Ok(id)
    }

    /// Fetches what is needed, then waits for one frame.
    pub(super) async fn step(&mut self, deadline: Instant) -> Result<(), Error> {
        let wake = self.fetch_needs().await?.map_or(deadline, |wake| wake.min(deadline));
        let Some(socket) = &mut self.socket else { return Err(Error::Interrupted("not connected".to_owned())) };
        let silence = self.silence_timeout;
        let silent = socket.last_frame_at() + silence;
        match socket.next_before(wake.min(silent)).await {
            None if Instant::now() >= silent => {
                self.disconnect();
                Err(Error::Interrupted(format!("the server was silent for {silence:?}")))
            }
            None | Some(Incoming::Heartbeat) => Ok(()),
            Some(Incoming::Event(value)) => {
                self.handle_event(&value);
                Ok(())
            }
            Some(Incoming::Reply(Some(re), answer)) => self.handle_reply(re, answer).await,
            Some(Incoming::Closed(code, reason)) => {
                self.last_close = Some((code, reason.clone()));
                self.disconnect();
                Err(Error::Interrupted(format!("closed with {code} {reason}")))
            }
            Some(Incoming::Disconnected(why)) => {
                self.disconnect();
                Err(Error::Interrupted(why))
            }
            Some(other @ (Incoming::Reply(None, _) | Incoming::Other(_))) => {
                Err(Error::Unreadable(format!("{other:?}")))
            }
        }
    }

    /// Fetches what has been needed for long enough, and returns when the next need is due.
    async fn fetch_needs(&mut self) -> Result<Option<Instant>, Error> {
        if self.loads_messages {
            self.open_all_conversations();
        }
        if self.state.cursor().is_none() {
            // The answer to the first resume must come first: it resets the state.
            return Ok(None);
        }
        let now = Instant::now();
        let needs = self.state.needs();
        self.needed_since.retain(|need, _| needs.contains(need));
        let mut wake = None;
        for need in needs {
            let is_pending =
                self.pending_fetches.values().any(|(fetch, _)| *fetch == Fetch::Need(need) || *fetch == Fetch::List);
            let due = *self.needed_since.entry(need).or_insert(now) + self.fetch_delay;
            if is_pending {
                continue;
            }
            // While nothing is loaded, there is no reason to wait.
            let is_first = need == Need::List || self.state.me().is_none();
            if !is_first && due > now {
                wake = Some(wake.map_or(due, |wake: Instant| wake.min(due)));
                continue;
            }
            let fetch = if need == Need::List { Fetch::List } else { Fetch::Need(need) };
            let command = self.command_for(need);
            self.send_fetch(fetch, command).await?;
        }
        Ok(wake)
    }

    pub(crate) fn open_all_conversations(&mut self) {
        let ids: Vec<_> = self.state.conversations().map(|conversation| conversation.id).collect();
        for id in ids {
            self.state.open(id);
        }
    }

    fn command_for(&self, need: Need) -> Command {
        match need {
            Need::List => Command::ListConversations { after: self.next_page.clone(), limit: self.list_limit },
            Need::Me => Command::GetMe { since: self.state.me().map(|me| me.scope_version) },
            Need::Conversation(conversation) => Command::GetConversation { conversation },
            Need::Changes(conversation, since) => Command::GetChanges { conversation, since },
            Need::Messages(conversation, after) => {
                Command::ListMessages { conversation, before: None, after, around: None, limit: None }
            }
            Need::Quote(conversation, seq) => {
                Command::ListMessages { conversation, before: None, after: None, around: Some(seq), limit: Some(1) }
            }
        }
    }

    fn handle_event(&mut self, value: &Value) {
        let Some(event) = parse_event(value) else { return };
        let events = match &mut self.tamper {
            Some(tamper) => tamper(self.connections, event),
            None => vec![event],
        };
        for event in events {
            self.state.apply_event(event);
        }
    }

    async fn handle_reply(&mut self, re: i64, answer: Result<Value, Box<Problem>>) -> Result<(), Error> {
        if let Some((fetch, requested_at)) = self.pending_fetches.remove(&re) {
            match &answer {
                Ok(value) => self.apply_answer(fetch, value.clone(), requested_at)?,
                Err(problem) => {
                    self.apply_problem(fetch, problem, requested_at);
                }
            }
            if fetch == Fetch::List && self.next_page.is_some() {
                let command = self.command_for(Need::List);
                self.send_fetch(Fetch::List, command).await?;
            }
        }
        if let Some(waiting) = self.replies.get_mut(&re) {
            *waiting = Some(answer);
        }
        Ok(())
    }

    pub(crate) fn apply_answer(&mut self, fetch: Fetch, value: Value, requested_at: RequestTick) -> Result<(), Error> {
        match fetch {
            Fetch::Resume => self.state.apply_heads(parse(value)?, requested_at),
            Fetch::List | Fetch::Need(Need::List) => {
                self.next_page = self.state.apply_conversation_page(parse(value)?, requested_at);
                if self.next_page.is_none() {
                    self.state.finish_list(requested_at);
                }
            }
            Fetch::Need(Need::Me) => self.state.apply_me(parse(value)?, requested_at),
            Fetch::Need(Need::Conversation(_)) => self.state.apply_conversation_answer(parse(value)?, requested_at),
            Fetch::Need(Need::Changes(..)) => self.state.apply_changes(parse(value)?, requested_at),
            Fetch::Need(Need::Messages(conversation, _)) => {
                self.state.apply_message_page(conversation, parse(value)?, requested_at);
            }
            Fetch::Need(Need::Quote(conversation, seq)) => {
                self.state.apply_quote_page(conversation, seq, parse(value)?, requested_at);
            }
        }
        Ok(())
    }

    /// Applies a refusal, and returns whether it answers the need.
    pub(crate) fn apply_problem(&mut self, fetch: Fetch, problem: &Problem, requested_at: RequestTick) -> bool {
        let Fetch::Need(need) = fetch else { return false };
        // What is still needed is requested again after the usual delay.
        self.needed_since.remove(&need);
        match (problem.code, need) {
            (
                Code::NotFound,
                Need::Conversation(id) | Need::Changes(id, _) | Need::Messages(id, _) | Need::Quote(id, _),
            ) => {
                self.state.apply_not_found(id, requested_at);
                true
            }
            _ => false,
        }
    }
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Parses an event. An unknown type counts as a notice that its scope changed.
fn parse_event(value: &Value) -> Option<Event> {
    serde_json::from_value(value.clone()).ok().or_else(|| {
        let scope: Scope = serde_json::from_value(value.get("scope")?.clone()).ok()?;
        let version: Version = serde_json::from_value(value.get("version")?.clone()).ok()?;
        Some(Event::ScopeChanged { scope, version })
    })
}
