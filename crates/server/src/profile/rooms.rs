//! The broadcast rooms of an application, and what its own consumers are sent, as its profile declares them. Both use
//! the bridge to the application's channel layer.

use super::template::Template;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The names by which a group event may call its group.
const GROUP_NAMES: [&str; 5] = ["sender.id", "sender.login", "recipient.id", "recipient.login", "context"];

/// A kind of socket on which users receive what the application sends to a group. They send nothing.
#[derive(Clone, Debug)]
pub struct RoomProfile {
    /// Its path, such as `/ws/account-codes/`. A name in braces stands for one part of the path.
    pub path: String,
    /// The group, such as `account_code_updates`. Names of the path may stand in it, in braces.
    pub group: Template,
    /// Who may join.
    pub join: WhoMayJoin,
    /// The types of messages that become frames. Empty: every type.
    pub types: Vec<String>,
    /// Which part of a message is the frame.
    pub frame: FramePart,
    /// A frame of a page that has these fields is answered with `pong`.
    pub ping: Option<Map<String, Value>>,
    /// The answer to `ping`.
    pub pong: Option<Map<String, Value>>,
}

/// Who may join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoMayJoin {
    /// Users who are signed in.
    SignedIn,
    /// Everyone, on pages of this site.
    Everyone,
}

/// Which part of a message is the frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FramePart {
    /// All of it.
    #[default]
    Message,
    /// All but its `type`.
    WithoutType,
    /// The value of one field.
    Field(String),
}

/// A message that is sent to a group of the application when something happens in Parlor.
#[derive(Clone, Debug)]
pub struct GroupEvent {
    /// What happens.
    pub on: HostEvent,
    /// The group. A name in braces is a field of the message's row, such as `{recipient.id}`.
    pub group: Template,
    /// The `type`, for which the application's consumers must have a method.
    pub kind: String,
    /// The field that holds all others, if they are not beside `type`.
    pub under: Option<String>,
    /// The fields, each with the path of a field of the message's row. Empty: the whole row.
    pub fields: BTreeMap<String, String>,
}

/// A file that declares rooms for a site without a message table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomsFile {
    /// Its rooms.
    #[serde(default)]
    pub rooms: Vec<RoomProfile>,
    /// What is sent to groups.
    #[serde(default)]
    pub group_events: Vec<GroupEvent>,
}

/// What may be sent to groups of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostEvent {
    /// A row of the message table is new.
    NewMessage,
}

impl RoomProfile {
    /// Returns the names of its path with their values in this one; none if it is the path of something else.
    #[must_use]
    pub fn matches<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        if self.path.split('/').count() != path.split('/').count() {
            return None;
        }
        let mut values = Vec::new();
        for (declared, found) in self.path.split('/').zip(path.split('/')) {
            match declared.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !found.is_empty() && is_plain(found) => values.push((name, found)),
                None if declared == found => {}
                _ => return None,
            }
        }
        Some(values)
    }
}

impl GroupEvent {
    /// Returns the names that its group may have in braces, each a path into the row of a message.
    #[must_use]
    pub fn group_names() -> &'static [&'static str] {
        &GROUP_NAMES
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomKeys {
    /// As Django writes it, without the first `/`.
    path: String,
    group: String,
    join: WhoMayJoin,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    frame: FramePart,
    ping: Option<Map<String, Value>>,
    pong: Option<Map<String, Value>>,
}

impl<'de> Deserialize<'de> for RoomProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = RoomKeys::deserialize(deserializer)?;
        let names = path_names(&keys.path).map_err(de::Error::custom)?;
        let group = Template::parse(&keys.group, &names).map_err(de::Error::custom)?;
        if keys.ping.is_some() != keys.pong.is_some() {
            return Err(de::Error::custom("`ping` and `pong` belong together"));
        }
        Ok(Self {
            group,
            path: format!("/{}", keys.path),
            join: keys.join,
            types: keys.types,
            frame: keys.frame,
            ping: keys.ping,
            pong: keys.pong,
        })
    }
}

