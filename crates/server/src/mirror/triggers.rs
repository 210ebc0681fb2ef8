//! The triggers in the host's database, which write each change of a message to the outbox, in the transaction of the
//! change. They compare before they write, and the host's statements succeed whatever happens to the outbox; only on
//! SQLite, where a trigger cannot catch an error, the outbox has to exist.
//!
//! A trigger that fails is silent, and a Django migration on SQLite that copies a table drops its triggers. So the
//! mirror looks for them with every scan, and a scan finds what they missed. Each contains a digest of its definition,
//! by which one of another version, or for other columns, is recognised.

use super::{
    keys,
    outbox::{CHANNEL, map_table, outbox_table},
};
use crate::{
    host::{HostDatabase, HostError, HostKind, HostOptions},
    profile::Profile,
};
use sha2::{Digest as _, Sha256};

/// The longest name that all three databases accept, in bytes.
const NAME_MAX: usize = 63;

/// The operations, as names of triggers have them.
const OPERATIONS: [(&str, &str); 3] = [("insert", "I"), ("update", "U"), ("delete", "D")];

/// A table whose changes are written to the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedTable {
    /// The table.
    pub table: String,
    /// The column of the message's id: the row's own id, or that of the message which a file belongs to.
    pub message: String,
    /// The columns that Parlor reads. A change of others is none.
    pub columns: Vec<String>,
}

/// What of the triggers exists in a host's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerStatus {
    /// Whether the outbox and the map exist.
    pub has_tables: bool,
    /// The triggers that are missing or disabled, by name.
    pub missing: Vec<String>,
    /// The triggers that work, by name.
    pub present: Vec<String>,
}

impl TriggerStatus {
    /// Returns whether every change of a message reaches the outbox.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has_tables && self.missing.is_empty()
    }
}

/// Returns the tables of an application that are watched.
#[must_use]
pub fn watched_tables(profile: &Profile) -> Vec<WatchedTable> {
    let messages = &profile.messages;
    let columns = messages.columns().into_iter().map(str::to_owned).collect();
    let mut tables = vec![WatchedTable { table: messages.table.clone(), message: messages.id.clone(), columns }];
    tables.extend(profile.attachments.as_ref().map(|files| {
        let required = [&files.id, &files.message, &files.file].into_iter();
        let columns = required.chain(&files.filename).chain(&files.file_size).cloned().collect();
        WatchedTable { table: files.table.clone(), message: files.message.clone(), columns }
    }));
    tables
}

/// Returns the statements that create the outbox, the map and the triggers. Repeated, they replace the triggers and
/// keep what is in the tables.
///
/// # Errors
/// A table's name is too long for the name of a trigger.
pub fn install_sql(kind: HostKind, tables: &[WatchedTable]) -> Result<Vec<String>, HostError> {
    if let Some(long) = tables.iter().find(|table| trigger_name("insert", &table.table).len() > NAME_MAX) {
        return Err(HostError::Refused(format!("the name of the table {} is too long for a trigger", long.table)));
    }
    let mut sql = tables_sql(kind);
    for table in tables {
        sql.extend(create_triggers(kind, table).into_iter().flat_map(|trigger| trigger.sql));
    }
    Ok(sql)
}

/// Returns the statements that create the outbox and the map, unless they exist.
fn tables_sql(kind: HostKind) -> Vec<String> {
    let (outbox, map) = (outbox_table(kind), map_table(kind));
    match kind {
        HostKind::Sqlite => vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {outbox} (seq INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, \
                 operation TEXT NOT NULL, row_id INTEGER NOT NULL)"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {map} (parlor_key TEXT PRIMARY KEY, table_name TEXT NOT NULL, \
                 row_id INTEGER NOT NULL)"
            ),
            format!("CREATE INDEX IF NOT EXISTS parlor_map_row ON {map} (table_name, row_id)"),
        ],
        HostKind::Postgres => vec![
            "CREATE SCHEMA IF NOT EXISTS parlor".to_owned(),
            format!(
                "CREATE TABLE IF NOT EXISTS {outbox} (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                 table_name text NOT NULL, operation text NOT NULL, row_id bigint NOT NULL)"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {map} (parlor_key text PRIMARY KEY, table_name text NOT NULL, \
                 row_id bigint NOT NULL)"
            ),
            format!("CREATE INDEX IF NOT EXISTS parlor_map_row ON {map} (table_name, row_id)"),
        ],
        HostKind::MySql => vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {outbox} (seq bigint AUTO_INCREMENT PRIMARY KEY, \
                 table_name varchar(64) CHARACTER SET utf8mb4 NOT NULL, operation char(1) NOT NULL, \
                 row_id bigint NOT NULL) ENGINE = InnoDB"
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {map} (parlor_key varchar(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
                 PRIMARY KEY, table_name varchar(64) CHARACTER SET utf8mb4 NOT NULL, row_id bigint NOT NULL, \
                 KEY parlor_map_row (table_name, row_id)) ENGINE = InnoDB"
            ),
        ],
    }
}

