/**
 * Looking for messages: a question after the last key, answers to older ones dropped, pages without a gap.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { foundView } from '../src/inbox/found.js';
import { Search, isFiltered, noFilters } from '../src/inbox/search.js';
import { apply, empty } from '../src/inbox/state.js';
import { handClock, turn } from './support/clock.js';
import { ModelServer } from './support/server.js';

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

/** What is shown of results in a conversation of two. @param {Partial<ReturnType<Search['view']>>} search */
function shown(search, change = (/** @type {any} */ state) => state) {
  const model = new ModelServer(3);
  const id = model.open('direct', 1, [2]);
  const { message } = model.send(2, id, 'the wooden handle', 'a');
  const list = apply(empty(1), { kind: 'list', page: model.list(1, undefined, 10), asked: 0 });
  const sight = /** @type {any} */ ({ state: change(list), now: Date.parse(message.created_at) + 60_000 });
  const results = [{ message, excerpt: [{ text: 'the wooden ', hit: false }, { text: 'handle', hit: true }] }];
  return foundView(sight, {
    query: 'handle', filters: noFilters, progress: 'done', results, more: false, asked: true,
    conversations: new Map(), users: new Map(), ...search,
  }, { conversation: id, seq: 1 });
}

test('a result says who, when, where and what, and which of them one has gone to', () => {
  const view = shown({});
  const [row] = view.rows;
  assert.deepEqual([view.state, view.count, row.selected, row.pieces[1]],
    ['found', '1 found', true, { text: 'handle', hit: true }]);
  assert.equal(row.where, '', 'a place of the same name says nothing more');
  assert.equal(shown({ more: true }).count, '1+ found');
});

test('what was deleted since it was found is not shown any more', () => {
  const gone = shown({}, (state) => {
    const [id] = state.conversations.keys();
    const messages = [{ ...state.conversations.get(id).last_message, text: '', deleted: true }];
    return { ...state, threads: new Map([[id, { messages, ahead: [], loaded: true }]]) };
  });
  assert.deepEqual([gone.rows.length, gone.state], [0, 'nothing']);
});

test('who finds nothing is led to the next wider thing to try', () => {
  const none = (/** @type {any} */ filters) => shown({ results: [], filters: { ...noFilters, ...filters } }).nothing;
  assert.deepEqual(none({}), {
    title: 'Nothing found for “handle”', more: 'Try fewer letters.', act: '', undo: null,
  });
  assert.equal(none({ conversation: { id: 4, name: 'Ben' } }).undo, 'conversation');
  assert.equal(none({ conversation: { id: 4, name: 'Ben' }, files: true }).undo, 'all');
  assert.equal(none({ from: '2026-11-01' }).undo, 'all');
  const states = (/** @type {any} */ progress) => shown({ results: [], progress }).state;
  assert.deepEqual(['idle', 'waiting', 'failed', 'done'].map(states), ['begin', 'waiting', 'failed', 'nothing']);
});
