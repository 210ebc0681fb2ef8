//! Mentions of members in the texts of groups, and the newest one of each member.

use super::{
    TestCluster, code, conformance,
    groups::{conversation_of, does},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::{ConversationId, Seq, UserId},
    model::Mention,
    params::{History, MessagePlace},
};
use serde_json::{Value, json};

conformance! {
    a_mention_is_stored_with_its_message_and_told_to_its_user_alone,
    several_members_are_mentioned_in_one_message,
    users_who_are_no_members_are_left_out_and_the_text_stays,
    places_outside_of_the_text_and_too_many_are_refused,
    an_edit_replaces_the_mentions_of_a_text,
    a_deleted_or_hidden_message_mentions_nobody,
    a_forwarded_message_mentions_nobody,
    a_repeat_with_other_mentions_is_another_command,
    mentions_before_the_history_of_a_member_are_not_theirs,
}

fn mention(user: UserId, at: u32, length: u32) -> Mention {
    Mention { user, at, length }
}

fn message(cluster: &TestCluster, conversation: ConversationId, text: &str, mentions: Vec<Mention>) -> Command {
    let (client_id, text) = (cluster.key(), text.to_owned());
    Command::Send {
        conversation,
        client_id,
        text,
        mentions,
        subject: None,
        reply_to: None,
        attachments: Vec::new(),
        draft: None,
    }
}

fn edit(conversation: ConversationId, seq: i64, text: &str, mentions: Vec<Mention>) -> Command {
    Command::Edit { conversation, seq: Seq(seq), text: Some(text.to_owned()), mentions, subject: None }
}

/// The newest message that mentions a member; 0 if there is none.
async fn newest(cluster: &TestCluster, name: &str, conversation: ConversationId) -> i64 {
    conversation_of(cluster, name, conversation).await["mention_seq"].as_i64().unwrap_or(0)
}

