/**
 * Message search: the query, its filters and the results. It does not know the DOM; time and requests are passed in.
 *
 * Invariants: the results belong to the current query or, while it is loading, to the one before; answers to older
 * queries are ignored; pages follow each other without a gap. Results that are reloaded because they may have changed
 * stay until all of them are there.
 *
 * @import {Clock} from './clock.js'
 * @import {Conversation, Found, Hit, Message, SearchQuery as Asked, User} from './wire.js'
 */
import { Problem } from './problem.js';

/**
 * @typedef {{id: number, name: string}} FilterChoice
 * @typedef {{
 *   person: FilterChoice|null, conversation: FilterChoice|null, about: {type: string, id: string, title: string}|null,
 *   from: string, until: string, files: boolean,
 * }} Filters `from` and `until` are days, 2026-11-22, both included
 * @typedef {'idle'|'waiting'|'done'|'failed'|'refused'} Progress `failed`: no answer, or none yet; `refused`: it will never be
 *   answered as it is
 * @typedef {{
 *   query: string, filters: Filters, progress: Progress, results: Hit[], more: boolean, hasQuery: boolean, problem: Problem|null,
 *   conversations: Map<number, Conversation>, users: Map<number, User>,
 * }} SearchView `hasQuery`: there is something to look for
 */

/** After the last key press. */
const TYPING_PAUSE_MS = 200;
const PAGE_ROWS = 20;
/** The shortest time between two reloads of the results. */
const REFRESH_MS = 3_000;

/** @type {Filters} */
export const noFilters = { person: null, conversation: null, about: null, from: '', until: '', files: false };

export class MessageSearch {
  query = '';
  filters = noFilters;
  /** @type {Progress} */
  #progress = 'idle';
  /** @type {Hit[]} */
  #results = [];
  /** @type {Map<number, Conversation>} */
  #conversations = new Map();
  /** @type {Map<number, User>} */
  #users = new Map();
  /** Why the server gave no results. @type {Problem|null} */
  #problem = null;
  /** @type {string|null} */
  #next = null;
  /** The query whose answer is awaited. */
  #queryId = 0;
  #isLoading = false;
  /** The query whose results were just reloaded. */
  #refreshed = 0;
  /** @type {unknown} */
  #timer = null;

  /** @param {{
   *   clock: Clock, ask: (search: Asked) => Promise<Found>, changed: () => void,
   *   found?: (messages: Message[], first: boolean) => void,
   * }} parts `found` is told what is shown from now on, beside or in the place of what was */
  constructor({ clock, ask, changed, found = () => {} }) {
    this.clock = clock;
    this.ask = ask;
    this.found = found;
    this.changed = changed;
  }

  /** @returns {SearchView} */
  view() {
    return {
      query: this.query, filters: this.filters, progress: this.#progress, results: this.#results,
      more: this.#next !== null, hasQuery: this.#hasQuery, problem: this.#problem,
      conversations: this.#conversations, users: this.#users,
    };
  }

  /** @param {string} query */
  setQuery(query) {
    const same = query.trim() === this.query.trim();
    this.query = query;
    if (!same) this.#start(TYPING_PAUSE_MS);
    else this.changed();
  }

  /** @param {Partial<Filters>} filters */
  setFilters(filters) {
    this.filters = { ...this.filters, ...filters };
    this.#start(0);
  }

  /** Searches again at once: after a failure, or because the user does not want to wait. */
  retry() {
    if (this.#progress !== 'failed' || this.#next === null) {
      this.#start(0);
      return;
    }
    this.#progress = 'done';
    void this.more();
  }

  /** Clears the query, the filters and the results. */
  clear() {
    this.query = '';
    this.filters = noFilters;
    this.#start(0);
  }

