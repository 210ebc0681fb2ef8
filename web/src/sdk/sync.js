/**
 * Keeps a state equal to the store: applies what comes, and asks for what the state says is wanted.
 *
 * Invariants: one request per scope at a time, a few in all; an answer to a question from before a reset is dropped;
 * an event that overtook another gets a moment before its scope is asked for.
 * The rules themselves are in the model, which is handed in and pure; see I5 and I6 of the design.
 * Absent on purpose: which way requests go, and what the state looks like inside.
 *
 * @import {Clock} from './clock.js'
 * @import {Changes, Command, ConversationPage, Event, Heads, MessagePage} from './wire.js'
 * @import {Input, State} from '../inbox/state.js'
 */
import { backOff } from './clock.js';
import { Problem, endsSession } from './problem.js';

/**
 * @typedef {{
 *   empty: (user: number) => State,
 *   apply: (state: State, input: Input) => State,
 *   versionOf: (state: State, scope: string) => number|null,
 *   conversationOf: (scope: string) => number,
 *   gapAfter: (state: State, conversation: number) => number|null,
 * }} Model
 * @typedef {'idle'|'loading'|'failed'|'missing'} Progress
 */

/** How long an overtaken event may still come. */
const MOMENT_MS = 300;
const ASKING_MAX = 4;
const PIECES_MAX = 1_000;
const PAGE_ROWS = 40;
const RETRY = { base: 1_000, most: 30_000 };

export class Sync {
  /** @type {Progress} */
  listProgress = 'loading';
  /** @type {Map<number, Progress>} */
  threadProgress = new Map();
  /** @type {Set<number>} */
  #opened = new Set();
  /** @type {Set<string>} */
  #asking = new Set();
  /** @type {Map<string, unknown>} */
  #timers = new Map();
  /** @type {Map<string, number>} */
  #failures = new Map();
  /** The turn of the state when heads were last asked for. */
  #headsAsked = 0;
  /** @type {Set<() => void>} */
  #waiters = new Set();
  #generation = 0;

