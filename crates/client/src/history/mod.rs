//! Records of what every client sent and received, and a checker that finds violated guarantees from these records
//! alone. It shares no code with the server.

pub mod checker;
pub mod record;
