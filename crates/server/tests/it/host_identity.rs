//! People of a Django application: their sessions there are sessions here, and end here when they end there.

use crate::{
    django_host::{DjangoHost, SECRET_KEY},
    harness::{Server, Setup},
    mariadb,
    postgres::{self, Postgres},
    raw_http::{RawResponse, ask},
};
use http::{HeaderMap, HeaderValue, header};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{command::Command, ids::UserId, reply::Heads};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "the host's secret";
/// The origin of requests of `raw_http`.
const OWN_ORIGIN: &str = "http://parlor.test";
const ENDED: u16 = 4500;
const DISABLED: u16 = 4501;

fn setup(host: &DjangoHost, providers: &str) -> Setup {
    Setup::new()
        .with("host.database", &host.url)
        .with("identity.providers", providers)
        .with("identity.recheck_secret", SECRET)
        .with("identity.recheck_ms", 600_000)
        .with("django.secret_key", SECRET_KEY)
        .with("django.session_folder", host.folder().display())
}

/// Somebody whose only sign-in is the host's cookie.
struct CookieVisitor<'a> {
    server: &'a Server,
    cookie: String,
}

impl CookieVisitor<'_> {
    async fn me(&self) -> RawResponse {
        ask(self.server.address(), "GET", "/v1/me", &[("Cookie", &self.cookie)], "").await
    }

    async fn id(&self) -> UserId {
        let answer = self.me().await;
        assert_eq!(answer.status, 200, "{:?}", String::from_utf8_lossy(&answer.body));
        let me: Value = serde_json::from_slice(&answer.body).expect("JSON");
        UserId(me["me"]["id"].as_i64().or(me["id"].as_i64()).expect("an id"))
    }

    async fn socket(&self) -> Socket {
        let user = self.id().await;
        let origin = format!("http://{}", self.server.address());
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&self.cookie).expect("a header"));
        headers.insert(header::ORIGIN, HeaderValue::from_str(&origin).expect("a header"));
        let mut socket = Handshake::new(self.server.address(), &headers).open().await.expect("a socket");
        let _: Heads = socket.call(Command::Resume { user, cursor: None }).await.expect("resumed");
        socket
    }
}

fn visitor<'a>(server: &'a Server, key: &str) -> CookieVisitor<'a> {
    CookieVisitor { server, cookie: format!("csrftoken=x; sessionid={key}") }
}

async fn close_code(socket: &mut Socket) -> Option<u16> {
    let deadline = Instant::now() + SOON;
    loop {
        match socket.next_before(deadline).await? {
            Incoming::Closed(code, _) => return Some(code),
            Incoming::Disconnected(_) => return None,
            _ => {}
        }
    }
}

