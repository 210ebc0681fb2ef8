/**
 * Drafts of several pages of one user.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ComposerDraft } from '../src/inbox/thread/draft.js';
import { Drafts } from '../src/sdk/drafts.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';
import { saveDraft } from './support/model-drafts.js';
import { ModelServer } from './support/model-server.js';
import { SyncHarness } from './support/sync-harness.js';

const CONVERSATION = 7;
let shelf = memoryStorage();
let now = 0;

/** A page over the shared storage; the others receive its changes when `passStorageEvents` is called. @param {UserStorage} [own] */
function page(own) {
  return new Drafts({
    storage: new UserStorage(shelf, 1), now: () => (now += 1), newId: () => `id-${(now += 1)}`, session: own ?? new UserStorage(memoryStorage(), 1),
  });
}

/** Returns all texts in the storage. */
function texts() {
  const keep = new UserStorage(shelf, 1);
  return keep.names('draft:').map((name) => keep.get(name).text).sort();
}

/** @param {Drafts} drafts */
function passStorageEvents(drafts) {
  const names = ['draft:7:id-2', ...new UserStorage(shelf, 1).names('draft:')];
  for (let id = 0; id <= now; id += 1) names.push(`draft:7:id-${id}`);
  for (const name of new Set(names)) drafts.storageChanged(`parlor:1:${name}`);
}

beforeEach(() => {
  shelf = memoryStorage();
  now = 0;
});

test('a sent draft disappears from the other page that shows it', () => {
  const one = page();
  one.write(CONVERSATION, { text: 'hello' });
  const other = page();
  other.open(CONVERSATION);
  assert.equal(other.of(CONVERSATION).text, 'hello');
  one.write(CONVERSATION, { text: 'hello there' });
  passStorageEvents(other);
  assert.equal(other.of(CONVERSATION).text, 'hello', 'the open draft stays as it is while the other page writes');
  assert.equal(other.takenCount(CONVERSATION), 0);
  assert.equal(one.take(CONVERSATION).text, 'hello there');
  passStorageEvents(other);
  assert.equal(other.of(CONVERSATION).text, '');
  assert.equal(other.takenCount(CONVERSATION), 1);
  assert.deepEqual(texts(), []);
});

test('the drafts of two pages in one conversation are both kept, whichever writes last or sends first', () => {
  const [one, other] = [page(), page()];
  for (const drafts of [one, other]) drafts.open(CONVERSATION);
  one.write(CONVERSATION, { text: 'from the one' });
  other.write(CONVERSATION, { text: 'from the other' });
  one.write(CONVERSATION, { text: 'from the one, more' });
  assert.deepEqual(texts(), ['from the one, more', 'from the other']);
  other.take(CONVERSATION);
  passStorageEvents(one);
  assert.equal(one.of(CONVERSATION).text, 'from the one, more');
  assert.equal(one.takenCount(CONVERSATION), 0);
  assert.deepEqual(texts(), ['from the one, more']);
});

test('two pages that continue the same draft keep both versions', () => {
  const one = page();
  one.write(CONVERSATION, { text: 'hello' });
  const other = page();
  other.open(CONVERSATION);
  other.write(CONVERSATION, { text: 'hello, from the other' });
  one.write(CONVERSATION, { text: 'hello, from the one' });
  assert.deepEqual(texts(), ['hello, from the one', 'hello, from the other']);
  one.take(CONVERSATION);
  passStorageEvents(other);
  assert.equal(other.of(CONVERSATION).text, 'hello, from the other');
});

test('a page that hears late neither clears nor overwrites what the other page wrote since', () => {
  const one = page();
  one.write(CONVERSATION, { text: 'hello' });
  const other = page();
  other.open(CONVERSATION);
  one.write(CONVERSATION, { text: 'hello, much more' });
  other.write(CONVERSATION, { text: '' });
  assert.deepEqual(texts(), ['hello, much more']);
});

test('a reloaded page shows its own draft', () => {
  const own = new UserStorage(memoryStorage(), 1);
  const [one, other] = [page(own), page()];
  for (const drafts of [one, other]) drafts.open(CONVERSATION);
  one.write(CONVERSATION, { text: 'mine' });
  other.write(CONVERSATION, { text: 'newer' });
  assert.equal(page().of(CONVERSATION).text, 'newer');
  const again = page(own);
  again.open(CONVERSATION);
  assert.equal(again.of(CONVERSATION).text, 'mine');
});

test('a quoted message and a subject are saved with the draft, once', () => {
  const drafts = page();
  drafts.write(CONVERSATION, { text: 'yes', reply: 3 });
  drafts.write(CONVERSATION, { subject: 'Umbrella' });
  const { text, reply, subject } = drafts.take(CONVERSATION);
  assert.deepEqual({ text, reply, subject }, { text: 'yes', reply: 3, subject: 'Umbrella' });
  assert.deepEqual(drafts.take(CONVERSATION).reply, null);
  assert.deepEqual(texts(), []);
});

test('where nothing can be stored, a draft lasts as long as the page', () => {
  shelf.setItem = () => { throw new Error('full'); };
  const drafts = page();
  drafts.write(CONVERSATION, { text: 'hel' });
  drafts.write(CONVERSATION, { text: 'hello' });
  assert.equal(drafts.take(CONVERSATION).text, 'hello');
});

test('the number of old drafts is limited, and invalid data is no draft', () => {
  for (let count = 0; count < 25; count += 1) {
    const drafts = page();
    drafts.open(8);
    drafts.write(CONVERSATION, { text: '' });
    drafts.write(CONVERSATION, { text: `draft ${count}` });
  }
  assert.ok(texts().length <= 20);
  shelf.setItem('parlor:1:draft:9:x', '"no draft"');
  assert.equal(page().of(9).text, '');
});

test('text returned to the composer during an edit goes into the draft, and the edit continues', () => {
  const drafting = new ComposerDraft(page());
  drafting.drafts.write(CONVERSATION, { text: 'half a line' });
  drafting.edit(/** @type {any} */ ({ conversation: CONVERSATION, seq: 4, text: 'to be changed' }));
  drafting.restore(CONVERSATION, { text: 'with a picture', reply: 3 });
  assert.equal(drafting.drafts.of(CONVERSATION).text, 'with a picture\nhalf a line');
  assert.equal(drafting.of(CONVERSATION).reply, 3);
  assert.deepEqual([drafting.of(CONVERSATION).editing?.seq, drafting.of(CONVERSATION).editing?.text], [4, undefined]);
  drafting.cancel(CONVERSATION);
  assert.deepEqual(drafting.take(CONVERSATION, 3), { reply_to: 3 });
});

test('a draft that comes to the state leaves the states before it as they were', async () => {
  const server = new ModelServer(2);
  const id = server.open('direct', 1, [2]);
  const harness = await SyncHarness.open(server, 1);
  const before = harness.state;
  saveDraft(server, 1, id, { text: 'hello', since: 0 });
  await harness.settle();
  assert.deepEqual([before.drafts.size, harness.state.drafts.get(id)?.text], [0, 'hello']);
});
