//! Nobody sees a byte of what he is not in (G9, I9): every text carries a word of its own, people come and go, and every
//! byte that reached anybody, by socket or by HTTP, is searched for words that were not his to see.

use crate::harness::{Chance, Person, Server, Setup, unique};
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

const PEOPLE: usize = 10;
const GROUPS: usize = 12;
const STEPS: usize = 400;

/// Somebody who keeps every byte that reaches him.
struct Listener {
    person: Person,
    socket: Socket,
    heard: String,
    /// What `me.updated` said he is called.
    own_names: BTreeSet<String>,
    /// Where he heard of somebody's writing.
    typing: BTreeSet<ConversationId>,
    /// Of whom he was told whether they are here.
    presence: BTreeSet<UserId>,
}

impl Listener {
    async fn new(person: Person) -> Self {
        let socket = Handshake::new(person.api.address(), person.api.headers()).open().await.expect("a socket");
        let mut listener = Self {
            person,
            socket,
            heard: String::new(),
            own_names: BTreeSet::new(),
            typing: BTreeSet::new(),
            presence: BTreeSet::new(),
        };
        let user = listener.person.id;
        listener.ask(Command::Resume { user, cursor: None }).await;
        listener
    }

    fn keep(&mut self, incoming: &Incoming) {
        writeln!(self.heard, "{incoming:?}").expect("a text takes more");
        if let Incoming::Event(event) = incoming {
            self.own_names.extend(event["me"]["name"].as_str().map(str::to_owned));
            if event["type"] == "typing.changed" {
                self.typing.extend(event["conversation"].as_i64().map(ConversationId));
            }
            self.keep_presence(event);
        }
        if let Incoming::Reply(_, Ok(answer)) = incoming {
            answer["presence"].as_array().into_iter().flatten().for_each(|presence| self.keep_presence(presence));
        }
    }

    fn keep_presence(&mut self, presence: &Value) {
        if presence["status"].as_str().is_some_and(|status| status != "unknown") {
            self.presence.extend(presence["user"].as_i64().map(UserId));
        }
    }

    /// Asks, and keeps all that comes up to the answer.
    async fn ask(&mut self, command: Command) {
        let id = self.socket.send(command).await.expect("the socket holds");
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

    /// Hears everything that was told him up to now: his own new name comes last.
    async fn hear_all(&mut self) {
        let name = format!("name {}", unique());
        self.ask(Command::UpdateMe(MeUpdate { name: Some(name.clone()), ..MeUpdate::default() })).await;
        while !self.own_names.contains(&name) {
            let incoming = self.socket.next(Duration::from_secs(10)).await.expect("my own event");
            self.keep(&incoming);
        }
    }

    /// Reads everything that HTTP gives him, and tries what it must not.
    async fn read_all(&mut self, groups: &[ConversationId]) {
        let mut paths = vec!["/v1/conversations?limit=200".to_owned(), "/v1/me".to_owned(), "/v1/events".to_owned()];
        paths.push("/v1/users?limit=200".to_owned());
        for group in groups {
            for rest in ["", "/messages?limit=200", "/messages?around=1", "/changes?since=0"] {
                paths.push(format!("/v1/conversations/{group}{rest}"));
            }
        }
        for path in paths {
            let answer = self.person.api.request(http::Method::GET, &path, "").await.expect("an answer");
            self.heard.push_str(&String::from_utf8_lossy(&answer.body));
        }
    }
}

/// What was said, with whom it was for.
struct World {
    listeners: Vec<Listener>,
    groups: Vec<ConversationId>,
    members: BTreeMap<ConversationId, BTreeSet<UserId>>,
    /// Who ever was in it.
    ever: BTreeMap<ConversationId, BTreeSet<UserId>>,
    /// Each word with those who may see it.
    words: Vec<(String, BTreeSet<UserId>)>,
    chance: Chance,
}

impl World {
    async fn new(server: &Server, seed: u64) -> Self {
        let mut listeners = Vec::new();
        for index in 0..PEOPLE {
            listeners.push(Listener::new(server.user(&format!("person{index}-")).await).await);
        }
        let (groups, members, ever, words) = Default::default();
        let mut world = Self { listeners, groups, members, ever, words, chance: Chance::new(seed) };
        for _ in 0..GROUPS {
            world.open().await;
        }
        world
    }

    fn person(&self, index: usize) -> &Person {
        &self.listeners[index].person
    }

    fn word(&mut self, may_see: BTreeSet<UserId>) -> String {
        let word = format!("canary{:06}x", unique());
        self.words.push((word.clone(), may_see));
        word
    }

