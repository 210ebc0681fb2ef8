//! Looking at those who are watched, and telling whoever may know.

use super::Presence;
use crate::{
    channel_layer::{Here, Seen, Topic, Unavailable},
    commands::failed,
    environment::rfc3339,
    hub::{Attached, Pair, Urgent},
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
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};
use tokio::time::timeout;
use tracing::warn;

/// Pairs that are checked at once, of those who were not to be seen.
const UNSEEN_MAX: usize = 10_000;

/// How long to wait for when people were last here.
const LAST_SEEN_PATIENCE: Duration = Duration::from_secs(1);

/// How a person is, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    here: Here,
    /// When they were last, if they are not online and it is known.
    seen_ms: Option<i64>,
}

impl Known {
    fn of(seen: Option<&Seen>, written_ms: Option<i64>) -> Self {
        match seen {
            Some(Seen { here: Here::Online, .. }) => Self { here: Here::Online, seen_ms: None },
            Some(Seen { here: Here::Idle, seen_ms, .. }) => Self { here: Here::Idle, seen_ms: Some(*seen_ms) },
            gone => Self { here: Here::Gone, seen_ms: gone.map(|seen| seen.seen_ms).max(written_ms) },
        }
    }

    fn presence(self, user: UserId) -> model::Presence {
        let status = match self.here {
            Here::Online => PresenceStatus::Online,
            Here::Idle => PresenceStatus::Idle,
            Here::Gone => PresenceStatus::Offline,
        };
        model::Presence { user, status, seen_at: self.seen_ms.map(rfc3339) }
    }
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
            Failure::Store(cause) => failed(cause),
            Failure::Layer(cause) => {
                warn!(%cause, "who is here could not be looked up");
                Code::Unavailable.into()
            }
        }
    }
}

