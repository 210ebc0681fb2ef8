//! Search over HTTP and socket, and the index's file.

use crate::harness::{Server, Setup, TestUser, folder};
use parlor_protocol::{
    error::Code,
    ids::ConversationId,
    reply::{Found, Sent},
};
use std::{fs, path::Path, time::Duration};
use tokio::time::Instant;

const WITHIN: Duration = Duration::from_mins(1);

async fn find(user: &TestUser, query: &str) -> Vec<String> {
    let found: Found = user.api.get(&format!("/v1/search?{query}")).await.expect("a query");
    found.results.into_iter().map(|hit| hit.message.text).collect()
}

/// Waits until a search finds `count` messages.
async fn finds(user: &TestUser, query: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let found = find(user, query).await;
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < deadline, "{query} finds {found:?}");
        // waits for: the consumer of the index
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server that uses its index for every search, in a folder that is kept.
fn setup(data: &Path) -> Setup {
    Setup::new().in_folder(data).with("limits.search_unindexed_max", 1)
}

async fn pair(server: &Server) -> (TestUser, TestUser, ConversationId) {
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    (ada, ben, conversation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_by_http_takes_every_filter() {
    let server = Server::start().await;
    let (ada, ben, conversation) = pair(&server).await;
    let sent = ada.send(conversation, "An umbrella & a thermos").await;
    let from = sent.created_at;
    for query in [
        "query=umbr".to_owned(),
        format!("query=umbr+therm&conversation={conversation}&sender={}&limit=1", ada.id),
        format!("sender={}&from={from}", ada.id),
        "query=umbr&has_file=false&until=2999-01-01T00:00:00Z".to_owned(),
    ] {
        assert_eq!(find(&ben, &query).await, ["An umbrella & a thermos"], "{query}");
    }
    for query in ["query=umbr&has_file=true", "query=umbr&context_type=item&context_id=5", "query=umbr&after=1"] {
        assert!(find(&ben, query).await.is_empty(), "{query}");
    }
    for query in ["", "query=", "query=a&context_id=5", "query=a&from=now", "query=a&more=1", "query=a&limit=0"] {
        let answer = ben.api.request(http::Method::GET, &format!("/v1/search?{query}"), "").await.expect("an answer");
        let refused = answer.parse::<Found>().expect_err("refused");
        assert!(refused.to_string().contains(Code::InvalidField.name()), "{query}: {refused}");
    }
    let cleo = server.user("cleo").await;
    let path = format!("/v1/search?query=umbr&conversation={conversation}");
    let answer = cleo.api.request(http::Method::GET, &path, "").await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_found_by_their_names_and_as_such() {
    let place = folder();
    let server = setup(&place.path().join("data")).start().await;
    let (ada, ben, conversation) = pair(&server).await;
    ada.send(conversation, "an umbrella").await;
    let sent = ada.send_file(conversation, "Black_Umbrella-2.txt", b"nothing to see").await;
    finds(&ben, "query=umbrella", 2).await;
    for query in ["query=umbr+black", "query=umbrella&has_file=true", "has_file=true"] {
        let found: Found = ben.api.get(&format!("/v1/search?{query}")).await.expect("a query");
        assert_eq!(found.results.iter().map(|hit| hit.message.id).collect::<Vec<_>>(), [sent.id], "{query}");
    }
    let found: Found = ben.api.get("/v1/search?query=black").await.expect("a query");
    let pieces: Vec<_> = found.results[0].excerpt.iter().map(|piece| (piece.text.as_str(), piece.hit)).collect();
    assert_eq!(pieces, [("Black", true), ("_Umbrella-2.txt", false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_catches_up_however_often_the_server_is_killed() {
    let place = folder();
    let mut server = setup(&place.path().join("data")).start().await;
    let (ada, ben, conversation) = pair(&server).await;
    let mut count = 0;
    for round in 0..4 {
        for number in 0..40 {
            ada.send(conversation, &format!("umbrella {round} {number}")).await;
            count += 1;
        }
        server.kill();
        server.restart().await;
    }
    let found = finds(&ben, "query=umbrella&limit=200", count).await;
    assert_eq!(found.first().map(String::as_str), Some("umbrella 3 39"));
    let log = server.log();
    assert!(!log.contains("rebuilding it"), "it continues from its cursor: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_damaged_index_is_rebuilt() {
    let place = folder();
    let data = place.path().join("data");
    let mut server = setup(&data).start().await;
    let (ada, ben, conversation) = pair(&server).await;
    ada.send(conversation, "an umbrella").await;
    finds(&ben, "query=umbrella", 1).await;
    let spoil: [fn(&Path); 3] = [
        |data| {
            for file in ["search.db", "search.db-wal", "search.db-shm"] {
                drop(fs::remove_file(data.join(file)));
            }
        },
        |data| fs::write(data.join("search.db"), "this is no database at all").expect("written"),
        |data| {
            let whole = fs::read(data.join("search.db")).expect("read");
            fs::write(data.join("search.db"), &whole[..whole.len() / 2]).expect("written");
        },
    ];
    for spoil in spoil {
        server.stop().await;
        spoil(&data);
        server.restart().await;
        ada.send(conversation, "a thermos").await;
        finds(&ben, "query=umbrella", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_is_rebuilt_after_a_restore() {
    let place = folder();
    let data = place.path().join("data");
    let mut server = setup(&data).start().await;
    let (ada, ben, conversation) = pair(&server).await;
    ada.send(conversation, "an umbrella in the copy").await;
    let copy = place.path().join("copy.db");
    server.back_up(&copy);
    ada.send(conversation, "an umbrella after the copy").await;
    finds(&ben, "query=umbrella", 2).await;
    server.stop().await;
    server.restore(&copy);
    server.restart().await;
    ada.send(conversation, "an umbrella since").await;
    let found = finds(&ben, "query=umbrella", 2).await;
    assert_eq!(found, ["an umbrella since", "an umbrella in the copy"]);
    server.stop().await;
    server.must_run(&["verify"]);
}

/// Whether a file of the index contains these bytes.
fn has_bytes(data: &Path, bytes: &str) -> bool {
    ["search.db", "search.db-wal"].iter().any(|file| {
        let content = fs::read(data.join(file)).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_replaced_text_soon_leaves_every_file_of_the_index() {
    let place = folder();
    let data = place.path().join("data");
    let server = setup(&data).start().await;
    let (ada, ben, conversation) = pair(&server).await;
    for number in 0..300 {
        ada.send(conversation, &format!("canary{number}sings and more words around it {number}")).await;
    }
    let deleted = ada.send(conversation, "goldfinch tells a secret").await;
    let edited = ada.send(conversation, "nightingale tells a secret").await;
    finds(&ben, "query=secret", 2).await;
    assert!(has_bytes(&data, "goldfinch") && has_bytes(&data, "nightingale"));
    let path = |seq| format!("/v1/conversations/{conversation}/messages/{seq}");
    let gone = ada.api.request(http::Method::DELETE, &path(deleted.seq), "").await.expect("an answer");
    assert!(gone.status.is_success(), "{gone:?}");
    let text = serde_json::json!({"text": "nothing"});
    let _: serde_json::Value = ada.api.send(http::Method::PATCH, &path(edited.seq), &text).await.expect("edited");
    assert!(find(&ben, "query=secret").await.is_empty());
    let deadline = Instant::now() + WITHIN;
    while has_bytes(&data, "goldfinch") || has_bytes(&data, "nightingale") {
        assert!(Instant::now() < deadline, "the index keeps what was deleted");
        // waits for: the consumer to compact the log
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    finds(&ben, "query=nothing", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_search_reports_it() {
    let place = folder();
    let data = place.path().join("data");
    let server = Setup::new().in_folder(&data).with("search.enabled", false).start().await;
    let (ada, _, conversation) = pair(&server).await;
    let _: Sent = ada.api.post_message(conversation, "k", "an umbrella").await.expect("sent");
    let answer = ada.api.request(http::Method::GET, "/v1/search?query=umbrella", "").await.expect("an answer");
    assert_eq!(answer.status.as_u16(), 403);
    assert!(!data.join("search.db").exists());
}
