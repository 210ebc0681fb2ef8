/**
 * A model of the server for testing clients: the rules of I4 to I6 in memory, as the protocol page of the book
 * describes them, for conversations of up to `fan_out_max` members. It has no transport and no time.
 *
 * @import {Changes, Context, Conversation, ConversationPage, ConversationSettings, Draft, Event, Heads, Me, MeAnswer, Member, Message, MessagePage, PlacedEvent, User} from '../../src/sdk/wire.js'
 */
import { Problem } from '../../src/sdk/problem.js';
import { newestMention, placesOf } from './model-mentions.js';
import { deleteDraft } from './model-drafts.js';
import { isBlocked, listedBlocks, maskedMarkers, publishBlocked } from './model-blocks.js';
import { listedReports, noReports, reportPage } from './model-reports.js';
import { NOW, historyStart, totalsFor, listedSettings, putSettings, settingsOf } from './model-settings.js';

/**
 * @typedef {{
 *   id: number, kind: 'direct'|'group', title: string|null, picture: string|null, context: Context|null,
 *   created_by: number, version: number, activity: number, messages: Message[],
 *   members: Map<number, Omit<Member, 'user'>>,
 * }} ModelConversation
 * @typedef {{
 *   version: number, epochs: {id: number, clock: number}[], users: Map<number, User>, scopes: Map<number, number>,
 *   conversations: Map<number, ModelConversation>, keys: Map<string, {conversation: number, seq: number}>,
 *   receiptsOff: Set<number>, blocks: Set<string>, blocksChanged: Map<number, number>, reports: import('./model-reports.js').Reports,
 *   hidden: {user: number, conversation: number, seq: number, version: number}[],
 *   unhidden: {user: number, conversation: number, seq: number, version: number}[],
 *   movedMarkers: {user: number, conversation: number, version: number}[], settings: Map<string, ConversationSettings>, drafts: Map<string, Draft>,
 * }} Data
 * `receiptsOff` holds the users whose receipts are off, `movedMarkers` the markers whose moves only their owner learns.
 * @typedef {{to: number, event: Event}} Delivery
 */

const UNREAD_MAX = 100;

/** @param {string} code @param {number} status @returns {Problem} */
function problem(code, status) {
  return new Problem({ code, title: code, status, retryable: false });
}

export class ModelServer {
  /** @type {Data} */
  data = {
    version: 0, epochs: [], users: new Map(), scopes: new Map(), conversations: new Map(), keys: new Map(),
    receiptsOff: new Set(), hidden: [], unhidden: [], movedMarkers: [], settings: new Map(), drafts: new Map(), blocks: new Set(), blocksChanged: new Map(), reports: noReports(),
  };
  /** @type {((delivery: Delivery) => void)} */
  deliver = () => {};
  #starts = 0;

  /** @param {number} people
   * @param {{changesMax?: number, changesPage?: number, inline?: number, hiddenMax?: number}} [limits] */
  constructor(people, { changesMax = 12, changesPage = 3, inline = 2, hiddenMax = 4 } = {}) {
    this.limits = { changesMax, changesPage, inline, hiddenMax };
    for (let id = 1; id <= people; id += 1) {
      this.data.users.set(id, { id, name: `Person ${id}`, picture: null, version: this.next() });
      this.data.scopes.set(id, this.data.version);
    }
    this.start();
  }

