//! Receipts switched off reach nobody, on no way, in both directions.

use super::{
    World, code, conformance,
    groups::{act, conversation_of, does},
    large::{Listener, attach, heard, is},
};
use parlor::{
    app::App,
    domain::{Change, Profile},
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
    whoever_tells_nothing_is_told_nothing_on_any_way,
    no_event_tells_how_far_somebody_without_receipts_has_read,
    switching_is_told_to_others_and_lets_ones_own_connections_ask,
    reading_without_receipts_is_nobody_elses_affair,
    receiving_without_receipts_is_told,
    in_large_conversations_markers_are_asked_for_and_masked_there_too,
    where_the_operator_switched_receipts_off_nobody_is_told,
    another_setting_of_the_operator_lets_everybody_load_anew,
    settings_are_told_to_oneself_and_change_nothing_for_others,
}

async fn switch(world: &World, name: &str, receipts: bool) -> Value {
    let update = MeUpdate { receipts: Some(receipts), ..MeUpdate::default() };
    does(world, name, Command::UpdateMe(update)).await.expect("it is one's own setting")
}

fn find(conversation: &Value, user: UserId) -> Option<Value> {
    let members = conversation["members"].as_array().expect("members");
    members.iter().find(|row| row["user"]["id"] == user.0).cloned()
}

fn row(conversation: &Value, user: UserId) -> Value {
    find(conversation, user).expect("a member")
}

/// The rows of a person as somebody is told of them, on every way of asking.
async fn told(app: &Arc<App>, asker: UserId, conversation: ConversationId, of: UserId) -> Vec<Value> {
    let got = act(app, asker, Command::GetConversation { conversation }).await.expect("a member");
    let changes = Command::GetChanges { conversation, since: Version(0) };
    let changes = act(app, asker, changes).await.expect("a member");
    let list = act(app, asker, Command::ListConversations { after: None, limit: None }).await.expect("a list");
    let listed = list["conversations"].as_array().expect("a list").iter().find(|it| it["id"] == conversation.0);
    let cursor = format!("{}.0", list["cursor"].as_str().and_then(|text| text.split('.').next()).expect("a cursor"));
    let heads = Command::Resume { user: asker, cursor: Some(cursor.parse().expect("a cursor")) };
    let heads = act(app, asker, heads).await.expect("heads");
    let scope = Scope::Conversation(conversation).to_string();
    let brought = heads["changes"].as_array().expect("changes").iter().find(|it| it["scope"] == scope.as_str());
    let members = Command::ListMembers { conversation, after: None, limit: None };
    let members = act(app, asker, members).await.expect("a member");
    let conversations = [
        &got["conversation"],
        &changes["conversation"],
        listed.expect("it is in the list"),
        &brought.expect("it changed")["conversation"],
    ];
    // In a large one not everybody is shown, but everybody is listed.
    conversations.into_iter().filter_map(|it| find(it, of)).chain([row(&members, of)]).collect()
}

fn is_masked(row: &Value) -> bool {
    row["read_seq"] == 0 && row["read_at"].is_null()
}

async fn whoever_tells_nothing_is_told_nothing_on_any_way(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let [ada, ben, cleo] = [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await];
    let sent = world.send("Ada", conversation, "hello").await.message;
    for reader in ["Ben", "Cleo"] {
        world.read(reader, conversation, sent.seq.0).await;
    }
    switch(&world, "Ben", false).await;
    for (asker, of, masked) in [
        (ada, ada, false),
        (ada, ben, true),
        (ada, cleo, false),
        (ben, ada, true),
        (ben, ben, false),
        (ben, cleo, true),
        (cleo, ada, false),
        (cleo, ben, true),
    ] {
        let rows = told(&world.app, asker, conversation, of).await;
        assert_eq!(rows.len(), 5);
        for row in rows {
            assert_eq!(is_masked(&row), masked, "{asker} asks for {of}: {row}");
            assert_eq!(row["delivered_seq"], sent.seq.0, "what was received is always told");
        }
    }
    switch(&world, "Ben", true).await;
    for row in told(&world.app, ada, conversation, ben).await {
        assert_eq!(row["read_seq"], sent.seq.0, "what was read stayed");
    }
}

/// Every `read_seq`, `read_at` and `unread` in an event that tells of this person.
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

