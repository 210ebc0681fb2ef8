/**
 * Message search: queries after the last key, dropped outdated answers, pages without gaps.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { parseQuery as wantedOf } from '../src/inbox/view/folding.js';
import { excerptOf, resultsView, isDoubtful } from '../src/inbox/view/search-results.js';
import { MessageSearch, isFiltered, noFilters } from '../src/sdk/search.js';
import { emptyState } from '../src/sdk/state/state.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { flushPromises, manualClock } from './support/clock.js';
import { apply } from '../src/sdk/state/apply.js';
import { ModelServer } from './support/model-server.js';

let clock = manualClock();
/** @type {{question: any, answer: (ids: number[], next?: string|null) => Promise<void>, fail: () => Promise<void>}[]} */
let requests = [];

beforeEach(() => {
  clock = manualClock();
  requests = [];
});

function search() {
  return new MessageSearch({
    clock,
    changed: () => {},
    ask: (question) => new Promise((resolve, reject) => requests.push({
      question,
      answer: async (ids, next = null) => {
        const results = /** @type {any} */ (ids.map((id) => ({ message: { id }, excerpt: [] })));
        resolve({ results, conversations: [], users: [], next });
        await flushPromises();
      },
      fail: async () => {
        reject(new Error('no answer'));
        await flushPromises();
      },
    })),
  });
}

/** @param {MessageSearch} one */
const ids = (one) => one.view().results.map((hit) => hit.message.id);

test('a query is sent once, a moment after the last key', async () => {
  const one = search();
  for (const query of ['h', 'ha', 'han', 'han ']) one.setQuery(query);
  assert.equal(one.view().progress, 'waiting');
  await clock.advance(199);
  assert.equal(requests.length, 0);
  await clock.advance(1);
  assert.deepEqual(requests.map((each) => each.question), [{ query: 'han', limit: 20 }]);
  await requests[0].answer([9, 4]);
  assert.deepEqual([one.view().progress, ids(one)], ['done', [9, 4]]);
});

test('an answer to an older query is dropped, and the old results stay until the new ones arrive', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await requests[0].answer([1]);
  one.setQuery('ringe');
  await clock.advance(200);
  one.setQuery('ring');
  await clock.advance(200);
  await requests[2].answer([3]);
  await requests[1].answer([2]);
  assert.deepEqual(ids(one), [3]);
  one.setQuery('rings');
  await clock.advance(200);
  assert.deepEqual(ids(one), [3]);
  await requests[3].fail();
  assert.deepEqual([one.view().progress, ids(one)], ['failed', []]);
});

test('pages load one at a time, and a failed page is retried', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await requests[0].answer([9, 8], '8');
  assert.equal(one.view().more, true);
  void one.more();
  void one.more();
  assert.equal(requests.length, 2);
  assert.equal(requests[1].question.after, '8');
  await requests[1].fail();
  assert.deepEqual([one.view().progress, ids(one)], ['failed', [9, 8]]);
  one.retry();
  assert.equal(requests[2].question.after, '8');
  await requests[2].answer([8, 7], null);
  assert.deepEqual([one.view().more, ids(one)], [false, [9, 8, 7]], 'no result appears twice');
});

test('results that may have changed are loaded again in full and stay until the new ones arrive', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await requests[0].answer([9, 8], '8');
  void one.more();
  await requests[1].answer([7, 6], '6');
  void one.refresh();
  void one.refresh();
  void one.more();
  assert.equal(requests.length, 3, 'once');
  await requests[2].answer([9, 7], '7');
  assert.deepEqual([one.view().progress, ids(one)], ['done', [9, 8, 7, 6]]);
  assert.equal(requests[3].question.after, '7');
  await requests[3].answer([6, 5], '5');
  assert.deepEqual([one.view().more, ids(one)], [true, [9, 7, 6, 5]]);
  void one.refresh();
  assert.equal(requests.length, 4, 'no immediate retry');
  void one.more();
  assert.equal(requests[4].question.after, '5');
  await requests[4].answer([4]);
  await clock.advance(3_000);
  void one.refresh();
  await requests[5].fail();
  assert.deepEqual([one.view().progress, ids(one)], ['done', [9, 7, 6, 5, 4]], 'the loaded results stay');
  await clock.advance(3_000);
  void one.refresh();
  assert.equal(requests.length, 7, 'and the page is retried');
  one.setQuery('rings');
  await clock.advance(200);
  await requests[6].answer([1]);
  await requests[7].answer([2]);
  assert.deepEqual(ids(one), [2]);
});

test('a page of an older query is dropped', async () => {
  const one = search();
  one.setQuery('ring');
  await clock.advance(200);
  await requests[0].answer([9], '9');
  void one.more();
  one.setQuery('umbrella');
  await clock.advance(200);
  await requests[2].answer([5], '5');
  await requests[1].answer([8]);
  assert.deepEqual(ids(one), [5]);
  void one.more();
  assert.equal(requests[3].question.after, '5');
});

