/**
 * Keeps the drafts of this browser equal to those of the server, as far as no words are lost.
 *
 * A draft is saved after a rest, and at once when the user leaves it. It is saved over the version that it continues; if
 * another device has saved or sent one meanwhile, the server drops it, and it stays in this browser: the words begin a
 * new draft when they are next changed after the other one was sent. A draft of another device takes the place of one
 * that has not been changed here since it was saved, and never of one that is open.
 *
 * @import {Clock} from './clock.js'
 * @import {DraftContent, Drafts} from './drafts.js'
 * @import {State} from './state/state.js'
 * @import {Command, Draft, DraftSaved} from './wire.js'
 */
import { isEmpty, saysTheSame } from './drafts.js';
import { canRetry } from './problem.js';
import { isEmptyDraft } from './state/drafts.js';

const REST_MS = 2_000;
/** Without a connection. */
const TRY_AGAIN_MS = 10_000;
const FINISH_MS = 2_000;

export class DraftSync {
  /** The drafts that are to be saved. @type {Map<number, unknown>} */
  #timers = new Map();
  /** @type {Set<number>} */
  #saving = new Set();
  /** The version of the user's scope up to which drafts were taken over. */
  #merged = 0;
  /** The conversation that was opened before its draft was known, and where nothing was written since.
   * @type {number|null} */
  #unchecked = null;
  #stopped = false;

  /** @param {{
   *   clock: Clock, drafts: Drafts, request: (command: Command) => Promise<any>, changed: () => void,
   *   state: () => Pick<State, 'drafts'|'me'>, isCurrent: () => boolean, isOpen: (conversation: number) => boolean,
   *   sending: (conversation: number) => number,
   * }} parts `state`: what the server is known to have; `isCurrent`: nothing newer has been announced; `isOpen`: the user
   * may be writing there on this page; `sending`: the version of the draft that waits there to be sent, or 0 */
  constructor({ clock, drafts, request, changed, state, isCurrent, isOpen, sending }) {
    this.clock = clock;
    this.drafts = drafts;
    this.request = request;
    this.changed = changed;
    this.state = state;
    this.isCurrent = isCurrent;
    this.isOpen = isOpen;
    this.sending = sending;
  }

