/**
 * Parlor for one signed-in user: the state, kept in sync with the server, and everything that the user can do. It does
 * not know the DOM; time, randomness, network and storage are passed in.
 *
 * @import {UploadTransport} from './upload-request.js'
 * @import {Journal} from './journal.js'
 * @import {Clock} from './clock.js'
 * @import {Fetch} from './http.js'
 * @import {Mode} from './connection.js'
 * @import {StorageLike} from './storage.js'
 * @import {BlobStore} from './blob-store.js'
 * @import {Snapshot} from './snapshot.js'
 * @import {Snapshots} from './snapshots.js'
 * @import {WebSocketLike} from './socket.js'
 * @import {Changed, Command, Conversation, EphemeralEvent, Event, Found, Mention, Message, MessageChanged, MessagePage,
 *   MessagePlace, Open, SearchQuery, SettingsUpdate, User} from './wire.js'
 * @import {Content} from './outbox-item.js'
 */
import { ownClientIds } from './queries.js';
import { Connection } from './connection.js';
import { knownEvent } from './events.js';
import { Http } from './http.js';
import { eraseStored, eraseStoredByOthers } from './erasure.js';
import { createIdGenerator } from './ids.js';
import { noJournal } from './journal.js';
import { ReadMarkers } from './read-markers.js';
import { withinPageLimit } from './paging.js';
import { Ephemeral } from './ephemeral.js';
import { OwnActivity } from './own-activity.js';
import { PendingReactions } from './reactions.js';
import { withRetry } from './retry.js';
import { SharedValues } from './shared-values.js';
import { noSnapshots } from './snapshots.js';
import { Outbox } from './outbox.js';
import { areSettingsCurrent, nextMuteEnd, settingsOf } from './state/settings.js';
import { readSeqOf } from './state/conversations.js';
import { SnapshotSaver } from './snapshot-saver.js';
import { UserStorage, eraseOtherUsers } from './storage.js';
import { Sync } from './sync.js';
import { Uploads } from './uploads.js';
import { noBlobStore } from './blob-store.js';

/** How often to ask for changes, even if all seems well. */
const REFRESH_MS = 180_000;
/** How many messages to load around a message. */
const AROUND_ROWS = 40;

/** `requestedAt` is the turn of the state at the time of the request; `isCurrent` tells whether it may be applied.
 * @typedef {{page: MessagePage, requestedAt: number, isCurrent: () => boolean}} LoadedPage */

export class Client {
  /** When the connection was lost; null while there is one. @type {number|null} */
  lostAt = null;
  limits = {
    text_chars_max: 10_000, subject_chars_max: 255, conversation_fan_out_max: 64, password_chars_min: 8,
    message_attachments_max: 10, upload_bytes_max: 0, group_members_max: 1_000, name_chars_max: 100,
    ping_interval_ms: 25_000, poll_wait_max_ms: 25_000, edit_within_ms: 0, delete_within_ms: 0, search: true,
    who_may_write: 'everyone', report_note_chars_max: 1_000, reports_per_day_max: 0,
  };
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {unknown} */
  #refreshTimer = null;
  #notifying = false;
  /** @type {Map<string, string>} */
  #openIds = new Map();
  /** The conversation that was opened before its settings were known. @type {number|null} */
  #openedUnchecked = null;
  /** Once the session has ended. @type {Promise<void>|null} */
  #erasure = null;

