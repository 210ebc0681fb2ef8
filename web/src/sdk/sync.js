/**
 * Keeps a state equal to the store: applies what comes, and asks for what the state says is wanted.
 *
 * Invariants: one request per scope at a time, a few in all; an answer to a question from before a reset is dropped;
 * an event that overtook another gets a moment before its scope is asked for.
 * The rules themselves are in `state/` and pure; see I5 and I6 of the design.
 * Absent on purpose: which way requests go, and what the state looks like inside.
 *
 * @import {Side, Where} from './queries.js'
 * @import {Clock} from './clock.js'
 * @import {Command, ConversationPage, Event, Heads, MessagePage} from './wire.js'
 * @import {Input} from './state/inputs.js'
 */
import { changesSince, isMissing, isStillMissing, sideOf } from './queries.js';
import { backOff } from './clock.js';
import { endsSession } from './problem.js';
import { apply } from './state/apply.js';
import { conversationOf, empty, versionOf } from './state/state.js';
import { gapAfter, quoteMissing } from './state/threads.js';

/**
 * @typedef {'idle'|'loading'|'failed'|'missing'} Progress
 */

/** How long an overtaken event may still come. */
const MOMENT_MS = 300;
const ASKING_MAX = 4;
const PAGE_ROWS = 40;
const RETRY = { base: 1_000, most: 30_000 };

export class Sync {
  /** @type {Progress} */
  listProgress = 'loading';
  /** @type {Map<number, Progress>} */
  threadProgress = new Map();
  /** Which side of a thread its progress is about. @type {Map<number, Side>} */
  threadSide = new Map();
  /** Those on the screen, with the place to show if it is not the end. @type {Map<number, number|null>} */
  #opened = new Map();
  /** @type {Set<string>} */
  #asking = new Set();
  /** @type {Map<string, unknown>} */
  #timers = new Map();
  /** @type {Map<string, number>} */
  #failures = new Map();
  /** What is done again of what failed. @type {Map<string, () => void>} */
  #retries = new Map();
  /** The turn of the state when heads were last asked for. */
  #headsAsked = 0;
  /** @type {Set<() => void>} */
  #waiters = new Set();
  /** @type {Set<() => void>} */
  #answers = new Set();
  #generation = 0;
  #stopped = false;

  /** @param {{
   *   user: number, clock: Clock, request: (command: Command) => Promise<any>, isLive: () => boolean,
   *   changed: () => void,
   * }} parts */
  constructor({ user, clock, request, isLive, changed }) {
    this.user = user;
    this.clock = clock;
    this.request = request;
    this.isLive = isLive;
    this.changed = changed;
    this.state = empty(user);
  }

  /** The cursor to ask for heads with. @returns {string|null} */
  cursor() {
    this.#headsAsked = this.state.turn;
    return this.state.cursor;
  }

  /** @param {Heads} heads */
  heads(heads) {
    if (!heads.reset) {
      this.#apply({ kind: 'heads', heads, asked: this.#headsAsked });
      this.#retryFailed();
      return;
    }
    this.#forget();
    this.threadProgress.clear();
    this.#apply({ kind: 'heads', heads, asked: this.#headsAsked });
    // Who I am is asked first: what I hide from then on is heard of, so that nothing asked later is too old.
    void this.loadMe();
  }

