//! TLS and HTTP/2: what clients see, and what a hostile one cannot do.

use crate::{
    harness::{Server, Setup, folder},
    raw_http::request,
};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{client_async, tungstenite::Message};

const SOON: Duration = Duration::from_mins(1);
const NAME: &str = "parlor.test";

/// A server with a certificate, and the certificate.
struct Secured {
    server: Server,
    certificate: CertificateDer<'static>,
    files: TempDir,
}

/// Makes a certificate and writes it, with its key, into a folder.
pub(crate) fn write_certificate(files: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
    fs::write(files.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    fs::write(files.join("certificate.pem"), made.cert.pem()).expect("written");
    made.cert.der().clone()
}

/// Connects to a server with this certificate, and offers these protocols.
pub(crate) async fn connect(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
    offers: &[&[u8]],
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
    let stream = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from(NAME).expect("a name");
    timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.ok()?.ok()
}

impl Secured {
    async fn start(change: impl FnOnce(Setup) -> Setup) -> Self {
        let files = folder();
        let certificate = write_certificate(files.path());
        let setup = Setup::new()
            .with("tls.certificate", files.path().join("certificate.pem").display())
            .with("tls.key", files.path().join("key.pem").display());
        Self { server: change(setup).start().await, certificate, files }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Connects and offers these protocols.
    async fn connect(&self, offers: &[&[u8]]) -> Option<TlsStream<TcpStream>> {
        connect(self.address(), &self.certificate, offers).await
    }

    async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect(&[b"http/1.1"]).await.expect("a TLS connection");
        stream.write_all(text.as_bytes()).await.expect("it is sent");
        let mut answer = Vec::new();
        timeout(SOON, stream.read_to_end(&mut answer)).await.expect("in time").expect("an end by TLS");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a connection of HTTP/2 whose client takes this much of each answer.
    async fn http2(&self, window: u32) -> (SendRequest<Empty<Bytes>>, JoinHandle<()>) {
        let stream = self.connect(&[b"h2", b"http/1.1"]).await.expect("a TLS connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (client, connection) = builder.handshake(TokioIo::new(stream)).await.expect("the preface is accepted");
        (client, tokio::spawn(async move { drop(connection.await) }))
    }
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("https://{NAME}{path}");
    Request::builder().method(Method::GET).uri(uri).body(Empty::new()).expect("a request")
}

/// Sends a request and returns the status and the body.
async fn fetch(client: &mut SendRequest<Empty<Bytes>>, path: &str) -> (u16, Vec<u8>) {
    let answer = timeout(SOON, client.send_request(get(path))).await.expect("in time").expect("an answer");
    let status = answer.status().as_u16();
    let body = timeout(SOON, answer.into_body().collect()).await.expect("in time").expect("a whole body");
    (status, body.to_bytes().to_vec())
}

#[tokio::test]
async fn pages_and_sockets_work_over_tls_and_cookies_are_secure() {
    let site = Secured::start(|setup| setup.with("tls.hsts_s", 60)).await;
    let page = site.ask(&request("GET", "/", &[], "")).await.to_lowercase();
    assert!(page.starts_with("http/1.1 200") && page.contains("strict-transport-security: max-age=60"), "{page}");
    let added = site.server.run(&["user", "add", "ada"]);
    let said = String::from_utf8_lossy(&added.stdout).into_owned();
    let password = said.split_whitespace().last().expect("a password").trim_end_matches('.').to_owned();
    let body = format!(r#"{{"login": "ada", "password": "{password}"}}"#);
    let origin = format!("https://{NAME}");
    let headers = [("Content-Type", "application/json"), ("Origin", &*origin)];
    let signed_in = site.ask(&request("POST", "/v1/session", &headers, &body)).await;
    let cookie = signed_in.lines().find_map(|line| line.strip_prefix("set-cookie: __Host-parlor_session="));
    let cookie = cookie.unwrap_or_else(|| panic!("{said}\n{signed_in}"));
    assert!(cookie.contains("; Secure"), "{cookie}");
    let cookie = format!("__Host-parlor_session={}", cookie.split(';').next().expect("a value"));
    // A socket takes HTTP/1.1, also where the client could speak HTTP/2.
    let stream = site.connect(&[b"http/1.1"]).await.expect("a TLS connection");
    let handshake = Request::builder()
        .uri(format!("wss://{NAME}/v1/socket"))
        .header("Host", NAME)
        .header("Origin", &origin)
        .header("Cookie", cookie)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", "parlor.v1")
        .body(())
        .expect("a request");
    let (mut socket, _) = client_async(handshake, stream).await.expect("a socket");
    let resume = Message::text(r#"{"id": 1, "type": "session.resume"}"#);
    socket.send(resume).await.expect("sent");
    let answer = timeout(SOON, socket.next()).await.expect("in time").expect("a frame").expect("a frame");
    assert!(answer.to_text().expect("text").contains(r#""re":1"#), "{answer}");
}

#[tokio::test]
async fn http2_serves_requests_side_by_side_and_refuses_none_for_a_missing_host() {
    let site = Secured::start(|setup| setup).await;
    let (mut client, _) = site.http2(1 << 20).await;
    let (mut one, mut other) = (client.clone(), client.clone());
    let ((page, bytes), (live, _)) = tokio::join!(fetch(&mut one, "/"), fetch(&mut other, "/livez"));
    assert_eq!((page, live), (200, 200));
    assert!(bytes.starts_with(b"<!doctype html>") || bytes.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(fetch(&mut client, "/v1/me").await.0, 401);
    assert_eq!(fetch(&mut client, "/nothing").await.0, 404);
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_reset_and_the_connection_goes_on() {
    let site = Secured::start(|setup| setup.with("http.write_ms", 1000)).await;
    let (mut client, _) = site.http2(0).await;
    let answer = timeout(SOON, client.send_request(get("/"))).await.expect("in time").expect("the head arrives");
    let end = timeout(SOON, answer.into_body().frame()).await.expect("it is reset").expect("no end without an error");
    assert!(end.is_err(), "{end:?}");
    let answer = timeout(SOON, client.send_request(get("/livez"))).await.expect("in time");
    assert_eq!(answer.expect("the connection goes on").status(), 200);
}

#[tokio::test]
async fn the_last_bytes_of_an_answer_are_watched_like_the_others() {
    let change = |setup: Setup| setup.with("http.write_ms", 1000).with("log.filter", "info,parlor::listener=debug");
    let site = Secured::start(change).await;
    let (mut client, _) = site.http2(2).await;
    let answer = timeout(SOON, client.send_request(get("/livez"))).await.expect("in time").expect("the head arrives");
    // Two bytes have arrived, the others wait for more room, which is made by reading.
    while !site.server.log().contains("a stream was reset") {
        // waits for: the line in the log
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(timeout(SOON, answer.into_body().collect()).await.expect("in time").is_err());
}

#[tokio::test]
async fn an_http2_connection_without_requests_ends() {
    let site = Secured::start(|setup| setup.with("http.head_ms", 500)).await;
    let (client, ended) = site.http2(1 << 20).await;
    timeout(SOON, ended).await.expect("the server ends it").expect("no panic");
    drop(client);
}

/// The types of frames, see RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// Flags.
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

async fn write_frame(to: &mut TlsStream<TcpStream>, (kind, flags, stream): (u8, u8, u8), payload: &[u8]) {
    let length = u8::try_from(payload.len()).expect("a short frame");
    let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
    to.write_all(&[&head, payload].concat()).await.expect("written");
}

/// Reads a frame and returns its type, its flags and its payload.
async fn read_frame(from: &mut TlsStream<TcpStream>) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    timeout(SOON, from.read_exact(&mut head)).await.expect("in time").expect("the connection is open");
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    timeout(SOON, from.read_exact(&mut payload)).await.expect("in time").expect("the connection is open");
    (head[3], head[4], payload)
}

#[tokio::test]
async fn a_request_that_comes_at_the_end_of_an_idle_http2_connection_is_answered_however_slow_it_is() {
    let change = |setup: Setup| setup.with("http.head_ms", 500).with("http.write_ms", 5000);
    let site = Secured::start(|setup| change(setup).with("http.body_ms", 600_000)).await;
    let mut stream = site.connect(&[b"h2"]).await.expect("a TLS connection");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    write_frame(&mut stream, (SETTINGS, 0, 0), &[]).await;
    // The server ends the connection, of which this client has not heard.
    loop {
        match read_frame(&mut stream).await {
            (GOAWAY, ..) => break,
            (PING, 0, payload) => write_frame(&mut stream, (PING, ACK, 0), &payload).await,
            _ => {}
        }
    }
    // Fields of the static table, and values as they are: RFC 7541, sections 6.1 and 6.2.2.
    let mut head = vec![0x80 | 3, 0x80 | 7];
    for (name, value) in [(&[1][..], NAME), (&[4], "/v1/session"), (&[15, 31 - 15], "application/json")] {
        head.extend([name, &[u8::try_from(value.len()).expect("short")], value.as_bytes()].concat());
    }
    write_frame(&mut stream, (HEADERS, END_HEADERS, 1), &head).await;
    // One belongs to the end, the others come every half second while the request is open: longer than `http.write_ms`.
    for _ in 0..13 {
        let payload = loop {
            if let (PING, 0, payload) = read_frame(&mut stream).await {
                break payload;
            }
        };
        write_frame(&mut stream, (PING, ACK, 0), &payload).await;
    }
    write_frame(&mut stream, (DATA, END_STREAM, 1), b"{}").await;
    while read_frame(&mut stream).await.0 != HEADERS {}
}

#[tokio::test]
async fn a_client_that_stalls_in_the_handshake_or_sends_garbage_frees_its_place() {
    let change = |setup: Setup| setup.with("tls.handshake_ms", 500).with("limits.address_connections_max", 2);
    let site = Secured::start(change).await;
    for start in [&b"\x16\x03\x01"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 4096]] {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(site.address()).await.expect("the server listens");
            // It may be refused by now.
            let _ = stream.write_all(start).await;
            streams.push(stream);
        }
        // They stay open on this side, and have both places until the server gives them up.
        while site.connect(&[b"http/1.1"]).await.is_none() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_a_restart() {
    let mut site = Secured::start(|setup| setup).await;
    let (mut before, _) = site.http2(1 << 20).await;
    let old = std::mem::replace(&mut site.certificate, write_certificate(site.files.path()));
    while site.connect(&[b"http/1.1"]).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_ne!(old, site.certificate);
    assert_eq!(fetch(&mut before, "/livez").await.0, 200, "who is connected stays");
}
