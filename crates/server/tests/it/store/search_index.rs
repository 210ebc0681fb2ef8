//! The search index and its follower: it comes along, forgets what was deleted, and is written by one node at a time.

use super::{
    World, conformance,
    search::{of, search, texts},
};
use parlor::{
    app::App,
    domain::{Change, Look},
    store::{
        Settings, Store,
        consumers::{Place, Taker},
        index::{Document, FORMAT, Index, Writing},
    },
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{ConversationId, Epoch, MessageId, Seq, UserId, Version},
};
use std::{collections::BTreeSet, sync::Arc};

conformance! {
    what_was_edited_is_found_by_its_new_words_only,
    what_was_deleted_is_gone_at_once_and_for_good,
    what_was_hidden_stays_hidden_however_often_it_changes,
    lines_of_the_system_are_not_found,
    a_subject_is_found_and_shown_where_it_was_found,
    a_reaction_costs_the_index_nothing,
    changes_of_old_messages_reach_their_blocks,
    another_node_goes_on_where_the_first_stopped,
    whoever_lost_the_lease_writes_nothing,
    a_cursor_of_another_database_begins_anew,
    an_index_that_is_damaged_while_it_is_used_is_made_anew,
}

async fn change(world: &World, change: Change) {
    world.app.commit.submit(change).await.expect("allowed");
}

async fn edit(world: &World, name: &str, conversation: ConversationId, seq: Seq, text: &str) {
    let actor = world.person(name).await;
    change(world, Change::Edit { actor, conversation, seq, text: Some(text.to_owned()), subject: None }).await;
}

async fn what_was_edited_is_found_by_its_new_words_only(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let sent = world.send("Ada", conversation, "a black umbrella").await;
    world.indexed("Ada", conversation).await;
    edit(&world, "Ada", conversation, sent.message.seq, "a green umbrella").await;
    // Before the index knows.
    assert!(world.finds("Ben", "black").await.is_empty());
    world.indexed("Ada", conversation).await;
    assert!(world.finds("Ben", "black").await.is_empty());
    assert_eq!(world.finds("Ben", "green umb").await, ["a green umbrella"]);
    edit(&world, "Ada", conversation, sent.message.seq, "a black umbrella").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "black").await, ["a black umbrella"]);
    assert!(world.finds("Ben", "green").await.is_empty());
}

async fn what_was_deleted_is_gone_at_once_and_for_good(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let sent = world.send("Ada", conversation, "a canary").await;
    let other = world.send("Ada", conversation, "another canary").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "canary").await.len(), 2);
    let ada = world.person("Ada").await;
    change(&world, Change::Delete { actor: ada, conversation, seq: sent.message.seq }).await;
    assert_eq!(world.finds("Ben", "canary").await, ["another canary"]);
    change(&world, Change::Delete { actor: ada, conversation, seq: other.message.seq }).await;
    assert!(world.finds("Ben", "canary").await.is_empty());
    world.indexed("Ada", conversation).await;
    assert!(world.finds("Ben", "canary").await.is_empty());
}

async fn what_was_hidden_stays_hidden_however_often_it_changes(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let sent = world.send("Ada", conversation, "an umbrella").await;
    let ben = world.person("Ben").await;
    change(&world, Change::Hide { actor: ben, conversation, seq: sent.message.seq }).await;
    edit(&world, "Ada", conversation, sent.message.seq, "an umbrella, still").await;
    world.indexed("Ada", conversation).await;
    assert!(world.finds("Ben", "umbrella").await.is_empty());
    assert_eq!(world.finds("Ada", "umbrella").await, ["an umbrella, still"]);
}

async fn lines_of_the_system_are_not_found(world: World) {
    let conversation = world.group("Ada", &["Ben"]).await;
    let actor = world.person("Ada").await;
    let look = Look::Title("Umbrella hunters".to_owned());
    change(&world, Change::UpdateConversation { actor, conversation, look }).await;
    world.indexed("Ada", conversation).await;
    assert!(world.finds("Ben", "umbrella").await.is_empty());
    let all = search(&world.app, actor, parlor_protocol::params::Search { conversation: Some(conversation), ..of("") });
    let all = all.await.expect("a query");
    assert!(all.results.iter().all(|hit| hit.message.system.is_none()));
}

