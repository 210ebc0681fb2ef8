//! Checks of sessions of the host that are in use here: again and again, and when the host asks for one.
//!
//! Invariants: each answer takes effect as it arrives, so that one session that is answered late, or never, keeps no
//! other from ending; a failure of the host counts for a session from the moment of its own question.

use super::HostSessions;
use crate::identity::{
    known_sessions::{Check, KnownSession, SessionHash},
    providers::{Credential, Provider, Verdict, turns::Requester},
};
use futures_util::future::join_all;
use parlor_protocol::error::{Code, Problem};
use std::{
    collections::{BTreeSet, HashMap},
    slice::Chunks,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How long a session that is neither used nor connected is still checked: in rounds of checks, and at least.
const IDLE_ROUNDS: i64 = 4;
const IDLE_MS_MIN: i64 = 60 * 1000;
/// When a host with too many requests in progress should try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 1000;

/// Checks that the host has requested. An answer that was on its way meanwhile is asked for again.
#[derive(Debug, Default)]
pub(super) struct CheckRequests(Mutex<CheckRequestsState>);

#[derive(Debug, Default)]
struct CheckRequestsState {
    last: u64,
    last_for_all: u64,
    /// The last one about each user, by their id of the host.
    last_by_user: HashMap<String, u64>,
}

/// Users whose last request is remembered; beyond this, everybody counts as requested.
const REQUESTED_MAX: usize = 10_000;

impl CheckRequests {
    fn add(&self, external_ids: &[String]) {
        let mut state = self.lock();
        state.last += 1;
        let last = state.last;
        state.last_by_user.extend(external_ids.iter().map(|id| (id.clone(), last)));
        if external_ids.is_empty() || state.last_by_user.len() > REQUESTED_MAX {
            state.last_by_user.clear();
            state.last_for_all = last;
        }
    }

    /// Returns the number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// Returns whether there was one about a user after that number.
    pub(super) fn is_after(&self, number: u64, external_id: &str) -> bool {
        let state = self.lock();
        state.last_for_all > number || state.last_by_user.get(external_id).is_some_and(|last| *last > number)
    }

    fn lock(&self) -> MutexGuard<'_, CheckRequestsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is checked.
type InUse = (SessionHash, KnownSession);

/// A round of checks of the sessions of one provider.
struct Round<'a> {
    provider: &'a Provider,
    left: Mutex<Chunks<'a, &'a InUse>>,
    /// When the latest series of failures began.
    failing_since: Mutex<Option<i64>>,
}

impl<'a> Round<'a> {
    fn next(&self) -> Option<&'a [&'a InUse]> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Returns whether the host has failed for so long that further requests would time out too.
    fn has_given_up(&self, steady_ms: i64) -> bool {
        let since = *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| steady_ms - since >= self.provider.patience_ms())
    }

    fn note(&self, verdicts: &[Result<Verdict, Problem>], asked_ms: i64) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if verdicts.iter().any(Result::is_ok) { None } else { Some(since.unwrap_or(asked_ms)) };
    }
}

