//! Cursors, heads and changes: the traps that synchronising has.

use super::{World, conformance};
use futures_util::future::join_all;
use parlor::{
    app::Actor,
    domain::{Change, Which},
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
    heads_name_what_changed_and_what_was_left_and_nothing_else,
    an_ordinary_restart_resets_nobody,
    a_cursor_of_a_lost_future_is_reset,
    too_much_at_once_is_a_reset,
    one_answer_is_one_snapshot_while_others_write,
    changes_are_paged_and_complete,
    changes_since_a_version_that_is_not_reached_are_a_reset,
    a_newcomer_sees_from_joining_on,
    a_session_that_ends_before_it_is_attached_keeps_nothing,
    whoever_missed_nothing_is_told_so_and_whoever_missed_something_all_of_it,
}

async fn heads(world: &World, user: UserId, cursor: Cursor) -> Heads {
    sync::heads(&world.app, user, Some(cursor)).await.expect("the store is there")
}

async fn cursor_of(world: &World, user: UserId) -> Cursor {
    sync::heads(&world.app, user, None).await.expect("the store is there").cursor
}

async fn heads_name_what_changed_and_what_was_left_and_nothing_else(world: World) {
    let one = world.direct("Ada", "Ben").await;
    let two = world.group("Ada", &["Ben", "Cleo"]).await;
    let three = world.direct("Ada", "Cleo").await;
    let ben = world.person("Ben").await;
    let start = cursor_of(&world, ben).await;
    assert!(heads(&world, ben, start).await.heads.is_empty());

    let sent = world.send("Ada", one, "hello").await;
    world.send("Ada", three, "not for Ben").await;
    world.remove("Ada", two, "Ben").await.expect("removed");
    world.send("Ada", two, "without Ben").await;
    let answer = heads(&world, ben, start).await;
    assert_eq!(answer.heads.len(), 1);
    assert_eq!((answer.heads[0].scope, answer.heads[0].version), (Scope::Conversation(one), sent.change.version));
    assert_eq!(answer.gone, [Scope::Conversation(two)]);
    assert_eq!(answer.changes[0].messages, [sent.message]);
    assert!(!answer.reset && heads(&world, ben, answer.cursor).await.gone.is_empty());
}

async fn an_ordinary_restart_resets_nobody(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let before = cursor_of(&world, ben).await;
    world.send("Ada", conversation, "before").await;
    let again = world.another_node().await;
    super::send(&again, world.person("Ada").await, conversation, "k", "after").await.expect("sent");
    let answer = sync::heads(&again, ben, Some(before)).await.expect("there");
    assert!(!answer.reset);
    assert_eq!(answer.changes[0].messages.len(), 2);
    assert_ne!(answer.cursor.epoch, before.epoch, "the epoch is that of the newest start");
}

async fn a_cursor_of_a_lost_future_is_reset(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let good = cursor_of(&world, ben).await;
    let next = world.another_node().await;
    world.send("Ada", conversation, "one").await;
    // Given out in an epoch that had ended before: its version cannot be of this store's past.
    let beyond = Cursor { epoch: good.epoch, version: Version(good.version.0 + 1) };
    for cursor in [beyond, Cursor { epoch: Epoch(4711), version: Version(1) }] {
        let answer = sync::heads(&next, ben, Some(cursor)).await.expect("there");
        assert!(answer.reset && answer.heads.is_empty(), "{cursor}");
    }
    let future = cursor_of(&world, ben).await;
    let future = Cursor { version: Version(future.version.0 + 1), ..future };
    assert!(heads(&world, ben, future).await.reset);
    assert!(!heads(&world, ben, good).await.reset);
}

async fn too_much_at_once_is_a_reset(world: World) {
    let small = world.node_with(&[("limits.heads_max", "2"), ("limits.changes_rows_max", "3")]).await;
    let ben = world.person("Ben").await;
    let conversation = world.direct("Ada", "Ben").await;
    let start = cursor_of(&world, ben).await;
    for number in 0..4 {
        world.send("Ada", conversation, &format!("{number}")).await;
    }
    let answer = sync::heads(&small, ben, Some(start)).await.expect("there");
    assert!(!answer.reset && answer.changes[0].reset, "four messages are more than three");
    assert_eq!(answer.changes[0].messages.last().expect("the newest page").seq.0, 4);
    world.direct("Cleo", "Ben").await;
    world.direct("Dan", "Ben").await;
    assert!(sync::heads(&small, ben, Some(start)).await.expect("there").reset, "three scopes are more than two");
}

