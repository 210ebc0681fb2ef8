//! Commands sent without waiting for replies: one socket never stops the server, whatever it asks for and however little
//! of the answers it reads. Everything is at its default here.

use crate::harness::{Person, Server};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{command::Command, frame::CommandFrame, ids::ConversationId, reply::Heads};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, timeout};

/// The time within which anybody's `GET /v1/me` is answered, whatever others do.
const ANSWERED: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(30);
/// Above the numbers that [`Socket::call`] uses.
const FIRST: i64 = 1000;

/// Masked text frames of these commands, numbered from the first, to be sent in one piece.
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

/// A socket that has resumed.
pub(crate) async fn resumed(handshake: Handshake, person: &Person) -> Socket {
    let mut socket = handshake.open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: person.id, cursor: None }).await.expect("resumed");
    socket
}

/// Sends all of it at once, and reads until each is answered.
async fn is_answered(server: &Server, person: &Person, commands: Vec<Command>) {
    let mut socket = resumed(Handshake::new(server.address(), person.api.headers()), person).await;
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

/// Asks so many times, one after the other.
async fn is_served(person: &Person, times: u32) {
    for _ in 0..times {
        timeout(ANSWERED, person.api.me()).await.expect("in time").expect("others are served");
    }
}

async fn place(server: &Server) -> (Person, Person, ConversationId) {
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let place = ada.write_to(&ben).await.id;
    ada.say(place, "hello").await;
    (ada, ben, place)
}

#[tokio::test]
async fn ten_lists_and_a_command_about_the_screen_are_answered_and_others_served() {
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
            is_answered(&server, &ada, commands).await;
        };
        tokio::join!(asking, is_served(&ben, 20));
    }
}

#[tokio::test]
async fn what_a_page_asks_on_coming_back_is_answered_however_often_it_comes() {
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
        tokio::join!(is_answered(&server, &ada, commands), is_served(&ben, 2));
    }
}

#[tokio::test]
async fn pages_that_are_asked_for_and_never_read_hold_up_nobody() {
    let server = Server::start().await;
    let (ada, ben, place) = place(&server).await;
    for _ in 0..40 {
        ada.say(place, &"x".repeat(10_000)).await;
    }
    let handshake = Handshake::new(server.address(), ada.api.headers()).with_receive_buffer(4096);
    let mut stuck = resumed(handshake, &ada).await;
    let page =
        || Command::ListMessages { conversation: place, before: None, after: None, around: None, limit: Some(40) };
    stuck.send_raw(&pipelined(FIRST, (0..31).map(|_| page()))).await.expect("sent");
    is_served(&ben, 300).await;
    // Another socket of the same person is served, too.
    is_answered(&server, &ada, vec![list(), page()]).await;
}
