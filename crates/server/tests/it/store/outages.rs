//! A database that does not answer: nothing happens, the error is reported, and the store recovers.

use super::{TestCluster, code, conformance, send};
use parlor_protocol::error::Code;
use std::time::Duration;

conformance! {
    a_locked_store_refuses_and_recovers,
}

/// SQLite ends a transaction by itself on a full disk: the connection must not be reused as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir_in(crate::postgres::fast_folder()).expect("a folder");
    let disk = folder.path().display().to_string();
    let mount = |arguments: &[&str]| std::process::Command::new("mount").args(arguments).arg(&disk).status();
    if !mount(&["-t", "tmpfs", "-o", "size=1500k", "tmpfs"]).is_ok_and(|status| status.success()) {
        return println!("skipped: only root can mount a small disk");
    }
    let cluster = TestCluster::in_folder(folder).await;
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let text = "x".repeat(9000);
    let mut refusals = Vec::new();
    let mut sent = 0;
    while refusals.len() < 5 {
        match send(&cluster.app, ada, conversation, &cluster.key(), &text).await {
            Ok(_) => sent += 1,
            Err(problem) => refusals.push(problem.code),
        }
        assert!(sent < 1000, "a disk of 1.5 MB is full sooner");
    }
    assert_eq!(refusals, [Code::Unavailable; 5], "full, again and again, is no fault of ours");
    assert!(mount(&["-o", "remount,size=64m"]).is_ok_and(|status| status.success()), "more room");
    let after = send(&cluster.app, ada, conversation, "after", "hello").await.expect("healed");
    assert_eq!(after.message.seq.0, sent + 1, "what was refused never was");
    cluster.app.stop().await;
    let unmounted = std::process::Command::new("umount").args(["-l", &disk]).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
}

async fn a_locked_store_refuses_and_recovers(cluster: TestCluster) {
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    let app = cluster.node_with(&[("store.timeout_ms", "1500")]).await;
    let mut holder = cluster.connect().await;
    holder.execute("BEGIN; UPDATE clock SET version = version").await;
    let refused = send(&app, ada, conversation, "key", "hello").await.expect_err("the clock's row is locked");
    assert_eq!((refused.code, refused.retryable), (Code::Unavailable, true));
    assert!(refused.retry_after_ms.is_some(), "it says when to retry");
    assert_eq!(
        app.store
            .read(move |snapshot| snapshot.conversation(ada, conversation))
            .await
            .expect("read")
            .expect("a member")
            .last_seq
            .0,
        0
    );
    holder.execute("ROLLBACK").await;
    drop(holder);
    let sent = send(&app, ada, conversation, "key", "hello").await.expect("healed");
    assert_eq!((sent.message.seq.0, sent.duplicate), (1, false), "the refused one never was");
}

/// The backend process that runs COMMIT is killed before it answers. Only PostgreSQL has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unanswered_commit_is_looked_up() {
    let Some(cluster) = TestCluster::postgres().await else { return };
    let conversation = cluster.direct("Ada", "Ben").await;
    let ada = cluster.user("Ada").await;
    cluster
        .sql(
            "CREATE FUNCTION go_away() RETURNS trigger AS $$ BEGIN IF NEW.text = 'last words' THEN \
             PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
             CREATE CONSTRAINT TRIGGER go_away AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION go_away()",
        )
        .await;
    let refused =
        tokio::time::timeout(Duration::from_secs(20), send(&cluster.app, ada, conversation, "k1", "last words"))
            .await
            .expect("no hanging")
            .expect_err("the server behind COMMIT is gone");
    assert_eq!(code::<()>(Err(refused)), Code::Unavailable, "its row is not there, so it did not happen");
    let sent = send(&cluster.app, ada, conversation, "k2", "hello").await.expect("the next connection serves");
    assert_eq!(sent.message.seq.0, 1);
}