/// Returns the names in braces of a path, each of which is a whole part of it.
fn path_names(path: &str) -> Result<Vec<&str>, String> {
    if path.starts_with('/') {
        return Err(format!("the path {path:?} begins with /, which is not written here"));
    }
    let mut names = Vec::new();
    for part in path.split('/') {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) if !name.is_empty() && is_plain(name) && !names.contains(&name) => {
                names.push(name);
            }
            None if is_plain(part) => {}
            _ => return Err(format!("the path {path:?} has a part {part:?} that is not allowed")),
        }
    }
    Ok(names)
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupEventKeys {
    on: HostEvent,
    group: String,
    #[serde(rename = "type")]
    kind: String,
    under: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for GroupEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = GroupEventKeys::deserialize(deserializer)?;
        let group = Template::parse(&keys.group, &GROUP_NAMES).map_err(de::Error::custom)?;
        // Channels calls the method of this name, with `_` for `.`, and refuses a leading underscore.
        let is_method = keys.kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
        if keys.kind.is_empty() || keys.kind.starts_with(['_', '.']) || !is_method {
            return Err(de::Error::custom(format_args!("{:?} is no type that a consumer can have", keys.kind)));
        }
        Ok(Self { on: keys.on, group, kind: keys.kind, under: keys.under, fields: keys.fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(keys: &str) -> Result<RoomProfile, String> {
        toml::from_str(keys).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_room_is_declared_in_a_few_lines() {
        let found = room(
            "path = \"ws/auctions/{id}/\"\ngroup = \"auction_{id}\"\njoin = \"signed_in\"\n\
                          frame = { field = \"data\" }\nping = { type = \"ping\" }\npong = { type = \"pong\" }\n",
        );
        let found = found.expect("a room");
        assert_eq!(found.group.text(&[("id", "7")]), "auction_7");
        assert_eq!((found.join, found.frame), (WhoMayJoin::SignedIn, FramePart::Field("data".to_owned())));
        let short = room("path = \"ws/a/\"\ngroup = \"a\"\njoin = \"everyone\"\n").expect("a room");
        assert_eq!((short.frame, short.types), (FramePart::Message, vec![]));
    }

    #[test]
    fn a_path_is_matched_part_by_part() {
        let found = room("path = \"ws/auctions/{id}/\"\ngroup = \"auction_{id}\"\njoin = \"everyone\"\n");
        let found = found.expect("a room");
        assert_eq!(found.matches("/ws/auctions/7/"), Some(vec![("id", "7")]));
        for other in ["/ws/auctions/7", "/ws/auctions//", "/ws/auctions/7/8/", "/ws/auctions/a:b/", "/ws/a/7/", "/"] {
            assert_eq!(found.matches(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_room_cannot_have_is_refused() {
        for (keys, why) in [
            ("path = \"/ws/a/\"\ngroup = \"a\"\njoin = \"everyone\"\n", "begins with /"),
            ("path = \"ws/{a\"\ngroup = \"a\"\njoin = \"everyone\"\n", "not allowed"),
            ("path = \"ws/{a}/{a}\"\ngroup = \"a\"\njoin = \"everyone\"\n", "not allowed"),
            ("path = \"ws/a\"\ngroup = \"a_{id}\"\njoin = \"everyone\"\n", "{id} is not known"),
            ("path = \"ws/a\"\ngroup = \"a\"\njoin = \"nobody\"\n", "unknown variant `nobody`"),
            ("path = \"ws/a\"\ngroup = \"a\"\n", "missing field `join`"),
            ("path = \"ws/a\"\ngroup = \"a\"\njoin = \"everyone\"\nframes = \"x\"\n", "unknown field `frames`"),
            ("path = \"ws/a\"\ngroup = \"a\"\njoin = \"everyone\"\nping = {}\n", "belong together"),
        ] {
            let error = room(keys).expect_err(keys);
            assert!(error.contains(why), "{keys}: {error}");
        }
    }

    #[test]
    fn a_group_event_has_a_type_that_a_consumer_can_have() {
        let event = |kind: &str| {
            let keys = format!("on = \"new_message\"\ngroup = \"user_{{recipient.id}}_messages\"\ntype = \"{kind}\"\n");
            toml::from_str::<GroupEvent>(&keys).is_ok()
        };
        assert!(event("new_message") && event("chat.message"));
        for kind in ["", "_secret", ".x", "new message", "new-message"] {
            assert!(!event(kind), "{kind:?}");
        }
    }
}
