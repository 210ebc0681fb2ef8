//! Sessions of a Django application: its cookie, its table of sessions, and its table of users.
//!
//! Read-only: a session that is refused is left to Django.

use super::{Credential, HostSession, Verdict, bounded_reading::BoundedReading};
use crate::{
    coalesce::Coalescer,
    config::{DjangoConfig, ProviderKind, SessionEngine},
    environment::Environment,
    host::{
        HostDatabase,
        django::{DjangoUser, ReadRows},
    },
    identity::{
        django::{
            cookies,
            session::{self, SessionError, SessionUser},
            signing::{OBJECT_BYTES_MAX, SecretKeys, Signed},
        },
        host_users::{HostUsers, log_unreadable, unavailable},
    },
    supervisor::Supervisor,
};
use parlor_protocol::error::{Code, Problem};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};
use tokio::task::JoinHandle;

/// Sessions that are asked about together.
pub(super) const BATCH_MAX: usize = 256;

/// Asks about sessions.
#[derive(Debug)]
pub(crate) struct DjangoSessions {
    reader: Arc<SessionReader>,
    coalescer: Coalescer<Credential, Result<Verdict, Problem>>,
}

/// Reads sessions and their users.
#[derive(Debug)]
struct SessionReader {
    rules: DjangoRules,
    host: HostDatabase,
    users: Arc<HostUsers>,
    environment: Environment,
    files: BoundedReading,
    timeout: Duration,
    has_warned: AtomicBool,
}

/// What decides whether a session signs its user in.
#[derive(Clone, Debug)]
pub(crate) struct DjangoRules {
    pub(crate) keys: SecretKeys,
    pub(crate) config: DjangoConfig,
}

/// A session whose signature and time are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveSession {
    pub(crate) user: SessionUser,
    pub(crate) expires_at: i64,
}

impl DjangoRules {
    pub(crate) fn new(config: &DjangoConfig) -> Self {
        let keys = [config.secret_key.clone()].into_iter().chain(config.secret_key_fallbacks.clone());
        Self { keys: SecretKeys(keys.collect()), config: config.clone() }
    }

    /// Reads the content of a session of the database; none if it is nobody's or has expired.
    pub(crate) fn parse_stored(
        &self,
        data: &str,
        expires_at: i64,
        now_ms: i64,
    ) -> Result<Option<LiveSession>, SessionError> {
        if expires_at <= now_ms {
            return Ok(None);
        }
        let signed = self.keys.load(session::STORED_SALT, data, now_ms, None)?;
        Ok(session::user_of(&signed)?.map(|user| LiveSession { user, expires_at }))
    }

    /// Reads a session that is the cookie itself.
    pub(crate) fn parse_cookie(&self, cookie: &str, now_ms: i64) -> Result<Option<LiveSession>, SessionError> {
        let signed = self.keys.load(session::COOKIE_SALT, cookie, now_ms, Some(self.age_ms()))?;
        let expires_at = signed.signed_at.saturating_add(self.age_ms());
        Ok(session::user_of(&signed)?.map(|user| LiveSession { user, expires_at }))
    }

    /// Reads a session in a file that was last written at `written_at`.
    pub(crate) fn parse_file(
        &self,
        data: &str,
        written_at: i64,
        now_ms: i64,
    ) -> Result<Option<LiveSession>, SessionError> {
        let signed: Signed = self.keys.load(session::STORED_SALT, data, now_ms, None)?;
        let Some(user) = session::user_of(&signed)? else { return Ok(None) };
        let age_ms = user.expiry_seconds.filter(|seconds| *seconds > 0).map(|seconds| seconds.saturating_mul(1000));
        let expires_at = written_at.saturating_add(age_ms.unwrap_or(self.age_ms()));
        Ok((expires_at > now_ms).then_some(LiveSession { user, expires_at }))
    }

    /// Returns whether a session signs this user in: its backend is allowed, lets them in, and their password is the
    /// one that they had when it began.
    pub(crate) fn admits(&self, session: &SessionUser, user: &DjangoUser) -> bool {
        let config = &self.config;
        config.backends.contains(&session.backend)
            && (user.is_active || config.backends_inactive.contains(&session.backend))
            && session.has_hash_of(&self.keys, &user.password)
    }

    fn age_ms(&self) -> i64 {
        i64::try_from(self.config.session_age_s.saturating_mul(1000)).unwrap_or(i64::MAX)
    }
}

impl DjangoSessions {
    pub(crate) fn start(
        config: &DjangoConfig,
        host: HostDatabase,
        users: Arc<HostUsers>,
        environment: Environment,
        supervisor: &Supervisor,
    ) -> (Self, JoinHandle<()>) {
        let rules = DjangoRules::new(config);
        // It is the time-out of the host, wherever its sessions are.
        let timeout = host.options().timeout;
        let (files, has_warned) = (BoundedReading::new(timeout), AtomicBool::new(false));
        let reader = Arc::new(SessionReader { rules, host, users, environment, files, timeout, has_warned });
        let shared = reader.clone();
        let (coalescer, task) = Coalescer::start("host sessions", supervisor, move |credentials: Vec<Credential>| {
            let reader = shared.clone();
            async move { reader.verdicts(&credentials).await }
        });
        (Self { reader, coalescer }, task)
    }

    pub(crate) fn credential(&self, lines: &[&[u8]]) -> Option<Credential> {
        let config = &self.reader.rules.config;
        let key = cookies::cookie(lines.iter().copied(), &config.session_cookie)?;
        let is_possible = match config.session_engine {
            SessionEngine::Db | SessionEngine::File => session::is_key(&key),
            SessionEngine::SignedCookies => key.contains(':'),
        };
        is_possible.then(|| Credential { provider: ProviderKind::DjangoSession, key, cookies: Vec::new() })
    }

