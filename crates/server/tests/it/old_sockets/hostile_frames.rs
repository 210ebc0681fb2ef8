//! Frames that no page sends: each is refused or answered as the profile declares, nothing is stored, the socket goes on
//! or closes, and nobody else is harmed.

use super::{Heard, Page, Site};
use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

const INVALID_JSON: &str = "{\"error\": \"Invalid JSON\"}";
const INVALID: &str = "{\"type\": \"error\", \"error\": \"The message is not valid\"}";
const NOT_FOUND: &str = "{\"type\": \"error\", \"error\": \"Recipient not found\"}";
const EMPTY: &str = "{\"type\": \"error\", \"error\": \"The message is empty\"}";
const FORBIDDEN: &str = "{\"type\": \"error\", \"error\": \"You may not write to this person\"}";

/// What Accounting's page sends in vain, and what it is answered; none where the frame is ignored.
fn refused() -> Vec<(String, Option<&'static str>)> {
    let send = |recipient: &str, content: &str| {
        format!("{{\"type\": \"send_message\", \"recipient_id\": {recipient}, \"content\": {content}}}")
    };
    let deep = format!("{}{}", "{\"a\": ".repeat(5_000), "}".repeat(5_000));
    vec![
        (String::new(), Some(INVALID_JSON)),
        ("null".to_owned(), Some(INVALID)),
        ("[{\"type\": \"send_message\"}]".to_owned(), Some(INVALID)),
        ("NaN".to_owned(), Some(INVALID_JSON)),
        (send("NaN", "\"x\""), Some(INVALID_JSON)),
        (send("Infinity", "\"x\""), Some(INVALID_JSON)),
        (send("1e999", "\"x\""), Some(INVALID_JSON)),
        (send("2, \"extra\": -1e999", "\"x\""), Some(INVALID_JSON)),
        (send("99999999999999999999999999", "\"x\""), Some(INVALID)),
        (send("18446744073709551615", "\"x\""), Some(NOT_FOUND)),
        (send("-9223372036854775808", "\"x\""), Some(NOT_FOUND)),
        (send("2.0", "\"x\""), Some(INVALID)),
        (send("2e0", "\"x\""), Some(INVALID)),
        (send("true", "\"x\""), Some(INVALID)),
        (send("[2]", "\"x\""), Some(INVALID)),
        (send("{\"id\": 2}", "\"x\""), Some(INVALID)),
        (send("\"2 OR 1=1\"", "\"x\""), Some(NOT_FOUND)),
        (send("\"2\\u0000\"", "\"x\""), Some(INVALID)),
        (send(&format!("\"{}\"", "2".repeat(65)), "\"x\""), Some(INVALID)),
        (send("2", "\"\\ud800\""), Some(INVALID_JSON)),
        (send("2", "\"\\udc00\\ud800\""), Some(INVALID_JSON)),
        (send("2", "\"a\\u0000b\""), Some(INVALID)),
        (send("2", "\"\\u200b \\n\""), Some(EMPTY)),
        (send("2", "{\"text\": \"x\"}"), Some(INVALID)),
        (send("2", "7"), Some(INVALID)),
        // Of several fields of a name the last counts, for the rule as for the row.
        (send("2, \"recipient_id\": 9", "\"x\""), Some(FORBIDDEN)),
        (send("2", "\"x\", \"content\": \"\""), Some(EMPTY)),
        (send("2", "\"x\"} trailing"), Some(INVALID_JSON)),
        (send("2", "\"x\"}{"), Some(INVALID_JSON)),
        (deep, Some(INVALID_JSON)),
        ("{\"type\": \"mark_as_read\", \"message_id\": \"1; DROP TABLE x\"}".to_owned(), Some(INVALID)),
        ("{\"type\": \"mark_as_read\", \"message_id\": 1.5}".to_owned(), Some(INVALID)),
        (format!("{{\"type\": \"mark_as_read\", \"message_id\": {:?}}}", vec![1; 101]), Some(INVALID)),
        ("{\"type\": [\"send_message\"]}".to_owned(), None),
        ("{\"type\": \"send_message\\u0000\", \"content\": \"x\"}".to_owned(), None),
        ("{\"__proto__\": {\"type\": \"send_message\"}}".to_owned(), None),
    ]
}

/// The socket answers, so nothing of what came before is still in progress.
async fn assert_answers(page: &mut Page, after: &str) {
    page.send(&json!({"type": "get_unread_count"})).await;
    assert_eq!(page.frame().await, json!({"type": "unread_count", "unread_count": 0}), "{after}");
}

