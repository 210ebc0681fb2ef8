//! Users who write continuously while the server is killed, and record everything for the checker.
//!
//! Each has one unacknowledged send at a time and repeats it after reconnecting until its outcome is known, or cancels
//! it with `message.cancel`.

use crate::harness::{Rng, TestUser, unique};
use parlor_client::{
    error::Error,
    history::{
        checker::Members,
        record::{Op, Outcome, Record, Recorder},
    },
    http::Api,
    sync::Client,
};
use parlor_protocol::{
    command::Command,
    error::Code,
    ids::ConversationId,
    reply::{Cancelled, MessagePage},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Barrier, task::JoinHandle};

/// Opens a group for each so many users, a direct conversation for each two, and a group of all; returns each with the
/// positions of its members.
pub(crate) async fn conversations(users: &[TestUser], group: usize) -> Vec<(ConversationId, Vec<usize>)> {
    let everyone: Vec<usize> = (0..users.len()).collect();
    let groups = everyone.chunks(group).chain(everyone.chunks(2)).chain([&everyone[..]]);
    let mut opened = Vec::new();
    for members in groups {
        let owner = &users[members[0]];
        let others: Vec<_> = members[1..].iter().map(|index| &users[*index]).collect();
        let id = match others.as_slice() {
            [other] => owner.open_direct(other).await.id,
            others => owner.group(&format!("group {}", unique()), others).await,
        };
        opened.push((id, members.to_vec()));
    }
    opened
}

/// Returns the members of conversations, for the checker.
pub(crate) fn members_of(opened: &[(ConversationId, Vec<usize>)], users: &[TestUser]) -> Members {
    let ids = |members: &Vec<usize>| members.iter().map(|index| users[*index].id.0).collect::<BTreeSet<_>>();
    opened.iter().map(|(conversation, members)| (conversation.0, ids(members))).collect()
}

/// State shared by the writers and the test.
#[derive(Clone)]
pub(crate) struct SharedState {
    pub(crate) began: Instant,
    /// Acknowledged sends so far.
    pub(crate) acknowledged: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    /// Writers wait here before the final check until all have stopped.
    all_written: Arc<Barrier>,
}

impl SharedState {
    /// Creates the state for this many writers.
    pub(crate) fn new(users: usize) -> Self {
        Self {
            began: Instant::now(),
            acknowledged: Arc::default(),
            is_over: Arc::default(),
            all_written: Arc::new(Barrier::new(users)),
        }
    }

    /// Waits for this many more acknowledged sends.
    pub(crate) async fn until_acknowledged(&self, more: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.acknowledged.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < deadline, "nothing is acknowledged any more");
            // waits for: acknowledgements
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops new sends.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// What a writer leaves behind.
pub(crate) struct WriterResult {
    pub(crate) records: Vec<Record>,
    pub(crate) resets: u32,
}

/// How a user writes.
#[derive(Clone, Copy)]
pub(crate) struct WriterOptions {
    /// The longest pause between two sends, in milliseconds.
    pub(crate) pause_ms: u64,
    /// The percentage of sends of unknown outcome that are cancelled instead of repeated.
    pub(crate) cancels_percent: usize,
    /// The percentage of rounds after which a user connects again, perhaps to another node.
    pub(crate) reconnects_percent: usize,
    /// Whether to wait for the server at the end and record the final view.
    pub(crate) converges: bool,
}

/// Writes to these conversations as a user until the end.
pub(crate) fn spawn_writer(
    user: &TestUser,
    conversations: Vec<ConversationId>,
    shared: &SharedState,
    options: WriterOptions,
    rng: Rng,
) -> JoinHandle<WriterResult> {
    let writer = Writer {
        client: user.client(),
        recorder: Recorder::in_memory(shared.began),
        shared: shared.clone(),
        options,
        rng,
        conversations,
        pending: None,
        count: 0,
        pages: 0,
    };
    tokio::spawn(writer.live())
}

struct Pending {
    conversation: ConversationId,
    client_id: String,
    text: String,
    gives_up: bool,
}

struct Writer {
    client: Client,
    recorder: Recorder,
    shared: SharedState,
    options: WriterOptions,
    rng: Rng,
    conversations: Vec<ConversationId>,
    pending: Option<Pending>,
    count: u64,
    pages: u64,
}

impl Writer {
    fn me(&self) -> i64 {
        self.client.user().0
    }

    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    async fn live(mut self) -> WriterResult {
        while !self.is_over() || (self.options.converges && self.pending.is_some()) {
            if !self.client.is_connected() && !self.reconnect().await {
                continue;
            }
            if self.pending.is_none() {
                self.pause();
            }
            self.try_pending().await;
            let pause = self.rng.millis(0, self.options.pause_ms.max(1));
            // If the connection ends meanwhile, the next round notices.
            let _ended = self.client.run_for(pause).await;
            self.record_shown();
            if self.rng.percent(self.options.reconnects_percent) {
                self.client.disconnect();
            }
        }
        if self.options.converges {
            self.shared.all_written.wait().await;
            self.converge().await;
        }
        WriterResult { resets: self.client.state.resets(), records: self.recorder.finish() }
    }

