//! What Parlor's users do is in the application's table.

use super::{Beside, HostServer, key, on_all_hosts, until, until_rows, until_shown};
use parlor::{
    domain::{Change, HostRowKey},
    host_side::{HostSide, MessageTarget},
    mirror::NewHostRow,
    profile::write_rule::WriteRule,
};
use parlor_protocol::{error::Code, ids::Seq, model::ContextKey};

on_all_hosts! {
    messages_edits_and_deletions_of_users_reach_the_host,
    only_rows_that_were_read_here_become_read_there,
    what_a_user_hides_is_hidden_from_their_side,
    a_row_that_is_sent_is_committed_and_heard_before_the_answer,
    nothing_is_sent_from_an_old_page_across_a_block,
    only_the_recipient_marks_a_row_as_read,
    reacting_to_a_message_does_not_revert_what_the_host_wrote,
    a_message_that_the_host_makes_unread_again_stays_unread,
    conversations_that_the_host_cannot_have_stay_here,
    a_rule_that_the_host_refuses_is_unavailable_and_a_rule_without_a_row_says_no,
}

async fn messages_edits_and_deletions_of_users_reach_the_host(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    beside.listen(&[2]).await;
    // The host's people and items are known from its first row on.
    beside.host.insert(2, 1, "hello").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 1, conversation, &["hello"]).await;
    beside.heard().await;
    let seq = beside.send(1, conversation, "hi ☂").await;
    until_rows(&beside.host, &[(2, 1, "hello", false), (1, 2, "hi ☂", false)]).await;
    let (heard, _) = beside.heard().await;
    assert_eq!((heard.text.as_str(), heard.sender.id.as_str()), ("hi ☂", "1"));
    let (actor, text) = (beside.user(1).await, Some("hi there".to_owned()));
    let edit = Change::Edit { actor, conversation, seq, text, mentions: vec![], subject: None };
    beside.app.commit.submit(edit).await.expect("edited");
    until_rows(&beside.host, &[(2, 1, "hello", false), (1, 2, "hi there", false)]).await;
    beside.app.commit.submit(Change::Delete { actor, conversation, seq }).await.expect("deleted");
    until_rows(&beside.host, &[(2, 1, "hello", false)]).await;
    beside.heard_nothing();
}

async fn only_rows_that_were_read_here_become_read_there(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    for text in ["one", "two", "three"] {
        beside.host.insert(1, 2, text).await;
    }
    beside.host.insert(3, 2, "another conversation").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one", "two", "three"]).await;
    let actor = beside.user(2).await;
    let mark = Change::Mark { actor, conversation, delivered: Seq(0), read: Seq(2) };
    beside.app.commit.submit(mark).await.expect("marked");
    let expected =
        [(1, 2, "one", true), (1, 2, "two", true), (1, 2, "three", false), (3, 2, "another conversation", false)];
    until_rows(&beside.host, &expected).await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    assert_eq!(mirror.unread_count(actor).await.expect("counted"), 2);
}

async fn what_a_user_hides_is_hidden_from_their_side(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    beside.host.insert(1, 2, "one").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one"]).await;
    let actor = beside.user(2).await;
    beside.app.commit.submit(Change::Hide { actor, conversation, seq: Seq(1) }).await.expect("hidden");
    until("the row is hidden from its recipient", || async {
        let sql = "SELECT deleted_by_sender, deleted_by_recipient FROM \"FindIt_message\"";
        let rows = beside.host.query(sql, Vec::new()).await;
        (rows[0].boolean(0), rows[0].boolean(1)) == (Ok(false), Ok(true))
    })
    .await;
}

async fn a_row_that_is_sent_is_committed_and_heard_before_the_answer(server: HostServer) {
    let mut beside = Beside::start(&server, "findit").await;
    beside.listen(&[1, 2]).await;
    // The item becomes a context with its first row.
    beside.host.insert(2, 1, "hello").await;
    beside.heard().await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    let new = NewHostRow {
        sender: beside.user(1).await,
        recipient: beside.user(2).await,
        context: Some(ContextKey { kind: "item".to_owned(), id: "5".to_owned() }),
        text: "from an old page".to_owned(),
        subject: None,
    };
    let row = mirror.send(new.clone()).await.expect("sent");
    let rows = beside.host.messages().await;
    assert_eq!(rows.last().map(|row| (row.0, row.3.as_str())), Some((row.row_id, "from an old page")));
    let (heard, people) = beside.heard().await;
    assert_eq!((&heard, people), (&row, 2));
    let conversation = beside.conversation(1, 2).await;
    assert_eq!(beside.texts(2, conversation).await, ["hello", "from an old page"]);
    let missing = ContextKey { kind: "item".to_owned(), id: "5".to_owned() };
    let nobody = NewHostRow { recipient: parlor_protocol::ids::UserId(999_999), context: Some(missing), ..new };
    assert_eq!(mirror.send(nobody).await.expect_err("there is nobody").code, Code::NotFound);
    beside.heard_nothing();
}

