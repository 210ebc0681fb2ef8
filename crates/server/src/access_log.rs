//! The access log: a line for each request, and for the beginning and the end of each socket.
//!
//! Invariants: nobody waits for the disk: a thread writes the lines; those that find its queue full, and those that the
//! disk refuses, are dropped and counted; no line contains the query of a URL, a header or a body, or a character that
//! a terminal would act on; addresses are shortened unless the operator wants them whole.

mod writer;

use crate::{
    address::network_for_logs,
    config::{LogAddresses, LogConfig, LogFormat},
    environment::{Environment, rfc3339},
    metrics::Metrics,
};
use parlor_protocol::close::Close;
use serde_json::{Map, Value, json};
use std::{
    fmt::Write as _,
    io,
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use writer::{LineWriter, LogOutput, check_file};

/// Lines that wait for the disk.
const QUEUE_LINES: usize = 8192;
/// Bytes of a path in a line; the rest is cut off.
const PATH_BYTES_MAX: usize = 512;
/// How often room in a full queue is looked for at the end.
const END_INTERVAL: Duration = Duration::from_millis(10);

/// Where lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog {
    shared: Arc<LogContext>,
}

#[derive(Debug)]
struct LogContext {
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
    /// Ends the thread, and says that everything before is written.
    End(oneshot::Sender<()>),
}

/// A request, from which its line is made when its answer has been sent.
#[derive(Debug)]
pub(crate) struct RequestEntry {
    visit: LoggedVisit,
    method: &'static str,
    status: u16,
    bytes: u64,
    started: Instant,
}

/// A socket, from which its line is made when it ends.
#[derive(Debug)]
pub(crate) struct SocketEntry {
    visit: LoggedVisit,
    reason: Option<String>,
    opened: Instant,
}

/// The path of a request as the client asked for it, where it was changed on the way.
#[derive(Clone, Debug)]
pub(crate) struct AskedPath(pub(crate) String);

/// What the lines of a request and of its socket have in common.
#[derive(Clone, Debug)]
pub(crate) struct LoggedVisit {
    log: AccessLog,
    id: String,
    path: String,
    address: IpAddr,
}

impl LoggedVisit {
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
            LogAddresses::Network => Some(network_for_logs(self.address)),
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
    /// The file cannot be opened, or is not a regular file: a pipe that nobody reads would stop the start.
    pub fn open(config: &LogConfig, environment: &Environment, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        let output = match config.access.as_str() {
            "" | "off" => return Ok(None),
            "on" => LogOutput::Standard,
            path => LogOutput::file(Path::new(path)).map_err(|error| named(path, &error))?,
        };
        Self::writing_to(output, config, environment, metrics).map(Some)
    }

    /// Checks that the log can be opened, and makes no file.
    ///
    /// # Errors
    /// See [`AccessLog::open`].
    pub fn check(config: &LogConfig) -> io::Result<()> {
        match config.access.as_str() {
            "" | "off" | "on" => Ok(()),
            path => check_file(Path::new(path)).map_err(|error| named(path, &error)),
        }
    }

