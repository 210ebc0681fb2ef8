//! Roles, joining and leaving, and the system lines about them.

use super::{
    TestCluster, code, conformance,
    large_conversations::{attach, is, next_event},
};
use parlor::{
    app::App,
    commands,
    domain::{Change, GroupUpdate},
    identity::actor::Actor,
};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    ids::{ConversationId, Seq, SessionId, UserId, Version},
    model::Role,
    params::History,
};
use serde_json::{Value, json};
use std::sync::Arc;

conformance! {
    each_role_has_exactly_its_permissions,
    the_last_owner_stays_owner_until_there_is_another,
    the_last_owner_is_succeeded_by_the_longest_standing_member,
    a_disabled_member_inherits_only_if_there_is_no_other,
    every_change_of_a_group_adds_a_system_line_that_is_never_unread,
    a_change_without_effect_adds_no_system_line,
    a_direct_conversation_has_no_roles_and_no_system_lines,
    new_members_see_the_history_chosen_when_they_joined,
    returning_members_see_the_history_chosen_when_they_rejoined,
    a_leaving_member_receives_the_leave_and_nothing_after_it,
    all_members_are_listed_page_by_page,
    a_group_keeps_reporting_its_context,
}

/// Runs a command as a user.
pub(super) async fn act(app: &Arc<App>, user: UserId, command: Command) -> Result<Value, Problem> {
    let actor = Actor { user, session: SessionId(1) };
    let answer = commands::execute(app, actor, command).await?;
    Ok(serde_json::to_value(answer).expect("an answer has string keys only"))
}

/// The same by name, on the cluster's first node.
pub(super) async fn does(cluster: &TestCluster, name: &str, command: Command) -> Result<Value, Problem> {
    act(&cluster.app, cluster.user(name).await, command).await
}

pub(super) async fn conversation_of(cluster: &TestCluster, name: &str, conversation: ConversationId) -> Value {
    let answer = does(cluster, name, Command::GetConversation { conversation }).await;
    answer.expect("a member")["conversation"].take()
}

fn role_in(conversation: &Value, user: UserId) -> &str {
    let members = conversation["members"].as_array().expect("members");
    let row = members.iter().find(|row| row["user"]["id"] == user.0).expect("a member");
    row["role"].as_str().expect("a role")
}

async fn give(
    cluster: &TestCluster,
    by: &str,
    conversation: ConversationId,
    to: &str,
    role: Role,
) -> Result<Value, Problem> {
    let user = cluster.user(to).await;
    does(cluster, by, Command::UpdateMember { conversation, user, role }).await
}

async fn add(
    cluster: &TestCluster,
    by: &str,
    conversation: ConversationId,
    names: &[&str],
    history: Option<History>,
) -> Result<Value, Problem> {
    let mut users = Vec::new();
    for name in names {
        users.push(cluster.user(name).await);
    }
    does(cluster, by, Command::AddMembers { conversation, users, history }).await
}

async fn name(cluster: &TestCluster, by: &str, conversation: ConversationId, title: &str) -> Result<Value, Problem> {
    does(cluster, by, Command::UpdateConversation { conversation, title: title.to_owned() }).await
}

/// Two owners, two moderators and two members; Lea has left, and Sam was never a member.
async fn ranked(cluster: &TestCluster) -> ConversationId {
    let conversation = cluster.group("Ada", &["Olga", "Mo", "Max", "Ben", "Cleo", "Lea"]).await;
    give(cluster, "Ada", conversation, "Olga", Role::Owner).await.expect("an owner gives roles");
    for moderator in ["Mo", "Max"] {
        give(cluster, "Ada", conversation, moderator, Role::Moderator).await.expect("an owner gives roles");
    }
    cluster.remove("Lea", conversation, "Lea").await.expect("leaving is free");
    conversation
}

/// An attempted change.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    Add,
    Title,
    Picture,
    Promote,
    Demote,
    RemoveOwner,
    RemoveModerator,
    RemoveMember,
    Leave,
    List,
}

