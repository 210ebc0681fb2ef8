//! An origin: scheme, host and port, as browsers write it in the `Origin` header.

use std::{fmt, str::FromStr};

/// Scheme, host and port. Two are equal if browsers consider them the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether the scheme is https.
    pub is_https: bool,
    host: String,
    port: u16,
}

/// The text is not an http or https origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOrigin;

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected http:// or https://, a host and at most a port")
    }
}

impl std::error::Error for InvalidOrigin {}

impl Origin {
    /// Returns the origin of a request from its `Host` header.
    ///
    /// # Errors
    /// The text is not a host with at most a port.
    pub fn of_host(is_https: bool, authority: &str) -> Result<Self, InvalidOrigin> {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority.as_str(), None),
        };
        let port = match port {
            None => {
                if is_https {
                    443
                } else {
                    80
                }
            }
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| InvalidOrigin)?
            }
            Some(_) => return Err(InvalidOrigin),
        };
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        let is_v6 = |name: &str| {
            name.strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
                .is_some_and(|name| name.parse::<std::net::Ipv6Addr>().is_ok())
        };
        if !is_name(host) && !is_v6(host) {
            return Err(InvalidOrigin);
        }
        Ok(Self { is_https, host: host.to_owned(), port })
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(InvalidOrigin)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Self::of_host(false, authority),
            "https" => Self::of_host(true, authority),
            _ => Err(InvalidOrigin),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.host)?;
        if self.port == if self.is_https { 443 } else { 80 } { Ok(()) } else { write!(formatter, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_equals_all_its_spellings_and_no_other_origin() {
        let good: Origin = "https://good.example".parse().expect("an origin");
        for same in ["https://GOOD.example", "HTTPS://good.example:443"] {
            assert_eq!(same.parse(), Ok(good.clone()), "{same}");
        }
        for other in [
            "https://evil",
            "http://good.example",
            "https://good.example:8443",
            "https://good.example.evil",
            "https://evilgood.example",
            "https://good.example.",
            "https://[::1]",
        ] {
            assert!(other.parse::<Origin>().is_ok_and(|origin| origin != good), "{other}");
        }
        for nonsense in [
            "",
            "null",
            "good.example",
            "https://",
            "https://good.example/",
            "https://good.example@evil",
            "https://good.example:",
            "https://good.example:99999",
            "https://good.example:+443",
            "file://x",
            "https://a b",
            "https://good.example, https://good.example",
            "https://[::1",
        ] {
            assert_eq!(nonsense.parse::<Origin>(), Err(InvalidOrigin), "{nonsense}");
        }
        assert_eq!(good.to_string(), "https://good.example");
        assert_eq!(
            "http://[::1]:8080".parse::<Origin>().map(|origin| origin.to_string()),
            Ok("http://[::1]:8080".into())
        );
    }
}
