//! A Redis server of a test. It ends with this process.

use crate::harness::{folder, signal, tool, until_stopped};
use std::{
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::UnixStream, time::Instant};

const LONG: Duration = Duration::from_secs(30);

/// Returns whether there is a Redis; CI does not accept that there is none.
pub(crate) fn is_installed() -> bool {
    let is_there = tool("redis-server", &["--version"]).is_ok();
    assert!(is_there || std::env::var_os("CI").is_none(), "CI needs redis-server");
    if !is_there {
        eprintln!("skipped: `cargo xtask test` installs redis-server");
    }
    is_there
}

/// A Redis server that keeps nothing on disk. Its standard input keeps it alive.
pub(crate) struct Redis {
    folder: TempDir,
    running: Option<(Child, ChildStdin)>,
    /// Its process id.
    process: u32,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let mut redis = Self { folder: folder(), running: None, process: 0 };
        redis.restart().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Returns where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Starts it, unless it runs. What was in it is gone.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        // The shell stops the server when its standard input closes, which also happens when this process ends.
        let script = "redis-server --port 0 --unixsocket \"$1\" --save '' --appendonly no --dir \"$2\" >/dev/null & \
                      pid=$!; read -r _; kill -KILL $pid; wait $pid";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(self.socket()).arg(self.folder.path());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("sh runs");
        let alive = child.stdin.take().expect("piped");
        let deadline = Instant::now() + LONG;
        while UnixStream::connect(self.socket()).await.is_err() {
            assert!(Instant::now() < deadline, "redis-server does not start");
            // waits for: a server that listens
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.running = Some((child, alive));
        self.process = self.pid().await;
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        if let Some((mut child, alive)) = self.running.take() {
            drop(alive);
            child.wait().expect("the shell ends");
            std::fs::remove_file(self.socket()).expect("its socket is left");
        }
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.process, name);
        if name == "STOP" {
            until_stopped(&self.process.to_string());
        }
    }

    /// Returns its process id.
    async fn pid(&self) -> u32 {
        let info: String = self.run(&["INFO", "server"]).await;
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        pid.and_then(|pid| pid.trim().parse().ok()).expect("it says its process id")
    }

    /// Runs a command.
    pub(crate) async fn run<T: redis::FromRedisValue>(&self, arguments: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it runs");
        let mut command = redis::Cmd::new();
        for argument in arguments {
            command.arg(*argument);
        }
        command.query_async(&mut connection).await.expect("an answer")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
