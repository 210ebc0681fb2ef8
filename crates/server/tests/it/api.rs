//! What a client written from the protocol page alone relies on: pages, limits, codes, paths.

use crate::{
    harness::{Server, Setup, TestUser, unique},
    raw_http::{self, ask},
};
use http::Method;
use parlor_client::{
    error::Error,
    socket::{Handshake, Socket},
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::UserId,
    params::Open,
    reply::{Heads, Sent},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn bearer(user: &TestUser) -> String {
    user.api.headers()[http::header::AUTHORIZATION].to_str().expect("text").to_owned()
}

async fn refused(user: &TestUser, path: &str) -> (Code, Option<u64>) {
    match user.api.get::<Value>(path).await {
        Err(Error::Refused(problem)) => (problem.code, problem.limit),
        other => panic!("{path}: {other:?}"),
    }
}

/// Collects a list page by page, with at most `limit` rows per page; the rows are in `field`.
async fn whole(user: &TestUser, path: &str, field: &str, limit: u32) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        // The path's base is the same on every page.
        let path = if after.is_empty() { path } else { path.trim_end_matches("?after=0") };
        let sign = if path.contains('?') { '&' } else { '?' };
        let page: Value = user.api.get(&format!("{path}{sign}limit={limit}{after}")).await.expect("a page");
        let some = page[field].as_array().expect("rows");
        assert!(some.len() <= limit as usize, "{path}");
        rows.extend(some.iter().cloned());
        match &page["next"] {
            Value::Null => return rows,
            Value::Number(next) => after = format!("&after={next}"),
            Value::String(next) => after = format!("&after={next}"),
            other => panic!("{path}: {other} as `next`"),
        }
        assert!(rows.len() < 1000, "{path} has no end");
    }
}

