//! Disabled receipts are invisible on every transport, in both directions.

use super::{
    TestCluster, code, conformance,
    groups::{act, conversation_of, does},
    large_conversations::{Subscriber, attach, is, next_event},
};
use parlor::{
    app::App,
    domain::{Change, ProfileUpdate},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::Role,
    params::MeUpdate,
};
use serde_json::{Value, json};
use std::sync::Arc;

conformance! {
    users_without_receipts_receive_none_on_any_transport,
    no_event_reveals_the_read_marker_of_a_user_without_receipts,
    switching_receipts_is_published_and_makes_own_connections_refetch,
    reading_without_receipts_is_private,
    delivery_is_reported_without_receipts,
    in_large_conversations_fetched_markers_are_masked_too,
    no_user_sees_receipts_if_the_operator_disables_them,
    changing_the_operators_receipt_setting_makes_every_client_reload,
    settings_are_reported_to_their_user_and_change_nothing_for_others,
}

async fn switch(cluster: &TestCluster, name: &str, receipts: bool) -> Value {
    let update = MeUpdate { receipts: Some(receipts), ..MeUpdate::default() };
    does(cluster, name, Command::UpdateMe(update)).await.expect("it is the user's own setting")
}

fn find(conversation: &Value, user: UserId) -> Option<Value> {
    let members = conversation["members"].as_array().expect("members");
    members.iter().find(|row| row["user"]["id"] == user.0).cloned()
}

fn row(conversation: &Value, user: UserId) -> Value {
    find(conversation, user).expect("a member")
}

/// The member rows of a user as another user sees them, on every transport.
async fn reported(app: &Arc<App>, viewer: UserId, conversation: ConversationId, of: UserId) -> Vec<Value> {
    let got = act(app, viewer, Command::GetConversation { conversation }).await.expect("a member");
    let changes = Command::GetChanges { conversation, since: Version(0) };
    let changes = act(app, viewer, changes).await.expect("a member");
    let list = act(app, viewer, Command::ListConversations { after: None, limit: None }).await.expect("a list");
    let listed = list["conversations"].as_array().expect("a list").iter().find(|it| it["id"] == conversation.0);
    let cursor = format!("{}.0", list["cursor"].as_str().and_then(|text| text.split('.').next()).expect("a cursor"));
    let heads = Command::Resume { user: viewer, cursor: Some(cursor.parse().expect("a cursor")) };
    let heads = act(app, viewer, heads).await.expect("heads");
    let scope = Scope::Conversation(conversation).to_string();
    let brought = heads["changes"].as_array().expect("changes").iter().find(|it| it["scope"] == scope.as_str());
    let members = Command::ListMembers { conversation, after: None, limit: None };
    let members = act(app, viewer, members).await.expect("a member");
    let conversations = [
        &got["conversation"],
        &changes["conversation"],
        listed.expect("it is in the list"),
        &brought.expect("it changed")["conversation"],
    ];
    // A large conversation does not include every member, but the list does.
    conversations.into_iter().filter_map(|it| find(it, of)).chain([row(&members, of)]).collect()
}

fn is_masked(row: &Value) -> bool {
    row["read_seq"] == 0 && row["read_at"].is_null()
}

async fn users_without_receipts_receive_none_on_any_transport(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let [ada, ben, cleo] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await];
    let sent = cluster.send("Ada", conversation, "hello").await.message;
    for reader in ["Ben", "Cleo"] {
        cluster.read(reader, conversation, sent.seq.0).await;
    }
    switch(&cluster, "Ben", false).await;
    for (viewer, of, masked) in [
        (ada, ada, false),
        (ada, ben, true),
        (ada, cleo, false),
        (ben, ada, true),
        (ben, ben, false),
        (ben, cleo, true),
        (cleo, ada, false),
        (cleo, ben, true),
    ] {
        let rows = reported(&cluster.app, viewer, conversation, of).await;
        assert_eq!(rows.len(), 5);
        for row in rows {
            assert_eq!(is_masked(&row), masked, "{viewer} reads {of}: {row}");
            assert_eq!(row["delivered_seq"], sent.seq.0, "delivery is always reported");
        }
    }
    switch(&cluster, "Ben", true).await;
    for row in reported(&cluster.app, ada, conversation, ben).await {
        assert_eq!(row["read_seq"], sent.seq.0, "what was read stayed");
    }
}

