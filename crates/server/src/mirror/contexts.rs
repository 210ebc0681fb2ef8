//! Contexts made of the host's rows: what messages are about follows the host.

use super::{
    MirrorError,
    applied::is_transient,
    host_tables::{HostTables, ROWS_MAX, marks},
    id_forms::IdForm,
    schema::TableColumns,
};
use crate::{
    commit::Commit,
    domain::{change::Change, host_context, visible},
    host::{HostError, HostRow, HostValue},
    identity::host_users::HostUsers,
    profile::tables::{Columns, ContextTable},
    store::Store,
};
use parlor_protocol::{
    error::Problem,
    ids::UserId,
    model::{Context, ContextKey, Tone},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::Instant;
use tracing::warn;

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

/// A context that was read.
#[derive(Debug)]
struct ReadContext {
    at: Instant,
    context: HostContext,
    /// Whether it is in the store; none of its rows are mirrored otherwise.
    is_here: bool,
}

/// The contexts that were read.
#[derive(Debug)]
pub(super) struct HostContexts {
    read: HashMap<String, ReadContext>,
    /// Everything up to this id was looked at; none to begin with the first.
    scanned: Option<String>,
    /// `limits.name_chars_max`.
    name_chars_max: u32,
}

/// What reading contexts needs.
pub(super) type ContextParts<'a> = (&'a HostTables, &'a TableColumns, &'a Store, &'a Commit, &'a HostUsers);

impl HostContexts {
    /// Nothing is read yet. `name_chars_max` is the limit of that name.
    pub(super) fn new(name_chars_max: u32) -> Self {
        Self { read: HashMap::new(), scanned: None, name_chars_max }
    }

    /// Begins to look at all rows again.
    pub(super) fn scan_again(&mut self) {
        self.scanned = None;
    }

    /// Looks at the next rows; at the end of the table, at those that came since. Returns whether there may be more.
    pub(super) async fn scan(&mut self, parts: ContextParts<'_>) -> Result<bool, MirrorError> {
        let tables = parts.0;
        let Some(table) = &tables.profile.context else { return Ok(false) };
        let form = IdForm::of_column(parts.1.kind(&table.table, &table.id).unwrap_or_default());
        let id = tables.database.quoted(&table.id);
        let after = self.scanned.as_ref().map_or_else(String::new, |_| format!("WHERE {id} > $1"));
        let from = tables.database.quoted(&table.table);
        let sql = format!("SELECT {id} FROM {from} {after} ORDER BY {id} LIMIT {ROWS_MAX}");
        let rows = tables.database.query(sql, self.scanned.iter().map(|id| form.value(id)).collect()).await?;
        let is_more = rows.len() == ROWS_MAX;
        let ids: Vec<String> = rows.iter().filter_map(|row| row.text(0).ok()).map(|id| form.read(id)).collect();
        let Some(last) = ids.last().cloned() else { return Ok(false) };
        self.ensure(parts, ids.into_iter().collect()).await?;
        self.scanned = Some(last);
        Ok(is_more)
    }

    /// Makes the contexts of these rows equal to the host's, and returns those that exist here and there. One that
    /// cannot be shown is logged, and is not among them.
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
        let is_fresh = |id: &String| self.read.get(id).is_some_and(|known| now - known.at < FRESH);
        let wanted: Vec<String> = ids.iter().filter(|id| !is_fresh(id)).cloned().collect();
        for wanted in wanted.chunks(ROWS_MAX) {
            let mut found = read(tables, columns, table, wanted).await?;
            for id in wanted {
                let Some(context) = found.remove(id) else {
                    self.read.remove(id);
                    continue;
                };
                let known = self.read.get(id).filter(|known| known.context == context);
                let was_refused = known.is_some_and(|known| !known.is_here);
                let is_known = known.is_some_and(|known| known.is_here);
                let refusal =
                    if is_known { None } else { put(store, commit, users, &context, self.name_chars_max).await? };
                if let Some(problem) = refusal.as_ref().filter(|_| !was_refused) {
                    let (kind, reason) = (&table.kind, super::problem_text(problem));
                    warn!(kind, id, reason, "what messages are about is not mirrored, nor are these messages");
                }
                let is_here = refusal.is_none();
                self.read.insert(id.clone(), ReadContext { at: now, context, is_here });
            }
        }
        let known = ids.into_iter().filter_map(|id| {
            let known = self.read.get(&id).filter(|known| known.is_here)?;
            Some((id, known.context.context.key.clone()))
        });
        Ok(known.collect())
    }
}

