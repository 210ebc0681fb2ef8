/**
 * Where one stands in a list that is scrolled: the messages that are seen, and how to keep them where they are when
 * others come and go above. What is kept is the place of a message, never a height.
 *
 * @import {ParlorMessage} from './message.js'
 */

/** So many are remembered, for when the first of them goes away. */
const PINS_MAX = 8;

/** @typedef {{key: string, seq: number, top: number}} Pin */

export class ScrollAnchor {
  /** In their order. @type {ParlorMessage[]} */
  messages = [];
  /** @type {Pin[]} */
  #pins = [];
  /** How far it was scrolled then. */
  #scrolled = 0;

  /** @param {HTMLElement} log what scrolls @param {HTMLElement} blocks what holds the messages */
  constructor(log, blocks) {
    this.log = log;
    this.blocks = blocks;
  }

  /** The messages are others, or in other places. */
  changed() {
    this.messages = /** @type {ParlorMessage[]} */ ([...this.blocks.querySelectorAll('parlor-message')]);
  }

  /** The first message of which something is seen, by its place in `messages`; their number when none is.
   * @returns {number} */
  first() {
    return this.#firstBelow(this.log.getBoundingClientRect().top, (box) => box.bottom);
  }

  /** The last message that is seen to its end, by its place in `messages`; -1 when none is. @param {number} slack
   * @returns {number} */
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

  /** Remembers where what is seen is. */
  remember() {
    const first = this.first();
    this.#scrolled = this.log.scrollTop;
    this.#pins = this.messages.slice(first, first + PINS_MAX)
      .map((one) => ({ key: one.dataset.key ?? '', seq: one.seq, top: one.getBoundingClientRect().top }));
  }

  /** What is remembered. @returns {string[]} */
  get keys() {
    return this.#pins.map((one) => one.key);
  }

  /** The first of what is remembered that the server has; 0 when there is none. @returns {number} */
  get seq() {
    return this.#pins.find((one) => one.seq > 0)?.seq ?? 0;
  }

  forget() {
    this.#pins = [];
  }

  /** Scrolls so that the first of what was remembered and is still there is where it was.
   * @param {boolean} [later] not at once: what somebody has scrolled since stays scrolled */
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
