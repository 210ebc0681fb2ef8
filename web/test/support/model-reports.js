/**
 * Reports, their settlement and warnings in the model of the server.
 *
 * @import {Report, ReportAnswer, ReportPage, ReportReason, ReportState, User, Warning} from '../../src/sdk/wire.js'
 * @import {ModelServer} from './model-server.js'
 */
import { Problem } from '../../src/sdk/problem.js';
import { removeForAll, seenBy } from './message-changes.js';

/**
 * `changed` has the version at which the warnings of a user changed last.
 * @typedef {{moderators: Set<number>, reports: Report[], warnings: Map<number, Warning[]>, changed: Map<number, number>}} Reports
 */

const PAGE = 2;

/** @returns {Reports} */
export function noReports() {
  return { moderators: new Set(), reports: [], warnings: new Map(), changed: new Map() };
}

/** @param {ModelServer} server @param {number} user @param {boolean} on */
export function setModerator(server, user, on) {
  const { moderators } = server.data.reports;
  if (moderators.has(user) === on) return;
  server.next();
  if (on) moderators.add(user);
  else moderators.delete(user);
  server.data.scopes.set(user, server.data.version);
  server.deliver({ to: user, event: { type: 'scope.changed', scope: `user:${user}`, version: server.data.version } });
}

/** @param {ModelServer} server @param {number} user @param {number} conversation @param {number} seq
 * @param {ReportReason} [reason] */
export function report(server, user, conversation, seq, reason = 'spam') {
  const message = seenBy(server, user, conversation, seq);
  if (!message || message.sender === user || message.deleted || message.hidden || message.system) return;
  const { reports } = server.data.reports;
  const open = reports.find((one) => one.state === 'open' && one.conversation === conversation && one.seq === seq);
  if (open?.reasons.some((one) => one.reporter.id === user)) return;
  const version = server.next();
  const reporting = { reporter: person(server, user), reason, note: 'a note', at: server.time(version) };
  const { kind, title } = server.find(conversation, user);
  const row = open ?? {
    id: version, state: /** @type {const} */ ('open'), created_at: server.time(version), sender: person(server, message.sender), conversation,
    conversation_kind: kind, title, seq, text: message.text, reasons: [], reason_count: 0, settled_at: null, settled_by: null,
    removed: false, warned: false, note: null, version,
  };
  if (!open) reports.push(row);
  Object.assign(row, { reasons: [reporting, ...row.reasons], reason_count: row.reason_count + 1, version });
  publish(server, row);
}

/** @param {ModelServer} server @param {number} by @param {number} id @param {{remove: boolean, warn: boolean}} how */
export function settle(server, by, id, { remove, warn }) {
  const { moderators, reports, warnings, changed } = server.data.reports;
  const row = reports.find((one) => one.id === id);
  if (!moderators.has(by) || !row || row.state === 'settled') return;
  const version = server.next();
  Object.assign(row, {
    state: 'settled', text: '', reasons: row.reasons.map((one) => ({ ...one, note: '' })), settled_at: server.time(version),
    settled_by: person(server, by), removed: remove, warned: warn, note: 'a record', version,
  });
  publish(server, row);
  if (remove) removeForAll(server, row.conversation, row.seq);
  if (!warn) return;
  const warning = { report: id, conversation: row.conversation, seq: row.seq, at: server.time(server.next()) };
  warnings.set(row.sender.id, [...(warnings.get(row.sender.id) ?? []), warning]);
  changed.set(row.sender.id, server.data.version);
  server.publishToUser(row.sender.id, (place) => ({ type: 'warning.created', ...place, ...warning }));
}

/** @param {ModelServer} server @param {number} user @param {number} id */
export function readWarning(server, user, id) {
  const { warnings, changed } = server.data.reports;
  const own = warnings.get(user) ?? [];
  if (!own.some((one) => one.report === id)) return;
  changed.set(user, server.next());
  warnings.set(user, own.filter((one) => one.report !== id));
  server.publishToUser(user, (place) => ({ type: 'warning.read', ...place, report: id }));
}

/** Returns what `me.get` tells. @param {ModelServer} server @param {number} user @param {number} [since] */
export function listedReports({ data }, user, since) {
  const { moderators, reports, warnings, changed } = data.reports;
  return {
    ...(moderators.has(user) ? { reports: { open: reports.filter((one) => one.state === 'open').length } } : {}),
    ...(since === undefined || (changed.get(user) ?? 0) > since ? { warnings: warnings.get(user) ?? [] } : {}),
  };
}

/** @param {ModelServer} server @param {number} user @param {{state?: ReportState, after?: string}} command
 * @returns {ReportPage} */
export function reportPage(server, user, { state = 'open', after }) {
  const rows = sortedReports(server, user, state);
  const from = after === undefined ? 0 : rows.findIndex((one) => String(one.id) === after) + 1;
  const reports = rows.slice(from, from + PAGE);
  return { reports, next: from + PAGE < rows.length ? String(reports.at(-1)?.id) : null };
}

/** Returns all reports of a list in its order. @param {ModelServer} server @param {number} user @param {ReportState} state
 * @returns {Report[]} */
export function sortedReports({ data }, user, state) {
  if (!data.reports.moderators.has(user)) throw new Problem({ code: 'not_allowed', title: 'not_allowed', status: 403, retryable: false });
  const rows = data.reports.reports.filter((one) => one.state === state);
  return state === 'open' ? rows : rows.sort((one, other) => other.version - one.version);
}

/** @param {ModelServer} server @param {Report} row */
function publish(server, row) {
  const { moderators, reports } = server.data.reports;
  const open = reports.filter((one) => one.state === 'open').length;
  for (const user of moderators) server.publishToUser(user, (place) => ({ type: 'report.updated', ...place, report: row, open }));
}

/** @param {ModelServer} server @param {number} user @returns {User} */
function person({ data }, user) {
  return { .../** @type {User} */ (data.users.get(user)) };
}
