/**
 * What a moderator knows of reports. Pure.
 *
 * Reports are loaded while the moderators' page shows them. Their changes are events of the scope of each moderator; if
 * some were lost, the pages that were loaded are forgotten, and requested again.
 *
 * @import {Report, ReportState} from '../wire.js'
 */

/**
 * `bound` is the last report of the loaded pages, beyond which more are known than loaded; null at the end of the list.
 * @typedef {{next: string|null, bound: Report|null}} LoadedReports
 * `open` is the number of open reports, null until it is known; `rows` the known reports, each with the turn at which it
 * came; `gapAt` the turn at which changes may have been lost.
 * @typedef {{
 *   open: number|null, rows: Map<number, {report: Report, turn: number}>, lists: Record<ReportState, LoadedReports|null>,
 *   gapAt: number,
 * }} Reports
 */

/** How many reports are known at once. */
export const REPORTS_MAX = 500;

/** @returns {Reports} */
export function noReports() {
  return { open: null, rows: new Map(), lists: { open: null, settled: null }, gapAt: 0 };
}

/** Returns the reports of a list that are loaded: the open ones from the oldest on, the settled ones from the newest
 * settlement on. @param {{reports: Reports}} state
 * @param {ReportState} which @returns {Report[]} */
export function reportsIn({ reports }, which) {
  const bound = reports.lists[which]?.bound ?? null;
  return [...reports.rows.values()].map((one) => one.report)
    .filter((one) => one.state === which && (bound === null || order(one, bound, which) <= 0))
    .sort((one, other) => order(one, other, which));
}

/** @param {Report} one @param {Report} other @param {ReportState} which @returns {number} */
function order(one, other, which) {
  return which === 'open' ? one.id - other.id : other.version - one.version;
}

/** Returns whether more of a list can be loaded. @param {{reports: Reports}} state @param {ReportState} which
 * @returns {boolean} */
export function hasMoreReports({ reports }, which) {
  return (reports.lists[which]?.next ?? null) !== null && reports.rows.size < REPORTS_MAX;
}
