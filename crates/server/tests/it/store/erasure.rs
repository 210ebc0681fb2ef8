//! Deleted and replaced text is in no file of the data folder.

use super::TestCluster;
use parlor::{
    domain::{Change, Content},
    store::files::NewUploadRow,
};
use parlor_protocol::{
    ids::{FileId, Version},
    params::DraftUpdate,
};
use std::{fs, path::Path, time::Duration};

const CANARY: &str = "quiet-canary-in-the-coal-mine";

/// Files of the folder that contain the canary.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the data folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path));
        } else if fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

async fn until_gone(folder: &Path) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let found = holding(folder);
        if found.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "still there: {found:?}");
        // waits for: the log that is cleared
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn cluster() -> TestCluster {
    TestCluster::sqlite_with(&[("store.erase_after_ms", "1")]).await
}

/// Texts of all lengths, stored in rows, in overflow pages and in chains of pages.
fn texts() -> impl Iterator<Item = String> {
    [1, 3, 40, 200, 330].into_iter().map(|times| format!("{CANARY} ").repeat(times))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_text_is_in_no_file_of_the_data_folder() {
    let cluster = cluster().await;
    let folder = cluster.folder().expect("SQLite has a folder");
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, "what stays").await;
    let mut seqs = Vec::new();
    for (number, text) in texts().chain(texts()).enumerate() {
        let subject = Some(format!("{CANARY} {number}"));
        let content = Content { subject, ..Content::text(text) };
        seqs.push(cluster.send_content("Ada", conversation, content).await.expect("sent").message.seq.0);
        cluster.send("Ben", conversation, "something in between").await;
    }
    assert!(!holding(folder).is_empty(), "it existed");
    for seq in seqs {
        cluster.delete("Ada", conversation, seq).await.expect("own message");
    }
    until_gone(folder).await;
    assert_eq!(cluster.message("Ben", conversation, 1).await.text, "what stays");
    assert!(cluster.app.metrics.erasures.get() > 0);
    cluster.app.stop().await;
    assert!(holding(folder).is_empty(), "nor does it come back at the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaced_text_is_in_no_file_of_the_data_folder() {
    let cluster = cluster().await;
    let folder = cluster.folder().expect("SQLite has a folder");
    let conversation = cluster.direct("Ada", "Ben").await;
    let mut seqs = Vec::new();
    for text in texts() {
        seqs.push(cluster.send("Ada", conversation, &text).await.message.seq.0);
    }
    assert!(!holding(folder).is_empty(), "it existed");
    for seq in seqs {
        cluster.edit("Ada", conversation, seq, "my number is private").await.expect("own message");
    }
    until_gone(folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_drafts_and_those_of_deleted_users_are_in_no_file_of_the_data_folder() {
    let cluster = cluster().await;
    let folder = cluster.folder().expect("SQLite has a folder");
    let conversation = cluster.direct("Ada", "Ben").await;
    let actor = cluster.user("Ada").await;
    let save = async |text: String, since| {
        let draft = DraftUpdate { text, since, ..DraftUpdate::default() };
        cluster.app.commit.submit(Change::SaveDraft { actor, conversation, draft }).await.expect("a member");
        let drafts = cluster.app.store.read(move |snapshot| snapshot.drafts(actor, None)).await.expect("readable");
        drafts.expect("not too many").first().map(|one| one.draft.version)
    };
    for text in texts() {
        let version = save(text, Version(0)).await.expect("saved");
        assert!(!holding(folder).is_empty(), "it existed");
        assert_eq!(save(String::new(), version).await, None);
    }
    until_gone(folder).await;
    // Replaced, and left out of the message that was sent.
    let version = save(CANARY.to_owned(), Version(0)).await.expect("saved");
    let version = save("something else".to_owned(), version).await.expect("saved");
    until_gone(folder).await;
    let version = save(format!("something else {CANARY}"), version).await.expect("saved");
    let content = Content { draft: Some(version), ..Content::text("something else") };
    let send = Change::Send { actor, conversation, client_id: "of-a-draft".to_owned(), content };
    cluster.app.commit.submit(send).await.expect("a member");
    until_gone(folder).await;
    save(CANARY.to_owned(), Version(0)).await.expect("saved");
    cluster.app.commit.submit(Change::DeleteUser { user: actor }).await.expect("by the operator");
    until_gone(folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_read_delays_the_erasure_only_while_it_lasts() {
    let cluster = cluster().await;
    let folder = cluster.folder().expect("SQLite has a folder");
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, CANARY).await;
    let (stays, may_go) = std::sync::mpsc::channel::<()>();
    let (reads, reading) = tokio::sync::oneshot::channel();
    let store = cluster.app.store.clone();
    let staying = tokio::spawn(async move {
        let staying = store.read(move |snapshot| {
            reads.send(snapshot.cursor).expect("a writer waits");
            may_go.recv().expect_err("nothing is sent");
            Ok(())
        });
        staying.await
    });
    reading.await.expect("it reads");
    cluster.delete("Ada", conversation, 1).await.expect("own message");
    for number in 0..20 {
        cluster.send("Ben", conversation, &format!("no writer waits {number}")).await;
    }
    assert!(!holding(folder).is_empty(), "the reader's snapshot is kept");
    drop(stays);
    // Whether it happens in time does not matter here.
    let _ = staying.await.expect("it ended");
    until_gone(folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_erases_what_a_killed_server_left() {
    let cluster = TestCluster::sqlite_with(&[("store.erase_after_ms", "60000")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    cluster.send("Ada", conversation, CANARY).await;
    cluster.delete("Ada", conversation, 1).await.expect("own message");
    // The bytes on the disk at the moment of the kill.
    let folder = tempfile::tempdir_in(crate::postgres::fast_folder()).expect("a folder");
    for entry in fs::read_dir(cluster.folder().expect("SQLite has a folder")).expect("the data folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
    }
    assert!(!holding(folder.path()).is_empty(), "it lies in the log");
    let again = TestCluster::in_folder_with(folder, &[("store.erase_after_ms", "1")]).await;
    until_gone(again.folder().expect("SQLite has a folder")).await;
}

/// Clearing the log blocks other writers for a moment. They wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearing_the_log_refuses_no_uploads_pictures_or_messages() {
    let cluster = TestCluster::sqlite_with(&[("store.erase_after_ms", "1")]).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let app = cluster.app.clone();
    let (done, mut is_done) = tokio::sync::oneshot::channel::<()>();
    let uploading = tokio::spawn(async move {
        let mut written = 0;
        while is_done.try_recv().is_err() {
            let id = FileId(1 + written % 40);
            let new = NewUploadRow {
                id,
                owner: ada,
                client_id: format!("file-{id}"),
                name: "plan.txt".to_owned(),
                bytes: 10,
                blob: format!("{id}"),
                now_ms: written,
                unsent_max: 50,
                quota_bytes: 1000,
            };
            app.store.begin_upload(new).await.expect("it is begun");
            app.store.record_received(id, 5, written).await.expect("it is noted");
            app.store.remove_unused_pictures(0, 0).await.expect("they are looked for");
            app.store.save_last_seen(vec![(ada, written)]).await.expect("it is written");
            app.store.remove_upload(id).await.expect("it is given up");
            written += 1;
        }
        written
    });
    let cleared = app_erasures(&cluster);
    while app_erasures(&cluster) < cleared + 30 {
        let seq = cluster.send("Ada", conversation, "soon gone").await.message.seq.0;
        cluster.delete("Ada", conversation, seq).await.expect("own message");
    }
    done.send(()).expect("it resumes");
    assert!(uploading.await.expect("none was refused") > 0);
}

fn app_erasures(cluster: &TestCluster) -> u64 {
    cluster.app.metrics.erasures.get()
}
