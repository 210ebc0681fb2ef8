/**
 * What this page tells of its own: that somebody writes, that somebody is at it, and whom it watches. All of it is said
 * again on a new connection, because the server keeps none of it.
 *
 * @import {Clock} from './clock.js'
 * @import {Passing} from './ephemeral.js'
 * @import {Command} from './wire.js'
 */

/** That one writes is said again while one does, but not more often. */
const TYPING_MS = 3_000;
/** Without a socket presence is asked for. */
const POLL_MS = 30_000;
const WATCHED_MAX = 100;

export class Here {
  /** @type {number[]} */
  #watched = [];
  #idle = false;
  /** Where I write. @type {number|null} */
  #typing = null;
  /** Where it was last said that I write, and when. */
  #said = { conversation: 0, at: -Infinity };
  /** @type {unknown} */
  #saying = null;
  /** @type {unknown} */
  #timer = null;
  /** Answers to older questions are not believed. */
  #asked = 0;
  #stopped = false;

  /** @param {{
   *   clock: Clock, passing: Passing, request: (command: Command) => Promise<any>, isLive: () => boolean,
   * }} parts */
  constructor({ clock, passing, request, isLive }) {
    this.clock = clock;
    this.passing = passing;
    this.request = request;
    this.isLive = isLive;
  }

  /** I changed what I am writing in a conversation. @param {number} conversation */
  typing(conversation) {
    if (this.#typing !== null && this.#typing !== conversation) this.stopTyping();
    const began = this.#typing === null;
    this.#typing = conversation;
    const waited = this.clock.now() - this.#said.at;
    if (this.#said.conversation !== conversation || waited >= TYPING_MS) {
      this.#sayTyping(conversation);
    } else if (began) {
      // Begun again so soon that it would not be heard: it is said when it is.
      this.clock.stop(this.#saying);
      this.#saying = this.clock.after(TYPING_MS - waited, () => {
        if (this.#typing === conversation) this.#sayTyping(conversation);
      });
    }
  }

  /** @param {number} conversation */
  #sayTyping(conversation) {
    this.clock.stop(this.#saying);
    this.#said = { conversation, at: this.clock.now() };
    this.#say({ type: 'conversation.typing', conversation, typing: true });
  }

  /** I emptied the field, or went elsewhere. */
  stopTyping() {
    const last = this.#typing;
    this.#typing = null;
    this.clock.stop(this.#saying);
    if (last !== null) this.#say({ type: 'conversation.typing', conversation: last, typing: false });
  }

  /** I sent what I wrote: the message itself ends it for the others. @param {number} conversation */
  wrote(conversation) {
    if (this.#typing !== conversation) return;
    this.#typing = null;
    this.clock.stop(this.#saying);
  }

  /** @param {boolean} idle whether nobody is at this page */
  setIdle(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    if (this.isLive()) this.#say({ type: 'presence.set', idle });
  }

  /** Watches these people and nobody else. @param {number[]} users */
  watch(users) {
    const wanted = [...new Set(users)].sort((a, b) => a - b).slice(0, WATCHED_MAX);
    if (wanted.join() === this.#watched.join()) return;
    this.#watched = wanted;
    void this.#ask();
  }

  /** A way to the server is open. */
  opened() {
    this.#typing = null;
    this.#said.at = -Infinity;
    if (this.#idle && this.isLive()) this.#say({ type: 'presence.set', idle: true });
    if (this.#watched.length > 0) void this.#ask();
  }

  stop() {
    this.#stopped = true;
    this.clock.stop(this.#saying);
    this.clock.stop(this.#timer);
  }

  async #ask() {
    this.clock.stop(this.#timer);
    if (this.#stopped) return;
    const asked = (this.#asked += 1);
    try {
      const { presence } = await this.request({ type: 'presence.watch', users: this.#watched });
      if (asked === this.#asked && !this.#stopped) this.passing.watched(presence, true);
    } catch {
      // It is asked again with the next connection, or below.
    }
    if (this.#stopped || asked !== this.#asked || this.isLive()) return;
    this.#timer = this.clock.after(POLL_MS, () => void this.#ask());
  }

  /** @param {Command} command */
  #say(command) {
    this.request(command).catch(() => {
      // Nobody misses it for long: it expires, or is said again.
    });
  }
}
