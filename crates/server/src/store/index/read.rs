//! Reads the index: blocks, and which of their messages contain a term.

use super::block_bitmap::Slots;
use crate::{
    search::words::{Lookup, Term},
    store::{Result, StoreError, bulk_params::BulkParams, column, connection::DatabaseConnection, row::Row},
};
use std::collections::BTreeMap;

/// The matching slots of each block.
pub(crate) type BlockHits = BTreeMap<i64, Slots>;

/// Returns blocks up to `highest` with messages written within a time range, newest first.
pub(crate) fn blocks(
    connection: &mut DatabaseConnection,
    highest: i64,
    written: (i64, i64),
    limit: i64,
) -> Result<Vec<i64>> {
    let sql = "SELECT block FROM search_blocks WHERE block <= $1 AND last_at >= $2 AND first_at < $3 \
               ORDER BY block DESC LIMIT $4";
    let parameters = [highest.into(), written.0.into(), written.1.into(), limit.into()];
    connection.query(sql, &parameters, |row| column(row, 0))
}

/// Looks up one term or range in some blocks, and returns how many rows that took; none if it would take more than
/// `rows_max`.
pub(crate) fn look_up(
    connection: &mut DatabaseConnection,
    blocks: impl Iterator<Item = i64>,
    lookup: &Lookup,
    rows_max: usize,
) -> Result<Option<(BlockHits, usize)>> {
    match lookup {
        Lookup::Exact(term) => any_of(connection, blocks.map(|block| (block, term.clone()))).map(Some),
        Lookup::Between(low, high) => {
            let mut params = BulkParams::new(["block", "low", "high"]);
            for block in blocks {
                params.push([block.into(), low.as_slice().into(), high.as_slice().into()]);
            }
            let sql = format!(
                "SELECT t.block, t.slots FROM v CROSS JOIN search_terms t \
                 WHERE t.block = v.block AND t.term >= v.low AND t.term < v.high LIMIT {}",
                rows_max + 1
            );
            let (found, rows) = union_of_rows(connection, params, &sql, rows_max)?;
            Ok(Some((found, rows)).filter(|_| rows <= rows_max))
        }
    }
}

/// Looks up which messages contain any of these terms, each term in its block.
pub(crate) fn any_of(
    connection: &mut DatabaseConnection,
    terms: impl Iterator<Item = (i64, Term)>,
) -> Result<(BlockHits, usize)> {
    let mut params = BulkParams::new(["block", "term"]);
    for (block, term) in terms {
        params.push([block.into(), term.into()]);
    }
    let sql = "SELECT t.block, t.slots FROM v CROSS JOIN search_terms t WHERE t.block = v.block AND t.term = v.term";
    union_of_rows(connection, params, sql, usize::MAX)
}

/// Returns the union of all rows and their number, which is at most one more than `rows_max`.
fn union_of_rows<const COLUMNS: usize>(
    connection: &mut DatabaseConnection,
    mut params: BulkParams<'_, COLUMNS>,
    sql: &str,
    rows_max: usize,
) -> Result<(BlockHits, usize)> {
    let (mut found, mut rows) = (BlockHits::new(), 0);
    params.for_each_while(connection, sql, |row: Row<'_>| {
        let (block, kept): (i64, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
        rows += 1;
        if !found.entry(block).or_default().add_kept(&kept) {
            return Err(StoreError::Corrupt(format!("the search index has slots of {} bytes", kept.len())));
        }
        Ok(rows <= rows_max)
    })?;
    Ok((found, rows))
}
