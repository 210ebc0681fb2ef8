/**
 * Loads the threads on the screen: the row of each conversation, and its messages around the place that is shown.
 *
 * Invariant: an answer to a request from before a reset of the state is ignored.
 *
 * @import {Progress, Side, Where} from './queries.js'
 * @import {Retries} from './retries.js'
 * @import {Input} from './state/inputs.js'
 * @import {State} from './state/state.js'
 * @import {Command, MessagePage} from './wire.js'
 */
import { isNotFound, isStillNeeded, sideOf } from './queries.js';
import { gapAfter, missingQuoteIn } from './state/threads.js';

const PAGE_ROWS = 40;

export class ThreadLoader {
  /** @type {Map<number, Progress>} */
  progress = new Map();
  /** The side of a thread that its progress is about. @type {Map<number, Side>} */
  side = new Map();
  /** The threads on the screen, with the message to show if it is not the end. @type {Map<number, number|null>} */
  #open = new Map();
  /** @type {Set<() => void>} */
  #answerWaiters = new Set();

  /** @param {{
   *   state: () => State, apply: (input: Input) => void, request: (command: Command) => Promise<any>,
   *   changed: () => void, loadStale: () => void, generation: () => number, loading: Set<string>, retries: Retries,
   * }} parts `generation` counts resets; `loading` holds the keys of running requests */
  constructor({ state, apply, request, changed, loadStale, generation, loading, retries }) {
    this.currentState = state;
    this.apply = apply;
    this.request = request;
    this.changed = changed;
    this.loadStale = loadStale;
    this.generation = generation;
    this.loading = loading;
    this.retries = retries;
  }

  get state() {
    return this.currentState();
  }

