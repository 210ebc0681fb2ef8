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
    _alive: ChildStdin,
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

    /// Sends a signal to all of its processes.
    pub(crate) fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("its first line").to_owned();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its processes");
        for pid in std::iter::once(pid.as_str()).chain(children.split_whitespace()) {
            // A process may have ended by itself.
            let _ = Command::new("kill").args([&format!("-{name}"), pid]).status();
        }
    }
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
    let script = format!(
        "'{bin}/postgres' -D '{data}' -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
         -c max_connections=200 >'{folder}/log' 2>&1 & pid=$!; read -r _; kill -INT $pid; wait $pid; rm -rf '{data}' '{folder}/log'",
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
    let ready = bin.join("pg_isready");
    let port_text = port.to_string();
    for _ in 0..600 {
        let status = Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port_text]).status();
        if status.is_ok_and(|status| status.success()) {
            return Postgres { _alive: alive, port, bin, folder };
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
