/**
 * How the state changes: `apply(state, input)` is pure, never modifies its arguments, and is the only way to change the
 * state. The rules are in the book's page on the protocol, under "Keeping state".
 *
 * Invariants (I5 to I7 in ARCHITECTURE.md):
 * - The cursor moves to that of heads only when every scope that they name has reached its version or is gone. Pages
 *   set a cursor where there is none and never move one.
 * - An answer to a request from before a conversation was removed says nothing about it. `turn` counts inputs to tell.
 * - A message that the user hid stays hidden, whatever copies of it arrive later, until the server says that it is shown
 *   again.
 *
 * Absent on purpose: requests, time, the DOM, drafts, and the outbox.
 *
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import {
  removeMissing, applyConversation, applyChanges, applyRow, applyHeads, applyMe, applyMessage, applyMessagePage,
} from './answers.js';
import { listBounds } from './conversations.js';
import { releaseHeldEvents, receiveEvent } from './events.js';
import { updateFound } from './found-messages.js';
import { applyOpenReports, applyReport, applyReportPage } from './report-changes.js';
import { putUsers } from './rows.js';
import { scopeLoaded, markStale } from './stale-scopes.js';
import { wasAddedSince, emptyState, versionOf } from './state.js';
import { closeThread, hideMessageAt, openThread, trimThread } from './threads.js';
import { applyTotals, markTotalsStale } from './unread-totals.js';

/** @param {State} state @param {Input} input @returns {State} */
export function apply(state, input) {
  if (input.kind === 'heads' && input.heads.reset) {
    const { user, turn, fanOutMax } = state;
    return { ...emptyState(user), turn: turn + 1, fanOutMax, cursor: input.heads.cursor };
  }
  const draft = copy(state);
  updateFound(draft, input);
  switch (input.kind) {
    case 'event':
      receiveEvent(draft, input.event);
      break;
    case 'heads':
      applyHeads(draft, input.heads, input.requestedAt);
      break;
    case 'changes':
      scopeLoaded(draft, input.changes.scope, input.answered);
      applyChanges(draft, input.changes, input.requestedAt, false);
      break;
    case 'conversation':
      applyConversation(draft, input);
      break;
    case 'list':
      putUsers(draft, input.page.users ?? []);
      for (const conversation of input.page.conversations) applyRow(draft, conversation, input.requestedAt);
      draft.list = listBounds(input.page);
      draft.cursor ??= input.page.cursor;
      break;
    case 'messages':
    case 'quoted':
      applyMessagePage(draft, input);
      break;
    case 'me':
      scopeLoaded(draft, `user:${draft.user}`, input.answered);
      applyTotals(draft, input.answer, input.requestedAt);
      applyMe(draft, input.answer, input.since);
      applyOpenReports(draft, input.answer);
      break;
    case 'totals':
      markTotalsStale(draft);
      break;
    case 'sent':
      applyMessage(draft, input.sent.message, input.sent.version, input.requestedAt);
      break;
    case 'changed':
      applyMessage(draft, input.changed.message, input.changed.version, input.requestedAt);
      break;
    case 'hidden':
      hideMessageAt(draft, input.place);
      if ((draft.me?.scope_version ?? 0) < input.version) {
        markStale(draft, `user:${draft.user}`, { version: input.version, urgent: false, wholeSince: 0 });
      }
      break;
    case 'gone':
      if (!wasAddedSince(draft, input.scope, input.requestedAt)) removeMissing(draft, input.scope, input.requestedAt);
      break;
    case 'reports':
      applyReportPage(draft, input);
      break;
    case 'report':
      applyReport(draft, input.report);
      break;
    case 'users':
      putUsers(draft, input.users);
      break;
    default:
      applyScreen(draft, input);
  }
  return settle(draft);
}

/** Applies inputs about what is on the screen. @param {State} draft @param {Input} input */
function applyScreen(draft, input) {
  if (input.kind === 'limits') draft.fanOutMax = input.fanOutMax;
  else if (input.kind === 'opening') openThread(draft, input.conversation);
  else if (input.kind === 'closing') closeThread(draft, input.conversation);
  else if (input.kind === 'trim') trimThread(draft, input);
}

/** @param {State} state @returns {State} */
function copy(state) {
  return {
    ...state,
    turn: state.turn + 1,
    conversations: new Map(state.conversations),
    threads: new Map(state.threads),
    users: new Map(state.users),
    hidden: new Map(state.hidden),
    unhidden: new Map(state.unhidden),
    stale: new Map(state.stale),
    heldEvents: new Map(state.heldEvents),
    heldEventsAt: new Map(state.heldEventsAt),
    addedAt: new Map(state.addedAt),
    left: new Map(state.left),
    settings: new Map(state.settings),
    blocks: new Set(state.blocks),
    drafts: new Map(state.drafts),
    totals: state.totals && { ...state.totals, rest: { ...state.totals.rest } },
    pending: state.pending && { ...state.pending, needs: new Map(state.pending.needs) },
  };
}

/** Applies held events that fit now, drops stale marks that are settled, and moves the cursor if possible.
 * @param {State} draft @returns {State} */
function settle(draft) {
  for (const scope of [...draft.heldEvents.keys()]) releaseHeldEvents(draft, scope);
  for (const [scope, { version, wholeSince: whole }] of [...draft.stale]) {
    if (!whole && (versionOf(draft, scope) ?? -1) >= version) draft.stale.delete(scope);
  }
  const { pending } = draft;
  if (pending && [...pending.needs].every(([scope, version]) => (versionOf(draft, scope) ?? -1) >= version)) {
    draft.cursor = pending.cursor;
    draft.pending = null;
  }
  return draft;
}
