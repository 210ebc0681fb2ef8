/**
 * The inbox: computes what its elements show, and handles their events.
 *
 * Invariant: elements render and emit events; only the inbox and its actions use the client.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {Mention, Site} from '../sdk/wire.js'
 * @import {ParlorBanner} from './ui/connection-banner.js'
 * @import {ParlorList} from './list/list.js'
 * @import {ParlorThread} from './thread/thread.js'
 * @import {GroupDialog} from './dialogs/group.js'
 * @import {Route} from './route.js'
 * @import {SearchActions} from './actions/search.js'
 * @import {Divider} from './view/message-groups.js'
 * @import {ListFilter, ViewInput} from './view/conversations.js'
 */
import './ui/connection-banner.js';
import './list/list.js';
import './thread/thread.js';
import { MessageActions } from './actions/messages.js';
import { isolated } from './view/bidi.js';
import { memberOf } from '../sdk/state/conversations.js';
import { handleFiles } from './actions/files.js';
import { viewInputOf } from './actions/view-input.js';
import { watchedUsers } from './view/presence.js';
import { h, replaceChildren } from './ui/dom.js';
import { listen } from './ui/events.js';
import { drawing } from './ui/icons.js';
import { watchIdle, whenIdle } from './ui/idle.js';
import { whenLoaded } from './ui/lazy-load.js';
import { noConversationSelected, cannotOpenConversation } from './thread/empty-thread.js';
import { addKeyboardNavigation, nextRow } from './actions/keyboard-navigation.js';
import { hashOf, routeOf } from './route.js';
import { Arrivals } from './actions/arrivals.js';
import { addRowMenu } from './list/row-menu.js';
import { ReadingActions } from './actions/reading.js';
import { Warnings } from './actions/warnings.js';
import { Pages } from './pages.js';
import { groupView, startConversation } from './actions/conversations.js';
import { say, shortCount } from './view/strings.js';
import { SEND_KEY, threadView } from './view/thread.js';
import { QUIET_MS } from './view/connection-status.js';
import { toastPlace } from './ui/toast.js';
import { showBadge } from './ui/badge.js';
import { DrawLimiter } from './ui/draw-limiter.js';
import { addShortcuts } from './actions/shortcuts.js';
import {
  ALL, contextFilter, filtered, isListEmpty, listed, nameOf, rowOf, stepsOf, unreadOf, unreadTotals,
} from './view/conversations.js';

/** Times such as "Yesterday" change by themselves. */
const TICK_MS = 30_000;
export class ParlorInbox extends HTMLElement {
  #banner = /** @type {ParlorBanner} */ (document.createElement('parlor-banner'));
  #list = /** @type {ParlorList} */ (document.createElement('parlor-list'));
  #thread = /** @type {ParlorThread} */ (document.createElement('parlor-thread'));
  /** @type {Pages|null} */
  #pages = null;
  /** @type {Warnings|null} */
  #warnings = null;
  #nothing = h('div', { class: 'thread' });
  #panes = h('div', { class: 'panes', role: 'main' }, this.#list);
  #filter = ALL;
  /** @type {Route} */
  #route = { at: 'list' };
  /** Where the unread line is: it stays while the conversation is open. @type {Divider|null|undefined} */
  #divider;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #soon;
  #limiter = new DrawLimiter(() => this.render());
  #leave = new AbortController();
  /** @type {MessageActions|null} */
  #acts = null;
  /** @type {SearchActions|null} */
  #searching = null;
  /** @type {ReadingActions|null} */
  #reading = null;
  /** @type {Arrivals|null} */
  #arrivals = null;
  #nothingKey = '';
  /** The open group dialog. @type {GroupDialog|null} */
  #group = null;

