//! The configuration in force, and where each value came from.
//!
//! `parlor.default.toml` is compiled in and is the reference: it names every key, its type (that of its default) and,
//! in its comment, its range. From weakest to strongest, the layers are: that file, the operator's file, the
//! environment, flags. An unknown key is an error that names the key and its location.
//!
//! Absent on purpose: changing anything while the server runs.

mod contradictions;
mod identity;
mod layers;
mod listen;
mod log;
mod mirror;
mod setting;

use crate::{
    address::Network,
    bridge::{
        capacity::CapacityRule,
        codec::{Layer, Serializer},
    },
    domain::{MessageRules, WhoMayWrite},
    host::HostUrl,
    origin::Origin,
    store::Durability,
    theme::Colour,
};
use parlor_protocol::{limits::Limits, params::History};
use serde::{Deserialize, Deserializer, de};
use std::{net::SocketAddr, path::PathBuf, str::FromStr};

pub use identity::{CallbackConfig, DjangoConfig, IdentityConfig, ProviderKind, SessionEngine};
pub use layers::Layers;
pub use listen::{ListenAddress, RootPath, SocketMode, TlsConfig};
pub use log::{LogAddresses, LogConfig, LogFormat};
pub use mirror::{CompatConfig, MirrorConfig, TriggerMode};
pub use setting::{Setting, SettingSource};

/// The text of `parlor.default.toml`.
pub const DEFAULTS: &str = include_str!("../../../parlor.default.toml");

/// All settings. The keys are described in `parlor.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    #[serde(deserialize_with = "listen::parse")]
    pub listen: Vec<ListenAddress>,
    /// The permissions of unix sockets.
    pub listen_mode: SocketMode,
    /// The data folder.
    pub data: PathBuf,
    /// The name of the site.
    pub name: String,
    /// The accent colour.
    pub accent: Colour,
    /// Whether browsers keep the inbox for use without a connection.
    pub offline: bool,
    /// The address that users open.
    #[serde(deserialize_with = "none_if_empty")]
    pub public_url: Option<Origin>,
    /// Further origins whose pages may make changes and open sockets.
    #[serde(deserialize_with = "parse_list")]
    pub allowed_origins: Vec<Origin>,
    /// Who may open conversations with whom.
    pub who_may_write: WhoMayWrite,
    /// Proxies whose forwarding headers are trusted.
    #[serde(deserialize_with = "parse_list")]
    pub trusted_proxies: Vec<Network>,
    /// Whether `/conformance/echo` exists.
    pub conformance_echo: bool,
    /// A folder to serve the web client from.
    #[serde(deserialize_with = "none_if_empty")]
    pub web: Option<PathBuf>,
    /// TLS.
    pub tls: TlsConfig,
    /// Logging.
    pub log: LogConfig,
    /// The database.
    pub store: StoreConfig,
    /// The host's database.
    pub host: HostConfig,
    /// Files that users send.
    pub files: FilesConfig,
    /// HTTP timeouts.
    pub http: HttpConfig,
    /// Socket timeouts.
    pub socket: SocketConfig,
    /// Synchronization intervals.
    pub sync: SyncConfig,
    /// Rules for messages.
    pub messages: MessageRules,
    /// Search.
    pub search: SearchConfig,
    /// Presence.
    pub presence: PresenceConfig,
    /// Shutdown.
    pub stop: StopConfig,
    /// Users and sessions.
    pub accounts: AccountsConfig,
    /// Who the people are.
    pub identity: IdentityConfig,
    /// The Django application whose people they are.
    pub django: DjangoConfig,
    /// The URL that says who people are.
    pub callback: CallbackConfig,
    /// Rules for groups.
    pub groups: GroupsConfig,
    /// Access to the metrics.
    pub metrics: MetricsConfig,
    /// The web application beside Parlor.
    pub compat: CompatConfig,
    /// The channel layer between nodes.
    pub channel_layer: ChannelLayerConfig,
    /// The bridge to the application's channel layer.
    pub bridge: BridgeConfig,
    /// The mirror of its message table.
    pub mirror: MirrorConfig,
    /// All limits.
    pub limits: Limits,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://…`; none means SQLite in the data folder.
    #[serde(deserialize_with = "none_if_empty")]
    pub url: Option<StoreUrl>,
    /// How safely a commit is written to disk.
    pub durability: Durability,
    /// The number of reading connections.
    pub readers: u32,
    /// The timeout of statements.
    pub timeout_ms: u64,
    /// How long after a deletion the log is cleared.
    pub erase_after_ms: u64,
}

