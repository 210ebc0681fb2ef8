/**
 * Uploads: in order, two at once, resumed at the server's offset after an interruption, and never lost silently.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { parseAnswer } from '../src/sdk/upload-request.js';
import { createIdGenerator } from '../src/sdk/ids.js';
import { Outbox } from '../src/sdk/outbox.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';
import { Uploads } from '../src/sdk/uploads.js';
import { flushPromises, manualClock } from './support/clock.js';
import { FakeUploadServer, MB, blob } from './support/fake-uploads.js';

const CONVERSATION = 3;

let clock = manualClock();
let server = new FakeUploadServer();
let shelf = memoryStorage();
let settled = 0;
let limits = { upload_bytes_max: 100 * MB, message_attachments_max: 3 };

beforeEach(() => {
  clock = manualClock();
  server = new FakeUploadServer();
  shelf = memoryStorage();
  settled = 0;
  limits = { upload_bytes_max: 100 * MB, message_attachments_max: 3 };
});

function uploads() {
  return new Uploads({
    transport: server.carry, clock, newId: createIdGenerator(clock), storage: new UserStorage(shelf, 7), changed: () => {},
    limits: () => limits,
    onSettled: () => void (settled += 1),
  });
}

test('a file is uploaded in one request and reports progress', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('an umbrella'), 'umbrella.txt');
  assert.deepEqual(server.waiting.map((one) => [one.method, one.size]), [['POST', 11]]);
  assert.match(server.waiting[0].path, /name=umbrella\.txt&bytes=11$/u);
  server.waiting[0].progress(4);
  assert.equal(all.get(id)?.sent, 4);
  await server.waiting[0].go();
  assert.equal(all.get(id)?.state, 'done');
  assert.equal(all.get(id)?.attachment?.id, 31);
  assert.equal(await server.text(id), 'an umbrella');
  assert.equal(await all.localFile(31)?.text(), 'an umbrella');
});

test('after stop nothing is stored, and no local preview is shown', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('an umbrella'), 'umbrella.txt');
  await server.waiting[0].go();
  all.stop();
  for (const name of new UserStorage(shelf, 7).names('')) new UserStorage(shelf, 7).remove(name);
  all.setSize(id, { width: 2, height: 3 });
  assert.equal(shelf.length, 0);
  assert.equal(all.localFile(31), undefined);
});

test('two files upload at once, and the third waits for its turn', async () => {
  const all = uploads();
  for (const name of ['one', 'two', 'three']) all.add(CONVERSATION, blob(name), name);
  assert.equal(server.waiting.length, 2);
  await server.waiting[1].go();
  assert.deepEqual(server.waiting.map((one) => /name=(\w+)/u.exec(one.path)?.[1]), ['one', 'three']);
});

test('after an interruption an upload continues at the server’s offset', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('0123456789'), 'digits');
  await server.waiting[0].cutAfter(4);
  assert.equal(all.get(id)?.state, 'cut');
  assert.equal(server.waiting.length, 0, 'the retry waits a moment');
  await clock.advance(1_000);
  assert.deepEqual(server.waiting.map((one) => one.method), ['GET']);
  await server.waiting[0].go();
  assert.equal(all.get(id)?.sent, 4);
  assert.match(server.waiting[0].path, /\?offset=4$/u);
  assert.equal(server.waiting[0].method, 'PATCH');
  await server.waiting[0].go();
  assert.equal(all.get(id)?.state, 'done');
  assert.equal(await server.text(id), '0123456789');
});

test('the rest of a large file is uploaded in chunks', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, new Blob([new Uint8Array(10 * MB)]), 'large');
  await server.waiting[0].cutAfter(1);
  all.resume();
  assert.equal(server.waiting[0].method, 'GET', 'at once, because the connection is back');
  await server.waiting[0].go();
  const sizes = [];
  while (server.waiting.length > 0) {
    sizes.push(server.waiting[0].size);
    await server.waiting[0].go();
  }
  assert.deepEqual(sizes, [4 * MB, 4 * MB, 2 * MB - 1]);
  assert.equal(all.get(id)?.state, 'done');
});

test('when no chunk arrives, chunks become smaller and attempts rarer', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, new Blob([new Uint8Array(10 * MB)]), 'large');
  const limited = async () => {
    const [one] = server.waiting;
    if (one.size > MB) await one.cutAfter(0);
    else await one.go();
  };
  const sizes = [];
  while (all.get(id)?.state !== 'done') {
    if (server.waiting.length === 0) await clock.advance(15_000);
    if (server.waiting[0].method !== 'GET') sizes.push(server.waiting[0].size / MB);
    // A proxy refuses the whole file, so the server never sees it.
    if (server.waiting[0].method === 'POST' && server.waiting[0].size > MB) {
      await limited();
      server.uploads.clear();
    } else {
      await limited();
    }
    assert.ok(sizes.length < 30, `${sizes}`);
  }
  assert.deepEqual(sizes.slice(0, 4), [10, 4, 2, 1]);
  assert.deepEqual(new Set(sizes.slice(4)), new Set([1]));
});

test('an upload that the server does not know starts again', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('x'), 'x');
  await server.waiting[0].cutAfter(0);
  server.uploads.clear();
  all.retry(id);
  await server.waiting[0].go();
  assert.equal(server.waiting[0].method, 'POST');
  await server.waiting[0].go();
  assert.equal(all.get(id)?.state, 'done');
});

test('the delay between attempts grows, and a stalled request counts as interrupted', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('0123456789'), 'digits');
  await clock.advance(29_000);
  server.waiting[0].progress(5);
  await clock.advance(29_000);
  assert.equal(all.get(id)?.state, 'sending', 'a byte arrived meanwhile');
  await clock.advance(1_001);
  assert.equal(all.get(id)?.state, 'cut');
  for (let attempt = 0; attempt < 6; attempt += 1) {
    await clock.advance(15_000);
    await server.waiting[0].cutAfter(0);
  }
  await clock.advance(7_000);
  assert.equal(server.waiting.length, 0);
  await clock.advance(8_000);
  assert.equal(server.waiting.length, 1);
});

test('a file that is too large, empty or over the limit is refused before a byte is sent', async () => {
  const all = uploads();
  limits.upload_bytes_max = 5;
  const large = all.add(CONVERSATION, blob('123456'), 'large');
  const empty = all.add(CONVERSATION, blob(''), 'empty');
  assert.deepEqual(all.get(large)?.problem, { code: 'too_large', title: 'too large', limit: 5 });
  assert.equal(all.get(empty)?.problem?.code, 'file_empty');
  assert.equal(shelf.length, 0, 'a file that can never be sent leaves nothing behind');
  const ids = ['a', 'b', 'c', 'd'].map((name) => all.add(CONVERSATION, blob(name), name));
  assert.equal(all.get(ids[3])?.problem?.code, 'too_many_files');
  assert.equal(server.waiting.length, 2, 'refused files are not sent');
  assert.deepEqual(all.take(CONVERSATION).attachments?.map((one) => one.name), ['a', 'b', 'c']);
  assert.deepEqual(all.draftFiles(CONVERSATION).map((one) => [one.name, one.state]),
    [['large', 'refused'], ['empty', 'refused'], ['d', 'waiting']], 'the fourth may go with the next message');
});

test('a refusal stays until the user decides; a server error is retried automatically', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('x'), 'x');
  await server.waiting[0].refuse('unsupported_type');
  assert.equal(all.get(id)?.state, 'refused');
  await clock.advance(60_000);
  assert.equal(server.waiting.length, 0);
  all.retry(id);
  for (let faults = 0; faults < 2; faults += 1) {
    await server.waiting[0].refuse('internal');
    assert.equal(all.get(id)?.state, 'cut');
    await clock.advance(15_000);
  }
  await server.waiting[0].refuse('internal');
  assert.equal(all.get(id)?.state, 'refused');
});

test('a removed upload is stopped and deleted on the server', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('x'), 'x');
  all.remove(id);
  await flushPromises();
  assert.equal(all.draftFiles(CONVERSATION).length, 0);
  assert.deepEqual(server.waiting.map((one) => one.method), ['DELETE']);
  assert.equal(shelf.length, 0);
});

test('a message waits for its files', async () => {
  const all = uploads();
  all.add(CONVERSATION, blob('a'), 'a');
  all.setSize(all.add(CONVERSATION, new Blob(['b'], { type: 'image/png' }), 'b.png'), { width: 4, height: 3 });
  const taken = all.take(CONVERSATION);
  const ids = taken.uploads ?? [];
  assert.deepEqual(taken.attachments?.map((one) => [one.name, one.media_type, one.width]),
    [['a', 'text/plain', undefined], ['b.png', 'image/png', 4]]);
  assert.deepEqual(all.draftFiles(CONVERSATION), []);
  assert.equal(shelf.length, 0, 'the message holds the files from now on');
  await server.waiting[1].go();
  assert.deepEqual(all.outcome(ids), { waits: true }, 'the other upload is under way');
  const before = settled;
  await server.waiting[0].go();
  assert.equal(settled, before + 1);
  assert.deepEqual(all.outcome(ids), { ids: [32, 31] }, 'in the order of the draft');
  all.release([31, 32]);
  assert.equal(server.waiting.length, 0, 'a message holds the files: nothing is discarded');
  assert.equal(await all.localFile(31)?.text(), 'b', 'a file sent from this page is not downloaded');
});

test('a file that a message returns belongs to the draft again and continues', async () => {
  const all = uploads();
  all.add(CONVERSATION, blob('a'), 'a');
  const unwanted = all.add(CONVERSATION, blob('b'), 'b');
  const { uploads: ids = [] } = all.take(CONVERSATION);
  all.remove(unwanted);
  all.returnToDraft(ids.filter((one) => one !== unwanted), CONVERSATION);
  assert.deepEqual(all.draftFiles(CONVERSATION).map((one) => one.name), ['a']);
  assert.equal(shelf.length, 1, 'the message survives another reload');
  await server.waiting[0].go();
  assert.deepEqual(all.draftFiles(CONVERSATION).map((one) => one.state), ['done']);
});

test('a message learns that one of its files was refused, and a retry uploads the file again', async () => {
  const all = uploads();
  const id = all.add(CONVERSATION, blob('a'), 'a');
  all.take(CONVERSATION);
  await server.waiting[0].refuse('unsupported_type');
  assert.deepEqual(all.outcome([id]), { failed: { code: 'unsupported_type', title: 'unsupported_type' } });
  all.retry(id);
  assert.deepEqual(all.outcome([id]), { waits: true });
  await server.waiting[0].go();
  await server.waiting[0].go();
  assert.deepEqual(all.outcome([id]), { ids: [31] });
});

test('after a reload a message gets its complete files and reports the missing ones', async () => {
  const first = uploads();
  const whole = first.add(CONVERSATION, blob('whole'), 'whole');
  const none = first.add(CONVERSATION, blob('none'), 'none');
  await server.waiting[0].go();
  first.take(CONVERSATION);
  first.stop();
  const second = uploads();
  assert.deepEqual(second.outcome([whole]), { waits: true });
  await flushPromises();
  await server.waiting[0].go();
  assert.deepEqual(second.outcome([whole]), { ids: [31] });
  assert.deepEqual(second.outcome([none]), { waits: true });
  await flushPromises();
  await server.waiting[0].go();
  assert.deepEqual(second.outcome([none]), { failed: { code: 'file_gone', title: 'gone' } });
  assert.deepEqual(second.draftFiles(CONVERSATION), []);
});

test('after a reload the draft has its complete files and reports the missing ones', async () => {
  const first = uploads();
  const whole = first.add(CONVERSATION, blob('whole'), 'whole');
  const half = first.add(CONVERSATION, blob('half'), 'half');
  await server.waiting[0].go();
  await server.waiting[0].cutAfter(2);
  first.stop();
  const second = uploads();
  second.start();
  assert.deepEqual(second.draftFiles(CONVERSATION).map((one) => one.name), ['whole', 'half']);
  await flushPromises();
  await server.waiting[0].go();
  await server.waiting[0].go();
  assert.equal(second.get(whole)?.state, 'done');
  assert.equal(second.get(half)?.state, 'looking', 'another page may be sending the message');
  for (let looks = 0; looks < 6; looks += 1) {
    await clock.advance(2_000);
    await flushPromises();
    await server.waiting[0].go();
  }
  assert.equal(second.get(half)?.problem?.code, 'file_gone');
  assert.equal(second.get(half)?.sent, 2);
});

test('a file that another page of the user has sent is not offered again', async () => {
  const first = uploads();
  first.add(CONVERSATION, blob('a'), 'a');
  await server.waiting[0].go();
  const second = uploads();
  second.start();
  await flushPromises();
  await server.waiting[0].go();
  assert.deepEqual(second.draftFiles(CONVERSATION).map((one) => one.state), ['done']);
  first.take(CONVERSATION);
  assert.deepEqual(second.take(CONVERSATION), {});
  assert.deepEqual(second.draftFiles(CONVERSATION), []);
});

test('a file that is gone from the disk is not retried forever', async () => {
  const all = uploads();
  const file = blob('moved away');
  file.slice = () => {
    throw new DOMException('gone', 'NotReadableError');
  };
  server.carry = () => Promise.reject(new NoAnswer('no answer'));
  all.transport = server.carry;
  const id = all.add(CONVERSATION, file, 'moved');
  await flushPromises();
  assert.equal(all.get(id)?.problem?.code, 'file_gone');
});

test('leaving the page interrupts only the uploads of this page', async () => {
  const all = uploads();
  assert.equal(all.blocksLeaving, false);
  all.add(CONVERSATION, blob('x'), 'x');
  assert.equal(all.blocksLeaving, true);
  await server.waiting[0].go();
  assert.equal(all.blocksLeaving, false);
});

test('a response is parsed into a value, a problem or nothing', () => {
  assert.deepEqual(parseAnswer(200, '{"id":1}'), { id: 1 });
  assert.equal(parseAnswer(204, ''), null);
  assert.throws(() => parseAnswer(413, '{"code":"too_large","title":"t","status":413,"retryable":false}'),
    (error) => error instanceof Problem && error.code === 'too_large');
  assert.throws(() => parseAnswer(502, '<h1>Bad gateway</h1>'), NoAnswer);
  assert.throws(() => parseAnswer(200, '<h1>Sign in to the Wi-Fi</h1>'), NoAnswer);
});

/** The outbox with files, and its requests to the server. */
function createOutbox() {
  /** @type {{command: any, resolve: (answer: any) => void, reject: (error: Error) => void}[]} */
  const requests = [];
  const all = new Uploads({
    transport: server.carry, clock, newId: createIdGenerator(clock), storage: new UserStorage(shelf, 7), changed: () => {},
    limits: () => limits, onSettled: () => box.resume(),
  });
  /** @type {Outbox} */
  const box = new Outbox({
    storage: new UserStorage(shelf, 7), clock, newId: createIdGenerator(clock), onSent: () => {}, turn: () => 0, changed: () => {}, files: all,
    request: (command) => new Promise((resolve, reject) => requests.push({ command, resolve, reject })),
  });
  return { all, box, requests };
}