  /** Starts the server, which adds an epoch. */
  start() {
    this.#starts += 1;
    this.data.epochs.push({ id: this.#starts, clock: this.data.version });
  }

  /** @returns {Data} a backup */
  backup() {
    return structuredClone(this.data);
  }

  /** Restores a backup. Earlier epochs are forgotten: clients may have seen live changes that the backup lacks,
   * although their cursors lie within it. @param {Data} data */
  restore(data) {
    this.data = structuredClone(data);
    this.data.epochs = [];
    this.start();
  }

  next() {
    return (this.data.version += 1);
  }

  /** @param {number} id @param {number} user @returns {ModelConversation} */
  find(id, user) {
    const conversation = this.data.conversations.get(id);
    const row = conversation?.members.get(user);
    if (!conversation || !row || row.left) throw problem('not_found', 404);
    return conversation;
  }

  /** @param {ModelConversation} conversation
   * @param {(place: {scope: string, version: number, prev: number}, to: number) => PlacedEvent} make @param {number[]} [also] */
  publish(conversation, make, also = []) {
    const prev = conversation.version;
    conversation.version = this.data.version;
    const place = { scope: `conversation:${conversation.id}`, version: conversation.version, prev };
    for (const to of new Set([...this.activeMembers(conversation), ...also])) {
      this.deliver({ to, event: structuredClone(make(place, to)) });
    }
    return { version: conversation.version, prev };
  }

  /** @param {number} user @param {(place: {scope: string, version: number, prev: number}) => PlacedEvent} make */
  publishToUser(user, make) {
    const prev = this.data.scopes.get(user) ?? 0;
    this.data.scopes.set(user, this.data.version);
    const event = make({ scope: `user:${user}`, version: this.data.version, prev });
    this.deliver({ to: user, event: structuredClone(event) });
    return { version: this.data.version, prev };
  }

  /** @param {ModelConversation} conversation @returns {number[]} */
  activeMembers(conversation) {
    return [...conversation.members].filter(([, row]) => !row.left).map(([id]) => id);
  }

  /** @param {ModelConversation} conversation @param {number} user @param {number} [viewer] @returns {Member} */
  row(conversation, user, viewer = user) {
    const row = /** @type {Omit<Member, 'user'>} */ (conversation.members.get(user));
    return { user: { .../** @type {User} */ (this.data.users.get(user)) }, ...row, ...maskedMarkers(this, conversation, user, viewer) };
  }

  /** @param {number} user @param {number} viewer @returns {boolean} */
  sharesReceipts(user, viewer) {
    return !this.data.receiptsOff.has(user) && !this.data.receiptsOff.has(viewer);
  }

  /** @param {number} user @param {Message} message @returns {boolean} */
  hasHidden(user, { conversation, seq }) {
    return this.data.hidden.some((one) => one.user === user && one.conversation === conversation && one.seq === seq);
  }

  /** Returns a message as a user may see it. @param {number} user @param {Message} message @returns {Message} */
  view(user, message) {
    if (!this.hasHidden(user, message)) return message;
    const { id, conversation, seq, version, sender, client_id, created_at } = message;
    return { id, conversation, seq, version, sender, client_id, text: '', hidden: true, created_at };
  }

  /** @param {number} version @returns {string} */
  time(version) {
    return new Date(1_763_800_000_000 + version * 20_000).toISOString();
  }

  /** @param {ModelConversation} conversation @param {number} user @returns {number} */
  unread(conversation, user) {
    const row = this.row(conversation, user);
    const from = Math.max(row.read_seq + 1, historyStart(this, conversation, user));
    const others = conversation.messages.filter((one) => one.seq >= from && one.sender !== user);
    const counted = others.filter((one) => !one.deleted && !one.hidden && !one.system && !this.hasHidden(user, one));
    return Math.min(UNREAD_MAX, counted.length);
  }

  /** Returns the unread totals. @param {number} user */
  totals = (user) => totalsFor(this, user);

  /** @param {'direct'|'group'} kind @param {number} by @param {number[]} users @param {Context|null} context
   * @returns {number} */
  open(kind, by, users, context = null) {
    const version = this.next();
    const id = this.data.conversations.size + 1;
    /** @type {ModelConversation} */
    const conversation = {
      id, kind, title: kind === 'group' ? `Group ${id}` : null, picture: null, context, created_by: by, version: 0,
      activity: version, messages: [], members: new Map(),
    };
    for (const user of new Set([by, ...users])) {
      conversation.members.set(user, {
        role: kind === 'group' && user === by ? 'owner' : 'member', context_role: null, read_seq: 0, read_at: null,
        delivered_seq: 0, history_from: 1, left: false, version,
      });
    }
    this.data.conversations.set(id, conversation);
    conversation.version = version;
    for (const user of this.activeMembers(conversation)) {
      const conversation = this.conversation(user, id);
      this.deliver({
        to: user,
        event: { type: 'conversation.created', scope: `conversation:${id}`, version, prev: 0, conversation },
      });
    }
    return id;
  }

  /** @param {number} user @param {number} id @param {string} text @param {string} clientId @param {number} [replyTo] @param {number[]} [mentions] */
  send(user, id, text, clientId, replyTo, mentions = []) {
    const conversation = this.find(id, user);
    const known = this.data.keys.get(`${user} ${clientId}`);
    if (known) {
      const message = this.view(user, conversation.messages[known.seq - 1]);
      return { message, version: message.version, prev: message.version, duplicate: true };
    }
    const version = this.next();
    const seq = (conversation.messages.at(-1)?.seq ?? 0) + 1;
    /** @type {Message} */
    const message = {
      id: version, conversation: id, seq, version, sender: user, client_id: clientId, text,
      created_at: this.time(version), ...(replyTo ? { reply_to: replyTo } : {}), ...placesOf(mentions),
    };
    conversation.messages.push(message);
    conversation.activity = version;
    this.data.keys.set(`${user} ${clientId}`, { conversation: id, seq });
    const row = /** @type {Omit<Member, 'user'>} */ (conversation.members.get(user));
    if (row.read_seq === seq - 1) Object.assign(row, { read_seq: seq, read_at: message.created_at });
    if (row.read_seq === seq || row.delivered_seq === seq - 1) row.delivered_seq = seq;
    const sender = /** @type {User} */ (this.data.users.get(user));
    const changed = this.publish(conversation, (place, to) => ({
      type: 'message.created', ...place, message, sender,
      sender_read_seq: to === user || this.sharesReceipts(user, to) ? row.read_seq : null,
    }));
    return { message, ...changed, duplicate: false };
  }

  /** @param {number} user @param {number} id @param {{read?: number, delivered?: number}} to */
  mark(user, id, { read = 0, delivered = 0 }) {
    const conversation = this.find(id, user);
    const row = /** @type {Omit<Member, 'user'>} */ (conversation.members.get(user));
    const last = conversation.messages.at(-1)?.seq ?? 0;
    const readSeq = Math.max(row.read_seq, Math.min(read, last));
    const deliveredSeq = Math.max(row.delivered_seq, readSeq, Math.min(delivered, last));
    const moves = readSeq > row.read_seq || deliveredSeq > row.delivered_seq;
    const isUnmarked = read > 0 && settingsOf(this, user, id).marked_unread;
    if (!moves && !isUnmarked) return;
    const version = this.next();
    if (isUnmarked) putSettings(this, user, id, { marked_unread: false });
    if (!moves) return;
    const quiet = (isBlocked(this, conversation) || this.data.receiptsOff.has(user)) && deliveredSeq === row.delivered_seq;
    if (readSeq > row.read_seq) Object.assign(row, { read_seq: readSeq, read_at: this.time(version) });
    row.delivered_seq = deliveredSeq;
    if (quiet) {
      // The other members do not learn the read position.
      this.data.movedMarkers = this.data.movedMarkers.filter((one) => one.user !== user || one.conversation !== id);
      this.data.movedMarkers.push({ user, conversation: id, version });
      this.publishToUser(user, (place) => ({ type: 'marker.updated', ...place, ...this.marker(conversation, user) }));
    } else {
      row.version = version;
      this.publishMembers(conversation, [user], { unread: this.unread(conversation, user) });
    }
  }

  /** @param {ModelConversation} conversation @param {number} user @returns {import('../../src/sdk/wire.js').Marker} */
  marker(conversation, user) {
    const { read_seq, read_at, delivered_seq } = this.row(conversation, user);
    return {
      conversation: conversation.id, read_seq, delivered_seq, unread: this.unread(conversation, user),
      ...(read_at ? { read_at } : {}),
    };
  }

  /** Adds a system message. @param {ModelConversation} conversation @param {number} by
   * @param {import('../../src/sdk/wire.js').SystemLine} system @returns {Message} */
  addSystemMessage(conversation, by, system) {
    const { version } = this.data;
    /** @type {Message} */
    const message = {
      id: version, conversation: conversation.id, seq: (conversation.messages.at(-1)?.seq ?? 0) + 1, version,
      sender: by, client_id: '', text: '', system, created_at: this.time(version),
    };
    conversation.messages.push(message);
    conversation.activity = version;
    return message;
  }

  /** @param {ModelConversation} conversation @param {number[]} users
   * @param {{also?: number[], unread?: number|null, message?: Message}} [more] */
  publishMembers(conversation, users, { also = [], unread = null, message } = {}) {
    if (isBlocked(this, conversation)) return publishBlocked(this, conversation);
    const count = this.activeMembers(conversation).length;
    return this.publish(conversation, (place, to) => ({
      type: 'member.updated', ...place, members: users.map((user) => this.row(conversation, user, to)),
      member_count: count,
      unread: users[0] === to ? unread : null, ...(message ? { message } : {}),
    }), also);
  }

  /** @param {number} id @param {number} user @param {number} [by] @param {boolean} [fromStart] */
  add(id, user, by = 1, fromStart = false) {
    const conversation = this.data.conversations.get(id);
    const row = conversation?.members.get(user);
    if (!conversation || conversation.kind !== 'group' || (row && !row.left)) return;
    const version = this.next();
    const message = this.addSystemMessage(conversation, by, { type: 'added', users: [user] });
    conversation.members.set(user, {
      role: 'member', context_role: null, read_seq: message.seq, read_at: null, delivered_seq: message.seq,
      history_from: fromStart ? 1 : message.seq, left: false, version,
    });
    this.publishMembers(conversation, [user], { message });
  }

  /** @param {number} id @param {number} user */
  remove(id, user) {
    const conversation = this.data.conversations.get(id);
    const row = conversation?.members.get(user);
    if (!conversation || conversation.kind !== 'group' || !row || row.left) return;
    Object.assign(row, { left: true, version: this.next() });
    deleteDraft(this, user, id);
    const message = this.addSystemMessage(conversation, user, { type: 'left' });
    this.publishMembers(conversation, [user], { also: [user], message });
  }

  /** @param {number} user @param {string} name */
  rename(user, name) {
    const version = this.next();
    Object.assign(/** @type {User} */ (this.data.users.get(user)), { name, version });
    this.publishToUser(user, (place) => ({ type: 'me.updated', ...place, me: this.ownUser(user) }));
    for (const conversation of this.conversationsOf(user)) {
      /** @type {Omit<Member, 'user'>} */ (conversation.members.get(user)).version = this.next();
      this.publishMembers(conversation, [user]);
    }
  }

  /** @param {number} user @returns {ModelConversation[]} */
  conversationsOf(user) {
    return [...this.data.conversations.values()].filter((one) => one.members.get(user)?.left === false);
  }

  /** @param {number} id @param {string} status */
  setContextStatus(id, status) {
    const conversation = this.data.conversations.get(id);
    if (!conversation) return;
    this.next();
    conversation.context = {
      type: 'item', id: String(id), title: `Item ${id}`, detail: null, url: null, image: null, status, tone: 'asks', closed: false,
    };
    const { title, picture, context } = conversation;
    this.publish(conversation, (place) => ({
      type: 'conversation.updated', ...place, title, picture, context, members: [],
    }));
  }

  /** @param {number} user @returns {Me} */
  ownUser(user) {
    return {
      .../** @type {User} */ (this.data.users.get(user)), login: `person${user}`,
      receipts: !this.data.receiptsOff.has(user), presence: true, ...(this.data.reports.moderators.has(user) ? { moderator: true } : {}), scope_version: this.data.scopes.get(user) ?? 0,
    };
  }

  /** @returns {string} */
  cursor() {
    return `${this.data.epochs.at(-1)?.id}.${this.data.version}`;
  }

  /** @param {number} user @param {number} [since] @returns {MeAnswer} */
  me(user, since) {
    const [places, shown] = [this.data.hidden, this.data.unhidden].map((list) => list
      .filter((one) => one.user === user && since !== undefined && one.version > since)
      .map(({ conversation, seq }) => ({ conversation, seq })));
    const tooMany = Math.max(places.length, shown.length) > this.limits.hiddenMax;
    const [hidden, unhidden] = tooMany ? [[], []] : [places, shown];
    const conversations = this.conversationsOf(user).filter((conversation) =>
      this.data.movedMarkers.some((one) => one.user === user && one.conversation === conversation.id));
    return {
      ...this.ownUser(user), markers: conversations.map((one) => this.marker(one, user)), cursor: this.cursor(),
      unread: this.totals(user), now: NOW, ...listedSettings(this, user, tooMany ? undefined : since), ...listedBlocks(this, user, since),
      ...listedReports(this, user, since),
      ...(hidden.length > 0 ? { hidden } : {}), ...(unhidden.length > 0 ? { unhidden } : {}),
      ...(tooMany ? { hidden_reset: true } : {}),
    };
  }

  /** @param {number} user @param {number} id @returns {Conversation} */
  conversation(user, id) {
    const conversation = this.find(id, user);
    const { version, kind, title, picture, context, created_by, activity } = conversation;
    const from = historyStart(this, conversation, user);
    const last = conversation.messages.at(-1);
    const shown = conversation.messages.findLast((one) => one.seq >= from && !one.hidden && !this.hasHidden(user, one));
    return structuredClone({
      id, version, kind, title, picture, context, created_by, created_at: '2026-11-22T08:00:00.000Z', activity, last_seq: last?.seq ?? 0,
      last_message: shown ?? null, member_count: this.activeMembers(conversation).length,
      members: this.activeMembers(conversation).sort((a, b) => a - b).map((one) => this.row(conversation, one, user)),
      unread: this.unread(conversation, user), ...newestMention(this, conversation, user), settings: settingsOf(this, user, id),
    });
  }

  /** @param {number} user @returns {Conversation[]} the newest activity first */
  all(user) {
    return this.conversationsOf(user).sort((a, b) => b.activity - a.activity)
      .map(({ id }) => this.conversation(user, id));
  }

  /** @param {number} user @param {string|undefined} after @param {number} limit @returns {ConversationPage} */
  list(user, after, limit) {
    const rest = this.all(user).filter((one) => after === undefined || one.activity < Number(after));
    const conversations = rest.slice(0, limit);
    const next = rest.length > limit ? String(conversations[conversations.length - 1].activity) : null;
    return { conversations, next, cursor: this.cursor() };
  }

  /** Returns the messages that a user may see. @param {ModelConversation} conversation @param {number} user
   * @returns {Message[]} */
  #mine(conversation, user) {
    const from = historyStart(this, conversation, user);
    return conversation.messages.filter((one) => one.seq >= from).map((one) => this.view(user, one));
  }

  /** @param {number} user @param {number} id
   * @param {{before?: number, after?: number, around?: number, limit?: number}} where @returns {MessagePage} */
  messages(user, id, { before, after, around, limit = 5 }) {
    const conversation = this.find(id, user);
    const mine = this.#mine(conversation, user);
    let messages = mine.filter((one) => one.seq < (before ?? Infinity) && one.seq > (after ?? 0));
    if (around !== undefined) {
      const at = Math.max(0, mine.findIndex((one) => one.seq >= around));
      const begin = Math.max(0, Math.min(at - Math.floor(limit / 2), mine.length - limit));
      messages = mine.slice(begin, begin + limit);
    } else {
      messages = after === undefined ? messages.slice(-limit) : messages.slice(0, limit);
    }
    const [first, last] = [messages[0]?.seq ?? before ?? 1, messages.at(-1)?.seq ?? Infinity];
    return structuredClone({
      messages, quoted: this.#quoted(mine, messages), users: this.#writers(messages), version: conversation.version,
      cursor: this.cursor(), previous: mine.some((one) => one.seq < first) ? first : null,
      next: mine.some((one) => one.seq > last) ? last : null,
    });
  }

  /** @param {Message[]} mine @param {Message[]} messages @returns {Message[]} */
  #quoted(mine, messages) {
    const answered = new Set(messages.map((one) => one.reply_to));
    return mine.filter((one) => answered.has(one.seq));
  }

