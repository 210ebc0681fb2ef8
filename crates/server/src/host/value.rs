//! Values and rows of the host's database, the same for all three databases.

use super::{error::HostError, time};

/// A value of the host's database.
#[derive(Clone, Debug, PartialEq)]
pub enum HostValue {
    /// NULL.
    Null,
    /// A truth value; SQLite stores 0 or 1.
    Boolean(bool),
    /// An integer of any width.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A text. A UUID of PostgreSQL is one with dashes.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A point in time in milliseconds since 1970, UTC. Written to SQLite as Django does:
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`, and read from there as a text.
    Time(i64),
}

impl HostValue {
    /// Returns what kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a truth value",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Time(_) => "a time",
        }
    }
}

impl From<i64> for HostValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for HostValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for HostValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for HostValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<HostValue>> From<Option<T>> for HostValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of the host's database. Columns are numbered from 0. A value that cannot be read is an error of its column
/// only: a database may have anything in a row, and the other rows are read all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRow(pub(super) Vec<Result<HostValue, HostError>>);

impl HostRow {
    /// Returns a column as it is.
    pub fn value(&self, column: usize) -> Result<&HostValue, HostError> {
        match self.0.get(column) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(error.clone()),
            None => Err(HostError::Unexpected(format!("there is no column {column}"))),
        }
    }

    /// Returns whether a column is NULL.
    pub fn is_null(&self, column: usize) -> Result<bool, HostError> {
        Ok(*self.value(column)? == HostValue::Null)
    }

    /// Reads an integer; a truth value is 0 or 1.
    pub fn integer(&self, column: usize) -> Result<i64, HostError> {
        self.required(column, "an integer", self.optional_integer(column)?)
    }

    /// Reads an integer that may be NULL.
    pub fn optional_integer(&self, column: usize) -> Result<Option<i64>, HostError> {
        match self.value(column)? {
            HostValue::Null => Ok(None),
            HostValue::Integer(number) => Ok(Some(*number)),
            HostValue::Boolean(yes) => Ok(Some(i64::from(*yes))),
            other => Err(unexpected(column, "an integer", other)),
        }
    }

    /// Reads a text. Integers are written in decimal, so that an id of any type can be read.
    pub fn text(&self, column: usize) -> Result<String, HostError> {
        self.required(column, "a text", self.optional_text(column)?)
    }

    /// Reads a text that may be NULL. MySQL reports a text with a binary collation, such as `utf8mb4_bin`, as bytes.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>, HostError> {
        match self.value(column)? {
            HostValue::Null => Ok(None),
            HostValue::Text(text) => Ok(Some(text.clone())),
            HostValue::Integer(number) => Ok(Some(number.to_string())),
            HostValue::Bytes(bytes) if str::from_utf8(bytes).is_ok() => {
                Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
            }
            other => Err(unexpected(column, "a text", other)),
        }
    }

    /// Reads a truth value; an integer is true unless it is 0.
    pub fn boolean(&self, column: usize) -> Result<bool, HostError> {
        match self.value(column)? {
            HostValue::Boolean(yes) => Ok(*yes),
            HostValue::Integer(number) => Ok(*number != 0),
            other => Err(unexpected(column, "a truth value", other)),
        }
    }

    /// Reads a point in time, in milliseconds since 1970. A time without a zone is UTC.
    pub fn time_ms(&self, column: usize) -> Result<i64, HostError> {
        self.required(column, "a time", self.optional_time_ms(column)?)
    }

    /// Reads a point in time that may be NULL.
    pub fn optional_time_ms(&self, column: usize) -> Result<Option<i64>, HostError> {
        match self.value(column)? {
            HostValue::Null => Ok(None),
            HostValue::Time(ms) => Ok(Some(*ms)),
            HostValue::Text(text) => {
                time::parse(text).map(Some).ok_or_else(|| unexpected(column, "a time", &HostValue::Text(String::new())))
            }
            other => Err(unexpected(column, "a time", other)),
        }
    }

    #[expect(clippy::unused_self, reason = "it reads as the other methods do")]
    fn required<T>(&self, column: usize, expected: &str, value: Option<T>) -> Result<T, HostError> {
        value.ok_or_else(|| unexpected(column, expected, &HostValue::Null))
    }
}

fn unexpected(column: usize, expected: &str, found: &HostValue) -> HostError {
    HostError::Unexpected(format!("column {column} is {}, not {expected}", found.kind()))
}
