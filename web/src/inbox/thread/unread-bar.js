/**
 * "12 new since 10:32": the bar above the messages while the unread line is above the visible ones, with a way to jump
 * there. It disappears for good when the line has been seen or the bar is dismissed.
 *
 * Absent on purpose: a live region. The thread announces it once.
 *
 * @import {Divider} from '../view/message-groups.js'
 */
import { h, setAttribute, setText } from '../ui/dom.js';
import { sinceTime } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { say } from '../view/strings.js';

/** The position of the unread line; `none` if there is none. @typedef {'above'|'seen'|'below'|'none'} Where */

export class UnreadBar {
  #words = h('span', { class: 'what' });
  /** The line that was seen or dismissed. @type {Divider|null} */
  #over = null;
  /** @type {Divider|null} */
  #announced = null;

  /** @param {{jump: () => void, left: () => void}} acts `left` is called when it goes and has the focus */
  constructor({ jump, left }) {
    this.left = left;
    const close = h('button', {
      class: 'tool', type: 'button', 'aria-label': say.leaveSince, title: `${say.leaveSince} (${say.keyNames.Esc})`,
      onclick: () => {
        this.leave();
        left();
      },
    }, icon('close', { small: true }));
    this.element = h('div', { class: 'unread-bar', hidden: true }, icon('up', { small: true }), this.#words,
      h('button', { class: 'link', type: 'button', 'aria-label': say.jumpToNewFull, onclick: jump }, say.jumpToNew),
      close);
  }

  /** @param {Divider|null} divider @param {Where} where @param {number} now
   * @returns {string} what is to be said of it, once; else nothing */
  update(divider, where, now) {
    if (where === 'seen') this.#over = divider;
    const isThere = divider !== null && divider !== this.#over && where === 'above';
    const focused = !isThere && this.element.contains(document.activeElement);
    setAttribute(this.element, 'hidden', !isThere);
    if (focused) this.left();
    if (!isThere) return '';
    const words = divider.since === null
      ? say.newMessages(divider.count)
      : say.newSince(divider.count, sinceTime(divider.since, now));
    setText(this.#words, words);
    if (divider === this.#announced) return '';
    this.#announced = divider;
    return words;
  }

  /** Dismisses the bar. @returns {boolean} whether it was shown */
  leave() {
    if (this.element.hidden) return false;
    this.#over = this.#announced;
    this.element.hidden = true;
    return true;
  }
}
