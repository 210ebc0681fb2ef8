/**
 * One report on the moderators' page: why the message was reported, copies of it and of those around it, and the
 * decision. The moderator reaches nothing else of the conversation. It renders; `reports.js` loads and sends.
 *
 * Invariant: a note stays until it is sent, whatever is shown meanwhile.
 *
 * @import {Settlement} from '../sdk/reports.js'
 * @import {Report, ReportCopy, Reporting} from '../sdk/wire.js'
 * @import {CopyBlock, CopyView} from './view/report-copies.js'
 */
import { evidencePath } from '../sdk/reports.js';
import { decision, reasonText } from './reports-queue.js';
import { avatar, avatarKey } from './ui/avatar.js';
import { h, replaceChildren, setAttribute, setText } from './ui/dom.js';
import { drawing, icon } from './ui/icons.js';
import { addressOf } from './ui/root.js';
import { messageSkeleton } from './ui/skeleton.js';
import { isolated } from './view/bidi.js';
import { dialogSay } from './view/dialog-strings.js';
import { fullTime, shortName, shortTime } from './view/format.js';
import { copyBlocks } from './view/report-copies.js';
import { say } from './view/strings.js';

const { moderation: words } = dialogSay;
/** How many notes are kept that were not sent. */
const NOTES_MAX = 50;

/**
 * `missing`: there is no such report; `next` is another open one.
 * @typedef {{
 *   report: Report|null, copies: ReportCopy[]|null, progress: 'idle'|'loading'|'failed'|'missing', next: number|null,
 *   trouble: string, isSettling: boolean, now: number, me: number,
 * }} CaseView
 */

