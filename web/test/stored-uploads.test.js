/**
 * Uploads across reloads and pages of one user: no file is lost or sent twice, and refused files stay refused.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { createIdGenerator } from '../src/sdk/ids.js';
import { Outbox } from '../src/sdk/outbox.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';
import { Uploads } from '../src/sdk/uploads.js';
import { flushPromises, manualClock } from './support/clock.js';
import { FakeBrowser, FakeUploadServer, blob } from './support/fake-uploads.js';

const CONVERSATION = 3;

let clock = manualClock();
let server = new FakeUploadServer();
let shelf = memoryStorage();
let browser = new FakeBrowser();
let settled = () => {};

beforeEach(() => {
  clock = manualClock();
  server = new FakeUploadServer();
  shelf = memoryStorage();
  browser = new FakeBrowser();
  settled = () => {};
});

/** Opens one more page, or the same page after a reload. @param {(clientId: string) => boolean} [isNoted] */
function page(isNoted) {
  return new Uploads({
    blobStore: browser.vault(), transport: server.carry, clock, newId: createIdGenerator(clock), storage: new UserStorage(shelf, 7),
    changed: () => {}, onSettled: () => settled(), isMessageStored: isNoted,
    limits: () => ({ upload_bytes_max: 100, message_attachments_max: 3 }),
  });
}

/** Answers all requests until a condition holds. @param {() => boolean} holds */
async function answerUntil(holds) {
  for (let rounds = 0; !holds(); rounds += 1) {
    assert.ok(rounds < 40, 'the requests never end');
    await flushPromises();
    await server.waiting[0]?.go();
    await clock.advance(2_000);
  }
}

/** Counts the requests of a period. @param {number} milliseconds @returns {Promise<number>} */
async function countRequests(milliseconds) {
  let count = 0;
  for (let passed = 0; passed < milliseconds; passed += 1_000) {
    await clock.advance(1_000);
    for (; server.waiting.length > 0; count += 1) await server.waiting[0].go();
  }
  return count;
}

const reloaded = (/** @type {Uploads} */ before) => {
  before.stop();
  server.waiting = [];
  const after = page();
  after.start();
  return after;
};

test('the upload of a stored file continues after a reload, at the server’s offset', async () => {
  const first = page();
  const half = first.add(CONVERSATION, blob('half and half'), 'half');
  const none = first.add(CONVERSATION, blob('none'), 'none');
  await flushPromises();
  assert.equal(first.blocksLeaving, false, 'leaving loses nothing');
  await server.waiting[0].cutAfter(4);
  first.take(CONVERSATION);
  first.stop();
  const second = page();
  second.start();
  assert.deepEqual(second.outcome([half, none]), { waits: true });
  await answerUntil(() => !('waits' in second.outcome([half, none])));
  assert.deepEqual(second.outcome([half, none]), { ids: [31, 32] });
  assert.deepEqual([await server.text(half), await server.text(none)], ['half and half', 'none']);
  assert.equal(browser.bytes.size, 0, 'an uploaded file is no longer stored');
});

test('a removed file is no longer stored, and two pages do not upload the same file', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('abcdef'), 'a');
  const gone = first.add(CONVERSATION, blob('gone'), 'b');
  await flushPromises();
  first.remove(gone);
  assert.deepEqual([...browser.bytes.keys()], [id]);
  first.take(CONVERSATION);
  const second = page();
  second.outcome([id]);
  await flushPromises();
  assert.deepEqual(server.waiting.map((one) => one.method).sort(), ['DELETE', 'GET', 'POST'],
    'the first page holds the file');
  first.stop();
  await answerUntil(() => !('waits' in second.outcome([id])));
  assert.equal(await server.text(id), 'abcdef');
});

