//! The load generator: starts a server of its own, loads it over loopback and says how it bore it.
//!
//! Invariants: the server is the release binary on a folder of a real disk, with durability as it comes; it runs on
//! the first core and the load on the second, where there are two; every run is bounded in time and number; a
//! message that was acknowledged and not delivered ends the run as a failure.
//!
//! Accounts are made by signing up, with passwords that cost nearly nothing to check: hashing is not what is
//! measured. Limits on numbers are raised, since all load comes from one address; nothing else is configured.
//!
//! Absent on purpose: load on any server but one's own, and claims. Compare figures of one run only.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are far below 2^53, and are rounded in the end"
)]

mod attacks;
mod connections;
mod fanout;
mod files;
mod frames;
mod idle;
mod machine;
mod pairs;
mod people;
mod report;
mod search;
mod server;
mod start;
mod wire;
mod words;

use clap::{Args, Parser, Subcommand};
use machine::Bench;
use report::Row;
use std::{path::PathBuf, process::ExitCode, time::Duration};

type Result<T> = std::result::Result<T, String>;

/// Measures a Parlor server of its own.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which server, and where its data goes.
#[derive(Debug, Args)]
struct Place {
    /// The server's binary. Without it, `parlor` beside this program, built first when Cargo runs this.
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// A folder on a real disk for data, which is removed in the end. Without it, one beside this program.
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Lets the system choose the cores.
    #[arg(long, global = true)]
    unpinned: bool,
}

/// How long to measure, and how often.
#[derive(Clone, Copy, Debug, Args)]
struct Rounds {
    /// Rounds of each kind; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of one round, after half a second that does not count.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Idle sockets, signed in and resumed: memory of each, and how many come in a second.
    Idle {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        sockets: usize,
    },
    /// Durable messages between two people: how many a second, and how long from send to delivery.
    Pairs {
        #[command(flatten)]
        rounds: Rounds,
        /// Only kinds whose name has this in it, such as "window 4" or "with markers".
        #[arg(long, default_value = "")]
        only: String,
    },
    /// One large group: deliveries a second.
    Fanout {
        #[command(flatten)]
        rounds: Rounds,
        /// Connections in the group, each of a person of its own.
        #[arg(long, default_value_t = 1000)]
        members: usize,
        /// Messages under way at once; may be given several times.
        #[arg(long = "window", default_values_t = [2, 16])]
        windows: Vec<u64>,
    },
    /// A large file on its way, over HTTP and over the socket: memory, and what messages feel of it.
    Files {
        /// Bytes of the file.
        #[arg(long, default_value_t = 100_000_000)]
        bytes: u64,
        /// Seconds of messages alone.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Time from the start of the binary to its ready line, and its size.
    Start {
        /// Starts; the median is told.
        #[arg(long, default_value_t = 9)]
        starts: usize,
        /// Also with this many messages in the database.
        #[arg(long, default_value_t = 0)]
        messages: u64,
    },
    /// Searching: how long a page takes, how far the index lags, and what it costs those who write.
    Search {
        /// In the database.
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        /// Of each kind and person.
        #[arg(long, default_value_t = 200)]
        queries: usize,
    },
    /// What one hostile person or address can cost, with a bound for each attack; fails when one is passed.
    Attacks {
        /// Only attacks whose name has this in it.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Everything, shortly, as one table.
    Table {
        #[command(flatten)]
        rounds: Rounds,
        /// Idle sockets.
        #[arg(long, default_value_t = 10_000)]
        sockets: usize,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(rows) => {
            print!("{}", report::table(&rows));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("parlor-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<Vec<Row>> {
    let bench = Bench::new(cli.place.server, cli.place.folder, !cli.place.unpinned)?;
    eprintln!("{}: {}", bench.program.display(), bench.description());
    let mut rows = vec![bench.present()?];
    rows.extend(measure(&bench, cli.command)?);
    rows.push(bench.present()?);
    Ok(rows)
}

fn measure(bench: &Bench, command: Command) -> Result<Vec<Row>> {
    match command {
        Command::Idle { sockets } => block_on(idle::run(bench, sockets)),
        Command::Pairs { rounds, only } => block_on(pairs::run(bench, rounds.count(), rounds.time(), &only)),
        Command::Fanout { rounds, members, windows } => {
            block_on(fanout::run(bench, rounds.count(), rounds.time(), members, &windows))
        }
        Command::Files { bytes, seconds } => {
            block_on(files::run(bench, bytes, Duration::from_secs(seconds.clamp(1, 600))))
        }
        Command::Start { starts, messages } => block_on(start::run(bench, starts.max(1), messages)),
        Command::Search { messages, queries } => {
            block_on(search::run(bench, messages.clamp(1000, 100_000_000), queries.clamp(1, 100_000)))
        }
        Command::Attacks { only } => block_on(attacks::run(bench, &only)).map(|()| Vec::new()),
        Command::Table { rounds, sockets } => {
            let (count, time) = (rounds.count(), rounds.time());
            let mut rows = block_on(pairs::run(bench, count, time, ""))?;
            rows.extend(block_on(fanout::run(bench, count, time, 1000, &[2, 16]))?);
            rows.extend(block_on(idle::run(bench, sockets))?);
            rows.extend(block_on(start::run(bench, 9, 0))?);
            Ok(rows)
        }
    }
}

impl Rounds {
    fn count(self) -> usize {
        self.rounds.clamp(1, 100)
    }

    fn time(self) -> Duration {
        Duration::from_secs(self.seconds.clamp(1, 600))
    }
}

/// All load comes from one thread, so that it stays on its core.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
