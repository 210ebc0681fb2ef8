//! Local delivery: which connections of this node receive which events.
//!
//! Invariants: nothing waits for a slow reader (a full send queue closes its connection, I8); a connection is in its user's
//! topic as soon as it is attached, one of an old socket in the topic of the user's rows of the host; the layer joins and leaves a topic in the order in which connections come and go; a
//! removal takes connections out of a conversation's topic before it is delivered; an event is one buffer that all its
//! receivers share.
//! Absent on purpose: encoding, and any decision about who may receive what (topics decide it).

pub mod recovery;
mod send_queue;
mod topic_locks;
mod watchers;

use crate::{
    channel_layer::{ChannelLayer, LayerMessage, NodeMessage, Publication, Topic, Unavailable},
    metrics::Metrics,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use parlor_protocol::{
    close::Close,
    ids::{ConversationId, Scope, SessionId, UserId},
    limits::Limits,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;
use topic_locks::TopicLocks;
use tracing::warn;
use watchers::{VisibilityChanges, WatchedUser};

pub use send_queue::{SendQueue, Taken};
pub use watchers::{PendingChecks, PresenceQueue, PresenceWatch, ReplacedWatches, Subscription, VisibilityCheck};

/// An attached connection.
#[derive(Debug)]
struct HubConnection {
    user: UserId,
    session: SessionId,
    /// The topic that it is in from beginning to end.
    home: Topic,
    send_queue: Arc<SendQueue>,
    shown: Vec<ConversationId>,
    watched: Vec<WatchedUser>,
    /// Its last delivery, so that a publication with two of its topics reaches it once.
    delivery: u64,
}

#[derive(Debug, Default)]
struct HubState {
    connections: HashMap<u64, HubConnection>,
    topics: HashMap<Topic, Vec<u64>>,
    last_id: u64,
    /// The connection whose hidden watches were checked last.
    hidden_watches_after: u64,
    changes: VisibilityChanges,
    deliveries: u64,
    draining: Draining,
}

/// Which connections end, because the server stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Draining {
    #[default]
    None,
    /// All but old sockets, which are held.
    ButOldSockets,
    All,
}

impl Draining {
    fn ends(self, home: Topic) -> bool {
        match self {
            Self::None => false,
            Self::ButOldSockets => !matches!(home, Topic::Host(_)),
            Self::All => true,
        }
    }
}

/// See the module documentation.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<HubState>,
    layer: Arc<dyn ChannelLayer>,
    topic_locks: TopicLocks,
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Counts messages that sessions have ended. It rises before their connections are closed.
    session_ends: AtomicU64,
    /// Forwards messages between nodes to recovery.
    node_messages: mpsc::UnboundedSender<NodeMessage>,
    /// What presence has to check.
    pub presence_queue: PresenceQueue,
}

/// An attached connection. Dropping it detaches it.
#[derive(Debug)]
pub struct Attached {
    hub: Arc<Hub>,
    id: u64,
    user: UserId,
    /// The topic that it is in from beginning to end.
    home: Topic,
    /// Frames that wait to be written.
    pub send_queue: Arc<SendQueue>,
}

/// Why a connection cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The user has reached the limit.
    #[error("the user has too many connections")]
    TooMany,
    /// The server is stopping.
    #[error("the server is stopping")]
    Draining,
    /// The channel layer is not available.
    #[error(transparent)]
    Layer(#[from] Unavailable),
}

impl Hub {
    /// Creates a hub without connections, and the receiver of messages between nodes.
    pub fn new(
        layer: Arc<dyn ChannelLayer>,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<NodeMessage>) {
        // Unbounded, because its reader takes everything at once and waits for nothing but the store, whose statements
        // end within their timeout.
        let (node_messages, receiver_of_nodes) = mpsc::unbounded_channel();
        let presence_queue = PresenceQueue::default();
        let (state, topic_locks, session_ends) = (Mutex::default(), TopicLocks::default(), AtomicU64::new(0));
        let hub =
            Arc::new(Self { state, layer, topic_locks, limits, metrics, session_ends, node_messages, presence_queue });
        let receiver = Arc::downgrade(&hub);
        hub.layer.deliver_to(Arc::new(move |publication| {
            if let Some(hub) = receiver.upgrade() {
                hub.receive(&publication);
            }
        }));
        (hub, receiver_of_nodes)
    }

    /// Handles a delivery of the channel layer.
    fn receive(self: &Arc<Self>, Publication { topics, payload }: &Publication) {
        match LayerMessage::decode(payload) {
            Ok(LayerMessage::Event(text)) => self.deliver(topics, &text),
            Ok(LayerMessage::EventForOthers(of, text)) => self.deliver_except(topics, Some(of), &text),
            Ok(LayerMessage::Node(message)) => self.handle_node_message(message),
            Err(_) => warn!("a delivery of the channel layer could not be decoded"),
        }
    }

