//! Reports, as moderators see them, and warnings, as their users see them.
//!
//! The callers check that the reader is a moderator, or the operator.

use super::Snapshot;
use crate::{
    domain::{
        report_row::{OPEN_REPORTS_MAX, REASONS_SHOWN_MAX, ReportRow},
        rows::Named as _,
    },
    store::{
        Result, StoreError,
        bulk_params::BulkParams,
        column,
        rows::{REPORT, RowReader},
    },
};
use parlor_protocol::{
    ids::{ReportId, UserId},
    model::{Message, User},
    report::{Report, ReportAnswer, ReportCopy, ReportCounts, ReportState, Warning},
};
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};

/// Reports on one page, whatever its limit: each may have long notes of many reporters.
const REPORTS_PER_PAGE: u32 = 50;

impl Snapshot<'_> {
    /// Returns whether the user is a moderator now.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn is_moderator(&mut self, user: UserId) -> Result<bool> {
        Ok(self.me(user)?.is_some_and(|row| row.moderator && !row.disabled))
    }

    /// Returns how many reports are open, up to a maximum.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn report_counts(&mut self) -> Result<ReportCounts> {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM reports p WHERE p.settled_at IS NULL LIMIT {OPEN_REPORTS_MAX}) \
             AS counted"
        );
        let open: i64 = self.connection().query_one(&sql, &[], |row| column(row, 0))?;
        Ok(ReportCounts { open: u32::try_from(open).unwrap_or(OPEN_REPORTS_MAX) })
    }

    /// Returns the warnings that the user has not seen, the oldest first.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn warnings(&mut self, user: UserId) -> Result<Vec<Warning>> {
        let sql = format!(
            "SELECT {REPORT} FROM reports p WHERE p.sender_id = $1 AND p.warning_unread = 1 ORDER BY p.version"
        );
        self.connection().query(&sql, &[user.0.into()], |row| Ok(RowReader::new(row).report()?.warning()))
    }

    /// Returns a page of reports, and the position of the last one if there are more. A page ends early to stay below
    /// `page_bytes_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn list_reports(
        &mut self,
        state: ReportState,
        after: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<Report>, Option<i64>)> {
        let limit = limit.min(REPORTS_PER_PAGE);
        let (sql, after) = match state {
            ReportState::Open => (
                format!(
                    "SELECT {REPORT} FROM reports p WHERE p.settled_at IS NULL AND p.id > $1 ORDER BY p.id LIMIT $2"
                ),
                after.unwrap_or_default(),
            ),
            ReportState::Settled => (
                format!(
                    "SELECT {REPORT} FROM reports p WHERE p.settled_at IS NOT NULL AND p.version < $1 \
                     ORDER BY p.version DESC LIMIT $2"
                ),
                after.unwrap_or(i64::MAX),
            ),
        };
        let parameters = [after.into(), (i64::from(limit) + 1).into()];
        let mut rows = self.connection().query(&sql, &parameters, |row| RowReader::new(row).report())?;
        let mut is_last = rows.len() <= limit as usize;
        rows.truncate(limit as usize);
        let mut reports = self.shown(rows)?;
        let bytes_max = self.limits.page_bytes_max as usize;
        let mut bytes = 0;
        let fitting = reports.iter().take_while(|report| {
            bytes += report_weight(report);
            bytes <= bytes_max
        });
        let count = fitting.count().max(1);
        is_last &= count >= reports.len();
        reports.truncate(count);
        let next = reports.last().filter(|_| !is_last).map(|report| match state {
            ReportState::Open => report.id.0,
            ReportState::Settled => report.version.0,
        });
        Ok((reports, next))
    }

    /// Returns a report with its copies.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn report(&mut self, id: ReportId) -> Result<Option<ReportAnswer>> {
        let sql = format!("SELECT {REPORT}, p.copies, p.edited FROM reports p WHERE p.id = $1");
        let found = self.connection().query_optional(&sql, &[id.0.into()], |row| {
            let mut reader = RowReader::new(row);
            Ok((reader.report()?, reader.optional_text()?, reader.optional_text()?))
        })?;
        let Some((row, copies, edited)) = found else { return Ok(None) };
        let seq = row.seq;
        let mut messages: Vec<Message> = copies.map_or(Ok(Vec::new()), |text| parse(&text))?;
        let edited: Option<Message> = edited.map(|text| parse(&text)).transpose()?;
        let place = messages.iter().position(|message| message.seq > seq).unwrap_or(messages.len());
        messages.splice(place..place, edited);
        let senders = self.users_by_id(messages.iter().map(|message| message.sender))?;
        let senders: HashMap<UserId, User> = senders.into_iter().map(|user| (user.id, user)).collect();
        let copies = messages.into_iter().filter_map(|message| {
            let sender = senders.get(&message.sender)?.clone();
            Some(ReportCopy { reported: message.seq == seq, message, sender })
        });
        let copies = copies.collect();
        Ok(self.shown(vec![row])?.pop().map(|report| ReportAnswer { report, copies }))
    }

    /// Converts rows for the wire, with the newest reasons.
    fn shown(&mut self, mut rows: Vec<ReportRow>) -> Result<Vec<Report>> {
        let mut params = BulkParams::new(["id"]);
        for row in &rows {
            params.push([row.id.0.into()]);
        }
        let sql = format!(
            "SELECT r.report_id, r.reporter_id, r.reason, r.note, r.created_at FROM v JOIN reports p ON p.id = v.id \
             JOIN report_reasons r ON r.report_id = p.id AND r.place > p.reason_count - {REASONS_SHOWN_MAX} \
             ORDER BY r.report_id, r.place"
        );
        let reasons = params.query(self.connection(), &sql, |row| {
            let mut reader = RowReader::new(row);
            Ok((ReportId(reader.int()?), reader.reason()?))
        })?;
        let places: HashMap<ReportId, usize> = rows.iter().zip(0..).map(|(row, place)| (row.id, place)).collect();
        for (report, reason) in reasons {
            if let Some(place) = places.get(&report) {
                rows[*place].reasons.push(reason);
            }
        }
        let ids: HashSet<UserId> = rows.iter().flat_map(ReportRow::users).collect();
        let users = self.users_by_id(ids.into_iter())?;
        let users: HashMap<UserId, User> = users.into_iter().map(|user| (user.id, user)).collect();
        Ok(rows.iter().map(|row| row.report(|user| users[&user].clone())).collect())
    }
}

/// Parses copies of messages.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("copies of a report: {error}")))
}

/// Estimates how many bytes a report takes on the wire.
fn report_weight(report: &Report) -> usize {
    let reasons = report.reasons.iter().map(|row| 256 + row.note.len() + row.reason.name().len());
    report.text.len() + report.note.as_ref().map_or(0, String::len) + 512 + reasons.sum::<usize>()
}
