/**
 * The current copies of messages that a search has found. Every change of one is tracked, so that no outdated text
 * stays on the screen. Pure.
 *
 * Invariant: of two copies the newer one counts; a message that the user hid, or that is in a conversation that they
 * left, or from before their history, is hidden.
 *
 * @import {Changes, Conversation, Message, PlacedEvent, ScopeChanged} from '../wire.js'
 * @import {Input} from './inputs.js'
 * @import {State} from './state.js'
 */
import { historyStart } from './settings.js';
import { newerCopy, hiddenCopy, messageAt } from './messages.js';
import { isHidden } from './threads.js';

const unknown = { id: 0, version: 0, sender: 0, client_id: '', text: '', created_at: '' };

/** @param {{conversation: number, seq: number}} place @returns {string} */
export function foundKey({ conversation, seq }) {
  return `${conversation}:${seq}`;
}

/** Applies what an input says about found messages. @param {State} draft @param {Input} input */
export function updateFound(draft, input) {
  if (input.kind === 'found') {
    const found = input.messages.map((one) => /** @type {const} */ ([foundKey(one), known(draft, one)]));
    draft.found = new Map([...(input.first ? [] : draft.found), ...found]);
    return;
  }
  if (draft.found.size === 0) return;
  updateCopies(draft, messagesOf(input));
  if (input.kind === 'me') for (const place of input.answer.unhidden ?? []) change(draft, foundKey(place), () => null);
  const hidden = new Set(hiddenBy(input).map(foundKey));
  if (hidden.size > 0) hide(draft, (key) => hidden.has(key));
  for (const scope of leftBy(input, draft.user)) hide(draft, (key) => key.startsWith(`${idOf(scope)}:`));
  for (const row of wholeBy(input)) {
    // Changes in between are not reported.
    if ((draft.conversations.get(row.id)?.version ?? 0) < row.version) markUnknown(draft, `${row.id}:`, new Set());
  }
  for (const { scope, messages } of resetBy(input)) markUnknown(draft, `${idOf(scope)}:`, new Set(messages.map(foundKey)));
  // Hidden messages are reported since a version, or not at all.
  if (input.kind === 'me' && (input.since === null || input.answer.hidden_reset)) markUnknown(draft, '', new Set());
}

/** The user's history in a conversation may begin later now: a member who is added again may see less than before.
 * @param {State} draft @param {Conversation} conversation */
export function hideFoundBefore(draft, conversation) {
  hideFoundUpTo(draft, conversation.id, historyStart(draft, conversation) - 1);
}

/** @param {State} draft @param {number} id @param {number} seq */
export function hideFoundUpTo(draft, id, seq) {
  const beginning = `${id}:`;
  if (seq > 0) hide(draft, (key) => key.startsWith(beginning) && Number(key.slice(beginning.length)) <= seq);
}

/** @param {Input} input @returns {Message[]} all that it brings, in whatever order */
function messagesOf(input) {
  switch (input.kind) {
    case 'event':
      return 'message' in input.event && input.event.message ? [input.event.message] : [];
    case 'heads':
      return input.heads.changes.flatMap((one) => [...one.messages, ...(one.quoted ?? [])]);
    case 'changes':
      return [...input.changes.messages, ...(input.changes.quoted ?? [])];
    case 'messages':
    case 'quoted':
      return [...(input.page?.messages ?? []), ...(input.page?.quoted ?? [])];
    case 'seen':
      return input.messages;
    case 'sent':
      return [input.sent.message];
    case 'changed':
      return [input.changed.message];
    default:
      return [];
  }
}

/** @param {Input} input @returns {{conversation: number, seq: number}[]} */
function hiddenBy(input) {
  if (input.kind === 'hidden') return [input.place];
  if (input.kind === 'me') return input.answer.hidden ?? [];
  return input.kind === 'event' && input.event.type === 'message.hidden' ? [input.event] : [];
}

/** Returns the conversations that the user is no longer in. @param {Input} input @param {number} me
 * @returns {string[]} */
function leftBy(input, me) {
  if (input.kind === 'gone') return [input.scope];
  if (input.kind === 'heads') return input.heads.gone;
  return input.kind === 'event' && isRemoval(input.event, me) ? [input.event.scope] : [];
}

/** @param {PlacedEvent|ScopeChanged} event @param {number} me @returns {boolean} */
function isRemoval(event, me) {
  return event.type === 'member.updated' && event.members.some((one) => one.left && one.user.id === me);
}

/** Returns the current copy of a found message: the answer may be older than an event. @param {State} draft
 * @param {Message} message @returns {Message} */
function known(draft, message) {
  const thread = draft.threads.get(message.conversation);
  const copy = newerCopy(thread && messageAt(thread, message.seq), message);
  const row = draft.conversations.get(message.conversation);
  const isBefore = row !== undefined && message.seq < historyStart(draft, row);
  return isBefore || isHidden(draft, message) ? hiddenCopy(copy) : copy;
}

/** Returns conversations that arrive without their messages. @param {Input} input @returns {Conversation[]} */
function wholeBy(input) {
  if (input.kind === 'conversation') return [input.conversation];
  return input.kind === 'list' ? input.page.conversations : [];
}

/** Returns conversations in which too much has changed to be listed. @param {Input} input @returns {Changes[]} */
function resetBy(input) {
  if (input.kind === 'heads') return input.heads.changes.filter((one) => one.reset);
  return input.kind === 'changes' && input.changes.reset ? [input.changes] : [];
}

/** @param {State} draft @param {Message[]} messages */
function updateCopies(draft, messages) {
  for (const message of messages) change(draft, foundKey(message), (current) => newerCopy(current, message));
}

/** @param {State} draft @param {(key: string) => boolean} isMeant */
function hide(draft, isMeant) {
  for (const key of [...draft.found.keys()].filter(isMeant)) {
    const [conversation, seq] = key.split(':').map(Number);
    change(draft, key, (current) => hiddenCopy(current ?? { ...unknown, conversation, seq }));
  }
}

/** @param {State} draft @param {string} beginning @param {Set<string>} known */
function markUnknown(draft, beginning, known) {
  for (const key of draft.found.keys()) {
    if (key.startsWith(beginning) && !known.has(key)) change(draft, key, (current) => (current?.hidden ? current : null));
  }
}

/** @param {State} draft @param {string} key @param {(held: Message|null) => Message|null} make */
function change(draft, key, make) {
  const current = draft.found.get(key);
  if (current === undefined) return;
  const made = make(current);
  // The previous state shares this map.
  if (made !== current) draft.found = new Map(draft.found).set(key, made);
}

/** @param {string} scope @returns {string} */
function idOf(scope) {
  return scope.slice(scope.indexOf(':') + 1);
}
