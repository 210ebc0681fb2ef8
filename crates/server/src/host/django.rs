//! Reads Django's tables of sessions and users.
//!
//! A row that cannot be read, because a column is NULL that never is in Django, keeps no other row out.

use super::{HostDatabase, HostError, HostKind, HostRow, HostValue};
use std::collections::BTreeMap;

/// Keys of one statement; they are padded to a power of two, so that few forms of it are prepared.
const KEYS_MAX: usize = 256;

/// A row of `django_session`.
#[derive(Clone, Debug)]
pub struct DjangoSession {
    /// The key, which the cookie has.
    pub key: String,
    /// The signed content.
    pub data: String,
    /// When it expires, in milliseconds since 1970.
    pub expires_at: i64,
}

/// The host's user table and its columns.
#[derive(Clone, Debug)]
pub struct UserTable {
    /// The table.
    pub table: String,
    /// The primary key.
    pub id: String,
    /// The type of the primary key.
    pub id_type: IdType,
    /// The name used to sign in.
    pub login: String,
    /// The hash of the password.
    pub password: String,
    /// Whether they may sign in.
    pub active: String,
    /// The columns whose texts, joined by spaces, are the name.
    pub names: Vec<String>,
}

/// The type of the primary key of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdType {
    /// An integer.
    Integer,
    /// A UUID: a type of its own, or a text with or without dashes.
    Uuid,
    /// A text.
    Text,
}

/// A row of the host's user table.
#[derive(Clone)]
pub struct DjangoUser {
    /// The primary key as text; a UUID with dashes.
    pub id: String,
    /// The name used to sign in.
    pub login: String,
    /// The hash of the password.
    pub password: String,
    /// Whether they may sign in.
    pub is_active: bool,
    /// The name.
    pub name: String,
}

impl std::fmt::Debug for DjangoUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DjangoUser").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The rows of some keys.
#[derive(Clone, Debug)]
pub struct ReadRows<T> {
    /// Those that could be read.
    pub rows: Vec<T>,
    /// The keys of those that could not, with the reasons.
    pub unreadable: BTreeMap<String, HostError>,
}

impl<T> Default for ReadRows<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), unreadable: BTreeMap::new() }
    }
}

impl<T> ReadRows<T> {
    fn add(&mut self, key: String, row: Result<T, HostError>) {
        match row {
            Ok(row) => self.rows.push(row),
            Err(error) => {
                self.unreadable.insert(key, error);
            }
        }
    }
}

impl HostDatabase {
    /// Returns the sessions with these keys, expired ones included.
    ///
    /// # Errors
    /// The database is not available, or the table is not Django's.
    pub async fn django_sessions(&self, table: &str, keys: &[String]) -> Result<ReadRows<DjangoSession>, HostError> {
        let head = format!("SELECT session_key, session_data, expire_date FROM {}", self.quoted(table));
        let mut found = ReadRows::default();
        for keys in keys.chunks(KEYS_MAX) {
            let params: Vec<HostValue> = padded(keys.iter().map(|key| HostValue::from(key.as_str())).collect());
            let sql =
                format!("{head} WHERE session_key IN ({})", placeholders(params.len(), |number| format!("${number}")));
            for row in self.query(sql, params).await? {
                let key = row.text(0)?;
                found.add(key.clone(), session(key, &row));
            }
        }
        Ok(found)
    }

    /// Returns the users with these ids; an id that cannot be one is nobody's.
    ///
    /// # Errors
    /// The database is not available, or the table has other columns.
    pub async fn django_users(&self, table: &UserTable, ids: &[String]) -> Result<ReadRows<DjangoUser>, HostError> {
        let (id, head) = (self.quoted(&table.id), self.select_users(table));
        let keys: Vec<HostValue> = ids.iter().flat_map(|id| self.keys_of(id, table.id_type)).collect();
        let key = |number| self.key(number, table.id_type);
        let mut found = ReadRows::default();
        for keys in keys.chunks(KEYS_MAX) {
            let params = padded(keys.to_vec());
            let sql = format!("{head} WHERE {id} IN ({})", placeholders(params.len(), key));
            for row in self.query(sql, params).await? {
                let id = id_of(&row, table)?;
                found.add(id.clone(), user(id, &row, table));
            }
        }
        Ok(found)
    }

