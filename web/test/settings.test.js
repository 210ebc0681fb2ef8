import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply } from '../src/sdk/state/apply.js';
import { isArchived, isMuted, nextMuteEnd, settingsOf } from '../src/sdk/state/settings.js';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';
import { updateSettings } from './support/model-settings.js';

const ME = 1;
const NOW = '2026-11-22T09:00:00.000Z';
const plain = { pinned: false, archived_seq: null, muted: false, muted_until: null, marked_unread: false, version: 3 };

test('a conversation is muted until its time, and archived until a newer message arrives, unless it is muted', () => {
  const muted = { ...plain, muted: true };
  assert.ok(isMuted(muted, NOW));
  assert.ok(isMuted({ ...muted, muted_until: '2026-11-22T09:00:00.001Z' }, NOW));
  assert.ok(!isMuted({ ...muted, muted_until: NOW }, NOW));
  assert.ok(!isMuted(plain, NOW));
  assert.ok(!isArchived({ last_seq: 4 }, plain, NOW));
  assert.ok(isArchived({ last_seq: 4 }, { ...plain, archived_seq: 4 }, NOW));
  assert.ok(!isArchived({ last_seq: 5 }, { ...plain, archived_seq: 4 }, NOW));
  assert.ok(isArchived({ last_seq: 5 }, { ...muted, archived_seq: 4 }, NOW));
});

test('settings arrive live, and the totals leave out what is archived or muted', async () => {
  const server = new ModelServer(2);
  const [one, other] = [server.open('group', 2, [ME]), server.open('direct', 2, [ME])];
  server.send(2, one, 'hello', 'k1');
  server.send(2, other, 'hello', 'k2');
  const harness = await SyncHarness.open(server, ME);
  assert.deepEqual(totalsOf(harness.state), { conversations: 2, messages: 2 });
  updateSettings(server, ME, one, { archived_seq: 1 });
  updateSettings(server, ME, other, { muted: true, muted_until: '2026-11-22T10:00:00.000Z' });
  await harness.settle();
  assert.equal(settingsOf(harness.state, one).archived_seq, 1);
  assert.deepEqual(totalsOf(harness.state), { conversations: 0, messages: 0 });
  assert.equal(nextMuteEnd(harness.state), '2026-11-22T10:00:00.000Z');
  server.send(2, one, 'and again', 'k3');
  await harness.settle();
  assert.deepEqual(totalsOf(harness.state), { conversations: 1, messages: 2 });
  updateSettings(server, ME, other, { muted: false, marked_unread: true });
  server.mark(ME, other, { read: 1 });
  await harness.settle();
  assert.deepEqual(totalsOf(harness.state), { conversations: 1, messages: 2 });
});

test('an older copy of a conversation does not undo newer settings', async () => {
  const server = new ModelServer(2);
  const id = server.open('direct', 2, [ME]);
  const harness = await SyncHarness.open(server, ME);
  const before = server.conversation(ME, id);
  updateSettings(server, ME, id, { pinned: true });
  await harness.settle();
  const state = apply(harness.state, { kind: 'conversation', conversation: before, requestedAt: harness.state.turn });
  assert.ok(settingsOf(state, id).pinned);
});

test('a pinned conversation is loaded although its part of the list is not', async () => {
  const server = new ModelServer(2);
  const old = server.open('group', 2, [ME]);
  for (let index = 0; index < 60; index += 1) server.open('group', 2, [ME]);
  updateSettings(server, ME, old, { pinned: true });
  const harness = await SyncHarness.open(server, ME, false);
  await harness.settle();
  assert.notEqual(harness.state.list.next, null, 'the list goes on');
  assert.ok(harness.state.conversations.has(old));
});
