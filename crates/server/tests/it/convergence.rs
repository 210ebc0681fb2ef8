//! After any interruption every client ends equal to the store (I7): people do random things while their events are
//! lost, doubled and turned round, connections cut, servers killed and backups restored; at the end the state of each
//! client is that of a fresh snapshot.
//!
//! The limits are cruel: pages of three, large conversations from four members on. The seed of a failing run is
//! printed; `PARLOR_TEST_SEED` runs it again.

use crate::{
    harness::{Chance, Person, Server, Setup, budget, unique},
    wishes,
};
use parlor_client::{
    error::Error,
    sync::{Client, Tamper, poll::snapshot},
};
use parlor_protocol::{
    command::Command,
    event::Event,
    http::{PatchConversation, PatchMember, PostMembers},
    ids::{ConversationId, Seq, UserId},
    model::{ContextKey, Role},
    params::{Group, History, MeUpdate, Open},
};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const PEOPLE: usize = 5;
const STEPS: usize = 60;
/// What people write about.
const ITEMS: [&str; 2] = ["1", "2"];
const MARKER_INTERVAL: Duration = Duration::from_millis(40);

/// How badly live events fare: how many of a hundred meet each fate.
#[derive(Clone, Copy)]
struct Weather {
    lost: usize,
    doubled: usize,
    late: usize,
    /// The opening of a conversation comes once more, much later.
    openings: usize,
}

const CALM: Weather = Weather { lost: 0, doubled: 0, late: 0, openings: 0 };
const STORM: Weather = Weather { lost: 20, doubled: 15, late: 25, openings: 10 };

fn tamper(weather: Weather, mut chance: Chance) -> Tamper {
    let mut late: Vec<Event> = Vec::new();
    let mut openings: Vec<Event> = Vec::new();
    let mut on = 0;
    Box::new(move |connection, event| {
        if std::mem::replace(&mut on, connection) != connection {
            // What a connection had not brought by its end never comes.
            late.clear();
            openings.clear();
        }
        if matches!(event, Event::ConversationCreated { .. }) {
            openings.push(event.clone());
        }
        if chance.percent(weather.lost) {
            return Vec::new();
        }
        if chance.percent(weather.late) {
            late.push(event);
            return Vec::new();
        }
        let mut events = vec![event.clone()];
        if chance.percent(weather.doubled) {
            events.push(event);
        }
        events.append(&mut late);
        if !openings.is_empty() && chance.percent(weather.openings) {
            events.push(chance.pick(&openings).clone());
        }
        events
    })
}

/// Small limits, of which each seed meets others at their edge.
fn cruel(seed: u64) -> Setup {
    let server = Setup::new()
        .with("limits.page_rows", 3)
        .with("limits.heads_changes_max", 2)
        .with("limits.message_emoji_max", 2)
        .with("limits.conversation_fan_out_max", 3)
        .with("limits.frames_per_second_max", 10_000)
        .with("sync.marker_interval_ms", MARKER_INTERVAL.as_millis())
        .with("sync.clock_check_ms", 100)
        .with("stop.grace_ms", 1000);
    match seed % 4 {
        // Changes come in several pages,
        0 => server.with("limits.page_rows_max", 3),
        1 => server.with("limits.page_bytes_max", 60),
        // are so many that only the newest page comes,
        2 => server.with("limits.changes_rows_max", 6),
        // or in so many conversations that everything is loaded anew.
        _ => server.with("limits.heads_max", 3),
    }
}

struct World {
    server: Server,
    people: Vec<Person>,
    clients: Vec<Client>,
    chance: Chance,
    backup: Option<tempfile::TempDir>,
}

impl World {
    async fn new(server: Server, seed: u64, weather: Weather) -> Self {
        let mut chance = Chance::new(seed);
        let mut people = Vec::new();
        for name in ["ada", "ben", "cleo", "dan", "eve"] {
            people.push(server.user(name).await);
        }
        let mut clients = Vec::new();
        for person in &people {
            let mut client = person.connect().await;
            client.list_limit = Some(2);
            client.set_tamper(Some(tamper(weather, Chance::new(chance.next()))));
            clients.push(client);
        }
        let mut world = Self { server, people, clients, chance, backup: None };
        for item in ITEMS {
            world.put(item);
        }
        for who in 0..2 {
            let open = world.open(who);
            world.command(who, open).await;
        }
        world
    }

