//! Editing, deleting, hiding, forwarding, reacting: the effects, the permissions and the time limits.

use super::{TestCluster, code, conformance, message_actions::changed_message};
use parlor::domain::{Change, Content, Outcome};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, Seq, UserId},
    model::Reaction,
    reply::{Answer, MessageChanged},
};
use std::sync::{Arc, atomic::Ordering};

conformance! {
    an_edit_replaces_text_and_subject_and_records_the_time,
    a_deleted_message_leaves_its_place_and_nothing_else,
    editing_and_deleting_have_time_limits,
    a_message_can_have_a_subject,
    a_reply_may_quote_only_what_its_sender_sees,
    a_message_can_be_forwarded_by_everyone_who_sees_it,
    each_user_has_one_reaction_per_emoji,
    reactions_stop_at_their_limits,
    a_change_without_effect_is_reported_as_such,
    unauthorized_members_are_refused_and_outsiders_find_nothing,
    in_a_direct_conversation_users_delete_only_their_own_messages,
    a_closed_context_allows_no_messages_but_deletions,
    changes_of_one_message_in_one_batch_are_decided_in_order,
    a_repeated_send_returns_the_message_as_it_is_now,
    a_send_with_unknown_files_is_refused,
}

const GONE: &str = "the text that is to be gone";

async fn an_edit_replaces_text_and_subject_and_records_the_time(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "teh umbrella").await;
    let actor = cluster.user("Ada").await;
    let subject = Some(Some(" Found ".to_owned()));
    let text = Some("the\r\numbrella".to_owned());
    let edit = Change::Edit { actor, conversation, seq: Seq(1), text, mentions: vec![], subject };
    let changed = changed_message(cluster.app.commit.submit(edit.clone()).await).expect("own message");
    let message = &changed.message;
    assert_eq!((message.text.as_str(), message.subject.as_deref()), ("the\numbrella", Some("Found")));
    assert_eq!((message.id, message.version), (sent.message.id, changed.change.version));
    assert_eq!(changed.change.prev, sent.change.version);
    assert!(message.edited_at.is_some() && !message.deleted);
    assert_eq!(cluster.message("Ben", conversation, 1).await, *message);
    assert_eq!(cluster.seen("Ben", conversation).await.last_message.as_ref(), Some(message));
    assert_eq!(cluster.seen("Ben", conversation).await.activity, sent.change.version, "an edit is no new activity");
    let text_alone = cluster.edit("Ada", conversation, 1, "the umbrella").await.expect("own message").message;
    assert_eq!((text_alone.subject.as_deref(), text_alone.text.as_str()), (Some("Found"), "the umbrella"));
    for subject in [Some("Lost".to_owned()), None] {
        let edit = Change::Edit {
            actor,
            conversation,
            seq: Seq(1),
            text: None,
            mentions: vec![],
            subject: Some(subject.clone()),
        };
        let message = changed_message(cluster.app.commit.submit(edit).await).expect("own message").message;
        assert_eq!((message.subject, message.text.as_str()), (subject, "the umbrella"));
    }
}

async fn a_deleted_message_leaves_its_place_and_nothing_else(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "first").await;
    let content = Content { subject: Some("Lost".to_owned()), reply_to: Some(Seq(1)), ..Content::text(GONE) };
    cluster.send_content("Ben", conversation, content).await.expect("sent");
    cluster.react("Ada", (conversation, 2), "👍", true).await.expect("a member");
    cluster.edit("Ben", conversation, 2, &format!("{GONE}, edited")).await.expect("own message");
    cluster.reply("Ada", conversation, 2, "an answer").await.expect("sent");
    let deleted = cluster.delete("Ben", conversation, 2).await.expect("own message").message;
    assert_eq!((deleted.text.as_str(), deleted.deleted), ("", true));
    assert_eq!((&deleted.subject, deleted.reply_to, &deleted.edited_at), (&None, None, &None));
    assert!(deleted.reactions.is_empty() && deleted.attachments.is_empty());
    for name in ["Ada", "Ben"] {
        let page = cluster.page(name, conversation).await;
        assert_eq!(page.messages[1], deleted);
        assert_eq!(page.messages[2].reply_to, Some(Seq(2)), "an answer stays an answer");
        assert!(!serde_json::to_string(&page).expect("JSON").contains(GONE));
    }
    for refused in
        [cluster.edit("Ben", conversation, 2, "again").await, cluster.react("Ada", (conversation, 2), "👍", true).await]
    {
        assert_eq!(code(refused), Code::TooLate);
    }
    assert_eq!(code(cluster.forward("Ben", (conversation, 2), conversation).await), Code::NotFound);
    // A user who was writing a reply meanwhile does not lose it.
    cluster.reply("Ada", conversation, 2, "late").await.expect("the place remains");
}

