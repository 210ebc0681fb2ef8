//! The integration tests: a real server, people who use it, and everything that can go wrong around them.

mod authority;
mod channel_layer;
mod convergence;
mod crowd;
mod durability;
mod files;
mod groups;
mod harness;
mod isolation;
mod live;
mod lost_network;
mod operate;
mod origin;
mod postgres;
mod power_cut;
mod raw;
mod refusals;
mod search;
mod sends;
mod sessions;
mod slow_clients;
mod socket;
mod store;
mod together;
mod traps;
mod wishes;
