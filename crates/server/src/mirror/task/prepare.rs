//! What the mirror does before each scan: it reads the tables' columns, makes sure that the database is the one that it
//! mirrors, and restores lost triggers.

use super::{Compare, MirrorTask, Scan};
use crate::{
    config::TriggerMode,
    host::HostError,
    mirror::{MirrorError, host_token, schema::TableColumns, triggers},
};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

impl MirrorTask {
    /// Does this, and begins a scan.
    pub(super) async fn prepare(&mut self) -> Result<(), MirrorError> {
        let columns = TableColumns::read(&self.applier.tables.database, &self.applier.tables.profile).await?;
        let errors = columns.errors(&self.applier.tables.profile);
        if !errors.reading.is_empty() {
            return Err(MirrorError::Tables(errors.reading.join("; ")));
        }
        if !errors.inserting.is_empty() && !self.outbound.cannot_insert {
            warn!(reason = errors.inserting.join("; "), "messages of Parlor's clients cannot be written to the host");
        }
        self.outbound.cannot_insert = !errors.inserting.is_empty();
        if self.applier.columns != columns {
            // What the host refused before it may accept now.
            self.retry.hurry();
        }
        self.applier.tables.note_columns(&columns);
        self.applier.columns = columns;
        if self.options.config.triggers != TriggerMode::Manual {
            triggers::ensure_tables(&self.options.host).await?;
        }
        self.scans.may_remove_all = host_token::check(&self.options, &self.applier.tables).await?;
        if self.options.config.triggers == TriggerMode::Install {
            self.restore_triggers().await?;
        }
        self.applier.contexts.scan_again();
        self.scans.current = Some(Scan::new(if self.scans.has_missed { Compare::Everything } else { Compare::Flags }));
        self.scans.due_at = Instant::now() + Duration::from_millis(self.options.config.scan_ms);
        Ok(())
    }

    /// Creates triggers that are missing. Without them the mirror still works: it polls the newest rows.
    async fn restore_triggers(&mut self) -> Result<(), MirrorError> {
        let tables = triggers::watched_tables(&self.options.profile);
        let missing = triggers::status(&self.options.host, &tables).await?.missing;
        if missing.is_empty() {
            (self.lacks_triggers, self.trigger_error) = (false, None);
            return Ok(());
        }
        if !self.scans.has_missed {
            // Noted before there are triggers again, because only their absence says that something was missed.
            self.compare_everything().await?;
        }
        match triggers::create_missing(&self.options.host, &tables, &missing).await {
            Ok(()) => {
                info!(missing = missing.join(", "), "the triggers of the mirror were installed");
                (self.lacks_triggers, self.trigger_error) = (false, None);
            }
            Err(error @ HostError::Unavailable(_)) => return Err(error.into()),
            Err(error) => {
                self.lacks_triggers = true;
                let reason = error.to_string();
                if self.trigger_error.as_ref() != Some(&reason) {
                    let missing = missing.join(", ");
                    warn!(missing, reason, "triggers are missing, so rows of the application come late");
                    self.trigger_error = Some(reason);
                }
            }
        }
        Ok(())
    }
}