  /** @param {Client} client @param {Site} site */
  start(client, site) {
    this.client = client;
    this.site = site;
    this.className = 'parlor inbox';
    this.append(h('header', { class: 'visually-hidden' }, h('h1', {}, site.name)), this.#banner, this.#panes);
    toastPlace(this);
    this.#listen();
    this.#acts = new MessageActions({
      host: this, client, thread: this.#thread, open: () => this.#open(), changed: () => this.render(),
      signal: this.#leave.signal,
    });
    addKeyboardNavigation(this, { list: this.#list, thread: this.#thread, signal: this.#leave.signal });
    addRowMenu(this, { client, changed: () => this.render(), viewInput: () => this.#viewInput(), signal: this.#leave.signal });
    handleFiles(this, { client, open: () => this.#open(), thread: this.#thread, signal: this.#leave.signal });
    this.#reading = new ReadingActions({
      host: this, client, thread: this.#thread, open: () => this.#open(), show: (id) => this.#showThread(id),
      changed: () => this.render(), signal: this.#leave.signal,
    });
    this.#pages = new Pages({
      host: this, client, route: () => this.#route, changed: () => {
        this.#pane();
        this.render();
      },
    });
    this.#warnings = new Warnings({ host: this, client, place: this.#list.notices, goTo: (place) => void this.#reading?.goTo(place) });
    this.#arrivals = new Arrivals({ host: this, client, open: () => this.#open(), signal: this.#leave.signal });
    const { signal } = this.#leave;
    const stop = client.subscribe(() => this.#limiter.request());
    signal.addEventListener('abort', stop);
    const timer = setInterval(() => this.render(), TICK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    // The menus and dialogs are there before the first of them opens, also without a connection.
    const prefetch = () => void import('./actions/message-menus.js').catch(() => {});
    window.addEventListener('online', prefetch, { signal });
    watchIdle((idle) => this.#setIdle(idle), signal);
    client.start();
    this.#go(false);
    whenIdle(prefetch);
  }

  disconnectedCallback() {
    this.#leave.abort();
    clearTimeout(this.#soon);
    this.#limiter.drawing();
    showBadge(0);
  }

  #listen() {
    const { signal } = this.#leave;
    listen(this, {
      'parlor-open': ({ id }) => this.#goTo(id),
      'parlor-back': () => this.#back(),
      'parlor-new-conversation': () => this.#new(),
      'parlor-settings': () => { location.hash = '#/settings'; },
      'parlor-reports': () => { location.hash = '#/reports'; },
      'parlor-more-conversations': () => void this.client?.sync.loadList(),
      'parlor-filter': (filter) => this.#filterBy(filter),
      'parlor-reload': () => this.#withOpen((id) => void this.client?.sync.threads.open(id)),
      'parlor-send': ({ reply, ...words }) => this.#withOpen((id) =>
        this.client?.send(id, { ...words, ...this.#acts?.draft.take(id, reply), ...this.client.uploads.take(id) })),
      'parlor-draft': (words) => this.#withOpen((id) => this.#drafted(id, words)),
      'parlor-retry-send': ({ clientId }) => {
        this.#withOpen((id) => this.client?.retry(id, clientId));
        this.#thread.focusComposer();
      },
      'parlor-discard': ({ clientId }) => {
        this.#withOpen((id) => this.client?.discard(id, clientId));
        this.#thread.focusComposer();
      },
      'parlor-search-here': ({ id }) => this.#searchHere(id),
      'parlor-members': () => this.#members(),
      'parlor-reconnect': () => this.client?.wake(),
      'parlor-sign-out': () => void this.#signOut(),
    }, signal);
    window.addEventListener('hashchange', () => this.#go(true), { signal });
    window.addEventListener('online', () => this.client?.wake(), { signal });
    window.addEventListener('offline', () => this.client?.networkLost(), { signal });
    window.addEventListener('storage', ({ key }) => {
      this.client?.outbox.storageChanged(key);
      const isSendKey = key === `${this.client?.storage.prefix}${SEND_KEY}`;
      if (this.#acts?.draft.drafts.storageChanged(key) || isSendKey) this.render();
    }, { signal });
    window.addEventListener('focus', () => this.#thread.markVisible(), { signal });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return void this.client?.snapshotSaver.save();
      this.client?.wake();
      this.#thread.markVisible();
    }, { signal });
    addShortcuts({
      list: this.#list,
      thread: this.#thread,
      isOpen: () => this.#open() !== null,
      openSwitcher: () => this.#openSwitcher(),
      openHelp: () => void whenLoaded(this, import('./dialogs/shortcuts.js'), ({ openShortcuts }) => openShortcuts(this)),
      focusSearch: () => {
        this.#showList();
        this.#list.focusSearch();
      },
      searchHere: () => this.#searchHere(),
      step: (step, unreadOnly) => {
        const next = nextRow(stepsOf(this.#viewInput(), this.#filter), step, unreadOnly);
        if (next) this.#goTo(next.id);
      },
      signal,
    });
  }

  /** @param {boolean} isIdle */
  #setIdle(isIdle) {
    this.client?.ownActivity.setIdle(isIdle);
    this.#arrivals?.setIdle(isIdle);
    if (!this.#reading || this.#reading.isIdle === isIdle) return;
    this.#reading.isIdle = isIdle;
    if (!isIdle) this.#thread.markVisible();
  }

  #isOnePane() {
    return this.clientWidth < 700;
  }

  #showList() {
    if (this.#isOnePane() && this.#route.at !== 'list') location.hash = '#/';
    this.#panes.dataset.shows = 'list';
  }

  /** @param {number|null} [id] the open one by itself */
  #searchHere(id = this.#open()) {
    if (id === null) return;
    this.#showList();
    this.#withSearching((searching) => searching.searchIn(id));
  }

  /** @param {ListFilter} filter */
  #filterBy(filter) {
    this.#filter = filter;
    this.render();
    if (this.#searching || filter.query === '') return;
    this.#withSearching((searching) => searching.search.setQuery(this.#filter.query));
  }

  /** @param {(searching: SearchActions) => void} act */
  #withSearching(act) {
    void whenLoaded(this, import('./actions/search.js'), (part) => {
      const { client } = this;
      if (!client || !this.isConnected) return;
      this.#searching ??= new part.SearchActions({
        host: this, client, list: this.#list, viewInput: () => this.#viewInput(),
        goTo: (place) => void this.#reading?.goTo(place), changed: () => this.render(), signal: this.#leave.signal,
      });
      act(this.#searching);
    });
  }

  /** Returns the open conversation. @returns {number|null} */
  #open() {
    return this.#route.at === 'conversation' ? this.#route.id : null;
  }

  /** @param {(id: number) => void} act */
  #withOpen(act) {
    const id = this.#open();
    if (id !== null) act(id);
  }

  /** @param {number} id */
  #goTo(id) {
    if (this.#open() === id) this.#focusThread();
    else location.hash = hashOf(id);
  }

  /** Shows a conversation, unless it is on the screen. @param {number} id */
  #showThread(id) {
    if (this.#open() === id) this.#panes.dataset.shows = 'thread';
    else location.hash = hashOf(id);
  }

  #back() {
    const id = this.#open();
    location.hash = '#/';
    this.#go(false);
    this.#list.focusRow(id);
  }

  /** Goes to the address of the page. @param {boolean} focus */
  #go(focus) {
    const before = this.#open();
    const route = routeOf(location.hash);
    if (JSON.stringify(route) === JSON.stringify(this.#route) && this.#panes.dataset.shows) return;
    this.#route = route;
    const after = this.#open();
    if (before !== null && before !== after) this.client?.hideConversation(before);
    if (before !== null && before !== after) this.#acts?.draft.close(before);
    this.#divider = undefined;
    const target = this.#reading?.startingPoint(after) ?? null;
    if (after !== null && after !== before) this.#acts?.draft.open(after);
    if (after !== null) void this.client?.showConversation(after, target).then(() => this.#reading?.arrive());
    if (route.at === 'open') void this.#openAsked(route);
    this.#pages?.show(focus);
    this.#panes.dataset.shows = route.at === 'list' ? 'list' : 'thread';
    this.#pane();
    this.render();
    if (!focus || target !== null) return;
    if (route.at === 'conversation') this.#focusThread();
  }

  /** On a phone the keyboard opens only when the user touches the field. */
  #focusThread() {
    if (matchMedia('(pointer: coarse)').matches) this.#thread.focusHead();
    else this.#thread.focusComposer();
  }

  #pane() {
    const pane = this.#route.at === 'conversation' ? this.#thread : (this.#pages?.current ?? this.#nothing);
    const now = this.#panes.children[1];
    if (now === pane) return;
    if (now) now.replaceWith(pane);
    else this.#panes.append(pane);
  }

  /** @returns {ViewInput} */
  #viewInput() {
    if (!this.client) throw new Error('the inbox has not been started');
    return viewInputOf(this.client, { selected: this.#open(), draft: (id) => this.#acts?.draft.drafts.of(id).text ?? '' });
  }

  render() {
    const { client } = this;
    this.#limiter.drawing();
    if (!client || !this.isConnected) return;
    const viewInput = this.#viewInput();
    const { state } = client;
    const found = this.#searching?.view() ?? null;
    const filter = found ? { ...ALL, query: this.#filter.query } : this.#filter;
    this.#list.update({
      conversations: this.#searching?.showsConversations === false ? [] : filtered(viewInput, filter),
      rowOf: (conversation) => rowOf(conversation, viewInput),
      found,
      me: state.me,
      loaded: state.list.loaded,
      more: state.list.next !== null,
      progress: client.sync.listProgress,
      unread: unreadTotals(viewInput).conversations,
      ...this.#filter,
      ...contextFilter(viewInput, this.#filter.context),
      empty: isListEmpty(viewInput),
      reports: state.me?.moderator ? (state.reports.open ?? 0) : null,
    });
    this.classList.toggle('begins', !state.list.loaded);
    if (this.#route.at === 'conversation') this.#renderThread(viewInput, this.#route.id);
    else if (this.#pages?.current) this.#pages.update();
    else this.#renderNothing(viewInput);
    this.#renderBanner(viewInput);
    this.#title(viewInput);
    this.#reading?.markDelivered();
    this.#arrivals?.check();
    this.#warnings?.check();
    this.#renderGroup();
    this.#watch(viewInput);
    this.#limiter.drawn();
  }

  /** @param {ViewInput} viewInput @param {number} id */
  #renderThread(viewInput, id) {
    const { client } = this;
    const conversation = viewInput.state.conversations.get(id);
    if (!client) return;
    if (conversation && this.#divider === undefined) {
      const count = unreadOf(conversation, client.readMarkers.readUpTo(id));
      const { read_seq: read = 0, read_at: at = null } = memberOf(conversation, client.user) ?? {};
      this.#divider = count > 0 ? { seq: read + 1, count, since: at === null ? null : Date.parse(at) } : null;
    }
    this.#thread.update(threadView(viewInput, {
      id,
      divider: this.#divider ?? null,
      offline: this.#isOffline(viewInput.now),
      progress: client.sync.threads.progress.get(id) ?? 'idle',
      side: client.sync.threads.side.get(id) ?? null,
      draft: viewInput.draft(id),
      draftTaken: this.#acts?.draft.drafts.takenCount(id) ?? 0,
      charsMax: client.limits.text_chars_max,
      subjectMax: client.limits.subject_chars_max,
      drafting: this.#acts?.draft.of(id) ?? { reply: null, subject: null, mentions: [], editing: null },
      withPending: (message) => client.pendingReactions.withPending(message),
      isJumping: this.#reading?.isJumping(id) ?? false,
      attached: client.uploads.draftFiles(id),
      bytesMax: client.limits.upload_bytes_max,
      enterSends: client.storage.get(SEND_KEY) !== 'Ctrl Enter',
    }));
  }

