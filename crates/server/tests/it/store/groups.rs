//! Roles, coming and going, and the lines that say so.

use super::{
    World, code, conformance,
    large::{attach, heard, is},
};
use parlor::{
    app::{Actor, App},
    commands,
    domain::{Change, Look},
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
    each_role_may_do_what_it_may_and_nothing_more,
    the_last_owner_stays_one_until_there_is_another,
    the_last_owner_is_followed_by_the_longest_standing,
    somebody_disabled_inherits_only_where_there_is_nobody_else,
    every_change_of_a_group_leaves_a_line_that_is_unread_for_nobody,
    what_changes_nothing_leaves_no_line,
    a_direct_conversation_has_no_roles_and_no_lines,
    newcomers_see_what_the_setting_of_their_joining_says,
    whoever_comes_back_sees_what_the_setting_of_that_joining_says,
    whoever_leaves_is_told_that_and_not_what_follows_from_it,
    everybody_is_listed_page_by_page,
    a_group_about_something_keeps_telling_what_it_is_about,
}

/// Does what a person's client asks.
pub(super) async fn act(app: &Arc<App>, user: UserId, command: Command) -> Result<Value, Problem> {
    let actor = Actor { user, session: SessionId(1) };
    let answer = commands::execute(app, actor, command).await?;
    Ok(serde_json::to_value(answer).expect("an answer has string keys only"))
}

/// The same by name, on the world's own node.
pub(super) async fn does(world: &World, name: &str, command: Command) -> Result<Value, Problem> {
    act(&world.app, world.person(name).await, command).await
}

pub(super) async fn conversation_of(world: &World, name: &str, conversation: ConversationId) -> Value {
    let answer = does(world, name, Command::GetConversation { conversation }).await;
    answer.expect("a member")["conversation"].take()
}

fn role_in(conversation: &Value, user: UserId) -> &str {
    let members = conversation["members"].as_array().expect("members");
    let row = members.iter().find(|row| row["user"]["id"] == user.0).expect("a member");
    row["role"].as_str().expect("a role")
}

async fn give(world: &World, by: &str, conversation: ConversationId, to: &str, role: Role) -> Result<Value, Problem> {
    let user = world.person(to).await;
    does(world, by, Command::UpdateMember { conversation, user, role }).await
}

async fn add(
    world: &World,
    by: &str,
    conversation: ConversationId,
    names: &[&str],
    history: Option<History>,
) -> Result<Value, Problem> {
    let mut users = Vec::new();
    for name in names {
        users.push(world.person(name).await);
    }
    does(world, by, Command::AddMembers { conversation, users, history }).await
}

async fn name(world: &World, by: &str, conversation: ConversationId, title: &str) -> Result<Value, Problem> {
    does(world, by, Command::UpdateConversation { conversation, title: title.to_owned() }).await
}

