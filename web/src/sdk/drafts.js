/**
 * The drafts of each conversation, stored in the browser: the text with its mentions, the message that it replies to, and
 * a subject. Several pages of one user may write in the same conversation.
 *
 * Invariants: a page writes to a stored draft only while it says what this page last saw, and otherwise to a draft of
 * its own, so that no page loses text to another. A draft that another page has sent or cleared disappears here too,
 * unless it was changed here since. Nothing else changes the draft that this page shows, but `replace`. One that was
 * emptied is stored until it is deleted from the server.
 * Absent on purpose: the files of a draft, which belong to the uploads.
 *
 * @import {Mention} from './wire.js'
 */
import { UserStorage } from './storage.js';

/**
 * @typedef {{
 *   text: string, mentions: Mention[], reply: number|null, subject: string|null, at: number, base: number, clean: boolean,
 * }} DraftContent `base`: the version of the server's draft that it continues, or 0; `clean`: it is equal to that one
 * @typedef {{id: string|null, seen: string|null, content: DraftContent}} ShownDraft `seen`: what it said when it was stored
 */

/** Per conversation; older drafts are deleted. */
const DRAFTS_MAX = 20;
/** @type {DraftContent} */
const EMPTY = { text: '', mentions: [], reply: null, subject: null, at: 0, base: 0, clean: false };

