//! Sessions of the host as sessions of Parlor: each that is alive there has a row here, so that everything that ends a
//! session and closes its sockets is the same for both.
//!
//! Invariants: a row is made only after the host has confirmed the session, and ends once the host says that it has
//! ended, at the latest with the next check. Somebody whose session is in use waits for the host's database neither for
//! a request nor for a socket. How many wait for the host is limited, for each address and for all.

mod checks;

use super::{
    actor::Actor,
    django::cookies::latin_1,
    host_users::HostUsers,
    known_sessions::{Check, KnownSession, KnownSessions, SessionHash},
    providers::{Credential, HostSession, Provider, Verdict, turns::Requester},
};
use crate::{
    coalesce::Coalescer,
    commit::Commit,
    config::{Config, ProviderKind},
    domain::change::{Change, Which},
    environment::Environment,
    hub::Hub,
    store::{
        Store,
        sessions::{ActiveSession, NewSession},
    },
};
use checks::{CheckRequests, outlasts};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{SessionId, UserId},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How many requests of one address, and of all, may wait for the host at once: with sessions that are known here, and
/// with cookies that are not.
const KNOWN_ASKING: AskingLimits = AskingLimits { address: 64, all: 512 };
const STRANGERS_ASKING: AskingLimits = AskingLimits { address: 16, all: 256 };
/// How often the host is asked for one request, because a check was requested meanwhile.
const ASKED_AGAIN_MAX: u32 = 3;
/// When a request that found too many others waiting should be tried again.
const RETRY_AFTER_MS: u64 = 1000;
/// How many requests of the host for checks are in progress at once.
const CHECK_REQUESTS_MAX: usize = 64;

/// Everything that it uses.
#[derive(Debug)]
pub(crate) struct HostSessionsOptions {
    pub(crate) store: Store,
    pub(crate) commit: Commit,
    pub(crate) environment: Environment,
    pub(crate) hub: Arc<Hub>,
    pub(crate) users: Arc<HostUsers>,
    /// The sources, in their order.
    pub(crate) providers: Vec<Provider>,
    /// Looks rows up by their hashes.
    pub(crate) rows: Coalescer<SessionHash, Option<ActiveSession>>,
    /// The key under which credentials are hashed.
    pub(crate) secret: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct HostSessions {
    with: HostSessionsOptions,
    known: KnownSessions,
    asking_known: Asking,
    asking_strangers: Asking,
    sessions_max: usize,
    session_ms: i64,
    recheck: Duration,
    requested: CheckRequests,
    requests_in_progress: Semaphore,
}

/// How a session of the host is checked, for the program that takes this one's place. It contains cookies.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostSessionRecord {
    hash: SessionHash,
    provider: ProviderKind,
    key: String,
    #[serde(with = "latin_1")]
    cookies: Vec<u8>,
    external_id: String,
    checked_ms_ago: i64,
    expires_at: Option<i64>,
}

impl std::fmt::Debug for HostSessionRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HostSessionRecord").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The client of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor<'a> {
    pub(crate) address: IpAddr,
    pub(crate) agent: &'a str,
}

impl HostSessions {
    pub(crate) fn new(config: &Config, with: HostSessionsOptions) -> Self {
        Self {
            with,
            known: KnownSessions::new(config.limits.connections_max as usize),
            asking_known: Asking::new(KNOWN_ASKING),
            asking_strangers: Asking::new(STRANGERS_ASKING),
            sessions_max: config.limits.sessions_max as usize,
            session_ms: i64::from(config.accounts.session_days) * 24 * 60 * 60 * 1000,
            recheck: Duration::from_millis(config.identity.recheck_ms),
            requested: CheckRequests::default(),
            requests_in_progress: Semaphore::new(CHECK_REQUESTS_MAX),
        }
    }

    /// Returns what the lines of a `Cookie` header name, for a provider.
    pub(crate) fn credential(&self, kind: ProviderKind, lines: &[&[u8]]) -> Option<Credential> {
        self.provider(kind)?.credential(lines)
    }

