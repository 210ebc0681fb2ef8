//! `parlor demo`.

use crate::harness::unique;
use http::{Method, header};
use parlor_client::{
    http::Api,
    socket::{Handshake, Incoming, Socket},
};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, UserId},
    reply::{Heads, Sent},
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{self, Child, Stdio},
    time::Duration,
};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(30);

/// A demo, killed on drop.
struct Demo {
    child: Child,
    address: SocketAddr,
    token: String,
    /// The conversation that the links open.
    first: ConversationId,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_parlor"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLOR_")) {
            command.env_remove(name);
        }
        command.args(["demo", "--listen", "127.0.0.1:0"]).args(flags).env("PARLOR_METRICS_TOKEN", "figures");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the built binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
        let link = lines.find(|line| line.contains("Open as Ben")).expect("a link");
        let (port, rest) =
            link.split_once("localhost:").and_then(|(_, rest)| rest.split_once('/')).expect("an address");
        let (token, first) = rest.split_once('?').and_then(|(_, rest)| rest.split_once("#/c/")).expect("a token");
        let address = (Ipv4Addr::LOCALHOST, port.parse().expect("a port")).into();
        Self { child, address, token: token.to_owned(), first: ConversationId(first.parse().expect("an id")) }
    }

    /// Opens a link of the demo: a socket of its user.
    async fn open(&self, login: &str) -> Window {
        let api = Api::new(self.address);
        let path = format!("/demo/{login}?{}", self.token);
        let answer = api.request(Method::GET, &path, "").await.expect("an answer");
        let mut cookies =
            answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text"));
        let session = cookies.find_map(|cookie| cookie.strip_prefix("parlor_session=")).expect("a session");
        let api = api.with_token(session.split(';').next().expect("a value"));
        let user = api.me().await.expect("signed in").me.user.id;
        let mut socket = Handshake::new(self.address, api.headers()).open().await.expect("a socket");
        let _: Heads = socket.call(Command::Resume { user, cursor: None }).await.expect("resumed");
        Window { user, socket }
    }

    /// Waits until there are so many connections.
    async fn until_connections(&self, count: usize) {
        let api = Api::new(self.address).with_token("figures");
        let line = format!("\nparlor_connections {count}\n");
        let deadline = Instant::now() + SOON;
        loop {
            let answer = api.request(Method::GET, "/metrics", "").await.expect("an answer");
            let text = String::from_utf8_lossy(&answer.body);
            if text.contains(&line) {
                return;
            }
            assert!(Instant::now() < deadline, "{line:?} is expected:\n{text}");
            // waits for: a connection that opens or ends
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An open page.
struct Window {
    user: UserId,
    socket: Socket,
}

impl Window {
    /// Waits for an event.
    async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            match self.socket.next_before(deadline).await {
                Some(Incoming::Event(event)) if is_it(&event) => return event,
                Some(Incoming::Event(_) | Incoming::Heartbeat | Incoming::Reply(..)) => {}
                other => panic!("{what} is expected, not {other:?}"),
            }
        }
    }

    async fn until_typing(&mut self, user: i64) {
        self.until("typing", |event| {
            event["type"] == "typing.changed" && event["user"] == user && event["typing"] == true
        })
        .await;
    }

    async fn until_message(&mut self, user: i64) -> Value {
        let mut event = self
            .until("a message", |event| event["type"] == "message.created" && event["message"]["sender"] == user)
            .await;
        event["message"].take()
    }

    /// Returns the message's number.
    async fn send(&mut self, conversation: ConversationId, text: &str) -> i64 {
        let command = Command::send_text(conversation, format!("demo-test-{}", unique()), text);
        let sent: Sent = self.socket.call(command).await.expect("a member may");
        sent.message.seq.0
    }
}

#[tokio::test]
async fn for_one_visitor_a_script_types_reads_and_answers_until_its_user_comes() {
    let demo = Demo::start(&["--alone"]);
    demo.until_connections(1).await;
    let mut ada = demo.open("ada").await;
    let typing = ada.until("typing", |event| event["type"] == "typing.changed").await;
    let ben = typing["user"].as_i64().expect("an id");
    assert_ne!(ben, ada.user.0);
    let greeting = ada.until_message(ben).await;
    assert_eq!(greeting["conversation"], demo.first.0);
    for text in ["Are you there?", "Good."] {
        let seq = ada.send(demo.first, text).await;
        let is_read = |member: &Value| member["user"]["id"] == ben && member["read_seq"] == seq;
        ada.until("read", |event| event["members"].as_array().is_some_and(|members| members.iter().any(is_read))).await;
        ada.until_typing(ben).await;
        let answer = ada.until_message(ben).await;
        assert_eq!(answer["conversation"], demo.first.0, "{answer}");
    }
    let mut second = demo.open("ben").await;
    assert_eq!(second.user.0, ben);
    demo.until_connections(2).await;
    ada.send(demo.first, "Now it is you.").await;
    let message = second.until_message(ada.user.0).await;
    assert_eq!(message["text"], "Now it is you.");
}

#[tokio::test]
async fn without_the_flag_nobody_is_there() {
    let demo = Demo::start(&[]);
    demo.until_connections(0).await;
    let _ada = demo.open("ada").await;
    demo.until_connections(1).await;
}
