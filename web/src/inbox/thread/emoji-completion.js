/**
 * Completes the names of emoji in the composer: a list above the line of the caret, from `:` and two letters on.
 *
 * Invariants: the focus stays in the field; arrows choose, Enter and Tab insert, Escape closes the list until another
 * name begins. While the list is closed no key is taken.
 *
 * @import {Emoji} from '../view/emoji-search.js'
 */
import { h, setAttribute, setText } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { emojiName, loadEmojiNames } from '../view/emoji.js';
import { emojiCodeBefore } from '../view/emoji-code.js';
import { emojiNamed, findEmoji } from '../view/emoji-search.js';
import { dialogSay } from '../view/dialog-strings.js';
import { caretBox } from '../ui/caret.js';
import { insertText } from '../ui/insert-text.js';
import { say } from '../view/strings.js';

const SHOWN_MAX = 6;
const LIST_ID = 'emoji-completion';
const GAP_PX = 6;
const EDGE_PX = 8;

export class EmojiCompletion {
  #list = h('ul', {
    class: 'menu completion', role: 'listbox', id: LIST_ID, 'aria-label': say.addEmoji, popover: 'manual',
    // The focus stays in the field.
    onpointerdown: (/** @type {Event} */ event) => event.preventDefault(),
  });
  #status = h('span', { class: 'visually-hidden', role: 'status' });
  /** @type {Emoji[]} */
  #found = [];
  #at = 0;
  /** Where the name begins for which the list was closed, or -1. */
  #leftAt = -1;

  /** @param {HTMLTextAreaElement} field */
  constructor(field) {
    this.field = field;
    field.after(this.#list, this.#status);
    field.addEventListener('blur', () => this.close());
    for (const name of ['click', 'keyup']) field.addEventListener(name, () => this.#isOpen && this.update());
    void loadEmojiNames().then(() => this.update());
  }

  get #isOpen() {
    return this.#found.length > 0;
  }

  /** The text or the caret has changed. */
  update() {
    const { value, selectionStart: caret, selectionEnd } = this.field;
    const code = document.activeElement === this.field && caret === selectionEnd ? emojiCodeBefore(value, caret) : null;
    if (code?.from !== this.#leftAt) this.#leftAt = -1;
    if (!code || this.#leftAt >= 0) {
      this.close();
      return;
    }
    const named = code.closed ? emojiNamed(code.query) : undefined;
    if (named) this.#insert(named);
    else this.#show(code.closed ? [] : findEmoji(code.query).slice(0, SHOWN_MAX), code.from);
  }

  close() {
    if (!this.#isOpen) return;
    this.#found = [];
    this.#list.hidePopover();
    for (const name of ['aria-activedescendant', 'aria-autocomplete', 'aria-controls', 'aria-haspopup']) {
      this.field.removeAttribute(name);
    }
    setText(this.#status, '');
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the list takes it */
  key(event) {
    if (!this.#isOpen || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) this.#choose((this.#at + step + this.#found.length) % this.#found.length);
    else if (event.key === 'Enter' || event.key === 'Tab') this.#insert(this.#found[this.#at]);
    else if (event.key === 'Escape') this.#leave();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #leave() {
    this.#leftAt = emojiCodeBefore(this.field.value, this.field.selectionStart)?.from ?? -1;
    this.close();
  }

  /** @param {Emoji[]} found @param {number} from */
  #show(found, from) {
    if (found.length === 0) {
      this.close();
      return;
    }
    const same = found.length === this.#found.length && found.every((one, at) => one === this.#found[at]);
    if (same) return;
    const wasOpen = this.#isOpen;
    this.#found = found;
    this.#list.replaceChildren(...found.map((one, at) => this.#option(one, at)));
    if (!wasOpen) {
      setAttribute(this.field, 'aria-autocomplete', 'list');
      setAttribute(this.field, 'aria-haspopup', 'listbox');
      setAttribute(this.field, 'aria-controls', LIST_ID);
      this.#list.showPopover();
    }
    this.#place(from);
    this.#choose(0);
    setText(this.#status, dialogSay.foundCount(found.length, found.length === SHOWN_MAX));
  }

  /** @param {Emoji} one @param {number} at @returns {HTMLElement} */
  #option(one, at) {
    const name = h('span', { class: 'one-line', dir: 'auto' });
    setText(name, emojiName(one.emoji, (loaded) => setText(name, loaded)));
    return h('li', {
      class: 'item', role: 'option', id: `${LIST_ID}-${at}`, onclick: () => this.#insert(one),
    }, h('span', { class: 'sign', 'aria-hidden': 'true' }, one.emoji), name);
  }

  /** @param {number} at */
  #choose(at) {
    this.#at = at;
    for (const [index, option] of [...this.#list.children].entries()) {
      setAttribute(option, 'aria-selected', String(index === at));
    }
    setAttribute(this.field, 'aria-activedescendant', `${LIST_ID}-${at}`);
    this.#list.children[at].scrollIntoView({ block: 'nearest' });
  }

  /** Places the list above the line of the name. @param {number} from */
  #place(from) {
    const caret = caretBox(this.field, from);
    const { width, height } = this.#list.getBoundingClientRect();
    const edge = /** @type {HTMLElement} */ (this.field.parentElement).getBoundingClientRect();
    const isRtl = getComputedStyle(this.field).direction === 'rtl';
    const left = isRtl ? caret.x - width + EDGE_PX : caret.x - EDGE_PX;
    this.#list.style.left = `${Math.max(edge.left, Math.min(left, edge.right - width))}px`;
    this.#list.style.top = `${Math.max(EDGE_PX, caret.y - height - GAP_PX)}px`;
  }

  /** @param {Emoji} one */
  #insert({ emoji }) {
    const { value, selectionStart: caret } = this.field;
    const code = emojiCodeBefore(value, caret);
    this.close();
    if (!code) return;
    insertText(this.field, emoji, code.from, caret);
    emit(this.field, 'parlor-use-emoji', { emoji });
  }
}
