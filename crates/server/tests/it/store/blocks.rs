//! Blocks: what they refuse, what they hide, and who learns of them.

use super::{
    TestCluster, code, commit_together, conformance,
    groups::{act, conversation_of, does},
    large_conversations::{attach, is, next_event, small},
    presence::Watcher,
};
use parlor::domain::{Change, Content, Outcome};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::PresenceStatus::{Online, Unknown},
    params::{Group, History, MeUpdate, MessagePlace, Open},
};
use serde_json::{Value, json};

conformance! {
    a_block_refuses_every_message_between_the_two_until_it_ends,
    a_block_prevents_new_conversations_and_groups,
    messages_in_groups_go_on,
    a_block_hides_presence_both_ways_until_it_ends,
    a_block_hides_markers_both_ways_until_it_ends,
    typing_reaches_nobody_across_a_block,
    a_block_is_received_by_its_user_alone,
    me_lists_the_blocks_when_they_have_changed,
    neither_finds_the_other_when_writing_to_somebody,
    a_block_and_a_send_in_one_batch_are_decided_in_their_order,
    a_conversation_that_is_opened_in_the_batch_of_a_block_has_it,
    a_block_on_one_node_holds_on_all,
    only_users_whom_the_user_can_know_are_blocked,
    a_user_blocks_as_many_as_the_limit_allows,
    thousands_of_blocks_take_a_few_statements_and_are_listed_page_by_page,
    rows_of_the_host_arrive_despite_a_block,
    a_block_holds_where_two_members_are_many,
}

async fn set(cluster: &TestCluster, name: &str, other: &str, on: bool) -> Result<Value, Problem> {
    let user = cluster.user(other).await;
    does(cluster, name, if on { Command::Block { user } } else { Command::Unblock { user } }).await
}

async fn block(cluster: &TestCluster, name: &str, other: &str) -> Value {
    set(cluster, name, other, true).await.expect("they know each other")
}

async fn unblock(cluster: &TestCluster, name: &str, other: &str) -> Value {
    set(cluster, name, other, false).await.expect("always possible")
}

/// What a block forbids in a conversation whose first message is the user's own.
fn attempts(cluster: &TestCluster, name: &str, conversation: ConversationId, own: i64) -> Vec<Command> {
    let from = MessagePlace { conversation, seq: Seq(own) };
    let Command::Send { client_id, .. } = Command::send_text(conversation, cluster.key(), "") else { unreachable!() };
    let reply = Command::Send {
        conversation,
        client_id,
        text: format!("{name} replies"),
        mentions: Vec::new(),
        subject: None,
        reply_to: Some(Seq(1)),
        attachments: Vec::new(),
        draft: None,
    };
    vec![
        Command::send_text(conversation, cluster.key(), "hello again"),
        reply,
        Command::Forward { conversation, client_id: cluster.key(), from },
        Command::Edit { conversation, seq: Seq(own), text: Some(cluster.key()), mentions: Vec::new(), subject: None },
        Command::React { conversation, seq: Seq(1), emoji: "👍".to_owned(), on: true },
    ]
}

fn row(conversation: &Value, user: UserId) -> Value {
    let members = conversation["members"].as_array().expect("members");
    members.iter().find(|row| row["user"]["id"] == user.0).cloned().expect("a member")
}

