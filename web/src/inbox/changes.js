/**
 * What an event makes of a conversation. Pure.
 *
 * In a conversation of more than `fanOutMax` people only some members are held, and my own marker is told in another
 * scope; `unreadAt` is the version at which `unread` is known to be true, and matters only there.
 *
 * @import {Conversation, Marker, Member, MembersUpdated, MessageCreated, PlacedEvent} from '../sdk/wire.js'
 */

/** @typedef {Conversation & {unreadAt: number}} Held */

/** "99+" on the wire. */
const UNREAD_MAX = 100;

/** @param {Held} held @param {PlacedEvent} event @param {{me: number, fanOutMax: number}} how @returns {Held} */
export function changedBy(held, event, { me, fanOutMax }) {
  switch (event.type) {
    case 'message.created':
      return { ...withMessage(held, event, me), version: event.version };
    case 'conversation.updated': {
      const members = withRows(held.members, event.members, false);
      return { ...held, title: event.title, context: event.context, members, version: event.version };
    }
    case 'member.updated':
      return { ...withMembers(held, event, me, fanOutMax), version: event.version };
    default:
      return held;
  }
}

/** @param {Held} held @param {MessageCreated} event @param {number} me @returns {Held} */
function withMessage(held, event, me) {
  const { message } = event;
  // Not told where receipts are off: then it moves nothing.
  const readSeq = event.sender_read_seq ?? 0;
  const mine = message.sender === me;
  // My own marker, moved otherwise than by this message, is told by its own event together with what is unread.
  const marks = !mine || readSeq === message.seq;
  const counted = event.version <= held.unreadAt || (mine && !marks);
  return {
    ...held,
    activity: message.id,
    last_seq: message.seq,
    last_message: message,
    unread: counted ? held.unread : mine ? 0 : Math.min(UNREAD_MAX, held.unread + 1),
    unreadAt: Math.max(held.unreadAt, event.version),
    members: held.members.map((row) =>
      row.user.id === message.sender && marks && readSeq > row.read_seq ? moved(row, readSeq, 0, event.version) : row),
  };
}

/** @param {Held} held @param {MembersUpdated} event @param {number} me @param {number} fanOutMax @returns {Held} */
function withMembers(held, event, me, fanOutMax) {
  const [row] = event.members;
  const mine = event.members.length === 1 && row.user.id === me && typeof event.unread === 'number';
  return {
    ...held,
    members: withRows(held.members, event.members, event.member_count <= fanOutMax),
    member_count: event.member_count,
    unread: mine ? /** @type {number} */ (event.unread) : held.unread,
    unreadAt: mine ? Math.max(held.unreadAt, event.version) : held.unreadAt,
  };
}

/** @param {Member[]} members @param {Member[]} rows @param {boolean} add those who are not held @returns {Member[]} */
function withRows(members, rows, add) {
  let changed = members;
  for (const row of rows) {
    const index = changed.findIndex((one) => one.user.id === row.user.id);
    if (row.left) changed = changed.filter((one) => one.user.id !== row.user.id);
    else if (index >= 0) changed = changed.with(index, row);
    else if (add) changed = [...changed, row];
  }
  return changed;
}

/** @param {Member} row @param {number} read @param {number} delivered @param {number} version @returns {Member} */
function moved(row, read, delivered, version) {
  const readSeq = Math.max(row.read_seq, read);
  return {
    ...row,
    read_seq: readSeq,
    delivered_seq: Math.max(row.delivered_seq, delivered, readSeq),
    version: Math.max(row.version, version),
  };
}

/** My own marker in a large conversation, told live; null when a whole copy has to be asked for.
 * @param {Held} held @param {Marker} marker @param {number} me @param {number} version @returns {Held|null} */
export function withMarker(held, marker, me, version) {
  const row = held.members.find((one) => one.user.id === me);
  if (!row) return held;
  const members = held.members.map((one) =>
    one === row ? moved(row, marker.read_seq, marker.delivered_seq, row.version) : one);
  if (marker.read_seq <= row.read_seq) return marker.delivered_seq > row.delivered_seq ? { ...held, members } : held;
  if (version < held.version) return null;
  return { ...held, members, unread: marker.unread, unreadAt: version };
}

/** A whole copy in the place of another: in a large conversation my own marker does not move back.
 * @param {Held|undefined} held @param {Conversation} whole @param {number} me @param {number} fanOutMax
 * @returns {Held} */
export function withWhole(held, whole, me, fanOutMax) {
  const taken = { ...whole, unreadAt: whole.version };
  const mine = held?.members.find((one) => one.user.id === me);
  if (!mine || whole.member_count <= fanOutMax) return taken;
  const members = whole.members.map((one) =>
    one.user.id === me && one.read_seq < mine.read_seq
      ? moved(one, mine.read_seq, mine.delivered_seq, one.version)
      : one);
  return { ...taken, members };
}

/** @param {Conversation} conversation @param {number} me @returns {Member|undefined} */
export function memberOf(conversation, me) {
  return conversation.members.find((one) => one.user.id === me);
}

/** My messages begin here. @param {Conversation} conversation @param {number} me @returns {number} */
export function historyFrom(conversation, me) {
  return Math.max(1, memberOf(conversation, me)?.history_from ?? 1);
}
