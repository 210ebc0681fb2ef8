//! Who writes while things are killed: the application, a process with a file of SQLite, people who use Parlor's API, and
//! an old page. Each says what was acknowledged.
//!
//! Texts that begin with "kept" are never edited or deleted, so that they can be counted. The application edits and
//! deletes those that begin with "row", people those that begin with "other".

use super::Host;
use crate::harness::{Rng, TestUser, unique};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use parlor::{environment::Environment, host::HostError};
use parlor_client::{error::Error, http::Api};
use parlor_protocol::ids::ConversationId;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

/// Who writes to whom.
pub(super) const PAIRS: [(i64, i64); 6] = [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)];
pub(super) const LONG: Duration = Duration::from_mins(1);

/// What everybody who writes has in common.
#[derive(Default)]
pub(super) struct Shared {
    is_over: AtomicBool,
    pub(super) acknowledged: Mutex<BTreeMap<&'static str, Vec<String>>>,
    count: AtomicUsize,
}

impl Shared {
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn acknowledge(&self, writer: &'static str, text: String) {
        self.acknowledged.lock().expect("not poisoned").entry(writer).or_default().push(text);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn until_acknowledged(&self, more: usize) {
        let goal = self.count.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + LONG;
        while self.count.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "nothing is acknowledged any more");
            // waits for: acknowledgements
            sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(super) fn text(kind: &str) -> String {
    format!("{kind} {}", unique())
}

async fn pause(rng: &mut Rng) {
    // waits for: nothing; people write at random moments
    sleep(rng.millis(10, 90)).await;
}

/// The application writes, with connections of its own.
pub(super) async fn write_as_host(host: Host, shared: Arc<Shared>, mut rng: Rng) {
    while !shared.is_over() {
        // After an error it is unknown what became of the write: the database was killed.
        _ = host_write(&host, &shared, &mut rng).await;
        pause(&mut rng).await;
    }
}

async fn host_write(host: &Host, shared: &Shared, rng: &mut Rng) -> Result<(), HostError> {
    let (from, to) = *rng.pick(&PAIRS);
    let now = Environment::real().now_ms();
    match rng.below(12) {
        0..=4 => {
            let text = text("kept");
            host.try_insert_at(from, to, &text, now).await?;
            shared.acknowledge("host", text);
        }
        5 => drop(host.try_insert_at(from, to, &text("row"), now).await?),
        6..=7 => {
            let Some(row) = some_row(host, "", rng).await? else { return Ok(()) };
            let sql = "UPDATE messages_table SET is_read = $1 WHERE id = $2";
            host.try_execute(sql, vec![rng.percent(80).into(), row.into()]).await?;
        }
        8 => {
            let Some(row) = some_row(host, "row", rng).await? else { return Ok(()) };
            let sql = "UPDATE messages_table SET content = $1 WHERE id = $2";
            host.try_execute(sql, vec![text("row").as_str().into(), row.into()]).await?;
        }
        9 => {
            let Some(row) = some_row(host, "row", rng).await? else { return Ok(()) };
            host.try_execute("DELETE FROM messages_table WHERE id = $1", vec![row.into()]).await?;
        }
        10 => {
            let Some(row) = some_row(host, "", rng).await? else { return Ok(()) };
            let sql = "UPDATE messages_table SET recipient_id = $1 WHERE id = $2 AND sender_id <> $1";
            host.try_execute(sql, vec![to.into(), row.into()]).await?;
        }
        _ => {
            let sql = "UPDATE messages_table SET is_read = $1 WHERE recipient_id = $2";
            host.try_execute(sql, vec![true.into(), to.into()]).await?;
        }
    }
    Ok(())
}

/// Returns one of the last rows whose text begins so.
async fn some_row(host: &Host, start: &str, rng: &mut Rng) -> Result<Option<i64>, HostError> {
    let sql = "SELECT id FROM messages_table WHERE content LIKE $1 ORDER BY id DESC LIMIT 30";
    let rows = host.database.query(sql.to_owned(), vec![format!("{start}%").as_str().into()]).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.integer(0).expect("an id")).collect();
    Ok((!ids.is_empty()).then(|| *rng.pick(&ids)))
}

/// A process that writes a file of SQLite in long transactions, some of which it rolls back, and says what it has
/// committed. Its cache is so small that uncommitted pages are in the file when it is killed.
const SQLITE_WRITER: &str = r"
import random, sqlite3, sys, time
file, run = sys.argv[1], sys.argv[2]
db = sqlite3.connect(file, timeout=30, isolation_level=None)
db.execute('PRAGMA cache_size = 1')
count = 0
while True:
    texts = []
    db.execute('BEGIN IMMEDIATE')
    for _ in range(random.randrange(1, 6)):
        count += 1
        texts.append(f'kept by {run} {count}')
        sender, recipient = random.sample([1, 2, 3], 2)
        db.execute('INSERT INTO messages_table (subject, content, created_at, updated_at, is_read, recipient_id, '
                   'sender_id) VALUES (?, ?, ?, ?, 0, ?, ?)',
                   ('x' * 200, texts[-1], '2026-11-29 04:20:00', '2026-11-29 04:20:00', recipient, sender))
        db.execute('UPDATE messages_table SET is_read = 1 WHERE id % 7 = ?', (count % 7,))
    if random.random() < 0.2:
        db.execute('ROLLBACK')
    else:
        db.execute('COMMIT')
        print('\n'.join(texts), flush=True)
    time.sleep(random.uniform(0.05, 0.2))
";

pub(super) fn start_sqlite_writer(host: &Host, shared: &Arc<Shared>) -> Child {
    let run = unique().to_string();
    let mut child = Command::new("python3")
        .args(["-c", SQLITE_WRITER, host.url.trim_start_matches("sqlite:"), &run])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let (output, shared) = (child.stdout.take().expect("piped"), shared.clone());
    std::thread::spawn(move || {
        // A line that was cut by the kill is none of what it said.
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            shared.acknowledge("process", String::from_utf8_lossy(&line).into_owned());
        }
    });
    child
}

