//! What remains on the disk: after a kill, after unsent files expire, on a full disk, after an older database was
//! restored.

use super::{path_of, random_bytes};
use crate::harness::{Rng, Server, Setup, budget, folder};
use http::Method;
use parlor_client::socket::Handshake;
use parlor_protocol::{command::Command, error::Code, model::Upload, reply::UploadBegun};
use std::{fs, path::Path, process};

#[tokio::test]
async fn unsent_files_are_collected_and_sent_ones_are_not() {
    let server = Setup::new().with("files.collect_ms", 20).with("files.unsent_ms", 700).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    let sent = ada.send_file(conversation, "sent.txt", b"sent").await;
    ada.upload("unsent.txt", b"unsent").await;
    let half = path_of("half", "half.txt", 10);
    ada.api.request(Method::POST, &half, "12345").await.expect("sent").parse::<Upload>().expect("taken");
    // Neither is known; the second has a foreign name and belongs to someone else.
    let stray = server.data().join("files/ab");
    fs::create_dir_all(&stray).expect("a folder");
    fs::write(stray.join("cdef".repeat(8).split_at(30).0), b"stray").expect("written");
    fs::write(stray.join("cdef"), b"stray").expect("written");
    server.has_files(2).await;
    assert!(stray.join("cdef").exists(), "what is not named as files are stays");
    assert_eq!(ada.fetch("/v1/uploads/half").await.0, 404);
    assert_eq!(tomas.fetch(&sent.attachments[0].url).await, (200, b"sent".to_vec()));
}

#[tokio::test]
async fn active_uploads_keep_no_others_from_being_collected() {
    let server = Setup::new()
        .with("files.collect_ms", 20)
        .with("files.unsent_ms", 700)
        .with("limits.connection_uploads_max", 100)
        .with("limits.uploads_unsent_max", 200)
        .start()
        .await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    // As many as the collector handles in one round, and they come first.
    let mut sockets = Vec::new();
    for one in ["one", "other"] {
        let mut socket = Handshake::new(ada.api.address(), ada.api.headers()).open().await.expect("a socket");
        let resume = Command::Resume { user: ada.id, cursor: None };
        socket.call::<serde_json::Value>(resume).await.expect("it resumes");
        for number in 0..100 {
            let client_id = format!("{one}-{number}");
            let begin = Command::BeginUpload { client_id, name: "a.bin".to_owned(), bytes: 10 };
            socket.call::<UploadBegun>(begin).await.expect("begun");
        }
        sockets.push(socket);
    }
    let half = path_of("half", "half.txt", 10);
    tomas.api.request(Method::POST, &half, "12345").await.expect("sent").parse::<Upload>().expect("taken");
    server.has_files(200).await;
    assert_eq!(tomas.fetch("/v1/uploads/half").await.0, 404);
    assert_eq!(ada.fetch("/v1/uploads/one-0").await.0, 200, "what is fed is not forgotten");
}

#[tokio::test]
async fn a_killed_server_serves_no_partial_file_and_uploads_resume() {
    let folder = folder();
    let setup = || Setup::new().with("files.collect_ms", 20).in_folder(&folder.path().join("data"));
    let mut server = setup().start().await;
    let ada = server.user("ada").await;
    let mut rng = Rng::new(7);
    let bytes = random_bytes(6_000_000);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of rounds")]
    let rounds = (4.0 * budget()) as usize;
    for round in 0..rounds {
        let path = path_of(&format!("round-{round}"), "a.bin", bytes.len());
        let (api, body) = (ada.api.clone(), bytes.clone());
        let uploading = tokio::spawn(async move { api.request(Method::POST, &path, body).await });
        // waits for: a moment somewhere in the upload, before it, or after it
        tokio::time::sleep(rng.millis(1, 60)).await;
        server.kill();
        drop(uploading.await.expect("it ended"));
        server.restart().await;
        let found = ada.api.get::<Upload>(&format!("/v1/uploads/round-{round}")).await;
        let Ok(upload) = found else { continue };
        let received = usize::try_from(upload.received).expect("small");
        let upload = if upload.attachment.is_some() {
            upload
        } else {
            let path = format!("/v1/uploads/round-{round}?offset={received}");
            let rest = ada.api.request(Method::PATCH, &path, bytes[received..].to_vec()).await;
            rest.expect("an answer").parse().expect("it resumes")
        };
        let url = upload.attachment.expect("finished").url;
        assert!(ada.fetch(&url).await == (200, bytes.clone()), "round {round}: not the bytes that were sent");
        let given_up = ada.api.request(Method::DELETE, &format!("/v1/uploads/round-{round}"), "").await;
        assert_eq!(given_up.expect("an answer").status, 204);
    }
    server.has_files(0).await;
    server.stop().await;
    server.must_run(&["verify"]);
}

