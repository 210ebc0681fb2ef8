/**
 * The blocks of a thread: days, the unread divider, system messages and message groups. A group holds the messages of
 * one sender within one minute, with no divider in between. Pure.
 *
 * @import {Conversation, Message, User} from '../../sdk/wire.js'
 * @import {Files, Shown} from './attachments.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {Phrase} from './strings.js'
 * @import {Tick} from './conversations.js'
 * @import {Item} from '../../sdk/outbox-item.js'
 */
import { filesOf, waitingFiles } from './attachments.js';
import { clockTime, dayKey, dayName } from './format.js';
import { deletedWords, gistOf, nameFor, systemPhrase } from './preview.js';
import { say } from './strings.js';
import { known } from './users.js';
import { receipt } from './conversations.js';

/**
 * What a quote shows of its message; `there`: the message can be jumped to.
 * @typedef {{seq: number, who: string, text: string, sign: 'picture'|'file'|'bin'|null, there: boolean}} Quote
 * @typedef {{emoji: string, count: number, mine: boolean, names: string}} Chip
 * @typedef {{
 *   key: string, seq: number, sender: number, at: number, day: string, time: string, text: string, subject: string,
 *   quote: Quote|null, forwarded: boolean, edited: string, deleted: string, reactions: Chip[], files: Shown[],
 *   message: Message|null, item: Item|null,
 * }} Said
 * @typedef {{
 *   kind: 'none'} | {kind: 'time', time: string, at: number} | {
 *   kind: 'tick', time: string, at: number, tick: Tick, words: string, wordless: boolean, readers: boolean} | {
 *   kind: 'failed', words: string, clientId: string, back: boolean} | {
 *   kind: 'held', words: string, clientId: string, back: false} | {kind: 'waits', time: string, at: number}
 * } Meta
 * @typedef {{type: 'day', key: string, text: string}} Day
 * @typedef {{type: 'unread', key: string, text: string}} Unread
 * @typedef {{type: 'line', key: string, phrase: Phrase}} Line the beginning of the conversation, and system messages
 * @typedef {{
 *   type: 'run', key: string, own: boolean, speaker: string, sender: User|null, said: Said[], unsent: boolean,
 *   held: boolean, joined: boolean, meta: Meta,
 * }} Run `unsent`: it was refused; `held`: it is the first to wait for the connection
 * @typedef {Day|Unread|Line|Run} Block
 * The unread divider stands before the first message of others from `seq` on; `since`: when the messages before it were
 * read.
 * @typedef {{seq: number, count: number, since: number|null}} Divider
 * @typedef {{
 *   state: State, conversation: Conversation, messages: Message[], items: Item[], now: number, atBeginning: boolean,
 *   divider: Divider|null, offline: boolean, quoted?: (seq: number) => Message|null|undefined,
 *   files?: Files,
 * }} Sheet
 */

/** @type {Files} */
const noFiles = { local: () => undefined, upload: () => undefined, draft: () => [] };

/** The number of names in a tooltip; the dialog shows all. */
const NAMES_MAX = 20;

/** @param {Sheet} sheet @returns {Block[]} */
export function layOut(sheet) {
  /** @type {Block[]} */
  const blocks = [];
  let day = '';
  let divided = false;
  /** @type {Run|null} */
  let run = null;
  for (const said of allSaid(sheet)) {
    const today = said.day;
    /** @type {boolean} */
    const unread = !divided && isUnread(sheet, said);
    divided ||= unread;
    if (today !== day || unread) {
      blocks.push(separator(sheet, said, today !== day, unread));
      if (day === '' && sheet.atBeginning && !unread) blocks.push(opening(sheet));
      day = today;
      run = null;
    }
    if (said.message?.system) {
      blocks.push({ type: 'line', key: said.key, phrase: systemPhrase(sheet.state, said.sender, said.message.system) });
      run = null;
    } else if (!run || !joins(sheet, run, said)) {
      run = startRun(sheet, said, run);
      blocks.push(run);
    } else {
      run.said.push(said);
    }
  }
  describe(sheet, blocks);
  return blocks;
}

/** Returns the stored messages that are not hidden, then the pending ones. @param {Sheet} sheet @returns {Said[]} */
function allSaid(sheet) {
  const { messages, items, state } = sheet;
  const said = messages.filter((one) => !one.hidden).map((one) => dressed(sheet, saidOf(one, sheet.files)));
  const there = new Set(said.map((one) => one.key));
  for (const item of items) {
    const key = `${state.user}:${item.client_id}`;
    if (!there.has(key)) said.push(dressed(sheet, waiting(state.user, key, item, sheet.files)));
  }
  return said;
}

