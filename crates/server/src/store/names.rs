//! The words that people are found by, worked out again where they have an older form.

use super::{Result, column, query, values::Values};
use crate::search::names::{FORM, name_words};
use sqlx::AnyConnection;

/// Names worked out at once.
const ROWS_MAX: i64 = 1000;

/// Works out the words of every name again, if another program kept them in another form.
///
/// # Errors
/// The store is not there.
pub(super) async fn refold_names(connection: &mut AnyConnection) -> Result<()> {
    let row = query("SELECT form FROM forms WHERE name = 'name_words'").fetch_one(&mut *connection).await?;
    if column::<i64>(&row, 0)? == FORM {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let rows = query("SELECT id, name FROM users WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(ROWS_MAX)
            .fetch_all(&mut *connection)
            .await?;
        let mut values = Values::new(["id", "name_words"]);
        for row in &rows {
            after = column(row, 0)?;
            values.push([after.into(), name_words(&column::<String>(row, 1)?).into()]);
        }
        if rows.is_empty() {
            break;
        }
        let sql = "UPDATE users SET name_words = v.name_words FROM v WHERE users.id = v.id";
        values.execute(connection, sql).await?;
    }
    query("UPDATE forms SET form = $1 WHERE name = 'name_words'").bind(FORM).execute(connection).await?;
    Ok(())
}