export class ReportCase {
  #face = h('span', { class: 'avatar-slot' });
  #title = h('h2', { class: 'one-line', dir: 'auto', tabindex: -1 });
  #place = h('p', { class: 'presence one-line' });
  #evidence = h('a', { class: 'button', download: true, hidden: true, 'aria-label': words.evidence, title: words.evidence },
    icon('save', { small: true }), h('span', { class: 'only-wide' }, words.evidence));
  #reasons = h('ul', { class: 'report-reasons' });
  #copies = h('div', { class: 'blocks' });
  #instead = h('div', { class: 'instead' });
  #scroll = h('div', { class: 'report-scroll', role: 'region', 'aria-label': words.message, tabindex: 0 }, this.#reasons, this.#copies, this.#instead);
  #note = h('textarea', { rows: 1, dir: 'auto', 'aria-label': words.note, placeholder: words.note, oninput: () => this.#keepNote() });
  /** Notes that were not sent, of each report. @type {Map<number, string>} */
  #notes = new Map();
  /** The report that is shown. */
  #about = 0;
  #why = h('p', { class: 'why', role: 'alert', hidden: true });
  #buttons = [
    this.#button(words.dismiss, 'plain', { remove: false, warn: false }),
    this.#button('', '', { remove: false, warn: true }),
    this.#button(words.both, 'warn', { remove: true, warn: true }),
    this.#button(words.remove, 'main', { remove: true, warn: false }),
  ];
  #verdict = h('div', { class: 'verdict' }, h('p', { class: 'note' }, words.recorded), h('div', { class: 'buttons' }, ...this.#buttons));
  #decide = h('form', { class: 'report-foot', onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, this.#note, this.#why,
    this.#verdict);
  #record = h('div', { class: 'report-foot', role: 'status', hidden: true });
  #drawn = { face: '', reasons: '', why: '', record: '', instead: '' };
  /** The copies have just been drawn, and the reported one is not yet in view. */
  #isNew = false;
  /** What the copies are drawn of. @type {ReportCopy[]|null} */
  #drawnCopies = null;

  /** @param {{settle: (settlement: Settlement) => void, again: () => void}} acts */
  constructor({ settle, again }) {
    this.settle = settle;
    this.again = again;
    this.parts = [
      h('div', { class: 'thread-head' },
        h('a', { class: 'tool', href: '#/reports', 'aria-label': words.back, title: words.back }, icon('back')), this.#face,
        h('div', { class: 'person' }, this.#title, this.#place), this.#evidence),
      this.#scroll, this.#decide, this.#record,
    ];
  }

  /** @param {number} report @param {number} most characters of the note */
  begin(report, most) {
    this.#about = report;
    setAttribute(this.#note, 'maxlength', most);
    this.#note.value = this.#notes.get(report) ?? '';
    this.#scroll.scrollTop = 0;
  }

  /** Removes what is shown of a report. */
  clear() {
    this.#copies.replaceChildren();
    this.#reasons.replaceChildren();
    this.#record.replaceChildren();
    this.#drawnCopies = null;
    this.#drawn = { ...this.#drawn, reasons: '', record: '' };
  }

  focusHead() {
    this.#title.focus();
  }

  /** @param {CaseView} view */
  update(view) {
    const { report } = view;
    const isOpen = report?.state === 'open';
    const isReady = isOpen && view.copies !== null && report.sender.id !== view.me;
    this.#drawHead(view);
    this.#drawReasons(view);
    this.#drawCopies(view);
    this.#drawInstead(view);
    this.#evidence.hidden = !isReady;
    if (report) setAttribute(this.#evidence, 'href', addressOf(evidencePath(report.id)));
    const focused = document.activeElement;
    const hadFocus = this.#decide.contains(focused);
    this.#drawDecide(view, isReady);
    this.#drawRecord(view);
    if (this.#isNew && !this.#decide.hidden) {
      this.#isNew = false;
      this.#copies.querySelector('.reported')?.scrollIntoView({ block: 'nearest' });
    }
    // The buttons are gone, and the way on is in their place.
    if (hadFocus && !isReady && (this.#decide.hidden || focused !== this.#note)) (this.#record.querySelector('a') ?? this.#title).focus();
  }

  /** @param {string} label @param {string} look @param {Settlement} settlement @returns {HTMLButtonElement} */
  #button(label, look, settlement) {
    return h('button', { class: `button ${look}`, type: 'button', onclick: () => this.settle({ ...settlement, note: this.#note.value.trim() }) }, label);
  }

  #keepNote() {
    this.#notes.delete(this.#about);
    if (this.#note.value.trim() !== '') this.#notes.set(this.#about, this.#note.value);
    const [oldest] = this.#notes.keys();
    if (this.#notes.size > NOTES_MAX) this.#notes.delete(oldest);
  }

  /** @param {CaseView} view @param {boolean} isReady */
  #drawDecide({ report, me, trouble, isSettling }, isReady) {
    const isSettled = report?.state === 'settled';
    if (isSettled && report.settled_by?.id === me) {
      this.#note.value = '';
      this.#keepNote();
    }
    // Somebody else was faster: what was written can still be read and copied.
    const isLate = isSettled && this.#note.value.trim() !== '';
    this.#decide.hidden = !isReady && !isLate;
    setAttribute(this.#note, 'readonly', isLate);
    this.#verdict.hidden = isLate;
    // A disabled button would lose the focus.
    for (const button of this.#buttons) setAttribute(button, 'aria-disabled', isSettling ? 'true' : null);
    const why = isLate ? words.tooLate : trouble;
    this.#why.hidden = why === '';
    if (why !== '' && why !== this.#drawn.why) this.#why.replaceChildren(icon('alert', { small: true }), why);
    this.#drawn.why = why;
  }

  /** @param {CaseView} view */
  #drawHead({ report, now }) {
    const key = report ? avatarKey([report.sender]) : '';
    if (key !== this.#drawn.face) this.#face.replaceChildren(...(report ? [avatar([report.sender], { size: 40 })] : []));
    this.#drawn.face = key;
    setText(this.#title, report?.sender.name ?? say.reports);
    setText(this.#buttons[1], words.warn(isolated(shortName(report?.sender.name ?? ''))));
    // A settled report has no title any more.
    const group = report?.title ? words.group(isolated(report.title)) : '';
    const where = report?.conversation_kind === 'direct' ? words.direct : group;
    const time = report ? shortTime(Date.parse(report.created_at), now) : '';
    setText(this.#place, [where, time].filter((part) => part !== '').join(' · '));
  }

  /** @param {CaseView} view */
  #drawReasons({ report, now, me }) {
    const key = JSON.stringify([report?.state, report?.reasons, report?.reason_count, now - (now % 60_000)]);
    if (key === this.#drawn.reasons) return;
    this.#drawn.reasons = key;
    const rows = (report?.reasons ?? []).map((one) => reporterRow(one, now, me));
    const rest = (report?.reason_count ?? 0) - rows.length;
    const more = rest > 0 ? say.moreOf(rest) : '';
    const own = report?.state === 'open' ? words.aboutYou : '';
    const note = report?.sender.id === me ? own : more;
    this.#reasons.replaceChildren(...rows, ...(note === '' ? [] : [h('li', { class: 'note' }, note)]));
    this.#reasons.hidden = rows.length === 0 && note === '';
  }

  /** @param {CaseView} view */
  #drawCopies({ report, copies, now }) {
    const shown = report?.state === 'open' ? copies : null;
    const drawn = this.#drawnCopies;
    if (shown === drawn) return;
    this.#drawnCopies = shown;
    // They are loaded again after every gap, and are seldom others.
    if (JSON.stringify(shown) === JSON.stringify(drawn)) return;
    this.#copies.hidden = !shown;
    this.#copies.replaceChildren(...copyBlocks(shown ?? [], now).map((block) => copyBlock(block)));
    this.#isNew = shown !== null && drawn === null;
  }

  /** @param {CaseView} view */
  #drawInstead({ report, copies, progress }) {
    const which = report?.state === 'settled' ? 'erased' : copies && report ? '' : progress;
    if (which === this.#drawn.instead) return;
    this.#drawn.instead = which;
    const again = () => h('button', { class: 'button', type: 'button', onclick: () => this.again() }, say.tryAgain);
    /** @type {Record<string, () => HTMLElement[]>} */
    const made = {
      loading: () => [messageSkeleton()],
      erased: () => [h('p', { class: 'line' }, words.erased)],
      failed: () => [h('div', { class: 'nothing', role: 'alert' }, h('p', {}, words.failedOne), again())],
      missing: () => [h('div', { class: 'nothing', role: 'alert' }, drawing(), h('h3', {}, words.gone),
        h('a', { class: 'button', href: '#/reports' }, words.back))],
    };
    replaceChildren(this.#instead, made[which]?.() ?? [], () => this.#title.focus());
    this.#instead.hidden = !made[which];
  }

  /** @param {CaseView} view */
  #drawRecord({ report, next, now, me }) {
    const isSettled = report?.state === 'settled';
    const key = isSettled ? JSON.stringify([report, next, shortTime(now, now)]) : '';
    if (key === this.#drawn.record) return;
    this.#drawn.record = key;
    this.#record.hidden = !isSettled;
    if (!isSettled) return;
    const at = Date.parse(report.settled_at ?? '');
    const way = next === null
      ? h('a', { class: 'button', href: '#/reports' }, words.back)
      : h('a', { class: 'button main', href: `#/reports/${next}` }, words.next);
    replaceChildren(this.#record, [h('div', { class: 'verdict' },
      h('div', { class: 'decision' },
        h('p', {}, icon('check', { small: true }), h('b', {}, decision(report, me)), h('time', { datetime: report.settled_at, title: fullTime(at) }, shortTime(at, now))),
        report.note && h('p', { class: 'note', dir: 'auto' }, report.note)), way)], () => way.focus());
  }
}

/** @param {Reporting} reporting @param {number} now @param {number} me @returns {HTMLElement} */
function reporterRow({ reporter, reason, note, at }, now, me) {
  return h('li', {}, avatar([reporter], { size: 28 }), h('div', {},
    h('p', {}, h('b', { dir: 'auto' }, reporter.id === me ? say.you : reporter.name), h('span', { class: 'chip warns' }, reasonText(reason)),
      h('time', { datetime: at, title: fullTime(Date.parse(at)) }, shortTime(Date.parse(at), now))),
    note !== '' && h('p', { class: 'reporter-note', dir: 'auto' }, note)));
}

/** @param {CopyBlock} block @returns {HTMLElement} */
function copyBlock(block) {
  if (block.type !== 'group') return h('p', { class: block.type, dir: 'auto' }, block.text);
  const { sender, at, time, copies } = block;
  return h('div', { class: 'message-group named' }, h('span', { class: 'avatar-slot' }, avatar([sender], { size: 28 })),
    h('span', { class: 'name', dir: 'auto' }, sender.name), h('div', { class: 'messages' }, ...copies.map((one) => copyBubble(one))),
    h('div', { class: 'meta' }, h('time', { datetime: new Date(at).toISOString(), title: fullTime(at) }, time)));
}

/** @param {CopyView} copy @returns {HTMLElement} */
function copyBubble({ mark, deleted, subject, text, edited, forwarded, quote, files }) {
  const body = deleted
    ? [icon('bin', { small: true }), h('span', { class: 'text', dir: 'auto' }, say.wasDeleted)]
    : [
        forwarded && h('span', { class: 'forwarded', dir: 'auto' }, icon('forward', { small: true }), say.forwarded),
        subject !== '' && h('span', { class: 'subject', dir: 'auto' }, subject),
        text !== '' && h('span', { class: 'text' }, text),
        ...files.map(({ name, about }) => h('span', { class: 'copied-file', dir: 'auto' }, icon('file', { small: true }), h('bdi', {}, name), h('span', {}, about))),
        edited && h('span', { class: 'edited' }, say.edited),
      ];
  return h('div', { class: mark === '' ? 'msg' : 'msg reported' }, h('div', { class: deleted ? 'bubble gone' : 'bubble', dir: 'auto' },
    // The direction of the bubble is that of what the sender wrote.
    mark !== '' && h('span', { class: 'chip warns', dir: 'auto' }, icon('flag', { small: true }), mark),
    quote && h('div', { class: quote.who === '' ? 'quote lost' : 'quote' }, quote.who !== '' && h('b', { class: 'one-line', dir: 'auto' }, quote.who), h('span', { class: 'quoted', dir: 'auto' }, quote.text)),
    h('div', { class: 'body' }, ...body)));
}