async fn editing_and_deleting_have_time_limits(cluster: TestCluster) {
    let app = cluster.node_with(&[("messages.edit_within_ms", "60000"), ("messages.delete_within_ms", "90000")]).await;
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let ben = cluster.user("Ben").await;
    for text in ["one", "two", "three"] {
        cluster.send("Ben", conversation, text).await;
    }
    let edit = |text: &str| {
        let change = Change::Edit {
            actor: ben,
            conversation,
            seq: Seq(1),
            text: Some(text.to_owned()),
            mentions: vec![],
            subject: None,
        };
        app.commit.submit(change)
    };
    let delete = |actor: UserId, seq: i64| app.commit.submit(Change::Delete { actor, conversation, seq: Seq(seq) });
    cluster.clock.fetch_add(50_000, Ordering::Relaxed);
    changed_message(edit("in time").await).expect("within its time");
    cluster.clock.fetch_add(20_000, Ordering::Relaxed);
    let refused = changed_message(edit("too late").await).expect_err("its time limit has passed");
    assert_eq!((refused.code, refused.limit), (Code::TooLate, Some(60_000)));
    changed_message(edit("in time").await).expect("what changes nothing is never too late");
    changed_message(delete(ben, 2).await).expect("within its time");
    cluster.clock.fetch_add(30_000, Ordering::Relaxed);
    assert_eq!(code(changed_message(delete(ben, 3).await)), Code::TooLate);
    assert!(!changed_message(delete(ben, 2).await).expect("it is deleted already").message.text.contains("two"));
    changed_message(delete(cluster.user("Ada").await, 3).await).expect("an owner has all the time");
    // 0 means forever; the other node has the defaults: a day for editing, no limit for deleting.
    cluster.clock.fetch_add(86_400_000, Ordering::Relaxed);
    assert_eq!(code(cluster.edit("Ben", conversation, 1, "after a day").await), Code::TooLate);
    cluster.delete("Ben", conversation, 1).await.expect("at any time");
}

async fn a_message_can_have_a_subject(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let with = |subject: &str| Content { subject: Some(subject.to_owned()), ..Content::text("see below") };
    let longest = "s".repeat(255);
    for subject in ["Umbrella", &longest] {
        let sent = cluster.send_content("Ada", conversation, with(subject)).await.expect("a line");
        assert_eq!(sent.message.subject.as_deref(), Some(subject));
    }
    for (subject, expected) in
        [("", Code::TextEmpty), ("two\nlines", Code::TextControl), (format!("{longest}s").as_str(), Code::TextTooLong)]
    {
        assert_eq!(code(cluster.send_content("Ada", conversation, with(subject)).await), expected, "{subject:?}");
    }
    let only = Content { subject: Some("nothing below".to_owned()), ..Content::default() };
    assert_eq!(code(cluster.send_content("Ada", conversation, only).await), Code::TextEmpty);
}

