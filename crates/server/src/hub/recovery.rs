//! Recovers events that the channel layer did not deliver, from the store (I5).
//!
//! Versions are dense, and commits announce their range through the layer. Once a second the clock is read; a range
//! that was not announced by the second check is read from `commits`, and `{scope, version}` is delivered to its topics
//! here. Hints for large conversations are collected and delivered once per check, too.
//!
//! While the layer is interrupted, announcements of other nodes count for nothing, because the events before them may be
//! lost, and every check reads what was committed. After it, they count again from the first check on that began with a
//! connected layer: what is committed later is published later.

use super::{Hub, scope_changed};
use crate::{
    channel_layer::{LayerStatus, NodeMessage, Topic},
    environment::Environment,
    store::{self, Store, clock::CommitRow},
};
use parlor_protocol::{
    close::Close,
    ids::{ConversationId, Epoch, Scope, UserId, Version},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

/// Commits read at once.
const COMMITS_PAGE: i64 = 1000;
/// Ranges beyond a gap that are remembered; further ones are read from the store with the gap.
const RANGES_MAX: usize = 10_000;

/// Intervals.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryOptions {
    /// Between two checks of the clock.
    pub interval: Duration,
    /// How long rows of `commits` are kept.
    pub commits_kept: Duration,
}

/// The announced versions: everything up to `upto`, and ranges beyond it.
#[derive(Debug, Default)]
struct ReceivedCommits {
    upto: Version,
    /// First version → last version, without overlap.
    beyond: BTreeMap<Version, Version>,
}

impl ReceivedCommits {
    fn add(&mut self, first: Version, last: Version) {
        if first.0 > self.upto.0 + 1 {
            self.beyond.insert(first, last);
            return;
        }
        self.upto = self.upto.max(last);
        while let Some(entry) = self.beyond.first_entry() {
            if entry.key().0 > self.upto.0 + 1 {
                break;
            }
            self.upto = self.upto.max(entry.remove());
        }
    }

    fn has(&self, first: Version, last: Version) -> bool {
        last <= self.upto || self.beyond.range(..=first).next_back().is_some_and(|(_, end)| *end >= last)
    }
}

/// The task; see the module documentation.
#[derive(Debug)]
pub struct Recovery {
    hub: Arc<Hub>,
    store: Store,
    environment: Environment,
    settings: RecoveryOptions,
    received: ReceivedCommits,
    hints: HashMap<ConversationId, Version>,
    /// The clock at the last check: what was committed by then must have been announced by now.
    seen: Version,
    /// This node, whose own announcements always count: its events do not travel.
    node: Epoch,
    layer: watch::Receiver<LayerStatus>,
    /// The interruptions of the layer up to the check since which announcements of other nodes count. None: they do not.
    counted: Option<u64>,
    /// Commits that were read from the store since announcements last counted.
    recovered: u64,
}

