/**
 * Which messages are noticed, and by which rule.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksForHelp } from '../src/inbox/actions/shortcuts.js';
import { matchesKey } from '../src/inbox/ui/keys.js';
import { NewMessages, claim, isCatchingUp, isSummedUp } from '../src/inbox/view/arrivals.js';
import { decide, isWithin, maySound, noticeSettings } from '../src/inbox/view/notices.js';

/**
 * @import {State} from '../src/sdk/state/state.js'
 * @import {Arrival, Decision, NoticeSettings, NoticeState} from '../src/inbox/view/notices.js'
 */

const usual = noticeSettings(null);
const NOON = 12 * 60;
const NIGHT = 23 * 60;
const ARRIVAL = { conversation: 4, seq: 10, mention: 0 };

/** The user is not looking; notifications are on and allowed. @type {NoticeState} */
const away = {
  readSeq: 9, isMuted: false, looking: null, settings: { ...usual, desktop: true }, permission: 'granted', minutes: NOON,
};

/** @param {Partial<NoticeSettings>} changed @returns {Partial<NoticeState>} */
const set = (changed) => ({ settings: { ...away.settings, ...changed } });

/** What is different from `away`, and the rule, whether it shows and whether it sounds.
 * @type {[string, Partial<NoticeState>, Decision['rule'], boolean, boolean][]} */
const CASES = [
  ['nobody looks', {}, 'shown', true, true],
  ['the sound is off', set({ sound: false }), 'shown', true, false],
  ['read already', { readSeq: 10 }, 'read', false, false],
  ['read beyond', { readSeq: 12 }, 'read', false, false],
  ['this conversation is looked at', { looking: 4 }, 'open', false, false],
  ['this conversation is looked at, and read', { looking: 4, readSeq: 10 }, 'open', false, false],
  ['another conversation is looked at', { looking: 5 }, 'here', false, true],
  ['the list is looked at', { looking: 0 }, 'here', false, true],
  ['muted', { isMuted: true }, 'muted', false, false],
  ['muted, while looking elsewhere', { isMuted: true, looking: 5 }, 'muted', false, false],
  ['reading comes before the mute', { isMuted: true, readSeq: 10 }, 'read', false, false],
  ['muted, and do not disturb', { ...set({ quiet: true }), isMuted: true }, 'muted', false, false],
  ['do not disturb', set({ quiet: true }), 'quiet', false, false],
  ['do not disturb, while looking elsewhere', { ...set({ quiet: true }), looking: 5 }, 'quiet', false, false],
  ['reading comes before do not disturb', { ...set({ quiet: true }), readSeq: 10 }, 'read', false, false],
  ['within the quiet hours', { ...set({ scheduled: true }), minutes: NIGHT }, 'schedule', false, false],
  ['outside of the quiet hours', set({ scheduled: true }), 'shown', true, true],
  ['the quiet hours are off', { minutes: NIGHT }, 'shown', true, true],
  ['notifications are off', set({ desktop: false }), 'off', false, true],
  ['notifications and the sound are off', set({ desktop: false, sound: false }), 'off', false, false],
  ['the browser was not answered', { permission: 'default' }, 'blocked', false, true],
  ['the browser refuses', { permission: 'denied' }, 'blocked', false, true],
  ['the browser refuses, and they are off', { ...set({ desktop: false }), permission: 'denied' }, 'off', false, true],
];

for (const [name, different, rule, show, sound] of CASES) {
  test(`${name}: ${rule}`, () => {
    assert.deepEqual(decide(ARRIVAL, { ...away, ...different }), { rule, show, sound });
  });
}

test('a mention gets through a mute, but neither through do not disturb nor to somebody who looks', () => {
  const muted = { ...away, isMuted: true };
  const decided = (/** @type {object} */ different) => decide({ ...ARRIVAL, mention: 10 }, { ...muted, ...different });
  assert.deepEqual(decided({}), { rule: 'mentioned', show: true, sound: true });
  assert.deepEqual(decided({ isMuted: false }), { rule: 'shown', show: true, sound: true }, 'without a mute it decides nothing');
  assert.deepEqual(decided({ looking: 5 }), { rule: 'mentioned', show: false, sound: true });
  assert.deepEqual(decided({ looking: ARRIVAL.conversation }), { rule: 'open', show: false, sound: false });
  assert.deepEqual(decided(set({ quiet: true })), { rule: 'quiet', show: false, sound: false });
  assert.deepEqual(decided({ ...set({ scheduled: true }), minutes: NIGHT }), { rule: 'schedule', show: false, sound: false });
  assert.deepEqual(decided(set({ desktop: false, sound: false })), { rule: 'off', show: false, sound: false });
});

