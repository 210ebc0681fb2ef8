//! The host over HTTP: its rule by a callback, and messages that its own view sends.

use super::{FakeHost, Heard, LONG, Page, Site};
use crate::harness::folder;
use parlor::{environment::Environment, mirror::message_row::HostMessageRow};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

const VIEW: &str = "write = \"view\"\nview = { path = \"/messages/send/\", form = { recipients = \"$recipient.id\", \
                    subject = \"$subject\", content = \"$text\" }, headers = { X-Requested-With = \"XMLHttpRequest\" } }";
const UNAVAILABLE: &str = "Messages cannot be sent at the moment. Try again later";
const NOT_ALLOWED: &str = "You may not write to this person";

/// What the host answers to everybody.
#[derive(Clone, Default)]
enum Answer {
    /// A status, with a Location, and a body.
    Plain(u16, &'static str, String),
    /// The row is stored, and then the same.
    Store(u16),
    #[default]
    Nothing,
}

#[derive(Default)]
struct State {
    answer: Answer,
    host: Option<Arc<FakeHost>>,
    /// The heads of requests, and their bodies.
    asked: Vec<(String, String)>,
}

/// A host that answers HTTP. The person who is signed in by its cookie is number 1.
struct Web {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Web {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { address, state }
    }

    fn answers(&self, answer: Answer) {
        self.state.lock().expect("not poisoned").answer = answer;
    }

