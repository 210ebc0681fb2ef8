//! Starts a real server in its own process, and users for it.
//!
//! Tests act as users: `let server = Server::start().await; let mut ada = server.user("ada").await.connect().await;`
//! Users sign up with cheap password hashing; all other settings are the defaults unless a test changes them.

use http::{HeaderName, HeaderValue};
use parlor_client::{error::Error, history::checker::Verdict, http::Api, sync::Client};
use parlor_protocol::{
    http::SignUp,
    ids::{ConversationId, UserId},
    model::Conversation,
    params::{Group, Open},
};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::Instant;

const PASSWORD: &str = "correct horse";

/// The factor by which long tests run longer than in CI: `PARLOR_TEST_BUDGET`, 1 by default.
pub(crate) fn budget() -> f64 {
    let budget = std::env::var("PARLOR_TEST_BUDGET").ok().map(|text| text.parse().expect("a number"));
    budget.unwrap_or(1.0)
}

/// Multiplies a number of rounds by the budget; at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "some hundred rounds"
)]
pub(crate) fn scaled(rounds: usize) -> usize {
    ((rounds as f64 * budget()) as usize).max(1)
}

/// Returns a number unique in this process, for `client_id`s and names.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A seeded random generator (xorshift). A failing test prints the seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.next() >> 11) % end as u64).expect("less than a usize")
    }

    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }
}

/// The settings of a server.
pub(crate) struct Setup {
    data: PathBuf,
    /// Contains the log, and the data unless it is elsewhere.
    folder: TempDir,
    /// 0 until the first start, when the system assigns a free port; kept from then on.
    port: u16,
    /// The network namespace in which it runs, if not the test's, and its address there.
    network: Option<(String, Ipv4Addr)>,
    /// Where it listens besides its port.
    also_listen: Option<String>,
    environment: Vec<(String, String)>,
    /// The program that serves, if it is not the built one.
    program: PathBuf,
}

/// Creates a temporary folder, in memory if possible.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

impl Setup {
    pub(crate) fn new() -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_parlor"));
        Self { data, folder, port: 0, network: None, also_listen: None, environment: Vec::new(), program }
            .with("accounts.sign_up", true)
            .with("who_may_write", "everyone")
            .with("accounts.password_memory_kib", 8)
            .with("accounts.password_passes", 1)
            .with("limits.requests_per_second_max", 100_000)
            .with("limits.address_connections_max", 10_000)
            .with("files.free_bytes_min", 0)
            .with("log.filter", "info")
    }

    /// Uses this data folder, which is kept.
    pub(crate) fn in_folder(self, data: &Path) -> Self {
        Self { data: data.to_owned(), ..self }
    }

    /// Serves with a program at this path.
    pub(crate) fn with_program(self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self }
    }

    /// Runs in a network namespace, at this address.
    pub(crate) fn in_network(self, namespace: &str, address: Ipv4Addr) -> Self {
        Self { network: Some((namespace.to_owned(), address)), ..self }
    }

    /// Listens there as well.
    pub(crate) fn also_listening_on(self, entry: &str) -> Self {
        Self { also_listen: Some(entry.to_owned()), ..self }
    }

    /// Sets a configuration key.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, as they are written")]
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        let name = format!("PARLOR_{}", key.replace('.', "_").to_uppercase());
        self.environment.push((name, value.to_string()));
        self
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(self) -> Server {
        let mut server = Server { setup: self, child: None };
        server.restart().await;
        server
    }
}

