/**
 * Keeps the state in sync with the server: applies what arrives, and fetches what the state marks as stale.
 *
 * Invariants: there is one request per scope at a time, and a few in all; an answer to a request from before a reset is
 * ignored; an event that overtook another one waits a moment before its scope is fetched.
 * The rules themselves are pure and in `state/`; see I5 and I6 in ARCHITECTURE.md.
 * Absent on purpose: how requests travel, and what the state looks like inside.
 *
 * @import {Side, Where} from './queries.js'
 * @import {Clock} from './clock.js'
 * @import {Command, ConversationPage, Event, Heads, MessagePage} from './wire.js'
 * @import {Input} from './state/inputs.js'
 */
import { loadChangesSince, isNotFound, isStillNeeded, sideOf } from './queries.js';
import { endsSession } from './problem.js';
import { Retries } from './retries.js';
import { apply } from './state/apply.js';
import { conversationOf, emptyState, versionOf } from './state/state.js';
import { gapAfter, missingQuoteIn } from './state/threads.js';

/**
 * @typedef {'idle'|'loading'|'failed'|'missing'} Progress
 */

/** How long an overtaken event may take to arrive. */
const REORDER_MS = 300;
const REQUESTS_MAX = 4;
const PAGE_ROWS = 40;

export class Sync {
  /** @type {Progress} */
  listProgress = 'loading';
  /** @type {Map<number, Progress>} */
  threadProgress = new Map();
  /** The side of a thread that its progress is about. @type {Map<number, Side>} */
  threadSide = new Map();
  /** The threads on the screen, with the message to show if it is not the end. @type {Map<number, number|null>} */
  #openThreads = new Map();
  /** @type {Set<string>} */
  #loading = new Set();
  /** The turn of the state when heads were last requested. */
  #headsTurn = 0;
  /** @type {Set<() => void>} */
  #settledWaiters = new Set();
  /** @type {Set<() => void>} */
  #answerWaiters = new Set();
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
    this.state = emptyState(user);
    this.retries = new Retries(clock);
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
    this.threadProgress.clear();
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
    for (const id of this.#openThreads.keys()) void this.#loadConversation(id);
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
      const first = this.state.me === null;
      const input = await this.#requestMe();
      if (generation !== this.#generation) return;
      this.retries.clear('me');
      this.#apply(input);
      if (first) this.#loadAll();
    } catch (error) {
      if (generation !== this.#generation) return;
      if (!this.state.list.loaded) this.#setListProgress('failed');
      this.#retryLater('me', error, () => void this.loadMe());
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
      if (!loaded) this.#retryLater('list', error, () => void this.loadList());
    }
  }

  /** @param {number} [answered] @returns {Promise<Input>} */
  async #requestMe(answered) {
    const since = this.state.me?.scope_version ?? null;
    const requestedAt = this.state.turn;
    const answer = await this.request({ type: 'me.get', ...(since === null ? {} : { since }) });
    return { kind: 'me', answer, since, requestedAt, answered };
  }

  /** Opens a conversation: loads its row and its messages, the newest or those around a message, unless they are
   * loaded. @param {number} id @param {number|null} [seq] @returns {Promise<void>} */
  async open(id, seq = null) {
    this.#openThreads.set(id, seq);
    // Before the user is known the state cannot take them; then all open conversations are loaded.
    if (this.state.me !== null) await this.#loadConversation(id);
  }

  /** @param {number} id */
  close(id) {
    this.#openThreads.delete(id);
    this.threadSide.delete(id);
    this.#apply({ kind: 'closing', conversation: id });
  }

