//! The events, in the order of their times: a message arrives, waits for a commit of its node, is committed, and goes to
//! the sockets of its receivers.
//!
//! A writer takes what is queued when its last commit is over and then waits for the clock, as the server does. A commit
//! announces itself to the other nodes of its cell; the work that this causes at a node is done before its next work.

use super::{
    costs::{CHANGES_MAX, COPY, EVENT, HOP, PUBLISH, PUBLISHED_COPY, RECEIVE, REPLY, WAKE},
    random::Random,
    scenarios::{Scenario, Traffic},
    stations::{DatabaseClock, Nanos, Processor, us},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

const SECOND: Nanos = 1_000_000_000;
/// Time before what is measured, until queues are as long as they get.
const WARM_UP: Nanos = 2 * SECOND;
/// Latencies of one delivery to a large group that are kept.
const SAMPLES: u64 = 20;

/// Times from a message's arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Latencies(Vec<Nanos>);

impl Latencies {
    /// The time below which this many of a thousand lie; zero if there is none.
    pub(super) fn at(&self, per_mille: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        Duration::from_nanos(self.0.get((self.0.len() * per_mille / 1000).min(last)).copied().unwrap_or_default())
    }

    #[cfg(test)]
    fn mean(&self) -> f64 {
        self.0.iter().map(|time| *time as f64).sum::<f64>() / self.0.len() as f64
    }
}

/// What happened in the measured time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    seconds: u64,
    /// Messages committed, or deliveries of a group.
    counted: u64,
    commits: u64,
    changes: u64,
    /// Over the whole run.
    arrived: usize,
    committed: usize,
    waiting: usize,
    pub(super) replied: Latencies,
    pub(super) delivered: Latencies,
    /// The share of the time in which the busiest one worked, warm-up included.
    pub(super) clock_busy: f64,
    pub(super) node_busy: f64,
    pub(super) redis_busy: f64,
}

impl Outcome {
    pub(super) fn rate(&self) -> f64 {
        self.counted as f64 / self.seconds as f64
    }

    pub(super) fn changes_of_a_commit(&self) -> f64 {
        self.changes as f64 / self.commits.max(1) as f64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The next message of an open load.
    Next,
    Arrives {
        message: usize,
    },
    Queued {
        message: usize,
    },
    /// A writer takes a batch.
    Begins {
        writer: usize,
    },
    Committed {
        writer: usize,
    },
    /// A copy reaches another node.
    Copied {
        node: usize,
        message: usize,
    },
}

#[derive(Clone, Copy, Debug)]
struct Message {
    began: Nanos,
    /// The node at which it arrived.
    node: usize,
    writer: usize,
}

/// The queue of a node for one database.
#[derive(Clone, Debug, Default)]
struct NodeWriter {
    queue: VecDeque<usize>,
    batch: Vec<usize>,
    is_busy: bool,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    random: Random,
    now: Nanos,
    /// Measuring begins and ends.
    from: Nanos,
    until: Nanos,
    heap: BinaryHeap<Reverse<(Nanos, u64, Happening)>>,
    scheduled: u64,
    messages: Vec<Message>,
    writers: Vec<NodeWriter>,
    nodes: Vec<Processor>,
    clocks: Vec<DatabaseClock>,
    redis: Vec<Processor>,
    /// Commits that each cell has announced, and how many of them each node has read.
    announced: Vec<u64>,
    read: Vec<u64>,
    outcome: Outcome,
}

impl<'a> World<'a> {
    /// Simulates a scenario.
    pub(super) fn run(scenario: &'a Scenario, seed: u64, seconds: u64) -> Outcome {
        let Scenario { nodes, cores, databases, shards, cells, .. } = *scenario;
        let from = WARM_UP;
        let mut world = Self {
            scenario,
            random: Random::new(seed),
            now: 0,
            from,
            until: from + seconds * SECOND,
            heap: BinaryHeap::new(),
            scheduled: 0,
            messages: Vec::new(),
            writers: vec![NodeWriter::default(); nodes * (databases / cells)],
            nodes: vec![Processor::new(cores); nodes],
            clocks: vec![DatabaseClock::default(); databases],
            redis: vec![Processor::new(1); shards],
            announced: vec![0; cells],
            read: vec![0; nodes],
            outcome: Outcome { seconds, ..Outcome::default() },
        };
        world.begin();
        while let Some(Reverse((at, _, happening))) = world.heap.pop()
            && at < world.until
        {
            world.now = at;
            world.happen(happening);
        }
        world.end()
    }

