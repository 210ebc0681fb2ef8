//! Clients of users whose messages a host application writes, edits, moves, hides, shows again and removes, beside their
//! own changes: whatever is lost or late on the way, each ends equal to the store.

use super::{
    TestCluster, conformance,
    host_rows::{Random, random_change},
    large_conversations::{Subscriber, attach},
};
use futures_util::FutureExt as _;
use parlor::{app::App, commands, identity::actor::Actor, sync};
use parlor_client::state::{RequestTick, State, needs::Need};
use parlor_protocol::{
    command::Command,
    error::{Code, Problem},
    event::Event,
    ids::{SessionId, UserId},
    reply::Answer,
};
use std::sync::Arc;

conformance! {
    clients_end_equal_to_the_store_after_losses_and_late_answers,
    while_nothing_is_lost_events_alone_keep_clients_equal_to_the_store,
}

const NAMES: [&str; 3] = ["Ada", "Ben", "Cleo"];
/// With more, a conversation is longer than the page that a fresh client loads.
const RUNS: u64 = 8;
const STEPS: usize = 60;

/// A client without a socket.
struct TestClient {
    app: Arc<App>,
    user: UserId,
    state: State,
    events: Subscriber,
    /// Answers that are on their way.
    late: Vec<(Need, RequestTick, Result<Answer, Problem>)>,
}

impl TestClient {
    async fn new(cluster: &TestCluster, name: &str) -> Self {
        let events = attach(&cluster.app, cluster, name).await;
        let (app, user) = (cluster.app.clone(), cluster.user(name).await);
        let state = State::new(user, app.config.limits.conversation_fan_out_max);
        let mut client = Self { app, user, state, events, late: Vec::new() };
        client.resume().await;
        client.settle().await;
        client
    }

    async fn resume(&mut self) {
        let tick = self.state.request_tick();
        let heads = sync::heads(&self.app, self.user, self.state.cursor()).await.expect("the store is available");
        self.state.apply_heads(heads, tick);
    }

    async fn execute(&self, command: Command) -> Result<Answer, Problem> {
        let actor = Actor { user: self.user, session: SessionId(1) };
        commands::execute(&self.app, actor, command).await
    }

    /// Requests what is needed; the answer is applied when it is its turn.
    async fn request(&mut self, need: Need) {
        let tick = self.state.request_tick();
        let command = match need {
            Need::List => Command::ListConversations { after: None, limit: Some(100) },
            Need::Me => Command::GetMe { since: self.state.me().map(|me| me.scope_version) },
            Need::Conversation(conversation) => Command::GetConversation { conversation },
            Need::Changes(conversation, since) => Command::GetChanges { conversation, since },
            Need::Messages(conversation, after) => {
                Command::ListMessages { conversation, before: None, after, around: None, limit: Some(100) }
            }
            Need::Quote(conversation, seq) => {
                Command::ListMessages { conversation, before: None, after: None, around: Some(seq), limit: Some(1) }
            }
        };
        let answer = self.execute(command).await;
        self.late.push((need, tick, answer));
    }

    fn apply(&mut self, index: usize) {
        let (need, tick, answer) = self.late.remove(index);
        match (need, answer) {
            (Need::List, Ok(Answer::Conversations(page))) => {
                self.state.apply_conversation_page(page, tick);
                self.state.finish_list(tick);
            }
            (Need::Me, Ok(Answer::Me(me))) => self.state.apply_me(me, tick),
            (Need::Conversation(_), Ok(Answer::Conversation(one))) => self.state.apply_conversation_answer(*one, tick),
            (Need::Changes(..), Ok(Answer::Changes(changes))) => self.state.apply_changes(*changes, tick),
            (Need::Messages(id, _), Ok(Answer::Messages(page))) => self.state.apply_message_page(id, page, tick),
            (Need::Quote(id, seq), Ok(Answer::Messages(page))) => self.state.apply_quote_page(id, seq, page, tick),
            (Need::Conversation(id) | Need::Changes(id, _) | Need::Messages(id, _), Err(problem)) => {
                assert_eq!(problem.code, Code::NotFound);
                self.state.apply_not_found(id, tick);
            }
            (need, answer) => panic!("{need:?}: {answer:?}"),
        }
    }

    fn open_all(&mut self) {
        let ids: Vec<_> = self.state.conversations().map(|conversation| conversation.id).collect();
        for id in ids {
            self.state.open(id);
        }
    }

    /// Receives the events that have arrived, except for those that are lost.
    fn receive(&mut self, mut is_lost: impl FnMut() -> bool) {
        while let Some(event) = self.events.next().now_or_never() {
            if !is_lost() {
                self.state.apply_event(serde_json::from_value::<Event>(event).expect("an event"));
            }
        }
    }

    async fn receive_until(&mut self, text: &str) {
        loop {
            let event = self.events.next().await;
            let is_last = event["message"]["text"] == text;
            self.state.apply_event(serde_json::from_value(event).expect("an event"));
            if is_last {
                return;
            }
        }
    }

    async fn settle(&mut self) {
        for _ in 0..500 {
            while !self.late.is_empty() {
                self.apply(0);
            }
            self.open_all();
            let needs = self.state.needs();
            let Some(need) = needs.first() else { return };
            self.request(*need).await;
        }
        panic!("it still needs {:?}", self.state.needs());
    }
}

async fn run(cluster: &TestCluster, seed: u64, loses: bool) {
    let mut random = Random(seed);
    let mut clients = Vec::new();
    for name in NAMES {
        clients.push(TestClient::new(cluster, name).await);
    }
    for _ in 0..STEPS {
        let change = random_change(cluster, &mut random).await;
        drop(cluster.app.commit.submit(change).await);
        for client in &mut clients {
            match random.below(5) {
                0 => client.receive(|| loses && random.below(4) == 0),
                1 => client.open_all(),
                2 if !client.late.is_empty() => client.apply(random.index(client.late.len())),
                3 if loses && random.below(4) == 0 => client.resume().await,
                _ => {
                    let needs = client.state.needs();
                    if !needs.is_empty() {
                        client.request(needs[random.index(needs.len())]).await;
                    }
                }
            }
        }
    }
    let end = |name: &str| format!("the end of {seed} for {name}");
    for name in ["Ben", "Cleo"] {
        cluster.send("Ada", cluster.direct("Ada", name).await, &end(name)).await;
    }
    for (name, client) in NAMES.iter().zip(&mut clients) {
        if loses {
            client.settle().await;
            client.resume().await;
        } else {
            // Events are published in the order of their commits.
            client.receive_until(&end(if *name == "Ben" { "Ben" } else { "Cleo" })).await;
        }
        client.settle().await;
        let mut fresh = TestClient::new(cluster, name).await;
        fresh.settle().await;
        let found = client.state.normal_form().differences_from(&fresh.state.normal_form());
        assert!(found.is_empty(), "seed {seed}, {name}: {found:#?}");
    }
}

async fn clients_end_equal_to_the_store_after_losses_and_late_answers(cluster: TestCluster) {
    for seed in 0..RUNS {
        run(&cluster, seed, true).await;
    }
    cluster.is_consistent().await;
}

async fn while_nothing_is_lost_events_alone_keep_clients_equal_to_the_store(cluster: TestCluster) {
    for seed in 100..100 + RUNS {
        run(&cluster, seed, false).await;
    }
    cluster.is_consistent().await;
}
