//! Compares all rows with the store by id and flags, a page at a time: it finds what no trigger has noticed, and what
//! happened while the triggers were missing.

use super::{
    MirrorError,
    apply::{Announce, Applied, Applier},
    host_tables::RowFlags,
};
use crate::store::snapshot::HostRowFlags;
use std::collections::{BTreeMap, BTreeSet};

/// How many rows one step compares.
const ROWS_MAX: usize = 1000;
/// Up to which age rows that a scan finds are shown as new by old sockets.
const SHOWN_MS: i64 = 10 * 60 * 1000;

/// A scan in progress.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Everything up to this id was compared.
    after: i64,
}

impl Scan {
    /// Begins with the rows after an id.
    pub(super) fn after(id: i64) -> Self {
        Self { after: id }
    }

    /// Compares a page. Returns what was found, and whether there is more.
    pub(super) async fn step(&mut self, applier: &mut Applier) -> Result<(Applied, bool), MirrorError> {
        let mut host = applier.tables.flags_after(self.after, ROWS_MAX).await?;
        let mut is_last = host.len() < ROWS_MAX;
        let mut to = host.last().map_or(i64::MAX, |row| if is_last { i64::MAX } else { row.id });
        let (table, after) = (applier.tables.name().to_owned(), self.after);
        let known =
            applier.store.read(move |snapshot| snapshot.host_row_flags(&table, after, to, 2 * ROWS_MAX)).await?;
        if let Some(last) = known.last().filter(|_| known.len() == 2 * ROWS_MAX) {
            // The host has deleted many rows here.
            (to, is_last) = (last.id, false);
            host.retain(|row| row.id <= to);
        }
        let different = different(&host, &known);
        let since = applier.environment.now_ms() - SHOWN_MS;
        let applied = applier.apply(&different, &BTreeSet::new(), Announce::SentAfterMs(since)).await?;
        self.after = to;
        Ok((applied, !is_last))
    }
}

/// Returns the ids of rows that one side has and the other has not, or that have different flags.
fn different(host: &[RowFlags], known: &[HostRowFlags]) -> Vec<i64> {
    let host: BTreeMap<i64, [bool; 3]> =
        host.iter().map(|row| (row.id, [row.is_read, row.hidden_by_sender, row.hidden_by_recipient])).collect();
    let known: BTreeMap<i64, [bool; 3]> =
        known.iter().map(|row| (row.id, [row.is_read, row.hidden_by_sender, row.hidden_by_recipient])).collect();
    let ids: BTreeSet<i64> = host.keys().chain(known.keys()).copied().collect();
    ids.into_iter().filter(|id| host.get(id) != known.get(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_side_only_and_rows_with_other_flags_are_different() {
        let host = |id, is_read| RowFlags { id, is_read, hidden_by_sender: false, hidden_by_recipient: false };
        let known = |id, is_read| HostRowFlags { id, is_read, hidden_by_sender: false, hidden_by_recipient: false };
        let found = different(
            &[host(1, false), host(2, true), host(3, true)],
            &[known(1, false), known(2, false), known(4, false)],
        );
        assert_eq!(found, [2, 3, 4]);
    }
}
