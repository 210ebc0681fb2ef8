//! Sessions: looking them up, listing them, ending them, and keeping when each was last used.

use super::{ClientKey, Identity, actor::Actor, host_sessions::Visitor, providers::Credential, token::Token};
use crate::{
    domain::change::{Change, Which},
    environment::rfc3339,
    store::sessions::{ActiveSession, SessionSummary},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{SessionId, UserId},
    model::Session,
};
use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

/// How precisely the last use of a session is kept.
const LAST_SEEN_PRECISION_MS: i64 = 60 * 1000;
/// Sessions whose last use is waiting to be written; beyond this, a use is not recorded.
const LAST_SEEN_PENDING_MAX: usize = 100_000;
/// Sessions whose last use is written by one statement.
const LAST_SEEN_BATCH_MAX: usize = 1000;

impl Identity {
    /// Returns the user and session that a token names; none where users have no accounts here.
    pub(crate) async fn find_session(&self, token: &Token) -> Result<Option<Actor>, Problem> {
        if !self.has_accounts() {
            return Ok(None);
        }
        let found = self.sessions.ask(token.hash()).await?;
        let found = found.filter(|found| found.seen_at >= self.sessions_expired_before() && !found.is_host);
        Ok(found.map(|found| self.used(&found)))
    }

    /// Returns the user and session of the host that a request's cookies name. A request for which the host is asked is
    /// counted before, and `counted` says for whom; a stranger who turns out to be a user is to be counted as that
    /// user.
    ///
    /// # Errors
    /// `too_many`: no requests are left to ask the host with; or those of `HostSessions::find`.
    pub(crate) async fn find_host_session(
        &self,
        credential: Credential,
        visitor: Visitor<'_>,
        counted: &mut Option<ClientKey>,
    ) -> Result<Option<Actor>, Problem> {
        let Some(host) = &self.host else { return Ok(None) };
        let count = |user: Option<UserId>| {
            let key = user.map_or(ClientKey::Address(visitor.address), ClientKey::User);
            if *counted != Some(key) {
                self.count_request(key)?;
                *counted = Some(key);
            }
            Ok(())
        };
        let found = host.find(credential, visitor, count).await?;
        if let Some(address) = counted.take_if(|key| found.is_some() && matches!(key, ClientKey::Address(_))) {
            self.requests.give_back(&address);
        }
        Ok(found.map(|found| self.used(&found)))
    }

    /// Notes that a session is used.
    fn used(&self, found: &ActiveSession) -> Actor {
        let now_ms = self.environment.now_ms();
        // The difference may be negative: a clock that was ahead has left times in the future.
        if (now_ms - found.seen_at).abs() > LAST_SEEN_PRECISION_MS {
            let mut last_seen = self.last_seen();
            if last_seen.len() < LAST_SEEN_PENDING_MAX {
                last_seen.insert(found.session, now_ms);
            }
        }
        Actor { user: found.user, session: found.session }
    }

    /// Writes when sessions were last used.
    pub(crate) async fn write_last_seen(&self) {
        loop {
            let batch = self.take_last_seen();
            if batch.is_empty() {
                return;
            }
            if let Err(error) = self.store.touch_sessions(batch).await {
                tracing::warn!(%error, "the last use of some sessions was not written");
                return;
            }
        }
    }

    /// Moves last uses that lie in the future back to now, so that these sessions expire, too.
    pub(crate) async fn clamp_future_last_seen(&self) {
        if let Err(error) = self.store.clamp_future_sessions(self.environment.now_ms()).await {
            tracing::warn!(%error, "sessions last used in the future were not corrected");
        }
    }

    /// Lists a user's sessions, the newest first.
    pub(crate) async fn list_sessions(&self, actor: Actor) -> Result<Vec<Session>, Problem> {
        let listed = self.store.list_sessions(actor.user, self.sessions_expired_before()).await?;
        let last_seen = self.last_seen();
        let session = |listed: SessionSummary| Session {
            id: listed.id,
            created_at: rfc3339(listed.created_at),
            seen_at: rfc3339(last_seen.get(&listed.id).copied().unwrap_or(listed.seen_at)),
            agent: listed.agent,
            current: listed.id == actor.session,
        };
        Ok(listed.into_iter().map(session).collect())
    }

    /// Ends one of the user's own sessions.
    pub(crate) async fn end_own_session(&self, actor: Actor, session: SessionId) -> Result<(), Problem> {
        let own = self.store.list_sessions(actor.user, i64::MIN).await?;
        let listed = own.iter().find(|listed| listed.id == session).ok_or(Problem::from(Code::NotFound))?;
        if listed.is_host {
            return Err(host_ends_it());
        }
        self.commit.submit(Change::EndSessions { user: actor.user, which: Which::One(session) }).await?;
        Ok(())
    }

    /// Signs out of `own`, a session of Parlor. `current` is the session that counts for the request.
    ///
    /// # Errors
    /// `not_allowed` if that is only a session of the host: its cookie would begin it again at once.
    pub(crate) async fn sign_out(&self, own: Option<Actor>, current: Option<Actor>) -> Result<(), Problem> {
        match own {
            Some(own) => self.end_session(own.user, own.session).await,
            None if current.is_some() => Err(host_ends_it()),
            None => Ok(()),
        }
    }

    /// Ends a session. One that has already ended is no error.
    pub(crate) async fn end_session(&self, user: UserId, session: SessionId) -> Result<(), Problem> {
        match self.commit.submit(Change::EndSessions { user, which: Which::One(session) }).await {
            Err(problem) if problem.code == Code::NotFound => Ok(()),
            ended => ended.map(drop),
        }
    }

    pub(super) fn sessions_expired_before(&self) -> i64 {
        self.environment.ageing_ms() - i64::from(self.accounts.session_days) * 24 * 60 * 60 * 1000
    }

    fn take_last_seen(&self) -> Vec<(SessionId, i64)> {
        let mut last_seen = self.last_seen();
        let batch: Vec<_> = last_seen.keys().take(LAST_SEEN_BATCH_MAX).copied().collect();
        batch.into_iter().filter_map(|session| last_seen.remove_entry(&session)).collect()
    }

    fn last_seen(&self) -> MutexGuard<'_, HashMap<SessionId, i64>> {
        self.last_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host_ends_it() -> Problem {
    Problem::new(Code::NotAllowed).with_detail("this is a session of the application: sign out there")
}
