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

#[cfg(test)]
mod tests {
    use super::*;

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
