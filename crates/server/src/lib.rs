//! Parlor: messaging for the users of a web application.
//!
//! The path of a message: an edge (`ws`, `http`, `cli`) parses a command, `commands` turns it into a change, and
//! `commit` decides it with the rules in `domain` and writes it to `store`. Committed events go through `channel_layer`
//! to the `hub` of each node, and from there to connections. `sync` answers what has changed since a cursor.

pub mod access_log;
pub mod address;
pub mod admin;
pub mod app;
pub mod bridge;
pub mod channel_layer;
pub mod cli;
pub mod coalesce;
pub mod commands;
pub mod commit;
pub mod config;
pub mod consumers;
pub mod data_folder;
pub mod domain;
pub mod environment;
pub mod evidence;
mod fernet;
pub mod files;
pub mod handover;
pub mod host;
mod host_answer;
pub mod host_pages;
pub mod host_side;
pub mod http;
pub mod hub;
pub mod identity;
pub mod listener;
pub mod metrics;
pub mod mirror;
mod old_sockets;
pub mod origin;
pub mod paging;
pub mod presence;
pub mod profile;
mod python_json;
mod queries;
mod redis_server;
mod request;
pub mod search;
pub mod server;
pub mod store;
pub mod supervisor;
pub mod sync;
pub mod task;
pub mod theme;
pub mod typing;
pub mod user_limits;
pub mod wal_erasure;
pub mod ws;