    /// Attaches a connection. When this returns, events that are published to its user reach its send queue.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub async fn attach(self: &Arc<Self>, user: UserId, session: SessionId) -> Result<Attached, AttachError> {
        self.attach_to(Topic::User(user), user, session).await
    }

    /// Attaches an old socket: it receives the host's rows of its user, and no events.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub async fn attach_old_socket(
        self: &Arc<Self>,
        user: UserId,
        session: SessionId,
    ) -> Result<Attached, AttachError> {
        self.attach_to(Topic::Host(user), user, session).await
    }

    /// Attaches a socket in a broadcast room: it ends with its session, and receives nothing from here.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub async fn attach_room(self: &Arc<Self>, user: UserId, session: SessionId) -> Result<Attached, AttachError> {
        self.attach_to(Topic::Rooms(user), user, session).await
    }

    async fn attach_to(
        self: &Arc<Self>,
        home: Topic,
        user: UserId,
        session: SessionId,
    ) -> Result<Attached, AttachError> {
        let send_queue = Arc::new(SendQueue::default());
        let attached = {
            let mut state = self.lock();
            if state.draining.ends(home) {
                return Err(AttachError::Draining);
            }
            if own_connections(&state.topics, user).count() >= self.limits.user_connections_max as usize {
                return Err(AttachError::TooMany);
            }
            state.last_id += 1;
            let id = state.last_id;
            let (shown, watched, shared) = (Vec::new(), Vec::new(), send_queue.clone());
            let connection = HubConnection { user, session, home, send_queue: shared, shown, watched, delivery: 0 };
            state.connections.insert(id, connection);
            state.topics.entry(home).or_default().push(id);
            self.metrics.connections.set(i64::try_from(state.connections.len()).unwrap_or(i64::MAX));
            Attached { hub: self.clone(), id, user, home, send_queue }
        };
        self.join(home).await?;
        Ok(attached)
    }

    /// Puts a frame into the send queue of every connection in the topics, once each.
    pub fn deliver(&self, topics: &[Topic], text: &Bytes) {
        self.deliver_except(topics, None, text);
    }

    fn deliver_except(&self, topics: &[Topic], except: Option<UserId>, text: &Bytes) {
        let mut state = self.lock();
        state.deliveries += 1;
        let delivery = state.deliveries;
        let HubState { connections, topics: joined, .. } = &mut *state;
        let mut delivered = 0;
        for id in topics.iter().filter_map(|topic| joined.get(topic)).flatten() {
            let Some(connection) = connections.get_mut(id) else { continue };
            if std::mem::replace(&mut connection.delivery, delivery) == delivery || except == Some(connection.user) {
                continue;
            }
            connection.send_queue.push(text, &self.limits);
            delivered += 1;
        }
        self.metrics.events_delivered.inc_by(delivered);
    }

    /// Handles a message from a node.
    fn handle_node_message(self: &Arc<Self>, message: NodeMessage) {
        match &message {
            NodeMessage::Removed { conversation, users } => {
                self.remove(*conversation, users);
                self.suspend_presence(users);
            }
            NodeMessage::Visibility { users } => {
                self.suspend_presence(users);
                self.presence_queue.check_hidden(users);
            }
            NodeMessage::Presence { user } => self.presence_queue.user_changed(*user),
            NodeMessage::SessionsEnded { user, only, keep, disabled } => {
                let why = if *disabled { Close::Disabled } else { Close::SessionEnded };
                self.end_sessions(*user, why, |session| {
                    only.is_none_or(|only| only == session) && *keep != Some(session)
                });
            }
            NodeMessage::Committed { .. } | NodeMessage::Hint { .. } => {}
        }
        if self.node_messages.send(message).is_err() {
            warn!("recovery no longer receives the messages of nodes");
        }
    }

    /// Takes the connections of these users out of a conversation's topic. An older answer of the store puts none of
    /// them back.
    pub fn remove(self: &Arc<Self>, conversation: ConversationId, users: &[UserId]) {
        let mut state = self.lock();
        let HubState { connections, topics, changes, .. } = &mut *state;
        changes.remove(conversation, users);
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
        drop(state);
        if is_empty {
            self.spawn_leave(vec![topic]);
        }
    }

    /// Closes the connections of a user whose session matches.
    pub fn end_sessions(&self, user: UserId, why: Close, matches: impl Fn(SessionId) -> bool) {
        let state = self.lock();
        self.session_ends.fetch_add(1, Ordering::SeqCst);
        for id in own_connections(&state.topics, user) {
            if let Some(connection) = state.connections.get(id).filter(|connection| matches(connection.session)) {
                connection.send_queue.close(why);
            }
        }
    }

    /// Closes all connections, because they may have missed events.
    pub fn restart_all(&self) {
        let state = self.lock();
        self.session_ends.fetch_add(1, Ordering::SeqCst);
        for connection in state.connections.values() {
            connection.send_queue.close(Close::Restarting);
        }
    }

    /// Returns how often sessions have ended, as far as this node knows. A caller that looks a session up and attaches
    /// it later looks it up again if the count has changed.
    pub fn session_ends(&self) -> u64 {
        self.session_ends.load(Ordering::SeqCst)
    }

    /// Closes all connections and attaches no more.
    pub fn drain(&self, why: Close) {
        self.close_most(why, Draining::All);
    }

    /// Closes all connections but old sockets, and attaches only these from now on.
    pub(crate) fn drain_but_old_sockets(&self, why: Close) {
        self.close_most(why, Draining::ButOldSockets);
    }

    fn close_most(&self, why: Close, draining: Draining) {
        let mut state = self.lock();
        state.draining = draining;
        for connection in state.connections.values().filter(|connection| draining.ends(connection.home)) {
            connection.send_queue.close(why);
        }
    }

    /// Returns the sessions of all connections.
    pub fn connected_sessions(&self) -> HashSet<SessionId> {
        self.lock().connections.values().map(|connection| connection.session).collect()
    }

    /// Returns the sessions of a user's connections.
    pub(crate) fn sessions_of(&self, user: UserId) -> HashSet<SessionId> {
        let state = self.lock();
        let own = own_connections(&state.topics, user).filter_map(|id| state.connections.get(id));
        own.map(|connection| connection.session).collect()
    }

    /// Returns how many connections are attached.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attached {
    /// Replaces the conversations that the connection shows; each is named once. The user is a member of them according
    /// to the store, which was read after the check began. Conversations from which the user has been removed since are
    /// left out.
    ///
    /// # Errors
    /// The channel layer cannot be joined.
    pub async fn show(&self, check: &VisibilityCheck, conversations: &[ConversationId]) -> Result<(), Unavailable> {
        let (joining, leaving) = {
            let mut state = self.hub.lock();
            let HubState { connections, topics, changes, .. } = &mut *state;
            let Some(connection) = connections.get_mut(&self.id) else { return Ok(()) };
            let is_removed = |id: &ConversationId| changes.is_removed_since(check.since, *id, self.user);
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
        // Together, which costs a layer on the network one round trip.
        try_join_all(joining.into_iter().map(|topic| self.hub.join(topic))).await?;
        self.hub.leave_empty_topics(leaving).await;
        Ok(())
    }

    /// Returns whether the connection shows exactly these conversations, or has ended.
    #[must_use]
    pub fn is_showing(&self, conversations: &[ConversationId]) -> bool {
        let state = self.hub.lock();
        state.connections.get(&self.id).is_none_or(|connection| {
            let shown = &connection.shown;
            shown.len() == conversations.len() && conversations.iter().all(|id| shown.contains(id))
        })
    }
}

