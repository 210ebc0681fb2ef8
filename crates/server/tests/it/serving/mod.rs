//! How the server can be reached: addresses, unix sockets, inherited sockets.

mod listening;
