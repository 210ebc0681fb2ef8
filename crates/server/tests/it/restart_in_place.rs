//! Restarts in place: pages that never reconnect keep their sockets, and nothing is lost or repeated.

use crate::{
    django_host::{DjangoHost, SECRET_KEY},
    harness::{Server, Setup, folder, signal},
    raw_http::ask,
    serving::tls::{connect, write_certificate},
};
use futures_util::{SinkExt as _, StreamExt as _};
use parlor_client::socket::Incoming;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::Instant,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, handshake::client::Request},
};

const LONG: Duration = Duration::from_mins(1);
const SERVES: &str = "Parlor serves on";
/// The code of the profile for a session that has ended.
const SESSION_ENDED: u16 = 1008;
/// The code of a restart.
const SERVICE_RESTART: u16 = 1012;
/// With what a command ends that finds the data folder in use.
const IN_USE: i32 = 6;

const TABLES: &str = r#"
    CREATE TABLE "FindIt_item" (id integer PRIMARY KEY AUTOINCREMENT, title varchar(200) NOT NULL,
        status varchar(20) NOT NULL, user_id integer NOT NULL);
    CREATE TABLE "FindIt_message" (id integer PRIMARY KEY AUTOINCREMENT, content text NOT NULL,
        image varchar(100) NULL, "timestamp" datetime NOT NULL, is_read bool NOT NULL,
        deleted_by_sender bool NOT NULL, deleted_by_recipient bool NOT NULL, item_id bigint NOT NULL,
        recipient_id integer NOT NULL, sender_id integer NOT NULL);
    INSERT INTO "FindIt_item" (id, title, status, user_id) VALUES (5, 'Black umbrella', 'Lost', 2);
"#;

/// `FindIt` with Ada (1) and Ben (2), and Parlor beside it.
struct Site {
    host: DjangoHost,
    server: Server,
    sessions: [String; 2],
}

impl Site {
    async fn start(change: impl FnOnce(Setup) -> Setup) -> Option<Self> {
        let mut host = DjangoHost::start("db")?;
        assert_eq!((host.user("ada"), host.user("ben")), (1, 2));
        let sessions = ["ada", "ben"].map(|name| host.sign_in(name));
        database(&host).execute_batch(TABLES).expect("the SQL is right");
        let setup = Setup::new()
            .with("host.database", &host.url)
            .with("identity.providers", "django_session")
            .with("identity.recheck_ms", 600_000)
            .with("django.secret_key", SECRET_KEY)
            .with("compat.profile", "findit");
        let server = change(setup).start().await;
        Some(Self { host, server, sessions })
    }

    /// Opens the page of Ada (1) or Ben (2) about the item.
    async fn page(&self, person: usize) -> Page {
        let request = self.handshake(person, "http");
        Page { socket: connect_async(request).await.expect("a socket").0, person, heard: Vec::new() }
    }

    /// Returns the request for a socket, of a page that was opened by http or https.
    fn handshake(&self, person: usize, scheme: &str) -> Request {
        let address = self.server.address();
        let mut request = format!("ws://{address}/ws/chat/5-{}/", 3 - person).into_client_request().expect("a URL");
        let headers = request.headers_mut();
        headers.insert("cookie", format!("sessionid={}", self.sessions[person - 1]).parse().expect("a cookie"));
        headers.insert("origin", format!("{scheme}://{address}").parse().expect("an origin"));
        request
    }

    /// Writes a message from Ada to Ben as a form of the site does.
    fn post(&self, text: &str) {
        post(&database(&self.host), text);
    }

    /// Restarts with a signal, and waits until the server serves again.
    async fn restart(&self) {
        let count = starts(&self.server);
        signal(self.server.pid(), "USR2");
        restarted(&self.server, count).await;
    }
}

fn database(host: &DjangoHost) -> Connection {
    let database = Connection::open(host.url.trim_start_matches("sqlite:")).expect("the host's database");
    database.busy_timeout(LONG).expect("it can wait");
    database
}

fn post(database: &Connection, text: &str) {
    let sql = "INSERT INTO \"FindIt_message\" (content, image, \"timestamp\", is_read, deleted_by_sender, \
               deleted_by_recipient, item_id, recipient_id, sender_id) \
               VALUES ($1, '', strftime('%Y-%m-%d %H:%M:%f', 'now'), 0, 0, 0, 5, 2, 1)";
    database.execute(sql, [text]).expect("inserted");
}

fn starts(server: &Server) -> usize {
    server.log().matches(SERVES).count()
}

