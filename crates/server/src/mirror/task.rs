//! The task of the mirror. In each turn it applies what callers wait for, then what the host changed, writes what
//! Parlor's clients did, and compares a page of the table if a scan is due.
//!
//! Invariants: it runs on the node that has the lease; entries of the outbox are removed after what they name is
//! committed; one direction that fails does not stop the other; an error is logged once, and the next turn begins again.

mod prepare;

use super::{
    MirrorError, MirrorOptions, Position,
    applied::{Announce, RECENT_MS},
    applier,
    apply::Applier,
    host_token,
    outbound::Outbound,
    outbox::{HostOutbox, Operation, OutboxEntry},
    retry::Retry,
    scan::{Compare, Scan},
};
use crate::{
    config::TriggerMode,
    host::HostError,
    store::{
        Dialect,
        consumers::{ConsumerPosition, LeaseRequest},
    },
};
use parlor_protocol::{cursor::Cursor, ids::Version};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};
use tracing::{error, info, warn};

/// The name of its position in the store.
const NAME: &str = "mirror";
/// How many entries of the outbox one turn applies.
const ENTRIES_MAX: usize = 500;
/// How many requests of callers one turn applies.
const REQUESTS_MAX: usize = 200;
/// How long a lease lasts; it is renewed after half of that time.
const LEASE_MS: i64 = 10_000;
/// How long the position may stay behind, in milliseconds: it is written with a commit of its own.
const SAVE_MS: i64 = 1000;
/// The longest wait between two turns, and the pause after an error.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The longest pause while there is more to do. It is as long as the turn was, so that others have half of a core.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How often new things that messages can be about are looked for.
const CONTEXTS_EVERY: Duration = Duration::from_secs(1);
/// How many ids before the last one are compared where there are no triggers: a transaction may commit later than one
/// that began after it.
const POLL_ROWS: i64 = 500;
/// The format of its position.
const FORMAT: i64 = 2;
/// The same, and everything has to be compared: something was missed.
const FORMAT_MISSED: i64 = 3;

/// A row that a caller waits for.
#[derive(Debug)]
pub(super) struct ApplyRequest {
    pub(super) row_id: i64,
    /// Dropped when the row could not be applied.
    pub(super) done: oneshot::Sender<()>,
}

/// What a turn leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TurnOutcome {
    /// There is more to do.
    More,
    /// Nothing is left.
    Idle,
}

/// The scan in progress, and what is known about the next one.
#[derive(Debug)]
struct Scans {
    current: Option<Scan>,
    due_at: Instant,
    /// Something was missed: the next one compares everything.
    has_missed: bool,
    /// The operator allows the next one to remove whatever the host does not have.
    may_remove_all: bool,
    /// It was logged that the last one removed nothing.
    refuses_removals: bool,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct MirrorTask {
    options: MirrorOptions,
    applier: Applier,
    outbound: Outbound,
    retry: Retry,
    outbox: HostOutbox,
    /// Changes of the host may not reach the outbox.
    lacks_triggers: bool,
    /// Why triggers could not be created, which was logged.
    trigger_error: Option<String>,
    position: Option<Position>,
    /// When the position is written again at the latest, on the steady clock.
    renew_at: i64,
    saved_at: i64,
    is_first: bool,
    /// The store's version that was read last; none if it must be read again.
    read_version: Option<Version>,
    read_at: Instant,
    scans: Scans,
    contexts_at: Instant,
    /// The error that was logged.
    failing: Option<String>,
}

impl MirrorTask {
    pub(super) fn new(options: MirrorOptions) -> Self {
        let outbound = Outbound {
            rules: options.rules.clone(),
            refused: HashSet::new(),
            refused_rows: HashSet::new(),
            just_marked: HashSet::new(),
            first_refused: None,
            unread_again: HashSet::new(),
            cannot_insert: false,
        };
        Self {
            applier: applier(&options),
            outbound,
            retry: Retry::new(Version(0), Duration::from_millis(options.config.scan_ms)),
            outbox: HostOutbox::new(options.host.clone()),
            lacks_triggers: options.config.triggers == TriggerMode::None,
            trigger_error: None,
            position: None,
            renew_at: 0,
            saved_at: 0,
            is_first: options.store.dialect() == Dialect::Sqlite,
            read_version: None,
            read_at: Instant::now(),
            scans: Scans {
                current: None,
                due_at: Instant::now(),
                has_missed: false,
                may_remove_all: false,
                refuses_removals: false,
            },
            contexts_at: Instant::now(),
            failing: None,
            options,
        }
    }

