//! What each user sees of a changed message: live, in pages, in changes, and in the unread count.

use super::{
    TestCluster, conformance,
    large_conversations::{attach, is, next_event, small},
};
use parlor::domain::{Change, Content, Outcome};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    reply::{Answer, Changes},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

conformance! {
    a_changed_message_is_published_in_full_to_those_who_see_it,
    in_a_large_conversation_a_change_is_published_in_full_if_all_may_see_it,
    hiding_a_message_is_published_to_its_user_only,
    every_read_returns_only_the_place_of_a_hidden_message,
    messages_hidden_since_a_version_are_listed_or_a_reset_is_sent,
    quotes_are_included_as_the_viewer_may_see_them,
    a_page_counts_everything_in_its_messages,
    changed_messages_are_paged_in_the_order_of_versions,
    too_many_changed_messages_bring_the_newest_page,
    a_new_member_receives_no_changes_from_before_joining,
    unread_equals_a_recount_at_every_version,
}

async fn join(cluster: &TestCluster, by: &str, conversation: ConversationId, name: &str) {
    let (actor, user) = (cluster.user(by).await, cluster.user(name).await);
    let add = Change::AddMembers { actor, conversation, users: vec![user], history: None };
    cluster.app.commit.submit(add).await.expect("added");
}

async fn a_changed_message_is_published_in_full_to_those_who_see_it(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "before Cleo").await;
    join(&cluster, "Ada", conversation, "Cleo").await;
    cluster.user("Mallory").await;
    let mut ben = attach(&cluster.app, &cluster, "Ben").await;
    let (mut cleo, mut mallory) =
        (attach(&cluster.app, &cluster, "Cleo").await, attach(&cluster.app, &cluster, "Mallory").await);
    let edited = cluster.edit("Ada", conversation, 1, "the secret of before").await.expect("own message");
    let reacted = cluster.react("Ben", (conversation, 1), "👍", true).await.expect("a member");
    let deleted = cluster.delete("Ada", conversation, 1).await.expect("own message");
    for changed in [&edited, &reacted, &deleted] {
        let event = next_event(&mut ben, is("message.updated", conversation)).await;
        assert_eq!(event["message"], serde_json::to_value(&changed.message).expect("JSON"));
        assert_eq!(
            (&event["version"], &event["prev"]),
            (&changed.change.version.0.into(), &changed.change.prev.0.into())
        );
        let stub = next_event(&mut cleo, |_| true).await;
        let expected = serde_json::json!({"type": "scope.advanced", "scope": format!("conversation:{conversation}"),
            "version": changed.change.version, "prev": changed.change.prev});
        assert_eq!(stub, expected, "nothing else for later members");
    }
    let after = cluster.send("Cleo", conversation, "after").await.message.seq.0;
    cluster.react("Ada", (conversation, after), "🌂", true).await.expect("a member");
    let event = next_event(&mut cleo, is("message.updated", conversation)).await;
    assert_eq!(event["message"]["reactions"][0]["emoji"], "🌂");
    cluster.send("Ada", cluster.direct("Ada", "Mallory").await, "the last").await;
    let first = next_event(&mut mallory, |event| event["type"] != "conversation.created").await;
    assert_eq!(first["message"]["text"], "the last", "a stranger receives nothing");
}

async fn in_a_large_conversation_a_change_is_published_in_full_if_all_may_see_it(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben", "Cleo"]).await;
    cluster.send("Ada", conversation, "before Dan").await;
    join(&cluster, "Ada", conversation, "Dan").await;
    let after = cluster.send("Ada", conversation, "after").await.message.seq.0;
    let app = small(&cluster).await;
    let actor = cluster.user("Ada").await;
    let edit = |seq: i64| {
        let text = format!("edited {seq}");
        app.commit.submit(Change::Edit {
            actor,
            conversation,
            seq: Seq(seq),
            text: Some(text),
            mentions: vec![],
            subject: None,
        })
    };
    let (mut ben, mut dan) = (attach(&app, &cluster, "Ben").await, attach(&app, &cluster, "Dan").await);
    let mut cleo = attach(&app, &cluster, "Cleo").await;
    for subscriber in [&ben, &dan] {
        subscriber.attached.show(&app.hub.begin_check(), &[conversation]).await.expect("joined");
    }
    edit(after).await.expect("own message");
    for subscriber in [&mut ben, &mut dan] {
        let event = next_event(subscriber, is("message.updated", conversation)).await;
        assert_eq!(event["message"]["text"], format!("edited {after}"));
    }
    next_event(&mut cleo, is("scope.changed", conversation)).await;
    edit(1).await.expect("own message");
    for subscriber in [&mut ben, &mut dan] {
        let event = next_event(subscriber, |_| true).await;
        assert_eq!(event["type"], "scope.changed", "some may not see it, so all come and ask: {event}");
    }
    // Fetched, it is visible to those who may see it.
    assert_eq!(cluster.message("Ben", conversation, 1).await.text, "edited 1");
    assert!(cluster.page("Dan", conversation).await.messages.iter().all(|message| message.seq > Seq(1)));
}

