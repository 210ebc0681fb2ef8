/**
 * The emoji picker: frequent ones first, with search by word and arrow keys.
 */
import { h, setAttribute, setText } from '../ui/dom.js';
import { emojiName, loadEmojiNames } from '../view/emoji.js';
import { findEmoji, groups } from '../view/emoji-search.js';
import { icon } from '../ui/icons.js';
import { closeOnOutsideClick, placeBeside } from '../ui/menu.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say, textOf } from '../view/strings.js';

/**
 * @typedef {{
 *   at: DOMRect|{x: number, y: number}, back: HTMLElement|null, narrow: boolean, often: string[], chosen: Set<string>,
 *   choose: (emoji: string) => void, label?: string,
 * }} Choosing
 */

/** @param {HTMLElement} host @param {Choosing} choosing */
export function openEmojiPicker(host, choosing) {
  const { narrow, at, back, label = say.react } = choosing;
  const box = h('dialog', { class: narrow ? 'bottom-sheet' : 'emoji-box', 'aria-label': label });
  const picker = new EmojiPicker({
    ...choosing,
    choose: (emoji) => {
      box.close();
      choosing.choose(emoji);
    },
  });
  box.append(picker.element);
  box.addEventListener('close', () => {
    box.remove();
    if (back?.isConnected) back.focus({ preventScroll: true });
  });
  closeOnOutsideClick(box);
  host.append(box);
  box.showModal();
  if (!narrow) placeBeside(box, at);
  picker.begin();
}

class EmojiPicker {
  #search = h('input', {
    type: 'search', autocomplete: 'off', 'aria-label': dialogSay.findEmoji, placeholder: dialogSay.findEmojiHint,
    oninput: () => this.#draw(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#searchKey(event),
  });
  #list = h('div', { class: 'emoji-list', onkeydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event) });
  #note = h('p', { class: 'emoji-note', role: 'status' });

  /** @param {Choosing} choosing */
  constructor(choosing) {
    this.choosing = choosing;
    this.element = h('div', { class: 'emoji' },
      h('label', { class: 'search' }, icon('search', { small: true }), this.#search), this.#list, this.#note);
    this.#draw();
    // The search looks in the names of the user's language, too.
    void loadEmojiNames().then(() => this.#search.value.trim() !== '' && this.#draw());
  }

  /** Where the keyboard would cover half of it, the field is not focused at first. */
  begin() {
    if (matchMedia('(pointer: coarse)').matches) this.#buttons()[0]?.focus();
    else this.#search.focus();
  }

  #draw() {
    const query = this.#search.value.trim();
    const found = query === '' ? [] : findEmoji(query).map((one) => one.emoji);
    const parts = query === ''
      ? [this.#part(dialogSay.oftenUsed, this.choosing.often),
          ...groups.map(({ kind, emoji }) => this.#part(textOf(dialogSay.emojiKinds, kind) ?? kind, emoji.map((one) => one.emoji)))]
      : found.length > 0 ? [this.#part(dialogSay.found, found)] : [];
    this.#list.replaceChildren(...parts);
    this.#list.scrollTop = 0;
    setAttribute(this.#list, 'hidden', query !== '' && found.length === 0);
    setText(this.#note, query !== '' && found.length === 0 ? dialogSay.nothingFound(query) : '');
    const first = this.#buttons()[0];
    if (first) setAttribute(first, 'tabindex', 0);
  }

  /** @param {string} title @param {string[]} emoji @returns {HTMLElement} */
  #part(title, emoji) {
    return h('section', { 'aria-label': title }, h('h3', { 'aria-hidden': 'true' }, title),
      h('div', { class: 'grid' }, ...emoji.map((one) => {
        const button = h('button', {
          type: 'button', tabindex: -1, 'aria-pressed': this.choosing.chosen.has(one) ? 'true' : null,
          onclick: () => this.choosing.choose(one),
        }, one);
        const named = (/** @type {string} */ name) => {
          setAttribute(button, 'aria-label', name);
          setAttribute(button, 'title', name);
        };
        named(emojiName(one, named));
        return button;
      })));
  }

  /** @returns {HTMLElement[]} */
  #buttons() {
    return [...this.#list.querySelectorAll('button')];
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.isComposing) return;
    const [first] = this.#buttons();
    if (event.key === 'Enter') {
      event.preventDefault();
      if (this.#search.value.trim() !== '') first?.click();
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      first?.focus();
    }
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const all = this.#buttons();
    const now = /** @type {HTMLElement} */ (event.target);
    const at = all.indexOf(now);
    if (at < 0) return;
    const turned = getComputedStyle(this.#list).direction === 'rtl' ? -1 : 1;
    /** @type {Record<string, () => HTMLElement|undefined>} */
    const ways = {
      ArrowRight: () => all[at + turned], ArrowLeft: () => all[at - turned], Home: () => all[0], End: () => all.at(-1),
      ArrowDown: () => nearest(all.slice(at + 1), now, 1), ArrowUp: () => nearest(all.slice(0, at).reverse(), now, -1),
    };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const to = way() ?? (event.key === 'ArrowUp' ? this.#search : null);
    to?.focus();
    to?.scrollIntoView({ block: 'nearest' });
  }
}

/** Returns the nearest emoji in the next row. @param {HTMLElement[]} rest in reading order away from `now`
 * @param {HTMLElement} now @param {1|-1} way @returns {HTMLElement|undefined} */
function nearest(rest, now, way) {
  const from = now.getBoundingClientRect();
  const beyond = rest.filter((one) => (one.getBoundingClientRect().top - from.top) * way > 4);
  const row = beyond[0]?.getBoundingClientRect().top;
  const inRow = beyond.filter((one) => Math.abs(one.getBoundingClientRect().top - row) < 4);
  const away = (/** @type {HTMLElement} */ one) => Math.abs(one.getBoundingClientRect().left - from.left);
  return inRow.sort((a, b) => away(a) - away(b))[0];
}
