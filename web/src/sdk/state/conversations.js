/**
 * How events change a conversation. Pure.
 *
 * In a conversation of more than `fanOutMax` members only some of them are loaded, and the user's own marker arrives in
 * another scope; hidden messages always do. `unreadAt` is the version at which `unread` is known to be true.
 *
 * @import {Conversation, ConversationPage, Marker, Member, MembersUpdated, Message, MessageCreated, MessageUpdated,
 *   PlacedEvent} from '../wire.js'
 */

/** @typedef {Conversation & {unreadAt: number}} ConversationRow */

/** Shown as "99+". */
const UNREAD_MAX = 100;

/** @param {ConversationRow} current @param {PlacedEvent} event
 * @param {{me: number, fanOutMax: number, hidden?: boolean}} how `hidden`: I deleted this message for myself
 * @returns {ConversationRow} */
export function applyToRow(current, event, { me, fanOutMax, hidden = false }) {
  switch (event.type) {
    case 'message.created': {
      const isLarge = current.member_count > fanOutMax;
      const changed = withMessage(current, event, { me, hidden, isLarge });
      return { ...withMention(changed, event.message, me, hidden), version: event.version };
    }
    case 'message.updated':
      return { ...withChanged(current, event), version: event.version };
    case 'conversation.updated': {
      const { title, picture, context } = event;
      const isLarge = current.member_count > fanOutMax;
      const members = withRows(current.members, event.members, { me, isLarge, add: false });
      return withLine({ ...current, title, picture, context, members, version: event.version }, event.message);
    }
    case 'member.updated':
      return withLine({ ...withMembers(current, event, me, fanOutMax), version: event.version }, event.message);
    case 'scope.advanced':
      return { ...current, version: event.version };
    default:
      return current;
  }
}

/** @param {ConversationRow} current @param {MessageCreated} event @param {{me: number, hidden: boolean, isLarge: boolean}} how
 * @returns {ConversationRow} */
function withMessage(current, event, { me, hidden, isLarge }) {
  const { message } = event;
  // Not sent if read receipts are off.
  const readSeq = event.sender_read_seq ?? 0;
  const mine = message.sender === me;
  // Other moves of the user's own marker arrive with their own event, together with the unread count.
  const marks = !mine || readSeq === message.seq;
  const counted = hidden || event.version <= current.unreadAt || (mine && !marks);
  return {
    ...current,
    activity: message.id,
    last_seq: message.seq,
    last_message: hidden ? current.last_message : message,
    unread: counted ? current.unread : mine ? 0 : Math.min(UNREAD_MAX, current.unread + 1),
    unreadAt: Math.max(current.unreadAt, event.version),
    members: current.members.map((row) =>
      row.user.id === message.sender ? advanceSender(row, event, { readSeq: marks ? readSeq : 0, isLarge }) : row),
  };
}

/** A sender who had received all earlier messages has received their own, too. @param {Member} row
 * @param {MessageCreated} event @param {{readSeq: number, isLarge: boolean}} how @returns {Member} */
function advanceSender(row, { message }, { readSeq, isLarge }) {
  const hadReceivedAll = !isLarge && row.delivered_seq === message.seq - 1;
  const sent = hadReceivedAll ? advanceMarker(row, 0, message.seq, row.version) : row;
  return readSeq > row.read_seq ? { ...advanceMarker(sent, readSeq, 0, row.version), read_at: message.created_at } : sent;
}

/** A system message does not count as unread. @param {ConversationRow} current @param {Message|undefined} line
 * @returns {ConversationRow} */
function withLine(current, line) {
  return line ? { ...current, activity: line.id, last_seq: line.seq, last_message: line } : current;
}

/** @param {ConversationRow} current @param {MessageUpdated} event @returns {ConversationRow} */
function withChanged(current, { message }) {
  const last = current.last_message;
  if (last?.seq !== message.seq || last.version >= message.version) return current;
  return { ...current, last_message: message.hidden ? null : message };
}

/** @param {Message} message @param {number} me @returns {boolean} */
function mentions(message, me) {
  return message.sender !== me && (message.mentions ?? []).some((one) => one.user === me);
}

/** Accounts for a new message that mentions the user. @param {ConversationRow} current @param {Message} message
 * @param {number} me @param {boolean} hidden @returns {ConversationRow} */
function withMention(current, message, me, hidden) {
  if (hidden || !mentions(message, me)) return current;
  return { ...current, mention_seq: Math.max(current.mention_seq ?? 0, message.seq) };
}

/** Returns whether a message that has changed was the newest or the newest mention, and is not any more, or may have counted
 * as unread, or may be the newest mention now: the user may have hidden it before it was loaded, which the server knows.
 * @param {ConversationRow} current @param {MessageUpdated} event @param {number} me @returns {boolean} */
export function needsWhole(current, { message, version }, me) {
  if (message.hidden && current.last_message?.seq === message.seq) return true;
  const newest = current.mention_seq ?? 0;
  if (mentions(message, me) ? message.seq > newest : message.seq === newest) return true;
  if (!(message.deleted || message.hidden) || message.sender === me || version <= current.unreadAt) return false;
  return message.seq > (memberOf(current, me)?.read_seq ?? 0);
}

/** Returns the conversation after the user hid a message, or null if it has to be loaded again: a count from another
 * marker than the current one says nothing. @param {ConversationRow} current
 * @param {{seq: number, read_seq: number, unread: number, version: number}} event @param {number} me
 * @returns {ConversationRow|null} */
