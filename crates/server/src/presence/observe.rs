//! Looking at those who are watched, and telling whoever may know.

use super::Presence;
use crate::{
    channel_layer::{Here, Seen, Topic, Unavailable},
    environment::rfc3339,
    hub::{Attached, PendingChecks, PresenceWatch, ReplacedWatches, Subscription},
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
const HIDDEN_CHECKED_MAX: usize = 10_000;

/// How long to wait for when people were last here.
const LAST_SEEN_TIMEOUT: Duration = Duration::from_secs(1);

/// How often it is asked who may see whom, for one answer, before whoever is still in doubt is unknown.
const CHECKS_MAX: usize = 3;

/// How a person is, as far as this node knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObservedPresence {
    here: Here,
    /// When a page of theirs was last in use, if it is known.
    seen_ms: Option<i64>,
    /// The store was asked that, too, since they are not here.
    is_last_seen_loaded: bool,
}

impl ObservedPresence {
    fn of(seen: Option<Seen>, before_ms: Option<i64>, is_last_seen_loaded: bool) -> Self {
        let here = seen.map_or(Here::Gone, |seen| seen.here);
        let seen_ms = seen.map(|seen| seen.seen_ms);
        let seen_ms = if here == Here::Idle { seen_ms } else { seen_ms.max(before_ms) };
        Self { here, seen_ms, is_last_seen_loaded: is_last_seen_loaded && here == Here::Gone }
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
    fn differs_visibly(self, other: Self) -> bool {
        self.here != other.here || (self.here != Here::Online && self.seen_ms != other.seen_ms)
    }
}

/// How somebody is, and whether those who are told of him were told so just now.
#[derive(Clone, Copy, Debug)]
struct Observation {
    known: ObservedPresence,
    is_published: bool,
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
enum ObserveError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Layer(#[from] Unavailable),
}

impl From<ObserveError> for Problem {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Store(cause) => cause.into(),
            ObserveError::Layer(cause) => {
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
        viewer: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> (VecDeque<Bytes>, Result<Vec<model::Presence>, Problem>) {
        let users = match self.unique(users) {
            Ok(users) => users,
            Err(problem) => return (VecDeque::new(), Err(problem)),
        };
        let ReplacedWatches { users: mut before, pending_frames: mut waiting } = attached.replace_watches(&users);
        let answer = self.subscribe(viewer, attached, &users).await;
        if answer.is_err() {
            let replaced = attached.replace_watches(&[]);
            before.extend(replaced.users);
            waiting.extend(replaced.pending_frames);
        }
        self.with.hub.leave_presence_topics(before.into_iter()).await;
        (waiting, answer.map_err(Problem::from))
    }

    async fn subscribe(
        &self,
        viewer: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> Result<Vec<model::Presence>, ObserveError> {
        let hub = &self.with.hub;
        let mut asked = users.to_vec();
        for _ in 0..CHECKS_MAX {
            let check = hub.begin_check();
            let mut stale = Vec::new();
            for user in self.visible_users(viewer, &asked).await? {
                if hub.subscribe_presence(&check, attached.id(), user).await? == Subscription::Stale {
                    stale.push(user);
                }
            }
            asked = stale;
            if asked.is_empty() {
                break;
            }
        }
        hub.presence_queue.check_hidden(&asked);
        let known = self.observe(attached.subscribed_users().into_iter().collect()).await?;
        // Those who came into doubt since are told of by whoever looks after them.
        Ok(presences(users, &known, &attached.subscribed_users()))
    }

    /// How people are now, for whoever asks once.
    ///
    /// # Errors
    /// They are too many; the store or the layer is not there.
    pub async fn read(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, Problem> {
        let users = self.unique(users)?;
        Ok(self.read_visible(viewer, &users).await?)
    }

    async fn read_visible(&self, viewer: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, ObserveError> {
        let mut more = 1..CHECKS_MAX;
        loop {
            let check = self.with.hub.begin_check();
            let seen = self.visible_users(viewer, users).await?;
            let known = self.observe(seen.iter().copied().collect()).await?;
            let certain: HashSet<UserId> =
                seen.iter().copied().filter(|user| !check.is_stale_for(viewer, *user)).collect();
            if certain.len() == seen.len() || more.next().is_none() {
                return Ok(presences(users, &known, &certain));
            }
        }
    }

    /// Each once, in the order of their ids.
    fn unique(&self, users: &[UserId]) -> Result<Vec<UserId>, Problem> {
        if users.len() > self.watched_max as usize {
            return Err(Problem::new(Code::LimitReached).with_limit(self.watched_max.into()));
        }
        Ok(users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn visible_users(&self, viewer: UserId, users: &[UserId]) -> Result<HashSet<UserId>, ObserveError> {
        let store = &self.with.store;
        let visible = store.visible_pairs(users.iter().map(|user| (viewer, *user))).await?;
        Ok(visible.into_iter().map(|(_, user)| user).collect())
    }

    async fn observe(&self, users: Vec<UserId>) -> Result<HashMap<UserId, Observation>, ObserveError> {
        let written = self.load_last_seen(&users).await?;
        let mut known = self.known.lock().await;
        self.observe_locked(&mut known, users, &written).await
    }

    /// When those were here last who are not now, as far as it is not known. Read before anybody has to wait for it.
    async fn load_last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, Option<i64>>, ObserveError> {
        let seen = self.with.layer.seen(users.to_vec()).await?;
        let here: HashSet<UserId> = seen.iter().filter(|seen| seen.here != Here::Gone).map(|seen| seen.user).collect();
        let gone: Vec<UserId> = {
            let known = self.known.lock().await;
            let is_last_seen_loaded = |user: &UserId| known.get(user).is_some_and(|known| known.is_last_seen_loaded);
            users.iter().copied().filter(|user| !here.contains(user) && !is_last_seen_loaded(user)).collect()
        };
        Ok(self.read_last_seen(&gone).await)
    }

    /// Looks at these people, and tells those who watch them what has changed.
    async fn observe_locked(
        &self,
        known: &mut HashMap<UserId, ObservedPresence>,
        users: Vec<UserId>,
        written: &HashMap<UserId, Option<i64>>,
    ) -> Result<HashMap<UserId, Observation>, ObserveError> {
        let mut seen: HashMap<UserId, Seen> =
            self.with.layer.seen(users.clone()).await?.into_iter().map(|seen| (seen.user, seen)).collect();
        self.add_local(&users, &mut seen);
        let mut found = HashMap::with_capacity(users.len());
        for user in users {
            let before = known.get(&user).copied();
            let read = written.get(&user);
            let before_ms = read.copied().flatten().max(before.and_then(|before| before.seen_ms));
            let is_last_seen_loaded = read.is_some() || before.is_some_and(|before| before.is_last_seen_loaded);
            let now = ObservedPresence::of(seen.get(&user).copied(), before_ms, is_last_seen_loaded);
            known.insert(user, now);
            // Whoever came to watch since gets the state as an answer.
            let is_published = before.is_some_and(|before| now.differs_visibly(before));
            if is_published {
                self.with.metrics.presence_told.inc();
                self.with.hub.deliver(&[Topic::Presence(user)], &event(now.presence(user)));
            }
            found.insert(user, Observation { known: now, is_published });
        }
        Ok(found)
    }

    /// Who is here at this node is known without signs, which may have ended because it was late.
    fn add_local(&self, users: &[UserId], seen: &mut HashMap<UserId, Seen>) {
        let local = self.local();
        for own in users.iter().filter_map(|user| local.last_sign(*user)) {
            let seen = seen.entry(own.user).or_insert(own);
            seen.here = seen.here.max(own.here);
            seen.seen_ms = seen.seen_ms.max(own.seen_ms);
        }
    }

    /// Each of these with what the store knows, or nobody: that somebody was here is known without it, only not when,
    /// and the next look asks again.
    async fn read_last_seen(&self, users: &[UserId]) -> HashMap<UserId, Option<i64>> {
        match timeout(LAST_SEEN_TIMEOUT, self.with.store.last_seen(users)).await {
            Ok(Ok(seen)) => return users.iter().map(|user| (*user, seen.get(user).copied())).collect(),
            Ok(Err(cause)) => warn!(%cause, "when people were last here could not be read"),
            Err(_) => warn!("when people were last here was not read in time"),
        }
        HashMap::new()
    }

    /// Looks at whom something was heard of, or at `all` who are watched, and asks anew who may see whom.
    pub(super) async fn run_checks(&self, all: bool, all_hidden: bool) {
        let PendingChecks { mut users, recheck, hidden } = self.with.hub.presence_queue.take();
        if all {
            let mut known = self.known.lock().await;
            users = self.with.hub.presence_topics().into_iter().collect();
            known.retain(|user, _| users.contains(user));
        }
        let mut pairs = recheck.clone();
        if !hidden.is_empty() {
            pairs.extend(self.with.hub.hidden_watches_of(&hidden));
        }
        if all_hidden {
            pairs.extend(self.with.hub.hidden_watches(HIDDEN_CHECKED_MAX));
        }
        if let Err(cause) = self.check_visibility(&pairs, &recheck).await {
            warn!(%cause, "who may see whom could not be looked up");
            self.with.hub.presence_queue.put_back(recheck, hidden);
        }
        if let Err(cause) = self.observe(users.into_iter().collect()).await {
            warn!(%cause, "who is here could not be looked up");
        }
    }

    /// Decides for connections that are not told of somebody whether they are to be. Those that were until a moment ago,
    /// the suspects, are told where they no longer are.
    async fn check_visibility(
        &self,
        pairs: &HashSet<PresenceWatch>,
        recheck: &HashSet<PresenceWatch>,
    ) -> Result<(), ObserveError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let hub = &self.with.hub;
        let check = hub.begin_check();
        let seen = self.visible_watches(pairs).await?;
        let (mut coming, mut stale) = (HashSet::new(), HashSet::new());
        let entering = async {
            for pair in &seen {
                match hub.subscribe_presence(&check, pair.connection, pair.user).await? {
                    Subscription::Added => coming.insert(*pair),
                    Subscription::Stale => stale.insert(*pair),
                    Subscription::Already | Subscription::NotWatching => continue,
                };
            }
            self.send_current(&coming).await
        };
        if let Err(cause) = entering.await {
            // They were told nothing yet, and the next look takes them again.
            for pair in &coming {
                hub.unsubscribe_presence(pair.connection, pair.user);
            }
            return Err(cause);
        }
        for pair in recheck.difference(&seen) {
            hub.send_hidden(*pair, &event(unknown(pair.user)));
        }
        drop(check);
        if !stale.is_empty() {
            let again: Vec<UserId> = stale.iter().map(|pair| pair.user).collect();
            hub.presence_queue.put_back(stale.intersection(recheck).copied().collect(), HashSet::new());
            hub.presence_queue.check_hidden(&again);
        }
        hub.leave_presence_topics(pairs.iter().map(|pair| pair.user)).await;
        Ok(())
    }

    /// Tells connections that have come into topics how those people are now.
    async fn send_current(&self, coming: &HashSet<PresenceWatch>) -> Result<(), ObserveError> {
        let users: Vec<UserId> = coming.iter().map(|pair| pair.user).collect::<HashSet<_>>().into_iter().collect();
        let written = self.load_last_seen(&users).await?;
        // Held until all are told, so that nothing newer is told before.
        let mut known = self.known.lock().await;
        let found = self.observe_locked(&mut known, users, &written).await?;
        for pair in coming {
            if let Some(Observation { known, is_published: false }) = found.get(&pair.user) {
                self.with.hub.send_presence(*pair, &event(known.presence(pair.user)));
            }
        }
        Ok(())
    }

    async fn visible_watches(&self, pairs: &HashSet<PresenceWatch>) -> Result<HashSet<PresenceWatch>, ObserveError> {
        let store = &self.with.store;
        let visible = store.visible_pairs(pairs.iter().map(|pair| (pair.viewer, pair.user))).await?;
        Ok(pairs.iter().filter(|pair| visible.contains(&(pair.viewer, pair.user))).copied().collect())
    }
}

fn presences(users: &[UserId], known: &HashMap<UserId, Observation>, shown: &HashSet<UserId>) -> Vec<model::Presence> {
    let presence = |user: &UserId| {
        let found = known.get(user).filter(|_| shown.contains(user));
        found.map_or_else(|| unknown(*user), |found| found.known.presence(*user))
    };
    users.iter().map(presence).collect()
}
