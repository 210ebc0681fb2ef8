//! Django's sessions (`django/contrib/sessions` and `django/contrib/auth/__init__.py` of Django 5.2): who is signed in
//! by one.

use super::signing::{SecretKeys, Signed, SigningError};
use serde::Deserialize;
use serde_json::Value;

/// The salt of sessions in the database and in files.
pub(crate) const STORED_SALT: &str = "django.contrib.sessions.SessionStore";
/// The salt of sessions in cookies.
pub(crate) const COOKIE_SALT: &str = "django.contrib.sessions.backends.signed_cookies";
/// The salt of the hash that ends sessions when the password changes.
const AUTH_HASH_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// Why a session names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// It is not signed as it should be.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// It was written by `PickleSerializer`. Reading a pickle can run a program, so it is never read.
    #[error("the session is a pickle; set SESSION_SERIALIZER to the JSON serializer")]
    Pickle,
    /// It is not JSON.
    #[error("the session is not JSON")]
    NotJson,
}

/// The user that a session claims. The claim holds if the backend is allowed and the hash is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionUser {
    /// The primary key as text.
    pub(crate) id: String,
    /// The path of the authentication backend.
    pub(crate) backend: String,
    /// The hash over the user's password.
    pub(crate) auth_hash: String,
    /// `_session_expiry`, where it is a number of seconds.
    pub(crate) expiry_seconds: Option<i64>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "_auth_user_id")]
    id: Option<Value>,
    #[serde(rename = "_auth_user_backend")]
    backend: Option<String>,
    #[serde(rename = "_auth_user_hash")]
    auth_hash: Option<String>,
    #[serde(rename = "_session_expiry")]
    expiry: Option<Value>,
}

/// Returns the user of a signed session; none for a session without one.
pub(crate) fn user_of(signed: &Signed) -> Result<Option<SessionUser>, SessionError> {
    // The first byte of every pickle since protocol 2.
    if signed.content.first() == Some(&0x80) {
        return Err(SessionError::Pickle);
    }
    // Django decodes it as Latin-1; what it writes is ASCII.
    let text: String = signed.content.iter().copied().map(char::from).collect();
    let data: Data = serde_json::from_str(&text).map_err(|_| SessionError::NotJson)?;
    let id = match data.id {
        Some(Value::String(id)) if !id.is_empty() => id,
        Some(Value::Number(id)) => id.to_string(),
        _ => return Ok(None),
    };
    let expiry_seconds = data.expiry.as_ref().and_then(Value::as_i64);
    let (backend, auth_hash) = (data.backend.unwrap_or_default(), data.auth_hash.unwrap_or_default());
    Ok(Some(SessionUser { id, backend, auth_hash, expiry_seconds }))
}

impl SessionUser {
    /// Returns whether the hash was made of this password hash, with one of the keys.
    pub(crate) fn has_hash_of(&self, keys: &SecretKeys, password_hash: &str) -> bool {
        !self.auth_hash.is_empty() && keys.is_hex_hmac(AUTH_HASH_SALT, password_hash, &self.auth_hash)
    }
}

/// Returns whether a text can be the key of a session that Django keeps: letters and digits, 8 to 40 of them.
pub(crate) fn is_key(text: &str) -> bool {
    (8..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