impl Presence {
    /// Replaces the people whom a connection watches; they are told from the answer on.
    ///
    /// # Errors
    /// They are too many; the store or the layer is not there, and then the connection watches nobody.
    pub async fn watch(
        &self,
        watcher: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> Result<Vec<model::Presence>, Problem> {
        let users = self.asked(users)?;
        let answer = self.watch_those(watcher, attached, &users).await;
        if answer.is_err() {
            // To watch nobody needs no topic.
            drop(attached.watch(&[], &HashSet::new()).await);
        }
        Ok(answer?)
    }

    async fn watch_those(
        &self,
        watcher: UserId,
        attached: &Attached,
        users: &[UserId],
    ) -> Result<Vec<model::Presence>, Failure> {
        let seen = self.visible(watcher, users).await?;
        attached.watch(users, &seen).await?;
        // Once more: something may have come between the look and the joining. What comes now is heard of.
        let still = self.visible(watcher, users).await?;
        for user in seen.difference(&still) {
            self.with.hub.unsee(attached.id(), *user).await;
        }
        let told: HashSet<UserId> = seen.intersection(&still).copied().collect();
        self.answer(users, &told).await
    }

    /// How people are now, for whoever asks once.
    ///
    /// # Errors
    /// They are too many; the store or the layer is not there.
    pub async fn ask(&self, watcher: UserId, users: &[UserId]) -> Result<Vec<model::Presence>, Problem> {
        let users = self.asked(users)?;
        let asking = async {
            let seen = self.visible(watcher, &users).await?;
            self.answer(&users, &seen).await
        };
        Ok(asking.await?)
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
        let visible = store.answered(store.may_see(users.iter().map(|user| (watcher, *user)))).await?;
        Ok(visible.into_iter().map(|(_, user)| user).collect())
    }

    async fn answer(&self, users: &[UserId], seen: &HashSet<UserId>) -> Result<Vec<model::Presence>, Failure> {
        let known = self.look(seen.iter().copied().collect()).await?;
        let presence = |user: &UserId| known.get(user).map_or_else(|| unknown(*user), |known| known.presence(*user));
        Ok(users.iter().map(presence).collect())
    }

    async fn look(&self, users: Vec<UserId>) -> Result<HashMap<UserId, Known>, Failure> {
        let written = self.written(&users).await?;
        let mut known = self.known.lock().await;
        self.look_holding(&mut known, users, &written).await
    }

    /// When those were here last who are not now, as far as it is not known. Read before anybody has to wait for it.
    async fn written(&self, users: &[UserId]) -> Result<HashMap<UserId, i64>, Failure> {
        let seen = self.with.layer.seen(users.to_vec()).await?;
        let here: HashSet<UserId> = seen.iter().filter(|seen| seen.here != Here::Gone).map(|seen| seen.user).collect();
        let gone: Vec<UserId> = {
            let known = self.known.lock().await;
            let was_gone = |user: &UserId| known.get(user).is_some_and(|known| known.here == Here::Gone);
            users.iter().copied().filter(|user| !here.contains(user) && !was_gone(user)).collect()
        };
        Ok(self.last_seen(&gone).await)
    }

    /// Looks at these people, and tells those who watch them what has changed.
    async fn look_holding(
        &self,
        known: &mut HashMap<UserId, Known>,
        users: Vec<UserId>,
        written: &HashMap<UserId, i64>,
    ) -> Result<HashMap<UserId, Known>, Failure> {
        let seen: HashMap<UserId, Seen> =
            self.with.layer.seen(users.clone()).await?.into_iter().map(|seen| (seen.user, seen)).collect();
        let mut found = HashMap::with_capacity(users.len());
        for user in users {
            let before = known.get(&user).copied();
            let written_ms = written.get(&user).copied().max(before.and_then(|before| before.seen_ms));
            let now = Known::of(seen.get(&user), written_ms);
            found.insert(user, now);
            if before == Some(now) {
                continue;
            }
            known.insert(user, now);
            // Whoever came to watch since gets the state as an answer.
            if before.is_some() {
                self.with.metrics.presence_told.inc();
                self.with.hub.deliver(&[Topic::Presence(user)], &event(now.presence(user)));
            }
        }
        Ok(found)
    }

    /// That somebody was here is known without it, only not when.
    async fn last_seen(&self, users: &[UserId]) -> HashMap<UserId, i64> {
        match timeout(LAST_SEEN_PATIENCE, self.with.store.last_seen(users)).await {
            Ok(Ok(seen)) => return seen,
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
            self.with.hub.agenda.put_back(suspects);
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
        let seen = self.of_these(pairs).await?;
        let mut coming = HashSet::new();
        let joining = async {
            for pair in &seen {
                if hub.see(pair.connection, pair.user).await? {
                    coming.insert(*pair);
                }
            }
            let users: HashSet<UserId> = seen.iter().map(|pair| pair.user).collect();
            let written = self.written(&users.into_iter().collect::<Vec<_>>()).await?;
            // Once more, as in `watch`.
            Ok::<_, Failure>((self.of_these(&seen).await?, written))
        };
        let still = joining.await;
        let is_not = |pair: &Pair| still.as_ref().map_or(true, |(still, _)| !still.contains(pair));
        for pair in seen.iter().filter(|pair| is_not(pair)) {
            hub.unsee(pair.connection, pair.user).await;
        }
        let (still, written) = still?;
        let users: HashSet<UserId> = still.iter().map(|pair| pair.user).collect();
        // Held until all are told, so that nothing newer is told before.
        let mut known = self.known.lock().await;
        let found = self.look_holding(&mut known, users.into_iter().collect(), &written).await?;
        for pair in coming.intersection(&still) {
            if let Some(known) = found.get(&pair.user) {
                hub.tell(*pair, &event(known.presence(pair.user)));
            }
        }
        drop(known);
        for pair in suspects.difference(&still) {
            hub.tell(*pair, &event(unknown(pair.user)));
        }
        hub.leave_unwatched(pairs.iter().map(|pair| pair.user)).await;
        Ok(())
    }

    async fn of_these(&self, pairs: &HashSet<Pair>) -> Result<HashSet<Pair>, Failure> {
        let store = &self.with.store;
        let visible = store.answered(store.may_see(pairs.iter().map(|pair| (pair.watcher, pair.user)))).await?;
        Ok(pairs.iter().filter(|pair| visible.contains(&(pair.watcher, pair.user))).copied().collect())
    }
}
