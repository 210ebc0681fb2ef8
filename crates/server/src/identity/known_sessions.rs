//! The sessions of the host that are in use here, and what was lately found to be none: so that connected users do not
//! wait for the host, and unknown cookies do not reach it again and again.

use super::{actor::Actor, providers::Credential};
use parlor_protocol::ids::SessionId;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Sessions that are remembered without being connected, and the bytes of their credentials; beyond this, those used
/// longest ago are forgotten.
const IDLE_MAX: usize = 100_000;
const IDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the credentials of one session: names of cookies with their values, twice.
const SESSION_BYTES_MAX: usize = 32 * 1024;
/// What is none is remembered for this long, and so many of it.
const NOBODY_MS: i64 = 3000;
const REJECTED_MAX: usize = 100_000;

/// A keyed hash of what names a session of the host.
pub(super) type SessionHash = [u8; 32];

/// A session of the host that was alive when it was last checked.
#[derive(Clone, Debug)]
pub(super) struct KnownSession {
    pub(super) credential: Credential,
    /// The host's id of the user; empty if the host has not been asked yet.
    pub(super) external_id: String,
    pub(super) check: Check,
    /// When a request came with it, by the steady clock.
    pub(super) used_ms: i64,
}

/// The last check of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    pub(super) actor: Actor,
    /// When the host was asked and answered, by the steady clock.
    pub(super) checked_ms: i64,
    /// When the session ends by itself, by the wall clock.
    pub(super) expires_at: Option<i64>,
}

impl KnownSession {
    fn bytes(&self) -> usize {
        self.credential.key.len() + self.credential.cookies.len() + self.external_id.len()
    }
}

/// See the module. Those that are connected are never forgotten: they would not be checked any more.
#[derive(Debug)]
pub(super) struct KnownSessions {
    known: Mutex<Known>,
    rejected: Mutex<HashMap<SessionHash, i64>>,
    sessions_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<SessionHash, KnownSession>,
    bytes: usize,
}

impl Known {
    fn insert(&mut self, hash: SessionHash, session: KnownSession) {
        self.remove(&hash);
        self.bytes += session.bytes();
        self.sessions.insert(hash, session);
    }

    fn remove(&mut self, hash: &SessionHash) {
        if let Some(session) = self.sessions.remove(hash) {
            self.bytes -= session.bytes();
        }
    }

    fn retain(&mut self, keeps: impl Fn(&KnownSession) -> bool) {
        let bytes = &mut self.bytes;
        self.sessions.retain(|_, session| {
            let is_kept = keeps(session);
            *bytes -= if is_kept { 0 } else { session.bytes() };
            is_kept
        });
    }

    /// Forgets those half of the sessions that are not connected which were used longest ago.
    fn forget_idle(&mut self, connected: &HashSet<SessionId>) {
        let idle = self.sessions.iter().filter(|(_, session)| !connected.contains(&session.check.actor.session));
        let mut idle: Vec<(i64, SessionHash)> = idle.map(|(hash, session)| (session.used_ms, *hash)).collect();
        idle.sort_unstable();
        for (_, hash) in idle.iter().take(idle.len().div_ceil(2)) {
            self.remove(hash);
        }
    }
}

