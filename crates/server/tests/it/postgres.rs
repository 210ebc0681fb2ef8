//! A PostgreSQL server for the tests, on a free port, which ends with this process.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A running server; its standard input keeps it alive.
pub(crate) struct Postgres {
    alive: ChildStdin,
    port: u16,
    bin: PathBuf,
    folder: PathBuf,
}

static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Returns the URL of a new, empty database; `None` without PostgreSQL, which CI does not accept.
pub(crate) fn database() -> Option<String> {
    let server = SERVER.get_or_init(|| match binaries() {
        Some(bin) => Some(start(bin)),
        None if std::env::var_os("CI").is_some() => panic!("CI needs PostgreSQL: apt-get install postgresql"),
        None => None,
    });
    let Some(server) = server else {
        eprintln!("skipped: PostgreSQL is not installed (apt-get install postgresql)");
        return None;
    };
    Some(server.database())
}

impl Postgres {
    /// Starts a server for a single test, which may do anything to it.
    pub(crate) fn alone() -> Option<Self> {
        database()?;
        binaries().map(start)
    }

    /// Returns the URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("parlor_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let status = as_postgres(&self.bin.join("createdb"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "parlor", &name])
            .current_dir(&self.folder)
            .status()
            .expect("createdb runs");
        assert!(status.success(), "createdb failed");
        format!("postgres://parlor@127.0.0.1:{}/{name}", self.port)
    }

    /// Returns where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Encrypts connections from now on, if the client wants it.
    pub(crate) fn use_certificate(&self, certificate: &str, key: &str) {
        for (file, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let copy = self.folder.join("data").join(name);
            fs::copy(file, &copy).expect("copied");
            if is_root() {
                run(Command::new("chown").arg("postgres").arg(&copy));
            }
            run(Command::new("chmod").arg("600").arg(&copy));
        }
        let place = format!("postgres://parlor@127.0.0.1:{}/postgres", self.port);
        let statements = ["-c", "ALTER SYSTEM SET ssl = on", "-c", "SELECT pg_reload_conf()"];
        run(Command::new(self.bin.join("psql")).arg("-q").args(statements).arg(place));
        let is_encrypted = || {
            let place = format!("postgres://parlor@127.0.0.1:{}/postgres?sslmode=require", self.port);
            Command::new(self.bin.join("psql")).args(["-c", "SELECT 1"]).arg(place).output()
        };
        for _ in 0..600 {
            if is_encrypted().is_ok_and(|output| output.status.success()) {
                return;
            }
            // waits for: the server to read its configuration, checked repeatedly
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL does not encrypt: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// Sends a signal to all of its processes.
    pub(crate) fn signal(&self, name: &str) {
        for pid in self.processes() {
            // A process may have ended by itself.
            let _ = Command::new("kill").args([&format!("-{name}"), &pid]).status();
            if name == "STOP" {
                crate::harness::until_stopped(&pid);
            }
        }
    }

    /// Kills it with SIGKILL, and waits until nothing of it is left.
    pub(crate) fn kill(&self) {
        let processes = self.processes();
        self.signal("KILL");
        until_ended(&processes);
    }

    /// Starts it again after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.alive.write_all(b"again\n").expect("the shell listens");
        until_ready(&self.bin, self.port, &self.folder);
    }

    fn processes(&self) -> Vec<String> {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("its first line").to_owned();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its processes");
        let children: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        std::iter::once(pid).chain(children).collect()
    }
}

/// Waits until processes have ended; their parents may not know it yet.
pub(crate) fn until_ended(processes: &[String]) {
    let runs = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    };
    for _ in 0..600 {
        if !processes.iter().any(runs) {
            return;
        }
        // waits for: killed processes to end, checked repeatedly
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("some of {processes:?} do not end");
}

#[expect(clippy::zombie_processes, reason = "the shell ends with this process, which is who would wait for it")]
fn start(bin: PathBuf) -> Postgres {
    let folder =
        tempfile::Builder::new().prefix("parlor-postgres-").tempdir_in(fast_folder()).expect("a folder").keep();
    if is_root() {
        run(Command::new("chown").arg("postgres").arg(&folder));
    }
    let data = folder.join("data");
    run(as_postgres(&bin.join("initdb"))
        .current_dir(&folder)
        .args(["-U", "parlor", "-A", "trust", "-E", "UTF8"])
        .arg("-D")
        .arg(&data));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    // The shell stops the server when its standard input closes, which happens when this process ends.
    // Each line that it reads starts the server again.
    let script = format!(
        "start() {{ '{bin}/postgres' -D '{data}' -p {port} -c listen_addresses=127.0.0.1 \
         -c unix_socket_directories='' -c max_connections=200 >>'{folder}/log' 2>&1 & pid=$!; }}; \
         start; while read -r _; do wait $pid; start; done; \
         kill -CONT $pid $(cat /proc/$pid/task/$pid/children); kill -INT $pid; wait $pid; rm -rf '{data}' '{folder}/log'",
        bin = bin.display(),
        data = data.display(),
        folder = folder.display(),
    );
    let mut child: Child = as_postgres(Path::new("sh"))
        .args(["-c", &script])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sh runs");
    let mut alive = child.stdin.take().expect("piped");
    alive.flush().expect("the shell listens");
    until_ready(&bin, port, &folder);
    Postgres { alive, port, bin, folder }
}

fn until_ready(bin: &Path, port: u16, folder: &Path) {
    let (ready, port) = (bin.join("pg_isready"), port.to_string());
    for _ in 0..600 {
        let status = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
        if status.is_ok_and(|status| status.success()) {
            return;
        }
        // waits for: the server to accept connections, checked repeatedly
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("PostgreSQL did not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        return command;
    }
    Command::new(program)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Returns a folder in memory, if there is one.
pub(crate) fn fast_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    // The newest version first, then the one in PATH.
    versions.sort_by(|one, other| other.cmp(one));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.extend(std::env::split_paths(&path));
    let programs = ["initdb", "postgres", "createdb", "pg_isready"];
    versions.into_iter().find(|bin| programs.iter().all(|program| bin.join(program).is_file()))
}
