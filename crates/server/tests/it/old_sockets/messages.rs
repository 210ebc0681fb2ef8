//! Messages: what is sent, refused and heard.

use super::{Heard, Site};
use crate::harness::folder;
use parlor::mirror::message_row::HostFile;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn findit_frame(text: &str, sender: i64, id: i64) -> String {
    format!(
        "{{\"message\": \"{text}\", \"sender_id\": {sender}, \"sender_username\": \"p{sender}\", \"timestamp\": \
         \"Nov. 29, 2026, 04:20 AM\", \"message_id\": {id}}}"
    )
}

#[tokio::test]
async fn two_rooms_for_one_conversation_are_one_whichever_id_each_person_opens_it_by() {
    let site = Site::start("findit", &[]).await;
    let (finder, owner) = (site.person(1).await, site.person(2).await);
    let mut of_finder = site.open("/ws/chat/5-2/", &finder).await;
    let mut of_owner = site.open("/ws/chat/5-1/", &owner).await;
    of_finder
        .send(&json!({"message": "hi", "sender_id": "1", "recipient_id": "2", "item_id": "5", "image": null}))
        .await;
    let frame = Heard::Text(findit_frame("hi", 1, 1));
    assert_eq!(of_owner.next().await, frame, "to the byte what the application sent");
    assert_eq!(of_finder.next().await, frame, "the echo");
    of_owner.send(&json!({"message": "found", "sender_id": 2, "recipient_id": 1, "item_id": 5, "image": null})).await;
    let frame = Heard::Text(findit_frame("found", 2, 2));
    assert_eq!(of_finder.next().await, frame);
    assert_eq!(of_owner.next().await, frame);
    assert!(site.host.rows().iter().all(|row| row.context.as_deref() == Some("5")));
}

#[tokio::test]
async fn a_forged_sender_recipient_or_item_closes_the_socket_and_stores_nothing() {
    let site = Site::start("findit", &[]).await;
    let ada = site.person(1).await;
    for id in [2, 3] {
        site.person(id).await;
    }
    for frame in [
        json!({"message": "x", "sender_id": 2, "recipient_id": 2, "item_id": 5}),
        json!({"message": "x", "sender_id": "3"}),
        json!({"message": "x", "sender_id": 1, "recipient_id": 3, "item_id": 5}),
        json!({"message": "x", "sender_id": 1, "recipient_id": 2, "item_id": 4}),
        json!({"message": ""}),
        json!({"message": " \n"}),
        json!({"message": "a\u{0}b"}),
        json!({"message": 5}),
        json!([]),
    ] {
        let mut page = site.open("/ws/chat/5-2/", &ada).await;
        page.send(&frame).await;
        assert_eq!(page.next().await, Heard::Closed(1008), "{frame}: nothing else is sent: the page would draw it");
    }
    for path in ["/ws/chat/5-9/", "/ws/chat/5-1/", "/ws/chat/6-2/", "/ws/chat/5-x/"] {
        let mut page = site.open(path, &ada).await;
        page.send(&json!({"message": "x"})).await;
        assert_eq!(page.next().await, Heard::Closed(1008), "{path}: nobody, oneself, no item");
    }
    assert_eq!(site.host.rows(), []);
}

#[tokio::test]
async fn a_stranger_in_the_room_hears_nothing_of_two_other_people() {
    let site = Site::start("findit", &[]).await;
    let (ada, bob, eve) = (site.person(1).await, site.person(2).await, site.person(3).await);
    let mut of_ada = site.open("/ws/chat/5-2/", &ada).await;
    let mut strangers = Vec::new();
    for (path, cookie) in
        [("/ws/chat/5-2/", &eve), ("/ws/chat/5-1/", &eve), ("/ws/chat/4-1/", &bob), ("/ws/chat/5-3/", &bob)]
    {
        strangers.push((path, site.open(path, cookie).await));
    }
    of_ada.send(&json!({"message": "private"})).await;
    assert!(matches!(of_ada.next().await, Heard::Text(_)), "it is sent");
    // What comes next to each is what is theirs.
    let own = [(3, 2, 5), (3, 1, 5), (2, 1, 4), (3, 2, 5)];
    for ((path, page), (from, to, item)) in strangers.iter_mut().zip(own) {
        let row = site.host.insert(from, to, |row| {
            row.text = "own".to_owned();
            row.context = Some(item.to_string());
        });
        let mut heard = page.frame().await;
        while heard["message"] == "own" && heard["message_id"] != row.row_id {
            heard = page.frame().await;
        }
        assert_eq!((&heard["message"], &heard["message_id"]), (&json!("own"), &json!(row.row_id)), "{path}");
    }
}

