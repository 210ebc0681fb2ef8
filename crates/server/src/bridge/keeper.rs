//! Keeps this node in the groups that it wants (core), takes dead nodes out of theirs, and sends messages to groups
//! (both layers).
//!
//! Invariants: membership is renewed at every heartbeat, long before it expires, so it survives a flushed or restarted
//! Redis; what was announced is remembered until the node has left it, so that a group that it once joined is left even
//! after outages; the scores of sent messages strictly increase; messages that wait longer than their expiry are dropped, and
//! never more wait than the queue holds.

use super::{
    BridgeState, GroupMessage,
    codec::Layer,
    commands::{Arguments, ping, pipeline},
    names::server_of,
    recipients::Recipients,
    value::Value,
};
use crate::redis_server::{Backoff, RedisServer, TIMEOUT, byte_strings};
use redis::RedisError;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};

/// How often membership is renewed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A node that was not announced for this long is dead.
const DEAD_AFTER_S: f64 = 60.0;
/// How long leaving the groups may take when the server stops.
const LEAVING: Duration = Duration::from_secs(1);
/// Groups of one command, or of one round trip.
const TOGETHER_MAX: usize = 1000;
/// The smallest step between two scores. Doubles have room for it until the year 2242.
const SCORE_STEP_S: f64 = 0.000_001;

/// See the module documentation.
pub(super) struct Keeper {
    shared: Arc<BridgeState>,
    servers: Vec<RedisServer>,
    joined: HashSet<String>,
    /// The groups that this node may be in, those from before an outage included: announced and not yet forgotten.
    announced: HashSet<String>,
    outgoing: mpsc::Receiver<GroupMessage>,
    last_score_s: f64,
}

/// An error, and the index of the server that it comes from.
type Failure = (usize, RedisError);

impl Keeper {
    pub(super) fn new(shared: Arc<BridgeState>, outgoing: mpsc::Receiver<GroupMessage>) -> Self {
        let servers = shared.clients.iter().map(|client| RedisServer::new(client.clone(), TIMEOUT)).collect();
        Self { shared, servers, joined: HashSet::new(), announced: HashSet::new(), outgoing, last_score_s: 0.0 }
    }

