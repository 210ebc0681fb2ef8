//! What Django writes, read without Django: signed values, sessions, cookies and password hashes.
//!
//! Invariants: nothing of a signed value is decoded, inflated or parsed before its signature holds; nothing is ever
//! unpickled; what is inflated has a limit.

pub(crate) mod cookies;
pub(crate) mod passwords;
pub(crate) mod session;
pub(crate) mod signing;
#[cfg(test)]
mod tests;