/// Every `read_seq`, `read_at` and `unread` in an event about this user.
fn leaks(event: &Value, of: UserId) -> Vec<Value> {
    let mut found = Vec::new();
    let rows = event["members"].as_array().into_iter().flatten();
    for row in rows.filter(|row| row["user"]["id"] == of.0) {
        if !is_masked(row) {
            found.push(row.clone());
        }
        if event["unread"].is_number() {
            found.push(event["unread"].clone());
        }
    }
    if event["sender"]["id"] == of.0 && !event["sender_read_seq"].is_null() {
        found.push(event["sender_read_seq"].clone());
    }
    found
}

/// Everything received so far.
async fn receive_all(cluster: &TestCluster, subscriber: &mut Subscriber, name: &str) -> Vec<Value> {
    let other = format!("Zoe {}", cluster.key());
    let end = Scope::Conversation(cluster.direct(name, &other).await).to_string();
    let mut events = Vec::new();
    loop {
        let event = next_event(subscriber, |_| true).await;
        if event["scope"] == end.as_str() {
            return events;
        }
        events.push(event);
    }
}

async fn no_event_reveals_the_read_marker_of_a_user_without_receipts(cluster: TestCluster) {
    let key = cluster.context("5", &[("Ada", "owner")]).await;
    let [ada, ben, cleo] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await];
    let group = parlor_protocol::params::Group { title: "Umbrellas".to_owned(), users: vec![ben, cleo] };
    let open = parlor_protocol::params::Open { group: Some(group), context: Some(key), ..cluster.opening() };
    let (conversation, _) = cluster.open(ada, open).await.expect("opened");
    // Long enough that no marker is at its start.
    let mut last = Seq(0);
    for text in ["one", "two", "three"] {
        last = cluster.send("Ada", conversation, text).await.message.seq;
    }
    cluster.read("Cleo", conversation, 1).await;
    let mut adas = attach(&cluster.app, &cluster, "Ada").await;
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    switch(&cluster, "Ben", false).await;
    for (subscriber, name) in [(&mut adas, "Ada"), (&mut bens, "Ben")] {
        receive_all(&cluster, subscriber, name).await;
    }

    // Everything that reports member rows: of Ben, who hides receipts, and of others to him.
    cluster.read("Ben", conversation, 1).await;
    let delivered = Change::Mark { actor: ben, conversation, delivered: last, read: Seq(2) };
    cluster.app.commit.submit(delivered).await.expect("marked");
    cluster.read("Ben", conversation, last.0).await;
    cluster.send("Ben", conversation, "from Ben").await;
    cluster.send("Ada", conversation, "from Ada").await;
    cluster.read("Cleo", conversation, last.0).await;
    let rename = |user, name: &str| Change::UpdateProfile { user, profile: ProfileUpdate::named(name) };
    let role = |user, role| Change::UpdateMember { actor: ada, conversation, user, role };
    for change in [
        rename(ben, "Benjamin"),
        rename(cleo, "Cleopatra"),
        role(ben, Role::Owner),
        role(ben, Role::Moderator),
        role(cleo, Role::Moderator),
        role(cleo, Role::Member),
    ] {
        cluster.app.commit.submit(change).await.expect("allowed");
    }
    // Roles of both in the context at once.
    cluster.context("5", &[("Ada", "owner"), ("Ben", "finder"), ("Cleo", "witness")]).await;
    // Ben inherits: his row is published to all remaining members.
    cluster.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    cluster.read("Cleo", conversation, last.0 + 1).await;

    let (mut of_ben, mut of_others, mut own) = (0, 0, 0);
    for event in receive_all(&cluster, &mut adas, "Ada").await {
        assert_eq!(leaks(&event, ben), Vec::<Value>::new(), "{event}");
        of_ben += usize::from(event.to_string().contains("Ben"));
    }
    for event in receive_all(&cluster, &mut bens, "Ben").await {
        for other in [ada, cleo] {
            assert_eq!(leaks(&event, other), Vec::<Value>::new(), "{event}");
            of_others += 1;
        }
        own += leaks(&event, ben).len();
    }
    assert!(of_ben >= 5 && of_others > 10 && own >= 3, "something was looked at: {of_ben} {of_others} {own}");
}

