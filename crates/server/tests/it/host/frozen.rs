//! A host's database that is away, frozen, or restarted.

use super::connect;
use crate::{mariadb::MariaDb, postgres::Postgres};
use parlor::host::{HostDatabase, HostError};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(2);

async fn answer(database: &HostDatabase) -> Result<i64, HostError> {
    database.query("SELECT 1".to_owned(), Vec::new()).await?[0].integer(0)
}

/// Asks until there is an answer.
async fn until_answered(database: &HostDatabase) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while answer(database).await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
    }
}

async fn freezes(database: &HostDatabase, signal: impl Fn(&str)) {
    assert_eq!(answer(database).await, Ok(1));
    let mut transaction = database.begin().await.expect("a transaction");
    signal("STOP");
    let began = Instant::now();
    assert_eq!(transaction.query("SELECT 1".to_owned(), Vec::new()).await, Err(HostError::Timeout));
    assert!(transaction.commit().await.is_err());
    // More calls than there are connections, again and again: none waits for longer than its time-out.
    for _ in 0..2 {
        let calls = (0..12).map(|_| answer(database));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| *answer == Err(HostError::Timeout)), "{answers:?}");
    }
    assert!(began.elapsed() < TIMEOUT * 12, "{:?}", began.elapsed());
    signal("CONT");
    until_answered(database).await;
    let calls = (0..12).map(|_| answer(database));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == Ok(1)), "every connection is free again: {answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_postgres_ends_in_a_timeout_and_frees_the_connection() {
    let Some(server) = Postgres::alone() else { return };
    let database = connect(&server.database(), 2, TIMEOUT);
    freezes(&database, |name| server.signal(name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_mariadb_ends_in_a_timeout_and_frees_the_connection() {
    let Some(server) = MariaDb::alone(&[]) else { return };
    let database = connect(&server.database(), 2, TIMEOUT);
    freezes(&database, |name| server.signal(name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_away_is_an_outage_at_the_first_call_and_not_before() {
    let folder = crate::harness::folder();
    let file = folder.path().join("db.sqlite3");
    let url = format!("sqlite:{}", file.display());
    let database = connect(&url, 1, TIMEOUT);
    let away = answer(&database).await.expect_err("there is no file");
    assert!(matches!(away, HostError::Unavailable(_)), "{away}");
    assert!(!file.exists(), "it is not created");
    rusqlite::Connection::open(&file).and_then(|file| file.execute_batch("VACUUM")).expect("a new file");
    assert_eq!(answer(&database).await, Ok(1), "it works as soon as it is there");
    for url in ["postgres://ada:secret@127.0.0.1:1/x", "mysql://ada:secret@127.0.0.1:1/x"] {
        let away = answer(&connect(url, 1, TIMEOUT)).await.expect_err("nothing listens there");
        assert!(away.is_outage() && !away.to_string().contains("secret"), "{away}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_is_replaced_is_opened_again() {
    let folder = crate::harness::folder();
    let file = folder.path().join("db.sqlite3");
    let create = |value: i64| {
        let new = folder.path().join("new");
        let connection = rusqlite::Connection::open(&new).expect("a new file");
        connection.execute_batch(&format!("CREATE TABLE t (n); INSERT INTO t VALUES ({value})")).expect("written");
        std::fs::rename(&new, &file).expect("renamed");
    };
    create(1);
    let database = connect(&format!("sqlite:{}", file.display()), 1, TIMEOUT);
    let read = async || database.query("SELECT n FROM t".to_owned(), Vec::new()).await.expect("rows")[0].integer(0);
    assert_eq!(read().await, Ok(1));
    create(2);
    let deadline = Instant::now() + Duration::from_secs(10);
    while read().await != Ok(2) {
        assert!(Instant::now() < deadline, "it reads the old file");
    }
}
