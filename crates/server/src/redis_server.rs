//! A connection to one Redis server: made when it is first needed, dropped at the first error, and never waited for
//! longer than its timeouts.

use crate::environment::Environment;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::sleep;
use tracing::{info, warn};

/// The timeout of a connection, and of an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest and the longest pause between two attempts.
const PAUSE_MIN_MS: u64 = 100;
pub(crate) const PAUSE_MAX_MS: u64 = 5000;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct RedisServer {
    client: Client,
    connection: Option<MultiplexedConnection>,
    timeout: Duration,
}

impl RedisServer {
    /// `timeout` is that of an answer.
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, connection: None, timeout }
    }

    /// Returns whether a connection is open, as far as this knows: the server may have closed it.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Sends the commands of a pipeline together and returns their answers.
    ///
    /// # Errors
    /// The server does not answer in time, or refuses a command. The next call makes a new connection.
    pub(crate) async fn run(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let mut connection = self.connect().await?;
        // Put back on success only: an error, and a call that is cancelled, leave no connection with open answers.
        let answers = pipeline.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(answers)
    }

    /// Drops the connection. The next call makes a new one.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
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

/// Whether a server answers. Logs the beginning and the end of an outage, once each.
#[derive(Debug)]
pub(crate) struct Outage {
    /// What the server is for, such as "the channel layer".
    of: &'static str,
    /// The position of the server in the configuration, from 1.
    server: usize,
    is_out: AtomicBool,
}

impl Outage {
    pub(crate) fn new(of: &'static str, server: usize) -> Self {
        Self { of, server, is_out: AtomicBool::new(false) }
    }

    pub(crate) fn begin(&self, cause: &RedisError) {
        if !self.is_out.swap(true, Ordering::Relaxed) {
            warn!(of = self.of, server = self.server, %cause, "Redis is not available");
        }
    }

    pub(crate) fn end(&self) {
        if self.is_out.swap(false, Ordering::Relaxed) {
            info!(of = self.of, server = self.server, "Redis is available again");
        }
    }
}

/// Pauses that grow until something works, so that servers that come back are not overrun.
#[derive(Debug)]
pub(crate) struct Backoff {
    next_ms: u64,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next_ms: PAUSE_MIN_MS }
    }

    pub(crate) fn reset(&mut self) {
        self.next_ms = PAUSE_MIN_MS;
    }

    pub(crate) async fn pause(&mut self, environment: &Environment) {
        let pause_ms = self.next_ms / 2 + environment.jitter(self.next_ms / 2);
        self.next_ms = (self.next_ms * 2).min(PAUSE_MAX_MS);
        sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// Returns the texts and bytes of an answer, however they are nested: the members of a sorted set come flat or in
/// pairs, depending on the version of the protocol.
pub(crate) fn byte_strings(answer: Value) -> Vec<Vec<u8>> {
    match answer {
        Value::BulkString(bytes) => vec![bytes],
        Value::SimpleString(text) => vec![text.into_bytes()],
        Value::Array(values) | Value::Set(values) => values.into_iter().flat_map(byte_strings).collect(),
        _ => Vec::new(),
    }
}
