/**
 * What the inbox knows, and how it changes: `apply(state, input)` is pure, never changes what it is given, and is the
 * only way in. The rules are those of the book's page on the protocol, under "Keeping state".
 *
 * Invariants (I5 to I7 of the design):
 * - A live event moves the version of its scope and never the cursor. It is applied when its scope stands at `prev`,
 *   dropped when its scope is at or past `version`, and else held, its scope being *wanted*.
 * - The cursor moves to that of heads only when every scope that they named is at or past its version, or gone.
 *   Pages start a cursor where there is none and never move one.
 * - What was asked for before a conversation was dropped says nothing about it. `turn` counts inputs, to tell.
 * - The row of a conversation and its messages may be true at different versions: a whole copy moves the row alone.
 *   What is said to be true of the scope is the lower of the two.
 * - What I deleted for myself stays hidden, whatever copies of it come later.
 *
 * Absent on purpose: requests, time, the DOM, and what was typed or is being sent (that is the outbox's).
 *
 * @import {Changes, Conversation, Event, Heads, MarkerUpdated, Me, MeAnswer, Message, MessageHidden, PlacedEvent,
 *   User} from '../wire.js'
 * @import {Held} from './conversations.js'
 * @import {Hits} from './found-messages.js'
 * @import {Input} from './inputs.js'
 * @import {Thread} from './messages.js'
 * @import {Totals} from './unread-totals.js'
 */
import { changedBy, isBehind, loadedTo, memberOf, uncounts, withHidden, withMarker, withWhole } from './conversations.js';
import { hideBefore, seeHits } from './found-messages.js';
import {
  beginAt, closeThread, forgetMessages, hideAt, isHidden, openThread, overtake, takeChanged, takeMessages, takePage,
  takeQuoted, trimThread,
} from './threads.js';
import { countRow, takeTotals, tellsAll, wantTotals } from './unread-totals.js';
import { answered, answeredWhole, toldVersion, want, wantWhole } from './stale-scopes.js';

/**
 * `whole` is the turn at which a whole copy was last wanted, or 0.
 * @typedef {{version: number, hurry: boolean, whole: number}} Want
 * @typedef {{seqs: Set<number>, turn: number}} HiddenHere what I deleted for myself, as far as heard; and when
 * @typedef {{
 *   user: number,
 *   turn: number,
 *   fanOutMax: number,
 *   me: Me|null,
 *   cursor: string|null,
 *   pending: {cursor: string, needs: Map<string, number>}|null,
 *   conversations: Map<number, Held>,
 *   threads: Map<number, Thread>,
 *   users: Map<number, User>,
 *   hidden: Map<number, HiddenHere>,
 *   hits: Hits,
 *   list: {loaded: boolean, next: string|null, bound: number},
 *   wanted: Map<string, Want>,
 *   held: Map<string, PlacedEvent[]>,
 *   heldAt: Map<string, number>,
 *   born: Map<string, number>,
 *   left: Map<string, {version: number, turn: number}>,
 *   totals: Totals|null,
 * }} State
 */

/** Events held for one scope; what is beyond is asked for anyway. */
const HELD_MAX = 64;
const FAN_OUT_MAX = 64;

/** @param {number} user @returns {State} */
export function empty(user) {
  return {
    user,
    turn: 0,
    fanOutMax: FAN_OUT_MAX,
    me: null,
    cursor: null,
    pending: null,
    conversations: new Map(),
    threads: new Map(),
    users: new Map(),
    hidden: new Map(),
    hits: new Map(),
    list: { loaded: false, next: null, bound: 0 },
    wanted: new Map(),
    held: new Map(),
    heldAt: new Map(),
    born: new Map(),
    left: new Map(),
    totals: null,
  };
}

/** The version at which all that is held of a scope is true; null when nothing of it is held.
 * @param {State} state @param {string} scope @returns {number|null} */
export function versionOf(state, scope) {
  const at = rowVersion(state, scope);
  const stale = state.threads.get(conversationOf(scope))?.stale ?? null;
  return at === null || stale === null ? at : Math.min(at, stale);
}

/** The version on which the next event of a scope follows. @param {State} state @param {string} scope
 * @returns {number|null} */
function rowVersion(state, scope) {
  if (scope === `user:${state.user}`) return state.me ? state.me.scope_version : null;
  return state.conversations.get(conversationOf(scope))?.version ?? null;
}

