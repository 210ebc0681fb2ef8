//! The mirror of the host's message table.

pub mod message_row;
pub mod outbox;
pub mod triggers;
