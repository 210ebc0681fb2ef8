//! Conversations with more members than `conversation_fan_out_max`.

use super::{TestCluster, conformance};
use parlor::{
    app::App,
    domain::{Change, GroupUpdate},
    hub::{Attached, Taken},
};
use parlor_protocol::{
    ids::{ConversationId, Scope, SessionId},
    model::Role,
};
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc, time::Duration};

conformance! {
    connections_that_show_a_large_conversation_get_events_and_the_others_a_hint,
    a_sender_receives_their_message_once_and_in_full,
    crossing_the_fan_out_limit_is_reported_in_both_directions,
    system_lines_are_published_on_both_sides_of_the_limit,
    a_removed_member_receives_the_removal_and_nothing_after_it,
    markers_in_a_large_conversation_are_private,
}

/// A node on which a conversation of three is large.
pub(super) async fn small(cluster: &TestCluster) -> Arc<App> {
    cluster.node_with(&[("limits.conversation_fan_out_max", "2"), ("sync.clock_check_ms", "20")]).await
}

/// An attached connection, with the events taken from its send queue and not examined yet.
pub(super) struct Subscriber {
    pub(super) attached: Attached,
    waiting: VecDeque<Value>,
}

pub(super) async fn attach(app: &App, cluster: &TestCluster, name: &str) -> Subscriber {
    let user = cluster.user(name).await;
    let attached = app.hub.attach(user, SessionId(1)).await.expect("attached");
    Subscriber { attached, waiting: VecDeque::new() }
}

impl Subscriber {
    pub(super) async fn next(&mut self) -> Value {
        while self.waiting.is_empty() {
            let Taken::Frames(frames) = self.attached.send_queue.take().await else { panic!("closed") };
            let events = frames.iter().map(|frame| serde_json::from_slice(frame).expect("an event is JSON"));
            self.waiting.extend(events);
        }
        self.waiting.pop_front().expect("just filled")
    }
}