/// All that came until now.
async fn everything_heard(world: &World, listener: &mut Listener, name: &str) -> Vec<Value> {
    let other = format!("Zoe {}", world.key());
    let end = Scope::Conversation(world.direct(name, &other).await).to_string();
    let mut events = Vec::new();
    loop {
        let event = heard(listener, |_| true).await;
        if event["scope"] == end.as_str() {
            return events;
        }
        events.push(event);
    }
}

async fn no_event_tells_how_far_somebody_without_receipts_has_read(world: World) {
    let key = world.context("5", &[("Ada", "owner")]).await;
    let [ada, ben, cleo] = [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await];
    let group = parlor_protocol::params::Group { title: "Umbrellas".to_owned(), users: vec![ben, cleo] };
    let open = parlor_protocol::params::Open { group: Some(group), context: Some(key), ..world.opening() };
    let (conversation, _) = world.open(ada, open).await.expect("opened");
    // Long enough that no marker is where it began.
    let mut last = Seq(0);
    for text in ["one", "two", "three"] {
        last = world.send("Ada", conversation, text).await.message.seq;
    }
    world.read("Cleo", conversation, 1).await;
    let mut adas = attach(&world.app, &world, "Ada").await;
    let mut bens = attach(&world.app, &world, "Ben").await;
    switch(&world, "Ben", false).await;
    for (listener, name) in [(&mut adas, "Ada"), (&mut bens, "Ben")] {
        everything_heard(&world, listener, name).await;
    }

    // Everything that tells rows of members, of Ben who does not tell, and of others to him.
    world.read("Ben", conversation, 1).await;
    let delivered = Change::Mark { actor: ben, conversation, delivered: last, read: Seq(2) };
    world.app.commit.submit(delivered).await.expect("marked");
    world.read("Ben", conversation, last.0).await;
    world.send("Ben", conversation, "from Ben").await;
    world.send("Ada", conversation, "from Ada").await;
    world.read("Cleo", conversation, last.0).await;
    let rename = |user, name: &str| Change::UpdateProfile { user, profile: Profile::named(name) };
    let role = |user, role| Change::UpdateMember { actor: ada, conversation, user, role };
    for change in [
        rename(ben, "Benjamin"),
        rename(cleo, "Cleopatra"),
        role(ben, Role::Owner),
        role(ben, Role::Moderator),
        role(cleo, Role::Moderator),
        role(cleo, Role::Member),
    ] {
        world.app.commit.submit(change).await.expect("allowed");
    }
    // Roles of both in the context at once.
    world.context("5", &[("Ada", "owner"), ("Ben", "finder"), ("Cleo", "witness")]).await;
    // Ben inherits: his row is told to all who stay.
    world.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    world.read("Cleo", conversation, last.0 + 1).await;

    let (mut of_ben, mut of_others, mut own) = (0, 0, 0);
    for event in everything_heard(&world, &mut adas, "Ada").await {
        assert_eq!(leaks(&event, ben), Vec::<Value>::new(), "{event}");
        of_ben += usize::from(event.to_string().contains("Ben"));
    }
    for event in everything_heard(&world, &mut bens, "Ben").await {
        for other in [ada, cleo] {
            assert_eq!(leaks(&event, other), Vec::<Value>::new(), "{event}");
            of_others += 1;
        }
        own += leaks(&event, ben).len();
    }
    assert!(of_ben >= 5 && of_others > 10 && own >= 3, "something was looked at: {of_ben} {of_others} {own}");
}

async fn switching_is_told_to_others_and_lets_ones_own_connections_ask(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let sent = world.send("Ada", conversation, "hello").await.message;
    world.read("Ben", conversation, sent.seq.0).await;
    let (mut adas, mut bens) = (attach(&world.app, &world, "Ada").await, attach(&world.app, &world, "Ben").await);
    for (receipts, read_seq) in [(false, 0), (true, sent.seq.0)] {
        let version = switch(&world, "Ben", receipts).await["version"].clone();
        let scope = Scope::Conversation(conversation).to_string();
        let mine = heard(&mut bens, |event| event["scope"] == scope.as_str() && event["version"] == version).await;
        assert_eq!(mine["type"], "scope.changed");
        let theirs = heard(&mut adas, |event| event["version"] == version).await;
        assert_eq!((&theirs["type"], &theirs["unread"]), (&json!("member.updated"), &Value::Null));
        let told = &theirs["members"][0];
        assert_eq!((&told["user"]["id"], &told["read_seq"]), (&json!(ben), &json!(read_seq)));
        let seen = conversation_of(&world, "Ada", conversation).await;
        assert_eq!((&seen["version"], &row(&seen, ben)), (&version, told));
        assert_eq!(seen["members"].as_array().expect("two").len(), 2);
    }
    // The same again changes nothing for anybody else.
    let before = conversation_of(&world, "Ada", conversation).await;
    switch(&world, "Ben", true).await;
    assert_eq!(conversation_of(&world, "Ada", conversation).await, before);
    assert_eq!(row(&before, ada)["read_seq"], sent.seq.0);
}

