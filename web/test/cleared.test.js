import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, filtered, isListEmpty } from '../src/inbox/view/conversations.js';
import { threadView } from '../src/inbox/view/thread.js';
import { apply } from '../src/sdk/state/apply.js';
import { emptyState } from '../src/sdk/state/state.js';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';
import { edit } from './support/message-changes.js';
import { clear } from './support/model-settings.js';

const ME = 1;

/** A group with five messages, of which the last but one mentions the user, and its thread on the screen. */
async function open() {
  const server = new ModelServer(3);
  const id = server.open('group', 2, [ME, 3]);
  for (const index of [1, 2, 3, 4, 5]) server.send(2, id, `message ${index}`, `k${index}`, undefined, index === 4 ? [ME] : []);
  const harness = await SyncHarness.open(server, ME);
  const row = () => /** @type {import('../src/sdk/state/conversations.js').ConversationRow} */ (harness.state.conversations.get(id));
  return { server, id, harness, row };
}

test('what is cleared is gone at once, does not count as unread, and stays gone', async () => {
  const { server, id, harness, row } = await open();
  assert.deepEqual(totalsOf(harness.state), { conversations: 1, messages: 5 });
  clear(server, ME, id, 4);
  await harness.settle();
  assert.deepEqual([row().last_message?.seq, row().unread, row().mention_seq], [5, 1, undefined]);
  clear(server, ME, id, 9);
  await harness.settle();
  assert.deepEqual([row().last_message, row().unread, row().last_seq], [null, 0, 5]);
  assert.deepEqual(totalsOf(harness.state), { conversations: 0, messages: 0 });
  edit(server, 2, id, 5, 'now it mentions the user', [ME]);
  await harness.settle();
  assert.equal(row().mention_seq, undefined);
});

test('a cleared conversation leaves the list until the next message, but is found by its name', async () => {
  const { server, id, harness } = await open();
  const viewInput = (selected = 0, draft = '') => ({
    state: harness.state, now: 0, serverNow: 0, selected, waiting: () => [], draft: () => draft, readUpTo: () => 0,
    presenceSource: { typing: () => [], presence: () => null },
  });
  const shown = (/** @type {string} */ query, selected = 0, draft = '') =>
    filtered(viewInput(selected, draft), { ...ALL, query }).map((one) => one.id);
  clear(server, ME, id, 5);
  await harness.settle();
  assert.deepEqual(shown(''), []);
  assert.equal(isListEmpty(viewInput()), true);
  assert.deepEqual(shown('group'), [id]);
  assert.deepEqual(shown('', 0, 'words'), [id], 'while something waits there to be sent');
  assert.deepEqual(shown('', id), [id], 'while it is on the screen');
  server.send(2, id, 'back again', 'k6');
  await harness.settle();
  assert.deepEqual(shown(''), [id]);
});

test('a copy and a page from before show nothing of it', async () => {
  const { server, id, harness, row } = await open();
  const [copy, page] = [server.conversation(ME, id), server.messages(ME, id, { limit: 5 })];
  const requestedAt = harness.state.turn;
  let state = apply(harness.state, { kind: 'opening', conversation: id });
  state = apply(state, { kind: 'messages', conversation: id, page, requestedAt });
  assert.equal(state.threads.get(id)?.messages.length, 5);
  clear(server, ME, id, 5);
  await harness.settle();
  state = apply(harness.state, { kind: 'opening', conversation: id });
  state = apply(state, { kind: 'messages', conversation: id, page, requestedAt });
  state = apply(state, { kind: 'conversation', conversation: copy, requestedAt });
  assert.deepEqual(state.threads.get(id)?.messages, []);
  assert.equal(state.conversations.get(id)?.last_message, null);
  assert.equal(row().last_message, null);
});

test('a copy that brings the settings that clear is not fetched again', async () => {
  const { server, id } = await open();
  clear(server, ME, id, 4);
  const state = emptyState(ME);
  const copy = { kind: /** @type {const} */ ('conversation'), conversation: server.conversation(ME, id), requestedAt: state.turn };
  const loaded = apply(state, copy);
  assert.equal(loaded.settings.get(id)?.cleared_seq, 4);
  assert.deepEqual([...loaded.stale.keys()], []);
});

test('a draft that answers a cleared message answers nothing any more', async () => {
  const { server, id, harness } = await open();
  const mode = () => threadView({
    state: harness.state, now: 0, serverNow: 0, selected: id, waiting: () => [], draft: () => 'ok', readUpTo: () => 0,
    presenceSource: { typing: () => [], presence: () => null },
  }, {
    id, divider: null, offline: false, progress: 'idle', side: null, draft: 'ok', draftTaken: 0, charsMax: 9, subjectMax: 9,
    attached: [], bytesMax: 9, drafting: { reply: 3, subject: null, mentions: [], editing: null }, isJumping: false,
    enterSends: true, withPending: (one) => one,
  }).composer.mode;
  assert.equal(mode()?.seq, 3, 'it need not be loaded');
  clear(server, ME, id, 4);
  await harness.settle();
  assert.equal(mode(), null);
});

test('removed and added again, the user sees nothing of what they cleared', async () => {
  const { server, id, harness, row } = await open();
  clear(server, ME, id, 5);
  server.remove(id, ME);
  server.add(id, ME, 2, true);
  await harness.settle();
  assert.equal(row().members.find((one) => one.user.id === ME)?.history_from, 1);
  assert.equal(row().last_message?.system?.type, 'added');
  assert.ok(server.messages(ME, id, {}).messages.every((one) => one.seq > 5));
});