    /// A conversation that this person knows of.
    fn some_conversation(&mut self, who: usize) -> Option<ConversationId> {
        let known: Vec<_> = self.clients[who].state.conversations().map(|conversation| conversation.id).collect();
        if known.is_empty() { None } else { Some(*self.chance.pick(&known)) }
    }

    fn somebody(&mut self) -> UserId {
        self.people[self.chance.below(PEOPLE)].id
    }

    /// One of the first so many of a hundred things that a person may do; from 90 on they are interruptions. Refusals
    /// are part of life; what was refused did not happen.
    async fn act(&mut self, things: usize) {
        if self.chance.percent(20) {
            return self.act_together().await;
        }
        let who = self.chance.below(PEOPLE);
        match self.chance.below(things) {
            0..86 => {
                if let Some(command) = self.wish(who) {
                    self.command(who, command).await;
                }
            }
            86..88 => self.show(who).await,
            88..90 => self.operate(),
            _ => self.interrupt(who).await,
        }
    }

    /// Several people do something at the same moment, so that it is committed together.
    async fn act_together(&mut self) {
        let mut at_once = JoinSet::new();
        for _ in 0..8 {
            let who = self.chance.below(PEOPLE);
            let Some(command) = self.wish(who) else { continue };
            let person = self.people[who].clone();
            at_once.spawn(async move { by_http(&person, command).await.is_ok() });
        }
        while let Some(ended) = at_once.join_next().await {
            ended.expect("a command does not panic");
        }
    }

    /// By socket where there is one and chance says so, else by HTTP.
    async fn command(&mut self, who: usize, command: Command) -> Option<Error> {
        let by_socket = self.chance.percent(50) && self.clients[who].is_connected();
        if by_socket {
            return self.clients[who].call::<Value>(command).await.err();
        }
        by_http(&self.people[who], command).await.err()
    }

    /// What a person wants to change.
    fn wish(&mut self, who: usize) -> Option<Command> {
        let thing = self.chance.below(86);
        if thing < 6 {
            return Some(self.open(who));
        }
        if thing < 10 {
            return Some(Command::UpdateMe(self.settings()));
        }
        let conversation = self.some_conversation(who)?;
        Some(match thing {
            10..35 => wishes::say(&mut self.chance, &self.clients[who].state, conversation, who),
            35..60 => wishes::revise(&mut self.chance, &self.clients[who].state, conversation),
            60..70 => self.mark(who, conversation),
            _ => self.lead(who, conversation),
        })
    }

    /// Another name, or another setting.
    fn settings(&mut self) -> MeUpdate {
        let name = self.chance.percent(60).then(|| format!("name {}", unique()));
        let receipts = (name.is_none() || self.chance.percent(20)).then(|| self.chance.percent(50));
        let presence = self.chance.percent(20).then(|| self.chance.percent(50));
        MeUpdate { name, receipts, presence }
    }

    /// What concerns a group: who is in it, what they may, and what it is called.
    fn lead(&mut self, who: usize, conversation: ConversationId) -> Command {
        match self.chance.below(16) {
            0..6 => {
                let history = [None, Some(History::FromJoining), Some(History::FromStart)];
                let history = *self.chance.pick(&history);
                Command::AddMembers { conversation, users: vec![self.somebody(), self.somebody()], history }
            }
            6..11 => {
                let user = if self.chance.percent(40) { self.people[who].id } else { self.somebody() };
                Command::RemoveMember { conversation, user }
            }
            11..14 => {
                let role = *self.chance.pick(&[Role::Owner, Role::Moderator, Role::Member]);
                Command::UpdateMember { conversation, user: self.somebody(), role }
            }
            _ => Command::UpdateConversation { conversation, title: format!("title {}", unique()) },
        }
    }

    fn mark(&mut self, who: usize, conversation: ConversationId) -> Command {
        let last = self.clients[who].state.conversation(conversation).map_or(0, |held| held.last_seq.0);
        let seq = Some(Seq((last - i64::try_from(self.chance.below(3)).expect("small")).max(0)));
        if self.chance.percent(70) {
            Command::Mark { conversation, delivered: None, read: seq }
        } else {
            Command::Mark { conversation, delivered: seq, read: None }
        }
    }

