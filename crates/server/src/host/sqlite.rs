//! SQLite. Each connection lives on a thread of its own, which ends when the handle is dropped; a transaction that is
//! open then is rolled back, and a statement that runs is interrupted.
//!
//! The file is the host's: its journal mode is left as it is, and it is never created.

use super::{error::HostError, time, value::HostRow, value::HostValue};
use rusqlite::{
    Connection, OpenFlags, Statement, ToSql,
    types::{ToSqlOutput, Value, ValueRef},
};
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// SQLite virtual-machine steps between two checks of the deadline; about 0.1 ms.
const PROGRESS_STEPS: i32 = 4000;
/// How often a file is checked for changes.
const CHANGE_CHECK: Duration = Duration::from_millis(5);
/// How long a check for changes may wait for a lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How many jobs may wait: one, and waits for changes whose callers are gone.
const JOBS_MAX: usize = 64;

/// A handle to a connection on its thread.
#[derive(Debug)]
pub(super) struct SqliteConnection {
    jobs: SyncSender<SqliteJob>,
    current: Arc<CurrentWork>,
    file: PathBuf,
    identity: Option<(u64, u64)>,
}

/// What the thread's progress handler looks at.
#[derive(Debug)]
struct CurrentWork {
    deadline: Mutex<Instant>,
    is_dropped: AtomicBool,
}

struct SqliteJob {
    work: Box<dyn FnOnce(&mut Worker) + Send>,
    deadline: Instant,
}

struct Worker {
    connection: Connection,
    current: Arc<CurrentWork>,
    /// What `PRAGMA data_version` returned last.
    data_version: i64,
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        self.current.is_dropped.store(true, Ordering::Relaxed);
    }
}

impl SqliteConnection {
    /// Opens an existing file on a new thread. A transaction that is idle for longer than the time-out is rolled back.
    pub(super) async fn open(file: PathBuf, timeout: Duration) -> Result<Self, HostError> {
        let current =
            Arc::new(CurrentWork { deadline: Mutex::new(Instant::now() + timeout), is_dropped: false.into() });
        let (jobs, queue) = mpsc::sync_channel(JOBS_MAX);
        let (reply, opened) = oneshot::channel();
        let watched = current.clone();
        let (opening, identity) = (file.clone(), identity_of(&file));
        let started = thread::Builder::new().name("host database".to_owned()).spawn(move || {
            match Worker::open(&opening, watched) {
                Ok(mut worker) => {
                    if reply.send(Ok(())).is_ok() {
                        worker.run(&queue, timeout);
                    }
                }
                Err(error) => drop(reply.send(Err(error.while_connecting()))),
            }
        });
        started.map_err(|error| HostError::Unavailable(error.to_string()))?;
        opened.await.unwrap_or_else(|_| Err(stopped()))?;
        Ok(Self { jobs, current, file, identity })
    }

    /// Returns whether the file is still the one that was opened, and was not replaced.
    pub(super) fn is_of_the_file(&self) -> bool {
        self.identity.is_some() && identity_of(&self.file) == self.identity
    }

    pub(super) async fn script(&self, sql: String, deadline: Instant) -> Result<(), HostError> {
        self.run(deadline, move |worker| Ok(worker.connection.execute_batch(&sql)?)).await
    }

