//! Local delivery: which connections of this node hear what.
//!
//! Invariants: nobody waits for a slow reader (a full outbox closes its connection, I8); a connection is in its
//! person's topic from its attaching on; the layer joins and leaves one topic in the order in which connections come and
//! go; a removal takes connections out of a conversation's topic before it is
//! delivered; every event is one buffer that all its readers share.
//! Absent on purpose: encoding, and any decision on who may hear what (topics say it).

mod outbox;
pub mod recovery;
mod topic_locks;
mod watchers;

use crate::{
    channel_layer::{ChannelLayer, Message, NodeMessage, Publication, Topic, Unavailable},
    metrics::Metrics,
};
use bytes::Bytes;
use parlor_protocol::{
    close::Close,
    ids::{ConversationId, Scope, SessionId, UserId},
    limits::Limits,
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;
use topic_locks::Turns;
use tracing::warn;
use watchers::{Doubts, Watch};

pub use outbox::{Outbox, Taken};
pub use watchers::{Agenda, Entered, Inquiry, Pair, Replaced, Urgent};

/// One attached connection, as the hub keeps it.
#[derive(Debug)]
struct Connection {
    user: UserId,
    session: SessionId,
    outbox: Arc<Outbox>,
    shown: Vec<ConversationId>,
    watched: Vec<Watch>,
    /// The last delivery it took part in, so that two topics of one publication reach it once.
    delivery: u64,
}

#[derive(Debug, Default)]
struct Inner {
    connections: HashMap<u64, Connection>,
    topics: HashMap<Topic, Vec<u64>>,
    last_id: u64,
    /// The connection whose unseen were looked at last.
    unseen_to: u64,
    doubts: Doubts,
    deliveries: u64,
    is_draining: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    layer: Arc<dyn ChannelLayer>,
    turns: Turns,
    limits: Limits,
    metrics: Arc<Metrics>,
    /// How often it was told that sessions ended. It rises before the connections of these are closed.
    ends: AtomicU64,
    /// What nodes tell each other, for the task that compares it with the clock.
    told: mpsc::UnboundedSender<NodeMessage>,
    /// What the task of presence has to look at.
    pub agenda: Agenda,
}

/// A connection's place in the hub; dropped, it leaves.
#[derive(Debug)]
pub struct Attached {
    hub: Arc<Hub>,
    id: u64,
    user: UserId,
    /// What waits to be written.
    pub outbox: Arc<Outbox>,
}

/// Why a connection cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The person has as many as may be.
    #[error("as many connections as one person may have")]
    TooMany,
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
    /// The channel layer cannot be joined now.
    #[error(transparent)]
    Layer(#[from] Unavailable),
}

impl Hub {
    /// A hub without connections, and what nodes tell it.
    pub fn new(
        layer: Arc<dyn ChannelLayer>,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<NodeMessage>) {
        // Not bounded by number, but by time: its reader gathers all that is there at once, and waits for nothing but
        // the store, whose statements end within their time-out.
        let (told, heard) = mpsc::unbounded_channel();
        let agenda = Agenda::default();
        let (inner, turns, ends) = (Mutex::default(), Turns::default(), AtomicU64::new(0));
        let hub = Arc::new(Self { inner, layer, turns, limits, metrics, ends, told, agenda });
        let receiver = Arc::downgrade(&hub);
        hub.layer.deliver_to(Arc::new(move |publication| {
            if let Some(hub) = receiver.upgrade() {
                hub.receive(&publication);
            }
        }));
        (hub, heard)
    }

    /// Hands what the layer delivers to connections.
    fn receive(self: &Arc<Self>, Publication { topics, payload }: &Publication) {
        match Message::decode(payload) {
            Ok(Message::Event(text)) => self.deliver(topics, &text),
            Ok(Message::EventForOthers(of, text)) => self.deliver_to_others(topics, Some(of), &text),
            Ok(Message::Node(message)) => self.act(message),
            Err(_) => warn!("a delivery of the channel layer was not understood"),
        }
    }

    /// Attaches a connection. When this returns, what is published to its person reaches its outbox.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn attach(self: &Arc<Self>, user: UserId, session: SessionId) -> Result<Attached, Refused> {
        let outbox = Arc::new(Outbox::default());
        let attached = {
            let mut inner = self.lock();
            if inner.is_draining {
                return Err(Refused::Draining);
            }
            let members = inner.topics.get(&Topic::User(user)).map_or(0, Vec::len);
            if members >= self.limits.user_connections_max as usize {
                return Err(Refused::TooMany);
            }
            inner.last_id += 1;
            let id = inner.last_id;
            let connection =
                Connection { user, session, outbox: outbox.clone(), shown: vec![], watched: vec![], delivery: 0 };
            inner.connections.insert(id, connection);
            inner.topics.entry(Topic::User(user)).or_default().push(id);
            self.metrics.connections.set(i64::try_from(inner.connections.len()).unwrap_or(i64::MAX));
            Attached { hub: self.clone(), id, user, outbox }
        };
        self.join(Topic::User(user)).await?;
        Ok(attached)
    }

    /// Puts a frame into the outbox of everybody in the topics, once each.
    pub fn deliver(&self, topics: &[Topic], text: &Bytes) {
        self.deliver_to_others(topics, None, text);
    }

    fn deliver_to_others(&self, topics: &[Topic], of: Option<UserId>, text: &Bytes) {
        let mut inner = self.lock();
        inner.deliveries += 1;
        let delivery = inner.deliveries;
        let Inner { connections, topics: joined, .. } = &mut *inner;
        let mut delivered = 0;
        for id in topics.iter().filter_map(|topic| joined.get(topic)).flatten() {
            let Some(connection) = connections.get_mut(id) else { continue };
            if std::mem::replace(&mut connection.delivery, delivery) == delivery || of == Some(connection.user) {
                continue;
            }
            connection.outbox.push(text, &self.limits);
            delivered += 1;
        }
        self.metrics.events_delivered.inc_by(delivered);
    }

    /// Acts on what a node told.
    fn act(self: &Arc<Self>, message: NodeMessage) {
        match &message {
            NodeMessage::Removed { conversation, users } => {
                self.remove(*conversation, users);
                self.suspect(users);
            }
            NodeMessage::Visibility { users } => {
                self.suspect(users);
                self.agenda.look_at_unseen(users);
            }
            NodeMessage::Presence { user } => self.agenda.look_at(*user),
            NodeMessage::SessionsEnded { user, only, keep, disabled } => {
                let why = if *disabled { Close::Disabled } else { Close::SessionEnded };
                self.end_sessions(*user, why, |session| {
                    only.is_none_or(|only| only == session) && *keep != Some(session)
                });
            }
            NodeMessage::Committed { .. } | NodeMessage::Hint { .. } => {}
        }
        if self.told.send(message).is_err() {
            warn!("nobody listens to what nodes tell");
        }
    }

    /// Takes connections of these people out of a conversation's topic. An answer of the store that is older puts none
    /// of them back.
    pub fn remove(self: &Arc<Self>, conversation: ConversationId, users: &[UserId]) {
        let mut inner = self.lock();
        let Inner { connections, topics, doubts, .. } = &mut *inner;
        doubts.remove(conversation, users);
        let topic = Topic::Conversation(conversation);
        let Some(members) = topics.get_mut(&topic) else { return };
        members.retain(|id| connections.get(id).is_some_and(|connection| !users.contains(&connection.user)));
        let is_empty = members.is_empty();
        if is_empty {
            topics.remove(&topic);
        }
        for connection in connections.values_mut().filter(|connection| users.contains(&connection.user)) {
            connection.shown.retain(|shown| *shown != conversation);
        }
        drop(inner);
        if is_empty {
            self.leave_soon(vec![topic]);
        }
    }

    /// Closes the connections of a person whose session is meant.
    pub fn end_sessions(&self, user: UserId, why: Close, is_meant: impl Fn(SessionId) -> bool) {
        let inner = self.lock();
        self.ends.fetch_add(1, Ordering::SeqCst);
        for id in inner.topics.get(&Topic::User(user)).into_iter().flatten() {
            if let Some(connection) = inner.connections.get(id).filter(|connection| is_meant(connection.session)) {
                connection.outbox.close(why);
            }
        }
    }

    /// Closes the connections that are there: nobody knows what they should have been told.
    pub fn start_over(&self) {
        let inner = self.lock();
        self.ends.fetch_add(1, Ordering::SeqCst);
        for connection in inner.connections.values() {
            connection.outbox.close(Close::Restarting);
        }
    }

    /// How often sessions have ended, as far as this node was told. Whoever looks a session up and attaches it later
    /// looks once more if the count has changed.
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::SeqCst)
    }

    /// Closes every connection, and attaches no more.
    pub fn drain(&self, why: Close) {
        let mut inner = self.lock();
        inner.is_draining = true;
        for connection in inner.connections.values() {
            connection.outbox.close(why);
        }
    }

    /// How many are attached.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attached {
    /// Replaces the conversations that the connection shows; each is named once. The store said since the inquiry began
    /// that the person is in them. Those from which the person was removed since are left out.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn show(&self, inquiry: &Inquiry, conversations: &[ConversationId]) -> Result<(), Unavailable> {
        let (joining, leaving) = {
            let mut inner = self.hub.lock();
            let Inner { connections, topics, doubts, .. } = &mut *inner;
            let Some(connection) = connections.get_mut(&self.id) else { return Ok(()) };
            let is_removed = |id: &ConversationId| doubts.is_removed_since(inquiry.after, *id, self.user);
            let conversations: Vec<_> = conversations.iter().copied().filter(|id| !is_removed(id)).collect();
            let before = std::mem::replace(&mut connection.shown, conversations.clone());
            let topic = |id: &ConversationId| Topic::Conversation(*id);
            let joining: Vec<Topic> = conversations.iter().filter(|id| !before.contains(id)).map(topic).collect();
            let leaving: Vec<Topic> = before.iter().filter(|id| !conversations.contains(id)).map(topic).collect();
            for topic in &joining {
                topics.entry(*topic).or_default().push(self.id);
            }
            let emptied = leave(topics, &leaving, self.id);
            (joining, emptied)
        };
        for topic in joining {
            self.hub.join(topic).await?;
        }
        self.hub.left(leaving).await;
        Ok(())
    }

    /// Whether these conversations are what the connection shows; also where it has ended.
    #[must_use]
    pub fn is_showing(&self, conversations: &[ConversationId]) -> bool {
        let inner = self.hub.lock();
        inner.connections.get(&self.id).is_none_or(|connection| {
            let shown = &connection.shown;
            shown.len() == conversations.len() && conversations.iter().all(|id| shown.contains(id))
        })
    }
}

