//! The bridge to a channel layer: real Redis, real Django, channels and channels-redis on the other side.

mod events;
pub(crate) mod processes;

use crate::{
    harness::{Server, Setup, folder, unique},
    raw_http::{HANDSHAKE, RawResponse, ask, request, send},
    redis::Redis,
};
use futures_util::{SinkExt as _, StreamExt as _};
use processes::{Django, Layer, python};
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

const LONG: Duration = Duration::from_secs(30);
const ROOMS: &str = r#"
[[rooms]]
path = "ws/account-codes/"
group = "account_code_updates"
join = "signed_in"
ping = { type = "ping" }
pong = { type = "pong" }

[[rooms]]
path = "ws/auctions/{id}/"
group = "auction_{id}"
join = "everyone"
types = ["auction.bid"]
frame = { field = "data" }
"#;

type Socket = WebSocketStream<TcpStream>;

/// A server with rooms.
struct RoomServer {
    server: Server,
    _folder: TempDir,
}

impl RoomServer {
    async fn start(redis: &Redis, layer: Layer) -> Self {
        Self::start_with(&redis.url(), layer).await
    }

    async fn start_with(urls: &str, layer: Layer) -> Self {
        Self::start_living(urls, layer, 0).await
    }

    /// Starts a server whose sockets live this long.
    async fn start_living(urls: &str, layer: Layer, life_max_ms: u64) -> Self {
        let folder = folder();
        let rooms: PathBuf = folder.path().join("rooms.toml");
        std::fs::write(&rooms, ROOMS).expect("written");
        let setup = Setup::new()
            .with("bridge.redis", urls)
            .with("bridge.layer", layer.name)
            .with("bridge.prefix", layer.prefix)
            .with("bridge.serializer", layer.serializer)
            .with("bridge.encryption_keys", layer.keys.join(","))
            .with("bridge.rooms", rooms.display())
            .with("socket.life_max_ms", life_max_ms);
        Self { server: setup.start().await, _folder: folder }
    }

    /// Creates a user, signs in as a browser does, and returns the cookie.
    async fn cookie(&self) -> String {
        let login = self.server.user("ada").await.login;
        let body = format!(r#"{{"login": "{login}", "password": "correct horse"}}"#);
        let headers = [("Content-Type", "application/json")];
        let answer = ask(self.server.address(), "POST", "/v1/session", &headers, &body).await;
        answer.cookie().expect("a cookie")
    }

    async fn socket(&self, path: &str, headers: &[(&str, &str)]) -> Socket {
        let stream = TcpStream::connect(self.server.address()).await.expect("it listens");
        let mut request = format!("ws://parlor.test{path}").into_client_request().expect("a request");
        for (name, value) in [("origin", "http://parlor.test")].iter().chain(headers) {
            let name: http::HeaderName = name.parse().expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        client_async(request, stream).await.expect("a socket").0
    }

    /// Tries to open a socket, and returns the refusal.
    async fn refusal(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let all: Vec<_> = HANDSHAKE.iter().chain(headers).copied().collect();
        let text = request("GET", path, &all, "").replace("Connection: close", "Connection: Upgrade");
        let mut stream = TcpStream::connect(self.server.address()).await.expect("it listens");
        stream.write_all(text.as_bytes()).await.expect("sent");
        let mut start = [0; 12];
        timeout(LONG, stream.read_exact(&mut start)).await.expect("in time").expect("a status");
        String::from_utf8_lossy(&start[9..]).parse().expect("a status")
    }
}

/// Returns the next frame, or the code with which the socket is closed.
async fn next(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        match timeout(LONG, socket.next()).await.expect("in time").expect("a frame").expect("read") {
            Message::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Message::Close(frame) => return Err(frame.expect("a code").code.into()),
            _ => {}
        }
    }
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text.to_owned())).await.expect("sent");
}

