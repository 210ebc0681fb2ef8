/**
 * What of the state is kept on the device, and when. That a client may resume from it at any moment is tested with all
 * other interruptions (`convergence.test.js`).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../src/sdk/client.js';
import { keptState } from '../src/sdk/snapshot.js';
import { SnapshotSaver } from '../src/sdk/snapshot-saver.js';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { memoryStorage } from '../src/sdk/storage.js';
import { FakeFetch, FakeSocket } from './support/fake-network.js';
import { flushPromises, manualClock } from './support/clock.js';
import { ModelServer } from './support/model-server.js';
import { updateSettings } from './support/model-settings.js';
import { SyncHarness } from './support/sync-harness.js';

const ME = 1;
const BEN = 2;
const LIMITS = { conversations: 3, threads: 2, characters: 1e6 };

/** @param {number} count of conversations, each with an unread message and opened */
async function opened(count) {
  const server = new ModelServer(2);
  for (let index = 0; index < count; index += 1) {
    server.send(BEN, server.open('group', BEN, [ME]), `message ${index}`, `id-${index}`);
  }
  const harness = await SyncHarness.open(server, ME);
  for (const id of harness.state.conversations.keys()) {
    void harness.sync.threads.open(id);
    await harness.replyAll();
  }
  return { server, harness };
}

test('nothing is kept before everything has been loaded', () => {
  const harness = new SyncHarness(new ModelServer(2), ME);
  assert.equal(keptState(harness.state), null);
});

test('too many conversations are not kept, their unread messages are counted, and a connection loads them again', async () => {
  const { server, harness } = await opened(5);
  const kept = keptState(harness.state, LIMITS);
  assert.ok(kept);
  assert.deepEqual([...kept.conversations.keys()].sort(), [3, 4, 5], 'the newest');
  assert.equal(kept.cursor, '0.0', 'a cursor of no epoch');
  assert.deepEqual(totalsOf(kept), server.totals(ME));
  harness.kept = kept;
  await harness.reload();
  assert.equal(harness.state.conversations.size, 3);
  // A page is answered before the heads.
  void harness.sync.threads.open(4);
  void harness.sync.threads.loadOlder(4);
  harness.sync.applyEvent({ type: 'scope.changed', scope: 'conversation:5', version: server.next() });
  await harness.replyAll();
  await harness.recover();
  assert.equal(harness.state.conversations.size, 5);
  harness.assertEqual();
});

test('pinned conversations are kept, however old they are, and the list goes down to the newest others', async () => {
  const { server, harness } = await opened(5);
  updateSettings(server, ME, 1, { pinned: true });
  await harness.settle();
  const kept = keptState(harness.state, LIMITS);
  assert.deepEqual([...(kept?.conversations.keys() ?? [])].sort(), [1, 3, 4, 5]);
  assert.equal(kept?.list.bound, harness.state.conversations.get(3)?.activity);
  assert.deepEqual(kept && totalsOf(kept), server.totals(ME));
});

test('the threads opened last are kept, as far as there is room', async () => {
  const { harness } = await opened(3);
  const last = [...harness.state.threads.keys()];
  const kept = (/** @type {Partial<typeof LIMITS>} */ more) => keptState(harness.state, { ...LIMITS, ...more });
  assert.deepEqual([...(kept({})?.threads.keys() ?? [])], last.slice(-2));
  const { length } = JSON.stringify([...harness.state.conversations.values(), ...harness.state.users.values()]);
  assert.equal(kept({ characters: length + 10 })?.threads.size, 0);
  assert.equal(kept({ characters: length - 10 }), null);
});

/** @param {import('../src/sdk/state/state.js').State} [state] */
function clientWith(state) {
  const log = /** @type {string[]} */ ([]);
  const clock = manualClock();
  const network = new FakeFetch();
  const sockets = /** @type {FakeSocket[]} */ ([]);
  const client = new Client({
    user: ME, storage: memoryStorage(), clock, fetch: network.fetch, onSessionEnd: () => log.push('ended'),
    socket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket.like();
    },
    uploadTransport: () => assert.fail('nothing is carried'),
    snapshots: {
      save: async ({ conversations }) => void log.push(`saved ${conversations.size}`),
      erase: async (whose) => void log.push(`erased ${whose}`),
    },
    snapshot: state && { user: ME, build: 'a', savedAt: 5, site: /** @type {any} */ ({}), state },
  });
  return { client, log, clock, network, sockets };
}

/** The time that a dynamic import takes. */
const loaded = async () => {
  await import('../src/sdk/snapshot.js');
  await flushPromises();
};

test('a client begins with what was kept, and says until when it is true until it is connected', async () => {
  const { harness } = await opened(2);
  const { client, clock, sockets, log } = clientWith(keptState(harness.state) ?? undefined);
  client.start();
  assert.equal(client.state.conversations.size, 2);
  assert.equal(client.sync.listProgress, 'idle');
  assert.equal(client.savedAt, 5);
  await client.snapshotSaver.save();
  assert.ok(!log.some((one) => one.startsWith('saved')), 'nothing is kept without a connection');
  const [socket] = sockets;
  socket.open();
  await flushPromises();
  const resume = socket.sent.find((frame) => frame.type === 'session.resume');
  assert.equal(resume.cursor, harness.state.cursor);
  const heads = { cursor: harness.state.cursor, heads: [], changes: [], gone: [], reset: false };
  socket.receive({ re: resume.id, ...heads });
  await flushPromises();
  assert.equal(client.savedAt, null);
  await clock.advance(6_000);
  await loaded();
  assert.ok(log.includes('saved 2'));
  client.stop();
});

test('what was kept is erased when the session ends, and nothing is kept after that', async () => {
  const { harness } = await opened(1);
  const { client, clock, sockets, log } = clientWith(keptState(harness.state) ?? undefined);
  client.start();
  await flushPromises();
  assert.deepEqual(log, ['erased others']);
  sockets[0].open();
  sockets[0].closeWith(4500);
  await flushPromises();
  client.sync.applyInput({ kind: 'limits', fanOutMax: 3 });
  await clock.advance(60_000);
  await client.snapshotSaver.save();
  assert.deepEqual(log, ['erased others', 'erased mine', 'ended']);
});

test('the state is kept when it has changed, once a minute and when the page is left, and erased when it is too long', async () => {
  const { harness } = await opened(2);
  const clock = manualClock();
  let { state } = harness;
  const log = /** @type {string[]} */ ([]);
  const saver = new SnapshotSaver({
    clock, state: () => state, isConnected: () => true,
    snapshots: { save: async () => void log.push('saved'), erase: async () => void log.push('erased') },
  });
  const wait = async (/** @type {number} */ milliseconds) => {
    await clock.advance(milliseconds);
    await loaded();
    return log.splice(0).join();
  };
  await saver.save();
  saver.connected();
  assert.equal(await wait(600_000), '', 'nothing has changed');
  saver.changed();
  assert.equal(await wait(5_000), 'saved');
  saver.changed();
  saver.changed();
  assert.equal(await wait(59_000), '');
  assert.equal(await wait(1_000), 'saved');
  saver.changed();
  await saver.save();
  await saver.save();
  assert.equal(await wait(600_000), 'saved', 'when the page is left');
  const [id] = state.users.keys();
  state = { ...state, users: new Map([[id, { .../** @type {any} */ (state.users.get(id)), name: 'x'.repeat(4_000_001) }]]) };
  saver.changed();
  assert.equal(await wait(60_000), 'erased');
});