/// The URL of a PostgreSQL database. Its `Debug` output hides it because it contains a password.
#[derive(Clone)]
pub struct StoreUrl(pub String);

/// `[host]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// The host's database, if Parlor uses it.
    #[serde(deserialize_with = "none_if_empty")]
    pub database: Option<HostUrl>,
    /// The number of connections of each part that uses it.
    pub connections: usize,
    /// The timeout of statements and of idle transactions.
    pub timeout_ms: u64,
    /// Where the host answers HTTP, if its views send messages.
    #[serde(deserialize_with = "none_if_empty")]
    pub url: Option<String>,
    /// The URL that says who may write to whom, if it decides that.
    #[serde(deserialize_with = "none_if_empty")]
    pub allow_url: Option<String>,
    /// The timeout of requests to both.
    pub http_timeout_ms: u64,
    /// Requests to both at once.
    pub http_requests_max: u32,
}

impl std::fmt::Debug for HostConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HostConfig")
    }
}

/// `[files]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The folder, unless files are in the data folder or a bucket.
    #[serde(deserialize_with = "none_if_empty")]
    pub folder: Option<PathBuf>,
    /// The bucket.
    #[serde(deserialize_with = "none_if_empty")]
    pub s3_bucket: Option<String>,
    /// The address of the bucket.
    #[serde(deserialize_with = "none_if_empty")]
    pub s3_endpoint: Option<String>,
    /// The region of the bucket.
    pub s3_region: String,
    /// The id of the access key.
    pub s3_access_key_id: String,
    /// The secret of the access key.
    pub s3_secret_access_key: String,
    /// How much disk space stays free.
    pub free_bytes_min: u64,
    /// How long processing a picture may take.
    pub image_ms: u64,
    /// How much memory a picture may be decoded in.
    pub image_memory_bytes_max: u64,
    /// How long unsent files are kept.
    pub unsent_ms: u64,
    /// How often the collector runs.
    pub collect_ms: u64,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Until the first byte of a connection.
    pub first_byte_ms: u64,
    /// Until a request's head is complete.
    pub head_ms: u64,
    /// Until a request's body is complete.
    pub body_ms: u64,
    /// How long a client may take to read what it is sent.
    pub write_ms: u64,
    /// Whether HTTP/2 is spoken over TLS.
    pub http2: bool,
    /// Requests of one HTTP/2 connection in progress at once.
    pub streams_max: u32,
    /// The path below which everything is served.
    pub root_path: RootPath,
}

/// `[socket]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// Until a heartbeat, if nothing else was sent.
    pub ping_interval_ms: u64,
    /// Until a socket without frames from the client is closed.
    pub silence_ms: u64,
    /// Until the first command.
    pub resume_ms: u64,
    /// Until a socket is closed in any case; 0 means never.
    pub life_max_ms: u64,
}

/// `[sync]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncConfig {
    /// The longest wait of a poll.
    pub poll_wait_max_ms: u64,
    /// How often the store's clock is read.
    pub clock_check_ms: u64,
    /// How long rows of `commits` are kept.
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
    /// How long a user counts as present after their socket closed.
    pub socket_grace_ms: u64,
    /// How long a user counts as present after their poll ended.
    pub poll_grace_ms: u64,
    /// How long a node's announcement of its present users is valid.
    pub entry_ms: u64,
    /// How precisely the store records when users were last seen.
    pub kept_ms: u64,
}

