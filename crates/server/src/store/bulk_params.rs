//! Rows as parameters: `WITH v(a, b) AS (VALUES ($1, $2), …)`.
//!
//! PostgreSQL gets all rows in one statement, since each statement is a round trip. They are padded to powers of two
//! with rows of NULL, so that a statement has few forms, each prepared once; NULL matches nothing, and inserts skip
//! such rows. SQLite gets one row after the other: the statement has one form, and the planner removes a table of one
//! row. So the SQL after `v` must mean the same for all rows at once as for each of them.

use super::{Result, connection::DatabaseConnection, param::Param, row::Row};
use std::fmt::Write as _;

/// A table of parameters named `v`.
#[derive(Clone, Debug)]
pub(crate) struct BulkParams<'a, const COLUMNS: usize> {
    names: [&'static str; COLUMNS],
    values: Vec<Param<'a>>,
}

impl<'a, const COLUMNS: usize> BulkParams<'a, COLUMNS> {
    /// Creates an empty table.
    pub(crate) fn new(names: [&'static str; COLUMNS]) -> Self {
        Self { names, values: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: [Param<'a>; COLUMNS]) {
        self.values.extend(row);
    }

    /// Returns whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Runs the statement, unless there are no rows.
    pub(crate) fn execute(&mut self, connection: &mut DatabaseConnection, rest: &str) -> Result<()> {
        self.for_each(connection, rest, |_| Ok(()))
    }

    /// Passes each of the statement's rows to `on_row`; does nothing if there are no parameter rows.
    pub(crate) fn for_each(
        &mut self,
        connection: &mut DatabaseConnection,
        rest: &str,
        mut on_row: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.for_each_while(connection, rest, |row| on_row(row).map(|()| true))
    }

    /// The same, until `on_row` returns false.
    pub(crate) fn for_each_while(
        &mut self,
        connection: &mut DatabaseConnection,
        rest: &str,
        mut on_row: impl FnMut(Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if connection.is_sqlite() {
            return connection.for_each_set(&text(&self.names, 1, rest), self.values.chunks(COLUMNS), on_row);
        }
        self.pad();
        let mut goes_on = true;
        for chunk in self.values.chunks(rows_max(COLUMNS) * COLUMNS) {
            connection.for_each(&text(&self.names, chunk.len() / COLUMNS, rest), chunk, |row| {
                goes_on = on_row(row)?;
                Ok(goes_on)
            })?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Returns what `read` makes of each of the statement's rows.
    pub(crate) fn query<T>(
        &mut self,
        connection: &mut DatabaseConnection,
        rest: &str,
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.for_each(connection, rest, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Inserts the rows into a table with columns of these names.
    pub(crate) fn insert(&mut self, connection: &mut DatabaseConnection, table: &str) -> Result<()> {
        self.insert_or(connection, table, "")
    }

    /// Inserts the rows, or replaces existing ones with the same first `keys` columns, which are unique.
    pub(crate) fn upsert(&mut self, connection: &mut DatabaseConnection, table: &str, keys: usize) -> Result<()> {
        let (keys, others) = self.names.split_at(keys);
        let set: Vec<String> = others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let or = format!(" ON CONFLICT ({}) DO UPDATE SET {}", keys.join(", "), set.join(", "));
        self.insert_or(connection, table, &or)
    }

    /// On SQLite without a subquery: for `INSERT … SELECT` it copies every page that a statement changes.
    fn insert_or(&mut self, connection: &mut DatabaseConnection, table: &str, or: &str) -> Result<()> {
        let columns = self.names.join(", ");
        if !connection.is_sqlite() {
            let [first, ..] = &self.names[..] else { return Ok(()) };
            let rest = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM v WHERE {first} IS NOT NULL{or}");
            return self.execute(connection, &rest);
        }
        let marks: Vec<String> = (1..=COLUMNS).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({}){or}", marks.join(", "));
        connection.for_each_set(&sql, self.values.chunks(COLUMNS), |_| Ok(true))
    }

    /// Updates the rows that have the same first column, which is unique.
    pub(crate) fn update(&mut self, connection: &mut DatabaseConnection, table: &str) -> Result<()> {
        let [key, others @ ..] = &self.names[..] else { return Ok(()) };
        let is_sqlite = connection.is_sqlite();
        let set = others.iter().zip(2..).map(|(name, place): (_, usize)| {
            if is_sqlite { format!("{name} = ?{place}") } else { format!("{name} = v.{name}") }
        });
        let set = set.collect::<Vec<_>>().join(", ");
        if !is_sqlite {
            return self.execute(connection, &format!("UPDATE {table} SET {set} FROM v WHERE {table}.{key} = v.{key}"));
        }
        let rows = self.values.chunks(COLUMNS);
        connection.for_each_set(&format!("UPDATE {table} SET {set} WHERE {key} = ?1"), rows, |_| Ok(true))
    }

    /// Pads the last statement's rows to a power of two.
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

/// The number of rows of this many columns that fit into one statement: a power of two. PostgreSQL accepts 65,535
/// parameters, so only the largest groups need more than one statement.
const fn rows_max(columns: usize) -> usize {
    let most = 65_535 / columns;
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

/// Returns `WITH v(…) AS (VALUES …)` followed by `rest`, which has no parameters of its own.
fn text<const COLUMNS: usize>(names: &[&str; COLUMNS], rows: usize, rest: &str) -> String {
    let mut sql = String::with_capacity(64 + rest.len() + rows * COLUMNS * 8);
    sql.push_str("WITH v(");
    sql.push_str(&names.join(", "));
    sql.push_str(") AS (VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..COLUMNS {
            if column > 0 {
                sql.push_str(", ");
            }
            let _ = write!(sql, "${}", row * COLUMNS + column + 1);
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
        let mut values = BulkParams::new(["a", "b"]);
        for number in 1..=3 {
            values.push([number.into(), "text".into()]);
        }
        values.pad();
        assert_eq!(values.values.len(), 8);
        assert!(matches!(values.values[6..], [Param::Int(None), Param::Text(None)]));
        values.pad();
        assert_eq!(values.values.len(), 8, "padded once");
        assert_eq!(text(&["a", "b"], 2, "SELECT 1"), "WITH v(a, b) AS (VALUES ($1, $2), ($3, $4)) SELECT 1");
    }

    #[test]
    fn a_statement_stays_within_the_parameter_limit_of_postgresql() {
        for columns in 1..=16 {
            let rows = rows_max(columns);
            assert!(rows.is_power_of_two() && rows * columns <= 65_535 && rows * columns * 2 > 32_767, "{columns}");
        }
        let mut values = BulkParams::new(["a"]);
        for number in 0..140_000 {
            values.push([number.into()]);
        }
        values.pad();
        let chunks: Vec<usize> = values.values.chunks(rows_max(1)).map(<[_]>::len).collect();
        assert_eq!(chunks, [32_768, 32_768, 32_768, 32_768, 16_384]);
    }
}
