/**
 * Openings of conversations that come late: some were left since, which is told no more.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Rig } from './support/rig.js';
import { ModelServer } from './support/server.js';

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

test('after a reset a late opening of a conversation that was left is asked about and never kept', async () => {
  const room = server.open('group', BEN, [ME]);
  const [opening] = rig.events.splice(0);
  server.remove(room, ME);
  rig.events = [];
  await rig.reset();
  await rig.replyAll();
  rig.log = [];
  rig.sync.event(opening);
  assert.equal(rig.state.conversations.has(room), false);
  assert.deepEqual(rig.log, ['conversation.get']);
  await rig.replyAll();
  await rig.resume();
  rig.assertEqual();
});

test('a late opening that heads have overtaken is asked about, also while these still wait', async () => {
  const room = server.open('group', BEN, [ME]);
  const [opening] = rig.events.splice(0);
  server.remove(room, ME);
  server.send(BEN, umbrella, 'what the heads wait for', 'a');
  rig.events = [];
  server.limits.inline = 0;
  await rig.resume();
  assert.notEqual(rig.state.pending, null);
  rig.sync.event(opening);
  assert.equal(rig.state.conversations.has(room), false);
  await rig.replyAll();
  rig.assertEqual();
});

test('an opening that is news is shown at once', async () => {
  const room = server.open('group', BEN, [ME]);
  await rig.hearAll();
  assert.equal(rig.state.conversations.has(room), true);
  assert.deepEqual(rig.log, []);
});
