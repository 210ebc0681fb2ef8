/**
 * Synchronisation: one test for each failure that the invariants I5 and I6 exclude.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { edit, erase, hide } from './support/message-changes.js';
import { Rig } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {Rig} */
let rig;
let umbrella = 0;
let helmet = 0;

beforeEach(async () => {
  server = new ModelServer(4);
  umbrella = server.open('group', ME, [BEN, 3]);
  helmet = server.open('group', ME, [BEN]);
  rig = new Rig(server, ME);
  await rig.begin();
  rig.events = [];
});

test('a live event moves its scope and never the cursor', async () => {
  const before = rig.state.cursor;
  server.send(BEN, umbrella, 'is it yours?', 'a');
  await rig.hearAll();
  assert.equal(rig.state.conversations.get(umbrella)?.last_message?.text, 'is it yours?');
  assert.equal(rig.state.conversations.get(umbrella)?.version, server.data.version);
  assert.equal(rig.state.cursor, before);
  assert.deepEqual(rig.log, [], 'no request was needed');
});

test('a resume finds a lost event of another conversation, although later events arrived', async () => {
  server.send(BEN, umbrella, 'lost on the way', 'a');
  rig.events = [];
  server.send(BEN, helmet, 'heard', 'b');
  await rig.hearAll();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 0);
  await rig.resume();
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(umbrella)?.last_message?.text, 'lost on the way');
  rig.assertEqual();
});

test('a resume finds a lost removal', async () => {
  void rig.sync.open(umbrella);
  await rig.replyAll();
  server.remove(umbrella, ME);
  rig.events = [];
  await rig.resume();
  assert.equal(rig.state.conversations.has(umbrella), false);
  assert.equal(rig.state.threads.has(umbrella), false);
  rig.assertEqual();
});

test('an event of a conversation that the user has left meanwhile does not cause repeated requests', async () => {
  const room = server.open('group', BEN, [ME, 3]);
  rig.events = [];
  server.send(BEN, room, 'the opening was lost', 'a');
  await rig.hearAll();
  server.remove(room, ME);
  rig.events = [];
  await rig.replyAll();
  await rig.clock.advance(1_000);
  await rig.replyAll();
  assert.deepEqual(rig.log, ['conversation.get', 'me.get'], 'and once for the unread totals');
  assert.equal(rig.state.stale.size, 0);
  await rig.calm();
  rig.assertEqual();
});

test('heads whose fetch failed do not move the cursor until the fetch succeeds', async () => {
  server = new ModelServer(4, { inline: 0 });
  umbrella = server.open('group', ME, [BEN]);
  rig = new Rig(server, ME);
  await rig.begin();
  const before = rig.state.cursor;
  server.send(BEN, umbrella, 'asked for', 'a');
  rig.events = [];
  await rig.resume();
  assert.equal(rig.asked.length, 1);
  await rig.fail();
  assert.equal(rig.state.cursor, before);
  assert.equal(rig.sync.cursor(), before, 'the next resume starts from the last certain cursor');
  await rig.clock.advance(2_000);
  await rig.replyAll();
  assert.equal(rig.state.cursor, server.cursor());
  rig.assertEqual();
});

test('with list pages at different cursors the lowest counts, and changes between them are found', async () => {
  server = new ModelServer(4);
  const rooms = [1, 2, 3, 4, 5].map(() => server.open('group', ME, [BEN]));
  rig = new Rig(server, ME);
  await rig.resume();
  await rig.replyAll();
  const before = rig.state.cursor;
  // The change is within the first page, and its event is lost.
  server.send(BEN, rooms[4], 'between two pages', 'a');
  rig.events = [];
  void rig.sync.loadList();
  await rig.replyAll();
  assert.equal(rig.state.cursor, before, 'a page does not move the cursor');
  assert.equal(rig.state.conversations.get(rooms[4])?.last_message, null);
  await rig.resume();
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(rooms[4])?.last_message?.text, 'between two pages');
});

test('after an epoch change that lost data all state is dropped and loaded again', async () => {
  const backup = server.backup();
  server.send(BEN, umbrella, 'never happened', 'a');
  await rig.hearAll();
  await rig.resume();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 1);
  server.restore(backup);
  server.send(BEN, umbrella, 'happened instead', 'b');
  await rig.disconnect();
  await rig.resume();
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(umbrella)?.last_message?.text, 'happened instead');
  rig.assertEqual();
});

test('an ordinary restart causes no reset', async () => {
  const held = rig.state.conversations.get(umbrella);
  server.start();
  await rig.disconnect();
  await rig.resume();
  assert.equal(rig.state.conversations.get(umbrella), held);
  assert.deepEqual(rig.log, []);
  assert.equal(rig.state.cursor, server.cursor());
});