async fn a_reply_may_quote_only_what_its_sender_sees(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let other = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "before Cleo").await;
    for text in ["in the other", "and again"] {
        cluster.send("Ada", other, text).await;
    }
    let (actor, cleo) = (cluster.user("Ada").await, cluster.user("Cleo").await);
    let add = Change::AddMembers { actor, conversation, users: vec![cleo], history: None };
    cluster.app.commit.submit(add).await.expect("added");
    let own = cluster.send("Cleo", conversation, "after").await.message.seq.0;
    let sent = cluster.reply("Ben", conversation, 1, "an answer").await.expect("Ben saw it");
    assert_eq!(sent.message.reply_to, Some(Seq(1)));
    cluster.hide("Cleo", conversation, own).await.expect("own message");
    for (name, seq) in [("Cleo", 1), ("Cleo", own), ("Cleo", 99), ("Ben", 99), ("Ben", 0)] {
        let refused = cluster.reply(name, conversation, seq, "an answer").await.expect_err("not there for them");
        assert_eq!(refused.code, Code::NotFound, "{name} {seq}");
        assert!(refused.detail.is_some_and(|detail| detail.contains("reply_to")));
    }
    // A repeat must match in every field.
    let content = Content { reply_to: Some(Seq(1)), ..Content::text("twice") };
    let twice = |content: &Content| Change::Send {
        actor,
        conversation,
        client_id: "twice".to_owned(),
        content: content.clone(),
    };
    cluster.app.commit.submit(twice(&content)).await.expect("sent");
    assert!(matches!(
        cluster.app.commit.submit(twice(&content)).await,
        Ok(Outcome::Answer(Answer::Sent(sent))) if sent.duplicate
    ));
    assert_eq!(code(cluster.app.commit.submit(twice(&Content::text("twice"))).await), Code::Conflict);
}

async fn a_message_can_be_forwarded_by_everyone_who_sees_it(cluster: TestCluster) {
    let (from, to) = (cluster.group("Ada", &["Ben"]).await, cluster.direct("Ada", "Cleo").await);
    cluster.send("Ben", from, "question").await;
    let content = Content { subject: Some("Where".to_owned()), reply_to: Some(Seq(1)), ..Content::text("On tram 16") };
    cluster.send_content("Ben", from, content).await.expect("sent");
    cluster.react("Ada", (from, 2), "👍", true).await.expect("a member");
    let forwarded = cluster.forward("Ada", (from, 2), to).await.expect("Ada sees both").message;
    assert_eq!((forwarded.text.as_str(), forwarded.subject.as_deref()), ("On tram 16", Some("Where")));
    assert!(forwarded.forwarded && forwarded.reply_to.is_none() && forwarded.reactions.is_empty());
    assert_eq!((forwarded.sender, forwarded.conversation), (cluster.user("Ada").await, to));
    assert_eq!(cluster.message("Cleo", to, 1).await, forwarded);
    // Not if the source or the target is not visible to the user.
    assert_eq!(code(cluster.forward("Cleo", (from, 2), to).await), Code::NotFound);
    assert_eq!(code(cluster.forward("Ben", (from, 2), to).await), Code::NotFound);
    cluster.hide("Ada", from, 2).await.expect("a member");
    assert_eq!(code(cluster.forward("Ada", (from, 2), to).await), Code::NotFound);
    assert_eq!(code(cluster.forward("Ada", (from, 99), to).await), Code::NotFound);
    // The same send is the same message, whatever happened to its source.
    let actor = cluster.user("Ben").await;
    let change = |seq: i64| Change::Forward {
        actor,
        conversation: from,
        client_id: "twice".to_owned(),
        from: parlor_protocol::params::MessagePlace { conversation: from, seq: Seq(seq) },
    };
    cluster.app.commit.submit(change(2)).await.expect("forwarded");
    cluster.delete("Ben", from, 2).await.expect("own message");
    assert!(matches!(
        cluster.app.commit.submit(change(2)).await,
        Ok(Outcome::Answer(Answer::Sent(sent))) if sent.duplicate && sent.message.text == "On tram 16"
    ));
    assert_eq!(code(cluster.app.commit.submit(change(1)).await), Code::Conflict);
    // The sender can edit a forwarded message like any other.
    cluster.edit("Ada", to, 1, "On tram 18").await.expect("own message");
}

