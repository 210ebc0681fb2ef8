/**
 * How the server's answers change the state. For drafts only.
 *
 * `requestedAt` is the turn of the state at the time of the request: an answer to a request from before a conversation was
 * removed says nothing about it.
 *
 * @import {Changes, Conversation, Heads, MeAnswer, Message} from '../wire.js'
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import { memberOf } from './conversations.js';
import { putDraft } from './drafts.js';
import { removeConversation } from './events.js';
import { applyLostReports } from './report-changes.js';
import { putConversation, putSettings, putUsers } from './rows.js';
import { scopeLoaded, wholeLoaded, markStale, markWholeStale, versionIn } from './stale-scopes.js';
import { wasAddedSince, conversationOf, wasLeftSince, wasUnhiddenSince, rowVersion, versionOf } from './state.js';
import {
  forgetMessages, hideMessageAt, markThreadStale, applyChangedMessages, putMessages, applyPage, applyQuoted,
  unhideMessageAt,
} from './threads.js';
import { coversAllChanges } from './unread-totals.js';

/** @param {State} draft @param {Heads} heads @param {number} requestedAt */
export function applyHeads(draft, heads, requestedAt) {
  for (const scope of heads.gone) {
    if (wasAddedSince(draft, scope, requestedAt)) markWholeStale(draft, conversationOf(scope));
    else removeMissing(draft, scope, requestedAt);
  }
  // Unread counts from before the last known change of the user may include messages that they hid since: the copies
  // are fetched again.
  const isOlderThanUser = draft.me !== null && versionIn(heads.cursor) < draft.me.scope_version;
  for (const changes of heads.changes) {
    if (!changes.more && !isOlderThanUser) applyChanges(draft, changes, requestedAt, true);
  }
  /** @type {Map<string, number>} */
  const needs = new Map();
  for (const { scope, version } of heads.heads) {
    if (wasLeftSince(draft, scope, requestedAt)) continue;
    needs.set(scope, version);
    if ((versionOf(draft, scope) ?? -1) < version) markStale(draft, scope, { version, urgent: true, wholeSince: 0 });
  }
  draft.pending = { cursor: heads.cursor, needs };
}

/** @param {State} draft @param {Changes} changes @param {number} requestedAt
 * @param {boolean} trusted they came with heads: what is held is true at what they were asked for */
export function applyChanges(draft, changes, requestedAt, trusted) {
  const { conversation, scope } = changes;
  if (!conversation || wasLeftSince(draft, scope, requestedAt)) return;
  const through = versionOf(draft, scope);
  if (through !== null && through >= changes.version) return;
  const isStale = (draft.threads.get(conversation.id)?.stale ?? null) !== null;
  const isFromBefore = through !== null && through < changes.since && (isStale || !trusted);
  if (isFromBefore || wasUnhiddenSince(draft, conversation.id, requestedAt)) {
    markStale(draft, scope, { version: changes.version, urgent: true, wholeSince: 0 });
    return;
  }
  putUsers(draft, changes.users);
  const at = rowVersion(draft, scope);
  if (at === null || at <= changes.version) {
    const isWhole = coversAllChanges(draft, draft.conversations.get(conversation.id), changes);
    putConversation(draft, { ...conversation, version: changes.version }, requestedAt, isWhole);
    wholeLoaded(draft, scope, requestedAt);
  }
  const wanted = applyChangedMessages(draft, conversation, changes);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
}

/** Applies the answer to a request for one conversation. @param {State} draft
 * @param {Extract<Input, {kind: 'conversation'}>} input */
export function applyConversation(draft, { conversation, users = [], requestedAt, cursor, answered: version }) {
  const scope = `conversation:${conversation.id}`;
  scopeLoaded(draft, scope, version);
  putUsers(draft, users);
  // An answer that is older than the current row is no complete copy of it.
  if (applyRow(draft, conversation, requestedAt)) wholeLoaded(draft, scope, requestedAt);
  if (cursor) draft.cursor ??= cursor;
}

