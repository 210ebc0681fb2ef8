//! Races of presence: changes while the store or the layer is being queried, and late nodes. A layer that pauses on
//! request puts each change at the worst moment.

use super::{TestCluster, conformance, presence::Watcher};
use futures_util::future::BoxFuture;
use parlor::{
    app::App,
    channel_layer::{
        ChannelLayer, Deliver, LayerStatus, PresenceAnswer, PresenceEntry, Publication, Topic, Unavailable,
        memory::MemoryLayer,
    },
    domain::{Change, ProfileUpdate},
};
use parlor_protocol::{
    ids::{ConversationId, Epoch, UserId},
    model::PresenceStatus::{self, Idle, Offline, Online, Unknown},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

conformance! {
    a_user_removed_during_a_recheck_becomes_unknown_once,
    a_user_removed_before_the_answer_is_sent_is_not_reported,
    a_user_in_question_since_the_query_is_not_subscribed,
    earlier_presence_is_sent_before_the_answer_that_replaces_it,
    a_node_waiting_for_the_store_keeps_reporting_presence,
    a_user_who_shows_presence_again_is_reported_soon_after_failed_checks,
    a_late_node_still_knows_presence,
}

/// Where a node pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PausePoint {
    /// It has joined a connection to a user's topic.
    Joining,
    /// It reads presence.
    Reading,
    /// It publishes presence.
    Publishing,
}

/// A layer whose node pauses on request.
#[derive(Debug)]
struct PausingNodeLayer {
    layer: MemoryLayer,
    stop: Mutex<Option<Stop>>,
    published: AtomicU64,
    reads: AtomicU64,
    /// The number of next joins that fail.
    failing: AtomicU64,
    /// The number of reads before each join.
    joined: Mutex<Vec<u64>>,
}

#[derive(Debug)]
struct Stop {
    at: PausePoint,
    reached: oneshot::Sender<(Vec<UserId>, oneshot::Sender<()>)>,
}

/// A paused node.
struct PausedNode {
    /// The users concerned.
    users: Vec<UserId>,
    go: oneshot::Sender<()>,
}

impl PausingNodeLayer {
    async fn node(cluster: &TestCluster) -> (Arc<Self>, Arc<App>) {
        let paused_layer = Arc::new(Self {
            layer: cluster.layer.beside(),
            stop: Mutex::default(),
            published: AtomicU64::default(),
            reads: AtomicU64::default(),
            failing: AtomicU64::default(),
            joined: Mutex::default(),
        });
        let app = cluster.node_on(paused_layer.clone()).await;
        (paused_layer, app)
    }

    /// Pauses the node the next time it gets there.
    fn stop(&self, at: PausePoint) -> impl Future<Output = PausedNode> + use<> {
        let (reached, paused) = oneshot::channel();
        let before = self.stop.lock().expect("not poisoned").replace(Stop { at, reached });
        assert!(before.is_none(), "one stop at a time");
        async {
            let reached = timeout(Duration::from_secs(20), paused).await;
            let (users, go) = reached.expect("it gets there in time").expect("it gets there");
            PausedNode { users, go }
        }
    }

    fn pause_at(&self, at: PausePoint, users: Vec<UserId>) -> impl Future<Output = ()> + use<> {
        let stop = self.stop.lock().expect("not poisoned").take_if(|stop| stop.at == at);
        async move {
            if let Some(stop) = stop {
                let (go, going) = oneshot::channel();
                if stop.reached.send((users, go)).is_ok() {
                    // A finished test releases it, too.
                    drop(going.await);
                }
            }
        }
    }
}

impl PausedNode {
    fn go(self) {
        self.go.send(()).expect("it waits");
    }
}

impl ChannelLayer for PausingNodeLayer {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.publish(publications)
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        let Topic::Presence(user) = topic else { return self.layer.join(topic) };
        Box::pin(async move {
            self.pause_at(PausePoint::Joining, vec![user]).await;
            self.joined.lock().expect("not poisoned").push(self.reads.load(Ordering::Relaxed));
            let fewer = |failing: u64| failing.checked_sub(1);
            if self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
                return Err(Unavailable("it is to fail".to_owned()));
            }
            self.layer.join(topic).await
        })
    }

    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.leave(topic)
    }

    fn put_presence(&self, node: Epoch, entries: Vec<PresenceEntry>) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.pause_at(PausePoint::Publishing, entries.iter().map(|entry| entry.user).collect()).await;
            self.layer.put_presence(node, entries).await?;
            self.published.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn presence_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<PresenceAnswer, Unavailable>> {
        Box::pin(async move {
            self.pause_at(PausePoint::Reading, users.clone()).await;
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.layer.presence_of(users).await
        })
    }

    fn deliver_to(&self, deliver: Deliver) {
        self.layer.deliver_to(deliver);
    }

    fn status(&self) -> watch::Receiver<LayerStatus> {
        self.layer.status()
    }
}

