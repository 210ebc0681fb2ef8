//! A store that does not answer: nothing happens, it is said so, and it heals by itself.

use super::{World, code, conformance, send};
use parlor_protocol::error::Code;
use std::time::Duration;

conformance! {
    a_store_that_is_held_refuses_and_heals,
}

/// SQLite ends a transaction by itself when there is no room: the connection must not be kept as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_heals() {
    let folder = tempfile::tempdir_in(crate::postgres::fast_folder()).expect("a folder");
    let disk = folder.path().display().to_string();
    let mount = |arguments: &[&str]| std::process::Command::new("mount").args(arguments).arg(&disk).status();
    if !mount(&["-t", "tmpfs", "-o", "size=1500k", "tmpfs"]).is_ok_and(|status| status.success()) {
        return println!("skipped: only root can mount a small disk");
    }
    let world = World::in_folder(folder).await;
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let text = "x".repeat(9000);
    let mut refusals = Vec::new();
    let mut sent = 0;
    while refusals.len() < 5 {
        match send(&world.app, ada, conversation, &world.key(), &text).await {
            Ok(_) => sent += 1,
            Err(problem) => refusals.push(problem.code),
        }
        assert!(sent < 1000, "a disk of 1.5 MB is full sooner");
    }
    assert_eq!(refusals, [Code::Unavailable; 5], "full, again and again, is no fault of ours");
    assert!(mount(&["-o", "remount,size=64m"]).is_ok_and(|status| status.success()), "more room");
    let after = send(&world.app, ada, conversation, "after", "hello").await.expect("healed");
    assert_eq!(after.message.seq.0, sent + 1, "what was refused never was");
    world.app.stop().await;
    let unmounted = std::process::Command::new("umount").args(["-l", &disk]).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
}

async fn a_store_that_is_held_refuses_and_heals(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let app = world.node_with(&[("store.timeout_ms", "1500")]).await;
    let mut holder = world.connect().await;
    holder.execute("BEGIN; UPDATE clock SET version = version").await;
    let refused = send(&app, ada, conversation, "key", "hello").await.expect_err("the clock is held");
    assert_eq!((refused.code, refused.retryable), (Code::Unavailable, true));
    assert!(refused.retry_after_ms.is_some(), "it says when to try again");
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

/// The server behind COMMIT goes away before it answers. Only PostgreSQL has one that can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_answered_is_looked_up() {
    let Some(world) = World::postgres().await else { return };
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    world
        .sql(
            "CREATE FUNCTION go_away() RETURNS trigger AS $$ BEGIN IF NEW.text = 'last words' THEN \
             PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$ LANGUAGE plpgsql; \
             CREATE CONSTRAINT TRIGGER go_away AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION go_away()",
        )
        .await;
    let refused =
        tokio::time::timeout(Duration::from_secs(20), send(&world.app, ada, conversation, "k1", "last words"))
            .await
            .expect("no hanging")
            .expect_err("the server behind COMMIT is gone");
    assert_eq!(code::<()>(Err(refused)), Code::Unavailable, "its row is not there, so it did not happen");
    let sent = send(&world.app, ada, conversation, "k2", "hello").await.expect("the next connection serves");
    assert_eq!(sent.message.seq.0, 1);
}
