//! Places from which users have signed in before, so that wrong attempts from elsewhere do not lock them out.
//!
//! A place is an address or a browser. Of an address a keyed hash is kept; of a browser the hash of a secret in a
//! cookie of its own, which outlives sessions and proves only that this browser has signed in to this account before.
//! Invariants: each known place has its own limit for each account, as high as that of all unknown places together;
//! only a successful sign-in makes a place known.

use super::{
    ATTEMPTS_WINDOW_MS, Identity,
    rate_limit::{RateLimiter, too_many},
    token::Token,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_protocol::{error::Problem, ids::UserId};
use sha2::Sha256;
use std::net::IpAddr;

/// Places remembered for each user.
const PLACES_MAX: i64 = 20;

/// Counts sign-in attempts.
#[derive(Debug)]
pub(super) struct SignInAttempts {
    pub(super) strangers: RateLimiter<String>,
    pub(super) addresses: RateLimiter<IpAddr>,
    places: RateLimiter<(UserId, [u8; 32])>,
    secret: Vec<u8>,
}

/// What a sign-in attempt was counted against.
#[derive(Debug)]
pub(super) enum Attempt {
    /// A browser that has signed in to the account before.
    KnownDevice(UserId, [u8; 32]),
    /// An address from which the account was signed in to before.
    KnownAddress(UserId, [u8; 32], IpAddr),
    /// Anything else.
    Stranger(String, IpAddr),
}

impl SignInAttempts {
    /// Allows `account` attempts for each account or known place, and `address` for each address.
    pub(super) fn new(secret: Vec<u8>, account: u32, address: u32, remembered: u32) -> Self {
        let window_ms = ATTEMPTS_WINDOW_MS;
        Self {
            strangers: RateLimiter::new(account, window_ms, remembered),
            addresses: RateLimiter::new(address, window_ms, remembered),
            places: RateLimiter::new(account, window_ms, remembered),
            secret,
        }
    }

    fn hash_address(&self, address: IpAddr) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key may have any length");
        mac.update(address.to_string().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn take(&self, attempt: &Attempt, steady_ms: i64) -> Result<(), u64> {
        let address = match attempt {
            Attempt::KnownDevice(..) => None,
            Attempt::KnownAddress(.., address) | Attempt::Stranger(_, address) => Some(address),
        };
        if let Some(address) = address {
            self.addresses.take(address, steady_ms)?;
        }
        let taken = match attempt {
            Attempt::KnownDevice(user, place) | Attempt::KnownAddress(user, place, _) => {
                self.places.take(&(*user, *place), steady_ms)
            }
            Attempt::Stranger(login, _) => self.strangers.take(login, steady_ms),
        };
        taken.inspect_err(|_| {
            // The attempt is refused, so it does not count against the address.
            if let Some(address) = address {
                self.addresses.give_back(address);
            }
        })
    }

    /// Uncounts an attempt that was not wrong.
    pub(super) fn give_back(&self, attempt: &Attempt) {
        match attempt {
            Attempt::KnownDevice(user, place) => self.places.give_back(&(*user, *place)),
            Attempt::KnownAddress(user, place, address) => {
                self.places.give_back(&(*user, *place));
                self.addresses.give_back(address);
            }
            Attempt::Stranger(login, address) => {
                self.strangers.give_back(login);
                self.addresses.give_back(address);
            }
        }
    }
}

impl Identity {
    /// Counts a sign-in attempt, or refuses it. `user` is absent if there is no such account.
    pub(super) async fn count_attempt(
        &self,
        login: &str,
        user: Option<UserId>,
        address: IpAddr,
        device: Option<&Token>,
    ) -> Result<Attempt, Problem> {
        // Without an account the look-ups are made all the same, so that they take as long.
        let user = user.unwrap_or(UserId(0));
        let is_known = async |place| self.store.is_known_place(user, place).await;
        let device = device.map(Token::hash);
        let address_hash = self.attempts.hash_address(address);
        let attempt = if let Some(device) = device
            && is_known(device).await?
        {
            Attempt::KnownDevice(user, device)
        } else if is_known(address_hash).await? {
            Attempt::KnownAddress(user, address_hash, address)
        } else {
            Attempt::Stranger(login.to_owned(), address)
        };
        self.attempts.take(&attempt, self.environment.steady_ms()).map_err(|retry_after_ms| {
            self.metrics.attempts_refused.inc();
            too_many(retry_after_ms)
        })?;
        Ok(attempt)
    }

    /// Remembers the place of a sign-in. A failure does not refuse the sign-in.
    pub(super) async fn remember_place(&self, user: UserId, address: IpAddr, device: &Token) {
        let places = vec![device.hash(), self.attempts.hash_address(address)];
        if let Err(error) = self.store.remember_places(user, places, self.environment.now_ms(), PLACES_MAX).await {
            tracing::warn!(%error, "the place of a sign-in was not remembered");
        }
    }
}
