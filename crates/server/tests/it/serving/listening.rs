//! Unix sockets, inherited sockets, and whose forwarding headers count.

use crate::{
    harness::{Setup, folder, signal},
    raw_http::{RawResponse, ask, request},
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

const SOON: Duration = Duration::from_secs(30);
/// Duplicates standard input to 3, says that it is passed, and becomes the program.
const PASS: &str = "import os, sys\n\
    os.dup2(0, 3)\n\
    os.environ['LISTEN_FDS'], os.environ['LISTEN_PID'] = '1', str(os.getpid())\n\
    os.execv(sys.argv[1], sys.argv[1:])";

/// Sends a request over a unix socket and reads until the server closes.
async fn ask_unix(path: &Path, text: &str) -> RawResponse {
    let mut stream = UnixStream::connect(path).await.expect("the server listens");
    stream.write_all(text.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the server closes").expect("an answer");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    RawResponse { status, head, body: answer[end + 4..].to_vec() }
}

/// Returns how many requests an address has left.
fn left(answer: &RawResponse) -> u32 {
    let limit = answer.header("ratelimit").expect("answers of the API say it");
    let left = limit.split(";r=").nth(1).and_then(|rest| rest.split(';').next());
    left.and_then(|left| left.parse().ok()).expect("a number")
}

#[tokio::test]
async fn forwarding_headers_count_over_a_unix_socket_and_not_from_a_stranger() {
    let parent = folder();
    let path = parent.path().join("parlor.sock");
    let setup = Setup::new().also_listening_on(&format!("unix:{}", path.display()));
    let mut server = setup.with("limits.requests_per_second_max", 1).start().await;
    let from = |client| [("X-Forwarded-For", client)];
    let unix = |client| request("GET", "/v1/me", &from(client), "");
    let first = left(&ask_unix(&path, &unix("192.0.2.1")).await);
    assert_eq!(left(&ask_unix(&path, &unix("192.0.2.2")).await), first, "another client");
    assert!(left(&ask_unix(&path, &unix("192.0.2.1")).await) < first, "the same client");
    let stranger = left(&ask(server.address(), "GET", "/v1/me", &from("192.0.2.3"), "").await);
    assert!(left(&ask(server.address(), "GET", "/v1/me", &from("192.0.2.4"), "").await) < stranger);
    server.stop().await;
    assert!(!path.exists(), "the file is removed");
}

#[tokio::test]
async fn a_proxy_over_a_unix_socket_says_that_clients_come_by_https() {
    let parent = folder();
    let path = parent.path().join("parlor.sock");
    let server = Setup::new().also_listening_on(&format!("unix:{}", path.display())).start().await;
    let user = server.user("ada").await;
    let body = format!(r#"{{"login": "{}", "password": "correct horse"}}"#, user.login);
    let headers = [
        ("Content-Type", "application/json"),
        ("Host", "parlor.test"),
        ("Origin", "https://parlor.test"),
        ("X-Forwarded-Proto", "https"),
    ];
    let signed_in = ask_unix(&path, &request("POST", "/v1/session", &headers, &body)).await;
    let cookie = signed_in.header("set-cookie").expect("signed in");
    assert!(cookie.starts_with("__Host-parlor_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let stranger = ask(server.address(), "POST", "/v1/session", &headers, &body).await;
    assert_eq!(stranger.outcome(), (403, "wrong_origin"), "this one is believed to come by http");
}

/// A server that was started with a listening socket, killed on drop.
struct Inheriting(Child);

impl Drop for Inheriting {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_with(listener: &TcpListener, listen: &str, data: &Path) -> Inheriting {
    let passed = OwnedFd::from(listener.try_clone().expect("a second handle"));
    let mut command = Command::new("python3");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLOR_")) {
        command.env_remove(name);
    }
    command.args(["-c", PASS, env!("CARGO_BIN_EXE_parlor"), "serve", "--listen", listen, "--data"]);
    let child = command.arg(data).stdin(Stdio::from(passed)).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    Inheriting(child.expect("python3 starts"))
}

#[tokio::test]
async fn sockets_of_a_supervisor_are_served_by_number_and_by_the_protocol_of_systemd() {
    for listen in ["fd:3", "systemd"] {
        let parent = folder();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let _server = start_with(&listener, listen, &parent.path().join("data"));
        // Nothing is refused while it starts: the connection waits in the socket.
        let answer = timeout(SOON, ask(address, "GET", "/livez", &[], "")).await.expect("it starts");
        assert_eq!(answer.status, 200, "{listen}");
    }
}

#[tokio::test]
async fn after_a_restart_in_place_every_listening_socket_is_served_again() {
    let parent = folder();
    let path = parent.path().join("parlor.sock");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    for listen in ["fd:3", "systemd"] {
        let entries = format!("{listen},unix:{}", path.display());
        let mut server = start_with(&listener, &entries, &parent.path().join("data"));
        let mut said = BufReader::new(server.0.stdout.take().expect("piped")).lines();
        let mut serves = || said.any(|line| line.expect("text").contains("Parlor serves on"));
        assert!(serves(), "{listen}");
        for _ in 0..2 {
            signal(server.0.id(), "USR2");
            assert!(serves(), "{listen}");
            assert_eq!(ask(address, "GET", "/livez", &[], "").await.status, 200, "{listen}");
            assert_eq!(ask_unix(&path, &request("GET", "/livez", &[], "")).await.status, 200, "{listen}");
        }
    }
}

#[tokio::test]
async fn without_an_inherited_socket_the_server_says_so_and_does_not_start() {
    let parent = folder();
    for (listen, expected) in [("systemd", "LISTEN_PID"), ("fd:77", "fd:77")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
        command.env_remove("LISTEN_PID").args(["serve", "--listen", listen, "--data"]).arg(parent.path().join("data"));
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert!(!child.wait().expect("it ends").success());
        assert!(said.contains("cannot listen on") && said.contains(expected), "{said}");
    }
    assert!(fs::metadata(parent.path().join("data")).is_ok(), "the folder is locked first");
}
