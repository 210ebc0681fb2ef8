/**
 * The list of conversations, with its search field and filter. It renders and emits events; it loads nothing.
 *
 * @import {Conversation, Me} from '../../sdk/wire.js'
 * @import {Progress} from '../../sdk/queries.js'
 * @import {ResultsView} from '../view/search-results.js'
 * @import {ParlorSearchFilters, ParlorResults} from '../search/results.js'
 * @import {ListFilter, Row} from '../view/conversations.js'
 */
import { h, setAttribute, setText, replaceChildren } from '../ui/dom.js';
import { emit, listen } from '../ui/events.js';
import { avatar, avatarKey } from '../ui/avatar.js';
import { drawing, icon } from '../ui/icons.js';
import { ParlorRow } from './row.js';
import { rowSkeleton } from '../ui/skeleton.js';
import { VirtualRows } from './virtual-rows.js';
import { say, shortCount } from '../view/strings.js';

/**
 * @typedef {{
 *   conversations: Conversation[], rowOf: (conversation: Conversation) => Row, me: Me|null, loaded: boolean, more: boolean, progress: Progress, unread: number,
 *   empty: boolean, reports: number|null, found: ResultsView|null, contextTitle: string|null, hasContexts: boolean,
 * } & ListFilter} ListView `found` while somebody searches;
 * `reports`: how many are open, for moderators; `contextTitle`: of the chosen context
 */

/** How near the end of the loaded rows the next page is requested. */
const NEAR_PX = 600;
/** How many matching conversations a search shows before more are loaded. */
const FEW = 5;
/** How many pages in a row are loaded by themselves without adding a row, under a filter or in a search for a name. */
const PAGES_MAX = { list: 5, search: 20 };

