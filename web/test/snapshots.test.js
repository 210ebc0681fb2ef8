/**
 * The last known inbox on the device: what is read at a start, and what is erased.
 */
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { browserSnapshots, lastSnapshot } from '../src/sdk/snapshots.js';
import { emptyState } from '../src/sdk/state/state.js';
import { flushPromises, manualClock } from './support/clock.js';
import { fakeIndexedDb } from './support/fake-indexed-db.js';

const DAY_MS = 24 * 3_600_000;
const ABOUT = { user: 1, build: 'a', site: /** @type {any} */ ({ name: 'Parlor' }) };

/** @type {ReturnType<typeof manualClock>} */
let clock;
// The module opens its database once.
/** @type {Map<string, any>} */
const values = new Map();
/** @type {import('./support/fake-indexed-db.js').Trouble} */
const trouble = { hangs: false, fails: new Set() };
after(fakeIndexedDb(values, trouble));

beforeEach(() => {
  clock = manualClock();
  values.clear();
  trouble.fails.clear();
});

const save = (savedAt = clock.now()) => browserSnapshots(ABOUT, () => true).save(emptyState(1), savedAt);

test('an inbox is read by the scripts that kept it, for thirty days', async () => {
  await save(clock.now() - 30 * DAY_MS);
  assert.equal((await lastSnapshot('a', clock))?.user, 1);
  assert.equal(await lastSnapshot('b', clock), null);
  await save(clock.now() - 30 * DAY_MS - 1);
  assert.equal(await lastSnapshot('a', clock), null);
  await flushPromises();
  assert.equal(values.size, 0, 'it is erased');
});

test('an inbox that cannot be read, or is no inbox, is erased and stops nothing', async () => {
  for (const broken of [null, 7, { user: 1, savedAt: clock.now(), build: 'a', site: { name: 'Parlor' }, state: { conversations: [] } }]) {
    values.set('1:inbox', broken);
    assert.equal(await lastSnapshot('a', clock), null);
    await flushPromises();
    assert.equal(values.size, 0);
  }
  await save();
  trouble.fails.add('getAll');
  assert.equal(await lastSnapshot('a', clock), null);
  await flushPromises();
  assert.equal(values.size, 0);
});

test('what was kept before is erased when a newer inbox cannot be kept', async () => {
  await save();
  trouble.fails.add('put');
  await save();
  assert.equal(values.size, 0);
});

test('a start does not wait for a device that does not answer', async () => {
  trouble.hangs = true;
  const { lastSnapshot: read } = await import(`../src/sdk/snapshots.js?${'that opens its own database'}`);
  let answer;
  void read('a', clock).then((/** @type {unknown} */ one) => {
    answer = one;
  });
  await clock.advance(1_999);
  assert.equal(answer, undefined);
  await clock.advance(1);
  assert.equal(answer, null);
});