async fn attempt(cluster: &TestCluster, by: &str, conversation: ConversationId, what: Attempt) -> Option<Code> {
    let actor = cluster.user(by).await;
    let result = match what {
        Attempt::Add => add(cluster, by, conversation, &["New"], None).await,
        Attempt::Title => name(cluster, by, conversation, "Day desk").await,
        Attempt::Picture => {
            let update = GroupUpdate::Picture(Some("4f1c".to_owned()));
            let change = Change::UpdateConversation { actor, conversation, update };
            cluster.app.commit.submit(change).await.map(|_| Value::Null)
        }
        Attempt::Promote => give(cluster, by, conversation, "Cleo", Role::Moderator).await,
        Attempt::Demote => give(cluster, by, conversation, "Olga", Role::Member).await,
        Attempt::RemoveOwner => cluster.remove(by, conversation, "Olga").await.map(|_| Value::Null),
        Attempt::RemoveModerator => cluster.remove(by, conversation, "Max").await.map(|_| Value::Null),
        Attempt::RemoveMember => cluster.remove(by, conversation, "Cleo").await.map(|_| Value::Null),
        Attempt::Leave => cluster.remove(by, conversation, by).await.map(|_| Value::Null),
        Attempt::List => does(cluster, by, Command::ListMembers { conversation, after: None, limit: None }).await,
    };
    result.err().map(|problem| problem.code)
}

async fn each_role_has_exactly_its_permissions(cluster: TestCluster) {
    const NO: Option<Code> = Some(Code::NotAllowed);
    const ABSENT: Option<Code> = Some(Code::NotFound);
    // The attempt, and its outcome for an owner, a moderator and a member.
    let matrix = [
        (Attempt::Add, [None, None, NO]),
        (Attempt::Title, [None, None, NO]),
        (Attempt::Picture, [None, None, NO]),
        (Attempt::Promote, [None, NO, NO]),
        (Attempt::Demote, [None, NO, NO]),
        (Attempt::RemoveOwner, [None, NO, NO]),
        (Attempt::RemoveModerator, [None, NO, NO]),
        (Attempt::RemoveMember, [None, None, NO]),
        (Attempt::Leave, [None, None, None]),
        (Attempt::List, [None, None, None]),
    ];
    for (what, expected) in matrix {
        for (by, expected) in ["Ada", "Mo", "Ben"].into_iter().zip(expected) {
            let conversation = ranked(&cluster).await;
            let before = conversation_of(&cluster, "Olga", conversation).await;
            assert_eq!(attempt(&cluster, by, conversation, what).await, expected, "{by}: {what:?}");
            if expected.is_some() {
                assert_eq!(conversation_of(&cluster, "Olga", conversation).await, before, "{by}: {what:?}");
            }
        }
        let conversation = ranked(&cluster).await;
        for by in ["Lea", "Sam"] {
            assert_eq!(attempt(&cluster, by, conversation, what).await, ABSENT, "{by}: {what:?}");
        }
    }
}

async fn the_last_owner_stays_owner_until_there_is_another(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    for role in [Role::Member, Role::Moderator] {
        let refused = give(&cluster, "Ada", conversation, "Ada", role).await.expect_err("the last one");
        assert_eq!(refused.code, Code::NotAllowed);
        assert!(refused.detail.is_some_and(|detail| detail.contains("last owner")));
    }
    give(&cluster, "Ada", conversation, "Ben", Role::Owner).await.expect("there may be several");
    give(&cluster, "Ada", conversation, "Ada", Role::Member).await.expect("Ben is a member");
    let seen = conversation_of(&cluster, "Cleo", conversation).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    assert_eq!((role_in(&seen, ada), role_in(&seen, ben)), ("member", "owner"));
    assert_eq!(code(give(&cluster, "Ada", conversation, "Ada", Role::Owner).await), Code::NotAllowed);
    // A disabled owner does not count.
    give(&cluster, "Ben", conversation, "Cleo", Role::Owner).await.expect("an owner gives roles");
    let cleo = cluster.user("Cleo").await;
    cluster.app.commit.submit(Change::SetDisabled { user: cleo, disabled: true }).await.expect("disabled");
    assert_eq!(code(give(&cluster, "Ben", conversation, "Ben", Role::Member).await), Code::NotAllowed);
    assert_eq!(code(give(&cluster, "Ben", conversation, "Sam", Role::Member).await), Code::NotFound);
}

async fn the_last_owner_is_succeeded_by_the_longest_standing_member(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    add(&cluster, "Ada", conversation, &["Dan"], None).await.expect("added");
    add(&cluster, "Ada", conversation, &["Eve"], None).await.expect("added");
    for moderator in ["Eve", "Dan"] {
        give(&cluster, "Ada", conversation, moderator, Role::Moderator).await.expect("an owner gives roles");
    }
    // Dan joined before Eve, then Eve, then the members in the order of joining and ids.
    for (leaving, heir) in [("Ada", "Dan"), ("Dan", "Eve"), ("Eve", "Ben"), ("Ben", "Cleo")] {
        cluster.remove(leaving, conversation, leaving).await.expect("leaving is free");
        let seen = conversation_of(&cluster, heir, conversation).await;
        let heir = cluster.user(heir).await;
        assert_eq!(role_in(&seen, heir), "owner");
        assert_eq!(seen["last_message"]["system"], json!({"type": "left", "heir": heir}));
        let owners = seen["members"].as_array().expect("members").iter().filter(|row| row["role"] == "owner");
        assert_eq!(owners.count(), 1);
    }
    cluster.remove("Cleo", conversation, "Cleo").await.expect("leaving is free");
    assert_eq!(
        code(does(&cluster, "Cleo", Command::GetConversation { conversation }).await),
        Code::NotFound,
        "it is empty"
    );
}

