//! Random writes on both sides, and restarts of Parlor: at the end both sides are equal, and everything that was sent
//! is there once.

use super::{Beside, HostServer, key, on_all_hosts, rng, until};
use crate::harness::{Rng, scaled};
use parlor::{
    domain::{Change, Content, Outcome},
    mirror::NewHostRow,
};
use parlor_protocol::{
    ids::{ConversationId, Seq},
    reply::Answer,
};
use std::collections::BTreeMap;

on_all_hosts! {
    both_sides_end_equal_after_random_writes_and_restarts,
}

const STEPS: usize = 120;

struct Writers {
    beside: Beside,
    rng: Rng,
    /// Messages that were sent and acknowledged, and not deleted since.
    sent: Vec<String>,
    count: usize,
}

impl Writers {
    fn text(&mut self) -> String {
        self.count += 1;
        format!("text {}", self.count)
    }

    fn pair(&mut self) -> (i64, i64) {
        *self.rng.pick(&[(1, 2), (2, 1), (1, 3), (3, 1), (2, 3)])
    }

    async fn row(&mut self) -> Option<(i64, String)> {
        let rows = self.beside.host.messages().await;
        (!rows.is_empty()).then(|| self.rng.pick(&rows).clone()).map(|row| (row.0, row.3))
    }

    /// Forgets a text that is edited or deleted.
    fn forget(&mut self, text: &str) {
        self.sent.retain(|sent| sent != text);
    }

    async fn host_writes(&mut self) {
        let (from, to) = self.pair();
        match self.rng.below(10) {
            0..=3 => {
                let text = self.text();
                self.beside.host.insert(from, to, &text).await;
                self.sent.push(text);
            }
            4..=5 => {
                let Some((row, _)) = self.row().await else { return };
                let is_read = self.rng.percent(80);
                self.beside.host.set(row, "is_read", is_read).await;
            }
            6 => {
                let Some((row, text)) = self.row().await else { return };
                let changed = self.text();
                self.forget(&text);
                self.beside.host.set(row, "content", changed.as_str()).await;
            }
            7 => {
                let Some((row, text)) = self.row().await else { return };
                self.forget(&text);
                self.beside.host.delete(row).await;
            }
            8 => {
                let Some((row, text)) = self.row().await else { return };
                self.forget(&text);
                self.beside.host.set(row, "recipient_id", to).await;
            }
            _ => {
                // Every application marks everything as read at times.
                let sql = "UPDATE messages_table SET is_read = $1 WHERE recipient_id = $2";
                self.beside.host.execute(sql, vec![true.into(), to.into()]).await;
            }
        }
    }

    async fn user_writes(&mut self) {
        let (from, to) = self.pair();
        let conversation = self.beside.conversation(from, to).await;
        let actor = self.beside.user(from).await;
        match self.rng.below(10) {
            0..=3 => {
                let text = self.text();
                let change = Change::Send { actor, conversation, client_id: key(), content: Content::text(&text) };
                if let Ok(Outcome::Answer(Answer::Sent(_))) = self.beside.app.commit.submit(change).await {
                    self.sent.push(text);
                }
            }
            4 => {
                let mirror = self.beside.app.mirror.clone().expect("it runs");
                let (recipient, text) = (self.beside.user(to).await, self.text());
                let new = NewHostRow { sender: actor, recipient, context: None, text: text.clone(), subject: None };
                if mirror.send(new).await.is_ok() {
                    self.sent.push(text);
                }
            }
            5..=6 => {
                let last = self.last(from, conversation).await;
                let mark = Change::Mark { actor, conversation, delivered: Seq(0), read: last };
                drop(self.beside.app.commit.submit(mark).await);
            }
            7..=8 => self.change_own(from, conversation).await,
            _ => {
                let last = self.last(from, conversation).await;
                if last > Seq(0) {
                    drop(self.beside.app.commit.submit(Change::Hide { actor, conversation, seq: last }).await);
                }
            }
        }
    }

    async fn last(&self, user: i64, conversation: ConversationId) -> Seq {
        self.beside.shown(user, conversation).await.last().map_or(Seq(0), |message| message.seq)
    }