    pub(crate) fn outage_ms(&self) -> i64 {
        i64::try_from(self.reader.rules.config.outage_ms).unwrap_or(i64::MAX)
    }

    /// Returns the time-out of the host's database, in milliseconds.
    pub(crate) fn timeout_ms(&self) -> i64 {
        i64::try_from(self.reader.timeout.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) async fn ask(&self, credential: Credential) -> Result<Verdict, Problem> {
        self.coalescer.ask(credential).await?
    }

    pub(crate) async fn ask_batch(&self, credentials: &[Credential]) -> Vec<Result<Verdict, Problem>> {
        match self.reader.verdicts(credentials).await {
            Ok(verdicts) => verdicts,
            Err(problem) => vec![Err(problem); credentials.len()],
        }
    }
}

/// A session as it was found, or why its row cannot be read.
type FoundSession = Result<Option<LiveSession>, Problem>;

impl SessionReader {
    /// Returns a verdict for each: one row that cannot be read says nothing about the others.
    async fn verdicts(&self, credentials: &[Credential]) -> Result<Vec<Result<Verdict, Problem>>, Problem> {
        let sessions = self.sessions(credentials).await?;
        let mut ids: Vec<String> = sessions.iter().flatten().flatten().map(|session| session.user.id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = if ids.is_empty() {
            ReadRows::default()
        } else {
            let found = self.host.django_users(&self.rules.config.user_table(), &ids).await;
            found.map_err(|error| unavailable(&error))?
        };
        log_unreadable(&found, &self.rules.config.user_table);
        let users: HashMap<&str, &DjangoUser> = found.rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let verdict = |session: FoundSession| {
            let Some(session) = session? else { return Ok(Verdict::SignedOut) };
            let id = session.user.id.as_str();
            if found.unreadable.contains_key(id) {
                return Err(unreadable());
            }
            Ok(match users.get(id) {
                Some(user) if self.rules.admits(&session.user, user) => {
                    let user = self.users.host_user((*user).clone());
                    Verdict::SignedIn(HostSession { user, expires_at: Some(session.expires_at) })
                }
                _ => Verdict::SignedOut,
            })
        };
        Ok(sessions.into_iter().map(verdict).collect())
    }

    async fn sessions(&self, credentials: &[Credential]) -> Result<Vec<FoundSession>, Problem> {
        let (rules, now_ms) = (&self.rules, self.environment.now_ms());
        match rules.config.session_engine {
            SessionEngine::SignedCookies => {
                let session = |one: &Credential| Ok(self.log_refusal(rules.parse_cookie(&one.key, now_ms)));
                Ok(credentials.iter().map(session).collect())
            }
            SessionEngine::Db => {
                let keys: Vec<String> = credentials.iter().map(|one| one.key.clone()).collect();
                let table = &rules.config.session_table;
                let found = self.host.django_sessions(table, &keys).await.map_err(|error| unavailable(&error))?;
                log_unreadable(&found, table);
                let rows: HashMap<&str, _> = found.rows.iter().map(|row| (row.key.as_str(), row)).collect();
                let session = |one: &Credential| {
                    if found.unreadable.contains_key(&one.key) {
                        return Err(unreadable());
                    }
                    let row = rows.get(one.key.as_str());
                    Ok(row.and_then(|row| self.log_refusal(rules.parse_stored(&row.data, row.expires_at, now_ms))))
                };
                Ok(credentials.iter().map(session).collect())
            }
            SessionEngine::File => {
                let session = |found: Option<(String, i64)>| {
                    let (data, written_at) = found?;
                    self.log_refusal(rules.parse_file(&data, written_at, now_ms))
                };
                Ok(self.read_files(credentials).await?.into_iter().map(|found| Ok(session(found))).collect())
            }
        }
    }

    /// Reads the file of each session; none where there is none.
    async fn read_files(&self, credentials: &[Credential]) -> Result<Vec<Option<(String, i64)>>, Problem> {
        let config = &self.rules.config;
        let Some(folder) = config.session_folder.clone() else { return Ok(vec![None; credentials.len()]) };
        let names: Vec<String> =
            credentials.iter().map(|one| format!("{}{}", config.session_cookie, one.key)).collect();
        let read = move || names.iter().map(|name| file(&folder.join(name))).collect::<Vec<_>>();
        self.files.read(read).await.ok_or_else(|| {
            tracing::warn!("the host's folder of sessions is not read in time");
            Problem::new(Code::Unavailable).with_detail("the application that users sign in to does not answer")
        })
    }

    fn log_refusal(&self, read: Result<Option<LiveSession>, SessionError>) -> Option<LiveSession> {
        read.unwrap_or_else(|error| {
            // Every session would be refused for this reason, so it is logged once.
            if error == SessionError::Pickle && !self.has_warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "a session of the host is refused");
            }
            tracing::debug!(%error, "a session of the host is refused");
            None
        })
    }
}

fn unreadable() -> Problem {
    Problem::new(Code::Unavailable).with_detail("the application has a row that cannot be read")
}

/// Reads the file of a session, and when it was last written, in milliseconds since 1970.
fn file(path: &Path) -> Option<(String, i64)> {
    let facts = std::fs::metadata(path).ok()?;
    if !facts.is_file() || facts.len() > u64::try_from(OBJECT_BYTES_MAX).unwrap_or(u64::MAX) {
        return None;
    }
    let written = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((std::fs::read_to_string(path).ok()?, i64::try_from(written.as_millis()).ok()?))
}