async fn reading_without_receipts_is_nobody_elses_affair(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let last = world.send("Ada", conversation, "hello").await.message.seq;
    switch(&world, "Ben", false).await;
    let mark = |delivered, read| Change::Mark { actor: ben, conversation, delivered, read };
    let (mut adas, mut bens) = (attach(&world.app, &world, "Ada").await, attach(&world.app, &world, "Ben").await);
    world.app.commit.submit(mark(last, Seq(0))).await.expect("marked");
    heard(&mut adas, |event| event["members"][0]["delivered_seq"] == last.0).await;
    let before = conversation_of(&world, "Ada", conversation).await;
    world.app.commit.submit(mark(last, last)).await.expect("marked");
    let mine = heard(&mut bens, |event| event["type"] == "marker.updated").await;
    assert_eq!((&mine["scope"], &mine["read_seq"]), (&json!(format!("user:{ben}")), &json!(last)));
    assert!(mine["read_at"].is_string() && mine["unread"] == 0);
    assert_eq!(conversation_of(&world, "Ada", conversation).await, before, "not even that something happened");
    let me = does(&world, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["markers"][0]["read_seq"], last.0);
    assert_eq!(conversation_of(&world, "Ben", conversation).await["unread"], 0);
    world.send("Ben", conversation, "an answer").await;
    let next = adas.next().await;
    assert_eq!((&next["type"], &next["sender_read_seq"]), (&json!("message.created"), &Value::Null), "{next}");
    let own = heard(&mut bens, is("message.created", conversation)).await;
    assert_eq!(own["sender_read_seq"], last.0 + 1);
    assert_eq!(row(&conversation_of(&world, "Ada", conversation).await, ada)["read_seq"], last.0);
}

async fn receiving_without_receipts_is_told(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let last = world.send("Ada", conversation, "hello").await.message.seq;
    switch(&world, "Ben", false).await;
    let (mut adas, mut bens) = (attach(&world.app, &world, "Ada").await, attach(&world.app, &world, "Ben").await);
    let mark = Change::Mark { actor: ben, conversation, delivered: last, read: last };
    world.app.commit.submit(mark).await.expect("marked");
    let received = |event: &Value| event["members"][0]["delivered_seq"] == last.0;
    let theirs = heard(&mut adas, received).await;
    assert!(is_masked(&theirs["members"][0]) && theirs["unread"].is_null(), "{theirs}");
    let mine = heard(&mut bens, received).await;
    assert_eq!((&mine["members"][0]["read_seq"], &mine["unread"]), (&json!(last), &json!(0)));
}

async fn in_large_conversations_markers_are_asked_for_and_masked_there_too(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let app = world.node_with(&[("limits.conversation_fan_out_max", "2"), ("sync.clock_check_ms", "20")]).await;
    let [ada, ben, cleo] = [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await];
    let last = super::send(&app, ada, conversation, "k1", "hello").await.expect("sent").message.seq;
    let off = MeUpdate { receipts: Some(false), ..MeUpdate::default() };
    act(&app, ben, Command::UpdateMe(off)).await.expect("switched");
    let mut cleos = attach(&app, &world, "Cleo").await;
    let mut bens = attach(&app, &world, "Ben").await;
    cleos.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    bens.attached.show(&app.hub.inquire(), &[conversation]).await.expect("joined");
    for actor in [ben, cleo] {
        let mark = Change::Mark { actor, conversation, delivered: last, read: last };
        app.commit.submit(mark).await.expect("marked");
    }
    for (asker, of, masked) in [(ada, ben, true), (ada, cleo, false), (ben, cleo, true), (ben, ben, false)] {
        for row in told(&app, asker, conversation, of).await {
            assert_eq!(is_masked(&row), masked, "{asker} asks for {of}: {row}");
        }
    }
    // Who sends is told all of it; everybody else only the message, since it is not known who they are.
    super::send(&app, ben, conversation, "k2", "from Ben").await.expect("sent");
    super::send(&app, cleo, conversation, "k3", "from Cleo").await.expect("sent");
    for (sender, read_seq) in [(ben, json!(last.0 + 1)), (cleo, Value::Null)] {
        let event = heard(&mut bens, |event| event["sender"]["id"] == sender.0).await;
        assert_eq!(event["sender_read_seq"], read_seq, "{event}");
    }
    let event = heard(&mut cleos, |event| event["sender"]["id"] == ben.0).await;
    assert!(event["sender_read_seq"].is_null(), "{event}");
}

