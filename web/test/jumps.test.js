/**
 * Jumps in a thread over a bad connection: a failed load is retried while it is still wanted, and nothing else moves
 * the thread.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { SyncHarness } from './support/sync-harness.js';

const ME = 1;
const BEN = 2;

/** @type {import('./support/model-server.js').ModelServer} */
let server;
/** @type {SyncHarness} */
let harness;
let conversation = 0;

beforeEach(async () => {
  ({ server, harness, conversation } = await SyncHarness.openThread(ME, BEN, 30));
});

const loaded = () => harness.state.threads.get(conversation)?.messages.map((one) => one.seq) ?? [];

test('a finished jump is not repeated when the connection returns', async () => {
  void harness.sync.threads.openAround(conversation, 10);
  await harness.replyAll();
  void harness.sync.threads.loadNewer(conversation);
  await harness.replyAll();
  harness.sync.threads.trim(conversation, 13, 15);
  void harness.sync.threads.loadNewer(conversation);
  await harness.disconnect();
  await harness.resume();
  await harness.replyAll();
  assert.equal(loaded()[0], 13);
  assert.ok((loaded().at(-1) ?? 0) > 15, 'the failed load was retried');
  assert.equal(harness.sync.threads.progress.get(conversation), 'idle');
});

test('a failed load of a part that is no longer shown is not retried, and more can be loaded again', async () => {
  void harness.sync.threads.openAround(conversation, 10);
  await harness.replyAll();
  void harness.sync.threads.loadNewer(conversation);
  await harness.disconnect();
  assert.equal(harness.sync.threads.progress.get(conversation), 'failed');
  harness.sync.threads.trim(conversation, 8, 10);
  await harness.resume();
  await harness.replyAll();
  assert.deepEqual(loaded(), [8, 9, 10]);
  assert.equal(harness.sync.threads.progress.get(conversation), 'idle');
  void harness.sync.threads.loadNewer(conversation);
  await harness.replyAll();
  assert.deepEqual(loaded(), [8, 9, 10, 11, 12, 13, 14]);
});

test('a failed jump reports it and does not happen later', async () => {
  const before = loaded();
  const jump = harness.sync.threads.openAround(conversation, 10);
  await harness.fail();
  assert.equal(await jump, false);
  await harness.clock.advance(60_000);
  await harness.resume();
  await harness.replyAll();
  assert.deepEqual(loaded(), before);
});

test('a finished jump to the end is not retried', async () => {
  void harness.sync.threads.openAround(conversation, 10);
  await harness.replyAll();
  void harness.sync.threads.openLatest(conversation);
  await harness.fail();
  const jump = harness.sync.threads.openAround(conversation, 20);
  await harness.replyAll();
  assert.equal(await jump, true);
  const before = loaded();
  await harness.clock.advance(60_000);
  await harness.replyAll();
  assert.deepEqual(loaded(), before);
});

test('a pending jump to the end is retried', async () => {
  void harness.sync.threads.openAround(conversation, 10);
  await harness.replyAll();
  void harness.sync.threads.openLatest(conversation);
  await harness.fail();
  await harness.resume();
  await harness.replyAll();
  assert.equal(loaded().at(-1), 30);
});

test('after stop nothing is requested, and pending requests report nothing', async () => {
  const before = loaded();
  void harness.sync.threads.loadOlder(conversation);
  harness.sync.stop();
  await harness.reply();
  harness.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${conversation}`, version: server.data.version + 9 });
  await harness.clock.advance(60_000);
  assert.deepEqual(loaded(), before);
  assert.equal(harness.pending.length, 0);
  assert.equal(harness.clock.waiting(), 0);
});

test('a member who is added again with the full history can scroll back to its start', async () => {
  const late = server.open('group', BEN, [3]);
  for (let number = 1; number <= 9; number += 1) server.send(BEN, late, `early ${number}`, `e${number}`);
  server.add(late, ME, BEN);
  server.send(BEN, late, 'welcome', 'w');
  await harness.receiveAll();
  void harness.sync.threads.open(late);
  await harness.replyAll();
  const thread = () => harness.state.threads.get(late);
  assert.deepEqual([thread()?.messages[0]?.seq, thread()?.moreBefore], [10, false]);
  server.remove(late, ME);
  server.add(late, ME, BEN, true);
  harness.events = [];
  await harness.resume();
  await harness.replyAll();
  assert.equal(thread()?.moreBefore, true);
  void harness.sync.threads.loadOlder(late);
  await harness.replyAll();
  assert.ok((thread()?.messages[0]?.seq ?? 10) < 10);
});
