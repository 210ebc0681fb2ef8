//! One setting: its key, its value, and where the value came from.

use serde_json::Value;
use std::{fmt, path::PathBuf};

/// A key, its value, and where the value came from.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key with its section.
    pub path: String,
    /// Its value.
    pub value: Value,
    /// Where the value came from.
    pub source: SettingSource,
    /// The comment above the key in the reference.
    pub comment: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// `parlor.default.toml`.
    Default,
    /// The operator's file, and the line in it.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for SettingSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path, line) => write!(formatter, "{}:{line}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}

impl Setting {
    /// Returns the value as TOML, with secrets hidden.
    #[must_use]
    pub fn display_value(&self) -> String {
        match (self.path.as_str(), &self.value) {
            (
                "metrics.token" | "files.s3_secret_access_key" | "identity.recheck_secret" | "django.secret_key",
                Value::String(secret),
            ) if !secret.is_empty() => "\"(hidden)\"".to_owned(),
            ("django.secret_key_fallbacks", Value::Array(secrets)) if !secrets.is_empty() => {
                "[\"(hidden)\"]".to_owned()
            }
            ("store.url" | "host.database", Value::String(url)) => Value::from(without_password(url)).to_string(),
            ("callback.url" | "host.url" | "host.allow_url", Value::String(url)) => {
                Value::from(without_query(&without_password(url))).to_string()
            }
            ("bridge.encryption_keys" | "channel_layer.encryption_keys", Value::Array(keys)) if !keys.is_empty() => {
                "[\"(hidden)\"]".to_owned()
            }
            ("bridge.redis" | "channel_layer.url", Value::String(urls)) => {
                let shown: Vec<_> = urls.split(',').map(|url| without_query(&without_password(url.trim()))).collect();
                Value::from(shown.join(", ")).to_string()
            }
            (_, value) => value.to_string(),
        }
    }

    /// Returns the range of numbers that the comment allows: its last "A to B.".
    #[must_use]
    pub fn range(&self) -> Option<(i64, i64)> {
        let sentence = self.comment.trim_end().trim_end_matches('.').rsplit(". ").next()?;
        let (least, most) = sentence.split_once(" to ")?;
        Some((least.trim().parse().ok()?, most.split(' ').next()?.parse().ok()?))
    }

    /// Returns the name of its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("PARLOR_{}", self.path.replace('.', "_").to_uppercase())
    }
}

fn without_password(url: &str) -> String {
    // Parameters may contain one as well.
    let (url, parameters) = url.split_once('?').unwrap_or((url, ""));
    if parameters.contains("pass") {
        return format!("{}?(hidden)", without_password(url));
    }
    let parameters = if parameters.is_empty() { String::new() } else { format!("?{parameters}") };
    let Some((scheme, rest)) = url.split_once("://") else { return format!("{url}{parameters}") };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            format!("{scheme}://{}:(hidden)@{host}{parameters}", user.split(':').next().unwrap_or_default())
        }
        None => format!("{url}{parameters}"),
    }
}

/// Hides the query of a URL: that of a unix socket may contain a password, and that of a page any secret.
fn without_query(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}?(hidden)"))
}
