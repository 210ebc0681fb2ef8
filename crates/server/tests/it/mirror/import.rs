//! `parlor import django`: for sites that leave their own message table behind.

use super::{
    Host, HostServer,
    commands::text,
    kills::{HASH, PASSWORD},
    on_all_hosts,
};
use crate::harness::{Server, Setup};
use parlor::{environment::Environment, host::HostValue};
use parlor_client::http::Api;
use parlor_protocol::model::Message;
use std::{fs, path::Path};

on_all_hosts! {
    people_messages_and_files_are_imported_and_a_repeat_adds_only_what_is_new,
    an_import_that_was_killed_continues,
}

/// A server whose mirror never runs.
async fn stopped_server(host: &Host) -> Server {
    let mut server = Setup::new()
        .with("host.database", &host.url)
        .with("host.timeout_ms", 10_000)
        .with("compat.profile", host.profile)
        .with("identity.providers", "accounts")
        .with("mirror.enabled", false)
        .start()
        .await;
    server.stop().await;
    server
}

fn import(server: &Server, arguments: &[&str]) -> String {
    let output = server.run(&[&["import", "django"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

async fn sign_in(server: &Server, login: &str) -> Api {
    server.api().sign_in(login, PASSWORD).await.expect("the host's password is right").0
}

/// Returns the messages of somebody's only conversation.
async fn messages(api: &Api) -> Vec<Message> {
    let conversations = api.conversations(None, None).await.expect("a list").conversations;
    assert_eq!(conversations.len(), 1);
    let mut messages = api.messages(conversations[0].id, "").await.expect("a page").messages;
    messages.sort_by_key(|message| message.seq);
    messages
}

async fn add_file(host: &Host, message: i64, file: &str) {
    let sql = "INSERT INTO message_attachments_table (file, filename, file_size, uploaded_at, message_id) \
               VALUES ($1, 'notes.txt', 5, $2, $3)";
    let now = HostValue::Time(Environment::real().now_ms());
    host.execute(sql, vec![file.into(), now, message.into()]).await;
}

fn media(folder: &Path) -> String {
    let media = folder.join("media");
    fs::create_dir_all(media.join("message_attachments")).expect("created");
    fs::write(media.join("message_attachments/notes.txt"), "hello").expect("written");
    fs::write(folder.join("secret.txt"), "a secret").expect("written");
    media.display().to_string()
}

async fn people_messages_and_files_are_imported_and_a_repeat_adds_only_what_is_new(server: HostServer) {
    let host = Host::new(&server, "accounting").await;
    host.execute("UPDATE auth_user SET password = $1", vec![HASH.into()]).await;
    let first = host.insert(1, 2, "one").await;
    host.set(first, "is_read", true).await;
    host.insert(2, 1, "two").await;
    let third = host.insert(1, 2, "with a file").await;
    for file in ["message_attachments/notes.txt", "../secret.txt", "message_attachments/absent.txt"] {
        add_file(&host, third, file).await;
    }
    let folder = crate::harness::folder();
    let root = media(folder.path());
    let mut server = stopped_server(&host).await;
    assert!(import(&server, &["--dry-run"]).contains("The host has 3 messages, of which 0 are here."));
    let copied = import(&server, &["--media-root", &root]);
    assert!(copied.contains("3 were new, 0 cannot be copied. 1 files were copied, 2 cannot be."), "{copied}");
    assert!(copied.contains("../secret.txt: it is not in the media folder"), "{copied}");
    server.restart().await;
    let ada = sign_in(&server, "ada").await;
    let shown = messages(&ada).await;
    let texts: Vec<&str> = shown.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "with a file"]);
    let [file] = &shown[2].attachments[..] else { panic!("{:?}", shown[2].attachments) };
    assert_eq!((file.name.as_str(), file.bytes), ("notes.txt", 5));
    let answer = sign_in(&server, "ben").await.request(http::Method::GET, &file.url, "").await.expect("an answer");
    assert_eq!(&answer.body[..], b"hello", "who may read the message may read its file");
    sign_in(&server, "dan").await;
    server.stop().await;
    host.insert(2, 1, "later").await;
    host.set(first, "content", "ONE").await;
    let again = import(&server, &["--media-root", &root]);
    assert!(again.contains("4 messages were copied") && again.contains("1 were new"), "{again}");
    server.restart().await;
    let shown = messages(&sign_in(&server, "ada").await).await;
    let texts: Vec<&str> = shown.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["ONE", "two", "with a file", "later"]);
    assert_eq!(shown[2].attachments.len(), 1);
    let outbox = "SELECT COUNT(*) FROM parlor_outbox".to_owned();
    assert!(host.database.query(outbox, Vec::new()).await.is_err(), "nothing was added to the host's database");
}

async fn an_import_that_was_killed_continues(server: HostServer) {
    let host = Host::new(&server, "findit").await;
    for number in 0..300 {
        host.insert(1 + number % 2, 3, &format!("message {number}")).await;
    }
    let server = stopped_server(&host).await;
    let mut child = server.spawn_command(&["import", "django"]);
    // waits for: nothing; the moment of the kill does not matter
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    // It may have ended already.
    _ = child.kill();
    child.wait().expect("it has ended");
    import(&server, &[]);
    let checked = server.run(&["mirror", "check"]);
    assert!(checked.status.success() && text(&checked).contains("The host has 300 messages"), "{}", text(&checked));
}
