/**
 * What to announce about the connection: nothing for the first five seconds, then the outage, and afterwards the
 * recovery with the number of sent messages, once nothing more can be sent. Keeps only its own state.
 *
 * @import {Mode} from '../../sdk/connection.js'
 */
import { clockTime, sinceTime } from './format.js';
import { say } from './strings.js';

/** @typedef {{mode: Mode, lostAt: number|null, savedAt: number|null, now: number, sent: number, waiting: number, safe: boolean}} BannerView
 * `savedAt`: when what is shown was kept, if there was no connection yet; `sent` counts all sent messages, `waiting` those that can still be sent; `safe`: pending messages outlive the page
 * @typedef {{kind: 'none'|'offline'|'limited'|'good', text: string, recheckMs: number|null}} StatusView
 * `recheckMs`: milliseconds until the next check */

export const QUIET_MS = 5_000;
const GOOD_MS = 4_000;

export class ConnectionStatus {
  /** The start of the current outage. @type {number|null} */
  #lostAt = null;
  /** The number of messages sent before it. */
  #sentBefore = 0;
  /** Whether the outage was announced. */
  #wasAnnounced = false;
  #goodUntil = 0;
  /** The announcement of the recovery. */
  #text = '';
  #limitedSince = 0;

  /** @param {BannerView} view @returns {StatusView} */
  update(view) {
    const { mode, lostAt, now } = view;
    if (lostAt !== null) return this.#lost(lostAt, view);
    if (this.#wasAnnounced) {
      const status = this.#back(view);
      if (status) return status;
    }
    if (mode === 'live') {
      this.#limitedSince = 0;
      return { kind: 'none', text: '', recheckMs: null };
    }
    this.#limitedSince ||= now;
    const left = this.#limitedSince + QUIET_MS - now;
    if (left > 0) return { kind: 'none', text: '', recheckMs: left };
    return { kind: 'limited', text: mode === 'poll' ? say.slower : say.slow, recheckMs: null };
  }

  /** @param {number} lostAt @param {BannerView} view @returns {StatusView} */
  #lost(lostAt, { now, sent, safe, savedAt }) {
    if (lostAt !== this.#lostAt) {
      this.#lostAt = lostAt;
      this.#sentBefore = sent;
    }
    const since = now - lostAt;
    if (savedAt === null && since < QUIET_MS) return { kind: 'none', text: '', recheckMs: QUIET_MS - since };
    this.#wasAnnounced = true;
    this.#goodUntil = 0;
    this.#text = '';
    if (savedAt !== null) return { kind: 'offline', text: say.offlineAsOf(sinceTime(savedAt, now)), recheckMs: null };
    return { kind: 'offline', text: (safe ? say.offlineSince : say.offlineOpen)(clockTime(lostAt)), recheckMs: null };
  }

  /** @param {BannerView} view @returns {StatusView|null} */
  #back({ now, sent, waiting }) {
    this.#goodUntil ||= now + GOOD_MS;
    if (this.#text === '' && waiting === 0 && now < this.#goodUntil) {
      const count = sent - this.#sentBefore;
      this.#text = count > 0 ? say.backSent(count) : say.back;
      this.#goodUntil = now + GOOD_MS;
    }
    if (now < this.#goodUntil) return { kind: 'good', text: this.#text || say.back, recheckMs: this.#goodUntil - now };
    this.#wasAnnounced = false;
    return null;
  }
}