test('quiet hours end before their end, go over midnight, and may be the whole day', () => {
  const night = { from: '22:00', until: '07:30' };
  for (const [time, wanted] of /** @type {const} */ ([
    [22 * 60 - 1, false], [22 * 60, true], [0, true], [7 * 60 + 29, true], [7 * 60 + 30, false],
  ])) assert.equal(isWithin(time, night), wanted, String(time));
  const day = { from: '09:00', until: '17:00' };
  for (const [time, wanted] of /** @type {const} */ ([
    [9 * 60 - 1, false], [9 * 60, true], [17 * 60 - 1, true], [17 * 60, false],
  ])) assert.equal(isWithin(time, day), wanted, String(time));
  assert.equal(isWithin(0, { from: '08:00', until: '08:00' }), true);
});

test('stored settings that are missing or broken have defaults', () => {
  const wanted = { sound: true, desktop: false, quiet: false, scheduled: false, from: '22:00', until: '07:00' };
  for (const stored of [null, undefined, 4, 'x', {}, { from: '25:00', until: 7, sound: 'no', quiet: 1 }]) {
    assert.deepEqual(noticeSettings(stored), wanted, JSON.stringify(stored));
  }
  assert.deepEqual(noticeSettings({ ...wanted, sound: false, from: '23:30' }), { ...wanted, sound: false, from: '23:30' });
});

const ME = 1;
const OTHER = 2;

/** A conversation whose last message has these properties. @param {number} id @param {object} last @param {number} unread */
const row = (id, last, unread) => ({
  id, unread, last_seq: 9,
  last_message: { id: 100, seq: 9, sender: OTHER, created_at: '2026-01-02T03:04:05Z', ...last },
});

/** @param {ReturnType<typeof row>[]} rows @param {{cursor?: string|null, loaded?: boolean, stale?: number, blocks?: number[]}} [more]
 * @returns {State} */
const stateOf = (rows, { cursor = 'one.100', loaded = true, stale = 0, blocks = [] } = {}) => /** @type {State} */ (/** @type {unknown} */ ({
  cursor, list: { loaded }, blocks: new Set(blocks), conversations: new Map(rows.map((one) => [one.id, one])),
  stale: new Map(Array.from({ length: stale }, (_, index) => [`conversation:${index}`, {}])),
}));

/** @param {NewMessages} messages @param {State} state @returns {number[]} the conversations with arrivals */
const found = (messages, state) =>
  messages.find({ state, user: ME, readUpTo: () => 0 }).map((one) => one.conversation);

test('what arrives while the server starts again has arrived; what is there after a reset has not', () => {
  const messages = new NewMessages();
  assert.deepEqual(found(messages, stateOf([row(4, {}, 1)])), [], 'the first list');
  const restarted = stateOf([row(4, { id: 101 }, 2)], { cursor: 'two.101' });
  assert.deepEqual(found(messages, restarted), [4]);
  assert.deepEqual(found(messages, restarted), [], 'once');
  assert.deepEqual(found(messages, stateOf([], { cursor: 'three.50', loaded: false })), []);
  assert.deepEqual(found(messages, stateOf([row(4, { id: 40 }, 2)], { cursor: 'three.50' })), []);
  assert.deepEqual(found(messages, stateOf([row(4, { id: 51 }, 3)], { cursor: 'three.51' })), [4], 'with smaller ids');
});

test('what a blocked user writes in a group has not arrived', () => {
  const messages = new NewMessages();
  const blocked = { blocks: [OTHER] };
  found(messages, stateOf([row(4, {}, 1)], blocked));
  assert.deepEqual(found(messages, stateOf([row(4, { id: 101 }, 2)], blocked)), []);
  assert.deepEqual(found(messages, stateOf([row(4, { id: 102, sender: OTHER + 1 }, 3)], blocked)), [4]);
});

test('a message with a line, a deletion or an own message right behind it has arrived', () => {
  for (const last of [{ system: { type: 'left' } }, { deleted: true }, { sender: ME }]) {
    const messages = new NewMessages();
    found(messages, stateOf([row(4, {}, 1)]));
    assert.deepEqual(found(messages, stateOf([row(4, { id: 101, ...last }, 1)])), [], JSON.stringify(last));
    assert.deepEqual(found(messages, stateOf([row(4, { id: 103, ...last }, 2)])), [4], JSON.stringify(last));
  }
});

