//! The rules: pure functions that decide a change on the state that the commit has loaded.
//!
//! Invariants: nothing here reads a clock, a store or a network; a refused change leaves the state as it was;
//! changes are decided in order, each on the state that the previous one left.

pub mod blocking;
pub mod blocks;
pub mod change;
mod contexts;
mod conversations;
mod decide;
pub mod draft_row;
mod drafts;
pub mod files;
pub mod fingerprint;
mod groups;
pub mod host_content;
pub mod host_context;
mod host_messages;
pub mod host_user;
mod host_users;
pub mod load_plan;
pub mod login;
mod markers;
mod members;
mod mentions;
mod message_edits;
mod messages;
mod receipts;
pub mod report_row;
pub mod reports;
pub mod rows;
mod settings;
pub mod settings_row;
pub mod state;
pub mod text;
mod users;
pub mod visible;

pub use change::{
    Change, Content, GroupUpdate, HostMessage, HostRowKey, Mirrored, Outcome, ProfileUpdate, SettingsPatch, Settlement,
    Which,
};
pub use conversations::{direct_key, holder};
pub use decide::{Decided, MessageRules, Now, Outgoing, Rules, WhoMayWrite, decide};
