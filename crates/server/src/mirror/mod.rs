//! The mirror of the host's message table.

pub mod message_row;