/** Caches views: a message stays the same object until it changes, and a long thread is rendered often.
 * @type {WeakMap<Message, Said>} */
const laidOut = new WeakMap();

/** @param {Message} message @param {Files} [files] @returns {Said} */
function saidOf(message, files = noFiles) {
  let said = laidOut.get(message);
  if (!said) {
    const { sender, client_id, seq } = message;
    said = {
      ...at(Date.parse(message.created_at)),
      key: client_id === '' ? `line:${seq}` : `${sender}:${client_id}`,
      seq, sender, text: message.text, subject: message.subject ?? '', quote: null,
      forwarded: message.forwarded ?? false, edited: message.edited_at ?? '', deleted: '', reactions: [],
      files: message.deleted ? [] : filesOf(message, files.local), message, item: null,
    };
    laidOut.set(message, said);
  }
  return said;
}

/** @param {number} sender @param {string} key @param {Item} item @param {Files} [files] @returns {Said} */
function waiting(sender, key, item, files = noFiles) {
  return {
    ...at(item.at), key, seq: 0, sender, text: item.text, subject: item.subject ?? '', quote: null,
    forwarded: item.forward !== undefined, edited: '', deleted: '', reactions: [],
    files: waitingFiles(item, files.upload), message: null, item,
  };
}

/** @param {number} time */
function at(time) {
  return { at: time, day: dayKey(time), time: clockTime(time) };
}

/** Adds what depends on other messages and on users. @param {Sheet} sheet @param {Said} said @returns {Said} */
function dressed(sheet, said) {
  const { state, conversation } = sheet;
  const { message } = said;
  if (message?.deleted) return { ...said, deleted: deletedWords(state, message, conversation.kind === 'group') };
  const answers = message ? message.reply_to : said.item?.reply_to;
  const reactions = message?.reactions ?? [];
  if (answers === undefined && reactions.length === 0) return said;
  return {
    ...said,
    quote: answers === undefined ? null : quoteOf(sheet, answers),
    reactions: reactions.map(({ emoji, users }) => ({
      emoji, count: users.length, mine: users.includes(state.user), names: namesOf(state, users),
    })),
  };
}

/** @param {Sheet} sheet @param {number} seq @returns {Quote} */
function quoteOf({ state, messages, quoted }, seq) {
  const first = messages[0]?.seq ?? 0;
  const near = messages[seq - first];
  const message = near?.seq === seq ? near : quoted ? quoted(seq) : messages.find((one) => one.seq === seq);
  // The message is loading.
  if (message === undefined && quoted) return { seq, who: '', text: '…', sign: null, there: true };
  if (!message || message.hidden) return { seq, who: '', text: say.quoteUnknown, sign: null, there: false };
  const who = message.sender === state.user ? say.you : nameFor(state, message.sender);
  const { text, sign } = gistOf(state, message);
  return { seq, who, text, sign, there: true };
}

/** @param {State} state @param {number[]} users @returns {string} */
function namesOf(state, users) {
  const names = users.slice(0, NAMES_MAX).map((one) => (one === state.user ? say.you : nameFor(state, one)));
  return say.names(names, users.length - names.length);
}

/** @param {Sheet} sheet @param {Said} said @returns {boolean} */
function isUnread({ divider, state, messages }, said) {
  if (divider === null || !said.message || said.sender === state.user || said.seq < divider.seq) return false;
  // The divider is before the loaded messages.
  if (messages[0].seq > divider.seq) return false;
  return !said.message.deleted && !said.message.system;
}

/** @param {Sheet} sheet @param {Said} said @param {boolean} newDay @param {boolean} unread @returns {Day|Unread} */
function separator({ divider, now }, said, newDay, unread) {
  const day = dayName(said.at, now);
  if (!unread) return { type: 'day', key: `day:${said.day}`, text: day };
  const news = say.newMessages(divider?.count ?? 0);
  return { type: 'unread', key: 'unread', text: newDay ? say.newOn(day, news) : news };
}