/// Two owners, two moderators and two members; Lea has left, and Sam never was in it.
async fn ranked(world: &World) -> ConversationId {
    let conversation = world.group("Ada", &["Olga", "Mo", "Max", "Ben", "Cleo", "Lea"]).await;
    give(world, "Ada", conversation, "Olga", Role::Owner).await.expect("an owner gives roles");
    for moderator in ["Mo", "Max"] {
        give(world, "Ada", conversation, moderator, Role::Moderator).await.expect("an owner gives roles");
    }
    world.remove("Lea", conversation, "Lea").await.expect("leaving is free");
    conversation
}

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
enum Try {
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

async fn attempt(world: &World, by: &str, conversation: ConversationId, what: Try) -> Option<Code> {
    let actor = world.person(by).await;
    let result = match what {
        Try::Add => add(world, by, conversation, &["New"], None).await,
        Try::Title => name(world, by, conversation, "Day desk").await,
        Try::Picture => {
            let look = Look::Picture(Some("4f1c".to_owned()));
            let change = Change::UpdateConversation { actor, conversation, look };
            world.app.commit.submit(change).await.map(|_| Value::Null)
        }
        Try::Promote => give(world, by, conversation, "Cleo", Role::Moderator).await,
        Try::Demote => give(world, by, conversation, "Olga", Role::Member).await,
        Try::RemoveOwner => world.remove(by, conversation, "Olga").await.map(|_| Value::Null),
        Try::RemoveModerator => world.remove(by, conversation, "Max").await.map(|_| Value::Null),
        Try::RemoveMember => world.remove(by, conversation, "Cleo").await.map(|_| Value::Null),
        Try::Leave => world.remove(by, conversation, by).await.map(|_| Value::Null),
        Try::List => does(world, by, Command::ListMembers { conversation, after: None, limit: None }).await,
    };
    result.err().map(|problem| problem.code)
}

async fn each_role_may_do_what_it_may_and_nothing_more(world: World) {
    const NO: Option<Code> = Some(Code::NotAllowed);
    const ABSENT: Option<Code> = Some(Code::NotFound);
    // What is tried, and what comes of it for an owner, a moderator and a member.
    let matrix = [
        (Try::Add, [None, None, NO]),
        (Try::Title, [None, None, NO]),
        (Try::Picture, [None, None, NO]),
        (Try::Promote, [None, NO, NO]),
        (Try::Demote, [None, NO, NO]),
        (Try::RemoveOwner, [None, NO, NO]),
        (Try::RemoveModerator, [None, NO, NO]),
        (Try::RemoveMember, [None, None, NO]),
        (Try::Leave, [None, None, None]),
        (Try::List, [None, None, None]),
    ];
    for (what, expected) in matrix {
        for (by, expected) in ["Ada", "Mo", "Ben"].into_iter().zip(expected) {
            let conversation = ranked(&world).await;
            let before = conversation_of(&world, "Olga", conversation).await;
            assert_eq!(attempt(&world, by, conversation, what).await, expected, "{by}: {what:?}");
            if expected.is_some() {
                assert_eq!(conversation_of(&world, "Olga", conversation).await, before, "{by}: {what:?}");
            }
        }
        let conversation = ranked(&world).await;
        for by in ["Lea", "Sam"] {
            assert_eq!(attempt(&world, by, conversation, what).await, ABSENT, "{by}: {what:?}");
        }
    }
}

async fn the_last_owner_stays_one_until_there_is_another(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    for role in [Role::Member, Role::Moderator] {
        let refused = give(&world, "Ada", conversation, "Ada", role).await.expect_err("the last one");
        assert_eq!(refused.code, Code::NotAllowed);
        assert!(refused.detail.is_some_and(|detail| detail.contains("last owner")));
    }
    give(&world, "Ada", conversation, "Ben", Role::Owner).await.expect("there may be several");
    give(&world, "Ada", conversation, "Ada", Role::Member).await.expect("Ben is there");
    let seen = conversation_of(&world, "Cleo", conversation).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    assert_eq!((role_in(&seen, ada), role_in(&seen, ben)), ("member", "owner"));
    assert_eq!(code(give(&world, "Ada", conversation, "Ada", Role::Owner).await), Code::NotAllowed);
    // An owner who cannot act does not count.
    give(&world, "Ben", conversation, "Cleo", Role::Owner).await.expect("an owner gives roles");
    let cleo = world.person("Cleo").await;
    world.app.commit.submit(Change::SetDisabled { user: cleo, disabled: true }).await.expect("disabled");
    assert_eq!(code(give(&world, "Ben", conversation, "Ben", Role::Member).await), Code::NotAllowed);
    assert_eq!(code(give(&world, "Ben", conversation, "Sam", Role::Member).await), Code::NotFound);
}

async fn the_last_owner_is_followed_by_the_longest_standing(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    add(&world, "Ada", conversation, &["Dan"], None).await.expect("added");
    add(&world, "Ada", conversation, &["Eve"], None).await.expect("added");
    for moderator in ["Eve", "Dan"] {
        give(&world, "Ada", conversation, moderator, Role::Moderator).await.expect("an owner gives roles");
    }
    // Dan came before Eve, then Eve, then the members by their coming and their ids.
    for (leaving, heir) in [("Ada", "Dan"), ("Dan", "Eve"), ("Eve", "Ben"), ("Ben", "Cleo")] {
        world.remove(leaving, conversation, leaving).await.expect("leaving is free");
        let seen = conversation_of(&world, heir, conversation).await;
        let heir = world.person(heir).await;
        assert_eq!(role_in(&seen, heir), "owner");
        assert_eq!(seen["last_message"]["system"], json!({"type": "left", "heir": heir}));
        let owners = seen["members"].as_array().expect("members").iter().filter(|row| row["role"] == "owner");
        assert_eq!(owners.count(), 1);
    }
    world.remove("Cleo", conversation, "Cleo").await.expect("leaving is free");
    assert_eq!(
        code(does(&world, "Cleo", Command::GetConversation { conversation }).await),
        Code::NotFound,
        "nobody is in it"
    );
}

async fn somebody_disabled_inherits_only_where_there_is_nobody_else(world: World) {
    let conversation = world.group("Ada", &["Mo", "Ben", "Cleo"]).await;
    give(&world, "Ada", conversation, "Mo", Role::Moderator).await.expect("an owner gives roles");
    let (mo, ben) = (world.person("Mo").await, world.person("Ben").await);
    world.app.commit.submit(Change::SetDisabled { user: mo, disabled: true }).await.expect("disabled");
    world.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    assert_eq!(role_in(&conversation_of(&world, "Cleo", conversation).await, ben), "owner");
    for leaving in ["Cleo", "Ben"] {
        world.remove(leaving, conversation, leaving).await.expect("leaving is free");
    }
    world.app.commit.submit(Change::SetDisabled { user: mo, disabled: false }).await.expect("enabled");
    assert_eq!(role_in(&conversation_of(&world, "Mo", conversation).await, mo), "owner");
}

async fn every_change_of_a_group_leaves_a_line_that_is_unread_for_nobody(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let first = world.send("Ada", conversation, "hello").await.message.seq;
    world.read("Ben", conversation, first.0).await;
    let [ada, ben, cleo, dan] =
        [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await, world.person("Dan").await];
    let mut bens = attach(&world.app, &world, "Ben").await;
    let picture = |id: &str| Look::Picture(Some(id.to_owned()));
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
            Change::UpdateConversation { actor: cleo, conversation, look: Look::Title(" Day desk ".to_owned()) },
            json!({"type": "renamed", "title": "Day desk"}),
        ),
        (
            Change::UpdateConversation { actor: cleo, conversation, look: picture("4f1c") },
            json!({"type": "picture_changed"}),
        ),
        (Change::RemoveMember { actor: cleo, conversation, user: dan }, json!({"type": "removed", "user": dan})),
        (Change::RemoveMember { actor: cleo, conversation, user: cleo }, json!({"type": "left"})),
    ];
    let count = i64::try_from(steps.len()).expect("few");
    for ((change, line), seq) in steps.into_iter().zip(first.0 + 1..) {
        let actor = change.actor().expect("a person's");
        world.app.commit.submit(change).await.expect("allowed");
        let event = heard(&mut bens, |event| event["message"]["seq"] == seq).await;
        let message = &event["message"];
        assert_eq!((&message["system"], &message["sender"]), (&line, &json!(actor)));
        assert_eq!((&message["client_id"], &message["text"]), (&json!(""), &json!("")));
        assert_eq!((&message["version"], &message["id"]), (&event["version"], &event["version"]));
        let seen = conversation_of(&world, "Ben", conversation).await;
        assert_eq!(seen["last_message"], *message);
        assert_eq!((&seen["last_seq"], &seen["activity"]), (&json!(seq), &event["version"]));
        assert_eq!((&seen["unread"], &seen["version"]), (&json!(0), &event["version"]));
    }
    let seen = conversation_of(&world, "Ben", conversation).await;
    assert_eq!((&seen["title"], &seen["picture"]), (&json!("Day desk"), &json!("/v1/pictures/4f1c")));
    let own = seen["members"].as_array().expect("members").iter().find(|row| row["user"]["id"] == ben.0).expect("Ben");
    assert_eq!(own["read_seq"], first.0, "lines move nobody's marker");
    // What comes after them is counted alone, and marking past them leaves nothing.
    world.send("Ada", conversation, "one more").await;
    assert_eq!(conversation_of(&world, "Ben", conversation).await["unread"], 1);
    let marked = world.read("Ben", conversation, first.0 + 1).await;
    assert_eq!(marked.marker.unread, 1);
    assert_eq!(world.read("Ben", conversation, first.0 + count + 1).await.marker.unread, 0);
    // Those who are named are told, though they are no longer there.
    let page = Command::ListMessages { conversation, before: None, after: None, around: None, limit: None };
    let page = does(&world, "Ben", page).await.expect("a member");
    for person in [ada, cleo, dan] {
        assert!(page["users"].as_array().expect("people").iter().any(|user| user["id"] == person.0), "{person}");
    }
}

