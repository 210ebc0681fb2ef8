//! The rules of `docs/reference/protocol.md` on the pure state, one test for each that is easily broken.

mod cleared;
mod drafts;
mod fixtures;
mod mentions;
mod messages;
mod reports;
mod scopes;
mod totals;