async fn restarted(server: &Server, count: usize) {
    until("the server serves again", server, || starts(server) > count).await;
}

async fn until(what: &str, server: &Server, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}\n{}", server.log());
        // waits for: the condition
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A page of `FindIt`, which never reconnects.
struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    person: usize,
    heard: Vec<String>,
}

impl Page {
    fn frame(&self, text: &str) -> String {
        json!({"message": text, "sender_id": self.person, "recipient_id": 3 - self.person, "item_id": 5}).to_string()
    }

    async fn send(&mut self, text: &str) {
        let frame = self.frame(text);
        self.socket.send(Message::text(frame)).await.expect("sent");
    }

    /// Writes bytes to the connection as they are.
    async fn write(&mut self, bytes: &[u8]) {
        let MaybeTlsStream::Plain(stream) = self.socket.get_mut() else { panic!("no TLS") };
        stream.write_all(bytes).await.expect("written");
    }

    /// Reads until a number of texts was heard.
    async fn hear(&mut self, count: usize) -> &[String] {
        while self.heard.len() < count {
            let next = tokio::time::timeout(LONG, self.socket.next()).await;
            match next.unwrap_or_else(|_| panic!("{} of {count} texts: {:?}", self.heard.len(), self.heard)) {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    self.heard.push(frame["message"].as_str().expect("a text").to_owned());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("after {:?}: {other:?}", self.heard),
            }
        }
        &self.heard
    }

    /// Reads until the server closes it.
    async fn closed(mut self) -> Option<u16> {
        closed(&mut self.socket).await
    }
}

