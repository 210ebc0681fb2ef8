//! The hub on a slow channel layer.

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use parlor::{
    channel_layer::{
        ChannelLayer, Deliver, LayerMessage, LayerStatus, PresenceAnswer, PresenceEntry, Publication, Topic,
        Unavailable, memory::MemoryLayer,
    },
    config::Config,
    hub::{AttachError, Hub, Taken},
    metrics::Metrics,
};
use parlor_protocol::{
    close::Close,
    ids::{ConversationId, Epoch, SessionId, UserId},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

/// A leave that pauses twice: before it takes effect, and before it returns.
#[derive(Debug)]
struct PausedLeave {
    begun: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
    done: oneshot::Sender<()>,
    end: oneshot::Receiver<()>,
}

/// The memory layer, whose next leave can be paused.
#[derive(Debug, Default)]
struct PausingLayer {
    layer: MemoryLayer,
    next: Mutex<Option<PausedLeave>>,
}

impl ChannelLayer for PausingLayer {
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
            // If the test has ended, this ends too.
            drop(held.end.await);
            left
        })
    }

    fn put_presence(&self, node: Epoch, entries: Vec<PresenceEntry>) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.put_presence(node, entries)
    }

    fn presence_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<PresenceAnswer, Unavailable>> {
        self.layer.presence_of(users)
    }

    fn deliver_to(&self, deliver: Deliver) {
        self.layer.deliver_to(deliver);
    }

    fn status(&self) -> watch::Receiver<LayerStatus> {
        self.layer.status()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), what).await.expect("in time")
}

#[tokio::test]
async fn a_connection_that_joins_while_the_last_one_leaves_receives_everything() {
    let layer = Arc::new(PausingLayer::default());
    let config = Config::with(&[]).expect("the defaults are valid");
    let (hub, _told) = Hub::new(layer.clone(), config.limits, Arc::new(Metrics::new()));
    let (ada, session) = (UserId(1), SessionId(1));
    let first = hub.attach(ada, session).await.expect("attached");
    let ((begun, begins), (go, goes), (done, is_done), (end, ends)) =
        (oneshot::channel(), oneshot::channel(), oneshot::channel(), oneshot::channel());
    *layer.next.lock().expect("not poisoned") = Some(PausedLeave { begun, go: goes, done, end: ends });
    drop(first);
    soon(begins).await.expect("the topic is left");

    // She returns before the layer has left her topic.
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
    let event = Publication { topics: vec![Topic::User(ada)], payload: LayerMessage::event("{}") };
    layer.publish(vec![event]).await.expect("published");
    assert!(matches!(soon(second.send_queue.take()).await, Taken::Frames(frames) if frames == ["{}"]));
}

#[tokio::test]
async fn a_member_removed_after_the_query_receives_no_events_of_the_conversation() {
    let config = Config::with(&[]).expect("the defaults are valid");
    let (hub, _told) = Hub::new(Arc::new(MemoryLayer::default()), config.limits, Arc::new(Metrics::new()));
    let (ada, left, stays) = (UserId(1), ConversationId(1), ConversationId(2));
    let attached = hub.attach(ada, SessionId(1)).await.expect("attached");
    let inquiry = hub.begin_check();
    // The store has just reported Ada as a member of both.
    hub.remove(left, &[ada]);
    attached.show(&inquiry, &[left, stays]).await.expect("joined");
    assert!(attached.is_showing(&[stays]) && !attached.is_showing(&[left, stays]));
    for (conversation, text) in [(left, "no longer hers"), (stays, "hers")] {
        hub.deliver(&[Topic::Conversation(conversation)], &Bytes::from(text));
    }
    assert!(matches!(soon(attached.send_queue.take()).await, Taken::Frames(frames) if frames == ["hers"]));
    drop(inquiry);
    // Queried again, the store reports that Ada was added again.
    attached.show(&hub.begin_check(), &[left, stays]).await.expect("joined");
    assert!(attached.is_showing(&[left, stays]));
}

#[tokio::test]
async fn an_old_socket_receives_rows_of_the_host_only_and_ends_with_its_session() {
    let mut config = Config::with(&[]).expect("the defaults are valid");
    config.limits.user_connections_max = 3;
    let (hub, _told) = Hub::new(Arc::new(MemoryLayer::default()), config.limits, Arc::new(Metrics::new()));
    let (ada, session, another) = (UserId(1), SessionId(1), SessionId(2));
    let old = hub.attach_old_socket(ada, session).await.expect("attached");
    let old_of_another = hub.attach_old_socket(ada, another).await.expect("attached");
    let own = hub.attach(ada, session).await.expect("attached");
    assert!(matches!(hub.attach_old_socket(ada, session).await, Err(AttachError::TooMany)));
    hub.deliver(&[Topic::User(ada)], &Bytes::from("an event"));
    hub.deliver(&[Topic::Host(ada)], &Bytes::from("a row"));
    hub.deliver(&[Topic::Host(UserId(2))], &Bytes::from("a row of somebody else"));
    assert!(matches!(soon(old.send_queue.take()).await, Taken::Frames(frames) if frames == ["a row"]));
    assert!(matches!(soon(own.send_queue.take()).await, Taken::Frames(frames) if frames == ["an event"]));
    hub.end_sessions(ada, Close::SessionEnded, |ended| ended == session);
    assert_eq!(
        [&old, &old_of_another, &own].map(|socket| socket.send_queue.closed()),
        [Some(Close::SessionEnded), None, Some(Close::SessionEnded)]
    );
    drop(old);
    hub.deliver(&[Topic::Host(ada)], &Bytes::from("another row"));
    let rows = soon(old_of_another.send_queue.take()).await;
    assert!(matches!(rows, Taken::Frames(frames) if frames == ["a row", "another row"]));
}
