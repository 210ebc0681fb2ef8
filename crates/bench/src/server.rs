//! A server process: started, measured from the outside, stopped.

use crate::Result;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Changed settings: passwords that are cheap to check, and limits that a single address would reach.
const SETTINGS: [(&str, &str); 15] = [
    ("PARLOR_LOG_FILTER", "warn"),
    ("PARLOR_ACCOUNTS_SIGN_UP", "true"),
    ("PARLOR_WHO_MAY_WRITE", "everyone"),
    ("PARLOR_ACCOUNTS_PASSWORD_MEMORY_KIB", "8"),
    ("PARLOR_ACCOUNTS_PASSWORD_PASSES", "1"),
    ("PARLOR_LIMITS_PASSWORD_CHECKS_MAX", "64"),
    ("PARLOR_LIMITS_ADDRESS_ATTEMPTS_MAX", "1000000"),
    ("PARLOR_LIMITS_ADDRESS_CONNECTIONS_MAX", "1000000"),
    ("PARLOR_LIMITS_USER_CONNECTIONS_MAX", "1000"),
    ("PARLOR_LIMITS_CONNECTIONS_MAX", "1000000"),
    ("PARLOR_LIMITS_FRAMES_PER_SECOND_MAX", "1000000"),
    ("PARLOR_LIMITS_REQUESTS_PER_SECOND_MAX", "1000000"),
    ("PARLOR_LIMITS_OPENINGS_PER_HOUR_MAX", "10000"),
    ("PARLOR_LIMITS_PAGE_ROWS_MAX", "1000"),
    ("PARLOR_LIMITS_GROUP_MEMBERS_MAX", "1000"),
];
/// The timeout of a stop: the grace period and a little more.
const STOPPING: Duration = Duration::from_secs(15);
/// The unit of times in `/proc`: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running server, killed on drop.
pub(crate) struct Server {
    child: Child,
    /// Kept open, so that later output does not fail.
    _output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    /// From its start to its ready line.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts the server and waits for the ready line.
    pub(crate) fn start(mut command: Command, data: &Path, more: &[(&str, &str)]) -> Result<Self> {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PARLOR_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs(SETTINGS)
            .envs(more.iter().copied());
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the server did not start: {error}"))?;
        let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        let read = output.read_line(&mut line);
        let ready_after = started.elapsed();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        match (read, address) {
            (Ok(_), Some(address)) => Ok(Self { child, _output: output, address, ready_after }),
            (read, _) => {
                // It may have ended by itself.
                drop(child.kill());
                drop(child.wait());
                Err(format!("the server did not become ready: {read:?} {line:?}"))
            }
        }
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// Returns the peak of the resident memory since the last reset.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// Resets the peak.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(&path, "5").map_err(|error| format!("{path}: {error}"))
    }

    fn memory(&self, name: &str) -> Result<u64> {
        memory(&self.child.id().to_string(), name)
    }

    /// Returns the CPU time so far.
    pub(crate) fn busy(&self) -> Duration {
        busy(&self.child.id().to_string())
    }

    /// Stops the server and waits for its exit.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err("the server could not be signalled".to_owned());
        }
        let deadline = Instant::now() + STOPPING;
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the server ended with {status}")),
                None if Instant::now() > deadline => return Err("the server did not stop".to_owned()),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a line of the status of a process that is a number of kibibytes, in bytes.
pub(crate) fn memory(process: &str, name: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.ok_or("the system does not tell the memory of a process")? * 1024)
}

/// Returns the CPU time of a process, or of `self`.
pub(crate) fn busy(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}
