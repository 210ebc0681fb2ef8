//! Where and how the server listens: `listen`, `listen_mode`, `[tls]` and `http.root_path`.

use super::none_if_empty;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// One entry of `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// `unix:` and the path of a socket.
    Unix(PathBuf),
    /// `fd:` and the number of a listening socket with which the process was started.
    Descriptor(i32),
    /// `systemd`: all sockets that systemd passes.
    Systemd,
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The file with the certificate and its chain; none means no TLS.
    #[serde(deserialize_with = "none_if_empty")]
    pub certificate: Option<PathBuf>,
    /// The file with its private key.
    #[serde(deserialize_with = "none_if_empty")]
    pub key: Option<PathBuf>,
    /// Until a handshake is complete.
    pub handshake_ms: u64,
    /// How long browsers use https only, in seconds; 0 means that they are not told to.
    pub hsts_s: u32,
}

/// The path below which everything is served; empty for the root of the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPath(pub String);

/// The text is not a path below which to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRootPath;

impl fmt::Display for InvalidRootPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected a path such as /parlor, without a slash at its end, of letters, digits, - and _")
    }
}

impl FromStr for RootPath {
    type Err = InvalidRootPath;
    fn from_str(text: &str) -> Result<Self, InvalidRootPath> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let is_path = text.strip_prefix('/').is_some_and(|path| path.split('/').all(is_name));
        if text.is_empty() || is_path { Ok(Self(text.to_owned())) } else { Err(InvalidRootPath) }
    }
}

impl<'de> Deserialize<'de> for RootPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The permissions of unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

/// The text is not an entry of `listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidListenAddress;

/// The text is not the permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSocketMode;

impl fmt::Display for InvalidListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected an address and a port, unix:PATH, fd:NUMBER (from 3) or systemd")
    }
}

impl fmt::Display for InvalidSocketMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected three octal digits, such as 660")
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Descriptor(number) => write!(formatter, "fd:{number}"),
            Self::Systemd => formatter.write_str("systemd"),
        }
    }
}

impl ListenAddress {
    /// Returns whether the process is started with the socket.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        matches!(self, Self::Descriptor(_) | Self::Systemd)
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;
    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("fd", number)) => {
                let number = number.parse().ok().filter(|number| *number >= 3);
                number.map(Self::Descriptor).ok_or(InvalidListenAddress)
            }
            _ => text.parse().map(Self::Tcp).map_err(|_| InvalidListenAddress),
        }
    }
}

impl FromStr for SocketMode {
    type Err = InvalidSocketMode;
    fn from_str(text: &str) -> Result<Self, InvalidSocketMode> {
        let is_octal = text.len() == 3 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let mode = if is_octal { u32::from_str_radix(text, 8).ok() } else { None };
        mode.map(Self).ok_or(InvalidSocketMode)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Reads the entries of `listen`, which are separated by commas.
pub(super) fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ListenAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let entries = text.split(',').map(str::trim);
    entries.map(|entry| entry.parse().map_err(|error| de::Error::custom(format!("{entry:?}: {error}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn listen_takes_addresses_paths_and_descriptors_and_names_what_it_does_not_take() {
        let all = "127.0.0.1:80, [::1]:81,unix:/run/parlor.sock, fd:3, systemd";
        let config = Config::with(&[("listen", all)]).expect("each is right");
        let shown: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1:80", "[::1]:81", "unix:/run/parlor.sock", "fd:3", "systemd"]);
        for wrong in ["", "127.0.0.1", "unix:", "fd:2", "fd:x", "localhost:80", "127.0.0.1:80,", "Systemd"] {
            let error = Config::with(&[("listen", wrong)]).expect_err(wrong).to_string();
            assert!(error.contains("listen") && error.contains("unix:PATH"), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_root_path_is_a_plain_path_or_nothing() {
        for right in ["", "/parlor", "/a/b-c_9"] {
            assert!(right.parse::<RootPath>().is_ok(), "{right}");
        }
        for wrong in ["/", "parlor", "/parlor/", "/a//b", "/a b", "/a%20b", "/.."] {
            assert_eq!(wrong.parse::<RootPath>(), Err(InvalidRootPath), "{wrong}");
        }
    }

    #[test]
    fn the_mode_of_sockets_is_octal() {
        assert_eq!("660".parse(), Ok(SocketMode(0o660)));
        for wrong in ["", "66", "0660", "680", "rw-"] {
            assert_eq!(wrong.parse::<SocketMode>(), Err(InvalidSocketMode), "{wrong}");
        }
    }
}
