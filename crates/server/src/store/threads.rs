//! The threads of a store: each owns a connection and does one unit of work after the other, each to its end.
//!
//! Who asks hands over a closure and waits for its answer, and holds nothing meanwhile: no connection, no lock, no
//! snapshot. So nobody's being slow, or not being polled at all, holds up anybody else. Invariants: an asker is answered
//! within the time-out, whatever the threads do; work that nobody waits for any longer is left out where it queues and
//! ends where it runs; the queue is bounded.

use super::{Connection, Error, ErrorCause, Result};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Units of work that wait for a thread; beyond, they are refused.
pub(super) const QUEUE_MAX: usize = 8192;

/// Who waits for an answer, as the thread sees it.
#[derive(Debug)]
pub(super) struct Caller {
    is_gone: AtomicBool,
    /// Then nobody waits any longer.
    pub(super) deadline: Instant,
}

impl Caller {
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_gone.load(Ordering::Relaxed) && Instant::now() < self.deadline
    }
}

/// The asker's side: dropped, nobody waits.
struct CallerGuard(Arc<Caller>);

impl Drop for CallerGuard {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }
}

struct Job {
    caller: Arc<Caller>,
    work: Work,
}

type ConnectionWork = dyn FnOnce(Result<&mut Connection>) + Send;

enum Work {
    /// On the thread's connection, or told why there is none.
    WithConnection(Box<ConnectionWork>),
    /// After the thread's connection is closed.
    WithoutConnection(Box<dyn FnOnce() + Send>),
}

/// Opens a connection, within a time.
type OpenConnection = dyn Fn(Option<Instant>) -> Result<Connection> + Send + Sync;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

struct PoolInner {
    state: Mutex<Queue>,
    /// There is work, or there will be none.
    changed: Condvar,
    open: Box<OpenConnection>,
    /// Threads that do work just now.
    busy: AtomicUsize,
}

impl PoolInner {
    fn state(&self) -> MutexGuard<'_, Queue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }
}

/// Some threads with one queue. Dropped, they end once the queue is empty.
pub(super) struct ThreadPool {
    shared: Arc<PoolInner>,
    timeout: Duration,
    /// Has no sender any more when all have ended.
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
    /// Starts `count` threads, each of which opens its connection when there is work.
    ///
    /// # Errors
    /// The machine gives no more threads.
    pub(super) fn start(
        name: &str,
        count: u32,
        timeout: Duration,
        open: impl Fn(Option<Instant>) -> Result<Connection> + Send + Sync + 'static,
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
            started.map_err(|error| Error::Unavailable(error.into()))?;
        }
        Ok(threads)
    }

    /// Takes no more work, and waits until what was handed over is done and the connections are closed.
    pub(super) async fn close(&self) {
        self.shared.close();
        let mut ended = self.ended.clone();
        // It fails when the last sender is gone.
        while ended.changed().await.is_ok() {}
    }

    /// How many units of work are under way: on a thread, or waiting for one.
    pub(super) fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::Relaxed) + self.shared.state().jobs.len()
    }

    /// Hands work over. What it returns is dropped when nobody waits any longer.
    fn enqueue(&self, work: Work) -> Result<CallerGuard> {
        let caller = Arc::new(Caller { is_gone: AtomicBool::new(false), deadline: Instant::now() + self.timeout });
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(Error::Unavailable(ErrorCause::Message("it is closed")));
        }
        if state.jobs.len() >= QUEUE_MAX {
            state.jobs.retain(|job| job.caller.is_waiting());
        }
        if state.jobs.len() >= QUEUE_MAX {
            return Err(Error::Unavailable(ErrorCause::Message("too much waits for it")));
        }
        state.jobs.push_back(Job { caller: caller.clone(), work });
        drop(state);
        self.shared.changed.notify_one();
        Ok(CallerGuard(caller))
    }

    /// Does a unit of work on one of the threads, outside a transaction.
    ///
    /// # Errors
    /// What the work ended with, or that there was no answer in time.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let waiting = self.enqueue(Work::WithConnection(Box::new(move |connection: Result<&mut Connection>| {
            // The one who asked may be gone.
            drop(reply.send(connection.and_then(work)));
        })))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        answer.unwrap_or(Ok(Err(Error::Timeout))).unwrap_or_else(|_| Err(aborted()))
    }

    /// Does something on a thread whose connection is closed, and is opened again for the work that follows. Of use only
    /// where there is but one thread.
    ///
    /// # Errors
    /// As for [`ThreadPool::ask`].
    pub(super) async fn reopen(&self, meanwhile: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let waiting = self.enqueue(Work::WithoutConnection(Box::new(move || drop(reply.send(meanwhile())))))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        answer.unwrap_or(Ok(Err(Error::Timeout))).unwrap_or_else(|_| Err(aborted()))
    }

    /// Does a unit of work in a transaction that writes, and makes it durable. After an error nothing of it happened,
    /// unless the error is that there was no answer in time.
    ///
    /// # Errors
    /// As for [`ThreadPool::ask`].
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (decided, committed) =
            self.transact(move |connection| work(connection).map(|decided| (decided, true))).await?;
        committed.map(|()| decided)
    }

    /// Does a unit of work in a transaction that writes, and makes it durable where the work says so. After an error
    /// nothing of it happened and nothing will. Else the work has decided, and what COMMIT came to stands beside it.
    ///
    /// # Errors
    /// As for [`ThreadPool::ask`].
    pub(super) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<(T, Result<()>)> {
        let place = Arc::new(Mutex::new(Decision::Pending));
        let (reply, answer) = oneshot::channel();
        let decision = place.clone();
        let waiting = self.enqueue(Work::WithConnection(Box::new(move |connection: Result<&mut Connection>| {
            drop(reply.send(connection.and_then(|connection| run_transaction(connection, work, &decision))));
        })))?;
        let answer = tokio::time::timeout(self.timeout, answer).await;
        drop(waiting);
        let committed = match answer {
            Ok(Ok(ended)) => ended?,
            Ok(Err(_)) => return Err(aborted()),
            Err(_) => Err(Error::Timeout),
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *place, Decision::Abandoned) {
            Decision::Made(decided) => Ok((decided, committed)),
            // From here on it is not committed any more.
            Decision::Pending | Decision::Abandoned => Err(Error::Timeout),
        }
    }
}

