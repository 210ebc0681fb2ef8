/**
 * The rows of the search results. Pure.
 *
 * @import {Context, Hit, Message, Piece, User} from '../../sdk/wire.js'
 * @import {QueryTerm} from './folding.js'
 * @import {SearchView} from '../../sdk/search.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {ViewInput} from './conversations.js'
 */
import { previewContent } from './attachments.js';
import { fold, hasAll, nameWords, parseQuery } from './folding.js';
import { clockTime, shortTime } from './format.js';
import { graphemes } from './graphemes.js';
import { latestUser } from './users.js';
import { foundKey } from '../../sdk/state/found-messages.js';
import { isFiltered } from '../../sdk/search.js';
import { dialogSay } from './dialog-strings.js';
import { say } from './strings.js';
import { nameOf } from './conversations.js';

/** The length of the excerpt of an edited hit, and the part of it before the first match. */
const EXCERPT_CHARS = 160;
const BEFORE_HIT = 30;
/** The characters between the parts of one word. */
const JOINS = /^[-'’‐._/@&]$/u;

/**
 * @typedef {{
 *   key: string, conversation: number, seq: number, name: string, faces: User[], time: string, dateTime: string,
 *   context: Context|null, where: string, pieces: Piece[], sign: 'picture'|'file'|null, selected: boolean,
 * }} ResultRow
 * @typedef {{title: string, more: string, act: string, undo: 'conversation'|'all'|null}} Nothing
 * @typedef {{
 *   rows: ResultRow[], count: string, state: 'begin'|'waiting'|'failed'|'refused'|'nothing'|'found', more: boolean,
 *   moreFailed: boolean, failure: string, nothing: Nothing, filters: SearchView['filters'],
 * }} ResultsView
 */

/** @param {ViewInput} viewInput @param {SearchView} search
 * @param {{conversation: number, seq: number}|null} at the opened result @returns {ResultsView} */
export function resultsView(viewInput, search, at) {
  const rows = search.results.map((hit) => asNow(viewInput, search.query, hit)).filter((hit) => hit !== null)
    .map((hit) => rowOf(viewInput, search, hit, at));
  const { progress } = search;
  const state = progress === 'idle' ? 'begin'
    : rows.length > 0 ? 'found'
      : progress === 'done' ? 'nothing' : progress;
  return {
    rows, state,
    count: state === 'found' ? dialogSay.foundCount(rows.length, search.more) : '',
    more: search.more && progress === 'done',
    moreFailed: state === 'found' && (progress === 'failed' || progress === 'refused'),
    failure: failureOf(search),
    nothing: nothing(search),
    filters: search.filters,
  };
}

/** Returns whether a hit has to be searched again: it may have changed in an unknown way, or it was edited and seems to
 * match no longer. The server, which compares better, decides. @param {State} state @param {SearchView} search
 * @returns {boolean} */
export function isDoubtful({ found: hits }, { results, query }) {
  return results.some(({ message }) => {
    const now = hits.get(foundKey(message)) ?? null;
    return now === null || (!now.deleted && !now.hidden && isOther(now, message) && !says(now, parseQuery(query)));
  });
}

/** Returns the current state of a hit, as far as this page knows it; null if it was deleted or no longer matches.
 * @param {ViewInput} viewInput @param {string} query @param {Hit} hit @returns {Hit|null} */
function asNow({ state }, query, hit) {
  const now = state.found.get(foundKey(hit.message)) ?? hit.message;
  if (now.deleted || now.hidden) return null;
  if (now.version <= hit.message.version) return hit;
  if (!isOther(now, hit.message)) return { ...hit, message: now };
  const wanted = parseQuery(query);
  return says(now, wanted) ? { message: now, excerpt: excerptOf(previewContent(now).text, wanted) } : null;
}

/** Returns whether a newer copy has another text. @param {Message} now @param {Message} before @returns {boolean} */
function isOther(now, before) {
  const words = (/** @type {Message} */ one) => JSON.stringify([one.subject, one.text]);
  return now.version > before.version && words(now) !== words(before);
}

/** @param {Message} message @param {QueryTerm[]} wanted @returns {boolean} */
function says({ subject, text, attachments }, wanted) {
  const all = [subject ?? '', text, ...(attachments ?? []).map((one) => one.name)];
  return hasAll(all.map(nameWords).join(''), wanted);
}

/** Splits a text into pieces, starting shortly before the first match. @param {string} text @param {QueryTerm[]} wanted
 * @returns {Piece[]} */
export function excerptOf(text, wanted) {
  const words = wanted.flatMap(({ whole, parts }) => [whole, ...parts]);
  // The origin of each unit of the folded text: folding changes lengths and drops the characters that join words.
  const signs = graphemes(text);
  const foldedSigns = signs.map((sign) => (JOINS.test(sign) ? '' : fold(sign)));
  const from = foldedSigns.flatMap((sign, index) => sign.split('').map(() => index));
  const folded = foldedSigns.join('');
  const hit = new Set();
  for (const word of words) {
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
      for (let index = from[at]; index <= from[at + word.length - 1]; index += 1) hit.add(index);
    }
  }
  const first = Math.max(0, Math.min(...hit, signs.length) - BEFORE_HIT);
  const begin = hit.size === 0 ? 0 : first;
  /** @type {Piece[]} */
  const pieces = begin > 0 ? [{ text: '…', hit: false }] : [];
  for (const [index, sign] of signs.slice(begin, begin + EXCERPT_CHARS).entries()) {
    const isHit = hit.has(begin + index);
    const last = pieces.at(-1);
    if (last && last.hit === isHit) last.text += sign;
    else pieces.push({ text: sign, hit: isHit });
  }
  return pieces;
}