test('a page releases, and does not delete, a file that another page sent with a message', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('a large one'), 'large');
  await flushPromises();
  await server.waiting[0].cutAfter(3);
  const second = page();
  second.start();
  await flushPromises();
  await server.waiting[0].go();
  assert.equal(second.get(id)?.state, 'looking', 'the first page holds the bytes');
  assert.deepEqual(second.take(CONVERSATION).uploads, [id]);
  first.resume();
  assert.deepEqual(first.draftFiles(CONVERSATION), []);
  await answerUntil(() => !('waits' in second.outcome([id])));
  assert.deepEqual(second.outcome([id]), { ids: [31] });
  assert.equal(await server.text(id), 'a large one');
  assert.equal(browser.bytes.size, 0);
});

test('a file is released too when its storing ends after another page took it', async () => {
  const first = page();
  const { put: keep } = first.bytes.blobStore;
  /** @type {(go: null) => void} */
  let go = () => {};
  first.bytes.blobStore.put = async (id, file) => {
    const kept = await keep(id, file);
    await new Promise((resolve) => {
      go = resolve;
    });
    return kept;
  };
  const id = first.add(CONVERSATION, blob('slow'), 'slow');
  await flushPromises();
  const second = page();
  second.take(CONVERSATION);
  first.resume();
  go(null);
  await flushPromises();
  assert.deepEqual([browser.bytes.has(id), browser.locks.has(id)], [true, false]);
});

test('an uploaded file does not return to the draft when another page has taken it', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('a'), 'a');
  const second = page();
  second.take(CONVERSATION);
  await server.waiting[0].go();
  assert.equal(first.get(id)?.state, 'done');
  assert.equal(shelf.length, 0);
  assert.deepEqual(first.take(CONVERSATION), {});
});

test('a refused file stays refused after a reload and is not sent again', async () => {
  const first = page();
  const unwanted = first.add(CONVERSATION, blob('of a kind'), 'unwanted');
  await flushPromises();
  await server.waiting[0].refuse('unsupported_type');
  const ids = ['a', 'b', 'c', 'd'].map((name) => first.add(CONVERSATION, blob(name), name));
  assert.equal(first.get(ids[3])?.problem?.code, 'too_many_files');
  await flushPromises();
  assert.equal(browser.locks.has(ids[3]), false, 'another page may have it');
  const second = reloaded(first);
  await answerUntil(() => ids.slice(0, 3).every((id) => second.get(id)?.state === 'done'));
  await answerUntil(() => server.waiting.length === 0);
  assert.equal(server.uploads.size, 3);
  assert.deepEqual([unwanted, ids[3]].map((id) => second.get(id)?.problem),
    [{ code: 'unsupported_type', title: 'unsupported_type' }, { code: 'too_many_files', title: 'too many', limit: 3 }]);
  second.remove(ids[0]);
  assert.equal(new UserStorage(shelf, 7).get(`file:${ids[3]}`).problem, undefined);
  await answerUntil(() => second.get(ids[3])?.state === 'done');
  assert.equal(await server.text(ids[3]), 'd', 'the file has its place and its bytes now');
  const third = reloaded(second);
  assert.equal(third.get(ids[3])?.problem, null, 'the file is no longer refused');
});

test('a file over the limit of a message is not sent after a reload, although nothing recorded it', async () => {
  const first = page();
  for (const name of ['a', 'b', 'c']) first.add(CONVERSATION, blob(name), name);
  await flushPromises();
  const [id] = first.draftFiles(CONVERSATION).map((one) => one.client_id);
  const { conversation: _, ...note } = new UserStorage(shelf, 7).get(`file:${id}`);
  browser.bytes.set('older', blob('older'));
  new UserStorage(shelf, 7).set('file:older', { ...note, client_id: 'older', conversation: CONVERSATION });
  const second = reloaded(first);
  await answerUntil(() => second.draftFiles(CONVERSATION).every((one) => ['done', 'refused'].includes(one.state)));
  assert.equal(server.uploads.size, 3);
  assert.deepEqual(second.draftFiles(CONVERSATION).filter((one) => one.problem).map((one) => one.problem?.code), ['too_many_files']);
});

