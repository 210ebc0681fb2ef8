//! The socket: refusals, the heartbeat, order, slow readers, closing.

use crate::harness::{Server, Setup, TestUser};
use parlor_client::socket::{Handshake, HandshakeError, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::ConversationId,
    reply::{Heads, Sent},
};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

const SOON: Duration = Duration::from_secs(10);

async fn open(server: &Server, user: &TestUser) -> Socket {
    Handshake::new(server.address(), user.api.headers()).open().await.expect("a socket")
}

async fn resumed(server: &Server, user: &TestUser) -> Socket {
    let mut socket = open(server, user).await;
    let heads: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    assert!(heads.reset);
    socket
}

/// Returns the next item that is not a heartbeat.
async fn next(socket: &mut Socket) -> Incoming {
    loop {
        match socket.next(SOON).await.expect("a frame arrives") {
            Incoming::Heartbeat => {}
            other => return other,
        }
    }
}

async fn refusal(socket: &mut Socket) -> (Option<i64>, Code) {
    match next(socket).await {
        Incoming::Reply(re, Err(problem)) => (re, problem.code),
        other => panic!("a refusal is expected, not {other:?}"),
    }
}

async fn closed(socket: &mut Socket) -> u16 {
    loop {
        match next(socket).await {
            Incoming::Closed(code, _) => return code,
            Incoming::Disconnected(why) => panic!("cut without a close frame: {why}"),
            _ => {}
        }
    }
}

fn send(conversation: ConversationId, client_id: impl Into<String>, text: impl Into<String>) -> Command {
    Command::send_text(conversation, client_id, text)
}

#[tokio::test]
async fn invalid_frames_are_refused_with_the_field_and_the_connection_stays_open() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let elsewhere = ben.open_direct(&server.user("cleo").await).await.id;
    let mut socket = resumed(&server, &ada).await;
    let deep = format!("{{\"id\":1,\"type\":\"me.get\",\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (frame, re, code) in [
        ("", None, Code::InvalidJson),
        ("nonsense", None, Code::InvalidJson),
        ("[]", None, Code::InvalidJson),
        ("{\"id\":1", None, Code::InvalidJson),
        (deep.as_str(), None, Code::InvalidJson),
        ("{\"type\":\"me.get\"}", None, Code::InvalidField),
        ("{\"id\":-1,\"type\":\"me.get\"}", None, Code::InvalidField),
        ("{\"id\":9007199254740992,\"type\":\"me.get\"}", None, Code::InvalidField),
        ("{\"id\":1e999,\"type\":\"me.get\"}", None, Code::InvalidJson),
        ("{\"id\":7}", Some(7), Code::InvalidField),
        ("{\"id\":7,\"type\":\"room.join\"}", Some(7), Code::UnknownCommand),
        ("{\"id\":7,\"type\":\"me.get\",\"sender\":3}", Some(7), Code::InvalidField),
        (
            "{\"id\":7,\"type\":\"message.send\",\"conversation\":\"1\",\"client_id\":\"a\",\"text\":\"b\"}",
            Some(7),
            Code::InvalidField,
        ),
        ("{\"id\":7,\"type\":\"message.list\",\"conversation\":-5}", Some(7), Code::InvalidField),
        ("{\"id\":7,\"type\":\"session.resume\",\"user\":999999}", Some(7), Code::WrongUser),
    ] {
        socket.send_text(frame).await.expect("alive");
        assert_eq!(refusal(&mut socket).await, (re, code), "{}", &frame[..frame.len().min(80)]);
    }
    for (command, code) in [
        (send(elsewhere, "a", "hello"), Code::NotFound),
        (send(ConversationId(999_999), "a", "hello"), Code::NotFound),
        (send(place, "a", ""), Code::TextEmpty),
        (send(place, "a", "x".repeat(10_001)), Code::TextTooLong),
        (send(place, "a", "a\u{0}b"), Code::TextControl),
        (send(place, "", "hello"), Code::InvalidField),
        (Command::GetConversation { conversation: elsewhere }, Code::NotFound),
        (Command::Mark { conversation: place, delivered: None, read: None }, Code::InvalidField),
    ] {
        let id = socket.send(command.clone()).await.expect("alive");
        assert_eq!(refusal(&mut socket).await, (Some(id), code), "{command:?}");
    }
    let sent: Sent = socket.call(send(place, "a", "still here")).await.expect("the connection is open");
    assert_eq!(sent.message.seq.0, 1);
}

