//! The triggers in the host's database, which write each change of a message to the outbox, in the transaction of the
//! change. They compare before they write, and the host's statements succeed whatever happens to the outbox; only on
//! SQLite, where a trigger cannot catch an error, the outbox has to exist.
//!
//! A trigger that fails is silent, and a Django migration on SQLite that copies a table drops its triggers. So the
//! mirror looks for them with every scan, and a scan finds what they missed.

use super::outbox::{CHANNEL, map_table, outbox_table};
use crate::{
    host::{HostDatabase, HostError, HostKind},
    profile::Profile,
};

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
        sql.extend(create_triggers(kind, table));
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
        let existing: Vec<String> = rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
        for name in trigger_names(kind, &table.table) {
            let list = if existing.contains(&name) { &mut found.present } else { &mut found.missing };
            list.push(name);
        }
    }
    Ok(found)
}

/// Installs what is missing. Changes while a trigger was missing are found by a scan only.
///
/// # Errors
/// As for [`HostDatabase::query`].
pub async fn ensure(database: &HostDatabase, profile: &Profile) -> Result<(), HostError> {
    let tables = watched_tables(profile);
    let found = status(database, &tables).await?;
    if found.is_complete() {
        return Ok(());
    }
    tracing::info!(missing = found.missing.join(", "), "installing the triggers of the mirror");
    run_all(database, install_sql(database.kind(), &tables)?).await
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

/// PostgreSQL has one trigger for all operations.
fn trigger_names(kind: HostKind, table: &str) -> Vec<String> {
    match kind {
        HostKind::Postgres => vec![trigger_name("note", table)],
        HostKind::Sqlite | HostKind::MySql => {
            OPERATIONS.iter().map(|(operation, _)| trigger_name(operation, table)).collect()
        }
    }
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
        HostKind::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = $1",
        HostKind::Postgres => {
            "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(quote_ident($1)) AND tgenabled IN ('O', 'A')"
        }
        HostKind::MySql => {
            "SELECT trigger_name FROM information_schema.triggers \
             WHERE trigger_schema = database() AND event_object_table = $1"
        }
    }
}

fn drop_triggers(kind: HostKind, watched: &WatchedTable) -> Vec<String> {
    let table = kind.quoted(&watched.table);
    let names = trigger_names(kind, &watched.table);
    match kind {
        HostKind::Postgres => names
            .iter()
            .map(|name| kind.quoted(name))
            .flat_map(|name| {
                [
                    format!("DROP TRIGGER IF EXISTS {name} ON {table}"),
                    format!("DROP FUNCTION IF EXISTS parlor.{name}()"),
                ]
            })
            .collect(),
        HostKind::Sqlite | HostKind::MySql => {
            names.iter().map(|name| format!("DROP TRIGGER IF EXISTS {}", kind.quoted(name))).collect()
        }
    }
}

fn create_triggers(kind: HostKind, watched: &WatchedTable) -> Vec<String> {
    if kind == HostKind::Postgres {
        return create_postgres_trigger(watched);
    }
    let mut sql = drop_triggers(kind, watched);
    for (operation, letter) in OPERATIONS {
        let name = kind.quoted(&trigger_name(operation, &watched.table));
        let table = kind.quoted(&watched.table);
        let head = format!("CREATE TRIGGER {name} AFTER {} ON {table} FOR EACH ROW", operation.to_uppercase());
        sql.push(if kind == HostKind::Sqlite {
            let condition = if letter == "U" { format!(" WHEN {}", sqlite_difference(watched)) } else { String::new() };
            format!("{head}{condition} BEGIN {} END", inserts(kind, watched, letter))
        } else {
            let body = inserts(kind, watched, letter);
            let body = match letter {
                "U" => format!("IF NOT ({}) THEN {body} END IF;", mysql_equality(watched)),
                _ => body,
            };
            // The host's statement succeeds even if the outbox is missing.
            format!("{head} BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; {body} END")
        });
    }
    sql
}

/// The statements in a trigger that write an entry. A row whose message changes concerns both messages.
fn inserts(kind: HostKind, watched: &WatchedTable, letter: &str) -> String {
    let (outbox, table) = (outbox_table(kind), literal(kind, &watched.table));
    let message = kind.quoted(&watched.message);
    let into = format!("INSERT INTO {outbox} (table_name, operation, row_id)");
    let entry = |letter: &str, row: &str| format!("{into} VALUES ({table}, '{letter}', {row}.{message});");
    match letter {
        "I" => entry("I", "NEW"),
        "D" => entry("D", "OLD"),
        _ => {
            let moved = match kind {
                HostKind::MySql => format!("NOT (OLD.{message} <=> NEW.{message})"),
                HostKind::Sqlite | HostKind::Postgres => format!("OLD.{message} IS NOT NEW.{message}"),
            };
            // Without a table, MariaDB accepts no WHERE.
            let from = if kind == HostKind::MySql { " FROM DUAL" } else { "" };
            let of_old = format!("{into} SELECT {table}, 'D', OLD.{message}{from} WHERE {moved};");
            format!("{of_old} {}", entry("U", "NEW"))
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
fn create_postgres_trigger(watched: &WatchedTable) -> Vec<String> {
    let kind = HostKind::Postgres;
    let (outbox, table) = (outbox_table(kind), literal(kind, &watched.table));
    let message = kind.quoted(&watched.message);
    let name = kind.quoted(&trigger_name("note", &watched.table));
    let on = kind.quoted(&watched.table);
    let into = format!("INSERT INTO {outbox} (table_name, operation, row_id)");
    let function = format!(
        "CREATE OR REPLACE FUNCTION parlor.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
         SET search_path = pg_catalog, pg_temp AS $parlor$ \
         BEGIN \
           IF TG_OP = 'UPDATE' THEN \
             IF NOT (OLD *<> NEW) THEN RETURN NULL; END IF; \
             IF OLD.{message} IS DISTINCT FROM NEW.{message} THEN \
               {into} VALUES ({table}, 'D', OLD.{message}); \
             END IF; \
           END IF; \
           IF TG_OP = 'DELETE' THEN \
             {into} VALUES ({table}, 'D', OLD.{message}); \
           ELSE \
             {into} VALUES ({table}, left(TG_OP, 1), NEW.{message}); \
           END IF; \
           PERFORM pg_notify('{CHANNEL}', ''); \
           RETURN NULL; \
         EXCEPTION WHEN OTHERS THEN \
           RAISE WARNING 'Parlor does not hear of a change: %', SQLERRM; \
           RETURN NULL; \
         END $parlor$"
    );
    vec![
        function,
        format!("DROP TRIGGER IF EXISTS {name} ON {on}"),
        format!(
            "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {on} FOR EACH ROW EXECUTE FUNCTION parlor.{name}()"
        ),
    ]
}

/// A text in quotes.
fn literal(kind: HostKind, text: &str) -> String {
    let text = text.replace('\'', "''");
    // MySQL takes a backslash for an escape.
    let text = if kind == HostKind::MySql { text.replace('\\', "\\\\") } else { text };
    format!("'{text}'")
}