  /** @param {{
   *   user: number, model: Model, clock: Clock, request: (command: Command) => Promise<any>, isLive: () => boolean,
   *   changed: () => void,
   * }} parts */
  constructor({ user, model, clock, request, isLive, changed }) {
    this.user = user;
    this.model = model;
    this.clock = clock;
    this.request = request;
    this.isLive = isLive;
    this.changed = changed;
    this.state = model.empty(user);
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
    this.#generation += 1;
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    this.#timers.clear();
    this.#failures.clear();
    this.#asking.clear();
    this.threadProgress.clear();
    this.#apply({ kind: 'heads', heads, asked: this.#headsAsked });
    void this.loadMe();
    void this.loadList();
    for (const id of this.#opened) void this.#load(id);
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
    try {
      const answer = await this.request({ type: 'me.get' });
      if (generation !== this.#generation) return;
      this.#failures.delete('me');
      this.#apply({ kind: 'me', answer });
    } catch (error) {
      if (generation === this.#generation) this.#again('me', error, () => void this.loadMe());
    }
  }

  /** The first page of the list, or the next one. */
  async loadList() {
    const { loaded, next } = this.state.list;
    if (this.#asking.has('list') || (loaded && next === null)) return;
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add('list');
    this.#setList('loading');
    try {
      /** @type {ConversationPage} */
      const page = await this.request({
        type: 'conversation.list', limit: PAGE_ROWS, ...(loaded && next !== null ? { before: next } : {}),
      });
      if (generation !== this.#generation) return;
      this.#asking.delete('list');
      this.listProgress = 'idle';
      this.#failures.delete('list');
      this.#apply({ kind: 'list', page, asked });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#asking.delete('list');
      this.#setList('failed');
      if (!loaded) this.#again('list', error, () => void this.loadList());
    }
  }

  /** Shows a conversation: its row and its newest messages are fetched where they are not held.
   * @param {number} id @returns {Promise<void>} */
  async open(id) {
    this.#opened.add(id);
    // Before the first heads there is nothing to add to; they load what is open.
    if (this.state.cursor !== null) await this.#load(id);
  }

  /** @param {number} id */
  close(id) {
    this.#opened.delete(id);
  }

  /** What came before the first message held. @param {number} id @returns {Promise<void>} */
  async older(id) {
    const thread = this.state.threads.get(id);
    const first = thread?.messages[0]?.seq;
    if (!thread?.moreBefore || first === undefined) return;
    await this.#messages(id, { before: first });
  }

  /** @param {number} id */
  async #load(id) {
    if (!this.state.threads.has(id)) this.#apply({ kind: 'opening', conversation: id });
    if (!this.state.conversations.has(id)) {
      const missing = await this.#loadRow(id);
      if (missing) return;
    }
    if (!this.state.threads.get(id)?.loaded) await this.#messages(id, {});
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
      this.#failures.delete(`open:${id}`);
      this.#apply({ kind: 'conversation', conversation: answer.conversation, cursor: answer.cursor, asked });
      return false;
    } catch (error) {
      if (generation !== this.#generation) return true;
      const missing = isMissing(error);
      this.#setThread(id, missing ? 'missing' : 'failed');
      if (!missing) this.#again(`open:${id}`, error, () => this.#opened.has(id) && void this.#load(id));
      return true;
    }
  }

  /** @param {number} id @param {{before?: number, after?: number}} where */
  async #messages(id, where) {
    const key = `messages:${id}`;
    if (this.#asking.has(key)) return;
    const generation = this.#generation;
    const asked = this.state.turn;
    this.#asking.add(key);
    this.#setThread(id, 'loading');
    try {
      /** @type {MessagePage} */
      const page = await this.request({ type: 'message.list', conversation: id, limit: PAGE_ROWS, ...where });
      if (generation !== this.#generation) return;
      this.#asking.delete(key);
      this.#failures.delete(key);
      this.threadProgress.set(id, 'idle');
      // A gap that the server does not fill is not asked about again and again.
      if (where.after !== undefined && page.messages.length === 0) this.#failures.set(key, 1);
      this.#apply({ kind: 'messages', conversation: id, page, asked, ...where });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#asking.delete(key);
      this.#setThread(id, isMissing(error) ? 'missing' : 'failed');
      this.#again(key, error, () => this.#opened.has(id) && void this.#messages(id, where));
    }
  }

  /** @param {Input} input */
  #apply(input) {
    this.state = this.model.apply(this.state, input);
    this.#pump();
    this.changed();
    if (this.#isSettled()) for (const done of [...this.#waiters]) done();
  }

  #isSettled() {
    return this.state.wanted.size === 0 && this.#asking.size === 0;
  }

  /** Asks for what is wanted: at once for what is known to be missing, after a moment for what may still come. */
  #pump() {
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
    for (const id of this.#opened) {
      const after = this.model.gapAfter(this.state, id);
      if (after !== null && !this.state.wanted.has(`conversation:${id}`) && !this.#failures.has(`messages:${id}`)) {
        void this.#messages(id, { after });
      }
    }
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
    const conversation = this.model.conversationOf(scope);
    if (Number.isNaN(conversation)) {
      return { kind: 'me', answer: await this.request({ type: 'me.get' }), answered };
    }
    const since = this.model.versionOf(this.state, scope);
    if (since === null || wanted?.whole) {
      const answer = await this.request({ type: 'conversation.get', conversation });
      return { kind: 'conversation', conversation: answer.conversation, cursor: answer.cursor, asked, answered };
    }
    /** @type {Changes} */
    let whole = await this.request({ type: 'conversation.changes', conversation, since });
    for (let pieces = 1; whole.more && pieces < PIECES_MAX; pieces += 1) {
      const piece = await this.request({ type: 'conversation.changes', conversation, since: whole.version });
      whole = piece.reset
        ? piece
        : {
            ...piece,
            since: whole.since,
            reset: whole.reset,
            messages: [...whole.messages, ...piece.messages],
            users: [...whole.users, ...piece.users],
          };
    }
    return { kind: 'changes', changes: whole, asked, answered };
  }

  /** Tries again, later, what failed. @param {string} key @param {unknown} error @param {() => void} then */
  #again(key, error, then) {
    if (endsSession(error) || isMissing(error)) return;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.clock.stop(this.#timers.get(key));
    this.#timers.set(key, this.clock.after(backOff(failures, this.clock.random(), RETRY), () => {
      this.#timers.delete(key);
      then();
    }));
  }

  /** The way to the server is open again: what waits for another attempt is tried now. */
  #retryFailed() {
    if (this.#failures.size === 0) return;
    const { list } = this.state;
    for (const key of this.#failures.keys()) {
      this.clock.stop(this.#timers.get(key));
      this.#timers.delete(key);
    }
    this.#failures.clear();
    if (!list.loaded) void this.loadList();
    if (!this.state.me) void this.loadMe();
    for (const id of this.#opened) void this.#load(id);
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

/** @param {unknown} error @returns {boolean} */
function isMissing(error) {
  return error instanceof Problem && error.status === 404;
}
