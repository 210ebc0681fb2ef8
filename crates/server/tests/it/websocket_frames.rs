//! Raw WebSocket frames: violations close the socket with the standard's codes, and every frame counts, including
//! fragments and control frames.

use crate::{
    harness::{Server, Setup, TestUser},
    pipelining::resumed,
};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    reply::{UploadBegun, UploadEnded},
};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

async fn open(server: &Server, user: &TestUser) -> Socket {
    resumed(Handshake::new(server.address(), user.api.headers()), user).await
}

/// A masked frame; a mask of zeros changes nothing.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(content.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | short),
        _ => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(content.len()).expect("short").to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(content);
    bytes
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match socket.next(LONG).await {
            Some(Incoming::Closed(code, _)) => return code,
            Some(Incoming::Event(_) | Incoming::Heartbeat | Incoming::Reply(..)) => {}
            other => panic!("no close frame arrived: {other:?}"),
        }
    }
}

#[tokio::test]
async fn frames_that_violate_the_standard_close_the_socket_with_its_codes() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let long = [0; 126];
    for (what, bytes, code) in [
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b"{}"), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a ping over 125 bytes", frame(0x89, &long), 1002),
        ("a close over 125 bytes", frame(0x88, &long), 1002),
        ("a ping in fragments", frame(0x09, b"a"), 1002),
        ("no mask", vec![0x81, 2, b'{', b'}'], 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a message within another", [frame(0x01, b"{"), frame(0x81, b"{}")].concat(), 1002),
        ("half a close code", frame(0x88, &[3]), 1002),
        ("a close code that may not be sent", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("a reason that is not UTF-8", frame(0x88, &[3, 232, 0xff]), 1007),
        ("text that is not UTF-8", frame(0x81, &[0xff]), 1007),
        ("the beginning of text that is not UTF-8", frame(0x01, &[b'a', 0xff]), 1007),
        ("a character cut in two at the end", frame(0x81, &[0xe2, 0x82]), 1007),
        ("a length of 2^63", [&[0x81, 0xff][..], &[0x80; 8], &[0; 4]].concat(), 1002),
        ("a length over the limit", [&[0x81, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(), 4503),
    ] {
        let mut socket = open(&server, &ada).await;
        socket.send_raw(&bytes).await.expect("sent");
        assert_eq!(closed(&mut socket).await, code, "{what}");
    }
}

#[tokio::test]
async fn a_fragmented_text_with_pings_in_between_is_one_command() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut socket = open(&server, &ada).await;
    let text = "{\"id\":900,\"type\":\"me.update\",\"name\":\"\u{20ac}da\"}".as_bytes();
    let at = text.iter().position(|byte| *byte == 0xe2).expect("the sign") + 1;
    for part in [frame(0x01, &text[..at]), frame(0x89, b"?"), frame(0x00, b""), frame(0x80, &text[at..])] {
        socket.send_raw(&part).await.expect("sent");
    }
    loop {
        match socket.next(LONG).await.expect("an answer") {
            Incoming::Reply(Some(900), answer) => return drop(answer.expect("one command")),
            Incoming::Event(_) | Incoming::Heartbeat => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn fragments_and_control_frames_count_as_frames() {
    let server = Setup::new().with("limits.frames_per_second_max", 2).start().await;
    let ada = server.user("ada").await;
    let begun = frame(0x01, b"{");
    for (what, first, more) in [
        ("empty fragments", begun.clone(), frame(0x00, b"")),
        ("fragments of a byte", begun, frame(0x00, b" ")),
        ("pings", vec![], frame(0x89, b"")),
        ("pongs", vec![], frame(0x8a, b"")),
        ("empty binary fragments", frame(0x02, b""), frame(0x00, b"")),
    ] {
        let mut socket = open(&server, &ada).await;
        // In one write, so that everything is sent before the server closes.
        let flood = [first, more.repeat(100)].concat();
        socket.send_raw(&flood).await.expect("sent");
        assert_eq!(closed(&mut socket).await, 4004, "{what}");
    }
}

#[tokio::test]
async fn a_file_in_small_frames_arrives() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    for (chunk, bytes) in [(8192, 4_000_000), (1000, 1_000_000), (100, 100_000), (1, 3000)] {
        let mut socket = open(&server, &ada).await;
        let begin = Command::BeginUpload { client_id: format!("up-{chunk}"), name: "notes.txt".to_owned(), bytes };
        let begun: UploadBegun = socket.call(begin).await.expect("begun");
        let (id, window) = (begun.upload.id, u64::from(begun.window_bytes));
        let (mut sent, mut kept) = (0, 0);
        while kept < bytes {
            while sent < bytes && sent + chunk <= kept + window {
                let length = usize::try_from(chunk.min(bytes - sent)).expect("small");
                let head = [id.0.to_be_bytes(), i64::try_from(sent).expect("small").to_be_bytes()].concat();
                socket.send_binary(&[head, vec![b'a'; length]].concat()).await.expect("sent");
                sent += length as u64;
            }
            match socket.next(LONG).await {
                Some(Incoming::Event(event)) => kept = event["received"].as_u64().unwrap_or(kept),
                Some(Incoming::Heartbeat) => {}
                other => panic!("chunks of {chunk} bytes: {other:?}"),
            }
        }
        let ended: UploadEnded = socket.call(Command::EndUpload { upload: id }).await.expect("whole");
        assert_eq!(ended.upload.received, bytes);
    }
}
