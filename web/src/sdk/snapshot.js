/**
 * What of the state is kept on the device: enough to show the inbox without a connection, and to resume from there.
 *
 * Invariant: a state that was kept is one that the client could have been in, so resuming from it is the same as after
 * any other time without a connection. If that is impossible, because too much would have to be kept, its cursor is of no
 * epoch, and the first connection loads everything again.
 *
 * @import {State} from './state/state.js'
 */
import { apply } from './state/apply.js';
import { noReports } from './state/reports.js';
import { totalsOf } from './state/unread-totals.js';

/** `build` names the scripts of the page: the shape of the state is that of these scripts.
 * @typedef {{user: number, build: string, savedAt: number, site: import('./wire.js').Site, state: State}} Snapshot */

/** A cursor of an epoch that no server has: resuming from it is a reset. Without a cursor, the first page would bring one,
 * at which the rest of the state is not true. */
const OF_NO_EPOCH = '0.0';
/** The most that is kept: `conversations`, the newest; `threads`, the conversations whose newest messages are kept, those
 * opened last; `characters` of JSON. */
const LIMITS = { conversations: 200, threads: 20, characters: 4_000_000 };

/** Returns whether there is something to keep: the user and the beginning of the list. @param {State} state
 * @returns {boolean} */
export function isLoaded(state) {
  return state.me !== null && state.list.loaded && state.cursor !== null;
}

/** Returns the state to keep; null before everything has been loaded, or if even the conversations are too long.
 * @param {State} state @param {typeof LIMITS} [limits] @returns {State|null} */
export function keptState(state, limits = LIMITS) {
  if (!isLoaded(state)) return null;
  const closed = withClosedThreads(state);
  const whole = state.conversations.size <= limits.conversations;
  const latest = whole ? closed.conversations : newest(closed, limits.conversations);
  const conversations = new Map([...pinned(closed), ...latest]);
  const room = limits.characters - lengthOf([...conversations.values(), ...closed.users.values()]);
  if (room < 0) return null;
  const kept = {
    ...closed, conversations, found: new Map(), heldEvents: new Map(), heldEventsAt: new Map(), pending: null,
    // What was reported stays on the server.
    reports: { ...noReports(), open: closed.reports.open },
    threads: fitting({ ...closed, conversations }, limits.threads, room),
  };
  if (whole) return kept;
  const bound = Math.min(...[...latest.values()].map((one) => one.activity));
  return { ...kept, cursor: OF_NO_EPOCH, list: { loaded: true, next: null, bound }, totals: totalsWithout(state, conversations) };
}

/** Without what only threads on the screen have. @param {State} state @returns {State} */
function withClosedThreads(state) {
  let closed = state;
  for (const [id, { shown }] of state.threads) {
    if (shown) closed = apply(closed, { kind: 'closing', conversation: id });
  }
  return closed;
}

/** Returns the conversations that are on top of the list, whose number the server limits. @param {State} state
 * @returns {State['conversations']} */
function pinned({ conversations, settings }) {
  return new Map([...conversations].filter(([id]) => settings.get(id)?.pinned));
}

/** @param {State} state @param {number} count @returns {State['conversations']} */
function newest({ conversations }, count) {
  const sorted = [...conversations].sort(([, one], [, other]) => other.activity - one.activity);
  return new Map(sorted.slice(0, count));
}

/** Returns the threads opened last, as many as there is room for. @param {State} state @param {number} count the most
 * @param {number} room in characters @returns {State['threads']} */
function fitting({ threads, conversations }, count, room) {
  /** @type {[number, import('./state/messages.js').Thread][]} */
  const kept = [];
  let left = room;
  for (const [id, thread] of [...threads].reverse()) {
    if (kept.length === count) break;
    if (!thread.loaded || !conversations.has(id)) continue;
    left -= lengthOf([thread.messages, ...thread.quoted]);
    if (left < 0) break;
    kept.unshift([id, thread]);
  }
  return new Map(kept);
}

/** @param {State} state @param {State['conversations']} conversations @returns {State['totals']} */
function totalsWithout(state, conversations) {
  const { totals } = state;
  if (!totals) return null;
  const all = totalsOf(state);
  const kept = totalsOf({ ...state, totals: null, conversations });
  const rest = { conversations: all.conversations - kept.conversations, messages: all.messages - kept.messages };
  return { ...totals, rest };
}

/** @param {unknown} value @returns {number} */
function lengthOf(value) {
  return JSON.stringify(value).length;
}
