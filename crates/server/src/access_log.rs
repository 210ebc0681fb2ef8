//! The access log: a line for each request, and for the beginning and the end of each socket.
//!
//! Invariants: nobody waits for the disk: a thread writes the lines, and those that find its queue full are dropped and
//! counted; no line contains the query of a URL, a header or a body; addresses are shortened unless the operator wants
//! them whole.

use crate::{
    address::shortened,
    config::{LogAddresses, LogConfig, LogFormat},
    environment::{Environment, rfc3339},
    metrics::Metrics,
};
use parlor_protocol::close::Close;
use serde_json::{Map, Value, json};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    iter,
    net::IpAddr,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Lines that wait for the disk.
const QUEUE_LINES: usize = 8192;
/// Bytes of a path in a line; the rest is cut off.
const PATH_BYTES_MAX: usize = 512;
/// How often a file is looked for that was moved away.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// Where lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: SyncSender<Entry>,
    format: LogFormat,
    addresses: LogAddresses,
    environment: Environment,
    metrics: Arc<Metrics>,
}

/// What the thread does next.
#[derive(Debug)]
enum Entry {
    Line(String),
    /// Says that everything before is written.
    Answer(oneshot::Sender<()>),
}

/// A request, from which its line is made when its answer has been sent.
#[derive(Debug)]
pub(crate) struct RequestEntry {
    visit: Visit,
    method: &'static str,
    status: u16,
    bytes: u64,
    started: Instant,
}

/// A socket, from which its line is made when it ends.
#[derive(Debug)]
pub(crate) struct SocketEntry {
    visit: Visit,
    reason: Option<String>,
    opened: Instant,
}

/// The path of a request as the client asked for it, where it was changed on the way.
#[derive(Clone, Debug)]
pub(crate) struct AskedPath(pub(crate) String);

/// What the lines of a request and of its socket have in common.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    log: AccessLog,
    id: String,
    path: String,
    address: IpAddr,
}

impl Visit {
    /// Begins the line of a request, which is written when the entry is dropped.
    pub(crate) fn request(self, method: &'static str, started: Instant) -> RequestEntry {
        RequestEntry { visit: self, method, status: 0, bytes: 0, started }
    }

    /// Writes that a socket was opened. The other line is written when the entry is dropped.
    pub(crate) fn socket(self) -> SocketEntry {
        self.line("open", &[]);
        SocketEntry { visit: self, reason: None, opened: Instant::now() }
    }

    fn line(&self, event: &'static str, fields: &[(&'static str, Value)]) {
        let shared = &self.log.shared;
        let address = match shared.addresses {
            LogAddresses::None => None,
            LogAddresses::Network => Some(shortened(self.address)),
            LogAddresses::Full => Some(self.address.to_canonical()),
        };
        let address = address.map(|address| address.to_string());
        let time = rfc3339(shared.environment.now_ms());
        let line = match shared.format {
            LogFormat::Json => {
                let fixed = [
                    ("time", json!(time)),
                    ("event", json!(event)),
                    ("id", json!(self.id)),
                    ("address", json!(address)),
                    ("path", json!(self.path)),
                ];
                let fields = fixed.into_iter().chain(fields.iter().cloned());
                Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()).to_string()
            }
            LogFormat::Text => {
                let fields = fields.iter().map(|(name, value)| {
                    format!(" {name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                });
                let address = address.as_deref().unwrap_or("-");
                format!("{time} {event} {} {address} {}{}", self.id, self.path, fields.collect::<String>())
            }
        };
        if shared.queue.try_send(Entry::Line(line)).is_err() {
            shared.metrics.access_lines_dropped.inc();
        }
    }
}

impl AccessLog {
    /// Opens the log, if there is to be one.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(config: &LogConfig, environment: &Environment, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        let mut output = match config.access.as_str() {
            "" | "off" => return Ok(None),
            "on" => Output::Standard,
            path => Output::file(Path::new(path))?,
        };
        let (queue, entries) = sync_channel(QUEUE_LINES);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&entries, &mut output))?;
        let (environment, metrics) = (environment.clone(), metrics.clone());
        let shared = Shared { queue, format: config.format, addresses: config.addresses, environment, metrics };
        Ok(Some(Self { shared: Arc::new(shared) }))
    }

    /// Waits until everything so far is written, or could not be.
    pub(crate) async fn written(&self) {
        let (answer, answered) = oneshot::channel();
        if self.shared.queue.try_send(Entry::Answer(answer)).is_ok() {
            // A thread that has ended writes nothing more.
            _ = answered.await;
        }
    }

    /// Describes a request: its id, its path without the query, and the client's address.
    pub(crate) fn visit(&self, id: &str, path: &str, address: IpAddr) -> Visit {
        let path = String::from_utf8_lossy(&path.as_bytes()[..path.len().min(PATH_BYTES_MAX)]).into_owned();
        Visit { log: self.clone(), id: id.to_owned(), path, address }
    }
}

impl RequestEntry {
    /// Notes the status of the answer.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// Notes bytes of the body that were passed to the connection.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for RequestEntry {
    fn drop(&mut self) {
        let fields = [
            ("method", json!(self.method)),
            ("status", json!(self.status)),
            ("bytes", json!(self.bytes)),
            ("ms", json!(milliseconds(self.started))),
        ];
        self.visit.line("request", &fields);
    }
}

impl SocketEntry {
    /// Notes that the client closed the socket.
    pub(crate) fn closed_by_client(&mut self, code: Option<u16>) {
        self.reason = Some(code.map_or_else(|| "client".to_owned(), |code| format!("client:{code}")));
    }

    /// Notes that it stays open and the program that takes this one's place serves it.
    pub(crate) fn held(&mut self) {
        self.reason = Some("held".to_owned());
    }

