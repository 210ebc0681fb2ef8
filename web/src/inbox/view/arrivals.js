/**
 * Which messages have arrived since the last look at the conversations. Pure.
 *
 * @import {State} from '../../sdk/state/state.js'
 * @import {Arrival} from './notices.js'
 */
import { versionIn } from '../../sdk/state/stale-scopes.js';
import { isMentioned, unreadOf } from './conversations.js';

/** From so many conversations on, what arrived together is summed up. */
export const SUMMED_FROM = 4;

/** Returns whether changes are on their way that belong together: those of a time without a connection.
 * @param {State} state @param {boolean} isConnected @returns {boolean} */
export function isCatchingUp(state, isConnected) {
  return !isConnected || !state.list.loaded || state.stale.size >= SUMMED_FROM;
}

/** Returns whether one notice is about all of them. @param {number} conversations @param {boolean} caughtUp they come
 * from a time without a connection @returns {boolean} */
export function isSummedUp(conversations, caughtUp) {
  return conversations >= (caughtUp ? 2 : SUMMED_FROM);
}

export class NewMessages {
  /** The version up to which nothing has arrived: what was there when the list was loaded. @type {number|null} */
  #before = null;
  /** The newest message of each conversation, how many were unread, and the newest mention.
   * @type {Map<number, {id: number, unread: number, mention: number}>} */
  #known = new Map();

  /** Returns the newest message of each conversation in which messages of others have arrived since the last call. What
   * is there when the list is loaded, at first and after a reset, has not arrived.
   * @param {{state: State, user: number, readUpTo: (conversation: number) => number}} client @returns {Arrival[]} */
  find({ state, user, readUpTo }) {
    if (!state.list.loaded || state.cursor === null) {
      this.#before = null;
      this.#known.clear();
      return [];
    }
    this.#before ??= versionIn(state.cursor);
    /** @type {Arrival[]} */
    const arrived = [];
    for (const conversation of state.conversations.values()) {
      const { id, last_message: last } = conversation;
      if (!last) continue;
      const unread = unreadOf(conversation, readUpTo(id));
      const known = this.#known.get(id);
      const { mention_seq: mention = 0 } = conversation;
      this.#known.set(id, { id: last.id, unread, mention });
      if (last.id <= (known?.id ?? this.#before)) continue;
      // The line after a message may have come together with it.
      const isMessage = last.sender !== user && !last.system && !last.deleted;
      if (!isMessage && unread <= (known?.unread ?? 0)) continue;
      // In a group the user receives what a blocked user writes, and it makes no sound.
      if (state.blocks.has(last.sender)) continue;
      // What was mentioned before the conversation was loaded has not arrived.
      const isNew = mention > (known ? known.mention : last.seq - 1) && isMentioned(conversation, user, readUpTo(id));
      arrived.push({ conversation: id, seq: last.seq, id: last.id, at: Date.parse(last.created_at), mention: isNew ? mention : 0 });
    }
    return arrived;
  }
}

/** The last message of a conversation that a tab has decided about: the conversation, its id, when it was created, and the
 * `seq` of the newest mention that was decided about.
 * @typedef {[number, number, number, number]} Claim */

/** Returns the messages that no tab has decided about yet, without mentions that one has, and the claims with them. After the server's data was restored
 * from a backup, ids begin again at a smaller one; then the time counts.
 * @param {Claim[]} claims @param {Arrival[]} arrivals @param {number} most @returns {{fresh: Arrival[], claims: Claim[]}} */
export function claim(claims, arrivals, most) {
  const last = new Map(claims.map((one) => [one[0], one]));
  /** @type {Arrival[]} */
  const fresh = [];
  for (const one of arrivals) {
    const { conversation, id, at } = one;
    const known = last.get(conversation);
    if (known && id <= known[1] && at <= known[2]) continue;
    const decided = known && id > known[1] ? known[3] : 0;
    fresh.push({ ...one, mention: one.mention > decided ? one.mention : 0 });
    last.delete(conversation);
    last.set(conversation, [conversation, id, at, Math.max(decided, one.mention)]);
  }
  return { fresh, claims: [...last.values()].slice(-most) };
}
