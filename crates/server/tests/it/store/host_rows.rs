//! Rows of the host's message table and their messages: what becomes of each change in the host.

use super::{TestCluster, code, commit_together, conformance};
use parlor::domain::{Change, Content, HostMessage, HostRowKey, Mirrored, Outcome};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Seq, UserId, Version},
    model::{Attachment, ContextKey, Message},
};
use std::sync::atomic::Ordering;

conformance! {
    a_row_becomes_a_message_in_the_conversation_of_its_pair,
    the_same_row_again_changes_nothing,
    a_batch_of_rows_takes_the_same_number_of_statements_however_many_they_are,
    a_change_of_the_text_is_an_edit_and_an_older_row_reverts_no_edit,
    a_row_of_another_pair_or_context_moves,
    flags_hide_a_message_and_show_it_again,
    the_marker_stays_before_the_first_row_that_is_unread,
    a_removed_row_leaves_nothing,
    the_row_of_a_sent_message_makes_no_second_message,
    a_message_to_oneself_has_no_conversation,
    what_no_client_could_send_is_shown_as_well_as_possible,
    random_rows_keep_the_store_consistent,
}

const TABLE: &str = "host_messages";

pub(super) fn key(id: i64) -> HostRowKey {
    HostRowKey { table: TABLE.to_owned(), id }
}

impl TestCluster {
    /// A row that the host wrote just now.
    pub(super) async fn row(&self, id: i64, sender: &str, recipient: &str, text: &str) -> HostMessage {
        HostMessage {
            row: key(id),
            sender: self.user(sender).await,
            recipient: self.user(recipient).await,
            context: None,
            text: text.to_owned(),
            subject: None,
            created_at: 1_790_000_000_000 + id,
            is_read: false,
            hidden_by_sender: false,
            hidden_by_recipient: false,
            attachments: Vec::new(),
            files: None,
            sent_as: None,
        }
    }

    pub(super) async fn put(&self, row: &HostMessage) -> Mirrored {
        mirrored(self.app.commit.submit(Change::PutHostMessage(Box::new(row.clone()))).await).expect("the users exist")
    }

    pub(super) async fn put_new(&self, row: &HostMessage) -> Message {
        let put = self.put(row).await;
        assert!(put.is_new && put.changed, "{put:?}");
        *put.message.expect("it has a conversation")
    }

    async fn remove_row(&self, id: i64) -> Mirrored {
        mirrored(self.app.commit.submit(Change::RemoveHostMessage { row: key(id) }).await).expect("never refused")
    }

    async fn unread(&self, name: &str, conversation: ConversationId) -> u32 {
        self.seen(name, conversation).await.unread
    }

    async fn read_seq(&self, name: &str, conversation: ConversationId) -> i64 {
        let user = self.user(name).await;
        let members = self.seen(name, conversation).await.members;
        members.into_iter().find(|member| member.user.id == user).expect("a member").read_seq.0
    }

    /// What a user hid after a version, and what is shown to them again.
    async fn listed(&self, user: UserId, since: Version) -> [Vec<(ConversationId, Seq)>; 2] {
        let read = self.app.store.read(move |snapshot| {
            Ok([snapshot.hidden(user, since)?.expect("few"), snapshot.unhidden(user, since)?.expect("few")])
        });
        read.await
            .expect("read")
            .map(|places| places.into_iter().map(|place| (place.conversation, place.seq)).collect())
    }

