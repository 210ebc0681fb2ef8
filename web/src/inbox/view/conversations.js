/**
 * The view of the conversation list and of a thread's header, computed from the state. Pure.
 *
 * @import {Conversation, Member, Message, Unread, User} from '../../sdk/wire.js'
 * @import {PresenceSource, Dot} from './presence.js'
 * @import {Files} from './attachments.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {Item} from '../../sdk/outbox-item.js'
 */
import { isUnsendable } from '../../sdk/upload.js';
import { dotOf, shortTypingText, typingUsers } from './presence.js';
import { previewContent } from './attachments.js';
import { roleName, shortName, shortTime } from './format.js';
import { previewMessage } from './preview.js';
import { latestUser, otherMembers } from './users.js';
import { say } from './strings.js';
import { clearedUpTo, countOf, isArchived, isMuted, settingsOf } from '../../sdk/state/settings.js';
import { memberOf } from '../../sdk/state/conversations.js';
import { totalsOf } from '../../sdk/state/unread-totals.js';
import { isBlank } from './visible-text.js';

/**
 * @typedef {'sending'|'sent'|'delivered'|'read'} Tick
 * @typedef {{
 *   kind: 'failed'|'typing'|'draft'|'message'|'none', text: string, tick: Tick|null, who: string|null, own: boolean,
 *   sign: 'picture'|'file'|'bin'|null,
 * }} Preview
 * @typedef {{
 *   id: number, name: string, faces: User[], isGroup: boolean, time: string, dateTime: string,
 *   context: Conversation['context'], preview: Preview, unread: number, selected: boolean, picture: string|null,
 *   dot: Dot, pinned: boolean, muted: boolean, archived: boolean, markedUnread: boolean, mentioned: boolean,
 * }} Row
 * @typedef {{show: 'all'|'unread'|'archived', context: string, query: string}} ListFilter `context`: its key, or empty
 * @typedef {{
 *   state: State, now: number, serverNow: number, selected: number|null, waiting: (conversation: number) => Item[],
 *   draft: (conversation: number) => string, readUpTo: (conversation: number) => number, presenceSource: PresenceSource,
 *   files?: Files,
 * }} ViewInput `now` is the device's time, for what is shown as a time; `serverNow` decides when a mute ends
 */

/** The filter of a list that shows everything. @type {ListFilter} */
export const ALL = { show: 'all', context: '', query: '' };

/** @param {State} state @param {Conversation} conversation @returns {string} */
export function nameOf(state, conversation) {
  if (conversation.kind === 'group') return conversation.title ?? say.conversations;
  return otherMembers(state, conversation)[0]?.name ?? say.you;
}

/** Returns the name of the other side for the composer. @param {State} state @param {Conversation} conversation
 * @returns {string} */
export function composerName(state, conversation) {
  const name = nameOf(state, conversation);
  return conversation.kind === 'group' ? name : shortName(name);
}

/** Returns the users whose avatars stand for a conversation: the other user, or two members of a group.
 * @param {State} state @param {Conversation} conversation @returns {User[]} */
export function avatarUsers(state, conversation) {
  const all = otherMembers(state, conversation);
  if (conversation.kind === 'direct' || all.length < 2) return all.slice(0, 1);
  const last = conversation.last_message?.sender;
  return [...all].sort((a, b) => Number(b.id === last) - Number(a.id === last)).slice(0, 2);
}

/** Returns the number of unread messages; messages read on this page count as read before the server knows.
 * @param {Conversation} conversation @param {number} readUpTo @returns {number} */
export function unreadOf(conversation, readUpTo) {
  return readUpTo >= conversation.last_seq ? 0 : conversation.unread;
}

/** Returns whether an unread message mentions the user. @param {Conversation} conversation @param {number} me
 * @param {number} readUpTo @returns {boolean} */
export function isMentioned(conversation, me, readUpTo) {
  return (conversation.mention_seq ?? 0) > Math.max(readUpTo, memberOf(conversation, me)?.read_seq ?? 0);
}

/** Returns the delivery state of an own message, from the receipts of the other members.
 * @param {Conversation} conversation @param {number} me @param {number} seq
 * @returns {{tick: Tick, readers: Member[], others: number}} */
export function receipt(conversation, me, seq) {
  const rest = conversation.members.filter((one) => one.user.id !== me);
  const readers = rest.filter((one) => one.read_seq >= seq);
  const whole = rest.length > 0 && conversation.member_count === conversation.members.length;
  /** @type {Tick} */
  let tick = 'sent';
  if (whole && readers.length === rest.length) tick = 'read';
  else if (whole && rest.every((one) => one.delivered_seq >= seq)) tick = 'delivered';
  return { tick, readers, others: whole ? rest.length : 0 };
}

