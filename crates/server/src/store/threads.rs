//! The threads of a store: each owns a connection and runs one unit of work after the other, each to completion.
//!
//! A caller hands over a closure, awaits its answer, and holds nothing meanwhile: no connection, no lock, no snapshot.
//! So a slow caller, or one that is not polled at all, blocks nobody else.
//!
//! Invariants: a caller is answered within the timeout, whatever the threads do; work whose caller is gone is skipped
//! while queued and interrupted while running; the queue is bounded.

use super::{
    DatabaseConnection, ErrorCause, Result, StoreError,
    job_caller::{CallerGuard, JobCaller},
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// How many units of work may wait for a thread; more are refused.
pub(super) const QUEUE_MAX: usize = 8192;

struct Job {
    caller: Arc<JobCaller>,
    work: Work,
}

type ConnectionWork = dyn FnOnce(Result<&mut DatabaseConnection>) + Send;

enum Work {
    /// Runs with the thread's connection, or with the reason why there is none.
    WithConnection(Box<ConnectionWork>),
    /// Runs after the thread's connection was closed.
    WithoutConnection(Box<dyn FnOnce() + Send>),
}

/// Opens a connection before a deadline.
type Connector = dyn Fn(Option<Instant>) -> Result<DatabaseConnection> + Send + Sync;

#[derive(Default)]
struct JobQueue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

struct PoolInner {
    state: Mutex<JobQueue>,
    /// Signals that there is work or that the queue was closed.
    changed: Condvar,
    open: Box<Connector>,
    /// How many threads are running work.
    busy: AtomicUsize,
}

impl PoolInner {
    fn state(&self) -> MutexGuard<'_, JobQueue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }
}

/// Threads that share one queue. When dropped, they end once the queue is empty.
pub(super) struct ThreadPool {
    shared: Arc<PoolInner>,
    timeout: Duration,
    /// Has no senders left when all threads have ended.
    ended: watch::Receiver<()>,
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Threads")
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl ThreadPool {
    /// Starts `count` threads, each of which opens its connection when it first has work.
    ///
    /// # Errors
    /// The system cannot start more threads.
    pub(super) fn start(
        name: &str,
        count: u32,
        timeout: Duration,
        open: impl Fn(Option<Instant>) -> Result<DatabaseConnection> + Send + Sync + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(PoolInner {
            state: Mutex::default(),
            changed: Condvar::new(),
            open: Box::new(open),
            busy: AtomicUsize::new(0),
        });
        let (ending, ended) = watch::channel(());
        let threads = Self { shared: shared.clone(), timeout, ended };
        for _ in 0..count {
            let (shared, ending) = (shared.clone(), ending.clone());
            let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
                run_worker(&shared);
                drop(ending);
            });
            started.map_err(|error| StoreError::Unavailable(error.into()))?;
        }
        Ok(threads)
    }

    /// Accepts no more work, and waits until the queued work is done and the connections are closed.
    pub(super) async fn close(&self) {
        self.shared.close();
        let mut ended = self.ended.clone();
        // Fails when the last sender is gone.
        while ended.changed().await.is_ok() {}
    }

    /// Returns how many units of work are running or queued.
    pub(super) fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::Relaxed) + self.shared.state().jobs.len()
    }

    /// Queues work. The result is dropped if nobody waits for it any more.
    fn enqueue(&self, work: Work) -> Result<CallerGuard> {
        let caller = Arc::new(JobCaller::new(Instant::now() + self.timeout));
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(StoreError::Unavailable(ErrorCause::Message("it is closed")));
        }
        if state.jobs.len() >= QUEUE_MAX {
            state.jobs.retain(|job| job.caller.is_waiting());
        }
        if state.jobs.len() >= QUEUE_MAX {
            return Err(StoreError::Unavailable(ErrorCause::Message("its queue is full")));
        }
        state.jobs.push_back(Job { caller: caller.clone(), work });
        drop(state);
        self.shared.changed.notify_one();
        Ok(CallerGuard(caller))
    }

    /// Runs a unit of work on one of the threads, outside a transaction.
    ///
    /// # Errors
    /// The error of the work, or a timeout.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let waiting =
            self.enqueue(Work::WithConnection(Box::new(move |connection: Result<&mut DatabaseConnection>| {
                // The caller may be gone.
                drop(reply.send(connection.and_then(work)));
            })))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        answer.unwrap_or(Ok(Err(StoreError::Timeout))).unwrap_or_else(|_| Err(aborted()))
    }

    /// Runs something on a thread whose connection is closed, and reopened for the next unit of work. Only useful with
    /// a single thread.
    ///
    /// # Errors
    /// As for [`ThreadPool::run`].
    pub(super) async fn reopen(&self, meanwhile: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let waiting = self.enqueue(Work::WithoutConnection(Box::new(move || drop(reply.send(meanwhile())))))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        answer.unwrap_or(Ok(Err(StoreError::Timeout))).unwrap_or_else(|_| Err(aborted()))
    }

    /// Runs a unit of work in a write transaction and commits it. After an error nothing happened, unless the error is
    /// a timeout.
    ///
    /// # Errors
    /// As for [`ThreadPool::run`].
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (decided, committed) =
            self.transact(move |connection| work(connection).map(|decided| (decided, true))).await?;
        committed.map(|()| decided)
    }

    /// Runs a unit of work in a write transaction, and commits it if the work says so. After an error nothing happened
    /// and nothing will. Otherwise the work has decided, and the second result is COMMIT's.
    ///
    /// # Errors
    /// As for [`ThreadPool::run`].
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<(T, Result<()>)> {
        let shared_decision = Arc::new(Mutex::new(Decision::Pending));
        let (reply, answer) = oneshot::channel();
        let decision = shared_decision.clone();
        let waiting =
            self.enqueue(Work::WithConnection(Box::new(move |connection: Result<&mut DatabaseConnection>| {
                drop(reply.send(connection.and_then(|connection| run_transaction(connection, work, &decision))));
            })))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        let committed = match answer {
            Ok(Ok(ended)) => ended?,
            Ok(Err(_)) => return Err(aborted()),
            Err(_) => Err(StoreError::Timeout),
        };
        let mut state = shared_decision.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, Decision::Abandoned) {
            Decision::Made(decided) => Ok((decided, committed)),
            // From here on it can no longer be committed.
            Decision::Pending | Decision::Abandoned => Err(StoreError::Timeout),
        }
    }
}