#[tokio::test]
async fn uploads_to_a_full_disk_fail_leave_nothing_and_recover() {
    let folder = folder();
    let disk = folder.path().display().to_string();
    let mount = |arguments: &[&str]| process::Command::new("mount").args(arguments).arg(&disk).status();
    if !mount(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).is_ok_and(|status| status.success()) {
        return println!("skipped: only root can mount a small disk");
    }
    {
        let server = Setup::new().in_folder(&Path::new(&disk).join("data")).start().await;
        let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
        let bytes = random_bytes(4_000_000);
        for _ in 0..2 {
            let refused = ada.api.request(Method::POST, &path_of("full", "a.bin", bytes.len()), bytes.clone()).await;
            let problem = super::problem(refused.expect("an answer").parse::<Upload>());
            assert_eq!((problem.code, problem.retryable), (Code::Unavailable, true));
            assert!(problem.detail.expect("a detail").contains("full"));
            let left: u64 =
                server.files_on_disk().iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum();
            assert_eq!(left, 0, "its bytes make room for others");
        }
        tomas.upload("small.txt", b"there is room for this").await;
        assert!(mount(&["-o", "remount,size=64m"]).is_ok_and(|status| status.success()), "more room");
        // On a new connection: that of a refused body is closed.
        let token = ada.api.headers()["authorization"].to_str().expect("a token").trim_start_matches("Bearer ");
        let healed = server
            .api()
            .with_token(token)
            .request(Method::POST, &path_of("full", "a.bin", bytes.len()), bytes.clone())
            .await;
        let upload: Upload = healed.expect("an answer").parse().expect("healed");
        assert_eq!(ada.fetch(&upload.attachment.expect("finished").url).await, (200, bytes));
    }
    let unmounted = process::Command::new("umount").args(["-l", &disk]).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_nearly_full_disk_accepts_no_uploads() {
    let server = Setup::new().with("files.free_bytes_min", 9_007_199_254_740_991_u64).start().await;
    let ada = server.user("ada").await;
    let refused = super::problem(ada.try_upload("a.bin", b"x").await);
    assert_eq!((refused.code, refused.retryable), (Code::Unavailable, true));
    assert!(refused.detail.expect("a detail").contains("disk"));
    assert!(server.files_on_disk().is_empty());
}

#[tokio::test]
async fn verify_lists_missing_files() {
    let mut server = Server::start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let conversation = ada.open_direct(&tomas).await.id;
    ada.send_file(conversation, "a.txt", b"one").await;
    ada.send_file(conversation, "b.txt", b"two").await;
    server.stop().await;
    server.must_run(&["verify"]);
    let files = server.files_on_disk();
    fs::write(&files[0], b"longer than it was").expect("written");
    fs::remove_file(&files[1]).expect("removed");
    let output = server.run(&["verify"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for fault in [
        "1 files that messages carry are missing from the storage",
        "1 files that messages carry have a different size",
    ] {
        assert!(text.contains(fault), "{text}");
    }
    let copy = server.data().with_file_name("copy.db");
    let text = server.run(&["backup", copy.to_str().expect("plain")]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("does not contain the files that users sent") && text.contains("files"), "{text}");
}
