//! The sessions of the host that are in use here, and what was lately found to be none: so that connected people do not
//! wait for the host, and unknown cookies do not reach it again and again.

use super::{actor::Actor, providers::Credential};
use parlor_protocol::ids::SessionId;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Sessions that are remembered; beyond this, those used longest ago are forgotten.
const KNOWN_MAX: usize = 100_000;
/// What is none is remembered for this long, and so many of it.
const NOBODY_MS: i64 = 3000;
const NOBODY_MAX: usize = 100_000;

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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KnownSessions {
    known: Mutex<HashMap<SessionHash, KnownSession>>,
    nobody: Mutex<HashMap<SessionHash, i64>>,
}

impl KnownSessions {
    /// Returns the last check of a session, and notes that it is used.
    pub(super) fn used(&self, hash: &SessionHash, steady_ms: i64) -> Option<Check> {
        let mut known = self.known();
        let session = known.get_mut(hash)?;
        session.used_ms = steady_ms;
        Some(session.check)
    }

    pub(super) fn insert(&self, hash: SessionHash, session: KnownSession) {
        self.nobody().remove(&hash);
        let mut known = self.known();
        if known.len() >= KNOWN_MAX && !known.contains_key(&hash) {
            let mut used: Vec<i64> = known.values().map(|session| session.used_ms).collect();
            let quarter = used.len() / 4;
            let (_, bound, _) = used.select_nth_unstable(quarter);
            let bound = *bound;
            known.retain(|_, session| session.used_ms > bound);
        }
        known.insert(hash, session);
    }

    /// Notes that a session was alive when the host was asked at `asked_ms`.
    pub(super) fn confirm(&self, hash: &SessionHash, asked_ms: i64, expires_at: Option<i64>) {
        if let Some(session) = self.known().get_mut(hash) {
            session.check.checked_ms = session.check.checked_ms.max(asked_ms);
            session.check.expires_at = expires_at;
        }
    }

    pub(super) fn remove(&self, hash: &SessionHash) {
        self.known().remove(hash);
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
        known.retain(|_, session| session.used_ms >= used_since_ms || connected.contains(&session.check.actor.session));
        let meant = known.iter().filter(|(_, session)| is_meant(session));
        meant.map(|(hash, session)| (*hash, session.clone())).collect()
    }

    /// Returns those of the sessions that are known, by session.
    pub(super) fn known_of(&self, sessions: &HashSet<SessionId>) -> HashMap<SessionId, (SessionHash, KnownSession)> {
        let known = self.known();
        let meant = known.iter().filter(|(_, session)| sessions.contains(&session.check.actor.session));
        meant.map(|(hash, session)| (session.check.actor.session, (*hash, session.clone()))).collect()
    }

    /// Notes that this is no session.
    pub(super) fn insert_nobody(&self, hash: SessionHash, steady_ms: i64) {
        let mut nobody = self.nobody();
        if nobody.len() >= NOBODY_MAX {
            nobody.retain(|_, until| *until > steady_ms);
            if nobody.len() >= NOBODY_MAX {
                nobody.clear();
            }
        }
        nobody.insert(hash, steady_ms.saturating_add(NOBODY_MS));
    }

    /// Returns whether this was lately found to be no session.
    pub(super) fn is_nobody(&self, hash: &SessionHash, steady_ms: i64) -> bool {
        self.nobody().get(hash).is_some_and(|until| *until > steady_ms)
    }

    /// Forgets what was found to be no session: it may be one now.
    pub(super) fn forget_nobody(&self) {
        self.nobody().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SessionHash, KnownSession>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nobody(&self) -> MutexGuard<'_, HashMap<SessionHash, i64>> {
        self.nobody.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProviderKind;
    use parlor_protocol::ids::UserId;

    fn session(number: i64, used_ms: i64) -> KnownSession {
        let credential =
            Credential { provider: ProviderKind::DjangoSession, key: String::new(), cookies: String::new() };
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
        let sessions = KnownSessions::default();
        for number in 0..=i64::try_from(KNOWN_MAX).expect("it fits") {
            sessions.insert(hash(number), session(number, number));
            sessions.insert_nobody(hash(-1 - number), 0);
        }
        assert!(sessions.known().len() <= KNOWN_MAX && sessions.nobody().len() <= NOBODY_MAX);
        assert!(sessions.used(&hash(0), 0).is_none(), "the one used longest ago is forgotten");
        let latest = i64::try_from(KNOWN_MAX).expect("it fits");
        let in_use = sessions.in_use(&HashSet::from([SessionId(50_000)]), latest, |_| true);
        let mut in_use: Vec<i64> = in_use.iter().map(|(_, session)| session.check.actor.session.0).collect();
        in_use.sort_unstable();
        assert_eq!(in_use, [50_000, latest]);
    }

    #[test]
    fn nobody_is_remembered_for_seconds_and_never_beside_a_session() {
        let sessions = KnownSessions::default();
        sessions.insert_nobody(hash(1), 1000);
        assert!(sessions.is_nobody(&hash(1), 1000 + NOBODY_MS - 1));
        assert!(!sessions.is_nobody(&hash(1), 1000 + NOBODY_MS));
        sessions.insert(hash(1), session(1, 0));
        assert!(!sessions.is_nobody(&hash(1), 1000));
        sessions.insert_nobody(hash(2), 1000);
        sessions.forget_nobody();
        assert!(!sessions.is_nobody(&hash(2), 1000));
    }
}