#[tokio::test]
async fn a_silent_recipient_hears_a_message_whichever_way_it_was_sent() {
    let site = Site::start("accounting", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    let (mut of_ada, mut of_bob) = (site.open("/ws/messages/", &ada).await, site.open("/ws/messages/", &bob).await);
    of_ada.send(&json!({"type": "send_message", "recipient_id": 2, "subject": "", "content": "by socket"})).await;
    let sent = r#"{"type": "message_sent", "message_id": 1, "status": "success"}"#;
    assert_eq!(of_ada.next().await, Heard::Text(sent.to_owned()), "to the byte, and no echo");
    let heard = "{\"type\": \"new_message\", \"data\": {\"type\": \"new_message\", \"message_id\": 1, \"sender\": \
                 \"Person 1\", \"sender_id\": 1, \"subject\": \"No Subject\", \"content\": \"by socket\", \
                 \"created_at\": \"2026-11-29 12:20\", \"is_read\": false, \"attachments\": []}}";
    assert_eq!(of_bob.next().await, Heard::Text(heard.to_owned()), "to the byte, in the zone of the host");
    // A form of the site, whose attachments come a moment later.
    let mut row = site.host.insert(1, 2, |row| row.text = "by form".to_owned());
    let first = of_bob.frame().await;
    assert_eq!((&first["data"]["content"], &first["data"]["attachments"]), (&json!("by form"), &json!([])));
    let file = HostFile {
        id: 4,
        filename: "a.pdf".to_owned(),
        file_size: 12,
        url: "/media/a.pdf".to_owned(),
        download_url: "/messages/download/4/".to_owned(),
    };
    row.attachments.push(file);
    site.host.publish(&row);
    let again = of_bob.frame().await;
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    let file = json!({"id": 4, "filename": "a.pdf", "file_size": 12, "url": "/media/a.pdf", "download_url": "/messages/download/4/"});
    assert_eq!(again["data"]["attachments"], json!([file]));
}

#[tokio::test]
async fn counts_and_reads_are_the_hosts_and_only_of_ones_own_messages() {
    let site = Site::start("accounting", &[]).await;
    let (ada, bob) = (site.person(1).await, site.person(2).await);
    for _ in 0..3 {
        site.host.insert(1, 2, |_| {});
    }
    let mut of_bob = site.open("/ws/messages/", &bob).await;
    let mut of_ada = site.open("/ws/messages/", &ada).await;
    // All at once: the answers keep their order.
    for frame in [
        json!({"type": "get_unread_count"}),
        json!({"type": "mark_as_read", "message_id": "2"}),
        json!({"type": "typing"}),
        json!({"type": "mark_as_read", "message_id": 99}),
        json!({"type": "get_unread_count"}),
    ] {
        of_bob.send(&frame).await;
    }
    for expected in [
        json!({"type": "unread_count", "unread_count": 3}),
        json!({"type": "message_read", "message_id": 2, "status": "success"}),
        json!({"type": "message_read", "message_id": 99, "status": "success"}),
        json!({"type": "unread_count", "unread_count": 2}),
    ] {
        assert_eq!(of_bob.frame().await, expected);
    }
    of_ada.send(&json!({"type": "mark_as_read", "message_id": 1})).await;
    assert_eq!(of_ada.frame().await["status"], "success");
    assert_eq!(site.host.rows().iter().map(|row| row.is_read).collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn accounting_answers_errors_in_its_own_form_and_stays_open() {
    let site = Site::start("accounting", &[("limits.text_chars_max", "20")]).await;
    let ada = site.person(1).await;
    site.person(9).await;
    let mut page = site.open("/ws/messages/", &ada).await;
    let to = |recipient: Value, content: &str| json!({"type": "send_message", "recipient_id": recipient, "content": content});
    for (frame, error) in [
        (to(json!(77), "x"), "Recipient not found"),
        (to(json!("nobody"), "x"), "Recipient not found"),
        (to(json!(9), "x"), "You may not write to this person"),
        (to(json!(1), "x"), "You may not write to this person"),
        (to(json!(null), "x"), "The message is not valid"),
        (to(json!(9), " "), "The message is empty"),
        (to(json!(9), &"x".repeat(21)), "The message is too long"),
        (json!(5), "The message is not valid"),
    ] {
        page.send(&frame).await;
        assert_eq!(page.frame().await, json!({"type": "error", "error": error}), "{frame}");
    }
    page.send_text("{").await;
    assert_eq!(page.next().await, Heard::Text("{\"error\": \"Invalid JSON\"}".to_owned()));
    assert_eq!(site.host.rows(), []);
}

#[tokio::test]
async fn without_a_rule_about_who_may_write_to_whom_nothing_can_be_sent() {
    let folder = folder();
    let file = folder.path().join("mine.toml");
    let text = include_str!("../../../../../compat/accounting.toml");
    let lines = text.lines().filter(|line| !line.starts_with("allow")).collect::<Vec<_>>();
    assert_eq!(lines.len() + 1, text.lines().count());
    std::fs::write(&file, lines.join("\n")).expect("written");
    let path = file.to_str().expect("a plain path").to_owned();
    let site = Site::start(&path, &[]).await;
    let ada = site.person(1).await;
    site.person(2).await;
    let mut page = site.open("/ws/messages/", &ada).await;
    page.send(&json!({"type": "send_message", "recipient_id": 2, "content": "x"})).await;
    assert_eq!(page.frame().await["error"], "You may not write to this person");
    assert_eq!(site.host.rows(), []);
}

#[tokio::test]
async fn a_rule_that_the_host_cannot_answer_is_an_outage_and_not_the_pages_mistake() {
    let (accounting, findit) = (Site::start("accounting", &[]).await, Site::start("findit", &[]).await);
    let cookies = [accounting.person(1).await, findit.person(1).await];
    for site in [&accounting, &findit] {
        site.person(2).await;
        site.host.has_wrong_rule.store(true, Ordering::SeqCst);
    }
    let mut page = accounting.open("/ws/messages/", &cookies[0]).await;
    page.send(&json!({"type": "send_message", "recipient_id": 2, "content": "x"})).await;
    let error = "Messages cannot be sent at the moment. Try again later";
    assert_eq!(page.frame().await, json!({"type": "error", "error": error}));
    let mut page = findit.open("/ws/chat/5-2/", &cookies[1]).await;
    page.send(&json!({"message": "x"})).await;
    assert_eq!(page.next().await, Heard::Closed(1013));
    assert_eq!((accounting.host.rows(), findit.host.rows()), (vec![], vec![]));
}
