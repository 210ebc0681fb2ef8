//! What one user or address can cost all others: bodies, pictures, disk and sign-in attempts.

use crate::{
    harness::{Server, Setup, TestUser, unique},
    raw_http::{self, RawResponse},
};
use http::Method;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::{fs, io::Cursor, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

const LONG: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse";

fn picture(side: u32, shade: u8, format: ImageFormat) -> Vec<u8> {
    let image =
        RgbImage::from_fn(side, side, |x, y| Rgb([shade, u8::from(x > side / 2) * 200, u8::from(y > side / 2) * 200]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

fn bearer(user: &TestUser) -> String {
    user.api.headers()["authorization"].to_str().expect("a token").to_owned()
}

/// Sends the head of a request and part of its body.
async fn begin_request(
    server: &Server,
    user: Option<&TestUser>,
    line: &str,
    kind: &str,
    length: usize,
    part: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let signed = user.map_or_else(String::new, |user| format!("Authorization: {}\r\n", bearer(user)));
    let head = format!(
        "{line} HTTP/1.1\r\nHost: parlor.test\r\n{signed}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // A client that is refused at once need not read the rest.
    let _ = stream.write_all(part).await;
    stream
}

/// Returns the head of the answer, if it arrives within a moment; the connection stays open.
async fn answer(stream: &mut TcpStream, wait: Duration) -> Option<String> {
    let mut bytes = vec![0; 4096];
    let length = timeout(wait, stream.read(&mut bytes)).await.ok()?.unwrap_or(0);
    bytes.truncate(length);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits until `count` requests are refused, and returns the others.
async fn until_refused(mut streams: Vec<TcpStream>, count: usize, check: impl Fn(&str)) -> Vec<TcpStream> {
    let (all, deadline) = (streams.len(), Instant::now() + LONG);
    while all - streams.len() < count {
        assert!(Instant::now() < deadline, "{} of {all} are refused", all - streams.len());
        let mut waiting = Vec::new();
        for mut stream in streams {
            match answer(&mut stream, Duration::from_millis(20)).await {
                Some(head) => check(&head),
                None => waiting.push(stream),
            }
        }
        streams = waiting;
    }
    streams
}

/// The server's memory in bytes, according to the kernel.
fn memory(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a figure");
    line.split_whitespace().nth(1).and_then(|figure| figure.parse::<u64>().ok()).expect("a number") * 1024
}

#[tokio::test]
async fn bodies_are_limited_by_user_and_address_and_others_keep_their_share() {
    let room = 512 * 1024;
    let server = Setup::new()
        .with("limits.user_body_bytes_max", room)
        .with("limits.address_body_bytes_max", 2 * room)
        .with("http.body_ms", 60_000)
        .start()
        .await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let (length, part) = (100_000, vec![b' '; 99_999]);
    let mut streams = Vec::new();
    for _ in 0..12 {
        streams.push(begin_request(&server, Some(&ada), "PATCH /v1/me", "application/json", length, &part).await);
    }
    // Five have room; of the others each is refused, and each that has room waits for its last byte.
    let held = until_refused(streams, 7, |head| {
        assert!(head.starts_with("HTTP/1.1 429") && head.contains("too_many"), "{head}");
        assert!(head.to_lowercase().contains("connection: close"), "{head}");
    })
    .await;
    let renamed = async |user: &TestUser| {
        user.api.send::<serde_json::Value>(Method::PATCH, "/v1/me", &serde_json::json!({"name": "A name"})).await
    };
    renamed(&ben).await.expect("another user has room");
    for mut stream in held {
        stream.write_all(b"x").await.expect("sent");
        let head = answer(&mut stream, LONG).await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    }
    renamed(&ada).await.expect("her room is given back");
}

#[tokio::test]
async fn incomplete_pictures_hold_no_memory_and_a_user_may_send_two_at_once() {
    let server = Setup::new().with("http.body_ms", 60_000).start().await;
    let ada = server.user("ada").await;
    let before = memory(&server, "VmRSS");
    let length = 8 * 1024 * 1024;
    let part = vec![7; length - 10];
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(begin_request(&server, Some(&ada), "PUT /v1/me/picture", "image/png", length, &part).await);
    }
    let held = until_refused(streams, 8, |_| {}).await;
    let grown = memory(&server, "VmRSS").saturating_sub(before);
    assert!(grown < 8 * 1024 * 1024, "{grown} bytes more for {} bodies", held.len());
    drop(held);
    let picture = picture(20, 1, ImageFormat::Png);
    let deadline = Instant::now() + LONG;
    while !ada.api.request(Method::PUT, "/v1/me/picture", picture.clone()).await.expect("an answer").status.is_success()
    {
        assert!(Instant::now() < deadline, "her room is given back");
        // waits for: the two connections to be seen as closed
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_body_that_slows_to_a_drip_times_out() {
    let server = Setup::new().with("http.body_ms", 1000).start().await;
    let ada = server.user("ada").await;
    let path = format!("POST /v1/uploads?client_id=slow-{}&name=a&bytes=3000000", unique());
    for line in [path.as_str(), "PUT /v1/me/picture"] {
        // Enough bytes to earn three minutes, if only the total counted.
        let mut stream =
            begin_request(&server, Some(&ada), line, "application/octet-stream", 3_000_000, &vec![1; 2_900_000]).await;
        let dripping = async {
            loop {
                if let Some(answer) = answer(&mut stream, Duration::from_millis(50)).await {
                    return answer;
                }
                let _ = stream.write_all(b"x").await;
            }
        };
        let answer = timeout(LONG, dripping).await.expect("it ends");
        assert!(answer.starts_with("HTTP/1.1 408"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_with_an_unread_body_closes_the_connection_and_any_other_keeps_it() {
    let server = Setup::new().with("limits.body_bytes_max", 5000).start().await;
    let ada = server.user("ada").await;
    let json = "application/json";
    for (line, kind, user) in [
        ("PATCH /v1/me", json, None),
        ("PATCH /v1/me", "text/plain", Some(&ada)),
        ("PATCH /v1/me", json, Some(&ada)),
        ("POST /v1/nothing", json, Some(&ada)),
        ("POST /nothing", json, None),
        ("DELETE /v1/limits", json, None),
        ("PUT /v1/me/picture", json, None),
        ("PUT /v1/conversations/1/picture", json, Some(&ada)),
        ("POST /v1/uploads?client_id=a&name=b&bytes=3", json, Some(&ada)),
        ("PATCH /v1/uploads/none?offset=0", json, Some(&ada)),
    ] {
        let mut stream = begin_request(&server, user, line, kind, 10_000_000, b"{").await;
        let head = answer(&mut stream, LONG).await.expect("an answer").to_lowercase();
        assert!(head.starts_with("http/1.1 4") && head.contains("\r\nconnection: close\r\n"), "{line}: {head}");
    }
    // A body that was read to its end keeps the connection open.
    for (line, kind) in [("PATCH /v1/me", json), ("PUT /v1/me/picture", "image/png")] {
        let mut stream = begin_request(&server, Some(&ada), line, kind, 1, b"{").await;
        let head = answer(&mut stream, LONG).await.expect("an answer").to_lowercase();
        assert!(head.starts_with("http/1.1 4") && !head.contains("connection: close"), "{line}: {head}");
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: parlor.test\r\n\r\n").await.expect("sent");
        assert!(answer(&mut stream, LONG).await.expect("an answer").starts_with("HTTP/1.1 200"), "{line}");
    }
}

#[tokio::test]
async fn a_large_profile_picture_takes_little_memory_in_every_format() {
    // Decoding it takes so long here that an idle connection would time out.
    let server = Setup::new().with("files.image_ms", 600_000).with("http.head_ms", 600_000).start().await;
    let mut ada = server.user("ada").await;
    ada.api = ada.api.with_timeout(LONG * 4);
    let most = 40 * 1024 * 1024;
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let large = picture(4500, 9, format);
        let before = memory(&server, "VmHWM");
        let answer = ada.api.request(Method::PUT, "/v1/me/picture", large.clone()).await.expect("an answer");
        assert!(answer.status.is_success(), "{format:?}");
        ada.upload("large", &large).await.attachment.expect("a picture").width.expect("it is drawn");
        let grown = memory(&server, "VmHWM").saturating_sub(before);
        assert!(grown < most, "{format:?}: {grown} bytes for a picture of 60,750,000");
    }
    // A format that must be decoded as a whole is refused with a reason.
    let answer = ada.api.request(Method::PUT, "/v1/me/picture", picture(4500, 9, ImageFormat::WebP)).await;
    assert_eq!(answer.expect("an answer").status.as_u16(), 415);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picture_uploads_do_not_block_sign_ins() {
    let server = Setup::new().with("limits.password_checks_max", 1).with("files.image_ms", 600_000).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let large = picture(1500, 9, ImageFormat::Png);
    let sending: Vec<_> = (0..2)
        .map(|_| {
            let (api, large) = (ada.api.clone().with_timeout(LONG * 4), large.clone());
            tokio::spawn(
                async move { api.request(Method::PUT, "/v1/me/picture", large).await.map(|answer| answer.status) },
            )
        })
        .collect();
    for _ in 0..5 {
        server.api().sign_in(&ben.login, PASSWORD).await.expect("there is a turn");
    }
    for sent in sending {
        assert!(sent.await.expect("it ends").expect("an answer").is_success());
    }
}

#[tokio::test]
async fn user_and_group_pictures_count_against_the_user_who_sets_them() {
    let server =
        Setup::new().with("limits.user_files_bytes_max", 20_000).with("limits.user_pictures_max", 20).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let group = ada.group("a", &[&ben]).await;
    let mut codes = Vec::new();
    for shade in 0..25 {
        let path =
            if shade % 2 == 0 { "/v1/me/picture".to_owned() } else { format!("/v1/conversations/{group}/picture") };
        let answer =
            ada.api.request(Method::PUT, &path, picture(300, shade, ImageFormat::Png)).await.expect("an answer");
        codes.push(
            answer
                .parse::<serde_json::Value>()
                .err()
                .and_then(|error| error.code())
                .map(parlor_protocol::error::Code::name),
        );
    }
    let first = codes.iter().position(Option::is_some).expect("there is an end");
    assert!((2..20).contains(&first) && codes[first] == Some("limit_reached"), "{codes:?}");
    assert!(codes[20..].iter().all(|code| *code == Some("too_many")), "{codes:?}");
    let upload = format!("/v1/uploads?client_id=a{}&name=a&bytes=19000", unique());
    let refused = ada.api.request(Method::POST, &upload, vec![1; 19_000]).await.expect("an answer");
    assert_eq!(refused.status.as_u16(), 409, "pictures and files count together");
    let answer = ben.api.request(Method::PUT, "/v1/me/picture", picture(300, 1, ImageFormat::Png)).await;
    assert!(answer.expect("an answer").status.is_success(), "another user has their own share");
}

async fn sign_in(server: &Server, login: &str, password: &str, from: &str, cookie: Option<&str>) -> RawResponse {
    let body = format!(r#"{{"login": "{login}", "password": "{password}"}}"#);
    let mut headers =
        vec![("Content-Type", "application/json"), ("X-Forwarded-For", from), ("Origin", "http://parlor.test")];
    headers.extend(cookie.map(|cookie| ("Cookie", cookie)));
    raw_http::ask(server.address(), "POST", "/v1/session", &headers, &body).await
}

fn cookie_named(answer: &RawResponse, name: &str) -> Option<String> {
    let cookies = answer.head.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = cookies.filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"));
    cookies.find_map(|(_, value)| value.split(';').next().filter(|pair| pair.starts_with(name)).map(str::to_owned))
}

#[tokio::test]
async fn guessing_from_elsewhere_locks_no_user_out_at_a_known_address() {
    let server = Setup::new().with("trusted_proxies", "127.0.0.1").with("limits.account_attempts_max", 3).start().await;
    let (login, other) = (server.user("ada").await.login, server.user("ben").await.login);
    let (home, office, cafe) = ("198.51.100.1", "198.51.100.2", "198.51.100.3");
    let signed_in = sign_in(&server, &login, PASSWORD, home, None).await;
    let device = cookie_named(&signed_in, "parlor_device=").expect("the browser is known from now on");
    for number in 0..20 {
        let status = sign_in(&server, &login, "wrong horse", &format!("203.0.113.{number}"), None).await.status;
        assert_eq!(status, if number < 3 { 401 } else { 429 }, "attempt {number}");
    }
    let status = async |password, from, cookie| sign_in(&server, &login, password, from, cookie).await.status;
    assert_eq!(status(PASSWORD, cafe, None).await, 429, "a stranger is one of all strangers");
    assert_eq!(status(PASSWORD, home, None).await, 200, "an address from which she signed in");
    assert_eq!(status(PASSWORD, cafe, Some(&device)).await, 200, "a browser in which she signed in");
    // An invented cookie, or another user's, counts as unknown.
    let made_up = format!("parlor_device={}", "A".repeat(43));
    assert_eq!(status(PASSWORD, office, Some(&made_up)).await, 429);
    let others = sign_in(&server, &other, PASSWORD, office, None).await;
    let others = cookie_named(&others, "parlor_device=").expect("a cookie");
    assert_eq!(status(PASSWORD, office, Some(&others)).await, 429);
    // A known address has the same number of attempts as others, and uses up no one else's.
    for _ in 0..3 {
        assert_eq!(status("wrong horse", home, None).await, 401);
    }
    assert_eq!(status(PASSWORD, home, None).await, 429, "too many attempts at home");
    assert_eq!(status(PASSWORD, home, Some(&device)).await, 200, "but her own browser did not");
}

#[tokio::test]
async fn known_addresses_outlive_a_restart_and_the_session() {
    let mut server =
        Setup::new().with("trusted_proxies", "127.0.0.1").with("limits.account_attempts_max", 1).start().await;
    let login = server.user("ada").await.login;
    let (home, cafe) = ("198.51.100.1", "198.51.100.3");
    let signed_in = sign_in(&server, &login, PASSWORD, home, None).await;
    let device = cookie_named(&signed_in, "parlor_device=").expect("a cookie");
    let session = signed_in.cookie().expect("a cookie");
    let headers = [("Cookie", session.as_str()), ("Origin", "http://parlor.test")];
    let ended = raw_http::ask(server.address(), "DELETE", "/v1/session", &headers, "").await;
    assert_eq!((ended.status, cookie_named(&ended, "parlor_device=")), (204, None), "the browser is still known");
    server.stop().await;
    server.restart().await;
    assert_eq!(sign_in(&server, &login, "wrong horse", cafe, None).await.status, 401);
    assert_eq!(sign_in(&server, &login, PASSWORD, cafe, None).await.status, 429);
    assert_eq!(sign_in(&server, &login, PASSWORD, home, None).await.status, 200);
    assert_eq!(sign_in(&server, &login, PASSWORD, cafe, Some(&device)).await.status, 200);
}