async fn hiding_a_message_is_published_to_its_user_only(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let (mut ada, mut ben) = (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    for text in ["one", "two", "three"] {
        cluster.send("Ada", conversation, text).await;
    }
    // A send is answered before it is published.
    for subscriber in [&mut ada, &mut ben] {
        next_event(subscriber, |event| event["message"]["seq"] == 3).await;
    }
    let before = cluster.seen("Ada", conversation).await.version;
    let hidden = cluster.hide("Ben", conversation, 2).await.expect("a member");
    let event = next_event(&mut ben, |_| true).await;
    let me = cluster.user("Ben").await;
    let expected = serde_json::json!({"type": "message.hidden", "scope": format!("user:{me}"), "version": hidden.version,
        "prev": hidden.prev, "seq": 2, "conversation": conversation, "read_seq": 0, "delivered_seq": 0, "unread": 2});
    assert_eq!(event, expected);
    assert_eq!(cluster.seen("Ada", conversation).await.version, before, "no change of the conversation");
    cluster.send("Ben", conversation, "the last").await;
    let first = next_event(&mut ada, |_| true).await;
    assert_eq!(first["type"], "message.created", "others hear nothing of it");
}

async fn every_read_returns_only_the_place_of_a_hidden_message(cluster: TestCluster) {
    const HIDDEN: &str = "not for Ben any longer";
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "first").await;
    let content = Content { subject: Some(HIDDEN.to_owned()), reply_to: Some(Seq(1)), ..Content::text(HIDDEN) };
    let since = cluster.send_content("Ada", conversation, content).await.expect("sent").change.prev;
    cluster.react("Ada", (conversation, 2), "👍", true).await.expect("a member");
    cluster.hide("Ben", conversation, 2).await.expect("a member");
    cluster.reply("Ada", conversation, 2, "an answer").await.expect("sent");
    cluster.hide("Ben", conversation, 3).await.expect("a member");
    let page = cluster.page("Ben", conversation).await;
    let stub = &page.messages[1];
    assert!(stub.hidden && stub.text.is_empty() && stub.subject.is_none() && stub.reply_to.is_none());
    assert!(stub.reactions.is_empty() && !stub.deleted);
    assert_eq!(stub.version, cluster.message("Ada", conversation, 2).await.version);
    assert!(page.quoted.is_empty(), "what is hidden quotes nothing");
    let (changes, seen) = (cluster.changes("Ben", conversation, since).await, cluster.seen("Ben", conversation).await);
    assert_eq!(
        changes.messages.iter().map(|message| (message.seq.0, message.hidden)).collect::<Vec<_>>(),
        [(2, true), (3, true)]
    );
    assert_eq!(seen.last_message.as_ref().map(|message| message.seq), Some(Seq(1)), "the newest message that he sees");
    assert_eq!(seen.last_seq, Seq(3));
    for text in [serde_json::to_string(&page), serde_json::to_string(&changes), serde_json::to_string(&seen)] {
        assert!(!text.expect("JSON").contains(HIDDEN));
    }
    // Whatever happens to it later, it stays hidden; for Ada nothing is hidden.
    cluster.edit("Ada", conversation, 2, &format!("{HIDDEN}, edited")).await.expect("own message");
    assert!(cluster.message("Ben", conversation, 2).await.hidden);
    cluster.send("Ada", conversation, "fourth").await;
    assert_eq!(cluster.seen("Ben", conversation).await.last_message.map(|message| message.seq), Some(Seq(4)));
    assert!(cluster.page("Ada", conversation).await.messages.iter().all(|message| !message.hidden));
    // A quote of a hidden message is hidden; alone in a conversation, it leaves nothing to show.
    cluster.reply("Ada", conversation, 2, "look above").await.expect("sent");
    let after = cluster.changes("Ben", conversation, changes.version).await;
    assert!(after.quoted.iter().all(|message| message.hidden || message.seq != Seq(2)), "{after:?}");
    let direct = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", direct, "only this").await;
    cluster.hide("Ben", direct, 1).await.expect("a member");
    assert_eq!(cluster.seen("Ben", direct).await.last_message, None);
}

