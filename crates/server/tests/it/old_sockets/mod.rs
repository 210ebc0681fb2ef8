//! Old sockets: who may open one, what its frames do, who hears what, and how it ends. The names of the tests are those
//! of the faults that the original applications had. Most use a host that is a list of rows.

mod beside_django;
mod connections;
mod host_pages;
mod hostile_frames;
mod messages;

use crate::{harness::folder, raw_http::ask};
use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture};
use parlor::{
    app::App,
    channel_layer::Topic,
    config::Config,
    environment::Environment,
    host_side::{HostSide, MessageTarget, NewHostMessage},
    mirror::message_row::{HostMessageRow, HostPerson},
    profile::write_rule::{RuleParameter, RuleQuery},
    server::Server,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

const LONG: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse";
/// 04:20 in UTC, on 29 November 2026.
const SENT_AT_MS: i64 = 1_795_926_000_000;

/// The host: its people, and its table of messages.
#[derive(Debug, Default)]
struct FakeHost {
    app: Mutex<Weak<App>>,
    people: Mutex<BTreeMap<i64, UserId>>,
    rows: Mutex<Vec<HostMessageRow>>,
    is_away: AtomicBool,
    is_frozen: AtomicBool,
    /// It refuses the query about who may write to whom.
    has_wrong_rule: AtomicBool,
}

impl FakeHost {
    async fn answer<T>(&self, value: T) -> Result<T, Problem> {
        if self.is_frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.is_away.load(Ordering::SeqCst) { Err(Code::Unavailable.into()) } else { Ok(value) }
    }

    fn id(&self, user: UserId) -> Option<i64> {
        self.people.lock().expect("not poisoned").iter().find(|(_, known)| **known == user).map(|(id, _)| *id)
    }

    /// Inserts a row, as a form of the site does, and publishes it, as the mirror does.
    fn insert(&self, sender: i64, recipient: i64, change: impl FnOnce(&mut HostMessageRow)) -> HostMessageRow {
        let person = |id: i64| HostPerson { id: id.to_string(), name: format!("Person {id}"), login: format!("p{id}") };
        let mut rows = self.rows.lock().expect("not poisoned");
        let mut row = HostMessageRow {
            row_id: i64::try_from(rows.len()).expect("few rows") + 1,
            sender: person(sender),
            recipient: person(recipient),
            context: None,
            text: String::new(),
            subject: None,
            created_at_ms: SENT_AT_MS,
            is_read: false,
            attachments: Vec::new(),
        };
        change(&mut row);
        rows.push(row.clone());
        drop(rows);
        self.publish(&row);
        row
    }

    fn publish(&self, row: &HostMessageRow) {
        let people = self.people.lock().expect("not poisoned");
        let topics = [&row.sender.id, &row.recipient.id].map(|id| Topic::Host(people[&id.parse().expect("a number")]));
        let app = self.app.lock().expect("not poisoned").upgrade().expect("the server runs");
        app.hub.deliver(&topics, &Bytes::from(serde_json::to_vec(row).expect("JSON")));
    }

    fn rows(&self) -> Vec<HostMessageRow> {
        self.rows.lock().expect("not poisoned").clone()
    }
}

impl HostSide for FakeHost {
    fn id_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, Problem>> {
        let id = self.id(user).map(|id| id.to_string());
        async move { Ok(id) }.boxed()
    }

    fn has_person<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Problem>> {
        let is_there = id.parse().is_ok_and(|id| self.people.lock().expect("not poisoned").contains_key(&id));
        self.answer(is_there).boxed()
    }

    fn is_allowed<'a>(
        &'a self,
        query: &'a RuleQuery,
        _: &'a str,
        target: &'a MessageTarget,
    ) -> BoxFuture<'a, Result<bool, Problem>> {
        let (sql, parameters) = query.sql(|name| format!("{name:?}"));
        assert!(sql.starts_with("SELECT 1 FROM ") && parameters.contains(&RuleParameter::Recipient), "{sql}");
        // The rule of this host: nobody writes to person 9, and there are items up to 5.
        let is_item = target.context.as_ref().is_none_or(|id| id.parse().is_ok_and(|id: i64| id <= 5));
        if self.has_wrong_rule.load(Ordering::SeqCst) {
            return async { Err(Code::Unavailable.into()) }.boxed();
        }
        self.answer(target.recipient != "9" && is_item).boxed()
    }

    fn send(&self, new: NewHostMessage) -> BoxFuture<'_, Result<HostMessageRow, Problem>> {
        async move {
            self.answer(()).await?;
            let sender = self.id(new.sender).expect("a person of the host");
            let recipient = new.target.recipient.parse().expect("a person of the host");
            Ok(self.insert(sender, recipient, |row| {
                row.context = new.target.context;
                row.text = new.text;
                row.subject = new.subject;
            }))
        }
        .boxed()
    }

    fn mark_read<'a>(&'a self, reader: UserId, row_ids: &'a [i64]) -> BoxFuture<'a, Result<(), Problem>> {
        async move {
            self.answer(()).await?;
            let reader = self.id(reader).map(|id| id.to_string());
            let mut rows = self.rows.lock().expect("not poisoned");
            for row in rows.iter_mut().filter(|row| row_ids.contains(&row.row_id)) {
                row.is_read |= Some(&row.recipient.id) == reader.as_ref();
            }
            Ok(())
        }
        .boxed()
    }

    fn unread_count(&self, user: UserId) -> BoxFuture<'_, Result<i64, Problem>> {
        let id = self.id(user).map(|id| id.to_string());
        let unread = self.rows().iter().filter(|row| !row.is_read && Some(&row.recipient.id) == id.as_ref()).count();
        self.answer(i64::try_from(unread).expect("few rows")).boxed()
    }
}

