/**
 * Finding the first message since a time, among messages that the server lists by their order.
 *
 * @import {Message} from '../src/sdk/wire.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { firstSince } from '../src/sdk/first-since.js';

/** @typedef {{seq: number, at: number, deleted?: boolean, hidden?: boolean}} Row */

/** Lists messages as the server does. @param {Row[]} rows @param {number} [most] of a page */
function serverOf(rows, most = 100) {
  const requests = /** @type {object[]} */ ([]);
  const all = rows.map(({ seq, at, deleted = false, hidden = false }) =>
    /** @type {Message} */ (/** @type {unknown} */ ({ seq, created_at: new Date(at).toISOString(), deleted, hidden })));
  return {
    requests,
    /** @param {{around?: number, after?: number, before?: number, limit: number}} where @returns {Promise<any>} */
    load: async ({ around, after = 0, limit }) => {
      requests.push({ around, after, limit });
      const count = Math.min(limit, most);
      const below = all.filter((one) => one.seq <= (around ?? 0));
      const above = all.filter((one) => one.seq > (around ?? after));
      const half = Math.ceil(count / 2);
      const messages = around === undefined ? above.slice(0, count)
        : [...below.slice(-half), ...above.slice(0, count - Math.min(half, below.length))].slice(0, count);
      const last = messages.at(-1)?.seq ?? 0;
      return { messages, next: all.some((one) => one.seq > last) ? last : null };
    },
  };
}

/** @param {Row[]} rows @param {number} time @param {number} [most] */
function search(rows, time, most) {
  const { load, requests } = serverOf(rows, most);
  const found = firstSince({ load, first: 1, last: rows.at(-1)?.seq ?? 0, time, isStillNeeded: () => true });
  return { found, requests };
}

test('the first message since a time is found with few requests', async () => {
  const rows = Array.from({ length: 100_000 }, (_, at) => ({ seq: at + 1, at: at * 60_000 }));
  for (const wanted of [1, 2, 777, 50_000, 99_999, 100_000]) {
    const { found, requests } = search(rows, (wanted - 1) * 60_000 - 1);
    assert.equal((await found)?.seq, wanted);
    assert.ok(requests.length <= 13, `${requests.length} requests`);
  }
  const { found } = search(rows, 100_000 * 60_000);
  assert.equal(await found, null, 'nothing was written since');
  assert.equal(await search([], 0).found, null);
});

test('whatever is missing, the result is that of a look at every message', () => fc.assert(fc.asyncProperty(
  fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3)), { maxLength: 300 }), fc.nat(700), fc.integer({ min: 1, max: 60 }),
  async (steps, time, most) => {
    let [seq, at] = [0, 0];
    const rows = steps.map(([bySeq, byTime]) => ({ seq: (seq += bySeq), at: (at += byTime) }));
    const { found } = search(rows, time, most);
    assert.equal((await found)?.seq, rows.find((one) => one.at >= time)?.seq);
  },
), { examples: [[Array.from({ length: 45 }, () => [1, 1]), 40, 1]] }));

test('deleted and hidden messages are passed over, unless there are no others near', async () => {
  const rows = Array.from({ length: 120 }, (_, at) => ({ seq: at + 1, at, deleted: at < 60, hidden: at === 60 }));
  assert.equal((await search(rows, 10).found)?.seq, 62);
  assert.equal((await search(rows.map((row) => ({ ...row, deleted: true })), 10).found)?.seq, 11);
});

test('it ends when the user gives up', async () => {
  const { load, requests } = serverOf(Array.from({ length: 1_000 }, (_, at) => ({ seq: at + 1, at })));
  const found = firstSince({ load, first: 1, last: 1_000, time: 500, isStillNeeded: () => requests.length < 2 });
  assert.equal(await found, null);
  assert.equal(requests.length, 2);
});
