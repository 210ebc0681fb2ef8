/**
 * Synchronisation: one test for each failure that the invariants I5 and I6 exclude.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { deleteMessage, edit, hide } from './support/message-changes.js';
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

test('a live event moves its scope and never the cursor', async () => {
  const before = harness.state.cursor;
  server.send(BEN, umbrella, 'is it yours?', 'a');
  await harness.receiveAll();
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.text, 'is it yours?');
  assert.equal(harness.state.conversations.get(umbrella)?.version, server.data.version);
  assert.equal(harness.state.cursor, before);
  assert.deepEqual(harness.log, [], 'no request was needed');
});

test('a resume finds a lost event of another conversation, although later events arrived', async () => {
  server.send(BEN, umbrella, 'lost on the way', 'a');
  harness.events = [];
  server.send(BEN, helmet, 'heard', 'b');
  await harness.receiveAll();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 0);
  await harness.resume();
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.text, 'lost on the way');
  harness.assertEqual();
});

test('a resume finds a lost removal', async () => {
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  server.remove(umbrella, ME);
  harness.events = [];
  await harness.resume();
  assert.equal(harness.state.conversations.has(umbrella), false);
  assert.equal(harness.state.threads.has(umbrella), false);
  harness.assertEqual();
});

test('an event of a conversation that the user has left meanwhile does not cause repeated requests', async () => {
  const conversation = server.open('group', BEN, [ME, 3]);
  harness.events = [];
  server.send(BEN, conversation, 'the opening was lost', 'a');
  await harness.receiveAll();
  server.remove(conversation, ME);
  harness.events = [];
  await harness.replyAll();
  await harness.clock.advance(1_000);
  await harness.replyAll();
  assert.deepEqual(harness.log, ['conversation.get', 'me.get'], 'and once for the unread totals');
  assert.equal(harness.state.stale.size, 0);
  await harness.recover();
  harness.assertEqual();
});

test('heads whose fetch failed do not move the cursor until the fetch succeeds', async () => {
  server = new ModelServer(4, { inline: 0 });
  umbrella = server.open('group', ME, [BEN]);
  harness = await SyncHarness.open(server, ME);
  const before = harness.state.cursor;
  server.send(BEN, umbrella, 'asked for', 'a');
  harness.events = [];
  await harness.resume();
  assert.equal(harness.pending.length, 1);
  await harness.fail();
  assert.equal(harness.state.cursor, before);
  assert.equal(harness.sync.cursor(), before, 'the next resume starts from the last certain cursor');
  await harness.clock.advance(2_000);
  await harness.replyAll();
  assert.equal(harness.state.cursor, server.cursor());
  harness.assertEqual();
});

test('with list pages at different cursors the lowest counts, and changes between them are found', async () => {
  server = new ModelServer(4);
  const conversations = [1, 2, 3, 4, 5].map(() => server.open('group', ME, [BEN]));
  harness = new SyncHarness(server, ME);
  await harness.resume();
  await harness.replyAll();
  const before = harness.state.cursor;
  // The change is within the first page, and its event is lost.
  server.send(BEN, conversations[4], 'between two pages', 'a');
  harness.events = [];
  void harness.sync.loadList();
  await harness.replyAll();
  assert.equal(harness.state.cursor, before, 'a page does not move the cursor');
  assert.equal(harness.state.conversations.get(conversations[4])?.last_message, null);
  await harness.resume();
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(conversations[4])?.last_message?.text, 'between two pages');
});

test('after an epoch change that lost data all state is dropped and loaded again', async () => {
  const backup = server.backup();
  server.send(BEN, umbrella, 'never happened', 'a');
  await harness.receiveAll();
  await harness.resume();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 1);
  server.restore(backup);
  server.send(BEN, umbrella, 'happened instead', 'b');
  await harness.disconnect();
  await harness.resume();
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.text, 'happened instead');
  harness.assertEqual();
});

test('an ordinary restart causes no reset', async () => {
  const held = harness.state.conversations.get(umbrella);
  server.start();
  await harness.disconnect();
  await harness.resume();
  assert.equal(harness.state.conversations.get(umbrella), held);
  assert.deepEqual(harness.log, []);
  assert.equal(harness.state.cursor, server.cursor());
});

test('an answer to a request from before a reset is dropped', async () => {
  const backup = server.backup();
  server.send(BEN, umbrella, 'never happened', 'a');
  harness.events = [];
  harness.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version });
  assert.equal(harness.pending.length, 1);
  const [old] = harness.pending;
  server.restore(backup);
  harness.sync.applyHeads(server.heads(ME, null));
  old.resolve(structuredClone(old.early.value));
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(umbrella)?.last_message, null);
  harness.assertEqual();
});

test('events that arrive out of order are applied in order, without a request', async () => {
  server.send(BEN, umbrella, 'one', 'a');
  server.send(BEN, umbrella, 'two', 'b');
  server.send(BEN, umbrella, 'three', 'c');
  await harness.receiveOne(2);
  await harness.receiveOne(1);
  assert.equal(harness.state.conversations.get(umbrella)?.last_message, null);
  await harness.clock.advance(200);
  await harness.receiveOne(0);
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.text, 'three');
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 3);
  await harness.clock.advance(1_000);
  assert.deepEqual(harness.log, []);
  assert.equal(harness.state.heldEvents.size, 0);
});

test('an event whose predecessor never arrives causes a request after a moment', async () => {
  server.send(BEN, umbrella, 'lost', 'a');
  harness.events = [];
  server.send(BEN, umbrella, 'heard', 'b');
  await harness.receiveAll();
  await harness.clock.advance(299);
  assert.deepEqual(harness.log, []);
  await harness.clock.advance(1);
  assert.deepEqual(harness.log, ['conversation.changes']);
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 2);
  assert.equal(harness.state.heldEvents.size, 0);
});

test('a repeated event counts once', async () => {
  server.send(BEN, umbrella, 'once', 'a');
  const [event] = harness.events;
  await harness.receiveAll();
  harness.events = [event, event];
  await harness.receiveAll();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 1);
  assert.equal(harness.state.heldEvents.size, 0);
});

test('an event that arrives while its scope is fetched is not lost', async () => {
  const conversation = server.open('group', BEN, [3]);
  server.add(conversation, ME);
  harness.events = [];
  server.send(BEN, conversation, 'one', 'a');
  await harness.receiveAll();
  assert.deepEqual(harness.log, ['conversation.get']);
  const [get] = harness.pending.splice(0);
  server.send(BEN, conversation, 'two', 'b');
  await harness.receiveAll();
  get.resolve(structuredClone(get.early.value));
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(conversation)?.last_message?.text, 'two');
  assert.equal(harness.state.conversations.get(conversation)?.unread, 2);
});

test('an answer requested before a conversation was left does not bring it back', async () => {
  harness.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version + 1 });
  server.send(BEN, umbrella, 'late', 'a');
  const [changes] = harness.pending.splice(0);
  const page = structuredClone(server.list(ME, undefined, 5));
  void harness.sync.loadList();
  server.remove(umbrella, ME);
  await harness.receiveAll();
  assert.equal(harness.state.conversations.has(umbrella), false);
  changes.resolve(structuredClone(changes.early.value));
  harness.sync.applyInput({ kind: 'list', page, requestedAt: 0 });
  await harness.replyAll();
  assert.equal(harness.state.conversations.has(umbrella), false);
});

test('heads requested before a conversation was joined do not remove it', async () => {
  server.remove(umbrella, ME);
  harness.events = [];
  harness.askHeads();
  server.add(umbrella, ME);
  harness.sync.applyInput({
    kind: 'conversation', conversation: server.conversation(ME, umbrella), requestedAt: harness.state.turn,
  });
  // The conversation was held all along, so it is removed; the next answer brings it back.
  await harness.answerHeads();
  await harness.receiveAll();
  await harness.replyAll();
  await harness.recover();
  assert.equal(harness.state.conversations.has(umbrella), true);
  harness.assertEqual();
});

test('a late event of a conversation that was left does not bring it back', async () => {
  server.send(BEN, umbrella, 'late', 'a');
  const [late] = harness.events.splice(0);
  server.remove(umbrella, ME);
  await harness.receiveAll();
  harness.sync.applyEvent(late);
  await harness.replyAll();
  assert.equal(harness.state.conversations.has(umbrella), false);
  assert.deepEqual(harness.log, []);
});

test('a member who is added again sees the conversation, and only the messages since then', async () => {
  server.send(BEN, umbrella, 'not for me any more', 'a');
  server.remove(umbrella, ME);
  server.send(BEN, umbrella, 'behind my back', 'b');
  server.add(umbrella, ME);
  server.send(BEN, umbrella, 'welcome back', 'c');
  await harness.receiveAll();
  await harness.replyAll();
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  const said = harness.state.threads.get(umbrella)?.messages.filter((one) => !one.system);
  assert.deepEqual(said?.map((one) => one.text), ['welcome back']);
  await harness.recover();
  harness.assertEqual();
});

test('changes in several pages are applied together, and an interruption starts over', async () => {
  for (let count = 0; count < 9; count += 1) server.send(BEN, umbrella, `message ${count}`, `m${count}`);
  harness.events = [];
  const before = harness.state.conversations.get(umbrella)?.version;
  harness.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version });
  await harness.reply();
  assert.equal(harness.state.conversations.get(umbrella)?.version, before);
  await harness.fail();
  assert.equal(harness.state.conversations.get(umbrella)?.version, before);
  await harness.clock.advance(5_000);
  await harness.replyAll();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 9);
});

test('too many changes replace the loaded messages with the newest page', async () => {
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  for (let count = 0; count < 20; count += 1) server.send(BEN, umbrella, `message ${count}`, `m${count}`);
  harness.events = [];
  await harness.resume();
  await harness.replyAll();
  const thread = harness.state.threads.get(umbrella);
  assert.equal(thread?.messages.length, 5);
  assert.equal(thread?.moreBefore, true);
  await harness.recover();
  harness.assertEqual();
  void harness.sync.threads.loadOlder(umbrella);
  await harness.replyAll();
  assert.equal(harness.state.threads.get(umbrella)?.messages.length, 9);
  harness.assertEqual();
});

test('messages that arrive while the first page of a thread is fetched are in it', async () => {
  server.send(BEN, umbrella, 'one', 'a');
  await harness.receiveAll();
  void harness.sync.threads.open(umbrella);
  const [list] = harness.pending.splice(0);
  server.send(BEN, umbrella, 'two', 'b');
  await harness.receiveAll();
  list.resolve(structuredClone(list.early.value));
  await harness.replyAll();
  assert.deepEqual(harness.state.threads.get(umbrella)?.messages.map((one) => one.text), ['one', 'two']);
});

test('a sent message is shown with its reply, before its event', async () => {
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  const requestedAt = harness.state.turn;
  const sent = server.send(ME, umbrella, 'mine', 'a');
  harness.sync.applyInput({ kind: 'sent', sent, requestedAt });
  assert.deepEqual(harness.state.threads.get(umbrella)?.messages.map((one) => one.text), ['mine']);
  await harness.receiveAll();
  await harness.clock.advance(1_000);
  assert.deepEqual(harness.log, ['message.list'], 'the event was enough');
  assert.equal(harness.state.conversations.get(umbrella)?.last_seq, 1);
});

/** @param {number} count */
async function openLongThread(count) {
  for (let number = 1; number <= count; number += 1) server.send(BEN, umbrella, `message ${number}`, `m${number}`);
  await harness.receiveAll();
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  harness.log = [];
  return () => harness.state.threads.get(umbrella)?.messages.map((one) => one.seq) ?? [];
}

