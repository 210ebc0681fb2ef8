/**
 * How the user keeps conversations in their own list: pinned, archived, muted, marked as unread, cleared. Pure.
 *
 * The settings belong to the scope of the user, and copies of conversations have them, too: of two copies, the one with
 * the higher version is current. A conversation is archived up to a message, so a newer one takes it out of the archive
 * without a change of its settings; the end of a mute is no change either.
 *
 * @import {Conversation, ConversationSettings, Unread} from '../wire.js'
 * @import {State} from './state.js'
 */
import { historyFrom } from './conversations.js';

/** @type {ConversationSettings} */
const DEFAULT = Object.freeze({
  pinned: false, archived_seq: null, muted: false, muted_until: null, marked_unread: false, version: 0,
});

/** @param {Pick<State, 'settings'>} state @param {number} conversation @returns {ConversationSettings} */
export function settingsOf({ settings }, conversation) {
  return settings.get(conversation) ?? DEFAULT;
}

/** Returns up to which message the user has cleared a conversation; 0 if they never did. @param {Pick<State, 'settings'>} state
 * @param {number} conversation @returns {number} */
export function clearedUpTo(state, conversation) {
  return settingsOf(state, conversation).cleared_seq ?? 0;
}

/** Returns the first message that the user may see. @param {Pick<State, 'settings'|'user'>} state
 * @param {Conversation} conversation @returns {number} */
export function historyStart(state, conversation) {
  return Math.max(historyFrom(conversation, state.user), clearedUpTo(state, conversation.id) + 1);
}

/** Returns whether the settings of a conversation are known, and no newer ones have been announced.
 * @param {State} state @param {number} conversation @returns {boolean} */
export function areSettingsCurrent(state, conversation) {
  return state.conversations.has(conversation) && isUserCurrent(state);
}

/** Returns whether what belongs to the user alone is known, and nothing newer has been announced. @param {State} state
 * @returns {boolean} */
export function isUserCurrent({ me, stale, user }) {
  return me !== null && !stale.has(`user:${user}`);
}

/** Returns whether a conversation is muted. @param {ConversationSettings} settings
 * @param {string} now as the server writes times, whose texts have their order @returns {boolean} */
export function isMuted({ muted, muted_until }, now) {
  return muted && (muted_until === null || muted_until > now);
}

/** Returns whether a conversation is in the archive. @param {Pick<Conversation, 'last_seq'>} conversation
 * @param {ConversationSettings} settings @param {string} now @returns {boolean} */
export function isArchived({ last_seq: last }, settings, now) {
  const { archived_seq: seq } = settings;
  return seq !== null && (last <= seq || isMuted(settings, now));
}

/** Returns what a conversation adds to the unread totals. @param {Pick<State, 'settings'|'now'>} state
 * @param {Pick<Conversation, 'id'|'last_seq'|'unread'>} conversation @returns {Unread} */
export function countOf(state, conversation) {
  return countWith(settingsOf(state, conversation.id), conversation, state.now);
}

/** Returns what a conversation with these settings adds to the unread totals. @param {ConversationSettings} settings
 * @param {Pick<Conversation, 'last_seq'|'unread'>} conversation @param {string} now @returns {Unread} */
export function countWith(settings, conversation, now) {
  if (isMuted(settings, now) || isArchived(conversation, settings, now)) return { conversations: 0, messages: 0 };
  const isUnread = conversation.unread > 0 || settings.marked_unread;
  return { conversations: Number(isUnread), messages: conversation.unread };
}

/** Returns when the next mute ends after the time of the totals, which change then. @param {State} state
 * @returns {string|null} */
export function nextMuteEnd({ settings, now }) {
  let next = null;
  for (const { muted, muted_until: until } of settings.values()) {
    if (muted && until !== null && until > now && (next === null || until < next)) next = until;
  }
  return next;
}