test('an answer to a request from before a reset is dropped', async () => {
  const backup = server.backup();
  server.send(BEN, umbrella, 'never happened', 'a');
  rig.events = [];
  rig.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version });
  assert.equal(rig.asked.length, 1);
  const [old] = rig.asked;
  server.restore(backup);
  rig.sync.applyHeads(server.heads(ME, null));
  old.resolve(structuredClone(old.early.value));
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(umbrella)?.last_message, null);
  rig.assertEqual();
});

test('events that arrive out of order are applied in order, without a request', async () => {
  server.send(BEN, umbrella, 'one', 'a');
  server.send(BEN, umbrella, 'two', 'b');
  server.send(BEN, umbrella, 'three', 'c');
  await rig.hearOne(2);
  await rig.hearOne(1);
  assert.equal(rig.state.conversations.get(umbrella)?.last_message, null);
  await rig.clock.advance(200);
  await rig.hearOne(0);
  assert.equal(rig.state.conversations.get(umbrella)?.last_message?.text, 'three');
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 3);
  await rig.clock.advance(1_000);
  assert.deepEqual(rig.log, []);
  assert.equal(rig.state.heldEvents.size, 0);
});

test('an event whose predecessor never arrives causes a request after a moment', async () => {
  server.send(BEN, umbrella, 'lost', 'a');
  rig.events = [];
  server.send(BEN, umbrella, 'heard', 'b');
  await rig.hearAll();
  await rig.clock.advance(299);
  assert.deepEqual(rig.log, []);
  await rig.clock.advance(1);
  assert.deepEqual(rig.log, ['conversation.changes']);
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 2);
  assert.equal(rig.state.heldEvents.size, 0);
});

test('a repeated event counts once', async () => {
  server.send(BEN, umbrella, 'once', 'a');
  const [event] = rig.events;
  await rig.hearAll();
  rig.events = [event, event];
  await rig.hearAll();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 1);
  assert.equal(rig.state.heldEvents.size, 0);
});

test('an event that arrives while its scope is fetched is not lost', async () => {
  const room = server.open('group', BEN, [3]);
  server.add(room, ME);
  rig.events = [];
  server.send(BEN, room, 'one', 'a');
  await rig.hearAll();
  assert.deepEqual(rig.log, ['conversation.get']);
  const [get] = rig.asked.splice(0);
  server.send(BEN, room, 'two', 'b');
  await rig.hearAll();
  get.resolve(structuredClone(get.early.value));
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(room)?.last_message?.text, 'two');
  assert.equal(rig.state.conversations.get(room)?.unread, 2);
});

test('an answer requested before a conversation was left does not bring it back', async () => {
  rig.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version + 1 });
  server.send(BEN, umbrella, 'late', 'a');
  const [changes] = rig.asked.splice(0);
  const page = structuredClone(server.list(ME, undefined, 5));
  void rig.sync.loadList();
  server.remove(umbrella, ME);
  await rig.hearAll();
  assert.equal(rig.state.conversations.has(umbrella), false);
  changes.resolve(structuredClone(changes.early.value));
  rig.sync.applyInput({ kind: 'list', page, asked: 0 });
  await rig.replyAll();
  assert.equal(rig.state.conversations.has(umbrella), false);
});

test('heads requested before a conversation was joined do not remove it', async () => {
  server.remove(umbrella, ME);
  rig.events = [];
  rig.askHeads();
  server.add(umbrella, ME);
  rig.sync.applyInput({
    kind: 'conversation', conversation: server.conversation(ME, umbrella), asked: rig.state.turn,
  });
  // The conversation was held all along, so it is removed; the next answer brings it back.
  await rig.answerHeads();
  await rig.hearAll();
  await rig.replyAll();
  await rig.calm();
  assert.equal(rig.state.conversations.has(umbrella), true);
  rig.assertEqual();
});

test('a late event of a conversation that was left does not bring it back', async () => {
  server.send(BEN, umbrella, 'late', 'a');
  const [late] = rig.events.splice(0);
  server.remove(umbrella, ME);
  await rig.hearAll();
  rig.sync.applyEvent(late);
  await rig.replyAll();
  assert.equal(rig.state.conversations.has(umbrella), false);
  assert.deepEqual(rig.log, []);
});

