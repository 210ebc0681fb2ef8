//! Edge cases of synchronization (I5, I6), one test each: lost, late and partial answers, and what must not move a
//! cursor.

use crate::harness::{Server, Setup, TestUser};
use parlor_client::{
    state::{State, events::position, needs::Need},
    sync::{Client, Tamper, poll::snapshot},
};
use parlor_protocol::{
    event::Event,
    ids::{ConversationId, Scope},
    model::{Conversation, Message},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const WITHIN: Duration = Duration::from_secs(10);

/// Drops every event of a conversation, and counts them.
fn drop_events_of(conversation: ConversationId) -> (Tamper, Arc<AtomicUsize>) {
    let lost = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lost);
    let tamper: Tamper = Box::new(move |_, event: Event| {
        if position(&event).is_some_and(|(scope, ..)| scope == Scope::Conversation(conversation)) {
            counter.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        vec![event]
    });
    (tamper, lost)
}

fn has(conversation: ConversationId, message: &Message) -> impl Fn(&State) -> bool {
    let id = message.id;
    move |state| state.messages(conversation).any(|held| held.id == id)
}

async fn assert_equals_store(client: &Client, user: &TestUser) {
    let fresh = snapshot(&user.api, user.id, user.fan_out_max).await.expect("a snapshot");
    let found = client.state.normal_form().differences_from(&fresh.normal_form());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Waits until live events alone, without heads, make the client equal to the store.
async fn wait_until_equals_store(client: &mut Client, user: &TestUser) {
    let fresh = snapshot(&user.api, user.id, user.fan_out_max).await.expect("a snapshot").normal_form();
    let equal = client.run_until(WITHIN, |state| state.normal_form().differences_from(&fresh).is_empty()).await;
    let found = client.state.normal_form().differences_from(&fresh);
    assert!(equal.is_ok(), "live events do not suffice: {}", found.join("\n"));
}

async fn three_users(server: &Server) -> (TestUser, TestUser, TestUser) {
    (server.user("ada").await, server.user("ben").await, server.user("cleo").await)
}

#[tokio::test]
async fn a_lost_event_is_not_skipped_when_another_conversation_advances() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let with_ben = ada.open_direct(&ben).await.id;
    let with_cleo = ada.open_direct(&cleo).await.id;
    let mut client = ada.connect().await;
    let cursor = client.state.cursor();

    let (tamper, lost) = drop_events_of(with_ben);
    client.set_tamper(Some(tamper));
    let unheard = ben.send(with_ben, "unheard").await;
    client.run_until(WITHIN, |_| lost.load(Ordering::Relaxed) > 0).await.expect("the event arrives and is dropped");
    let received = cleo.send(with_cleo, "heard").await;
    client.run_until(WITHIN, has(with_cleo, &received)).await.expect("the other conversation advances");
    assert!(!has(with_ben, &unheard)(&client.state));
    assert_eq!(client.state.cursor(), cursor, "no live event moves the cursor");

    client.set_tamper(None);
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert!(has(with_ben, &unheard)(&client.state));
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_missed_removal_is_reported_as_gone() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let group = ben.group("tram 18", &[&ada, &cleo]).await;
    let mut client = ada.connect().await;
    let (tamper, lost) = drop_events_of(group);
    client.set_tamper(Some(tamper));

    let mut bens = ben.connect().await;
    bens.remove_member(group, ada.id).await.expect("an owner removes");
    client.run_until(WITHIN, |_| lost.load(Ordering::Relaxed) > 0).await.expect("the event arrives and is dropped");
    assert!(client.state.conversation(group).is_some());
    client.set_tamper(None);
    client.resume().await.expect("heads");
    assert!(client.state.conversation(group).is_none());
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_member_removed_and_added_again_while_offline_keeps_nothing_from_before() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let group = ben.group("tram 18", &[&ada, &cleo]).await;
    let early = ben.send(group, "before").await;
    let mut client = ada.connect().await;
    assert!(has(group, &early)(&client.state));
    client.disconnect();

    let mut bens = ben.connect().await;
    bens.remove_member(group, ada.id).await.expect("an owner removes");
    ben.send(group, "while away").await;
    bens.add_members(group, vec![ada.id]).await.expect("an owner adds");
    let late = ben.send(group, "after").await;
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    let texts: Vec<_> = client.state.messages(group).map(|message| message.text.as_str()).collect();
    // The system line about the addition, and everything after it.
    assert_eq!(texts, ["", late.text.as_str()]);
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_removed_member_receives_nothing_more() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let group = ben.group("tram 18", &[&ada, &cleo]).await;
    let with_ben = ada.open_direct(&ben).await.id;
    let mut client = ada.connect().await;
    let received = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&received);
    client.set_tamper(Some(Box::new(move |_, event| {
        let about = position(&event).is_some_and(|(scope, ..)| scope == Scope::Conversation(group));
        if about && !matches!(event, Event::MembersUpdated { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        vec![event]
    })));
    let mut bens = ben.connect().await;
    bens.remove_member(group, ada.id).await.expect("an owner removes");
    for _ in 0..5 {
        cleo.send(group, "among ourselves").await;
    }
    let last = ben.send(with_ben, "to you").await;
    client.run_until(WITHIN, has(with_ben, &last)).await.expect("later events arrive");
    assert!(client.state.conversation(group).is_none());
    assert_eq!(received.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn heads_whose_fetch_failed_are_listed_again() {
    let server = Setup::new().with("limits.heads_changes_max", 1).start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let (with_ben, with_cleo) = (ada.open_direct(&ben).await.id, ada.open_direct(&cleo).await.id);
    let mut client = ada.connect().await;
    client.disconnect();
    let first = ben.send(with_ben, "one").await;
    let second = cleo.send(with_cleo, "two").await;

    // Heads list both; the changes of one are included, the fetch of the other never arrives.
    let cursor = client.state.cursor();
    let requested = client.state.request_tick();
    let heads = ada.api.events(cursor, 0).await.expect("heads");
    assert_eq!((heads.heads.len(), heads.changes.len()), (2, 1));
    client.state.apply_heads(heads, requested);
    let needs = client.state.needs();
    assert!(matches!(needs[..], [Need::Changes(..)]), "{needs:?}");
    assert_eq!(client.state.cursor(), cursor, "one of the named is missing");

    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert!(has(with_ben, &first)(&client.state) && has(with_cleo, &second)(&client.state));
    assert_ne!(client.state.cursor(), cursor);
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_conversation_that_moves_between_two_pages_of_the_list_is_not_missed() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut conversations = Vec::new();
    for name in ["ben", "cleo", "dan", "eve"] {
        let other = server.user(name).await;
        conversations.push((ada.open_direct(&other).await.id, other));
    }
    let mut client = ada.client();
    let requested = client.state.request_tick();
    let page = ada.api.conversations(None, Some(2)).await.expect("the first page");
    let cursor = page.cursor;
    let next = client.state.apply_conversation_page(page, requested);
    assert!(next.is_some());

    // The oldest becomes the newest: the second page no longer has it.
    let (oldest, other) = &conversations[0];
    let message = other.send(*oldest, "up").await;
    let page = ada.api.conversations(next.as_deref(), Some(2)).await.expect("the second page");
    assert!(page.conversations.iter().all(|conversation| conversation.id != *oldest));
    assert_ne!(page.cursor, cursor);
    assert_eq!(client.state.apply_conversation_page(page, requested), None);
    client.state.finish_list(client.state.request_tick());
    assert_eq!(client.state.cursor(), Some(cursor), "the lowest of the cursors is kept");

    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert!(has(*oldest, &message)(&client.state));
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn missed_messages_come_in_pages_without_gaps() {
    let server = Setup::new().with("limits.page_rows_max", 3).with("limits.page_rows", 3).start().await;
    let (ada, ben, _) = three_users(&server).await;
    let conversation = ada.open_direct(&ben).await.id;
    let mut client = ada.connect().await;
    let since = client.state.conversation(conversation).expect("loaded").version;
    client.disconnect();
    for number in 0..10 {
        ben.send(conversation, &format!("number {number}")).await;
    }
    let page = ada.api.changes(conversation, since).await.expect("changes");
    assert!(page.more && page.conversation.is_none() && page.messages.len() == 3);
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert_eq!(client.state.messages(conversation).count(), 10);
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn too_many_changes_bring_the_newest_page_and_too_many_conversations_a_reset() {
    let limits = Setup::new().with("limits.changes_rows_max", 5).with("limits.page_rows", 3);
    let server = limits.with("limits.heads_max", 2).start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let mut conversations = vec![ada.open_direct(&ben).await.id, ada.open_direct(&cleo).await.id];
    let mut client = ada.connect().await;
    client.disconnect();
    for _ in 0..6 {
        ben.send(conversations[0], "too much").await;
    }
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert_eq!((client.state.messages(conversations[0]).count(), client.state.resets()), (3, 1));
    assert_equals_store(&client, &ada).await;

    client.disconnect();
    conversations.push(ben.group("tram 18", &[&ada]).await);
    for conversation in &conversations {
        ada.send(*conversation, "too many").await;
    }
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert_eq!(client.state.resets(), 2);
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn an_ordinary_restart_resets_no_client() {
    let mut server = Server::start().await;
    let (ada, ben, _) = three_users(&server).await;
    let conversation = ada.open_direct(&ben).await.id;
    let mut client = ada.connect().await;
    for round in 0..4 {
        ben.send(conversation, "before").await;
        if round % 2 == 0 {
            server.kill();
        } else {
            server.stop().await;
        }
        server.restart().await;
        let message = ben.send(conversation, "after").await;
        client.connect().await.expect("a socket");
        client.settle(WITHIN).await.expect("everything is fetched");
        assert!(has(conversation, &message)(&client.state));
    }
    assert_eq!(client.state.resets(), 1, "the first resume had no cursor");
    assert_equals_store(&client, &ada).await;
}

/// Messages sent after the backup are gone; the client notices, even if as many were sent again.
async fn restored(is_running: bool, messages_after: usize) {
    let mut server = Server::start().await;
    let (ada, ben, _) = three_users(&server).await;
    let conversation = ada.open_direct(&ben).await.id;
    ben.send(conversation, "kept").await;
    let folder = crate::harness::folder();
    let backup = folder.path().join("backup");
    if is_running {
        server.back_up(&backup);
    } else {
        server.stop().await;
        server.back_up(&backup);
        server.restart().await;
    }
    let mut client = ada.connect().await;
    for _ in 0..5 {
        ben.send(conversation, "not in the backup").await;
    }
    client.settle(WITHIN).await.expect("everything is fetched");
    assert_eq!(client.state.messages(conversation).count(), 6);

    server.stop().await;
    server.restore(&backup);
    server.restart().await;
    for _ in 0..messages_after {
        ben.send(conversation, "written after the restore").await;
    }
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert_eq!(client.state.resets(), 2, "with {messages_after} messages after the restore");
    assert!(client.state.messages(conversation).all(|message| message.text != "not in the backup"));
    assert_eq!(client.state.messages(conversation).count(), 1 + messages_after);
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_restored_backup_of_a_stopped_server_is_detected() {
    restored(false, 0).await;
    restored(false, 30).await;
}

#[tokio::test]
async fn a_restored_backup_of_a_running_server_is_detected() {
    restored(true, 0).await;
    restored(true, 30).await;
}

#[tokio::test]
async fn a_restored_backup_reverts_live_events_received_after_it() {
    let mut server = Server::start().await;
    let (ada, ben, _) = three_users(&server).await;
    let conversation = ada.open_direct(&ben).await.id;
    // The cursor is older than the backup, and live events do not move it.
    let mut client = ada.connect().await;
    let folder = crate::harness::folder();
    let backup = folder.path().join("backup");
    server.back_up(&backup);
    let message = ben.send(conversation, "not in the backup").await;
    client.run_until(WITHIN, has(conversation, &message)).await.expect("a live event");
    server.stop().await;
    server.restore(&backup);
    server.restart().await;
    client.connect().await.expect("a socket");
    client.settle(WITHIN).await.expect("everything is fetched");
    assert!(!has(conversation, &message)(&client.state));
    assert_equals_store(&client, &ada).await;
}

#[tokio::test]
async fn a_cursor_of_another_server_is_reset() {
    let (one, other) = (Server::start().await, Server::start().await);
    let ada = one.user("ada").await;
    let elsewhere = other.user("ada").await;
    let cursor = elsewhere.connect().await.state.cursor();
    let heads = ada.api.events(cursor, 0).await.expect("heads");
    assert!(heads.reset && heads.heads.is_empty());
}

/// What must hold for every answer about a conversation that only receives messages of others.
fn assert_one_snapshot(conversation: &Conversation) {
    let last = conversation.last_message.as_ref().expect("it has messages");
    assert_eq!(conversation.last_seq, last.seq);
    assert_eq!(conversation.activity.0, last.id.0);
    assert_eq!(conversation.version.0, last.id.0);
    assert_eq!(i64::from(conversation.unread), last.seq.0.min(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_several_statements_is_one_snapshot() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let group = ben.group("tram 18", &[&ada, &cleo]).await;
    ben.send(group, "first").await;
    let is_over = Arc::new(AtomicUsize::new(0));
    let writers = [ben, cleo].map(|user| {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            while is_over.load(Ordering::Relaxed) == 0 {
                user.send(group, "and on").await;
            }
        })
    });
    let mut last = 0;
    for _ in 0..60 {
        let page = ada.api.conversations(None, None).await.expect("a list");
        page.conversations.iter().for_each(assert_one_snapshot);
        let answer = ada.api.conversation(group).await.expect("a conversation");
        assert_one_snapshot(&answer.conversation);
        assert!(answer.cursor.version >= answer.conversation.version);
        let newest = ada.api.messages(group, "limit=5").await.expect("messages");
        assert_eq!(newest.next, None);
        assert_eq!(newest.messages.last().map(|message| message.id.0), Some(newest.version.0));
        let since = page.cursor.version;
        let changes = ada.api.changes(group, since).await.expect("changes");
        if let Some(conversation) = &changes.conversation {
            assert_one_snapshot(conversation);
            assert_eq!(changes.version, conversation.version);
            let reported = changes.messages.last().map_or(since.0, |message| message.id.0);
            assert!(reported == changes.version.0 || changes.messages.is_empty());
        }
        let heads = ada.api.events(Some(page.cursor), 0).await.expect("heads");
        for head in &heads.heads {
            assert!(head.version <= heads.cursor.version);
        }
        for changes in &heads.changes {
            assert!(changes.version <= heads.cursor.version);
        }
        last = newest.messages.last().map_or(0, |message| message.seq.0);
    }
    is_over.store(1, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer ends well");
    }
    assert!(last > 10, "there was writing all the time");
}

#[tokio::test]
async fn socket_long_poll_and_plain_poll_reach_the_same_state() {
    let server = Server::start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let group = ben.group("tram 18", &[&ada, &cleo]).await;
    let (mut by_socket, mut by_poll, mut by_long_poll) = (ada.connect().await, ada.client(), ada.client());
    by_poll.poll(0).await.expect("a round");
    by_long_poll.poll(0).await.expect("a round");

    let waiting = tokio::spawn(async move {
        by_long_poll.poll(25).await.expect("a round");
        by_long_poll
    });
    let message = ben.send(group, "hello").await;
    by_socket.run_until(WITHIN, has(group, &message)).await.expect("a live event");
    let by_long_poll = tokio::time::timeout(WITHIN, waiting).await.expect("an answer at once").expect("a round");
    by_poll.poll(0).await.expect("a round");
    for client in [&by_socket, &by_poll, &by_long_poll] {
        assert!(has(group, &message)(&client.state));
        assert_equals_store(client, &ada).await;
    }
}

#[tokio::test]
async fn a_large_group_whose_owner_leaves_has_another() {
    let server = Setup::new().with("limits.conversation_fan_out_max", 2).start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let others = [server.user("dan").await, server.user("eve").await];
    let group = ben.group("tram 18", &[&ada, &cleo, &others[0], &others[1]]).await;
    let mut bens = ben.connect().await;
    bens.remove_member(group, ben.id).await.expect("an owner may leave");
    let mut adds = 0;
    for user in [&ada, &cleo, &others[0], &others[1]] {
        let mut client = user.connect().await;
        adds += u32::from(client.add_members(group, vec![ben.id]).await.is_ok());
    }
    assert_eq!(adds, 1, "one of them owns it now and may add");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_cross_the_fan_out_limit_in_one_batch_reach_every_member() {
    let server = Setup::new().with("limits.conversation_fan_out_max", 3).start().await;
    let (ada, ben, cleo) = three_users(&server).await;
    let mut leaving = Vec::new();
    for name in ["dan", "eve", "fay", "gus"] {
        leaving.push(server.user(name).await);
    }
    let mut everyone = vec![&ada, &cleo];
    everyone.extend(&leaving);
    for _ in 0..5 {
        let group = ben.group("tram 18", &everyone).await;
        let mut clients = [ada.connect().await, ben.connect().await, cleo.connect().await];
        let mut at_once = tokio::task::JoinSet::new();
        for round in 0..20 {
            let (writer, other) = (ada.clone(), leaving.get(round / 4).cloned());
            at_once.spawn(async move {
                if let Some(user) = other.filter(|_| round % 4 == 1) {
                    user.leave(group).await;
                } else {
                    writer.send(group, "meanwhile").await;
                }
            });
        }
        while let Some(ended) = at_once.join_next().await {
            ended.expect("all of it is allowed");
        }
        for (client, user) in clients.iter_mut().zip([&ada, &ben, &cleo]) {
            wait_until_equals_store(client, user).await;
        }
    }
}