impl Hub {
    /// Leaves topics in the layer without waiting for it.
    fn spawn_leave(self: &Arc<Self>, topics: Vec<Topic>) {
        let hub = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { hub.leave_empty_topics(topics).await });
        }
    }

    /// Joins a topic in the layer for the connections that are in it here.
    async fn join(&self, topic: Topic) -> Result<(), Unavailable> {
        let _lock = self.topic_locks.lock(topic).await;
        self.layer.join(topic).await
    }

    /// Leaves those of the topics in the layer that no connection is in. A connection that comes in the meantime joins
    /// again after that.
    async fn leave_empty_topics(&self, topics: Vec<Topic>) {
        for topic in topics {
            let _lock = self.topic_locks.lock(topic).await;
            if self.lock().topics.contains_key(&topic) {
                continue;
            }
            if let Err(cause) = self.layer.leave(topic).await {
                warn!(%cause, "a topic could not be left");
            }
        }
    }
}

/// Returns the connections of a user, of every kind.
fn own_connections(topics: &HashMap<Topic, Vec<u64>>, user: UserId) -> impl Iterator<Item = &u64> {
    [Topic::User(user), Topic::Host(user), Topic::Rooms(user)]
        .into_iter()
        .filter_map(|topic| topics.get(&topic))
        .flatten()
}

/// Takes a connection out of topics and returns those that are now empty.
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
            let mut state = self.hub.lock();
            let Some(connection) = state.connections.remove(&self.id) else { return };
            let mut leaving: Vec<Topic> = connection.shown.iter().map(|id| Topic::Conversation(*id)).collect();
            leaving.extend(connection.watched.iter().map(|watch| Topic::Presence(watch.user)));
            leaving.push(self.home);
            self.hub.metrics.connections.set(i64::try_from(state.connections.len()).unwrap_or(i64::MAX));
            leave(&mut state.topics, &leaving, self.id)
        };
        self.hub.spawn_leave(emptied);
    }
}

/// Encodes the event that makes clients fetch a scope.
#[must_use]
pub fn scope_changed(scope: Scope, version: parlor_protocol::ids::Version) -> Bytes {
    let event = parlor_protocol::event::Event::ScopeChanged { scope, version };
    serde_json::to_vec(&event).expect("an event has string keys only").into()
}
