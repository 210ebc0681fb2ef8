//! Where people signed in before, which keeps wrong attempts from elsewhere from locking them out.
//!
//! A place is an address or a browser. Of an address a keyed hash is kept, of a browser the hash of a secret in a cookie
//! of its own, which outlives sessions and proves nothing but that this browser signed in to this account once.
//! Invariant: a place has an allowance of its own for each account, as large as that of all strangers together; who
//! does not know the password makes no place known.

use super::{Token, rate_limit::Allowance, too_many};
use crate::app::App;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_protocol::{error::Problem, ids::UserId};
use sha2::Sha256;
use std::net::IpAddr;

/// Places of one person that are remembered.
const PLACES_MAX: i64 = 20;

/// What is counted of attempts to sign in.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) strangers: Allowance<String>,
    pub(super) addresses: Allowance<IpAddr>,
    places: Allowance<(UserId, [u8; 32])>,
    secret: Vec<u8>,
}

/// Against what an attempt counted.
#[derive(Debug)]
pub(super) enum Counted {
    /// A browser that signed in to the account before.
    Device(UserId, [u8; 32]),
    /// An address from which somebody signed in to the account before.
    Address(UserId, [u8; 32], IpAddr),
    /// Everybody else.
    Stranger(String, IpAddr),
}

impl Attempts {
    /// `account` attempts for each account or place, `address` for each address.
    pub(super) fn new(secret: Vec<u8>, account: u32, address: u32, remembered: u32) -> Self {
        let window_ms = super::ATTEMPTS_WINDOW_MS;
        Self {
            strangers: Allowance::new(account, window_ms, remembered),
            addresses: Allowance::new(address, window_ms, remembered),
            places: Allowance::new(account, window_ms, remembered),
            secret,
        }
    }

    fn of_address(&self, address: IpAddr) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("a key may have any length");
        mac.update(address.to_string().as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn take(&self, counted: &Counted, steady_ms: i64) -> Result<(), u64> {
        let address = match counted {
            Counted::Device(..) => None,
            Counted::Address(.., address) | Counted::Stranger(_, address) => Some(address),
        };
        if let Some(address) = address {
            self.addresses.take(address, steady_ms)?;
        }
        let taken = match counted {
            Counted::Device(user, place) | Counted::Address(user, place, _) => {
                self.places.take(&(*user, *place), steady_ms)
            }
            Counted::Stranger(login, _) => self.strangers.take(login, steady_ms),
        };
        taken.inspect_err(|_| {
            // An attempt that is not even made says nothing against the address.
            if let Some(address) = address {
                self.addresses.give_back(address);
            }
        })
    }

    /// It was no wrong attempt after all.
    pub(super) fn give_back(&self, counted: &Counted) {
        match counted {
            Counted::Device(user, place) => self.places.give_back(&(*user, *place)),
            Counted::Address(user, place, address) => {
                self.places.give_back(&(*user, *place));
                self.addresses.give_back(address);
            }
            Counted::Stranger(login, address) => {
                self.strangers.give_back(login);
                self.addresses.give_back(address);
            }
        }
    }
}

/// Counts an attempt to sign in to an account, where there is one.
pub(super) async fn attempt(
    app: &App,
    login: &str,
    account: Option<UserId>,
    (address, device): (IpAddr, Option<&Token>),
) -> Result<Counted, Problem> {
    let attempts = &app.identity.attempts;
    // Asked for nobody, too, so that it takes as long.
    let user = account.unwrap_or(UserId(0));
    let is_known = async |place| app.store.is_known_place(user, place).await;
    let device = device.map(Token::hash);
    let of_address = attempts.of_address(address);
    let counted = if let Some(device) = device
        && is_known(device).await?
    {
        Counted::Device(user, device)
    } else if is_known(of_address).await? {
        Counted::Address(user, of_address, address)
    } else {
        Counted::Stranger(login.to_owned(), address)
    };
    attempts.take(&counted, app.environment.steady_ms()).map_err(|wait| {
        app.metrics.attempts_refused.inc();
        too_many(wait)
    })?;
    Ok(counted)
}

/// Remembers the place of a sign-in. That it is not remembered is no reason to refuse it.
pub(super) async fn remember(app: &App, user: UserId, address: IpAddr, device: Option<&Token>) {
    let of_address = app.identity.attempts.of_address(address);
    let places = device.map(Token::hash).into_iter().chain([of_address]).collect();
    if let Err(error) = app.store.remember_places(user, places, app.environment.now_ms(), PLACES_MAX).await {
        tracing::warn!(%error, "The place of a sign-in was not remembered");
    }
}
