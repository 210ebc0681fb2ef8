//! Units of work on a SQLite file: timeouts, callers that go away, threads that hang.

use super::{
    Result, StoreError, column,
    connection::DatabaseConnection,
    open::{Opener, Purpose, SqliteFile},
    threads::{QUEUE_MAX, ThreadPool},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};
use tempfile::TempDir;

/// Takes a minute on the fastest machine.
const ENDLESS: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 10000000000) \
                       SELECT count(*) FROM c";
/// Longer than any of these tests needs.
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(100);

/// Starts one thread, with an empty table.
async fn thread(timeout: Duration) -> (ThreadPool, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = SqliteFile::new(&folder.path().join("test.db"), LONG, "PRAGMA journal_mode = WAL;");
    let opener = Opener::Sqlite(Arc::new(file));
    let made = opener.start("test", 1, LONG, Purpose::Write).expect("a thread");
    made.write(|connection| connection.batch("CREATE TABLE t (n INTEGER)")).await.expect("made");
    made.close().await;
    (opener.start("test", 1, timeout, Purpose::Write).expect("a thread"), folder)
}

async fn rows(folder: &TempDir) -> i64 {
    let file = SqliteFile::new(&folder.path().join("test.db"), LONG, "");
    let threads = Opener::Sqlite(Arc::new(file)).start("test", 1, LONG, Purpose::Read).expect("a thread");
    threads
        .run(|connection| connection.query_one("SELECT count(*) FROM t", &[], |row| column(row, 0)))
        .await
        .expect("read")
}

fn insert(connection: &mut DatabaseConnection) -> Result<u64> {
    connection.execute("INSERT INTO t VALUES (1)", &[])
}

fn endless(connection: &mut DatabaseConnection) -> Result<i64> {
    connection.query_one(ENDLESS, &[], |row| column(row, 0))
}

/// Returns work that hangs, as on a stuck disk, until the sender is used or dropped, and a receiver that reports when
/// it has begun.
fn blocking_work()
-> (impl FnOnce(&mut DatabaseConnection) -> Result<u64> + Send + 'static, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (let_go, held) = mpsc::channel();
    let (begins, begun) = mpsc::channel();
    let work = move |connection: &mut DatabaseConnection| {
        insert(connection)?;
        begins.send(()).expect("the test waits");
        // Returns when the sender is used or dropped.
        let _ = held.recv();
        Ok(1)
    };
    (work, let_go, begun)
}

#[tokio::test]
async fn running_work_ends_with_its_caller_and_the_next_is_not_interrupted() {
    let (threads, _folder) = thread(LONG).await;
    let (begins, begun) = tokio::sync::oneshot::channel();
    let running = threads.run(move |connection| {
        begins.send(()).expect("the test waits");
        endless(connection)
    });
    tokio::select! {
        _ = running => panic!("it is endless"),
        begun = begun => begun.expect("it began"),
    }
    // The caller is gone. The only thread is free again, and the interruption has no effect on later work.
    for _ in 0..100 {
        threads.write(insert).await.expect("not interrupted");
    }
}

#[tokio::test]
async fn running_work_ends_at_its_timeout_with_an_error() {
    let (threads, _folder) = thread(SHORT).await;
    assert!(matches!(threads.run(endless).await, Err(StoreError::Timeout)));
    let next = async { while threads.write(insert).await.is_err() {} };
    tokio::time::timeout(LONG, next).await.expect("the thread is free");
}

#[tokio::test]
async fn a_hanging_thread_keeps_no_caller_waiting_beyond_the_timeout() {
    let (threads, _folder) = thread(SHORT).await;
    let (work, let_go, begun) = blocking_work();
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = has_run.clone();
    let behind = threads.run(move |_| {
        runs.store(true, Ordering::Relaxed);
        Ok(())
    });
    let (hung, behind) = tokio::join!(threads.run(work), behind);
    assert!(matches!((hung, behind), (Err(StoreError::Timeout), Err(StoreError::Timeout))));
    begun.recv().expect("it began");
    drop(let_go);
    let next = async { while threads.run(insert).await.is_err() {} };
    tokio::time::timeout(LONG, next).await.expect("the thread goes on");
    assert!(!has_run.load(Ordering::Relaxed), "nobody waited for it any longer");
}

