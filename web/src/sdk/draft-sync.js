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
import { Problem, canRetry } from './problem.js';
import { isEmptyDraft } from './state/drafts.js';

const REST_MS = 2_000;
/** Without a connection. */
const TRY_AGAIN_MS = 10_000;
const FINISH_MS = 2_000;

export class DraftSync {
  /** The drafts that are to be saved. @type {Map<number, unknown>} */
  #timers = new Map();
  /** @type {Map<number, Promise<void>>} */
  #saving = new Map();
  /** What the server may have saved without an answer. Nothing else is saved there before it has answered: over what would
   * it be saved? @type {Map<number, DraftContent>} */
  #unanswered = new Map();
  /** The version of the user's scope up to which drafts were taken over. */
  #merged = 0;
  /** Whether everything is being loaded again: the server may have been restored from a backup. */
  #isReset;
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
    this.#isReset = state().me === null;
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

  /** Saves whatever is not saved, before the browser forgets it. A slow server is not waited for. */
  async finish() {
    await Promise.race([
      Promise.all(this.drafts.conversations().map((conversation) => this.save(conversation))),
      new Promise((resolve) => void this.clock.after(FINISH_MS, () => resolve(null))),
    ]);
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
    this.drafts.open(conversation);
    // There may be older ones, which were sent as well.
    while (this.#mergeOne(conversation, false) && isEmpty(this.drafts.of(conversation))) this.drafts.open(conversation);
    this.#unchecked = this.isCurrent() ? null : conversation;
    if (this.#canSave(conversation)) this.written(conversation);
  }

  /** What was written is sent, which deletes it from the server, too. @param {number} conversation */
  taken(conversation) {
    if (!this.#unanswered.has(conversation)) this.#stopTimer(conversation);
  }

  stop() {
    this.#stopped = true;
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    this.#timers.clear();
  }

  /** Saves a draft, and what is written meanwhile. @param {number} conversation @returns {Promise<void>} */
  save(conversation) {
    this.#stopTimer(conversation);
    const running = this.#saving.get(conversation);
    if (running) return running;
    if (!this.#unanswered.has(conversation) && isSaved(this.drafts.of(conversation))) return Promise.resolve();
    const saving = this.#saveAll(conversation);
    this.#saving.set(conversation, saving);
    return saving;
  }

  /** Takes over what other devices have written or sent, if something has changed. */
  merge() {
    const { drafts, me } = this.state();
    if (!me) {
      this.#isReset = true;
      return;
    }
    if (this.#isReset) this.#rebase(me.scope_version);
    if (me.scope_version !== this.#merged) {
      this.#merged = me.scope_version;
      const all = new Set([...drafts.keys(), ...this.drafts.conversations()]);
      const changed = [...all].filter((one) => this.#mergeOne(one, this.isOpen(one) && one !== this.#unchecked));
      // What was emptied before a reload would stay on other devices.
      const emptied = this.drafts.conversations().filter((one) => isEmpty(this.drafts.of(one)) && this.#canSave(one));
      for (const one of emptied) this.#saveAfter(one, REST_MS);
      if (changed.length > 0) this.changed();
    }
    if (this.isCurrent()) this.#unchecked = null;
  }

  /** Continues what the server has where it has forgotten what was continued here.
   * @param {number} version which it has reached */
  #rebase(version) {
    this.#isReset = false;
    const { drafts } = this.state();
    for (const [one, { base }] of this.#unanswered) if (base > version) this.#unanswered.delete(one);
    for (const one of this.drafts.rebase(version, (id) => drafts.get(id)?.version ?? 0)) this.#saveAfter(one, REST_MS);
  }

  /** @param {number} conversation @param {number} ms */
  #saveAfter(conversation, ms) {
    this.#stopTimer(conversation);
    this.#timers.set(conversation, this.clock.after(ms, () => void this.save(conversation)));
  }

  /** @param {number} conversation */
  #stopTimer(conversation) {
    this.clock.stop(this.#timers.get(conversation));
    this.#timers.delete(conversation);
  }

  /** @param {number} conversation @returns {boolean} */
  #isSaving(conversation) {
    return this.#saving.has(conversation) || this.#timers.has(conversation);
  }

  /** Returns whether a draft is to be saved that nothing on the server contradicts. @param {number} conversation
   * @returns {boolean} */
  #canSave(conversation) {
    const content = this.drafts.of(conversation);
    if (isSaved(content) || this.#isSaving(conversation)) return false;
    const newer = this.#newer(conversation, content);
    return !newer || isEmpty(newer);
  }

  /** @param {number} conversation */
  async #saveAll(conversation) {
    while (await this.#saveOnce(conversation));
    this.#saving.delete(conversation);
    if (this.#mergeOne(conversation, this.isOpen(conversation))) this.changed();
  }

  /** @param {number} conversation @returns {Promise<boolean>} whether there is more to save at once */
  async #saveOnce(conversation) {
    const repeated = this.#unanswered.get(conversation);
    const content = repeated ?? this.drafts.of(conversation);
    if (!repeated && isSaved(content)) return false;
    try {
      /** @type {DraftSaved} */
      const { saved, draft } = await this.request({
        type: 'draft.save', conversation, draft: { ...written(content), since: content.base },
      });
      this.#unanswered.delete(conversation);
      if (this.#stopped) return false;
      const isSame = saysTheSame(this.drafts.of(conversation), content);
      if (saved) this.drafts.write(conversation, { base: isEmptyDraft(draft) ? 0 : draft.version, clean: isSame });
      // Written on meanwhile, or sent: then it has to be deleted. Who still writes has a timer.
      return !isSame && (saved || repeated !== undefined) && !this.#timers.has(conversation);
    } catch (error) {
      // It is kept here.
      this.#unanswered.delete(conversation);
      if (canRetry(error) && !this.#stopped) {
        this.#unanswered.set(conversation, content);
        this.#saveAfter(conversation, TRY_AGAIN_MS);
      } else if (isEmpty(content) && error instanceof Problem && error.code === 'not_found') {
        // The conversation is gone, and its draft with it.
        this.drafts.write(conversation, { base: 0 });
      }
      return false;
    }
  }

  /** Returns what the server has in place of the draft that this one continues; null if nothing, as far as is known.
   * @param {number} conversation @param {DraftContent} content @returns {DraftContent|null} */
  #newer(conversation, { base }) {
    const { drafts, me } = this.state();
    const draft = drafts.get(conversation);
    if (draft) return draft.version > base && draft.version > this.sending(conversation) ? contentOf(draft) : null;
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

/** Returns whether the server has a draft as it is here, as far as is known. @param {DraftContent} content
 * @returns {boolean} */
function isSaved(content) {
  return content.clean || (isEmpty(content) && content.base === 0);
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
