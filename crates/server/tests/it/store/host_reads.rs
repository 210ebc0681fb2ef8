//! Rows of the host's message table: what is published, and what the mirror reads.

use super::{
    TestCluster, conformance,
    host_rows::{attachment, key},
    large_conversations::{attach, next_event},
};
use parlor::{
    domain::{HostMessage, rows::HostRowCopy},
    store::{Result, snapshot::Snapshot},
};
use parlor_protocol::{
    ids::{ConversationId, Scope, Seq, Version},
    model::Attachment,
};
use serde_json::Value;

conformance! {
    every_change_of_a_row_is_published_as_what_it_is,
    the_mirror_finds_what_it_has_to_write,
    the_mirror_reads_all_rows_with_their_messages,
    a_row_that_was_changed_before_it_was_read_changes_the_message,
    the_name_of_a_removed_file_is_not_found,
}

fn ids(rows: &[HostRowCopy]) -> Vec<i64> {
    rows.iter().map(|row| row.key.id).collect()
}

impl TestCluster {
    async fn snapshot<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.app.store.read(read).await.expect("read")
    }
}

async fn every_change_of_a_row_is_published_as_what_it_is(cluster: TestCluster) {
    let place = cluster.direct("Ada", "Ben").await;
    let me = Scope::User(cluster.user("Ben").await);
    let (mut ada, mut ben) = (attach(&cluster.app, &cluster, "Ada").await, attach(&cluster.app, &cluster, "Ben").await);
    let is_durable = |event: &Value| event["version"].is_number();
    let mut row = cluster.row(1, "Ada", "Ben", "hello").await;
    cluster.put_new(&row).await;
    for subscriber in [&mut ada, &mut ben] {
        let event = next_event(subscriber, is_durable).await;
        assert_eq!((&event["type"], &event["message"]["text"]), (&"message.created".into(), &"hello".into()));
    }
    "hello again".clone_into(&mut row.text);
    cluster.put(&row).await;
    let event = next_event(&mut ben, is_durable).await;
    assert_eq!((&event["type"], &event["message"]["text"]), (&"message.updated".into(), &"hello again".into()));
    row.hidden_by_recipient = true;
    cluster.put(&row).await;
    let event = next_event(&mut ben, is_durable).await;
    assert_eq!((&event["type"], &event["seq"], &event["unread"]), (&"message.hidden".into(), &1.into(), &0.into()));
    row.hidden_by_recipient = false;
    cluster.put(&row).await;
    let event = next_event(&mut ben, is_durable).await;
    assert_eq!((&event["type"], &event["scope"]), (&"scope.changed".into(), &me.to_string().into()), "it is fetched");
    let next = cluster.row(2, "Ada", "Ben", "second").await;
    cluster.put_new(&next).await;
    next_event(&mut ben, is_durable).await;
    cluster.put(&HostMessage { is_read: true, ..next.clone() }).await;
    let event = next_event(&mut ben, is_durable).await;
    assert_eq!((&event["type"], &event["unread"]), (&"member.updated".into(), &1.into()), "read before the first");
    row.is_read = true;
    cluster.put(&row).await;
    let event = next_event(&mut ben, is_durable).await;
    assert_eq!((&event["members"][0]["read_seq"], &event["unread"]), (&2.into(), &0.into()));
    // Several things at once are fetched.
    "third".clone_into(&mut row.text);
    row.is_read = false;
    row.hidden_by_recipient = true;
    row.row = key(3);
    row.is_read = true;
    cluster.put(&row).await;
    let scopes = [next_event(&mut ben, is_durable).await, next_event(&mut ben, is_durable).await];
    assert!(scopes.iter().all(|event| event["type"] == "scope.changed"), "{scopes:?}");
    let event = next_event(&mut ada, |event| event["type"] == "scope.changed").await;
    assert_eq!(event["scope"], format!("conversation:{place}"));
    cluster.app.commit.submit(parlor::domain::Change::RemoveHostMessage { row: key(1) }).await.expect("removed");
    for subscriber in [&mut ada, &mut ben] {
        let event = next_event(subscriber, is_durable).await;
        assert_eq!((&event["type"], &event["message"]["hidden"]), (&"message.updated".into(), &true.into()));
        assert_eq!(event["message"]["text"], "");
    }
    // A new conversation is fetched as well.
    let mut cleo = attach(&cluster.app, &cluster, "Cleo").await;
    let first = cluster.put_new(&cluster.row(4, "Ada", "Cleo", "hello").await).await;
    let event = next_event(&mut cleo, is_durable).await;
    assert_eq!(event["type"], "scope.changed");
    assert_eq!(event["scope"], format!("conversation:{}", first.conversation));
    cluster.is_consistent().await;
}

