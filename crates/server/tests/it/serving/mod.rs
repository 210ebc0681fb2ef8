//! How the server can be reached: addresses, unix sockets, inherited sockets, TLS, below which path; what it writes about
//! its clients; how long sockets live.

mod access_log;
mod life;
mod listening;
mod root_path;
pub(crate) mod tls;
