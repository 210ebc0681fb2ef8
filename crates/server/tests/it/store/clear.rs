//! Clearing a conversation for oneself.

use super::{
    TestCluster, code, conformance,
    groups::{conversation_of, does},
    large_conversations::{attach, next_event},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Scope, Seq},
    params::{History, Search},
};
use serde_json::{Value, json};

conformance! {
    a_cleared_conversation_is_empty_for_its_user_and_whole_for_the_others,
    the_next_message_brings_it_back_and_nothing_else,
    what_is_cleared_cannot_be_named_found_or_changed_by_its_user,
    clearing_is_received_by_the_user_and_as_a_marker_by_the_others,
    clearing_again_or_less_changes_nothing,
    what_is_cleared_stays_gone_when_a_member_leaves_and_returns,
    nobody_else_clears_a_conversation,
}

fn clear(conversation: ConversationId, seq: i64) -> Command {
    Command::ClearConversation { conversation, seq: Seq(seq) }
}

async fn texts(cluster: &TestCluster, name: &str, conversation: ConversationId) -> Vec<String> {
    let list = Command::ListMessages { conversation, before: None, after: None, around: None, limit: None };
    let page = does(cluster, name, list).await.expect("a member");
    assert_eq!(page["previous"], Value::Null, "nothing is before them");
    let messages = page["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
}

async fn unread(cluster: &TestCluster, name: &str) -> Value {
    does(cluster, name, Command::GetMe { since: None }).await.expect("signed in")["unread"].take()
}

async fn a_cleared_conversation_is_empty_for_its_user_and_whole_for_the_others(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in ["one", "two", "three"] {
        cluster.send("Ben", conversation, text).await;
    }
    assert_eq!(unread(&cluster, "Ada").await, json!({"conversations": 1, "messages": 3}));
    does(&cluster, "Ada", clear(conversation, 2)).await.expect("a member");
    assert_eq!(texts(&cluster, "Ada", conversation).await, ["three"]);
    assert_eq!(unread(&cluster, "Ada").await, json!({"conversations": 1, "messages": 1}));
    does(&cluster, "Ada", clear(conversation, 99)).await.expect("a member");
    assert!(texts(&cluster, "Ada", conversation).await.is_empty());
    assert_eq!(texts(&cluster, "Ben", conversation).await, ["one", "two", "three"]);
    let copy = conversation_of(&cluster, "Ada", conversation).await;
    assert_eq!((&copy["last_message"], &copy["last_seq"], &copy["unread"]), (&Value::Null, &json!(3), &json!(0)));
    assert_eq!(copy["settings"]["cleared_seq"], 3, "up to the last message");
    let bens = conversation_of(&cluster, "Ben", conversation).await;
    assert_eq!(bens["last_message"]["text"], "three");
    assert_eq!(bens["settings"], Value::Null, "Ben learns nothing of it");
    let adas_row = bens["members"].as_array().and_then(|rows| rows.iter().find(|row| row["user"]["name"] == "Ada"));
    assert_eq!(adas_row.expect("Ada")["history_from"], 1, "nor from her row");
    assert_eq!(unread(&cluster, "Ada").await, json!({"conversations": 0, "messages": 0}));
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn the_next_message_brings_it_back_and_nothing_else(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "old").await;
    does(&cluster, "Ada", clear(conversation, 1)).await.expect("a member");
    cluster.send("Ben", conversation, "new").await;
    assert_eq!(texts(&cluster, "Ada", conversation).await, ["new"]);
    let copy = conversation_of(&cluster, "Ada", conversation).await;
    assert_eq!((&copy["last_message"]["text"], &copy["unread"]), (&json!("new"), &json!(1)));
    // The newest one is hidden: the one before it is cleared.
    does(&cluster, "Ada", Command::Hide { conversation, seq: Seq(2) }).await.expect("a member");
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await["last_message"], Value::Null);
}