    /// Returns the user and session that a credential stands for; none if it is nobody's. Before the host is asked,
    /// `count` counts the request: that of a user, or, without one, of an address.
    ///
    /// # Errors
    /// `unavailable`: the store or the host does not answer, or too many requests wait for it; or those of `count`.
    pub(crate) async fn find(
        &self,
        credential: Credential,
        visitor: Visitor<'_>,
        count: impl FnOnce(Option<UserId>) -> Result<(), Problem>,
    ) -> Result<Option<ActiveSession>, Problem> {
        let hash = self.hash(&credential);
        let steady_ms = self.with.environment.steady_ms();
        if self.known.is_rejected(&hash, steady_ms) {
            return Ok(None);
        }
        let row = self.with.rows.ask(hash).await?;
        let row = row.filter(|row| row.seen_at >= self.with.environment.ageing_ms() - self.session_ms);
        if let (Some(row), Some(known)) = (row, self.known.used(&hash, steady_ms))
            && known.actor == actor_of(row)
            && self.is_trusted(credential.provider, known, steady_ms)
        {
            return Ok(Some(row));
        }
        count(row.map(|row| row.user))?;
        let asking = if row.is_some() { &self.asking_known } else { &self.asking_strangers };
        let _permit = asking.take(visitor.address)?;
        self.ask(&credential, hash, row, visitor).await
    }

    fn is_trusted(&self, kind: ProviderKind, known: Check, steady_ms: i64) -> bool {
        let trusted_ms = self.provider(kind).map_or(0, Provider::trusted_ms);
        let is_over = known.expires_at.is_some_and(|expires_at| expires_at <= self.with.environment.now_ms());
        !is_over && steady_ms - known.checked_ms <= trusted_ms
    }

    async fn ask(
        &self,
        credential: &Credential,
        hash: SessionHash,
        mut row: Option<ActiveSession>,
        visitor: Visitor<'_>,
    ) -> Result<Option<ActiveSession>, Problem> {
        let Some(provider) = self.provider(credential.provider) else { return Ok(None) };
        let requester = if row.is_some() { Requester::Known } else { Requester::Stranger };
        for _ in 0..ASKED_AGAIN_MAX {
            let (asked_ms, requested) = (self.with.environment.steady_ms(), self.requested.last());
            let turn = provider.turn(requester).await?;
            let verdict = provider.ask(credential).await;
            drop(turn);
            match verdict {
                Ok(Verdict::SignedIn(host)) => {
                    let external_id = host.user.external_id.clone();
                    row = self.begin((credential, hash), host, row, visitor, asked_ms).await?;
                    // It may have ended at the host while it answered.
                    if !self.requested.is_after(requested, &external_id) {
                        break;
                    }
                }
                Ok(Verdict::SignedOut) => {
                    self.end(&hash, row.map(actor_of)).await?;
                    // The host may have just confirmed it.
                    if self.requested.last() == requested {
                        self.known.insert_rejected(hash, asked_ms);
                    }
                    return Ok(None);
                }
                Err(problem) => return self.outlive(provider, (credential, hash), row).ok_or(problem).map(Some),
            }
        }
        Ok(row)
    }

    /// Makes the row of a session that the host has confirmed, unless it exists.
    async fn begin(
        &self,
        (credential, hash): (&Credential, SessionHash),
        host: HostSession,
        row: Option<ActiveSession>,
        visitor: Visitor<'_>,
        asked_ms: i64,
    ) -> Result<Option<ActiveSession>, Problem> {
        let external_id = host.user.external_id.clone();
        let users = self.with.users.put(credential.provider, vec![host.user]).await?;
        let Some(&user) = users.get(&external_id) else { return Ok(None) };
        let row = match row {
            Some(row) if row.user == user => row,
            other => {
                // The same session of the host, now of another user.
                self.end(&hash, other.map(actor_of)).await?;
                let session = self.insert(credential.provider, hash, user, visitor).await?;
                let Some(session) = session else { return Ok(None) };
                ActiveSession { session, user, seen_at: self.with.environment.now_ms(), is_host: true }
            }
        };
        let check = Check { actor: actor_of(row), checked_ms: asked_ms, expires_at: host.expires_at };
        let credential = credential.clone();
        let known = KnownSession { credential, external_id, check, used_ms: asked_ms };
        self.known.insert(hash, known, || self.with.hub.connected_sessions());
        Ok(Some(row))
    }

