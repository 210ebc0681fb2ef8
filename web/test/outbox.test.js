/**
 * The outbox sends each message once and in order, whatever fails; the user decides about refused ones.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { createIdGenerator } from '../src/sdk/ids.js';
import { Outbox } from '../src/sdk/outbox.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { UserStorage, eraseUser, eraseOtherUsers, memoryStorage } from '../src/sdk/storage.js';
import { flushPromises, manualClock } from './support/clock.js';

/** @type {ReturnType<typeof manualClock>} */
let clock;
/** @type {{command: any, resolve: (answer: any) => void, reject: (error: Error) => void}[]} */
let requests;
/** @type {any[]} */
let sent;
let shelf = memoryStorage();

beforeEach(() => {
  clock = manualClock();
  requests = [];
  sent = [];
  shelf = memoryStorage();
});

/** @param {import('../src/sdk/journal.js').Journal} [journal] */
function outbox(journal) {
  return new Outbox({
    journal,
    storage: new UserStorage(shelf, 7),
    clock,
    newId: createIdGenerator(clock),
    request: (command) => new Promise((resolve, reject) => requests.push({ command, resolve, reject })),
    onSent: (one) => sent.push(one),
    turn: () => 0,
    changed: () => {},
  });
}

/** @param {any} command */
function answer(command) {
  return {
    message: { id: 9, conversation: command.conversation, client_id: command.client_id, text: command.text },
    version: 9, prev: 8, duplicate: false,
  };
}

async function acceptNext() {
  const [one] = requests.splice(0, 1);
  one.resolve(answer(one.command));
  await flushPromises();
}

/** @param {Error} error */
async function refuseNext(error) {
  requests.splice(0, 1)[0].reject(error);
  await flushPromises();
}

const refusal = (code = 'not_allowed', retryable = false, more = {}) =>
  new Problem({ code, title: code, status: 403, retryable, ...more });

test('one message per conversation is in flight, and later ones follow in order', async () => {
  const box = outbox();
  box.add(3, { text: 'one' });
  box.add(3, { text: 'two' });
  box.add(4, { text: 'elsewhere' });
  assert.deepEqual(requests.map((one) => one.command.text), ['one', 'elsewhere']);
  await acceptNext();
  assert.deepEqual(requests.map((one) => one.command.text), ['elsewhere', 'two']);
  await acceptNext();
  await acceptNext();
  assert.deepEqual(sent.map((one) => one.message.text), ['one', 'elsewhere', 'two']);
  assert.equal(box.size, 0);
  assert.equal(shelf.length, 0);
});

test('a message with an unknown outcome is sent again with the same client id before later ones', async () => {
  const box = outbox();
  box.add(3, { text: 'one' });
  box.add(3, { text: 'two' });
  const name = requests[0].command.client_id;
  await refuseNext(new NoAnswer('gone'));
  await clock.advance(0);
  assert.deepEqual(requests.map((one) => [one.command.client_id, one.command.text]), [[name, 'one']]);
  await refuseNext(new NoAnswer('gone again'));
  assert.equal(requests.length, 0, 'then the outbox waits');
  box.resume();
  assert.equal(requests[0].command.client_id, name);
  await refuseNext(refusal('internal'));
  await clock.advance(15_000);
  assert.equal(requests[0].command.client_id, name, 'a server error leaves the outcome unknown too');
});

test('after stop nothing is written back to erased storage', async () => {
  const box = outbox();
  box.add(3, { text: 'secret' });
  box.stop();
  eraseUser(shelf, 7);
  await refuseNext(new NoAnswer('gone'));
  assert.equal(shelf.length, 0);
  assert.equal(clock.waiting(), 0);
});

test('a retryable refusal is retried when the server says', async () => {
  const box = outbox();
  box.add(3, { text: 'one' });
  await refuseNext(refusal('too_many', true, { retry_after_ms: 700 }));
  await clock.advance(699);
  assert.equal(requests.length, 0);
  await clock.advance(1);
  assert.equal(requests.length, 1);
});

