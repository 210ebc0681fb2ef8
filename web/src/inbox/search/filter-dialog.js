/**
 * The dialogs of the search filters: choosing a user, a conversation or a context by name, and choosing days.
 *
 * @import {Context, User} from '../../sdk/wire.js'
 */
import { openDialog } from '../ui/dialog.js';
import { h, setText } from '../ui/dom.js';
import { avatar, contextPicture } from '../ui/avatar.js';
import { icon } from '../ui/icons.js';
import { dialogSay } from '../view/dialog-strings.js';

/**
 * @typedef {{
 *   name: string, more?: string, faces?: User[], pair?: boolean, context?: Context, choose: () => void,
 * }} Option
 */

const PAUSE_MS = 150;

/** @param {HTMLElement} host @param {{title: string, find: (query: string) => Promise<Option[]>}} choice */
export function openFilterDialog(host, { title, find }) {
  let lastRequest = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const list = h('ul', { class: 'people', 'aria-label': title });
  const note = h('p', { class: 'note', role: 'status' });
  const look = async () => {
    const request = (lastRequest += 1);
    const query = field.value.trim();
    const options = await find(query).catch(() => null);
    if (request !== lastRequest) return;
    setText(note, options === null ? dialogSay.peopleFailed : options.length === 0 ? dialogSay.searchNothing(query) : '');
    note.hidden = note.textContent === '';
    list.hidden = !options || options.length === 0;
    list.replaceChildren(...(options ?? []).map((one) => optionRow(one, () => dialog.close())));
  };
  const field = h('input', {
    type: 'search', autocomplete: 'off', 'aria-label': title, placeholder: dialogSay.findByName,
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => void look(), PAUSE_MS);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.isComposing || (event.key !== 'ArrowDown' && event.key !== 'Enter')) return;
      event.preventDefault();
      const first = list.querySelector('button');
      if (event.key === 'Enter') first?.click();
      else first?.focus();
    },
  });
  list.addEventListener('keydown', (event) => moveFocus(event, list));
  const dialog = openDialog(host, title,
    h('label', { class: 'search' }, icon('search', { small: true }), field), list, note);
  dialog.classList.add('picker', 'choosing');
  field.focus();
  void look();
}

/** @param {Option} option @param {() => void} close @returns {HTMLElement} */
function optionRow({ name, more, faces, pair, context, choose }, close) {
  const sign = context ? contextPicture(context, 'photo') : avatar(faces ?? [], { size: 36, pair });
  return h('li', {}, h('button', {
    type: 'button',
    onclick: () => {
      close();
      choose();
    },
  }, sign, h('span', { class: 'one-line', dir: 'auto' }, name, more && h('small', {}, ` ${more}`))));
}

/** Moves through the options with the arrow keys. @param {KeyboardEvent} event @param {HTMLElement} list */
function moveFocus(event, list) {
  const buttons = [...list.querySelectorAll('button')];
  const at = buttons.findIndex((one) => one === document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
}

/** @typedef {{from: string, until: string}} Days */

/** @param {HTMLElement} host @param {Days & {done: (days: Days) => void}} days */
export function openDateDialog(host, { from, until, done }) {
  const first = h('input', { type: 'date', value: from, max: until || null });
  const last = h('input', { type: 'date', value: until, min: from || null });
  first.addEventListener('input', () => { last.min = first.value; });
  last.addEventListener('input', () => { first.max = last.value; });
  const form = h('form', {
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      dialog.close();
      done({ from: first.value, until: last.value });
    },
  },
  h('label', { class: 'field' }, dialogSay.filterFrom, first), h('label', { class: 'field' }, dialogSay.filterUntil, last),
  h('footer', {}, h('button', { class: 'button main', type: 'submit' }, dialogSay.apply)));
  const dialog = openDialog(host, dialogSay.filterDate, form);
  dialog.classList.add('picker');
  first.focus();
}