    async fn insert(
        &self,
        provider: ProviderKind,
        hash: SessionHash,
        user: UserId,
        visitor: Visitor<'_>,
    ) -> Result<Option<SessionId>, Problem> {
        let new = NewSession {
            user,
            password_hash: None,
            token_hash: hash,
            now_ms: self.with.environment.now_ms(),
            agent: super::sign_in::kept_agent(visitor.agent),
            expired_before: self.with.environment.ageing_ms() - self.session_ms,
            provider: provider.name(),
        };
        // None: the user has been disabled in the meantime.
        let Some(session) = self.with.store.insert_session(new).await? else { return Ok(None) };
        self.trim(user, session).await?;
        Ok(Some(session))
    }

    /// Ends what a user has more than the limit: what was used longest ago, and those that are connected last. An
    /// application that changes its cookie with each answer leaves many behind.
    async fn trim(&self, user: UserId, newest: SessionId) -> Result<(), Problem> {
        let mut all = self.with.store.list_sessions(user, i64::MIN).await?;
        if all.len() <= self.sessions_max {
            return Ok(());
        }
        let connected = self.with.hub.connected_sessions();
        all.sort_unstable_by_key(|one| Reverse((one.id == newest, connected.contains(&one.id), one.seen_at, one.id)));
        let ended: HashSet<SessionId> = all.iter().skip(self.sessions_max).map(|one| one.id).collect();
        for session in &ended {
            self.end_row(Actor { user, session: *session }).await?;
        }
        self.known.remove_sessions(&ended);
        Ok(())
    }

    /// Returns the user of a session that the host cannot be asked about now, if it was alive lately.
    fn outlive(
        &self,
        provider: &Provider,
        (credential, hash): (&Credential, SessionHash),
        row: Option<ActiveSession>,
    ) -> Option<ActiveSession> {
        let row = row.filter(|_| provider.kind() == ProviderKind::DjangoSession)?;
        let (steady_ms, now_ms) = (self.with.environment.steady_ms(), self.with.environment.now_ms());
        let known = self.known.used(&hash, steady_ms);
        let ago_ms = (now_ms - row.seen_at).max(0);
        let unchecked = Check { actor: actor_of(row), checked_ms: steady_ms - ago_ms, expires_at: None };
        if !outlasts(known.unwrap_or(unchecked), (steady_ms, now_ms), provider.outage_ms()) {
            return None;
        }
        if known.is_none() {
            let (credential, external_id) = (credential.clone(), String::new());
            let known = KnownSession { credential, external_id, check: unchecked, used_ms: steady_ms };
            self.known.insert(hash, known, || self.with.hub.connected_sessions());
        }
        Some(row)
    }

    /// Returns how those of the sessions are checked that are the host's.
    pub(crate) fn records(&self, sessions: &HashSet<SessionId>) -> HashMap<SessionId, HostSessionRecord> {
        let steady_ms = self.with.environment.steady_ms();
        let record = |(hash, known): (SessionHash, KnownSession)| HostSessionRecord {
            hash,
            provider: known.credential.provider,
            key: known.credential.key,
            cookies: known.credential.cookies,
            external_id: known.external_id,
            checked_ms_ago: steady_ms - known.check.checked_ms,
            expires_at: known.check.expires_at,
        };
        self.known.known_of(sessions).into_iter().map(|(session, known)| (session, record(known))).collect()
    }