/** @param {Conversation} conversation @param {ViewInput} viewInput @returns {Preview} */
function previewOf(conversation, { state, waiting, draft, selected, presenceSource, files }) {
  /** @param {Preview['kind']} kind @param {string} text @param {Partial<Preview>} [more] @returns {Preview} */
  const preview = (kind, text, more) => ({ kind, text, tick: null, who: null, own: false, sign: null, ...more });
  const items = waiting(conversation.id);
  const refused = items.find((one) => one.state === 'refused');
  if (refused) return preview('failed', previewContent(refused).text, { sign: previewContent(refused).sign });
  const typing = shortTypingText(typingUsers(state, conversation, presenceSource), conversation.kind);
  if (typing !== '') return preview('typing', typing);
  const words = draft(conversation.id);
  const attached = (files?.draft(conversation.id) ?? []).filter((one) => !isUnsendable(one));
  if (conversation.id !== selected && (!isBlank(words) || attached.length > 0)) {
    const { text, sign } = previewContent({ text: words, attachments: attached });
    return preview('draft', text, { sign });
  }
  const own = items.at(-1);
  if (own) return preview('message', previewContent(own).text, { tick: 'sending', sign: previewContent(own).sign });
  const last = conversation.last_message;
  if (!last) return preview('none', say.noMessagesYet);
  const { text, sign } = previewMessage(state, last);
  if (last.system || last.deleted) return preview('message', text, { sign });
  if (last.sender === state.user) {
    const { tick } = receipt(conversation, state.user, last.seq);
    return preview('message', text, { own: tick !== 'read', tick, sign });
  }
  const sender = conversation.kind === 'group' ? state.users.get(last.sender) : undefined;
  return preview('message', text, { who: sender ? shortName(sender.name) : null, sign });
}

/** @param {Conversation} conversation @param {ViewInput} viewInput @returns {Row} */
export function rowOf(conversation, viewInput) {
  const at = lastAt(conversation, viewInput.waiting(conversation.id));
  return {
    id: conversation.id,
    name: nameOf(viewInput.state, conversation),
    faces: avatarUsers(viewInput.state, conversation),
    isGroup: conversation.kind === 'group',
    time: shortTime(at, viewInput.now),
    dateTime: new Date(at).toISOString(),
    context: conversation.context,
    preview: previewOf(conversation, viewInput),
    unread: unreadOf(conversation, viewInput.readUpTo(conversation.id)),
    mentioned: isMentioned(conversation, viewInput.state.user, viewInput.readUpTo(conversation.id)),
    selected: conversation.id === viewInput.selected,
    picture: conversation.picture,
    dot: conversation.kind === 'direct'
      ? dotOf(viewInput.presenceSource.presence(otherMembers(viewInput.state, conversation)[0]?.id ?? 0))
      : '',
    ...marksOf(conversation, viewInput),
  };
}

/** @param {Conversation} conversation @param {ViewInput} viewInput
 * @returns {{pinned: boolean, muted: boolean, archived: boolean, markedUnread: boolean}} */
function marksOf(conversation, { state, serverNow }) {
  const settings = settingsOf(state, conversation.id);
  const time = new Date(serverNow).toISOString();
  return {
    pinned: settings.pinned,
    muted: isMuted(settings, time),
    archived: isArchived(conversation, settings, time),
    markedUnread: settings.marked_unread,
  };
}

/** Returns whether a conversation is shown as unread: it has unread messages, or the user has marked it.
 * @param {Conversation} conversation @param {ViewInput} viewInput @returns {boolean} */
function isUnread(conversation, { state, readUpTo }) {
  return unreadOf(conversation, readUpTo(conversation.id)) > 0 || settingsOf(state, conversation.id).marked_unread;
}

/** Returns whether the user has cleared all of a conversation that is not on the screen and in which nothing of theirs
 * waits to be sent. It comes back with the next message, and can be found by its name. @param {Conversation} conversation
 * @param {ViewInput} viewInput @returns {boolean} */
function isCleared({ id, last_seq: last }, { state, selected, waiting, draft, files }) {
  if (last === 0 || clearedUpTo(state, id) < last || id === selected) return false;
  return waiting(id).length === 0 && isBlank(draft(id)) && (files?.draft(id) ?? []).length === 0;
}

/** Returns whether there is nothing to list, not even in the archive. @param {ViewInput} viewInput @returns {boolean} */
export function isListEmpty(viewInput) {
  return listed(viewInput).every((one) => isCleared(one, viewInput));
}

/** @param {Conversation['context']} context @returns {string} */
export function contextKey(context) {
  return context ? `${context.type}\n${context.id}` : '';
}

/** Returns what the conversations of the list are about, the most recent first. @param {ViewInput} viewInput
 * @returns {NonNullable<Conversation['context']>[]} */
export function contextsOf(viewInput) {
  const contexts = new Map();
  for (const { context } of listed(viewInput)) if (context && !contexts.has(contextKey(context))) contexts.set(contextKey(context), context);
  return [...contexts.values()];
}

/** @param {Conversation} conversation @param {Item[]} items @returns {number} */
function lastAt(conversation, items) {
  const said = Date.parse(conversation.last_message?.created_at ?? conversation.created_at);
  return Math.max(said, items.at(-1)?.at ?? 0);
}