impl KnownSessions {
    /// `connections_max`: how many connections there are at most, each with a session.
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            known: Mutex::default(),
            rejected: Mutex::default(),
            sessions_max: connections_max.saturating_add(IDLE_MAX),
            bytes_max: connections_max.saturating_mul(SESSION_BYTES_MAX).saturating_add(IDLE_BYTES_MAX),
        }
    }

    /// Returns the last check of a session, and notes that it is used.
    pub(super) fn used(&self, hash: &SessionHash, steady_ms: i64) -> Option<Check> {
        let mut known = self.known();
        let session = known.sessions.get_mut(hash)?;
        session.used_ms = steady_ms;
        Some(session.check)
    }

    /// Returns the last check of a session.
    pub(super) fn last_check(&self, hash: &SessionHash) -> Option<Check> {
        self.known().sessions.get(hash).map(|session| session.check)
    }

    /// Remembers a session. `connected` says which are connected, in case that others must be forgotten for it.
    pub(super) fn insert(
        &self,
        hash: SessionHash,
        session: KnownSession,
        connected: impl FnOnce() -> HashSet<SessionId>,
    ) {
        self.rejected().remove(&hash);
        let mut known = self.known();
        if known.sessions.len() >= self.sessions_max || known.bytes >= self.bytes_max {
            known.forget_idle(&connected());
        }
        known.insert(hash, session);
    }

    /// Notes that a session was alive when the host was asked at `asked_ms`.
    pub(super) fn confirm(&self, hash: &SessionHash, asked_ms: i64, expires_at: Option<i64>) {
        if let Some(session) = self.known().sessions.get_mut(hash) {
            session.check.checked_ms = session.check.checked_ms.max(asked_ms);
            session.check.expires_at = expires_at;
        }
    }

    pub(super) fn remove(&self, hash: &SessionHash) {
        self.known().remove(hash);
    }

    /// Forgets sessions by the ids that they have here.
    pub(super) fn remove_sessions(&self, ended: &HashSet<SessionId>) {
        self.known().retain(|session| !ended.contains(&session.check.actor.session));
    }

    /// Returns the sessions that are meant, and forgets those that are neither connected nor used since
    /// `used_since_ms`.
    pub(super) fn in_use(
        &self,
        connected: &HashSet<SessionId>,
        used_since_ms: i64,
        is_meant: impl Fn(&KnownSession) -> bool,
    ) -> Vec<(SessionHash, KnownSession)> {
        let mut known = self.known();
        known.retain(|session| session.used_ms >= used_since_ms || connected.contains(&session.check.actor.session));
        let meant = known.sessions.iter().filter(|(_, session)| is_meant(session));
        meant.map(|(hash, session)| (*hash, session.clone())).collect()
    }

    /// Returns those of the sessions that are known, by session.
    pub(super) fn known_of(&self, sessions: &HashSet<SessionId>) -> HashMap<SessionId, (SessionHash, KnownSession)> {
        let known = self.known();
        let meant = known.sessions.iter().filter(|(_, session)| sessions.contains(&session.check.actor.session));
        meant.map(|(hash, session)| (session.check.actor.session, (*hash, session.clone()))).collect()
    }

    /// Notes that this is no session.
    pub(super) fn insert_rejected(&self, hash: SessionHash, steady_ms: i64) {
        let mut rejected = self.rejected();
        if rejected.len() >= REJECTED_MAX {
            rejected.retain(|_, until| *until > steady_ms);
            if rejected.len() >= REJECTED_MAX {
                rejected.clear();
            }
        }
        rejected.insert(hash, steady_ms.saturating_add(NOBODY_MS));
    }

    /// Returns whether this was lately found to be no session.
    pub(super) fn is_rejected(&self, hash: &SessionHash, steady_ms: i64) -> bool {
        self.rejected().get(hash).is_some_and(|until| *until > steady_ms)
    }

    /// Forgets what was found to be no session: it may be one now.
    pub(super) fn clear_rejected(&self) {
        self.rejected().clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rejected(&self) -> MutexGuard<'_, HashMap<SessionHash, i64>> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProviderKind;
    use parlor_protocol::ids::UserId;

    fn session(number: i64, used_ms: i64) -> KnownSession {
        let credential = Credential { provider: ProviderKind::DjangoSession, key: String::new(), cookies: Vec::new() };
        let actor = Actor { user: UserId(1), session: SessionId(number) };
        let check = Check { actor, checked_ms: 0, expires_at: None };
        KnownSession { credential, external_id: String::new(), check, used_ms }
    }

    fn hash(number: i64) -> SessionHash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn what_is_remembered_has_a_limit_and_connected_sessions_stay() {
        let sessions = KnownSessions::new(2);
        let most = i64::try_from(IDLE_MAX).expect("it fits") + 2;
        let connected = || HashSet::from([SessionId(0), SessionId(50_001)]);
        for number in 0..=most {
            sessions.insert(hash(number), session(number, number), connected);
            sessions.insert_rejected(hash(-1 - number), 0);
        }
        assert!(sessions.known().sessions.len() <= IDLE_MAX + 2 && sessions.rejected().len() <= REJECTED_MAX);
        assert!(sessions.last_check(&hash(0)).is_some(), "it is connected, though it was used longest ago");
        assert!(sessions.last_check(&hash(1)).is_none(), "the idle one used longest ago is forgotten");
        let in_use = sessions.in_use(&HashSet::from([SessionId(50_001)]), most, |_| true);
        let mut in_use: Vec<i64> = in_use.iter().map(|(_, session)| session.check.actor.session.0).collect();
        in_use.sort_unstable();
        assert_eq!(in_use, [50_001, most]);
    }

    #[test]
    fn the_bytes_of_credentials_have_a_limit() {
        let sessions = KnownSessions::new(0);
        for number in 0..20_000 {
            let mut long = session(number, number);
            long.credential.cookies = vec![b'x'; 8 * 1024];
            sessions.insert(hash(number), long, HashSet::new);
            assert!(sessions.known().bytes <= IDLE_BYTES_MAX + SESSION_BYTES_MAX);
        }
        let left: Vec<SessionHash> = sessions.known().sessions.keys().copied().collect();
        sessions.remove_sessions(&HashSet::from([SessionId(19_999)]));
        assert!(sessions.last_check(&hash(19_999)).is_none());
        for hash in &left {
            sessions.remove(hash);
        }
        assert_eq!(sessions.known().bytes, 0);
    }

    #[test]
    fn nobody_is_remembered_for_seconds_and_never_beside_a_session() {
        let sessions = KnownSessions::new(10);
        sessions.insert_rejected(hash(1), 1000);
        assert!(sessions.is_rejected(&hash(1), 1000 + NOBODY_MS - 1));
        assert!(!sessions.is_rejected(&hash(1), 1000 + NOBODY_MS));
        sessions.insert(hash(1), session(1, 0), HashSet::new);
        assert!(!sessions.is_rejected(&hash(1), 1000));
        sessions.insert_rejected(hash(2), 1000);
        sessions.clear_rejected();
        assert!(!sessions.is_rejected(&hash(2), 1000));
    }
}