async fn the_mirror_finds_what_it_has_to_write(cluster: TestCluster) {
    let place = cluster.direct("Ada", "Ben").await;
    let group = cluster.group("Ada", &["Ben"]).await;
    for id in 1..=4 {
        cluster.put_new(&cluster.row(id, "Ada", "Ben", "hello").await).await;
    }
    let before = cluster.app.store.version().await.expect("read");
    cluster.send("Ada", place, "own").await;
    cluster.send("Ada", group, "in a group").await;
    cluster.send("Ben", place, "answer").await;
    let missing = cluster.snapshot(move |snapshot| snapshot.messages_without_host_row(before, 100, 1 << 20)).await;
    let texts: Vec<&str> = missing.messages.iter().map(|one| one.message.text.as_str()).collect();
    assert_eq!((texts, missing.more), (vec!["own", "answer"], false));
    assert_eq!(missing.messages[0].recipient, cluster.user("Ben").await);
    let (from, first) = (missing.to, missing.messages[0].message.seq);
    let none = cluster.snapshot(move |snapshot| snapshot.messages_without_host_row(from, 100, 1 << 20)).await;
    assert!(none.messages.is_empty() && none.to == from);
    let page = cluster.snapshot(|snapshot| snapshot.messages_without_host_row(Version(0), 3, 1 << 20)).await;
    assert!(page.messages.is_empty() && page.more && page.to < before, "rows have these already");
    let row = HostMessage { sent_as: Some((place, first)), ..cluster.row(5, "Ada", "Ben", "own").await };
    cluster.put(&row).await;
    let missing = cluster.snapshot(move |snapshot| snapshot.messages_without_host_row(before, 100, 1 << 20)).await;
    assert_eq!(missing.messages.len(), 1);
    // What Ben has read here and not yet in the host.
    cluster.read("Ben", place, 3).await;
    let first = (ConversationId(0), Seq(0));
    for scope in [Scope::Conversation(place), Scope::User(cluster.user("Ben").await)] {
        let read = cluster.snapshot(move |snapshot| snapshot.host_rows_read_here(scope, first, 100)).await;
        assert_eq!(ids(&read), [1, 2, 3]);
        let page = cluster.snapshot(move |snapshot| snapshot.host_rows_read_here(scope, (place, Seq(1)), 1)).await;
        assert_eq!(ids(&page), [2]);
    }
    cluster.put(&HostMessage { is_read: true, ..cluster.row(2, "Ada", "Ben", "hello").await }).await;
    let scope = Scope::Conversation(place);
    let read = cluster.snapshot(move |snapshot| snapshot.host_rows_read_here(scope, first, 100)).await;
    assert_eq!(ids(&read), [1, 3]);
    let of = cluster.snapshot(move |snapshot| snapshot.host_rows_of(place, Seq(2), Seq(5), 100)).await;
    assert_eq!(ids(&of), [2, 3, 4, 5]);
    // What he hid here.
    cluster.hide("Ben", place, 4).await.expect("a member");
    let ben = cluster.user("Ben").await;
    let hidden = cluster.snapshot(move |snapshot| snapshot.host_rows_hidden_here(ben, before, 100)).await;
    let hidden: Vec<HostRowCopy> = hidden.into_iter().map(|(_, row)| row).collect();
    assert_eq!(ids(&hidden), [4]);
    let changed =
        cluster.snapshot(move |snapshot| snapshot.host_rows_by_message(&[(place, Seq(1)), (place, Seq(6))])).await;
    assert_eq!(ids(&changed), [1]);
}

async fn the_mirror_reads_all_rows_with_their_messages(cluster: TestCluster) {
    let context = Some(cluster.context("5", &[("Ada", "owner")]).await);
    for id in 1..=5 {
        let context = context.clone().filter(|_| id % 2 == 0);
        let recipient = if id == 5 { "Ada" } else { "Ben" };
        let row = HostMessage { context, ..cluster.row(id, "Ada", recipient, &format!("text {id}")).await };
        cluster.put(&row).await;
    }
    let table = key(1).table;
    let name = table.clone();
    assert_eq!(cluster.snapshot(move |snapshot| snapshot.host_row_count(&name)).await, 5);
    let rows = cluster.snapshot(move |snapshot| snapshot.mirrored_rows(&table, 1, 10)).await;
    let read: Vec<_> = rows
        .iter()
        .map(|one| (one.row.key.id, one.message.as_ref().map(|message| message.text.as_str()), one.context.is_some()))
        .collect();
    assert_eq!(
        read,
        [(2, Some("text 2"), true), (3, Some("text 3"), false), (4, Some("text 4"), true), (5, None, false)]
    );
    let known = cluster.snapshot(|snapshot| snapshot.host_row(&key(3))).await.expect("known");
    assert_eq!((&known, known.is_read), (&rows[1].row, false));
    assert!(cluster.snapshot(|snapshot| snapshot.host_row(&key(6))).await.is_none());
}

async fn a_row_that_was_changed_before_it_was_read_changes_the_message(cluster: TestCluster) {
    let place = cluster.direct("Ada", "Ben").await;
    // What the host changed before the row was read is a change of the message, unless a user has edited it.
    for (id, edited, expected) in [(10, None, "by the host"), (11, Some("by Ada"), "by Ada")] {
        let seq = cluster.send("Ada", place, "first").await.message.seq;
        if let Some(text) = edited {
            cluster.edit("Ada", place, seq.0, text).await.expect("just sent");
        }
        let row = cluster.row(id, "Ada", "Ben", "by the host").await;
        let put = cluster.put(&HostMessage { sent_as: Some((place, seq)), ..row }).await;
        assert_eq!((put.message.expect("there").text.as_str(), put.changed), (expected, edited.is_none()));
    }
    cluster.is_consistent().await;
}

async fn the_name_of_a_removed_file_is_not_found(cluster: TestCluster) {
    let row = HostMessage {
        attachments: vec![Attachment { name: "parasol.pdf".to_owned(), ..attachment(8, "/media/parasol.pdf") }],
        ..cluster.row(1, "Ada", "Ben", "see the file").await
    };
    let place = cluster.put_new(&row).await.conversation;
    cluster.indexed("Ada", place).await;
    assert_eq!(cluster.finds("Ben", "parasol").await.len(), 1);
    cluster.put(&HostMessage { attachments: Vec::new(), ..row }).await;
    cluster.indexed("Ada", place).await;
    assert_eq!(cluster.finds("Ben", "parasol").await, Vec::<String>::new());
    assert_eq!(cluster.finds("Ben", "file").await.len(), 1);
}
