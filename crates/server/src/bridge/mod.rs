//! The bridge to Django's channel layers in Redis (channels-redis 4.3.0, core and pub/sub): `group_send` in Django
//! reaches sockets of Parlor, and Parlor's events reach Django's consumers.
//!
//! Invariants: a Redis that is slow or away delays no connected user; nothing is sent whose `type` the profile
//! does not name, since a consumer without a method for it dies; everything that waits is bounded.
//! Absent on purpose: history, acknowledgements and other guarantees than those of Channels (at most once).

pub mod capacity;
pub mod codec;
pub mod commands;
mod groups;
pub mod json;
mod keeper;
pub mod msgpack;
pub mod names;
mod receiver;
pub mod recipients;
mod subscriber;
pub mod value;

#[cfg(test)]
mod tests;

use crate::{
    config::Config,
    environment::Environment,
    fernet::FernetKey,
    hub::SendQueue,
    metrics::Metrics,
    profile::{
        Profile, ProfileError,
        rooms::{GroupEvent, HostEvent, RoomProfile, RoomsFile},
    },
    redis_server::Outage,
    supervisor::Supervisor,
};
use capacity::CapacityRule;
use codec::{Codec, Layer};
use commands::Keys;
use groups::Groups;
use keeper::Keeper;
use recipients::CHANNELS;
use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::{debug, warn};
use value::{Map, MapKey, Value};

pub use groups::GroupMember;

/// How long a new socket waits for its group to be joined.
const JOINING: Duration = Duration::from_secs(2);

/// See the module documentation.
#[derive(Debug)]
pub struct Bridge {
    shared: Arc<BridgeState>,
    rooms: Vec<Arc<RoomProfile>>,
    events: Vec<GroupEvent>,
    outgoing: mpsc::Sender<GroupMessage>,
    stop: watch::Sender<bool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    receivers: Vec<JoinHandle<()>>,
}

/// What the tasks of the bridge share.
struct BridgeState {
    clients: Vec<redis::Client>,
    outages: Vec<Outage>,
    keys: Keys,
    codec: Codec,
    rules: Vec<CapacityRule>,
    capacity: u32,
    /// The name of this node in Redis. Each start of a server has another.
    node: String,
    groups: Arc<Groups>,
    /// Asks the keeper to renew the membership.
    renew: Notify,
    message_bytes_max: usize,
    environment: Environment,
    metrics: Arc<Metrics>,
}

/// A message that waits to be sent to a group.
#[derive(Debug)]
struct GroupMessage {
    group: String,
    message: Map,
    queued: Instant,
}