    pub(super) async fn is_consistent(&self) {
        let report = self.app.store.verify().await.expect("read");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

fn mirrored(outcome: Result<Outcome, Problem>) -> Result<Mirrored, Problem> {
    match outcome? {
        Outcome::Mirrored(mirrored) => Ok(mirrored),
        other => panic!("{other:?}"),
    }
}

pub(super) fn attachment(id: i64, url: &str) -> Attachment {
    Attachment {
        id: FileId(id),
        name: "bill.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: 1024,
        url: url.to_owned(),
        width: None,
        height: None,
        blur_hash: None,
        preview: None,
    }
}

async fn a_row_becomes_a_message_in_the_conversation_of_its_pair(cluster: TestCluster) {
    let context = Some(cluster.context("5", &[("Ada", "owner")]).await);
    let row = HostMessage { context: context.clone(), ..cluster.row(1, "Ben", "Ada", "Is it yours?").await };
    let message = cluster.put_new(&row).await;
    assert_eq!((message.text.as_str(), message.sender, message.seq), ("Is it yours?", row.sender, Seq(1)));
    assert_eq!(message.created_at, "2026-09-21T14:13:20.001Z", "the host's time");
    assert!(message.client_id.starts_with(' '), "no client can send this one");
    let conversation = cluster.seen("Ada", message.conversation).await;
    assert_eq!(conversation.context.map(|context| context.key), context);
    assert_eq!((conversation.unread, conversation.last_message), (1, Some(message.clone())));
    assert_eq!(cluster.unread("Ben", message.conversation).await, 0);
    // The answer is in the same conversation, whichever of the two has opened it.
    let answer = HostMessage { context, ..cluster.row(2, "Ada", "Ben", "Yes").await };
    let answer = cluster.put_new(&answer).await;
    assert_eq!((answer.conversation, answer.seq), (message.conversation, Seq(2)));
    // Another context and none are other conversations; one that users opened is used.
    let opened = cluster.direct("Ada", "Ben").await;
    let plain = cluster.put_new(&cluster.row(3, "Ada", "Ben", "And apart from that").await).await;
    assert_eq!((plain.conversation, plain.seq), (opened, Seq(1)));
    assert_ne!(plain.conversation, message.conversation);
    let unknown = ContextKey { kind: "item".to_owned(), id: "6".to_owned() };
    let refused = HostMessage { context: Some(unknown), ..cluster.row(4, "Ada", "Ben", "Which?").await };
    let refused = cluster.app.commit.submit(Change::PutHostMessage(Box::new(refused))).await;
    assert_eq!(code(refused), Code::NotFound);
    cluster.is_consistent().await;
}

async fn the_same_row_again_changes_nothing(cluster: TestCluster) {
    let row = HostMessage { is_read: true, hidden_by_sender: true, ..cluster.row(1, "Ada", "Ben", "hello").await };
    let first = cluster.put_new(&row).await;
    let before = cluster.app.store.version().await.expect("read");
    for _ in 0..2 {
        let again = cluster.put(&row).await;
        assert!(!again.is_new && !again.changed);
        assert_eq!(again.message.as_deref(), Some(&first));
    }
    assert_eq!(cluster.app.store.version().await.expect("read"), before, "nothing was committed");
    assert!(!cluster.remove_row(2).await.changed, "it was never there");
    assert_eq!(cluster.app.store.version().await.expect("read"), before);
}

async fn a_batch_of_rows_takes_the_same_number_of_statements_however_many_they_are(cluster: TestCluster) {
    let context = cluster.context("5", &[("Ada", "owner")]).await;
    for (id, sender) in [(1, "Ada"), (2, "Ben")] {
        cluster
            .put_new(&HostMessage { context: Some(context.clone()), ..cluster.row(id, sender, "Cleo", "").await })
            .await;
    }
    let mut counts = Vec::new();
    for count in [2_i64, 200] {
        let mut changes = Vec::new();
        for id in 0..count {
            let sender = if id % 2 == 0 { "Ada" } else { "Ben" };
            let row = cluster.row(count * 1000 + id, sender, "Cleo", "hello").await;
            let row = HostMessage { context: Some(context.clone()), is_read: id % 2 == 0, ..row };
            changes.push(Change::PutHostMessage(Box::new(row)));
        }
        let (_, statements) = commit_together(&cluster.app, &changes).await;
        counts.push(statements);
    }
    assert!(counts[0] == counts[1] && counts[0] <= 15, "{counts:?}");
    cluster.is_consistent().await;
}

async fn a_change_of_the_text_is_an_edit_and_an_older_row_reverts_no_edit(cluster: TestCluster) {
    let mut row = cluster.row(1, "Ada", "Ben", "On tram 16").await;
    let place = cluster.put_new(&row).await;
    cluster.clock.fetch_add(1_000_000_000, Ordering::Relaxed);
    "On tram 18".clone_into(&mut row.text);
    row.subject = Some(" Umbrella ".to_owned());
    let edited = cluster.put(&row).await;
    assert!(edited.changed && !edited.is_new);
    let edited = cluster.message("Ben", place.conversation, 1).await;
    assert_eq!((edited.text.as_str(), edited.subject.as_deref()), ("On tram 18", Some("Umbrella")));
    assert!(edited.edited_at.is_some() && edited.version > place.version);
    // Attachments that come later are no edit.
    row.attachments = vec![attachment(7, "/media/bill.pdf")];
    let later = cluster.put(&row).await.message.expect("there");
    assert_eq!((later.attachments.len(), later.edited_at.as_ref()), (1, edited.edited_at.as_ref()));
    // Nor is another time, which is stored as it is published.
    row.created_at += 1000;
    let moved = cluster.put(&row).await.message.expect("there").created_at;
    assert_eq!(
        (moved.as_str(), &cluster.message("Ben", place.conversation, 1).await.created_at),
        ("2026-09-21T14:13:21.001Z", &moved)
    );
    // The user's edit has not reached the host yet: the row with its older text says nothing new.
    let second = HostMessage { created_at: i64::MAX, ..cluster.row(2, "Ada", "Ben", "teh row").await };
    let second = HostMessage { created_at: cluster.clock.load(Ordering::Relaxed), ..second };
    let place = cluster.put_new(&second).await;
    cluster.edit("Ada", place.conversation, place.seq.0, "the row").await.expect("just sent");
    let read = HostMessage { is_read: true, ..second.clone() };
    assert_eq!(cluster.put(&read).await.message.expect("there").text, "the row");
    let written = HostMessage { text: "the row".to_owned(), ..read.clone() };
    assert!(!cluster.put(&written).await.changed, "both are equal now");
    let by_admin = HostMessage { text: "the admin's row".to_owned(), ..written };
    assert_eq!(cluster.put(&by_admin).await.message.expect("there").text, "the admin's row");
    // What a user deleted stays deleted.
    cluster.delete("Ada", place.conversation, place.seq.0).await.expect("own message");
    let again = HostMessage { text: "once more".to_owned(), ..by_admin };
    assert!(cluster.put(&again).await.message.expect("there").deleted);
    cluster.is_consistent().await;
}

async fn a_row_of_another_pair_or_context_moves(cluster: TestCluster) {
    let context = Some(cluster.context("5", &[("Ada", "owner")]).await);
    let row = HostMessage { context, ..cluster.row(1, "Ada", "Ben", "hello").await };
    let first = cluster.put_new(&row).await;
    let moves = [
        HostMessage { context: None, ..row.clone() },
        cluster.row(1, "Ada", "Cleo", "hello").await,
        cluster.row(1, "Cleo", "Ada", "hello").await,
    ];
    let mut before = first;
    for moved in moves {
        let put = cluster.put(&moved).await;
        assert!(put.changed && !put.is_new);
        let now = *put.message.expect("there");
        assert_ne!((now.conversation, now.seq), (before.conversation, before.seq));
        assert!(cluster.message("Ada", before.conversation, before.seq.0).await.hidden, "it left its place");
        before = now;
    }
    assert_eq!(before.sender, cluster.user("Cleo").await);
    assert_eq!(cluster.unread("Ben", cluster.direct("Ada", "Ben").await).await, 0);
    assert_eq!(cluster.unread("Ada", before.conversation).await, 1);
    cluster.is_consistent().await;
}

async fn flags_hide_a_message_and_show_it_again(cluster: TestCluster) {
    let mut row = cluster.row(1, "Ada", "Ben", "hello").await;
    let message = cluster.put_new(&row).await;
    let place = message.conversation;
    cluster.put_new(&cluster.row(2, "Ada", "Ben", "more").await).await;
    let ben = cluster.user("Ben").await;
    assert_eq!(cluster.listed(ben, Version(0)).await, [vec![], vec![]]);
    row.hidden_by_recipient = true;
    assert!(cluster.put(&row).await.changed);
    assert!(cluster.message("Ben", place, 1).await.hidden && !cluster.message("Ada", place, 1).await.hidden);
    assert_eq!(cluster.unread("Ben", place).await, 1);
    let since = cluster.app.store.version().await.expect("read");
    assert_eq!(cluster.listed(ben, Version(0)).await, [vec![(place, Seq(1))], vec![]]);
    row.hidden_by_recipient = false;
    assert!(cluster.put(&row).await.changed);
    assert_eq!(cluster.message("Ben", place, 1).await, message);
    assert_eq!(cluster.unread("Ben", place).await, 2);
    assert_eq!(cluster.listed(ben, since).await, [vec![], vec![(place, Seq(1))]]);
    // What a user hides here stays hidden while the host says nothing new.
    cluster.hide("Ben", place, 1).await.expect("a member");
    row.is_read = true;
    cluster.put(&row).await;
    assert!(cluster.message("Ben", place, 1).await.hidden);
    assert_eq!(cluster.listed(ben, since).await, [vec![(place, Seq(1))], vec![]]);
    cluster.is_consistent().await;
}

async fn the_marker_stays_before_the_first_row_that_is_unread(cluster: TestCluster) {
    let mut rows = Vec::new();
    for id in 1..=5 {
        let row =
            cluster.row(id, if id == 3 { "Ben" } else { "Ada" }, if id == 3 { "Ada" } else { "Ben" }, "hello").await;
        cluster.put_new(&row).await;
        rows.push(row);
    }
    let place = cluster.direct("Ada", "Ben").await;
    let state = async || (cluster.read_seq("Ben", place).await, cluster.unread("Ben", place).await);
    assert_eq!(state().await, (0, 4));
    let set = async |index: usize, is_read: bool| {
        let row = HostMessage { is_read, ..rows[index].clone() };
        cluster.put(&row).await.changed
    };
    assert!(set(1, true).await);
    assert_eq!(state().await, (0, 3), "read, but one before it is not");
    assert!(set(1, false).await);
    assert_eq!(state().await, (0, 4), "unread again");
    assert!(set(1, true).await && set(0, true).await);
    assert_eq!(state().await, (3, 2), "the own message between is no obstacle");
    assert!(!set(0, false).await);
    assert_eq!(state().await, (3, 2), "a marker never moves back");
    assert!(set(4, true).await && set(3, true).await);
    assert_eq!(state().await, (5, 0));
    // A row that was read before Parlor saw it.
    let unread = cluster.row(6, "Ada", "Ben", "hello").await;
    cluster.put_new(&unread).await;
    let read = HostMessage { is_read: true, ..cluster.row(7, "Ada", "Ben", "hello").await };
    cluster.put_new(&read).await;
    assert_eq!(state().await, (5, 1));
    cluster.put(&HostMessage { is_read: true, ..unread }).await;
    let read = HostMessage { is_read: true, ..cluster.row(8, "Ada", "Ben", "hello").await };
    cluster.put_new(&read).await;
    assert_eq!(state().await, (8, 0));
    cluster.is_consistent().await;
}

async fn a_removed_row_leaves_nothing(cluster: TestCluster) {
    const GONE: &str = "umbrella";
    let first = cluster.put_new(&cluster.row(1, "Ada", "Ben", "hello").await).await;
    let place = first.conversation;
    let row = HostMessage {
        subject: Some(format!("{GONE} again")),
        attachments: vec![Attachment { name: format!("{GONE}.pdf"), ..attachment(7, "/media/umbrella.pdf") }],
        ..cluster.row(2, "Ada", "Ben", &format!("the {GONE}")).await
    };
    let second = cluster.put_new(&row).await;
    cluster.reply("Ben", place, 2, "which one?").await.expect("it is there");
    cluster.indexed("Ada", place).await;
    assert_eq!(cluster.finds("Ben", GONE).await.len(), 1);
    let since = second.version;
    assert!(cluster.remove_row(2).await.changed && !cluster.remove_row(2).await.changed);
    for name in ["Ada", "Ben"] {
        let page = cluster.page(name, place).await;
        let changes = cluster.changes(name, place, since).await;
        assert!(page.messages[1].hidden && changes.messages.last().is_some_and(|last| last.hidden));
        let seen = cluster.seen(name, place).await;
        for text in [serde_json::to_string(&page), serde_json::to_string(&changes), serde_json::to_string(&seen)] {
            assert!(!text.expect("JSON").contains(GONE), "{name}");
        }
        assert_eq!(cluster.finds(name, GONE).await, Vec::<String>::new());
    }
    assert_eq!(code(cluster.reply("Ben", place, 2, "again").await), Code::NotFound);
    assert_eq!(code(cluster.forward("Ben", (place, 2), place).await), Code::NotFound);
    assert_eq!(code(cluster.edit("Ada", place, 2, "again").await), Code::NotFound);
    // The newest message that is there is the last one, and a row with the same id is another message.
    let row = cluster.row(3, "Ada", "Ben", "last").await;
    cluster.put_new(&row).await;
    let unread = cluster.unread("Ben", place).await;
    assert!(cluster.remove_row(3).await.changed);
    assert_eq!(cluster.unread("Ben", place).await, unread - 1);
    assert!(cluster.seen("Ben", place).await.last_message.is_some_and(|last| last.text.starts_with("mark")));
    let reused = cluster.put_new(&cluster.row(2, "Ada", "Ben", "another").await).await;
    assert_eq!(reused.text, "another");
    assert!(reused.seq.0 > 4);
    cluster.is_consistent().await;
}

async fn the_row_of_a_sent_message_makes_no_second_message(cluster: TestCluster) {
    let place = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", place, "hello").await.message;
    let row = HostMessage { sent_as: Some((place, Seq(1))), ..cluster.row(1, "Ada", "Ben", "hello").await };
    let put = cluster.put(&row).await;
    assert!(put.is_new && !put.changed);
    assert_eq!(put.message.as_deref(), Some(&sent));
    let read = HostMessage { is_read: true, ..row.clone() };
    assert!(cluster.put(&read).await.changed);
    assert_eq!(cluster.read_seq("Ben", place).await, 1);
    assert_eq!(cluster.seen("Ben", place).await.last_seq, Seq(1));
    // A second row for the same message, or one for a message that does not exist, is a message of its own.
    for (id, seq) in [(2, 1), (3, 99)] {
        let other = HostMessage { sent_as: Some((place, Seq(seq))), ..cluster.row(id, "Ada", "Ben", "twice").await };
        assert_eq!(cluster.put_new(&other).await.text, "twice");
    }
    cluster.remove_row(1).await;
    assert!(cluster.message("Ben", place, 1).await.hidden);
    cluster.is_consistent().await;
}

async fn a_message_to_oneself_has_no_conversation(cluster: TestCluster) {
    let row = cluster.row(1, "Ada", "Ada", "note").await;
    let put = cluster.put(&row).await;
    assert!(put.is_new && !put.changed && put.message.is_none());
    assert!(!cluster.put(&row).await.is_new, "it is known");
    // An admin gives it to somebody else, and back.
    let moved = cluster.put(&cluster.row(1, "Ada", "Ben", "note").await).await;
    let message = moved.message.expect("it has a conversation");
    assert!(cluster.put(&row).await.message.is_none());
    assert!(cluster.message("Ben", message.conversation, 1).await.hidden);
    cluster.remove_row(1).await;
    cluster.is_consistent().await;
}

async fn what_no_client_could_send_is_shown_as_well_as_possible(cluster: TestCluster) {
    let long = "x".repeat(200_000);
    let texts = [("", ""), ("a\r\nb\u{0}c\u{7}", "a\nbc"), ("\u{200b} ", ""), (long.as_str(), "")];
    for (id, (text, expected)) in (1..).zip(texts) {
        let message = cluster.put_new(&cluster.row(id, "Ada", "Ben", text).await).await;
        if text.len() < 100 {
            assert_eq!(message.text, expected);
        } else {
            assert!(message.text.chars().count() == 100_000 && message.text.ends_with('…'));
        }
    }
    let urls =
        ["https://host.example/f", "javascript:alert(1)", "/media/f", "//host.example/f", "/v1/files/7", "media/f"];
    let attachments = urls.iter().map(|url| attachment(7, url)).chain([attachment(0, "/media/f")]).collect();
    let row = HostMessage {
        subject: Some(String::new()),
        attachments,
        created_at: i64::MAX,
        ..cluster.row(9, "Ada", "Ben", "files").await
    };
    let message = cluster.put_new(&row).await;
    let shown: Vec<&str> = message.attachments.iter().map(|file| file.url.as_str()).collect();
    assert_eq!(shown, ["https://host.example/f", "/media/f"]);
    assert_eq!((message.subject, message.created_at.as_str()), (None, "9999-12-30T22:00:00.000Z"));
    // Forwarded, they stay where they are.
    let forwarded = cluster.forward("Ben", (message.conversation, message.seq.0), message.conversation).await;
    assert_eq!(forwarded.expect("it is there").message.attachments, message.attachments);
    cluster.is_consistent().await;
}

/// Small pseudo-random numbers.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(i64::try_from(length).expect("short"))).expect("not negative")
    }
}

