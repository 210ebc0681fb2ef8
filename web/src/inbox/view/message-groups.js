/**
 * The blocks of a thread: days, the unread divider, system messages and message groups. A group holds the messages of
 * one sender within one minute, with no divider in between. Pure.
 *
 * @import {Conversation, Message, User} from '../../sdk/wire.js'
 * @import {Files, AttachmentView} from './attachments.js'
 * @import {MentionMark} from './mentions.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {Phrase} from '../languages/tools.js'
 * @import {Tick} from './conversations.js'
 * @import {Item} from '../../sdk/outbox-item.js'
 */
import { filesOf, pendingFiles } from './attachments.js';
import { clockTime, dayKey, dayName } from './format.js';
import { previewMessage, nameFor, systemPhrase } from './preview.js';
import { marksOf } from './mentions.js';
import { say, textOf } from './strings.js';
import { latestUser } from './users.js';
import { receipt } from './conversations.js';

/**
 * What a quote shows of its message; `there`: the message can be jumped to.
 * @typedef {{seq: number, who: string, text: string, sign: 'picture'|'file'|'bin'|null, there: boolean}} Quote
 * @typedef {{emoji: string, count: number, mine: boolean, names: string}} ReactionView
 * @typedef {{
 *   key: string, seq: number, sender: number, at: number, day: string, time: string, text: string, subject: string,
 *   quote: Quote|null, forwarded: boolean, edited: string, deleted: string, reactions: ReactionView[], files: AttachmentView[],
 *   message: Message|null, item: Item|null, mentions: MentionMark[],
 * }} MessageView
 * @typedef {{
 *   kind: 'none'} | {kind: 'time', time: string, at: number} | {
 *   kind: 'tick', time: string, at: number, tick: Tick, words: string, iconOnly: boolean, readers: boolean} | {
 *   kind: 'failed', words: string, clientId: string, back: boolean} | {
 *   kind: 'held', words: string, clientId: string, back: false} | {kind: 'waits', time: string, at: number}
 * } Meta
 * @typedef {{type: 'day', key: string, text: string}} Day
 * @typedef {{type: 'unread', key: string, text: string}} Unread
 * @typedef {{type: 'system', key: string, phrase: Phrase}} SystemBlock the beginning of the conversation, and system messages
 * @typedef {{
 *   type: 'group', key: string, own: boolean, speaker: string, sender: User|null, messages: MessageView[], unsent: boolean,
 *   held: boolean, joined: boolean, meta: Meta,
 * }} MessageGroup `unsent`: it was refused; `held`: it is the first to wait for the connection
 * @typedef {Day|Unread|SystemBlock|MessageGroup} Block
 * The unread divider stands before the first message of others from `seq` on; `since`: when the messages before it were
 * read.
 * @typedef {{seq: number, count: number, since: number|null}} Divider
 * @typedef {{
 *   state: State, conversation: Conversation, messages: Message[], items: Item[], now: number, atBeginning: boolean,
 *   divider: Divider|null, offline: boolean, quoted?: (seq: number) => Message|null|undefined,
 *   files?: Files,
 * }} ThreadInput
 */

/** @type {Files} */
const noFiles = { local: () => undefined, upload: () => undefined, draft: () => [] };

/** The number of names in a tooltip; the dialog shows all. */
const NAMES_MAX = 20;

/** @param {ThreadInput} input @returns {Block[]} */
export function buildBlocks(input) {
  /** @type {Block[]} */
  const blocks = [];
  let day = '';
  let divided = false;
  /** @type {MessageGroup|null} */
  let group = null;
  for (const view of allMessages(input)) {
    const today = view.day;
    /** @type {boolean} */
    const unread = !divided && isUnread(input, view);
    divided ||= unread;
    if (today !== day || unread) {
      blocks.push(separator(input, view, today !== day, unread));
      if (day === '' && input.atBeginning && !unread) blocks.push(openingLine(input));
      day = today;
      group = null;
    }
    if (view.message?.system) {
      blocks.push({ type: 'system', key: view.key, phrase: systemPhrase(input.state, view.sender, view.message.system) });
      group = null;
    } else if (!group || !belongsTo(input, group, view)) {
      group = startGroup(input, view, group);
      blocks.push(group);
    } else {
      group.messages.push(view);
    }
  }
  setMetaLines(input, blocks);
  return blocks;
}

/** Returns the stored messages that are not hidden, then the pending ones. @param {ThreadInput} input
 * @returns {MessageView[]} */