export class Drafts {
  /** The stored drafts, by conversation and id. @type {Map<number, Map<string, DraftContent>>} */
  #stored = new Map();
  /** The draft that this page shows or showed last, by conversation. @type {Map<number, ShownDraft>} */
  #shown = new Map();
  /** How often another page or device has removed or replaced the draft that is shown here. @type {Map<number, number>} */
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
    if (shown && !isNothing(shown.content)) return;
    const found = this.#newest(conversation);
    this.#show(conversation, found
      ? { ...found, seen: this.#storedWords(conversation, found.id) }
      : { id: null, seen: null, content: EMPTY });
  }

  /** Returns how often another page or device has removed or replaced the draft that was shown here.
   * @param {number} conversation @returns {number} */
  takenCount(conversation) {
    return this.#takenCounts.get(conversation) ?? 0;
  }

  /** @param {number} conversation @param {Partial<DraftContent>} change */
  write(conversation, change) {
    if (!this.#shown.has(conversation)) this.open(conversation);
    const { id, content: before } = /** @type {ShownDraft} */ (this.#shown.get(conversation));
    const words = { ...before, clean: false, ...change, at: this.now() };
    const isOurs = this.#isOurs(conversation);
    if (isNothing(words)) {
      if (isOurs && id !== null) this.#remove(conversation, id);
      this.#show(conversation, { id: null, seen: null, content: EMPTY });
      return;
    }
    const to = isOurs && id !== null ? id : this.newId();
    this.storage.set(draftKey(conversation, to), words);
    this.#showStored(conversation, to, words);
  }

  /** Returns the conversations with drafts. @returns {number[]} */
  conversations() {
    return [...new Set([...this.#stored.keys(), ...this.#shown.keys()])];
  }

  /** Returns the draft to send, and clears it. @param {number} conversation @returns {DraftContent} */
  take(conversation) {
    const words = this.of(conversation);
    this.write(conversation, EMPTY);
    return words;
  }

  /** Puts a draft of another device in the place of what is shown. All pages give it the same name; if another page has
   * taken it over and continued it, it is shown as it is there. A page that shows the same stored draft keeps its text,
   * unless nothing is left.
   * @param {number} conversation @param {DraftContent} content nothing removes it */
  replace(conversation, content) {
    if (!this.#shown.has(conversation)) this.open(conversation);
    if (isEmpty(content)) this.take(conversation);
    else {
      const { id: shown } = /** @type {ShownDraft} */ (this.#shown.get(conversation));
      const isOurs = this.#isOurs(conversation);
      const names = [...(this.#stored.get(conversation)?.keys() ?? []), ...(shown === null ? [] : [shown])];
      const same = names.find((name) => this.#storedWords(conversation, name) === said(content));
      const id = same ?? (isOurs && shown !== null ? shown : `v${content.base}`);
      const words = parseDraft(this.storage.get(draftKey(conversation, id)));
      const isContinued = words && !isEmpty(words) && !saysTheSame(words, content) && !(isOurs && id === shown);
      const kept = isContinued ? words : { ...content, at: words?.at ?? this.now() };
      this.storage.set(draftKey(conversation, id), kept);
      this.#showStored(conversation, id, kept);
    }
    this.#takenCounts.set(conversation, this.takenCount(conversation) + 1);
  }

  /** Lets drafts that continue versions after this one, which the server never had, continue what it has.
   * @param {number} version @param {(conversation: number) => number} baseOf
   * @returns {number[]} the conversations of such drafts */
  rebase(version, baseOf) {
    /** @type {Set<number>} */
    const found = new Set();
    for (const [conversation, there] of this.#stored) {
      for (const id of [...there.keys()]) {
        const words = parseDraft(this.storage.get(draftKey(conversation, id)));
        if (!words || words.base <= version) continue;
        found.add(conversation);
        const rebased = { ...words, base: baseOf(conversation), clean: false };
        if (isNothing(rebased)) this.storage.remove(draftKey(conversation, id));
        else this.storage.set(draftKey(conversation, id), rebased);
        this.#read(draftKey(conversation, id));
      }
    }
    for (const [conversation, { content }] of this.#shown) {
      if (content.base <= version) continue;
      found.add(conversation);
      this.write(conversation, { base: baseOf(conversation) });
    }
    return [...found];
  }

  /** Handles a change by another page. @param {string|null} key of the browser's storage; null stands for all
   * @returns {boolean} whether something has to be drawn again */
  storageChanged(key) {
    const { prefix } = this.storage;
    if (key !== null && !key.startsWith(`${prefix}draft:`)) return false;
    if (key === null) this.#stored.clear();
    else this.#read(key.slice(prefix.length));
    for (const [conversation, { id, seen }] of this.#shown) {
      if (id === null || seen === null || this.#storedWords(conversation, id) !== null) continue;
      this.#show(conversation, { id: null, seen: null, content: EMPTY });
      this.#takenCounts.set(conversation, this.takenCount(conversation) + 1);
    }
    return true;
  }

  /** Returns whether what is shown is stored as this page has left it. @param {number} conversation @returns {boolean} */
  #isOurs(conversation) {
    const { id = null, seen = null } = this.#shown.get(conversation) ?? {};
    return id !== null && this.#storedWords(conversation, id) === seen;
  }

  /** Shows what has just been stored. @param {number} conversation @param {string} id @param {DraftContent} content */
  #showStored(conversation, id, content) {
    this.#read(draftKey(conversation, id));
    this.#show(conversation, { id, seen: this.#storedWords(conversation, id), content });
    this.#prune(conversation);
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
    // Another page may have written there a moment ago.
    for (const id of [...there.keys()]) this.#read(draftKey(conversation, id));
    const own = this.session?.get(`draft:${conversation}`);
    const [first] = [...there].sort(([a, one], [b, other]) =>
      Number(isEmpty(one)) - Number(isEmpty(other)) || Number(b === own) - Number(a === own) || other.at - one.at);
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

  /** Returns what a stored draft says at this moment. @param {number} conversation @param {string} id
   * @returns {string|null} */
  #storedWords(conversation, id) {
    const words = parseDraft(this.storage.get(draftKey(conversation, id)));
    return words && said(words);
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

/** @param {DraftContent} one @param {DraftContent} other @returns {boolean} */
export function saysTheSame(one, other) {
  return said(one) === said(other);
}

/** @param {DraftContent} content @returns {string} */
function said({ text, mentions, reply, subject }) {
  const places = mentions.map(({ user, at, length }) => [user, at, length]);
  return JSON.stringify([text, places, reply, subject]);
}

/** @param {DraftContent} words @returns {boolean} */
export function isEmpty({ text, reply, subject }) {
  return text === '' && reply === null && subject === null;
}

/** Returns whether there is neither something written nor something to be deleted from the server.
 * @param {DraftContent} words @returns {boolean} */
function isNothing(words) {
  return isEmpty(words) && words.base === 0;
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
    base: Number(value.base) || 0,
    clean: value.clean === true,
  };
}

/** @param {unknown} mentions @param {string} text @returns {Mention[]} those within the text */
function parseMentions(mentions, text) {
  if (!Array.isArray(mentions)) return [];
  return mentions.filter((one) => [one?.user, one?.at, one?.length].every(Number.isInteger)
    && one.at >= 0 && one.length > 0 && one.at + one.length <= text.length);
}