  /** Loads the next page. */
  async more() {
    if (this.#next === null || this.#isLoading || this.#progress !== 'done') return;
    this.#isLoading = true;
    const turn = this.#queryId;
    try {
      const found = await this.ask({ ...this.#command(), after: this.#next });
      if (turn === this.#queryId) this.#setPage(found, false);
    } catch (error) {
      if (turn === this.#queryId) this.#fail(error);
    }
    if (turn === this.#queryId) this.#isLoading = false;
    this.changed();
  }

  /** Reloads the results, since they may have changed. If that fails they stay, and are reloaded later. */
  async refresh() {
    if (this.#progress !== 'done' || this.#isLoading || this.#refreshed === this.#queryId) return;
    const turn = this.#queryId;
    this.#refreshed = turn;
    this.#isLoading = true;
    try {
      const pages = await this.#reloadPages(turn);
      if (turn === this.#queryId) {
        this.#results = [];
        for (const page of pages) this.#addPage(page);
      }
    } catch {
      // The old results are better than none.
    }
    if (turn !== this.#queryId) return;
    this.#isLoading = false;
    this.#timer = this.clock.after(REFRESH_MS, () => {
      this.#refreshed = 0;
      this.changed();
    });
    this.changed();
  }

  /** Loads as many results as are shown. @param {number} turn @returns {Promise<Found[]>} */
  async #reloadPages(turn) {
    /** @type {Found[]} */
    const pages = [];
    /** @type {string|null} */
    let after = null;
    let count = 0;
    do {
      const page = /** @type {Found} */ (await this.ask({ ...this.#command(), ...(after === null ? {} : { after }) }));
      if (turn !== this.#queryId) break;
      this.found(page.results.map((one) => one.message), false);
      pages.push(page);
      after = page.next;
      count += page.results.length;
    } while (after !== null && count < this.#results.length);
    return pages;
  }

  get #hasQuery() {
    const { person, conversation, about, from, until, files } = this.filters;
    // A conversation alone is no query: all of its messages would match.
    return this.query.trim() !== '' || files || person !== null || about !== null || from !== '' || until !== '';
  }

  /** @param {number} pause */
  #start(pause) {
    this.clock.stop(this.#timer);
    this.#queryId += 1;
    this.#isLoading = false;
    this.#problem = null;
    if (!this.#hasQuery) {
      this.#progress = 'idle';
      this.#results = [];
      this.#next = null;
    } else {
      this.#progress = 'waiting';
      const turn = this.#queryId;
      if (pause > 0) this.#timer = this.clock.after(pause, () => void this.#load(turn));
      else void this.#load(turn);
    }
    this.changed();
  }

  /** @param {number} turn */
  async #load(turn) {
    try {
      const found = await this.ask(this.#command());
      if (turn === this.#queryId) this.#setPage(found, true);
    } catch (error) {
      if (turn !== this.#queryId) return;
      this.#fail(error);
      this.#results = [];
      this.#next = null;
    }
    if (turn === this.#queryId) this.changed();
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#problem = error instanceof Problem ? error : null;
    this.#progress = this.#problem && !this.#problem.retryable ? 'refused' : 'failed';
  }

  /** @param {Found} found @param {boolean} first in the place of what was */
  #setPage(found, first) {
    this.#progress = 'done';
    if (first) this.#results = [];
    this.#addPage(found);
    this.found(found.results.map((one) => one.message), first);
  }

  /** @param {Found} found */
  #addPage({ results, next, conversations, users }) {
    const there = new Set(this.#results.map((one) => one.message.id));
    this.#results = [...this.#results, ...results.filter((one) => !there.has(one.message.id))];
    this.#next = next;
    for (const one of conversations) this.#conversations.set(one.id, one);
    for (const one of users) this.#users.set(one.id, one);
  }

  /** @returns {Asked} */
  #command() {
    const { person, conversation, about, from, until, files } = this.filters;
    const query = this.query.trim();
    return {
      ...(query ? { query } : {}),
      ...(person ? { sender: person.id } : {}),
      ...(conversation ? { conversation: conversation.id } : {}),
      ...(about ? { context: { type: about.type, id: about.id } } : {}),
      ...(from ? { from: startOfDay(from, 0) } : {}),
      ...(until ? { until: startOfDay(until, 1) } : {}),
      ...(files ? { has_file: true } : {}),
      limit: PAGE_ROWS,
    };
  }
}

/** Returns when a day begins in the user's time zone, or a day some days later. @param {string} day
 * @param {number} later @returns {string} */
function startOfDay(day, later) {
  const [year, month, date] = day.split('-').map(Number);
  return new Date(year, month - 1, date + later).toISOString();
}

/** Returns whether any filter is set. @param {Filters} filters @returns {boolean} */
export function isFiltered({ person, conversation, about, from, until, files }) {
  return person !== null || conversation !== null || about !== null || from !== '' || until !== '' || files;
}
