//! The channel layer's conformance suite: what every implementation must do.

use bytes::Bytes;
use parlor::channel_layer::{ChannelLayer, Here, Message, NodeMessage, Publication, Seen, Sign, Topic, memory::Memory};
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

fn sign(user: i64, here: Here, seen_ms: i64, lasts: Duration) -> Vec<Sign> {
    vec![Sign { user: UserId(user), here, seen_ms, lasts }]
}

/// Presence signs.
async fn conforms_for_presence(one: Arc<dyn ChannelLayer>, other: Arc<dyn ChannelLayer>) {
    let (first, second) = (Epoch(11), Epoch(12));
    let both = vec![UserId(1), UserId(2)];
    let seen = async |layer: &Arc<dyn ChannelLayer>| layer.seen(both.clone()).await.expect("the layer runs");
    assert_eq!(seen(&one).await, []);
    let of_ada = |here, seen_ms| vec![Seen { user: UserId(1), here, seen_ms }];

    one.say(first, sign(1, Here::Idle, 5, LONG)).await.expect("published");
    assert_eq!(seen(&other).await, of_ada(Here::Idle, 5), "every node sees it");
    other.say(second, sign(1, Here::Online, 3, LONG)).await.expect("published");
    assert_eq!(seen(&one).await, of_ada(Here::Online, 5), "the greatest and the latest count");
    other.say(second, sign(1, Here::Gone, 4, LONG)).await.expect("published");
    assert_eq!(seen(&one).await, of_ada(Here::Idle, 5), "a node replaces its own sign, and no other's");
    one.say(first, sign(1, Here::Gone, 9, LONG)).await.expect("published");
    assert_eq!(seen(&other).await, of_ada(Here::Gone, 9));

    one.say(first, sign(2, Here::Online, 7, Duration::from_millis(300))).await.expect("published");
    assert_eq!(seen(&other).await.len(), 2);
    let ends = async {
        while seen(&other).await.len() == 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), ends).await.expect("signs that are not repeated expire");

    let crowd = (1..=3000).flat_map(|user| sign(user, Here::Online, 1, LONG)).collect();
    one.say(first, crowd).await.expect("published");
    let all = other.seen((1..=3000).map(UserId).collect()).await.expect("the layer runs");
    assert_eq!(all.len(), 3000, "every user is counted");
}

#[tokio::test]
async fn the_memory_layer_conforms() {
    conforms(Arc::new(Memory::default())).await;
    let one = Memory::default();
    let other = one.beside();
    conforms_between_nodes(Arc::new(one), Arc::new(other)).await;
    let one = Memory::default();
    let other = one.beside();
    conforms_for_presence(Arc::new(one), Arc::new(other)).await;
}

#[test]
fn node_messages_round_trip_and_garbage_is_refused() {
    let committed = NodeMessage::Committed { node: Epoch(7), first: Version(1), last: Version(9) };
    assert_eq!(Message::decode(&Message::node(&committed)), Ok(Message::Node(committed)));
    assert_eq!(Message::decode(&Message::event("{}")), Ok(Message::Event(Bytes::from("{}"))));
    let for_others = Message::event_for_others(UserId(7), "{}");
    assert_eq!(Message::decode(&for_others), Ok(Message::EventForOthers(UserId(7), Bytes::from("{}"))));
    for payload in ["", "x", "o", "o1234567", "n", "n{}", "n{\"type\":\"of a newer version\"}"] {
        assert!(Message::decode(&Bytes::from(payload)).is_err(), "{payload:?}");
    }
}