    /// Returns the requests so far, and forgets them.
    fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state.lock().expect("not poisoned").asked)
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let mut body = vec![0; header(&head, "content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.expect("a body");
    let body = String::from_utf8(body).expect("text");
    let (answer, host) = {
        let mut state = state.lock().expect("not poisoned");
        state.asked.push((head, body.clone()));
        (state.answer.clone(), state.host.clone())
    };
    let (status, location, text) = match answer {
        Answer::Plain(status, location, text) => (status, location, text),
        Answer::Store(status) => {
            let fields = form(&body);
            insert(&host.expect("it runs"), &fields["recipients"], &fields["content"]);
            (status, "/dashboard/", String::new())
        }
        Answer::Nothing => std::future::pending().await,
    };
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // The server may have given up.
    _ = stream.write_all((head + &text).as_bytes()).await;
}

/// Inserts a row as the view does: without the spaces around the text.
fn insert(host: &FakeHost, recipient: &str, text: &str) -> HostMessageRow {
    host.insert(1, recipient.parse().expect("an id"), |row| {
        text.trim().clone_into(&mut row.text);
        row.created_at_ms = Environment::real().now_ms();
    })
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    line.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn form(body: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

/// A server beside a host, with the profile of Accounting but for who may write to whom.
async fn site(web: &Web, rule: &str) -> (Site, String, TempDir) {
    let folder = folder();
    let file = folder.path().join("mine.toml");
    let text = include_str!("../../../../../compat/accounting.toml");
    let lines: Vec<&str> = text.lines().map(|line| if line.starts_with("allow") { rule } else { line }).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let url = format!("http://{}", web.address);
    let allow = format!("{url}/may-write/?key=k");
    let settings = [("host.url", url.as_str()), ("host.allow_url", &allow), ("host.http_timeout_ms", "3500")];
    let site = Site::start(file.to_str().expect("a plain path"), &settings).await;
    web.state.lock().expect("not poisoned").host = Some(site.host.clone());
    let ada = format!("{}; sessionid=of-ada", site.person(1).await);
    site.person(2).await;
    (site, ada, folder)
}

async fn send(page: &mut Page, text: &str) -> Value {
    page.send(&json!({"type": "send_message", "recipient_id": 2, "subject": "S & T", "content": text})).await;
    page.frame().await
}

fn error(text: &str) -> Value {
    json!({"type": "error", "error": text})
}

#[tokio::test]
async fn a_callback_of_the_host_decides_who_may_write_to_whom_and_no_answer_is_a_no() {
    let web = Web::start().await;
    let (site, ada, _folder) = site(&web, "allow = \"callback\"").await;
    let mut page = site.open("/ws/messages/", &ada).await;
    let plain = |status, body: &str| Answer::Plain(status, "/login/?next=/may-write/", body.to_owned());
    for (answer, expected) in [
        (plain(200, "{\"allowed\": false}"), NOT_ALLOWED),
        (plain(401, ""), NOT_ALLOWED),
        (plain(403, "{\"allowed\": true}"), NOT_ALLOWED),
        (plain(302, ""), UNAVAILABLE),
        (plain(404, ""), UNAVAILABLE),
        (plain(500, "{\"allowed\": true}"), UNAVAILABLE),
        (plain(200, ""), UNAVAILABLE),
        (plain(200, "{}"), UNAVAILABLE),
        (plain(200, "{\"allowed\": \"true\"}"), UNAVAILABLE),
        (plain(200, &format!("{{\"allowed\": true, \"x\": {:?}}}", "x".repeat(5000))), UNAVAILABLE),
        (Answer::Nothing, UNAVAILABLE),
    ] {
        web.answers(answer);
        assert_eq!(send(&mut page, "x").await, error(expected));
    }
    assert_eq!(site.host.rows(), []);
    web.asked();
    web.answers(plain(200, "{\"allowed\": true, \"more\": 1}"));
    assert_eq!(send(&mut page, "x").await["status"], "success");
    let asked = web.asked();
    let [(head, body)] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(head.starts_with("GET /may-write/?key=k&sender=1&recipient=2 HTTP/1.1\r\n"), "{head}");
    assert_eq!((header(head, "cookie").as_str(), body.as_str()), ("sessionid=of-ada", ""), "Parlor's own stay here");
    assert_eq!(site.host.rows().len(), 1);
}

#[tokio::test]
async fn the_hosts_own_view_sends_a_message_with_the_persons_cookies_and_a_token() {
    let web = Web::start().await;
    let (site, ada, _folder) = site(&web, VIEW).await;
    let bob = site.person(2).await;
    let token = "Ab1".repeat(10) + "xy";
    let (mut page, mut of_bob) = (
        site.open("/ws/messages/", &format!("{ada}; csrftoken={token}")).await,
        site.open("/ws/messages/", &bob).await,
    );
    for status in [200, 302] {
        web.answers(Answer::Store(status));
        let text = format!(" a=b&c é {status} ");
        let answer = send(&mut page, &text).await;
        let row = site.host.rows().pop().expect("a row");
        assert_eq!(answer, json!({"type": "message_sent", "message_id": row.row_id, "status": "success"}));
        assert_eq!(of_bob.frame().await["data"]["message_id"], row.row_id);
    }
    let origin = format!("http://{}", site.server.address());
    for (head, body) in web.asked() {
        assert!(head.starts_with("POST /messages/send/ HTTP/1.1\r\n"), "{head}");
        let fields = form(&body);
        assert_eq!((fields["recipients"].as_str(), fields["subject"].as_str()), ("2", "S & T"));
        assert_eq!(fields["csrfmiddlewaretoken"], token);
        assert_eq!(header(&head, "cookie"), format!("sessionid=of-ada; csrftoken={token}"));
        assert_eq!([header(&head, "origin"), header(&head, "referer")], [origin.clone(), format!("{origin}/")]);
        assert_eq!(header(&head, "host"), site.server.address().to_string());
        assert_eq!(header(&head, "x-requested-with"), "XMLHttpRequest");
    }
    // A page without the cookie gets a pair of its own.
    let mut page = site.open("/ws/messages/", &ada).await;
    send(&mut page, "x").await;
    let (head, body) = web.asked().remove(0);
    let token = form(&body)["csrfmiddlewaretoken"].clone();
    assert_eq!((token.len(), header(&head, "cookie")), (32, format!("sessionid=of-ada; csrftoken={token}")));
    assert_eq!(site.host.rows().len(), 3, "Parlor writes none itself");
}

#[tokio::test]
async fn what_the_view_refuses_is_not_sent_and_what_it_does_not_answer_is_not_repeated() {
    let web = Web::start().await;
    let (site, ada, _folder) = site(&web, VIEW).await;
    let mut page = site.open("/ws/messages/", &ada).await;
    let plain = |status, location| Answer::Plain(status, location, String::new());
    for (answer, expected) in [
        (plain(302, "/login/?next=/messages/send/"), NOT_ALLOWED),
        (plain(403, ""), NOT_ALLOWED),
        (plain(401, ""), NOT_ALLOWED),
        (plain(404, ""), "Recipient not found"),
        (plain(400, ""), "The message is not valid"),
        (plain(413, ""), "The message is too long"),
        (plain(429, ""), UNAVAILABLE),
        (plain(500, ""), UNAVAILABLE),
        (Answer::Nothing, UNAVAILABLE),
    ] {
        web.answers(answer);
        assert_eq!(send(&mut page, "x").await, error(expected));
        assert_eq!(web.asked().len(), 1, "{expected}");
    }
    assert_eq!(site.host.rows(), []);
    // The other checks come first.
    for (recipient, expected) in [(json!(77), "Recipient not found"), (json!(1), NOT_ALLOWED)] {
        page.send(&json!({"type": "send_message", "recipient_id": recipient, "content": "x"})).await;
        assert_eq!(page.frame().await, error(expected));
    }
    assert_eq!(web.asked(), []);
}

#[tokio::test]
async fn an_accepted_message_whose_row_does_not_come_is_answered_in_time_and_other_rows_are_not_taken_for_it() {
    let web = Web::start().await;
    let (site, ada, _folder) = site(&web, VIEW).await;
    let bob = site.person(2).await;
    site.person(3).await;
    let (mut page, mut of_bob) = (site.open("/ws/messages/", &ada).await, site.open("/ws/messages/", &bob).await);
    web.answers(Answer::Plain(302, "/dashboard/", String::new()));
    page.send(&json!({"type": "send_message", "recipient_id": 2, "content": "mine"})).await;
    let asked = async {
        while web.asked().is_empty() {
            // waits for: the request
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, asked).await.expect("it is asked");
    insert(&site.host, "2", "another text");
    insert(&site.host, "3", "mine");
    site.host.insert(1, 2, |row| row.text = "mine".to_owned());
    assert_eq!(page.frame().await, error(UNAVAILABLE), "another text, another recipient, an older row");
    // What comes later is heard as any message.
    insert(&site.host, "2", "mine");
    let mut heard = of_bob.frame().await;
    while heard["data"]["message_id"] != 4 {
        heard = of_bob.frame().await;
    }
    page.send(&json!({"type": "get_unread_count"})).await;
    assert_eq!(page.next().await, Heard::Text("{\"type\": \"unread_count\", \"unread_count\": 0}".to_owned()));
}

#[tokio::test]
async fn two_pages_of_one_person_that_send_the_same_text_get_a_row_each() {
    let web = Web::start().await;
    let (site, ada, _folder) = site(&web, VIEW).await;
    let (mut one, mut other) = (site.open("/ws/messages/", &ada).await, site.open("/ws/messages/", &ada).await);
    web.answers(Answer::Store(302));
    for _ in 0..10 {
        let (first, second) = tokio::join!(send(&mut one, "same"), send(&mut other, "same"));
        assert_eq!([&first["type"], &second["type"]], ["message_sent", "message_sent"]);
        assert_ne!(first["message_id"], second["message_id"]);
    }
    assert_eq!(site.host.rows().len(), 20);
}
