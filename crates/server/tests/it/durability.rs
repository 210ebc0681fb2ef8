//! Acknowledged means durable (G1 to G5, G21): 50 people write, the server is killed with SIGKILL at random moments, and
//! the checker finds every acknowledged message once, in one order, without gaps, on every client and at the end.

use crate::{
    crowd::{Rhythm, Stage, final_read, writes},
    harness::{Chance, Person, Server, assert_clean, budget, unique},
};
use parlor_client::history::{
    checker::{Members, check},
    record::{Record, Recorder},
};
use parlor_protocol::ids::ConversationId;
use std::{collections::BTreeSet, time::Duration};

const PEOPLE: usize = 50;

/// Everybody, five groups of ten, and 25 pairs.
async fn conversations(people: &[Person]) -> Vec<(ConversationId, Vec<usize>)> {
    let everybody: Vec<usize> = (0..people.len()).collect();
    let groups = everybody.chunks(10).chain(everybody.chunks(2)).chain([&everybody[..]]);
    let mut opened = Vec::new();
    for members in groups {
        let owner = &people[members[0]];
        let others: Vec<_> = members[1..].iter().map(|index| &people[*index]).collect();
        let id = match others.as_slice() {
            [other] => owner.write_to(other).await.id,
            others => owner.group(&format!("group {}", unique()), others).await,
        };
        opened.push((id, members.to_vec()));
    }
    opened
}

fn members_of(opened: &[(ConversationId, Vec<usize>)], people: &[Person]) -> Members {
    let ids = |members: &Vec<usize>| members.iter().map(|index| people[*index].id.0).collect::<BTreeSet<_>>();
    opened.iter().map(|(conversation, members)| (conversation.0, ids(members))).collect()
}

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With SIGKILL.
    Kill,
    /// With SIGTERM: it finishes what it accepted.
    Stop,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_being_killed_at_random_moments() {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let kills = (20.0 * budget()).max(20.0) as usize;
    everything_is_found_again(End::Kill, kills).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_under_load_loses_nothing_and_ends_well() {
    everything_is_found_again(End::Stop, 4).await;
}

/// People write, the server ends so many times at random moments, and the checker finds nothing amiss.
async fn everything_is_found_again(end: End, times: usize) {
    let seed = u64::from(std::process::id());
    let mut chance = Chance::new(seed);
    let mut server = Server::start().await;
    let mut people = Vec::new();
    for index in 0..PEOPLE {
        people.push(server.user(&format!("person{index}-")).await);
    }
    let opened = conversations(&people).await;

    let stage = Stage::new(PEOPLE);
    let rhythm = Rhythm { pause_ms: 120, cancels_percent: 10, converges: true };
    let mut crowd = Vec::new();
    for (index, person) in people.iter().enumerate() {
        let mine = opened.iter().filter(|(_, members)| members.contains(&index)).map(|(id, _)| *id).collect();
        crowd.push(writes(person, mine, &stage, rhythm, Chance::new(chance.next())));
    }

    for _ in 0..times {
        stage.until_acknowledged(20).await;
        // waits for: nothing; the moment of the kill is the chance that is tested
        tokio::time::sleep(chance.millis(0, 600)).await;
        match end {
            End::Kill => server.kill(),
            End::Stop => server.stop().await,
        }
        // waits for: nothing; how long the server is away is chance, too
        tokio::time::sleep(chance.millis(0, 100)).await;
        server.restart().await;
    }
    stage.until_acknowledged(PEOPLE).await;
    stage.end();

    let mut records: Vec<Record> = Vec::new();
    for writer in crowd {
        let left =
            tokio::time::timeout(Duration::from_mins(1), writer).await.expect("a writer ends").expect("and well");
        assert_eq!(left.resets, 1, "only the first resume, without a cursor, is a reset: restarts reset nobody");
        records.extend(left.records);
    }
    records.extend(final_reads(&mut server, &people, &opened, &stage).await);

    let verdict = check(&records, &members_of(&opened, &people));
    println!(
        "seed {seed}: {times} times {end:?}, {} sends acknowledged, {} unknown, {} messages kept",
        verdict.acknowledged, verdict.unknown, verdict.kept
    );
    assert_clean(&verdict, seed);
    assert_eq!(verdict.unknown, 0, "everybody repeats or cancels until the outcome is known");
    assert!(verdict.acknowledged >= times * 20, "the test has written something");
}

/// Reads everything as it stands, and once more after another kill.
async fn final_reads(
    server: &mut Server,
    people: &[Person],
    opened: &[(ConversationId, Vec<usize>)],
    stage: &Stage,
) -> Vec<Record> {
    let mut recorder = Recorder::in_memory(stage.began);
    for node in 0..2 {
        for (conversation, members) in opened {
            final_read(&people[members[0]].api, *conversation, node, &mut recorder).await;
        }
        server.kill();
        server.restart().await;
    }
    recorder.finish()
}
