//! Only members see the bytes of a conversation (G9, I9): every text contains a unique word, users join and leave, and
//! every byte that reaches a user by socket or HTTP is searched for words that they must not see.

use crate::harness::{Rng, Server, Setup, TestUser, unique};
use parlor_client::socket::{Handshake, Incoming, Socket};
use parlor_protocol::{
    command::Command,
    ids::{ConversationId, Seq, UserId},
    params::MeUpdate,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

const USERS: usize = 10;
const GROUPS: usize = 12;
const STEPS: usize = 400;

/// A user who keeps every byte that reaches them.
struct Eavesdropper {
    user: TestUser,
    socket: Socket,
    received: String,
    /// Their name according to `me.updated`.
    own_names: BTreeSet<String>,
    /// The conversations and users whose typing they received.
    typing: BTreeSet<ConversationId>,
    /// The users whose presence they received.
    presence: BTreeSet<UserId>,
}

impl Eavesdropper {
    async fn new(user: TestUser) -> Self {
        let socket = Handshake::new(user.api.address(), user.api.headers()).open().await.expect("a socket");
        let mut eavesdropper = Self {
            user,
            socket,
            received: String::new(),
            own_names: BTreeSet::new(),
            typing: BTreeSet::new(),
            presence: BTreeSet::new(),
        };
        let user = eavesdropper.user.id;
        eavesdropper.ask(Command::Resume { user, cursor: None }).await;
        eavesdropper
    }

    fn keep(&mut self, incoming: &Incoming) {
        writeln!(self.received, "{incoming:?}").expect("a text takes more");
        if let Incoming::Event(event) = incoming {
            self.own_names.extend(event["me"]["name"].as_str().map(str::to_owned));
            if event["type"] == "typing.changed" {
                self.typing.extend(event["conversation"].as_i64().map(ConversationId));
            }
            self.record_presence(event);
        }
        if let Incoming::Reply(_, Ok(answer)) = incoming {
            answer["presence"].as_array().into_iter().flatten().for_each(|presence| self.record_presence(presence));
        }
    }

    fn record_presence(&mut self, presence: &Value) {
        if presence["status"].as_str().is_some_and(|status| status != "unknown") {
            self.presence.extend(presence["user"].as_i64().map(UserId));
        }
    }

    /// Sends a command and keeps everything received up to its answer.
    async fn ask(&mut self, command: Command) {
        let id = self.socket.send(command).await.expect("the socket stays open");
        loop {
            let incoming = self.socket.next(Duration::from_secs(10)).await.expect("an answer");
            self.keep(&incoming);
            match incoming {
                Incoming::Reply(Some(re), _) if re == id => return,
                Incoming::Closed(..) | Incoming::Disconnected(_) => panic!("{incoming:?}"),
                _ => {}
            }
        }
    }

    /// Receives everything published so far: their own rename comes last.
    async fn receive_all(&mut self) {
        let name = format!("name {}", unique());
        self.ask(Command::UpdateMe(MeUpdate { name: Some(name.clone()), ..MeUpdate::default() })).await;
        while !self.own_names.contains(&name) {
            let incoming = self.socket.next(Duration::from_secs(10)).await.expect("my own event");
            self.keep(&incoming);
        }
    }

    /// Reads everything available over HTTP, and tries what is forbidden.
    async fn read_all(&mut self, groups: &[ConversationId]) {
        let mut paths = vec!["/v1/conversations?limit=200".to_owned(), "/v1/me".to_owned(), "/v1/events".to_owned()];
        paths.push("/v1/users?limit=200".to_owned());
        for group in groups {
            for rest in ["", "/messages?limit=200", "/messages?around=1", "/changes?since=0"] {
                paths.push(format!("/v1/conversations/{group}{rest}"));
            }
        }
        for path in paths {
            let answer = self.user.api.request(http::Method::GET, &path, "").await.expect("an answer");
            self.received.push_str(&String::from_utf8_lossy(&answer.body));
        }
    }
}

/// The groups, and the words with the users who may see them.
struct Eavesdropping {
    eavesdroppers: Vec<Eavesdropper>,
    groups: Vec<ConversationId>,
    members: BTreeMap<ConversationId, BTreeSet<UserId>>,
    /// Everyone who was ever a member.
    ever: BTreeMap<ConversationId, BTreeSet<UserId>>,
    /// Each word, with the users who may see it.
    words: Vec<(String, BTreeSet<UserId>)>,
    rng: Rng,
}

impl Eavesdropping {
    async fn new(server: &Server, seed: u64) -> Self {
        let mut eavesdroppers = Vec::new();
        for index in 0..USERS {
            eavesdroppers.push(Eavesdropper::new(server.user(&format!("person{index}-")).await).await);
        }
        let (groups, members, ever, words) = Default::default();
        let mut sim = Self { eavesdroppers, groups, members, ever, words, rng: Rng::new(seed) };
        for _ in 0..GROUPS {
            sim.open().await;
        }
        sim
    }

    fn user(&self, index: usize) -> &TestUser {
        &self.eavesdroppers[index].user
    }

    fn unique_word(&mut self, may_see: BTreeSet<UserId>) -> String {
        let word = format!("canary{:06}x", unique());
        self.words.push((word.clone(), may_see));
        word
    }

    /// Opens a group; everyone who is ever a member may see its title.
    async fn open(&mut self) {
        let owner = self.rng.below(USERS);
        let count = 1 + self.rng.below(USERS / 2);
        let others: BTreeSet<usize> =
            (0..count).map(|_| self.rng.below(USERS)).filter(|index| *index != owner).collect();
        let others = if others.is_empty() { BTreeSet::from([(owner + 1) % USERS]) } else { others };
        let users: Vec<&TestUser> = others.iter().map(|index| self.user(*index)).collect();
        let mut ids: BTreeSet<UserId> = users.iter().map(|user| user.id).collect();
        let title = format!("canary{:06}x", unique());
        let group = self.user(owner).group(&title, &users).await;
        ids.insert(self.user(owner).id);
        self.words.push((title, ids.clone()));
        self.groups.push(group);
        self.ever.insert(group, ids.clone());
        self.members.insert(group, ids);
    }

    async fn step(&mut self) {
        let group = *self.rng.pick(&self.groups);
        let index = self.rng.below(USERS);
        let user = self.user(index).id;
        let is_member = self.members[&group].contains(&user);
        match self.rng.below(14) {
            10 | 11 => {
                let typing = self.rng.percent(70);
                self.eavesdroppers[index].ask(Command::SetTyping { conversation: group, typing }).await;
            }
            12 => {
                let users = self.eavesdroppers.iter().map(|eavesdropper| eavesdropper.user.id).collect();
                self.eavesdroppers[index].ask(Command::WatchPresence { users }).await;
            }
            13 => {
                let idle = self.rng.percent(50);
                self.eavesdroppers[index].ask(Command::SetPresence { idle }).await;
            }
            0..6 => {
                let word = self.unique_word(if is_member { self.members[&group].clone() } else { BTreeSet::new() });
                let client_id = format!("key-{}", unique());
                self.eavesdroppers[index].ask(Command::send_text(group, client_id, word)).await;
            }
            6 if is_member && self.members[&group].len() > 1 => {
                // Connections that show it are subscribed to its topic and must be unsubscribed.
                self.eavesdroppers[index].ask(Command::Show { conversations: vec![group] }).await;
                self.user(index).leave(group).await;
                self.members.get_mut(&group).expect("known").remove(&user);
            }
            7 => self.bring(group, user).await,
            8 => {
                let conversations = (0..4).map(|_| *self.rng.pick(&self.groups)).collect();
                self.eavesdroppers[index].ask(Command::Show { conversations }).await;
            }
            _ => {
                let command = Command::Mark { conversation: group, delivered: None, read: Some(Seq::default()) };
                self.eavesdroppers[index].ask(command).await;
            }
        }
    }

    fn assert_no_foreign_presence(&self, seed: u64) {
        let shares =
            |one: UserId, other: UserId| self.ever.values().any(|ids| ids.contains(&one) && ids.contains(&other));
        let mut received = 0;
        for eavesdropper in &self.eavesdroppers {
            let id = eavesdropper.user.id;
            for conversation in &eavesdropper.typing {
                assert!(self.ever[conversation].contains(&id), "seed {seed}: {id} received typing of {conversation}");
            }
            for user in &eavesdropper.presence {
                assert!(shares(id, *user), "seed {seed}: {id} received the presence of {user}");
            }
            received += eavesdropper.typing.len() + eavesdropper.presence.len();
        }
        assert!(received > 5, "those who may hear do hear: {received}");
    }

    /// The current owner adds a member.
    async fn bring(&mut self, group: ConversationId, user: UserId) {
        for index in 0..USERS {
            let path = format!("/v1/conversations/{group}/members");
            let body = parlor_protocol::http::PostMembers { users: vec![user], history: None };
            let api = &self.user(index).api;
            if api.send::<Value>(http::Method::POST, &path, &body).await.is_ok() {
                self.members.get_mut(&group).expect("known").insert(user);
                self.ever.get_mut(&group).expect("known").insert(user);
                let title = self.groups.iter().position(|known| *known == group).expect("known");
                self.words[title].1.insert(user);
                return;
            }
        }
    }
}

async fn assert_only_members_see(fan_out_max: u32) {
    let seed = u64::from(std::process::id());
    let server = Setup::new()
        .with("limits.conversation_fan_out_max", fan_out_max)
        .with("limits.frames_per_second_max", 10_000)
        .with("sync.marker_interval_ms", 1)
        .with("sync.clock_check_ms", 20)
        .start()
        .await;
    let mut sim = Eavesdropping::new(&server, seed).await;
    for _ in 0..STEPS {
        sim.step().await;
    }
    let groups = sim.groups.clone();
    let mut allowed = 0;
    for eavesdropper in &mut sim.eavesdroppers {
        eavesdropper.receive_all().await;
        eavesdropper.read_all(&groups).await;
        for (word, may_see) in &sim.words {
            let is_there = eavesdropper.received.contains(word.as_str());
            // A user may know the word from their own refused command, but the reply does not repeat it.
            assert!(!is_there || may_see.contains(&eavesdropper.user.id), "seed {seed}: {word} reached an outsider");
            allowed += u32::from(is_there);
        }
    }
    assert!(allowed > 100, "those who may see do see: {allowed}");
    sim.assert_no_foreign_presence(seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_see_the_messages_of_small_conversations() {
    assert_only_members_see(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_see_the_messages_of_large_conversations() {
    assert_only_members_see(2).await;
}

#[tokio::test]
async fn a_foreign_conversation_answers_like_one_that_does_not_exist() {
    let server = Server::start().await;
    let (ada, ben, mallory) = (server.user("ada").await, server.user("ben").await, server.user("mallory").await);
    let foreign = ada.open_direct(&ben).await.id;
    ada.send(foreign, "between us").await;
    let missing = ConversationId(foreign.0 + 1_000_000);
    let requests = [
        (http::Method::GET, "", ""),
        (http::Method::GET, "/changes?since=0", ""),
        (http::Method::GET, "/messages", ""),
        (http::Method::GET, "/messages?around=1", ""),
        (http::Method::POST, "/messages", r#"{"client_id": "one", "text": "hello"}"#),
        (http::Method::PUT, "/read", r#"{"seq": 1}"#),
        (http::Method::PUT, "/delivered", r#"{"seq": 1}"#),
        (http::Method::POST, "/members", r#"{"users": [1]}"#),
        (http::Method::DELETE, "/members/1", ""),
    ];
    for (method, rest, body) in requests {
        let mut answers = Vec::new();
        for conversation in [foreign, missing] {
            let api = mallory.api.clone().with_header(http::header::CONTENT_TYPE, "application/json");
            let path = format!("/v1/conversations/{conversation}{rest}");
            let answer = api.request(method.clone(), &path, body).await.expect("an answer");
            let mut problem: Value = serde_json::from_slice(&answer.body).expect("a problem");
            problem.as_object_mut().expect("an object").remove("request_id");
            answers.push((answer.status, problem));
        }
        assert_eq!(answers[0], answers[1], "{method} {rest}");
        assert_eq!(answers[0].0, http::StatusCode::NOT_FOUND, "{method} {rest}: {}", answers[0].1);
    }
}
