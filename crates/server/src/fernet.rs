//! Fernet tokens (<https://github.com/fernet/spec>) with keys as channels-redis makes them: SHA-256 of the configured
//! text, of which the first half signs (HMAC-SHA256) and the second half encrypts (AES-128-CBC, PKCS #7).
//!
//! Invariant: nothing is decrypted before its signature holds.

use aes::Aes128;
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

const VERSION: u8 = 0x80;
/// Bytes of the version, the time and the initialization vector.
const HEAD_BYTES: usize = 1 + 8 + 16;
const SIGNATURE_BYTES: usize = 32;
/// How far the sender's clock may be ahead, in seconds.
const AHEAD_MAX_S: i64 = 60;

/// The token is damaged, of another key, too old, or from the future. Which of them is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid: another key, or damaged, or too old")]
pub struct InvalidToken;

/// A key. `Debug` does not show it.
#[derive(Clone)]
pub struct FernetKey {
    signing: [u8; 16],
    encryption: [u8; 16],
}

impl fmt::Debug for FernetKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FernetKey")
    }
}

impl FernetKey {
    /// Makes the key of a configured text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let half = |from: usize| std::array::from_fn(|index| digest[from + index]);
        Self { signing: half(0), encryption: half(16) }
    }

    /// Encrypts. The time is in seconds since 1970.
    #[must_use]
    pub fn encrypt(&self, content: &[u8], now_s: i64, iv: [u8; 16]) -> String {
        let encryptor = cbc::Encryptor::<Aes128>::new(&self.encryption.into(), &iv.into());
        let mut token = vec![VERSION];
        token.extend(now_s.to_be_bytes());
        token.extend(iv);
        token.extend(encryptor.encrypt_padded_vec::<Pkcs7>(content));
        let signature = self.mac(&token).finalize().into_bytes();
        token.extend(signature);
        URL_SAFE.encode(token)
    }

    /// Decrypts. With a `ttl_s`, tokens that are older, and tokens from more than a minute ahead, are refused.
    ///
    /// # Errors
    /// See [`InvalidToken`].
    pub fn decrypt(&self, token: &[u8], ttl_s: Option<i64>, now_s: i64) -> Result<Vec<u8>, InvalidToken> {
        let token = URL_SAFE.decode(token).map_err(|_| InvalidToken)?;
        let content_end = token.len().checked_sub(SIGNATURE_BYTES).ok_or(InvalidToken)?;
        let (signed, signature) = token.split_at(content_end);
        if signed.len() < HEAD_BYTES || signed[0] != VERSION {
            return Err(InvalidToken);
        }
        self.mac(signed).verify_slice(signature).map_err(|_| InvalidToken)?;
        let made_s = i64::from_be_bytes(std::array::from_fn(|index| signed[1 + index]));
        let is_too_old = ttl_s.is_some_and(|ttl_s| made_s.saturating_add(ttl_s) < now_s);
        let is_ahead = ttl_s.is_some() && now_s.saturating_add(AHEAD_MAX_S) < made_s;
        if is_too_old || is_ahead {
            return Err(InvalidToken);
        }
        let iv: [u8; 16] = std::array::from_fn(|index| signed[9 + index]);
        let decryptor = cbc::Decryptor::<Aes128>::new(&self.encryption.into(), &iv.into());
        decryptor.decrypt_padded_vec::<Pkcs7>(&signed[HEAD_BYTES..]).map_err(|_| InvalidToken)
    }

    fn mac(&self, signed: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.signing).expect("HMAC takes a key of any length");
        mac.update(signed);
        mac
    }
}
