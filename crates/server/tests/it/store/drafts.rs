//! Drafts on the server.

use super::{
    TestCluster, code, conformance,
    groups::{conversation_of, does},
    large_conversations::{attach, next_event},
};
use parlor::domain::Change;
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Scope, Seq, Version},
    model::Mention,
    params::DraftUpdate,
};
use serde_json::{Value, json};

conformance! {
    a_draft_is_kept_and_received_by_its_user_alone,
    a_save_over_an_older_draft_is_dropped,
    a_message_that_was_the_draft_deletes_it_with_the_same_change,
    a_draft_that_changed_since_survives_the_message,
    an_empty_draft_is_deleted_and_does_not_come_back,
    drafts_have_as_many_characters_as_messages_and_a_limited_number,
    a_client_that_was_away_receives_the_drafts_changed_meanwhile,
    drafts_belong_to_members_and_are_erased_when_they_leave,
    the_drafts_of_a_deleted_user_are_erased,
}

fn text(text: &str, since: i64) -> DraftUpdate {
    DraftUpdate { text: text.to_owned(), since: Version(since), ..DraftUpdate::default() }
}

async fn save(cluster: &TestCluster, name: &str, conversation: ConversationId, draft: DraftUpdate) -> Value {
    does(cluster, name, Command::SaveDraft { conversation, draft }).await.expect("a member")
}

fn version(saved: &Value) -> i64 {
    saved["draft"]["version"].as_i64().expect("a version")
}

async fn drafts(cluster: &TestCluster, name: &str, since: Option<i64>) -> Value {
    let since = since.map(Version);
    does(cluster, name, Command::GetMe { since }).await.expect("signed in")["drafts"].take()
}

fn message(cluster: &TestCluster, conversation: ConversationId, text: &str, draft: i64) -> Command {
    Command::Send {
        conversation,
        client_id: cluster.key(),
        text: text.to_owned(),
        mentions: Vec::new(),
        subject: None,
        reply_to: None,
        attachments: Vec::new(),
        draft: Some(Version(draft)),
    }
}