/** Applies a conversation of a page or an answer. @param {State} draft @param {Conversation} conversation
 * @param {number} requestedAt @returns {boolean} whether it was applied */
export function applyRow(draft, conversation, requestedAt) {
  const scope = `conversation:${conversation.id}`;
  const at = rowVersion(draft, scope);
  if ((at !== null && at > conversation.version) || wasLeftSince(draft, scope, requestedAt)) return false;
  const wanted = markThreadStale(draft, conversation);
  putConversation(draft, conversation, requestedAt);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
  return true;
}

/** Applies requested messages. @param {State} draft @param {Extract<Input, {kind: 'messages'|'quoted'}>} input */
export function applyMessagePage(draft, input) {
  const scope = `conversation:${input.conversation}`;
  if (wasLeftSince(draft, scope, input.requestedAt)) return;
  if (wasUnhiddenSince(draft, input.conversation, input.requestedAt)) return;
  if (input.page) putUsers(draft, input.page.users);
  const wanted = input.kind === 'quoted' ? applyQuoted(draft, input) : applyPage(draft, input);
  if (wanted !== null) markStale(draft, scope, { version: wanted, urgent: true, wholeSince: 0 });
  if (input.page) draft.cursor ??= input.page.cursor;
}

/** @param {State} draft @param {MeAnswer} answer @param {number|null} since the version from which hidden messages were requested */
export function applyMe(draft, answer, since) {
  if (draft.me && draft.me.scope_version >= answer.scope_version) return;
  if (draft.me && (since === null || since > draft.me.scope_version)) {
    markStale(draft, `user:${draft.user}`, { version: answer.scope_version, urgent: true, wholeSince: 0 });
    return;
  }
  const {
    markers, cursor, unread: _unread, now: _now, settings = [], blocks, drafts = [], reports: _reports, warnings: _warnings,
    hidden = [], unhidden = [], hidden_reset: isReset = false, ...me
  } = answer;
  draft.me = me;
  applyLostReports(draft, answer);
  if (blocks) draft.blocks = new Set(blocks);
  putUsers(draft, [me]);
  for (const { conversation, ...row } of settings) putSettings(draft, conversation, row);
  if (isReset) draft.drafts.clear();
  for (const { conversation, ...written } of drafts) putDraft(draft, conversation, written);
  for (const marker of markers) {
    const current = draft.conversations.get(marker.conversation);
    if (current && (memberOf(current, draft.user)?.read_seq ?? 0) < marker.read_seq) markWholeStale(draft, marker.conversation);
  }
  for (const place of hidden) {
    hideMessageAt(draft, place);
    if (draft.conversations.has(place.conversation)) markWholeStale(draft, place.conversation);
  }
  for (const place of unhidden) {
    unhideMessageAt(draft, place);
    if (draft.conversations.has(place.conversation)) markWholeStale(draft, place.conversation);
  }
  if (isReset) {
    forgetMessages(draft);
    for (const id of draft.conversations.keys()) markWholeStale(draft, id);
  }
  draft.cursor ??= cursor;
}

/** Applies the message of an answer at once; the other changes arrive with its event. @param {State} draft
 * @param {Message} message @param {number} version @param {number} requestedAt */
export function applyMessage(draft, message, version, requestedAt) {
  const scope = `conversation:${message.conversation}`;
  if (wasLeftSince(draft, scope, requestedAt)) return;
  putMessages(draft, message.conversation, [message]);
  const at = rowVersion(draft, scope);
  if (at !== null && at < version) markStale(draft, scope, { version, urgent: false, wholeSince: 0 });
}

/** Removes a conversation of which an answer says that the user is no member. Events from before the request are older
 * than the answer, whatever their version: keeping them would repeat the request for ever. @param {State} draft
 * @param {string} scope @param {number} requestedAt */
export function removeMissing(draft, scope, requestedAt) {
  if ((draft.heldEventsAt.get(scope) ?? 0) <= requestedAt) draft.heldEvents.delete(scope);
  removeConversation(draft, scope, versionOf(draft, scope) ?? 0);
}