#[tokio::test]
async fn group_send_in_django_reaches_the_sockets_of_a_room() {
    let Some(python) = python() else { return };
    let redis = Redis::start().await;
    let secret = &["a-secret-key-one", "an older key"][..];
    for layer in [
        Layer::CORE,
        Layer::PUBSUB,
        Layer { prefix: "site.2", keys: secret, ..Layer::CORE },
        Layer { prefix: "site.2", keys: secret, ..Layer::PUBSUB },
        Layer { prefix: "site.3", serializer: "json", ..Layer::CORE },
        Layer { prefix: "site.3", serializer: "json", keys: secret, ..Layer::PUBSUB },
    ] {
        let site = RoomServer::start(&redis, layer).await;
        let mut django = Django::start(&python, &redis, layer).await;
        let cookie = site.cookie().await;
        let mut codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
        let mut second_tab = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
        let mut auction = site.socket("/ws/auctions/7/", &[]).await;
        say(&mut codes, r#"{"type": "ping", "at": 5}"#).await;
        assert_eq!(next(&mut codes).await, Ok(json!({"type": "pong"})), "{layer:?}");
        let message = json!({"type": "code.changed", "code": {"id": 7, "name": "é 你"}, "n": [1.5, null, true]});
        django.group_send("account_code_updates", std::slice::from_ref(&message)).await;
        for socket in [&mut codes, &mut second_tab] {
            assert_eq!(next(socket).await.as_ref(), Ok(&message), "{layer:?}");
        }
        let bid = |kind: &str, amount: i64| json!({"type": kind, "data": {"amount": amount}});
        django.group_send("auction_8", &[bid("auction.bid", 1)]).await;
        django.group_send("auction_7", &[bid("auction.other", 2), json!({"data": 3}), bid("auction.bid", 4)]).await;
        assert_eq!(next(&mut auction).await, Ok(json!({"amount": 4})), "{layer:?}");
    }
}

#[tokio::test]
async fn order_is_kept_and_nothing_is_lost_within_the_capacity() {
    let Some(python) = python() else { return };
    let redis = Redis::start().await;
    for layer in [Layer::CORE, Layer::PUBSUB] {
        let site = RoomServer::start(&redis, layer).await;
        let mut django = Django::start(&python, &redis, layer).await;
        let cookie = site.cookie().await;
        let mut codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
        let messages: Vec<_> = (0..300).map(|number| json!({"type": "code.changed", "number": number})).collect();
        django.group_send("account_code_updates", &messages).await;
        for message in &messages {
            assert_eq!(next(&mut codes).await.as_ref(), Ok(message), "{layer:?}");
        }
    }
}

#[tokio::test]
async fn several_servers_share_the_groups_as_in_django() {
    let Some(python) = python() else { return };
    let (one, two) = (Redis::start().await, Redis::start().await);
    let urls = format!("{},{}", one.url(), two.url());
    for layer in [Layer::CORE, Layer::PUBSUB] {
        let site = RoomServer::start_with(&urls, layer).await;
        let mut django = Django::start_with(&python, &urls, layer).await;
        for auction in 0..8 {
            let mut socket = site.socket(&format!("/ws/auctions/{auction}/"), &[]).await;
            let message = json!({"type": "auction.bid", "data": {"amount": auction}});
            django.group_send(&format!("auction_{auction}"), &[message]).await;
            assert_eq!(next(&mut socket).await, Ok(json!({"amount": auction})), "{layer:?}");
        }
    }
}

#[tokio::test]
async fn a_frozen_redis_delays_no_socket() {
    let Some(python) = python() else { return };
    for layer in [Layer::CORE, Layer::PUBSUB] {
        let redis = Redis::start().await;
        let site = RoomServer::start(&redis, layer).await;
        let mut django = Django::start(&python, &redis, layer).await;
        let cookie = site.cookie().await;
        let mut codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
        redis.signal("STOP");
        let mut auction = site.socket("/ws/auctions/7/", &[]).await;
        say(&mut codes, r#"{"type": "ping"}"#).await;
        assert_eq!(next(&mut codes).await, Ok(json!({"type": "pong"})), "{layer:?}");
        redis.signal("CONT");
        let message = json!({"type": "auction.bid", "data": {"amount": 1}});
        let deadline = Instant::now() + LONG;
        loop {
            django.group_send("auction_7", std::slice::from_ref(&message)).await;
            if let Ok(heard) = timeout(Duration::from_millis(200), next(&mut auction)).await {
                assert_eq!(heard, Ok(json!({"amount": 1})), "{layer:?}");
                break;
            }
            assert!(Instant::now() < deadline, "{layer:?}: nothing arrives after Redis goes on");
        }
    }
}

#[tokio::test]
async fn only_users_on_pages_of_this_site_join_a_room() {
    if python().is_none() {
        return;
    }
    let redis = Redis::start().await;
    let site = RoomServer::start(&redis, Layer::CORE).await;
    let cookie = site.cookie().await;
    let (own, foreign) = (("Origin", "http://parlor.test"), ("Origin", "http://evil.test"));
    let cookie = ("Cookie", cookie.as_str());
    for (path, headers, status) in [
        ("/ws/account-codes/", &[own, cookie][..], 101),
        ("/ws/account-codes/", &[own], 403),
        ("/ws/account-codes/", &[foreign, cookie], 403),
        ("/ws/account-codes/", &[cookie], 403),
        ("/ws/auctions/7/", &[own], 101),
        ("/ws/auctions/7/", &[foreign], 403),
        ("/ws/auctions/7/", &[], 403),
        ("/ws/auctions/a:b/", &[own], 404),
        ("/ws/journal-codes/", &[own, cookie], 404),
    ] {
        assert_eq!(site.refusal(path, headers).await, status, "{path} {headers:?}");
    }
    let page = send(site.server.address(), request("GET", "/ws/auctions/7/", &[own], "")).await;
    assert_eq!(page.outcome(), (400, "invalid_field"), "no handshake");
}

#[tokio::test]
async fn a_socket_in_a_room_is_closed_when_it_has_lived_long_enough() {
    let redis = Redis::start().await;
    let site = RoomServer::start_living(&redis.url(), Layer::CORE, 300).await;
    let mut auction = site.socket("/ws/auctions/7/", &[]).await;
    assert_eq!(next(&mut auction).await, Err(4005));
}

#[tokio::test]
async fn a_room_ends_with_the_session_and_with_the_server() {
    if python().is_none() {
        return;
    }
    let redis = Redis::start().await;
    let mut site = RoomServer::start(&redis, Layer::CORE).await;
    let cookie = site.cookie().await;
    let mut codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
    let mut auction = site.socket("/ws/auctions/7/", &[]).await;
    let headers = [("Cookie", cookie.as_str()), ("Origin", "http://parlor.test")];
    let signed_out: RawResponse = ask(site.server.address(), "DELETE", "/v1/session", &headers, "").await;
    assert_eq!(signed_out.status, 204);
    assert_eq!(next(&mut codes).await, Err(4500));
    say(&mut auction, "{}").await;
    let (closed, ()) = tokio::join!(next(&mut auction), site.server.stop());
    assert_eq!(closed, Err(4000));
    let left: usize = redis.run(&["EXISTS", "asgi:group:auction_7", "asgi:parlor:nodes"]).await;
    assert_eq!(left, 0, "a server that stops leaves its groups");
}

#[tokio::test]
async fn sockets_survive_a_restart_and_an_outage_of_redis() {
    let Some(python) = python() else { return };
    for layer in [Layer::CORE, Layer::PUBSUB] {
        let mut redis = Redis::start().await;
        let site = RoomServer::start(&redis, layer).await;
        let mut django = Django::start(&python, &redis, layer).await;
        let cookie = site.cookie().await;
        let mut codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
        for round in 0..2 {
            redis.stop();
            if round == 1 {
                // A socket is opened nevertheless, and is in its group as soon as Redis is back.
                codes = site.socket("/ws/account-codes/", &[("cookie", &cookie)]).await;
            }
            redis.restart().await;
            let message = json!({"type": "code.changed", "number": unique()});
            let command = json!({"do": "group_send", "group": "account_code_updates", "messages": [&message]});
            let deadline = Instant::now() + LONG;
            loop {
                // Django's own connections may still be broken, and Parlor may not be back.
                django.try_run(&command).await;
                let heard = timeout(Duration::from_millis(200), next(&mut codes)).await;
                if let Ok(heard) = heard {
                    assert_eq!(heard.as_ref(), Ok(&message), "{layer:?}");
                    break;
                }
                assert!(Instant::now() < deadline, "{layer:?}: nothing arrives after the restart");
            }
        }
        let log = site.server.log();
        let count = |text: &str| log.matches(text).count();
        // A line that follows within a second of one like it is left out.
        for line in ["Redis is not available", "Redis is available again"] {
            assert!((1..=2).contains(&count(line)), "{layer:?}: an outage is logged once\n{log}");
        }
    }
}

#[tokio::test]
async fn groups_of_a_killed_node_are_left_by_the_next_one() {
    if python().is_none() {
        return;
    }
    let redis = Redis::start().await;
    let mut site = RoomServer::start(&redis, Layer::CORE).await;
    let auction = site.socket("/ws/auctions/7/", &[]).await;
    let members: Vec<String> = redis.run(&["ZRANGE", "asgi:group:auction_7", "0", "-1"]).await;
    let [member] = members.as_slice() else { panic!("one member: {members:?}") };
    let node = member.strip_prefix("parlor.").and_then(|member| member.strip_suffix("!auction_7")).expect("its name");
    site.server.kill();
    drop(auction);
    let queue = format!("asgiparlor.{node}!");
    let _: i64 = redis.run(&["ZADD", &queue, "1", "a message that nobody takes"]).await;
    // As if a minute had passed.
    let _: i64 = redis.run(&["ZADD", "asgi:parlor:nodes", "1", node]).await;
    site.server.restart().await;
    let deadline = Instant::now() + LONG;
    let groups = format!("asgi:parlor:groups:{node}");
    while redis.run::<usize>(&["EXISTS", "asgi:group:auction_7", &queue, &groups]).await > 0 {
        assert!(Instant::now() < deadline, "the dead node is still in its group");
        // waits for: the first heartbeat of the new node
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let nodes: Vec<String> = redis.run(&["ZRANGE", "asgi:parlor:nodes", "0", "-1"]).await;
    assert!(nodes.len() == 1 && nodes[0] != node, "{nodes:?}");
}
