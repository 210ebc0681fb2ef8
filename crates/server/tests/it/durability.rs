//! Acknowledged means durable (G1 to G5, G21). 50 users write, the server is killed with SIGKILL at random moments, and
//! the checker finds every acknowledged message once, in one order, without gaps, on every client and at the end.

use crate::{
    harness::{Rng, Server, TestUser, assert_clean, budget},
    writers::{SharedState, WriterOptions, conversations, final_read, members_of, spawn_writer},
};
use parlor_client::history::{
    checker::check,
    record::{Record, Recorder},
};
use parlor_protocol::ids::ConversationId;
use std::time::Duration;

const USERS: usize = 50;

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerEnd {
    /// By SIGKILL.
    Kill,
    /// By SIGTERM, which finishes accepted commands.
    Stop,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_survive_kills_at_random_moments() {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let kills = (20.0 * budget()).max(20.0) as usize;
    assert_all_recovered(ServerEnd::Kill, kills).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_under_load_loses_nothing() {
    assert_all_recovered(ServerEnd::Stop, 4).await;
}

/// Users write while the server ends at random moments, and the checker finds no violation.
async fn assert_all_recovered(end: ServerEnd, times: usize) {
    let seed = u64::from(std::process::id());
    let mut rng = Rng::new(seed);
    let mut server = Server::start().await;
    let mut users = Vec::new();
    for index in 0..USERS {
        users.push(server.user(&format!("person{index}-")).await);
    }
    let opened = conversations(&users, 10).await;

    let shared = SharedState::new(USERS);
    let options = WriterOptions { pause_ms: 120, cancels_percent: 10, reconnects_percent: 0, converges: true };
    let mut crowd = Vec::new();
    for (index, user) in users.iter().enumerate() {
        let mine = opened.iter().filter(|(_, members)| members.contains(&index)).map(|(id, _)| *id).collect();
        crowd.push(spawn_writer(user, mine, &shared, options, Rng::new(rng.next())));
    }

    for _ in 0..times {
        shared.until_acknowledged(20).await;
        // waits for: nothing; the moment of the kill is random
        tokio::time::sleep(rng.millis(0, 600)).await;
        match end {
            ServerEnd::Kill => server.kill(),
            ServerEnd::Stop => server.stop().await,
        }
        // waits for: nothing; how long the server is away is random, too
        tokio::time::sleep(rng.millis(0, 100)).await;
        server.restart().await;
    }
    shared.until_acknowledged(USERS).await;
    shared.end();

    let mut records: Vec<Record> = Vec::new();
    for writer in crowd {
        let left =
            tokio::time::timeout(Duration::from_mins(1), writer).await.expect("a writer ends").expect("and well");
        assert_eq!(left.resets, 1, "only the first resume, without a cursor, is a reset: restarts reset no client");
        records.extend(left.records);
    }
    records.extend(final_reads(&mut server, &users, &opened, &shared).await);

    let verdict = check(&records, &members_of(&opened, &users));
    println!(
        "seed {seed}: {times} times {end:?}, {} sends acknowledged, {} unknown, {} messages kept",
        verdict.acknowledged, verdict.unknown, verdict.kept
    );
    assert_clean(&verdict, seed);
    assert_eq!(verdict.unknown, 0, "all writers repeat or cancel until the outcome is known");
    assert!(verdict.acknowledged >= times * 20, "the test has written something");
}

/// Reads everything, and again after another kill.
async fn final_reads(
    server: &mut Server,
    users: &[TestUser],
    opened: &[(ConversationId, Vec<usize>)],
    shared: &SharedState,
) -> Vec<Record> {
    let mut recorder = Recorder::in_memory(shared.began);
    for node in 0..2 {
        for (conversation, members) in opened {
            final_read(&users[members[0]].api, *conversation, node, &mut recorder).await;
        }
        server.kill();
        server.restart().await;
    }
    recorder.finish()
}