async fn nothing_is_sent_from_an_old_page_across_a_block(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    beside.host.insert(2, 1, "hello").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 1, conversation, &["hello"]).await;
    let [ada, ben] = [beside.user(1).await, beside.user(2).await];
    beside.app.commit.submit(Change::SetBlocked { actor: ada, user: ben, on: true }).await.expect("blocked");
    let mirror = beside.app.mirror.clone().expect("it runs");
    let row = |sender, recipient| NewHostRow { sender, recipient, context: None, text: "hi".to_owned(), subject: None };
    assert_eq!(mirror.send(row(ben, ada)).await.expect_err("refused").code, Code::NotAllowed);
    assert_eq!(mirror.send(row(ada, ben)).await.expect_err("refused").code, Code::Blocked);
    assert_eq!(beside.host.messages().await.len(), 1, "nothing was written");
    assert_eq!(beside.texts(1, conversation).await, ["hello"]);
}

async fn only_the_recipient_marks_a_row_as_read(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    let row = beside.host.insert(1, 2, "one").await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    assert_eq!(mirror.mark_read(beside.user(3).await, &[row]).await.expect("answered"), 0);
    assert_eq!(mirror.mark_read(beside.user(1).await, &[row]).await.expect("answered"), 0);
    until_rows(&beside.host, &[(1, 2, "one", false)]).await;
    assert_eq!(mirror.mark_read(beside.user(2).await, &[row, row + 1000]).await.expect("answered"), 1);
    until_rows(&beside.host, &[(1, 2, "one", true)]).await;
    assert_eq!(beside.unread(2).await, 0);
    assert_eq!(mirror.unread_count(beside.user(2).await).await.expect("counted"), 0);
    assert_eq!(mirror.mark_read(beside.user(2).await, &[row + 1000]).await.expect("answered"), 0);
}

async fn reacting_to_a_message_does_not_revert_what_the_host_wrote(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    let row = beside.host.insert(1, 2, "first").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["first"]).await;
    beside.host.set(row, "content", "second\r\nline").await;
    until_shown(&beside, 2, conversation, &["second\nline"]).await;
    let (actor, emoji) = (beside.user(2).await, "👍".to_owned());
    beside
        .app
        .commit
        .submit(Change::React { actor, conversation, seq: Seq(1), emoji, on: true })
        .await
        .expect("reacted");
    beside.send(1, conversation, "after it").await;
    until_rows(&beside.host, &[(1, 2, "second\r\nline", false), (1, 2, "after it", false)]).await;
}

async fn a_message_that_the_host_makes_unread_again_stays_unread(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    let row = beside.host.insert(1, 2, "one").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one"]).await;
    let actor = beside.user(2).await;
    let mark = Change::Mark { actor, conversation, delivered: Seq(0), read: Seq(1) };
    beside.app.commit.submit(mark).await.expect("marked");
    until_rows(&beside.host, &[(1, 2, "one", true)]).await;
    // Before Parlor has read its own write again, it could not tell that the host changed it back.
    until("Parlor knows that the row is read", || async {
        let key = HostRowKey { table: "messages_table".to_owned(), id: row };
        let known = beside.app.store.read(move |snapshot| snapshot.host_row(&key)).await.expect("read");
        known.is_some_and(|known| known.is_read)
    })
    .await;
    beside.host.set(row, "is_read", false).await;
    beside.send(1, conversation, "two").await;
    until_rows(&beside.host, &[(1, 2, "one", false), (1, 2, "two", false)]).await;
}

async fn conversations_that_the_host_cannot_have_stay_here(server: HostServer) {
    let beside = Beside::start(&server, "findit").await;
    // About nothing, which no row of this host can be.
    let (actor, user) = (beside.user(1).await, beside.user(2).await);
    let open =
        parlor_protocol::params::Open { client_id: key(), user: Some(user), role: None, group: None, context: None };
    let opened = beside.app.commit.submit(Change::Open { actor, open }).await.expect("opened");
    let parlor::domain::Outcome::Opened { conversation, .. } = opened else { panic!("{opened:?}") };
    beside.send(1, conversation, "between us").await;
    beside.host.insert(1, 2, "for all to see").await;
    until_rows(&beside.host, &[(1, 2, "for all to see", false)]).await;
    let about = beside.conversation(1, 2).await;
    until_shown(&beside, 2, about, &["for all to see"]).await;
    until_rows(&beside.host, &[(1, 2, "for all to see", false)]).await;
}

async fn a_rule_that_the_host_refuses_is_unavailable_and_a_rule_without_a_row_says_no(server: HostServer) {
    let beside = Beside::start(&server, "accounting").await;
    let mirror = beside.app.mirror.clone().expect("it runs");
    let target = MessageTarget { recipient: "2".to_owned(), context: None };
    for (rule, expected) in [
        ("SELECT 1 FROM \"$users\" WHERE \"$users.id\" = $recipient", Ok(true)),
        ("SELECT 1 FROM \"$users\" WHERE \"$users.id\" = $recipient AND $sender = $recipient", Ok(false)),
        ("SELECT 1 FROM \"no_such_table\" WHERE \"id\" = $recipient", Err(Code::Unavailable)),
        ("SELECT 1 FROM \"$users\" WHERE no_such_column = $recipient", Err(Code::Unavailable)),
        ("SELECT FROM WHERE $recipient", Err(Code::Unavailable)),
    ] {
        let Ok(WriteRule::Query(query)) = rule.parse() else { panic!("{rule} is a query") };
        let allowed = HostSide::is_allowed(&*mirror, &query, "1", &target).await;
        assert_eq!(allowed.map_err(|problem| problem.code), expected, "{rule}");
    }
}
