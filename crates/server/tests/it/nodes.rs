//! Several nodes on one PostgreSQL and one Redis.

use crate::{
    harness::{Server, Setup, TestUser},
    raw_http::ask,
    redis::Redis,
};
use parlor_client::sync::Client;
use parlor_protocol::ids::ConversationId;
use std::time::Duration;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(30);

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

    /// Waits until both nodes say this about themselves.
    async fn until_ready(&self, status: &str) {
        let deadline = Instant::now() + LONG;
        for server in &self.servers {
            loop {
                let answer = ask(server.address(), "GET", "/readyz", &[], "").await;
                assert_eq!(answer.status, 200, "a node without Redis works");
                let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
                if body["status"] == status {
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
