//! What the application writes is in Parlor at once.

use super::{Beside, HostServer, on_all_hosts, until, until_shown};
use parlor::{host::HostValue, mirror::triggers};

on_all_hosts! {
    a_row_becomes_a_message_and_is_heard_once_by_both_people,
    edits_reads_and_archiving_of_rows_are_followed,
    deleted_rows_leave_nothing_behind,
    a_row_whose_pair_is_changed_moves,
    a_row_that_cannot_be_mirrored_stops_no_other,
    files_that_come_after_their_message_are_heard_with_it,
    rows_that_no_trigger_noticed_are_found_and_the_triggers_restored,
    without_triggers_rows_reads_and_deletions_are_found,
    a_message_to_oneself_is_heard_and_belongs_to_no_conversation,
}

async fn a_row_becomes_a_message_and_is_heard_once_by_both_people(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    beside.listen(&[1, 2, 3]).await;
    let id = beside.host.insert(1, 2, "Is it yours?").await;
    let (row, people) = beside.heard().await;
    assert_eq!((row.row_id, people), (id, 2), "sender and recipient");
    assert_eq!(
        (row.sender.id.as_str(), row.sender.login.as_str(), row.sender.name.as_str()),
        ("1", "ada", "Ada Lovelace")
    );
    assert_eq!((row.recipient.id.as_str(), row.context.as_deref()), ("2", Some("5")));
    assert_eq!((row.text.as_str(), row.is_read, row.attachments.len()), ("Is it yours?", false, 0));
    let conversation = beside.conversation(1, 2).await;
    let shown = beside.shown(2, conversation).await;
    assert_eq!(shown.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["Is it yours?"]);
    assert_eq!((shown[0].sender, beside.unread(2).await), (beside.user(1).await, 1));
    let user = beside.user(2).await;
    let opened = beside.app.store.read(move |snapshot| snapshot.conversation(user, conversation)).await;
    let context = opened.expect("read").expect("a member").context.expect("it is about an item");
    assert_eq!((context.title.as_str(), context.status.as_deref()), ("Black umbrella", Some("Lost")));
    assert_eq!(context.url.as_deref(), Some("/items/5/"));
    beside.heard_nothing();
}

async fn edits_reads_and_archiving_of_rows_are_followed(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    let first = beside.host.insert(1, 2, "one").await;
    let second = beside.host.insert(1, 2, "two").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one", "two"]).await;
    beside.host.set(second, "is_read", true).await;
    until("only the first is unread", || async { beside.unread(2).await == 1 }).await;
    beside.host.set(first, "content", "ONE").await;
    until_shown(&beside, 1, conversation, &["ONE", "two"]).await;
    beside.host.set(first, "deleted_by_recipient", true).await;
    until_shown(&beside, 2, conversation, &["two"]).await;
    assert_eq!(beside.texts(1, conversation).await, ["ONE", "two"]);
    beside.host.set(first, "deleted_by_recipient", false).await;
    until_shown(&beside, 2, conversation, &["ONE", "two"]).await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    assert_eq!(mirror.unread_count(beside.user(2).await).await.expect("counted"), 1);
    beside.listen(&[1, 2]).await;
    beside.host.set(first, "is_read", true).await;
    until("everything is read", || async { beside.unread(2).await == 0 }).await;
    beside.heard_nothing();
}

async fn deleted_rows_leave_nothing_behind(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    let gone = beside.host.insert(1, 2, "a secret").await;
    beside.host.insert(1, 2, "stays").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["a secret", "stays"]).await;
    beside.host.delete(gone).await;
    until_shown(&beside, 2, conversation, &["stays"]).await;
    until_shown(&beside, 1, conversation, &["stays"]).await;
    assert_eq!(beside.unread(2).await, 1);
}

async fn a_row_whose_pair_is_changed_moves(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    beside.host.insert(1, 3, "hello").await;
    let row = beside.host.insert(1, 2, "for whom?").await;
    until("both conversations are there", || async { beside.unread(2).await == 1 }).await;
    let (wrong, right) = (beside.conversation(1, 2).await, beside.conversation(1, 3).await);
    until_shown(&beside, 2, wrong, &["for whom?"]).await;
    beside.host.set(row, "recipient_id", 3).await;
    until_shown(&beside, 3, right, &["hello", "for whom?"]).await;
    until_shown(&beside, 2, wrong, &[]).await;
}