    fn writing_to(
        output: LogOutput,
        config: &LogConfig,
        environment: &Environment,
        metrics: &Arc<Metrics>,
    ) -> io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE_LINES);
        let mut writer = LineWriter::new(output, metrics.clone());
        thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&entries))?;
        let (environment, metrics) = (environment.clone(), metrics.clone());
        let shared = LogContext { queue, format: config.format, addresses: config.addresses, environment, metrics };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Ends the log when everything so far is written, or could not be. Later lines are dropped and counted.
    pub(crate) async fn end(&self) {
        let (answer, answered) = oneshot::channel();
        let mut entry = Entry::End(answer);
        while let Err(TrySendError::Full(back)) = self.shared.queue.try_send(entry) {
            entry = back;
            tokio::time::sleep(END_INTERVAL).await;
        }
        // A thread that has ended writes nothing more.
        _ = answered.await;
    }

    /// Describes a request: its id, its path without the query, and the client's address.
    pub(crate) fn visit(&self, id: &str, path: &str, address: IpAddr) -> LoggedVisit {
        let path = escaped(&path.as_bytes()[..path.len().min(PATH_BYTES_MAX)]);
        LoggedVisit { log: self.clone(), id: id.to_owned(), path, address }
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
    pub(crate) fn handed_over(&mut self) {
        self.reason = Some("held".to_owned());
    }

    /// Notes that the server closed it, with a code of its own protocol or a reason of another one.
    pub(crate) fn closed(&mut self, code: u16, reason: &str) {
        let known = Close::ALL.iter().find(|close| close.code() == code).map(|close| close.name());
        self.reason = Some(escaped(known.unwrap_or(reason).as_bytes()));
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

/// Writes everything but visible ASCII as a URL does, so that a line stays one line of plain text.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        if byte.is_ascii_graphic() {
            text.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("log.access = {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::{
        fs::{self, File, OpenOptions},
        net::Ipv4Addr,
        path::PathBuf,
    };

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
    async fn everything_is_written_when_the_log_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let (log, _) = open(&[("log.access", path.to_str().expect("text"))]);
        for _ in 0..1000 {
            drop(log.visit("id", "/", Ipv4Addr::LOCALHOST.into()).request("GET", Instant::now()));
        }
        log.end().await;
        assert_eq!(fs::read_to_string(&path).expect("the file").lines().count(), 1000);
    }

    fn pipe(folder: &Path) -> PathBuf {
        let path = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        path
    }

    fn write_to(file: File) -> (AccessLog, Arc<Metrics>) {
        let (config, metrics) = (Config::default().log, Arc::new(Metrics::new()));
        // It is not followed.
        let output = LogOutput::File { path: "/".into(), file, identity: (0, 0), checked: Some(Instant::now()) };
        let log = AccessLog::writing_to(output, &config, &Environment::new(|| 0, |_| {}), &metrics);
        (log.expect("a thread"), metrics)
    }

    #[test]
    fn lines_that_the_disk_does_not_take_are_dropped_and_counted_and_nobody_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody reads the pipe, which is full after 64 KiB, like a disk that hangs.
        let pipe = OpenOptions::new().read(true).write(true).open(pipe(folder.path())).expect("opened");
        let (log, metrics) = write_to(pipe);
        let visit = log.visit("id", &"/x".repeat(4096), Ipv4Addr::LOCALHOST.into());
        for _ in 0..2 * QUEUE_LINES {
            drop(visit.clone().request("GET", Instant::now()));
        }
        assert!(metrics.access_lines_dropped.get() > 0);
    }

    #[tokio::test]
    async fn lines_that_a_full_disk_refuses_are_counted() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let (log, metrics) = write_to(full);
        for _ in 0..10 {
            drop(log.visit("id", "/", Ipv4Addr::LOCALHOST.into()).request("GET", Instant::now()));
        }
        log.end().await;
        assert_eq!(metrics.access_lines_dropped.get(), 10);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_an_error_before_the_start_and_no_file_is_made_for_the_check() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        pipe(folder.path());
        let config = |path: &str| Config::with(&[("log.access", path)]).expect("right").log;
        let environment = Environment::new(|| 0, |_| {});
        for (wrong, why) in [(at("pipe"), "regular file"), (at(""), "regular file"), (at("no/access.log"), "No such")] {
            let config = config(&wrong);
            let opened = AccessLog::open(&config, &environment, &Arc::new(Metrics::new())).map(drop);
            for refused in [AccessLog::check(&config), opened] {
                let refused = refused.expect_err(&wrong).to_string();
                assert!(refused.contains("log.access") && refused.contains(why), "{refused}");
            }
        }
        let right = at("access.log");
        AccessLog::check(&config(&right)).expect("it can be made");
        assert!(!Path::new(&right).exists());
        fs::write(&right, "old\n").expect("a file");
        AccessLog::check(&config(&right)).expect("it can be written");
        assert_eq!(fs::read_to_string(&right).expect("a file"), "old\n");
    }

    #[tokio::test]
    async fn what_a_terminal_would_act_on_or_show_as_something_else_is_written_as_in_a_url() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let (log, _) = open(&[("log.access", path.to_str().expect("text"))]);
        let visit = log.visit("id", "/\u{9b}31m\u{202e}é\u{7f}", Ipv4Addr::LOCALHOST.into());
        visit.socket().closed(1008, "not today\nid");
        log.end().await;
        let text = fs::read_to_string(&path).expect("the file");
        let shown = "id 127.0.0.0 /%C2%9B31m%E2%80%AE%C3%A9%7F";
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.contains(shown)), "{text}");
        assert!(text.contains(" reason=not%20today%0Aid ms="), "{text}");
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
