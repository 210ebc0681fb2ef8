/**
 * Looking for messages: a question after the last key, answers to older ones dropped, pages without a gap.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Search, isFiltered, noFilters } from '../src/inbox/search.js';
import { handClock, turn } from './support/clock.js';

let clock = handClock();
/** @type {{question: any, answer: (ids: number[], next?: string|null) => Promise<void>, fail: () => Promise<void>}[]} */
let asked = [];

beforeEach(() => {
  clock = handClock();
  asked = [];
});

function search() {
  return new Search({
    clock,
    changed: () => {},
    ask: (question) => new Promise((resolve, reject) => asked.push({
      question,
      answer: async (ids, next = null) => {
        const results = /** @type {any} */ (ids.map((id) => ({ message: { id }, excerpt: [] })));
        resolve({ results, conversations: [], users: [], next });
        await turn();
      },
      fail: async () => {
        reject(new Error('no answer'));
        await turn();
      },
    })),
  });
}

/** @param {Search} one */
const ids = (one) => one.view().results.map((hit) => hit.message.id);

test('a question is put once, a moment after the last key', async () => {
  const one = search();
  for (const query of ['h', 'ha', 'han', 'han ']) one.setQuery(query);
  assert.equal(one.view().progress, 'waiting');
  await clock.advance(199);
  assert.equal(asked.length, 0);
  await clock.advance(1);
  assert.deepEqual(asked.map((each) => each.question), [{ query: 'han', limit: 20 }]);
  await asked[0].answer([9, 4]);
  assert.deepEqual([one.view().progress, ids(one)], ['done', [9, 4]]);
});

test('an answer to an older question is dropped, and until the new one comes the old results stand', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await asked[0].answer([1]);
  one.setQuery('ringe');
  await clock.advance(200);
  one.setQuery('ring');
  await clock.advance(200);
  await asked[2].answer([3]);
  await asked[1].answer([2]);
  assert.deepEqual(ids(one), [3]);
  one.setQuery('rings');
  await clock.advance(200);
  assert.deepEqual(ids(one), [3]);
  await asked[3].fail();
  assert.deepEqual([one.view().progress, ids(one)], ['failed', []]);
});

test('pages follow each other, one at a time, and a failed one is asked for again', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await asked[0].answer([9, 8], '8');
  assert.equal(one.view().more, true);
  void one.more();
  void one.more();
  assert.equal(asked.length, 2);
  assert.equal(asked[1].question.after, '8');
  await asked[1].fail();
  assert.deepEqual([one.view().progress, ids(one)], ['failed', [9, 8]]);
  one.again();
  assert.equal(asked[2].question.after, '8');
  await asked[2].answer([8, 7], null);
  assert.deepEqual([one.view().more, ids(one)], [false, [9, 8, 7]], 'none comes twice');
});

test('a page of an older question is dropped', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await asked[0].answer([9], '9');
  void one.more();
  one.setQuery('umbrella');
  await clock.advance(200);
  await asked[2].answer([5], '5');
  await asked[1].answer([8]);
  assert.deepEqual(ids(one), [5]);
  void one.more();
  assert.equal(asked[3].question.after, '5');
});

test('filters are part of the question, and days are the reader’s', async () => {
  const one = search();
  one.setFilters({ conversation: { id: 4, name: 'Night desk' } });
  assert.equal(asked.length, 0, 'a conversation alone is no question');
  assert.equal(one.view().progress, 'idle');
  one.setFilters({
    person: { id: 7, name: 'Ben' }, about: { type: 'item', id: '5', title: 'Umbrella' }, files: true,
    from: '2026-11-01', until: '2026-11-30',
  });
  assert.deepEqual(asked[0].question, {
    sender: 7, conversation: 4, context: { type: 'item', id: '5' }, has_file: true, limit: 20,
    from: new Date(2026, 10, 1).toISOString(), until: new Date(2026, 11, 1).toISOString(),
  });
  assert.equal(isFiltered(one.filters), true);
  one.end();
  assert.deepEqual([one.filters, isFiltered(one.filters), one.view().progress], [noFilters, false, 'idle']);
  await asked[0].answer([1]);
  assert.deepEqual(ids(one), [], 'what was left is not answered any more');
});

test('nothing but blanks is no question', async () => {
  const one = search();
  one.setQuery('   ');
  await clock.advance(1_000);
  assert.equal(asked.length, 0);
});