async function assertSettled() {
  await harness.resume();
  await harness.replyAll();
  harness.assertEqual();
}

test('a thread loaded around a message gets no new messages until the user returns to its end', async () => {
  const held = await openLongThread(30);
  assert.deepEqual(held(), [27, 28, 29, 30]);
  void harness.sync.threads.openAround(umbrella, 10);
  await harness.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(harness.state.threads.get(umbrella)?.moreAfter, true);
  server.send(BEN, umbrella, 'meanwhile', 'new');
  await harness.receiveAll();
  await harness.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(harness.state.conversations.get(umbrella)?.last_seq, 31);
  void harness.sync.threads.loadNewer(umbrella);
  await harness.replyAll();
  void harness.sync.threads.loadOlder(umbrella);
  await harness.replyAll();
  assert.deepEqual(held(), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  harness.sync.threads.trim(umbrella, 6, 12);
  assert.deepEqual(held(), [6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(harness.log, ['message.list', 'message.list', 'message.list']);
  void harness.sync.threads.openLatest(umbrella);
  await harness.replyAll();
  assert.deepEqual(held(), [28, 29, 30, 31]);
  assert.equal(harness.state.threads.get(umbrella)?.moreAfter, false);
  await assertSettled();
});

test('a message edited while its page was loading is shown in its current state', async () => {
  const held = await openLongThread(30);
  void harness.sync.threads.openAround(umbrella, 10);
  const [page] = harness.pending.splice(0);
  edit(server, BEN, umbrella, 9, 'edited meanwhile');
  await harness.receiveAll();
  page.resolve(structuredClone(page.early.value));
  await harness.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(harness.state.threads.get(umbrella)?.messages[1].text, 'edited meanwhile');
  assert.deepEqual(harness.log, ['message.list', 'conversation.changes'], 'the gap was requested once');
  await assertSettled();
});

test('a quoted message that is not loaded is requested once and follows its changes', async () => {
  await openLongThread(30);
  server.send(BEN, umbrella, 'about that', 'r', 3);
  server.send(BEN, umbrella, 'about that too', 's', 3);
  await harness.receiveAll();
  await harness.replyAll();
  const quoted = () => harness.state.threads.get(umbrella)?.quoted.get(3);
  assert.equal(quoted()?.text, 'message 3');
  assert.deepEqual(harness.log, ['message.list']);
  edit(server, BEN, umbrella, 3, 'not that');
  await harness.receiveAll();
  assert.equal(quoted()?.text, 'not that');
  deleteMessage(server, BEN, umbrella, 3);
  await harness.receiveAll();
  await harness.replyAll();
  assert.equal(quoted()?.deleted, true);
  assert.equal(quoted()?.text, '');
  await assertSettled();
});

test('deleting messages for oneself counts unread messages only from the read marker', async () => {
  for (const text of ['one', 'two', 'three']) server.send(BEN, umbrella, text, text);
  server.mark(ME, umbrella, { delivered: 3 });
  server.data.receiptsOff.add(ME);
  await harness.receiveAll();
  hide(server, ME, umbrella, 1);
  server.mark(ME, umbrella, { read: 3 });
  void harness.sync.applyInput({
    kind: 'conversation', conversation: server.conversation(ME, umbrella), requestedAt: harness.state.turn,
  });
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 0);
  await harness.settle();
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 0);
});

test('a message deleted for oneself stays hidden when an older copy arrives', async () => {
  await openLongThread(30);
  void harness.sync.threads.openAround(umbrella, 10);
  const [page] = harness.pending.splice(0);
  hide(server, ME, umbrella, 9);
  hide(server, ME, umbrella, 30);
  await harness.receiveAll();
  page.resolve(structuredClone(page.early.value));
  await harness.replyAll();
  const [, nine] = harness.state.threads.get(umbrella)?.messages ?? [];
  assert.equal(nine.hidden, true);
  assert.equal(nine.text, '');
  assert.equal(harness.state.conversations.get(umbrella)?.last_message?.seq, 29, 'the newest visible message');
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 28);
  await assertSettled();
});