export class ParlorList extends HTMLElement {
  #search = h('input', {
    type: 'search', placeholder: say.search, 'aria-label': say.searchConversations, autocomplete: 'off',
    oninput: () => this.#filter(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#searchKey(event),
  });
  #clear = h('button', {
    class: 'tool clear', type: 'button', hidden: true, 'aria-label': say.clearSearch, title: say.clearSearch,
    onclick: () => this.#clearField(),
  }, icon('close', { small: true }));
  #all = h('button', { class: 'filter', type: 'button', onclick: () => this.#choose('all') }, say.all);
  #count = h('span', { class: 'count' });
  #unread = h('button', {
    class: 'filter', type: 'button', onclick: () => this.#choose('unread'),
  }, say.unread, this.#count);
  #archived = h('button', { class: 'filter', type: 'button', onclick: () => this.#choose('archived') }, say.archived);
  #contextTitle = h('span', { class: 'one-line', dir: 'auto' });
  #about = h('button', {
    class: 'filter', type: 'button', hidden: true, 'aria-haspopup': 'menu',
    onclick: () => emit(this.#about, 'parlor-choose-context', {
      at: this.#about.getBoundingClientRect(), back: this.#about,
      filter: { show: this.#show, context: this.#context, query: this.#search.value },
    }),
  }, this.#contextTitle, icon('chevron', { small: true }));
  #me = h('button', { class: 'tool', type: 'button', onclick: () => emit(this, 'parlor-settings') });
  #reports = h('button', { class: 'tool', type: 'button', hidden: true, onclick: () => emit(this, 'parlor-reports') }, icon('flag'),
    h('span', { class: 'badge', 'aria-hidden': 'true' }));
  #filters = h('div', { class: 'filters', role: 'group', 'aria-label': say.show }, this.#all, this.#unread, this.#archived,
    this.#about);
  #write = h('button', {
    class: 'tool', type: 'button', 'aria-label': say.newConversation, title: say.newConversation,
    onclick: () => emit(this, 'parlor-new-conversation'),
  }, icon('write'));
  #leave = h('button', {
    class: 'tool', type: 'button', hidden: true, 'aria-label': say.leaveSearch, title: say.leaveSearch,
    onclick: () => emit(this, 'parlor-end-search'),
  }, icon('back'));
  #title = h('h2', {}, say.messages);
  /** Where notices to the user stand. It exists from the start, so that screen readers announce them. */
  notices = h('div', { class: 'list-notices', role: 'status' });
  // Their classes are loaded with the first search.
  #chips = /** @type {ParlorSearchFilters} */ (document.createElement('parlor-search-filters'));
  #results = /** @type {ParlorResults} */ (document.createElement('parlor-results'));
  #group = h('h3', { class: 'group', hidden: true }, say.conversations);
  #holder = h('div', {
    class: 'rows placed', role: 'listbox', 'aria-label': say.conversations,
    onclick: (/** @type {MouseEvent} */ event) => this.#openAt(event.target),
    onfocusin: (/** @type {FocusEvent} */ event) => this.#rows.rove(rowOf(event.target)?.conversation ?? null),
  });
  #instead = h('div', { class: 'instead' });
  #scroll = h('div', {
    class: 'scroll', onscroll: () => this.#scrolled(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
  }, this.#group, this.#holder, this.#instead, this.#results);
  #rows = new VirtualRows(this.#scroll, this.#holder);
  /** @type {ListFilter['show']} */
  #show = 'all';
  #context = '';
  #more = false;
  #moreFound = false;
  /** How many pages were requested since a row came or went. */
  #pages = 0;
  #avatarSlot = '';
  #shown = '';
  /** The query and filter of the drawn rows. */
  #chosenBy = '';

  connectedCallback() {
    if (this.firstChild) return;
    this.classList.add('list');
    for (const one of [this.#chips, this.#results]) one.hidden = true;
    listen(this.#results, {
      'parlor-focus-lost': (_, event) => {
        event.stopPropagation();
        this.#search.focus();
      },
    });
    setAttribute(this, 'role', 'navigation');
    setAttribute(this, 'aria-label', say.conversations);
    const field = h('label', { class: 'search' }, icon('search', { small: true }), this.#search, this.#clear,
      h('span', { class: 'key', 'aria-hidden': 'true' }, say.searchKey));
    this.append(
      h('div', { class: 'list-head' }, this.#leave, this.#title, this.#reports, this.#write, this.#me),
      h('div', { class: 'list-tools' }, field, this.#filters, this.#chips),
      this.notices,
      this.#scroll);
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  clearSearch() {
    this.#search.value = '';
    this.#filter();
  }

  /** Focuses the open result, the row of a conversation, or the first row. @param {number|null} id */
  focusRow(id) {
    const found = this.#results.hidden ? undefined : this.#results.stops.find((one) => one.ariaSelected === 'true');
    if (found) found.focus();
    else if (this.#rows.count > 0) this.#rows.focus(Math.max(0, this.#rows.placeOf(id)));
    else this.#search.focus();
  }

  /** @param {ListView} view */
  update(view) {
    // Rows that arrive later would move the results.
    this.#more = view.more && view.progress === 'idle' && (view.found === null || view.conversations.length < FEW);
    [this.#show, this.#context] = [view.show, view.context];
    const filters = /** @type {const} */ ([['all', this.#all], ['unread', this.#unread], ['archived', this.#archived]]);
    for (const [show, button] of filters) setAttribute(button, 'aria-pressed', String(view.show === show));
    this.#about.hidden = !view.hasContexts;
    setAttribute(this.#about, 'aria-pressed', String(view.context !== ''));
    setText(this.#contextTitle, view.contextTitle ?? say.about);
    setText(this.#count, view.unread > 0 ? shortCount(view.unread) : '');
    this.#drawMe(view.me);
    this.#drawReports(view);
    this.#drawSearch(view);
    const chosenBy = `${view.show} ${view.context} ${view.query}`;
    const { conversations, more, rowOf: draw } = view;
    const isOther = chosenBy !== this.#chosenBy;
    if (isOther || conversations.length !== this.#rows.count) this.#pages = 0;
    // Hidden rows have no height, and no focus.
    if (conversations.length > 0) this.#holder.hidden = false;
    if (this.#rows.update({ conversations, more, rowOf: draw }, isOther)) this.#focusFilter();
    this.#holder.hidden = conversations.length === 0;
    this.#chosenBy = chosenBy;
    this.#drawInstead(view);
    this.#nearEnd();
  }

  /** Shows the results of a search, and filter chips in place of the list's filters. @param {ListView} view */
  #drawSearch({ found, conversations, query }) {
    const on = found !== null;
    this.#moreFound = found?.more ?? false;
    for (const one of [this.#leave, this.#chips, this.#results]) one.hidden = !on;
    for (const one of [this.#filters, this.#write, this.#me]) one.hidden = on;
    this.#group.hidden = !on || conversations.length === 0;
    this.#clear.hidden = query === '';
    setText(this.#title, on ? say.searchTitle : say.messages);
    this.classList.toggle('looking', on);
    if (!found) return;
    this.#chips.update(found.filters);
    this.#results.update(found, conversations.length === 0);
  }

  /** @param {ListView} view */
  #drawReports({ reports, found }) {
    this.#reports.hidden = reports === null || found !== null;
    const name = say.openReports(reports ?? 0);
    setAttribute(this.#reports, 'aria-label', name);
    setAttribute(this.#reports, 'title', name);
    setText(/** @type {Element} */ (this.#reports.lastElementChild), reports ? shortCount(reports) : '');
  }

  /** @param {Me|null} me */
  #drawMe(me) {
    const key = me ? avatarKey([me]) : '';
    if (key === this.#avatarSlot && this.#me.firstChild) return;
    this.#avatarSlot = key;
    const name = say.settingsOf(me ? me.name : say.you);
    setAttribute(this.#me, 'aria-label', name);
    setAttribute(this.#me, 'title', name);
    this.#me.replaceChildren(avatar(me ? [me] : [], { size: 28 }));
  }

  /** Draws what stands in place of missing rows. @param {ListView} view */
  #drawInstead(view) {
    const which = insteadOf(view, this.#pages === pagesMax(view.found !== null));
    this.#instead.hidden = which === 'nothing';
    const key = `${which} ${view.query}`;
    if (key === this.#shown) return;
    this.#shown = key;
    const words = (/** @type {string} */ text, /** @type {Node|null} */ button = null) =>
      h('div', { class: 'nothing' }, h('p', {}, text), button);
    const again = () => h('button', { class: 'button', type: 'button', onclick: () => emit(this, 'parlor-more-conversations') },
      icon('again', { small: true }), say.tryAgain);
    const further = () => h('button', { class: 'button', type: 'button', onclick: () => this.#lookFurther() }, say.lookFurther);
    const made = {
      nothing: () => null,
      skeleton: () => rowSkeleton(6),
      more: () => rowSkeleton(1),
      empty: () => h('div', { class: 'nothing' }, h('p', { class: 'only-wide' }, say.listEmpty), firstOfAll(this)),
      unread: () => words(say.nothingUnread),
      archived: () => words(say.nothingArchived),
      allArchived: () => words(say.allArchived, h('button', {
        class: 'button', type: 'button', onclick: () => this.#choose('archived'),
      }, icon('archive', { small: true }), say.showArchived)),
      notYet: () => words(say.noneAmongNewest, further()),
      further: () => h('div', { class: 'nothing' }, further()),
      about: () => words(say.nothingAbout),
      failed: () => words(say.listFailed, again()),
    }[which]();
    replaceChildren(this.#instead, made ? [made] : [], () => this.#focusFilter());
  }

  /** Focuses the button of the chosen filter, or the field that is in its place: what had the focus is gone. */
  #focusFilter() {
    const filters = { all: this.#all, unread: this.#unread, archived: this.#archived };
    (this.#filters.hidden ? this.#search : filters[this.#show]).focus();
  }

  #lookFurther() {
    this.#pages = 0;
    emit(this, 'parlor-more-conversations');
  }

  #filter() {
    emit(this, 'parlor-filter', { show: this.#show, context: this.#context, query: this.#search.value });
  }

  #clearField() {
    this.clearSearch();
    this.#search.focus();
  }

  /** @param {ListFilter['show']} show */
  #choose(show) {
    this.#show = show;
    this.#filter();
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.isComposing) return;
    const any = this.#stops() > 0;
    if (event.key === 'Escape' && this.#search.value !== '') this.clearSearch();
    else if (event.key === 'Escape' && !this.#leave.hidden) emit(this, 'parlor-end-search');
    else if (event.key === 'ArrowDown' && any) this.#focusStop(0);
    else if (event.key === 'Enter' && any && this.#search.value !== '') this.#openStop(0);
    else return;
    event.preventDefault();
  }

  /** Moves with the arrow keys through the rows and then the results. @param {KeyboardEvent} event */
  #key(event) {
    const { activeElement } = document;
    const count = this.#stops();
    const at = this.#stopOf(activeElement);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: count - 1 }[event.key];
    if (to !== undefined) this.#focusStop(Math.max(0, Math.min(count - 1, to)));
    else if (event.key === 'Enter' || event.key === ' ') this.#openAt(activeElement);
    else if (event.key === 'Escape' && !this.#leave.hidden) this.focusSearch();
    else return;
    event.preventDefault();
  }

  /** The number of rows and results to move through. @returns {number} */
  #stops() {
    return this.#rows.count + (this.#results.hidden ? 0 : this.#results.stops.length);
  }

  /** Returns the index of an element among them; -1 if it is none. @param {Element|null} element @returns {number} */
  #stopOf(element) {
    if (element instanceof ParlorRow) return this.#rows.placeOf(element.conversation);
    const result = this.#results.stops.findIndex((one) => one === element);
    return result < 0 ? -1 : this.#rows.count + result;
  }

  /** @param {number} at */
  #focusStop(at) {
    if (at < this.#rows.count) this.#rows.focus(at);
    else this.#results.stops[at - this.#rows.count].focus();
  }

  /** @param {number} at */
  #openStop(at) {
    this.#focusStop(at);
    this.#openAt(document.activeElement);
  }

  /** @param {EventTarget|null} target */
  #openAt(target) {
    const row = rowOf(target);
    if (row && target instanceof Element && target.closest('.row-menu')) row.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true }));
    else if (row) emit(this, 'parlor-open', { id: row.conversation });
    else if (target instanceof HTMLElement && !this.#results.hidden) this.#results.choose(target);
  }

  #scrolled() {
    this.#rows.scrolled();
    this.#nearEnd();
  }

  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    if (clientHeight === 0 || scrollHeight - scrollTop - clientHeight >= NEAR_PX) return;
    if (this.#more && this.#pages < pagesMax(!this.#results.hidden)) {
      this.#more = false;
      this.#pages += 1;
      emit(this, 'parlor-more-conversations');
    }
    if (this.#moreFound) emit(this, 'parlor-more-results');
  }
}

/** @param {boolean} isSearch @returns {number} */
function pagesMax(isSearch) {
  return isSearch ? PAGES_MAX.search : PAGES_MAX.list;
}

/** @param {ListView} view @param {boolean} isFarEnough as many pages as are loaded by themselves have added no row
 * @returns {'nothing'|'skeleton'|'more'|'further'|'notYet'|'empty'|'unread'|'archived'|'allArchived'|'about'|'failed'} */
function insteadOf(view, isFarEnough) {
  if (view.found) return isFarEnough && view.more && view.conversations.length < FEW ? 'further' : 'nothing';
  if (!view.loaded) return view.progress === 'failed' ? 'failed' : 'skeleton';
  const [isFailed, isOver] = [view.progress === 'failed', isFarEnough && view.progress === 'idle'];
  if (view.conversations.length > 0) return view.more ? (isFailed ? 'failed' : isOver ? 'further' : 'more') : 'nothing';
  if (view.show === 'unread' && view.unread === 0) return 'unread';
  // What passes the filter may be further down.
  if (view.more && view.query === '') return isFailed ? 'failed' : isOver ? 'notYet' : 'more';
  if (view.context !== '') return 'about';
  if (view.show !== 'all') return view.show;
  if (view.empty) return 'empty';
  return view.query === '' ? 'allArchived' : 'nothing';
}

/** Returns the empty state for a single pane: what will be here, and the first step. @param {ParlorList} list
 * @returns {HTMLElement} */
function firstOfAll(list) {
  return h('div', { class: 'nothing only-narrow' }, drawing(), h('h3', {}, say.noConversations),
    h('p', {}, say.noConversationsMore),
    h('button', { class: 'button main', type: 'button', onclick: () => emit(list, 'parlor-new-conversation') }, say.writeToSomebody));
}

/** @param {EventTarget|null} target @returns {ParlorRow|null} */
function rowOf(target) {
  return target instanceof Element ? /** @type {ParlorRow|null} */ (target.closest('parlor-row')) : null;
}

customElements.define('parlor-list', ParlorList);