  /** The user has written. @param {number} conversation */
  written(conversation) {
    if (this.#unchecked === conversation) this.#unchecked = null;
    this.#saveAfter(conversation, REST_MS);
  }

  /** The user leaves the page: nothing waits any longer. */
  leave() {
    return Promise.all([...this.#timers.keys()].map((conversation) => this.save(conversation)));
  }

  /** Saves what waits, before the browser forgets it. A slow server is not waited for. */
  async finish() {
    await Promise.race([this.leave(), new Promise((resolve) => void this.clock.after(FINISH_MS, () => resolve(null)))]);
  }

  /** The user leaves a conversation, which no longer is open. @param {number} conversation */
  close(conversation) {
    this.#unchecked = null;
    void this.leave();
    if (this.#mergeOne(conversation, false)) this.changed();
  }

  /** The user opens a conversation, and finds what they wrote last. @param {number} conversation */
  open(conversation) {
    void this.leave();
    this.#mergeOne(conversation, false);
    const content = this.drafts.of(conversation);
    this.#unchecked = this.isCurrent() ? null : conversation;
    const isUnsaved = !content.clean && !isEmpty(content);
    if (isUnsaved && !this.#isSaving(conversation) && !this.#newer(conversation, content)) this.written(conversation);
  }

  /** What was written is sent, which deletes it from the server, too. @param {number} conversation */
  sent(conversation) {
    this.clock.stop(this.#timers.get(conversation));
    this.#timers.delete(conversation);
  }

  stop() {
    this.#stopped = true;
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    this.#timers.clear();
  }

  /** @param {number} conversation */
  async save(conversation) {
    this.sent(conversation);
    if (this.#saving.has(conversation)) return;
    const content = this.drafts.of(conversation);
    if (content.clean || (isEmpty(content) && content.base === 0)) return;
    this.#saving.add(conversation);
    try {
      /** @type {DraftSaved} */
      const { saved, draft } = await this.request({
        type: 'draft.save', conversation, draft: { ...written(content), since: content.base },
      });
      if (saved && !this.#stopped) this.#saved(conversation, content, draft);
    } catch (error) {
      // It is kept here.
      if (canRetry(error) && !this.#stopped) this.#saveAfter(conversation, TRY_AGAIN_MS);
    } finally {
      this.#saving.delete(conversation);
    }
    if (this.#mergeOne(conversation, this.isOpen(conversation))) this.changed();
  }

  /** Takes over what other devices have written or sent, if something has changed. */
  merge() {
    const { drafts, me } = this.state();
    if (!me) return;
    if (me.scope_version !== this.#merged) {
      this.#merged = me.scope_version;
      const all = new Set([...drafts.keys(), ...this.drafts.conversations()]);
      const changed = [...all].filter((one) => this.#mergeOne(one, this.isOpen(one) && one !== this.#unchecked));
      if (changed.length > 0) this.changed();
    }
    if (this.isCurrent()) this.#unchecked = null;
  }

  /** @param {number} conversation @param {number} ms */
  #saveAfter(conversation, ms) {
    this.sent(conversation);
    this.#timers.set(conversation, this.clock.after(ms, () => void this.save(conversation)));
  }

  /** @param {number} conversation @returns {boolean} */
  #isSaving(conversation) {
    return this.#saving.has(conversation) || this.#timers.has(conversation);
  }

  /** @param {number} conversation @param {DraftContent} content that was saved @param {Draft} draft */
  #saved(conversation, content, draft) {
    const isSame = saysTheSame(this.drafts.of(conversation), content);
    const base = isEmptyDraft(draft) ? 0 : draft.version;
    this.drafts.write(conversation, { base, clean: isSame });
    // Written on meanwhile, or sent: then it has to be deleted.
    if (!isSame) this.#saveAfter(conversation, 0);
  }

  /** Returns what the server has in place of the draft that this one continues; null if nothing, as far as is known.
   * @param {number} conversation @param {DraftContent} content @returns {DraftContent|null} */
  #newer(conversation, { base }) {
    const { drafts, me } = this.state();
    const draft = drafts.get(conversation);
    if (draft) return draft.version > Math.max(base, this.sending(conversation)) ? contentOf(draft) : null;
    // What was deleted before this page was opened is not listed.
    return base > 0 && me && me.scope_version >= base ? contentOf({ text: '', version: me.scope_version }) : null;
  }

  /** @param {number} conversation @param {boolean} isOpen @returns {boolean} whether something has changed */
  #mergeOne(conversation, isOpen) {
    if (this.#stopped || this.#isSaving(conversation)) return false;
    const content = this.drafts.of(conversation);
    const theirs = this.#newer(conversation, content);
    if (!theirs) return false;
    const isGone = isEmpty(theirs);
    if (saysTheSame(content, theirs)) {
      const isContinued = !isGone || content.base > 0;
      if (isContinued) this.drafts.write(conversation, { base: isGone ? 0 : theirs.base, clean: !isGone });
      return false;
    }
    if (isGone && !content.clean && content.base > 0) this.drafts.write(conversation, { base: 0 });
    const isFree = isEmpty(content) || content.clean;
    if (!isFree || (!isGone && isOpen)) return false;
    this.drafts.replace(conversation, theirs);
    return true;
  }
}

/** @param {DraftContent} content @returns {Omit<Draft, 'version'>} */
function written({ text, mentions, reply, subject }) {
  return {
    text,
    ...(mentions.length > 0 ? { mentions } : {}),
    ...(subject === null ? {} : { subject }),
    ...(reply === null ? {} : { reply_to: reply }),
  };
}

/** @param {Draft} draft @returns {DraftContent} */
function contentOf({ text, mentions = [], subject, reply_to: reply, version }) {
  return { text, mentions, subject: subject ?? null, reply: reply ?? null, at: 0, base: version, clean: true };
}
