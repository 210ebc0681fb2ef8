/**
 * What one is writing, beside the words: what it answers, its subject, or which own message it changes. Kept in the
 * browser with the draft, but for a change of a message, which lasts as long as the page.
 *
 * @import {Keep} from '../sdk/storage.js'
 * @import {Message} from '../sdk/wire.js'
 */
import { isBlank } from './visible.js';

/**
 * @typedef {{
 *   conversation: number, seq: number, saving: boolean, trouble: string, text?: string, subject?: string,
 *   was: {text: string, subject: string, files: number},
 * }} Editing with what it is to say, once that differs, and what it said, which may not be held any more
 * @typedef {{reply: number|null, subject: string|null, editing: Editing|null}} Draft
 *   a subject of null is not asked for
 */

export class Drafting {
  /** @type {Editing|null} */
  #editing = null;

  /** @param {Keep} keep */
  constructor(keep) {
    this.keep = keep;
  }

  /** @param {number} conversation @returns {Draft} */
  of(conversation) {
    const reply = this.keep.get(`reply:${conversation}`);
    const subject = this.keep.get(`subject:${conversation}`);
    return {
      reply: Number.isInteger(reply) ? reply : null,
      subject: typeof subject === 'string' ? subject : null,
      editing: this.#editing?.conversation === conversation ? this.#editing : null,
    };
  }

  /** @param {number} conversation @param {number|null} seq */
  reply(conversation, seq) {
    this.#editing = null;
    this.#put(`reply:${conversation}`, seq);
  }

  /** @param {number} conversation @param {string|null} subject */
  subject(conversation, subject) {
    this.#put(`subject:${conversation}`, subject);
  }

  /** @param {Message} message */
  edit({ conversation, seq, text, subject = '', attachments = [] }) {
    const was = { text, subject, files: attachments.length };
    this.#editing = { conversation, seq, saving: false, trouble: '', was };
  }

  /** @param {Partial<Editing>} how */
  editingIs(how) {
    if (this.#editing) this.#editing = { ...this.#editing, ...how };
  }

  /** Ends a change, or else an answer. @param {number} conversation */
  leave(conversation) {
    if (this.#editing?.conversation === conversation) this.#editing = null;
    else this.#put(`reply:${conversation}`, null);
  }

  /** What goes with the words that are sent now; it goes once. @param {number} conversation
   * @param {number|null} reply what the composer shows to be answered
   * @returns {{reply_to?: number, subject?: string}} */
  take(conversation, reply) {
    const { subject } = this.of(conversation);
    this.#put(`reply:${conversation}`, null);
    this.#put(`subject:${conversation}`, null);
    return {
      ...(reply === null ? {} : { reply_to: reply }),
      ...(subject === null || isBlank(subject) ? {} : { subject: subject.trim() }),
    };
  }

  /** @param {string} name @param {number|string|null} value */
  #put(name, value) {
    if (value === null) this.keep.remove(name);
    else this.keep.set(name, value);
  }
}