/// Returns the statements that remove everything that was installed, triggers first.
#[must_use]
pub fn uninstall_sql(kind: HostKind, tables: &[WatchedTable]) -> Vec<String> {
    let mut sql: Vec<String> = tables.iter().flat_map(|table| drop_triggers(kind, table)).collect();
    sql.extend([outbox_table(kind), map_table(kind)].map(|table| format!("DROP TABLE IF EXISTS {table}")));
    if kind == HostKind::Postgres {
        sql.push("DROP SCHEMA IF EXISTS parlor".to_owned());
    }
    sql
}

/// Runs statements, in one transaction where the database can: MySQL commits each by itself.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn run_all(database: &HostDatabase, statements: Vec<String>) -> Result<(), HostError> {
    let mut transaction = database.begin().await?;
    for sql in statements {
        transaction.script(sql).await?;
    }
    transaction.commit().await
}

/// Looks for the outbox and the triggers.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn status(database: &HostDatabase, tables: &[WatchedTable]) -> Result<TriggerStatus, HostError> {
    let kind = database.kind();
    let mut found = TriggerStatus { has_tables: true, missing: Vec::new(), present: Vec::new() };
    for table in [outbox_table(kind), map_table(kind)] {
        let rows = database.query(exists_sql(kind).to_owned(), vec![table.into()]).await?;
        found.has_tables &= !rows.is_empty();
    }
    for table in tables {
        let rows = database.query(triggers_sql(kind).to_owned(), vec![table.table.as_str().into()]).await?;
        let existing: Vec<(String, String)> =
            rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect::<Result<_, HostError>>()?;
        for trigger in create_triggers(kind, table) {
            let is_present = existing.iter().any(|(name, sql)| *name == trigger.name && sql.contains(&trigger.digest));
            let list = if is_present { &mut found.present } else { &mut found.missing };
            list.push(trigger.name);
        }
    }
    Ok(found)
}

/// Installs triggers that are missing, and no others: each locks the host's table for a moment, and waits a tenth of a
/// second for it, a second on MySQL. Changes while a trigger was missing are found by a scan only.
///
/// # Errors
/// As for [`HostDatabase::query`]; also if the application holds a lock on the table for longer.
pub async fn create_missing(
    database: &HostDatabase,
    tables: &[WatchedTable],
    missing: &[String],
) -> Result<(), HostError> {
    // The settings of these connections end with them.
    let options = HostOptions { connections: 1, ..database.options().clone() };
    let database = HostDatabase::new(options);
    let lock_wait = match database.kind() {
        HostKind::Sqlite => None,
        HostKind::Postgres => Some("SET LOCAL lock_timeout = 100"),
        // MariaDB can wait for less than a second: not at all.
        HostKind::MySql => Some("SET SESSION lock_wait_timeout = 1 /*M!100300 , lock_wait_timeout = 0 */"),
    };
    for trigger in tables.iter().flat_map(|table| create_triggers(database.kind(), table)) {
        if missing.contains(&trigger.name) {
            let settings = lock_wait.map(str::to_owned);
            run_all(&database, settings.into_iter().chain(trigger.sql).collect()).await?;
        }
    }
    Ok(())
}

/// Returns the statements that remove triggers of Parlor on tables that the profile does not name, or no longer does.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn drop_others_sql(database: &HostDatabase, tables: &[WatchedTable]) -> Result<Vec<String>, HostError> {
    let kind = database.kind();
    let sql = match kind {
        HostKind::Sqlite => "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
        HostKind::Postgres => {
            "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
             JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = 'parlor' AND pg_table_is_visible(c.oid)"
        }
        HostKind::MySql => {
            "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE trigger_schema = database()"
        }
    };
    let mut statements = Vec::new();
    for row in database.query(sql.to_owned(), Vec::new()).await? {
        let (name, table) = (row.text(0)?, row.text(1)?);
        let is_own =
            ["note", "insert", "update", "delete"].iter().any(|operation| name == trigger_name(operation, &table));
        if is_own && tables.iter().all(|watched| watched.table != table) {
            statements.extend(drop_trigger(kind, &name, &table));
        }
    }
    Ok(statements)
}

/// Creates the outbox and the map, if they are missing, and no triggers.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn ensure_tables(database: &HostDatabase) -> Result<(), HostError> {
    if status(database, &[]).await?.has_tables {
        return Ok(());
    }
    run_all(database, tables_sql(database.kind())).await
}

