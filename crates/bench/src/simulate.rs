//! A simulation of fan-out and of the contention for the clock, for loads that no test machine can make.
//!
//! It runs without a server, and a seed repeats a run exactly. Costs come from the figures of the book where they were
//! measured, and are assumptions otherwise; each says which. The first rows of the table are loads that were also
//! measured, so that the model can be judged.
//!
//! Absent on purpose: failures, markers, presence, the network's loss, and everything that a client does.

mod costs;
mod random;
mod scenarios;
mod stations;
mod world;

use crate::{
    Result,
    report::{grouped, ms},
};
use clap::Args;
use scenarios::Scenario;
use world::{Latencies, Outcome, World};

const HEAD: &str = "| load | measured | messages a second | to the reply, ms | to delivery, ms | changes a commit | \
                    busy %: clock / node / Redis |\n|---|--:|--:|--:|--:|--:|--:|\n";

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The same seed gives the same table.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated seconds, after two of warm-up: 1 to 10.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// A scenario of your own: nodes.
    #[arg(long)]
    nodes: Option<usize>,
    /// Cores of a node, in a scenario of your own.
    #[arg(long, default_value_t = 4)]
    cores: usize,
    /// Databases, each with a clock of its own, in a scenario of your own.
    #[arg(long, default_value_t = 1)]
    databases: usize,
    /// Servers of Redis, in a scenario of your own.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Messages a second, in a scenario of your own.
    #[arg(long, default_value_t = 5000.0)]
    messages: f64,
    /// Other users who receive each message, in a scenario of your own.
    #[arg(long, default_value_t = 3)]
    receivers: usize,
    /// The time between a node and its database and back, in milliseconds, in a scenario of your own.
    #[arg(long, default_value_t = 0.5)]
    round_trip_ms: f64,
}

/// Simulates the scenarios and returns the table.
///
/// # Errors
/// No scenario has such a name, or the own one is out of range.
pub(crate) fn run(arguments: &SimulateArgs) -> Result<String> {
    let scenarios = match arguments.nodes {
        Some(nodes) => vec![own(arguments, nodes)?],
        None => scenarios::all(),
    };
    let seconds = arguments.seconds.clamp(1, 10);
    let chosen = scenarios.into_iter().filter(|scenario| scenario.name.contains(&arguments.only));
    let rows: Vec<String> = chosen.map(|scenario| row(&scenario, arguments.seed, seconds)).collect();
    if rows.is_empty() {
        return Err(format!("no scenario has {:?} in its name", arguments.only));
    }
    Ok(HEAD.to_owned() + &rows.concat())
}

fn own(arguments: &SimulateArgs, nodes: usize) -> Result<Scenario> {
    let SimulateArgs { cores, databases, shards, messages, receivers, round_trip_ms, .. } = *arguments;
    let counts = [nodes, cores, databases, shards, receivers].iter().all(|count| (1..=10_000).contains(count));
    if !counts || nodes * databases > 1_000_000 {
        return Err("counts are 1 to 10000, and nodes times databases up to 1000000".to_owned());
    }
    if !(0.1..=1_000_000.0).contains(&messages) || !(0.0..=1000.0).contains(&round_trip_ms) {
        return Err("messages are 0.1 to 1000000 a second, round trips 0 to 1000 ms".to_owned());
    }
    let scenario = Scenario::open("of your own", nodes, messages, round_trip_ms);
    Ok(Scenario {
        cores,
        databases,
        shards,
        load: scenarios::Traffic::Open { per_second: messages, receivers },
        ..scenario
    })
}

fn row(scenario: &Scenario, seed: u64, seconds: u64) -> String {
    let outcome = World::run(scenario, seed, seconds);
    let times = |latencies: &Latencies| format!("{} / {}", ms(latencies.at(500)), ms(latencies.at(990)));
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    let Outcome { clock_busy, node_busy, redis_busy, .. } = outcome;
    format!(
        "| {} | {} | **{}** | {} | {} | {:.0} | {} / {} / {} |\n",
        scenario.name,
        scenario.measured,
        grouped(outcome.rate()),
        times(&outcome.replied),
        times(&outcome.delivered),
        outcome.changes_of_a_commit(),
        percent(clock_busy),
        percent(node_busy),
        percent(redis_busy),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SimulateArgs,
    }

    fn table(line: &str) -> Result<String> {
        run(&Line::try_parse_from(format!("simulate {line}").split(' ')).expect("arguments").arguments)
    }

    #[test]
    fn a_scenario_of_your_own_is_one_row_and_has_limits() {
        let own = table("--seconds 1 --nodes 2 --messages 500").expect("a table");
        assert_eq!(own.lines().count(), 3, "{own}");
        assert_eq!(own, table("--seconds 1 --nodes 2 --messages 500").expect("a table"));
        assert!(table("--nodes 0").is_err() && table("--nodes 10000 --databases 1000").is_err());
        assert!(table("--nodes 2 --messages 0").is_err() && table("--only nothing").is_err());
    }
}
