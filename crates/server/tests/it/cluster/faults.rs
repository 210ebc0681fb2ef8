//! What goes wrong, and how it is put right.

use super::{
    Cluster, NODES,
    proxy::{CommitTrap, Line},
};
use crate::harness::{Rng, signal, until_stopped};
use std::time::Duration;

/// How much later bytes arrive on a slow line.
const DELAY: Duration = Duration::from_millis(250);
/// What Redis may use when it is full.
const FULL: &str = "1";

/// A fault. Nodes are named by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A node ends with SIGKILL, and is started again.
    NodeKilled(usize),
    /// A node does nothing for a while (SIGSTOP).
    NodeFrozen(usize),
    /// Redis ends with SIGKILL, and is started again, empty.
    RedisKilled,
    /// Redis does nothing for a while (SIGSTOP).
    RedisFrozen,
    /// Everything in Redis is deleted.
    RedisFlushed,
    /// Redis takes no more presence entries.
    RedisFull,
    /// What goes to Redis and comes from it is late.
    RedisSlow,
    /// PostgreSQL ends with SIGKILL, and is started again.
    PostgresKilled,
    /// PostgreSQL does nothing for a while (SIGSTOP).
    PostgresFrozen,
    /// What goes to PostgreSQL and comes from it is late.
    PostgresSlow,
    /// Connections end in the middle of a commit.
    CommitsCut(CommitTrap),
    /// A node has no line to Redis.
    WithoutRedis(usize, Line),
    /// A node has no line to PostgreSQL.
    WithoutPostgres(usize, Line),
    /// A node has neither.
    WithoutBoth(usize, Line),
}

impl Fault {
    /// Returns each kind once, in random order, at random nodes.
    pub(super) fn all(rng: &mut Rng) -> Vec<Self> {
        let mut node = || rng.below(NODES);
        let (killed, frozen) = (node(), node());
        let mut faults = vec![
            Self::NodeKilled(killed),
            Self::NodeFrozen(frozen),
            Self::RedisKilled,
            Self::RedisFrozen,
            Self::RedisFlushed,
            Self::RedisFull,
            Self::RedisSlow,
            Self::PostgresKilled,
            Self::PostgresFrozen,
            Self::PostgresSlow,
            Self::CommitsCut(CommitTrap::Request),
            Self::CommitsCut(CommitTrap::Answer),
        ];
        let lines = [Line::Cut, Line::Swallowing, Line::Held];
        for without in [Self::WithoutRedis, Self::WithoutPostgres, Self::WithoutBoth] {
            faults.push(without(rng.below(NODES), *rng.pick(&lines)));
        }
        for last in (1..faults.len()).rev() {
            faults.swap(last, rng.below(last + 1));
        }
        faults
    }

    /// Returns whether somebody's messages must be accepted while it lasts.
    pub(super) fn leaves_writing(self) -> bool {
        !matches!(self, Self::PostgresKilled | Self::PostgresFrozen)
    }
}

impl Fault {
    /// Returns a node that says that something is wrong, if it lasts.
    pub(super) fn noticed_by(self) -> Option<usize> {
        match self {
            Self::RedisKilled | Self::RedisFrozen | Self::PostgresKilled | Self::PostgresFrozen => Some(0),
            Self::WithoutRedis(node, _) | Self::WithoutPostgres(node, _) | Self::WithoutBoth(node, _) => Some(node),
            Self::NodeKilled(_)
            | Self::NodeFrozen(_)
            | Self::RedisFlushed
            | Self::RedisFull
            | Self::RedisSlow
            | Self::PostgresSlow
            | Self::CommitsCut(_) => None,
        }
    }
}

impl Cluster {
    /// Begins a fault.
    pub(super) async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::NodeKilled(node) => self.nodes[node].server.kill(),
            Fault::NodeFrozen(node) => {
                let pid = self.nodes[node].server.pid();
                signal(pid, "STOP");
                until_stopped(&pid.to_string());
            }
            Fault::RedisKilled => self.redis.stop(),
            Fault::RedisFrozen => self.redis.signal("STOP"),
            Fault::RedisFlushed => {
                let _: String = self.redis.run(&["FLUSHALL"]).await;
            }
            Fault::RedisFull => {
                let _: String = self.redis.run(&["CONFIG", "SET", "maxmemory", FULL]).await;
            }
            Fault::RedisSlow => self.nodes.iter().for_each(|node| node.to_redis.set(Line::Slow(DELAY))),
            Fault::PostgresKilled => self.postgres.kill(),
            Fault::PostgresFrozen => self.postgres.signal("STOP"),
            Fault::PostgresSlow => self.nodes.iter().for_each(|node| node.to_postgres.set(Line::Slow(DELAY / 10))),
            Fault::CommitsCut(trap) => self.nodes.iter().for_each(|node| node.to_postgres.set_trap(trap)),
            Fault::WithoutRedis(node, line) => self.nodes[node].to_redis.set(line),
            Fault::WithoutPostgres(node, line) => self.nodes[node].to_postgres.set(line),
            Fault::WithoutBoth(node, line) => {
                self.nodes[node].to_redis.set(line);
                self.nodes[node].to_postgres.set(line);
            }
        }
    }

    /// Puts a fault right.
    pub(super) async fn end(&mut self, fault: Fault) {
        match fault {
            Fault::NodeKilled(node) => self.nodes[node].server.restart().await,
            Fault::NodeFrozen(node) => signal(self.nodes[node].server.pid(), "CONT"),
            Fault::RedisKilled => self.redis.restart().await,
            Fault::RedisFrozen => self.redis.signal("CONT"),
            Fault::RedisFull => {
                let _: String = self.redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
            }
            Fault::PostgresKilled => self.postgres.start_again(),
            Fault::PostgresFrozen => self.postgres.signal("CONT"),
            Fault::RedisFlushed => {}
            Fault::CommitsCut(_) => self.nodes.iter().for_each(|node| node.to_postgres.clear_trap()),
            Fault::RedisSlow
            | Fault::PostgresSlow
            | Fault::WithoutRedis(..)
            | Fault::WithoutPostgres(..)
            | Fault::WithoutBoth(..) => {
                for node in &self.nodes {
                    node.to_redis.set(Line::Open);
                    node.to_postgres.set(Line::Open);
                }
            }
        }
    }

    /// Returns how many connections were cut in a commit.
    pub(super) fn commits_cut(&self) -> usize {
        self.nodes.iter().map(|node| node.to_postgres.sprung()).sum()
    }
}
