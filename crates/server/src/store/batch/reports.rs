//! Reports, moderators and warnings in a commit.

use super::BatchTransaction;
use crate::{
    domain::{
        load_plan::LoadPlan,
        report_row::{OPEN_REPORTS_MAX, ReportRow},
        reports::{COPIED_AROUND, MODERATORS_MAX},
        rows::Named as _,
        state::State,
    },
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        row::Row,
        rows::{HISTORY_START, MESSAGE, REPORT, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, ReportId, Seq, UserId},
    limits::Limits,
};
use serde::Serialize;
use std::collections::BTreeSet;

impl BatchTransaction<'_> {
    /// Loads the moderators, the reports that may change, and what the reporters see.
    pub(super) fn load_reports(&mut self, plan: &LoadPlan, limits: &Limits, state: &mut State) -> Result<()> {
        if plan.moderators {
            self.load_moderators(plan, state)?;
        }
        let mut ids = BulkParams::new(["id"]);
        for report in &plan.reports {
            ids.push([report.0.into()]);
        }
        let mut places = BulkParams::new(["conversation_id", "seq"]);
        for (conversation, seq) in plan.reportings.iter().map(|(_, key)| key).collect::<BTreeSet<_>>() {
            places.push([conversation.0.into(), seq.0.into()]);
        }
        let by_id = format!("SELECT {REPORT} FROM v JOIN reports p ON p.id = v.id");
        let by_message = format!(
            "SELECT {REPORT} FROM v JOIN reports p ON p.conversation_id = v.conversation_id AND p.seq = v.seq \
             WHERE p.settled_at IS NULL"
        );
        let mut put = |row: Row<'_>| -> Result<()> {
            let report = RowReader::new(row).report()?;
            if report.settled_at.is_none() {
                state.open_reports.insert((report.conversation, report.seq), report.id);
            }
            state.reports.insert(report.id, report);
            Ok(())
        };
        self.for_each(ids, &by_id, &mut put)?;
        self.for_each(places, &by_message, &mut put)?;
        self.load_reasons(state)?;
        self.load_report_times(plan, limits, state)?;
        self.load_copies(plan, state)?;
        self.load_unread_warnings(plan, state)
    }

    fn load_moderators(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let sql = format!("SELECT u.id FROM users u WHERE u.moderator = 1 ORDER BY u.id LIMIT {MODERATORS_MAX}");
        self.connection().for_each(&sql, &[], |row| {
            state.moderators.insert(UserId(column(row, 0)?));
            Ok(true)
        })?;
        let most = OPEN_REPORTS_MAX.saturating_add(plan.settling);
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM reports p WHERE p.settled_at IS NULL LIMIT {most}) AS counted"
        );
        let open: i64 = self.connection().query_one(&sql, &[], |row| column(row, 0))?;
        state.open_report_count = u32::try_from(open).unwrap_or(most);
        Ok(())
    }

    fn load_reasons(&mut self, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["id"]);
        for report in state.reports.keys() {
            params.push([report.0.into()]);
        }
        let sql = "SELECT r.report_id, r.reporter_id, r.reason, r.note, r.created_at FROM v \
             JOIN report_reasons r ON r.report_id = v.id ORDER BY r.report_id, r.place";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            let report = ReportId(reader.int()?);
            let reason = reader.reason()?;
            if let Some(row) = state.reports.get_mut(&report) {
                row.reasons.push(reason);
            }
            Ok(())
        })
    }

    /// Loads as many times for each reporter as they may report messages in a day.
    fn load_report_times(&mut self, plan: &LoadPlan, limits: &Limits, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id"]);
        for user in plan.reportings.iter().map(|(user, _)| user).collect::<BTreeSet<_>>() {
            params.push([user.0.into()]);
        }
        let sql = format!(
            "SELECT v.user_id, (SELECT string_agg(CAST(newest.created_at AS TEXT), ',') FROM (SELECT r.created_at \
             FROM report_reasons r WHERE r.reporter_id = v.user_id ORDER BY r.created_at DESC LIMIT {}) AS newest) \
             FROM v WHERE v.user_id IS NOT NULL",
            limits.reports_per_day_max
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            state.report_times.insert(UserId(reader.int()?), reader.ints()?);
            Ok(())
        })
    }

    /// Loads the messages around those that are reported, without what the reporters may not see or have hidden.
    fn load_copies(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "conversation_id", "seq"]);
        for (user, (conversation, seq)) in &plan.reportings {
            params.push([user.0.into(), conversation.0.into(), seq.0.into()]);
        }
        let sql = format!(
            "SELECT v.user_id, v.conversation_id, v.seq, {MESSAGE} FROM v \
             JOIN members m ON m.conversation_id = v.conversation_id AND m.user_id = v.user_id AND m.has_left = 0 \
             JOIN messages g ON g.conversation_id = v.conversation_id AND g.seq >= v.seq - {COPIED_AROUND} \
             AND g.seq <= v.seq + {COPIED_AROUND} AND g.seq >= {HISTORY_START} \
             WHERE NOT EXISTS (SELECT 1 FROM hidden_messages h WHERE h.user_id = v.user_id \
             AND h.conversation_id = v.conversation_id AND h.seq = g.seq)"
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            let place = (UserId(reader.int()?), (ConversationId(reader.int()?), Seq(reader.int()?)));
            state.report_copies.entry(place).or_default().push(reader.message()?);
            Ok(())
        })
    }

    fn load_unread_warnings(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id"]);
        let settled = plan.reports.iter().filter_map(|report| state.reports.get(report));
        for user in settled.map(|row| row.sender).collect::<BTreeSet<_>>() {
            params.push([user.0.into()]);
        }
        let sql = "SELECT p.sender_id, count(*) FROM v JOIN reports p ON p.sender_id = v.user_id \
             WHERE p.warning_unread = 1 GROUP BY p.sender_id";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            state.unread_warnings.insert(UserId(reader.int()?), reader.int()?);
            Ok(())
        })
    }

    /// Writes what changed of old reports first: one may have been settled before its message was reported again.
    pub(super) fn write_reports(&mut self, state: &State) -> Result<()> {
        let is_new = |row: &&ReportRow| state.new_reports.contains(&row.id);
        let changed = || state.changed_reports.iter().map(|id| &state.reports[id]);
        self.update_reports(changed().filter(|row| !is_new(row)))?;
        self.insert_reports(state)?;
        self.update_reports(changed().filter(is_new))
    }

    fn update_reports<'a>(&mut self, rows: impl Iterator<Item = &'a ReportRow>) -> Result<()> {
        let mut changed = BulkParams::new([
            "id",
            "version",
            "title",
            "text",
            "reason_count",
            "settled_at",
            "settled_by",
            "removed",
            "warned",
            "warning_unread",
            "note",
        ]);
        let mut settled = BulkParams::new(["id"]);
        let mut edited = BulkParams::new(["id", "edited"]);
        let mut reasons = BulkParams::new(["report_id", "place", "reporter_id", "reason", "note", "created_at"]);
        for row in rows {
            changed.push([
                row.id.0.into(),
                row.version.0.into(),
                (&row.title).into(),
                row.text.as_str().into(),
                i64::from(row.reason_count).into(),
                row.settled_at.into(),
                row.settled_by.map(|user| user.0).into(),
                row.removed.into(),
                row.warned.into(),
                row.warning_unread.into(),
                (&row.note).into(),
            ]);
            if row.settled_at.is_some() {
                settled.push([row.id.0.into()]);
            } else if let Some(message) = &row.edited {
                edited.push([row.id.0.into(), json(message).into()]);
            }
            for (reason, place) in row.reasons.iter().zip(1_i64..) {
                reasons.push([
                    row.id.0.into(),
                    place.into(),
                    reason.reporter.0.into(),
                    reason.reason.name().into(),
                    reason.note.as_str().into(),
                    reason.created_at.into(),
                ]);
            }
        }
        self.update(changed, "reports")?;
        self.update(edited, "reports")?;
        self.execute(settled, "UPDATE reports SET copies = NULL, edited = NULL WHERE id IN (SELECT v.id FROM v)")?;
        self.upsert(reasons, "report_reasons", 2)
    }

    fn insert_reports(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "id",
            "version",
            "conversation_id",
            "kind",
            "title",
            "seq",
            "sender_id",
            "created_at",
            "text",
            "copies",
            "reason_count",
            "removed",
            "warned",
            "warning_unread",
        ]);
        for row in state.new_reports.iter().map(|id| &state.reports[id]) {
            let copies = row.copies.as_ref().map(json);
            params.push([
                row.id.0.into(),
                row.version.0.into(),
                row.conversation.0.into(),
                row.kind.name().into(),
                (&row.title).into(),
                row.seq.0.into(),
                row.sender.0.into(),
                row.created_at.into(),
                row.text.as_str().into(),
                copies.into(),
                i64::from(row.reason_count).into(),
                false.into(),
                false.into(),
                false.into(),
            ]);
        }
        self.insert(params, "reports")
    }
}

fn json(copies: &impl Serialize) -> String {
    serde_json::to_string(copies).expect("messages have string keys only")
}
