//! Parlor, the host's database, a process that writes it, and the connections between them are killed at random moments
//! while everybody writes. At the end both sides are equal, and everything that was acknowledged is there once.

use super::{
    Host, HostServer, PEOPLE,
    kill_writers::{LONG, PAIRS, Shared, start_sqlite_writer, text, write_as_host, write_as_page, write_as_person},
    link::{Link, LinkState},
    until,
};
use crate::{
    harness::{Rng, Server, Setup, TestUser, scaled, unique},
    mariadb::MariaDb,
    postgres::Postgres,
    raw_http::ask,
};
use parlor::host::{HostKind, HostValue};
use parlor_protocol::{
    ids::{ConversationId, Seq},
    model::Message as WireMessage,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    process::Child,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

pub(super) const PASSWORD: &str = "correct horse";
/// The same, as Django hashes it.
pub(super) const HASH: &str = "pbkdf2_sha256$1000$saltofthetests$7242V8hRsTdCnaJlPkTsvALR+Ssjt+Z9T2x4m1SEbyM=";
const KILLS: usize = 10;

/// The database of the host, and how it dies.
enum Database {
    /// A process that writes the file.
    Sqlite(HostServer),
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Database {
    /// Returns where the application finds it.
    fn server(&self) -> HostServer {
        match self {
            Self::Sqlite(server) => HostServer { url: server.url.clone(), _folder: None },
            Self::Postgres(server) => HostServer { url: server.database(), _folder: None },
            Self::MariaDb(server) => HostServer { url: server.database(), _folder: None },
        }
    }

    fn kill(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(server) => server.kill(),
            Self::MariaDb(server) => server.kill(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(server) => server.start_again(),
            Self::MariaDb(server) => server.start_again(),
        }
    }
}

/// Everything that runs.
struct Scene {
    database: Database,
    host: Host,
    link: Option<Link>,
    server: Server,
    people: Vec<TestUser>,
    /// Between persons 1 and 2, 1 and 3, 2 and 3.
    conversations: Vec<ConversationId>,
    writer: Option<Child>,
    shared: Arc<Shared>,
}

impl Scene {
    async fn start(database: Database) -> Self {
        let host = Host::new(&database.server(), "accounting").await;
        host.execute("UPDATE auth_user SET password = $1", vec![HASH.into()]).await;
        for (from, to) in PAIRS {
            host.insert(from, to, "the first").await;
        }
        let (url, link) = match port_of(&host.url) {
            Some(port) => {
                let link = Link::to(port).await;
                (host.url.replace(&format!(":{port}/"), &format!(":{}/", link.port)), Some(link))
            }
            None => (host.url.clone(), None),
        };
        let server = Setup::new()
            .with("host.database", url)
            .with("host.timeout_ms", 1000)
            .with("compat.profile", "accounting")
            .with("identity.providers", "accounts")
            .with("mirror.scan_ms", 1000)
            .start()
            .await;
        let mut people = Vec::new();
        for (_, login, ..) in &PEOPLE[..3] {
            let signed_in = Mutex::new(None);
            until("somebody who has written may sign in", || async {
                let answer = server.api().sign_in(login, PASSWORD).await.ok();
                *signed_in.lock().expect("not poisoned") = answer;
                signed_in.lock().expect("not poisoned").is_some()
            })
            .await;
            let (api, me) = signed_in.into_inner().expect("not poisoned").expect("signed in");
            people.push(TestUser { id: me.me.user.id, login: (*login).to_owned(), api, fan_out_max: 0 });
        }
        let mut conversations = Vec::new();
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            conversations.push(people[one].open_direct(&people[other]).await.id);
        }
        Self { database, host, link, server, people, conversations, writer: None, shared: Arc::default() }
    }

    async fn spawn_writers(&mut self, rng: &mut Rng) -> Vec<JoinHandle<()>> {
        let shared = || self.shared.clone();
        let mut next = || Rng::new(rng.next());
        let mut writers = vec![tokio::spawn(write_as_host(self.host.clone(), shared(), next()))];
        let own = [[0, 1], [0, 2], [1, 2]];
        for (person, own) in self.people.iter().zip(own) {
            let conversations = own.map(|at| self.conversations[at]).to_vec();
            writers.push(tokio::spawn(write_as_person(person.clone(), conversations, shared(), next())));
        }
        let body = json!({"login": self.people[2].login, "password": PASSWORD}).to_string();
        let headers = [("Content-Type", "application/json")];
        let cookie = ask(self.server.address(), "POST", "/v1/session", &headers, &body).await.cookie();
        let cookie = cookie.expect("a cookie");
        writers.push(tokio::spawn(write_as_page(self.server.address(), cookie, shared(), next())));
        if self.link.is_none() {
            self.writer = Some(start_sqlite_writer(&self.host, &self.shared));
        }
        writers
    }

    /// Kills something at a random moment, and lets it run again.
    async fn kill(&mut self, rng: &mut Rng) {
        self.shared.until_acknowledged(8).await;
        // waits for: nothing; the moment of the kill is random, and how long it takes
        sleep(rng.millis(0, 400)).await;
        let away = rng.millis(0, 600);
        let Some(link) = &self.link else {
            if rng.percent(50) {
                self.kill_parlor(away).await;
            } else {
                let mut writer = self.writer.replace(start_sqlite_writer(&self.host, &self.shared)).expect("it runs");
                writer.kill().expect("it runs");
                writer.wait().expect("it has ended");
            }
            return;
        };
        match rng.below(8) {
            0..=2 => self.kill_parlor(away).await,
            3..=4 => self.kill_database(away).await,
            5 => {
                self.server.kill();
                self.kill_database(away).await;
                self.server.restart().await;
            }
            6 => {
                link.set(LinkState::Cut);
                sleep(away).await; // waits for: nothing
                link.set(LinkState::Open);
            }
            _ => {
                link.set(LinkState::Frozen);
                sleep(3 * away).await; // waits for: nothing
                link.set(LinkState::Open);
            }
        }
    }

    async fn kill_parlor(&mut self, away: Duration) {
        self.server.kill();
        sleep(away).await; // waits for: nothing
        self.server.restart().await;
    }

    async fn kill_database(&mut self, away: Duration) {
        tokio::task::block_in_place(|| self.database.kill());
        sleep(away).await; // waits for: nothing
        tokio::task::block_in_place(|| self.database.start_again());
    }

    /// Waits until what was written last on each side is on the other one, and nothing is on its way.
    async fn until_quiet(&self) {
        let (probe, answer) = (text("probe"), text("answer"));
        self.host.insert(1, 2, &probe).await;
        until("the last row of the host is here", || async {
            let page = self.people[0].api.messages(self.conversations[0], "").await;
            page.is_ok_and(|page| page.messages.iter().any(|message| message.text == probe))
        })
        .await;
        let key = format!("send-{}", unique());
        self.people[0].api.post_message(self.conversations[0], &key, &answer).await.expect("Parlor runs");
        until("the last message is there", || async {
            self.host.messages().await.iter().any(|(_, _, _, text, _)| *text == answer)
        })
        .await;
        let schema = if self.host.database.kind() == HostKind::Postgres { "parlor." } else { "" };
        let sql = format!("SELECT COUNT(*) FROM {schema}parlor_outbox");
        until("the outbox is empty", || async {
            self.host.query(&sql, Vec::<HostValue>::new()).await[0].integer(0) == Ok(0)
        })
        .await;
    }

    /// Returns the texts of all messages that somebody sees.
    async fn shown(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (person, conversation) in [0, 0, 1].into_iter().zip(&self.conversations) {
            let mut after = Seq(0);
            loop {
                let page = self.people[person].api.messages(*conversation, &format!("after={after}")).await;
                let page: Vec<WireMessage> = page.expect("Parlor runs").messages;
                let Some(last) = page.iter().map(|message| message.seq).max() else { break };
                texts.extend(page.into_iter().map(|message| message.text));
                after = last;
            }
        }
        texts
    }
}

fn port_of(url: &str) -> Option<u16> {
    url.rsplit_once('/')?.0.rsplit_once(':')?.1.parse().ok()
}

/// Counts how often each text is there.
fn counts<'a>(texts: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
    texts.fold(BTreeMap::new(), |mut counts, text| {
        *counts.entry(text.as_str()).or_default() += 1;
        counts
    })
}

