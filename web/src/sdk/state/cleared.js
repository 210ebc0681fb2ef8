/**
 * What is gone once the user has cleared a conversation up to a message. For drafts only.
 *
 * @import {Conversation} from '../wire.js'
 * @import {ConversationRow} from './conversations.js'
 * @import {State} from './state.js'
 */
import { hideFoundUpTo } from './found-messages.js';
import { clearedUpTo } from './settings.js';
import { dropCleared } from './threads.js';

/** Drops what new settings have cleared. @param {State} draft @param {number} id @param {number} before up to where it was
 * cleared by the settings before them */
export function dropClearedSince(draft, id, before) {
  const seq = clearedUpTo(draft, id);
  if (seq <= before) return;
  const row = draft.conversations.get(id);
  if (row) draft.conversations.set(id, withoutCleared(row, seq));
  dropCleared(draft, id, seq);
  hideFoundUpTo(draft, id, seq);
}

/** Returns a conversation as it is after it was cleared up to a message. @template {Conversation|ConversationRow} Row
 * @param {Row} row @param {number} seq @returns {Row} */
export function withoutCleared(row, seq) {
  if ((row.last_message?.seq ?? Infinity) > seq && (row.mention_seq ?? Infinity) > seq) return row;
  const { mention_seq: mention = 0, ...rest } = row;
  const last = row.last_message && row.last_message.seq > seq ? row.last_message : null;
  return /** @type {Row} */ ({ ...rest, ...(mention > seq ? { mention_seq: mention } : {}), last_message: last });
}
