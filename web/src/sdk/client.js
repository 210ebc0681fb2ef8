/**
 * Parlor for one signed-in person: the state, kept equal to the store, and what one can do. It knows no DOM; time,
 * chance, network and storage are handed in.
 *
 * @import {Carry} from './upload-request.js'
 * @import {Journal} from './journal.js'
 * @import {Clock} from './clock.js'
 * @import {Fetch} from './http.js'
 * @import {Mode} from './connection.js'
 * @import {Shelf} from './storage.js'
 * @import {Vault} from './blob-store.js'
 * @import {WebSocketLike} from './socket.js'
 * @import {Changed, Command, Conversation, Event, Found, Members, MessageChanged, MessagePlace, Open,
 *   Message, MessagePage, PassingEvent, Reactions, Role, Search, User} from './wire.js'
 * @import {Content} from './outbox-item.js'
 */
import { ownIn } from './queries.js';
import { Connection } from './connection.js';
import { asKnown } from './events.js';
import { Http } from './http.js';
import { idMaker } from './ids.js';
import { noJournal } from './journal.js';
import { Marks } from './read-markers.js';
import { allReactions, withinPages } from './paging.js';
import { Passing } from './ephemeral.js';
import { Here } from './own-activity.js';
import { mayRetry } from './problem.js';
import { Reacting } from './reactions.js';
import { Outbox } from './outbox.js';
import { Keep, eraseOf, eraseOthers } from './storage.js';
import { Sync } from './sync.js';
import { Uploads } from './uploads.js';
import { noVault } from './blob-store.js';

/** How often to ask what changed, though all seems well. */
const REFRESH_MS = 180_000;
/** What can be said twice is tried so often before it is given up. */
const TRIES = 3;
const TRY_AGAIN_MS = 1_000;
/** Of what is around a message that is looked at. */
const LOOK_ROWS = 40;

/** `asked` is the turn of the state when it was asked for. @typedef {{page: MessagePage, asked: number}} Looked */

export class Client {
  /** When the connection was lost; null while there is one. @type {number|null} */
  lostAt = null;
  limits = {
    text_chars_max: 10_000, subject_chars_max: 255, conversation_fan_out_max: 64, password_chars_min: 8,
    message_attachments_max: 10, upload_bytes_max: 0, group_members_max: 1_000, name_chars_max: 100,
    ping_interval_ms: 25_000, poll_wait_max_ms: 25_000, edit_within_ms: 0, delete_within_ms: 0, search: true,
    who_may_write: 'everyone',
  };
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {unknown} */
  #refresh = null;
  #telling = false;
  /** @type {Map<string, string>} */
  #wishes = new Map();

