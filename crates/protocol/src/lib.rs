//! The wire protocol of Parlor: commands, replies, events, HTTP bodies, ids, error codes, close codes and limits.
//!
//! Everything that crosses the network is a type of this crate, and nothing else is; the socket and the HTTP API share
//! all of them. `docs/reference/protocol.md` describes the protocol.
//!
//! Absent on purpose: IO, rules (the server's `domain`) and anything that only one side needs.

pub mod close;
pub mod command;
pub mod command_names;
pub mod cursor;
pub mod error;
pub mod event;
pub mod frame;
pub mod http;
pub mod ids;
pub mod limits;
pub mod model;
pub mod params;
pub mod patch;
pub mod reply;
pub mod report;
mod strict_json;
