/**
 * How far I have received and read. A marker only moves forward, and at most once a second per conversation.
 *
 * @import {Clock} from './clock.js'
 * @import {Command} from './wire.js'
 */
import { mayRetry } from './problem.js';

/** @typedef {{read: number, delivered: number}} Mark */

const PAUSE_MS = 1_000;
const RETRY_MS = 5_000;

export class Marks {
  /** How far is to be told. @type {Map<number, Mark>} */
  #goals = new Map();
  /** How far was told. @type {Map<number, Mark>} */
  #told = new Map();
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
    return this.#goals.get(conversation)?.read ?? 0;
  }

  /** @param {number} conversation @param {number} seq @param {boolean} isRead */
  mark(conversation, seq, isRead) {
    const goal = this.#goals.get(conversation) ?? { read: 0, delivered: 0 };
    const read = Math.max(goal.read, isRead ? seq : 0);
    const delivered = Math.max(goal.delivered, seq);
    if (read === goal.read && delivered === goal.delivered) return;
    this.#goals.set(conversation, { read, delivered });
    if (!this.#timers.has(conversation)) void this.#tell(conversation);
  }

  /** All state was dropped: the server may know less than it was told. */
  forget() {
    this.#generation += 1;
    this.#goals.clear();
    this.#told.clear();
  }

  stop() {
    for (const timer of this.#timers.values()) this.clock.stop(timer);
  }

  /** @param {number} conversation */
  async #tell(conversation) {
    const goal = this.#goals.get(conversation) ?? { read: 0, delivered: 0 };
    const told = this.#told.get(conversation) ?? { read: 0, delivered: 0 };
    if (goal.read <= told.read && goal.delivered <= told.delivered) return;
    this.#timers.set(conversation, null);
    const generation = this.#generation;
    const done = () => generation === this.#generation && this.#told.set(conversation, goal);
    let pause = PAUSE_MS;
    try {
      // Reading includes receiving; what was received beyond it is told on its own.
      if (goal.read > told.read) {
        await this.request({ type: 'conversation.mark', conversation, read: goal.read });
      }
      if (goal.delivered > Math.max(told.delivered, goal.read)) {
        await this.request({ type: 'conversation.mark', conversation, delivered: goal.delivered });
      }
      done();
    } catch (error) {
      if (mayRetry(error)) pause = RETRY_MS;
      else done();
    }
    this.#timers.set(conversation, this.clock.after(pause, () => {
      this.#timers.delete(conversation);
      void this.#tell(conversation);
    }));
  }
}
