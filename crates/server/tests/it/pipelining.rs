//! Commands sent without waiting for replies: one socket never stalls the server, whatever it requests and however
//! little of the answers it reads. All settings are the defaults.

use crate::harness::{Server, TestUser};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{command::Command, frame::CommandFrame, ids::ConversationId, reply::Heads};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, timeout};

/// The time within which every user's `GET /v1/me` is answered.
const ANSWERED: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(30);
/// Above the ids that [`Socket::call`] uses.
const FIRST: i64 = 1000;

/// Masked text frames of these commands, numbered from `first`, to be sent in one write.
pub(crate) fn pipelined(first: i64, commands: impl IntoIterator<Item = Command>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, command) in (first..).zip(commands) {
        let text = CommandFrame { id, command }.to_text();
        let length = u16::try_from(text.len()).expect("short commands");
        bytes.push(0x81);
        if length < 126 {
            bytes.push(0x80 | u8::try_from(length).expect("checked"));
        } else {
            bytes.push(0x80 | 0x7e);
            bytes.extend(length.to_be_bytes());
        }
        // A mask of zeros changes nothing.
        bytes.extend([0; 4]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn list() -> Command {
    Command::ListConversations { after: None, limit: None }
}

/// Opens a socket and resumes.
pub(crate) async fn resumed(handshake: Handshake, user: &TestUser) -> Socket {
    let mut socket = handshake.open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

/// Sends everything at once and reads until each command is answered.
async fn assert_answered(server: &Server, user: &TestUser, commands: Vec<Command>) {
    let mut socket = resumed(Handshake::new(server.address(), user.api.headers()), user).await;
    let mut awaited: BTreeSet<i64> = (FIRST..).take(commands.len()).collect();
    socket.send_raw(&pipelined(FIRST, commands)).await.expect("sent");
    let deadline = Instant::now() + LONG;
    while !awaited.is_empty() {
        match socket.next_before(deadline).await {
            Some(Incoming::Reply(Some(re), answer)) => {
                answer.unwrap_or_else(|problem| panic!("{re}: {problem:?}"));
                assert!(awaited.remove(&re), "{re} is answered once");
            }
            Some(Incoming::Heartbeat | Incoming::Event(_)) => {}
            other => panic!("{awaited:?} are not answered: {other:?}"),
        }
    }
}

/// Sends a request repeatedly, one after the other.
async fn is_served(user: &TestUser, times: u32) {
    for _ in 0..times {
        timeout(ANSWERED, user.api.me()).await.expect("in time").expect("others are served");
    }
}

async fn place(server: &Server) -> (TestUser, TestUser, ConversationId) {
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.open_direct(&ben).await.id;
    ada.send(place, "hello").await;
    (ada, ben, place)
}

#[tokio::test]
async fn ten_lists_and_a_show_are_answered_while_others_are_served() {
    let server = Server::start().await;
    let (ada, ben, place) = place(&server).await;
    for last in [
        Command::Show { conversations: vec![place] },
        Command::SetTyping { conversation: place, typing: true },
        Command::WatchPresence { users: vec![ben.id] },
        Command::SetPresence { idle: true },
    ] {
        let commands = (0..10).map(|_| list()).chain([last]).collect();
        let asking = async {
            assert_answered(&server, &ada, commands).await;
        };
        tokio::join!(asking, is_served(&ben, 20));
    }
}

#[tokio::test]
async fn the_requests_of_a_returning_page_are_answered_every_time() {
    let server = Server::start().await;
    let (ada, ben, place) = place(&server).await;
    for _ in 0..40 {
        let page = Command::ListMessages { conversation: place, before: None, after: None, around: None, limit: None };
        let commands = vec![
            Command::GetMe { since: None },
            list(),
            Command::GetConversation { conversation: place },
            page,
            Command::Show { conversations: vec![place] },
        ];
        tokio::join!(assert_answered(&server, &ada, commands), is_served(&ben, 2));
    }
}

#[tokio::test]
async fn pages_requested_and_never_read_block_no_other_user() {
    let server = Server::start().await;
    let (ada, ben, place) = place(&server).await;
    for _ in 0..40 {
        ada.send(place, &"x".repeat(10_000)).await;
    }
    let handshake = Handshake::new(server.address(), ada.api.headers()).with_receive_buffer(4096);
    let mut stuck = resumed(handshake, &ada).await;
    let page =
        || Command::ListMessages { conversation: place, before: None, after: None, around: None, limit: Some(40) };
    stuck.send_raw(&pipelined(FIRST, (0..31).map(|_| page()))).await.expect("sent");
    is_served(&ben, 300).await;
    // Another socket of the same user is served, too.
    assert_answered(&server, &ada, vec![list(), page()]).await;
}
