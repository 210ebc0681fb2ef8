//! The other side of the bridge: a process with Django, channels and channels-redis. It ends with this process.

use crate::redis::Redis;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

const LONG: Duration = Duration::from_secs(30);

/// Returns the interpreter that has channels and channels-redis; `None` without it, which CI does not accept.
pub(crate) fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target directory");
    let python = target.join("channels/bin/python");
    if !python.is_file() {
        assert!(std::env::var_os("CI").is_none(), "CI needs {}", python.display());
        eprintln!("skipped: `cargo xtask test` installs channels-redis");
        return None;
    }
    crate::redis::is_installed().then_some(python)
}

/// How a site uses the layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) serializer: &'static str,
    pub(crate) keys: &'static [&'static str],
}

impl Layer {
    pub(crate) const CORE: Self = Self { name: "core", prefix: "asgi", serializer: "msgpack", keys: &[] };
    pub(crate) const PUBSUB: Self = Self { name: "pubsub", ..Self::CORE };

    fn class(self) -> &'static str {
        match self.name {
            "core" => "channels_redis.core.RedisChannelLayer",
            _ => "channels_redis.pubsub.RedisPubSubChannelLayer",
        }
    }
}

/// A process of a site. It ends when its standard input closes.
pub(crate) struct Django {
    child: Child,
    commands: ChildStdin,
    answers: mpsc::UnboundedReceiver<String>,
    received: Vec<Value>,
}

impl Drop for Django {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Django {
    pub(crate) async fn start(python: &Path, redis: &Redis, layer: Layer) -> Self {
        Self::start_with(python, &redis.url(), layer).await
    }

    /// Starts with several servers, whose URLs are separated by commas.
    pub(crate) async fn start_with(python: &Path, urls: &str, layer: Layer) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/bridge/consumers.py");
        let mut command = Command::new(python);
        command.args([script, layer.class(), urls, layer.prefix, layer.serializer]).args(layer.keys);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("Python runs");
        let commands = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, answers) = mpsc::unbounded_channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut django = Self { child, commands, answers, received: Vec::new() };
        let ready = django.next_answer().await;
        assert_eq!(ready, json!({"ready": true}));
        django
    }

    async fn next_answer(&mut self) -> Value {
        let line = timeout(LONG, self.answers.recv()).await.expect("in time").expect("it runs");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Runs a command, and returns whether it succeeded.
    pub(crate) async fn try_run(&mut self, command: &Value) -> bool {
        writeln!(self.commands, "{command}").expect("it runs");
        loop {
            let answer = self.next_answer().await;
            match answer.get("received") {
                Some(received) => self.received.push(received.clone()),
                None => return answer.get("done").is_some(),
            }
        }
    }

    /// `group_send`, for each message.
    pub(crate) async fn group_send(&mut self, group: &str, messages: &[Value]) {
        assert!(self.try_run(&json!({"do": "group_send", "group": group, "messages": messages})).await);
    }

    /// Opens a consumer in a group.
    pub(crate) async fn consume(&mut self, group: &str) {
        assert!(self.try_run(&json!({"do": "consume", "group": group})).await);
    }

    /// Returns the next event of a consumer.
    pub(crate) async fn received(&mut self) -> Value {
        if !self.received.is_empty() {
            return self.received.remove(0);
        }
        let answer = self.next_answer().await;
        answer.get("received").cloned().unwrap_or_else(|| panic!("{answer}"))
    }
}
