//! Several users send random commands of every kind without waiting for replies; some read slowly or not at all, or
//! disconnect. Meanwhile another user is served within the usual time, every command that was read is answered, and at
//! the end nothing leaks. Runs with the defaults, and with pools, shares and queues of 1.

use crate::{
    harness::{Rng, Server, Setup, TestUser, scaled, unique},
    permissions::{Targets, every_command},
    pipelining::{pipelined, resumed},
    postgres,
};
use futures_util::future::join_all;
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, FileId, Seq},
    params::MessagePlace,
};
use std::{collections::BTreeMap, fs, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

/// The time within which every user's `GET /v1/me` is answered.
const ANSWERED: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_mins(1);
const PEOPLE: usize = 4;
const SOCKETS: usize = 12;
const BURSTS: usize = 6;

/// All limits on concurrent work.
const NARROW: [&str; 7] = [
    "store.readers",
    "limits.user_queries_max",
    "limits.user_changes_max",
    "limits.connection_changes_max",
    "limits.commit_queue_max",
    "limits.commit_changes_max",
    "limits.image_checks_max",
];

/// The senders and the targets of their commands.
struct FuzzTargets {
    users: Vec<TestUser>,
    groups: Vec<ConversationId>,
    pairs: Vec<ConversationId>,
}

impl FuzzTargets {
    async fn new(server: &Server) -> Self {
        let mut users = Vec::new();
        for number in 0..PEOPLE {
            users.push(server.user(&format!("sender{number}")).await);
        }
        let (mut groups, mut pairs) = (Vec::new(), Vec::new());
        for owner in &users {
            let others: Vec<&TestUser> = users.iter().filter(|other| other.id != owner.id).collect();
            let group = owner.group("Loud", &others).await;
            owner.send(group, &"x".repeat(5000)).await;
            groups.push(group);
            let pair = owner.open_direct(others[0]).await.id;
            owner.send(pair, "hello").await;
            pairs.push(pair);
        }
        Self { users, groups, pairs }
    }

    /// A random command of a random kind, by one of the users.
    fn command(&self, sender: &TestUser, rng: &mut Rng) -> Command {
        let targets = Targets {
            group: *rng.pick(&self.groups),
            message: Seq(1 + i64::try_from(rng.below(6)).expect("small")),
            line: Seq(1),
            caller: sender.id,
            target: rng.pick(&self.users).id,
            owner: rng.pick(&self.users).id,
            stranger: rng.pick(&self.users).id,
            own: MessagePlace { conversation: *rng.pick(&self.pairs), seq: Seq(1) },
            upload: FileId(1 + i64::try_from(rng.below(50)).expect("small")),
            key: format!("fuzz-{}", unique()),
        };
        rng.pick(&every_command(&targets)).clone()
    }
}

/// How a client reads what the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadMode {
    /// Reads everything at once.
    Eager,
    /// Reads a little between bursts, and the rest at the end.
    Slow,
    /// Never reads.
    Stuck,
    /// Disconnects in the middle.
    Cut,
}

const READERS: [ReadMode; 4] = [ReadMode::Eager, ReadMode::Slow, ReadMode::Stuck, ReadMode::Cut];

/// Commands without an answer yet.
#[derive(Default)]
struct PendingReplies(BTreeMap<i64, String>);

impl PendingReplies {
    fn received(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(Some(re), _) => {
                assert!(self.0.remove(&re).is_some(), "{re} is answered once");
            }
            Incoming::Heartbeat | Incoming::Event(_) => {}
            other => panic!("{other:?} while these wait: {:?}", self.0),
        }
    }
}

