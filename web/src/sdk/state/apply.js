/**
 * How a state changes: `apply(state, input)` is pure, never changes what it is given, and is the only way in. The rules
 * are those of the book's page on the protocol, under "Keeping state".
 *
 * Invariants (I5 to I7 of the design):
 * - The cursor moves to that of heads only when every scope that they named is at or past its version, or gone.
 *   Pages start a cursor where there is none and never move one.
 * - What was asked for before a conversation was dropped says nothing about it. `turn` counts inputs, to tell.
 * - What I deleted for myself stays hidden, whatever copies of it come later.
 *
 * Absent on purpose: requests, time, the DOM, and what was typed or is being sent (that is the outbox's).
 *
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import { dropAsked, takeAnswer, takeChanges, takeConversation, takeHeads, takeMe, takeMessage, takeSome } from './answers.js';
import { loadedTo } from './conversations.js';
import { release, takeEvent } from './events.js';
import { seeHits } from './found-messages.js';
import { learn } from './rows.js';
import { answered, want } from './stale-scopes.js';
import { bornSince, empty, versionOf } from './state.js';
import { closeThread, hideAt, openThread, trimThread } from './threads.js';
import { takeTotals } from './unread-totals.js';

/** @param {State} state @param {Input} input @returns {State} */
export function apply(state, input) {
  if (input.kind === 'heads' && input.heads.reset) {
    const { user, turn, fanOutMax } = state;
    return { ...empty(user), turn: turn + 1, fanOutMax, cursor: input.heads.cursor };
  }
  const draft = copy(state);
  seeHits(draft, input);
  switch (input.kind) {
    case 'event':
      takeEvent(draft, input.event);
      break;
    case 'heads':
      takeHeads(draft, input.heads, input.asked);
      break;
    case 'changes':
      answered(draft, input.changes.scope, input.answered);
      takeChanges(draft, input.changes, input.asked, false);
      break;
    case 'conversation':
      takeAnswer(draft, input);
      break;
    case 'list':
      learn(draft, input.page.users ?? []);
      for (const conversation of input.page.conversations) takeConversation(draft, conversation, input.asked);
      draft.list = loadedTo(input.page);
      draft.cursor ??= input.page.cursor;
      break;
    case 'messages':
    case 'quoted':
      takeSome(draft, input);
      break;
    case 'me':
      answered(draft, `user:${draft.user}`, input.answered);
      takeMe(draft, input.answer, input.since);
      takeTotals(draft, input.answer, input.asked);
      break;
    case 'sent':
      takeMessage(draft, input.sent.message, input.sent.version, input.asked);
      break;
    case 'changed':
      takeMessage(draft, input.changed.message, input.changed.version, input.asked);
      break;
    case 'hidden':
      hideAt(draft, input.place);
      if ((draft.me?.scope_version ?? 0) < input.version) {
        want(draft, `user:${draft.user}`, { version: input.version, hurry: false, whole: 0 });
      }
      break;
    case 'gone':
      if (!bornSince(draft, input.scope, input.asked)) dropAsked(draft, input.scope, input.asked);
      break;
    case 'users':
      learn(draft, input.users);
      break;
    default:
      takeView(draft, input);
  }
  return settle(draft);
}

/** What depends on what is on the screen. @param {State} draft @param {Input} input */
function takeView(draft, input) {
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
    wanted: new Map(state.wanted),
    held: new Map(state.held),
    heldAt: new Map(state.heldAt),
    born: new Map(state.born),
    left: new Map(state.left),
    totals: state.totals && { ...state.totals, rest: { ...state.totals.rest } },
    pending: state.pending && { ...state.pending, needs: new Map(state.pending.needs) },
  };
}

/** Applies what was held and now fits, forgets what is no longer wanted, and moves the cursor if it may move.
 * @param {State} draft @returns {State} */
function settle(draft) {
  for (const scope of [...draft.held.keys()]) release(draft, scope);
  for (const [scope, { version, whole }] of [...draft.wanted]) {
    if (!whole && (versionOf(draft, scope) ?? -1) >= version) draft.wanted.delete(scope);
  }
  const { pending } = draft;
  if (pending && [...pending.needs].every(([scope, version]) => (versionOf(draft, scope) ?? -1) >= version)) {
    draft.cursor = pending.cursor;
    draft.pending = null;
  }
  return draft;
}