  /** Loads all open threads. */
  loadAll() {
    for (const id of this.#open.keys()) void this.#load(id);
  }

  /** Loads what is missing of all open threads. */
  loadMissing() {
    for (const id of this.#open.keys()) this.#loadMissing(id);
  }

  /** Allows further requests for all threads. */
  allowRetries() {
    for (const id of this.progress.keys()) this.#setIdle(id);
  }

  /** Opens a conversation: loads its row and its messages, the newest or those around a message, unless they are
   * loaded. @param {number} id @param {number|null} [seq] @returns {Promise<void>} */
  async open(id, seq = null) {
    this.#open.set(id, seq);
    if (this.#isUserKnown()) await this.#load(id);
  }

  /** Returns whether messages may be requested. The first answer about the user does not list what they hid before: a
   * page requested earlier might still show it. Once the user is known, all open threads are loaded. */
  #isUserKnown() {
    return this.state.me !== null;
  }

  /** Returns a function that tells whether the answer to a request from now may be applied. @returns {() => boolean} */
  createAnswerCheck() {
    const [generation, isUserKnown] = [this.generation(), this.#isUserKnown()];
    return () => isUserKnown && generation === this.generation();
  }

  /** @param {number} id */
  close(id) {
    this.#open.delete(id);
    this.side.delete(id);
    this.apply({ kind: 'closing', conversation: id });
  }

  /** Shows an open thread around a message. @param {number} id @param {number} seq @returns {Promise<boolean>} whether
   * that message is loaded then */
  async openAround(id, seq) {
    const holds = () => this.state.threads.get(id)?.messages.some((one) => one.seq === seq) ?? false;
    const wasHeld = holds();
    const isThere = wasHeld || await this.#loadPlace(id, seq) || holds();
    // A failed jump does not happen later, when the user looks at something else.
    const isOver = wasHeld || (this.#open.get(id) === seq && this.state.threads.get(id)?.loaded);
    if (isOver && this.#open.has(id)) {
      this.#open.set(id, null);
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
    if (!this.#open.has(id) || !this.#isUserKnown()) return false;
    this.#open.set(id, seq);
    while (this.loading.has(`place:${id}`)) await this.#nextAnswer();
    return this.#open.get(id) === seq && this.#loadMessages(id, seq === null ? {} : { around: seq });
  }

  /** Resolves with the next answer. @returns {Promise<void>} */
  #nextAnswer() {
    return new Promise((resolve) => {
      this.#answerWaiters.add(resolve);
    });
  }

  /** Keeps only these messages of a thread. @param {number} id @param {number} first @param {number} last */
  trim(id, first, last) {
    this.apply({ kind: 'trim', conversation: id, first, last });
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
  async #load(id) {
    if (!this.state.threads.get(id)?.shown) this.apply({ kind: 'opening', conversation: id });
    if (!this.state.conversations.has(id)) {
      const missing = await this.#loadRow(id);
      if (missing) return;
    }
    const seq = this.#open.get(id) ?? null;
    const thread = this.state.threads.get(id);
    if (seq !== null && !thread?.messages.some((one) => one.seq === seq)) await this.#loadMessages(id, { around: seq });
    else if (!thread?.loaded) await this.#loadMessages(id, {});
    else this.loadStale();
  }

  /** @param {number} id @returns {Promise<boolean>} whether there is no such conversation */
  async #loadRow(id) {
    const generation = this.generation();
    const requestedAt = this.state.turn;
    this.#setProgress(id, 'loading');
    try {
      const answer = await this.request({ type: 'conversation.get', conversation: id });
      if (generation !== this.generation()) return true;
      this.retries.clear(`open:${id}`);
      const { conversation, users, cursor } = answer;
      this.apply({ kind: 'conversation', conversation, users, cursor, requestedAt });
      return false;
    } catch (error) {
      if (generation !== this.generation()) return true;
      const missing = isNotFound(error);
      this.#setProgress(id, missing ? 'missing' : 'failed');
      if (!missing) this.retries.retryLater(`open:${id}`, error, () => this.#open.has(id) && void this.#load(id));
      return true;
    }
  }

  /** @param {number} id @param {Where} where @returns {Promise<boolean>} whether it was answered */
  async #loadMessages(id, where) {
    const side = sideOf(where);
    const key = `${side}:${id}`;
    if (this.loading.has(key) || !this.#isUserKnown()) return false;
    const generation = this.generation();
    const requestedAt = this.state.turn;
    this.loading.add(key);
    this.side.set(id, side);
    this.#setProgress(id, 'loading');
    try {
      /** @type {MessagePage} */
      const page = await this.request({ type: 'message.list', conversation: id, limit: PAGE_ROWS, ...where });
      if (generation !== this.generation()) return false;
      this.#requestEnded(key);
      this.retries.clear(key);
      this.progress.set(id, 'idle');
      // The requested message is shown: from now on the thread stays where the user scrolls.
      if (where.around !== undefined && this.#open.get(id) === where.around) this.#open.set(id, null);
      // A gap that the server does not fill is not requested again and again.
      if (where.after !== undefined && page.messages.length === 0) this.retries.fail(key);
      this.apply({ kind: 'messages', conversation: id, page, requestedAt, before: where.before, after: where.after });
      return true;
    } catch (error) {
      if (generation !== this.generation()) return false;
      this.#requestEnded(key);
      this.side.set(id, side);
      this.#setProgress(id, isNotFound(error) ? 'missing' : 'failed');
      this.retries.retryLater(key, error, () => this.#retryMessages(id, where));
      return false;
    }
  }

  /** Retries a request if those messages are still missing. @param {number} id @param {Where} where */
  #retryMessages(id, where) {
    if (!this.#open.has(id)) return;
    const messages = this.state.threads.get(id)?.messages ?? [];
    if (isStillNeeded(where, messages, this.#open.get(id) ?? null)) void this.#loadMessages(id, where);
    else {
      this.retries.clear(`${sideOf(where)}:${id}`);
      this.#setIdle(id);
      this.loadStale();
    }
  }

  /** Allows further requests for a thread. @param {number} id */
  #setIdle(id) {
    if (this.progress.get(id) === 'failed' && this.state.threads.get(id)?.loaded) this.#setProgress(id, 'idle');
  }

  /** Loads a message that a message of an open thread replies to. @param {number} id @param {number} seq */
  async #loadQuoted(id, seq) {
    const key = `quote:${id}`;
    if (this.loading.has(key) || this.retries.hasFailed(key) || !this.#isUserKnown()) return;
    const generation = this.generation();
    const requestedAt = this.state.turn;
    this.loading.add(key);
    try {
      const page = await this.request({ type: 'message.list', conversation: id, around: seq, limit: 1 });
      if (generation !== this.generation()) return;
      this.#requestEnded(key);
      this.apply({ kind: 'quoted', conversation: id, seq, page, requestedAt });
    } catch (error) {
      if (generation !== this.generation()) return;
      this.#requestEnded(key);
      if (isNotFound(error)) this.apply({ kind: 'quoted', conversation: id, seq, page: null, requestedAt });
      else this.retries.retryLater(key, error, () => this.retries.succeed(key) && this.loadStale());
    }
  }

  /** @param {string} key */
  #requestEnded(key) {
    this.loading.delete(key);
    for (const then of [...this.#answerWaiters]) then();
    this.#answerWaiters.clear();
  }

  /** Loads what is missing of a thread on the screen. @param {number} id */
  #loadMissing(id) {
    const thread = this.state.threads.get(id);
    const quote = missingQuoteIn(this.state, id);
    if (quote !== null) void this.#loadQuoted(id, quote);
    if (this.state.stale.has(`conversation:${id}`)) return;
    const after = gapAfter(this.state, id);
    if (after !== null && !this.retries.hasFailed(`after:${id}`)) void this.#loadMessages(id, { after });
    // All its messages were dropped, or the user was removed and added again.
    const forgotten = !thread?.loaded && this.state.conversations.has(id);
    if (forgotten && !this.loading.has(`place:${id}`) && !this.retries.hasFailed(`place:${id}`)) void this.#load(id);
  }

  /** @param {number} id @param {Progress} progress */
  #setProgress(id, progress) {
    this.progress.set(id, progress);
    this.changed();
  }
}
