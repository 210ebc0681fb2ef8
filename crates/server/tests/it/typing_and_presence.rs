//! Ephemeral state: typing and presence. It reaches those who may see it at once, and never gets stuck.

use crate::harness::{Server, Setup, TestUser, unique};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::ConversationId,
    model::{
        Presence,
        PresenceStatus::{self, Idle, Offline, Online, Unknown},
    },
    params::MeUpdate,
    reply::{Changed, Done, Heads, Sent, Shown, Watched},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(15);

/// An open page of a user.
struct BrowserPage {
    user: TestUser,
    socket: Socket,
}

impl BrowserPage {
    async fn open(user: &TestUser) -> Self {
        let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
        let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
        Self { user: user.clone(), socket }
    }

    async fn typing(&mut self, conversation: ConversationId, typing: bool) {
        let command = Command::SetTyping { conversation, typing };
        let _: Done = self.socket.call(command).await.expect("a member may");
    }

    async fn send(&mut self, conversation: ConversationId) {
        let command = Command::send_text(conversation, format!("send-{}", unique()), "Now you know");
        let _: Sent = self.socket.call(command).await.expect("a member may");
    }

    async fn idle(&mut self, idle: bool) {
        let _: Done = self.socket.call(Command::SetPresence { idle }).await.expect("always");
    }

    async fn watch(&mut self, users: &[&TestUser]) -> Vec<PresenceStatus> {
        let users = users.iter().map(|user| user.id).collect();
        let watched: Watched = self.socket.call(Command::WatchPresence { users }).await.expect("few enough");
        watched.presence.into_iter().map(|presence| presence.status).collect()
    }

    /// Watches a user until they have this status.
    async fn watch_until(&mut self, user: &TestUser, status: PresenceStatus) {
        if self.watch(&[user]).await != [status] {
            self.until(user, status).await;
        }
    }

    /// Collects events up to one of this type.
    async fn events_up_to(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            match self.socket.next(SOON).await {
                Some(Incoming::Event(event)) => {
                    events.push(event);
                    if events.last().is_some_and(|event| event["type"] == kind) {
                        return events;
                    }
                }
                Some(Incoming::Heartbeat | Incoming::Reply(..)) => {}
                other => panic!("{kind} is expected, not {other:?}, after {events:?}"),
            }
        }
    }

    /// Collects the presence events of watched users up to this status.
    async fn until(&mut self, user: &TestUser, status: PresenceStatus) -> Vec<Presence> {
        let mut reported: Vec<Presence> = Vec::new();
        while reported.last().is_none_or(|last| (last.user, last.status) != (user.id, status)) {
            let event = self.events_up_to("presence.changed").await.pop().expect("just received");
            reported.push(serde_json::from_value(event).expect("a presence"));
        }
        reported
    }

    async fn refusal(&mut self, command: Command) -> Code {
        let refused = self.socket.call::<Value>(command).await.expect_err("refused");
        refused.code().expect("by the server")
    }
}

fn typing_of(events: &[Value]) -> Vec<bool> {
    let typing = events.iter().filter(|event| event["type"] == "typing.changed");
    typing.map(|event| event["typing"].as_bool().expect("a flag")).collect()
}

/// Presence timeouts are short: a kill is noticed in less than half a second.
fn short_presence_timeouts() -> Setup {
    Setup::new()
        .with("presence.entry_ms", 400)
        .with("presence.socket_grace_ms", 300)
        .with("presence.poll_grace_ms", 300)
        .with("presence.kept_ms", 30)
        .with("stop.retry_after_max_ms", 200)
}

#[tokio::test]
async fn typing_reaches_the_other_members_at_intervals_and_not_the_sender() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let (mut one, mut other, mut of_ben) =
        (BrowserPage::open(&ada).await, BrowserPage::open(&ada).await, BrowserPage::open(&ben).await);
    let began = Instant::now();
    for _ in 0..20 {
        one.typing(place, true).await;
    }
    let received = of_ben.events_up_to("typing.changed").await.pop().expect("an event");
    let expected =
        json!({"type": "typing.changed", "conversation": place, "user": ada.id, "typing": true, "expires_ms": 6000});
    assert_eq!(received, expected);
    for typing in [false, false, true, true] {
        one.typing(place, typing).await;
    }
    one.send(place).await;
    let intervals = began.elapsed().as_millis() / 2500;
    let received = typing_of(&of_ben.events_up_to("message.created").await);
    let repeated = received.iter().filter(|typing| **typing).count();
    assert!(received.contains(&false) && repeated as u128 <= intervals, "{received:?} in {intervals} intervals");
    assert_eq!(typing_of(&other.events_up_to("message.created").await), [true; 0], "not to his other pages");
    other.typing(place, true).await;
    of_ben.send(place).await;
    assert_eq!(typing_of(&of_ben.events_up_to("message.created").await), [true], "a message makes room for the next");
    assert_eq!(typing_of(&one.events_up_to("message.created").await), [true; 0]);
}

