//! Contexts made of the host's rows: what messages are about follows the host.

use super::{
    MirrorError,
    host_tables::{HostTables, ROWS_MAX, id_value, marks},
    schema::TableColumns,
};
use crate::{
    commit::Commit,
    domain::change::Change,
    host::{HostError, HostRow, HostValue},
    identity::host_users::HostUsers,
    profile::tables::{Columns, ContextTable},
    store::Store,
};
use parlor_protocol::{
    ids::UserId,
    model::{Context, ContextKey, Tone},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// How long a context is taken as it was read.
const FRESH: Duration = Duration::from_secs(10);
/// How many contexts are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// A context as the host has it.
#[derive(Clone, Debug, PartialEq)]
struct HostContext {
    context: Context,
    /// The ids of users in the host's user table, and their roles.
    roles: BTreeMap<String, String>,
}

/// The contexts that were read.
#[derive(Debug, Default)]
pub(super) struct HostContexts {
    read: HashMap<String, (Instant, HostContext)>,
    /// Everything up to this id was looked at; none to begin with the first.
    scanned: Option<String>,
}

/// What reading contexts needs.
pub(super) type ContextParts<'a> = (&'a HostTables, &'a TableColumns, &'a Store, &'a Commit, &'a HostUsers);

impl HostContexts {
    /// Begins to look at all rows again.
    pub(super) fn scan_again(&mut self) {
        self.scanned = None;
    }

    /// Looks at the next rows; at the end of the table, at those that came since. Returns whether there may be more.
    pub(super) async fn scan(&mut self, parts: ContextParts<'_>) -> Result<bool, MirrorError> {
        let tables = parts.0;
        let Some(table) = &tables.profile.context else { return Ok(false) };
        let id = tables.database.quoted(&table.id);
        let after = self.scanned.as_ref().map_or_else(String::new, |_| format!("WHERE {id} > $1"));
        let from = tables.database.quoted(&table.table);
        let sql = format!("SELECT {id} FROM {from} {after} ORDER BY {id} LIMIT {ROWS_MAX}");
        let rows = tables.database.query(sql, self.scanned.iter().map(|id| id_value(id)).collect()).await?;
        let ids = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<String>, HostError>>()?;
        let Some(last) = ids.last().cloned() else { return Ok(false) };
        let is_more = ids.len() == ROWS_MAX;
        self.ensure(parts, ids.into_iter().collect()).await?;
        self.scanned = Some(last);
        Ok(is_more)
    }

    /// Makes the contexts of these rows equal to the host's, and returns those that exist there.
    pub(super) async fn ensure(
        &mut self,
        parts: ContextParts<'_>,
        ids: BTreeSet<String>,
    ) -> Result<HashMap<String, ContextKey>, MirrorError> {
        let (tables, columns, store, commit, users) = parts;
        let Some(table) = &tables.profile.context else { return Ok(HashMap::new()) };
        let now = Instant::now();
        if self.read.len() > REMEMBERED_MAX {
            self.read.clear();
        }
        let is_fresh = |id: &String| self.read.get(id).is_some_and(|(read, _)| now - *read < FRESH);
        let wanted: Vec<String> = ids.iter().filter(|id| !is_fresh(id)).cloned().collect();
        for wanted in wanted.chunks(ROWS_MAX) {
            let found = read(tables, columns, table, wanted).await?;
            for id in wanted {
                let Some(found) = found.get(id) else {
                    self.read.remove(id);
                    continue;
                };
                if self.read.get(id).is_none_or(|(_, known)| known != found) {
                    put(store, commit, users, found).await?;
                }
                self.read.insert(id.clone(), (now, found.clone()));
            }
        }
        let known = ids
            .into_iter()
            .filter_map(|id| self.read.get(&id).map(|(_, known)| known.context.key.clone()).map(|key| (id, key)));
        Ok(known.collect())
    }
}

