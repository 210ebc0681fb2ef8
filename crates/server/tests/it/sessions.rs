//! Signing in and out: passwords, session lifetimes, and protection against guessing.

use crate::{
    harness::{Server, Setup, TestUser},
    postgres,
    raw_http::{RawResponse, ask},
};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{command::Command, error::Code, http::Sessions, ids::UserId, reply::Heads};
use std::time::Duration;

const PASSWORD: &str = "correct horse";
const SOON: Duration = Duration::from_secs(5);

async fn login_of(user: &TestUser) -> String {
    user.api.me().await.expect("signed in").me.login
}

async fn sign_in(server: &Server, login: &str, password: &str, headers: &[(&str, &str)]) -> RawResponse {
    let headers: Vec<_> = [("Content-Type", "application/json")].iter().chain(headers).copied().collect();
    let body = serde_json::json!({"login": login, "password": password}).to_string();
    ask(server.address(), "POST", "/v1/session", &headers, &body).await
}

async fn is_signed_in(server: &Server, cookie: &str) -> bool {
    ask(server.address(), "GET", "/v1/me", &[("Cookie", cookie)], "").await.status == 200
}

async fn socket(user: &TestUser) -> Socket {
    let mut socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Command::Resume { user: user.id, cursor: None }).await.expect("resumed");
    socket
}

async fn close_code(socket: &mut Socket) -> Option<u16> {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        match socket.next_before(deadline).await? {
            Incoming::Closed(code, _) => return Some(code),
            Incoming::Disconnected(_) => return None,
            _ => {}
        }
    }
}

/// A PNG of a single colour.
fn image_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_pixel(width, height, image::Rgb([9, 90, 200]));
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("written");
    bytes.into_inner()
}

/// Returns the value of a metric.
async fn counted(server: &Server, line: &str) -> u64 {
    let headers = [("Authorization", "Bearer figures")];
    let text = String::from_utf8(ask(server.address(), "GET", "/metrics", &headers, "").await.body).expect("text");
    let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or("0");
    found.trim().parse().expect("a number")
}