/// Somebody who uses Parlor's own API.
pub(super) async fn write_as_person(
    person: TestUser,
    conversations: Vec<ConversationId>,
    shared: Arc<Shared>,
    mut rng: Rng,
) {
    while !shared.is_over() {
        let conversation = *rng.pick(&conversations);
        match rng.below(12) {
            0..=4 => send_until_acknowledged(&person.api, conversation, &shared).await,
            // After an error it is unknown what became of it: Parlor was killed.
            5 => {
                let key = format!("send-{}", unique());
                drop(person.api.post_message(conversation, &key, &text("other")).await);
            }
            6 => drop(change_own(&person, conversation, Some(text("other")), &mut rng).await),
            7 => drop(change_own(&person, conversation, None, &mut rng).await),
            _ => {
                if let Ok(page) = person.api.messages(conversation, "").await
                    && let Some(last) = page.messages.iter().map(|message| message.seq).max()
                {
                    drop(person.api.put_read(conversation, last).await);
                }
            }
        }
        pause(&mut rng).await;
    }
}

async fn send_until_acknowledged(api: &Api, conversation: ConversationId, shared: &Shared) {
    let (key, text) = (format!("send-{}", unique()), text("kept"));
    let deadline = Instant::now() + LONG;
    while let Err(error) = api.post_message(conversation, &key, &text).await {
        assert!(Instant::now() < deadline, "{text} is never acknowledged: {error}");
        // waits for: Parlor to run again
        sleep(Duration::from_millis(50)).await;
    }
    shared.acknowledge("person", text);
}

/// Edits or deletes one of a person's messages.
async fn change_own(
    person: &TestUser,
    conversation: ConversationId,
    text: Option<String>,
    rng: &mut Rng,
) -> Result<(), Error> {
    let mut own = person.api.messages(conversation, "").await?.messages;
    own.retain(|message| message.sender == person.id && message.text.starts_with("other") && !message.deleted);
    if own.is_empty() {
        return Ok(());
    }
    let path = format!("/v1/conversations/{conversation}/messages/{}", rng.pick(&own).seq);
    match text {
        Some(text) => drop(person.api.send::<Value>(Method::PATCH, &path, &json!({ "text": text })).await?),
        None => drop(person.api.request(Method::DELETE, &path, "").await?),
    }
    Ok(())
}

type Page = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A page of the application with its old socket, which sends from person 3 to person 1.
pub(super) async fn write_as_page(address: SocketAddr, cookie: String, shared: Arc<Shared>, mut rng: Rng) {
    while !shared.is_over() {
        if let Some(mut page) = open_page(address, &cookie).await {
            while !shared.is_over() {
                let text = text("kept");
                match send_by_page(&mut page, &text).await {
                    Some(true) => shared.acknowledge("page", text),
                    // It may be there and was not acknowledged.
                    Some(false) => {}
                    None => break,
                }
                pause(&mut rng).await;
            }
        }
        pause(&mut rng).await;
    }
}

async fn open_page(address: SocketAddr, cookie: &str) -> Option<Page> {
    let mut request = format!("ws://{address}/ws/messages/").into_client_request().expect("a URL");
    request.headers_mut().insert("cookie", cookie.parse().expect("a cookie"));
    request.headers_mut().insert("origin", format!("http://{address}").parse().expect("an origin"));
    timeout(LONG, connect_async(request)).await.expect("in time").ok().map(|(page, _)| page)
}

/// Returns whether the message was acknowledged; none if the socket has closed.
async fn send_by_page(page: &mut Page, text: &str) -> Option<bool> {
    let frame = json!({"type": "send_message", "recipient_id": 1, "subject": "", "content": text});
    page.send(Message::text(frame.to_string())).await.ok()?;
    loop {
        let Message::Text(frame) = timeout(LONG, page.next()).await.expect("an answer in time")?.ok()? else {
            continue;
        };
        let frame: Value = serde_json::from_str(&frame).expect("JSON");
        match frame["type"].as_str() {
            Some("message_sent") => return Some(true),
            Some("error") => return Some(false),
            _ => {}
        }
    }
}