test('filters are part of the query, and dates are in the user’s time zone', async () => {
  const one = search();
  one.setFilters({ conversation: { id: 4, name: 'Night desk' } });
  assert.equal(requests.length, 0, 'a conversation alone is no query');
  assert.equal(one.view().progress, 'idle');
  one.setFilters({
    person: { id: 7, name: 'Ben' }, about: { type: 'item', id: '5', title: 'Umbrella' }, files: true,
    from: '2026-11-01', until: '2026-11-30',
  });
  assert.deepEqual(requests[0].question, {
    sender: 7, conversation: 4, context: { type: 'item', id: '5' }, has_file: true, limit: 20,
    from: new Date(2026, 10, 1).toISOString(), until: new Date(2026, 11, 1).toISOString(),
  });
  assert.equal(isFiltered(one.filters), true);
  one.clear();
  assert.deepEqual([one.filters, isFiltered(one.filters), one.view().progress], [noFilters, false, 'idle']);
  await requests[0].answer([1]);
  assert.deepEqual(ids(one), [], 'a closed search gets no more answers');
});

test('a blank text is no query', async () => {
  const one = search();
  one.setQuery('   ');
  await clock.advance(1_000);
  assert.equal(requests.length, 0);
});

/** Returns the found message. @param {any} state */
const only = (state) => [...state.conversations.values()][0].last_message;

/** Changes the found message, in the given way. @param {any} state @param {any} how */
const changed = (state, how) =>
  apply(state, { kind: 'seen', messages: [{ ...only(state), version: only(state).version + 1, ...how }] });

/** @param {number} seq @returns {any} */
const place = (seq) => ({ conversation: 4, seq, id: seq, version: seq, text: '' });

/** Returns the results view for a direct conversation. @param {Partial<ReturnType<MessageSearch['view']>>} search */
function shown(search, change = (/** @type {any} */ state) => state) {
  const model = new ModelServer(3);
  const id = model.open('direct', 1, [2]);
  const { message } = model.send(2, id, 'the wooden handle', 'a');
  const list = apply(emptyState(1), { kind: 'list', page: model.list(1, undefined, 10), requestedAt: 0 });
  const found = apply(list, { kind: 'found', messages: [message], first: true });
  const viewInput = /** @type {any} */ ({ state: change(found), now: Date.parse(message.created_at) + 60_000 });
  const results = [{ message, excerpt: [{ text: 'the wooden ', hit: false }, { text: 'handle', hit: true }] }];
  return resultsView(viewInput, {
    query: 'handle', filters: noFilters, progress: 'done', results, more: false, hasQuery: true,
    problem: null, conversations: new Map(), users: new Map(), ...search,
  }, { conversation: id, seq: 1 });
}

test('a result shows sender, time, conversation and text, and the opened one is marked', () => {
  const view = shown({});
  const [row] = view.rows;
  assert.deepEqual([view.state, view.count, row.selected, row.pieces[1]],
    ['found', '1 found', true, { text: 'handle', hit: true }]);
  assert.equal(row.where, '', 'a conversation title equal to the user’s name is left out');
  assert.equal(shown({ more: true }).count, '1+ found');
});

test('a result that was deleted since is no longer shown', () => {
  for (const how of [{ deleted: true }, { hidden: true }]) {
    const gone = shown({}, (state) => changed(state, { text: '', ...how }));
    assert.deepEqual([gone.rows.length, gone.state], [0, 'nothing']);
  }
});

test('an edited result shows its current text, or disappears when it no longer matches', () => {
  const pieces = (/** @type {any} */ one) => one.rows.map((/** @type {any} */ row) =>
    row.pieces.map((/** @type {any} */ piece) => (piece.hit ? `[${piece.text}]` : piece.text)).join(''));
  assert.deepEqual(pieces(shown({}, (state) => changed(state, { text: 'A new Handlé of ash, two HANDLES' }))),
    ['A new [Handlé] of ash, two [HANDLE]S']);
  const long = `${'before '.repeat(20)}the handle${' after'.repeat(60)}`;
  const [far] = pieces(shown({}, (state) => changed(state, { text: long })));
  assert.match(far, /^….{20,40}\[handle\]/u);
  assert.ok(far.length < 180);
  assert.equal(shown({}, (state) => changed(state, { text: 'something else' })).rows.length, 0);
  assert.equal(shown({ query: '' }, (state) => changed(state, { text: 'something else' })).rows.length, 1,
    'without a text everything matches');
  const before = shown({}).rows[0].pieces;
  const reacted = shown({}, (state) => changed(state, { reactions: [{ emoji: '👍', users: [1] }] }));
  assert.deepEqual(reacted.rows[0].pieces, before, 'an unchanged text keeps the server’s highlights');
  assert.deepEqual(excerptOf('😀😀 a needle here', wantedOf('needle')),
    [{ text: '😀😀 a ', hit: false }, { text: 'needle', hit: true }, { text: ' here', hit: false }]);
  assert.deepEqual(excerptOf("I don't", wantedOf('dont')), [{ text: 'I ', hit: false }, { text: "don't", hit: true }]);
});