async fn closed<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> Option<u16> {
    loop {
        match tokio::time::timeout(LONG, socket.next()).await.expect("it is closed") {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

/// A frame of a client, with a mask.
fn masked(text: &str) -> Vec<u8> {
    let mask = [7, 77, 177, 201];
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short text");
    let content = text.bytes().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [0x81, 0x80 | length].into_iter().chain(mask).chain(content).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_keep_their_sockets_and_hear_every_message_once_and_in_order() {
    let Some(site) = Site::start(|setup| setup).await else { return };
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    let (pid, address) = (site.server.pid(), site.server.address());
    let mut sent = Vec::new();
    for round in 0..3 {
        let text = |what: &str| format!("{what} {round}");
        ada.send(&text("before")).await;
        let halves = masked(&ada.frame(&text("half")));
        let (first, second) = halves.split_at(9 + round * 20);
        ada.write(first).await;
        let count = starts(&site.server);
        signal(pid, "USR2");
        ada.write(second).await;
        ada.send(&text("during")).await;
        let posted: Vec<String> = (0..20).map(|number| text(&format!("posted {number}"))).collect();
        for text in &posted {
            site.post(text);
        }
        restarted(&site.server, count).await;
        ada.send(&text("after")).await;
        sent.extend(["before", "half", "during", "after"].map(text));
        sent.extend(posted);
        for page in [&mut ada, &mut ben] {
            let heard = page.hear(sent.len()).await;
            let mut counted = BTreeMap::new();
            for text in heard {
                *counted.entry(text.as_str()).or_insert(0) += 1;
            }
            assert!(sent.iter().all(|text| counted.get(text.as_str()) == Some(&1)), "{counted:?}");
            let order = |what: &str| heard.iter().position(|heard| *heard == text(what));
            let sent_by_ada = ["before", "half", "during", "after"].map(order);
            assert!(sent_by_ada.is_sorted(), "{heard:?}");
        }
    }
    ben.send("to the end").await;
    assert_eq!(ada.hear(sent.len() + 1).await.last().map(String::as_str), Some("to the end"));
    assert_eq!((site.server.pid(), site.server.address()), (pid, address));
    let fresh = site.page(1).await;
    drop(fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ended_meanwhile_is_closed_and_the_others_are_still_checked() {
    let Some(mut site) = Site::start(|setup| setup.with("identity.recheck_secret", "a secret")).await else { return };
    let (ada, ben) = (site.page(1).await, site.page(2).await);
    let key = site.sessions[0].clone();
    site.host.run("sign_out", &json!({"key": key}));
    site.restart().await;
    assert_eq!(ada.closed().await, Some(SESSION_ENDED));
    let mut other = site.page(2).await;
    other.send("still here").await;
    let mut ben = ben;
    ben.hear(1).await;
    let key = site.sessions[1].clone();
    site.host.run("sign_out", &json!({"key": key}));
    let headers = [("Authorization", "Bearer a secret")];
    assert!(ask(site.server.address(), "POST", "/v1/host/recheck", &headers, "").await.status < 300);
    assert_eq!(ben.closed().await, Some(SESSION_ENDED));
}

/// Puts a script in the place of a program.
fn put_script(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::rename(new, path).expect("replaced");
}

/// Installs the built program, as an upgrade does: the file of the running one is gone then.
fn install(path: &Path) {
    let new = path.with_extension("new");
    if fs::hard_link(env!("CARGO_BIN_EXE_parlor"), &new).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_parlor"), &new).expect("copied");
    }
    fs::rename(new, path).expect("replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_cannot_start_leaves_the_old_one_serving_until_it_is_repaired() {
    let programs = folder();
    let program = programs.path().join("parlor");
    install(&program);
    let Some(site) = Site::start(|setup| setup.with_program(&program)).await else { return };
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    for (script, why) in [("echo no such library >&2; exit 9", "no such library"), ("exec /does/not/exist", "127")] {
        put_script(&program, script);
        let refused = site.server.run(&["restart"]);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(3) && errors.contains(why), "{:?} {errors}", refused.status);
        assert!(site.server.log().contains("The server is not restarted"), "{}", site.server.log());
    }
    ada.send("the old one serves").await;
    ben.hear(1).await;
    let count = starts(&site.server);
    install(&program);
    site.server.must_run(&["restart"]);
    restarted(&site.server, count).await;
    ada.send("and the new one").await;
    assert_eq!(ben.hear(2).await, ["the old one serves", "and the new one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_folder_is_in_use_all_the_time() {
    let programs = folder();
    let (program, go) = (programs.path().join("parlor"), programs.path().join("go"));
    install(&program);
    let Some(site) = Site::start(|setup| setup.with_program(&program)).await else { return };
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    let (built, pipe) = (env!("CARGO_BIN_EXE_parlor"), go.display());
    // Between two programs, it waits until the test writes to a pipe.
    let waiting =
        format!("case \"$*\" in *--check*) ;; *) mkfifo {pipe}; read _ < {pipe} ;; esac; exec {built} \"$@\"");
    put_script(&program, &waiting);
    let count = starts(&site.server);
    signal(site.server.pid(), "USR2");
    until("the next program starts", &site.server, || go.exists()).await;
    let refused = site.server.run(&["user", "add", "eve"]);
    assert_eq!(refused.status.code(), Some(IN_USE), "{}", String::from_utf8_lossy(&refused.stderr));
    fs::write(&go, "\n").expect("the program waits");
    restarted(&site.server, count).await;
    ada.send("it serves").await;
    assert_eq!(ben.hear(1).await, ["it serves"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_a_restart_closes_the_pages_with_a_code() {
    let Some(mut site) = Site::start(|setup| setup).await else { return };
    let ada = site.page(1).await;
    // An unfinished request makes the server wait.
    let mut unfinished = TcpStream::connect(site.server.address()).await.expect("connected");
    let head =
        b"POST /v1/users HTTP/1.1\r\nHost: parlor\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    unfinished.write_all(head).await.expect("written");
    signal(site.server.pid(), "USR2");
    let begins = || site.server.log().contains("Restarting in place");
    until("the restart begins", &site.server, begins).await;
    site.server.stop().await;
    assert_eq!(ada.closed().await, Some(SERVICE_RESTART));
    assert!(site.server.log().contains("Stopping instead of restarting"), "{}", site.server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_program_that_vanished_the_old_one_still_restarts_what_is_installed() {
    let programs = folder();
    let (program, ran) = (programs.path().join("parlor"), programs.path().join("ran"));
    install(&program);
    let Some(site) = Site::start(|setup| setup.with_program(&program)).await else { return };
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    put_script(&program, "rm \"$0\"");
    site.restart().await;
    ada.send("the old one serves").await;
    ben.hear(1).await;
    put_script(&program, &format!("echo >> {}; exec {} \"$@\"", ran.display(), env!("CARGO_BIN_EXE_parlor")));
    site.restart().await;
    assert_eq!(fs::read_to_string(&ran).expect("the installed program ran"), "\n\n");
    ada.send("and the installed one").await;
    assert_eq!(ben.hear(2).await, ["the old one serves", "and the installed one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_gets_nothing_to_take_over_starts_as_usual() {
    let programs = folder();
    let program = programs.path().join("parlor");
    install(&program);
    let Some(mut site) = Site::start(|setup| setup.with_program(&program)).await else { return };
    let ada = site.page(1).await;
    put_script(&program, &format!("exec {} \"$@\" </dev/null", env!("CARGO_BIN_EXE_parlor")));
    site.restart().await;
    assert_eq!(ada.closed().await, None);
    // The port, which the system chooses, is another one.
    site.server.restart().await;
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    ada.send("it serves").await;
    ben.hear(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_changed_is_listened_on_after_a_restart_and_pages_stay() {
    let programs = folder();
    let program = programs.path().join("parlor");
    install(&program);
    let Some(site) = Site::start(|setup| setup.with_program(&program)).await else { return };
    let (mut ada, mut ben) = (site.page(1).await, site.page(2).await);
    let listen = format!("0.0.0.0:{}", site.server.address().port());
    // The arguments begin with the command and the address.
    let changed = format!("shift 3; exec {} serve --listen {listen} \"$@\"", env!("CARGO_BIN_EXE_parlor"));
    put_script(&program, &changed);
    site.restart().await;
    assert!(site.server.log().contains(&format!("{SERVES} http://{listen}")), "{}", site.server.log());
    ada.send("from a page that was open").await;
    ben.hear(1).await;
    site.page(1).await.send("from a new one").await;
    assert_eq!(ben.hear(2).await, ["from a page that was open", "from a new one"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_over_tls_is_closed_with_the_reason_and_one_over_a_unix_socket_stays() {
    let files = folder();
    let certificate = write_certificate(files.path());
    let path = files.path().join("parlor.sock");
    let change = |setup: Setup| {
        setup
            .with("tls.certificate", files.path().join("certificate.pem").display())
            .with("tls.key", files.path().join("key.pem").display())
            .also_listening_on(&format!("unix:{}", path.display()))
    };
    let Some(site) = Site::start(change).await else { return };
    let secure = || async {
        let stream = connect(site.server.address(), &certificate, &[b"http/1.1"]).await.expect("a TLS connection");
        client_async(site.handshake(1, "https"), stream).await.expect("a socket").0
    };
    let mut ada = secure().await;
    let stream = UnixStream::connect(&path).await.expect("the server listens");
    let (mut ben, _) = client_async(site.handshake(2, "http"), stream).await.expect("a socket");
    let (code, ()) = tokio::join!(closed(&mut ada), site.restart());
    assert_eq!(code, Some(SERVICE_RESTART));
    let mut again = secure().await;
    site.post("to both");
    let heard = |message: Message| message.to_text().is_ok_and(|text| text.contains("to both"));
    while !heard(tokio::time::timeout(LONG, ben.next()).await.expect("in time").expect("open").expect("a frame")) {}
    while !heard(tokio::time::timeout(LONG, again.next()).await.expect("in time").expect("open").expect("a frame")) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_reads_slowly_delays_no_restart_and_loses_nothing() {
    let change = |setup: Setup| {
        setup
            .with("stop.grace_ms", 600_000)
            .with("http.write_ms", 600_000)
            .with("limits.connection_queue_max", 10_000)
            .with("limits.connection_queue_bytes_max", 64 * 1024 * 1024)
    };
    let Some(site) = Site::start(change).await else { return };
    let (mut ada, mut slow) = (site.page(1).await, site.page(2).await);
    let long = "x".repeat(9900);
    let database = database(&site.host);
    let texts: Vec<String> = (0..1200).map(|number| format!("{number} {long}")).collect();
    database.execute_batch("BEGIN").expect("begun");
    for text in &texts {
        post(&database, text);
    }
    database.execute_batch("COMMIT").expect("committed");
    // The other page reads them, so all of them are published, and the slow one has more than the network holds.
    ada.hear(texts.len()).await;
    site.restart().await;
    ada.send("the last one").await;
    let heard = slow.hear(texts.len() + 1).await;
    assert_eq!(heard[..texts.len()], texts);
    assert_eq!(heard.last().map(String::as_str), Some("the last one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_reconnect_are_asked_to_and_lose_nothing() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let mut client = ben.connect().await;
    ada.send(conversation, "before").await;
    let count = starts(&server);
    server.must_run(&["restart"]);
    restarted(&server, count).await;
    ada.send(conversation, "after").await;
    let deadline = Instant::now() + LONG;
    let socket = client.socket().expect("it was connected");
    while !matches!(socket.next_before(deadline).await, Some(Incoming::Closed(4000, _))) {
        assert!(Instant::now() < deadline, "it is closed");
    }
    client.disconnect();
    client.connect().await.expect("a socket");
    client.settle(LONG).await.expect("everything is loaded");
    let messages = client.state.messages(conversation);
    let texts: Vec<&str> = messages.map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["before", "after"]);
}
