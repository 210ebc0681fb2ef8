//! Passwords: Argon2id, a few at a time, on threads that may block.
//!
//! Invariant: there are never more blocks of memory to hash in than checks at once. They are kept and used again:
//! allocators do not always give large blocks back that many threads ask for and free.

use super::django;
use crate::config::Config;
use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};
use parlor_protocol::error::{Code, Problem};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization as _;

/// The most work of a hash that is checked: memory in KiB, passes over it, and lanes. What the configuration allows, and
/// Django's own hashes, are below; more would take the machine's memory or a thread for hours.
const MEMORY_KIB_MAX: u32 = 1_048_576;
const PASSES_MAX: u32 = 100;
const LANES_MAX: u32 = 64;
/// The same of a hash that the host made; Django uses 100 MiB.
const HOST_MEMORY_KIB_MAX: u32 = 262_144;
/// How long a check waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// Checks and makes password hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    params: Params,
    /// A hash of nothing, checked where there is no account, so that it takes as long as where there is one.
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
    memory: Arc<HashMemory>,
}

/// Memory to hash in, as much as was in use at once.
struct HashMemory {
    /// Of the configured work; what an older hash needs beyond is given back.
    blocks: usize,
    free: Mutex<Vec<Vec<Block>>>,
}

impl HashMemory {
    /// Hashes with this work. None: Argon2 does not take it.
    fn hash(&self, argon2: &Argon2<'_>, password: &str, salt: &[u8], length: usize) -> Option<Output> {
        let mut out = [0; Output::MAX_LENGTH];
        let out = out.get_mut(..length)?;
        let mut blocks = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        blocks.resize(argon2.params().block_count(), Block::new());
        let hashed = argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks.as_mut_slice());
        if blocks.len() > self.blocks {
            blocks = Vec::new();
        }
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
        hashed.ok().and_then(|()| Output::new(out).ok())
    }

    /// Whether a password is that of a hash, of Parlor or of Django.
    fn is_right_for(&self, password: &str, hash: &str) -> bool {
        if is_foreign(hash) && django::passwords::argon2(hash).is_none() {
            return django::passwords::is_right(password, hash);
        }
        let of_host = django::passwords::argon2(hash);
        let memory_kib_max = if of_host.is_some() { HOST_MEMORY_KIB_MAX } else { MEMORY_KIB_MAX };
        PasswordHash::new(of_host.unwrap_or(hash)).is_ok_and(|hash| self.is_right(password, &hash, memory_kib_max))
    }

    /// Whether a password is that of a hash, unless that takes too much work.
    fn is_right(&self, password: &str, hash: &PasswordHash, memory_kib_max: u32) -> bool {
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return false };
        let work = (
            Algorithm::try_from(hash.algorithm.as_str()),
            hash.version.map_or(Ok(Version::V0x13), Version::try_from),
            Params::try_from(hash),
        );
        let (Ok(algorithm), Ok(version), Ok(params)) = work else { return false };
        if params.m_cost() > memory_kib_max || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
            return false;
        }
        let argon2 = Argon2::new(algorithm, version, params);
        let found = self.hash(&argon2, password, salt, expected.len());
        found.is_some_and(|found| found.as_bytes().ct_eq(expected.as_bytes()).into())
    }
}

impl std::fmt::Debug for HashMemory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HashMemory")
    }
}

impl Passwords {
    /// With the configured work.
    pub(crate) fn new(config: &Config, random: [u8; 48]) -> Self {
        let accounts = &config.accounts;
        let params = Params::new(accounts.password_memory_kib, accounts.password_passes, 1, None)
            .expect("the configuration allows only what Argon2 takes");
        let (salt, output) = random.split_at(16);
        let output = Output::new(output).expect("32 bytes are an output");
        let dummy = written(&params, salt, output).expect("16 bytes are a salt, and parameters have a text form");
        Self {
            dummy: dummy.into(),
            turns: Arc::new(Semaphore::new(config.limits.password_checks_max as usize)),
            memory: Arc::new(HashMemory { blocks: params.block_count(), free: Mutex::default() }),
            params,
        }
    }