impl Hub {
    /// Leaves topics in the layer, for those who cannot wait for it.
    fn leave_soon(self: &Arc<Self>, topics: Vec<Topic>) {
        let hub = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { hub.left(topics).await });
        }
    }

    /// Joins a topic in the layer for connections that are in it here.
    async fn join(&self, topic: Topic) -> Result<(), Unavailable> {
        let _turn = self.turns.take(topic).await;
        self.layer.join(topic).await
    }

    /// Leaves those of the topics in the layer that no connection is in. A connection that comes while the layer leaves
    /// joins after that.
    async fn left(&self, topics: Vec<Topic>) {
        for topic in topics {
            let _turn = self.turns.take(topic).await;
            if self.lock().topics.contains_key(&topic) {
                continue;
            }
            if let Err(cause) = self.layer.leave(topic).await {
                warn!(%cause, "a topic could not be left");
            }
        }
    }
}

/// Takes a connection out of topics; gives those that are now empty.
fn leave(topics: &mut HashMap<Topic, Vec<u64>>, leaving: &[Topic], id: u64) -> Vec<Topic> {
    let mut emptied = Vec::new();
    for topic in leaving {
        let Some(members) = topics.get_mut(topic) else { continue };
        if let Some(position) = members.iter().position(|member| *member == id) {
            members.swap_remove(position);
        }
        if members.is_empty() {
            topics.remove(topic);
            emptied.push(*topic);
        }
    }
    emptied
}

impl Drop for Attached {
    fn drop(&mut self) {
        let emptied = {
            let mut inner = self.hub.lock();
            let Some(connection) = inner.connections.remove(&self.id) else { return };
            let mut leaving: Vec<Topic> = connection.shown.iter().map(|id| Topic::Conversation(*id)).collect();
            leaving.extend(connection.watched.iter().map(|watch| Topic::Presence(watch.user)));
            leaving.push(Topic::User(self.user));
            self.hub.metrics.connections.set(i64::try_from(inner.connections.len()).unwrap_or(i64::MAX));
            leave(&mut inner.topics, &leaving, self.id)
        };
        self.hub.leave_soon(emptied);
    }
}

/// The text of the event that tells to come and look.
#[must_use]
pub fn scope_changed(scope: Scope, version: parlor_protocol::ids::Version) -> Bytes {
    let event = parlor_protocol::event::Event::ScopeChanged { scope, version };
    serde_json::to_vec(&event).expect("an event has string keys only").into()
}