/// Waits until a node has received everything so far: sends a message to Ada, who is connected to it.
async fn received(cluster: &TestCluster, watcher: &Watcher, conversation: ConversationId) {
    let sent = cluster.send("Ada", conversation, "so far").await;
    let is_it = |event: &serde_json::Value| {
        event["type"] == "message.created" && event["message"]["id"] == serde_json::json!(sent.message.id)
    };
    let hearing = async { while !is_it(&watcher.event().await) {} };
    assert!(timeout(Duration::from_secs(20), hearing).await.is_ok(), "a message is received");
}

async fn wait_until(is_so: impl AsyncFn() -> bool, what: &str) {
    let waiting = async {
        while !is_so().await {
            // waits for: the condition, checked repeatedly
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), waiting).await.is_ok(), "{what}");
}

/// Ada and Ben in two groups; Ada watches Ben on a node that can be paused.
struct Watching {
    paused_layer: Arc<PausingNodeLayer>,
    node: Arc<App>,
    groups: [ConversationId; 2],
    ben: UserId,
    of_ada: Watcher,
}

impl Watching {
    async fn new(cluster: &TestCluster) -> Self {
        let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
        let groups = [cluster.group("Ada", &["Ben"]).await, cluster.group("Ada", &["Ben"]).await];
        let (paused_layer, node) = PausingNodeLayer::node(cluster).await;
        let of_ada = Watcher::new(&node, ada).await;
        assert_eq!(of_ada.watch(&[ben, ada]).await, [Offline; 2]);
        Self { paused_layer, node, groups, ben, of_ada }
    }

    /// Collects what Ada receives about Ben until she receives her own presence, which the node reads afterwards.
    async fn presence_of_ben(&self, cluster: &TestCluster) -> Vec<PresenceStatus> {
        let ada = cluster.user("Ada").await;
        let _here = cluster.app.presence.connect(ada);
        let reported = self.of_ada.until(ada, Online).await;
        reported.iter().filter(|presence| presence.user == self.ben).map(|presence| presence.status).collect()
    }
}

async fn a_user_removed_during_a_recheck_becomes_unknown_once(cluster: TestCluster) {
    let fixture = Watching::new(&cluster).await;
    let paused = fixture.paused_layer.stop(PausePoint::Joining);
    cluster.remove("Ada", fixture.groups[0], "Ben").await.expect("an owner may");
    let paused = paused.await;
    assert_eq!(paused.users, [fixture.ben], "they share the other group");
    cluster.remove("Ada", fixture.groups[1], "Ben").await.expect("an owner may");
    received(&cluster, &fixture.of_ada, fixture.groups[1]).await;
    paused.go();
    fixture.of_ada.until(fixture.ben, Unknown).await;
    assert_eq!(fixture.presence_of_ben(&cluster).await, [], "it was already reported");
}

async fn a_user_removed_before_the_answer_is_sent_is_not_reported(cluster: TestCluster) {
    let fixture = Watching::new(&cluster).await;
    let paused = fixture.paused_layer.stop(PausePoint::Joining);
    cluster.remove("Ada", fixture.groups[0], "Ben").await.expect("an owner may");
    // He connects during the query, so that there is something to report.
    let _here = cluster.app.presence.connect(fixture.ben);
    let joining = paused.await;
    let mut paused = fixture.paused_layer.stop(PausePoint::Reading);
    joining.go();
    let first = paused.await;
    paused = fixture.paused_layer.stop(PausePoint::Reading);
    first.go();
    let second = paused.await;
    assert!(second.users.contains(&fixture.ben));
    cluster.remove("Ada", fixture.groups[1], "Ben").await.expect("an owner may");
    received(&cluster, &fixture.of_ada, fixture.groups[1]).await;
    second.go();
    let reported = fixture.of_ada.until(fixture.ben, Unknown).await;
    assert_eq!(reported.len(), 1, "this node knew that she must not see it: {reported:?}");
    assert_eq!(fixture.presence_of_ben(&cluster).await, []);
}