test('after a time without a connection, and of many conversations at once, there is one notice', () => {
  assert.equal(isCatchingUp(stateOf([]), true), false);
  assert.equal(isCatchingUp(stateOf([]), false), true);
  assert.equal(isCatchingUp(stateOf([], { loaded: false }), true), true);
  assert.equal(isCatchingUp(stateOf([], { stale: 100 }), true), true);
  assert.deepEqual([1, 3, 4, 100].map((count) => isSummedUp(count, false)), [false, false, true, true]);
  assert.deepEqual([1, 2, 100].map((count) => isSummedUp(count, true)), [false, true, true]);
});

test('one tab decides about a message, also after the ids began again', () => {
  /** @type {(id: number, at: number) => Arrival} */
  const arrival = (id, at) => ({ conversation: 4, seq: 1, id, at, mention: 0 });
  const first = claim([], [arrival(10, 1000)], 9);
  assert.equal(first.fresh.length, 1);
  assert.equal(claim(first.claims, [arrival(10, 1000)], 9).fresh.length, 0, 'another tab');
  assert.equal(claim(first.claims, [arrival(9, 900)], 9).fresh.length, 0, 'a slower tab');
  assert.equal(claim(first.claims, [arrival(11, 1000)], 9).fresh.length, 1);
  assert.equal(claim(first.claims, [arrival(3, 2000)], 9).fresh.length, 1, 'after a restore');
  const many = Array.from({ length: 12 }, (_, index) => ({ ...arrival(10, 1000), conversation: index }));
  assert.equal(claim([], many, 9).claims.length, 9);
});

test('a mention that a tab has decided about is not another one for a later message', () => {
  const arrival = (/** @type {number} */ id, /** @type {number} */ mention) => ({ conversation: 4, seq: id, id, at: id, mention });
  const mentions = (/** @type {{fresh: Arrival[]}} */ { fresh }) => fresh.map((one) => one.mention);
  const first = claim([], [arrival(2, 2)], 9);
  assert.deepEqual(mentions(first), [2]);
  const second = claim(first.claims, [arrival(3, 2)], 9);
  assert.deepEqual(mentions(second), [0], 'a tab that was drawn later saw both messages together');
  assert.deepEqual(mentions(claim(second.claims, [arrival(5, 4)], 9)), [4]);
});

test('a sound that is due is played if sounds are allowed now', () => {
  assert.equal(maySound(usual, NIGHT), true);
  for (const changed of [{ sound: false }, { quiet: true }, { scheduled: true }]) {
    assert.equal(maySound({ ...usual, ...changed }, NIGHT), false, JSON.stringify(changed));
  }
  assert.equal(maySound({ ...usual, scheduled: true }, NOON), true);
});

/** @param {string} key @param {Partial<KeyboardEvent>} [more] @returns {KeyboardEvent} */
const press = (key, more) => /** @type {KeyboardEvent} */ ({
  key, code: `Key${key.toUpperCase()}`, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more,
});

test('a shortcut with Shift is another one', () => {
  assert.equal(matchesKey(press('k', { ctrlKey: true }), 'Ctrl K'), true);
  assert.equal(matchesKey(press('k', { metaKey: true }), 'Ctrl K'), true);
  assert.equal(matchesKey(press('K', { ctrlKey: true, shiftKey: true }), 'Ctrl K'), false);
  assert.equal(matchesKey(press('F', { ctrlKey: true, shiftKey: true }), 'Ctrl Shift F'), true);
  assert.equal(matchesKey(press('f', { ctrlKey: true }), 'Ctrl Shift F'), false);
  assert.equal(matchesKey(press('л', { ctrlKey: true, code: 'KeyK' }), 'Ctrl K'), true);
  assert.equal(matchesKey(press('R', { shiftKey: true }), 'R'), false);
});

test('Ctrl+/ asks for help, by its place where there is no such sign; making the page smaller does not', () => {
  assert.equal(asksForHelp(press('/', { ctrlKey: true })), true);
  assert.equal(asksForHelp(press('ظ', { ctrlKey: true, code: 'Slash' })), true);
  assert.equal(asksForHelp(press('-', { ctrlKey: true, code: 'Slash' })), false);
  assert.equal(asksForHelp(press('/', { ctrlKey: true, altKey: true })), false);
});