  /** @param {Message[]} messages @returns {User[]} */
  #writers(messages) {
    const ids = new Set(messages.map((one) => one.sender));
    return [...ids].map((id) => /** @type {User} */ (this.data.users.get(id)));
  }

  /** @param {number} user @param {number} id @param {number} since @returns {Changes} */
  changes(user, id, since) {
    const conversation = this.find(id, user);
    const scope = `conversation:${id}`;
    const mine = this.#mine(conversation, user);
    const changed = mine.filter((one) => one.version > since).sort((a, b) => a.version - b.version);
    const { changesMax, changesPage } = this.limits;
    const reset = changed.length > changesMax;
    const more = !reset && changed.length > changesPage;
    const messages = reset ? mine.slice(-5) : changed.slice(0, changesPage);
    return structuredClone({
      scope, since, reset, more, messages, quoted: this.#quoted(mine, messages), users: this.#writers(messages),
      version: more ? messages[messages.length - 1].version : conversation.version,
      conversation: more ? null : this.conversation(user, id),
    });
  }

  /** @param {number} user @param {string|null} cursor @returns {Heads} */
  heads(user, cursor) {
    const answer = { user, cursor: this.cursor(), heads: [], gone: [], changes: [] };
    const since = this.#since(cursor);
    if (since === null) return { ...answer, reset: true };
    const current = this.conversationsOf(user).filter((one) => one.version > since);
    const left = [...this.data.conversations.values()].filter(({ members }) =>
      members.get(user)?.left && (members.get(user)?.version ?? 0) > since);
    const mine = this.data.scopes.get(user) ?? 0;
    return {
      ...answer,
      reset: false,
      heads: [
        ...current.map(({ id, version }) => ({ scope: `conversation:${id}`, version })),
        ...(mine > since ? [{ scope: `user:${user}`, version: mine }] : []),
      ],
      gone: left.map((conversation) => `conversation:${conversation.id}`),
      changes: current.slice(0, this.limits.inline).map(({ id }) => this.changes(user, id, since)),
    };
  }

  /** @param {string|null} cursor @returns {number|null} */
  #since(cursor) {
    if (cursor === null) return null;
    const [epoch, version] = cursor.split('.').map(Number);
    const index = this.data.epochs.findIndex((one) => one.id === epoch);
    if (index < 0) return null;
    const next = this.data.epochs[index + 1];
    return version <= (next ? next.clock : this.data.version) ? version : null;
  }

  /** Answers a command as the server does. @param {number} user @param {any} command @returns {any} */
  answer(user, command) {
    switch (command.type) {
      case 'me.get':
        return this.me(user, command.since);
      case 'conversation.list':
        return this.list(user, command.after, Math.min(3, command.limit));
      case 'conversation.get':
        return { conversation: this.conversation(user, command.conversation), cursor: this.cursor() };
      case 'conversation.changes':
        return this.changes(user, command.conversation, command.since);
      case 'message.list':
        return this.messages(user, command.conversation, { ...command, limit: Math.min(4, command.limit) });
      case 'report.list':
        return reportPage(this, user, command);
      case 'message.send':
        return this.send(user, command.conversation, command.text, command.client_id);
      default:
        throw problem('unknown_command', 400);
    }
  }
}