  /** Shows an open thread around a message. @param {number} id @param {number} seq @returns {Promise<boolean>} whether
   * that message is loaded then */
  async openAround(id, seq) {
    const holds = () => this.state.threads.get(id)?.messages.some((one) => one.seq === seq) ?? false;
    const wasHeld = holds();
    const isThere = wasHeld || await this.#loadPlace(id, seq) || holds();
    // A failed jump does not happen later, when the user looks at something else.
    const isOver = wasHeld || (this.#openThreads.get(id) === seq && this.state.threads.get(id)?.loaded);
    if (isOver && this.#openThreads.has(id)) {
      this.#openThreads.set(id, null);
      this.retries.clear(`place:${id}`);
    }
    return isThere;
  }

  /** Shows an open thread at its end. @param {number} id @returns {Promise<void>} */
  async openLatest(id) {
    if (this.state.threads.get(id)?.moreAfter) await this.#loadPlace(id, null);
  }

  /** @param {number} id @param {number|null} seq @returns {Promise<boolean>} whether it was answered */
  async #loadPlace(id, seq) {
    if (!this.#openThreads.has(id)) return false;
    this.#openThreads.set(id, seq);
    while (this.#loading.has(`place:${id}`)) await this.#nextAnswer();
    return this.#openThreads.get(id) === seq && this.#loadMessages(id, seq === null ? {} : { around: seq });
  }

  /** Resolves with the next answer. @returns {Promise<void>} */
  #nextAnswer() {
    return new Promise((resolve) => {
      this.#answerWaiters.add(resolve);
    });
  }

  /** Keeps only these messages of a thread. @param {number} id @param {number} first @param {number} last */
  trim(id, first, last) {
    this.#apply({ kind: 'trim', conversation: id, first, last });
  }

  /** Loads the messages before the first loaded one. @param {number} id @returns {Promise<void>} */
  async loadOlder(id) {
    const thread = this.state.threads.get(id);
    const first = thread?.messages[0]?.seq;
    if (!thread?.moreBefore || first === undefined) return;
    await this.#loadMessages(id, { before: first });
  }

  /** Loads the messages after the last loaded one. @param {number} id @returns {Promise<void>} */
  async loadNewer(id) {
    const thread = this.state.threads.get(id);
    const last = thread?.messages.at(-1)?.seq;
    if (!thread?.moreAfter || last === undefined) return;
    await this.#loadMessages(id, { after: last });
  }

  /** @param {number} id */
  async #loadConversation(id) {
    if (!this.state.threads.get(id)?.shown) this.#apply({ kind: 'opening', conversation: id });
    if (!this.state.conversations.has(id)) {
      const missing = await this.#loadRow(id);
      if (missing) return;
    }
    const seq = this.#openThreads.get(id) ?? null;
    const thread = this.state.threads.get(id);
    if (seq !== null && !thread?.messages.some((one) => one.seq === seq)) await this.#loadMessages(id, { around: seq });
    else if (!thread?.loaded) await this.#loadMessages(id, {});
    else this.#loadMissing();
  }

