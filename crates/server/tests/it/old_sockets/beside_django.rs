//! Real Django beside Parlor: the two examples under gunicorn, their own databases, nginx, and this program. The names
//! of the tests are those of the faults that the original applications had.

use super::{Heard, Page};
use crate::raw_http::{RawResponse, request, send};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
};
use tokio::time::{Duration, timeout};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest as _};

const LONG: Duration = Duration::from_mins(1);

/// An example of `examples/`, which ends when it is dropped.
struct Example {
    child: Child,
    /// It stops when this is closed.
    input: Option<ChildStdin>,
    /// Where nginx listens.
    address: SocketAddr,
    /// The ids of its people.
    people: BTreeMap<String, i64>,
}

static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Returns the interpreter of the examples' virtual environment; none without it, which CI does not accept.
fn python() -> Option<PathBuf> {
    let find = || {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory");
        let python = target.join("examples/bin/python");
        assert!(python.is_file() || std::env::var_os("CI").is_none(), "CI needs {}", python.display());
        if !python.is_file() {
            eprintln!("skipped: `cargo xtask test` installs the examples' packages");
        }
        python.is_file().then_some(python)
    };
    PYTHON.get_or_init(find).clone()
}

impl Example {
    /// Starts one; none without its packages.
    async fn start(site: &'static str, flags: &'static [&'static str]) -> Option<Self> {
        let python = python()?;
        tokio::task::spawn_blocking(move || Self::started(&python, site, flags)).await.expect("it starts").into()
    }

    fn started(python: &Path, site: &str, flags: &[&str]) -> Self {
        let start = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/start.py");
        // The shell stops the parts when its standard input closes, which also happens when this process ends.
        let script = "exec 3<&0; \"$@\" & pid=$!; (read -r _ <&3; kill -TERM $pid) >/dev/null 2>&1 & wait $pid";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(python).args([start, site, "--json"]).args(flags);
        command.args(["--parlor", env!("CARGO_BIN_EXE_parlor")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it is");
        let started: Value = serde_json::from_str(&line).expect("it has started");
        let address = format!("127.0.0.1:{}", started["port"]).parse().expect("an address");
        let people = serde_json::from_value(started["people"].clone()).expect("ids");
        Self { input: child.stdin.take(), child, address, people }
    }

    fn id(&self, name: &str) -> i64 {
        self.people[name]
    }

    /// Signs a person in.
    async fn sign_in(&self, name: &str) -> Visitor {
        let host = format!("{name}.localhost:{}", self.address.port());
        let mut visitor = Visitor { address: self.address, host, cookies: BTreeMap::new() };
        visitor.get(&format!("/sign-in-as/{name}/")).await;
        assert!(visitor.cookies.contains_key("sessionid"), "{name} is signed in");
        visitor
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().expect("it ends");
    }
}

/// A browser of one person.
struct Visitor {
    address: SocketAddr,
    host: String,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    fn cookies(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    async fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> RawResponse {
        let (cookies, host, origin) = (self.cookies(), self.host.clone(), format!("http://{}", self.host));
        let mut headers = vec![("Host", host.as_str()), ("Cookie", &cookies), ("Origin", &origin)];
        headers.extend(more);
        let answer = timeout(LONG, send(self.address, request(method, path, &headers, body))).await.expect("in time");
        for line in answer.head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
            {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn get(&mut self, path: &str) -> RawResponse {
        self.ask("GET", path, &[], "").await
    }

    /// Sends a form, with Django's token.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> RawResponse {
        let token = "a".repeat(32);
        self.cookies.insert("csrftoken".to_owned(), token.clone());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrfmiddlewaretoken", &token).extend_pairs(fields);
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Requested-With", "XMLHttpRequest")];
        self.ask("POST", path, &headers, &form.finish()).await
    }

    async fn open(&self, path: &str) -> Page {
        self.try_open(path).await.expect("a socket")
    }

    async fn try_open(&self, path: &str) -> Result<Page, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().expect("a URL");
        let headers = request.headers_mut();
        headers.insert("host", self.host.parse().expect("a host"));
        headers.insert("cookie", self.cookies().parse().expect("cookies"));
        headers.insert("origin", format!("http://{}", self.host).parse().expect("an origin"));
        Ok(Page { socket: connect_async(request).await?.0 })
    }
}

/// What a page hears next, but for frames that it was sent already.
async fn hear(page: &mut Page, field: fn(&Value) -> &Value, wanted: &str) -> Value {
    loop {
        let frame = page.frame().await;
        if field(&frame) == wanted {
            return frame;
        }
    }
}

fn text_of_findit(frame: &Value) -> &Value {
    &frame["message"]
}

fn text_of_accounting(frame: &Value) -> &Value {
    &frame["data"]["content"]
}

/// The ids of the messages in `FindIt`'s own page, by the texts that it shows.
async fn is_shown(visitor: &mut Visitor, item: i64, other: i64, text: &str) -> bool {
    let page = visitor.get(&format!("/items/{item}/message/{other}/")).await;
    String::from_utf8_lossy(&page.body).contains(text)
}

async fn findit_of(flags: &'static [&'static str]) -> Option<(Example, Visitor, Visitor, String, String)> {
    let example = Example::start("findit", flags).await?;
    let (ada, ben) = (example.sign_in("ada").await, example.sign_in("ben").await);
    let of_ada = format!("/ws/chat/2-{}/", example.id("ben"));
    let of_ben = format!("/ws/chat/2-{}/", example.id("ada"));
    Some((example, ada, ben, of_ada, of_ben))
}

#[tokio::test]
async fn two_rooms_for_one_conversation_are_one_beside_django() {
    let Some((example, ada, mut ben, of_ada, of_ben)) = findit_of(&[]).await else { return };
    let (mut of_ada, mut of_ben) = (ada.open(&of_ada).await, ben.open(&of_ben).await);
    of_ada.send(&json!({"message": "from her id of him", "sender_id": example.id("ada").to_string()})).await;
    let heard = hear(&mut of_ben, text_of_findit, "from her id of him").await;
    assert_eq!(heard["sender_id"], example.id("ada"));
    of_ben.send(&json!({"message": "from his id of her", "sender_id": example.id("ben")})).await;
    hear(&mut of_ada, text_of_findit, "from his id of her").await;
    assert!(is_shown(&mut ben, 2, example.id("ada"), "from her id of him").await, "Django shows it");
}

#[tokio::test]
async fn a_forged_sender_is_refused_beside_django() {
    let Some((example, mut ada, _, of_ada, _)) = findit_of(&[]).await else { return };
    let mut page = ada.open(&of_ada).await;
    let forged =
        json!({"message": "forged", "sender_id": example.id("cleo"), "recipient_id": example.id("ben"), "item_id": 2});
    page.send(&forged).await;
    assert_eq!(page.next().await, Heard::Closed(1008));
    assert!(!is_shown(&mut ada, 2, example.id("ben"), "forged").await);
    let mut cleo = example.sign_in("cleo").await;
    assert!(!is_shown(&mut cleo, 2, example.id("ben"), "forged").await);
}

#[tokio::test]
async fn a_stranger_in_the_room_hears_nothing_beside_django() {
    let Some((example, ada, ben, of_ada, of_ben)) = findit_of(&[]).await else { return };
    let cleo = example.sign_in("cleo").await;
    // In the original both rooms were open to everybody.
    let mut strangers = [cleo.open(&of_ada).await, cleo.open(&of_ben).await];
    let (mut of_ada, mut of_ben) = (ada.open(&of_ada).await, ben.open(&of_ben).await);
    of_ada.send(&json!({"message": "private"})).await;
    hear(&mut of_ben, text_of_findit, "private").await;
    for stranger in &mut strangers {
        stranger.send(&json!({"message": "my own"})).await;
        assert_eq!(stranger.frame().await["message"], "my own", "the first thing that they hear");
    }
}

#[tokio::test]
async fn a_silent_recipient_and_a_post_that_nobody_hears_are_heard_beside_django() {
    let Some(example) = Example::start("accounting", &[]).await else { return };
    let (mut maria, jose) = (example.sign_in("maria").await, example.sign_in("jose").await);
    let (mut of_maria, mut of_jose) = (maria.open("/ws/messages/").await, jose.open("/ws/messages/").await);
    of_maria.send(&json!({"type": "send_message", "recipient_id": example.id("jose"), "content": "by socket"})).await;
    hear(&mut of_jose, text_of_accounting, "by socket").await;
    assert_eq!(of_maria.frame().await["type"], "message_sent");
    let jose_id = example.id("jose").to_string();
    let sent = maria.post("/messages/send/", &[("recipients", &jose_id), ("content", "by form")]).await;
    let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
    let heard = hear(&mut of_jose, text_of_accounting, "by form").await;
    assert_eq!(heard["data"]["message_id"], sent["message_ids"][0]);
    // An unknown recipient, and one of no common section: in the original silence, and a hole.
    for (recipient, error) in
        [(99_999, "Recipient not found"), (example.id("diego"), "You may not write to this person")]
    {
        of_maria.send(&json!({"type": "send_message", "recipient_id": recipient, "content": "x"})).await;
        assert_eq!(of_maria.frame().await, json!({"type": "error", "error": error}));
    }
}

#[tokio::test]
async fn what_is_shown_but_never_stored_is_refused_with_a_close_beside_django() {
    let Some((example, mut ada, _, of_ada, _)) = findit_of(&[]).await else { return };
    let mut page = ada.open(&of_ada).await;
    page.send(&json!({"message": "stored"})).await;
    hear(&mut page, text_of_findit, "stored").await;
    assert!(is_shown(&mut ada, 2, example.id("ben"), "stored").await, "what is echoed is in the table");
    let mut page = ada.open(&format!("/ws/chat/999-{}/", example.id("ben"))).await;
    page.send(&json!({"message": "about nothing"})).await;
    assert_eq!(page.next().await, Heard::Closed(1008));
}

#[tokio::test]
async fn a_socket_does_not_outlive_its_sign_in_beside_django() {
    let flags = &["--set", "identity.recheck_ms=1000"];
    let Some((_example, mut ada, ben, of_ada, of_ben)) = findit_of(flags).await else { return };
    let (mut page, mut of_ben) = (ada.open(&of_ada).await, ben.open(&of_ben).await);
    page.send(&json!({"message": "before"})).await;
    hear(&mut page, text_of_findit, "before").await;
    ada.post("/logout/", &[]).await;
    assert_eq!(page.next().await, Heard::Closed(1008));
    assert!(ada.try_open(&of_ada).await.is_err(), "nor can another be opened");
    of_ben.send(&json!({"message": "his goes on"})).await;
    hear(&mut of_ben, text_of_findit, "his goes on").await;
}

#[tokio::test]
async fn findits_own_view_sends_what_a_socket_brings() {
    let Some((example, ada, mut ben, of_ada, of_ben)) = findit_of(&["--write", "view"]).await else { return };
    let (mut page, mut of_ben) = (ada.open(&of_ada).await, ben.open(&of_ben).await);
    for text in ["one", "two & three = é", "one"] {
        page.send(&json!({"message": text})).await;
        hear(&mut of_ben, text_of_findit, text).await;
        hear(&mut page, text_of_findit, text).await;
    }
    assert!(is_shown(&mut ben, 2, example.id("ada"), "two &amp; three = é").await);
    // The view knows no such item, so nothing is sent.
    let mut page = ada.open(&format!("/ws/chat/999-{}/", example.id("ben"))).await;
    page.send(&json!({"message": "about nothing"})).await;
    assert_eq!(page.next().await, Heard::Closed(1008));
}

#[tokio::test]
async fn accountings_own_view_sends_and_its_rule_holds_for_sockets() {
    let Some(example) = Example::start("accounting", &["--write", "view"]).await else { return };
    let (mut maria, jose) = (example.sign_in("maria").await, example.sign_in("jose").await);
    let (mut of_maria, mut of_jose) = (maria.open("/ws/messages/").await, jose.open("/ws/messages/").await);
    let to = |id: i64, text: &str| json!({"type": "send_message", "recipient_id": id, "subject": "S", "content": text});
    of_maria.send(&to(example.id("jose"), "by the view")).await;
    let sent = of_maria.frame().await;
    let heard = hear(&mut of_jose, text_of_accounting, "by the view").await;
    assert_eq!((&sent["type"], &sent["message_id"]), (&json!("message_sent"), &heard["data"]["message_id"]));
    of_maria.send(&to(example.id("diego"), "not connected")).await;
    assert_eq!(of_maria.frame().await["error"], "You may not write to this person", "the view's own rule");
    // A person whose session has ended is nobody to the view, whatever their socket says.
    let lists: Value = serde_json::from_slice(&maria.get("/messages/get/").await.body).expect("JSON");
    let texts: Vec<_> = lists["sent"].as_array().expect("a list").iter().map(|row| row["content"].clone()).collect();
    assert_eq!(texts, ["by the view"]);
}
