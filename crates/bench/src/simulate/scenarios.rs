//! What is simulated: first what was also measured, then what cannot be.

use super::costs::Commit;

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Traffic {
    /// Messages come whatever happens, each for this many other users.
    Open { per_second: f64, receivers: usize },
    /// Each sender has this many messages unanswered, each for one other user.
    Pairs { senders: usize, window: usize },
    /// One group of which every member has a socket here: this many messages that not all have received.
    Group { members: usize, window: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// What was measured with the same load; empty if nothing was.
    pub(super) measured: &'static str,
    pub(super) nodes: usize,
    /// Cores of each node.
    pub(super) cores: usize,
    pub(super) databases: usize,
    /// Servers of Redis.
    pub(super) shards: usize,
    /// Parts that share nothing: each has its part of the nodes, databases and servers of Redis.
    pub(super) cells: usize,
    /// Whether nodes forward changes to one node for each clock, which commits them. The server does not do this.
    pub(super) is_forwarded: bool,
    pub(super) commit: Commit,
    pub(super) load: Traffic,
}

impl Scenario {
    /// Nodes with four cores on one PostgreSQL and one Redis, with three receivers of a message.
    pub(super) fn open(name: &str, nodes: usize, per_second: f64, round_trip_ms: f64) -> Self {
        Self {
            name: name.to_owned(),
            measured: "",
            nodes,
            cores: 4,
            databases: 1,
            shards: 1,
            cells: 1,
            is_forwarded: false,
            commit: Commit::postgres(round_trip_ms),
            load: Traffic::Open { per_second, receivers: 3 },
        }
    }

    fn single(name: &str, measured: &'static str, load: Traffic) -> Self {
        Self { measured, cores: 1, commit: Commit::sqlite(), load, ..Self::open(name, 1, 0.0, 0.0) }
    }
}

/// The scenarios of the book.
pub(super) fn all() -> Vec<Scenario> {
    let pairs = |senders, window| Traffic::Pairs { senders, window };
    let group = |window| Traffic::Group { members: 1000, window };
    let few = Traffic::Open { per_second: 100.0, receivers: 1 };
    let mut all = vec![
        Scenario::single("measured too: 500 pairs, window 4", "10,029; 188 / 297 ms", pairs(500, 4)),
        Scenario::single("measured too: 50 closed loops", "3,003; 14 / 41 ms", pairs(50, 1)),
        Scenario::single("measured too: 100 a second", "2.81 / 30 ms", few),
        Scenario::single("measured too: group of 1,000, window 2, deliveries", "83,065; 14 / 30 ms", group(2)),
        Scenario::single("measured too: group of 1,000, window 16, deliveries", "475,214; 21 / 44 ms", group(16)),
    ];
    for nodes in [1, 3, 12, 48] {
        all.push(Scenario::open(&format!("one clock, 5,000 a second, nodes: {nodes}"), nodes, 5000.0, 0.5));
    }
    all.push(Scenario::open("one clock, 5,000 a second, nodes: 3, 0.1 ms to the database", 3, 5000.0, 0.1));
    all.push(Scenario::open("one clock, 5,000 a second, nodes: 3, 5 ms to the database", 3, 5000.0, 5.0));
    for nodes in [1, 3, 12, 48] {
        all.push(Scenario::open(&format!("one clock, more than it takes, nodes: {nodes}"), nodes, 40_000.0, 0.5));
    }
    all.extend(large());
    all
}

/// Twelve nodes for a million users, and a hundred times as many.
fn large() -> [Scenario; 8] {
    let one = Scenario::open("1 million: 12 nodes, one clock", 12, 10_000.0, 0.5);
    let named = |scenario: &Scenario, name: &str| Scenario { name: name.to_owned(), ..scenario.clone() };
    let four = Scenario { databases: 4, ..named(&one, "1 million: 12 nodes, four clocks") };
    let forwarded = Scenario { is_forwarded: true, ..named(&one, "1 million: 12 nodes, one clock, one node commits") };
    let both =
        Scenario { databases: 4, ..named(&forwarded, "1 million: 12 nodes, four clocks, one node commits for each") };
    let few = Scenario::open("1 million: 3 nodes of 16 cores, one clock, 0.1 ms to the database", 3, 10_000.0, 0.1);
    let few = Scenario { cores: 16, ..few };
    let layer = Scenario::open("100 million: 1,200 nodes, 400 clocks, one layer of 100 Redis", 1200, 1_000_000.0, 0.5);
    let layer = Scenario { databases: 400, shards: 100, ..layer };
    let cells = Scenario { cells: 100, ..named(&layer, "100 million: the same as 100 cells") };
    let cells_forwarded = named(&cells, "100 million: the same as 100 cells, one node commits for each clock");
    let cells_forwarded = Scenario { is_forwarded: true, ..cells_forwarded };
    [one, few, four, forwarded, both, layer, cells, cells_forwarded]
}
