/**
 * How live events change the state. For drafts only.
 *
 * A live event moves the version of its scope and never the cursor. It is applied if its scope is at `prev`, dropped if
 * its scope has reached `version`, and otherwise held, and its scope is marked as stale.
 *
 * @import {Event, MarkerUpdated, MessageHidden, PlacedEvent} from '../wire.js'
 * @import {State} from './state.js'
 */
import { applyToRow, needsWhole, withHidden, withMarker } from './conversations.js';
import { putDraft } from './drafts.js';
import { hideFoundBefore } from './found-messages.js';
import { applyReportEvent } from './report-changes.js';
import { putConversation, putSettings, putUsers } from './rows.js';
import { knownVersion, markStale, markWholeStale } from './stale-scopes.js';
import { conversationOf, rowVersion } from './state.js';
import { applyHistoryStart, hideMessageAt, isHidden, putMessages } from './threads.js';
import { countRow, markTotalsStale } from './unread-totals.js';

/** Held events per scope; the scope is fetched anyway. */
const HELD_EVENTS_MAX = 64;

/** @param {State} draft @param {Event} event */
export function receiveEvent(draft, event) {
  const at = rowVersion(draft, event.scope);
  if (at !== null && at >= event.version) return;
  if (event.version <= (draft.left.get(event.scope)?.version ?? 0)) return;
  if (event.type === 'scope.changed') {
    markStale(draft, event.scope, { version: event.version, urgent: true, wholeSince: 0 });
  } else if (removesMe(draft, event)) {
    removeConversation(draft, event.scope, event.version);
  } else if (at === event.prev) {
    applyEvent(draft, event);
  } else if (at === null && event.type === 'conversation.created') {
    // A conversation is created once: after the user has left it, this event is late.
    if (draft.left.has(event.scope)) return;
    // The user may have left it in a way that is no longer reported: the server is asked. Without a cursor, too: the one
    // of a later answer would cover the loss.
    const known = draft.cursor === null && !draft.pending ? Infinity : knownVersion(draft);
    if (event.version <= known) markStale(draft, event.scope, { version: event.version, urgent: true, wholeSince: 0 });
    else putConversation(draft, { ...event.conversation, version: event.version }, draft.turn);
  } else {
    const current = (draft.heldEvents.get(event.scope) ?? []).filter((one) => one.version !== event.version);
    current.push(event);
    current.sort((a, b) => a.version - b.version);
    draft.heldEvents.set(event.scope, current.slice(0, HELD_EVENTS_MAX));
    draft.heldEventsAt.set(event.scope, draft.turn);
    markStale(draft, event.scope, { version: event.version, urgent: at === null, wholeSince: 0 });
  }
}

/** @param {State} draft @param {PlacedEvent} event @returns {boolean} */
function removesMe(draft, event) {
  return event.type === 'member.updated' && event.members.some((one) => one.left && one.user.id === draft.user);
}

/** Applies an event whose scope is at its `prev`. @param {State} draft @param {PlacedEvent} event */
function applyEvent(draft, event) {
  if (event.type === 'me.updated') {
    draft.me = { ...event.me, scope_version: event.version };
    putUsers(draft, [event.me]);
  } else if (event.type === 'settings.updated') {
    putSettings(draft, event.conversation, event.settings);
    if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
  } else if (event.type === 'block.updated') {
    if (event.blocked) draft.blocks.add(event.user);
    else draft.blocks.delete(event.user);
    if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
  } else if (event.type === 'draft.updated') {
    putDraft(draft, event.conversation, event.draft);
    if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
  } else if (event.type === 'report.updated' || event.type === 'warning.created' || event.type === 'warning.read') {
    applyReportEvent(draft, event);
    if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
  } else if (event.type === 'marker.updated' || event.type === 'message.hidden') {
    applyOwnEvent(draft, event);
  } else {
    applyConversationEvent(draft, event);
  }
}