async fn each_user_has_one_reaction_per_emoji(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "hello").await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let place = (conversation, 1);
    for (name, emoji, on) in [("Ben", "👍🏽", true), ("Ada", "❤", true), ("Ada", "👍🏽", true), ("Ben", "❤️", true)]
    {
        cluster.react(name, place, emoji, on).await.expect("a member");
    }
    let reaction = |emoji: &str, users: &[UserId]| Reaction { emoji: emoji.to_owned(), users: users.to_vec() };
    let message = cluster.message("Ben", conversation, 1).await;
    assert_eq!(message.reactions, [reaction("👍🏽", &[ben, ada]), reaction("❤️", &[ada, ben])]);
    assert!(message.edited_at.is_none(), "a reaction is no edit");
    let who = cluster
        .app
        .store
        .read(move |snapshot| snapshot.reactions(ada, conversation, Seq(1)))
        .await
        .expect("read")
        .expect("a member");
    let names: Vec<Vec<_>> = who.iter().map(|by| by.users.iter().map(|user| user.name.as_str()).collect()).collect();
    assert_eq!(names, [vec!["Ben", "Ada"], vec!["Ada", "Ben"]]);
    cluster.react("Ben", place, "👍🏽", false).await.expect("taken back");
    let message = cluster.react("Ada", place, "👍🏽", false).await.expect("taken back").message;
    assert_eq!(message.reactions, [reaction("❤️", &[ada, ben])], "none is left of it");
    for emoji in ["ok", "👍👍", "1", ":)", ""] {
        assert_eq!(code(cluster.react("Ada", place, emoji, true).await), Code::InvalidField, "{emoji:?}");
    }
}

async fn reactions_stop_at_their_limits(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ada", conversation, "hello").await;
    let limits = [("limits.message_emoji_max", "2"), ("limits.message_reactions_max", "4")];
    let app = cluster.node_with(&limits).await;
    let (ada, ben, cleo) = (cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await);
    let react = |actor: UserId, emoji: &str, on: bool| {
        let emoji = emoji.to_owned();
        app.commit.submit(Change::React { actor, conversation, seq: Seq(1), emoji, on })
    };
    let refused = |outcome: Result<Outcome, Problem>| {
        let problem = outcome.expect_err("full");
        (problem.code, problem.limit)
    };
    for (actor, emoji) in [(ada, "👍"), (ben, "👍"), (ada, "🌂")] {
        react(actor, emoji, true).await.expect("room");
    }
    assert_eq!(refused(react(cleo, "🚀", true).await), (Code::LimitReached, Some(2)));
    react(ben, "🌂", true).await.expect("the fourth");
    assert_eq!(refused(react(cleo, "👍", true).await), (Code::LimitReached, Some(4)));
    react(ada, "🌂", false).await.expect("taken back");
    react(cleo, "👍", true).await.expect("room again");
}

async fn a_change_without_effect_is_reported_as_such(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "hello").await;
    let place = (conversation, 1);
    cluster.react("Ben", place, "👍", true).await.expect("a member");
    cluster.hide("Ben", conversation, 1).await.expect("a member");
    let before = cluster.app.store.version().await.expect("there");
    let scope = cluster.seen("Ada", conversation).await.version;
    cluster.react("Ada", place, "👍", false).await.expect("not there anyway");
    for changed in [
        cluster.edit("Ada", conversation, 1, "hello").await,
        cluster.react("Ada", place, "👍", false).await,
        cluster.react("Ada", place, "🚀", false).await,
    ] {
        let changed = changed.expect("allowed");
        assert_eq!((changed.change.version, changed.change.prev), (scope, scope));
        assert_eq!(changed.message.text, "hello");
    }
    let hidden = cluster.hide("Ben", conversation, 1).await.expect("a member");
    assert_eq!(hidden.version, hidden.prev);
    let deleted = cluster.delete("Ada", conversation, 1).await.expect("own message");
    let again = cluster.delete("Ada", conversation, 1).await.expect("own message");
    assert_eq!(again.change.version, again.change.prev);
    assert_eq!(again.message, deleted.message);
    let after = cluster.app.store.version().await.expect("there");
    assert_eq!(after.0 - before.0, 1, "one change, however many fields");
}

