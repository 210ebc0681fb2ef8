/**
 * Texts about presence and typing.
 *
 * @import {Conversation, Presence, User} from '../src/sdk/wire.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  dotOf, watchedUsers, presenceText, presenceLine, shortTypingText, typingText, typingUsers,
} from '../src/inbox/view/presence.js';
import { emptyState } from '../src/sdk/state/state.js';

const NOW = new Date(2026, 10, 22, 10, 47).getTime();
const ME = 1;

/** @param {number} id @param {string} name @returns {User} */
const user = (id, name) => ({ id, name, picture: null, version: 1 });
const ada = user(ME, 'Ada Lovelace');
const ben = user(2, 'Ben Okafor');
const cleo = user(3, 'Cleo Marchand');
const dan = user(4, 'דן לוי');

/** @param {'direct'|'group'} kind @param {User[]} users @returns {Conversation} */
function conversation(kind, users) {
  const members = users.map((one) => ({
    user: one, role: /** @type {const} */ ('member'), context_role: null, read_seq: 0, read_at: null, delivered_seq: 0,
    history_from: 1, left: false, version: 1,
  }));
  return {
    id: 12, version: 1, kind, title: kind === 'group' ? 'Night desk' : null, picture: null, context: null,
    created_by: ME, created_at: new Date(NOW).toISOString(), activity: 1, last_seq: 0, last_message: null,
    member_count: users.length, members, unread: 0,
  };
}

/** @param {Presence['status']} status @param {number} [minutes] @returns {Presence} */
const presence = (status, minutes) => ({
  user: 2, status, seen_at: minutes === undefined ? null : new Date(NOW - minutes * 60_000).toISOString(),
});

test('presence is a status and a time, and empty where it is not shared', () => {
  const words = (/** @type {Presence|null} */ one) => presenceText(one, NOW);
  assert.equal(words(presence('online')), 'Online');
  assert.equal(words(presence('idle', 9)), 'Idle');
  assert.equal(words(presence('offline', 0)), 'Last seen just now');
  assert.equal(words(presence('offline', 5)), 'Last seen 5 min ago');
  assert.equal(words(presence('offline', 59)), 'Last seen 59 min ago');
  assert.equal(words(presence('offline', 125)), 'Last seen 2 hr ago');
  assert.equal(words(presence('offline', 24 * 60)), 'Last seen Yesterday');
  assert.equal(words(presence('offline', -3)), 'Last seen just now', 'a clock that runs ahead');
  assert.deepEqual([words(presence('offline')), words(presence('unknown')), words(null)], ['', '', '']);
  assert.deepEqual([presence('online'), presence('idle'), presence('offline'), presence('unknown'), null].map(dotOf),
    ['online', 'idle', '', '', '']);
});

test('the typing indicator names one user, two users, then several people', () => {
  assert.equal(typingText([]), '');
  assert.equal(typingText([ben]), 'Ben is typing');
  assert.equal(typingText([ben, dan]), 'Ben and \u2068דן\u2069 are typing');
  assert.equal(typingText([ben, cleo, dan]), 'Several people are typing');
  assert.equal(shortTypingText([ben], 'direct'), 'typing…');
  assert.equal(shortTypingText([ben], 'group'), 'Ben is typing…');
  assert.equal(shortTypingText([], 'group'), '');
});

test('only other known users are shown as typing', () => {
  const presenceSource = { typing: () => [ME, 2, 99], presence: () => null };
  const group = conversation('group', [ada, ben, cleo]);
  assert.deepEqual(typingUsers(emptyState(ME), group, presenceSource), [ben]);
});

test('a group header counts online members, a direct one shows the other user’s presence', () => {
  const presenceSource = { typing: () => [], presence: (/** @type {number} */ id) => (id === 2 ? presence('online') : null) };
  assert.deepEqual(presenceLine(emptyState(ME), conversation('group', [ada, ben, cleo]), presenceSource, NOW),
    { words: '3 people, 1 online', dot: 'online' });
  assert.deepEqual(presenceLine(emptyState(ME), conversation('direct', [ada, ben]), presenceSource, NOW),
    { words: 'Online', dot: 'online' });
  const nobody = { typing: () => [], presence: () => null };
  assert.deepEqual(presenceLine(emptyState(ME), conversation('group', [ada, ben]), nobody, NOW), { words: '2 people', dot: '' });
});

test('users on the screen are watched, members of the open conversation first', () => {
  const open = conversation('group', [ada, cleo, dan]);
  const rows = [conversation('direct', [ada, ben]), open];
  assert.deepEqual(watchedUsers(emptyState(ME), rows, open), [3, 4, 2]);
  assert.deepEqual(watchedUsers(emptyState(ME), rows, undefined), [2], 'in the list a group has no dot');
});
