/**
 * The found messages, the newest first, and the filter chips. They render and emit events.
 *
 * @import {ResultRow, ResultsView} from '../view/search-results.js'
 * @import {Filters} from '../../sdk/search.js'
 * @import {FilterName} from '../ui/events.js'
 */
import { rowSkeleton } from '../ui/skeleton.js';
import { h, updateKeyed, setAttribute, setText, replaceChildren } from '../ui/dom.js';
import { avatar, avatarKey, contextPicture } from '../ui/avatar.js';
import { icon } from '../ui/icons.js';
import { noFilters } from '../../sdk/search.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { emit } from '../ui/events.js';

export class ParlorResults extends HTMLElement {
  #count = h('span', { class: 'found-count' });
  #head = h('h3', { class: 'group' }, h('span', {}, dialogSay.results), this.#count);
  #rows = h('div', {
    class: 'rows', role: 'listbox', 'aria-label': dialogSay.results,
    onclick: (/** @type {MouseEvent} */ event) => this.#openAt(event.target),
    onfocusin: (/** @type {FocusEvent} */ event) => this.#rove(resultOf(event.target)),
  });
  #instead = h('div', { class: 'instead' });
  #ears = h('p', { class: 'visually-hidden', role: 'status' });
  #drawn = '';

  connectedCallback() {
    if (!this.firstChild) this.append(this.#head, this.#rows, this.#instead, this.#ears);
  }

  /** The rows, for keyboard navigation. @returns {HTMLElement[]} */
  get stops() {
    return this.#rows.hidden ? [] : /** @type {HTMLElement[]} */ ([...this.#rows.children]);
  }

  /** @param {ResultsView} view @param {boolean} alone no conversation was found either */
  update(view, alone) {
    const found = view.state === 'found';
    this.#head.hidden = !found && view.state !== 'waiting';
    setText(this.#count, view.count);
    this.#rows.hidden = !found;
    updateKeyed(this.#rows, view.rows, (row) => row.key, () => new ParlorResult());
    this.#drawInstead(view, alone);
    const rows = this.stops;
    this.#rove(rows.find((one) => one.tabIndex === 0) ?? rows.find((one) => one.ariaSelected === 'true') ?? rows[0]);
    setText(this.#ears, found ? view.count : view.state === 'nothing' ? view.nothing.title : view.state === 'refused' ? view.failure : '');
  }

  /** @param {HTMLElement} row */
  choose(row) {
    this.#openAt(row);
  }

  /** @param {ResultsView} view @param {boolean} alone */
  #drawInstead(view, alone) {
    const { state, nothing, more, moreFailed, failure } = view;
    const key = JSON.stringify([state, nothing, more, moreFailed, failure, alone]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const again = () => h('button', { class: 'button', type: 'button', onclick: () => emit(this, 'parlor-retry-search') },
      icon('again', { small: true }), say.tryAgain);
    const made = {
      begin: () => (alone ? h('div', { class: 'nothing' }, h('p', {}, dialogSay.searchBegin)) : null),
      waiting: () => rowSkeleton(4),
      failed: () => h('div', { class: 'nothing' }, h('p', {}, failure), again()),
      refused: () => h('div', { class: 'nothing' }, h('p', {}, failure)),
      nothing: () => this.#nothing(view, alone),
      found: () => {
        if (moreFailed) return h('div', { class: 'nothing' }, h('p', {}, failure), again());
        return more ? rowSkeleton(1) : null;
      },
    }[state]();
    this.#instead.hidden = !made;
    replaceChildren(this.#instead, made ? [made] : [], () => emit(this, 'parlor-focus-lost'));
  }

  /** @param {ResultsView} view @param {boolean} alone @returns {HTMLElement} */
  #nothing({ nothing }, alone) {
    const { undo } = nothing;
    const wider = undo && h('button', {
      class: 'button plain', type: 'button',
      onclick: () => emit(this, 'parlor-set-search-filters', { filters: undo === 'all' ? noFilters : { conversation: null } }),
    }, nothing.act);
    if (!alone) return h('p', { class: 'no-messages' }, nothing.title);
    return h('div', { class: 'nothing' }, h('h3', {}, nothing.title), h('p', {}, nothing.more), wider);
  }

  /** @param {EventTarget|null} target */
  #openAt(target) {
    const row = resultOf(target);
    if (row) emit(this, 'parlor-open-result', row.place);
  }

  /** Makes one row the Tab stop. @param {HTMLElement|null|undefined} row */
  #rove(row) {
    for (const one of this.stops) one.tabIndex = one === row ? 0 : -1;
  }
}

/** @param {EventTarget|null} target @returns {ParlorResult|null} */
function resultOf(target) {
  return target instanceof Element ? /** @type {ParlorResult|null} */ (target.closest('parlor-result')) : null;
}

class ParlorResult extends HTMLElement {
  #drawn = '';
  place = { conversation: 0, seq: 0 };

  connectedCallback() {
    setAttribute(this, 'role', 'option');
    this.classList.add('row');
  }

  /** @param {ResultRow} row */
  update(row) {
    this.place = { conversation: row.conversation, seq: row.seq };
    setAttribute(this, 'aria-selected', row.selected ? 'true' : 'false');
    const { faces, selected: _, ...rest } = row;
    const drawn = JSON.stringify([rest, avatarKey(faces)]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.replaceChildren(avatar(faces), h('div', {}, ...lines(row)));
  }
}

/** @param {ResultRow} row @returns {HTMLElement[]} */
function lines(row) {
  const { context, where } = row;
  const about = where !== '' && h('div', { class: 'about' }, context && contextPicture(context, 'context-picture'),
    h('span', { class: 'one-line', dir: 'auto' }, where));
  return [
    h('div', {}, h('span', { class: 'who one-line', dir: 'auto' }, row.name),
      h('time', { datetime: row.dateTime }, row.time)),
    ...(about ? [about] : []),
    h('p', { class: 'hit', dir: 'auto' }, row.sign && icon(row.sign, { small: true }), ...row.pieces.map(({ text, hit }) => (hit ? h('mark', {}, text) : text))),
  ];
}

/** The filter chips: each opens its dialog, or removes its filter. */
export class ParlorSearchFilters extends HTMLElement {
  #drawn = '';

  connectedCallback() {
    this.classList.add('chips');
    setAttribute(this, 'role', 'group');
    setAttribute(this, 'aria-label', dialogSay.filtersOf);
  }

  /** @param {Filters} filters */
  update(filters) {
    const drawn = JSON.stringify(filters);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const at = [...this.children].findIndex((one) => one === document.activeElement);
    const { person, conversation, about, from, until, files } = filters;
    this.replaceChildren(
      this.#chip('person', dialogSay.filterPerson, person?.name ?? '', { person: null }),
      this.#chip('conversation', dialogSay.filterConversation, conversation?.name ?? '', { conversation: null }),
      this.#chip('about', dialogSay.filterAbout, about?.title ?? '', { about: null }),
      this.#chip('date', dialogSay.filterDate, daysOf(from, until), { from: '', until: '' }),
      h('button', {
        class: 'look-chip', type: 'button', 'aria-pressed': String(files),
        onclick: () => emit(this, 'parlor-set-search-filters', { filters: { files: !files } }),
      }, dialogSay.filterFiles),
    );
    if (at >= 0) /** @type {HTMLElement} */ (this.children[at]).focus();
  }

  /** @param {FilterName} filter @param {string} name @param {string} value @param {Partial<Filters>} without
   * @returns {HTMLElement} */
  #chip(filter, name, value, without) {
    if (value === '') {
      return h('button', {
        class: 'look-chip', type: 'button', 'aria-haspopup': 'dialog',
        onclick: () => emit(this, 'parlor-choose-search-filter', { filter }),
      }, name, icon('unfold', { small: true }));
    }
    return h('button', {
      class: 'look-chip set', type: 'button', 'aria-label': dialogSay.filterEnd(value), title: dialogSay.filterOf(name, value),
      onclick: () => emit(this, 'parlor-set-search-filters', { filters: without }),
    }, h('span', { class: 'one-line', dir: 'auto' }, value), icon('close', { small: true }));
  }
}

/** @param {string} from @param {string} until @returns {string} */
function daysOf(from, until) {
  const day = (/** @type {string} */ text) =>
    new Intl.DateTimeFormat(say.locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })
      .format(new Date(`${text}T00:00:00Z`));
  if (from && until) return from === until ? day(from) : dialogSay.betweenDays(day(from), day(until));
  if (from) return dialogSay.fromDay(day(from));
  return until ? dialogSay.untilDay(day(until)) : '';
}

customElements.define('parlor-result', ParlorResult);
customElements.define('parlor-results', ParlorResults);
customElements.define('parlor-search-filters', ParlorSearchFilters);
