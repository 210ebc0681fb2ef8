/**
 * What was found, as the rows that show it. Pure.
 *
 * @import {Context, Message, Piece, User} from '../sdk/wire.js'
 * @import {SearchView} from './search.js'
 * @import {Sight} from './view.js'
 */
import { gist } from './files.js';
import { clockTime, shortTime } from './format.js';
import { known } from './people.js';
import { isFiltered } from './search.js';
import { say } from './strings.js';
import { nameOf } from './view.js';

/**
 * @typedef {{
 *   key: string, conversation: number, seq: number, name: string, faces: User[], time: string, dateTime: string,
 *   context: Context|null, where: string, pieces: Piece[], sign: 'picture'|'file'|null, selected: boolean,
 * }} FoundRow
 * @typedef {{title: string, more: string, act: string, undo: 'conversation'|'all'|null}} Nothing
 * @typedef {{
 *   rows: FoundRow[], count: string, state: 'begin'|'waiting'|'failed'|'nothing'|'found', more: boolean,
 *   moreFailed: boolean, nothing: Nothing, filters: SearchView['filters'],
 * }} FoundView
 */

/** @param {Sight} sight @param {SearchView} search @param {{conversation: number, seq: number}|null} at the one that
 * was gone to @returns {FoundView} */
export function foundView(sight, search, at) {
  const rows = search.results.filter(({ message }) => !isGone(sight, message))
    .map((hit) => rowOf(sight, search, hit, at));
  const { progress } = search;
  const state = progress === 'idle' ? 'begin'
    : rows.length > 0 ? 'found'
      : progress === 'waiting' ? 'waiting' : progress === 'failed' ? 'failed' : 'nothing';
  return {
    rows, state,
    count: state === 'found' ? say.foundCount(rows.length, search.more) : '',
    more: search.more && progress === 'done',
    moreFailed: state === 'found' && progress === 'failed',
    nothing: nothing(search),
    filters: search.filters,
  };
}

/** Whether it was deleted since it was found, as far as this page knows. @param {Sight} sight @param {Message} message
 * @returns {boolean} */
function isGone({ state }, { conversation, seq }) {
  const held = state.threads.get(conversation)?.messages.find((one) => one.seq === seq);
  return held !== undefined && (held.deleted === true || held.hidden === true);
}

/** @param {Sight} sight @param {SearchView} search @param {SearchView['results'][number]} hit
 * @param {{conversation: number, seq: number}|null} at @returns {FoundRow} */
function rowOf({ state, now }, { conversations, users }, { message, excerpt }, at) {
  const { conversation: id, seq, sender } = message;
  const mine = sender === state.user;
  const user = state.users.get(sender) ?? users.get(sender);
  const conversation = state.conversations.get(id) ?? conversations.get(id);
  const time = Date.parse(message.created_at);
  const { text, sign } = gist(message);
  const name = mine ? say.you : user ? known(state, user).name : say.somebody;
  return {
    key: `${id}:${seq}`, conversation: id, seq, name,
    faces: user ? [known(state, user)] : [],
    time: whenOf(time, now), dateTime: message.created_at,
    context: conversation?.context ?? null,
    where: conversation ? whereOf(conversation.context?.title ?? nameOf(state, conversation), name) : '',
    pieces: excerpt.some((one) => one.text !== '') ? excerpt : [{ text, hit: false }],
    sign,
    selected: at !== null && at.conversation === id && at.seq === seq,
  };
}

/** A place that has the name of the writer says nothing more. @param {string} where @param {string} name */
function whereOf(where, name) {
  return where === name ? '' : where;
}

/** 10:47; Yesterday; Fri 09:12; 12 Nov. @param {number} time @param {number} now @returns {string} */
function whenOf(time, now) {
  const short = shortTime(time, now);
  const isWeekday = !/\d/u.test(short) && short !== say.yesterday;
  return isWeekday ? `${short} ${clockTime(time)}` : short;
}

/** @param {SearchView} search @returns {Nothing} */
function nothing({ query, filters }) {
  const title = say.searchNothing(query.trim());
  const { conversation, ...rest } = filters;
  if (conversation && !isFiltered({ ...rest, conversation: null })) {
    return { title, more: say.searchWider(conversation.name), act: say.searchEverywhere, undo: 'conversation' };
  }
  if (isFiltered(filters)) return { title, more: say.searchUnfiltered, act: say.searchNoFilters, undo: 'all' };
  return { title, more: say.searchFewer, act: '', undo: null };
}
