import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptsMessages, blockedIn, partnerIn } from '../src/sdk/state/blocks.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';
import { setBlocked } from './support/model-blocks.js';

const ME = 1;

/** @param {SyncHarness} harness @param {number} id */
const row = ({ state }, id) => {
  const conversation = state.conversations.get(id);
  assert.ok(conversation, `conversation ${id}`);
  return conversation;
};

test('a block arrives live and with me.get, and only in direct conversations nobody can write', async () => {
  const server = new ModelServer(3);
  const [direct, group] = [server.open('direct', ME, [2]), server.open('group', ME, [2, 3])];
  const harness = await SyncHarness.open(server, ME);
  assert.equal(partnerIn(harness.state, row(harness, direct)), 2);
  assert.equal(partnerIn(harness.state, row(harness, group)), null);
  setBlocked(server, ME, 2, true);
  await harness.settle();
  assert.equal(blockedIn(harness.state, row(harness, direct)), 2);
  assert.ok(!acceptsMessages(harness.state, row(harness, direct)));
  assert.ok(acceptsMessages(harness.state, row(harness, group)));
  await harness.disconnect();
  setBlocked(server, ME, 3, true);
  setBlocked(server, ME, 2, false);
  harness.events.splice(0);
  await harness.recover();
  assert.deepEqual([...harness.state.blocks], [3], 'the answer has all of them');
  assert.ok(acceptsMessages(harness.state, row(harness, direct)));
});

test('a block of another user changes nothing but what they show', async () => {
  const server = new ModelServer(2);
  const id = server.open('direct', ME, [2]);
  server.send(ME, id, 'hello', 'k1');
  server.mark(2, id, { read: 1 });
  const harness = await SyncHarness.open(server, ME);
  const other = () => row(harness, id).members.find((one) => one.user.id === 2);
  assert.equal(other()?.read_seq, 1);
  setBlocked(server, 2, ME, true);
  await harness.settle();
  assert.deepEqual([other()?.read_seq, other()?.delivered_seq], [0, 1]);
  assert.equal(harness.state.blocks.size, 0);
  assert.ok(acceptsMessages(harness.state, row(harness, id)), 'as far as they know');
  setBlocked(server, 2, ME, false);
  await harness.settle();
  assert.equal(other()?.read_seq, 1);
});
