//! The columns of the host's tables, read at the start and again with every scan.

use crate::{
    host::{HostColumn, HostDatabase, HostError},
    profile::Profile,
};
use std::collections::{BTreeMap, BTreeSet};

/// The columns of the profile's tables, by the table's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableColumns(BTreeMap<String, Vec<HostColumn>>);

/// What is wrong with the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableErrors {
    /// Rows cannot be read.
    pub(super) reading: Vec<String>,
    /// Rows cannot be inserted.
    pub(super) inserting: Vec<String>,
}

impl TableColumns {
    /// Reads the columns of a profile's tables.
    pub(super) async fn read(database: &HostDatabase, profile: &Profile) -> Result<Self, HostError> {
        let attachments = profile.attachments.as_ref().map(|table| &table.table);
        let context = profile.context.as_ref().map(|table| &table.table);
        let mut found = BTreeMap::new();
        for name in [Some(&profile.messages.table), attachments, context].into_iter().flatten() {
            found.insert(name.clone(), database.columns(name).await?);
        }
        Ok(Self(found))
    }

    /// Returns whether a table has a column.
    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        self.0.get(table).is_some_and(|columns| columns.iter().any(|known| known.name == column))
    }

    /// Returns the type of a column; none if the table does not have it.
    pub(super) fn kind(&self, table: &str, column: &str) -> Option<&str> {
        let columns = self.0.get(table)?;
        columns.iter().find(|known| known.name == column).map(|known| known.kind.as_str())
    }

    /// Compares the message table with its profile.
    pub(super) fn errors(&self, profile: &Profile) -> TableErrors {
        let table = &profile.messages;
        let columns = self.0.get(&table.table).map(Vec::as_slice).unwrap_or_default();
        if columns.is_empty() {
            let absent = format!("there is no table {}, or it may not be read", table.table);
            return TableErrors { reading: vec![absent], inserting: Vec::new() };
        }
        let mut named: BTreeSet<&str> = table.columns().into_iter().collect();
        named.extend(table.updated_at.as_deref());
        named.extend(table.defaults.keys().map(String::as_str));
        let absent = named.iter().filter(|name| !self.has(&table.table, name));
        let unknown = columns
            .iter()
            .filter(|column| !column.is_nullable && !column.has_default && !named.contains(column.name.as_str()));
        TableErrors {
            reading: absent.map(|name| format!("the table {} has no column {name}", table.table)).collect(),
            inserting: unknown
                .map(|column| {
                    format!("{} of {} needs a value: give it one in [messages.defaults]", column.name, table.table)
                })
                .collect(),
        }
    }

    /// Returns whether a message may be about nothing.
    pub(super) fn is_context_optional(&self, profile: &Profile) -> bool {
        let table = &profile.messages;
        let Some(context) = &table.context else { return true };
        let columns = self.0.get(&table.table).map(Vec::as_slice).unwrap_or_default();
        columns.iter().any(|column| column.name == *context && column.is_nullable)
    }
}