const notFound = new Problem({ code: 'not_found', title: 'no', status: 404, retryable: false });

test('a file that the server has lost is uploaded again and sent with its message', async () => {
  const { all, box, requests } = createOutbox();
  const id = all.add(CONVERSATION, blob('a'), 'a');
  box.add(CONVERSATION, { text: 'With a file', ...all.take(CONVERSATION) });
  await server.waiting[0].go();
  assert.deepEqual(requests[0].command.attachments, [31]);
  server.uploads.clear();
  server.uploads.set('another', { id: 0, name: '', bytes: 0, received: [] });
  requests.splice(0, 1)[0].reject(notFound);
  await flushPromises();
  assert.deepEqual(server.waiting.map((one) => one.method), ['GET']);
  await server.waiting[0].go();
  assert.deepEqual(server.waiting.map((one) => one.method), ['POST']);
  await server.waiting[0].go();
  assert.deepEqual([await server.text(id), requests[0].command.attachments], ['a', [32]]);
});

test('when the file is not what is missing, the user is told after the server was asked', async () => {
  const { all, box, requests } = createOutbox();
  all.add(CONVERSATION, blob('a'), 'a');
  box.add(CONVERSATION, { text: 'With a file', ...all.take(CONVERSATION) });
  await server.waiting[0].go();
  for (const round of ['first', 'after Retry']) {
    for (const time of ['once', 'twice']) {
      requests.splice(0, 1)[0].reject(notFound);
      await flushPromises();
      assert.equal(server.waiting.length, time === 'once' ? 1 : 0, round);
      await server.waiting[0]?.go();
    }
    assert.deepEqual([box.itemsIn(CONVERSATION)[0].problem?.code, requests.length], ['not_found', 0]);
    box.retry(box.itemsIn(CONVERSATION)[0].client_id);
  }
});

