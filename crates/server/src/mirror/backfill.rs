//! Copies all rows of the host's message table into the store, while no server runs.
//!
//! It continues where it was interrupted; after its end it begins again with the first row. A row that is copied again
//! changes nothing. Rows come in the order of their ids: the primary key is the one index that every application has.
//! An import is the same copy for a site that no longer uses its own table: nothing is written to the host's database.

use super::{
    MirrorError, MirrorOptions,
    applied::{Announce, Applied, REASONS_MAX},
    applier,
    apply::{Applier, PreparedRow},
    host_tables::TableRows,
    import::{self, Import},
    schema::TableColumns,
    triggers,
};
use crate::{
    host::HostError,
    store::consumers::{ConsumerPosition, LeaseRequest},
};
use parlor_protocol::ids::Version;
use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

/// How many rows a page has.
const PAGE_ROWS: usize = 1000;
/// How often progress is reported and the position written.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the lease of the copy lasts; no server runs beside it on SQLite.
const LEASE_MS: i64 = 60_000;
/// The names of its positions in the store.
const COPY: &str = "mirror copy";
const IMPORT: &str = "import";

/// What to copy, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopyOptions {
    /// Only count.
    pub(crate) is_dry_run: bool,
    /// Import for good, without a way back.
    pub(crate) import: Option<Import>,
}

/// How far a copy is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows of the host's table; none if counting them takes longer than the host's time-out.
    pub(crate) total: Option<u64>,
    /// Rows that were copied before.
    pub(crate) before: u64,
    /// Rows that were read.
    pub(crate) done: u64,
    /// Of these, rows that were new here.
    pub(crate) new: u64,
    /// Of these, rows that cannot be mirrored.
    pub(crate) refused: u64,
    /// Files that were copied.
    pub(crate) files: u64,
    /// Files that could not be copied.
    pub(crate) files_refused: u64,
    /// Why the first of these rows and files could not be copied.
    pub(crate) reasons: Vec<String>,
    /// How long it has taken.
    pub(crate) elapsed: Duration,
}

impl Progress {
    fn add(&mut self, rows: u64, applied: &Applied, elapsed: Duration) {
        self.done += rows;
        self.new += applied.new.len() as u64;
        self.refused += applied.refused;
        self.files += applied.files;
        self.files_refused += applied.files_refused;
        let room = REASONS_MAX.saturating_sub(self.reasons.len());
        self.reasons.extend(applied.reasons.iter().take(room).cloned());
        self.elapsed = elapsed;
    }

    /// Returns the rows a second, and how long the rest will take.
    pub(crate) fn rate(&self) -> (u64, Option<Duration>) {
        let ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.done.saturating_mul(1000) / ms;
        let left = self.total.map(|total| total.saturating_sub(self.before + self.done));
        (rate, left.and_then(|left| left.checked_div(rate)).map(Duration::from_secs))
    }
}

/// Copies the rows; `report` gets the progress every second and at the end. A dry run only counts.
pub(crate) async fn run(
    options: &MirrorOptions,
    copy: CopyOptions,
    report: impl FnMut(&Progress),
) -> Result<Progress, MirrorError> {
    let mut applier = applier(options);
    let tables = applier.tables.clone();
    applier.columns = TableColumns::read(&tables.database, &tables.profile).await?;
    let errors = applier.columns.errors(&tables.profile).reading;
    if !errors.is_empty() {
        return Err(MirrorError::Tables(errors.join("; ")));
    }
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let total = match tables.count().await {
        Ok(total) => Some(count(total)),
        Err(HostError::Timeout) => None,
        Err(error) => return Err(error.into()),
    };
    let table = tables.name().to_owned();
    let known = options.store.read(move |snapshot| snapshot.host_row_count(&table)).await?;
    let mut progress = Progress { total, before: count(known), ..Progress::default() };
    if copy.is_dry_run {
        return Ok(progress);
    }
    if let Some(import) = copy.import {
        import::copy_people(options).await?;
        while applier.scan_contexts().await? {}
        applier.import = Some(import);
    } else {
        triggers::ensure_tables(&options.host).await?;
    }
    copy_rows(options, &mut applier, &mut progress, report).await?;
    Ok(progress)
}

