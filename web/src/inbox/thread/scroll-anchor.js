/**
 * Keeps the visible messages of a scrolled list in place when others come and go above. It remembers the position of
 * messages, never heights.
 *
 * @import {ParlorMessage} from './message.js'
 */

/** How many are remembered, in case the first of them is removed. */
const PINS_MAX = 8;

/** @typedef {{key: string, seq: number, top: number}} Pin */

export class ScrollAnchor {
  /** In order. @type {ParlorMessage[]} */
  messages = [];
  /** @type {Pin[]} */
  #pins = [];
  /** The scroll position at that time. */
  #scrolled = 0;

  /** @param {HTMLElement} log what scrolls @param {HTMLElement} blocks what holds the messages */
  constructor(log, blocks) {
    this.log = log;
    this.blocks = blocks;
  }

  /** Forgets the measured positions: the messages have changed or moved. */
  changed() {
    this.messages = /** @type {ParlorMessage[]} */ ([...this.blocks.querySelectorAll('parlor-message')]);
  }

  /** Returns the index in `messages` of the first message that is partly visible; their number if there is none.
   * @returns {number} */
  first() {
    return this.#firstBelow(this.log.getBoundingClientRect().top, (box) => box.bottom);
  }

  /** Returns the index in `messages` of the last message that is visible to its end; -1 if there is none.
   * @param {number} slack @returns {number} */
  last(slack) {
    return this.#firstBelow(this.log.getBoundingClientRect().bottom + slack, (box) => box.bottom) - 1;
  }

  /** @param {number} edge @param {(box: DOMRect) => number} side @returns {number} */
  #firstBelow(edge, side) {
    let [low, high] = [0, this.messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (side(this.messages[middle].getBoundingClientRect()) > edge) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Remembers the positions of the visible messages. */
  remember() {
    const first = this.first();
    this.#scrolled = this.log.scrollTop;
    this.#pins = this.messages.slice(first, first + PINS_MAX)
      .map((one) => ({ key: one.dataset.key ?? '', seq: one.seq, top: one.getBoundingClientRect().top }));
  }

  /** The keys of the remembered messages. @returns {string[]} */
  get keys() {
    return this.#pins.map((one) => one.key);
  }

  /** The `seq` of the first remembered message that the server has; 0 if there is none. @returns {number} */
  get seq() {
    return this.#pins.find((one) => one.seq > 0)?.seq ?? 0;
  }

  forget() {
    this.#pins = [];
  }

  /** Scrolls so that the first remembered message that still exists is where it was. @param {boolean} [later] not at
   * once: scrolling since then is kept */
  restore(later = false) {
    const since = later ? this.log.scrollTop - this.#scrolled : 0;
    for (const { key, top } of this.#pins) {
      const message = this.messages.find((one) => one.dataset.key === key);
      if (!message) continue;
      const by = message.getBoundingClientRect().top - (top - since);
      if (by !== 0) this.log.scrollTop += by;
      return;
    }
  }
}
