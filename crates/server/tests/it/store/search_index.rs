//! The search index and its consumer: it catches up, forgets deleted messages, and is written by one node at a time.

use super::{
    TestCluster, conformance,
    search::{of, search, texts},
};
use parlor::{
    app::App,
    domain::{Change, GroupUpdate},
    store::{
        Store, StoreOptions,
        consumers::{ConsumerPosition, LeaseRequest},
        index::{Document, FORMAT, Index, IndexWriter},
    },
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{ConversationId, Epoch, MessageId, Seq, UserId, Version},
};
use std::{collections::BTreeSet, sync::Arc};

conformance! {
    an_edited_message_is_found_by_its_new_words_only,
    a_deleted_message_is_gone_from_results_at_once_and_for_good,
    a_hidden_message_stays_hidden_however_often_it_changes,
    system_lines_are_not_found,
    a_match_in_the_subject_is_shown_in_the_excerpt,
    a_reaction_does_not_touch_the_index,
    changes_of_old_messages_reach_their_blocks,
    another_node_continues_where_the_first_stopped,
    a_node_that_lost_the_lease_writes_nothing,
    a_cursor_of_another_database_starts_over,
    an_index_damaged_while_in_use_is_rebuilt,
}

async fn change(cluster: &TestCluster, change: Change) {
    cluster.app.commit.submit(change).await.expect("allowed");
}

async fn edit(cluster: &TestCluster, name: &str, conversation: ConversationId, seq: Seq, text: &str) {
    let actor = cluster.user(name).await;
    change(
        cluster,
        Change::Edit { actor, conversation, seq, text: Some(text.to_owned()), mentions: vec![], subject: None },
    )
    .await;
}

async fn an_edited_message_is_found_by_its_new_words_only(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "a black umbrella").await;
    cluster.indexed("Ada", conversation).await;
    edit(&cluster, "Ada", conversation, sent.message.seq, "a green umbrella").await;
    // Before the index is up to date.
    assert!(cluster.finds("Ben", "black").await.is_empty());
    cluster.indexed("Ada", conversation).await;
    assert!(cluster.finds("Ben", "black").await.is_empty());
    assert_eq!(cluster.finds("Ben", "green umb").await, ["a green umbrella"]);
    edit(&cluster, "Ada", conversation, sent.message.seq, "a black umbrella").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "black").await, ["a black umbrella"]);
    assert!(cluster.finds("Ben", "green").await.is_empty());
}

async fn a_deleted_message_is_gone_from_results_at_once_and_for_good(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "a canary").await;
    let other = cluster.send("Ada", conversation, "another canary").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "canary").await.len(), 2);
    let ada = cluster.user("Ada").await;
    change(&cluster, Change::Delete { actor: ada, conversation, seq: sent.message.seq }).await;
    assert_eq!(cluster.finds("Ben", "canary").await, ["another canary"]);
    change(&cluster, Change::Delete { actor: ada, conversation, seq: other.message.seq }).await;
    assert!(cluster.finds("Ben", "canary").await.is_empty());
    cluster.indexed("Ada", conversation).await;
    assert!(cluster.finds("Ben", "canary").await.is_empty());
}

async fn a_hidden_message_stays_hidden_however_often_it_changes(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "an umbrella").await;
    let ben = cluster.user("Ben").await;
    change(&cluster, Change::Hide { actor: ben, conversation, seq: sent.message.seq }).await;
    edit(&cluster, "Ada", conversation, sent.message.seq, "an umbrella, still").await;
    cluster.indexed("Ada", conversation).await;
    assert!(cluster.finds("Ben", "umbrella").await.is_empty());
    assert_eq!(cluster.finds("Ada", "umbrella").await, ["an umbrella, still"]);
}

async fn system_lines_are_not_found(cluster: TestCluster) {
    let conversation = cluster.group("Ada", &["Ben"]).await;
    let actor = cluster.user("Ada").await;
    let update = GroupUpdate::Title("Umbrella hunters".to_owned());
    change(&cluster, Change::UpdateConversation { actor, conversation, update }).await;
    cluster.indexed("Ada", conversation).await;
    assert!(cluster.finds("Ben", "umbrella").await.is_empty());
    let all =
        search(&cluster.app, actor, parlor_protocol::params::Search { conversation: Some(conversation), ..of("") });
    let all = all.await.expect("a query");
    assert!(all.results.iter().all(|hit| hit.message.system.is_none()));
}