    fn open(&mut self, who: usize) -> Command {
        let client_id = format!("open-{}", unique());
        let mut open = Open { client_id, user: None, role: None, group: None, context: None };
        if self.chance.percent(50) {
            open.context = Some(ContextKey { kind: "item".to_owned(), id: (*self.chance.pick(&ITEMS)).to_owned() });
        }
        if self.chance.percent(30) {
            open.user = Some(self.people[(who + 1) % PEOPLE].id);
        } else {
            let count = 1 + self.chance.below(PEOPLE);
            let users = (0..count).map(|_| self.somebody()).collect();
            open.group = Some(Group { title: format!("group {}", unique()), users });
        }
        Command::Open(open)
    }

    /// The operator closes or reopens an item, or says anew what it is.
    fn operate(&mut self) {
        let item = *self.chance.pick(&ITEMS);
        match self.chance.below(10) {
            0 => self.server.must_run(&["context", "close", "--type", "item", "--id", item]),
            1 | 2 => self.server.must_run(&["context", "close", "--reopen", "--type", "item", "--id", item]),
            _ => self.put(item),
        }
    }

    /// Three people are something to it.
    fn put(&mut self, item: &str) {
        let title = format!("item {}", unique());
        let first = self.chance.below(PEOPLE);
        let role = |index: usize| format!("role{index}={}", self.people[(first + index) % PEOPLE].login);
        let roles = [role(0), role(1), role(2)];
        let mut arguments = vec!["context", "put", "--type", "item", "--id", item, "--title", &title];
        for role in &roles {
            arguments.extend(["--role", role]);
        }
        self.server.must_run(&arguments);
    }

    async fn show(&mut self, who: usize) {
        let known: Vec<_> = self.clients[who].state.conversations().map(|conversation| conversation.id).collect();
        if self.clients[who].is_connected() {
            // Where it fails, the connection has ended and is opened again later.
            let _shown = self.clients[who].show(known.into_iter().take(3).collect()).await;
        }
    }

    async fn interrupt(&mut self, who: usize) {
        let breaks = self.chance.percent(30);
        match self.chance.below(12) {
            0..4 => self.clients[who].disconnect(),
            4 | 5 => {
                // Heads at any time; if the connection ends, it is opened again later.
                let _heads = self.clients[who].resume().await;
            }
            10 => {
                // A reset on a connection that lives on; what is on its way still comes.
                let _heads = self.clients[who].resume_without_cursor().await;
            }
            11 => {
                // Another connection comes while the last one goes.
                self.clients[who].disconnect();
                let _opened = self.clients[who].connect().await;
            }
            6 | 7 if breaks => self.restart().await,
            8 if breaks && self.backup.is_none() => self.back_up(),
            9 if breaks => self.restore().await,
            _ => {
                self.clients[who].disconnect();
                // A round of polling, in place of the socket.
                let _polled = self.clients[who].poll(0).await;
            }
        }
    }

    async fn restart(&mut self) {
        if self.chance.percent(50) {
            self.server.kill();
        } else {
            self.server.stop().await;
        }
        self.server.restart().await;
    }

    fn back_up(&mut self) {
        let folder = crate::harness::folder();
        self.server.back_up(&folder.path().join("backup"));
        self.backup = Some(folder);
    }

    async fn restore(&mut self) {
        let Some(backup) = self.backup.take() else { return };
        self.server.stop().await;
        self.server.restore(&backup.path().join("backup"));
        self.server.restart().await;
    }

    /// Everybody gets a moment; some of those without a socket open one.
    async fn breathe(&mut self) {
        for who in 0..PEOPLE {
            if self.clients[who].is_connected() {
                let moment = self.chance.millis(1, 4);
                // If the connection ends, it is opened again later.
                let _ended = self.clients[who].run_for(moment).await;
            } else if self.chance.percent(40) {
                // Another try follows.
                let _opened = self.clients[who].connect().await;
            }
        }
    }

