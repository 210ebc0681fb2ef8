//! A site of `examples/`, started by `start.py`, and its people.

use super::Start;
use crate::{Result, server};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Until an answer over HTTP is there.
const ANSWERING: Duration = Duration::from_secs(30);
/// The shell stops what it started when its standard input closes, which also happens when this process ends.
const UNTIL_CLOSED: &str = "exec 3<&0; \"$@\" & pid=$!; (read -r _ <&3; kill -TERM $pid) >/dev/null 2>&1 & wait $pid";
/// Limits of Parlor that the load of one address and few people would reach.
const SETTINGS: [&str; 4] = [
    "limits.address_connections_max=1000000",
    "limits.user_connections_max=100000",
    "limits.frames_per_second_max=1000000",
    "limits.requests_per_second_max=1000000",
];

/// A process that ends with this one.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Running {
    fn start(command: &[String]) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_CLOSED, "sh"]).args(command);
        let child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("sh: {error}"))?;
        Ok(Self { input: child.stdin.take(), child })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has ended, or the shell ends it.
        drop(self.child.wait());
    }
}

/// A Redis server that keeps nothing on disk.
pub(super) struct Redis {
    socket: PathBuf,
    _running: Running,
}

impl Redis {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let socket = folder.join("redis.sock");
        let name = socket.display().to_string();
        let flags = ["redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", &name];
        let running = Running::start(&flags.map(str::to_owned))?;
        for _ in 0..1000 {
            if socket.exists() {
                return Ok(Self { socket, _running: running });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("redis-server did not start".to_owned())
    }

    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// A running site.
pub(super) struct RunningSite {
    _running: Running,
    /// Where sockets are opened.
    pub(super) sockets: SocketAddr,
    django: SocketAddr,
    /// The process that holds the sockets.
    pid: u64,
    ids: Value,
    has_rooms: bool,
}

/// A person who is signed in.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) id: i64,
    pub(super) host: String,
    pub(super) cookie: String,
}

impl RunningSite {
    pub(super) fn start(start: &Start<'_>) -> Result<Self> {
        let Start { options, site, realtime, part, redis, parlor, folder } = start;
        let path = |path: &Path| path.display().to_string();
        let people = (options.pairs * 2).to_string();
        let (parlor, folder, realtime): (String, String, &str) = (path(parlor), path(folder), realtime);
        let mut command = vec![path(&options.python), path(&options.start), (*site).to_owned()];
        let flags = ["--json", "--realtime", realtime, "--people", &people, "--parlor", &parlor, "--folder", &folder];
        command.extend(flags.map(str::to_owned));
        command.extend(SETTINGS.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]));
        command.extend(redis.iter().flat_map(|url| ["--redis".to_owned(), url.clone()]));
        let mut running = Running::start(&command)?;
        let mut line = String::new();
        let output = running.child.stdout.take().ok_or("the site has no output")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let started: Value = serde_json::from_str(&line).map_err(|_| format!("{site} did not start: {line}"))?;
        let port = |part: &str| {
            let port = started["ports"][part].as_u64().and_then(|port| u16::try_from(port).ok());
            port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok_or("start.py names no port")
        };
        Ok(Self {
            sockets: port(part)?,
            django: port("django")?,
            pid: started["pids"][*part].as_u64().ok_or("start.py names no process")?,
            ids: started["people"].clone(),
            has_rooms: realtime == "channels",
            _running: running,
        })
    }

    /// Signs people in.
    pub(super) async fn people(&self, count: usize) -> Result<Vec<Person>> {
        let mut people = Vec::new();
        for number in 1..=count {
            let name = format!("person{number}");
            let host = format!("{name}.localhost:{}", self.sockets.port());
            let id = self.ids[&name].as_i64().ok_or("start.py names no such person")?;
            let path = format!("/sign-in-as/{name}/");
            let answer = self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await?;
            let cookie = answer.split("sessionid=").nth(1).and_then(|rest| rest.split(';').next());
            let cookie = cookie.ok_or("a person could not sign in")?;
            people.push(Person { name, id, host, cookie: format!("sessionid={cookie}") });
        }
        Ok(people)
    }

    /// Sends a form of a person to Django.
    pub(super) async fn post(&self, person: &Person, path: &str, form: &str) -> Result<()> {
        let token = "a".repeat(32);
        let body = format!("csrfmiddlewaretoken={token}&{form}");
        let Person { host, cookie, .. } = person;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}; csrftoken={token}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n\
             {body}"
        );
        let answer = self.ask(&request).await?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if status.starts_with(['2', '3']) { Ok(()) } else { Err(format!("the form was answered {status}")) }
    }

    async fn ask(&self, request: &str) -> Result<String> {
        let asking = async {
            let mut stream = TcpStream::connect(self.django).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(ANSWERING, asking).await.map_err(|_| "the site does not answer".to_owned())?;
        answer.map_err(|error: std::io::Error| format!("the site: {error}"))
    }

    /// Whether a message is heard only by those who opened the same path.
    pub(super) const fn has_rooms(&self) -> bool {
        self.has_rooms
    }

    /// The CPU time of the process that holds the sockets.
    pub(super) fn busy(&self) -> Duration {
        server::busy(&self.pid.to_string())
    }

    /// Its resident memory in bytes.
    pub(super) fn resident_bytes(&self) -> Result<u64> {
        server::memory(&self.pid.to_string(), "VmRSS:")
    }
}