async fn a_row_that_cannot_be_mirrored_stops_no_other(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    let dangling = beside.host.insert(1, 99, "to nobody").await;
    beside.host.insert(1, 2, "to somebody").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["to somebody"]).await;
    assert_eq!(beside.app.metrics.mirror.rows_refused.get(), 1);
    // Once it can be mirrored, it is.
    beside.host.set(dangling, "recipient_id", 2).await;
    until_shown(&beside, 2, conversation, &["to somebody", "to nobody"]).await;
}

async fn files_that_come_after_their_message_are_heard_with_it(server: HostServer) {
    let mut beside = Beside::start(&server, "accounting").await;
    beside.listen(&[2]).await;
    let row = beside.host.insert(1, 2, "see the file").await;
    assert_eq!(beside.heard().await.0.attachments.len(), 0);
    let now = HostValue::Time(beside.app.environment.now_ms());
    let sql = "INSERT INTO message_attachments_table (file, filename, file_size, uploaded_at, message_id) \
               VALUES ('message_attachments/2026/04/01/a b.pdf', 'a b.pdf', 12, $1, $2)";
    beside.host.execute(sql, vec![now, row.into()]).await;
    let (heard, _) = beside.heard().await;
    assert_eq!((heard.row_id, heard.text.as_str()), (row, "see the file"));
    let file = &heard.attachments[0];
    assert_eq!(
        (file.filename.as_str(), file.file_size, file.download_url.as_str()),
        ("a b.pdf", 12, "/messages/download/1/")
    );
    assert_eq!(file.url, "/media/message_attachments/2026/04/01/a%20b.pdf");
    let conversation = beside.conversation(1, 2).await;
    until("the message has its file", || async {
        let shown = beside.shown(2, conversation).await;
        shown.first().is_some_and(|message| message.attachments.first().is_some_and(|found| found.url == file.url))
    })
    .await;
    beside.host.execute("DELETE FROM message_attachments_table", Vec::new()).await;
    until("the file is gone", || async { beside.shown(2, conversation).await[0].attachments.is_empty() }).await;
}

async fn rows_that_no_trigger_noticed_are_found_and_the_triggers_restored(server: HostServer) {
    let beside = Beside::start_with(&server, "findit", &[("mirror.scan_ms", "200")]).await;
    let conversation = beside.conversation(1, 2).await;
    let known = beside.host.insert(1, 2, "known").await;
    until_shown(&beside, 2, conversation, &["known"]).await;
    let profile = beside.app.profile.clone().expect("a profile");
    let database = &beside.host.database;
    let lost = triggers::uninstall_sql(database.kind(), &triggers::watched_tables(&profile));
    let lost = lost.into_iter().filter(|sql| sql.starts_with("DROP TRIGGER"));
    triggers::run_all(database, lost.collect()).await.expect("the triggers are dropped");
    beside.host.insert(1, 2, "unnoticed").await;
    beside.host.set(known, "is_read", true).await;
    until_shown(&beside, 2, conversation, &["known", "unnoticed"]).await;
    until("the read row is read", || async { beside.unread(2).await == 1 }).await;
    until("the repair is counted", || async { beside.app.metrics.mirror.repaired.get() > 0 }).await;
}

async fn without_triggers_rows_reads_and_deletions_are_found(server: HostServer) {
    let more = [("mirror.triggers", "none"), ("mirror.poll_ms", "20"), ("mirror.scan_ms", "200")];
    let beside = Beside::start_with(&server, "findit", &more).await;
    let row = beside.host.insert(1, 2, "one").await;
    beside.host.insert(1, 2, "two").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one", "two"]).await;
    beside.host.set(row, "is_read", true).await;
    until("one is unread", || async { beside.unread(2).await == 1 }).await;
    beside.host.delete(row).await;
    until_shown(&beside, 2, conversation, &["two"]).await;
}

async fn a_message_to_oneself_is_heard_and_belongs_to_no_conversation(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    beside.listen(&[1]).await;
    let row = beside.host.insert(1, 1, "a note").await;
    let (heard, people) = beside.heard().await;
    assert_eq!((heard.row_id, people), (row, 1));
    assert_eq!(beside.unread(1).await, 0);
}
