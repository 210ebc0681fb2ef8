//! Cursors, heads and changes: the edge cases of synchronization.

use super::{TestCluster, conformance};
use futures_util::future::join_all;
use parlor::{
    domain::{Change, Which},
    identity::actor::Actor,
    sync,
};
use parlor_protocol::{
    close::Close,
    cursor::Cursor,
    error::Code,
    ids::{ConversationId, Epoch, Scope, SessionId, UserId, Version},
    model::SystemLine,
    reply::Heads,
};
use std::time::Duration;

conformance! {
    heads_list_changed_and_left_scopes_and_nothing_else,
    an_ordinary_restart_resets_no_client,
    a_cursor_from_a_lost_future_is_reset,
    too_many_changes_are_a_reset,
    one_answer_is_one_snapshot_while_others_write,
    changes_are_paged_and_complete,
    changes_since_a_future_version_are_a_reset,
    a_new_member_sees_messages_from_joining_on,
    a_session_that_ends_before_it_is_attached_leaves_nothing,
    a_resume_reports_nothing_or_everything_missed,
}

async fn heads(cluster: &TestCluster, user: UserId, cursor: Cursor) -> Heads {
    sync::heads(&cluster.app, user, Some(cursor)).await.expect("the store is available")
}

async fn cursor_of(cluster: &TestCluster, user: UserId) -> Cursor {
    sync::heads(&cluster.app, user, None).await.expect("the store is available").cursor
}

async fn heads_list_changed_and_left_scopes_and_nothing_else(cluster: TestCluster) {
    let one = cluster.direct("Ada", "Ben").await;
    let two = cluster.group("Ada", &["Ben", "Cleo"]).await;
    let three = cluster.direct("Ada", "Cleo").await;
    let ben = cluster.user("Ben").await;
    let start = cursor_of(&cluster, ben).await;
    assert!(heads(&cluster, ben, start).await.heads.is_empty());

    let sent = cluster.send("Ada", one, "hello").await;
    cluster.send("Ada", three, "not for Ben").await;
    cluster.remove("Ada", two, "Ben").await.expect("removed");
    cluster.send("Ada", two, "without Ben").await;
    let answer = heads(&cluster, ben, start).await;
    assert_eq!(answer.heads.len(), 1);
    assert_eq!((answer.heads[0].scope, answer.heads[0].version), (Scope::Conversation(one), sent.change.version));
    assert_eq!(answer.gone, [Scope::Conversation(two)]);
    assert_eq!(answer.changes[0].messages, [sent.message]);
    assert!(!answer.reset && heads(&cluster, ben, answer.cursor).await.gone.is_empty());
}

async fn an_ordinary_restart_resets_no_client(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let before = cursor_of(&cluster, ben).await;
    cluster.send("Ada", conversation, "before").await;
    let again = cluster.another_node().await;
    super::send(&again, cluster.user("Ada").await, conversation, "k", "after").await.expect("sent");
    let answer = sync::heads(&again, ben, Some(before)).await.expect("there");
    assert!(!answer.reset);
    assert_eq!(answer.changes[0].messages.len(), 2);
    assert_ne!(answer.cursor.epoch, before.epoch, "the epoch is that of the newest start");
}

async fn a_cursor_from_a_lost_future_is_reset(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let good = cursor_of(&cluster, ben).await;
    let next = cluster.another_node().await;
    cluster.send("Ada", conversation, "one").await;
    // Issued in an epoch that had already ended: its version cannot be in this database's past.
    let beyond = Cursor { epoch: good.epoch, version: Version(good.version.0 + 1) };
    for cursor in [beyond, Cursor { epoch: Epoch(4711), version: Version(1) }] {
        let answer = sync::heads(&next, ben, Some(cursor)).await.expect("there");
        assert!(answer.reset && answer.heads.is_empty(), "{cursor}");
    }
    let future = cursor_of(&cluster, ben).await;
    let future = Cursor { version: Version(future.version.0 + 1), ..future };
    assert!(heads(&cluster, ben, future).await.reset);
    assert!(!heads(&cluster, ben, good).await.reset);
}

