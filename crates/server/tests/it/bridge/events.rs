//! Parlor's events in Django's consumers.

use super::processes::{Django, Layer, python};
use crate::redis::Redis;
use parlor::{
    bridge::Bridge, config::Config, environment::Environment, metrics::Metrics, profile::Profile,
    supervisor::Supervisor,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const PROFILE: &str = r#"
name = "site"
time_zone = "UTC"

[messages]
table = "m"
id = "id"
sender = "a"
recipient = "b"
text = "t"
created_at = "c"
is_read = "r"

[[group_events]]
on = "new_message"
group = "user_{recipient.id}_messages"
type = "new.message"
under = "data"
fields = { message_id = "row_id", sender = "sender.name", content = "text" }
"#;

fn row(id: i64) -> Value {
    json!({"row_id": id, "text": "Hello", "sender": {"id": "1", "name": "Ada", "login": "ada"},
           "recipient": {"id": "2", "name": "Bob", "login": "bob"}})
}

fn start(redis: &Redis, layer: Layer, supervisor: &Supervisor) -> (Arc<Bridge>, Arc<Metrics>) {
    let url = redis.url();
    let settings = [
        ("bridge.redis", url.as_str()),
        ("bridge.layer", layer.name),
        ("bridge.prefix", layer.prefix),
        ("bridge.serializer", layer.serializer),
        ("bridge.encryption_keys", &layer.keys.join(",")),
        ("bridge.queue_max", "200"),
    ];
    let config = Config::with(&settings).expect("sound settings");
    let profile = Profile::parse("site.toml", PROFILE).expect("a profile");
    let metrics = Arc::new(Metrics::new());
    let bridge = Bridge::start(&config, Some(&profile), &Environment::real(), &metrics, supervisor);
    (bridge.expect("it starts").expect("it is configured"), metrics)
}

async fn until(metrics: &Metrics, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !metrics.text().lines().any(|found| found == line) {
        assert!(Instant::now() < deadline, "{line} is not in\n{}", metrics.text());
        // waits for: a counter
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn new_messages_reach_consumers_in_order_with_the_declared_type() {
    let Some(python) = python() else { return };
    let redis = Redis::start().await;
    let keys = &["a-secret-key-one"][..];
    for layer in [
        Layer::CORE,
        Layer::PUBSUB,
        Layer { prefix: "site.2", keys, ..Layer::CORE },
        Layer { prefix: "site.2", keys, ..Layer::PUBSUB },
        Layer { prefix: "site.3", serializer: "json", ..Layer::CORE },
    ] {
        let mut django = Django::start(&python, &redis, layer).await;
        django.consume("user_2_messages").await;
        let supervisor = Supervisor::default();
        let (bridge, metrics) = start(&redis, layer, &supervisor);
        for id in 0..50 {
            bridge.host_message_is_new(&row(id));
        }
        for id in 0..50 {
            let data = json!({"message_id": id, "sender": "Ada", "content": "Hello"});
            assert_eq!(django.received().await, json!({"type": "new.message", "data": data}), "{layer:?}");
        }
        until(&metrics, "parlor_bridge_sent_total 50").await;
        bridge.stop().await;
    }
}

#[tokio::test]
async fn queues_that_nobody_reads_do_not_grow_beyond_their_capacity() {
    let Some(python) = python() else { return };
    let redis = Redis::start().await;
    let mut django = Django::start(&python, &redis, Layer::CORE).await;
    assert!(django.try_run(&json!({"do": "add", "group": "user_2_messages"})).await);
    let supervisor = Supervisor::default();
    let (bridge, metrics) = start(&redis, Layer::CORE, &supervisor);
    for id in 0..120 {
        bridge.host_message_is_new(&row(id));
    }
    until(&metrics, "parlor_bridge_sent_total 120").await;
    until(&metrics, "parlor_bridge_drops_total{reason=\"over_capacity\"} 20").await;
    let queues: Vec<String> = redis.run(&["KEYS", "asgispecific.*"]).await;
    assert_eq!(redis.run::<usize>(&["ZCARD", &queues[0]]).await, 100);
    bridge.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_redis_that_is_away_is_bounded_and_sent_when_it_is_back() {
    let Some(python) = python() else { return };
    let mut redis = Redis::start().await;
    redis.stop();
    let supervisor = Supervisor::default();
    let (bridge, metrics) = start(&redis, Layer::PUBSUB, &supervisor);
    for id in 0..1000 {
        bridge.host_message_is_new(&row(id));
    }
    let text = metrics.text();
    let full = text.lines().find_map(|line| line.strip_prefix("parlor_bridge_drops_total{reason=\"queue_full\"} "));
    let full: u64 = full.and_then(|full| full.parse().ok()).expect("some are dropped");
    assert!(full >= 790, "{full} of 1000 are dropped");
    redis.restart().await;
    let mut django = Django::start(&python, &redis, Layer::PUBSUB).await;
    django.consume("user_2_messages").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        bridge.host_message_is_new(&row(1000));
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(200), django.received()).await {
            assert_eq!(event["type"], "new.message");
            break;
        }
        assert!(Instant::now() < deadline, "nothing arrives");
    }
    bridge.stop().await;
}
