//! The load generator: starts its own server, loads it over loopback and reports its performance.
//!
//! Invariants: the server is the release binary on a folder of a real disk, with default durability; it runs on the
//! first core and the load on the second, if there are two; every run is bounded in time and number; a message that was
//! acknowledged but not delivered fails the run.
//!
//! Users sign up with passwords that are cheap to check: hashing is not measured. Limits on numbers are raised, since
//! all load comes from one address; all other settings are the defaults.
//!
//! Absent on purpose: load on any other server, and claims. Compare figures of one run only.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are far below 2^53, and are rounded in the end"
)]

mod attacks;
mod backfill;
mod connections;
mod direct_messages;
mod examples;
mod fan_out;
mod files;
mod frames;
mod idle_connections;
mod machine;
mod report;
mod search;
mod server;
mod simulate;
mod startup;
mod texts;
mod users;
mod websocket;

use clap::{Args, Parser, Subcommand};
use machine::Bench;
use report::Row;
use std::{path::PathBuf, process::ExitCode, time::Duration};

type Result<T> = std::result::Result<T, String>;

/// Measures a Parlor server that it starts itself.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    place: Location,
    #[command(subcommand)]
    command: Command,
}

/// The server's binary, and the folder of its data.
#[derive(Debug, Args)]
struct Location {
    /// The server's binary. Without it, `parlor` beside this program, built first when Cargo runs this.
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// A folder on a real disk for data, which is removed at the end. Without it, one beside this program.
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Lets the system choose the cores.
    #[arg(long, global = true)]
    unpinned: bool,
}

/// How long to measure, and how often.
#[derive(Clone, Copy, Debug, Args)]
struct Rounds {
    /// Rounds of each kind; the median is reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of one round, after half a second of warm-up.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    Examples(ExampleArgs),
    /// A simulation of fan-out and of the contention for the clock, without a server.
    Simulate(simulate::SimulateArgs),
    #[command(flatten)]
    Figures(MeasureCommand),
}

/// The example sites with their sockets held by Daphne and by Parlor, as a table of its own.
#[derive(Debug, Args)]
struct ExampleArgs {
    /// A Python that has what examples/requirements.txt and requirements-channels.txt name.
    #[arg(long)]
    python: PathBuf,
    /// The program that starts a site.
    #[arg(long, default_value = "examples/start.py")]
    start: PathBuf,
    /// Pairs of people who write to each other, up to 50.
    #[arg(long, default_value_t = 4)]
    pairs: usize,
    /// Seconds of messages.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Idle sockets, up to 3000.
    #[arg(long, default_value_t = 300)]
    sockets: usize,
}

#[derive(Debug, Subcommand)]
enum MeasureCommand {
    /// Idle sockets, signed in and resumed: memory of each, and how many open per second.
    Idle {
        /// The number of sockets.
        #[arg(long, default_value_t = 10_000)]
        sockets: usize,
    },
    /// Durable direct messages: how many per second, and the latency from send to delivery.
    Pairs {
        #[command(flatten)]
        rounds: Rounds,
        /// Only kinds whose name contains this, such as "window 4" or "with markers".
        #[arg(long, default_value = "")]
        only: String,
    },
    /// One large group: deliveries per second.
    Fanout {
        #[command(flatten)]
        rounds: Rounds,
        /// Connections in the group, each of a different user.
        #[arg(long, default_value_t = 1000)]
        members: usize,
        /// Pending messages; may be given several times.
        #[arg(long = "window", default_values_t = [2, 16])]
        windows: Vec<u64>,
    },
    /// A large upload over HTTP and over the socket: memory, and the latency of messages.
    Files {
        /// The size of the file.
        #[arg(long, default_value_t = 100_000_000)]
        bytes: u64,
        /// Seconds of messages alone.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Time from the start of the binary to its ready line, and its size.
    Start {
        /// Starts; the median is reported.
        #[arg(long, default_value_t = 9)]
        starts: usize,
        /// Also with this many messages in the database.
        #[arg(long, default_value_t = 0)]
        messages: u64,
    },
    /// Search: the latency of a page, the lag of the index, and its cost for senders.
    Search {
        /// Messages in the database.
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        /// Queries of each kind and user.
        #[arg(long, default_value_t = 200)]
        queries: usize,
    },
    /// The initial copy of a host's messages: how many per second, its memory, and the latency of a live send beside it.
    Backfill {
        /// Messages of the host.
        #[arg(long, default_value_t = 100_000)]
        messages: u64,
        /// The URL of an empty database of PostgreSQL for the host. Without it, a file of SQLite.
        #[arg(long)]
        host: Option<String>,
    },
    /// The cost of one hostile user or address, with a bound for each attack; fails if one is exceeded.
    Attacks {
        /// Only attacks whose name contains this.
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
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("parlor-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<String> {
    match cli.command {
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Examples(arguments) => block_on(examples::run(&cli.place.bench()?, &arguments.options())),
        Command::Figures(figures) => {
            let bench = cli.place.bench()?;
            let mut rows = vec![bench.present()?];
            rows.extend(measure(&bench, figures)?);
            rows.push(bench.present()?);
            Ok(report::table(&rows))
        }
    }
}

fn measure(bench: &Bench, command: MeasureCommand) -> Result<Vec<Row>> {
    match command {
        MeasureCommand::Idle { sockets } => block_on(idle_connections::run(bench, sockets)),
        MeasureCommand::Pairs { rounds, only } => {
            block_on(direct_messages::run(bench, rounds.count(), rounds.time(), &only))
        }
        MeasureCommand::Fanout { rounds, members, windows } => {
            block_on(fan_out::run(bench, rounds.count(), rounds.time(), members, &windows))
        }
        MeasureCommand::Files { bytes, seconds } => {
            block_on(files::run(bench, bytes, Duration::from_secs(seconds.clamp(1, 600))))
        }
        MeasureCommand::Start { starts, messages } => block_on(startup::run(bench, starts.max(1), messages)),
        MeasureCommand::Search { messages, queries } => {
            block_on(search::run(bench, messages.clamp(1000, 100_000_000), queries.clamp(1, 100_000)))
        }
        MeasureCommand::Backfill { messages, host } => {
            block_on(backfill::run(bench, messages.clamp(1000, 100_000_000), host))
        }
        MeasureCommand::Attacks { only } => block_on(attacks::run(bench, &only)).map(|()| Vec::new()),
        MeasureCommand::Table { rounds, sockets } => {
            let (count, time) = (rounds.count(), rounds.time());
            let mut rows = block_on(direct_messages::run(bench, count, time, ""))?;
            rows.extend(block_on(fan_out::run(bench, count, time, 1000, &[2, 16]))?);
            rows.extend(block_on(idle_connections::run(bench, sockets))?);
            rows.extend(block_on(startup::run(bench, 9, 0))?);
            Ok(rows)
        }
    }
}

impl Location {
    /// Prepares to measure the server there.
    fn bench(self) -> Result<Bench> {
        let bench = Bench::new(self.server, self.folder, !self.unpinned)?;
        eprintln!("{}: {}", bench.program.display(), bench.description());
        Ok(bench)
    }
}

impl ExampleArgs {
    fn options(self) -> examples::Options {
        examples::Options {
            python: self.python,
            start: self.start,
            pairs: self.pairs.clamp(1, examples::PAIRS_MAX),
            time: Duration::from_secs(self.seconds.clamp(1, 600)),
            sockets: self.sockets.clamp(1, examples::SOCKETS_MAX),
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