/// A server process, killed on drop.
pub(crate) struct Server {
    setup: Setup,
    child: Option<Child>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// Starts the process unless it runs, and waits until it is ready.
    pub(crate) async fn restart(&mut self) {
        let mut before = 0;
        if self.child.is_none() {
            before = self.log().len();
            self.spawn();
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // The port is taken from this server's log: another server might answer at the old one.
            if let Some(port) = self.log().get(before..).and_then(port_in) {
                self.setup.port = port;
                if self.is_ready().await {
                    return;
                }
            }
            let ended = self.child.as_mut().expect("just started").try_wait().expect("a child to ask about");
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", self.log());
            assert!(Instant::now() < deadline, "the server is not ready:\n{}", self.log());
            // waits for: a server that is ready
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        if self.setup.environment.iter().any(|(name, _)| name == "PARLOR_TLS_KEY") {
            // Every server that listens is; this client does not speak TLS.
            return tokio::net::TcpStream::connect(self.address()).await.is_ok();
        }
        let api = self.api().with_timeout(Duration::from_secs(1));
        api.request(http::Method::GET, "/readyz", "").await.is_ok_and(|answer| answer.status.is_success())
    }

    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let errors = log.try_clone().expect("a second handle");
        let mut command = match &self.setup.network {
            Some((namespace, _)) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_parlor")]);
                self.with_environment(inside)
            }
            None => self.with_environment(Command::new(&self.setup.program)),
        };
        let listen = SocketAddr::from((
            self.setup.network.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| Ipv4Addr::UNSPECIFIED),
            self.setup.port,
        ));
        let entries: Vec<_> = [listen.to_string()].into_iter().chain(self.setup.also_listen.clone()).collect();
        let child = command
            .args(["serve", "--listen", &entries.join(","), "--data"])
            .arg(&self.setup.data)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        self.child = Some(child.expect("the built binary starts"));
    }

    fn command(&self) -> Command {
        self.with_environment(Command::new(env!("CARGO_BIN_EXE_parlor")))
    }

    fn with_environment(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLOR_")) {
            command.env_remove(name);
        }
        command.envs(self.setup.environment.iter().cloned());
        command
    }

    /// Runs a command of the binary on this server's data folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = self.command();
        command.env("PARLOR_DATA", &self.setup.data).args(arguments).stdin(Stdio::null());
        command.output().expect("the built binary starts")
    }

    /// Starts a command of the binary on this server's data folder.
    pub(crate) fn spawn_command(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.env("PARLOR_DATA", &self.setup.data).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("the built binary starts")
    }

    /// Backs the database up to a file; the server may be running.
    pub(crate) fn back_up(&self, file: &Path) {
        self.must_run(&["backup", file.to_str().expect("temporary folders have plain names")]);
    }

    /// Restores the database from a file; the server must be stopped.
    pub(crate) fn restore(&self, file: &Path) {
        self.must_run(&["restore", "--force", file.to_str().expect("temporary folders have plain names")]);
    }

    /// Runs a command that must succeed.
    pub(crate) fn must_run(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "parlor {} failed: {stderr}", arguments.join(" "));
    }

    /// Returns the data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.setup.data
    }

    fn log_path(&self) -> PathBuf {
        self.setup.folder.path().join("parlor.log")
    }

    /// Returns the log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let address = self.setup.network.as_ref().map_or(Ipv4Addr::LOCALHOST, |(_, address)| *address);
        SocketAddr::from((address, self.setup.port))
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the killed server is gone");
        }
    }

    /// Stops the server with SIGTERM and waits for its exit.
    pub(crate) async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(child.id(), "TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = child.try_wait().expect("a child to ask about") {
                assert!(status.success(), "the server ended with {status}:\n{}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "the server does not stop:\n{}", self.log());
            // waits for: a process that has ended
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns an anonymous HTTP client.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.address()).with_observer(crate::openapi::check)
    }

    /// Creates a user whose login starts with `name`, and signs in.
    pub(crate) async fn user(&self, name: &str) -> TestUser {
        let login = format!("{name}{}", unique());
        let body = SignUp { login: login.clone(), name: name.to_owned(), password: PASSWORD.to_owned() };
        let api = self.api();
        let made = api.send::<serde_json::Value>(http::Method::POST, "/v1/users", &body).await;
        made.unwrap_or_else(|error| panic!("{name} signs up: {error}\n{}", self.log()));
        let signed_in = api.sign_in(&login, PASSWORD).await;
        let (api, signed_in) = signed_in.unwrap_or_else(|error| panic!("{name} signs in: {error}\n{}", self.log()));
        let limits: serde_json::Value = api.get("/v1/limits").await.expect("the limits");
        let fan_out_max = limits["conversation_fan_out_max"].as_u64().and_then(|max| u32::try_from(max).ok());
        TestUser { id: signed_in.me.user.id, login, api, fan_out_max: fan_out_max.expect("a limit") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            eprintln!("the end of the server's log:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Finds the port in the log.
fn port_in(log: &str) -> Option<u16> {
    let url = log.rsplit_once("Parlor serves on ")?.1.split_once(char::is_whitespace)?.0;
    let address = url.split("://").nth(1)?.split('/').next()?;
    address.rsplit(':').next()?.parse().ok()
}

/// Runs a tool of the machine, or returns why it failed.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("kill exists").success(), "SIG{name} reaches the server");
}

/// Waits until a stopped process does nothing more: a signal takes effect some time after it was sent. One that has
/// ended does nothing either: PostgreSQL cannot reap its own while it is stopped itself.
pub(crate) fn until_stopped(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let mut states = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
        let is_idle = |state: &str| state.starts_with(" T") || state.starts_with(" Z");
        if states.all(|state| state.rsplit_once(')').is_some_and(|(_, rest)| is_idle(rest))) {
            return;
        }
        assert!(Instant::now() < deadline, "the process {pid} does not stop");
        std::thread::yield_now();
    }
}

/// A signed-in user.
#[derive(Clone)]
pub(crate) struct TestUser {
    pub(crate) id: UserId,
    pub(crate) login: String,
    pub(crate) api: Api,
    pub(crate) fan_out_max: u32,
}

impl TestUser {
    /// The same user, connecting to another address.
    pub(crate) fn through_address(&self, address: SocketAddr) -> Self {
        let with = |api: Api, (name, value): (&HeaderName, &HeaderValue)| {
            api.with_header(name.clone(), value.to_str().expect("plain headers"))
        };
        Self {
            api: self.api.headers().iter().fold(Api::new(address).with_observer(crate::openapi::check), with),
            ..self.clone()
        }
    }

    /// Returns a client that is not connected.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.api.clone(), self.id, self.fan_out_max)
    }

    /// Returns a connected client that has loaded everything.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = self.client();
        client.connect().await.expect("a socket");
        client.settle(Duration::from_secs(10)).await.expect("everything is loaded");
        client
    }

    /// Opens the direct conversation with another user, or finds it.
    pub(crate) async fn open_direct(&self, other: &Self) -> Conversation {
        let open = Open {
            client_id: format!("open-{}", unique()),
            user: Some(other.id),
            role: None,
            group: None,
            context: None,
        };
        self.open(open).await.expect("everyone may write to everyone")
    }

    /// Opens a group.
    pub(crate) async fn group(&self, title: &str, others: &[&Self]) -> ConversationId {
        let users = others.iter().map(|other| other.id).collect();
        let group = Some(Group { title: title.to_owned(), users });
        let open = Open { client_id: format!("open-{}", unique()), user: None, role: None, group, context: None };
        self.open(open).await.expect("everyone may write to everyone").id
    }

    async fn open(&self, open: Open) -> Result<Conversation, Error> {
        let opened: parlor_protocol::reply::Opened =
            self.api.send(http::Method::POST, "/v1/conversations", &open).await?;
        Ok(opened.conversation)
    }

    /// Leaves a group over HTTP.
    pub(crate) async fn leave(&self, conversation: ConversationId) {
        let path = format!("/v1/conversations/{conversation}/members/{}", self.id);
        let answer = self.api.request(http::Method::DELETE, &path, "").await.expect("an answer");
        answer.parse::<parlor_protocol::reply::Changed>().expect("a member may leave");
    }

    /// Sends a message over HTTP.
    pub(crate) async fn send(&self, conversation: ConversationId, text: &str) -> parlor_protocol::model::Message {
        let client_id = format!("send-{}", unique());
        self.api.post_message(conversation, &client_id, text).await.expect("a member may write").message
    }
}

/// Fails with the findings of the checker, if there are any.
pub(crate) fn assert_clean(verdict: &Verdict, seed: u64) {
    let findings = &verdict.findings;
    let first: Vec<_> = findings.iter().take(20).collect();
    assert!(findings.is_empty(), "seed {seed}: {} promises were broken, the first: {first:#?}", findings.len());
}

/// Seeds until the budget ends, at least four; or the requested one.
pub(crate) async fn for_seeds(seconds: f64, mut run: impl AsyncFnMut(u64)) {
    if let Ok(seed) = std::env::var("PARLOR_TEST_SEED") {
        return run(seed.parse().expect("a number")).await;
    }
    let began = Instant::now();
    let mut count = 0;
    let first = u64::from(std::process::id()) * 1000;
    while count < 4 || began.elapsed().as_secs_f64() < seconds * budget() {
        run(first + count).await;
        count += 1;
    }
    println!("{count} seeds from {first} on");
}
