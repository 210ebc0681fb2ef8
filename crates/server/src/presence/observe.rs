//! Looking at those who are watched, and telling whoever may know.

use super::Presence;
use crate::{
    channel_layer::{Here, Seen, Topic, Unavailable},
    environment::rfc3339,
    hub::{Attached, Entered, Pair, Replaced, Urgent},
    store,
};
use bytes::Bytes;
use parlor_protocol::{
    error::{Code, Problem},
    event::Event,
    ids::UserId,
    model::{self, PresenceStatus},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};
use tokio::time::timeout;
use tracing::warn;

/// Pairs that are checked at once, of those who were not to be seen.
const UNSEEN_MAX: usize = 10_000;

/// How long to wait for when people were last here.
const LAST_SEEN_PATIENCE: Duration = Duration::from_secs(1);

/// How often it is asked who may see whom, for one answer, before whoever is still in doubt is unknown.
const ASKED_MAX: usize = 3;

/// How a person is, as far as this node knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    here: Here,
    /// When a page of theirs was last in use, if it is known.
    seen_ms: Option<i64>,
    /// The store was asked that, too, since they are not here.
    is_read: bool,
}

impl Known {
    fn of(seen: Option<Seen>, before_ms: Option<i64>, is_read: bool) -> Self {
        let here = seen.map_or(Here::Gone, |seen| seen.here);
        let seen_ms = seen.map(|seen| seen.seen_ms);
        let seen_ms = if here == Here::Idle { seen_ms } else { seen_ms.max(before_ms) };
        Self { here, seen_ms, is_read: is_read && here == Here::Gone }
    }

    fn presence(self, user: UserId) -> model::Presence {
        let (status, seen_ms) = match self.here {
            Here::Online => (PresenceStatus::Online, None),
            Here::Idle => (PresenceStatus::Idle, self.seen_ms),
            Here::Gone => (PresenceStatus::Offline, self.seen_ms),
        };
        model::Presence { user, status, seen_at: seen_ms.map(rfc3339) }
    }

    /// Whether those who watch see a difference.
    fn shows_another(self, than: Self) -> bool {
        self.here != than.here || (self.here != Here::Online && self.seen_ms != than.seen_ms)
    }
}

/// How somebody is, and whether those who are told of him were told so just now.
#[derive(Clone, Copy, Debug)]
struct Found {
    known: Known,
    is_told: bool,
}

fn unknown(user: UserId) -> model::Presence {
    model::Presence { user, status: PresenceStatus::Unknown, seen_at: None }
}

fn event(presence: model::Presence) -> Bytes {
    let event = Event::PresenceChanged { presence };
    serde_json::to_vec(&event).expect("an event has string keys only").into()
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Layer(#[from] Unavailable),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(cause) => cause.into(),
            Failure::Layer(cause) => {
                warn!(%cause, "who is here could not be looked up");
                Code::Unavailable.into()
            }
        }
    }
}