/// A server beside a host.
struct Site {
    server: Server,
    host: Arc<FakeHost>,
    _folder: TempDir,
}

impl Site {
    async fn start(profile: &str, settings: &[(&'static str, &str)]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let mut all = vec![
            ("listen", "127.0.0.1:0"),
            ("data", data.to_str().expect("a plain path")),
            ("compat.profile", profile),
            ("accounts.sign_up", "true"),
            ("accounts.password_memory_kib", "8"),
            ("accounts.password_passes", "1"),
            ("files.free_bytes_min", "0"),
        ];
        all.extend(settings);
        let config = Config::with(&all).expect("a valid configuration");
        let server = Server::start(config, Environment::real()).await.expect("it starts");
        let host = Arc::new(FakeHost::default());
        *host.app.lock().expect("not poisoned") = Arc::downgrade(&server.app);
        assert!(server.app.host_side.set(host.clone()).is_ok(), "it has no other host");
        Self { server, host, _folder: folder }
    }

    /// Creates a person, and returns their session cookie.
    async fn person(&self, id: i64) -> String {
        let cookie = self.user(&format!("p{id}")).await;
        let me = ask(self.server.address(), "GET", "/v1/me", &[("Cookie", &cookie)], "").await;
        let me: Value = serde_json::from_slice(&me.body).expect("JSON");
        let user = UserId(me["id"].as_i64().expect("an id"));
        self.host.people.lock().expect("not poisoned").insert(id, user);
        cookie
    }

    async fn user(&self, login: &str) -> String {
        let headers = [("Content-Type", "application/json")];
        let body = json!({ "login": login, "name": login, "password": PASSWORD }).to_string();
        ask(self.server.address(), "POST", "/v1/users", &headers, &body).await;
        let body = json!({ "login": login, "password": PASSWORD }).to_string();
        let answer = ask(self.server.address(), "POST", "/v1/session", &headers, &body).await;
        answer.cookie().expect("a cookie")
    }

    async fn open(&self, path: &str, cookie: &str) -> Page {
        Page::open(self.server.address(), path, cookie).await
    }
}

/// A page with an open socket.
struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a page hears.
#[derive(Debug, PartialEq)]
enum Heard {
    Text(String),
    Closed(u16),
}

impl Page {
    async fn open(address: SocketAddr, path: &str, cookie: &str) -> Self {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
        let headers = request.headers_mut();
        headers.insert("cookie", cookie.parse().expect("a cookie"));
        headers.insert("origin", format!("http://{address}").parse().expect("an origin"));
        Self { socket: connect_async(request).await.expect("a socket").0 }
    }

    async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    async fn next(&mut self) -> Heard {
        loop {
            match timeout(LONG, self.socket.next()).await.expect("something is heard").expect("it is open") {
                Ok(Message::Text(text)) => return Heard::Text(text.to_string()),
                Ok(Message::Close(frame)) => return Heard::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("heard {other:?}"),
            }
        }
    }

    async fn frame(&mut self) -> Value {
        match self.next().await {
            Heard::Text(text) => serde_json::from_str(&text).expect("JSON"),
            closed @ Heard::Closed(_) => panic!("{closed:?}"),
        }
    }
}
