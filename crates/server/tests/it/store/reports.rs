//! Reports: what they keep and for how long, who reaches them, and what moderators do about them.

use super::{
    TestCluster, code, commit_together, conformance,
    groups::{act, does},
    large_conversations::{Subscriber, attach, is, next_event, small},
};
use parlor::domain::Change;
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, ReportId, Scope, Seq, Version},
    params::NewReport,
    report::{ReportReason, ReportState},
};
use serde_json::{Value, json};

conformance! {
    a_report_keeps_what_the_reporter_saw_until_it_is_settled,
    only_messages_of_others_that_the_user_sees_are_reported,
    further_reporters_are_added_until_the_report_is_settled,
    moderators_reach_the_report_and_never_the_conversation,
    a_removed_message_is_deleted_for_everyone,
    a_message_of_a_large_conversation_is_removed,
    a_warning_stays_until_its_user_has_seen_it,
    one_of_two_moderators_settles_a_report,
    reports_reach_every_moderator_and_nobody_else,
    a_moderator_who_is_warned_fetches_both,
    changes_of_one_batch_are_decided_in_their_order,
    a_deleted_user_is_no_moderator_and_has_no_name_in_copies,
}

pub(super) async fn appoint(cluster: &TestCluster, name: &str, on: bool) {
    let user = cluster.user(name).await;
    cluster.app.commit.submit(Change::SetModerator { user, on }).await.expect("the operator may");
}

pub(super) fn about(conversation: ConversationId, seq: i64) -> NewReport {
    NewReport { conversation, seq: Seq(seq), reason: ReportReason::Fraud, note: "They want money.".to_owned() }
}

async fn report(cluster: &TestCluster, name: &str, place: (ConversationId, i64)) -> Result<Value, Problem> {
    does(cluster, name, Command::Report(about(place.0, place.1))).await
}

pub(super) async fn reported(cluster: &TestCluster, name: &str, place: (ConversationId, i64)) -> ReportId {
    report(cluster, name, place).await.expect("they see it");
    open_report(cluster, place).await
}

/// Returns the open report of a message.
pub(super) async fn open_report(cluster: &TestCluster, (conversation, seq): (ConversationId, i64)) -> ReportId {
    let open = cluster.app.store.read(|snapshot| snapshot.list_reports(ReportState::Open, None, 50));
    let (reports, _) = open.await.expect("readable");
    let found = reports.iter().find(|report| (report.conversation, report.seq) == (conversation, Seq(seq)));
    found.expect("it is open").id
}

async fn get(cluster: &TestCluster, name: &str, report: ReportId) -> Result<Value, Problem> {
    does(cluster, name, Command::GetReport { report }).await
}

pub(super) async fn settle(
    cluster: &TestCluster,
    name: &str,
    report: ReportId,
    (remove, warn): (bool, bool),
) -> Result<Value, Problem> {
    let note = format!("settled by {name}");
    does(cluster, name, Command::SettleReport { report, remove, warn, note }).await
}

async fn list(cluster: &TestCluster, name: &str, state: ReportState) -> Result<Value, Problem> {
    does(cluster, name, Command::ListReports { state, after: None, limit: None }).await
}

pub(super) async fn me(cluster: &TestCluster, name: &str, since: Option<Version>) -> Value {
    does(cluster, name, Command::GetMe { since }).await.expect("signed in")
}

fn copied(answer: &Value) -> Vec<(i64, &str)> {
    let copies = answer["copies"].as_array().expect("copies");
    let of = |copy: &'_ Value| copy["message"]["seq"].as_i64().expect("a seq");
    copies.iter().map(|copy| (of(copy), copy["message"]["text"].as_str().expect("a text"))).collect()
}

