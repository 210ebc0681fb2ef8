/**
 * Reactions on their way. What I chose is shown at once; a refusal takes it back.
 *
 * Invariants: one request at a time for each emoji under each message, the last choice wins.
 *
 * @import {Message} from './wire.js'
 */

/** @typedef {{conversation: number, seq: number, emoji: string}} Place */

export class Reacting {
  /** @type {Map<string, Place & {on: boolean}>} */
  #wishes = new Map();
  /** What is being told. @type {Map<string, Promise<void>>} */
  #telling = new Map();

  /** @param {{
   *   user: number, changed: () => void, react: (place: Place, on: boolean) => Promise<void>,
   * }} parts */
  constructor({ user, changed, react }) {
    this.user = user;
    this.changed = changed;
    this.react = react;
  }

  /** Rejects, after taking it back, when it was refused. @param {Place} place @param {boolean} on
   * @returns {Promise<void>} */
  choose(place, on) {
    const key = `${place.conversation} ${place.seq} ${place.emoji}`;
    this.#wishes.set(key, { ...place, on });
    this.changed();
    const telling = this.#telling.get(key) ?? this.#tell(key);
    this.#telling.set(key, telling);
    return telling;
  }

  /** Until the last choice is told, or refused. @param {string} key */
  async #tell(key) {
    try {
      for (let wish = this.#wishes.get(key), told; wish && wish.on !== told; wish = this.#wishes.get(key)) {
        const { on, ...place } = wish;
        try {
          await this.react(place, on);
          told = on;
        } catch (error) {
          // A refusal of what is no longer wished says nothing about what is.
          if (this.#wishes.get(key) === wish) throw error;
        }
      }
    } finally {
      this.#wishes.delete(key);
      this.#telling.delete(key);
      this.changed();
    }
  }

  /** A message as it will be: the same object where I chose nothing. @param {Message} message @returns {Message} */
  over(message) {
    if (this.#wishes.size === 0) return message;
    const told = message.reactions ?? [];
    let reactions = told;
    for (const { conversation, seq, emoji, on } of this.#wishes.values()) {
      if (conversation !== message.conversation || seq !== message.seq) continue;
      const there = reactions.find((one) => one.emoji === emoji);
      const users = (there?.users ?? []).filter((one) => one !== this.user);
      if (on && there?.users.includes(this.user)) continue;
      if (on) users.push(this.user);
      if (users.length === 0) reactions = reactions.filter((one) => one !== there);
      else if (there) reactions = reactions.map((one) => (one === there ? { emoji, users } : one));
      else reactions = [...reactions, { emoji, users }];
    }
    return reactions === told ? message : { ...message, reactions };
  }
}
