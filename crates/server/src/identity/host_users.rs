//! The host's users as users here: added at first sight, and made equal to the host's rows from then on.
//!
//! Invariants: the host's id is the `external_id`, and nothing else links a row to a user, least of all a name. What is
//! already equal is not submitted, so that following users who do not change writes nothing. One source has the user's
//! name, and one whether they may sign in: the user table has both, but with a callback the callback has the name.

use crate::{
    commit::Commit,
    config::{Config, ProviderKind},
    domain::{
        change::{Change, Outcome},
        host_user::HostUser,
        rows::UserRow,
    },
    host::{
        HostDatabase, HostError,
        django::{DjangoUser, ReadRows, UserTable},
    },
    store::Store,
};
use futures_util::future::join_all;
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Users that are read and submitted together.
const BATCH_MAX: usize = 256;

/// Everything that it uses.
#[derive(Debug)]
pub(crate) struct HostUsersOptions {
    /// The store.
    pub(crate) store: Store,
    /// The writer.
    pub(crate) commit: Commit,
    /// The host's database; none where users only come from the callback.
    pub(crate) host: Option<HostDatabase>,
}

/// Finds and follows the host's users.
#[derive(Debug)]
pub struct HostUsers {
    store: Store,
    commit: Commit,
    host: Option<HostDatabase>,
    table: UserTable,
    chars_max: u32,
    /// Whether users may sign in at Parlor, too, with the password that they have at the host.
    takes_passwords: bool,
    /// Whether the names come from the callback.
    has_callback: bool,
    /// Whether a backend of the host lets users in who are not active.
    lets_inactive_in: bool,
    /// How far the users have been followed.
    followed: Mutex<UserId>,
}

impl HostUsers {
    pub(crate) fn new(config: &Config, with: HostUsersOptions) -> Self {
        let django = &config.django;
        Self {
            store: with.store,
            commit: with.commit,
            host: with.host,
            table: django.user_table(),
            chars_max: config.limits.name_chars_max,
            takes_passwords: config.identity.providers.contains(&ProviderKind::Accounts),
            has_callback: config.identity.providers.contains(&ProviderKind::Callback),
            lets_inactive_in: !django.backends_inactive.is_empty(),
            followed: Mutex::new(UserId(0)),
        }
    }

    /// Returns the users with these ids of the host. Those that are not known here yet are read from the host's user
    /// table and added; an id that the host does not have, or whose row cannot be read, is absent from the result.
    ///
    /// # Errors
    /// `unavailable`: the store, or for unknown ids the host's database, does not answer.
    pub async fn ensure(&self, external_ids: &[String]) -> Result<HashMap<String, UserId>, Problem> {
        let wanted: BTreeSet<&String> = external_ids.iter().collect();
        let known = self.store.users_by_external_id(wanted.iter().map(|id| (*id).clone()).collect()).await?;
        let mut users = ids(&known);
        let unknown: Vec<String> = wanted.into_iter().filter(|id| !users.contains_key(*id)).cloned().collect();
        let Some(host) = self.host.as_ref().filter(|_| !unknown.is_empty()) else { return Ok(users) };
        for some in unknown.chunks(BATCH_MAX) {
            let found = host.django_users(&self.table, some).await.map_err(|error| unavailable(&error))?;
            log_unreadable(&found, &self.table.table);
            users.extend(self.make_equal(found.rows.into_iter().map(|row| self.host_user(row)).collect()).await?);
        }
        Ok(users)
    }

