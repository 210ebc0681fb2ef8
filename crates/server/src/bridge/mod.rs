//! The formats of Django's channel layers in Redis (channels-redis 4.3.0, core and pub/sub).

pub mod capacity;
pub mod codec;
pub mod commands;
pub mod fernet;
pub mod json;
pub mod msgpack;
pub mod names;
pub mod recipients;
pub mod value;

#[cfg(test)]
mod tests;