async fn both_sides_end_equal_after_kills(database: Database) {
    let seed = std::env::var("PARLOR_TEST_SEED").ok().map_or(7, |seed| seed.parse().expect("a number"));
    println!("PARLOR_TEST_SEED={seed}");
    let mut rng = super::rng(seed);
    let mut scene = Scene::start(database).await;
    let writers = scene.spawn_writers(&mut rng).await;
    for _ in 0..scaled(KILLS) {
        scene.kill(&mut rng).await;
    }
    scene.shared.until_acknowledged(20).await;
    scene.shared.end();
    for writer in writers {
        timeout(LONG, writer).await.expect("a writer ends").expect("and well");
    }
    if let Some(mut writer) = scene.writer.take() {
        writer.kill().expect("it runs");
        writer.wait().expect("it has ended");
    }
    scene.until_quiet().await;
    let shown = scene.shown().await;
    for attempt in 0.. {
        scene.server.stop().await;
        let checked = scene.server.run(&["mirror", "check"]);
        if checked.status.success() {
            break;
        }
        // What was written last may have been on its way.
        assert!(attempt < 3, "seed {seed}: {}", super::commands::text(&checked));
        scene.server.restart().await;
        scene.until_quiet().await;
    }
    let rows = scene.host.messages().await;
    let (there, here) = (counts(rows.iter().map(|row| &row.3)), counts(shown.iter()));
    let acknowledged = scene.shared.acknowledged.lock().expect("not poisoned");
    println!("{:?}", acknowledged.iter().map(|(writer, texts)| (*writer, texts.len())).collect::<Vec<_>>());
    for writer in ["host", "person", "page"] {
        assert!(acknowledged.get(writer).is_some_and(|texts| !texts.is_empty()), "{writer} was acknowledged");
    }
    for text in acknowledged.values().flatten() {
        let times = (there.get(text.as_str()), here.get(text.as_str()));
        assert_eq!(times, (Some(&1), Some(&1)), "{text} (seed {seed})");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_end_equal_after_kills_on_sqlite() {
    both_sides_end_equal_after_kills(Database::Sqlite(HostServer::sqlite_with("delete"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_end_equal_after_kills_on_postgres() {
    let Some(server) = Postgres::alone() else { return };
    both_sides_end_equal_after_kills(Database::Postgres(server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_end_equal_after_kills_on_mariadb() {
    let Some(server) = MariaDb::alone(&["--innodb-flush-log-at-trx-commit=2"]) else { return };
    both_sides_end_equal_after_kills(Database::MariaDb(server)).await;
}
