//! Compares all rows with the store, a page at a time: by id and flags, which finds what no trigger has noticed; or
//! everything, after something is known to have been missed.
//!
//! Invariant: a scan that finds a large part of the rows gone removes nothing, because the database may be an empty one
//! or another copy.

use super::{
    MirrorError,
    applied::{Announce, Applied},
    apply::Applier,
    host_tables::{FlagPage, RowFlags},
};
use crate::{host::HostError, store::snapshot::HostRowFlags};
use std::collections::{BTreeMap, BTreeSet};

/// How many rows one step compares.
const ROWS_MAX: usize = 1000;
/// How many rows one step compares where it reads all of each, and removes.
const WHOLE_ROWS_MAX: usize = 200;
/// How many rows may be gone whatever their share is.
const GONE_MAX: usize = 100;
/// Of how many rows one may be gone, if more than [`GONE_MAX`] are.
const GONE_SHARE: usize = 5;
/// How many rows one scan removes; the next one removes the others.
const REMOVED_MAX: usize = 100_000;

/// What a scan compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Ids and flags.
    Flags,
    /// Everything.
    Everything,
}

/// A scan in progress.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    compare: Compare,
    /// Everything up to this id was compared.
    after: i64,
    is_compared: bool,
    /// How many rows that are known here were compared.
    known: usize,
    /// How many of these the host does not have, and the first of them.
    gone_count: usize,
    gone: Vec<i64>,
}

/// What a step of a scan found.
#[derive(Debug, Default)]
pub(super) struct ScanStep {
    pub(super) applied: Applied,
    pub(super) is_more: bool,
    /// So many rows are gone that none of them was removed: how many, and of how many.
    pub(super) refused_removals: Option<(usize, usize)>,
}

impl Scan {
    /// Begins with the first row.
    pub(super) fn new(compare: Compare) -> Self {
        Self::after(i64::MIN, compare)
    }

    /// Begins with the rows after an id.
    pub(super) fn after(after: i64, compare: Compare) -> Self {
        Self { compare, after, is_compared: false, known: 0, gone_count: 0, gone: Vec::new() }
    }

    /// Returns what it compares.
    pub(super) fn compare(&self) -> Compare {
        self.compare
    }

    /// Compares a page, or removes some of the rows that are gone, however many there are if `may_remove_all`.
    pub(super) async fn step(&mut self, applier: &mut Applier, may_remove_all: bool) -> Result<ScanStep, MirrorError> {
        if !self.is_compared {
            let applied = self.compare_page(applier).await?;
            return Ok(ScanStep {
                applied,
                is_more: !self.is_compared || !self.gone.is_empty(),
                refused_removals: None,
            });
        }
        if !may_remove_all && !is_plausible(self.gone_count, self.known) {
            return Ok(ScanStep { refused_removals: Some((self.gone_count, self.known)), ..ScanStep::default() });
        }
        let some = self.gone.split_off(self.gone.len().saturating_sub(WHOLE_ROWS_MAX));
        let applied = self.apply(applier, &some).await?;
        Ok(ScanStep { applied, is_more: !self.gone.is_empty(), refused_removals: None })
    }

    /// Compares to the end, and removes if it is plausible: for the few newest rows.
    pub(super) async fn run(mut self, applier: &mut Applier) -> Result<(), MirrorError> {
        while self.step(applier, false).await?.is_more {}
        Ok(())
    }

    async fn compare_page(&mut self, applier: &mut Applier) -> Result<Applied, MirrorError> {
        let limit = if self.compare == Compare::Everything { WHOLE_ROWS_MAX } else { ROWS_MAX };
        let FlagPage { rows: mut host, is_full } = applier.tables.flags_after(self.after, limit).await?;
        let mut to = host.last().filter(|_| is_full).map_or(i64::MAX, |(id, _)| *id);
        let (table, after) = (applier.tables.name().to_owned(), self.after);
        let known = applier.store.read(move |snapshot| snapshot.host_row_flags(&table, after, to, 2 * limit)).await?;
        if let Some(last) = known.last().filter(|_| known.len() == 2 * limit) {
            // The host has deleted many rows here.
            to = last.id;
            host.retain(|(id, _)| *id <= to);
        }
        let Differences { gone, different } = differences(&host, &known, self.compare);
        let applied = self.apply(applier, &different).await?;
        self.known += known.len();
        self.gone_count += gone.len();
        let room = REMOVED_MAX.saturating_sub(self.gone.len());
        self.gone.extend(gone.into_iter().take(room));
        self.after = to;
        self.is_compared = to == i64::MAX;
        Ok(applied)
    }

    async fn apply(&self, applier: &mut Applier, ids: &[i64]) -> Result<Applied, MirrorError> {
        let announce = Announce::recent(applier.environment.now_ms());
        applier.apply(ids, &BTreeSet::new(), announce).await
    }
}

/// Returns whether an application may have deleted so many of its rows that no trigger has noticed.
pub(super) fn is_plausible(gone: usize, known: usize) -> bool {
    gone <= GONE_MAX || gone.saturating_mul(GONE_SHARE) <= known
}

#[derive(Debug, PartialEq, Eq)]
struct Differences {
    /// Rows that the host does not have.
    gone: Vec<i64>,
    /// Rows that are unknown here, or have other flags; all rows of the host where everything is compared.
    different: Vec<i64>,
}

fn differences(host: &[(i64, Result<RowFlags, HostError>)], known: &[HostRowFlags], compare: Compare) -> Differences {
    let known: BTreeMap<i64, RowFlags> =
        known.iter().map(|row| (row.id, [row.is_read, row.hidden_by_sender, row.hidden_by_recipient])).collect();
    let in_host: BTreeSet<i64> = host.iter().map(|(id, _)| *id).collect();
    let is_different = |(id, flags): &&(i64, Result<RowFlags, _>)| {
        compare == Compare::Everything || known.get(id).is_none_or(|known| flags.as_ref() != Ok(known))
    };
    Differences {
        gone: known.keys().filter(|id| !in_host.contains(id)).copied().collect(),
        different: host.iter().filter(is_different).map(|(id, _)| *id).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_side_only_and_rows_with_other_flags_are_different() {
        let host = |id, is_read| (id, Ok([is_read, false, false]));
        let known = |id, is_read| HostRowFlags { id, is_read, hidden_by_sender: false, hidden_by_recipient: false };
        let unreadable = (5, Err(HostError::Unexpected("a flag is null".to_owned())));
        let host = [host(-1, false), host(1, false), host(2, true), host(3, true), unreadable];
        let known = [known(1, false), known(2, false), known(4, false), known(5, false)];
        let found = differences(&host, &known, Compare::Flags);
        assert_eq!(found, Differences { gone: vec![4], different: vec![-1, 2, 3, 5] });
        assert_eq!(differences(&host, &known, Compare::Everything).different, [-1, 1, 2, 3, 5]);
    }

    #[test]
    fn a_table_that_is_nearly_empty_is_not_plausible() {
        assert!(is_plausible(100, 100) && is_plausible(200, 1000) && is_plausible(0, 0));
        assert!(!is_plausible(101, 101) && !is_plausible(201, 1000));
    }
}