async fn what_is_cleared_cannot_be_named_found_or_changed_by_its_user(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "an umbrella").await;
    cluster.indexed("Ada", conversation).await;
    let search = || Command::Search(Search { query: "umbrella".to_owned(), ..Search::default() });
    let found = |answer: Value| answer["results"].as_array().expect("results").len();
    assert_eq!(found(does(&cluster, "Ada", search()).await.expect("a query")), 1);
    does(&cluster, "Ada", clear(conversation, 1)).await.expect("a member");
    assert_eq!(found(does(&cluster, "Ada", search()).await.expect("a query")), 0);
    assert_eq!(found(does(&cluster, "Ben", search()).await.expect("a query")), 1);
    let seq = Seq(1);
    let react = Command::React { conversation, seq, emoji: "👍".to_owned(), on: true };
    let text = Some("changed".to_owned());
    let edit = Command::Edit { conversation, seq, text, mentions: Vec::new(), subject: None };
    let list = Command::ListReactions { conversation, seq, after: None, limit: None };
    for command in [react, edit, Command::Delete { conversation, seq }, Command::Hide { conversation, seq }, list] {
        assert_eq!(code(does(&cluster, "Ada", command).await), Code::NotFound);
    }
    let around = Command::ListMessages { conversation, before: None, after: None, around: Some(seq), limit: None };
    let page = does(&cluster, "Ada", around).await.expect("a member");
    let seqs = page["messages"].as_array().expect("messages").iter().map(|message| message["seq"].as_i64());
    assert!(seqs.flatten().all(|seq| seq > 1), "{page}");
    // Ben changes it: Ada gets the version of the conversation, and nothing of the message.
    let react = Command::React { conversation, seq, emoji: "👍".to_owned(), on: true };
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    does(&cluster, "Ben", react).await.expect("a member");
    let event = next_event(&mut adas, |_| true).await;
    assert_eq!(event["type"], "scope.advanced");
    assert_eq!(next_event(&mut bens, |_| true).await["type"], "message.updated");
}

async fn clearing_is_received_by_the_user_and_as_a_marker_by_the_others(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let changed = does(&cluster, "Ada", clear(conversation, 1)).await.expect("a member");
    let events = [next_event(&mut adas, |_| true).await, next_event(&mut adas, |_| true).await];
    let settings = events.iter().find(|event| event["type"] == "settings.updated").expect("the settings");
    assert_eq!((&settings["version"], &settings["prev"]), (&changed["version"], &changed["prev"]));
    assert_eq!(settings["scope"], json!(Scope::User(cluster.user("Ada").await)));
    assert_eq!(settings["settings"]["cleared_seq"], 1);
    assert!(events.iter().any(|event| event["type"] == "member.updated" && event["unread"] == 0));
    let event = next_event(&mut bens, |_| true).await;
    assert_eq!((&event["type"], &event["members"][0]["read_seq"]), (&json!("member.updated"), &json!(1)));
    assert!(!event.to_string().contains("cleared"), "{event}");
    let since = settings["prev"].as_i64().map(parlor_protocol::ids::Version);
    let me = does(&cluster, "Ada", Command::GetMe { since }).await.expect("signed in");
    assert_eq!(me["settings"][0]["cleared_seq"], 1, "for devices that were away");
}

async fn clearing_again_or_less_changes_nothing(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in ["one", "two"] {
        cluster.send("Ada", conversation, text).await;
    }
    does(&cluster, "Ada", clear(conversation, 2)).await.expect("a member");
    for seq in [2, 1, 0, 99] {
        let again = does(&cluster, "Ada", clear(conversation, seq)).await.expect("a member");
        assert_eq!(again["version"], again["prev"], "{seq}");
    }
    assert!(texts(&cluster, "Ada", conversation).await.is_empty());
}

async fn what_is_cleared_stays_gone_when_a_member_leaves_and_returns(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", group, "before").await;
    let last_seq = conversation_of(&cluster, "Ben", group).await["last_seq"].as_i64().expect("a seq");
    does(&cluster, "Ben", clear(group, last_seq)).await.expect("a member");
    let user = cluster.user("Ben").await;
    does(&cluster, "Ben", Command::RemoveMember { conversation: group, user }).await.expect("they leave");
    let history = Some(History::FromStart);
    let add = Command::AddMembers { conversation: group, users: vec![user], history };
    does(&cluster, "Ada", add).await.expect("the owner");
    assert!(!texts(&cluster, "Ben", group).await.contains(&"before".to_owned()));
    assert!(texts(&cluster, "Ada", group).await.contains(&"before".to_owned()));
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn nobody_else_clears_a_conversation(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "hello").await;
    assert_eq!(code(does(&cluster, "Cleo", clear(conversation, 1)).await), Code::NotFound);
    assert_eq!(code(does(&cluster, "Cleo", clear(ConversationId(999_999), 1)).await), Code::NotFound);
    assert_eq!(texts(&cluster, "Ada", conversation).await, ["hello"]);
}