impl Recovery {
    /// Creates the task, which starts from the store's current version.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        store: Store,
        environment: Environment,
        settings: RecoveryOptions,
        (node, version, layer): (Epoch, Version, watch::Receiver<LayerStatus>),
    ) -> Self {
        let received = ReceivedCommits { upto: version, beyond: BTreeMap::new() };
        let (hints, seen) = (HashMap::new(), version);
        Self { hub, store, environment, settings, received, hints, seen, node, layer, counted: None, recovered: 0 }
    }

    /// Runs until the hub is dropped.
    pub async fn run(mut self, mut messages: mpsc::UnboundedReceiver<NodeMessage>) {
        let mut looks = tokio::time::interval(self.settings.interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pruned_ms = self.environment.steady_ms();
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                _ = looks.tick() => {
                    if let Err(cause) = self.look().await {
                        warn!(%cause, "the clock could not be read");
                    }
                    let kept = i64::try_from(self.settings.commits_kept.as_millis()).unwrap_or(i64::MAX);
                    let steady_ms = self.environment.steady_ms();
                    if steady_ms.saturating_sub(pruned_ms) > kept / 10 {
                        pruned_ms = steady_ms;
                        let before = self.environment.ageing_ms().saturating_sub(kept);
                        if let Err(cause) = self.store.prune_commits(before, self.environment.now_ms()).await {
                            warn!(%cause, "old commits could not be forgotten");
                        }
                    }
                }
            }
        }
    }

    fn hear(&mut self, message: &NodeMessage) {
        match *message {
            NodeMessage::Committed { node, first, last } => {
                if node != self.node && !self.is_counting() {
                    return;
                }
                self.received.add(first, last);
                if self.received.beyond.len() > RANGES_MAX {
                    self.received.beyond.clear();
                }
            }
            NodeMessage::Hint { conversation, version } => {
                let known = self.hints.entry(conversation).or_default();
                *known = version.max(*known);
            }
            NodeMessage::Removed { .. }
            | NodeMessage::Visibility { .. }
            | NodeMessage::Presence { .. }
            | NodeMessage::SessionsEnded { .. } => {}
        }
    }

    /// Returns whether announcements of other nodes count.
    fn is_counting(&self) -> bool {
        self.counted == Some(self.layer.borrow().interruptions)
    }

    async fn look(&mut self) -> store::Result<()> {
        let layer = *self.layer.borrow();
        let is_counting = self.is_counting();
        let now = self.store.version().await?;
        let before = std::mem::replace(&mut self.seen, now);
        if (if is_counting { before } else { now }) > self.received.upto {
            self.recover().await?;
        } else if is_counting && self.recovered > 0 {
            info!(commits = self.recovered, "live delivery brings all commits again; these were read from the store");
            self.recovered = 0;
        }
        self.counted = layer.is_connected.then_some(layer.interruptions);
        // A hint is forgotten only when it was delivered.
        while let Some((&conversation, &version)) = self.hints.iter().next() {
            let users = self.store.members_and_leavers(conversation, version).await?;
            let topics: Vec<Topic> = users.into_iter().map(|(user, _)| Topic::User(user)).collect();
            self.hub.deliver(&topics, &scope_changed(Scope::Conversation(conversation), version));
            self.hints.remove(&conversation);
        }
        Ok(())
    }

    /// Reads the commits that were not announced, and delivers them here.
    async fn recover(&mut self) -> store::Result<()> {
        let mut is_further = false;
        loop {
            let rows = self.store.commits_after(self.received.upto, COMMITS_PAGE).await?;
            let Some(first) = rows.first().map(|row| row.first) else {
                if is_further {
                    // The previous page was full, and the last.
                    return Ok(());
                }
                // The rows are gone and with them what was missed, so all clients reconnect and resume.
                return self.start_over().await;
            };
            if first.0 > self.received.upto.0 + 1 {
                return self.start_over().await;
            }
            let count = rows.len();
            let missed: Vec<&CommitRow> = rows.iter().filter(|row| !self.received.has(row.first, row.last)).collect();
            self.notify_missed(&missed).await?;
            for row in &rows {
                self.received.add(row.first, row.last);
            }
            is_further = true;
            if count < usize::try_from(COMMITS_PAGE).expect("small") {
                return Ok(());
            }
        }
    }

    async fn start_over(&mut self) -> store::Result<()> {
        warn!(after = self.received.upto.0, "commits were missed and are forgotten; all connections come back");
        self.received = ReceivedCommits { upto: self.store.version().await?, beyond: BTreeMap::new() };
        self.hub.restart_all();
        Ok(())
    }

    /// Notifies each scope of these commits once, of its newest version.
    async fn notify_missed(&mut self, missed: &[&CommitRow]) -> store::Result<()> {
        let (Some(first), Some(last)) = (missed.first(), missed.last()) else { return Ok(()) };
        debug!(commits = missed.len(), first = first.first.0, last = last.last.0, "commits are read from the store");
        if self.recovered == 0 {
            info!(first = first.first.0, "live delivery does not bring all commits; they are read from the store");
        }
        self.recovered += missed.len() as u64;
        self.hub.metrics.commits_recovered.inc_by(missed.len() as u64);
        for (scope, (version, since)) in newest_of_scopes(missed) {
            self.notify_scope(scope, version, since).await?;
        }
        Ok(())
    }

    /// `since` is the first version of the commit: a removal in it may have been followed by other changes.
    async fn notify_scope(&self, scope: Scope, version: Version, since: Version) -> store::Result<()> {
        let mut topics = vec![Topic::from(scope)];
        match scope {
            Scope::Conversation(conversation) => {
                let users = self.store.members_and_leavers(conversation, since).await?;
                let left: Vec<UserId> = users.iter().filter(|(_, left)| *left).map(|(user, _)| *user).collect();
                self.hub.remove(conversation, &left);
                self.hub.suspend_presence(&left);
                topics.extend(users.into_iter().map(|(user, _)| Topic::User(user)));
            }
            Scope::User(user) => {
                self.hub.suspend_presence(&[user]);
                let living = self.store.active_sessions(user).await?;
                self.hub.end_sessions(user, Close::SessionEnded, |session| !living.contains(&session));
            }
        }
        self.hub.deliver(&topics, &scope_changed(scope, version));
        Ok(())
    }
}

/// Returns the newest version of each scope in these commits, and the first version of the first of them that touched
/// it.
fn newest_of_scopes(commits: &[&CommitRow]) -> HashMap<Scope, (Version, Version)> {
    let mut newest = HashMap::new();
    for commit in commits {
        for &(scope, version) in &commit.scopes {
            let known = newest.entry(scope).or_insert((version, commit.first));
            known.0 = version.max(known.0);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(ranges: &[(i64, i64)]) -> ReceivedCommits {
        let mut received = ReceivedCommits::default();
        for (first, last) in ranges {
            received.add(Version(*first), Version(*last));
        }
        received
    }

    #[test]
    fn ranges_join_in_any_order() {
        assert_eq!(received(&[(1, 3), (4, 9)]).upto, Version(9));
        let out_of_order = received(&[(7, 9), (4, 6), (1, 3)]);
        assert_eq!((out_of_order.upto, out_of_order.beyond.len()), (Version(9), 0));
        assert_eq!(received(&[(1, 3), (1, 3)]).upto, Version(3));
    }

    #[test]
    fn a_gap_stops_the_count_and_what_lies_beyond_is_known() {
        let received = received(&[(1, 3), (5, 6)]);
        assert_eq!(received.upto, Version(3));
        assert!(received.has(Version(5), Version(6)) && received.has(Version(2), Version(3)));
        assert!(!received.has(Version(4), Version(4)) && !received.has(Version(6), Version(7)));
    }

    #[test]
    fn each_scope_is_notified_once_whatever_the_number_of_commits() {
        let (one, other) = (Scope::Conversation(ConversationId(1)), Scope::User(UserId(1)));
        let commit = |first, last, scopes: &[(Scope, i64)]| CommitRow {
            first: Version(first),
            last: Version(last),
            scopes: scopes.iter().map(|(scope, version)| (*scope, Version(*version))).collect(),
        };
        let commits =
            [commit(4, 6, &[(one, 5), (one, 6)]), commit(7, 7, &[(other, 7)]), commit(8, 9, &[(one, 9), (other, 8)])];
        let newest = newest_of_scopes(&commits.iter().collect::<Vec<_>>());
        let expected = [(one, (Version(9), Version(4))), (other, (Version(8), Version(7)))];
        assert_eq!(newest, HashMap::from(expected));
    }
}
