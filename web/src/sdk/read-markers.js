/**
 * How far I have received and read. A marker only moves forward, and at most once a second per conversation.
 *
 * @import {Clock} from './clock.js'
 * @import {Command} from './wire.js'
 */
import { canRetry } from './problem.js';

/** @typedef {{read: number, delivered: number}} Position */

const INTERVAL_MS = 1_000;
const RETRY_MS = 5_000;

export class ReadMarkers {
  /** How far is to be told. @type {Map<number, Position>} */
  #targets = new Map();
  /** How far was told. @type {Map<number, Position>} */
  #sent = new Map();
  /** @type {Map<number, unknown>} */
  #timers = new Map();
  #generation = 0;

  /** @param {{clock: Clock, request: (command: Command) => Promise<any>}} parts */
  constructor({ clock, request }) {
    this.clock = clock;
    this.request = request;
  }

  /** How far I have read on this page, whether told already or not. @param {number} conversation @returns {number} */
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

  /** All state was dropped: the server may know less than it was told. */
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
      // Reading includes receiving; what was received beyond it is told on its own.
      if (target.read > sent.read) {
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