/// A change of a row, or one that a user makes beside it.
pub(super) async fn random_change(cluster: &TestCluster, random: &mut Random) -> Change {
    const NAMES: [&str; 3] = ["Ada", "Ben", "Cleo"];
    let one = random.index(3);
    let other = if random.below(12) == 0 { one } else { (one + 1) % 3 };
    let (kind, id, seq) = (random.below(12), random.below(25), Seq(random.below(20)));
    let actor = cluster.user(NAMES[one]).await;
    let conversation = cluster.direct("Ada", if one == 2 { "Cleo" } else { "Ben" }).await;
    match kind {
        0 => Change::RemoveHostMessage { row: key(id) },
        1 => Change::Hide { actor, conversation, seq },
        2 => Change::Delete { actor, conversation, seq },
        3 => Change::Mark { actor, conversation, delivered: Seq(0), read: seq },
        4 => {
            let content = Content { reply_to: Some(seq), ..Content::text("an answer") };
            Change::Send { actor, conversation, client_id: cluster.key(), content }
        }
        _ => {
            let row = cluster.row(id, NAMES[one], NAMES[other], &format!("text {}", random.below(3))).await;
            Change::PutHostMessage(Box::new(HostMessage {
                is_read: random.below(2) == 0,
                hidden_by_sender: random.below(4) == 0,
                hidden_by_recipient: random.below(4) == 0,
                created_at: row.created_at + random.below(2),
                ..row
            }))
        }
    }
}

/// Random rows, in batches, beside the changes of users.
async fn random_rows_keep_the_store_consistent(cluster: TestCluster) {
    let mut random = Random(7);
    for round in 0..40 {
        let mut pending = Vec::new();
        for _ in 0..12 {
            let change = random_change(&cluster, &mut random).await;
            pending.push(cluster.app.commit.begin(change).await.expect("queued"));
        }
        for pending in pending {
            drop(pending.outcome().await);
        }
        if round % 10 == 9 {
            cluster.is_consistent().await;
        }
    }
}
