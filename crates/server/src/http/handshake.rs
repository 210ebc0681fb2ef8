//! The handshake of a WebSocket (RFC 6455, section 4.2), on paths that take one.

use super::errors::Refusal;
use crate::{access_log::LoggedVisit, ws::Upgrade};
use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::upgrade::OnUpgrade;
use parlor_protocol::error::{Code, Problem};
use sha1::{Digest as _, Sha1};

/// What the key is hashed with.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// A request to speak the WebSocket protocol from here on.
pub(super) struct Handshake {
    upgrade: OnUpgrade,
    visit: Option<LoggedVisit>,
    accept: HeaderValue,
    /// The subprotocols that the client offers.
    offers: Vec<String>,
}

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let refuse = |detail: &str| Refusal(Problem::new(Code::InvalidField).with_detail(detail)).into_response();
        let headers = &parts.headers;
        let is_one = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && has(headers, &header::CONNECTION, "upgrade")
            && has(headers, &header::UPGRADE, "websocket");
        if !is_one {
            return Err(refuse("a WebSocket handshake is expected"));
        }
        let versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter().collect::<Vec<_>>();
        if versions.iter().any(|version| **version != VERSION) {
            return Err(another_version());
        }
        let keys: Vec<_> = headers.get_all(header::SEC_WEBSOCKET_KEY).iter().collect();
        let key = match *keys {
            [key] if STANDARD.decode(key).is_ok_and(|key| key.len() == 16) => key,
            _ => return Err(refuse("a WebSocket handshake with a key of 16 bytes is expected")),
        };
        if versions.len() != 1 {
            return Err(refuse("a WebSocket handshake of version 13 is expected"));
        }
        let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(MAGIC).finalize());
        let accept = HeaderValue::from_str(&accept).expect("base64 is ASCII");
        let offers = words(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let upgrade = upgrade.ok_or_else(|| refuse("this connection cannot become a socket"))?;
        Ok(Self { upgrade, visit: parts.extensions.remove(), accept, offers })
    }
}

impl Handshake {
    /// Whether the client offers this subprotocol.
    pub(super) fn offers(&self, protocol: &str) -> bool {
        self.offers.iter().any(|offered| offered == protocol)
    }

    /// The answer that agrees, and the connection once it has been sent.
    pub(super) fn accept(self, protocol: Option<HeaderValue>) -> (Response, Upgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        (response, Upgrade { on: self.upgrade, log: self.visit.map(LoggedVisit::socket) })
    }
}

/// The answer to another version: which one is spoken here.
fn another_version() -> Response {
    let mut response = Refusal::from(Code::UnsupportedVersion).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
    headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    response
}

/// The words of a header that is a list.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn has(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|found| found.eq_ignore_ascii_case(word))
}