async fn a_block_refuses_every_message_between_the_two_until_it_ends(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "hello").await;
    cluster.send("Ben", conversation, "hello, too").await;
    block(&cluster, "Ada", "Ben").await;
    let before = conversation_of(&cluster, "Ben", conversation).await;
    for (name, own, expected) in [("Ada", 1, Code::Blocked), ("Ben", 2, Code::NotAllowed)] {
        for command in attempts(&cluster, name, conversation, own) {
            assert_eq!(code(does(&cluster, name, command.clone()).await), expected, "{name}: {command:?}");
        }
    }
    assert_eq!(conversation_of(&cluster, "Ben", conversation).await, before, "nothing has happened");
    let withdrawn = Command::Delete { conversation, seq: Seq(2) };
    does(&cluster, "Ben", withdrawn).await.expect("what was sent can still be deleted");
    block(&cluster, "Ben", "Ada").await;
    unblock(&cluster, "Ada", "Ben").await;
    assert_eq!(code(act_send(&cluster, "Ada", conversation).await), Code::NotAllowed, "now Ben blocks Ada");
    assert_eq!(code(act_send(&cluster, "Ben", conversation).await), Code::Blocked);
    unblock(&cluster, "Ben", "Ada").await;
    for name in ["Ada", "Ben"] {
        act_send(&cluster, name, conversation).await.expect("no block is left");
    }
    cluster.is_consistent().await;
}

async fn act_send(cluster: &TestCluster, name: &str, conversation: ConversationId) -> Result<Value, Problem> {
    does(cluster, name, Command::send_text(conversation, cluster.key(), "hello")).await
}