async fn a_subject_is_found_and_shown_where_it_was_found(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let content = parlor::domain::Content {
        subject: Some("About the umbrella".to_owned()),
        ..parlor::domain::Content::text("Is it black?")
    };
    let actor = world.person("Ada").await;
    change(&world, Change::Send { actor, conversation, client_id: world.key(), content }).await;
    world.indexed("Ada", conversation).await;
    let found = search(&world.app, actor, of("umbr black")).await.expect("a query");
    assert_eq!(texts(&found), ["Is it black?"]);
    let found = search(&world.app, actor, of("umbr")).await.expect("a query");
    let excerpt: String = found.results[0].excerpt.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(excerpt, "About the umbrella");
}

async fn a_reaction_costs_the_index_nothing(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let sent = world.send("Ada", conversation, "an umbrella").await;
    edit(&world, "Ada", conversation, sent.message.seq, "a green umbrella").await;
    world.indexed("Ada", conversation).await;
    let before = written(&world).await;
    let actor = world.person("Ben").await;
    for emoji in ["👍", "🌂"] {
        let (seq, emoji) = (sent.message.seq, emoji.to_owned());
        change(&world, Change::React { actor, conversation, seq, emoji, on: true }).await;
    }
    world.indexed("Ada", conversation).await;
    let after: BTreeSet<_> = written(&world).await.into_iter().filter(|row| row.contains("green")).collect();
    assert_eq!(after, before.into_iter().filter(|row| row.contains("green")).collect());
    assert_eq!(world.finds("Ben", "green").await, ["a green umbrella"]);
}

/// The terms that are words, with their slots, as texts.
async fn written(world: &World) -> BTreeSet<String> {
    let rows = world.connect_to_index().await.pairs("SELECT term, slots FROM search_terms").await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    rows.iter().map(|(term, slots)| format!("{} {:?}", text(term), text(slots))).collect()
}

async fn changes_of_old_messages_reach_their_blocks(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let old = world.send("Ada", conversation, "an old umbrella").await;
    // As if many changes lay between: the next messages are of later blocks.
    world.sql("UPDATE clock SET version = version + 100000").await;
    world.send("Ada", conversation, "a young umbrella").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "umbrella").await, ["a young umbrella", "an old umbrella"]);
    edit(&world, "Ada", conversation, old.message.seq, "an ancient thermos").await;
    world.send("Ada", conversation, "the youngest umbrella").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "umbrella").await, ["the youngest umbrella", "a young umbrella"]);
    assert_eq!(world.finds("Ben", "thermos").await, ["an ancient thermos"]);
    assert!(!written(&world).await.iter().any(|row| row.starts_with("wold ")), "old words leave the index");
}

async fn another_node_goes_on_where_the_first_stopped(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    world.send("Ada", conversation, "an umbrella").await;
    world.indexed("Ada", conversation).await;
    let other = world.another_node().await;
    world.app.stop().await;
    let ada = world.person("Ada").await;
    super::send(&other, ada, conversation, &world.key(), "another umbrella").await.expect("sent");
    world.indexed_by(&other, "Ada", conversation).await;
    let found = search(&other, ada, of("umbrella")).await.expect("a query");
    assert_eq!(texts(&found), ["another umbrella", "an umbrella"]);
    assert_eq!(other.metrics.search_rebuilds.get(), 0, "it went on, and did not begin anew");
}

