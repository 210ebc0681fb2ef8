//! The channel layer's conformance suite: what holds for every implementation.

use bytes::Bytes;
use parlor::channel_layer::{ChannelLayer, Message, NodeMessage, Publication, Topic, memory::Memory};
use parlor_protocol::ids::{ConversationId, Epoch, UserId, Version};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

fn to(topics: &[Topic], text: &str) -> Vec<Publication> {
    vec![Publication { topics: topics.to_vec(), payload: Bytes::copy_from_slice(text.as_bytes()) }]
}

async fn received(deliveries: &mut mpsc::Receiver<Publication>) -> Publication {
    timeout(Duration::from_secs(10), deliveries.recv()).await.expect("in time").expect("the layer runs")
}

async fn conforms(layer: Arc<dyn ChannelLayer>) {
    let mut deliveries = layer.deliveries().expect("taken once");
    assert!(layer.deliveries().is_none(), "and not twice");
    let (ada, ben) = (Topic::User(UserId(1)), Topic::User(UserId(2)));
    let place = Topic::Conversation(ConversationId(1));

    layer.publish(to(&[ada], "before joining")).await.expect("published");
    layer.join(ada).await.expect("joined");
    layer.join(ada).await.expect("joining again changes nothing");
    layer.join(place).await.expect("joined");
    layer.publish(to(&[ada, ben, place], "one")).await.expect("published");
    let one = received(&mut deliveries).await;
    assert_eq!((one.payload, one.topics), (Bytes::from("one"), vec![ada, place]), "once, for the joined topics");

    for number in 0..500 {
        layer.publish(to(&[ada], &number.to_string())).await.expect("published");
        if number % 100 == 99 {
            for expected in number - 99..=number {
                assert_eq!(received(&mut deliveries).await.payload, expected.to_string(), "in the order of publishing");
            }
        }
    }
    layer.leave(ada).await.expect("left");
    layer.publish(to(&[ada], "after leaving")).await.expect("published");
    layer.publish(to(&[place], "last")).await.expect("published");
    assert_eq!(received(&mut deliveries).await.payload, "last");
}

#[tokio::test]
async fn the_memory_layer_conforms() {
    conforms(Arc::new(Memory::default())).await;
}

#[test]
fn messages_of_nodes_read_back_and_nonsense_does_not() {
    let committed = NodeMessage::Committed { node: Epoch(7), first: Version(1), last: Version(9) };
    assert_eq!(Message::decode(&Message::node(&committed)), Ok(Message::Node(committed)));
    assert_eq!(Message::decode(&Message::event("{}")), Ok(Message::Event(Bytes::from("{}"))));
    for payload in ["", "x", "n", "n{}", "n{\"type\":\"of a newer version\"}"] {
        assert!(Message::decode(&Bytes::from(payload)).is_err(), "{payload:?}");
    }
}
