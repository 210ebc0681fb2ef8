//! The unread total of a user is the sum of their conversations.

use super::{
    TestCluster, conformance,
    groups::{act, does},
};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, Seq},
    params::MeUpdate,
};
use serde_json::{Value, json};

conformance! {
    the_unread_total_is_the_sum_of_all_conversations,
    unread_messages_count_up_to_a_hundred_per_conversation,
}

/// The total according to `me.get`, which must be the sum of the list.
async fn unread(cluster: &TestCluster, name: &str) -> Value {
    let user = cluster.user(name).await;
    let me = act(&cluster.app, user, Command::GetMe { since: None }).await.expect("signed in");
    let list =
        act(&cluster.app, user, Command::ListConversations { after: None, limit: Some(100) }).await.expect("a list");
    let rows = list["conversations"].as_array().expect("a list").iter();
    let counts: Vec<u64> =
        rows.map(|row| row["unread"].as_u64().expect("a number")).filter(|count| *count > 0).collect();
    let sum = json!({"conversations": counts.len(), "messages": counts.iter().sum::<u64>()});
    assert_eq!(me["unread"], sum, "for {name}");
    sum
}

async fn all_agree(cluster: &TestCluster) {
    for name in ["Ada", "Ben", "Cleo"] {
        unread(cluster, name).await;
    }
}

async fn the_unread_total_is_the_sum_of_all_conversations(cluster: TestCluster) {
    let groups = [cluster.group("Ada", &["Ben", "Cleo"]).await, cluster.group("Ada", &["Ben"]).await];
    let direct = cluster.direct("Ben", "Cleo").await;
    assert_eq!(unread(&cluster, "Ben").await, json!({"conversations": 0, "messages": 0}));
    for number in 0..3 {
        cluster.send("Ada", groups[0], &format!("message {number}")).await;
        cluster.send("Ada", groups[1], &format!("message {number}")).await;
    }
    cluster.send("Cleo", direct, "hello").await;
    assert_eq!(unread(&cluster, "Ben").await, json!({"conversations": 3, "messages": 7}));
    // He replies without having read, reads a part, hides one; another is deleted, and a system line is added.
    cluster.send("Ben", groups[0], "an answer").await;
    cluster.read("Ben", groups[1], 1).await;
    let place = |conversation: ConversationId, seq: i64| (conversation, Seq(seq));
    let (conversation, seq) = place(groups[0], 2);
    does(&cluster, "Ben", Command::Hide { conversation, seq }).await.expect("it is private");
    let (conversation, seq) = place(groups[1], 3);
    does(&cluster, "Ada", Command::Delete { conversation, seq }).await.expect("her own");
    does(&cluster, "Ada", Command::UpdateConversation { conversation: groups[1], title: "Night desk".to_owned() })
        .await
        .expect("an owner may");
    assert_eq!(unread(&cluster, "Ben").await, json!({"conversations": 3, "messages": 4}));
    all_agree(&cluster).await;
    let quiet = MeUpdate { receipts: Some(false), ..MeUpdate::default() };
    does(&cluster, "Ben", Command::UpdateMe(quiet)).await.expect("his own setting");
    cluster.read("Ben", direct, 1).await;
    cluster.remove("Ada", groups[0], "Ben").await.expect("an owner may");
    assert_eq!(unread(&cluster, "Ben").await, json!({"conversations": 1, "messages": 1}));
    all_agree(&cluster).await;
}

async fn unread_messages_count_up_to_a_hundred_per_conversation(cluster: TestCluster) {
    let group = cluster.group("Ada", &["Ben", "Cleo"]).await;
    for number in 0..105 {
        cluster.send("Ada", group, &format!("message {number}")).await;
    }
    // By counting, and by subtraction.
    cluster.send("Ben", group, "an answer").await;
    assert_eq!(unread(&cluster, "Ben").await, json!({"conversations": 1, "messages": 100}));
    assert_eq!(unread(&cluster, "Cleo").await, json!({"conversations": 1, "messages": 100}));
}
