/**
 * A thread laid out: days, the unread line, and runs. A run is what one person said within one minute of the clock,
 * with no day or unread line between. Pure.
 *
 * @import {Conversation, Message, User} from '../sdk/wire.js'
 * @import {Item} from '../sdk/outbox.js'
 * @import {State} from './state.js'
 * @import {Tick} from './view.js'
 */
import { clockTime, dayKey, dayName } from './format.js';
import { say } from './strings.js';
import { known, receipt } from './view.js';

/**
 * @typedef {{
 *   key: string, text: string, seq: number, sender: number, at: number, day: string, time: string, item: Item|null,
 * }} Said
 * @typedef {{
 *   kind: 'none'} | {kind: 'time', time: string, at: number} | {
 *   kind: 'tick', time: string, at: number, tick: Tick, words: string, wordless: boolean, readers: boolean} | {
 *   kind: 'failed', words: string, clientId: string} | {kind: 'waits', time: string, at: number}
 * } Meta
 * @typedef {{type: 'day', key: string, text: string}} Day
 * @typedef {{type: 'unread', key: string, text: string}} Unread
 * @typedef {{type: 'opening', key: string, parts: [string, string, string, string, string]}} Opening
 * @typedef {{
 *   type: 'run', key: string, own: boolean, speaker: string, sender: User|null, said: Said[], unsent: boolean,
 *   joined: boolean, meta: Meta,
 * }} Run
 * @typedef {Day|Unread|Opening|Run} Block
 * @typedef {{
 *   state: State, conversation: Conversation, messages: Message[], items: Item[], now: number, atBeginning: boolean,
 *   divider: {seq: number, count: number}|null, offline: boolean,
 * }} Sheet
 */

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
    if (!run || !joins(sheet, run, said)) {
      run = startRun(sheet, said, run);
      blocks.push(run);
    } else {
      run.said.push(said);
    }
  }
  describe(sheet, blocks);
  return blocks;
}

/** What the server has, then what waits. @param {Sheet} sheet @returns {Said[]} */
function allSaid({ messages, items, state }) {
  const said = messages.map(saidOf);
  const there = new Set(said.map((one) => one.key));
  for (const item of items) {
    const key = `${state.user}:${item.client_id}`;
    if (!there.has(key)) said.push(at(item.at, { key, text: item.text, seq: 0, sender: state.user, item }));
  }
  return said;
}

/** Messages do not change, and a long thread is laid out often. @type {WeakMap<Message, Said>} */
const laidOut = new WeakMap();

/** @param {Message} message @returns {Said} */
function saidOf(message) {
  let said = laidOut.get(message);
  if (!said) {
    const { sender, client_id, text, seq } = message;
    said = at(Date.parse(message.created_at), { key: `${sender}:${client_id}`, text, seq, sender, item: null });
    laidOut.set(message, said);
  }
  return said;
}

/** @param {number} time @param {Omit<Said, 'at'|'day'|'time'>} said @returns {Said} */
function at(time, said) {
  return { ...said, at: time, day: dayKey(time), time: clockTime(time) };
}

/** @param {Sheet} sheet @param {Said} said @returns {boolean} */
function isUnread({ divider, state }, said) {
  return divider !== null && !said.item && said.sender !== state.user && said.seq >= divider.seq;
}

/** @param {Sheet} sheet @param {Said} said @param {boolean} newDay @param {boolean} unread @returns {Day|Unread} */
function separator({ divider, now }, said, newDay, unread) {
  const day = dayName(said.at, now);
  if (!unread) return { type: 'day', key: `day:${said.day}`, text: day };
  const news = say.newMessages(divider?.count ?? 0);
  return { type: 'unread', key: 'unread', text: newDay ? say.newOn(day, news) : news };
}

/** @param {Sheet} sheet @returns {Opening} */
function opening({ state, conversation }) {
  const { context, kind } = conversation;
  const by = conversation.members.find((one) => one.user.id === conversation.created_by);
  const who = conversation.created_by === state.user ? say.you : by ? known(state, by.user).name : '';
  const words = context ? say.wroteAbout : kind === 'group' ? say.openedGroup : say.opened;
  return { type: 'opening', key: 'opening', parts: [words[0], who, words[1], context?.title ?? '', words[2]] };
}

/** @param {Sheet} sheet @param {Run} run @param {Said} said @returns {boolean} */
function joins(sheet, run, said) {
  const last = run.said[run.said.length - 1];
  if (last.sender !== said.sender || Math.floor(last.at / 60_000) !== Math.floor(said.at / 60_000)) return false;
  return !run.unsent && !isUnsent(sheet, said);
}

/** Refused, or the first that a lost connection holds back. @param {Sheet} sheet @param {Said} said
 * @returns {boolean} */
function isUnsent({ items, offline }, said) {
  return said.item !== null && (said.item.state === 'refused' || (offline && said.item === items[0]));
}

/** @param {Run} run @returns {boolean} */
function isBehind(run) {
  return run.meta.kind === 'waits';
}

/** @param {Sheet} sheet @param {Said} said @param {Run|null} before @returns {Run} */
function startRun(sheet, said, before) {
  const { state, conversation } = sheet;
  const unsent = isUnsent(sheet, said);
  const own = said.sender === state.user;
  const behind = said.item !== null && before !== null && (before.unsent || isBehind(before));
  const named = conversation.kind === 'group' && !own;
  return {
    type: 'run',
    key: said.key,
    own,
    speaker: own ? say.you : (state.users.get(said.sender)?.name ?? ''),
    sender: named ? (state.users.get(said.sender) ?? null) : null,
    said: [said],
    unsent,
    joined: behind,
    meta: behind && !unsent ? { kind: 'waits', time: said.time, at: said.at } : { kind: 'none' },
  };
}

/** Says under each run what is to be said: the word beside the tick only under the last own one.
 * @param {Sheet} sheet @param {Block[]} blocks */
function describe(sheet, blocks) {
  const runs = blocks.filter((one) => one.type === 'run');
  const lastOwn = runs.findLast((one) => one.own);
  for (const run of runs) {
    const last = run.said[run.said.length - 1];
    if (run.unsent) {
      run.meta = {
        kind: 'failed', clientId: last.item?.client_id ?? '', words: say.notSentBecause(reasonOf(last.item)),
      };
    } else if (run.meta.kind === 'none') {
      const plain = { kind: /** @type {const} */ ('time'), time: last.time, at: last.at };
      run.meta = run.own ? tickOf(sheet, run, run !== lastOwn) : plain;
    }
  }
}

/** @param {Item|null} item @returns {string} */
function reasonOf(item) {
  if (item?.state !== 'refused') return say.noConnection;
  return say.reasons[item.problem?.code ?? ''] ?? say.reasonElse;
}

/** @param {Sheet} sheet @param {Run} run @param {boolean} wordless @returns {Meta} */
function tickOf({ conversation, state }, run, wordless) {
  const last = run.said[run.said.length - 1];
  const { time } = last;
  if (last.item) {
    return { kind: 'tick', time, at: last.at, tick: 'sending', words: say.sending, wordless, readers: false };
  }
  const { tick, readers, others } = receipt(conversation, state.user, last.seq);
  const group = conversation.kind === 'group' && readers.length > 0 && others > 0;
  const words = group ? say.readBy(readers.length, others) : say[tick];
  return {
    kind: 'tick', time, at: last.at, tick: group ? 'read' : tick, words, wordless, readers: group && !wordless,
  };
}
