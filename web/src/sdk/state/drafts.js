/**
 * What the user is writing, on whichever device, as the server has it. Pure.
 *
 * @import {Draft} from '../wire.js'
 * @import {State} from './state.js'
 */

/** Stores a draft, unless a newer one is known. @param {State} draft @param {number} conversation @param {Draft} written */
export function putDraft(draft, conversation, written) {
  if ((draft.drafts.get(conversation)?.version ?? 0) < written.version) draft.drafts.set(conversation, written);
}

/** @param {Pick<Draft, 'text'|'subject'|'reply_to'>|undefined} written @returns {boolean} */
export function isEmptyDraft(written) {
  return !written || (written.text === '' && written.subject === undefined && written.reply_to === undefined);
}
