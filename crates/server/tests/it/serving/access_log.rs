//! The access log of a running server.

use crate::{
    harness::{Server, Setup, folder},
    raw_http::ask,
};
use parlor_client::socket::{Handshake, Incoming};
use std::{fs, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

const SOON: Duration = Duration::from_secs(30);

/// Waits until a line contains all of this, and returns it.
async fn line_with(log: &Path, parts: &[&str]) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "no line with {parts:?}:\n{text}");
        // waits for: the thread that writes
        sleep(Duration::from_millis(10)).await;
    }
}

async fn start(log: &Path) -> Server {
    Setup::new().with("log.access", log.display()).with("log.addresses", "full").start().await
}

#[tokio::test]
async fn a_request_has_one_line_without_its_query_and_its_secrets() {
    let parent = folder();
    let log = parent.path().join("access.log");
    let server = start(&log).await;
    let headers = [("Authorization", "Bearer s3cret-token"), ("Cookie", "sessionid=s3cret")];
    let answer = ask(server.address(), "GET", "/v1/search?query=s3cret", &headers, "").await;
    let line = line_with(&log, &["/v1/search", "status=401", "method=GET"]).await;
    let id = answer.problem().request_id.expect("an id");
    assert!(line.contains(&format!(" {id} 127.0.0.1 /v1/search ")), "{line}");
    assert!(line.contains(&format!("bytes={} ", answer.body.len())), "{line}");
    let text = fs::read_to_string(&log).expect("the log");
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("/v1/search")).count(), 1);
}

#[tokio::test]
async fn a_socket_has_a_line_at_each_end_with_the_reason_and_the_time() {
    let parent = folder();
    let log = parent.path().join("access.log");
    let mut server = start(&log).await;
    let user = server.user("ada").await;
    let open = || async { Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket") };
    let gone = open().await;
    let first = line_with(&log, &[" open ", "/v1/socket"]).await;
    let id = first.split(' ').nth(2).expect("an id").to_owned();
    drop(gone);
    line_with(&log, &[" close ", &id, "/v1/socket", "reason=gone", "ms="]).await;
    let mut told = open().await;
    let stopping = tokio::spawn(async move {
        server.stop().await;
        server
    });
    while !matches!(told.next(SOON).await, Some(Incoming::Closed(..) | Incoming::Disconnected(_)) | None) {}
    stopping.await.expect("it stops");
    line_with(&log, &[" close ", "/v1/socket", "reason=restarting"]).await;
}
