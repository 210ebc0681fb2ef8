//! Drives a [`State`] over a socket, or by polling ([`poll`]): resumes, fetches what the state needs, applies events.
//!
//! A [`Client`] has no task of its own: it runs while its owner waits for something, and never reconnects by itself.

mod commands;
mod fetch;
pub mod poll;

use crate::{
    error::Error,
    http::Api,
    limits::Limits,
    socket::{Handshake, HandshakeError, Socket},
    state::{RequestTick, State, needs::Need},
};
use fetch::Fetch;
use parlor_protocol::{command::Command, cursor::Cursor, error::Problem, event::Event, ids::UserId};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// How long to wait for a reply before the connection is closed.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Replaces a live event by any number of events before the state sees it; the number is that of the connection.
pub type Tamper = Box<dyn FnMut(u32, Event) -> Vec<Event> + Send>;

/// A user's client.
pub struct Client {
    api: Api,
    handshake: Handshake,
    socket: Option<Socket>,
    /// The synchronized state.
    pub state: State,
    /// How long something must be needed before it is fetched; events that arrive out of order often make it
    /// unnecessary.
    pub fetch_delay: Duration,
    /// Conversations per page of the list.
    pub list_limit: Option<u32>,
    /// How long the server may be silent before the connection is closed.
    pub silence_timeout: Duration,
    /// Whether to load the messages of every conversation.
    pub loads_messages: bool,
    tamper: Option<Tamper>,
    pending_fetches: HashMap<i64, (Fetch, RequestTick)>,
    replies: HashMap<i64, Option<Result<Value, Box<Problem>>>>,
    needed_since: BTreeMap<Need, Instant>,
    pub(crate) next_page: Option<String>,
    last_close: Option<(u16, String)>,
    connections: u32,
}

impl Client {
    /// Creates a client for the user of `api`, not yet connected.
    #[must_use]
    pub fn new(api: Api, user: UserId, fan_out_max: u32) -> Self {
        Self {
            handshake: Handshake::new(api.address(), api.headers()),
            api,
            socket: None,
            state: State::new(user, fan_out_max),
            fetch_delay: Duration::from_millis(30),
            silence_timeout: Limits::default().silence_timeout(),
            list_limit: None,
            loads_messages: true,
            tamper: None,
            pending_fetches: HashMap::new(),
            replies: HashMap::new(),
            needed_since: BTreeMap::new(),
            next_page: None,
            last_close: None,
            connections: 0,
        }
    }

    /// Returns the HTTP client of this user.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Returns the user.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.state.user()
    }

    /// Uses the address and the headers of another HTTP client from the next connection on.
    #[must_use]
    pub fn with_api(mut self, api: Api) -> Self {
        self.handshake = Handshake::new(api.address(), api.headers());
        self.api = api;
        self
    }

    /// Returns how often it has connected.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Whether a socket is open, as far as the client knows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Returns the code and the reason with which the server last closed the socket.
    #[must_use]
    pub fn last_close(&self) -> Option<&(u16, String)> {
        self.last_close.as_ref()
    }

    /// Passes every live event through `tamper` first.
    pub fn set_tamper(&mut self, tamper: Option<Tamper>) {
        self.tamper = tamper;
    }

    /// Returns the socket, for tests that misbehave.
    pub fn socket(&mut self) -> Option<&mut Socket> {
        self.socket.as_mut()
    }

    /// Opens a socket and resumes.
    ///
    /// # Errors
    /// The handshake failed, or the resume got no answer.
    pub async fn connect(&mut self) -> Result<(), Error> {
        self.disconnect();
        let opened = tokio::time::timeout(REPLY_TIMEOUT, self.handshake.open()).await.map_err(|_| Error::TimedOut)?;
        self.socket = Some(opened.map_err(|error| {
            match error {
                HandshakeError::Refused { status, body, .. } => serde_json::from_slice::<Problem>(&body)
                    .map_or_else(|_| Error::Unreadable(status.to_string()), Error::from),
                HandshakeError::Interrupted(why) => Error::Interrupted(why),
            }
        })?);
        self.connections += 1;
        self.resume().await
    }

    /// Drops the connection at once and forgets all pending requests.
    pub fn disconnect(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.abort();
        }
        self.pending_fetches.clear();
        self.replies.clear();
        self.needed_since.clear();
        self.next_page = None;
    }

    /// Requests heads and waits until they are applied. What they lead to is fetched afterwards.
    ///
    /// # Errors
    /// The connection ended, or the server refused.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.resume_from(self.state.cursor()).await
    }

    /// Requests heads without a cursor on the open connection, which resets the state.
    ///
    /// # Errors
    /// The connection ended, or the server refused.
    pub async fn resume_without_cursor(&mut self) -> Result<(), Error> {
        self.resume_from(None).await
    }

    async fn resume_from(&mut self, cursor: Option<Cursor>) -> Result<(), Error> {
        let command = Command::Resume { user: self.user(), cursor };
        let id = self.send_fetch(Fetch::Resume, command).await?;
        self.replies.insert(id, None);
        self.wait_for_reply(id).await.map(drop)
    }

    /// Runs the client until the condition holds.
    ///
    /// # Errors
    /// The connection ended, or the time ran out.
    pub async fn run_until(&mut self, within: Duration, holds: impl Fn(&State) -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        while !holds(&self.state) {
            if Instant::now() >= deadline {
                return Err(Error::TimedOut);
            }
            self.step(deadline).await?;
        }
        Ok(())
    }

    /// Runs the client for the given time.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn run_for(&mut self, time: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.step(deadline).await?;
        }
        Ok(())
    }

    /// Requests heads and runs the client until it has fetched all that they lead to.
    ///
    /// # Errors
    /// The connection ended, or the time ran out.
    pub async fn settle(&mut self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        self.resume().await?;
        while !self.is_synced() {
            if Instant::now() >= deadline {
                return Err(Error::TimedOut);
            }
            self.step(deadline).await?;
        }
        Ok(())
    }

    fn is_synced(&mut self) -> bool {
        if self.loads_messages {
            self.open_all_conversations();
        }
        self.pending_fetches.is_empty() && self.state.is_settled()
    }
}