async fn where_the_operator_switched_receipts_off_nobody_is_told(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let sent = world.send("Ada", conversation, "hello").await.message;
    world.read("Ben", conversation, sent.seq.0).await;
    let quiet = world.node_with(&[("messages.receipts", "false")]).await;
    for (asker, of) in [(ada, ben), (ben, ada)] {
        assert!(told(&quiet, asker, conversation, of).await.iter().all(is_masked));
        assert!(!told(&quiet, of, conversation, of).await.iter().any(is_masked), "one's own row is told whole");
    }
    let me = act(&quiet, ben, Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["receipts"], false);
    let on = MeUpdate { receipts: Some(true), ..MeUpdate::default() };
    assert_eq!(code(act(&quiet, ben, Command::UpdateMe(on)).await), Code::NotAllowed);
    let mut adas = attach(&quiet, &world, "Ada").await;
    let mut bens = attach(&quiet, &world, "Ben").await;
    let sent = super::send(&quiet, ben, conversation, "k1", "from Ben").await.expect("sent");
    let event = heard(&mut adas, is("message.created", conversation)).await;
    assert!(event["sender_read_seq"].is_null(), "{event}");
    let event = heard(&mut bens, is("message.created", conversation)).await;
    assert_eq!(event["sender_read_seq"], sent.message.seq.0);
    // Each one's own setting stayed.
    let me = does(&world, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!(me["receipts"], true);
}

async fn another_setting_of_the_operator_lets_everybody_load_anew(world: World) {
    let ada = world.person("Ada").await;
    let heads = |app: Arc<App>, cursor: Option<String>| async move {
        let cursor = cursor.map(|text| text.parse().expect("a cursor"));
        act(&app, ada, Command::Resume { user: ada, cursor }).await.expect("heads")
    };
    let cursor = |heads: &Value| heads["cursor"].as_str().map(str::to_owned);
    let first = heads(world.app.clone(), None).await;
    let same = heads(world.another_node().await, cursor(&first)).await;
    assert_eq!(same["reset"], false, "an ordinary start resets nobody");
    let off = world.node_with(&[("messages.receipts", "false")]).await;
    let other = heads(off, cursor(&same)).await;
    assert_eq!(other["reset"], true);
    let off = world.node_with(&[("messages.receipts", "false")]).await;
    let again = heads(off, cursor(&other)).await;
    assert_eq!(again["reset"], false);
    assert_eq!(heads(world.another_node().await, cursor(&again)).await["reset"], true, "and on again");
}

async fn settings_are_told_to_oneself_and_change_nothing_for_others(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let before = conversation_of(&world, "Ada", conversation).await;
    let mut bens = attach(&world.app, &world, "Ben").await;
    let hidden = MeUpdate { presence: Some(false), ..MeUpdate::default() };
    does(&world, "Ben", Command::UpdateMe(hidden)).await.expect("one's own setting");
    let event = heard(&mut bens, |event| event["type"] == "me.updated").await;
    assert_eq!((&event["me"]["presence"], &event["me"]["receipts"]), (&json!(false), &json!(true)));
    let me = does(&world, "Ben", Command::GetMe { since: None }).await.expect("I");
    assert_eq!((&me["presence"], &me["scope_version"]), (&json!(false), &event["version"]));
    assert_eq!(conversation_of(&world, "Ada", conversation).await, before);
    assert_eq!(code(does(&world, "Ben", Command::UpdateMe(MeUpdate::default())).await), Code::InvalidField);
}
