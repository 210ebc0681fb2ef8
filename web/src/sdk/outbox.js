/**
 * Messages that wait to be sent. They are stored in the browser until the server has them, so that a reload or a crash
 * loses nothing, and in the journal, so that even the end of the browser does not. A message is not called stored
 * before it is.
 *
 * Invariants: per conversation there is at most one unacknowledged send, with later messages behind it, so that the
 * order never changes; a send whose outcome is unknown is repeated under the same `client_id`; a refused message blocks
 * those behind it until the user decides; a message that may have been sent is discarded only through `message.cancel`.
 *
 * @import {Clock} from './clock.js'
 * @import {Journal} from './journal.js'
 * @import {UserStorage} from './storage.js'
 * @import {Content, OutboxFiles, Item} from './outbox-item.js'
 * @import {Cancelled, Command, Sent} from './wire.js'
 */
import { backoffDelay } from './clock.js';
import { noJournal } from './journal.js';
import { OutboxStorage } from './outbox-storage.js';
import { NoAnswer, Problem, endsSession, canRetry } from './problem.js';

const RETRY = { base: 1_000, most: 15_000 };
/** An internal error of the server leaves the outcome unknown; after this many the user is asked. */
const INTERNAL_ERRORS_MAX = 3;

export class Outbox {
  /** @type {Item[]} */
  #items = [];
  /** @type {Set<number>} */
  #sending = new Set();
  /** @type {Map<number, unknown>} */
  #timers = new Map();
  /** @type {Map<number, number>} */
  #failures = new Map();
  #stopped = false;
  /** Items of other pages, which may still have the files. @type {Set<string>} */
  #adopted = new Set();
  /** Items whose files were looked up again. @type {Set<string>} */
  #recheckedFiles = new Set();
  /** How many messages this page has sent. */
  sentCount = 0;

  /** @param {{
   *   storage: UserStorage, clock: Clock, newId: () => string, request: (command: Command) => Promise<any>,
   *   onSent: (sent: Sent, requestedAt: number) => void, turn: () => number, changed: () => void, files?: OutboxFiles,
   *   journal?: Journal,
   * }} parts */
  constructor({ storage, clock, newId, request, onSent, turn, changed, files = noFiles, journal = noJournal }) {
    this.files = files;
    this.turn = turn;
    this.storage = new OutboxStorage(storage, journal);
    this.journal = journal;
    this.clock = clock;
    this.newId = newId;
    this.request = request;
    this.onSent = onSent;
    this.changed = changed;
    this.#adopt(() => true);
    /** Resolves when the items that a crash left behind are restored. @type {Promise<void>} */
    this.restored = this.#restore();
  }