async fn switching_receipts_is_published_and_makes_own_connections_refetch(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let sent = cluster.send("Ada", conversation, "hello").await.message;
    cluster.read("Ben", conversation, sent.seq.0).await;
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    for (receipts, read_seq) in [(false, 0), (true, sent.seq.0)] {
        let version = switch(&cluster, "Ben", receipts).await["version"].clone();
        let scope = Scope::Conversation(conversation).to_string();
        let mine = next_event(&mut bens, |event| event["scope"] == scope.as_str() && event["version"] == version).await;
        assert_eq!(mine["type"], "scope.changed");
        let theirs = next_event(&mut adas, |event| event["version"] == version).await;
        assert_eq!((&theirs["type"], &theirs["unread"]), (&json!("member.updated"), &Value::Null));
        let reported = &theirs["members"][0];
        assert_eq!((&reported["user"]["id"], &reported["read_seq"]), (&json!(ben), &json!(read_seq)));
        let seen = conversation_of(&cluster, "Ada", conversation).await;
        assert_eq!((&seen["version"], &row(&seen, ben)), (&version, reported));
        assert_eq!(seen["members"].as_array().expect("two").len(), 2);
    }
    // Repeating it changes nothing for others.
    let before = conversation_of(&cluster, "Ada", conversation).await;
    switch(&cluster, "Ben", true).await;
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await, before);
    assert_eq!(row(&before, ada)["read_seq"], sent.seq.0);
}

async fn reading_without_receipts_is_private(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let last = cluster.send("Ada", conversation, "hello").await.message.seq;
    switch(&cluster, "Ben", false).await;
    let mark = |delivered, read| Change::Mark { actor: ben, conversation, delivered, read };
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    cluster.app.commit.submit(mark(last, Seq(0))).await.expect("marked");
    next_event(&mut adas, |event| event["members"][0]["delivered_seq"] == last.0).await;
    let before = conversation_of(&cluster, "Ada", conversation).await;
    cluster.app.commit.submit(mark(last, last)).await.expect("marked");
    let mine = next_event(&mut bens, |event| event["type"] == "marker.updated").await;
    assert_eq!((&mine["scope"], &mine["read_seq"]), (&json!(format!("user:{ben}")), &json!(last)));
    assert!(mine["read_at"].is_string() && mine["unread"] == 0);
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await, before, "not even that something happened");
    let me = does(&cluster, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["markers"][0]["read_seq"], last.0);
    assert_eq!(conversation_of(&cluster, "Ben", conversation).await["unread"], 0);
    cluster.send("Ben", conversation, "an answer").await;
    let next = adas.next().await;
    assert_eq!((&next["type"], &next["sender_read_seq"]), (&json!("message.created"), &Value::Null), "{next}");
    let own = next_event(&mut bens, is("message.created", conversation)).await;
    assert_eq!(own["sender_read_seq"], last.0 + 1);
    assert_eq!(row(&conversation_of(&cluster, "Ada", conversation).await, ada)["read_seq"], last.0);
}

async fn delivery_is_reported_without_receipts(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let last = cluster.send("Ada", conversation, "hello").await.message.seq;
    switch(&cluster, "Ben", false).await;
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let mark = Change::Mark { actor: ben, conversation, delivered: last, read: last };
    cluster.app.commit.submit(mark).await.expect("marked");
    let received = |event: &Value| event["members"][0]["delivered_seq"] == last.0;
    let theirs = next_event(&mut adas, received).await;
    assert!(is_masked(&theirs["members"][0]) && theirs["unread"].is_null(), "{theirs}");
    let mine = next_event(&mut bens, received).await;
    assert_eq!((&mine["members"][0]["read_seq"], &mine["unread"]), (&json!(last), &json!(0)));
}

