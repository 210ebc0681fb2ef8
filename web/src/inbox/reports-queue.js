/**
 * The lists of open and settled reports on the moderators' page. It renders; `reports.js` loads.
 *
 * @import {Report, ReportState} from '../sdk/wire.js'
 */
import { backButton } from './thread/thread.js';
import { h, replaceChildren, setAttribute, setText, updateKeyed } from './ui/dom.js';
import { drawing } from './ui/icons.js';
import { rowSkeleton } from './ui/skeleton.js';
import { isolated } from './view/bidi.js';
import { dialogSay } from './view/dialog-strings.js';
import { shortTime } from './view/format.js';
import { outcomeOf } from './view/report-copies.js';
import { say, shortCount, textOf } from './view/strings.js';

const { moderation: words, reporting } = dialogSay;
/** How many different reasons and reporters a row names. */
const NAMED_MAX = 2;

/**
 * `more`: there are more to load.
 * @typedef {{
 *   reports: Report[], open: number|null, list: ReportState, progress: 'idle'|'loading'|'failed', more: boolean,
 *   now: number, me: number,
 * }} QueueView
 * @typedef {{report: Report, now: number, me: number}} RowView
 */

export class ReportQueue {
  #title = h('h2', { class: 'one-line', tabindex: -1 }, say.reports);
  #count = h('span', { class: 'count' });
  #tabs = {
    open: h('button', { class: 'filter', type: 'button', onclick: () => this.choose('open') }, words.open, this.#count),
    settled: h('button', { class: 'filter', type: 'button', onclick: () => this.choose('settled') }, words.settled),
  };
  #rows = h('div', { class: 'report-rows', role: 'list' });
  #instead = h('div', { class: 'instead', role: 'status' });
  #drawn = '';

  /** @param {{choose: (list: ReportState) => void, more: () => void}} acts */
  constructor({ choose, more }) {
    this.choose = choose;
    this.more = more;
    this.parts = [
      h('div', { class: 'thread-head' }, backButton(this.#title), h('div', { class: 'person' }, this.#title)),
      h('div', { class: 'filters', role: 'group', 'aria-label': say.show }, this.#tabs.open, this.#tabs.settled),
      h('div', { class: 'report-scroll' }, this.#rows, this.#instead),
    ];
  }

  /** Focuses the row of a report, or the head. @param {number|null} report */
  focusRow(report) {
    const row = report === null ? null : this.#rows.querySelector(`a[href="#/reports/${report}"]`);
    (/** @type {HTMLElement|null} */ (row) ?? this.#title).focus();
  }

  /** @param {QueueView} view */
  update(view) {
    for (const list of /** @type {const} */ (['open', 'settled'])) setAttribute(this.#tabs[list], 'aria-pressed', String(view.list === list));
    setText(this.#count, view.open ? shortCount(view.open) : '');
    const rows = view.reports.map((report) => ({ report, now: view.now, me: view.me }));
    updateKeyed(this.#rows, rows, ({ report }) => String(report.id), () => new ParlorReportRow());
    this.#rows.hidden = rows.length === 0;
    this.#drawInstead(view);
  }

  /** Draws what stands below the rows, or in their place. @param {QueueView} view */
  #drawInstead({ list, progress, more, reports }) {
    const isEmpty = reports.length === 0;
    const key = `${list} ${progress} ${more} ${isEmpty}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    replaceChildren(this.#instead, [this.#made(list, progress, more, isEmpty)].filter((one) => one !== null), () => this.#title.focus());
  }

  /** @param {ReportState} list @param {QueueView['progress']} progress @param {boolean} more @param {boolean} isEmpty
   * @returns {HTMLElement|null} */
  #made(list, progress, more, isEmpty) {
    const button = (/** @type {string} */ label) => h('button', { class: 'button', type: 'button', onclick: () => this.more() }, label);
    if (progress === 'failed') return h('div', { class: 'nothing' }, h('p', {}, words.failed), button(say.tryAgain));
    if (progress === 'loading') return isEmpty ? rowSkeleton(4) : null;
    if (more) return h('div', { class: 'more-reports' }, button(dialogSay.showMore));
    if (!isEmpty) return null;
    const [title, text] = list === 'open' ? [words.noneOpen, words.noneOpenMore] : [words.noneSettled, words.noneSettledMore];
    return h('div', { class: 'nothing' }, drawing(), h('h3', {}, title), h('p', {}, text));
  }
}

/** One report of a list: why, what, by whom. */
class ParlorReportRow extends HTMLElement {
  #drawn = '';

  connectedCallback() {
    setAttribute(this, 'role', 'listitem');
  }

  /** @param {RowView} view */
  update({ report, now, me }) {
    const time = shortTime(Date.parse(report.settled_at ?? report.created_at), now);
    const drawn = JSON.stringify([report, time]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const hadFocus = this.contains(document.activeElement);
    const { state, sender, text, reason_count: count } = report;
    const names = [...new Set(report.reasons.map(({ reporter }) => (reporter.id === me ? say.you : reporter.name)))];
    const by = words.reportedBy(isolated(say.names(names.slice(0, NAMED_MAX), Math.max(0, count - NAMED_MAX))));
    const origin = sender.id === me ? words.aboutYou : `${isolated(sender.name)} · ${by}`;
    this.replaceChildren(h('a', { href: `#/reports/${report.id}`, class: 'report-row' },
      h('div', { class: 'report-top' }, h('div', { class: 'report-why' }, ...reasonChips(report), count > 1 && h('span', {}, words.count(count))),
        h('time', { datetime: report.settled_at ?? report.created_at }, time)),
      state === 'open' && h('p', { class: text === '' ? 'excerpt without' : 'excerpt', dir: 'auto' }, text === '' ? words.noText : text),
      h('p', { class: 'by' }, state === 'open' ? origin : decision(report, me))));
    if (hadFocus) this.querySelector('a')?.focus();
  }
}

/** Returns the different reasons as chips; of a settled report its outcome, too. @param {Report} report
 * @returns {HTMLElement[]} */
function reasonChips(report) {
  const reasons = [...new Set(report.reasons.map(({ reason }) => reason))].slice(0, NAMED_MAX);
  const isOpen = report.state === 'open';
  const chips = reasons.map((reason) => h('span', { class: isOpen ? 'chip warns' : 'chip' }, reasonText(reason)));
  return isOpen ? chips : [h('span', { class: 'chip settled' }, words.outcomes[outcomeOf(report)]), ...chips];
}

/** Returns the name of a reason; of one that this version does not know that of something else. @param {string} reason
 * @returns {string} */
export function reasonText(reason) {
  return textOf(reporting.reasons, reason) ?? reporting.another;
}

/** Returns who did what, as a sentence. @param {Report} report a settled one @param {number} me @returns {string} */
export function decision(report, me) {
  const { settled_by: by, sender } = report;
  const who = by?.id === me ? null : isolated(by?.name ?? say.somebody);
  return words.did[outcomeOf(report)](who, isolated(sender.name));
}

customElements.define('parlor-report-row', ParlorReportRow);