    /// Returns the host's id of a user; none for one who is not the host's.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn external_id_of(&self, user: UserId) -> Result<Option<String>, Problem> {
        Ok(self.store.external_id(user).await?)
    }

    /// Makes users equal to what a provider says, and returns them. Beside a user table the callback does not say who may
    /// sign in: the table does, and the two would undo each other's changes.
    pub(crate) async fn put(
        &self,
        provider: ProviderKind,
        mut hosts: Vec<HostUser>,
    ) -> Result<HashMap<String, UserId>, Problem> {
        if provider == ProviderKind::Callback && self.host.is_some() {
            let ids = hosts.iter().map(|host| host.external_id.clone()).collect();
            let known = self.store.users_by_external_id(ids).await?;
            let disabled: BTreeSet<&str> =
                known.iter().filter(|row| row.disabled).filter_map(|row| row.external_id.as_deref()).collect();
            for host in &mut hosts {
                host.disabled = disabled.contains(host.external_id.as_str());
            }
        }
        self.make_equal(hosts).await
    }

    async fn make_equal(&self, hosts: Vec<HostUser>) -> Result<HashMap<String, UserId>, Problem> {
        let known =
            self.store.users_by_external_id(hosts.iter().map(|host| host.external_id.clone()).collect()).await?;
        let mut users = ids(&known);
        let rows: HashMap<&str, &UserRow> =
            known.iter().filter_map(|row| Some((row.external_id.as_deref()?, row))).collect();
        let is_equal =
            |host: &HostUser| rows.get(host.external_id.as_str()).is_some_and(|row| host.is_equal(row, self.chars_max));
        let changed: Vec<HostUser> = hosts.into_iter().filter(|host| !is_equal(host)).collect();
        for some in changed.chunks(BATCH_MAX) {
            let mut changes = Vec::with_capacity(some.len());
            for host in some {
                changes.push(self.commit.submit(Change::PutUser(host.clone())));
            }
            for (host, outcome) in some.iter().zip(join_all(changes).await) {
                match outcome {
                    Ok(Outcome::UserPut(user)) => {
                        users.insert(host.external_id.clone(), user);
                    }
                    Ok(_) => return Err(Code::Internal.into()),
                    // One impossible id must not keep the others out.
                    Err(problem) if problem.code != Code::Unavailable && problem.code != Code::Unknown => {
                        tracing::warn!(code = problem.code.name(), "a user of the host cannot be added");
                    }
                    Err(problem) => return Err(problem),
                }
            }
        }
        Ok(users)
    }

    /// Follows these users, who are known here already: one that the host no longer has is disabled.
    ///
    /// # Errors
    /// `unavailable`: the store or the host's database does not answer.
    pub(crate) async fn follow(&self, external_ids: &[String]) -> Result<(), Problem> {
        for some in external_ids.chunks(BATCH_MAX) {
            self.follow_rows(self.store.users_by_external_id(some.to_vec()).await?).await?;
        }
        Ok(())
    }

    /// Follows the host's users, some at a time, again and again.
    pub(crate) async fn run(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            // What fails is logged where it fails, and tried again in the next round.
            _ = self.follow_next().await;
        }
    }

    /// Follows the next users, so that everybody is followed again and again.
    ///
    /// # Errors
    /// `unavailable`: the store or the host's database does not answer.
    pub(crate) async fn follow_next(&self) -> Result<(), Problem> {
        let after = *self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = self.store.host_users(after, i64::try_from(BATCH_MAX).unwrap_or(i64::MAX)).await?;
        let next = rows.last().filter(|_| rows.len() == BATCH_MAX).map_or(UserId(0), |row| row.id);
        // First, so that nothing that cannot be followed keeps those after it from being followed.
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.follow_rows(rows).await
    }

    async fn follow_rows(&self, known: Vec<UserRow>) -> Result<(), Problem> {
        let Some(host) = self.host.as_ref().filter(|_| !known.is_empty()) else { return Ok(()) };
        let external_ids: Vec<String> = known.iter().filter_map(|row| row.external_id.clone()).collect();
        let found = host.django_users(&self.table, &external_ids).await.map_err(|error| unavailable(&error))?;
        log_unreadable(&found, &self.table.table);
        let mut rows: HashMap<String, DjangoUser> = found.rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let followed = known.into_iter().filter_map(|known| {
            let external_id = known.external_id?;
            match rows.remove(&external_id).map(|row| self.host_user(row)) {
                // Their names come from the callback.
                Some(host) if self.has_callback => Some(HostUser { login: known.login, name: known.name, ..host }),
                Some(host) => Some(host),
                None if found.unreadable.contains_key(&external_id) => None,
                // Name and login name stay as they are.
                None => {
                    let (login, name) = (known.login, known.name);
                    Some(HostUser { external_id, login, name, disabled: true, password_hash: None })
                }
            }
        });
        self.make_equal(followed.collect()).await?;
        Ok(())
    }

    /// Returns what a row of the host's user table says.
    pub(crate) fn host_user(&self, row: DjangoUser) -> HostUser {
        let may_sign_in = row.is_active;
        let password = if may_sign_in { row.password } else { String::new() };
        HostUser {
            external_id: row.id,
            login: row.login,
            name: row.name,
            disabled: !may_sign_in && !self.lets_inactive_in,
            password_hash: self.takes_passwords.then_some(password),
        }
    }
}

fn ids(rows: &[UserRow]) -> HashMap<String, UserId> {
    rows.iter().filter_map(|row| Some((row.external_id.clone()?, row.id))).collect()
}

/// Logs that rows of a table cannot be read.
pub(crate) fn log_unreadable<T>(found: &ReadRows<T>, table: &str) {
    if let Some(error) = found.unreadable.values().next() {
        tracing::error!(%error, table, rows = found.unreadable.len(), "rows of the host cannot be read and are left out");
    }
}

/// Logs a failure of the host's database, and refuses what needed it.
pub(crate) fn unavailable(error: &HostError) -> Problem {
    if error.is_outage() {
        tracing::warn!(%error, "the users of the host cannot be read");
    } else {
        tracing::error!(%error, "the users of the host cannot be read; check [django] and the rights of the account");
    }
    Problem::new(Code::Unavailable).with_detail("the application that users sign in to does not answer")
}