  /** @param {{
   *   user: number, clock: Clock, fetch: Fetch, socket: () => WebSocketLike, shelf: Shelf,
   *   ended: () => void, carry: Carry, vault?: Vault, journal?: Journal,
   * }} parts */
  constructor({ user, clock, fetch, socket, shelf, ended, carry, vault = noVault, journal = noJournal }) {
    eraseOthers(shelf, user);
    this.journal = journal;
    this.vault = vault;
    this.user = user;
    this.clock = clock;
    this.keep = new Keep(shelf, user);
    this.http = new Http({ fetch, clock, user, carry });
    this.newId = idMaker(clock);
    const changed = () => this.#tell();
    /** @type {(command: Command) => Promise<any>} */
    const request = withinPages((command) => this.connection.request(command));
    this.request = request;
    this.sync = new Sync({
      user, clock, request, isLive: () => this.connection.isLive, changed: () => this.#told(),
    });
    this.marks = new Marks({ clock, request });
    this.passing = new Passing({ user, clock, changed });
    this.here = new Here({ clock, passing: this.passing, request, isLive: () => this.connection.isLive });
    this.reacting = new Reacting({ user, changed, react: (place, on) => this.#react(place, on) });
    this.uploads = new Uploads({
      carry, clock, newId: this.newId, keep: this.keep, changed, limits: () => this.limits,
      settled: () => this.outbox.resume(), vault, isNoted: (id) => this.outbox.isKept(id),
    });
    this.outbox = new Outbox({
      keep: this.keep, clock, newId: this.newId, request, changed, turn: () => this.state.turn, journal,
      files: this.uploads,
      sent: (sent, asked) => {
        this.uploads.release((sent.message.attachments ?? []).map((one) => one.id));
        this.sync.take({ kind: 'sent', sent, asked });
      },
    });
    this.connection = new Connection({
      user,
      http: this.http,
      open: socket,
      clock,
      on: {
        cursor: () => this.sync.cursor(),
        heads: (heads) => {
          if (heads.reset) this.marks.forget();
          this.sync.heads(heads);
        },
        event: (event) => this.#hear(event),
        mode: (mode) => this.#modeChanged(mode),
        settled: () => this.sync.settled(),
        ended: () => {
          this.stop();
          void this.#erase();
          ended();
        },
      },
    });
  }

  get state() {
    return this.sync.state;
  }

  /** @returns {Mode} */
  get mode() {
    return this.connection.mode;
  }

  start() {
    this.lostAt = this.clock.now();
    this.connection.start();
    this.uploads.start();
    void this.#tidy();
    void this.#loadLimits();
    const refresh = () => {
      void this.connection.refresh();
      this.outbox.resume();
      this.#refresh = this.clock.after(REFRESH_MS, refresh);
    };
    this.#refresh = this.clock.after(REFRESH_MS, refresh);
  }

  async #loadLimits() {
    try {
      // What an older server does not tell is as it was.
      this.limits = { ...this.limits, ...(await this.http.ask('GET', '/v1/limits')) };
      this.connection.goBy(this.limits);
      this.sync.take({ kind: 'limits', fanOutMax: this.limits.conversation_fan_out_max });
    } catch {
      // The defaults hold until the next page.
    }
  }

  stop() {
    this.clock.stop(this.#refresh);
    this.connection.stop();
    this.sync.stop();
    this.outbox.stop();
    this.uploads.stop();
    this.marks.stop();
    this.here.stop();
    this.passing.lost();
  }

  /** Tells of every change of the state, the outbox or the connection, once for those that come together.
   * @param {() => void} listener @returns {() => void} ends it */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The network or the page came back. */
  nudge() {
    this.connection.nudge();
    this.uploads.resume();
    this.outbox.resume();
  }

  /** The browser says that there is no network. */
  lost() {
    this.connection.doubt();
  }

  /** Puts a message into the outbox. @param {number} conversation @param {string|Content} content */
  send(conversation, content) {
    this.here.wrote(conversation);
    this.outbox.add(conversation, typeof content === 'string' ? { text: content } : content);
  }

  /** Tries again what was refused, its files too. @param {number} conversation @param {string} clientId */
  retry(conversation, clientId) {
    const item = this.outbox.of(conversation).find((one) => one.client_id === clientId);
    for (const id of item?.uploads ?? []) this.uploads.retry(id);
    this.outbox.retry(clientId);
    this.nudge();
  }

  /** Gives up what waits, its files too. @param {number} conversation @param {string} clientId */
  discard(conversation, clientId) {
    const item = this.outbox.of(conversation).find((one) => one.client_id === clientId);
    this.outbox.discard(clientId);
    // What may have been sent may have them.
    if (item && (item.state === 'refused' || !item.tried)) for (const id of item.uploads ?? []) this.uploads.remove(id);
  }

  /** Stops a file of a message that waits for its files: the message is taken back, and the other files are of the
   * draft again. @param {number} conversation @param {string} upload
   * @returns {{text: string, subject?: string, reply_to?: number}|null} what it said; none where it may have been sent */
  takeBack(conversation, upload) {
    const item = this.outbox.of(conversation).find((one) => one.uploads?.includes(upload));
    if (!item || (item.tried && item.state !== 'refused')) return null;
    this.outbox.discard(item.client_id);
    this.uploads.remove(upload);
    this.uploads.giveBack((item.uploads ?? []).filter((one) => one !== upload), conversation);
    return item;
  }

  /** Sends again, elsewhere, what a message says and carries. @param {MessagePlace} from
   * @param {number[]} conversations @param {string} text what is shown of it until it is sent */
  forward(from, conversations, text) {
    for (const one of conversations) this.outbox.add(one, { text, forward: from });
  }

  /** @param {number} conversation @param {number} seq @param {string} text @param {string} [subject] none takes it
   * away @returns {Promise<void>} */
  async edit(conversation, seq, text, subject) {
    await this.#changeMessage({ type: 'message.edit', conversation, seq, text, subject: subject || null });
  }

  /** Deletes for everyone. @param {number} conversation @param {number} seq @returns {Promise<void>} */
  async deleteMessage(conversation, seq) {
    await this.#changeMessage({ type: 'message.delete', conversation, seq });
  }

  /** Deletes for me alone. @param {number} conversation @param {number} seq @returns {Promise<void>} */
  async hideMessage(conversation, seq) {
    /** @type {Changed} */
    const { version } = await this.#surely({ type: 'message.hide', conversation, seq });
    this.sync.take({ kind: 'hidden', place: { conversation, seq }, version });
  }

  /** Shown at once, taken back when refused. @param {number} conversation @param {number} seq @param {string} emoji
   * @param {boolean} on @returns {Promise<void>} */
  react(conversation, seq, emoji, on) {
    return this.reacting.choose({ conversation, seq, emoji }, on);
  }

  /** Who reacted how. @param {number} conversation @param {number} seq @returns {Promise<Reactions['reactions']>} */
  async reactions(conversation, seq) {
    return allReactions((after) => this.request({
      type: 'message.reactions', conversation, seq, ...(after === undefined ? {} : { after }),
    }));
  }

  /** @param {Search} search @returns {Promise<Found>} */
  async search(search) {
    /** @type {Found} */
    const found = await this.request({ type: 'message.search', ...search });
    this.sync.take({ kind: 'users', users: found.users });
    return found;
  }

  /** These messages are shown because they were found: from now on their changes are heard of.
   * @param {Message[]} messages @param {boolean} first those of before are shown no more */
  found(messages, first) {
    this.sync.take({ kind: 'found', messages, first });
  }

  /** What is around a message; nothing changes by it. @param {number} conversation @param {number} seq
   * @returns {Promise<Looked>} */
  async look(conversation, seq) {
    const asked = this.state.turn;
    /** @type {MessagePage} */
    const page = await this.request({
      type: 'message.list', conversation, around: seq, limit: LOOK_ROWS,
    });
    return { page, asked };
  }

  /** What was looked at is known from now on, and is what the thread shows if that is wished.
   * @param {number} conversation @param {Looked} looked @param {boolean} show */
  taken(conversation, { page, asked }, show) {
    this.sync.take({ kind: 'seen', messages: page.messages });
    // Where nothing is known of the conversation, its row comes first.
    if (!show || !this.state.conversations.has(conversation)) return;
    if (!this.state.threads.has(conversation)) this.sync.take({ kind: 'opening', conversation });
    this.sync.take({ kind: 'messages', conversation, page, asked });
  }

  /** @param {import('./reactions.js').Place} place @param {boolean} on */
  async #react(place, on) {
    await this.#changeMessage({ type: 'message.react', ...place, on });
  }

  /** @param {Command} command */
  async #changeMessage(command) {
    const asked = this.state.turn;
    /** @type {MessageChanged} */
    const changed = await this.#surely(command);
    this.sync.take({ kind: 'changed', changed, asked });
  }

