//! Secrets that name a session or a browser.

use crate::environment::Environment;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// 32 random bytes, in base64url. The store keeps only its hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) String);

impl Token {
    pub(super) fn new(environment: &Environment) -> Self {
        Self(URL_SAFE_NO_PAD.encode(environment.random::<32>()))
    }

    /// Whether it has the form of a token.
    pub(crate) fn is_well_formed(&self) -> bool {
        URL_SAFE_NO_PAD.decode(&self.0).is_ok_and(|bytes| bytes.len() == 32)
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}