/// Why the bridge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The URL of a server cannot be used.
    #[error("bridge.redis: {0}")]
    Server(#[from] redis::RedisError),
    /// The file of rooms.
    #[error(transparent)]
    Rooms(#[from] ProfileError),
    /// A path is that of two rooms, or belongs to Parlor.
    #[error("the path {0} of a room is taken")]
    Path(String),
}

impl Bridge {
    /// Starts the bridge, if one is configured. It connects by itself, now or when Redis is there.
    ///
    /// # Errors
    /// See [`BridgeError`].
    pub fn start(
        config: &Config,
        profile: Option<&Profile>,
        environment: &Environment,
        metrics: &Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<Option<Arc<Self>>, BridgeError> {
        if config.bridge.redis.is_empty() {
            return Ok(None);
        }
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let RoomsFile { rooms, group_events: events } = declared(config, profile)?;
        let rooms = rooms.into_iter().map(Arc::new).collect();
        let shared = Arc::new(BridgeState::new(config, environment.clone(), metrics.clone())?);
        let (outgoing, queue) = mpsc::channel(config.bridge.queue_max as usize);
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper::new(shared.clone(), queue);
        let keeper = supervisor.run_until_stopped("bridge", async move {
            keeper.run(stopped).await;
            true
        });
        let receivers = match shared.codec.layer {
            Layer::Core => vec![supervisor.run("bridge receiver", receiver::run(shared.clone()))],
            Layer::Pubsub => (0..shared.clients.len())
                .map(|server| supervisor.run("bridge receiver", subscriber::run(shared.clone(), server)))
                .collect(),
        };
        let keeper = Mutex::new(Some(keeper));
        Ok(Some(Arc::new(Self { shared, rooms, events, outgoing, stop, keeper, receivers })))
    }

    /// Whether a path is that of a room.
    #[must_use]
    pub fn is_room(&self, path: &str) -> bool {
        self.rooms.iter().any(|room| room.matches(path).is_some())
    }

    /// Returns the room at a path, and its group there.
    #[must_use]
    pub fn room_at(&self, path: &str) -> Option<(&Arc<RoomProfile>, String)> {
        self.rooms.iter().find_map(|room| room.matches(path).map(|values| (room, room.group.text(&values))))
    }

    /// Puts a socket into a group. Returns when messages to the group reach its send queue, or soon if Redis is away.
    pub async fn join(&self, group: &str, room: Arc<RoomProfile>, send_queue: Arc<SendQueue>) -> GroupMember {
        let member = self.shared.groups.add(group.to_owned(), room, send_queue);
        self.shared.groups.until_joined(group, JOINING).await;
        member
    }

    /// Sends what the profile declares for a new row of the message table. `row` is the row as JSON.
    pub fn host_message_is_new(&self, row: &serde_json::Value) {
        for event in self.events.iter().filter(|event| event.on == HostEvent::NewMessage) {
            let (group, message) = render(event, row);
            if names::is_group(&group) {
                self.send(group, message);
            } else {
                warn!(kind = event.kind, "the group of an event has no valid name");
            }
        }
    }

    /// Queues a message for a group, or drops it if too many wait already.
    fn send(&self, group: String, message: Map) {
        if self.outgoing.try_send(GroupMessage::new(group, message)).is_err() {
            self.shared.metrics.bridge_dropped("queue_full");
        }
    }

    /// Leaves all groups and stops.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        for receiver in &self.receivers {
            receiver.abort();
        }
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            // The supervisor reports one that has panicked.
            let _ended = keeper.await;
        }
    }
}

impl fmt::Debug for BridgeState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clients know passwords.
        formatter.debug_struct("BridgeState").field("node", &self.node).finish_non_exhaustive()
    }
}

impl BridgeState {
    fn new(config: &Config, environment: Environment, metrics: Arc<Metrics>) -> Result<Self, redis::RedisError> {
        let (bridge, limits) = (&config.bridge, config.limits.clone());
        let clients = bridge.redis.iter().map(|url| redis::Client::open(url.0.as_str()));
        let clients: Vec<_> = clients.collect::<Result<_, _>>()?;
        Ok(Self {
            outages: (1..=clients.len()).map(|server| Outage::new("the bridge", server)).collect(),
            clients,
            keys: Keys {
                prefix: bridge.prefix.clone(),
                expiry_s: bridge.expiry_s,
                group_expiry_s: bridge.group_expiry_s,
            },
            codec: Codec {
                layer: bridge.layer,
                serializer: bridge.serializer,
                keys: bridge.encryption_keys.iter().map(|key| FernetKey::of(key)).collect(),
                expiry_s: bridge.expiry_s,
            },
            rules: bridge.channel_capacity.clone(),
            capacity: bridge.capacity,
            node: hexadecimal(environment.random::<8>()),
            message_bytes_max: limits.connection_queue_bytes_max as usize,
            groups: Groups::new(limits, metrics.clone()),
            renew: Notify::new(),
            environment,
            metrics,
        })
    }