#[tokio::test]
async fn every_list_is_paged_in_the_same_way() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut others = Vec::new();
    for _ in 0..7 {
        // All have the same name, so that only the ids order them.
        others.push(server.user("Benedict").await);
    }
    let group = ada.group("Desk", &others.iter().collect::<Vec<_>>()).await;
    for other in &others {
        ada.open_direct(other).await;
        let path = format!("/v1/conversations/{group}/messages/1/reactions/%F0%9F%91%8D");
        if other.id == others[0].id {
            ada.send(group, "umbrella one").await;
        }
        let _: Value = other.api.request(Method::PUT, &path, "").await.expect("an answer").parse().expect("a member");
        ada.send(group, "umbrella more").await;
        let (_, _) = server.api().sign_in(&ada.login, "correct horse").await.expect("another session");
    }
    let count = others.len();
    for limit in [1, 3, 200] {
        assert_eq!(whole(&ada, "/v1/users?query=bened", "users", limit).await.len(), count);
        assert_eq!(whole(&ada, "/v1/conversations", "conversations", limit).await.len(), count + 1);
        let members = format!("/v1/conversations/{group}/members");
        assert_eq!(whole(&ada, &members, "members", limit).await.len(), count + 1);
        // Sign-up created one session, and sign-in another.
        assert_eq!(whole(&ada, "/v1/me/sessions", "sessions", limit).await.len(), count + 2);
        let messages = format!("/v1/conversations/{group}/messages?after=0");
        if limit > 1 {
            assert_eq!(whole(&ada, &messages, "messages", limit).await.len(), count + 1);
        }
        let reactions = format!("/v1/conversations/{group}/messages/1/reactions");
        let by: Vec<Value> = whole(&ada, &reactions, "reactions", limit).await;
        let users: BTreeSet<_> =
            by.iter().flat_map(|by| by["users"].as_array().expect("users")).map(|user| user["id"].as_i64()).collect();
        assert_eq!(users, others.iter().map(|other| Some(other.id.0)).collect());
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_refused_with_the_maximum() {
    let server = Setup::new().with("limits.page_rows_max", 20).with("sync.poll_wait_max_ms", 2000).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    ada.send(conversation, "hello").await;
    let at = format!("/v1/conversations/{conversation}");
    let lists = [
        "/v1/users?query=be".to_owned(),
        "/v1/conversations?".to_owned(),
        "/v1/me/sessions?".to_owned(),
        "/v1/search?query=hello".to_owned(),
        format!("{at}/members?"),
        format!("{at}/messages?"),
        format!("{at}/messages/1/reactions?"),
    ];
    for list in &lists {
        for limit in ["0", "21", "4294967295"] {
            let expected = (Code::InvalidField, Some(20));
            assert_eq!(refused(&ada, &format!("{list}&limit={limit}")).await, expected, "{list} {limit}");
        }
        for limit in ["-1", "x", "4294967296"] {
            assert_eq!(refused(&ada, &format!("{list}&limit={limit}")).await.0, Code::InvalidField, "{list} {limit}");
        }
        if !list.contains("/messages?") {
            let after = format!("{list}&after=nonsense");
            assert_eq!(refused(&ada, &after).await.0, Code::InvalidField, "{after}");
        }
        let _: Value = ada.api.get(&format!("{list}&limit=20")).await.expect("the largest is taken");
    }
    for place in ["before", "after", "around"] {
        for value in ["-1", "9007199254740992", "1.5", ""] {
            let path = format!("{at}/messages?{place}={value}");
            assert_eq!(refused(&ada, &path).await.0, Code::InvalidField, "{path}");
        }
        for value in ["0", "9007199254740991"] {
            let _: Value = ada.api.get(&format!("{at}/messages?{place}={value}")).await.expect("the bounds are taken");
        }
    }
    for since in ["-1", "9007199254740992", "", "x"] {
        assert_eq!(refused(&ada, &format!("{at}/changes?since={since}")).await.0, Code::InvalidField, "{since}");
    }
    assert_eq!(refused(&ada, "/v1/events?wait=3").await, (Code::InvalidField, Some(2)));
}

#[tokio::test]
async fn a_damaged_or_foreign_cursor_is_reset_on_every_transport() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut socket: Socket = Handshake::new(ada.api.address(), ada.api.headers()).open().await.expect("a socket");
    let good: Heads = socket.call(Command::Resume { user: ada.id, cursor: None }).await.expect("resumed");
    let good = good.cursor.to_string();
    let damaged =
        ["", "x", "1", "1.", ".1", "0.1", "-1.1", "1.1.1", "1.99999999999999999999", "%00", "1e3.4", "123.45"];
    for (number, cursor) in damaged.iter().enumerate() {
        for wait in ["", "&wait=1"] {
            let heads: Heads = ada.api.get(&format!("/v1/events?cursor={cursor}{wait}")).await.expect("not refused");
            assert!(heads.reset, "{cursor:?}{wait}");
        }
        let frame = json!({"id": 100 + number, "type": "session.resume", "user": ada.id, "cursor": cursor});
        let read = parlor_protocol::frame::CommandFrame::parse(&frame.to_string()).expect("not refused");
        let heads: Heads = socket.call(read.command).await.expect("not refused");
        assert!(heads.reset, "{cursor:?}");
    }
    let heads: Heads = ada.api.get(&format!("/v1/events?cursor={good}")).await.expect("not refused");
    assert!(!heads.reset, "one that was given out is good");
}

#[tokio::test]
async fn an_edit_keeps_absent_fields_and_null_clears_the_subject() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = json!({"client_id": "one", "text": "black", "subject": "Umbrella"});
    let _: Sent = ada.api.send(Method::POST, &path, &body).await.expect("sent");
    let edit = async |body: Value| {
        let answer = ada.api.send::<Value>(Method::PATCH, &format!("{path}/1"), &body).await;
        answer.map(|it| (it["message"]["text"].clone(), it["message"]["subject"].clone())).map_err(|error| error.code())
    };
    assert_eq!(edit(json!({"text": "red"})).await, Ok((json!("red"), json!("Umbrella"))));
    assert_eq!(edit(json!({"subject": "Found"})).await, Ok((json!("red"), json!("Found"))));
    assert_eq!(edit(json!({"subject": null})).await, Ok((json!("red"), Value::Null)));
    for unfit in [json!({}), json!({"text": null}), json!({"subject": ""}), json!({"subject": 5})] {
        assert!(edit(unfit.clone()).await.is_err(), "{unfit}");
    }
    let me = async |body: Value| ada.api.send::<Value>(Method::PATCH, "/v1/me", &body).await.map(|_| ());
    me(json!({"receipts": false})).await.expect("a setting");
    me(json!({"name": "Ada King"})).await.expect("a name");
    let now: Value = ada.api.get("/v1/me").await.expect("me");
    assert_eq!((&now["name"], &now["receipts"], &now["presence"]), (&json!("Ada King"), &json!(false), &json!(true)));
    for unfit in [json!({"name": null}), json!({"receipts": null}), json!({"name": "x", "presence": null})] {
        assert_eq!(me(unfit.clone()).await.expect_err("refused").code(), Some(Code::InvalidField), "{unfit}");
    }
}

