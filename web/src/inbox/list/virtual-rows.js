/**
 * The rows of the list, virtualized: of thousands of rows only the visible ones, and a few above and below, have an
 * element.
 *
 * All rows of a kind have the same height (their lines never wrap), so the position of each is known without drawing
 * it. The visible rows stay in place when rows come, go and move above. The row that has the focus, and the one that
 * Tab leads to, keep their elements wherever they are.
 *
 * @import {Conversation} from '../../sdk/wire.js'
 * @import {Row} from '../view/conversations.js'
 */
import { updateKeyed, setAttribute } from '../ui/dom.js';
import { ParlorRow } from './row.js';

/** Rows are drawn this far beyond the visible part. */
const BEYOND_PX = 400;
/** How many visible rows are tried as anchors. */
const PINS_MAX = 12;
/** Until a row of the kind has been drawn. */
const GUESSED_PX = { about: 86, plain: 66 };

/** @typedef {keyof typeof GUESSED_PX} Kind */
/** @typedef {{conversations: Conversation[], more: boolean, rowOf: (conversation: Conversation) => Row}} RowsView */
/** @typedef {{id: number, top: number}} Pin where a row was, from the upper edge of what is seen */

export class VirtualRows {
  /** @type {RowsView} */
  #view = { conversations: [], more: false, rowOf: () => { throw new Error('there are no rows yet'); } };
  /** @type {Map<number, number>} */
  #places = new Map();
  /** Where each row begins, and where the last one ends. */
  #tops = new Float64Array(1);
  #heights = { ...GUESSED_PX };
  /** The row that Tab leads to. @type {number|null} */
  #stop = null;
  /** What was drawn last. */
  #drawn = { from: -1, to: -1 };

  /** @param {HTMLElement} scroll what scrolls @param {HTMLElement} holder what holds the rows */
  constructor(scroll, holder) {
    this.scroll = scroll;
    this.holder = holder;
    // Another width may mean another layout, with other row heights.
    new ResizeObserver(() => this.#draw(true)).observe(scroll);
  }

  /** The number of rows, drawn or not. @returns {number} */
  get count() {
    return this.#view.conversations.length;
  }

  /** The drawn elements, in order. @returns {ParlorRow[]} */
  get elements() {
    return /** @type {ParlorRow[]} */ ([...this.holder.children]);
  }

  /** Returns the index of a conversation; -1 if it is not listed. @param {number|null} id @returns {number} */
  placeOf(id) {
    return id === null ? -1 : this.#places.get(id) ?? -1;
  }

  /** When the focused row goes, the one that takes its place gets the focus. @param {RowsView} view
   * @param {boolean} others it is another list, not the same that has changed
   * @returns {boolean} whether the focus was lost, since there is no row any more */
  update(view, others) {
    const active = document.activeElement;
    const focused = active instanceof ParlorRow && this.holder.contains(active) ? active.conversation : null;
    const place = this.placeOf(focused);
    this.#replace(view, others);
    if (focused === null || this.placeOf(focused) >= 0) return false;
    if (this.count > 0) this.focus(Math.min(Math.max(0, place), this.count - 1));
    return this.count === 0;
  }

  /** @param {RowsView} view @param {boolean} others */
  #replace(view, others) {
    const pins = others ? [] : this.#pins();
    this.#view = view;
    this.#places = new Map(view.conversations.map((one, place) => [one.id, place]));
    this.#measureOut();
    if (others) this.scroll.scrollTop = 0;
    this.#keep(pins);
    this.#draw(true);
  }

  /** Other rows may be visible now. */
  scrolled() {
    this.#draw(false);
  }

