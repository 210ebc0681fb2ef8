//! The oracle: what every client did and was shown, written down as it happened, and a checker that says from
//! these records alone which promises were broken. It shares no code with the server.

pub mod checker;
pub mod record;
