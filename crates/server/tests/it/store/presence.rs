//! Who sees whose presence, on several nodes.

use super::{TestCluster, conformance};
use bytes::Bytes;
use parlor::{
    app::App,
    domain::{Change, ProfileUpdate},
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
    only_users_who_share_a_conversation_see_each_other,
    nodes_agree_on_presence_and_forget_a_node_that_ended,
    a_removed_member_sees_no_presence_and_is_not_seen,
    sharing_a_conversation_reveals_presence,
    switching_presence_off_hides_a_user_at_once_and_on_shows_them,
    last_seen_is_stored,
    last_seen_is_reported_once_it_can_be_read,
}

/// A connection that watches users.
pub(super) struct Watcher {
    app: Arc<App>,
    user: UserId,
    pub(super) attached: Attached,
    /// Taken from the send queue and not examined yet.
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
        let watched = watched.expect("the store is available");
        assert!(watched.iter().map(|presence| presence.user).is_sorted());
        watched.into_iter().map(|presence| presence.status).collect()
    }

    /// Watches a user until they have this status.
    pub(super) async fn watch_until(&self, user: UserId, status: PresenceStatus) {
        if self.watch(&[user]).await != [status] {
            self.until(user, status).await;
        }
    }

    /// Collects presence events in order, up to this one.
    pub(super) async fn until(&self, user: UserId, status: PresenceStatus) -> Vec<Presence> {
        let mut reported = Vec::new();
        let waiting = async {
            while reported.last().is_none_or(|last: &Presence| (last.user, last.status) != (user, status)) {
                let event = self.event().await;
                if event["type"] == "presence.changed" {
                    reported.push(serde_json::from_value(event).expect("a presence"));
                }
            }
        };
        let is_told = timeout(Duration::from_secs(20), waiting).await;
        assert!(is_told.is_ok(), "{status:?} of {user} was not reported, but {reported:?}");
        reported
    }

    /// Returns the next event of any kind.
    pub(super) async fn event(&self) -> serde_json::Value {
        loop {
            if let Some(frame) = self.waiting.lock().expect("not poisoned").pop_front() {
                return serde_json::from_slice(&frame).expect("an event is JSON");
            }
            let Taken::Frames(frames) = self.attached.send_queue.take().await else { panic!("closed") };
            self.waiting.lock().expect("not poisoned").extend(frames);
        }
    }
}

async fn only_users_who_share_a_conversation_see_each_other(cluster: TestCluster) {
    let (ada, ben, cleo, dan) =
        (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await, cluster.user("Dan").await);
    cluster.direct("Ada", "Ben").await;
    let group = cluster.group("Ada", &["Cleo", "Dan"]).await;
    cluster.remove("Ada", group, "Dan").await.expect("an owner may");
    let no_one = UserId(999_999);
    let _here = [ada, ben, cleo, dan].map(|user| cluster.app.presence.connect(user));
    let watcher = Watcher::new(&cluster.app, ada).await;
    watcher.watch_until(ben, Online).await;
    watcher.watch_until(cleo, Online).await;
    assert_eq!(watcher.watch(&[ben, cleo, dan, no_one, ben]).await, [Online, Online, Unknown, Unknown]);
    watcher.watch_until(ada, Online).await;
    assert_eq!(Watcher::new(&cluster.app, ben).await.watch(&[ada, cleo]).await, [Online, Unknown]);
    assert_eq!(Watcher::new(&cluster.app, dan).await.watch(&[ada, cleo, dan]).await, [Unknown; 3]);
    let many: Vec<UserId> = (1..=101).map(UserId).collect();
    let refused = cluster.app.presence.watch(ada, &watcher.attached, &many).await.1.expect_err("over the limit");
    assert_eq!((refused.code, refused.limit), (Code::LimitReached, Some(100)));
    assert!(watcher.attached.subscribed_users().contains(&ada), "it watches the former ones");
    assert!(cluster.app.presence.read(ada, &many).await.is_err());
}

async fn nodes_agree_on_presence_and_forget_a_node_that_ended(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    let (one, other) = (cluster.node_beside().await, cluster.node_beside().await);
    let watchers = [Watcher::new(&cluster.app, ada).await, Watcher::new(&one, ada).await];
    for watcher in &watchers {
        assert_eq!(watcher.watch(&[ben]).await, [Offline]);
    }
    let there = (one.presence.connect(ben), other.presence.connect(ben));
    for watcher in &watchers {
        watcher.until(ben, Online).await;
    }
    there.0.set_idle(true);
    there.1.set_idle(true);
    for watcher in &watchers {
        let reported = watcher.until(ben, Idle).await;
        assert!(reported.last().is_some_and(|idle| idle.seen_at.is_some()));
    }
    there.1.set_idle(false);
    for watcher in &watchers {
        watcher.until(ben, Online).await;
    }
    // Ended as by a kill: it withdraws nothing.
    std::mem::forget(there.1);
    other.stop().await;
    for watcher in &watchers {
        watcher.until(ben, Idle).await;
    }
    drop(there.0);
    for watcher in &watchers {
        let reported = watcher.until(ben, Offline).await;
        assert!(reported.last().is_some_and(|gone| gone.seen_at.is_some()));
    }
}