#[tokio::test]
async fn cancelling_a_send_deletes_nothing_and_reports_no_deletion() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let sent = ada.api.post_message(conversation, "a/b?c%", "hello").await.expect("sent").message;
    let cancel = async |id: &str| {
        let path = format!("/v1/sends/{id}/cancel");
        ada.api.request(Method::POST, &path, "").await.expect("an answer").parse::<Value>()
    };
    let happened = cancel("a%2Fb%3Fc%25").await.expect("it had happened");
    assert_eq!((&happened["cancelled"], &happened["message"]["seq"]), (&json!(false), &json!(sent.seq)));
    assert_eq!(cancel("never").await.expect("never sent")["cancelled"], true);
    let after = ada.api.post_message(conversation, "never", "hello").await.expect_err("given up");
    assert_eq!(after.code(), Some(Code::Cancelled));
    assert_eq!(cancel("%20").await.expect_err("no client_id").code(), Some(Code::InvalidField));
    let old = ada.api.request(Method::DELETE, "/v1/messages/never", "").await.expect("an answer");
    assert_eq!(old.status, 404);
}

#[tokio::test]
async fn a_wrong_current_password_does_not_look_like_the_end_of_the_session() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let headers = [("Authorization", bearer(&ada)), ("Content-Type", "application/json".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"current": "wrong horse", "new": "battery staple"}).to_string();
    let answer = ask(server.address(), "PUT", "/v1/me/password", &headers, &body).await;
    assert_eq!(answer.outcome(), (403, "wrong_password"));
    assert_eq!(answer.header("www-authenticate"), None);
    ada.api.me().await.expect("still signed in");
}

#[tokio::test]
async fn answers_report_the_remaining_requests_and_refusals_when_to_retry() {
    let server =
        Setup::new().with("limits.requests_per_second_max", 2).with("limits.account_attempts_max", 2).start().await;
    let numbers = |answer: &raw_http::RawResponse, field: &str| -> Vec<(String, u64, u64)> {
        let value = answer.header(field).unwrap_or_else(|| panic!("{field} in {}", answer.head));
        let item = |item: &str| {
            let mut parts = item.trim().split(';');
            let name = parts.next().expect("a name").trim_matches('"').to_owned();
            let mut number = || parts.next().and_then(|part| part.split('=').nth(1)?.parse().ok()).expect("a number");
            (name, number(), number())
        };
        value.split(',').map(item).collect()
    };
    let limits = async || ask(server.address(), "GET", "/v1/limits", &[], "").await;
    let first = limits().await;
    assert_eq!(numbers(&first, "ratelimit-policy"), [("requests".to_owned(), 20, 10)]);
    let (_, before, _) = numbers(&first, "ratelimit").remove(0);
    let (_, after, back_in) = numbers(&limits().await, "ratelimit").remove(0);
    assert!(after < before && (1..=10).contains(&back_in), "{before} {after} {back_in}");
    let body = json!({"login": "nobody", "password": "wrong horse"}).to_string();
    let attempt = ask(server.address(), "POST", "/v1/session", &[("Content-Type", "application/json")], &body).await;
    let policy = numbers(&attempt, "ratelimit-policy");
    assert_eq!((policy[1].0.as_str(), policy[1].2), ("sign-in", 900));
    let mut last = limits().await;
    while last.status == 200 {
        last = limits().await;
    }
    assert_eq!(last.outcome(), (429, "too_many"));
    assert_eq!(numbers(&last, "ratelimit")[0].1, 0);
    let wait: u64 = last.header("retry-after").and_then(|wait| wait.parse().ok()).expect("it says when to retry");
    assert_eq!(wait, last.problem().retry_after_ms.expect("it says when to retry").div_ceil(1000));
}

