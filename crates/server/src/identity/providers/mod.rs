//! Sources of identity at the host: what a request brings that names a session there, and whether the host says that
//! it is alive.
//!
//! Invariant: an answer that is not understood, late or absent signs nobody in.

pub(crate) mod callback;
pub(crate) mod django_session;

use crate::{config::ProviderKind, domain::host_user::HostUser};
use callback::Callback;
use django_session::DjangoSessions;
use parlor_protocol::error::Problem;

/// What names a session of the host.
#[derive(Clone)]
pub(crate) struct Credential {
    /// Whose it is.
    pub(crate) provider: ProviderKind,
    /// The value of the cookie, or of several.
    pub(crate) key: String,
    /// The cookies to ask the callback with.
    pub(crate) cookies: String,
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
    /// Nobody is: it has ended, never was, or belongs to somebody who may not sign in.
    Nobody,
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
    /// tables are checked in the background, so that nobody waits for them.
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

    /// Asks about the session of one request. Requests of the same moment are asked about together where possible.
    pub(crate) async fn ask(&self, credential: Credential) -> Result<Verdict, Problem> {
        match self {
            Self::Django(django) => django.ask(credential).await,
            Self::Callback(callback) => callback.ask(credential).await,
        }
    }

    /// Asks about many sessions.
    pub(crate) async fn ask_all(&self, credentials: Vec<Credential>) -> Vec<Result<Verdict, Problem>> {
        match self {
            Self::Django(django) => django.ask_all(credentials).await,
            Self::Callback(callback) => callback.ask_all(credentials).await,
        }
    }
}
