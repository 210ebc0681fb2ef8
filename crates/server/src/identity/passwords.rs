//! Passwords: Argon2id, a few at a time, on threads that may block.

use crate::config::Config;
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};
use parlor_protocol::error::{Code, Problem};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization as _;

/// How long a check waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// Checks and makes password hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// A hash of nothing, checked where there is no account, so that it takes as long as where there is one.
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// With the configured work.
    pub(crate) fn new(config: &Config, random: [u8; 48]) -> Self {
        let accounts = &config.accounts;
        let params = Params::new(accounts.password_memory_kib, accounts.password_passes, 1, None)
            .expect("the configuration allows only what Argon2 takes");
        let (salt, output) = random.split_at(16);
        let dummy = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().expect("parameters have a text form"),
            salt: Some(Salt::new(salt).expect("16 bytes are a salt")),
            hash: Some(Output::new(output).expect("32 bytes are an output")),
        };
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            dummy: dummy.to_string().into(),
            turns: Arc::new(Semaphore::new(config.limits.password_checks_max as usize)),
        }
    }

    /// Waits for a turn to do work that blocks.
    /// It is kept by the work itself: whoever asked for that work may be gone before it ends.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(Ok(turn)) = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await {
            return Ok(turn);
        }
        Err(Code::TooMany.into())
    }

    /// Whether the password is the hash's; against the dummy where there is none.
    pub(crate) async fn check(&self, password: String, hash: Option<&str>) -> Result<bool, Problem> {
        let turn = self.turn().await?;
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.dummy), Arc::from);
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let Ok(hash) = PasswordHash::new(&hash) else { return false };
            let is = |password: &str| argon2.verify_password(password.as_bytes(), &hash).is_ok();
            let composed = composed(&password);
            // Earlier versions hashed what came.
            is(&composed) || (composed != password && is(&password))
        })
        .await
        .map_err(|_| Code::Internal.into())
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Problem> {
        let turn = self.turn().await?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            argon2.hash_password_with_salt(composed(&password).as_bytes(), &salt).map(|hash| hash.to_string())
        })
        .await
        .map_err(|_| Problem::from(Code::Internal))?
        .map_err(|_| Code::Internal.into())
    }
}

/// A password as it is hashed, in the normal form NFC: keyboards write one letter in several ways.
pub(crate) fn composed(password: &str) -> String {
    password.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_knows_its_password_and_the_dummy_knows_none() {
        let config = Config::with(&[("accounts.password_memory_kib", "8"), ("accounts.password_passes", "1")]);
        let passwords = Passwords::new(&config.expect("a configuration"), [7; 48]);
        let hash = passwords.hash("correct horse".to_owned(), [1; 16]).await.expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.check("correct horse".to_owned(), Some(&hash)).await, Ok(true));
        assert_eq!(passwords.check("correct horse ".to_owned(), Some(&hash)).await, Ok(false));
        assert_eq!(passwords.check(String::new(), None).await, Ok(false));
        let work = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(work(&passwords.dummy), work(&hash), "the dummy costs the same");
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_its_letters_are_composed_and_old_hashes_still_verify() {
        let config = Config::with(&[("accounts.password_memory_kib", "8"), ("accounts.password_passes", "1")]);
        let passwords = Passwords::new(&config.expect("a configuration"), [7; 48]);
        let (composed, apart) = ("pa\u{df}w\u{f6}rter \u{ac00}", "pa\u{df}wo\u{308}rter \u{1100}\u{1161}");
        for chosen in [composed, apart] {
            let hash = passwords.hash(chosen.to_owned(), [1; 16]).await.expect("a hash");
            for typed in [composed, apart] {
                assert_eq!(passwords.check(typed.to_owned(), Some(&hash)).await, Ok(true));
            }
            assert_eq!(passwords.check("passworter ga".to_owned(), Some(&hash)).await, Ok(false));
        }
        let as_it_came = passwords.argon2.hash_password_with_salt(apart.as_bytes(), &[1; 16]).expect("a hash");
        let old = as_it_came.to_string();
        assert_eq!(passwords.check(apart.to_owned(), Some(&old)).await, Ok(true), "as it was typed then");
        assert_eq!(passwords.check("other".to_owned(), Some(&old)).await, Ok(false));
    }
}
