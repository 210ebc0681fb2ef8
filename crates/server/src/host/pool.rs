//! The connections to a host's database: as many as are configured, opened when they are needed.
//!
//! Invariants: everything ends at its deadline; a connection whose state is unknown, because an answer did not arrive or
//! nobody waits for it any more, is closed and never reused, and its place is free at once; the queue is bounded.

use super::{
    HostOptions,
    connection::HostConnection,
    error::HostError,
    value::{HostRow, HostValue},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

/// How many callers may wait for a connection; more are refused.
const WAITING_MAX: usize = 1024;
/// A connection that was idle for longer than this is pinged before it is used.
const IDLE_BEFORE_PING: Duration = Duration::from_millis(200);
/// How long a connection is kept at most, so that changed settings of the server reach every connection.
const CONNECTION_LIFETIME: Duration = Duration::from_mins(10);

pub(super) struct Pool {
    pub(super) options: HostOptions,
    permits: Arc<Semaphore>,
    waiting: Semaphore,
    idle: Mutex<Vec<OpenConnection>>,
}

struct OpenConnection {
    connection: HostConnection,
    opened_at: Instant,
    used_at: Instant,
}

/// A connection in use. When it is dropped, the connection is reused if nothing is in progress on it, otherwise closed.
pub(super) struct PooledConnection {
    pool: Arc<Pool>,
    open: Option<OpenConnection>,
    is_busy: bool,
    pub(super) is_in_transaction: bool,
    // Dropped last, after the connection was put back.
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(options: HostOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.connections.max(1)));
        Self { options, permits, waiting: Semaphore::new(WAITING_MAX), idle: Mutex::default() }
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }

    pub(super) async fn lease(self: &Arc<Self>, deadline: Instant) -> Result<PooledConnection, HostError> {
        let full = |_| HostError::Unavailable("too many requests wait for it".to_owned());
        let place = self.waiting.try_acquire().map_err(full)?;
        let permit = timeout_at(deadline.into(), self.permits.clone().acquire_owned()).await;
        drop(place);
        let permit = permit.map_err(|_| HostError::Timeout)?.expect("the semaphore is never closed");
        let mut lease = PooledConnection {
            pool: self.clone(),
            open: None,
            is_busy: false,
            is_in_transaction: false,
            _permit: permit,
        };
        while let Some(mut idle) = self.take_idle() {
            if idle.opened_at.elapsed() >= CONNECTION_LIFETIME {
                continue;
            }
            let is_fresh = idle.used_at.elapsed() < IDLE_BEFORE_PING && !idle.connection.is_checked_for_free();
            if is_fresh || within(deadline, idle.connection.is_alive()).await? {
                lease.open = Some(idle);
                return Ok(lease);
            }
        }
        let opening = HostConnection::open(&self.options.url.0, self.options.timeout);
        let connection = within(deadline, opening).await??;
        lease.open = Some(OpenConnection { connection, opened_at: Instant::now(), used_at: Instant::now() });
        Ok(lease)
    }

    fn take_idle(&self) -> Option<OpenConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, HostError> {
    timeout_at(deadline.into(), work).await.map_err(|_| HostError::Timeout)
}

impl PooledConnection {
    pub(super) async fn query(
        &mut self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<Vec<HostRow>, HostError> {
        let answer = within(deadline, self.connection()?.query(sql, params, deadline)).await;
        self.note(answer)
    }

    pub(super) async fn execute(
        &mut self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<u64, HostError> {
        let answer = within(deadline, self.connection()?.execute(sql, params, deadline)).await;
        self.note(answer)
    }

    pub(super) async fn script(&mut self, sql: String, deadline: Instant) -> Result<(), HostError> {
        let answer = within(deadline, self.connection()?.script(sql, deadline)).await;
        self.note(answer)
    }

    pub(super) async fn insert(
        &mut self,
        table: &str,
        id_column: &str,
        values: Vec<(String, HostValue)>,
        deadline: Instant,
    ) -> Result<i64, HostError> {
        let answer = within(deadline, self.connection()?.insert(table, id_column, values, deadline)).await;
        self.note(answer)
    }

    pub(super) async fn begin(&mut self, deadline: Instant) -> Result<(), HostError> {
        self.is_in_transaction = true;
        let answer = within(deadline, self.connection()?.begin(deadline)).await;
        self.note(answer)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.pool.deadline()
    }

    /// Returns the connection, which is busy until its answer was noted.
    fn connection(&mut self) -> Result<&mut HostConnection, HostError> {
        let is_busy = std::mem::replace(&mut self.is_busy, true);
        match &mut self.open {
            Some(open) if !is_busy => Ok(&mut open.connection),
            _ => Err(HostError::Unavailable("the connection was lost".to_owned())),
        }
    }

    fn note<T>(&mut self, answer: Result<Result<T, HostError>, HostError>) -> Result<T, HostError> {
        let answer = answer.and_then(|answer| answer);
        self.is_busy = matches!(&answer, Err(error) if error.is_outage());
        answer
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(mut open) = self.open.take().filter(|_| !self.is_busy && !self.is_in_transaction) {
            open.used_at = Instant::now();
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(open);
        }
    }
}