  /** Nothing is asked any more, and what was asked says nothing. */
  stop() {
    this.#stopped = true;
    this.#forget();
    for (const done of [...this.#waiters]) done();
  }

  #forget() {
    this.#generation += 1;
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    for (const all of [this.#timers, this.#failures, this.#retries, this.#asking]) all.clear();
  }

  #loadAll() {
    if (!this.state.list.loaded) void this.loadList();
    for (const id of this.#opened.keys()) void this.#load(id);
  }

  /** @param {Event} event */
  event(event) {
    this.#apply({ kind: 'event', event });
  }

  /** An answer to a command that this page gave. @param {Input} input */
  take(input) {
    this.#apply(input);
  }

  /** Resolves when nothing is wanted or asked for, or after a while. @returns {Promise<void>} */
  settled() {
    if (this.#isSettled()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.clock.stop(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = this.clock.after(5_000, done);
      this.#waiters.add(done);
    });
  }

  async loadMe() {
    const generation = this.#generation;
    if (!this.state.list.loaded) this.#setList('loading');
    try {
      const first = this.state.me === null;
      const input = await this.#askMe();
      if (generation !== this.#generation) return;
      this.#done('me');
      this.#apply(input);
      if (first) this.#loadAll();
    } catch (error) {
      if (generation !== this.#generation) return;
      if (!this.state.list.loaded) this.#setList('failed');
      this.#again('me', error, () => void this.loadMe());
    }
  }

  /** The first page of the list, or the next one. */
  async loadList() {
    const { loaded, next } = this.state.list;
    if (!this.state.me) {
      if (this.state.cursor !== null) await this.loadMe();
      return;
    }
    if (this.#asking.has('list') || (loaded && next === null)) return;
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add('list');
    this.#setList('loading');
    try {
      /** @type {ConversationPage} */
      const page = await this.request({
        type: 'conversation.list', limit: PAGE_ROWS, ...(loaded && next !== null ? { after: next } : {}),
      });
      if (generation !== this.#generation) return;
      this.#asking.delete('list');
      this.listProgress = 'idle';
      this.#done('list');
      this.#apply({ kind: 'list', page, asked });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#asking.delete('list');
      this.#setList('failed');
      if (!loaded) this.#again('list', error, () => void this.loadList());
    }
  }

  /** @param {number} [answered] @returns {Promise<Input>} */
  async #askMe(answered) {
    const since = this.state.me?.scope_version ?? null;
    const asked = this.state.turn;
    const answer = await this.request({ type: 'me.get', ...(since === null ? {} : { since }) });
    return { kind: 'me', answer, since, asked, answered };
  }

  /** Shows a conversation: its row and its messages, the newest or those around a place, are fetched where they are not
   * held. @param {number} id @param {number|null} [seq] @returns {Promise<void>} */
  async open(id, seq = null) {
    this.#opened.set(id, seq);
    // Before I am known there is nothing to add to; then all that is open is loaded.
    if (this.state.me !== null) await this.#load(id);
  }

  /** @param {number} id */
  close(id) {
    this.#opened.delete(id);
    this.threadSide.delete(id);
    this.#apply({ kind: 'closing', conversation: id });
  }

  /** Shows an open thread around a message. @param {number} id @param {number} seq
   * @returns {Promise<boolean>} whether that part is held then */
  async around(id, seq) {
    const holds = () => this.state.threads.get(id)?.messages.some((one) => one.seq === seq) ?? false;
    const wasHeld = holds();
    const isThere = wasHeld || await this.#place(id, seq) || holds();
    // A jump that failed does not happen later, when the person looks at something else.
    const isOver = wasHeld || (this.#opened.get(id) === seq && this.state.threads.get(id)?.loaded);
    if (isOver && this.#opened.has(id)) {
      this.#opened.set(id, null);
      this.#done(`place:${id}`);
    }
    return isThere;
  }

  /** Shows an open thread at its end. @param {number} id @returns {Promise<void>} */
  async latest(id) {
    if (this.state.threads.get(id)?.moreAfter) await this.#place(id, null);
  }

  /** @param {number} id @param {number|null} seq @returns {Promise<boolean>} whether it was answered */
  async #place(id, seq) {
    if (!this.#opened.has(id)) return false;
    this.#opened.set(id, seq);
    while (this.#asking.has(`place:${id}`)) await this.#pause();
    return this.#opened.get(id) === seq && this.#messages(id, seq === null ? {} : { around: seq });
  }

  /** Until something is answered. @returns {Promise<void>} */
  #pause() {
    return new Promise((resolve) => {
      this.#answers.add(resolve);
    });
  }

  /** Holds only these of a thread. @param {number} id @param {number} first @param {number} last */
  trim(id, first, last) {
    this.#apply({ kind: 'trim', conversation: id, first, last });
  }

  /** What came before the first message held. @param {number} id @returns {Promise<void>} */
  async older(id) {
    const thread = this.state.threads.get(id);
    const first = thread?.messages[0]?.seq;
    if (!thread?.moreBefore || first === undefined) return;
    await this.#messages(id, { before: first });
  }

  /** What came after the last message held. @param {number} id @returns {Promise<void>} */
  async newer(id) {
    const thread = this.state.threads.get(id);
    const last = thread?.messages.at(-1)?.seq;
    if (!thread?.moreAfter || last === undefined) return;
    await this.#messages(id, { after: last });
  }

  /** @param {number} id */
  async #load(id) {
    if (!this.state.threads.get(id)?.shown) this.#apply({ kind: 'opening', conversation: id });
    if (!this.state.conversations.has(id)) {
      const missing = await this.#loadRow(id);
      if (missing) return;
    }
    const seq = this.#opened.get(id) ?? null;
    const thread = this.state.threads.get(id);
    if (seq !== null && !thread?.messages.some((one) => one.seq === seq)) await this.#messages(id, { around: seq });
    else if (!thread?.loaded) await this.#messages(id, {});
    else this.#pump();
  }

  /** @param {number} id @returns {Promise<boolean>} whether there is no such conversation */
  async #loadRow(id) {
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#setThread(id, 'loading');
    try {
      const answer = await this.request({ type: 'conversation.get', conversation: id });
      if (generation !== this.#generation) return true;
      this.#done(`open:${id}`);
      const { conversation, users, cursor } = answer;
      this.#apply({ kind: 'conversation', conversation, users, cursor, asked });
      return false;
    } catch (error) {
      if (generation !== this.#generation) return true;
      const missing = isMissing(error);
      this.#setThread(id, missing ? 'missing' : 'failed');
      if (!missing) this.#again(`open:${id}`, error, () => this.#opened.has(id) && void this.#load(id));
      return true;
    }
  }

  /** @param {number} id @param {Where} where @returns {Promise<boolean>} whether it was answered */
  async #messages(id, where) {
    const side = sideOf(where);
    const key = `${side}:${id}`;
    if (this.#asking.has(key)) return false;
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add(key);
    this.threadSide.set(id, side);
    this.#setThread(id, 'loading');
    try {
      /** @type {MessagePage} */
      const page = await this.request({ type: 'message.list', conversation: id, limit: PAGE_ROWS, ...where });
      if (generation !== this.#generation) return false;
      this.#answered(key);
      this.#done(key);
      this.threadProgress.set(id, 'idle');
      // What was to be shown is: from now on the thread stands where the person moves it.
      if (where.around !== undefined && this.#opened.get(id) === where.around) this.#opened.set(id, null);
      // A gap that the server does not fill is not asked about again and again.
      if (where.after !== undefined && page.messages.length === 0) this.#failures.set(key, 1);
      this.#apply({ kind: 'messages', conversation: id, page, asked, before: where.before, after: where.after });
      return true;
    } catch (error) {
      if (generation !== this.#generation) return false;
      this.#answered(key);
      this.threadSide.set(id, side);
      this.#setThread(id, isMissing(error) ? 'missing' : 'failed');
      this.#again(key, error, () => this.#messagesAgain(id, where));
      return false;
    }
  }

  /** Where that is still what is missing. @param {number} id @param {Where} where */
  #messagesAgain(id, where) {
    if (!this.#opened.has(id)) return;
    const held = this.state.threads.get(id)?.messages ?? [];
    if (isStillMissing(where, held, this.#opened.get(id) ?? null)) void this.#messages(id, where);
    else {
      this.#done(`${sideOf(where)}:${id}`);
      this.#idle(id);
      this.#pump();
    }
  }

  /** More may be asked of a thread again. @param {number} id */
  #idle(id) {
    if (this.threadProgress.get(id) === 'failed' && this.state.threads.get(id)?.loaded) this.#setThread(id, 'idle');
  }

  /** A message that one of an open thread answers. @param {number} id @param {number} seq */
  async #quote(id, seq) {
    const key = `quote:${id}`;
    if (this.#asking.has(key) || this.#failures.has(key)) return;
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add(key);
    try {
      const page = await this.request({ type: 'message.list', conversation: id, around: seq, limit: 1 });
      if (generation !== this.#generation) return;
      this.#answered(key);
      this.#apply({ kind: 'quoted', conversation: id, seq, page, asked });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#answered(key);
      if (isMissing(error)) this.#apply({ kind: 'quoted', conversation: id, seq, page: null, asked });
      else this.#again(key, error, () => this.#failures.delete(key) && this.#pump());
    }
  }

  /** @param {string} key */
  #answered(key) {
    this.#asking.delete(key);
    for (const then of [...this.#answers]) then();
    this.#answers.clear();
  }

  /** @param {Input} input */
  #apply(input) {
    this.state = apply(this.state, input);
    this.#pump();
    this.changed();
    if (this.#isSettled()) for (const done of [...this.#waiters]) done();
  }

  #isSettled() {
    return this.state.wanted.size === 0 && this.#asking.size === 0;
  }

  /** Asks for what is wanted: at once for what is known to be missing, after a moment for what may still come. */
  #pump() {
    if (this.#stopped) return;
    for (const [scope, { hurry }] of this.state.wanted) {
      if (this.#asking.has(scope)) continue;
      const waits = this.#timers.has(scope);
      if (hurry || !this.isLive()) {
        if (this.#failures.has(scope) && waits) continue;
        if (waits) this.clock.stop(this.#timers.get(scope));
        this.#timers.delete(scope);
        if (this.#asking.size < ASKING_MAX) void this.#fetch(scope);
      } else if (!waits) {
        this.#later(scope, MOMENT_MS);
      }
    }
    for (const id of this.#opened.keys()) this.#pumpThread(id);
  }

  /** What is missing of a thread on the screen. @param {number} id */
  #pumpThread(id) {
    const thread = this.state.threads.get(id);
    const quote = quoteMissing(this.state, id);
    if (quote !== null) void this.#quote(id, quote);
    if (this.state.wanted.has(`conversation:${id}`)) return;
    const after = gapAfter(this.state, id);
    if (after !== null && !this.#failures.has(`after:${id}`)) void this.#messages(id, { after });
    // All its messages were forgotten, or I was removed and added again.
    const forgotten = !thread?.loaded && this.state.conversations.has(id);
    if (forgotten && !this.#asking.has(`place:${id}`) && !this.#failures.has(`place:${id}`)) void this.#load(id);
  }

  /** @param {string} scope @param {number} milliseconds */
  #later(scope, milliseconds) {
    this.clock.stop(this.#timers.get(scope));
    this.#timers.set(scope, this.clock.after(milliseconds, () => {
      this.#timers.delete(scope);
      if (this.state.wanted.has(scope) && !this.#asking.has(scope)) void this.#fetch(scope);
    }));
  }

  /** @param {string} scope */
  async #fetch(scope) {
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add(scope);
    try {
      const input = await this.#ask(scope, asked);
      if (generation !== this.#generation) return;
      this.#asking.delete(scope);
      this.#failures.delete(scope);
      this.#apply(input);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#asking.delete(scope);
      if (isMissing(error)) {
        this.#apply({ kind: 'gone', scope, asked });
      } else if (!endsSession(error)) {
        const failures = (this.#failures.get(scope) ?? 0) + 1;
        this.#failures.set(scope, failures);
        this.#later(scope, backOff(failures, this.clock.random(), RETRY));
      }
    }
  }

  /** @param {string} scope @param {number} asked @returns {Promise<Input>} */
  async #ask(scope, asked) {
    const wanted = this.state.wanted.get(scope);
    const answered = wanted?.version ?? 0;
    const conversation = conversationOf(scope);
    if (Number.isNaN(conversation)) return this.#askMe(answered);
    const since = versionOf(this.state, scope);
    if (since === null || wanted?.whole) {
      const answer = await this.request({ type: 'conversation.get', conversation });
      return { kind: 'conversation', ...answer, asked, answered };
    }
    return { kind: 'changes', changes: await changesSince(this.request, conversation, since), asked, answered };
  }

  /** Tries again, later, what failed. @param {string} key @param {unknown} error @param {() => void} then */
  #again(key, error, then) {
    if (endsSession(error) || isMissing(error)) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#retries.set(key, then);
    this.clock.stop(this.#timers.get(key));
    this.#timers.set(key, this.clock.after(backOff(failures, this.clock.random(), RETRY), () => {
      for (const all of [this.#timers, this.#retries]) all.delete(key);
      then();
    }));
  }

  /** It has succeeded, or is wished no more. @param {string} key */
  #done(key) {
    this.clock.stop(this.#timers.get(key));
    for (const all of [this.#timers, this.#failures, this.#retries]) all.delete(key);
  }

  /** The way to the server is open again: what waits for another attempt is tried now. */
  #retryFailed() {
    const retries = [...this.#retries.values()];
    for (const key of [...this.#failures.keys()]) this.#done(key);
    for (const id of this.threadProgress.keys()) this.#idle(id);
    for (const then of retries) then();
    this.#pump();
  }

  /** @param {Progress} progress */
  #setList(progress) {
    this.listProgress = progress;
    this.changed();
  }

  /** @param {number} id @param {Progress} progress */
  #setThread(id, progress) {
    this.threadProgress.set(id, progress);
    this.changed();
  }
}
