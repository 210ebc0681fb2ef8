//! The callback: a URL of the host that says who the cookies of a request belong to.

use crate::{
    harness::{Server, Setup},
    raw_http::{RawResponse, ask, handshake_status},
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
    /// Nothing is answered to requests that contain this.
    silent_about: Option<String>,
    /// Requests that contain this are nobody's.
    ended: Option<String>,
    asked: Vec<String>,
}

/// A host that answers one URL.
struct CallbackHost {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

impl CallbackHost {
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
                        let request = String::from_utf8_lossy(&request).into_owned();
                        let is_about = |what: &Option<String>| what.as_ref().is_some_and(|it| request.contains(it));
                        let status = if is_about(&answers.ended) { 401 } else { answers.status };
                        let is_silent = is_about(&answers.silent_about);
                        answers.asked.push(request);
                        (status, answers.body.clone(), is_silent)
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
        self.be_silent_about(is_silent.then_some("GET"));
    }

    fn be_silent_about(&self, what: Option<&str>) {
        self.answers.lock().expect("not poisoned").silent_about = what.map(str::to_owned);
    }

    fn end(&self, what: &str) {
        self.answers.lock().expect("not poisoned").ended = Some(what.to_owned());
    }

    /// Waits until somebody has been asked about.
    async fn until_asked(&self, what: &str) {
        let deadline = Instant::now() + SOON;
        while !self.answers.lock().expect("not poisoned").asked.iter().any(|asked| asked.contains(what)) {
            assert!(Instant::now() < deadline, "nobody asked about {what}");
            tokio::task::yield_now().await;
        }
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
    let host = CallbackHost::start().await;
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
    let host = CallbackHost::start().await;
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
    let host = CallbackHost::start().await;
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
    let host = CallbackHost::start().await;
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
    let host = CallbackHost::start().await;
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
    let host = CallbackHost::start().await;
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

async fn recheck(server: &Server) -> u16 {
    ask(server.address(), "POST", "/v1/host/recheck", &[("Authorization", "Bearer secret")], "").await.status
}

#[tokio::test]
async fn strangers_keep_neither_known_people_nor_checks_from_the_host() {
    let host = CallbackHost::start().await;
    let setup = host.setup().with("callback.cache_ms", 0).with("callback.timeout_ms", 60_000);
    let server = setup.with("callback.requests_max", 2).start().await;
    let mut socket = socket(&server, "sessionid=abc").await;
    host.be_silent_about(Some("stranger"));
    let address = server.address();
    let strangers: Vec<_> = (0..40)
        .map(|number| {
            let cookie = format!("sessionid=stranger{number}");
            tokio::spawn(async move { ask(address, "GET", "/v1/me", &[("Cookie", &cookie)], "").await.outcome() })
        })
        .collect();
    host.until_asked("stranger").await;
    for _ in 0..5 {
        assert_eq!(me(&server, "sessionid=abc").await.status, 200, "the host is asked about somebody who is known");
    }
    assert_eq!(recheck(&server).await, 204, "and a check is answered");
    let asked = host.asked().iter().filter(|asked| asked.contains("stranger")).count();
    assert_eq!(asked, 1, "strangers have half of the turns");
    host.end("sessionid=abc");
    assert_eq!(recheck(&server).await, 204);
    assert!(is_closed(&mut socket).await);
    host.be_silent(false);
    strangers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn one_session_that_is_never_answered_keeps_no_other_from_ending() {
    let host = CallbackHost::start().await;
    let setup = host.setup().with("callback.timeout_ms", 60_000).with("callback.requests_max", 2);
    let server = setup.start().await;
    let mut sockets = Vec::new();
    for cookie in ["sessionid=hangs", "sessionid=ends1", "sessionid=ends2"] {
        sockets.push(socket(&server, cookie).await);
    }
    host.be_silent_about(Some("hangs"));
    host.end("sessionid=ends");
    host.asked();
    let address = server.address();
    // It does not wait for the answer.
    let asking = tokio::spawn(async move {
        ask(address, "POST", "/v1/host/recheck", &[("Authorization", "Bearer secret")], "").await;
    });
    host.until_asked("hangs").await;
    asking.abort();
    for socket in &mut sockets[1..] {
        assert!(is_closed(socket).await, "before the round is over, and though nobody waits for it");
    }
}

#[tokio::test]
async fn an_address_without_requests_left_signs_nobody_out_and_asks_the_host_nothing() {
    let host = CallbackHost::start().await;
    let setup = host.setup().with("callback.cache_ms", 0).with("limits.requests_per_second_max", 1);
    let server = setup.start().await;
    assert_eq!(me(&server, "sessionid=abc").await.status, 200);
    host.answer(500, "");
    let mut number = 0;
    // What fails counts, too.
    while me(&server, &format!("sessionid=x{number}")).await.outcome() == (503, "unavailable") {
        number += 1;
        assert!(number < 1000, "ten requests are allowed, and one more in each second");
    }
    host.answer(200, ADA);
    host.asked();
    let stranger = me(&server, "sessionid=y").await;
    assert_eq!(stranger.outcome() == (429, "too_many"), host.asked().is_empty(), "{:?}", stranger.outcome());
    for _ in 0..5 {
        let known = me(&server, "sessionid=abc").await;
        assert_eq!(known.status, 200, "somebody who is known has an allowance of their own");
    }
}

#[tokio::test]
async fn what_needs_nobody_works_while_the_host_fails() {
    let host = CallbackHost::start().await;
    let server = host.setup().with("identity.providers", "callback,accounts").start().await;
    let ada = server.user("ada").await;
    host.answer(500, "");
    let cookie = [("Cookie", "sessionid=abc")];
    assert_eq!(ask(server.address(), "GET", "/v1/site", &cookie, "").await.status, 200);
    assert_eq!(ask(server.address(), "GET", "/v1/me", &cookie, "").await.outcome(), (503, "unavailable"));
    let body = serde_json::json!({"login": ada.login, "password": "correct horse"}).to_string();
    let headers = [cookie[0], ("Content-Type", "application/json"), ("Origin", "http://parlor.test")];
    assert_eq!(ask(server.address(), "POST", "/v1/session", &headers, &body).await.status, 200);
    let long = format!("sessionid=abc; x={}", "x".repeat(9000));
    assert_eq!(me(&server, &long).await.outcome(), (413, "too_large"));
}

#[tokio::test]
async fn rooms_take_people_of_the_application_and_no_accounts_of_parlor() {
    let (host, folder) = (CallbackHost::start().await, crate::harness::folder());
    let rooms = folder.path().join("rooms.toml");
    let declared = "[[rooms]]\npath = \"ws/codes/\"\ngroup = \"codes\"\njoin = \"signed_in\"\n";
    std::fs::write(&rooms, declared).expect("written");
    let setup = host.setup().with("identity.providers", "callback,accounts");
    let setup = setup.with("bridge.redis", "redis://127.0.0.1:1").with("bridge.rooms", rooms.display());
    let server = setup.start().await;
    let ada = server.user("ada").await;
    let body = serde_json::json!({"login": ada.login, "password": "correct horse"}).to_string();
    let json = [("Content-Type", "application/json")];
    let own = ask(server.address(), "POST", "/v1/session", &json, &body).await.cookie().expect("a cookie");
    let status = async |cookie: &str| {
        let headers = [("Cookie", cookie), ("Origin", "http://parlor.test")];
        handshake_status(server.address(), "/ws/codes/", &headers).await
    };
    assert_eq!(status(&own).await, 403);
    assert_eq!(status("sessionid=abc").await, 101);
    host.answer(401, "");
    assert_eq!(status("sessionid=other").await, 403);
    host.answer(500, "");
    assert_eq!(status("sessionid=another").await, 503, "it is not known who they are");
}

#[tokio::test]
async fn a_cookie_that_changes_with_each_answer_ends_no_session_that_is_connected() {
    let host = CallbackHost::start().await;
    let server = host.setup().with("limits.sessions_max", 2).start().await;
    let mut first = socket(&server, "sessionid=first").await;
    for number in 0..5 {
        assert_eq!(me(&server, &format!("sessionid=x{number}")).await.status, 200);
    }
    let _: Value = first.call(Command::GetMe { since: None }).await.expect("it is still connected");
    assert_eq!(me(&server, "sessionid=first").await.status, 200);
}