/// Writes a context to the store unless it is there already. Returns why the store cannot have it, if it cannot.
async fn put(
    store: &Store,
    commit: &Commit,
    users: &HostUsers,
    host: &HostContext,
    chars_max: u32,
) -> Result<Option<Problem>, MirrorError> {
    let shown = match host_context::shown(&host.context, chars_max) {
        Ok(shown) => shown,
        Err(problem) => return Ok(Some(problem)),
    };
    let external: Vec<String> = host.roles.keys().cloned().collect();
    let known = users.ensure(&external).await?;
    let roles: BTreeMap<UserId, String> =
        host.roles.iter().filter_map(|(user, role)| known.get(user).map(|user| (*user, role.clone()))).collect();
    let stored = shown.key.clone();
    let before = store.read(move |snapshot| snapshot.context(&stored)).await?;
    // Whether it is closed is Parlor's own.
    let closed = before.as_ref().is_some_and(|before| before.context.closed);
    let context = Context { closed, ..shown };
    let is_same = before.is_some_and(|before| {
        let stored_roles: BTreeMap<UserId, String> = before.roles.into_iter().collect();
        before.context == context && stored_roles == roles
    });
    if is_same {
        return Ok(None);
    }
    match commit.submit(Change::PutContext { context, roles: roles.into_iter().collect() }).await {
        Ok(_) => Ok(None),
        Err(problem) if is_transient(&problem) => Err(problem.into()),
        Err(problem) => Ok(Some(problem)),
    }
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
    let form = IdForm::of_column(columns.kind(&table.table, &table.id).unwrap_or_default());
    let people = tables.forms().await?.people;
    let rows = database.query(sql, ids.iter().map(|id| form.value(id)).collect()).await?;
    let found = rows.iter().filter_map(|row| host_context(table, &roles, row, (form, people)));
    Ok(found.map(|context| (context.context.key.id.clone(), context)).collect())
}

/// Returns what a row contains; none if its id cannot be read. Any other value that cannot be read counts as absent.
fn host_context(
    table: &ContextTable,
    roles: &[&String],
    row: &HostRow,
    (form, people): (IdForm, IdForm),
) -> Option<HostContext> {
    let id = form.read(row.text(0).ok()?);
    let text = |column: usize| line(row, column);
    let default = table.default_title.as_ref().map(|title| title.text(&[("id", &id)]));
    let default = default.unwrap_or_else(|| format!("{} {id}", table.kind));
    let title = text(1).filter(|title| !visible::is_blank(title)).unwrap_or(default);
    let image = text(3).and_then(|path| {
        let filename = path.rsplit('/').next().unwrap_or_default();
        table.image_url.as_ref().map(|url| url.url(&[("id", &id), ("file", &path), ("filename", filename)]))
    });
    let status = text(4);
    let tone = status.as_ref().and_then(|status| table.tones.get(&status.to_lowercase())).copied();
    let mut held_roles = BTreeMap::new();
    for (place, role) in roles.iter().enumerate() {
        if let Ok(Some(user)) = row.optional_text(5 + place) {
            held_roles.entry(people.read(user)).or_insert_with(|| (*role).clone());
        }
    }
    let context = Context {
        title,
        detail: text(2),
        url: table.url.as_ref().map(|url| url.url(&[("id", &id)])),
        image,
        status,
        tone: tone.unwrap_or(Tone::Plain),
        closed: false,
        key: ContextKey { kind: table.kind.clone(), id },
    };
    Some(HostContext { context, roles: held_roles })
}

/// Returns a text on one line; none if there is none.
fn line(row: &HostRow, column: usize) -> Option<String> {
    let text = match row.value(column).ok()? {
        HostValue::Integer(number) => number.to_string(),
        HostValue::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