async fn messages_hidden_since_a_version_are_listed_or_a_reset_is_sent(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for number in 0..5 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let first = cluster.hide("Ben", conversation, 4).await.expect("a member");
    cluster.hide("Ben", conversation, 2).await.expect("a member");
    cluster.hide("Ada", conversation, 1).await.expect("a member");
    let app = cluster.node_with(&[("limits.changes_rows_max", "2")]).await;
    let ben = cluster.user("Ben").await;
    let hidden = async |since: Version| {
        let places = app.store.read(move |snapshot| snapshot.hidden(ben, since)).await.expect("read");
        places.map(|places| places.iter().map(|place| place.seq.0).collect::<Vec<_>>())
    };
    assert_eq!(hidden(Version(0)).await, Some(vec![4, 2]), "in the order of hiding");
    assert_eq!(hidden(first.version).await, Some(vec![2]));
    cluster.hide("Ben", conversation, 5).await.expect("a member");
    assert_eq!(hidden(Version(0)).await, None, "too many to tell");
    assert_eq!(hidden(first.version).await, Some(vec![2, 5]));
}

async fn quotes_are_included_as_the_viewer_may_see_them(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "first").await;
    cluster.send("Ben", conversation, "second").await;
    join(&cluster, "Ada", conversation, "Cleo").await;
    let since = cluster.reply("Ada", conversation, 1, "to the first").await.expect("sent").change.prev;
    let last = cluster.reply("Ada", conversation, 2, "to the second").await.expect("sent").message.seq;
    let quoted = async |name: &str| {
        let user = cluster.user(name).await;
        let page = parlor::store::snapshot::PageAnchor::After(Seq(last.0 - 2));
        let page = cluster
            .app
            .store
            .read(move |snapshot| snapshot.messages(user, conversation, page, 2))
            .await
            .expect("read")
            .expect("a member");
        assert_eq!(page.messages.len(), 2);
        page
    };
    let page = quoted("Ben").await;
    assert_eq!(page.quoted.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    let named: BTreeSet<_> = page.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(named, BTreeSet::from(["Ada", "Ben"]), "those quoted are named");
    assert_eq!(cluster.changes("Ben", conversation, since).await.quoted, page.quoted);
    assert!(quoted("Cleo").await.quoted.is_empty(), "nothing from before her time");
    assert!(cluster.changes("Cleo", conversation, since).await.quoted.is_empty());
    // A quote is the current message, and is not included twice.
    cluster.edit("Ada", conversation, 1, "the first, edited").await.expect("own message");
    cluster.delete("Ben", conversation, 2).await.expect("own message");
    cluster.hide("Ben", conversation, 1).await.expect("a member");
    let page = quoted("Ben").await;
    assert_eq!((page.quoted[0].hidden, page.quoted[1].deleted), (true, true));
    assert_eq!(quoted("Ada").await.quoted[0].text, "the first, edited");
    assert!(cluster.page("Ada", conversation).await.quoted.is_empty(), "they are on the page");
}

async fn a_page_counts_everything_in_its_messages(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let subject = Some("s".repeat(200));
    for _ in 0..4 {
        let content = Content { subject: subject.clone(), ..Content::text("text") };
        cluster.send_content("Ada", conversation, content).await.expect("sent");
    }
    for seq in [1, 2, 3, 4] {
        cluster.reply("Ada", conversation, seq, "an answer").await.expect("sent");
    }
    let app = cluster.node_with(&[("limits.page_bytes_max", "420")]).await;
    let ben = cluster.user("Ben").await;
    let page = parlor::store::snapshot::PageAnchor::After(Seq(0));
    let first = app
        .store
        .read(move |snapshot| snapshot.messages(ben, conversation, page, 50))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!(first.messages.len(), 2, "two subjects fill it");
    let page = parlor::store::snapshot::PageAnchor::After(Seq(4));
    let answers = app
        .store
        .read(move |snapshot| snapshot.messages(ben, conversation, page, 50))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!(answers.messages.len(), 4);
    let seqs: Vec<_> = answers.quoted.iter().map(|message| message.seq.0).collect();
    assert_eq!(seqs, [3, 4], "as many quotes as fit, the newest first");
}

/// All pages of changes, and their messages.
async fn all_changes(
    cluster: &TestCluster,
    app: &parlor::app::App,
    name: &str,
    conversation: ConversationId,
    since: Version,
) -> Vec<Changes> {
    let user = cluster.user(name).await;
    let mut pages: Vec<Changes> = Vec::new();
    loop {
        let since = pages.last().map_or(since, |page| page.version);
        let changes = app
            .store
            .read(move |snapshot| snapshot.changes(user, conversation, since))
            .await
            .expect("read")
            .expect("a member");
        let is_last = !changes.more;
        assert_eq!(changes.conversation.is_some(), is_last);
        pages.push(changes);
        if is_last {
            return pages;
        }
    }
}

