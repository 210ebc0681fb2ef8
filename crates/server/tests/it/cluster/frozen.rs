//! A node that is frozen in the middle of a commit.

use super::{Cluster, PATIENCE, probe::Probe, proxy::Line, seed};
use crate::harness::{Rng, TestUser, signal, unique, until_stopped};
use parlor_protocol::{error::Code, ids::ConversationId};
use sqlx::{Connection as _, PgConnection};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How much later bytes arrive between the frozen node and PostgreSQL, so that most of its time passes in commits.
const DELAY: Duration = Duration::from_millis(20);

/// Sends from a user until it is over, and returns the texts that were acknowledged.
async fn send_until(user: TestUser, conversation: ConversationId, is_over: Arc<AtomicBool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let text = format!("from-a-slow-node-{}", unique());
        let deadline = Instant::now() + 2 * PATIENCE;
        while let Err(error) = user.api.post_message(conversation, &text, &text).await {
            let is_passing = error.is_outcome_unknown() || error.code().is_some_and(Code::retryable);
            assert!(is_passing && Instant::now() < deadline, "nothing is accepted: {error}");
            // waits for: a node that accepts messages
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        acknowledged.push(text);
    }
    acknowledged
}

/// Returns whether a transaction that is waiting for its node holds the clock.
async fn is_clock_held(database: &mut PgConnection) -> bool {
    let sql = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
               JOIN pg_stat_activity USING (pid) \
               WHERE relname = 'clock' AND mode = 'RowExclusiveLock' AND state = 'idle in transaction'";
    sqlx::query_scalar::<_, i64>(sql).fetch_one(database).await.expect("a count") > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_frozen_while_it_holds_the_clock_delays_the_others_and_refuses_nothing() {
    let mut rng = Rng::new(seed());
    // The others wait longer than PostgreSQL lets a frozen node hold the clock.
    let setup = |setup: crate::harness::Setup| setup.with("store.timeout_ms", 60_000);
    let Some(cluster) = Cluster::start(Rng::new(rng.next()), setup).await else { return };
    let mut probe = Probe::start(&cluster).await;
    let (ada, ben) = (cluster.user("ada").await, cluster.user("ben").await);
    let conversation = ada.open_direct(&ben).await.id;
    let at = |user: &TestUser, node: usize| user.through_address(cluster.nodes[node].server.address());
    let mut database = PgConnection::connect(&cluster.database()).await.expect("it runs");
    cluster.nodes[0].to_postgres.set(Line::Slow(DELAY));
    let is_over = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(send_until(at(&ada, 0), conversation, is_over.clone()));
    let pid = cluster.nodes[0].server.pid();
    let deadline = Instant::now() + PATIENCE;
    loop {
        signal(pid, "STOP");
        until_stopped(&pid.to_string());
        // waits for: what is on the slow line
        tokio::time::sleep(DELAY * 3).await;
        if is_clock_held(&mut database).await {
            break;
        }
        signal(pid, "CONT");
        assert!(Instant::now() < deadline, "it never holds the clock");
        // waits for: another moment
        tokio::time::sleep(rng.millis(5, 60)).await;
    }
    let frozen = Instant::now();
    // Shorter than the timeouts of the store.
    let of_ben = at(&ben, 1).api.with_timeout(PATIENCE / 2);
    let first = of_ben.post_message(conversation, "meanwhile", "meanwhile").await;
    println!("frozen with the clock: another node committed {:.1?} later", frozen.elapsed());
    first.expect("accepted at the first attempt, while the other node is still frozen");
    signal(pid, "CONT");
    cluster.nodes[0].to_postgres.set(Line::Open);
    println!("awake again: {:.1?}", probe.recovery(&cluster).await);
    is_over.store(true, Ordering::Relaxed);
    let acknowledged = sending.await.expect("it ends");
    let mut texts = Vec::new();
    let mut anchor = "after=0".to_owned();
    loop {
        let page = of_ben.messages(conversation, &anchor).await.expect("a member reads");
        texts.extend(page.messages.iter().filter(|message| message.sender == ada.id).map(|one| one.text.clone()));
        match page.messages.last() {
            Some(last) if page.next.is_some() => anchor = format!("after={}", last.seq.0),
            _ => break,
        }
    }
    assert_eq!(texts, acknowledged, "each message is there once, in order");
}
