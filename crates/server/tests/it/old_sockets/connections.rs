//! Connections: handshakes, sign-outs, heartbeats, limits, and a host that is away.

use super::{Heard, LONG, Site};
use crate::raw_http::{ask, handshake_status};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn what_is_not_stored_is_not_shown_and_each_frame_is_answered_while_the_host_is_away_or_frozen() {
    for (is_frozen, flag) in [(false, "away"), (true, "frozen")] {
        let (accounting, findit) = (Site::start("accounting", &[]).await, Site::start("findit", &[]).await);
        let cookies = [accounting.person(1).await, findit.person(1).await];
        let mut of_accounting = accounting.open("/ws/messages/", &cookies[0]).await;
        let mut of_findit = findit.open("/ws/chat/5-2/", &cookies[1]).await;
        for site in [&accounting, &findit] {
            site.person(2).await;
            let state = if is_frozen { &site.host.is_frozen } else { &site.host.is_away };
            state.store(true, Ordering::SeqCst);
        }
        of_accounting.send(&json!({"type": "send_message", "recipient_id": 2, "content": "x"})).await;
        of_findit.send(&json!({"message": "x"})).await;
        let answers = async { (of_accounting.frame().await, of_findit.next().await) };
        let answers = timeout(Duration::from_secs(5), answers).await.expect("within 5 seconds");
        assert_eq!(answers.0["type"], "error", "{flag}");
        assert_eq!(answers.1, Heard::Closed(1013), "{flag}: the page draws a bubble for every frame");
        assert_eq!((accounting.host.rows(), findit.host.rows()), (vec![], vec![]), "{flag}");
    }
}