async fn a_block_prevents_new_conversations_and_groups(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    let context = cluster.context("1", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let group = cluster.group("Ben", &["Cleo"]).await;
    let own = cluster.group("Ada", &["Cleo"]).await;
    let known = cluster.direct("Ada", "Ben").await;
    block(&cluster, "Ada", "Ben").await;
    let open = |user| Open { user: Some(user), context: Some(context.clone()), ..cluster.opening() };
    assert_eq!(code(cluster.open(ben, open(ada)).await), Code::NotAllowed);
    assert_eq!(code(cluster.open(ada, open(ben)).await), Code::Blocked);
    let by_role = Open { role: Some("owner".to_owned()), context: Some(context.clone()), ..cluster.opening() };
    assert_eq!(code(cluster.open(ben, by_role).await), Code::NotAllowed);
    let group_with = |user| Group { title: "Us".to_owned(), users: vec![user] };
    let with_ada = Open { group: Some(group_with(ada)), ..cluster.opening() };
    assert_eq!(code(cluster.open(ben, with_ada).await), Code::NotAllowed);
    let with_ben = Open { group: Some(group_with(ben)), ..cluster.opening() };
    assert_eq!(code(cluster.open(ada, with_ben).await), Code::Blocked);
    let add = |conversation, user| Command::AddMembers { conversation, users: vec![user], history: None };
    assert_eq!(code(does(&cluster, "Ben", add(group, ada)).await), Code::NotAllowed);
    assert_eq!(code(does(&cluster, "Ada", add(own, ben)).await), Code::Blocked);
    let found = cluster.open(ben, Open { user: Some(ada), ..cluster.opening() }).await;
    assert_eq!(found, Ok((known, true)), "the old one is still there");
    unblock(&cluster, "Ada", "Ben").await;
    cluster.open(ben, open(ada)).await.expect("no block is left");
}

async fn messages_in_groups_go_on(cluster: TestCluster) {
    let group = cluster.group("Cleo", &["Ada", "Ben"]).await;
    block(&cluster, "Ada", "Ben").await;
    let mut ada = attach(&cluster.app, &cluster, "Ada").await;
    cluster.send("Ben", group, "hello").await;
    next_event(&mut ada, is("message.created", group)).await;
    cluster.send("Ada", group, "hello, too").await;
    let react = Command::React { conversation: group, seq: Seq(1), emoji: "👍".to_owned(), on: true };
    does(&cluster, "Ada", react).await.expect("groups have no blocks");
    cluster.read("Ada", group, 2).await;
    let seen = row(&conversation_of(&cluster, "Ben", group).await, cluster.user("Ada").await);
    assert_eq!(seen["read_seq"], 2, "markers in groups are as before");
}

async fn a_block_hides_presence_both_ways_until_it_ends(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    cluster.direct("Ada", "Ben").await;
    cluster.group("Ada", &["Ben"]).await;
    let _here = [ada, ben].map(|user| cluster.app.presence.connect(user));
    let watchers = [Watcher::new(&cluster.app, ada).await, Watcher::new(&cluster.app, ben).await];
    watchers[0].watch_until(ben, Online).await;
    watchers[1].watch_until(ada, Online).await;
    block(&cluster, "Ada", "Ben").await;
    watchers[0].until(ben, Unknown).await;
    watchers[1].until(ada, Unknown).await;
    assert_eq!(watchers[1].watch(&[ada]).await, [Unknown], "also when asked again");
    unblock(&cluster, "Ada", "Ben").await;
    watchers[0].until(ben, Online).await;
    watchers[1].until(ada, Online).await;
}

async fn a_block_hides_markers_both_ways_until_it_ends(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ben", conversation, "hello").await;
    cluster.read("Ada", conversation, 1).await;
    cluster.send("Ben", conversation, "are you there?").await;
    let mut listening = attach(&cluster.app, &cluster, "Ben").await;
    block(&cluster, "Ada", "Ben").await;
    next_event(&mut listening, is("scope.changed", conversation)).await;
    let seen = row(&conversation_of(&cluster, "Ben", conversation).await, ada);
    assert_eq!([&seen["read_seq"], &seen["delivered_seq"], &seen["read_at"]], [&json!(0), &json!(1), &Value::Null]);
    does(&cluster, "Ada", Command::Mark { conversation, delivered: Some(Seq(2)), read: None }).await.expect("a member");
    let delivered = conversation_of(&cluster, "Ben", conversation).await;
    assert_eq!(row(&delivered, ada)["delivered_seq"], 2, "as of users who show no receipts");
    cluster.read("Ada", conversation, 2).await;
    assert_eq!(
        conversation_of(&cluster, "Ben", conversation).await["version"],
        delivered["version"],
        "nothing happened"
    );
    does(&cluster, "Ada", Command::UpdateMe(MeUpdate { receipts: Some(false), ..MeUpdate::default() }))
        .await
        .expect("ok");
    does(&cluster, "Ada", Command::UpdateMe(MeUpdate { receipts: Some(true), ..MeUpdate::default() }))
        .await
        .expect("ok");
    cluster.send("Ben", cluster.group("Ben", &["Cleo"]).await, "the end").await;
    // Events arrive in their order, so a marker would have come before.
    let mut events = Vec::new();
    loop {
        let event = listening.next().await;
        if event["type"] == "message.created" {
            break;
        }
        events.push(event);
    }
    let reveals = |event: &&Value| event["type"] == "member.updated" && event["scope"] == scope(conversation);
    assert_eq!(events.iter().find(reveals), None, "Ben receives nothing of Ada's row");
    let seen = row(&conversation_of(&cluster, "Ben", conversation).await, ada);
    assert_eq!([&seen["read_seq"], &seen["delivered_seq"]], [0, 2]);
    let members = does(&cluster, "Ben", Command::ListMembers { conversation, after: None, limit: None }).await;
    assert_eq!(row(&members.expect("a member"), ada)["read_seq"], 0);
    let own = conversation_of(&cluster, "Ada", conversation).await;
    assert_eq!((&row(&own, ada)["read_seq"], &row(&own, ben)["read_seq"]), (&json!(2), &json!(0)), "both ways");
    unblock(&cluster, "Ada", "Ben").await;
    let seen = row(&conversation_of(&cluster, "Ben", conversation).await, ada);
    assert_eq!(seen["read_seq"], 2);
}

fn scope(conversation: ConversationId) -> Value {
    json!(Scope::Conversation(conversation).to_string())
}

async fn typing_reaches_nobody_across_a_block(cluster: TestCluster) {
    let direct = cluster.direct("Ada", "Ben").await;
    let group = cluster.group("Cleo", &["Ada", "Ben"]).await;
    block(&cluster, "Ada", "Ben").await;
    let mut ada = attach(&cluster.app, &cluster, "Ada").await;
    let mut cleo = attach(&cluster.app, &cluster, "Cleo").await;
    for conversation in [direct, group] {
        does(&cluster, "Ben", Command::SetTyping { conversation, typing: true }).await.expect("Ben is told nothing");
    }
    next_event(&mut cleo, |event| event["type"] == "typing.changed").await;
    cluster.send("Cleo", group, "the end").await;
    let first = next_event(&mut ada, |_| true).await;
    assert_eq!(first["type"], "message.created", "no typing came before");
}

async fn a_block_is_received_by_its_user_alone(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let (mut desk, mut other) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let done = block(&cluster, "Ada", "Ben").await;
    let event = next_event(&mut desk, |event| event["type"] == "block.updated").await;
    assert_eq!((&event["user"], &event["blocked"]), (&json!(ben.0), &json!(true)));
    assert_eq!((&event["version"], &event["prev"]), (&done["version"], &done["prev"]));
    let again = block(&cluster, "Ada", "Ben").await;
    assert_eq!((&again["version"], &again["prev"]), (&done["version"], &done["version"]), "nothing has changed");
    let ended = unblock(&cluster, "Ada", "Ben").await;
    let event = next_event(&mut desk, |event| event["type"] == "block.updated").await;
    assert_eq!((&event["blocked"], &event["version"]), (&json!(false), &ended["version"]));
    let again = unblock(&cluster, "Ada", "Ben").await;
    assert_eq!(again["version"], again["prev"]);
    cluster.send("Ada", conversation, "hello").await;
    loop {
        let event = other.next().await;
        if event["type"] == "message.created" {
            break;
        }
        assert_eq!((&event["type"], &event["scope"]), (&json!("scope.changed"), &scope(conversation)), "{event}");
    }
}

async fn me_lists_the_blocks_when_they_have_changed(cluster: TestCluster) {
    for name in ["Ben", "Cleo"] {
        cluster.direct("Ada", name).await;
    }
    let me = async |since: Option<i64>| {
        let answer = does(&cluster, "Ada", Command::GetMe { since: since.map(Version) }).await.expect("signed in");
        (answer["blocks"].clone(), answer["scope_version"].as_i64().expect("a version"))
    };
    let (blocks, first) = me(None).await;
    assert_eq!(blocks, json!([]), "without a version always");
    assert_eq!(me(Some(first)).await.0, Value::Null, "omitted while nothing changes");
    block(&cluster, "Ada", "Cleo").await;
    block(&cluster, "Ada", "Ben").await;
    let both = json!([cluster.user("Ben").await.0, cluster.user("Cleo").await.0]);
    let (blocks, second) = me(Some(first)).await;
    assert_eq!(blocks, both);
    unblock(&cluster, "Ada", "Ben").await;
    assert_eq!(me(Some(second)).await.0, json!([cluster.user("Cleo").await.0]), "all of them");
    let bens = does(&cluster, "Cleo", Command::GetMe { since: None }).await.expect("signed in");
    assert_eq!(bens["blocks"], json!([]), "one's own only");
}

async fn neither_finds_the_other_when_writing_to_somebody(cluster: TestCluster) {
    cluster.direct("Ada", "Ben").await;
    let finds = async |name: &str, query: &str| {
        let list = Command::ListUsers { query: query.to_owned(), after: None, limit: None };
        let answer = does(&cluster, name, list).await.expect("signed in");
        answer["users"].as_array().expect("a list").len()
    };
    assert_eq!((finds("Ada", "ben").await, finds("Ben", "ada").await), (1, 1));
    block(&cluster, "Ada", "Ben").await;
    assert_eq!((finds("Ada", "ben").await, finds("Ben", "ada").await), (0, 0));
    let listed = does(&cluster, "Ada", Command::ListBlocks { after: None, limit: None }).await.expect("signed in");
    assert_eq!(listed["users"][0]["name"], "Ben");
    let listed = does(&cluster, "Ben", Command::ListBlocks { after: None, limit: None }).await.expect("signed in");
    assert_eq!(listed["users"], json!([]));
}

async fn a_block_and_a_send_in_one_batch_are_decided_in_their_order(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    let conversation = cluster.direct("Ada", "Ben").await;
    let send = || Change::Send {
        actor: ben,
        conversation,
        client_id: cluster.key(),
        content: Content::text("in the same moment"),
    };
    let set = |on| Change::SetBlocked { actor: ada, user: ben, on };
    let pending = [send(), set(true), send(), set(false), send()].map(|change| cluster.app.commit.begin(change));
    let mut outcomes = Vec::new();
    for pending in futures_util::future::join_all(pending).await {
        outcomes.push(pending.expect("there is room").outcome().await.map(drop).map_err(|problem| problem.code));
    }
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(Code::NotAllowed), Ok(()), Ok(())]);
    cluster.is_consistent().await;
}

