//! Rows as parameters: `WITH v(a, b) AS (VALUES ($1, $2), …)`, padded to powers of two with rows of NULL, so
//! that a statement has few forms, each prepared once. NULL matches nothing; inserts leave such rows out.
//!
//! SQLite is given `?` instead of `$1`: it keeps the names of numbered parameters in a list that it walks for each of
//! them, at parsing and again at binding, so that thousands of them cost the square of their number.

use super::{Result, query};
use sqlx::{
    Any, AnyConnection,
    any::{AnyArguments, AnyRow},
    query::Query,
};

/// One parameter. Text is owned: the driver for SQLite takes no borrowed text.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl Value {
    fn null(&self) -> Self {
        match self {
            Self::Int(_) => Self::Int(None),
            Self::Text(_) => Self::Text(None),
            Self::Bytes(_) => Self::Bytes(None),
        }
    }
}

type Statement = Query<'static, Any, AnyArguments>;

/// Binds one parameter.
pub(crate) fn bind(statement: Statement, value: Value) -> Statement {
    match value {
        Value::Int(value) => statement.bind(value),
        Value::Text(value) => statement.bind(value),
        Value::Bytes(value) => statement.bind(value),
    }
}

/// A table of parameters named `v`.
#[derive(Clone, Debug)]
pub(crate) struct Values<const COLUMNS: usize> {
    names: [&'static str; COLUMNS],
    rows: Vec<[Value; COLUMNS]>,
}

impl<const COLUMNS: usize> Values<COLUMNS> {
    /// An empty table.
    pub(crate) fn new(names: [&'static str; COLUMNS]) -> Self {
        Self { names, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [Value; COLUMNS]) {
        self.rows.push(row);
    }

    /// Nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Runs the statement, if there is a row.
    pub(crate) async fn execute(self, connection: &mut AnyConnection, rest: &str) -> Result<()> {
        for chunk in chunks(self.rows) {
            let marks = Marks::of(connection);
            statement(marks, &self.names, chunk, rest).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// The statement's rows; none if there is no row to ask for.
    pub(crate) async fn fetch(self, connection: &mut AnyConnection, rest: &str) -> Result<Vec<AnyRow>> {
        let mut rows = Vec::new();
        for chunk in chunks(self.rows) {
            let marks = Marks::of(connection);
            rows.extend(statement(marks, &self.names, chunk, rest).fetch_all(&mut *connection).await?);
        }
        Ok(rows)
    }
}

/// Rows of so many columns that one statement takes: a power of two. SQLite takes 32,766 parameters, PostgreSQL
/// 65,535. Only the largest groups need more than one statement.
const fn rows_max(columns: usize) -> usize {
    let most = 32_766 / columns;
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

fn chunks<const COLUMNS: usize>(mut rows: Vec<[Value; COLUMNS]>) -> impl Iterator<Item = Vec<[Value; COLUMNS]>> {
    std::iter::from_fn(move || {
        let after = rows.split_off(rows.len().min(rows_max(COLUMNS)));
        let chunk = std::mem::replace(&mut rows, after);
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// How parameters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// `?`, for SQLite.
    Bare,
    /// `$1`, for PostgreSQL.
    Numbered,
}

impl Marks {
    fn of(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "SQLite" { Self::Bare } else { Self::Numbered }
    }
}

/// `WITH v(…) AS (VALUES …)` before `rest`, which has no parameters of its own.
fn statement<const COLUMNS: usize>(
    marks: Marks,
    names: &[&str; COLUMNS],
    rows: Vec<[Value; COLUMNS]>,
    rest: &str,
) -> Statement {
    let padded = rows.len().next_power_of_two();
    let mut sql = String::with_capacity(32 + rest.len() + padded * COLUMNS * 7);
    sql.push_str("WITH v(");
    sql.push_str(&names.join(", "));
    sql.push_str(") AS (VALUES ");
    for row in 0..padded {
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
    let nulls = rows.first().map(|row| row.each_ref().map(Value::null));
    let missing = padded - rows.len();
    let values = rows.into_iter().chain(nulls.into_iter().cycle().take(missing)).flatten();
    values.fold(query(sql), bind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_to_a_power_of_two() {
        let rows = [[1.into(), "a".into()], [2.into(), "b".into()], [3.into(), "c".into()]];
        let sql =
            |marks| sqlx::Execute::sql(statement(marks, &["a", "b"], rows.to_vec(), "SELECT 1")).as_str().to_owned();
        let numbered = "WITH v(a, b) AS (VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8)) SELECT 1";
        assert_eq!(sql(Marks::Numbered), numbered);
        assert_eq!(sql(Marks::Bare), "WITH v(a, b) AS (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) SELECT 1");
    }

    #[test]
    fn a_statement_stays_within_the_parameters_of_both_databases() {
        assert_eq!(chunks(vec![[Value::from(1)]; 70_000]).map(|chunk| chunk.len()).sum::<usize>(), 70_000);
        for columns in 1..=16 {
            assert!(rows_max(columns).is_power_of_two() && rows_max(columns) * columns <= 32_766, "{columns}");
        }
    }
}