    /// Runs until it is stopped.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<ApplyRequest>,
        mut committed: watch::Receiver<Version>,
        mut stopped: watch::Receiver<bool>,
    ) -> bool {
        let mut waiting = Vec::new();
        while !*stopped.borrow() {
            let version = *committed.borrow_and_update();
            while waiting.len() < REQUESTS_MAX
                && let Ok(request) = requests.try_recv()
            {
                waiting.push(request);
            }
            let began = Instant::now();
            let turn = self.turn(std::mem::take(&mut waiting), version).await;
            self.log_transition(turn.as_ref().err());
            match turn {
                Ok(TurnOutcome::More) => tokio::select! {
                    () = sleep(began.elapsed().min(PAUSE_MAX)) => {}
                    Some(request) = requests.recv() => waiting.push(request),
                },
                Ok(TurnOutcome::Idle) => tokio::select! {
                    Ok(()) = committed.changed() => {}
                    Some(request) = requests.recv() => waiting.push(request),
                    () = self.host_changes() => {}
                    _ = stopped.changed() => {}
                },
                Err(_) => tokio::select! {
                    () = sleep(WAIT_MAX) => {}
                    _ = stopped.changed() => {}
                },
            }
        }
        if let Some(position) = self.position.take()
            && let Err(cause) = self.options.store.release_consumer(position.lease).await
        {
            info!(%cause, "the lease of the mirror was not released; it will expire");
        }
        true
    }

    /// Waits for a sign that the host has changed something, or until it is time to look.
    async fn host_changes(&mut self) {
        let poll = Duration::from_millis(self.options.config.poll_ms);
        self.outbox.wait(if self.lacks_triggers { poll.min(WAIT_MAX) } else { WAIT_MAX }).await;
    }

    async fn turn(&mut self, requests: Vec<ApplyRequest>, version: Version) -> Result<TurnOutcome, MirrorError> {
        if !self.has_lease().await? {
            return Ok(TurnOutcome::Idle);
        }
        let is_scan_due = self.scans.current.is_none() && Instant::now() >= self.scans.due_at;
        if is_scan_due {
            self.prepare().await?;
        }
        let inbound = self.read_in(requests).await;
        if !self.has_lease().await? {
            return Ok(TurnOutcome::Idle);
        }
        let outbound = self.write_out(version).await;
        if !self.has_lease().await? {
            return Ok(TurnOutcome::Idle);
        }
        // Each direction was tried, even if the other one fails.
        let mut is_more = inbound? | outbound?;
        is_more |= self.compare().await?;
        self.save_position().await?;
        Ok(if is_more { TurnOutcome::More } else { TurnOutcome::Idle })
    }

    /// Acquires the lease, if another node does not have it, or renews it after half of its time.
    async fn has_lease(&mut self) -> Result<bool, MirrorError> {
        let steady = self.options.environment.steady_ms();
        if self.position.is_some() {
            if steady >= self.renew_at {
                self.write_position().await?;
            }
            return Ok(self.position.is_some());
        }
        let now_ms = self.options.environment.now_ms();
        let (holder, is_alone) = (self.options.node, self.is_first);
        let request = LeaseRequest { holder, now_ms, until_ms: now_ms + LEASE_MS, is_alone };
        let acquired = self.options.store.acquire_consumer(NAME, request).await?;
        self.is_first = false;
        let Some((lease, durable)) = acquired else { return Ok(false) };
        let is_new = durable.format == 0;
        let cursor = if is_new { self.now().await? } else { durable.cursor };
        // The format before this one has no base: everything up to its position counts as written.
        let base = if durable.format < FORMAT { cursor.version } else { durable.base.min(cursor.version) };
        self.position = Some(Position { lease, durable, cursor });
        self.set_base(base);
        self.scans.has_missed = durable.format == FORMAT_MISSED;
        self.note_lease(steady);
        if is_new {
            // What is sent from now on reaches the host, even if it is away until after a restart.
            if let Err(cause) = self.write_position().await {
                self.position = None;
                return Err(cause);
            }
        }
        (self.read_version, self.scans.current, self.scans.due_at) = (None, None, Instant::now());
        Ok(self.position.is_some())
    }