  /** Scrolls to a row, and focuses it. @param {number} place */
  focus(place) {
    const { scroll } = this;
    const top = this.#offset() + this.#tops[place];
    const bottom = this.#offset() + this.#tops[place + 1];
    if (top < scroll.scrollTop) scroll.scrollTop = place === 0 ? 0 : top;
    else if (bottom > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = bottom - scroll.clientHeight;
    this.rove(this.#view.conversations[place].id);
    this.elements.find((one) => one.conversation === this.#stop)?.focus({ preventScroll: true });
  }

  /** Makes one row the Tab stop. @param {number|null} id */
  rove(id) {
    this.#stop = id;
    this.#draw(true);
  }

  /** Returns the row that Tab leads to: the last focused one, the selected one, or the first. @returns {number} */
  #stopPlace() {
    const { conversations } = this.#view;
    const place = this.placeOf(this.#stop);
    if (place >= 0 || conversations.length === 0) return place;
    const chosen = this.elements.find((one) => one.ariaSelected === 'true');
    this.#stop = chosen && this.placeOf(chosen.conversation) >= 0 ? chosen.conversation : conversations[0].id;
    return this.placeOf(this.#stop);
  }

  /** Returns the distance from the top of the scrolled area to the first row. @returns {number} */
  #offset() {
    return this.holder.getBoundingClientRect().top - this.scroll.getBoundingClientRect().top + this.scroll.scrollTop;
  }

  #measureOut() {
    const { conversations } = this.#view;
    this.#tops = new Float64Array(conversations.length + 1);
    conversations.forEach((one, place) => {
      this.#tops[place + 1] = this.#tops[place] + this.#heights[kindOf(one)];
    });
    this.holder.style.blockSize = `${this.#tops[conversations.length]}px`;
  }

  /** Returns the first row that ends below a height. @param {number} top @returns {number} */
  #firstBelow(top) {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle + 1] > top) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Returns the visible rows to keep in place; none at the very top, where new rows should be seen.
   * @returns {Pin[]} */
  #pins() {
    const { scrollTop } = this.scroll;
    if (scrollTop < 1 || this.count === 0) return [];
    const seen = scrollTop - this.#offset();
    const first = this.#firstBelow(seen);
    return this.#view.conversations.slice(first, first + PINS_MAX)
      .map((one, index) => ({ id: one.id, top: this.#tops[first + index] - seen }));
  }

  /** Scrolls so that the visible rows stay in place. It uses the first of two rows that still follow each other, since
   * a single row may have moved. @param {Pin[]} pins */
  #keep(pins) {
    const places = pins.map((one) => this.placeOf(one.id));
    let at = places.findIndex((place, index) => place >= 0 && places[index + 1] === place + 1);
    if (at < 0) at = places.findIndex((place) => place >= 0);
    if (at < 0) return;
    const wanted = this.#offset() + this.#tops[places[at]] - pins[at].top;
    if (Math.abs(wanted - this.scroll.scrollTop) >= 1) this.scroll.scrollTop = wanted;
  }

  /** @param {boolean} changed the rows are others, or say something else */
  #draw(changed) {
    const { scroll } = this;
    const seen = scroll.scrollTop - this.#offset();
    const from = this.#firstBelow(seen - BEYOND_PX);
    const to = Math.min(this.count, this.#firstBelow(seen + scroll.clientHeight + BEYOND_PX) + 1);
    if (!changed && from === this.#drawn.from && to === this.#drawn.to) return;
    this.#drawn = { from, to };
    const places = new Set(Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index));
    const active = document.activeElement;
    const kept = [this.#stopPlace(), active instanceof ParlorRow ? this.placeOf(active.conversation) : -1];
    for (const place of kept) {
      if (place >= 0) places.add(place);
    }
    this.#place([...places].sort((a, b) => a - b));
  }

  /** @param {number[]} places */
  #place(places) {
    const { conversations, more, rowOf } = this.#view;
    updateKeyed(this.holder, places.map((place) => rowOf(conversations[place])), (row) => String(row.id), () => new ParlorRow());
    const setSize = more ? -1 : conversations.length;
    this.elements.forEach((element, index) => {
      const place = places[index];
      element.style.transform = `translateY(${this.#tops[place]}px)`;
      element.tabIndex = element.conversation === this.#stop ? 0 : -1;
      setAttribute(element, 'aria-posinset', place + 1);
      setAttribute(element, 'aria-setsize', setSize);
    });
    this.#learnHeights(places);
  }

  /** Measures the heights of drawn rows. @param {number[]} places */
  #learnHeights(places) {
    const pins = this.#pins();
    let isOther = false;
    for (const kind of /** @type {Kind[]} */ (Object.keys(GUESSED_PX))) {
      const index = places.findIndex((place) => kindOf(this.#view.conversations[place]) === kind);
      const height = index < 0 ? 0 : this.elements[index].offsetHeight;
      if (height === 0 || height === this.#heights[kind]) continue;
      this.#heights[kind] = height;
      isOther = true;
    }
    if (!isOther) return;
    this.#measureOut();
    this.#keep(pins);
    this.#draw(true);
  }
}

/** @param {Conversation} conversation @returns {Kind} */
function kindOf(conversation) {
  return conversation.context ? 'about' : 'plain';
}