/** Caches the list per map of conversations. Such a map never changes: a new state has a new one.
 * @type {WeakMap<State['conversations'], {bound: number, selected: number|null, all: Conversation[]}>} */
const lists = new WeakMap();

/** Returns the conversations to list, archived ones too: pinned ones first, then by activity. Leaves out those below the loaded part of the list,
 * and empty ones of other users, unless they are on the screen. Called several times per render. @param {ViewInput} viewInput
 * @returns {Conversation[]} */
export function listed({ state, selected }) {
  const isPinned = (/** @type {Conversation} */ { id }) => settingsOf(state, id).pinned;
  const { bound } = state.list;
  const cached = lists.get(state.conversations);
  if (cached?.bound === bound && cached.selected === selected) return cached.all;
  const all = [...state.conversations.values()]
    .filter((one) => one.activity >= bound || one.id === selected || isPinned(one))
    .filter((one) => one.last_message || clearedUpTo(state, one.id) > 0 || one.created_by === state.user || one.id === selected)
    .sort((a, b) => Number(isPinned(b)) - Number(isPinned(a)) || b.activity - a.activity);
  lists.set(state.conversations, { bound, selected, all });
  return all;
}

/** Returns what the list's filter by context shows. @param {ViewInput} viewInput @param {string} context the chosen one
 * @returns {{contextTitle: string|null, hasContexts: boolean}} */
export function contextFilter(viewInput, context) {
  const all = listed(viewInput);
  const chosen = context === '' ? undefined : all.find((one) => contextKey(one.context) === context);
  return { contextTitle: chosen?.context?.title ?? null, hasContexts: context !== '' || all.some((one) => one.context) };
}

/** Matches a name against a query. Compares letters literally until the search module has loaded, which a query
 * triggers. @type {(query: string) => (name: string) => boolean} */
let named = (query) => {
  const wanted = query.trim().toLowerCase();
  return (name) => name.toLowerCase().includes(wanted);
};

/** @param {typeof named} finder */
export function findBy(finder) {
  named = finder;
}

/** Returns the conversations that pass a filter. Names are searched in the archive, too. @param {ViewInput} viewInput
 * @param {ListFilter} filter @returns {Conversation[]} */
export function filtered(viewInput, { show, context, query }) {
  const isNamed = query.trim() === '' ? null : named(query);
  return listed(viewInput).filter((one) => {
    if (context !== '' && contextKey(one.context) !== context) return false;
    if (isNamed !== null) return isNamed(`${nameOf(viewInput.state, one)} \n ${one.context?.title ?? ''}`);
    if (isCleared(one, viewInput)) return false;
    if (marksOf(one, viewInput).archived !== (show === 'archived')) return false;
    return show !== 'unread' || one.id === viewInput.selected || isUnread(one, viewInput);
  });
}

/** Returns the same conversations with only what the keyboard navigation needs. @param {ViewInput} viewInput
 * @param {ListFilter} filter @returns {{id: number, selected: boolean, unread: number}[]} */
export function stepsOf(viewInput, filter) {
  return filtered(viewInput, filter).map((one) =>
    ({ id: one.id, selected: one.id === viewInput.selected, unread: Number(isUnread(one, viewInput)) }));
}

/** Returns the rows of the list. @param {ViewInput} viewInput @param {ListFilter} filter
 * @returns {Row[]} */
export function rowsOf(viewInput, filter) {
  return filtered(viewInput, filter).map((one) => rowOf(one, viewInput));
}

/** Returns the unread totals; messages read on this page count as read before the server knows. @param {ViewInput} viewInput
 * @returns {Unread} */
export function unreadTotals({ state, readUpTo }) {
  const totals = totalsOf(state);
  for (const one of state.conversations.values()) {
    if (one.unread === 0 || unreadOf(one, readUpTo(one.id)) > 0) continue;
    const counted = countOf(state, one);
    totals.messages -= counted.messages;
    if (!settingsOf(state, one.id).marked_unread) totals.conversations -= counted.conversations;
  }
  return { messages: Math.max(0, totals.messages), conversations: Math.max(0, totals.conversations) };
}

/** Returns the role chips of the context card, the user's own role first. @param {State} state
 * @param {Conversation} conversation @returns {{text: string, mine: boolean}[]} */
export function roleChips(state, conversation) {
  /** @type {{text: string, mine: boolean}[]} */
  const chips = [];
  for (const member of conversation.members) {
    if (!member.context_role) continue;
    const role = roleName(member.context_role);
    if (member.user.id === state.user) chips.unshift({ text: say.yourRole(role), mine: true });
    else if (conversation.kind === 'direct') {
      chips.push({ text: say.roleOf(shortName(latestUser(state, member.user).name), role), mine: false });
    }
  }
  return chips;
}

/** Returns whether a message is worth announcing in a background tab. @param {Message} message @param {number} me */
export function isOthers(message, me) {
  return message.sender !== me;
}