  /** @param {ViewInput} viewInput */
  #renderNothing(viewInput) {
    // The error of a link stays until the user goes on.
    if (this.#route.at === 'open' && this.#nothingKey === 'failed') return;
    const empty = viewInput.state.list.loaded && listed(viewInput).length === 0;
    const key = String(empty);
    if (key === this.#nothingKey) return;
    this.#nothingKey = key;
    this.#nothing.replaceChildren(noConversationSelected(empty, () => this.#new()));
  }

  /** @param {number} now @returns {boolean} */
  #isOffline(now) {
    const { lostAt = null, savedAt = null } = this.client ?? {};
    return savedAt !== null || (lostAt !== null && now - lostAt >= QUIET_MS);
  }

  /** @param {ViewInput} viewInput */
  #renderBanner({ now }) {
    const { client } = this;
    if (!client) return;
    const { activeCount: waiting, sentCount: sent, isPersisted: safe } = client.outbox;
    const again = this.#banner.update({ mode: client.mode, lostAt: client.lostAt, savedAt: client.savedAt, now, sent, waiting, safe });
    this.toggleAttribute('data-offline', this.#isOffline(now));
    clearTimeout(this.#soon);
    if (again !== null) this.#soon = setTimeout(() => this.render(), again + 20);
  }

  /** @param {ViewInput} viewInput */
  #title(viewInput) {
    const count = unreadTotals(viewInput).messages;
    const open = viewInput.selected === null ? undefined : viewInput.state.conversations.get(viewInput.selected);
    const where = open ? nameOf(viewInput.state, open) : this.#route.at === 'reports' ? say.reports : say.messages;
    const title = `${count > 0 ? `(${shortCount(count)}) ` : ''}${isolated(where)} · ${isolated(this.site?.name ?? '')}`;
    if (document.title !== title) document.title = title;
    showBadge(count);
  }

