//! The words that people are found by, worked out again where they have an older form.

use super::{Result, bulk_params::BulkParams, column, connection::Connection};
use crate::search::names::{FORM, name_words};

/// Names worked out at once.
const ROWS_MAX: i64 = 1000;

/// Whether the words of names are kept in the form of this program.
///
/// # Errors
/// The store is not there.
pub(super) fn are_current(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT form FROM forms WHERE name = 'name_words'";
    connection.query_one(sql, &[], |row| Ok(column::<i64>(row, 0)? == FORM))
}

/// Works out the words of every name again, if another program kept them in another form.
///
/// # Errors
/// The store is not there.
pub(super) fn recompute(connection: &mut Connection) -> Result<()> {
    if are_current(connection)? {
        return Ok(());
    }
    let mut after: i64 = 0;
    loop {
        let sql = "SELECT id, name FROM users WHERE id > $1 ORDER BY id LIMIT $2";
        let people: Vec<(i64, String)> =
            connection.query(sql, &[after.into(), ROWS_MAX.into()], |row| Ok((column(row, 0)?, column(row, 1)?)))?;
        let Some((last, _)) = people.last() else { break };
        after = *last;
        let mut params = BulkParams::new(["id", "name_words"]);
        for (id, name) in &people {
            params.push([(*id).into(), name_words(name).into()]);
        }
        params.execute(connection, "UPDATE users SET name_words = v.name_words FROM v WHERE users.id = v.id")?;
    }
    connection.execute("UPDATE forms SET form = $1 WHERE name = 'name_words'", &[FORM.into()]).map(drop)
}