async fn run_client(fixture: &FuzzTargets, sender: &TestUser, reader: ReadMode, mut rng: Rng) {
    let handshake = Handshake::new(sender.api.address(), sender.api.headers());
    let handshake = if reader == ReadMode::Stuck { handshake.with_receive_buffer(4096) } else { handshake };
    let mut socket: Socket = resumed(handshake, sender).await;
    let mut awaited = PendingReplies::default();
    let mut last_id = 1000;
    for _ in 0..BURSTS {
        let burst: Vec<Command> = (0..=rng.below(40)).map(|_| fixture.command(sender, &mut rng)).collect();
        let first = last_id + 1;
        for command in &burst {
            last_id += 1;
            awaited.0.insert(last_id, format!("{command:?}"));
        }
        let bytes = pipelined(first, burst);
        let sent = timeout(LONG, socket.send_raw(&bytes));
        match reader {
            ReadMode::Eager => {
                sent.await.expect("read from").expect("sent");
                let deadline = Instant::now() + LONG;
                while !awaited.0.is_empty() {
                    let incoming = socket.next_before(deadline).await;
                    awaited.received(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
                }
            }
            ReadMode::Slow => {
                sent.await.expect("read from").expect("sent");
                for _ in 0..rng.below(5) {
                    let incoming = socket.next(LONG).await;
                    awaited.received(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
                }
            }
            // A client whose frames are not read cannot send forever.
            ReadMode::Stuck | ReadMode::Cut => drop(timeout(Duration::from_millis(200), sent).await),
        }
    }
    match reader {
        ReadMode::Eager => socket.close().await.expect("closed"),
        ReadMode::Slow => {
            let deadline = Instant::now() + LONG;
            while !awaited.0.is_empty() {
                let incoming = socket.next_before(deadline).await;
                awaited.received(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
            }
        }
        ReadMode::Stuck => drop(socket),
        ReadMode::Cut => socket.abort(),
    }
}

/// The gauges of pending work and the open descriptors of a server.
async fn held(server: &Server) -> BTreeMap<String, f64> {
    let api = server.api().with_header(http::header::AUTHORIZATION, "Bearer figures");
    let answer = api.request(http::Method::GET, "/metrics", "").await.expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let figures = ["connections", "queries_under_way", "changes_under_way", "store_connections_busy", "tasks"];
    let mut held = BTreeMap::new();
    for figure in figures {
        let name = format!("parlor_{figure} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_else(|| panic!("no {name}"));
        held.insert(figure.to_owned(), line.parse().expect("a number"));
    }
    let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count);
    held.insert("descriptors".to_owned(), f64::from(u32::try_from(descriptors).expect("few")));
    held
}

async fn fuzz(setup: Setup) {
    let seed = std::env::var("PARLOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16 | unique());
    println!("PARLOR_TEST_SEED={seed}");
    let server = setup.with("limits.frames_per_second_max", 100_000).with("metrics.token", "figures").start().await;
    let other = server.user("other").await;
    let fixture = std::sync::Arc::new(FuzzTargets::new(&server).await);
    let mut rng = Rng::new(seed);
    // The pool is full, so that no connection opens later.
    join_all((0..32).map(|_| other.api.me())).await.into_iter().for_each(|me| drop(me.expect("served")));
    let before = held(&server).await;
    let mut senders = JoinSet::new();
    for number in 0..scaled(SOCKETS) {
        let (fixture, reader) = (fixture.clone(), READERS[number % READERS.len()]);
        let (sender, rng) = (number / READERS.len() % PEOPLE, Rng::new(rng.next()));
        senders.spawn(async move {
            run_client(&fixture, &fixture.users[sender], reader, rng).await;
        });
    }
    loop {
        let served = timeout(ANSWERED, other.api.me()).await;
        served.expect("answered in time").expect("others are served");
        match timeout(Duration::from_millis(20), senders.join_next()).await {
            Ok(Some(done)) => done.unwrap_or_else(|error| panic!("seed {seed}: {error}")),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    let deadline = Instant::now() + LONG;
    loop {
        let now = held(&server).await;
        let more: Vec<_> = now.iter().filter(|(name, value)| **value > before[*name]).collect();
        if more.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "seed {seed}: these leaked: {more:?}, before: {before:?}");
        // waits for: the resources of closed connections
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "seed {seed}: {log}");
}

fn with_limits_at_one(setup: Setup) -> Setup {
    NARROW.iter().fold(setup, |setup, key| setup.with(key, 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelining_blocks_no_other_user_and_leaks_nothing_sqlite() {
    fuzz(Setup::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelining_blocks_no_other_user_and_leaks_nothing_sqlite_at_one() {
    fuzz(with_limits_at_one(Setup::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelining_blocks_no_other_user_and_leaks_nothing_postgres() {
    if let Some(url) = postgres::database() {
        fuzz(Setup::new().with("store.url", url)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelining_blocks_no_other_user_and_leaks_nothing_postgres_at_one() {
    if let Some(url) = postgres::database() {
        fuzz(with_limits_at_one(Setup::new().with("store.url", url))).await;
    }
}