async fn a_disabled_member_inherits_only_if_there_is_no_other(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Mo", "Ben", "Cleo"]).await;
    give(&cluster, "Ada", conversation, "Mo", Role::Moderator).await.expect("an owner gives roles");
    let (mo, ben) = (cluster.user("Mo").await, cluster.user("Ben").await);
    cluster.app.commit.submit(Change::SetDisabled { user: mo, disabled: true }).await.expect("disabled");
    cluster.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    assert_eq!(role_in(&conversation_of(&cluster, "Cleo", conversation).await, ben), "owner");
    for leaving in ["Cleo", "Ben"] {
        cluster.remove(leaving, conversation, leaving).await.expect("leaving is free");
    }
    cluster.app.commit.submit(Change::SetDisabled { user: mo, disabled: false }).await.expect("enabled");
    assert_eq!(role_in(&conversation_of(&cluster, "Mo", conversation).await, mo), "owner");
}

async fn every_change_of_a_group_adds_a_system_line_that_is_never_unread(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let first = cluster.send("Ada", conversation, "hello").await.message.seq;
    cluster.read("Ben", conversation, first.0).await;
    let [ada, ben, cleo, dan] =
        [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await, cluster.user("Dan").await];
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    let picture = |id: &str| GroupUpdate::Picture(Some(id.to_owned()));
    let steps = [
        (
            Change::AddMembers { actor: ada, conversation, users: vec![dan], history: None },
            json!({"type": "added", "users": [dan]}),
        ),
        (
            Change::UpdateMember { actor: ada, conversation, user: cleo, role: Role::Moderator },
            json!({"type": "role_changed", "user": cleo, "role": "moderator"}),
        ),
        (
            Change::UpdateConversation {
                actor: cleo,
                conversation,
                update: GroupUpdate::Title(" Day desk ".to_owned()),
            },
            json!({"type": "renamed", "title": "Day desk"}),
        ),
        (
            Change::UpdateConversation { actor: cleo, conversation, update: picture("4f1c") },
            json!({"type": "picture_changed"}),
        ),
        (Change::RemoveMember { actor: cleo, conversation, user: dan }, json!({"type": "removed", "user": dan})),
        (Change::RemoveMember { actor: cleo, conversation, user: cleo }, json!({"type": "left"})),
    ];
    let count = i64::try_from(steps.len()).expect("few");
    for ((change, line), seq) in steps.into_iter().zip(first.0 + 1..) {
        let actor = change.actor().expect("a person's");
        cluster.app.commit.submit(change).await.expect("allowed");
        let event = next_event(&mut bens, |event| event["message"]["seq"] == seq).await;
        let message = &event["message"];
        assert_eq!((&message["system"], &message["sender"]), (&line, &json!(actor)));
        assert_eq!((&message["client_id"], &message["text"]), (&json!(""), &json!("")));
        assert_eq!((&message["version"], &message["id"]), (&event["version"], &event["version"]));
        let seen = conversation_of(&cluster, "Ben", conversation).await;
        assert_eq!(seen["last_message"], *message);
        assert_eq!((&seen["last_seq"], &seen["activity"]), (&json!(seq), &event["version"]));
        assert_eq!((&seen["unread"], &seen["version"]), (&json!(0), &event["version"]));
    }
    let seen = conversation_of(&cluster, "Ben", conversation).await;
    assert_eq!((&seen["title"], &seen["picture"]), (&json!("Day desk"), &json!("/v1/pictures/4f1c")));
    let own = seen["members"].as_array().expect("members").iter().find(|row| row["user"]["id"] == ben.0).expect("Ben");
    assert_eq!(own["read_seq"], first.0, "system lines move no marker");
    // Only messages after them count, and marking past them leaves nothing unread.
    cluster.send("Ada", conversation, "one more").await;
    assert_eq!(conversation_of(&cluster, "Ben", conversation).await["unread"], 1);
    let marked = cluster.read("Ben", conversation, first.0 + 1).await;
    assert_eq!(marked.marker.unread, 1);
    assert_eq!(cluster.read("Ben", conversation, first.0 + count + 1).await.marker.unread, 0);
    // The users named are included, though they have left.
    let page = Command::ListMessages { conversation, before: None, after: None, around: None, limit: None };
    let page = does(&cluster, "Ben", page).await.expect("a member");
    for user in [ada, cleo, dan] {
        assert!(page["users"].as_array().expect("a list").iter().any(|row| row["id"] == user.0), "{user}");
    }
}

