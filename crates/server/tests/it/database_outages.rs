//! A real server whose store cannot write, or hangs: reads work while the database can be read, writes fail with
//! `unavailable` soon, and everything works again once the database does.

use crate::{
    harness::{Server, Setup, TestUser, folder, tool},
    postgres::Postgres,
    store::SqlConnection,
};
use http::Method;
use parlor_client::http::Response;
use parlor_protocol::ids::ConversationId;
use std::{fs, io::Write as _, path::PathBuf, time::Duration};
use tempfile::TempDir;

/// A small tmpfs.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = folder();
        let path = folder.path().display().to_string();
        match tool("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs", &path]) {
            Ok(()) => Some(Self { folder }),
            Err(why) => {
                println!("skipped: only root can mount a small disk ({why})");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.filler()).expect("a file");
        for bytes in [65_536, 4096, 1] {
            while file.write(&vec![1; bytes]).is_ok_and(|written| written > 0) {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.folder.path().display().to_string();
        if let Err(why) = tool("umount", &["-l", &path]) {
            println!("a small disk stays: {why}");
        }
    }
}

async fn user_with_conversation(server: &Server) -> (TestUser, ConversationId) {
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    ada.send(conversation, "before").await;
    (ada, conversation)
}

async fn sends(user: &TestUser, conversation: ConversationId, key: &str) -> u16 {
    let path = format!("/v1/conversations/{conversation}/messages");
    let body = format!(r#"{{"client_id":"{key}","text":"hello"}}"#);
    send_request(user, Method::POST, &path, &body).await.status.as_u16()
}

async fn send_request(user: &TestUser, method: Method, path: &str, body: &str) -> Response {
    let api = user.api.clone().with_header(http::header::CONTENT_TYPE, "application/json");
    api.request(method, path, body.to_owned()).await.expect("an answer")
}

async fn reads(user: &TestUser, conversation: ConversationId) -> u16 {
    let path = format!("/v1/conversations/{conversation}/messages");
    send_request(user, Method::GET, &path, "").await.status.as_u16()
}

/// Sends until a message is accepted.
async fn until_sent(user: &TestUser, conversation: ConversationId, key: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let status = sends(user, conversation, key).await;
        if status == 200 {
            return;
        }
        assert_eq!(status, 503, "refused, and for no other reason");
        assert!(tokio::time::Instant::now() < deadline, "it does not heal");
        // waits for: a store that can be written
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends until a message is refused: the start may have freed space, and the log reuses its blocks.
async fn until_refused(user: &TestUser, conversation: ConversationId, disk: &SmallDisk) {
    for number in 0..1000 {
        disk.fill();
        match sends(user, conversation, &format!("while-full-{number}")).await {
            200 => {}
            503 => return,
            other => panic!("refused with {other}"),
        }
    }
    panic!("a full disk takes whatever is sent");
}

#[tokio::test]
async fn a_server_that_starts_on_a_full_disk_serves_reads_and_writes_once_there_is_room() {
    for is_killed in [false, true] {
        let Some(disk) = SmallDisk::mount() else { return };
        let mut server = Setup::new().in_folder(&disk.folder.path().join("data")).start().await;
        let (ada, conversation) = user_with_conversation(&server).await;
        if is_killed {
            server.kill();
        } else {
            server.stop().await;
        }
        disk.fill();
        server.restart().await;
        assert_eq!(reads(&ada, conversation).await, 200, "reads are served; killed: {is_killed}");
        until_refused(&ada, conversation, &disk).await;
        let mut client = ada.connect().await;
        disk.empty();
        until_sent(&ada, conversation, "after").await;
        client.settle(Duration::from_secs(10)).await.expect("a user added meanwhile stays");
        server.stop().await;
        server.restart().await;
        assert_eq!(reads(&ada, conversation).await, 200);
        until_sent(&ada, conversation, "at-the-end").await;
    }
}

#[tokio::test]
async fn a_frozen_postgres_is_unavailable_within_five_seconds_and_recovers() {
    let Some(postgres) = Postgres::alone() else { return };
    let server = Setup::new().with("store.url", postgres.database()).start().await;
    let (ada, conversation) = user_with_conversation(&server).await;
    postgres.signal("STOP");
    let list = || send_request(&ada, Method::GET, "/v1/conversations", "");
    let ready = || send_request(&ada, Method::GET, "/readyz", "");
    // Some commands at once, and again after all connections were dropped.
    for round in 0..2 {
        let keys = [format!("one-{round}"), format!("two-{round}")];
        let all = async {
            tokio::join!(
                sends(&ada, conversation, &keys[0]),
                sends(&ada, conversation, &keys[1]),
                reads(&ada, conversation),
                async { list().await.status.as_u16() },
                async { ready().await.status.as_u16() },
            )
        };
        let statuses = tokio::time::timeout(Duration::from_secs(5), all).await.expect("within five seconds");
        assert_eq!(statuses, (503, 503, 503, 503, 503));
    }
    postgres.signal("CONT");
    until_sent(&ada, conversation, "after").await;
    assert_eq!(reads(&ada, conversation).await, 200);
    assert_eq!(ready().await.status.as_u16(), 200);
}

#[tokio::test]
async fn writes_work_at_once_after_postgres_was_read_only() {
    let Some(url) = crate::postgres::database() else { return };
    let server = Setup::new().with("store.url", &url).start().await;
    let (ada, conversation) = user_with_conversation(&server).await;
    let mut operator = SqlConnection::server(&url).await;
    let name = url.rsplit('/').next().expect("a name");
    // New connections are read-only; existing ones end.
    let set = |value: &str| {
        format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {value}; SELECT pg_terminate_backend(pid) \
             FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )
    };
    operator.execute(&set("on")).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !server.log().contains("read-only transaction") {
        assert_eq!(sends(&ada, conversation, "meanwhile").await, 503);
        assert!(tokio::time::Instant::now() < deadline, "it is read only");
    }
    let signing_in = ada.api.sign_in(&ada.login, "correct horse").await;
    assert!(signing_in.is_err(), "a sign-in is written, too");
    assert_eq!(reads(&ada, conversation).await, 200, "reads work");
    // Only new connections see the change: existing ones stay read-only.
    operator.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = off")).await;
    assert_eq!(sends(&ada, conversation, "after").await, 200, "at once");
    ada.api.sign_in(&ada.login, "correct horse").await.expect("at once");
}

#[tokio::test]
async fn a_postgres_that_refuses_connections_is_unavailable_and_recovers() {
    let Some(url) = crate::postgres::database() else { return };
    let server = Setup::new().with("store.url", &url).start().await;
    let (ada, conversation) = user_with_conversation(&server).await;
    let (of_all, name) = url.rsplit_once('/').expect("a name");
    let mut operator = SqlConnection::server(&format!("{of_all}/postgres")).await;
    let set = |value: &str| {
        format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS {value}; SELECT pg_terminate_backend(pid, 10000) \
             FROM pg_stat_activity WHERE datname = '{name}'"
        )
    };
    operator.execute(&set("false")).await;
    for round in 0..3 {
        let keys = [format!("one-{round}"), format!("two-{round}"), format!("three-{round}")];
        let statuses = tokio::join!(
            sends(&ada, conversation, &keys[0]),
            sends(&ada, conversation, &keys[1]),
            sends(&ada, conversation, &keys[2]),
            reads(&ada, conversation),
        );
        assert_eq!(statuses, (503, 503, 503, 503), "round {round}");
    }
    assert!(!server.log().contains("its halves are tried"), "nothing in a commit is at fault");
    operator.execute(&set("true")).await;
    until_sent(&ada, conversation, "after").await;
    assert_eq!(reads(&ada, conversation).await, 200);
}