    /// Runs until the server stops.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wanted = self.shared.groups.changes();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = Backoff::new();
        while !*stop.borrow() {
            let done = tokio::select! {
                // An error means that nobody is left to stop it.
                _ = stop.changed() => break,
                _ = wanted.changed() => self.update(false).await,
                _ = heartbeat.tick() => self.update(true).await,
                () = self.shared.renew.notified() => self.update(true).await,
                Some(message) = self.outgoing.recv() => self.send(message).await,
            };
            match done {
                Ok(()) => backoff.reset(),
                Err((server, cause)) => {
                    self.shared.outages[server].begin(&cause);
                    self.forget_membership();
                    tokio::select! {
                        () = backoff.pause(&self.shared.environment) => self.shared.renew.notify_one(),
                        _ = stop.changed() => break,
                    }
                }
            }
        }
        // Nodes that cannot leave now are taken out later, by other nodes.
        let _late = timeout(LEAVING, self.leave_all()).await;
    }

    /// Joins and leaves groups. `is_renewal` joins those again that are joined already.
    async fn update(&mut self, is_renewal: bool) -> Result<(), Failure> {
        match self.shared.codec.layer {
            Layer::Core => self.update_membership(is_renewal).await?,
            Layer::Pubsub if is_renewal => {
                for server in 0..self.servers.len() {
                    self.execute(server, &[ping()]).await?;
                }
            }
            Layer::Pubsub => {}
        }
        Ok(())
    }

    async fn update_membership(&mut self, is_renewal: bool) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let (keys, now_s) = (&shared.keys, shared.now_s());
        let wanted: HashSet<String> = shared.groups.wanted().into_iter().collect();
        let joining: Vec<String> =
            wanted.iter().filter(|group| is_renewal || !self.joined.contains(*group)).cloned().collect();
        let leaving: Vec<String> = self.announced.difference(&wanted).cloned().collect();
        self.announced.extend(joining.iter().cloned());
        if is_renewal || !joining.is_empty() {
            // Remembered before it is joined, so that nothing is joined that nobody could take out.
            self.execute(0, &keys.announce(&shared.node, &joining, now_s)).await?;
        }
        for server in 0..self.servers.len() {
            let is_here = |group: &&String| server_of(group, self.servers.len()) == server;
            let mut commands: Vec<Arguments> = Vec::new();
            for group in joining.iter().filter(is_here) {
                commands.extend(keys.group_add(group, &shared.member(group), now_s));
            }
            for group in leaving.iter().filter(is_here) {
                commands.push(keys.group_discard(group, &shared.member(group)));
            }
            self.execute(server, &commands).await?;
        }
        let forgotten: Vec<_> = leaving.iter().map(|group| keys.forget_group(&shared.node, group)).collect();
        self.execute(0, &forgotten).await?;
        shared.groups.set_joined(&wanted, true);
        self.announced.clone_from(&wanted);
        self.joined = wanted;
        if is_renewal { self.remove_dead_nodes(now_s - DEAD_AFTER_S).await } else { Ok(()) }
    }

    /// Takes nodes out of their groups that were last announced up to this time. One that was only frozen joins again
    /// with its next heartbeat.
    async fn remove_dead_nodes(&mut self, until_s: f64) -> Result<(), Failure> {
        let shared = self.shared.clone();
        for node in texts(self.execute(0, &[shared.keys.nodes_until(until_s)]).await?) {
            if node == shared.node {
                continue;
            }
            let groups = texts(self.execute(0, &[shared.keys.announced_groups(&node)]).await?);
            info!(node, groups = groups.len(), "a node that ended is taken out of its groups");
            self.remove_node(&node, &groups).await?;
        }
        Ok(())
    }

    async fn remove_node(&mut self, node: &str, groups: &[String]) -> Result<(), Failure> {
        let shared = self.shared.clone();
        for server in 0..self.servers.len() {
            let here: Vec<_> = groups.iter().filter(|group| server_of(group, self.servers.len()) == server).collect();
            for some in here.chunks(TOGETHER_MAX) {
                let discard = |group: &&String| shared.keys.group_discard(group, &BridgeState::member_of(node, group));
                self.execute(server, &some.iter().map(discard).collect::<Vec<_>>()).await?;
            }
        }
        let process = BridgeState::process_of(node);
        let delete = shared.keys.delete_queue(&shared.keys.queue(&process));
        self.execute(server_of(&process, self.servers.len()), &[delete]).await?;
        self.execute(0, &shared.keys.forget_node(node)).await?;
        Ok(())
    }

    async fn leave_all(&mut self) {
        if self.shared.codec.layer == Layer::Core {
            let (node, groups) = (self.shared.node.clone(), self.announced.drain().collect::<Vec<_>>());
            if let Err((server, cause)) = self.remove_node(&node, &groups).await {
                self.shared.outages[server].begin(&cause);
            }
        }
    }

    fn forget_membership(&mut self) {
        // The pub/sub layer joins elsewhere.
        if self.shared.codec.layer == Layer::Core {
            self.shared.groups.set_joined(&self.joined, false);
            self.joined.clear();
        }
    }

    /// Sends a message to a group.
    async fn send(&mut self, outgoing: GroupMessage) -> Result<(), Failure> {
        let shared = self.shared.clone();
        if outgoing.queued.elapsed() > Duration::from_secs(shared.keys.expiry_s.into()) {
            shared.metrics.bridge_dropped("expired");
            return Ok(());
        }
        match self.try_send(&shared, outgoing).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                shared.metrics.bridge_dropped("not_sent");
                Err(failure)
            }
        }
    }

    async fn try_send(&mut self, shared: &BridgeState, outgoing: GroupMessage) -> Result<(), Failure> {
        let GroupMessage { group, message, .. } = outgoing;
        let count = self.servers.len();
        if shared.codec.layer == Layer::Pubsub {
            let Some(bytes) = shared.encode(&Value::Map(message)) else { return Ok(()) };
            let server = server_of(&shared.keys.group_topic(&group), count);
            self.execute(server, &[shared.keys.broadcast(&group, &bytes)]).await?;
            shared.metrics.bridge_sent.inc();
            return Ok(());
        }
        let members =
            self.execute(server_of(&group, count), &shared.keys.group_members(&group, shared.now_s())).await?;
        let members = texts(members.into_iter().skip(1));
        let (rules, capacity) = (&shared.rules, shared.capacity);
        let recipients = Recipients { keys: &shared.keys, codec: &shared.codec, rules, capacity, servers: count };
        let messages = match recipients.messages(&members, &message, &shared.environment) {
            Ok(messages) => messages,
            Err(cause) => {
                shared.metrics.bridge_dropped("unwritable");
                warn!(%cause, "an event cannot be written for the channel layer");
                return Ok(());
            }
        };
        for (server, messages) in messages {
            let at_s = self.next_score_s();
            let full = self.execute(server, &[shared.keys.send(&messages, at_s)]).await?;
            if let Some(redis::Value::Int(full @ 1..)) = full.first() {
                shared.metrics.bridge_dropped_many("over_capacity", full.unsigned_abs());
            }
        }
        shared.metrics.bridge_sent.inc();
        Ok(())
    }

    fn next_score_s(&mut self) -> f64 {
        self.last_score_s = self.shared.now_s().max(self.last_score_s + SCORE_STEP_S);
        self.last_score_s
    }

    async fn execute(&mut self, server: usize, commands: &[Arguments]) -> Result<Vec<redis::Value>, Failure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.servers[server].run(&pipeline(commands)).await.map_err(|cause| (server, cause))?;
        self.shared.outages[server].end();
        Ok(answers)
    }
}

impl GroupMessage {
    pub(super) fn new(group: String, message: super::value::Map) -> Self {
        Self { group, message, queued: Instant::now() }
    }
}

fn texts(answers: impl IntoIterator<Item = redis::Value>) -> Vec<String> {
    let bytes = answers.into_iter().flat_map(byte_strings);
    bytes.filter_map(|bytes| String::from_utf8(bytes).ok()).collect()
}
