/**
 * What one is writing in each conversation, kept in the browser: the words, what they answer, and a subject. Several
 * pages of one person may write in one conversation.
 *
 * Invariants: a page writes to a draft only while it lies there as this page last saw it, and else to one of its own, so
 * that no page's words are lost to another's. A draft that another page has sent or emptied disappears here too, unless
 * something was written here since. What this page shows never changes in any other way.
 * Absent on purpose: the files of a draft, which are the uploads'.
 */
import { Keep } from './storage.js';

/** @typedef {{text: string, reply: number|null, subject: string|null, at: number}} Words
 * @typedef {{id: string|null, seen: string|null, words: Words}} Shown `seen`: as it lay there last */

/** Of one conversation; the oldest beyond are forgotten. */
const DRAFTS_MAX = 20;
/** @type {Words} */
const NOTHING = { text: '', reply: null, subject: null, at: 0 };

export class Drafts {
  /** What lies there, by conversation and draft. @type {Map<number, Map<string, Words>>} */
  #all = new Map();
  /** What this page shows, or showed last. @type {Map<number, Shown>} */
  #shown = new Map();
  /** How often another page took away what is shown. @type {Map<number, number>} */
  #taken = new Map();

  /** @param {{keep: Keep, now: () => number, newId: () => string, page?: Keep|null}} parts `page` lasts as long as the
   * page and its reloads */
  constructor({ keep, now, newId, page = null }) {
    this.keep = keep;
    this.now = now;
    this.newId = newId;
    this.page = page;
    for (const name of keep.names('draft:')) this.#look(name);
  }

  /** What is being written there: what this page shows, or the newest. @param {number} conversation @returns {Words} */
  of(conversation) {
    return this.#shown.get(conversation)?.words ?? this.#newest(conversation)?.words ?? NOTHING;
  }

  /** The conversation comes on the screen. @param {number} conversation */
  open(conversation) {
    const shown = this.#shown.get(conversation);
    if (shown && !isEmpty(shown.words)) return;
    const found = this.#newest(conversation);
    this.#show(conversation, found
      ? { ...found, seen: this.#raw(conversation, found.id) }
      : { id: null, seen: null, words: NOTHING });
  }

  /** How often another page took away what this one showed there. @param {number} conversation @returns {number} */
  taken(conversation) {
    return this.#taken.get(conversation) ?? 0;
  }

  /** @param {number} conversation @param {Partial<Words>} change */
  write(conversation, change) {
    if (!this.#shown.has(conversation)) this.open(conversation);
    const { id, seen, words: before } = /** @type {Shown} */ (this.#shown.get(conversation));
    const words = { ...before, ...change, at: this.now() };
    const isOurs = id !== null && this.#raw(conversation, id) === seen;
    if (isEmpty(words)) {
      if (isOurs) this.#remove(conversation, id);
      this.#show(conversation, { id: null, seen: null, words: NOTHING });
      return;
    }
    const to = isOurs ? id : this.newId();
    const name = nameOf(conversation, to);
    this.keep.set(name, words);
    this.#look(name);
    this.#show(conversation, { id: to, seen: this.#raw(conversation, to), words });
    this.#bound(conversation);
  }

  /** It is sent: gives it, once. @param {number} conversation @returns {Words} */
  take(conversation) {
    const words = this.of(conversation);
    this.write(conversation, NOTHING);
    return words;
  }

  /** Another page changed what lies there. @param {string|null} key of the shelf; null for everything
   * @returns {boolean} whether something is to be drawn anew */
  heard(key) {
    const { prefix } = this.keep;
    if (key !== null && !key.startsWith(`${prefix}draft:`)) return false;
    if (key === null) this.#all.clear();
    else this.#look(key.slice(prefix.length));
    for (const [conversation, { id, seen }] of this.#shown) {
      if (id === null || seen === null || this.#raw(conversation, id) !== null) continue;
      this.#show(conversation, { id: null, seen: null, words: NOTHING });
      this.#taken.set(conversation, this.taken(conversation) + 1);
    }
    return true;
  }

  /** @param {number} conversation @param {Shown} shown */
  #show(conversation, shown) {
    this.#shown.set(conversation, shown);
    if (shown.id === null) this.page?.remove(`draft:${conversation}`);
    else this.page?.set(`draft:${conversation}`, shown.id);
  }

  /** The one that this page wrote before it was loaded again, or else the newest. @param {number} conversation
   * @returns {{id: string, words: Words}|null} */
  #newest(conversation) {
    const there = this.#all.get(conversation);
    if (!there) return null;
    const own = this.page?.get(`draft:${conversation}`);
    const [first] = [...there].sort(([a, one], [b, other]) =>
      Number(b === own) - Number(a === own) || other.at - one.at);
    return first ? { id: first[0], words: first[1] } : null;
  }

  /** Reads what lies under a name. @param {string} name */
  #look(name) {
    const [, conversation, id] = name.split(':');
    const there = this.#all.get(Number(conversation)) ?? new Map();
    const words = read(this.keep.get(name));
    if (words) there.set(id, words);
    else there.delete(id);
    if (there.size > 0) this.#all.set(Number(conversation), there);
    else this.#all.delete(Number(conversation));
  }

  /** @param {number} conversation @param {string} id @returns {string|null} */
  #raw(conversation, id) {
    return this.keep.shelf.getItem(this.keep.prefix + nameOf(conversation, id));
  }

  /** @param {number} conversation @param {string} id */
  #remove(conversation, id) {
    this.keep.remove(nameOf(conversation, id));
    this.#look(nameOf(conversation, id));
  }

  /** @param {number} conversation */
  #bound(conversation) {
    const there = [...(this.#all.get(conversation) ?? [])].sort(([, one], [, other]) => other.at - one.at);
    for (const [id] of there.slice(DRAFTS_MAX)) this.#remove(conversation, id);
  }
}

/** What lasts as long as the page and its reloads, where the browser has that. @param {number} user
 * @returns {Keep|null} */
export function pageKeep(user) {
  try {
    return new Keep(window.sessionStorage, user);
  } catch {
    return null;
  }
}

/** @param {number} conversation @param {string} id @returns {string} */
function nameOf(conversation, id) {
  return `draft:${conversation}:${id}`;
}

/** @param {Words} words @returns {boolean} */
function isEmpty({ text, reply, subject }) {
  return text === '' && reply === null && subject === null;
}

/** @param {any} value @returns {Words|null} */
function read(value) {
  if (typeof value?.text !== 'string') return null;
  return {
    text: value.text,
    reply: Number.isInteger(value.reply) ? value.reply : null,
    subject: typeof value.subject === 'string' ? value.subject : null,
    at: Number(value.at) || 0,
  };
}
