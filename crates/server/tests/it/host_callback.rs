//! The callback: a URL of the host that says who the cookies of a request belong to.

use crate::{
    harness::{Server, Setup},
    raw_http::{RawResponse, ask},
};
use http::{HeaderMap, HeaderValue, header};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{command::Command, ids::UserId, reply::Heads};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

const SOON: Duration = Duration::from_secs(10);
const ADA: &str = r#"{"id": 7, "username": "ada", "name": "Ada Lovelace", "more": [1]}"#;

/// What the host answers to everybody, and what it was asked.
#[derive(Default)]
struct Answers {
    status: u16,
    body: String,
    /// Nothing is answered.
    is_silent: bool,
    asked: Vec<String>,
}

/// A host that answers one URL.
struct Host {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers = Arc::new(Mutex::new(Answers { status: 200, body: ADA.to_owned(), ..Answers::default() }));
        let shared = answers.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answers = shared.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => request.push(byte),
                            Err(_) => return,
                        }
                    }
                    let (status, body, is_silent) = {
                        let mut answers = answers.lock().expect("not poisoned");
                        answers.asked.push(String::from_utf8_lossy(&request).into_owned());
                        (answers.status, answers.body.clone(), answers.is_silent)
                    };
                    if is_silent {
                        std::future::pending::<()>().await;
                    }
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nLocation: /login\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        body.len()
                    );
                    // The server may have given up.
                    _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        Self { address, answers }
    }

    fn answer(&self, status: u16, body: &str) {
        let mut answers = self.answers.lock().expect("not poisoned");
        (answers.status, answers.body) = (status, body.to_owned());
    }

    fn be_silent(&self, is_silent: bool) {
        self.answers.lock().expect("not poisoned").is_silent = is_silent;
    }

    /// Returns the heads of the requests so far, and forgets them.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.answers.lock().expect("not poisoned").asked)
    }

    fn setup(&self) -> Setup {
        Setup::new()
            .with("identity.providers", "callback")
            .with("identity.recheck_ms", 600_000)
            .with("identity.recheck_secret", "secret")
            .with("callback.url", format!("http://{}/whoami?app=parlor", self.address))
            .with("callback.timeout_ms", 2500)
    }
}

async fn me(server: &Server, cookie: &str) -> RawResponse {
    ask(server.address(), "GET", "/v1/me", &[("Cookie", cookie)], "").await
}

fn user(answer: &RawResponse) -> UserId {
    let me: Value = serde_json::from_slice(&answer.body).expect("JSON");
    UserId(me["me"]["id"].as_i64().or(me["id"].as_i64()).expect("an id"))
}

async fn socket(server: &Server, cookie: &str) -> Socket {
    let user = user(&me(server, cookie).await);
    let origin = format!("http://{}", server.address());
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(cookie).expect("a header"));
    headers.insert(header::ORIGIN, HeaderValue::from_str(&origin).expect("a header"));
    let mut socket = Handshake::new(server.address(), &headers).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user, cursor: None }).await.expect("resumed");
    socket
}

