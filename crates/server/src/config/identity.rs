//! Who the people are: `[identity]`, `[django]` and `[callback]`.

use super::none_if_empty;
use crate::host::django::{IdType, UserTable};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, str::FromStr};

/// `[identity]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Where people come from, in the order in which they are looked for.
    pub providers: Vec<ProviderKind>,
    /// How often sessions of the host are checked again.
    pub recheck_ms: u64,
    /// The secret by which the host asks for a check at once.
    #[serde(deserialize_with = "none_if_empty")]
    pub recheck_secret: Option<String>,
    /// Where people sign in who have no account here.
    pub sign_in_url: String,
    /// Where people of the host sign out.
    pub sign_out_url: String,
}

/// A source of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Sessions of a Django application.
    DjangoSession,
    /// A URL of the host.
    Callback,
    /// Accounts of Parlor.
    Accounts,
}

impl ProviderKind {
    /// Returns its name in the configuration and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DjangoSession => "django_session",
            Self::Callback => "callback",
            Self::Accounts => "accounts",
        }
    }
}

/// `[django]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DjangoConfig {
    /// `SECRET_KEY`.
    pub secret_key: String,
    /// `SECRET_KEY_FALLBACKS`.
    pub secret_key_fallbacks: Vec<String>,
    /// Where sessions are.
    pub session_engine: SessionEngine,
    /// `SESSION_COOKIE_NAME`.
    pub session_cookie: String,
    /// `SESSION_COOKIE_AGE`.
    pub session_age_s: u64,
    /// The table of sessions.
    pub session_table: String,
    /// `SESSION_FILE_PATH`.
    #[serde(deserialize_with = "none_if_empty")]
    pub session_folder: Option<PathBuf>,
    /// `AUTHENTICATION_BACKENDS`.
    pub backends: Vec<String>,
    /// Those of them that let people in who are not active.
    pub backends_inactive: Vec<String>,
    /// The table of users.
    pub user_table: String,
    /// Its primary key.
    pub user_id: String,
    /// The type of the primary key.
    pub user_id_type: IdType,
    /// The column of the login name.
    pub user_login: String,
    /// The column of the password hash.
    pub user_password: String,
    /// The column that says who may sign in.
    pub user_active: String,
    /// The columns of the name.
    pub user_names: Vec<String>,
    /// How long a session that was checked before is valid while the database cannot be read.
    pub outage_ms: u64,
}

impl DjangoConfig {
    /// Returns the user table.
    #[must_use]
    pub fn user_table(&self) -> UserTable {
        UserTable {
            table: self.user_table.clone(),
            id: self.user_id.clone(),
            id_type: self.user_id_type,
            login: self.user_login.clone(),
            password: self.user_password.clone(),
            active: self.user_active.clone(),
            names: self.user_names.clone(),
        }
    }
}

/// `SESSION_ENGINE`, as far as it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEngine {
    /// `db` and `cached_db`.
    Db,
    /// `signed_cookies`.
    SignedCookies,
    /// `file`.
    File,
}

impl<'de> Deserialize<'de> for SessionEngine {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for SessionEngine {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit('.').next().unwrap_or_default() {
            "db" | "cached_db" => Ok(Self::Db),
            "signed_cookies" => Ok(Self::SignedCookies),
            "file" => Ok(Self::File),
            "cache" => {
                Err("sessions in a cache are pickles without a signature, which are never read; use cached_db, or the \
                 provider callback")
            }
            _ => Err("expected db, cached_db, signed_cookies or file"),
        }
    }
}

/// `[callback]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// The URL that says who a request's cookies belong to.
    pub url: String,
    /// The cookies that name a session of the host.
    pub cookies: Vec<String>,
    /// How long it may take.
    pub timeout_ms: u64,
    /// How long an answer is used.
    pub cache_ms: u64,
    /// How long a socket stays open while the host does not answer.
    pub outage_ms: u64,
    /// How many requests to the host there are at once.
    pub requests_max: u32,
}

macro_rules! hidden {
    ($($kind:ident),+) => {
        $(impl std::fmt::Debug for $kind {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(stringify!($kind))
            }
        })+
    };
}
hidden!(IdentityConfig, DjangoConfig, CallbackConfig);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_engine_that_cannot_be_read_is_refused_with_the_reason() {
        for (name, engine) in [
            ("db", SessionEngine::Db),
            ("django.contrib.sessions.backends.cached_db", SessionEngine::Db),
            ("django.contrib.sessions.backends.signed_cookies", SessionEngine::SignedCookies),
            ("file", SessionEngine::File),
        ] {
            assert_eq!(name.parse(), Ok(engine));
        }
        let refused = Config::with(&[("django.session_engine", "django.contrib.sessions.backends.cache")]);
        let refused = refused.expect_err("pickles are not read").to_string();
        assert!(refused.contains("pickles") && refused.contains("callback"), "{refused}");
    }
}