    /// Notes that the lease was acquired or renewed after this time.
    fn note_lease(&mut self, steady: i64) {
        self.renew_at = steady + LEASE_MS / 2;
        self.applier.lease_ends_at = steady + LEASE_MS;
    }

    /// Begins with the version up to which the host has everything.
    fn set_base(&mut self, base: Version) {
        let is_behind = self.position.as_ref().is_some_and(|position| base < position.cursor.version);
        self.outbound.first_refused = is_behind.then_some(Version(base.0 + 1));
        self.retry = Retry::new(base, Duration::from_millis(self.options.config.scan_ms));
    }

    async fn now(&self) -> Result<Cursor, MirrorError> {
        Ok(self.options.store.read(|snapshot| Ok(snapshot.cursor)).await?)
    }

    /// Applies what callers wait for and what the host changed. Returns whether there may be more.
    async fn read_in(&mut self, requests: Vec<ApplyRequest>) -> Result<bool, MirrorError> {
        self.serve(requests).await?;
        let is_more = self.read_outbox().await?;
        if self.lacks_triggers {
            self.poll().await?;
        }
        Ok(is_more)
    }

    /// Compares some contexts and a page of the table. Returns whether there is more.
    async fn compare(&mut self) -> Result<bool, MirrorError> {
        let mut is_more = false;
        if Instant::now() >= self.contexts_at {
            is_more = self.applier.scan_contexts().await?;
            self.contexts_at = Instant::now() + if is_more { Duration::ZERO } else { CONTEXTS_EVERY };
        }
        let Some(mut scan) = self.scans.current.take() else { return Ok(is_more) };
        let found = scan.step(&mut self.applier, self.scans.may_remove_all).await;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.scans.current = Some(scan);
                return Err(error);
            }
        };
        self.options.metrics.mirror.repaired.inc_by(found.applied.new.len() as u64 + found.applied.changed);
        if found.is_more {
            self.scans.current = Some(scan);
            return Ok(true);
        }
        self.end_scan(scan.compare(), found.refused_removals).await?;
        Ok(is_more)
    }

    /// Notes what a scan was for.
    async fn end_scan(&mut self, compared: Compare, refused: Option<(usize, usize)>) -> Result<(), MirrorError> {
        self.scans.due_at = Instant::now() + Duration::from_millis(self.options.config.scan_ms);
        if let Some((gone, known)) = refused.filter(|_| !self.scans.refuses_removals) {
            error!(
                gone,
                known,
                "the application's database lacks so many of the mirrored messages that none of them is removed; if it \
                 has deleted them, stop Parlor and run `parlor mirror adopt`"
            );
        }
        self.scans.refuses_removals = refused.is_some();
        if self.scans.may_remove_all {
            host_token::end_permission(&self.options, &self.applier.tables).await?;
            self.scans.may_remove_all = false;
        }
        if self.scans.has_missed && compared == Compare::Everything {
            self.scans.has_missed = false;
            self.write_position().await?;
        }
        Ok(())
    }

    /// Applies the rows that callers wait for.
    async fn serve(&mut self, requests: Vec<ApplyRequest>) -> Result<(), MirrorError> {
        let ids: BTreeSet<i64> = requests.iter().map(|request| request.row_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let announce = Announce::recent(self.options.environment.now_ms());
        self.applier.apply(&ids, &BTreeSet::new(), announce).await?;
        for request in requests {
            // The caller may have stopped waiting.
            _ = request.done.send(());
        }
        Ok(())
    }

    /// Applies what the triggers wrote. Returns whether there may be more.
    async fn read_outbox(&mut self) -> Result<bool, MirrorError> {
        let entries = self.outbox.read(ENTRIES_MAX).await?;
        if entries.is_empty() {
            return Ok(false);
        }
        let (rows, files): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) =
            entries.iter().partition(|entry| entry.table == self.applier.tables.name());
        let with_files: BTreeSet<i64> = files.iter().map(|entry| entry.row_id).collect();
        let ids: BTreeSet<i64> = rows.iter().map(|entry| entry.row_id).chain(with_files.iter().copied()).collect();
        let is_deleted = |entry: &&&OutboxEntry| entry.operation == Operation::Delete;
        let deleted = rows.iter().filter(is_deleted).map(|entry| entry.row_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let now_ms = self.options.environment.now_ms();
        let applied = self.applier.apply(&ids, &deleted, Announce::recent(now_ms)).await?;
        let again: Vec<i64> = with_files.into_iter().filter(|id| !applied.new.contains(id)).collect();
        self.applier.publish_again(&again, now_ms - RECENT_MS).await?;
        let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
        self.outbox.remove(&seqs).await?;
        Ok(entries.len() == ENTRIES_MAX)
    }

    /// Looks at the newest rows, where there are no triggers.
    async fn poll(&mut self) -> Result<(), MirrorError> {
        let last = self.applier.tables.last_id().await?;
        Scan::after(last.saturating_sub(POLL_ROWS), Compare::Flags).run(&mut self.applier).await
    }

    /// Writes what happened in the store, and what the host refused before. Returns whether there may be more.
    async fn write_out(&mut self, version: Version) -> Result<bool, MirrorError> {
        let Some(position) = &mut self.position else { return Ok(false) };
        let is_retried = self.retry.step(&mut self.outbound, &mut self.applier, position.cursor).await?;
        if self.read_version == Some(version) && self.read_at.elapsed() < WAIT_MAX {
            return Ok(is_retried);
        }
        // Other nodes commit, too, and no sign of it comes here.
        self.read_at = Instant::now();
        if let Some(is_more) = self.outbound.step(&mut self.applier, &mut position.cursor).await? {
            self.read_version = (!is_more).then_some(version);
            return Ok(is_more || is_retried);
        }
        info!("the store was restored, or its cursors were reset; everything is compared with the host");
        let now = self.now().await?;
        if let Some(position) = &mut self.position {
            // What is not in the host yet stays to be written.
            let version = position.cursor.version.min(now.version);
            position.cursor = Cursor { epoch: now.epoch, version };
            let base = self.retry.base().min(version);
            self.set_base(base);
        }
        self.compare_everything().await?;
        Ok(true)
    }

    /// Begins to compare everything, now or after a restart.
    async fn compare_everything(&mut self) -> Result<(), MirrorError> {
        self.scans.has_missed = true;
        (self.scans.current, self.scans.due_at) = (None, Instant::now());
        self.write_position().await
    }

    async fn save_position(&mut self) -> Result<(), MirrorError> {
        let Some(position) = &self.position else { return Ok(()) };
        let steady = self.options.environment.steady_ms();
        let has_moved = position.durable.cursor != position.cursor || position.durable.base != self.retry.base();
        if steady < self.renew_at && !(has_moved && steady >= self.saved_at + SAVE_MS) {
            return Ok(());
        }
        self.write_position().await
    }

    /// Writes the position and renews the lease, or notices that another node has it.
    async fn write_position(&mut self) -> Result<(), MirrorError> {
        let Some(position) = &mut self.position else { return Ok(()) };
        let steady = self.options.environment.steady_ms();
        let format = if self.scans.has_missed { FORMAT_MISSED } else { FORMAT };
        let durable = ConsumerPosition { format, cursor: position.cursor, base: self.retry.base() };
        let until_ms = self.options.environment.now_ms() + LEASE_MS;
        if self.options.store.advance_consumer(position.lease.clone(), durable, until_ms).await? {
            position.durable = durable;
            self.saved_at = steady;
            self.note_lease(steady);
        } else {
            self.position = None;
        }
        Ok(())
    }

    /// Logs when the mirror begins to fail, fails in another way, and works again.
    fn log_transition(&mut self, cause: Option<&MirrorError>) {
        self.options.metrics.mirror.connected.set(i64::from(self.position.is_some() && cause.is_none()));
        let Some(cause) = cause else {
            if self.failing.take().is_some() {
                info!("the mirror works again");
            }
            return;
        };
        if matches!(cause, MirrorError::Host(HostError::Refused(_))) {
            // A table or a column may have changed.
            self.scans.due_at = Instant::now();
            self.scans.current = None;
        }
        let cause = cause.to_string();
        if self.failing.as_ref() != Some(&cause) {
            warn!(cause, "the mirror cannot continue; it will retry");
            self.failing = Some(cause);
        }
    }
}