test('the files of a discarded message that was not sent are discarded too', async () => {
  const { all, box, requests } = createOutbox();
  const id = all.add(CONVERSATION, blob('a'), 'a');
  const name = box.add(CONVERSATION, { text: 'With a file', ...all.take(CONVERSATION) });
  await server.waiting[0].go();
  requests.splice(0, 1)[0].reject(new NoAnswer('gone'));
  await flushPromises();
  box.discard(name);
  box.resume();
  assert.equal(requests[0].command.type, 'message.cancel');
  assert.notEqual(all.get(id), undefined, 'the message may have been sent');
  requests[0].resolve({ cancelled: true, message: null });
  await flushPromises();
  assert.equal(all.get(id), undefined);
  assert.deepEqual(server.waiting.map((one) => one.method), ['DELETE']);
});

test('a page does not report files as lost for a message of another page', async () => {
  const other = createOutbox();
  const own = createOutbox();
  for (const name of ['a', 'b', 'c']) own.all.add(CONVERSATION, blob(name), name);
  own.box.add(CONVERSATION, { text: 'With files', ...own.all.take(CONVERSATION) });
  other.box.resume();
  assert.equal(other.box.size, 1, 'the page may have to send it');
  await flushPromises();
  const asking = () => server.waiting.find((one) => one.method === 'GET');
  while (asking()) await asking()?.go();
  assert.equal(other.box.size, 0);
  assert.equal(own.box.itemsIn(CONVERSATION)[0].state, 'waiting');
  assert.equal(createOutbox().box.itemsIn(CONVERSATION)[0].state, 'waiting', 'and it is not stored that way');
  while (own.requests.length === 0) await server.waiting[0].go();
  assert.deepEqual(own.requests[0].command.attachments, [31, 32, 33]);
});