async fn a_change_without_effect_adds_no_system_line(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let before = conversation_of(&cluster, "Ada", conversation).await;
    let answers = [
        name(&cluster, "Ada", conversation, "Night desk").await,
        give(&cluster, "Ada", conversation, "Ben", Role::Member).await,
        add(&cluster, "Ada", conversation, &["Ben"], None).await,
    ];
    for answer in answers {
        let answer = answer.expect("nothing is wrong with it");
        assert_eq!((&answer["version"], &answer["prev"]), (&before["version"], &before["version"]));
    }
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await, before);
    for title in ["", " ", "a\nb"] {
        name(&cluster, "Ada", conversation, title).await.expect_err("no name");
    }
    let long = name(&cluster, "Ada", conversation, &"x".repeat(121)).await.expect_err("too long");
    assert_eq!((long.code, long.limit), (Code::TextTooLong, Some(120)));
}

async fn a_direct_conversation_has_no_roles_and_no_system_lines(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let before = conversation_of(&cluster, "Ada", conversation).await;
    assert_eq!(code(name(&cluster, "Ada", conversation, "Us").await), Code::NotAllowed);
    assert_eq!(code(give(&cluster, "Ada", conversation, "Ada", Role::Owner).await), Code::NotAllowed);
    assert_eq!(code(add(&cluster, "Ada", conversation, &["Cleo"], None).await), Code::NotAllowed);
    assert_eq!(code(cluster.remove("Ada", conversation, "Ada").await), Code::NotAllowed);
    assert_eq!(attempt(&cluster, "Ada", conversation, Attempt::Picture).await, Some(Code::NotAllowed));
    assert_eq!(conversation_of(&cluster, "Ada", conversation).await, before);
}

/// Everything that a user can read of a conversation, as text.
async fn everything(cluster: &TestCluster, name: &str, conversation: ConversationId) -> String {
    let mut all = String::new();
    for command in [
        Command::GetConversation { conversation },
        Command::ListConversations { after: None, limit: None },
        Command::GetChanges { conversation, since: Version(0) },
        Command::ListMessages { conversation, before: None, after: None, around: None, limit: None },
        Command::ListMessages { conversation, before: None, after: Some(Seq(0)), around: None, limit: None },
        Command::ListMessages { conversation, before: Some(Seq(99)), after: None, around: None, limit: None },
        Command::ListMessages { conversation, before: None, after: None, around: Some(Seq(1)), limit: None },
    ] {
        all.push_str(&does(cluster, name, command).await.expect("a member").to_string());
    }
    all
}

async fn new_members_see_the_history_chosen_when_they_joined(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let before = cluster.send("Ada", conversation, "written before").await.message;
    add(&cluster, "Ada", conversation, &["Cleo"], Some(History::FromStart)).await.expect("added");
    add(&cluster, "Ada", conversation, &["Dan"], Some(History::FromJoining)).await.expect("added");
    add(&cluster, "Ada", conversation, &["Eve"], None).await.expect("added");
    let open = cluster.node_with(&[("groups.history", "from_start")]).await;
    let (ada, fay) = (cluster.user("Ada").await, cluster.user("Fay").await);
    let change = Change::AddMembers { actor: ada, conversation, users: vec![fay], history: None };
    open.commit.submit(change).await.expect("added");
    // A reply to it, and a change of it: both come later, and reveal nothing to new members.
    let answer = Command::Send {
        conversation,
        client_id: cluster.key(),
        text: "written after".to_owned(),
        mentions: Vec::new(),
        subject: None,
        reply_to: Some(before.seq),
        attachments: Vec::new(),
        draft: None,
    };
    does(&cluster, "Ben", answer).await.expect("sent");
    let edit = Command::Edit {
        conversation,
        seq: before.seq,
        text: Some("written before and edited".to_owned()),
        mentions: Vec::new(),
        subject: None,
    };
    does(&cluster, "Ada", edit).await.expect("edited");
    for (who, sees) in [("Ben", true), ("Cleo", true), ("Dan", false), ("Eve", false), ("Fay", true)] {
        let all = everything(&cluster, who, conversation).await;
        assert!(all.contains("written after"), "{who}");
        assert_eq!(all.contains("written before"), sees, "{who}: {all}");
    }
    for (who, from) in [("Cleo", 1), ("Dan", 3), ("Eve", 4), ("Fay", 1)] {
        let seen = conversation_of(&cluster, who, conversation).await;
        let user = cluster.user(who).await;
        let row = seen["members"].as_array().expect("members").iter().find(|row| row["user"]["id"] == user.0);
        assert_eq!(row.expect("a member")["history_from"], from, "{who}");
        assert_eq!(seen["unread"], 1, "{who}: later messages");
    }
}