/** @param {Sheet} sheet @returns {Line} */
function opening({ state, conversation }) {
  const { context, kind } = conversation;
  const by = conversation.members.find((one) => one.user.id === conversation.created_by);
  const mine = conversation.created_by === state.user;
  const who = mine ? null : by ? known(state, by.user).name : nameFor(state, conversation.created_by);
  const begun = kind === 'group' ? say.openedGroup : say.opened;
  const phrase = context ? say.wroteAbout(who, context.title) : begun(who);
  return { type: 'line', key: 'opening', phrase };
}

/** @param {Sheet} sheet @param {Run} run @param {Said} said @returns {boolean} */
function joins(sheet, run, said) {
  const last = run.said[run.said.length - 1];
  if (last.sender !== said.sender || Math.floor(last.at / 60_000) !== Math.floor(said.at / 60_000)) return false;
  return !run.unsent && !run.held && !isUnsent(said) && !isHeld(sheet, said);
}

/** Returns whether the server refused the message. @param {Said} said @returns {boolean} */
function isUnsent(said) {
  return said.item?.state === 'refused';
}

/** Returns whether the message is the first that waits for the connection. @param {Sheet} sheet @param {Said} said
 * @returns {boolean} */
function isHeld({ items, offline }, said) {
  return offline && said.item !== null && said.item === items[0] && !isUnsent(said);
}

/** @param {Run} run @returns {boolean} */
function isBehind(run) {
  return run.meta.kind === 'waits';
}

/** @param {Sheet} sheet @param {Said} said @param {Run|null} before @returns {Run} */
function startRun(sheet, said, before) {
  const { state, conversation } = sheet;
  const [unsent, held] = [isUnsent(said), isHeld(sheet, said)];
  const own = said.sender === state.user;
  const behind = said.item !== null && before !== null && (before.unsent || before.held || isBehind(before));
  const named = conversation.kind === 'group' && !own;
  return {
    type: 'run',
    key: said.key,
    own,
    speaker: own ? say.you : (state.users.get(said.sender)?.name ?? ''),
    sender: named ? (state.users.get(said.sender) ?? null) : null,
    said: [said],
    unsent,
    held,
    joined: behind,
    meta: behind && !unsent && !held ? { kind: 'waits', time: said.time, at: said.at } : { kind: 'none' },
  };
}

/** Sets the line under each group. Only the last own group shows a word beside its tick. @param {Sheet} sheet
 * @param {Block[]} blocks */
function describe(sheet, blocks) {
  const runs = blocks.filter((one) => one.type === 'run');
  const lastOwn = runs.findLast((one) => one.own && one.said[one.said.length - 1].deleted === '');
  for (const run of runs) {
    const last = run.said[run.said.length - 1];
    if (run.held) {
      const words = last.item?.kept === false ? say.waitsHere : say.keptUntilBack;
      run.meta = { kind: 'held', clientId: last.item?.client_id ?? '', words, back: false };
    } else if (run.unsent) {
      run.meta = {
        kind: 'failed', clientId: last.item?.client_id ?? '', words: say.notSentBecause(reasonOf(last.item)),
        // A retry cannot help.
        back: last.item?.problem?.code === 'file_gone',
      };
    } else if (run.meta.kind === 'none') {
      const plain = { kind: /** @type {const} */ ('time'), time: last.time, at: last.at };
      run.meta = run.own && last.deleted === '' ? tickOf(sheet, run, run !== lastOwn) : plain;
    }
  }
}

/** @param {Item|null} item @returns {string} */
function reasonOf(item) {
  return say.reasons[item?.problem?.code ?? ''] ?? say.reasonElse;
}

/** @param {Sheet} sheet @param {Run} run @param {boolean} wordless @returns {Meta} */
function tickOf({ conversation, state }, run, wordless) {
  const last = run.said[run.said.length - 1];
  const { time } = last;
  if (last.item) {
    // No text appears before it is known whether the message is stored.
    const words = last.item.kept === undefined ? '' : say.sending;
    return { kind: 'tick', time, at: last.at, tick: 'sending', words, wordless, readers: false };
  }
  const { tick, readers, others } = receipt(conversation, state.user, last.seq);
  const some = conversation.kind === 'group' && readers.length > 0 && others > 0;
  // In a large group the readers are loaded on request.
  const large = conversation.kind === 'group' && conversation.member_count > conversation.members.length;
  const words = some ? say.readBy(readers.length, others) : large ? say.whoRead : say[tick];
  return {
    kind: 'tick', time, at: last.at, tick: some ? 'read' : tick, words, wordless,
    readers: (some || large) && !wordless,
  };
}