test('a member who is added again sees the conversation, and only the messages since then', async () => {
  server.send(BEN, umbrella, 'not for me any more', 'a');
  server.remove(umbrella, ME);
  server.send(BEN, umbrella, 'behind my back', 'b');
  server.add(umbrella, ME);
  server.send(BEN, umbrella, 'welcome back', 'c');
  await rig.hearAll();
  await rig.replyAll();
  void rig.sync.open(umbrella);
  await rig.replyAll();
  const said = rig.state.threads.get(umbrella)?.messages.filter((one) => !one.system);
  assert.deepEqual(said?.map((one) => one.text), ['welcome back']);
  await rig.calm();
  rig.assertEqual();
});

test('changes in several pages are applied together, and an interruption starts over', async () => {
  for (let count = 0; count < 9; count += 1) server.send(BEN, umbrella, `message ${count}`, `m${count}`);
  rig.events = [];
  const before = rig.state.conversations.get(umbrella)?.version;
  rig.sync.applyEvent({ type: 'scope.changed', scope: `conversation:${umbrella}`, version: server.data.version });
  await rig.reply();
  assert.equal(rig.state.conversations.get(umbrella)?.version, before);
  await rig.fail();
  assert.equal(rig.state.conversations.get(umbrella)?.version, before);
  await rig.clock.advance(5_000);
  await rig.replyAll();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 9);
});

test('too many changes replace the loaded messages with the newest page', async () => {
  void rig.sync.open(umbrella);
  await rig.replyAll();
  for (let count = 0; count < 20; count += 1) server.send(BEN, umbrella, `message ${count}`, `m${count}`);
  rig.events = [];
  await rig.resume();
  await rig.replyAll();
  const thread = rig.state.threads.get(umbrella);
  assert.equal(thread?.messages.length, 5);
  assert.equal(thread?.moreBefore, true);
  await rig.calm();
  rig.assertEqual();
  void rig.sync.loadOlder(umbrella);
  await rig.replyAll();
  assert.equal(rig.state.threads.get(umbrella)?.messages.length, 9);
  rig.assertEqual();
});

test('messages that arrive while the first page of a thread is fetched are in it', async () => {
  server.send(BEN, umbrella, 'one', 'a');
  await rig.hearAll();
  void rig.sync.open(umbrella);
  const [list] = rig.asked.splice(0);
  server.send(BEN, umbrella, 'two', 'b');
  await rig.hearAll();
  list.resolve(structuredClone(list.early.value));
  await rig.replyAll();
  assert.deepEqual(rig.state.threads.get(umbrella)?.messages.map((one) => one.text), ['one', 'two']);
});

test('a sent message is shown with its reply, before its event', async () => {
  void rig.sync.open(umbrella);
  await rig.replyAll();
  const asked = rig.state.turn;
  const sent = server.send(ME, umbrella, 'mine', 'a');
  rig.sync.applyInput({ kind: 'sent', sent, asked });
  assert.deepEqual(rig.state.threads.get(umbrella)?.messages.map((one) => one.text), ['mine']);
  await rig.hearAll();
  await rig.clock.advance(1_000);
  assert.deepEqual(rig.log, ['message.list'], 'the event was enough');
  assert.equal(rig.state.conversations.get(umbrella)?.last_seq, 1);
});

/** @param {number} count */
async function openLong(count) {
  for (let number = 1; number <= count; number += 1) server.send(BEN, umbrella, `message ${number}`, `m${number}`);
  await rig.hearAll();
  void rig.sync.open(umbrella);
  await rig.replyAll();
  rig.log = [];
  return () => rig.state.threads.get(umbrella)?.messages.map((one) => one.seq) ?? [];
}

async function assertAtRest() {
  await rig.resume();
  await rig.replyAll();
  rig.assertEqual();
}

