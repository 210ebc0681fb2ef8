//! Reading the index: blocks, and which of their messages have a term.

use super::slots::Slots;
use crate::{
    search::words::{Lookup, Term},
    store::{Error, Result, column, query, values::Values},
};
use sqlx::{AnyConnection, any::AnyRow};
use std::collections::BTreeMap;

/// Which of a block's messages have what was looked up.
pub(crate) type Found = BTreeMap<i64, Slots>;

/// Blocks up to one, with messages written from a time on and before another; the newest first.
pub(crate) async fn blocks(
    connection: &mut AnyConnection,
    highest: i64,
    written: (i64, i64),
    limit: i64,
) -> Result<Vec<i64>> {
    let rows = query(
        "SELECT block FROM search_blocks WHERE block <= $1 AND last_at >= $2 AND first_at < $3 \
         ORDER BY block DESC LIMIT $4",
    )
    .bind(highest)
    .bind(written.0)
    .bind(written.1)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Looks one thing up in some blocks; says how many rows that took. Nothing, if it would take more than `rows_max`.
pub(crate) async fn look_up(
    connection: &mut AnyConnection,
    blocks: impl Iterator<Item = i64>,
    lookup: &Lookup,
    rows_max: usize,
) -> Result<Option<(Found, usize)>> {
    match lookup {
        Lookup::Exact(term) => any_of(connection, blocks.map(|block| (block, term.clone()))).await.map(Some),
        Lookup::Between(low, high) => {
            let mut values = Values::new(["block", "low", "high"]);
            for block in blocks {
                values.push([block.into(), low.clone().into(), high.clone().into()]);
            }
            let sql = format!(
                "SELECT t.block, t.slots FROM v CROSS JOIN search_terms t \
                 WHERE t.block = v.block AND t.term >= v.low AND t.term < v.high LIMIT {}",
                rows_max + 1
            );
            let rows = values.fetch(connection, &sql).await?;
            if rows.len() > rows_max {
                return Ok(None);
            }
            found(&rows).map(Some)
        }
    }
}

/// Looks up which messages have any of these terms, each in its block.
pub(crate) async fn any_of(
    connection: &mut AnyConnection,
    terms: impl Iterator<Item = (i64, Term)>,
) -> Result<(Found, usize)> {
    let mut values = Values::new(["block", "term"]);
    for (block, term) in terms {
        values.push([block.into(), term.into()]);
    }
    let rows = values
        .fetch(
            connection,
            "SELECT t.block, t.slots FROM v CROSS JOIN search_terms t WHERE t.block = v.block AND t.term = v.term",
        )
        .await?;
    found(&rows)
}

fn found(rows: &[AnyRow]) -> Result<(Found, usize)> {
    let mut found = Found::new();
    for row in rows {
        let (block, kept): (i64, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
        if !found.entry(block).or_default().add_kept(&kept) {
            return Err(Error::Corrupt(format!("the search index has {} bytes of slots", kept.len())));
        }
    }
    Ok((found, rows.len()))
}
