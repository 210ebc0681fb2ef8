//! Rows as parameters: `WITH v(a, b) AS (VALUES ($1, $2), …)`, padded to powers of two with rows of NULL, so
//! that a statement has few forms, each prepared once. NULL matches nothing; inserts leave such rows out.
//!
//! SQLite is given `?` instead of `$1`: it keeps the names of numbered parameters in a list that it walks for each of
//! them, at parsing and again at binding, so that thousands of them cost the square of their number.

use super::{
    Result,
    connection::{Connection, Row},
};
use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};
use std::borrow::Cow;

/// One parameter.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Bytes(Option<Cow<'a, [u8]>>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(Cow::Owned(value)))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(Cow::Owned))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(value: &'a Option<String>) -> Self {
        Self::Text(value.as_deref().map(Cow::Borrowed))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Some(Cow::Borrowed(value)))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(Cow::Owned(value)))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(Some(number)) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        }))
    }
}

impl Value<'_> {
    fn null(&self) -> Self {
        match self {
            Self::Int(_) => Self::Int(None),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) => Self::Bytes(None),
        }
    }
}

/// A table of parameters named `v`.
#[derive(Clone, Debug)]
pub(crate) struct Values<'a, const COLUMNS: usize> {
    names: [&'static str; COLUMNS],
    values: Vec<Value<'a>>,
}

impl<'a, const COLUMNS: usize> Values<'a, COLUMNS> {
    /// An empty table.
    pub(crate) fn new(names: [&'static str; COLUMNS]) -> Self {
        Self { names, values: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [Value<'a>; COLUMNS]) {
        self.values.extend(row);
    }

    /// Nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Runs the statement, if there is a row.
    pub(crate) fn execute(&mut self, connection: &mut Connection, rest: &str) -> Result<()> {
        self.run(connection, rest, |connection, sql, values| connection.execute(sql, values).map(drop))
    }

    /// Hands each of the statement's rows to `take`; none if there is no row to ask for.
    pub(crate) fn each(
        &mut self,
        connection: &mut Connection,
        rest: &str,
        mut take: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.run(connection, rest, |connection, sql, values| {
            connection.each(sql, values, |row| take(row).map(|()| true))
        })
    }

    /// What `read` makes of the statement's rows.
    pub(crate) fn query<T>(
        &mut self,
        connection: &mut Connection,
        rest: &str,
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(connection, rest, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    fn run(
        &mut self,
        connection: &mut Connection,
        rest: &str,
        mut statement: impl FnMut(&mut Connection, &str, &[Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.pad();
        let marks = if connection.is_sqlite() { Marks::Bare } else { Marks::Numbered };
        for chunk in self.values.chunks(rows_max(COLUMNS) * COLUMNS) {
            statement(connection, &text(marks, &self.names, chunk.len() / COLUMNS, rest), chunk)?;
        }
        Ok(())
    }

    /// Fills the last statement's rows up to a power of two.
    fn pad(&mut self) {
        let rest = (self.values.len() / COLUMNS) % rows_max(COLUMNS);
        if rest == 0 {
            return;
        }
        for _ in rest..rest.next_power_of_two() {
            for column in 0..COLUMNS {
                let null = self.values[column].null();
                self.values.push(null);
            }
        }
    }
}

/// Rows of so many columns that one statement takes: a power of two. SQLite takes 32,766 parameters, PostgreSQL
/// 65,535. Only the largest groups need more than one statement.
const fn rows_max(columns: usize) -> usize {
    let most = 32_766 / columns;
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

/// How parameters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// `?`, for SQLite.
    Bare,
    /// `$1`, for PostgreSQL.
    Numbered,
}

/// Whether a statement's parameters are numbered.
pub(super) fn is_numbered(sql: &str) -> bool {
    sql.contains('$')
}

/// `WITH v(…) AS (VALUES …)` before `rest`, which has no parameters of its own.
fn text<const COLUMNS: usize>(marks: Marks, names: &[&str; COLUMNS], rows: usize, rest: &str) -> String {
    let mut sql = String::with_capacity(64 + rest.len() + rows * COLUMNS * if marks == Marks::Bare { 4 } else { 8 });
    sql.push_str("WITH v(");
    sql.push_str(&names.join(", "));
    sql.push_str(") AS (VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..COLUMNS {
            if column > 0 {
                sql.push_str(", ");
            }
            match marks {
                Marks::Bare => sql.push('?'),
                Marks::Numbered => {
                    sql.push('$');
                    sql.push_str(&(row * COLUMNS + column + 1).to_string());
                }
            }
        }
        sql.push(')');
    }
    sql.push_str(") ");
    sql.push_str(rest);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_to_a_power_of_two() {
        let mut values = Values::new(["a", "b"]);
        for number in 1..=3 {
            values.push([number.into(), "text".into()]);
        }
        values.pad();
        assert_eq!(values.values.len(), 8);
        assert!(matches!(values.values[6..], [Value::Int(None), Value::Text(None)]));
        values.pad();
        assert_eq!(values.values.len(), 8, "padded once");
        let numbered = "WITH v(a, b) AS (VALUES ($1, $2), ($3, $4)) SELECT 1";
        assert_eq!(text(Marks::Numbered, &["a", "b"], 2, "SELECT 1"), numbered);
        assert_eq!(text(Marks::Bare, &["a", "b"], 2, "SELECT 1"), "WITH v(a, b) AS (VALUES (?, ?), (?, ?)) SELECT 1");
    }

    #[test]
    fn a_statement_stays_within_the_parameters_of_both_databases() {
        for columns in 1..=16 {
            let rows = rows_max(columns);
            assert!(rows.is_power_of_two() && rows * columns <= 32_766 && rows * columns * 2 > 16_383, "{columns}");
        }
        let mut values = Values::new(["a"]);
        for number in 0..70_000 {
            values.push([number.into()]);
        }
        values.pad();
        let chunks: Vec<usize> = values.values.chunks(rows_max(1)).map(<[_]>::len).collect();
        assert_eq!(chunks, [16_384, 16_384, 16_384, 16_384, 8192]);
    }
}
