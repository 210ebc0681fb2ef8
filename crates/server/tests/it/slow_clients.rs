//! Clients that connect and send nothing, send a byte at a time, or do not read: each is dropped in bounded time, and
//! no other client waits for them. The limits are lowered to make the tests quick; they wait for the server to close,
//! never for a time to pass.

use crate::{
    harness::{Server, Setup},
    raw_http::{self, ask},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const LONG: Duration = Duration::from_secs(20);

async fn short_timeouts() -> Server {
    Setup::new()
        .with("http.first_byte_ms", 300)
        .with("http.head_ms", 400)
        .with("http.body_ms", 400)
        .with("http.write_ms", 400)
        .start()
        .await
}

/// Reads until the server closes, and returns the bytes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is a close too.
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends bytes one at a time; returns whether the server closed before the end.
async fn drip(mut stream: TcpStream, bytes: &[u8]) -> bool {
    let dripping = async {
        for byte in bytes.iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            let mut answer = [0; 64];
            // waits for: the server's closing, between two drops
            if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(20), stream.read(&mut answer)).await {
                return;
            }
        }
    };
    timeout(LONG, dripping).await.is_ok()
}

#[tokio::test]
async fn silent_and_dripping_clients_are_dropped_while_others_are_served() {
    let server = short_timeouts().await;
    let connect = async || TcpStream::connect(server.address()).await.expect("the server listens");
    let mut silent = connect().await;
    let mut partial = connect().await;
    partial.write_all(b"GET /livez HTTP/1.1\r\nHost: parlor.test\r\nX-Half").await.expect("sent");
    let mut idle = connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: parlor.test\r\n\r\n").await.expect("sent");
    let dripped_head = drip(connect().await, b"GET /livez HTTP/1.1\r\nX-A: b\r\n");
    let mut body = connect().await;
    let head = "POST /v1/session HTTP/1.1\r\nHost: parlor.test\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    body.write_all(head.as_bytes()).await.expect("sent");
    assert_eq!(until_closed(&mut silent).await, "");
    assert_eq!(until_closed(&mut partial).await, "");
    assert!(until_closed(&mut idle).await.starts_with("HTTP/1.1 200"), "answered, then idle, then closed");
    let answer = until_closed(&mut body).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"timed_out\""), "{answer}");
    assert!(dripped_head.await, "a dripped head ends");
    assert_eq!(ask(server.address(), "GET", "/livez", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_dripping_body_times_out_even_if_it_is_not_read() {
    let server = short_timeouts().await;
    for path in ["/v1/session", "/livez", "/nothing"] {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: parlor.test\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        assert!(drip(stream, b" ").await, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_the_answer_is_dropped() {
    let server = short_timeouts().await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(server.address()).await.expect("the server listens");
    // Answers of some 60 KB, requested repeatedly and never read.
    let request = "GET /openapi.json HTTP/1.1\r\nHost: parlor.test\r\n\r\n".repeat(2000);
    let requested = timeout(LONG, async {
        loop {
            if stream.write_all(request.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    requested.await.expect("the server closes on a client that does not read");
    assert_eq!(ask(server.address(), "GET", "/livez", &[], "").await.status, 200);
}

#[tokio::test]
async fn many_silent_connections_keep_no_other_client_out() {
    let server = Setup::new()
        .with("limits.address_connections_max", 150)
        .with("http.first_byte_ms", 60_000)
        .with("metrics.token", "figures")
        .start()
        .await;
    let mut crowd = Vec::new();
    for _ in 0..170 {
        crowd.push(TcpStream::connect(server.address()).await.expect("the system accepts"));
    }
    let mut refused = 0;
    for stream in &mut crowd[150..] {
        // Late connections are closed; the harness may have used a slot or two before.
        refused += usize::from(until_closed(stream).await.is_empty());
    }
    assert_eq!(refused, 20);
    let mut late = TcpStream::connect(server.address()).await.expect("the system accepts");
    let _ = late.write_all(b"GET /livez HTTP/1.1\r\nHost: parlor.test\r\n\r\n").await;
    assert_eq!(until_closed(&mut late).await, "", "there is no seat");
    crowd.truncate(10);
    let figures = [("Authorization", "Bearer figures")];
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        // waits for: the connection slots that were just freed
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        let _ = stream.write_all(raw_http::request("GET", "/metrics", &figures, "").as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        if answer.starts_with("HTTP/1.1 200") {
            assert!(!answer.contains("parlor_connections_refused_total 0"), "it is counted");
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "seats are given back");
    }
}

#[tokio::test]
async fn pipelined_and_keep_alive_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let three =
        "GET /livez HTTP/1.1\r\nHost: parlor.test\r\n\r\n".repeat(2) + &raw_http::request("GET", "/readyz", &[], "");
    stream.write_all(three.as_bytes()).await.expect("sent");
    assert_eq!(until_closed(&mut stream).await.matches("HTTP/1.1 200 OK").count(), 3);
}
