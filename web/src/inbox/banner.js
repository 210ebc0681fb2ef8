/**
 * What the inbox says about the connection: nothing for the first five seconds, then plainly, and when it is back.
 *
 * Tells: `parlor-try`.
 *
 * @import {Mode} from '../sdk/connection.js'
 */
import { emit, h, set } from './dom.js';
import { clockTime } from './format.js';
import { icon } from './icons.js';
import { say } from './strings.js';

/** @typedef {{mode: Mode, lostAt: number|null, now: number, waiting: number, safe: boolean}} BannerView
 * `safe`: what waits outlives the page */

export const QUIET_MS = 5_000;
const GOOD_MS = 4_000;

export class ParlorBanner extends HTMLElement {
  #drawn = '';
  /** How many waited while it said that there is no connection; null when it did not say so. @type {number|null} */
  #waited = null;
  #goodUntil = 0;
  #limitedSince = 0;

  connectedCallback() {
    set(this, 'role', 'status');
  }

  /** @param {BannerView} view @returns {number|null} after how many milliseconds to look again */
  update(view) {
    const { kind, words, again } = this.#judge(view);
    const drawn = `${kind} ${words}`;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.className = kind === 'none' ? '' : `banner ${kind}`;
      const signs = { none: '', offline: 'offline', limited: 'clock', good: 'check' };
      this.replaceChildren(...(kind === 'none' ? [] : [
        icon(signs[kind], { small: true }), h('span', {}, words),
        ...(kind === 'offline'
          ? [h('button', { type: 'button', onclick: () => emit(this, 'parlor-try') }, say.tryNow)]
          : []),
      ]));
    }
    return again;
  }

  /** @param {BannerView} view
   * @returns {{kind: 'none'|'offline'|'limited'|'good', words: string, again: number|null}} */
  #judge({ mode, lostAt, now, waiting, safe }) {
    if (lostAt !== null) {
      const since = now - lostAt;
      if (since < QUIET_MS) return { kind: 'none', words: '', again: QUIET_MS - since };
      this.#waited = Math.max(this.#waited ?? 0, waiting);
      return { kind: 'offline', words: (safe ? say.offlineSince : say.offlineOpen)(clockTime(lostAt)), again: null };
    }
    if (this.#waited !== null) {
      const sent = this.#waited - waiting;
      if (this.#goodUntil === 0) this.#goodUntil = now + GOOD_MS;
      const words = sent > 0 ? say.backSent(sent) : say.back;
      if (now < this.#goodUntil) return { kind: 'good', words, again: this.#goodUntil - now };
      this.#waited = null;
      this.#goodUntil = 0;
    }
    if (mode === 'live') {
      this.#limitedSince = 0;
      return { kind: 'none', words: '', again: null };
    }
    this.#limitedSince ||= now;
    const left = this.#limitedSince + QUIET_MS - now;
    if (left > 0) return { kind: 'none', words: '', again: left };
    return { kind: 'limited', words: mode === 'poll' ? say.slower : say.slow, again: null };
  }
}

customElements.define('parlor-banner', ParlorBanner);