  #sort() {
    this.#items.sort((a, b) => a.at - b.at || (a.client_id < b.client_id ? -1 : 1));
  }

  /** Adopts stored items that this page does not have: the page that wrote them may be closed.
   * @param {(item: Item) => boolean} which @returns {string[]} their `client_id`s */
  #adopt(which) {
    const ownIds = new Set(this.#items.map((one) => one.client_id));
    const found = this.storage.all().filter((one) => !ownIds.has(one.client_id) && which(one));
    if (found.length === 0) return [];
    for (const item of found) {
      this.storage.adopt(item.client_id);
      this.#items.push(restoreItem(item));
    }
    this.#sort();
    this.changed();
    return found.map((one) => one.client_id);
  }

  /** Handles a change of the browser's storage by another page. @param {string|null} key of the browser's storage; null
   * stands for all */
  storageChanged(key) {
    if (this.#stopped || !this.storage.isOwnKey(key)) return;
    // A page sends its own items, and only it has their files.
    this.#adopt((one) => one.state !== 'sending' && !one.uploads?.length);
    for (const item of [...this.#items]) if (!this.#dropIfHandled(item)) this.#mergeStored(item);
    this.changed();
    // Items that wait for a retry keep waiting, or two pages would wake each other forever.
    this.#sendAll();
  }

  /** Merges what another page has done with an item. @param {Item} item */
  #mergeStored(item) {
    const there = this.storage.get(item.client_id);
    if (there?.tried) item.tried = true;
    if (there?.state === 'discarding') item.state = 'discarding';
  }

  async #restore() {
    const known = new Set(this.#items.map((one) => one.client_id));
    const left = await this.journal.all();
    if (this.#stopped || !left) return;
    const there = new Set(left.map((one) => one.client_id));
    // An item that was in the journal and is not any more has been sent or discarded; the other storage did not know
    // yet.
    const over = this.#items.filter((one) => one.kept && known.has(one.client_id) && !there.has(one.client_id));
    for (const item of over) this.#remove(item);
    for (const item of this.#items) if (known.has(item.client_id) && !there.has(item.client_id)) this.#writeJournal(item);
    const ownIds = new Set(this.#items.map((one) => one.client_id));
    for (const item of left.filter((one) => !known.has(one.client_id) && !ownIds.has(one.client_id))) {
      this.#items.push(restoreItem({ ...item, kept: true }));
      this.storage.put(item);
    }
    this.#sort();
    this.changed();
    this.resume();
  }

  /** Returns the items that wait in a conversation, in order. @param {number} conversation @returns {Item[]} */
  itemsIn(conversation) {
    return this.#items.filter((one) => one.conversation === conversation && one.state !== 'discarding');
  }

  /** Returns the version of the newest draft that waits in a conversation to be sent, by whichever page; 0 if none does.
   * @param {number} conversation @returns {number} */
  draftIn(conversation) {
    const there = [...this.#items, ...this.storage.all()]
      .filter((one) => one.conversation === conversation && one.state !== 'discarding');
    return Math.max(0, ...there.map(({ draft = 0 }) => draft));
  }

  /** The conversations with waiting items. @returns {Set<number>} */
  conversations() {
    return new Set(this.#items.filter((one) => one.state !== 'discarding').map((one) => one.conversation));
  }

  /** The uploads that items wait for. @returns {string[]} */
  get uploads() {
    return this.#items.flatMap((one) => one.uploads ?? []);
  }

  /** Returns whether the item that waits for an upload outlives the page. @param {string} upload @returns {boolean} */
  isStored(upload) {
    return this.#items.some((one) => one.uploads?.includes(upload) && this.storage.isStored(one.client_id));
  }

  get size() {
    return this.#items.length;
  }

  /** How many items are sent without the user: not refused, not behind a refused one, and not discarded. */
  get activeCount() {
    const refused = new Set(this.#items.filter((one) => one.state === 'refused').map((one) => one.conversation));
    return this.#items.filter((one) => one.state !== 'discarding' && !refused.has(one.conversation)).length;
  }

  /** Whether all waiting items survive a crash. */
  get isPersisted() {
    return this.#items.every((one) => one.kept !== false);
  }

  /** @param {number} conversation @param {Content} content @returns {string} its `client_id` */
  add(conversation, content) {
    /** @type {Item} */
    const item = {
      ...content, client_id: this.newId(), conversation, at: this.clock.now(), state: 'waiting', tried: false,
      problem: null,
    };
    this.#items.push(item);
    this.#save(item);
    this.changed();
    void this.#sendNext(conversation);
    return item.client_id;
  }

  /** Retries a refused or waiting item at once. @param {string} clientId */
  retry(clientId) {
    const item = this.#items.find((one) => one.client_id === clientId);
    if (!item || item.state === 'discarding') return;
    this.#recheckedFiles.delete(clientId);
    if (item.state === 'refused') {
      const burnt = item.problem?.code === 'cancelled' || item.problem?.code === 'conflict';
      if (burnt) {
        this.#erase(item);
        item.client_id = this.newId();
        item.tried = false;
      }
      this.#setState(item, 'waiting', null);
    }
    this.resume();
  }

  /** @param {string} clientId */
  discard(clientId) {
    const item = this.#items.find((one) => one.client_id === clientId);
    if (!item) return;
    this.#mergeStored(item);
    // A refused message was not sent; in other cases only the server can say.
    const known = item.state === 'refused' && item.problem?.code !== 'internal';
    if (known || !item.tried) this.#remove(item);
    else this.#setState(item, 'discarding', null);
    this.changed();
    void this.#sendNext(item.conversation);
  }

  /** Removes items whose messages have arrived, whichever page sent them: that settles a send just as a reply does.
   * @param {number} conversation @param {Set<string>} names their `client_id`s */
  confirm(conversation, names) {
    const there = this.#items.filter((one) => one.conversation === conversation && names.has(one.client_id));
    if (there.length === 0) return;
    for (const item of there) this.#remove(item);
    this.changed();
    void this.#sendNext(conversation);
  }

  /** Tries all waiting items now, including those of closed pages: the connection is back. */
  resume() {
    if (!this.#stopped) for (const id of this.#adopt(() => true)) this.#adopted.add(id);
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    this.#timers.clear();
    this.#sendAll();
  }

  #sendAll() {
    for (const conversation of new Set(this.#items.map((one) => one.conversation))) void this.#sendNext(conversation);
  }

  stop() {
    this.#stopped = true;
    for (const timer of this.#timers.values()) this.clock.stop(timer);
  }

  /** Sends the items of a conversation one after the other, until one has to wait. @param {number} conversation */
  async #sendNext(conversation) {
    if (this.#sending.has(conversation)) return;
    this.#sending.add(conversation);
    try {
      while (!this.#stopped && !this.#timers.has(conversation)) {
        const item = this.#items.find((one) => one.conversation === conversation);
        if (!item) return;
        if (this.#dropIfHandled(item)) continue;
        if (item.state === 'refused') return;
        if (item.state === 'discarding') {
          if (!await this.#cancel(item)) return;
          continue;
        }
        const files = this.files.outcome(item.uploads ?? []);
        if ('waits' in files) return;
        if ('failed' in files) {
          // The page that wrote it may have the missing files: only a page that has just loaded reports them as gone.
          if (files.failed.code === 'file_gone' && this.#adopted.has(item.client_id)) {
            this.#items = this.#items.filter((one) => one !== item);
            this.changed();
            continue;
          }
          this.#setState(item, 'refused', files.failed);
          return;
        }
        if (!await this.#send(item, files.ids)) return;
      }
    } finally {
      this.#sending.delete(conversation);
    }
  }

  /** Drops an item that another page has sent or discarded. @param {Item} item @returns {boolean} whether it did */
  #dropIfHandled(item) {
    if (!this.storage.isHandledElsewhere(item.client_id)) return false;
    this.#items = this.#items.filter((one) => one !== item);
    this.journal.remove(item.client_id);
    this.changed();
    return true;
  }

  /** @param {Item} item @param {number[]} files @returns {Promise<boolean>} whether the next one may go */
  async #send(item, files) {
    item.tried = true;
    this.#setState(item, 'sending', null);
    const { conversation } = item;
    const requestedAt = this.turn();
    try {
      const sent = await this.request(commandOf(item, files));
      this.#failures.delete(conversation);
      this.#remove(item);
      this.sentCount += 1;
      this.onSent(sent, requestedAt);
      this.changed();
      return true;
    } catch (error) {
      // Another page got an answer.
      if (!this.#items.includes(item) || this.#dropIfHandled(item)) return true;
      // Discarded during the request: cancelling finds out the outcome.
      if (stateOf(item) === 'discarding') {
        if (canRetry(error) || endsSession(error)) return this.#retryLater(error, conversation);
        if (error instanceof Problem && error.code === 'internal') return true;
        this.#removeWithFiles(item);
        return true;
      }
      if (this.#canRecheckFiles(item, error)) {
        this.#recheckedFiles.add(item.client_id);
        this.files.recheck(item.uploads ?? []);
        this.#setState(item, 'waiting', null);
        return true;
      }
      const fault = error instanceof Problem && error.code === 'internal';
      if (canRetry(error) || (fault && (this.#failures.get(conversation) ?? 0) < INTERNAL_ERRORS_MAX)) {
        this.#setState(item, 'waiting', null);
        return this.#retryLater(error, conversation);
      }
      if (error instanceof Problem && !endsSession(error)) {
        this.#setState(item, 'refused', { code: error.code, title: error.message, limit: error.limit });
      }
      return false;
    }
  }

  /** The server deletes files that wait for long; but it may be the conversation that is gone. @param {Item} item
   * @param {unknown} error @returns {boolean} */
  #canRecheckFiles(item, error) {
    const missing = error instanceof Problem && error.code === 'not_found' && (item.uploads ?? []).length > 0;
    return missing && !this.#recheckedFiles.has(item.client_id);
  }

  /** Removes an item that was not sent and never will be, together with its files. @param {Item} item */
  #removeWithFiles(item) {
    this.#remove(item);
    for (const upload of item.uploads ?? []) this.files.remove(upload);
  }

  /** @param {Item} item @returns {Promise<boolean>} */
  async #cancel(item) {
    const requestedAt = this.turn();
    try {
      /** @type {Cancelled} */
      const answer = await this.request({ type: 'message.cancel', client_id: item.client_id });
      this.#failures.delete(item.conversation);
      if (answer.cancelled) this.#removeWithFiles(item);
      else this.#remove(item);
      if (answer.message) {
        const version = answer.message.id;
        this.onSent({ message: answer.message, version, prev: version, duplicate: true }, requestedAt);
      }
      this.changed();
      return true;
    } catch (error) {
      const known = error instanceof Problem && !error.retryable && error.code !== 'internal' && !endsSession(error);
      if (!known) return this.#retryLater(error, item.conversation);
      this.#remove(item);
      this.changed();
      return true;
    }
  }

  /** Retries after a delay, or when the connection is back. @param {unknown} error @param {number} conversation
   * @returns {boolean} whether to continue at once */
  #retryLater(error, conversation) {
    if (endsSession(error) || this.#stopped) return false;
    const failures = (this.#failures.get(conversation) ?? 0) + 1;
    this.#failures.set(conversation, failures);
    const retryAfterMs = error instanceof Problem ? error.retryAfterMs : undefined;
    // After a lost socket the first retry follows at once, over whatever connection is open.
    const first = error instanceof NoAnswer && failures === 1;
    const wait = retryAfterMs ?? (first ? 0 : backoffDelay(failures, this.clock.random(), RETRY));
    this.#timers.set(conversation, this.clock.after(wait, () => {
      this.#timers.delete(conversation);
      void this.#sendNext(conversation);
    }));
    return false;
  }

  /** @param {Item} item @param {Item['state']} state @param {Item['problem']} problem */
  #setState(item, state, problem) {
    item.state = state;
    item.problem = problem;
    this.#save(item);
    this.changed();
  }

  /** @param {Item} item */
  #save(item) {
    // The stored item may have been erased: the session has ended, or another page has sent it.
    if (this.#stopped || this.storage.isHandledElsewhere(item.client_id)) return;
    // An item that cannot be stored is still sent; it just does not outlive the page.
    this.#writeJournal(item);
    this.storage.put(item);
  }

  /** Writes an item to the journal, and marks it as stored there. @param {Item} item */
  #writeJournal(item) {
    const { client_id: clientId } = item;
    void this.journal.put({ ...item }).then((kept) => {
      if (this.#stopped || item.kept === kept || item.client_id !== clientId || !this.#items.includes(item)) return;
      if (this.storage.isHandledElsewhere(item.client_id)) return;
      item.kept = kept;
      this.storage.put(item);
      this.changed();
    });
  }

  /** @param {Item} item */
  #remove(item) {
    this.#items = this.#items.filter((one) => one !== item);
    this.#erase(item);
  }

  /** @param {Item} item */
  #erase(item) {
    this.#recheckedFiles.delete(item.client_id);
    this.storage.remove(item.client_id);
  }
}

/** @param {Item} item @param {number[]} files @returns {Command} */
function commandOf({ conversation, client_id, text, mentions = [], draft, subject, reply_to, forward }, files) {
  if (forward) return { type: 'message.forward', conversation, client_id, from: forward };
  return {
    type: 'message.send', conversation, client_id, text,
    ...(mentions.length > 0 ? { mentions } : {}),
    ...(draft ? { draft } : {}),
    ...(subject ? { subject } : {}),
    ...(reply_to === undefined ? {} : { reply_to }),
    ...(files.length > 0 ? { attachments: files } : {}),
  };
}

/** Restores an item from before a reload. Missing files are looked up again: only a page that knows may decide that.
 * @param {Item} item @returns {Item} */
function restoreItem(item) {
  if (item.state === 'sending') return { ...item, state: 'waiting' };
  const requestedAt = item.state === 'refused' && item.problem?.code === 'file_gone';
  return requestedAt ? { ...item, state: 'waiting', problem: null } : item;
}

/** Used where there are no uploads. @type {OutboxFiles} */
const noFiles = {
  outcome: (uploads) =>
    (uploads.length === 0 ? { ids: [] } : { failed: { code: 'not_found', title: 'The files are gone.' } }),
  recheck: () => {},
  remove: () => {},
};

/** Reads the state again, since it may have changed during a request. @param {Item} item @returns {Item['state']} */
function stateOf(item) {
  return item.state;
}
