/**
 * Who has read or received a message and when, and who reacted how.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, Member, User} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 */
import { loadAllReactions } from '../../sdk/all-pages.js';
import { Groups } from '../../sdk/groups.js';
import { openDialog } from '../ui/dialog.js';
import { h, setText } from '../ui/dom.js';
import { emojiName } from '../view/emoji.js';
import { avatar } from '../ui/avatar.js';
import { shortTime } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { latestUser } from '../view/users.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say, sentences } from '../view/strings.js';
import { errorText } from '../view/error-text.js';

/**
 * @typedef {{
 *   state: State, conversation: Conversation, seq: number, text: string, now: number,
 *   client: Client,
 * }} Reading
 */

/** The most pages that a dialog loads by itself. */
const PAGES_MAX = 20;

/** @param {HTMLElement} host @param {Reading} reading */
export function openReadersDialog(host, reading) {
  const { conversation, text } = reading;
  const body = h('div', { class: 'who-read' });
  const dialog = openDialog(host, dialogSay.readers, h('p', { class: 'one-line', dir: 'auto' }, text), body);
  const title = /** @type {HTMLElement} */ (dialog.querySelector('h2'));
  const draw = (/** @type {Member[]} */ members) => {
    const { read, parts } = sorted(reading, members);
    setText(title, say.readBy(read, members.length - 1));
    body.replaceChildren(...parts);
  };
  if (conversation.member_count === conversation.members.length) {
    draw(conversation.members);
    return;
  }
  // In a large group the markers of all members are loaded.
  body.append(h('p', { class: 'late', role: 'status' }, dialogSay.loadingPeople));
  everybody(reading).then(draw, (error) => body.replaceChildren(failed(error)));
}

/** @param {Reading} reading @returns {Promise<Member[]>} */
async function everybody({ client, conversation }) {
  const groups = new Groups(client);
  /** @type {Member[]} */
  const all = [];
  /** @type {string|undefined} */
  let after;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const { members, next } = await groups.listMembers(conversation.id, after);
    all.push(...members);
    if (!next) break;
    after = next;
  }
  return all;
}

/** @param {Reading} reading @param {Member[]} members @returns {{read: number, parts: HTMLElement[]}} */
function sorted({ state, seq, now }, members) {
  const others = members.filter((one) => one.user.id !== state.user && !one.left);
  const read = others.filter((one) => one.read_seq >= seq)
    .sort((a, b) => (a.read_at ?? '').localeCompare(b.read_at ?? ''));
  const delivered = others.filter((one) => one.read_seq < seq && one.delivered_seq >= seq);
  const rest = others.filter((one) => one.delivered_seq < seq);
  const parts = [
    ...part(dialogSay.readers, 'read', read.map((one) => person(latestUser(state, one.user), one.read_at, now))),
    ...part(dialogSay.deliveredTo, 'checks', delivered.map((one) => person(latestUser(state, one.user), null, now))),
    ...part(dialogSay.notDelivered, 'check', rest.map((one) => person(latestUser(state, one.user), null, now))),
  ];
  return { read: read.length, parts };
}

/** @param {string} title @param {string} sign @param {HTMLElement[]} rows @returns {HTMLElement[]} */
function part(title, sign, rows) {
  if (rows.length === 0) return [];
  return [h('h3', {}, icon(sign, { small: true }), title), h('ul', { class: 'readers' }, ...rows)];
}

/** @param {HTMLElement} host @param {{client: Client, conversation: number, seq: number}} message */
export function openReactionsDialog(host, { client, conversation, seq }) {
  const body = h('div', { class: 'who-read' }, h('p', { class: 'late', role: 'status' }, dialogSay.loadingPeople));
  openDialog(host, dialogSay.reactions, body);
  const load = (/** @type {string|undefined} */ after) => client.request({
    type: 'message.reactions', conversation, seq, ...(after === undefined ? {} : { after }),
  });
  loadAllReactions(load).then((reactions) => {
    body.replaceChildren(...reactions.flatMap(({ emoji, users }) => [
      h('h3', {}, h('span', { class: 'sign', 'aria-hidden': 'true' }, emoji), emojiName(emoji)),
      h('ul', { class: 'readers' }, ...users.map((user) => person(user, null, 0))),
    ]));
  }, (error) => body.replaceChildren(failed(error)));
}

/** @param {User} user @param {string|null} at @param {number} now @returns {HTMLElement} */
function person(user, at, now) {
  return h('li', { class: 'reader' }, avatar([user], { size: 34 }),
    h('span', { class: 'one-line', dir: 'auto' }, user.name),
    at && h('time', { datetime: at }, shortTime(Date.parse(at), now)));
}

/** @param {unknown} error */
function failed(error) {
  return h('p', { class: 'why', role: 'alert' }, sentences(dialogSay.peopleFailed, errorText(error)));
}
