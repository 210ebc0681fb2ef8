//! The configuration in force, and where each value came from.
//!
//! `parlor.default.toml` is compiled in and is the reference: it names every key, its type (that of its default)
//! and, in its comment, its range. Layers in order of growing strength: that file, the operator's file, the
//! environment, flags. What no layer knows is refused by name and place.
//!
//! Absent on purpose: changing anything while the server runs.

mod contradictions;
mod layers;

use crate::{
    address::Network,
    domain::{MessageRules, WhoMayWrite},
    origin::Origin,
    store::Durability,
    theme::Colour,
};
use parlor_protocol::{limits::Limits, params::History};
use serde::{Deserialize, Deserializer, de};
use std::{net::SocketAddr, path::PathBuf, str::FromStr};

pub use layers::{Layers, Setting, SettingSource};

/// The text of `parlor.default.toml`.
pub const DEFAULTS: &str = include_str!("../../../parlor.default.toml");

/// Everything that can be set. The keys are described in `parlor.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to serve.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// What the site calls itself.
    pub name: String,
    /// The one accent colour.
    pub accent: Colour,
    /// The address that people open.
    #[serde(deserialize_with = "none_if_empty")]
    pub public_url: Option<Origin>,
    /// Further origins whose pages may change something and open sockets.
    #[serde(deserialize_with = "parse_list")]
    pub allowed_origins: Vec<Origin>,
    /// Who may open a conversation with whom.
    pub who_may_write: WhoMayWrite,
    /// Whose forwarded headers are believed.
    #[serde(deserialize_with = "parse_list")]
    pub trusted_proxies: Vec<Network>,
    /// Whether `/conformance/echo` is there.
    pub conformance_echo: bool,
    /// A folder to serve the pages from.
    #[serde(deserialize_with = "none_if_empty")]
    pub web: Option<PathBuf>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// The database.
    pub store: StoreConfig,
    /// Files that people send.
    pub files: FilesConfig,
    /// Time-outs of HTTP.
    pub http: HttpConfig,
    /// Time-outs of sockets.
    pub socket: SocketConfig,
    /// Intervals of synchronising.
    pub sync: SyncConfig,
    /// What holds for messages.
    pub messages: MessageRules,
    /// Searching.
    pub search: SearchConfig,
    /// Whether people are here.
    pub presence: PresenceConfig,
    /// How to stop.
    pub stop: StopConfig,
    /// Accounts and sign-ins.
    pub accounts: AccountsConfig,
    /// What holds for groups.
    pub groups: GroupsConfig,
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
    /// Every limit.
    pub limits: Limits,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// What is logged.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://…`; none means SQLite in the data folder.
    #[serde(deserialize_with = "none_if_empty")]
    pub url: Option<StoreUrl>,
    /// How hard a commit presses on the disk.
    pub durability: Durability,
    /// Connections that read.
    pub readers: u32,
    /// How long a statement may take.
    pub timeout_ms: u64,
    /// How long after a deletion the log is cleared of it.
    pub erase_after_ms: u64,
}

/// The address of a PostgreSQL database. Its `Debug` hides it: it holds a password.
#[derive(Clone)]
pub struct StoreUrl(pub String);

/// `[files]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// Where they are, unless in the data folder or a bucket.
    #[serde(deserialize_with = "none_if_empty")]
    pub folder: Option<PathBuf>,
    /// The bucket that they are in.
    #[serde(deserialize_with = "none_if_empty")]
    pub s3_bucket: Option<String>,
    /// Its address.
    #[serde(deserialize_with = "none_if_empty")]
    pub s3_endpoint: Option<String>,
    /// Its region.
    pub s3_region: String,
    /// The id of the key to it.
    pub s3_access_key_id: String,
    /// The secret of the key.
    pub s3_secret_access_key: String,
    /// What stays free of the disk.
    pub free_bytes_min: u64,
    /// How long looking at a picture may take.
    pub image_ms: u64,
    /// In how much memory a picture is drawn.
    pub image_memory_bytes_max: u64,
    /// How long what nobody sent is kept.
    pub unsent_ms: u64,
    /// How often the collector looks.
    pub collect_ms: u64,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Until the first byte of a connection.
    pub first_byte_ms: u64,
    /// Until the whole head of a request.
    pub head_ms: u64,
    /// Until the whole body of a request.
    pub body_ms: u64,
    /// In which a reader must take what it is sent.
    pub write_ms: u64,
}

/// `[socket]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// Until a heartbeat where nothing else was sent.
    pub ping_interval_ms: u64,
    /// Without a frame from the client until the socket is closed.
    pub silence_ms: u64,
    /// Until the first command.
    pub resume_ms: u64,
}

/// `[sync]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncConfig {
    /// The longest that a poll waits.
    pub poll_wait_max_ms: u64,
    /// How often the store's clock is read.
    pub clock_check_ms: u64,
    /// How long `commits` is kept.
    pub commits_kept_ms: u64,
    /// How long markers are gathered.
    pub marker_interval_ms: u64,
}

/// `[search]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// Whether messages can be searched.
    pub enabled: bool,
}

/// `[presence]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceConfig {
    /// A socket that ended still counts for so long.
    pub socket_grace_ms: u64,
    /// A poll that ended still counts for so long.
    pub poll_grace_ms: u64,
    /// What a node says of its people holds for so long.
    pub entry_ms: u64,
    /// How exactly the store keeps when people were last here.
    pub kept_ms: u64,
}

/// `[stop]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopConfig {
    /// To finish what was accepted.
    pub grace_ms: u64,
    /// The shortest time after which clients come back.
    pub retry_after_min_ms: u64,
    /// The longest.
    pub retry_after_max_ms: u64,
}

/// `[accounts]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsConfig {
    /// Whether people can make accounts for themselves.
    pub sign_up: bool,
    /// Days after which an unused sign-in ends.
    pub session_days: u32,
    /// Memory of one password check.
    pub password_memory_kib: u32,
    /// Passes of one password check.
    pub password_passes: u32,
}

/// `[groups]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupsConfig {
    /// What newcomers see of what was written before, where nothing is said.
    pub history: History,
}

/// `[metrics]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// An address of its own.
    #[serde(deserialize_with = "none_if_empty")]
    pub listen: Option<SocketAddr>,
    /// A token for the main address.
    #[serde(deserialize_with = "none_if_empty")]
    pub token: Option<String>,
}

/// What is wrong with a configuration: one line for each mistake.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// The defaults, with some keys set as flags would set them. For tests and tools.
    ///
    /// # Errors
    /// A key is unknown or its value wrong.
    pub fn with(settings: &[(&'static str, &str)]) -> Result<Self, ConfigError> {
        let flags = settings.iter().map(|(path, value)| (*path, "a setting", (*value).to_owned())).collect();
        Layers { flags, ..Layers::default() }.load().map(|(config, _)| config)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::with(&[]).expect("the defaults are in force when nothing is said: a test loads them")
    }
}

impl FromStr for StoreUrl {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(text.to_owned()));
        }
        Err("postgres://… is expected, or nothing for SQLite in the data folder")
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StoreUrl")
    }
}

impl std::fmt::Debug for FilesConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Files").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MetricsConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").field("listen", &self.listen).finish_non_exhaustive()
    }
}

fn none_if_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
}

fn parse_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(|error| de::Error::custom(format!("{text:?}: {error}")))).collect()
}
