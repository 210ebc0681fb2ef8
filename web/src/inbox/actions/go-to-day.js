/**
 * The dialog that leads to a day of a conversation: to the first message since it began.
 *
 * @import {Client} from '../../sdk/client.js'
 */
import { firstSince } from '../../sdk/first-since.js';
import { historyStart } from '../../sdk/state/settings.js';
import { openDialog } from '../ui/dialog.js';
import { h, setText } from '../ui/dom.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { longDay } from '../view/format.js';
import { say } from '../view/strings.js';

/** @param {{
 *   host: HTMLElement, client: Client, conversation: number, isOpen: () => boolean,
 *   goTo: (seq: number, quiet: boolean) => void,
 * }} parts `isOpen`: the conversation is still on the screen */
export function openGoToDay({ host, client, conversation, isOpen, goTo }) {
  const field = h('input', {
    type: 'date', required: true, max: dayOf(client.clock.now()), oninput: () => setText(note, ''),
  });
  let isFinding = false;
  const note = h('p', { class: 'note', role: 'status' });
  const dialog = openDialog(host, say.goToDay, h('form', {
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!isFinding) void find();
    },
  }, h('label', { class: 'field' }, dialogSay.filterDate, field), note,
  h('footer', {}, h('button', { class: 'button main', type: 'submit' }, dialogSay.toDay))));
  dialog.classList.add('picker');
  field.focus();

  const find = async () => {
    const row = client.state.conversations.get(conversation);
    const time = new Date(`${field.value}T00:00`).getTime();
    if (!row || Number.isNaN(time)) return;
    isFinding = true;
    setText(note, say.loadingMessages);
    const isStillNeeded = () => dialog.open && isOpen();
    try {
      const found = await firstSince({
        load: (where) => client.request({ type: 'message.list', conversation, ...where }),
        first: historyStart(client.state, row), last: row.last_seq, time, isStillNeeded,
      });
      if (!isStillNeeded()) return;
      setText(note, found ? '' : dialogSay.nothingSince(longDay(time)));
      if (found) {
        dialog.close();
        goTo(found.seq, found.deleted || (found.hidden ?? false));
      }
    } catch (error) {
      setText(note, errorText(error));
    } finally {
      isFinding = false;
    }
  };
}

/** Returns a day as a date field has it. @param {number} time @returns {string} */
function dayOf(time) {
  const date = new Date(time);
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