#[tokio::test]
async fn work_abandoned_by_its_caller_is_never_committed() {
    let (threads, folder) = thread(SHORT).await;
    let (work, let_go, begun) = blocking_work();
    assert!(matches!(threads.write(work).await, Err(StoreError::Timeout)), "nothing happened, and nothing will");
    begun.recv().expect("it began");
    drop(let_go);
    threads.close().await;
    assert_eq!(rows(&folder).await, 0);
}

#[tokio::test]
async fn work_dropped_by_its_caller_is_never_committed() {
    let (threads, folder) = thread(LONG).await;
    let (work, let_go, begun) = blocking_work();
    let running = tokio::spawn(async move {
        drop(threads.write(work).await);
        threads
    });
    tokio::task::spawn_blocking(move || begun.recv()).await.expect("joined").expect("it began");
    running.abort();
    assert!(running.await.is_err(), "it is gone, with the threads' last handle");
    drop(let_go);
    // First the queued work ends, then the thread.
    let ended = async {
        let file = SqliteFile::new(&folder.path().join("test.db"), LONG, "");
        let others = Opener::Sqlite(Arc::new(file)).start("test", 1, LONG, Purpose::Write).expect("a thread");
        others.write(insert).await
    };
    ended.await.expect("the lock is free");
    assert_eq!(rows(&folder).await, 1, "only what came later");
}

#[tokio::test]
async fn a_panic_does_not_affect_later_work() {
    let (threads, folder) = thread(LONG).await;
    let panicking = threads.write(|connection| {
        insert(connection)?;
        assert!(!connection.is_sqlite(), "on purpose");
        Ok(())
    });
    assert!(matches!(panicking.await, Err(StoreError::Corrupt(_))));
    threads.write(insert).await.expect("the thread goes on");
    assert_eq!(rows(&folder).await, 1);
}

#[tokio::test]
async fn the_queue_is_bounded_and_abandoned_work_takes_no_room() {
    let (threads, _folder) = thread(LONG).await;
    let threads = Arc::new(threads);
    let (work, let_go, begun) = blocking_work();
    let blocking_work = threads.clone();
    let hung = tokio::spawn(async move { blocking_work.run(work).await });
    tokio::task::spawn_blocking(move || begun.recv()).await.expect("joined").expect("it began");
    let mut waiting: Vec<_> = (0..QUEUE_MAX).map(|_| Box::pin(threads.run(insert))).collect();
    for running in &mut waiting {
        assert!(futures_util::FutureExt::now_or_never(running).is_none(), "it waits");
    }
    assert!(matches!(threads.run(insert).await, Err(StoreError::Unavailable(_))), "there is no more room");
    drop(waiting);
    let mut next = Box::pin(threads.run(insert));
    assert!(futures_util::FutureExt::now_or_never(&mut next).is_none(), "there is room again");
    drop(let_go);
    assert!(next.await.is_ok() && hung.await.expect("joined").is_ok());
}

#[tokio::test]
async fn numbered_parameters_are_bound_by_their_numbers() {
    let (threads, _folder) = thread(LONG).await;
    let sql = "SELECT $2, $1, $2, $3";
    let read = threads.run(move |connection| {
        connection.query_one(sql, &[1.into(), "two".into(), None::<i64>.into()], |row| {
            Ok((
                column::<String>(row, 0)?,
                column::<i64>(row, 1)?,
                column::<String>(row, 2)?,
                column::<Option<i64>>(row, 3)?,
            ))
        })
    });
    assert_eq!(read.await.expect("read"), ("two".to_owned(), 1, "two".to_owned(), None));
}

#[tokio::test]
async fn a_statement_is_prepared_once_whatever_is_bound() {
    const SQL: &str = "SELECT n FROM t WHERE n > $1 ORDER BY n LIMIT $2";
    let (threads, _folder) = thread(LONG).await;
    let reprepared = threads.run(|connection| {
        for value in 1..=3_i64 {
            connection.query(SQL, &[value.into(), value.into()], |row| column::<i64>(row, 0))?;
        }
        Ok(connection.reprepared(SQL))
    });
    assert_eq!(reprepared.await.expect("read"), 0);
}