#[tokio::test]
async fn the_limits_include_everything_a_client_needs() {
    let server = Setup::new()
        .with("socket.ping_interval_ms", 1234)
        .with("messages.edit_within_ms", 77)
        .with("messages.receipts", false)
        .with("search.enabled", false)
        .with("sync.poll_wait_max_ms", 5678)
        .start()
        .await;
    let limits: Value = server.api().get("/v1/limits").await.expect("the limits");
    for (name, value) in [
        ("ping_interval_ms", json!(1234)),
        ("silence_ms", json!(35_000)),
        ("resume_ms", json!(10_000)),
        ("edit_within_ms", json!(77)),
        ("delete_within_ms", json!(0)),
        ("receipts", json!(false)),
        ("search", json!(false)),
        ("poll_wait_max_ms", json!(5678)),
        ("who_may_write", json!("everyone")),
        ("history", json!("from_joining")),
        ("text_chars_max", json!(10_000)),
    ] {
        assert_eq!(limits[name], value, "{name}");
    }
    let known = server.api().limits().await.expect("read by the client");
    assert_eq!(known.silence_timeout().as_millis(), 11_234);
}

#[tokio::test]
async fn unknown_paths_are_not_found_for_programs_and_browsers() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let html = ("Accept", "text/html,application/xhtml+xml");
    let authorization = bearer(&ada);
    for path in ["/inbox", "/c/5", "/index.html", "/v1", "/v1/", "/v1/nothing", "/web/", "/web/nothing.js", "/v2/me"] {
        for headers in [vec![], vec![html], vec![("Authorization", authorization.as_str()), html]] {
            let answer = ask(server.address(), "GET", path, &headers, "").await;
            assert_eq!(answer.status, 404, "{path} {headers:?}");
        }
    }
    let inbox = ask(server.address(), "GET", "/", &[html], "").await;
    assert_eq!((inbox.status, inbox.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let nothing = ask(server.address(), "GET", "/inbox", &[html], "").await;
    assert!(String::from_utf8_lossy(&nothing.body).contains("href=\"/\""), "it leads back");
    let schema = ask(server.address(), "GET", "/schema.json", &[], "").await;
    assert_eq!(schema.header("content-type"), Some("application/schema+json"));
}

#[tokio::test]
async fn a_wrong_upload_offset_is_answered_with_the_right_one_first() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let patch = async |offset: u64, body: &'static str| {
        let path = format!("/v1/uploads/one?offset={offset}");
        let answer = ada.api.request(Method::PATCH, &path, body).await.expect("an answer");
        answer.parse::<Value>().map_err(|error| error.code().map(Code::name))
    };
    let begin = async |body: &'static str| {
        let path = "/v1/uploads?client_id=one&name=a.txt&bytes=10";
        ada.api.request(Method::POST, path, body).await.expect("an answer").parse::<Value>()
    };
    assert_eq!(begin("abcd").await.expect("begun")["received"], 4);
    for offset in [0, 3, 5, 10, 11, 1_000_000] {
        for body in ["e", "more bytes than are left to come"] {
            assert_eq!(patch(offset, body).await, Err(Some("wrong_offset")), "{offset} {body}");
        }
    }
    assert_eq!(patch(4, "more bytes than are left to come").await, Err(Some("too_large")));
    assert_eq!(patch(4, "efghij").await.expect("finished")["received"], 10);
    let again = begin("other").await.expect("it exists");
    assert!(again["attachment"].is_object(), "a finished file is answered as it is: {again}");
    for path in ["/v1/uploads/%20", "/v1/uploads/"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = ada.api.request(method, path, "").await.expect("an answer");
            assert!([400, 404].contains(&answer.status.as_u16()), "{path}");
        }
    }
}

#[tokio::test]
async fn members_of_a_direct_conversation_cannot_be_removed() {
    let server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    for user in [ada.id, ben.id, UserId(999_999)] {
        let path = format!("/v1/conversations/{conversation}/members/{user}");
        let answer = ada.api.request(Method::DELETE, &path, "").await.expect("an answer").parse::<Value>();
        assert_eq!(answer.expect_err("refused").code(), Some(Code::NotAllowed), "{user}");
    }
    let opening =
        Open { client_id: format!("open-{}", unique()), user: Some(ben.id), role: None, group: None, context: None };
    let opened: Value = ada.api.send(Method::POST, "/v1/conversations", &opening).await.expect("found");
    assert_eq!((&opened["found"], &opened["conversation"]["member_count"]), (&json!(true), &json!(2)));
}