function allMessages(input) {
  const { messages, items, state } = input;
  const views = messages.filter((one) => !one.hidden).map((one) => withReferences(input, viewOf(one, state.user, input.files)));
  const there = new Set(views.map((one) => one.key));
  for (const item of items) {
    const key = `${state.user}:${item.client_id}`;
    if (!there.has(key)) views.push(withReferences(input, pendingView(state.user, key, item, input.files)));
  }
  return views;
}

/** Caches views: a message stays the same object until it changes, and a long thread is rendered often.
 * @type {WeakMap<Message, MessageView>} */
const cachedViews = new WeakMap();

/** @param {Message} message @param {number} me @param {Files} [files] @returns {MessageView} */
function viewOf(message, me, files = noFiles) {
  let view = cachedViews.get(message);
  if (!view) {
    const { sender, client_id, seq } = message;
    view = {
      ...at(Date.parse(message.created_at)),
      key: client_id === '' ? `line:${seq}` : `${sender}:${client_id}`,
      seq, sender, text: message.text, subject: message.subject ?? '', quote: null,
      forwarded: message.forwarded ?? false, edited: message.edited_at ?? '', deleted: '', reactions: [],
      files: message.deleted ? [] : filesOf(message, files.local), message, item: null,
      mentions: marksOf(message.mentions, me),
    };
    cachedViews.set(message, view);
  }
  return view;
}

/** @param {number} sender @param {string} key @param {Item} item @param {Files} [files] @returns {MessageView} */
function pendingView(sender, key, item, files = noFiles) {
  return {
    ...at(item.at), key, seq: 0, sender, text: item.text, subject: item.subject ?? '', quote: null,
    forwarded: item.forward !== undefined, edited: '', deleted: '', reactions: [],
    files: pendingFiles(item, files.upload), message: null, item,
    mentions: marksOf(item.mentions, sender),
  };
}

/** @param {number} time */
function at(time) {
  return { at: time, day: dayKey(time), time: clockTime(time) };
}

/** Adds what depends on other messages and on users. @param {ThreadInput} input @param {MessageView} view
 * @returns {MessageView} */
function withReferences(input, view) {
  const { state } = input;
  const { message } = view;
  if (message?.deleted) return { ...view, deleted: say.wasDeleted };
  const answers = message ? message.reply_to : view.item?.reply_to;
  const reactions = message?.reactions ?? [];
  if (answers === undefined && reactions.length === 0) return view;
  return {
    ...view,
    quote: answers === undefined ? null : quoteOf(input, answers),
    reactions: reactions.map(({ emoji, users }) => ({
      emoji, count: users.length, mine: users.includes(state.user), names: namesOf(state, users),
    })),
  };
}

/** @param {ThreadInput} input @param {number} seq @returns {Quote} */
function quoteOf({ state, messages, quoted }, seq) {
  const first = messages[0]?.seq ?? 0;
  const near = messages[seq - first];
  const message = near?.seq === seq ? near : quoted ? quoted(seq) : messages.find((one) => one.seq === seq);
  // The message is loading.
  if (message === undefined && quoted) return { seq, who: '', text: '…', sign: null, there: true };
  if (!message || message.hidden) return { seq, who: '', text: say.quoteUnknown, sign: null, there: false };
  const who = message.sender === state.user ? say.you : nameFor(state, message.sender);
  const { text, sign } = previewMessage(state, message);
  return { seq, who, text, sign, there: true };
}

/** @param {State} state @param {number[]} users @returns {string} */
function namesOf(state, users) {
  const names = users.slice(0, NAMES_MAX).map((one) => (one === state.user ? say.you : nameFor(state, one)));
  return say.names(names, users.length - names.length);
}

/** @param {ThreadInput} input @param {MessageView} view @returns {boolean} */
function isUnread({ divider, state, messages }, view) {
  if (divider === null || !view.message || view.sender === state.user || view.seq < divider.seq) return false;
  // The divider is before the loaded messages.
  if (messages[0].seq > divider.seq) return false;
  return !view.message.deleted && !view.message.system;
}

/** @param {ThreadInput} input @param {MessageView} view @param {boolean} newDay @param {boolean} unread
 * @returns {Day|Unread} */
function separator({ divider, now }, view, newDay, unread) {
  const day = dayName(view.at, now);
  if (!unread) return { type: 'day', key: `day:${view.day}`, text: day };
  const news = say.newMessages(divider?.count ?? 0);
  return { type: 'unread', key: 'unread', text: newDay ? say.newOn(day, news) : news };
}