async fn recheck(server: &Server, body: &Value) -> RawResponse {
    let headers = [("Authorization", format!("Bearer {SECRET}")), ("Content-Type", "application/json".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask(server.address(), "POST", "/v1/host/recheck", &headers, &body).await
}

/// Signs `ada` and `ben` in at the host, ends ada's sign-in there, and checks that ada's socket closes and ben's not.
async fn ending(end: impl FnOnce(&mut DjangoHost, &str), names: bool, expected: u16) {
    let Some(mut host) = DjangoHost::start("db") else { return };
    let (ada, _) = (host.user("ada"), host.user("ben"));
    let server = setup(&host, "django_session").start().await;
    let (key, other) = (host.sign_in("ada"), host.sign_in("ben"));
    let (visitor_a, visitor_b) = (visitor(&server, &key), visitor(&server, &other));
    let (mut socket, mut others) = (visitor_a.socket().await, visitor_b.socket().await);
    end(&mut host, &key);
    assert_eq!(visitor_a.me().await.status, 200, "nobody has checked yet");
    let body = if names { json!({"users": [ada]}) } else { Value::Null };
    assert_eq!(recheck(&server, &body).await.status, 204);
    assert_eq!(close_code(&mut socket).await, Some(expected));
    assert_eq!(visitor_a.me().await.outcome(), (401, "not_signed_in"));
    let user = visitor_b.id().await;
    let _: Value = others.call(Command::GetMe { since: None }).await.expect("ben is still connected");
    assert!(user.0 > 0);
}

#[tokio::test]
async fn signing_out_of_the_host_closes_the_sockets() {
    ending(|host, key| drop(host.run("sign_out", &json!({"key": key}))), false, ENDED).await;
}

#[tokio::test]
async fn a_session_deleted_at_the_host_closes_its_sockets() {
    ending(|host, key| drop(host.run("delete_session", &json!({"key": key}))), true, ENDED).await;
}

#[tokio::test]
async fn a_user_deactivated_at_the_host_is_disconnected() {
    let end = |host: &mut DjangoHost, _: &str| {
        host.run("update", &json!({"username": "ada", "is_active": false}));
    };
    ending(end, true, DISABLED).await;
    ending(end, false, ENDED).await;
}

#[tokio::test]
async fn a_password_changed_at_the_host_closes_the_sockets() {
    let end = |host: &mut DjangoHost, _: &str| {
        host.run("set_password", &json!({"username": "ada", "password": "another one"}));
    };
    ending(end, true, ENDED).await;
}

#[tokio::test]
async fn a_user_deleted_at_the_host_is_disconnected() {
    let delete = |host: &mut DjangoHost, _: &str| {
        // Django deletes what belongs to the user as well, so the tables must be there.
        host.run("create_messaging", &json!({}));
        host.run("delete_user", &json!({"username": "ada"}));
    };
    ending(delete, true, DISABLED).await;
}

#[tokio::test]
async fn a_socket_that_outlives_its_sign_in_is_closed_by_the_next_check() {
    let Some(mut host) = DjangoHost::start("db") else { return };
    host.user("ada");
    let server = setup(&host, "django_session").with("identity.recheck_ms", 1000).start().await;
    let key = host.sign_in("ada");
    let mut socket = visitor(&server, &key).socket().await;
    host.run("sign_out", &json!({"key": key}));
    assert_eq!(close_code(&mut socket).await, Some(ENDED), "without anybody asking for it");
    let again = host.sign_in("ada");
    visitor(&server, &again).socket().await;
}

#[tokio::test]
async fn every_engine_of_sessions_signs_in_and_nothing_else_does() {
    for engine in ["db", "cached_db", "signed_cookies", "file"] {
        let Some(mut host) = DjangoHost::start(engine) else { return };
        host.user("ada");
        let server = setup(&host, "django_session").with("django.session_engine", engine).start().await;
        let key = host.sign_in("ada");
        let ada = visitor(&server, &key);
        let id = ada.id().await;
        assert_eq!(ada.id().await, id, "{engine}");
        let nobody = host.run("anonymous", &json!({}));
        let nobody = nobody.as_str().expect("a key").to_owned();
        let changed: String = key.chars().rev().collect();
        for cookie in [nobody.as_str(), &changed, "", "x", "../../etc/passwd", &"a".repeat(32)] {
            assert_eq!(visitor(&server, cookie).me().await.status, 401, "{engine} {cookie:?}");
        }
        assert!(!server.log().contains(&key), "{engine}: a cookie is never logged");
    }
}

#[tokio::test]
async fn sessions_are_read_from_postgresql_and_mariadb_as_well() {
    for url in [postgres::database(), mariadb::database()].into_iter().flatten() {
        let Some(mut host) = DjangoHost::on_server(&url) else { return };
        host.user("ada");
        let server = setup(&host, "django_session").start().await;
        let key = host.sign_in("ada");
        let mut socket = visitor(&server, &key).socket().await;
        assert_eq!(visitor(&server, &"7".repeat(32)).me().await.status, 401);
        host.run("sign_out", &json!({"key": key}));
        assert_eq!(recheck(&server, &Value::Null).await.status, 204);
        assert_eq!(close_code(&mut socket).await, Some(ENDED));
    }
}

#[tokio::test]
async fn people_are_added_at_first_sight_and_follow_the_host() {
    let Some(mut host) = DjangoHost::start("db") else { return };
    let fields = json!({"username": "Ada.L", "first_name": "Ada", "last_name": "Lovelace"});
    host.run("create", &fields);
    let server = setup(&host, "django_session").start().await;
    let key = host.sign_in("Ada.L");
    let ada = visitor(&server, &key);
    let me = async || {
        let me: Value = serde_json::from_slice(&ada.me().await.body).expect("JSON");
        let me = if me["me"].is_object() { me["me"].clone() } else { me };
        (me["login"].as_str().map(str::to_owned), me["name"].as_str().map(str::to_owned))
    };
    assert_eq!(me().await, (Some("ada.l".to_owned()), Some("Ada Lovelace".to_owned())));
    host.run("update", &json!({"username": "Ada.L", "last_name": "King"}));
    assert_eq!(recheck(&server, &Value::Null).await.status, 204);
    assert_eq!(me().await.1.as_deref(), Some("Ada King"));
}

#[tokio::test]
async fn the_origin_rule_holds_for_cookies_of_the_host() {
    let Some(mut host) = DjangoHost::start("db") else { return };
    host.user("ada");
    let server = setup(&host, "django_session").start().await;
    let cookie = format!("sessionid={}", host.sign_in("ada"));
    for (origin, status) in [(Some("https://evil.example"), 403), (None, 403), (Some(OWN_ORIGIN), 200)] {
        let mut headers = vec![("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        let answer = ask(server.address(), "PATCH", "/v1/me", &headers, r#"{"presence": false}"#).await;
        assert_eq!(answer.status, status, "{origin:?}");
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(&cookie).expect("a header"));
    headers.insert(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    assert!(Handshake::new(server.address(), &headers).open().await.is_err(), "nor does a socket open");
}

#[tokio::test]
async fn without_accounts_nobody_signs_in_here_and_the_page_leads_to_the_host() {
    let Some(mut host) = DjangoHost::start("db") else { return };
    host.user("ada");
    let setup = setup(&host, "django_session").with("identity.sign_in_url", "/login/?next={return}");
    let server = setup.with("identity.sign_out_url", "/account/").start().await;
    let body = r#"{"login": "ada", "password": "correct horse"}"#;
    let json = [("Content-Type", "application/json")];
    let refused = ask(server.address(), "POST", "/v1/session", &json, body).await;
    assert_eq!(refused.outcome(), (403, "not_allowed"));
    let page = ask(server.address(), "GET", "/", &[], "").await;
    assert_eq!((page.status, page.header("location")), (303, Some("/login/?next=%2F")));
    let cookie = format!("sessionid={}", host.sign_in("ada"));
    assert_eq!(ask(server.address(), "GET", "/", &[("Cookie", &cookie)], "").await.status, 200);
    let site: Value = server.api().get("/v1/site").await.expect("public");
    assert_eq!((&site["accounts"], &site["sign_out_url"]), (&json!(false), &json!("/account/")));
    let headers = [("Cookie", cookie.as_str()), ("Origin", OWN_ORIGIN)];
    assert_eq!(visitor(&server, &cookie["sessionid=".len()..]).me().await.status, 200);
    let refused = ask(server.address(), "DELETE", "/v1/session", &headers, "").await;
    assert_eq!(refused.outcome(), (403, "not_allowed"), "only the host ends it");
}

#[tokio::test]
async fn a_password_of_the_host_signs_in_once_as_it_is_and_is_then_one_of_parlor() {
    let Some(mut host) = DjangoHost::start("db") else { return };
    host.run("create", &json!({"username": "ada", "password": "correct horse"}));
    let server = setup(&host, "django_session,accounts").start().await;
    let key = host.sign_in("ada");
    let id = visitor(&server, &key).id().await;
    for round in ["the hash of Django", "the one that replaced it"] {
        assert!(server.api().sign_in("ada", "wrong horse").await.is_err(), "{round}");
        let (_, signed_in) = server.api().sign_in("ada", "correct horse").await.expect(round);
        assert_eq!(signed_in.me.user.id, id);
        assert_eq!(recheck(&server, &Value::Null).await.status, 204);
    }
    let hash = rusqlite::Connection::open(server.data().join("parlor.db")).expect("the store");
    let hash: String =
        hash.query_row("SELECT password_hash FROM users", [], |row| row.get(0)).expect("one user with a password");
    assert!(hash.starts_with("$argon2id$"), "{hash}");
}

#[tokio::test]
async fn the_host_asks_for_a_check_with_its_secret_only() {
    let Some(host) = DjangoHost::start("db") else { return };
    let server = setup(&host, "django_session").start().await;
    for secret in ["", "Bearer ", "Bearer wrong", "Basic x", "Bearer the host's secre", "the host's secret"] {
        let answer = ask(server.address(), "POST", "/v1/host/recheck", &[("Authorization", secret)], "").await;
        assert_eq!(answer.outcome(), (401, "not_signed_in"), "{secret:?}");
    }
    for (body, status) in [(json!({"users": [1, "2"]}), 204), (json!({"users": "1"}), 400), (json!({"user": []}), 400)]
    {
        assert_eq!(recheck(&server, &body).await.status, status, "{body}");
    }
    let closed = setup(&host, "django_session").with("identity.recheck_secret", "").start().await;
    assert_eq!(recheck(&closed, &Value::Null).await.status, 404);
}

#[tokio::test]
async fn people_who_are_connected_do_not_wait_for_a_frozen_database_of_the_host() {
    let Some(postgres) = Postgres::alone() else { return };
    let Some(mut host) = DjangoHost::on_server(&postgres.database()) else { return };
    host.user("ada");
    let setup = setup(&host, "django_session").with("host.timeout_ms", 8000).with("identity.recheck_ms", 1000);
    let server = setup.start().await;
    let key = host.sign_in("ada");
    let ada = visitor(&server, &key);
    let mut socket = ada.socket().await;
    postgres.signal("STOP");
    let until = Instant::now() + Duration::from_secs(4);
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        let started = Instant::now();
        assert_eq!(ada.me().await.status, 200);
        let _: Value = socket.call(Command::GetMe { since: None }).await.expect("connected");
        slowest = slowest.max(started.elapsed());
        // waits for: nothing; a faster loop is refused with `too_fast`
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(slowest < Duration::from_secs(6), "a request took {slowest:?}, so it waited for the host");
    let started = Instant::now();
    let strangers = (0..40).map(|number| {
        let (address, cookie) = (server.address(), format!("sessionid={number:032}"));
        tokio::spawn(async move { ask(address, "GET", "/v1/me", &[("Cookie", &cookie)], "").await.status })
    });
    for stranger in strangers.collect::<Vec<_>>() {
        assert_eq!(stranger.await.expect("answered"), 503, "unknown is not the same as nobody");
    }
    assert!(started.elapsed() < Duration::from_mins(1), "strangers do not wait one after the other");
    postgres.signal("CONT");
    let deadline = Instant::now() + SOON;
    while visitor(&server, &"7".repeat(32)).me().await.status != 401 {
        assert!(Instant::now() < deadline, "the host is asked again");
        // waits for: a database that answers again
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.run("sign_out", &json!({"key": key}));
    assert_eq!(close_code(&mut socket).await, Some(ENDED));
}
