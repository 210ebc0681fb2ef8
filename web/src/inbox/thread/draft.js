/**
 * What the user is writing: a draft with the message it replies to and its subject, or an edit of an own message, which
 * lasts as long as the page.
 *
 * @import {DraftContent, Drafts} from '../../sdk/drafts.js'
 * @import {DraftSync} from '../../sdk/draft-sync.js'
 * @import {Mention, Message} from '../../sdk/wire.js'
 * @import {Restored} from '../ui/events.js'
 * @import {Draft, Editing} from '../view/thread.js'
 */
import { shiftMentions } from '../view/mentions.js';
import { isBlank } from '../view/visible-text.js';

export class ComposerDraft {
  /** @type {Editing|null} */
  #edit = null;

  /** @param {Drafts} drafts @param {DraftSync|null} [sync] none keeps them in this browser */
  constructor(drafts, sync = null) {
    this.drafts = drafts;
    this.sync = sync;
  }

  /** The user opens a conversation. @param {number} conversation */
  open(conversation) {
    this.drafts.open(conversation);
    this.sync?.open(conversation);
  }

  /** The user leaves it. @param {number} conversation */
  close(conversation) {
    this.sync?.close(conversation);
  }

  /** @param {number} conversation @param {Partial<DraftContent>} change @param {number} [sent] the version of the draft
   * that a withdrawn message was, which this one continues */
  write(conversation, change, sent = 0) {
    const base = Math.max(this.drafts.of(conversation).base, sent);
    this.drafts.write(conversation, { ...change, base });
    this.sync?.written(conversation);
  }

  /** @param {number} conversation @returns {Draft} */
  of(conversation) {
    const { reply, subject, mentions } = this.drafts.of(conversation);
    return { reply, subject, mentions, editing: this.#edit?.conversation === conversation ? this.#edit : null };
  }

  /** @param {number} conversation @param {number|null} seq */
  reply(conversation, seq) {
    this.#edit = null;
    this.write(conversation, { reply: seq });
  }

  /** @param {number} conversation @param {string|null} subject */
  subject(conversation, subject) {
    this.write(conversation, { subject });
  }

  /** Restores withdrawn text before the draft; a running edit continues. @param {number} conversation
   * @param {Restored} message */
  restore(conversation, { text, reply, mentions: restored = [], draft }) {
    const now = this.drafts.of(conversation);
    const whole = prepend(text, now.text);
    const mentions = [...restored, ...shiftMentions(now.mentions, whole.length - now.text.length)];
    this.write(conversation, { text: whole, mentions, ...(reply === undefined ? {} : { reply }) }, draft);
  }

  /** @param {Message} message */
  edit({ conversation, seq, text, mentions = [], subject = '', attachments = [] }) {
    const original = { text, mentions, subject, files: attachments.length };
    this.#edit = { conversation, seq, saving: false, trouble: '', original };
  }

  /** @param {Partial<Editing>} how */
  updateEdit(how) {
    if (this.#edit) this.#edit = { ...this.#edit, ...how };
  }

  /** Cancels an edit, or else a reply. @param {number} conversation */
  cancel(conversation) {
    if (this.#edit?.conversation === conversation) this.#edit = null;
    else this.write(conversation, { reply: null });
  }

  /** Returns what is sent along with the text, once. @param {number} conversation @param {number|null} reply the
   * message that the composer shows as replied to @returns {{reply_to?: number, subject?: string, draft?: number}} */
  take(conversation, reply) {
    const { subject, base } = this.drafts.take(conversation);
    this.sync?.taken(conversation);
    return {
      ...(base === 0 ? {} : { draft: base }),
      ...(reply === null ? {} : { reply_to: reply }),
      ...(subject === null || isBlank(subject) ? {} : { subject: subject.trim() }),
    };
  }
}

/** Puts restored text above the current text. @param {string} text @param {string} now @returns {string} */
export function prepend(text, now) {
  return now.trim() === '' ? text : `${text}\n${now}`;
}
