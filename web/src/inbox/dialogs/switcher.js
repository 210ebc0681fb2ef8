/**
 * The switcher: finds a conversation by a name or by what it is about, or a person, and opens it.
 *
 * Invariant: the focus stays in the field; arrows choose, Enter opens, Escape closes.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, User} from '../../sdk/wire.js'
 */
import { avatar } from '../ui/avatar.js';
import { openDialog } from '../ui/dialog.js';
import { h, setAttribute, setText } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { avatarUsers, nameOf } from '../view/conversations.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { isFound, parseQuery } from '../view/folding.js';
import { sentences } from '../view/strings.js';
import { isSearchable } from '../view/users.js';

const CONVERSATIONS_MAX = 7;
const USERS_MAX = 5;
const PAUSE_MS = 200;
/** How many pages of the list a query may load. */
const PAGES_MAX = 20;

/** @typedef {{name: string, about: string, picture: HTMLElement, refusal: string, open: () => void}} Choice */
/** @typedef {{
 *   find: (query: string) => Conversation[], open: (id: number) => void, title?: string, refusal?: (id: number) => string,
 *   places?: {name: string, sign: string, open: () => void}[],
 * }} SwitcherParts `places` are other parts of the inbox; `find` returns the conversations that match, the newest first; `title` says what for; `refusal` says
 * why a conversation cannot be chosen, or nothing */

const { keyboard: words } = dialogSay;

