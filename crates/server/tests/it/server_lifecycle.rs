//! The operator's commands beside a running server and without one; starting and stopping.

use crate::{
    harness::{Server, Setup, folder, tool},
    raw_http::{ask, handshake_status, request, send},
};
use parlor_client::socket::{Handshake, Incoming};
use parlor_protocol::{command::Command as Asked, reply::Heads};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(10);

/// Runs the binary on a data folder, with cheap password hashing.
fn parlor(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .env("PARLOR_DATA", data)
        .env("PARLOR_ACCOUNTS_PASSWORD_MEMORY_KIB", "8")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built binary starts");
    // It may end without reading it.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn commands_do_the_same_beside_a_server_and_without_one() {
    let parent = folder();
    let data = parent.path().join("data");
    let mut server = Setup::new().in_folder(&data).start().await;
    for is_running in [true, false] {
        if !is_running {
            server.stop().await;
        }
        let run = |arguments: &[&str]| parlor(&data, arguments, "a long password\n");
        let login = if is_running { "ada" } else { "ben" };
        let added = run(&["user", "add", login, "--name", "Somebody", "--password-stdin"]);
        assert!(added.status.success(), "{}", output_text(&added));
        let again = run(&["user", "add", &login.to_uppercase(), "--password-stdin"]);
        assert_eq!(again.status.code(), Some(5), "{}", output_text(&again));
        assert!(output_text(&again).contains("The name is taken"), "{}", output_text(&again));
        let put = run(&[
            "context",
            "put",
            "--type",
            "item",
            "--id",
            "5",
            "--title",
            "Umbrella",
            "--role",
            &format!("owner={login}"),
        ]);
        assert!(put.status.success(), "{}", output_text(&put));
        assert!(run(&["context", "close", "--type", "item", "--id", "5"]).status.success());
        assert!(run(&["context", "close", "--type", "item", "--id", "6"]).status.code() == Some(4));
        assert!(run(&["user", "disable", login]).status.success());
        let listed = output_text(&run(&["user", "list"]));
        assert!(listed.lines().any(|line| line.starts_with(login) && line.contains("disabled")), "{listed}");
        assert!(run(&["user", "enable", login]).status.success());
        let made = run(&["user", "passwd", login]);
        assert!(output_text(&made).contains("The password is "), "{}", output_text(&made));
        assert_eq!(run(&["user", "passwd", "nobody"]).status.code(), Some(4));
    }
}

#[tokio::test]
async fn a_backup_of_a_running_server_is_complete_and_restores() {
    let parent = folder();
    let data = parent.path().join("data");
    let mut server = Setup::new().in_folder(&data).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    for number in 0..20 {
        ada.send(conversation, &format!("before {number}")).await;
    }
    let copy = parent.path().join("copy.db");
    let copy_name = copy.to_str().expect("text");
    let writer = tokio::spawn({
        let ada = ada.clone();
        async move {
            for number in 0..200 {
                ada.send(conversation, &format!("meanwhile {number}")).await;
            }
        }
    });
    let (data_, name) = (data.clone(), copy_name.to_owned());
    let made = tokio::task::spawn_blocking(move || parlor(&data_, &["backup", &name], "")).await.expect("it ran");
    assert!(made.status.success(), "{}", output_text(&made));
    writer.await.expect("writing went on");
    assert_eq!(fs::metadata(&copy).expect("a file").permissions().mode() & 0o077, 0, "for its owner only");
    assert_eq!(parlor(&data, &["backup", copy_name], "").status.code(), Some(5), "nothing is written over");
    ada.send(conversation, "after").await;
    let refused = parlor(&data, &["restore", copy_name, "--force"], "");
    assert!(output_text(&refused).contains("in use by process "), "{}", output_text(&refused));
    server.stop().await;
    assert!(parlor(&data, &["verify"], "").status.success());
    let refused = parlor(&data, &["restore", copy_name], "");
    assert!(output_text(&refused).contains("--force"), "{}", output_text(&refused));
    let restored = parlor(&data, &["restore", copy_name, "--force"], "");
    assert!(restored.status.success(), "{}", output_text(&restored));
    let verified = parlor(&data, &["verify"], "");
    assert!(
        verified.status.success() && output_text(&verified).contains("The store is intact."),
        "{}",
        output_text(&verified)
    );
    let kept = fs::read_dir(&data).expect("a folder").filter_map(Result::ok);
    assert!(kept.into_iter().any(|file| file.file_name().to_string_lossy().contains(".before-restore-")));
    server.restart().await;
    let page = ada.api.messages(conversation, "limit=200").await.expect("the conversation is back");
    assert!(page.messages.len() >= 20 && page.messages.iter().all(|message| message.text != "after"));
}