async fn in_large_conversations_fetched_markers_are_masked_too(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let app = cluster.node_with(&[("limits.conversation_fan_out_max", "2"), ("sync.clock_check_ms", "20")]).await;
    let [ada, ben, cleo] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await];
    let last = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent").message.seq;
    let off = MeUpdate { receipts: Some(false), ..MeUpdate::default() };
    act(&app, ben, Command::UpdateMe(off)).await.expect("switched");
    let mut cleos = attach(&app, &cluster, "Cleo").await;
    let mut bens = attach(&app, &cluster, "Ben").await;
    cleos.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    bens.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    for actor in [ben, cleo] {
        let mark = Change::Mark { actor, conversation, delivered: last, read: last };
        app.commit.submit(mark).await.expect("marked");
    }
    for (viewer, of, masked) in [(ada, ben, true), (ada, cleo, false), (ben, cleo, true), (ben, ben, false)] {
        for row in reported(&app, viewer, conversation, of).await {
            assert_eq!(is_masked(&row), masked, "{viewer} reads {of}: {row}");
        }
    }
    // The sender receives everything; the others only the message, since their receipts setting is not known.
    super::send(&app, ben, conversation, "k2", "from Ben").await.expect("sent");
    super::send(&app, cleo, conversation, "k3", "from Cleo").await.expect("sent");
    for (sender, read_seq) in [(ben, json!(last.0 + 1)), (cleo, Value::Null)] {
        let event = next_event(&mut bens, |event| event["sender"]["id"] == sender.0).await;
        assert_eq!(event["sender_read_seq"], read_seq, "{event}");
    }
    let event = next_event(&mut cleos, |event| event["sender"]["id"] == ben.0).await;
    assert!(event["sender_read_seq"].is_null(), "{event}");
}

async fn no_user_sees_receipts_if_the_operator_disables_them(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let sent = cluster.send("Ada", conversation, "hello").await.message;
    cluster.read("Ben", conversation, sent.seq.0).await;
    let quiet = cluster.node_with(&[("messages.receipts", "false")]).await;
    for (viewer, of) in [(ada, ben), (ben, ada)] {
        assert!(reported(&quiet, viewer, conversation, of).await.iter().all(is_masked));
        assert!(!reported(&quiet, of, conversation, of).await.iter().any(is_masked), "the own row is complete");
    }
    let me = act(&quiet, ben, Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["receipts"], false);
    let on = MeUpdate { receipts: Some(true), ..MeUpdate::default() };
    assert_eq!(code(act(&quiet, ben, Command::UpdateMe(on)).await), Code::NotAllowed);
    let mut adas = attach(&quiet, &cluster, "Ada").await;
    let mut bens = attach(&quiet, &cluster, "Ben").await;
    let sent = super::send(&quiet, ben, conversation, "k1", "from Ben").await.expect("sent");
    let event = next_event(&mut adas, is("message.created", conversation)).await;
    assert!(event["sender_read_seq"].is_null(), "{event}");
    let event = next_event(&mut bens, is("message.created", conversation)).await;
    assert_eq!(event["sender_read_seq"], sent.message.seq.0);
    // Each user's setting is unchanged.
    let me = does(&cluster, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["receipts"], true);
}

async fn changing_the_operators_receipt_setting_makes_every_client_reload(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    let heads = |app: Arc<App>, cursor: Option<String>| async move {
        let cursor = cursor.map(|text| text.parse().expect("a cursor"));
        act(&app, ada, Command::Resume { user: ada, cursor }).await.expect("heads")
    };
    let cursor = |heads: &Value| heads["cursor"].as_str().map(str::to_owned);
    let first = heads(cluster.app.clone(), None).await;
    let same = heads(cluster.another_node().await, cursor(&first)).await;
    assert_eq!(same["reset"], false, "an ordinary start resets no client");
    let off = cluster.node_with(&[("messages.receipts", "false")]).await;
    let other = heads(off, cursor(&same)).await;
    assert_eq!(other["reset"], true);
    let off = cluster.node_with(&[("messages.receipts", "false")]).await;
    let again = heads(off, cursor(&other)).await;
    assert_eq!(again["reset"], false);
    assert_eq!(heads(cluster.another_node().await, cursor(&again)).await["reset"], true, "and on again");
}

async fn settings_are_reported_to_their_user_and_change_nothing_for_others(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let before = conversation_of(&cluster, "Ada", conversation).await;
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    let hidden = MeUpdate { presence: Some(false), ..MeUpdate::default() };
    does(&cluster, "Ben", Command::UpdateMe(hidden)).await.expect("the user's own setting");
    let event = next_event(&mut bens, |event| event["type"] == "me.updated").await;
    assert_eq!((&event["me"]["presence"], &event["me"]["receipts"]), (&json!(false), &json!(true)));
    let me = does(&cluster, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!((&me["presence"], &me["scope_version"]), (&json!(false), &event["version"]));
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await, before);
    assert_eq!(code(does(&cluster, "Ben", Command::UpdateMe(MeUpdate::default())).await), Code::InvalidField);
}
