//! Several nodes on one PostgreSQL and one Redis.

use crate::{
    harness::{Server, Setup, TestUser},
    raw_http::ask,
    redis::Redis,
};
use parlor_client::{
    socket::{Handshake, Incoming, Socket},
    sync::Client,
};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, UserId},
    model::{Presence, PresenceStatus},
    reply::{Done, Heads, Watched},
};
use std::time::Duration;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(30);
const TOKEN: [(&str, &str); 1] = [("authorization", "Bearer figures")];

/// Two nodes, and a conversation of two people, one at each node.
struct Nodes {
    redis: Redis,
    ada: TestUser,
    ben: TestUser,
    conversation: ConversationId,
    servers: [Server; 2],
}

impl Nodes {
    /// Starts them. Each looks at the clock of the store this often.
    async fn start(clock_check: Duration) -> Option<Self> {
        let database = crate::postgres::database().filter(|_| crate::redis::is_installed())?;
        let redis = Redis::start().await;
        let check_ms = clock_check.as_millis();
        let setup = || {
            Setup::new()
                .with("store.url", &database)
                .with("channel_layer.url", redis.url())
                .with("channel_layer.encryption_keys", "a key of the test")
                .with("sync.clock_check_ms", check_ms)
                .with("sync.commits_kept_ms", check_ms * 10)
                // Entries are renewed and looked at seldom, so that one that is missing is noticed.
                .with("presence.entry_ms", 24_000)
                .with("metrics.token", "figures")
        };
        let servers = [setup().start().await, setup().start().await];
        let ada = servers[0].user("Ada").await;
        let ben = servers[0].user("Ben").await.through_address(servers[1].address());
        let conversation = ada.open_direct(&ben).await.id;
        let nodes = Self { redis, ada, ben, conversation, servers };
        nodes.until_ready("ok").await;
        Some(nodes)
    }