async fn one_answer_is_one_snapshot_while_others_write(world: World) {
    let mut conversations = Vec::new();
    for name in ["Ben", "Cleo", "Dan"] {
        conversations.push(world.direct("Ada", name).await);
    }
    let (ada, ben) = (world.person("Ada").await, world.person("Ben").await);
    let writer = world.another_node().await;
    let others = conversations.clone();
    let writing = tokio::spawn(async move {
        for number in 0..150_usize {
            let place = others[number % others.len()];
            super::send(&writer, ada, place, &format!("w{number}"), "text").await.expect("sent");
        }
    });
    let mut looks = 0;
    while !writing.is_finished() {
        let looking = world.app.store.read(move |snapshot| {
            let (list, _) = snapshot.list(ada, None, 50)?;
            let mut pages = Vec::new();
            for conversation in &list {
                let page = parlor::store::snapshot::Page::Newest;
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
    let unread = world
        .app
        .store
        .read(move |snapshot| snapshot.conversation(ben, conversations[0]))
        .await
        .expect("read")
        .expect("a member")
        .unread;
    assert_eq!(unread, 50);
}

async fn changes_are_paged_and_complete(world: World) {
    let small = world.node_with(&[("limits.page_rows_max", "3")]).await;
    let conversation: ConversationId = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    for number in 0..8 {
        world.send("Ada", conversation, &format!("{number}")).await;
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

async fn changes_since_a_version_that_is_not_reached_are_a_reset(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ben = world.person("Ben").await;
    let now = world.send("Ada", conversation, "hello").await.change.version;
    for (since, is_reset) in [(now, false), (Version(now.0 + 1), true), (Version(i64::MAX), true)] {
        let changes = world.app.store.read(move |snapshot| snapshot.changes(ben, conversation, since)).await;
        let changes = changes.expect("read").expect("a member");
        assert_eq!((changes.reset, changes.messages.len()), (is_reset, usize::from(is_reset)), "since {since}");
        assert_eq!((changes.version, changes.conversation.is_some()), (now, true));
    }
}

async fn a_newcomer_sees_from_joining_on(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    world.send("Ada", conversation, "before").await;
    let (ada, cleo) = (world.person("Ada").await, world.person("Cleo").await);
    let add = Change::AddMembers { actor: ada, conversation, users: vec![cleo], history: None };
    world.app.commit.submit(add).await.expect("added");
    let seen = world
        .app
        .store
        .read(move |snapshot| snapshot.conversation(cleo, conversation))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!((seen.unread, seen.last_seq.0), (0, 2));
    let line = seen.last_message.expect("that she came").system;
    assert_eq!(line, Some(SystemLine::Added { users: vec![cleo] }));
    world.send("Ada", conversation, "after").await;
    let page = parlor::store::snapshot::Page::Around(parlor_protocol::ids::Seq(1));
    let page = world
        .app
        .store
        .read(move |snapshot| snapshot.messages(cleo, conversation, page, 10))
        .await
        .expect("read")
        .expect("a member");
    assert_eq!(page.messages.iter().map(|message| message.seq.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((page.previous, page.next), (None, None));
}

/// Between looking a session up and attaching it may end in two ways: this node is told of it before the connection is
/// there to be closed, or it is told only after.
async fn a_session_that_ends_before_it_is_attached_keeps_nothing(world: World) {
    let user = world.person("Ada").await;
    let end = || world.app.commit.submit(Change::EndSessions { user, which: Which::All });
    // Nobody has this session any more.
    let actor = Actor { user, session: SessionId(4711) };
    let looked_up_at = world.app.hub.ends();
    end().await.expect("ended");
    let told = async {
        while world.app.hub.ends() == looked_up_at {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("told");
    let refused = sync::poll(&world.app, (actor, looked_up_at), None, Duration::ZERO).await;
    assert_eq!(super::code(refused), Code::NotSignedIn);
    assert!(!world.app.is_signed_in(actor, looked_up_at).await.expect("the store is there"));

    let attached = world.app.hub.attach(user, actor.session).await.expect("attached");
    end().await.expect("ended");
    let closed = tokio::time::timeout(Duration::from_secs(10), attached.outbox.until_closed()).await;
    assert_eq!(closed.expect("closed"), Close::SessionEnded);
}

async fn whoever_missed_nothing_is_told_so_and_whoever_missed_something_all_of_it(world: World) {
    let one = world.direct("Ada", "Ben").await;
    let people = [world.person("Ada").await, world.person("Ben").await, world.person("Cleo").await];
    let start = cursor_of(&world, people[0]).await;
    let later = world.another_node().await;
    world.send("Ada", one, "hello").await;
    // All at once, so that they are answered together.
    let cursors = [Some(start), Some(Cursor { version: Version(0), ..start }), None];
    let asked = people.iter().flat_map(|user| cursors.map(|cursor| (*user, cursor)));
    let answers = join_all(asked.clone().map(|(user, cursor)| sync::heads(&later, user, cursor))).await;
    for ((user, cursor), answer) in asked.zip(answers) {
        let answer = answer.expect("the store is there");
        let since = cursor.map_or(Version(0), |cursor| cursor.version);
        let reading = later.store.read(move |snapshot| Ok((snapshot.cursor, snapshot.heads(user, since)?)));
        let (now, found) = reading.await.expect("read");
        assert_eq!((answer.user, answer.cursor, answer.reset), (user, now, cursor.is_none()));
        let Some(cursor) = cursor else { continue };
        let (heads, gone) = found.expect("few");
        assert_eq!((answer.heads, answer.gone), (heads, gone), "{user:?} since {cursor}");
    }
}