test('a refusal holds back later messages until the user decides', async () => {
  const box = outbox();
  box.add(3, { text: 'one' });
  box.add(3, { text: 'two' });
  await refuseNext(refusal());
  assert.deepEqual(box.itemsIn(3).map((one) => one.state), ['refused', 'waiting']);
  assert.equal(box.itemsIn(3)[0].problem?.code, 'not_allowed');
  box.resume();
  assert.equal(requests.length, 0);
  box.retry(box.itemsIn(3)[0].client_id);
  assert.equal(requests[0].command.text, 'one');
  await refuseNext(refusal());
  box.discard(box.itemsIn(3)[0].client_id);
  assert.deepEqual(requests.map((one) => [one.command.type, one.command.text]), [['message.send', 'two']]);
});

test('the draft of a message is known to wait until it is sent or discarded, also to another page', async () => {
  const [one, other] = [outbox(), outbox()];
  one.add(3, { text: 'hello', draft: 5 });
  one.add(3, { text: 'with a later draft', draft: 8 });
  assert.deepEqual([one.draftIn(3), other.draftIn(3), one.draftIn(4)], [8, 8, 0]);
  one.discard(one.itemsIn(3)[1].client_id);
  assert.deepEqual([one.draftIn(3), other.draftIn(3)], [5, 5]);
  await acceptNext();
  assert.deepEqual([one.draftIn(3), other.draftIn(3)], [0, 0]);
});

test('discarding a message that may have been sent asks the server, which decides', async () => {
  const box = outbox();
  box.add(3, { text: 'perhaps' });
  box.add(3, { text: 'later' });
  const name = requests[0].command.client_id;
  await refuseNext(new NoAnswer('gone'));
  box.discard(name);
  assert.deepEqual(box.itemsIn(3).map((one) => one.text), ['later'], 'the message is no longer shown');
  box.resume();
  assert.deepEqual(requests[0].command, { type: 'message.cancel', client_id: name });
  requests.splice(0, 1)[0].resolve({ cancelled: false, message: { id: 5, conversation: 3, client_id: name } });
  await flushPromises();
  assert.equal(sent[0].message.client_id, name, 'the message had been sent');
  assert.deepEqual(requests.map((one) => one.command.text), ['later']);
});

test('a message is reported as sent only when it was, and messages that need the user are not waited for', async () => {
  const box = outbox();
  for (const text of ['discarded', 'refused', 'behind']) box.add(3, { text });
  box.add(4, { text: 'elsewhere' });
  await refuseNext(new NoAnswer('gone'));
  box.discard(box.itemsIn(3)[0].client_id);
  assert.deepEqual([box.sentCount, box.activeCount], [0, 3]);
  await acceptNext();
  assert.deepEqual([box.sentCount, box.activeCount], [1, 2]);
  box.resume();
  requests.splice(0, 1)[0].resolve({ cancelled: true, message: null });
  await flushPromises();
  await refuseNext(refusal());
  assert.deepEqual([box.sentCount, box.activeCount, box.size], [1, 0, 2]);
});

test('a message that was never sent is discarded without a request', async () => {
  const box = outbox();
  box.add(3, { text: 'one' });
  box.add(3, { text: 'two' });
  box.discard(box.itemsIn(3)[1].client_id);
  await acceptNext();
  assert.equal(requests.length, 0);
});

test('pending messages outlive the page, in order and with their client ids', async () => {
  const before = outbox();
  before.add(3, { text: 'one' });
  before.add(3, { text: 'two' });
  const names = before.itemsIn(3).map((one) => one.client_id);
  before.stop();
  requests = [];
  const after = outbox();
  assert.deepEqual(after.itemsIn(3).map((one) => [one.client_id, one.text, one.state]),
    [[names[0], 'one', 'waiting'], [names[1], 'two', 'waiting']]);
  after.resume();
  assert.equal(requests[0].command.client_id, names[0]);
});

test('a message that another page of the same user has sent is not sent again', async () => {
  const first = outbox();
  first.add(3, { text: 'one' });
  await refuseNext(new NoAnswer('gone'));
  first.stop();
  const second = outbox();
  eraseUser(shelf, 7);
  second.resume();
  await flushPromises();
  assert.equal(requests.length, 0);
  assert.equal(second.size, 0);
});

/** Passes on the storage events of another page's changes. @param {Outbox} box */
function passStorageEvents(box) {
  const changed = box.itemsIn(3).map((one) => `parlor:7:send:${one.client_id}`);
  const there = [...Array(shelf.length).keys()].map((at) => shelf.key(at));
  for (const key of new Set([...changed, ...there])) box.storageChanged(key);
}