async fn what_changes_nothing_leaves_no_line(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    let before = conversation_of(&world, "Ada", conversation).await;
    let answers = [
        name(&world, "Ada", conversation, "Night desk").await,
        give(&world, "Ada", conversation, "Ben", Role::Member).await,
        add(&world, "Ada", conversation, &["Ben"], None).await,
    ];
    for answer in answers {
        let answer = answer.expect("nothing is wrong with it");
        assert_eq!((&answer["version"], &answer["prev"]), (&before["version"], &before["version"]));
    }
    assert_eq!(conversation_of(&world, "Ada", conversation).await, before);
    for title in ["", " ", "a\nb"] {
        name(&world, "Ada", conversation, title).await.expect_err("no name");
    }
    let long = name(&world, "Ada", conversation, &"x".repeat(121)).await.expect_err("too long");
    assert_eq!((long.code, long.limit), (Code::TextTooLong, Some(120)));
}

async fn a_direct_conversation_has_no_roles_and_no_lines(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let before = conversation_of(&world, "Ada", conversation).await;
    assert_eq!(code(name(&world, "Ada", conversation, "Us").await), Code::NotAllowed);
    assert_eq!(code(give(&world, "Ada", conversation, "Ada", Role::Owner).await), Code::NotAllowed);
    assert_eq!(code(add(&world, "Ada", conversation, &["Cleo"], None).await), Code::NotAllowed);
    assert_eq!(code(world.remove("Ada", conversation, "Ada").await), Code::NotAllowed);
    assert_eq!(attempt(&world, "Ada", conversation, Try::Picture).await, Some(Code::NotAllowed));
    assert_eq!(conversation_of(&world, "Ada", conversation).await, before);
}

