//! The host's database is away, and Parlor is restarted.

use super::{Beside, Host, HostServer, until, until_rows, until_shown};
use parlor::mirror::NewHostRow;
use parlor_protocol::error::Code;
use std::fs;

/// Takes the host's database away, as when its disk is gone.
fn take_away(server: &HostServer) -> impl Fn() + use<> {
    let path = server.url.trim_start_matches("sqlite:").to_owned();
    let away = format!("{path}.away");
    // Connections keep an open file; a folder in its place is no database for new ones.
    fs::rename(&path, &away).expect("renamed");
    move || fs::rename(&away, &path).expect("renamed back")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_go_on_while_the_host_is_away_and_both_become_equal_when_it_is_back() {
    let server = HostServer::sqlite();
    let mut beside = Beside::start(&server, "accounting").await;
    beside.host.insert(1, 2, "before").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["before"]).await;
    beside.user(3).await;
    beside.app.stop().await;
    let bring_back = take_away(&server);
    beside.restart().await;
    beside.send(1, conversation, "while it is away").await;
    assert_eq!(beside.texts(2, conversation).await, ["before", "while it is away"]);
    let mirror = beside.app.mirror.clone().expect("it runs");
    let (sender, recipient) = (beside.user(1).await, beside.user(2).await);
    let new = NewHostRow { sender, recipient, context: None, text: "old page".to_owned(), subject: None };
    assert_eq!(mirror.send(new).await.expect_err("it is away").code, Code::Unavailable);
    assert_eq!(mirror.unread_count(recipient).await.expect_err("it is away").code, Code::Unavailable);
    bring_back();
    until_rows(&beside.host, &[(1, 2, "before", false), (1, 2, "while it is away", false)]).await;
    beside.host.insert(2, 1, "it is back").await;
    until_shown(&beside, 1, conversation, &["before", "while it is away", "it is back"]).await;
    until("the mirror works again", || async { beside.app.metrics.mirror.connected.get() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_while_parlor_was_stopped_is_caught_up_once() {
    let server = HostServer::sqlite();
    let mut beside = Beside::start(&server, "accounting").await;
    let first = beside.host.insert(1, 2, "one").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["one"]).await;
    beside.app.stop().await;
    beside.host.insert(1, 2, "two").await;
    beside.host.set(first, "is_read", true).await;
    beside.restart().await;
    until_shown(&beside, 2, conversation, &["one", "two"]).await;
    until("the first is read", || async { beside.unread(2).await == 1 }).await;
    beside.send(2, conversation, "three").await;
    until_rows(&beside.host, &[(1, 2, "one", true), (1, 2, "two", false), (2, 1, "three", false)]).await;
    beside.restart().await;
    beside.send(2, conversation, "four").await;
    let expected = [(1, 2, "one", true), (1, 2, "two", false), (2, 1, "three", false), (2, 1, "four", false)];
    until_rows(&beside.host, &expected).await;
    assert_eq!(beside.texts(1, conversation).await, ["one", "two", "three", "four"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_the_tables_is_waited_for() {
    let server = HostServer::sqlite();
    let host = Host::new(&server, "findit").await;
    host.execute("ALTER TABLE \"FindIt_message\" RENAME TO later", Vec::new()).await;
    let beside = Beside::start_beside(host.clone(), &[]).await;
    until("the mirror does not run", || async { beside.app.metrics.mirror.connected.get() == 0 }).await;
    host.execute("ALTER TABLE later RENAME TO \"FindIt_message\"", Vec::new()).await;
    host.insert(1, 2, "at last").await;
    let conversation = beside.conversation(1, 2).await;
    until_shown(&beside, 2, conversation, &["at last"]).await;
}