test('a refused file is released, so that another page does not wait for it forever', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('of a kind'), 'unwanted');
  await flushPromises();
  const second = page();
  second.start();
  await flushPromises();
  await server.waiting.find((one) => one.method === 'GET')?.go();
  assert.equal(second.get(id)?.state, 'looking');
  await server.waiting[0].refuse('unsupported_type');
  await clock.advance(30_000);
  await server.waiting[0].go();
  assert.equal(server.waiting[0].method, 'POST', 'the second page holds the file now');
  await server.waiting[0].refuse('unsupported_type');
  assert.equal(second.get(id)?.state, 'refused');
  assert.equal(await countRequests(120_000), 0);
});

test('a file of another page is checked less and less often, and at once when the page becomes visible', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('a'), 'a');
  await flushPromises();
  first.stop();
  server.waiting = [];
  const another = 9;
  browser.locks.set(id, another);
  const second = page();
  second.start();
  await countRequests(60_000);
  const often = await countRequests(120_000);
  assert.ok(often >= 3 && often <= 6, `${often} times in two minutes`);
  browser.locks.delete(id);
  second.resume();
  await flushPromises();
  assert.equal(server.waiting.length, 1);
  await answerUntil(() => second.get(id)?.state === 'done');
});

test('a file that could not be read is not reported as lost, and a retry finds it', async () => {
  const first = page();
  const id = first.add(CONVERSATION, blob('a'), 'a');
  await flushPromises();
  browser.broken = true;
  const second = reloaded(first);
  await answerUntil(() => second.get(id)?.state === 'refused');
  assert.equal(second.get(id)?.problem?.code, 'internal');
  browser.broken = false;
  second.retry(id);
  await answerUntil(() => second.get(id)?.state === 'done');
  assert.equal(await server.text(id), 'a');
});

test('leaving the page loses a file that a reload cannot find, although its bytes are stored', async () => {
  let kept = false;
  const set = shelf.setItem;
  shelf.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError');
  };
  const all = page(() => kept);
  const id = all.add(CONVERSATION, blob('a'), 'a');
  await flushPromises();
  assert.equal(browser.bytes.has(id), true);
  assert.equal(all.blocksLeaving, true, 'its note is not stored');
  shelf.setItem = set;
  all.setSize(id, { width: 2, height: 3 });
  assert.equal(all.blocksLeaving, false);
  all.take(CONVERSATION);
  assert.equal(all.blocksLeaving, true, 'the message is not stored');
  kept = true;
  assert.equal(all.blocksLeaving, false);
});

test('after a reload it is checked again whether a file of a message is gone, and then the message can be edited', async () => {
  /** @param {Uploads} uploads */
  const outbox = (uploads) => new Outbox({
    storage: new UserStorage(shelf, 7), clock, newId: createIdGenerator(clock), request: () => new Promise(() => {}), onSent: () => {},
    turn: () => 0, changed: () => {}, files: uploads,
  });
  const first = page();
  const before = outbox(first);
  const id = first.add(CONVERSATION, blob('a'), 'a');
  before.add(CONVERSATION, { text: 'With a file', ...first.take(CONVERSATION) });
  assert.equal(before.isStored(id), true);
  first.stop();
  before.stop();
  server.waiting = [];
  browser.bytes.clear();
  for (const round of ['the first', 'the next']) {
    const after = page();
    const box = outbox(after);
    settled = () => box.resume();
    box.resume();
    await answerUntil(() => box.itemsIn(CONVERSATION)[0].state === 'refused' && server.waiting.length === 0);
    assert.deepEqual(box.itemsIn(CONVERSATION).map((one) => [one.state, one.problem?.code]), [['refused', 'file_gone']], round);
    assert.equal(after.get(id)?.problem?.code, 'file_gone', `${round} page knows which of its files it is`);
    box.stop();
    after.stop();
  }
});