  /** @param {number} id @returns {Promise<boolean>} whether there is no such conversation */
  async #loadRow(id) {
    const generation = this.#generation;
    const requestedAt = this.state.turn;
    this.#setThreadProgress(id, 'loading');
    try {
      const answer = await this.request({ type: 'conversation.get', conversation: id });
      if (generation !== this.#generation) return true;
      this.retries.clear(`open:${id}`);
      const { conversation, users, cursor } = answer;
      this.#apply({ kind: 'conversation', conversation, users, cursor, requestedAt });
      return false;
    } catch (error) {
      if (generation !== this.#generation) return true;
      const missing = isNotFound(error);
      this.#setThreadProgress(id, missing ? 'missing' : 'failed');
      if (!missing) this.#retryLater(`open:${id}`, error, () => this.#openThreads.has(id) && void this.#loadConversation(id));
      return true;
    }
  }

  /** @param {number} id @param {Where} where @returns {Promise<boolean>} whether it was answered */
  async #loadMessages(id, where) {
    const side = sideOf(where);
    const key = `${side}:${id}`;
    if (this.#loading.has(key)) return false;
    const generation = this.#generation;
    const requestedAt = this.state.turn;
    this.#loading.add(key);
    this.threadSide.set(id, side);
    this.#setThreadProgress(id, 'loading');
    try {
      /** @type {MessagePage} */
      const page = await this.request({ type: 'message.list', conversation: id, limit: PAGE_ROWS, ...where });
      if (generation !== this.#generation) return false;
      this.#requestEnded(key);
      this.retries.clear(key);
      this.threadProgress.set(id, 'idle');
      // The requested message is shown: from now on the thread stays where the user scrolls.
      if (where.around !== undefined && this.#openThreads.get(id) === where.around) this.#openThreads.set(id, null);
      // A gap that the server does not fill is not requested again and again.
      if (where.after !== undefined && page.messages.length === 0) this.retries.fail(key);
      this.#apply({ kind: 'messages', conversation: id, page, requestedAt, before: where.before, after: where.after });
      return true;
    } catch (error) {
      if (generation !== this.#generation) return false;
      this.#requestEnded(key);
      this.threadSide.set(id, side);
      this.#setThreadProgress(id, isNotFound(error) ? 'missing' : 'failed');
      this.#retryLater(key, error, () => this.#retryMessages(id, where));
      return false;
    }
  }

  /** Retries a request if those messages are still missing. @param {number} id @param {Where} where */
  #retryMessages(id, where) {
    if (!this.#openThreads.has(id)) return;
    const held = this.state.threads.get(id)?.messages ?? [];
    if (isStillNeeded(where, held, this.#openThreads.get(id) ?? null)) void this.#loadMessages(id, where);
    else {
      this.retries.clear(`${sideOf(where)}:${id}`);
      this.#setIdle(id);
      this.#loadMissing();
    }
  }

  /** Allows further requests for a thread. @param {number} id */
  #setIdle(id) {
    if (this.threadProgress.get(id) === 'failed' && this.state.threads.get(id)?.loaded) this.#setThreadProgress(id, 'idle');
  }

  /** Loads a message that a message of an open thread replies to. @param {number} id @param {number} seq */
  async #loadQuoted(id, seq) {
    const key = `quote:${id}`;
    if (this.#loading.has(key) || this.retries.hasFailed(key)) return;
    const generation = this.#generation;
    const requestedAt = this.state.turn;
    this.#loading.add(key);
    try {
      const page = await this.request({ type: 'message.list', conversation: id, around: seq, limit: 1 });
      if (generation !== this.#generation) return;
      this.#requestEnded(key);
      this.#apply({ kind: 'quoted', conversation: id, seq, page, requestedAt });
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#requestEnded(key);
      if (isNotFound(error)) this.#apply({ kind: 'quoted', conversation: id, seq, page: null, requestedAt });
      else this.#retryLater(key, error, () => this.retries.succeed(key) && this.#loadMissing());
    }
  }

  /** @param {string} key */
  #requestEnded(key) {
    this.#loading.delete(key);
    for (const then of [...this.#answerWaiters]) then();
    this.#answerWaiters.clear();
  }

  /** @param {Input} input */
  #apply(input) {
    this.state = apply(this.state, input);
    this.#loadMissing();
    this.changed();
    if (this.#isSettled()) for (const done of [...this.#settledWaiters]) done();
  }

  #isSettled() {
    return this.state.stale.size === 0 && this.#loading.size === 0;
  }

  /** Fetches what is stale: at once if it is known to be missing, after a moment if it may still arrive. */
  #loadMissing() {
    if (this.#stopped) return;
    for (const [scope, { urgent: hurry }] of this.state.stale) {
      if (this.#loading.has(scope)) continue;
      if (hurry || !this.isLive()) {
        if (this.retries.hasFailed(scope) && this.retries.isWaiting(scope)) continue;
        this.retries.cancel(scope);
        if (this.#loading.size < REQUESTS_MAX) void this.#fetch(scope);
      } else if (!this.retries.isWaiting(scope)) {
        this.#fetchLater(scope, REORDER_MS);
      }
    }
    for (const id of this.#openThreads.keys()) this.#loadMissingOf(id);
  }

  /** Loads what is missing of a thread on the screen. @param {number} id */
  #loadMissingOf(id) {
    const thread = this.state.threads.get(id);
    const quote = missingQuoteIn(this.state, id);
    if (quote !== null) void this.#loadQuoted(id, quote);
    if (this.state.stale.has(`conversation:${id}`)) return;
    const after = gapAfter(this.state, id);
    if (after !== null && !this.retries.hasFailed(`after:${id}`)) void this.#loadMessages(id, { after });
    // All its messages were dropped, or the user was removed and added again.
    const forgotten = !thread?.loaded && this.state.conversations.has(id);
    if (forgotten && !this.#loading.has(`place:${id}`) && !this.retries.hasFailed(`place:${id}`)) void this.#loadConversation(id);
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

  /** Retries a failed request later. @param {string} key @param {unknown} error @param {() => void} then */
  #retryLater(key, error, then) {
    if (endsSession(error) || isNotFound(error)) return;
    this.retries.retryLater(key, then);
  }

  /** The connection is back: pending retries run now. */
  #retryFailed() {
    const actions = this.retries.takeFailed();
    for (const id of this.threadProgress.keys()) this.#setIdle(id);
    for (const action of actions) action();
    this.#loadMissing();
  }

  /** @param {Progress} progress */
  #setListProgress(progress) {
    this.listProgress = progress;
    this.changed();
  }

  /** @param {number} id @param {Progress} progress */
  #setThreadProgress(id, progress) {
    this.threadProgress.set(id, progress);
    this.changed();
  }
}
