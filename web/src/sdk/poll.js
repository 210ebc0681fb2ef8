/**
 * Polling, for networks without sockets: the long poll, and if that fails but plain requests do not, a poll every five
 * seconds. Cursor, heads and the resulting state are the same as with the socket.
 *
 * @import {Clock} from './clock.js'
 * @import {Http} from './http.js'
 * @import {Heads} from './wire.js'
 */
import { Problem, endsSession } from './problem.js';

const PLAIN_PAUSE_MS = 5_000;
/** A long poll that answered at once is not repeated at once. */
const LONG_PAUSE_MS = 250;
/** After this many failures in a row plain polls replace the long poll; after this many plain polls it is tried
 * again. */
const LONG_FAILURES_MAX = 2;
const PLAIN_POLLS = 12;

export class Poll {
  #abort = new AbortController();
  /** @type {(() => void)|null} */
  #wake = null;

  /** @param {{
   *   http: Http, clock: Clock, cursor: () => string|null, heads: (heads: Heads) => void,
   *   mode: (mode: 'long_poll'|'poll'|'offline') => void, settled: () => Promise<void>, ended: () => void,
   * }} parts */
  constructor({ http, clock, cursor, heads, mode, settled, ended }) {
    this.http = http;
    this.clock = clock;
    this.cursor = cursor;
    this.heads = heads;
    this.mode = mode;
    this.settled = settled;
    this.ended = ended;
  }

  stop() {
    this.#abort.abort();
  }

  /** Polls at once instead of after the pause. */
  wake() {
    this.#wake?.();
  }

  async run() {
    const { signal } = this.#abort;
    // The first poll does not wait, so that the state is up to date at once.
    let long = false;
    let longFailures = 0;
    let plain = 0;
    let plainFailures = 0;
    while (!signal.aborted) {
      try {
        const heads = await this.http.events(this.cursor(), long, signal);
        if (signal.aborted) return;
        plainFailures = 0;
        longFailures = long ? 0 : longFailures;
        plain = long ? 0 : plain + 1;
        long = longFailures < LONG_FAILURES_MAX || plain >= PLAIN_POLLS;
        this.mode(long ? 'long_poll' : 'poll');
        this.heads(heads);
        await this.settled();
        await this.#pause(long ? LONG_PAUSE_MS : PLAIN_PAUSE_MS);
      } catch (error) {
        if (signal.aborted) return;
        if (endsSession(error)) {
          this.ended();
          return;
        }
        if (long) longFailures += 1;
        else plainFailures += 1;
        if (plainFailures > 0) longFailures = 0;
        if (plainFailures > 1) this.mode('offline');
        long = long && longFailures < LONG_FAILURES_MAX;
        const retryAfterMs = (error instanceof Problem && error.retryAfterMs) || 0;
        await this.#pause(Math.max(retryAfterMs, plainFailures > 1 ? PLAIN_PAUSE_MS : LONG_PAUSE_MS));
      }
    }
  }

  /** @param {number} milliseconds @returns {Promise<void>} */
  #pause(milliseconds) {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const done = () => {
        this.clock.stop(timer);
        signal.removeEventListener('abort', done);
        this.#wake = null;
        resolve();
      };
      const timer = this.clock.after(milliseconds, done);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }
}
