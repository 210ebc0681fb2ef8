//! Profiles: a profile declares one web application beside Parlor, its tables and its old sockets, so that nothing
//! about an application is code. Two are compiled in; another one is a file.
//!
//! Invariant: an unknown key, a wrong type and an unknown placeholder are refused with the file and the line.
//! Absent on purpose: users and sessions of the application, which are the configuration's (`[django]`), and secrets.

pub mod frame_template;
pub mod path_template;
pub mod rooms;
pub mod sockets;
pub mod tables;
pub mod template;
pub mod write_rule;
pub mod write_view;

use rooms::{GroupEvent, RoomProfile, RoomsFile};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use sockets::SocketProfile;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tables::{AttachmentTable, ContextTable, MessageTable};

/// The profiles that are compiled in: their names and texts.
const BUILT_IN: [(&str, &str); 2] = [
    ("findit", include_str!("../../../../compat/findit.toml")),
    ("accounting", include_str!("../../../../compat/accounting.toml")),
];

/// What Parlor knows about one application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The IANA time zone in which the application writes times to its pages, such as `Asia/Manila`.
    #[serde(deserialize_with = "time_zone")]
    pub time_zone: String,
    /// The folder of its uploaded files, from which `parlor import` copies.
    pub media_root: Option<PathBuf>,
    /// Its messages.
    pub messages: MessageTable,
    /// Its files of messages, if they are in a table of their own.
    pub attachments: Option<AttachmentTable>,
    /// What its messages are about.
    pub context: Option<ContextTable>,
    /// Its sockets.
    #[serde(default)]
    pub sockets: Vec<SocketProfile>,
    /// Its broadcast rooms.
    #[serde(default)]
    pub rooms: Vec<RoomProfile>,
    /// What is sent to groups of its channel layer.
    #[serde(default)]
    pub group_events: Vec<GroupEvent>,
}

/// A profile that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such file.
    #[error("compat.profile: {path}: {cause}")]
    Unreadable {
        /// The path.
        path: String,
        /// The reason.
        cause: std::io::Error,
    },
    /// There is no such file of rooms.
    #[error("bridge.rooms: {path}: {cause}")]
    UnreadableRooms {
        /// The path.
        path: String,
        /// The reason.
        cause: std::io::Error,
    },
    /// Its content is wrong.
    #[error("{file}:{line}: {message}")]
    Invalid {
        /// The name of the file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl Profile {
    /// Reads a profile by its name, or by the path of a file. The names of those compiled in come first.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(&format!("compat/{name}.toml"), text);
        }
        let text = fs::read_to_string(Path::new(name));
        let text = text.map_err(|cause| ProfileError::Unreadable { path: name.to_owned(), cause })?;
        Self::parse(name, &text)
    }

    /// Reads the text of a profile. `file` is the name that errors show.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        parse(file, text)
    }
}

impl RoomsFile {
    /// Reads a file of rooms.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => parse(&name, &text),
            Err(cause) => Err(ProfileError::UnreadableRooms { path: name, cause }),
        }
    }
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ProfileError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.get(..start).map_or(0, |before| before.matches('\n').count()) + 1;
        ProfileError::Invalid { file: file.to_owned(), line, message: error.message().to_owned() }
    })
}

fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    match jiff::tz::TimeZone::get(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(de::Error::custom(format_args!("{name:?} is no time zone of the IANA database"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = \"x\"\ntime_zone = \"UTC\"\n\n[messages]\ntable = \"m\"\nid = \"id\"\nsender = \"a\"\n\
                         recipient = \"b\"\ntext = \"t\"\ncreated_at = \"c\"\nis_read = \"r\"\n";

    fn error(text: &str) -> String {
        Profile::parse("my.toml", text).expect_err("something is wrong with it").to_string()
    }

    #[test]
    fn the_profiles_that_are_compiled_in_are_valid() {
        for (name, _) in BUILT_IN {
            assert_eq!(Profile::load(name).expect("a valid profile").name, name);
        }
        let findit = Profile::load("findit").expect("a valid profile");
        assert_eq!(findit.messages.table, "FindIt_message");
        assert_eq!(findit.messages.context.as_deref(), Some("item_id"));
        let accounting = Profile::load("accounting").expect("a valid profile");
        assert!(accounting.context.is_none() && accounting.attachments.is_some());
        let paths: Vec<_> = accounting.rooms.iter().map(|room| room.path.as_str()).collect();
        assert_eq!(paths, ["/ws/account-codes/", "/ws/journal-codes/"]);
    }

    #[test]
    fn a_small_profile_is_enough() {
        let profile = Profile::parse("my.toml", SMALL).expect("a valid profile");
        assert!(profile.attachments.is_none() && profile.context.is_none() && profile.sockets.is_empty());
        assert_eq!(profile.messages.columns(), ["id", "a", "b", "t", "c", "r"]);
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let unknown = error(&SMALL.replace("is_read =", "is_red ="));
        assert!(unknown.starts_with("my.toml:11: unknown field `is_red`"), "{unknown}");
        let zone = error(&SMALL.replace("UTC", "Mars/Olympus"));
        assert!(zone.starts_with("my.toml:2: \"Mars/Olympus\""), "{zone}");
        let placeholder = error(&format!("{SMALL}image = \"i\"\nimage_url = \"/media/{{path}}\"\n"));
        assert!(placeholder.starts_with("my.toml:13: {path}"), "{placeholder}");
        assert!(error(&SMALL.replace("id = \"id\"", "id = 5")).starts_with("my.toml:6: "));
        assert!(error("name = \n").starts_with("my.toml:1: "));
        let absent = Profile::load("/there/is/no/such/file.toml").expect_err("no file").to_string();
        assert!(absent.contains("/there/is/no/such/file.toml"), "{absent}");
    }
}
