/**
 * Late `conversation.created` events: the user may have left the conversation since, without another event.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {SyncHarness} */
let harness;
let umbrella = 0;

beforeEach(async () => {
  server = new ModelServer(4);
  umbrella = server.open('group', ME, [BEN, 3]);
  harness = await SyncHarness.open(server, ME);
});

test('after a reset a late opening of a conversation that was left is checked and never kept', async () => {
  const conversation = server.open('group', BEN, [ME]);
  const [opening] = harness.events.splice(0);
  server.remove(conversation, ME);
  harness.events = [];
  await harness.reset();
  await harness.replyAll();
  harness.log = [];
  harness.sync.applyEvent(opening);
  assert.equal(harness.state.conversations.has(conversation), false);
  assert.deepEqual(harness.log, ['conversation.get']);
  await harness.replyAll();
  await harness.resume();
  harness.assertEqual();
});

test('a late opening that is older than the heads is checked, also while the heads are pending', async () => {
  const conversation = server.open('group', BEN, [ME]);
  const [opening] = harness.events.splice(0);
  server.remove(conversation, ME);
  server.send(BEN, umbrella, 'what the heads wait for', 'a');
  harness.events = [];
  server.limits.inline = 0;
  await harness.resume();
  assert.notEqual(harness.state.pending, null);
  harness.sync.applyEvent(opening);
  assert.equal(harness.state.conversations.has(conversation), false);
  await harness.replyAll();
  harness.assertEqual();
});

test('a new opening is shown at once', async () => {
  const conversation = server.open('group', BEN, [ME]);
  await harness.receiveAll();
  assert.equal(harness.state.conversations.has(conversation), true);
  assert.deepEqual(harness.log, []);
});

test('an open group is shown again when the user is removed and added again', async () => {
  server.send(BEN, umbrella, 'before', 'a');
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  for (const comesBy of ['events', 'heads']) {
    server.remove(umbrella, ME);
    await harness.settle();
    assert.equal(harness.state.threads.has(umbrella), false);
    harness.log = [];
    server.add(umbrella, ME, BEN, true);
    if (comesBy === 'heads') await harness.disconnect();
    if (comesBy === 'heads') await harness.resume();
    await harness.settle();
    assert.equal(harness.state.threads.get(umbrella)?.loaded, true, comesBy);
    assert.equal(harness.log.filter((one) => one === 'message.list').length, 1, 'it is requested once');
    assert.equal(harness.sync.threads.progress.get(umbrella), 'idle');
    await harness.resume();
    await harness.settle();
    harness.assertEqual();
  }
});

test('nothing more is requested about an open group after the user was removed', async () => {
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  server.remove(umbrella, ME);
  await harness.settle();
  harness.log = [];
  await harness.resume();
  await harness.clock.advance(60_000);
  await harness.settle();
  assert.deepEqual(harness.log.filter((one) => one !== 'me.get'), []);
});
