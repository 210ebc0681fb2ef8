//! `[compat]` and `[mirror]`: the web application beside Parlor.

use super::none_if_empty;
use serde::Deserialize;

/// `[compat]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatConfig {
    /// The profile of the application: a name or a path.
    #[serde(deserialize_with = "none_if_empty")]
    pub profile: Option<String>,
}

/// `[mirror]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorConfig {
    /// Whether the message table of the application is mirrored.
    pub enabled: bool,
    /// How changes of the host are noticed.
    pub triggers: TriggerMode,
    /// How often the table is looked at where there are no triggers.
    pub poll_ms: u64,
    /// How often all rows are compared.
    pub scan_ms: u64,
}

/// How changes of the host are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerMode {
    /// By triggers, which the mirror installs.
    Install,
    /// By triggers, which somebody else installs.
    Manual,
    /// By looking at the table.
    None,
}
