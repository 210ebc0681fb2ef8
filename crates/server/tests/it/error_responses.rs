//! Every refusal: the input, its status and its code. The server survives all of them, and a socket stays open where it
//! should.

use crate::{
    harness::{Server, Setup, TestUser},
    raw_http::{self, ask, send},
};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Seq, UserId},
    params::MeUpdate,
    reply::Heads,
};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Ada and Ben share a conversation; Cleo is an outsider.
struct Fixture {
    server: Server,
    ada: TestUser,
    cleo: TestUser,
    conversation: ConversationId,
    group: ConversationId,
}

impl Fixture {
    async fn new(setup: Setup) -> Self {
        let server = setup.start().await;
        let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
        let conversation = ada.open_direct(&ben).await.id;
        ada.send(conversation, "Is it yours?").await;
        let group = ben.group("Desk", &[&ada]).await;
        Self { server, ada, cleo, conversation, group }
    }

    fn bearer(user: &TestUser) -> String {
        user.api.headers()[http::header::AUTHORIZATION].to_str().expect("text").to_owned()
    }

    /// Asserts that nothing panicked and that messages still flow.
    async fn assert_alive(&self) {
        self.ada.send(self.conversation, "Still here").await;
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

async fn resumed(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

/// Method, path, body, status, code. MESSAGES, READ and MEMBERS stand for the paths of a conversation.
const UNFIT: [(&str, &str, &str, u16, &str); 31] = [
    ("POST", "MESSAGES", "", 400, "invalid_json"),
    ("POST", "MESSAGES", "{", 400, "invalid_json"),
    ("POST", "MESSAGES", "[]", 400, "invalid_field"),
    ("POST", "MESSAGES", "null", 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "a"}"#, 400, "text_empty"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": 5}"#, 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": "b", "sender": 1}"#, 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": "b", "text": "c"}"#, 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "", "text": "b"}"#, 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "a b", "text": "b"}"#, 400, "invalid_field"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": ""}"#, 400, "text_empty"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": "\n\n"}"#, 400, "text_empty"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": "a\u0000b"}"#, 400, "text_control"),
    ("POST", "MESSAGES", r#"{"client_id": "a", "text": "a\u0007"}"#, 400, "text_control"),
    ("PUT", "READ", r#"{"seq": -1}"#, 400, "invalid_field"),
    ("PUT", "READ", r#"{"seq": 9007199254740992}"#, 400, "invalid_field"),
    ("PUT", "READ", r#"{"seq": 1.5}"#, 400, "invalid_field"),
    ("PUT", "READ", r#"{"seq": 1e400}"#, 400, "invalid_json"),
    ("POST", "MEMBERS", r#"{"users": "all"}"#, 400, "invalid_field"),
    ("POST", "MEMBERS", r#"{"users": [1]}"#, 403, "not_allowed"),
    ("POST", "/v1/conversations", r#"{"client_id": "a"}"#, 400, "invalid_field"),
    ("POST", "/v1/conversations", r#"{"client_id": "a", "user": 999999}"#, 404, "not_found"),
    ("POST", "/v1/conversations", r#"{"client_id": "a", "user": 1, "role": "owner"}"#, 400, "invalid_field"),
    ("PATCH", "/v1/me", "{}", 400, "invalid_field"),
    ("PATCH", "/v1/me", r#"{"name": " "}"#, 400, "text_empty"),
    ("PATCH", "/v1/me", r#"{"name": "a\nb"}"#, 400, "text_control"),
    ("GET", "MESSAGES?around=x", "", 400, "invalid_field"),
    ("GET", "MESSAGES?before=1&after=1", "", 400, "invalid_field"),
    ("GET", "MESSAGES?before=-1", "", 400, "invalid_field"),
    ("GET", "MESSAGES?limit=0", "", 400, "invalid_field"),
    ("GET", "/v1/conversations?colour=red", "", 400, "invalid_field"),
];

#[tokio::test]
async fn invalid_bodies_queries_and_paths_are_refused_with_the_field() {
    let fixture = Fixture::new(Setup::new()).await;
    let bearer = Fixture::bearer(&fixture.ada);
    let (conversation, group) = (fixture.conversation, fixture.group);
    for (method, path, body, status, code) in UNFIT {
        let path = path
            .replace("MESSAGES", &format!("/v1/conversations/{conversation}/messages"))
            .replace("READ", &format!("/v1/conversations/{conversation}/read"))
            .replace("MEMBERS", &format!("/v1/conversations/{group}/members"));
        let answer = ask(fixture.server.address(), method, &path, &[("Authorization", &bearer), JSON], body).await;
        assert_eq!(answer.outcome(), (status, code), "{method} {path} {body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.problem().request_id.is_some(), "{method} {path} names the request");
    }
    for path in ["/v1/conversations/x", "/v1/conversations/-1", "/v1/conversations/0", "/v1/conversations/1.0"] {
        let answer = ask(fixture.server.address(), "GET", path, &[("Authorization", &bearer)], "").await;
        assert_eq!(answer.outcome(), (404, "not_found"), "{path}");
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn input_too_long_too_deep_or_of_the_wrong_type_is_refused_with_the_limit() {
    let fixture =
        Fixture::new(Setup::new().with("limits.text_chars_max", 20).with("limits.body_bytes_max", 2000)).await;
    let bearer = Fixture::bearer(&fixture.ada);
    let messages = format!("/v1/conversations/{}/messages", fixture.conversation);
    let text = |text: &str| json!({"client_id": "a", "text": text}).to_string();
    let post = async |body: &str, kind: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        ask(fixture.server.address(), "POST", &messages, &headers, body).await
    };
    let long = post(&text(&"\u{1f302}".repeat(21)), "application/json").await;
    assert_eq!((long.outcome(), long.problem().limit), ((400, "text_too_long"), Some(20)));
    assert_eq!(post(&text(&"\u{1f302}".repeat(20)), "application/json; charset=utf-8").await.status, 200);
    let huge = post(&text(&"x".repeat(3000)), "application/json").await;
    assert_eq!((huge.outcome(), huge.problem().limit), ((413, "too_large"), Some(2000)));
    let deep = format!("{{\"client_id\": {}", "[".repeat(1900));
    assert_eq!(post(&deep, "application/json").await.outcome(), (400, "invalid_field"));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        assert_eq!(post(&text("hi"), kind).await.outcome(), (415, "unsupported_type"), "{kind:?}");
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn a_conversation_is_not_found_for_outsiders() {
    let fixture = Fixture::new(Setup::new()).await;
    let outsider = Fixture::bearer(&fixture.cleo);
    let nowhere = ConversationId(fixture.conversation.0 + 1_000_000);
    let paths = |conversation: ConversationId| {
        let base = format!("/v1/conversations/{conversation}");
        let ada = fixture.ada.id;
        [
            ("GET", base.clone(), ""),
            ("GET", format!("{base}/changes?since=0"), ""),
            ("GET", format!("{base}/messages"), ""),
            ("POST", format!("{base}/messages"), r#"{"client_id": "c1", "text": "let me in"}"#),
            ("PUT", format!("{base}/read"), r#"{"seq": 1}"#),
            ("PUT", format!("{base}/delivered"), r#"{"seq": 1}"#),
            ("POST", format!("{base}/members"), r#"{"users": [1]}"#),
            ("DELETE", format!("{base}/members/{ada}"), ""),
            ("POST", format!("{base}/forwards"), r#"{"client_id": "c2", "from": {"conversation": 1, "seq": 1}}"#),
            ("PATCH", format!("{base}/messages/1"), r#"{"text": "mine now"}"#),
            ("DELETE", format!("{base}/messages/1"), ""),
            ("POST", format!("{base}/messages/1/hide"), ""),
            ("GET", format!("{base}/messages/1/reactions"), ""),
            ("PUT", format!("{base}/messages/1/reactions/%F0%9F%91%8D"), ""),
            ("DELETE", format!("{base}/messages/1/reactions/%F0%9F%91%8D"), ""),
        ]
    };
    let address = fixture.server.address();
    let strangers =
        paths(fixture.conversation).into_iter().chain(paths(fixture.group)).zip(paths(nowhere).into_iter().cycle());
    for ((method, foreign, body), (_, missing, _)) in strangers {
        let headers = [("Authorization", outsider.as_str()), JSON];
        let (foreign_answer, missing_answer) = (
            ask(address, method, &foreign, &headers, body).await,
            ask(address, method, &missing, &headers, body).await,
        );
        assert_eq!(foreign_answer.outcome(), (404, "not_found"), "{method} {foreign}");
        let strip =
            |answer: &raw_http::RawResponse| parlor_protocol::error::Problem { request_id: None, ..answer.problem() };
        assert_eq!(strip(&foreign_answer), strip(&missing_answer), "{method} {foreign} looks like a missing one");
        let anybody = ask(address, method, &foreign, &[JSON], body).await;
        assert_eq!(anybody.outcome(), (401, "not_signed_in"), "{method} {foreign}");
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn invalid_paths_methods_and_heads_are_refused() {
    let fixture = Fixture::new(Setup::new().with("limits.head_bytes_max", 4000)).await;
    let address = fixture.server.address();
    for (method, path, outcome) in [
        ("GET", "/v1/nothing", (404, "not_found")),
        ("GET", "/nothing", (404, "not_found")),
        ("POST", "/", (405, "method_not_allowed")),
        ("PUT", "/v1/session", (405, "method_not_allowed")),
        ("BREW", "/v1/me", (405, "method_not_allowed")),
        ("GET", "/metrics", (404, "not_found")),
        ("GET", "/conformance/echo", (404, "not_found")),
        ("GET", "/demo/ada?x", (404, "not_found")),
        ("GET", "/web/../Cargo.toml", (404, "not_found")),
        ("GET", "/web/%2e%2e/Cargo.toml", (404, "not_found")),
        ("GET", "/errors/nonsense", (404, "not_found")),
    ] {
        assert_eq!(ask(address, method, path, &[], "").await.outcome(), outcome, "{method} {path}");
    }
    let raw_heads = [
        ("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (raw_http::request("GET", "/livez", &[("X-Long", &"x".repeat(5000))], ""), 413),
        (raw_http::request("GET", "/livez", &[("X-Longer", &"x".repeat(50_000))], ""), 431),
        ("GET /livez\r\n\r\n".to_owned(), 400),
        ("\u{0}\u{1}\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(), 400),
        ("POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n".to_owned(), 400),
    ];
    for (head, status) in raw_heads {
        assert_eq!(send(address, &head).await.status, status, "{}", &head[..head.len().min(80)]);
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn too_many_requests_are_refused_and_others_are_served() {
    let fixture = Fixture::new(Setup::new().with("limits.requests_per_second_max", 5)).await;
    let refused = async {
        loop {
            match fixture.ada.api.me().await {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    };
    let refused = tokio::time::timeout(SOON, refused).await.expect("fifty are enough");
    assert_eq!(refused.code().map(Code::name), Some("too_many"));
    fixture.cleo.api.me().await.expect("another person is served");
    let (address, bearer) = (fixture.server.address(), Fixture::bearer(&fixture.ada));
    // Another second may have begun.
    let refused = async {
        loop {
            let answer = ask(address, "GET", "/v1/me", &[("Authorization", &bearer)], "").await;
            if answer.status == 429 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(SOON, refused).await.expect("fifty are enough");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn an_invalid_handshake_is_refused_before_the_upgrade() {
    let fixture = Fixture::new(Setup::new()).await;
    let address = fixture.server.address();
    let bearer = Fixture::bearer(&fixture.ada);
    let handshake_status = async |change: Option<(&str, &str)>, who: Option<&str>| {
        let mut headers: Vec<(&str, &str)> = raw_http::HANDSHAKE.to_vec();
        if let Some((name, value)) = change {
            headers.retain(|(found, _)| *found != name);
            headers.extend((!value.is_empty()).then_some((name, value)));
        }
        headers.extend(who.map(|who| ("Authorization", who)));
        let text = raw_http::request("GET", "/v1/socket", &headers, "");
        // Only "Upgrade" makes it a handshake; the answer ends because it is refused.
        send(address, text.replace("Connection: close", "Connection: Upgrade, close")).await
    };
    assert_eq!(handshake_status(None, None).await.outcome(), (401, "not_signed_in"));
    assert_eq!(handshake_status(None, Some("Bearer nonsense")).await.outcome(), (401, "not_signed_in"));
    for change in [
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "c2hvcnQ="),
        ("Sec-WebSocket-Key", "not base64!"),
        ("Sec-WebSocket-Version", ""),
        ("Sec-WebSocket-Protocol", ""),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Upgrade", "h2c"),
    ] {
        assert_eq!(handshake_status(Some(change), Some(&bearer)).await.outcome(), (400, "invalid_field"), "{change:?}");
    }
    for version in ["8", "12", "14", "x"] {
        let answer = handshake_status(Some(("Sec-WebSocket-Version", version)), Some(&bearer)).await;
        assert_eq!(answer.outcome(), (426, "unsupported_version"), "{version}");
        assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"), "{version}");
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn a_socket_stays_open_after_refused_frames() {
    let fixture = Fixture::new(Setup::new()).await;
    let mut early =
        Handshake::new(fixture.ada.api.address(), fixture.ada.api.headers()).open().await.expect("a socket");
    let refused = early.call::<Value>(Command::GetMe { since: None }).await.expect_err("too early");
    assert_eq!(refused.code().map(Code::name), Some("not_resumed"));
    let mut socket = resumed(&fixture.ada).await;
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/refused.json"));
    let fixtures: Vec<Value> = serde_json::from_str(&text.expect("the fixtures")).expect("a list");
    assert!(fixtures.len() > 30);
    for fixture in fixtures {
        let (text, re) = (fixture["text"].as_str().expect("a text"), fixture["re"].as_i64());
        socket.send_text(text).await.expect("the connection is open");
        let name = &fixture["name"];
        loop {
            match socket.next(SOON).await {
                Some(Incoming::Reply(found, Err(problem))) => {
                    assert_eq!((found, json!(problem.code.name())), (re, fixture["code"].clone()), "{name}");
                    break;
                }
                Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    let _: Value = socket.call(Command::GetMe { since: None }).await.expect("after all of it");
    fixture.assert_alive().await;
}

#[tokio::test]
async fn commands_on_the_socket_are_refused_as_over_http() {
    let fixture = Fixture::new(Setup::new().with("limits.shown_max", 1)).await;
    let mut socket = resumed(&fixture.cleo).await;
    let foreign = fixture.conversation;
    let send = |conversation| Command::send_text(conversation, "c1", "hi");
    let user = UserId(999_999);
    for (command, code) in [
        (send(foreign), "not_found"),
        (Command::GetConversation { conversation: foreign }, "not_found"),
        (Command::AddMembers { conversation: fixture.group, users: vec![fixture.cleo.id], history: None }, "not_found"),
        (Command::RemoveMember { conversation: fixture.group, user: fixture.ada.id }, "not_found"),
        (Command::Mark { conversation: foreign, delivered: None, read: None }, "invalid_field"),
        (Command::Delete { conversation: foreign, seq: Seq(1) }, "not_found"),
        (Command::Hide { conversation: foreign, seq: Seq(1) }, "not_found"),
        (Command::React { conversation: foreign, seq: Seq(1), emoji: "👍".to_owned(), on: true }, "not_found"),
        (Command::React { conversation: foreign, seq: Seq(1), emoji: "no".to_owned(), on: true }, "invalid_field"),
        (Command::ListReactions { conversation: foreign, seq: Seq(1), after: None, limit: None }, "not_found"),
        (Command::Show { conversations: vec![foreign, fixture.group] }, "limit_reached"),
        (Command::Resume { user, cursor: None }, "wrong_user"),
        (Command::UpdateMe(MeUpdate { name: Some(String::new()), ..MeUpdate::default() }), "text_empty"),
    ] {
        let shown = format!("{command:?}");
        let refused = socket.call::<Value>(command).await.expect_err(&shown);
        assert_eq!(refused.code().map(Code::name), Some(code), "{shown}");
    }
    fixture.assert_alive().await;
}

#[tokio::test]
async fn frames_that_no_reply_can_answer_close_the_socket_with_its_code() {
    let fixture = Fixture::new(Setup::new().with("limits.frame_bytes_max", 1000)).await;
    let closed = async |mut socket: Socket| {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            match socket.next_before(deadline).await {
                Some(Incoming::Closed(code, _)) => return code,
                Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let mut socket = resumed(&fixture.ada).await;
    socket.send_binary(b"hello").await.expect("sent");
    assert_eq!(closed(socket).await, 4502);
    let mut socket = resumed(&fixture.ada).await;
    // A masked text frame of one byte, 0xff.
    socket.send_raw(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.expect("sent");
    assert_eq!(closed(socket).await, 1007);
    let mut socket = resumed(&fixture.ada).await;
    socket
        .send_text(&format!("{{\"id\":1,\"type\":\"me.update\",\"name\":\"{}\"}}", "x".repeat(1000)))
        .await
        .expect("sent");
    assert_eq!(closed(socket).await, 4503);
    fixture.assert_alive().await;
}
