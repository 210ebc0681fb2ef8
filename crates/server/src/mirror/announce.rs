//! Publishes new rows to old sockets and to the application's consumers.

use super::{
    MirrorError,
    applied::Announce,
    apply::Applier,
    host_tables::TableRow,
    message_row::{HostMessageRow, HostPerson},
};
use crate::channel_layer::{LayerMessage, Publication, Topic};
use parlor_protocol::ids::UserId;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use tracing::warn;

impl Applier {
    /// Publishes new rows to the old sockets of their users, and to the application's consumers.
    pub(super) async fn announce(
        &self,
        new: Vec<(TableRow, UserId, UserId)>,
        announce: Announce,
    ) -> Result<(), MirrorError> {
        let is_shown = |row: &TableRow| match announce {
            Announce::SentAfterMs(ms) => row.created_at_ms > ms,
            Announce::Nothing => false,
        };
        let new: Vec<_> = new.into_iter().filter(|(row, ..)| is_shown(row)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let people = self.people_of(&new).await?;
        if let Some(bridge) = &self.bridge {
            for (row, ..) in &new {
                bridge.host_message_is_new(&as_json(&shown(row.clone(), &people)));
            }
        }
        self.publish_rows(new, &people).await;
        Ok(())
    }

    /// Publishes rows that were sent after a time again, because files have been added to them.
    pub(super) async fn publish_again(&self, ids: &[i64], sent_after_ms: i64) -> Result<(), MirrorError> {
        if ids.is_empty() {
            return Ok(());
        }
        let rows = self.tables.read(ids).await?.into_values().filter_map(Result::ok);
        let rows: Vec<TableRow> = rows.filter(|row| row.created_at_ms > sent_after_ms).collect();
        let people: Vec<String> = rows.iter().flat_map(|row| [row.sender.clone(), row.recipient.clone()]).collect();
        let users = self.users.ensure(&people).await?;
        let known = rows.into_iter().filter_map(|row| {
            let (sender, recipient) = (*users.get(&row.sender)?, *users.get(&row.recipient)?);
            Some((row, sender, recipient))
        });
        let known: Vec<_> = known.collect();
        let people = self.people_of(&known).await?;
        self.publish_rows(known, &people).await;
        Ok(())
    }

    async fn people_of(&self, rows: &[(TableRow, UserId, UserId)]) -> Result<HashMap<String, HostPerson>, MirrorError> {
        self.people(rows.iter().flat_map(|(_, sender, recipient)| [*sender, *recipient])).await
    }

    async fn publish_rows(&self, rows: Vec<(TableRow, UserId, UserId)>, people: &HashMap<String, HostPerson>) {
        let publications = rows.into_iter().map(|(row, sender, recipient)| {
            let topics = if sender == recipient { vec![sender] } else { vec![sender, recipient] };
            let text = as_json(&shown(row, people)).to_string();
            Publication { topics: topics.into_iter().map(Topic::Host).collect(), payload: LayerMessage::event(&text) }
        });
        if let Err(cause) = self.layer.publish(publications.collect()).await {
            // The pages of the application show the rows when they are loaded again.
            warn!(%cause, "new rows of the host were not published to old sockets");
        }
    }

    /// Reads users as the host knows them.
    pub(super) async fn people(
        &self,
        ids: impl Iterator<Item = UserId>,
    ) -> Result<HashMap<String, HostPerson>, MirrorError> {
        let ids: BTreeSet<UserId> = ids.collect();
        let rows = self.store.read(move |snapshot| snapshot.user_rows(ids.into_iter())).await?;
        let people = rows.into_iter().filter_map(|row| {
            let id = row.external_id?;
            Some((id.clone(), HostPerson { id, name: row.name, login: row.login }))
        });
        Ok(people.collect())
    }
}

/// Returns a row as old sockets show it.
pub(super) fn shown(row: TableRow, people: &HashMap<String, HostPerson>) -> HostMessageRow {
    let person = |id: String| {
        people.get(&id).cloned().unwrap_or_else(|| HostPerson { id, name: String::new(), login: String::new() })
    };
    HostMessageRow {
        row_id: row.id,
        sender: person(row.sender),
        recipient: person(row.recipient),
        context: row.context,
        text: row.text,
        subject: row.subject,
        created_at_ms: row.created_at_ms,
        is_read: row.is_read,
        attachments: row.files,
    }
}

fn as_json(row: &HostMessageRow) -> Value {
    serde_json::to_value(row).expect("it has string keys only")
}
