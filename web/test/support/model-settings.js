/**
 * The settings of conversations in the model of the server.
 *
 * @import {ConversationSettings, SettingsUpdate, Unread} from '../../src/sdk/wire.js'
 * @import {ModelConversation, ModelServer} from './model-server.js'
 */
import { listedDrafts } from './model-drafts.js';

/** The time of the model, which has none. */
export const NOW = '2026-11-22T09:00:00.000Z';

/** @type {ConversationSettings} */
const DEFAULT = {
  pinned: false, archived_seq: null, muted: false, muted_until: null, marked_unread: false, version: 0,
};

/** @param {ModelServer} server @param {number} user @param {number} id @returns {ConversationSettings} */
export function settingsOf(server, user, id) {
  return server.data.settings.get(`${user} ${id}`) ?? DEFAULT;
}

/** Stores settings at the current version. @param {ModelServer} server @param {number} user @param {number} id
 * @param {Partial<ConversationSettings>} changes */
export function putSettings(server, user, id, changes) {
  const settings = { ...settingsOf(server, user, id), ...changes, version: server.data.version };
  server.data.settings.set(`${user} ${id}`, settings);
  return server.publishToUser(user, (place) => ({ type: 'settings.updated', ...place, conversation: id, settings }));
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {SettingsUpdate} update */
export function updateSettings(server, user, id, update) {
  const last = server.find(id, user).messages.at(-1)?.seq ?? 0;
  const before = settingsOf(server, user, id);
  const wasMuted = before.muted && (before.muted_until === null || before.muted_until > NOW);
  const isOut = before.archived_seq !== null && before.archived_seq < last && !wasMuted;
  server.next();
  const { archived_seq: seq, muted, muted_until: until, ...rest } = update;
  return putSettings(server, user, id, {
    ...rest,
    ...(isOut ? { archived_seq: null } : {}),
    ...(seq === undefined ? {} : { archived_seq: seq === null ? null : Math.min(seq, last) }),
    ...(muted === undefined ? {} : { muted, muted_until: until ?? null }),
  });
}

/** Clears a conversation for a user. @param {ModelServer} server @param {number} user @param {number} id
 * @param {number} wanted */
export function clear(server, user, id, wanted) {
  const seq = Math.min(wanted, server.find(id, user).messages.at(-1)?.seq ?? 0);
  if (seq <= (settingsOf(server, user, id).cleared_seq ?? 0)) return;
  server.mark(user, id, { read: seq });
  server.next();
  putSettings(server, user, id, { cleared_seq: seq, marked_unread: false });
}

/** Returns the first message that a user may see. @param {ModelServer} server @param {ModelConversation} conversation
 * @param {number} user @returns {number} */
export function historyStart(server, conversation, user) {
  const { history_from: from } = server.row(conversation, user);
  return Math.max(from, (settingsOf(server, user, conversation.id).cleared_seq ?? 0) + 1);
}

/** Returns what `me.get` lists. @param {ModelServer} server @param {number} user @param {number} [since] */
export function listedSettings(server, user, since) {
  const own = server.conversationsOf(user).map(({ id }) => ({ conversation: id, ...settingsOf(server, user, id) }));
  const settings = own.filter((one) => (since === undefined ? one.pinned : one.version > since));
  return { settings, ...listedDrafts(server, user, since) };
}

/** Returns the unread totals. @param {ModelServer} server @param {number} user @returns {Unread} */
export function totalsFor(server, user) {
  const sum = { conversations: 0, messages: 0 };
  for (const conversation of server.conversationsOf(user)) {
    const { conversations, messages } = countFor(server, conversation, user);
    sum.conversations += conversations;
    sum.messages += messages;
  }
  return sum;
}

/** Returns what a conversation adds to the totals. @param {ModelServer} server @param {ModelConversation} conversation
 * @param {number} user @returns {Unread} */
function countFor(server, conversation, user) {
  const settings = settingsOf(server, user, conversation.id);
  const isMuted = settings.muted && (settings.muted_until === null || settings.muted_until > NOW);
  const last = conversation.messages.at(-1)?.seq ?? 0;
  if (isMuted || (settings.archived_seq ?? -1) >= last) return { conversations: 0, messages: 0 };
  const messages = server.unread(conversation, user);
  return { conversations: Number(messages > 0 || settings.marked_unread), messages };
}