test('the messages of a closed page are sent by an open one, in order', async () => {
  const open = outbox();
  const closed = outbox();
  closed.add(3, { text: 'one' });
  closed.add(3, { text: 'two' });
  const names = closed.itemsIn(3).map((one) => one.client_id);
  await refuseNext(new NoAnswer('gone'));
  closed.stop();
  open.resume();
  assert.deepEqual(requests.map((one) => one.command.client_id), [names[0]]);
  await acceptNext();
  await acceptNext();
  assert.deepEqual(sent.map((one) => one.message.client_id), names);
  assert.equal(open.size + shelf.length, 0);
});

test('a page takes over messages stored by another page, except those being sent', async () => {
  const open = outbox();
  const other = outbox();
  other.add(3, { text: 'one' });
  passStorageEvents(open);
  assert.deepEqual([open.size, requests.length], [0, 1]);
  await refuseNext(new NoAnswer('gone'));
  passStorageEvents(open);
  assert.deepEqual(open.itemsIn(3).map((one) => one.text), ['one']);
  assert.equal(requests.length, 1);
  await acceptNext();
  passStorageEvents(other);
  assert.equal(other.size, 0);
  await clock.advance(60_000);
  assert.equal(requests.length, 0, 'the message is not sent a second time');
});

test('two pages without a connection do not wake each other', async () => {
  const [one, other] = [outbox(), outbox()];
  one.add(3, { text: 'one' });
  await refuseNext(new NoAnswer('gone'));
  for (const box of [other, one, other]) {
    passStorageEvents(box);
    while (requests.length > 0) await refuseNext(new NoAnswer('gone'));
  }
  await clock.advance(0);
  while (requests.length > 0) await refuseNext(new NoAnswer('gone'));
  passStorageEvents(one);
  passStorageEvents(other);
  assert.equal(requests.length, 0);
});

test('a refused message that another page then sends holds nothing back', async () => {
  const first = outbox();
  first.add(3, { text: 'one' });
  await refuseNext(refusal());
  const second = outbox();
  await clock.advance(1);
  second.add(3, { text: 'behind' });
  first.retry(first.itemsIn(3)[0].client_id);
  await acceptNext();
  first.stop();
  requests = [];
  passStorageEvents(second);
  assert.deepEqual(requests.map((one) => one.command.text), ['behind']);
  await acceptNext();
  assert.equal(second.size + shelf.length, 0);
});

test('a late answer does not store again what another page has sent or discarded', async () => {
  const first = outbox();
  first.add(3, { text: 'one' });
  const second = outbox();
  second.resume();
  assert.equal(requests.length, 2);
  const [own, other] = requests.splice(0);
  own.resolve(answer(own.command));
  await flushPromises();
  other.reject(new NoAnswer('gone'));
  await flushPromises();
  assert.equal(second.size + shelf.length, 0);
});

test('discarding a message that another page has tried to send asks the server', async () => {
  const first = outbox();
  first.add(3, { text: 'ahead' });
  first.add(3, { text: 'one' });
  const second = outbox();
  await acceptNext();
  await refuseNext(new NoAnswer('gone'));
  second.discard(second.itemsIn(3)[1].client_id);
  await flushPromises();
  assert.deepEqual(requests.map((one) => one.command.type), ['message.cancel']);
  passStorageEvents(first);
  assert.equal(first.itemsIn(3).length, 0, 'the other page does not show it either');
});

test('messages are sent even where nothing can be stored', async () => {
  shelf = { ...memoryStorage(), length: 0, setItem: () => { throw new Error('full'); } };
  const box = outbox();
  box.add(3, { text: 'one' });
  await refuseNext(new NoAnswer('gone'));
  box.resume();
  await flushPromises();
  assert.deepEqual(requests.map((one) => one.command.text), ['one']);
  await acceptNext();
  assert.equal(box.size, 0);
});

test('stored data belongs to one user and is erased for others', () => {
  const mine = new UserStorage(shelf, 7);
  const theirs = new UserStorage(shelf, 8);
  mine.set('draft:1', 'a');
  theirs.set('draft:1', 'b');
  shelf.setItem('parlor-theme', 'dark');
  assert.equal(mine.get('draft:1'), 'a');
  assert.deepEqual(mine.names('draft:'), ['draft:1']);
  eraseOtherUsers(shelf, 7);
  assert.equal(theirs.get('draft:1'), null);
  eraseUser(shelf, 7);
  assert.equal(mine.get('draft:1'), null);
  assert.equal(shelf.getItem('parlor-theme'), 'dark');
});

