//! Ties the store to one database of the host and one message table: a token with the store's id, in `parlor_map`.
//!
//! Without it, a wrong `host.database` would look like an application that has deleted all its messages, and so would
//! another message table.

use super::{MirrorError, MirrorOptions, host_tables::HostTables, keys, outbox, scan::is_plausible, triggers};
use crate::host::{HostError, HostValue};

/// How the key of the token begins. Messages' keys begin with other letters.
const PREFIX: &str = "store-";
/// What the token has instead of the name of a table.
const NO_TABLE: &str = "parlor";
/// How many known rows are looked for in a database without a token.
const SAMPLE_ROWS: usize = 500;

/// What a database is for this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// The one that it mirrors. `may_remove_all`: the operator has confirmed it, so the next scan may remove however
    /// many messages the host no longer has.
    Own { may_remove_all: bool },
    /// The one of another store.
    Foreign,
    /// No store has used it.
    None,
}

/// Makes sure that the host's database and message table are those that the store mirrors. Returns whether the next
/// scan may remove everything.
///
/// # Errors
/// They are others: an operator has to confirm them.
pub(super) async fn check(options: &MirrorOptions, tables: &HostTables) -> Result<bool, MirrorError> {
    let table = tables.name().to_owned();
    let (known, other) = options
        .store
        .read(move |snapshot| {
            let known = snapshot.host_row_flags(&table, i64::MIN, i64::MAX, SAMPLE_ROWS)?;
            Ok((known.into_iter().map(|row| row.id).collect::<Vec<_>>(), snapshot.other_host_table(&table)?))
        })
        .await?;
    if let Some(other) = other {
        return Err(unconfirmed(&format!(
            "the mirrored messages are of the table {other}, and not of {}",
            tables.name()
        )));
    }
    let id = store_id(options).await?;
    match read(tables, &id).await? {
        Tie::Own { may_remove_all } => Ok(may_remove_all),
        Tie::Foreign => Err(unconfirmed("host.database is the database of another installation of Parlor")),
        Tie::None => {
            let found = tables.read(&known).await?.len();
            if !is_plausible(known.len() - found, known.len()) {
                return Err(unconfirmed("host.database does not have the messages that were mirrored"));
            }
            write(tables, &id, false).await?;
            Ok(false)
        }
    }
}

/// Ties the store to the database and the message table that the configuration names, whatever it mirrored before. The
/// next scan may remove however many messages the host no longer has.
///
/// # Errors
/// The host's database or the store is away, or refuses.
pub(crate) async fn adopt(options: &MirrorOptions) -> Result<(), MirrorError> {
    let tables = options.tables.clone();
    triggers::ensure_tables(&options.host).await?;
    options.store.rename_host_table(tables.name().to_owned()).await?;
    Ok(write(&tables, &store_id(options).await?, true).await?)
}

/// Ends what [`adopt`] allowed.
pub(super) async fn end_permission(options: &MirrorOptions, tables: &HostTables) -> Result<(), MirrorError> {
    Ok(write(tables, &store_id(options).await?, false).await?)
}

fn unconfirmed(what: &str) -> MirrorError {
    MirrorError::Tables(format!("{what}; if that is right, stop Parlor and run `parlor mirror adopt`"))
}

/// Returns the id of the store, which a copy of it has, too.
async fn store_id(options: &MirrorOptions) -> Result<String, MirrorError> {
    let secret = options.store.secret("host token", options.environment.random()).await?;
    Ok(format!("{PREFIX}{}", keys::hex(&secret)))
}

async fn read(tables: &HostTables, id: &str) -> Result<Tie, HostError> {
    let map = outbox::map_table(tables.database.kind());
    let sql = format!("SELECT parlor_key, row_id FROM {map} WHERE table_name = $1 AND parlor_key LIKE '{PREFIX}%'");
    let rows = tables.database.query(sql, vec![NO_TABLE.into()]).await?;
    let mut tie = Tie::None;
    for row in rows {
        if row.text(0)? == id {
            return Ok(Tie::Own { may_remove_all: row.integer(1)? != 0 });
        }
        tie = Tie::Foreign;
    }
    Ok(tie)
}

async fn write(tables: &HostTables, id: &str, may_remove_all: bool) -> Result<(), HostError> {
    let map = outbox::map_table(tables.database.kind());
    let mut transaction = tables.database.begin().await?;
    let delete = format!("DELETE FROM {map} WHERE table_name = $1 AND parlor_key LIKE '{PREFIX}%'");
    transaction.execute(delete, vec![NO_TABLE.into()]).await?;
    let insert = format!("INSERT INTO {map} (parlor_key, table_name, row_id) VALUES ($1, $2, $3)");
    let values = vec![id.into(), NO_TABLE.into(), HostValue::Integer(may_remove_all.into())];
    transaction.execute(insert, values).await?;
    transaction.commit().await
}
