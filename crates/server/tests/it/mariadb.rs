//! A MariaDB server for the tests, on a free port, which ends with this process.

use crate::postgres::{fast_folder, until_ended};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A running server; its standard input keeps it alive.
pub(crate) struct MariaDb {
    shell: Child,
    port: u16,
    folder: PathBuf,
}

static SERVER: OnceLock<Option<MariaDb>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Returns the URL of a new, empty database; `None` without MariaDB, which CI does not accept.
pub(crate) fn database() -> Option<String> {
    let server = SERVER.get_or_init(|| match binary() {
        Some(binary) => Some(start(&binary, &[])),
        None if std::env::var_os("CI").is_some() => panic!("CI needs MariaDB: apt-get install mariadb-server"),
        None => None,
    });
    let Some(server) = server else {
        eprintln!("skipped: MariaDB is not installed (apt-get install mariadb-server)");
        return None;
    };
    Some(server.database())
}

impl MariaDb {
    /// Starts a server for a single test, which may do anything to it, with further options.
    pub(crate) fn alone(options: &[&str]) -> Option<Self> {
        database()?;
        binary().map(|binary| start(&binary, options))
    }

    /// Returns the URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("parlor_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        format!("mysql://parlor:secret@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs SQL as a user who may do everything.
    pub(crate) fn run(&self, sql: &str) {
        let status = client("mariadb", self.port).args(["-e", sql]).status().expect("the client runs");
        assert!(status.success(), "MariaDB refuses: {sql}");
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process();
        let _ = Command::new("kill").args([&format!("-{name}"), &process]).status();
        if name == "STOP" {
            crate::harness::until_stopped(&process);
        }
    }

    /// Kills it with SIGKILL, and waits until it has ended.
    pub(crate) fn kill(&self) {
        let process = self.process();
        self.signal("KILL");
        until_ended(&[process]);
    }

    /// Starts it again after it was killed.
    pub(crate) fn start_again(&mut self) {
        let input = self.shell.stdin.as_mut().expect("piped");
        input.write_all(b"again\n").expect("the shell listens");
        self.until_ready();
    }

    fn process(&self) -> String {
        fs::read_to_string(self.folder.join("pid")).expect("it runs").trim().to_owned()
    }

    fn until_ready(&self) {
        for _ in 0..600 {
            let ping =
                client("mariadb-admin", self.port).arg("ping").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if ping.is_ok_and(|status| status.success()) && self.folder.join("server-pid").exists() {
                return;
            }
            // waits for: the server to accept connections, checked repeatedly
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("MariaDB did not start: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }
}

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-h127.0.0.1", "-uparlor", "-psecret", &format!("-P{port}")]);
    command
}

fn start(binary: &Path, options: &[&str]) -> MariaDb {
    let folder = tempfile::Builder::new().prefix("parlor-mariadb").tempdir_in(fast_folder()).expect("a folder").keep();
    let data = folder.join("data");
    // It runs as the user of the tests, also as root.
    let user = format!("--user={}", std::env::var("USER").unwrap_or_else(|_| "root".to_owned()));
    let made = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &user])
        .arg(format!("--datadir={}", data.display()))
        .output()
        .expect("mariadb-install-db runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let rights = "CREATE USER IF NOT EXISTS 'parlor'@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO 'parlor'@'%' WITH GRANT OPTION;\n";
    fs::write(folder.join("rights.sql"), rights).expect("written");
    // The shell stops the server when its standard input closes, which happens when this process ends. Each line that
    // it reads starts the server again.
    let script = format!(
        "start() {{ '{binary}' --no-defaults {user} --datadir='{data}' --port={port} --bind-address=127.0.0.1 \
         --socket='{folder}/socket' --pid-file='{folder}/server-pid' --init-file='{folder}/rights.sql' \
         --skip-name-resolve --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --max-connections=300 {options} \
         >>'{folder}/log' 2>&1 & pid=$!; echo $pid >'{folder}/pid'; }}; \
         start; while read -r _; do wait $pid; start; done; \
         kill -CONT $pid; kill -TERM $pid; wait $pid; rm -rf '{folder}'",
        binary = binary.display(),
        data = data.display(),
        folder = folder.display(),
        options = options.join(" "),
    );
    let server = MariaDb { shell: spawn(&script), port, folder };
    server.until_ready();
    server
}

fn spawn(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sh runs")
}

fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join("mariadbd")).find(|binary| binary.is_file())
}
