//! `[log]`: the log and the access log.

use serde::Deserialize;

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The filter.
    pub filter: String,
    /// The format.
    pub format: LogFormat,
    /// The access log: `off`, `on`, or a file.
    pub access: String,
    /// The addresses in it.
    pub addresses: LogAddresses,
}

/// How much of addresses the access log contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogAddresses {
    /// Nothing.
    None,
    /// Their network.
    Network,
    /// All.
    Full,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
