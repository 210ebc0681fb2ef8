//! Finding messages by what they say.
//!
//! The index (`store/index`, fed by `followers/search`) names candidates, nothing more: what is shown was read, and
//! compared with the query, from the messages as they are now, through the asker's membership. So nothing that was
//! edited away, deleted, hidden or left behind is found, however far the index lags.

pub mod excerpt;
pub mod fold;
pub mod words;
