//! Users who write all the time through the balancer, and the judgement of what they have seen.

use super::{Cluster, PATIENCE};
use crate::{
    harness::{Rng, TestUser, assert_clean},
    writers::{SharedState, WriterOptions, WriterResult, conversations, final_read, members_of, spawn_writer},
};
use parlor_client::history::{
    checker::check,
    record::{Op, Record, Recorder},
};
use parlor_protocol::ids::ConversationId;
use std::time::Duration;
use tokio::task::JoinHandle;

const USERS: usize = 12;
/// Users in each small group.
const GROUP: usize = 4;

pub(super) struct Load {
    pub(super) shared: SharedState,
    users: Vec<TestUser>,
    opened: Vec<(ConversationId, Vec<usize>)>,
    writers: Vec<JoinHandle<WriterResult>>,
}

impl Load {
    pub(super) async fn start(cluster: &Cluster, rng: &mut Rng) -> Self {
        let mut users = Vec::new();
        for index in 0..USERS {
            users.push(cluster.user(&format!("person{index}-")).await);
        }
        let opened = conversations(&users, GROUP).await;
        let shared = SharedState::new(USERS);
        let options = WriterOptions { pause_ms: 250, cancels_percent: 10, reconnects_percent: 3, converges: true };
        let writer = |(index, user): (usize, &TestUser)| {
            let mine = opened.iter().filter(|(_, members)| members.contains(&index)).map(|(id, _)| *id).collect();
            spawn_writer(user, mine, &shared, options, Rng::new(rng.next()))
        };
        let writers = users.iter().enumerate().map(writer).collect();
        Self { shared, users, opened, writers }
    }

    /// Waits for so many more acknowledged messages.
    pub(super) async fn until_acknowledged(&self, more: usize) {
        self.shared.until_acknowledged(more).await;
    }

    /// Ends it, and asserts every promise: what was acknowledged is there exactly once, at every node, in one order, and
    /// in every client.
    pub(super) async fn end(self, cluster: &Cluster, seed: u64) {
        self.shared.end();
        let mut records: Vec<Record> = Vec::new();
        for writer in self.writers {
            let left = tokio::time::timeout(PATIENCE * 2, writer).await.expect("a writer ends").expect("and well");
            assert_eq!(left.resets, 1, "seed {seed}: only the first resume is a reset, at whichever node");
            records.extend(left.records);
        }
        let pause = longest_pause(&records);
        let mut recorder = Recorder::in_memory(self.shared.began);
        for (number, node) in (0..).zip(&cluster.nodes) {
            for (conversation, members) in &self.opened {
                let reader = self.users[members[0]].through_address(node.server.address());
                final_read(&reader.api, *conversation, number, &mut recorder).await;
            }
        }
        records.extend(recorder.finish());
        let verdict = check(&records, &members_of(&self.opened, &self.users));
        println!(
            "seed {seed}: {} sends acknowledged, {} unknown, {} messages kept; the longest time without any \
             acknowledgement was {pause:.1?}",
            verdict.acknowledged, verdict.unknown, verdict.kept
        );
        assert_clean(&verdict, seed);
        assert_eq!(verdict.unknown, 0, "seed {seed}: all writers repeat or cancel until the outcome is known");
    }
}

/// Returns the longest time in which nobody's message was acknowledged.
fn longest_pause(records: &[Record]) -> Duration {
    let mut times: Vec<u64> = records.iter().filter(|row| row.op == Op::Ack).map(|row| row.t_mono).collect();
    times.sort_unstable();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    Duration::from_micros(longest.unwrap_or(0))
}
