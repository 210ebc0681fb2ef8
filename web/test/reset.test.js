/**
 * Loading everything again after a reset: nothing older than the first answer about the user is accepted, since that
 * answer does not list what the user hid before.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { hide } from './support/message-changes.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {SyncHarness} */
let harness;
let umbrella = 0;
let helmet = 0;

beforeEach(async () => {
  server = new ModelServer(4);
  umbrella = server.open('group', ME, [BEN, 3]);
  helmet = server.open('group', ME, [BEN]);
  harness = await SyncHarness.open(server, ME);
});

test('after a reset messages are requested once the user is known, so that one hidden meanwhile is not shown', async () => {
  const seq = server.send(BEN, umbrella, 'hello', 'a').message.seq;
  void harness.sync.threads.open(umbrella);
  await harness.reset();
  server.send(BEN, umbrella, 'again', 'b');
  server.start();
  await harness.disconnect();
  await harness.resume();
  await harness.reply();
  hide(server, ME, umbrella, seq);
  await harness.recover();
  assert.equal(harness.state.threads.get(umbrella)?.messages.find((one) => one.seq === seq)?.hidden, true);
  harness.assertEqual();
});

test('heads from before a message was hidden do not make the unread totals wrong', async () => {
  const seq = server.send(BEN, umbrella, 'hello', 'a').message.seq;
  server.send(BEN, helmet, 'and here', 'b');
  await harness.receiveAll();
  await harness.reset();
  server.send(ME, umbrella, 'mine', 'c');
  server.send(ME, helmet, 'mine too', 'd');
  harness.askHeads();
  hide(server, ME, umbrella, seq);
  await harness.reply();
  await harness.answerHeads();
  server.send(ME, umbrella, 'mine again', 'e');
  await harness.settle();
  assert.deepEqual(totalsOf(harness.state), server.totals(ME));
});

test('after a reset no conversation is requested before the user is known', async () => {
  await harness.reset();
  harness.log = [];
  server.send(BEN, umbrella, 'hello', 'a');
  await harness.receiveAll();
  await harness.clock.advance(1_000);
  assert.deepEqual(harness.log, [], 'only the request for the user is pending');
  await harness.settle();
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.text, 'hello');
});

test('the list loads too when the user is first answered for another reason', async () => {
  await harness.reset();
  await harness.fail();
  harness.sync.applyEvent({ type: 'scope.changed', scope: `user:${ME}`, version: server.data.version + 1 });
  server.next();
  await harness.replyAll();
  assert.equal(harness.state.list.loaded, true);
  await harness.clock.advance(40_000);
  await harness.replyAll();
  assert.equal(harness.sync.listProgress, 'idle');
});

test('a jump that fails because the user is unknown does not happen later', async () => {
  for (let number = 1; number <= 60; number += 1) server.send(BEN, umbrella, `message ${number}`, `m${number}`);
  await harness.receiveAll();
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  await harness.reset();
  assert.equal(await harness.sync.threads.openAround(umbrella, 1), false);
  await harness.replyAll();
  assert.equal(harness.state.threads.get(umbrella)?.messages.at(-1)?.seq, 60);
});

test('an answer from before a reset, or from before the user was known, is not applied', async () => {
  const beforeReset = harness.sync.threads.createAnswerCheck();
  assert.equal(beforeReset(), true);
  await harness.reset();
  assert.equal(beforeReset(), false);
  const beforeUser = harness.sync.threads.createAnswerCheck();
  await harness.settle();
  assert.equal(beforeUser(), false);
  assert.equal(harness.sync.threads.createAnswerCheck()(), true);
});
