/**
 * Read markers move forward only and are sent at most once a second per conversation.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ReadMarkers } from '../src/sdk/read-markers.js';
import { NoAnswer } from '../src/sdk/problem.js';
import { flushPromises, manualClock } from './support/clock.js';

/** @type {ReturnType<typeof manualClock>} */
let clock;
/** @type {any[]} */
let sent;
let failing = false;
/** How far the server knows that each conversation was read. @type {Record<number, number>} */
let stored;
/** @type {ReadMarkers} */
let marks;

beforeEach(() => {
  clock = manualClock();
  sent = [];
  failing = false;
  stored = {};
  marks = new ReadMarkers({
    clock,
    stored: (conversation) => stored[conversation] ?? 0,
    request: async (command) => {
      if (failing) throw new NoAnswer('gone');
      sent.push(command);
    },
  });
});

test('the first marker is sent at once, those of the next second together', async () => {
  marks.advance(3, 1, true);
  marks.advance(3, 2, true);
  marks.advance(3, 3, true);
  marks.advance(4, 9, true);
  await flushPromises();
  assert.deepEqual(sent.map((one) => [one.conversation, one.read]), [[3, 1], [4, 9]]);
  await clock.advance(999);
  assert.equal(sent.length, 2);
  await clock.advance(1);
  assert.deepEqual(sent.slice(2).map((one) => [one.conversation, one.read]), [[3, 3]]);
  await clock.advance(10_000);
  assert.equal(sent.length, 3);
});

test('a marker never moves back, and reading includes delivery', async () => {
  marks.advance(3, 5, true);
  marks.advance(3, 4, true);
  marks.advance(3, 5, false);
  await clock.advance(5_000);
  assert.deepEqual(sent, [{ type: 'conversation.mark', conversation: 3, read: 5 }]);
  marks.advance(3, 7, false);
  await clock.advance(5_000);
  assert.deepEqual(sent.slice(1), [{ type: 'conversation.mark', conversation: 3, delivered: 7 }]);
  assert.equal(marks.readUpTo(3), 5);
});

test('a lost marker is sent again', async () => {
  failing = true;
  marks.advance(3, 5, true);
  await clock.advance(1_000);
  failing = false;
  await clock.advance(5_000);
  assert.deepEqual(sent.map((one) => one.read), [5]);
});

test('after a reset markers are sent again, since the server may have lost them', async () => {
  marks.advance(3, 5, true);
  marks.reset();
  assert.equal(marks.readUpTo(3), 0);
  marks.advance(3, 5, true);
  await clock.advance(5_000);
  assert.deepEqual(sent.map((one) => one.read), [5, 5]);
});

test('a marker that waits for a connection is not sent when another device has read as far', async () => {
  failing = true;
  marks.advance(3, 5, true);
  marks.advance(4, 5, true);
  await clock.advance(1_000);
  failing = false;
  stored = { 3: 5, 4: 4 };
  await clock.advance(10_000);
  assert.deepEqual(sent.map((one) => [one.conversation, one.read]), [[4, 5]], 'it would end a newer mark as unread');
  marks.advance(3, 6, true);
  await clock.advance(10_000);
  assert.deepEqual(sent.slice(1).map((one) => [one.conversation, one.read]), [[3, 6]]);
});
