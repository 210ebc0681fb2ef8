//! A connection to one Redis server: made when it is first needed, dropped at the first error, and never waited for
//! longer than its timeouts.

use super::commands::Arguments;
use crate::environment::Environment;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::sleep;
use tracing::{info, warn};

/// The timeout of a connection, and of an answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest and the longest pause between two attempts.
const PAUSE_MIN_MS: u64 = 100;
const PAUSE_MAX_MS: u64 = 5000;

/// See the module documentation.
pub(super) struct RedisServer {
    client: Client,
    connection: Option<MultiplexedConnection>,
    timeout: Duration,
}

impl RedisServer {
    /// `timeout` is that of an answer.
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, connection: None, timeout }
    }

    /// Sends commands together and returns their answers.
    ///
    /// # Errors
    /// The server does not answer in time, or refuses a command. The next call makes a new connection.
    pub(super) async fn run(&mut self, commands: &[Arguments]) -> RedisResult<Vec<Value>> {
        let mut pipeline = redis::pipe();
        for command in commands {
            pipeline.add_command(cmd(command));
        }
        let mut connection = self.connect().await?;
        // Put back on success only: an error, and a call that is cancelled, leave no connection with open answers.
        let answers = pipeline.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(answers)
    }

    async fn connect(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(Some(TIMEOUT)).set_response_timeout(Some(self.timeout));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn cmd(arguments: &Arguments) -> Cmd {
    let mut cmd = Cmd::new();
    for argument in arguments {
        cmd.arg(argument);
    }
    cmd
}

/// Whether a server answers. Logs the beginning and the end of an outage, once each.
#[derive(Debug)]
pub(super) struct Outage {
    /// The position of the server in the configuration, from 1.
    server: usize,
    is_out: AtomicBool,
}

impl Outage {
    pub(super) fn new(server: usize) -> Self {
        Self { server, is_out: AtomicBool::new(false) }
    }

    pub(super) fn begin(&self, cause: &RedisError) {
        if !self.is_out.swap(true, Ordering::Relaxed) {
            warn!(server = self.server, %cause, "the Redis of the bridge is not available");
        }
    }

    pub(super) fn end(&self) {
        if self.is_out.swap(false, Ordering::Relaxed) {
            info!(server = self.server, "the Redis of the bridge is available again");
        }
    }
}

/// Pauses that grow until something works, so that servers that come back are not overrun.
#[derive(Debug)]
pub(super) struct Backoff {
    next_ms: u64,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next_ms: PAUSE_MIN_MS }
    }

    pub(super) fn reset(&mut self) {
        self.next_ms = PAUSE_MIN_MS;
    }

    pub(super) async fn pause(&mut self, environment: &Environment) {
        let pause_ms = self.next_ms / 2 + environment.jitter(self.next_ms / 2);
        self.next_ms = (self.next_ms * 2).min(PAUSE_MAX_MS);
        sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// Returns the texts and bytes of an answer, however they are nested: the members of a sorted set come flat or in
/// pairs, depending on the version of the protocol.
pub(super) fn byte_strings(answer: Value) -> Vec<Vec<u8>> {
    match answer {
        Value::BulkString(bytes) => vec![bytes],
        Value::SimpleString(text) => vec![text.into_bytes()],
        Value::Array(values) | Value::Set(values) => values.into_iter().flat_map(byte_strings).collect(),
        _ => Vec::new(),
    }
}
