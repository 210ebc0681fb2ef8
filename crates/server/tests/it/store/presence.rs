//! Who may see whether whom is here, on several nodes.

use super::{World, conformance};
use bytes::Bytes;
use parlor::{
    app::App,
    domain::{Change, Profile},
    hub::{Attached, Taken},
};
use parlor_protocol::{
    error::Code,
    ids::{SessionId, UserId},
    model::{
        Presence,
        PresenceStatus::{self, Idle, Offline, Online, Unknown},
    },
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::timeout;

conformance! {
    only_those_who_share_a_conversation_now_see_each_other,
    nodes_agree_on_who_is_here_and_forget_a_node_that_ended,
    whoever_is_removed_is_told_nothing_more_and_nobody_is_told_of_him,
    whoever_comes_to_share_a_conversation_is_told,
    whoever_switches_it_off_is_unknown_at_once_and_on_again_is_seen,
    when_somebody_was_last_here_is_kept,
    when_somebody_was_last_here_is_told_once_it_can_be_read,
}

/// A connection that watches.
pub(super) struct Watcher {
    app: Arc<App>,
    user: UserId,
    pub(super) attached: Attached,
    /// What was taken and not looked at yet.
    waiting: Mutex<VecDeque<Bytes>>,
}

impl Watcher {
    pub(super) async fn new(app: &Arc<App>, user: UserId) -> Self {
        let attached = app.hub.attach(user, SessionId(1)).await.expect("attached");
        Self { app: app.clone(), user, attached, waiting: Mutex::default() }
    }

    pub(super) async fn watch(&self, users: &[UserId]) -> Vec<PresenceStatus> {
        let (waiting, watched) = self.app.presence.watch(self.user, &self.attached, users).await;
        self.waiting.lock().expect("not poisoned").extend(waiting);
        let watched = watched.expect("the store is there");
        assert!(watched.iter().map(|presence| presence.user).is_sorted());
        watched.into_iter().map(|presence| presence.status).collect()
    }

    /// Watches one who is to be so, now or soon.
    pub(super) async fn watch_until(&self, user: UserId, status: PresenceStatus) {
        if self.watch(&[user]).await != [status] {
            self.until(user, status).await;
        }
    }

    /// Everything that is told, in order, up to this.
    pub(super) async fn until(&self, user: UserId, status: PresenceStatus) -> Vec<Presence> {
        let mut told = Vec::new();
        let waiting = async {
            while told.last().is_none_or(|last: &Presence| (last.user, last.status) != (user, status)) {
                let event = self.event().await;
                if event["type"] == "presence.changed" {
                    told.push(serde_json::from_value(event).expect("a presence"));
                }
            }
        };
        let is_told = timeout(Duration::from_secs(20), waiting).await;
        assert!(is_told.is_ok(), "{status:?} of {user} was not told, but {told:?}");
        told
    }

    /// What is told next, of whatever kind.
    pub(super) async fn event(&self) -> serde_json::Value {
        loop {
            if let Some(frame) = self.waiting.lock().expect("not poisoned").pop_front() {
                return serde_json::from_slice(&frame).expect("an event is JSON");
            }
            let Taken::Frames(frames) = self.attached.outbox.take().await else { panic!("closed") };
            self.waiting.lock().expect("not poisoned").extend(frames);
        }
    }
}

async fn only_those_who_share_a_conversation_now_see_each_other(world: World) {
    let (ada, ben, cleo, dan) =
        (world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await, world.person("Dan").await);
    world.direct("Ada", "Ben").await;
    let group = world.group("Ada", &["Cleo", "Dan"]).await;
    world.remove("Ada", group, "Dan").await.expect("an owner may");
    let nobody = UserId(999_999);
    let _here = [ada, ben, cleo, dan].map(|user| world.app.presence.arrive(user));
    let watcher = Watcher::new(&world.app, ada).await;
    watcher.watch_until(ben, Online).await;
    watcher.watch_until(cleo, Online).await;
    assert_eq!(watcher.watch(&[ben, cleo, dan, nobody, ben]).await, [Online, Online, Unknown, Unknown]);
    watcher.watch_until(ada, Online).await;
    assert_eq!(Watcher::new(&world.app, ben).await.watch(&[ada, cleo]).await, [Online, Unknown]);
    assert_eq!(Watcher::new(&world.app, dan).await.watch(&[ada, cleo, dan]).await, [Unknown; 3]);
    let many: Vec<UserId> = (1..=101).map(UserId).collect();
    let refused = world.app.presence.watch(ada, &watcher.attached, &many).await.1.expect_err("over the limit");
    assert_eq!((refused.code, refused.limit), (Code::LimitReached, Some(100)));
    assert!(watcher.attached.told_of().contains(&ada), "it watches the former ones");
    assert!(world.app.presence.ask(ada, &many).await.is_err());
}

async fn nodes_agree_on_who_is_here_and_forget_a_node_that_ended(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    let (one, other) = (world.node_beside().await, world.node_beside().await);
    let watchers = [Watcher::new(&world.app, ada).await, Watcher::new(&one, ada).await];
    for watcher in &watchers {
        assert_eq!(watcher.watch(&[ben]).await, [Offline]);
    }
    let there = (one.presence.arrive(ben), other.presence.arrive(ben));
    for watcher in &watchers {
        watcher.until(ben, Online).await;
    }
    there.0.set_idle(true);
    there.1.set_idle(true);
    for watcher in &watchers {
        let told = watcher.until(ben, Idle).await;
        assert!(told.last().is_some_and(|idle| idle.seen_at.is_some()));
    }
    there.1.set_idle(false);
    for watcher in &watchers {
        watcher.until(ben, Online).await;
    }
    // Ended as by a kill: it takes nothing back.
    std::mem::forget(there.1);
    other.stop().await;
    for watcher in &watchers {
        watcher.until(ben, Idle).await;
    }
    drop(there.0);
    for watcher in &watchers {
        let told = watcher.until(ben, Offline).await;
        assert!(told.last().is_some_and(|gone| gone.seen_at.is_some()));
    }
}

async fn whoever_is_removed_is_told_nothing_more_and_nobody_is_told_of_him(world: World) {
    let (ada, ben, cleo) = (world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await);
    let group = world.group("Ada", &["Ben", "Cleo"]).await;
    let both = world.group("Ada", &["Ben"]).await;
    let dan = world.person("Dan").await;
    world.direct("Ben", "Dan").await;
    let elsewhere = world.node_beside().await;
    let of_ada = Watcher::new(&elsewhere, ada).await;
    let of_ben = Watcher::new(&world.app, ben).await;
    of_ada.watch(&[ben, cleo]).await;
    of_ben.watch(&[ada, cleo, dan]).await;
    world.remove("Ada", group, "Ben").await.expect("an owner may");
    of_ben.until(cleo, Unknown).await;
    let here = world.app.presence.arrive(ada);
    of_ben.until(ada, Online).await;
    world.remove("Ada", both, "Ben").await.expect("an owner may");
    of_ada.until(ben, Unknown).await;
    of_ben.until(ada, Unknown).await;
    let also_here = (world.app.presence.arrive(ben), world.app.presence.arrive(cleo));
    let told = of_ada.until(cleo, Online).await;
    assert!(told.iter().all(|presence| presence.user == cleo), "{told:?}");
    let dan_is_here = world.app.presence.arrive(dan);
    let told = of_ben.until(dan, Online).await;
    assert!(told.iter().all(|presence| presence.user == dan), "he is told of nobody else: {told:?}");
    drop((here, also_here, dan_is_here));
}

async fn whoever_comes_to_share_a_conversation_is_told(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let watcher = Watcher::new(&world.app, ada).await;
    let _here = world.app.presence.arrive(ben);
    assert_eq!(watcher.watch(&[ben]).await, [Unknown]);
    world.direct("Ada", "Ben").await;
    let told = watcher.until(ben, Online).await;
    assert_eq!(told.len(), 1, "and of nothing before");
}

async fn whoever_switches_it_off_is_unknown_at_once_and_on_again_is_seen(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    let elsewhere = world.node_beside().await;
    let watcher = Watcher::new(&elsewhere, ada).await;
    let _here = world.app.presence.arrive(ben);
    watcher.watch_until(ben, Online).await;
    let switch = async |presence: bool| {
        let profile = Profile { presence: Some(presence), ..Profile::default() };
        world.app.commit.submit(Change::UpdateProfile { user: ben, profile }).await.expect("his own affair");
    };
    switch(false).await;
    let told = watcher.until(ben, Unknown).await;
    assert_eq!(told.last().and_then(|unknown| unknown.seen_at.clone()), None);
    assert_eq!(Watcher::new(&world.app, ada).await.watch(&[ben]).await, [Unknown]);
    switch(true).await;
    watcher.until(ben, Online).await;
}

async fn when_somebody_was_last_here_is_kept(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    let asked = async |app: &Arc<App>| app.presence.ask(ada, &[ben]).await.expect("the store is there").remove(0);
    assert_eq!(asked(&world.app).await.seen_at, None, "he never was");
    let before = world.another_node().await;
    drop(before.presence.arrive(ben));
    before.stop().await;
    let gone = asked(&world.another_node().await).await;
    assert_eq!(gone.status, Offline);
    assert!(gone.seen_at.is_some(), "another node knows from the store");
    let earlier = world.app.environment.now_ms() - 60_000;
    world.app.store.write_last_seen(vec![(ben, earlier)]).await.expect("the store is there");
    let again = asked(&world.another_node().await).await;
    assert_eq!(again.seen_at, gone.seen_at, "it never moves back");
}

async fn when_somebody_was_last_here_is_told_once_it_can_be_read(world: World) {
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    world.direct("Ada", "Ben").await;
    world.app.store.write_last_seen(vec![(ben, 5)]).await.expect("the store is there");
    let node = world.node_beside().await;
    let watcher = Watcher::new(&node, ada).await;
    world.sql("ALTER TABLE last_seen RENAME TO mislaid").await;
    assert_eq!(watcher.watch(&[ben]).await, [Offline], "all the same");
    world.sql("ALTER TABLE mislaid RENAME TO last_seen").await;
    let told = watcher.until(ben, Offline).await;
    assert!(told.last().is_some_and(|gone| gone.seen_at.is_some()), "{told:?}");
}
