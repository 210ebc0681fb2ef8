//! Identifiers: integers from 1 to 2^53 − 1, which a JavaScript number represents exactly.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// The largest identifier: JavaScript's `Number.MAX_SAFE_INTEGER`.
pub const ID_MAX: i64 = (1 << 53) - 1;

fn integer<'de, D: Deserializer<'de>>(deserializer: D, least: i64) -> Result<i64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    if (least..=ID_MAX).contains(&number) {
        Ok(number)
    } else {
        Err(de::Error::custom(format_args!("expected a whole number from {least} to {ID_MAX}")))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident from $least:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = i64, minimum = $least, maximum = 9_007_199_254_740_991_i64)]
        pub struct $name(pub i64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                integer(deserializer, $least).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Decimal digits only: no sign, no space.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(InvalidId);
                }
                let number = text.parse().map_err(|_| InvalidId)?;
                if ($least..=ID_MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidId) }
            }
        }
    };
}

number! {
    /// A user.
    UserId from 1
}
number! {
    /// A conversation, direct or group.
    ConversationId from 1
}
number! {
    /// A message: the version that created it.
    MessageId from 1
}
number! {
    /// A file: an upload, and the attachment it becomes.
    FileId from 1
}
number! {
    /// A session.
    SessionId from 1
}
number! {
    /// A report of a message: the version that created it.
    ReportId from 1
}
number! {
    /// A message's position in its conversation: 1, 2, 3, without gaps. In a marker, 0 means "none yet".
    Seq from 0
}
number! {
    /// The number of a change; 0 is before every change.
    Version from 0
}
number! {
    /// A random number drawn at each start of a server on a database.
    Epoch from 1
}

/// The text or number is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected a whole number up to {ID_MAX}")
    }
}

impl std::error::Error for InvalidId {}

/// What a version belongs to: `conversation:12` or `user:7` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A conversation, as its members see it.
    Conversation(ConversationId),
    /// What only this user sees.
    User(UserId),
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(id) => write!(formatter, "conversation:{id}"),
            Self::User(id) => write!(formatter, "user:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            Some(("conversation", id)) => id.parse().map(Self::Conversation),
            Some(("user", id)) => id.parse().map(Self::User),
            _ => Err(InvalidId),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_out_of_range_are_refused() {
        for text in ["0", "-1", "9007199254740992", "1.5", "1e3", "\"1\"", "null", "99999999999999999999"] {
            assert!(serde_json::from_str::<UserId>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<UserId>("9007199254740991").expect("the largest"), UserId(ID_MAX));
        assert_eq!(serde_json::from_str::<Seq>("0").expect("a marker may be 0"), Seq(0));
        assert!(" 1".parse::<UserId>().is_err() && "+1".parse::<UserId>().is_err() && "".parse::<UserId>().is_err());
    }

    #[test]
    fn a_scope_round_trips() {
        for scope in [Scope::Conversation(ConversationId(12)), Scope::User(UserId(7))] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!("room:1".parse::<Scope>().is_err() && "user:".parse::<Scope>().is_err());
    }
}