impl Presence {
    /// Replaces the people whom a connection watches. What was to be written to it until then is handed back, to be
    /// written before the answer: it may tell of people as they were.
    ///
    /// The answer is a problem where they are too many; then the connection watches the former ones. It is one, too,
    /// where the store or the layer is not there; then the connection watches nobody.
    pub async fn watch(
        &self,
        watcher: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> (VecDeque<Bytes>, Result<Vec<model::Presence>, Problem>) {
        let users = match self.asked(users) {
            Ok(users) => users,
            Err(problem) => return (VecDeque::new(), Err(problem)),
        };
        let Replaced { mut before, mut waiting } = attached.watch(&users);
        let answer = self.watch_those(watcher, attached, &users).await;
        if answer.is_err() {
            let begun = attached.watch(&[]);
            before.extend(begun.before);
            waiting.extend(begun.waiting);
        }
        self.with.hub.leave_unwatched(before.into_iter()).await;
        (waiting, answer.map_err(Problem::from))
    }

    async fn watch_those(
        &self,
        watcher: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> Result<Vec<model::Presence>, Failure> {
        let hub = &self.with.hub;
        let mut asked = users.to_vec();
        for _ in 0..ASKED_MAX {
            let inquiry = hub.inquire();
            let mut doubted = Vec::new();
            for user in self.visible(watcher, &asked).await? {
                if hub.see(&inquiry, attached.id(), user).await? == Entered::Doubted {
                    doubted.push(user);
                }
            }
            asked = doubted;
            if asked.is_empty() {
                break;
            }
        }
        hub.agenda.look_at_unseen(&asked);
        let known = self.look(attached.told_of().into_iter().collect()).await?;
        // Those who came into doubt since are told of by whoever looks after them.
        Ok(answer(users, &known, &attached.told_of()))
    }

    /// How people are now, for whoever asks once.
    ///
    /// # Errors
    /// They are too many; the store or the layer is not there.
    pub async fn ask(&self, watcher: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, Problem> {
        let users = self.asked(users)?;
        Ok(self.ask_of(watcher, &users).await?)
    }

    async fn ask_of(&self, watcher: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, Failure> {
        let mut more = 1..ASKED_MAX;
        loop {
            let inquiry = self.with.hub.inquire();
            let seen = self.visible(watcher, users).await?;
            let known = self.look(seen.iter().copied().collect()).await?;
            let certain: HashSet<UserId> =
                seen.iter().copied().filter(|user| !inquiry.is_doubted(watcher, *user)).collect();
            if certain.len() == seen.len() || more.next().is_none() {
                return Ok(answer(users, &known, &certain));
            }
        }
    }

    /// Each once, in the order of their ids.
    fn asked(&self, users: &[UserId]) -> Result<Vec<UserId>, Problem> {
        if users.len() > self.watched_max as usize {
            return Err(Problem::new(Code::LimitReached).with_limit(self.watched_max.into()));
        }
        Ok(users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn visible(&self, watcher: UserId, users: &[UserId]) -> Result<HashSet<UserId>, Failure> {
        let store = &self.with.store;
        let visible = store.visible_pairs(users.iter().map(|user| (watcher, *user))).await?;
        Ok(visible.into_iter().map(|(_, user)| user).collect())
    }

    async fn look(&self, users: Vec<UserId>) -> Result<HashMap<UserId, Found>, Failure> {
        let written = self.written(&users).await?;
        let mut known = self.known.lock().await;
        self.look_holding(&mut known, users, &written).await
    }

    /// When those were here last who are not now, as far as it is not known. Read before anybody has to wait for it.
    async fn written(&self, users: &[UserId]) -> Result<HashMap<UserId, Option<i64>>, Failure> {
        let seen = self.with.layer.seen(users.to_vec()).await?;
        let here: HashSet<UserId> = seen.iter().filter(|seen| seen.here != Here::Gone).map(|seen| seen.user).collect();
        let gone: Vec<UserId> = {
            let known = self.known.lock().await;
            let is_read = |user: &UserId| known.get(user).is_some_and(|known| known.is_read);
            users.iter().copied().filter(|user| !here.contains(user) && !is_read(user)).collect()
        };
        Ok(self.last_seen(&gone).await)
    }

    /// Looks at these people, and tells those who watch them what has changed.
    async fn look_holding(
        &self,
        known: &mut HashMap<UserId, Known>,
        users: Vec<UserId>,
        written: &HashMap<UserId, Option<i64>>,
    ) -> Result<HashMap<UserId, Found>, Failure> {
        let mut seen: HashMap<UserId, Seen> =
            self.with.layer.seen(users.clone()).await?.into_iter().map(|seen| (seen.user, seen)).collect();
        self.add_own(&users, &mut seen);
        let mut found = HashMap::with_capacity(users.len());
        for user in users {
            let before = known.get(&user).copied();
            let read = written.get(&user);
            let before_ms = read.copied().flatten().max(before.and_then(|before| before.seen_ms));
            let is_read = read.is_some() || before.is_some_and(|before| before.is_read);
            let now = Known::of(seen.get(&user).copied(), before_ms, is_read);
            known.insert(user, now);
            // Whoever came to watch since gets the state as an answer.
            let is_told = before.is_some_and(|before| now.shows_another(before));
            if is_told {
                self.with.metrics.presence_told.inc();
                self.with.hub.deliver(&[Topic::Presence(user)], &event(now.presence(user)));
            }
            found.insert(user, Found { known: now, is_told });
        }
        Ok(found)
    }

    /// Who is here at this node is known without signs, which may have ended because it was late.
    fn add_own(&self, users: &[UserId], seen: &mut HashMap<UserId, Seen>) {
        let local = self.local();
        for own in users.iter().filter_map(|user| local.said(*user)) {
            let seen = seen.entry(own.user).or_insert(own);
            seen.here = seen.here.max(own.here);
            seen.seen_ms = seen.seen_ms.max(own.seen_ms);
        }
    }

    /// Each of these with what the store knows, or nobody: that somebody was here is known without it, only not when,
    /// and the next look asks again.
    async fn last_seen(&self, users: &[UserId]) -> HashMap<UserId, Option<i64>> {
        match timeout(LAST_SEEN_PATIENCE, self.with.store.last_seen(users)).await {
            Ok(Ok(seen)) => return users.iter().map(|user| (*user, seen.get(user).copied())).collect(),
            Ok(Err(cause)) => warn!(%cause, "when people were last here could not be read"),
            Err(_) => warn!("when people were last here was not read in time"),
        }
        HashMap::new()
    }

    /// Looks at whom something was heard of, or at `all` who are watched, and asks anew who may see whom.
    pub(super) async fn look_around(&self, all: bool, unseen: bool) {
        let Urgent { mut users, suspects, unseen: urgent } = self.with.hub.agenda.take();
        if all {
            let mut known = self.known.lock().await;
            users = self.with.hub.watched().into_iter().collect();
            known.retain(|user, _| users.contains(user));
        }
        let mut pairs = suspects.clone();
        if !urgent.is_empty() {
            pairs.extend(self.with.hub.unseen_with(&urgent));
        }
        if unseen {
            pairs.extend(self.with.hub.unseen(UNSEEN_MAX));
        }
        if let Err(cause) = self.judge(&pairs, &suspects).await {
            warn!(%cause, "who may see whom could not be looked up");
            self.with.hub.agenda.put_back(suspects, urgent);
        }
        if let Err(cause) = self.look(users.into_iter().collect()).await {
            warn!(%cause, "who is here could not be looked up");
        }
    }

    /// Decides for connections that are not told of somebody whether they are to be. Those that were until a moment ago,
    /// the suspects, are told where they no longer are.
    async fn judge(&self, pairs: &HashSet<Pair>, suspects: &HashSet<Pair>) -> Result<(), Failure> {
        if pairs.is_empty() {
            return Ok(());
        }
        let hub = &self.with.hub;
        let inquiry = hub.inquire();
        let seen = self.of_these(pairs).await?;
        let (mut coming, mut doubted) = (HashSet::new(), HashSet::new());
        let entering = async {
            for pair in &seen {
                match hub.see(&inquiry, pair.connection, pair.user).await? {
                    Entered::Now => coming.insert(*pair),
                    Entered::Doubted => doubted.insert(*pair),
                    Entered::Before | Entered::Elsewhere => continue,
                };
            }
            self.welcome(&coming).await
        };
        if let Err(cause) = entering.await {
            // They were told nothing yet, and the next look takes them again.
            for pair in &coming {
                hub.unsee(pair.connection, pair.user);
            }
            return Err(cause);
        }
        for pair in suspects.difference(&seen) {
            hub.tell_nothing_of(*pair, &event(unknown(pair.user)));
        }
        drop(inquiry);
        if !doubted.is_empty() {
            let again: Vec<UserId> = doubted.iter().map(|pair| pair.user).collect();
            hub.agenda.put_back(doubted.intersection(suspects).copied().collect(), HashSet::new());
            hub.agenda.look_at_unseen(&again);
        }
        hub.leave_unwatched(pairs.iter().map(|pair| pair.user)).await;
        Ok(())
    }

    /// Tells connections that have come into topics how those people are now.
    async fn welcome(&self, coming: &HashSet<Pair>) -> Result<(), Failure> {
        let users: Vec<UserId> = coming.iter().map(|pair| pair.user).collect::<HashSet<_>>().into_iter().collect();
        let written = self.written(&users).await?;
        // Held until all are told, so that nothing newer is told before.
        let mut known = self.known.lock().await;
        let found = self.look_holding(&mut known, users, &written).await?;
        for pair in coming {
            if let Some(Found { known, is_told: false }) = found.get(&pair.user) {
                self.with.hub.tell(*pair, &event(known.presence(pair.user)));
            }
        }
        Ok(())
    }

    async fn of_these(&self, pairs: &HashSet<Pair>) -> Result<HashSet<Pair>, Failure> {
        let store = &self.with.store;
        let visible = store.visible_pairs(pairs.iter().map(|pair| (pair.watcher, pair.user))).await?;
        Ok(pairs.iter().filter(|pair| visible.contains(&(pair.watcher, pair.user))).copied().collect())
    }
}

fn answer(users: &[UserId], known: &HashMap<UserId, Found>, told: &HashSet<UserId>) -> Vec<model::Presence> {
    let presence = |user: &UserId| {
        let found = known.get(user).filter(|_| told.contains(user));
        found.map_or_else(|| unknown(*user), |found| found.known.presence(*user))
    };
    users.iter().map(presence).collect()
}
