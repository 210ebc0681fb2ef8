/**
 * What this page tells of its own: that somebody writes, that somebody is at it, and whom it watches. All of it is said
 * again on a new connection, because the server keeps none of it.
 *
 * @import {Clock} from './clock.js'
 * @import {Ephemeral} from './ephemeral.js'
 * @import {Command} from './wire.js'
 */

/** That one writes is said again while one does, but not more often. */
const TYPING_MS = 3_000;
/** Without a socket presence is asked for. */
const POLL_MS = 30_000;
const WATCHED_MAX = 100;

export class OwnActivity {
  /** @type {number[]} */
  #watched = [];
  #idle = false;
  /** Where I write. @type {number|null} */
  #typing = null;
  /** Where it was last said that I write, and when. */
  #lastSent = { conversation: 0, at: -Infinity };
  /** @type {unknown} */
  #typingTimer = null;
  /** @type {unknown} */
  #pollTimer = null;
  /** Answers to older questions are not believed. */
  #requestId = 0;
  #stopped = false;

  /** @param {{
   *   clock: Clock, ephemeral: Ephemeral, request: (command: Command) => Promise<any>, isLive: () => boolean,
   * }} parts */
  constructor({ clock, ephemeral, request, isLive }) {
    this.clock = clock;
    this.ephemeral = ephemeral;
    this.request = request;
    this.isLive = isLive;
  }

  /** I changed what I am writing in a conversation. @param {number} conversation */
  typing(conversation) {
    if (this.#typing !== null && this.#typing !== conversation) this.stopTyping();
    const began = this.#typing === null;
    this.#typing = conversation;
    const waited = this.clock.now() - this.#lastSent.at;
    if (this.#lastSent.conversation !== conversation || waited >= TYPING_MS) {
      this.#sendTyping(conversation);
    } else if (began) {
      // Begun again so soon that it would not be heard: it is said when it is.
      this.clock.stop(this.#typingTimer);
      this.#typingTimer = this.clock.after(TYPING_MS - waited, () => {
        if (this.#typing === conversation) this.#sendTyping(conversation);
      });
    }
  }

  /** @param {number} conversation */
  #sendTyping(conversation) {
    this.clock.stop(this.#typingTimer);
    this.#lastSent = { conversation, at: this.clock.now() };
    this.#send({ type: 'conversation.typing', conversation, typing: true });
  }

  /** I emptied the field, or went elsewhere. */
  stopTyping() {
    const last = this.#typing;
    this.#typing = null;
    this.clock.stop(this.#typingTimer);
    if (last !== null) this.#send({ type: 'conversation.typing', conversation: last, typing: false });
  }

  /** I sent what I wrote: the message itself ends it for the others. @param {number} conversation */
  messageSent(conversation) {
    if (this.#typing !== conversation) return;
    this.#typing = null;
    this.clock.stop(this.#typingTimer);
  }

  /** @param {boolean} idle whether nobody is at this page */
  setIdle(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    if (this.isLive()) this.#send({ type: 'presence.set', idle });
  }

  /** Watches these people and nobody else. @param {number[]} users */
  watch(users) {
    const wanted = [...new Set(users)].sort((a, b) => a - b).slice(0, WATCHED_MAX);
    if (wanted.join() === this.#watched.join()) return;
    this.#watched = wanted;
    void this.#requestPresence();
  }

  /** A way to the server is open. */
  connected() {
    this.#typing = null;
    this.#lastSent.at = -Infinity;
    if (this.#idle && this.isLive()) this.#send({ type: 'presence.set', idle: true });
    if (this.#watched.length > 0) void this.#requestPresence();
  }

  stop() {
    this.#stopped = true;
    this.clock.stop(this.#typingTimer);
    this.clock.stop(this.#pollTimer);
  }

  async #requestPresence() {
    this.clock.stop(this.#pollTimer);
    if (this.#stopped) return;
    const asked = (this.#requestId += 1);
    try {
      const { presence } = await this.request({ type: 'presence.watch', users: this.#watched });
      if (asked === this.#requestId && !this.#stopped) this.ephemeral.setPresence(presence, true);
    } catch {
      // It is asked again with the next connection, or below.
    }
    if (this.#stopped || asked !== this.#requestId || this.isLive()) return;
    this.#pollTimer = this.clock.after(POLL_MS, () => void this.#requestPresence());
  }

  /** @param {Command} command */
  #send(command) {
    this.request(command).catch(() => {
      // Nobody misses it for long: it expires, or is said again.
    });
  }
}