#[tokio::test]
async fn an_unknown_a_disabled_and_a_real_account_get_the_same_answer_for_the_same_work() {
    let server = Setup::new().with("metrics.token", "figures").start().await;
    let (ada, ben) = (login_of(&server.user("ada").await).await, login_of(&server.user("ben").await).await);
    let disabled = server.run(&["user", "disable", &ben]);
    assert!(disabled.status.success(), "{disabled:?}");
    let mut answers = Vec::new();
    for (login, password, of) in [
        (ada.as_str(), "wrong horse", "account"),
        ("nobody", "wrong horse", "nobody"),
        (ben.as_str(), PASSWORD, "nobody"),
        ("not a login/", "wrong horse", "nobody"),
    ] {
        let line = format!("parlor_password_checks_total{{of=\"{of}\"}}");
        let before = counted(&server, &line).await;
        let answer = sign_in(&server, login, password, &[]).await;
        assert_eq!(answer.outcome(), (401, "wrong_credentials"), "{login}");
        assert_eq!(counted(&server, &line).await, before + 1, "a password was checked for {login}");
        let mut problem = answer.problem();
        problem.request_id = None;
        let names = answer.head.lines().skip(1).filter_map(|line| line.split(':').next()).map(str::to_owned);
        answers.push((problem, names.collect::<Vec<_>>(), answer.body.len()));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn a_presented_cookie_is_never_reused_and_its_session_ends() {
    let server = Server::start().await;
    let login = login_of(&server.user("ada").await).await;
    let planted = "parlor_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let own = ("Origin", "http://parlor.test");
    let first = sign_in(&server, &login, PASSWORD, &[("Cookie", planted), own]).await.cookie().expect("a cookie");
    assert_ne!(first, planted);
    assert!(!is_signed_in(&server, planted).await && is_signed_in(&server, &first).await);
    let second = sign_in(&server, &login, PASSWORD, &[("Cookie", &first), own]).await.cookie().expect("a cookie");
    assert_ne!(first, second);
    assert!(!is_signed_in(&server, &first).await, "the earlier session has ended");
    assert!(is_signed_in(&server, &second).await);
    assert!(second.len() >= "parlor_session=".len() + 43, "256 bits of chance");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server_and_closes_its_socket_only() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let login = login_of(&ada).await;
    let (api, _) = server.api().sign_in(&login, PASSWORD).await.expect("signed in");
    let other = TestUser { api, ..ada.clone() };
    let (mut ending, mut staying) = (socket(&other).await, socket(&ada).await);
    let out = other.api.request(http::Method::DELETE, "/v1/session", "").await.expect("an answer");
    assert_eq!(out.status.as_u16(), 204);
    assert_eq!(close_code(&mut ending).await, Some(4500));
    let refused = other.api.me().await.expect_err("over");
    assert_eq!(refused.code().map(Code::name), Some("not_signed_in"));
    let _: serde_json::Value = staying.call(Command::GetMe { since: None }).await.expect("the other session is valid");
    let cookie = sign_in(&server, &login, PASSWORD, &[]).await.cookie().expect("a cookie");
    let headers = [("Cookie", cookie.as_str()), ("Origin", "http://parlor.test")];
    let out = ask(server.address(), "DELETE", "/v1/session", &headers, "").await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    assert!(!is_signed_in(&server, &cookie).await, "a kept cookie is worth nothing");
}

#[tokio::test]
async fn a_user_can_end_their_other_sessions_but_no_one_elses() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let (api, _) = server.api().sign_in(&login_of(&ada).await, PASSWORD).await.expect("signed in");
    let other = TestUser { api, ..ada.clone() };
    let mut ending = socket(&other).await;
    let listed: Sessions = ada.api.get("/v1/me/sessions").await.expect("a list");
    // Sign-up created one too.
    assert_eq!(listed.sessions.len(), 3);
    assert_eq!(listed.sessions.iter().filter(|session| session.current).count(), 1);
    let newest = listed.sessions.iter().max_by_key(|session| session.id).expect("three");
    let path = format!("/v1/me/sessions/{}", newest.id);
    let foreign = ben.api.request(http::Method::DELETE, &path, "").await.expect("an answer");
    assert_eq!(foreign.status.as_u16(), 404);
    let ended = ada.api.request(http::Method::DELETE, &path, "").await.expect("an answer");
    assert_eq!(ended.status.as_u16(), 204);
    assert_eq!(close_code(&mut ending).await, Some(4500));
    let again = ada.api.request(http::Method::DELETE, &path, "").await.expect("an answer");
    assert_eq!(again.status.as_u16(), 404);
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let login = login_of(&ada).await;
    let (api, _) = server.api().sign_in(&login, PASSWORD).await.expect("signed in");
    let mut other = socket(&TestUser { api: api.clone(), ..ada.clone() }).await;
    let mut own = socket(&ada).await;
    let put = async |current: &str, new: &str| {
        let body = serde_json::json!({"current": current, "new": new});
        let done = ada.api.send::<serde_json::Value>(http::Method::PUT, "/v1/me/password", &body).await;
        done.err().and_then(|error| error.code()).map(Code::name)
    };
    assert_eq!(put("wrong", "a new password").await, Some("wrong_password"));
    assert_eq!(put(PASSWORD, "short").await, Some("invalid_field"));
    assert_eq!(put(PASSWORD, &"x".repeat(257)).await, Some("text_too_long"));
    assert_eq!(put(PASSWORD, "a new password").await, None);
    assert_eq!(close_code(&mut other).await, Some(4500));
    assert!(api.me().await.is_err());
    let _: serde_json::Value = own.call(Command::GetMe { since: None }).await.expect("this session stays valid");
    assert_eq!(sign_in(&server, &login, PASSWORD, &[]).await.status, 401);
    assert_eq!(sign_in(&server, &login, "a new password", &[]).await.status, 200);
}

#[tokio::test]
async fn disabling_a_user_closes_everything_at_once_and_enabling_readmits_them() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let login = login_of(&ada).await;
    let mut live = socket(&ada).await;
    assert!(server.run(&["user", "disable", &login]).status.success());
    assert_eq!(close_code(&mut live).await, Some(4501));
    assert!(ada.api.me().await.is_err());
    assert_eq!(sign_in(&server, &login, PASSWORD, &[]).await.status, 401);
    assert!(server.run(&["user", "enable", &login]).status.success());
    assert_eq!(sign_in(&server, &login, PASSWORD, &[]).await.status, 200);
}

