/** Messages that the host application removes, or shows again after their user had hidden them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hide, removeMessage, unhide } from './support/message-changes.js';
import { SyncHarness } from './support/sync-harness.js';

const [ME, OTHER] = [1, 2];

/** @param {SyncHarness} harness */
async function settle(harness) {
  while (harness.events.length > 0) await harness.receiveOne();
  await harness.settle();
}

test('a removed message leaves its place only, in the thread, in the list and in the counts', async () => {
  const { server, harness, conversation } = await SyncHarness.openThread(ME, OTHER, 5);
  assert.equal(harness.state.conversations.get(conversation)?.unread, 5);
  removeMessage(server, conversation, 5);
  await harness.receiveOne();
  assert.equal(harness.state.threads.get(conversation)?.messages.at(-1)?.text, '');
  assert.notEqual(harness.state.conversations.get(conversation)?.last_message?.seq, 5);
  await settle(harness);
  const row = harness.state.conversations.get(conversation);
  assert.deepEqual([row?.unread, row?.last_message?.seq, row?.last_seq], [4, 4, 5]);
  await harness.recover();
  harness.assertEqual();
});

test('a message that is shown again is loaded, even if a page from before arrives later', async () => {
  const { server, harness, conversation } = await SyncHarness.openThread(ME, OTHER, 5);
  hide(server, ME, conversation, 4);
  await settle(harness);
  assert.equal(harness.state.threads.get(conversation)?.messages.find((one) => one.seq === 4)?.hidden, true);
  const page = server.messages(ME, conversation, { limit: 5 });
  const requestedAt = harness.state.turn;
  unhide(server, ME, 0);
  await settle(harness);
  harness.sync.applyInput({ kind: 'messages', conversation, page, requestedAt });
  await settle(harness);
  assert.equal(harness.state.threads.get(conversation)?.messages.find((one) => one.seq === 4)?.text, 'message 4');
  assert.equal(harness.state.conversations.get(conversation)?.unread, 5);
  await harness.recover();
  harness.assertEqual();
});
