/**
 * Keeps the state in sync with the server: applies what arrives, and fetches what the state marks as stale.
 *
 * Invariants: there is one request per scope at a time, and a few in all; an answer to a request from before a reset is
 * ignored; an event that overtook another one waits a moment before its scope is fetched.
 * The rules themselves are pure and in `state/`; see I5 and I6 in ARCHITECTURE.md.
 * Absent on purpose: how requests travel, and what the state looks like inside.
 *
 * @import {Clock} from './clock.js'
 * @import {Command, ConversationPage, Event, Heads} from './wire.js'
 * @import {Progress} from './queries.js'
 * @import {Input} from './state/inputs.js'
 */
import { loadChangesSince, isNotFound } from './queries.js';
import { endsSession } from './problem.js';
import { Retries } from './retries.js';
import { ThreadLoader } from './thread-loader.js';
import { apply } from './state/apply.js';
import { conversationOf, emptyState, versionOf } from './state/state.js';

/** How long an overtaken event may take to arrive. */
const REORDER_MS = 300;
const REQUESTS_MAX = 4;
const PAGE_ROWS = 40;

export class Sync {
  /** @type {Progress} */
  listProgress = 'loading';
  /** @type {Set<string>} */
  #loading = new Set();
  /** The turn of the state when heads were last requested. */
  #headsTurn = 0;
  /** @type {Set<() => void>} */
  #settledWaiters = new Set();
  #generation = 0;
  #stopped = false;

  /** @param {{
   *   user: number, clock: Clock, request: (command: Command) => Promise<any>, isLive: () => boolean,
   *   changed: () => void, state?: import('./state/state.js').State,
   * }} parts `state`: to resume from */
  constructor({ user, clock, request, isLive, changed, state = emptyState(user) }) {
    this.user = user;
    this.clock = clock;
    this.request = request;
    this.isLive = isLive;
    this.changed = changed;
    this.state = state;
    if (state.list.loaded) this.listProgress = 'idle';
    this.retries = new Retries(clock);
    this.threads = new ThreadLoader({
      state: () => this.state, apply: (input) => this.#apply(input), request, changed,
      loadStale: () => this.#loadStale(), generation: () => this.#generation, loading: this.#loading,
      retries: this.retries,
    });
  }

  /** Returns the cursor with which to ask for heads. @returns {string|null} */
  cursor() {
    this.#headsTurn = this.state.turn;
    return this.state.cursor;
  }

  /** @param {Heads} heads */
  applyHeads(heads) {
    if (!heads.reset) {
      this.#apply({ kind: 'heads', heads, requestedAt: this.#headsTurn });
      this.#retryFailed();
      return;
    }
    this.#reset();
    this.threads.progress.clear();
    this.#apply({ kind: 'heads', heads, requestedAt: this.#headsTurn });
    // The user comes first: messages that they hide from then on are reported, so that no later answer is too old.
    void this.loadMe();
  }

  /** Stops all requests; answers that still come are ignored. */
  stop() {
    this.#stopped = true;
    this.#reset();
    for (const done of [...this.#settledWaiters]) done();
  }

  #reset() {
    this.#generation += 1;
    this.retries.reset();
    this.#loading.clear();
  }

  #loadAll() {
    if (!this.state.list.loaded) void this.loadList();
    this.threads.loadAll();
  }

  /** @param {Event} event */
  applyEvent(event) {
    this.#apply({ kind: 'event', event });
  }

  /** Applies an answer to a command of this page. @param {Input} input */
  applyInput(input) {
    this.#apply(input);
  }