/// `[stop]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopConfig {
    /// To finish what was accepted.
    pub grace_ms: u64,
    /// The shortest time after which clients reconnect.
    pub retry_after_min_ms: u64,
    /// The longest time after which clients reconnect.
    pub retry_after_max_ms: u64,
}

/// `[accounts]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsConfig {
    /// Whether users can sign up by themselves.
    pub sign_up: bool,
    /// Days after which an unused session ends.
    pub session_days: u32,
    /// The memory of a password check.
    pub password_memory_kib: u32,
    /// The number of passes of a password check.
    pub password_passes: u32,
}

/// `[groups]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupsConfig {
    /// The history that new members see by default.
    pub history: History,
}

/// `[channel_layer]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelLayerConfig {
    /// The Redis through which nodes reach each other. None: there is one node.
    #[serde(deserialize_with = "none_if_empty")]
    pub url: Option<RedisUrl>,
    /// The beginning of the names of all channels and keys in it.
    pub prefix: String,
    /// The texts from which encryption keys are made.
    pub encryption_keys: Vec<String>,
}

/// `[bridge]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeConfig {
    /// The Redis servers. Empty: there is no bridge.
    #[serde(deserialize_with = "redis_urls")]
    pub redis: Vec<RedisUrl>,
    /// Which layer of channels-redis the application uses.
    pub layer: Layer,
    /// The prefix of its keys.
    pub prefix: String,
    /// Its serializer.
    pub serializer: Serializer,
    /// The texts from which its encryption keys are made.
    pub encryption_keys: Vec<String>,
    /// How long it keeps messages, in seconds.
    pub expiry_s: u32,
    /// How long it keeps members of groups, in seconds.
    pub group_expiry_s: u32,
    /// How many messages a queue holds.
    pub capacity: u32,
    /// How many messages the queues of certain channels hold.
    #[serde(deserialize_with = "parse_list")]
    pub channel_capacity: Vec<CapacityRule>,
    /// How many of Parlor's messages to the application may wait.
    pub queue_max: u32,
    /// A file with further rooms.
    #[serde(deserialize_with = "none_if_empty")]
    pub rooms: Option<PathBuf>,
}

/// The URL of a Redis server. Its `Debug` output hides it because it may contain a password.
#[derive(Clone)]
pub struct RedisUrl(pub String);

/// `[metrics]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// A separate address.
    #[serde(deserialize_with = "none_if_empty")]
    pub listen: Option<SocketAddr>,
    /// The token for the main address.
    #[serde(deserialize_with = "none_if_empty")]
    pub token: Option<String>,
}

/// The errors in a configuration, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Returns the defaults with some keys set as flags would set them. For tests and tools.
    ///
    /// # Errors
    /// A key is unknown or its value is invalid.
    pub fn with(settings: &[(&'static str, &str)]) -> Result<Self, ConfigError> {
        let flags = settings.iter().map(|(path, value)| (*path, "a setting", (*value).to_owned())).collect();
        Layers { flags, ..Layers::default() }.load().map(|(config, _)| config)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::with(&[]).expect("the defaults are valid: a test loads them")
    }
}

impl FromStr for StoreUrl {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(text.to_owned()));
        }
        Err("expected postgres://…, or nothing for SQLite in the data folder")
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StoreUrl")
    }
}

impl FromStr for RedisUrl {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let schemes = ["redis://", "rediss://", "unix://", "redis+unix://"];
        if schemes.iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self(text.to_owned()));
        }
        Err("expected redis://…, rediss://… or unix://…, separated by commas if there are several")
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RedisUrl")
    }
}

impl std::fmt::Debug for ChannelLayerConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ChannelLayer").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BridgeConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Bridge")
            .field("layer", &self.layer)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
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

fn redis_urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RedisUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
    urls.map(|url| url.parse().map_err(de::Error::custom)).collect()
}