/// Everything that a person can read of a conversation, as text.
async fn everything(world: &World, name: &str, conversation: ConversationId) -> String {
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
        all.push_str(&does(world, name, command).await.expect("a member").to_string());
    }
    all
}

async fn newcomers_see_what_the_setting_of_their_joining_says(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    let before = world.send("Ada", conversation, "written before").await.message;
    add(&world, "Ada", conversation, &["Cleo"], Some(History::FromStart)).await.expect("added");
    add(&world, "Ada", conversation, &["Dan"], Some(History::FromJoining)).await.expect("added");
    add(&world, "Ada", conversation, &["Eve"], None).await.expect("added");
    let open = world.node_with(&[("groups.history", "from_start")]).await;
    let (ada, fay) = (world.person("Ada").await, world.person("Fay").await);
    let change = Change::AddMembers { actor: ada, conversation, users: vec![fay], history: None };
    open.commit.submit(change).await.expect("added");
    // An answer to it, and a change of it: both come later, and tell newcomers nothing of it.
    let answer = Command::Send {
        conversation,
        client_id: world.key(),
        text: "written after".to_owned(),
        subject: None,
        reply_to: Some(before.seq),
        attachments: Vec::new(),
    };
    does(&world, "Ben", answer).await.expect("sent");
    let edit = Command::Edit {
        conversation,
        seq: before.seq,
        text: Some("written before and edited".to_owned()),
        subject: None,
    };
    does(&world, "Ada", edit).await.expect("edited");
    for (who, sees) in [("Ben", true), ("Cleo", true), ("Dan", false), ("Eve", false), ("Fay", true)] {
        let all = everything(&world, who, conversation).await;
        assert!(all.contains("written after"), "{who}");
        assert_eq!(all.contains("written before"), sees, "{who}: {all}");
    }
    for (who, from) in [("Cleo", 1), ("Dan", 3), ("Eve", 4), ("Fay", 1)] {
        let seen = conversation_of(&world, who, conversation).await;
        let user = world.person(who).await;
        let row = seen["members"].as_array().expect("members").iter().find(|row| row["user"]["id"] == user.0);
        assert_eq!(row.expect("a member")["history_from"], from, "{who}");
        assert_eq!(seen["unread"], 1, "{who}: what came after");
    }
}