async fn changed_messages_are_paged_in_the_order_of_versions(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.page_rows_max", "2")]).await;
    let conversation = cluster.group("Ada", &["Ben"]).await;
    for number in 1..=6 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let since = cluster.seen("Ben", conversation).await.version;
    cluster.edit("Ada", conversation, 3, "three").await.expect("own message");
    cluster.send("Ada", conversation, "7").await;
    cluster.react("Ben", (conversation, 1), "👍", true).await.expect("a member");
    cluster.send("Ada", conversation, "8").await;
    cluster.delete("Ada", conversation, 5).await.expect("own message");
    cluster.edit("Ada", conversation, 7, "seven").await.expect("own message");
    cluster.edit("Ada", conversation, 3, "three again").await.expect("own message");
    let pages = all_changes(&cluster, &app, "Ben", conversation, since).await;
    let seqs: Vec<Vec<i64>> =
        pages.iter().map(|page| page.messages.iter().map(|message| message.seq.0).collect()).collect();
    assert_eq!(seqs, [vec![1, 8], vec![5, 7], vec![3]], "each once, as it is now");
    let versions: Vec<_> = pages.iter().flat_map(|page| &page.messages).map(|message| message.version).collect();
    assert!(versions.is_sorted() && versions.iter().all(|version| *version > since), "{versions:?}");
    let last = pages.last().expect("one page at least");
    assert_eq!((last.version, last.reset), (cluster.seen("Ben", conversation).await.version, false));
    assert_eq!(last.messages[0].text, "three again");
    let none = all_changes(&cluster, &app, "Ben", conversation, last.version).await;
    assert!(none.len() == 1 && none[0].messages.is_empty());
}

async fn too_many_changed_messages_bring_the_newest_page(cluster: TestCluster) {
    let app = cluster.node_with(&[("limits.changes_rows_max", "4"), ("limits.page_rows", "3")]).await;
    let conversation = cluster.group("Ada", &["Ben"]).await;
    for number in 1..=6 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let since = cluster.seen("Ben", conversation).await.version;
    for seq in 1..=3 {
        cluster.edit("Ada", conversation, seq, &format!("edited {seq}")).await.expect("own message");
    }
    cluster.send("Ada", conversation, "7").await;
    // New and changed messages are counted once each.
    cluster.react("Ben", (conversation, 7), "👍", true).await.expect("a member");
    let pages = all_changes(&cluster, &app, "Ben", conversation, since).await;
    assert_eq!((pages.len(), pages[0].reset, pages[0].messages.len()), (1, false, 4), "as many as there may be");
    cluster.react("Ben", (conversation, 4), "👍", true).await.expect("a member");
    let pages = all_changes(&cluster, &app, "Ben", conversation, since).await;
    let seqs: Vec<_> = pages[0].messages.iter().map(|message| message.seq.0).collect();
    assert_eq!((pages[0].reset, seqs), (true, vec![5, 6, 7]), "one more");
}

async fn a_new_member_receives_no_changes_from_before_joining(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    for number in 1..=3 {
        cluster.send("Ada", conversation, &format!("secret {number}")).await;
    }
    join(&cluster, "Ada", conversation, "Cleo").await;
    let since = cluster.seen("Cleo", conversation).await.version;
    for seq in 1..=3 {
        cluster.edit("Ada", conversation, seq, &format!("secret, edited {seq}")).await.expect("own message");
    }
    let changes = cluster.changes("Cleo", conversation, since).await;
    assert!(changes.messages.is_empty() && !changes.reset && changes.version > since);
    let all = cluster.changes("Cleo", conversation, Version(0)).await;
    let seen = cluster.seen("Cleo", conversation).await;
    for text in [serde_json::to_string(&changes), serde_json::to_string(&all), serde_json::to_string(&seen)] {
        assert!(!text.expect("JSON").contains("secret"));
    }
}

/// The expected state of a conversation, computed from the answers in the order of versions.
#[derive(Default)]
struct ExpectedState {
    senders: BTreeMap<Seq, UserId>,
    deleted: BTreeSet<Seq>,
    hidden: BTreeSet<(UserId, Seq)>,
    marks: BTreeMap<UserId, Seq>,
    /// The unread count of the user who hid or read a message at this version.
    at: BTreeMap<Version, u32>,
}

