//! Sources of identity at the host: what a request brings that names a session there, and whether the host says that
//! it is alive.
//!
//! Invariant: an answer that is not understood, late or absent signs no user in.

mod bounded_reading;
pub(crate) mod callback;
pub(crate) mod django_session;
pub(crate) mod turns;

use crate::{config::ProviderKind, domain::host_user::HostUser};
use callback::Callback;
use django_session::DjangoSessions;
use parlor_protocol::error::Problem;
use turns::{Requester, Turn};

/// What names a session of the host.
#[derive(Clone)]
pub(crate) struct Credential {
    /// Whose it is.
    pub(crate) provider: ProviderKind,
    /// The value of the cookie, or of several.
    pub(crate) key: String,
    /// The cookies to ask the callback with.
    pub(crate) cookies: Vec<u8>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credential").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What the host says about a session.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// This user is signed in by it.
    SignedIn(HostSession),
    /// No user is: it has ended, never existed, or belongs to a user who may not sign in.
    SignedOut,
}

/// A session of the host that is alive.
#[derive(Clone, Debug)]
pub(crate) struct HostSession {
    /// The user.
    pub(crate) user: HostUser,
    /// When it ends by itself, in milliseconds since 1970, where that is known.
    pub(crate) expires_at: Option<i64>,
}

/// A source of identity at the host.
#[derive(Debug)]
pub(crate) enum Provider {
    /// Sessions of a Django application.
    Django(DjangoSessions),
    /// A URL of the host.
    Callback(Callback),
}

impl Provider {
    pub(crate) fn kind(&self) -> ProviderKind {
        match self {
            Self::Django(_) => ProviderKind::DjangoSession,
            Self::Callback(_) => ProviderKind::Callback,
        }
    }

    /// Returns what the lines of a `Cookie` header name; none if it is nothing of this provider.
    pub(crate) fn credential(&self, lines: &[&[u8]]) -> Option<Credential> {
        match self {
            Self::Django(django) => django.credential(lines),
            Self::Callback(callback) => callback.credential(lines),
        }
    }

    /// Returns how long an answer is used without being asked for again, in milliseconds. The answers of Django's
    /// tables are checked in the background, so that no request waits for them.
    pub(crate) fn trusted_ms(&self) -> i64 {
        match self {
            Self::Django(django) => django.outage_ms(),
            Self::Callback(callback) => callback.cache_ms(),
        }
    }

    /// Returns how long a session outlives its last check while the host does not answer.
    pub(crate) fn outage_ms(&self) -> i64 {
        match self {
            Self::Django(django) => django.outage_ms(),
            Self::Callback(callback) => callback.outage_ms(),
        }
    }

    /// Returns how many sessions are asked about together, and how many such questions there are at once.
    pub(crate) fn batches(&self) -> (usize, usize) {
        match self {
            Self::Django(_) => (django_session::BATCH_MAX, 1),
            Self::Callback(callback) => (1, callback.requests_max()),
        }
    }

    /// Returns for how long a host that answers nothing is asked again in one round of checks, in milliseconds.
    pub(crate) fn patience_ms(&self) -> i64 {
        match self {
            Self::Django(django) => django.timeout_ms(),
            Self::Callback(callback) => callback.outage_ms(),
        }
    }

    /// Waits for a turn to ask, where not everybody can ask at once.
    ///
    /// # Errors
    /// `unavailable`: there was none in time. That is no failure of the host.
    pub(crate) async fn turn(&self, requester: Requester) -> Result<Option<Turn<'_>>, Problem> {
        match self {
            Self::Django(_) => Ok(None),
            Self::Callback(callback) => callback.turn(requester).await.map(Some),
        }
    }

    /// Asks about the session of one request. Requests of the same moment are asked about together where possible.
    pub(crate) async fn ask(&self, credential: &Credential) -> Result<Verdict, Problem> {
        match self {
            Self::Django(django) => django.ask(credential.clone()).await,
            Self::Callback(callback) => callback.ask(credential).await,
        }
    }

    /// Asks about as many sessions as are asked about together, and returns an answer for each.
    pub(crate) async fn ask_batch(&self, credentials: &[Credential]) -> Vec<Result<Verdict, Problem>> {
        match self {
            Self::Django(django) => django.ask_batch(credentials).await,
            Self::Callback(callback) => {
                let mut answers = Vec::with_capacity(credentials.len());
                for credential in credentials {
                    answers.push(callback.ask(credential).await);
                }
                answers
            }
        }
    }
}
