//! The cursor: the version up to which a client's state is known to equal the store.

use crate::ids::{Epoch, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// `epoch.version`. Clients store it and send it back; they may read nothing but the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch of the database when this cursor was issued.
    pub epoch: Epoch,
    /// The client's state includes every change up to this version.
    pub version: Version,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.version)
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected a cursor as issued by the server")
    }
}

impl std::error::Error for InvalidCursor {}

impl FromStr for Cursor {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (epoch, version) = text.split_once('.').ok_or(InvalidCursor)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| InvalidCursor)?,
            version: version.parse().map_err(|_| InvalidCursor)?,
        })
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

/// Reads a cursor sent by a client. A text that is not a cursor counts as absent: both are answered with `reset`, so
/// that a client whose stored cursor is damaged reloads instead of being refused forever.
pub fn deserialize_lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cursor>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_cursor_counts_as_absent() {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "deserialize_lenient")]
            cursor: Option<Cursor>,
        }
        let read = |text: &str| serde_json::from_str::<Page>(text).map(|page| page.cursor);
        assert_eq!(read(r#"{"cursor": "81.9"}"#).ok(), Some(Some(Cursor { epoch: Epoch(81), version: Version(9) })));
        for text in
            ["{}", r#"{"cursor": null}"#, r#"{"cursor": ""}"#, r#"{"cursor": "81."}"#, r#"{"cursor": "\u0000"}"#]
        {
            assert_eq!(read(text).ok(), Some(None), "{text}");
        }
        assert!(read(r#"{"cursor": 81.9}"#).is_err(), "not a string");
    }

    #[test]
    fn a_cursor_round_trips_and_other_texts_are_refused() {
        let cursor = Cursor { epoch: Epoch(81), version: Version(9) };
        assert_eq!(cursor.to_string(), "81.9");
        assert_eq!("81.9".parse(), Ok(cursor));
        for text in ["", ".", "81", "81.", ".9", "0.9", "81.-9", "81.9.1", " 81.9", "81.9007199254740992", "a.b"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