test('deleting an unread message causes a request for the unread totals', async () => {
  await openLongThread(3);
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 3);
  deleteMessage(server, BEN, umbrella, 2);
  await harness.receiveAll();
  await harness.replyAll();
  assert.deepEqual(harness.log, ['conversation.get']);
  assert.equal(harness.state.conversations.get(umbrella)?.unread, 2);
  harness.log = [];
  server.mark(ME, umbrella, { read: 3 });
  deleteMessage(server, BEN, umbrella, 1);
  await harness.receiveAll();
  await harness.replyAll();
  assert.deepEqual(harness.log, [], 'a read message does not count');
  await assertSettled();
});

test('a thread that is closed keeps only its end', async () => {
  const held = await openLongThread(30);
  void harness.sync.threads.openAround(umbrella, 10);
  await harness.replyAll();
  harness.sync.threads.close(umbrella);
  assert.deepEqual(held(), [], 'a separately loaded part is dropped');
  void harness.sync.threads.open(umbrella);
  await harness.replyAll();
  harness.sync.threads.close(umbrella);
  for (let number = 0; number < 400; number += 1) {
    server.send(BEN, umbrella, 'more', `x${number}`);
    await harness.receiveAll();
  }
  assert.ok(held().length <= 160, `${held().length} messages of a closed thread are loaded`);
  assert.equal(held().at(-1), 430);
});

test('when loading the own user fails, the list shows it and offers a retry', async () => {
  harness = new SyncHarness(server, ME);
  await harness.resume();
  assert.equal(harness.sync.listProgress, 'loading');
  await harness.fail();
  assert.equal(harness.sync.listProgress, 'failed');
  void harness.sync.loadList();
  await harness.replyAll();
  assert.equal(harness.sync.listProgress, 'idle');
  assert.equal(harness.state.list.loaded, true);
});
