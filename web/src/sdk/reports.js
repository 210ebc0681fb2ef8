/**
 * Reporting messages, settling reports, and warnings.
 *
 * @import {Client} from './client.js'
 * @import {Changed, Report, ReportAnswer, Reported, ReportPage, ReportReason, ReportState} from './wire.js'
 */

const PAGE_ROWS = 30;

/** @typedef {{remove: boolean, warn: boolean, note?: string}} Settlement neither dismisses the report */

/** Reports a message to the moderators. @param {Client} client @param {number} conversation @param {number} seq
 * @param {ReportReason} reason @param {string} note may be empty @returns {Promise<Reported>} */
export function reportMessage(client, conversation, seq, reason, note) {
  return client.requestWithRetry({ type: 'message.report', conversation, seq, reason, ...(note === '' ? {} : { note }) });
}

/** Loads the first page of a list of reports, or the next one. @param {Pick<Client, 'request'|'sync'>} client
 * @param {ReportState} list @returns {Promise<void>} */
export async function loadReports({ request, sync }, list) {
  const loaded = sync.state.reports.lists[list];
  const requestedAt = sync.state.turn;
  const after = loaded?.next ?? undefined;
  /** @type {ReportPage} */
  const page = await request({ type: 'report.list', state: list, limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) });
  sync.applyInput({ kind: 'reports', list, page, after, requestedAt });
}

/** Loads a report with its copies. @param {Client} client @param {number} report @returns {Promise<ReportAnswer>} */
export async function loadReport(client, report) {
  /** @type {ReportAnswer} */
  const answer = await client.request({ type: 'report.get', report });
  client.sync.applyInput({ kind: 'report', report: answer.report });
  return answer;
}

/** Settles a report. It is sent once: after a lost answer the report shows whether it was settled. @param {Client} client
 * @param {number} report @param {Settlement} settlement @returns {Promise<void>} */
export async function settleReport(client, report, settlement) {
  /** @type {{report: Report}} */
  const answer = await client.request({ type: 'report.settle', report, ...settlement });
  client.sync.applyInput({ kind: 'report', report: answer.report });
}

/** The user has seen a warning. @param {Client} client @param {number} report @returns {Promise<void>} */
export async function readWarning(client, report) {
  /** @type {Changed} */
  const { version } = await client.requestWithRetry({ type: 'warning.read', report });
  client.sync.applyEvent({ type: 'scope.changed', scope: `user:${client.user}`, version });
}

/** Returns where the evidence of a report is: the file to download. @param {number} report @returns {string} */
export function evidencePath(report) {
  return `/v1/reports/${report}/evidence`;
}
