//! After any interruption every client ends equal to the store (I7). Users act at random while their events are lost,
//! doubled and reordered, connections are cut, servers are killed and backups restored; at the end each client's state
//! equals a fresh snapshot.
//!
//! The limits are tiny: pages of three, large conversations from four members on. A failing run prints its seed;
//! `PARLOR_TEST_SEED` repeats it.

use crate::{
    harness::{Rng, Server, Setup, TestUser, for_seeds, unique},
    http_commands::by_http,
    message_actions, reports, settings,
};
use parlor_client::{
    error::Error,
    sync::{Client, Tamper, poll::snapshot},
};
use parlor_protocol::{
    command::Command,
    event::Event,
    ids::{ConversationId, Seq, UserId},
    model::{ContextKey, Role},
    params::{Group, History, MeUpdate, Open},
};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const USERS: usize = 5;
const STEPS: usize = 60;
/// The contexts of conversations.
const ITEMS: [&str; 2] = ["1", "2"];
const MARKER_INTERVAL: Duration = Duration::from_millis(40);

/// The percentages of live events that are lost, doubled or delayed.
#[derive(Clone, Copy)]
struct EventFaults {
    lost: usize,
    doubled: usize,
    late: usize,
    /// The event of opening a conversation arrives again, much later.
    openings: usize,
}

const CALM: EventFaults = EventFaults { lost: 0, doubled: 0, late: 0, openings: 0 };
const STORM: EventFaults = EventFaults { lost: 20, doubled: 15, late: 25, openings: 10 };

fn tamper(faults: EventFaults, mut rng: Rng) -> Tamper {
    let mut late: Vec<Event> = Vec::new();
    let mut openings: Vec<Event> = Vec::new();
    let mut on = 0;
    Box::new(move |connection, event| {
        if std::mem::replace(&mut on, connection) != connection {
            // Events that a connection had not delivered when it ended are lost.
            late.clear();
            openings.clear();
        }
        if matches!(event, Event::ConversationCreated { .. }) {
            openings.push(event.clone());
        }
        if rng.percent(faults.lost) {
            return Vec::new();
        }
        if rng.percent(faults.late) {
            late.push(event);
            return Vec::new();
        }
        let mut events = vec![event.clone()];
        if rng.percent(faults.doubled) {
            events.push(event);
        }
        events.append(&mut late);
        if !openings.is_empty() && rng.percent(faults.openings) {
            events.push(rng.pick(&openings).clone());
        }
        events
    })
}

/// Small limits; each seed hits different ones.
fn tiny_limits(seed: u64) -> Setup {
    let server = Setup::new()
        .with("limits.page_rows", 3)
        .with("limits.heads_changes_max", 2)
        .with("limits.message_emoji_max", 2)
        .with("limits.conversation_fan_out_max", 3)
        .with("limits.frames_per_second_max", 10_000)
        .with("limits.reports_per_day_max", 1000)
        .with("sync.marker_interval_ms", MARKER_INTERVAL.as_millis())
        .with("sync.clock_check_ms", 100)
        .with("stop.grace_ms", 1000);
    match seed % 4 {
        // Changes come in several pages,
        0 => server.with("limits.page_rows_max", 3),
        1 => server.with("limits.page_bytes_max", 60),
        // are so many that only the newest page is returned,
        2 => server.with("limits.changes_rows_max", 6),
        // or concern so many conversations that everything is reset.
        _ => server.with("limits.heads_max", 3),
    }
}

struct Simulation {
    server: Server,
    users: Vec<TestUser>,
    clients: Vec<Client>,
    rng: Rng,
    backup: Option<tempfile::TempDir>,
}

impl Simulation {
    async fn new(server: Server, seed: u64, faults: EventFaults) -> Self {
        let mut rng = Rng::new(seed);
        let mut users = Vec::new();
        for name in ["ada", "ben", "cleo", "dan", "eve"] {
            users.push(server.user(name).await);
        }
        let mut clients = Vec::new();
        for user in &users {
            let mut client = user.connect().await;
            client.list_limit = Some(2);
            client.set_tamper(Some(tamper(faults, Rng::new(rng.next()))));
            clients.push(client);
        }
        let mut sim = Self { server, users, clients, rng, backup: None };
        for item in ITEMS {
            sim.put(item);
        }
        for who in 0..2 {
            sim.server.must_run(&["user", "moderator", &sim.users[who].login, "on"]);
            let open = sim.open(who);
            sim.command(who, open).await;
        }
        sim
    }

    /// Picks a conversation that this user knows.
    fn pick_conversation(&mut self, who: usize) -> Option<ConversationId> {
        let known: Vec<_> = self.clients[who].state.conversations().map(|conversation| conversation.id).collect();
        if known.is_empty() { None } else { Some(*self.rng.pick(&known)) }
    }

