//! The channel layer's conformance suite: what every implementation must do.

use crate::redis::Redis;
use bytes::Bytes;
use parlor::{
    channel_layer::{
        ChannelLayer, LayerMessage, NodeMessage, PresenceEntry, PresenceLevel, Publication, Topic, UserPresence,
        memory::MemoryLayer,
        redis::{RedisLayer, RedisLayerOptions},
    },
    environment::Environment,
    supervisor::Supervisor,
};
use parlor_protocol::ids::{ConversationId, Epoch, UserId, Version};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

fn publications(topics: &[Topic], text: &str) -> Vec<Publication> {
    vec![Publication { topics: topics.to_vec(), payload: Bytes::copy_from_slice(text.as_bytes()) }]
}

/// Records what is delivered to a node.
fn deliveries(layer: &dyn ChannelLayer) -> mpsc::UnboundedReceiver<Publication> {
    let (sender, receiver) = mpsc::unbounded_channel();
    layer.deliver_to(Arc::new(move |publication| sender.send(publication).expect("the test listens")));
    receiver
}

async fn received(deliveries: &mut mpsc::UnboundedReceiver<Publication>) -> Publication {
    timeout(Duration::from_secs(10), deliveries.recv()).await.expect("in time").expect("the layer runs")
}

async fn conforms(layer: Arc<dyn ChannelLayer>) {
    let mut deliveries = deliveries(&*layer);
    let (ada, ben) = (Topic::User(UserId(1)), Topic::User(UserId(2)));
    let place = Topic::Conversation(ConversationId(1));

    layer.publish(publications(&[ada], "before joining")).await.expect("published");
    layer.join(ada).await.expect("joined");
    layer.join(ada).await.expect("joining again changes nothing");
    layer.join(place).await.expect("joined");
    layer.publish(publications(&[ada, ben, place], "one")).await.expect("published");
    let one = received(&mut deliveries).await;
    assert_eq!((one.payload, one.topics), (Bytes::from("one"), vec![ada, place]), "once, for the joined topics");

    for number in 0..500 {
        layer.publish(publications(&[ada], &number.to_string())).await.expect("published");
        if number % 100 == 99 {
            for expected in number - 99..=number {
                assert_eq!(received(&mut deliveries).await.payload, expected.to_string(), "in the order of publishing");
            }
        }
    }
    layer.leave(ada).await.expect("left");
    layer.publish(publications(&[ada], "after leaving")).await.expect("published");
    layer.publish(publications(&[place], "last")).await.expect("published");
    assert_eq!(received(&mut deliveries).await.payload, "last");
}

/// What two nodes on one layer know of each other.
async fn conforms_between_nodes(one: Arc<dyn ChannelLayer>, other: Arc<dyn ChannelLayer>) {
    let mut deliveries = [deliveries(&*one), deliveries(&*other)];
    let (ada, ben) = (Topic::User(UserId(1)), Topic::User(UserId(2)));
    one.join(ada).await.expect("joined");
    other.join(ada).await.expect("joined");
    other.join(ben).await.expect("joined");
    one.publish(publications(&[ada, ben], "to both")).await.expect("published");
    assert_eq!(received(&mut deliveries[0]).await.topics, [ada]);
    assert_eq!(received(&mut deliveries[1]).await.topics, [ada, ben]);
    one.leave(ada).await.expect("left");
    other.publish(publications(&[ada], "to the other")).await.expect("published");
    assert_eq!(received(&mut deliveries[1]).await.payload, "to the other");
    one.join(Topic::Nodes).await.expect("joined");
    one.publish(publications(&[Topic::Nodes], "to itself")).await.expect("published");
    assert_eq!(received(&mut deliveries[0]).await.payload, "to itself", "what it left is not delivered");
}

const LONG: Duration = Duration::from_mins(10);