async fn a_conversation_that_is_opened_in_the_batch_of_a_block_has_it(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    let open = Change::Open { actor: ben, open: Open { user: Some(ada), ..cluster.opening() } };
    let block = Change::SetBlocked { actor: ada, user: ben, on: true };
    let (decided, _) = commit_together(&cluster.app, &[open, block]).await;
    let Outcome::Opened { conversation, .. } = decided[0].outcome else { panic!("it is opened") };
    assert_eq!(code(act_send(&cluster, "Ben", conversation).await), Code::NotAllowed);
    cluster.is_consistent().await;
}

async fn a_block_on_one_node_holds_on_all(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let other = cluster.another_node().await;
    let ben = cluster.user("Ben").await;
    let send = || Command::send_text(conversation, cluster.key(), "hello");
    act(&other, ben, send()).await.expect("there is no block");
    block(&cluster, "Ada", "Ben").await;
    assert_eq!(code(act(&other, ben, send()).await), Code::NotAllowed, "at once, without any news");
    let group = Group { title: "Us".to_owned(), users: vec![cluster.user("Ada").await] };
    let open = Command::Open(Open { group: Some(group), ..cluster.opening() });
    assert_eq!(code(act(&other, ben, open).await), Code::NotAllowed);
}

async fn only_users_whom_the_user_can_know_are_blocked(cluster: TestCluster) {
    let ada = cluster.user("Ada").await;
    assert_eq!(code(set(&cluster, "Ada", "Ada", true).await), Code::InvalidField);
    let nobody = |user| Command::Block { user: UserId(user) };
    for user in [0, -1, 999_999] {
        assert_eq!(code(does(&cluster, "Ada", nobody(user)).await), Code::NotFound);
    }
    does(&cluster, "Ada", Command::Unblock { user: UserId(999_999) }).await.expect("nothing to do");
    cluster.user("Ben").await;
    block(&cluster, "Ada", "Ben").await;
    // Where strangers cannot write to each other, they cannot find out who exists either.
    let app = cluster.node_with(&[("who_may_write", "both_in_context")]).await;
    let cleo = cluster.user("Cleo").await;
    assert_eq!(code(act(&app, ada, Command::Block { user: cleo }).await), Code::NotFound);
    let group = cluster.group("Dan", &["Ada", "Cleo"]).await;
    cluster.remove("Cleo", group, "Cleo").await.expect("members may leave");
    act(&app, ada, Command::Block { user: cleo }).await.expect("they were in a group");
}

