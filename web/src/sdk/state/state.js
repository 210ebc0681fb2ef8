/**
 * What a client knows: the shape of the state, and the version at which each part of it is true. Only `apply.js`
 * changes it.
 *
 * The row of a conversation and its messages may be true at different versions, since a complete copy moves only the
 * row. The version of the scope is the lower of the two.
 *
 * @import {ConversationSettings, Draft, Me, Message, PlacedEvent, Unread, User, Warning} from '../wire.js'
 * @import {ConversationRow} from './conversations.js'
 * @import {Thread} from './messages.js'
 * @import {Reports} from './reports.js'
 */
import { noReports } from './reports.js';

/**
 * `wholeSince` is the turn at which a complete copy was last needed, or 0.
 * @typedef {{version: number, urgent: boolean, wholeSince: number}} StaleScope
 * @typedef {{rest: Unread, at: number}} Totals what is unread in conversations that are not loaded, and at which version
 * @typedef {Map<string, Message|null>} FoundMessages the newest copies; null if a message may have changed
 * @typedef {{seqs: Set<number>, turn: number}} HiddenMessages messages that the user hid, as far as known, and when
 * `settings` has those of conversations that are not loaded, too, as far as known; `now` is the server's time of the
 * totals. `blocks` has the users whom the user has blocked, `warnings` those that they have not read. `unhidden` has the
 * turn at which a message of a conversation was last shown again.
 * @typedef {{
 *   user: number,
 *   turn: number,
 *   fanOutMax: number,
 *   me: Me|null,
 *   cursor: string|null,
 *   pending: {cursor: string, needs: Map<string, number>}|null,
 *   conversations: Map<number, ConversationRow>,
 *   threads: Map<number, Thread>,
 *   users: Map<number, User>,
 *   hidden: Map<number, HiddenMessages>,
 *   unhidden: Map<number, number>,
 *   found: FoundMessages,
 *   list: {loaded: boolean, next: string|null, bound: number},
 *   stale: Map<string, StaleScope>,
 *   heldEvents: Map<string, PlacedEvent[]>,
 *   heldEventsAt: Map<string, number>,
 *   addedAt: Map<string, number>,
 *   left: Map<string, {version: number, turn: number}>,
 *   totals: Totals|null,
 *   settings: Map<number, ConversationSettings>, drafts: Map<number, Draft>,
 *   blocks: Set<number>,
 *   reports: Reports,
 *   warnings: Warning[],
 *   now: string,
 * }} State
 */

const FAN_OUT_MAX = 64;

/** @param {number} user @returns {State} */
export function emptyState(user) {
  return {
    user,
    turn: 0,
    fanOutMax: FAN_OUT_MAX,
    me: null,
    cursor: null,
    pending: null,
    conversations: new Map(),
    threads: new Map(),
    users: new Map(),
    hidden: new Map(),
    unhidden: new Map(),
    found: new Map(),
    list: { loaded: false, next: null, bound: 0 },
    stale: new Map(),
    heldEvents: new Map(),
    heldEventsAt: new Map(),
    addedAt: new Map(),
    left: new Map(),
    totals: null,
    settings: new Map(),
    blocks: new Set(),
    drafts: new Map(),
    reports: noReports(),
    warnings: [],
    now: '',
  };
}

/** Returns the version at which all that is loaded of a scope is true; null if nothing is loaded. @param {State} state
 * @param {string} scope @returns {number|null} */
export function versionOf(state, scope) {
  const at = rowVersion(state, scope);
  const stale = state.threads.get(conversationOf(scope))?.stale ?? null;
  return at === null || stale === null ? at : Math.min(at, stale);
}

/** Returns the version that the next event of a scope follows. @param {State} state @param {string} scope
 * @returns {number|null} */
export function rowVersion(state, scope) {
  if (scope === `user:${state.user}`) return state.me ? state.me.scope_version : null;
  return state.conversations.get(conversationOf(scope))?.version ?? null;
}

/** @param {string} scope @returns {number} the conversation's id, or NaN for another kind of scope */
export function conversationOf(scope) {
  const [kind, id] = scope.split(':');
  return kind === 'conversation' ? Number(id) : NaN;
}

/** Returns whether a conversation was removed after a request. @param {State} draft @param {string} scope
 * @param {number} requestedAt @returns {boolean} */
export function wasLeftSince(draft, scope, requestedAt) {
  return (draft.left.get(scope)?.turn ?? -1) > requestedAt;
}

/** Returns whether messages of a conversation were shown again after a request: its answer may have only their places.
 * @param {State} draft @param {number} id @param {number} requestedAt @returns {boolean} */
export function wasUnhiddenSince(draft, id, requestedAt) {
  return (draft.unhidden.get(id) ?? -1) > requestedAt;
}

/** Returns whether a conversation was first added after a request. @param {State} draft @param {string} scope
 * @param {number} requestedAt @returns {boolean} */
export function wasAddedSince(draft, scope, requestedAt) {
  return versionOf(draft, scope) !== null && (draft.addedAt.get(scope) ?? -1) > requestedAt;
}
