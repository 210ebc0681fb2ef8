/**
 * The forward dialog: chooses one or several conversations.
 *
 * @import {Conversation} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 */
import { acceptsMessages } from '../../sdk/state/blocks.js';
import { openDialog } from '../ui/dialog.js';
import { h, setText } from '../ui/dom.js';
import { avatar } from '../ui/avatar.js';
import { isFound, parseQuery } from '../view/folding.js';
import { icon } from '../ui/icons.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { avatarUsers, nameOf } from '../view/conversations.js';

/**
 * @typedef {{
 *   state: () => State, text: string, more: () => Promise<void>, back: HTMLElement|null, send: (to: number[]) => void,
 * }} Forwarding
 */

/** At a time; a message is not a circular. */
const MOST = 20;

/** @param {HTMLElement} host @param {Forwarding} forwarding */
export function openForwardDialog(host, forwarding) {
  new Forward(host, forwarding);
}

class Forward {
  /** @type {Set<number>} */
  #chosen = new Set();
  #search = h('input', {
    type: 'search', autocomplete: 'off', 'aria-label': say.searchConversations, placeholder: say.search,
    oninput: () => this.#draw(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'ArrowDown') {
        event.preventDefault();
        this.#list.querySelector('button')?.focus();
      } else if (event.key === 'Enter' && !event.isComposing && this.#chosen.size === 0) {
        event.preventDefault();
        this.#list.querySelector('button')?.click();
      }
    },
  });
  #list = h('ul', { class: 'people', 'aria-label': say.conversations });
  #note = h('p', { class: 'note', role: 'status' });
  #more = h('button', { class: 'button plain', type: 'button', onclick: () => void this.#load() }, dialogSay.showMore);
  #go = h('button', { class: 'button main', type: 'submit' });

  /** @param {HTMLElement} host @param {Forwarding} forwarding */
  constructor(host, forwarding) {
    this.forwarding = forwarding;
    const form = h('form', {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        if (this.#chosen.size === 0) return;
        this.dialog.close();
        forwarding.send([...this.#chosen]);
      },
    }, h('label', { class: 'search' }, icon('search', { small: true }), this.#search),
    this.#list, this.#note, this.#more, h('footer', {}, this.#go));
    this.dialog = openDialog(host, dialogSay.forwardTitle, h('p', { class: 'one-line', dir: 'auto' }, forwarding.text), form);
    this.dialog.classList.add('picker');
    this.dialog.addEventListener('close', () => {
      if (this.#chosen.size === 0) forwarding.back?.focus({ preventScroll: true });
    });
    this.#search.focus();
    this.#draw();
  }

  /** @returns {Conversation[]} */
  #found() {
    const state = this.forwarding.state();
    const wanted = parseQuery(this.#search.value);
    return [...state.conversations.values()]
      .filter((one) => acceptsMessages(state, one))
      .filter((one) => isFound(`${nameOf(state, one)} \n ${one.context?.title ?? ''}`, wanted))
      .sort((a, b) => b.activity - a.activity);
  }

  #draw() {
    const state = this.forwarding.state();
    const found = this.#found();
    this.#list.hidden = found.length === 0;
    this.#list.replaceChildren(...found.map((one) => this.#row(state, one)));
    const query = this.#search.value.trim();
    setText(this.#note, found.length > 0 ? '' : query === '' ? say.noConversations : dialogSay.nothingFound(query));
    this.#note.hidden = this.#note.textContent === '';
    this.#more.hidden = state.list.next === null;
    const [only] = this.#chosen;
    const one = state.conversations.get(only);
    const many = this.#chosen.size > 1 || !one;
    setText(this.#go, many ? dialogSay.forwardToMany(this.#chosen.size) : dialogSay.forwardTo(nameOf(state, one)));
    this.#go.hidden = this.#chosen.size === 0;
  }

  /** @param {State} state @param {Conversation} one @returns {HTMLElement} */
  #row(state, one) {
    const chosen = this.#chosen.has(one.id);
    return h('li', {}, h('button', {
      type: 'button', 'aria-pressed': String(chosen), disabled: !chosen && this.#chosen.size >= MOST,
      'data-id': one.id, onclick: () => this.#toggle(one.id),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event),
    }, avatar(avatarUsers(state, one), { size: 36, pair: one.kind === 'group', picture: one.picture }),
    h('span', { class: 'two-lines' }, h('span', { class: 'one-line', dir: 'auto' }, nameOf(state, one)),
      one.context && h('span', { class: 'one-line about', dir: 'auto' }, one.context.title)),
    chosen ? icon('read') : null));
  }

  /** @param {number} id */
  #toggle(id) {
    if (!this.#chosen.delete(id)) this.#chosen.add(id);
    this.#draw();
    /** @type {HTMLElement|null} */ (this.#list.querySelector(`[data-id="${id}"]`))?.focus();
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const buttons = [...this.#list.querySelectorAll('button')];
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.currentTarget));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) this.#search.focus();
    else buttons[Math.min(buttons.length - 1, to)].focus();
  }

  async #load() {
    this.#more.disabled = true;
    await this.forwarding.more();
    this.#more.disabled = false;
    this.#draw();
  }
}
