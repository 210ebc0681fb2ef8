//! A store that does not answer: nothing happens, it is said so, and it heals by itself.

use super::{World, code, conformance, send};
use parlor_protocol::error::Code;
use sqlx::{Connection as _, Executor as _};
use std::time::Duration;

conformance! {
    a_store_that_is_held_refuses_and_heals,
}

async fn a_store_that_is_held_refuses_and_heals(world: World) {
    let conversation = world.direct("Ada", "Ben").await;
    let ada = world.person("Ada").await;
    let app = world.node_with(&[("store.timeout_ms", "200")]).await;
    let mut holder = world.connect().await;
    holder.execute("BEGIN").await.expect("begun");
    holder.execute("UPDATE clock SET version = version").await.expect("held");
    let refused = send(&app, ada, conversation, "key", "hello").await.expect_err("the clock is held");
    assert_eq!((refused.code, refused.retryable), (Code::Unavailable, true));
    let mut snapshot = app.store.snapshot(&app.config.limits).await.expect("reading goes on");
    assert_eq!(snapshot.conversation(ada, conversation).await.expect("read").expect("a member").last_seq.0, 0);
    drop(snapshot);
    holder.execute("ROLLBACK").await.expect("let go");
    holder.close().await.expect("closed");
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
