//! Reads change nothing on the server: a client that aborts a read at any byte can repeat it and gets the same
//! answer.

use crate::{
    harness::{Rng, Server, TestUser, scaled},
    raw_http,
};
use parlor_client::error::Error;
use parlor_protocol::{command::Command, cursor::Cursor, ids::ConversationId};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The most bytes that an aborting client reads.
const PATIENCE: Duration = Duration::from_millis(50);

/// A masked client frame; the mask is all zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short");
    let mut bytes = vec![0x81, 0x80 | 0x7e];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

/// The bytes of a random read.
fn read(rng: &mut Rng, user: &TestUser, conversation: ConversationId, cursor: Cursor) -> Vec<u8> {
    let headers: Vec<(&str, &str)> =
        user.api.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("visible"))).collect();
    let path = match rng.below(8) {
        0 => format!("/v1/events?cursor={cursor}"),
        1 => format!("/v1/events?cursor={cursor}&wait=5"),
        2 => "/v1/me".to_owned(),
        3 => "/v1/conversations".to_owned(),
        4 => format!("/v1/conversations/{conversation}/messages"),
        5 => format!("/v1/conversations/{conversation}/changes?since=0"),
        _ => {
            let all: Vec<_> = raw_http::HANDSHAKE.iter().chain(&headers).copied().collect();
            let handshake_status =
                raw_http::request("GET", "/v1/socket", &all, "").replace("Connection: close", "Connection: Upgrade");
            let resume = json!({"id": 1, "type": "session.resume", "user": user.id, "cursor": cursor});
            let shown = json!({"id": 2, "type": "conversation.show", "conversations": [conversation]});
            return [handshake_status.into_bytes(), frame(&resume.to_string()), frame(&shown.to_string())].concat();
        }
    };
    raw_http::request("GET", &path, &headers, "").into_bytes()
}

/// Sends part or all of the request, reads some bytes of the answer, and disconnects.
async fn abort_read(server: &Server, rng: &mut Rng, request: &[u8]) {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let sent = if rng.percent(30) { rng.below(request.len()) } else { request.len() };
    stream.write_all(&request[..sent]).await.expect("it is sent");
    let mut some = vec![0; 1 + rng.below(600)];
    // If nothing arrives, it does not wait.
    let _ = timeout(PATIENCE, stream.read_exact(&mut some)).await;
}

async fn reported(user: &TestUser, cursor: Cursor) -> Value {
    let polled = user.api.events(Some(cursor), 0).await.expect("heads");
    let mut client = user.connect().await;
    let resume = Command::Resume { user: user.id, cursor: Some(cursor) };
    let resumed: Result<Value, Error> = client.call(resume).await;
    let mut resumed = resumed.expect("heads");
    resumed.as_object_mut().expect("an object").remove("re");
    let polled = serde_json::to_value(polled).expect("an answer has string keys only");
    assert_eq!(polled, resumed, "both ways");
    let mut me = serde_json::to_value(user.api.me().await.expect("signed in")).expect("an object");
    me.as_object_mut().expect("an object").remove("now");
    json!([polled, me])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_aborted_at_any_byte_change_nothing() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.group("The desk", &[&ben]).await;
    let cursor = ada.api.events(None, 0).await.expect("heads").cursor;
    for number in 0..20 {
        ben.send(conversation, &format!("message {number}")).await;
    }
    let before = reported(&ada, cursor).await;
    let seed = u64::from(std::process::id());
    let mut rng = Rng::new(seed);
    let rounds = scaled(150);
    for _ in 0..rounds {
        // An old cursor, or the newest.
        let from = if rng.percent(70) { cursor } else { ada.api.events(None, 0).await.expect("heads").cursor };
        let request = read(&mut rng, &ada, conversation, from);
        abort_read(&server, &mut rng, &request).await;
    }
    assert_eq!(reported(&ada, cursor).await, before, "seed {seed}");
}
