/**
 * The connection to the server: socket, long poll, plain poll and back; the heartbeat; and when not to reconnect.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Connection } from '../src/sdk/connection.js';
import { Http } from '../src/sdk/http.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { flushPromises, manualClock } from './support/clock.js';
import { FakeFetch, FakeSocket } from './support/fake-network.js';

const HEADS = { user: 7, cursor: '1.5', reset: false, heads: [], gone: [], changes: [] };
const REFUSED = { code: 'not_signed_in', title: 'Sign in first.', status: 401, retryable: false };

/** @type {ReturnType<typeof manualClock>} */
let clock;
/** @type {FakeFetch} */
let network;
/** @type {FakeSocket[]} */
let sockets;
/** @type {{heads: any[], events: any[], modes: string[], ended: number}} */
let received;
/** @type {Connection} */
let connection;

beforeEach(() => {
  clock = manualClock();
  network = new FakeFetch();
  sockets = [];
  received = { heads: [], events: [], modes: [], ended: 0 };
  connection = new Connection({
    user: 7,
    http: new Http({ fetch: network.fetch, clock, user: 7 }),
    clock,
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket.like();
    },
    handlers: {
      cursor: () => '1.4',
      heads: (heads) => received.heads.push(heads),
      event: (event) => received.events.push(event),
      mode: (mode) => received.modes.push(mode),
      ended: () => { received.ended += 1; },
      settled: () => Promise.resolve(),
    },
  });
});

/** @returns {FakeSocket} the newest */
function socket() {
  return sockets[sockets.length - 1];
}

async function goLive() {
  connection.start();
  socket().open();
  socket().receive({ re: 1, ...HEADS });
  await flushPromises();
}

test('the first command names the user and the cursor', async () => {
  await goLive();
  assert.deepEqual(socket().sent, [{ id: 1, type: 'session.resume', user: 7, cursor: '1.4' }]);
  assert.equal(received.heads[0].cursor, '1.5');
  assert.deepEqual(received.modes, ['live']);
});

test('replies are matched to their commands, and problems and events are told apart', async () => {
  await goLive();
  const one = connection.request({ type: 'conversation.get', conversation: 3 });
  const two = connection.request({ type: 'conversation.get', conversation: 4 });
  socket().receive({ re: 3, error: { code: 'not_found', title: 'no', status: 404, retryable: false } });
  socket().receive({ type: 'scope.changed', scope: 'conversation:3', version: 9 });
  socket().receive({ re: 2, conversation: { id: 3 }, cursor: '1.6' });
  assert.equal((await one).conversation.id, 3);
  await assert.rejects(two, (error) => error instanceof Problem && error.code === 'not_found');
  assert.deepEqual(received.events, [{ type: 'scope.changed', scope: 'conversation:3', version: 9 }]);
});

test('each heartbeat is answered, and silence for 35 s closes the socket', async () => {
  await goLive();
  await clock.advance(25_000);
  socket().receive({});
  assert.deepEqual(socket().sent.at(-1), {});
  await clock.advance(34_000);
  assert.equal(socket().closed, false);
  await clock.advance(1_000);
  assert.equal(socket().closed, true);
  await clock.advance(1_000);
  assert.equal(sockets.length, 2, 'and another is opened');
});

test('no reply for 10 s closes the socket, and the outcome of its commands is unknown', async () => {
  await goLive();
  const lost = assert.rejects(connection.request({ type: 'me.get' }), NoAnswer);
  await clock.advance(9_999);
  assert.equal(socket().closed, false);
  await clock.advance(1);
  assert.equal(socket().closed, true);
  await lost;
});

test('after repeated failures the connection polls and keeps trying the socket, which then takes over', async () => {
  connection.start();
  for (let failure = 0; failure < 3; failure += 1) {
    socket().closeWith(1006);
    await flushPromises();
    network.find('/v1/me')?.answer(200, { id: 7 });
    await clock.advance(3_000);
  }
  const first = network.find('/v1/events');
  assert.equal(first?.path, '/v1/events?cursor=1.4&wait=0', 'the first answer does not wait');
  first?.answer(200, HEADS);
  await clock.advance(300);
  assert.equal(received.heads.length, 1);
  assert.ok(received.modes.includes('long_poll'));
  assert.equal(network.find('/v1/events')?.path, '/v1/events?cursor=1.4&wait=25');
  while (sockets.length < 5 || socket().closed) await clock.advance(100);
  socket().open();
  socket().receive({ re: 1, ...HEADS });
  await flushPromises();
  assert.equal(received.modes.at(-1), 'live');
  assert.equal(network.find('/v1/events'), undefined, 'the poll has ended');
});

