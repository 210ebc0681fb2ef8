//! Drives a [`State`] over a socket ([`crate::poll`] by polling): resumes, fetches what is needed, holds what is ahead for a moment.
//!
//! A [`Client`] has no task of its own: it runs while its owner waits for something, and does not reconnect by itself.

use crate::{
    error::Error,
    http::Api,
    limits::Limits,
    socket::{Handshake, Incoming, NotOpened, Socket},
    state::{Asked, Need, State},
};
use parlor_protocol::{
    command::Command,
    cursor::Cursor,
    error::{Code, Problem},
    event::Event,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    params::Open,
    reply::{Changed, Marked, Opened, Sent},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// No reply for so long: the connection is given up.
const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// What becomes of a live event before the state gets it, given the number of the connection that it came on.
pub type Tamper = Box<dyn FnMut(u32, Event) -> Vec<Event> + Send>;

/// What was asked for by the client itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    Resume,
    List,
    Need(Need),
}

/// A person's client.
pub struct Client {
    api: Api,
    handshake: Handshake,
    socket: Option<Socket>,
    /// What it holds.
    pub state: State,
    /// How long something must be needed before it is fetched: events that overtake each other settle by themselves.
    pub patience: Duration,
    /// Conversations in one page of the list.
    pub list_limit: Option<u32>,
    /// No frame for so long, and the connection is given up.
    pub silence: Duration,
    /// Whether the messages of every conversation are held.
    pub holds_messages: bool,
    tamper: Option<Tamper>,
    fetching: HashMap<i64, (Fetch, Asked)>,
    replies: HashMap<i64, Option<Result<Value, Box<Problem>>>>,
    needed_since: BTreeMap<Need, Instant>,
    pub(crate) next_page: Option<String>,
    last_close: Option<(u16, String)>,
    connections: u32,
}

impl Client {
    /// A client of the person whom `api` speaks for; connects to nothing yet.
    #[must_use]
    pub fn new(api: Api, user: UserId, fan_out_max: u32) -> Self {
        Self {
            handshake: Handshake::new(api.address(), api.headers()),
            api,
            socket: None,
            state: State::new(user, fan_out_max),
            patience: Duration::from_millis(30),
            silence: Limits::default().silence(),
            list_limit: None,
            holds_messages: true,
            tamper: None,
            fetching: HashMap::new(),
            replies: HashMap::new(),
            needed_since: BTreeMap::new(),
            next_page: None,
            last_close: None,
            connections: 0,
        }
    }