/// Copies the rows after the position, and reads the next ones meanwhile.
async fn copy_rows(
    options: &MirrorOptions,
    writer: &mut Applier,
    progress: &mut Progress,
    mut report: impl FnMut(&Progress),
) -> Result<(), MirrorError> {
    let is_import = writer.import.is_some();
    let now_ms = options.environment.now_ms();
    let request = LeaseRequest { holder: options.node, now_ms, until_ms: now_ms + LEASE_MS, is_alone: true };
    let acquired = options.store.acquire_consumer(if is_import { IMPORT } else { COPY }, request).await?;
    let Some((lease, position)) = acquired else {
        return Err(MirrorError::Tables("another copy is running".to_owned()));
    };
    let begins = position.cursor.version.0 == 0;
    let mut after = if begins { i64::MIN } else { position.cursor.version.0 };
    progress.before =
        if begins { 0 } else { progress.total.map_or(progress.before, |total| progress.before.min(total)) };
    let (began, mut reported) = (Instant::now(), Instant::now());
    let mut source = BackfillSource { applier: applier(options), after, parts: VecDeque::new() };
    (source.applier.columns, source.applier.import) = (writer.columns.clone(), writer.import.clone());
    let mut part = source.next().await?;
    while let Some(BackfillBatch { rows, last, prepared, mut applied }) = part {
        let (next, submitted) = tokio::join!(source.next(), writer.submit(prepared, Announce::Nothing, &mut applied));
        submitted?;
        after = last;
        progress.add(rows, &applied, began.elapsed());
        part = next?;
        if reported.elapsed() >= REPORT_EVERY || part.is_none() {
            reported = Instant::now();
            report(progress);
            let mut position = ConsumerPosition { format: 1, ..position };
            position.cursor.version = Version(if part.is_none() { 0 } else { after });
            let until_ms = options.environment.now_ms() + LEASE_MS;
            if !options.store.advance_consumer(lease.clone(), position, until_ms).await? {
                return Err(MirrorError::Tables("another copy has taken over".to_owned()));
            }
        }
    }
    options.store.release_consumer(lease).await?;
    Ok(())
}

/// Reads and prepares rows, while those before them are committed.
struct BackfillSource {
    applier: Applier,
    /// Everything up to this id was read.
    after: i64,
    /// What was read and is not prepared yet.
    parts: VecDeque<TableRows>,
}

/// Rows that are committed together.
struct BackfillBatch {
    rows: u64,
    last: i64,
    prepared: Vec<PreparedRow>,
    applied: Applied,
}

impl BackfillSource {
    /// Returns the next rows; none at the end.
    async fn next(&mut self) -> Result<Option<BackfillBatch>, MirrorError> {
        if self.parts.is_empty() {
            let page = self.applier.tables.read_after(self.after, PAGE_ROWS).await?;
            let Some(last) = page.keys().next_back() else { return Ok(None) };
            self.after = *last;
            self.parts = if self.applier.import.is_some() { import::parts(page) } else { VecDeque::from([page]) };
        }
        let Some(page) = self.parts.pop_front() else { return Ok(None) };
        let (rows, last) = (page.len() as u64, page.keys().next_back().copied().unwrap_or(self.after));
        let mut applied = Applied::default();
        let prepared = self.applier.prepare(page, &BTreeSet::new(), &mut applied).await?;
        Ok(Some(BackfillBatch { rows, last, prepared, applied }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_says_how_long_the_rest_takes() {
        let elapsed = Duration::from_secs(2);
        let progress = Progress { total: Some(1000), before: 100, done: 200, new: 200, elapsed, ..Progress::default() };
        assert_eq!(progress.rate(), (100, Some(Duration::from_secs(7))));
        assert_eq!(Progress { total: None, ..progress }.rate(), (100, None));
        assert_eq!(Progress { total: Some(5), ..Progress::default() }.rate(), (0, None));
    }
}