test('when the long poll fails too, the connection polls every 5 s', async () => {
  connection.start();
  await clock.advance(1_000);
  network.find('/v1/events')?.answer(200, HEADS);
  await clock.advance(300);
  for (let failure = 0; failure < 2; failure += 1) {
    assert.equal(network.find('/v1/events')?.path, '/v1/events?cursor=1.4&wait=25');
    network.find('/v1/events')?.lose();
    await clock.advance(300);
    if (failure === 0) continue;
  }
  for (let round = 0; round < 3; round += 1) {
    assert.equal(network.find('/v1/events')?.path, '/v1/events?cursor=1.4&wait=0');
    network.find('/v1/events')?.answer(200, HEADS);
    await flushPromises();
    assert.equal(received.modes.at(-1), 'poll');
    assert.equal(network.find('/v1/events'), undefined);
    await clock.advance(5_000);
  }
});

test('commands go over HTTP while there is no socket, with the user of the page', async () => {
  connection.start();
  const send = connection.request({ type: 'message.send', conversation: 3, client_id: 'a', text: 'hi' });
  const request = network.find('/v1/conversations/3/messages');
  assert.equal(request?.method, 'POST');
  assert.deepEqual(request?.body, { client_id: 'a', text: 'hi' });
  assert.equal(request?.headers['parlor-user'], '7');
  request?.answer(200, { message: { id: 9 }, version: 9, prev: 8, duplicate: false });
  assert.equal((await send).version, 9);
});

test('a restarting server says when to reconnect', async () => {
  await goLive();
  socket().closeWith(4000, '{"retry_after_ms":1234}');
  await clock.advance(1_233);
  assert.equal(sockets.length, 1);
  await clock.advance(1);
  assert.equal(sockets.length, 2);
});

test('a close code for an ended session ends the page', async () => {
  await goLive();
  socket().closeWith(4500);
  await clock.advance(60_000);
  assert.equal(received.ended, 1);
  assert.equal(sockets.length, 1, 'nothing more is tried');
});

test('a request tells a refused handshake from a dead network', async () => {
  connection.start();
  socket().closeWith(1006);
  await flushPromises();
  network.find('/v1/me')?.answer(401, REFUSED);
  await flushPromises();
  assert.equal(received.ended, 1);
});

test('another user’s session ends the page', async () => {
  await goLive();
  const refused = assert.rejects(connection.request({ type: 'me.get' }));
  socket().receive({ re: 2, error: { code: 'wrong_user', title: 'no', status: 409, retryable: false } });
  await refused;
  assert.equal(received.ended, 1);
});

test('after a close code that forbids sockets, the poll takes over', async () => {
  await goLive();
  socket().closeWith(4502);
  await clock.advance(5_000);
  assert.equal(sockets.length, 1);
  assert.ok(network.find('/v1/events'));
  assert.equal(received.ended, 0);
});

test('the connection returns at once when the network or the page does', async () => {
  await goLive();
  socket().closeWith(1006);
  await flushPromises();
  assert.equal(sockets.length, 1);
  connection.wake();
  assert.equal(sockets.length, 2);
  socket().open();
  socket().receive({ re: 1, ...HEADS });
  await flushPromises();
  connection.wake();
  assert.equal(socket().sent.at(-1).type, 'session.resume', 'on a live socket it requests the changes');
});

test('an offline event drops the open connection, and an online event restores it at once', async () => {
  await goLive();
  connection.networkLost();
  await flushPromises();
  assert.deepEqual(received.modes, ['live', 'connecting'], 'that it is lost is known at once');
  await clock.advance(2_000);
  // An attempt that began without a network may hang.
  const count = sockets.length;
  assert.ok(count > 1);
  connection.wake();
  await flushPromises();
  assert.equal(sockets.length, count + 1);
  socket().open();
  socket().receive({ re: 1, ...HEADS });
  await flushPromises();
  assert.equal(received.modes.at(-1), 'live');
});

test('an offline event during a poll starts a new request instead of waiting for the answer', async () => {
  await goLive();
  socket().closeWith(4502);
  await clock.advance(5_000);
  network.find('/v1/events')?.answer(200, HEADS);
  await clock.advance(1_000);
  assert.equal(received.modes.at(-1), 'long_poll');
  connection.networkLost();
  await flushPromises();
  network.find('/v1/events')?.lose();
  await clock.advance(1_000);
  network.find('/v1/events')?.lose();
  await flushPromises();
  assert.equal(received.modes.at(-1), 'offline');
});

test('the delays between attempts are random and grow', async () => {
  connection.start();
  const times = [];
  for (let failure = 0; failure < 8; failure += 1) {
    socket().closeWith(1006);
    await flushPromises();
    network.find('/v1/me')?.lose();
    const before = clock.now();
    const count = sockets.length;
    while (sockets.length === count) await clock.advance(50);
    times.push(clock.now() - before);
  }
  assert.ok(times[0] >= 250 && times[0] <= 1_050, String(times));
  assert.ok(times[7] >= 7_500 && times[7] <= 15_050, String(times));
});