    /// Returns the users who follow one with this id, or the first ones, in the order of their ids.
    ///
    /// # Errors
    /// The database is not available, or the table has other columns.
    pub async fn django_users_after(
        &self,
        table: &UserTable,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DjangoUser>, HostError> {
        let (id, head) = (self.quoted(&table.id), self.select_users(table));
        let key = after.and_then(|id| self.keys_of(id, table.id_type).pop());
        let place = if key.is_some() { format!(" WHERE {id} > {}", self.key(1, table.id_type)) } else { String::new() };
        let rows = self.query(format!("{head}{place} ORDER BY {id} LIMIT {limit}"), key.into_iter().collect()).await?;
        rows.iter().map(|row| user(id_of(row, table)?, row, table)).collect()
    }

    fn select_users(&self, table: &UserTable) -> String {
        let mut columns = vec![&table.id, &table.login, &table.password, &table.active];
        columns.extend(&table.names);
        let columns: Vec<String> = columns.into_iter().map(|column| self.quoted(column)).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.quoted(&table.table))
    }

    /// Returns the form of a parameter that is compared with a primary key.
    fn key(&self, number: usize, id_type: IdType) -> String {
        match (self.kind(), id_type) {
            (HostKind::Postgres, IdType::Uuid) => format!("CAST(${number} AS uuid)"),
            // A number that is too large for the column is compared, and found nowhere.
            (HostKind::Postgres, IdType::Integer) => format!("CAST(${number} AS bigint)"),
            _ => format!("${number}"),
        }
    }

    /// Returns the values that the primary key of this id may have.
    fn keys_of(&self, id: &str, id_type: IdType) -> Vec<HostValue> {
        match id_type {
            IdType::Integer => id.parse::<i64>().ok().map(HostValue::from).into_iter().collect(),
            IdType::Text => vec![HostValue::from(id)],
            IdType::Uuid => match bare_uuid(id) {
                Some(_) if self.kind() == HostKind::Postgres => vec![HostValue::from(id)],
                Some(bare) => vec![HostValue::from(dashed(&bare)), HostValue::from(bare)],
                None => Vec::new(),
            },
        }
    }
}

fn session(key: String, row: &HostRow) -> Result<DjangoSession, HostError> {
    Ok(DjangoSession { key, data: row.text(1)?, expires_at: row.time_ms(2)? })
}

fn id_of(row: &HostRow, table: &UserTable) -> Result<String, HostError> {
    let id = row.text(0)?;
    Ok(if table.id_type == IdType::Uuid { bare_uuid(&id).map_or(id, |bare| dashed(&bare)) } else { id })
}

fn user(id: String, row: &HostRow, table: &UserTable) -> Result<DjangoUser, HostError> {
    let mut names = Vec::new();
    for column in 4..4 + table.names.len() {
        names.extend(row.optional_text(column)?.filter(|name| !name.trim().is_empty()));
    }
    Ok(DjangoUser {
        id,
        login: row.text(1)?,
        password: row.optional_text(2)?.unwrap_or_default(),
        is_active: row.boolean(3)?,
        name: names.join(" "),
    })
}

fn placeholders(count: usize, form: impl Fn(usize) -> String) -> String {
    (1..=count).map(form).collect::<Vec<_>>().join(", ")
}

fn padded(mut values: Vec<HostValue>) -> Vec<HostValue> {
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// Returns the 32 hex digits of a UUID.
pub(crate) fn bare_uuid(text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|character| *character != '-').collect();
    (bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| bare.to_ascii_lowercase())
}

/// Returns the 32 hex digits of a UUID with dashes.
pub(crate) fn dashed(bare: &str) -> String {
    [&bare[..8], &bare[8..12], &bare[12..16], &bare[16..20], &bare[20..]].join("-")
}