    /// The requests of this person.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Who.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.state.user()
    }

    /// Connects to another address from now on.
    #[must_use]
    pub fn at(mut self, api: Api) -> Self {
        self.handshake = Handshake::new(api.address(), api.headers());
        self.api = api;
        self
    }

    /// How often it has connected.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// Whether a socket is open, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// How the server last closed the socket.
    #[must_use]
    pub fn last_close(&self) -> Option<&(u16, String)> {
        self.last_close.as_ref()
    }

    /// Hands every live event to `tamper` first.
    pub fn tamper(&mut self, tamper: Option<Tamper>) {
        self.tamper = tamper;
    }

    /// The socket, to misbehave with.
    pub fn socket(&mut self) -> Option<&mut Socket> {
        self.socket.as_mut()
    }

    /// Opens a socket and resumes.
    ///
    /// # Errors
    /// There is no socket, or the resume was not answered.
    pub async fn connect(&mut self) -> Result<(), Error> {
        self.cut();
        let opened = tokio::time::timeout(REPLY_WITHIN, self.handshake.open()).await.map_err(|_| Error::TimedOut)?;
        self.socket = Some(opened.map_err(|error| {
            match error {
                NotOpened::Refused { status, body, .. } => serde_json::from_slice::<Problem>(&body)
                    .map_or_else(|_| Error::Unreadable(status.to_string()), Error::from),
                NotOpened::Interrupted(why) => Error::Interrupted(why),
            }
        })?);
        self.connections += 1;
        self.resume().await
    }

    /// Cuts the connection at once; what was under way is forgotten.
    pub fn cut(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.cut();
        }
        self.fetching.clear();
        self.replies.clear();
        self.needed_since.clear();
        self.next_page = None;
    }

    /// Asks for heads and waits until they are applied (what they lead to is then being fetched).
    ///
    /// # Errors
    /// The connection ended, or the server refused.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.resume_from(self.state.cursor()).await
    }

    /// Asks for heads without a cursor, on the connection that there is: the answer is a reset.
    ///
    /// # Errors
    /// The connection ended, or the server refused.
    pub async fn start_over(&mut self) -> Result<(), Error> {
        self.resume_from(None).await
    }

    async fn resume_from(&mut self, cursor: Option<Cursor>) -> Result<(), Error> {
        let command = Command::Resume { user: self.user(), cursor };
        let id = self.fetch(Fetch::Resume, command).await?;
        self.replies.insert(id, None);
        self.reply(id).await.map(drop)
    }

    /// Lets the client run until the condition holds.
    ///
    /// # Errors
    /// The connection ended, or the time is over.
    pub async fn until(&mut self, within: Duration, holds: impl Fn(&State) -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        while !holds(&self.state) {
            if Instant::now() >= deadline {
                return Err(Error::TimedOut);
            }
            self.step(deadline).await?;
        }
        Ok(())
    }

    /// Lets the client run for so long.
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

    /// Asks for heads, and lets the client run until it has all that they lead to.
    ///
    /// # Errors
    /// The connection ended, or the time is over.
    pub async fn settle(&mut self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        self.resume().await?;
        while !self.has_everything() {
            if Instant::now() >= deadline {
                return Err(Error::TimedOut);
            }
            self.step(deadline).await?;
        }
        Ok(())
    }

    fn has_everything(&mut self) -> bool {
        if self.holds_messages {
            self.open_all();
        }
        self.fetching.is_empty() && self.state.is_settled()
    }

    /// Sends a command and waits for its answer, while everything else goes on.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn command<T: DeserializeOwned>(&mut self, command: Command) -> Result<T, Error> {
        let id = self.ask(command).await?;
        self.replies.insert(id, None);
        let answer = self.reply(id).await?;
        serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()))
    }

    /// Sends a message, as [`Client::call`] sends any command.
    pub async fn send(&mut self, conversation: ConversationId, client_id: &str, text: &str) -> Result<Sent, Error> {
        self.command(Command::say(conversation, client_id, text)).await
    }

    /// Finds or opens a conversation.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn open(&mut self, open: Open) -> Result<Opened, Error> {
        self.command(Command::Open(open)).await
    }

    /// Marks as read up to here.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn read(&mut self, conversation: ConversationId, seq: Seq) -> Result<Marked, Error> {
        self.command(Command::Mark { conversation, delivered: None, read: Some(seq) }).await
    }

    /// Adds people to a group.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn add(&mut self, conversation: ConversationId, users: Vec<UserId>) -> Result<Changed, Error> {
        self.command(Command::AddMembers { conversation, users, history: None }).await
    }

    /// Removes a person from a group, or leaves it.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn remove(&mut self, conversation: ConversationId, user: UserId) -> Result<Changed, Error> {
        self.command(Command::RemoveMember { conversation, user }).await
    }

    /// Shows these conversations from now on, and no others.
    ///
    /// # Errors
    /// The server refused it, or its outcome is not known.
    pub async fn show(&mut self, conversations: Vec<ConversationId>) -> Result<(), Error> {
        let shown = self.command(Command::Show { conversations }).await?;
        self.state.shown(&shown);
        Ok(())
    }

    async fn reply(&mut self, id: i64) -> Result<Value, Error> {
        let deadline = Instant::now() + REPLY_WITHIN;
        loop {
            match self.replies.get_mut(&id).map(Option::take) {
                None => return Err(Error::Interrupted("the connection ended".to_owned())),
                Some(Some(answer)) => {
                    self.replies.remove(&id);
                    return answer.map_err(Error::Refused);
                }
                Some(None) if Instant::now() >= deadline => {
                    self.cut();
                    return Err(Error::TimedOut);
                }
                Some(None) => self.step(deadline).await?,
            }
        }
    }

    /// Sends a command. A connection that cannot be written to has ended, whatever may still be read from it.
    async fn ask(&mut self, command: Command) -> Result<i64, Error> {
        let socket = self.socket.as_mut().ok_or_else(|| Error::Interrupted("not connected".to_owned()))?;
        let sent = socket.send(command).await;
        if sent.is_err() {
            self.cut();
        }
        sent
    }

    async fn fetch(&mut self, fetch: Fetch, command: Command) -> Result<i64, Error> {
        let id = self.ask(command).await?;
        self.fetching.insert(id, (fetch, self.state.asking()));
        Ok(id)
    }

    /// Fetches what is needed, then waits for one thing to come.
    async fn step(&mut self, deadline: Instant) -> Result<(), Error> {
        let wake = self.fetch_needs().await?.map_or(deadline, |wake| wake.min(deadline));
        let Some(socket) = &mut self.socket else { return Err(Error::Interrupted("not connected".to_owned())) };
        let silence = self.silence;
        let silent = socket.heard() + silence;
        match socket.next_before(wake.min(silent)).await {
            None if Instant::now() >= silent => {
                self.cut();
                Err(Error::Interrupted(format!("nothing was heard for {silence:?}")))
            }
            None | Some(Incoming::Heartbeat) => Ok(()),
            Some(Incoming::Event(value)) => {
                self.take_event(&value);
                Ok(())
            }
            Some(Incoming::Reply(Some(re), answer)) => self.take_reply(re, answer).await,
            Some(Incoming::Closed(code, reason)) => {
                self.last_close = Some((code, reason.clone()));
                self.cut();
                Err(Error::Interrupted(format!("closed with {code} {reason}")))
            }
            Some(Incoming::Cut(why)) => {
                self.cut();
                Err(Error::Interrupted(why))
            }
            Some(other @ (Incoming::Reply(None, _) | Incoming::Other(_))) => {
                Err(Error::Unreadable(format!("{other:?}")))
            }
        }
    }

    /// Asks for what has been needed long enough; says when to look again.
    async fn fetch_needs(&mut self) -> Result<Option<Instant>, Error> {
        if self.holds_messages {
            self.open_all();
        }
        if self.state.cursor().is_none() {
            // The answer to the first resume comes first: it voids what was asked for before.
            return Ok(None);
        }
        let now = Instant::now();
        let needs = self.state.needs();
        self.needed_since.retain(|need, _| needs.contains(need));
        let mut wake = None;
        for need in needs {
            let under_way =
                self.fetching.values().any(|(fetch, _)| *fetch == Fetch::Need(need) || *fetch == Fetch::List);
            let due = *self.needed_since.entry(need).or_insert(now) + self.patience;
            if under_way {
                continue;
            }
            // Where nothing is held yet, there is nothing to wait for.
            let is_first = need == Need::List || self.state.me().is_none();
            if !is_first && due > now {
                wake = Some(wake.map_or(due, |wake: Instant| wake.min(due)));
                continue;
            }
            let fetch = if need == Need::List { Fetch::List } else { Fetch::Need(need) };
            let command = self.command_for(need);
            self.fetch(fetch, command).await?;
        }
        Ok(wake)
    }

    pub(crate) fn open_all(&mut self) {
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

    fn take_event(&mut self, value: &Value) {
        let Some(event) = read_event(value) else { return };
        let events = match &mut self.tamper {
            Some(tamper) => tamper(self.connections, event),
            None => vec![event],
        };
        for event in events {
            self.state.event(event);
        }
    }

    async fn take_reply(&mut self, re: i64, answer: Result<Value, Box<Problem>>) -> Result<(), Error> {
        if let Some((fetch, asked)) = self.fetching.remove(&re) {
            match &answer {
                Ok(value) => self.take_answer(fetch, value.clone(), asked)?,
                Err(problem) => {
                    self.take_problem(fetch, problem, asked);
                }
            }
            if fetch == Fetch::List && self.next_page.is_some() {
                let command = self.command_for(Need::List);
                self.fetch(Fetch::List, command).await?;
            }
        }
        if let Some(waiting) = self.replies.get_mut(&re) {
            *waiting = Some(answer);
        }
        Ok(())
    }

    pub(crate) fn take_answer(&mut self, fetch: Fetch, value: Value, asked: Asked) -> Result<(), Error> {
        match fetch {
            Fetch::Resume => self.state.heads(read(value)?, asked),
            Fetch::List | Fetch::Need(Need::List) => {
                self.next_page = self.state.page(read(value)?, asked);
                if self.next_page.is_none() {
                    self.state.loaded(asked);
                }
            }
            Fetch::Need(Need::Me) => self.state.me_answer(read(value)?, asked),
            Fetch::Need(Need::Conversation(_)) => self.state.answer(read(value)?, asked),
            Fetch::Need(Need::Changes(..)) => self.state.changes(read(value)?, asked),
            Fetch::Need(Need::Messages(conversation, _)) => {
                self.state.messages_page(conversation, read(value)?, asked);
            }
            Fetch::Need(Need::Quote(conversation, seq)) => {
                self.state.quote_page(conversation, seq, read(value)?, asked);
            }
        }
        Ok(())
    }

    /// Whether the problem settles what was asked for.
    pub(crate) fn take_problem(&mut self, fetch: Fetch, problem: &Problem, asked: Asked) -> bool {
        let Fetch::Need(need) = fetch else { return false };
        // What is still needed is asked for again after the usual patience.
        self.needed_since.remove(&need);
        match (problem.code, need) {
            (
                Code::NotFound,
                Need::Conversation(id) | Need::Changes(id, _) | Need::Messages(id, _) | Need::Quote(id, _),
            ) => {
                self.state.not_found(id, asked);
                true
            }
            _ => false,
        }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Unreadable(error.to_string()))
}

/// An event; one that is not known is taken as the news that its scope has changed.
fn read_event(value: &Value) -> Option<Event> {
    serde_json::from_value(value.clone()).ok().or_else(|| {
        let scope: Scope = serde_json::from_value(value.get("scope")?.clone()).ok()?;
        let version: Version = serde_json::from_value(value.get("version")?.clone()).ok()?;
        Some(Event::ScopeChanged { scope, version })
    })
}
