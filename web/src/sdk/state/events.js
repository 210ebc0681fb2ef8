/**
 * What live events do to a state. Only for drafts.
 *
 * A live event moves the version of its scope and never the cursor. It is applied when its scope stands at `prev`,
 * dropped when its scope is at or past `version`, and else held, its scope being *wanted*.
 *
 * @import {Event, MarkerUpdated, MessageHidden, PlacedEvent} from '../wire.js'
 * @import {State} from './state.js'
 */
import { changedBy, uncounts, withHidden, withMarker } from './conversations.js';
import { hideBefore } from './found-messages.js';
import { keep, learn } from './rows.js';
import { toldVersion, want, wantWhole } from './stale-scopes.js';
import { conversationOf, rowVersion } from './state.js';
import { beginAt, hideAt, isHidden, takeMessages } from './threads.js';
import { countRow, wantTotals } from './unread-totals.js';

/** Events held for one scope; what is beyond is asked for anyway. */
const HELD_MAX = 64;

/** @param {State} draft @param {Event} event */
export function takeEvent(draft, event) {
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

/** Forgets a conversation that I am no longer in. @param {State} draft @param {string} scope @param {number} version */
export function drop(draft, scope, version) {
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

/** @param {State} draft @param {string} scope */
export function release(draft, scope) {
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