#[tokio::test]
async fn verify_names_what_is_damaged() {
    let parent = folder();
    let data = parent.path().join("data");
    let mut server = Setup::new().in_folder(&data).start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    ada.send(conversation, "one").await;
    ada.send(conversation, "two").await;
    server.stop().await;
    let copy = parent.path().join("nonsense.db");
    fs::write(&copy, "nonsense").expect("written");
    let refused = parlor(&data, &["restore", copy.to_str().expect("text"), "--force"], "");
    assert!(output_text(&refused).contains("is not a complete Parlor database"), "{}", output_text(&refused));
    assert_eq!(parlor(&parent.path().join("empty"), &["verify"], "").status.code(), Some(4));
    let store = rusqlite::Connection::open(data.join("parlor.db")).expect("the store");
    for sql in ["DELETE FROM messages WHERE seq = 1", "UPDATE members SET read_seq = 99, delivered_seq = 99"] {
        store.execute_batch(sql).expect("done");
    }
    drop(store);
    let verified = parlor(&data, &["verify"], "");
    assert_eq!(verified.status.code(), Some(7));
    for fault in ["1 conversations whose messages have gaps", "2 members whose markers are beyond"] {
        assert!(output_text(&verified).contains(fault), "{fault} is not in {}", output_text(&verified));
    }
}

#[tokio::test]
async fn a_stopping_server_tells_clients_to_reconnect_and_exits_cleanly() {
    let mut server =
        Setup::new().with("stop.retry_after_min_ms", 100).with("stop.retry_after_max_ms", 900).start().await;
    let ada = server.user("ada").await;
    let mut socket = Handshake::new(server.address(), ada.api.headers()).open().await.expect("a socket");
    let _: Heads = socket.call(Asked::Resume { user: ada.id, cursor: None }).await.expect("resumed");
    let cursor = ada.api.events(None, 0).await.expect("a cursor").cursor;
    let poll = tokio::spawn({
        let api = ada.api.clone();
        async move { api.events(Some(cursor), 25).await }
    });
    let deadline = tokio::time::Instant::now() + SOON;
    let closed = async move {
        loop {
            match socket.next_before(deadline).await {
                Some(Incoming::Closed(code, reason)) => return (code, reason),
                Some(Incoming::Event(_) | Incoming::Heartbeat) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let ((code, reason), ()) = tokio::join!(closed, server.stop());
    assert_eq!(code, 4000);
    let reason: serde_json::Value = serde_json::from_str(&reason).expect("JSON");
    let wait_ms = reason["retry_after_ms"].as_u64().expect("a number of milliseconds");
    assert!((100..=900).contains(&wait_ms), "{reason}");
    // Answered or refused, but not left hanging.
    tokio::time::timeout(SOON, poll).await.expect("the poll ended").expect("no panic").ok();
}

/// Creates users, each with a name of a thousand letters.
fn create_users(data: &Path, count: usize) {
    let store = rusqlite::Connection::open(data.join("parlor.db")).expect("the store");
    store.busy_timeout(SOON).expect("set");
    let made = store.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
         INSERT INTO users (id, login, name, name_words, profile_version, version, created_at) \
         SELECT 1000000 + i, 'login' || i, replace(hex(zeroblob(500)), '0', 'x'), '', 1, 1, 0 FROM n",
        [i64::try_from(count).expect("small")],
    );
    assert_eq!(made.expect("done"), count);
}

#[tokio::test]
async fn all_users_are_listed_however_many_there_are() {
    let parent = folder();
    let data = parent.path().join("data");
    let mut server = Setup::new().in_folder(&data).start().await;
    create_users(&data, 20_000);
    for is_running in [true, false] {
        if !is_running {
            server.stop().await;
        }
        let listed = parlor(&data, &["user", "list"], "");
        let count = String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.starts_with("login")).count();
        let complaint = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert_eq!(count, 20_001, "with the headline; beside a server: {is_running}: {complaint}");
    }
}

#[tokio::test]
async fn a_stopping_server_finishes_a_running_operator_command() {
    for is_read in [true, false] {
        let mut server = Setup::new().with("stop.grace_ms", if is_read { 10_000 } else { 1000 }).start().await;
        create_users(server.data(), 1000);
        let commanding = server.data().join("parlor.sock");
        let mut stream = tokio::net::UnixStream::connect(commanding).await.expect("it listens");
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"{\"command\":\"list_users\"}\n").await.expect("sent");
        // The answer has begun, and the rest does not fit into the buffers.
        let first = tokio::io::AsyncReadExt::read_u8(&mut stream).await.expect("the first of the answer");
        assert_eq!(first, b'{');
        let rest = async {
            let mut rest = String::new();
            if is_read {
                tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut rest).await.expect("the rest");
            }
            rest
        };
        let (rest, ()) = tokio::join!(rest, server.stop());
        let is_broken_off = server.log().contains("A part of the server did not end within the grace");
        assert_eq!((rest.ends_with("}\n"), is_broken_off), (is_read, !is_read), "{}", server.log());
    }
}