#[tokio::test]
async fn a_socket_does_not_outlive_its_sign_in() {
    let site = Site::start("accounting", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let mut of_ada = site.open("/ws/messages/", &ada).await;
    let mut of_bob = site.open("/ws/messages/", &bob).await;
    let origin = format!("http://{}", site.server.address());
    let host = site.server.address().to_string();
    let headers = [("Cookie", ada.as_str()), ("Origin", &origin), ("Host", &host)];
    assert_eq!(ask(site.server.address(), "DELETE", "/v1/session", &headers, "").await.status, 204);
    assert_eq!(of_ada.next().await, Heard::Closed(1008));
    of_bob.send(&json!({"type": "get_unread_count"})).await;
    assert_eq!(of_bob.frame().await["unread_count"], 0, "nobody else's is closed");
    assert_eq!(handshake_status(site.server.address(), "/ws/messages/", &headers).await, 403);
}

#[tokio::test]
async fn a_handshake_is_refused_before_it_is_accepted() {
    let site = Site::start("findit", &[]).await;
    let (person, stranger) = (site.person(1).await, site.user("stranger").await);
    let host = site.server.address().to_string();
    let own = format!("http://{host}");
    let status = async |path: &str, cookie: &str, origin: &str| {
        let headers = [("Cookie", cookie), ("Origin", origin), ("Host", &host)];
        handshake_status(site.server.address(), path, &headers).await
    };
    assert_eq!(status("/ws/chat/5-2/", &person, &own).await, 101);
    assert_eq!(status("/ws/chat/5%2D2/", &person, &own).await, 101, "an encoded path");
    assert_eq!(status("/ws/chat/5-2/?x=1", &person, &own).await, 101);
    assert_eq!(status("/ws/chat/5-2/", "", &own).await, 403, "anonymous");
    assert_eq!(status("/ws/chat/5-2/", "sessionid=x", &own).await, 403, "another cookie");
    assert_eq!(status("/ws/chat/5-2/", &stranger, &own).await, 403, "nobody of the host");
    for origin in ["http://evil.example", "null", ""] {
        assert_eq!(status("/ws/chat/5-2/", &person, origin).await, 403, "{origin:?}");
    }
    for path in ["/ws/chat/5-2", "/ws/chat/5/", "/ws/messages/", "/ws/chat/5-2/x/", "//ws/chat/5-2/"] {
        assert_eq!(status(path, &person, &own).await, 404, "{path}");
    }
    let headers = [("Cookie", person.as_str()), ("Origin", "http://parlor.test")];
    let plain = ask(site.server.address(), "GET", "/ws/chat/5-2/", &headers, "").await;
    assert_eq!(plain.status, 400, "no handshake");
}

#[tokio::test]
async fn heartbeats_are_pings_that_browsers_answer_and_a_page_that_answers_none_is_closed() {
    let site = Site::start("findit", &[("socket.ping_interval_ms", "50"), ("socket.silence_ms", "400")]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let mut answering = site.open("/ws/chat/5-2/", &ada).await;
    let mut silent = site.open("/ws/chat/5-1/", &bob).await;
    let mut pings = 0;
    while pings < 20 {
        match timeout(LONG, answering.socket.next()).await.expect("in time").expect("open").expect("a frame") {
            Message::Ping(_) => pings += 1,
            other => panic!("nothing but pings is sent: {other:?}"),
        }
    }
    answering.send(&json!({"message": "still here"})).await;
    assert!(matches!(answering.next().await, Heard::Text(_)), "after more than the time of silence");
    // It has read nothing, so it has answered no ping.
    let mut heard = Vec::new();
    while let Some(Ok(message)) = timeout(LONG, silent.socket.next()).await.expect("in time") {
        heard.push(message);
    }
    let closes =
        heard.iter().any(|message| matches!(message, Message::Close(Some(frame)) if u16::from(frame.code) == 1013));
    assert!(closes, "{heard:?}");
}

#[tokio::test]
async fn a_page_whose_socket_has_lived_long_enough_is_closed_as_for_a_restart() {
    let site = Site::start("accounting", &[("socket.life_max_ms", "300")]).await;
    let ada = site.person(1).await;
    let mut page = site.open("/ws/messages/", &ada).await;
    let closed = loop {
        if let Heard::Closed(code) = page.next().await {
            break code;
        }
    };
    assert_eq!(closed, 1012);
}

#[tokio::test]
async fn frames_beyond_the_limits_close_with_the_codes_of_the_standard() {
    let site =
        Site::start("accounting", &[("limits.frame_bytes_max", "1000"), ("limits.frames_per_second_max", "2")]).await;
    let ada = site.person(1).await;
    let mut page = site.open("/ws/messages/", &ada).await;
    page.send_text(&"x".repeat(1001)).await;
    assert_eq!(page.next().await, Heard::Closed(1009));
    let mut page = site.open("/ws/messages/", &ada).await;
    page.socket.send(Message::binary(vec![1, 2, 3])).await.expect("sent");
    assert_eq!(page.next().await, Heard::Closed(1003));
    let mut page = site.open("/ws/messages/", &ada).await;
    for _ in 0..100 {
        // It is closed in the middle.
        if page.socket.send(Message::text("{}")).await.is_err() {
            break;
        }
    }
    assert_eq!(page.next().await, Heard::Closed(1008));
}

#[tokio::test]
async fn a_page_that_does_not_read_is_closed_and_nobody_waits_for_it() {
    let site = Site::start("accounting", &[("limits.connection_queue_max", "20")]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let mut of_ada = site.open("/ws/messages/", &ada).await;
    let of_bob = site.open("/ws/messages/", &bob).await;
    let closing = async {
        while site.server.app.hub.connections() > 1 {
            site.host.insert(1, 2, |row| row.text = "x".repeat(100_000));
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, closing).await.expect("it is closed");
    of_ada.send(&json!({"type": "get_unread_count"})).await;
    assert_eq!(of_ada.frame().await["unread_count"], 0);
    drop(of_bob);
}

#[tokio::test]
async fn a_restart_delivers_what_is_there_and_closes_so_that_pages_reconnect() {
    let site = Site::start("accounting", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let mut of_ada = site.open("/ws/messages/", &ada).await;
    let mut of_bob = site.open("/ws/messages/", &bob).await;
    of_ada.send(&json!({"type": "get_unread_count"})).await;
    assert_eq!(of_ada.frame().await["unread_count"], 0);
    site.host.insert(1, 2, |row| row.text = "the last one".to_owned());
    site.server.stop().await;
    assert_eq!(of_bob.frame().await["data"]["content"], "the last one");
    assert_eq!([of_ada.next().await, of_bob.next().await], [Heard::Closed(1012), Heard::Closed(1012)]);
}