async fn a_draft_is_kept_and_received_by_its_user_alone(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let before = conversation_of(&cluster, "Ben", group).await;
    let mut adas = attach(&cluster.app, &cluster, "Ada").await;
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    let draft = DraftUpdate {
        text: "@Ben\r\nnot yet".to_owned(),
        mentions: vec![Mention { user: ben, at: 0, length: 4 }],
        subject: Some(" Keys ".to_owned()),
        reply_to: Some(Seq(1)),
        since: Version(0),
    };
    let saved = save(&cluster, "Ada", group, draft).await;
    let kept = json!({"text": "@Ben\nnot yet", "mentions": [{"user": ben.0, "at": 0, "length": 4}],
        "subject": "Keys", "reply_to": 1, "version": saved["version"]});
    assert_eq!((&saved["saved"], &saved["draft"]), (&json!(true), &kept));
    let event = next_event(&mut adas, |_| true).await;
    assert_eq!((&event["type"], &event["draft"]), (&json!("draft.updated"), &kept));
    assert_eq!((&event["scope"], &event["conversation"]), (&json!(Scope::User(ada)), &json!(group)));
    let mut listed = kept;
    listed["conversation"] = json!(group);
    assert_eq!(drafts(&cluster, "Ada", None).await, json!([listed]));
    assert_eq!(drafts(&cluster, "Ben", None).await, Value::Null, "Ben learns nothing of it");
    assert_eq!(conversation_of(&cluster, "Ben", group).await, before);
    cluster.send("Ada", group, "hello").await;
    assert_eq!(next_event(&mut bens, |_| true).await["type"], "message.created", "the first that he hears");
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn a_save_over_an_older_draft_is_dropped(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let first = version(&save(&cluster, "Ada", conversation, text("desk", 0)).await);
    let second = save(&cluster, "Ada", conversation, text("desk, more", first)).await;
    for since in [0, first, first - 1, 9_999_999] {
        let dropped = save(&cluster, "Ada", conversation, text("phone", since)).await;
        assert_eq!((&dropped["saved"], &dropped["draft"]), (&json!(false), &second["draft"]), "{since}");
        assert_eq!(dropped["version"], dropped["prev"]);
    }
    let again = save(&cluster, "Ada", conversation, text("desk, more", first)).await;
    assert_eq!((&again["saved"], &again["draft"]), (&json!(true), &second["draft"]), "a repeat was saved");
    assert_eq!(again["version"], again["prev"]);
}

async fn a_message_that_was_the_draft_deletes_it_with_the_same_change(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let draft = version(&save(&cluster, "Ada", conversation, text("hello", 0)).await);
    let mut adas = attach(&cluster.app, &cluster, "Ada").await;
    let sent = does(&cluster, "Ada", message(&cluster, conversation, "hello", draft)).await.expect("sent");
    let events = [next_event(&mut adas, |_| true).await, next_event(&mut adas, |_| true).await];
    let deleted = events.iter().find(|event| event["type"] == "draft.updated").expect("it is gone");
    assert_eq!((&deleted["version"], &deleted["draft"]["text"]), (&sent["version"], &json!("")));
    assert!(events.iter().any(|event| event["type"] == "message.created"));
    assert_eq!(drafts(&cluster, "Ada", None).await, Value::Null);
    // A device that had it open, and saves it once more.
    let late = save(&cluster, "Ada", conversation, text("hello!", draft)).await;
    assert_eq!((&late["saved"], &late["draft"]["text"]), (&json!(false), &json!("")), "what was sent stays sent");
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn a_draft_that_changed_since_survives_the_message(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let old = version(&save(&cluster, "Ada", conversation, text("one", 0)).await);
    save(&cluster, "Ada", conversation, text("two", old)).await;
    does(&cluster, "Ada", message(&cluster, conversation, "one", old)).await.expect("sent");
    assert_eq!(drafts(&cluster, "Ada", None).await[0]["text"], "two");
    // One of another user has the same right to its version: none.
    does(&cluster, "Ben", message(&cluster, conversation, "mine", old)).await.expect("sent");
    assert_eq!(drafts(&cluster, "Ada", None).await[0]["text"], "two");
}

async fn an_empty_draft_is_deleted_and_does_not_come_back(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let first = version(&save(&cluster, "Ada", conversation, text("hello", 0)).await);
    let deleted = save(&cluster, "Ada", conversation, text(" \u{200b}\n", first)).await;
    assert_eq!((&deleted["saved"], &deleted["draft"]["text"]), (&json!(true), &json!("")));
    assert_eq!(drafts(&cluster, "Ada", None).await, Value::Null);
    assert_eq!(save(&cluster, "Ada", conversation, text("hello, more", first)).await["saved"], false);
    let fresh = save(&cluster, "Ada", conversation, text("something new", 0)).await;
    assert_eq!(fresh["saved"], true, "a new draft needs no version of the deleted one");
    let subject = DraftUpdate { subject: Some("only this".to_owned()), since: Version(version(&fresh)), ..text("", 0) };
    let subject = DraftUpdate { since: Version(version(&fresh)), ..subject };
    assert_eq!(save(&cluster, "Ada", conversation, subject).await["draft"]["subject"], "only this");
    assert_eq!(drafts(&cluster, "Ada", None).await[0]["text"], "");
}

async fn drafts_have_as_many_characters_as_messages_and_a_limited_number(cluster: TestCluster) {
    let (first, second) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ada", "Cleo").await);
    let limits = [("limits.drafts_max", "1"), ("limits.text_chars_max", "5")];
    let node = cluster.node_with(&limits).await;
    let actor = cluster.user("Ada").await;
    let save = async |conversation, draft| node.commit.submit(Change::SaveDraft { actor, conversation, draft }).await;
    assert_eq!(code(save(first, text("123456", 0)).await), Code::TextTooLong);
    assert_eq!(code(save(first, text("a\u{7}", 0)).await), Code::TextControl);
    save(first, text("12345", 0)).await.expect("short enough");
    assert_eq!(code(save(second, text("one", 0)).await), Code::LimitReached);
    save(second, text("", 0)).await.expect("nothing is no draft");
    let small = cluster.node_with(&[("limits.drafts_chars_max", "7")]).await;
    let more = Change::SaveDraft { actor, conversation: second, draft: text("123", 0) };
    assert_eq!(code(small.commit.submit(more).await), Code::LimitReached, "of all texts");
    let current = drafts(&cluster, "Ada", None).await[0]["version"].as_i64().expect("a version");
    save(first, text("", current)).await.expect("deleted");
    save(second, text("one", 0)).await.expect("there is room again");
}

async fn a_client_that_was_away_receives_the_drafts_changed_meanwhile(cluster: TestCluster) {
    let (first, second) = (cluster.direct("Ada", "Ben").await, cluster.direct("Ada", "Cleo").await);
    let one = save(&cluster, "Ada", first, text("one", 0)).await;
    let before = save(&cluster, "Ada", second, text("two", 0)).await["version"].as_i64();
    let deleted = save(&cluster, "Ada", first, text("", version(&one))).await;
    let changed = drafts(&cluster, "Ada", before).await;
    assert_eq!(changed, json!([{"conversation": first, "text": "", "version": deleted["version"]}]));
}

async fn drafts_belong_to_members_and_are_erased_when_they_leave(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let draft = || Command::SaveDraft { conversation: group, draft: text("mine", 0) };
    assert_eq!(code(does(&cluster, "Cleo", draft()).await), Code::NotFound);
    let saved = does(&cluster, "Ben", draft()).await.expect("a member");
    let user = cluster.user("Ben").await;
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    does(&cluster, "Ben", Command::RemoveMember { conversation: group, user }).await.expect("they leave");
    let events = [next_event(&mut bens, |_| true).await, next_event(&mut bens, |_| true).await];
    assert!(events.iter().any(|event| event["type"] == "draft.updated" && event["draft"]["text"] == ""), "{events:?}");
    let since = saved["version"].as_i64();
    assert_eq!(drafts(&cluster, "Ben", since).await[0]["text"], "", "other devices learn of it later");
    let add = Command::AddMembers { conversation: group, users: vec![user], history: None };
    does(&cluster, "Ada", add).await.expect("the owner");
    assert_eq!(drafts(&cluster, "Ben", None).await, Value::Null, "it does not come back");
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn the_drafts_of_a_deleted_user_are_erased(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    save(&cluster, "Ada", conversation, text("mine", 0)).await;
    let user = cluster.user("Ada").await;
    cluster.app.commit.submit(Change::DeleteUser { user }).await.expect("by the operator");
    let drafts = cluster.app.store.read(move |snapshot| snapshot.drafts(user, None)).await.expect("readable");
    assert_eq!(drafts.expect("not too many"), Vec::new());
}
