/**
 * The unread totals of all conversations, loaded or not. Pure.
 *
 * The server sends totals at a version. Loaded conversations are counted here; the difference is the `rest`, which is
 * in conversations that are not loaded. It stays true while those do not change, and any change loads them.
 *
 * Invariant: `rest` plus the unread counts of the loaded conversations, at their versions at `at`, are the server's
 * totals at `at`. If a change leaves that in doubt, the totals are fetched again.
 *
 * @import {Changes, ConversationSettings, MeAnswer, Unread} from '../wire.js'
 * @import {ConversationRow} from './conversations.js'
 * @import {State, Totals} from './state.js'
 */
import { memberOf } from './conversations.js';
import { countOf, countWith } from './settings.js';
import { wholeLoaded, isWholeStale, versionIn, markStale } from './stale-scopes.js';

const NOTHING = Object.freeze({ conversations: 0, messages: 0 });

/** Returns the unread totals; until the server has sent them, those of the loaded conversations. @param {State} state
 * @returns {Unread} */
export function totalsOf(state) {
  const current = heldIn(state);
  const { rest } = state.totals ?? { rest: { conversations: 0, messages: 0 } };
  return {
    conversations: Math.max(0, current.conversations + rest.conversations),
    messages: Math.max(0, current.messages + rest.messages),
  };
}

/** @param {State} draft @param {MeAnswer} answer @param {number} requestedAt the turn of the state when it was asked for */
export function applyTotals(draft, { unread, now, cursor }, requestedAt) {
  const at = versionIn(cursor);
  if (draft.totals && at < draft.totals.at) return;
  draft.now = now;
  const current = heldIn(draft);
  draft.totals = {
    rest: { conversations: unread.conversations - current.conversations, messages: unread.messages - current.messages }, at,
  };
  wholeLoaded(draft, `user:${draft.user}`, requestedAt);
  // Events since the request are not included.
  if ([...draft.conversations.values()].some((one) => one.version > at)) markTotalsStale(draft);
}

/** Accounts for a conversation that was loaded or replaced. @param {State} draft
 * @param {ConversationRow|undefined} before @param {ConversationRow} after @param {boolean} isWhole nothing that was
 * unread changed between the two but what `after` tells. That cannot be known while a whole copy is wanted: the number
 * in `before` may be wrong */
export function countRow(draft, before, after, isWhole) {
  const { totals } = draft;
  if (!totals) return;
  if (after.version <= totals.at) {
    subtractFromRest(totals, before ? countOf(draft, before) : NOTHING, countOf(draft, after));
  } else if ((!isWhole || isWholeStale(draft, after.id)) && (before?.version ?? 0) <= totals.at) {
    markTotalsStale(draft);
  }
}

/** Accounts for settings that were stored. @param {State} draft @param {number} conversation
 * @param {ConversationSettings} before @param {ConversationSettings} after */
export function countSettings(draft, conversation, before, after) {
  const { totals } = draft;
  if (!totals) return;
  const row = draft.conversations.get(conversation);
  if (after.version > totals.at || (row && row.version > totals.at)) {
    markTotalsStale(draft);
  } else if (row) {
    subtractFromRest(totals, countWith(before, row, draft.now), countWith(after, row, draft.now));
  }
}

/** Returns whether everything that changed the unread count happened after the version of the totals.
 * @param {State} draft @param {ConversationRow|undefined} current @param {Changes} changes @returns {boolean} */
export function coversAllChanges({ totals, user }, current, { conversation, messages, reset }) {
  if (!totals || !current || !conversation || reset) return false;
  const { at } = totals;
  // A message's id is the version that created it.
  const isLater = messages.every((one) => one.version > at && (one.id > at || one.id <= current.version));
  return isLater && (memberOf(conversation, user)?.version ?? 0) <= current.version;
}

/** They are fetched soon. @param {State} draft */
export function markTotalsStale(draft) {
  markStale(draft, `user:${draft.user}`, { version: 0, urgent: false, wholeSince: draft.turn });
}

/** Takes what a loaded conversation counts more than before from the rest. @param {Totals} totals
 * @param {Unread} before @param {Unread} after */
function subtractFromRest({ rest }, before, after) {
  rest.messages -= after.messages - before.messages;
  rest.conversations -= after.conversations - before.conversations;
}

/** @param {State} state @returns {Unread} */
function heldIn(state) {
  const sum = { ...NOTHING };
  for (const row of state.conversations.values()) {
    const { conversations, messages } = countOf(state, row);
    sum.conversations += conversations;
    sum.messages += messages;
  }
  return sum;
}