test('a thread loaded around a message gets no new messages until the user returns to its end', async () => {
  const held = await openLong(30);
  assert.deepEqual(held(), [27, 28, 29, 30]);
  void rig.sync.openAround(umbrella, 10);
  await rig.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(rig.state.threads.get(umbrella)?.moreAfter, true);
  server.send(BEN, umbrella, 'meanwhile', 'new');
  await rig.hearAll();
  await rig.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(rig.state.conversations.get(umbrella)?.last_seq, 31);
  void rig.sync.loadNewer(umbrella);
  await rig.replyAll();
  void rig.sync.loadOlder(umbrella);
  await rig.replyAll();
  assert.deepEqual(held(), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  rig.sync.trim(umbrella, 6, 12);
  assert.deepEqual(held(), [6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(rig.log, ['message.list', 'message.list', 'message.list']);
  void rig.sync.openLatest(umbrella);
  await rig.replyAll();
  assert.deepEqual(held(), [28, 29, 30, 31]);
  assert.equal(rig.state.threads.get(umbrella)?.moreAfter, false);
  await assertAtRest();
});

test('a message edited while its page was loading is shown in its current state', async () => {
  const held = await openLong(30);
  void rig.sync.openAround(umbrella, 10);
  const [page] = rig.asked.splice(0);
  edit(server, BEN, umbrella, 9, 'edited meanwhile');
  await rig.hearAll();
  page.resolve(structuredClone(page.early.value));
  await rig.replyAll();
  assert.deepEqual(held(), [8, 9, 10, 11]);
  assert.equal(rig.state.threads.get(umbrella)?.messages[1].text, 'edited meanwhile');
  assert.deepEqual(rig.log, ['message.list', 'conversation.changes'], 'the gap was requested once');
  await assertAtRest();
});

test('a quoted message that is not loaded is requested once and follows its changes', async () => {
  await openLong(30);
  server.send(BEN, umbrella, 'about that', 'r', 3);
  server.send(BEN, umbrella, 'about that too', 's', 3);
  await rig.hearAll();
  await rig.replyAll();
  const quoted = () => rig.state.threads.get(umbrella)?.quoted.get(3);
  assert.equal(quoted()?.text, 'message 3');
  assert.deepEqual(rig.log, ['message.list']);
  edit(server, BEN, umbrella, 3, 'not that');
  await rig.hearAll();
  assert.equal(quoted()?.text, 'not that');
  erase(server, BEN, umbrella, 3);
  await rig.hearAll();
  await rig.replyAll();
  assert.equal(quoted()?.deleted, true);
  assert.equal(quoted()?.text, '');
  await assertAtRest();
});

test('deleting messages for oneself counts unread messages only from the read marker', async () => {
  for (const text of ['one', 'two', 'three']) server.send(BEN, umbrella, text, text);
  server.mark(ME, umbrella, { delivered: 3 });
  server.data.secretive.add(ME);
  await rig.hearAll();
  hide(server, ME, umbrella, 1);
  server.mark(ME, umbrella, { read: 3 });
  void rig.sync.applyInput({
    kind: 'conversation', conversation: server.conversation(ME, umbrella), asked: rig.state.turn,
  });
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 0);
  await rig.still();
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 0);
});

test('a message deleted for oneself stays hidden when an older copy arrives', async () => {
  await openLong(30);
  void rig.sync.openAround(umbrella, 10);
  const [page] = rig.asked.splice(0);
  hide(server, ME, umbrella, 9);
  hide(server, ME, umbrella, 30);
  await rig.hearAll();
  page.resolve(structuredClone(page.early.value));
  await rig.replyAll();
  const [, nine] = rig.state.threads.get(umbrella)?.messages ?? [];
  assert.equal(nine.hidden, true);
  assert.equal(nine.text, '');
  assert.equal(rig.state.conversations.get(umbrella)?.last_message?.seq, 29, 'the newest visible message');
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 28);
  await assertAtRest();
});

test('deleting an unread message causes a request for the unread totals', async () => {
  await openLong(3);
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 3);
  erase(server, BEN, umbrella, 2);
  await rig.hearAll();
  await rig.replyAll();
  assert.deepEqual(rig.log, ['conversation.get']);
  assert.equal(rig.state.conversations.get(umbrella)?.unread, 2);
  rig.log = [];
  server.mark(ME, umbrella, { read: 3 });
  erase(server, BEN, umbrella, 1);
  await rig.hearAll();
  await rig.replyAll();
  assert.deepEqual(rig.log, [], 'a read message does not count');
  await assertAtRest();
});

test('a thread that is closed keeps only its end', async () => {
  const held = await openLong(30);
  void rig.sync.openAround(umbrella, 10);
  await rig.replyAll();
  rig.sync.close(umbrella);
  assert.deepEqual(held(), [], 'a separately loaded part is dropped');
  void rig.sync.open(umbrella);
  await rig.replyAll();
  rig.sync.close(umbrella);
  for (let number = 0; number < 400; number += 1) {
    server.send(BEN, umbrella, 'more', `x${number}`);
    await rig.hearAll();
  }
  assert.ok(held().length <= 160, `${held().length} messages of a closed thread are loaded`);
  assert.equal(held().at(-1), 430);
});

test('when loading the own user fails, the list shows it and offers a retry', async () => {
  rig = new Rig(server, ME);
  await rig.resume();
  assert.equal(rig.sync.listProgress, 'loading');
  await rig.fail();
  assert.equal(rig.sync.listProgress, 'failed');
  void rig.sync.loadList();
  await rig.replyAll();
  assert.equal(rig.sync.listProgress, 'idle');
  assert.equal(rig.state.list.loaded, true);
});
