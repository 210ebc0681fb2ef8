//! Conversations of more people than every change is told to by name.

use super::{World, conformance};
use parlor::{
    app::App,
    domain::{Change, Look},
    hub::{Attached, Taken},
};
use parlor_protocol::{
    ids::{ConversationId, Scope, SessionId},
    model::Role,
};
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc, time::Duration};

conformance! {
    who_shows_a_large_conversation_hears_it_and_the_rest_get_a_hint,
    whoever_writes_hears_it_once_and_whole,
    crossing_the_limit_is_heard_on_both_ways,
    lines_of_the_system_are_told_on_both_sides_of_the_limit,
    a_removed_person_hears_of_the_removal_and_of_nothing_after_it,
    markers_in_a_large_conversation_are_ones_own_affair,
}

/// A node where three people are many.
pub(super) async fn small(world: &World) -> Arc<App> {
    world.node_with(&[("limits.conversation_fan_out_max", "2"), ("sync.clock_check_ms", "20")]).await
}

/// Somebody who is attached, and what was taken out of the outbox and not yet looked at.
pub(super) struct Listener {
    pub(super) attached: Attached,
    waiting: VecDeque<Value>,
}

pub(super) async fn attach(app: &App, world: &World, name: &str) -> Listener {
    let user = world.person(name).await;
    let attached = app.hub.attach(user, SessionId(1)).await.expect("attached");
    Listener { attached, waiting: VecDeque::new() }
}

impl Listener {
    pub(super) async fn next(&mut self) -> Value {
        while self.waiting.is_empty() {
            let Taken::Frames(frames) = self.attached.outbox.take().await else { panic!("closed") };
            let events = frames.iter().map(|frame| serde_json::from_slice(frame).expect("an event is JSON"));
            self.waiting.extend(events);
        }
        self.waiting.pop_front().expect("just filled")
    }
}

/// The next event that is wanted; others are passed over.
pub(super) async fn heard(listener: &mut Listener, wanted: impl Fn(&Value) -> bool) -> Value {
    let listening = async {
        loop {
            let event = listener.next().await;
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("it is heard")
}

pub(super) fn is(kind: &'static str, conversation: ConversationId) -> impl Fn(&Value) -> bool {
    let scope = Scope::Conversation(conversation).to_string();
    move |event| event["type"] == kind && event["scope"] == scope.as_str()
}

async fn who_shows_a_large_conversation_hears_it_and_the_rest_get_a_hint(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    world.person("Mallory").await;
    let app = small(&world).await;
    let (mut ben, mut cleo) = (attach(&app, &world, "Ben").await, attach(&app, &world, "Cleo").await);
    let mut stranger = attach(&app, &world, "Mallory").await;
    ben.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    let ada = world.person("Ada").await;
    let sent = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent");
    let event = heard(&mut ben, is("message.created", conversation)).await;
    assert_eq!(event["version"], sent.change.version.0);
    let hint = heard(&mut cleo, is("scope.changed", conversation)).await;
    assert_eq!(hint["version"], sent.change.version.0);
    // Whoever is told last has been told after the stranger would have been.
    let direct = world.direct("Ada", "Mallory").await;
    super::send(&app, ada, direct, "k2", "to you").await.expect("sent");
    let first = heard(&mut stranger, |_| true).await;
    assert_eq!(first["scope"], Scope::Conversation(direct).to_string(), "nothing of the large one");
}

async fn whoever_writes_hears_it_once_and_whole(world: World) {
    let ada = world.person("Ada").await;
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let app = small(&world).await;
    let mut shows = attach(&app, &world, "Ada").await;
    shows.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    for key in ["k1", "k2", "k3"] {
        let sent = super::send(&app, ada, conversation, key, "hello").await.expect("sent");
        let event = heard(&mut shows, is("message.created", conversation)).await;
        assert_eq!(event["version"], sent.change.version.0, "each once: {event}");
        assert_eq!(event["sender_read_seq"], sent.message.seq.0, "with what only the sender is told");
    }
}

async fn crossing_the_limit_is_heard_on_both_ways(world: World) {
    let (ada, cleo) = (world.person("Ada").await, world.person("Cleo").await);
    let conversation = world.group("Ada", &["Ben"]).await;
    let app = small(&world).await;
    let mut ben = attach(&app, &world, "Ben").await;
    let mut coming = attach(&app, &world, "Cleo").await;
    let add = Change::AddMembers { actor: ada, conversation, users: vec![cleo], history: None };
    app.commit.submit(add).await.expect("added");
    let event = heard(&mut ben, is("member.updated", conversation)).await;
    assert_eq!(event["member_count"], 3);
    heard(&mut coming, is("member.updated", conversation)).await;
    let remove = Change::RemoveMember { actor: ada, conversation, user: cleo };
    app.commit.submit(remove).await.expect("removed");
    let event = heard(&mut ben, |event| event["member_count"] == 2).await;
    assert_eq!(event["members"][0]["left"], true, "told by name again: {event}");
}

async fn lines_of_the_system_are_told_on_both_sides_of_the_limit(world: World) {
    let (ada, ben, cleo) = (world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await);
    let conversation = world.group("Ada", &["Ben"]).await;
    let app = small(&world).await;
    let mut named = attach(&app, &world, "Ben").await;
    let mut shows = attach(&app, &world, "Ben").await;
    shows.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    let role = |user, role| Change::UpdateMember { actor: ada, conversation, user, role };
    let title =
        |title: &str| Change::UpdateConversation { actor: ada, conversation, look: Look::Title(title.to_owned()) };
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
        let line = heard(&mut shows, |event| event["message"]["seq"] == seq).await;
        assert!(line["message"]["system"].is_object(), "{line}");
        // Ben's own row and what crosses the limit go to him; of the rest of a large conversation he gets a hint.
        let heard = heard(&mut named, |event| event["version"] == line["version"]).await;
        assert_eq!(heard["message"] == line["message"], by_name, "{heard}");
    }
    let seen = app
        .store
        .read(move |snapshot| snapshot.conversation(ben, conversation))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!((seen.last_seq.0, seen.unread, seen.title.as_deref()), (7, 0, Some("few again")));
}

async fn a_removed_person_hears_of_the_removal_and_of_nothing_after_it(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo", "Dan"]).await;
    let app = small(&world).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let mut leaving = attach(&app, &world, "Ben").await;
    leaving.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    let remove = Change::RemoveMember { actor: ada, conversation, user: ben };
    app.commit.submit(remove).await.expect("removed");
    super::send(&app, ada, conversation, "k1", "without Ben").await.expect("sent");
    let direct = world.direct("Ada", "Ben").await;
    super::send(&app, ada, direct, "k2", "the last").await.expect("sent");
    let mut events = Vec::new();
    loop {
        let event = heard(&mut leaving, |_| true).await;
        let is_last = event["type"] == "message.created" && event["message"]["text"] == "the last";
        events.push(event);
        if is_last {
            break;
        }
    }
    assert!(events.iter().any(|event| event["members"][0]["left"] == true), "the removal itself");
    assert!(!events.iter().any(|event| event["message"]["text"] == "without Ben"), "{events:?}");
}

async fn markers_in_a_large_conversation_are_ones_own_affair(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let app = small(&world).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let sent = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent");
    let mut mine = attach(&app, &world, "Ben").await;
    let read = Change::Mark { actor: ben, conversation, delivered: sent.message.seq, read: sent.message.seq };
    app.commit.submit(read).await.expect("marked");
    let event = heard(&mut mine, |event| event["type"] == "marker.updated").await;
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