/// What a unit of work decided: the last moment at which its asker can give it up is before COMMIT.
enum Decision<T> {
    Pending,
    Made(T),
    Abandoned,
}

/// The outer error says that nothing happened; the inner one that COMMIT was not answered well.
fn run_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<(T, bool)>,
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
        let mut place = decision.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*place, Decision::Abandoned) || connection.check_caller().is_err() {
            drop(place);
            connection.roll_back();
            return Err(Error::Timeout);
        }
        *place = Decision::Made(decided);
    }
    if is_kept {
        return Ok(connection.commit());
    }
    connection.roll_back();
    Ok(Ok(()))
}

fn aborted() -> Error {
    Error::Corrupt("the work on it broke off".to_owned())
}

/// What a thread does until the queue is closed and empty.
fn run_worker(shared: &PoolInner) {
    let mut kept: Option<Connection> = None;
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
        work(shared, &mut kept, job);
        shared.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does one unit of work, on the connection that is kept or a new one.
fn work(shared: &PoolInner, kept: &mut Option<Connection>, Job { caller, work }: Job) {
    let work = match work {
        Work::WithConnection(work) if caller.is_waiting() => work,
        Work::WithConnection(work) => return work(Err(Error::Timeout)),
        Work::WithoutConnection(work) => {
            *kept = None;
            // Whoever asked hears that it broke off.
            return drop(catch_unwind(AssertUnwindSafe(work)));
        }
    };
    let rested = kept.take().filter(Connection::is_reusable);
    let connection = match rested.and_then(|mut kept| kept.is_alive(caller.deadline).then_some(kept)) {
        Some(connection) => Ok(connection),
        None => (shared.open)(Some(caller.deadline)),
    };
    match connection {
        Err(error) => work(Err(error)),
        Ok(mut connection) => {
            connection.set_caller(Some(caller));
            // What panics harms neither the thread nor the work that follows.
            let done = catch_unwind(AssertUnwindSafe(|| work(Ok(&mut connection))));
            connection.set_caller(None);
            *kept = done.is_ok().then_some(connection).filter(Connection::is_reusable);
        }
    }
}
