//! The host's database, on real servers: each case runs on SQLite, PostgreSQL and MariaDB.

mod database;
mod frozen;
mod tls;
mod triggers;

use parlor::host::{HostDatabase, HostKind, HostOptions, HostRow, HostTransaction, HostValue};
use std::time::Duration;

/// Defines each case as a test on three databases.
macro_rules! on_each_host {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(crate::host::TestHost::sqlite()).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(host) = crate::host::TestHost::postgres() { super::$case(host).await; }
            })+
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(host) = crate::host::TestHost::mariadb() { super::$case(host).await; }
            })+
        }
    };
}
pub(crate) use on_each_host;

/// An empty database of a host.
pub(crate) struct TestHost {
    /// Its URL.
    pub(crate) url: String,
    /// Connections to it.
    pub(crate) database: HostDatabase,
    _folder: Option<tempfile::TempDir>,
}

impl TestHost {
    pub(crate) fn sqlite() -> Self {
        let folder = crate::harness::folder();
        let file = folder.path().join("db.sqlite3");
        let connection = rusqlite::Connection::open(&file).expect("a new file");
        connection.execute_batch("VACUUM").expect("it is written");
        let url = format!("sqlite:{}", file.display());
        Self { database: connect(&url, 4, Duration::from_secs(10)), url, _folder: Some(folder) }
    }

    pub(crate) fn postgres() -> Option<Self> {
        let url = crate::postgres::database()?;
        Some(Self { database: connect(&url, 4, Duration::from_secs(10)), url, _folder: None })
    }

    pub(crate) fn mariadb() -> Option<Self> {
        let url = crate::mariadb::database()?;
        Some(Self { database: connect(&url, 4, Duration::from_secs(10)), url, _folder: None })
    }

    pub(crate) fn kind(&self) -> HostKind {
        self.database.kind()
    }

    /// Returns one text or another, depending on the database.
    pub(crate) fn pick<'a>(&self, sqlite: &'a str, postgres: &'a str, mysql: &'a str) -> &'a str {
        match self.kind() {
            HostKind::Sqlite => sqlite,
            HostKind::Postgres => postgres,
            HostKind::MySql => mysql,
        }
    }

    /// Runs one statement as the host does, and commits.
    pub(crate) async fn run(&self, sql: &str) {
        let mut transaction = self.database.begin().await.expect("the database is there");
        transaction.script(sql.to_owned()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        transaction.commit().await.expect("committed");
    }

    /// Reads rows.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<HostRow> {
        self.database.query(sql.to_owned(), Vec::new()).await.expect(sql)
    }

    /// Reads the first column of the only row as an integer.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].integer(0).expect("a number")
    }
}

/// Connects to a host's database.
pub(crate) fn connect(url: &str, connections: usize, timeout: Duration) -> HostDatabase {
    HostDatabase::new(HostOptions { url: url.parse().expect("a valid URL"), connections, timeout })
}

/// Inserts a row into a table of ids and texts.
pub(crate) async fn insert_text(transaction: &mut HostTransaction, table: &str, text: &str) -> i64 {
    let values = vec![("body".to_owned(), HostValue::from(text))];
    transaction.insert(table, "id", values).await.expect("inserted")
}
