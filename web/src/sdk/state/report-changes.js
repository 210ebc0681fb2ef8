/**
 * How reports and warnings change the state. For drafts only.
 *
 * Invariant: of two copies of a report the newer one counts, and a page of reports that was requested before changes may
 * have been lost says nothing.
 *
 * @import {MeAnswer, PlacedEvent, Report, ReportPage, ReportState} from '../wire.js'
 * @import {State} from './state.js'
 */
import { REPORTS_MAX, noReports } from './reports.js';

/** Applies a report that an event or an answer brought. @param {State} draft @param {Report} report */
export function applyReport(draft, report) {
  putReport(draft, report);
  const { rows, open } = draft.reports;
  if (rows.size <= REPORTS_MAX) return;
  const oldest = [...rows.values()].find((one) => one.report.state === 'settled');
  // With too many open ones the list begins again.
  if (oldest) draft.reports = { ...draft.reports, rows: new Map([...rows].filter(([id]) => id !== oldest.report.id)) };
  else draft.reports = { ...noReports(), open, gapAt: draft.turn };
}

/** Stores a report, unless a newer one is known. @param {State} draft @param {Report} report */
function putReport(draft, report) {
  const known = draft.reports.rows.get(report.id);
  if (known && known.report.version >= report.version) return;
  const rows = new Map(draft.reports.rows);
  // The last that came is the last in the map.
  rows.delete(report.id);
  rows.set(report.id, { report, turn: draft.turn });
  draft.reports = { ...draft.reports, rows };
}

/** Applies a page of a list: the first one, or that `after` the loaded ones. @param {State} draft
 * @param {{list: ReportState, page: ReportPage, after?: string, requestedAt: number}} input */
export function applyReportPage(draft, { list, page, after, requestedAt }) {
  if (!draft.me?.moderator || requestedAt < draft.reports.gapAt) return;
  if (after === undefined) {
    const there = new Set(page.reports.map((one) => one.id));
    // What has come since the request may be missing in its answer.
    const kept = [...draft.reports.rows].filter(([id, { report, turn }]) => report.state !== list || there.has(id) || turn > requestedAt);
    draft.reports = { ...draft.reports, rows: new Map(kept) };
  } else if (after !== draft.reports.lists[list]?.next) {
    return;
  }
  for (const report of page.reports) putReport(draft, report);
  const bound = page.next === null ? null : (page.reports.at(-1) ?? draft.reports.lists[list]?.bound ?? null);
  draft.reports = { ...draft.reports, lists: { ...draft.reports.lists, [list]: { next: page.next, bound } } };
}

/** Applies an event about reports or warnings. @param {State} draft
 * @param {Extract<PlacedEvent, {type: 'report.updated'|'warning.created'|'warning.read'}>} event */
export function applyReportEvent(draft, event) {
  if (event.type === 'report.updated') {
    applyReport(draft, event.report);
    draft.reports = { ...draft.reports, open: event.open };
    return;
  }
  const others = draft.warnings.filter((one) => one.report !== event.report);
  if (event.type === 'warning.read') {
    draft.warnings = others;
  } else {
    const { report, conversation, seq, at } = event;
    draft.warnings = [...others, { report, conversation, seq, at }];
  }
}

/** Accounts for an answer about the user that brought the state forward: events may have been lost. @param {State} draft
 * @param {Pick<MeAnswer, 'moderator'|'warnings'>} answer */
export function applyLostReports(draft, { moderator, warnings }) {
  draft.reports = moderator ? { ...draft.reports, lists: noReports().lists, gapAt: draft.turn } : noReports();
  if (warnings) draft.warnings = warnings;
}

/** Applies the number of open reports of an answer that is as new as the state. @param {State} draft
 * @param {Pick<MeAnswer, 'reports'|'scope_version'>} answer */
export function applyOpenReports(draft, { reports, scope_version: version }) {
  if (reports && draft.me?.moderator && draft.me.scope_version === version) draft.reports = { ...draft.reports, open: reports.open };
}
