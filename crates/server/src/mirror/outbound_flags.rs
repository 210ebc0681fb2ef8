//! Writes to the host what users read and hid here. One row that the host refuses to change stops no other.

use super::{
    MirrorError,
    apply::Applier,
    outbound::{Outbound, REMEMBERED_MAX},
};
use crate::{domain::rows::HostRowCopy, host::HostError, profile::sockets::Side, store::snapshot::Snapshot};
use parlor_protocol::ids::{ConversationId, Scope, Seq, UserId, Version};
use std::collections::BTreeMap;
use tracing::warn;

/// How many rows of one scope are read at once, and about how many one step changes.
const SCOPE_ROWS_MAX: usize = 500;

/// What is written of a row.
#[derive(Clone, Copy, Debug)]
enum Flag<'a> {
    /// That this user has read it.
    Read(&'a str),
    /// That it is hidden from a side.
    Hidden(Side),
}

impl Outbound {
    /// Marks rows as read that their recipients have read here; returns them, and whether there may be more. `since` is
    /// the version from which the step began.
    pub(super) async fn mark_read(
        &mut self,
        applier: &Applier,
        scope: Scope,
        since: Version,
    ) -> Result<(Vec<i64>, bool), MirrorError> {
        let mut after = (ConversationId(0), Seq(0));
        let mut marked = Vec::new();
        loop {
            let read = move |snapshot: &mut Snapshot<'_>| snapshot.host_rows_read_here(scope, after, SCOPE_ROWS_MAX);
            let rows = applier.store.read(read).await?;
            let is_last = rows.len() < SCOPE_ROWS_MAX;
            after = rows.last().and_then(|row| row.place).unwrap_or(after);
            let mut read: BTreeMap<UserId, Vec<i64>> = BTreeMap::new();
            for row in rows.iter().filter(|row| self.is_to_be_marked(applier, row)) {
                read.entry(row.recipient).or_default().push(row.key.id);
            }
            for (user, ids) in read {
                if let Some(recipient) = applier.users.external_id_of(user).await? {
                    self.write_flags(applier, &ids, Flag::Read(&recipient), since).await?;
                    self.just_marked.extend(&ids);
                    marked.extend(ids);
                }
            }
            if is_last || marked.len() >= SCOPE_ROWS_MAX {
                return Ok((marked, !is_last));
            }
        }
    }

    /// Rows that stay unread in the host do not keep the others from being found.
    fn is_to_be_marked(&self, applier: &Applier, row: &HostRowCopy) -> bool {
        let id = &row.key.id;
        row.key.table == applier.tables.name()
            && !self.unread_again.contains(id)
            && !self.refused_rows.contains(id)
            && !self.just_marked.contains(id)
            && !applier.refused.contains(id)
    }

    /// Hides rows from the side of a user who hid their messages here; returns them.
    pub(super) async fn hide(
        &mut self,
        applier: &Applier,
        user: UserId,
        since: Version,
    ) -> Result<Vec<i64>, MirrorError> {
        let mut hidden = Vec::new();
        let mut after = since;
        loop {
            let read = move |snapshot: &mut Snapshot<'_>| snapshot.host_rows_hidden_here(user, after, SCOPE_ROWS_MAX);
            let rows = applier.store.read(read).await?;
            let is_last = rows.len() < SCOPE_ROWS_MAX;
            after = rows.last().map_or(after, |(version, _)| *version);
            let ids_of = |is_shown: fn(&HostRowCopy, UserId) -> bool| -> Vec<i64> {
                rows.iter().filter(|(_, row)| is_shown(row, user)).map(|(_, row)| row.key.id).collect()
            };
            let sent = ids_of(|row, user| row.sender == user && !row.hidden_by_sender);
            let received = ids_of(|row, user| row.recipient == user && !row.hidden_by_recipient);
            self.write_flags(applier, &sent, Flag::Hidden(Side::Sender), since).await?;
            self.write_flags(applier, &received, Flag::Hidden(Side::Recipient), since).await?;
            hidden.extend(sent.into_iter().chain(received));
            if is_last {
                return Ok(hidden);
            }
        }
    }

    /// Writes a flag of rows together, or of each by itself if the host refuses that.
    async fn write_flags(
        &mut self,
        applier: &Applier,
        ids: &[i64],
        flag: Flag<'_>,
        since: Version,
    ) -> Result<(), MirrorError> {
        match write(applier, ids, flag).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_outage() => return Err(error.into()),
            Err(_) => {}
        }
        for id in ids {
            match write(applier, &[*id], flag).await {
                Ok(()) => {}
                Err(error) if error.is_outage() => return Err(error.into()),
                Err(error) => {
                    self.note_refused(applier, Version(since.0 + 1));
                    if self.refused_rows.len() < REMEMBERED_MAX && self.refused_rows.insert(*id) {
                        warn!(row = id, %error, "a row of the host is not marked as read or hidden yet");
                    }
                }
            }
        }
        Ok(())
    }
}

async fn write(applier: &Applier, ids: &[i64], flag: Flag<'_>) -> Result<(), HostError> {
    if ids.is_empty() {
        return Ok(());
    }
    match flag {
        Flag::Read(recipient) => applier.tables.mark_read(recipient, ids).await.map(drop),
        Flag::Hidden(side) => applier.tables.hide(side, ids).await,
    }
}