    /// Waits until both nodes say this about themselves, their metrics included.
    async fn until_ready(&self, status: &str) {
        let deadline = Instant::now() + LONG;
        let gauge = format!("parlor_channel_layer_connected {}", u8::from(status == "ok"));
        for server in &self.servers {
            loop {
                let answer = ask(server.address(), "GET", "/readyz", &[], "").await;
                assert_eq!(answer.status, 200, "a node without Redis works");
                let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
                if body["status"] == status {
                    let metrics = ask(server.address(), "GET", "/metrics", &TOKEN, "").await;
                    assert!(String::from_utf8_lossy(&metrics.body).contains(&gauge), "no {gauge}");
                    break;
                }
                assert!(Instant::now() < deadline, "{body} is not {status}");
                // waits for: a node that notices the state of Redis
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Sends from one node, and waits until a client of the other has exactly the messages that were sent.
    async fn send(&self, to: &mut Client, sent: &mut Vec<String>, text: &str) {
        let from = if to.user() == self.ben.id { &self.ada } else { &self.ben };
        from.send(self.conversation, text).await;
        sent.push(text.to_owned());
        self.until_received(to, sent).await;
    }

    async fn until_received(&self, client: &mut Client, sent: &[String]) {
        let texts = |state: &parlor_client::state::State| -> Vec<String> {
            state.messages(self.conversation).map(|message| message.text.clone()).collect()
        };
        let received = client.run_until(LONG, |state| texts(state) == sent).await;
        received.unwrap_or_else(|error| panic!("{error}: {:?} instead of {sent:?}", texts(&client.state)));
    }
}

async fn reader(user: &TestUser, conversation: ConversationId) -> Client {
    let mut client = user.connect().await;
    client.state.open(conversation);
    client.settle(LONG).await.expect("the conversation is loaded");
    client
}

#[tokio::test]
async fn messages_cross_nodes_through_redis_in_order_and_once() {
    // The store alone would take minutes.
    let Some(nodes) = Nodes::start(Duration::from_mins(5)).await else { return };
    let mut of_ben = reader(&nodes.ben, nodes.conversation).await;
    let mut of_ada = reader(&nodes.ada, nodes.conversation).await;
    let mut sent = Vec::new();
    for number in 0..20 {
        nodes.send(&mut of_ben, &mut sent, &format!("from Ada {number}")).await;
        nodes.send(&mut of_ada, &mut sent, &format!("from Ben {number}")).await;
    }
    assert_eq!((of_ada.connections(), of_ben.connections()), (1, 1), "nobody had to connect again");
}

#[tokio::test]
async fn without_redis_messages_cross_nodes_through_the_store() {
    let Some(mut nodes) = Nodes::start(Duration::from_millis(200)).await else { return };
    let mut sent = Vec::new();
    let mut of_ben = reader(&nodes.ben, nodes.conversation).await;
    for round in 0..2 {
        nodes.send(&mut of_ben, &mut sent, &format!("with Redis {round}")).await;
        nodes.redis.stop();
        nodes.send(&mut of_ben, &mut sent, &format!("without Redis {round}")).await;
        nodes.until_ready("degraded").await;
        let mut late = reader(&nodes.ben, nodes.conversation).await;
        nodes.send(&mut late, &mut sent, &format!("to a socket that was opened without Redis {round}")).await;
        nodes.until_received(&mut of_ben, &sent).await;
        nodes.redis.restart().await;
        nodes.until_ready("ok").await;
        nodes.send(&mut late, &mut sent, &format!("after Redis came back {round}")).await;
        nodes.until_received(&mut of_ben, &sent).await;
    }
    assert_eq!(of_ben.connections(), 1, "the socket stayed open");
    for server in &nodes.servers {
        let outages = server.log().matches("Redis is not available").count();
        assert!((1..=2).contains(&outages), "an outage is logged once: {outages}");
    }
}

/// The control of the test above: what it shows is the work of the clock alone.
#[tokio::test]
async fn what_was_sent_without_redis_stays_away_while_nobody_looks_at_the_clock() {
    let Some(mut nodes) = Nodes::start(Duration::from_mins(5)).await else { return };
    let (mut of_ada, mut of_ben) = (page(&nodes.ada).await, page(&nodes.ben).await);
    nodes.redis.stop();
    nodes.until_ready("degraded").await;
    nodes.ada.send(nodes.conversation, "without Redis").await;
    nodes.redis.restart().await;
    nodes.until_ready("ok").await;
    let typing = Command::SetTyping { conversation: nodes.conversation, typing: true };
    let _: Done = of_ada.call(typing).await.expect("a member may");
    let mut first = of_ben.next_before(Instant::now() + LONG).await;
    while first == Some(Incoming::Heartbeat) {
        first = of_ben.next_before(Instant::now() + LONG).await;
    }
    let Some(Incoming::Event(event)) = first else { panic!("{first:?}") };
    assert_eq!(event["type"], "typing.changed", "nothing came before: {event}");
}

#[tokio::test]
async fn a_frozen_redis_delays_messages_between_nodes_and_nothing_else() {
    let Some(nodes) = Nodes::start(Duration::from_millis(200)).await else { return };
    let mut sent = Vec::new();
    let mut of_ben = reader(&nodes.ben, nodes.conversation).await;
    nodes.send(&mut of_ben, &mut sent, "before").await;
    let watch = format!("/v1/presence?users={}", nodes.ada.id);
    nodes.redis.signal("STOP");
    nodes.send(&mut of_ben, &mut sent, "meanwhile").await;
    let mut late = reader(&nodes.ben, nodes.conversation).await;
    nodes.send(&mut late, &mut sent, "to a new socket").await;
    // Several at once wait no longer than one.
    let watches = (0..4).map(|_| nodes.ben.api.get::<serde_json::Value>(&watch));
    let watches = tokio::time::timeout(Duration::from_secs(15), futures_util::future::join_all(watches)).await;
    for presence in watches.expect("in time") {
        presence.expect("presence is read without Redis");
    }
    nodes.redis.signal("CONT");
    nodes.until_ready("ok").await;
    nodes.send(&mut of_ben, &mut sent, "after").await;
    nodes.until_received(&mut late, &sent).await;
    assert_eq!((of_ben.connections(), late.connections()), (1, 1), "both sockets stayed open");
}

#[tokio::test]
async fn nothing_is_lost_when_subscriptions_are_cut_at_any_moment() {
    let Some(nodes) = Nodes::start(Duration::from_millis(200)).await else { return };
    let mut of_ben = reader(&nodes.ben, nodes.conversation).await;
    let mut sent: Vec<String> = Vec::new();
    // No later message helps an earlier one: each is waited for. They are sent at moments across a reconnection.
    for number in 0..24 {
        let _: i64 = nodes.redis.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        // waits for: a moment before, during or after the reconnection
        tokio::time::sleep(Duration::from_millis(number * 17 % 200)).await;
        nodes.send(&mut of_ben, &mut sent, &format!("message {number}")).await;
    }
    nodes.until_ready("ok").await;
    assert_eq!(of_ben.connections(), 1, "the socket stayed open");
}

/// Opens a page of a user.
async fn page(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

/// Returns the statuses of a user that arrive, up to this one.
async fn statuses(socket: &mut Socket, user: UserId, last: PresenceStatus) -> Vec<PresenceStatus> {
    let mut arrived = Vec::new();
    while arrived.last() != Some(&last) {
        match socket.next_before(Instant::now() + LONG).await {
            Some(Incoming::Event(event)) if event["type"] == "presence.changed" && event["user"] == user.0 => {
                let presence: Presence = serde_json::from_value(event).expect("a presence");
                arrived.push(presence.status);
            }
            Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
            other => panic!("{other:?} after {arrived:?}"),
        }
    }
    arrived
}

impl Nodes {
    /// Waits until an entry of a user is in Redis.
    async fn until_entry_is_written(&self, user: UserId) {
        let deadline = Instant::now() + LONG;
        let pattern = format!("*:presence:{user}");
        while self.redis.run::<Vec<String>>(&["KEYS", &pattern]).await.is_empty() {
            assert!(Instant::now() < deadline, "the entry is not written again");
            // waits for: a node that notices that its entries are gone
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn presence_does_not_use_a_connection_from_before_an_outage() {
    let Some(mut nodes) = Nodes::start(Duration::from_secs(1)).await else { return };
    let _page = page(&nodes.ada).await;
    nodes.until_entry_is_written(nodes.ada.id).await;
    let watch = format!("/v1/presence?users={}", nodes.ada.id);
    for _ in 0..3 {
        let _: serde_json::Value = nodes.ben.api.get(&watch).await.expect("presence");
        nodes.redis.stop();
        nodes.until_ready("degraded").await;
        nodes.redis.restart().await;
        nodes.until_ready("ok").await;
        nodes.until_entry_is_written(nodes.ada.id).await;
        let _: serde_json::Value = nodes.ben.api.get(&watch).await.expect("presence");
    }
    for server in &nodes.servers {
        let log = server.log();
        assert!(log.contains("Redis is not available"), "the outages are in the log");
        assert!(!log.contains("of=\"presence\""), "presence failed: {log}");
    }
}

#[tokio::test]
async fn a_redis_that_was_emptied_shows_nobody_as_offline() {
    let Some(mut nodes) = Nodes::start(Duration::from_secs(1)).await else { return };
    let (mut of_ada, mut of_ben) = (page(&nodes.ada).await, page(&nodes.ben).await);
    nodes.until_entry_is_written(nodes.ada.id).await;
    let watch = Command::WatchPresence { users: vec![nodes.ada.id] };
    let watched: Watched = of_ben.call(watch).await.expect("few enough");
    assert_eq!(watched.presence[0].status, PresenceStatus::Online);
    let _: String = nodes.redis.run(&["FLUSHALL"]).await;
    nodes.until_entry_is_written(nodes.ada.id).await;
    nodes.redis.stop();
    nodes.until_ready("degraded").await;
    nodes.redis.restart().await;
    nodes.until_entry_is_written(nodes.ada.id).await;
    nodes.until_ready("ok").await;
    let _: serde_json::Value = of_ada.call(Command::SetPresence { idle: true }).await.expect("set");
    let arrived = statuses(&mut of_ben, nodes.ada.id, PresenceStatus::Idle).await;
    assert_eq!(arrived, [PresenceStatus::Idle], "it is the first change that is published");
}
