/**
 * A model of the server for testing clients: the rules of I4 to I6 in memory, as the protocol page of the book
 * describes them, for conversations of up to `fan_out_max` members. It has no transport and no time.
 *
 * @import {Changes, Context, Conversation, ConversationPage, Event, Heads, Me, MeAnswer, Member, Message, MessagePage,
 *   PlacedEvent, User} from '../../src/sdk/wire.js'
 */
import { Problem } from '../../src/sdk/problem.js';

/**
 * @typedef {{
 *   id: number, kind: 'direct'|'group', title: string|null, picture: string|null, context: Context|null,
 *   created_by: number, version: number, activity: number, messages: Message[],
 *   members: Map<number, Omit<Member, 'user'>>,
 * }} Room
 * @typedef {{
 *   version: number, epochs: {id: number, clock: number}[], users: Map<number, User>, scopes: Map<number, number>,
 *   rooms: Map<number, Room>, keys: Map<string, {room: number, seq: number}>, secretive: Set<number>,
 *   hidden: {user: number, conversation: number, seq: number, version: number}[],
 *   moved: {user: number, conversation: number, version: number}[],
 * }} Data
 * `secretive` holds the users whose receipts are off, `moved` the markers whose moves only their owner learns.
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
    version: 0, epochs: [], users: new Map(), scopes: new Map(), rooms: new Map(), keys: new Map(),
    secretive: new Set(), hidden: [], moved: [],
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

  /** @param {number} id @param {number} user @returns {Room} */
  room(id, user) {
    const room = this.data.rooms.get(id);
    const row = room?.members.get(user);
    if (!room || !row || row.left) throw problem('not_found', 404);
    return room;
  }

  /** @param {Room} room
   * @param {(place: {scope: string, version: number, prev: number}, to: number) => PlacedEvent} make
   * @param {number[]} [also] */
  tell(room, make, also = []) {
    const prev = room.version;
    room.version = this.data.version;
    const place = { scope: `conversation:${room.id}`, version: room.version, prev };
    for (const to of new Set([...this.present(room), ...also])) {
      this.deliver({ to, event: structuredClone(make(place, to)) });
    }
    return { version: room.version, prev };
  }

  /** Sends an event to one user only. @param {number} user
   * @param {(place: {scope: string, version: number, prev: number}) => PlacedEvent} make */
  tellOne(user, make) {
    const prev = this.data.scopes.get(user) ?? 0;
    this.data.scopes.set(user, this.data.version);
    const event = make({ scope: `user:${user}`, version: this.data.version, prev });
    this.deliver({ to: user, event: structuredClone(event) });
    return { version: this.data.version, prev };
  }

  /** @param {Room} room @returns {number[]} */
  present(room) {
    return [...room.members].filter(([, row]) => !row.left).map(([id]) => id);
  }

  /** @param {Room} room @param {number} user @param {number} [asker] @returns {Member} */
  row(room, user, asker = user) {
    const row = /** @type {Omit<Member, 'user'>} */ (room.members.get(user));
    const told = user === asker || this.tellsReceipts(user, asker);
    const receipt = told ? {} : { read_seq: 0, read_at: null };
    return { user: { .../** @type {User} */ (this.data.users.get(user)) }, ...row, ...receipt };
  }

  /** @param {number} user @param {number} asker @returns {boolean} */
  tellsReceipts(user, asker) {
    return !this.data.secretive.has(user) && !this.data.secretive.has(asker);
  }

  /** @param {number} user @param {Message} message @returns {boolean} */
  hides(user, { conversation, seq }) {
    return this.data.hidden.some((one) => one.user === user && one.conversation === conversation && one.seq === seq);
  }

  /** Returns a message as a user may see it. @param {number} user @param {Message} message @returns {Message} */
  view(user, message) {
    if (!this.hides(user, message)) return message;
    const { id, conversation, seq, version, sender, client_id, created_at } = message;
    return { id, conversation, seq, version, sender, client_id, text: '', hidden: true, created_at };
  }

  /** @param {number} version @returns {string} */
  time(version) {
    return new Date(1_763_800_000_000 + version * 20_000).toISOString();
  }

  /** @param {Room} room @param {number} user @returns {number} */
  unread(room, user) {
    const row = this.row(room, user);
    const from = Math.max(row.read_seq + 1, row.history_from);
    const others = room.messages.filter((one) => one.seq >= from && one.sender !== user);
    const counted = others.filter((one) => !one.deleted && !one.system && !this.hides(user, one));
    return Math.min(UNREAD_MAX, counted.length);
  }

  /** Returns the unread totals of all conversations. @param {number} user
   * @returns {import('../../src/sdk/wire.js').Unread} */
  totals(user) {
    const counts = this.roomsOf(user).map((room) => this.unread(room, user));
    return { conversations: counts.filter((one) => one > 0).length, messages: counts.reduce((sum, one) => sum + one, 0) };
  }

  /** @param {'direct'|'group'} kind @param {number} by @param {number[]} users @param {Context|null} context
   * @returns {number} */
  open(kind, by, users, context = null) {
    const version = this.next();
    const id = this.data.rooms.size + 1;
    /** @type {Room} */
    const room = {
      id, kind, title: kind === 'group' ? `Group ${id}` : null, picture: null, context, created_by: by, version: 0,
      activity: version,
      messages: [], members: new Map(),
    };
    for (const user of new Set([by, ...users])) {
      room.members.set(user, {
        role: kind === 'group' && user === by ? 'owner' : 'member', context_role: null, read_seq: 0, read_at: null,
        delivered_seq: 0, history_from: 1, left: false, version,
      });
    }
    this.data.rooms.set(id, room);
    room.version = version;
    for (const user of this.present(room)) {
      const conversation = this.conversation(user, id);
      this.deliver({
        to: user,
        event: { type: 'conversation.created', scope: `conversation:${id}`, version, prev: 0, conversation },
      });
    }
    return id;
  }

  /** @param {number} user @param {number} id @param {string} text @param {string} clientId @param {number} [replyTo] */
  send(user, id, text, clientId, replyTo) {
    const room = this.room(id, user);
    const known = this.data.keys.get(`${user} ${clientId}`);
    if (known) {
      const message = this.view(user, room.messages[known.seq - 1]);
      return { message, version: message.version, prev: message.version, duplicate: true };
    }
    const version = this.next();
    const seq = (room.messages.at(-1)?.seq ?? 0) + 1;
    /** @type {Message} */
    const message = {
      id: version, conversation: id, seq, version, sender: user, client_id: clientId, text,
      created_at: this.time(version), ...(replyTo ? { reply_to: replyTo } : {}),
    };
    room.messages.push(message);
    room.activity = version;
    this.data.keys.set(`${user} ${clientId}`, { room: id, seq });
    const row = /** @type {Omit<Member, 'user'>} */ (room.members.get(user));
    if (row.read_seq === seq - 1) Object.assign(row, { read_seq: seq, read_at: message.created_at });
    if (row.read_seq === seq || row.delivered_seq === seq - 1) row.delivered_seq = seq;
    const sender = /** @type {User} */ (this.data.users.get(user));
    const changed = this.tell(room, (place, to) => ({
      type: 'message.created', ...place, message, sender,
      sender_read_seq: to === user || this.tellsReceipts(user, to) ? row.read_seq : null,
    }));
    return { message, ...changed, duplicate: false };
  }

  /** @param {number} user @param {number} id @param {{read?: number, delivered?: number}} to */
  mark(user, id, { read = 0, delivered = 0 }) {
    const room = this.room(id, user);
    const row = /** @type {Omit<Member, 'user'>} */ (room.members.get(user));
    const last = room.messages.at(-1)?.seq ?? 0;
    const readSeq = Math.max(row.read_seq, Math.min(read, last));
    const deliveredSeq = Math.max(row.delivered_seq, readSeq, Math.min(delivered, last));
    if (readSeq === row.read_seq && deliveredSeq === row.delivered_seq) return;
    const version = this.next();
    const quiet = this.data.secretive.has(user) && deliveredSeq === row.delivered_seq;
    if (readSeq > row.read_seq) Object.assign(row, { read_seq: readSeq, read_at: this.time(version) });
    row.delivered_seq = deliveredSeq;
    if (quiet) {
      // The other members do not learn the read position.
      this.data.moved = this.data.moved.filter((one) => one.user !== user || one.conversation !== id);
      this.data.moved.push({ user, conversation: id, version });
      this.tellOne(user, (place) => ({ type: 'marker.updated', ...place, ...this.marker(room, user) }));
    } else {
      row.version = version;
      this.tellMembers(room, [user], { unread: this.unread(room, user) });
    }
  }

  /** @param {Room} room @param {number} user @returns {import('../../src/sdk/wire.js').Marker} */
  marker(room, user) {
    const { read_seq, read_at, delivered_seq } = this.row(room, user);
    return {
      conversation: room.id, read_seq, delivered_seq, unread: this.unread(room, user), ...(read_at ? { read_at } : {}),
    };
  }

  /** Adds a system message. @param {Room} room @param {number} by
   * @param {import('../../src/sdk/wire.js').SystemLine} system @returns {Message} */
  line(room, by, system) {
    const { version } = this.data;
    /** @type {Message} */
    const message = {
      id: version, conversation: room.id, seq: (room.messages.at(-1)?.seq ?? 0) + 1, version, sender: by,
      client_id: '', text: '', system, created_at: this.time(version),
    };
    room.messages.push(message);
    room.activity = version;
    return message;
  }

  /** @param {Room} room @param {number[]} users
   * @param {{also?: number[], unread?: number|null, message?: Message}} [more] */
  tellMembers(room, users, { also = [], unread = null, message } = {}) {
    const count = this.present(room).length;
    return this.tell(room, (place, to) => ({
      type: 'member.updated', ...place, members: users.map((user) => this.row(room, user, to)), member_count: count,
      unread: users[0] === to ? unread : null, ...(message ? { message } : {}),
    }), also);
  }

  /** @param {number} id @param {number} user @param {number} [by] @param {boolean} [fromStart] */
  add(id, user, by = 1, fromStart = false) {
    const room = this.data.rooms.get(id);
    const row = room?.members.get(user);
    if (!room || room.kind !== 'group' || (row && !row.left)) return;
    const version = this.next();
    const line = this.line(room, by, { type: 'added', users: [user] });
    room.members.set(user, {
      role: 'member', context_role: null, read_seq: line.seq, read_at: null, delivered_seq: line.seq,
      history_from: fromStart ? 1 : line.seq, left: false, version,
    });
    this.tellMembers(room, [user], { message: line });
  }

  /** @param {number} id @param {number} user */
  remove(id, user) {
    const room = this.data.rooms.get(id);
    const row = room?.members.get(user);
    if (!room || room.kind !== 'group' || !row || row.left) return;
    Object.assign(row, { left: true, version: this.next() });
    this.tellMembers(room, [user], { also: [user], message: this.line(room, user, { type: 'left' }) });
  }

  /** @param {number} user @param {string} name */
  rename(user, name) {
    const version = this.next();
    const person = /** @type {User} */ (this.data.users.get(user));
    Object.assign(person, { name, version });
    this.tellOne(user, (place) => ({ type: 'me.updated', ...place, me: this.person(user) }));
    for (const room of this.roomsOf(user)) {
      /** @type {Omit<Member, 'user'>} */ (room.members.get(user)).version = this.next();
      this.tellMembers(room, [user]);
    }
  }

  /** @param {number} user @returns {Room[]} */
  roomsOf(user) {
    return [...this.data.rooms.values()].filter((room) => room.members.get(user)?.left === false);
  }

  /** @param {number} id @param {string} status */
  restate(id, status) {
    const room = this.data.rooms.get(id);
    if (!room) return;
    this.next();
    room.context = {
      type: 'item', id: String(id), title: `Item ${id}`, detail: null, url: null, image: null, status, tone: 'asks',
      closed: false,
    };
    const { title, picture, context } = room;
    this.tell(room, (place) => ({
      type: 'conversation.updated', ...place, title, picture, context, members: [],
    }));
  }

  /** @param {number} user @returns {Me} */
  person(user) {
    const person = /** @type {User} */ (this.data.users.get(user));
    return {
      ...person, login: `person${user}`, receipts: !this.data.secretive.has(user), presence: true,
      scope_version: this.data.scopes.get(user) ?? 0,
    };
  }

  /** @returns {string} */
  cursor() {
    return `${this.data.epochs.at(-1)?.id}.${this.data.version}`;
  }

  /** @param {number} user @param {number} [since] @returns {MeAnswer} */
  me(user, since) {
    const places = this.data.hidden.filter((one) => one.user === user && since !== undefined && one.version > since);
    const tooMany = places.length > this.limits.hiddenMax;
    const hidden = tooMany ? [] : places.map(({ conversation, seq }) => ({ conversation, seq }));
    const rooms = this.roomsOf(user).filter((room) =>
      this.data.moved.some((one) => one.user === user && one.conversation === room.id));
    return {
      ...this.person(user), markers: rooms.map((room) => this.marker(room, user)), cursor: this.cursor(),
      unread: this.totals(user),
      ...(hidden.length > 0 ? { hidden } : {}), ...(tooMany ? { hidden_reset: true } : {}),
    };
  }

  /** @param {number} user @param {number} id @returns {Conversation} */
  conversation(user, id) {
    const room = this.room(id, user);
    const from = this.row(room, user).history_from;
    const last = room.messages.at(-1);
    const shown = room.messages.findLast((one) => one.seq >= from && !this.hides(user, one));
    return structuredClone({
      id, version: room.version, kind: room.kind, title: room.title, picture: room.picture, context: room.context,
      created_by: room.created_by,
      created_at: '2026-11-22T08:00:00.000Z', activity: room.activity, last_seq: last?.seq ?? 0,
      last_message: shown ?? null, member_count: this.present(room).length,
      members: this.present(room).sort((a, b) => a - b).map((one) => this.row(room, one, user)),
      unread: this.unread(room, user),
    });
  }

  /** @param {number} user @returns {Conversation[]} the newest activity first */
  all(user) {
    return [...this.data.rooms.values()]
      .filter((room) => room.members.has(user) && !room.members.get(user)?.left)
      .sort((a, b) => b.activity - a.activity)
      .map((room) => this.conversation(user, room.id));
  }

  /** @param {number} user @param {string|undefined} after @param {number} limit @returns {ConversationPage} */
  list(user, after, limit) {
    const rest = this.all(user).filter((one) => after === undefined || one.activity < Number(after));
    const conversations = rest.slice(0, limit);
    const next = rest.length > limit ? String(conversations[conversations.length - 1].activity) : null;
    return { conversations, next, cursor: this.cursor() };
  }

  /** Returns the messages that a user may see. @param {Room} room @param {number} user @returns {Message[]} */
  #mine(room, user) {
    const from = this.row(room, user).history_from;
    return room.messages.filter((one) => one.seq >= from).map((one) => this.view(user, one));
  }

  /** @param {number} user @param {number} id
   * @param {{before?: number, after?: number, around?: number, limit?: number}} where @returns {MessagePage} */
  messages(user, id, { before, after, around, limit = 5 }) {
    const room = this.room(id, user);
    const mine = this.#mine(room, user);
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
      messages, quoted: this.#quoted(mine, messages), users: this.#writers(messages), version: room.version,
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
    const room = this.room(id, user);
    const scope = `conversation:${id}`;
    const mine = this.#mine(room, user);
    const changed = mine.filter((one) => one.version > since).sort((a, b) => a.version - b.version);
    const { changesMax, changesPage } = this.limits;
    const reset = changed.length > changesMax;
    const more = !reset && changed.length > changesPage;
    const messages = reset ? mine.slice(-5) : changed.slice(0, changesPage);
    return structuredClone({
      scope, since, reset, more, messages, quoted: this.#quoted(mine, messages), users: this.#writers(messages),
      version: more ? messages[messages.length - 1].version : room.version,
      conversation: more ? null : this.conversation(user, id),
    });
  }

  /** @param {number} user @param {string|null} cursor @returns {Heads} */
  heads(user, cursor) {
    const answer = { user, cursor: this.cursor(), heads: [], gone: [], changes: [] };
    const since = this.#since(cursor);
    if (since === null) return { ...answer, reset: true };
    const rooms = [...this.data.rooms.values()].filter((room) => room.members.has(user));
    const present = rooms.filter((room) => !room.members.get(user)?.left && room.version > since);
    const left = rooms.filter((room) => room.members.get(user)?.left && (room.members.get(user)?.version ?? 0) > since);
    const mine = this.data.scopes.get(user) ?? 0;
    return {
      ...answer,
      reset: false,
      heads: [
        ...present.map((room) => ({ scope: `conversation:${room.id}`, version: room.version })),
        ...(mine > since ? [{ scope: `user:${user}`, version: mine }] : []),
      ],
      gone: left.map((room) => `conversation:${room.id}`),
      changes: present.slice(0, this.limits.inline).map((room) => this.changes(user, room.id, since)),
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
      case 'message.send':
        return this.send(user, command.conversation, command.text, command.client_id);
      default:
        throw problem('unknown_command', 400);
    }
  }
}