/** @param {ViewInput} viewInput @param {SearchView} search @param {SearchView['results'][number]} hit
 * @param {{conversation: number, seq: number}|null} at @returns {ResultRow} */
function rowOf({ state, now }, { conversations, users }, { message, excerpt }, at) {
  const { conversation: id, seq, sender } = message;
  const mine = sender === state.user;
  const user = state.users.get(sender) ?? users.get(sender);
  const conversation = state.conversations.get(id) ?? conversations.get(id);
  const time = Date.parse(message.created_at);
  const { text, sign } = previewContent(message);
  const name = mine ? say.you : user ? latestUser(state, user).name : say.somebody;
  return {
    key: `${id}:${seq}`, conversation: id, seq, name,
    faces: user ? [latestUser(state, user)] : [],
    time: whenOf(time, now), dateTime: message.created_at,
    context: conversation?.context ?? null,
    where: conversation ? whereOf(conversation.context?.title ?? nameOf(state, conversation), name) : '',
    pieces: excerpt.some((one) => one.text !== '') ? excerpt.map(withoutFences) : [{ text, hit: false }],
    sign,
    selected: at !== null && at.conversation === id && at.seq === seq,
  };
}

/** @param {Piece} piece @returns {Piece} */
function withoutFences({ text, hit }) {
  return { text: text.replaceAll('```', ''), hit };
}

/** Leaves out a conversation title that equals the sender's name. @param {string} where @param {string} name */
function whereOf(where, name) {
  return where === name ? '' : where;
}

/** For example "10:47", "Yesterday", "Fri 09:12" or "12 Nov". @param {number} time @param {number} now
 * @returns {string} */
function whenOf(time, now) {
  const short = shortTime(time, now);
  const isWeekday = !/\d/u.test(short) && short !== say.yesterday;
  return isWeekday ? `${short} ${clockTime(time)}` : short;
}

/** Returns why a search failed. @param {SearchView} search @returns {string} */
function failureOf({ problem, query }) {
  if (!problem) return dialogSay.searchFailed;
  const text = query.trim();
  switch (problem.code) {
    case 'invalid_field':
      // The user is not to blame for a wrong time or cursor.
      return text !== '' && parseQuery(text).length === 0 ? dialogSay.searchNoWords(text) : dialogSay.searchRefused;
    case 'text_too_long':
      return dialogSay.searchTooLong(problem.limit ?? 0);
    case 'limit_reached':
      return dialogSay.searchTooMany(problem.limit ?? 0);
    case 'not_allowed':
      return dialogSay.searchOff;
    case 'not_found':
      return say.jumpMissed.left;
    default:
      return problem.retryable ? dialogSay.searchBusy : dialogSay.searchRefused;
  }
}

/** @param {SearchView} search @returns {Nothing} */
function nothing({ query, filters }) {
  const title = dialogSay.searchNothing(query.trim());
  const { conversation, ...rest } = filters;
  if (conversation && !isFiltered({ ...rest, conversation: null })) {
    return { title, more: dialogSay.searchWider(conversation.name), act: dialogSay.searchEverywhere, undo: 'conversation' };
  }
  if (isFiltered(filters)) return { title, more: dialogSay.searchUnfiltered, act: dialogSay.searchNoFilters, undo: 'all' };
  return { title, more: dialogSay.searchFewer, act: '', undo: null };
}
