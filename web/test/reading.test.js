/**
 * Jumping to a message: an outdated answer moves nothing.
 */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ReadingActions } from '../src/inbox/actions/reading.js';
import { flushPromises } from './support/clock.js';

/** The calls on the thread. @type {string[]} */
let done = [];
/** The pending answers, by their `seq`. @type {Map<number, () => Promise<void>>} */
let looks = new Map();
let open = 4;
let host = new EventTarget();

/** @returns {ReadingActions} */
function createClient() {
  /** @type {any} */
  const client = {
    user: 1,
    state: { conversations: new Map(), threads: new Map(), settings: new Map() },
    loadAround: (/** @type {number} */ id, /** @type {number} */ seq) => new Promise((resolve) => looks.set(seq, async () => {
      resolve({ page: { messages: [{ seq, conversation: id }] }, requestedAt: 0 });
      await flushPromises();
    })),
    applyPage: (/** @type {number} */ id, /** @type {any} */ { page }, /** @type {boolean} */ show) => {
      if (show) client.state.threads.set(id, page);
      done.push(`${show ? 'shows' : 'knows'} ${id}`);
    },
    jumpTo: async (/** @type {number} */ id, /** @type {number} */ seq) =>
      client.state.threads.get(id)?.messages.some((/** @type {any} */ one) => one.seq === seq) ?? false,
    showLatest: async () => { done.push('latest'); },
  };
  const thread = /** @type {any} */ ({ jumpTo: (/** @type {number} */ seq) => done.push(`jumps to ${seq}`) });
  return new ReadingActions({
    host: /** @type {any} */ (host), client, thread, open: () => open, show: (id) => { open = id; },
    changed: () => {}, signal: new AbortController().signal,
  });
}

beforeEach(() => {
  [done, looks, open, host] = [[], new Map(), 4, new EventTarget()];
});

test('the answer to an older jump shows nothing', async () => {
  const one = createClient();
  void one.goTo({ conversation: 4, seq: 10 });
  void one.goTo({ conversation: 5, seq: 20 });
  await looks.get(20)?.();
  await looks.get(10)?.();
  assert.deepEqual([open, done], [5, ['shows 5', 'jumps to 20', 'knows 4']]);
});

test('a jump to the end during a jump to a message stays at the end', async () => {
  const one = createClient();
  void one.goTo({ conversation: 4, seq: 10 });
  host.dispatchEvent(new CustomEvent('parlor-latest'));
  await looks.get(10)?.();
  assert.deepEqual(done, ['latest', 'knows 4']);
});

test('an earlier opening shows nothing about a later jump', async () => {
  const one = createClient();
  void one.goTo({ conversation: 4, seq: 10 });
  one.arrive();
  assert.deepEqual([one.target?.seq, done], [10, []]);
  await looks.get(10)?.();
  assert.deepEqual([one.target, done], [null, ['shows 4', 'jumps to 10']]);
});
