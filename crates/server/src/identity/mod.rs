//! Users, sign-ins and sessions: who a user is, and for how long.
//!
//! Invariants: a token is 256 random bits and the store keeps only its hash; an unknown, a disabled and a real login
//! get the same answer and cost the same work, unless the password is still hashed as the host did; a session that
//! comes with a sign-in is never reused, it ends. Whatever ends a session is a change and goes through `commit`, which
//! closes the session's connections.
//!
//! Absent on purpose: a cache of sessions. Each request looks its session up (concurrent look-ups share one indexed
//! read), so a session that has ended is refused at once. What is remembered in memory is only whether the host has
//! confirmed a session of its own (`known_sessions.rs`).

pub mod actor;
pub(crate) mod assembly;
pub(crate) mod django;
pub(crate) mod host_sessions;
pub mod host_users;
pub(crate) mod known_sessions;
mod passwords;
mod pictures;
pub(crate) mod providers;
pub(crate) mod rate_limit;
mod sessions;
pub(crate) mod sign_in;
pub(crate) mod sign_in_attempts;
pub(crate) mod token;

use crate::{
    coalesce::Coalescer,
    commit::Commit,
    config::{AccountsConfig, Config, ProviderKind},
    environment::Environment,
    files::Files,
    metrics::Metrics,
    store::{Store, sessions::ActiveSession},
};
use host_sessions::HostSessions;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{SessionId, UserId},
    limits::Limits,
};
use passwords::Passwords;
use rate_limit::{RateLimiter, Remaining};
use sign_in_attempts::SignInAttempts;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// The time over which wrong attempts are counted.
const ATTEMPTS_WINDOW_MS: u64 = 15 * 60 * 1000;
/// The time over which requests are counted.
const REQUESTS_WINDOW_MS: u64 = 10 * 1000;

/// Everything that sign-ins use.
#[derive(Debug)]
pub(crate) struct Dependencies {
    /// The store.
    pub(crate) store: Store,
    /// The writer.
    pub(crate) commit: Commit,
    /// Time and randomness.
    pub(crate) environment: Environment,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// The storage, for pictures.
    pub(crate) files: Arc<Files>,
    /// Looks sessions up by the hashes of their tokens.
    pub(crate) sessions: Coalescer<[u8; 32], Option<ActiveSession>>,
    /// The key under which addresses are hashed.
    pub(crate) secret: Vec<u8>,
}

/// Signs users in and keeps their sessions.
#[derive(Debug)]
pub struct Identity {
    store: Store,
    commit: Commit,
    environment: Environment,
    metrics: Arc<Metrics>,
    files: Arc<Files>,
    limits: Limits,
    accounts: AccountsConfig,
    providers: Vec<ProviderKind>,
    host: Option<Arc<HostSessions>>,
    passwords: Passwords,
    attempts: SignInAttempts,
    requests: RateLimiter<ClientKey>,
    pictures: RateLimiter<UserId>,
    sessions: Coalescer<[u8; 32], Option<ActiveSession>>,
    /// When sessions were last used, to be written together.
    last_seen: Mutex<HashMap<SessionId, i64>>,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClientKey {
    /// A signed-in user.
    User(UserId),
    /// An address without a session.
    Address(IpAddr),
}

impl Identity {
    /// Creates it with all counters at zero. `host`: the sessions of the host; none where users only have accounts
    /// here.
    #[must_use]
    pub(crate) fn new(config: &Config, with: Dependencies, host: Option<Arc<HostSessions>>) -> Self {
        let limits = &config.limits;
        let remembered = limits.attempts_remembered_max;
        let requests = limits.requests_per_second_max.saturating_mul(10);
        Self {
            passwords: Passwords::new(config, with.environment.random()),
            attempts: SignInAttempts::new(
                with.secret,
                limits.account_attempts_max,
                limits.address_attempts_max,
                remembered,
            ),
            requests: RateLimiter::new(requests, REQUESTS_WINDOW_MS, remembered),
            pictures: RateLimiter::new(limits.user_pictures_max, ATTEMPTS_WINDOW_MS, remembered),
            last_seen: Mutex::default(),
            limits: limits.clone(),
            accounts: config.accounts.clone(),
            providers: config.identity.providers.clone(),
            host,
            store: with.store,
            commit: with.commit,
            environment: with.environment,
            metrics: with.metrics,
            files: with.files,
            sessions: with.sessions,
        }
    }

    /// Returns where users come from, in the order in which they are looked for.
    pub(crate) fn providers(&self) -> &[ProviderKind] {
        &self.providers
    }

    /// Returns the sessions of the host; none where users only have accounts here.
    pub(crate) fn host(&self) -> Option<&HostSessions> {
        self.host.as_deref()
    }

    /// Returns whether users sign in here with an account.
    pub(crate) fn has_accounts(&self) -> bool {
        self.providers.contains(&ProviderKind::Accounts)
    }

    /// # Errors
    /// `not_allowed` where users have no accounts here.
    pub(crate) fn check_accounts(&self) -> Result<(), Problem> {
        if self.has_accounts() {
            return Ok(());
        }
        Err(Problem::new(Code::NotAllowed).with_detail("users sign in to the application, not here"))
    }

    /// Counts a request, or refuses it.
    pub(crate) fn count_request(&self, client: ClientKey) -> Result<(), Problem> {
        self.requests.take(&client, self.environment.steady_ms()).map_err(rate_limit::too_many)
    }

    /// Returns how many requests a client has left, and how many sign-in attempts its address has left.
    pub(crate) fn remaining(&self, client: ClientKey, address: IpAddr) -> (Remaining, Remaining) {
        let now_ms = self.environment.steady_ms();
        (self.requests.remaining(&client, now_ms), self.attempts.addresses.remaining(&address, now_ms))
    }
}