/// What each user receives about a message of Ben's, command by command.
async fn unauthorized_members_are_refused_and_outsiders_find_nothing(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Mod", "Cleo", "Gone", "Blind"]).await;
    let (ada, late) = (cluster.user("Ada").await, cluster.user("Late").await);
    cluster.user("Mallory").await;
    cluster.send("Ben", conversation, "of Ben").await;
    let add = Change::AddMembers { actor: ada, conversation, users: vec![late], history: None };
    cluster.app.commit.submit(add).await.expect("added");
    cluster.remove("Ada", conversation, "Gone").await.expect("removed");
    cluster.hide("Blind", conversation, 1).await.expect("a member");
    let moderator = cluster.user("Mod").await;
    cluster.sql(&format!("UPDATE members SET role = 'moderator' WHERE user_id = {moderator}")).await;
    let allowed = Ok(());
    let (refused, absent) = (Err(Code::NotAllowed), Err(Code::NotFound));
    for (name, edit, react, delete) in [
        ("Mallory", absent, absent, absent),
        ("Gone", absent, absent, absent),
        ("Late", absent, absent, absent),
        ("Blind", absent, absent, absent),
        ("Cleo", refused, allowed, refused),
        ("Mod", refused, allowed, allowed),
        ("Ada", refused, allowed, allowed),
        ("Ben", allowed, allowed, allowed),
    ] {
        let seq = cluster.send("Ben", conversation, &format!("for {name}")).await.message.seq.0;
        let seq = if ["Late", "Blind"].contains(&name) { 1 } else { seq };
        let reported = |outcome: Result<MessageChanged, Problem>| outcome.map(|_| ()).map_err(|problem| problem.code);
        assert_eq!(reported(cluster.edit(name, conversation, seq, "mine now").await), edit, "{name} edits");
        assert_eq!(reported(cluster.react(name, (conversation, seq), "👍", true).await), react, "{name} reacts");
        let (user, other) = (cluster.user(name).await, cluster.direct(name, "Zoe").await);
        let reactions = cluster
            .app
            .store
            .read(move |snapshot| snapshot.reactions(user, conversation, Seq(seq)))
            .await
            .expect("read");
        assert_eq!(reactions.is_some(), react.is_ok(), "{name} lists the reactions");
        let forward = cluster.forward(name, (conversation, seq), other).await;
        assert_eq!(forward.map(|_| ()).map_err(|problem| problem.code), react, "{name} forwards");
        assert_eq!(reported(cluster.delete(name, conversation, seq).await), delete, "{name} deletes");
        if name != "Blind" {
            let hide = cluster.hide(name, conversation, seq).await;
            assert_eq!(hide.map(|_| ()).map_err(|problem| problem.code), react, "{name} hides");
        }
    }
    // A conversation that does not exist looks like a foreign one.
    let missing = ConversationId(999_999);
    assert_eq!(code(cluster.edit("Mallory", missing, 1, "x").await), Code::NotFound);
    assert_eq!(code(cluster.hide("Mallory", missing, 1).await), Code::NotFound);
}

async fn in_a_direct_conversation_users_delete_only_their_own_messages(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "hello").await;
    assert_eq!(code(cluster.delete("Ben", conversation, 1).await), Code::NotAllowed);
    cluster.hide("Ben", conversation, 1).await.expect("for himself");
    assert_eq!(cluster.message("Ada", conversation, 1).await.text, "hello");
}

