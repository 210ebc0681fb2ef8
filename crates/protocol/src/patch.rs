//! Deserializers for partial updates, in which absent fields stay as they are.

use serde::{Deserialize, Deserializer};

/// Reads a field that may be absent, but not null.
///
/// # Errors
/// It is null or of another type.
pub fn non_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that may be absent, and that null clears.
///
/// # Errors
/// It is of another type.
pub fn clearable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
