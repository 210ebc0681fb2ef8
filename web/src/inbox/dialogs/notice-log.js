/**
 * The dialog that says which rule decided about each of the last notices.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {LoggedNotice} from '../view/notices.js'
 */
import { nameOf } from '../view/conversations.js';
import { dialogSay } from '../view/dialog-strings.js';
import { sinceTime } from '../view/format.js';
import { say, textOf } from '../view/strings.js';
import { openDialog } from '../ui/dialog.js';
import { h } from '../ui/dom.js';

const { notices: words } = dialogSay;

/** @param {HTMLElement} host @param {Client} client
 * @param {LoggedNotice[]} log the newest first */
export function openNoticeLog(host, client, log) {
  const { state, clock } = client;
  const rows = log.map(({ at, conversation: id, rule, show, sound }) => {
    const conversation = state.conversations.get(id);
    const done = show ? (sound ? 'both' : 'shown') : (sound ? 'sound' : 'none');
    const name = conversation ? nameOf(state, conversation) : say.conversations;
    return h('li', {}, h('div', {},
      h('b', { class: 'one-line', dir: 'auto' }, name),
      h('span', {}, `${sinceTime(at, clock.now())} · ${words.done[done]}`),
      h('span', {}, textOf(words.rules, rule) ?? '')));
  });
  openDialog(host, words.why, rows.length > 0
    ? h('ul', { class: 'sessions', tabindex: 0, 'aria-label': words.why }, ...rows)
    : h('p', {}, words.empty));
}
