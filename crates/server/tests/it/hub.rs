//! The hub on a layer that takes its time.

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use parlor::{
    channel_layer::{ChannelLayer, Deliver, Message, Publication, Seen, Sign, Topic, Unavailable, memory::Memory},
    config::Config,
    hub::{Hub, Taken},
    metrics::Metrics,
};
use parlor_protocol::ids::{ConversationId, Epoch, SessionId, UserId};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// A leave that stops twice: before it is carried out, and before it returns.
#[derive(Debug)]
struct Held {
    begun: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
    done: oneshot::Sender<()>,
    end: oneshot::Receiver<()>,
}

/// The memory layer, whose next leave can be held.
#[derive(Debug, Default)]
struct Slow {
    layer: Memory,
    next: Mutex<Option<Held>>,
}

impl ChannelLayer for Slow {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.publish(publications)
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.join(topic)
    }

    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        let held = self.next.lock().expect("not poisoned").take();
        Box::pin(async move {
            let Some(held) = held else { return self.layer.leave(topic).await };
            held.begun.send(()).expect("the test waits");
            held.go.await.expect("the test lets it go");
            let left = self.layer.leave(topic).await;
            held.done.send(()).expect("the test waits");
            // Where the test has ended, it may end too.
            drop(held.end.await);
            left
        })
    }

    fn say(&self, node: Epoch, signs: Vec<Sign>) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.say(node, signs)
    }

    fn seen(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Seen>, Unavailable>> {
        self.layer.seen(users)
    }

    fn deliver_to(&self, deliver: Deliver) {
        self.layer.deliver_to(deliver);
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), what).await.expect("in time")
}

#[tokio::test]
async fn a_connection_that_comes_while_the_last_one_leaves_hears_everything() {
    let layer = Arc::new(Slow::default());
    let config = Config::with(&[]).expect("the defaults are valid");
    let (hub, _told) = Hub::new(layer.clone(), config.limits, Arc::new(Metrics::new()));
    let (ada, session) = (UserId(1), SessionId(1));
    let first = hub.attach(ada, session).await.expect("attached");
    let ((begun, begins), (go, goes), (done, is_done), (end, ends)) =
        (oneshot::channel(), oneshot::channel(), oneshot::channel(), oneshot::channel());
    *layer.next.lock().expect("not poisoned") = Some(Held { begun, go: goes, done, end: ends });
    drop(first);
    soon(begins).await.expect("the topic is left");

    // She comes back before the layer has left her topic.
    let mut coming = Box::pin(hub.attach(ada, session));
    let early = (&mut coming).now_or_never();
    go.send(()).expect("it waits");
    soon(is_done).await.expect("it is carried out");
    let second = if let Some(attached) = early {
        attached
    } else {
        end.send(()).expect("it waits");
        soon(coming).await
    };
    let second = second.expect("attached");
    let event = Publication { topics: vec![Topic::User(ada)], payload: Message::event("{}") };
    layer.publish(vec![event]).await.expect("published");
    assert!(matches!(soon(second.outbox.take()).await, Taken::Frames(frames) if frames == ["{}"]));
}

#[tokio::test]
async fn who_was_removed_since_the_store_was_asked_does_not_hear_the_conversation() {
    let config = Config::with(&[]).expect("the defaults are valid");
    let (hub, _told) = Hub::new(Arc::new(Memory::default()), config.limits, Arc::new(Metrics::new()));
    let (ada, left, stays) = (UserId(1), ConversationId(1), ConversationId(2));
    let attached = hub.attach(ada, SessionId(1)).await.expect("attached");
    let inquiry = hub.inquire();
    // The store has just said that Ada is in both.
    hub.remove(left, &[ada]);
    attached.show(&inquiry, &[left, stays]).await.expect("joined");
    assert!(attached.is_showing(&[stays]) && !attached.is_showing(&[left, stays]));
    for (conversation, text) in [(left, "no longer hers"), (stays, "hers")] {
        hub.deliver(&[Topic::Conversation(conversation)], &Bytes::from(text));
    }
    assert!(matches!(soon(attached.outbox.take()).await, Taken::Frames(frames) if frames == ["hers"]));
    drop(inquiry);
    // Asked again, the store says that Ada was added again.
    attached.show(&hub.inquire(), &[left, stays]).await.expect("joined");
    assert!(attached.is_showing(&[left, stays]));
}
