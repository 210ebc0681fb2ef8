//! The groups in which sockets of this node are: who wants them, whether the layer has joined them, and delivery.
//!
//! Invariants: delivery never waits (a full send queue closes its socket); a message becomes a frame at most once for each
//! room, however many sockets it has; nothing is kept for a group without sockets.

use super::{
    json,
    value::{MapKey, Value},
};
use crate::{
    hub::SendQueue,
    metrics::Metrics,
    profile::rooms::{FramePart, RoomProfile},
};
use bytes::Bytes;
use parlor_protocol::limits::Limits;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use tracing::debug;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Groups {
    state: Mutex<GroupsState>,
    /// Changes when the set of wanted groups does.
    wanted: watch::Sender<()>,
    /// Changes when groups have been joined.
    joined: watch::Sender<()>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct GroupsState {
    groups: HashMap<String, Group>,
    last_id: u64,
}

#[derive(Debug, Default)]
struct Group {
    rooms: Vec<RoomSockets>,
    is_joined: bool,
}

/// The sockets of a room in a group, by their ids.
#[derive(Debug)]
struct RoomSockets {
    profile: Arc<RoomProfile>,
    sockets: HashMap<u64, Arc<SendQueue>>,
}

/// A socket in a group. Dropping it takes the socket out.
#[derive(Debug)]
pub struct GroupMember {
    groups: Arc<Groups>,
    group: String,
    room: Arc<RoomProfile>,
    id: u64,
}

impl Groups {
    pub(super) fn new(limits: Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        let (wanted, joined) = (watch::Sender::new(()), watch::Sender::new(()));
        Arc::new(Self { state: Mutex::default(), wanted, joined, limits, metrics })
    }

    /// Puts a socket into a group.
    pub(super) fn add(
        self: &Arc<Self>,
        group: String,
        room: Arc<RoomProfile>,
        send_queue: Arc<SendQueue>,
    ) -> GroupMember {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        let is_new = !state.groups.contains_key(&group);
        let rooms = &mut state.groups.entry(group.clone()).or_default().rooms;
        match rooms.iter_mut().find(|known| Arc::ptr_eq(&known.profile, &room)) {
            Some(known) => drop(known.sockets.insert(id, send_queue)),
            None => rooms.push(RoomSockets { profile: room.clone(), sockets: HashMap::from([(id, send_queue)]) }),
        }
        drop(state);
        if is_new {
            self.wanted.send_replace(());
        }
        GroupMember { groups: self.clone(), group, room, id }
    }

    /// Waits until the layer has joined a group, or the time has passed.
    pub(super) async fn until_joined(&self, group: &str, within: Duration) {
        let mut joined = self.joined.subscribe();
        let waiting = async {
            while !self.lock().groups.get(group).is_some_and(|group| group.is_joined) {
                if joined.changed().await.is_err() {
                    return;
                }
            }
        };
        // A layer that is away does not keep a socket from being opened.
        let _late = timeout(within, waiting).await;
    }

    /// Returns a receiver that changes when the set of wanted groups does.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.wanted.subscribe()
    }

    /// Returns the groups that have sockets.
    pub(super) fn wanted(&self) -> Vec<String> {
        self.lock().groups.keys().cloned().collect()
    }

    /// Notes whether the layer has joined groups.
    pub(super) fn set_joined<'a>(&self, groups: impl IntoIterator<Item = &'a String>, is_joined: bool) {
        let mut state = self.lock();
        for name in groups {
            if let Some(group) = state.groups.get_mut(name) {
                group.is_joined = is_joined;
            }
        }
        drop(state);
        self.joined.send_replace(());
    }

    /// Passes a message on to the sockets of a group. Frames are made without the lock, which every socket needs.
    pub(super) fn deliver(&self, group: &str, message: &Value) {
        let profiles: Vec<Arc<RoomProfile>> = match self.lock().groups.get(group) {
            Some(group) => group.rooms.iter().map(|room| room.profile.clone()).collect(),
            None => return,
        };
        let frames: Vec<Option<Bytes>> = profiles.iter().map(|room| self.frame(room, message)).collect();
        let state = self.lock();
        let Some(group) = state.groups.get(group) else { return };
        for (profile, frame) in profiles.iter().zip(&frames) {
            let Some(frame) = frame else { continue };
            let room = group.rooms.iter().find(|room| Arc::ptr_eq(&room.profile, profile));
            for send_queue in room.iter().flat_map(|room| room.sockets.values()) {
                send_queue.push(frame, &self.limits);
            }
        }
    }

    /// Returns the frame that a message becomes in a room.
    fn frame(&self, room: &RoomProfile, message: &Value) -> Option<Bytes> {
        let Some(kind) = message.get("type").and_then(Value::as_text) else {
            self.metrics.bridge_dropped("no_type");
            return None;
        };
        if !room.types.is_empty() && !room.types.iter().any(|known| known == kind) {
            return None;
        }
        let text = match (&room.frame, message) {
            (FramePart::WithoutType, Value::Map(entries)) => {
                let is_other = |(key, _): &&(MapKey, Value)| !key.is("type");
                json::encode(&Value::Map(entries.iter().filter(is_other).cloned().collect()))
            }
            (FramePart::Field(name), message) => match message.get(name) {
                // A consumer that unwraps text has already written its frame.
                Some(Value::Text(text)) => Ok(text.clone()),
                Some(value) => json::encode(value),
                None => {
                    self.metrics.bridge_dropped("no_field");
                    return None;
                }
            },
            (_, message) => json::encode(message),
        };
        match text {
            Ok(text) if text.len() <= self.limits.connection_queue_bytes_max as usize => Some(text.into()),
            Ok(_) => {
                self.metrics.bridge_dropped("too_large");
                None
            }
            Err(cause) => {
                debug!(%cause, "a message of a group is no frame");
                self.metrics.bridge_dropped("not_json");
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, GroupsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        let mut state = self.groups.lock();
        let Some(group) = state.groups.get_mut(&self.group) else { return };
        if let Some(at) = group.rooms.iter().position(|room| Arc::ptr_eq(&room.profile, &self.room)) {
            group.rooms[at].sockets.remove(&self.id);
            if group.rooms[at].sockets.is_empty() {
                group.rooms.swap_remove(at);
            }
        }
        let is_empty = group.rooms.is_empty();
        if is_empty {
            state.groups.remove(&self.group);
        }
        drop(state);
        if is_empty {
            self.groups.wanted.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn room(frame: &str) -> Arc<RoomProfile> {
        let keys = format!("path = \"ws/a/\"\ngroup = \"a\"\njoin = \"everyone\"\n{frame}");
        Arc::new(toml::from_str(&keys).expect("a room"))
    }

    fn frames(room_keys: &str, message: &str) -> Vec<String> {
        let groups = Groups::new(Config::default().limits, Arc::new(Metrics::new()));
        let send_queue = Arc::new(SendQueue::default());
        let _member = groups.add("a".to_owned(), room(room_keys), send_queue.clone());
        groups.deliver("a", &json::decode(message.as_bytes()).expect("JSON"));
        groups.deliver("b", &json::decode(message.as_bytes()).expect("JSON"));
        let texts = send_queue.take_ready().into_iter().map(|frame| String::from_utf8(frame.to_vec()).expect("text"));
        texts.collect()
    }

    #[test]
    fn a_message_becomes_the_frame_that_its_room_declares() {
        let message = r#"{"type": "codes.changed", "data": {"id": 7}, "by": "é"}"#;
        for (keys, expected) in [
            ("", &[r#"{"type": "codes.changed", "data": {"id": 7}, "by": "\u00e9"}"#][..]),
            ("frame = \"without_type\"", &[r#"{"data": {"id": 7}, "by": "\u00e9"}"#]),
            ("frame = { field = \"data\" }", &[r#"{"id": 7}"#]),
            ("frame = { field = \"by\" }", &["é"]),
            ("frame = { field = \"absent\" }", &[]),
            ("types = [\"codes.changed\"]", &[r#"{"type": "codes.changed", "data": {"id": 7}, "by": "\u00e9"}"#]),
            ("types = [\"codes.removed\"]", &[]),
        ] {
            assert_eq!(frames(keys, message), expected, "{keys}");
        }
        assert_eq!(frames("", r#"{"data": 1}"#), [""; 0], "a message without a type");
        assert_eq!(frames("", r#"{"type": 5}"#), [""; 0], "a type that is no text");
    }

    #[tokio::test]
    async fn a_group_is_wanted_while_it_has_sockets() {
        let groups = Groups::new(Config::default().limits, Arc::new(Metrics::new()));
        let one = groups.add("a".to_owned(), room(""), Arc::default());
        let two = groups.add("a".to_owned(), room(""), Arc::default());
        let mut changes = groups.changes();
        drop(one);
        assert_eq!(groups.wanted(), ["a"]);
        assert!(!changes.has_changed().expect("open"));
        drop(two);
        assert!(groups.wanted().is_empty() && changes.has_changed().expect("open"));
        changes.mark_unchanged();
        let _three = groups.add("a".to_owned(), room(""), Arc::default());
        groups.until_joined("a", Duration::ZERO).await;
        groups.set_joined([&"a".to_owned()], true);
        groups.until_joined("a", Duration::from_mins(10)).await;
    }
}
