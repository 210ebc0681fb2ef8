/**
 * State that is not stored: who is typing, and who is online. It expires by itself, ends with the connection, and is
 * sent again on a new one.
 *
 * Invariants: nobody is shown as typing for longer than the server said; their message ends it; without a connection
 * nothing is known of anybody.
 * Absent on purpose: which users to watch, and when this user is typing (`own-activity.js`).
 *
 * @import {Clock} from './clock.js'
 * @import {EphemeralEvent, Presence} from './wire.js'
 */

/** An upper limit, whatever the server says. */
const TYPING_MS_MAX = 30_000;

export class Ephemeral {
  /** Who is typing, by conversation and user, with the timer that ends it. @type {Map<number, Map<number, unknown>>} */
  #typing = new Map();
  /** @type {Map<number, Presence>} */
  #presence = new Map();

  /** @param {{user: number, clock: Clock, changed: () => void}} parts */
  constructor({ user, clock, changed }) {
    this.user = user;
    this.clock = clock;
    this.changed = changed;
  }

  /** Returns the other users who are typing, in the order in which they started. @param {number} conversation
   * @returns {number[]} */
  typing(conversation) {
    return [...(this.#typing.get(conversation)?.keys() ?? [])];
  }

  /** Returns the presence of a user, if it is known. @param {number} user @returns {Presence|null} */
  presence(user) {
    return this.#presence.get(user) ?? null;
  }

  /** @param {EphemeralEvent} event */
  apply(event) {
    if (event.type === 'typing.changed') {
      if (event.typing && event.user !== this.user) this.#startTyping(event);
      else this.stopTyping(event.conversation, event.user);
    } else if (event.type === 'presence.changed') {
      const { user, status, seen_at } = event;
      this.setPresence([{ user, status, seen_at }]);
    }
  }

  /** Sets the presence of watched users. @param {Presence[]} presence @param {boolean} [all] whether no others are
   * watched */
  setPresence(presence, all = false) {
    if (all) this.#presence.clear();
    for (const one of presence) this.#presence.set(one.user, one);
    this.changed();
  }

  /** A user sent a message or stopped typing. @param {number} conversation @param {number} user */
  stopTyping(conversation, user) {
    const there = this.#typing.get(conversation);
    if (!there?.has(user)) return;
    this.clock.stop(there.get(user));
    there.delete(user);
    if (there.size === 0) this.#typing.delete(conversation);
    this.changed();
  }

  /** The connection was lost: nothing is known any more. */
  clear() {
    if (this.#typing.size === 0 && this.#presence.size === 0) return;
    for (const there of this.#typing.values()) for (const timer of there.values()) this.clock.stop(timer);
    this.#typing.clear();
    this.#presence.clear();
    this.changed();
  }

  /** @param {{conversation: number, user: number, expires_ms: number}} event */
  #startTyping({ conversation, user, expires_ms }) {
    const there = this.#typing.get(conversation) ?? new Map();
    this.#typing.set(conversation, there);
    this.clock.stop(there.get(user));
    const most = Math.min(Math.max(0, expires_ms), TYPING_MS_MAX);
    there.set(user, this.clock.after(most, () => this.stopTyping(conversation, user)));
    this.changed();
  }
}
