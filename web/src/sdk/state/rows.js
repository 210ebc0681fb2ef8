/**
 * The rows of a state: conversations, their settings, and users. For drafts only.
 *
 * @import {Conversation, ConversationSettings, User} from '../wire.js'
 * @import {State} from './state.js'
 */
import { dropClearedSince, withoutCleared } from './cleared.js';
import { isBehind, mergeRow } from './conversations.js';
import { hideFoundBefore } from './found-messages.js';
import { clearedUpTo, settingsOf } from './settings.js';
import { markStale, markWholeStale } from './stale-scopes.js';
import { applyHistoryStart } from './threads.js';
import { countRow, countSettings } from './unread-totals.js';

/** @param {State} draft @param {Conversation} conversation @param {number} requestedAt
 * @param {boolean} [isWhole] nothing that was unread changed since what was held but what this tells */
export function putConversation(draft, conversation, requestedAt, isWhole = false) {
  const { id } = conversation;
  // Clearing hides, too; a copy that brings the settings that clear was read after it.
  const hiddenAt = draft.hidden.get(id)?.turn ?? -1;
  putSettings(draft, id, conversation.settings);
  const current = draft.conversations.get(id);
  if (!current) draft.addedAt.set(`conversation:${id}`, draft.turn);
  const wasBehind = current !== undefined && isBehind(current, conversation, draft.user);
  const kept = withoutCleared(mergeRow(current, conversation, draft.user), clearedUpTo(draft, id));
  draft.conversations.set(id, kept);
  countRow(draft, current, kept, isWhole);
  putUsers(draft, conversation.members.map((one) => one.user));
  applyHistoryStart(draft, conversation, current);
  hideFoundBefore(draft, conversation);
  // It may have been read before the user hid messages in it, or before their marker moved.
  if (wasBehind || hiddenAt > requestedAt) markWholeStale(draft, id);
}

/** Stores settings, unless newer ones are known. @param {State} draft @param {number} conversation
 * @param {ConversationSettings|undefined} settings */
export function putSettings(draft, conversation, settings) {
  const current = settingsOf(draft, conversation);
  if (!settings || settings.version <= current.version) return;
  draft.settings.set(conversation, settings);
  countSettings(draft, conversation, current, settings);
  dropClearedSince(draft, conversation, current.cleared_seq ?? 0);
  // A pinned conversation is shown although the part of the list in which it is may not be loaded.
  if (settings.pinned && !draft.conversations.has(conversation)) {
    markStale(draft, `conversation:${conversation}`, { version: 1, urgent: false, wholeSince: 0 });
  }
}

/** Of two copies of a user the one with the higher version counts. @param {State} draft @param {User[]} users */
export function putUsers(draft, users) {
  for (const { id, name, picture, version } of users) {
    const known = draft.users.get(id);
    if (!known || known.version < version) draft.users.set(id, { id, name, picture, version });
  }
}