class Switcher {
  /** @type {User[]} */
  #users = [];
  /** @type {Choice[]} */
  #choices = [];
  #at = 0;
  #turn = 0;
  #isSearching = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #field = h('input', {
    type: 'search', role: 'combobox', autocomplete: 'off', 'aria-label': words.goTo, placeholder: words.find,
    'aria-expanded': 'true', 'aria-controls': 'switcher-choices', 'aria-autocomplete': 'list',
    oninput: () => this.#changed(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
  });
  #list = h('ul', { class: 'people', role: 'listbox', id: 'switcher-choices', 'aria-label': words.goTo });
  #note = h('p', { class: 'note', role: 'status' });

  /** @param {HTMLElement} host @param {Client} client @param {SwitcherParts} parts */
  constructor(host, client, parts) {
    this.client = client;
    this.parts = parts;
    this.dialog = openDialog(host, parts.title ?? words.goTo,
      h('form', { onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
        h('label', { class: 'search' }, icon('search', { small: true }), this.#field), this.#list, this.#note));
    this.dialog.classList.add('picker');
    this.dialog.addEventListener('close', () => clearTimeout(this.#timer));
    this.#field.focus();
    this.#draw();
  }

  #changed() {
    this.#at = 0;
    this.#users = [];
    clearTimeout(this.#timer);
    const turn = (this.#turn += 1);
    const query = this.#field.value.trim();
    this.#isSearching = query !== '';
    this.#draw();
    if (this.#isSearching) this.#timer = setTimeout(() => void this.#search(query, turn), PAUSE_MS);
  }

  /** @param {string} query @param {number} turn */
  async #search(query, turn) {
    const [trouble] = await Promise.all([isSearchable(query) ? this.#findUsers(query, turn) : '', this.#loadMore(turn)]);
    if (!this.#isCurrent(turn)) return;
    this.#isSearching = false;
    this.#draw();
    if (trouble !== '') setText(this.#note, trouble);
  }

  /** @param {string} query @param {number} turn @returns {Promise<string>} what failed */
  async #findUsers(query, turn) {
    try {
      const users = await this.client.findUsers(query);
      if (!this.#isCurrent(turn)) return '';
      this.#users = users.filter(({ id }) => id !== this.client.user).slice(0, USERS_MAX);
      this.#draw();
      return '';
    } catch (error) {
      return sentences(dialogSay.peopleFailed, errorText(error));
    }
  }

  /** Loads more of the list until enough conversations are found. @param {number} turn */
  async #loadMore(turn) {
    const { client } = this;
    for (let page = 0; page < PAGES_MAX && this.#isCurrent(turn); page += 1) {
      const { next } = client.state.list;
      if (next === null || this.parts.find(this.#field.value).length >= CONVERSATIONS_MAX) return;
      await client.sync.loadList();
      if (client.state.list.next === next) return;
      if (this.#isCurrent(turn)) this.#draw();
    }
  }

  /** @param {number} turn @returns {boolean} */
  #isCurrent(turn) {
    return turn === this.#turn && this.dialog.open;
  }

  #draw() {
    const { state } = this.client;
    const conversations = this.parts.find(this.#field.value).slice(0, CONVERSATIONS_MAX).map((one) => ({
      name: nameOf(state, one),
      about: one.context?.title ?? '',
      picture: avatar(avatarUsers(state, one), { pair: one.kind === 'group', picture: one.picture, size: 36 }),
      refusal: this.parts.refusal?.(one.id) ?? '',
      open: () => this.parts.open(one.id),
    }));
    const users = this.#users.map((user) => ({
      name: user.name, about: '', picture: avatar([user], { size: 36 }), refusal: '', open: () => void this.#write(user),
    }));
    const wanted = parseQuery(this.#field.value);
    const places = (this.parts.places ?? []).filter(({ name }) => isFound(name, wanted)).map(({ name, sign, open }) => ({
      name, about: '', picture: h('span', { class: 'place' }, icon(sign)), refusal: '', open,
    }));
    this.#choices = [...conversations, ...places, ...users];
    this.#list.replaceChildren(...this.#choices.map(({ name, about, picture }, index) => h('li', {
      role: 'option', id: `switcher-${index}`, onclick: () => this.#open(index),
    }, picture, h('span', {}, h('b', { class: 'one-line', dir: 'auto' }, name),
      about !== '' && h('span', { class: 'one-line', dir: 'auto' }, about)))));
    const count = this.#choices.length;
    const found = this.#isSearching || this.#field.value.trim() === '' ? '' : dialogSay.foundCount(count, false);
    setText(this.#note, count > 0 || this.#isSearching ? found : words.nothing);
    this.#choose(Math.min(this.#at, Math.max(0, this.#choices.length - 1)));
  }

  /** @param {number} at */
  #choose(at) {
    this.#at = at;
    for (const [index, row] of [...this.#list.children].entries()) {
      setAttribute(row, 'aria-selected', String(index === at));
      if (index === at) row.scrollIntoView({ block: 'nearest' });
    }
    setAttribute(this.#field, 'aria-activedescendant', this.#choices.length > 0 ? `switcher-${at}` : null);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const count = this.#choices.length;
    if (event.key === 'Enter') this.#open(this.#at);
    // Otherwise the browser would only empty the field.
    else if (event.key === 'Escape') this.dialog.close();
    else if (event.key === 'ArrowDown' && count > 0) this.#choose((this.#at + 1) % count);
    else if (event.key === 'ArrowUp' && count > 0) this.#choose((this.#at + count - 1) % count);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  #open(index) {
    const choice = this.#choices[index];
    if (!choice) return;
    if (choice.refusal !== '') {
      setText(this.#note, choice.refusal);
      return;
    }
    // The focus goes where the choice leads, so the dialog gives it back first.
    if (index < this.#choices.length - this.#users.length) this.dialog.close();
    choice.open();
  }

  /** @param {User} user */
  async #write(user) {
    try {
      const { id } = await this.client.openConversation({ user: user.id });
      if (!this.dialog.open) return;
      this.dialog.close();
      this.parts.open(id);
    } catch (error) {
      setText(this.#note, errorText(error));
    }
  }
}

/** @param {HTMLElement} host @param {Client} client @param {SwitcherParts} parts */
export function openSwitcher(host, client, parts) {
  new Switcher(host, client, parts);
}
