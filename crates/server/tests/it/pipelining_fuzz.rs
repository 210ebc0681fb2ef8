//! Several people send random commands of every kind without waiting for replies, and some read slowly or not at all or
//! cut their connection. Meanwhile somebody else is served within the usual time; every command that was read is
//! answered; and at the end nothing is held. With everything at its default, and with pools, shares and queues at 1.

use crate::{
    authority::{About, every_command},
    harness::{Chance, Person, Server, Setup, scaled, unique},
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

/// The time within which anybody's `GET /v1/me` is answered, whatever others do.
const ANSWERED: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_mins(1);
const PEOPLE: usize = 4;
const SOCKETS: usize = 12;
const BURSTS: usize = 6;

/// Everything that bounds how much is under way at once.
const NARROW: [&str; 7] = [
    "store.readers",
    "limits.user_queries_max",
    "limits.user_changes_max",
    "limits.connection_changes_max",
    "limits.commit_queue_max",
    "limits.commit_changes_max",
    "limits.image_checks_max",
];

/// Those who send, and what they send about.
struct Scene {
    people: Vec<Person>,
    groups: Vec<ConversationId>,
    pairs: Vec<ConversationId>,
}

impl Scene {
    async fn new(server: &Server) -> Self {
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            people.push(server.user(&format!("sender{number}")).await);
        }
        let (mut groups, mut pairs) = (Vec::new(), Vec::new());
        for owner in &people {
            let others: Vec<&Person> = people.iter().filter(|other| other.id != owner.id).collect();
            let group = owner.group("Loud", &others).await;
            owner.say(group, &"x".repeat(5000)).await;
            groups.push(group);
            let pair = owner.write_to(others[0]).await.id;
            owner.say(pair, "hello").await;
            pairs.push(pair);
        }
        Self { people, groups, pairs }
    }

    /// A random command of a random kind, by one of the people.
    fn command(&self, asker: &Person, chance: &mut Chance) -> Command {
        let about = About {
            group: *chance.pick(&self.groups),
            said: Seq(1 + i64::try_from(chance.below(6)).expect("small")),
            line: Seq(1),
            asker: asker.id,
            target: chance.pick(&self.people).id,
            owner: chance.pick(&self.people).id,
            stranger: chance.pick(&self.people).id,
            own: MessagePlace { conversation: *chance.pick(&self.pairs), seq: Seq(1) },
            upload: FileId(1 + i64::try_from(chance.below(50)).expect("small")),
            key: format!("fuzz-{}", unique()),
        };
        chance.pick(&every_command(&about)).clone()
    }
}

/// How somebody treats what the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Reads all of it at once.
    Eager,
    /// Reads a little between two bursts, and the rest at the end.
    Slow,
    /// Never reads.
    Stuck,
    /// Goes away in the middle.
    Cut,
}

const READERS: [Reader; 4] = [Reader::Eager, Reader::Slow, Reader::Stuck, Reader::Cut];

/// What was sent and is not answered.
#[derive(Default)]
struct Awaited(BTreeMap<i64, String>);

impl Awaited {
    fn heard(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Reply(Some(re), _) => {
                assert!(self.0.remove(&re).is_some(), "{re} is answered once");
            }
            Incoming::Heartbeat | Incoming::Event(_) => {}
            other => panic!("{other:?} while these wait: {:?}", self.0),
        }
    }
}

async fn converse(scene: &Scene, asker: &Person, reader: Reader, mut chance: Chance) {
    let handshake = Handshake::new(asker.api.address(), asker.api.headers());
    let handshake = if reader == Reader::Stuck { handshake.with_receive_buffer(4096) } else { handshake };
    let mut socket: Socket = resumed(handshake, asker).await;
    let mut awaited = Awaited::default();
    let mut last_id = 1000;
    for _ in 0..BURSTS {
        let burst: Vec<Command> = (0..=chance.below(40)).map(|_| scene.command(asker, &mut chance)).collect();
        let first = last_id + 1;
        for command in &burst {
            last_id += 1;
            awaited.0.insert(last_id, format!("{command:?}"));
        }
        let bytes = pipelined(first, burst);
        let sent = timeout(LONG, socket.send_raw(&bytes));
        match reader {
            Reader::Eager => {
                sent.await.expect("read from").expect("sent");
                let deadline = Instant::now() + LONG;
                while !awaited.0.is_empty() {
                    let incoming = socket.next_before(deadline).await;
                    awaited.heard(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
                }
            }
            Reader::Slow => {
                sent.await.expect("read from").expect("sent");
                for _ in 0..chance.below(5) {
                    let incoming = socket.next(LONG).await;
                    awaited.heard(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
                }
            }
            // Whoever is not read from cannot send for ever.
            Reader::Stuck | Reader::Cut => drop(timeout(Duration::from_millis(200), sent).await),
        }
    }
    match reader {
        Reader::Eager => socket.close().await.expect("closed"),
        Reader::Slow => {
            let deadline = Instant::now() + LONG;
            while !awaited.0.is_empty() {
                let incoming = socket.next_before(deadline).await;
                awaited.heard(incoming.unwrap_or_else(|| panic!("never answered: {:?}", awaited.0)));
            }
        }
        Reader::Stuck => drop(socket),
        Reader::Cut => socket.abort(),
    }
}

/// What a server holds: figures that rise with what is under way, and open descriptors.
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
    let scene = std::sync::Arc::new(Scene::new(&server).await);
    let mut chance = Chance::new(seed);
    // As many connections to the database as there may be, so that none is opened later.
    join_all((0..32).map(|_| other.api.me())).await.into_iter().for_each(|me| drop(me.expect("served")));
    let before = held(&server).await;
    let mut senders = JoinSet::new();
    for number in 0..scaled(SOCKETS) {
        let (scene, reader) = (scene.clone(), READERS[number % READERS.len()]);
        let (asker, chance) = (number / READERS.len() % PEOPLE, Chance::new(chance.next()));
        senders.spawn(async move {
            converse(&scene, &scene.people[asker], reader, chance).await;
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
        assert!(Instant::now() < deadline, "seed {seed}: these are held: {more:?}, before: {before:?}");
        // waits for: what closed connections held
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "seed {seed}: {log}");
}

fn narrow(setup: Setup) -> Setup {
    NARROW.iter().fold(setup, |setup, key| setup.with(key, 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_without_waiting_others_are_served_and_nothing_stays_held_sqlite() {
    fuzz(Setup::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_without_waiting_others_are_served_and_nothing_stays_held_sqlite_at_one() {
    fuzz(narrow(Setup::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_without_waiting_others_are_served_and_nothing_stays_held_postgres() {
    if let Some(url) = postgres::database() {
        fuzz(Setup::new().with("store.url", url)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_without_waiting_others_are_served_and_nothing_stays_held_postgres_at_one() {
    if let Some(url) = postgres::database() {
        fuzz(narrow(Setup::new().with("store.url", url))).await;
    }
}