  /** @param {{
   *   user: number, clock: Clock, fetch: Fetch, socket: () => WebSocketLike, storage: StorageLike,
   *   onSessionEnd: () => void, uploadTransport: UploadTransport, blobStore?: BlobStore, journal?: Journal,
   *   snapshots?: Snapshots, snapshot?: Snapshot|null,
   * }} parts `snapshot`: the last known inbox of this user, to begin with */
  constructor({
    user, clock, fetch, socket, storage, onSessionEnd, uploadTransport, blobStore = noBlobStore, journal = noJournal,
    snapshots = noSnapshots, snapshot = null,
  }) {
    eraseOtherUsers(storage, user);
    this.journal = journal;
    this.snapshots = snapshots;
    /** When what is shown was kept on the device; null once there was a connection. @type {number|null} */
    this.savedAt = snapshot?.savedAt ?? null;
    this.blobStore = blobStore;
    this.user = user;
    this.clock = clock;
    this.storage = new UserStorage(storage, user);
    this.shared = new SharedValues(this.storage);
    this.onSessionEnd = onSessionEnd;
    this.http = new Http({ fetch, clock, user, uploadTransport });
    this.newId = createIdGenerator(clock);
    const changed = () => this.#notify();
    /** @type {(command: Command) => Promise<any>} */
    const request = withinPageLimit((command) => this.connection.request(command));
    this.request = request;
    this.requestWithRetry = withRetry(clock, request);
    this.sync = new Sync({
      user, clock, request, isLive: () => this.connection.isLive, changed: () => this.#stateChanged(),
      state: snapshot?.state,
    });
    this.snapshotSaver = new SnapshotSaver({
      clock, snapshots, state: () => this.state, isConnected: () => this.lostAt === null,
    });
    this.readMarkers = new ReadMarkers({ clock, request, stored: (id) => readSeqOf(this.state, id) });
    this.ephemeral = new Ephemeral({ user, clock, changed });
    this.ownActivity = new OwnActivity({ clock, ephemeral: this.ephemeral, request, isLive: () => this.connection.isLive });
    this.pendingReactions = new PendingReactions({ user, changed, react: (place, on) => this.#react(place, on) });
    this.uploads = new Uploads({
      transport: uploadTransport, clock, newId: this.newId, storage: this.storage, changed, limits: () => this.limits,
      onSettled: () => this.outbox.resume(), blobStore, isMessageStored: (id) => this.outbox.isStored(id),
    });
    this.outbox = new Outbox({
      storage: this.storage, clock, newId: this.newId, request, changed, turn: () => this.state.turn, journal,
      files: this.uploads,
      onSent: (sent, requestedAt) => {
        this.uploads.release((sent.message.attachments ?? []).map((one) => one.id));
        this.sync.applyInput({ kind: 'sent', sent, requestedAt });
      },
    });
    this.connection = new Connection({
      user,
      http: this.http,
      open: socket,
      clock,
      handlers: {
        cursor: () => this.sync.cursor(),
        heads: (heads) => {
          if (heads.reset) this.readMarkers.reset();
          this.sync.applyHeads(heads);
        },
        event: (event) => this.#receive(event),
        mode: (mode) => this.#modeChanged(mode),
        settled: () => this.sync.settled(),
        ended: () => void this.endSession(),
      },
    });
  }

  get state() {
    return this.sync.state;
  }

  /** Returns the server's time, as far as it is known: a mute ends at the same time on all devices. */
  serverNow() {
    return this.clock.now() + this.http.serverAheadMs;
  }

  /** @returns {Mode} */
  get mode() {
    return this.connection.mode;
  }

  start() {
    this.lostAt = this.clock.now();
    this.connection.start();
    this.uploads.start();
    void this.#cleanUp();
    void this.#loadLimits();
    const refresh = () => {
      void this.connection.refresh();
      const muteEnd = nextMuteEnd(this.state);
      if (muteEnd !== null && muteEnd <= new Date(this.serverNow()).toISOString()) this.sync.applyInput({ kind: 'totals' });
      this.outbox.resume();
      this.#refreshTimer = this.clock.after(REFRESH_MS, refresh);
    };
    this.#refreshTimer = this.clock.after(REFRESH_MS, refresh);
  }

  async #loadLimits() {
    try {
      // Limits that an older server does not report keep their defaults.
      this.limits = { ...this.limits, ...(await this.http.request('GET', '/v1/limits')) };
      this.connection.setLimits(this.limits);
      this.sync.applyInput({ kind: 'limits', fanOutMax: this.limits.conversation_fan_out_max });
    } catch {
      // The defaults hold until the next page load.
    }
  }

  stop() {
    this.clock.stop(this.#refreshTimer);
    this.snapshotSaver.stop();
    this.connection.stop();
    this.sync.stop();
    this.outbox.stop();
    this.uploads.stop();
    this.readMarkers.stop();
    this.ownActivity.stop();
    this.ephemeral.clear();
  }

  /** Reports every change of the state, the outbox or the connection; changes at the same time are reported once.
   * @param {() => void} listener @returns {() => void} unsubscribes */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tries everything again at once: the network or the page came back. */
  wake() {
    this.connection.wake();
    this.uploads.resume();
    this.outbox.resume();
  }

  /** Handles the browser's report that there is no network. */
  networkLost() {
    this.connection.networkLost();
  }

  /** Adds a message to the outbox. @param {number} conversation @param {string|Content} content */
  send(conversation, content) {
    this.ownActivity.messageSent(conversation);
    this.outbox.add(conversation, typeof content === 'string' ? { text: content } : content);
  }

  /** Retries a message that was refused, and its files. @param {number} conversation @param {string} clientId */
  retry(conversation, clientId) {
    const item = this.outbox.itemsIn(conversation).find((one) => one.client_id === clientId);
    for (const id of item?.uploads ?? []) this.uploads.retry(id);
    this.outbox.retry(clientId);
    this.wake();
  }

  /** Discards a message that waits, and its files. @param {number} conversation @param {string} clientId */
  discard(conversation, clientId) {
    const item = this.outbox.itemsIn(conversation).find((one) => one.client_id === clientId);
    this.outbox.discard(clientId);
    // A message that may have been sent may have taken the files.
    if (item && (item.state === 'refused' || !item.tried)) for (const id of item.uploads ?? []) this.uploads.remove(id);
  }

  /** Cancels a file of a message that waits for its files. The message is withdrawn, and its other files return to the
   * draft. @param {number} conversation @param {string} upload
   * @returns {Content|null} its content, or null if it may have been
   * sent */
  withdraw(conversation, upload) {
    const item = this.outbox.itemsIn(conversation).find((one) => one.uploads?.includes(upload));
    if (!item || (item.tried && item.state !== 'refused')) return null;
    this.outbox.discard(item.client_id);
    this.uploads.remove(upload);
    this.uploads.returnToDraft((item.uploads ?? []).filter((one) => one !== upload), conversation);
    return item;
  }

  /** Forwards a message to other conversations. @param {MessagePlace} from @param {number[]} conversations
   * @param {string} text to show until it is sent */
  forward(from, conversations, text) {
    for (const one of conversations) this.outbox.add(one, { text, forward: from });
  }

  /** @param {number} conversation @param {number} seq @param {string} text @param {string} [subject] none removes it
   * @param {Mention[]} [mentions] of the text @returns {Promise<void>} */
  async edit(conversation, seq, text, subject, mentions = []) {
    const places = mentions.length > 0 ? { mentions } : {};
    await this.#changeMessage({ type: 'message.edit', conversation, seq, text, ...places, subject: subject || null });
  }

  /** Deletes a message for everyone. @param {number} conversation @param {number} seq @returns {Promise<void>} */
  async deleteMessage(conversation, seq) {
    await this.#changeMessage({ type: 'message.delete', conversation, seq });
  }

  /** Changes how the user keeps a conversation in their own list. @param {number} conversation
   * @param {SettingsUpdate} settings @returns {Promise<void>} */
  async updateSettings(conversation, settings) {
    // A marker that is still on its way would end it at once.
    if (settings.marked_unread) await this.readMarkers.flush(conversation);
    /** @type {Changed} */
    const { version } = await this.requestWithRetry({ type: 'conversation.settings', conversation, settings });
    this.sync.applyEvent({ type: 'scope.changed', scope: `user:${this.user}`, version });
  }

  /** Clears a conversation for this user only, up to a message. @param {number} conversation @param {number} seq
   * @returns {Promise<void>} */
  async clear(conversation, seq) {
    /** @type {Changed} */
    const { version } = await this.requestWithRetry({ type: 'conversation.clear', conversation, seq });
    this.sync.applyEvent({ type: 'scope.changed', scope: `user:${this.user}`, version });
  }

  /** Deletes a message for this user only. @param {number} conversation @param {number} seq @returns {Promise<void>} */
  async hideMessage(conversation, seq) {
    /** @type {Changed} */
    const { version } = await this.requestWithRetry({ type: 'message.hide', conversation, seq });
    this.sync.applyInput({ kind: 'hidden', place: { conversation, seq }, version });
  }

  /** Adds or removes a reaction. It is shown at once, and undone if the server refuses it. @param {number} conversation
   * @param {number} seq @param {string} emoji @param {boolean} on @returns {Promise<void>} */
  react(conversation, seq, emoji, on) {
    return this.pendingReactions.set({ conversation, seq, emoji }, on);
  }

  /** @param {SearchQuery} search @returns {Promise<Found>} */
  async search(search) {
    /** @type {Found} */
    const found = await this.request({ type: 'message.search', ...search });
    this.sync.applyInput({ kind: 'users', users: found.users });
    return found;
  }

  /** Sets the messages that a search shows: their changes are tracked from now on. @param {Message[]} messages
   * @param {boolean} first whether they replace the earlier ones */
  setFound(messages, first) {
    this.sync.applyInput({ kind: 'found', messages, first });
  }

  /** Loads the messages around a message, without changing the state. @param {number} conversation @param {number} seq
   * @returns {Promise<LoadedPage>} */
  async loadAround(conversation, seq) {
    const requestedAt = this.state.turn;
    const isCurrent = this.sync.threads.createAnswerCheck();
    /** @type {MessagePage} */
    const page = await this.request({
      type: 'message.list', conversation, around: seq, limit: AROUND_ROWS,
    });
    return { page, requestedAt, isCurrent };
  }

  /** Adds a loaded page to the state, unless a reset came in between, and shows it in its thread if requested.
   * @param {number} conversation @param {LoadedPage} looked @param {boolean} show */
  applyPage(conversation, { page, requestedAt, isCurrent }, show) {
    if (!isCurrent()) return;
    this.sync.applyInput({ kind: 'seen', messages: page.messages });
    // The row of an unknown conversation has to come first.
    if (!show || !this.state.conversations.has(conversation)) return;
    if (!this.state.threads.has(conversation)) this.sync.applyInput({ kind: 'opening', conversation });
    this.sync.applyInput({ kind: 'messages', conversation, page, requestedAt });
  }

  /** @param {import('./reactions.js').ReactionPlace} place @param {boolean} on */
  async #react(place, on) {
    await this.#changeMessage({ type: 'message.react', ...place, on });
  }

  /** @param {Command} command */
  async #changeMessage(command) {
    const requestedAt = this.state.turn;
    /** @type {MessageChanged} */
    const changed = await this.requestWithRetry(command);
    this.sync.applyInput({ kind: 'changed', changed, requestedAt });
  }

