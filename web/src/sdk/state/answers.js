/**
 * How the server's answers change the state. For drafts only.
 *
 * `asked` is the turn of the state at the time of the request: an answer to a request from before a conversation was
 * removed says nothing about it.
 *
 * @import {Changes, Conversation, Heads, MeAnswer, Message} from '../wire.js'
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import { memberOf } from './conversations.js';
import { removeConversation } from './events.js';
import { putConversation, putUsers } from './rows.js';
import { scopeLoaded, wholeLoaded, markStale, markWholeStale } from './stale-scopes.js';
import { wasAddedSince, conversationOf, wasLeftSince, rowVersion, versionOf } from './state.js';
import {
  forgetMessages, hideMessageAt, markThreadStale, applyChangedMessages, putMessages, applyPage, applyQuoted,
} from './threads.js';
import { coversAllChanges } from './unread-totals.js';

/** @param {State} draft @param {Heads} heads @param {number} asked */
export function applyHeads(draft, heads, asked) {
  for (const scope of heads.gone) {
    if (wasAddedSince(draft, scope, asked)) markWholeStale(draft, conversationOf(scope));
    else removeMissing(draft, scope, asked);
  }
  for (const changes of heads.changes) {
    if (!changes.more) applyChanges(draft, changes, asked, true);
  }
  /** @type {Map<string, number>} */
  const needs = new Map();
  for (const { scope, version } of heads.heads) {
    if (wasLeftSince(draft, scope, asked)) continue;
    needs.set(scope, version);
    if ((versionOf(draft, scope) ?? -1) < version) markStale(draft, scope, { version, urgent: true, wholeSince: 0 });
  }
  draft.pending = { cursor: heads.cursor, needs };
}

/** @param {State} draft @param {Changes} changes @param {number} asked
 * @param {boolean} trusted they came with heads: what is held is true at what they were asked for */
export function applyChanges(draft, changes, asked, trusted) {
  const { conversation, scope } = changes;
  if (!conversation || wasLeftSince(draft, scope, asked)) return;
  const through = versionOf(draft, scope);
  if (through !== null && through >= changes.version) return;
  const isStale = (draft.threads.get(conversation.id)?.stale ?? null) !== null;
  if (through !== null && through < changes.since && (isStale || !trusted)) {
    markStale(draft, scope, { version: changes.version, urgent: true, wholeSince: 0 });
    return;
  }
  putUsers(draft, changes.users);
  const at = rowVersion(draft, scope);
  if (at === null || at <= changes.version) {
    const isWhole = coversAllChanges(draft, draft.conversations.get(conversation.id), changes);
    putConversation(draft, { ...conversation, version: changes.version }, asked, isWhole);
    wholeLoaded(draft, scope, asked);
  }
  const wanted = applyChangedMessages(draft, conversation, changes);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
}

/** Applies the answer to a request for one conversation. @param {State} draft
 * @param {Extract<Input, {kind: 'conversation'}>} input */
export function applyConversation(draft, { conversation, users = [], asked, cursor, answered: version }) {
  const scope = `conversation:${conversation.id}`;
  scopeLoaded(draft, scope, version);
  putUsers(draft, users);
  // An answer that is older than the current row is no complete copy of it.
  if (applyRow(draft, conversation, asked)) wholeLoaded(draft, scope, asked);
  if (cursor) draft.cursor ??= cursor;
}

/** Applies a conversation of a page or an answer. @param {State} draft @param {Conversation} conversation
 * @param {number} asked @returns {boolean} whether it was applied */
export function applyRow(draft, conversation, asked) {
  const scope = `conversation:${conversation.id}`;
  const at = rowVersion(draft, scope);
  if ((at !== null && at > conversation.version) || wasLeftSince(draft, scope, asked)) return false;
  const wanted = markThreadStale(draft, conversation);
  putConversation(draft, conversation, asked);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
  return true;
}

/** Applies requested messages. @param {State} draft @param {Extract<Input, {kind: 'messages'|'quoted'}>} input */
export function applyMessagePage(draft, input) {
  const scope = `conversation:${input.conversation}`;
  if (wasLeftSince(draft, scope, input.asked)) return;
  if (input.page) putUsers(draft, input.page.users);
  const wanted = input.kind === 'quoted' ? applyQuoted(draft, input) : applyPage(draft, input);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
  if (input.page) draft.cursor ??= input.page.cursor;
}

/** @param {State} draft @param {MeAnswer} answer @param {number|null} asked since when it was asked what I hid */
export function applyMe(draft, answer, asked) {
  if (draft.me && draft.me.scope_version >= answer.scope_version) return;
  if (draft.me && (asked === null || asked > draft.me.scope_version)) {
    markStale(draft, `user:${draft.user}`, { version: answer.scope_version, urgent: true, wholeSince: 0 });
    return;
  }
  const { markers, cursor, unread: _, hidden = [], hidden_reset: isReset = false, ...me } = answer;
  draft.me = me;
  putUsers(draft, [me]);
  for (const marker of markers) {
    const held = draft.conversations.get(marker.conversation);
    if (held && (memberOf(held, draft.user)?.read_seq ?? 0) < marker.read_seq) markWholeStale(draft, marker.conversation);
  }
  for (const place of hidden) {
    hideMessageAt(draft, place);
    if (draft.conversations.has(place.conversation)) markWholeStale(draft, place.conversation);
  }
  if (isReset) {
    forgetMessages(draft);
    for (const id of draft.conversations.keys()) markWholeStale(draft, id);
  }
  draft.cursor ??= cursor;
}

/** Applies the message of an answer at once; the other changes arrive with its event. @param {State} draft
 * @param {Message} message @param {number} version @param {number} asked */
export function applyMessage(draft, message, version, asked) {
  const scope = `conversation:${message.conversation}`;
  if (wasLeftSince(draft, scope, asked)) return;
  putMessages(draft, message.conversation, [message]);
  const at = rowVersion(draft, scope);
  if (at !== null && at < version) markStale(draft, scope, { version, urgent: false, wholeSince: 0 });
}

/** Removes a conversation of which an answer says that the user is no member. Events from before the request are older
 * than the answer, whatever their version: keeping them would repeat the request for ever. @param {State} draft
 * @param {string} scope @param {number} asked */
export function removeMissing(draft, scope, asked) {
  if ((draft.heldEventsAt.get(scope) ?? 0) <= asked) draft.heldEvents.delete(scope);
  removeConversation(draft, scope, versionOf(draft, scope) ?? 0);
}
