/**
 * The moderators' page: the lists of reports, and one report. It loads what it shows, and sends what is decided.
 *
 * Invariant: what is shown follows the state, so that a decision of another moderator is seen at once. Copies of messages
 * are held by this page only while it shows their report.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {Settlement} from '../sdk/reports.js'
 * @import {Report, ReportCopy, ReportState} from '../sdk/wire.js'
 */
import { Problem } from '../sdk/problem.js';
import { loadReport, loadReports, settleReport } from '../sdk/reports.js';
import { hasMoreReports, reportsIn } from '../sdk/state/reports.js';
import { ReportCase } from './reports-case.js';
import { ReportQueue } from './reports-queue.js';
import { h, setAttribute } from './ui/dom.js';
import { drawing } from './ui/icons.js';
import { emit } from './ui/events.js';
import { dialogSay } from './view/dialog-strings.js';
import { errorText } from './view/error-text.js';
import { say } from './view/strings.js';

const { moderation: words } = dialogSay;

/** What is known of the report that is shown; `gapAt` as the state had it when it was requested, `version` that of the report
 * with these copies.
 * @typedef {{
 *   id: number, report: Report|null, copies: ReportCopy[]|null, progress: 'idle'|'loading'|'failed'|'missing', gapAt: number, version: number,
 *   trouble: string, isSettling: boolean,
 * }} Opened */