  /** Resolves when nothing is stale or being loaded, or after a timeout. @returns {Promise<void>} */
  settled() {
    if (this.#isSettled()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.clock.stop(timer);
        this.#settledWaiters.delete(done);
        resolve();
      };
      const timer = this.clock.after(5_000, done);
      this.#settledWaiters.add(done);
    });
  }

  async loadMe() {
    const generation = this.#generation;
    if (!this.state.list.loaded) this.#setListProgress('loading');
    try {
      const input = await this.#requestMe();
      if (generation !== this.#generation) return;
      this.retries.clear('me');
      this.#apply(input);
    } catch (error) {
      if (generation !== this.#generation) return;
      if (!this.state.list.loaded) this.#setListProgress('failed');
      this.retries.retryLater('me', error, () => void this.loadMe());
    }
  }

  /** Loads the first page of the list, or the next one. */
  async loadList() {
    const { loaded, next } = this.state.list;
    if (!this.state.me) {
      if (this.state.cursor !== null) await this.loadMe();
      return;
    }
    if (this.#loading.has('list') || (loaded && next === null)) return;
    const generation = this.#generation;
    const requestedAt = this.state.turn;
    this.#loading.add('list');
    this.#setListProgress('loading');
    try {
      /** @type {ConversationPage} */
      const page = await this.request({
        type: 'conversation.list', limit: PAGE_ROWS, ...(loaded && next !== null ? { after: next } : {}),
      });
      if (generation !== this.#generation) return;
      this.#loading.delete('list');
      this.listProgress = 'idle';
      this.retries.clear('list');
      this.#apply({ kind: 'list', page, requestedAt });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#loading.delete('list');
      this.#setListProgress('failed');
      if (!loaded) this.retries.retryLater('list', error, () => void this.loadList());
    }
  }

  /** @param {number} [answered] @returns {Promise<Input>} */
  async #requestMe(answered) {
    const since = this.state.me?.scope_version ?? null;
    const requestedAt = this.state.turn;
    const answer = await this.request({ type: 'me.get', ...(since === null ? {} : { since }) });
    return { kind: 'me', answer, since, requestedAt, answered };
  }

  /** @param {Input} input */
  #apply(input) {
    const wasUnknown = this.state.me === null;
    this.state = apply(this.state, input);
    if (wasUnknown && this.state.me !== null) this.#loadAll();
    this.#loadStale();
    this.changed();
    if (this.#isSettled()) for (const done of [...this.#settledWaiters]) done();
  }

  #isSettled() {
    return this.state.stale.size === 0 && this.#loading.size === 0;
  }

  /** Fetches what is stale: at once if it is known to be missing, after a moment if it may still arrive. */
  #loadStale() {
    if (this.#stopped) return;
    for (const [scope, { urgent: hurry }] of this.state.stale) {
      if (this.#loading.has(scope)) continue;
      // As for the messages of a thread: nothing may be older than the first answer about the user.
      if (this.state.me === null && !Number.isNaN(conversationOf(scope))) continue;
      if (hurry || !this.isLive()) {
        if (this.retries.hasFailed(scope) && this.retries.isWaiting(scope)) continue;
        this.retries.cancel(scope);
        if (this.#loading.size < REQUESTS_MAX) void this.#fetch(scope);
      } else if (!this.retries.isWaiting(scope)) {
        this.#fetchLater(scope, REORDER_MS);
      }
    }
    this.threads.loadMissing();
  }

  /** @param {string} scope @param {number} milliseconds */
  #fetchLater(scope, milliseconds) {
    this.retries.schedule(scope, milliseconds, () => {
      if (this.state.stale.has(scope) && !this.#loading.has(scope)) void this.#fetch(scope);
    });
  }

  /** @param {string} scope */
  async #fetch(scope) {
    const generation = this.#generation;
    const requestedAt = this.state.turn;
    this.#loading.add(scope);
    try {
      const input = await this.#request(scope, requestedAt);
      if (generation !== this.#generation) return;
      this.#loading.delete(scope);
      this.retries.succeed(scope);
      this.#apply(input);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#loading.delete(scope);
      if (isNotFound(error)) {
        this.#apply({ kind: 'gone', scope, requestedAt });
      } else if (!endsSession(error)) {
        this.#fetchLater(scope, this.retries.fail(scope));
      }
    }
  }

  /** @param {string} scope @param {number} requestedAt @returns {Promise<Input>} */
  async #request(scope, requestedAt) {
    const wanted = this.state.stale.get(scope);
    const answered = wanted?.version ?? 0;
    const conversation = conversationOf(scope);
    if (Number.isNaN(conversation)) return this.#requestMe(answered);
    const since = versionOf(this.state, scope);
    if (since === null || wanted?.wholeSince) {
      const answer = await this.request({ type: 'conversation.get', conversation });
      return { kind: 'conversation', ...answer, requestedAt, answered };
    }
    return { kind: 'changes', changes: await loadChangesSince(this.request, conversation, since), requestedAt, answered };
  }

  /** The connection is back: pending retries run now. */
  #retryFailed() {
    const actions = this.retries.takeFailed();
    this.threads.allowRetries();
    for (const action of actions) action();
    this.#loadStale();
  }

  /** @param {Progress} progress */
  #setListProgress(progress) {
    this.listProgress = progress;
    this.changed();
  }

}
