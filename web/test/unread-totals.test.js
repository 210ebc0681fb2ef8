/**
 * The unread totals of all conversations, most of which are not loaded.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { edit, erase, hide } from './support/message-changes.js';
import { Rig } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const ME = 1;
const BEN = 2;

/** @type {ModelServer} */
let server;
/** @type {Rig} */
let rig;
/** The oldest first; the first ones are not loaded. @type {number[]} */
let rooms = [];

beforeEach(async () => {
  server = new ModelServer(4);
  rooms = [1, 2, 3, 4, 5, 6].map(() => server.open('group', BEN, [ME, 3]));
  for (const room of rooms) for (const text of ['one', 'two']) server.send(BEN, room, text, `${text}-${room}`);
  rig = new Rig(server, ME);
  await rig.begin(false);
  assert.equal(rig.state.conversations.size, 3);
});

function assertRight() {
  assert.deepEqual(totalsOf(rig.state), server.totals(ME));
}

test('totals are right although few rows are loaded, and follow events without a request', async () => {
  assert.deepEqual(totalsOf(rig.state), { conversations: 6, messages: 12 });
  server.send(BEN, rooms[5], 'three', 'c');
  server.mark(ME, rooms[4], { read: 2 });
  await rig.hearAll();
  assert.deepEqual(totalsOf(rig.state), { conversations: 5, messages: 11 });
  void rig.sync.loadList();
  await rig.replyAll();
  assertRight();
  assert.deepEqual(rig.log, ['conversation.list']);
});

test('a changed conversation that was not loaded counts once its previous state is known', async () => {
  server.send(BEN, rooms[0], 'three', 'c');
  await rig.still();
  assertRight();
  assert.deepEqual(rig.log, ['conversation.get', 'me.get']);
});

test('a conversation that the user was removed from no longer counts, loaded or not', async () => {
  server.remove(rooms[0], ME);
  server.remove(rooms[5], ME);
  await rig.still();
  assertRight();
  assert.deepEqual(totalsOf(rig.state), { conversations: 4, messages: 8 });
});

test('messages read and hidden in an unloaded conversation no longer count', async () => {
  server.data.secretive.add(ME);
  server.mark(ME, rooms[0], { read: 2 });
  hide(server, ME, rooms[1], 2);
  await rig.still();
  assertRight();
  assert.deepEqual(totalsOf(rig.state), { conversations: 5, messages: 9 });
});

test('an answer older than known events is requested again', async () => {
  server.send(BEN, rooms[0], 'three', 'c');
  await rig.hearAll();
  await rig.replyAll();
  await rig.clock.advance(1_000);
  const [me] = rig.asked.splice(0);
  server.send(BEN, rooms[5], 'three', 'd');
  await rig.hearAll();
  me.resolve(structuredClone(me.early.value));
  await rig.still();
  assertRight();
  assert.equal(rig.log.filter((one) => one === 'me.get').length, 2);
});

test('missed changes that are newer than the totals need no request', async () => {
  server.send(BEN, rooms[5], 'three', 'c');
  rig.events = [];
  await rig.resume();
  await rig.still();
  assertRight();
  assert.deepEqual(rig.log, []);
});

/** Loads the totals after an unnoticed change in a loaded conversation. @param {() => void} change */
async function toldAfter(change) {
  const before = rig.state.conversations.get(rooms[5])?.version;
  server.mark(ME, rooms[0], { read: 2 });
  const [heard] = rig.events;
  change();
  rig.events = [heard];
  await rig.hearAll();
  await rig.replyAll();
  await rig.clock.advance(1_000);
  await rig.replyAll();
  assert.ok((rig.state.totals?.at ?? 0) >= (server.data.rooms.get(rooms[5])?.version ?? 0));
  assert.equal(rig.state.conversations.get(rooms[5])?.version, before);
}

test('a message from before the totals that changed after them leaves no doubt', async () => {
  await toldAfter(() => server.send(BEN, rooms[5], 'three', 'c'));
  edit(server, BEN, rooms[5], 3, 'three, edited');
  rig.events = [];
  await rig.resume();
  await rig.still();
  assertRight();
});

test('a marker that moved before the totals and a message after them leave no doubt', async () => {
  await toldAfter(() => server.mark(ME, rooms[5], { read: 2 }));
  server.send(BEN, rooms[5], 'three', 'c');
  rig.events = [];
  await rig.resume();
  await rig.still();
  assertRight();
});

test('totals received while a count is in doubt are requested again when it changes', async () => {
  server.mark(ME, rooms[4], { delivered: 2 });
  server.data.secretive.add(ME);
  server.mark(ME, rooms[4], { read: 2 });
  await rig.hearAll();
  await rig.clock.advance(1_000);
  assert.deepEqual(rig.log, ['me.get']);
  erase(server, BEN, rooms[5], 2);
  await rig.hearAll();
  await rig.reply();
  server.send(BEN, rooms[5], 'three', 'c');
  await rig.still();
  assertRight();
});
