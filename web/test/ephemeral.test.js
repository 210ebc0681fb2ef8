/**
 * Typing and presence: received, expired, and dropped with the connection.
 *
 * @import {Command} from '../src/sdk/wire.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ephemeral } from '../src/sdk/ephemeral.js';
import { OwnActivity } from '../src/sdk/own-activity.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { PendingReactions } from '../src/sdk/reactions.js';
import { flushPromises, manualClock } from './support/clock.js';

const ME = 1;
const BEN = 2;

/** @param {number} user @param {boolean} typing @param {number} [conversation] */
function typingEvent(user, typing, conversation = 7) {
  return { type: /** @type {const} */ ('typing.changed'), conversation, user, typing, expires_ms: 6_000 };
}

test('a typing user is shown until they stop, send or are silent for six seconds', async () => {
  const clock = manualClock();
  let changes = 0;
  const passing = new Ephemeral({ user: ME, clock, changed: () => { changes += 1; } });
  passing.apply(typingEvent(BEN, true));
  passing.apply(typingEvent(3, true));
  passing.apply(typingEvent(ME, true));
  passing.apply(typingEvent(3, true, 8));
  assert.deepEqual(passing.typing(7), [BEN, 3], 'in the order in which they started, without the user');
  await clock.advance(4_000);
  passing.apply(typingEvent(BEN, true));
  await clock.advance(2_000);
  assert.deepEqual(passing.typing(7), [BEN], 'a user who did not repeat it no longer types');
  assert.deepEqual(passing.typing(8), []);
  passing.stopTyping(7, BEN);
  assert.deepEqual(passing.typing(7), [], 'their message ends the typing');
  passing.apply(typingEvent(BEN, true));
  passing.apply(typingEvent(BEN, false));
  assert.deepEqual(passing.typing(7), []);
  assert.equal(clock.waiting(), 0, 'no timer is left');
  const before = changes;
  passing.stopTyping(7, BEN);
  assert.equal(changes, before, 'nothing changed');
});

test('no user is shown as typing forever, and nothing is known without a connection', async () => {
  const clock = manualClock();
  const passing = new Ephemeral({ user: ME, clock, changed: () => {} });
  passing.apply({ ...typingEvent(BEN, true), expires_ms: 1e9 });
  passing.apply({ type: 'presence.changed', user: BEN, status: 'online', seen_at: null });
  assert.equal(passing.presence(BEN)?.status, 'online');
  assert.equal(passing.presence(3), null);
  await clock.advance(30_000);
  assert.deepEqual(passing.typing(7), []);
  passing.apply(typingEvent(BEN, true));
  passing.clear();
  assert.deepEqual(passing.typing(7), []);
  assert.equal(passing.presence(BEN), null);
  assert.equal(clock.waiting(), 0);
});

/** @param {{live?: boolean, fail?: boolean}} [how] */
function createActivity({ live = true, fail = false } = {}) {
  const clock = manualClock();
  /** @type {Command[]} */
  const requests = [];
  const how = { live, fail };
  const passing = new Ephemeral({ user: ME, clock, changed: () => {} });
  const one = new OwnActivity({
    clock,
    ephemeral: passing,
    isLive: () => how.live,
    request: async (command) => {
      requests.push(command);
      if (how.fail) throw new NoAnswer('the test says so');
      return { presence: [{ user: BEN, status: 'idle', seen_at: null }] };
    },
  });
  return { clock, requests, how, passing, one };
}

test('own typing is sent at most every three seconds, and ended on stop or on leaving', async () => {
  const { clock, requests, one } = createActivity();
  const sentTyping = () => requests.splice(0).map((one) => (one.type === 'conversation.typing'
    ? [one.conversation, one.typing]
    : one.type));
  one.typing(7);
  one.typing(7);
  await clock.advance(2_999);
  one.typing(7);
  assert.deepEqual(sentTyping(), [[7, true]]);
  await clock.advance(1);
  one.typing(7);
  assert.deepEqual(sentTyping(), [[7, true]]);
  one.typing(8);
  assert.deepEqual(sentTyping(), [[7, false], [8, true]]);
  one.stopTyping();
  one.stopTyping();
  assert.deepEqual(sentTyping(), [[8, false]]);
  one.typing(8);
  assert.deepEqual(sentTyping(), [], 'a restart within the interval is not sent again');
  await clock.advance(3_000);
  assert.deepEqual(sentTyping(), [[8, true]], 'it is sent when the interval ends');
  one.messageSent(8);
  one.stopTyping();
  assert.deepEqual(sentTyping(), [], 'the message itself ends the typing');
  one.typing(8);
  one.stopTyping();
  await clock.advance(3_000);
  assert.deepEqual(sentTyping(), [[8, false]], 'and a stopped typing is not sent later');
  assert.equal(clock.waiting(), 0);
});