    fn someone(&mut self) -> UserId {
        self.users[self.rng.below(USERS)].id
    }

    /// Performs one of a hundred random actions; from 90 on they are interruptions. Refused actions are fine: they have
    /// no effect.
    async fn act(&mut self, things: usize) {
        if self.rng.percent(20) {
            return self.act_concurrently().await;
        }
        let who = self.rng.below(USERS);
        match self.rng.below(things) {
            0..86 => {
                if let Some(command) = self.random_command(who) {
                    self.command(who, command).await;
                }
            }
            86 => self.moderate(who).await,
            87 => self.show(who).await,
            88..90 => self.operate(),
            _ => self.interrupt(who).await,
        }
    }

    /// Several users act at the same moment, so that their changes are committed together.
    async fn act_concurrently(&mut self) {
        let mut at_once = JoinSet::new();
        for _ in 0..8 {
            let who = self.rng.below(USERS);
            let Some(command) = self.random_command(who) else { continue };
            let user = self.users[who].clone();
            at_once.spawn(async move { by_http(&user, command).await.is_ok() });
        }
        while let Some(ended) = at_once.join_next().await {
            ended.expect("a command does not panic");
        }
    }

    /// Sends by socket if there is one, at random, or by HTTP.
    async fn command(&mut self, who: usize, command: Command) -> Option<Error> {
        let by_socket = self.rng.percent(50) && self.clients[who].is_connected();
        if by_socket {
            return self.clients[who].call::<Value>(command).await.err();
        }
        by_http(&self.users[who], command).await.err()
    }

    /// Picks a change of a message, a conversation or the user.
    fn random_command(&mut self, who: usize) -> Option<Command> {
        let thing = self.rng.below(86);
        if thing < 6 {
            return Some(self.open(who));
        }
        if thing < 10 {
            return Some(Command::UpdateMe(self.settings()));
        }
        let conversation = self.pick_conversation(who)?;
        Some(match thing {
            10..35 => message_actions::send_or_reply(&mut self.rng, &self.clients[who].state, conversation, who),
            35..60 => message_actions::revise(&mut self.rng, &self.clients[who].state, conversation),
            60..66 => self.mark(who, conversation),
            66..70 => settings::random(&mut self.rng, &self.clients[who].state, conversation),
            70..73 => {
                let user = self.someone();
                if self.rng.percent(40) { Command::Block { user } } else { Command::Unblock { user } }
            }
            73..77 => message_actions::report(&mut self.rng, &self.clients[who].state, conversation),
            _ => self.manage_group(who, conversation),
        })
    }

    /// Settles an open report, if the user is a moderator, and says that they have seen a warning.
    async fn moderate(&mut self, who: usize) {
        for command in reports::to_moderate(&mut self.rng, &self.users[who], &self.clients[who].state).await {
            self.command(who, command).await;
        }
    }

    /// Changes the user's name or a setting.
    fn settings(&mut self) -> MeUpdate {
        let name = self.rng.percent(60).then(|| format!("name {}", unique()));
        let receipts = (name.is_none() || self.rng.percent(20)).then(|| self.rng.percent(50));
        let presence = self.rng.percent(20).then(|| self.rng.percent(50));
        MeUpdate { name, receipts, presence }
    }

    /// Changes the members, the roles or the title of a group.
    fn manage_group(&mut self, who: usize, conversation: ConversationId) -> Command {
        match self.rng.below(16) {
            0..6 => {
                let history = [None, Some(History::FromJoining), Some(History::FromStart)];
                let history = *self.rng.pick(&history);
                Command::AddMembers { conversation, users: vec![self.someone(), self.someone()], history }
            }
            6..11 => {
                let user = if self.rng.percent(40) { self.users[who].id } else { self.someone() };
                Command::RemoveMember { conversation, user }
            }
            11..14 => {
                let role = *self.rng.pick(&[Role::Owner, Role::Moderator, Role::Member]);
                Command::UpdateMember { conversation, user: self.someone(), role }
            }
            _ => Command::UpdateConversation { conversation, title: format!("title {}", unique()) },
        }
    }

    fn mark(&mut self, who: usize, conversation: ConversationId) -> Command {
        let last = self.clients[who].state.conversation(conversation).map_or(0, |held| held.last_seq.0);
        let seq = Some(Seq((last - i64::try_from(self.rng.below(3)).expect("small")).max(0)));
        if self.rng.percent(70) {
            Command::Mark { conversation, delivered: None, read: seq }
        } else {
            Command::Mark { conversation, delivered: seq, read: None }
        }
    }