#[tokio::test]
async fn typing_ends_with_the_connection_that_reported_it() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let mut of_ben = BrowserPage::open(&ben).await;
    let mut cut = BrowserPage::open(&ada).await;
    cut.typing(place, true).await;
    assert_eq!(typing_of(&of_ben.events_up_to("typing.changed").await), [true]);
    cut.socket.abort();
    assert_eq!(typing_of(&of_ben.events_up_to("typing.changed").await), [false]);
    // Reported on one page and then on another: it ends with the second.
    let (mut first, mut second) = (BrowserPage::open(&ada).await, BrowserPage::open(&ada).await);
    first.send(place).await;
    first.typing(place, true).await;
    second.typing(place, true).await;
    first.socket.close().await.expect("closed");
    second.send(place).await;
    let received = of_ben.events_up_to("message.created").await;
    assert_eq!(typing_of(&received), [true; 0], "the first message");
    let received = typing_of(&of_ben.events_up_to("message.created").await);
    assert!(!received.is_empty() && received.iter().all(|typing| *typing), "and then typing continues: {received:?}");
    server.stop().await;
}

#[tokio::test]
async fn only_members_send_and_receive_typing() {
    let server = Server::start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let group = ada.group("Desk", &[&ben, &cleo]).await;
    let direct = ada.open_direct(&ben).await.id;
    let (mut of_ada, mut of_ben, mut of_cleo) =
        (BrowserPage::open(&ada).await, BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    of_cleo.typing(group, true).await;
    of_ben.events_up_to("typing.changed").await;
    cleo.leave(group).await;
    of_ben.events_up_to("member.updated").await;
    for typing in [true, false] {
        for conversation in [group, direct, ConversationId(direct.0 + 1_000_000)] {
            assert_eq!(of_cleo.refusal(Command::SetTyping { conversation, typing }).await, Code::NotFound);
            let path = format!("/v1/conversations/{conversation}/typing");
            let body = json!({"typing": typing});
            let refused = cleo.api.send::<Done>(http::Method::PUT, &path, &body).await.expect_err("refused");
            assert_eq!(refused.code(), Some(Code::NotFound));
        }
    }
    of_ada.typing(group, true).await;
    of_ada.typing(direct, true).await;
    of_ada.send(group).await;
    let received = of_ben.events_up_to("message.created").await;
    let who: Vec<_> =
        received.iter().filter(|event| event["type"] == "typing.changed").map(|event| &event["user"]).collect();
    assert_eq!(who, [&json!(ada.id); 2]);
    ada.open_direct(&cleo).await;
    let received = of_cleo.events_up_to("conversation.created").await;
    assert_eq!(typing_of(&received), [true; 0], "{received:?}");
}

#[tokio::test]
async fn in_a_large_conversation_typing_reaches_the_connections_that_show_it() {
    let server = Setup::new().with("limits.conversation_fan_out_max", 2).start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let group = ada.group("Crowd", &[&ben, &cleo]).await;
    let (mut of_ada, mut of_ben, mut of_cleo) =
        (BrowserPage::open(&ada).await, BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    for page in [&mut of_ada, &mut of_ben] {
        let _: Shown = page.socket.call(Command::Show { conversations: vec![group] }).await.expect("shown");
    }
    of_ada.typing(group, true).await;
    of_ada.send(group).await;
    assert_eq!(typing_of(&of_ben.events_up_to("message.created").await), [true]);
    assert_eq!(typing_of(&of_ada.events_up_to("message.created").await), [true; 0]);
    assert_eq!(typing_of(&of_cleo.events_up_to("scope.changed").await), [true; 0]);
}

#[tokio::test]
async fn typing_is_accepted_over_http_up_to_its_limit() {
    let server = Setup::new().with("limits.typing_max", 1).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let mut of_ben = BrowserPage::open(&ben).await;
    let path = format!("/v1/conversations/{place}/typing");
    let put = async |user: &TestUser, typing: bool| {
        user.api.send::<Done>(http::Method::PUT, &path, &json!({"typing": typing})).await
    };
    put(&ada, true).await.expect("a member may");
    assert_eq!(typing_of(&of_ben.events_up_to("typing.changed").await), [true]);
    let refused = put(&ben, true).await.expect_err("another user is typing");
    assert_eq!(refused.code(), Some(Code::TooMany));
    put(&ada, false).await.expect("a member may");
    assert_eq!(typing_of(&of_ben.events_up_to("typing.changed").await), [false]);
}

#[tokio::test]
async fn a_users_status_combines_all_their_pages() {
    let server = short_presence_timeouts().start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    ada.open_direct(&ben).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    assert_eq!(of_ada.watch(&[&ben]).await, [Offline]);
    let mut one = BrowserPage::open(&ben).await;
    of_ada.until(&ben, Online).await;
    let mut other = BrowserPage::open(&ben).await;
    one.idle(true).await;
    other.idle(true).await;
    let reported = of_ada.until(&ben, Idle).await;
    assert_eq!(reported.len(), 1, "he is online while one page is in use: {reported:?}");
    assert!(reported[0].seen_at.is_some());
    other.idle(false).await;
    let reported = of_ada.until(&ben, Online).await;
    assert_eq!((reported.len(), &reported[0].seen_at), (1, &None));
    other.socket.close().await.expect("closed");
    of_ada.until(&ben, Idle).await;
    one.socket.close().await.expect("closed");
    let reported = of_ada.until(&ben, Offline).await;
    assert!(reported[0].seen_at.is_some());
}

#[tokio::test]
async fn reloading_a_page_changes_no_presence() {
    let server = short_presence_timeouts().with("presence.socket_grace_ms", 60_000).start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    ada.open_direct(&ben).await;
    ada.open_direct(&cleo).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    let (of_ben, mut of_cleo) = (BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    of_ada.watch_until(&ben, Online).await;
    of_ada.watch_until(&cleo, Online).await;
    of_ada.watch(&[&ben, &cleo]).await;
    of_ben.socket.close().await.expect("closed");
    // Changes of a user are published one check apart: by the third, everyone was checked while Ben was away.
    for (idle, status) in [(true, Idle), (false, Online), (true, Idle)] {
        of_cleo.idle(idle).await;
        let reported = of_ada.until(&cleo, status).await;
        assert_eq!(reported.len(), 1, "{reported:?}");
    }
    let _second_page = BrowserPage::open(&ben).await;
    of_cleo.idle(false).await;
    let reported = of_ada.until(&cleo, Online).await;
    assert_eq!(reported.len(), 1, "{reported:?}");
}

#[tokio::test]
async fn presence_is_unknown_without_a_shared_conversation() {
    let server = short_presence_timeouts().with("limits.watched_max", 3).start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    let group = ada.group("Desk", &[&ben]).await;
    let (mut of_ada, mut of_ben, mut of_cleo) =
        (BrowserPage::open(&ada).await, BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    of_ada.watch_until(&ben, Online).await;
    assert_eq!(of_cleo.watch(&[&ada, &ben, &cleo]).await, [Unknown; 3]);
    of_ben.watch_until(&ada, Online).await;
    ben.leave(group).await;
    let reported = [of_ada.until(&ben, Unknown).await.pop(), of_ben.until(&ada, Unknown).await.pop()];
    assert!(reported.iter().flatten().all(|presence| presence.seen_at.is_none()), "{reported:?}");
    let users = vec![ada.id, ben.id, cleo.id, ada.id];
    assert_eq!(of_ada.refusal(Command::WatchPresence { users }).await, Code::LimitReached);
    let requested = async |users: &str| ada.api.get::<Watched>(&format!("/v1/presence?users={users}")).await;
    for (users, code) in [
        ("1,2,3,4", Code::LimitReached),
        ("1,x", Code::InvalidField),
        ("0", Code::InvalidField),
        ("1;2", Code::InvalidField),
    ] {
        assert_eq!(requested(users).await.expect_err("refused").code(), Some(code), "{users}");
    }
    assert_eq!(requested("").await.expect("nobody").presence, []);
}

#[tokio::test]
async fn hiding_presence_makes_a_user_unknown_at_once() {
    let server = short_presence_timeouts().start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    ada.open_direct(&ben).await;
    let (mut of_ada, mut of_ben) = (BrowserPage::open(&ada).await, BrowserPage::open(&ben).await);
    of_ada.watch_until(&ben, Online).await;
    for (shown, status) in [(false, Unknown), (true, Online)] {
        let change = MeUpdate { presence: Some(shown), ..MeUpdate::default() };
        let _: Changed = of_ben.socket.call(Command::UpdateMe(change)).await.expect("it is private");
        let reported = of_ada.until(&ben, status).await;
        assert_eq!((reported.len(), &reported[0].seen_at), (1, &None));
    }
    of_ben.watch_until(&ada, Online).await;
}

#[tokio::test]
async fn only_users_watched_now_are_reported() {
    let server = short_presence_timeouts().start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    ada.open_direct(&ben).await;
    ada.open_direct(&cleo).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    assert_eq!(of_ada.watch(&[&ben]).await, [Offline]);
    assert_eq!(of_ada.watch(&[&cleo]).await, [Offline]);
    let (_of_ben, _of_cleo) = (BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    let reported = of_ada.until(&cleo, Online).await;
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_eq!(of_ada.watch(&[]).await, []);
}

#[tokio::test]
async fn a_polling_user_is_online() {
    let server = short_presence_timeouts().start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    ada.open_direct(&ben).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    assert_eq!(of_ada.watch(&[&ben]).await, [Offline]);
    let cursor = ben.api.events(None, 0).await.expect("a cursor").cursor;
    of_ada.until(&ben, Online).await;
    of_ada.until(&ben, Offline).await;
    let api = ben.api.clone();
    let waiting = tokio::spawn(async move { api.events(Some(cursor), 25).await });
    of_ada.until(&ben, Online).await;
    ada.open_direct(&ben).await;
    ada.group("Desk", &[&ben]).await;
    waiting.await.expect("no panic").expect("news");
    of_ada.until(&ben, Offline).await;
}

#[tokio::test]
async fn a_silent_connection_is_offline_when_it_times_out() {
    let setup = short_presence_timeouts().with("socket.ping_interval_ms", 200).with("socket.silence_ms", 700);
    let server = setup.with("presence.socket_grace_ms", 60_000).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    ada.open_direct(&ben).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    let mut silent = BrowserPage::open(&ben).await;
    silent.socket.stop_answering_heartbeats();
    of_ada.watch_until(&ben, Online).await;
    let reported = of_ada.until(&ben, Offline).await;
    assert!(reported.iter().all(|presence| presence.user == ben.id), "{reported:?}");
}

#[tokio::test]
async fn every_user_is_offline_after_a_kill_until_they_reconnect() {
    let mut server = short_presence_timeouts().start().await;
    let (ada, ben, cleo) = (server.user("ada").await, server.user("ben").await, server.user("cleo").await);
    ada.open_direct(&ben).await;
    ada.open_direct(&cleo).await;
    let mut of_ada = BrowserPage::open(&ada).await;
    let (mut of_ben, _of_cleo) = (BrowserPage::open(&ben).await, BrowserPage::open(&cleo).await);
    of_ada.watch_until(&cleo, Online).await;
    of_ada.watch_until(&ben, Online).await;
    // Changes of a user are published at intervals, and each records in the store who is online.
    for (idle, status) in [(true, Idle), (false, Online), (true, Idle), (false, Online)] {
        of_ben.idle(idle).await;
        of_ada.watch_until(&ben, status).await;
    }
    server.kill();
    server.restart().await;
    let mut of_ada = BrowserPage::open(&ada).await;
    let users = vec![ben.id, cleo.id];
    let watched: Watched = of_ada.socket.call(Command::WatchPresence { users }).await.expect("few enough");
    for presence in &watched.presence {
        assert_eq!(presence.status, Offline);
        assert!(presence.seen_at.is_some(), "it is kept when they were last: {watched:?}");
    }
    let _returned = BrowserPage::open(&ben).await;
    let reported = of_ada.until(&ben, Online).await;
    assert_eq!(reported.len(), 1, "{reported:?}");
    let body = of_ada.user.api.get::<Watched>(&format!("/v1/presence?users={},{}", ben.id, cleo.id)).await;
    let statuses: Vec<_> = body.expect("an answer").presence.into_iter().map(|presence| presence.status).collect();
    assert_eq!(statuses, [Online, Offline]);
}