    /// Notes that the server closed it, with a code of its own protocol or a reason of another one.
    pub(crate) fn closed(&mut self, code: u16, reason: &str) {
        let known = Close::ALL.iter().find(|close| close.code() == code).map(|close| close.name());
        self.reason = Some(known.unwrap_or(reason).to_owned());
    }
}

impl Drop for SocketEntry {
    fn drop(&mut self) {
        let reason = self.reason.take().unwrap_or_else(|| "gone".to_owned());
        self.visit.line("close", &[("reason", json!(reason)), ("ms", json!(milliseconds(self.opened)))]);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Where the thread writes.
enum Output {
    Standard,
    File { path: PathBuf, file: BufWriter<File>, identity: (u64, u64), checked: Option<Instant> },
}

impl Output {
    fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
        let found = file.metadata()?;
        let identity = (found.dev(), found.ino());
        Ok(Self::File { path: path.to_owned(), file: BufWriter::new(file), identity, checked: None })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Standard => writeln!(io::stdout().lock(), "{line}"),
            Self::File { file, .. } => writeln!(file, "{line}"),
        }
    }

    /// Passes everything on, and opens the file again if it was moved away.
    fn flush(&mut self) -> io::Result<()> {
        let Self::File { path, file, identity, checked } = self else { return Ok(()) };
        file.flush()?;
        if checked.is_some_and(|checked| checked.elapsed() < REOPEN_INTERVAL) {
            return Ok(());
        }
        let is_same = std::fs::metadata(&*path).is_ok_and(|found| (found.dev(), found.ino()) == *identity);
        if !is_same {
            *self = Self::file(&path.clone())?;
        }
        if let Self::File { checked, .. } = self {
            *checked = Some(Instant::now());
        }
        Ok(())
    }
}

/// Writes lines until nobody can send any more.
fn write(queue: &Receiver<Entry>, output: &mut Output) {
    let mut is_failing = false;
    while let Ok(first) = queue.recv() {
        // A file that was moved away is noticed before its successor's first line.
        let mut written = output.flush();
        let mut answers = Vec::new();
        for entry in iter::once(first).chain(queue.try_iter()) {
            match entry {
                Entry::Line(line) => written = written.and_then(|()| output.write(&line)),
                Entry::Answer(answer) => answers.push(answer),
            }
        }
        written = written.and_then(|()| output.flush());
        for answer in answers {
            // Nobody may wait any more.
            _ = answer.send(());
        }
        match written {
            Ok(()) => is_failing = false,
            Err(error) if !is_failing => {
                tracing::warn!(%error, "The access log cannot be written");
                is_failing = true;
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::{fs, net::Ipv4Addr};

    fn open(settings: &[(&'static str, &str)]) -> (AccessLog, Arc<Metrics>) {
        let config = Config::with(settings).expect("right").log;
        let metrics = Arc::new(Metrics::new());
        let log = AccessLog::open(&config, &Environment::new(|| 0, |_| {}), &metrics).expect("opened");
        (log.expect("it is on"), metrics)
    }

    fn wait_for(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !what() {
            assert!(Instant::now() < deadline, "it never came");
            thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let (log, _) = open(&[("log.access", path.to_str().expect("text")), ("log.addresses", "full")]);
        let ask = |name: &str| drop(log.visit("id", name, Ipv4Addr::LOCALHOST.into()).request("GET", Instant::now()));
        ask("/first");
        wait_for(|| fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
        fs::rename(&path, &moved).expect("moved");
        // Lines of the first second may still come to the old file.
        wait_for(|| {
            ask("/later");
            fs::read_to_string(&path).is_ok_and(|text| text.contains("/later"))
        });
        let first = fs::read_to_string(moved).expect("the old file");
        let line = "1970-01-01T00:00:00.000Z request id 127.0.0.1 /first method=GET status=0 bytes=0 ms=";
        assert!(first.starts_with(line), "{first}");
    }

    #[tokio::test]
    async fn everything_is_written_when_the_log_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let (log, _) = open(&[("log.access", path.to_str().expect("text"))]);
        for _ in 0..1000 {
            drop(log.visit("id", "/", Ipv4Addr::LOCALHOST.into()).request("GET", Instant::now()));
        }
        log.written().await;
        assert_eq!(fs::read_to_string(&path).expect("the file").lines().count(), 1000);
    }

    #[test]
    fn lines_that_the_disk_does_not_take_are_dropped_and_counted_and_nobody_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        // Nobody reads the pipe, which is full after 64 KiB, like a disk that hangs.
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let _reader = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
        let (log, metrics) = open(&[("log.access", path.to_str().expect("text"))]);
        let visit = log.visit("id", &"/x".repeat(4096), Ipv4Addr::LOCALHOST.into());
        for _ in 0..2 * QUEUE_LINES {
            drop(visit.clone().request("GET", Instant::now()));
        }
        assert!(metrics.access_lines_dropped.get() > 0);
    }

    #[test]
    fn addresses_are_shortened_unless_they_are_wanted_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        for (addresses, expected) in [("network", "192.0.2.0"), ("full", "192.0.2.7"), ("none", "null")] {
            let path = folder.path().join(addresses);
            let settings = [("log.access", path.to_str().expect("text")), ("log.addresses", addresses)];
            let (log, _) = open(&[settings[0], settings[1], ("log.format", "json")]);
            log.visit("id", "/ws", [192, 0, 2, 7].into()).socket().closed(4002, "");
            wait_for(|| fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 2));
            let text = fs::read_to_string(&path).expect("the file");
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!(lines[0]["address"].as_str().unwrap_or("null"), expected);
            assert_eq!((&lines[1]["event"], &lines[1]["reason"]), (&json!("close"), &json!("silent")));
        }
    }
}