/// The text of a message as a member sees it now, and whether it is deleted.
async fn message(cluster: &TestCluster, name: &str, conversation: ConversationId, seq: i64) -> (String, bool) {
    let around = Some(Seq(seq));
    let list = Command::ListMessages { conversation, before: None, after: None, around, limit: None };
    let page = does(cluster, name, list).await.expect("a member");
    let messages = page["messages"].as_array().expect("messages").iter();
    let found = messages.into_iter().find(|message| message["seq"] == seq).expect("it is there");
    (found["text"].as_str().expect("a text").to_owned(), found["deleted"] == true)
}

async fn a_report_keeps_what_the_reporter_saw_until_it_is_settled(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    for number in 1..=14 {
        cluster.send(if number % 2 == 0 { "Ben" } else { "Ada" }, conversation, &format!("text {number}")).await;
    }
    does(&cluster, "Ada", Command::Hide { conversation, seq: Seq(6) }).await.expect("hers to hide");
    let id = reported(&cluster, "Ada", (conversation, 8)).await;
    let edit = Command::Edit { conversation, seq: Seq(7), text: Some("x".into()), mentions: vec![], subject: None };
    does(&cluster, "Ada", edit).await.expect("her own");
    does(&cluster, "Ben", Command::Delete { conversation, seq: Seq(8) }).await.expect("his own");
    let answer = get(&cluster, "Mo", id).await.expect("a moderator");
    let expected = [3, 4, 5, 7, 8, 9, 10, 11, 12, 13].map(|seq| (seq, format!("text {seq}")));
    let expected: Vec<(i64, &str)> = expected.iter().map(|(seq, text)| (*seq, text.as_str())).collect();
    assert_eq!(copied(&answer), expected, "as they were, without what she had hidden");
    let marked: Vec<_> = answer["copies"].as_array().expect("copies").iter().map(|copy| &copy["reported"]).collect();
    assert_eq!(marked.iter().filter(|marked| **marked == true).count(), 1);
    assert_eq!(answer["copies"][4]["reported"], true);
    let ben = cluster.user("Ben").await;
    assert_eq!(answer["copies"][4]["sender"]["id"], ben.0);
    let row = &answer["report"];
    assert_eq!(
        (&row["state"], &row["text"], &row["sender"]["name"]),
        (&json!("open"), &json!("text 8"), &json!("Ben"))
    );
    assert_eq!(row["reasons"][0]["note"], "They want money.");
    assert_eq!((&row["conversation_kind"], &row["title"]), (&json!("direct"), &Value::Null));
    cluster.is_consistent().await;

    settle(&cluster, "Mo", id, (false, false)).await.expect("a moderator");
    let answer = get(&cluster, "Mo", id).await.expect("the record stays");
    let row = &answer["report"];
    assert_eq!((&answer["copies"], &row["text"], &row["state"]), (&json!([]), &json!(""), &json!("settled")));
    assert_eq!((&row["reasons"][0]["note"], &row["reasons"][0]["reason"]), (&json!(""), &json!("fraud")));
    assert_eq!((&row["settled_by"]["name"], &row["note"]), (&json!("Mo"), &json!("settled by Mo")));
    assert!(row["settled_at"].is_string() && row["removed"] == false && row["warned"] == false, "{row}");
    cluster.is_consistent().await;
}

async fn only_messages_of_others_that_the_user_sees_are_reported(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Lea"]).await;
    cluster.send("Ada", group, "hello").await;
    cluster.send("Ben", group, "hello, too").await;
    let refused = async |name: &str, seq: i64| code(report(&cluster, name, (group, seq)).await);
    assert_eq!(refused("Mallory", 1).await, Code::NotFound, "an outsider");
    assert_eq!(refused("Ben", 9).await, Code::NotFound, "it does not exist");
    assert_eq!(refused("Ben", 0).await, Code::NotFound);
    assert_eq!(refused("Ada", 1).await, Code::NotAllowed, "her own");
    does(&cluster, "Lea", Command::Hide { conversation: group, seq: Seq(1) }).await.expect("a member");
    assert_eq!(refused("Lea", 1).await, Code::NotFound, "she has hidden it");
    cluster.remove("Lea", group, "Lea").await.expect("leaving is free");
    assert_eq!(refused("Lea", 2).await, Code::NotFound, "she has left");
    assert_eq!(refused("Ben", 3).await, Code::NotAllowed, "a system message");
    does(&cluster, "Ada", Command::Delete { conversation: group, seq: Seq(1) }).await.expect("her own");
    assert_eq!(refused("Ben", 1).await, Code::TooLate, "it was deleted");
    appoint(&cluster, "Mo", true).await;
    assert_eq!(list(&cluster, "Mo", ReportState::Open).await.expect("a moderator")["reports"], json!([]));
}

