/**
 * What one is writing in each conversation, kept in the browser: the words, what they answer, and a subject. Several
 * pages of one person may write in one conversation.
 *
 * Invariants: a page writes to a draft only while it lies there as this page last saw it, and else to one of its own, so
 * that no page's words are lost to another's. A draft that another page has sent or emptied disappears here too, unless
 * something was written here since. What this page shows never changes in any other way.
 * Absent on purpose: the files of a draft, which are the uploads'.
 */
import { UserStorage } from './storage.js';

/** @typedef {{text: string, reply: number|null, subject: string|null, at: number}} DraftContent
 * @typedef {{id: string|null, seen: string|null, content: DraftContent}} ShownDraft `seen`: as it lay there last */

/** Of one conversation; the oldest beyond are forgotten. */
const DRAFTS_MAX = 20;
/** @type {DraftContent} */
const EMPTY = { text: '', reply: null, subject: null, at: 0 };

export class Drafts {
  /** What lies there, by conversation and draft. @type {Map<number, Map<string, DraftContent>>} */
  #stored = new Map();
  /** What this page shows, or showed last. @type {Map<number, ShownDraft>} */
  #shown = new Map();
  /** How often another page took away what is shown. @type {Map<number, number>} */
  #takenCounts = new Map();

  /** @param {{storage: UserStorage, now: () => number, newId: () => string, session?: UserStorage|null}} parts `page` lasts as long as the
   * page and its reloads */
  constructor({ storage, now, newId, session = null }) {
    this.storage = storage;
    this.now = now;
    this.newId = newId;
    this.session = session;
    for (const name of storage.names('draft:')) this.#read(name);
  }

  /** What is being written there: what this page shows, or the newest. @param {number} conversation @returns {DraftContent} */
  of(conversation) {
    return this.#shown.get(conversation)?.content ?? this.#newest(conversation)?.content ?? EMPTY;
  }

  /** The conversation comes on the screen. @param {number} conversation */
  open(conversation) {
    const shown = this.#shown.get(conversation);
    if (shown && !isEmpty(shown.content)) return;
    const found = this.#newest(conversation);
    this.#show(conversation, found
      ? { ...found, seen: this.#storedText(conversation, found.id) }
      : { id: null, seen: null, content: EMPTY });
  }

  /** How often another page took away what this one showed there. @param {number} conversation @returns {number} */
  takenCount(conversation) {
    return this.#takenCounts.get(conversation) ?? 0;
  }

  /** @param {number} conversation @param {Partial<DraftContent>} change */
  write(conversation, change) {
    if (!this.#shown.has(conversation)) this.open(conversation);
    const { id, seen, content: before } = /** @type {ShownDraft} */ (this.#shown.get(conversation));
    const words = { ...before, ...change, at: this.now() };
    const isOurs = id !== null && this.#storedText(conversation, id) === seen;
    if (isEmpty(words)) {
      if (isOurs) this.#remove(conversation, id);
      this.#show(conversation, { id: null, seen: null, content: EMPTY });
      return;
    }
    const to = isOurs ? id : this.newId();
    const name = draftKey(conversation, to);
    this.storage.set(name, words);
    this.#read(name);
    this.#show(conversation, { id: to, seen: this.#storedText(conversation, to), content: words });
    this.#prune(conversation);
  }

  /** It is sent: gives it, once. @param {number} conversation @returns {DraftContent} */
  take(conversation) {
    const words = this.of(conversation);
    this.write(conversation, EMPTY);
    return words;
  }

  /** Another page changed what lies there. @param {string|null} key of the shelf; null for everything
   * @returns {boolean} whether something is to be drawn anew */
  storageChanged(key) {
    const { prefix } = this.storage;
    if (key !== null && !key.startsWith(`${prefix}draft:`)) return false;
    if (key === null) this.#stored.clear();
    else this.#read(key.slice(prefix.length));
    for (const [conversation, { id, seen }] of this.#shown) {
      if (id === null || seen === null || this.#storedText(conversation, id) !== null) continue;
      this.#show(conversation, { id: null, seen: null, content: EMPTY });
      this.#takenCounts.set(conversation, this.takenCount(conversation) + 1);
    }
    return true;
  }

  /** @param {number} conversation @param {ShownDraft} shown */
  #show(conversation, shown) {
    this.#shown.set(conversation, shown);
    if (shown.id === null) this.session?.remove(`draft:${conversation}`);
    else this.session?.set(`draft:${conversation}`, shown.id);
  }

  /** The one that this page wrote before it was loaded again, or else the newest. @param {number} conversation
   * @returns {{id: string, content: DraftContent}|null} */
  #newest(conversation) {
    const there = this.#stored.get(conversation);
    if (!there) return null;
    const own = this.session?.get(`draft:${conversation}`);
    const [first] = [...there].sort(([a, one], [b, other]) =>
      Number(b === own) - Number(a === own) || other.at - one.at);
    return first ? { id: first[0], content: first[1] } : null;
  }

  /** Reads what lies under a name. @param {string} name */
  #read(name) {
    const [, conversation, id] = name.split(':');
    const there = this.#stored.get(Number(conversation)) ?? new Map();
    const words = parseDraft(this.storage.get(name));
    if (words) there.set(id, words);
    else there.delete(id);
    if (there.size > 0) this.#stored.set(Number(conversation), there);
    else this.#stored.delete(Number(conversation));
  }

  /** @param {number} conversation @param {string} id @returns {string|null} */
  #storedText(conversation, id) {
    return this.storage.backend.getItem(this.storage.prefix + draftKey(conversation, id));
  }

  /** @param {number} conversation @param {string} id */
  #remove(conversation, id) {
    this.storage.remove(draftKey(conversation, id));
    this.#read(draftKey(conversation, id));
  }

  /** @param {number} conversation */
  #prune(conversation) {
    const there = [...(this.#stored.get(conversation) ?? [])].sort(([, one], [, other]) => other.at - one.at);
    for (const [id] of there.slice(DRAFTS_MAX)) this.#remove(conversation, id);
  }
}

/** What lasts as long as the page and its reloads, where the browser has that. @param {number} user
 * @returns {UserStorage|null} */
export function sessionDrafts(user) {
  try {
    return new UserStorage(window.sessionStorage, user);
  } catch {
    return null;
  }
}

/** @param {number} conversation @param {string} id @returns {string} */
function draftKey(conversation, id) {
  return `draft:${conversation}:${id}`;
}

/** @param {DraftContent} words @returns {boolean} */
function isEmpty({ text, reply, subject }) {
  return text === '' && reply === null && subject === null;
}

/** @param {any} value @returns {DraftContent|null} */
function parseDraft(value) {
  if (typeof value?.text !== 'string') return null;
  return {
    text: value.text,
    reply: Number.isInteger(value.reply) ? value.reply : null,
    subject: typeof value.subject === 'string' ? value.subject : null,
    at: Number(value.at) || 0,
  };
}