/// The next event that matches; others are skipped.
pub(super) async fn next_event(subscriber: &mut Subscriber, wanted: impl Fn(&Value) -> bool) -> Value {
    let listening = async {
        loop {
            let event = subscriber.next().await;
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("it is received")
}

pub(super) fn is(kind: &'static str, conversation: ConversationId) -> impl Fn(&Value) -> bool {
    let scope = Scope::Conversation(conversation).to_string();
    move |event| event["type"] == kind && event["scope"] == scope.as_str()
}

async fn connections_that_show_a_large_conversation_get_events_and_the_others_a_hint(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.user("Mallory").await;
    let app = small(&cluster).await;
    let (mut ben, mut cleo) = (attach(&app, &cluster, "Ben").await, attach(&app, &cluster, "Cleo").await);
    let mut stranger = attach(&app, &cluster, "Mallory").await;
    ben.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    let ada = cluster.user("Ada").await;
    let sent = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent");
    let event = next_event(&mut ben, is("message.created", conversation)).await;
    assert_eq!(event["version"], sent.change.version.0);
    let hint = next_event(&mut cleo, is("scope.changed", conversation)).await;
    assert_eq!(hint["version"], sent.change.version.0);
    // If the last event has arrived, the stranger's would have arrived before.
    let direct = cluster.direct("Ada", "Mallory").await;
    super::send(&app, ada, direct, "k2", "to you").await.expect("sent");
    let first = next_event(&mut stranger, |_| true).await;
    assert_eq!(first["scope"], Scope::Conversation(direct).to_string(), "nothing of the large one");
}

async fn a_sender_receives_their_message_once_and_in_full(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let app = small(&cluster).await;
    let mut shows = attach(&app, &cluster, "Ada").await;
    shows.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    for key in ["k1", "k2", "k3"] {
        let sent = super::send(&app, ada, conversation, key, "hello").await.expect("sent");
        let event = next_event(&mut shows, is("message.created", conversation)).await;
        assert_eq!(event["version"], sent.change.version.0, "each once: {event}");
        assert_eq!(event["sender_read_seq"], sent.message.seq.0, "with the fields for the sender");
    }
}

async fn crossing_the_fan_out_limit_is_reported_in_both_directions(cluster: TestCluster) {
    let (ada, cleo) = (cluster.user("Ada").await, cluster.user("Cleo").await);
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let app = small(&cluster).await;
    let mut ben = attach(&app, &cluster, "Ben").await;
    let mut coming = attach(&app, &cluster, "Cleo").await;
    let add = Change::AddMembers { actor: ada, conversation, users: vec![cleo], history: None };
    app.commit.submit(add).await.expect("added");
    let event = next_event(&mut ben, is("member.updated", conversation)).await;
    assert_eq!(event["member_count"], 3);
    next_event(&mut coming, is("member.updated", conversation)).await;
    let remove = Change::RemoveMember { actor: ada, conversation, user: cleo };
    app.commit.submit(remove).await.expect("removed");
    let event = next_event(&mut ben, |event| event["member_count"] == 2).await;
    assert_eq!(event["members"][0]["left"], true, "published in full again: {event}");
}

async fn system_lines_are_published_on_both_sides_of_the_limit(cluster: TestCluster) {
    let (ada, ben, cleo) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await);
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let app = small(&cluster).await;
    let mut named = attach(&app, &cluster, "Ben").await;
    let mut shows = attach(&app, &cluster, "Ben").await;
    shows.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    let role = |user, role| Change::UpdateMember { actor: ada, conversation, user, role };
    let title = |title: &str| Change::UpdateConversation {
        actor: ada,
        conversation,
        update: GroupUpdate::Title(title.to_owned()),
    };
    let steps = [
        (title("few"), true),
        (Change::AddMembers { actor: ada, conversation, users: vec![cleo], history: None }, true),
        (title("many"), false),
        (role(ben, Role::Moderator), true),
        (role(cleo, Role::Moderator), false),
        (Change::RemoveMember { actor: ada, conversation, user: cleo }, true),
        (title("few again"), true),
    ];
    for ((change, by_name), seq) in steps.into_iter().zip(1..) {
        app.commit.submit(change).await.expect("allowed");
        let line = next_event(&mut shows, |event| event["message"]["seq"] == seq).await;
        assert!(line["message"]["system"].is_object(), "{line}");
        // Ben receives his own row and changes that cross the limit; for everything else he gets a hint.
        let received = next_event(&mut named, |event| event["version"] == line["version"]).await;
        assert_eq!(received["message"] == line["message"], by_name, "{received}");
    }
    let seen = app
        .store
        .read(move |snapshot| snapshot.conversation(ben, conversation))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!((seen.last_seq.0, seen.unread, seen.title.as_deref()), (7, 0, Some("few again")));
}

async fn a_removed_member_receives_the_removal_and_nothing_after_it(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo", "Dan"]).await;
    let app = small(&cluster).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let mut leaving = attach(&app, &cluster, "Ben").await;
    leaving.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    let remove = Change::RemoveMember { actor: ada, conversation, user: ben };
    app.commit.submit(remove).await.expect("removed");
    super::send(&app, ada, conversation, "k1", "without Ben").await.expect("sent");
    let direct = cluster.direct("Ada", "Ben").await;
    super::send(&app, ada, direct, "k2", "the last").await.expect("sent");
    let mut events = Vec::new();
    loop {
        let event = next_event(&mut leaving, |_| true).await;
        let is_last = event["type"] == "message.created" && event["message"]["text"] == "the last";
        events.push(event);
        if is_last {
            break;
        }
    }
    assert!(events.iter().any(|event| event["members"][0]["left"] == true), "the removal itself");
    assert!(!events.iter().any(|event| event["message"]["text"] == "without Ben"), "{events:?}");
}

async fn markers_in_a_large_conversation_are_private(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let app = small(&cluster).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let sent = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent");
    let mut mine = attach(&app, &cluster, "Ben").await;
    let read = Change::Mark { actor: ben, conversation, delivered: sent.message.seq, read: sent.message.seq };
    app.commit.submit(read).await.expect("marked");
    let event = next_event(&mut mine, |event| event["type"] == "marker.updated").await;
    assert_eq!((&event["read_seq"], &event["unread"]), (&1.into(), &0.into()));
    let version = app
        .store
        .read(move |snapshot| snapshot.conversation(ada, conversation))
        .await
        .expect("read")
        .expect("a member")
        .version;
    assert_eq!(version, sent.change.version, "the conversation's scope has not moved");
    let markers = app.store.read(move |snapshot| snapshot.markers(ben)).await.expect("read");
    assert_eq!((markers.len(), markers[0].read_seq, markers[0].unread), (1, sent.message.seq, 0));
    assert!(app.store.read(move |snapshot| snapshot.markers(ada)).await.expect("read").is_empty());
}
