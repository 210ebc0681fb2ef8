/**
 * How far the user has received and read. A marker only moves forward, and is sent at most once a second per
 * conversation.
 *
 * @import {Clock} from './clock.js'
 * @import {Command} from './wire.js'
 */
import { canRetry } from './problem.js';

/** @typedef {{read: number, delivered: number}} Position */

const INTERVAL_MS = 1_000;
const RETRY_MS = 5_000;

export class ReadMarkers {
  /** The markers to send. @type {Map<number, Position>} */
  #targets = new Map();
  /** The markers that were sent. @type {Map<number, Position>} */
  #sent = new Map();
  /** @type {Map<number, unknown>} */
  #timers = new Map();
  #generation = 0;

  /** @param {{
   *   clock: Clock, request: (command: Command) => Promise<any>, stored: (conversation: number) => number,
   * }} parts `stored`: how far the user has read as far as the server has said */
  constructor({ clock, request, stored }) {
    this.clock = clock;
    this.request = request;
    this.stored = stored;
  }

  /** Returns how far the user has read on this page, whether it was sent already or not. @param {number} conversation
   * @returns {number} */
  readUpTo(conversation) {
    return this.#targets.get(conversation)?.read ?? 0;
  }

  /** @param {number} conversation @param {number} seq @param {boolean} isRead */
  advance(conversation, seq, isRead) {
    const target = this.#targets.get(conversation) ?? { read: 0, delivered: 0 };
    const read = Math.max(target.read, isRead ? seq : 0);
    const delivered = Math.max(target.delivered, seq);
    if (read === target.read && delivered === target.delivered) return;
    this.#targets.set(conversation, { read, delivered });
    if (!this.#timers.has(conversation)) void this.#send(conversation);
  }

  /** Sends how far the user has read, and waits until the server has it and all that was sent before.
   * @param {number} conversation */
  async flush(conversation) {
    const target = this.#targets.get(conversation);
    if (!target || target.read === 0) return;
    await this.request({ type: 'conversation.mark', conversation, read: target.read });
    const sent = this.#sent.get(conversation) ?? { read: 0, delivered: 0 };
    this.#sent.set(conversation, { read: Math.max(sent.read, target.read), delivered: Math.max(sent.delivered, target.read) });
  }

  /** The state was dropped: the server may know less than it was sent. */
  reset() {
    this.#generation += 1;
    this.#targets.clear();
    this.#sent.clear();
  }

  stop() {
    for (const timer of this.#timers.values()) this.clock.stop(timer);
  }

  /** @param {number} conversation */
  async #send(conversation) {
    const target = this.#targets.get(conversation) ?? { read: 0, delivered: 0 };
    const sent = this.#sent.get(conversation) ?? { read: 0, delivered: 0 };
    if (target.read <= sent.read && target.delivered <= sent.delivered) return;
    this.#timers.set(conversation, null);
    const generation = this.#generation;
    const done = () => generation === this.#generation && this.#sent.set(conversation, target);
    let pause = INTERVAL_MS;
    try {
      // Read implies delivered; what was delivered beyond it is sent separately. What another device has sent is not sent
      // again: it would end a mark as unread that is newer.
      if (target.read > Math.max(sent.read, this.stored(conversation))) {
        await this.request({ type: 'conversation.mark', conversation, read: target.read });
      }
      if (target.delivered > Math.max(sent.delivered, target.read)) {
        await this.request({ type: 'conversation.mark', conversation, delivered: target.delivered });
      }
      done();
    } catch (error) {
      if (canRetry(error)) pause = RETRY_MS;
      else done();
    }
    this.#timers.set(conversation, this.clock.after(pause, () => {
      this.#timers.delete(conversation);
      void this.#send(conversation);
    }));
  }
}
