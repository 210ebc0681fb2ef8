//! The keys of rows that Parlor inserted, in the host's table `parlor_map`.

use super::{
    host_tables::{HostTables, NewRow, ROWS_MAX, integers, marks_from},
    outbox,
};
use crate::host::HostError;

impl HostTables {
    /// Forgets the keys of rows that no longer exist: on SQLite, their ids may come again.
    pub(super) async fn forget(&self, ids: &[i64]) -> Result<(), HostError> {
        for ids in ids.chunks(ROWS_MAX) {
            let values = [self.name().into()].into_iter().chain(integers(ids)).collect();
            self.execute(self.forget_sql(ids.len()), values).await?;
        }
        Ok(())
    }

    /// Returns the statement that forgets the keys of rows: the table is `$1`, the ids follow.
    pub(super) fn forget_sql(&self, count: usize) -> String {
        let map = outbox::map_table(self.database.kind());
        format!("DELETE FROM {map} WHERE table_name = $1 AND row_id IN ({})", marks_from(2, count))
    }

    /// Inserts a row with its key, unless a row was inserted with this key before; returns the id of either.
    ///
    /// # Errors
    /// The database is away, and the row may exist: the same key finds it later. Or it refuses the row.
    pub(super) async fn insert_once(&self, key: &str, row: &NewRow, now_ms: i64) -> Result<i64, HostError> {
        match self.try_insert(key, row, now_ms).await {
            Ok(id) => Ok(id),
            // The key may exist, or the answer to COMMIT was lost.
            Err(error) => self.row_of_key(key).await?.ok_or(error),
        }
    }

    async fn try_insert(&self, key: &str, row: &NewRow, now_ms: i64) -> Result<i64, HostError> {
        let forms = self.forms().await?;
        let mut transaction = self.database.begin().await?;
        let id = self.insert(&mut transaction, row, forms, now_ms).await?;
        let sql = format!(
            "INSERT INTO {} (parlor_key, table_name, row_id) VALUES ($1, $2, $3)",
            outbox::map_table(self.database.kind())
        );
        transaction.execute(sql, vec![key.into(), self.name().into(), id.into()]).await?;
        transaction.commit().await?;
        Ok(id)
    }

    async fn row_of_key(&self, key: &str) -> Result<Option<i64>, HostError> {
        let sql = format!("SELECT row_id FROM {} WHERE parlor_key = $1", outbox::map_table(self.database.kind()));
        let rows = self.database.query(sql, vec![key.into()]).await?;
        rows.first().map(|row| row.integer(0)).transpose()
    }

    /// Returns the keys of those of the rows that Parlor wrote.
    pub(super) async fn keys_of(&self, ids: &[i64]) -> Result<Vec<(i64, String)>, HostError> {
        let mut keys = Vec::new();
        for ids in ids.chunks(ROWS_MAX) {
            let sql = format!(
                "SELECT row_id, parlor_key FROM {} WHERE table_name = $1 AND row_id IN ({})",
                outbox::map_table(self.database.kind()),
                marks_from(2, ids.len())
            );
            let values = [self.name().into()].into_iter().chain(integers(ids)).collect();
            for row in self.database.query(sql, values).await? {
                keys.push((row.integer(0)?, row.text(1)?));
            }
        }
        Ok(keys)
    }
}