async fn a_mention_is_stored_with_its_message_and_told_to_its_user_alone(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    // Line ends are stored as LF, and places count in what is stored.
    let command = message(&cluster, group, "Hi\r\n@Ben and @me", vec![mention(ada, 12, 3), mention(ben, 3, 4)]);
    let sent = does(&cluster, "Ada", command).await.expect("a member");
    let seq = sent["message"]["seq"].as_i64().expect("a seq");
    let kept = json!([{"user": ben.0, "at": 3, "length": 4}, {"user": ada.0, "at": 12, "length": 3}]);
    assert_eq!(sent["message"]["mentions"], kept, "in the order of the text");
    let list = Command::ListMessages { conversation: group, before: None, after: None, around: None, limit: None };
    let page = does(&cluster, "Cleo", list).await.expect("a member");
    assert_eq!(page["messages"].as_array().and_then(|all| all.last()).expect("a message")["mentions"], kept);
    assert_eq!(newest(&cluster, "Ben", group).await, seq);
    assert_eq!(newest(&cluster, "Cleo", group).await, 0);
    assert_eq!(newest(&cluster, "Ada", group).await, 0, "who mentions themselves knows");
    cluster.send("Cleo", group, "no mention").await;
    assert_eq!(newest(&cluster, "Ben", group).await, seq);
    assert_eq!(conversation_of(&cluster, "Cleo", group).await["mention_seq"], Value::Null, "omitted");
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn several_members_are_mentioned_in_one_message(cluster: TestCluster) {
    let names = ["Ben", "Cleo", "Dan"];
    let group = cluster.group("Ada", &names).await;
    let mut mentions = Vec::new();
    for (at, name) in (0..).zip(names) {
        mentions.push(mention(cluster.user(name).await, 2 * at, 1));
    }
    let sent = does(&cluster, "Ada", message(&cluster, group, "@ @ @", mentions)).await.expect("sent");
    for name in names {
        assert_eq!(newest(&cluster, name, group).await, sent["message"]["seq"].as_i64().expect("a seq"), "{name}");
    }
}

async fn users_who_are_no_members_are_left_out_and_the_text_stays(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (ben, dan) = (cluster.user("Ben").await, cluster.user("Dan").await);
    does(&cluster, "Ada", Command::RemoveMember { conversation: group, user: cluster.user("Cleo").await })
        .await
        .expect("the owner");
    let cleo = cluster.user("Cleo").await;
    let mentions = vec![mention(dan, 0, 4), mention(ben, 5, 4), mention(cleo, 10, 5), mention(UserId(999_999), 15, 1)];
    let sent = does(&cluster, "Ada", message(&cluster, group, "@Dan @Ben @Cleo!", mentions)).await.expect("sent");
    assert_eq!(sent["message"]["mentions"], json!([{"user": ben.0, "at": 5, "length": 4}]));
    assert_eq!(sent["message"]["text"], "@Dan @Ben @Cleo!");
    let direct = cluster.direct("Ada", "Ben").await;
    let sent = does(&cluster, "Ada", message(&cluster, direct, "@Ben", vec![mention(ben, 0, 4)])).await.expect("sent");
    assert_eq!(sent["message"]["mentions"], Value::Null, "in a direct conversation there is nobody else");
}

async fn places_outside_of_the_text_and_too_many_are_refused(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let ben = cluster.user("Ben").await;
    let before = conversation_of(&cluster, "Ada", group).await["last_seq"].take();
    for places in [vec![(0, 5)], vec![(0, 0)], vec![(0, 2), (1, 2)], vec![(u32::MAX, 1)]] {
        let mentions = places.iter().map(|&(at, length)| mention(ben, at, length)).collect();
        let refused = does(&cluster, "Ada", message(&cluster, group, "@Ben", mentions)).await;
        assert_eq!(code(refused), Code::InvalidField, "{places:?}");
    }
    let refused = does(&cluster, "Ada", message(&cluster, group, "🙂", vec![mention(ben, 0, 1)])).await;
    assert_eq!(code(refused), Code::InvalidField, "half of a character");
    let many = (0..51).map(|at| mention(ben, at, 1)).collect();
    let refused = does(&cluster, "Ada", message(&cluster, group, &"@".repeat(60), many)).await;
    assert_eq!(code(refused), Code::LimitReached);
    assert_eq!(conversation_of(&cluster, "Ada", group).await["last_seq"], before, "nothing was sent");
}

async fn an_edit_replaces_the_mentions_of_a_text(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (ben, cleo) = (cluster.user("Ben").await, cluster.user("Cleo").await);
    let sent = does(&cluster, "Ada", message(&cluster, group, "@Ben", vec![mention(ben, 0, 4)])).await.expect("sent");
    let seq = sent["message"]["seq"].as_i64().expect("a seq");
    let edited = does(&cluster, "Ada", edit(group, seq, "@Cleo", vec![mention(cleo, 0, 5)])).await.expect("the sender");
    assert_eq!(edited["message"]["mentions"], json!([{"user": cleo.0, "at": 0, "length": 5}]));
    assert_eq!((newest(&cluster, "Ben", group).await, newest(&cluster, "Cleo", group).await), (0, seq));
    // The subject alone keeps them, and who left since stays mentioned.
    does(&cluster, "Ada", Command::RemoveMember { conversation: group, user: cleo }).await.expect("the owner");
    let subject = Some(Some("Tonight".to_owned()));
    let edit_subject = Command::Edit { conversation: group, seq: Seq(seq), text: None, mentions: Vec::new(), subject };
    let edited = does(&cluster, "Ada", edit_subject).await.expect("the sender");
    assert_eq!(edited["message"]["mentions"], json!([{"user": cleo.0, "at": 0, "length": 5}]));
    let edited = does(&cluster, "Ada", edit(group, seq, "So, @Cleo", vec![mention(cleo, 4, 5)])).await.expect("edited");
    assert_eq!(edited["message"]["mentions"], json!([{"user": cleo.0, "at": 4, "length": 5}]));
    // The same text without them is a change.
    let edited = does(&cluster, "Ada", edit(group, seq, "So, @Cleo", Vec::new())).await.expect("edited");
    assert_eq!(edited["message"]["mentions"], Value::Null);
    assert_ne!(edited["version"], edited["prev"]);
    let alone = Command::Edit {
        conversation: group,
        seq: Seq(seq),
        text: None,
        mentions: vec![mention(ben, 0, 1)],
        subject: Some(None),
    };
    assert_eq!(code(does(&cluster, "Ada", alone).await), Code::InvalidField, "mentions of no text");
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn a_deleted_or_hidden_message_mentions_nobody(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let ben = cluster.user("Ben").await;
    let mut seqs = Vec::new();
    for _ in 0..3 {
        let command = message(&cluster, group, "@Ben", vec![mention(ben, 0, 4)]);
        let sent = does(&cluster, "Ada", command).await.expect("sent");
        seqs.push(sent["message"]["seq"].as_i64().expect("a seq"));
    }
    assert_eq!(newest(&cluster, "Ben", group).await, seqs[2]);
    does(&cluster, "Ada", Command::Delete { conversation: group, seq: Seq(seqs[2]) }).await.expect("the sender");
    assert_eq!(newest(&cluster, "Ben", group).await, seqs[1]);
    does(&cluster, "Ben", Command::Hide { conversation: group, seq: Seq(seqs[1]) }).await.expect("a member");
    assert_eq!(newest(&cluster, "Ben", group).await, seqs[0]);
    assert!(cluster.app.store.verify().await.expect("readable").faults.is_empty());
}

async fn a_forwarded_message_mentions_nobody(cluster: TestCluster) {
    let (group, other) = (cluster.group("Ada", &["Ben"]).await, cluster.group("Ada", &["Ben", "Cleo"]).await);
    let ben = cluster.user("Ben").await;
    let sent = does(&cluster, "Ada", message(&cluster, group, "@Ben", vec![mention(ben, 0, 4)])).await.expect("sent");
    let seq = Seq(sent["message"]["seq"].as_i64().expect("a seq"));
    let from = MessagePlace { conversation: group, seq };
    let forward = Command::Forward { conversation: other, client_id: cluster.key(), from };
    let forwarded = does(&cluster, "Ada", forward).await.expect("a member of both");
    assert_eq!(forwarded["message"]["text"], "@Ben");
    assert_eq!(forwarded["message"]["mentions"], Value::Null);
    assert_eq!(newest(&cluster, "Ben", other).await, 0);
}

async fn a_repeat_with_other_mentions_is_another_command(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben"]).await;
    let (client_id, ben) = (cluster.key(), cluster.user("Ben").await);
    let command = |mentions| Command::Send {
        conversation: group,
        client_id: client_id.clone(),
        text: "@Ben".to_owned(),
        mentions,
        subject: None,
        reply_to: None,
        attachments: Vec::new(),
        draft: None,
    };
    does(&cluster, "Ada", command(vec![mention(ben, 0, 4)])).await.expect("sent");
    let again = does(&cluster, "Ada", command(vec![mention(ben, 0, 4)])).await.expect("sent before");
    assert_eq!(again["duplicate"], true);
    assert_eq!(code(does(&cluster, "Ada", command(Vec::new())).await), Code::Conflict);
}

async fn mentions_before_the_history_of_a_member_are_not_theirs(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let ben = cluster.user("Ben").await;
    does(&cluster, "Ada", message(&cluster, group, "@Ben", vec![mention(ben, 0, 4)])).await.expect("sent");
    does(&cluster, "Ada", Command::RemoveMember { conversation: group, user: ben }).await.expect("the owner");
    let history = Some(History::FromJoining);
    does(&cluster, "Ada", Command::AddMembers { conversation: group, users: vec![ben], history }).await.expect("added");
    assert_eq!(newest(&cluster, "Ben", group).await, 0);
}