/** Applies what only this user is sent about a conversation. @param {State} draft
 * @param {MarkerUpdated|MessageHidden} event */
function applyOwnEvent(draft, event) {
  const id = event.conversation;
  const current = draft.conversations.get(id);
  if (event.type === 'message.hidden') hideMessageAt(draft, event);
  // It has a scope of its own, so a copy of the conversation may already include it.
  markTotalsStale(draft);
  if (current) {
    const changed = event.type === 'message.hidden'
      ? withHidden(current, event, draft.user)
      : withMarker(current, event, draft.user, event.version);
    if (changed) draft.conversations.set(id, changed);
    else markWholeStale(draft, id);
  }
  if (draft.me) draft.me = { ...draft.me, scope_version: event.version };
}

/** Applies what all members of a conversation are sent. @param {State} draft
 * @param {Exclude<PlacedEvent, {type: 'me.updated'|'settings.updated'|'block.updated'|'draft.updated'|'report.updated'
 *   |'warning.created'|'warning.read'|'marker.updated'|'message.hidden'}>} event */
function applyConversationEvent(draft, event) {
  const current = draft.conversations.get(conversationOf(event.scope));
  if (!current) return;
  const { fanOutMax, user } = draft;
  const message = 'message' in event ? event.message : undefined;
  const hidden = message !== undefined && isHidden(draft, message);
  const changed = applyToRow(current, event, { me: user, fanOutMax, hidden });
  draft.conversations.set(current.id, changed);
  countRow(draft, current, changed, true);
  applyHistoryStart(draft, changed, current);
  hideFoundBefore(draft, changed);
  if (message) putMessages(draft, current.id, [message]);
  if (event.type === 'message.created') putUsers(draft, [event.sender]);
  if ('members' in event) putUsers(draft, event.members.map((one) => one.user));
  // The user's own marker may have moved, which is not reported here.
  if (event.type === 'message.created' && event.message.sender === user && event.sender_read_seq === null) {
    markWholeStale(draft, current.id);
  }
  if (event.type === 'message.updated' && needsWhole(current, event, user)) markWholeStale(draft, current.id);
  // On the other side of the limit, other members are loaded and markers arrive in another way.
  if (current.member_count > fanOutMax !== changed.member_count > fanOutMax) markWholeStale(draft, current.id);
}

/** Removes a conversation that the user is no longer in. @param {State} draft @param {string} scope
 * @param {number} version */
export function removeConversation(draft, scope, version) {
  const id = conversationOf(scope);
  if (Number.isNaN(id)) return;
  markTotalsStale(draft);
  draft.conversations.delete(id);
  draft.threads.delete(id);
  draft.hidden.delete(id);
  draft.stale.delete(scope);
  draft.addedAt.delete(scope);
  draft.pending?.needs.delete(scope);
  draft.left.set(scope, { version: Math.max(version, draft.left.get(scope)?.version ?? 0), turn: draft.turn });
  const later = (draft.heldEvents.get(scope) ?? []).filter((one) => one.version > version);
  draft.heldEvents.delete(scope);
  draft.heldEventsAt.delete(scope);
  for (const event of later) receiveEvent(draft, event);
}

/** @param {State} draft @param {string} scope */
export function releaseHeldEvents(draft, scope) {
  const current = [...(draft.heldEvents.get(scope) ?? [])];
  for (;;) {
    const at = rowVersion(draft, scope);
    while (current.length > 0 && at !== null && current[0].version <= at) current.shift();
    if (current.length === 0 || at === null || current[0].prev !== at) break;
    applyEvent(draft, /** @type {PlacedEvent} */ (current.shift()));
  }
  if (current.length === 0) {
    draft.heldEvents.delete(scope);
    draft.heldEventsAt.delete(scope);
    return;
  }
  draft.heldEvents.set(scope, current);
  markStale(draft, scope, { version: current[current.length - 1].version, urgent: false, wholeSince: 0 });
}
