//! How the server can be reached: addresses, unix sockets, inherited sockets, TLS.

mod listening;
pub(crate) mod tls;
