//! Presence where things fall between: what comes into doubt while the store or the layer is being asked, and a node that
//! is late. A layer that stops on the way puts each thing where it hurts.

use super::{World, conformance, presence::Watcher};
use futures_util::future::BoxFuture;
use parlor::{
    app::App,
    channel_layer::{ChannelLayer, Deliver, Publication, Seen, Sign, Topic, Unavailable, memory::Memory},
    domain::{Change, Profile},
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
use tokio::{sync::oneshot, time::timeout};

conformance! {
    who_is_removed_while_it_is_asked_anew_is_unknown_once,
    who_is_removed_before_the_answer_is_told_is_not_told_of,
    who_came_into_doubt_since_the_question_is_not_joined,
    what_was_told_before_goes_out_before_the_answer_that_replaces_it,
    a_node_that_waits_for_the_store_goes_on_saying_who_is_here,
    who_shows_himself_again_is_told_soon_after_looks_that_failed,
    a_node_that_is_late_knows_who_is_here_all_the_same,
}

/// Where a node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// It has put a connection into the topic of one.
    Joining,
    /// It looks who is here.
    Looking,
    /// It says who is here.
    Saying,
}

/// A layer whose node stops where it is told to.
#[derive(Debug)]
struct Gated {
    layer: Memory,
    stop: Mutex<Option<Stop>>,
    said: AtomicU64,
    looked: AtomicU64,
    /// So many of the next joinings fail.
    failing: AtomicU64,
    /// How often it had looked at each joining.
    joined: Mutex<Vec<u64>>,
}

#[derive(Debug)]
struct Stop {
    at: At,
    reached: oneshot::Sender<(Vec<UserId>, oneshot::Sender<()>)>,
}

/// A node that stands still.
struct Stopped {
    /// About whom it was.
    users: Vec<UserId>,
    go: oneshot::Sender<()>,
}

impl Gated {
    async fn node(world: &World) -> (Arc<Self>, Arc<App>) {
        let gated = Arc::new(Self {
            layer: world.layer.beside(),
            stop: Mutex::default(),
            said: AtomicU64::default(),
            looked: AtomicU64::default(),
            failing: AtomicU64::default(),
            joined: Mutex::default(),
        });
        let app = world.node_on(gated.clone()).await;
        (gated, app)
    }

    /// The next time that it comes by there, it stops.
    fn stop(&self, at: At) -> impl Future<Output = Stopped> + use<> {
        let (reached, stopped) = oneshot::channel();
        let before = self.stop.lock().expect("not poisoned").replace(Stop { at, reached });
        assert!(before.is_none(), "one stop at a time");
        async {
            let reached = timeout(Duration::from_secs(20), stopped).await;
            let (users, go) = reached.expect("it comes by in time").expect("it comes by");
            Stopped { users, go }
        }
    }

    fn comes_by(&self, at: At, users: Vec<UserId>) -> impl Future<Output = ()> + use<> {
        let stop = self.stop.lock().expect("not poisoned").take_if(|stop| stop.at == at);
        async move {
            if let Some(stop) = stop {
                let (go, going) = oneshot::channel();
                if stop.reached.send((users, go)).is_ok() {
                    // A test that has ended lets it go, too.
                    drop(going.await);
                }
            }
        }
    }
}

impl Stopped {
    fn go(self) {
        self.go.send(()).expect("it waits");
    }
}

