/**
 * Who has read a message, and who has not.
 *
 * @import {User} from '../sdk/wire.js'
 */
import { openDialog } from './dialog.js';
import { h } from './dom.js';
import { face } from './face.js';
import { icon } from './icons.js';
import { say } from './strings.js';

/** Who has read an own message, and who has not yet.
 * @param {HTMLElement} host @param {{title: string, text: string, read: User[], rest: User[]}} message */
export function openReaders(host, { title, text, read, rest }) {
  const part = (/** @type {string} */ words, /** @type {string} */ sign, /** @type {User[]} */ users) =>
    users.length === 0 ? [] : [
      h('h3', {}, icon(sign, { small: true }), words),
      h('ul', { class: 'readers' }, ...users.map((user) => person(user, '', false))),
    ];
  openDialog(host, title, h('p', { class: 'one-line' }, text),
    ...part(say.readers, 'read', read), ...part(say.notReadYet, 'checks', rest));
}

/** @param {User} user @param {string} note @param {boolean} isMe @returns {HTMLElement} */
function person(user, note, isMe) {
  return h('li', { class: 'reader' }, face([user], { size: 34 }),
    h('span', { class: 'one-line', dir: 'auto' }, user.name),
    isMe ? h('span', { class: 'chip mine' }, say.you) : null,
    note ? h('span', { class: 'note' }, note) : null);
}