async fn a_match_in_the_subject_is_shown_in_the_excerpt(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let content = parlor::domain::Content {
        subject: Some("About the umbrella".to_owned()),
        ..parlor::domain::Content::text("Is it black?")
    };
    let actor = cluster.user("Ada").await;
    change(&cluster, Change::Send { actor, conversation, client_id: cluster.key(), content }).await;
    cluster.indexed("Ada", conversation).await;
    let found = search(&cluster.app, actor, of("umbr black")).await.expect("a query");
    assert_eq!(texts(&found), ["Is it black?"]);
    let found = search(&cluster.app, actor, of("umbr")).await.expect("a query");
    let excerpt: String = found.results[0].excerpt.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(excerpt, "About the umbrella");
}

async fn a_reaction_does_not_touch_the_index(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let sent = cluster.send("Ada", conversation, "an umbrella").await;
    edit(&cluster, "Ada", conversation, sent.message.seq, "a green umbrella").await;
    cluster.indexed("Ada", conversation).await;
    let before = indexed_words(&cluster).await;
    let actor = cluster.user("Ben").await;
    for emoji in ["👍", "🌂"] {
        let (seq, emoji) = (sent.message.seq, emoji.to_owned());
        change(&cluster, Change::React { actor, conversation, seq, emoji, on: true }).await;
    }
    cluster.indexed("Ada", conversation).await;
    let after: BTreeSet<_> = indexed_words(&cluster).await.into_iter().filter(|row| row.contains("green")).collect();
    assert_eq!(after, before.into_iter().filter(|row| row.contains("green")).collect());
    assert_eq!(cluster.finds("Ben", "green").await, ["a green umbrella"]);
}

/// The terms that are words, with their slots.
async fn indexed_words(cluster: &TestCluster) -> BTreeSet<String> {
    let rows = cluster.connect_to_index().await.pairs("SELECT term, slots FROM search_terms").await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    rows.iter().map(|(term, slots)| format!("{} {:?}", text(term), text(slots))).collect()
}

async fn changes_of_old_messages_reach_their_blocks(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let old = cluster.send("Ada", conversation, "an old umbrella").await;
    // As if there were many changes in between: the next messages are in later blocks.
    cluster.sql("UPDATE clock SET version = version + 100000").await;
    cluster.send("Ada", conversation, "a young umbrella").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "umbrella").await, ["a young umbrella", "an old umbrella"]);
    edit(&cluster, "Ada", conversation, old.message.seq, "an ancient thermos").await;
    cluster.send("Ada", conversation, "the youngest umbrella").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "umbrella").await, ["the youngest umbrella", "a young umbrella"]);
    assert_eq!(cluster.finds("Ben", "thermos").await, ["an ancient thermos"]);
    assert!(!indexed_words(&cluster).await.iter().any(|row| row.starts_with("wold ")), "old words leave the index");
}

async fn another_node_continues_where_the_first_stopped(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "an umbrella").await;
    cluster.indexed("Ada", conversation).await;
    let other = cluster.another_node().await;
    cluster.app.stop().await;
    let ada = cluster.user("Ada").await;
    super::send(&other, ada, conversation, &cluster.key(), "another umbrella").await.expect("sent");
    cluster.indexed_by(&other, "Ada", conversation).await;
    let found = search(&other, ada, of("umbrella")).await.expect("a query");
    assert_eq!(texts(&found), ["another umbrella", "an umbrella"]);
    assert_eq!(other.metrics.search_rebuilds.get(), 0, "it continued, and did not start over");
}

/// Opens the index of a cluster whose consumers have stopped.
async fn index_of(cluster: &TestCluster) -> (Store, Index) {
    let app: &Arc<App> = &cluster.app;
    app.stop().await;
    let timeout = std::time::Duration::from_secs(5);
    let url = match (&app.config.store.url, cluster.folder()) {
        (Some(url), _) => url.0.clone(),
        (None, Some(folder)) => StoreOptions::sqlite_url(folder),
        (None, None) => panic!("a cluster is somewhere"),
    };
    let (durability, limits) = (app.config.store.durability, app.config.limits.clone());
    let options = StoreOptions { url, durability, readers: 2, timeout, receipts: true, limits };
    let store = Store::open(&options).await.expect("the store is available");
    let index = Index::open(&store, &options).await.expect("the index exists");
    (store, index)
}