#[tokio::test]
async fn an_operator_command_waits_for_a_file_descriptor_and_the_log_says_why() {
    let server = Server::start().await;
    let limit =
        |descriptors: &str| tool("prlimit", &["--pid", &server.pid().to_string(), &format!("--nofile={descriptors}:")]);
    if let Err(why) = limit("1") {
        return println!("skipped: util-linux can set limits of a process ({why})");
    }
    let commanding = server.data().join("parlor.sock");
    let mut stream = tokio::net::UnixStream::connect(commanding).await.expect("it listens");
    let deadline = tokio::time::Instant::now() + SOON;
    while !server.log().contains("no connection can be accepted") {
        assert!(tokio::time::Instant::now() < deadline, "the log reports missing descriptors");
        // waits for: a line in the log
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    limit("1000").expect("it could be set before");
    let requested = async {
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"{\"command\":\"list_users\"}\n").await.expect("sent");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.expect("an answer");
        answer
    };
    let answer = tokio::time::timeout(SOON, requested).await.expect("in time");
    assert!(answer.starts_with("{\"users\":"), "{answer}");
    let lines = server.log().matches("no connection can be accepted").count();
    assert!(lines < 1000, "{lines} lines: it tries again and again without a pause");
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_an_invalid_configuration_prevents_the_start() {
    let parent = folder();
    let file = parent.path().join("parlor.toml");
    fs::write(&file, "name = \"x\"\n[limits]\ntext_max = 5\n").expect("written");
    let data = parent.path().join("data");
    let refused = parlor(&data, &["serve", "--config", file.to_str().expect("text")], "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(output_text(&refused).contains("parlor.toml:3: unknown key limits.text_max"), "{}", output_text(&refused));
    assert!(!data.exists(), "nothing was made");
    let server = Setup::new().in_folder(&data).start().await;
    let second = parlor(&data, &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(output_text(&second).contains("in use by process "), "{}", output_text(&second));
    let taken = parlor(&parent.path().join("other"), &["serve", "--listen", &server.address().to_string()], "");
    assert!(output_text(&taken).contains("cannot listen on"), "{}", output_text(&taken));
}

#[tokio::test]
async fn the_conformance_echo_exists_only_when_enabled() {
    let server = Server::start().await;
    assert_eq!(handshake_status(server.address(), "/conformance/echo", &[]).await, 404);
    let server = Setup::new().with("conformance_echo", true).start().await;
    let handshake =
        Handshake::new(server.address(), &http::HeaderMap::new()).without(&http::header::SEC_WEBSOCKET_PROTOCOL);
    let mut socket = handshake.at_path("/conformance/echo").open().await.expect("a socket");
    socket.send_text("hello").await.expect("sent");
    assert!(matches!(socket.next(SOON).await, Some(Incoming::Other(text)) if text.contains("hello")));
    socket.send_binary(&[1, 2, 3]).await.expect("sent");
    assert!(matches!(socket.next(SOON).await, Some(Incoming::Other(text)) if text.contains("3 binary bytes")));
}

#[tokio::test]
async fn an_echo_socket_closes_when_silent_and_when_the_server_stops() {
    let setup = || Setup::new().with("conformance_echo", true);
    let open = async |server: &Server| {
        let handshake =
            Handshake::new(server.address(), &http::HeaderMap::new()).without(&http::header::SEC_WEBSOCKET_PROTOCOL);
        handshake.at_path("/conformance/echo").open().await.expect("a socket")
    };
    let server = setup().with("socket.ping_interval_ms", 100).with("socket.silence_ms", 300).start().await;
    let mut silent = open(&server).await;
    assert!(matches!(silent.next(SOON).await, Some(Incoming::Closed(4002, _))));
    let mut server = setup().start().await;
    let mut stays = open(&server).await;
    let (closed, ()) = tokio::join!(stays.next(SOON), server.stop());
    assert!(matches!(closed, Some(Incoming::Closed(4000, _))), "{closed:?}");
}

#[tokio::test]
async fn the_server_serves_its_machine_readable_descriptions() {
    let server = Setup::new().with("metrics.token", "figures").with("metrics.listen", "127.0.0.1:0").start().await;
    for path in ["/openapi.json", "/schema.json", "/v1/limits", "/v1/site"] {
        let answer = ask(server.address(), "GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}");
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let ready = ask(server.address(), "GET", "/readyz", &[], "").await;
    assert_eq!((ready.status, ready.body.as_slice()), (200, b"{\"status\":\"ok\"}".as_slice()));
    assert_eq!(ask(server.address(), "GET", "/metrics", &[], "").await.outcome(), (401, "not_signed_in"));
    let wrong = [("Authorization", "Bearer figure")];
    assert_eq!(ask(server.address(), "GET", "/metrics", &wrong, "").await.status, 401);
    let log = server.log();
    let own =
        log.lines().find_map(|line| line.strip_prefix("Its metrics are at http://")).expect("it reports the address");
    let own = own.trim_end_matches("/metrics").parse().expect("an address");
    let answer = ask(own, "GET", "/metrics", &[], "").await;
    let text = String::from_utf8(answer.body).expect("text");
    assert!(answer.status == 200 && text.lines().any(|line| line == "parlor_events_dropped_total 0"), "{text}");
    // `/openapi.json` does not describe the metrics listener.
    let nothing = send(own, request("GET", "/v1/site", &[], "")).await;
    assert_eq!(nothing.status, 404, "there is nothing else");
}

/// The numeric keys that may be 1.
/// Keys whose range begins later: the least memory of Argon2, and an expiry that is longer than the time to renew.
const FROM_MORE_THAN_ONE: [&str; 2] = ["password_memory_kib", "group_expiry_s"];

fn numbers() -> Vec<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../parlor.default.toml"));
    let reference: toml::Table = text.expect("the reference").parse().expect("TOML");
    let sections = reference.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
    let keys = sections.flat_map(|(section, keys)| keys.iter().map(move |(name, value)| (section, name, value)));
    keys.filter(|(_, name, value)| value.is_integer() && !FROM_MORE_THAN_ONE.contains(&name.as_str()))
        .map(|(section, name, _)| format!("PARLOR_{section}_{name}").to_uppercase())
        .collect()
}

/// Keys whose value 1 contradicts another key's default.
const ALONE_AT_ONE: [&str; 4] = [
    "PARLOR_SOCKET_SILENCE_MS",
    "PARLOR_STOP_RETRY_AFTER_MAX_MS",
    "PARLOR_SYNC_COMMITS_KEPT_MS",
    "PARLOR_LIMITS_PASSWORD_CHARS_MAX",
];

#[tokio::test]
async fn the_server_starts_serves_and_stops_with_any_limit_or_timeout_at_one() {
    let parent = folder();
    let keys = numbers();
    assert!(keys.len() > 55, "{keys:?}");
    for key in keys {
        // One millisecond is too short for any statement: the server either starts or reports that the store is
        // unavailable.
        let may_fail = key == "PARLOR_STORE_TIMEOUT_MS";
        let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(parent.path().join(&key))
            .env(&key, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the built binary starts");
        let mut line = String::new();
        let mut said_first = std::io::BufReader::new(child.stdout.take().expect("piped"));
        std::io::BufRead::read_line(&mut said_first, &mut line).expect("a line");
        if ALONE_AT_ONE.contains(&key.as_str()) {
            let output = child.wait_with_output().expect("it ends");
            assert_eq!((output.status.code(), line.as_str()), (Some(2), ""), "{key}");
            assert!(output_text(&output).contains("contradict each other"), "{key}: {}", output_text(&output));
            continue;
        }
        if line.is_empty() && may_fail {
            assert_eq!(child.wait().expect("it ended").code(), Some(1));
            continue;
        }
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).expect(&key);
        for path in ["/livez", "/v1/site", "/v1/me"] {
            // Any answer is fine, and so is a close: the limit may concern exactly this.
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
            let request = request("GET", path, &[], "");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await;
            let mut answer = Vec::new();
            let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
            let _ = tokio::time::timeout(SOON, read).await.expect("an answer or a closing");
        }
        assert!(child.try_wait().expect("a child").is_none(), "{key}: it ended");
        crate::harness::signal(child.id(), "TERM");
        let output = child.wait_with_output().expect("it ends");
        assert!(
            output.status.success() && !output_text(&output).contains("panicked"),
            "{key}: {}",
            output_text(&output)
        );
    }
}