/// Writes a context to the store unless it is there already.
async fn put(store: &Store, commit: &Commit, users: &HostUsers, host: &HostContext) -> Result<(), MirrorError> {
    let external: Vec<String> = host.roles.keys().cloned().collect();
    let known = users.ensure(&external).await?;
    let roles: BTreeMap<UserId, String> =
        host.roles.iter().filter_map(|(user, role)| known.get(user).map(|user| (*user, role.clone()))).collect();
    let key = host.context.key.clone();
    let before = store.read(move |snapshot| snapshot.context(&key)).await?;
    let is_same = before.as_ref().is_some_and(|before| {
        // Whether it is closed is Parlor's own.
        let context = Context { closed: before.context.closed, ..host.context.clone() };
        let held: BTreeMap<UserId, String> = before.roles.iter().cloned().collect();
        before.context == context && held == roles
    });
    if is_same {
        return Ok(());
    }
    let closed = before.is_some_and(|before| before.context.closed);
    let context = Context { closed, ..host.context.clone() };
    commit.submit(Change::PutContext { context, roles: roles.into_iter().collect() }).await?;
    Ok(())
}

/// Reads rows of the table of contexts. Only columns that exist are read.
async fn read(
    tables: &HostTables,
    columns: &TableColumns,
    table: &ContextTable,
    ids: &[String],
) -> Result<HashMap<String, HostContext>, HostError> {
    let database = &tables.database;
    let column = |names: &Columns| {
        let name = names.0.iter().find(|name| columns.has(&table.table, name));
        name.map_or_else(|| "NULL".to_owned(), |name| database.quoted(name))
    };
    let roles: Vec<&String> = table.roles.keys().collect();
    let mut selected = vec![database.quoted(&table.id)];
    selected.extend([&table.title, &table.detail, &table.image, &table.status].map(column));
    selected.extend(table.roles.values().map(column));
    let sql = format!(
        "SELECT {} FROM {} WHERE {} IN ({})",
        selected.join(", "),
        database.quoted(&table.table),
        database.quoted(&table.id),
        marks(ids.len())
    );
    let rows = database.query(sql, ids.iter().map(|id| id_value(id)).collect()).await?;
    rows.iter()
        .map(|row| host_context(table, &roles, row).map(|context| (context.context.key.id.clone(), context)))
        .collect()
}

fn host_context(table: &ContextTable, roles: &[&String], row: &HostRow) -> Result<HostContext, HostError> {
    let id = row.text(0)?;
    let text = |column: usize| shown(row, column);
    let title = text(1)?.or_else(|| table.default_title.as_ref().map(|title| title.text(&[("id", &id)])));
    let image = text(3)?.and_then(|path| {
        let filename = path.rsplit('/').next().unwrap_or_default();
        table.image_url.as_ref().map(|url| url.url(&[("id", &id), ("file", &path), ("filename", filename)]))
    });
    let status = text(4)?;
    let tone = status.as_ref().and_then(|status| table.tones.get(&status.to_lowercase())).copied();
    let mut held = BTreeMap::new();
    for (place, role) in roles.iter().enumerate() {
        if let Some(user) = row.optional_text(5 + place)? {
            held.entry(user).or_insert_with(|| (*role).clone());
        }
    }
    let context = Context {
        title: title.unwrap_or_else(|| format!("{} {id}", table.kind)),
        detail: text(2)?,
        url: table.url.as_ref().map(|url| url.url(&[("id", &id)])),
        image,
        status,
        tone: tone.unwrap_or(Tone::Plain),
        closed: false,
        key: ContextKey { kind: table.kind.clone(), id },
    };
    Ok(HostContext { context, roles: held })
}

/// The longest text that a context shows, in characters: the host's texts may be longer than names can be.
const TEXT_CHARS_MAX: usize = 100;

/// Returns the beginning of a text, on one line; none if it is empty.
fn shown(row: &HostRow, column: usize) -> Result<Option<String>, HostError> {
    let text = match row.value(column)? {
        HostValue::Integer(number) => number.to_string(),
        HostValue::Text(text) => text.clone(),
        _ => return Ok(None),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|sign| !sign.is_control()).take(TEXT_CHARS_MAX).collect();
    Ok(Some(line).filter(|line| !line.is_empty()))
}