    /// Waits until the server changes nothing any more: markers are applied up to their interval later.
    async fn quiet(&mut self) {
        let mut before = None;
        let mut since = Instant::now();
        while since.elapsed() < MARKER_INTERVAL * 4 {
            let now = self.people[0].api.events(None, 0).await.expect("heads").cursor;
            if before != Some(now) {
                (before, since) = (Some(now), Instant::now());
            }
            // waits for: a clock that stands still
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// In what the clients differ from fresh snapshots.
    async fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (client, person) in self.clients.iter().zip(&self.people) {
            let fresh = snapshot(&person.api, person.id, person.fan_out_max).await.expect("a snapshot");
            let differences = client.state.normal_form().differences_from(&fresh.normal_form());
            found.extend(differences.into_iter().map(|text| format!("person {}: {text}", person.id)));
        }
        found
    }

    /// All reconnect, ask for heads once, and are equal to the store.
    async fn converge(&mut self, seed: u64) {
        self.quiet().await;
        for (who, client) in self.clients.iter_mut().enumerate() {
            client.set_tamper(None);
            if who == 0 {
                client.disconnect();
                client.poll(0).await.expect("the first one polls");
                continue;
            }
            if !client.is_connected() || client.resume().await.is_err() {
                client.connect().await.expect("a socket");
            }
            let settled = client.settle(Duration::from_secs(10)).await;
            settled.unwrap_or_else(|error| panic!("seed {seed}: {error}: {:?}", client.state.needs()));
        }
        let found = self.differences().await;
        assert!(found.is_empty(), "seed {seed}: {}", found.join("\n"));
    }

    /// Without asking for heads, what is live brings everybody there.
    async fn converge_live(&mut self, seed: u64) {
        self.quiet().await;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            for client in &mut self.clients {
                client.run_for(Duration::from_millis(20)).await.expect("the connections hold");
            }
            let found = self.differences().await;
            if found.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "seed {seed}: live events do not suffice: {}", found.join("\n"));
        }
    }
}

async fn by_http(person: &Person, command: Command) -> Result<Value, Error> {
    use http::Method;
    let api = &person.api;
    match command {
        Command::Mark { conversation, read, delivered } => {
            let (path, seq) = read.map_or(("delivered", delivered), |seq| ("read", Some(seq)));
            let body = parlor_protocol::http::PutMarker { seq: seq.unwrap_or_default() };
            api.send(Method::PUT, &format!("/v1/conversations/{conversation}/{path}"), &body).await
        }
        Command::AddMembers { conversation, users, history } => {
            api.send(
                Method::POST,
                &format!("/v1/conversations/{conversation}/members"),
                &PostMembers { users, history },
            )
            .await
        }
        Command::RemoveMember { conversation, user } => {
            let path = format!("/v1/conversations/{conversation}/members/{user}");
            api.request(Method::DELETE, &path, "").await?.parse()
        }
        Command::UpdateMember { conversation, user, role } => {
            let path = format!("/v1/conversations/{conversation}/members/{user}");
            api.send(Method::PATCH, &path, &PatchMember { role }).await
        }
        Command::UpdateConversation { conversation, title } => {
            api.send(Method::PATCH, &format!("/v1/conversations/{conversation}"), &PatchConversation { title }).await
        }
        Command::Open(open) => api.send(Method::POST, "/v1/conversations", &open).await,
        Command::UpdateMe(update) => api.send(Method::PATCH, "/v1/me", &update).await,
        of_messages => wishes::by_http(person, of_messages).await,
    }
}

/// Seeds for as long as the budget lasts, at least four; or the one that is asked for.
async fn for_seeds(seconds: f64, mut run: impl AsyncFnMut(u64)) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_ends_equal_to_the_store_whatever_happens_on_the_way() {
    for_seeds(20.0, async |seed| {
        let server = cruel(seed).start().await;
        let mut world = World::new(server, seed, STORM).await;
        for _ in 0..STEPS {
            world.act(100).await;
            world.breathe().await;
        }
        world.converge(seed).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_connections_hold_live_events_alone_keep_every_client_equal_to_the_store() {
    for_seeds(8.0, async |seed| {
        let server = cruel(seed).start().await;
        let mut world = World::new(server, seed, CALM).await;
        for _ in 0..STEPS {
            world.act(90).await;
            world.breathe().await;
        }
        world.converge_live(seed).await;
    })
    .await;
}