async fn further_reporters_are_added_until_the_report_is_settled(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ada", group, "hello").await;
    let first = report(&cluster, "Ben", (group, 1)).await.expect("a member");
    assert_eq!(first, json!({"duplicate": false}), "no id, which would tell who was first");
    let id = open_report(&cluster, (group, 1)).await;
    let again = report(&cluster, "Ben", (group, 1)).await.expect("a repeat");
    assert_eq!(again["duplicate"], true);
    // The first report does not decide what moderators see of it.
    let edit = Command::Edit {
        conversation: group,
        seq: Seq(1),
        text: Some("a threat".to_owned()),
        mentions: Vec::new(),
        subject: None,
    };
    does(&cluster, "Ada", edit).await.expect("their own message");
    let other = report(&cluster, "Cleo", (group, 1)).await.expect("a member");
    assert_eq!((open_report(&cluster, (group, 1)).await, &other["duplicate"]), (id, &json!(false)));
    let open = list(&cluster, "Mo", ReportState::Open).await.expect("a moderator");
    let row = &open["reports"][0];
    let names: Vec<_> = row["reasons"].as_array().expect("reasons").iter().map(|by| &by["reporter"]["name"]).collect();
    assert_eq!((names, &row["reason_count"]), (vec![&json!("Cleo"), &json!("Ben")], &json!(2)), "the newest first");
    assert_eq!((&row["title"], &row["text"]), (&json!("Night desk"), &json!("a threat")));
    let answer = get(&cluster, "Mo", id).await.expect("a moderator");
    assert_eq!(copied(&answer), [(1, "hello"), (1, "a threat")], "as it was each time");
    let settled = settle(&cluster, "Mo", id, (false, false)).await.expect("a moderator");
    assert_eq!(settled["report"]["title"], Value::Null, "what users wrote is gone");
    let again = report(&cluster, "Ben", (group, 1)).await.expect("it is there");
    assert_eq!(again["duplicate"], false);
    assert_ne!(open_report(&cluster, (group, 1)).await, id);
    cluster.is_consistent().await;
}

async fn moderators_reach_the_report_and_never_the_conversation(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    for name in ["Ada", "Ben", "Mo"] {
        assert_eq!(code(list(&cluster, name, ReportState::Open).await), Code::NotAllowed);
        assert_eq!(code(get(&cluster, name, id).await), Code::NotAllowed);
        assert_eq!(code(settle(&cluster, name, id, (true, true)).await), Code::NotAllowed);
        assert_eq!(me(&cluster, name, None).await.get("reports"), None);
    }
    appoint(&cluster, "Mo", true).await;
    let mo = me(&cluster, "Mo", None).await;
    assert_eq!((&mo["moderator"], &mo["reports"]), (&json!(true), &json!({"open": 1})), "earlier reports are there");
    get(&cluster, "Mo", id).await.expect("a moderator");
    assert_eq!(code(get(&cluster, "Mo", ReportId(999_999)).await), Code::NotFound);
    let list_messages = Command::ListMessages { conversation, before: None, after: None, around: None, limit: None };
    let beyond = [
        Command::GetConversation { conversation },
        Command::GetChanges { conversation, since: Version(0) },
        list_messages,
        Command::send_text(conversation, cluster.key(), "hello"),
        Command::Delete { conversation, seq: Seq(1) },
        Command::Report(about(conversation, 1)),
    ];
    for command in beyond {
        assert_eq!(code(does(&cluster, "Mo", command.clone()).await), Code::NotFound, "{command:?}");
    }
    appoint(&cluster, "Mo", false).await;
    assert_eq!(code(get(&cluster, "Mo", id).await), Code::NotAllowed, "at once");
    assert_eq!(code(settle(&cluster, "Mo", id, (true, true)).await), Code::NotAllowed);
    assert_eq!(me(&cluster, "Mo", None).await.get("reports"), None);
}

