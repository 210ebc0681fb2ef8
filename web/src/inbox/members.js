/**
 * Who is in a group, and who has read a message. Owners add and remove; everybody may leave.
 *
 * @import {Conversation, User} from '../sdk/wire.js'
 */
import { ask, openDialog } from './dialog.js';
import { h } from './dom.js';
import { face } from './face.js';
import { icon } from './icons.js';
import { say } from './strings.js';

/**
 * @typedef {{
 *   conversation: Conversation, me: number, known: (user: User) => User, add: () => void,
 *   remove: (user: number) => Promise<void>, leave: () => void,
 * }} Group
 */

/** @param {HTMLElement} host @param {Group} group */
export function openMembers(host, { conversation, me, known, add, remove, leave }) {
  const mine = conversation.members.find((one) => one.user.id === me);
  const isOwner = mine?.role === 'owner';
  const why = h('p', { class: 'why', role: 'alert', hidden: true });
  const rows = conversation.members.map((member) => {
    const user = known(member.user);
    const row = person(user, member.role === 'owner' ? say.owner : '', user.id === me);
    if (isOwner && user.id !== me) row.append(removeButton(user, row, remove, why));
    return row;
  });
  const addButton = h('button', {
    class: 'button', type: 'button',
    onclick: () => {
      dialog.close();
      add();
    },
  }, icon('plus', { small: true }), say.addPeople);
  const leaveButton = h('button', {
    class: 'button warn', type: 'button',
    onclick: () => {
      dialog.close();
      const title = say.leaveQuestion(conversation.title ?? '');
      ask(host, { title, more: say.leaveMore, keep: say.stay, act: say.leaveGroup, then: leave });
    },
  }, say.leaveGroup);
  const dialog = openDialog(host, conversation.title ?? say.members,
    h('h3', {}, say.people(conversation.member_count)), h('ul', { class: 'readers' }, ...rows), why,
    h('footer', {}, isOwner ? addButton : null, leaveButton));
}

/** @param {User} user @param {HTMLElement} row @param {(user: number) => Promise<void>} remove
 * @param {HTMLElement} why @returns {HTMLElement} */
function removeButton(user, row, remove, why) {
  const button = h('button', {
    class: 'tool', type: 'button', 'aria-label': say.remove(user.name), title: say.remove(user.name),
    onclick: async () => {
      button.disabled = true;
      try {
        await remove(user.id);
        row.remove();
      } catch {
        button.disabled = false;
        why.replaceChildren(icon('alert', { small: true }), say.changeFailed);
        why.hidden = false;
      }
    },
  }, icon('close'));
  return button;
}

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