    pub(super) async fn query(
        &self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<Vec<HostRow>, HostError> {
        self.run(deadline, move |worker| worker.query(&sql, &params)).await
    }

    pub(super) async fn execute(
        &self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<u64, HostError> {
        let work = move |worker: &mut Worker| {
            let mut statement = worker.connection.prepare_cached(&sql)?;
            bind(&mut statement, &params)?;
            Ok(statement.raw_execute()? as u64)
        };
        self.run(deadline, work).await
    }

    /// Waits until another connection has committed since the last call that returned true, or until the deadline.
    /// Returns whether one has.
    pub(super) async fn wait_for_change(&self, deadline: Instant) -> Result<bool, HostError> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |worker: &mut Worker| worker.wait_for_change(deadline, reply));
        // The check itself may have to wait for a lock.
        let job = SqliteJob { work, deadline: deadline + LOCK_WAIT };
        self.jobs.try_send(job).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut Worker) -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, HostError> {
        let (reply, answer) = oneshot::channel();
        let work = Box::new(move |worker: &mut Worker| drop(reply.send(work(worker))));
        self.jobs.try_send(SqliteJob { work, deadline }).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn identity_of(file: &Path) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn stopped() -> HostError {
    HostError::Unavailable("the transaction was idle for too long, or the connection ended".to_owned())
}

impl Worker {
    fn open(file: &Path, current: Arc<CurrentWork>) -> Result<Self, HostError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(file, flags)?;
        let watched = current.clone();
        let is_given_up = move || {
            let deadline = *watched.deadline.lock().unwrap_or_else(PoisonError::into_inner);
            watched.is_dropped.load(Ordering::Relaxed) || Instant::now() >= deadline
        };
        connection.progress_handler(PROGRESS_STEPS, Some(is_given_up))?;
        let mut worker = Self { connection, current, data_version: 0 };
        worker.limit();
        worker.connection.execute_batch("PRAGMA foreign_keys = ON")?;
        worker.data_version = worker.data_version()?;
        Ok(worker)
    }

    /// Runs jobs until the handle is dropped or a transaction is idle for too long.
    fn run(&mut self, queue: &Receiver<SqliteJob>, timeout: Duration) {
        loop {
            let job = if self.connection.is_autocommit() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(timeout)
            };
            let Ok(job) = job else { return };
            *self.current.deadline.lock().unwrap_or_else(PoisonError::into_inner) = job.deadline;
            self.limit();
            (job.work)(self);
        }
    }

    /// Sets how long a lock is waited for: until the deadline.
    fn limit(&self) {
        let deadline = *self.current.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = deadline.saturating_duration_since(Instant::now());
        // Fails only for a time-out that is too long for SQLite.
        let _ = self.connection.busy_timeout(remaining);
    }

    fn query(&self, sql: &str, params: &[HostValue]) -> Result<Vec<HostRow>, HostError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, params)?;
        let count = statement.column_count();
        let mut rows = statement.raw_query();
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (0..count).map(|column| Ok(value(row.get_ref(column)?)));
            read.push(HostRow(values.collect::<Result<_, HostError>>()?));
        }
        Ok(read)
    }

    fn data_version(&self) -> Result<i64, HostError> {
        Ok(self.connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
    }

    fn wait_for_change(&mut self, deadline: Instant, reply: oneshot::Sender<Result<bool, HostError>>) {
        while !reply.is_closed() {
            let found = self.data_version();
            let remaining = deadline.saturating_duration_since(Instant::now());
            if found == Ok(self.data_version) && !remaining.is_zero() {
                thread::sleep(remaining.min(CHANGE_CHECK));
                continue;
            }
            let is_changed = found.clone().map(|found| found != self.data_version);
            if let (Ok(()), Ok(found)) = (reply.send(is_changed), found) {
                self.data_version = found;
            }
            return;
        }
    }
}

/// Binds parameters by number: `$1` is the first and may appear several times, in any order.
fn bind(statement: &mut Statement<'_>, params: &[HostValue]) -> Result<(), HostError> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| params.get(number.checked_sub(1)?));
        let value = value.ok_or_else(|| HostError::Unexpected("a statement lacks a parameter".to_owned()))?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl ToSql for HostValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Boolean(yes) => ToSqlOutput::Borrowed(ValueRef::Integer((*yes).into())),
            Self::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Time(ms) => ToSqlOutput::Owned(time::text(*ms).map_or(Value::Null, Value::Text)),
        })
    }
}

fn value(value: ValueRef<'_>) -> Result<HostValue, HostError> {
    Ok(match value {
        ValueRef::Null => HostValue::Null,
        ValueRef::Integer(number) => HostValue::Integer(number),
        ValueRef::Real(number) => HostValue::Real(number),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|error| HostError::Unexpected(error.to_string()))?;
            HostValue::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => HostValue::Bytes(bytes.to_vec()),
    })
}
