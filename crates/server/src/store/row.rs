//! A row of a result, from either database.

use super::{Result, StoreError};
use rusqlite::types::ValueRef;
use sqlx::{Row as _, postgres::PgRow};

/// The driver's own row, from which columns are read.
#[derive(Clone, Copy)]
pub(crate) enum Row<'row> {
    Sqlite(&'row rusqlite::Row<'row>),
    Postgres(&'row PgRow),
}

/// A type that a column can be read as.
pub(crate) trait Column: Sized {
    /// Reads the column at a position.
    fn read(row: Row<'_>, position: usize) -> Result<Self>;
}

fn bad_column(position: usize, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("column {position}: {what}"))
}

impl Column for Option<i64> {
    fn read(row: Row<'_>, position: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row) => match row.get_ref(position)? {
                ValueRef::Null => Ok(None),
                ValueRef::Integer(number) => Ok(Some(number)),
                other => Err(bad_column(position, other.data_type())),
            },
            // Integers of any width.
            Row::Postgres(row) => row.try_get_unchecked(position).map_err(|error| bad_column(position, error)),
        }
    }
}

impl Column for Option<String> {
    fn read(row: Row<'_>, position: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row) => match row.get_ref(position)? {
                ValueRef::Null => Ok(None),
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text).map_err(|error| bad_column(position, error))?;
                    Ok(Some(text.to_owned()))
                }
                other => Err(bad_column(position, other.data_type())),
            },
            Row::Postgres(row) => row.try_get_unchecked(position).map_err(|error| bad_column(position, error)),
        }
    }
}

impl Column for Option<Vec<u8>> {
    fn read(row: Row<'_>, position: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row) => match row.get_ref(position)? {
                ValueRef::Null => Ok(None),
                ValueRef::Blob(bytes) => Ok(Some(bytes.to_owned())),
                other => Err(bad_column(position, other.data_type())),
            },
            Row::Postgres(row) => row.try_get_unchecked(position).map_err(|error| bad_column(position, error)),
        }
    }
}

macro_rules! impl_non_null {
    ($($kind:ty),+) => {
        $(impl Column for $kind {
            fn read(row: Row<'_>, position: usize) -> Result<Self> {
                Option::<$kind>::read(row, position)?.ok_or_else(|| bad_column(position, "it is null"))
            }
        })+
    };
}
impl_non_null!(i64, String, Vec<u8>);

/// Reads a column by its position.
pub(crate) fn column<T: Column>(row: Row<'_>, position: usize) -> Result<T> {
    T::read(row, position)
}