    /// A group; its title may be seen by everybody who is ever in it.
    async fn open(&mut self) {
        let owner = self.chance.below(PEOPLE);
        let count = 1 + self.chance.below(PEOPLE / 2);
        let others: BTreeSet<usize> =
            (0..count).map(|_| self.chance.below(PEOPLE)).filter(|index| *index != owner).collect();
        let others = if others.is_empty() { BTreeSet::from([(owner + 1) % PEOPLE]) } else { others };
        let people: Vec<&Person> = others.iter().map(|index| self.person(*index)).collect();
        let mut ids: BTreeSet<UserId> = people.iter().map(|person| person.id).collect();
        let title = format!("canary{:06}x", unique());
        let group = self.person(owner).group(&title, &people).await;
        ids.insert(self.person(owner).id);
        self.words.push((title, ids.clone()));
        self.groups.push(group);
        self.ever.insert(group, ids.clone());
        self.members.insert(group, ids);
    }

    async fn step(&mut self) {
        let group = *self.chance.pick(&self.groups);
        let index = self.chance.below(PEOPLE);
        let user = self.person(index).id;
        let is_member = self.members[&group].contains(&user);
        match self.chance.below(14) {
            10 | 11 => {
                let typing = self.chance.percent(70);
                self.listeners[index].ask(Command::SetTyping { conversation: group, typing }).await;
            }
            12 => {
                let users = self.listeners.iter().map(|listener| listener.person.id).collect();
                self.listeners[index].ask(Command::WatchPresence { users }).await;
            }
            13 => {
                let idle = self.chance.percent(50);
                self.listeners[index].ask(Command::SetPresence { idle }).await;
            }
            0..6 => {
                let word = self.word(if is_member { self.members[&group].clone() } else { BTreeSet::new() });
                let client_id = format!("key-{}", unique());
                self.listeners[index].ask(Command::send_text(group, client_id, word)).await;
            }
            6 if is_member && self.members[&group].len() > 1 => {
                // Whoever has it on the screen is in its topic, and must be taken out.
                self.listeners[index].ask(Command::Show { conversations: vec![group] }).await;
                self.person(index).leave(group).await;
                self.members.get_mut(&group).expect("known").remove(&user);
            }
            7 => self.bring(group, user).await,
            8 => {
                let conversations = (0..4).map(|_| *self.chance.pick(&self.groups)).collect();
                self.listeners[index].ask(Command::Show { conversations }).await;
            }
            _ => {
                let command = Command::Mark { conversation: group, delivered: None, read: Some(Seq::default()) };
                self.listeners[index].ask(command).await;
            }
        }
    }

    fn nobody_heard_who_is_where_he_never_was(&self, seed: u64) {
        let shares =
            |one: UserId, other: UserId| self.ever.values().any(|ids| ids.contains(&one) && ids.contains(&other));
        let mut heard = 0;
        for listener in &self.listeners {
            let id = listener.person.id;
            for conversation in &listener.typing {
                assert!(self.ever[conversation].contains(&id), "seed {seed}: {id} heard who writes in {conversation}");
            }
            for user in &listener.presence {
                assert!(shares(id, *user), "seed {seed}: {id} was told of {user}");
            }
            heard += listener.typing.len() + listener.presence.len();
        }
        assert!(heard > 5, "those who may hear do hear: {heard}");
    }

    /// Somebody is added by whoever owns the group now.
    async fn bring(&mut self, group: ConversationId, user: UserId) {
        for index in 0..PEOPLE {
            let path = format!("/v1/conversations/{group}/members");
            let body = parlor_protocol::http::PostMembers { users: vec![user], history: None };
            let api = &self.person(index).api;
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

async fn nobody_sees_what_is_not_his(fan_out_max: u32) {
    let seed = u64::from(std::process::id());
    let server = Setup::new()
        .with("limits.conversation_fan_out_max", fan_out_max)
        .with("limits.frames_per_second_max", 10_000)
        .with("sync.marker_interval_ms", 1)
        .with("sync.clock_check_ms", 20)
        .start()
        .await;
    let mut world = World::new(&server, seed).await;
    for _ in 0..STEPS {
        world.step().await;
    }
    let groups = world.groups.clone();
    let mut allowed = 0;
    for listener in &mut world.listeners {
        listener.hear_all().await;
        listener.read_all(&groups).await;
        for (word, may_see) in &world.words {
            let is_there = listener.heard.contains(word.as_str());
            // He may have said it himself where it was refused; his own reply does not repeat it.
            assert!(!is_there || may_see.contains(&listener.person.id), "seed {seed}: {word} reached an outsider");
            allowed += u32::from(is_there);
        }
    }
    assert!(allowed > 100, "those who may see do see: {allowed}");
    world.nobody_heard_who_is_where_he_never_was(seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_what_is_said_where_he_is_not_in_small_conversations() {
    nobody_sees_what_is_not_his(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_what_is_said_where_he_is_not_in_large_conversations() {
    nobody_sees_what_is_not_his(2).await;
}

#[tokio::test]
async fn what_one_is_not_in_answers_like_what_does_not_exist() {
    let server = Server::start().await;
    let (ada, ben, mallory) = (server.user("ada").await, server.user("ben").await, server.user("mallory").await);
    let foreign = ada.write_to(&ben).await.id;
    ada.say(foreign, "between us").await;
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
