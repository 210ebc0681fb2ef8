//! The task of the mirror. In each turn it applies what callers wait for, then what the host changed, writes what
//! Parlor's clients did, and compares a page of the table if a scan is due.
//!
//! Invariants: it runs on the node that has the lease; entries of the outbox are removed after what they name is
//! committed; an error is logged once, and the next turn begins again.

use super::{
    MirrorError, MirrorOptions, Position, applier,
    apply::{Announce, Applier},
    outbound::Outbound,
    outbox::{Operation, Outbox, OutboxEntry},
    scan::Scan,
    schema::TableColumns,
    triggers,
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
use tracing::{info, warn};

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
/// Up to which age a message is shown again by old sockets when its files come.
const FILES_AFTER_MS: i64 = 10 * 60 * 1000;

/// A row that a caller waits for.
#[derive(Debug)]
pub(super) struct ApplyRequest {
    pub(super) row_id: i64,
    /// Dropped when the row could not be applied.
    pub(super) done: oneshot::Sender<()>,
}

/// What a turn leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There is more to do.
    More,
    /// Nothing is left.
    Idle,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct MirrorTask {
    options: MirrorOptions,
    applier: Applier,
    outbound: Outbound,
    outbox: Option<Outbox>,
    position: Option<Position>,
    /// When the position is written again at the latest, on the steady clock.
    renew_at: i64,
    saved_at: i64,
    is_first: bool,
    /// The store's version that was read last; none if it must be read again.
    read_version: Option<Version>,
    read_at: Instant,
    scan: Option<Scan>,
    scan_at: Instant,
    contexts_at: Instant,
    /// The error that was logged.
    failing: Option<String>,
}

impl MirrorTask {
    pub(super) fn new(options: MirrorOptions) -> Self {
        let outbox = (options.config.triggers != TriggerMode::None).then(|| Outbox::new(options.host.clone()));
        let outbound = Outbound {
            rules: options.rules.clone(),
            refused: HashSet::new(),
            unread_again: HashSet::new(),
            cannot_insert: false,
        };
        Self {
            applier: applier(&options),
            outbound,
            outbox,
            position: None,
            renew_at: 0,
            saved_at: 0,
            is_first: options.store.dialect() == Dialect::Sqlite,
            read_version: None,
            read_at: Instant::now(),
            scan: None,
            scan_at: Instant::now(),
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
                Ok(Turn::More) => tokio::select! {
                    () = sleep(began.elapsed().min(PAUSE_MAX)) => {}
                    Some(request) = requests.recv() => waiting.push(request),
                },
                Ok(Turn::Idle) => tokio::select! {
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
        match &mut self.outbox {
            Some(outbox) => outbox.wait(WAIT_MAX).await,
            None => sleep(Duration::from_millis(self.options.config.poll_ms)).await,
        }
    }

    async fn turn(&mut self, requests: Vec<ApplyRequest>, version: Version) -> Result<Turn, MirrorError> {
        if !self.has_lease().await? {
            return Ok(Turn::Idle);
        }
        let is_scan_due = self.scan.is_none() && Instant::now() >= self.scan_at;
        if is_scan_due {
            self.prepare().await?;
        }
        self.serve(requests).await?;
        let mut is_more = if self.outbox.is_some() { self.read_outbox().await? } else { self.poll().await? };
        is_more |= self.write_out(version).await?;
        if Instant::now() >= self.contexts_at {
            let is_context_more = self.applier.scan_contexts().await?;
            self.contexts_at = Instant::now() + if is_context_more { Duration::ZERO } else { CONTEXTS_EVERY };
            is_more |= is_context_more;
        }
        if let Some(mut scan) = self.scan {
            let (found, is_scan_more) = scan.step(&mut self.applier).await?;
            self.options.metrics.mirror.repaired.inc_by(found.new.len() as u64 + found.changed);
            self.scan = is_scan_more.then_some(scan);
            is_more |= is_scan_more;
        }
        self.save_position().await?;
        Ok(if is_more { Turn::More } else { Turn::Idle })
    }

    /// Acquires the lease, if another node does not have it.
    async fn has_lease(&mut self) -> Result<bool, MirrorError> {
        if self.position.is_some() {
            return Ok(true);
        }
        let now_ms = self.options.environment.now_ms();
        let (holder, is_alone) = (self.options.node, self.is_first);
        let request = LeaseRequest { holder, now_ms, until_ms: now_ms + LEASE_MS, is_alone };
        let acquired = self.options.store.acquire_consumer(NAME, request).await?;
        self.is_first = false;
        let Some((lease, durable)) = acquired else { return Ok(false) };
        let is_new = durable.format == 0;
        let cursor = if is_new { self.now().await? } else { durable.cursor };
        self.position = Some(Position { lease, durable, cursor });
        if is_new {
            // What is sent from now on reaches the host, even if it is away until after a restart.
            if let Err(cause) = self.write_position().await {
                self.position = None;
                return Err(cause);
            }
        }
        self.renew_at = self.options.environment.steady_ms() + LEASE_MS / 2;
        (self.read_version, self.scan, self.scan_at) = (None, None, Instant::now());
        Ok(self.position.is_some())
    }

    async fn now(&self) -> Result<Cursor, MirrorError> {
        Ok(self.options.store.read(|snapshot| Ok(snapshot.cursor)).await?)
    }

    /// Reads the tables' columns, restores lost triggers, and begins a scan.
    async fn prepare(&mut self) -> Result<(), MirrorError> {
        let columns = TableColumns::read(&self.applier.tables).await?;
        let errors = columns.errors(&self.applier.tables);
        if !errors.reading.is_empty() {
            return Err(MirrorError::Tables(errors.reading.join("; ")));
        }
        if !errors.inserting.is_empty() && !self.outbound.cannot_insert {
            warn!(reason = errors.inserting.join("; "), "messages of Parlor's clients cannot be written to the host");
        }
        self.outbound.cannot_insert = !errors.inserting.is_empty();
        self.applier.columns = columns;
        match self.options.config.triggers {
            TriggerMode::Install => triggers::ensure(&self.options.host, &self.options.profile).await?,
            TriggerMode::None => triggers::ensure_tables(&self.options.host).await?,
            TriggerMode::Manual => {}
        }
        self.applier.contexts.scan_again();
        self.scan = Some(Scan::default());
        self.scan_at = Instant::now() + Duration::from_millis(self.options.config.scan_ms);
        Ok(())
    }

    /// Applies the rows that callers wait for.
    async fn serve(&mut self, requests: Vec<ApplyRequest>) -> Result<(), MirrorError> {
        let ids: BTreeSet<i64> = requests.iter().map(|request| request.row_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        self.applier.apply(&ids, &BTreeSet::new(), Announce::All).await?;
        for request in requests {
            // The caller may have stopped waiting.
            _ = request.done.send(());
        }
        Ok(())
    }

    /// Applies what the triggers wrote. Returns whether there may be more.
    async fn read_outbox(&mut self) -> Result<bool, MirrorError> {
        let Some(outbox) = &self.outbox else { return Ok(false) };
        let entries = outbox.read(ENTRIES_MAX).await?;
        if entries.is_empty() {
            return Ok(false);
        }
        let (rows, files): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) =
            entries.iter().partition(|entry| entry.table == self.applier.tables.name());
        let with_files: BTreeSet<i64> = files.iter().map(|entry| entry.row_id).collect();
        let ids: BTreeSet<i64> = rows.iter().map(|entry| entry.row_id).chain(with_files.iter().copied()).collect();
        let is_deleted = |entry: &&&OutboxEntry| entry.operation == Operation::Delete;
        let replaced = rows.iter().filter(is_deleted).map(|entry| entry.row_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let applied = self.applier.apply(&ids, &replaced, Announce::All).await?;
        let again: Vec<i64> = with_files.into_iter().filter(|id| !applied.new.contains(id)).collect();
        let since = self.options.environment.now_ms() - FILES_AFTER_MS;
        self.applier.publish_again(&again, since).await?;
        let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
        if let Some(outbox) = &self.outbox {
            outbox.remove(&seqs).await?;
        }
        Ok(entries.len() == ENTRIES_MAX)
    }

    /// Looks at the newest rows, where there are no triggers.
    async fn poll(&mut self) -> Result<bool, MirrorError> {
        let last = self.applier.tables.last_id().await?;
        let (_, is_more) = Scan::after(last - POLL_ROWS).step(&mut self.applier).await?;
        Ok(is_more)
    }

    /// Writes what happened in the store. Returns whether there may be more.
    async fn write_out(&mut self, version: Version) -> Result<bool, MirrorError> {
        let Some(position) = &mut self.position else { return Ok(false) };
        if self.read_version == Some(version) && self.read_at.elapsed() < WAIT_MAX {
            return Ok(false);
        }
        // Other nodes commit, too, and no sign of it comes here.
        self.read_at = Instant::now();
        if let Some(is_more) = self.outbound.step(&mut self.applier, position).await? {
            self.read_version = (!is_more).then_some(version);
            return Ok(is_more);
        }
        info!("the store was restored; what is missing here is read from the host");
        let cursor = self.now().await?;
        if let Some(position) = &mut self.position {
            position.cursor = cursor;
        }
        (self.scan, self.scan_at) = (None, Instant::now());
        Ok(true)
    }

    async fn save_position(&mut self) -> Result<(), MirrorError> {
        let Some(position) = &self.position else { return Ok(()) };
        let steady = self.options.environment.steady_ms();
        let has_moved = position.durable.cursor != position.cursor;
        if steady < self.renew_at && !(has_moved && steady >= self.saved_at + SAVE_MS) {
            return Ok(());
        }
        self.write_position().await
    }

    /// Writes the position and renews the lease, or notices that another node has it.
    async fn write_position(&mut self) -> Result<(), MirrorError> {
        let Some(position) = &mut self.position else { return Ok(()) };
        let steady = self.options.environment.steady_ms();
        let durable = ConsumerPosition { format: 1, cursor: position.cursor, base: position.durable.base };
        let until_ms = self.options.environment.now_ms() + LEASE_MS;
        if self.options.store.advance_consumer(position.lease.clone(), durable, until_ms).await? {
            position.durable = durable;
            (self.renew_at, self.saved_at) = (steady + LEASE_MS / 2, steady);
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
            self.scan_at = Instant::now();
            self.scan = None;
        }
        let cause = cause.to_string();
        if self.failing.as_ref() != Some(&cause) {
            warn!(cause, "the mirror cannot go on; it will retry");
            self.failing = Some(cause);
        }
    }
}