async fn returning_members_see_the_history_chosen_when_they_rejoined(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "the first").await;
    cluster.remove("Ada", conversation, "Ben").await.expect("removed");
    cluster.send("Ada", conversation, "while away").await;
    add(&cluster, "Ada", conversation, &["Ben"], Some(History::FromJoining)).await.expect("added");
    let all = everything(&cluster, "Ben", conversation).await;
    assert!(!all.contains("the first") && !all.contains("while away") && all.contains("added"), "{all}");
    assert_eq!(conversation_of(&cluster, "Ben", conversation).await["unread"], 0);
    cluster.remove("Ben", conversation, "Ben").await.expect("left");
    add(&cluster, "Ada", conversation, &["Ben"], Some(History::FromStart)).await.expect("added");
    let all = everything(&cluster, "Ben", conversation).await;
    assert!(all.contains("the first") && all.contains("while away"), "{all}");
    let seen = conversation_of(&cluster, "Ben", conversation).await;
    assert_eq!((&seen["unread"], role_in(&seen, cluster.user("Ben").await)), (&json!(0), "member"));
}

async fn a_leaving_member_receives_the_leave_and_nothing_after_it(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let (mut adas, mut bens) =
        (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    cluster.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    let reported = next_event(&mut adas, is("member.updated", conversation)).await;
    assert_eq!(reported["members"].as_array().expect("rows").len(), 1, "{reported}");
    assert_eq!((&reported["members"][0]["left"], &reported["message"]), (&json!(true), &Value::Null));
    let reported = next_event(&mut bens, is("member.updated", conversation)).await;
    let ben = cluster.user("Ben").await;
    assert_eq!(reported["message"]["system"], json!({"type": "left", "heir": ben}));
    assert_eq!((&reported["member_count"], &reported["members"][1]["role"]), (&json!(2), &json!("owner")));
    // She receives nothing of the group any more; her next event is about something else.
    name(&cluster, "Ben", conversation, "Without Ada").await.expect("an owner names it");
    let direct = cluster.direct("Ada", "Ben").await;
    let next = adas.next().await;
    assert_eq!(next["scope"], format!("conversation:{direct}"), "{next}");
}

async fn all_members_are_listed_page_by_page(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo", "Dan", "Eve"]).await;
    cluster.remove("Ada", conversation, "Cleo").await.expect("removed");
    let sent = cluster.send("Ada", conversation, "hello").await.message;
    cluster.read("Ben", conversation, sent.seq.0).await;
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = Command::ListMembers { conversation, after, limit: Some(2) };
        let page = does(&cluster, "Dan", page).await.expect("a member");
        let members = page["members"].as_array().expect("rows");
        assert!(members.len() <= 2);
        for row in members {
            names.push(row["user"]["name"].as_str().expect("a name").to_owned());
            let has_read = names.last().is_some_and(|name| name == "Ben");
            assert_eq!(row["read_seq"] == sent.seq.0 && row["read_at"].is_string(), has_read, "{row}");
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Ada", "Ben", "Dan", "Eve"]);
    let none = Command::ListMembers { conversation, after: Some("999999".to_owned()), limit: None };
    assert_eq!(does(&cluster, "Dan", none).await.expect("a member"), json!({"members": [], "next": null}));
}

async fn a_group_keeps_reporting_its_context(cluster: TestCluster) {
    let key = cluster.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let group = parlor_protocol::params::Group { title: "Umbrellas".to_owned(), users: vec![ben] };
    let open = parlor_protocol::params::Open { group: Some(group), context: Some(key), ..cluster.opening() };
    let (conversation, _) = cluster.open(ada, open).await.expect("opened");
    let mut bens = attach(&cluster.app, &cluster, "Ben").await;
    name(&cluster, "Ada", conversation, "Black umbrellas").await.expect("an owner names it");
    let event = next_event(&mut bens, is("conversation.updated", conversation)).await;
    let seen = conversation_of(&cluster, "Ben", conversation).await;
    assert!(seen["context"]["title"].is_string());
    for field in ["title", "picture", "context"] {
        assert_eq!(event[field], seen[field], "{field}");
    }
}