#[tokio::test]
async fn frames_that_cannot_be_commands_close_the_socket_with_their_code() {
    let server = Setup::new().with("limits.frame_bytes_max", 1000).start().await;
    let ada = server.user("ada").await;
    let frame = |data: Data, bytes: &[u8]| Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(data), true));
    for (message, code) in [
        (Message::text("x".repeat(1001)), 4503),
        (Message::text("x".repeat(1_000_000)), 4503),
        (Message::binary(vec![1, 2, 3]), 4502),
        (frame(Data::Text, &[0xff, 0xfe, 0xfd]), 1007),
    ] {
        let mut socket = resumed(&server, &ada).await;
        let what = format!("{:.40}", format!("{message:?}"));
        // A very large frame may be cut off before it is sent completely.
        let sent = socket.send_message(message).await;
        if sent.is_ok() {
            assert_eq!(closed(&mut socket).await, code, "{what}");
        }
    }
    let mut other = resumed(&server, &ada).await;
    other.call::<serde_json::Value>(Command::GetMe { since: None }).await.expect("the server is unharmed");
}

#[tokio::test]
async fn the_first_command_names_the_user() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let mut socket = open(&server, &ada).await;
    socket.send(Command::GetMe { since: None }).await.expect("alive");
    assert_eq!(refusal(&mut socket).await.1, Code::NotResumed);
    socket.send(Command::Resume { user: ben.id, cursor: None }).await.expect("alive");
    assert_eq!(refusal(&mut socket).await.1, Code::WrongUser);
    socket.send(Command::GetMe { since: None }).await.expect("alive");
    assert_eq!(refusal(&mut socket).await.1, Code::NotResumed, "a refused resume is none");
    let without = Handshake::new(server.address(), ada.api.headers()).without(&http::header::SEC_WEBSOCKET_PROTOCOL);
    assert!(matches!(without.open().await, Err(HandshakeError::Refused { status, .. }) if status == 400));
    let no_one = Handshake::new(server.address(), server.api().headers());
    assert!(matches!(no_one.open().await, Err(HandshakeError::Refused { status, .. }) if status == 401));
}