    fn open(&mut self, who: usize) -> Command {
        let client_id = format!("open-{}", unique());
        let mut open = Open { client_id, user: None, role: None, group: None, context: None };
        if self.rng.percent(50) {
            open.context = Some(ContextKey { kind: "item".to_owned(), id: (*self.rng.pick(&ITEMS)).to_owned() });
        }
        if self.rng.percent(30) {
            open.user = Some(self.users[(who + 1) % USERS].id);
        } else {
            let count = 1 + self.rng.below(USERS);
            let users = (0..count).map(|_| self.someone()).collect();
            open.group = Some(Group { title: format!("group {}", unique()), users });
        }
        Command::Open(open)
    }

    /// The operator closes, reopens or updates an item.
    fn operate(&mut self) {
        let item = *self.rng.pick(&ITEMS);
        match self.rng.below(12) {
            10 | 11 => {
                let login = self.users[self.rng.below(USERS)].login.clone();
                let state = if self.rng.percent(70) { "on" } else { "off" };
                self.server.must_run(&["user", "moderator", &login, state]);
            }
            0 => self.server.must_run(&["context", "close", "--type", "item", "--id", item]),
            1 | 2 => self.server.must_run(&["context", "close", "--reopen", "--type", "item", "--id", item]),
            _ => self.put(item),
        }
    }

    /// Gives three users roles in the context.
    fn put(&mut self, item: &str) {
        let title = format!("item {}", unique());
        let first = self.rng.below(USERS);
        let role = |index: usize| format!("role{index}={}", self.users[(first + index) % USERS].login);
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
            // If this fails, the connection has ended and is reopened later.
            let _shown = self.clients[who].show(known.into_iter().take(3).collect()).await;
        }
    }

    async fn interrupt(&mut self, who: usize) {
        let breaks = self.rng.percent(30);
        match self.rng.below(12) {
            0..4 => self.clients[who].disconnect(),
            4 | 5 => {
                // Resume at any time; if the connection ends, it is reopened later.
                let _heads = self.clients[who].resume().await;
            }
            10 => {
                // Reset on an open connection, while answers are still pending.
                let _heads = self.clients[who].resume_without_cursor().await;
            }
            11 => {
                // A new connection opens while the old one closes.
                self.clients[who].disconnect();
                let _opened = self.clients[who].connect().await;
            }
            6 | 7 if breaks => self.restart().await,
            8 if breaks && self.backup.is_none() => self.back_up(),
            9 if breaks => self.restore().await,
            _ => {
                self.clients[who].disconnect();
                // Poll once instead of using the socket.
                let _polled = self.clients[who].poll(0).await;
            }
        }
    }

    async fn restart(&mut self) {
        if self.rng.percent(50) {
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

    /// Runs every client for a moment; some without a socket connect.
    async fn run_all(&mut self) {
        for who in 0..USERS {
            if self.clients[who].is_connected() {
                let moment = self.rng.millis(1, 4);
                // If the connection ends, it is reopened later.
                let _ended = self.clients[who].run_for(moment).await;
            } else if self.rng.percent(40) {
                // The next round retries.
                let _opened = self.clients[who].connect().await;
            }
        }
    }

    /// Waits until the server is idle: markers are applied up to their interval later.
    async fn wait_until_idle(&mut self) {
        let mut before = None;
        let mut since = Instant::now();
        while since.elapsed() < MARKER_INTERVAL * 4 {
            let now = self.users[0].api.events(None, 0).await.expect("heads").cursor;
            if before != Some(now) {
                (before, since) = (Some(now), Instant::now());
            }
            // waits for: a clock that stands still
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lists how the clients differ from fresh snapshots.
    async fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (client, user) in self.clients.iter().zip(&self.users) {
            let fresh = snapshot(&user.api, user.id, user.fan_out_max).await.expect("a snapshot");
            let differences = client.state.normal_form().differences_from(&fresh.normal_form());
            found.extend(differences.into_iter().map(|text| format!("user {}: {text}", user.id)));
        }
        found
    }

    /// Reconnects all clients, resumes once, and compares them with the store.
    async fn converge(&mut self, seed: u64) {
        self.wait_until_idle().await;
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

    /// Waits until live events alone, without heads, make all clients equal to the store.
    async fn converge_live(&mut self, seed: u64) {
        self.wait_until_idle().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_ends_equal_to_the_store_whatever_happens_on_the_way() {
    for_seeds(20.0, async |seed| {
        let server = tiny_limits(seed).start().await;
        let mut sim = Simulation::new(server, seed, STORM).await;
        for _ in 0..STEPS {
            sim.act(100).await;
            sim.run_all().await;
        }
        sim.converge(seed).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_connections_hold_live_events_alone_keep_every_client_equal_to_the_store() {
    for_seeds(8.0, async |seed| {
        let server = tiny_limits(seed).start().await;
        let mut sim = Simulation::new(server, seed, CALM).await;
        for _ in 0..STEPS {
            sim.act(90).await;
            sim.run_all().await;
        }
        sim.converge_live(seed).await;
    })
    .await;
}
