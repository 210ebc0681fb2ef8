//! Static files: in which encoding they are sent, how long browsers may cache them, and whether a browser has them.
//!
//! Invariant: each encoding has its own tag, so that no cache returns the bytes of another one.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use parlor_bundler::{Encoded, hash};

/// `Cache-Control` of a file whose name changes with its bytes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A file, as it is and compressed.
#[derive(Clone, Debug)]
pub(super) struct File {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    hash: String,
    /// How long it may be cached without revalidation.
    kept: HeaderValue,
    /// What else than the path decides which bytes are sent.
    varies: HeaderValue,
}

/// An encoding, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl File {
    /// A file that is not compressed, and revalidated each time.
    pub(super) fn plain(bytes: Bytes) -> Self {
        Self {
            hash: hash(&bytes),
            plain: bytes,
            brotli: None,
            gzip: None,
            kept: HeaderValue::from_static("no-cache"),
            varies: HeaderValue::from_static("accept-encoding"),
        }
    }

    /// A file that was compressed when the program was built.
    pub(super) fn built_in(plain: &'static [u8], brotli: &'static [u8], gzip: &'static [u8]) -> Self {
        let [brotli, gzip] = [brotli, gzip].map(|bytes| Some(Bytes::from_static(bytes)));
        Self { brotli, gzip, ..Self::plain(Bytes::from_static(plain)) }
    }

    /// A file that is compressed now.
    pub(super) fn compressed(text: &str) -> Self {
        let Encoded { plain, brotli, gzip } = Encoded::of(text.as_bytes().to_vec());
        Self { brotli: Some(brotli.into()), gzip: Some(gzip.into()), ..Self::plain(plain.into()) }
    }

    /// Makes it cacheable for ever: its name changes with its bytes.
    pub(super) fn immutable(self) -> Self {
        Self { kept: HeaderValue::from_static(IMMUTABLE), ..self }
    }

    pub(super) fn is_immutable(&self) -> bool {
        self.kept == IMMUTABLE
    }

    /// Notes that the file sent under its path depends on the cookie.
    pub(super) fn by_cookie(self) -> Self {
        Self { varies: HeaderValue::from_static("accept-encoding, cookie"), ..self }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.plain
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the answer to a request with these headers.
    pub(super) fn answer(&self, media_type: &'static str, headers: &HeaderMap) -> Response {
        let (bytes, coding) = self.encoded(headers);
        let name = coding.unwrap_or("plain");
        let tag = format!("\"{}-{name}\"", self.hash);
        let kept = [
            (header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes")),
            (header::CACHE_CONTROL, self.kept.clone()),
            (header::VARY, self.varies.clone()),
        ];
        if is_known(headers, &tag) {
            return (StatusCode::NOT_MODIFIED, kept).into_response();
        }
        (kept, encoded_body(bytes, coding, media_type)).into_response()
    }

    /// Returns the answer to a request with these headers that no cache may store.
    pub(super) fn unstored_answer(&self, media_type: &'static str, headers: &HeaderMap) -> Response {
        let (bytes, coding) = self.encoded(headers);
        encoded_body(bytes, coding, media_type)
    }

    /// Returns the bytes in the encoding that the client prefers, and its name.
    fn encoded(&self, headers: &HeaderMap) -> (Bytes, Option<&'static str>) {
        let (bytes, name) = match self.coding(headers) {
            Coding::Brotli => (self.brotli.as_ref(), Some("br")),
            Coding::Gzip => (self.gzip.as_ref(), Some("gzip")),
            Coding::Plain => (None, None),
        };
        (bytes.unwrap_or(&self.plain).clone(), name)
    }

    /// Returns the available encoding that the client prefers. A client that accepts none gets the file as it is.
    fn coding(&self, headers: &HeaderMap) -> Coding {
        let wanted = AcceptedEncodings::of(headers);
        let there = [(Coding::Brotli, self.brotli.is_some()), (Coding::Gzip, self.gzip.is_some())];
        let mut best = (Coding::Plain, wanted.weight("identity"));
        for (coding, _) in there.into_iter().rev().filter(|(_, is_there)| *is_there) {
            let weight = wanted.weight(if coding == Coding::Brotli { "br" } else { "gzip" });
            // Among equals the smaller one.
            if weight > 0 && weight >= best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }
}

fn encoded_body(bytes: Bytes, coding: Option<&'static str>, media_type: &'static str) -> Response {
    let mut response = ([(header::CONTENT_TYPE, media_type)], bytes).into_response();
    if let Some(name) = coding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// Parses `Accept-Encoding`: names with their weights in thousandths.
struct AcceptedEncodings(Vec<(String, u32)>);

impl AcceptedEncodings {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        let parts = lines.flat_map(|line| line.split(',')).map(|part| {
            let (name, rest) = part.split_once(';').unwrap_or((part, ""));
            let weight = rest.split(';').find_map(|one| {
                let (key, value) = one.split_once('=')?;
                key.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
            });
            (name.trim().to_ascii_lowercase(), weight.unwrap_or(1_000))
        });
        Self(parts.filter(|(name, _)| !name.is_empty()).collect())
    }

    /// Returns the weight of an encoding. The file as it is is always accepted, with the lowest weight unless it is
    /// named.
    fn weight(&self, coding: &str) -> u32 {
        let named = |wanted: &str| {
            let is_alias = |name: &str| coding == "gzip" && wanted == coding && name == "x-gzip";
            self.0.iter().find(|(name, _)| name == wanted || is_alias(name)).map(|(_, weight)| *weight)
        };
        named(coding).or_else(|| named("*")).unwrap_or(u32::from(coding == "identity"))
    }
}

/// Parses `0.5` as 500. What cannot be parsed counts as 0.
fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, digits) {
        ("1", true) => 1_000,
        ("0", true) => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// Returns whether the browser has the version of this tag: a list of tags, perhaps weakened by a proxy, or `*`.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn the_encoding_is_what_is_wanted_most_and_among_equals_the_smallest() {
        let both = File::compressed("text");
        for (accepted, wanted) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("GZIP;Q=0.5", Coding::Gzip),
            ("br;q=0.2, gzip;q=0.8", Coding::Gzip),
            ("br;q=0, gzip", Coding::Gzip),
            ("br;q=0,gzip;q=0.000", Coding::Plain),
            ("*", Coding::Brotli),
            ("*;q=0.1, br;q=0", Coding::Gzip),
            ("identity", Coding::Plain),
            ("identity;q=1, br;q=0.5", Coding::Plain),
            ("identity;q=0, gzip;q=0.1", Coding::Gzip),
            ("identity;q=0", Coding::Plain),
            ("*;q=0", Coding::Plain),
            ("br;q=2, gzip;q=x", Coding::Plain),
            ("brotli", Coding::Plain),
            (" , ;q=1", Coding::Plain),
            ("", Coding::Plain),
        ] {
            assert_eq!(both.coding(&headers(header::ACCEPT_ENCODING, accepted)), wanted, "{accepted:?}");
        }
        assert_eq!(both.coding(&HeaderMap::new()), Coding::Plain);
        let plain = File::plain(Bytes::from_static(b"text"));
        assert_eq!(plain.coding(&headers(header::ACCEPT_ENCODING, "br, gzip")), Coding::Plain);
    }

    #[test]
    fn only_the_same_bytes_in_the_same_encoding_are_known() {
        let tag = "\"12-br\"";
        for known in ["\"12-br\"", "W/\"12-br\"", "\"1\", \"12-br\"", "*"] {
            assert!(is_known(&headers(header::IF_NONE_MATCH, known), tag), "{known}");
        }
        for other in ["\"12-gzip\"", "\"12\"", "12-br", "\"112-br\"", ""] {
            assert!(!is_known(&headers(header::IF_NONE_MATCH, other), tag), "{other}");
        }
    }
}
