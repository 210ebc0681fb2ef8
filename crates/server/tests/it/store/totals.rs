//! What is unread in all conversations of a person is the sum of what is unread in each.

use super::{
    World, conformance,
    groups::{act, does},
};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, Seq},
    params::MeUpdate,
};
use serde_json::{Value, json};

conformance! {
    what_is_unread_in_all_conversations_is_the_sum_of_what_is_unread_in_each,
    many_unread_messages_count_a_hundred_in_each_conversation,
}

/// What `me.get` says, which must be the sum of the list.
async fn unread(world: &World, name: &str) -> Value {
    let user = world.person(name).await;
    let me = act(&world.app, user, Command::GetMe { since: None }).await.expect("signed in");
    let list =
        act(&world.app, user, Command::ListConversations { after: None, limit: Some(100) }).await.expect("a list");
    let rows = list["conversations"].as_array().expect("a list").iter();
    let counts: Vec<u64> =
        rows.map(|row| row["unread"].as_u64().expect("a number")).filter(|count| *count > 0).collect();
    let sum = json!({"conversations": counts.len(), "messages": counts.iter().sum::<u64>()});
    assert_eq!(me["unread"], sum, "for {name}");
    sum
}

async fn all_agree(world: &World) {
    for name in ["Ada", "Ben", "Cleo"] {
        unread(world, name).await;
    }
}

async fn what_is_unread_in_all_conversations_is_the_sum_of_what_is_unread_in_each(world: World) {
    let groups = [world.group("Ada", &["Ben", "Cleo"]).await, world.group("Ada", &["Ben"]).await];
    let direct = world.direct("Ben", "Cleo").await;
    assert_eq!(unread(&world, "Ben").await, json!({"conversations": 0, "messages": 0}));
    for number in 0..3 {
        world.send("Ada", groups[0], &format!("message {number}")).await;
        world.send("Ada", groups[1], &format!("message {number}")).await;
    }
    world.send("Cleo", direct, "hello").await;
    assert_eq!(unread(&world, "Ben").await, json!({"conversations": 3, "messages": 7}));
    // He answers without having read, reads a part, hides one; another is deleted, and a line of the system comes.
    world.send("Ben", groups[0], "an answer").await;
    world.read("Ben", groups[1], 1).await;
    let place = |conversation: ConversationId, seq: i64| (conversation, Seq(seq));
    let (conversation, seq) = place(groups[0], 2);
    does(&world, "Ben", Command::Hide { conversation, seq }).await.expect("his own affair");
    let (conversation, seq) = place(groups[1], 3);
    does(&world, "Ada", Command::Delete { conversation, seq }).await.expect("her own");
    does(&world, "Ada", Command::UpdateConversation { conversation: groups[1], title: "Night desk".to_owned() })
        .await
        .expect("an owner may");
    assert_eq!(unread(&world, "Ben").await, json!({"conversations": 3, "messages": 4}));
    all_agree(&world).await;
    let quiet = MeUpdate { receipts: Some(false), ..MeUpdate::default() };
    does(&world, "Ben", Command::UpdateMe(quiet)).await.expect("his own setting");
    world.read("Ben", direct, 1).await;
    world.remove("Ada", groups[0], "Ben").await.expect("an owner may");
    assert_eq!(unread(&world, "Ben").await, json!({"conversations": 1, "messages": 1}));
    all_agree(&world).await;
}

async fn many_unread_messages_count_a_hundred_in_each_conversation(world: World) {
    let group = world.group("Ada", &["Ben", "Cleo"]).await;
    for number in 0..105 {
        world.send("Ada", group, &format!("message {number}")).await;
    }
    // Counted, and by subtraction.
    world.send("Ben", group, "an answer").await;
    assert_eq!(unread(&world, "Ben").await, json!({"conversations": 1, "messages": 100}));
    assert_eq!(unread(&world, "Cleo").await, json!({"conversations": 1, "messages": 100}));
}
