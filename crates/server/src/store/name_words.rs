//! The words that users are found by, recomputed when their stored format is outdated.

use super::{Result, bulk_params::BulkParams, column, connection::DatabaseConnection};
use crate::search::names::{FORM, name_words};

/// How many names are processed at a time.
const ROWS_MAX: i64 = 1000;

/// Returns whether the stored words have this program's format.
///
/// # Errors
/// The store is unavailable.
pub(super) fn are_current(connection: &mut DatabaseConnection) -> Result<bool> {
    let sql = "SELECT form FROM forms WHERE name = 'name_words'";
    connection.query_one(sql, &[], |row| Ok(column::<i64>(row, 0)? == FORM))
}

/// Recomputes the words of all names if they were stored in another format.
///
/// # Errors
/// The store is unavailable.
pub(super) fn recompute(connection: &mut DatabaseConnection) -> Result<()> {
    if are_current(connection)? {
        return Ok(());
    }
    let mut after: i64 = 0;
    loop {
        let sql = "SELECT id, name FROM users WHERE id > $1 ORDER BY id LIMIT $2";
        let users: Vec<(i64, String)> =
            connection.query(sql, &[after.into(), ROWS_MAX.into()], |row| Ok((column(row, 0)?, column(row, 1)?)))?;
        let Some((last, _)) = users.last() else { break };
        after = *last;
        let mut params = BulkParams::new(["id", "name_words"]);
        for (id, name) in &users {
            params.push([(*id).into(), name_words(name).into()]);
        }
        params.execute(connection, "UPDATE users SET name_words = v.name_words FROM v WHERE users.id = v.id")?;
    }
    connection.execute("UPDATE forms SET form = $1 WHERE name = 'name_words'", &[FORM.into()]).map(drop)
}