async fn is_closed(socket: &mut Socket) -> bool {
    let deadline = Instant::now() + SOON;
    loop {
        match socket.next_before(deadline).await {
            Some(Incoming::Closed(..) | Incoming::Disconnected(_)) => return true,
            None => return false,
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn the_host_is_asked_once_with_the_cookies_and_its_answer_is_used_for_seconds() {
    let host = Host::start().await;
    let server = host.setup().start().await;
    let cookie = "theme=dark; sessionid=abc; parlor_device=mine; csrftoken=t";
    let first = me(&server, cookie).await;
    assert_eq!(first.status, 200);
    for _ in 0..5 {
        assert_eq!(user(&me(&server, cookie).await), user(&first));
    }
    let asked = host.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("GET /whoami?app=parlor HTTP/1.1\r\n"));
    let head = asked[0].to_lowercase();
    assert!(head.contains("\r\ncookie: theme=dark; sessionid=abc; csrftoken=t\r\n"), "{head}");
    host.answer(401, "");
    for _ in 0..5 {
        assert_eq!(me(&server, "sessionid=unknown").await.outcome(), (401, "not_signed_in"));
    }
    assert_eq!(host.asked().len(), 1, "that it is nobody is used for seconds, too");
    assert_eq!(me(&server, "theme=dark").await.status, 401);
    assert_eq!(host.asked().len(), 0, "without the cookie of a session nobody is asked about");
    let log = server.log();
    assert!(!log.contains("sessionid") && !log.contains("whoami"), "neither cookies nor the URL are logged");
}

#[tokio::test]
async fn an_answer_that_is_not_understood_signs_nobody_in() {
    let host = Host::start().await;
    let server = host.setup().with("callback.cache_ms", 0).start().await;
    let long = format!(r#"{{"id": 7, "username": "{}"}}"#, "x".repeat(70_000));
    for (number, (status, body)) in [
        (500, ""),
        (302, ""),
        (204, ""),
        (200, ""),
        (200, "nonsense"),
        (200, "[]"),
        (200, "{}"),
        (200, r#"{"id": null, "username": "ada"}"#),
        (200, r#"{"id": "", "username": "ada"}"#),
        (200, r#"{"id": 1.5, "username": "ada"}"#),
        (200, r#"{"id": 7}"#),
        (200, &long),
    ]
    .into_iter()
    .enumerate()
    {
        host.answer(status, body);
        let answer = me(&server, &format!("sessionid=a{number}")).await;
        assert_eq!(answer.outcome(), (503, "unavailable"), "{status} {body:.40}");
    }
    host.answer(403, ADA);
    assert_eq!(me(&server, "sessionid=b").await.status, 401);
    host.answer(200, r#"{"id": "0b4f", "username": "Ben"}"#);
    assert_eq!(me(&server, "sessionid=c").await.status, 200);
}

#[tokio::test]
async fn a_silent_host_signs_nobody_in_and_sockets_close_when_it_stays_silent() {
    let host = Host::start().await;
    let setup = host.setup().with("callback.cache_ms", 0).with("callback.outage_ms", 0);
    let server = setup.with("identity.recheck_ms", 1000).start().await;
    let mut socket = socket(&server, "sessionid=abc").await;
    host.be_silent(true);
    assert_eq!(me(&server, "sessionid=abc").await.outcome(), (503, "unavailable"), "it fails closed");
    assert!(is_closed(&mut socket).await, "nobody has confirmed it for longer than allowed");
    host.be_silent(false);
    let deadline = Instant::now() + SOON;
    while me(&server, "sessionid=abc").await.status != 200 {
        assert!(Instant::now() < deadline, "the host answers again");
    }
}

#[tokio::test]
async fn somebody_whom_the_host_no_longer_knows_is_disconnected() {
    let host = Host::start().await;
    let server = host.setup().start().await;
    let mut socket = socket(&server, "sessionid=abc").await;
    host.answer(401, "");
    let headers = [("Authorization", "Bearer secret")];
    assert_eq!(ask(server.address(), "POST", "/v1/host/recheck", &headers, "").await.status, 204);
    assert!(is_closed(&mut socket).await);
    assert_eq!(me(&server, "sessionid=abc").await.status, 401);
}

#[tokio::test]
async fn a_session_that_becomes_another_persons_is_theirs() {
    let host = Host::start().await;
    let server = host.setup().start().await;
    let mut socket = socket(&server, "sessionid=abc").await;
    let ada = user(&me(&server, "sessionid=abc").await);
    host.answer(200, r#"{"id": 8, "username": "ben", "name": "Ben"}"#);
    let headers = [("Authorization", "Bearer secret")];
    assert_eq!(ask(server.address(), "POST", "/v1/host/recheck", &headers, "").await.status, 204);
    assert!(is_closed(&mut socket).await);
    assert_ne!(user(&me(&server, "sessionid=abc").await), ada);
}

#[tokio::test]
async fn providers_are_tried_in_order_and_one_that_fails_does_not_hide_the_next() {
    let host = Host::start().await;
    let server = host.setup().with("identity.providers", "callback,accounts").start().await;
    let ada = server.user("ada").await;
    host.be_silent(true);
    let login = ada.login.clone();
    let body = serde_json::json!({"login": login, "password": "correct horse"}).to_string();
    let json = [("Content-Type", "application/json")];
    let signed = ask(server.address(), "POST", "/v1/session", &json, &body).await;
    let cookie = signed.cookie().expect("a cookie");
    let both = format!("sessionid=abc; {cookie}");
    assert_eq!(user(&me(&server, &both).await), ada.id, "although the host is silent");
    host.be_silent(false);
    assert_ne!(user(&me(&server, &both).await), ada.id, "the host comes first");
}