    fn begin(&mut self) {
        let messages = match self.scenario.load {
            Traffic::Open { .. } => return self.schedule(0, Happening::Next),
            Traffic::Pairs { senders, window } => senders * window,
            Traffic::Group { window, .. } => window,
        };
        for _ in 0..messages {
            self.arrive(0);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Next => {
                self.arrive(self.now);
                if let Traffic::Open { per_second, .. } = self.scenario.load {
                    let pause = self.random.exponential(1e6 / per_second);
                    self.schedule(self.now + us(pause), Happening::Next);
                }
            }
            Happening::Arrives { message } => {
                let done = self.work(self.messages[message].node, us(RECEIVE));
                self.schedule(done + self.way(message), Happening::Queued { message });
            }
            Happening::Queued { message } => {
                let writer = self.messages[message].writer;
                self.writers[writer].queue.push_back(message);
                self.wake(writer);
            }
            Happening::Begins { writer } => self.begin_commit(writer),
            Happening::Committed { writer } => self.committed(writer),
            Happening::Copied { node, message } => {
                let done = self.work(node, us(COPY + WAKE + EVENT));
                self.record_delivery(message, done);
            }
        }
    }

    fn end(mut self) -> Outcome {
        self.outcome.arrived = self.messages.len();
        self.outcome.waiting = self.outcome.arrived - self.outcome.committed;
        self.outcome.replied.0.sort_unstable();
        self.outcome.delivered.0.sort_unstable();
        let time = self.until;
        let busiest = |loads: &mut dyn Iterator<Item = f64>| loads.fold(0.0, f64::max);
        self.outcome.clock_busy = busiest(&mut self.clocks.iter().map(|clock| clock.busy as f64 / time as f64));
        self.outcome.node_busy = busiest(&mut self.nodes.iter().map(|node| node.load(time)));
        self.outcome.redis_busy = busiest(&mut self.redis.iter().map(|redis| redis.load(time)));
        self.outcome
    }

    fn schedule(&mut self, at: Nanos, happening: Happening) {
        self.scheduled += 1;
        self.heap.push(Reverse((at, self.scheduled, happening)));
    }

    /// A message arrives at one of the nodes, for one of its databases.
    fn arrive(&mut self, at: Nanos) {
        let arrived = self.random.below(self.writers.len());
        let node = self.node(arrived);
        let writer = if self.scenario.is_forwarded { self.committing(arrived) } else { arrived };
        self.messages.push(Message { began: at, node, writer });
        self.schedule(at, Happening::Arrives { message: self.messages.len() - 1 });
    }

    fn node(&self, writer: usize) -> usize {
        writer % self.nodes.len()
    }

    /// The one writer of the same clock that commits.
    fn committing(&self, writer: usize) -> usize {
        let (nodes, cells) = (self.nodes.len(), self.scenario.cells);
        let database = writer / nodes;
        database * nodes + database % (nodes / cells) * cells + self.cell(self.node(writer))
    }

    /// The way between the node of a message and the one that commits it.
    fn way(&self, message: usize) -> Nanos {
        let Message { node, writer, .. } = self.messages[message];
        if node == self.node(writer) { 0 } else { us(HOP) }
    }

    fn cell(&self, node: usize) -> usize {
        node % self.scenario.cells
    }

    fn clock(&self, writer: usize) -> usize {
        let databases = self.scenario.databases / self.scenario.cells;
        self.cell(self.node(writer)) * databases + writer / self.nodes.len()
    }

    /// Work of a node; first it reads what was announced since its last work.
    fn work(&mut self, node: usize, cost: Nanos) -> Nanos {
        let announced = self.announced[self.cell(node)];
        let unread = announced - std::mem::replace(&mut self.read[node], announced);
        self.nodes[node].work(self.now, cost + unread * us(COPY))
    }

    /// An idle writer begins behind what the node has to do already.
    fn wake(&mut self, writer: usize) {
        if std::mem::replace(&mut self.writers[writer].is_busy, true) {
            return;
        }
        let begins = self.nodes[self.node(writer)].begins(self.now);
        self.schedule(begins, Happening::Begins { writer });
    }

    fn begin_commit(&mut self, writer: usize) {
        let NodeWriter { queue, batch, .. } = &mut self.writers[writer];
        batch.extend(queue.drain(..queue.len().min(CHANGES_MAX)));
        let clock = self.clock(writer);
        if self.clocks[clock].ask(writer, self.now) {
            self.commit(writer);
        }
    }

