//! How the server can be reached: addresses, unix sockets, inherited sockets, TLS; what it writes about its clients; how
//! long sockets live.

mod access_log;
mod life;
mod listening;
pub(crate) mod tls;