async fn a_user_blocks_as_many_as_the_limit_allows(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.blocks_max", "2")]).await;
    let ada = cluster.user("Ada").await;
    let set = async |name: &str, on: bool| {
        let user = cluster.user(name).await;
        act(&app, ada, if on { Command::Block { user } } else { Command::Unblock { user } }).await
    };
    for name in ["Ben", "Cleo"] {
        set(name, true).await.expect("within the limit");
    }
    let refused = set("Dan", true).await.expect_err("over the limit");
    assert_eq!((refused.code, refused.limit), (Code::LimitReached, Some(2)));
    set("Ben", true).await.expect("they are blocked already");
    set("Ben", false).await.expect("always possible");
    set("Dan", true).await.expect("there is room again");
}

async fn thousands_of_blocks_take_a_few_statements_and_are_listed_page_by_page(cluster: TestCluster) {
    const COUNT: usize = 1000;
    let ada = cluster.user("Ada").await;
    let add = |index: usize| Change::AddUser {
        login: format!("user{index}"),
        name: format!("User {index:04}"),
        password_hash: None,
    };
    let added: Vec<Change> = (0..COUNT).map(add).collect();
    let (decided, _) = commit_together(&cluster.app, &added).await;
    let users = decided.iter().map(|one| match one.outcome {
        Outcome::UserAdded(user) => user,
        _ => panic!("a user"),
    });
    let blocks: Vec<Change> = users.map(|user| Change::SetBlocked { actor: ada, user, on: true }).collect();
    let (_, few) = commit_together(&cluster.app, &blocks[..10]).await;
    let (_, many) = commit_together(&cluster.app, &blocks[10..]).await;
    assert_eq!(few, many, "however many they are");
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = does(&cluster, "Ada", Command::ListBlocks { after, limit: Some(100) }).await.expect("a page");
        names.extend(page["users"].as_array().expect("users").iter().map(|user| user["name"].clone()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<Value> = (0..COUNT).map(|index| json!(format!("User {index:04}"))).collect();
    assert_eq!(names, expected, "each once, by name");
    cluster.user("Ben").await;
    assert_eq!(code(set(&cluster, "Ada", "Ben", true).await), Code::LimitReached);
    cluster.is_consistent().await;
}

async fn rows_of_the_host_arrive_despite_a_block(cluster: TestCluster) {
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    block(&cluster, "Ada", "Ben").await;
    // The application has decided that Ben may write to Ada.
    let message = cluster.put_new(&cluster.row(1, "Ben", "Ada", "hello").await).await;
    let conversation = message.conversation;
    assert_eq!(code(act_send(&cluster, "Ben", conversation).await), Code::NotAllowed);
    assert_eq!(code(act_send(&cluster, "Ada", conversation).await), Code::Blocked);
    cluster.put_new(&cluster.row(2, "Ben", "Ada", "hello?").await).await;
    cluster.read("Ada", conversation, 2).await;
    assert_eq!(row(&conversation_of(&cluster, "Ben", conversation).await, ada)["read_seq"], 0);
    assert_eq!(row(&conversation_of(&cluster, "Ada", conversation).await, ben)["read_seq"], 0);
    cluster.is_consistent().await;
}

async fn a_block_holds_where_two_members_are_many(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let app = cluster.node_with(&[("limits.conversation_fan_out_max", "1")]).await;
    let [ada, ben] = [cluster.user("Ada").await, cluster.user("Ben").await];
    act(&app, ada, Command::Block { user: ben }).await.expect("they know each other");
    let send = || Command::send_text(conversation, cluster.key(), "hello");
    assert_eq!(code(act(&app, ada, send()).await), Code::Blocked);
    assert_eq!(code(act(&app, ben, send()).await), Code::NotAllowed);
    let app = small(&cluster).await;
    act(&app, ada, Command::Unblock { user: ben }).await.expect("always possible");
    act(&app, ben, send()).await.expect("no block is left");
    let history = Some(History::FromStart);
    let group = cluster.group("Ada", &["Cleo", "Dan"]).await;
    act(&app, ada, Command::AddMembers { conversation: group, users: vec![ben], history }).await.expect("no block");
}