async fn a_node_that_lost_the_lease_writes_nothing(cluster: TestCluster) {
    let (_store, index) = index_of(&cluster).await;
    let taker = |holder: i64, now_ms: i64| LeaseRequest {
        holder: Epoch(holder),
        now_ms,
        until_ms: now_ms + 10,
        is_alone: false,
    };
    let far = 9_000_000_000_000;
    let (first, place) = index.acquire_lease(taker(1, far)).await.expect("there").expect("it was given back");
    assert_eq!(index.acquire_lease(taker(2, far + 9)).await.expect("there"), None, "it is taken");
    let (again, _) =
        index.acquire_lease(taker(1, far + 5)).await.expect("there").expect("the own lease can be renewed");
    assert_eq!(again.number, first.number + 1);
    let (second, _) = index.acquire_lease(taker(2, far + 15)).await.expect("there").expect("it ran out");
    assert_eq!(second.number, again.number + 1);
    let cursor = Cursor { version: Version(77), ..place.cursor };
    let moved = ConsumerPosition { format: FORMAT, cursor, base: Version(0) };
    let document = || Document {
        message: MessageId(7),
        created_at: 0,
        terms: BTreeSet::from([b"wthief".to_vec()]),
        digest: None,
        is_kept: false,
    };
    let mut late = IndexWriter::new(again, place);
    assert!(!index.write_documents(&mut late, vec![document()], moved, far + 99).await.expect("there"));
    assert!(!index.clear(&mut late, moved, far + 99).await.expect("there"));
    assert!(!index.advance(late.lease(), &moved, far + 99).await.expect("there"));
    index.release(late.lease()).await.expect("there");
    assert!(!indexed_words(&cluster).await.iter().any(|row| row.contains("thief")));
    let mut holding = IndexWriter::new(second, place);
    assert!(index.write_documents(&mut holding, vec![document()], moved, far + 30).await.expect("there"));
    assert!(indexed_words(&cluster).await.iter().any(|row| row.contains("thief")));
    assert_eq!(index.acquire_lease(taker(3, far + 29)).await.expect("there"), None, "writing kept it");
    let (_, kept) = index.acquire_lease(taker(3, far + 30)).await.expect("there").expect("it ran out");
    assert_eq!(kept, moved, "the cursor was written together with the index");
}

async fn a_cursor_of_another_database_starts_over(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "an umbrella").await;
    cluster.indexed("Ada", conversation).await;
    // Like a restored copy: its starts are forgotten.
    cluster.app.stop().await;
    cluster.sql("DELETE FROM starts").await;
    let other = cluster.another_node().await;
    cluster.indexed_by(&other, "Ada", conversation).await;
    let ada: UserId = cluster.user("Ada").await;
    assert_eq!(texts(&search(&other, ada, of("umbrella")).await.expect("a query")), ["an umbrella"]);
    assert_eq!(other.metrics.search_rebuilds.get(), 1);
}

async fn an_index_damaged_while_in_use_is_rebuilt(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    for _ in 0..3 {
        cluster.send("Ada", conversation, "an umbrella").await;
    }
    cluster.indexed("Ada", conversation).await;
    let ben = cluster.user("Ben").await;
    cluster.connect_to_index().await.execute("UPDATE search_terms SET slots = term").await;
    assert!(search(&cluster.app, ben, of("umbrella")).await.is_err(), "it is damaged");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while search(&cluster.app, ben, of("umbrella")).await.map_or(0, |found| found.results.len()) < 3 {
        assert!(tokio::time::Instant::now() < deadline, "the index is not rebuilt");
        // waits for: the consumer of the index
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    cluster.send("Ada", conversation, "another umbrella").await;
    cluster.indexed("Ada", conversation).await;
    assert_eq!(cluster.finds("Ben", "another umb").await, ["another umbrella"]);
}