export class ParlorReports extends HTMLElement {
  #queue = new ReportQueue({ choose: (list) => this.#choose(list), more: () => void this.#load(this.#list) });
  #case = new ReportCase({ settle: (settlement) => void this.#settle(settlement), again: () => void this.#open() });
  #refusal = h('div', { class: 'nothing' }, drawing(), h('h2', {}, words.onlyModerators),
    h('button', { class: 'button', type: 'button', onclick: () => emit(this, 'parlor-back') }, say.backToAll));
  /** @type {ReportState} */
  #list = 'open';
  /** @type {Opened|null} */
  #opened = null;
  /** The report that was shown before. @type {number|null} */
  #left = null;
  /** @type {Set<ReportState>} */
  #loading = new Set();
  /** When loading a list failed: the `gapAt` of the state. @type {Partial<Record<ReportState, number>>} */
  #failed = {};
  /** @type {Node[]} */
  #shown = [];
  /** @type {Client|null} */
  client = null;

  connectedCallback() {
    this.className = 'thread reports';
    setAttribute(this, 'role', 'region');
    setAttribute(this, 'aria-label', say.reports);
  }

  /** What was copied is not kept. */
  disconnectedCallback() {
    this.#opened = null;
    this.#case.clear();
  }

  /** Shows the lists, or a report. @param {Client} client @param {number|null} report */
  show(client, report) {
    this.client = client;
    if (report === (this.#opened?.id ?? null)) return;
    this.#left = this.#opened?.id ?? null;
    this.#opened = report === null
      ? null
      : { id: report, report: null, copies: null, progress: 'loading', gapAt: -1, version: 0, trouble: '', isSettling: false };
    this.#case.clear();
    if (report !== null) this.#case.begin(report, client.limits.report_note_chars_max);
    this.update();
  }

  focusHead() {
    if (this.#opened) this.#case.focusHead();
    else this.#queue.focusRow(this.#left);
  }

  update() {
    const { client } = this;
    if (!client || !client.state.me) return;
    const isModerator = client.state.me.moderator ?? false;
    this.#place(!isModerator ? [this.#refusal] : this.#opened ? this.#case.parts : this.#queue.parts);
    if (!isModerator) {
      if (this.#opened) this.#opened.copies = null;
      this.#case.clear();
      return;
    }
    this.#loadMissing(client);
    if (this.#opened) this.#drawCase(client, this.#opened);
    else this.#drawQueue(client);
  }

  /** @param {Node[]} parts */
  #place(parts) {
    if (parts === this.#shown || (parts.length === 1 && parts[0] === this.#shown[0])) return;
    this.#shown = parts;
    this.replaceChildren(...parts);
  }

  /** Loads what is not loaded, or may have changed unnoticed. @param {Client} client */
  #loadMissing({ state: { reports } }) {
    // The open ones are also needed for the way from one report to the next.
    for (const list of new Set(/** @type {const} */ (['open', this.#list]))) {
      if (!reports.lists[list] && (this.#failed[list] ?? -1) < reports.gapAt) void this.#load(list);
    }
    const opened = this.#opened;
    if (!opened) return;
    const known = reports.rows.get(opened.id)?.report;
    // Somebody else reported it: if it was edited before, there is one more copy.
    const isBehind = opened.copies !== null && known?.state === 'open' && opened.version < known.version;
    if (isBehind || opened.gapAt < reports.gapAt) void this.#open();
  }

  /** @param {ReportState} list */
  #choose(list) {
    this.#list = list;
    this.update();
  }

  /** @param {ReportState} list */
  async #load(list) {
    const { client } = this;
    if (!client || this.#loading.has(list)) return;
    this.#loading.add(list);
    delete this.#failed[list];
    const { gapAt } = client.state.reports;
    // Not while it is being drawn.
    await null;
    try {
      await loadReports(client, list);
    } catch {
      this.#failed[list] = gapAt;
    }
    this.#loading.delete(list);
    this.update();
  }

  async #open() {
    const { client } = this;
    const opened = this.#opened;
    if (!client || !opened) return;
    const { gapAt, rows } = client.state.reports;
    Object.assign(opened, { gapAt, version: rows.get(opened.id)?.report.version ?? 0 });
    if (opened.progress !== 'idle') opened.progress = 'loading';
    await null;
    try {
      const { report, copies } = await loadReport(client, opened.id);
      Object.assign(opened, { copies, progress: 'idle', version: Math.max(opened.version, report.version) });
    } catch (error) {
      const isMissing = error instanceof Problem && error.status === 404;
      // What is shown stays until the next attempt.
      if (isMissing || opened.progress !== 'idle') opened.progress = isMissing ? 'missing' : 'failed';
    }
    if (opened === this.#opened) this.update();
  }

  /** @param {Settlement} settlement */
  async #settle(settlement) {
    const { client } = this;
    const opened = this.#opened;
    if (!client || !opened || opened.isSettling) return;
    Object.assign(opened, { isSettling: true, trouble: '' });
    this.update();
    try {
      await settleReport(client, opened.id, settlement);
    } catch (error) {
      opened.trouble = error instanceof Problem && error.code === 'too_late' ? words.tooLate : errorText(error);
      // It may have been settled, by this request or by somebody else.
      void this.#open();
    }
    opened.isSettling = false;
    if (opened === this.#opened) this.update();
  }

  /** @param {Client} client */
  #drawQueue({ state, user, clock }) {
    const list = this.#list;
    const progress = this.#loading.has(list) ? 'loading' : this.#failed[list] === undefined ? 'idle' : 'failed';
    this.#queue.update({
      reports: reportsIn(state, list), open: state.reports.open, list, progress, more: hasMoreReports(state, list), now: clock.now(), me: user,
    });
  }

  /** @param {Client} client @param {Opened} opened */
  #drawCase({ state, user, clock }, opened) {
    // It may be forgotten there, with others that are further down the list.
    const report = state.reports.rows.get(opened.id)?.report ?? opened.report;
    opened.report = report;
    if (report?.state === 'settled') opened.copies = null;
    const next = reportsIn(state, 'open').find((one) => one.id !== opened.id)?.id ?? null;
    this.#case.update({
      report: opened.progress === 'missing' ? null : report, copies: opened.copies, progress: opened.progress, next,
      trouble: report?.state === 'open' ? opened.trouble : '', isSettling: opened.isSettling, now: clock.now(), me: user,
    });
  }
}

customElements.define('parlor-reports', ParlorReports);