async fn whoever_comes_back_sees_what_the_setting_of_that_joining_says(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    world.send("Ada", conversation, "the first").await;
    world.remove("Ada", conversation, "Ben").await.expect("removed");
    world.send("Ada", conversation, "while away").await;
    add(&world, "Ada", conversation, &["Ben"], Some(History::FromJoining)).await.expect("added");
    let all = everything(&world, "Ben", conversation).await;
    assert!(!all.contains("the first") && !all.contains("while away") && all.contains("added"), "{all}");
    assert_eq!(conversation_of(&world, "Ben", conversation).await["unread"], 0);
    world.remove("Ben", conversation, "Ben").await.expect("left");
    add(&world, "Ada", conversation, &["Ben"], Some(History::FromStart)).await.expect("added");
    let all = everything(&world, "Ben", conversation).await;
    assert!(all.contains("the first") && all.contains("while away"), "{all}");
    let seen = conversation_of(&world, "Ben", conversation).await;
    assert_eq!((&seen["unread"], role_in(&seen, world.person("Ben").await)), (&json!(0), "member"));
}

async fn whoever_leaves_is_told_that_and_not_what_follows_from_it(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo"]).await;
    let (mut adas, mut bens) = (attach(&world.app, &world, "Ada").await, attach(&world.app, &world, "Ben").await);
    world.remove("Ada", conversation, "Ada").await.expect("leaving is free");
    let told = heard(&mut adas, is("member.updated", conversation)).await;
    assert_eq!(told["members"].as_array().expect("rows").len(), 1, "{told}");
    assert_eq!((&told["members"][0]["left"], &told["message"]), (&json!(true), &Value::Null));
    let told = heard(&mut bens, is("member.updated", conversation)).await;
    let ben = world.person("Ben").await;
    assert_eq!(told["message"]["system"], json!({"type": "left", "heir": ben}));
    assert_eq!((&told["member_count"], &told["members"][1]["role"]), (&json!(2), &json!("owner")));
    // Nothing of the group reaches her any more; the next that she hears is of something else.
    name(&world, "Ben", conversation, "Without Ada").await.expect("an owner names it");
    let direct = world.direct("Ada", "Ben").await;
    let next = adas.next().await;
    assert_eq!(next["scope"], format!("conversation:{direct}"), "{next}");
}

async fn everybody_is_listed_page_by_page(world: World) {
    let conversation = world.group("Ada", &["Ben", "Cleo", "Dan", "Eve"]).await;
    world.remove("Ada", conversation, "Cleo").await.expect("removed");
    let sent = world.send("Ada", conversation, "hello").await.message;
    world.read("Ben", conversation, sent.seq.0).await;
    let (mut after, mut names) = (None, Vec::new());
    loop {
        let page = Command::ListMembers { conversation, after, limit: Some(2) };
        let page = does(&world, "Dan", page).await.expect("a member");
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
    assert_eq!(does(&world, "Dan", none).await.expect("a member"), json!({"members": [], "next": null}));
}

async fn a_group_about_something_keeps_telling_what_it_is_about(world: World) {
    let key = world.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let group = parlor_protocol::params::Group { title: "Umbrellas".to_owned(), users: vec![ben] };
    let open = parlor_protocol::params::Open { group: Some(group), context: Some(key), ..world.opening() };
    let (conversation, _) = world.open(ada, open).await.expect("opened");
    let mut bens = attach(&world.app, &world, "Ben").await;
    name(&world, "Ada", conversation, "Black umbrellas").await.expect("an owner names it");
    let event = heard(&mut bens, is("conversation.updated", conversation)).await;
    let seen = conversation_of(&world, "Ben", conversation).await;
    assert!(seen["context"]["title"].is_string());
    for field in ["title", "picture", "context"] {
        assert_eq!(event[field], seen[field], "{field}");
    }
}