#[tokio::test]
async fn password_guessing_is_limited_by_user_and_address_and_locks_no_other_user_out() {
    let server =
        Setup::new().with("limits.account_attempts_max", 3).with("limits.address_attempts_max", 7).start().await;
    let (ada, ben) = (login_of(&server.user("ada").await).await, login_of(&server.user("ben").await).await);
    let wrong = async |login: &str| sign_in(&server, login, "wrong horse", &[]).await;
    // Sign-up counts against the address too: two of its seven attempts are used.
    for _ in 0..3 {
        assert_eq!(wrong(&ada).await.status, 401);
    }
    let refused = sign_in(&server, &ada, PASSWORD, &[]).await;
    assert_eq!(refused.outcome(), (429, "too_many"), "not even the right password is tried");
    assert!(refused.header("retry-after").and_then(|wait| wait.parse::<u64>().ok()).is_some_and(|wait| wait <= 300));
    assert!(refused.problem().retry_after_ms.is_some());
    for _ in 0..5 {
        assert_eq!(sign_in(&server, &ben, PASSWORD, &[]).await.status, 200, "another account of the same address");
    }
    for name in ["x", "y"] {
        assert_eq!(wrong(name).await.status, 401);
    }
    assert_eq!(wrong("z").await.status, 429, "the address has used its attempts");
    assert_eq!(sign_in(&server, &ben, PASSWORD, &[]).await.status, 429);
}

#[tokio::test]
async fn the_oldest_session_ends_when_there_are_too_many() {
    let server = Setup::new().with("limits.sessions_max", 2).start().await;
    let ada = server.user("ada").await;
    let mut oldest = socket(&ada).await;
    let login = login_of(&ada).await;
    let second = sign_in(&server, &login, PASSWORD, &[]).await.cookie().expect("a cookie");
    assert!(ada.api.me().await.is_ok());
    let third = sign_in(&server, &login, PASSWORD, &[]).await.cookie().expect("a cookie");
    assert_eq!(close_code(&mut oldest).await, Some(4500));
    assert!(is_signed_in(&server, &second).await && is_signed_in(&server, &third).await);
    assert!(ada.api.me().await.is_err());
}

#[tokio::test]
async fn sign_up_is_off_by_default() {
    let server = Setup::new().with("accounts.sign_up", false).start().await;
    let body = serde_json::json!({"login": "ada", "name": "Ada", "password": PASSWORD});
    let refused = server.api().send::<serde_json::Value>(http::Method::POST, "/v1/users", &body).await;
    assert_eq!(refused.expect_err("off").code().map(Code::name), Some("sign_up_off"));
    let site: serde_json::Value = server.api().get("/v1/site").await.expect("public");
    assert_eq!(site["sign_up"], false);
}

#[tokio::test]
async fn a_page_of_another_user_is_refused() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let refused = ada.api.clone().as_user(UserId(ada.id.0 + 1)).me().await.expect_err("another's page");
    assert_eq!(refused.code().map(Code::name), Some("wrong_user"));
    let mut socket = Handshake::new(ada.api.address(), ada.api.headers()).open().await.expect("a socket");
    let resume = Command::Resume { user: UserId(ada.id.0 + 1), cursor: None };
    let refused = socket.call::<serde_json::Value>(resume).await.expect_err("another's page");
    assert_eq!(refused.code().map(Code::name), Some("wrong_user"));
}

