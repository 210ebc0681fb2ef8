//! Tries again what the host refused: a column that the application added, a missing right, a text that is too long.
//!
//! The base of the durable position is the version up to which the host has everything. While it is behind the
//! position, everything after it is written again from time to time, which changes nothing that the host has. The time
//! between two retries doubles up to an hour, so that messages which the host never takes cost little.

use super::{MirrorError, apply::Applier, outbound::Outbound};
use parlor_protocol::{cursor::Cursor, ids::Version};
use std::time::Duration;
use tokio::time::Instant;

/// The longest time between two retries.
const EVERY_MAX: Duration = Duration::from_hours(1);

/// When something is tried again, and what.
#[derive(Debug)]
pub(super) struct Retry {
    /// Up to here the host has everything.
    base: Version,
    /// How far a retry is, and where it ends.
    running: Option<(Cursor, Version)>,
    due_at: Instant,
    every: Duration,
    every_min: Duration,
}

impl Retry {
    /// Begins with a base; the first retry is at once.
    pub(super) fn new(base: Version, every_min: Duration) -> Self {
        Self { base, running: None, due_at: Instant::now(), every: every_min, every_min }
    }

    /// Tries again soon: the host's tables have changed.
    pub(super) fn hurry(&mut self) {
        (self.due_at, self.every) = (Instant::now(), self.every_min);
    }

    /// Returns the base, with which the position is written.
    pub(super) fn base(&self) -> Version {
        self.base
    }

    /// Does a step of a retry, if one is due. Returns whether there is more to do.
    pub(super) async fn step(
        &mut self,
        outbound: &mut Outbound,
        applier: &mut Applier,
        position: Cursor,
    ) -> Result<bool, MirrorError> {
        let Some((mut cursor, to)) = self.running.or_else(|| self.begin(outbound, position)) else { return Ok(false) };
        let is_more = outbound.step(applier, &mut cursor).await?;
        if is_more == Some(true) && cursor.version < to {
            self.running = Some((cursor, to));
            return Ok(true);
        }
        self.running = None;
        let before = self.base;
        if is_more.is_none() {
            outbound.first_refused = Some(Version(before.0 + 1));
        }
        self.move_base(outbound, position.version);
        self.every = if self.base > before { self.every_min } else { (self.every * 2).min(EVERY_MAX) };
        self.due_at = Instant::now() + self.every;
        Ok(false)
    }

    /// Begins a retry if one is due, and moves the base if there is nothing to retry.
    fn begin(&mut self, outbound: &mut Outbound, position: Cursor) -> Option<(Cursor, Version)> {
        if self.base >= position.version || outbound.first_refused.is_none() {
            self.move_base(outbound, position.version);
            return None;
        }
        if Instant::now() < self.due_at || outbound.cannot_insert {
            return None;
        }
        outbound.first_refused = None;
        outbound.refused_rows.clear();
        Some((Cursor { epoch: position.epoch, version: self.base }, position.version))
    }

    fn move_base(&mut self, outbound: &Outbound, position: Version) {
        self.base = outbound.first_refused.map_or(position, |first| Version(first.0 - 1).min(position));
    }
}