async fn a_removed_member_sees_no_presence_and_is_not_seen(cluster: TestCluster) {
    let (ada, ben, cleo) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await);
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let both = cluster.group("Ada", &["Ben"]).await;
    let dan = cluster.user("Dan").await;
    cluster.direct("Ben", "Dan").await;
    let elsewhere = cluster.node_beside().await;
    let of_ada = Watcher::new(&elsewhere, ada).await;
    let of_ben = Watcher::new(&cluster.app, ben).await;
    of_ada.watch(&[ben, cleo]).await;
    of_ben.watch(&[ada, cleo, dan]).await;
    cluster.remove("Ada", group, "Ben").await.expect("an owner may");
    of_ben.until(cleo, Unknown).await;
    let here = cluster.app.presence.connect(ada);
    of_ben.until(ada, Online).await;
    cluster.remove("Ada", both, "Ben").await.expect("an owner may");
    of_ada.until(ben, Unknown).await;
    of_ben.until(ada, Unknown).await;
    let also_here = (cluster.app.presence.connect(ben), cluster.app.presence.connect(cleo));
    let reported = of_ada.until(cleo, Online).await;
    assert!(reported.iter().all(|presence| presence.user == cleo), "{reported:?}");
    let dan_is_here = cluster.app.presence.connect(dan);
    let reported = of_ben.until(dan, Online).await;
    assert!(reported.iter().all(|presence| presence.user == dan), "no other user is reported to him: {reported:?}");
    drop((here, also_here, dan_is_here));
}

async fn sharing_a_conversation_reveals_presence(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let watcher = Watcher::new(&cluster.app, ada).await;
    let _here = cluster.app.presence.connect(ben);
    assert_eq!(watcher.watch(&[ben]).await, [Unknown]);
    cluster.direct("Ada", "Ben").await;
    let reported = watcher.until(ben, Online).await;
    assert_eq!(reported.len(), 1, "and of nothing before");
}

async fn switching_presence_off_hides_a_user_at_once_and_on_shows_them(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    let elsewhere = cluster.node_beside().await;
    let watcher = Watcher::new(&elsewhere, ada).await;
    let _here = cluster.app.presence.connect(ben);
    watcher.watch_until(ben, Online).await;
    let switch = async |presence: bool| {
        let profile = ProfileUpdate { presence: Some(presence), ..ProfileUpdate::default() };
        cluster.app.commit.submit(Change::UpdateProfile { user: ben, profile }).await.expect("it is private");
    };
    switch(false).await;
    let reported = watcher.until(ben, Unknown).await;
    assert_eq!(reported.last().and_then(|unknown| unknown.seen_at.clone()), None);
    assert_eq!(Watcher::new(&cluster.app, ada).await.watch(&[ben]).await, [Unknown]);
    switch(true).await;
    watcher.until(ben, Online).await;
}

async fn last_seen_is_stored(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    let requested =
        async |app: &Arc<App>| app.presence.read(ada, &[ben]).await.expect("the store is available").remove(0);
    assert_eq!(requested(&cluster.app).await.seen_at, None, "he was never online");
    let before = cluster.another_node().await;
    drop(before.presence.connect(ben));
    before.stop().await;
    let gone = requested(&cluster.another_node().await).await;
    assert_eq!(gone.status, Offline);
    assert!(gone.seen_at.is_some(), "another node knows from the store");
    let earlier = cluster.app.environment.now_ms() - 60_000;
    cluster.app.store.save_last_seen(vec![(ben, earlier)]).await.expect("the store is available");
    let again = requested(&cluster.another_node().await).await;
    assert_eq!(again.seen_at, gone.seen_at, "it never moves back");
}

async fn last_seen_is_reported_once_it_can_be_read(cluster: TestCluster) {
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    cluster.direct("Ada", "Ben").await;
    cluster.app.store.save_last_seen(vec![(ben, 5)]).await.expect("the store is available");
    let node = cluster.node_beside().await;
    let watcher = Watcher::new(&node, ada).await;
    cluster.sql("ALTER TABLE last_seen RENAME TO mislaid").await;
    assert_eq!(watcher.watch(&[ben]).await, [Offline], "all the same");
    cluster.sql("ALTER TABLE mislaid RENAME TO last_seen").await;
    let reported = watcher.until(ben, Offline).await;
    assert!(reported.last().is_some_and(|gone| gone.seen_at.is_some()), "{reported:?}");
}
