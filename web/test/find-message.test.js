/**
 * Finding a message before jumping to it: whether it can be shown, and if not, why.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { findMessage } from '../src/inbox/actions/find-message.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { deleteMessage, hide } from './support/message-changes.js';
import { SyncHarness } from './support/sync-harness.js';

const ME = 1;
const BEN = 2;

/** @type {import('./support/model-server.js').ModelServer} */
let server;
/** @type {SyncHarness} */
let harness;
let conversation = 0;
/** The requested messages. @type {number[]} */
let requested = [];
/** @type {Error|null} */
let failure = null;

beforeEach(async () => {
  [requested, failure] = [[], null];
  ({ server, harness, conversation } = await SyncHarness.openThread(ME, BEN, 60));
});

const loaded = () => harness.state.threads.get(conversation)?.messages.map((one) => one.seq) ?? [];

/** @param {number} seq @param {() => boolean} [isStillNeeded] */
function find(seq, isStillNeeded = () => true) {
  /** @type {any} */
  const client = {
    state: harness.state,
    user: ME,
    loadAround: async (/** @type {number} */ id, /** @type {number} */ around) => {
      requested.push(around);
      if (failure) throw failure;
      return { page: server.messages(ME, id, { around, limit: 10 }), requestedAt: harness.state.turn };
    },
    applyPage: (/** @type {number} */ id, /** @type {any} */ looked, /** @type {boolean} */ show) => {
      if (show) harness.sync.applyInput({ kind: 'messages', conversation: id, ...looked });
    },
  };
  return findMessage(client, { conversation, seq }, isStillNeeded);
}

test('a loaded message is found without a request, and another one with the answer', async () => {
  assert.equal(await find(59), 'there');
  assert.deepEqual(requested, []);
  assert.equal(await find(10), 'there');
  assert.deepEqual(requested, [10]);
  assert.ok(loaded().includes(10));
});

test('an answer that is no longer wanted is not shown', async () => {
  const before = loaded();
  assert.equal(await find(10, () => false), 'there');
  assert.deepEqual(loaded(), before);
});

test('a deleted, hidden or unknown message moves nothing', async () => {
  deleteMessage(server, BEN, conversation, 10);
  hide(server, ME, conversation, 11);
  deleteMessage(server, BEN, conversation, 59);
  await harness.receiveAll();
  await harness.replyAll();
  const before = loaded();
  const outcomes = [];
  for (const seq of [10, 11, 59, 61]) outcomes.push(await find(seq));
  assert.deepEqual(outcomes, ['deleted', 'hidden', 'deleted', 'gone']);
  assert.deepEqual(loaded(), before);
});

test('a message from before the member joined differs from a lost one', async () => {
  const before = loaded();
  const copy = harness.state.conversations.get(conversation);
  assert.ok(copy);
  const members = copy.members.map((one) => (one.user.id === ME ? { ...one, history_from: 20 } : one));
  harness.state.conversations.set(conversation, { ...copy, members });
  assert.equal(await find(12), 'before');
  assert.deepEqual(requested, [], 'the page knows that itself');
  failure = new NoAnswer('no way');
  assert.equal(await find(25), 'lost');
  failure = new Problem({ code: 'not_found', title: 'none', status: 404, retryable: false });
  assert.equal(await find(25), 'left');
  assert.deepEqual(loaded(), before);
});