/** @param {string} scope @returns {number} the conversation's id, or NaN for another kind of scope */
export function conversationOf(scope) {
  const [kind, id] = scope.split(':');
  return kind === 'conversation' ? Number(id) : NaN;
}

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

/** Messages that were asked for. @param {State} draft @param {Extract<Input, {kind: 'messages'|'quoted'}>} input */
function takeSome(draft, input) {
  const scope = `conversation:${input.conversation}`;
  if (leftSince(draft, scope, input.asked)) return;
  if (input.page) learn(draft, input.page.users);
  const wanted = input.kind === 'quoted' ? takeQuoted(draft, input) : takePage(draft, input);
  if (wanted !== null) want(draft, scope, { version: wanted, hurry: true, whole: 0 });
  if (input.page) draft.cursor ??= input.page.cursor;
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

/** @param {State} draft @param {Event} event */
function takeEvent(draft, event) {
  const at = rowVersion(draft, event.scope);
  if (at !== null && at >= event.version) return;
  if (event.version <= (draft.left.get(event.scope)?.version ?? 0)) return;
  if (event.type === 'scope.changed') {
    want(draft, event.scope, { version: event.version, hurry: true, whole: 0 });
  } else if (removesMe(draft, event)) {
    drop(draft, event.scope, event.version);
  } else if (at === event.prev) {
    applyEvent(draft, event);
  } else if (at === null && event.type === 'conversation.created') {
    // Conversations are opened once: of one that was left it comes late.
    if (draft.left.has(event.scope)) return;
    // It may have been left since, in a way that is told no more: the server is asked.
    if (event.version <= toldVersion(draft)) want(draft, event.scope, { version: event.version, hurry: true, whole: 0 });
    else keep(draft, { ...event.conversation, version: event.version }, draft.turn);
  } else {
    const held = (draft.held.get(event.scope) ?? []).filter((one) => one.version !== event.version);
    held.push(event);
    held.sort((a, b) => a.version - b.version);
    draft.held.set(event.scope, held.slice(0, HELD_MAX));
    draft.heldAt.set(event.scope, draft.turn);
    want(draft, event.scope, { version: event.version, hurry: at === null, whole: 0 });
  }
}

/** @param {State} draft @param {PlacedEvent} event @returns {boolean} */
function removesMe(draft, event) {
  return event.type === 'member.updated' && event.members.some((one) => one.left && one.user.id === draft.user);
}

/** Applies an event whose scope stands at its `prev`. @param {State} draft @param {PlacedEvent} event */
function applyEvent(draft, event) {
  if (event.type === 'me.updated') {
    draft.me = { ...event.me, scope_version: event.version };
    learn(draft, [event.me]);
  } else if (event.type === 'marker.updated' || event.type === 'message.hidden') {
    applyOwn(draft, event);
  } else {
    applyHere(draft, event);
  }
}

/** What only I am told about a conversation. @param {State} draft @param {MarkerUpdated|MessageHidden} event */
function applyOwn(draft, event) {
  const id = event.conversation;
  const held = draft.conversations.get(id);
  if (event.type === 'message.hidden') hideAt(draft, event);
  // It has a scope of its own, so that a copy that was taken may know it already.
  wantTotals(draft);
  if (held) {
    const changed = event.type === 'message.hidden'
      ? withHidden(held, event, draft.user)
      : withMarker(held, event, draft.user, event.version);
    if (changed) draft.conversations.set(id, changed);
    else wantWhole(draft, id);
  }
  if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
}

/** What a conversation's members are told. @param {State} draft
 * @param {Exclude<PlacedEvent, {type: 'me.updated'|'marker.updated'|'message.hidden'}>} event */
function applyHere(draft, event) {
  const held = draft.conversations.get(conversationOf(event.scope));
  if (!held) return;
  const { fanOutMax, user } = draft;
  const message = 'message' in event ? event.message : undefined;
  const hidden = message !== undefined && isHidden(draft, message);
  const changed = changedBy(held, event, { me: user, fanOutMax, hidden });
  draft.conversations.set(held.id, changed);
  countRow(draft, held, changed, true);
  beginAt(draft, changed, held);
  hideBefore(draft, changed);
  if (message) takeMessages(draft, held.id, [message]);
  if (event.type === 'message.created') learn(draft, [event.sender]);
  if ('members' in event) learn(draft, event.members.map((one) => one.user));
  // My marker may have moved, and I am not told.
  if (event.type === 'message.created' && event.message.sender === user && event.sender_read_seq === null) {
    wantWhole(draft, held.id);
  }
  if (event.type === 'message.updated' && uncounts(held, event, user)) wantWhole(draft, held.id);
  // Who is held, and how markers travel, is different on the other side of the limit.
  if (held.member_count > fanOutMax !== changed.member_count > fanOutMax) wantWhole(draft, held.id);
}

/** @param {State} draft @param {Heads} heads @param {number} asked */
function takeHeads(draft, heads, asked) {
  for (const scope of heads.gone) {
    if (bornSince(draft, scope, asked)) wantWhole(draft, conversationOf(scope));
    else dropAsked(draft, scope, asked);
  }
  for (const changes of heads.changes) {
    if (!changes.more) takeChanges(draft, changes, asked, true);
  }
  /** @type {Map<string, number>} */
  const needs = new Map();
  for (const { scope, version } of heads.heads) {
    if (leftSince(draft, scope, asked)) continue;
    needs.set(scope, version);
    if ((versionOf(draft, scope) ?? -1) < version) want(draft, scope, { version, hurry: true, whole: 0 });
  }
  draft.pending = { cursor: heads.cursor, needs };
}

/** @param {State} draft @param {Changes} changes @param {number} asked
 * @param {boolean} trusted they came with heads: what is held is true at what they were asked for */
function takeChanges(draft, changes, asked, trusted) {
  const { conversation, scope } = changes;
  if (!conversation || leftSince(draft, scope, asked)) return;
  const through = versionOf(draft, scope);
  if (through !== null && through >= changes.version) return;
  const isStale = (draft.threads.get(conversation.id)?.stale ?? null) !== null;
  if (through !== null && through < changes.since && (isStale || !trusted)) {
    want(draft, scope, { version: changes.version, hurry: true, whole: 0 });
    return;
  }
  learn(draft, changes.users);
  const at = rowVersion(draft, scope);
  if (at === null || at <= changes.version) {
    const isWhole = tellsAll(draft, draft.conversations.get(conversation.id), changes);
    keep(draft, { ...conversation, version: changes.version }, asked, isWhole);
    answeredWhole(draft, scope, asked);
  }
  const wanted = takeChanged(draft, conversation, changes);
  if (wanted !== null) want(draft, scope, { version: wanted, hurry: true, whole: 0 });
}

/** One conversation, as it was asked for. @param {State} draft
 * @param {Extract<Input, {kind: 'conversation'}>} input */
function takeAnswer(draft, { conversation, users = [], asked, cursor, answered: version }) {
  const scope = `conversation:${conversation.id}`;
  answered(draft, scope, version);
  learn(draft, users);
  // An answer that is older than what is held is no whole copy of it.
  if (takeConversation(draft, conversation, asked)) answeredWhole(draft, scope, asked);
  if (cursor) draft.cursor ??= cursor;
}

/** A conversation out of a page or an answer. @param {State} draft @param {Conversation} conversation
 * @param {number} asked @returns {boolean} whether it was taken */
function takeConversation(draft, conversation, asked) {
  const scope = `conversation:${conversation.id}`;
  const at = rowVersion(draft, scope);
  if ((at !== null && at > conversation.version) || leftSince(draft, scope, asked)) return false;
  const wanted = overtake(draft, conversation);
  keep(draft, conversation, asked);
  if (wanted !== null) want(draft, scope, { version: wanted, hurry: true, whole: 0 });
  return true;
}

/** @param {State} draft @param {Conversation} conversation @param {number} asked
 * @param {boolean} [isWhole] nothing that was unread changed since what was held but what this tells */
function keep(draft, conversation, asked, isWhole = false) {
  const { id } = conversation;
  const held = draft.conversations.get(id);
  if (!held) draft.born.set(`conversation:${id}`, draft.turn);
  const wasBehind = held !== undefined && isBehind(held, conversation, draft.user);
  const kept = withWhole(held, conversation, draft.user);
  draft.conversations.set(id, kept);
  countRow(draft, held, kept, isWhole);
  learn(draft, conversation.members.map((one) => one.user));
  beginAt(draft, conversation, held);
  hideBefore(draft, conversation);
  // It may have been read before I hid something there, or before my marker moved.
  if (wasBehind || (draft.hidden.get(id)?.turn ?? -1) > asked) wantWhole(draft, id);
}

/** Whether a conversation was dropped after a question was put. @param {State} draft @param {string} scope
 * @param {number} asked @returns {boolean} */
function leftSince(draft, scope, asked) {
  return (draft.left.get(scope)?.turn ?? -1) > asked;
}

/** Whether a conversation was first taken after a question was put. @param {State} draft @param {string} scope
 * @param {number} asked @returns {boolean} */
function bornSince(draft, scope, asked) {
  return versionOf(draft, scope) !== null && (draft.born.get(scope) ?? -1) > asked;
}

/** @param {State} draft @param {MeAnswer} answer @param {number|null} asked since when it was asked what I hid */
function takeMe(draft, answer, asked) {
  if (draft.me && draft.me.scope_version >= answer.scope_version) return;
  if (draft.me && (asked === null || asked > draft.me.scope_version)) {
    want(draft, `user:${draft.user}`, { version: answer.scope_version, hurry: true, whole: 0 });
    return;
  }
  const { markers, cursor, unread: _, hidden = [], hidden_reset: isReset = false, ...me } = answer;
  draft.me = me;
  learn(draft, [me]);
  for (const marker of markers) {
    const held = draft.conversations.get(marker.conversation);
    if (held && (memberOf(held, draft.user)?.read_seq ?? 0) < marker.read_seq) wantWhole(draft, marker.conversation);
  }
  for (const place of hidden) {
    hideAt(draft, place);
    if (draft.conversations.has(place.conversation)) wantWhole(draft, place.conversation);
  }
  if (isReset) {
    forgetMessages(draft);
    for (const id of draft.conversations.keys()) wantWhole(draft, id);
  }
  draft.cursor ??= cursor;
}

/** A message of an answer is shown at once; the rest of what changed comes as its event. @param {State} draft
 * @param {Message} message @param {number} version @param {number} asked */
function takeMessage(draft, message, version, asked) {
  const scope = `conversation:${message.conversation}`;
  if (leftSince(draft, scope, asked)) return;
  takeMessages(draft, message.conversation, [message]);
  const at = rowVersion(draft, scope);
  if (at !== null && at < version) want(draft, scope, { version, hurry: false, whole: 0 });
}

/** Forgets a conversation of which an answer said that I am not in it. What was heard before it was asked for is older
 * than the answer, whatever its version: to hold it on would mean to ask again for ever.
 * @param {State} draft @param {string} scope @param {number} asked */
function dropAsked(draft, scope, asked) {
  if ((draft.heldAt.get(scope) ?? 0) <= asked) draft.held.delete(scope);
  drop(draft, scope, versionOf(draft, scope) ?? 0);
}

/** Forgets a conversation that I am no longer in. @param {State} draft @param {string} scope @param {number} version */
function drop(draft, scope, version) {
  const id = conversationOf(scope);
  if (Number.isNaN(id)) return;
  wantTotals(draft);
  draft.conversations.delete(id);
  draft.threads.delete(id);
  draft.hidden.delete(id);
  draft.wanted.delete(scope);
  draft.born.delete(scope);
  draft.pending?.needs.delete(scope);
  draft.left.set(scope, { version: Math.max(version, draft.left.get(scope)?.version ?? 0), turn: draft.turn });
  const later = (draft.held.get(scope) ?? []).filter((one) => one.version > version);
  draft.held.delete(scope);
  draft.heldAt.delete(scope);
  for (const event of later) takeEvent(draft, event);
}

/** Of two copies of a person the one with the higher version is right. @param {State} draft @param {User[]} users */
function learn(draft, users) {
  for (const { id, name, picture, version } of users) {
    const known = draft.users.get(id);
    if (!known || known.version < version) draft.users.set(id, { id, name, picture, version });
  }
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

/** @param {State} draft @param {string} scope */
function release(draft, scope) {
  const held = [...(draft.held.get(scope) ?? [])];
  for (;;) {
    const at = rowVersion(draft, scope);
    while (held.length > 0 && at !== null && held[0].version <= at) held.shift();
    if (held.length === 0 || at === null || held[0].prev !== at) break;
    applyEvent(draft, /** @type {PlacedEvent} */ (held.shift()));
  }
  if (held.length === 0) {
    draft.held.delete(scope);
    draft.heldAt.delete(scope);
    return;
  }
  draft.held.set(scope, held);
  want(draft, scope, { version: held[held.length - 1].version, hurry: false, whole: 0 });
}