/// The index of a world, opened beside its nodes, whose followers have stopped.
async fn index_of(world: &World) -> (Store, Index) {
    let app: &Arc<App> = &world.app;
    app.stop().await;
    let timeout = std::time::Duration::from_secs(5);
    let url = match (&app.config.store.url, world.folder()) {
        (Some(url), _) => url.0.clone(),
        (None, Some(folder)) => Settings::url_in_folder(folder),
        (None, None) => panic!("a world is somewhere"),
    };
    let (durability, limits) = (app.config.store.durability, app.config.limits.clone());
    let settings = Settings { url, durability, readers: 2, timeout, receipts: true, limits };
    let store = Store::open(&settings).await.expect("the store is there");
    let index = Index::open(&store, &settings).await.expect("the index is there");
    (store, index)
}

async fn whoever_lost_the_lease_writes_nothing(world: World) {
    let (_store, index) = index_of(&world).await;
    let taker =
        |holder: i64, now_ms: i64| Taker { holder: Epoch(holder), now_ms, until_ms: now_ms + 10, is_alone: false };
    let far = 9_000_000_000_000;
    let (first, place) = index.take(taker(1, far)).await.expect("there").expect("it was given back");
    assert_eq!(index.take(taker(2, far + 9)).await.expect("there"), None, "it is held");
    let (again, _) = index.take(taker(1, far + 5)).await.expect("there").expect("one's own can be taken again");
    assert_eq!(again.number, first.number + 1);
    let (second, _) = index.take(taker(2, far + 15)).await.expect("there").expect("it ran out");
    assert_eq!(second.number, again.number + 1);
    let cursor = Cursor { version: Version(77), ..place.cursor };
    let moved = Place { format: FORMAT, cursor, base: Version(0) };
    let document = || Document {
        message: MessageId(7),
        created_at: 0,
        terms: BTreeSet::from([b"wthief".to_vec()]),
        digest: None,
        is_kept: false,
    };
    let mut late = Writing::new(again, place);
    assert!(!index.feed(&mut late, vec![document()], moved, far + 99).await.expect("there"));
    assert!(!index.erase(&mut late, moved, far + 99).await.expect("there"));
    assert!(!index.advance(late.lease(), &moved, far + 99).await.expect("there"));
    index.release(late.lease()).await.expect("there");
    assert!(!written(&world).await.iter().any(|row| row.contains("thief")));
    let mut holding = Writing::new(second, place);
    assert!(index.feed(&mut holding, vec![document()], moved, far + 30).await.expect("there"));
    assert!(written(&world).await.iter().any(|row| row.contains("thief")));
    assert_eq!(index.take(taker(3, far + 29)).await.expect("there"), None, "writing kept it");
    let (_, kept) = index.take(taker(3, far + 30)).await.expect("there").expect("it ran out");
    assert_eq!(kept, moved, "the cursor came with what was written");
}

async fn a_cursor_of_another_database_begins_anew(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    world.send("Ada", conversation, "an umbrella").await;
    world.indexed("Ada", conversation).await;
    // As a restored copy is: its starts are forgotten.
    world.app.stop().await;
    world.sql("DELETE FROM starts").await;
    let other = world.another_node().await;
    world.indexed_by(&other, "Ada", conversation).await;
    let ada: UserId = world.person("Ada").await;
    assert_eq!(texts(&search(&other, ada, of("umbrella")).await.expect("a query")), ["an umbrella"]);
    assert_eq!(other.metrics.search_rebuilds.get(), 1);
}

async fn an_index_that_is_damaged_while_it_is_used_is_made_anew(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    for _ in 0..3 {
        world.send("Ada", conversation, "an umbrella").await;
    }
    world.indexed("Ada", conversation).await;
    let ben = world.person("Ben").await;
    world.connect_to_index().await.execute("UPDATE search_terms SET slots = term").await;
    assert!(search(&world.app, ben, of("umbrella")).await.is_err(), "it is damaged");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while search(&world.app, ben, of("umbrella")).await.map_or(0, |found| found.results.len()) < 3 {
        assert!(tokio::time::Instant::now() < deadline, "the index is not made anew");
        // waits for: the follower of the index
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    world.send("Ada", conversation, "another umbrella").await;
    world.indexed("Ada", conversation).await;
    assert_eq!(world.finds("Ben", "another umb").await, ["another umbrella"]);
}