fn entry(user: i64, level: PresenceLevel, last_seen_ms: i64, expires_after: Duration) -> Vec<PresenceEntry> {
    vec![PresenceEntry { user: UserId(user), level, last_seen_ms, expires_after }]
}

/// Presence entries.
async fn conforms_for_presence(one: Arc<dyn ChannelLayer>, other: Arc<dyn ChannelLayer>) {
    let (first, second) = (Epoch(11), Epoch(12));
    let both = vec![UserId(1), UserId(2)];
    let seen =
        async |layer: &Arc<dyn ChannelLayer>| layer.presence_of(both.clone()).await.expect("the layer runs").users;
    assert_eq!(seen(&one).await, []);
    let of_ada = |level, last_seen_ms| vec![UserPresence { user: UserId(1), level, last_seen_ms }];

    one.put_presence(first, entry(1, PresenceLevel::Idle, 5, LONG)).await.expect("published");
    assert_eq!(seen(&other).await, of_ada(PresenceLevel::Idle, 5), "every node sees it");
    other.put_presence(second, entry(1, PresenceLevel::Online, 3, LONG)).await.expect("published");
    assert_eq!(seen(&one).await, of_ada(PresenceLevel::Online, 5), "the greatest and the latest count");
    other.put_presence(second, entry(1, PresenceLevel::Gone, 4, LONG)).await.expect("published");
    assert_eq!(seen(&one).await, of_ada(PresenceLevel::Idle, 5), "a node replaces its own entry, and no other's");
    one.put_presence(first, entry(1, PresenceLevel::Gone, 9, LONG)).await.expect("published");
    assert_eq!(seen(&other).await, of_ada(PresenceLevel::Gone, 9));

    one.put_presence(first, entry(2, PresenceLevel::Online, 7, Duration::from_millis(300))).await.expect("published");
    assert_eq!(seen(&other).await.len(), 2);
    let ends = async {
        while seen(&other).await.len() == 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), ends).await.expect("entries that are not repeated expire");

    let crowd = (1..=3000).flat_map(|user| entry(user, PresenceLevel::Online, 1, LONG)).collect();
    one.put_presence(first, crowd).await.expect("published");
    let all = other.presence_of((1..=3000).map(UserId).collect()).await.expect("the layer runs");
    assert_eq!(all.users.len(), 3000, "every user is counted");
}

#[tokio::test]
async fn the_memory_layer_conforms() {
    conforms(Arc::new(MemoryLayer::default())).await;
    let one = MemoryLayer::default();
    let other = one.beside();
    conforms_between_nodes(Arc::new(one), Arc::new(other)).await;
    let one = MemoryLayer::default();
    let other = one.beside();
    conforms_for_presence(Arc::new(one), Arc::new(other)).await;
}

/// Returns another node's side of the layer, once it is connected.
async fn on_redis(redis: &Redis, prefix: &str, keys: &[&str]) -> Arc<RedisLayer> {
    let options = RedisLayerOptions {
        url: redis.url(),
        prefix: prefix.to_owned(),
        encryption_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        environment: Environment::real(),
    };
    let layer = Arc::new(RedisLayer::start(options, &Supervisor::default()).expect("a URL"));
    until_connected(&*layer, true).await;
    layer
}

async fn until_connected(layer: &dyn ChannelLayer, is_connected: bool) {
    let mut status = layer.status();
    let wanted = status.wait_for(|status| status.is_connected == is_connected);
    timeout(Duration::from_secs(30), wanted).await.expect("in time").expect("the layer runs");
}

#[tokio::test]
async fn the_redis_layer_conforms() {
    if !crate::redis::is_installed() {
        return;
    }
    let redis = Redis::start().await;
    for (prefix, keys) in [("plain", &[][..]), ("encrypted", &["new", "old"])] {
        conforms(on_redis(&redis, prefix, keys).await).await;
        let of_the_other = if keys.is_empty() { keys } else { &["old", "new"] };
        let between = format!("{prefix}-between");
        let [one, other] = [on_redis(&redis, &between, keys).await, on_redis(&redis, &between, of_the_other).await];
        conforms_between_nodes(one.clone(), other.clone()).await;
        conforms_for_presence(one, other).await;
    }
}