test('client ids start with the time and never go back, even when the clock does', () => {
  let now = 1_700_000_000_000;
  const next = createIdGenerator({ ...manualClock(), now: () => now });
  const names = [];
  for (let count = 0; count < 9_000; count += 1) {
    if (count === 5_000) now -= 60_000;
    names.push(next());
  }
  assert.deepEqual(names, [...names].sort());
  assert.equal(new Set(names).size, names.length);
  for (const name of names.slice(0, 50)) {
    assert.match(name, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u);
  }
  assert.equal(parseInt(names[0].replace('-', '').slice(0, 12), 16), 1_700_000_000_000);
});

/** A journal whose writes finish when the test says so. */
function controlledJournal() {
  /** @type {Map<string, any>} */
  const items = new Map();
  /** @type {(() => void)[]} */
  const writes = [];
  let works = true;
  return {
    items,
    async write() {
      for (const one of writes.splice(0)) one();
      await flushPromises();
    },
    fail() {
      works = false;
    },
    journal: {
      put: (/** @type {any} */ item) => new Promise((/** @type {(kept: boolean) => void} */ resolve) => {
        writes.push(() => {
          if (works) items.set(item.client_id, structuredClone(item));
          resolve(works);
        });
      }),
      remove: (/** @type {string} */ id) => void writes.push(() => items.delete(id)),
      all: () => Promise.resolve(works ? structuredClone([...items.values()]) : null),
      erase: () => Promise.resolve(),
    },
  };
}

test('a message is shown as saved only once it is on disk, and sending does not wait for that', async () => {
  const { journal, write, items } = controlledJournal();
  const box = outbox(journal);
  box.add(3, { text: 'one' });
  assert.equal(requests.length, 1, 'the message is on its way');
  assert.equal(box.itemsIn(3)[0].kept, undefined);
  assert.equal(items.size, 0);
  await write();
  assert.equal(box.itemsIn(3)[0].kept, true);
  assert.equal(items.size, 1);
  await acceptNext();
  await write();
  assert.equal(items.size, 0);
});

test('a message in the journal survives a killed browser and is sent once, although no other storage has it', async () => {
  const { journal, write, items } = controlledJournal();
  const killed = outbox(journal);
  killed.add(3, { text: 'one' });
  killed.add(3, { text: 'two' });
  await write();
  const [first] = requests.splice(0);
  shelf = memoryStorage();
  const box = outbox(journal);
  await box.restored;
  await flushPromises();
  assert.deepEqual(box.itemsIn(3).map((one) => [one.text, one.kept]), [['one', true], ['two', true]]);
  assert.equal(requests[0].command.client_id, first.command.client_id);
  await acceptNext();
  await acceptNext();
  await write();
  assert.deepEqual(sent.map((one) => one.message.text), ['one', 'two']);
  assert.equal(items.size + shelf.length, 0);
});

test('a discarded message stays discarded, although localStorage was not updated before the end', async () => {
  const { journal, write } = controlledJournal();
  const killed = outbox(journal);
  killed.add(3, { text: 'first' });
  killed.add(3, { text: 'discarded' });
  await write();
  const before = [...Array(shelf.length).keys()].map((at) => /** @type {string} */ (shelf.key(at)));
  const values = before.map((key) => /** @type {[string, string]} */ ([key, shelf.getItem(key)]));
  killed.discard(killed.itemsIn(3)[1].client_id);
  await write();
  for (const [key, value] of values) shelf.setItem(key, value);
  requests = [];
  const box = outbox(journal);
  await box.restored;
  assert.deepEqual(box.itemsIn(3).map((one) => one.text), ['first']);
});

test('a message is sent and shown as not saved where the disk stores nothing', async () => {
  const { journal, write, fail } = controlledJournal();
  fail();
  const box = outbox(journal);
  box.add(3, { text: 'one' });
  await write();
  assert.equal(box.itemsIn(3)[0].kept, false);
  assert.equal(box.isPersisted, false);
  const again = outbox(journal);
  await again.restored;
  assert.equal(again.itemsIn(3).length, 1, 'localStorage has it');
  await acceptNext();
  assert.equal(box.size, 0);
  assert.equal(box.isPersisted, true);
});