#[tokio::test]
async fn hostile_frames_are_refused_as_declared_and_harm_nobody() {
    let site = Site::start("accounting", &[("limits.frames_per_second_max", "1000")]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    site.person(9).await;
    let (mut page, mut of_bob) = (site.open("/ws/messages/", &ada).await, site.open("/ws/messages/", &bob).await);
    for (frame, answer) in refused() {
        let shown: String = frame.chars().take(120).collect();
        page.send_text(&frame).await;
        if let Some(answer) = answer {
            assert_eq!(page.next().await, Heard::Text(answer.to_owned()), "{shown}");
        }
        assert_answers(&mut page, &shown).await;
    }
    assert_eq!(site.host.rows(), [], "nothing is stored");
    page.send(&json!({"type": "send_message", "recipient_id": 2, "content": "after all that"})).await;
    assert_eq!(of_bob.frame().await["data"]["content"], "after all that", "the first thing that anybody else hears");
}

#[tokio::test]
async fn the_page_of_findit_hears_nothing_of_hostile_frames_but_a_close() {
    let site = Site::start("findit", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let mut of_bob = site.open("/ws/chat/5-1/", &bob).await;
    for frame in [
        "",
        "NaN",
        "{\"message\": \"\\ud800\"}",
        "{\"message\": \"x\", \"item_id\": 1e400}",
        "{\"message\": \"x\", \"sender_id\": 1, \"sender_id\": 2}",
        "{\"message\": \"x\", \"recipient_id\": 2, \"recipient_id\": 9}",
        "{\"message\": {\"message\": \"x\"}}",
    ] {
        let mut page = site.open("/ws/chat/5-2/", &ada).await;
        page.send_text(frame).await;
        assert_eq!(page.next().await, Heard::Closed(1008), "{frame}");
    }
    assert_eq!(site.host.rows(), []);
    let mut page = site.open("/ws/chat/5-2/", &ada).await;
    page.send(&json!({"message": "fine"})).await;
    assert_eq!(of_bob.frame().await["message"], "fine");
}

fn piece(text: &[u8], kind: Data, is_last: bool) -> Message {
    Message::Frame(Frame::message(text.to_vec(), OpCode::Data(kind), is_last))
}

#[tokio::test]
async fn a_frame_in_fragments_is_one_frame_and_broken_framing_closes_that_socket_only() {
    let site = Site::start("accounting", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let (mut page, mut of_bob) = (site.open("/ws/messages/", &ada).await, site.open("/ws/messages/", &bob).await);
    let text = "{\"type\": \"send_message\", \"recipient_id\": 2, \"content\": \"é in pieces\"}".as_bytes();
    // One fragment for each byte, so also in the middle of a character, with a ping in between.
    for (at, byte) in text.iter().enumerate() {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        page.socket.send(piece(&[*byte], kind, at + 1 == text.len())).await.expect("sent");
        if at == 10 {
            page.socket.send(Message::Ping("x".into())).await.expect("sent");
        }
    }
    assert_eq!(of_bob.frame().await["data"]["content"], "é in pieces");
    assert_eq!(page.frame().await["type"], "message_sent");
    let ten_megabytes = "x".repeat(10_000_000);
    for (frames, code) in [
        (vec![piece(b"x", Data::Continue, true)], 1002),
        (vec![piece(b"x", Data::Text, false), piece(b"x", Data::Text, true)], 1002),
        (vec![piece(b"\xff\xfe", Data::Text, true)], 1007),
        (vec![piece(b"\xed\xa0\x80", Data::Text, true)], 1007),
        (vec![Message::text(ten_megabytes.clone())], 1009),
        (
            (0..400).map(|at| piece(&[b' '; 4096], if at == 0 { Data::Text } else { Data::Continue }, false)).collect(),
            1009,
        ),
    ] {
        let mut page = site.open("/ws/messages/", &ada).await;
        for frame in frames {
            // It may be closed in the middle.
            if page.socket.send(frame).await.is_err() {
                break;
            }
        }
        assert_eq!(page.next().await, Heard::Closed(code));
    }
    assert_eq!(site.host.rows().len(), 1, "nothing of it is stored");
    assert_answers(&mut page, "the other sockets of this person go on").await;
    page.send(&json!({"type": "send_message", "recipient_id": 2, "content": "still"})).await;
    assert_eq!(of_bob.frame().await["data"]["content"], "still");
}
