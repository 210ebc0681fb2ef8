//! What the collector keeps: files of another database, active uploads, and files in use.

use super::path_of;
use crate::harness::{Server, Setup};
use http::Method;
use parlor_protocol::model::Upload;
use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// Waits until the server has refused to sweep twice more, because the storage also belongs to another database: the
/// second sweep started after the test's changes.
pub(super) async fn more_sweeps_are_refused(server: &Server) {
    let refused = || server.log().matches("Another database uses the same file storage").count();
    let before = refused();
    until(async || refused() >= before + 2).await;
}

/// Waits for the collector, or until the server has read what was sent.
async fn until(is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not happen");
        // waits for: the condition
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nothing_unknown_is_removed_beside_another_marker() {
    let server = Setup::new().with("files.collect_ms", 20).with("files.unsent_ms", 100).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let sent = ada.send_file(conversation, "plan.txt", b"the plan").await;
    let marks = server.data().join("files/parlor");
    let (own, other) = (marks.join(own_mark(&marks)), marks.join("f".repeat(32)));
    fs::write(&other, b"").expect("written");
    let folder = server.data().join("files/ab");
    fs::create_dir_all(&folder).expect("a folder");
    let stray = folder.join("0123456789abcdef0123456789abcd");
    fs::write(&stray, b"somebody else's").expect("written");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().append(true).open(&stray).expect("it exists").set_modified(old).expect("it is old");
    more_sweeps_are_refused(&server).await;
    assert!(stray.exists(), "two databases keep files here");
    fs::remove_file(&own).expect("removed");
    more_sweeps_are_refused(&server).await;
    assert!(stray.exists(), "only another one keeps files here");
    fs::rename(&other, &own).expect("renamed");
    server.has_files(1).await;
    assert!(!stray.exists(), "now it belongs to this one alone");
    assert_eq!(tomas.fetch(&sent.attachments[0].url).await, (200, b"the plan".to_vec()));
}

fn own_mark(marks: &std::path::Path) -> std::ffi::OsString {
    let mut there = fs::read_dir(marks).expect("the marks").map(|mark| mark.expect("a mark").file_name());
    let (mark, None) = (there.next().expect("the first file created it"), there.next()) else { panic!("one mark") };
    mark
}

#[tokio::test]
async fn an_active_upload_is_not_collected_however_long_it_takes() {
    let server = Setup::new().with("files.collect_ms", 20).with("files.unsent_ms", 100).start().await;
    let ada = server.user("ada").await;
    let token = ada.api.headers()["authorization"].to_str().expect("a token").to_owned();
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: parlor.test\r\nConnection: close\r\nAuthorization: {token}\r\nContent-Length: 10\r\n\r\n",
        path_of("slow", "slow.txt", 10)
    );
    stream.write_all(&[head.as_bytes(), b"12345"].concat()).await.expect("sent");
    let received = async || ada.api.get::<Upload>("/v1/uploads/slow").await.map_or(0, |upload| upload.received);
    until(async || received().await == 5).await;
    // Begun later, so it expires later.
    let path = path_of("left", "left.txt", 10);
    ada.api.request(Method::POST, &path, "12345").await.expect("sent").parse::<Upload>().expect("taken");
    until(async || ada.fetch("/v1/uploads/left").await.0 == 404).await;
    stream.write_all(b"67890").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""received":10"#), "{answer}");
}

#[tokio::test]
async fn an_unused_profile_picture_is_removed_after_an_hour() {
    let mut server = Server::start().await;
    let (ada, ben) = (server.user("ada").await, server.user("ben").await);
    let mut paths = Vec::new();
    for (user, shade) in [(&ada, 10), (&ada, 200), (&ben, 100)] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_pixel(300, 300, image::Rgb([shade; 3]));
        picture.write_to(&mut bytes, image::ImageFormat::Png).expect("written");
        let put = user.api.request(Method::PUT, "/v1/me/picture", bytes.into_inner()).await.expect("an answer");
        assert!(put.status.is_success());
        paths.push(user.api.me().await.expect("signed in").me.user.picture.expect("a picture"));
    }
    assert!(ben.api.request(Method::DELETE, "/v1/me/picture", "").await.expect("an answer").status.is_success());
    server.stop().await;
    // Of the two unused pictures, the first is made an hour older.
    let database = rusqlite::Connection::open(server.data().join("parlor.db")).expect("the database exists");
    let first = paths[0].rsplit('/').next().expect("an id");
    let older = "UPDATE pictures SET created_at = created_at - 3600000 WHERE id = ?";
    assert_eq!(database.execute(older, [first]), Ok(1));
    drop(database);
    server.restart().await;
    until(async || ada.fetch(&paths[0]).await.0 == 404).await;
    assert_eq!((ada.fetch(&paths[1]).await.0, ada.fetch(&paths[2]).await.0), (200, 200), "hers, and a new one");
}
