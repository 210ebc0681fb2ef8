/**
 * What this page reports about its user: that they are typing, whether they are idle, and whose presence they watch.
 * All of it is sent again on a new connection, because the server does not store it.
 *
 * @import {Clock} from './clock.js'
 * @import {Ephemeral} from './ephemeral.js'
 * @import {Command} from './wire.js'
 */

/** While the user types this is repeated, but not more often. */
const TYPING_MS = 3_000;
/** Without a socket, presence is polled. */
const POLL_MS = 30_000;
const WATCHED_MAX = 100;

export class OwnActivity {
  /** @type {number[]} */
  #watched = [];
  #idle = false;
  /** The conversation in which the user is typing. @type {number|null} */
  #typing = null;
  /** Where and when typing was last reported. */
  #lastSent = { conversation: 0, at: -Infinity };
  /** @type {unknown} */
  #typingTimer = null;
  /** @type {unknown} */
  #pollTimer = null;
  /** Answers to older requests are ignored. */
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

  /** The user changed the text in a conversation. @param {number} conversation */
  typing(conversation) {
    if (this.#typing !== null && this.#typing !== conversation) this.stopTyping();
    const began = this.#typing === null;
    this.#typing = conversation;
    const waited = this.clock.now() - this.#lastSent.at;
    if (this.#lastSent.conversation !== conversation || waited >= TYPING_MS) {
      this.#sendTyping(conversation);
    } else if (began) {
      // The server would ignore it so soon: it is sent when it no longer does.
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

  /** The user emptied the field or left the conversation. */
  stopTyping() {
    const last = this.#typing;
    this.#typing = null;
    this.clock.stop(this.#typingTimer);
    if (last !== null) this.#send({ type: 'conversation.typing', conversation: last, typing: false });
  }

  /** The user sent the message, which itself ends the typing for others. @param {number} conversation */
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

  /** Watches the presence of these users and no others. @param {number[]} users */
  watch(users) {
    const wanted = [...new Set(users)].sort((a, b) => a - b).slice(0, WATCHED_MAX);
    if (wanted.join() === this.#watched.join()) return;
    this.#watched = wanted;
    void this.#requestPresence();
  }

  /** A connection to the server is open. */
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
    const id = (this.#requestId += 1);
    try {
      const { presence } = await this.request({ type: 'presence.watch', users: this.#watched });
      if (id === this.#requestId && !this.#stopped) this.ephemeral.setPresence(presence, true);
    } catch {
      // It is requested again on the next connection, or below.
    }
    if (this.#stopped || id !== this.#requestId || this.isLive()) return;
    this.#pollTimer = this.clock.after(POLL_MS, () => void this.#requestPresence());
  }

  /** @param {Command} command */
  #send(command) {
    this.request(command).catch(() => {
      // No loss: it expires or is sent again.
    });
  }
}
