//! Properties of the simulation.

use super::{super::scenarios, *};

fn open(nodes: usize, per_second: f64) -> Scenario {
    Scenario::open("test", nodes, per_second, 0.5)
}

fn named(part: &str) -> Scenario {
    scenarios::all().into_iter().find(|scenario| scenario.name.contains(part)).expect("a scenario of this name")
}

#[test]
fn a_seed_repeats_a_run() {
    let scenario = open(3, 2000.0);
    assert_eq!(World::run(&scenario, 5, 2), World::run(&scenario, 5, 2));
    assert_ne!(World::run(&scenario, 5, 2), World::run(&scenario, 6, 2));
}

#[test]
fn every_message_is_committed_or_waits() {
    for scenario in scenarios::all().into_iter().filter(|scenario| scenario.nodes < 100) {
        let outcome = World::run(&scenario, 1, 1);
        assert!(outcome.committed > 0, "{}", scenario.name);
        let limit = match scenario.load {
            Traffic::Open { per_second, .. } => per_second as usize * 4,
            Traffic::Pairs { senders, window } => senders * window,
            Traffic::Group { window, .. } => window,
        };
        assert!(outcome.waiting <= limit, "{}: {} of {}", scenario.name, outcome.waiting, outcome.arrived);
        assert!(outcome.clock_busy <= 1.0, "{}: {}", scenario.name, outcome.clock_busy);
    }
}

/// Messages in flight are the rate times the latency.
#[test]
fn littles_law_holds_for_closed_loads() {
    let outcome = World::run(&named("window 4"), 1, 5);
    let in_flight = outcome.rate() * outcome.replied.mean() / 1e9;
    assert!((1900.0..2100.0).contains(&in_flight), "{in_flight}");
}

#[test]
fn a_message_alone_takes_the_sum_of_its_costs() {
    let mut scenario = open(1, 1.0);
    scenario.commit.disk = 0.0;
    let outcome = World::run(&scenario, 1, 20);
    let commit = scenario.commit;
    let sum = RECEIVE + commit.fixed + commit.change + commit.wait + commit.wait_change + REPLY;
    assert_eq!(outcome.replied.at(500), Duration::from_nanos(us(sum)));
}

#[test]
fn nodes_do_not_make_a_clock_faster_and_a_second_clock_does() {
    let few = World::run(&open(3, 60_000.0), 1, 2).rate();
    let many = World::run(&open(12, 60_000.0), 1, 2).rate();
    assert!(many < few * 1.1, "{few} with 3 nodes, {many} with 12");
    let two = World::run(&Scenario { databases: 2, ..open(12, 60_000.0) }, 1, 2).rate();
    assert!((many * 1.7..many * 2.3).contains(&two), "{many} with one clock, {two} with two");
}

#[test]
fn fewer_nodes_wait_for_a_clock_in_cells() {
    let one = Scenario { databases: 4, shards: 4, ..open(40, 2000.0) };
    let four = Scenario { cells: 4, ..one.clone() };
    let (one, four) = (World::run(&one, 1, 2), World::run(&four, 1, 2));
    assert!(four.replied.at(500) < one.replied.at(500) / 2, "{:?} and {:?}", one.replied.at(500), four.replied.at(500));
}

#[test]
fn one_committing_node_makes_fuller_commits() {
    let all = open(12, 5000.0);
    let one = Scenario { is_forwarded: true, ..all.clone() };
    let (all, one) = (World::run(&all, 1, 2), World::run(&one, 1, 2));
    assert!(one.replied.at(500) < all.replied.at(500) / 2, "{:?} and {:?}", all.replied.at(500), one.replied.at(500));
    assert!(one.rate() >= all.rate() * 0.95);
}

/// The figures of `docs/operate/figures.md` from which the costs were derived, and the latencies that follow from them.
#[test]
fn what_was_measured_comes_out_again() {
    let near = |simulated: f64, measured: f64, what: &str| {
        let ratio = simulated / measured;
        assert!((0.75..1.25).contains(&ratio), "{what}: {simulated:.0}, measured {measured}");
    };
    let p50 = |latencies: &Latencies| latencies.at(500).as_secs_f64() * 1000.0;
    let pairs = World::run(&named("window 4"), 1, 5);
    near(pairs.rate(), 10_029.0, "pairs");
    near(p50(&pairs.replied), 188.0, "ms of pairs");
    let few = World::run(&named("100 a second"), 1, 20);
    near(p50(&few.delivered), 2.81, "ms of 100 a second");
    for (window, rate, ms) in [("window 2", 83_065.0, 14.0), ("window 16", 475_214.0, 21.0)] {
        let group = World::run(&named(window), 1, 5);
        near(group.rate(), rate, window);
        near(p50(&group.delivered), ms, window);
    }
}
