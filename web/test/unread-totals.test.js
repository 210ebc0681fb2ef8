/**
 * The unread totals of all conversations, most of which are not loaded.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { deleteMessage, edit, hide } from './support/message-changes.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {SyncHarness} */
let harness;
/** The oldest first; the first ones are not loaded. @type {number[]} */
let conversations = [];

beforeEach(async () => {
  server = new ModelServer(4);
  conversations = [1, 2, 3, 4, 5, 6].map(() => server.open('group', BEN, [ME, 3]));
  for (const conversation of conversations) for (const text of ['one', 'two']) server.send(BEN, conversation, text, `${text}-${conversation}`);
  harness = await SyncHarness.open(server, ME, false);
  assert.equal(harness.state.conversations.size, 3);
});

function assertTotals() {
  assert.deepEqual(totalsOf(harness.state), server.totals(ME));
}

test('totals are right although few rows are loaded, and follow events without a request', async () => {
  assert.deepEqual(totalsOf(harness.state), { conversations: 6, messages: 12 });
  server.send(BEN, conversations[5], 'three', 'c');
  server.mark(ME, conversations[4], { read: 2 });
  await harness.receiveAll();
  assert.deepEqual(totalsOf(harness.state), { conversations: 5, messages: 11 });
  void harness.sync.loadList();
  await harness.replyAll();
  assertTotals();
  assert.deepEqual(harness.log, ['conversation.list']);
});

test('a changed conversation that was not loaded counts once its previous state is known', async () => {
  server.send(BEN, conversations[0], 'three', 'c');
  await harness.settle();
  assertTotals();
  assert.deepEqual(harness.log, ['conversation.get', 'me.get']);
});

test('a conversation that the user was removed from no longer counts, loaded or not', async () => {
  server.remove(conversations[0], ME);
  server.remove(conversations[5], ME);
  await harness.settle();
  assertTotals();
  assert.deepEqual(totalsOf(harness.state), { conversations: 4, messages: 8 });
});

test('messages read and hidden in an unloaded conversation no longer count', async () => {
  server.data.receiptsOff.add(ME);
  server.mark(ME, conversations[0], { read: 2 });
  hide(server, ME, conversations[1], 2);
  await harness.settle();
  assertTotals();
  assert.deepEqual(totalsOf(harness.state), { conversations: 5, messages: 9 });
});

test('an answer older than known events is requested again', async () => {
  server.send(BEN, conversations[0], 'three', 'c');
  await harness.receiveAll();
  await harness.replyAll();
  await harness.clock.advance(1_000);
  const [me] = harness.pending.splice(0);
  server.send(BEN, conversations[5], 'three', 'd');
  await harness.receiveAll();
  me.resolve(structuredClone(me.early.value));
  await harness.settle();
  assertTotals();
  assert.equal(harness.log.filter((one) => one === 'me.get').length, 2);
});

test('missed changes that are newer than the totals need no request', async () => {
  server.send(BEN, conversations[5], 'three', 'c');
  harness.events = [];
  await harness.resume();
  await harness.settle();
  assertTotals();
  assert.deepEqual(harness.log, []);
});

/** Loads the totals after an unnoticed change in a loaded conversation. @param {() => void} change */
async function loadTotalsAfter(change) {
  const before = harness.state.conversations.get(conversations[5])?.version;
  server.mark(ME, conversations[0], { read: 2 });
  const [heard] = harness.events;
  change();
  harness.events = [heard];
  await harness.receiveAll();
  await harness.replyAll();
  await harness.clock.advance(1_000);
  await harness.replyAll();
  assert.ok((harness.state.totals?.at ?? 0) >= (server.data.conversations.get(conversations[5])?.version ?? 0));
  assert.equal(harness.state.conversations.get(conversations[5])?.version, before);
}

test('a message from before the totals that changed after them leaves no doubt', async () => {
  await loadTotalsAfter(() => server.send(BEN, conversations[5], 'three', 'c'));
  edit(server, BEN, conversations[5], 3, 'three, edited');
  harness.events = [];
  await harness.resume();
  await harness.settle();
  assertTotals();
});

test('a marker that moved before the totals and a message after them leave no doubt', async () => {
  await loadTotalsAfter(() => server.mark(ME, conversations[5], { read: 2 }));
  server.send(BEN, conversations[5], 'three', 'c');
  harness.events = [];
  await harness.resume();
  await harness.settle();
  assertTotals();
});

test('totals received while a count is in doubt are requested again when it changes', async () => {
  server.mark(ME, conversations[4], { delivered: 2 });
  server.data.receiptsOff.add(ME);
  server.mark(ME, conversations[4], { read: 2 });
  await harness.receiveAll();
  await harness.clock.advance(1_000);
  assert.deepEqual(harness.log, ['me.get']);
  deleteMessage(server, BEN, conversations[5], 2);
  await harness.receiveAll();
  await harness.reply();
  server.send(BEN, conversations[5], 'three', 'c');
  await harness.settle();
  assertTotals();
});