async fn a_closed_context_allows_no_messages_but_deletions(cluster: TestCluster) {
    let context = cluster.context("5", &[("Ada", "owner"), ("Ben", "finder")]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let open = parlor_protocol::params::Open { user: Some(ben), context: Some(context.clone()), ..cluster.opening() };
    let (conversation, _) = cluster.open(ada, open).await.expect("both have a role");
    cluster.send("Ada", conversation, "hello").await;
    cluster.app.commit.submit(Change::CloseContext { key: context, closed: true }).await.expect("closed");
    assert_eq!(code(cluster.edit("Ada", conversation, 1, "goodbye").await), Code::ContextClosed);
    assert_eq!(code(cluster.react("Ben", (conversation, 1), "👍", true).await), Code::ContextClosed);
    assert_eq!(code(cluster.reply("Ben", conversation, 1, "yes").await), Code::ContextClosed);
    assert_eq!(code(cluster.forward("Ben", (conversation, 1), conversation).await), Code::ContextClosed);
    cluster.forward("Ben", (conversation, 1), cluster.direct("Ben", "Cleo").await).await.expect("elsewhere");
    cluster.hide("Ben", conversation, 1).await.expect("for himself");
    cluster.delete("Ada", conversation, 1).await.expect("own message");
}

async fn changes_of_one_message_in_one_batch_are_decided_in_order(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let commit = cluster.app.commit.clone();
    let edit = |text: &str| {
        let text = text.to_owned();
        Change::Edit { actor: ben, conversation, seq: Seq(2), text: Some(text), mentions: vec![], subject: None }
    };
    let emoji = || "👍".to_owned();
    let changes = vec![
        Change::Send { actor: ada, conversation, client_id: "a".to_owned(), content: Content::text("first") },
        Change::Send { actor: ben, conversation, client_id: "b".to_owned(), content: Content::text("one") },
        edit("two"),
        Change::React { actor: ada, conversation, seq: Seq(2), emoji: emoji(), on: true },
        Change::Send {
            actor: ada,
            conversation,
            client_id: "c".to_owned(),
            content: Content { reply_to: Some(Seq(2)), ..Content::text("an answer") },
        },
        edit("three"),
        Change::Hide { actor: ada, conversation, seq: Seq(2) },
        Change::React { actor: ada, conversation, seq: Seq(2), emoji: emoji(), on: false },
        Change::Delete { actor: ben, conversation, seq: Seq(2) },
        edit("four"),
        Change::Send { actor: ben, conversation, client_id: "b".to_owned(), content: Content::text("one") },
    ];
    let mut pending = Vec::new();
    for change in changes {
        pending.push(commit.begin(change).await.expect("taken"));
    }
    let mut outcomes = Vec::new();
    for one in pending {
        outcomes.push(one.outcome().await);
    }
    let text = |index: usize| match &outcomes[index] {
        Ok(Outcome::Answer(Answer::MessageChanged(answer))) => answer.message.text.clone(),
        other => panic!("{index}: {other:?}"),
    };
    assert_eq!([text(2), text(3), text(5), text(8)], ["two", "two", "three", ""]);
    assert_eq!(code(outcomes[7].clone()), Code::NotFound, "hidden from Ada by then");
    assert_eq!(code(outcomes[9].clone()), Code::TooLate);
    let Ok(Outcome::Answer(Answer::Sent(again))) = &outcomes[10] else { panic!("{:?}", outcomes[10]) };
    assert!(again.duplicate && again.message.deleted);
    assert!(cluster.message("Ada", conversation, 2).await.hidden);
    let message = cluster.message("Ben", conversation, 2).await;
    assert!(message.deleted && message.text.is_empty());
    assert_eq!(cluster.message("Ben", conversation, 3).await.reply_to, Some(Seq(2)));
    let report = cluster.app.store.verify().await.expect("read");
    assert_eq!(report.faults, Vec::<String>::new());
}

async fn a_repeated_send_returns_the_message_as_it_is_now(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let again = async |text: &str| super::send(&cluster.app, ada, conversation, "the-key", text).await;
    again("hello").await.expect("sent");
    let edited = cluster.edit("Ada", conversation, 1, "hello, Ben").await.expect("own message");
    let sent = again("hello").await.expect("known by its fingerprint");
    assert_eq!((sent.duplicate, &sent.message), (true, &edited.message));
    assert_eq!((sent.change.version, sent.change.prev), (edited.message.version, edited.message.version));
    assert_eq!(code(again("hello, Ben").await), Code::Conflict, "it was sent with another text");
    cluster.hide("Ada", conversation, 1).await.expect("own message");
    let cancel = Change::Cancel { actor: ada, client_id: "the-key".to_owned() };
    let Ok(Outcome::Answer(Answer::Cancelled(cancelled))) = cluster.app.commit.submit(cancel).await else {
        panic!("it is answered")
    };
    for message in [again("hello").await.expect("known").message, cancelled.message.expect("it had happened")] {
        assert!(message.hidden && message.text.is_empty(), "{message:?}");
    }
    cluster.delete("Ben", conversation, 1).await.expect_err("not his");
    let shared = Arc::new(cluster);
    let twice = tokio::join!(
        shared.react("Ben", (conversation, 1), "👍", true),
        shared.react("Ben", (conversation, 1), "👍", true)
    );
    let versions = [twice.0.expect("a member").change, twice.1.expect("a member").change];
    assert_eq!(versions.iter().filter(|change| change.version == change.prev).count(), 1, "{versions:?}");
}

async fn a_send_with_unknown_files_is_refused(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let attachments = vec![parlor_protocol::ids::FileId(7)];
    let content = Content { attachments, ..Content::text("see the picture") };
    assert_eq!(code(cluster.send_content("Ada", conversation, content).await), Code::NotFound);
}