test('an answer from before a known change does not undo the change', () => {
  const late = shown({}, (state) => {
    return apply(changed(state, { text: '', deleted: true }), { kind: 'seen', messages: [only(state)] });
  });
  assert.equal(late.rows.length, 0);
});

test('an unspecified change causes the search to run again', () => {
  const one = search();
  const view = (/** @type {any} */ message) =>
    /** @type {any} */ ({ ...one.view(), results: [{ message, excerpt: [] }] });
  const state = apply(emptyState(1), { kind: 'found', messages: [place(5)], first: true });
  assert.equal(isDoubtful(state, view(place(5))), false);
  assert.equal(isDoubtful(state, view(place(6))), true, 'the event is lost');
  const changes = /** @type {any} */ ({
    scope: 'conversation:4', since: 1, version: 9, reset: true, more: false, conversation: null, messages: [], users: [],
  });
  const doubted = apply(state, { kind: 'changes', changes, requestedAt: 0 });
  assert.equal(isDoubtful(doubted, view(place(5))), true, 'too many changes');
  assert.equal(isDoubtful(state, view(place(5))), false, 'the previous state is unchanged');
});

test('a member who was removed and added again unnoticed sees nothing from before, whichever answer arrives first', () => {
  const model = new ModelServer(3);
  const id = model.open('group', 2, [1, 3]);
  const { message } = model.send(2, id, 'the wooden handle', 'a');
  const list = apply(emptyState(1), { kind: 'list', page: model.list(1, undefined, 10), requestedAt: 0 });
  /** @type {import('../src/sdk/state/inputs.js').Input} */
  const found = { kind: 'found', messages: [message], first: true };
  model.remove(id, 1);
  model.add(id, 1, 2, false);
  /** @type {import('../src/sdk/state/inputs.js').Input} */
  const again = { kind: 'list', page: model.list(1, undefined, 10), requestedAt: 0 };
  for (const inputs of [[found, again], [again, found]]) {
    const state = inputs.reduce((before, input) => apply(before, input), list);
    assert.equal(state.found.get(`${id}:${message.seq}`)?.hidden, true, inputs[0].kind);
  }
});

test('a result that seems to match no longer is checked again', () => {
  const one = search();
  const found = { ...place(5), text: 'eine große Kiste' };
  const state = apply(emptyState(1), { kind: 'found', messages: [found], first: true });
  const view = /** @type {any} */ ({ ...one.view(), query: 'grosse', results: [{ message: found, excerpt: [] }] });
  const change = (/** @type {any} */ how) =>
    apply(state, { kind: 'seen', messages: [{ ...found, version: 9, ...how }] });
  assert.equal(isDoubtful(state, view), false);
  assert.equal(isDoubtful(change({ text: 'eine kleine Schachtel' }), view), true);
  assert.equal(isDoubtful(change({ text: 'eine große Schachtel' }), view), false);
  assert.equal(isDoubtful(change({ text: '', deleted: true }), view), false);
});

test('an empty result offers the next wider search', () => {
  const none = (/** @type {any} */ filters) => shown({ results: [], filters: { ...noFilters, ...filters } }).nothing;
  assert.deepEqual(none({}), {
    title: 'Nothing found for “handle”', more: 'Try fewer letters.', act: '', undo: null,
  });
  assert.equal(none({ conversation: { id: 4, name: 'Ben' } }).undo, 'conversation');
  assert.equal(none({ conversation: { id: 4, name: 'Ben' }, files: true }).undo, 'all');
  assert.equal(none({ from: '2026-11-01' }).undo, 'all');
  const states = (/** @type {any} */ progress) => shown({ results: [], progress }).state;
  assert.deepEqual(['idle', 'waiting', 'failed', 'refused', 'done'].map(states),
    ['begin', 'waiting', 'failed', 'refused', 'nothing']);
});

test('a refusal shows its reason and is not an outage', async () => {
  const problem = (/** @type {string} */ code, more = {}) =>
    new Problem({ code, title: 'no', status: 400, retryable: false, ...more });
  for (const [query, error, state, words] of /** @type {[string, Error, string, RegExp][]} */ ([
    ['?', problem('invalid_field'), 'refused', /nothing to search for in “\?”/u],
    ['x'.repeat(300), problem('text_too_long', { limit: 200 }), 'refused', /too long.*200/u],
    ['a b c', problem('limit_reached', { limit: 2 }), 'refused', /too many words.*2/u],
    ['a', problem('not_allowed'), 'refused', /turned off/u],
    ['a', problem('not_found'), 'refused', /no longer in/u],
    ['a', problem('unavailable', { retryable: true }), 'failed', /busy/u],
    ['a', new NoAnswer('gone'), 'failed', /did not answer/u],
  ])) {
    const clock = manualClock();
    const one = new MessageSearch({ clock, ask: () => Promise.reject(error), changed: () => {} });
    one.setQuery(query);
    await clock.advance(1_000);
    await flushPromises();
    const view = resultsView(/** @type {any} */ ({ state: emptyState(1), now: 0 }), one.view(), null);
    assert.equal(view.state, state, query);
    assert.match(view.failure, words);
    assert.ok(state === 'failed' || !/answer/u.test(view.failure));
  }
});
