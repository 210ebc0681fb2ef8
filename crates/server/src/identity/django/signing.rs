//! Django's signing (`django/core/signing.py` and `django/utils/crypto.py` of Django 5.2).
//!
//! A signed object is `[.]DATA:TIME:SIGNATURE`: JSON in base64url, after zlib where a dot precedes it; the seconds since
//! 1970 in base 62; and the HMAC-SHA256 of everything before it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::ZlibDecoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, io::Read as _};
use subtle::ConstantTimeEq as _;

/// Bytes of a signed object, before and after it is inflated.
pub(crate) const OBJECT_BYTES_MAX: usize = 1024 * 1024;

/// `SECRET_KEY`, then each of `SECRET_KEY_FALLBACKS`.
#[derive(Clone)]
pub(crate) struct SecretKeys(pub(crate) Vec<String>);

impl std::fmt::Debug for SecretKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretKeys")
    }
}

/// Why a signed value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SigningError {
    /// It was signed with another key or salt, was changed, or was never signed.
    #[error("the signature is wrong")]
    Signature,
    /// It is older than allowed.
    #[error("it has expired")]
    Expired,
    /// It, or what it inflates to, is too long.
    #[error("it is too long")]
    TooLong,
    /// The signature is right, but the content is not what Django writes.
    #[error("the signed content cannot be decoded")]
    Content,
}

/// The content of a signed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// What was serialized.
    pub(crate) content: Vec<u8>,
    /// When it was signed, in milliseconds since 1970.
    pub(crate) signed_at: i64,
}

impl SecretKeys {
    /// Returns the content of an object that one of the keys has signed under `salt`, no more than `age_ms_max` before
    /// `now_ms` where that is given.
    pub(crate) fn load(
        &self,
        salt: &str,
        signed: &str,
        now_ms: i64,
        age_ms_max: Option<i64>,
    ) -> Result<Signed, SigningError> {
        if signed.len() > OBJECT_BYTES_MAX {
            return Err(SigningError::TooLong);
        }
        let value = self.unsign(salt, signed)?;
        let (data, time) = value.rsplit_once(':').ok_or(SigningError::Content)?;
        let signed_at = base62(time).and_then(|seconds| seconds.checked_mul(1000)).ok_or(SigningError::Content)?;
        if age_ms_max.is_some_and(|most| now_ms.saturating_sub(signed_at) > most) {
            return Err(SigningError::Expired);
        }
        let (data, is_compressed) = data.strip_prefix('.').map_or((data, false), |data| (data, true));
        let bytes = URL_SAFE_NO_PAD.decode(data).map_err(|_| SigningError::Content)?;
        let content = if is_compressed { inflated(&bytes)? } else { bytes };
        Ok(Signed { content, signed_at })
    }

    /// Returns the value before the signature, if one of the keys has made it under `salt`.
    pub(crate) fn unsign<'a>(&self, salt: &str, signed: &'a str) -> Result<&'a str, SigningError> {
        let (value, signature) = signed.rsplit_once(':').ok_or(SigningError::Signature)?;
        let key_salt = format!("{salt}signer");
        let is_right = |secret: &String| {
            let expected = URL_SAFE_NO_PAD.encode(salted_hmac(&key_salt, secret, value.as_bytes()));
            bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
        };
        if self.0.iter().any(is_right) { Ok(value) } else { Err(SigningError::Signature) }
    }

    /// Returns whether `found` is the hex form of the HMAC of `value` under one of the keys.
    pub(crate) fn is_hex_hmac(&self, key_salt: &str, value: &str, found: &str) -> bool {
        self.0.iter().any(|secret| {
            let expected = hex(&salted_hmac(key_salt, secret, value.as_bytes()));
            expected.as_bytes().ct_eq(found.as_bytes()).into()
        })
    }
}

/// `salted_hmac(key_salt, value, secret, algorithm="sha256")`: the key is the SHA-256 of salt and secret.
pub(crate) fn salted_hmac(key_salt: &str, secret: &str, value: &[u8]) -> [u8; 32] {
    let key = Sha256::new().chain_update(key_salt).chain_update(secret).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key may have any length");
    mac.update(value);
    mac.finalize().into_bytes().into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a String");
        text
    })
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, SigningError> {
    let mut content = Vec::new();
    let most = u64::try_from(OBJECT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(bytes).take(most).read_to_end(&mut content).map_err(|_| SigningError::Content)?;
    if content.len() > OBJECT_BYTES_MAX { Err(SigningError::TooLong) } else { Ok(content) }
}

/// Decodes a number in base 62 with the digits `0-9A-Za-z`.
pub(crate) fn base62(text: &str) -> Option<i64> {
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |digits| (digits, -1));
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_i64;
    for digit in digits.bytes() {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        number = number.checked_mul(62)?.checked_add(i64::from(digit))?;
    }
    number.checked_mul(sign)
}