async fn too_many_changes_are_a_reset(cluster: TestCluster) {
    let small = cluster.node_with(&[("limits.heads_max", "2"), ("limits.changes_rows_max", "3")]).await;
    let ben = cluster.user("Ben").await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let start = cursor_of(&cluster, ben).await;
    for number in 0..4 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let answer = sync::heads(&small, ben, Some(start)).await.expect("there");
    assert!(!answer.reset && answer.changes[0].reset, "four messages are more than three");
    assert_eq!(answer.changes[0].messages.last().expect("the newest page").seq.0, 4);
    cluster.direct("Cleo", "Ben").await;
    cluster.direct("Dan", "Ben").await;
    assert!(sync::heads(&small, ben, Some(start)).await.expect("there").reset, "three scopes are more than two");
}

async fn one_answer_is_one_snapshot_while_others_write(cluster: TestCluster) {
    let mut conversations = Vec::new();
    for name in ["Ben", "Cleo", "Dan"] {
        conversations.push(cluster.direct("Ada", name).await);
    }
    let (ada, ben) = (cluster.user("Ada").await, cluster.user("Ben").await);
    let writer = cluster.another_node().await;
    let others = conversations.clone();
    let writing = tokio::spawn(async move {
        for number in 0..150_usize {
            let place = others[number % others.len()];
            super::send(&writer, ada, place, &format!("w{number}"), "text").await.expect("sent");
        }
    });
    let mut looks = 0;
    while !writing.is_finished() {
        let looking = cluster.app.store.read(move |snapshot| {
            let (list, _) = snapshot.list_conversations(ada, None, 50)?;
            let mut pages = Vec::new();
            for conversation in &list {
                let page = parlor::store::snapshot::PageAnchor::Newest;
                pages.push(snapshot.messages(ada, conversation.id, page, 1)?.expect("a member"));
            }
            Ok((snapshot.cursor.version, list, pages))
        });
        let (at, list, pages) = looking.await.expect("read");
        for (conversation, page) in list.iter().zip(&pages) {
            assert!(conversation.version <= at, "nothing is newer than the clock of its answer");
            assert_eq!(conversation.last_message.as_ref().map_or(0, |message| message.seq.0), conversation.last_seq.0);
            assert_eq!(page.messages.first(), conversation.last_message.as_ref());
        }
        looks += 1;
    }
    writing.await.expect("the writer is done");
    assert!(looks > 0);
    let unread = cluster
        .app
        .store
        .read(move |snapshot| snapshot.conversation(ben, conversations[0]))
        .await
        .expect("read")
        .expect("a member")
        .unread;
    assert_eq!(unread, 50);
}

async fn changes_are_paged_and_complete(cluster: TestCluster) {
    let small = cluster.node_with(&[("limits.page_rows_max", "3")]).await;
    let conversation: ConversationId = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    for number in 0..8 {
        cluster.send("Ada", conversation, &format!("{number}")).await;
    }
    let mut since = Version(0);
    let mut seqs = Vec::new();
    loop {
        let changes = small
            .store
            .read(move |snapshot| snapshot.changes(ben, conversation, since))
            .await
            .expect("read")
            .expect("a member");
        assert!(changes.version > since && changes.messages.len() <= 3);
        assert_eq!(changes.more, changes.conversation.is_none());
        seqs.extend(changes.messages.iter().map(|message| message.seq.0));
        since = changes.version;
        if !changes.more {
            break;
        }
    }
    assert_eq!(seqs, (1..=8).collect::<Vec<_>>());
}

async fn changes_since_a_future_version_are_a_reset(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ben = cluster.user("Ben").await;
    let now = cluster.send("Ada", conversation, "hello").await.change.version;
    for (since, is_reset) in [(now, false), (Version(now.0 + 1), true), (Version(i64::MAX), true)] {
        let changes = cluster.app.store.read(move |snapshot| snapshot.changes(ben, conversation, since)).await;
        let changes = changes.expect("read").expect("a member");
        assert_eq!((changes.reset, changes.messages.len()), (is_reset, usize::from(is_reset)), "since {since}");
        assert_eq!((changes.version, changes.conversation.is_some()), (now, true));
    }
}