#[tokio::test]
async fn commands_sent_without_waiting_keep_their_order() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let mut socket = resumed(&server, &ada).await;
    // More than may be pending at once: the rest waits in the network, and nothing is dropped.
    for number in 1..=200 {
        socket.send(send(place, format!("k{number}"), number.to_string())).await.expect("alive");
    }
    let mut replies = 0;
    while replies < 200 {
        if let Incoming::Reply(_, answer) = next(&mut socket).await {
            let sent: Sent = serde_json::from_value(answer.expect("sent")).expect("an answer to message.send");
            assert_eq!(sent.message.text, sent.message.seq.0.to_string(), "the seq is the place in the sender's order");
            replies += 1;
        }
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped_and_a_quiet_one_is_not() {
    let server = Setup::new().with("socket.ping_interval_ms", 100).with("socket.silence_ms", 400).start().await;
    let ada = server.user("ada").await;
    let mut quiet = resumed(&server, &ada).await;
    let mut silent = resumed(&server, &ada).await;
    silent.stop_answering_heartbeats();
    let (code, ()) = tokio::join!(closed(&mut silent), async {
        for _ in 0..10 {
            assert_eq!(quiet.next(SOON).await, Some(Incoming::Heartbeat));
        }
    });
    assert_eq!(code, 4002);
    let mut never_resumes = Setup::new().with("socket.resume_ms", 50).start().await;
    let ben = never_resumes.user("ben").await;
    assert_eq!(closed(&mut open(&never_resumes, &ben).await).await, 4002);
    never_resumes.kill();
}

#[tokio::test]
async fn a_flooding_client_is_told_to_reconnect_later() {
    let server = Setup::new().with("limits.frames_per_second_max", 2).start().await;
    let ada = server.user("ada").await;
    let mut socket = resumed(&server, &ada).await;
    for _ in 0..40 {
        if socket.send_text("{}").await.is_err() {
            break;
        }
    }
    assert_eq!(closed(&mut socket).await, 4004);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_blocks_no_other_user() {
    let setup = Setup::new()
        .with("limits.connection_queue_max", 50)
        .with("limits.connection_queue_bytes_max", 200_000)
        .with("limits.frames_per_second_max", 100_000)
        .with("metrics.token", "figures");
    let server = setup.start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let handshake = Handshake::new(server.address(), ben.api.headers()).with_receive_buffer(4096);
    let mut stuck = handshake.open().await.expect("a socket");
    let _: Heads = stuck.call(Command::Resume { user: ben.id, cursor: None }).await.expect("resumed");
    let mut reader = resumed(&server, &ben).await;
    let mut writer = resumed(&server, &ada).await;
    let text = "x".repeat(9000);
    // Enough to fill the kernel's buffers and the queue behind them.
    for number in 0..1000 {
        let sent: Sent = writer.call(send(place, format!("k{number}"), text.as_str())).await.expect("sent");
        while !matches!(next(&mut reader).await, Incoming::Event(event) if event["message"]["seq"] == sent.message.seq.0)
        {
        }
        if metric(&server, "parlor_closes_total{cause=\"slow_reader\"}").await > 0.0 {
            return;
        }
    }
    panic!("the stuck reader was never closed");
}

/// Returns a metric by its name and labels; 0 if it is missing.
async fn metric(server: &Server, name: &str) -> f64 {
    let api = server.api().with_header(http::header::AUTHORIZATION, "Bearer figures");
    let answer = api.request(http::Method::GET, "/metrics", "").await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

#[tokio::test]
async fn a_stopping_server_answers_pending_commands_and_says_when_to_reconnect() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    let mut socket = resumed(&server, &ada).await;
    for number in 0..20 {
        socket.send(send(place, format!("k{number}"), "hello")).await.expect("alive");
    }
    let first = next(&mut socket).await;
    assert!(matches!(first, Incoming::Reply(..) | Incoming::Event(_)), "{first:?}");
    let stopping = server.stop();
    let watching = async {
        loop {
            match next(&mut socket).await {
                Incoming::Closed(code, reason) => return (code, reason),
                Incoming::Disconnected(why) => panic!("cut without a close frame: {why}"),
                _ => {}
            }
        }
    };
    let ((), (code, reason)) = tokio::join!(stopping, watching);
    assert_eq!(code, 4000);
    let hint: serde_json::Value = serde_json::from_str(&reason).expect("the reason is JSON");
    assert!(hint["retry_after_ms"].as_u64().is_some(), "{reason}");
}

#[tokio::test]
async fn an_answer_of_any_size_arrives_whatever_the_size_of_the_event_queue() {
    let server = Setup::new().with("limits.connection_queue_bytes_max", 1).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    for _ in 0..20 {
        ada.send(place, &"x".repeat(9000)).await;
    }
    let mut socket = resumed(&server, &ben).await;
    let list = Command::ListMessages { conversation: place, before: None, after: None, around: None, limit: Some(20) };
    let page: parlor_protocol::reply::MessagePage = socket.call(list).await.expect("180,000 bytes at once");
    assert_eq!(page.messages.len(), 20);
}

#[tokio::test]
async fn a_resume_after_many_changes_stays_within_its_size_and_names_them_all() {
    let server = Setup::new().with("limits.page_bytes_max", 20_000).start().await;
    let ben = server.user("ben").await;
    let mut before = resumed(&server, &ben).await;
    let start: Heads = before.call(Command::Resume { user: ben.id, cursor: None }).await.expect("a cursor");
    for _ in 0..5 {
        let other = server.user("other").await;
        let place = other.open_direct(&ben).await.id;
        for _ in 0..2 {
            other.send(place, &"x".repeat(9000)).await;
        }
    }
    let mut socket = open(&server, &ben).await;
    let heads: Heads =
        socket.call(Command::Resume { user: ben.id, cursor: Some(start.cursor) }).await.expect("resumed");
    assert_eq!((heads.reset, heads.heads.len()), (false, 5));
    assert_eq!(heads.changes.len(), 2, "the second passes the limit, and is the last");
}