  /** @param {number} id @param {{text: string, mentions: Mention[], draft?: number}} words */
  #drafted(id, { draft, ...words }) {
    if (words.text === '') this.client?.ownActivity.stopTyping();
    else this.client?.ownActivity.typing(id);
    this.#acts?.draft.write(id, words, draft);
  }

  #openSwitcher() {
    void whenLoaded(this, import('./dialogs/switcher.js'), ({ openSwitcher }) => {
      const { client } = this;
      if (!client || !this.isConnected || document.querySelector('dialog[open]')) return;
      openSwitcher(this, client, {
        find: (query) => filtered(this.#viewInput(), { ...ALL, query }), open: (id) => this.#goTo(id),
        places: client.state.me?.moderator ? [{ name: say.reports, sign: 'flag', open: () => { location.hash = '#/reports'; } }] : [],
      });
    });
  }

  #new() {
    if (this.client) startConversation(this, this.client, (id) => this.#goTo(id));
  }

  /** @param {Route} route */
  async #openAsked(route) {
    if (route.at !== 'open') return;
    const { context, role, user } = route;
    try {
      const opened = await this.client?.openConversation({ context, role, user });
      if (opened && this.#route === route) location.replace(hashOf(opened.id));
    } catch (error) {
      if (this.#route !== route) return;
      this.#nothingKey = 'failed';
      replaceChildren(this.#nothing, [cannotOpenConversation(error, user !== undefined && user === this.client?.user, {
        again: () => void this.#openAsked(route), back: () => { location.hash = '#/'; },
      })], () => this.#nothing.querySelector('button')?.focus());
    }
  }

  #members() {
    void whenLoaded(this, import('./dialogs/group.js'), (part) => {
      const { client } = this;
      const id = this.#open();
      const view = client && id !== null ? groupView(client, id) : null;
      if (client && view) this.#group = new part.GroupDialog(this, client, view, () => this.#back());
    });
  }

  /** Keeps the open group dialog up to date; it closes with its group. */
  #renderGroup() {
    const group = this.#group;
    if (!group) return;
    const view = group.isOpen && this.client ? groupView(this.client, group.id) : null;
    if (view) {
      group.update(view);
    } else {
      group.close();
      this.#group = null;
    }
  }

  /** Watches the presence of the users on the screen. @param {ViewInput} viewInput */
  #watch({ state, selected }) {
    const { client } = this;
    if (!client || client.lostAt !== null) return;
    const open = selected === null ? undefined : state.conversations.get(selected);
    client.ownActivity.watch(watchedUsers(state, listed(this.#viewInput()), open));
  }

  async #signOut() {
    try {
      await this.#acts?.draft.sync?.finish();
      await this.client?.signOut();
    } catch (error) {
      this.#pages?.signOutFailed(error);
    }
  }
}

customElements.define('parlor-inbox', ParlorInbox);
