/**
 * Finds the name that is being written after an `@`, and the members whose names match it. Pure.
 *
 * @import {User} from '../../sdk/wire.js'
 */
import { isInCode } from './emoji-code.js';
import { isFound, parseQuery } from './folding.js';

/** The longest part of a name, in UTF-16 units, and the most words of it. */
const QUERY_MAX = 40;
/** What may stand before an at sign: a space, an opening bracket, a quote, an emoji, and the letters and full stops of
 * scripts without spaces. Never what ends the name in an address. */
const BEFORE = '[\\s\\p{Ps}\\p{Pi}"\'！？，\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f'
  + '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]';
const QUERY = new RegExp(`(?:^|${BEFORE})[@＠]((?:[^\\s@＠]+(?: [^\\s@＠]+){0,2} ?)?)$`, 'u');

/** @param {string} text @param {number} caret @returns {{from: number, query: string}|null} `from` is the position of the at
 * sign */
export function mentionBefore(text, caret) {
  const before = text.slice(Math.max(0, caret - QUERY_MAX - 2), caret);
  const query = QUERY.exec(before)?.[1];
  if (query === undefined) return null;
  const from = caret - query.length - 1;
  return isInCode(text.slice(0, from)) ? null : { from, query };
}

/** Returns the users whose names match, in the order of their names. @param {User[]} users @param {string} query
 * @returns {User[]} */
export function findMentioned(users, query) {
  const wanted = parseQuery(query);
  if (wanted.length === 0 && query !== '') return [];
  const order = new Intl.Collator();
  return users.filter((one) => isFound(one.name, wanted)).sort((a, b) => order.compare(a.name, b.name) || a.id - b.id);
}