    /// Waits for a turn to hash. The work itself keeps it: the caller may be gone before the work ends.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(Ok(turn)) = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await {
            return Ok(turn);
        }
        Err(Code::TooMany.into())
    }

    /// Nobody gets a turn any more.
    #[cfg(test)]
    pub(super) fn take_all_turns(&self) {
        self.turns.close();
    }

    /// Whether the password is the hash's; against the dummy where there is none.
    pub(crate) async fn check(&self, password: String, hash: Option<&str>) -> Result<bool, Problem> {
        let turn = self.turn().await?;
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.dummy), Arc::from);
        let memory = self.memory.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let composed = composed(&password);
            let is_right = |password: &str| memory.is_right_for(password, &hash);
            // Django, and earlier versions, hash the password as it was typed.
            is_right(&composed) || (composed != password && is_right(&password))
        })
        .await
        .map_err(|_| Code::Internal.into())
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Problem> {
        let turn = self.turn().await?;
        let (memory, params) = (self.memory.clone(), self.params.clone());
        let hashed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            written(&params, &salt, memory.hash(&argon2, &composed(&password), &salt, Params::DEFAULT_OUTPUT_LEN)?)
        });
        hashed.await.ok().flatten().ok_or_else(|| Code::Internal.into())
    }
}

/// Returns whether a hash was made by the host, and is to be replaced by one of Parlor's.
pub(super) fn is_foreign(hash: &str) -> bool {
    django::passwords::is_encoded(hash)
}

/// A password as it is hashed, in the normal form NFC: keyboards write one letter in several ways.
pub(crate) fn composed(password: &str) -> String {
    password.nfc().collect()
}

/// A hash as it is kept.
fn written(params: &Params, salt: &[u8], output: Output) -> Option<String> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.try_into().ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(output),
    };
    Some(hash.to_string())
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
        let params = Params::new(8, 1, 1, None).expect("work");
        let as_it_came = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let as_it_came = argon2::PasswordHasher::hash_password_with_salt(&as_it_came, apart.as_bytes(), &[1; 16]);
        let old = as_it_came.expect("a hash").to_string();
        assert_eq!(passwords.check(apart.to_owned(), Some(&old)).await, Ok(true), "as it was typed then");
        assert_eq!(passwords.check("other".to_owned(), Some(&old)).await, Ok(false));
    }

    #[tokio::test]
    async fn there_is_never_more_memory_than_checks_at_once_however_many_come() {
        let settings = [
            ("accounts.password_memory_kib", "64"),
            ("accounts.password_passes", "1"),
            ("limits.password_checks_max", "3"),
        ];
        let passwords = Arc::new(Passwords::new(&Config::with(&settings).expect("a configuration"), [7; 48]));
        let params = Params::new(1024, 1, 1, None).expect("more work than is configured");
        let larger = written(&params, &[1; 16], Output::new(&[2; 32]).expect("an output")).expect("a hash");
        let checks = (0..200).map(|number| {
            let (passwords, larger) = (passwords.clone(), larger.clone());
            tokio::spawn(async move { passwords.check("wrong".to_owned(), (number % 5 == 0).then_some(&larger)).await })
        });
        for check in checks.collect::<Vec<_>>() {
            assert_eq!(check.await.expect("it ends"), Ok(false));
        }
        let free = passwords.memory.free.lock().expect("nobody panicked");
        assert!(free.len() <= 3, "{} blocks", free.len());
        assert!(free.iter().all(|blocks| blocks.capacity() <= 64), "what an older hash needed is given back");
    }

    #[tokio::test]
    async fn a_hash_of_other_work_is_known() {
        let passwords = Passwords::new(&Config::default(), [7; 48]);
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(256, 2, 1, None).expect("work"));
        let hash = argon2::PasswordHasher::hash_password_with_salt(&hash, b"password", b"somesalt");
        let hash: PasswordHash = hash.expect("a hash");
        assert_eq!(passwords.check("password".to_owned(), Some(&hash.to_string())).await, Ok(true));
        assert_eq!(passwords.check("passwort".to_owned(), Some(&hash.to_string())).await, Ok(false));
    }
}
