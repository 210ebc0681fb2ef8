/**
 * A list of what completes the word before the caret, above its line.
 *
 * Invariants: the focus stays in the field; arrows choose, Enter and Tab insert, Escape closes the list until another
 * word begins. While the list is closed no key is taken.
 */
import { h, setAttribute, setText } from '../ui/dom.js';
import { dialogSay } from '../view/dialog-strings.js';
import { caretBox } from '../ui/caret.js';

export const SHOWN_MAX = 6;
const GAP_PX = 6;
const EDGE_PX = 8;

/**
 * What is completed. `find` looks at the text before the caret: where the word begins, and what completes it, of which
 * `only` is inserted at once. `reset`: the field has another text now.
 * @template Item @typedef {{
 *   id: string, label: string, find: (text: string, caret: number) => {from: number, items: Item[], only?: Item}|null,
 *   draw: (item: Item) => Node[], insert: (item: Item, from: number, caret: number) => void, reset?: () => void,
 * }} CompletionKind
 */

/** @template Item */
export class Completion {
  #list;
  #status = h('span', { class: 'visually-hidden', role: 'status' });
  /** @type {Item[]} */
  #found = [];
  #at = 0;
  /** Where the word begins for which the list was closed, or -1. */
  #leftAt = -1;

  /** @param {HTMLTextAreaElement} field @param {CompletionKind<Item>} kind */
  constructor(field, kind) {
    this.field = field;
    this.kind = kind;
    this.#list = h('ul', {
      class: 'menu completion', role: 'listbox', id: kind.id, 'aria-label': kind.label, popover: 'manual',
      // The focus stays in the field.
      onpointerdown: (/** @type {Event} */ event) => event.preventDefault(),
    });
    field.after(this.#list, this.#status);
    field.addEventListener('blur', () => this.close());
    for (const name of ['click', 'keyup']) field.addEventListener(name, () => this.isOpen && this.update());
  }

  get isOpen() {
    return this.#found.length > 0;
  }

  /** The text or the caret has changed. */
  update() {
    const { value, selectionStart: caret, selectionEnd } = this.field;
    const word = document.activeElement === this.field && caret === selectionEnd ? this.kind.find(value, caret) : null;
    if (word?.from !== this.#leftAt) this.#leftAt = -1;
    if (!word || this.#leftAt >= 0) this.close();
    else if (word.only) this.#insert(word.only);
    else this.#show(word.items.slice(0, SHOWN_MAX), word.from);
  }

  close() {
    if (!this.isOpen) return;
    this.#found = [];
    this.#list.hidePopover();
    for (const name of ['aria-activedescendant', 'aria-autocomplete', 'aria-controls', 'aria-haspopup']) {
      this.field.removeAttribute(name);
    }
    setText(this.#status, '');
  }

  /** Closes the list and forgets the word: the field has another text now. */
  reset() {
    this.#leftAt = -1;
    this.kind.reset?.();
    this.close();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the list takes it */
  key(event) {
    if (!this.isOpen || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
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
    this.#leftAt = this.kind.find(this.field.value, this.field.selectionStart)?.from ?? -1;
    this.close();
  }

  /** @param {Item[]} found @param {number} from */
  #show(found, from) {
    if (found.length === 0) {
      this.close();
      return;
    }
    const same = found.length === this.#found.length && found.every((one, at) => one === this.#found[at]);
    if (same) return;
    const wasOpen = this.isOpen;
    this.#found = found;
    this.#list.replaceChildren(...found.map((one, at) => this.#option(one, at)));
    if (!wasOpen) {
      setAttribute(this.field, 'aria-autocomplete', 'list');
      setAttribute(this.field, 'aria-haspopup', 'listbox');
      setAttribute(this.field, 'aria-controls', this.kind.id);
      this.#list.showPopover();
    }
    this.#place(from);
    this.#choose(0);
    setText(this.#status, dialogSay.foundCount(found.length, found.length === SHOWN_MAX));
  }

  /** @param {Item} one @param {number} at @returns {HTMLElement} */
  #option(one, at) {
    return h('li', {
      class: 'item', role: 'option', id: `${this.kind.id}-${at}`, onclick: () => this.#insert(one),
    }, ...this.kind.draw(one));
  }

  /** @param {number} at */
  #choose(at) {
    this.#at = at;
    for (const [index, option] of [...this.#list.children].entries()) {
      setAttribute(option, 'aria-selected', String(index === at));
    }
    setAttribute(this.field, 'aria-activedescendant', `${this.kind.id}-${at}`);
    this.#list.children[at].scrollIntoView({ block: 'nearest' });
  }

  /** Places the list above the line of the word. @param {number} from */
  #place(from) {
    const caret = caretBox(this.field, from);
    const { width, height } = this.#list.getBoundingClientRect();
    const edge = /** @type {HTMLElement} */ (this.field.parentElement).getBoundingClientRect();
    const isRtl = getComputedStyle(this.field).direction === 'rtl';
    const left = isRtl ? caret.x - width + EDGE_PX : caret.x - EDGE_PX;
    this.#list.style.left = `${Math.max(edge.left, Math.min(left, edge.right - width))}px`;
    this.#list.style.top = `${Math.max(EDGE_PX, caret.y - height - GAP_PX)}px`;
  }

  /** @param {Item} item */
  #insert(item) {
    const { value, selectionStart: caret } = this.field;
    const word = this.kind.find(value, caret);
    this.close();
    if (word) this.kind.insert(item, word.from, caret);
  }
}
