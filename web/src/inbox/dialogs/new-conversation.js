/**
 * Choosing users to write to: one, or several with a name for the group. The server finds them.
 *
 * @import {User} from '../../sdk/wire.js'
 */
import { openDialog } from '../ui/dialog.js';
import { h, setText } from '../ui/dom.js';
import { avatar } from '../ui/avatar.js';
import { shortName } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { isSearchable } from '../view/users.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say, sentences } from '../view/strings.js';
import { nameError } from '../view/name-rules.js';
import { errorText } from '../view/error-text.js';

/**
 * @typedef {{
 *   title: string, people: (query: string) => Promise<User[]>, without: Set<number>,
 *   done: (users: User[], groupTitle: string|null) => Promise<void>, action: (users: User[]) => string,
 *   groups: boolean, hint: string, more?: Node,
 * }} Picking
 */

const PAUSE_MS = 150;

/** @param {HTMLElement} host @param {Picking} picking */
export function openUserPicker(host, picking) {
  new Picker(host, picking);
}

class Picker {
  /** @type {User[]} */
  #chosen = [];
  /** @type {User[]} */
  #found = [];
  #requestId = 0;
  #busy = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #search = h('input', {
    type: 'search', autocomplete: 'off', 'aria-label': dialogSay.findPeople, placeholder: dialogSay.findByName,
    oninput: () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#find(), PAUSE_MS);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#searchKey(event),
  });
  #chips = h('div', { class: 'chosen' });
  #list = h('ul', { class: 'people', 'aria-label': dialogSay.findPeople });
  #note = h('p', { class: 'note', role: 'status' });
  #title = h('input', { autocomplete: 'off', oninput: () => this.#draw() });
  #titleField = h('label', { class: 'field' }, dialogSay.groupName, this.#title);
  #why = h('p', { class: 'why', role: 'alert', hidden: true });
  #go = h('button', { class: 'button main', type: 'submit' });

  /** @param {HTMLElement} host @param {Picking} picking */
  constructor(host, picking) {
    this.picking = picking;
    const form = h('form', { onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      h('label', { class: 'search' }, icon('search', { small: true }), this.#search),
      this.#chips, this.#list, this.#note, this.#titleField, picking.more, this.#why, h('footer', {}, this.#go));
    this.dialog = openDialog(host, picking.title, form);
    this.dialog.classList.add('picker');
    this.#search.focus();
    this.#draw();
    void this.#find();
  }

  async #find() {
    const requestId = (this.#requestId += 1);
    const query = this.#search.value.trim();
    if (!isSearchable(query)) {
      this.#found = [];
      setText(this.#note, dialogSay.typeName);
      this.#draw();
      return;
    }
    try {
      const found = await this.picking.people(query);
      if (requestId !== this.#requestId) return;
      this.#found = found.filter((one) => !this.picking.without.has(one.id));
      setText(this.#note, this.#found.length > 0 ? '' : sentences(dialogSay.nobodyFound(query), this.picking.hint));
    } catch (error) {
      if (requestId !== this.#requestId) return;
      this.#found = [];
      setText(this.#note, sentences(dialogSay.peopleFailed, errorText(error)));
    }
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      if (this.#found.length > 0 && (this.#search.value.trim() !== '' || this.#chosen.length === 0)) {
        this.#toggle(this.#found[0]);
      }
    } else if (event.key === 'Backspace' && this.#search.value === '' && this.#chosen.length > 0) {
      this.#toggle(this.#chosen[this.#chosen.length - 1]);
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      this.#list.querySelector('button')?.focus();
    }
  }

  /** @param {User} user */
  #toggle(user) {
    const there = this.#chosen.some((one) => one.id === user.id);
    this.#chosen = there ? this.#chosen.filter((one) => one.id !== user.id) : [...this.#chosen, user];
    if (!there && this.#search.value !== '') {
      this.#search.value = '';
      void this.#find();
    }
    this.#draw();
    this.#search.focus();
  }

  #draw() {
    const group = this.picking.groups && this.#chosen.length > 1;
    this.#titleField.hidden = !group;
    this.#chips.hidden = this.#chosen.length === 0;
    this.#chips.replaceChildren(...this.#chosen.map((user) =>
      h('button', {
        class: 'chip mine', type: 'button', 'aria-label': dialogSay.remove(user.name), onclick: () => this.#toggle(user),
      }, h('span', { class: 'one-line', dir: 'auto' }, shortName(user.name)), icon('close', { small: true }))));
    this.#list.hidden = this.#found.length === 0;
    this.#list.replaceChildren(...this.#found.map((user) => {
      const chosen = this.#chosen.some((one) => one.id === user.id);
      return h('li', {}, h('button', {
        type: 'button', 'aria-pressed': String(chosen), onclick: () => this.#toggle(user),
        onkeydown: (/** @type {KeyboardEvent} */ event) => moveFocus(event, this.#list),
      }, avatar([user], { size: 36 }), h('span', { class: 'one-line', dir: 'auto' }, user.name),
      chosen ? icon('read') : null));
    }));
    this.#note.hidden = this.#note.textContent === '';
    this.#go.disabled = this.#busy || this.#chosen.length === 0 || (group && nameError(this.#title.value) !== '');
    const trouble = group && this.#title.value !== '' ? nameError(this.#title.value) : '';
    if (trouble !== '') this.#tell(trouble);
    else if (group) this.#why.hidden = true;
    setText(this.#go, this.picking.action(this.#chosen));
    this.#go.hidden = this.#chosen.length === 0;
  }

  /** @param {string} words */
  #tell(words) {
    this.#why.replaceChildren(icon('alert', { small: true }), words);
    this.#why.hidden = false;
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    if (this.#go.disabled) return;
    const title = this.picking.groups && this.#chosen.length > 1 ? this.#title.value.trim() : null;
    this.#busy = true;
    this.#draw();
    try {
      await this.picking.done(this.#chosen, title);
      this.dialog.close();
    } catch (error) {
      this.#busy = false;
      this.#draw();
      this.#tell(sentences(say.openFailed, errorText(error)));
    }
  }
}

/** Moves through the users with the arrow keys. @param {KeyboardEvent} event @param {HTMLElement} list */
function moveFocus(event, list) {
  const buttons = [...list.querySelectorAll('button')];
  const at = buttons.findIndex((one) => one === event.currentTarget);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
}

/** Returns the label of the button for a new conversation. @param {User[]} users @returns {string} */
export function startLabel(users) {
  if (users.length > 1) return dialogSay.startGroup(users.length + 1);
  return users.length === 1 ? dialogSay.startWith(shortName(users[0].name)) : say.writeToSomebody;
}

/** Returns why an existing user may not be found. @param {{who_may_write: string}} limits @returns {string} */
export function hintOf({ who_may_write: who }) {
  if (who === 'everyone') return '';
  return who === 'nobody' ? dialogSay.findsNobody : dialogSay.findsThoseWhoShare;
}
