//! The cursor: how far a client's state is known to equal the store.

use crate::ids::{Epoch, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// `epoch.version`. Clients keep it and hand it back; the version is all that they read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The newest start of a server when this cursor was given out.
    pub epoch: Epoch,
    /// Every change up to this one is in the client's state.
    pub version: Version,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.version)
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACursor;

impl fmt::Display for NotACursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a cursor is expected, as the server gave it out")
    }
}

impl std::error::Error for NotACursor {}

impl FromStr for Cursor {
    type Err = NotACursor;
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (epoch, version) = text.split_once('.').ok_or(NotACursor)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| NotACursor)?, version: version.parse().map_err(|_| NotACursor)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Reads a cursor that a client hands back. A text that is no cursor of any server is read as none: both are answered
/// with `reset`, so that a client whose copy was damaged loads anew instead of being refused for ever.
pub fn handed_back<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cursor>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_back_damaged_is_as_good_as_none() {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "handed_back")]
            cursor: Option<Cursor>,
        }
        let read = |text: &str| serde_json::from_str::<Page>(text).map(|page| page.cursor);
        assert_eq!(read(r#"{"cursor": "81.9"}"#).ok(), Some(Some(Cursor { epoch: Epoch(81), version: Version(9) })));
        for text in
            ["{}", r#"{"cursor": null}"#, r#"{"cursor": ""}"#, r#"{"cursor": "81."}"#, r#"{"cursor": "\u0000"}"#]
        {
            assert_eq!(read(text).ok(), Some(None), "{text}");
        }
        assert!(read(r#"{"cursor": 81.9}"#).is_err(), "no text at all");
    }

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        let cursor = Cursor { epoch: Epoch(81), version: Version(9) };
        assert_eq!(cursor.to_string(), "81.9");
        assert_eq!("81.9".parse(), Ok(cursor));
        for text in ["", ".", "81", "81.", ".9", "0.9", "81.-9", "81.9.1", " 81.9", "81.9007199254740992", "a.b"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