#[tokio::test]
async fn many_topics_bring_one_copy_each_in_the_order_of_publishing() {
    if !crate::redis::is_installed() {
        return;
    }
    let redis = Redis::start().await;
    let (one, other) = (on_redis(&redis, "many", &[]).await, on_redis(&redis, "many", &[]).await);
    let mut deliveries = deliveries(&*other);
    let all: Vec<Topic> = (1..=300).map(|user| Topic::User(UserId(user))).collect();
    for topic in all.iter().chain([&Topic::Nodes]) {
        other.join(*topic).await.expect("joined");
    }
    // Few topics have channels of their own, many share one: both stay in order.
    for number in 0..200 {
        let topics = if number % 2 == 0 { &all[..3] } else { &all[..] };
        one.publish(publications(topics, &number.to_string())).await.expect("published");
    }
    for number in 0..200 {
        let delivery = received(&mut deliveries).await;
        let count = if number % 2 == 0 { 3 } else { 300 };
        assert_eq!((delivery.payload, delivery.topics.len()), (Bytes::from(number.to_string()), count));
    }
}

#[tokio::test]
async fn a_redis_that_goes_away_and_returns_is_joined_again() {
    if !crate::redis::is_installed() {
        return;
    }
    let mut redis = Redis::start().await;
    let (one, other) = (on_redis(&redis, "away", &[]).await, on_redis(&redis, "away", &[]).await);
    let (mut at_one, mut at_other) = (deliveries(&*one), deliveries(&*other));
    let (early, late) = (Topic::User(UserId(1)), Topic::User(UserId(2)));
    other.join(early).await.expect("joined");
    let interruptions = other.status().borrow().interruptions;
    redis.stop();
    until_connected(&*other, false).await;
    assert_eq!(other.status().borrow().interruptions, interruptions + 1);
    timeout(Duration::from_secs(10), other.join(late)).await.expect("it does not wait for Redis").expect("joined");
    timeout(Duration::from_secs(10), one.join(late)).await.expect("it does not wait for Redis").expect("joined");
    let lost = async {
        while one.publish(publications(&[late], "lost")).await.is_ok() {
            assert_eq!(received(&mut at_one).await.payload, "lost", "a node always reaches itself");
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), lost).await.expect("publishing fails without Redis");
    redis.restart().await;
    until_connected(&*other, true).await;
    // The publisher finds out with the next publication.
    let heard = async {
        loop {
            let _lost = one.publish(publications(&[early, late], "again")).await;
            if let Ok(delivery) = at_other.try_recv() {
                return delivery;
            }
            tokio::task::yield_now().await;
        }
    };
    let delivery = timeout(Duration::from_secs(30), heard).await.expect("it is back");
    assert_eq!((delivery.payload, delivery.topics), (Bytes::from("again"), vec![early, late]));
}

#[test]
fn node_messages_round_trip_and_garbage_is_refused() {
    let committed = NodeMessage::Committed { node: Epoch(7), first: Version(1), last: Version(9) };
    assert_eq!(LayerMessage::decode(&LayerMessage::node(&committed)), Ok(LayerMessage::Node(committed)));
    assert_eq!(LayerMessage::decode(&LayerMessage::event("{}")), Ok(LayerMessage::Event(Bytes::from("{}"))));
    let for_others = LayerMessage::event_for_others(UserId(7), "{}");
    assert_eq!(LayerMessage::decode(&for_others), Ok(LayerMessage::EventForOthers(UserId(7), Bytes::from("{}"))));
    for payload in ["", "x", "o", "o1234567", "n", "n{}", "n{\"type\":\"of a newer version\"}"] {
        assert!(LayerMessage::decode(&Bytes::from(payload)).is_err(), "{payload:?}");
    }
}
