/**
 * What to announce about the connection: nothing for the first five seconds, then the outage, and afterwards the
 * recovery with the number of sent messages, once nothing more can be sent. Keeps only its own state.
 *
 * @import {Mode} from '../../sdk/connection.js'
 */
import { clockTime } from './format.js';
import { say } from './strings.js';

/** @typedef {{mode: Mode, lostAt: number|null, now: number, sent: number, waiting: number, safe: boolean}} BannerView
 * `sent` counts all sent messages, `waiting` those that can still be sent; `safe`: pending messages outlive the page
 * @typedef {{kind: 'none'|'offline'|'limited'|'good', words: string, again: number|null}} StatusView
 * `again`: milliseconds until the next check */

export const QUIET_MS = 5_000;
const GOOD_MS = 4_000;

export class ConnectionStatus {
  /** The start of the current outage. @type {number|null} */
  #lostAt = null;
  /** The number of messages sent before it. */
  #before = 0;
  /** Whether the outage was announced. */
  #wasSaid = false;
  #goodUntil = 0;
  /** The announcement of the recovery. */
  #words = '';
  #limitedSince = 0;

  /** @param {BannerView} view @returns {StatusView} */
  judge(view) {
    const { mode, lostAt, now } = view;
    if (lostAt !== null) return this.#lost(lostAt, view);
    if (this.#wasSaid) {
      const told = this.#back(view);
      if (told) return told;
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

  /** @param {number} lostAt @param {BannerView} view @returns {StatusView} */
  #lost(lostAt, { now, sent, safe }) {
    if (lostAt !== this.#lostAt) {
      this.#lostAt = lostAt;
      this.#before = sent;
    }
    const since = now - lostAt;
    if (since < QUIET_MS) return { kind: 'none', words: '', again: QUIET_MS - since };
    this.#wasSaid = true;
    this.#goodUntil = 0;
    this.#words = '';
    return { kind: 'offline', words: (safe ? say.offlineSince : say.offlineOpen)(clockTime(lostAt)), again: null };
  }

  /** @param {BannerView} view @returns {StatusView|null} */
  #back({ now, sent, waiting }) {
    this.#goodUntil ||= now + GOOD_MS;
    if (this.#words === '' && waiting === 0 && now < this.#goodUntil) {
      const count = sent - this.#before;
      this.#words = count > 0 ? say.backSent(count) : say.back;
      this.#goodUntil = now + GOOD_MS;
    }
    if (now < this.#goodUntil) return { kind: 'good', words: this.#words || say.back, again: this.#goodUntil - now };
    this.#wasSaid = false;
    return null;
  }
}