    /// Goes on checking a session that the program before checked. Returns false if its provider is no longer
    /// configured.
    pub(crate) fn resume(&self, actor: Actor, record: HostSessionRecord) -> bool {
        if self.provider(record.provider).is_none() {
            return false;
        }
        let used_ms = self.with.environment.steady_ms();
        let HostSessionRecord { hash, provider, key, cookies, external_id, expires_at, .. } = record;
        let check = Check { actor, checked_ms: used_ms.saturating_sub(record.checked_ms_ago), expires_at };
        let credential = Credential { provider, key, cookies };
        let known = KnownSession { credential, external_id, check, used_ms };
        self.known.insert(hash, known, || self.with.hub.connected_sessions());
        true
    }

    async fn end(&self, hash: &SessionHash, actor: Option<Actor>) -> Result<(), Problem> {
        if let Some(actor) = actor {
            self.end_row(actor).await?;
        }
        self.known.remove(hash);
        Ok(())
    }

    /// Ends a session. One that has already ended is no error.
    async fn end_row(&self, Actor { user, session }: Actor) -> Result<(), Problem> {
        match self.with.commit.submit(Change::EndSessions { user, which: Which::One(session) }).await {
            Err(problem) if problem.code == Code::NotFound => Ok(()),
            ended => ended.map(drop),
        }
    }

    fn provider(&self, kind: ProviderKind) -> Option<&Provider> {
        self.with.providers.iter().find(|provider| provider.kind() == kind)
    }

    fn hash(&self, credential: &Credential) -> SessionHash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.with.secret).expect("a key may have any length");
        mac.update(credential.provider.name().as_bytes());
        mac.update(b"\0");
        mac.update(credential.key.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn actor_of(row: ActiveSession) -> Actor {
    Actor { user: row.user, session: row.session }
}

/// How many requests may wait for the host at once: of one address, and of all.
#[derive(Clone, Copy, Debug)]
struct AskingLimits {
    address: usize,
    all: usize,
}

/// Counts the requests that wait for the host.
#[derive(Debug)]
struct Asking {
    of: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limits: AskingLimits,
}

/// A request that waits for the host.
#[derive(Debug)]
struct AskingPermit(Arc<Mutex<HashMap<IpAddr, usize>>>, IpAddr);

impl Asking {
    fn new(limits: AskingLimits) -> Self {
        Self { of: Arc::default(), limits }
    }

    fn take(&self, address: IpAddr) -> Result<AskingPermit, Problem> {
        let mut asking = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = asking.values().sum();
        let own = asking.entry(address).or_default();
        if all >= self.limits.all || *own >= self.limits.address {
            let problem = Problem::new(Code::Unavailable).with_detail("too many requests wait for the application");
            if *own == 0 {
                asking.remove(&address);
            }
            return Err(problem.with_retry_after_ms(RETRY_AFTER_MS));
        }
        *own += 1;
        Ok(AskingPermit(self.of.clone(), address))
    }
}

impl Drop for AskingPermit {
    fn drop(&mut self) {
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = asking.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                asking.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_waits_for_the_host_more_often_than_its_share_and_nobody_more_than_all() {
        for limits in [KNOWN_ASKING, STRANGERS_ASKING] {
            let asking = Asking::new(limits);
            let address = |number: u8| IpAddr::from([127, 0, 0, number]);
            let take = |number: u8| asking.take(address(number));
            let own: Vec<_> = (0..limits.address).map(|_| take(1).expect("room")).collect();
            assert_eq!(take(1).expect_err("its share is used").code, Code::Unavailable);
            let left = limits.all - limits.address;
            let others = (0..left).map(|at| take(u8::try_from(2 + at / limits.address).expect("few addresses")));
            let others: Vec<_> = others.collect();
            assert!(others.iter().all(Result::is_ok));
            assert!(take(100).is_err(), "all together have a limit");
            drop((own, others));
            assert!(take(1).is_ok());
            assert!(asking.of.lock().expect("not poisoned").len() <= 1);
        }
    }
}
