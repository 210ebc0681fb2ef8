//! How users keep conversations in their own lists: pinned, archived, muted, marked as unread.

use super::{
    TestCluster, code, conformance,
    groups::{act, conversation_of, does},
    large_conversations::{attach, next_event},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Scope, Seq, Version},
    params::{MeUpdate, SettingsUpdate},
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

conformance! {
    settings_change_only_what_is_named_and_repeats_change_nothing,
    settings_are_seen_and_received_by_their_user_alone,
    a_user_pins_as_many_conversations_as_the_limit_allows,
    archived_conversations_are_left_out_of_the_totals_until_a_message_arrives,
    muted_conversations_are_left_out_of_the_totals_until_their_time,
    muting_puts_nothing_back_into_the_archive,
    reading_ends_that_a_conversation_is_marked_as_unread,
    a_client_that_was_away_receives_the_settings_changed_meanwhile,
    settings_survive_that_a_member_leaves_and_returns,
    invalid_settings_are_refused,
}

fn pinned(pinned: bool) -> SettingsUpdate {
    SettingsUpdate { pinned: Some(pinned), ..SettingsUpdate::default() }
}

fn archived(seq: Option<i64>) -> SettingsUpdate {
    SettingsUpdate { archived_seq: Some(seq.map(Seq)), ..SettingsUpdate::default() }
}

fn muted(until: Option<&str>) -> SettingsUpdate {
    SettingsUpdate { muted: Some(true), muted_until: until.map(str::to_owned), ..SettingsUpdate::default() }
}

fn marked_unread(marked: bool) -> SettingsUpdate {
    SettingsUpdate { marked_unread: Some(marked), ..SettingsUpdate::default() }
}

async fn set(cluster: &TestCluster, name: &str, conversation: ConversationId, settings: SettingsUpdate) -> Value {
    does(cluster, name, Command::UpdateSettings { conversation, settings }).await.expect("a member")
}

async fn settings(cluster: &TestCluster, name: &str, conversation: ConversationId) -> Value {
    conversation_of(cluster, name, conversation).await["settings"].take()
}

/// The totals of a user: conversations and messages.
async fn unread(cluster: &TestCluster, name: &str) -> (u64, u64) {
    let me = does(cluster, name, Command::GetMe { since: None }).await.expect("signed in");
    let number = |field: &str| me["unread"][field].as_u64().expect("a number");
    (number("conversations"), number("messages"))
}

async fn settings_change_only_what_is_named_and_repeats_change_nothing(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    assert_eq!(settings(&cluster, "Ada", conversation).await, Value::Null, "omitted while nothing is set");
    cluster.send("Ben", conversation, "hello").await;
    let first = set(&cluster, "Ada", conversation, pinned(true)).await;
    assert_ne!(first["version"], first["prev"]);
    set(&cluster, "Ada", conversation, archived(Some(99))).await;
    let last = set(&cluster, "Ada", conversation, muted(Some("2030-01-02T03:04:05Z"))).await;
    let all = json!({"pinned": true, "archived_seq": 1, "muted": true, "muted_until": "2030-01-02T03:04:05.000Z",
        "marked_unread": false, "version": last["version"]});
    assert_eq!(settings(&cluster, "Ada", conversation).await, all, "archived up to its newest message");
    let again = set(&cluster, "Ada", conversation, pinned(true)).await;
    assert_eq!((&again["version"], &again["prev"]), (&last["version"], &last["version"]));
    let update = SettingsUpdate { muted: Some(false), ..archived(None) };
    let last = set(&cluster, "Ada", conversation, update).await;
    let rest = json!({"pinned": true, "archived_seq": null, "muted": false, "muted_until": null,
        "marked_unread": false, "version": last["version"]});
    assert_eq!(settings(&cluster, "Ada", conversation).await, rest);
    set(&cluster, "Ada", conversation, muted(None)).await;
    let settings = settings(&cluster, "Ada", conversation).await;
    assert_eq!((&settings["muted"], &settings["muted_until"]), (&json!(true), &Value::Null), "for good");
}