/** @param {ThreadInput} input @returns {SystemBlock} */
function openingLine({ state, conversation }) {
  const { context, kind } = conversation;
  const by = conversation.members.find((one) => one.user.id === conversation.created_by);
  const mine = conversation.created_by === state.user;
  const who = mine ? null : by ? latestUser(state, by.user).name : nameFor(state, conversation.created_by);
  const begun = kind === 'group' ? say.openedGroup : say.opened;
  const phrase = context ? say.wroteAbout(who, context.title) : begun(who);
  return { type: 'system', key: 'opening', phrase };
}

/** @param {ThreadInput} input @param {MessageGroup} group @param {MessageView} view @returns {boolean} */
function belongsTo(input, group, view) {
  const last = group.messages[group.messages.length - 1];
  if (last.sender !== view.sender || Math.floor(last.at / 60_000) !== Math.floor(view.at / 60_000)) return false;
  return !group.unsent && !group.held && !isUnsent(view) && !isWaiting(input, view);
}

/** Returns whether the server refused the message. @param {MessageView} view @returns {boolean} */
function isUnsent(view) {
  return view.item?.state === 'refused';
}

/** Returns whether the message is the first that waits for the connection. @param {ThreadInput} input @param {MessageView} view
 * @returns {boolean} */
function isWaiting({ items, offline }, view) {
  return offline && view.item !== null && view.item === items[0] && !isUnsent(view);
}

/** @param {MessageGroup} group @returns {boolean} */
function isBehind(group) {
  return group.meta.kind === 'waits';
}

/** @param {ThreadInput} input @param {MessageView} view @param {MessageGroup|null} before @returns {MessageGroup} */
function startGroup(input, view, before) {
  const { state, conversation } = input;
  const [unsent, held] = [isUnsent(view), isWaiting(input, view)];
  const own = view.sender === state.user;
  const behind = view.item !== null && before !== null && (before.unsent || before.held || isBehind(before));
  const named = conversation.kind === 'group' && !own;
  return {
    type: 'group',
    key: view.key,
    own,
    speaker: own ? say.you : (state.users.get(view.sender)?.name ?? ''),
    sender: named ? (state.users.get(view.sender) ?? null) : null,
    messages: [view],
    unsent,
    held,
    joined: behind,
    meta: behind && !unsent && !held ? { kind: 'waits', time: view.time, at: view.at } : { kind: 'none' },
  };
}

/** Sets the line under each group. Only the last own group shows a word beside its tick. @param {ThreadInput} input
 * @param {Block[]} blocks */
function setMetaLines(input, blocks) {
  const groups = blocks.filter((one) => one.type === 'group');
  const lastOwn = groups.findLast((one) => one.own && one.messages[one.messages.length - 1].deleted === '');
  for (const group of groups) {
    const last = group.messages[group.messages.length - 1];
    if (group.held) {
      const words = last.item?.kept === false ? say.waitsHere : say.keptUntilBack;
      group.meta = { kind: 'held', clientId: last.item?.client_id ?? '', words, back: false };
    } else if (group.unsent) {
      group.meta = {
        kind: 'failed', clientId: last.item?.client_id ?? '', words: say.notSentBecause(reasonOf(last.item)),
        // A retry cannot help.
        back: last.item?.problem?.code === 'file_gone',
      };
    } else if (group.meta.kind === 'none') {
      const plain = { kind: /** @type {const} */ ('time'), time: last.time, at: last.at };
      group.meta = group.own && last.deleted === '' ? tickOf(input, group, group !== lastOwn) : plain;
    }
  }
}

/** @param {Item|null} item @returns {string} */
function reasonOf(item) {
  return textOf(say.reasons, item?.problem?.code ?? '') ?? say.reasonElse;
}

/** @param {ThreadInput} input @param {MessageGroup} group @param {boolean} iconOnly @returns {Meta} */
function tickOf({ conversation, state }, group, iconOnly) {
  const last = group.messages[group.messages.length - 1];
  const { time } = last;
  if (last.item) {
    // No text appears before it is known whether the message is stored.
    const words = last.item.kept === undefined ? '' : say.sending;
    return { kind: 'tick', time, at: last.at, tick: 'sending', words, iconOnly, readers: false };
  }
  const { tick, readers, others } = receipt(conversation, state.user, last.seq);
  const some = conversation.kind === 'group' && readers.length > 0 && others > 0;
  // In a large group the readers are loaded on request.
  const large = conversation.kind === 'group' && conversation.member_count > conversation.members.length;
  const words = some ? say.readBy(readers.length, others) : large ? say.whoRead : say[tick];
  return {
    kind: 'tick', time, at: last.at, tick: some ? 'read' : tick, words, iconOnly,
    readers: (some || large) && !iconOnly,
  };
}
