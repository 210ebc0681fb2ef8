//! Copies all rows of the host's message table into the store, while no server runs.
//!
//! It continues where it was interrupted, and a row that is copied again changes nothing. Rows come in the order of
//! their ids: the primary key is the one index that every application has.

use super::{
    MirrorError, MirrorOptions, applier,
    apply::{Announce, Applied},
    schema::TableColumns,
    triggers,
};
use crate::store::consumers::{ConsumerPosition, LeaseRequest};
use parlor_protocol::ids::Version;
use std::time::{Duration, Instant};

/// How many rows a page has.
const PAGE_ROWS: usize = 1000;
/// How often progress is reported and the position written.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the lease of the copy lasts; no server runs beside it on SQLite.
const LEASE_MS: i64 = 60_000;
/// The name of its position in the store.
const NAME: &str = "mirror copy";

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows of the host's table.
    pub(crate) total: u64,
    /// Rows that were copied before.
    pub(crate) before: u64,
    /// Rows that were read.
    pub(crate) done: u64,
    /// Of these, rows that were new here.
    pub(crate) new: u64,
    /// Of these, rows that cannot be mirrored.
    pub(crate) refused: u64,
    /// How long it has taken.
    pub(crate) elapsed: Duration,
}

impl Progress {
    /// Returns the rows a second, and how long the rest will take.
    pub(crate) fn rate(&self) -> (u64, Option<Duration>) {
        let ms = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.done.saturating_mul(1000) / ms;
        let left = self.total.saturating_sub(self.before + self.done);
        (rate, left.checked_div(rate).map(Duration::from_secs))
    }
}

/// Copies the rows; `report` gets the progress every second and at the end. A dry run only counts.
pub(crate) async fn run(
    options: &MirrorOptions,
    is_dry_run: bool,
    mut report: impl FnMut(&Progress),
) -> Result<Progress, MirrorError> {
    let mut applier = applier(options);
    let tables = applier.tables.clone();
    applier.columns = TableColumns::read(&tables).await?;
    let errors = applier.columns.errors(&tables).reading;
    if !errors.is_empty() {
        return Err(MirrorError::Tables(errors.join("; ")));
    }
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let table = tables.name().to_owned();
    let known = options.store.read(move |snapshot| snapshot.host_row_count(&table)).await?;
    let mut progress = Progress { total: count(tables.count().await?), before: count(known), ..Progress::default() };
    if is_dry_run {
        return Ok(progress);
    }
    triggers::ensure_tables(&options.host).await?;
    let now_ms = options.environment.now_ms();
    let request = LeaseRequest { holder: options.node, now_ms, until_ms: now_ms + LEASE_MS, is_alone: true };
    let Some((lease, position)) = options.store.acquire_consumer(NAME, request).await? else {
        return Err(MirrorError::Tables("another copy is running".to_owned()));
    };
    let mut after = position.cursor.version.0;
    progress.before = if after == 0 { 0 } else { progress.before.min(progress.total) };
    let (began, mut reported) = (Instant::now(), Instant::now());
    let mut page = tables.read_after(after, PAGE_ROWS).await?;
    while let Some(last) = page.keys().next_back().copied() {
        let rows = page.len() as u64;
        let mut applied = Applied::default();
        let (next, put) =
            tokio::join!(tables.read_after(last, PAGE_ROWS), applier.put(page, Announce::Nothing, &mut applied));
        put?;
        after = last;
        progress.done += rows;
        progress.new += applied.new.len() as u64;
        progress.refused += applied.refused;
        progress.elapsed = began.elapsed();
        page = next?;
        if reported.elapsed() >= REPORT_EVERY || page.is_empty() {
            reported = Instant::now();
            report(&progress);
            let mut position = ConsumerPosition { format: 1, ..position };
            position.cursor.version = Version(after);
            let until_ms = options.environment.now_ms() + LEASE_MS;
            options.store.advance_consumer(lease.clone(), position, until_ms).await?;
        }
    }
    options.store.release_consumer(lease).await?;
    Ok(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_says_how_long_the_rest_takes() {
        let elapsed = Duration::from_secs(2);
        let progress = Progress { total: 1000, before: 100, done: 200, new: 200, refused: 0, elapsed };
        assert_eq!(progress.rate(), (100, Some(Duration::from_secs(7))));
        assert_eq!(Progress { total: 5, ..Progress::default() }.rate(), (0, None));
    }
}
