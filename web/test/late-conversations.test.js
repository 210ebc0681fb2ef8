/**
 * Late `conversation.created` events: the user may have left the conversation since, without another event.
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
let umbrella = 0;

beforeEach(async () => {
  server = new ModelServer(4);
  umbrella = server.open('group', ME, [BEN, 3]);
  rig = new Rig(server, ME);
  await rig.begin();
  rig.events = [];
});

test('after a reset a late opening of a conversation that was left is checked and never kept', async () => {
  const room = server.open('group', BEN, [ME]);
  const [opening] = rig.events.splice(0);
  server.remove(room, ME);
  rig.events = [];
  await rig.reset();
  await rig.replyAll();
  rig.log = [];
  rig.sync.applyEvent(opening);
  assert.equal(rig.state.conversations.has(room), false);
  assert.deepEqual(rig.log, ['conversation.get']);
  await rig.replyAll();
  await rig.resume();
  rig.assertEqual();
});

test('a late opening that is older than the heads is checked, also while the heads are pending', async () => {
  const room = server.open('group', BEN, [ME]);
  const [opening] = rig.events.splice(0);
  server.remove(room, ME);
  server.send(BEN, umbrella, 'what the heads wait for', 'a');
  rig.events = [];
  server.limits.inline = 0;
  await rig.resume();
  assert.notEqual(rig.state.pending, null);
  rig.sync.applyEvent(opening);
  assert.equal(rig.state.conversations.has(room), false);
  await rig.replyAll();
  rig.assertEqual();
});

test('a new opening is shown at once', async () => {
  const room = server.open('group', BEN, [ME]);
  await rig.hearAll();
  assert.equal(rig.state.conversations.has(room), true);
  assert.deepEqual(rig.log, []);
});

test('an open group is shown again when the user is removed and added again', async () => {
  server.send(BEN, umbrella, 'before', 'a');
  void rig.sync.open(umbrella);
  await rig.replyAll();
  for (const comesBy of ['events', 'heads']) {
    server.remove(umbrella, ME);
    await rig.still();
    assert.equal(rig.state.threads.has(umbrella), false);
    rig.log = [];
    server.add(umbrella, ME, BEN, true);
    if (comesBy === 'heads') await rig.disconnect();
    if (comesBy === 'heads') await rig.resume();
    await rig.still();
    assert.equal(rig.state.threads.get(umbrella)?.loaded, true, comesBy);
    assert.equal(rig.log.filter((one) => one === 'message.list').length, 1, 'it is requested once');
    assert.equal(rig.sync.threadProgress.get(umbrella), 'idle');
    await rig.resume();
    await rig.still();
    rig.assertEqual();
  }
});

test('nothing more is requested about an open group after the user was removed', async () => {
  void rig.sync.open(umbrella);
  await rig.replyAll();
  server.remove(umbrella, ME);
  await rig.still();
  rig.log = [];
  await rig.resume();
  await rig.clock.advance(60_000);
  await rig.still();
  assert.deepEqual(rig.log.filter((one) => one !== 'me.get'), []);
});