async fn a_new_member_sees_messages_from_joining_on(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    cluster.send("Ada", conversation, "before").await;
    let (ada, cleo) = (cluster.user("Ada").await, cluster.user("Cleo").await);
    let add = Change::AddMembers { actor: ada, conversation, users: vec![cleo], history: None };
    cluster.app.commit.submit(add).await.expect("added");
    let seen = cluster
        .app
        .store
        .read(move |snapshot| snapshot.conversation(cleo, conversation))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!((seen.unread, seen.last_seq.0), (0, 2));
    let line = seen.last_message.expect("that she was added").system;
    assert_eq!(line, Some(SystemLine::Added { users: vec![cleo] }));
    cluster.send("Ada", conversation, "after").await;
    let page = parlor::store::snapshot::PageAnchor::Around(parlor_protocol::ids::Seq(1));
    let page = cluster
        .app
        .store
        .read(move |snapshot| snapshot.messages(cleo, conversation, page, 10))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!(page.messages.iter().map(|message| message.seq.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((page.previous, page.next), (None, None));
}

/// Between its lookup and its attachment a session may end in two ways: this node learns of it before the connection
/// exists, or only afterwards.
async fn a_session_that_ends_before_it_is_attached_leaves_nothing(cluster: TestCluster) {
    let user = cluster.user("Ada").await;
    let end = || cluster.app.commit.submit(Change::EndSessions { user, which: Which::All });
    // The session is unused by now.
    let actor = Actor { user, session: SessionId(4711) };
    let looked_up_at = cluster.app.hub.session_ends();
    end().await.expect("ended");
    let reported = async {
        while cluster.app.hub.session_ends() == looked_up_at {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reported).await.expect("told");
    let refused = sync::poll(&cluster.app, (actor, looked_up_at), None, Duration::ZERO).await;
    assert_eq!(super::code(refused), Code::NotSignedIn);
    assert!(!cluster.app.is_signed_in(actor, looked_up_at).await.expect("the store is available"));

    let attached = cluster.app.hub.attach(user, actor.session).await.expect("attached");
    end().await.expect("ended");
    let closed = tokio::time::timeout(Duration::from_secs(10), attached.send_queue.until_closed()).await;
    assert_eq!(closed.expect("closed"), Close::SessionEnded);
}

async fn a_resume_reports_nothing_or_everything_missed(cluster: TestCluster) {
    let one = cluster.direct("Ada", "Ben").await;
    let users = [cluster.user("Ada").await, cluster.user("Ben").await, cluster.user("Cleo").await];
    let start = cursor_of(&cluster, users[0]).await;
    let later = cluster.another_node().await;
    cluster.send("Ada", one, "hello").await;
    // All at once, so that one statement answers them.
    let cursors = [Some(start), Some(Cursor { version: Version(0), ..start }), None];
    let requested = users.iter().flat_map(|user| cursors.map(|cursor| (*user, cursor)));
    let answers = join_all(requested.clone().map(|(user, cursor)| sync::heads(&later, user, cursor))).await;
    for ((user, cursor), answer) in requested.zip(answers) {
        let answer = answer.expect("the store is available");
        let since = cursor.map_or(Version(0), |cursor| cursor.version);
        let reading = later.store.read(move |snapshot| Ok((snapshot.cursor, snapshot.heads(user, since)?)));
        let (now, found) = reading.await.expect("read");
        assert_eq!((answer.user, answer.cursor, answer.reset), (user, now, cursor.is_none()));
        let Some(cursor) = cursor else { continue };
        let (heads, gone) = found.expect("few");
        assert_eq!((answer.heads, answer.gone), (heads, gone), "{user:?} since {cursor}");
    }
}
