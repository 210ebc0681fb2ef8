//! Sessions: looking them up, listing them, ending them, and keeping when each was last used.

use super::{Identity, actor::Actor, token::Token};
use crate::{
    domain::change::{Change, Which},
    environment::rfc3339,
    store::sessions::SessionSummary,
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
    /// Returns the user and session that a token names.
    pub(crate) async fn find_session(&self, token: &Token) -> Result<Option<Actor>, Problem> {
        let now_ms = self.environment.now_ms();
        let found = self.sessions.ask(token.hash()).await?;
        let Some(found) = found.filter(|found| found.seen_at >= self.sessions_expired_before()) else {
            return Ok(None);
        };
        // The difference may be negative: a clock that was ahead has left times in the future.
        if (now_ms - found.seen_at).abs() > LAST_SEEN_PRECISION_MS {
            let mut last_seen = self.last_seen();
            if last_seen.len() < LAST_SEEN_PENDING_MAX {
                last_seen.insert(found.session, now_ms);
            }
        }
        Ok(Some(Actor { user: found.user, session: found.session }))
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
        if own.iter().all(|listed| listed.id != session) {
            return Err(Code::NotFound.into());
        }
        self.commit.submit(Change::EndSessions { user: actor.user, which: Which::One(session) }).await?;
        Ok(())
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