/// Returns what prevents the mirror from working with the host's tables, one line each: columns that the profile names
/// and the table does not have, and columns that Parlor would have to fill.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn table_errors(database: &HostDatabase, profile: &Profile) -> Result<Vec<String>, HostError> {
    let mut errors = Vec::new();
    for watched in watched_tables(profile) {
        let columns = database.columns(&watched.table).await?;
        if columns.is_empty() {
            errors.push(format!("there is no table {}, or it may not be seen", watched.table));
            continue;
        }
        let absent = watched.columns.iter().filter(|name| columns.iter().all(|column| column.name != **name));
        errors.extend(absent.map(|name| format!("the table {} has no column {name}", watched.table)));
        if watched.table != profile.messages.table {
            continue;
        }
        let messages = &profile.messages;
        let is_given = |name: &String| {
            watched.columns.contains(name)
                || messages.updated_at.as_ref() == Some(name)
                || messages.defaults.contains_key(name)
        };
        let unfilled = columns.iter().filter(|it| !it.is_nullable && !it.has_default && !is_given(&it.name));
        errors.extend(unfilled.map(|column| {
            format!("the column {} of {} needs a value: add it to [messages.defaults]", column.name, watched.table)
        }));
    }
    Ok(errors)
}

fn trigger_name(operation: &str, table: &str) -> String {
    format!("parlor_{operation}_{table}")
}

/// A trigger and the statements that create or replace it.
struct Trigger {
    name: String,
    /// What its text contains.
    digest: String,
    sql: Vec<String>,
}

fn exists_sql(kind: HostKind) -> &'static str {
    match kind {
        HostKind::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
        HostKind::Postgres => "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
        HostKind::MySql => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = $1"
        }
    }
}

fn triggers_sql(kind: HostKind) -> &'static str {
    match kind {
        HostKind::Sqlite => "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = $1",
        HostKind::Postgres => {
            "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid \
             WHERE t.tgrelid = to_regclass(quote_ident($1)) AND t.tgenabled IN ('O', 'A')"
        }
        HostKind::MySql => {
            "SELECT trigger_name, action_statement FROM information_schema.triggers \
             WHERE trigger_schema = database() AND event_object_table = $1"
        }
    }
}

fn drop_triggers(kind: HostKind, watched: &WatchedTable) -> Vec<String> {
    let operations: Vec<&str> = match kind {
        // PostgreSQL has one trigger for all operations.
        HostKind::Postgres => vec!["note"],
        HostKind::Sqlite | HostKind::MySql => OPERATIONS.iter().map(|(operation, _)| *operation).collect(),
    };
    let names = operations.into_iter().map(|operation| trigger_name(operation, &watched.table));
    names.flat_map(|name| drop_trigger(kind, &name, &watched.table)).collect()
}

fn drop_trigger(kind: HostKind, name: &str, table: &str) -> Vec<String> {
    let (name, table) = (kind.quoted(name), kind.quoted(table));
    match kind {
        HostKind::Postgres => vec![
            format!("DROP TRIGGER IF EXISTS {name} ON {table}"),
            format!("DROP FUNCTION IF EXISTS parlor.{name}()"),
        ],
        HostKind::Sqlite | HostKind::MySql => vec![format!("DROP TRIGGER IF EXISTS {name}")],
    }
}

fn create_triggers(kind: HostKind, watched: &WatchedTable) -> Vec<Trigger> {
    if kind == HostKind::Postgres {
        return vec![create_postgres_trigger(watched)];
    }
    let create = |(operation, letter): &(&str, &str)| {
        let name = trigger_name(operation, &watched.table);
        let (quoted, table) = (kind.quoted(&name), kind.quoted(&watched.table));
        let head = format!("CREATE TRIGGER {quoted} AFTER {} ON {table} FOR EACH ROW", operation.to_uppercase());
        let inserts = inserts(kind, watched, letter);
        let (condition, body) = match (kind, *letter) {
            (HostKind::Sqlite, "U") => (format!(" WHEN {}", sqlite_difference(watched)), inserts),
            (HostKind::MySql, "U") => {
                (String::new(), format!("IF NOT ({}) THEN {inserts} END IF;", mysql_equality(watched)))
            }
            _ => (String::new(), inserts),
        };
        // The host's statement succeeds even if the outbox is missing.
        let handler =
            if kind == HostKind::MySql { " DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END;" } else { "" };
        let digest = digest(&[&condition, handler, &body]);
        let sql = format!("{head}{condition} BEGIN{handler} /* {digest} */ {body} END");
        let sql = drop_trigger(kind, &name, &watched.table).into_iter().chain([sql]).collect();
        Trigger { name, digest, sql }
    };
    OPERATIONS.iter().map(create).collect()
}

/// Names a definition.
fn digest(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.concat());
    format!("parlor {}", keys::hex(&digest[..8]))
}

