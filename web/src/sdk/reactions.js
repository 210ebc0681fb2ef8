/**
 * Reactions that are being sent. The user's choice is shown at once, and undone if the server refuses it.
 *
 * Invariants: there is one request at a time for each emoji of each message, and the last choice wins.
 *
 * @import {Message} from './wire.js'
 */

/** @typedef {{conversation: number, seq: number, emoji: string}} ReactionPlace */

export class PendingReactions {
  /** @type {Map<string, ReactionPlace & {on: boolean}>} */
  #pending = new Map();
  /** Running requests. @type {Map<string, Promise<void>>} */
  #sending = new Map();

  /** @param {{
   *   user: number, changed: () => void, react: (place: ReactionPlace, on: boolean) => Promise<void>,
   * }} parts */
  constructor({ user, changed, react }) {
    this.user = user;
    this.changed = changed;
    this.react = react;
  }

  /** Sets or removes a reaction. Rejects, after undoing it, if it was refused. @param {ReactionPlace} place
   * @param {boolean} on @returns {Promise<void>} */
  set(place, on) {
    const key = `${place.conversation} ${place.seq} ${place.emoji}`;
    this.#pending.set(key, { ...place, on });
    this.changed();
    const telling = this.#sending.get(key) ?? this.#send(key);
    this.#sending.set(key, telling);
    return telling;
  }

  /** Sends until the last choice has arrived or is refused. @param {string} key */
  async #send(key) {
    try {
      for (let wish = this.#pending.get(key), sent; wish && wish.on !== sent; wish = this.#pending.get(key)) {
        const { on, ...place } = wish;
        try {
          await this.react(place, on);
          sent = on;
        } catch (error) {
          // A refusal of an earlier choice says nothing about the current one.
          if (this.#pending.get(key) === wish) throw error;
        }
      }
    } finally {
      this.#pending.delete(key);
      this.#sending.delete(key);
      this.changed();
    }
  }

  /** Returns a message with the pending reactions: the same object if there are none. @param {Message} message
   * @returns {Message} */
  withPending(message) {
    if (this.#pending.size === 0) return message;
    const sent = message.reactions ?? [];
    let reactions = sent;
    for (const { conversation, seq, emoji, on } of this.#pending.values()) {
      if (conversation !== message.conversation || seq !== message.seq) continue;
      const there = reactions.find((one) => one.emoji === emoji);
      const users = (there?.users ?? []).filter((one) => one !== this.user);
      if (on && there?.users.includes(this.user)) continue;
      if (on) users.push(this.user);
      if (users.length === 0) reactions = reactions.filter((one) => one !== there);
      else if (there) reactions = reactions.map((one) => (one === there ? { emoji, users } : one));
      else reactions = [...reactions, { emoji, users }];
    }
    return reactions === sent ? message : { ...message, reactions };
  }
}
