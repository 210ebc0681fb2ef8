import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';
import { loadAllReactions, loadAllSessions } from '../src/sdk/all-pages.js';
import { withinPageLimit } from '../src/sdk/paging.js';
import { knownEvent } from '../src/sdk/events.js';
import { Problem } from '../src/sdk/problem.js';
import { Socket } from '../src/sdk/socket.js';
import { isSearchable } from '../src/inbox/view/users.js';
import { manualClock } from './support/clock.js';

const refused = (/** @type {number} */ limit) =>
  new Problem({ code: 'invalid_field', title: 'no', status: 400, retryable: false, limit });

test('a page over the server’s limit is requested again with that limit, which is kept from then on', async () => {
  /** @type {(number|undefined)[]} */
  const requests = [];
  const request = withinPageLimit(async (command) => {
    const limit = 'limit' in command ? command.limit : undefined;
    requests.push(limit);
    if ((limit ?? 0) > 3) throw refused(3);
    return { limit };
  });
  assert.deepEqual(await request({ type: 'user.list', query: 'an', limit: 30 }), { limit: 3 });
  assert.deepEqual(await request({ type: 'conversation.list', limit: 40 }), { limit: 3 });
  assert.deepEqual(await request({ type: 'conversation.list' }), { limit: undefined });
  assert.deepEqual(requests, [30, 3, 3, undefined]);
});

test('another refusal is not retried', async () => {
  let requests = 0;
  const request = withinPageLimit(async () => {
    requests += 1;
    throw refused(10);
  });
  await assert.rejects(request({ type: 'user.list', query: 'an', limit: 5 }), Problem);
  await assert.rejects(request({ type: 'me.update', name: '' }), Problem);
  assert.equal(requests, 2);
});

test('lists are read to their end, and an emoji split over two pages is one', async () => {
  const person = (/** @type {number} */ id) => ({ id, name: `${id}`, picture: null, version: 1 });
  const pages = new Map([
    [undefined, { reactions: [{ emoji: '👍', users: [person(1)] }], next: 'a' }],
    ['a', { reactions: [{ emoji: '👍', users: [person(2)] }, { emoji: '🎉', users: [person(1)] }], next: null }],
  ]);
  const all = await loadAllReactions(async (after) => pages.get(after) ?? assert.fail('no such page'));
  assert.deepEqual(all.map((one) => [one.emoji, one.users.map((user) => user.id)]), [['👍', [1, 2]], ['🎉', [1]]]);
  const session = (/** @type {number} */ id) => ({ id, created_at: '', seen_at: '', agent: '', current: false });
  const sessions = await loadAllSessions(async (after) =>
    after === undefined ? { sessions: [session(3)], next: '3' } : { sessions: [session(2)], next: null });
  assert.deepEqual(sessions.map((one) => one.id), [3, 2]);
});

test('a user search needs two letters, or one character of a script without spaces', () => {
  for (const query of ['', 'a', ' a ', 'é', 'e\u0301', '%', '_-', '🙂']) assert.equal(isSearchable(query), false, query);
  for (const query of ['an', 'a b', 'a1', 'Öz', '傘', '김', 'か', 'ธ']) assert.equal(isSearchable(query), true, query);
});

test('a socket is closed when the promised heartbeat does not come', async () => {
  const clock = manualClock();
  /** @type {any} */
  const wire = { send() {}, close() {} };
  /** @type {string[]} */
  const ended = [];
  const socket = new Socket({ socket: wire, clock, opened() {}, event() {}, closed: (_, why) => ended.push(why) });
  wire.onopen();
  socket.pingMs = 60_000;
  await clock.advance(35_001);
  assert.deepEqual(ended, [], 'the next heartbeat is not due yet');
  await clock.advance(35_000);
  assert.deepEqual(ended, ['silent']);
});

test('an event, a field and an error of a newer server do no harm', async () => {
  const clock = manualClock();
  /** @type {any} */
  const wire = { send() {}, close() {} };
  /** @type {unknown[]} */
  const events = [];
  const socket = new Socket({ socket: wire, clock, opened() {}, event: (event) => events.push(event), closed() {} });
  wire.onopen();
  const answer = socket.request({ type: 'me.get' });
  wire.onmessage({ data: '{"type":"weather.changed","degrees":3}' });
  wire.onmessage({ data: '{"kind":"of another form"}' });
  const error = { type: '/errors/asleep', title: 'Asleep.', status: 503, code: 'asleep', retryable: true, more: 1 };
  wire.onmessage({ data: JSON.stringify({ re: 1, error }) });
  await assert.rejects(answer, (thrown) => thrown instanceof Problem && thrown.code === 'asleep' && thrown.retryable);
  assert.deepEqual(events, [{ type: 'weather.changed', degrees: 3 }]);
});

test('an unknown event causes a request for its scope, and known events are applied', () => {
  /** @type {any} */
  const unknown = { type: 'poll.opened', scope: 'conversation:12', version: 9, prev: 8, poll: {} };
  assert.deepEqual(knownEvent(unknown), { type: 'scope.changed', scope: 'conversation:12', version: 9 });
  for (const file of readdirSync(new URL('../../fixtures/frames/', import.meta.url))) {
    if (!file.startsWith('event.')) continue;
    const frames = JSON.parse(readFileSync(new URL(`../../fixtures/frames/${file}`, import.meta.url), 'utf8'));
    for (const { frame } of frames) if ('scope' in frame) assert.equal(knownEvent(frame), frame, file);
  }
});