    /// Edits or deletes one of a user's messages.
    async fn change_own(&mut self, user: i64, conversation: ConversationId) {
        let actor = self.beside.user(user).await;
        let mut own = self.beside.shown(user, conversation).await;
        own.retain(|message| message.sender == actor && !message.deleted);
        if own.is_empty() {
            return;
        }
        let message = self.rng.pick(&own).clone();
        let seq = message.seq;
        self.forget(&message.text);
        let change = if self.rng.percent(50) {
            Change::Delete { actor, conversation, seq }
        } else {
            Change::Edit { actor, conversation, seq, text: Some(self.text()), mentions: vec![], subject: None }
        };
        drop(self.beside.app.commit.submit(change).await);
    }

    /// Whether every message of the host is here, and the other way round.
    async fn is_equal(&self) -> bool {
        self.difference().await.is_empty()
    }

    /// Returns what one side has and the other has not.
    async fn difference(&self) -> String {
        let mut host: BTreeMap<(i64, i64), Vec<(String, bool)>> = BTreeMap::new();
        for (_, from, to, text, _) in self.beside.host.messages().await {
            // A row to its own sender belongs to no conversation.
            if from == to {
                continue;
            }
            host.entry((from.min(to), from.max(to))).or_default().push((text, from < to));
        }
        for pair in [(1, 2), (1, 3), (2, 3)] {
            let conversation = self.beside.conversation(pair.0, pair.1).await;
            let user = self.beside.user(pair.0).await;
            let page = self.beside.app.store.read(move |snapshot| {
                snapshot.messages(user, conversation, parlor::store::snapshot::PageAnchor::Newest, 1000)
            });
            let page = page.await.expect("read").expect("a member");
            let hidden = page.messages.iter().filter(|message| message.hidden).count();
            let shown = page.messages.into_iter().filter(|message| !message.hidden && !message.deleted);
            let mut here: Vec<(String, bool)> = shown.map(|message| (message.text, message.sender == user)).collect();
            let mut there = host.remove(&pair).unwrap_or_default();
            here.sort_unstable();
            there.sort_unstable();
            // What this user has hidden is not read here; the check compares it.
            if hidden == 0 && here != there || here.iter().any(|message| !there.contains(message)) {
                return format!("{pair:?}: here {here:?}, there {there:?}");
            }
        }
        if host.is_empty() { String::new() } else { format!("elsewhere: {host:?}") }
    }
}

async fn both_sides_end_equal_after_random_writes_and_restarts(server: HostServer) {
    let seed = std::env::var("PARLOR_TEST_SEED").ok().map_or(7, |seed| seed.parse().expect("a number"));
    println!("PARLOR_TEST_SEED={seed}");
    let beside = Beside::start_with(&server, "accounting", &[("mirror.scan_ms", "500")]).await;
    let mut writers = Writers { beside, rng: rng(seed), sent: Vec::new(), count: 0 };
    for step in 0..scaled(STEPS) {
        if writers.rng.percent(50) {
            writers.host_writes().await;
        } else {
            writers.user_writes().await;
        }
        if step % 40 == 39 {
            writers.beside.restart().await;
        }
    }
    let differs = std::cell::RefCell::new(String::new());
    let seen = || format!("seed {seed}: {}", differs.borrow());
    super::until_or(seen, || async {
        differs.replace(writers.difference().await);
        differs.borrow().is_empty()
    })
    .await;
    let texts: Vec<String> = writers.beside.host.messages().await.into_iter().map(|row| row.3).collect();
    for sent in &writers.sent {
        assert_eq!(texts.iter().filter(|text| *text == sent).count(), 1, "{sent} is there once (seed {seed})");
    }
    // What was written last may be on its way.
    for attempt in 0.. {
        writers.beside.app.stop().await;
        let checked = super::commands::run(&writers.beside, &["mirror", "check"]);
        if checked.status.success() {
            break;
        }
        assert!(attempt < 10, "seed {seed}: {}", super::commands::text(&checked));
        writers.beside.restart().await;
        until("both sides are equal", || writers.is_equal()).await;
    }
}
