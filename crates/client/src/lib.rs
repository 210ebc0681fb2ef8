//! The Rust client of Parlor: that of its tests and its bench.
//!
//! It follows `docs/reference/protocol.md` and knows the server only through that page and the types of
//! `parlor_protocol`. [`state`] is the pure heart, [`sync`] drives it over a [`socket`] or [`http`], and
//! [`history`] judges from the outside what a server promised and did.
//!
//! Absent on purpose: TLS, retries that the caller did not ask for, and anything that hides what went over the
//! wire. Tests must be able to misbehave.

pub mod error;
pub mod history;
pub mod http;
pub mod limits;
pub mod socket;
pub mod state;
pub mod sync;
