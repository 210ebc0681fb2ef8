/**
 * Jumps in a thread over a bad connection: a failed load is retried while it is still wanted, and nothing else moves
 * the thread.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Rig } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {Rig} */
let rig;
let room = 0;

beforeEach(async () => {
  server = new ModelServer(3);
  room = server.open('group', ME, [BEN]);
  for (let number = 1; number <= 30; number += 1) server.send(BEN, room, `message ${number}`, `m${number}`);
  rig = new Rig(server, ME);
  await rig.begin();
  rig.events = [];
  void rig.sync.open(room);
  await rig.replyAll();
});

const held = () => rig.state.threads.get(room)?.messages.map((one) => one.seq) ?? [];

test('a finished jump is not repeated when the connection returns', async () => {
  void rig.sync.openAround(room, 10);
  await rig.replyAll();
  void rig.sync.loadNewer(room);
  await rig.replyAll();
  rig.sync.trim(room, 13, 15);
  void rig.sync.loadNewer(room);
  await rig.disconnect();
  await rig.resume();
  await rig.replyAll();
  assert.equal(held()[0], 13);
  assert.ok((held().at(-1) ?? 0) > 15, 'the failed load was retried');
  assert.equal(rig.sync.threadProgress.get(room), 'idle');
});

test('a failed load of a part that is no longer shown is not retried, and more can be loaded again', async () => {
  void rig.sync.openAround(room, 10);
  await rig.replyAll();
  void rig.sync.loadNewer(room);
  await rig.disconnect();
  assert.equal(rig.sync.threadProgress.get(room), 'failed');
  rig.sync.trim(room, 8, 10);
  await rig.resume();
  await rig.replyAll();
  assert.deepEqual(held(), [8, 9, 10]);
  assert.equal(rig.sync.threadProgress.get(room), 'idle');
  void rig.sync.loadNewer(room);
  await rig.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11, 12, 13, 14]);
});

test('a failed jump reports it and does not happen later', async () => {
  const before = held();
  const jump = rig.sync.openAround(room, 10);
  await rig.fail();
  assert.equal(await jump, false);
  await rig.clock.advance(60_000);
  await rig.resume();
  await rig.replyAll();
  assert.deepEqual(held(), before);
});

test('a finished jump to the end is not retried', async () => {
  void rig.sync.openAround(room, 10);
  await rig.replyAll();
  void rig.sync.openLatest(room);
  await rig.fail();
  const jump = rig.sync.openAround(room, 20);
  await rig.replyAll();
  assert.equal(await jump, true);
  const before = held();
  await rig.clock.advance(60_000);
  await rig.replyAll();
  assert.deepEqual(held(), before);
});

test('a pending jump to the end is retried', async () => {
  void rig.sync.openAround(room, 10);
  await rig.replyAll();
  void rig.sync.openLatest(room);
  await rig.fail();
  await rig.resume();
  await rig.replyAll();
  assert.equal(held().at(-1), 30);
});

test('after stop nothing is requested, and pending requests report nothing', async () => {
  const before = held();
  void rig.sync.loadOlder(room);
  rig.sync.stop();
  await rig.reply();
  rig.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${room}`, version: server.data.version + 9 });
  await rig.clock.advance(60_000);
  assert.deepEqual(held(), before);
  assert.equal(rig.asked.length, 0);
  assert.equal(rig.clock.waiting(), 0);
});

test('a member who is added again with the full history can scroll back to its start', async () => {
  const late = server.open('group', BEN, [3]);
  for (let number = 1; number <= 9; number += 1) server.send(BEN, late, `early ${number}`, `e${number}`);
  server.add(late, ME, BEN);
  server.send(BEN, late, 'welcome', 'w');
  await rig.hearAll();
  void rig.sync.open(late);
  await rig.replyAll();
  const thread = () => rig.state.threads.get(late);
  assert.deepEqual([thread()?.messages[0]?.seq, thread()?.moreBefore], [10, false]);
  server.remove(late, ME);
  server.add(late, ME, BEN, true);
  rig.events = [];
  await rig.resume();
  await rig.replyAll();
  assert.equal(thread()?.moreBefore, true);
  void rig.sync.loadOlder(late);
  await rig.replyAll();
  assert.ok((thread()?.messages[0]?.seq ?? 10) < 10);
});