async fn settings_are_seen_and_received_by_their_user_alone(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (mut ada, mut ben) = (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let before = conversation_of(&cluster, "Ben", conversation).await;
    let changed = set(&cluster, "Ada", conversation, pinned(true)).await;
    let event = next_event(&mut ada, |event| event["type"] == "settings.updated").await;
    assert_eq!(event["scope"], Scope::User(cluster.user("Ada").await).to_string());
    assert_eq!((&event["version"], &event["prev"]), (&changed["version"], &changed["prev"]));
    assert_eq!(event["settings"], settings(&cluster, "Ada", conversation).await);
    for update in [archived(Some(0)), muted(None), marked_unread(true)] {
        set(&cluster, "Ada", conversation, update).await;
    }
    assert_eq!(conversation_of(&cluster, "Ben", conversation).await, before, "not even its version");
    // Events arrive in their order, so anything about the settings would have come before.
    cluster.send("Ada", conversation, "hello").await;
    let first = next_event(&mut ben, |_| true).await;
    assert_eq!(first["type"], "message.created");
}

async fn a_user_pins_as_many_conversations_as_the_limit_allows(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.pinned_max", "2")]).await;
    let ada = cluster.user("Ada").await;
    let mut conversations = Vec::new();
    for name in ["Ben", "Cleo", "Dora"] {
        conversations.push(cluster.direct("Ada", name).await);
    }
    let pin = async |conversation: ConversationId, on: bool| {
        act(&app, ada, Command::UpdateSettings { conversation, settings: pinned(on) }).await
    };
    pin(conversations[0], true).await.expect("the first");
    pin(conversations[1], true).await.expect("the second");
    pin(conversations[1], true).await.expect("it is pinned");
    let refused = pin(conversations[2], true).await.expect_err("one too many");
    assert_eq!((refused.code, refused.limit), (Code::LimitReached, Some(2)));
    pin(conversations[0], false).await.expect("allowed");
    pin(conversations[2], true).await.expect("there is room");
    let me = act(&app, ada, Command::GetMe { since: None }).await.expect("signed in");
    let listed: Vec<i64> =
        me["settings"].as_array().expect("a list").iter().filter_map(|it| it["conversation"].as_i64()).collect();
    assert_eq!(listed, [conversations[1].0, conversations[2].0], "the pinned ones");
}

async fn archived_conversations_are_left_out_of_the_totals_until_a_message_arrives(cluster: TestCluster) {
    let (one, other) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ada", "Cleo").await);
    cluster.send("Ben", one, "hello").await;
    cluster.send("Cleo", other, "hello").await;
    assert_eq!(unread(&cluster, "Ada").await, (2, 2));
    set(&cluster, "Ada", one, archived(Some(1))).await;
    assert_eq!(unread(&cluster, "Ada").await, (1, 1));
    cluster.send("Ben", one, "and again").await;
    assert_eq!(unread(&cluster, "Ada").await, (2, 3), "a new message takes it out of the archive");
    set(&cluster, "Ada", one, archived(Some(1))).await;
    assert_eq!(unread(&cluster, "Ada").await, (2, 3), "archived up to a message that is not the newest");
    set(&cluster, "Ada", one, muted(None)).await;
    cluster.send("Ben", one, "once more").await;
    assert_eq!(unread(&cluster, "Ada").await, (1, 1), "while it is muted, it stays there");
}

async fn muted_conversations_are_left_out_of_the_totals_until_their_time(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let until = cluster.clock.load(Ordering::Relaxed) + 3_600_000;
    let text = parlor::environment::rfc3339(until);
    set(&cluster, "Ada", conversation, muted(Some(&text))).await;
    assert_eq!(unread(&cluster, "Ada").await, (0, 0));
    cluster.clock.store(until, Ordering::Relaxed);
    assert_eq!(unread(&cluster, "Ada").await, (1, 1), "its time is over");
    set(&cluster, "Ada", conversation, muted(None)).await;
    assert_eq!(unread(&cluster, "Ada").await, (0, 0));
}

async fn muting_puts_nothing_back_into_the_archive(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    set(&cluster, "Ada", conversation, archived(Some(1))).await;
    cluster.send("Ben", conversation, "still there?").await;
    set(&cluster, "Ada", conversation, muted(None)).await;
    assert_eq!(settings(&cluster, "Ada", conversation).await["archived_seq"], Value::Null, "a message took it out");
    set(&cluster, "Ada", conversation, archived(Some(2))).await;
    cluster.send("Ben", conversation, "hello?").await;
    set(&cluster, "Ada", conversation, pinned(true)).await;
    assert_eq!(settings(&cluster, "Ada", conversation).await["archived_seq"], json!(2), "muted, it stays there");
}

async fn reading_ends_that_a_conversation_is_marked_as_unread(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    cluster.read("Ada", conversation, 1).await;
    let marked = async || settings(&cluster, "Ada", conversation).await["marked_unread"].clone();
    let scope = Scope::User(cluster.user("Ada").await).to_string();
    let mut ada = attach(&cluster.app, &cluster, "Ada").await;

    set(&cluster, "Ada", conversation, marked_unread(true)).await;
    assert_eq!(unread(&cluster, "Ada").await, (1, 0), "it counts as a conversation");
    let delivered = Command::Mark { conversation, delivered: Some(Seq(1)), read: None };
    does(&cluster, "Ada", delivered).await.expect("a member");
    assert_eq!(marked().await, true, "receiving is not reading");
    cluster.read("Ada", conversation, 1).await;
    assert_eq!(marked().await, false, "although the marker does not move");
    for expected in [true, false] {
        let event = next_event(&mut ada, |event| event["type"] == "settings.updated").await;
        assert_eq!(event["settings"]["marked_unread"], expected);
    }

    set(&cluster, "Ada", conversation, marked_unread(true)).await;
    cluster.send("Ben", conversation, "and again").await;
    cluster.read("Ada", conversation, 2).await;
    assert_eq!(marked().await, false, "the marker moves, in the scope of the conversation");
    assert_eq!(unread(&cluster, "Ada").await, (0, 0));
    let event = next_event(&mut ada, |event| {
        event["type"] == "settings.updated" && event["settings"]["marked_unread"] == false
    })
    .await;
    assert_eq!(event["scope"], scope.as_str());

    does(&cluster, "Ada", Command::UpdateMe(MeUpdate { receipts: Some(false), ..MeUpdate::default() }))
        .await
        .expect("own");
    set(&cluster, "Ada", conversation, marked_unread(true)).await;
    cluster.send("Ben", conversation, "once more").await;
    does(&cluster, "Ada", Command::Mark { conversation, delivered: Some(Seq(3)), read: None }).await.expect("a member");
    let marked_at = cluster.read("Ada", conversation, 3).await.change.version;
    assert_eq!(marked().await, false, "the marker moves in the scope of the user");
    let event = next_event(&mut ada, |event| event["version"] == marked_at.0).await;
    assert_eq!((&event["type"], &event["scope"]), (&json!("scope.changed"), &json!(scope)));
}

async fn a_client_that_was_away_receives_the_settings_changed_meanwhile(cluster: TestCluster) {
    let (one, other) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ada", "Cleo").await);
    let ada = cluster.user("Ada").await;
    let since = set(&cluster, "Ada", one, muted(None)).await["version"].as_i64().map(Version);
    set(&cluster, "Ada", other, archived(Some(0))).await;
    let me = does(&cluster, "Ada", Command::GetMe { since }).await.expect("signed in");
    let listed = me["settings"].as_array().expect("a list");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!((&listed[0]["conversation"], &listed[0]["archived_seq"]), (&json!(other.0), &json!(0)));
    let few = cluster.node_with(&[("limits.changes_rows_max", "1")]).await;
    let me = act(&few, ada, Command::GetMe { since: Some(Version(0)) }).await.expect("signed in");
    assert_eq!((&me["hidden_reset"], &me["settings"]), (&json!(true), &Value::Null), "too many to list");
}

async fn settings_survive_that_a_member_leaves_and_returns(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    set(&cluster, "Ben", conversation, muted(None)).await;
    cluster.remove("Ben", conversation, "Ben").await.expect("leaving is free");
    let left = Command::UpdateSettings { conversation, settings: pinned(true) };
    assert_eq!(code(does(&cluster, "Ben", left).await), Code::NotFound);
    let users = vec![cluster.user("Ben").await];
    does(&cluster, "Ada", Command::AddMembers { conversation, users, history: None }).await.expect("an owner may");
    assert_eq!(settings(&cluster, "Ben", conversation).await["muted"], true);
}

async fn invalid_settings_are_refused(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let until = Some("2030-01-02T03:04:05Z".to_owned());
    for settings in [
        SettingsUpdate::default(),
        muted(Some("tomorrow")),
        SettingsUpdate { muted_until: until.clone(), ..SettingsUpdate::default() },
        SettingsUpdate { muted: Some(false), muted_until: until, ..SettingsUpdate::default() },
    ] {
        let refused = does(&cluster, "Ada", Command::UpdateSettings { conversation, settings }).await;
        assert_eq!(code(refused), Code::InvalidField);
    }
    // A time that is over is one.
    set(&cluster, "Ada", conversation, muted(Some("1969-01-02T03:04:05Z"))).await;
}
