/**
 * Limits how often something is drawn: a few times at once, and then at an interval.
 */

const BURST = 6;
const INTERVAL_MS = 50;

export class DrawLimiter {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #paidUntil = 0;

  /** @param {() => void} draw which calls `drawing` and, at its end, `drawn` */
  constructor(draw) {
    this.draw = draw;
  }

  /** Draws at once, or a moment later if it was drawn often just now. */
  request() {
    const now = performance.now();
    // Each drawing takes INTERVAL_MS out of the savings.
    this.#paidUntil = Math.max(this.#paidUntil, now - BURST * INTERVAL_MS);
    const wait = this.#paidUntil + INTERVAL_MS - now;
    if (wait <= 0) this.draw();
    else this.#timer ??= setTimeout(this.draw, wait);
  }

  /** Cancels a requested drawing, since it happens now. */
  drawing() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  drawn() {
    this.#paidUntil += INTERVAL_MS;
  }
}
