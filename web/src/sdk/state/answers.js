/**
 * What the server's answers do to a state. Only for drafts.
 *
 * `asked` is the turn of the state when the question was put: what was asked for before a conversation was dropped says
 * nothing about it.
 *
 * @import {Changes, Conversation, Heads, MeAnswer, Message} from '../wire.js'
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import { memberOf } from './conversations.js';
import { drop } from './events.js';
import { keep, learn } from './rows.js';
import { answered, answeredWhole, want, wantWhole } from './stale-scopes.js';
import { bornSince, conversationOf, leftSince, rowVersion, versionOf } from './state.js';
import { forgetMessages, hideAt, overtake, takeChanged, takeMessages, takePage, takeQuoted } from './threads.js';
import { tellsAll } from './unread-totals.js';

/** @param {State} draft @param {Heads} heads @param {number} asked */
export function takeHeads(draft, heads, asked) {
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
export function takeChanges(draft, changes, asked, trusted) {
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
export function takeAnswer(draft, { conversation, users = [], asked, cursor, answered: version }) {
  const scope = `conversation:${conversation.id}`;
  answered(draft, scope, version);
  learn(draft, users);
  // An answer that is older than what is held is no whole copy of it.
  if (takeConversation(draft, conversation, asked)) answeredWhole(draft, scope, asked);
  if (cursor) draft.cursor ??= cursor;
}

/** A conversation out of a page or an answer. @param {State} draft @param {Conversation} conversation
 * @param {number} asked @returns {boolean} whether it was taken */
export function takeConversation(draft, conversation, asked) {
  const scope = `conversation:${conversation.id}`;
  const at = rowVersion(draft, scope);
  if ((at !== null && at > conversation.version) || leftSince(draft, scope, asked)) return false;
  const wanted = overtake(draft, conversation);
  keep(draft, conversation, asked);
  if (wanted !== null) want(draft, scope, { version: wanted, hurry: true, whole: 0 });
  return true;
}

/** Messages that were asked for. @param {State} draft @param {Extract<Input, {kind: 'messages'|'quoted'}>} input */
export function takeSome(draft, input) {
  const scope = `conversation:${input.conversation}`;
  if (leftSince(draft, scope, input.asked)) return;
  if (input.page) learn(draft, input.page.users);
  const wanted = input.kind === 'quoted' ? takeQuoted(draft, input) : takePage(draft, input);
  if (wanted !== null) want(draft, scope, { version: wanted, hurry: true, whole: 0 });
  if (input.page) draft.cursor ??= input.page.cursor;
}

/** @param {State} draft @param {MeAnswer} answer @param {number|null} asked since when it was asked what I hid */
export function takeMe(draft, answer, asked) {
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
export function takeMessage(draft, message, version, asked) {
  const scope = `conversation:${message.conversation}`;
  if (leftSince(draft, scope, asked)) return;
  takeMessages(draft, message.conversation, [message]);
  const at = rowVersion(draft, scope);
  if (at !== null && at < version) want(draft, scope, { version, hurry: false, whole: 0 });
}

/** Forgets a conversation of which an answer said that I am not in it. What was heard before it was asked for is older
 * than the answer, whatever its version: to hold it on would mean to ask again for ever.
 * @param {State} draft @param {string} scope @param {number} asked */
export function dropAsked(draft, scope, asked) {
  if ((draft.heldAt.get(scope) ?? 0) <= asked) draft.held.delete(scope);
  drop(draft, scope, versionOf(draft, scope) ?? 0);
}