    /// Seconds since 1970.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    fn now_s(&self) -> f64 {
        self.environment.now_ms() as f64 / 1000.0
    }

    /// The name under which this node is in a group.
    fn member(&self, group: &str) -> String {
        Self::member_of(&self.node, group)
    }

    /// The name under which a node is in a group. Channels reads it back without checking its length.
    fn member_of(node: &str, group: &str) -> String {
        format!("{}{group}", Self::process_of(node))
    }

    /// The part of the name that a node has in all groups.
    fn process_of(node: &str) -> String {
        format!("parlor.{node}!")
    }

    /// Handles a message of this node's queue. It names the groups.
    fn receive_queued(&self, bytes: &[u8]) {
        let Some(Value::Map(mut message)) = self.decode(bytes) else { return };
        let process = Self::process_of(&self.node);
        let channels = message.iter().rev().find(|(key, _)| key.is(CHANNELS)).map(|(_, channels)| channels.clone());
        let channels = match channels {
            Some(Value::List(channels)) => channels,
            // What was sent to one channel names it alone.
            Some(channel) => vec![channel],
            None => Vec::new(),
        };
        message.retain(|(key, _)| !key.is(CHANNELS));
        let message = Value::Map(message);
        for group in channels.iter().filter_map(|channel| channel.as_text()?.strip_prefix(&process)) {
            self.groups.deliver(group, &message);
        }
    }

    /// Handles a message that was published to a group.
    fn receive_published(&self, topic: &str, bytes: &[u8]) {
        let Some(group) = topic.strip_prefix(&self.keys.group_topic("")) else { return };
        if let Some(message) = self.decode(bytes) {
            self.groups.deliver(group, &message);
        }
    }

    fn decode(&self, bytes: &[u8]) -> Option<Value> {
        self.metrics.bridge_received.inc();
        if bytes.len() > self.message_bytes_max {
            self.metrics.bridge_dropped("too_large");
            return None;
        }
        let decoded = self.codec.decode(bytes, &self.environment);
        if let Err(cause) = &decoded {
            debug!(%cause, "a message of the channel layer cannot be read");
            self.metrics.bridge_dropped("unreadable");
        }
        decoded.ok()
    }

    fn encode(&self, message: &Value) -> Option<Vec<u8>> {
        let encoded = self.codec.encode(message, &self.environment);
        if let Err(cause) = &encoded {
            warn!(%cause, "an event cannot be written for the channel layer");
            self.metrics.bridge_dropped("unwritable");
        }
        encoded.ok()
    }
}

/// Returns the rooms and events of the profile and of the file of rooms.
fn declared(config: &Config, profile: Option<&Profile>) -> Result<RoomsFile, BridgeError> {
    let mut all = config.bridge.rooms.as_deref().map(RoomsFile::load).transpose()?.unwrap_or_default();
    if let Some(profile) = profile {
        all.rooms.extend(profile.rooms.iter().cloned());
        all.group_events.extend(profile.group_events.iter().cloned());
    }
    for (index, room) in all.rooms.iter().enumerate() {
        let is_double = all.rooms[..index].iter().any(|other| other.path == room.path);
        if is_double || room.path.starts_with("/v1/") {
            return Err(BridgeError::Path(room.path.clone()));
        }
    }
    Ok(all)
}

/// Returns the group and the message of an event about a row.
fn render(event: &GroupEvent, row: &serde_json::Value) -> (String, Map) {
    let field = |path: &str| path.split('.').try_fold(row, |value, name| value.get(name));
    let text = |path: &str| match field(path) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let names = GroupEvent::group_names();
    let values: Vec<(&str, String)> = names.iter().map(|name| (*name, text(name))).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let value = |json: Option<&serde_json::Value>| {
        json.and_then(|json| serde_json::from_value(json.clone()).ok()).unwrap_or(Value::Null)
    };
    let fields: Map = if event.fields.is_empty() {
        row.as_object().into_iter().flatten().map(|(name, json)| (name.as_str().into(), value(Some(json)))).collect()
    } else {
        event.fields.iter().map(|(name, path)| (name.as_str().into(), value(field(path)))).collect()
    };
    let mut message: Map = vec![(MapKey::from("type"), event.kind.as_str().into())];
    match &event.under {
        Some(name) => message.push((name.as_str().into(), Value::Map(fields))),
        None => message.extend(fields.into_iter().filter(|(key, _)| !key.is("type"))),
    }
    (event.group.text(&values), message)
}

fn hexadecimal(bytes: [u8; 8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a String does not fail");
        text
    })
}
