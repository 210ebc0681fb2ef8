/**
 * Search actions. The list shows results in place of its filters, and stays as it is until the user leaves the search,
 * so that they return to the same place.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {User} from '../../sdk/wire.js'
 * @import {ResultsView} from '../view/search-results.js'
 * @import {ParlorList} from '../list/list.js'
 * @import {Option} from '../search/filter-dialog.js'
 * @import {ViewInput} from '../view/conversations.js'
 * @import {FilterName} from '../ui/events.js'
 */
import '../search/name-matching.js';
import '../search/results.js';
import { openFilterDialog, openDateDialog } from '../search/filter-dialog.js';
import { listen } from '../ui/events.js';
import { isFound, parseQuery } from '../view/folding.js';
import { resultsView, isDoubtful } from '../view/search-results.js';
import { latestUser } from '../view/users.js';
import { MessageSearch, isFiltered } from '../../sdk/search.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { avatarUsers, listed, nameOf } from '../view/conversations.js';

/** @typedef {{conversation: number, seq: number}} ResultPlace */

export class SearchActions {
  /** The user has started a search, but there is no query yet. */
  #started = false;
  /** The result that was opened. @type {ResultPlace|null} */
  #openResult = null;

  /** @param {{
   *   host: HTMLElement, client: Client, list: ParlorList, viewInput: () => ViewInput, goTo: (place: ResultPlace) => void,
   *   changed: () => void, signal: AbortSignal,
   * }} parts */
  constructor({ host, client, list, viewInput, goTo, changed, signal }) {
    this.host = host;
    this.client = client;
    this.list = list;
    this.viewInput = viewInput;
    this.changed = changed;
    this.search = new MessageSearch({
      clock: client.clock, ask: (question) => client.search(question), changed,
      found: (messages, first) => client.setFound(messages, first),
    });
    listen(host, {
      'parlor-filter': ({ query }) => query !== this.search.query && this.search.setQuery(query),
      'parlor-set-search-filters': ({ filters }) => this.search.setFilters(filters),
      'parlor-more-results': () => void this.search.more(),
      'parlor-retry-search': () => this.search.retry(),
      'parlor-choose-search-filter': ({ filter }) => this.#openFilter(filter),
      'parlor-end-search': () => this.end(),
      'parlor-open-result': (place) => {
        this.#openResult = place;
        changed();
        goTo(place);
      },
    }, signal);
  }

  /** Returns the results for the list; null while there is no search. @returns {ResultsView|null} */
  view() {
    if (!this.isActive) return null;
    const search = this.search.view();
    if (search.progress === 'done' && isDoubtful(this.client.state, search)) queueMicrotask(() => this.search.refresh());
    return resultsView(this.viewInput(), search, this.#openResult);
  }

  /** @returns {boolean} */
  get isActive() {
    return this.#started || this.search.query.trim() !== '' || isFiltered(this.search.filters);
  }

  /** Whether conversations match the search: not if it is within one conversation, or for files. @returns {boolean} */
  get showsConversations() {
    return !this.isActive || (this.search.query.trim() !== '' && !isFiltered(this.search.filters));
  }

  /** Starts a search in one conversation. @param {number} id */
  searchIn(id) {
    const { state } = this.client;
    const conversation = state.conversations.get(id);
    if (!conversation) return;
    this.#started = true;
    this.search.setFilters({ conversation: { id, name: nameOf(state, conversation) } });
    this.list.focusSearch();
  }

  end() {
    this.#started = false;
    this.#openResult = null;
    this.list.clearSearch();
    this.search.clear();
    this.list.focusSearch();
  }

  /** @param {FilterName} filter */
  #openFilter(filter) {
    const { host, search } = this;
    if (filter === 'date') {
      const { from, until } = search.filters;
      openDateDialog(host, { from, until, done: (days) => search.setFilters(days) });
      return;
    }
    const titles = { person: dialogSay.filterPerson, conversation: dialogSay.filterConversation, about: dialogSay.filterAbout };
    const finds = {
      person: (/** @type {string} */ query) => this.#findUsers(query),
      conversation: async (/** @type {string} */ query) => this.#findConversations(query),
      about: async (/** @type {string} */ query) => this.#findContexts(query),
    };
    openFilterDialog(host, { title: titles[filter], find: finds[filter] });
  }

  /** Finds the user, members of their conversations, and users that the server knows. @param {string} query
   * @returns {Promise<Option[]>} */
  async #findUsers(query) {
    const { client } = this;
    const { state } = client;
    const wanted = parseQuery(query);
    /** @type {Map<number, User>} */
    const people = new Map();
    const others = listed(this.viewInput()).flatMap((one) => one.members.map((member) => latestUser(state, member.user)));
    for (const user of [...(state.me ? [state.me] : []), ...others]) {
      if (isFound(user.id === client.user ? `${say.you} ${user.name}` : user.name, wanted)) people.set(user.id, user);
    }
    const found = await client.findUsers(query).catch(() => /** @type {User[]} */ ([]));
    for (const user of found) if (!people.has(user.id)) people.set(user.id, user);
    return [...people.values()].map((user) => {
      const name = user.id === client.user ? say.you : user.name;
      return { name, faces: [user], choose: () => this.search.setFilters({ person: { id: user.id, name } }) };
    });
  }

  /** @param {string} query @returns {Option[]} */
  #findConversations(query) {
    const { state } = this.client;
    return listed(this.viewInput()).map((one) => {
      const name = nameOf(state, one);
      return {
        name, more: one.context?.title, faces: avatarUsers(state, one), pair: one.kind === 'group',
        choose: () => this.search.setFilters({ conversation: { id: one.id, name } }),
      };
    }).filter(({ name, more }) => isFound(`${name} ${more ?? ''}`, parseQuery(query)));
  }

  /** @param {string} query @returns {Option[]} */
  #findContexts(query) {
    /** @type {Map<string, Option>} */
    const things = new Map();
    for (const { context } of listed(this.viewInput())) {
      if (!context || !isFound(context.title, parseQuery(query))) continue;
      const { type, id, title } = context;
      things.set(`${type} ${id}`, {
        name: title, context, choose: () => this.search.setFilters({ about: { type, id, title } }),
      });
    }
    return [...things.values()];
  }
}