    /// The writer has the clock.
    fn commit(&mut self, writer: usize) {
        let costs = self.scenario.commit;
        let changes = self.writers[writer].batch.len() as f64;
        let forwarded = if self.scenario.is_forwarded { COPY } else { 0.0 };
        let done = self.work(self.node(writer), us(costs.fixed + (costs.change + forwarded) * changes));
        let wait = costs.wait + costs.wait_change * changes + self.random.exponential(costs.disk);
        self.schedule(done + us(wait), Happening::Committed { writer });
    }

    fn committed(&mut self, writer: usize) {
        let clock = self.clock(writer);
        if let Some(next) = self.clocks[clock].release(writer, self.now) {
            self.commit(next);
        }
        let batch = std::mem::take(&mut self.writers[writer].batch);
        self.outcome.committed += batch.len();
        if self.is_measured(self.now) {
            self.outcome.commits += 1;
            self.outcome.changes += batch.len() as u64;
        }
        let is_group = matches!(self.scenario.load, Traffic::Group { .. });
        for message in &batch {
            let done = self.work(self.node(writer), us(REPLY));
            self.record_reply(*message, done + self.way(*message));
            if !is_group {
                self.deliver(*message, self.node(writer));
            }
        }
        if let Traffic::Group { members, .. } = self.scenario.load {
            self.deliver_to_group(&batch, self.node(writer), members);
        }
        self.announce(self.node(writer));
        self.writers[writer].is_busy = false;
        if !self.writers[writer].queue.is_empty() {
            self.wake(writer);
        }
    }

    /// Each receiver is at any node of the cell.
    fn deliver(&mut self, message: usize, from: usize) {
        let (receivers, cells) = match self.scenario.load {
            Traffic::Open { receivers, .. } => (receivers, self.scenario.cells),
            _ => (1, self.scenario.cells),
        };
        for _ in 0..receivers {
            let node = self.random.below(self.nodes.len() / cells) * cells + self.cell(from);
            if node == from {
                let done = self.work(node, us(WAKE + EVENT));
                self.record_delivery(message, done);
            } else {
                let published = self.publish(from, 1);
                self.schedule(published + us(HOP), Happening::Copied { node, message });
            }
        }
    }

    /// The messages of a batch reach a socket in one write; the sockets follow each other.
    fn deliver_to_group(&mut self, batch: &[usize], node: usize, members: usize) {
        let cost = us(members as f64 * (WAKE + EVENT * batch.len() as f64));
        let done = self.work(node, cost);
        for message in batch {
            let began = self.messages[*message].began;
            if self.is_measured(done) {
                self.outcome.counted += members as u64;
                let samples = (1..=SAMPLES).map(|sample| done - cost + cost / SAMPLES * sample - began);
                self.outcome.delivered.0.extend(samples);
            }
            self.arrive(done);
        }
    }

    /// Every other node of the cell learns that there was a commit.
    fn announce(&mut self, node: usize) {
        let others = self.nodes.len() / self.scenario.cells - 1;
        if others > 0 {
            self.publish(node, others);
            let cell = self.cell(node);
            self.announced[cell] += 1;
            self.read[node] += 1;
        }
    }

    /// One of the cell's servers of Redis takes a publication; returns when it has sent the copies.
    fn publish(&mut self, from: usize, copies: usize) -> Nanos {
        let shards = self.redis.len() / self.scenario.cells;
        let shard = self.random.below(shards) * self.scenario.cells + self.cell(from);
        self.redis[shard].work(self.now, us(PUBLISH + PUBLISHED_COPY * copies as f64))
    }

    fn is_measured(&self, at: Nanos) -> bool {
        (self.from..self.until).contains(&at)
    }

    fn record_reply(&mut self, message: usize, at: Nanos) {
        if self.is_measured(at) {
            self.outcome.replied.0.push(at - self.messages[message].began);
        }
        match self.scenario.load {
            Traffic::Group { .. } => return,
            Traffic::Open { .. } => {}
            Traffic::Pairs { .. } => self.arrive(at),
        }
        self.outcome.counted += u64::from(self.is_measured(at));
    }

    fn record_delivery(&mut self, message: usize, at: Nanos) {
        if self.is_measured(at) {
            self.outcome.delivered.0.push(at - self.messages[message].began);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