  /** Opens a conversation on this page, at its end or around a message. @param {number} conversation
   * @param {number|null} [seq] */
  async showConversation(conversation, seq = null) {
    this.#sendShown([conversation]);
    this.#openedUnchecked = conversation;
    await this.sync.threads.open(conversation, seq);
    this.#endMark();
  }

  /** Opening a conversation ends its mark as unread: once, as soon as its settings are known to be current. A mark that
   * is set later, by another device, stays. */
  #endMark() {
    const conversation = this.#openedUnchecked;
    if (conversation === null || this.lostAt !== null || !areSettingsCurrent(this.state, conversation)) return;
    this.#openedUnchecked = null;
    if (!settingsOf(this.state, conversation).marked_unread) return;
    // If it fails, the conversation stays marked as unread.
    this.updateSettings(conversation, { marked_unread: false }).catch(() => {});
  }

  /** Shows a thread at a message, such as a search hit or a quoted message. @param {number} conversation
   * @param {number} seq @returns {Promise<boolean>} whether the message is loaded then */
  jumpTo(conversation, seq) {
    return this.sync.threads.openAround(conversation, seq);
  }

  /** Shows a thread at its end. @param {number} conversation @returns {Promise<void>} */
  async showLatest(conversation) {
    await this.sync.threads.openLatest(conversation);
  }

  /** @param {number} conversation */
  hideConversation(conversation) {
    this.#openedUnchecked = null;
    this.ownActivity.stopTyping();
    this.sync.threads.close(conversation);
    this.#sendShown([]);
  }

  /** @param {Omit<Open, 'client_id'>} whom @returns {Promise<Conversation>} */
  async openConversation(whom) {
    const requestedAt = this.state.turn;
    // Retries of the same request keep their id, so that no second group is created.
    const wish = JSON.stringify(whom);
    const clientId = this.#openIds.get(wish) ?? this.newId();
    this.#openIds.set(wish, clientId);
    const answer = await this.connection.request({ type: 'conversation.open', client_id: clientId, ...whom });
    this.#openIds.delete(wish);
    this.sync.applyInput({ kind: 'conversation', conversation: answer.conversation, users: answer.users, requestedAt });
    return answer.conversation;
  }

  /** Finds users to whom this user may write. @param {string} query @returns {Promise<User[]>} */
  async findUsers(query) {
    const answer = await this.request({ type: 'user.list', query, limit: 30 });
    return answer.users;
  }

  async signOut() {
    await this.http.signOut();
    await this.endSession();
  }

  /** Stops, erases what is stored of the user, and reports the end. The server ends the connection of a user who signs
   * out, so there are two reasons to end a session, and one of them comes late.
   * @returns {Promise<void>} resolves when everything is erased */
  endSession() {
    if (!this.#erasure) {
      this.stop();
      this.#erasure = eraseStored(this);
      this.onSessionEnd();
    }
    return this.#erasure;
  }

  /** Deletes stored files of other users, and those that belong neither to a draft nor to a waiting message. */
  async #cleanUp() {
    await Promise.all([eraseStoredByOthers(this), this.outbox.restored]);
    await this.blobStore.prune(new Set([...this.uploads.storage.ids(), ...this.outbox.uploads]));
  }

  /** @param {Event|EphemeralEvent} event */
  #receive(event) {
    if (!('scope' in event)) {
      this.ephemeral.apply(event);
      return;
    }
    if (event.type === 'message.created') this.ephemeral.stopTyping(event.message.conversation, event.message.sender);
    this.sync.applyEvent(knownEvent(event));
  }

  /** @type {number[]} */
  #shown = [];

  /** @param {number[]} conversations */
  async #sendShown(conversations) {
    this.#shown = conversations;
    if (!this.connection.isLive) return;
    try {
      const { heads } = await this.connection.request({ type: 'conversation.show', conversations });
      for (const head of heads) this.sync.applyEvent({ type: 'scope.changed', ...head });
    } catch {
      // The next socket sends it again.
    }
  }

  /** @param {Mode} mode */
  #modeChanged(mode) {
    const open = mode === 'live' || mode === 'long_poll' || mode === 'poll';
    this.lostAt = open ? null : (this.lostAt ?? this.clock.now());
    if (open) {
      this.savedAt = null;
      this.snapshotSaver.connected();
      this.uploads.resume();
      this.outbox.resume();
    }
    this.#endMark();
    if (mode === 'live' && this.#shown.length > 0) void this.#sendShown(this.#shown);
    if (open) this.ownActivity.connected();
    else this.ephemeral.clear();
    this.#notify();
  }

  /** The state has changed; it may now hold messages that the outbox still waits for. */
  #stateChanged() {
    for (const id of this.outbox.conversations()) this.outbox.confirm(id, ownClientIds(this.state, id));
    this.#endMark();
    this.snapshotSaver.changed();
    this.#notify();
  }

  #notify() {
    if (this.#notifying) return;
    this.#notifying = true;
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