impl HostSessions {
    /// Checks the sessions in use again and again.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.recheck).await;
            // What fails is logged where it fails, and tried again in the next round.
            _ = self.check(None).await;
        }
    }

    /// Checks sessions at once: those of the users with these ids of the host, or all.
    ///
    /// # Errors
    /// `unavailable`: the host or the store does not answer, or too many such requests are in progress. Sessions that
    /// could not be checked stay.
    pub(crate) async fn check_now(&self, external_ids: &[String]) -> Result<(), Problem> {
        self.requested.add(external_ids);
        self.known.clear_rejected();
        let Ok(_place) = self.requests_in_progress.try_acquire() else {
            let problem = Problem::new(Code::Unavailable).with_detail("too many requests for checks are in progress");
            return Err(problem.with_retry_after_ms(RETRY_AFTER_MS));
        };
        if external_ids.is_empty() {
            return self.check(None).await;
        }
        let followed = self.with.users.follow(external_ids).await;
        let checked = self.check(Some(&external_ids.iter().map(String::as_str).collect())).await;
        followed.and(checked)
    }

    async fn check(&self, only: Option<&BTreeSet<&str>>) -> Result<(), Problem> {
        let steady_ms = self.with.environment.steady_ms();
        let round_ms = i64::try_from(self.recheck.as_millis()).unwrap_or(i64::MAX / IDLE_ROUNDS);
        let idle_ms = (IDLE_ROUNDS * round_ms).max(IDLE_MS_MIN);
        let is_meant = |known: &KnownSession| {
            let id = known.external_id.as_str();
            only.is_none_or(|only| id.is_empty() || only.contains(id))
        };
        let connected = self.with.hub.connected_sessions();
        let in_use = self.known.in_use(&connected, steady_ms - idle_ms, is_meant);
        let mut checks = Vec::with_capacity(self.with.providers.len());
        for provider in &self.with.providers {
            let sessions = in_use.iter().filter(|(_, known)| known.credential.provider == provider.kind());
            checks.push(self.check_with(provider, sessions.collect()));
        }
        join_all(checks).await.into_iter().collect()
    }

    async fn check_with(&self, provider: &Provider, sessions: Vec<&InUse>) -> Result<(), Problem> {
        let (batch_size, concurrency) = provider.batches();
        let left = Mutex::new(sessions.chunks(batch_size));
        let round = Round { provider, left, failing_since: Mutex::new(None) };
        let mut workers = Vec::with_capacity(concurrency.min(sessions.len()));
        for _ in 0..concurrency.min(sessions.len()) {
            workers.push(self.check_left(&round));
        }
        join_all(workers).await.into_iter().collect()
    }

    /// Checks what is left of a round, some at a time.
    async fn check_left(&self, round: &Round<'_>) -> Result<(), Problem> {
        let mut result = Ok(());
        while let Some(some) = round.next() {
            let credentials: Vec<Credential> = some.iter().map(|(_, known)| known.credential.clone()).collect();
            let given_up = |problem: Problem| vec![Err(problem); credentials.len()];
            let (asked_ms, verdicts) = if round.has_given_up(self.with.environment.steady_ms()) {
                let problem = Problem::new(Code::Unavailable);
                (self.with.environment.steady_ms(), given_up(problem.with_detail("the application does not answer")))
            } else {
                let turn = round.provider.turn(Requester::Check).await;
                let asked_ms = self.with.environment.steady_ms();
                let verdicts = match &turn {
                    Ok(_) => round.provider.ask_batch(&credentials).await,
                    Err(problem) => given_up(problem.clone()),
                };
                round.note(&verdicts, asked_ms);
                (asked_ms, verdicts)
            };
            let applied = self.apply(round.provider, some, verdicts, asked_ms).await;
            result = result.and(applied);
        }
        result
    }

    async fn apply(
        &self,
        provider: &Provider,
        sessions: &[&InUse],
        verdicts: Vec<Result<Verdict, Problem>>,
        asked_ms: i64,
    ) -> Result<(), Problem> {
        let (mut users, mut ended, mut result) = (HashMap::new(), BTreeSet::new(), Ok(()));
        for ((hash, known), verdict) in sessions.iter().zip(verdicts) {
            match verdict {
                Ok(Verdict::SignedIn(host))
                    if known.external_id.is_empty() || host.user.external_id == known.external_id =>
                {
                    self.known.confirm(hash, asked_ms, host.expires_at);
                    users.insert(host.user.external_id.clone(), host.user);
                }
                Ok(_) => {
                    let end = self.end(hash, Some(known.check.actor)).await;
                    result = result.and(end);
                    ended.insert(known.external_id.clone());
                }
                Err(problem) => {
                    // A request may have confirmed it meanwhile, or ended it.
                    let last = self.known.last_check(hash).unwrap_or(known.check);
                    let environment = &self.with.environment;
                    let now = (environment.steady_ms(), environment.now_ms());
                    if last.actor == known.check.actor && !outlasts(last, now, provider.outage_ms()) {
                        let end = self.end(hash, Some(last.actor)).await;
                        result = result.and(end);
                    }
                    result = result.and(Err(problem));
                }
            }
        }
        let put = self.with.users.put(provider.kind(), users.into_values().collect()).await;
        // Perhaps because their user was disabled.
        let followed = self.with.users.follow(&ended.into_iter().collect::<Vec<_>>()).await;
        result.and(put.map(drop)).and(followed)
    }
}

/// Returns whether a session stays though the host cannot be asked now, which is `now` by the steady and by the wall
/// clock.
pub(super) fn outlasts(check: Check, now: (i64, i64), outage_ms: i64) -> bool {
    let (steady_ms, now_ms) = now;
    check.expires_at.is_none_or(|expires_at| expires_at > now_ms) && steady_ms - check.checked_ms <= outage_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::actor::Actor;
    use parlor_protocol::ids::{SessionId, UserId};

    #[test]
    fn a_session_outlasts_an_outage_until_it_expires_or_was_not_checked_for_too_long() {
        let actor = Actor { user: UserId(1), session: SessionId(1) };
        let check = |expires_at| Check { actor, checked_ms: 1000, expires_at };
        assert!(outlasts(check(None), (1500, 9000), 500));
        assert!(!outlasts(check(None), (1501, 9000), 500), "not checked for too long");
        assert!(outlasts(check(Some(9001)), (1500, 9000), 500));
        assert!(!outlasts(check(Some(9000)), (1500, 9000), 500), "it has expired in the meantime");
    }

    #[test]
    fn a_requested_check_concerns_those_whom_it_names() {
        let requested = CheckRequests::default();
        let before = requested.last();
        requested.add(&["7".to_owned()]);
        assert!(requested.is_after(before, "7") && !requested.is_after(before, "8"));
        assert!(!requested.is_after(requested.last(), "7"));
        requested.add(&[]);
        assert!(requested.is_after(before, "8"), "everybody");
        let before = requested.last();
        let many: Vec<String> = (0..=REQUESTED_MAX).map(|number| number.to_string()).collect();
        requested.add(&many);
        assert!(requested.is_after(before, "another") && requested.lock().last_by_user.is_empty());
    }
}