/// The statements in a trigger that write an entry. A row whose message changes concerns both messages; one that has no
/// message, none.
fn inserts(kind: HostKind, watched: &WatchedTable, letter: &str) -> String {
    let (outbox, table) = (outbox_table(kind), literal(kind, &watched.table));
    let message = kind.quoted(&watched.message);
    // Nothing about the outbox is a reason for SQLite to refuse what the host writes.
    let insert = if kind == HostKind::Sqlite { "INSERT OR IGNORE" } else { "INSERT" };
    // Without a table, MariaDB accepts no WHERE.
    let from = if kind == HostKind::MySql { " FROM DUAL" } else { "" };
    let entry = |letter: &str, row: &str, condition: &str| {
        format!(
            "{insert} INTO {outbox} (table_name, operation, row_id) \
             SELECT {table}, '{letter}', {row}.{message}{from} WHERE {row}.{message} IS NOT NULL{condition};"
        )
    };
    match letter {
        "I" => entry("I", "NEW", ""),
        "D" => entry("D", "OLD", ""),
        _ => {
            let moved = match kind {
                HostKind::MySql => format!(" AND NOT (OLD.{message} <=> NEW.{message})"),
                HostKind::Sqlite | HostKind::Postgres => format!(" AND OLD.{message} IS NOT NEW.{message}"),
            };
            format!("{} {}", entry("D", "OLD", &moved), entry("U", "NEW", ""))
        }
    }
}

fn sqlite_difference(watched: &WatchedTable) -> String {
    let quoted = watched.columns.iter().map(|column| HostKind::Sqlite.quoted(column));
    let differs = quoted.map(|column| format!("OLD.{column} COLLATE BINARY IS NOT NEW.{column}"));
    differs.collect::<Vec<_>>().join(" OR ")
}

/// Compares bytes: a usual collation takes upper and lower case for equal.
fn mysql_equality(watched: &WatchedTable) -> String {
    let quoted = watched.columns.iter().map(|column| HostKind::MySql.quoted(column));
    let equal = quoted.map(|column| format!("CAST(OLD.{column} AS BINARY) <=> CAST(NEW.{column} AS BINARY)"));
    equal.collect::<Vec<_>>().join(" AND ")
}

/// The function runs with the rights of its owner, so that the host needs none for the outbox. It compares whole rows:
/// a trigger that names a column would prevent the host from changing that column.
fn create_postgres_trigger(watched: &WatchedTable) -> Trigger {
    let kind = HostKind::Postgres;
    let (outbox, table) = (outbox_table(kind), literal(kind, &watched.table));
    let message = kind.quoted(&watched.message);
    let name = trigger_name("note", &watched.table);
    let (quoted, on) = (kind.quoted(&name), kind.quoted(&watched.table));
    let entry = |letter: &str, row: &str| {
        format!(
            "INSERT INTO {outbox} (table_name, operation, row_id) \
             SELECT {table}, {letter}, {row}.{message} WHERE {row}.{message} IS NOT NULL;"
        )
    };
    let (deleted, written) = (entry("'D'", "OLD"), entry("left(TG_OP, 1)", "NEW"));
    let body = format!(
        "IF TG_OP = 'UPDATE' THEN \
           IF NOT (OLD *<> NEW) THEN RETURN NULL; END IF; \
           IF OLD.{message} IS DISTINCT FROM NEW.{message} THEN {deleted} END IF; \
         END IF; \
         IF TG_OP = 'DELETE' THEN {deleted} ELSE {written} END IF; \
         PERFORM pg_notify('{CHANNEL}', ''); \
         RETURN NULL; \
         EXCEPTION WHEN OTHERS THEN \
           RAISE WARNING 'Parlor does not hear of a change: %', SQLERRM; \
           RETURN NULL;"
    );
    let digest = digest(&[&body]);
    let function = format!(
        "CREATE OR REPLACE FUNCTION parlor.{quoted}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
         SET search_path = pg_catalog, pg_temp AS $parlor$ /* {digest} */ BEGIN {body} END $parlor$"
    );
    let sql = vec![
        function,
        format!("DROP TRIGGER IF EXISTS {quoted} ON {on}"),
        format!(
            "CREATE TRIGGER {quoted} AFTER INSERT OR UPDATE OR DELETE ON {on} FOR EACH ROW \
             EXECUTE FUNCTION parlor.{quoted}()"
        ),
    ];
    Trigger { name, digest, sql }
}

/// A text in quotes.
fn literal(kind: HostKind, text: &str) -> String {
    let text = text.replace('\'', "''");
    // MySQL takes a backslash for an escape.
    let text = if kind == HostKind::MySql { text.replace('\\', "\\\\") } else { text };
    format!("'{text}'")
}