    async fn reconnect(&mut self) -> bool {
        let back = self.client.connect().await;
        self.record_shown();
        if back.is_err() {
            // waits for: a server that is back, as a client backs off
            tokio::time::sleep(self.rng.millis(5, 60)).await;
            return false;
        }
        if self.rng.percent(30) {
            self.read_page().await;
        }
        true
    }

    fn pause(&mut self) {
        self.count += 1;
        let conversation = *self.rng.pick(&self.conversations);
        let client_id = format!("{}-{}", self.me(), self.count);
        let text = format!("{client_id} to {conversation}: {:x}", self.rng.next());
        self.pending = Some(Pending { conversation, client_id, text, gives_up: false });
    }

    async fn try_pending(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let (me, conversation) = (self.me(), pending.conversation);
        if pending.gives_up {
            return self.cancel(pending).await;
        }
        self.recorder.write(Record::send(me, conversation.0, &pending.client_id, &pending.text));
        let sent = self.client.send(conversation, &pending.client_id, &pending.text).await;
        self.record_shown();
        match sent {
            Ok(sent) => self.acknowledged(&sent.message),
            Err(error) => self.not_acknowledged(pending, &error),
        }
    }

    fn acknowledged(&mut self, message: &parlor_protocol::model::Message) {
        let ack = Record { outcome: Some(Outcome::Ok), ..Record::of(Op::Ack, Some(self.me()), message) };
        self.recorder.write(ack);
        self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    fn not_acknowledged(&mut self, pending: Pending, error: &Error) {
        let (me, conversation) = (self.me(), pending.conversation.0);
        if error.is_outcome_unknown() {
            self.recorder.write(Record::nack(me, conversation, &pending.client_id, Outcome::Unknown));
            let gives_up = self.rng.percent(self.options.cancels_percent);
            self.pending = Some(Pending { gives_up, ..pending });
        } else if error.code().is_some_and(Code::retryable) {
            self.pending = Some(pending);
        } else {
            self.recorder.write(Record::nack(me, conversation, &pending.client_id, Outcome::Fail));
        }
    }

    async fn cancel(&mut self, pending: Pending) {
        let client_id = pending.client_id.clone();
        match self.client.call::<Cancelled>(Command::Cancel { client_id }).await {
            Ok(Cancelled { message: Some(message), .. }) => self.acknowledged(&message),
            Ok(Cancelled { message: None, .. }) => {
                let (me, conversation) = (self.me(), pending.conversation.0);
                self.recorder.write(Record::nack(me, conversation, &pending.client_id, Outcome::Fail));
            }
            Err(_) => self.pending = Some(pending),
        }
        self.record_shown();
    }

    async fn read_page(&mut self) {
        let conversation = *self.rng.pick(&self.conversations);
        let command = Command::ListMessages { conversation, before: None, after: None, around: None, limit: None };
        let Ok(page) = self.client.call::<MessagePage>(command).await else { return };
        self.pages += 1;
        for message in &page.messages {
            let row = Record::of(Op::Hist, Some(self.me()), message);
            self.recorder.write(Record { read: Some(self.pages), epoch: self.client.connections(), ..row });
        }
    }

    fn record_shown(&mut self) {
        let (me, epoch) = (self.me(), self.client.connections());
        for message in self.client.state.take_appended() {
            self.recorder.write(Record { epoch, ..Record::of(Op::Recv, Some(me), &message) });
        }
    }

    /// Waits until everything has arrived, and records the view.
    async fn converge(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut outcome = Outcome::Unknown;
        while outcome == Outcome::Unknown && Instant::now() < deadline {
            if !self.client.is_connected() && !self.reconnect().await {
                continue;
            }
            if self.client.settle(Duration::from_secs(10)).await.is_ok() {
                outcome = Outcome::Ok;
            }
            self.record_shown();
        }
        let me = self.me();
        for conversation in self.conversations.clone() {
            for message in self.client.state.messages(conversation) {
                self.recorder.write(Record::of(Op::Read, Some(me), message));
            }
        }
        self.recorder.write(Record { outcome: Some(outcome), ..Record::new(Op::Close, Some(me), 0) });
    }
}

/// Reads all messages of a conversation, oldest first, as a final read of this node.
pub(crate) async fn final_read(api: &Api, conversation: ConversationId, node: u32, into: &mut Recorder) {
    let mut after = 0;
    loop {
        let page = api.messages(conversation, &format!("after={after}")).await.expect("a member reads");
        for message in &page.messages {
            into.write(Record { node, ..Record::of(Op::Read, None, message) });
        }
        match page.messages.last() {
            Some(last) if page.next.is_some() => after = last.seq.0,
            _ => return,
        }
    }
}