  /** Asks for what may be done twice, a few times. @param {Command} command @returns {Promise<any>} */
  async #surely(command) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.connection.request(command);
      } catch (error) {
        if (!mayRetry(error) || tries >= TRIES) throw error;
      }
      await new Promise((resolve) => {
        this.clock.after(TRY_AGAIN_MS * tries, () => resolve(null));
      });
    }
  }

  /** Shows a conversation on this page, at its end or around a message. @param {number} conversation
   * @param {number|null} [seq] */
  async show(conversation, seq = null) {
    this.#show([conversation]);
    await this.sync.open(conversation, seq);
  }

  /** Shows a thread at a place: a message that was found or quoted, or its beginning.
   * @param {number} conversation @param {number} seq @returns {Promise<boolean>} whether it is held then */
  jump(conversation, seq) {
    return this.sync.around(conversation, seq);
  }

  /** Shows a thread at its end. @param {number} conversation @returns {Promise<void>} */
  async toLatest(conversation) {
    await this.sync.latest(conversation);
  }

  /** @param {number} conversation */
  hide(conversation) {
    this.here.stopTyping();
    this.sync.close(conversation);
    this.#show([]);
  }

  /** @param {Omit<Open, 'client_id'>} whom @returns {Promise<Conversation>} */
  async open(whom) {
    const asked = this.state.turn;
    // The same wish keeps its name until it is fulfilled, so that trying again opens no second group.
    const wish = JSON.stringify(whom);
    const clientId = this.#wishes.get(wish) ?? this.newId();
    this.#wishes.set(wish, clientId);
    const answer = await this.connection.request({ type: 'conversation.open', client_id: clientId, ...whom });
    this.#wishes.delete(wish);
    this.sync.take({ kind: 'conversation', conversation: answer.conversation, users: answer.users, asked });
    return answer.conversation;
  }

  /** People whom I may write to. @param {string} query @returns {Promise<User[]>} */
  async people(query) {
    const answer = await this.request({ type: 'user.list', query, limit: 30 });
    return answer.users;
  }

  /** @param {number} conversation @param {number[]} users @param {'from_joining'|'from_start'} [history] */
  async addMembers(conversation, users, history) {
    const more = history ? { history } : {};
    this.#changed(conversation, await this.connection.request({ type: 'member.add', conversation, users, ...more }));
  }

  /** @param {number} conversation @param {number} user @param {Role} role */
  async setRole(conversation, user, role) {
    this.#changed(conversation, await this.#surely({ type: 'member.update', conversation, user, role }));
  }

  /** @param {number} conversation @param {string} title */
  async setTitle(conversation, title) {
    this.#changed(conversation, await this.#surely({ type: 'conversation.update', conversation, title }));
  }

  /** @param {number} conversation @param {Blob|null} picture none takes it away */
  async setGroupPicture(conversation, picture) {
    const changed = await this.http.setGroupPicture(conversation, picture);
    if (changed) this.#changed(conversation, changed);
    else void this.connection.refresh();
  }

  /** A page of all members, with their markers as they are now. @param {number} conversation @param {string} [after]
   * @returns {Promise<Members>} */
  async members(conversation, after) {
    /** @type {Members} */
    const page = await this.connection.request({
      type: 'member.list', conversation, ...(after === undefined ? {} : { after }),
    });
    this.sync.take({ kind: 'users', users: page.members.map((one) => one.user) });
    return page;
  }

  /** @param {number} conversation @param {number} user */
  async removeMember(conversation, user) {
    const asked = this.state.turn;
    const changed = await this.connection.request({ type: 'member.remove', conversation, user });
    if (user === this.user) this.sync.take({ kind: 'gone', scope: `conversation:${conversation}`, asked });
    else this.#changed(conversation, changed);
  }

  /** @param {string} name */
  async rename(name) {
    await this.setMe({ name });
  }

  /** @param {{name?: string, receipts?: boolean, presence?: boolean}} settings */
  async setMe(settings) {
    await this.#surely({ type: 'me.update', ...settings });
    await this.sync.loadMe();
  }

  /** @param {Blob|null} picture */
  async setPicture(picture) {
    await this.http.setPicture(picture);
    await this.sync.loadMe();
  }

  async signOut() {
    await this.http.signOut();
    this.stop();
    await this.#erase();
  }

  async #erase() {
    eraseOf(this.keep.shelf, this.user);
    await Promise.all([this.vault.erase('mine'), this.journal.erase('mine')]);
  }

  /** Bytes of others, and of what is neither of a draft nor of a message that waits. */
  async #tidy() {
    await Promise.all([this.vault.erase('others'), this.journal.erase('others'), this.outbox.restored]);
    const noted = this.keep.names('file:').map((name) => name.slice('file:'.length));
    await this.vault.prune(new Set([...noted, ...this.outbox.uploads]));
  }

  /** @param {Event|PassingEvent} event */
  #hear(event) {
    if (!('scope' in event)) {
      this.passing.take(event);
      return;
    }
    if (event.type === 'message.created') this.passing.ended(event.message.conversation, event.message.sender);
    this.sync.event(asKnown(event));
  }

  /** @param {number} conversation @param {Changed} changed */
  #changed(conversation, changed) {
    /** @type {Event} */
    const event = { type: 'scope.changed', scope: `conversation:${conversation}`, version: changed.version };
    this.sync.event(event);
  }

  /** @type {number[]} */
  #shown = [];

  /** @param {number[]} conversations */
  async #show(conversations) {
    this.#shown = conversations;
    if (!this.connection.isLive) return;
    try {
      const { heads } = await this.connection.request({ type: 'conversation.show', conversations });
      for (const head of heads) this.sync.event({ type: 'scope.changed', ...head });
    } catch {
      // It is said again with the next socket.
    }
  }

  /** @param {Mode} mode */
  #modeChanged(mode) {
    const open = mode === 'live' || mode === 'long_poll' || mode === 'poll';
    this.lostAt = open ? null : (this.lostAt ?? this.clock.now());
    if (open) {
      this.uploads.resume();
      this.outbox.resume();
    }
    if (mode === 'live' && this.#shown.length > 0) void this.#show(this.#shown);
    if (open) this.here.opened();
    else this.passing.lost();
    this.#tell();
  }

  /** What is held has changed, perhaps by what waits to be sent. */
  #told() {
    for (const id of this.outbox.conversations()) this.outbox.settle(id, ownIn(this.state, id));
    this.#tell();
  }

  #tell() {
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