/// The decision of a unit of work. Its caller can abandon it up to the moment before COMMIT.
enum Decision<T> {
    Pending,
    Made(T),
    Abandoned,
}

/// The outer error means that nothing happened; the inner one is COMMIT's.
fn run_transaction<T>(
    connection: &mut DatabaseConnection,
    work: impl FnOnce(&mut DatabaseConnection) -> Result<(T, bool)>,
    decision: &Mutex<Decision<T>>,
) -> Result<Result<()>> {
    connection.begin_write()?;
    let (decided, is_kept) = match work(connection) {
        Ok(decided) => decided,
        Err(error) => {
            connection.roll_back();
            return Err(error);
        }
    };
    {
        let mut state = decision.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, Decision::Abandoned) || connection.check_caller().is_err() {
            drop(state);
            connection.roll_back();
            return Err(StoreError::Timeout);
        }
        *state = Decision::Made(decided);
    }
    if is_kept {
        return Ok(connection.commit());
    }
    connection.roll_back();
    Ok(Ok(()))
}

fn aborted() -> StoreError {
    StoreError::Corrupt("the work panicked".to_owned())
}

/// The loop of a thread, which ends when the queue is closed and empty.
fn run_worker(shared: &PoolInner) {
    let mut idle: Option<DatabaseConnection> = None;
    loop {
        let mut state = shared.state();
        let job = loop {
            match state.jobs.pop_front() {
                Some(job) => break job,
                None if state.is_closed => return,
                None => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        shared.busy.fetch_add(1, Ordering::Relaxed);
        work(shared, &mut idle, job);
        shared.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs one unit of work on the idle connection or a new one.
fn work(shared: &PoolInner, idle: &mut Option<DatabaseConnection>, Job { caller, work }: Job) {
    let work = match work {
        Work::WithConnection(work) if caller.is_waiting() => work,
        Work::WithConnection(work) => return work(Err(StoreError::Timeout)),
        Work::WithoutConnection(work) => {
            *idle = None;
            // After a panic, the caller gets an error because the sender was dropped.
            return drop(catch_unwind(AssertUnwindSafe(work)));
        }
    };
    let usable = idle.take().filter(DatabaseConnection::is_reusable);
    let connection = match usable.and_then(|mut idle| idle.is_alive(caller.deadline).then_some(idle)) {
        Some(connection) => Ok(connection),
        None => (shared.open)(Some(caller.deadline)),
    };
    match connection {
        Err(error) => work(Err(error)),
        Ok(mut connection) => {
            connection.set_caller(Some(caller));
            // A panic harms neither the thread nor the work that follows.
            let done = catch_unwind(AssertUnwindSafe(|| work(Ok(&mut connection))));
            connection.set_caller(None);
            *idle = done.is_ok().then_some(connection).filter(DatabaseConnection::is_reusable);
        }
    }
}