#[tokio::test]
async fn a_profile_picture_is_cropped_square_and_served_to_signed_in_users_only() {
    let server = Setup::new().with("limits.picture_pixels_max", 500).start().await;
    let ada = server.user("ada").await;
    let put = async |bytes: Vec<u8>| {
        ada.api.request(http::Method::PUT, "/v1/me/picture", bytes).await.expect("an answer").status.as_u16()
    };
    assert_eq!(put(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()).await, 415);
    assert_eq!(put(image_of(501, 10)).await, 413);
    assert_eq!(put(image_of(300, 100)).await, 200);
    let path = ada.api.me().await.expect("signed in").me.user.picture.expect("a picture");
    let shown = ada.api.request(http::Method::GET, &path, "").await.expect("an answer");
    assert_eq!(shown.headers[http::header::CONTENT_TYPE], "image/jpeg");
    let policy = shown.headers[http::header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    let image = image::load_from_memory(&shown.body).expect("an image");
    assert_eq!((image.width(), image.height()), (256, 256));
    assert_eq!(ask(server.address(), "GET", &path, &[], "").await.outcome(), (401, "not_signed_in"));
    let removed = ada.api.request(http::Method::DELETE, "/v1/me/picture", "").await.expect("an answer");
    assert_eq!(removed.status.as_u16(), 200);
    assert_eq!(ada.api.me().await.expect("signed in").me.user.picture, None);
}

#[tokio::test]
async fn the_address_is_the_connections_unless_a_trusted_proxy_names_another() {
    for (trusted, is_believed) in [("10.0.0.0/8", false), ("127.0.0.1", true)] {
        let setup = Setup::new().with("limits.address_attempts_max", 4).with("trusted_proxies", trusted);
        let server = setup.start().await;
        let mut statuses = Vec::new();
        for number in 0..6 {
            // The first of the list is invented by the visitor; the last was added by the proxy.
            let forwarded = format!("1.2.3.4, 198.51.100.{number}");
            let headers = [("X-Forwarded-For", forwarded.as_str()), ("X-Real-IP", "127.0.0.1")];
            statuses.push(sign_in(&server, &format!("nobody{number}"), "wrong horse", &headers).await.status);
        }
        let expected = if is_believed { vec![401; 6] } else { vec![401, 401, 401, 401, 429, 429] };
        assert_eq!(statuses, expected, "{trusted}");
    }
}

#[tokio::test]
async fn the_log_never_contains_messages_or_credentials() {
    let server = Setup::new().with("log.filter", "info,parlor=trace").start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let login = login_of(&ada).await;
    let conversation = ada.open_direct(&ben).await.id;
    ada.send(conversation, "canary-of-a-message").await;
    let agent = [("User-Agent", "canary-of-an-agent é")];
    assert_eq!(sign_in(&server, &login, "canary-of-a-password", &agent).await.status, 401);
    let cookie = sign_in(&server, &login, PASSWORD, &agent).await.cookie().expect("a cookie");
    let mut live = socket(&ada).await;
    live.send_text(r#"{"id": 1, "type": "canary-of-a-frame"}"#).await.expect("sent");
    let _: serde_json::Value = live.call(Command::GetMe { since: None }).await.expect("all before it is handled");
    let log = server.log();
    let token = cookie.split_once('=').expect("a pair").1;
    let bearer = ada.api.headers()[http::header::AUTHORIZATION].to_str().expect("text").trim_start_matches("Bearer ");
    for secret in ["canary", PASSWORD, token, bearer, "\u{1b}"] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
    let listed: Sessions = ada.api.get("/v1/me/sessions").await.expect("a list");
    assert!(listed.sessions.iter().any(|session| session.agent == "canary-of-an-agent é"));
}

#[tokio::test]
async fn accounts_sessions_and_pictures_are_the_same_on_postgresql() {
    let Some(url) = postgres::database() else { return };
    let mut server = Setup::new().with("store.url", url).with("metrics.token", "figures").start().await;
    let ada = server.user("ada").await;
    let login = login_of(&ada).await;
    let mut live = socket(&ada).await;
    let own = ("Origin", "http://parlor.test");
    let first = sign_in(&server, &login, PASSWORD, &[]).await.cookie().expect("a cookie");
    let second = sign_in(&server, &login, PASSWORD, &[("Cookie", &first), own]).await.cookie().expect("a cookie");
    assert!(!is_signed_in(&server, &first).await && is_signed_in(&server, &second).await);
    assert_eq!(sign_in(&server, "nobody", "wrong horse", &[]).await.outcome(), (401, "wrong_credentials"));
    let picture = image_of(300, 200);
    let put = ada.api.request(http::Method::PUT, "/v1/me/picture", picture).await.expect("an answer");
    assert_eq!(put.status.as_u16(), 200, "{}", String::from_utf8_lossy(&put.body));
    let path = ada.api.me().await.expect("signed in").me.user.picture.expect("a picture");
    assert_eq!(ada.api.request(http::Method::GET, &path, "").await.expect("an answer").status.as_u16(), 200);
    assert_eq!(ada.api.get::<Sessions>("/v1/me/sessions").await.expect("a list").sessions.len(), 3);
    let listed = server.run(&["user", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&login), "{listed:?}");
    let copied = server.run(&["backup", "/nowhere/copy.db"]);
    assert!(String::from_utf8_lossy(&copied.stderr).contains("pg_dump"), "{copied:?}");
    assert!(server.run(&["user", "disable", &login]).status.success());
    assert_eq!(close_code(&mut live).await, Some(4501));
    assert_eq!(sign_in(&server, &login, PASSWORD, &[]).await.status, 401);
    server.stop().await;
    let verified = server.run(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