export function withHidden(current, { seq, read_seq, unread, version }, me) {
  const mine = memberOf(current, me)?.read_seq ?? 0;
  if (current.last_message?.seq === seq || current.mention_seq === seq || read_seq !== mine) return null;
  if (version >= current.version) return { ...current, unread, unreadAt: Math.max(current.unreadAt, version) };
  // Messages may have arrived after it was counted.
  return seq > mine ? null : current;
}

/** @param {ConversationRow} current @param {MembersUpdated} event @param {number} me @param {number} fanOutMax @returns {ConversationRow} */
function withMembers(current, event, me, fanOutMax) {
  const [row] = event.members;
  const mine = event.members.length === 1 && row.user.id === me && typeof event.unread === 'number'
    && event.version > current.unreadAt;
  const isLarge = event.member_count > fanOutMax;
  return {
    ...current,
    members: withRows(current.members, event.members, { me, isLarge, add: !isLarge }),
    member_count: event.member_count,
    unread: mine ? /** @type {number} */ (event.unread) : current.unread,
    unreadAt: mine ? Math.max(current.unreadAt, event.version) : current.unreadAt,
  };
}

/** The user's own markers never move back; in a large conversation a row without a marker says nothing about it.
 * @param {Member[]} members @param {Member[]} rows @param {{me: number, isLarge: boolean, add: boolean}} how `add`:
 * members that are not loaded @returns {Member[]} */
function withRows(members, rows, { me, isLarge, add }) {
  let changed = members;
  for (const row of rows) {
    const index = changed.findIndex((one) => one.user.id === row.user.id);
    if (row.left) changed = changed.filter((one) => one.user.id !== row.user.id);
    else if (index >= 0) {
      const keeps = row.user.id === me || (isLarge && row.read_seq === 0);
      changed = changed.with(index, keeps ? keepFurtherMarker(changed[index], row) : row);
    }
    else if (add) changed = [...changed, row];
  }
  return changed;
}

/** @param {Member} current @param {Member} row @returns {Member} */
function keepFurtherMarker(current, row) {
  if (current.read_seq <= row.read_seq) return row;
  return { ...advanceMarker(row, current.read_seq, current.delivered_seq, row.version), read_at: current.read_at };
}

/** @param {Member} row @param {number} read @param {number} delivered @param {number} version @returns {Member} */
function advanceMarker(row, read, delivered, version) {
  const readSeq = Math.max(row.read_seq, read);
  return {
    ...row,
    read_seq: readSeq,
    delivered_seq: Math.max(row.delivered_seq, delivered, readSeq),
    version: Math.max(row.version, version),
  };
}

/** Returns the conversation with the user's own marker, which only the user receives; null if it has to be loaded
 * again. @param {ConversationRow} current @param {Marker} marker @param {number} me @param {number} version
 * @returns {ConversationRow|null} */
export function withMarker(current, marker, me, version) {
  const row = current.members.find((one) => one.user.id === me);
  if (!row) return current;
  const moves = marker.read_seq > row.read_seq;
  const members = current.members.map((one) =>
    one === row
      ? { ...advanceMarker(row, marker.read_seq, marker.delivered_seq, row.version), ...(moves ? readAt(marker) : {}) }
      : one);
  if (!moves) return marker.delivered_seq > row.delivered_seq ? { ...current, members } : current;
  if (version < current.version) return null;
  return { ...current, members, unread: marker.unread, unreadAt: version };
}

/** @param {Marker} marker @returns {{read_at: string|null}} */
function readAt(marker) {
  return { read_at: marker.read_at ?? null };
}

/** Replaces a complete copy by another one, without moving the user's marker back.
 * @param {ConversationRow|undefined} current @param {Conversation} whole @param {number} me
 * @returns {ConversationRow} */
export function mergeRow(current, whole, me) {
  const taken = { ...whole, unreadAt: whole.version };
  const mine = current?.members.find((one) => one.user.id === me);
  if (!current || !mine || !isBehind(current, whole, me)) return taken;
  const members = whole.members.map((one) =>
    one.user.id === me
      ? { ...advanceMarker(one, mine.read_seq, mine.delivered_seq, one.version), read_at: mine.read_at }
      : one);
  return { ...taken, members };
}

/** Returns whether a complete copy was read before the user's marker moved to where it is.
 * @param {ConversationRow} current @param {Conversation} whole @param {number} me @returns {boolean} */
export function isBehind(current, whole, me) {
  return (memberOf(whole, me)?.read_seq ?? Infinity) < (memberOf(current, me)?.read_seq ?? 0);
}

/** @param {Conversation} conversation @param {number} me @returns {Member|undefined} */
export function memberOf(conversation, me) {
  return conversation.members.find((one) => one.user.id === me);
}

/** Returns how far the user has read, as far as the server has said. @param {{user: number,
 * conversations: Map<number, ConversationRow>}} state @param {number} id @returns {number} */
export function readSeqOf({ user, conversations }, id) {
  const conversation = conversations.get(id);
  return (conversation && memberOf(conversation, user)?.read_seq) ?? 0;
}

/** Returns where the user's history begins. @param {Conversation} conversation @param {number} me @returns {number} */
export function historyFrom(conversation, me) {
  return Math.max(1, memberOf(conversation, me)?.history_from ?? 1);
}

/** Returns which part of the list is loaded: nothing below `bound`. @param {ConversationPage} page
 * @returns {{loaded: boolean, next: string|null, bound: number}} */
export function listBounds({ conversations, next }) {
  return { loaded: true, next, bound: next === null ? 0 : conversations.at(-1)?.activity ?? 0 };
}