impl ExpectedState {
    fn unread(&self, user: UserId) -> u32 {
        let read_seq = self.marks.get(&user).copied().unwrap_or_default();
        let after = self.senders.iter().filter(|(seq, sender)| **seq > read_seq && **sender != user);
        let counted =
            after.filter(|(seq, _)| !self.deleted.contains(seq) && !self.hidden.contains(&(user, **seq))).count();
        u32::try_from(counted).expect("few").min(100)
    }

    fn take(&mut self, version: Version, change: Change, answer: Answer) {
        match (change, answer) {
            (Change::Send { actor, .. }, Answer::Sent(sent)) => {
                self.senders.insert(sent.message.seq, actor);
                let read = self.marks.entry(actor).or_default();
                if read.0 == sent.message.seq.0 - 1 {
                    *read = sent.message.seq;
                }
            }
            (Change::Delete { seq, .. }, _) => {
                self.deleted.insert(seq);
            }
            (Change::Hide { actor, seq, .. }, _) => {
                self.hidden.insert((actor, seq));
                self.at.insert(version, self.unread(actor));
            }
            (Change::Mark { actor, .. }, Answer::Marked(marked)) => {
                self.marks.insert(actor, marked.marker.read_seq);
                assert_eq!(marked.marker.unread, self.unread(actor), "{marked:?}");
                self.at.insert(version, marked.marker.unread);
            }
            _ => {}
        }
    }
}

/// Many concurrent changes of all kinds; returns those that had an effect, in the order of versions.
async fn much(cluster: &TestCluster, conversation: ConversationId, users: &[UserId]) -> Vec<(Version, Change, Answer)> {
    let mut rng = crate::harness::Rng::new(7);
    let mut made = Vec::new();
    let mut last = 0;
    for _ in 0..24 {
        let mut pending = Vec::new();
        for _ in 0..24 {
            let actor = *rng.pick(users);
            let seq = Seq(1 + i64::try_from(rng.below(last + 4)).expect("few"));
            let wish = match rng.below(10) {
                0..=4 => {
                    last += 1;
                    let content = Content::text("hello");
                    Change::Send { actor, conversation, client_id: cluster.key(), content }
                }
                5 => Change::Delete { actor: users[0], conversation, seq },
                6 => Change::Hide { actor, conversation, seq },
                7 => Change::Edit {
                    actor,
                    conversation,
                    seq,
                    text: Some(cluster.key()),
                    mentions: vec![],
                    subject: None,
                },
                _ => Change::Mark { actor, conversation, delivered: Seq(0), read: seq },
            };
            pending.push((wish.clone(), cluster.app.commit.begin(wish).await.expect("taken")));
        }
        for (change, awaited) in pending {
            let Ok(Outcome::Answer(answer)) = awaited.outcome().await else { continue };
            let place = match &answer {
                Answer::Sent(sent) => sent.change,
                Answer::MessageChanged(changed) => changed.change,
                Answer::Changed(changed) => *changed,
                Answer::Marked(marked) => marked.change,
                other => panic!("{other:?}"),
            };
            if place.version != place.prev {
                made.push((place.version, change, answer));
            }
        }
    }
    made.sort_by_key(|(version, ..)| *version);
    made
}

/// Every unread count, in replies, events and snapshots, equals a recount.
async fn unread_equals_a_recount_at_every_version(cluster: TestCluster) {
    let names = ["Ada", "Ben", "Cleo", "Dan"];
    let conversation = cluster.group("Ada", &names[1..]).await;
    let (mut users, mut listeners) = (Vec::new(), Vec::new());
    for name in names {
        users.push(cluster.user(name).await);
        listeners.push(attach(&cluster.app, &cluster, name).await);
    }
    let mut known = ExpectedState::default();
    for (version, change, answer) in much(&cluster, conversation, &users).await {
        known.take(version, change, answer);
    }
    let mut reported = 0;
    for (name, (user, subscriber)) in names.iter().zip(users.iter().zip(&mut listeners)) {
        assert_eq!(cluster.seen(name, conversation).await.unread, known.unread(*user), "{name}");
        cluster.send("Ada", cluster.direct("Ada", if *name == "Ada" { "Eve" } else { name }).await, "the last").await;
        loop {
            let event: Value = next_event(subscriber, |_| true).await;
            if event["message"]["text"] == "the last" {
                break;
            }
            if event["type"] == "message.hidden" {
                let version = Version(event["version"].as_i64().expect("a version"));
                assert_eq!(event["unread"], known.at[&version], "{event}");
                reported += 1;
            }
        }
    }
    assert!(reported > 20, "enough was hidden to say something: {reported}");
    let report = cluster.app.store.verify().await.expect("read");
    assert_eq!(report.faults, Vec::<String>::new());
}
