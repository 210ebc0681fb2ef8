//! Medians, and the table.

use crate::server::{Server, busy};
use std::time::{Duration, Instant};

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// The required value, and the goal; empty if there are none.
    pub(crate) wanted: [&'static str; 2],
    /// The result.
    pub(crate) measured: String,
    /// Details.
    pub(crate) detail: String,
}

/// Formats the table as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["| figure | first landing | goal | measured | of it |\n|---|--:|--:|--:|---|\n".to_owned()];
    let line = |Row { figure, wanted: [first, goal], measured, detail }: &Row| {
        format!("| {figure} | {first} | {goal} | **{measured}** | {detail} |\n")
    };
    head.into_iter().chain(rows.iter().map(line)).collect()
}

/// The median; of an even number of values, the lower one in the middle.
pub(crate) fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).expect("figures can be compared"));
    values[(values.len() - 1) / 2]
}

/// The value below which this many of a thousand lie; zero if there is none.
pub(crate) fn at(sorted: &[Duration], per_mille: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * per_mille / 1000).min(last)).copied().unwrap_or_default()
}

/// Formats 12345 as "12,345".
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats milliseconds with a sensible number of digits.
pub(crate) fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

/// The CPU use of server and generator during a measurement.
pub(crate) struct Load {
    began: Instant,
    server: Duration,
    own: Duration,
}

/// The CPU use of each in percent of a core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: f64,
    pub(crate) own: f64,
}

/// The result of one round of messages.
#[derive(Debug)]
pub(crate) struct Round {
    /// Messages or deliveries per second.
    pub(crate) rate: f64,
    /// From send to delivery.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) cores: Cores,
}

impl Load {
    /// Starts the measurement.
    pub(crate) fn new(server: &Server) -> Self {
        Self { began: Instant::now(), server: server.busy(), own: busy("self") }
    }

    /// Ends the measurement.
    pub(crate) fn end(&self, server: &Server) -> (Duration, Cores) {
        let time = self.began.elapsed();
        let percent = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE) * 100.0
        };
        (time, Cores { server: percent(server.busy(), self.server), own: percent(busy("self"), self.own) })
    }
}

impl Round {
    /// Creates the result of a round.
    pub(crate) fn new(count: u64, mut latencies: Vec<Duration>, (time, cores): (Duration, Cores)) -> Self {
        latencies.sort_unstable();
        let rate = count as f64 / time.as_secs_f64();
        Self { rate, p50: at(&latencies, 500), p99: at(&latencies, 990), cores }
    }
}

impl Round {
    /// The server's CPU time per message or delivery, which noise on the machine affects least.
    pub(crate) fn cost(&self) -> String {
        let microseconds = self.cores.server * 10_000.0 / self.rate.max(f64::MIN_POSITIVE);
        format!("{microseconds:.1} µs of the server for each")
    }
}

/// The medians of some rounds: rate, p50, p99 and CPU use.
pub(crate) fn medians(rounds: &[Round]) -> Round {
    let of = |part: fn(&Round) -> f64| median(rounds.iter().map(part).collect());
    Round {
        rate: of(|round| round.rate),
        p50: median(rounds.iter().map(|round| round.p50).collect()),
        p99: median(rounds.iter().map(|round| round.p99).collect()),
        cores: Cores { server: of(|round| round.cores.server), own: of(|round| round.cores.own) },
    }
}

impl std::fmt::Display for Cores {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "server {:.0} %, load {:.0} % of a core", self.server, self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_medians_are_found() {
        assert_eq!([1.0, 999.0, 1000.0, 1_234_567.4].map(grouped), ["1", "999", "1,000", "1,234,567"]);
        assert_eq!((median(vec![3, 1, 2]), median(vec![4.0, 1.0])), (2, 1.0));
    }

    #[test]
    fn percentiles_lie_within_the_values() {
        let values: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!((at(&values, 500), at(&values, 990)), (Duration::from_millis(51), Duration::from_millis(100)));
        assert_eq!((at(&values[..1], 990), at(&[], 500)), (Duration::from_millis(1), Duration::ZERO));
    }
}