async fn a_removed_message_is_deleted_for_everyone(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    let mut ada = attach(&cluster.app, &cluster, "Ada").await;
    let settled = settle(&cluster, "Mo", id, (true, false)).await.expect("a moderator");
    assert_eq!((&settled["report"]["removed"], &settled["report"]["warned"]), (&json!(true), &json!(false)));
    let event = next_event(&mut ada, is("message.updated", conversation)).await;
    assert_eq!((&event["message"]["deleted"], &event["message"]["text"]), (&json!(true), &json!("")));
    for name in ["Ada", "Ben"] {
        assert_eq!(message(&cluster, name, conversation, 1).await, (String::new(), true), "{name}");
    }
    assert_eq!(me(&cluster, "Ada", None).await["unread"]["messages"], 0);
    // What its sender has deleted meanwhile is settled like any other.
    cluster.send("Ben", conversation, "hello again").await;
    let id = reported(&cluster, "Ada", (conversation, 2)).await;
    does(&cluster, "Ben", Command::Delete { conversation, seq: Seq(2) }).await.expect("his own");
    settle(&cluster, "Mo", id, (true, false)).await.expect("a moderator");
    cluster.is_consistent().await;
}

async fn a_message_of_a_large_conversation_is_removed(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ben", group, "hello").await;
    let app = small(&cluster).await;
    let [ada, mo] = [cluster.user("Ada").await, cluster.user("Mo").await];
    act(&app, ada, Command::Report(about(group, 1))).await.expect("a member");
    let report = open_report(&cluster, (group, 1)).await;
    let settle = Command::SettleReport { report, remove: true, warn: false, note: String::new() };
    act(&app, mo, settle).await.expect("a moderator");
    assert_eq!(message(&cluster, "Cleo", group, 1).await, (String::new(), true));
    cluster.is_consistent().await;
}

async fn a_warning_stays_until_its_user_has_seen_it(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    let since = Version(me(&cluster, "Ben", None).await["scope_version"].as_i64().expect("a version"));
    assert_eq!(me(&cluster, "Ben", Some(since)).await.get("warnings"), None, "unchanged");
    let mut ben = attach(&cluster.app, &cluster, "Ben").await;
    settle(&cluster, "Mo", id, (false, true)).await.expect("a moderator");
    let event = of_kind(&mut ben, "warning.created").await;
    let scope = Scope::User(cluster.user("Ben").await).to_string();
    assert_eq!((&event["scope"], event["prev"].as_i64()), (&json!(scope), Some(since.0)));
    let warning = json!({"report": id, "conversation": conversation, "seq": 1, "at": event["at"]});
    assert_eq!((&event["report"], event["at"].is_string()), (&json!(id), true));
    assert_eq!(message(&cluster, "Ben", conversation, 1).await, ("hello".to_owned(), false), "it stays");
    assert_eq!(me(&cluster, "Ben", Some(since)).await["warnings"], json!([warning]));
    assert_eq!(me(&cluster, "Ada", None).await["warnings"], json!([]), "nobody else's");
    let read = |report| Command::ReadWarning { report };
    for (name, report) in [("Ada", id), ("Mo", id), ("Ben", ReportId(999_999))] {
        let answer = does(&cluster, name, read(report)).await.expect("nothing to do");
        assert_eq!(answer["version"], answer["prev"], "{name}");
    }
    let answer = does(&cluster, "Ben", read(id)).await.expect("his own");
    assert_eq!(of_kind(&mut ben, "warning.read").await["version"], answer["version"]);
    assert_eq!(me(&cluster, "Ben", Some(since)).await["warnings"], json!([]));
    let again = does(&cluster, "Ben", read(id)).await.expect("seen already");
    assert_eq!(again["version"], again["prev"]);
    assert_eq!(get(&cluster, "Mo", id).await.expect("the record")["report"]["warned"], true);
    cluster.is_consistent().await;
}