impl ChannelLayer for Gated {
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.layer.publish(publications)
    }

    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>> {
        let Topic::Presence(user) = topic else { return self.layer.join(topic) };
        Box::pin(async move {
            self.comes_by(At::Joining, vec![user]).await;
            self.joined.lock().expect("not poisoned").push(self.looked.load(Ordering::Relaxed));
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

    fn say(&self, node: Epoch, signs: Vec<Sign>) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.comes_by(At::Saying, signs.iter().map(|sign| sign.user).collect()).await;
            self.layer.say(node, signs).await?;
            self.said.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn seen(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Seen>, Unavailable>> {
        Box::pin(async move {
            self.comes_by(At::Looking, users.clone()).await;
            self.looked.fetch_add(1, Ordering::Relaxed);
            self.layer.seen(users).await
        })
    }

    fn deliver_to(&self, deliver: Deliver) {
        self.layer.deliver_to(deliver);
    }
}

/// Waits until a node has heard all that was told so far: Ada, whose connection there it is, is sent a message.
async fn heard(world: &World, watcher: &Watcher, conversation: ConversationId) {
    let sent = world.send("Ada", conversation, "so far").await;
    let is_it = |event: &serde_json::Value| {
        event["type"] == "message.created" && event["message"]["id"] == serde_json::json!(sent.message.id)
    };
    let hearing = async { while !is_it(&watcher.event().await) {} };
    assert!(timeout(Duration::from_secs(20), hearing).await.is_ok(), "a message is heard");
}

async fn comes(is_so: impl AsyncFn() -> bool, what: &str) {
    let waiting = async {
        while !is_so().await {
            // waits for: what is asked, again and again
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), waiting).await.is_ok(), "{what}");
}

/// Ada and Ben in two groups; Ada watches Ben on a node that can be stopped.
struct Scene {
    gated: Arc<Gated>,
    node: Arc<App>,
    groups: [ConversationId; 2],
    ben: UserId,
    of_ada: Watcher,
}

impl Scene {
    async fn new(world: &World) -> Self {
        let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
        let groups = [world.group("Ada", &["Ben"]).await, world.group("Ada", &["Ben"]).await];
        let (gated, node) = Gated::node(world).await;
        let of_ada = Watcher::new(&node, ada).await;
        assert_eq!(of_ada.watch(&[ben, ada]).await, [Offline; 2]);
        Self { gated, node, groups, ben, of_ada }
    }

    /// All that Ada is told of Ben until something is told of herself, whom the node looks at after it has asked.
    async fn told_of_ben(&self, world: &World) -> Vec<PresenceStatus> {
        let ada = world.person("Ada").await;
        let _here = world.app.presence.arrive(ada);
        let told = self.of_ada.until(ada, Online).await;
        told.iter().filter(|presence| presence.user == self.ben).map(|presence| presence.status).collect()
    }
}

async fn who_is_removed_while_it_is_asked_anew_is_unknown_once(world: World) {
    let scene = Scene::new(&world).await;
    let stopped = scene.gated.stop(At::Joining);
    world.remove("Ada", scene.groups[0], "Ben").await.expect("an owner may");
    let stopped = stopped.await;
    assert_eq!(stopped.users, [scene.ben], "they share the other group");
    world.remove("Ada", scene.groups[1], "Ben").await.expect("an owner may");
    heard(&world, &scene.of_ada, scene.groups[1]).await;
    stopped.go();
    scene.of_ada.until(scene.ben, Unknown).await;
    assert_eq!(scene.told_of_ben(&world).await, [], "it was told already");
}

async fn who_is_removed_before_the_answer_is_told_is_not_told_of(world: World) {
    let scene = Scene::new(&world).await;
    let stopped = scene.gated.stop(At::Joining);
    world.remove("Ada", scene.groups[0], "Ben").await.expect("an owner may");
    // He comes while it is being asked, so that there is something to tell.
    let _here = world.app.presence.arrive(scene.ben);
    let joining = stopped.await;
    let mut stopped = scene.gated.stop(At::Looking);
    joining.go();
    let first = stopped.await;
    stopped = scene.gated.stop(At::Looking);
    first.go();
    let second = stopped.await;
    assert!(second.users.contains(&scene.ben));
    world.remove("Ada", scene.groups[1], "Ben").await.expect("an owner may");
    heard(&world, &scene.of_ada, scene.groups[1]).await;
    second.go();
    let told = scene.of_ada.until(scene.ben, Unknown).await;
    assert_eq!(told.len(), 1, "it was known here that she may not be told: {told:?}");
    assert_eq!(scene.told_of_ben(&world).await, []);
}

async fn who_came_into_doubt_since_the_question_is_not_joined(world: World) {
    let (ada, ben, cleo) = (world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await);
    let (with_ben, with_cleo) = (world.group("Ada", &["Ben"]).await, world.group("Ada", &["Cleo"]).await);
    let (gated, node) = Gated::node(&world).await;
    let of_ada = Watcher::new(&node, ada).await;
    of_ada.watch(&[ben, cleo]).await;
    let stopped = gated.stop(At::Joining);
    // Of all whom she watches it is asked anew at once.
    let profile = Profile { presence: Some(false), ..Profile::default() };
    world.app.commit.submit(Change::UpdateProfile { user: ada, profile }).await.expect("her own affair");
    let stopped = stopped.await;
    let (name, other, group) = if stopped.users == [ben] { ("Cleo", cleo, with_cleo) } else { ("Ben", ben, with_ben) };
    world.remove("Ada", group, name).await.expect("an owner may");
    heard(&world, &of_ada, group).await;
    let looking = gated.stop(At::Looking);
    stopped.go();
    let looking = looking.await;
    assert!(!node.hub.watched().contains(&other), "it is known here that she may not see {name}");
    looking.go();
    let told = of_ada.until(other, Unknown).await;
    assert!(told.iter().all(|presence| presence.user != other || presence.status == Unknown), "{told:?}");
}

async fn what_was_told_before_goes_out_before_the_answer_that_replaces_it(world: World) {
    let scene = Scene::new(&world).await;
    let here = world.app.presence.arrive(scene.ben);
    // She has not taken what is told of him; another does.
    let other = Watcher::new(&scene.node, world.person("Ada").await).await;
    other.watch_until(scene.ben, Online).await;
    here.set_idle(true);
    other.until(scene.ben, Idle).await;
    let (waiting, watched) = scene.node.presence.watch(world.person("Ada").await, &scene.of_ada.attached, &[]).await;
    assert_eq!(watched, Ok(Vec::new()));
    let told = waiting.iter().filter(|frame| String::from_utf8_lossy(frame).contains("presence.changed")).count();
    assert!(told >= 2, "online and idle go out before it is answered that she watches nobody");
    assert!(scene.of_ada.attached.outbox.take_ready().is_empty(), "and not after");
}

async fn a_node_that_waits_for_the_store_goes_on_saying_who_is_here(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    let (gated, node) = Gated::node(&world).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = node.presence.arrive(ben);
    of_ada.watch_until(ben, Online).await;
    let looking = gated.stop(At::Looking).await;
    let said = gated.said.load(Ordering::Relaxed);
    comes(async || gated.said.load(Ordering::Relaxed) >= said + 2, "it says who is here while it looks").await;
    looking.go();
}

async fn who_shows_himself_again_is_told_soon_after_looks_that_failed(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let (gated, node) = Gated::node(&world).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = world.app.presence.arrive(ben);
    world.direct("Ada", "Ben").await;
    let switch = async |presence: bool| {
        let profile = Profile { presence: Some(presence), ..Profile::default() };
        world.app.commit.submit(Change::UpdateProfile { user: ben, profile }).await.expect("his own affair");
    };
    switch(false).await;
    assert_eq!(of_ada.watch(&[ben]).await, [Unknown]);
    gated.failing.store(3, Ordering::Relaxed);
    switch(true).await;
    of_ada.until(ben, Online).await;
    let joined = gated.joined.lock().expect("not poisoned").clone();
    assert_eq!(joined.len(), 4, "three that failed, and the one after");
    // A look asks the layer twice. Whom nobody has in mind is only tried at each tenth look.
    assert!(joined[3] - joined[0] < 30, "the next look takes whom the last could not: {joined:?}");
}

async fn a_node_that_is_late_knows_who_is_here_all_the_same(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    let (gated, node) = Gated::node(&world).await;
    let of_ada = Watcher::new(&node, ada).await;
    let _here = node.presence.arrive(ben);
    of_ada.watch_until(ben, Online).await;
    let saying = gated.stop(At::Saying).await;
    let is_over = async || world.layer.seen(vec![ben]).await.expect("it is there").is_empty();
    comes(is_over, "a sign that is not put up again ends").await;
    assert_eq!(node.presence.ask(ada, &[ben]).await.expect("the store is there")[0].status, Online);
    saying.go();
}
