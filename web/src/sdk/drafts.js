/**
 * The drafts of each conversation, stored in the browser: the text with its mentions, the message that it replies to, and a
 * subject.
 * Several pages of one user may write in the same conversation.
 *
 * Invariants: a page writes to a stored draft only while it is as this page last saw it, and otherwise to a draft of
 * its own, so that no page loses text to another. A draft that another page has sent or cleared disappears here too,
 * unless it was changed here since. Nothing else changes the draft that this page shows.
 * Absent on purpose: the files of a draft, which belong to the uploads.
 *
 * @import {Mention} from './wire.js'
 */
import { UserStorage } from './storage.js';

/**
 * @typedef {{text: string, mentions: Mention[], reply: number|null, subject: string|null, at: number}} DraftContent
 * @typedef {{id: string|null, seen: string|null, content: DraftContent}} ShownDraft `seen`: as it was last stored
 */

/** Per conversation; older drafts are deleted. */
const DRAFTS_MAX = 20;
/** @type {DraftContent} */
const EMPTY = { text: '', mentions: [], reply: null, subject: null, at: 0 };

export class Drafts {
  /** The stored drafts, by conversation and id. @type {Map<number, Map<string, DraftContent>>} */
  #stored = new Map();
  /** The draft that this page shows or showed last, by conversation. @type {Map<number, ShownDraft>} */
  #shown = new Map();
  /** How often another page has removed the draft that is shown here. @type {Map<number, number>} */
  #takenCounts = new Map();

  /** @param {{storage: UserStorage, now: () => number, newId: () => string, session?: UserStorage|null}} parts
   * `session` survives reloads of the page */
  constructor({ storage, now, newId, session = null }) {
    this.storage = storage;
    this.now = now;
    this.newId = newId;
    this.session = session;
    for (const name of storage.names('draft:')) this.#read(name);
  }

  /** Returns the draft that this page shows, or else the newest. @param {number} conversation
   * @returns {DraftContent} */
  of(conversation) {
    return this.#shown.get(conversation)?.content ?? this.#newest(conversation)?.content ?? EMPTY;
  }

  /** Picks the draft to show for a conversation that is opened. @param {number} conversation */
  open(conversation) {
    const shown = this.#shown.get(conversation);
    if (shown && !isEmpty(shown.content)) return;
    const found = this.#newest(conversation);
    this.#show(conversation, found
      ? { ...found, seen: this.#storedText(conversation, found.id) }
      : { id: null, seen: null, content: EMPTY });
  }

  /** Returns how often another page has removed the draft that was shown here. @param {number} conversation
   * @returns {number} */
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

  /** Returns the draft to send, and clears it. @param {number} conversation @returns {DraftContent} */
  take(conversation) {
    const words = this.of(conversation);
    this.write(conversation, EMPTY);
    return words;
  }

  /** Handles a change by another page. @param {string|null} key of the browser's storage; null stands for all
   * @returns {boolean} whether something has to be drawn again */
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

  /** Returns the draft that this page wrote before it was reloaded, or else the newest. @param {number} conversation
   * @returns {{id: string, content: DraftContent}|null} */
  #newest(conversation) {
    const there = this.#stored.get(conversation);
    if (!there) return null;
    const own = this.session?.get(`draft:${conversation}`);
    const [first] = [...there].sort(([a, one], [b, other]) =>
      Number(b === own) - Number(a === own) || other.at - one.at);
    return first ? { id: first[0], content: first[1] } : null;
  }

  /** Reads a draft from storage. @param {string} name */
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

/** Returns storage that survives reloads of this page only, if the browser has it. @param {number} user
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
    mentions: parseMentions(value.mentions, value.text),
    reply: Number.isInteger(value.reply) ? value.reply : null,
    subject: typeof value.subject === 'string' ? value.subject : null,
    at: Number(value.at) || 0,
  };
}

/** @param {unknown} mentions @param {string} text @returns {Mention[]} those within the text */
function parseMentions(mentions, text) {
  if (!Array.isArray(mentions)) return [];
  return mentions.filter((one) => [one?.user, one?.at, one?.length].every(Number.isInteger)
    && one.at >= 0 && one.length > 0 && one.at + one.length <= text.length);
}