async fn of_kind(subscriber: &mut Subscriber, kind: &'static str) -> Value {
    next_event(subscriber, |event| event["type"] == kind).await
}

async fn one_of_two_moderators_settles_a_report(cluster: TestCluster) {
    for name in ["Mo", "Max"] {
        appoint(&cluster, name, true).await;
    }
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    let (one, other) =
        futures_util::join!(settle(&cluster, "Mo", id, (true, false)), settle(&cluster, "Max", id, (false, true)));
    let (settled, refused) = if one.is_ok() { (one, other) } else { (other, one) };
    let settled = settled.expect("one of them");
    assert_eq!(code(refused), Code::TooLate);
    let row = get(&cluster, "Mo", id).await.expect("the record")["report"].take();
    assert_eq!(row, settled["report"], "of the one that came first alone");
    assert_eq!(code(settle(&cluster, "Mo", ReportId(999_999), (true, false)).await), Code::NotFound);
    // Nobody is their own judge.
    let conversation = cluster.direct("Mo", "Ada").await;
    cluster.send("Mo", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    assert_eq!(code(settle(&cluster, "Mo", id, (false, false)).await), Code::NotAllowed);
    let row = get(&cluster, "Mo", id).await.expect("a moderator")["report"].take();
    assert_eq!((&row["reasons"], &row["reason_count"]), (&json!([]), &json!(1)), "not who reported it: {row}");
    let row = get(&cluster, "Max", id).await.expect("a moderator")["report"].take();
    assert_eq!(row["reasons"][0]["reporter"]["name"], "Ada");
    settle(&cluster, "Max", id, (false, false)).await.expect("another one");
}

async fn reports_reach_every_moderator_and_nobody_else(cluster: TestCluster) {
    for name in ["Mo", "Max"] {
        appoint(&cluster, name, true).await;
    }
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let mut moderators = Vec::new();
    for name in ["Mo", "Max"] {
        moderators.push((name, attach(&cluster.app, &cluster, name).await));
    }
    let (mut ada, mut ben) = (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let before = me(&cluster, "Ada", None).await["scope_version"].clone();
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    for (name, subscriber) in &mut moderators {
        let event = of_kind(subscriber, "report.updated").await;
        let scope = Scope::User(cluster.user(name).await).to_string();
        assert_eq!((&event["scope"], &event["open"], &event["report"]["id"]), (&json!(scope), &json!(1), &json!(id)));
        assert_eq!(event["version"], me(&cluster, name, None).await["scope_version"]);
    }
    let settled = settle(&cluster, "Mo", id, (false, false)).await.expect("a moderator");
    for (name, subscriber) in &mut moderators {
        let event = of_kind(subscriber, "report.updated").await;
        assert_eq!((&event["open"], &event["report"]), (&json!(0), &settled["report"]), "{name}");
        assert_eq!(me(&cluster, name, None).await["reports"], json!({"open": 0}));
    }
    assert_eq!(me(&cluster, "Ada", None).await["scope_version"], before, "her scope has not changed");
    cluster.send("Ada", conversation, "the last one").await;
    for subscriber in [&mut ada, &mut ben] {
        let event = next_event(subscriber, |event| event["type"] != "typing.changed").await;
        assert_eq!(event["type"], "message.created", "nothing about reports was before it");
    }
}

async fn a_moderator_who_is_warned_fetches_both(cluster: TestCluster) {
    for name in ["Mo", "Max"] {
        appoint(&cluster, name, true).await;
    }
    let conversation = cluster.direct("Max", "Ada").await;
    cluster.send("Max", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    let before = me(&cluster, "Max", None).await;
    let since = Version(before["scope_version"].as_i64().expect("a version"));
    let mut max = attach(&cluster.app, &cluster, "Max").await;
    let settled = settle(&cluster, "Mo", id, (false, true)).await.expect("another one");
    let event = of_kind(&mut max, "scope.changed").await;
    assert_eq!(event["version"], settled["version"]);
    let after = me(&cluster, "Max", Some(since)).await;
    assert_eq!((&after["reports"], after["warnings"].as_array().map(Vec::len)), (&json!({"open": 0}), Some(1)));
    assert_eq!(after["scope_version"], settled["version"]);
}

async fn changes_of_one_batch_are_decided_in_their_order(cluster: TestCluster) {
    appoint(&cluster, "Mo", true).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    for text in ["one", "two"] {
        cluster.send("Ben", conversation, text).await;
    }
    let [ada, ben, mo] = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Mo").await];
    let edit = Change::Edit {
        actor: ben,
        conversation,
        seq: Seq(1),
        text: Some("another one".to_owned()),
        mentions: Vec::new(),
        subject: None,
    };
    let delete = |seq| Change::Delete { actor: ben, conversation, seq: Seq(seq) };
    let report = |seq| Change::Report { actor: ada, report: about(conversation, seq) };
    commit_together(&cluster.app, &[edit, report(1), delete(1)]).await;
    let open = list(&cluster, "Mo", ReportState::Open).await.expect("a moderator");
    let id = ReportId(open["reports"][0]["id"].as_i64().expect("an id"));
    let answer = get(&cluster, "Mo", id).await.expect("a moderator");
    assert_eq!(copied(&answer), [(1, "another one"), (2, "two")], "as they were between the two");
    // A message is marked, removed and read in one batch, and what is unread stays right.
    cluster.send("Ben", conversation, "three").await;
    let second = reported(&cluster, "Ada", (conversation, 2)).await;
    let settlement = parlor::domain::Settlement { remove: true, warn: true, note: String::new() };
    let mark = Change::Mark { actor: ada, conversation, delivered: Seq(0), read: Seq(1) };
    let settle = Change::SettleReport { actor: mo, report: second, settlement };
    let read = Change::ReadWarning { actor: ben, report: second };
    commit_together(&cluster.app, &[mark, settle, read]).await;
    let row = does(&cluster, "Ada", Command::GetConversation { conversation }).await.expect("a member");
    assert_eq!(row["conversation"]["unread"], 1);
    assert_eq!(me(&cluster, "Ben", None).await["warnings"], json!([]));
    assert_eq!(me(&cluster, "Mo", None).await["reports"], json!({"open": 1}));
    // It is settled, and reported again.
    let third = reported(&cluster, "Ada", (conversation, 3)).await;
    let settlement = parlor::domain::Settlement { remove: false, warn: false, note: String::new() };
    commit_together(&cluster.app, &[Change::SettleReport { actor: mo, report: third, settlement }, report(3)]).await;
    let open = list(&cluster, "Mo", ReportState::Open).await.expect("a moderator");
    assert_eq!(open["reports"].as_array().map(Vec::len), Some(2), "{open}");
    cluster.is_consistent().await;
}

async fn a_deleted_user_is_no_moderator_and_has_no_name_in_copies(cluster: TestCluster) {
    for name in ["Mo", "Max"] {
        appoint(&cluster, name, true).await;
    }
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    let id = reported(&cluster, "Ada", (conversation, 1)).await;
    for name in ["Max", "Ben"] {
        let user = cluster.user(name).await;
        cluster.app.commit.submit(Change::DeleteUser { user }).await.expect("the operator may");
    }
    assert_eq!(code(get(&cluster, "Max", id).await), Code::NotAllowed);
    let answer = get(&cluster, "Mo", id).await.expect("a moderator");
    assert_eq!(answer["copies"][0]["sender"]["name"], "Deleted user");
    assert!(!answer.to_string().contains("Ben"), "{answer}");
    settle(&cluster, "Mo", id, (true, true)).await.expect("a moderator");
    cluster.is_consistent().await;
}