test('watched users and the idle state are sent again on a new connection', async () => {
  const { requests, one, passing } = createActivity();
  one.watch([3, BEN, BEN]);
  one.watch([BEN, 3]);
  one.setIdle(true);
  await flushPromises();
  assert.deepEqual(requests.splice(0),
    [{ type: 'presence.watch', users: [BEN, 3] }, { type: 'presence.set', idle: true }]);
  assert.equal(passing.presence(BEN)?.status, 'idle');
  passing.clear();
  one.connected();
  await flushPromises();
  assert.deepEqual(requests.map((one) => one.type).sort(), ['presence.set', 'presence.watch']);
  assert.equal(passing.presence(BEN)?.status, 'idle');
});

test('without a socket presence is polled, also after a failure', async () => {
  const { clock, requests, how, one } = createActivity({ live: false, fail: true });
  one.watch([BEN]);
  await flushPromises();
  how.fail = false;
  await clock.advance(30_000);
  await clock.advance(30_000);
  assert.equal(requests.length, 3);
  how.live = true;
  one.connected();
  await flushPromises();
  await clock.advance(120_000);
  assert.equal(requests.length, 4, 'a socket needs no polling');
});

const MESSAGE = {
  id: 5, conversation: 7, seq: 2, version: 5, sender: BEN, client_id: 'a', text: 'x', created_at: '',
  reactions: [{ emoji: '👍', users: [BEN] }],
};

test('nothing is requested after stop, not even a retry of a pending request', async () => {
  const { clock, requests, how, one } = createActivity({ live: false, fail: true });
  one.watch([BEN]);
  one.stop();
  await flushPromises();
  how.fail = false;
  await clock.advance(120_000);
  assert.equal(requests.length, 1);
  assert.equal(clock.waiting(), 0);
});

test('the refusal of an outdated reaction does not lose the current one', async () => {
  /** @type {{on: boolean, resolve: () => void, reject: (error: Error) => void}[]} */
  const requests = [];
  const reacting = new PendingReactions({
    user: ME,
    changed: () => {},
    react: (_place, on) => new Promise((resolve, reject) => { requests.push({ on, resolve, reject }); }),
  });
  const place = { conversation: 7, seq: 2, emoji: '👍' };
  const first = reacting.set(place, true);
  const second = reacting.set(place, false);
  requests[0].reject(new NoAnswer('the test says so'));
  await flushPromises();
  assert.deepEqual(requests.map((one) => one.on), [true, false]);
  requests[1].reject(new NoAnswer('the test says so'));
  await assert.rejects(first, NoAnswer);
  await assert.rejects(second, NoAnswer, 'the last choice gets the outcome');
  assert.equal(reacting.withPending(MESSAGE), MESSAGE);
});

test('a reaction shows at once, the last choice wins, and a refusal reverts it', async () => {
  /** @type {{on: boolean, resolve: () => void, reject: (error: Error) => void}[]} */
  const requests = [];
  const reacting = new PendingReactions({
    user: ME,
    changed: () => {},
    react: (_place, on) => new Promise((resolve, reject) => { requests.push({ on, resolve, reject }); }),
  });
  const place = { conversation: 7, seq: 2, emoji: '👍' };
  assert.equal(reacting.withPending(MESSAGE), MESSAGE, 'the same object without an own choice');
  const first = reacting.set(place, true);
  assert.deepEqual(reacting.withPending(MESSAGE).reactions, [{ emoji: '👍', users: [BEN, ME] }]);
  assert.equal(reacting.withPending({ ...MESSAGE, seq: 3 }).reactions?.[0].users.length, 1, 'under this message only');
  void reacting.set(place, false);
  assert.deepEqual(reacting.withPending(MESSAGE).reactions, [{ emoji: '👍', users: [BEN] }]);
  assert.deepEqual(requests.map((one) => one.on), [true], 'one request at a time');
  requests[0].resolve();
  await flushPromises();
  assert.deepEqual(requests.map((one) => one.on), [true, false]);
  requests[1].resolve();
  await first;
  assert.equal(reacting.withPending(MESSAGE), MESSAGE);

  const heart = reacting.set({ ...place, emoji: '❤️' }, true);
  assert.deepEqual(reacting.withPending(MESSAGE).reactions?.[1], { emoji: '❤️', users: [ME] });
  requests[2].reject(new Problem({ code: 'limit_reached', title: '', status: 409, retryable: false }));
  await assert.rejects(heart, { code: 'limit_reached' });
  assert.equal(reacting.withPending(MESSAGE), MESSAGE, 'the reaction is reverted');
});
