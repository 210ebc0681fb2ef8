//! Malicious uploads: each is refused with its code and leaves nothing on the disk.

use super::{path_of, random_bytes};
use crate::{
    harness::{Server, Setup, TestUser},
    raw_http::{self, RawResponse},
};
use http::Method;
use parlor_protocol::model::Upload;
use std::{fmt::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn bearer(user: &TestUser) -> String {
    user.api.headers()["authorization"].to_str().expect("a token").to_owned()
}

/// A request with a raw body.
fn head(user: &TestUser, method: &str, path: &str, more: &str) -> String {
    let token = bearer(user);
    format!(
        "{method} {path} HTTP/1.1\r\nHost: parlor.test\r\nConnection: close\r\nAuthorization: {token}\r\n{more}\r\n"
    )
}

async fn send(user: &TestUser, head: &str, body: &[u8]) -> RawResponse {
    raw_http::send(user.api.address(), [head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn invalid_lengths_are_refused_and_leave_nothing() {
    let server = Setup::new().with("files.collect_ms", 20).start().await;
    let ada = server.user("ada").await;
    let post = |client_id: &str, bytes, more: &str| head(&ada, "POST", &path_of(client_id, "a.bin", bytes), more);
    let long = send(&ada, &post("long", 10, "Content-Length: 11\r\n"), b"12345678901").await;
    assert_eq!(long.outcome(), (413, "too_large"));
    assert!(long.problem().detail.expect("a detail").contains("11 bytes"));

    // Without a length, the excess is noticed on the way.
    let chunked = post("chunked", 10, "Transfer-Encoding: chunked\r\n");
    let endless = send(&ada, &chunked, b"b\r\n12345678901\r\n0\r\n\r\n").await;
    assert_eq!(endless.outcome(), (413, "too_large"));
    for client_id in ["long", "chunked"] {
        assert_eq!(ada.fetch(&format!("/v1/uploads/{client_id}")).await.0, 404, "{client_id}");
    }

    // Both lengths at once are an invalid request.
    let both = post("both", 10, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n");
    assert!(send(&ada, &both, b"3\r\nabc\r\n0\r\n\r\n").await.status >= 200);
    for (query, status) in [
        ("client_id=x&name=a", 400),
        ("client_id=x&name=a&bytes=-1", 400),
        ("client_id=x&name=a&bytes=1e3", 400),
        ("client_id=x&name=a&bytes=99999999999999999999", 400),
        ("client_id=x&name=a&bytes=5&bytes=6", 400),
        ("client_id=a%20b&name=a&bytes=1", 400),
        ("client_id=&name=a&bytes=1", 400),
        ("client_id=x&name=a&bytes=9007199254740991", 413),
        ("client_id=x&name=a&bytes=1&owner=2", 400),
    ] {
        let request = head(&ada, "POST", &format!("/v1/uploads?{query}"), "Content-Length: 0\r\n");
        assert_eq!(send(&ada, &request, b"").await.status, status, "{query}");
    }
    let beyond = head(&ada, "PATCH", "/v1/uploads/none?offset=5", "Content-Length: 1\r\n");
    assert_eq!(send(&ada, &beyond, b"x").await.outcome(), (404, "not_found"));
    ada.api.request(Method::DELETE, "/v1/uploads/both", "").await.expect("an answer");
    server.has_files(0).await;
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_announced_size() {
    let server = Setup::new().with("limits.upload_bytes_max", 300_000).with("files.collect_ms", 20).start().await;
    let ada = server.user("ada").await;
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let request = head(&ada, "POST", &path_of("endless", "a.bin", 300_000), "Transfer-Encoding: chunked\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let chunk = [b"10000\r\n".as_slice(), &random_bytes(0x10000), b"\r\n"].concat();
    let endless = async { while stream.write_all(&chunk).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), endless).await.expect("the server hangs up");
    assert_eq!(ada.fetch("/v1/uploads/endless").await.0, 404);
    server.has_files(0).await;
}

#[tokio::test]
async fn a_dripping_upload_is_dropped_and_may_resume() {
    let server = Setup::new().with("http.body_ms", 300).start().await;
    let ada = server.user("ada").await;
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let request = head(&ada, "POST", &path_of("slow", "a.bin", 100), "Content-Length: 100\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.write_all(b"only this").await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    read.expect("it is let go").expect("an answer");
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    let upload: Upload = ada.api.get("/v1/uploads/slow").await.expect("the received bytes are stored");
    assert_eq!(upload.received, 9);
}

#[tokio::test]
async fn an_upload_interrupted_at_every_chunk_is_complete() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let bytes = random_bytes(10 * 65_536 + 1234);
    let mut client = (0, head(&ada, "POST", &path_of("cuts", "a.bin", bytes.len()), ""));
    let upload = loop {
        let (from, request) = &client;
        let left = bytes.len() - from;
        let length = format!("Content-Length: {left}\r\n\r\n");
        let request = request.trim_end_matches("\r\n").to_owned() + "\r\n" + &length;
        let piece = &bytes[*from..(from + 65_536).min(bytes.len())];
        let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
        stream.write_all(&[request.as_bytes(), piece].concat()).await.expect("sent");
        if piece.len() == left {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("an answer");
            let upload = ada.api.get::<Upload>("/v1/uploads/cuts").await.expect("it exists");
            if upload.attachment.is_some() {
                break upload;
            }
            // Bytes sent before the last cut were still arriving: the offset is larger than reported.
            assert!(String::from_utf8_lossy(&answer).contains("wrong_offset"));
            let received = usize::try_from(upload.received).expect("small");
            client = (received, head(&ada, "PATCH", &format!("/v1/uploads/cuts?offset={received}"), ""));
            continue;
        }
        // The bytes arrive before the end of the connection does.
        drop(stream);
        let upload = loop {
            let upload = ada.api.get::<Upload>("/v1/uploads/cuts").await;
            if let Ok(upload) = upload
                && upload.received > *from as u64
            {
                break upload;
            }
            // waits for: the server to have read what was sent
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let received = usize::try_from(upload.received).expect("small");
        assert!(received <= from + piece.len(), "no byte is counted that was not sent");
        client = (received, head(&ada, "PATCH", &format!("/v1/uploads/cuts?offset={received}"), ""));
    };
    assert_eq!(ada.fetch(&upload.attachment.expect("finished").url).await, (200, bytes));
}

#[tokio::test]
async fn file_names_are_cleaned_on_every_transport() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let long = "x".repeat(300);
    for (given, kept) in [
        ("../../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("CON", "_CON"),
        ("a\r\nSet-Cookie: x=y", "aSet-Cookie_ x=y"),
        ("a\"b\"; filename=\"c", "a_b_; filename=_c"),
        ("a\0.png", "a.png"),
        ("umbrella\u{202e}gpj.exe", "umbrellagpj.exe"),
        (long.as_str(), &long[..255]),
        ("", "file"),
    ] {
        let attachment = ada.upload(given, b"text").await.attachment.expect("finished");
        assert_eq!(attachment.name, kept);
        let answer = ada.api.request(Method::GET, &attachment.url, "").await.expect("an answer");
        let disposition = answer.headers["content-disposition"].to_str().expect("text");
        assert!(!disposition.contains(['\r', '\n']) && answer.headers.get("set-cookie").is_none());
    }
    let named = |path: &std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
        name.len() == 30 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(server.files_on_disk().iter().all(named), "no given name is used as a path");
    let mode = |path: &std::path::PathBuf| path.metadata().expect("there").permissions().mode() & 0o777;
    assert!(server.files_on_disk().iter().all(|path| mode(path) == 0o600));
    assert_eq!(mode(&server.data().join("files")), 0o700);
}

#[tokio::test]
async fn another_users_upload_is_not_found() {
    let server = Server::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let path = path_of("hers", "a.bin", 10);
    ada.api.request(Method::POST, &path, "12345").await.expect("sent").parse::<Upload>().expect("taken");
    for (method, path) in [
        (Method::GET, "/v1/uploads/hers"),
        (Method::PATCH, "/v1/uploads/hers?offset=5"),
        (Method::DELETE, "/v1/uploads/hers"),
    ] {
        let answer = eve.api.request(method, path, "").await.expect("an answer");
        assert_eq!(answer.status, 404);
    }
    // The same client_id of another user is another upload.
    let own: Upload = eve.api.request(Method::POST, &path, "").await.expect("sent").parse().expect("her own");
    let upload: Upload = ada.api.get("/v1/uploads/hers").await.expect("it exists");
    assert!(own.id != upload.id && upload.received == 5);
}

#[tokio::test]
async fn uploads_require_a_session_and_this_site() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let path = path_of("x", "a.bin", 1);
    let body = format!(r#"{{"login": "{}", "password": "correct horse"}}"#, ada.login);
    let json = [("Content-Type", "application/json")];
    let signed_in = raw_http::ask(server.address(), "POST", "/v1/session", &json, &body).await;
    let cookie = signed_in.cookie().expect("a cookie");
    let mut outcomes = String::new();
    for origin in ["https://evil.example", "null", ""] {
        let mut headers = vec![("Cookie", cookie.as_str())];
        headers.extend((!origin.is_empty()).then_some(("Origin", origin)));
        let answer = raw_http::ask(server.address(), "POST", &path, &headers, "x").await;
        write!(outcomes, "{:?} ", answer.outcome()).expect("a text takes more");
    }
    assert_eq!(outcomes, "(403, \"wrong_origin\") ".repeat(3));
    assert_eq!(raw_http::ask(server.address(), "POST", &path, &[], "x").await.outcome(), (401, "not_signed_in"));
    assert!(server.files_on_disk().is_empty());
}
