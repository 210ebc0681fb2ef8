//! A send happens once (I4, G3), however often, on whatever transport and after whatever interruption it is repeated.

use crate::harness::{Rng, Server, TestUser, unique};
use parlor_client::error::Error;
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::ConversationId,
    reply::{Cancelled, Sent},
};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

async fn two(server: &Server) -> (TestUser, TestUser, ConversationId) {
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    (ada, ben, conversation)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> Code {
    let error = answer.expect_err("it is refused");
    error.code().unwrap_or_else(|| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_send_32_times_at_once_by_socket_and_http_makes_one_message() {
    let server = Server::start().await;
    let (ada, _, conversation) = two(&server).await;
    let mut at_once = JoinSet::new();
    for round in 0..32 {
        let ada = ada.clone();
        at_once.spawn(async move {
            if round % 2 == 0 {
                return ada.api.post_message(conversation, "one", "the same").await;
            }
            ada.connect().await.send(conversation, "one", "the same").await
        });
    }
    let mut messages = BTreeSet::new();
    let mut first = 0;
    while let Some(sent) = at_once.join_next().await {
        let Sent { message, duplicate, .. } = sent.expect("no panic").expect("every repeat is answered");
        first += u32::from(!duplicate);
        messages.insert((message.id.0, message.seq.0, message.text));
    }
    assert_eq!((messages.len(), first), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_repeats_change_nothing_and_leave_no_gap() {
    let mut server = Server::start().await;
    let (ada, ben, conversation) = two(&server).await;
    let mut rng = Rng::new(unique());
    let mut bens = ben.connect().await;
    let mut made = Vec::new();
    for number in 0..100 {
        let (key, text) = (format!("key-{number}"), format!("text {number}"));
        let first = ada.api.post_message(conversation, &key, &text).await.expect("sent");
        assert!(!first.duplicate);
        for _ in 0..rng.below(3) {
            let again = ada.api.post_message(conversation, &key, &text).await.expect("sent again");
            assert!(again.duplicate && again.message == first.message);
        }
        if rng.percent(20) {
            let own = bens.send(conversation, &key, "the key is Ben's own, too").await.expect("sent");
            assert!(!own.duplicate && own.message.id != first.message.id);
        }
        made.push((key, text, first.message));
    }
    server.kill();
    server.restart().await;
    for (key, text, message) in &made {
        let again = ada.api.post_message(conversation, key, text).await.expect("sent after a restart");
        assert!(again.duplicate && again.message == *message);
    }
    let last = ada.send(conversation, "the last").await;
    let state = parlor_client::sync::poll::snapshot(&ada.api, ada.id, ada.fan_out_max).await.expect("a snapshot");
    let seqs: Vec<_> = state.messages(conversation).map(|message| message.seq.0).collect();
    assert_eq!(seqs, (1..=last.seq.0).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_different_send_with_the_same_key_is_a_conflict_and_does_nothing() {
    let server = Server::start().await;
    let (ada, ben, conversation) = two(&server).await;
    let group = ada.group("tram 18", &[&ben]).await;
    ada.api.post_message(conversation, "key", "one").await.expect("sent");
    assert_eq!(code(ada.api.post_message(conversation, "key", "two").await), Code::Conflict);
    assert_eq!(code(ada.api.post_message(group, "key", "one").await), Code::Conflict);
    assert_eq!(ada.api.messages(conversation, "").await.expect("a page").messages.len(), 1);
    assert_eq!(ada.api.messages(group, "").await.expect("a page").messages.len(), 0);
}

#[tokio::test]
async fn a_cancelled_send_never_happens_and_a_late_cancel_returns_the_message() {
    let server = Server::start().await;
    let (ada, _, conversation) = two(&server).await;
    let mut client = ada.connect().await;
    let cancel = |key: &str| Command::Cancel { client_id: key.to_owned() };
    let given_up: Cancelled = client.call(cancel("never")).await.expect("an answer");
    assert!(given_up.cancelled && given_up.message.is_none());
    assert_eq!(code(client.send(conversation, "never", "too late").await), Code::Cancelled);
    let sent = client.send(conversation, "sent", "in time").await.expect("sent");
    let reported: Cancelled = client.call(cancel("sent")).await.expect("an answer");
    assert!(!reported.cancelled && reported.message == Some(sent.message));
    assert_eq!(ada.api.messages(conversation, "").await.expect("a page").messages.len(), 1);
}

#[tokio::test]
async fn the_protocol_page_lists_every_path_of_the_openapi_document() {
    const PAGE: &str = include_str!("../../../../docs/reference/protocol.md");
    let server = Server::start().await;
    let document: serde_json::Value = server.api().get("/openapi.json").await.expect("the document");
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let entry = format!("`{} {path}`", method.to_uppercase());
            if !PAGE.contains(&entry) && path != "/theme.css" {
                missing.push(entry);
            }
        }
    }
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}
