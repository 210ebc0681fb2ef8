//! The environment of the measurement: the binary, the disk, the cores, the file descriptors.

use crate::{
    Result,
    report::{self, Row},
    server::Server,
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

/// How often the disk is probed.
const WRITES: usize = 200;

/// The environment shared by all runs of a call.
pub(crate) struct Bench {
    pub(crate) program: PathBuf,
    is_pinned: bool,
    folder: TempDir,
    file_system: String,
}

impl Bench {
    /// Finds or builds the server, creates the folder and pins this program to its core.
    pub(crate) fn new(program: Option<PathBuf>, folder: Option<PathBuf>, wants_pinning: bool) -> Result<Self> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let beside = own.parent().ok_or("this program is in no folder")?.to_owned();
        let program = match program {
            Some(program) => program,
            None => built(beside.join("parlor"))?,
        };
        if !program.is_file() {
            return Err(format!("{} is not there: cargo build --release builds it", program.display()));
        }
        let parent = folder.unwrap_or(beside);
        let folder = tempfile::Builder::new().prefix("bench-data-").tempdir_in(&parent);
        let folder = folder.map_err(|error| format!("{}: {error}", parent.display()))?;
        let file_system = file_system(folder.path());
        if ["tmpfs", "ramfs"].contains(&file_system.as_str()) {
            return Err(format!("{} is in memory; name a folder of a disk with --folder", parent.display()));
        }
        let is_pinned = wants_pinning && pin_to_second_core();
        Ok(Self { program, is_pinned, folder, file_system })
    }

    /// Describes the setup in one line.
    pub(crate) fn description(&self) -> String {
        let cores = if self.is_pinned { "server on core 0, load on core 1" } else { "cores as the system chooses" };
        format!("data on {}, {cores}", self.file_system)
    }

    /// Measures the machine as it is now, possibly shared: the time to fsync 16 KiB, and the number of processes
    /// waiting for a core.
    pub(crate) fn present(&self) -> Result<Row> {
        let failed = |error: std::io::Error| format!("the disk could not be tried: {error}");
        let mut file = tempfile::tempfile_in(self.folder.path()).map_err(failed)?;
        let mut times = Vec::new();
        for _ in 0..WRITES {
            let began = Instant::now();
            file.write_all(&[1; 16 * 1024]).and_then(|()| file.sync_data()).map_err(failed)?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?");
        Ok(Row {
            figure: "the machine meanwhile: 16 KiB appended and synced, p50 / p99 ms".to_owned(),
            wanted: ["", ""],
            measured: format!("{} / {}", report::ms(report::at(&times, 500)), report::ms(report::at(&times, 990))),
            detail: format!("{}; load average {load}", self.description()),
        })
    }

    /// Creates a data folder for a server.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's command, pinned to its core.
    pub(crate) fn command(&self) -> Command {
        if !self.is_pinned {
            return Command::new(&self.program);
        }
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(&self.program);
        command
    }

    /// The server's command on all cores, for a part that runs while nothing else does.
    pub(crate) fn on_all_cores(&self) -> Command {
        if !self.is_pinned {
            return Command::new(&self.program);
        }
        let mut command = Command::new("taskset");
        let last = std::thread::available_parallelism().map_or(1, usize::from).max(2) - 1;
        command.args(["--cpu-list", &format!("0-{last}")]).arg(&self.program);
        command
    }

    /// Starts a server on a folder.
    pub(crate) fn serve(&self, data: &Path) -> Result<Server> {
        self.serve_with(data, &[])
    }

    /// Starts a server with more settings.
    pub(crate) fn serve_with(&self, data: &Path, settings: &[(&str, &str)]) -> Result<Server> {
        Server::start(self.command(), data, settings)
    }
}

/// Lets cargo check that the binary is up to date.
fn built(program: PathBuf) -> Result<PathBuf> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(program) };
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--package", "parlor", "--bin", "parlor"]).stdout(Stdio::null());
    match build.status() {
        Ok(status) if status.success() => Ok(program),
        Ok(status) => Err(format!("the server could not be built: {status}")),
        Err(error) => Err(format!("the server could not be built: {error}")),
    }
}

/// Pins this program, which is still single-threaded, to the second core.
fn pin_to_second_core() -> bool {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return false;
    }
    let own = std::process::id().to_string();
    let mut pin = Command::new("taskset");
    pin.args(["--cpu-list", "--pid", "1", &own]).stdout(Stdio::null()).stderr(Stdio::null());
    pin.status().is_ok_and(|status| status.success())
}

/// The file system type of a folder.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    holding.map_or_else(|| "an unknown file system".to_owned(), |(_, kind)| kind.to_owned())
}

/// Checks that enough files can be open; the server inherits the limit.
pub(crate) fn check_open_files(wanted: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    match soft {
        Some(soft) if soft < wanted + 200 => {
            Err(format!("{wanted} connections need more open files than {soft}: ulimit -n {}", wanted + 200))
        }
        _ => Ok(()),
    }
}
