//! Fields of a change that names only what becomes different: what is absent stays.

use serde::{Deserialize, Deserializer};

/// A field that may be absent, but not null: it has nothing to clear.
///
/// # Errors
/// Null, or another type.
pub fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A field that may be absent, and that null clears.
///
/// # Errors
/// Another type.
pub fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
