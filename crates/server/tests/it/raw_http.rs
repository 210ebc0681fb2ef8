//! Raw HTTP requests, for what no honest client sends.

use parlor_protocol::error::Problem;
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A raw answer.
#[derive(Clone, Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawResponse {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().len()));
        self.head.lines().find_map(|line| {
            let (found, length) = of(line)?;
            found.eq_ignore_ascii_case(name).then(|| &line[line.len() - length..])
        })
    }

    /// Parses the problem in the body.
    pub(crate) fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }

    /// The status and, of a refusal, the code's name.
    pub(crate) fn outcome(&self) -> (u16, &'static str) {
        (self.status, if self.status < 400 { "" } else { self.problem().code.name() })
    }

    /// Returns the session cookie that was set, as a `Cookie` header.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|value| value.split(';').next()).map(str::to_owned)
    }
}

/// Formats a request; adds `Host` and the length of a body.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("Host: parlor.test\r\n");
    }
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("writing into a String");
    }
    if !body.is_empty() || method != "GET" {
        write!(text, "Content-Length: {}\r\n", body.len()).expect("writing into a String");
    }
    text + "\r\n" + body
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> RawResponse {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes.as_ref()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").expect("the answer arrives");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    RawResponse { status, head, body: answer[end + 4..].to_vec() }
}

/// Sends a [`request`].
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> RawResponse {
    let answer = send(address, request(method, path, headers, body)).await;
    let lines = answer.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let came = lines.map(|(name, value)| (name.parse().expect("a name"), value.trim().parse().expect("a value")));
    if answer.header("transfer-encoding").is_none()
        && let Err(why) = crate::openapi::validate_answer(method, path, answer.status, &came.collect(), &answer.body)
    {
        panic!("{method} {path} was answered {}, which /openapi.json does not say: {why}", answer.status);
    }
    answer
}

/// The headers of a WebSocket handshake.
pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "parlor.v1"),
];

/// Sends a handshake with more headers; a successful answer ends with its head.
pub(crate) async fn handshake_status(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> u16 {
    let all: Vec<_> = HANDSHAKE.iter().chain(headers).copied().collect();
    let text = request("GET", path, &all, "").replace("Connection: close", "Connection: Upgrade");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(text.as_bytes()).await.expect("it is sent");
    let mut start = [0; 12];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut start))
        .await
        .expect("in time")
        .expect("a status");
    String::from_utf8_lossy(&start)[9..12].parse().expect("a status")
}
