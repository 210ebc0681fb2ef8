//! Django's password hashes (`django/contrib/auth/hashers.py` of Django 5.2), verified and never made. Those of Argon2
//! are in the form that Parlor has itself.
//!
//! MD5 is refused: Django has it for tests only.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use scrypt::Params;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::signing::hex;

/// Rounds of PBKDF2; Django 6.0 has 1,200,000.
const ROUNDS_MAX: u32 = 10_000_000;
/// Bytes of memory for scrypt; Django uses 16 MiB.
const SCRYPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The cost of bcrypt; Django has 12.
const BCRYPT_COST_MAX: u32 = 16;

/// Returns the hash in PHC form of a hash that Django made with Argon2.
pub(crate) fn argon2(encoded: &str) -> Option<&str> {
    encoded.strip_prefix("argon2").filter(|phc| phc.starts_with("$argon2"))
}

/// Returns whether a hash has the form of one of Django's.
pub(crate) fn is_encoded(encoded: &str) -> bool {
    argon2(encoded).is_some()
        || ["pbkdf2_sha256$", "pbkdf2_sha1$", "bcrypt_sha256$", "bcrypt$", "scrypt$"]
            .iter()
            .any(|prefix| encoded.starts_with(prefix))
}

/// Returns whether a password is that of a hash, other than one of Argon2. It takes long, so it runs on the password
/// threads.
pub(crate) fn is_right(password: &str, encoded: &str) -> bool {
    let Some((algorithm, rest)) = encoded.split_once('$') else { return false };
    let verified = match algorithm {
        "pbkdf2_sha256" => pbkdf2(rest, |salt, rounds| {
            let mut out = vec![0; 32];
            pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, rounds, &mut out);
            out
        }),
        "pbkdf2_sha1" => pbkdf2(rest, |salt, rounds| {
            let mut out = vec![0; 20];
            pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), salt, rounds, &mut out);
            out
        }),
        // It hashes the hex form of a digest, so that no password is too long for it.
        "bcrypt_sha256" => bcrypt(&hex(&Sha256::digest(password.as_bytes())), rest),
        "bcrypt" => bcrypt(password, rest),
        "scrypt" => scrypt(password, rest),
        _ => None,
    };
    verified.unwrap_or(false)
}

/// `ROUNDS$SALT$HASH`; the salt is used as text.
fn pbkdf2(rest: &str, hash: impl FnOnce(&[u8], u32) -> Vec<u8>) -> Option<bool> {
    let mut parts = rest.split('$');
    let (rounds, salt, expected) = (parts.next()?, parts.next()?, parts.next()?);
    let rounds = rounds.parse().ok().filter(|rounds| (1..=ROUNDS_MAX).contains(rounds))?;
    let expected = STANDARD.decode(expected).ok().filter(|_| parts.next().is_none())?;
    Some(hash(salt.as_bytes(), rounds).as_slice().ct_eq(expected.as_slice()).into())
}

/// `$2b$COST$…`. A password of more than 72 bytes is cut off, as Django's bcrypt did.
fn bcrypt(password: &str, hash: &str) -> Option<bool> {
    let cost: u32 = hash.strip_prefix('$')?.split('$').nth(1)?.parse().ok()?;
    if cost > BCRYPT_COST_MAX {
        return None;
    }
    bcrypt::verify(password, hash).ok()
}

/// `N$SALT$R$P$HASH`
fn scrypt(password: &str, rest: &str) -> Option<bool> {
    let parts: Vec<&str> = rest.split('$').collect();
    let [work, salt, block_size, parallelism, expected] = parts.as_slice() else { return None };
    let work: u64 = work.parse().ok().filter(|work: &u64| work.is_power_of_two() && *work > 1)?;
    let (block_size, parallelism): (u32, u32) = (block_size.parse().ok()?, parallelism.parse().ok()?);
    let bytes = work.checked_mul(128)?.checked_mul(block_size.into())?;
    if bytes > SCRYPT_BYTES_MAX || !(1..=64).contains(&parallelism) {
        return None;
    }
    let params = Params::new(u8::try_from(work.ilog2()).ok()?, block_size, parallelism).ok()?;
    let expected = STANDARD.decode(expected).ok()?;
    let mut out = vec![0; 64];
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut out).ok()?;
    Some(out.as_slice().ct_eq(expected.as_slice()).into())
}
