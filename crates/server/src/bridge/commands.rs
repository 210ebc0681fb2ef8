//! The commands that channels-redis sends to Redis, as their arguments. Nothing is sent here.
//!
//! The source of every form is channels-redis 4.3.0. Differs on purpose: the script that sends to a group also expires
//! old messages, which there is a transaction before it.

use super::names::shared_part;
use redis::{Cmd, Pipeline};

/// The arguments of one command.
pub type Arguments = Vec<Vec<u8>>;

/// Makes a pipeline of commands.
#[must_use]
pub fn pipeline(commands: &[Arguments]) -> Pipeline {
    let mut pipeline = redis::pipe();
    for arguments in commands {
        let mut cmd = Cmd::new();
        for argument in arguments {
            cmd.arg(argument);
        }
        pipeline.add_command(cmd);
    }
    pipeline
}

/// Sends one message to each queue that is not full: KEYS are queues; ARGV are their messages, then their capacities,
/// then the score, the expiry in seconds, and the score up to which messages have expired. Returns how many queues are
/// full.
pub const SEND_SCRIPT: &str = "\
local full = 0
for index, queue in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', queue, 0, ARGV[#ARGV])
    if redis.call('ZCARD', queue) < tonumber(ARGV[#KEYS + index]) then
        redis.call('ZADD', queue, ARGV[#ARGV - 2], ARGV[index])
        redis.call('EXPIRE', queue, ARGV[#ARGV - 1])
    else
        full = full + 1
    end
end
return full
";

/// The prefix of all keys, and the times after which things expire.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `prefix`.
    pub prefix: String,
    /// `expiry`, in seconds.
    pub expiry_s: u32,
    /// `group_expiry`, in seconds.
    pub group_expiry_s: u32,
}

/// A message for one queue.
#[derive(Clone, Debug)]
pub struct QueueMessage {
    /// The key of the queue.
    pub queue: String,
    /// The encoded message.
    pub message: Vec<u8>,
    /// How many messages the queue may hold.
    pub capacity: u32,
}

impl Keys {
    /// The sorted set of a group's channels (core).
    #[must_use]
    pub fn group(&self, group: &str) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// The queue of a channel, which its process shares (core).
    #[must_use]
    pub fn queue(&self, channel: &str) -> String {
        format!("{}{}", self.prefix, shared_part(channel))
    }

    /// The Redis channel of a group (pub/sub).
    #[must_use]
    pub fn group_topic(&self, group: &str) -> String {
        format!("{}__group__{group}", self.prefix)
    }

    /// `group_add` (core). The time is in seconds since 1970.
    #[must_use]
    pub fn group_add(&self, group: &str, channel: &str, now_s: f64) -> [Arguments; 2] {
        let key = self.group(group);
        [
            arguments(&[b"ZADD", key.as_bytes(), score(now_s).as_bytes(), channel.as_bytes()]),
            arguments(&[b"EXPIRE", key.as_bytes(), self.group_expiry_s.to_string().as_bytes()]),
        ]
    }

    /// `group_discard` (core).
    #[must_use]
    pub fn group_discard(&self, group: &str, channel: &str) -> Arguments {
        arguments(&[b"ZREM", self.group(group).as_bytes(), channel.as_bytes()])
    }

    /// What `group_send` begins with (core): forgets members that were not renewed, and lists the others.
    #[must_use]
    pub fn group_members(&self, group: &str, now_s: f64) -> [Arguments; 2] {
        let key = self.group(group);
        let expired = whole_seconds(now_s) - i64::from(self.group_expiry_s);
        [
            arguments(&[b"ZREMRANGEBYSCORE", key.as_bytes(), b"0", expired.to_string().as_bytes()]),
            arguments(&[b"ZRANGE", key.as_bytes(), b"0", b"-1"]),
        ]
    }

    /// Puts messages into the queues of one server, those that are not full (core). `at_s` is the score, which orders
    /// the messages of a queue.
    #[must_use]
    pub fn send(&self, messages: &[QueueMessage], at_s: f64) -> Arguments {
        let mut all = arguments(&[b"EVAL", SEND_SCRIPT.as_bytes(), messages.len().to_string().as_bytes()]);
        all.extend(messages.iter().map(|message| message.queue.clone().into_bytes()));
        all.extend(messages.iter().map(|message| message.message.clone()));
        all.extend(messages.iter().map(|message| message.capacity.to_string().into_bytes()));
        let expired = whole_seconds(at_s) - i64::from(self.expiry_s);
        all.extend([score(at_s), self.expiry_s.to_string(), expired.to_string()].map(String::into_bytes));
        all
    }

    /// Waits for the first message of a queue, up to this many seconds (core).
    #[must_use]
    pub fn receive(&self, queue: &str, wait_s: u32) -> Arguments {
        arguments(&[b"BZPOPMIN", queue.as_bytes(), wait_s.to_string().as_bytes()])
    }

    /// Takes up to this many messages of a queue (core).
    #[must_use]
    pub fn receive_more(&self, queue: &str, at_most: u32) -> Arguments {
        arguments(&[b"ZPOPMIN", queue.as_bytes(), at_most.to_string().as_bytes()])
    }

    /// Announces that a node of Parlor runs, and remembers its groups, so that another node can take it out of them once
    /// it runs no more (core). These keys are Parlor's own.
    #[must_use]
    pub fn announce(&self, node: &str, groups: &[String], now_s: f64) -> Vec<Arguments> {
        let mut all = vec![arguments(&[b"ZADD", self.nodes().as_bytes(), score(now_s).as_bytes(), node.as_bytes()])];
        if !groups.is_empty() {
            let key = self.groups_of(node);
            let mut add = arguments(&[b"SADD", key.as_bytes()]);
            add.extend(groups.iter().map(|group| group.clone().into_bytes()));
            all.extend([add, arguments(&[b"EXPIRE", key.as_bytes(), self.group_expiry_s.to_string().as_bytes()])]);
        }
        all
    }

    /// Lists the nodes that were last announced up to a time (core).
    #[must_use]
    pub fn nodes_until(&self, until_s: f64) -> Arguments {
        arguments(&[b"ZRANGEBYSCORE", self.nodes().as_bytes(), b"-inf", score(until_s).as_bytes()])
    }

    /// Lists the groups that a node has announced (core).
    #[must_use]
    pub fn announced_groups(&self, node: &str) -> Arguments {
        arguments(&[b"SMEMBERS", self.groups_of(node).as_bytes()])
    }

    /// Forgets one announced group of a node (core).
    #[must_use]
    pub fn forget_group(&self, node: &str, group: &str) -> Arguments {
        arguments(&[b"SREM", self.groups_of(node).as_bytes(), group.as_bytes()])
    }

    /// Forgets a node (core).
    #[must_use]
    pub fn forget_node(&self, node: &str) -> [Arguments; 2] {
        [
            arguments(&[b"DEL", self.groups_of(node).as_bytes()]),
            arguments(&[b"ZREM", self.nodes().as_bytes(), node.as_bytes()]),
        ]
    }

    /// Deletes a queue (core).
    #[must_use]
    pub fn delete_queue(&self, queue: &str) -> Arguments {
        arguments(&[b"DEL", queue.as_bytes()])
    }

    fn nodes(&self) -> String {
        format!("{}:parlor:nodes", self.prefix)
    }

    fn groups_of(&self, node: &str) -> String {
        format!("{}:parlor:groups:{node}", self.prefix)
    }

    /// `group_send` (pub/sub).
    #[must_use]
    pub fn broadcast(&self, group: &str, message: &[u8]) -> Arguments {
        arguments(&[b"PUBLISH", self.group_topic(group).as_bytes(), message])
    }
}

/// Asks whether the server answers.
#[must_use]
pub fn ping() -> Arguments {
    arguments(&[b"PING"])
}

fn arguments(parts: &[&[u8]]) -> Arguments {
    parts.iter().map(|part| part.to_vec()).collect()
}

/// Returns a time as Python's `repr` writes it.
fn score(at_s: f64) -> String {
    format!("{at_s:?}")
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are far below 2^53")]
fn whole_seconds(at_s: f64) -> i64 {
    at_s as i64
}
