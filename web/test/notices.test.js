/**
 * Which messages are noticed, and by which rule.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, isWithin, noticeSettings } from '../src/inbox/view/notices.js';

/** @import {Decision, NoticeSettings, NoticeState} from '../src/inbox/view/notices.js' */

const usual = noticeSettings(null);
const NOON = 12 * 60;
const NIGHT = 23 * 60;
const ARRIVAL = { conversation: 4, seq: 10 };

/** The user is not looking; notifications are on and allowed. @type {NoticeState} */
const away = {
  readSeq: 9, looking: null, settings: { ...usual, desktop: true }, permission: 'granted', minutes: NOON,
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
  ['another conversation is looked at', { looking: 5 }, 'here', false, true],
  ['the list is looked at', { looking: 0 }, 'here', false, true],
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
