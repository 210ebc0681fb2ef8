/**
 * Parlor for one signed-in person: the state, kept equal to the store, and what one can do. It knows no DOM; time,
 * chance, network and storage are handed in.
 *
 * @import {Clock} from './clock.js'
 * @import {Fetch} from './http.js'
 * @import {Mode} from './connection.js'
 * @import {Model} from './sync.js'
 * @import {Shelf} from './storage.js'
 * @import {WebSocketLike} from './socket.js'
 * @import {Changed, Conversation, Event, Open, User} from './wire.js'
 */
import { Connection } from './connection.js';
import { Http } from './http.js';
import { idMaker } from './ids.js';
import { Marks } from './marks.js';
import { Outbox } from './outbox.js';
import { Keep, eraseOf, eraseOthers } from './storage.js';
import { Sync } from './sync.js';

/** How often to ask what changed, though all seems well. */
const REFRESH_MS = 180_000;

export class Client {
  /** When the connection was lost; null while there is one. @type {number|null} */
  lostAt = null;
  limits = { text_chars_max: 10_000, conversation_fan_out_max: 64, password_chars_min: 8 };
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {unknown} */
  #refresh = null;
  #telling = false;
  /** @type {Map<string, string>} */
  #wishes = new Map();

  /** @param {{
   *   user: number, model: Model, clock: Clock, fetch: Fetch, socket: () => WebSocketLike, shelf: Shelf,
   *   ended: () => void,
   * }} parts */
  constructor({ user, model, clock, fetch, socket, shelf, ended }) {
    eraseOthers(shelf, user);
    this.user = user;
    this.clock = clock;
    this.keep = new Keep(shelf, user);
    this.http = new Http({ fetch, clock, user });
    this.newId = idMaker(clock);
    const changed = () => this.#tell();
    /** @type {(command: import('./wire.js').Command) => Promise<any>} */
    const request = (command) => this.connection.request(command);
    this.sync = new Sync({ user, model, clock, request, isLive: () => this.connection.isLive, changed });
    this.marks = new Marks({ clock, request });
    this.outbox = new Outbox({
      keep: this.keep, clock, newId: this.newId, request, changed,
      sent: (sent, asked) => this.sync.take({ kind: 'sent', sent, asked }), turn: () => this.state.turn,
    });
    this.connection = new Connection({
      user,
      http: this.http,
      open: socket,
      clock,
      on: {
        cursor: () => this.sync.cursor(),
        heads: (heads) => this.sync.heads(heads),
        event: (event) => this.sync.event(event),
        mode: (mode) => this.#modeChanged(mode),
        settled: () => this.sync.settled(),
        ended: () => {
          this.stop();
          eraseOf(shelf, user);
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
    void this.#loadLimits();
    const refresh = () => {
      void this.connection.refresh();
      this.#refresh = this.clock.after(REFRESH_MS, refresh);
    };
    this.#refresh = this.clock.after(REFRESH_MS, refresh);
  }

  async #loadLimits() {
    try {
      this.limits = await this.http.ask('GET', '/v1/limits');
      this.sync.take({ kind: 'limits', fanOutMax: this.limits.conversation_fan_out_max });
    } catch {
      // The defaults hold until the next page.
    }
  }

  stop() {
    this.clock.stop(this.#refresh);
    this.connection.stop();
    this.outbox.stop();
    this.marks.stop();
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
    this.outbox.resume();
  }

  /** @param {number} conversation @param {string} text */
  send(conversation, text) {
    this.outbox.add(conversation, text);
  }

  /** Shows a conversation on this page. @param {number} conversation */
  async show(conversation) {
    this.#show([conversation]);
    await this.sync.open(conversation);
  }

  /** @param {number} conversation */
  hide(conversation) {
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
    this.sync.take({ kind: 'conversation', conversation: answer.conversation, asked });
    return answer.conversation;
  }

  /** People whom I may write to. @param {string} query @returns {Promise<User[]>} */
  async people(query) {
    const answer = await this.connection.request({ type: 'user.list', query, limit: 30 });
    return answer.users;
  }

  /** @param {number} conversation @param {number[]} users */
  async addMembers(conversation, users) {
    this.#changed(conversation, await this.connection.request({ type: 'member.add', conversation, users }));
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
    await this.connection.request({ type: 'me.update', name });
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
    eraseOf(this.keep.shelf, this.user);
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
    if (open) this.outbox.resume();
    if (mode === 'live' && this.#shown.length > 0) void this.#show(this.#shown);
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