async fn a_user_in_question_since_the_query_is_not_subscribed(cluster: TestCluster) {
    let (ada, ben, cleo) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await);
    let (with_ben, with_cleo) = (cluster.group("Ada", &["Ben"]).await, cluster.group("Ada", &["Cleo"]).await);
    let (paused_layer, node) = PausingNodeLayer::node(&cluster).await;
    let of_ada = Watcher::new(&node, ada).await;
    of_ada.watch(&[ben, cleo]).await;
    let paused = paused_layer.stop(PausePoint::Joining);
    // All users she watches are queried again at once.
    let profile = ProfileUpdate { presence: Some(false), ..ProfileUpdate::default() };
    cluster.app.commit.submit(Change::UpdateProfile { user: ada, profile }).await.expect("her own affair");
    let paused = paused.await;
    let (name, other, group) = if paused.users == [ben] { ("Cleo", cleo, with_cleo) } else { ("Ben", ben, with_ben) };
    cluster.remove("Ada", group, name).await.expect("an owner may");
    received(&cluster, &of_ada, group).await;
    let reading = paused_layer.stop(PausePoint::Reading);
    paused.go();
    let reading = reading.await;
    assert!(!node.hub.presence_topics().contains(&other), "it is known here that she may not see {name}");
    reading.go();
    let reported = of_ada.until(other, Unknown).await;
    assert!(reported.iter().all(|presence| presence.user != other || presence.status == Unknown), "{reported:?}");
}

async fn earlier_presence_is_sent_before_the_answer_that_replaces_it(cluster: TestCluster) {
    let fixture = Watching::new(&cluster).await;
    let here = cluster.app.presence.connect(fixture.ben);
    // She has not received his presence yet; another user does.
    let other = Watcher::new(&fixture.node, cluster.user("Ada").await).await;
    other.watch_until(fixture.ben, Online).await;
    here.set_idle(true);
    other.until(fixture.ben, Idle).await;
    let (waiting, watched) =
        fixture.node.presence.watch(cluster.user("Ada").await, &fixture.of_ada.attached, &[]).await;
    assert_eq!(watched, Ok(Vec::new()));
    let reported = waiting.iter().filter(|frame| String::from_utf8_lossy(frame).contains("presence.changed")).count();
    assert!(reported >= 2, "online and idle are sent before the answer that she watches no one");
    assert!(fixture.of_ada.attached.send_queue.take_ready().is_empty(), "and not after");
}

async fn a_node_waiting_for_the_store_keeps_reporting_presence(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    let (paused_layer, node) = PausingNodeLayer::node(&cluster).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = node.presence.connect(ben);
    of_ada.watch_until(ben, Online).await;
    let reading = paused_layer.stop(PausePoint::Reading).await;
    let published = paused_layer.published.load(Ordering::Relaxed);
    wait_until(
        async || paused_layer.published.load(Ordering::Relaxed) >= published + 2,
        "it publishes presence while it reads",
    )
    .await;
    reading.go();
}

async fn a_user_who_shows_presence_again_is_reported_soon_after_failed_checks(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let (paused_layer, node) = PausingNodeLayer::node(&cluster).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = cluster.app.presence.connect(ben);
    cluster.direct("Ada", "Ben").await;
    let switch = async |presence: bool| {
        let profile = ProfileUpdate { presence: Some(presence), ..ProfileUpdate::default() };
        cluster.app.commit.submit(Change::UpdateProfile { user: ben, profile }).await.expect("it is private");
    };
    switch(false).await;
    assert_eq!(of_ada.watch(&[ben]).await, [Unknown]);
    paused_layer.failing.store(3, Ordering::Relaxed);
    switch(true).await;
    of_ada.until(ben, Online).await;
    let joined = paused_layer.joined.lock().expect("not poisoned").clone();
    assert_eq!(joined.len(), 4, "three that failed, and the one after");
    // A check reads the layer twice. Users that no connection watches are retried only at every tenth check.
    assert!(joined[3] - joined[0] < 30, "the next look takes whom the last could not: {joined:?}");
}

async fn a_late_node_still_knows_presence(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    let (paused_layer, node) = PausingNodeLayer::node(&cluster).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = node.presence.connect(ben);
    of_ada.watch_until(ben, Online).await;
    let publishing = paused_layer.stop(PausePoint::Publishing).await;
    let is_over = async || cluster.layer.presence_of(vec![ben]).await.expect("it exists").users.is_empty();
    wait_until(is_over, "an entry that is not written again ends").await;
    assert_eq!(node.presence.read(ada, &[ben]).await.expect("the store is available")[0].status, Online);
    publishing.go();
}
